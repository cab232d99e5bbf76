//! Nodes whose store is away, and nodes that come and go as planned.

use std::fs;
use std::path::PathBuf;

use fencepost::store::{MessageId, NewMessage};
use rustix::process::Signal;

use crate::audit::{delivered, payload, wall};
use crate::cluster::{Cluster, NODES};

/// Where the store is to be, in a folder that cannot be made while a file stands in its way.
const STORE: [(&str, &str); 1] = [("sqlite = \"outbox.db\"", "sqlite = \"mount/outbox.db\"")];

/// Both restarts in an outage used to end with 1, and so there was no quorum when it was over.
#[test]
fn nodes_start_and_vote_while_their_store_is_away() {
    let mut cluster = Cluster::new("away");
    for node in NODES {
        cluster.add(node, node, &STORE);
    }
    let mount = cluster.path("mount");
    fs::write(&mount, "no folder").unwrap();
    cluster.start_all();
    for node in NODES {
        cluster.wait_for_log(node, 0, "this node votes, and does not act");
    }
    // What remembers nothing and finds no store has nobody to ask. Voters that rejoin start anew with it.
    let before = cluster.log("n1").len();
    cluster.kill("n1");
    cluster.start("n1");
    cluster.wait_for_log("n1", before, "this node votes, and does not act");
    fs::remove_file(&mount).unwrap();
    for node in NODES {
        cluster.wait_for_log(node, 0, "does its work again");
    }
    cluster.wait_for("somebody who may act", |cluster| {
        NODES.iter().any(|node| cluster.log(node).contains("may act")).then_some(())
    });

    // The store goes away under a cluster that knows it, and all nodes are restarted meanwhile: they
    // remember, elect, and wait.
    let hidden: PathBuf = cluster.path("hidden");
    let skipped = NODES.map(|node| cluster.log(node).len());
    for node in NODES {
        cluster.kill(node);
    }
    fs::rename(&mount, &hidden).unwrap();
    fs::write(&mount, "no folder").unwrap();
    cluster.start_all();
    cluster.wait_for("a leader without a store", |cluster| {
        let elected = |(node, skipped): (&&str, &usize)| {
            cluster.log(node)[*skipped..].contains("cannot raise the fence yet")
        };
        NODES.iter().zip(&skipped).any(elected).then_some(())
    });
    fs::remove_file(&mount).unwrap();
    fs::rename(&hidden, &mount).unwrap();
    cluster.wait_for("a leader that may act again", |cluster| {
        let acts =
            |(node, skipped): (&&str, &usize)| cluster.log(node)[*skipped..].contains("may act");
        NODES.iter().zip(&skipped).any(acts).then_some(())
    });
    let mut outbox = fencepost::store::SqliteOutbox::open(&mount.join("outbox.db")).unwrap();
    let id = MessageId::new("after").unwrap();
    let message = NewMessage::new(id.clone(), payload(id.as_str()).as_bytes());
    outbox.enqueue(&[message], wall()).unwrap();
    cluster.wait_for_the_last(&mut outbox);
    assert_eq!(delivered(&cluster.path("delivered.log")).len(), 1);
    cluster.stop_all();
}

/// The store answers, and it is another cluster's: the one reason to end.
#[test]
fn a_node_ends_when_its_store_turns_out_to_be_another_clusters() {
    let mut cluster = Cluster::new("another");
    cluster.add("n1", "n1", &STORE);
    let (mount, foreign) = (cluster.path("mount"), cluster.path("foreign"));
    fs::create_dir(&foreign).unwrap();
    let mut other = fencepost::store::SqliteOutbox::open(&foreign.join("outbox.db")).unwrap();
    other.bind_cluster("somebody-else").unwrap();
    drop(other);
    fs::write(&mount, "no folder").unwrap();
    let mut process = cluster.command("node", "n1");
    let log = fs::File::create(cluster.path("n1.log")).unwrap();
    let mut process = process.stderr(log).spawn().unwrap();
    cluster.wait_for_log("n1", 0, "this node votes, and does not act");
    fs::remove_file(&mount).unwrap();
    fs::rename(&foreign, &mount).unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{}", cluster.log("n1"));
    assert!(cluster.log("n1").contains("somebody-else"), "{}", cluster.log("n1"));
}

/// A deployment is no trouble: nobody warns of a node that said goodbye.
#[test]
fn a_planned_restart_makes_no_warning_at_its_peers() {
    let mut cluster = Cluster::new("planned");
    cluster.start_all();
    let (mut token, _) = cluster.wait_for_leader(0);
    for node in NODES {
        cluster.wait_for("all connections", |cluster| {
            (cluster.log(node).matches("connected").count() >= 2).then_some(())
        });
        cluster.wait_for_log(node, 0, "operational");
    }
    let skipped = NODES.map(|node| cluster.log(node).len());
    for round in 0..2 {
        for node in NODES {
            let (_, leader) = cluster.wait_for_leader(0);
            let before = NODES.map(|node| cluster.log(node).len());
            cluster.ask_to_end(node, Signal::TERM);
            cluster.wait_for_end(node);
            if leader == node {
                (token, _) = cluster.wait_for_leader(token);
            }
            cluster.start(node);
            for (peer, skipped) in NODES.iter().zip(before).filter(|(peer, _)| **peer != node) {
                let part = format!("connected peer={node}");
                let back = |cluster: &mut Cluster| {
                    cluster.log(peer)[skipped..].contains(&part).then_some(())
                };
                cluster.wait_for(&format!("{peer} hears {node} again in round {round}"), back);
            }
            let seen = cluster.log(node).len();
            let own = NODES.iter().position(|own| *own == node).unwrap();
            let at = before[own].min(seen);
            cluster.wait_for_log(node, at, "the cluster as it is seen here");
        }
    }
    for (node, skipped) in NODES.iter().zip(skipped) {
        let log = cluster.log(node);
        let warned: Vec<_> = log[skipped..].lines().filter(|line| line.contains("WARN")).collect();
        assert!(warned.is_empty(), "{node}: {warned:#?}");
        assert!(log.contains("it has said goodbye"), "{node}");
    }
    cluster.stop_all();
}
