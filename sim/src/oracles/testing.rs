//! Made-up histories that read like a script.
//!
//! Nodes are numbers (1 is `n1`, in its first incarnation), times are milliseconds of simulated
//! time and of the nodes' clocks, which agree unless the script says otherwise. [`Script::bad`]
//! stands before an event that the oracle must report; [`Script::check`] demands exactly those.

use std::time::Duration;

use fencepost::election::{HardState, Role, SteppedDown, Timing};
use fencepost::jobs::{Misfire, Overlap};
use fencepost::store::{Assignment, Epoch, Share, SkipReason, Unit, WorkName};
use fencepost::{Boot, Generation, Identity, Incarnation, Instant, NodeId, Term, Token, WallTime};

use super::{Oracle, Pace, Setting, SinkKind};
use crate::faults::plan::{Network, PlannedJob, Transport};
use crate::history::{
    ActionEnd, Arrivals, History, JobEvent, JobNo, JobRun, Kind, Look, MessageKind, MessageNo,
    MessageState, Phase, ProofKind, SendOutcome, SimTime, WorkEvent,
};
use crate::scenario::units::Between;

/// A sink with a window of ten seconds.
pub const DEDUP: SinkKind = SinkKind::Dedup { window: Duration::from_secs(10) };

/// The generation in which everything happens that does not name another.
pub const GENERATION: Generation = Generation { number: 1, roll: 0 };

const MS: u64 = 1_000_000;

pub fn node(number: u32) -> NodeId {
    format!("n{number}").parse().unwrap()
}

/// The first life of a node.
pub fn id(number: u32) -> Identity {
    Identity { node: node(number), incarnation: Incarnation::FIRST }
}

/// A history in the making, with its setting.
pub struct Script {
    pub history: History,
    pub setting: Setting,
    now: SimTime,
    generation: Generation,
    bad: Vec<usize>,
}

impl Script {
    /// Three voters with exact clocks, a plain sink, two attempts, a leader within three seconds.
    pub fn new() -> Self {
        Self::with_voters(3)
    }

    pub fn with_voters(count: u32) -> Self {
        let setting = Setting {
            voters: (1..=count).map(node).collect(),
            sink: SinkKind::Plain,
            attempts: 2,
            leader_within: Duration::from_secs(3),
            stable: false,
            delivers: true,
            jobs: Vec::new(),
            lies_last: Duration::ZERO,
            pace: Pace {
                timing: Timing::default(),
                network: Network::default(),
                transport: Transport::Links,
                store: true,
                shared: false,
            },
            outage: None,
        };
        let script = Self {
            history: History::default(),
            setting,
            now: SimTime(0),
            generation: Generation::NONE,
            bad: Vec::new(),
        };
        (1..=count).fold(script, |script, number| script.clock(number, 0, 0))
    }

    pub fn sink(mut self, sink: SinkKind) -> Self {
        self.setting.sink = sink;
        self
    }

    /// What follows happens at this moment.
    pub fn at(self, ms: u64) -> Self {
        self.at_ns(ms * MS)
    }

    pub fn at_ns(mut self, ns: u64) -> Self {
        self.now = SimTime(ns);
        self
    }

    /// The next event must be reported.
    pub fn bad(mut self) -> Self {
        self.bad.push(self.history.len());
        self
    }

    pub fn push(mut self, kind: Kind) -> Self {
        self.history.push(self.now, kind);
        self
    }

    /// After how many failures a message is given up.
    pub fn setting_attempts(&self) -> u32 {
        self.setting.attempts
    }

    /// Demands that `oracle` reports exactly the events that are marked as bad.
    #[track_caller]
    pub fn check(&self, oracle: &Oracle) {
        let found = (oracle.check)(&self.history, &self.setting);
        let mut events: Vec<usize> = found.iter().map(|violation| violation.event).collect();
        events.dedup();
        assert_eq!(events, self.bad, "{} reported {found:#?}", oracle.property);
        for violation in &found {
            assert_eq!(violation.property, oracle.property);
            assert_eq!(violation.at, self.history.events()[violation.event].at);
        }
    }

