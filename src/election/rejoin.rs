//! Rejoining: how a voter that remembers nothing becomes operational again.
//!
//! It keeps silent for the quarantine, because it may have promised a lease. Then it asks enough
//! operational voters which incarnation they know of it, registers the next one with as many, and
//! takes over what they know (Michael, Ports, Sharma, Szekeres: "Recovering Shared Objects Without
//! Stable Storage", DISC 2017, §4 and §5: N − majority + 1 answers meet every majority, and every
//! other such set). Until then it says nothing that counts (E5). If too few are operational, the
//! cluster starts anew: `cold_start`.

use std::sync::Arc;

use super::config::{ColdStart, Config, ConfigId};
use super::doubts::Doubts;
use super::effect::{Effect, Event, Rejoins, SteppedDown};
use super::hard_state::HardState;
use super::known::CrashVector;
use super::machine::{Election, State};
use super::message::{Body, Message};
use super::roll::Roll;
use super::settings::Nanos;
use super::{MAX_FORMER_VOTERS, MAX_TERM_JUMP, quorum};
use crate::id::{Boot, Generation, Identity, Incarnation, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// What a rejoining voter keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Rejoining {
    pub reason: Rejoins,
    /// Says nothing before this.
    quarantine_until: Instant,
    next_ask: Instant,
    /// What operational voters answered. All of one generation.
    answers: Vec<Answer>,
    /// The voter that others, or this node before it started, do not have on their list of voters,
    /// which is the same but for that.
    newcomer: Option<NodeId>,
    /// The incarnation that it registers.
    registering: Option<Registering>,
    /// What is known for a cold start.
    pub cold: super::cold_start::Cold,
}

/// What an operational voter answered to a question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Answer {
    voter: NodeId,
    /// Of this node.
    knows: Incarnation,
    heard: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Registering {
    incarnation: Incarnation,
    /// Asks anew if it takes longer.
    give_up: Instant,
    /// Who knows it, unless that life of theirs is over.
    by: Vec<Identity>,
    /// What they know.
    known: CrashVector,
    /// The highest term of theirs.
    term: Term,
}

impl Rejoining {
    pub(super) fn next_wake(&self) -> Instant {
        self.next_ask.max(self.quarantine_until)
    }

    pub(super) fn quarantine_until(&self) -> Instant {
        self.quarantine_until
    }

    pub(super) fn is_quarantined(&self, now: Instant) -> bool {
        now < self.quarantine_until
    }

    /// Whether the store, or the answers of enough others, say that this is the generation.
    pub(super) fn is_confirmed(&self, heard: Generation) -> bool {
        self.registering.is_some() || self.cold.is_in(heard)
    }

    pub(super) fn registers_as(&self) -> Option<Incarnation> {
        self.registering.as_ref().map(|registering| registering.incarnation)
    }

    /// See [`Election::forget_time`].
    pub(super) fn forget_time(&mut self, nanos: &Nanos) {
        self.quarantine_until = Instant(0);
        self.next_ask = Instant(0);
        for answer in &mut self.answers {
            answer.heard = Instant(0);
        }
        self.answers.sort_unstable();
        if let Some(registering) = &mut self.registering {
            registering.by.sort_unstable();
            registering.give_up = Instant(nanos.election_timeout);
        }
        self.cold.forget_time();
    }

    /// Asks anew.
    fn forget_answers(&mut self) {
        self.answers.clear();
        self.registering = None;
    }

    /// How many voters that remember answered lately, and have not said otherwise since.
    pub(super) fn remembering(&self, now: Instant, fresh: u64) -> usize {
        let lately = self.answers.iter().filter(|answer| now.since(answer.heard) < fresh);
        lately.filter(|answer| !self.cold.forgot_since(answer.voter, answer.heard)).count()
    }

    /// What was said in an older generation is void: who remembered nothing then may be on the roll
    /// of the newer one.
    pub(super) fn meet_newer(&mut self) {
        self.forget_answers();
        self.cold.forget_others();
    }
}

impl Election {
    /// Becomes a node that remembers nothing but its term, which can do no harm.
    pub(super) fn forget(&mut self, now: Instant, reason: Rejoins) {
        self.hard = HardState { term: self.hard.term, ..HardState::default() };
        self.leader = None;
        self.view = Arc::clone(&self.fixed.no_view);
        self.forgetful.clear();
        self.doubts = Doubts::default();
        self.vain_polls = 0;
        let quarantine_until = now.plus(self.fixed.nanos.quarantine);
        self.promised_to = None;
        self.promised_until = match mutant!(NoQuarantine) {
            true => now,
            false => self.promised_until.max(quarantine_until),
        };
        self.state = State::Rejoining(Box::new(Rejoining {
            reason,
            quarantine_until,
            next_ask: quarantine_until,
            answers: Vec::new(),
            newcomer: None,
            registering: None,
            cold: super::cold_start::Cold::default(),
        }));
    }

