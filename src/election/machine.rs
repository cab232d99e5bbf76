//! The state of the election and the dispatch of its inputs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock_watch::RateBound;
use super::config::ConfigId;
use super::doubts::Doubts;
use super::effect::{Effect, Rejoins, SteppedDown, append};
use super::envelope::Envelopes;
use super::hard_state::HardState;
use super::jitter::Jitter;
use super::lead::Leading;
use super::message::{Body, Message, View};
use super::observers::Observing;
use super::rejoin::Rejoining;
use super::roll::Roll;
use super::settings::{Fixed, Nanos, Settings};
use super::stall::Heard;
use super::vote::Poll;
use super::{Config, ConfigError, quorum};
use crate::id::{Boot, Generation, Identity, Incarnation, NodeId, Term};
use crate::probe::{holds, mutant, reach};
use crate::time::Instant;

/// What a node is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Started without its state, and says nothing that counts.
    Rejoining,
    /// Has no vote.
    Observer,
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
    Message(Box<Message>),
    /// The store told the leader of `term` that it cannot act in it: the floor is at or above that
    /// term, or the store is in a newer generation.
    Outranked {
        /// The term that was to be activated.
        term: Term,
        /// The floor.
        floor: Term,
        /// The store's generation.
        generation: Generation,
    },
    /// The roll that stands in the store.
    Roll(Arc<Roll>),
    /// Give leadership up, if it is still that of `term`, and let others go first.
    Resign {
        /// The term.
        term: Term,
    },
    /// Nobody acts under the leadership of `term` any more: hand it over, if it is still held, and go
    /// on taking part.
    HandOver {
        /// The term.
        term: Term,
    },
    /// The node stops, and has stopped acting: hand leadership over, if held, and say goodbye. From
    /// now on it votes and campaigns no more by itself.
    Leave,
}

/// A node's election state machine.
///
/// Durations are kept as nanoseconds, precomputed: `handle` is the hot path of simulator and model
/// checker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election {
    pub(super) fixed: Fixed,
    pub(super) hard: HardState,
    pub(super) state: State,
    /// Of this start, or of the last time that it lost its state while it ran.
    pub(super) nonce: u64,
    /// The highest generation heard of: it is never operational in a lower one again.
    pub(super) heard: Generation,
    /// The leader of the current term, once a heartbeat told.
    pub(super) leader: Option<Identity>,
    /// No vote for anyone but [`Self::promised_to`] before this.
    pub(super) promised_until: Instant,
    /// To whom the promise was made, if it was made in the current term.
    pub(super) promised_to: Option<Identity>,
    /// When a follower campaigns.
    pub(super) campaign_at: Instant,
    /// Other lists of voters that differ from this node's by one voter.
    pub(super) neighbours: Vec<ConfigId>,
    pub(super) doubts: Doubts,
    /// The other voters that were last heard to remember nothing.
    pub(super) forgetful: Vec<super::cold_start::Forgetful>,
    /// How many polls in a row too few voters answered, while nobody spoke of a leader.
    pub(super) vain_polls: u8,
    /// No poll is in vain before this: others on the same roll may not know of it yet.
    pub(super) vain_after: Instant,
    /// Stopping: it campaigns no more.
    pub(super) leaving: bool,
    pub(super) view: Arc<View>,
    /// The voters whose clocks this node last saw outside the bound.
    pub(super) suspects: Arc<Vec<NodeId>>,
    /// When each voter was last heard: for people.
    pub(super) heard_from: Heard,
    jitter: Jitter,
    envelopes: Envelopes,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    Rejoining(Box<Rejoining>),
    Observer(Observing),
    Follower,
    PreCandidate(Poll),
    Candidate(Poll),
    Leader(Leading),
}

/// The jitter at a start is this part of J: nobody leads yet, so a split vote costs more than it
/// saves, but the first leader should not wait long after the quarantine.
const START_JITTER_DIVISOR: u64 = 4;

/// What a planted bug waits after a poll that came to nothing, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

