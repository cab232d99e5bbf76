//! Who has which unit of a work, in PostgreSQL.
//!
//! A claim under an assignment holds its row `FOR SHARE` until it has committed. Whoever assigns the unit
//! anew writes that row first, and so waits for such claims, and only then looks for what was claimed
//! under it: a claim is either found and put in doubt, or sees the new assignment and is refused. All
//! lock in one order: fence, work, assignment, messages.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::rows::{count, get, node, unreadable};
use super::transaction::{Transaction, rows};
use crate::id::{Boot, Token};
use crate::store::columns::{as_token, millis, number, signed};
use crate::store::rules::{self, Reassigning, ShareKey};
use crate::store::{
    Assigned, Assignment, Assignments, Change, Checked, Epoch, Share, StoreError, Unit, WorkName,
};
use crate::time::WallTime;

const ENTER_WORK: &str = "INSERT INTO fencepost.work (name, units, epoch) VALUES ($1, $2, 0)
    ON CONFLICT (name) DO NOTHING";
/// Two leaders of one token are none, but what is said twice may come at once.
const WORK: &str = "SELECT no, epoch FROM fencepost.work WHERE name = $1 FOR UPDATE";
const COUNT: &str = "UPDATE fencepost.work SET units = $2, epoch = $3 WHERE no = $1";
/// One statement, so that units and assignments are those of one moment.
const ASSIGNED: &str = "SELECT units, unit, assignment.epoch, node, nonce, token
    FROM fencepost.work LEFT JOIN fencepost.assignment ON work = no WHERE name = $1 ORDER BY unit";
const ASSIGN: &str = "INSERT INTO fencepost.assignment (work, unit, epoch, node, nonce, token)
    SELECT $1, unit, epoch, node, nonce, $2
    FROM unnest($3::INTEGER[], $4::BIGINT[], $5::TEXT[], $6::BIGINT[])
        AS new (unit, epoch, node, nonce)
    ON CONFLICT (work, unit) DO UPDATE SET epoch = excluded.epoch, node = excluded.node,
        nonce = excluded.nonce, token = excluded.token";
const END_ALL: &str = "DELETE FROM fencepost.assignment WHERE work = $1";
/// Of these assignments, or of all of the work if none are named. Locks in the order of the sequence, as
/// every writer does.
pub(super) const IN_DOUBT: &str = "WITH claimed AS (
        SELECT seq FROM fencepost.outbox
        WHERE state = 1 AND share_work = $1 AND ($2::BIGINT[] IS NULL OR share_epoch = ANY($2))
        ORDER BY seq FOR NO KEY UPDATE
    )
    UPDATE fencepost.outbox AS mine SET state = 4, changed_ms = $3, reason =
        'claimed under assignment ' || share_epoch || ', which has ended; outcome unknown'
    FROM claimed WHERE mine.seq = claimed.seq";
pub(super) const NEWEST: &str =
    "SELECT no FROM fencepost.work JOIN fencepost.assignment ON work = no
    WHERE name = $1 AND units = $2 AND unit = $3
    AND assignment.epoch = $4 AND node = $5 AND nonce = $6 AND token = $7
    FOR SHARE OF assignment";

impl Assignments for PostgresStore {
    async fn assign(
        &self,
        token: Token,
        work: &WorkName,
        units: u32,
        changes: &[Change],
    ) -> Result<Checked<Assigned>, StoreError> {
        rules::check_changes(units, changes).map_err(StoreError::Unavailable)?;
        let (tx, floor, now) = self.begin().await?;
        if rules::is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        tx.execute(ENTER_WORK, &[&work.as_str(), &column(units)]).await?;
        let row = tx.row(WORK, &[&work.as_str()]).await?;
        let (no, epoch): (i64, u64) = (get(&row, 0)?, count(&row, 1)?);
        let stands = read(&tx.rows(ASSIGNED, &[&work.as_str()]).await?)?;
        let Reassigning { ends_all, is_made } = rules::reassign(&stands, units, changes);
        if !ends_all && !is_made {
            tx.roll_back().await;
            return Ok(Checked::Passed(stands));
        }
        if ends_all {
            tx.execute(END_ALL, &[&no]).await?;
            doubt(&tx, no, None, now).await?;
        }
        let made = if is_made { changes } else { &[] };
        let new = made.iter().zip(epoch + 1..);
        let epochs: Vec<i64> = new.clone().map(|(_, epoch)| number(epoch)).collect();
        write(&tx, no, token, made, &epochs).await?;
        if !ends_all {
            let ended: Vec<i64> = made.iter().map(|change| number(change.after.0)).collect();
            doubt(&tx, no, Some(&ended), now).await?;
        }
        let highest = epochs.last().copied().unwrap_or(number(epoch));
        tx.execute(COUNT, &[&no, &column(units), &highest]).await?;
        let stands = read(&tx.rows(ASSIGNED, &[&work.as_str()]).await?)?;
        tx.commit().await?;
        Ok(Checked::Passed(stands))
    }

