//! Job runs in SQLite: a row for each job with its cursor, and a row for each outcome.
//!
//! The cursor alone decides what may begin. Outcomes are evidence, but for those that still run,
//! and old ones are forgotten.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fence::FLOOR;
use super::rows::{as_token, as_wall, count, millis, signed, token as token_at, unreadable};
use super::transaction::{Done, unavailable, write};
use super::{SqliteOutbox, SqliteStore};
use crate::id::Token;
use crate::probe::{mutant, reach};
use crate::store::job_runs::{Announcing, BeginLook, kept_reason, set_back_refusal};
use crate::store::rules::is_fenced;
use crate::store::{
    Begun, Checked, Finished, JOB_HISTORY_KEPT, JobName, JobPlan, JobRuns, JobState, JobStates,
    Ran, RunEnd, RunRecord, RunSpan, RunState, Running, Skip, SkipReason, Step, StoreError,
    TakenOver,
};
use crate::time::WallTime;

pub(super) const REGISTER: &str = "INSERT INTO job (name, cursor_ms, since_ms) VALUES (?1, ?2, ?2)
    ON CONFLICT (name) DO NOTHING";
pub(super) const KNOWN: &str = "SELECT schedule, cursor_ms FROM job WHERE name = ?1";
pub(super) const LEARN: &str = "UPDATE job SET schedule = ?2 WHERE name = ?1";
pub(super) const CHANGE: &str =
    "UPDATE job SET schedule = ?2, cursor_ms = ?3, since_ms = ?4 WHERE name = ?1";
pub(super) const UNENDED: &str =
    "SELECT job, last_ms, token FROM job_run WHERE state = 0 AND token < ?1 ORDER BY token, seq";
pub(super) const INTERRUPT: &str = "UPDATE job_run SET state = 3, ended_ms = ?2,
        reason = 'the holder of token ' || token || ' lost leadership or died'
    WHERE state = 0 AND token < ?1";
pub(super) const JOB: &str =
    "SELECT cursor_ms, newest, schedule, since_ms, ran FROM job WHERE name = ?1";
pub(super) const RUNNING: &str =
    "SELECT last_ms, token FROM job_run WHERE job = ?1 AND state = 0 ORDER BY seq";
pub(super) const SPAN: &str = "SELECT begun_ms, ended_ms, state FROM job_run WHERE seq = ?1";
/// The fence, the job, and the outcome at an instant.
pub(super) const LOOK: &str = "SELECT floor, cursor_ms, job_run.token, job_run.state, ran
    FROM fence LEFT JOIN job ON name = ?1
    LEFT JOIN job_run ON job_run.job = name AND last_ms = ?2";
pub(super) const RECORD: &str =
    "INSERT INTO job_run (job, first_ms, last_ms, count, state, token, begun_ms, ended_ms, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
pub(super) const MOVE: &str =
    "UPDATE job SET cursor_ms = ?2, newest = coalesce(?3, newest), ran = ?4 WHERE name = ?1";
