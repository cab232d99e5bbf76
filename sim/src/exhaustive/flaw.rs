//! What can be wrong with a state or a step: the properties of the contract that need no clock.

use std::fmt;

/// A property that was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// Two identities were elected in one term of one generation.
    E1,
    /// An incarnation's promised term fell, or its vote changed within a term.
    E2,
    /// An election without a majority of distinct voters that voted for it in its term.
    E3,
    /// A heartbeat of one that was not elected.
    E4,
    /// A rejoining voter said something that counts.
    E5,
    /// A token was activated twice, or the floor did not rise.
    F2,
    /// A generation elects in a term that the floor had reached before it began.
    F4,
    /// A certificate or a roll that another could miss.
    M1,
    /// An incarnation that is over was elected, or came back.
    M3,
    /// A command or a release touched another leadership than the one it names.
    L4,
    /// An assertion of the election itself failed.
    Assertion,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::E1,
        Self::E2,
        Self::E3,
        Self::E4,
        Self::E5,
        Self::F2,
        Self::F4,
        Self::M1,
        Self::M3,
        Self::L4,
        Self::Assertion,
    ];

    /// The id of the property.
    pub fn property(self) -> &'static str {
        match self {
            Self::E1 => "E1",
            Self::E2 => "E2",
            Self::E3 => "E3",
            Self::E4 => "E4",
            Self::E5 => "E5",
            Self::F2 => "F2",
            Self::F4 => "F4",
            Self::M1 => "M1",
            Self::M3 => "M3",
            Self::L4 => "L4",
            Self::Assertion => "assertion",
        }
    }
}

/// A violated property, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The property.
    pub flaw: Flaw,
    /// What happened.
    pub text: String,
}

impl Violation {
    /// That property, in that way.
    pub fn new(flaw: Flaw, text: impl Into<String>) -> Self {
        Self { flaw, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.flaw.property(), self.text)
    }
}
