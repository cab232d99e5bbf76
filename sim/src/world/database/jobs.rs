//! The job runs of the simulated database: the calls of [`JobRuns`], their record in commit order,
//! and the testbed's own books of them.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::store::{
    Begun, Checked, Finished, JobName, JobPlan, JobRuns, JobStates, RunEnd, RunRecord, Running,
    Step, StoreError, TakenOver,
};
use fencepost::{Token, WallTime};

use super::{Answer, Books, Database, Question, RemoteStore};
use crate::faults::plan::PlannedJob;
use crate::history::{JobEvent, JobNo, JobRun, Kind, Look};
use crate::world::recorder::Recorder;

/// What a node asks of the database: the calls of [`JobRuns`].
#[allow(missing_docs)] // the arguments are the trait's
pub enum JobQuestion {
    TakeOver { token: Token, jobs: Vec<JobName> },
    Announce { jobs: Vec<JobPlan> },
    SetBack { token: Token, job: JobName, from: WallTime, to: WallTime },
    States { jobs: Vec<JobName> },
    Begin { token: Token, job: JobName, from: WallTime, step: Step, look: Look },
    Finish { token: Token, job: JobName, instant: WallTime, end: RunEnd },
}

impl JobQuestion {
    /// Whether its answer acknowledges a commit.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::States { .. })
    }
}

/// What the database answers.
#[allow(missing_docs)] // the results are the trait's
pub enum JobAnswer {
    TakenOver(Checked<TakenOver>),
    Announced(Vec<JobPlan>),
    SetBack(Checked<Begun>),
    States(Look, JobStates),
    Begun(Checked<Begun>),
    Finished(Checked<Finished>),
}

/// The testbed's own books of the jobs, kept from the answers alone.
#[derive(Default, Clone)]
pub struct JobBooks {
    cursors: BTreeMap<JobNo, WallTime>,
    /// The steps that were recorded last: what is said twice is no second one.
    last: BTreeMap<JobNo, (Token, Step)>,
    running: BTreeMap<JobRun, Token>,
    /// How runs ended, and under which token.
    ended: BTreeMap<(JobRun, Token), RunEnd>,
}

impl JobBooks {
    /// Whether no instant waits longer for its outcome than its job's policies explain.
    pub fn is_settled(&self, planned: &[PlannedJob], now: WallTime) -> bool {
        (1..).zip(planned).all(|(number, job)| {
            self.cursors.get(&JobNo(number)).is_some_and(|cursor| {
                job.overdue(*cursor, now).unwrap_or(Duration::ZERO) <= job.patience()
            })
        })
    }
}

