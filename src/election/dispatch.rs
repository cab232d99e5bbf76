//! What a message has to pass before it counts: sender, list of voters, generation, incarnation.

use std::time::Duration;

use super::config::steps_apart;
use super::doubts::is_impossible;
use super::effect::{Effect, Event, Ignored, Rejoins};
use super::machine::{Election, State};
use super::message::{Body, Message};
use super::{ColdStart, ConfigId, MAX_VOTERS};
use crate::id::{Generation, Identity, Incarnation, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// How many other lists of voters are known at once to be one step away. There are two such lists
/// in a rolling change, and a third if that one is undone.
const MAX_NEIGHBOURS: usize = 4;

impl Election {
    pub(super) fn receive(&mut self, now: Instant, message: &Message, effects: &mut Vec<Effect>) {
        let node = &message.from.node;
        let voter = self.fixed.voter_index(node);
        let is_peer = match voter {
            Some(_) => voter != self.fixed.my_index,
            None => message.body.is_of_observers() && *node != self.fixed.config.me,
        };
        if !is_peer {
            return ignore(Ignored::NotAPeer, effects);
        }
        if is_impossible(message) {
            return ignore(Ignored::Impossible, effects);
        }
        let is_listed = message.config == self.fixed.id;
        if (!is_listed || matches!(message.body, Body::Voters { .. }))
            && !self.accepts_list(message, effects)
        {
            return;
        }
        match voter {
            Some(voter) => self.receive_from_voter(now, voter, message, effects),
            None => self.receive_from_observer(now, message, effects),
        }
    }

    fn receive_from_voter(
        &mut self,
        now: Instant,
        voter: usize,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        self.heard_from.note(voter, self.fixed.config.voters.len(), now, message);
        // A voter that rejoins is in no generation, and is nobody yet.
        let rejoins = message.generation == Generation::NONE;
        if !rejoins && message.generation != self.heard {
            if message.generation < self.heard {
                ignore(Ignored::OlderGeneration, effects);
                if matches!(self.state, State::Observer(_)) {
                    return self.observe_elsewhere(now, message);
                }
                let (node, generation) = (message.from.node, message.generation);
                if !self.hear_elsewhere(now, node, generation, effects) {
                    self.tell_newer(message, effects);
                }
                return;
            }
            if let State::Observer(observing) = &self.state
                && observing.has_left(message.generation)
            {
                ignore(Ignored::OlderGeneration, effects);
                return self.observe_elsewhere(now, message);
            }
            if !self.believes(now, message, effects) {
                return;
            }
            self.meet_newer(now, message.generation, effects);
        }
        if !rejoins && self.is_far(message.term) {
            let (node, generation) = (message.from.node, message.generation);
            if self.hear_elsewhere(now, node, generation, effects) {
                return;
            }
            if message.term > self.hard.term {
                ignore(Ignored::TermTooFarAhead, effects);
                self.refuse_far(message, effects);
                return self.follow_far(now, message, effects);
            }
        } else if !rejoins {
            self.doubts.agrees(message.from.node, now);
        }
        if mutant!(WipedVotesAtOnce) && !rejoins && matches!(self.state, State::Rejoining(_)) {
            self.vote_at_once(now, message.generation, effects);
        }
        match &mut self.state {
            State::Rejoining(_) => return self.rejoining_receive(now, message, effects),
            State::Observer(_) => return self.observer_receive(now, message, effects),
            _ => {}
        }
        let &Message { from, term, ref body, .. } = message;
        match *body {
            Body::Rejoining { nonce, heard, stuck } => {
                return self.on_rejoining(now, from.node, nonce, heard, stuck, effects);
            }
            Body::Register { nonce } if !rejoins => {
                return self.on_register(from, nonce, effects);
            }
            _ if rejoins => return,
            _ => {}
        }
        let newest = self.hard.known.of(from.node);
        if from.incarnation < newest {
            reach!("message_of_superseded_incarnation");
            ignore(Ignored::Superseded, effects);
            // Two voters of which each takes the other's life for over would never hear so otherwise.
            if let Body::Superseded { to, by } = *body {
                self.on_superseded(now, to, by, effects);
            } else {
                self.send(from.node, Body::Superseded { to: from, by: newest }, effects);
            }
            return;
        }
        if from.incarnation > newest {
            self.learn(from, effects);
        }
        // Who is operational has not forgotten any more.
        if !self.forgetful.is_empty() {
            self.forgetful.retain(|forgetful| forgetful.node != from.node);
        }
        let (promised, needed) = (message.promise, self.fixed.needs_promises);
        if promised < needed && body.is_promise() {
            let (promised, needed) = (Duration::from_nanos(promised), Duration::from_nanos(needed));
            let event = Event::PromiseTooShort { peer: from.node, promised, needed };
            return effects.push(Effect::Event(event));
        }
        self.act_on(now, voter, from, term, body, effects);
    }

    /// Tells a voter of an older generation that there is a newer one. With a store it asks there;
    /// without one it wants to see that its boot is on the roll.
    fn tell_newer(&mut self, message: &Message, effects: &mut Vec<Effect>) {
        // An observer leaves the telling to those who were there.
        let tells = self.fixed.my_index.is_some() && self.hard.generation == self.heard;
        if !tells || matches!(message.body, Body::NewerGeneration | Body::RollCall { .. }) {
            return;
        }
        let by_all = self.fixed.config.cold_start == ColdStart::ByAllVoters;
        let body = match by_all && !self.hard.roll.boots.is_empty() {
            true => Body::RollCall { roll: std::sync::Arc::clone(&self.hard.roll) },
            false => Body::NewerGeneration,
        };
        self.send(message.from.node, body, effects);
    }

    /// A message of an operational voter to an operational voter of its generation.
    fn act_on(
        &mut self,
        now: Instant,
        voter: usize,
        from: Identity,
        term: Term,
        body: &Body,
        effects: &mut Vec<Effect>,
    ) {
        match *body {
            Body::PreVote => self.on_pre_vote(now, from, term, effects),
            Body::PreVoteReply { to, asked, granted } => {
                self.on_pre_vote_reply(now, from, term, to, asked, granted, effects);
            }
            Body::VoteRequest { release } => {
                self.on_vote_request(now, from, term, release, effects);
            }
            Body::VoteReply { to, granted, ref known } => {
                self.on_vote_reply(now, from, term, to, granted, known, effects);
            }
            Body::Heartbeat { round, ref view } => {
                self.on_heartbeat(now, from, term, round, view, effects);
            }
            Body::HeartbeatAck { to, round, reading, nonce, priority } => {
                let ack = super::lead::Ack { voter, term, to, round, reading, nonce, priority };
                self.on_heartbeat_ack(now, ack, effects);
            }
            Body::NewerTerm { to } => {
                if to == self.me() && term > self.hard.term {
                    self.adopt_term(now, term, None, effects);
                }
            }
            Body::TakeOver { to } => self.on_take_over(now, from, term, to, effects),
            Body::Leaving => self.on_voter_leaving(now, voter),
            Body::Superseded { to, by } => self.on_superseded(now, to, by, effects),
            // For those that rejoin, for those that are nobody yet, or seen to already.
            Body::Rejoining { .. }
            | Body::Register { .. }
            | Body::Known { .. }
            | Body::Registered { .. }
            | Body::RollCall { .. }
            | Body::NewerGeneration
            | Body::Voters { .. }
            | Body::Observing => {}
        }
    }

    fn on_superseded(
        &mut self,
        now: Instant,
        to: Identity,
        by: Incarnation,
        effects: &mut Vec<Effect>,
    ) {
        if to == self.me() && by > to.incarnation {
            self.drop_state(now, Rejoins::Superseded, effects);
        }
    }

    /// Takes note of a newer incarnation of a voter.
    pub(super) fn learn(&mut self, identity: Identity, effects: &mut Vec<Effect>) {
        if self.hard.known.of(identity.node) < identity.incarnation {
            std::sync::Arc::make_mut(&mut self.hard.known).learn(identity);
            self.persist(effects);
            self.watch_anew(identity.node);
        }
    }

    /// Whether majorities of the sender's list and of this node's always share a voter. Sees to the
    /// exchange of lists until that is known.
    fn accepts_list(&mut self, message: &Message, effects: &mut Vec<Effect>) -> bool {
        let from = message.from.node;
        if let Body::Voters { voters, asks } = &message.body {
            self.meet_list(from, message.config, voters, effects);
            if *asks {
                self.send_list(from, false, effects);
            }
            return false;
        }
        if message.config == self.fixed.id || self.neighbours.contains(&message.config) {
            return true;
        }
        ignore(Ignored::OtherVoters, effects);
        self.send_list(from, true, effects);
        false
    }

    fn send_list(&mut self, to: NodeId, asks: bool, effects: &mut Vec<Effect>) {
        let voters = std::sync::Arc::new(self.fixed.config.voters.clone());
        self.send(to, Body::Voters { voters, asks }, effects);
    }

    fn meet_list(
        &mut self,
        peer: NodeId,
        claimed: ConfigId,
        voters: &std::sync::Arc<Vec<NodeId>>,
        effects: &mut Vec<Effect>,
    ) {
        if voters.len() > MAX_VOTERS || has_twins(voters) || ConfigId::of(voters) != claimed {
            return ignore(Ignored::OtherVoters, effects);
        }
        match steps_apart(&self.fixed.config.voters, voters) {
            0 => {}
            1 => {
                if !self.neighbours.contains(&claimed) {
                    reach!("voters_one_step_apart");
                    if self.neighbours.len() == MAX_NEIGHBOURS {
                        self.neighbours.remove(0);
                    }
                    self.neighbours.push(claimed);
                }
            }
            _ => {
                reach!("voters_clash");
                let theirs = std::sync::Arc::clone(voters);
                effects.push(Effect::Event(Event::VotersClash { peer, theirs }));
            }
        }
    }

    /// There is a newer generation than this node's: whatever it promised in its own is void.
    pub(super) fn meet_newer(
        &mut self,
        now: Instant,
        generation: Generation,
        effects: &mut Vec<Effect>,
    ) {
        self.heard = generation;
        match &mut self.state {
            State::Rejoining(rejoining) => rejoining.meet_newer(),
            State::Observer(_) => self.observe_generation(generation),
            _ => {
                reach!("generation_ended");
                self.drop_state(now, Rejoins::OlderGeneration, effects);
            }
        }
    }
}

pub(super) fn ignore(why: Ignored, effects: &mut Vec<Effect>) {
    effects.push(Effect::Event(Event::Ignored(why)));
}

/// Whether a list names somebody twice, which no configuration does.
fn has_twins(voters: &[NodeId]) -> bool {
    voters.iter().enumerate().any(|(at, voter)| voters[..at].contains(voter))
}

#[cfg(test)]
mod tests;
