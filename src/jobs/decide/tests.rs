//! What becomes of instants, case by case and as a whole.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::id::Token;
use crate::store::Running;

/// A job that is due at every full second; times are in milliseconds.
fn every_second() -> Schedule {
    Schedule::every(Duration::from_secs(1)).unwrap()
}

fn at(unix_ms: u64) -> WallTime {
    WallTime { unix_ms }
}

fn policy(misfire: Misfire, overlap: Overlap) -> Policy {
    Policy { misfire, overlap, grace: Duration::from_secs(2) }
}

fn idle(cursor: u64) -> JobState {
    JobState { cursor: at(cursor), ..JobState::default() }
}

/// Its newest run ran from then until then.
fn ran(cursor: u64, begun: u64, ended: u64) -> JobState {
    let newest = Some(RunSpan { begun: at(begun), ended: Some(at(ended)) });
    JobState { newest, ..idle(cursor) }
}

/// So many runs run, the newest since `begun`.
fn busy(cursor: u64, begun: u64, running: usize) -> JobState {
    let run = Running { instant: at(cursor), token: Token(1) };
    let newest = Some(RunSpan { begun: at(begun), ended: None });
    JobState { cursor: at(cursor), running: vec![run; running], newest, ..JobState::default() }
}

fn decided(misfire: Misfire, overlap: Overlap, state: &JobState, now: u64) -> Decision {
    decide(&every_second(), &policy(misfire, overlap), state, at(now))
}

fn runs(instant: u64) -> Decision {
    Decision::Take(Step { skip: None, run: Some(at(instant)) })
}

fn waits(until: u64) -> Decision {
    Decision::Wait { until: Some(at(until)) }
}

fn range(first: u64, last: u64, why: SkipReason) -> Option<Skip> {
    Some(Skip { first: at(first), last: at(last), count: (last - first) / 1000 + 1, why })
}

fn skips(first: u64, last: u64, why: SkipReason) -> Decision {
    Decision::Take(Step { skip: range(first, last, why), run: None })
}

const SKIP: Misfire = Misfire::Skip;
const LATEST: Misfire = Misfire::RunLatest;
const CATCH_UP: Misfire = Misfire::CatchUp { at_most: 3 };
const ONE: Overlap = Overlap::Skip;
const QUEUE: Overlap = Overlap::QueueOne;
const TWO: Overlap = Overlap::Allow { at_most: 2 };

#[test]
fn nothing_is_due_before_its_instant() {
    assert_eq!(decided(LATEST, ONE, &idle(5_000), 5_999), waits(6_000));
    assert_eq!(decided(LATEST, ONE, &idle(5_000), 6_000), runs(6_000));
}

/// What ran from `first` to `last`, one after the other.
fn having_run(mut state: JobState, ranges: &[(u64, u64)]) -> JobState {
    for (first, last) in ranges {
        state.ran.begin(None, at(*first));
        state.ran.begin(Some(at(*first)), at(*last));
    }
    state
}

#[test]
fn what_ran_does_not_run_again_when_the_clock_is_set_back() {
    let state = having_run(idle(5_000), &[(1_000, 5_000)]);
    assert_eq!(decided(LATEST, ONE, &state, 1_000), waits(6_000));
    assert_eq!(next(&every_second(), &state, at(1_000)), Some(at(6_000)));
    // Nor is it late, whatever lies between.
    let state = having_run(idle(2_000), &[(1_000, 2_000), (4_000, 6_000)]);
    let Some(skip) = range(3_000, 9_000, SkipReason::Misfire) else { panic!() };
    let skip = Step { skip: Some(Skip { count: 4, ..skip }), run: None };
    assert_eq!(decided(SKIP, ONE, &state, 11_500), Decision::Take(skip));
    assert_eq!(decided(LATEST, ONE, &state, 3_100), runs(3_000));
    let state = having_run(idle(3_000), &[(1_000, 6_000)]);
    assert_eq!(decided(LATEST, ONE, &state, 4_500), waits(7_000));
}

