//! The two ways of a look: they find the same, and neither a backlog nor many keys make it long.

use rusqlite::StatementStatus;

use super::super::pending::{BY_AGE, BY_KEY, END, OUTGOING};
use super::*;
use crate::store::look::Reach;
use crate::store::{Epoch, Share, Unit, WorkName};

/// What a look is to answer, message by message, however long that takes.
const PLAINLY: &str = "SELECT id FROM outbox AS mine
    WHERE state = 0 AND (not_before_ms <= ?2 OR changed_ms > ?2) AND lot % ?3 = ?4 AND (ordering_key IS NULL OR NOT EXISTS (
        SELECT 1 FROM outbox AS earlier WHERE earlier.ordering_key = mine.ordering_key
        AND earlier.seq < mine.seq AND earlier.state IN (0, 1, 4)))
    ORDER BY seq LIMIT ?1";

/// How many steps SQLite's machine may take for one look of [`SOUGHT`] messages: an eighth of what it takes to
/// go over the backlogs here.
const STEPS: i64 = 20_000;
const BACKLOG: u32 = 8_000;
const SOUGHT: usize = 9;

/// A store with `count` messages; `key` says of what key each is.
fn filled(count: u32, key: impl Fn(u32) -> Option<String>) -> SqliteOutbox {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    raise(&mut outbox, 5);
    let new = |number: u32| NewMessage {
        key: key(number).map(|key| OrderingKey::new(&key).unwrap()),
        ..NewMessage::new(message(&format!("m{number}")), *b"x")
    };
    let messages: Vec<_> = (0..count).map(new).collect();
    outbox.enqueue(&messages, at(1)).unwrap();
    outbox
}

/// What a look finds, and how many steps it took.
fn look(outbox: &mut SqliteOutbox) -> (Vec<String>, i64) {
    let steps = |outbox: &SqliteOutbox| {
        let steps = |sql: &&str| {
            let statement = outbox.connection.prepare_cached(sql).unwrap();
            i64::from(statement.reset_status(StatementStatus::VmStep))
        };
        [END, BY_AGE, BY_KEY, OUTGOING].iter().map(steps).sum::<i64>()
    };
    steps(outbox);
    let found = outbox.pending(SOUGHT, at(10)).unwrap();
    (found.iter().map(|it| it.id.to_string()).collect(), steps(outbox))
}

fn set(outbox: &SqliteOutbox, what: &str) {
    outbox.connection.execute(&format!("UPDATE outbox SET {what}"), []).unwrap();
}

#[test]
fn a_look_is_short_however_long_the_backlog_of_a_key() {
    let backlog = || {
        filled(BACKLOG, |number| match number {
            n if n < BACKLOG - 2 => Some("hot".into()),
            n if n == BACKLOG - 2 => Some("other".into()),
            _ => None,
        })
    };
    let (other, free) = (format!("m{}", BACKLOG - 2), format!("m{}", BACKLOG - 1));
    for (head, finds) in [
        ("state = 0", true),
        ("not_before_ms = 99", false),
        ("state = 1, token = 5", false),
        ("state = 4, parked = 1", false),
    ] {
        let mut outbox = backlog();
        set(&outbox, &format!("{head} WHERE id = 'm0'"));
        let (found, steps) = look(&mut outbox);
        let first = finds.then(|| "m0".to_owned());
        let expected: Vec<_> = first.into_iter().chain([other.clone(), free.clone()]).collect();
        assert_eq!(found, expected, "{head}");
        assert!(steps < STEPS, "{head}: {steps} steps");
    }
    // As it was before there were two ways.
    let outbox = backlog();
    let which = [SOUGHT as i64, 10, 1, 0];
    let mut plainly = outbox.connection.prepare(PLAINLY).unwrap();
    assert_eq!(plainly.query_map(which, |_| Ok(())).unwrap().count(), 3);
    let steps = i64::from(plainly.get_status(StatementStatus::VmStep));
    assert!(steps > 4 * STEPS, "the limit would not notice a whole backlog: {steps} steps");
}

/// A key for every message is as good as none, also behind a backlog.
#[test]
fn a_look_is_short_however_many_keys_there_are() {
    for blocked in [0, 500] {
        let mut outbox = filled(BACKLOG, |number| match number {
            n if n < blocked => Some("hot".into()),
            n => Some(format!("k{n}")),
        });
        set(&outbox, "not_before_ms = 99 WHERE ordering_key = 'hot'");
        let (found, steps) = look(&mut outbox);
        let expected = (blocked..).take(SOUGHT).map(|number| format!("m{number}"));
        assert_eq!(found, expected.collect::<Vec<_>>());
        assert!(steps < STEPS, "behind {blocked}: {steps} steps");
    }
}

/// Numbers by chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// A few hundred messages in all states, some of them resting.
fn mixed(chance: &mut Chance) -> SqliteOutbox {
    let most = [3, 160][usize::try_from(chance.below(2)).unwrap()];
    let (count, keys) = (1 + chance.below(300), 1 + chance.below(most));
    let free = chance.below(2) * (1 + keys / 3);
    let draws: Vec<u64> = (0..count).map(|_| chance.below(keys + free)).collect();
    let key = |number: u32| {
        let drawn = draws[number as usize];
        (drawn < keys).then(|| format!("k{drawn}"))
    };
    let outbox = filled(u32::try_from(count).unwrap(), key);
    let ends = chance.below(4);
    for seq in 1..=count {
        let state = match chance.below(4 + ends) {
            4.. => 2,
            0 => chance.below(5),
            _ => 0,
        };
        let due = if chance.below(8) == 0 { 99 } else { 0 };
        set(&outbox, &format!("state = {state}, not_before_ms = {due} WHERE seq = {seq}"));
    }
    outbox
}

/// Whatever was reached, what is answered is what going over all of them answers.
#[test]
fn both_ways_find_what_going_over_all_finds() {
    let mut chance = Chance(1);
    let mut answers = [0; 4];
    for _ in 0..120 {
        let mut outbox = mixed(&mut chance);
        let of = [1, 1, 3][usize::try_from(chance.below(3)).unwrap()];
        let unit = u32::try_from(chance.below(of.into())).unwrap();
        let limit = usize::try_from(chance.below(12)).unwrap();
        let sought = [limit as i64, 10, of.into(), unit.into()];
        let plainly: Vec<String> = outbox.list(PLAINLY, sought, |row| row.get(0)).unwrap();
        let share = Share {
            work: WorkName::new("outbox").unwrap(),
            unit: Unit(unit),
            of,
            epoch: Epoch(1),
            worker: boot("n1", 1),
        };
        let (near, far) = (Reach::of(0, 1), Reach::of(usize::MAX, of));
        for (index, found) in [
            outbox.pending_by_age(sought, &near),
            outbox.pending_by_age(sought, &far),
            outbox.pending_by_key(sought, &near),
            outbox.pending_by_key(sought, &far),
            outbox.pending_of(&share, limit, at(10)).map(Some),
        ]
        .into_iter()
        .enumerate()
        {
            let Some(found) = found.unwrap() else {
                assert!(matches!(index, 0 | 2), "way {index} goes as far as need be");
                answers[index] += 1;
                continue;
            };
            let found: Vec<_> = found.iter().map(|it| it.id.to_string()).collect();
            assert_eq!(found, plainly, "way {index}");
            answers[1 + index / 2 * 2 % 4] += 1;
        }
    }
    assert!(answers.iter().all(|count| *count > 4), "not both ways and both answers: {answers:?}");
}
