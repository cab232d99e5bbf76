//! Who has which unit of a work, in SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteOutbox;
use super::fence::floor;
use super::rows::{boot, count, millis, number, signed, token as token_at};
use super::transaction::{Done, unavailable, write};
use crate::id::Token;
use crate::probe::{mutant, reach};
use crate::store::rules::{self, ShareKey};
use crate::store::{
    Assigned, Assignment, Change, Checked, Epoch, MAX_UNITS, Share, StoreError, Unit, WorkName,
};
use crate::time::WallTime;

const WORK: &str = "SELECT no, units, epoch FROM work WHERE name = ?1";
const ENTER_WORK: &str = "INSERT INTO work (name, units, epoch) VALUES (?1, ?2, 0)";
const COUNT: &str = "UPDATE work SET units = ?2, epoch = ?3 WHERE no = ?1";
/// One statement, so that units and assignments are those of one moment.
const ASSIGNED: &str = "SELECT units, unit, assignment.epoch, node, nonce, token
    FROM work LEFT JOIN assignment ON work = no WHERE name = ?1 ORDER BY unit";
const EPOCH: &str = "SELECT epoch FROM assignment WHERE work = ?1 AND unit = ?2";
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

/// A work as a transaction finds it.
struct Found {
    no: i64,
    units: u32,
    epoch: u64,
}

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
        check_units(units, changes).map_err(StoreError::Unavailable)?;
        write(&self.connection, |tx| {
            let floor = floor(tx)?;
            if rules::is_fenced(token, floor) {
                if token < floor {
                    reach!("assignment_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let mut work_row = enter(tx, work, units)?;
            let ends = work_row.units != units;
            if ends {
                doubt(tx, work_row.no, None, now)?;
                tx.prepare_cached(END_ALL)?.execute([work_row.no])?;
            }
            let mut all_as_named = true;
            for change in changes {
                all_as_named &= epoch_of(tx, work_row.no, change.unit)? == change.after;
            }
            if !all_as_named && !ends {
                return Ok(Done::Unchanged(Checked::Passed(read(tx, work)?)));
            }
            for change in changes.iter().filter(|_| all_as_named) {
                doubt(tx, work_row.no, Some(change.after), now)?;
                work_row.epoch += 1;
                tx.prepare_cached(ASSIGN)?.execute(params![
                    work_row.no,
                    change.unit.0,
                    number(work_row.epoch),
                    change.worker.node.as_str(),
                    change.worker.nonce.cast_signed(),
                    signed(token),
                ])?;
            }
            let counted = params![work_row.no, units, number(work_row.epoch)];
            tx.prepare_cached(COUNT)?.execute(counted)?;
            Ok(Done::Changed(Checked::Passed(read(tx, work)?)))
        })
    }

    /// What is assigned of a work.
    ///
    /// # Errors
    /// The store failed.
    pub fn assignments(&mut self, work: &WorkName) -> Result<Assigned, StoreError> {
        read(&self.connection, work).map_err(unavailable)
    }
}

fn check_units(units: u32, changes: &[Change]) -> Result<(), String> {
    if !(1..=MAX_UNITS).contains(&units) {
        return Err(format!("a work of {units} units: it has 1 to {MAX_UNITS}"));
    }
    match changes.iter().find(|change| change.unit.0 >= units) {
        Some(change) => Err(format!("unit {} of a work of {units} units", change.unit)),
        None => Ok(()),
    }
}

/// Looks the work up, and writes it down if it is new.
fn enter(tx: &Connection, work: &WorkName, units: u32) -> rusqlite::Result<Found> {
    let found = tx
        .prepare_cached(WORK)?
        .query_row([work.as_str()], |row| {
            Ok(Found { no: row.get(0)?, units: row.get(1)?, epoch: count(row, 2)? })
        })
        .optional()?;
    if let Some(found) = found {
        return Ok(found);
    }
    tx.prepare_cached(ENTER_WORK)?.execute(params![work.as_str(), units])?;
    Ok(Found { no: tx.last_insert_rowid(), units, epoch: 0 })
}

/// The epoch of a unit, 0 if it is not assigned.
fn epoch_of(tx: &Connection, work: i64, unit: Unit) -> rusqlite::Result<Epoch> {
    let found = tx
        .prepare_cached(EPOCH)?
        .query_row(params![work, unit.0], |row| count(row, 0))
        .optional()?;
    Ok(Epoch(found.unwrap_or(0)))
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
