//! Histories that keep and break V1. The bound is three seconds after the healing.

use crate::history::{Kind, Phase};
use crate::oracles::testing::Script;
use crate::oracles::v1_stable_leader::ORACLE;

/// Healing begins at 10 s and must have a leader at 13 s.
fn healing() -> Script {
    Script::new().at(10_000).healing()
}

/// n1 leads, elected before the healing, with a lease until 12 s.
fn n1_leads_into_healing() -> Script {
    let script = Script::new().at(9000).elected(1, 1, &[1, 2]).lease(1, 1, 12_000).guard(1, 1);
    script.at(10_000).healing()
}

#[test]
fn a_leader_from_before_that_stays_is_fine() {
    let script = n1_leads_into_healing().at(11_999).lease(1, 1, 14_000);
    script
        .at(13_500)
        .lease(1, 1, 20_000)
        .at(19_999)
        .end()
        .stepped_down(1, 1)
        .down(1)
        .check(&ORACLE);
}

#[test]
fn a_leader_that_must_stay_stays_through_the_faults() {
    let mut script = Script::new().booted(1, 1).push(Kind::Phase(Phase::Faults)).lease(1, 1, 9_000);
    script.setting.stable = true;
    let script = script.guard(1, 1).healing().at(3_500).lease(1, 1, 99_000);
    script.at(4_000).push(Kind::End).check(&ORACLE);
    let mut script = Script::new().push(Kind::Phase(Phase::Faults));
    script.setting.stable = true;
    script.bad().stepped_down(1, 1).check(&ORACLE);
}

#[test]
fn a_new_leader_within_the_bound_is_fine_up_to_its_last_nanosecond() {
    let script = healing().at(13_000).elected(2, 2, &[1, 2]).lease(2, 2, 30_000).guard(2, 2);
    script.at(20_000).end().check(&ORACLE);
    let script = healing().at(12_000).elected(2, 2, &[1, 2]).lease(2, 2, 30_000);
    script.at_ns(13_000_000_001).bad().guard(2, 2).at(20_000).end().check(&ORACLE);
}

#[test]
fn being_elected_is_not_leading() {
    let script = healing().at(11_000).elected(2, 2, &[1, 2]).lease(2, 2, 30_000);
    script.at(20_000).bad().end().check(&ORACLE);
}

#[test]
fn leadership_may_change_within_the_bound_only() {
    let changed = |ms, bad: bool| {
        let script = n1_leads_into_healing().lease(1, 1, 40_000).at(ms);
        let script = if bad { script.bad() } else { script };
        let script = script.stepped_down(1, 1).elected(2, 2, &[2, 3]).lease(2, 2, 30_000);
        script.guard(2, 2).at(20_000).end().check(&ORACLE);
    };
    changed(13_000, false);
    changed(13_001, true);
}

#[test]
fn an_election_within_the_bound_that_comes_to_nothing_disturbs_nobody() {
    let script = n1_leads_into_healing().lease(1, 1, 40_000).at(12_000).elected(2, 2, &[2, 3]);
    script.at(14_000).stepped_down(2, 2).at(20_000).end().check(&ORACLE);
}

#[test]
fn whatever_disturbs_a_settled_leader_is_caught() {
    let settled = || n1_leads_into_healing().lease(1, 1, 40_000).at(14_000).bad();
    settled().elected(2, 2, &[2, 3]).at(20_000).end().check(&ORACLE);
    settled().stepped_down(1, 1).at(20_000).end().check(&ORACLE);
    settled().down(1).at(20_000).end().check(&ORACLE);
    // Another guard, with no election to be seen.
    let script = n1_leads_into_healing().lease(1, 1, 40_000).at(14_000).lease(2, 2, 40_000);
    script.bad().guard(2, 2).at(20_000).end().check(&ORACLE);
    // What happens to others does not matter.
    let script = n1_leads_into_healing().lease(1, 1, 40_000).at(14_000).down(2);
    script.stepped_down(2, 0).at(20_000).end().check(&ORACLE);
}

#[test]
fn a_gap_in_the_lease_is_caught() {
    // Over at 12 s, so nobody leads at 13 s.
    let script = n1_leads_into_healing().at(13_500).bad().lease(1, 1, 20_000);
    script.at(19_000).end().check(&ORACLE);
    // A gap within the bound is none of its business, one after it is.
    let script = n1_leads_into_healing().at(12_500).lease(1, 1, 15_000);
    script
        .at(14_999)
        .lease(1, 1, 16_000)
        .at(16_000)
        .bad()
        .lease(1, 1, 30_000)
        .at(20_000)
        .end()
        .check(&ORACLE);
    // And one that nobody notices, up to the end itself.
    let script = n1_leads_into_healing().at(11_000).lease(1, 1, 20_000);
    script.at(20_000).bad().end().check(&ORACLE);
}

#[test]
fn a_run_that_ends_early_needs_its_leader_by_then() {
    n1_leads_into_healing().at(11_999).end().check(&ORACLE);
    n1_leads_into_healing().at(12_000).bad().end().check(&ORACLE);
    healing().at(11_000).bad().end().check(&ORACLE);
}

#[test]
fn a_run_without_a_healing_phase_is_caught_at_its_end() {
    let script = Script::new().at(10).elected(1, 1, &[1, 2]).lease(1, 1, 99_000).guard(1, 1);
    script.at(20_000).bad().end().check(&ORACLE);
}
