//! What a voter must remember across a restart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::ConfigId;
use super::known::CrashVector;
use super::roll::Roll;
use crate::id::{Boot, Generation, Identity, Incarnation, NodeId, Term};

/// What a voter must remember across a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The generation in which the node is operational.
    pub generation: Generation,
    /// The list of voters it was operational with.
    pub config: ConfigId,
    /// Which life of the node this is; none while it has not rejoined.
    pub incarnation: Incarnation,
    /// The promised term: nothing of an earlier term is ever done again.
    pub term: Term,
    /// Whom this node voted for in that term.
    pub vote: Option<Identity>,
    /// The highest incarnation it knows of every voter, itself included.
    pub known: Arc<CrashVector>,
    /// The roll of its generation, if it was on it.
    pub roll: Arc<Roll>,
}

impl HardState {
    /// The state of a node on the roll of a generation, with nothing promised.
    pub(super) fn on_roll(config: ConfigId, roll: Arc<Roll>, term: Term) -> Self {
        Self {
            generation: roll.generation,
            config,
            incarnation: Incarnation::FIRST,
            term: term.max(roll.floor),
            vote: None,
            known: roll.known(),
            roll,
        }
    }

    /// The state of a voter that was on the roll of a first generation which all `voters` started:
    /// where tests and models begin that are not about starting.
    pub fn at_first_start(voters: &[NodeId]) -> Self {
        let boots = voters.iter().map(|&node| Boot { node, nonce: 0 }).collect();
        let roll = Roll { generation: Generation::stored(1), floor: Term::ZERO, boots };
        Self::on_roll(ConfigId::of(voters), Arc::new(roll), Term::ZERO)
    }

    /// Whether it is the state of an operational voter with that list of voters.
    pub fn is_operational(&self, config: ConfigId) -> bool {
        self.incarnation != Incarnation::NONE && self.config == config && self.is_possible()
    }

    /// Whether it holds only numbers that an honest cluster reaches. An earlier release may have
    /// written down what somebody made up.
    fn is_possible(&self) -> bool {
        let lives = self.known.iter().map(|known| known.incarnation).chain([self.incarnation]);
        let number = self.generation.number;
        self.term <= Term::MAX
            && (1..=Generation::MAX_NUMBER).contains(&number)
            && lives.max() <= Some(Incarnation::MAX)
    }
}
