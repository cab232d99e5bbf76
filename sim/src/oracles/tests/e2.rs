//! Histories that keep and break E2.

use crate::history::MessageKind::{Heartbeat, HeartbeatAck, PreVote, VoteRequest};
use crate::oracles::e2_promises_never_fall::ORACLE;
use crate::oracles::testing::Script;

#[test]
fn an_honest_life_with_a_restart_is_fine() {
    Script::new()
        .started(1, 0, None)
        .sent(1, 2, 0, PreVote)
        .persisted(1, 1, Some(1))
        .sent(1, 2, 1, VoteRequest)
        .sent(1, 2, 1, Heartbeat)
        .persisted(1, 3, None)
        .sent(1, 2, 3, HeartbeatAck)
        .persisted(1, 3, Some(2))
        .grants(1, 2, 3)
        .replies(1, 3, 3, false, &[])
        .down(1)
        .started(1, 3, Some(2))
        .grants(1, 2, 3)
        .check(&ORACLE);
}

#[test]
fn a_falling_term_is_caught_on_disk_and_on_the_wire() {
    let script = Script::new().started(1, 2, None).persisted(1, 5, None);
    script.bad().sent(1, 2, 4, HeartbeatAck).bad().started(1, 4, None).check(&ORACLE);
    // What was only said binds as well.
    let script = Script::new().started(1, 2, None).bad().sent(1, 2, 3, PreVote);
    script.bad().persisted(1, 2, None).check(&ORACLE);
}

#[test]
fn nothing_is_sent_before_it_is_durable() {
    Script::new()
        .bad()
        .sent(1, 2, 0, PreVote)
        .started(1, 1, None)
        .bad()
        .sent(1, 2, 2, VoteRequest)
        .persisted(1, 2, Some(1))
        .sent(1, 2, 2, VoteRequest)
        .check(&ORACLE);
}

#[test]
fn a_vote_is_durable_before_it_is_sent() {
    // A term without its vote is not enough, neither for another nor for oneself.
    let script = Script::new().started(2, 1, None).persisted(2, 2, None);
    script.bad().grants(2, 1, 2).persisted(2, 2, Some(1)).grants(2, 1, 2).check(&ORACLE);
    let script = Script::new().started(1, 1, None).persisted(1, 2, None);
    script.bad().sent(1, 2, 2, VoteRequest).check(&ORACLE);
}

#[test]
fn an_elected_nodes_own_vote_is_durable() {
    let script = || Script::new().started(1, 1, None).persisted(1, 2, Some(1));
    script().elected(1, 2, &[1]).check(&ORACLE);
    script().bad().elected(1, 3, &[1]).bad().elected(2, 2, &[2]).check(&ORACLE);
    script().persisted(1, 3, Some(2)).bad().elected(1, 3, &[1]).check(&ORACLE);
}

#[test]
fn a_changed_vote_is_caught_even_if_it_was_cleared_in_between() {
    let script = Script::new().started(2, 1, None).persisted(2, 2, Some(1));
    script.bad().persisted(2, 2, Some(3)).bad().grants(2, 1, 2).check(&ORACLE);
    let script = Script::new().started(2, 1, None).persisted(2, 2, Some(1));
    script.bad().persisted(2, 2, None).bad().persisted(2, 2, Some(3)).check(&ORACLE);
    // A restart that forgot the vote is the same thing.
    let script = Script::new().started(2, 1, None).persisted(2, 2, Some(1)).down(2);
    script.bad().started(2, 2, None).check(&ORACLE);
}

#[test]
fn a_new_term_is_a_new_vote() {
    let script = Script::new().started(2, 1, Some(1)).persisted(2, 2, Some(3));
    script.grants(2, 3, 2).bad().grants(2, 1, 2).check(&ORACLE);
}
