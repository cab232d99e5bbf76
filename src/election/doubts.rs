//! What a peer claims is not a fact: which claims of generations and terms a voter believes, and how
//! it comes back from what it believed wrongly.
//!
//! A newer generation is believed when the store says so. Without a store it takes a roll that lists
//! this very boot and has the generation's fingerprint. A voter that rejoins follows whoever speaks
//! of a newer one, because it becomes operational by the answers of a majority only; but not once
//! the store, or so many answers, have confirmed the one that it has heard of.
//!
//! A voter that stays too far ahead in term draws the others along, one bounded step after another, in
//! case that they need each other and neither is alone.
//!
//! Whoever is alone with what it believes begins anew, as if it had been wiped, which is as safe as
//! any wipe: when enough others have spoken for some time, without a break, from one place that is
//! not its own, or when the store has denied for as long what a rejoining voter has heard of.

use super::config::ColdStart;
use super::dispatch::ignore;
use super::effect::{Effect, Ignored, Rejoins};
use super::machine::{Election, State};
use super::message::{Body, Message};
use super::{MAX_GENERATION_JUMP, MAX_TERM_JUMP, quorum};
use crate::id::{Generation, Incarnation, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// For how many E others must contradict a voter before it begins anew, and how long a word of theirs
/// counts: each of them is heard that often, though it may be in answer to a campaign only.
const CONTRADICTED_FOR: u64 = 4;

/// Who contradicts this node, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Doubts {
    /// The other voters that last spoke from another generation, or from a term that is too far
    /// away: one word of each, which names the generation.
    elsewhere: Vec<(NodeId, Generation, Instant)>,
    /// Who has spoken from where this node is since then, and when last.
    here: Vec<(NodeId, Instant)>,
    /// Since when enough of them have been in that generation.
    since: Option<(Generation, Instant)>,
    /// Since when the store has been in an older generation than a rejoining voter has heard of.
    denied_since: Option<Instant>,
    /// A voter that has been too far ahead in term: who, since when, and when it was heard last.
    ahead: Option<(NodeId, Instant, Instant)>,
    /// The store is not asked about a claim before this.
    next_look: Instant,
}

impl Doubts {
    /// See [`Election::forget_time`]. Without time nobody is contradicted for long.
    pub(super) fn forget_time(&mut self) {
        *self = Self::default();
    }

    /// A voter spoke from where this node is.
    pub(super) fn agrees(&mut self, node: NodeId, now: Instant) {
        if self.elsewhere.is_empty() {
            return;
        }
        self.elsewhere.retain(|(other, ..)| *other != node);
        self.here.retain(|(other, _)| *other != node);
        self.here.push((node, now));
    }
}

/// Whether a message claims a number that nothing honest ever reaches.
pub(super) fn is_impossible(message: &Message) -> bool {
    let mut generation = message.generation;
    let mut incarnation = message.from.incarnation;
    let known = match &message.body {
        Body::Rejoining { heard, .. } => {
            generation = generation.max(*heard);
            None
        }
        Body::Known { incarnation: known, .. } => {
            incarnation = incarnation.max(*known);
            None
        }
        Body::Superseded { by, .. } => {
            incarnation = incarnation.max(*by);
            None
        }
        Body::Registered { known, .. } | Body::VoteReply { known, .. } => Some(known),
        _ => None,
    };
    message.term > Term::MAX
        || generation.number > Generation::MAX_NUMBER
        || incarnation > Incarnation::MAX
        || known.is_some_and(|known| known.iter().any(|id| id.incarnation > Incarnation::MAX))
}

impl Election {
    /// Whether the newer generation of a message is believed. If not, the store is asked.
    pub(super) fn believes(
        &mut self,
        now: Instant,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let generation = message.generation;
        let near = self.is_near(generation);
        let believed = match &self.state {
            State::Observer(_) => near,
            State::Rejoining(rejoining) => near && !rejoining.is_confirmed(self.heard),
            _ => near && self.lists_me(message),
        };
        if believed || mutant!(GenerationBelievedAtOnce) {
            return true;
        }
        reach!("generation_not_believed");
        ignore(Ignored::Unconfirmed, effects);
        self.look(now, effects);
        self.hear_elsewhere(now, message.from.node, generation, effects);
        false
    }

    /// Whether a generation is no further ahead than cold starts can have led unheard.
    pub(super) fn is_near(&self, generation: Generation) -> bool {
        let near = self.heard.number.saturating_add(MAX_GENERATION_JUMP);
        generation.number <= near || mutant!(GenerationBelievedAtOnce)
    }

    /// Whether a message proves, as far as that goes without a store, that its generation has begun
    /// with this very boot.
    fn lists_me(&self, message: &Message) -> bool {
        let Body::RollCall { roll } = &message.body else { return false };
        self.fixed.config.cold_start == ColdStart::ByAllVoters
            && roll.generation == message.generation
            && roll.is_of_all()
            && roll.boots.contains(&self.boot())
    }

    /// Has the store asked about what somebody claims, twice in each E at most.
    pub(super) fn look(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.fixed.config.cold_start == ColdStart::ByStore && now >= self.doubts.next_look {
            self.doubts.next_look = now.plus(self.fixed.nanos.election_timeout / 2);
            effects.push(Effect::ReadRoll);
        }
    }

