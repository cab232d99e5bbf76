//! Which guard is valid when: from its issue until its holder steps down, its process is gone, or
//! the holder's own clock reaches the end of the lease.
//!
//! A paused process keeps its guard: it wakes up believing in it, and only its clock tells it not
//! to.

use fencepost::{Instant, NodeId, Term};

use super::few::Few;
use crate::history::{Event, Kind, SimTime};

/// A node's monotonic clock since it was last set, as [`Kind::ClockRate`] defines it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalClock {
    pub at: SimTime,
    pub reading: Instant,
    pub ppm: i32,
}

impl LocalClock {
    /// Whether the clock shows `deadline` or later at `at`. Exact: everything is multiplied by a
    /// million instead of divided.
    pub fn has_reached(&self, deadline: Instant, at: SimTime) -> bool {
        let passed = i128::from(at.0) - i128::from(self.at.0);
        let shown = i128::from(self.reading.0) * 1_000_000;
        shown + passed * (1_000_000 + i128::from(self.ppm)) >= i128::from(deadline.0) * 1_000_000
    }

    /// When the clock shows `deadline`, to the nanosecond; never, if it stands still.
    pub fn reaches(&self, deadline: Instant) -> SimTime {
        let rate = 1_000_000 + i128::from(self.ppm);
        let left = (i128::from(deadline.0) - i128::from(self.reading.0)).max(0) * 1_000_000;
        if rate <= 0 {
            return if left > 0 { SimTime(u64::MAX) } else { self.at };
        }
        let passed = u64::try_from((left + rate - 1) / rate).unwrap_or(u64::MAX);
        SimTime(self.at.0.saturating_add(passed))
    }
}

/// What one process did as the leader of one term.
#[derive(Debug, Clone)]
pub(super) struct Tenure {
    term: Term,
    /// End of the lease, as last extended.
    pub until: Option<Instant>,
    /// A guard was handed out and not taken back.
    pub issued: bool,
    /// It stepped down at least once in this term.
    pub stepped_down: bool,
}

#[derive(Debug, Default)]
struct Node {
    clock: Option<LocalClock>,
    /// Of the running process, oldest first.
    tenures: Vec<Tenure>,
}

/// The guards of all nodes at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Guards {
    nodes: Few<NodeId, Node>,
}

impl Guards {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        match event.kind {
            Kind::ClockRate { node, reading, ppm, .. } => {
                self.node(node).clock = Some(LocalClock { at: event.at, reading, ppm });
            }
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                self.node(node).tenures.clear();
            }
            Kind::LeaseExtended { node, term, until } => {
                self.node(node).tenure(term).until = Some(until);
            }
            Kind::SteppedDown { node, term, .. } => {
                let tenure = self.node(node).tenure(term);
                tenure.issued = false;
                tenure.stepped_down = true;
            }
            Kind::GuardIssued { holder, token } => {
                self.node(holder.node).tenure(token.into()).issued = true;
            }
            _ => {}
        }
    }

    /// What the running process of `node` did in `term`, if anything.
    pub fn tenure(&self, node: NodeId, term: Term) -> Option<&Tenure> {
        self.nodes.get(&node)?.tenures.iter().rfind(|tenure| tenure.term == term)
    }

    /// Whether `node` validly holds the guard of `term` at `at`, which is no earlier than the last
    /// event applied.
    pub fn is_valid(&self, node: NodeId, term: Term, at: SimTime) -> bool {
        self.valid_of(node, at).any(|valid| valid == term)
    }

    /// Whether `node` holds the lease of `term` at `at`, whether or not it was handed a guard.
    pub fn holds_lease(&self, node: NodeId, term: Term, at: SimTime) -> bool {
        let clock = self.nodes.get(&node).and_then(|state| state.clock);
        let until = self.tenure(node, term).filter(|tenure| !tenure.stepped_down);
        let until = until.and_then(|tenure| tenure.until);
        clock.zip(until).is_some_and(|(clock, until)| !clock.has_reached(until, at))
    }

    /// The terms whose guards `node` validly holds at `at`.
    pub fn valid_of(&self, node: NodeId, at: SimTime) -> impl Iterator<Item = Term> {
        self.nodes.get(&node).into_iter().flat_map(move |state| state.valid(node, at))
    }

    /// Every guard that is valid at `at`.
    pub fn valid(&self, at: SimTime) -> impl Iterator<Item = (NodeId, Term)> {
        self.nodes
            .iter()
            .flat_map(move |(&node, state)| state.valid(node, at).map(move |term| (node, term)))
    }

    fn node(&mut self, node: NodeId) -> &mut Node {
        self.nodes.of(node)
    }
}

impl Node {
    fn tenure(&mut self, term: Term) -> &mut Tenure {
        let found = self.tenures.iter().rposition(|tenure| tenure.term == term);
        let index = found.unwrap_or_else(|| {
            let new = Tenure { term, until: None, issued: false, stepped_down: false };
            self.tenures.push(new);
            self.tenures.len() - 1
        });
        &mut self.tenures[index]
    }

    /// # Panics
    /// There is a guard and no clock to judge it by: a bug in the testbed.
    fn valid(&self, node: NodeId, at: SimTime) -> impl Iterator<Item = Term> {
        self.tenures.iter().filter(|tenure| tenure.issued).filter_map(move |tenure| {
            let until = tenure.until?;
            let clock = self.clock.unwrap_or_else(|| {
                panic!("{node} got a guard before its first ClockRate event: a bug in the testbed")
            });
            (!clock.has_reached(until, at)).then_some(tenure.term)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reaches_its_deadline_to_the_nanosecond() {
        let even = LocalClock { at: SimTime(1_000), reading: Instant(500), ppm: 0 };
        assert!(!even.has_reached(Instant(600), SimTime(1_099)));
        assert!(even.has_reached(Instant(600), SimTime(1_100)));

        // Half the speed: 100 ns of its own take 200 ns.
        let slow = LocalClock { ppm: -500_000, ..even };
        assert!(!slow.has_reached(Instant(600), SimTime(1_199)));
        assert!(slow.has_reached(Instant(600), SimTime(1_200)));

        // 1 ppm fast over an hour: 3.6 ms, where a 64-bit float has long lost the nanoseconds.
        let hour = 3_600_000_000_000;
        let fast = LocalClock { at: SimTime(0), reading: Instant(0), ppm: 1 };
        assert!(fast.has_reached(Instant(hour + 3_600_000), SimTime(hour)));
        assert!(!fast.has_reached(Instant(hour + 3_600_001), SimTime(hour)));

        for (clock, deadline) in [(even, 600), (slow, 601), (fast, hour + 3_600_001), (slow, 3)] {
            let reached = clock.reaches(Instant(deadline));
            assert!(clock.has_reached(Instant(deadline), reached));
            let before = SimTime(reached.0 - 1);
            assert!(deadline == 3 || !clock.has_reached(Instant(deadline), before));
        }
        let stopped = LocalClock { ppm: -1_000_000, ..even };
        assert_eq!(stopped.reaches(Instant(501)), SimTime(u64::MAX));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let clock = LocalClock { at: SimTime(0), reading: Instant(u64::MAX), ppm: i32::MAX };
        assert!(clock.has_reached(Instant(u64::MAX), SimTime(u64::MAX)));
    }
}