pub(super) const SET_BACK: &str = "UPDATE job SET cursor_ms = ?2 WHERE name = ?1";
pub(super) const UNSKIP: &str = "DELETE FROM job_run WHERE state = 4 AND job = ?1 AND last_ms > ?2";
pub(super) const FORGET: &str = "DELETE FROM job_run WHERE state <> 0 AND job = ?1 AND seq <
    (SELECT seq FROM job_run WHERE job = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
pub(super) const RUN: &str = "SELECT token, state FROM job_run WHERE job = ?1 AND last_ms = ?2";
pub(super) const FINISH: &str = "UPDATE job_run SET state = ?3, ended_ms = ?4, reason = ?5
    WHERE job = ?1 AND last_ms = ?2";
const JOBS: &str = "SELECT name FROM job ORDER BY name";
pub(super) const HISTORY: &str =
    "SELECT first_ms, last_ms, count, state, token, begun_ms, ended_ms, reason
    FROM job_run WHERE job = ?1 ORDER BY seq DESC LIMIT ?2";

/// Operations answer as those of [`JobRuns`] do; `now` is the store's clock.
impl SqliteOutbox {
    /// Registers jobs that are new and ends the runs of earlier tokens as interrupted.
    ///
    /// # Errors
    /// The store failed.
    pub fn take_over_jobs(
        &mut self,
        token: Token,
        jobs: &[JobName],
        now: WallTime,
    ) -> Result<Checked<TakenOver>, StoreError> {
        write(&self.connection, |tx| {
            let floor = tx.prepare_cached(FLOOR)?.query_row([], |row| token_at(row, 0))?;
            if is_fenced(token, floor) {
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let mut registered = Vec::new();
            for job in jobs {
                let new =
                    tx.prepare_cached(REGISTER)?.execute(params![job.as_str(), millis(now)])?;
                if mutant!(TickLostAtHandover) {
                    tx.prepare_cached(SET_BACK)?.execute(params![job.as_str(), millis(now)])?;
                }
                if new > 0 || mutant!(TickLostAtHandover) {
                    registered.push(job.clone());
                }
            }
            let interrupted = unended(tx, token)?;
            if !interrupted.is_empty() {
                reach!("job_interrupted");
                tx.prepare_cached(INTERRUPT)?.execute([signed(token), millis(now)])?;
            }
            let changed = !(registered.is_empty() && interrupted.is_empty());
            let taken = Checked::Passed(TakenOver { registered, interrupted, now });
            Ok(if changed { Done::Changed(taken) } else { Done::Unchanged(taken) })
        })
    }

    /// Says which schedules a node starts with, and tells which that changes.
    ///
    /// # Errors
    /// The store failed.
    pub fn announce_jobs(
        &mut self,
        jobs: &[JobPlan],
        now: WallTime,
    ) -> Result<Vec<JobPlan>, StoreError> {
        write(&self.connection, |tx| {
            let (mut changed, mut is_written) = (Vec::new(), false);
            for JobPlan { name, schedule } in jobs {
                let found = tx
                    .prepare_cached(KNOWN)?
                    .query_row([name.as_str()], |row| {
                        Ok((row.get::<_, String>(0)?, as_wall(row.get(1)?)))
                    })
                    .optional()?;
                let Some((known, cursor)) = found else { continue };
                match Announcing::of(&known, cursor, schedule, now) {
                    Announcing::Same => continue,
                    Announcing::Learned => {
                        tx.prepare_cached(LEARN)?.execute([name.as_str(), schedule])?;
                    }
                    Announcing::Changed(to) => {
                        let change = params![name.as_str(), schedule, millis(to), millis(now)];
                        tx.prepare_cached(CHANGE)?.execute(change)?;
                        changed.push(JobPlan { name: name.clone(), schedule: known });
                    }
                }
                is_written = true;
            }
            Ok(if is_written { Done::Changed(changed) } else { Done::Unchanged(changed) })
        })
    }

    /// Where jobs stand.
    ///
    /// # Errors
    /// The store failed.
    pub fn job_states(&mut self, jobs: &[JobName], now: WallTime) -> Result<JobStates, StoreError> {
        let connection = self.connection.to_read()?;
        let states = jobs.iter().map(|job| state(connection, job, now));
        let jobs = states.collect::<rusqlite::Result<_>>().map_err(unavailable)?;
        Ok(JobStates { now, jobs })
    }

    /// Records what becomes of the next instants of a job whose cursor is `from`.
    ///
    /// # Errors
    /// The store failed.
    pub fn begin_run(
        &mut self,
        token: Token,
        job: &JobName,
        from: WallTime,
        step: &Step,
        now: WallTime,
    ) -> Result<Checked<Begun>, StoreError> {
        write(&self.connection, |tx| {
            let look = look(tx, job, step)?;
            if is_fenced(token, look.floor) {
                if token < look.floor {
                    reach!("job_begin_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Checked::Fenced { floor: look.floor }));
            }
            if mutant!(TickFiredAgain) {
                for instant in step.run.into_iter().chain(step.skip.map(|skip| skip.last)) {
                    let sql = "DELETE FROM job_run WHERE job = ?1 AND last_ms = ?2";
                    tx.execute(sql, params![job.as_str(), millis(instant)])?;
                }
            } else if let Some(answer) = look.refusal(token, from, step, now) {
                return Ok(Done::Unchanged(Checked::Passed(answer)));
            }
            let mut ran = look.ran;
            step.begins(&mut ran, from);
            record(tx, token, job, step, &ran, now)?;
            Ok(Done::Changed(Checked::Passed(Begun::Recorded)))
        })
    }

    /// Sets the cursor of a job back from `from` to `to`, because the store's clock was set back.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_back(
        &mut self,
        token: Token,
        job: &JobName,
        from: WallTime,
        to: WallTime,
        now: WallTime,
    ) -> Result<Checked<Begun>, StoreError> {
        write(&self.connection, |tx| {
            let floor = tx.prepare_cached(FLOOR)?.query_row([], |row| token_at(row, 0))?;
            if is_fenced(token, floor) {
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let mut known = tx.prepare_cached(KNOWN)?;
            let cursor = known.query_row([job.as_str()], |row| row.get(1)).optional()?;
            if let Some(answer) = set_back_refusal(cursor.map(as_wall), from, to, now) {
                return Ok(Done::Unchanged(Checked::Passed(answer)));
            }
            reach!("job_set_back");
            let to = params![job.as_str(), millis(to)];
            tx.prepare_cached(SET_BACK)?.execute(to)?;
            tx.prepare_cached(UNSKIP)?.execute(to)?;
            Ok(Done::Changed(Checked::Passed(Begun::Recorded)))
        })
    }

    /// Records how a run that began under `token` ended.
    ///
    /// # Errors
    /// The store failed.
    pub fn finish_run(
        &mut self,
        token: Token,
        job: &JobName,
        instant: WallTime,
        end: &RunEnd,
        now: WallTime,
    ) -> Result<Checked<Finished>, StoreError> {
        let (ended, reason) = match end {
            RunEnd::Done => (RunState::Done, None),
            RunEnd::Failed { reason } => (RunState::Failed, Some(kept_reason(reason))),
        };
        write(&self.connection, |tx| {
            let floor = tx.prepare_cached(FLOOR)?.query_row([], |row| token_at(row, 0))?;
            if is_fenced(token, floor) {
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let run = tx
                .prepare_cached(RUN)?
                .query_row(params![job.as_str(), millis(instant)], |row| {
                    Ok((token_at(row, 0)?, run_state(row, 1)?))
                })
                .optional()?;
            match run {
                Some((by, RunState::Running)) if by == token => {
                    let name = job.as_str();
                    let finish = params![name, millis(instant), ended as i64, millis(now), reason];
                    tx.prepare_cached(FINISH)?.execute(finish)?;
                    Ok(Done::Changed(Checked::Passed(Finished::Recorded)))
                }
                // Said twice.
                Some((by, state)) if by == token && state == ended => {
                    Ok(Done::Unchanged(Checked::Passed(Finished::Recorded)))
                }
                _ => Ok(Done::Unchanged(Checked::Passed(Finished::NotRunning))),
            }
        })
    }

    /// All jobs that were ever registered, by name.
    ///
    /// # Errors
    /// The store failed.
    pub fn jobs(&self) -> Result<Vec<JobName>, StoreError> {
        let connection = self.connection.to_read()?;
        let read = || -> rusqlite::Result<Vec<JobName>> {
            connection.prepare_cached(JOBS)?.query_map([], job_name)?.collect()
        };
        read().map_err(unavailable)
    }

    /// The newest outcomes of a job, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub fn job_history(&self, job: &JobName, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let connection = self.connection.to_read()?;
        let read = || -> rusqlite::Result<Vec<RunRecord>> {
            let mut select = connection.prepare_cached(HISTORY)?;
            select.query_map(params![job.as_str(), limit], run_record)?.collect()
        };
        read().map_err(unavailable)
    }
}

/// The runs that an earlier token left without an end.
fn unended(tx: &Connection, token: Token) -> rusqlite::Result<Vec<(JobName, Running)>> {
    let mut select = tx.prepare_cached(UNENDED)?;
    let rows = select.query_map([signed(token)], |row| {
        let run = Running { instant: as_wall(row.get(1)?), token: token_at(row, 2)? };
        Ok((job_name(row)?, run))
    })?;
    rows.collect()
}

/// The name in a row's first column.
fn job_name(row: &Row<'_>) -> rusqlite::Result<JobName> {
    let name = JobName::new(row.get_ref(0)?.as_str()?);
    name.map_err(|error| unreadable(0, Type::Text, FromSqlError::other(error)))
}

/// Only the holder of the floor writes, so what it reads here in several statements is of one
/// moment; anybody else is refused when acting on it.
fn state(
    connection: &Connection,
    job: &JobName,
    now: WallTime,
) -> rusqlite::Result<Option<JobState>> {
    let found = connection
        .prepare_cached(JOB)?
        .query_row([job.as_str()], |row| {
            let newest: i64 = row.get(1)?;
            let ran = ran(row, 4)?;
            Ok((as_wall(row.get(0)?), newest, row.get(2)?, as_wall(row.get(3)?), ran))
        })
        .optional()?;
    let Some((mut cursor, newest, schedule, since, mut ran)) = found else { return Ok(None) };
    if mutant!(TickFiredAgain) && cursor > now {
        cursor = now;
        connection.prepare_cached(SET_BACK)?.execute(params![job.as_str(), millis(now)])?;
    }
    if mutant!(TickFiredAgain) {
        ran = Ran::default();
    }
    let mut select = connection.prepare_cached(RUNNING)?;
    let running = select.query_map([job.as_str()], |row| {
        Ok(Running { instant: as_wall(row.get(0)?), token: token_at(row, 1)? })
    })?;
    let running = running.collect::<rusqlite::Result<_>>()?;
    let span = connection.prepare_cached(SPAN)?.query_row([newest], |row| {
        let span = RunSpan {
            begun: as_wall(row.get(0)?),
            ended: row.get::<_, Option<i64>>(1)?.map(as_wall),
        };
        Ok((run_state(row, 2)? != RunState::Interrupted).then_some(span))
    });
    let newest = span.optional()?.flatten();
    Ok(Some(JobState { cursor, schedule, since, ran, running, newest }))
}

fn look(tx: &Connection, job: &JobName, step: &Step) -> rusqlite::Result<BeginLook> {
    let last = step.last().map(millis);
    tx.prepare_cached(LOOK)?.query_row(params![job.as_str(), last], |row| {
        let cursor = row.get::<_, Option<i64>>(1)?.map(as_wall);
        let at_last = match row.get::<_, Option<i64>>(2)? {
            Some(by) => Some((as_token(by), run_state(row, 3)?)),
            None => None,
        };
        let ran = if cursor.is_some() { ran(row, 4)? } else { Ran::default() };
        Ok(BeginLook { floor: token_at(row, 0)?, cursor, ran, at_last })
    })
}

fn ran(row: &Row<'_>, index: usize) -> rusqlite::Result<Ran> {
    let text = row.get_ref(index)?.as_str()?;
    let wrong = FromSqlError::InvalidType;
    Ran::from_text(text).ok_or_else(|| unreadable(index, Type::Text, wrong))
}

fn record(
    tx: &Connection,
    token: Token,
    job: &JobName,
    step: &Step,
    ran: &Ran,
    now: WallTime,
) -> rusqlite::Result<()> {
    let (name, now) = (job.as_str(), millis(now));
    if let Some(Skip { first, last, count, why }) = step.skip {
        match why {
            SkipReason::Misfire => reach!("job_skipped_late"),
            SkipReason::Overlap => reach!("job_skipped_overlap"),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let (skipped, why) = (RunState::Skipped as i64, why.text());
        let (first, last, by) = (millis(first), millis(last), signed(token));
        let row = params![name, first, last, count, skipped, by, now, now, why];
        tx.prepare_cached(RECORD)?.execute(row)?;
    }
    let mut newest = None;
    if let Some(instant) = step.run {
        let (instant, running) = (millis(instant), RunState::Running as i64);
        let (ended, reason) = (None::<i64>, None::<&str>);
        let row = params![name, instant, instant, 1, running, signed(token), now, ended, reason];
        tx.prepare_cached(RECORD)?.execute(row)?;
        newest = Some(tx.last_insert_rowid());
    }
    let cursor = step.last().map(millis);
    tx.prepare_cached(MOVE)?.execute(params![name, cursor, newest, ran.to_text()])?;
    tx.prepare_cached(FORGET)?.execute(params![name, JOB_HISTORY_KEPT as i64])?;
    Ok(())
}

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        first: as_wall(row.get(0)?),
        last: as_wall(row.get(1)?),
        count: count(row, 2)?,
        state: run_state(row, 3)?,
        token: token_at(row, 4)?,
        begun: as_wall(row.get(5)?),
        ended: row.get::<_, Option<i64>>(6)?.map(as_wall),
        reason: row.get(7)?,
    })
}

fn run_state(row: &Row<'_>, index: usize) -> rusqlite::Result<RunState> {
    let number = row.get::<_, i64>(index)?;
    let state = usize::try_from(number).ok().and_then(|n| RunState::ALL.get(n));
    let wrong = FromSqlError::OutOfRange(number);
    state.copied().ok_or_else(|| unreadable(index, Type::Integer, wrong))
}

impl JobRuns for SqliteStore {
    async fn take_over_jobs(
        &self,
        token: Token,
        jobs: &[JobName],
    ) -> Result<Checked<TakenOver>, StoreError> {
        let jobs = jobs.to_vec();
        self.attempt(move |outbox, now| outbox.take_over_jobs(token, &jobs, now)).await
    }

    async fn announce_jobs(&self, jobs: &[JobPlan]) -> Result<Vec<JobPlan>, StoreError> {
        let jobs = jobs.to_vec();
        self.with(move |outbox, now| outbox.announce_jobs(&jobs, now)).await
    }

    async fn job_states(&self, jobs: &[JobName]) -> Result<JobStates, StoreError> {
        let jobs = jobs.to_vec();
        self.attempt(move |outbox, now| outbox.job_states(&jobs, now)).await
    }

    async fn begin_run(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        step: &Step,
    ) -> Result<Checked<Begun>, StoreError> {
        let (job, step) = (job.clone(), *step);
        self.attempt(move |outbox, now| outbox.begin_run(token, &job, from, &step, now)).await
    }

    async fn set_back(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        to: WallTime,
    ) -> Result<Checked<Begun>, StoreError> {
        let job = job.clone();
        self.with(move |outbox, now| outbox.set_back(token, &job, from, to, now)).await
    }

    async fn finish_run(
        &self,
        token: Token,
        job: &JobName,
        instant: WallTime,
        end: RunEnd,
    ) -> Result<Checked<Finished>, StoreError> {
        let job = job.clone();
        self.attempt(move |outbox, now| outbox.finish_run(token, &job, instant, &end, now)).await
    }

    async fn job_history(&self, job: &JobName, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let job = job.clone();
        self.attempt(move |outbox, _| outbox.job_history(&job, limit)).await
    }
}
