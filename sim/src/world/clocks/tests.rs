//! Rates, steps, and timers of machines that sleep.

use std::time::Duration;

use madsim::plugin::simulator;
use madsim::runtime::Runtime;

use super::*;

fn with_clock(test: impl AsyncFnOnce(SimClock)) {
    let runtime = Runtime::new();
    runtime.add_simulator::<Clocks>();
    runtime.block_on(async {
        let clocks = simulator::<Clocks>();
        clocks.add(Instant(5_000_000_000));
        test(SimClock { clocks, place: Place(0) }).await;
    });
}

/// madsim takes some nanoseconds for each poll; readings agree to within this.
const SLACK: u64 = 10_000;

#[test]
fn a_fast_clock_reads_more_and_sleeps_less() {
    with_clock(async |clock| {
        clock.clocks.set_rate(clock.place, 100_000);
        let (started, true_start) = (clock.now(), clock.clocks.timer.now());
        clock.sleep(Duration::from_millis(1100)).await;
        let (local, truly) = (clock.now().since(started), clock.clocks.timer.now() - true_start);
        assert!((1_100_000_000..1_100_000_000 + SLACK).contains(&local), "{local}");
        assert!((1_000_000_000..1_000_000_000 + SLACK).contains(&truly), "{truly}");
    });
}

#[test]
fn a_change_of_rate_re_arms_a_sleep() {
    with_clock(async |clock| {
        let other = clock.clone();
        let changer = madsim::task::spawn(async move {
            madsim::time::sleep(Duration::from_millis(500)).await;
            other.clocks.set_rate(other.place, 1_000_000); // twice as fast
        });
        let true_start = clock.clocks.timer.now();
        clock.sleep(Duration::from_secs(1)).await;
        let truly = clock.clocks.timer.now() - true_start;
        assert!((750_000_000..750_000_000 + SLACK).contains(&truly), "{truly}");
        changer.await.unwrap();
    });
}

/// A machine that sleeps from 300 ms to 2.3 s of a sleep of `sleep`, and when that ends.
fn slept_through(sleep: Duration, stops: bool) -> (u64, u64) {
    let mut ended = (0, 0);
    with_clock(async |clock| {
        let other = clock.clone();
        let (local, truly) = (clock.now(), clock.clocks.timer.now());
        // No node stands still in this test: only the timers are late.
        let machine = madsim::task::spawn(async move {
            madsim::time::sleep(Duration::from_millis(300)).await;
            other.clocks.fall_asleep(other.place);
            if stops {
                other.clocks.set_rate(other.place, STOPPED);
            }
            madsim::time::sleep(Duration::from_secs(2)).await;
            other.clocks.wake_up(other.place);
            if stops {
                other.clocks.set_rate(other.place, 0);
            }
        });
        let sleeper = clock.clone();
        let sleep = madsim::task::spawn(async move {
            sleeper.sleep(sleep).await;
            (sleeper.now(), sleeper.clocks.timer.now())
        });
        machine.await.unwrap();
        let (local_end, true_end) = sleep.await.unwrap();
        ended = (local_end.since(local) / 1_000_000, (true_end - truly) / 1_000_000);
    });
    ended
}

#[test]
fn timers_go_off_late_after_a_sleep_and_the_clock_counts_it() {
    // It was due after the machine woke up, and not hindered.
    let (local, truly) = slept_through(Duration::from_millis(3_500), false);
    assert_eq!((local, truly), (3_500, 3_500));
    // What was left of its step, 700 ms, is left when the machine wakes up at 2.3 s.
    let (local, truly) = slept_through(Duration::from_millis(2_500), false);
    assert_eq!((local, truly), (3_000, 3_000));
}

#[test]
fn a_clock_that_stops_does_not_count_a_sleep() {
    for ms in [500, 2_500] {
        let (local, truly) = slept_through(Duration::from_millis(ms), true);
        assert_eq!((local, truly), (ms, ms + 2_000));
    }
}

#[test]
fn wall_steps_leave_the_monotonic_clock_alone() {
    with_clock(async |clock| {
        let (reading, wall) = (clock.now(), clock.wall());
        clock.clocks.step_wall(clock.place, -4000);
        assert_eq!(clock.wall().unix_ms, wall.unix_ms - 4000);
        assert!(clock.now().since(reading) < SLACK);
    });
}
