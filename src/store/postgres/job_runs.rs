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
use crate::store::job_runs::{Announcing, BeginLook, kept_reason, set_back_refusal};
use crate::store::rules::is_fenced;
use crate::store::{
    Begun, Checked, Finished, JOB_HISTORY_KEPT, JobName, JobPlan, JobRuns, JobState, JobStates,
    Ran, RunEnd, RunRecord, RunSpan, RunState, Running, Skip, Step, StoreError, TakenOver,
};
use crate::time::WallTime;

const REGISTER: &str = "INSERT INTO fencepost.job (name, cursor_ms, since_ms)
    SELECT name, $2, $2 FROM unnest($1::TEXT[]) AS new (name)
    ON CONFLICT (name) DO NOTHING RETURNING name";
const INTERRUPT: &str = "WITH ended AS (
        UPDATE fencepost.job_run SET state = 3, ended_ms = $2,
            reason = 'the holder of token ' || token || ' lost leadership or died'
        WHERE state = 0 AND token < $1 RETURNING job, last_ms, token, seq
    )
    SELECT job, last_ms, token FROM ended ORDER BY token, seq";
/// In the order of their names, so that nodes that start at once do not lock each other out.
const KNOWN: &str =
    "SELECT name, schedule, cursor_ms FROM fencepost.job WHERE name = ANY($1::TEXT[])
    ORDER BY name FOR UPDATE";
const LEARN: &str = "UPDATE fencepost.job SET schedule = $2 WHERE name = $1";
const CHANGE: &str = "UPDATE fencepost.job SET schedule = $2, cursor_ms = $3, since_ms = $4
    WHERE name = $1";
const NOW: &str = concat!("SELECT ", now!());
const JOB: &str = "SELECT cursor_ms, newest, schedule, since_ms, ran FROM fencepost.job
    WHERE name = $1";
const RUNNING: &str = "SELECT last_ms, token FROM fencepost.job_run
    WHERE job = $1 AND state = 0 ORDER BY seq";
const SPAN: &str = "SELECT begun_ms, ended_ms, state FROM fencepost.job_run WHERE seq = $1";
const CURSOR: &str = "SELECT cursor_ms, ran FROM fencepost.job WHERE name = $1 FOR UPDATE";
const OUTCOME: &str =
    "SELECT token, state FROM fencepost.job_run WHERE job = $1 AND last_ms = $2 FOR UPDATE";
const RECORD: &str = "INSERT INTO fencepost.job_run
        (job, first_ms, last_ms, count, state, token, begun_ms, ended_ms, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq";
const MOVE: &str = "UPDATE fencepost.job SET cursor_ms = $2, newest = coalesce($3, newest), ran = $4 WHERE name = $1";
const SET_BACK: &str = "UPDATE fencepost.job SET cursor_ms = $2 WHERE name = $1";
const UNSKIP: &str = "DELETE FROM fencepost.job_run WHERE state = 4 AND job = $1 AND last_ms > $2";
const FORGET: &str = "DELETE FROM fencepost.job_run WHERE state <> 0 AND job = $1 AND seq <
    (SELECT seq FROM fencepost.job_run WHERE job = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)";
const FINISH: &str = "UPDATE fencepost.job_run SET state = $3, ended_ms = $4, reason = $5
    WHERE job = $1 AND last_ms = $2";
const JOBS: &str = "SELECT name FROM fencepost.job ORDER BY name COLLATE \"C\"";
const HISTORY: &str = "SELECT first_ms, last_ms, count, state, token, begun_ms, ended_ms, reason
    FROM fencepost.job_run WHERE job = $1 ORDER BY seq DESC LIMIT $2";

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

    async fn announce_jobs(&self, jobs: &[JobPlan]) -> Result<Vec<JobPlan>, StoreError> {
        let tx = Transaction::begin(self.session().await?).await?;
        let now = as_wall(get(&tx.row(NOW, &[]).await?, 0)?);
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let (mut changed, mut is_written) = (Vec::new(), false);
        for row in tx.rows(KNOWN, &[&names]).await? {
            let (name, known): (String, String) = (get(&row, 0)?, get(&row, 1)?);
            let Some(job) = jobs.iter().find(|job| job.name.as_str() == name) else { continue };
            let schedule = &job.schedule;
            match Announcing::of(&known, as_wall(get(&row, 2)?), schedule, now) {
                Announcing::Same => continue,
                Announcing::Learned => {
                    tx.execute(LEARN, &[&name, schedule]).await?;
                }
                Announcing::Changed(to) => {
                    tx.execute(CHANGE, &[&name, schedule, &millis(to), &millis(now)]).await?;
                    changed.push(JobPlan { name: job.name.clone(), schedule: known });
                }
            }
            is_written = true;
        }
        match is_written {
            true => tx.commit().await?,
            false => tx.roll_back().await,
        }
        Ok(changed)
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
        let look = look(&tx, floor, job, step).await?;
        if let Some(answer) = look.refusal(token, from, step, now) {
            tx.confirm().await?;
            return Ok(Checked::Passed(answer));
        }
        let mut ran = look.ran;
        step.begins(&mut ran, from);
        record(&tx, token, job, step, &ran, now).await?;
        tx.commit().await?;
        Ok(Checked::Passed(Begun::Recorded))
    }

    async fn set_back(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        to: WallTime,
    ) -> Result<Checked<Begun>, StoreError> {
        let (tx, floor, now) = self.begin().await?;
        if is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let found = tx.rows(CURSOR, &[&job.as_str()]).await?;
        let cursor = found.first().map(|row| get(row, 0)).transpose()?.map(as_wall);
        if let Some(answer) = set_back_refusal(cursor, from, to, now) {
            tx.roll_back().await;
            return Ok(Checked::Passed(answer));
        }
        tx.execute(SET_BACK, &[&job.as_str(), &millis(to)]).await?;
        tx.execute(UNSKIP, &[&job.as_str(), &millis(to)]).await?;
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
        let found = tx.rows(OUTCOME, &[&job.as_str(), &millis(instant)]).await?;
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
        schedule: get(found, 2)?,
        since: as_wall(get(found, 3)?),
        ran: ran(found, 4)?,
        running: runs.iter().map(|row| running(row, 0)).collect::<Result<_, _>>()?,
        newest,
    }))
}

async fn look(
    tx: &Transaction,
    floor: Token,
    job: &JobName,
    step: &Step,
) -> Result<BeginLook, StoreError> {
    let found = tx.rows(CURSOR, &[&job.as_str()]).await?;
    let Some(found) = found.first() else {
        return Ok(BeginLook { floor, cursor: None, ran: Ran::default(), at_last: None });
    };
    let at_last = tx.rows(OUTCOME, &[&job.as_str(), &step.last().map(millis)]).await?;
    let at_last = at_last.first().map(outcome).transpose()?;
    let cursor = Some(as_wall(get(found, 0)?));
    Ok(BeginLook { floor, cursor, ran: ran(found, 1)?, at_last })
}

fn ran(row: &Row, index: usize) -> Result<Ran, StoreError> {
    let text: &str = get(row, index)?;
    let wrong = || unreadable(format!("{text:?} says not which instants of a job have begun"));
    Ran::from_text(text).ok_or_else(wrong)
}

async fn record(
    tx: &Transaction,
    token: Token,
    job: &JobName,
    step: &Step,
    ran: &Ran,
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
    let ran = ran.to_text();
    tx.execute(MOVE, &[&name, &step.last().map(millis), &newest, &ran]).await?;
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
