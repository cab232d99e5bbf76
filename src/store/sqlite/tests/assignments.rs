//! Who has which unit: compare-and-set under the token, and what a worker may claim.

use super::*;
use crate::store::{Assigned, Assignment, Change, Epoch, Lot, MAX_UNITS, Share, Unit, WorkName};

fn work() -> WorkName {
    WorkName::new("outbox").unwrap()
}

fn change(unit: u32, after: u64, worker: Boot) -> Change {
    Change { unit: Unit(unit), after: Epoch(after), worker }
}

fn assignment(unit: u32, epoch: u64, worker: Boot, token: u64) -> Assignment {
    Assignment { unit: Unit(unit), epoch: Epoch(epoch), worker, token: Token(token) }
}

fn assign(outbox: &mut SqliteOutbox, token: u64, of: u32, changes: &[Change]) -> Checked<Assigned> {
    outbox.assign(Token(token), &work(), of, changes, at(30)).unwrap()
}

fn stands(units: u32, list: &[Assignment]) -> Checked<Assigned> {
    Checked::Passed(Assigned { units, list: list.to_vec() })
}

fn n1() -> Boot {
    boot("n1", u64::MAX)
}

fn n2() -> Boot {
    boot("n2", 2)
}

/// The permit of a worker of all the lots that "m" may be in, or of none of them.
fn permit(token: u64, unit: u32, of: u32, epoch: u64, worker: Boot) -> Permit {
    let (unit, epoch) = (Unit(unit), Epoch(epoch));
    Permit { token: Token(token), share: Some(Share { work: work(), unit, of, epoch, worker }) }
}

fn claim_as(outbox: &mut SqliteOutbox, permit: &Permit, now: u64) -> Checked<Claim> {
    let attempt = next(outbox, "m");
    only(outbox.claim(permit, &[attempt], at(777), at(now)).unwrap())
}

const NOT_ASSIGNED: Checked<Claim> = Checked::Passed(Claim::NotAssigned);

#[test]
fn a_work_that_nobody_has_heard_of_has_no_units() {
    assert_eq!(outbox().assignments(&work()), Ok(Assigned::default()));
}

#[test]
fn epochs_rise_and_a_change_names_the_one_before() {
    let mut outbox = outbox();
    let first = [assignment(0, 1, n1(), 5), assignment(2, 2, n2(), 5)];
    let changes = [change(0, 0, n1()), change(2, 0, n2())];
    assert_eq!(assign(&mut outbox, 5, 3, &changes), stands(3, &first));
    // Said again after its answer was lost, it changes nothing and tells the same.
    assert_eq!(assign(&mut outbox, 5, 3, &changes), stands(3, &first));
    assert_eq!(outbox.assignments(&work()), Ok(Assigned { units: 3, list: first.to_vec() }));
    // All or none.
    let half = [change(0, 1, n2()), change(2, 1, n1())];
    assert_eq!(assign(&mut outbox, 5, 3, &half), stands(3, &first));
    let second = [assignment(0, 3, n2(), 5), first[1]];
    assert_eq!(assign(&mut outbox, 5, 3, &[change(0, 1, n2())]), stands(3, &second));
    // Of another work, epochs are its own.
    let other = WorkName::new("other").unwrap();
    let of_other = outbox.assign(Token(5), &other, 1, &[change(0, 0, n1())], at(30)).unwrap();
    assert_eq!(of_other, stands(1, &[assignment(0, 1, n1(), 5)]));
    assert_eq!(outbox.assignments(&work()), Ok(Assigned { units: 3, list: second.to_vec() }));
}

#[test]
fn only_the_floor_assigns() {
    let mut outbox = outbox();
    for token in [0, 4, 6] {
        let fenced = assign(&mut outbox, token, 3, &[change(0, 0, n1())]);
        assert_eq!(fenced, Checked::Fenced { floor: Token(5) });
    }
    assert_eq!(outbox.assignments(&work()), Ok(Assigned::default()));
}

