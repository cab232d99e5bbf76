//! Polls and votes: pre-vote, candidacy, and how a voter answers.

use super::effect::{Effect, Event};
use super::lead::Leading;
use super::machine::{Election, State};
use super::message::Body;
use crate::id::{Identity, Term};
use crate::probe::reach;
use crate::time::Instant;

/// One poll of the voters, for pre-votes or for votes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Poll {
    /// A vote that is handled at or after this is not counted, whatever the timers did.
    pub deadline: Instant,
    /// Who said yes: distinct voters, this node first.
    pub votes: Vec<Identity>,
}

impl Poll {
    /// Counts a yes, by voter and not by message.
    fn count(&mut self, voter: Identity) {
        if self.votes.iter().all(|vote| vote.node != voter.node) {
            self.votes.push(voter);
        }
    }
}

impl Election {
    fn new_poll(&self, now: Instant) -> Poll {
        Poll { deadline: now.plus(self.nanos.jitter), votes: vec![self.me()] }
    }

    /// Asks whether an election would succeed (Ongaro 2014, §9.6).
    pub(super) fn start_pre_vote(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.hard.term.next().is_none() {
            // Terms are used up. Nothing honest gets here; stay a follower for good.
            self.campaign_at = Instant(u64::MAX);
            return;
        }
        self.leader = None;
        self.state = State::PreCandidate(self.new_poll(now));
        self.broadcast(&Body::PreVote, effects);
        self.campaign_if_welcome(now, effects);
    }

    fn campaign_if_welcome(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::PreCandidate(poll) = &self.state else { return };
        if poll.votes.len() < self.majority() {
            return;
        }
        let term = self.hard.term.next().expect("checked at the start of the pre-vote");
        self.enter_term(term, Some(self.me()), effects);
        self.state = State::Candidate(self.new_poll(now));
        self.broadcast(&Body::VoteRequest, effects);
        self.lead_if_elected(now, effects);
    }

    fn lead_if_elected(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let majority = self.majority();
        let State::Candidate(poll) = &mut self.state else { return };
        if poll.votes.len() < majority {
            return;
        }
        let certificate = std::mem::take(&mut poll.votes);
        effects.push(Effect::Event(Event::Elected { term: self.hard.term, certificate }));
        self.leader = Some(self.me());
        let give_up = now.plus(self.nanos.election_timeout);
        self.state = State::Leader(Leading::new(self.config.voters.len(), now, give_up));
        self.beat_if_due(now, effects);
    }

    /// Whether a promise, or this node's own leadership, forbids a vote for `candidate`.
    ///
    /// A promise protects the lease of the leader it was made to. That leader asks for votes only
    /// after it gave its lease up, so it does not bind against the leader itself.
    fn is_promised_against(&self, now: Instant, candidate: Identity) -> bool {
        if let State::Leader(leading) = &self.state {
            return leading.may_hold_lease(now);
        }
        now < self.promised_until && self.leader != Some(candidate)
    }

    pub(super) fn on_pre_vote(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        effects: &mut Vec<Effect>,
    ) {
        let granted = term >= self.hard.term && !self.is_promised_against(now, from);
        if !granted {
            reach!("pre_vote_refused");
        }
        self.send(from.node, Body::PreVoteReply { to: from, asked: term, granted }, effects);
    }

    #[allow(clippy::too_many_arguments)] // one message, taken apart once
    pub(super) fn on_pre_vote_reply(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        to: Identity,
        asked: Term,
        granted: bool,
        effects: &mut Vec<Effect>,
    ) {
        if to != self.me() {
            return;
        }
        if term > self.hard.term {
            self.adopt_term(now, term, effects);
            return;
        }
        let current = asked == self.hard.term;
        let State::PreCandidate(poll) = &mut self.state else { return };
        if current && granted && now < poll.deadline {
            poll.count(from);
            self.campaign_if_welcome(now, effects);
        }
    }

    pub(super) fn on_vote_request(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        effects: &mut Vec<Effect>,
    ) {
        let promised = self.is_promised_against(now, from);
        if promised {
            // Not even the term is taken from it: a promise must outlast any candidate.
            reach!("vote_withheld_by_promise");
        } else if term > self.hard.term {
            self.adopt_term(now, term, effects);
        }
        let free = self.hard.vote.is_none() || self.hard.vote == Some(from);
        let granted = !promised && term == self.hard.term && free;
        if granted {
            if self.hard.vote.is_none() {
                self.hard.vote = Some(from);
                // One write for the new term and the vote in it.
                if let Some(Effect::Persist(hard)) = effects.last_mut() {
                    *hard = self.hard.clone();
                } else {
                    effects.push(Effect::Persist(self.hard.clone()));
                }
            }
            assert!(
                matches!(self.state, State::Follower | State::PreCandidate(_)),
                "who voted for itself in this term votes for no other"
            );
            self.state = State::Follower;
            let wait = self.nanos.election_timeout + self.draw_jitter();
            self.campaign_at = self.campaign_at.max(now.plus(wait));
        }
        self.send(from.node, Body::VoteReply { to: from, granted }, effects);
    }

    pub(super) fn on_vote_reply(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        to: Identity,
        granted: bool,
        effects: &mut Vec<Effect>,
    ) {
        if to != self.me() {
            return;
        }
        if term > self.hard.term {
            self.adopt_term(now, term, effects);
            return;
        }
        let current = term == self.hard.term;
        let State::Candidate(poll) = &mut self.state else { return };
        if !(current && granted) {
            return;
        }
        if now >= poll.deadline {
            reach!("late_vote_ignored");
            return;
        }
        poll.count(from);
        self.lead_if_elected(now, effects);
    }
}
