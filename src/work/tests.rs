//! Leader and workers together: clocks that run at the rates they may, a network that delays,
//! repeats and loses, processes that start anew, leaders that come and go, and a store that may
//! answer late. Checked after every step: a unit has at most one valid permission (W1).

mod world;

use proptest::prelude::*;

use self::world::{Step, World};

const WORKERS: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = 0..WORKERS;
    let step = prop_oneof![
        6 => (1..40_u32).prop_map(Step::Calm),
        4 => (1..600_u32).prop_map(Step::Pass),
        6 => worker.clone().prop_map(Step::Tick),
        8 => any::<prop::sample::Index>().prop_map(Step::Deliver),
        2 => any::<prop::sample::Index>().prop_map(Step::Repeat),
        2 => any::<prop::sample::Index>().prop_map(Step::Lose),
        3 => any::<bool>().prop_map(Step::Store),
        4 => (worker.clone(), any::<prop::sample::Index>()).prop_map(|(w, u)| Step::Finish(w, u)),
        2 => worker.clone().prop_map(Step::Lead),
        2 => worker.clone().prop_map(Step::Restart),
        1 => worker.clone().prop_map(Step::Stop),
        1 => worker.prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..120)
}

fn worlds() -> impl Strategy<Value = (u32, Vec<i64>, Vec<Step>)> {
    let rates = prop::collection::vec(-10_000..=10_000_i64, WORKERS);
    (1..7_u32, rates, steps())
}

fn run(units: u32, rates: &[i64], steps: Vec<Step>) -> Result<World, TestCaseError> {
    let mut world = World::new(units, rates);
    for step in steps {
        world.step(&step);
        let twice = world.held_twice();
        prop_assert!(twice.is_none(), "W1: after {:?}: {:?}", step, twice);
    }
    Ok(world)
}

proptest! {
    #[test]
    fn a_unit_has_one_valid_permission((units, rates, steps) in worlds()) {
        run(units, &rates, steps)?;
    }

    #[test]
    fn in_the_end_each_worker_has_its_share((units, rates, steps) in worlds()) {
        let mut world = run(units, &rates, steps)?;
        world.step(&Step::Lead(0));
        world.start_all();
        // The promises of everybody end, twice over, and then all has been said.
        for _ in 0..60 {
            world.step(&Step::Calm(100));
            let twice = world.held_twice();
            prop_assert!(twice.is_none(), "W1: {:?}", twice);
        }
        let shares = world.shares();
        prop_assert_eq!(shares.iter().sum::<usize>(), units as usize, "{:?}", &shares);
        let (most, least) = (shares.iter().max().unwrap(), shares.iter().min().unwrap());
        prop_assert!(most - least <= 1, "{:?}", shares);

        // What is as it should be is left alone.
        let before = world.assigned();
        for _ in 0..20 {
            world.step(&Step::Calm(100));
        }
        prop_assert_eq!(world.assigned(), before);
    }
}

#[cfg(madsim)]
#[test]
fn what_is_not_awaited_is_held_twice() {
    use proptest::test_runner::{Config, RngSeed, TestRunner};

    use crate::probe::{Mutant, begin_run};
    begin_run(Some(Mutant::RevocationNotAwaited));
    let config =
        Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() };
    let found = TestRunner::new(config)
        .run(&worlds(), |(units, rates, steps)| run(units, &rates, steps).map(drop));
    begin_run(None);
    let found = found.expect_err("the planted bug breaks W1").to_string();
    assert!(found.contains("W1"), "{found}");
}

/// Asks for A's worth of time after time, as worker and leader do, with `idler` in the place of a worker
/// that answers nothing but questions. Answers who has the unit at the end of each A.
fn shares_with_an_idler() -> Vec<usize> {
    use super::message::WorkBody;
    use super::{Distributor, Order};
    use crate::id::{Boot, NodeId, Token};
    use crate::store::{Assignment, Epoch, Unit};
    use crate::time::Instant;

    const A: u64 = 1_000;
    const UNITS: u32 = 4;
    let [honest, idler]: [NodeId; 2] = ["n1", "x1"].map(|name| name.parse().unwrap());
    let mut distributor = Distributor::new(Token(1), UNITS, &[], A, 0, Instant(0));
    let mut held: Vec<Unit> = Vec::new();
    let mut of_idler = Vec::new();
    for step in 1..=400 {
        let now = Instant(step * A / 4);
        let mut orders = Vec::new();
        for node in [honest, idler] {
            let holds = if node == honest { held.clone() } else { Vec::new() };
            let worker = Boot { node, nonce: 7 };
            let (token, question, leaves) = (Token(1), step, false);
            let body = WorkBody::Renew { worker, token, question, holds, leaves };
            distributor.asked(now, node, &body, &mut orders);
        }
        distributor.tick(now, &mut orders);
        while let Some(order) = orders.pop() {
            match order {
                Order::Assign(changes) => {
                    let after = |change: &crate::store::Change| Assignment {
                        unit: change.unit,
                        epoch: Epoch(change.after.0 + 1),
                        worker: change.worker,
                        token: Token(1),
                    };
                    let stored: Vec<_> = changes.iter().map(after).collect();
                    distributor.assigned(now, &stored, &mut orders);
                }
                Order::Answer { to, body: WorkBody::Grant { units, .. } } if to == honest => {
                    held = units.iter().map(|granted| granted.unit).collect();
                }
                Order::Answer { .. } => {}
            }
        }
        let idles = |a: &Assignment| a.worker.node == idler;
        of_idler.push(distributor.assignments().filter(idles).count());
    }
    of_idler
}

/// Who asks for units and does nothing with them has them for a while, then ever more rarely.
#[test]
fn a_worker_that_never_acts_loses_its_units() {
    let of_idler = shares_with_an_idler();
    assert!(of_idler[..8].contains(&2), "at first it is believed: {of_idler:?}");
    let late = &of_idler[200..];
    let starved = late.iter().filter(|units| **units > 0).count();
    assert!(2 * starved < late.len(), "{of_idler:?}");
}

#[cfg(madsim)]
#[test]
fn idlers_that_keep_their_units_are_found() {
    use crate::probe::{Mutant, begin_run};

    begin_run(Some(Mutant::IdlersKeepTheirUnits));
    let of_idler = shares_with_an_idler();
    begin_run(None);
    assert!(of_idler[8..].iter().all(|units| *units == 2), "{of_idler:?}");
}
