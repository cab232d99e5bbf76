//! Observers: nodes that take part in the work and have no vote. They are on no list, and come and
//! go as they like.
//!
//! An observer tells all voters that it is there until a leader's heartbeats reach it, and
//! acknowledges those; the acknowledgements count for the participants and for nothing else.

use std::sync::Arc;

use super::config::ColdStart;
use super::dispatch::ignore;
use super::effect::{Effect, Ignored};
use super::machine::{Election, State};
use super::message::{Body, Message};
use crate::id::{Generation, Identity, Term};
use crate::probe::reach;
use crate::time::Instant;

/// The most observers that a leader takes.
pub const MAX_OBSERVERS: usize = 64;

/// How many generations an observer remembers that it has left for lower ones. Messages of the oldest
/// are gone long before so many more have begun and ended.
const LEFT_MAX: usize = 16;

/// For how many E a leader must be heard from an earlier generation or term, and no other leader, before
/// an observer believes that it is the one that was misled. What is merely late ends before that.
const ELSEWHERE_FOR: u64 = 4;

/// What an observer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Observing {
    /// When it tells the voters again that it is there, unless a heartbeat comes first.
    announce_at: Instant,
    /// Whether it told them and no heartbeat has come since.
    unanswered: bool,
    /// Generations that ended though lower ones came after them, which happens without a store only: a
    /// late message must not bring them back. The oldest first, at most [`LEFT_MAX`].
    left: Vec<Generation>,
    /// The leader that is heard from an earlier place than this observer's, and since when.
    elsewhere: Option<((Identity, Generation, Term), Instant)>,
}

impl Observing {
    pub(super) fn new(now: Instant) -> Self {
        Self { announce_at: now, unanswered: false, left: Vec::new(), elsewhere: None }
    }

    /// Whether that generation is over.
    pub(super) fn has_left(&self, generation: Generation) -> bool {
        self.left.contains(&generation)
    }

    fn leave(&mut self, generation: Generation) {
        if self.left.len() == LEFT_MAX {
            self.left.remove(0);
        }
        self.left.push(generation);
    }

    pub(super) fn next_wake(&self) -> Instant {
        self.announce_at
    }
}

impl Election {
    pub(super) fn observe_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let pause = self.fixed.nanos.election_timeout / 2;
        let State::Observer(observing) = &mut self.state else { return };
        if now < observing.announce_at {
            return;
        }
        observing.announce_at = now.plus(pause);
        if self.leaving {
            return;
        }
        let unanswered = std::mem::replace(&mut observing.unanswered, true);
        self.leader = None;
        if unanswered && self.fixed.config.cold_start == ColdStart::ByAllVoters {
            // Without a store, voters that forgot everything count their generations anew.
            self.heard = Generation::NONE;
        }
        self.broadcast(|_| Body::Observing, effects);
    }

    /// Another generation, in which terms may begin anew.
    pub(super) fn observe_generation(&mut self, generation: Generation) {
        let before = self.hard.generation;
        if generation == before {
            return;
        }
        if let State::Observer(observing) = &mut self.state
            && generation < before
        {
            observing.leave(before);
        }
        self.hard.generation = generation;
        self.hard.term = Term::ZERO;
        self.leader = None;
        self.view = Arc::clone(&self.fixed.no_view);
    }

    /// A voter says something of an earlier generation or term than this observer believes to be in.
    /// It is believed once a leader there has been heard for long enough, and none here.
    pub(super) fn observe_elsewhere(&mut self, now: Instant, message: &Message) {
        let window = ELSEWHERE_FOR * self.fixed.nanos.election_timeout;
        let State::Observer(observing) = &mut self.state else { return };
        if !matches!(message.body, Body::Heartbeat { .. }) {
            return;
        }
        let there = (message.from, message.generation, message.term);
        let since = match observing.elsewhere {
            _ if self.leader.is_some() => now,
            Some((place, since)) if place == there => since,
            _ => now,
        };
        observing.elsewhere = Some((there, since));
        if now.since(since) >= window {
            reach!("observer_came_back");
            *observing = Observing::new(now);
            self.heard = message.generation;
            (self.hard.generation, self.hard.term) = (message.generation, message.term);
            self.view = Arc::clone(&self.fixed.no_view);
        }
    }

    /// A message of a voter to this observer.
    pub(super) fn observer_receive(
        &mut self,
        now: Instant,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        let &Message { from, generation, term, ref body, .. } = message;
        let Body::Heartbeat { round, view } = body else { return };
        if generation != self.hard.generation || self.leaving {
            return;
        }
        if term < self.hard.term {
            return self.observe_elsewhere(now, message);
        }
        if term > self.hard.term {
            self.hard.term = term;
            self.leader = None;
            self.view = Arc::clone(&self.fixed.no_view);
        }
        if self.leader.is_some_and(|leader| leader != from) {
            return ignore(Ignored::SecondLeader, effects);
        }
        self.leader = Some(from);
        if view.version > self.view.version {
            self.view = Arc::clone(view);
        }
        // Two missed heartbeats are no reason to shout; half of E without any is.
        let pause = self.fixed.nanos.election_timeout / 2;
        if let State::Observer(observing) = &mut self.state {
            observing.announce_at = now.plus(pause);
            observing.unanswered = false;
        }
        let (nonce, priority) = (self.nonce, self.fixed.config.priority);
        let ack = Body::HeartbeatAck { to: from, round: *round, reading: now, nonce, priority };
        self.send(from.node, ack, effects);
    }

    /// A message of an observer to this node, of which only a leader takes notice.
    pub(super) fn receive_from_observer(
        &mut self,
        now: Instant,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        let node = message.from.node;
        let me = self.me();
        let State::Leader(leading) = &mut self.state else { return };
        match message.body {
            Body::Observing | Body::HeartbeatAck { .. } => {
                if let Body::HeartbeatAck { to, .. } = message.body
                    && (to != me || !leading.observes(node))
                {
                    return;
                }
                match leading.hear_observer(node, now) {
                    None => ignore(Ignored::TooManyObservers, effects),
                    Some(false) => {}
                    Some(true) => {
                        reach!("observer_joined");
                        // It learns of the leader now and not at the next heartbeat.
                        self.refresh_view(now);
                        self.beat_to(node, effects);
                    }
                }
            }
            Body::Leaving => {
                leading.drop_observer(node);
                self.refresh_view(now);
            }
            _ => ignore(Ignored::NotAPeer, effects),
        }
    }
}

#[cfg(test)]
mod tests;
