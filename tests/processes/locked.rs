//! A file sink whose lock is held by somebody else, as by a process that was stopped in the middle of
//! a write.

use std::fs::File;

use fencepost::store::{MessageId, NewMessage};

use crate::audit::{delivered, payload, wall};
use crate::cluster::Cluster;

#[test]
fn nodes_wait_for_their_sink_and_go_on() {
    let mut cluster = Cluster::new("locked");
    let mut outbox = cluster.outbox();
    let message = NewMessage::new(MessageId::new("m").unwrap(), payload("m").as_bytes());
    outbox.enqueue(&[message], wall()).unwrap();
    let log = cluster.path("delivered.log");
    let stopped = File::create(&log).unwrap();
    stopped.lock().unwrap();
    cluster.start_all();
    for node in ["n1", "n2", "n3"] {
        cluster.wait_for_log(node, 0, "the file sink waits");
    }
    cluster.wait_for_leader(0);
    assert!(delivered(&log).is_empty());
    stopped.unlock().unwrap();
    cluster.wait_for_delivered(&mut outbox, 1);
    cluster.stop_all();
    assert_eq!(delivered(&log).len(), 1);
}
