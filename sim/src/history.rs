//! The history of one run: every event that an oracle may ask about, in the order in which they
//! happened, with the true (simulated) time and, where a node's own clock matters, its reading.
//!
//! The history is also what determinism means: two runs of one seed are the same run if their
//! histories have the same length and the same hash.

use std::hash::{Hash, Hasher};

use fencepost::election::{HardState, Rejoins, Release, Role, SteppedDown};
use fencepost::{Boot, Generation, Identity, Instant, NodeId, Term, Token};
use xxhash_rust::xxh3::Xxh3;

/// True time: nanoseconds since the simulation began. No node can read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

impl SimTime {
    /// As seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Nanoseconds from `earlier` to here; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for SimTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}

/// A message of the workload, by the number in its id (`m17` is 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNo(pub u32);

impl std::fmt::Display for MessageNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// When.
    pub at: SimTime,
    /// What.
    pub kind: Kind,
}

/// Where a message of the outbox stands, as the database says.
pub use fencepost::store::MessageState;

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
    /// A fault ended.
    FaultEnded {
        /// What exactly.
        line: String,
    },

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
        /// The message.
        message: MessageNo,
        /// The node's monotonic reading.
        reading: Instant,
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
    /// A message was claimed. Not recorded for a claim that only repeats an earlier one.
    Claimed {
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
    /// A transaction was refused because its token was not the floor.
    Fenced {
        /// The token shown.
        token: Token,
        /// The floor.
        floor: Token,
    },

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

/// The phases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From the start until a guard was handed out.
    WarmUp,
    /// Faults happen.
    Faults,
    /// All faults have ended; liveness must hold within the bound.
    Healing,
}

/// What kind of election message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names of `fencepost::election::Body`
pub enum MessageKind {
    PreVote,
    PreVoteReply,
    VoteRequest,
    VoteReply,
    Heartbeat,
    HeartbeatAck,
    NewerTerm,
    TakeOver,
    Leaving,
    Rejoining,
    Known,
    Register,
    Registered,
    RollCall,
    NewerGeneration,
    Superseded,
    Voters,
    Observing,
}

/// When the copies of a message arrive: at most two, kept inline because most events are messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arrivals {
    /// The transport does not tell.
    Untold,
    /// Each copy; none: it is lost.
    At([Option<SimTime>; 2]),
}

impl Arrivals {
    /// The copies that arrive, as far as it is told.
    pub fn times(self) -> impl Iterator<Item = SimTime> {
        let copies = match self {
            Self::Untold => [None; 2],
            Self::At(copies) => copies,
        };
        copies.into_iter().flatten()
    }
}

/// How a send ended at the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendOutcome {
    /// The recipient has it.
    Accepted,
    /// Nothing left the node.
    NotSent,
    /// Refused for now, without an effect.
    NotNow,
    /// Refused for good.
    Rejected,
    /// Refused for its stamp.
    Fenced,
    /// No answer came.
    Unknown,
}

/// Which proof moved a message out of doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofKind {
    /// The fenced sink has it.
    SinkHasIt,
    /// The fenced sink does not have it.
    SinkLacksIt,
    /// The sink drops repetitions and its window is open.
    Deduplicated,
    /// The holder never sent a byte that was not refused.
    NeverSent,
}

/// Why a request to the sink had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoEffect {
    /// A repetition within the window.
    Duplicate,
    /// The stamp was below the highest seen.
    Fenced,
    /// The recipient refuses the message.
    Rejected,
    /// The sink takes nothing for now.
    NotNow,
}

/// All events of one run.
#[derive(Clone, Default)]
pub struct History {
    events: Vec<Event>,
    /// Where the events lie that are no messages: few among many.
    others: Vec<u32>,
    hasher: Batched,
}

impl History {
    /// Adds an event.
    ///
    /// # Panics
    /// It lies before the last one: a bug in the testbed.
    pub fn push(&mut self, at: SimTime, kind: Kind) {
        if let Some(last) = self.events.last() {
            assert!(last.at <= at, "history goes forward: {:?} then {kind:?} at {at}", last);
        }
        if !matches!(kind, Kind::Sent { .. }) {
            self.others.push(u32::try_from(self.events.len()).expect("far fewer events"));
        }
        let event = Event { at, kind };
        event.hash(&mut self.hasher);
        self.events.push(event);
    }

    /// All events, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All events but [`Kind::Sent`], each with its index among all. Most events are messages, and
    /// most oracles do not ask about them.
    pub fn besides_messages(&self) -> impl DoubleEndedIterator<Item = (usize, &Event)> {
        self.others.iter().map(|&index| (index as usize, &self.events[index as usize]))
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Hash over every event.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}

/// How many bytes are hashed at once.
const BATCH: usize = 2048;

/// XXH3 over batches: an event is hashed as some twenty short fields, and each would cost more than
/// its bytes. The hash is the same.
#[derive(Clone)]
struct Batched {
    hasher: Xxh3,
    batch: [u8; BATCH],
    len: usize,
}

impl Default for Batched {
    fn default() -> Self {
        Self { hasher: Xxh3::default(), batch: [0; BATCH], len: 0 }
    }
}

impl Batched {
    #[cold]
    fn write_through(&mut self, bytes: &[u8]) {
        self.hasher.update(&self.batch[..self.len]);
        self.hasher.update(bytes);
        self.len = 0;
    }
}

impl Hasher for Batched {
    #[inline(always)] // of a length that is known where it is called
    fn write(&mut self, bytes: &[u8]) {
        match self.batch.get_mut(self.len..self.len + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.write_through(bytes),
        }
    }

    fn finish(&self) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.batch[..self.len]);
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::plan::node;

    /// Short fields, and bytes that end at, before and after the end of a batch.
    #[test]
    fn hashing_in_batches_changes_no_hash() {
        let (mut batched, mut plain) = (Batched::default(), Xxh3::default());
        for len in [1, 7, 32, BATCH, 3, BATCH - 3, 1, 2 * BATCH + 5, 0, 100, 8] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            for hasher in [&mut batched as &mut dyn Hasher, &mut plain] {
                hasher.write_u64(len as u64);
                hasher.write(&bytes);
            }
            assert_eq!(batched.finish(), Hasher::finish(&plain), "after {len} bytes");
        }
    }

    #[test]
    fn messages_are_left_out_and_the_others_keep_their_place() {
        let mut history = History::default();
        let from = Identity { node: node(1), incarnation: fencepost::Incarnation::FIRST };
        let (to, generation, term) = (node(2), Generation::stored(1), Term(1));
        let (vote, release, arrives) = (None, None, Arrivals::Untold);
        let what = MessageKind::Heartbeat;
        let sent = Kind::Sent { from, to, generation, term, what, release, vote, arrives };
        for kind in [Kind::Phase(Phase::WarmUp), sent, Kind::End] {
            history.push(SimTime(1), kind);
        }
        let others: Vec<usize> = history.besides_messages().map(|(index, _)| index).collect();
        assert_eq!((others, history.len()), (vec![0, 2], 3));
    }
}
