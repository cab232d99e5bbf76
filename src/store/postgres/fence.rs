//! The fence row: how high the floor is and who raised it, in which generation, for which cluster;
//! and the roll of that generation.

use tokio_postgres::Row;

use super::PostgresStore;
use super::rows::{count, get, node, unreadable};
use super::transaction::{Bound, Transaction, only, rows};
use crate::id::{Boot, Generation, Identity, Term, Token};
use crate::store::columns::{as_holder, as_token, as_wall, number, signed};
use crate::store::fence::{may_advance, next_generation};
use crate::store::{Activated, BindError, Fence, FenceRow, Roll, StoreError};
use crate::time::WallTime;

/// What every write begins with: the floor, and the database's clock.
///
/// Whoever holds this lock keeps the floor where it is. The time may be from before it had to wait
/// for it, which errs on the safe side: claims count from earlier.
pub(super) const LOOK: &str = concat!("SELECT floor, ", now!(), " FROM fencepost.fence FOR SHARE");
/// A planted bug: the floor may rise between this look and the commit.
#[cfg(test)]
pub(super) const LOOK_WITHOUT_LOCK: &str =
    concat!("SELECT floor, ", now!(), " FROM fencepost.fence");

/// Waits for all that look. A generation that the store is never in is bound as NULL, which equals
/// nothing.
const RAISE: &str = concat!(
    "UPDATE fencepost.fence SET floor = $1, holder = $2, raised_ms = ",
    now!(),
    " WHERE floor < $1 AND generation = $3"
);
/// A write, and one that changes nothing.
const CONFIRM: &str = "UPDATE fencepost.fence SET raised_ms = raised_ms
    WHERE floor = $1 AND holder = $2 AND generation = $3";
const ADVANCE: &str = concat!(
    "UPDATE fencepost.fence SET floor = $1, holder = $2, generation = $3, raised_ms = ",
    now!()
);
const FENCE: &str = "SELECT floor, holder, generation, cluster, raised_ms FROM fencepost.fence";
const HOLD: &str = "SELECT 1 FROM fencepost.fence FOR UPDATE";
/// One statement, so that floor, generation and roll are those of one moment. In the order of
/// [`NodeId`](crate::id::NodeId), which is that of the bytes.
const ROLL: &str = "SELECT floor, generation, node, nonce
    FROM fencepost.fence LEFT JOIN fencepost.roll ON TRUE ORDER BY node COLLATE \"C\"";
const STRIKE_ROLL: &str = "DELETE FROM fencepost.roll";
const ENTER_BOOTS: &str = "INSERT INTO fencepost.roll (node, nonce)
    SELECT * FROM unnest($1::TEXT[], $2::BIGINT[])";
/// Nodes count their incarnations anew in each generation, so the old holder's name may soon be
/// another's: nobody holds what was raised before.
const NEXT_GENERATION: &str = "UPDATE fencepost.fence SET generation = $1, holder = ''";
const BIND: &str = "UPDATE fencepost.fence SET cluster = $1 WHERE cluster = ''";

/// The database's clock, in the milliseconds of [`WallTime`].
macro_rules! now {
    () => {
        "floor(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT"
    };
}
pub(super) use now;

/// A write that has begun: its transaction, the floor, and what time it is.
pub(super) type Begun = (Transaction, Token, WallTime);

impl PostgresStore {
    /// Begins a write and looks at the fence.
    pub(super) async fn begin(&self) -> Result<Begun, StoreError> {
        Ok(self.begin_with(&[]).await?.0)
    }

    /// Begins a write, looks at the fence, and then, with the fence row held, at all this. What was
    /// found counts for nothing if the floor is not the writer's token.
    pub(super) async fn begin_with(
        &self,
        looks: &[Bound<'_>],
    ) -> Result<(Begun, Vec<Vec<Row>>), StoreError> {
        let mut queries = vec![(self.look, &[][..])];
        queries.extend(looks);
        let (tx, mut answers) = Transaction::begin_with(self.session().await?, &queries).await?;
        let fence = only(answers.remove(0))?;
        let (floor, now) = (as_token(get(&fence, 0)?), as_wall(get(&fence, 1)?));
        Ok(((tx, floor, now), answers))
    }

    /// The fence, for people and audits.
    ///
    /// # Errors
    /// The store failed.
    pub async fn fence(&self) -> Result<FenceRow, StoreError> {
        let fence = rows(self.session().await?, FENCE, &[]).await?;
        fence.first().map_or_else(|| Err(unreadable("the fence is gone")), read_fence)
    }
}

impl Fence for PostgresStore {
    async fn bind(&self, cluster: &str) -> Result<(), BindError> {
        if cluster.is_empty() {
            return Err(BindError::NoName);
        }
        let tx = Transaction::begin(self.session().await?).await?;
        let bound = tx.execute(BIND, &[&cluster]).await?;
        let stands = read_fence(&tx.row(FENCE, &[]).await?)?;
        match bound {
            0 => tx.roll_back().await,
            _ => tx.commit().await?,
        }
        match stands.cluster {
            Some(theirs) if theirs == cluster => Ok(()),
            theirs => Err(BindError::OtherCluster {
                ours: cluster.to_owned(),
                theirs: theirs.unwrap_or_default(),
            }),
        }
    }