    // -- nodes and clocks

    pub fn booted(self, number: u32, boot: u32) -> Self {
        self.push(Kind::Booted { node: node(number), boot })
    }

    pub fn down(self, number: u32) -> Self {
        self.push(Kind::Down { node: node(number), graceful: false })
    }

    pub fn clock(self, number: u32, reading_ms: u64, ppm: i32) -> Self {
        let reading = Instant(reading_ms * MS);
        self.push(Kind::ClockRate { node: node(number), reading, ppm, within_bound: true })
    }

    pub fn clock_out_of_bound(self, number: u32) -> Self {
        let reading = Instant(self.now.0);
        let node = node(number);
        self.push(Kind::ClockRate { node, reading, ppm: 0, within_bound: false })
    }

    pub fn database_wall(self, by_ms: i64) -> Self {
        self.push(Kind::DatabaseWallStep { by_ms })
    }

    // -- election

    pub fn started(self, number: u32, term: u64, vote: Option<u32>) -> Self {
        self.push(Kind::Started { node: node(number), hard: hard(term, vote) })
    }

    pub fn persisted(self, number: u32, term: u64, vote: Option<u32>) -> Self {
        self.push(Kind::Persisted { node: node(number), hard: hard(term, vote) })
    }

    pub fn sent(self, from: u32, to: u32, term: u64, what: MessageKind) -> Self {
        let arrives = Arrivals::At([Some(SimTime(self.now.0 + MS)), None]);
        let (from, to, term) = (id(from), node(to), Term(term));
        let (generation, vote, release) = (GENERATION, None, None);
        self.push(Kind::Sent { from, to, generation, term, what, vote, release, arrives })
    }

    /// A granted vote that arrives in the same instant.
    pub fn grants(self, from: u32, to: u32, term: u64) -> Self {
        let now = self.now.0 / MS;
        self.replies(from, to, term, true, &[now])
    }

    pub fn replies(self, from: u32, to: u32, term: u64, granted: bool, arrive_ms: &[u64]) -> Self {
        let mut times = arrive_ms.iter().map(|ms| SimTime(ms * MS));
        let arrives = Arrivals::At([times.next(), times.next()]);
        let vote = Some((id(to), granted));
        let (from, to, term) = (id(from), node(to), Term(term));
        let (generation, what, release) = (GENERATION, MessageKind::VoteReply, None);
        self.push(Kind::Sent { from, to, generation, term, what, vote, release, arrives })
    }

    pub fn elected(self, number: u32, term: u64, voters: &[u32]) -> Self {
        let certificate = voters.iter().map(|&voter| id(voter)).collect();
        let (leader, generation, term) = (id(number), GENERATION, Term(term));
        self.push(Kind::Elected { leader, generation, term, certificate })
    }

    pub fn lease(self, number: u32, term: u64, until_ms: u64) -> Self {
        let until = Instant(until_ms * MS);
        self.push(Kind::LeaseExtended { node: node(number), term: Term(term), until })
    }

    pub fn stepped_down(self, number: u32, term: u64) -> Self {
        let reason = SteppedDown::LeaseExpired;
        self.push(Kind::SteppedDown { node: node(number), term: Term(term), reason })
    }

    pub fn guard(self, number: u32, token: u64) -> Self {
        self.push(Kind::GuardIssued { holder: id(number), token: Token(token) })
    }

    pub fn status(self, number: u32, role: Role, term: u64, leader: Option<u32>) -> Self {
        let (node, leader) = (node(number), leader.map(node));
        self.push(Kind::Status { node, role, generation: GENERATION, term: Term(term), leader })
    }

    // -- delivery

    pub fn enqueued(self, message: u32) -> Self {
        self.push(Kind::Enqueued { message: MessageNo(message), key: None })
    }

    pub fn of_key(self, message: u32, key: u32) -> Self {
        self.push(Kind::Enqueued { message: MessageNo(message), key: Some(key) })
    }

