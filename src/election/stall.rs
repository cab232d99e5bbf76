//! Why nobody leads, as far as one node can tell from where it stands: for people who have to do
//! something about it. Nothing is decided by it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::config::ColdStart;
use super::machine::{Election, State};
use super::message::{Body, Message};
use crate::id::{Generation, NodeId};
use crate::time::Instant;

/// Who was heard within so many rounds of waiting and polling is still there.
const HEARD_ROUNDS: u64 = 2;

/// Why a node knows of no leader. Displays as the rest of a sentence that began with "no leader:".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stall {
    /// It started without its state, and may have promised something: it says nothing yet.
    Quarantined {
        /// For how much longer.
        left: Duration,
    },
    /// It remembers nothing, and too few others say what it needs to hear.
    Rejoining(Wanting),
    /// It remembers nothing and has asked enough others: their answers, or the store's, are under way.
    WaitsForAnswers {
        /// Whether it is the store that has to answer.
        store: bool,
    },
    /// It has a vote, and too few voters are heard to elect anyone.
    NoMajority(Wanting),
    /// It has a vote and hears a majority, which has elected nobody yet.
    NotElected,
    /// It was elected, and too few voters acknowledge that.
    Unacknowledged(Wanting),
    /// It has no vote, and hears of no leader.
    Observing,
    /// It is about to stop, and leaves leading to others.
    Leaving,
}

/// Whose word is wanting. Each of the other voters is on one of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanting {
    /// These were heard lately, and remember what they promised.
    pub remember: Vec<NodeId>,
    /// These were heard lately, and remember nothing.
    pub forgot: Vec<NodeId>,
    /// These were not heard lately.
    pub unheard: Vec<NodeId>,
    /// So many more have to be heard, or have to remember; at least 1.
    pub more: usize,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { left } => {
                let left = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(0) + 1);
                write!(f, "rejoining, silent for another {left:?}")
            }
            Self::Rejoining(wanting) => write!(f, "rejoining, needs {wanting}"),
            Self::WaitsForAnswers { store: false } => f.write_str("rejoining, waits for answers"),
            Self::WaitsForAnswers { store: true } => {
                f.write_str("rejoining, waits for the store to take down who starts anew")
            }
            Self::NoMajority(wanting) => write!(f, "no majority of voters, needs {wanting}"),
            Self::NotElected => f.write_str("a majority of voters is there and elects nobody yet"),
            Self::Unacknowledged(wanting) => {
                write!(f, "elected and not acknowledged, needs {wanting}")
            }
            Self::Observing => f.write_str("no voter that leads is heard"),
            Self::Leaving => f.write_str("this node is about to stop"),
        }
    }
}

impl fmt::Display for Wanting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remember, forgot, unheard, more } = self;
        if unheard.is_empty() {
            write!(f, "{more} more to remember")?;
        } else if unheard.len() <= *more {
            write!(f, "word of {}", List(unheard, " and "))?;
        } else {
            write!(f, "word of {more} more of {}", List(unheard, ", "))?;
        }
        if !remember.is_empty() {
            write!(f, "; {} heard", List(remember, ", "))?;
        }
        if !forgot.is_empty() {
            write!(f, "; {} heard, rejoining", List(forgot, ", "))?;
        }
        Ok(())
    }
}

/// Names, with that before the last of them.
struct List<'a>(&'a [NodeId], &'a str);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            match index {
                0 => {}
                _ if index + 1 == self.0.len() => f.write_str(self.1)?,
                _ => f.write_str(", ")?,
            }
            write!(f, "{name}")?;
        }
        Ok(())
    }
}

/// When each voter was last heard, and whether it remembered anything. No part of a state: clones
/// start without, and all are equal.
#[derive(Debug, Default)]
pub(super) struct Heard(Vec<Option<(Instant, bool)>>);

impl Heard {
    /// A voter of `voters` was heard.
    pub(super) fn note(&mut self, voter: usize, voters: usize, now: Instant, message: &Message) {
        let rejoins = message.generation == Generation::NONE;
        if rejoins && !matches!(message.body, Body::Rejoining { .. }) {
            return;
        }
        if self.0.is_empty() {
            self.0.resize(voters, None);
        }
        self.0[voter] = Some((now, !rejoins));
    }
}

impl Clone for Heard {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Heard {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Heard {}

impl Hash for Heard {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Election {
    /// Why this node knows of no leader; `None` while it knows of one.
    pub fn stall(&self, now: Instant) -> Option<Stall> {
        if self.leader().is_some() {
            return None;
        }
        if self.leaving {
            return Some(Stall::Leaving);
        }
        Some(match &self.state {
            State::Observer(_) => Stall::Observing,
            State::Rejoining(rejoining) => match now.until(rejoining.quarantine_until()) {
                Some(left) => Stall::Quarantined { left },
                None => self.rejoining_stall(now),
            },
            State::Leader(_) => Stall::Unacknowledged(self.wanting(now)),
            State::Follower | State::PreCandidate(_) | State::Candidate(_) => {
                let wanting = self.wanting(now);
                match wanting.remember.len() + 1 < self.majority() {
                    true => Stall::NoMajority(wanting),
                    false => Stall::NotElected,
                }
            }
        })
    }

    fn rejoining_stall(&self, now: Instant) -> Stall {
        let mut wanting = self.wanting(now);
        let to_rejoin = self.answers_needed().saturating_sub(wanting.remember.len());
        let (store, starters) = match self.fixed.config.cold_start {
            ColdStart::ByStore => (true, self.majority()),
            ColdStart::ByAllVoters => (false, self.fixed.config.voters.len()),
        };
        let to_start = starters.saturating_sub(wanting.forgot.len() + 1);
        if to_rejoin == 0 || to_start == 0 {
            return Stall::WaitsForAnswers { store: store && to_rejoin > 0 };
        }
        wanting.more = to_rejoin.min(to_start);
        Stall::Rejoining(wanting)
    }

    /// Who was heard lately, and how many more a majority takes.
    fn wanting(&self, now: Instant) -> Wanting {
        let nanos = &self.fixed.nanos;
        let lately = HEARD_ROUNDS * (nanos.election_timeout + 2 * nanos.jitter);
        let mut wanting = Wanting::default();
        for (index, &voter) in self.fixed.config.voters.iter().enumerate() {
            if Some(index) == self.fixed.my_index {
                continue;
            }
            match self.heard_from.0.get(index).copied().flatten() {
                Some((at, true)) if now.since(at) < lately => wanting.remember.push(voter),
                Some((at, false)) if now.since(at) < lately => wanting.forgot.push(voter),
                _ => wanting.unheard.push(voter),
            }
        }
        wanting.more = self.majority().saturating_sub(wanting.remember.len() + 1).max(1);
        wanting
    }
}

#[cfg(test)]
mod tests;
