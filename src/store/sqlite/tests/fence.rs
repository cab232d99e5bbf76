//! Who may write: the floor, its holder, generations and the roll, and whose store it is.

use super::*;
use crate::election::MAX_VOTERS;
use crate::store::{BindError, FenceRow};

fn activate(
    outbox: &mut SqliteOutbox,
    generation: Generation,
    token: u64,
    holder: Identity,
) -> Result<Activated, StoreError> {
    outbox.activate(generation, Token(token), holder, at(9))
}

fn behind(floor: u64, generation: u64) -> Result<Activated, StoreError> {
    Ok(Activated::Behind { floor: Token(floor), generation: Generation::stored(generation) })
}

fn roll(number: u64, floor: u64, boots: &[Boot]) -> Roll {
    Roll { generation: Generation::stored(number), floor: Term(floor), boots: boots.to_vec() }
}

/// Three nodes, with nonces at both ends of what a signed column must hold.
fn three() -> [Boot; 3] {
    [boot("n1", 0), boot("n2", u64::MAX), boot("n3", 1 << 63)]
}

#[test]
fn raising_the_floor_is_idempotent_for_its_holder_and_for_nobody_else() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    let mut activate =
        |token, name, life| activate(&mut outbox, Generation::NONE, token, node(name, life));
    assert_eq!(activate(0, "n1", 1), behind(0, 0));
    for _ in 0..2 {
        assert_eq!(activate(5, "n1", 1), Ok(Activated::Raised));
    }
    assert_eq!(activate(5, "n1", 2), behind(5, 0));
    assert_eq!(activate(5, "n2", 1), behind(5, 0));
    assert_eq!(activate(4, "n1", 1), behind(5, 0));
    assert_eq!(activate(Term::MAX.0, "n1", 1), Ok(Activated::Raised));
    assert!(matches!(activate(Term::MAX.0 + 1, "n1", 1), Err(StoreError::Unavailable(_))));
}

#[test]
fn only_the_floor_writes() {
    for token in [0, 4, 6, u64::MAX] {
        let mut outbox = outbox();
        let floor = Token(5);
        assert_eq!(claim(&mut outbox, token, 10), Checked::Fenced { floor });
        assert_eq!(claim(&mut outbox, 5, 10), GRANTED);
        let before = only_entry(&mut outbox);
        assert_eq!(settle(&mut outbox, token, &Settlement::Delivered), Checked::Fenced { floor });
        let proved = resolve(&mut outbox, token, &Proof::SinkHasIt, 10);
        assert_eq!(proved, Checked::Fenced { floor });
        assert_eq!(outbox.sweep(Token(token), at(10)), Ok(Checked::Fenced { floor }));
        assert_eq!(only_entry(&mut outbox), before);
    }
}

#[test]
fn before_the_first_activation_nobody_writes() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    enqueue(&mut outbox, "m", b"", at(1)).unwrap();
    assert_eq!(claim(&mut outbox, 0, 1), Checked::Fenced { floor: Token(0) });
    assert_eq!(outbox.sweep(Token(0), at(1)), Ok(Checked::Fenced { floor: Token(0) }));
}

#[test]
fn a_roll_call_keeps_the_floor_and_lists_exactly_its_boots() {
    let mut outbox = outbox();
    assert_eq!(outbox.roll(), Ok(roll(0, 5, &[])));
    let [n1, n2, n3] = three();
    let first = outbox.call_roll(Generation::NONE, &[n3, n1, n2]);
    assert_eq!(first, Ok(roll(1, 5, &[n1, n2, n3])), "in the order of the nodes");
    assert_eq!(outbox.roll(), first);
    let again = boot("n2", 7);
    let second = outbox.call_roll(Generation::stored(1), &[n3, again]);
    assert_eq!(second, Ok(roll(2, 5, &[again, n3])), "nothing of the first roll is left");
    assert_eq!(outbox.roll(), second);
    raise(&mut outbox, 6);
    assert_eq!(outbox.roll(), Ok(roll(2, 6, &[again, n3])));
}

#[test]
fn a_roll_call_that_was_overtaken_or_is_repeated_changes_nothing() {
    let mut outbox = outbox();
    let [n1, n2, n3] = three();
    let first = outbox.call_roll(Generation::NONE, &[n1, n2]);
    raise(&mut outbox, 6);
    let holder = outbox.fence().unwrap().holder;
    let stands = Ok(roll(1, 6, &[n1, n2]));
    assert!(first.is_ok() && holder.is_some());
    assert_eq!(outbox.call_roll(Generation::NONE, &[n1, n2]), stands, "repeated");
    assert_eq!(outbox.call_roll(Generation::NONE, &[n2, n3]), stands, "overtaken");
    assert_eq!(outbox.call_roll(Generation::stored(2), &[n2, n3]), stands, "ahead of the store");
    let storeless = Generation { number: 1, roll: 77 };
    assert_eq!(outbox.call_roll(storeless, &[n2, n3]), stands, "a cluster without a store");
    assert_eq!(outbox.fence().unwrap().holder, holder);
}

