//! What can happen in a run, as far as an oracle may ask about it.

use fencepost::election::{HardState, Rejoins, Release, Role, SteppedDown};
use fencepost::store::Share;
use fencepost::{Boot, Generation, Identity, Instant, NodeId, Term, Token};

use super::detail::{Arrivals, ClaimEnd, MessageKind, NoEffect, Phase, ProofKind, SendOutcome};
use super::job::JobEvent;
use super::work::WorkEvent;
use super::world::WorldEvent;
use super::{MessageNo, MessageState};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    // -- the run itself
    /// A phase of the run began.
    Phase(Phase),
    /// A fault was injected; the text is its line in the plan.
    Fault {
        /// Kind of fault, for counting.
        kind: &'static str,
        /// What exactly.
        line: String,
    },
    /// A fault was due and met nothing: nobody was up, no link was meant, nothing was in doubt. It
    /// is not counted.
    FaultMissed {
        /// What exactly.
        line: String,
    },
    /// A fault ended.
    FaultEnded {
        /// What exactly.
        line: String,
    },

    /// The world lets nodes do more, or less, than before.
    World(WorldEvent),

    // -- the life of a node's process
    /// A process of the node began to run. Boots count from 1.
    Booted {
        /// The node.
        node: NodeId,
        /// Which of its processes.
        boot: u32,
    },
    /// From this process on, the node's list of voters is another one.
    Listed {
        /// The node.
        node: NodeId,
        /// The list is the voters n1 to this one.
        voters: u32,
    },
    /// The process was sent a stop signal.
    StopAsked {
        /// The node.
        node: NodeId,
    },
    /// The process is gone.
    Down {
        /// The node.
        node: NodeId,
        /// Whether it ended by itself, after a stop signal.
        graceful: bool,
    },
    /// The whole process stands still.
    Paused {
        /// The node.
        node: NodeId,
    },
    /// It runs on.
    Resumed {
        /// The node.
        node: NodeId,
    },

    // -- a node's clock: local = reading + (now - at) · (1 + ppm / 1e6) from this event on
    /// The rate of the node's monotonic clock is set (also once at the start).
    ClockRate {
        /// The node.
        node: NodeId,
        /// Its monotonic reading at this moment.
        reading: Instant,
        /// Deviation of the rate from true time, in parts per million.
        ppm: i32,
        /// Whether the rate lies within the bound that the configuration states.
        within_bound: bool,
    },
    /// The node's wall clock was stepped.
    WallStep {
        /// The node.
        node: NodeId,
        /// By how much, in milliseconds.
        by_ms: i64,
    },

    /// The database's wall clock, which is the store's, was stepped.
    DatabaseWallStep {
        /// By how much, in milliseconds.
        by_ms: i64,
    },

    // -- the election, as the node's driver reports it
    /// The node's driver started from this hard state.
    Started {
        /// The node.
        node: NodeId,
        /// What it remembered.
        hard: HardState,
    },
    /// The hard state became durable.
    Persisted {
        /// The node.
        node: NodeId,
        /// The state.
        hard: HardState,
    },
    /// A node of the election handed a message to the network.
    Sent {
        /// From.
        from: Identity,
        /// To.
        to: NodeId,
        /// The sender's generation.
        generation: Generation,
        /// The sender's term.
        term: Term,
        /// What kind of message.
        what: MessageKind,
        /// For a vote request: the lease that was released for it.
        release: Option<Release>,
        /// For a vote reply: whom it names and whether it grants the vote.
        vote: Option<(Identity, bool)>,
        /// When its copies arrive.
        arrives: Arrivals,
    },
    /// A node was elected.
    Elected {
        /// The node and its incarnation.
        leader: Identity,
        /// In this generation.
        generation: Generation,
        /// In this term.
        term: Term,
        /// By these voters.
        certificate: Vec<Identity>,
    },
    /// A leader's lease now lasts until then on its own clock.
    LeaseExtended {
        /// The node.
        node: NodeId,
        /// Its term.
        term: Term,
        /// Exclusive end, on the node's monotonic clock.
        until: Instant,
    },
    /// A leader leads no longer; its guard, if it had one, is over.
    SteppedDown {
        /// The node.
        node: NodeId,
        /// The term it led.
        term: Term,
        /// Why.
        reason: SteppedDown,
    },
    /// A node remembers nothing, or must not act on it any more, and rejoins.
    Rejoins {
        /// The node's start.
        boot: Boot,
        /// Why.
        reason: Rejoins,
    },
    /// A node became operational.
    Rejoined {
        /// As this.
        who: Identity,
        /// In this generation.
        generation: Generation,
        /// By a roll call.
        by_roll: bool,
    },
    /// A node's disk held something that cannot be trusted.
    DiskDamaged {
        /// The node.
        node: NodeId,
    },
    /// A leader's activation asked its election to give the leadership of a term up.
    AskedToStepDown {
        /// The node.
        node: NodeId,
        /// The term.
        term: Term,
    },
    /// A leader released its lease before its end.
    Released {
        /// The node.
        node: NodeId,
        /// The term it led.
        term: Term,
        /// Whom it asked to take over.
        successor: Option<NodeId>,
    },
    /// A voter gave its vote in spite of a promise, because of a release.
    PromiseReleased {
        /// The voter.
        node: NodeId,
        /// Whom it had promised in its term, if it knew.
        promised_to: Option<Identity>,
        /// Its term until then.
        term: Term,
        /// What freed it.
        release: Release,
    },
    /// A leader caught a voter's clock outside the bound, or saw it back inside.
    ClockWatch {
        /// The leader.
        node: NodeId,
        /// The voter.
        peer: NodeId,
        /// Whether it may lie within the bound.
        within: bool,
    },
    /// A node does not count a voter whose promises are too short for its lease.
    PromiseTooShort {
        /// The node.
        node: NodeId,
        /// The voter.
        peer: NodeId,
    },
    /// A node refused another's list of voters.
    VotersClash {
        /// The node.
        node: NodeId,
        /// The other.
        peer: NodeId,
    },
    /// A guard was handed out. It is valid while the lease of its term is.
    GuardIssued {
        /// The holder.
        holder: Identity,
        /// The guard's token.
        token: Token,
    },
    /// The node published this status.
    Status {
        /// The node.
        node: NodeId,
        /// Its role.
        role: Role,
        /// Its generation.
        generation: Generation,
        /// Its term.
        term: Term,
        /// The leader of that term.
        leader: Option<NodeId>,
    },

    // -- acts, where they leave the node: recorded by the simulated store and sink clients
    /// A node asks the store to claim a message.
    ClaimStarted {
        /// The node.
        node: NodeId,
        /// The token it shows.
        token: Token,
        /// The assignment it shows, if it is a worker.
        share: Option<Share>,
        /// The message.
        message: MessageNo,
        /// The node's monotonic reading.
        reading: Instant,
    },
    /// It asks no longer; the database may be asked still.
    ClaimEnded {
        /// The node.
        node: NodeId,
        /// The token it showed.
        token: Token,
        /// The message.
        message: MessageNo,
        /// How.
        how: ClaimEnd,
    },
    /// A node begins to send a message to the sink.
    SendStarted {
        /// The node.
        node: NodeId,
        /// The token it shows.
        token: Token,
        /// The message.
        message: MessageNo,
        /// The idempotency key it shows.
        key: MessageNo,
        /// The node's monotonic reading.
        reading: Instant,
    },
    /// A send ended at the sender.
    SendEnded {
        /// The node.
        node: NodeId,
        /// The token it showed.
        token: Token,
        /// The message.
        message: MessageNo,
        /// How.
        outcome: SendOutcome,
    },

    // -- the database, in commit order
    /// A message was written by the application.
    Enqueued {
        /// The message.
        message: MessageNo,
        /// The number of its ordering key, if it has one.
        key: Option<u32>,
    },
    /// The floor was raised, or confirmed to the holder that had raised it.
    Activated {
        /// The generation that the holder named.
        generation: Generation,
        /// The new floor.
        token: Token,
        /// Who holds it.
        holder: Identity,
        /// Whether it was there already, held by the same.
        again: bool,
    },
    /// A roll call began a generation. Not recorded for one that only repeats an earlier one.
    RollCalled {
        /// The new generation.
        generation: Generation,
        /// Who started it.
        boots: Vec<Boot>,
        /// The floor, which it leaves as it is.
        floor: Token,
    },
    /// A message was claimed. Not recorded for a claim that only repeats an earlier one: of the same
    /// attempt, under the same token and assignment.
    Claimed {
        /// The node that asked.
        node: NodeId,
        /// Under this token.
        token: Token,
        /// The message.
        message: MessageNo,
    },
    /// A message changed its state in a transaction that showed `token`.
    Moved {
        /// The token shown.
        token: Token,
        /// The message.
        message: MessageNo,
        /// From this state.
        from: MessageState,
        /// To this one.
        to: MessageState,
        /// The proof, if it moved out of doubt.
        proof: Option<ProofKind>,
    },
    /// A message in doubt was left to a person, in a transaction that showed `token`. Not recorded for
    /// one that is left to a person already.
    Parked {
        /// The token shown.
        token: Token,
        /// The message.
        message: MessageNo,
    },
    /// A person's verdict moved a message, without a token.
    Judged {
        /// The message.
        message: MessageNo,
        /// From this state.
        from: MessageState,
        /// To this one.
        to: MessageState,
    },
    /// A transaction was refused because its token was not the floor.
    Fenced {
        /// The token shown.
        token: Token,
        /// The floor.
        floor: Token,
    },

    // -- scheduled jobs
    /// Something happened to a job.
    Job(JobEvent),

    // -- distributed work
    /// Something happened to a unit of a work.
    Work(WorkEvent),

    // -- the sink
    /// The recipient sees a message.
    Effect {
        /// The message.
        message: MessageNo,
        /// The idempotency key it came under.
        key: MessageNo,
        /// The token that the sender showed.
        token: Token,
        /// The sender.
        node: NodeId,
    },
    /// The sink took a request and it had no effect.
    NoEffect {
        /// The message.
        message: MessageNo,
        /// The token that the sender showed.
        token: Token,
        /// Why.
        why: NoEffect,
    },

    /// From now on the store stands elsewhere than the commits say that it acknowledged: it lost some, or
    /// was moved on over what it lost.
    SetBack {
        /// Its generation.
        generation: Generation,
        /// Its floor.
        floor: Token,
        /// Who holds that.
        holder: Option<Identity>,
        /// The messages about which something was lost, and where they stand.
        messages: Vec<(MessageNo, MessageState)>,
    },

    // -- the end
    /// Where a message stood in the database when the run ended.
    Final {
        /// The message.
        message: MessageNo,
        /// Its state.
        state: MessageState,
        /// Whether it is parked for a person.
        parked: bool,
    },
    /// The run is over.
    End,
}
