//! Cold start: how a cluster begins, for the first time or anew, when too few voters remember
//! anything for the others to rejoin. There is no flag for it, because a first boot is the same.
//!
//! With a store, a voter that has heard a majority say "I remember nothing, my quarantine is over"
//! writes a roll call into the store, in one transaction: the next generation, and the boots that
//! it heard. Without one, it takes all voters, and each of them computes the same roll. A single
//! isolated node never starts a cluster of several.

use std::sync::Arc;

use super::config::ColdStart;
use super::effect::{Effect, Rejoins};
use super::machine::{Election, State};
use super::roll::Roll;
use super::{MAX_TERM_JUMP, quorum};
use crate::id::{Boot, Generation, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// What a rejoining voter knows of the others that rejoin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Cold {
    /// The others, and when they last said so.
    others: Vec<(Boot, Instant)>,
    /// The highest term that one of them remembers.
    term: Term,
    /// The store's generation, and when it was asked for.
    seen: Option<(Generation, Instant)>,
    /// When it asks the store next.
    next_store: Instant,
    /// Since when there have been enough to call the roll.
    enough_since: Option<Instant>,
}

impl Cold {
    /// Whether the store was in that generation when it last answered.
    pub(super) fn is_in(&self, generation: Generation) -> bool {
        self.seen.is_some_and(|(seen, _)| seen == generation)
    }

    pub(super) fn forget_others(&mut self) {
        self.others.clear();
    }

    /// See [`Election::forget_time`].
    pub(super) fn forget_time(&mut self) {
        let heard = self.others.iter_mut().map(|(_, heard)| heard);
        let asked = self.seen.iter_mut().map(|(_, asked)| asked);
        for past in heard.chain(asked).chain(&mut self.enough_since) {
            *past = Instant(0);
        }
        self.next_store = Instant(0);
    }
}

impl Election {
    /// Another voter remembers nothing either.
    pub(super) fn hear_forgetful(
        &mut self,
        now: Instant,
        boot: Boot,
        term: Term,
        heard: Generation,
        effects: &mut Vec<Effect>,
    ) {
        let near = self.is_near(heard);
        let State::Rejoining(rejoining) = &mut self.state else { return };
        if heard > self.heard && near && !rejoining.is_confirmed(self.heard) {
            self.heard = heard;
            rejoining.meet_newer();
        }
        // No further than a voter would follow.
        let term = term.min(Term(self.hard.term.0.saturating_add(MAX_TERM_JUMP)));
        let cold = &mut rejoining.cold;
        // One word of each other voter: the list bounds how many there are.
        cold.others.retain(|(other, _)| other.node != boot.node);
        cold.others.push((boot, now));
        cold.others.sort_unstable();
        cold.term = cold.term.max(term);
        self.start_anew_if_all_forgot(now, effects);
    }

