//! The look for messages that may be claimed now, by two ways: see [`look`](crate::store::look).

use tokio_postgres::Row;

use super::PostgresStore;
use super::fence::now;
use super::rows::{at_most, count, get, id};
use super::transaction::{Params, rows};
use crate::store::look::Reach;
use crate::store::{MAX_LOOK_LEN, Outgoing, StoreError};

// A message is due when its time has come; or when it came to its state later than the clock shows now: the
// clock was ahead then, or is behind now, and so its time says nothing.

/// The end of each statement, after a clock, the ways to `oldest`, and whether that is all, which is all that
/// is answered if it is not. The lengths of payloads are known without reading them, so that only
/// what is answered is read.
macro_rules! with_payloads {
    () => {
        " SELECT is_all, id, attempt, failures, bytes FROM known LEFT JOIN (
            SELECT seq, id, attempts + 1 AS attempt, failures, bytes,
                row_number() OVER so_far AS nth, sum(octet_length(bytes)) OVER so_far AS total
            FROM oldest JOIN fencepost.outbox USING (seq) JOIN fencepost.payload USING (seq)
            WHERE (SELECT is_all FROM known) WINDOW so_far AS (ORDER BY seq)
        ) AS counted ON nth = 1 OR total <= $4 ORDER BY seq"
    };
}
/// Two indexes, merged, up to the message behind the waiting ones that it may look at. What is first of its
/// key is found by one look into a third index, message by message. Not by NOT EXISTS: that the planner takes
/// for a join, and while it thinks that few messages have keys it reads all of them for each.
pub(super) const BY_AGE: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT ",
    now!(),
    " AS now), behind AS MATERIALIZED (
        SELECT seq FROM fencepost.outbox WHERE state = 0 AND ordering_key IS NOT NULL
        ORDER BY seq OFFSET $5 LIMIT 1
    ), oldest AS MATERIALIZED (
        SELECT seq FROM (
            (SELECT seq FROM fencepost.outbox
                WHERE state = 0 AND ordering_key IS NULL AND lot % $2 = $3
                AND (not_before_ms <= (SELECT now FROM clock) OR changed_ms > (SELECT now FROM clock))
                AND seq < COALESCE((SELECT seq FROM behind), 9223372036854775807)
                ORDER BY seq LIMIT $1)
            UNION ALL
            (SELECT seq FROM fencepost.outbox AS mine
                WHERE state = 0 AND ordering_key IS NOT NULL AND lot % $2 = $3
                AND (not_before_ms <= (SELECT now FROM clock) OR changed_ms > (SELECT now FROM clock))
                AND seq < COALESCE((SELECT seq FROM behind), 9223372036854775807)
                AND seq = (
                    SELECT first.seq FROM fencepost.outbox AS first
                    WHERE first.ordering_key = mine.ordering_key
                    AND first.state IN (0, 1, 4) ORDER BY first.seq LIMIT 1)
                ORDER BY seq LIMIT $1)
        ) AS candidate ORDER BY seq LIMIT $1
    ), known AS MATERIALIZED (
        SELECT NOT EXISTS (SELECT FROM behind) OR (SELECT count(*) FROM oldest) >= $1 AS is_all
    )",
    with_payloads!()
);
/// The first open message of each key, from key to key, and those without a key.
pub(super) const BY_KEY: &str = concat!(
    "WITH RECURSIVE clock AS MATERIALIZED (SELECT ",
    now!(),
    " AS now), first AS (
        (SELECT seq, ordering_key, state, lot, not_before_ms, changed_ms FROM fencepost.outbox
            WHERE ordering_key IS NOT NULL AND state IN (0, 1, 4)
            ORDER BY ordering_key, seq LIMIT 1)
        UNION ALL
        SELECT next.* FROM first CROSS JOIN LATERAL (
            SELECT seq, ordering_key, state, lot, not_before_ms, changed_ms FROM fencepost.outbox AS later
            WHERE later.ordering_key > first.ordering_key AND later.state IN (0, 1, 4)
            ORDER BY later.ordering_key, later.seq LIMIT 1
        ) AS next
    ), heads AS MATERIALIZED (
        SELECT * FROM first LIMIT $5
    ), known AS MATERIALIZED (
        SELECT (SELECT count(*) FROM heads) < $5 AS is_all
    ), oldest AS (
        SELECT seq FROM (
            (SELECT seq FROM fencepost.outbox
                WHERE state = 0 AND ordering_key IS NULL AND lot % $2 = $3
                AND (not_before_ms <= (SELECT now FROM clock) OR changed_ms > (SELECT now FROM clock)) ORDER BY seq LIMIT $1)
            UNION ALL
            SELECT seq FROM heads WHERE state = 0 AND lot % $2 = $3
                AND (not_before_ms <= (SELECT now FROM clock) OR changed_ms > (SELECT now FROM clock))
        ) AS candidate ORDER BY seq LIMIT $1
    )",
    with_payloads!()
);

impl PostgresStore {
    pub(super) async fn pending_in(
        &self,
        unit: u32,
        of: u32,
        limit: usize,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let mut reach = Reach::of(limit, of);
        // More units than lots there are leave the rest of the units empty.
        let (Ok(unit), Ok(of)) = (i16::try_from(unit), i16::try_from(of.max(1))) else {
            return Ok(Vec::new());
        };
        let (limit, bytes) = (at_most(limit), at_most(MAX_LOOK_LEN));
        loop {
            let which: Params<'_> = &[&limit, &of, &unit, &bytes, &reach.rows()];
            for way in [BY_AGE, BY_KEY] {
                if let Some(found) = answered(&rows(self.session().await?, way, which).await?)? {
                    return Ok(found);
                }
            }
            reach.grow();
        }
    }
}

/// `None` if the reach did not do.
fn answered(rows: &[Row]) -> Result<Option<Vec<Outgoing>>, StoreError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if !get::<bool>(row, 0)? {
            return Ok(None);
        }
        // One row without a message says that there is none.
        if let Some(payload) = get::<Option<&[u8]>>(row, 4)? {
            found.push(Outgoing {
                id: id(row, 1)?,
                attempt: count(row, 2)?,
                failures: count(row, 3)?,
                payload: payload.into(),
            });
        }
    }
    Ok(Some(found))
}
