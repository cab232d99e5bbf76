//! On threads of their own: a lease that is renewed while its holders look.

use std::thread;

use super::*;

const GUARDS: u64 = 200;
const LASTS: Duration = Duration::from_micros(200);

/// The one that renews is careless: it does not look at the clock, as the driver of the quorum does.
#[test]
fn a_guard_that_said_no_never_says_yes_again() {
    let clock = SystemClock;
    for number in 0..GUARDS {
        let token = Token(number + 1);
        let renewed = move || LeaseState {
            token,
            until: clock.now() + LASTS,
            held: true,
            ..LeaseState::default()
        };
        let lease = Arc::new(Watched::new(renewed()));
        let guard = Leadership::new(token, false, Arc::clone(&lease), clock);
        let renews = thread::spawn(move || {
            for _ in 0..8 {
                while clock.now() < lease.with(|lease| lease.until) {
                    std::hint::spin_loop();
                }
                lease.set_quietly(renewed());
            }
        });
        let looks = move |guard: Leadership| {
            while guard.check().is_ok() {}
            let after = clock.now() + 4 * LASTS;
            while clock.now() < after {
                assert!(guard.check().is_err(), "a guard came back");
            }
        };
        let other = guard.clone();
        let other = thread::spawn(move || looks(other));
        looks(guard);
        other.join().unwrap();
        renews.join().unwrap();
    }
}
