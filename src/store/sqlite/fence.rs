//! The fence row: how high the floor is and who raised it, in which generation, for which cluster;
//! and the roll of that generation.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::SqliteOutbox;
use super::rows::{as_wall, boot, generation as generation_at, holder, millis, signed, token};
use super::transaction::{Done, unavailable, write};
use crate::id::{Boot, Generation, Identity, Term, Token};
use crate::probe::mutant;
use crate::store::fence::{may_advance, next_generation};
use crate::store::{Activated, BindError, FenceRow, Roll, StoreError};
use crate::time::WallTime;

/// A generation that the store is never in is bound as NULL, which equals nothing.
const RAISE: &str = "UPDATE fence SET floor = ?1, holder = ?2, raised_ms = ?3
    WHERE floor < ?1 AND generation = ?4";
/// A write, and one that changes nothing.
const CONFIRM: &str = "UPDATE fence SET raised_ms = raised_ms
    WHERE floor = ?1 AND holder = ?2 AND generation = ?3";
const ADVANCE: &str = "UPDATE fence SET floor = ?1, holder = ?2, raised_ms = ?3, generation = ?4";
const FENCE: &str = "SELECT floor, holder, generation, cluster, raised_ms FROM fence";
pub(super) const FLOOR: &str = "SELECT floor FROM fence";
/// One statement, so that floor, generation and roll are those of one moment. In the order of
/// [`NodeId`](crate::id::NodeId), which is that of the bytes.
pub(super) const ROLL: &str =
    "SELECT floor, generation, node, nonce FROM fence LEFT JOIN roll ORDER BY node";
const STRIKE_ROLL: &str = "DELETE FROM roll";
const ENTER_BOOT: &str = "INSERT INTO roll (node, nonce) VALUES (?1, ?2)";
/// Nodes count their incarnations anew in each generation, so the old holder's name may soon be
/// another's: nobody holds what was raised before.
const NEXT_GENERATION: &str = "UPDATE fence SET generation = ?1, holder = ''";
const BIND: &str = "UPDATE fence SET cluster = ?1";

impl SqliteOutbox {
    /// Raises the floor to `token` for `holder`, if it is lower and the store is in `generation`.
    ///
    /// # Errors
    /// The store failed, or the token is larger than any term.
    pub fn activate(
        &mut self,
        generation: Generation,
        token: Token,
        holder: Identity,
        now: WallTime,
    ) -> Result<Activated, StoreError> {
        if Term::from(token) > Term::MAX {
            return Err(StoreError::Unavailable(format!("token {token} is larger than any term")));
        }
        write(&self.connection, |tx| {
            if mutant!(RestartTakenForHolder) && is_known_by_node(tx, generation, holder)? {
                return Ok(Done::Unchanged(Activated::Raised));
            }
            let name = holder.to_string();
            let raise = params![signed(token), name, millis(now), column(generation)];
            if tx.prepare_cached(RAISE)?.execute(raise)? == 1 {
                return Ok(Done::Changed(Activated::Raised));
            }
            let stands = read_fence(tx)?;
            // An earlier call, whose answer was lost, may have raised it.
            let mine = stands.generation == generation
                && stands.floor == token
                && stands.holder == Some(holder);
            let FenceRow { floor, generation, .. } = stands;
            let behind = Activated::Behind { floor, generation };
            Ok(Done::Unchanged(if mine { Activated::Raised } else { behind }))
        })
    }

    /// Looks, in a write, whether the floor is still the token, held by the caller, in its generation.
    ///
    /// # Errors
    /// The store failed.
    pub fn confirm(
        &mut self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        write(&self.connection, |tx| {
            let stands = params![signed(token), holder.to_string(), column(generation)];
            if tx.prepare_cached(CONFIRM)?.execute(stands)? == 1 {
                return Ok(Done::Changed(Activated::Raised));
            }
            let FenceRow { floor, generation, .. } = read_fence(tx)?;
            Ok(Done::Unchanged(Activated::Behind { floor, generation }))
        })
    }

    /// Moves a store that was set back on to `generation`, and raises the floor to `token` for `holder`.
    ///
    /// # Errors
    /// The store failed, or the token is larger than any term.
    pub fn advance(
        &mut self,
        generation: Generation,
        token: Token,
        holder: Identity,
        now: WallTime,
    ) -> Result<Activated, StoreError> {
        if Term::from(token) > Term::MAX {
            return Err(StoreError::Unavailable(format!("token {token} is larger than any term")));
        }
        write(&self.connection, |tx| {
            let stands = read_fence(tx)?;
            if !may_advance(stands.generation, generation) || stands.floor >= token {
                let FenceRow { floor, generation, .. } = stands;
                return Ok(Done::Unchanged(Activated::Behind { floor, generation }));
            }
            tx.prepare_cached(STRIKE_ROLL)?.execute([])?;
            let name = holder.to_string();
            let raise = params![signed(token), name, millis(now), column(generation)];
            tx.prepare_cached(ADVANCE)?.execute(raise)?;
            Ok(Done::Changed(Activated::Raised))
        })
    }

