//! Polls and votes: pre-vote, candidacy, and how a voter answers.

use std::sync::Arc;

use super::effect::{Effect, Event};
use super::known::CrashVector;
use super::lead::Leading;
use super::machine::{Election, State};
use super::message::{Body, Release};
use super::settings::Nanos;
use crate::id::{Identity, NodeId, Term};
use crate::probe::{holds, mutant, reach};
use crate::time::Instant;

/// One poll of the voters, for pre-votes or for votes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Poll {
    /// A vote that is handled at or after this is not counted, whatever the timers did.
    pub deadline: Instant,
    /// When it began: what a first lease counts from that comes with the votes.
    began: Instant,
    /// The lease that was given up for it, if one was: votes then come with a promise.
    release: Option<Release>,
    /// Who said yes: distinct voters, this node first.
    votes: Vec<Identity>,
    /// Whether one said no, because of what it promised to a leader.
    refused: bool,
    /// What this node and all who said yes know: no vote counts of an incarnation that one of them
    /// knows to be over.
    known: Arc<CrashVector>,
}

impl Poll {
    /// See [`Election::forget_time`].
    pub(super) fn forget_time(&mut self, nanos: &Nanos) {
        self.began = Instant(0);
        self.deadline = Instant(nanos.jitter);
        self.votes.sort_unstable();
    }

    /// Takes a yes, by voter and not by message; of two lives of one voter, the newer.
    fn take(&mut self, voter: Identity, known: &Arc<CrashVector>) {
        if mutant!(VotesCountedByMessage) {
            self.votes.push(voter);
            return;
        }
        match self.votes.iter_mut().find(|vote| vote.node == voter.node) {
            Some(vote) => vote.incarnation = vote.incarnation.max(voter.incarnation),
            None => self.votes.push(voter),
        }
        if *known != self.known && !mutant!(VectorsFilteredLocally) {
            Arc::make_mut(&mut self.known).merge(known);
        }
    }

    /// How many voters answered a poll for pre-votes, this node included, if none of them spoke for a
    /// leader that may live.
    pub(super) fn leaderless(&self) -> Option<usize> {
        (!self.refused).then(|| self.certificate().count())
    }

    /// The votes that count.
    fn certificate(&self) -> impl Iterator<Item = &Identity> {
        self.votes.iter().filter(|vote| counts(vote, &self.known))
    }

    /// The votes that count, of a poll that is over.
    fn take_certificate(&mut self) -> Vec<Identity> {
        self.votes.retain(|vote| counts(vote, &self.known));
        std::mem::take(&mut self.votes)
    }
}

fn counts(vote: &Identity, known: &CrashVector) -> bool {
    mutant!(NoVectorsInVotes) || vote.incarnation >= known.of(vote.node)
}

impl Election {
    fn new_poll(&self, now: Instant, release: Option<Release>) -> Poll {
        let mut votes = Vec::with_capacity(self.fixed.config.voters.len());
        votes.push(self.me());
        Poll {
            deadline: now.plus(self.fixed.nanos.jitter),
            began: now,
            release,
            votes,
            refused: false,
            known: Arc::clone(&self.hard.known),
        }
    }

    /// Asks whether an election would succeed (Ongaro 2014, §9.6).
    pub(super) fn start_pre_vote(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.leaving || self.hard.term.next().is_none() {
            // Terms are used up, which nothing honest reaches; or this node is about to go.
            self.campaign_at = Instant(u64::MAX);
            return;
        }
        self.leader = None;
        if mutant!(NoPreVote) {
            return self.campaign(now, None, effects);
        }
        self.state = State::PreCandidate(self.new_poll(now, None));
        self.broadcast(|_| Body::PreVote, effects);
        self.campaign_if_welcome(now, effects);
    }

    fn campaign_if_welcome(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::PreCandidate(poll) = &self.state else { return };
        if poll.certificate().count() >= self.quorum(now) {
            self.campaign(now, None, effects);
        }
    }

    /// Asks for votes in the next term.
    pub(super) fn campaign(
        &mut self,
        now: Instant,
        release: Option<Release>,
        effects: &mut Vec<Effect>,
    ) {
        let term = self.hard.term.next().expect("checked by those who call");
        let vote = (!mutant!(OwnVoteNotRecorded)).then(|| self.me());
        self.enter_term(term, vote, effects);
        self.state = State::Candidate(self.new_poll(now, release));
        self.broadcast(|_| Body::VoteRequest { release }, effects);
        self.lead_if_elected(now, effects);
    }

    /// How many voters elect: a majority of the configured ones.
    fn quorum(&self, now: Instant) -> usize {
        if mutant!(QuorumOfTheLive) {
            // Whoever is not heard of does not count.
            let answered = match &self.state {
                State::PreCandidate(poll) | State::Candidate(poll) => poll.votes.len(),
                _ => self.majority(),
            };
            let _ = now;
            return (answered / 2 + 1).min(self.majority());
        }
        self.majority()
    }

