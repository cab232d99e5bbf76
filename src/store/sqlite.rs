//! Fence and outbox in SQLite: one file, shared by the processes of one machine; or in memory, for
//! the simulator, so that the SQL that is tested is the SQL that ships.
//!
//! Every write is one immediate transaction that first reads the fence row and goes on only for the
//! token that is the floor: a lower one was deposed, a higher one was never activated. SQLite has one
//! writer at a time, so no transaction can commit between that look and the commit.
//!
//! **The clock.** The caller passes the store's wall clock in as `now`. It decides one thing: whether
//! a deduplicating sink's window, counted from a message's first claim, is still open. All other
//! times are evidence. A wall clock may be stepped, and a step back lengthens the window that is
//! measured by as much, so the `window` of a [`Proof::Deduplicated`] must be the sink's own window less a
//! margin for such steps. A `now` that is older than the transaction, because the transaction had to
//! wait, errs on the safe side: claims count from earlier, and what is left to send in counts from
//! before the question was asked.

mod fence;
mod job_runs;
mod read;
mod rows;
mod schema;
mod service;
#[cfg(test)]
mod tests;
mod transaction;
#[cfg(test)]
mod twin;

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use self::fence::FENCE;
use self::rows::{Look, Message, left, look, millis, signed, state, token as token_at};
use self::transaction::{Done, unavailable, write};
use super::{
    Attempt, Claim, MAX_PAYLOAD_LEN, MessageId, MessageState, Proof, Settled, Settlement,
    StoreError,
};
use crate::id::Token;
use crate::probe::{mutant, reach};
use crate::time::WallTime;

pub use self::fence::{BindError, Fence};
pub use self::service::SqliteStore;

/// How long a call waits while another process writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than there are statements here, so that each is compiled once.
const STATEMENTS: usize = 64;

const ENQUEUE: &str = "INSERT INTO outbox (id, enqueued_ms, changed_ms) VALUES (?1, ?2, ?2)
    ON CONFLICT (id) DO NOTHING";
const ENQUEUE_PAYLOAD: &str = "INSERT INTO payload (seq, bytes) VALUES (?1, ?2)";
const SWEEP: &str = "UPDATE outbox SET state = 4, changed_ms = ?2, reason =
        'claimed by ' || token || ', whose holder was deposed; outcome unknown'
    WHERE state = 1 AND token < ?1";
const CLAIM: &str = "UPDATE outbox SET state = 1, token = ?2, attempts = attempts + 1,
        first_claimed_ms = coalesce(first_claimed_ms, ?4), changed_ms = ?4, claimer_wall_ms = ?3
    WHERE seq = ?1";
const WINDOW_OVER: &str = "UPDATE outbox SET state = 4, parked = 1, changed_ms = ?2,
        reason = coalesce(reason || '; ', '') || 'the deduplication window is over'
    WHERE seq = ?1";
const SETTLE: &str = "UPDATE outbox SET state = ?2, reason = coalesce(?3, reason), changed_ms = ?4
    WHERE seq = ?1";
const SETTLE_UNCHECKED: &str = "UPDATE outbox SET state = 2, changed_ms = ?2 WHERE id = ?1";
const PARK: &str = "UPDATE outbox SET parked = 1, reason = ?2, changed_ms = ?3 WHERE seq = ?1";
const PROVE: &str = "UPDATE outbox SET state = ?2, parked = 0, send_until_ms = ?3, changed_ms = ?4
    WHERE seq = ?1";
const STATE: &str = "SELECT state FROM outbox WHERE id = ?1";

/// Fence and outbox in one SQLite database. Blocks: see [`SqliteStore`] for async code.
///
/// Operations answer as those of [`Store`](super::Store) do; `now` is the store's clock.
pub struct SqliteOutbox {
    connection: Connection,
}

/// The answer to enqueueing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was added.
    Added,
    /// Nothing changed: a message of that id is there already, whatever its payload, and stands
    /// here.
    Exists(MessageState),
}

/// A message that was not enqueued, or perhaps not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// It was not enqueued, and never will be.
    #[error("a payload of {len} bytes is too long, at most {MAX_PAYLOAD_LEN} are allowed")]
    TooLong {
        /// How long the payload is.
        len: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One message as people and audits see it: where it stands and the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub state: MessageState,
    /// Who claimed it last, if anybody.
    pub token: Option<Token>,
    /// In doubt, without proof to be had: a person's to settle.
    pub parked: bool,
    /// The last that was said about it.
    pub reason: Option<String>,
    /// How often it was claimed.
    pub attempts: u64,
    /// When it was enqueued, by the store's clock.
    pub enqueued: WallTime,
    /// When it was first claimed, by the store's clock.
    pub first_claimed: Option<WallTime>,
    /// When it came to its state, by the store's clock.
    pub changed: WallTime,
    /// When it was last claimed, by the claimer's clock.
    pub claimer_wall: Option<WallTime>,
}

