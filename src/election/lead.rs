//! Leadership: heartbeats, the lease that their acknowledgements earn, and its end.

use std::sync::Arc;

use super::clock_watch::{Readings, Verdict};
use super::effect::{Effect, Event, Ignored, SteppedDown};
use super::machine::{Election, State};
use super::message::{Body, View};
use super::observers::MAX_OBSERVERS;
use super::settings::Nanos;
use super::{MAX_PRIORITY, quorum};
use crate::id::{Identity, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// How many heartbeats back an acknowledgement can still count. With two heartbeats or more to a
/// lease, an older one would have earned a lease that is long over.
const MAX_ROUNDS_IN_FLIGHT: usize = 64;

/// How long the clocks of voters are compared, in E: long enough for the time that messages take to
/// matter little, short enough to notice a change of rate soon.
const WATCH_WINDOWS: u64 = 4;

/// What a leader keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leading {
    /// The last heartbeat sent; they count from 1.
    round: u64,
    /// When heartbeat r was sent, at index (r − 1) % length.
    sent: Vec<Instant>,
    /// In the order of the list of voters.
    voters: Vec<Voter>,
    /// The observers, and when they were last heard.
    observers: Vec<(NodeId, Instant)>,
    /// How many heartbeats were sent since the lease was last extended.
    beats_unextended: u64,
    next_beat: Instant,
    lease_until: Option<Instant>,
    /// A leader without a first lease by then gives up.
    give_up: Instant,
}

/// What a leader keeps of one voter, itself included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Voter {
    /// The sending time of the last heartbeat it acknowledged.
    acked: Option<Instant>,
    /// When it last acknowledged anything.
    heard: Option<Instant>,
    /// How much it wants to lead.
    priority: u8,
    /// Which process of it that was.
    nonce: Option<u64>,
    /// What the clock of that process read when.
    clock: Readings,
}

