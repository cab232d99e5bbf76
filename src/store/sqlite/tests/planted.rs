//! With bugs planted, and what is counted as reached.

use super::*;
use crate::probe::{Mutant, REACH_POINTS, begin_run, reach_counts};

fn reached(name: &str) -> u32 {
    let point = REACH_POINTS.iter().position(|(point, _)| *point == name).unwrap();
    reach_counts()[point]
}

/// One thread per case, because what is planted belongs to the thread.
fn with_mutant(mutant: Option<Mutant>, case: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            begin_run(mutant);
            case();
        });
    });
}

#[test]
fn without_the_fence_check_a_stale_token_writes() {
    with_mutant(Some(Mutant::NoFenceCheck), || {
        let mut outbox = outbox();
        assert_eq!(claim(&mut outbox, 4, 10), GRANTED);
        let delivered = now_at(MessageState::Delivered);
        assert_eq!(settle(&mut outbox, 4, &Settlement::Delivered), delivered);
        assert_eq!(outbox.sweep(Token(4), at(10)), Ok(Checked::Passed(0)));
        assert_eq!(reached("claim_rejected_stale_token"), 0);
    });
    with_mutant(None, || {
        let mut outbox = outbox();
        assert_eq!(claim(&mut outbox, 4, 10), Checked::Fenced { floor: Token(5) });
        assert_eq!(claim(&mut outbox, 6, 10), Checked::Fenced { floor: Token(5) });
        assert_eq!(reached("claim_rejected_stale_token"), 1);
    });
}

#[test]
fn the_founding_design_marks_what_it_never_claimed() {
    let mark = |outbox: &mut SqliteOutbox| settle(outbox, 4, &Settlement::Delivered);
    with_mutant(Some(Mutant::FoundingDesign), || {
        let mut outbox = outbox();
        assert_eq!(mark(&mut outbox), now_at(MessageState::Delivered));
        let unknown = {
            let attempt = Attempt { id: message("x"), number: 1 };
            settle_one(&mut outbox, Token(4), &attempt, &Settlement::Delivered, at(1))
        };
        assert_eq!(unknown, Ok(refused(None)));
    });
    with_mutant(None, || {
        assert_eq!(mark(&mut outbox()), Checked::Fenced { floor: Token(5) });
        assert_eq!(reached("settle_rejected_stale_token"), 1);
    });
}

#[test]
fn a_sweep_that_finds_something_is_counted() {
    with_mutant(None, || {
        let mut outbox = outbox();
        claim(&mut outbox, 5, 10);
        raise(&mut outbox, 6);
        for _ in 0..2 {
            outbox.sweep(Token(6), at(11)).unwrap();
        }
        assert_eq!(reached("foreign_claim_in_doubt"), 1);
    });
}
