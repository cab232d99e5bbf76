//! What a step of one voter means for the others, computed once for each state of a voter.

use fencepost::election::{Body, Effect, Event, Roll};
use fencepost::{Generation, Identity, NodeId};

use super::flaw::Violation;
use super::history::Election;
use super::model::{Cluster, State};
use super::node::{Evaluated, write_after_word};
use super::packet::{self, Packet};
use super::step::Step;

/// What became of a voter, as far as the rest of the cluster is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    pub node: u32,
    pub sent: Vec<u32>,
    pub elected: Option<(Election, Vec<Identity>)>,
    pub joined: Option<(Generation, Identity, Option<Roll>)>,
    pub beats: Option<Election>,
    /// How many writes came after a message had left.
    pub writes_after_word: u8,
    pub violations: Vec<Violation>,
}

impl Cluster {
    /// What a step does to a voter. The production code is asked once.
    pub(super) fn outcome(&self, state: &State, index: u8, step: Step, cut: u8) -> &Outcome {
        let number = state.nodes[usize::from(index)];
        let key = u128::from(number) << 72 | u128::from(step.code()) << 8 | u128::from(cut);
        let outcome = self.memo.get_or(key, || {
            let node = self.nodes.get(number);
            let evaluated = self.voters.evaluate(index, node, step, cut, &self.world);
            self.outcomes.keep(self.digest(index, evaluated))
        });
        self.outcomes.get(outcome)
    }

    /// A voter at the beginning.
    pub(super) fn first(&self, index: u8) -> Outcome {
        self.digest(index, self.voters.first(index))
    }

    fn digest(&self, index: u8, evaluated: Evaluated) -> Outcome {
        let Evaluated { node, effects, violations } = evaluated;
        let mut outcome = Outcome {
            node: 0,
            sent: Vec::new(),
            elected: None,
            joined: None,
            beats: None,
            writes_after_word: 0,
            violations,
        };
        while write_after_word(&effects, outcome.writes_after_word + 1).is_some() {
            outcome.writes_after_word += 1;
        }
        for effect in effects {
            match effect {
                Effect::Persist(_) => {}
                Effect::Send { to, message } => {
                    let (generation, term) = (message.generation, message.term);
                    if matches!(message.body, Body::Heartbeat { .. }) {
                        outcome.beats = Some(Election { generation, term, leader: message.from });
                    }
                    if packet::is_modelled(&message.body, self.scope.handovers > 0) {
                        let to = self.voters.index(to);
                        let packet = Packet::Message { from: index, to, message: *message };
                        outcome.sent.push(self.world.packets.keep(packet));
                    }
                }
                // What stood in the store can be told to anyone; see `actions`.
                Effect::ReadRoll => {}
                Effect::CallRoll { seen, boots } => {
                    let packet = Packet::Roll { seen, boots };
                    outcome.sent.push(self.world.packets.keep(packet));
                }
                Effect::Event(Event::Elected { term, generation, certificate, .. }) => {
                    let leader = certificate.iter().find(|of| of.node == self.name(index));
                    let leader = *leader.unwrap_or(&node.election.me());
                    outcome.elected = Some((Election { generation, term, leader }, certificate));
                }
                Effect::Event(Event::Rejoined { generation, by_roll, .. }) => {
                    let roll = by_roll.then(|| (*node.election.hard_state().roll).clone());
                    outcome.joined = Some((generation, node.election.me(), roll));
                }
                Effect::Event(_) => {}
            }
        }
        outcome.node = self.nodes.keep(node);
        outcome.sent.sort_unstable();
        outcome.sent.dedup();
        outcome
    }

    fn name(&self, index: u8) -> NodeId {
        self.voters.names[usize::from(index)]
    }
}
