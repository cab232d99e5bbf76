//! Whether somebody can always come to lead: from every state of a scope there must be a way to one in
//! which a voter leads that a majority follows. What a search for violations cannot see is a state
//! that nothing is wrong with, and that nothing leads out of.

// chance: it is only looked up, never walked through
use std::collections::HashMap;

use fencepost::election::Role;
use fencepost::probe::Mutant;
use stateright::Model;

use super::flaw::Flaw;
use super::model::{Action, Cluster, State};
use super::scope::Scope;
use super::trace;

/// What became of the search for states that nothing leads out of.
#[derive(Debug, Clone)]
pub struct Liveness {
    /// How many states there are.
    pub states: usize,
    /// In how many of them somebody leads with a majority behind it.
    pub led: usize,
    /// From how many of them there is no way to such a one, although there are terms left.
    pub stuck: usize,
    /// The way to the nearest of those, for people.
    pub way: Option<String>,
}

/// Looks at all states of a scope, nearest first, and then back from those in which somebody leads.
/// `None`: there are more than `limit`.
pub fn liveness(scope: &Scope, mutant: Option<Mutant>, limit: usize) -> Option<Liveness> {
    let cluster = Cluster::new(*scope, mutant, &Flaw::ALL);
    let mut numbers: HashMap<State, usize> = HashMap::new();
    let mut states: Vec<State> = Vec::new();
    // Whence and how each was met first, and from where else it can be met.
    let mut first: Vec<Option<(usize, Action)>> = Vec::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    for state in cluster.init_states() {
        numbers.insert(state.clone(), states.len());
        states.push(state);
        first.push(None);
        before.push(Vec::new());
    }
    let mut at = 0;
    while at < states.len() {
        let state = states[at].clone();
        let mut actions = Vec::new();
        cluster.actions(&state, &mut actions);
        for action in actions {
            let Some(next) = cluster.next_state(&state, action) else { continue };
            let number = *numbers.entry(next).or_insert_with_key(|next| {
                states.push(next.clone());
                first.push(Some((at, action)));
                before.push(Vec::new());
                states.len() - 1
            });
            before[number].push(at);
        }
        if states.len() > limit {
            return None;
        }
        at += 1;
    }
    let mut ends_well: Vec<bool> = states.iter().map(|state| cluster.is_led(state)).collect();
    let led = ends_well.iter().filter(|led| **led).count();
    let mut ahead: Vec<usize> = (0..states.len()).filter(|state| ends_well[*state]).collect();
    while let Some(state) = ahead.pop() {
        for &earlier in &before[state] {
            if !std::mem::replace(&mut ends_well[earlier], true) {
                ahead.push(earlier);
            }
        }
    }
    let is_stuck = |at: &usize| !ends_well[*at] && cluster.has_terms_left(&states[*at]);
    let stuck: Vec<usize> = (0..states.len()).filter(is_stuck).collect();
    let way = stuck.first().map(|&end| {
        let mut path = vec![(states[end].clone(), None)];
        let mut at = end;
        while let Some((from, action)) = first[at] {
            path.insert(0, (states[from].clone(), Some(action)));
            at = from;
        }
        trace::tell(&cluster, &path)
    });
    Some(Liveness { states: states.len(), led, stuck: stuck.len(), way })
}

impl Cluster {
    /// Whether a voter leads, and can hold a lease: a majority of its generation hears it.
    fn is_led(&self, state: &State) -> bool {
        self.all_voters().any(|leader| {
            let leading = &self.node(state, leader).election;
            let follows = |voter: &u8| {
                let election = &self.node(state, *voter).election;
                let operational = election.role() != Role::Rejoining;
                operational
                    && election.generation() == leading.generation()
                    && !self.is_broken(leader, *voter)
            };
            leading.role() == Role::Leader
                && self.all_voters().filter(follows).count() >= self.voters.majority()
        })
    }

    /// Whether the scope allows for another election.
    fn has_terms_left(&self, state: &State) -> bool {
        let terms = self.all_voters().map(|voter| self.node(state, voter).election.term().0);
        state.left.campaigns > 0 && terms.max() < Some(self.scope.terms)
    }
}