/// The clock was an hour ahead while two instants ran; then it is right again.
#[test]
fn a_job_goes_on_by_the_clock_when_that_is_set_back() {
    let hour = 3_600_000;
    let state = having_run(idle(hour + 7_000), &[(1_000, 5_000), (hour + 6_000, hour + 7_000)]);
    let set_back = Decision::SetBack { to: at(5_000) };
    for misfire in [SKIP, LATEST, CATCH_UP] {
        assert_eq!(decided(misfire, ONE, &state, 8_500), set_back);
    }
    assert_eq!(next(&every_second(), &state, at(8_500)), Some(at(6_000)));
    // Not before instants at which its schedule was not in force.
    let since = |since| JobState { since: at(since), ..state.clone() };
    assert_eq!(decided(SKIP, ONE, &since(7_200), 8_500), Decision::SetBack { to: at(7_200) });
    assert_eq!(decided(SKIP, ONE, &since(hour), 8_500), Decision::SetBack { to: at(8_500) });
    // From there on, until those come that have run.
    let state = JobState { cursor: at(5_000), ..state };
    assert_eq!(decided(LATEST, ONE, &state, 8_500), skips(6_000, 6_000, SkipReason::Misfire));
    let state = JobState { cursor: at(hour + 5_000), ..state };
    assert_eq!(decided(LATEST, ONE, &state, hour + 5_500), waits(hour + 8_000));
}

/// A clock that was a year behind when a job was registered, or that is a year behind now.
#[test]
fn a_clock_that_is_behind_holds_a_job_only_where_it_has_run() {
    let year = 365 * 86_400_000;
    let registered = JobState { since: at(year), ..idle(year) };
    assert_eq!(decided(LATEST, ONE, &registered, 2_000), Decision::SetBack { to: at(2_000) });
    let ran = having_run(idle(2 * year), &[(1_000, 2 * year)]);
    assert_eq!(decided(LATEST, ONE, &ran, year), waits(2 * year + 1_000));
}

/// Planted on a thread of its own: a cursor is believed, whatever the clock says.
#[cfg(madsim)]
#[test]
fn a_cursor_that_is_trusted_holds_its_job() {
    use crate::probe::{Mutant, begin_run};
    let decided = || {
        let state = having_run(idle(99_000), &[(1_000, 5_000)]);
        decided(LATEST, ONE, &state, 8_500)
    };
    let planted = std::thread::spawn(move || {
        begin_run(Some(Mutant::CursorTrusted));
        decided()
    });
    assert_eq!(planted.join().unwrap(), waits(100_000));
    assert_eq!(decided(), Decision::SetBack { to: at(5_000) });
}

#[test]
fn what_is_on_time_runs_one_after_the_other() {
    for misfire in [SKIP, LATEST, CATCH_UP] {
        assert_eq!(decided(misfire, ONE, &idle(5_000), 8_000), runs(6_000));
    }
    // The grace itself is on time.
    assert_eq!(decided(SKIP, ONE, &idle(5_000), 8_001), skips(6_000, 6_000, SkipReason::Misfire));
}

#[test]
fn late_instants_meet_the_misfire_policy() {
    // Due are 6 to 20 s; late are 6 to 17 s.
    let state = idle(5_000);
    assert_eq!(decided(SKIP, ONE, &state, 20_000), skips(6_000, 17_000, SkipReason::Misfire));
    // 18 s is on time and stands for them.
    assert_eq!(decided(LATEST, ONE, &state, 20_000), skips(6_000, 17_000, SkipReason::Misfire));
    let caught_up = Step { skip: range(6_000, 14_000, SkipReason::Misfire), run: Some(at(15_000)) };
    assert_eq!(decided(CATCH_UP, ONE, &state, 20_000), Decision::Take(caught_up));
    // Two are late, fewer than can be caught up.
    assert_eq!(decided(CATCH_UP, ONE, &idle(5_000), 9_500), runs(6_000));
    // One is late, and no later one is due.
    let slow = Schedule::every(Duration::from_secs(10)).unwrap();
    let one = decide(&slow, &policy(LATEST, ONE), &idle(25_000), at(38_000));
    assert_eq!(one, runs(30_000));
    let two = decide(&slow, &policy(LATEST, ONE), &idle(5_000), at(38_000));
    let skip =
        Some(Skip { first: at(10_000), last: at(20_000), count: 2, why: SkipReason::Misfire });
    assert_eq!(two, Decision::Take(Step { skip, run: Some(at(30_000)) }));
}

