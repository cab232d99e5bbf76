//! The election in every order of events, within the scopes that take seconds; and the planted bugs
//! that break a property without clocks are found where they must be. `cargo sim exhaustive` does the
//! same with larger scopes.

use fencepost::probe::Mutant;
use fencepost_sim::exhaustive::{
    Effort, Flaw, HARMLESS, KILLS, Liveness, SCOPES, Scope, Search, liveness,
};

#[test]
fn the_small_scopes_hold_no_violation() {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    for scope in SCOPES.iter().filter(|scope| scope.effort == Effort::Seconds) {
        let found = Search::of(scope, jobs).run();
        if let Some(counterexample) = &found.counterexample {
            panic!("{}:\n{}", scope.name, counterexample.text);
        }
        assert!(found.exhausted, "{}", scope.name);
        let (elected, joined) = found.reached;
        assert!(elected > 0, "{}: nobody was ever elected", scope.name);
        assert!(joined > 0 || scope.wipes == 0, "{}: nobody ever rejoined", scope.name);
    }
}

#[test]
fn every_planted_bug_is_found_as_the_property_that_it_breaks() {
    for kill in KILLS.iter().filter(|kill| kill.effort == Effort::Seconds) {
        let name = kill.mutant.name();
        assert!(kill.mutant.breaks().contains(&kill.flaw.property()), "{name}");
        let scope = Scope::named(kill.scope).expect("a scope");
        let found = Search::with(scope, kill.mutant, vec![kill.flaw]).run();
        let way = found.counterexample.unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!(way.flaw, kill.flaw, "{name}");
        let widest = way.text.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 100), "{name}:\n{}", way.text);
    }
}

#[test]
fn what_is_called_harmless_is_harmless() {
    for harmless in HARMLESS {
        let scope = Scope::named(harmless.scope).expect("a scope");
        let found = Search::with(scope, harmless.mutant, Flaw::ALL.to_vec()).run();
        let way = found.counterexample.map(|way| way.text);
        assert!(found.exhausted, "{}: {way:?}", harmless.mutant.name());
    }
}

/// The same search twice: the same states, and the same way to the violation.
#[test]
fn a_search_is_the_same_each_time() {
    let kill = KILLS.iter().max_by_key(|kill| kill.mutant.number()).expect("some");
    let scope = Scope::named(kill.scope).expect("a scope");
    let [one, other] = [(); 2].map(|()| Search::with(scope, kill.mutant, vec![kill.flaw]).run());
    assert_eq!((one.states, one.unique, one.depth), (other.states, other.unique, other.depth));
    assert_eq!(one.counterexample.unwrap().text, other.counterexample.unwrap().text);

    let scope = Scope::named("wipe").expect("a scope");
    let [one, other] = [1, 2].map(|jobs| Search::of(scope, jobs).run());
    assert_eq!((one.states, one.unique), (other.states, other.unique), "whatever the threads");
}

/// More states than any scope has that takes seconds.
const STATES: usize = 3_000_000;

/// With a broken link, from every state there is a way to a leader; and not if those that forgot are
/// trusted to hear each other.
#[test]
fn with_a_broken_link_nobody_gets_stuck() {
    let broken = |scope: &&Scope| scope.effort == Effort::Seconds && !scope.broken.is_empty();
    for scope in SCOPES.iter().filter(broken) {
        let Liveness { states, led, stuck, way } =
            liveness(scope, None, STATES).expect("a small scope");
        println!("{}: {states} states, {led} led, {stuck} stuck", scope.name);
        assert!(stuck == 0 && led > 0, "{}: {}", scope.name, way.unwrap_or_default());
        let mutant = Some(Mutant::ForgetfulTrustedToMeet);
        let bug = liveness(scope, mutant, STATES).expect("a small scope");
        assert!(bug.stuck > 0, "{}: the planted bug is not found", scope.name);
    }
}
