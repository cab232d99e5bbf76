//! Leadership: heartbeats, the lease that their acknowledgements earn, and its end.

use std::sync::Arc;

use super::effect::{Effect, Event, Ignored, SteppedDown};
use super::machine::{Election, State};
use super::message::{Body, View};
use super::quorum;
use crate::id::{Identity, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// How many heartbeats back an acknowledgement can still count. With two heartbeats or more to a
/// lease, an older one would have earned a lease that is long over.
const MAX_ROUNDS_IN_FLIGHT: usize = 64;

/// What a leader keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leading {
    /// The last heartbeat sent; they count from 1.
    round: u64,
    /// When heartbeat r was sent, at index (r − 1) % length.
    sent: Vec<Instant>,
    /// By voter: the sending time of the last heartbeat it acknowledged.
    acked: Vec<Option<Instant>>,
    /// By voter: when it last acknowledged anything.
    heard: Vec<Option<Instant>>,
    next_beat: Instant,
    lease_until: Option<Instant>,
    /// A leader without a first lease by then gives up.
    give_up: Instant,
}

impl Leading {
    pub(super) fn new(voters: usize, now: Instant, give_up: Instant) -> Self {
        Self {
            round: 0,
            sent: Vec::with_capacity(MAX_ROUNDS_IN_FLIGHT),
            acked: vec![None; voters],
            heard: vec![None; voters],
            next_beat: now,
            lease_until: None,
            give_up,
        }
    }

    pub(super) fn lease_until(&self) -> Option<Instant> {
        self.lease_until
    }

    /// The end of leadership if no further acknowledgement comes.
    fn end(&self) -> Instant {
        self.lease_until.unwrap_or(self.give_up)
    }

    pub(super) fn next_wake(&self) -> Instant {
        self.next_beat.min(self.end())
    }

    /// Whether a vote for another could contradict this leader's own lease.
    pub(super) fn may_hold_lease(&self, now: Instant) -> bool {
        self.lease_until.is_some_and(|until| now < until)
    }

    fn start_round(&mut self, now: Instant) {
        self.round += 1;
        let slot = self.slot(self.round);
        if slot == self.sent.len() {
            self.sent.push(now);
        } else {
            self.sent[slot] = now;
        }
    }

    fn slot(&self, round: u64) -> usize {
        usize::try_from((round - 1) % MAX_ROUNDS_IN_FLIGHT as u64).expect("below the limit")
    }

    /// When `round` was sent; `None` if it never was or is too old to matter.
    fn sent_at(&self, round: u64) -> Option<Instant> {
        let recent = round <= self.round && self.round - round < MAX_ROUNDS_IN_FLIGHT as u64;
        (round > 0 && recent).then(|| self.sent[self.slot(round)])
    }
}

