//! What the database writes into the history about the fence.

use std::sync::Mutex;

use fencepost::Incarnation;
use madsim::plugin::simulator;
use madsim::runtime::Runtime;
use madsim::time::TimeHandle;

use super::*;
use crate::faults::plan::node;
use crate::streams::stream;
use crate::world::links::Links;
use crate::world::place::Place;
use crate::world::service::Service;
use crate::world::timer::Timer;

/// The events that these questions leave behind.
fn recorded(questions: &[Question]) -> Vec<Kind> {
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
        for question in questions {
            database.execute(question).unwrap();
        }
        let now = database.clocks.wall(database.server.here);
        Database::audit(&database.books, &database.recorder, now).unwrap();
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