    /// The store stands elsewhere than it said: this is its floor, of that node, and these messages are
    /// pending again.
    pub fn set_back(self, floor: u64, number: u32, pending: &[u32]) -> Self {
        let again = |message: &u32| (MessageNo(*message), MessageState::Pending);
        let generation = self.generation;
        self.push(Kind::SetBack {
            generation,
            floor: Token(floor),
            holder: Some(id(number)),
            messages: pending.iter().map(again).collect(),
        })
    }

    /// In the generation of the last roll call.
    pub fn activated(self, token: u64, number: u32, again: bool) -> Self {
        let generation = self.generation.number;
        self.activated_in(generation, token, number, again)
    }

    pub fn activated_in(self, generation: u64, token: u64, number: u32, again: bool) -> Self {
        let (generation, token) = (Generation::stored(generation), Token(token));
        self.push(Kind::Activated { generation, token, holder: id(number), again })
    }

    /// By n1 and n2.
    pub fn roll_called(mut self, generation: u64, floor: u64) -> Self {
        self.generation = Generation::stored(generation);
        let boots = [1, 2].map(|number| Boot { node: node(number), nonce: generation }).into();
        let (generation, floor) = (self.generation, Token(floor));
        self.push(Kind::RollCalled { generation, boots, floor })
    }

    pub fn claim_started(self, number: u32, token: u64, message: u32) -> Self {
        let reading = Instant(self.now.0);
        let (node, token, share, message) = (node(number), Token(token), None, MessageNo(message));
        self.push(Kind::ClaimStarted { node, token, share, message, reading })
    }

    pub fn worker_claim_started(
        self,
        number: u32,
        unit: u32,
        token: u64,
        epoch: u64,
        message: u32,
    ) -> Self {
        let (reading, share) = (Instant(self.now.0), Some(share(number, unit, epoch)));
        let (node, token, message) = (node(number), Token(token), MessageNo(message));
        self.push(Kind::ClaimStarted { node, token, share, message, reading })
    }

    /// By the node whose number the token is.
    pub fn claimed(self, token: u64, message: u32) -> Self {
        let number = u32::try_from(token).expect("a node's number");
        self.claimed_by(number, token, message)
    }

    fn claimed_by(self, number: u32, token: u64, message: u32) -> Self {
        let (node, token, message) = (node(number), Token(token), MessageNo(message));
        self.push(Kind::Claimed { node, token, message })
    }

    // -- work: units of the delivery, of 16; a node's nonce is its number

    pub fn held(self, number: u32, unit: u32, token: u64, epoch: u64, until_ms: u64) -> Self {
        let (share, until) = (share(number, unit, epoch), Instant(until_ms * MS));
        self.push(Kind::Work(WorkEvent::Held { share, token: Token(token), until }))
    }

    /// A unit of a work that delivers nothing.
    pub fn held_elsewhere(
        self,
        number: u32,
        unit: u32,
        token: u64,
        epoch: u64,
        until_ms: u64,
    ) -> Self {
        let work = WorkName::new("work").unwrap();
        let share = Share { work, ..share(number, unit, epoch) };
        let until = Instant(until_ms * MS);
        self.push(Kind::Work(WorkEvent::Held { share, token: Token(token), until }))
    }

    pub fn share_ended(self, number: u32, unit: u32, epoch: u64) -> Self {
        self.push(Kind::Work(WorkEvent::Ended { share: share(number, unit, epoch) }))
    }

    pub fn acted(self, number: u32, unit: u32, epoch: u64, reading_ms: u64) -> Self {
        let (share, reading) = (share(number, unit, epoch), Instant(reading_ms * MS));
        self.push(Kind::Work(WorkEvent::Acted { share, reading }))
    }

    pub fn assigned(self, number: u32, unit: u32, token: u64, epoch: u64) -> Self {
        let Share { work, unit, epoch, worker, .. } = share(number, unit, epoch);
        let assignment = Assignment { unit, epoch, worker, token: Token(token) };
        self.push(Kind::Work(WorkEvent::Assigned { work, assignment }))
    }

    pub fn share_claimed(
        self,
        number: u32,
        unit: u32,
        token: u64,
        epoch: u64,
        message: u32,
    ) -> Self {
        let (share, message) = (share(number, unit, epoch), MessageNo(message));
        self.push(Kind::Work(WorkEvent::Claimed { message, token: Token(token), share }))
    }

