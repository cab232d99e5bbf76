//! Job runs: what may begin, how it ends, and what is kept.

use super::super::job_runs;
use super::*;
use crate::store::{
    Begun, Checked, Finished, JOB_HISTORY_KEPT, JobName, JobPlan, JobState, RunEnd, RunSpan,
    RunState, Running, Skip, SkipReason, Step, TakenOver,
};

fn name() -> JobName {
    JobName::new("report").unwrap()
}

fn run(instant: u64) -> Step {
    Step { skip: None, run: Some(at(instant)) }
}

fn skip(first: u64, last: u64) -> Option<Skip> {
    Some(Skip {
        first: at(first),
        last: at(last),
        count: last - first + 1,
        why: SkipReason::Misfire,
    })
}

/// A store whose floor is 5, with a job that was registered at 100.
fn with_job() -> SqliteOutbox {
    let mut outbox = outbox();
    let taken = outbox.take_over_jobs(Token(5), &[name()], at(100)).unwrap();
    let registered = vec![name()];
    assert_eq!(taken, taken_over(registered, Vec::new(), 100));
    outbox
}

fn taken_over(
    registered: Vec<JobName>,
    interrupted: Vec<(JobName, Running)>,
    now: u64,
) -> Checked<TakenOver> {
    Checked::Passed(TakenOver { registered, interrupted, now: at(now) })
}

fn try_begin(
    outbox: &mut SqliteOutbox,
    token: u64,
    from: u64,
    step: Step,
    now: u64,
) -> Checked<Begun> {
    outbox.begin_run(Token(token), &name(), at(from), &step, at(now)).unwrap()
}

fn begin(outbox: &mut SqliteOutbox, token: u64, from: u64, step: Step, now: u64) -> Begun {
    passed(try_begin(outbox, token, from, step, now))
}

fn try_finish(
    outbox: &mut SqliteOutbox,
    token: u64,
    instant: u64,
    end: RunEnd,
) -> Checked<Finished> {
    outbox.finish_run(Token(token), &name(), at(instant), &end, at(900)).unwrap()
}

fn finish(outbox: &mut SqliteOutbox, token: u64, instant: u64, end: RunEnd) -> Finished {
    passed(try_finish(outbox, token, instant, end))
}

fn passed<T: std::fmt::Debug>(answer: Checked<T>) -> T {
    match answer {
        Checked::Passed(answer) => answer,
        Checked::Fenced { floor } => panic!("the floor is {floor}"),
    }
}

fn state(outbox: &mut SqliteOutbox) -> JobState {
    outbox.job_states(&[name()], at(0)).unwrap().jobs.remove(0).unwrap()
}

fn failed(reason: &str) -> RunEnd {
    RunEnd::Failed { reason: reason.into() }
}

#[test]
fn a_new_job_begins_with_the_moment_of_its_registration() {
    let mut outbox = with_job();
    let expected = JobState { cursor: at(100), since: at(100), ..JobState::default() };
    assert_eq!(state(&mut outbox), expected);
    // A later holder finds it where it stands.
    raise(&mut outbox, 6);
    let taken = outbox.take_over_jobs(Token(6), &[name()], at(200)).unwrap();
    assert_eq!(taken, taken_over(Vec::new(), Vec::new(), 200));
    assert_eq!(state(&mut outbox).cursor, at(100));
    let other = JobName::new("other").unwrap();
    assert_eq!(outbox.job_states(&[other], at(7)).unwrap().jobs, [None]);
}

