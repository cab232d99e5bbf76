//! Nodes that share the delivery of an outbox in PostgreSQL, one of which is killed.

use std::collections::BTreeMap;

use fencepost::store::{Entry, MessageState, PostgresStore};

use crate::nodes::{NODES, Nodes};

const MESSAGES: u64 = 600;
/// A worker is killed when so many are delivered.
const KILL_AFTER: u64 = 60;

fn by_worker(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut by_worker = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.state == MessageState::Delivered) {
        let worker = entry.worker.expect("a worker delivered it");
        *by_worker.entry(worker.to_string()).or_default() += 1;
    }
    by_worker
}

async fn entries(store: &PostgresStore) -> Vec<Entry> {
    store.entries(None).await.unwrap()
}

#[test]
fn every_node_delivers_its_share_and_each_message_goes_out_once() {
    let mut nodes = Nodes::new("[delivery]\nspread = 9\nbatch = 2\n");
    let count = MESSAGES.to_string();
    nodes.run(&["enqueue", "--id", "m", "--count", &count], 0);
    NODES.into_iter().for_each(|node| nodes.start(node));
    nodes.wait_for("a share of each node", async |store| {
        let entries = entries(store).await;
        let delivered = by_worker(&entries).values().sum::<usize>() as u64;
        (by_worker(&entries).len() == NODES.len() && delivered >= KILL_AFTER).then_some(())
    });
    let holder = nodes.wait(nodes.store.fence()).unwrap().holder.unwrap();
    let killed = NODES.into_iter().find(|node| *node != holder.node.as_str()).unwrap();
    nodes.kill(killed);
    let counts = nodes.wait(nodes.store.counts()).unwrap();
    assert!(counts.of(MessageState::Delivered) < MESSAGES, "vacuous: enlarge MESSAGES");
    nodes.wait_for("every message at its end", async |store| {
        let counts = store.counts().await.unwrap();
        (counts.of(MessageState::Delivered) == MESSAGES).then_some(())
    });
    nodes.stop_all();

    let entries = nodes.wait(entries(&nodes.store));
    let mut effects: BTreeMap<String, usize> = BTreeMap::new();
    for line in std::fs::read_to_string(nodes.path("delivered.log")).unwrap().lines() {
        *effects.entry(line.split('\t').next().unwrap().to_owned()).or_default() += 1;
    }
    let asked: BTreeMap<String, usize> =
        entries.iter().map(|entry| (entry.id.to_string(), 1)).collect();
    assert_eq!(effects, asked, "each message has one effect");
    let shown = nodes.run(&["outbox", "show", entries[0].id.as_str()], 0);
    let worker = entries[0].worker.unwrap();
    assert!(shown.contains(&format!(", worker {worker}\n")), "{shown}");
    assert_eq!(nodes.run(&["outbox", "list", "--state", "delivered"], 0).lines().count(), 600);
}
