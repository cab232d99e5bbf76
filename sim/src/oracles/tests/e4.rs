//! Histories that keep and break E4.

use fencepost::{Generation, Identity, Incarnation, Term, Token};

use crate::history::Kind;
use crate::history::MessageKind::Heartbeat;
use crate::oracles::e4_own_election::ORACLE;
use crate::oracles::testing::{GENERATION, Script, id, node};

fn leading() -> Script {
    Script::new().booted(1, 1).started(1, 0, None).elected(1, 1, &[1, 2])
}

#[test]
fn an_elected_leader_may_lead() {
    leading()
        .sent(1, 2, 1, Heartbeat)
        .lease(1, 1, 900)
        .activated_in(1, 1, 1, false)
        .guard(1, 1)
        .stepped_down(1, 1)
        .elected(1, 2, &[1, 3])
        .sent(1, 2, 2, Heartbeat)
        .check(&ORACLE);
}

#[test]
fn every_sign_of_leadership_needs_an_election() {
    let script = Script::new().bad().sent(1, 2, 1, Heartbeat).bad().lease(1, 1, 900);
    script.bad().activated_in(1, 1, 1, false).bad().guard(1, 1).check(&ORACLE);
    // One's own election, in that term.
    leading().bad().sent(2, 3, 1, Heartbeat).bad().lease(1, 2, 900).check(&ORACLE);
}

#[test]
fn stepping_down_ends_it_but_only_in_its_own_term() {
    leading().stepped_down(1, 1).bad().sent(1, 2, 1, Heartbeat).check(&ORACLE);
    leading().stepped_down(1, 1).bad().lease(1, 1, 900).bad().guard(1, 1).check(&ORACLE);
    leading().stepped_down(1, 0).stepped_down(2, 1).lease(1, 1, 900).check(&ORACLE);
}

#[test]
fn a_restarted_leader_does_not_resume() {
    leading().down(1).bad().lease(1, 1, 900).check(&ORACLE);
    let resumed = leading().down(1).booted(1, 2).started(1, 1, Some(1));
    resumed.bad().sent(1, 2, 1, Heartbeat).bad().guard(1, 1).check(&ORACLE);
    // Another node's restart changes nothing.
    leading().down(2).booted(2, 2).lease(1, 1, 900).check(&ORACLE);
}

#[test]
fn raising_the_floor_may_commit_late() {
    leading().stepped_down(1, 1).down(1).activated_in(1, 1, 1, false).check(&ORACLE);
    leading().bad().activated_in(1, 1, 2, false).bad().activated_in(1, 2, 1, false).check(&ORACLE);
}

#[test]
fn another_life_of_the_node_is_not_entitled() {
    let second = Identity { node: node(1), incarnation: Incarnation(2) };
    let script = leading().bad().push(Kind::GuardIssued { holder: second, token: Token(1) });
    let (generation, term, certificate) = (GENERATION, Term(2), vec![second]);
    let elected = Kind::Elected { leader: second, generation, term, certificate };
    script.bad().push(elected).check(&ORACLE);
}

/// After a roll call n1 is in its first life again.
#[test]
fn an_election_of_another_generation_entitles_to_nothing() {
    let next = Generation::stored(GENERATION.number + 1);
    let script = leading().roll_called(next.number, 1);
    let script = script.bad().activated_in(next.number, 1, 1, false);
    script.activated_in(GENERATION.number, 1, 1, false).check(&ORACLE);

    let elected = |generation| {
        let (leader, term, certificate) = (id(1), Term(1), vec![id(1), id(2)]);
        Kind::Elected { leader, generation, term, certificate }
    };
    let script = Script::new().booted(1, 1).push(elected(next)).activated_in(2, 1, 1, false);
    script.bad().sent(1, 2, 1, Heartbeat).check(&ORACLE);
}
