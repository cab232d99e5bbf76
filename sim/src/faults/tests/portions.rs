//! What holds in some of a hundred seeds of a swarm: minor faults alone, and shared work.

use super::*;

fn swarm(portions: &str) -> Scenario {
    scenario(&format!(
        "{HEAD}workload = {{ messages = 5, units = 4, spread = 8 }}\n\
         [swarm]\ncount = \"2..5\"\n{portions}\ndraw = {{ kill-all-wiped = 1 }}\n"
    ))
}

#[test]
fn where_faults_are_minor_each_meets_one_follower_and_the_leader_must_stay() {
    let (all, some) = (swarm("minor = 100"), swarm("minor = 30"));
    for seed in 1..=200 {
        let plan = generate(&all, seed);
        assert!(plan.stable && (1..=2).contains(&plan.faults.len()), "seed {seed}: {plan:?}");
        for planned in &plan.faults {
            let text = planned.to_string();
            assert!(text.contains("follower") && !text.contains("all"), "seed {seed}: {text}");
        }
        assert_eq!(read_back(&plan), plan);
        assert!(!generate(&swarm(""), seed).stable);
    }
    let minor = (1..=200).filter(|seed| generate(&some, *seed).stable).count();
    assert!((30..=90).contains(&minor), "{minor} of 200 with 30 of a hundred");
}

#[test]
fn work_is_shared_in_as_many_seeds_as_the_swarm_says() {
    let shared = |portions: &str, seed| {
        let handling = generate(&swarm(portions), seed).workload.unwrap().handling;
        assert_eq!(handling.units == 0, handling.spread == 0);
        handling.spread > 0
    };
    let count = |portions| (1..=200).filter(|seed| shared(portions, *seed)).count();
    assert_eq!((count(""), count("shared = 0")), (200, 0));
    assert!((30..=90).contains(&count("shared = 30")));
}