    /// Drops the state of a running voter and begins to rejoin. It counts as a new start, but for
    /// one thing: after the end of its generation it keeps its nonce, because the roll of the newer
    /// generation may list it, and it has promised nothing there.
    pub(super) fn drop_state(&mut self, now: Instant, reason: Rejoins, effects: &mut Vec<Effect>) {
        self.step_down(now, SteppedDown::Deposed, effects);
        if reason != Rejoins::OlderGeneration {
            self.nonce = self.nonce.wrapping_add(1);
        }
        self.forget(now, reason);
        self.persist(effects);
        effects.push(Effect::Event(Event::Rejoining { boot: self.boot(), reason }));
    }

    pub(super) fn rejoin_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let heartbeat = self.fixed.nanos.heartbeat;
        let State::Rejoining(rejoining) = &mut self.state else { return };
        if now < rejoining.next_wake() {
            return;
        }
        rejoining.next_ask = now.plus(heartbeat);
        // It lingers without a word; a wake that stayed due would be waited for in vain.
        if self.leaving {
            return;
        }
        if rejoining.registering.as_ref().is_some_and(|registering| now >= registering.give_up) {
            reach!("register_given_up");
            rejoining.forget_answers();
        }
        if rejoining.registering.is_some() {
            self.broadcast_register(effects);
        }
        // While it registers, too: should the others be gone meanwhile, it must count for a roll.
        let (nonce, heard, stuck) = (self.nonce, self.heard, self.is_stuck(now));
        self.broadcast(|_| Body::Rejoining { nonce, heard, stuck }, effects);
        self.cold_start_tick(now, effects);
    }

    fn broadcast_register(&self, effects: &mut Vec<Effect>) {
        for &voter in &self.fixed.config.voters {
            if voter != self.fixed.config.me {
                self.say_registering(voter, Body::Register { nonce: self.nonce }, effects);
            }
        }
    }

    /// Tells those whose answers do not count, because another one knows their lives to be over. They may
    /// not have heard so, and if nobody told them, nobody could rejoin.
    fn tell_superseded(&self, effects: &mut Vec<Effect>) {
        let State::Rejoining(rejoining) = &self.state else { return };
        let Some(registering) = &rejoining.registering else { return };
        for &to in &registering.by {
            let by = registering.known.of(to.node);
            if by > to.incarnation {
                self.say_registering(to.node, Body::Superseded { to, by }, effects);
            }
        }
    }

    /// Says something as the incarnation that it registers.
    fn say_registering(&self, to: NodeId, body: Body, effects: &mut Vec<Effect>) {
        let State::Rejoining(rejoining) = &self.state else { return };
        let Some(incarnation) = rejoining.registers_as() else { return };
        let from = Identity { node: self.fixed.config.me, incarnation };
        let (generation, config) = (self.heard, self.fixed.id);
        let (promise, term) = (self.fixed.keeps_promises, self.hard.term);
        let message = Message { from, generation, config, promise, term, body };
        effects.push(Effect::Send { to, message: Box::new(message) });
    }

    /// A message to this rejoining voter.
    pub(super) fn rejoining_receive(
        &mut self,
        now: Instant,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        let me = self.boot();
        let &Message { from, generation, term, ref body, .. } = message;
        match *body {
            Body::Rejoining { nonce, heard, .. } => {
                let boot = Boot { node: from.node, nonce };
                self.hear_forgetful(now, boot, term, heard, effects);
            }
            // Who is in no generation has no answer to give.
            _ if generation == Generation::NONE => {}
            Body::RollCall { ref roll } if roll.generation == generation => {
                // Only the store knows whom it lists in a generation that it counts.
                if self.fixed.config.cold_start == ColdStart::ByStore && !mutant!(RollListsNodes) {
                    self.look(now, effects);
                } else if roll.is_of_all() || mutant!(RollListsNodes) {
                    self.on_roll(now, roll, effects);
                }
            }
            Body::Known { to, incarnation } if to == me => {
                self.meet_shorter_list(message.config);
                self.on_known(now, from.node, incarnation, effects);
            }
            Body::Registered { to, incarnation, ref known } if to == me => {
                self.on_registered(now, from, term, incarnation, known, effects);
            }
            _ => {}
        }
    }

    fn on_known(
        &mut self,
        now: Instant,
        from: NodeId,
        incarnation: Incarnation,
        effects: &mut Vec<Effect>,
    ) {
        let give_up = now.plus(self.fixed.nanos.election_timeout);
        let voters = self.fixed.config.voters.len();
        let State::Rejoining(rejoining) = &mut self.state else { return };
        if rejoining.is_quarantined(now) || rejoining.registering.is_some() {
            return;
        }
        match rejoining.answers.iter_mut().find(|answer| answer.voter == from) {
            Some(Answer { knows, heard, .. }) => {
                (*knows, *heard) = (incarnation.max(*knows), now);
            }
            None => {
                rejoining.answers.push(Answer { voter: from, knows: incarnation, heard: now });
            }
        }
        let answered = rejoining.answers.iter().map(|answer| answer.voter);
        if !are_enough(answered, voters, rejoining.newcomer) {
            return;
        }
        let highest = rejoining.answers.iter().map(|answer| answer.knows.0).max();
        // There is a next one: a node does not start that often, unless somebody lies.
        let next = highest.unwrap_or_default() + 1;
        if next > Incarnation::MAX.0 {
            return rejoining.forget_answers();
        }
        let incarnation = Incarnation(next);
        rejoining.registering = Some(Registering {
            incarnation,
            give_up,
            by: Vec::new(),
            known: CrashVector::default(),
            term: Term::ZERO,
        });
        self.broadcast_register(effects);
    }

    fn on_registered(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        incarnation: Incarnation,
        known: &CrashVector,
        effects: &mut Vec<Effect>,
    ) {
        let (me, voters) = (self.fixed.config.me, self.fixed.config.voters.len());
        let State::Rejoining(rejoining) = &mut self.state else { return };
        let Some(registering) = &mut rejoining.registering else { return };
        if registering.incarnation != incarnation {
            return;
        }
        if known.of(me) > incarnation {
            // Another process of this node's name has registered since: start over, above it.
            reach!("register_refused");
            return self.drop_state(now, Rejoins::Superseded, effects);
        }
        match registering.by.iter_mut().find(|voter| voter.node == from.node) {
            Some(voter) => voter.incarnation = voter.incarnation.max(from.incarnation),
            None => registering.by.push(from),
        }
        registering.known.merge(known);
        registering.term = registering.term.max(term);
        // As with votes: what a voter knew in a life that one of the others knows to be over, it may
        // have forgotten in the next.
        let known = &registering.known;
        let lives = registering.by.iter().filter(|v| v.incarnation >= known.of(v.node));
        if !are_enough(lives.map(|voter| voter.node), voters, rejoining.newcomer) {
            return self.tell_superseded(effects);
        }
        let identity = Identity { node: me, incarnation };
        registering.known.learn(identity);
        registering.known.keep(&self.fixed.config.voters, MAX_FORMER_VOTERS);
        let hard = HardState {
            generation: self.heard,
            config: self.fixed.id,
            incarnation,
            // Every term up to the highest is treated as voted.
            term: self.hard.term.max(registering.term),
            vote: Some(identity),
            known: Arc::new(std::mem::take(&mut registering.known)),
            roll: Arc::default(),
        };
        reach!("rejoined");
        let wait = self.draw_wait(self.fixed.nanos.election_timeout);
        self.become_operational(now, hard, wait, false, effects);
    }

    /// This boot is on a roll: operational in its generation, with nothing promised.
    pub(super) fn on_roll(&mut self, now: Instant, roll: &Arc<Roll>, effects: &mut Vec<Effect>) {
        let State::Rejoining(rejoining) = &self.state else { return };
        let me = self.boot();
        let listed = match mutant!(RollListsNodes) {
            true => roll.boots.iter().any(|boot| boot.node == me.node),
            false => roll.boots.contains(&me),
        };
        // A roll of an older generation may be one that this very boot has acted in.
        if !listed || rejoining.is_quarantined(now) || roll.generation < self.heard {
            return;
        }
        self.heard = roll.generation;
        // Terms that far above the highest that the store ever took were made up, and would keep this
        // node apart from the others on the roll.
        let known = Term(roll.floor.0.saturating_add(MAX_TERM_JUMP));
        let by_store = self.fixed.config.cold_start == ColdStart::ByStore;
        let term = if by_store && self.hard.term > known { roll.floor } else { self.hard.term };
        let mut hard = HardState::on_roll(self.fixed.id, Arc::clone(roll), term);
        if mutant!(FloorNeverLearned) {
            hard.term = self.hard.term;
        }
        if mutant!(TokenForgottenByWipe) {
            hard.term = Term::ZERO;
        }
        let wait = self.draw_start_wait();
        self.become_operational(now, hard, wait, true, effects);
    }

    /// The bug that all of this is about.
    pub(super) fn vote_at_once(
        &mut self,
        now: Instant,
        generation: Generation,
        effects: &mut Vec<Effect>,
    ) {
        let incarnation = Incarnation::FIRST;
        let hard =
            HardState { generation, config: self.fixed.id, incarnation, ..HardState::default() };
        self.promised_until = now;
        self.become_operational(now, hard, self.fixed.nanos.election_timeout, false, effects);
    }

    fn become_operational(
        &mut self,
        now: Instant,
        hard: HardState,
        wait: u64,
        by_roll: bool,
        effects: &mut Vec<Effect>,
    ) {
        assert!(hard.generation != Generation::NONE, "nobody is operational outside a generation");
        self.hard = hard;
        self.persist(effects);
        self.state = State::Follower;
        self.campaign_at = now.plus(wait).max(self.promised_until);
        // Who was operational in the generation before keeps silent for Q before it finds itself on
        // the roll. Whoever gave up sooner would call the next roll, and so on without end.
        let nanos = &self.fixed.nanos;
        self.vain_after = match by_roll {
            true => now.plus(nanos.quarantine).plus(nanos.election_timeout),
            false => now,
        };
        effects.push(Effect::Event(Event::Rejoined {
            incarnation: self.hard.incarnation,
            generation: self.hard.generation,
            term: self.hard.term,
            by_roll,
        }));
    }

    /// Answers a voter that remembers nothing.
    pub(super) fn on_rejoining(
        &mut self,
        now: Instant,
        node: NodeId,
        nonce: u64,
        heard: Generation,
        stuck: bool,
        effects: &mut Vec<Effect>,
    ) {
        if heard > self.heard {
            if mutant!(GenerationBelievedAtOnce) {
                return self.meet_newer(now, heard, effects);
            }
            // Whoever asks takes no answer of an older generation, and believes in it no longer than
            // that lasts. If there is such a generation, this boot may be on its roll, and would not
            // be if it dropped its state for those that forgot before the store has told of it.
            self.look(now, effects);
            if self.fixed.config.cold_start == ColdStart::ByStore {
                return;
            }
        }
        let to = Boot { node, nonce };
        let incarnation = self.hard.known.of(node);
        if incarnation >= Incarnation::MAX {
            // Somebody made that up, and there is none above it to give away.
            return self.drop_state(now, Rejoins::Contradicted, effects);
        }
        let roll = &self.hard.roll;
        let first = incarnation == Incarnation::FIRST || mutant!(RollListsNodes);
        let listed = match mutant!(RollListsNodes) {
            true => roll.boots.iter().any(|boot| boot.node == node),
            false => roll.boots.contains(&to),
        };
        if first && listed {
            // It need not rejoin, so it is none of those that forgot.
            self.send(node, Body::RollCall { roll: Arc::clone(roll) }, effects);
        } else if !self.notice_forgetful(now, node, stuck, effects) {
            self.send(node, Body::Known { to, incarnation }, effects);
        }
    }

    /// A voter registers a new incarnation of itself.
    pub(super) fn on_register(&mut self, from: Identity, nonce: u64, effects: &mut Vec<Effect>) {
        self.learn(from, effects);
        let to = Boot { node: from.node, nonce };
        let known = Arc::clone(&self.hard.known);
        let incarnation = from.incarnation;
        self.send(from.node, Body::Registered { to, incarnation, known }, effects);
    }

    pub(super) fn answers_needed(&self) -> usize {
        quorum::to_rejoin(self.fixed.config.voters.len())
    }

    /// Others, or this node before it started, have that list of voters. If it is this node's but
    /// for one voter, who has to be a new one, it need not wait for that one: see [`are_enough`].
    pub(super) fn meet_shorter_list(&mut self, theirs: ConfigId) {
        if theirs == self.fixed.id {
            return;
        }
        let Config { me, voters, .. } = &self.fixed.config;
        let without = |left_out: NodeId| -> Vec<NodeId> {
            voters.iter().copied().filter(|voter| *voter != left_out).collect()
        };
        let others = voters.iter().copied().filter(|voter| voter != me);
        let newcomer = others.into_iter().find(|voter| ConfigId::of(&without(*voter)) == theirs);
        if let State::Rejoining(rejoining) = &mut self.state {
            rejoining.newcomer = newcomer.or(rejoining.newcomer);
        }
    }
}

/// Whether a voter that remembers nothing has asked enough others: as many as a majority. While its
/// list has just become longer by a newcomer, a majority of the shorter one suffices, counted among
/// those on both. It meets every majority of either list that the asker can have been a part of: all
/// of the shorter as ever, and of the longer because half of an even list does that. Which shorter list
/// it is must be known, because half of the longer one can miss a majority of another.
fn are_enough(
    answered: impl Iterator<Item = NodeId> + Clone,
    voters: usize,
    newcomer: Option<NodeId>,
) -> bool {
    if answered.clone().count() >= quorum::to_rejoin(voters) {
        return true;
    }
    newcomer.is_some_and(|newcomer| {
        let on_both = answered.filter(|voter| *voter != newcomer).count();
        let enough = on_both >= quorum::to_rejoin(voters - 1);
        if enough {
            reach!("rejoined_without_newcomer");
        }
        enough
    })
}

#[cfg(test)]
mod tests;
