//! Cold start: how a cluster begins, for the first time or anew, when too few voters remember
//! anything for the others to rejoin. There is no flag for it, because a first boot is the same.
//!
//! With a store, a voter that has heard a majority say "I remember nothing, my quarantine is over"
//! writes a roll call into the store, in one transaction: the next generation, and the boots that
//! it heard. Without one, it takes all voters, and each of them computes the same roll. A single
//! isolated node never starts a cluster of several.
//!
//! Those that forgot need not hear each other, and those that remember may be too few to elect. So a
//! voter that remembers, and hears a majority (without a store: all) in which too few remember, forgets
//! as well, and the roll is called around it.

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
    /// Since when it can neither rejoin nor start anew, although it hears enough voters.
    stuck_since: Option<Instant>,
}

/// A voter that was heard to remember nothing, by one that remembers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Forgetful {
    pub node: NodeId,
    pub heard: Instant,
    /// Whether it said that it cannot come back, see [`Election::is_stuck`].
    stuck: bool,
}

/// So many polls in a row must be in vain before a voter forgets because of them: an answer can be
/// lost, and one that rejoins may be about to succeed.
const VAIN_POLLS: u8 = 2;

impl Cold {
    /// Whether the store was in that generation when it last answered.
    pub(super) fn is_in(&self, generation: Generation) -> bool {
        self.seen.is_some_and(|(seen, _)| seen == generation)
    }

    /// Whether a voter said after that time that it remembers nothing.
    pub(super) fn forgot_since(&self, node: NodeId, since: Instant) -> bool {
        self.others.iter().any(|(boot, heard)| boot.node == node && *heard > since)
    }

    pub(super) fn forget_others(&mut self) {
        self.others.clear();
    }

    /// See [`Election::forget_time`].
    pub(super) fn forget_time(&mut self) {
        let heard = self.others.iter_mut().map(|(_, heard)| heard);
        let asked = self.seen.iter_mut().map(|(_, asked)| asked);
        for past in heard.chain(asked).chain(&mut self.enough_since).chain(&mut self.stuck_since) {
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
        // Without a store all have to call the same roll. Where there is one, it tells the generation; and
        // two that were misled would only mislead each other again.
        let by_all = self.fixed.config.cold_start == ColdStart::ByAllVoters;
        let listens = by_all && rejoining.reason != Rejoins::Contradicted
            || mutant!(GenerationBelievedAtOnce);
        if heard > self.heard && near && listens && !rejoining.is_confirmed(self.heard) {
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
        let (me, heard) = (self.boot(), self.heard);
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
        let ready = call && boots.len() >= majority;
        // A roll that it would not accept itself would only be called again and again.
        let behind = |seen: Generation| seen < heard && !mutant!(GenerationBelievedAtOnce);
        if let Some((seen, _)) = cold.seen.filter(|(seen, _)| ready && !behind(*seen)) {
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

    /// How many voters have to remember nothing for a cold start.
    fn starters(&self) -> usize {
        match self.fixed.config.cold_start {
            ColdStart::ByStore => self.majority(),
            ColdStart::ByAllVoters => self.fixed.config.voters.len(),
        }
    }

    /// Whether this rejoining voter has heard enough voters to start anew for as long as an election
    /// takes, while too few of them remember anything for it to rejoin. It says so, and those that
    /// remember and know of no leader forget as well.
    pub(super) fn is_stuck(&mut self, now: Instant) -> bool {
        let (needed, starters) = (self.answers_needed(), self.starters());
        let fresh = self.fixed.nanos.election_timeout;
        let State::Rejoining(rejoining) = &mut self.state else { return false };
        let remember = rejoining.remembering(now, fresh);
        let others = rejoining.cold.others.iter();
        let forgot = 1 + others.filter(|(_, heard)| now.since(*heard) < fresh).count();
        let registers = rejoining.registers_as().is_some();
        let cold = &mut rejoining.cold;
        let goes_on = registers || remember >= needed || forgot >= starters;
        if goes_on || remember == 0 || remember + forgot < starters {
            cold.stuck_since = None;
            return false;
        }
        let since = *cold.stuck_since.get_or_insert(now);
        now.since(since) >= fresh && !mutant!(ForgetfulTrustedToMeet)
    }

    /// An operational voter hears of one that remembers nothing. If those that forgot are too many
    /// for anybody to rejoin, or to be elected, the rest must forget as well, all but the term, to
    /// let the cluster start anew around whoever hears enough of them. That is as safe as any wipe,
    /// and it does not rest on the forgetful hearing each other. Tells whether it did.
    pub(super) fn notice_forgetful(
        &mut self,
        now: Instant,
        node: NodeId,
        stuck: bool,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let voters = self.fixed.config.voters.len();
        let fresh = self.fixed.nanos.election_timeout;
        self.forgetful.retain(|other| other.node != node && now.since(other.heard) < fresh);
        self.forgetful.push(Forgetful { node, heard: now, stuck });
        let forgot = self.forgetful.len();
        let too_few = voters - forgot < quorum::to_rejoin(voters);
        let trusts = mutant!(ForgetfulTrustedToMeet)
            && self.fixed.config.cold_start == ColdStart::ByStore
            && forgot >= self.majority();
        if too_few && !trusts {
            reach!("forgot_with_the_others");
            self.drop_state(now, Rejoins::TooFewRemember, effects);
        }
        too_few && !trusts
    }

    /// A poll of this voter is over without a majority. If that happens again and again, nobody speaks
    /// of a leader, and it, or a voter that said so, would hear enough voters for a cold start if
    /// all of them had forgotten, then it forgets as well. A voter that hears fewer keeps what it
    /// knows: those that it does not hear may need it. Tells whether it did.
    pub(super) fn forgets_in_vain(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        let State::PreCandidate(poll) = &self.state else { return false };
        let Some(remember) = poll.leaderless() else {
            self.vain_polls = 0;
            return false;
        };
        if now < self.vain_after {
            return false;
        }
        self.vain_polls = self.vain_polls.saturating_add(1).min(VAIN_POLLS);
        let fresh = self.fixed.nanos.election_timeout;
        let lately = || self.forgetful.iter().filter(|other| now.since(other.heard) < fresh);
        let reaches = remember + lately().count() >= self.starters();
        let begged = lately().any(|other| other.stuck);
        let drops = self.vain_polls == VAIN_POLLS
            && lately().count() > 0
            && (reaches || begged)
            && !mutant!(ForgetfulTrustedToMeet);
        if drops {
            reach!("forgot_in_vain");
            self.drop_state(now, Rejoins::TooFewRemember, effects);
        }
        drops
    }
}

#[cfg(test)]
mod tests;
