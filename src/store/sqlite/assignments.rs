//! Who has which unit of a work, in SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteOutbox;
use super::fence::floor;
use super::rows::{boot, count, millis, number, signed, token as token_at};
use super::transaction::{Done, unavailable, write};
use crate::id::Token;
use crate::probe::{mutant, reach};
use crate::store::rules::{self, Reassigning, ShareKey};
use crate::store::{
    Assigned, Assignment, Change, Checked, Epoch, Share, StoreError, Unit, WorkName,
};
use crate::time::WallTime;

const WORK: &str = "SELECT no, epoch FROM work WHERE name = ?1";
const ENTER_WORK: &str = "INSERT INTO work (name, units, epoch) VALUES (?1, ?2, 0)";
const COUNT: &str = "UPDATE work SET units = ?2, epoch = ?3 WHERE no = ?1";
/// One statement, so that units and assignments are those of one moment.
const ASSIGNED: &str = "SELECT units, unit, assignment.epoch, node, nonce, token
    FROM work LEFT JOIN assignment ON work = no WHERE name = ?1 ORDER BY unit";
const ASSIGN: &str = "REPLACE INTO assignment (work, unit, epoch, node, nonce, token)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const END_ALL: &str = "DELETE FROM assignment WHERE work = ?1";
/// Of one assignment, or of all of the work if no epoch is given.
const IN_DOUBT: &str = "UPDATE outbox SET state = 4, changed_ms = ?3, reason =
        'claimed under assignment ' || share_epoch || ', which has ended; outcome unknown'
    WHERE state = 1 AND share_work = ?1 AND (?2 IS NULL OR share_epoch = ?2)";
const NEWEST: &str = "SELECT no FROM work JOIN assignment ON work = no
    WHERE name = ?1 AND units = ?2 AND unit = ?3
    AND assignment.epoch = ?4 AND node = ?5 AND nonce = ?6 AND token = ?7";

impl SqliteOutbox {
    /// Assigns units of a work anew: all of `changes` if each unit still has the epoch that its change
    /// names, else none. Tells what then stands.
    ///
    /// # Errors
    /// The store failed, the work has no or too many units, or a unit is beyond them.
    pub fn assign(
        &mut self,
        token: Token,
        work: &WorkName,
        units: u32,
        changes: &[Change],
        now: WallTime,
    ) -> Result<Checked<Assigned>, StoreError> {
        rules::check_changes(units, changes).map_err(StoreError::Unavailable)?;
        write(&self.connection, |tx| {
            let floor = floor(tx)?;
            if rules::is_fenced(token, floor) {
                if token < floor {
                    reach!("assignment_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let (no, mut epoch) = enter(tx, work, units)?;
            let stands = read(tx, work)?;
            let Reassigning { ends_all, is_made } = rules::reassign(&stands, units, changes);
            if !ends_all && !is_made {
                return Ok(Done::Unchanged(Checked::Passed(stands)));
            }
            if ends_all {
                doubt(tx, no, None, now)?;
                tx.prepare_cached(END_ALL)?.execute([no])?;
            }
            for change in changes.iter().filter(|_| is_made) {
                doubt(tx, no, Some(change.after), now)?;
                epoch += 1;
                tx.prepare_cached(ASSIGN)?.execute(params![
                    no,
                    change.unit.0,
                    number(epoch),
                    change.worker.node.as_str(),
                    change.worker.nonce.cast_signed(),
                    signed(token),
                ])?;
            }
            tx.prepare_cached(COUNT)?.execute(params![no, units, number(epoch)])?;
            Ok(Done::Changed(Checked::Passed(read(tx, work)?)))
        })
    }

    /// What is assigned of a work.
    ///
    /// # Errors
    /// The store failed.
    pub fn assignments(&mut self, work: &WorkName) -> Result<Assigned, StoreError> {
        read(self.connection.to_read()?, work).map_err(unavailable)
    }
}

/// Looks the work up, and writes it down if it is new. Its number, and its highest epoch.
fn enter(tx: &Connection, work: &WorkName, units: u32) -> rusqlite::Result<(i64, u64)> {
    let found = tx
        .prepare_cached(WORK)?
        .query_row([work.as_str()], |row| Ok((row.get(0)?, count(row, 1)?)))
        .optional()?;
    if let Some(found) = found {
        return Ok(found);
    }
    tx.prepare_cached(ENTER_WORK)?.execute(params![work.as_str(), units])?;
    Ok((tx.last_insert_rowid(), 0))
}

/// Puts in doubt what is claimed under an assignment that ends, or under all of them.
fn doubt(tx: &Connection, work: i64, epoch: Option<Epoch>, now: WallTime) -> rusqlite::Result<()> {
    let which = params![work, epoch.map(|epoch| number(epoch.0)), millis(now)];
    if mutant!(MissedHeartbeatReruns) {
        let rerun = IN_DOUBT.replace("state = 4", "state = 0");
        return tx.execute(&rerun, which).map(drop);
    }
    if tx.prepare_cached(IN_DOUBT)?.execute(which)? > 0 {
        reach!("revoked_claim_in_doubt");
    }
    Ok(())
}

fn read(connection: &Connection, work: &WorkName) -> rusqlite::Result<Assigned> {
    let mut assigned = Assigned::default();
    let mut select = connection.prepare_cached(ASSIGNED)?;
    let mut rows = select.query([work.as_str()])?;
    while let Some(row) = rows.next()? {
        assigned.units = row.get(0)?;
        if let Some(unit) = row.get(1)? {
            assigned.list.push(Assignment {
                unit: Unit(unit),
                epoch: Epoch(count(row, 2)?),
                worker: boot(row, 3, 4)?,
                token: token_at(row, 5)?,
            });
        }
    }
    Ok(assigned)
}

/// Names the assignment if it is the newest of its unit, made under `token`.
pub(super) fn newest(
    tx: &Connection,
    token: Token,
    share: &Share,
) -> rusqlite::Result<Option<ShareKey>> {
    let shown = params![
        share.work.as_str(),
        share.of,
        share.unit.0,
        number(share.epoch.0),
        share.worker.node.as_str(),
        share.worker.nonce.cast_signed(),
        signed(token),
    ];
    let work = tx.prepare_cached(NEWEST)?.query_row(shown, |row| row.get(0)).optional()?;
    Ok(work.map(|work| ShareKey { work, epoch: share.epoch }))
}
