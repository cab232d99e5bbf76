//! Runs of scheduled jobs. Time is the store's own: what is too early is asked again until it is not.

use super::*;
use crate::store::{Begun, Finished, JobPlan, JobRuns, RunEnd, RunState, Running, Step};

fn job() -> JobName {
    JobName::new("report ü").unwrap()
}

fn run_at(instant: WallTime) -> Step {
    Step { skip: None, run: Some(instant) }
}

fn after(instant: WallTime) -> WallTime {
    WallTime { unix_ms: instant.unix_ms + 1 }
}

/// Registers the job, and begins its first instant.
async fn begun<S: Subject + JobRuns>(store: &S) -> (WallTime, WallTime) {
    raise(store, 5).await;
    let taken = store.take_over_jobs(Token(5), &[job(), job()]).await.unwrap();
    let Checked::Passed(taken) = taken else { panic!("fenced") };
    assert_eq!((taken.registered, taken.interrupted), (vec![job()], vec![]));
    let (cursor, first) = (taken.now, after(taken.now));
    loop {
        let begun = store.begin_run(Token(5), &job(), cursor, &run_at(first)).await.unwrap();
        match begun {
            Checked::Passed(Begun::TooEarly { now }) => assert!(now < first),
            Checked::Passed(Begun::Recorded) => return (cursor, first),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn an_instant_runs_once<S: Subject + JobRuns>(store: &S) {
    let (cursor, first) = begun(store).await;
    let again = store.begin_run(Token(5), &job(), cursor, &run_at(first)).await.unwrap();
    assert_eq!(again, Checked::Passed(Begun::Recorded), "said twice");
    let states = store.job_states(&[job(), JobName::new("none").unwrap()]).await.unwrap();
    let state = states.jobs[0].as_ref().unwrap();
    assert_eq!((state.cursor, states.jobs[1].as_ref()), (first, None));
    assert_eq!(state.running, [Running { instant: first, token: Token(5) }]);
    let begun = state.newest.expect("a run has begun");
    assert_eq!(begun.ended, None);
    for _ in 0..2 {
        let finished = store.finish_run(Token(5), &job(), first, RunEnd::Done).await;
        assert_eq!(finished, Ok(Checked::Passed(Finished::Recorded)));
    }
    let states = store.job_states(&[job()]).await.unwrap();
    let ended = states.jobs[0].as_ref().unwrap().newest.expect("it is still the newest");
    assert!((ended.begun, ended.ended) >= (begun.begun, Some(begun.begun)), "{ended:?}");
    let reason = "too late".to_owned();
    let other = store.finish_run(Token(5), &job(), first, RunEnd::Failed { reason }).await;
    assert_eq!(other, Ok(Checked::Passed(Finished::NotRunning)));
    let moved = store.begin_run(Token(5), &job(), cursor, &run_at(after(first))).await.unwrap();
    assert_eq!(moved, Checked::Passed(Begun::Moved { cursor: Some(first) }));
    assert_eq!(store.all_jobs().await, [job()]);
    let early = JobName::new("Early").unwrap();
    store.take_over_jobs(Token(5), &[job(), early.clone()]).await.unwrap();
    assert_eq!(store.all_jobs().await, [early, job()], "by name");
    let unknown = JobName::new("none").unwrap();
    let none = store.begin_run(Token(5), &unknown, cursor, &run_at(first)).await.unwrap();
    assert_eq!(none, Checked::Passed(Begun::Moved { cursor: None }));
    let history = store.job_history(&job(), 9).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].state, history[0].first), (RunState::Done, first));
    assert!(history[0].ended >= Some(history[0].begun));
}

