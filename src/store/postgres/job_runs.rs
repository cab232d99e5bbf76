//! Job runs in PostgreSQL: a row for each job with its cursor, and a row for each outcome.
//!
//! The cursor alone decides what may begin. Outcomes are evidence, but for those that still run,
//! and old ones are forgotten. The row of a job is locked while its next step is recorded.

use tokio_postgres::Row;

use super::PostgresStore;
use super::fence::now;
use super::rows::{count, get, text, unreadable};
use super::transaction::{Transaction, rows};
use crate::id::Token;
use crate::store::columns::{as_token, as_wall, millis, number, signed};
use crate::store::job_runs::{BeginLook, kept_reason};
use crate::store::rules::is_fenced;
use crate::store::{
    Begun, Checked, Finished, JOB_HISTORY_KEPT, JobName, JobRuns, JobState, JobStates, RunEnd,
    RunRecord, RunSpan, RunState, Running, Skip, Step, StoreError, TakenOver,
};
use crate::time::WallTime;

const REGISTER: &str = "INSERT INTO fencepost.job (name, cursor_ms)
    SELECT name, $2 FROM unnest($1::TEXT[]) AS new (name)
    ON CONFLICT (name) DO NOTHING RETURNING name";
const INTERRUPT: &str = "WITH ended AS (
        UPDATE fencepost.job_run SET state = 3, ended_ms = $2,
            reason = 'the holder of token ' || token || ' lost leadership or died'
        WHERE state = 0 AND token < $1 RETURNING job, last_ms, token, seq
    )
    SELECT job, last_ms, token FROM ended ORDER BY token, seq";
const NOW: &str = concat!("SELECT ", now!());
const JOB: &str = "SELECT cursor_ms, newest FROM fencepost.job WHERE name = $1";
const RUNNING: &str = "SELECT last_ms, token FROM fencepost.job_run
    WHERE job = $1 AND state = 0 ORDER BY seq";
const SPAN: &str = "SELECT begun_ms, ended_ms, state FROM fencepost.job_run WHERE seq = $1";
const CURSOR: &str = "SELECT cursor_ms FROM fencepost.job WHERE name = $1 FOR UPDATE";
const AT_CURSOR: &str =
    "SELECT token, state FROM fencepost.job_run WHERE job = $1 AND last_ms = $2 FOR UPDATE";
