//! How the server carries statements out when it takes the tables for small ones, as it does for hours
//! after a backlog has come.

use crate::store::postgres::assignments::{IN_DOUBT, NEWEST};
use crate::store::postgres::outbox::{DOUBTS, PENDING, SWEEP};
use crate::store::postgres::rows::{LOOK, PUT, PUT_ALIKE};
use crate::store::tests::server::database;
use crate::store::tests::{add, raise};

/// What reads a table from end to end.
const LONG_WAYS: [&str; 4] = ["Seq Scan on", "Hash Join", "Merge Join", "Bitmap"];

#[tokio::test]
async fn every_statement_goes_by_an_index_though_tables_seem_small() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["a", "b"]).await;
    raise(&store, 5).await;
    let session = store.session().await.unwrap();
    session.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    database.session().await.batch_execute("VACUUM ANALYZE").await.unwrap();
    for (statement, parameters) in [
        (PENDING, 4),
        (LOOK, 1),
        (PUT, 15),
        (PUT_ALIKE, 15),
        (SWEEP, 2),
        (DOUBTS, 1),
        (IN_DOUBT, 3),
        (NEWEST, 7),
    ] {
        session.batch_execute(&format!("PREPARE it AS {statement}")).await.unwrap();
        let nothing = vec!["NULL"; parameters].join(", ");
        let plan = session.query(&format!("EXPLAIN EXECUTE it({nothing})"), &[]).await.unwrap();
        let plan: Vec<&str> = plan.iter().map(|line| line.get(0)).collect();
        let plan = plan.join("\n");
        assert!(!LONG_WAYS.iter().any(|way| plan.contains(way)), "{statement}:\n{plan}");
        session.batch_execute("DEALLOCATE it").await.unwrap();
    }
}