#[test]
fn what_comes_while_it_runs_meets_the_overlap_policy() {
    // It runs for 6 s since 6.1 s; at 9.5 s, 7 to 9 s have come.
    let state = busy(6_000, 6_100, 1);
    assert_eq!(decided(LATEST, ONE, &state, 9_500), skips(7_000, 9_000, SkipReason::Overlap));
    assert_eq!(decided(LATEST, QUEUE, &state, 9_500), skips(7_000, 8_000, SkipReason::Overlap));
    // The last one waits, until the next takes its place.
    assert_eq!(decided(LATEST, QUEUE, &busy(8_000, 6_100, 1), 9_500), waits(10_000));
    assert_eq!(decided(LATEST, TWO, &state, 7_500), runs(7_000));
    assert_eq!(
        decided(LATEST, TWO, &busy(7_000, 7_100, 2), 8_500),
        skips(8_000, 8_000, SkipReason::Overlap)
    );
}

#[test]
fn what_came_while_it_ran_is_judged_so_after_its_end() {
    let state = ran(6_000, 6_100, 9_500);
    assert_eq!(decided(LATEST, ONE, &state, 10_500), skips(7_000, 9_000, SkipReason::Overlap));
    assert_eq!(decided(LATEST, QUEUE, &state, 10_500), skips(7_000, 8_000, SkipReason::Overlap));
    // What waited runs, however late.
    assert_eq!(decided(SKIP, QUEUE, &ran(8_000, 6_100, 9_500), 90_000), runs(9_000));
    // What came after its end is on time, or late.
    assert_eq!(decided(LATEST, ONE, &ran(9_000, 6_100, 9_500), 10_500), runs(10_000));
    // Nobody knows when an interrupted run ended: on time, or late.
    assert_eq!(decided(LATEST, ONE, &idle(6_000), 8_500), runs(7_000));
}

#[test]
fn a_backlog_waits_for_its_turn_and_is_no_overlap() {
    // 6 s is being caught up since 20 s.
    let state = busy(6_000, 20_000, 1);
    assert_eq!(decided(CATCH_UP, ONE, &state, 20_500), Decision::Wait { until: None });
    let caught_up = Step { skip: range(7_000, 15_000, SkipReason::Misfire), run: Some(at(16_000)) };
    let after = ran(6_000, 20_000, 20_900);
    assert_eq!(decided(CATCH_UP, ONE, &after, 21_000), Decision::Take(caught_up));
    // Judged with it is only what came before that run began.
    let skip = skips(7_000, 20_000, SkipReason::Misfire);
    assert_eq!(decided(SKIP, ONE, &ran(6_000, 20_000, 29_000), 40_000), skip);
}

#[test]
fn a_year_of_missed_seconds_is_one_row() {
    let year = 365 * 86_400_000;
    let Decision::Take(step) = decided(SKIP, ONE, &idle(0), year) else { panic!("nothing is due") };
    assert_eq!(step.skip.unwrap().count, 31_536_000 - 3);
    let cron = Schedule::cron("* * * * * *", "UTC").unwrap();
    let decision = decide(&cron, &policy(CATCH_UP, ONE), &idle(0), at(year));
    let Decision::Take(step) = decision else { panic!("nothing is due") };
    assert_eq!(step.run, Some(at(year - 5_000)));
    assert_eq!(step.skip.unwrap().count, super::super::COUNT_MAX + 1);
}