impl Leading {
    pub(super) fn new(voters: usize, now: Instant, give_up: Instant) -> Self {
        let (acked, heard, nonce, clock) = (None, None, None, Readings::default());
        let unheard = Voter { acked, heard, priority: MAX_PRIORITY, nonce, clock };
        Self {
            round: 0,
            sent: Vec::with_capacity(MAX_ROUNDS_IN_FLIGHT),
            voters: vec![unheard; voters],
            observers: Vec::new(),
            beats_unextended: 0,
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

    /// A voter acknowledged, at `now`, what was sent at `sent`.
    pub(super) fn acknowledged(&mut self, voter: usize, sent: Instant, now: Instant) {
        let voter = &mut self.voters[voter];
        voter.acked = voter.acked.max(Some(sent));
        voter.heard = Some(now);
    }

    pub(super) fn heard_from(&self, voter: usize) -> Option<Instant> {
        self.voters[voter].heard
    }

    pub(super) fn priority_of(&self, voter: usize) -> u8 {
        self.voters[voter].priority
    }

    /// A voter said goodbye. What it acknowledged still counts: it keeps its promise.
    pub(super) fn gone(&mut self, voter: usize) {
        self.voters[voter].heard = None;
    }

    pub(super) fn observes(&self, node: NodeId) -> bool {
        self.observers.iter().any(|(observer, _)| *observer == node)
    }

    /// Tells whether the observer is a new one; `None`: there are too many.
    pub(super) fn hear_observer(&mut self, node: NodeId, now: Instant) -> Option<bool> {
        if let Some((_, heard)) = self.observers.iter_mut().find(|(known, _)| *known == node) {
            *heard = now;
            return Some(false);
        }
        if self.observers.len() >= MAX_OBSERVERS {
            return None;
        }
        self.observers.push((node, now));
        Some(true)
    }

    pub(super) fn drop_observer(&mut self, node: NodeId) {
        self.observers.retain(|(observer, _)| *observer != node);
    }

    /// See [`Election::forget_time`].
    pub(super) fn forget_time(&mut self, nanos: &Nanos) {
        for voter in &mut self.voters {
            voter.acked = voter.acked.map(|_| Instant(0));
            voter.heard = voter.heard.map(|_| Instant(0));
            voter.clock = Readings::default();
        }
        let observed = self.observers.iter_mut().map(|(_, heard)| heard);
        for past in self.sent.iter_mut().chain(observed) {
            *past = Instant(0);
        }
        self.next_beat = Instant(nanos.heartbeat);
        self.lease_until = self.lease_until.map(|_| Instant(nanos.lease));
        self.give_up = Instant(nanos.election_timeout);
    }

    fn start_round(&mut self, now: Instant) {
        self.round += 1;
        self.beats_unextended += 1;
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

/// A heartbeat's acknowledgement, taken apart.
pub(super) struct Ack {
    pub voter: usize,
    pub term: Term,
    pub to: Identity,
    pub round: u64,
    pub reading: Instant,
    pub nonce: u64,
    pub priority: u8,
}

impl Election {
    /// Sends a heartbeat if one is due.
    pub(super) fn beat_if_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let me = self.fixed.my_index.expect("a leader is a voter");
        let State::Leader(leading) = &mut self.state else { return };
        if now < leading.next_beat {
            return;
        }
        leading.start_round(now);
        leading.next_beat = now.plus(self.fixed.nanos.heartbeat);
        // A leader acknowledges its own heartbeat as it sends it.
        leading.voters[me].acked = Some(now);
        leading.voters[me].heard = Some(now);
        let round = leading.round;
        self.refresh_view(now);
        let beat = |leader: &Self| Body::Heartbeat { round, view: Arc::clone(&leader.view) };
        self.broadcast(beat, effects);
        let mut told = 0;
        while let State::Leader(leading) = &self.state
            && let Some(&(observer, _)) = leading.observers.get(told)
        {
            self.send(observer, beat(self), effects);
            told += 1;
        }
        let State::Leader(leading) = &self.state else { return };
        // What it acknowledges itself extends its first lease, or that of an only voter; no other,
        // because it is ahead of its voters all the time.
        if leading.lease_until.is_none() || self.majority() == 1 || mutant!(LeaseInTicks) {
            self.extend_lease(effects);
        }
    }

    /// Repeats the last heartbeat to one node.
    pub(super) fn beat_to(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        let State::Leader(leading) = &self.state else { return };
        let body = Body::Heartbeat { round: leading.round, view: Arc::clone(&self.view) };
        self.send(node, body, effects);
    }

    /// Recounts who takes part: who acknowledged anything within E.
    pub(super) fn refresh_view(&mut self, now: Instant) {
        let limit = self.fixed.nanos.election_timeout;
        let State::Leader(leading) = &mut self.state else { return };
        leading.observers.retain(|(_, heard)| now.since(*heard) < limit);
        let live = |at: &Option<Instant>| at.is_some_and(|at| now.since(at) < limit);
        let voters = self.fixed.config.voters.iter().zip(&leading.voters);
        let voters = voters.filter(|(_, voter)| live(&voter.heard)).map(|(name, _)| *name);
        let participants = voters.chain(leading.observers.iter().map(|(observer, _)| *observer));
        if participants.clone().eq(self.view.participants.iter().copied()) {
            return;
        }
        let mut participants: Vec<_> = participants.collect();
        participants.sort_unstable();
        if participants != self.view.participants {
            self.view = Arc::new(View { version: self.view.version + 1, participants });
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        round: u64,
        view: &Arc<View>,
        effects: &mut Vec<Effect>,
    ) {
        if term < self.hard.term {
            self.send(from.node, Body::NewerTerm { to: from }, effects);
            return;
        }
        if term > self.hard.term {
            self.adopt_term(now, term, None, effects);
        }
        let leads_itself = matches!(self.state, State::Leader(_));
        if leads_itself || self.leader.is_some_and(|leader| leader != from) {
            // One leader a term (E1): this sender cannot be honest, or is not what it claims.
            effects.push(Effect::Event(Event::Ignored(Ignored::SecondLeader)));
            return;
        }
        if mutant!(SteppingDownClearsVote) {
            self.hard.vote = None;
        }
        self.state = State::Follower;
        self.leader = Some(from);
        self.vain_polls = 0;
        if view.version > self.view.version {
            self.view = Arc::clone(view);
        }
        self.promised_to = Some(from);
        self.promised_until = self.promised_until.max(now.plus(self.fixed.nanos.promise));
        if self.leaving {
            self.campaign_at = Instant(u64::MAX);
        } else {
            let wait = self.draw_wait(self.fixed.nanos.election_timeout);
            self.campaign_at = now.plus(wait).max(self.promised_until);
        }
        let (nonce, priority) = (self.nonce, self.fixed.config.priority);
        let ack = Body::HeartbeatAck { to: from, round, reading: now, nonce, priority };
        self.send(from.node, ack, effects);
    }

    pub(super) fn on_heartbeat_ack(&mut self, now: Instant, ack: Ack, effects: &mut Vec<Effect>) {
        if ack.term != self.hard.term || ack.to != self.me() {
            return;
        }
        let voter = ack.voter;
        let State::Leader(leading) = &mut self.state else { return };
        if ack.round > leading.round {
            effects.push(Effect::Event(Event::Ignored(Ignored::UnknownRound)));
            return;
        }
        leading.voters[voter].heard = Some(now);
        leading.voters[voter].priority = ack.priority.min(MAX_PRIORITY);
        let Some(mut sent) = leading.sent_at(ack.round) else { return };
        if leading.voters[voter].nonce != Some(ack.nonce) && !mutant!(BootsShareAClock) {
            leading.voters[voter].nonce = Some(ack.nonce);
            self.watch_anew(self.fixed.config.voters[voter]);
        }
        if !self.watch_clock(now, voter, sent, ack.reading, effects) {
            return;
        }
        let State::Leader(leading) = &mut self.state else { return };
        if mutant!(LeaseFromReply) {
            sent = now;
        }
        let acked = &mut leading.voters[voter].acked;
        *acked = (*acked).max(Some(sent));
        // An acknowledgement of what a majority has acknowledged already moves nothing.
        let extends = |until: Instant| until < sent.plus(self.fixed.nanos.lease);
        if leading.lease_until.is_none_or(extends) || mutant!(LeaseInTicks) {
            self.extend_lease(effects);
        }
    }

    /// Looks at a voter's clock, and tells whether this node still leads and the voter's
    /// acknowledgement counts.
    fn watch_clock(
        &mut self,
        now: Instant,
        voter: usize,
        sent: Instant,
        reading: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let window = WATCH_WINDOWS * self.fixed.nanos.election_timeout;
        let State::Leader(leading) = &mut self.state else { return false };
        let clock = &mut leading.voters[voter].clock;
        let verdict = clock.read(sent, now, reading, window, self.fixed.rates);
        let within = clock.is_trusted();
        let Some(Verdict { at_least_ppm, at_most_ppm }) = verdict else { return within };
        if !within {
            reach!("clock_outside_bound");
            leading.voters[voter].acked = None;
        }
        let peer = self.fixed.config.voters[voter];
        let suspects = Arc::make_mut(&mut self.suspects);
        suspects.retain(|suspect| *suspect != peer);
        if !within {
            suspects.push(peer);
        }
        let event = Event::ClockWatch { peer, at_least_ppm, at_most_ppm, within };
        effects.push(Effect::Event(event));
        // If most clocks run unlike this one, this one is the likelier to be wrong.
        let trusted = leading.voters.iter().filter(|voter| voter.clock.is_trusted()).count();
        if trusted < self.majority() {
            self.step_down(now, SteppedDown::ClockOutOfBound, effects);
            let pause = WATCH_WINDOWS * self.fixed.nanos.election_timeout;
            self.campaign_at = now.plus(self.draw_wait(pause)).max(self.promised_until);
            return false;
        }
        within
    }

    /// Another process of a voter may be on another machine, whose clock began at another moment.
    pub(super) fn watch_anew(&mut self, node: NodeId) {
        let Some(voter) = self.fixed.voter_index(&node) else { return };
        let State::Leader(leading) = &mut self.state else { return };
        leading.voters[voter].clock = Readings::default();
        if self.suspects.contains(&node) {
            Arc::make_mut(&mut self.suspects).retain(|suspect| *suspect != node);
        }
    }

    /// The lease lasts L from the sending of the latest heartbeat that a majority acknowledged.
    fn extend_lease(&mut self, effects: &mut Vec<Effect>) {
        let State::Leader(leading) = &mut self.state else { return };
        let Some(start) = quorum::majority_reached(leading.voters.iter().map(|v| v.acked)) else {
            return;
        };
        let mut until = start.plus(self.fixed.nanos.lease);
        if mutant!(LeaseInTicks) || mutant!(RenewalPastDeadline) {
            // It ends when its holder thinks of ending it.
            until = start.plus(1_000 * self.fixed.nanos.lease);
        }
        leading.beats_unextended = 0;
        if leading.lease_until.is_none_or(|current| current < until) {
            leading.lease_until = Some(until);
            let term = self.hard.term;
            effects.push(Effect::Event(Event::LeaseExtended { term, until }));
        }
    }

    /// Ends leadership whose lease, or whose time to get a first one, has run out.
    pub(super) fn expire_lease(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Leader(leading) = &self.state else { return };
        let over = if mutant!(LeaseInTicks) {
            leading.beats_unextended > self.fixed.nanos.lease / self.fixed.nanos.heartbeat
        } else {
            now >= leading.end() && !mutant!(RenewalPastDeadline)
        };
        if over {
            reach!("lease_expired");
            self.step_down(now, SteppedDown::LeaseExpired, effects);
        }
    }

    /// Ends leadership, if held. What it acted under the lease may still be on its way, so its own
    /// vote stays withheld for as long as the lease would have lasted, unless it was released.
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
        self.promised_to = None;
        if reason != SteppedDown::Released {
            self.promised_until = self.promised_until.max(leading.lease_until.unwrap_or(now));
        }
        let term = self.hard.term;
        self.state = State::Follower;
        self.leader = None;
        let wait = self.draw_wait(self.fixed.nanos.election_timeout);
        self.campaign_at = now.plus(wait).max(self.promised_until);
        effects.push(Effect::Event(Event::SteppedDown { term, reason }));
    }
}

#[cfg(test)]
mod tests;
