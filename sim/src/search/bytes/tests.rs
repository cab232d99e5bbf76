//! Any bytes, and the plans of every scenario.

use proptest::prelude::*;

use super::*;
use crate::cli::{every_scenario, root};
use crate::run::{RunOptions, Verdict, run_plan};

proptest! {
    /// Whatever the bytes, there is no panic, what is bounded is, and the plan is what its own
    /// scenario file says.
    #[test]
    fn any_bytes_are_a_plan_that_prints_and_reads_back_or_none(
        bytes in prop::collection::vec(any::<u8>(), 0..250),
    ) {
        let Some(plan) = plan_of(&bytes) else { return Ok(()) };
        prop_assert!(plan.faults.len() <= FAULTS_MAX);
        prop_assert!((1..=VOTERS_MAX.into()).contains(&plan.voters));
        prop_assert!(plan.observers <= OBSERVERS_MAX.into());
        prop_assert!(plan.horizon <= Duration::from_secs(HORIZON_MAX.into()));
        prop_assert_eq!(allowed(&plan), Some(plan.clone()));
        let again = bytes_of(&plan);
        prop_assert_eq!(plan_of(&again), Some(plan), "by way of {:?}", again);
    }
}

/// A fuzzer must not spend its time on what is refused.
#[test]
fn most_faults_in_a_calm_cluster_are_accepted() {
    let mut random = crate::streams::stream(7, "records", 0);
    let mut one = || {
        let mut bytes = vec![2, 1, 0, 0, 19, 8, 9];
        bytes.resize(HEADER + record::LEN, 0);
        rand::Rng::fill_bytes(&mut random, &mut bytes[HEADER..]);
        plan_of(&bytes).is_some()
    };
    let accepted = (0..1000).filter(|_| one()).count();
    assert!(accepted >= 500, "{accepted} of 1000");
}

/// What all bytes of zero say of a fault must not be nothing at all, which is refused.
#[test]
fn a_record_of_zeros_is_a_fault_of_any_kind() {
    for kind in 0..16 {
        let mut bytes = vec![2, 1, 0, 0, 19, 8, 9];
        bytes.resize(HEADER + record::LEN, 0);
        bytes[HEADER] = kind;
        assert_eq!(plan_of(&bytes).map(|plan| plan.faults.len()), Some(1), "kind {kind}");
    }
}

#[test]
fn no_bytes_are_a_calm_run() {
    let plan = plan_of(&[]).unwrap();
    assert_eq!((plan.voters, plan.faults.len()), (1, 0));
}

/// The most messages on the slowest network, without a fault: 15 s of healing were not enough.
#[test]
fn a_slow_network_is_no_find() {
    let slow = u8::try_from(LATENCIES.len() - 2).unwrap();
    let plan = plan_of(&[0, 0, 0, 0, MESSAGES_MAX - 1, 0, 0, slow]).unwrap();
    assert!(LATENCIES.iter().all(|(_, high)| *high <= plan.network.latency.high));
    assert_eq!(run_plan(&plan, &RunOptions::default()).verdict, Verdict::Ok);
}

/// The scenarios are the fuzzer's corpus, as far as records can say their faults.
#[test]
fn the_plans_of_scenarios_are_bytes_and_keep_their_kinds_of_faults() {
    let mut kept = 0;
    let mut all = 0;
    for subject in every_scenario(&root()).unwrap() {
        let plan = generate(&subject.scenario, 1);
        all += 1;
        let Some(near) = plan_of(&bytes_of(&plan)) else { continue };
        assert!(near.faults.len() <= plan.faults.len(), "{}", subject.reference);
        kept += u32::from(near.faults.len() == plan.faults.len().min(FAULTS_MAX));
    }
    assert!(kept * 2 > all, "{kept} of {all}");
}
