//! Both stores, told the same, answer the same and keep the same rows: random calls with random
//! tokens, ids, attempts and assignments. Times differ, so windows are over or endless, and retries due or not.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::{Change, OrderingKey, PostgresStore, Proof, Ruling};

/// How many sequences of calls are compared.
const CASES: u32 = 24;

const NAMES: [&str; 4] = ["a1", "a2", "b1", "free"];

#[derive(Debug, Clone)]
enum Op {
    Enqueue(Vec<usize>),
    Activate(u64, u64),
    CallRoll(u64),
    Sweep(u64),
    Claim(u64, Vec<(usize, u64)>),
    Settle(u64, Vec<(usize, u64, Settlement)>),
    Resolve(u64, usize, u64, Proof),
    Judge(usize, Option<u64>, Ruling),
    /// Token, units; of each change the unit, the epoch before and the worker.
    Assign(u64, u32, Vec<(u32, u64, u64)>),
    /// Token, unit, units, epoch and worker of the share; which messages, and which attempt.
    ClaimOf(u64, (u32, u32, u64, u64), Vec<(usize, u64)>),
}

fn op() -> impl Strategy<Value = Op> {
    let (token, name, number) = (1..4_u64, 0..NAMES.len(), 1..4_u64);
    let due = prop_oneof![Just(Duration::ZERO), Just(Duration::from_secs(9_999))];
    let reason = || "because".to_owned();
    let settlement = prop_oneof![
        Just(Settlement::Delivered),
        Just(Settlement::Failed { reason: reason() }),
        Just(Settlement::InDoubt { reason: reason() }),
        Just(Settlement::GivenBack { reason: reason() }),
        due.clone().prop_map(move |after| Settlement::Retry { reason: reason(), after }),
    ];
    let proof = prop_oneof![
        Just(Proof::SinkHasIt),
        due.clone().prop_map(|after| Proof::SinkLacksIt { after }),
        Just(Proof::GivenUp { reason: reason() }),
        (due.clone(), due).prop_map(|(window, after)| Proof::Deduplicated { window, after }),
        Just(Proof::Park { reason: "?".into() }),
    ];
    let ruling = prop_oneof![
        Just(Ruling::Delivered),
        Just(Ruling::Failed),
        Just(Ruling::Resend),
        Just(Ruling::Requeue),
    ];
    let several = |max| 0..max;
    let units = 1..3_u32;
    prop_oneof![
        prop::collection::vec(name.clone(), several(4)).prop_map(Op::Enqueue),
        (token.clone(), 1..3_u64).prop_map(|(token, holder)| Op::Activate(token, holder)),
        (0..2_u64).prop_map(Op::CallRoll),
        token.clone().prop_map(Op::Sweep),
        (token.clone(), prop::collection::vec((name.clone(), number.clone()), several(4)))
            .prop_map(|(token, which)| Op::Claim(token, which)),
        (
            token.clone(),
            prop::collection::vec((name.clone(), number.clone(), settlement), several(4))
        )
            .prop_map(|(token, words)| Op::Settle(token, words)),
        (token.clone(), name.clone(), number.clone(), proof)
            .prop_map(|(t, n, a, p)| Op::Resolve(t, n, a, p)),
        (name.clone(), prop::option::of(number.clone()), ruling)
            .prop_map(|(n, a, r)| Op::Judge(n, a, r)),
        (
            token.clone(),
            units.clone(),
            prop::collection::vec((0..2_u32, 0..4_u64, 1..3_u64), several(3))
        )
            .prop_map(|(token, units, changes)| Op::Assign(token, units, changes)),
        (
            token,
            (0..2_u32, units, 1..4_u64, 1..3_u64),
            prop::collection::vec((name, number), several(4))
        )
            .prop_map(|(token, share, which)| Op::ClaimOf(token, share, which)),
    ]
}

fn new(name: &str) -> NewMessage {
    let message = NewMessage::new(id(name), name.as_bytes());
    match name.strip_suffix(['1', '2']) {
        Some(key) => message.with_key(OrderingKey::new(key).unwrap()),
        None => message,
    }
}

