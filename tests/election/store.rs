//! The store as a model: generation, floor and roll, each call one transaction.

use std::sync::Arc;

use fencepost::election::Roll;
use fencepost::{Boot, Generation, Identity, Term};

use crate::checks::Checks;

/// What a node asks of the store.
#[derive(Debug, Clone)]
pub enum Call {
    Read,
    Roll { seen: Generation, boots: Vec<Boot> },
    Raise { generation: Generation, term: Term, holder: Identity },
}

/// What it gets.
#[derive(Debug, Clone)]
pub enum Answer {
    Roll(Arc<Roll>),
    Raised,
    Behind { term: Term, floor: Term, generation: Generation },
}

pub struct Store {
    pub generation: Generation,
    pub floor: Term,
    holder: Option<Identity>,
    boots: Vec<Boot>,
}

impl Store {
    pub fn new(generation: u64) -> Self {
        let generation = Generation::stored(generation);
        Self { generation, floor: Term::ZERO, holder: None, boots: Vec::new() }
    }

    /// By nobody that was elected: whoever acts finds out at its next claim.
    pub fn lift(&mut self, by: u64) {
        (self.floor, self.holder) = (Term(self.floor.0 + by), None);
    }

    pub fn answer(&mut self, call: Call, checks: &mut Checks) -> Answer {
        match call {
            Call::Read => {}
            Call::Roll { seen, boots } => {
                if seen == self.generation {
                    self.generation = Generation::stored(seen.number + 1);
                    (self.boots, self.holder) = (boots, None);
                    checks.called(self.generation, self.floor);
                }
            }
            Call::Raise { generation, term, holder } => {
                if generation == self.generation && self.floor < term {
                    (self.floor, self.holder) = (term, Some(holder));
                    checks.raised(generation, term, holder);
                } else if (generation, term, Some(holder))
                    != (self.generation, self.floor, self.holder)
                {
                    let (floor, generation) = (self.floor, self.generation);
                    return Answer::Behind { term, floor, generation };
                }
                return Answer::Raised;
            }
        }
        let Self { generation, floor, boots, .. } = self;
        Answer::Roll(Arc::new(Roll {
            generation: *generation,
            floor: *floor,
            boots: boots.clone(),
        }))
    }
}