/// A life of one job: how the clock moves, and which runs end, before each look.
#[derive(Debug, Clone)]
struct Moment {
    clock: i64,
    ends: bool,
    interrupts: bool,
}

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    let clock = prop_oneof![6 => 0..3_000i64, 1 => 10_000..90_000i64, 1 => -20_000..0i64];
    let moment = (clock, any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(clock, ends, interrupts)| Moment { clock, ends, interrupts });
    prop::collection::vec(moment, 1..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    let misfire = prop_oneof![
        Just(Misfire::Skip),
        Just(Misfire::RunLatest),
        (1..6u32).prop_map(|at_most| Misfire::CatchUp { at_most }),
    ];
    let overlap = prop_oneof![
        Just(Overlap::Skip),
        Just(Overlap::QueueOne),
        (1..4u32).prop_map(|at_most| Overlap::Allow { at_most }),
    ];
    (misfire, overlap, 0..8_000u64).prop_map(|(misfire, overlap, grace)| Policy {
        misfire,
        overlap,
        grace: Duration::from_millis(grace),
    })
}

/// The first instant after `time` that has not begun.
fn next_open(schedule: &Schedule, ran: &Ran, time: WallTime) -> WallTime {
    let mut next = schedule.next_after(time).unwrap();
    while ran.until(next).is_some() {
        next = schedule.next_after(next).unwrap();
    }
    next
}

proptest! {
    /// Every instant gets its outcome, in order, never before it comes, and runs at most once, whatever the
    /// clock does; there is never more at a time than is allowed; and nothing stays undecided for ever.
    #[test]
    fn every_instant_gets_one_outcome(policy in policies(), moments in moments(), period in 1..40u64) {
        let schedule = Schedule::every(Duration::from_millis(period * 100)).unwrap();
        let mut now = 1_000_000;
        let mut state = idle(now);
        let mut begun = BTreeSet::new();
        for moment in moments {
            now = now.saturating_add_signed(moment.clock);
            if moment.interrupts {
                state.running.clear();
                state.newest = None;
            } else if moment.ends && !state.running.is_empty() {
                state.running.remove(0);
                if state.running.is_empty() && let Some(newest) = &mut state.newest {
                    newest.ended = Some(at(now));
                }
            }
            // As many steps as there can be runs, each with a skip before it.
            for steps in 0.. {
                prop_assert!(steps < 400, "it never comes to an end");
                let step = match decide(&schedule, &policy, &state, at(now)) {
                    Decision::Take(step) => step,
                    Decision::SetBack { to } => {
                        prop_assert!(to < state.cursor && to <= at(now));
                        state.cursor = to;
                        continue;
                    }
                    Decision::Wait { until } => {
                        let next = next_open(&schedule, &state.ran, state.cursor);
                        // It waits for no longer than for what has run.
                        prop_assert!(
                            state.cursor <= at(now)
                                || next_open(&schedule, &state.ran, at(now)) == next
                        );
                        let full = state.running.len() >= policy.overlap.concurrent();
                        prop_assert!(full || until == Some(next) && next > at(now));
                        break;
                    }
                };
                let mut cursor = state.cursor;
                if let Some(skip) = step.skip {
                    prop_assert_eq!(skip.first, next_open(&schedule, &state.ran, cursor));
                    prop_assert_eq!(schedule.last_until(skip.last), Some(skip.last));
                    let mut count = 1;
                    let mut instant = skip.first;
                    while instant < skip.last {
                        instant = next_open(&schedule, &state.ran, instant);
                        count += 1;
                    }
                    prop_assert_eq!((skip.count, skip.last), (count, instant));
                    cursor = skip.last;
                }
                if let Some(instant) = step.run {
                    prop_assert_eq!(instant, next_open(&schedule, &state.ran, cursor));
                    prop_assert!(begun.insert(instant), "{:?} runs again", instant);
                    prop_assert!(state.ran.until(instant).is_none());
                    prop_assert!(state.running.len() < policy.overlap.concurrent());
                    cursor = instant;
                    state.running.push(Running { instant, token: Token(1) });
                    state.newest = Some(RunSpan { begun: at(now), ended: None });
                }
                prop_assert!(cursor > state.cursor && cursor <= at(now));
                step.begins(&mut state.ran, state.cursor);
                state.cursor = cursor;
            }
        }
    }
}