    fn lead_if_elected(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let quorum = self.quorum(now);
        let State::Candidate(poll) = &mut self.state else { return };
        // A voter may have begun a new life with this node's help since the poll began.
        if poll.known != self.hard.known {
            Arc::make_mut(&mut poll.known).merge(&self.hard.known);
        }
        if poll.certificate().count() < quorum {
            if poll.votes.len() >= quorum {
                reach!("vote_of_superseded_incarnation");
            }
            return;
        }
        let give_up = now.plus(self.fixed.nanos.election_timeout);
        let mut leading = Leading::new(self.fixed.config.voters.len(), now, give_up);
        if poll.release.is_some() {
            // With a release, each vote acknowledged this node's leadership as of its request.
            for vote in &poll.votes {
                let voter = self.fixed.voter_index(&vote.node).expect("votes are of voters");
                leading.acknowledged(voter, poll.began, now);
            }
        }
        let (term, generation) = (self.hard.term, self.hard.generation);
        let (certificate, known) = (poll.take_certificate(), Arc::clone(&poll.known));
        effects.push(Effect::Event(Event::Elected { term, generation, certificate, known }));
        self.leader = Some(self.me());
        if !self.suspects.is_empty() {
            self.suspects = Arc::default();
        }
        self.state = State::Leader(leading);
        self.beat_if_due(now, effects);
    }

    /// Whether a promise, or this node's own leadership, forbids a vote for `candidate`.
    ///
    /// A promise protects the lease of the leader it was made to. That leader asks for votes only
    /// after it gave its lease up, so it does not bind against the leader itself; nor against one
    /// that brings its release. A leader of a later term than the promise was elected by a majority
    /// that was not bound by it any more, so its release frees from all earlier promises.
    fn is_promised_against(
        &self,
        now: Instant,
        candidate: Identity,
        release: Option<Release>,
    ) -> bool {
        if mutant!(PromiseOverwritten) {
            return false;
        }
        if let State::Leader(leading) = &self.state {
            return leading.may_hold_lease(now);
        }
        let freed = release.is_some_and(|release| self.is_freed_by(release));
        now < self.promised_until && self.promised_to != Some(candidate) && !freed
    }

    fn is_freed_by(&self, release: Release) -> bool {
        if mutant!(ReleaseByNode) {
            let promised_to: Option<NodeId> = self.promised_to.map(|leader| leader.node);
            return promised_to.is_none_or(|leader| leader == release.leader.node);
        }
        let exact = self.promised_to.is_none_or(|leader| leader == release.leader);
        release.term > self.hard.term || release.term == self.hard.term && exact
    }

    pub(super) fn on_pre_vote(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        effects: &mut Vec<Effect>,
    ) {
        let granted = term >= self.hard.term && !self.is_promised_against(now, from, None);
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
            self.adopt_term(now, term, None, effects);
            return;
        }
        let current = asked == self.hard.term;
        let State::PreCandidate(poll) = &mut self.state else { return };
        if !current || now >= poll.deadline {
            return;
        }
        if granted {
            poll.take(from, &self.hard.known);
            self.campaign_if_welcome(now, effects);
        } else {
            poll.refused = true;
        }
    }

    pub(super) fn on_vote_request(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        release: Option<Release>,
        effects: &mut Vec<Effect>,
    ) {
        let promised = self.is_promised_against(now, from, release);
        let freed = release.filter(|_| !promised && self.is_promised_against(now, from, None));
        let (promised_to, promised_in) = (self.promised_to, self.hard.term);
        if mutant!(PromisedTermGoesBack) && term < self.hard.term && !promised {
            self.hard.term = term;
            self.hard.vote = None;
        }
        if promised {
            // Not even the term is taken from it: a promise must outlast any candidate.
            reach!("vote_withheld_by_promise");
        } else if term > self.hard.term {
            self.adopt_term(now, term, Some(from), effects);
        }
        let free = self.hard.vote.is_none() || self.hard.vote == Some(from);
        let granted = !promised && term == self.hard.term && free;
        if granted {
            if self.hard.vote.is_none() {
                self.hard.vote = Some(from);
                self.persist(effects);
            }
            holds!(
                matches!(self.state, State::Follower | State::PreCandidate(_)),
                "who voted for itself in this term votes for no other"
            );
            self.state = State::Follower;
            let wait = self.draw_wait(self.fixed.nanos.election_timeout);
            self.campaign_at = self.campaign_at.max(now.plus(wait));
            if let Some(release) = freed {
                let event = Event::PromiseReleased { promised_to, term: promised_in, release };
                effects.push(Effect::Event(event));
            }
            if release.is_some() {
                // Promised to the old leader until now; from now on to the new one.
                reach!("handover_voted_for");
                self.promised_to = Some(from);
                self.promised_until = now.plus(self.fixed.nanos.promise);
                self.campaign_at = self.campaign_at.max(self.promised_until);
            }
        }
        let known = match mutant!(NoVectorsInVotes) {
            true => Arc::default(),
            false => Arc::clone(&self.hard.known),
        };
        self.send(from.node, Body::VoteReply { to: from, granted, known }, effects);
        if mutant!(VoteSentBeforeSync) {
            // The reply goes first.
            if let Some(persist) = effects.iter().rposition(|e| matches!(e, Effect::Persist(_))) {
                let persist = effects.remove(persist);
                effects.push(persist);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // one message, taken apart once
    pub(super) fn on_vote_reply(
        &mut self,
        now: Instant,
        from: Identity,
        term: Term,
        to: Identity,
        granted: bool,
        known: &Arc<CrashVector>,
        effects: &mut Vec<Effect>,
    ) {
        if to != self.me() {
            return;
        }
        if term > self.hard.term {
            self.adopt_term(now, term, None, effects);
            return;
        }
        let current = term == self.hard.term || mutant!(OlderVoteCounted);
        let State::Candidate(poll) = &mut self.state else { return };
        if !(current && granted) {
            return;
        }
        if now >= poll.deadline && !mutant!(LateVoteCounted) {
            reach!("late_vote_ignored");
            return;
        }
        poll.take(from, known);
        self.lead_if_elected(now, effects);
    }
}

#[cfg(test)]
mod tests;
