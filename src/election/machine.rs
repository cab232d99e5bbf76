//! The state of the election and the dispatch of its inputs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Event, Ignored, SteppedDown};
use super::lead::Leading;
use super::message::{Body, Message, View};
use super::vote::Poll;
use super::{Config, ConfigError, MAX_TERM_JUMP, quorum};
use crate::id::{Identity, Incarnation, NodeId, Term};
use crate::probe::reach;
use crate::time::Instant;

/// What a voter must remember across a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// Which life of the node this is.
    pub incarnation: Incarnation,
    /// The promised term: nothing of an earlier term is ever done again.
    pub term: Term,
    /// Whom this node voted for in that term.
    pub vote: Option<Identity>,
}

impl HardState {
    /// The state of a voter's very first boot.
    pub fn first_boot() -> Self {
        Self { incarnation: Incarnation::FIRST, term: Term::ZERO, vote: None }
    }
}

/// What a node is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Follows a leader or waits for one.
    Follower,
    /// Asks whether an election would succeed.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Was elected. Whether it may *act* is the guard's business, not the role's.
    Leader,
}

/// What happens to a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed; at the latest due at [`Election::next_wake`].
    Tick,
    /// A message came in.
    Message(Message),
    /// The store told this leader that the floor is `floor`, at or above its own term: it cannot
    /// act in its term. It gives that term up and campaigns again above the floor.
    Outranked {
        /// The floor.
        floor: Term,
    },
    /// Give leadership up, if held, and let others go first.
    Resign,
}

/// A voter's election state machine.
///
/// Durations are kept as nanoseconds, precomputed: `handle` is the hot path of simulator and model
/// checker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election {
    pub(super) config: Arc<Config>,
    pub(super) nanos: Nanos,
    /// Where this node stands among the voters.
    pub(super) my_index: usize,
    pub(super) hard: HardState,
    pub(super) state: State,
    /// The leader of the current term, once a heartbeat told.
    pub(super) leader: Option<Identity>,
    /// No vote for anyone but [`Self::leader`] before this.
    pub(super) promised_until: Instant,
    /// When a follower campaigns.
    pub(super) campaign_at: Instant,
    pub(super) view: Arc<View>,
    jitter: Jitter,
}

/// [`super::Timing`] in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Nanos {
    pub heartbeat: u64,
    pub lease: u64,
    pub promise: u64,
    pub election_timeout: u64,
    pub jitter: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    Follower,
    PreCandidate(Poll),
    Candidate(Poll),
    Leader(Leading),
}

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014,
/// figure 16): part of the state, so that a run depends on nothing but seed and inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Jitter(u64);

impl Jitter {
    /// Uniform in `0..range`; draws nothing from an empty range.
    fn below(&mut self, range: u64) -> u64 {
        if range == 0 {
            return 0;
        }
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The high half of the product: uniform enough for a jitter, and without a division.
        u64::try_from((u128::from(z) * u128::from(range)) >> 64).expect("below range")
    }
}

/// The jitter at a start is this part of J: nobody leads yet, so a split vote costs more than it
/// saves, but the first leader should not wait long after the quarantine.
const START_JITTER_DIVISOR: u64 = 4;

impl Election {
    /// A voter that starts at `now` with what it remembers. It waits out the quarantine before its
    /// first vote, because an earlier process may have promised a lease.
    ///
    /// # Errors
    /// The configuration is invalid; see [`Config::validate`].
    pub fn new(
        config: Config,
        hard: HardState,
        seed: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let timing = &config.timing;
        let nanos = Nanos {
            heartbeat: as_nanos(timing.heartbeat),
            lease: as_nanos(timing.lease),
            promise: as_nanos(timing.promise),
            election_timeout: as_nanos(timing.election_timeout),
            jitter: as_nanos(timing.jitter),
        };
        let mut jitter = Jitter(seed);
        let promised_until = now + timing.quarantine;
        let campaign_at = promised_until.plus(jitter.below(nanos.jitter / START_JITTER_DIVISOR));
        Ok(Self {
            my_index: config.voters.iter().position(|v| *v == config.me).expect("validated"),
            config: Arc::new(config),
            nanos,
            hard,
            state: State::Follower,
            leader: None,
            promised_until,
            campaign_at,
            view: Arc::default(),
            jitter,
        })
    }

    /// Takes one input at `now` and appends what is to be done about it.
    ///
    /// `now` is one reading of this node's monotonic clock, taken after the input arrived. Readings
    /// never go back.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        let term_before = self.hard.term;
        // First of all, whatever the input: timers may fire late, a lease may not end late.
        self.expire_lease(now, effects);
        match input {
            Input::Tick => self.tick(now, effects),
            Input::Message(message) => self.receive(now, message, effects),
            Input::Outranked { floor } => self.outranked(now, floor, effects),
            Input::Resign => self.resign(now, effects),
        }
        assert!(self.hard.term >= term_before, "the promised term never falls (E2)");
        if let State::Candidate(_) | State::Leader(_) = self.state {
            assert_eq!(self.hard.vote, Some(self.me()), "a candidate's own vote is its own (E1)");
        }
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn next_wake(&self) -> Instant {
        match &self.state {
            State::Follower => self.campaign_at,
            State::PreCandidate(poll) | State::Candidate(poll) => poll.deadline,
            State::Leader(leading) => leading.next_wake(),
        }
    }

    /// This life of this node.
    pub fn me(&self) -> Identity {
        Identity { node: self.config.me, incarnation: self.hard.incarnation }
    }

    /// The promised term.
    pub fn term(&self) -> Term {
        self.hard.term
    }

