//! On threads of their own. A change that nobody is told of hangs them; no time limit decides.

use std::sync::Arc;
use std::thread;

use super::*;
use crate::cluster::Holder;

const TURNS: u64 = 20_000;
const HOLDERS: usize = 2_000;

fn wait<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(what)
}

#[test]
fn who_waits_for_a_change_is_told_of_it_however_close_it_is() {
    let (there, back) = (Arc::new(Watched::new(0)), Arc::new(Watched::new(0)));
    let (ball, returned) = (Arc::clone(&there), Arc::clone(&back));
    let other = thread::spawn(move || {
        wait(async {
            for turn in 1..=TURNS {
                ball.wait_for(|ball| (*ball == turn).then_some(())).await;
                returned.set(turn);
            }
        });
    });
    wait(async {
        for turn in 1..=TURNS {
            there.update(|ball| *ball = turn);
            back.wait_for(|ball| (*ball == turn).then_some(())).await;
        }
    });
    other.join().unwrap();
}

#[test]
fn who_waits_to_be_alone_is_told_when_the_last_other_holder_has_gone() {
    let me = Holder::first();
    for _ in 0..HOLDERS / 4 {
        let others: Vec<_> = (0..4)
            .map(|_| {
                let other = me.clone();
                thread::spawn(move || drop((other.clone(), other)))
            })
            .collect();
        wait(me.alone());
        assert_eq!(me.count(), 1);
        others.into_iter().for_each(|other| other.join().unwrap());
    }
}
