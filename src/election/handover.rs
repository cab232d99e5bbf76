//! Handover, on a graceful stop or when a leader has done its work: release, and tell the best voter
//! to campaign at once.
//!
//! The campaign carries the release, so that voters accept it in spite of their promise; it needs
//! no pre-vote, and its votes acknowledge the first lease. From release to lease that is half a
//! round trip to the successor and one to the voters (compare Ongaro 2014, §3.10, leadership
//! transfer).

use super::effect::{Effect, Event, SteppedDown};
use super::machine::{Election, State};
use super::message::{Body, Release};
use crate::id::{Identity, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::Instant;

/// Who was heard within so many heartbeats is well enough to lead: one may be lost, and the next one be
/// on its way.
const HEALTHY_HEARTBEATS: u64 = 3;

impl Election {
    /// This node goes: hands leadership over, if it leads, and tells the others.
    pub(super) fn leave(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.leaving = true;
        self.give_over(now, effects);
        match &self.state {
            State::Rejoining(_) => {}
            State::Observer(_) => self.broadcast(|_| Body::Leaving, effects),
            _ => {
                self.campaign_at = Instant(u64::MAX);
                let leader = self.leader.filter(|leader| leader.node != self.fixed.config.me);
                if let Some(leader) = leader {
                    self.send(leader.node, Body::Leaving, effects);
                }
            }
        }
    }

    /// Hands the leadership of `term` over, if it is still held, and lets the others go first. This
    /// node stays, and may be elected again.
    pub(super) fn hand_over(&mut self, now: Instant, term: Term, effects: &mut Vec<Effect>) {
        if matches!(self.state, State::Leader(_)) && self.hard.term == term {
            self.give_over(now, effects);
            self.let_others_go_first(now);
        }
    }

    /// Ends leadership, if held: releases the lease and asks the best voter to campaign.
    fn give_over(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Leader(leading) = &self.state else { return };
        if leading.lease_until().is_none() {
            return self.step_down(now, SteppedDown::Resigned, effects);
        }
        let (term, successor) = (self.hard.term, self.successor(now));
        self.step_down(now, SteppedDown::Released, effects);
        let node = successor.map(|successor| successor.node);
        effects.push(Effect::Event(Event::Released { term, successor: node }));
        if let Some(successor) = successor {
            reach!("handover_asked");
            self.send(successor.node, Body::TakeOver { to: successor }, effects);
        }
    }

    /// The voter that should lead next: of those heard lately the one with the highest priority,
    /// then the one heard last, then the first by name.
    fn successor(&self, now: Instant) -> Option<Identity> {
        let State::Leader(leading) = &self.state else { return None };
        let lately = HEALTHY_HEARTBEATS * self.fixed.nanos.heartbeat;
        let voters: &[NodeId] = &self.fixed.config.voters;
        let ready = (0..voters.len()).filter(|&voter| Some(voter) != self.fixed.my_index);
        let ready = ready.filter_map(|voter| {
            let heard = leading.heard_from(voter)?;
            let identity =
                Identity { node: voters[voter], incarnation: self.hard.known.of(voters[voter]) };
            (now.since(heard) < lately).then_some((
                leading.priority_of(voter),
                heard,
                std::cmp::Reverse(identity),
            ))
        });
        ready.max().map(|(_, _, identity)| identity.0)
    }

    /// The leader released its lease and wants this node to lead.
    pub(super) fn on_take_over(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        to: Identity,
        effects: &mut Vec<Effect>,
    ) {
        let stale = match mutant!(ReleaseByNode) {
            true => self.leader.is_some_and(|leader| leader.node != from.node),
            false => term < self.hard.term || self.leader.is_some_and(|leader| leader != from),
        };
        if to != self.me() || stale || self.leaving || self.hard.term.max(term).next().is_none() {
            return;
        }
        if term > self.hard.term {
            self.adopt_term(now, term, None, effects);
        }
        if !matches!(self.state, State::Follower | State::PreCandidate(_)) {
            return;
        }
        reach!("handover_taken");
        self.campaign(now, Some(Release { leader: from, term }), effects);
    }

    /// A voter said goodbye: it takes part no longer.
    pub(super) fn on_voter_leaving(&mut self, now: Instant, voter: usize) {
        if let State::Leader(leading) = &mut self.state {
            leading.gone(voter);
            self.refresh_view(now);
        }
    }
}

#[cfg(test)]
mod tests;
