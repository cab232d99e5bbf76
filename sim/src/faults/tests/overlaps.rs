//! What a seed draws in vain is left out.

use super::*;

#[test]
fn a_draw_that_would_do_nothing_is_left_out() {
    // Long bounces of few nodes: most of them would meet a node that is down.
    let swarm = scenario(&format!(
        "{HEAD}[swarm]\ncount = 40\ndraw = {{ kill = 1, pause = 1, rate = 1 }}\n\
         ranges = {{ down = \"20s..30s\", pause = \"20s..30s\", rate = \"20s..30s\" }}\n"
    ));
    let mut left = 0;
    for seed in 0..50 {
        let plan = generate(&swarm, seed);
        assert_eq!(read_back(&plan), plan);
        left += plan.faults.len();
    }
    assert!((300..1_700).contains(&left), "{left} of 2000");
}

#[test]
fn of_two_the_later_is_left_out() {
    // Ranges let pass what some seeds draw on top of each other.
    let scenario = with_faults(
        r#"{ at = "1s..20s", pause = "n1", for = "5s" },
           { at = "1s..20s", pause = "n1", for = "5s" }"#,
    );
    let (mut two, mut one) = (0, 0);
    for seed in 0..100 {
        let plan = generate(&scenario, seed);
        assert_eq!(read_back(&plan), plan);
        match &plan.faults[..] {
            [a, b] => {
                assert!(time(a) + a.fault.duration() <= time(b), "{plan}");
                two += 1;
            }
            [_] => one += 1,
            _ => panic!("{plan}"),
        }
    }
    assert!(two > 20 && one > 20, "{two} and {one}");
}
