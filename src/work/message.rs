//! What leader and workers say to each other.

use serde::{Deserialize, Serialize};

use crate::id::{Boot, Token};
use crate::store::{Epoch, MAX_UNITS, Unit};

/// A unit, and the epoch of the assignment that gives it to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Granted {
    /// The unit.
    pub unit: Unit,
    /// Its epoch.
    pub epoch: Epoch,
}

/// A message about a work, between the leader and one worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkMessage {
    /// How many units the sender takes it to have. Nodes that disagree do not work together.
    pub units: u32,
    /// What is said.
    pub body: WorkBody,
}

/// What a message about a work says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WorkBody {
    /// From a worker: "I hold these; what may I hold from now on?"
    Renew {
        /// The asking process.
        worker: Boot,
        /// The token of the leader that it asks, as far as it knows. A question that was put to an
        /// earlier one says nothing to the same node in a later term.
        token: Token,
        /// Counts the questions of that process. An answer to any but the last is void.
        question: u64,
        /// The units that it acts on, or has not finished with.
        holds: Vec<Unit>,
        /// It takes nothing any more.
        leaves: bool,
    },
    /// From the leader: "these, and no others, until your lease on them ends".
    Grant {
        /// The process that asked.
        worker: Boot,
        /// The question that this answers.
        question: u64,
        /// The leader's token.
        token: Token,
        /// All that the worker may hold.
        units: Vec<Granted>,
    },
}

impl WorkMessage {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a message has no unserializable part")
    }

    /// What these bytes say, if they are a message, whole and sound.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (message, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        (rest.is_empty() && message.is_sound()).then_some(message)
    }

    /// Whether the lengths and numbers that it claims are possible.
    fn is_sound(&self) -> bool {
        let most = usize::try_from(self.units).unwrap_or(usize::MAX);
        let exists = |unit: Unit| unit.0 < self.units;
        let sound = match &self.body {
            WorkBody::Renew { holds, .. } => {
                holds.len() <= most && holds.iter().all(|unit| exists(*unit))
            }
            WorkBody::Grant { units, .. } => {
                units.len() <= most && units.iter().all(|granted| exists(granted.unit))
            }
        };
        sound && (1..=MAX_UNITS).contains(&self.units)
    }
}