impl Database {
    pub(super) fn execute_for_jobs(
        &self,
        books: &mut Books,
        question: &JobQuestion,
        now: WallTime,
    ) -> Result<JobAnswer, StoreError> {
        Ok(match question {
            JobQuestion::TakeOver { token, jobs } => {
                let taken = books.outbox.take_over_jobs(*token, jobs, now)?;
                match &taken {
                    Checked::Passed(TakenOver { registered, interrupted, .. }) => {
                        self.taken_over(&mut books.jobs, *token, registered, interrupted, now);
                    }
                    Checked::Fenced { floor } => self.fenced(*token, *floor),
                }
                JobAnswer::TakenOver(taken)
            }
            JobQuestion::Announce { jobs } => {
                let changed = books.outbox.announce_jobs(jobs, now)?;
                assert!(changed.is_empty(), "a plan's jobs keep their schedules");
                JobAnswer::Announced(changed)
            }
            JobQuestion::SetBack { token, job, from, to } => {
                let set_back = books.outbox.set_back(*token, job, *from, *to, now)?;
                match set_back {
                    Checked::Passed(Begun::Recorded) => {
                        let (job, token, to) = (JobNo::of(job), *token, *to);
                        // Said twice, it is one.
                        if books.jobs.cursors.insert(job, to) != Some(to) {
                            self.job(JobEvent::SetBack { job, to, token, now });
                        }
                    }
                    Checked::Passed(Begun::Moved { .. } | Begun::TooEarly { .. }) => {}
                    Checked::Fenced { floor } => self.fenced(*token, floor),
                }
                JobAnswer::SetBack(set_back)
            }
            JobQuestion::States { jobs } => {
                let states = books.outbox.job_states(jobs, now)?;
                JobAnswer::States(Look { at: self.recorder.now(), now }, states)
            }
            JobQuestion::Begin { token, job, from, step, look } => {
                let begun = books.outbox.begin_run(*token, job, *from, step, now)?;
                match begun {
                    Checked::Passed(Begun::Recorded) => {
                        self.begun(&mut books.jobs, *token, JobNo::of(job), *step, *look, now);
                    }
                    Checked::Passed(Begun::Moved { .. } | Begun::TooEarly { .. }) => {}
                    Checked::Fenced { floor } => self.fenced(*token, floor),
                }
                JobAnswer::Begun(begun)
            }
            JobQuestion::Finish { token, job, instant, end } => {
                let finished = books.outbox.finish_run(*token, job, *instant, end, now)?;
                match finished {
                    Checked::Passed(Finished::Recorded) => {
                        let run = JobRun { job: JobNo::of(job), instant: *instant };
                        self.finished(&mut books.jobs, *token, run, end, now);
                    }
                    Checked::Passed(Finished::NotRunning) => {}
                    Checked::Fenced { floor } => self.fenced(*token, floor),
                }
                JobAnswer::Finished(finished)
            }
        })
    }

    fn taken_over(
        &self,
        books: &mut JobBooks,
        token: Token,
        registered: &[JobName],
        interrupted: &[(JobName, Running)],
        now: WallTime,
    ) {
        for (name, Running { instant, token: of }) in interrupted {
            let (run, of) = (JobRun { job: JobNo::of(name), instant: *instant }, *of);
            assert_eq!(books.running.remove(&run), Some(of), "{run}: the database and the books");
            self.job(JobEvent::Interrupted { run, of, token });
        }
        for job in registered.iter().map(JobNo::of) {
            books.cursors.insert(job, now);
            self.job(JobEvent::Registered { job, cursor: now, token });
        }
    }

    /// What is said twice is no second end. Whether anything else that the database took for one is
    /// true is for the oracles to say.
    fn finished(
        &self,
        books: &mut JobBooks,
        token: Token,
        run: JobRun,
        end: &RunEnd,
        now: WallTime,
    ) {
        let again = books.ended.insert((run, token), end.clone()).as_ref() == Some(end);
        let ran = books.running.get(&run) == Some(&token) && books.running.remove(&run).is_some();
        if ran || !again {
            let done = *end == RunEnd::Done;
            self.job(JobEvent::Finished { run, token, done, now });
        }
    }

    fn begun(
        &self,
        books: &mut JobBooks,
        token: Token,
        job: JobNo,
        step: Step,
        look: Look,
        now: WallTime,
    ) {
        if books.last.insert(job, (token, step)) == Some((token, step)) {
            return;
        }
        if let Some(skip) = step.skip {
            let (first, last, count, why) = (skip.first, skip.last, skip.count, skip.why);
            self.job(JobEvent::Skipped { job, first, last, count, why, token, look });
        }
        if let Some(instant) = step.run {
            let run = JobRun { job, instant };
            books.running.insert(run, token);
            self.job(JobEvent::Began { run, token, look, now });
        }
        let cursor = step.last().expect("a step decides about an instant");
        books.cursors.insert(job, cursor);
    }

    fn job(&self, event: JobEvent) {
        self.recorder.record(Kind::Job(event));
    }

