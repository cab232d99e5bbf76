//! Which instants of a job have begun, whatever the store's clock has done meanwhile.
//!
//! A job's cursor tells where it stands; that no instant begins twice is decided here. While no clock is
//! set back the two say the same. After one was, the cursor follows the clock, and instants that ran
//! before it was lie ahead: these are passed over when their time comes.
//!
//! Kept as ranges: what runs one after the other extends one, and where instants were skipped, another
//! begins. Of more than [`RANGES_MAX`] the two with the least between them become one, which also bars
//! what was skipped between them. So every instant that has begun is in it, and it stays short. What lies
//! ahead of where the job stands, and has no outcome yet, is barred last.

use crate::time::WallTime;

/// The most ranges that are kept of a job.
const RANGES_MAX: usize = 16;

/// The instants of one job that have begun, and some between them that were skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// First and last instant of each range, in their order; none touches another.
    ranges: Vec<(WallTime, WallTime)>,
}

impl Ran {
    /// The last instant of the range that holds `instant`; none: it has not begun.
    pub fn until(&self, instant: WallTime) -> Option<WallTime> {
        let holds = |(first, last): &&(WallTime, WallTime)| *first <= instant && instant <= *last;
        self.ranges.iter().find(holds).map(|(_, last)| *last)
    }

    /// The first instant of the range that holds `instant`; none: it has not begun.
    pub fn from(&self, instant: WallTime) -> Option<WallTime> {
        let holds = |(first, last): &&(WallTime, WallTime)| *first <= instant && instant <= *last;
        self.ranges.iter().find(holds).map(|(first, _)| *first)
    }

    /// The last instant that has begun of those until `time`.
    pub fn last_until(&self, time: WallTime) -> Option<WallTime> {
        let begun = self.ranges.iter().filter(|(first, _)| *first <= time);
        begun.map(|(_, last)| (*last).min(time)).next_back()
    }

    /// The parts of `after < instant ≤ until` that have begun, each as such a pair of bounds.
    pub fn between(
        &self,
        after: WallTime,
        until: WallTime,
    ) -> impl Iterator<Item = (WallTime, WallTime)> {
        let part = move |(first, last): &(WallTime, WallTime)| {
            let before = WallTime { unix_ms: first.unix_ms.saturating_sub(1) };
            (before.max(after), (*last).min(until))
        };
        self.ranges.iter().map(part).filter(|(after, until)| after < until)
    }

    /// One begins. `follows` is the cursor if nothing was skipped between that and the instant.
    pub(crate) fn begin(&mut self, follows: Option<WallTime>, instant: WallTime) {
        let mut new = (instant, instant);
        if let Some(begun) = follows.and_then(|cursor| self.from(cursor)) {
            new.0 = begun.min(instant);
        }
        let (meets, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ranges)
            .into_iter()
            .partition(|(first, last)| *first <= new.1 && new.0 <= *last);
        for (first, last) in meets {
            new = (new.0.min(first), new.1.max(last));
        }
        self.ranges = others;
        self.ranges.push(new);
        self.ranges.sort_unstable();
        while self.ranges.len() > RANGES_MAX {
            // The older of equal ones.
            let between = |i: &usize| {
                let (from, to) = (self.ranges[*i].1, self.ranges[i + 1].0);
                (to > new.0, to.unix_ms - from.unix_ms)
            };
            let Some(least) = (0..self.ranges.len() - 1).min_by_key(between) else { return };
            let (_, last) = self.ranges.remove(least + 1);
            self.ranges[least].1 = last;
        }
    }

    /// As a store keeps it: `first-last` for each range, with commas between them, in milliseconds.
    pub(crate) fn to_text(&self) -> String {
        let range =
            |(first, last): &(WallTime, WallTime)| format!("{}-{}", first.unix_ms, last.unix_ms);
        self.ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }

    /// What a store kept; none if that is no such text.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut ranges: Vec<(WallTime, WallTime)> = Vec::new();
        for range in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = range.split_once('-')?;
            let at = |text: &str| text.parse().ok().map(|unix_ms| WallTime { unix_ms });
            let (first, last) = (at(first)?, at(last)?);
            if last < first || ranges.last().is_some_and(|(_, before)| first <= *before) {
                return None;
            }
            ranges.push((first, last));
        }
        Some(Self { ranges })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(unix_ms: u64) -> WallTime {
        WallTime { unix_ms }
    }

    #[test]
    fn what_runs_one_after_the_other_is_one_range() {
        let mut ran = Ran::default();
        ran.begin(Some(at(5)), at(10));
        ran.begin(Some(at(10)), at(20));
        assert_eq!(ran.to_text(), "10-20");
        // Something was skipped; or the clock was set back.
        ran.begin(None, at(40));
        ran.begin(Some(at(30)), at(31));
        assert_eq!(ran.to_text(), "10-20,31-31,40-40");
        assert_eq!((ran.until(at(15)), ran.until(at(25))), (Some(at(20)), None));
        assert_eq!((ran.last_until(at(39)), ran.last_until(at(9))), (Some(at(31)), None));
        // Past what lies ahead.
        ran.begin(Some(at(31)), at(41));
        assert_eq!(ran.to_text(), "10-20,31-41");
    }

    #[test]
    fn of_too_many_the_nearest_become_one() {
        let mut ran = Ran::default();
        for number in 1..=16 {
            ran.begin(None, at(number * 100));
        }
        ran.begin(None, at(1_610));
        assert!(ran.to_text().ends_with(",1500-1500,1600-1610"), "{ran:?}");
        // Not what is still to come, while there is anything else.
        let mut ran = Ran::default();
        for instant in [100, 300].into_iter().chain((0..14).map(|number| 9_000 + number * 10)) {
            ran.begin(None, at(instant));
        }
        ran.begin(None, at(500));
        assert!(ran.to_text().starts_with("100-300,500-500,9000-9000,9010-9010,"), "{ran:?}");
        assert_eq!(Ran::from_text(&ran.to_text()), Some(ran));
    }

    #[test]
    fn a_text_that_is_none_is_not_taken_for_one() {
        assert_eq!(Ran::from_text(""), Some(Ran::default()));
        for text in ["1", "2-1", "1-2,2-3", "1-2,", "a-b", "1-2;3-4", "-1-2"] {
            assert_eq!(Ran::from_text(text), None, "{text}");
        }
    }

    proptest! {
        /// Whatever begins in whatever order, it is known to have begun, and the text stays short.
        #[test]
        fn what_has_begun_has_begun(steps in prop::collection::vec((0..200_u64, any::<bool>()), 0..80)) {
            let (mut ran, mut begun, mut cursor) = (Ran::default(), BTreeSet::new(), at(0));
            for (instant, follows) in steps {
                if ran.until(at(instant)).is_some() {
                    continue;
                }
                ran.begin((follows && cursor < at(instant)).then_some(cursor), at(instant));
                cursor = at(instant);
                begun.insert(instant);
                prop_assert!(begun.iter().all(|instant| ran.until(at(*instant)).is_some()));
                prop_assert!(ran.ranges.len() <= RANGES_MAX);
                prop_assert_eq!(Ran::from_text(&ran.to_text()), Some(ran.clone()));
            }
        }
    }
}
