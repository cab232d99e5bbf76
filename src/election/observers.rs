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
use crate::id::Generation;
use crate::probe::reach;
use crate::time::Instant;

/// The most observers that a leader takes.
pub const MAX_OBSERVERS: usize = 64;

/// What an observer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Observing {
    /// When it tells the voters again that it is there, unless a heartbeat comes first.
    announce_at: Instant,
    /// Whether it told them and no heartbeat has come since.
    unanswered: bool,
}

impl Observing {
    pub(super) fn new(now: Instant) -> Self {
        Self { announce_at: now, unanswered: false }
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
        if generation == self.hard.generation {
            return;
        }
        self.hard.generation = generation;
        self.hard.term = crate::id::Term::ZERO;
        self.leader = None;
        self.view = Arc::clone(&self.fixed.no_view);
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
        if generation != self.hard.generation || term < self.hard.term || self.leaving {
            return;
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
        let priority = self.fixed.config.priority;
        let ack = Body::HeartbeatAck { to: from, round: *round, reading: now, priority };
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
mod tests {
    use super::*;
    use crate::election::{Config, HardState, Input};
    use crate::id::{Identity, Incarnation, NodeId};

    const START: Instant = Instant(1_000_000_000);

    fn names(names: &[&str]) -> Vec<NodeId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn node(me: &str, voters: &[&str]) -> Election {
        let (me, voters) = (me.parse().unwrap(), names(voters));
        let observer = !voters.contains(&me);
        let hard = (!observer).then(|| HardState::at_first_start(&voters));
        let config = Config { observer, ..Config::of_voter(me, voters) };
        Election::without_chance(config, hard, 1, START).unwrap()
    }

    fn handle(election: &mut Election, input: Input) -> (Vec<Message>, Vec<Ignored>) {
        let mut effects = Vec::new();
        election.handle(START, input, &mut effects);
        let (mut sent, mut ignored) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Send { to, message } if to.as_str() == "n1" || to.as_str() == "o1" => {
                    sent.push(*message);
                }
                Effect::Event(crate::election::Event::Ignored(why)) => ignored.push(why),
                _ => {}
            }
        }
        (sent, ignored)
    }

    #[test]
    fn what_observers_say_to_all_is_no_offence_where_nobody_leads() {
        let mut voter = node("n1", &["n1", "n2", "n3"]);
        let mut observer = node("o1", &["n1", "n2", "n3"]);
        let (said, _) = handle(&mut observer, Input::Tick);
        let leader = Identity { node: "n2".parse().unwrap(), incarnation: Incarnation::FIRST };
        let say = |body| Input::Message(Message { body, ..said[0].clone() }.into());
        let ack = Body::HeartbeatAck { to: leader, round: 1, reading: START, priority: 0 };
        for body in [Body::Observing, ack, Body::Leaving] {
            assert_eq!(handle(&mut voter, say(body)), (vec![], vec![]));
        }
        for body in [Body::PreVote, Body::VoteRequest { release: None }] {
            assert_eq!(handle(&mut voter, say(body)), (vec![], vec![Ignored::NotAPeer]));
        }
    }

    #[test]
    fn an_observer_may_be_the_first_to_have_the_next_list() {
        let mut voter = node("n1", &["n1", "n2", "n3"]);
        let mut observer = node("o1", &["n1", "n2", "n3", "n4"]);
        let (said, _) = handle(&mut observer, Input::Tick);
        let (mut asks, ignored) = handle(&mut voter, Input::Message(said[0].clone().into()));
        assert_eq!(ignored, [Ignored::OtherVoters], "not known yet");
        let (mut answers, _) = handle(&mut observer, Input::Message(asks.pop().unwrap().into()));
        let answer = Input::Message(answers.pop().expect("it tells its list").into());
        assert_eq!(handle(&mut voter, answer), (vec![], vec![]));
        assert_eq!(handle(&mut voter, Input::Message(said[0].clone().into())), (vec![], vec![]));
    }
}