#[test]
fn impossible_units_are_refused() {
    let mut outbox = outbox();
    for (units, unit) in [(0, 0), (MAX_UNITS + 1, 0), (3, 3)] {
        let refused = outbox.assign(Token(5), &work(), units, &[change(unit, 0, n1())], at(30));
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
}

#[test]
fn a_worker_claims_under_exactly_its_newest_assignment() {
    let mut outbox = outbox();
    assign(&mut outbox, 5, 1, &[change(0, 0, n1())]);
    let good = permit(5, 0, 1, 1, n1());
    let others = [
        permit(5, 0, 1, 2, n1()),
        permit(5, 0, 1, 1, n2()),
        permit(5, 0, 1, 1, boot("n1", 1)),
        permit(5, 0, 2, 1, n1()),
        permit(5, 1, 1, 1, n1()),
        permit(5, 0, 0, 1, n1()),
    ];
    for other in others {
        assert_eq!(claim_as(&mut outbox, &other, 40), NOT_ASSIGNED, "{other:?}");
    }
    let elsewhere = Share { work: WorkName::new("x").unwrap(), ..good.share.clone().unwrap() };
    let elsewhere = Permit { share: Some(elsewhere), ..good.clone() };
    assert_eq!(claim_as(&mut outbox, &elsewhere, 40), NOT_ASSIGNED);
    assert_eq!(
        claim_as(&mut outbox, &permit(4, 0, 1, 1, n1()), 40),
        Checked::Fenced { floor: Token(5) }
    );
    assert_eq!(claim_as(&mut outbox, &good, 40), GRANTED);
    assert_eq!(claim_as(&mut outbox, &good, 41), GRANTED, "said twice");
    assert_eq!(settle(&mut outbox, 5, &Settlement::Delivered), now_at(MessageState::Delivered));
}

#[test]
fn a_worker_claims_only_what_is_in_its_lots() {
    let mut outbox = outbox();
    let mine = u32::from(Lot::of(&message("m"), None).0) % 4;
    let all: Vec<_> = (0..4).map(|unit| change(unit, 0, n1())).collect();
    assign(&mut outbox, 5, 4, &all);
    for unit in (0..4).filter(|unit| *unit != mine) {
        let foreign = permit(5, unit, 4, u64::from(unit) + 1, n1());
        assert_eq!(claim_as(&mut outbox, &foreign, 40), NOT_ASSIGNED);
    }
    let own = permit(5, mine, 4, u64::from(mine) + 1, n1());
    assert_eq!(claim_as(&mut outbox, &own, 40), GRANTED);
}

/// What a paused worker has claimed is not pending again because another takes its place (W2, D1).
#[test]
fn what_the_worker_before_has_claimed_is_in_doubt() {
    let mut outbox = outbox();
    assign(&mut outbox, 5, 1, &[change(0, 0, n1())]);
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 1, n1()), 40), GRANTED);
    assign(&mut outbox, 5, 1, &[change(0, 1, n2())]);
    let entry = only_entry(&mut outbox);
    assert_eq!((entry.state, entry.changed), (MessageState::InDoubt, at(30)));
    assert_eq!(
        entry.reason.unwrap(),
        "claimed under assignment 1, which has ended; outcome unknown"
    );
    // The worker comes back: neither its word nor its permit counts any more.
    assert_eq!(
        settle(&mut outbox, 5, &Settlement::Delivered),
        refused(Some(MessageState::InDoubt))
    );
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 1, n1()), 41), NOT_ASSIGNED);
    // Resolved, it is the new worker's.
    assert_eq!(resolve(&mut outbox, 5, &Proof::SinkLacksIt, 42), now_at(MessageState::Pending));
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 2, n2()), 43), GRANTED);
}

#[test]
fn two_claimers_of_one_token_are_two() {
    let mut outbox = outbox();
    assign(&mut outbox, 5, 1, &[change(0, 0, n1())]);
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 1, n1()), 40), GRANTED);
    // The holder of the token did not say so, whatever the number of the attempt.
    assert_eq!(claim(&mut outbox, 5, 41), no_claim(Some(MessageState::Claimed)));
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 1, n1()), 42), GRANTED);
}

#[test]
fn a_deposed_leaders_assignments_count_no_more() {
    let mut outbox = outbox();
    assign(&mut outbox, 5, 1, &[change(0, 0, n1())]);
    raise(&mut outbox, 6);
    let floor = Token(6);
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 1, n1()), 40), Checked::Fenced { floor });
    assert_eq!(claim_as(&mut outbox, &permit(6, 0, 1, 1, n1()), 40), NOT_ASSIGNED);
    assert_eq!(assign(&mut outbox, 5, 1, &[change(0, 1, n2())]), Checked::Fenced { floor });
    let confirmed = [assignment(0, 2, n1(), 6)];
    assert_eq!(assign(&mut outbox, 6, 1, &[change(0, 1, n1())]), stands(1, &confirmed));
    assert_eq!(claim_as(&mut outbox, &permit(6, 0, 1, 2, n1()), 40), GRANTED);
}

#[test]
fn another_number_of_units_ends_all_that_was_assigned() {
    let mut outbox = outbox();
    assign(&mut outbox, 5, 1, &[change(0, 0, n1())]);
    assert_eq!(claim_as(&mut outbox, &permit(5, 0, 1, 1, n1()), 40), GRANTED);
    // Also if the change names an assignment that ends with it.
    assert_eq!(assign(&mut outbox, 5, 2, &[change(0, 1, n2())]), stands(2, &[]));
    assert_eq!(only_entry(&mut outbox).state, MessageState::InDoubt);
    let anew = [assignment(0, 2, n2(), 5)];
    assert_eq!(assign(&mut outbox, 5, 2, &[change(0, 0, n2())]), stands(2, &anew));
    assert_eq!(outbox.assignments(&work()), Ok(Assigned { units: 2, list: anew.to_vec() }));
}
