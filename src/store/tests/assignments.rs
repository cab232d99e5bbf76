//! Who has which unit: compare-and-set under the token, and what a worker may claim.

use super::*;
use crate::store::{
    Assigned, Assignment, Change, Epoch, Lot, MAX_UNITS, MessageState, Share, Unit, WorkName,
};

pub(in crate::store) fn work() -> WorkName {
    WorkName::new("outbox").unwrap()
}

pub(in crate::store) fn change(unit: u32, after: u64, worker: Boot) -> Change {
    Change { unit: Unit(unit), after: Epoch(after), worker }
}

fn assignment(unit: u32, epoch: u64, worker: Boot, token: u64) -> Assignment {
    Assignment { unit: Unit(unit), epoch: Epoch(epoch), worker, token: Token(token) }
}

pub(in crate::store) async fn assign(
    store: &impl Subject,
    token: u64,
    of: u32,
    changes: &[Change],
) -> Checked<Assigned> {
    store.assign(Token(token), &work(), of, changes).await.unwrap()
}

fn stands(units: u32, list: &[Assignment]) -> Checked<Assigned> {
    Checked::Passed(Assigned { units, list: list.to_vec() })
}

pub(in crate::store) fn n1() -> Boot {
    boot("n1", u64::MAX)
}

pub(in crate::store) fn n2() -> Boot {
    boot("n2", 2)
}

/// The permit of a worker of all the lots that "m" may be in, or of none of them.
pub(in crate::store) fn permit(token: u64, unit: u32, of: u32, epoch: u64, worker: Boot) -> Permit {
    let (unit, epoch) = (Unit(unit), Epoch(epoch));
    Permit { token: Token(token), share: Some(Share { work: work(), unit, of, epoch, worker }) }
}

/// The answer to a claim of the attempt at "m" that stands or is next.
async fn claim_as(store: &impl Subject, permit: &Permit) -> Checked<Claim> {
    let entry = store.entry_of("m").await.unwrap();
    let again = entry.state == MessageState::Claimed;
    let attempt = attempt("m", entry.attempts + u64::from(!again));
    match store.claim(permit, &[attempt], WallTime { unix_ms: 777 }).await.unwrap() {
        Checked::Passed(claims) => Checked::Passed(claims[0]),
        Checked::Fenced { floor } => Checked::Fenced { floor },
    }
}

const GRANTED: Checked<Claim> = Checked::Passed(Claim::Granted { send_within: None });
const NOT_ASSIGNED: Checked<Claim> = Checked::Passed(Claim::NotAssigned);
const FENCED: Checked<Claim> = Checked::Fenced { floor: Token(5) };

/// A store whose floor is 5, with the pending message "m".
async fn prepared(store: &impl Subject) {
    add(store, &["m"]).await;
    raise(store, 5).await;
}

pub(super) async fn a_work_that_nobody_has_heard_of_has_no_units(store: &impl Subject) {
    assert_eq!(store.assignments(&work()).await, Ok(Assigned::default()));
}

pub(super) async fn epochs_rise_and_a_change_names_the_one_before(store: &impl Subject) {
    prepared(store).await;
    let first = [assignment(0, 1, n1(), 5), assignment(2, 2, n2(), 5)];
    let changes = [change(0, 0, n1()), change(2, 0, n2())];
    assert_eq!(assign(store, 5, 3, &changes).await, stands(3, &first));
    // Said again after its answer was lost, it changes nothing and tells the same.
    assert_eq!(assign(store, 5, 3, &changes).await, stands(3, &first));
    let kept = Assigned { units: 3, list: first.to_vec() };
    assert_eq!(store.assignments(&work()).await, Ok(kept));
    // All or none.
    let half = [change(0, 1, n2()), change(2, 1, n1())];
    assert_eq!(assign(store, 5, 3, &half).await, stands(3, &first));
    let second = [assignment(0, 3, n2(), 5), first[1]];
    assert_eq!(assign(store, 5, 3, &[change(0, 1, n2())]).await, stands(3, &second));
    // Of another work, epochs are its own.
    let other = WorkName::new("other").unwrap();
    let of_other = store.assign(Token(5), &other, 1, &[change(0, 0, n1())]).await.unwrap();
    assert_eq!(of_other, stands(1, &[assignment(0, 1, n1(), 5)]));
    let kept = Assigned { units: 3, list: second.to_vec() };
    assert_eq!(store.assignments(&work()).await, Ok(kept));
}

pub(super) async fn only_the_floor_assigns(store: &impl Subject) {
    prepared(store).await;
    for token in [0, 4, 6] {
        let fenced = assign(store, token, 3, &[change(0, 0, n1())]).await;
        assert_eq!(fenced, Checked::Fenced { floor: Token(5) });
    }
    assert_eq!(store.assignments(&work()).await, Ok(Assigned::default()));
}