impl SqliteOutbox {
    /// Opens the file at `path`, or creates it. Every commit is synced before it is answered.
    ///
    /// # Errors
    /// It cannot be opened, is no database, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let connection = connect(path)?;
            schema::configure_file(&connection)?;
            schema::migrate(&connection)?;
            Ok(Self { connection })
        };
        open().map_err(|error: StoreError| {
            let (StoreError::Unavailable(why) | StoreError::Unknown(why)) = &error;
            let why = format!("cannot open {}: {why}", path.display());
            match error {
                StoreError::Unavailable(_) => StoreError::Unavailable(why),
                StoreError::Unknown(_) => StoreError::Unknown(why),
            }
        })
    }

    /// An empty store that lives as long as the value.
    ///
    /// # Errors
    /// There is no memory left.
    pub fn in_memory() -> Result<Self, StoreError> {
        let connection = connect(Path::new(":memory:"))?;
        // A transaction copies each page that it changes; small ones make the simulator faster.
        connection.pragma_update(None, "page_size", 1024).map_err(unavailable)?;
        schema::migrate(&connection)?;
        Ok(Self { connection })
    }

    /// Adds a message, unless one of that id is there. Needs no token: anybody may ask for a
    /// delivery.
    ///
    /// # Errors
    /// The payload is too long, or the store failed.
    pub fn enqueue(
        &mut self,
        id: &MessageId,
        payload: &[u8],
        now: WallTime,
    ) -> Result<Enqueued, EnqueueError> {
        if payload.len() > MAX_PAYLOAD_LEN {
            return Err(EnqueueError::TooLong { len: payload.len() });
        }
        let enqueued = write(&self.connection, |tx| {
            if tx.prepare_cached(ENQUEUE)?.execute(params![id.as_str(), millis(now)])? == 0 {
                let state = tx.prepare_cached(STATE)?.query_row([id.as_str()], |row| state(row, 0));
                return Ok(Done::Unchanged(Enqueued::Exists(state?)));
            }
            let seq = tx.last_insert_rowid();
            tx.prepare_cached(ENQUEUE_PAYLOAD)?.execute(params![seq, payload])?;
            Ok(Done::Changed(Enqueued::Added))
        })?;
        Ok(enqueued)
    }

    /// Puts every message that an earlier token claimed in doubt, and tells how many. `None`: the
    /// token is not the floor, nothing changed.
    ///
    /// # Errors
    /// The store failed.
    pub fn sweep(&mut self, token: Token, now: WallTime) -> Result<Option<u64>, StoreError> {
        write(&self.connection, |tx| {
            let floor = tx.prepare_cached(FENCE)?.query_row([], |row| token_at(row, 0))?;
            if is_fenced(token, floor) {
                return Ok(Done::Unchanged(None));
            }
            let swept = tx.prepare_cached(SWEEP)?.execute(params![signed(token), millis(now)])?;
            if swept == 0 {
                return Ok(Done::Unchanged(Some(0)));
            }
            reach!("foreign_claim_in_doubt");
            Ok(Done::Changed(Some(swept as u64)))
        })
    }

    /// Claims a pending message. `wall` is the claimer's wall clock, kept as evidence. A message
    /// whose deduplication window is over is parked instead.
    ///
    /// # Errors
    /// The store failed.
    pub fn claim(
        &mut self,
        token: Token,
        attempt: &Attempt,
        wall: WallTime,
        now: WallTime,
    ) -> Result<Claim, StoreError> {
        write(&self.connection, |tx| {
            let Look { floor, message } = look(tx, &attempt.id)?;
            if is_fenced(token, floor) {
                if token < floor {
                    reach!("claim_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Claim::Fenced { floor }));
            }
            let Some(message) = message else {
                return Ok(Done::Unchanged(Claim::NotPending { state: None }));
            };
            let send_within = message.send_until.map(|until| left(until, now));
            // Only the next attempt can be claimed: what arrives late was about an earlier one.
            let next = message.attempts + 1 == attempt.number;
            match message.state {
                // Said twice: nothing changes, not even when the window is over by now, because
                // whoever was granted the claim may be sending.
                MessageState::Claimed
                    if message.token == Some(token) && message.attempts == attempt.number =>
                {
                    Ok(Done::Unchanged(Claim::Granted { send_within }))
                }
                MessageState::Pending if next && send_within == Some(Duration::ZERO) => {
                    tx.prepare_cached(WINDOW_OVER)?.execute([message.seq, millis(now)])?;
                    Ok(Done::Changed(Claim::NotPending { state: Some(MessageState::InDoubt) }))
                }
                MessageState::Pending if next => {
                    let claim = [message.seq, signed(token), millis(wall), millis(now)];
                    tx.prepare_cached(CLAIM)?.execute(claim)?;
                    Ok(Done::Changed(Claim::Granted { send_within }))
                }
                state => Ok(Done::Unchanged(Claim::NotPending { state: Some(state) })),
            }
        })
    }

    /// Says what became of an attempt that is claimed under `token`.
    ///
    /// # Errors
    /// The store failed.
    pub fn settle(
        &mut self,
        token: Token,
        attempt: &Attempt,
        settlement: &Settlement,
        now: WallTime,
    ) -> Result<Settled, StoreError> {
        let (target, reason) = match settlement {
            Settlement::Delivered => (MessageState::Delivered, None),
            Settlement::Failed { reason } => (MessageState::Failed, Some(reason)),
            Settlement::InDoubt { reason } => (MessageState::InDoubt, Some(reason)),
        };
        write(&self.connection, |tx| {
            if mutant!(FoundingDesign) && target == MessageState::Delivered {
                let unchecked = params![attempt.id.as_str(), millis(now)];
                return Ok(match tx.prepare_cached(SETTLE_UNCHECKED)?.execute(unchecked)? {
                    0 => Done::Unchanged(Settled::Refused { state: None }),
                    _ => Done::Changed(Settled::Now(target)),
                });
            }
            let Look { floor, message } = look(tx, &attempt.id)?;
            if is_fenced(token, floor) && !mutant!(DeposedObeyed) {
                if token < floor {
                    reach!("settle_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Settled::Fenced { floor }));
            }
            let own = |m: &Message| m.token == Some(token) && m.attempts == attempt.number;
            let may_settle = |state: MessageState| {
                state == MessageState::Claimed
                    || mutant!(DeposedObeyed) && state == MessageState::InDoubt
            };
            match message {
                Some(message) if own(&message) && may_settle(message.state) => {
                    let settle = params![message.seq, target as i64, reason, millis(now)];
                    tx.prepare_cached(SETTLE)?.execute(settle)?;
                    Ok(Done::Changed(Settled::Now(target)))
                }
                // Said twice.
                Some(message) if own(&message) && message.state == target => {
                    Ok(Done::Unchanged(Settled::Now(target)))
                }
                other => Ok(Done::Unchanged(Settled::Refused { state: other.map(|m| m.state) })),
            }
        })
    }

    /// Settles an in-doubt message by proof.
    ///
    /// Said again after its answer was lost, a proof that was accepted is refused, with the state
    /// that it led to. Who claimed the message last and what was said about it is kept. A parked
    /// message is moved only by the sink's own word; [`Proof::Deduplicated`] leaves it parked.
    ///
    /// # Errors
    /// The store failed.
    pub fn resolve(
        &mut self,
        token: Token,
        attempt: &Attempt,
        proof: &Proof,
        now: WallTime,
    ) -> Result<Settled, StoreError> {
        write(&self.connection, |tx| {
            let Look { floor, message } = look(tx, &attempt.id)?;
            if is_fenced(token, floor) {
                return Ok(Done::Unchanged(Settled::Fenced { floor }));
            }
            let refused = Settled::Refused { state: message.as_ref().map(|m| m.state) };
            let meant =
                |m: &Message| m.state == MessageState::InDoubt && m.attempts == attempt.number;
            let Some(doubt) = message.filter(meant) else {
                return Ok(Done::Unchanged(refused));
            };
            let stays = Settled::Now(MessageState::InDoubt);
            let (target, send_until) = match proof {
                Proof::SinkHasIt => (MessageState::Delivered, doubt.send_until),
                // No attempt so far had an effect or will have one: no window is running.
                Proof::SinkLacksIt => (MessageState::Pending, None),
                // Says nothing about attempts before this claim: a window goes on running.
                Proof::NeverSent if doubt.token == Some(token) && !doubt.parked => {
                    (MessageState::Pending, doubt.send_until)
                }
                Proof::NeverSent => return Ok(Done::Unchanged(refused)),
                Proof::Deduplicated { .. } | Proof::Park { .. } if doubt.parked => {
                    return Ok(Done::Unchanged(stays));
                }
                Proof::Deduplicated { window } => match doubt.window_end(*window) {
                    Some(end) if millis(now) < end => (MessageState::Pending, Some(end)),
                    _ => {
                        tx.prepare_cached(WINDOW_OVER)?.execute([doubt.seq, millis(now)])?;
                        return Ok(Done::Changed(stays));
                    }
                },
                Proof::Park { reason } => {
                    tx.prepare_cached(PARK)?.execute(params![doubt.seq, reason, millis(now)])?;
                    return Ok(Done::Changed(stays));
                }
            };
            let prove = params![doubt.seq, target as i64, send_until, millis(now)];
            tx.prepare_cached(PROVE)?.execute(prove)?;
            Ok(Done::Changed(Settled::Now(target)))
        })
    }
}

/// Only the holder of the floor writes. Nobody ever holds floor 0: it means that there was none yet.
fn is_fenced(token: Token, floor: Token) -> bool {
    (token != floor || floor == Token(0)) && !mutant!(NoFenceCheck)
}

/// A connection without a lock of its own: `&mut self` is the lock. Paths are paths, never URIs.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unavailable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // One plan per statement, whatever is bound to it. Without, SQLite looks at the bound values and
    // compiles several of the statements anew at every call, which costs more than running them.
    let stable_plans = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
    connection.set_db_config(stable_plans, true).map_err(unavailable)?;
    Ok(connection)
}