    /// Both events of a worker's claim.
    pub fn worker_claimed(
        self,
        number: u32,
        unit: u32,
        token: u64,
        epoch: u64,
        message: u32,
    ) -> Self {
        let script = self.claimed_by(number, token, message);
        script.share_claimed(number, unit, token, epoch, message)
    }

    pub fn send_started(self, number: u32, token: u64, message: u32) -> Self {
        self.send_under_key(number, token, message, message)
    }

    pub fn send_under_key(self, number: u32, token: u64, message: u32, key: u32) -> Self {
        let reading = Instant(self.now.0);
        let (token, message, key) = (Token(token), MessageNo(message), MessageNo(key));
        self.push(Kind::SendStarted { node: node(number), token, message, key, reading })
    }

    pub fn send_ended(self, number: u32, token: u64, message: u32, outcome: SendOutcome) -> Self {
        let (token, message) = (Token(token), MessageNo(message));
        self.push(Kind::SendEnded { node: node(number), token, message, outcome })
    }

    pub fn effect(self, number: u32, token: u64, message: u32) -> Self {
        let (token, message) = (Token(token), MessageNo(message));
        self.push(Kind::Effect { message, key: message, token, node: node(number) })
    }

    /// From claimed to `to`.
    pub fn settled(self, token: u64, message: u32, to: MessageState) -> Self {
        self.moved(token, message, MessageState::Claimed, to, None)
    }

    /// From in doubt to `to`.
    pub fn resolved(self, token: u64, message: u32, to: MessageState, proof: ProofKind) -> Self {
        self.moved(token, message, MessageState::InDoubt, to, Some(proof))
    }

    pub fn moved(
        self,
        token: u64,
        message: u32,
        from: MessageState,
        to: MessageState,
        proof: Option<ProofKind>,
    ) -> Self {
        let (token, message) = (Token(token), MessageNo(message));
        self.push(Kind::Moved { token, message, from, to, proof })
    }

    pub fn parked(self, token: u64, message: u32) -> Self {
        self.push(Kind::Parked { token: Token(token), message: MessageNo(message) })
    }

    pub fn judged(self, message: u32, from: MessageState, to: MessageState) -> Self {
        self.push(Kind::Judged { message: MessageNo(message), from, to })
    }

    // -- jobs, numbered from 1; instants in milliseconds of the store's clock

    /// One more job: due every second, a grace of two, actions of a second at most.
    pub fn job(mut self, overlap: Overlap) -> Self {
        let second = Duration::from_secs(1);
        self.setting.jobs.push(PlannedJob {
            every: second,
            runs: Between { low: Duration::ZERO, high: second },
            misfire: Misfire::Skip,
            overlap,
            grace: 2 * second,
        });
        self
    }

    pub fn job_started(self, number: u32, token: u64, job: u32, instant: u64) -> Self {
        let (node, run, token) = (node(number), run(job, instant), Token(token));
        let reading = Instant(self.now.0);
        self.push(Kind::Job(JobEvent::Started { node, run, token, reading }))
    }

    pub fn job_ended(
        self,
        number: u32,
        token: u64,
        job: u32,
        instant: u64,
        how: ActionEnd,
    ) -> Self {
        let (node, run, token) = (node(number), run(job, instant), Token(token));
        self.push(Kind::Job(JobEvent::Ended { node, run, token, how }))
    }

    pub fn job_registered(self, job: u32, cursor: u64) -> Self {
        let (job, cursor, token) = (JobNo(job), WallTime { unix_ms: cursor }, Token(1));
        self.push(Kind::Job(JobEvent::Registered { job, cursor, token }))
    }

    /// When the database's clock shows `now`.
    pub fn job_set_back(self, token: u64, job: u32, to: u64, now: u64) -> Self {
        let (job, token) = (JobNo(job), Token(token));
        let (to, now) = (WallTime { unix_ms: to }, WallTime { unix_ms: now });
        self.push(Kind::Job(JobEvent::SetBack { job, to, token, now }))
    }