    /// What a rejoining voter does for a cold start whenever it asks.
    pub(super) fn cold_start_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match self.fixed.config.cold_start {
            ColdStart::ByAllVoters => self.start_anew_if_all_forgot(now, effects),
            ColdStart::ByStore => self.ask_store(now, effects),
        }
    }

    fn ask_store(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let majority = match mutant!(IsolatedBootstraps) {
            true => 1,
            false => self.majority(),
        };
        if mutant!(NeverStartsAnew) {
            return;
        }
        let voters = self.fixed.config.voters.len();
        let me = self.boot();
        let (fresh, grace) = (self.fixed.nanos.election_timeout, self.fixed.nanos.heartbeat);
        let State::Rejoining(rejoining) = &mut self.state else { return };
        let cold = &mut rejoining.cold;
        // Only who said so since the store was asked: nobody of them is on a later roll than that.
        let asked = cold.seen.map(|(_, asked)| asked);
        let boots = cold.others.iter().filter(|(_, heard)| {
            now.since(*heard) < fresh && asked.is_some_and(|asked| *heard >= asked)
        });
        let mut boots: Vec<Boot> = boots.map(|(boot, _)| *boot).collect();
        boots.push(me);
        boots.sort_unstable();
        if boots.len() < majority {
            cold.enough_since = None;
        } else if cold.enough_since.is_none() {
            cold.enough_since = Some(now);
        }
        // Who is not on the roll has to rejoin: give the others a moment, unless all are here.
        let waited = cold.enough_since.is_some_and(|since| now.since(since) >= grace);
        let call = boots.len() == voters || waited;
        if let Some((seen, _)) = cold.seen.filter(|_| call && boots.len() >= majority) {
            cold.enough_since = None;
            cold.seen = None;
            cold.next_store = now.plus(fresh / 2);
            reach!("roll_called");
            effects.push(Effect::CallRoll { seen, boots });
        } else if now >= cold.next_store {
            cold.next_store = now.plus(fresh / 2);
            effects.push(Effect::ReadRoll);
        }
    }

    /// The store's roll, asked for or called.
    pub(super) fn on_stored_roll(
        &mut self,
        now: Instant,
        roll: &Arc<Roll>,
        effects: &mut Vec<Effect>,
    ) {
        if roll.generation > self.heard && self.fixed.my_index.is_some() {
            self.meet_newer(now, roll.generation, effects);
        }
        self.hear_store(now, roll.generation, effects);
        let me = self.boot();
        let State::Rejoining(rejoining) = &mut self.state else { return };
        if roll.boots.contains(&me) {
            reach!("on_stored_roll");
        }
        // Known as of now, although it was so a little earlier: only who says from now on that it
        // remembers nothing is listed for the generation after this one. An answer that is no news
        // leaves it at that, or a slow heartbeat would never find a majority between two answers.
        if rejoining.cold.seen.is_none_or(|(seen, _)| seen != roll.generation) {
            rejoining.cold.seen = Some((roll.generation, now));
        }
        self.on_roll(now, roll, effects);
    }

    /// Without a store: begins anew once all voters have forgotten everything.
    fn start_anew_if_all_forgot(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.fixed.config.cold_start != ColdStart::ByAllVoters || mutant!(NeverStartsAnew) {
            return;
        }
        let me = self.boot();
        let fresh = self.fixed.nanos.election_timeout;
        let needed = match mutant!(IsolatedBootstraps) {
            true => 1,
            false => self.fixed.config.voters.len(),
        };
        let State::Rejoining(rejoining) = &self.state else { return };
        if rejoining.is_quarantined(now) {
            return;
        }
        let cold = &rejoining.cold;
        let others = cold.others.iter().filter(|(_, heard)| now.since(*heard) < fresh);
        let mut boots: Vec<Boot> = others.map(|(boot, _)| *boot).collect();
        boots.push(me);
        if boots.len() < needed {
            return;
        }
        reach!("all_voters_start_anew");
        let floor = cold.term.max(self.hard.term);
        let roll = Arc::new(Roll::of_all(self.heard, floor, boots));
        self.on_roll(now, &roll, effects);
    }

    /// An operational voter hears of one that remembers nothing. If those that forgot are too many
    /// to rejoin and too few to start anew without the others, the rest must forget as well, all
    /// but the term, to let the cluster start anew. That is as safe as any wipe. With a store it can
    /// happen only to an even list, of which half has forgotten. Tells whether it did.
    pub(super) fn notice_forgetful(
        &mut self,
        now: Instant,
        node: NodeId,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let voters = self.fixed.config.voters.len();
        let fresh = self.fixed.nanos.election_timeout;
        self.forgetful.retain(|(other, heard)| *other != node && now.since(*heard) < fresh);
        self.forgetful.push((node, now));
        let forgot = self.forgetful.len();
        let stuck = voters - forgot < quorum::to_rejoin(voters);
        let by_roll = self.fixed.config.cold_start == ColdStart::ByStore;
        let drops = stuck && !(by_roll && forgot >= self.majority());
        if drops {
            reach!("forgot_with_the_others");
            self.drop_state(now, Rejoins::TooFewRemember, effects);
        }
        drops
    }
}

#[cfg(test)]
mod tests;