impl Election {
    /// A node that starts at `now` with what it remembers. A voter waits out the quarantine before
    /// its first vote, because an earlier process may have promised a lease; one that remembers
    /// nothing, or has another list of voters than before, then rejoins.
    ///
    /// `seed` must be random: it must differ between nodes and between the starts of one node.
    ///
    /// # Errors
    /// The configuration is invalid; see [`Config::validate`].
    pub fn new(
        config: Config,
        remembered: Option<HardState>,
        seed: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let mut jitter = Jitter::seeded(seed);
        let nonce = jitter.draw();
        Self::start(config, remembered, nonce, jitter, now)
    }

    /// A node without chance: no jitter, and this boot nonce. For model checkers.
    ///
    /// # Errors
    /// The configuration is invalid; see [`Config::validate`].
    pub fn without_chance(
        config: Config,
        remembered: Option<HardState>,
        nonce: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        Self::start(config, remembered, nonce, Jitter::still(), now)
    }

    fn start(
        config: Config,
        remembered: Option<HardState>,
        nonce: u64,
        mut jitter: Jitter,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let nanos = Nanos::of(&config.timing);
        let id = config.id();
        let promised_until = now.plus(nanos.quarantine);
        let campaign_at = promised_until.plus(jitter.below(nanos.jitter / START_JITTER_DIVISOR));
        let rates = RateBound::of(config.timing.max_drift_ppm);
        let keeps_promises =
            super::settings::as_nanos(config.timing.promise.min(config.timing.quarantine));
        let needs_promises = super::settings::as_nanos(config.timing.least_promise());
        let my_index = config.voters.iter().position(|v| *v == config.me);
        let no_view = Arc::default();
        let fixed = Settings {
            config,
            id,
            nanos,
            rates,
            keeps_promises,
            needs_promises,
            my_index,
            no_view,
        };
        let hard = remembered.unwrap_or_default();
        let heard = hard.generation;
        let mut election = Self {
            view: Arc::clone(&fixed.no_view),
            fixed: Fixed(Arc::new(fixed)),
            hard,
            state: State::Follower,
            nonce,
            heard,
            leader: None,
            promised_until,
            promised_to: None,
            campaign_at,
            neighbours: Vec::new(),
            forgetful: Vec::new(),
            doubts: Doubts::default(),
            vain_polls: 0,
            vain_after: now,
            leaving: false,
            suspects: Arc::default(),
            heard_from: Heard::default(),
            jitter,
            envelopes: Envelopes::default(),
        };
        if my_index.is_none() {
            election.hard = HardState { config: id, ..HardState::default() };
            election.state = State::Observer(Observing::new(now));
        } else if !election.hard.is_operational(id) {
            let reason = match election.hard.incarnation {
                Incarnation::NONE => Rejoins::RemembersNothing,
                _ => Rejoins::OtherVoters,
            };
            // Not even its own generation is believed: only what it hears from now on. Its term
            // can do no harm.
            let before = election.hard.config;
            election.heard = Generation::NONE;
            election.hard.term = election.hard.term.min(Term::MAX);
            election.forget(now, reason);
            if reason == Rejoins::OtherVoters {
                election.meet_shorter_list(before);
            }
        } else if mutant!(RestartedLeaderResumes) && election.hard.vote == Some(election.me()) {
            let give_up = now.plus(election.fixed.nanos.election_timeout);
            let voters = election.fixed.config.voters.len();
            election.state = State::Leader(Leading::new(voters, now, give_up));
        }
        Ok(election)
    }

