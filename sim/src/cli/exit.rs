//! How a command ends.

use std::process::ExitCode;

use crate::search::BatchVerdict;

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is as expected.
    Ok,
    /// A property was violated, or a planted bug was missed.
    Violated,
    /// The command could not do what was asked.
    BadInput,
    /// Nothing was violated, and nothing was proved.
    Vacuous,
    /// A signal ended it early, and nothing was violated until then.
    Stopped,
    /// Nobody reads what it writes any more, and nothing was violated until then.
    Unread,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Violated => 1,
            Self::BadInput => 2,
            Self::Vacuous => 3,
            // What a shell says of a command that Ctrl-C ended.
            Self::Stopped => 130,
            // And of one that wrote to a closed pipe.
            Self::Unread => 141,
        }
    }

    /// The one that matters more: a violation above all, then what went wrong, then an early end,
    /// then vacuity.
    pub fn worse(self, other: Self) -> Self {
        let weight = |exit| match exit {
            Self::Ok => 0,
            Self::Vacuous => 1,
            Self::Stopped => 2,
            Self::Unread => 3,
            Self::BadInput => 4,
            Self::Violated => 5,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<&BatchVerdict> for Exit {
    fn from(verdict: &BatchVerdict) -> Self {
        match verdict {
            BatchVerdict::Ok => Self::Ok,
            BatchVerdict::Violated => Self::Violated,
            BatchVerdict::Vacuous(_) => Self::Vacuous,
            BatchVerdict::Overrun(_) => Self::BadInput,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