    /// What is to be remembered across a restart.
    pub fn hard_state(&self) -> &HardState {
        &self.hard
    }

    /// The role at the moment.
    pub fn role(&self) -> Role {
        match self.state {
            State::Follower => Role::Follower,
            State::PreCandidate(_) => Role::PreCandidate,
            State::Candidate(_) => Role::Candidate,
            State::Leader(_) => Role::Leader,
        }
    }

    /// The leader of the current term as far as this node knows. A leader knows of itself only once
    /// it holds a lease.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.state {
            State::Leader(leading) => leading.lease_until().map(|_| self.config.me),
            _ => self.leader.map(|leader| leader.node),
        }
    }

    /// The exclusive end of the lease, if this node leads and holds one. It may lie in the past.
    pub fn lease_until(&self) -> Option<Instant> {
        match &self.state {
            State::Leader(leading) => leading.lease_until(),
            _ => None,
        }
    }

    /// The latest view of the current term's leader.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Follower if now >= self.campaign_at => {
                assert!(now >= self.promised_until, "nobody campaigns against its own promise");
                self.start_pre_vote(now, effects);
            }
            State::PreCandidate(poll) | State::Candidate(poll) if now >= poll.deadline => {
                reach!("vote_split");
                self.state = State::Follower;
                self.campaign_at = now.plus(self.draw_jitter()).max(self.promised_until);
            }
            State::Leader(_) => self.beat_if_due(now, effects),
            _ => {}
        }
    }

    fn receive(&mut self, now: Instant, message: Message, effects: &mut Vec<Effect>) {
        let Message { from, term, body } = message;
        let Some(voter) = self.voter_index(from.node).filter(|&voter| voter != self.my_index)
        else {
            effects.push(Effect::Event(Event::Ignored(Ignored::NotAPeer)));
            return;
        };
        if term.0 > self.hard.term.0.saturating_add(MAX_TERM_JUMP) || term > Term::MAX {
            effects.push(Effect::Event(Event::Ignored(Ignored::TermTooFarAhead)));
            return;
        }
        match body {
            Body::PreVote => self.on_pre_vote(now, from, term, effects),
            Body::PreVoteReply { to, asked, granted } => {
                self.on_pre_vote_reply(now, from, term, to, asked, granted, effects);
            }
            Body::VoteRequest => self.on_vote_request(now, from, term, effects),
            Body::VoteReply { to, granted } => {
                self.on_vote_reply(now, from, term, to, granted, effects);
            }
            Body::Heartbeat { round, view } => {
                self.on_heartbeat(now, from, term, round, view, effects);
            }
            Body::HeartbeatAck { to, round } => {
                self.on_heartbeat_ack(now, voter, term, to, round, effects);
            }
            Body::NewerTerm { to } => {
                if to == self.me() && term > self.hard.term {
                    self.adopt_term(now, term, effects);
                }
            }
        }
    }

    /// The store's floor is at or above this leader's term: only a term above it can act.
    fn outranked(&mut self, now: Instant, floor: Term, effects: &mut Vec<Effect>) {
        if floor >= self.hard.term && floor < Term::MAX {
            reach!("activation_outranked");
            self.step_down(now, SteppedDown::Outranked, effects);
            if floor > self.hard.term {
                self.enter_term(floor, None, effects);
            }
            // The followers' promises do not bind them against their own leader: no need to wait.
            self.state = State::Follower;
            self.campaign_at = now.max(self.promised_until);
        }
    }

    fn resign(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.state, State::Leader(_)) {
            self.step_down(now, SteppedDown::Resigned, effects);
            // Let the others go first: they wait for E after the last heartbeat.
            let pause = self.nanos.election_timeout + self.nanos.jitter;
            self.campaign_at = now.plus(pause + self.draw_jitter()).max(self.promised_until);
        }
    }

    /// Moves to a higher term without a vote in it.
    pub(super) fn adopt_term(&mut self, now: Instant, term: Term, effects: &mut Vec<Effect>) {
        self.step_down(now, SteppedDown::Deposed, effects);
        self.enter_term(term, None, effects);
        if !matches!(self.state, State::Follower) {
            self.state = State::Follower;
            self.campaign_at = now.plus(self.draw_jitter()).max(self.promised_until);
        }
    }

    /// Moves to a higher term, of whose leader nothing is known yet.
    pub(super) fn enter_term(
        &mut self,
        term: Term,
        vote: Option<Identity>,
        effects: &mut Vec<Effect>,
    ) {
        assert!(term > self.hard.term, "the promised term only rises (E2)");
        self.hard = HardState { term, vote, ..self.hard.clone() };
        effects.push(Effect::Persist(self.hard.clone()));
        self.leader = None;
        self.view = Arc::default();
    }

    pub(super) fn draw_jitter(&mut self) -> u64 {
        self.jitter.below(self.nanos.jitter)
    }

    pub(super) fn voter_index(&self, node: NodeId) -> Option<usize> {
        self.config.voters.iter().position(|&voter| voter == node)
    }

    pub(super) fn majority(&self) -> usize {
        quorum::majority(self.config.voters.len())
    }

    pub(super) fn send(&self, to: NodeId, body: Body, effects: &mut Vec<Effect>) {
        let message = Message { from: self.me(), term: self.hard.term, body };
        effects.push(Effect::Send { to, message });
    }

    pub(super) fn broadcast(&self, body: &Body, effects: &mut Vec<Effect>) {
        for (index, &voter) in self.config.voters.iter().enumerate() {
            if index != self.my_index {
                self.send(voter, body.clone(), effects);
            }
        }
    }
}

fn as_nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("validated: at most an hour")
}
