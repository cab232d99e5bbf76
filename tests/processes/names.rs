//! Nodes without a vote, two nodes under one name, and lists of voters that change.

use rustix::process::Signal;

use crate::address::free_address;
use crate::cluster::{Cluster, NODES};

/// The participants as the node saw them last.
fn last_view(cluster: &Cluster, node: &str) -> Option<String> {
    let log = cluster.log(node);
    let line = log.lines().rfind(|line| line.contains("the cluster as it is seen here"))?;
    Some(line.split("participants=").nth(1)?.to_owned())
}

/// Waits until all these nodes see these participants.
fn wait_for_view(cluster: &mut Cluster, nodes: &[&str], participants: &str) {
    cluster.wait_for(participants, |cluster| {
        let sees = |node: &&str| last_view(cluster, node).is_some_and(|view| view == participants);
        nodes.iter().all(sees).then_some(())
    });
}

#[test]
fn an_observer_joins_leaves_and_never_acts() {
    const ALL: [&str; 4] = ["n1", "n2", "n3", "o1"];
    let mut cluster = Cluster::new("observer");
    cluster.add("o1", "n1", &[("node = \"n1\"\ndata = \"n1\"", "node = \"o1\"\nobserver = true")]);
    let check = cluster.output("check", "o1", &[]);
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(said.contains("observer o1 of cluster \"processes\" with 3 voters"), "{said}");
    cluster.start_all();
    wait_for_view(&mut cluster, &NODES, "[n1, n2, n3]");

    cluster.start("o1");
    wait_for_view(&mut cluster, &ALL, "[n1, n2, n3, o1]");
    cluster.ask_to_end("o1", Signal::TERM);
    cluster.wait_for_end("o1");
    wait_for_view(&mut cluster, &NODES, "[n1, n2, n3]");

    // It may come back, also after it died without a word.
    for _ in 0..2 {
        cluster.start("o1");
        wait_for_view(&mut cluster, &NODES, "[n1, n2, n3, o1]");
        cluster.kill("o1");
        wait_for_view(&mut cluster, &NODES, "[n1, n2, n3]");
    }
    cluster.start("o1");
    wait_for_view(&mut cluster, &ALL, "[n1, n2, n3, o1]");
    let (token, leader) = cluster.wait_for_leader(0);
    cluster.kill(leader);
    cluster.wait_for_leader(token);
    cluster.start(leader);
    wait_for_view(&mut cluster, &ALL, "[n1, n2, n3, o1]");
    cluster.stop_all();
    assert!(!cluster.log("o1").contains("may act"));
    for node in ALL {
        assert!(!cluster.log(node).contains("NotAPeer"), "{}", cluster.log(node));
    }
}

#[test]
fn a_second_node_under_a_name_is_refused_and_the_first_goes_on() {
    let mut cluster = Cluster::new("twins");
    cluster.start_all();
    wait_for_view(&mut cluster, &NODES, "[n1, n2, n3]");
    // On another machine, so to say: at another address.
    let config = std::fs::read_to_string(cluster.path("n2.toml")).unwrap();
    let own = config.lines().find(|line| line.starts_with("n2 = ")).unwrap();
    let elsewhere = format!("n2 = \"{}\"", free_address());
    cluster.add("twin", "n2", &[(own, &elsewhere), ("data = \"n2\"", "data = \"twin\"")]);
    let logged = cluster.log("n2").len();
    cluster.start("twin");
    for node in ["n1", "n3"] {
        cluster.wait_for_log(node, 0, "two processes claim to be n2");
    }
    cluster.wait_for_log("twin", 0, "its log says why");
    cluster.ask_to_end("twin", Signal::TERM);
    cluster.wait_for_end("twin");
    assert!(!cluster.log("n2")[logged..].contains("rejoining"), "the first n2 is still itself");
    assert!(!cluster.log("twin").contains("may act"));
    cluster.stop_all();
}

#[test]
fn the_list_of_voters_changes_by_one_and_not_by_two_in_a_rolling_restart() {
    let mut cluster = Cluster::new("voters");
    let [n4, n5, n6] = [(); 3].map(|()| free_address());
    cluster.start_all();
    wait_for_view(&mut cluster, &NODES, "[n1, n2, n3]");

    for node in NODES {
        cluster.add(node, node, &[("[voters]", &format!("[voters]\nn4 = \"{n4}\""))]);
    }
    cluster.add("n4", "n1", &[("node = \"n1\"\ndata = \"n1\"", "node = \"n4\"\ndata = \"n4\"")]);
    cluster.start("n4");
    for (index, node) in NODES.into_iter().enumerate() {
        let logged = cluster.log(node).len();
        cluster.ask_to_end(node, Signal::TERM);
        cluster.wait_for_end(node);
        cluster.start(node);
        // Of four, one needs three others; the second starts the new list anew with the new voter.
        if index > 0 {
            cluster.wait_for_log(node, logged, "operational");
        }
    }
    wait_for_view(&mut cluster, &["n1", "n2", "n3", "n4"], "[n1, n2, n3, n4]");
    assert!(cluster.log("n4").contains("4 voters survive the loss of 1 like 3 do"));

    let two_more = format!("[voters]\nn5 = \"{n5}\"\nn6 = \"{n6}\"");
    cluster.add("n1", "n1", &[("[voters]", &two_more)]);
    cluster.ask_to_end("n1", Signal::TERM);
    cluster.wait_for_end("n1");
    let logged = cluster.log("n1").len();
    cluster.start("n1");
    for (node, logged) in [("n1", logged), ("n2", 0)] {
        cluster.wait_for_log(node, logged, "change the list by one voter at a time");
        let log = cluster.log(node);
        assert!(log.contains("[n1, n2, n3, n4, n5, n6]"), "{log}");
    }
    wait_for_view(&mut cluster, &["n2", "n3", "n4"], "[n2, n3, n4]");
    assert!(!cluster.log("n1")[logged..].contains("operational"));
    cluster.stop_all();
}