#[test]
fn an_activation_counts_only_in_the_stores_generation() {
    let mut outbox = outbox();
    let n1 = node("n1", 1);
    assert_eq!(activate(&mut outbox, Generation::stored(1), 6, n1), behind(5, 0), "not there yet");
    outbox.call_roll(Generation::NONE, &three()).unwrap();
    assert_eq!(activate(&mut outbox, Generation::NONE, 6, n1), behind(5, 1), "over");
    assert_eq!(activate(&mut outbox, Generation { number: 1, roll: 77 }, 6, n1), behind(5, 1));
    let beyond = Generation::stored(Generation::MAX_NUMBER + 1);
    assert_eq!(activate(&mut outbox, beyond, 6, n1), behind(5, 1));
    for _ in 0..2 {
        assert_eq!(activate(&mut outbox, Generation::stored(1), 6, n1), Ok(Activated::Raised));
    }
    assert_eq!(activate(&mut outbox, Generation::NONE, 6, n1), behind(6, 1), "same, but over");
}

/// Incarnations start anew in each generation, so n1/1 may be another process by then.
#[test]
fn nobody_holds_what_was_raised_before_the_roll_call() {
    let mut outbox = outbox();
    outbox.call_roll(Generation::NONE, &three()).unwrap();
    assert_eq!(outbox.fence().unwrap().holder, None);
    assert_eq!(activate(&mut outbox, Generation::stored(1), 5, node("n1", 1)), behind(5, 1));
}

#[test]
fn a_roll_call_that_could_not_start_a_cluster_is_refused_and_says_why() {
    let mut outbox = outbox();
    let [n1, n2, _] = three();
    let crowd: Vec<_> = (0..=MAX_VOTERS).map(|n| boot(&format!("n{n}"), 1)).collect();
    let last = Generation::stored(Generation::MAX_NUMBER);
    let cases: [(Generation, &[Boot], &str); 5] = [
        (Generation::NONE, &[], "without boots"),
        (Generation::NONE, &crowd, "16 boots: there are at most 15 voters"),
        (Generation::NONE, &[n1, n2, boot("n1", 3)], "lists n1 twice"),
        (last, &[n1], "no generation after 9223372036854775807"),
        (Generation::stored(u64::MAX), &[n1], "no generation after"),
    ];
    for (seen, boots, reason) in cases {
        let Err(StoreError::Unavailable(why)) = outbox.call_roll(seen, boots) else { panic!() };
        assert!(why.contains(reason), "{why}");
    }
    assert_eq!(outbox.roll(), Ok(roll(0, 5, &[])));
    let full = outbox.call_roll(Generation::NONE, &crowd[1..]).unwrap();
    assert_eq!(full.boots.len(), MAX_VOTERS);
}

#[test]
fn the_first_cluster_keeps_the_store() {
    let mut outbox = outbox();
    assert_eq!(outbox.bind_cluster(""), Err(BindError::NoName));
    for _ in 0..2 {
        assert_eq!(outbox.bind_cluster("letters"), Ok(()));
    }
    let refused = outbox.bind_cluster("invoices").unwrap_err();
    let said = "the store belongs to cluster \"letters\", not to \"invoices\"";
    assert_eq!(refused.to_string(), said);
    outbox.call_roll(Generation::NONE, &three()).unwrap();
    raise(&mut outbox, 6);
    let fence = FenceRow {
        floor: Token(6),
        holder: Some(node("n1", 1)),
        generation: Generation::stored(1),
        cluster: Some("letters".into()),
        raised: Some(at(2)),
    };
    assert_eq!(outbox.fence(), Ok(fence));
}

#[test]
fn an_unreadable_holder_is_an_error_and_never_somebody_else() {
    let mut outbox = outbox();
    for name in ["n1", "n1/", "/1", "n1/x", "n 1/1"] {
        outbox.connection.execute("UPDATE fence SET holder = ?1", [name]).unwrap();
        assert!(matches!(outbox.fence(), Err(StoreError::Unavailable(_))), "{name}");
    }
    // A higher token needs no look at who was there before.
    let raised = activate(&mut outbox, Generation::NONE, 6, node("n1", 1));
    assert_eq!(raised, Ok(Activated::Raised));
}