    /// Whether that term is too far from this node's own for either to follow the other.
    pub(super) fn is_far(&self, term: Term) -> bool {
        let free = matches!(self.state, State::Rejoining(_) | State::Observer(_));
        !free && self.hard.term.0.abs_diff(term.0) > MAX_TERM_JUMP && !mutant!(TermJumpUnbounded)
    }

    /// Tells a voter whose term is too far ahead where this node is, so that it can find out that it is
    /// alone there.
    pub(super) fn refuse_far(&mut self, message: &Message, effects: &mut Vec<Effect>) {
        let to = message.from;
        let refusal = match message.body {
            Body::PreVote => Body::PreVoteReply { to, asked: message.term, granted: false },
            Body::VoteRequest { .. } => {
                let known = std::sync::Arc::clone(&self.hard.known);
                Body::VoteReply { to, granted: false, known }
            }
            _ => return,
        };
        self.send(to.node, refusal, effects);
    }

    /// A voter speaks from another generation, or from a term that is too far away. Begins anew in
    /// that generation if it has been there with enough others for long enough, and nobody leads this
    /// node. Tells whether it did.
    pub(super) fn hear_elsewhere(
        &mut self,
        now: Instant,
        node: NodeId,
        generation: Generation,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if matches!(self.state, State::Observer(_)) {
            return false;
        }
        let window = CONTRADICTED_FOR * self.fixed.nanos.election_timeout;
        let voters = self.fixed.config.voters.len();
        // Of two voters, the other one is all that there is to be contradicted by.
        let many = quorum::to_rejoin(voters).min(voters - 1);
        let (majority, heard) = (self.majority(), self.heard);
        let no_store = self.fixed.config.cold_start == ColdStart::ByAllVoters;
        let led = self.leader.is_some() || self.lease_until().is_some();
        let Doubts { elsewhere, here, since, .. } = &mut self.doubts;
        elsewhere.retain(|(other, _, at)| *other != node && now.since(*at) < window);
        elsewhere.push((node, generation, now));
        here.retain(|(other, at)| *other != node && now.since(*at) < window);
        // Without a store the voters can be scattered over generations, and nowhere are there enough to
        // lead. Then the newer one draws them, and nobody stays where nobody else is.
        let draws = |there: Generation| {
            no_store && here.len() + 1 < majority && (there > heard || here.is_empty())
        };
        let enough = |there: Generation| {
            let needed = if there != heard && draws(there) { 1 } else { many };
            elsewhere.iter().filter(|(_, of, _)| *of == there).count() >= needed
        };
        *since = match *since {
            _ if led => None,
            Some((there, _)) if enough(there) => *since,
            _ if enough(generation) => Some((generation, now)),
            _ => None,
        };
        let Some((there, _)) = since.filter(|(_, since)| now.since(*since) >= window) else {
            return false;
        };
        self.begin_anew(now, there, effects);
        true
    }

    /// A voter is too far ahead in term. Once it has been for long enough, and while nobody leads this
    /// node, goes a step towards it.
    pub(super) fn follow_far(
        &mut self,
        now: Instant,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        let window = CONTRADICTED_FOR * self.fixed.nanos.election_timeout;
        let node = message.from.node;
        let led = self.leader.is_some() || self.lease_until().is_some();
        let since = match self.doubts.ahead {
            _ if led => now,
            Some((ahead, since, last)) if now.since(last) < window => {
                if ahead != node {
                    return;
                }
                since
            }
            _ => now,
        };
        self.doubts.ahead = Some((node, since, now));
        if now.since(since) >= window {
            reach!("followed_far_ahead");
            self.doubts.ahead = None;
            let step = Term(self.hard.term.0 + MAX_TERM_JUMP);
            self.adopt_term(now, step.min(message.term), None, effects);
        }
    }

    /// The store is in that generation, or was when it was asked. A rejoining voter that has heard of
    /// a newer one begins anew once the store has denied it for long enough.
    pub(super) fn hear_store(
        &mut self,
        now: Instant,
        stored: Generation,
        effects: &mut Vec<Effect>,
    ) {
        let window = CONTRADICTED_FOR * self.fixed.nanos.election_timeout;
        if stored >= self.heard || !matches!(self.state, State::Rejoining(_)) {
            self.doubts.denied_since = None;
            return;
        }
        let since = *self.doubts.denied_since.get_or_insert(now);
        if now.since(since) >= window && !mutant!(GenerationBelievedAtOnce) {
            self.begin_anew(now, stored, effects);
        }
    }

    /// Forgets everything and rejoins in that generation as another boot: no roll lists it, and it has
    /// promised nothing.
    fn begin_anew(&mut self, now: Instant, there: Generation, effects: &mut Vec<Effect>) {
        reach!("begun_anew_when_contradicted");
        if there == self.heard {
            // It is the term that keeps this node apart from the others.
            self.hard.term = Term::ZERO;
        }
        self.drop_state(now, Rejoins::Contradicted, effects);
        self.heard = there;
    }
}

#[cfg(test)]
mod tests;