pub(super) async fn impossible_changes_are_refused(store: &impl Subject) {
    prepared(store).await;
    let twice = [change(1, 0, n1()), change(1, 0, n2())];
    let one = |unit| vec![change(unit, 0, n1())];
    for (units, changes) in [(0, one(0)), (MAX_UNITS + 1, one(0)), (3, one(3)), (3, twice.to_vec())]
    {
        let refused = store.assign(Token(5), &work(), units, &changes).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert_eq!(store.assignments(&work()).await, Ok(Assigned::default()));
}

pub(super) async fn a_worker_claims_under_exactly_its_newest_assignment(store: &impl Subject) {
    prepared(store).await;
    assign(store, 5, 1, &[change(0, 0, n1())]).await;
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
        assert_eq!(claim_as(store, &other).await, NOT_ASSIGNED, "{other:?}");
    }
    let elsewhere = Share { work: WorkName::new("x").unwrap(), ..good.share.clone().unwrap() };
    let elsewhere = Permit { share: Some(elsewhere), ..good.clone() };
    assert_eq!(claim_as(store, &elsewhere).await, NOT_ASSIGNED);
    assert_eq!(claim_as(store, &permit(4, 0, 1, 1, n1())).await, FENCED);
    assert_eq!(store.entry_of("m").await.unwrap().attempts, 0);
    for _ in 0..2 {
        assert_eq!(claim_as(store, &good).await, GRANTED, "said twice, it is one");
    }
    let claimed = store.entry_of("m").await.unwrap();
    assert_eq!((claimed.attempts, claimed.worker), (1, Some(n1().node)));
    let settled = settle(store, 5, &attempt("m", 1), Settlement::Delivered).await;
    assert_eq!(settled, Checked::Passed(Settled::Now(MessageState::Delivered)));
    assert_eq!(store.entry_of("m").await.unwrap().worker, Some(n1().node), "it is evidence");
}

pub(super) async fn a_worker_sees_and_claims_only_what_is_in_its_lots(store: &impl Subject) {
    prepared(store).await;
    let mine = u32::from(Lot::of(&id("m"), None).0) % 4;
    let all: Vec<_> = (0..4).map(|unit| change(unit, 0, n1())).collect();
    assign(store, 5, 4, &all).await;
    for unit in 0..4 {
        let permit = permit(5, unit, 4, u64::from(unit) + 1, n1());
        let seen = store.pending_of(permit.share.as_ref().unwrap(), 9).await.unwrap().len();
        if unit != mine {
            assert_eq!(claim_as(store, &permit).await, NOT_ASSIGNED);
        }
        assert_eq!(seen, usize::from(unit == mine), "unit {unit}");
    }
    let own = permit(5, mine, 4, u64::from(mine) + 1, n1());
    assert_eq!(claim_as(store, &own).await, GRANTED);
    // Units beyond the number of lots have none.
    let far = Share { unit: Unit(1023), of: 1024, ..own.share.unwrap() };
    assert_eq!(store.pending_of(&far, 9).await, Ok(Vec::new()));
}

/// What a paused worker has claimed is not pending again because another takes its place (W2, D1).
pub(super) async fn what_the_worker_before_has_claimed_is_in_doubt(store: &impl Subject) {
    prepared(store).await;
    assign(store, 5, 1, &[change(0, 0, n1())]).await;
    assert_eq!(claim_as(store, &permit(5, 0, 1, 1, n1())).await, GRANTED);
    assign(store, 5, 1, &[change(0, 1, n2())]).await;
    let entry = store.entry_of("m").await.unwrap();
    assert_eq!((entry.state, entry.worker), (MessageState::InDoubt, Some(n1().node)));
    let reason = "claimed under assignment 1, which has ended; outcome unknown";
    assert_eq!(entry.reason.as_deref(), Some(reason));
    // The worker comes back: neither its word nor its permit counts any more.
    let late = settle(store, 5, &attempt("m", 1), Settlement::Delivered).await;
    let state = Some(MessageState::InDoubt);
    assert_eq!(late, Checked::Passed(Settled::Refused { state }));
    assert_eq!(claim_as(store, &permit(5, 0, 1, 1, n1())).await, NOT_ASSIGNED);
    // Resolved, it is the new worker's.
    let resolved = store.resolve(Token(5), &attempt("m", 1), LACKS).await;
    assert_eq!(resolved, Ok(Checked::Passed(Settled::Now(MessageState::Pending))));
    assert_eq!(claim_as(store, &permit(5, 0, 1, 2, n2())).await, GRANTED);
    assert_eq!(store.entry_of("m").await.unwrap().worker, Some(n2().node));
}