    /// As soon as they are late.
    pub fn job_skipped(self, token: u64, job: u32, first: u64, last: u64) -> Self {
        let (count, why) = ((last - first) / 1000 + 1, SkipReason::Misfire);
        let (job, token) = (JobNo(job), Token(token));
        let look = look(0, last + 2_001);
        let (first, last) = (WallTime { unix_ms: first }, WallTime { unix_ms: last });
        self.push(Kind::Job(JobEvent::Skipped { job, first, last, count, why, token, look }))
    }

    /// One instant, by a look at that moment that showed that time.
    pub fn job_skipped_by(
        self,
        token: u64,
        job: u32,
        instant: u64,
        why: SkipReason,
        looked_ms: u64,
        now: u64,
    ) -> Self {
        let (job, token, look) = (JobNo(job), Token(token), look(looked_ms, now));
        let (first, count) = (WallTime { unix_ms: instant }, 1);
        let last = first;
        self.push(Kind::Job(JobEvent::Skipped { job, first, last, count, why, token, look }))
    }

    /// On time.
    pub fn job_began(self, token: u64, job: u32, instant: u64) -> Self {
        let looked_ms = self.now.0 / MS;
        self.job_began_by(token, job, instant, looked_ms, instant)
    }

    /// By a look at that moment that showed that time.
    pub fn job_began_by(
        self,
        token: u64,
        job: u32,
        instant: u64,
        looked_ms: u64,
        now: u64,
    ) -> Self {
        let (run, token, look) = (run(job, instant), Token(token), look(looked_ms, now));
        let now = look.now;
        self.push(Kind::Job(JobEvent::Began { run, token, look, now }))
    }

    /// At once by the database's clock.
    pub fn job_finished(self, token: u64, job: u32, instant: u64, done: bool) -> Self {
        let (run, token) = (run(job, instant), Token(token));
        let now = run.instant;
        self.push(Kind::Job(JobEvent::Finished { run, token, done, now }))
    }

    pub fn job_interrupted(self, token: u64, of: u64, job: u32, instant: u64) -> Self {
        let (run, of, token) = (run(job, instant), Token(of), Token(token));
        self.push(Kind::Job(JobEvent::Interrupted { run, of, token }))
    }

    /// Nothing runs.
    pub fn job_final(self, job: u32, cursor: u64, now: u64) -> Self {
        let (cursor, now) = (WallTime { unix_ms: cursor }, WallTime { unix_ms: now });
        let (job, running) = (JobNo(job), Vec::new());
        self.push(Kind::Job(JobEvent::Final { job, cursor, now, running }))
    }

    // -- phases and the end

    pub fn healing(self) -> Self {
        self.push(Kind::Phase(Phase::Healing))
    }

    pub fn ends_as(self, message: u32, state: MessageState) -> Self {
        self.push(Kind::Final { message: MessageNo(message), state, parked: false })
    }

    pub fn ends_parked(self, message: u32) -> Self {
        let state = MessageState::InDoubt;
        self.push(Kind::Final { message: MessageNo(message), state, parked: true })
    }

    pub fn end(self) -> Self {
        self.push(Kind::End)
    }
}

fn share(number: u32, unit: u32, epoch: u64) -> Share {
    let worker = Boot { node: node(number), nonce: number.into() };
    let work = WorkName::new(WorkEvent::DELIVERY).unwrap();
    Share { work, unit: Unit(unit), of: 16, epoch: Epoch(epoch), worker }
}

fn look(at_ms: u64, now: u64) -> Look {
    Look { at: SimTime(at_ms * MS), now: WallTime { unix_ms: now } }
}

fn run(job: u32, instant: u64) -> JobRun {
    JobRun { job: JobNo(job), instant: WallTime { unix_ms: instant } }
}

fn hard(term: u64, vote: Option<u32>) -> HardState {
    HardState {
        generation: GENERATION,
        incarnation: Incarnation::FIRST,
        term: Term(term),
        vote: vote.map(id),
        ..HardState::default()
    }
}