pub(super) async fn a_job_is_set_back_and_runs_nothing_again<S: Subject + JobRuns>(store: &S) {
    let (cursor, first) = begun(store).await;
    let to = WallTime { unix_ms: cursor.unix_ms - 50_000 };
    let fenced = store.set_back(Token(4), &job(), first, to).await.unwrap();
    assert_eq!(fenced, Checked::Fenced { floor: Token(5) });
    let moved = store.set_back(Token(5), &job(), cursor, to).await.unwrap();
    assert_eq!(moved, Checked::Passed(Begun::Moved { cursor: Some(first) }));
    for _ in 0..2 {
        let set_back = store.set_back(Token(5), &job(), first, to).await.unwrap();
        assert_eq!(set_back, Checked::Passed(Begun::Recorded));
    }
    let states = store.job_states(&[job()]).await.unwrap();
    let state = states.jobs[0].as_ref().unwrap();
    assert_eq!((state.cursor, state.ran.until(first)), (to, Some(first)));
    assert_eq!(state.running, [Running { instant: first, token: Token(5) }]);
    store.finish_run(Token(5), &job(), first, RunEnd::Done).await.unwrap();
    let again = store.begin_run(Token(5), &job(), to, &run_at(first)).await.unwrap();
    assert_eq!(again, Checked::Passed(Begun::Moved { cursor: Some(to) }));
    let earlier = WallTime { unix_ms: to.unix_ms + 10_000 };
    let begun = store.begin_run(Token(5), &job(), to, &run_at(earlier)).await.unwrap();
    assert_eq!(begun, Checked::Passed(Begun::Recorded));
    let history = store.job_history(&job(), 9).await.unwrap();
    assert_eq!(history.iter().map(|run| run.first).collect::<Vec<_>>(), [earlier, first]);
}

pub(super) async fn the_schedule_announced_last_is_in_force<S: Subject + JobRuns>(store: &S) {
    let plan = |schedule: &str| vec![JobPlan { name: job(), schedule: schedule.to_owned() }];
    assert_eq!(store.announce_jobs(&plan("a")).await, Ok(vec![]), "it is not registered");
    let (_, first) = begun(store).await;
    assert_eq!(store.announce_jobs(&plan("a")).await, Ok(vec![]));
    let stands = async || {
        let states = store.job_states(&[job()]).await.unwrap();
        states.jobs[0].clone().unwrap()
    };
    assert_eq!((stands().await.schedule.as_str(), stands().await.cursor), ("a", first));
    assert_eq!(store.announce_jobs(&plan("b")).await, Ok(plan("a")));
    assert_eq!(store.announce_jobs(&plan("b")).await, Ok(vec![]));
    let changed = stands().await;
    assert_eq!(changed.schedule, "b");
    assert!(changed.cursor >= changed.since && changed.since >= first, "{changed:?}");
    assert_eq!(changed.ran.until(first), Some(first));
    assert_eq!(store.announce_jobs(&plan("a")).await, Ok(plan("b")));
    assert_eq!(stands().await.schedule, "a");
}

pub(super) async fn a_deposed_holders_run_is_interrupted<S: Subject + JobRuns>(store: &S) {
    let (cursor, first) = begun(store).await;
    raise(store, 6).await;
    let fenced = Checked::Fenced { floor: Token(6) };
    let begin = store.begin_run(Token(5), &job(), cursor, &run_at(first)).await.unwrap();
    assert_eq!(begin, fenced);
    let finish = store.finish_run(Token(5), &job(), first, RunEnd::Done).await.unwrap();
    assert_eq!(finish, Checked::Fenced { floor: Token(6) });
    let old = store.take_over_jobs(Token(5), &[job()]).await.unwrap();
    assert_eq!(old, Checked::Fenced { floor: Token(6) });
    let taken = store.take_over_jobs(Token(6), &[job()]).await.unwrap();
    let Checked::Passed(taken) = taken else { panic!("fenced") };
    let run = Running { instant: first, token: Token(5) };
    assert_eq!((taken.registered, taken.interrupted), (vec![], vec![(job(), run)]));
    let history = store.job_history(&job(), 9).await.unwrap();
    assert_eq!(history[0].state, RunState::Interrupted);
    assert!(history[0].reason.as_deref().unwrap().contains("token 5"));
    let states = store.job_states(&[job()]).await.unwrap();
    let state = states.jobs[0].as_ref().unwrap();
    assert_eq!((&state.running[..], state.newest), (&[][..], None));
}