pub(super) async fn claims_of_other_units_stand(store: &impl Subject) {
    prepared(store).await;
    let mine = u32::from(Lot::of(&id("m"), None).0) % 2;
    assign(store, 5, 2, &[change(mine, 0, n1()), change(1 - mine, 0, n2())]).await;
    assert_eq!(claim_as(store, &permit(5, mine, 2, 1, n1())).await, GRANTED);
    assign(store, 5, 2, &[change(1 - mine, 2, n1())]).await;
    assert_eq!(store.entry_of("m").await.unwrap().state, MessageState::Claimed);
    let settled = settle(store, 5, &attempt("m", 1), Settlement::Delivered).await;
    assert_eq!(settled, Checked::Passed(Settled::Now(MessageState::Delivered)));
}

/// Claims of a run that was cut short, which no sweep takes before the next leader: whoever begins anew
/// under the same assignment finds them, and no others.
pub(super) async fn what_is_claimed_under_a_permit_is_found(store: &impl Subject) {
    prepared(store).await;
    assign(store, 5, 1, &[change(0, 0, n1())]).await;
    let mine = permit(5, 0, 1, 1, n1());
    let left = async |permit: &Permit| store.claimed_under(permit).await.unwrap();
    assert_eq!(left(&mine).await, []);
    assert_eq!(claim_as(store, &mine).await, GRANTED);
    add(store, &["n"]).await;
    let first = claim_next(store, 5, "n").await;
    assert_eq!(left(&mine).await, [attempt("m", 1)]);
    assert_eq!(left(&Permit::of_holder(Token(5))).await, [first]);
    assert_eq!(left(&Permit::of_holder(Token(4))).await, []);
    assert_eq!(left(&permit(5, 0, 1, 2, n1())).await, []);
    assert_eq!(left(&permit(4, 0, 1, 1, n1())).await, []);
    let other = Share { work: WorkName::new("other").unwrap(), ..mine.share.clone().unwrap() };
    assert_eq!(left(&Permit { token: Token(5), share: Some(other) }).await, []);
    settle(store, 5, &attempt("m", 1), in_doubt("cut short")).await;
    assert_eq!(left(&mine).await, []);
}

pub(super) async fn two_claimers_of_one_token_are_two(store: &impl Subject) {
    prepared(store).await;
    assign(store, 5, 1, &[change(0, 0, n1())]).await;
    assert_eq!(claim_as(store, &permit(5, 0, 1, 1, n1())).await, GRANTED);
    // The holder of the token did not say so, whatever the number of the attempt.
    let refused = Checked::Passed(Claim::Refused { state: Some(MessageState::Claimed) });
    assert_eq!(claim_as(store, &Permit::of_holder(Token(5))).await, refused);
    assert_eq!(claim_as(store, &permit(5, 0, 1, 1, n1())).await, GRANTED);
}

pub(super) async fn a_deposed_leaders_assignments_count_no_more(store: &impl Subject) {
    prepared(store).await;
    assign(store, 5, 1, &[change(0, 0, n1())]).await;
    raise(store, 6).await;
    let floor = Token(6);
    assert_eq!(claim_as(store, &permit(5, 0, 1, 1, n1())).await, Checked::Fenced { floor });
    assert_eq!(claim_as(store, &permit(6, 0, 1, 1, n1())).await, NOT_ASSIGNED);
    assert_eq!(assign(store, 5, 1, &[change(0, 1, n2())]).await, Checked::Fenced { floor });
    let confirmed = [assignment(0, 2, n1(), 6)];
    assert_eq!(assign(store, 6, 1, &[change(0, 1, n1())]).await, stands(1, &confirmed));
    assert_eq!(claim_as(store, &permit(6, 0, 1, 2, n1())).await, GRANTED);
}

pub(super) async fn another_number_of_units_ends_all_that_was_assigned(store: &impl Subject) {
    prepared(store).await;
    assign(store, 5, 1, &[change(0, 0, n1())]).await;
    assert_eq!(claim_as(store, &permit(5, 0, 1, 1, n1())).await, GRANTED);
    // Also if the change names an assignment that ends with it.
    assert_eq!(assign(store, 5, 2, &[change(0, 1, n2())]).await, stands(2, &[]));
    assert_eq!(store.entry_of("m").await.unwrap().state, MessageState::InDoubt);
    let anew = [assignment(0, 2, n2(), 5)];
    assert_eq!(assign(store, 5, 2, &[change(0, 0, n2())]).await, stands(2, &anew));
    let kept = Assigned { units: 2, list: anew.to_vec() };
    assert_eq!(store.assignments(&work()).await, Ok(kept));
}

pub(super) async fn what_is_assigned_at_once_is_assigned_once<S: Subject + Clone>(store: &S) {
    prepared(store).await;
    let mut tasks = Vec::new();
    for worker in [n1(), n2(), boot("n3", 3), boot("n4", 4)] {
        let store = shared(store);
        let changes = [change(0, 0, worker), change(1, 0, worker)];
        tasks.push(tokio::spawn(async move { assign(&*store, 5, 2, &changes).await }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    let kept = store.assignments(&work()).await.unwrap();
    assert_eq!(kept.list.iter().map(|one| one.epoch.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(answers, vec![Checked::Passed(kept); 4], "each is told what stands");
}
