//! A standard error that nobody reads stops nothing: the pipe fills up, and the node delivers, hands
//! over and ends as if it were read.

use rustix::process::Signal;

use crate::cluster::{Cluster, NODES};
use crate::enqueue_all;

#[test]
fn nodes_whose_log_nobody_reads_deliver_and_end() {
    let mut cluster = Cluster::new("unread");
    let mut outbox = cluster.outbox();
    enqueue_all(&mut outbox);
    // All that there is to log fills a pipe many times over.
    NODES.into_iter().for_each(|node| cluster.start_unread(node));
    let (token, leader) = cluster.wait_for_leader(0);
    cluster.wait_for_delivered(&mut outbox, 500);
    cluster.ask_to_end(leader, Signal::TERM);
    cluster.wait_for_end(leader);
    cluster.wait_for_leader(token);
    cluster.wait_for_the_last(&mut outbox);
    cluster.stop_all();
}
