//! Words that come after the life that said them: what a leader says last is late, and voters forget
//! what they have voted while the election goes on.

use std::time::Duration;

use super::{Draw, Drawn};
use crate::faults::pick::{chance, log_duration, uniform_duration};
use crate::faults::plan::{Fault, Harm, Links, PlannedFault, Start, Target, Trigger, node};
use crate::scenario::units::Between;

use Target::{Leader, Others};

/// How long a leader's words are slow: it is bounced meanwhile.
const WORDS: Between<Duration> =
    Between { low: Duration::from_millis(20), high: Duration::from_millis(500) };

/// How long a process is away that is back at once.
const BACK: Between<Duration> = Between { low: Duration::ZERO, high: Duration::from_millis(50) };

/// How late they are at most: the same node may lead again by then.
const LATEST: Duration = Duration::from_secs(10);

/// In the campaigns of how many candidates the voter forgets.
const CANDIDATES: usize = 3;

/// How long after the beginning of a campaign a voter forgets: it has mostly voted by then.
const VOTED: Between<Duration> =
    Between { low: Duration::from_millis(2), high: Duration::from_millis(20) };

impl Draw<'_> {
    /// The leader is bounced, its last words come late, and its successor dies before they come.
    pub(super) fn last_words(&mut self) -> Drawn {
        let low = self.timing.lease * 2;
        let by = self.log(Between { low, high: LATEST.max(low) });
        let lasts = self.log(WORDS);
        let links = Links { from: vec![Leader], to: vec![Others], both_ways: false };
        let half = Between { low: Duration::ZERO, high: lasts / 2 };
        let goes = uniform_duration(self.rng, half);
        let graceful = chance(self.rng, 60);
        let harm = if chance(self.rng, 25) { Harm::Wipe } else { Harm::None };
        let (down, slow_start) = (self.log(BACK), Duration::ZERO);
        let bounce = Fault::Bounce { nodes: vec![Leader], graceful, harm, down, slow_start };
        let next = uniform_duration(self.rng, Between { low: lasts, high: by });
        let successor = self.bounce(vec![Leader], false, Harm::None);
        vec![(Duration::ZERO, Fault::Slow { links, by, lasts }), (goes, bounce), (next, successor)]
    }

    /// Campaigns that take longer than a quarantine, because of any two voters one hears the other
    /// late. A voter that has voted forgets it and begins a new life before the others vote; the
    /// candidate alone does not hear of that life.
    pub(super) fn forgotten_vote(&mut self) -> Drawn {
        let mut voters: Vec<Target> =
            (1..=self.size.voters).map(|number| Target::Node(node(number))).collect();
        super::shuffle(self.rng, &mut voters);
        let Some((voter, rest)) = voters.split_last() else { return Vec::new() };
        let low = self.timing.quarantine * 21 / 20 + BACK.high;
        // Later, and the campaign is over.
        let high = (low * 3 / 2).min(self.timing.jitter * 19 / 20).max(low);
        let by = uniform_duration(self.rng, Between { low, high });
        let lasts = by * 4 + self.timing.election_timeout + self.timing.jitter;
        let mut drawn = Vec::new();
        for (one, others) in (1..rest.len()).map(|at| (rest[at - 1], &rest[at..])) {
            let links = Links { from: vec![one], to: others.to_vec(), both_ways: false };
            drawn.push((Duration::ZERO, Fault::Slow { links, by, lasts }));
        }
        drawn.push((Duration::ZERO, self.back_at_once(Leader, Harm::None)));
        for candidate in rest.iter().take(CANDIDATES) {
            let Target::Node(name) = *candidate else { continue };
            let after = self.log(VOTED);
            let start = Start::When { event: Trigger::Campaign(Some(name)), nth: 1, after };
            let wipe = self.back_at_once(*voter, Harm::Wipe);
            let links = Links { from: vec![*voter], to: vec![*candidate], both_ways: false };
            let cut = Fault::Cut { links, lasts: by * 2 };
            self.awaited.extend([wipe, cut].map(|fault| PlannedFault { start, fault }));
        }
        drawn
    }

    fn back_at_once(&mut self, node: Target, harm: Harm) -> Fault {
        let (nodes, down) = (vec![node], log_duration(self.rng, BACK));
        Fault::Bounce { nodes, graceful: false, harm, down, slow_start: Duration::ZERO }
    }
}