    /// Records where each job stands and what runs of it, as the database itself says.
    ///
    /// # Errors
    /// SQLite says so.
    ///
    /// # Panics
    /// The database and the testbed's books disagree: one of them is wrong.
    pub(super) fn audit_jobs(
        books: &mut Books,
        recorder: &Recorder,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let kept: Vec<(JobNo, WallTime)> = books.jobs.cursors.clone().into_iter().collect();
        let names: Vec<JobName> = kept.iter().map(|(job, _)| job.name()).collect();
        // Asked late, so that no clock that was set back is in the way of what is asked for.
        let states = books.outbox.job_states(&names, WallTime { unix_ms: u64::MAX })?;
        for ((job, cursor), state) in kept.into_iter().zip(states.jobs) {
            let found = state.as_ref().map(|state| state.cursor);
            assert_eq!(found, Some(cursor), "{job}: the database and the books");
            let running = state.map(|state| state.running).unwrap_or_default();
            let mut running: Vec<_> = running.iter().map(|run| (run.instant, run.token)).collect();
            running.sort_unstable();
            recorder.record(Kind::Job(JobEvent::Final { job, cursor, now, running }));
        }
        Ok(())
    }
}

impl RemoteStore {
    async fn ask_for_jobs(&self, question: JobQuestion) -> Result<JobAnswer, StoreError> {
        match self.ask(Question::Jobs(question)).await? {
            Answer::Jobs(answer) => Ok(answer),
            _ => unreachable!("the database answers what it was asked"),
        }
    }
}

/// The answer to a question is of its kind, because [`Database::execute_for_jobs`] pairs them.
macro_rules! expect {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            JobAnswer::$kind(value) => Ok(value),
            _ => unreachable!("the database answers what it was asked"),
        }
    };
}

impl JobRuns for RemoteStore {
    async fn take_over_jobs(
        &self,
        token: Token,
        jobs: &[JobName],
    ) -> Result<Checked<TakenOver>, StoreError> {
        let jobs = jobs.to_vec();
        expect!(self.ask_for_jobs(JobQuestion::TakeOver { token, jobs }).await, TakenOver)
    }

    async fn announce_jobs(&self, jobs: &[JobPlan]) -> Result<Vec<JobPlan>, StoreError> {
        let jobs = jobs.to_vec();
        expect!(self.ask_for_jobs(JobQuestion::Announce { jobs }).await, Announced)
    }

    async fn set_back(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        to: WallTime,
    ) -> Result<Checked<Begun>, StoreError> {
        let job = job.clone();
        expect!(self.ask_for_jobs(JobQuestion::SetBack { token, job, from, to }).await, SetBack)
    }

    async fn job_states(&self, jobs: &[JobName]) -> Result<JobStates, StoreError> {
        match self.ask_for_jobs(JobQuestion::States { jobs: jobs.to_vec() }).await? {
            JobAnswer::States(look, states) => {
                *self.look.lock().expect("never held across a panic") = look;
                Ok(states)
            }
            _ => unreachable!("the database answers what it was asked"),
        }
    }

    async fn begin_run(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        step: &Step,
    ) -> Result<Checked<Begun>, StoreError> {
        let (job, step) = (job.clone(), *step);
        let look = *self.look.lock().expect("never held across a panic");
        let question = JobQuestion::Begin { token, job, from, step, look };
        expect!(self.ask_for_jobs(question).await, Begun)
    }

    async fn finish_run(
        &self,
        token: Token,
        job: &JobName,
        instant: WallTime,
        end: RunEnd,
    ) -> Result<Checked<Finished>, StoreError> {
        let job = job.clone();
        expect!(self.ask_for_jobs(JobQuestion::Finish { token, job, instant, end }).await, Finished)
    }

    /// Nobody on a node asks: it is for people.
    async fn job_history(&self, _: &JobName, _: usize) -> Result<Vec<RunRecord>, StoreError> {
        Err(StoreError::Unavailable("no node asks for the history of a job".into()))
    }
}