#[test]
fn an_instant_begins_once_whatever_the_clock_does() {
    let mut outbox = with_job();
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 115), Begun::Recorded);
    // Said twice: the same run.
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 116), Begun::Recorded);
    assert_eq!(state(&mut outbox).running.len(), 1);
    assert_eq!(finish(&mut outbox, 5, 110, RunEnd::Done), Finished::Recorded);
    // Said late: it has ended.
    let moved = Begun::Moved { cursor: Some(at(110)) };
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 117), moved);
    // The clock is set back; the cursor is not.
    assert_eq!(begin(&mut outbox, 5, 110, run(110), 50), moved);
    assert_eq!(begin(&mut outbox, 5, 110, run(105), 120), moved);
    assert_eq!(begin(&mut outbox, 5, 110, run(120), 119), Begun::TooEarly { now: at(119) });
    assert_eq!(begin(&mut outbox, 5, 110, run(120), 120), Begun::Recorded);
    let unknown = JobName::new("other").unwrap();
    let begun = outbox.begin_run(Token(5), &unknown, at(0), &run(5), at(9)).unwrap();
    assert_eq!(begun, Checked::Passed(Begun::Moved { cursor: None }));
    let nothing = Step { skip: None, run: None };
    assert_eq!(begin(&mut outbox, 5, 120, nothing, 130), Begun::Moved { cursor: Some(at(120)) });
}

#[test]
fn only_the_holder_of_the_floor_begins_and_ends() {
    let mut outbox = with_job();
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 115), Begun::Recorded);
    raise(&mut outbox, 7);
    let floor = Token(7);
    for token in [5, 6, 8] {
        let begun = try_begin(&mut outbox, token, 110, run(120), 125);
        assert_eq!(begun, Checked::Fenced { floor });
        let finished = try_finish(&mut outbox, token, 110, RunEnd::Done);
        assert_eq!(finished, Checked::Fenced { floor });
        let taken = outbox.take_over_jobs(Token(token), &[name()], at(130)).unwrap();
        assert_eq!(taken, Checked::Fenced { floor });
    }
    // And not another's run.
    assert_eq!(finish(&mut outbox, 7, 110, RunEnd::Done), Finished::NotRunning);
}

#[test]
fn a_new_holder_ends_what_earlier_ones_left_running() {
    let mut outbox = with_job();
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 115), Begun::Recorded);
    // Its own it leaves alone.
    let own = outbox.take_over_jobs(Token(5), &[name()], at(116)).unwrap();
    assert_eq!(own, taken_over(Vec::new(), Vec::new(), 116));
    raise(&mut outbox, 6);
    let running = Running { instant: at(110), token: Token(5) };
    let taken = outbox.take_over_jobs(Token(6), &[name()], at(200)).unwrap();
    assert_eq!(taken, taken_over(Vec::new(), vec![(name(), running)], 200));
    // It ran, nobody knows until when, and does not run again.
    let after = state(&mut outbox);
    assert_eq!((after.cursor, after.running.len(), after.newest), (at(110), 0, None));
    assert_eq!(after.ran.until(at(110)), Some(at(110)));
    let history = outbox.job_history(&name(), 9).unwrap();
    let (record, reason) = (&history[0], "the holder of token 5 lost leadership or died");
    assert_eq!((record.state, record.token), (RunState::Interrupted, Token(5)));
    assert_eq!((record.ended, record.reason.as_deref()), (Some(at(200)), Some(reason)));
}

#[test]
fn the_newest_run_is_known_while_it_runs_and_afterwards() {
    let mut outbox = with_job();
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 115), Begun::Recorded);
    assert_eq!(begin(&mut outbox, 5, 110, run(120), 125), Begun::Recorded);
    let span = |begun, ended| Some(RunSpan { begun: at(begun), ended });
    assert_eq!(state(&mut outbox).newest, span(125, None));
    assert_eq!(finish(&mut outbox, 5, 120, failed("no paper")), Finished::Recorded);
    assert_eq!(finish(&mut outbox, 5, 120, failed("said twice")), Finished::Recorded);
    assert_eq!(finish(&mut outbox, 5, 120, RunEnd::Done), Finished::NotRunning);
    let state = state(&mut outbox);
    assert_eq!(state.newest, span(125, Some(at(900))));
    assert_eq!(state.running, [Running { instant: at(110), token: Token(5) }]);
}