impl Election {
    /// Sends a heartbeat if one is due.
    pub(super) fn beat_if_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let me = self.my_index;
        let State::Leader(leading) = &mut self.state else { return };
        if now < leading.next_beat {
            return;
        }
        leading.start_round(now);
        leading.next_beat = now.plus(self.nanos.heartbeat);
        // A leader acknowledges its own heartbeat as it sends it.
        leading.acked[me] = Some(now);
        leading.heard[me] = Some(now);
        let round = leading.round;
        self.refresh_view(now);
        self.broadcast(&Body::Heartbeat { round, view: Arc::clone(&self.view) }, effects);
        self.extend_lease(effects);
    }

    /// Recounts who takes part: who acknowledged anything within E.
    fn refresh_view(&mut self, now: Instant) {
        let State::Leader(leading) = &self.state else { return };
        let live =
            |at: &Option<Instant>| at.is_some_and(|at| now.since(at) < self.nanos.election_timeout);
        let participants = self.config.voters.iter().zip(&leading.heard);
        let participants = participants.filter(|(_, at)| live(at)).map(|(voter, _)| *voter);
        let mut sorted = participants.clone().count() == self.view.participants.len();
        sorted = sorted && participants.clone().all(|p| self.view.participants.contains(&p));
        if !sorted {
            let mut participants: Vec<_> = participants.collect();
            participants.sort_unstable();
            self.view = Arc::new(View { version: self.view.version + 1, participants });
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        round: u64,
        view: Arc<View>,
        effects: &mut Vec<Effect>,
    ) {
        if term < self.hard.term {
            self.send(from.node, Body::NewerTerm { to: from }, effects);
            return;
        }
        if term > self.hard.term {
            self.adopt_term(now, term, effects);
        }
        let leads_itself = matches!(self.state, State::Leader(_));
        if leads_itself || self.leader.is_some_and(|leader| leader != from) {
            // One leader a term (E1): this sender cannot be honest, or is not what it claims.
            effects.push(Effect::Event(Event::Ignored(Ignored::SecondLeader)));
            return;
        }
        self.state = State::Follower;
        self.leader = Some(from);
        if view.version > self.view.version {
            self.view = view;
        }
        self.promised_until = self.promised_until.max(now.plus(self.nanos.promise));
        let wait = self.nanos.election_timeout + self.draw_jitter();
        self.campaign_at = now.plus(wait).max(self.promised_until);
        self.send(from.node, Body::HeartbeatAck { to: from, round }, effects);
    }

    pub(super) fn on_heartbeat_ack(
        &mut self,
        now: Instant,
        voter: usize,
        term: Term,
        to: Identity,
        round: u64,
        effects: &mut Vec<Effect>,
    ) {
        if term != self.hard.term || to != self.me() {
            return;
        }
        let State::Leader(leading) = &mut self.state else { return };
        if round > leading.round {
            effects.push(Effect::Event(Event::Ignored(Ignored::UnknownRound)));
            return;
        }
        leading.heard[voter] = Some(now);
        let Some(mut sent) = leading.sent_at(round) else { return };
        if mutant!(LeaseFromReply) {
            sent = now;
        }
        leading.acked[voter] = leading.acked[voter].max(Some(sent));
        // An acknowledgement of what a majority has acknowledged already moves nothing.
        if leading.lease_until.is_none_or(|until| until < sent.plus(self.nanos.lease)) {
            self.extend_lease(effects);
        }
    }

    /// The lease lasts L from the sending of the latest heartbeat that a majority acknowledged.
    fn extend_lease(&mut self, effects: &mut Vec<Effect>) {
        let State::Leader(leading) = &mut self.state else { return };
        let Some(start) = quorum::majority_reached(&leading.acked) else { return };
        let until = start.plus(self.nanos.lease);
        if leading.lease_until.is_none_or(|current| current < until) {
            leading.lease_until = Some(until);
            let term = self.hard.term;
            effects.push(Effect::Event(Event::LeaseExtended { term, until }));
        }
    }

    /// Ends leadership whose lease, or whose time to get a first one, has run out.
    pub(super) fn expire_lease(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let State::Leader(leading) = &self.state
            && now >= leading.end()
        {
            reach!("lease_expired");
            self.step_down(now, SteppedDown::LeaseExpired, effects);
        }
    }

    /// Ends leadership, if held. What it acted under the lease may still be on its way, so its own
    /// vote stays withheld for as long as the lease would have lasted.
    pub(super) fn step_down(
        &mut self,
        now: Instant,
        reason: SteppedDown,
        effects: &mut Vec<Effect>,
    ) {
        let State::Leader(leading) = &self.state else { return };
        if reason == SteppedDown::Deposed {
            reach!("leader_deposed");
        }
        self.promised_until = self.promised_until.max(leading.lease_until.unwrap_or(now));
        let term = self.hard.term;
        self.state = State::Follower;
        self.leader = None;
        let wait = self.nanos.election_timeout + self.draw_jitter();
        self.campaign_at = now.plus(wait).max(self.promised_until);
        effects.push(Effect::Event(Event::SteppedDown { term, reason }));
    }
}