const RECORD: &str = "INSERT INTO fencepost.job_run
        (job, first_ms, last_ms, count, state, token, begun_ms, ended_ms, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq";
const MOVE: &str =
    "UPDATE fencepost.job SET cursor_ms = $2, newest = coalesce($3, newest) WHERE name = $1";
const FORGET: &str = "DELETE FROM fencepost.job_run WHERE state <> 0 AND job = $1 AND last_ms <
    (SELECT last_ms FROM fencepost.job_run WHERE job = $1 ORDER BY last_ms DESC LIMIT 1 OFFSET $2)";
const FINISH: &str = "UPDATE fencepost.job_run SET state = $3, ended_ms = $4, reason = $5
    WHERE job = $1 AND last_ms = $2";
const JOBS: &str = "SELECT name FROM fencepost.job ORDER BY name COLLATE \"C\"";
const HISTORY: &str = "SELECT first_ms, last_ms, count, state, token, begun_ms, ended_ms, reason
    FROM fencepost.job_run WHERE job = $1 ORDER BY last_ms DESC LIMIT $2";

impl PostgresStore {
    /// All jobs that were ever registered, by name.
    ///
    /// # Errors
    /// The store failed.
    pub async fn jobs(&self) -> Result<Vec<JobName>, StoreError> {
        let names = rows(self.session().await?, JOBS, &[]).await?;
        names.iter().map(|row| JobName::new(get(row, 0)?).map_err(unreadable)).collect()
    }
}

impl JobRuns for PostgresStore {
    async fn take_over_jobs(
        &self,
        token: Token,
        jobs: &[JobName],
    ) -> Result<Checked<TakenOver>, StoreError> {
        let (tx, floor, now) = self.begin().await?;
        if is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let names: Vec<&str> = jobs.iter().map(JobName::as_str).collect();
        let new = tx.rows(REGISTER, &[&names, &millis(now)]).await?;
        let new: Vec<&str> = new.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
        let mut registered: Vec<JobName> = Vec::new();
        for job in jobs {
            if new.contains(&job.as_str()) && !registered.contains(job) {
                registered.push(job.clone());
            }
        }
        let ended = tx.rows(INTERRUPT, &[&signed(token), &millis(now)]).await?;
        let read = |row: &Row| {
            let name = JobName::new(get(row, 0)?).map_err(unreadable)?;
            Ok((name, running(row, 1)?))
        };
        let interrupted: Vec<(JobName, Running)> =
            ended.iter().map(read).collect::<Result<_, StoreError>>()?;
        match registered.is_empty() && interrupted.is_empty() {
            true => tx.confirm().await?,
            false => tx.commit().await?,
        }
        Ok(Checked::Passed(TakenOver { registered, interrupted, now }))
    }

    async fn job_states(&self, jobs: &[JobName]) -> Result<JobStates, StoreError> {
        let tx = Transaction::begin(self.session().await?).await?;
        let now = as_wall(get(&tx.row(NOW, &[]).await?, 0)?);
        let mut states = Vec::with_capacity(jobs.len());
        for job in jobs {
            states.push(state(&tx, job).await?);
        }
        tx.roll_back().await;
        Ok(JobStates { now, jobs: states })
    }

    async fn begin_run(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        step: &Step,
    ) -> Result<Checked<Begun>, StoreError> {
        let (tx, floor, now) = self.begin().await?;
        if is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let look = look(&tx, floor, job).await?;
        if let Some(answer) = look.refusal(token, from, step, now) {
            tx.confirm().await?;
            return Ok(Checked::Passed(answer));
        }
        record(&tx, token, job, step, now).await?;
        tx.commit().await?;
        Ok(Checked::Passed(Begun::Recorded))
    }

    async fn finish_run(
        &self,
        token: Token,
        job: &JobName,
        instant: WallTime,
        end: RunEnd,
    ) -> Result<Checked<Finished>, StoreError> {
        let (ended, reason) = match &end {
            RunEnd::Done => (RunState::Done, None),
            RunEnd::Failed { reason } => (RunState::Failed, Some(text(kept_reason(reason)))),
        };
        let (tx, floor, now) = self.begin().await?;
        if is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let found = tx.rows(AT_CURSOR, &[&job.as_str(), &millis(instant)]).await?;
        let run = found.first().map(outcome).transpose()?;
        if run == Some((token, RunState::Running)) {
            let (name, instant, state) = (job.as_str(), millis(instant), ended as i16);
            tx.execute(FINISH, &[&name, &instant, &state, &millis(now), &reason]).await?;
            tx.commit().await?;
            return Ok(Checked::Passed(Finished::Recorded));
        }
        tx.confirm().await?;
        // Said twice.
        let again = run == Some((token, ended));
        Ok(Checked::Passed(if again { Finished::Recorded } else { Finished::NotRunning }))
    }

    async fn job_history(&self, job: &JobName, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let session = self.session().await?;
        let history = rows(session, HISTORY, &[&job.as_str(), &number(limit as u64)]).await?;
        history.iter().map(run_record).collect()
    }
}

/// Only the holder of the floor writes, so what it reads here in several statements is of one
/// moment; anybody else is refused when acting on it.
async fn state(tx: &Transaction, job: &JobName) -> Result<Option<JobState>, StoreError> {
    let found = tx.rows(JOB, &[&job.as_str()]).await?;
    let Some(found) = found.first() else { return Ok(None) };
    let runs = tx.rows(RUNNING, &[&job.as_str()]).await?;
    let newest = tx.rows(SPAN, &[&get::<i64>(found, 1)?]).await?;
    let newest = match newest.first() {
        Some(row) if run_state(row, 2)? != RunState::Interrupted => Some(RunSpan {
            begun: as_wall(get(row, 0)?),
            ended: get::<Option<i64>>(row, 1)?.map(as_wall),
        }),
        _ => None,
    };
    Ok(Some(JobState {
        cursor: as_wall(get(found, 0)?),
        running: runs.iter().map(|row| running(row, 0)).collect::<Result<_, _>>()?,
        newest,
    }))
}

async fn look(tx: &Transaction, floor: Token, job: &JobName) -> Result<BeginLook, StoreError> {
    let found = tx.rows(CURSOR, &[&job.as_str()]).await?;
    let Some(found) = found.first() else {
        return Ok(BeginLook { floor, cursor: None, at_cursor: None });
    };
    let cursor: i64 = get(found, 0)?;
    let at_cursor = tx.rows(AT_CURSOR, &[&job.as_str(), &cursor]).await?;
    let at_cursor = at_cursor.first().map(outcome).transpose()?;
    Ok(BeginLook { floor, cursor: Some(as_wall(cursor)), at_cursor })
}

async fn record(
    tx: &Transaction,
    token: Token,
    job: &JobName,
    step: &Step,
    now: WallTime,
) -> Result<(), StoreError> {
    let (name, by, now) = (job.as_str(), signed(token), millis(now));
    if let Some(Skip { first, last, count, why }) = step.skip {
        let (first, last, count) = (millis(first), millis(last), number(count));
        let (state, why) = (RunState::Skipped as i16, Some(why.text()));
        let ended = Some(now);
        tx.rows(RECORD, &[&name, &first, &last, &count, &state, &by, &now, &ended, &why]).await?;
    }
    let mut newest: Option<i64> = None;
    if let Some(instant) = step.run {
        let (instant, state) = (millis(instant), RunState::Running as i16);
        let (ended, why) = (None::<i64>, None::<&str>);
        let row = tx
            .row(RECORD, &[&name, &instant, &instant, &1_i64, &state, &by, &now, &ended, &why])
            .await?;
        newest = Some(get(&row, 0)?);
    }
    tx.execute(MOVE, &[&name, &step.last().map(millis), &newest]).await?;
    tx.execute(FORGET, &[&name, &number(JOB_HISTORY_KEPT as u64)]).await?;
    Ok(())
}

fn running(row: &Row, index: usize) -> Result<Running, StoreError> {
    Ok(Running { instant: as_wall(get(row, index)?), token: as_token(get(row, index + 1)?) })
}

fn outcome(row: &Row) -> Result<(Token, RunState), StoreError> {
    Ok((as_token(get(row, 0)?), run_state(row, 1)?))
}

fn run_record(row: &Row) -> Result<RunRecord, StoreError> {
    Ok(RunRecord {
        first: as_wall(get(row, 0)?),
        last: as_wall(get(row, 1)?),
        count: count(row, 2)?,
        state: run_state(row, 3)?,
        token: as_token(get(row, 4)?),
        begun: as_wall(get(row, 5)?),
        ended: get::<Option<i64>>(row, 6)?.map(as_wall),
        reason: get(row, 7)?,
    })
}

fn run_state(row: &Row, index: usize) -> Result<RunState, StoreError> {
    let number: i16 = get(row, index)?;
    let state = usize::try_from(number).ok().and_then(|number| RunState::ALL.get(number));
    state.copied().ok_or_else(|| unreadable(format!("there is no state {number} of a run")))
}