    async fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        if Term::from(token) > Term::MAX {
            return Err(StoreError::Unavailable(format!("token {token} is larger than any term")));
        }
        let tx = Transaction::begin(self.session().await?).await?;
        let name = holder.to_string();
        if tx.execute(RAISE, &[&signed(token), &name, &column(generation)]).await? == 1 {
            tx.commit().await?;
            return Ok(Activated::Raised);
        }
        let stands = read_fence(&tx.row(FENCE, &[]).await?)?;
        // An earlier call, whose answer was lost, may have raised it.
        let mine = stands.generation == generation
            && stands.floor == token
            && stands.holder == Some(holder);
        match mine {
            true => tx.confirm().await?,
            false => tx.roll_back().await,
        }
        let FenceRow { floor, generation, .. } = stands;
        Ok(if mine { Activated::Raised } else { Activated::Behind { floor, generation } })
    }

    async fn confirm(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        let tx = Transaction::begin(self.session().await?).await?;
        let name = holder.to_string();
        if tx.execute(CONFIRM, &[&signed(token), &name, &column(generation)]).await? == 1 {
            tx.commit().await?;
            return Ok(Activated::Raised);
        }
        let FenceRow { floor, generation, .. } = read_fence(&tx.row(FENCE, &[]).await?)?;
        tx.roll_back().await;
        Ok(Activated::Behind { floor, generation })
    }

    async fn advance(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        if Term::from(token) > Term::MAX {
            return Err(StoreError::Unavailable(format!("token {token} is larger than any term")));
        }
        let tx = Transaction::begin(self.session().await?).await?;
        tx.rows(HOLD, &[]).await?;
        let stands = read_fence(&tx.row(FENCE, &[]).await?)?;
        if !may_advance(stands.generation, generation) || stands.floor >= token {
            tx.roll_back().await;
            let FenceRow { floor, generation, .. } = stands;
            return Ok(Activated::Behind { floor, generation });
        }
        tx.execute(STRIKE_ROLL, &[]).await?;
        let name = holder.to_string();
        tx.execute(ADVANCE, &[&signed(token), &name, &column(generation)]).await?;
        tx.commit().await?;
        Ok(Activated::Raised)
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        read_roll(&rows(self.session().await?, ROLL, &[]).await?)
    }

    async fn call_roll(&self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        let next = next_generation(seen, boots).map_err(StoreError::Unavailable)?;
        let tx = Transaction::begin(self.session().await?).await?;
        tx.rows(HOLD, &[]).await?;
        let stands = read_roll(&tx.rows(ROLL, &[]).await?)?;
        // Also what a repeated call finds, after the first one succeeded.
        if stands.generation != seen {
            tx.confirm().await?;
            return Ok(stands);
        }
        tx.execute(NEXT_GENERATION, &[&column(next)]).await?;
        tx.execute(STRIKE_ROLL, &[]).await?;
        let nodes: Vec<&str> = boots.iter().map(|boot| boot.node.as_str()).collect();
        let nonces: Vec<i64> = boots.iter().map(|boot| boot.nonce.cast_signed()).collect();
        tx.execute(ENTER_BOOTS, &[&nodes, &nonces]).await?;
        let stands = read_roll(&tx.rows(ROLL, &[]).await?)?;
        tx.commit().await?;
        Ok(stands)
    }
}

/// As the store keeps it; nothing for a generation that no store is ever in.
fn column(generation: Generation) -> Option<i64> {
    let fits = generation.roll == 0 && generation.number <= Generation::MAX_NUMBER;
    fits.then(|| number(generation.number))
}

fn read_fence(row: &Row) -> Result<FenceRow, StoreError> {
    let (holder, cluster): (&str, &str) = (get(row, 1)?, get(row, 3)?);
    let known = as_holder(holder);
    if known.is_none() && !holder.is_empty() {
        return Err(unreadable(format!("{holder:?} names no holder")));
    }
    Ok(FenceRow {
        floor: as_token(get(row, 0)?),
        holder: known,
        generation: Generation::stored(count(row, 2)?),
        cluster: (!cluster.is_empty()).then(|| cluster.to_owned()),
        raised: get::<Option<i64>>(row, 4)?.map(as_wall),
    })
}

fn read_roll(rows: &[Row]) -> Result<Roll, StoreError> {
    let mut roll = Roll::default();
    for row in rows {
        roll.floor = as_token(get(row, 0)?).into();
        roll.generation = Generation::stored(count(row, 1)?);
        if let Some(name) = get::<Option<&str>>(row, 2)? {
            let node = node(name)?;
            roll.boots.push(Boot { node, nonce: get::<i64>(row, 3)?.cast_unsigned() });
        }
    }
    Ok(roll)
}