#[test]
fn skipped_instants_are_one_row_and_pass_the_cursor() {
    let mut outbox = with_job();
    let step = Step { skip: skip(101, 109), run: Some(at(110)) };
    assert_eq!(begin(&mut outbox, 5, 100, step, 115), Begun::Recorded);
    let only_skip = Step { skip: skip(111, 130), run: None };
    assert_eq!(begin(&mut outbox, 5, 110, only_skip, 130), Begun::Recorded);
    assert_eq!(begin(&mut outbox, 5, 110, only_skip, 130), Begun::Recorded);
    assert_eq!(state(&mut outbox).cursor, at(130));
    let history = outbox.job_history(&name(), 9).unwrap();
    let seen: Vec<_> =
        history.iter().map(|r| (r.first.unix_ms, r.last.unix_ms, r.count, r.state)).collect();
    let (skipped, running) = (RunState::Skipped, RunState::Running);
    assert_eq!(seen, [(111, 130, 20, skipped), (110, 110, 1, running), (101, 109, 9, skipped)]);
    assert_eq!(history[0].reason.as_deref(), Some(SkipReason::Misfire.text()));
    assert_eq!(outbox.job_history(&name(), 1).unwrap().len(), 1);
}

#[test]
fn old_outcomes_are_forgotten_and_what_runs_is_not() {
    let mut outbox = with_job();
    let instants = 101..=102 + JOB_HISTORY_KEPT as u64 + 50;
    for instant in instants.clone() {
        assert_eq!(begin(&mut outbox, 5, instant - 1, run(instant), 9_999), Begun::Recorded);
        if instant > 101 {
            assert_eq!(finish(&mut outbox, 5, instant, RunEnd::Done), Finished::Recorded);
        }
    }
    let history = outbox.job_history(&name(), usize::MAX).unwrap();
    assert_eq!(history.len(), JOB_HISTORY_KEPT + 2);
    let last = history.last().unwrap();
    assert_eq!((last.last, last.state), (at(101), RunState::Running));
}

#[test]
fn looking_at_jobs_uses_the_indexes() {
    let outbox = SqliteOutbox::in_memory().unwrap();
    let queries = [
        (job_runs::RUNNING, "job_run_running"),
        (job_runs::UNENDED, "job_run_unended"),
        (job_runs::INTERRUPT, "job_run_unended"),
        (job_runs::HISTORY, "job_run_order"),
        (job_runs::LOOK, "job_run_instant"),
        (job_runs::FORGET, "job_run_order"),
        (job_runs::UNSKIP, "job_run_instant"),
    ];
    for (sql, index) in queries {
        let plan = statements::plan_of(&outbox, sql);
        assert!(plan.contains(index), "{sql}: {plan}");
        let scans =
            plan.split("; ").any(|line| line.starts_with("SCAN job_run") && !line.contains(index));
        assert!(!scans, "{sql}: {plan}");
    }
}

#[test]
fn a_job_that_is_set_back_goes_on_and_runs_nothing_again() {
    let mut outbox = with_job();
    begin(&mut outbox, 5, 100, run(110), 115);
    finish(&mut outbox, 5, 110, RunEnd::Done);
    // The clock is ahead.
    let step = Step { skip: skip(120, 990), run: Some(at(1_000)) };
    assert_eq!(begin(&mut outbox, 5, 110, step, 1_005), Begun::Recorded);
    let set_back = |outbox: &mut SqliteOutbox, token, from, to, now| {
        outbox.set_back(Token(token), &name(), at(from), at(to), at(now)).unwrap()
    };
    let fenced = Checked::Fenced { floor: Token(5) };
    assert_eq!(set_back(&mut outbox, 4, 1_000, 110, 130), fenced);
    let moved = Checked::Passed(Begun::Moved { cursor: Some(at(1_000)) });
    assert_eq!(set_back(&mut outbox, 5, 990, 110, 130), moved);
    assert_eq!(set_back(&mut outbox, 5, 1_000, 1_001, 1_005), moved);
    let early = Checked::Passed(Begun::TooEarly { now: at(130) });
    assert_eq!(set_back(&mut outbox, 5, 1_000, 131, 130), early);
    for _ in 0..2 {
        let recorded = Checked::Passed(Begun::Recorded);
        assert_eq!(set_back(&mut outbox, 5, 1_000, 110, 130), recorded, "said twice, it is one");
    }
    let after = state(&mut outbox);
    assert_eq!((after.cursor, after.ran.to_text().as_str()), (at(110), "110-110,1000-1000"));
    assert_eq!(after.running, [Running { instant: at(1_000), token: Token(5) }]);
    let states = |outbox: &SqliteOutbox| -> Vec<_> {
        outbox.job_history(&name(), 9).unwrap().iter().map(|r| (r.first, r.state)).collect()
    };
    let (done, running) = (RunState::Done, RunState::Running);
    assert_eq!(states(&outbox), [(at(1_000), running), (at(110), done)], "nothing was skipped");
    assert_eq!(begin(&mut outbox, 5, 110, run(120), 130), Begun::Recorded);
    finish(&mut outbox, 5, 1_000, RunEnd::Done);
    // When its time comes, it has run.
    let again = begin(&mut outbox, 5, 120, run(1_000), 1_005);
    assert_eq!(again, Begun::Moved { cursor: Some(at(120)) });
    assert_eq!(begin(&mut outbox, 5, 120, run(1_010), 1_015), Begun::Recorded);
    assert_eq!(state(&mut outbox).ran.to_text(), "110-1010");
}

