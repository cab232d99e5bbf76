//! Counts: what one run, or many, went through.

use std::collections::BTreeMap;

use fencepost::Identity;
use fencepost::probe::REACH_POINTS;

use super::outages::Outages;
use crate::faults::lines::Lines;
use crate::history::{Event, Kind, MessageState};
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
    /// The same of messages by the kind of sink, as [`SinkKind::name`](crate::oracles::SinkKind::name)
    /// has it.
    pub sinks: BTreeMap<&'static str, Messages>,
    /// How many failovers took how long, in tenths of a second, from the kill of whoever was handed the
    /// last guard to the next guard; those of [`FAILOVER_MAX`] and longer are one.
    pub failovers: BTreeMap<u64, u64>,
    /// What became of the scenario's lines.
    pub lines: Lines,
    /// Time without a valid guard.
    pub outages: Outages,
}

/// The longest failover that is told apart from longer ones, in tenths of a second.
pub const FAILOVER_MAX: u64 = 50;

/// What became of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// Written by the application.
    pub enqueued: u64,
    /// Times that a recipient saw one.
    pub effects: u64,
    /// Ended delivered.
    pub delivered: u64,
    /// Ended failed.
    pub failed: u64,
    /// Ended in doubt.
    pub in_doubt: u64,
    /// Of those, parked for a person.
    pub parked: u64,
}

impl Messages {
    fn merge(&mut self, other: &Self) {
        self.enqueued += other.enqueued;
        self.effects += other.effects;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.in_doubt += other.in_doubt;
        self.parked += other.parked;
    }
}

impl Stats {
    /// Counts one run.
    pub fn of(outcome: &RunOutcome) -> Self {
        let events = outcome.history.events();
        let mut stats = Self {
            runs: 1,
            simulated_ns: events.last().map_or(0, |event| event.at.0),
            events: outcome.history.total(),
            reach: Reach(outcome.reach.map(u64::from)),
            lines: outcome.lines.clone(),
            outages: Outages::of(&outcome.outage, outcome.seed),
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
        stats.failovers = failovers(events);
        if let Some(sink) = outcome.sink {
            stats.went_to(sink.name());
        }
        stats
    }

    /// All messages of this one run went to a sink of that kind.
    pub fn went_to(&mut self, sink: &'static str) {
        let Self { enqueued, effects, delivered, failed, in_doubt, parked, .. } = *self;
        let messages = Messages { enqueued, effects, delivered, failed, in_doubt, parked };
        self.sinks = BTreeMap::from([(sink, messages)]);
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
        for (sink, messages) in &other.sinks {
            self.sinks.entry(sink).or_default().merge(messages);
        }
        self.outages.merge(&other.outages);
        for (tenths, count) in &other.failovers {
            *self.failovers.entry(*tenths).or_default() += count;
        }
        for (line, tally) in &other.lines {
            self.lines.entry(*line).or_default().merge(tally);
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

/// How long it took from the kill of a leader to the next guard, as [`Stats::failovers`] has it.
fn failovers(events: &[Event]) -> BTreeMap<u64, u64> {
    const TENTH: u64 = 100_000_000;
    let (mut holder, mut gone) = (None, None);
    let mut found = BTreeMap::new();
    for event in events {
        match event.kind {
            Kind::GuardIssued { holder: Identity { node, .. }, .. } => {
                if let Some(since) = gone.take() {
                    let tenths = (event.at.since(since) / TENTH).min(FAILOVER_MAX);
                    *found.entry(tenths).or_default() += 1;
                }
                holder = Some(node);
            }
            Kind::Down { node, graceful: false } if holder == Some(node) => {
                gone = Some(event.at);
                holder = None;
            }
            // It led no longer, so that its death is no loss.
            Kind::SteppedDown { node, .. } if holder == Some(node) => holder = None,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use fencepost::{Identity, Incarnation, Term, Token};

    use super::*;
    use crate::faults::plan::node;
    use crate::history::{History, MessageNo, SimTime};
    use crate::oracles::Outage;
    use crate::run::Verdict;

    fn outcome(events: Vec<(u64, Kind)>) -> RunOutcome {
        let mut history = History::default();
        for (at, kind) in events {
            history.push(SimTime(at), kind);
        }
        let mut reach = [0; REACH_POINTS.len()];
        reach[1] = 3;
        let sink = Some(crate::oracles::SinkKind::Plain);
        RunOutcome {
            seed: 9,
            verdict: Verdict::Ok,
            lines: Lines::new(),
            history,
            outage: Outage::default(),
            reach,
            sink,
        }
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
        let messages = stats.sinks["plain"];
        assert_eq!((messages.enqueued, messages.delivered, messages.in_doubt), (1, 1, 1));
        assert!(stats.failovers.is_empty(), "n2 was killed, and did not lead");
        assert_eq!(stats.reached("no such point"), 0);
    }

    #[test]
    fn no_election_is_no_change_of_leader() {
        assert_eq!(Stats::of(&outcome(vec![])).leader_changes, 0);
        assert_eq!(Stats::of(&outcome(vec![(1, elected(1))])).leader_changes, 0);
    }

    #[test]
    fn a_failover_lasts_from_the_kill_of_the_leader_to_the_next_guard() {
        let guard = |number, token| {
            let holder = Identity { node: node(number), incarnation: Incarnation::FIRST };
            Kind::GuardIssued { holder, token: Token(token) }
        };
        let down = |number, graceful| Kind::Down { node: node(number), graceful };
        let second = 1_000_000_000;
        let stats = Stats::of(&outcome(vec![
            (0, guard(1, 1)),
            (second, down(2, false)),
            (2 * second, down(1, false)),
            (2 * second, down(3, false)),
            (3 * second + second / 4, guard(2, 2)),
            (4 * second, down(2, true)),
            (5 * second, guard(3, 3)),
            (6 * second, down(3, false)),
            (99 * second, guard(1, 4)),
        ]));
        assert_eq!(stats.failovers, BTreeMap::from([(12, 1), (FAILOVER_MAX, 1)]));
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
