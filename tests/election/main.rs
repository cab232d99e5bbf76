//! The election alone, property-tested with clocks: nodes as plain values, true time that each
//! node sees through a clock of its own, a network that delays, repeats, reorders and loses, and
//! processes that stop, forget and come back. No async, no simulator: what fails here shrinks to a
//! short list of steps. The other lens on the election is a model checker, which has no clocks.

mod checks;
mod hostile;
mod leading;
mod lists;
mod messages;
#[cfg(madsim)]
mod mutants;
mod network;
#[cfg(madsim)]
mod reachable;
mod rejoining;
mod setting;
mod steps;
mod store;
mod world;

use proptest::prelude::*;
use setting::Setting;
use steps::{Step, setting, steps};

fn holds(setting: Setting, steps: &[Step]) {
    steps::run(setting, steps, &[]).unwrap();
}

fn voters(voters: usize) -> impl Strategy<Value = Setting> {
    (0..=2usize).prop_flat_map(move |observers| setting(voters, observers))
}

/// One voter's clock is wrong, so that leases may overlap; there is a store.
fn one_clock_is_wrong() -> impl Strategy<Value = Setting> {
    let wrong = prop_oneof![-600_000..-250_000i32, 250_000..2_000_000i32];
    (prop_oneof![Just(3), Just(5)], 0..3usize, wrong).prop_flat_map(|(voters, whose, drift)| {
        setting(voters, 1).prop_map(move |mut setting| {
            setting.drifts[whose] = drift;
            setting.store = true;
            setting
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn three_voters(setting in voters(3), steps in steps()) {
        holds(setting, &steps);
    }

    #[test]
    fn four_voters(setting in voters(4), steps in steps()) {
        holds(setting, &steps);
    }

    #[test]
    fn five_voters(setting in voters(5), steps in steps()) {
        holds(setting, &steps);
    }

    #[test]
    fn seven_voters(setting in voters(7), steps in steps()) {
        holds(setting, &steps);
    }

    /// L5: whatever the clocks do, elections are unique and the store lets nobody back: all but L1
    /// holds on the way, and there is a leader in the end.
    #[test]
    fn outside_the_bound_the_fence_holds(setting in one_clock_is_wrong(), steps in steps()) {
        let mut world = world::World::new(setting);
        for step in &steps {
            world.step(step);
        }
        world.heal();
        world.run(4_000);
        prop_assert!(world.leads_within(2_000), "V1: nobody leads");
    }
}
