//! The whole of a run at once: when somebody could lead, and when nobody did.

use super::Setting;
use super::gaps::{Gap, gaps, held};
use super::ground::{Chance, Ground};
use super::pace::Odds;
use crate::history::{History, SimTime};

/// From a moment on, until the next of them.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// From then on.
    pub from: SimTime,
    /// Who could lead.
    pub chance: Option<Chance>,
    /// How often the world had changed.
    pub changes: u32,
    /// What a bound depends on.
    pub(super) odds: Odds,
}

/// Every change of the world in a history, and its end.
pub fn moments(history: &History, setting: &Setting) -> (Vec<Moment>, SimTime) {
    let mut ground = Ground::new(setting);
    let mut moments = Vec::new();
    let mut end = SimTime(0);
    for (_, event) in history.besides_messages() {
        end = event.at;
        if ground.apply(event) {
            let chance = ground.chance();
            let since = chance.map_or(event.at, |chance| chance.since);
            let (changes, odds) = (ground.changes(), ground.odds(since));
            moments.push(Moment { from: event.at, chance, changes, odds });
        }
    }
    (moments, end)
}

/// Time without a guard of one run, out of faults and healing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outage {
    /// All of it, in nanoseconds.
    pub sum: u64,
    /// The longest stretch, in nanoseconds.
    pub longest: u64,
    /// When that began.
    pub longest_at: SimTime,
    /// How much of it all somebody could have led, by the world, in nanoseconds.
    pub needless: u64,
}

/// Measures a run.
pub fn outage(history: &History, setting: &Setting) -> Outage {
    let gaps = gaps(history, &held(history));
    if gaps.is_empty() {
        return Outage::default();
    }
    let (moments, end) = moments(history, setting);
    let mut outage = Outage::default();
    for gap in &gaps {
        outage.sum += gap.lasts();
        if gap.lasts() > outage.longest {
            (outage.longest, outage.longest_at) = (gap.lasts(), gap.from);
        }
        for (moment, until) in within(&moments, end, gap) {
            if moment.chance.is_some() {
                outage.needless += until.min(gap.to).since(moment.from.max(gap.from));
            }
        }
    }
    outage
}

/// The moments that lie in a gap, and until when each lasts.
pub fn within<'m>(
    moments: &'m [Moment],
    end: SimTime,
    gap: &Gap,
) -> impl Iterator<Item = (&'m Moment, SimTime)> + use<'m> {
    let Gap { from, to } = *gap;
    let first = moments.partition_point(|moment| moment.from <= from).saturating_sub(1);
    let here = moments[first..].iter().enumerate().take_while(move |(_, moment)| moment.from < to);
    here.map(move |(index, moment)| {
        let next = moments.get(first + index + 1);
        (moment, next.map_or(end, |next| next.from))
    })
}

/// How often the world had changed by then.
pub fn changes_by(moments: &[Moment], at: SimTime) -> u32 {
    let after = moments.partition_point(|moment| moment.from <= at);
    after.checked_sub(1).map_or(0, |last| moments[last].changes)
}