    /// The roll of the generation that the store is in.
    ///
    /// # Errors
    /// The store failed.
    pub fn roll(&mut self) -> Result<Roll, StoreError> {
        read_roll(self.connection.to_read()?).map_err(unavailable)
    }

    /// Starts the generation after `seen` with these boots, unless the store has moved on from
    /// `seen`, and tells the roll that now stands. The floor stays, and nobody holds it.
    ///
    /// # Errors
    /// The store failed, there is no generation after `seen`, or the boots are not one each of 1 to
    /// [`MAX_VOTERS`](crate::election::MAX_VOTERS) nodes.
    pub fn call_roll(&mut self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        let next = next_generation(seen, boots).map_err(StoreError::Unavailable)?;
        write(&self.connection, |tx| {
            let stands = read_roll(tx)?;
            // Also what a repeated call finds, after the first one succeeded.
            if stands.generation != seen {
                return Ok(Done::Unchanged(stands));
            }
            tx.prepare_cached(NEXT_GENERATION)?.execute([column(next)])?;
            if mutant!(TokenForgottenByWipe) {
                tx.execute("UPDATE fence SET floor = 0", [])?;
            }
            tx.prepare_cached(STRIKE_ROLL)?.execute([])?;
            let mut enter = tx.prepare_cached(ENTER_BOOT)?;
            for boot in boots {
                enter.execute(params![boot.node.as_str(), boot.nonce.cast_signed()])?;
            }
            Ok(Done::Changed(read_roll(tx)?))
        })
    }

    /// The fence, for people and audits.
    ///
    /// # Errors
    /// The store failed.
    pub fn fence(&mut self) -> Result<FenceRow, StoreError> {
        read_fence(self.connection.to_read()?).map_err(unavailable)
    }

    /// Makes the store that of the cluster of this name, for ever (M2).
    ///
    /// # Errors
    /// It belongs to another cluster, the name is empty, or the store failed.
    pub fn bind_cluster(&mut self, cluster: &str) -> Result<(), BindError> {
        if cluster.is_empty() {
            return Err(BindError::NoName);
        }
        let bound = write(&self.connection, |tx| match read_fence(tx)?.cluster {
            Some(bound) => Ok(Done::Unchanged(bound)),
            None => {
                tx.prepare_cached(BIND)?.execute([cluster])?;
                Ok(Done::Changed(cluster.to_owned()))
            }
        })?;
        if bound == cluster {
            return Ok(());
        }
        Err(BindError::OtherCluster { ours: cluster.to_owned(), theirs: bound })
    }
}

/// As the store keeps it; nothing for a generation that no store is ever in.
fn column(generation: Generation) -> Option<i64> {
    i64::try_from(generation.number).ok().filter(|_| generation.roll == 0)
}

/// The floor, which every write looks at first.
pub(super) fn floor(connection: &Connection) -> rusqlite::Result<Token> {
    connection.prepare_cached(FLOOR)?.query_row([], |row| token(row, 0))
}

/// Whether the node of `holder` holds the floor, in whatever incarnation and term.
fn is_known_by_node(
    connection: &Connection,
    generation: Generation,
    holder: Identity,
) -> rusqlite::Result<bool> {
    let stands = read_fence(connection)?;
    let same = stands.holder.is_some_and(|stands| stands.node == holder.node);
    Ok(same && stands.generation == generation)
}

fn read_fence(connection: &Connection) -> rusqlite::Result<FenceRow> {
    connection.prepare_cached(FENCE)?.query_row([], |row| {
        Ok(FenceRow {
            floor: token(row, 0)?,
            holder: holder(row, 1)?,
            generation: generation_at(row, 2)?,
            cluster: row.get(3).map(|name: String| (!name.is_empty()).then_some(name))?,
            raised: row.get::<_, Option<i64>>(4)?.map(as_wall),
        })
    })
}

fn read_roll(connection: &Connection) -> rusqlite::Result<Roll> {
    let mut roll = Roll::default();
    let mut select = connection.prepare_cached(ROLL)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        roll.floor = token(row, 0)?.into();
        roll.generation = generation_at(row, 1)?;
        if row.get_ref(2)? != ValueRef::Null {
            roll.boots.push(boot(row, 2, 3)?);
        }
    }
    Ok(roll)
}
