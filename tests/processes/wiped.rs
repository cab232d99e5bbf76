//! Nodes that lose what they remember: a deployment, and the death of all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fencepost::store::{Entry, MessageId, MessageState, NewMessage, SqliteOutbox};
use rustix::process::Signal;

use crate::audit::{audit, by_token, delivered, payload, wall};
use crate::cluster::{Cluster, NODES};
use crate::{enqueue_all, tell, wait_for_some};

/// How often a message is enqueued during a deployment.
const PACE: Duration = Duration::from_millis(5);

/// That every one of them was delivered, once, under tokens that only rose. Answers how many under
/// which.
fn assert_all_delivered(cluster: &Cluster, entries: &[Entry]) -> String {
    let lines = delivered(&cluster.path("delivered.log"));
    let findings = audit(entries, &lines);
    assert!(findings.is_empty(), "{findings:#?}");
    let other = entries.iter().find(|entry| entry.state != MessageState::Delivered);
    assert!(other.is_none(), "{other:?}");
    format!("delivered {}, by token {:?}", lines.len(), by_token(&lines))
}

/// Enqueues at an even pace until it is told that it is `over`, and then one more.
fn enqueue_until(mut outbox: SqliteOutbox, over: &AtomicBool) -> usize {
    for number in 1.. {
        let last = over.load(Ordering::Relaxed);
        let id = MessageId::new(&format!("d-{number:0>5}")).unwrap();
        // The file may be locked for a while; an id can be enqueued again.
        while outbox
            .enqueue(&[NewMessage::new(id.clone(), payload(id.as_str()).as_bytes())], wall())
            .is_err()
        {
            sleep(PACE);
        }
        if last {
            return number;
        }
        sleep(PACE);
    }
    unreachable!("that many messages take for ever")
}

#[test]
fn a_deployment_that_wipes_every_node_loses_nothing_and_repeats_nothing() {
    let mut cluster = Cluster::new("deployment");
    // One node has nothing to wipe.
    cluster.add("n3", "n3", &[("data = \"n3\"", "disk = \"none\"")]);
    let mut outbox = cluster.outbox();
    let over = AtomicBool::new(false);
    cluster.start_all();
    for node in NODES {
        cluster.wait_for_log(node, 0, "operational");
    }
    let (first, _) = cluster.wait_for_leader(0);

    let mut handovers = Vec::new();
    let enqueued = std::thread::scope(|scope| {
        let enqueuing = cluster.outbox();
        let enqueuing = scope.spawn(|| enqueue_until(enqueuing, &over));
        // Whatever fails below, the other thread must end.
        let over = EndsWithScope(&over);
        let mut left = NODES.to_vec();
        while !left.is_empty() {
            let delivered = outbox.counts().unwrap().of(MessageState::Delivered);
            cluster.wait_for_delivered(&mut outbox, delivered + 1);
            // The leader, if it is not new already.
            let (token, leader) = cluster.wait_for_leader(0);
            let turn = left.iter().position(|node| *node == leader);
            let node = left.swap_remove(turn.unwrap_or(0));
            let logged = cluster.log(node).len();
            let began = Instant::now();
            cluster.ask_to_end(node, Signal::TERM);
            if turn.is_some() {
                let (_, successor) = cluster.wait_for_leader(token);
                handovers.push(format!("{node} to {successor} {:?}", began.elapsed()));
            }
            cluster.wait_for_end(node);
            cluster.wipe(node);
            cluster.start(node);
            cluster.wait_for_log(node, logged, "operational");
        }
        drop(over);
        enqueuing.join().unwrap()
    });
    cluster.wait_for_the_last(&mut outbox);
    let fence = outbox.fence().unwrap();
    cluster.stop_all();

    let entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), enqueued);
    let summary = assert_all_delivered(&cluster, &entries);
    assert!(fence.floor.0 > first, "a leader was stopped, so another must have followed");
    assert_eq!(fence.generation.number, 1, "at no time did too few remember");
    tell(&format!("deployment: {summary}; handovers: {}", handovers.join(", ")));
}

struct EndsWithScope<'a>(&'a AtomicBool);

impl Drop for EndsWithScope<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_cluster_whose_nodes_all_die_and_forget_goes_on_in_a_new_generation() {
    let mut cluster = Cluster::new("amnesia");
    let mut outbox = cluster.outbox();
    enqueue_all(&mut outbox);
    cluster.start_all();
    wait_for_some(&mut cluster, &mut outbox, 150);
    for node in NODES {
        cluster.signal(node, Signal::KILL);
    }
    for node in NODES {
        cluster.kill(node);
        cluster.wipe(node);
    }
    let before = outbox.fence().unwrap();
    assert_eq!(before.generation.number, 1);

    let began = Instant::now();
    cluster.start_all();
    let (token, _) = cluster.wait_for_leader(before.floor.0);
    let took = began.elapsed();
    cluster.wait_for_the_last(&mut outbox);
    let after = outbox.fence().unwrap();
    cluster.stop_all();
    assert_eq!(after.generation.number, before.generation.number + 1);
    let summary = assert_all_delivered(&cluster, &outbox.entries(None).unwrap());
    tell(&format!(
        "all killed and wiped at token {}: {summary}; from the start to token {token} {took:?}",
        before.floor
    ));
}