    /// Takes one input at `now` and appends what is to be done about it.
    ///
    /// `now` is one reading of this node's monotonic clock, taken after the input arrived. Readings
    /// never go back.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        let before = (self.hard.generation, self.hard.term);
        // First of all, whatever the input: timers may fire late, a lease may not end late.
        if !mutant!(DeadlineTrustedToTimer) || input == Input::Tick {
            self.expire_lease(now, effects);
        }
        match input {
            Input::Tick => self.tick(now, effects),
            Input::Message(message) => {
                self.receive(now, &message, effects);
                self.envelopes.keep(message);
            }
            Input::Outranked { term, floor, generation } => {
                self.outranked(now, term, floor, generation, effects);
            }
            Input::Roll(roll) => self.on_stored_roll(now, &roll, effects),
            Input::Resign { term } => self.resign(now, term, effects),
            Input::HandOver { term } => self.hand_over(now, term, effects),
            Input::Leave => self.leave(now, effects),
        }
        let after = (self.hard.generation, self.hard.term);
        let promises = !matches!(self.state, State::Rejoining(_) | State::Observer(_));
        holds!(after >= before || !promises, "the promised term never falls (E2)");
        if let State::Candidate(_) | State::Leader(_) = self.state {
            holds!(self.hard.vote == Some(self.me()), "a candidate's own vote is its own (E1)");
        }
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn next_wake(&self) -> Instant {
        match &self.state {
            State::Rejoining(rejoining) => rejoining.next_wake(),
            State::Observer(observing) => observing.next_wake(),
            State::Follower => self.campaign_at,
            State::PreCandidate(poll) | State::Candidate(poll) => poll.deadline,
            State::Leader(leading) => leading.next_wake(),
        }
    }

    /// This life of this node.
    pub fn me(&self) -> Identity {
        Identity { node: self.fixed.config.me, incarnation: self.hard.incarnation }
    }

    /// This start of this node.
    pub fn boot(&self) -> Boot {
        Boot { node: self.fixed.config.me, nonce: self.nonce }
    }

    /// The promised term.
    pub fn term(&self) -> Term {
        self.hard.term
    }

    /// The generation in which the node is operational; none while it rejoins.
    pub fn generation(&self) -> Generation {
        self.hard.generation
    }

    /// What is to be remembered across a restart.
    pub fn hard_state(&self) -> &HardState {
        &self.hard
    }

    /// Why the node rejoins, while it does.
    pub fn rejoins(&self) -> Option<Rejoins> {
        match &self.state {
            State::Rejoining(rejoining) => Some(rejoining.reason),
            _ => None,
        }
    }

    /// The role at the moment.
    pub fn role(&self) -> Role {
        match self.state {
            State::Rejoining(_) => Role::Rejoining,
            State::Observer(_) => Role::Observer,
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
            State::Leader(leading) => leading.lease_until().map(|_| self.fixed.config.me),
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

    /// The voters whose clocks run outside the configured bound, relative to this node's, as far as
    /// it could tell when it last led.
    pub fn clock_suspects(&self) -> &Arc<Vec<NodeId>> {
        &self.suspects
    }

    fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Rejoining(_) => self.rejoin_tick(now, effects),
            State::Observer(_) => self.observe_tick(now, effects),
            State::Follower if now >= self.campaign_at => {
                holds!(now >= self.promised_until, "nobody campaigns against its own promise");
                self.start_pre_vote(now, effects);
            }
            State::PreCandidate(poll) | State::Candidate(poll) if now >= poll.deadline => {
                reach!("vote_split");
                if self.forgets_in_vain(now, effects) {
                    return;
                }
                self.state = State::Follower;
                let wait = if mutant!(PollsOnceAMinute) { MINUTE } else { 0 };
                self.campaign_at = now.plus(self.draw_wait(wait)).max(self.promised_until);
            }
            State::Leader(_) => self.beat_if_due(now, effects),
            _ => {}
        }
    }

    /// The store refused to activate `term`: only a term above its floor, in its generation, can
    /// act.
    fn outranked(
        &mut self,
        now: Instant,
        term: Term,
        floor: Term,
        generation: Generation,
        effects: &mut Vec<Effect>,
    ) {
        let leads = matches!(self.state, State::Leader(_)) && self.hard.term == term;
        if !leads && !mutant!(DelayedResetObeyed) {
            return;
        }
        if generation > self.hard.generation {
            self.meet_newer(now, generation, effects);
        } else if generation < self.hard.generation || floor >= Term::MAX {
            // A store that went back in time, say: nobody of this generation can ever act.
            self.resign(now, term, effects);
        } else if floor >= self.hard.term {
            reach!("activation_outranked");
            self.step_down(now, SteppedDown::Outranked, effects);
            if floor > self.hard.term && !mutant!(FloorNeverLearned) {
                self.enter_term(floor, None, effects);
            }
            // The followers' promises do not bind them against their own leader: no need to wait.
            self.state = State::Follower;
            self.campaign_at = now.max(self.promised_until);
        }
    }

