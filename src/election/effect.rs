//! What the caller of the state machine has to do, and what it may want to know.

use std::sync::Arc;
use std::time::Duration;

use super::hard_state::HardState;
use super::known::CrashVector;
use super::message::{Message, Release};
use crate::id::{Boot, Generation, Identity, Incarnation, NodeId, Term};
use crate::time::Instant;

/// To be carried out in order. A [`Effect::Persist`] must be durable before any later effect leaves
/// the node; if it fails, the node must stop (and rejoin as if wiped).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Make this state durable.
    Persist(HardState),
    /// Send this message, once, without waiting; losing it is harmless.
    Send {
        /// The receiver, a configured voter or an observer that said it is there.
        to: NodeId,
        /// The message; it changes hands often until it arrives.
        message: Box<Message>,
    },
    /// Ask the store for its roll and answer with [`super::Input::Roll`]. Failing is harmless: it
    /// is asked again.
    ReadRoll,
    /// Start the generation after `seen` in the store with these boots, unless it has moved on from
    /// `seen`; answer the roll that then stands with [`super::Input::Roll`]. Failing is harmless.
    CallRoll {
        /// The generation that the store was in.
        seen: Generation,
        /// A majority of the voters, all of which remember nothing.
        boots: Vec<Boot>,
    },
    /// Something happened that the world outside may want to know.
    Event(Event),
}

/// Appends an effect that is made where it goes to. What is pushed is made elsewhere first, because
/// the push could fail, and then copied whole, which costs as much as making it.
pub(super) fn append(effects: &mut Vec<Effect>, make: impl FnOnce() -> Effect) {
    effects.extend(std::iter::once_with(make));
}

/// What happened inside the election.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// This node was elected.
    Elected {
        /// In this term.
        term: Term,
        /// In this generation.
        generation: Generation,
        /// By these voters, itself included.
        certificate: Vec<Identity>,
        /// What the candidate and all who answered it knew: supersedes nobody in the certificate.
        known: Arc<CrashVector>,
    },
    /// This leader's lease now lasts until `until` on its own clock.
    LeaseExtended {
        /// The leader's term.
        term: Term,
        /// Exclusive end of the lease.
        until: Instant,
    },
    /// This node leads no longer.
    SteppedDown {
        /// The term it led.
        term: Term,
        /// Why.
        reason: SteppedDown,
    },
    /// This node forgot what it promised, or must not act on it any more, and begins to rejoin.
    Rejoining {
        /// This start of it.
        boot: Boot,
        /// Why.
        reason: Rejoins,
    },
    /// This node is operational again.
    Rejoined {
        /// As this incarnation.
        incarnation: Incarnation,
        /// In this generation.
        generation: Generation,
        /// With this promised term.
        term: Term,
        /// Whether by a roll call; else by registering with operational voters.
        by_roll: bool,
    },
    /// This leader released its lease before its end, and asked `successor` to campaign.
    Released {
        /// The released term.
        term: Term,
        /// The best voter, if there was a healthy one.
        successor: Option<NodeId>,
    },
    /// This voter gave its vote in spite of its promise, because the candidate brought a release.
    PromiseReleased {
        /// Whom it had promised, in its own term, if that is known.
        promised_to: Option<Identity>,
        /// Its own term until then.
        term: Term,
        /// What freed it.
        release: Release,
    },
    /// A voter's clock runs at a rate outside the configured bound, relative to this leader's: its
    /// acknowledgements do not count. Or, `within`: it is back inside.
    ClockWatch {
        /// The voter.
        peer: NodeId,
        /// Its rate relative to this node's, at the least, in parts per million off.
        at_least_ppm: i64,
        /// And at the most.
        at_most_ppm: i64,
        /// Whether it may lie within the bound.
        within: bool,
    },
    /// A voter's promises bind it for a shorter time than this node's lease needs: its votes and
    /// acknowledgements do not count here. The timing in the two configurations differs.
    PromiseTooShort {
        /// The voter.
        peer: NodeId,
        /// How long it is bound, on its own clock.
        promised: Duration,
        /// How long it should be: [`super::Timing::least_promise`] of this node.
        needed: Duration,
    },
    /// A peer's list of voters differs from this node's by more than one voter: two majorities
    /// could miss each other, so that nothing the peer says counts.
    VotersClash {
        /// The peer.
        peer: NodeId,
        /// Its list.
        theirs: Arc<Vec<NodeId>>,
    },
    /// A message was dropped because nothing honest would have sent it here.
    Ignored(Ignored),
}

/// Why a node rejoins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejoins {
    /// It started without its state: a first boot, a wiped disk, or none.
    RemembersNothing,
    /// It started with another list of voters than before.
    OtherVoters,
    /// It met a newer generation than its own.
    OlderGeneration,
    /// A voter knows a newer incarnation of it.
    Superseded,
    /// Too few of the voters that are heard remember anything to elect a leader, or for the others to
    /// rejoin.
    TooFewRemember,
    /// It was alone with the generation or the term that it believed in: a majority, or the store,
    /// has been elsewhere for some time.
    Contradicted,
}

/// Why a leader leads no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SteppedDown {
    /// Its lease ran out, or it never got a first one in time.
    LeaseExpired,
    /// It met a higher term.
    Deposed,
    /// The store's floor was at or above its term.
    Outranked,
    /// It was asked to.
    Resigned,
    /// It released its lease: it stops gracefully, or has done its work.
    Released,
    /// The clocks of too many voters run at another rate than its own.
    ClockOutOfBound,
}

/// Why a message was dropped. The state is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// The sender is no configured voter, or claims to be this very node.
    NotAPeer,
    /// Its term lies further ahead than [`super::MAX_TERM_JUMP`].
    TermTooFarAhead,
    /// It claims a number that nothing honest reaches.
    Impossible,
    /// It claims a newer generation, which neither the store nor enough others confirm.
    Unconfirmed,
    /// The sender's list of voters is another, which is not known yet or too different.
    OtherVoters,
    /// The sender is of an older generation.
    OlderGeneration,
    /// A newer incarnation of the sender is known.
    Superseded,
    /// There are as many observers as a leader takes.
    TooManyObservers,
    /// It claims to lead a term whose leader is another.
    SecondLeader,
    /// It acknowledges a heartbeat that was never sent.
    UnknownRound,
}
