//! What leader and workers say to each other, and the names in it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{MAX_UNITS, MAX_WORK_NAME_LEN};
use crate::id::{Boot, Token};

/// The name of a work: 1 to [`MAX_WORK_NAME_LEN`] bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkName(Arc<str>);

/// A text that cannot name a work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of a work has 1 to {MAX_WORK_NAME_LEN} bytes and no control characters")]
pub struct InvalidWorkName;

impl WorkName {
    /// Checks and keeps `name`.
    ///
    /// # Errors
    /// It is empty, too long, or has control characters.
    pub fn new(name: &str) -> Result<Self, InvalidWorkName> {
        let fits = (1..=MAX_WORK_NAME_LEN).contains(&name.len());
        let valid = fits && !name.chars().any(char::is_control);
        valid.then(|| Self(name.into())).ok_or(InvalidWorkName)
    }

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkName {
    type Error = InvalidWorkName;

    fn try_from(name: String) -> Result<Self, InvalidWorkName> {
        Self::new(&name)
    }
}

impl From<WorkName> for String {
    fn from(name: WorkName) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for WorkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One unit of a work, counted from 0; below [`MAX_UNITS`].
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Unit(pub u32);

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Counts the assignments of one unit, from 1: whoever shows a lower one is not its worker any more.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

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
    /// Which work.
    pub work: WorkName,
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
    /// Whether the lengths and numbers that it claims are possible.
    pub fn is_sound(&self) -> bool {
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
