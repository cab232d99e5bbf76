//! Histories that keep and break E3.

use fencepost::{Identity, Incarnation, Term};

use crate::history::{Arrivals, Kind, MessageKind, SimTime};
use crate::oracles::e3_majority_certificate::ORACLE;
use crate::oracles::testing::{GENERATION, Script, id, node};

#[test]
fn a_majority_of_granted_votes_is_fine() {
    Script::new().grants(2, 1, 1).elected(1, 1, &[1, 2]).check(&ORACLE);
    Script::with_voters(1).elected(1, 1, &[1]).check(&ORACLE);
    let script = Script::with_voters(4).grants(2, 1, 1).grants(4, 1, 1);
    script.elected(1, 1, &[1, 2, 4]).check(&ORACLE);
    // Any copy will do, and one that arrives at this very instant.
    Script::new().replies(2, 1, 1, true, &[9, 5]).at(5).elected(1, 1, &[1, 2]).check(&ORACLE);
}

#[test]
fn half_of_the_voters_are_no_majority() {
    Script::new().bad().elected(1, 1, &[1]).check(&ORACLE);
    let script = Script::with_voters(4).grants(2, 1, 1);
    script.bad().elected(1, 1, &[1, 2]).check(&ORACLE);
}

#[test]
fn votes_count_by_configured_voter_and_never_without_the_leaders_own() {
    let script = Script::with_voters(5).grants(2, 1, 1).grants(2, 1, 1);
    script.bad().elected(1, 1, &[1, 2, 2]).check(&ORACLE);
    Script::new().grants(4, 1, 1).bad().elected(1, 1, &[1, 4]).check(&ORACLE);
    let script = Script::new().grants(2, 1, 1).grants(3, 1, 1);
    script.bad().elected(1, 1, &[2, 3]).check(&ORACLE);
}

#[test]
fn two_lives_of_one_voter_are_one_voter() {
    let second = Identity { node: node(2), incarnation: Incarnation(2) };
    let its_vote = Kind::Sent {
        from: second,
        to: node(1),
        generation: GENERATION,
        term: Term(1),
        what: MessageKind::VoteReply,
        vote: Some((id(1), true)),
        release: None,
        arrives: Arrivals::At([Some(SimTime(0)), None]),
    };
    // Both were granted, and three of five would do.
    let certificate = vec![id(1), id(2), second];
    let script = Script::with_voters(5).grants(2, 1, 1).push(its_vote).bad();
    let (leader, generation, term) = (id(1), GENERATION, Term(1));
    script.push(Kind::Elected { leader, generation, term, certificate }).check(&ORACLE);
}

#[test]
fn a_vote_that_was_not_granted_does_not_count() {
    let elects = |script: Script| script.bad().elected(1, 2, &[1, 2]).check(&ORACLE);
    elects(Script::new());
    // Refused, of another term, for another candidate, lost, still on its way.
    elects(Script::new().replies(2, 1, 2, false, &[0]));
    elects(Script::new().grants(2, 1, 1));
    elects(Script::new().grants(2, 3, 2));
    elects(Script::new().replies(3, 1, 2, true, &[0]).replies(2, 1, 2, true, &[]));
    elects(Script::new().replies(2, 1, 2, true, &[1]));
    // Granted only afterwards.
    Script::new().bad().elected(1, 2, &[1, 2]).grants(2, 1, 2).check(&ORACLE);
}

#[test]
fn a_transport_that_knows_no_arrivals_is_believed() {
    let vote = |arrives| Kind::Sent {
        from: id(2),
        to: node(1),
        generation: GENERATION,
        term: Term(2),
        what: MessageKind::VoteReply,
        vote: Some((id(1), true)),
        release: None,
        arrives,
    };
    Script::new().push(vote(Arrivals::Untold)).elected(1, 2, &[1, 2]).check(&ORACLE);
    // One that tells is believed as well: none means lost.
    let lost = Script::new().push(vote(Arrivals::At([None, None])));
    lost.bad().elected(1, 2, &[1, 2]).check(&ORACLE);
}
