//! Assignments: which participant has which unit of a work, written under the leader's token.
//!
//! An assignment has an *epoch*, higher than that of every earlier one of its work. Whoever acts under
//! it shows token and epoch, and the store checks both in the transaction of the act: see
//! [`Share`]. So an assignment ends, whatever its worker believes, when the unit is assigned
//! anew (W2) or the floor rises above its token (W3).

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};

use super::text::text;
use super::{Checked, InvalidText, Lot, StoreError};
use crate::id::{Boot, Token};

/// The most units that a work can have.
pub const MAX_UNITS: u32 = 1024;

/// The longest name of a work, in bytes.
pub const MAX_WORK_NAME_LEN: usize = 64;

text! {
    /// The name of a work: 1 to [`MAX_WORK_NAME_LEN`] bytes without control characters.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    WorkName: "the name of a work", at most MAX_WORK_NAME_LEN
}

impl TryFrom<String> for WorkName {
    type Error = InvalidText;

    fn try_from(name: String) -> Result<Self, InvalidText> {
        Self::new(&name)
    }
}

impl From<WorkName> for String {
    fn from(name: WorkName) -> Self {
        name.0.as_ref().into()
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

/// Orders the assignments of one work, from 1: whoever shows a lower one than the newest of its unit
/// is not its worker any more.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An assignment as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// The unit.
    pub unit: Unit,
    /// Which assignment of it.
    pub epoch: Epoch,
    /// Whose it is.
    pub worker: Boot,
    /// The leader that said so.
    pub token: Token,
}

/// A unit that is to be assigned anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// The unit.
    pub unit: Unit,
    /// The epoch that the store has of it, 0 if it is not assigned. The new one is higher.
    pub after: Epoch,
    /// Who is to have it.
    pub worker: Boot,
}

/// What the store has of one work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// How many units it has; 0 if the store has not heard of it.
    pub units: u32,
    /// The newest assignment of each unit that has one, in order.
    pub list: Vec<Assignment>,
}

/// The right to act on one unit's share of the outbox: the messages whose lot, divided by `of`,
/// leaves `unit`. Counts only while it is exactly the newest assignment of that unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Share {
    /// The work.
    pub work: WorkName,
    /// The unit.
    pub unit: Unit,
    /// How many units the work has, at least 1.
    pub of: u32,
    /// The assignment's epoch.
    pub epoch: Epoch,
    /// Whose it is.
    pub worker: Boot,
}

impl Share {
    /// Whether messages of that lot are in it.
    pub fn has(&self, lot: Lot) -> bool {
        u32::from(lot.0).checked_rem(self.of) == Some(self.unit.0)
    }
}

/// Who has which unit. All calls may be repeated after [`StoreError::Unknown`].
pub trait Assignments: Send + Sync + 'static {
    /// Assigns units of a work anew under `token`: all of `changes` if each unit still has the epoch
    /// that its change names, else none. Tells what then stands. What was claimed under an assignment
    /// that ends is in doubt in the same transaction.
    ///
    /// If the work had another number of units, all that was assigned ends before.
    fn assign(
        &self,
        token: Token,
        work: &WorkName,
        units: u32,
        changes: &[Change],
    ) -> impl Future<Output = Result<Checked<Assigned>, StoreError>> + Send;

    /// What stands.
    fn assignments(
        &self,
        work: &WorkName,
    ) -> impl Future<Output = Result<Assigned, StoreError>> + Send;
}