    fn resign(&mut self, now: Instant, term: Term, effects: &mut Vec<Effect>) {
        let leads = matches!(self.state, State::Leader(_));
        if leads && (self.hard.term == term || mutant!(DelayedResetObeyed)) {
            self.step_down(now, SteppedDown::Resigned, effects);
            self.let_others_go_first(now);
        }
    }

    /// Waits longer than the others, who wait for E after the last heartbeat.
    pub(super) fn let_others_go_first(&mut self, now: Instant) {
        let nanos = &self.fixed.nanos;
        let pause = nanos.election_timeout + nanos.jitter;
        self.campaign_at = now.plus(self.draw_wait(pause)).max(self.promised_until);
    }

    /// Moves to the higher term of another node, with that vote in it.
    pub(super) fn adopt_term(
        &mut self,
        now: Instant,
        term: Term,
        vote: Option<Identity>,
        effects: &mut Vec<Effect>,
    ) {
        self.step_down(now, SteppedDown::Deposed, effects);
        self.enter_term(term, vote, effects);
        if !matches!(self.state, State::Follower) {
            self.state = State::Follower;
            self.campaign_at = now.plus(self.draw_wait(0)).max(self.promised_until);
        }
    }

    /// Moves to a higher term, of whose leader nothing is known yet.
    pub(super) fn enter_term(
        &mut self,
        term: Term,
        vote: Option<Identity>,
        effects: &mut Vec<Effect>,
    ) {
        holds!(term > self.hard.term, "the promised term only rises (E2)");
        self.hard.term = term;
        self.hard.vote = vote;
        self.persist(effects);
        self.leader = None;
        self.promised_to = None;
        self.view = Arc::clone(&self.fixed.no_view);
    }

    /// Makes the hard state durable, in one write with a change just before it.
    pub(super) fn persist(&self, effects: &mut Vec<Effect>) {
        if let Some(Effect::Persist(hard)) = effects.last_mut() {
            hard.clone_from(&self.hard);
        } else {
            append(effects, || Effect::Persist(self.hard.clone()));
        }
    }

    /// How long to wait before campaigning: `base`, some jitter, and J more for each step of
    /// priority that this node lacks.
    pub(super) fn draw_wait(&mut self, base: u64) -> u64 {
        let nanos = &self.fixed.nanos;
        let reluctance = u64::from(super::MAX_PRIORITY - self.fixed.config.priority);
        base + reluctance * nanos.jitter + self.jitter.below(nanos.jitter)
    }

    /// A small share of J, for the first campaign after a start.
    pub(super) fn draw_start_wait(&mut self) -> u64 {
        self.jitter.below(self.fixed.nanos.jitter / START_JITTER_DIVISOR)
    }

    pub(super) fn majority(&self) -> usize {
        quorum::majority(self.fixed.config.voters.len())
    }

    pub(super) fn send(&mut self, to: NodeId, body: Body, effects: &mut Vec<Effect>) {
        holds!(
            self.hard.incarnation != Incarnation::NONE
                || body.is_harmless()
                || self.fixed.my_index.is_none(),
            "who rejoins says nothing that counts (E5)"
        );
        let mut message = self.envelopes.take(self.me());
        message.generation = self.hard.generation;
        message.config = self.fixed.id;
        message.promise = self.fixed.keeps_promises;
        message.term = self.hard.term;
        message.body = body;
        append(effects, || Effect::Send { to, message });
    }

    /// Says the same to every other voter.
    pub(super) fn broadcast(&mut self, body: impl Fn(&Self) -> Body, effects: &mut Vec<Effect>) {
        for index in 0..self.fixed.config.voters.len() {
            if Some(index) != self.fixed.my_index {
                self.send(self.fixed.config.voters[index], body(self), effects);
            }
        }
    }
}

#[cfg(test)]
mod tests;