/// What is answered, without times.
async fn apply(store: &impl Subject, op: &Op) -> String {
    let at = |index: &usize, number: &u64| attempt(NAMES[*index], *number);
    match op {
        Op::Enqueue(names) => {
            let messages: Vec<NewMessage> = names.iter().map(|&index| new(NAMES[index])).collect();
            format!("{:?}", store.enqueue(&messages).await)
        }
        Op::Activate(token, holder) => {
            let generation = store.fence_row().await.generation;
            format!("{:?}", store.activate(generation, Token(*token), node("n1", *holder)).await)
        }
        Op::CallRoll(seen) => {
            let boots = [boot("n1", *seen)];
            format!("{:?}", store.call_roll(Generation::stored(*seen), &boots).await)
        }
        Op::Sweep(token) => format!("{:?}", store.sweep(Token(*token)).await),
        Op::Claim(token, which) => {
            let attempts: Vec<Attempt> = which.iter().map(|(i, n)| at(i, n)).collect();
            words(claim(store, *token, &attempts).await.unwrap())
        }
        Op::ClaimOf(token, (unit, of, epoch, worker), which) => {
            let attempts: Vec<Attempt> = which.iter().map(|(i, n)| at(i, n)).collect();
            let permit = assignments::permit(*token, *unit, *of, *epoch, worker_of(*worker));
            let wall = WallTime { unix_ms: 777 };
            words(store.claim(&permit, &attempts, wall).await.unwrap())
        }
        Op::Assign(token, units, changes) => {
            let changes: Vec<Change> = changes
                .iter()
                .map(|&(unit, after, worker)| assignments::change(unit, after, worker_of(worker)))
                .collect();
            let work = assignments::work();
            format!("{:?}", store.assign(Token(*token), &work, *units, &changes).await.ok())
        }
        Op::Settle(token, words) => {
            let words: Vec<(Attempt, Settlement)> =
                words.iter().map(|(i, n, word)| (at(i, n), word.clone())).collect();
            format!("{:?}", store.settle(Token(*token), &words).await)
        }
        Op::Resolve(token, index, number, proof) => {
            format!("{:?}", store.resolve(Token(*token), &at(index, number), proof.clone()).await)
        }
        Op::Judge(index, attempt, ruling) => {
            let (by, why) = ("ann".to_owned(), "so".to_owned());
            let verdict =
                Verdict { id: id(NAMES[*index]), attempt: *attempt, ruling: *ruling, by, why };
            match store.rule(&verdict).await {
                Ok(passed) => format!("{:?} {:?} {}", passed.from, passed.to, passed.attempt),
                Err(error) => format!("{error:?}"),
            }
        }
    }
}

fn worker_of(number: u64) -> Boot {
    boot(&format!("n{number}"), number)
}

fn words(claims: Checked<Vec<Claim>>) -> String {
    let words = |claim: &Claim| match claim {
        Claim::Granted { send_within } => format!("granted {}, ", send_within.is_some()),
        Claim::Refused { state } => format!("refused {state:?}, "),
        Claim::NotAssigned => "not assigned, ".to_owned(),
    };
    match claims {
        Checked::Passed(claims) => claims.iter().map(words).collect(),
        Checked::Fenced { floor } => format!("fenced {floor}"),
    }
}

/// All that is kept, without times.
async fn kept(store: &impl Subject) -> String {
    let fence = store.fence_row().await;
    let mut out = format!("{} {:?} {}\n", fence.floor, fence.holder, fence.generation);
    for name in NAMES {
        let Some(entry) = store.entry_of(name).await else { continue };
        out += &format!(
            "{name} {:?} {:?} {:?} {} {} {} {:?} {} {} {}\n",
            entry.state,
            entry.token,
            entry.worker,
            entry.parked,
            entry.attempts,
            entry.failures,
            entry.reason,
            entry.first_claimed.is_some(),
            entry.send_until.is_some(),
            entry.not_before.is_some(),
        );
    }
    out += &format!("{:?}\n", pending(store).await);
    out += &format!("{:?}\n", store.assignments(&assignments::work()).await);
    let doubts = store.doubts(9).await.unwrap();
    out + &format!("{doubts:?}\n")
}

/// Empties the tables, which is faster than a database for each case.
async fn empty(database: &server::Database) -> PostgresStore {
    let session = database.session().await;
    let reset = "DROP SCHEMA IF EXISTS fencepost CASCADE";
    session.batch_execute(reset).await.unwrap();
    database.store().await
}

#[test]
fn both_stores_answer_and_keep_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(server::database());
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES, ..ProptestConfig::default() });
    let ops = prop::collection::vec(op(), 1..40);
    let outcome = runner.run(&ops, |ops| {
        runtime.block_on(async {
            let (left, right) = (sqlite(), empty(&database).await);
            for op in &ops {
                prop_assert_eq!(apply(&left, op).await, apply(&right, op).await, "{:?}", op);
                prop_assert_eq!(kept(&left).await, kept(&right).await, "after {:?}", op);
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
