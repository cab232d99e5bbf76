//! A fresh thread for each seed, from which a panic comes back as a verdict.
//!
//! The simulated runtime seeds a thread's hash maps once, and planted bugs and reach counts live in
//! the thread, so a thread that has run one seed is no good for another.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;
// chance: one fresh thread for each seed; it shares nothing with the others.
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use fencepost::probe;

use crate::faults::lines::Lines;
use crate::history::History;
use crate::oracles::Outage;
use crate::run::{RunOutcome, Verdict};
use crate::world::recorder::Overrun;

/// Stack of a seed's thread. Only touched pages cost memory.
const STACK_BYTES: usize = 16 << 20;

// chance: they tell of a panic, which ends the run.
thread_local! {
    // chance: as above, for the hook.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    // chance: as above, for the verdict.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Starts a thread for this seed of this scenario; its name shows both.
///
/// # Panics
/// The system gives no more threads.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    scenario: &str,
    seed: u64,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    // A thread's name may not contain a zero byte; a scenario's name may.
    let name = format!("{} seed {seed}", scenario.replace('\0', " "));
    let thread = Builder::new().name(name).stack_size(STACK_BYTES).spawn_scoped(scope, work);
    thread.expect("the system gives a thread for each of --jobs")
}

/// Runs one seed on a thread of its own and waits for it; a panic becomes [`Verdict::Panicked`].
pub fn run_alone(scenario: &str, seed: u64, run: impl FnOnce() -> RunOutcome + Send) -> RunOutcome {
    scope(|scope| {
        let thread = spawn(scope, scenario, seed, || run_caught(seed, run));
        thread.join().expect("its panics are caught")
    })
}

/// Runs one seed on this thread, which must be fresh; a panic becomes [`Verdict::Panicked`].
pub fn run_caught(seed: u64, run: impl FnOnce() -> RunOutcome) -> RunOutcome {
    install_hook();
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CATCHING.set(false);
    result.unwrap_or_else(|payload| {
        let told = LAST_PANIC.take();
        let verdict = match payload.downcast::<Overrun>() {
            Ok(overrun) => Verdict::Overrun(overrun.0),
            // A payload thrown by `resume_unwind` alone never passed the hook.
            Err(payload) => Verdict::Panicked(told.unwrap_or_else(|| message_of(&*payload))),
        };
        RunOutcome {
            seed,
            verdict,
            lines: Lines::new(),
            history: History::default(),
            outage: Outage::default(),
            reach: probe::reach_counts(),
            sink: None,
        }
    })
}

/// The place of a panic is known to the hook only, so it is kept there for [`run_caught`]; threads
/// that catch nothing panic as they always did.
fn install_hook() {
    // chance: the hook is the same for all.
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(
            move |info| {
                if CATCHING.get() { remember(info) } else { previous(info) }
            },
        ));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    let message = format!("{}{}", message_of(info.payload()), place.unwrap_or_default());
    LAST_PANIC.with_borrow_mut(|last| match last {
        // While one panic unwinds, a second one ends the process: this is the only trace.
        Some(first) if std::thread::panicking() => {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("a seed");
            eprintln!("{name} panicked: {first}; and again while unwinding: {message}");
        }
        _ => *last = Some(message),
    });
}

fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_verdict_with_its_place() {
        let outcome = run_caught(7, || panic!("the {} broke", "world"));
        let Verdict::Panicked(message) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
        assert_eq!(outcome.seed, 7);
        assert!(message.starts_with("the world broke ("), "{message}");
        assert!(message.contains("fresh.rs:"), "{message}");
        assert!(LAST_PANIC.take().is_none(), "the next run starts with a clean slate");
    }

    /// Runs one of the ignored tests below in a process that it ends, and says what that wrote.
    fn in_a_process(crash: &str) -> String {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("search::fresh::tests::{crash}"), "--ignored"]);
        let output = command.arg("--nocapture").output().unwrap();
        assert!(!output.status.success(), "{crash} ends its process");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[test]
    fn what_ends_the_process_leaves_the_name_of_its_seed() {
        let overflow = in_a_process("overflow");
        assert!(overflow.contains("'made up seed 7'"), "{overflow}");
        assert!(overflow.contains("has overflowed its stack"), "{overflow}");
        let twice = in_a_process("panic_in_a_panic");
        assert!(twice.contains("made up seed 8 panicked: the first"), "{twice}");
        assert!(twice.contains("the second"), "{twice}");
    }

    fn on_a_seeds_thread(seed: u64, crash: fn() -> RunOutcome) {
        std::thread::scope(|scope| {
            let _ = spawn(scope, "made up", seed, || run_caught(seed, crash)).join();
        });
    }

    #[test]
    #[ignore = "ends its process; run by another test"]
    fn overflow() {
        fn deeper(depth: u64) -> u64 {
            std::hint::black_box(if depth == 0 { 0 } else { deeper(depth - 1) + depth })
        }
        on_a_seeds_thread(7, || panic!("{} is not reached", deeper(u64::MAX)));
    }

    #[test]
    #[ignore = "ends its process; run by another test"]
    fn panic_in_a_panic() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("the second");
            }
        }
        on_a_seeds_thread(8, || {
            let _bomb = Bomb;
            panic!("the first");
        });
    }

    #[test]
    fn a_panic_that_was_caught_inside_is_no_verdict() {
        let outcome = run_caught(1, || {
            assert!(catch_unwind(|| panic!("caught by the code under test")).is_err());
            RunOutcome {
                seed: 1,
                verdict: Verdict::Ok,
                lines: Lines::new(),
                history: History::default(),
                outage: Outage::default(),
                reach: probe::reach_counts(),
                sink: None,
            }
        });
        assert_eq!(outcome.verdict, Verdict::Ok);
    }
}
