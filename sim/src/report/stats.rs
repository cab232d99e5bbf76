//! Counts: what one run, or many, went through.

use std::collections::BTreeMap;

use fencepost::probe::REACH_POINTS;

use crate::history::{Kind, MessageState};
use crate::run::RunOutcome;

/// A count for each of [`REACH_POINTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(pub [u64; REACH_POINTS.len()]);

impl Default for Reach {
    fn default() -> Self {
        Self([0; REACH_POINTS.len()])
    }
}

impl std::ops::Deref for Reach {
    type Target = [u64; REACH_POINTS.len()];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Reach {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// The counts of one run, or the sums over many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Runs that were counted.
    pub runs: u64,
    /// Simulated time, in nanoseconds.
    pub simulated_ns: u64,
    /// Events of the history.
    pub events: u64,
    /// Elections after the first.
    pub leader_changes: u64,
    /// Guards that were handed out.
    pub guards: u64,
    /// Processes that ended after a stop signal.
    pub stops: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Cuts of links between nodes.
    pub cuts: u64,
    /// Processes that stood still.
    pub pauses: u64,
    /// Faults, by their kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Messages that the application wrote.
    pub enqueued: u64,
    /// Times that a recipient saw a message.
    pub effects: u64,
    /// Messages that ended delivered.
    pub delivered: u64,
    /// Messages that ended failed.
    pub failed: u64,
    /// Messages that ended in doubt.
    pub in_doubt: u64,
    /// Of those, parked for a person.
    pub parked: u64,
    /// Messages that ended pending or claimed.
    pub unfinished: u64,
    /// How often each reach point was reached, in the order of [`REACH_POINTS`].
    pub reach: Reach,
}

impl Stats {
    /// Counts one run.
    pub fn of(outcome: &RunOutcome) -> Self {
        let events = outcome.history.events();
        let mut stats = Self {
            runs: 1,
            simulated_ns: events.last().map_or(0, |event| event.at.0),
            events: events.len() as u64,
            reach: Reach(outcome.reach.map(u64::from)),
            ..Self::default()
        };
        let mut elections = 0_u64;
        for event in events {
            match &event.kind {
                Kind::Elected { .. } => elections += 1,
                kind => stats.count(kind),
            }
        }
        stats.leader_changes = elections.saturating_sub(1);
        stats
    }

    fn count(&mut self, kind: &Kind) {
        match kind {
            Kind::Fault { kind, .. } => {
                *self.faults.entry(kind).or_default() += 1;
                if kind.starts_with("cut-") {
                    self.cuts += 1;
                }
            }
            Kind::Down { graceful: true, .. } => self.stops += 1,
            Kind::Down { graceful: false, .. } => self.kills += 1,
            Kind::Paused { .. } => self.pauses += 1,
            Kind::GuardIssued { .. } => self.guards += 1,
            Kind::Enqueued { .. } => self.enqueued += 1,
            Kind::Effect { .. } => self.effects += 1,
            Kind::Final { state, parked, .. } => {
                match state {
                    MessageState::Delivered => self.delivered += 1,
                    MessageState::Failed => self.failed += 1,
                    MessageState::InDoubt => self.in_doubt += 1,
                    MessageState::Pending | MessageState::Claimed => self.unfinished += 1,
                }
                self.parked += u64::from(*parked);
            }
            _ => {}
        }
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.simulated_ns = self.simulated_ns.saturating_add(other.simulated_ns);
        self.events += other.events;
        self.leader_changes += other.leader_changes;
        self.guards += other.guards;
        self.stops += other.stops;
        self.kills += other.kills;
        self.cuts += other.cuts;
        self.pauses += other.pauses;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.enqueued += other.enqueued;
        self.effects += other.effects;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.in_doubt += other.in_doubt;
        self.parked += other.parked;
        self.unfinished += other.unfinished;
        for (sum, count) in self.reach.iter_mut().zip(other.reach.0) {
            *sum += count;
        }
    }

    /// Simulated time in seconds.
    pub fn simulated_secs(&self) -> f64 {
        self.simulated_ns as f64 / 1e9
    }

    /// Restarts, graceful or not.
    pub fn bounces(&self) -> u64 {
        self.stops + self.kills
    }

