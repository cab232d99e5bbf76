//! On threads of their own: a worker that prolongs in the last moment, and holders that look all the time.

use std::thread;

use super::*;
use crate::id::Boot;

const GUARDS: u32 = 300;
const LASTS: Duration = Duration::from_micros(200);

#[test]
fn a_guard_that_said_no_never_says_yes_again() {
    let clock = SystemClock;
    for _ in 0..GUARDS {
        let until = clock.now() + LASTS;
        let guard = WorkGuard {
            share: Share {
                work: WorkName::new("outbox").unwrap(),
                unit: Unit(0),
                of: 1,
                epoch: Epoch(1),
                worker: Boot { node: "n1".parse().unwrap(), nonce: 1 },
            },
            token: Token(1),
            lasts: Arc::new(Watched::new(Lasts::new(until))),
            clock,
            holder: Holder::first(),
        };
        let lasts = Arc::clone(&guard.lasts);
        let worker = thread::spawn(move || {
            // As late as it can be decided, again and again, until it was too late.
            let mut until = until;
            for _ in 0..8 {
                while clock.now() < until {
                    std::hint::spin_loop();
                }
                until = clock.now() + LASTS;
                if !lasts.extend(&clock, until) {
                    return;
                }
            }
        });
        let looks = move |guard: WorkGuard| {
            while guard.check().is_ok() {}
            let after = clock.now() + 2 * LASTS;
            while clock.now() < after {
                assert!(guard.check().is_err(), "a guard came back");
            }
        };
        let other = guard.clone();
        let other = thread::spawn(move || looks(other));
        looks(guard);
        other.join().unwrap();
        worker.join().unwrap();
    }
}
