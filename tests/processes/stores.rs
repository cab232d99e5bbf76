//! A store that is another cluster's, or goes away under the nodes; what nodes leave behind for others to read;
//! and a signal that ends nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fencepost::store::MessageState;
use rustix::process::Signal;

use crate::cluster::{Cluster, NODES};
use crate::enqueue_all;

#[test]
fn nothing_is_put_into_another_clusters_store_nor_settled_there() {
    let cluster = Cluster::new("other-cluster");
    assert_eq!(cluster.output("enqueue", "n1", &["--id", "m"]).status.code(), Some(0));
    cluster.outbox().bind_cluster("processes").unwrap();
    cluster.add("stranger", "n1", &[("\"processes\"", "\"strangers\"")]);
    let before = cluster.outbox().entries(None);
    let said = |args: &[&str]| {
        let (command, more) = args.split_first().unwrap();
        let mut process = cluster.command(command, "stranger");
        let output = process.args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let why = ["--why", "x", "--by", "y"];
    for args in [
        vec!["enqueue", "--id", "n"],
        [&["outbox", "settle", "m", "--as", "failed"][..], &why].concat(),
        [&["outbox", "requeue", "m"][..], &why].concat(),
    ] {
        let said = said(&args);
        assert!(said.contains("belongs to cluster \"processes\""), "{args:?}: {said}");
        assert!(said.contains("a store of its own"), "the remedy: {said}");
    }
    assert_eq!(cluster.outbox().entries(None), before);
    assert_eq!(cluster.output("enqueue", "n1", &["--id", "n"]).status.code(), Some(0));
}

#[test]
fn nodes_notice_that_their_store_is_gone_and_that_it_is_back() {
    let mut cluster = Cluster::new("store-gone");
    cluster.start_all();
    let (_, leader) = cluster.wait_for_leader(0);
    let away = |name: &str| cluster.path(&format!("away-{name}"));
    let names = ["outbox.db", "outbox.db-wal", "outbox.db-shm"];
    for name in names {
        fs::rename(cluster.path(name), away(name)).unwrap();
    }
    cluster.wait_for_log(leader, 0, "was removed, or replaced by another file");
    for name in names {
        fs::rename(cluster.path(&format!("away-{name}")), cluster.path(name)).unwrap();
    }
    let mut outbox = cluster.outbox();
    enqueue_all(&mut outbox);
    cluster.wait_for_delivered(&mut outbox, 1);
    cluster.stop_all();
}

/// As the terminal sends it that is closed.
#[test]
fn a_hangup_ends_no_node_and_what_it_writes_is_for_its_user_alone() {
    let mut cluster = Cluster::new("hangup");
    let mut outbox = cluster.outbox();
    cluster.start_all();
    cluster.wait_for_leader(0);
    for node in NODES {
        cluster.signal(node, Signal::HUP);
        cluster.wait_for_log(node, 0, "SIGHUP changes nothing");
    }
    enqueue_all(&mut outbox);
    cluster.wait_for_the_last(&mut outbox);
    let all = outbox.counts().unwrap();
    assert_eq!(all.of(MessageState::Pending), 0);
    let modes = |name: &str| fs::metadata(cluster.path(name)).unwrap().permissions().mode() & 0o777;
    for name in ["outbox.db", "outbox.db-wal", "delivered.log", "delivered.log.fence"] {
        assert_eq!(modes(name), 0o600, "{name}");
    }
    for node in NODES {
        assert_eq!(modes(node), 0o700, "{node}");
        for file in ["lock", "hard-state"] {
            assert_eq!(modes(&format!("{node}/{file}")), 0o600, "{node}/{file}");
        }
    }
    cluster.stop_all();
}
