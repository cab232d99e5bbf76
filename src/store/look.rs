//! How much a look for messages reads, so that no backlog makes it slow.
//!
//! Of an ordering key only the first open message may be claimed, and the others may be millions. Two ways
//! lead to the first ones. By age: the pending messages, oldest first, each of which is asked
//! whether it is the first of its key. That is the short way while most are, however many keys there are.
//! By key: from the first message of one key to that of the next. That is the short way when few keys
//! have long backlogs, or rest. Which it is nobody knows beforehand, so a look goes both in turns, each time
//! further: it costs a few times what the shorter one does. Either way alone finds all or says that it did
//! not get far enough, so that an answer is always of one moment.

use super::columns::number;

/// How many messages or keys are read first for each that is looked for, and beyond.
const AHEAD: u64 = 4;
const SPARE: u64 = 64;

/// How many times as far each turn goes as the one before.
const GROWTH: i64 = 8;

/// How many messages or keys one turn of a look may read.
pub(super) struct Reach(i64);

impl Reach {
    /// For a look for so many messages, of one of so many units.
    pub(super) fn of(limit: usize, units: u32) -> Self {
        let sought = (limit as u64).saturating_mul(units.max(1).into());
        Self(number(sought.saturating_mul(AHEAD).saturating_add(SPARE)))
    }

    pub(super) fn rows(&self) -> i64 {
        self.0
    }

    /// The next turn.
    pub(super) fn grow(&mut self) {
        self.0 = self.0.saturating_mul(GROWTH);
    }
}