    /// How often the named reach point was reached; zero for a name that does not exist.
    pub fn reached(&self, name: &str) -> u64 {
        let index = REACH_POINTS.iter().position(|(known, _)| *known == name);
        index.map_or(0, |index| self.reach[index])
    }
}

#[cfg(test)]
mod tests {
    use fencepost::{Identity, Incarnation, Term, Token};

    use super::*;
    use crate::faults::plan::node;
    use crate::history::{History, MessageNo, SimTime};
    use crate::run::Verdict;

    fn outcome(events: Vec<(u64, Kind)>) -> RunOutcome {
        let mut history = History::default();
        for (at, kind) in events {
            history.push(SimTime(at), kind);
        }
        let mut reach = [0; REACH_POINTS.len()];
        reach[1] = 3;
        RunOutcome { seed: 9, verdict: Verdict::Ok, history, reach }
    }

    fn elected(term: u64) -> Kind {
        let leader = Identity { node: node(1), incarnation: Incarnation::FIRST };
        let generation = fencepost::Generation::stored(1);
        Kind::Elected { leader, generation, term: Term(term), certificate: vec![leader] }
    }

    fn fault(kind: &'static str) -> Kind {
        Kind::Fault { kind, line: String::new() }
    }

    fn ended(number: u32, state: MessageState, parked: bool) -> Kind {
        Kind::Final { message: MessageNo(number), state, parked }
    }

    #[test]
    fn a_run_is_counted() {
        let holder = Identity { node: node(1), incarnation: Incarnation::FIRST };
        let message = MessageNo(1);
        let (token, key) = (Token(1), message);
        let stats = Stats::of(&outcome(vec![
            (1, elected(1)),
            (2, Kind::GuardIssued { holder, token }),
            (3, Kind::Enqueued { message, key: None }),
            (4, Kind::Effect { message, key, token, node: node(1) }),
            (5, fault("pause")),
            (5, Kind::Paused { node: node(1) }),
            (6, fault("cut-node")),
            (6, fault("cut-one-way")),
            (6, fault("db-outage")),
            (7, fault("kill")),
            (7, Kind::Down { node: node(2), graceful: false }),
            (8, Kind::Down { node: node(3), graceful: true }),
            (9, elected(2)),
            (10, elected(3)),
            (11, ended(1, MessageState::Delivered, false)),
            (11, ended(2, MessageState::Failed, false)),
            (11, ended(3, MessageState::InDoubt, true)),
            (11, ended(4, MessageState::Claimed, false)),
            (12, Kind::End),
        ]));
        assert_eq!((stats.runs, stats.simulated_ns, stats.events), (1, 12, 19));
        assert_eq!((stats.leader_changes, stats.guards), (2, 1));
        assert_eq!((stats.stops, stats.kills, stats.bounces()), (1, 1, 2));
        assert_eq!((stats.cuts, stats.pauses), (2, 1));
        assert_eq!(stats.faults["db-outage"], 1);
        assert_eq!((stats.enqueued, stats.effects), (1, 1));
        assert_eq!((stats.delivered, stats.failed), (1, 1));
        assert_eq!((stats.in_doubt, stats.parked, stats.unfinished), (1, 1, 1));
        assert_eq!(stats.reached(REACH_POINTS[1].0), 3);
        assert_eq!(stats.reached("no such point"), 0);
    }

    #[test]
    fn no_election_is_no_change_of_leader() {
        assert_eq!(Stats::of(&outcome(vec![])).leader_changes, 0);
        assert_eq!(Stats::of(&outcome(vec![(1, elected(1))])).leader_changes, 0);
    }

    #[test]
    fn counts_add_up() {
        let one = Stats::of(&outcome(vec![
            (1, elected(1)),
            (2, fault("pause")),
            (2, elected(2)),
            (5, ended(1, MessageState::InDoubt, true)),
        ]));
        let mut sum = Stats::default();
        sum.merge(&one);
        assert_eq!(sum, one);
        sum.merge(&one);
        assert_eq!((sum.runs, sum.simulated_ns, sum.events), (2, 10, 8));
        assert_eq!((sum.leader_changes, sum.faults["pause"]), (2, 2));
        assert_eq!((sum.in_doubt, sum.parked, sum.reach[1]), (2, 2, 6));
    }
}
