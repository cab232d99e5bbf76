//! All nodes deliver: each its share, also while a worker and then the leader are killed.

use std::collections::{BTreeMap, BTreeSet};

use fencepost::store::{Entry, Lot, MessageId, MessageState, NewMessage, SqliteOutbox};

use crate::audit::{audit, by_token, delivered, payload, wall};
use crate::cluster::{Cluster, NODES};
use crate::{KILL_AFTER, MESSAGES, STOP_AFTER, enqueue_all, tell, wait_for_some};

/// How many messages are added when a node is dead: enough that every unit has some, since some of the
/// nodes that are left may have delivered all of theirs by then.
const LATE: usize = 120;

/// Into so many units the outbox is shared.
const UNITS: u8 = 12;

/// A cluster whose nodes share the delivery.
fn cluster(name: &str) -> Cluster {
    let cluster = Cluster::new(name);
    let delivery = format!("[delivery]\nspread = {UNITS}\nbatch = 4\n\n[sink]");
    let spread = [("[sink]", delivery.as_str())];
    NODES.into_iter().for_each(|node| cluster.add(node, node, &spread));
    cluster
}

/// How many messages each node has delivered, as far as the outbox knows.
fn by_worker(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut by_worker = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.state == MessageState::Delivered) {
        let worker = entry.worker.map_or("the leader".to_owned(), |node| node.to_string());
        *by_worker.entry(worker).or_default() += 1;
    }
    by_worker
}

/// Adds what only those that are left can deliver.
fn enqueue_after(outbox: &mut SqliteOutbox, death: &str) {
    let late = (1..=LATE).map(|number| {
        let id = MessageId::new(&format!("{death}-{number}")).unwrap();
        NewMessage::new(id.clone(), payload(id.as_str()).as_bytes())
    });
    let late: Vec<_> = late.collect();
    let units: BTreeSet<_> = late.iter().map(|new| Lot::of(&new.id, None).0 % UNITS).collect();
    assert_eq!(units.len(), usize::from(UNITS), "a unit without a message");
    outbox.enqueue(&late, wall()).unwrap();
}

/// Waits until each of these nodes has delivered something more than `before`.
fn wait_for_shares(
    cluster: &mut Cluster,
    outbox: &mut SqliteOutbox,
    nodes: &[&str],
    before: &BTreeMap<String, usize>,
) {
    cluster.wait_for("a share of each node", |_| {
        let now = by_worker(&outbox.entries(None).unwrap());
        let more = |node: &&str| now.get(*node) > before.get(*node);
        nodes.iter().all(more).then_some(())
    });
}

#[test]
fn every_node_delivers_and_no_message_twice_though_workers_are_killed() {
    let mut cluster = cluster("shared");
    let mut outbox = cluster.outbox();
    enqueue_all(&mut outbox);
    cluster.start_all();

    let (token, leader) = cluster.wait_for_leader(0);
    wait_for_shares(&mut cluster, &mut outbox, &NODES, &BTreeMap::new());
    wait_for_some(&mut cluster, &mut outbox, KILL_AFTER);
    let worker = NODES.into_iter().find(|node| *node != leader).unwrap();
    cluster.kill(worker);
    let before = by_worker(&outbox.entries(None).unwrap());
    enqueue_after(&mut outbox, "worker");
    let others: Vec<_> = NODES.into_iter().filter(|node| *node != worker).collect();
    wait_for_shares(&mut cluster, &mut outbox, &others, &before);
    cluster.start(worker);

    wait_for_some(&mut cluster, &mut outbox, STOP_AFTER);
    cluster.kill(leader);
    let before = by_worker(&outbox.entries(None).unwrap());
    cluster.wait_for_leader(token);
    enqueue_after(&mut outbox, "leader");
    cluster.start(leader);
    cluster.wait_for_the_last(&mut outbox);
    cluster.stop_all();

    let lines = delivered(&cluster.path("delivered.log"));
    let entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), MESSAGES + 2 * LATE);
    let findings = audit(&entries, &lines);
    assert!(findings.is_empty(), "{findings:#?}");
    let in_doubt = entries.iter().filter(|entry| entry.state == MessageState::InDoubt).count();
    assert_eq!(in_doubt, 0, "a sink that tells what it has leaves nothing in doubt");
    let workers = by_worker(&entries);
    assert!(by_token(&lines).len() >= 2, "what is late is delivered under the next leader");
    let again = entries.iter().filter(|entry| entry.attempts > 1).count();
    tell(&format!(
        "delivered {} by {workers:?}, of them before the kill of the leader {before:?}, claimed \
         more than once {again}",
        lines.len()
    ));
}
