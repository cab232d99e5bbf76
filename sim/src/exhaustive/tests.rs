//! The reductions lose nothing: with and without them, voters get into the same situations.

use std::collections::{BTreeSet, HashSet, VecDeque};

use fencepost::election::Role;
use stateright::Model;

use super::model::{Cluster, State};
use super::scope::{Anew, Begin, Scope};
use super::{Flaw, SCOPES};

/// A voter, as far as it does not depend on names: role, term, incarnation, and whether its vote is
/// its own or another's.
type Facts = (Role, u64, u64, Option<bool>);

/// The situations that a cluster gets into, whoever is who, and how many states there are.
fn situations(scope: Scope, reduced: bool) -> (BTreeSet<Vec<Facts>>, usize) {
    let cluster = Cluster::new(scope, None, &Flaw::ALL);
    let cluster = if reduced { cluster } else { cluster.unreduced() };
    let mut ahead: VecDeque<State> = cluster.init_states().into();
    let mut seen: HashSet<State> = ahead.iter().cloned().collect();
    let mut situations = BTreeSet::new();
    while let Some(state) = ahead.pop_front() {
        assert_eq!(state.flaw, None);
        let mut facts: Vec<Facts> = cluster
            .all_voters()
            .map(|index| {
                let voter = &cluster.node(&state, index).election;
                let own = voter.hard_state().vote.map(|vote| vote == voter.me());
                (voter.role(), voter.term().0, voter.me().incarnation.0, own)
            })
            .collect();
        facts.sort_unstable();
        situations.insert(facts);
        let mut actions = Vec::new();
        cluster.actions(&state, &mut actions);
        for next in actions.into_iter().filter_map(|action| cluster.next_state(&state, action)) {
            if seen.insert(next.clone()) {
                ahead.push_back(next);
            }
        }
    }
    (situations, seen.len())
}

#[track_caller]
fn the_same_with_and_without(scope: Scope) {
    let (with, fewer) = situations(scope, true);
    let (without, all) = situations(scope, false);
    assert!(fewer * 2 < all, "{fewer} of {all} states: it reduces nothing");
    let lost: Vec<_> = without.difference(&with).take(3).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let invented: Vec<_> = with.difference(&without).take(3).collect();
    assert!(invented.is_empty(), "invented: {invented:?}");
}

#[test]
fn of_voters_that_forget_nothing_is_lost() {
    the_same_with_and_without(*Scope::named("wipe").unwrap());
}

#[test]
fn of_elections_nothing_is_lost() {
    the_same_with_and_without(*Scope::named("plain").unwrap());
}

#[test]
fn of_power_cuts_nothing_is_lost() {
    let scope = Scope { terms: 1, ..*Scope::named("power-cut").unwrap() };
    the_same_with_and_without(scope);
}

/// Two voters, so that all states fit. They need each other for everything, and can only start anew.
#[test]
fn of_generations_nothing_is_lost() {
    let plain = *Scope::named("plain").unwrap();
    let scope = Scope { voters: 2, generations: 2, anew: Anew::ByAnyRoll, ..plain };
    the_same_with_and_without(Scope { begin: Begin::Empty, terms: 1, ..scope });
    the_same_with_and_without(Scope { begin: Begin::Empty, terms: 1, wipes: 1, ..scope });
    the_same_with_and_without(Scope { wipes: 1, ..scope });
}

#[test]
fn scopes_have_names_and_bounds_of_their_own() {
    for (index, scope) in SCOPES.iter().enumerate() {
        assert_eq!(SCOPES.iter().position(|other| other.name == scope.name), Some(index));
        let same = SCOPES.iter().filter(|other| other.bounds() == scope.bounds()).count();
        assert_eq!(same, 1, "{}", scope.bounds());
    }
}
