//! What the database writes into the history about the fence and about claims.

use std::sync::Mutex;

use fencepost::Incarnation;
use fencepost::store::{Epoch, Unit, WorkName};
use madsim::plugin::simulator;
use madsim::runtime::Runtime;
use madsim::time::TimeHandle;

use super::*;
use crate::faults::plan::node;
use crate::history::WorkEvent;
use crate::streams::stream;
use crate::world::links::Links;
use crate::world::place::Place;
use crate::world::service::Service;
use crate::world::timer::Timer;

/// The events that these questions leave behind.
fn recorded(questions: &[Question]) -> Vec<Kind> {
    on_database(|database| {
        for question in questions {
            database.execute(question).unwrap();
        }
        let now = database.clocks.wall(database.server.here);
        Database::audit(&database.books, &database.recorder, now).unwrap();
    })
}

/// The events that are left behind by what is done to an empty database.
fn on_database(act: impl FnOnce(&Database)) -> Vec<Kind> {
    let runtime = Runtime::new();
    runtime.add_simulator::<Links>();
    runtime.add_simulator::<Clocks>();
    runtime.block_on(async {
        let clocks = simulator::<Clocks>();
        clocks.add(fencepost::Instant(0));
        let database = Database {
            books: Arc::new(Mutex::new(Books::new().unwrap())),
            server: Server {
                links: simulator::<Links>(),
                here: Place(0),
                service: Arc::new(Service::new(stream(1, "test", 0))),
            },
            mailbox: SharedMailbox::default(),
            clocks,
            recorder: Arc::new(Recorder::new(Timer::new(TimeHandle::current()))),
        };
        act(&database);
        let history = database.recorder.take();
        history.events().iter().map(|event| event.kind.clone()).collect()
    })
}

fn activate(number: u64, token: u64) -> Question {
    let holder = Identity { node: node(1), incarnation: Incarnation::FIRST };
    Question::Activate { generation: Generation::stored(number), token: Token(token), holder }
}

fn call_roll(seen: u64, nonce: u64) -> Question {
    let boots = vec![Boot { node: node(1), nonce }];
    Question::CallRoll { seen: Generation::stored(seen), boots }
}

#[test]
fn a_roll_call_is_recorded_once_and_only_if_it_began_a_generation() {
    let asked =
        [activate(0, 4), call_roll(0, 7), call_roll(0, 7), call_roll(0, 8), call_roll(1, 9)];
    let begun = |number, nonce| Kind::RollCalled {
        generation: Generation::stored(number),
        boots: vec![Boot { node: node(1), nonce }],
        floor: Token(4),
    };
    assert_eq!(recorded(&asked)[1..], [begun(1, 7), begun(2, 9)]);
}

#[test]
fn an_activation_is_recorded_with_its_generation_and_a_refused_one_is_not() {
    let asked = [call_roll(0, 7), activate(0, 1), activate(1, 1), activate(1, 1), activate(2, 2)];
    let found: Vec<_> = recorded(&asked)
        .into_iter()
        .filter_map(|kind| match kind {
            Kind::Activated { generation, token, again, .. } => Some((generation, token, again)),
            _ => None,
        })
        .collect();
    let first = Generation::stored(1);
    assert_eq!(found, [(first, Token(1), false), (first, Token(1), true)]);
}

/// What a store would have to be broken for, so the answers are made up.
#[test]
fn a_claim_granted_a_second_time_is_recorded_unless_it_is_the_same_in_all() {
    let share = |number: u32, epoch| Share {
        work: WorkName::new("w").unwrap(),
        unit: Unit(3),
        of: 16,
        epoch: Epoch(epoch),
        worker: Boot { node: node(number), nonce: number.into() },
    };
    let by = |number, epoch| Permit { token: Token(4), share: Some(share(number, epoch)) };
    let claims = [
        (1, by(1, 1), 1),
        (1, by(1, 1), 1),                    // a repetition
        (2, by(2, 2), 1),                    // another worker of the same leader
        (2, by(2, 2), 2),                    // another attempt
        (4, Permit::of_holder(Token(4)), 2), // the leader itself
        (4, Permit::of_holder(Token(4)), 2),
    ];
    let found = on_database(|database| {
        let books = &mut *lock(&database.books);
        let message = NewMessage::new(message_id(MessageNo(7)), Vec::new());
        let now = database.clocks.wall(database.server.here);
        books.enqueue(&[message], now, &database.recorder).unwrap();
        for (number, permit, attempt) in &claims {
            let attempt = Attempt { id: message_id(MessageNo(7)), number: *attempt };
            let granted = Claim::Granted { send_within: None };
            database.claim_answered(books, node(*number), permit, &attempt, granted);
        }
    });
    let (token, message) = (Token(4), MessageNo(7));
    let claimed = |number| Kind::Claimed { node: node(number), token, message };
    let shared = |number, epoch| {
        let share = share(number, epoch);
        Kind::Work(WorkEvent::Claimed { message, token, share })
    };
    let second = [claimed(2), shared(2, 2)];
    let expected = [&[claimed(1), shared(1, 1)], &second[..], &second[..], &[claimed(4)]].concat();
    assert_eq!(found[1..], expected);
}

#[test]
fn what_is_left_to_a_person_is_recorded_when_it_is_and_not_again() {
    use MessageState::{Claimed, InDoubt, Pending};
    let (token, message) = (Token(1), MessageNo(7));
    let attempt = |number| Attempt { id: message_id(message), number };
    let claim = |number| Question::Claim {
        by: node(1),
        permit: Permit::of_holder(token),
        attempts: vec![attempt(number)],
        wall: WallTime::default(),
    };
    let resolve = |proof| Question::Resolve { token, attempt: attempt(1), proof };
    let park = || resolve(Proof::Park { reason: "who knows".into() });
    let left = |resolved: &[Question], at_last: &[Question]| {
        let found = on_database(|database| {
            let ask = |question: &Question| drop(database.execute(question).unwrap());
            let written = vec![NewMessage::new(message_id(message), Vec::new())];
            let doubt = Settlement::InDoubt { reason: "no answer".into() };
            let settle = Question::Settle { token, settlements: vec![(attempt(1), doubt)] };
            let enqueue = Question::Enqueue { messages: written };
            [call_roll(0, 7), activate(1, 1), enqueue, claim(1), settle].iter().for_each(ask);
            resolved.iter().for_each(ask);
            database.clocks.step_wall(database.server.here, 1_000);
            at_last.iter().for_each(ask);
            let now = database.clocks.wall(database.server.here);
            Database::audit(&database.books, &database.recorder, now).unwrap();
        });
        let told = |kind: &Kind| matches!(kind, Kind::Moved { .. } | Kind::Parked { .. });
        found.into_iter().filter(told).collect::<Vec<_>>()
    };
    let moved = |from, to, proof| Kind::Moved { token, message, from, to, proof };
    let parked = || Kind::Parked { token, message };
    let doubted = || moved(Claimed, InDoubt, None);
    assert_eq!(left(&[park(), park()], &[]), [doubted(), parked()]);
    let second = std::time::Duration::from_secs(1);
    let again = || resolve(Proof::Deduplicated { window: second, after: second / 2 });
    assert_eq!(left(&[], &[again(), again()]), [doubted(), parked()]);
    let released = [doubted(), moved(InDoubt, Pending, Some(ProofKind::Deduplicated))];
    let over = [moved(Pending, InDoubt, None), parked()];
    assert_eq!(left(&[again()], &[claim(2), claim(2)]), [released, over].concat());
}
