//! What can happen, as small values, and the large values that they name.

use fencepost::Generation;
use fencepost::election::Roll;

use super::arena::Arena;
use super::packet::Packet;

/// What can happen to one voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// It waited long enough, would be welcome, and asks for votes.
    Campaign,
    /// It adopts a term that someone in its generation has reached.
    Adopt(u64),
    /// It hears of a generation that began.
    Hear(u32),
    /// A packet arrives. `promised`: while what it promised to the present leader still binds it.
    Deliver {
        /// Which.
        packet: u32,
        /// When.
        promised: bool,
    },
    /// The store's answer to a question about its roll arrives.
    StoredRoll(u32),
    /// The store's refusal to activate arrives: what stood there when it was refused.
    Outranked {
        /// The term that was refused.
        term: u8,
        /// What stood in the store.
        stands: u32,
    },
    /// It is asked to give the leadership of a term up.
    Resign {
        /// The term.
        term: u8,
    },
    /// Its lease ends.
    LeaseEnds,
    /// A rejoining voter asks again.
    Ask,
    /// A rejoining voter gives up to register, and asks anew.
    GiveUp,
    /// It stops gracefully, and asks another to take over.
    HandOver {
        /// The other.
        successor: u8,
    },
    /// It loses its process and its disk, and starts again.
    Wipe,
    /// It loses its process and what was not durable, and starts again.
    PowerCut,
}

impl Step {
    /// As a number, for the memory of what steps do.
    pub fn code(self) -> u64 {
        let (kind, argument) = match self {
            Self::Campaign => (0, 0),
            Self::Adopt(term) => (1, term),
            Self::Hear(generation) => (2, generation.into()),
            Self::Deliver { packet, promised } => (3, u64::from(packet) << 1 | u64::from(promised)),
            Self::StoredRoll(roll) => (4, roll.into()),
            Self::Outranked { term, stands } => (5, u64::from(stands) << 8 | u64::from(term)),
            Self::Resign { term } => (6, term.into()),
            Self::LeaseEnds => (7, 0),
            Self::Ask => (8, 0),
            Self::GiveUp => (9, 0),
            Self::HandOver { successor } => (10, successor.into()),
            Self::Wipe => (11, 0),
            Self::PowerCut => (12, 0),
        };
        argument << 8 | kind
    }
}

/// The large values that steps name.
pub struct World {
    /// What was ever said.
    pub packets: Arena<Packet>,
    /// What ever stood in the store.
    pub rolls: Arena<Roll>,
    /// The generations that ever began.
    pub generations: Arena<Generation>,
}

impl World {
    /// Without anything.
    pub fn new() -> Self {
        Self { packets: Arena::new(), rolls: Arena::new(), generations: Arena::new() }
    }
}