    async fn assignments(&self, work: &WorkName) -> Result<Assigned, StoreError> {
        read(&rows(self.session().await?, ASSIGNED, &[&work.as_str()]).await?)
    }
}

/// What [`NEWEST`] is asked about: an assignment, and the token that it must have been made under.
pub(super) struct Claimed<'a> {
    work: &'a str,
    of: i32,
    unit: i32,
    epoch: i64,
    node: &'a str,
    nonce: i64,
    token: i64,
}

impl<'a> Claimed<'a> {
    pub(super) fn under(token: Token, share: &'a Share) -> Self {
        let Share { work, unit, of, epoch, worker } = share;
        Self {
            work: work.as_str(),
            of: column(*of),
            unit: column(unit.0),
            epoch: number(epoch.0),
            node: worker.node.as_str(),
            nonce: worker.nonce.cast_signed(),
            token: signed(token),
        }
    }

    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 7] {
        let Self { work, of, unit, epoch, node, nonce, token } = self;
        [work, of, unit, epoch, node, nonce, token]
    }
}

/// Names the assignment if [`NEWEST`] found it, which keeps it so until the transaction ends.
pub(super) fn newest(found: &[Row], share: &Share) -> Result<Option<ShareKey>, StoreError> {
    let key = |row: &Row| Ok(ShareKey { work: get(row, 0)?, epoch: share.epoch });
    found.first().map(key).transpose()
}

/// Writes these changes down, in one statement. Waits for claims under what they end.
async fn write(
    tx: &Transaction,
    work: i64,
    token: Token,
    changes: &[Change],
    epochs: &[i64],
) -> Result<(), StoreError> {
    let units: Vec<i32> = changes.iter().map(|change| column(change.unit.0)).collect();
    let nodes: Vec<&str> = changes.iter().map(|change| change.worker.node.as_str()).collect();
    let nonces: Vec<i64> = changes.iter().map(|change| change.worker.nonce.cast_signed()).collect();
    tx.execute(ASSIGN, &[&work, &signed(token), &units, &epochs, &nodes, &nonces]).await?;
    Ok(())
}

/// Puts in doubt what is claimed under assignments that have ended, or under all of the work.
async fn doubt(
    tx: &Transaction,
    work: i64,
    ended: Option<&[i64]>,
    now: WallTime,
) -> Result<(), StoreError> {
    tx.execute(IN_DOUBT, &[&work, &ended, &millis(now)]).await?;
    Ok(())
}

fn read(found: &[Row]) -> Result<Assigned, StoreError> {
    let mut assigned = Assigned::default();
    for row in found {
        assigned.units = unsigned(get(row, 0)?)?;
        if let Some(unit) = get::<Option<i32>>(row, 1)? {
            let nonce = get::<i64>(row, 4)?.cast_unsigned();
            assigned.list.push(Assignment {
                unit: Unit(unsigned(unit)?),
                epoch: Epoch(count(row, 2)?),
                worker: Boot { node: node(get(row, 3)?)?, nonce },
                token: as_token(get(row, 5)?),
            });
        }
    }
    Ok(assigned)
}

/// Numbers of units fit, as far as they are assigned; what does not is no work's.
fn column(units: u32) -> i32 {
    i32::try_from(units).unwrap_or(i32::MAX)
}

fn unsigned(number: i32) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(unreadable)
}
