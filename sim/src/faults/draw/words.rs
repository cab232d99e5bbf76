//! Words that come after the life that said them: what a leader says last is late, and voters forget
//! what they have voted while the election goes on.

use std::time::Duration;

use super::{Draw, Drawn, both};
use crate::faults::pick::{chance, log_duration, log_uniform, uniform_duration};
use crate::faults::plan::{Fault, Harm, Links, PlannedFault, Start, Target, Trigger, node};
use crate::scenario::units::Between;

use Target::{Leader, Others};

/// How long a leader's words are slow: it is bounced meanwhile.
const WORDS: Between<Duration> =
    Between { low: Duration::from_millis(20), high: Duration::from_millis(500) };

/// How late they are at most: the same node may lead again by then.
const LATEST: Duration = Duration::from_secs(10);

/// Which campaign it is, at most, whose voter forgets.
const CAMPAIGNS_MAX: u64 = 6;

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
        let back = Between { low: Duration::ZERO, high: Duration::from_millis(50) };
        let (down, slow_start) = (self.log(back), Duration::ZERO);
        let bounce = Fault::Bounce { nodes: vec![Leader], graceful, harm, down, slow_start };
        let next = uniform_duration(self.rng, Between { low: lasts, high: by });
        let successor = self.bounce(vec![Leader], false, Harm::None);
        vec![(Duration::ZERO, Fault::Slow { links, by, lasts }), (goes, bounce), (next, successor)]
    }

    /// A campaign that takes longer than a quarantine, because the candidate's words are slow: a
    /// voter that has voted forgets it and begins a new life, of which the candidate does not hear,
    /// before the others vote.
    pub(super) fn forgotten_vote(&mut self) -> Drawn {
        let mut voters: Vec<Target> =
            (1..=self.size.voters).map(|number| Target::Node(node(number))).collect();
        super::shuffle(self.rng, &mut voters);
        let [candidate, voter, rest @ ..] = &voters[..] else {
            return vec![(Duration::ZERO, self.bounce(voters, false, Harm::Wipe))];
        };
        let quarantine = self.timing.quarantine;
        let by = uniform_duration(self.rng, Between { low: quarantine, high: quarantine * 2 });
        let lasts = by * 4 + self.timing.election_timeout + self.timing.jitter;
        let mut drawn = Vec::new();
        if let [one, others @ ..] = rest
            && !others.is_empty()
        {
            let slow = |links| Fault::Slow { links, by, lasts };
            let to = rest.to_vec();
            let words = Links { from: vec![*candidate], to, both_ways: false };
            drawn.push((Duration::ZERO, slow(words)));
            drawn.push((Duration::ZERO, slow(both(vec![*one], others.to_vec()))));
        }
        drawn.push((Duration::ZERO, self.at_once_back(Leader, Harm::None)));
        for _ in 0..2 {
            let nth = log_uniform(self.rng, 1, CAMPAIGNS_MAX) as u32;
            let start = Start::When { event: Trigger::Campaign, nth, after: self.log(VOTED) };
            let wipe = self.at_once_back(*voter, Harm::Wipe);
            let unheard = Links { from: vec![*voter], to: vec![*candidate], both_ways: false };
            let unheard = Fault::Cut { links: unheard, lasts: by * 2 };
            self.awaited.push(PlannedFault { start, fault: wipe });
            self.awaited.push(PlannedFault { start, fault: unheard });
        }
        drawn
    }

    fn at_once_back(&mut self, node: Target, harm: Harm) -> Fault {
        let back = Between { low: Duration::ZERO, high: Duration::from_millis(50) };
        let (nodes, down) = (vec![node], log_duration(self.rng, back));
        Fault::Bounce { nodes, graceful: false, harm, down, slow_start: Duration::ZERO }
    }
}
