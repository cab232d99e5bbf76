//! What reaches the store: roll calls and activations, as its transactions carry them out.

use fencepost::Generation;
use fencepost::election::Roll;

use super::flaw::Violation;
use super::model::{Cluster, State};
use super::packet::Packet;

impl Cluster {
    /// Starts the next generation with these boots, unless the store has moved on.
    pub(super) fn call_roll(&self, state: &State, packet: u32) -> Option<State> {
        let Packet::Roll { seen, boots, .. } = self.world.packets.get(packet) else { return None };
        let stands = self.world.rolls.get(*state.store.last()?);
        if stands.generation != *seen || seen.number >= self.scope.generations {
            return None;
        }
        let generation = Generation::stored(seen.number + 1);
        let roll = Roll { generation, floor: stands.floor, boots: boots.clone() };
        let mut next = state.clone();
        next.put(self.world.rolls.keep(roll));
        // Other calls for the same generation come too late, as does this one if it is repeated.
        let stale = |id: &u32| match self.world.packets.get(*id) {
            Packet::Roll { seen: other, .. } => other == seen,
            Packet::Message { .. } => false,
        };
        next.network = state.network.iter().copied().filter(|id| !stale(id)).collect();
        Some(next)
    }

    /// `UPDATE … SET floor = term WHERE generation = mine AND floor < term`.
    pub(super) fn activate(&self, state: &State, index: u8) -> Option<(State, Vec<Violation>)> {
        let mut history = self.histories.get(state.history).clone();
        let election = *history.elections.get(usize::from(index))?;
        let stands = self.world.rolls.get(*state.store.last()?);
        if stands.generation != election.generation || stands.floor >= election.term {
            return None;
        }
        let mut violations = Vec::new();
        history.activate(stands.floor, election, &mut violations);
        let roll = Roll { floor: election.term, ..stands.clone() };
        let mut next = state.clone();
        next.put(self.world.rolls.keep(roll));
        next.history = self.histories.keep(history);
        Some((next, violations))
    }
}
