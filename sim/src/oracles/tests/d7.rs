//! Histories that keep and break D7.

use crate::history::MessageState::{Delivered, Failed, InDoubt, Pending};
use crate::history::ProofKind::NeverSent;
use crate::history::SendOutcome::{self, Accepted, NotNow, Rejected};
use crate::oracles::d7_no_death_by_a_sick_sink::ORACLE;
use crate::oracles::testing::Script;

fn sent(script: Script, message: u32, outcome: SendOutcome) -> Script {
    let script = script.claimed(1, message).send_started(1, 1, message);
    script.send_ended(1, 1, message, outcome)
}

fn waits(script: Script, message: u32, outcome: SendOutcome) -> Script {
    let script = sent(script, message, outcome).settled(1, message, InDoubt);
    script.resolved(1, message, Pending, NeverSent)
}

#[test]
fn what_is_refused_ends_once_the_sink_has_taken_another() {
    let script = sent(waits(Script::new(), 7, Rejected), 8, Accepted).settled(1, 8, Delivered);
    sent(script, 7, Rejected).settled(1, 7, Failed).check(&ORACLE);
}

#[test]
fn nothing_else_taken_nothing_ends() {
    sent(Script::new(), 7, Rejected).bad().settled(1, 7, Failed).check(&ORACLE);
    // What was taken before says nothing of now.
    let script = sent(Script::new(), 8, Accepted).settled(1, 8, Delivered);
    sent(script, 7, Rejected).bad().settled(1, 7, Failed).check(&ORACLE);
    // Nor do refusals of others.
    let script = waits(Script::new(), 8, Rejected);
    sent(script, 7, Rejected).bad().settled(1, 7, Failed).check(&ORACLE);
}

#[test]
fn the_last_attempt_ends_it_in_any_case() {
    let attempts = Script::new().setting_attempts();
    let mut script = Script::new();
    for _ in 1..attempts {
        script = waits(script, 7, NotNow);
    }
    sent(script, 7, Rejected).settled(1, 7, Failed).check(&ORACLE);
}