#[test]
fn the_schedule_announced_last_is_in_force_from_then_on() {
    let mut outbox = with_job();
    let plan = |schedule: &str| vec![JobPlan { name: name(), schedule: schedule.to_owned() }];
    let unknown = JobPlan { name: JobName::new("unknown").unwrap(), schedule: "a".to_owned() };
    assert_eq!(outbox.announce_jobs(&[unknown], at(101)), Ok(vec![]));
    // The first one that is announced was in force all the time.
    for _ in 0..2 {
        assert_eq!(outbox.announce_jobs(&plan("a"), at(105)), Ok(vec![]));
    }
    let in_force = |outbox: &mut SqliteOutbox| {
        let state = state(outbox);
        (state.schedule, state.cursor.unix_ms, state.since.unix_ms)
    };
    assert_eq!(in_force(&mut outbox), ("a".to_owned(), 100, 100));
    begin(&mut outbox, 5, 100, run(110), 115);
    assert_eq!(outbox.announce_jobs(&plan("b"), at(200)), Ok(plan("a")));
    assert_eq!(outbox.announce_jobs(&plan("b"), at(300)), Ok(vec![]), "said twice");
    assert_eq!(in_force(&mut outbox), ("b".to_owned(), 200, 200));
    // What began before is known, wherever the cursor is; and who decided by the old one notices.
    assert_eq!(begin(&mut outbox, 5, 100, run(110), 210), Begun::Recorded);
    assert_eq!(begin(&mut outbox, 5, 110, run(120), 210), Begun::Moved { cursor: Some(at(200)) });
    assert_eq!(outbox.announce_jobs(&plan("a"), at(200)), Ok(plan("b")), "a roll-back");
    assert_eq!(in_force(&mut outbox), ("a".to_owned(), 201, 200));
}

/// With a bug planted on a thread of its own.
#[cfg(madsim)]
#[test]
fn planted_bugs_fire_again_and_lose_instants() {
    use crate::probe::{Mutant, begin_run};
    let planted = |mutant, case: fn(&mut SqliteOutbox)| {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                begin_run(Some(mutant));
                case(&mut with_job());
            });
        });
    };
    planted(Mutant::TickFiredAgain, |outbox| {
        assert_eq!(begin(outbox, 5, 100, run(110), 115), Begun::Recorded);
        assert_eq!(finish(outbox, 5, 110, RunEnd::Done), Finished::Recorded);
        assert_eq!(
            outbox.job_states(&[name()], at(105)).unwrap().jobs[0].as_ref().unwrap().cursor,
            at(105)
        );
        assert_eq!(begin(outbox, 5, 105, run(110), 110), Begun::Recorded);
        assert_eq!(state(outbox).running.len(), 1);
    });
    planted(Mutant::TickLostAtHandover, |outbox| {
        outbox.take_over_jobs(Token(5), &[name()], at(300)).unwrap();
        assert_eq!(
            outbox.job_states(&[name()], at(0)).unwrap().jobs[0].as_ref().unwrap().cursor,
            at(300)
        );
    });
}
