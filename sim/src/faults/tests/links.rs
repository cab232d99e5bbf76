//! Flapping links, topologies and latencies of some links: what they do to messages.

use super::*;
use crate::history::{Arrivals, Event};

/// The events of an election-only run of a cluster of so many voters.
fn events(voters: u32, rest: &str) -> Vec<Event> {
    let scenario = scenario(&format!(
        "name = \"x\"\ncluster = {{ voters = {voters} }}\nhorizon = \"10s\"\n{rest}\n"
    ));
    run_plan(&generate(&scenario, 1), &RunOptions::default()).history.events().to_vec()
}

/// Messages sent between these times in seconds after the warm-up: from, to, and their delay if
/// they arrive.
fn messages(events: &[Event], from: u64, to: u64) -> Vec<(String, String, Option<u64>)> {
    let start = events.iter().find(|event| event.kind == Kind::Phase(Phase::Faults)).unwrap().at.0;
    let span = start + from * 1_000_000_000..start + to * 1_000_000_000;
    let sent = events.iter().filter(|event| span.contains(&event.at.0));
    sent.filter_map(|event| match &event.kind {
        Kind::Sent { from, to, arrives, .. } => {
            assert_ne!(*arrives, Arrivals::Untold);
            let delay = arrives.times().next().map(|at| at.since(event.at));
            Some((from.node.to_string(), to.to_string(), delay))
        }
        _ => None,
    })
    .collect()
}

#[test]
fn a_topology_leaves_its_own_links_and_no_others() {
    let neighbours = |a: u32, b: u32| a.abs_diff(b) == 1;
    type Linked<'l> = &'l dyn Fn(u32, u32) -> bool;
    let cases: [(&str, Linked); 3] = [
        ("ring", &|a, b| neighbours(a, b) || a.abs_diff(b) == 4),
        ("chain", &neighbours),
        ("star(n2)", &|a, b| a == 2 || b == 2),
    ];
    for (topology, linked) in cases {
        let fault =
            format!("faults = [{{ at = \"2s\", topology = \"{topology}\", for = \"5s\" }}]");
        let events = events(5, &fault);
        let number = |node: &str| node[1..].parse::<u32>().unwrap();
        let mut seen = BTreeSet::new();
        for (from, to, delay) in messages(&events, 2, 7) {
            let (a, b) = (number(&from), number(&to));
            assert_eq!(delay.is_some(), linked(a, b), "{topology}: {from} to {to}");
            seen.insert((a, b));
        }
        assert!(seen.iter().any(|(a, b)| !linked(*a, *b)), "{topology}: {seen:?}");
        let after = messages(&events, 7, 10);
        assert!(!after.is_empty() && after.iter().all(|(_, _, delay)| delay.is_some()));
    }
}

#[test]
fn a_flapping_link_is_cut_and_mended_in_turn() {
    let events = events(
        3,
        r#"faults = [{ at = "2s", flap = "n1 -> n2, n3", up = "500ms", down = "300ms", for = "4.1s" }]"#,
    );
    let start = events.iter().find(|event| event.kind == Kind::Phase(Phase::Faults)).unwrap().at.0;
    let mut turns = BTreeSet::new();
    for event in &events {
        let Kind::Sent { from, arrives, .. } = &event.kind else { continue };
        let Some(since) = event.at.0.checked_sub(start + 2_000_000_000) else { continue };
        let millis = since / 1_000_000;
        // Cut first, and mended at the end.
        let cut = from.node.as_str() == "n1" && millis < 4_100 && millis % 800 < 300;
        // The very moment of a turn is left open.
        if millis % 800 > 0 && millis % 800 != 300 {
            assert_eq!(arrives.times().next().is_none(), cut, "{from:?} at {millis} ms");
            turns.extend((from.node.as_str() == "n1").then_some((millis.min(4_200) / 800, cut)));
        }
    }
    assert!(turns.len() >= 9, "{turns:?}");
}

#[test]
fn a_link_can_have_a_latency_of_its_own() {
    let events = events(
        3,
        "network = { latency = \"1ms..2ms\", links = [\
         { between = \"n3 <-> others\", latency = \"20ms..40ms\", shape = \"long-tail\" }, \
         { between = \"n1 -> n3\", latency = \"50ms\" }] }",
    );
    let (mut near, mut far, mut one_way) = (0, 0, 0);
    for (from, to, delay) in messages(&events, 0, 10) {
        let (delay, count) = (
            delay.unwrap(),
            match (&*from, &*to) {
                ("n1", "n3") => &mut one_way,
                ("n3", _) | (_, "n3") => &mut far,
                _ => &mut near,
            },
        );
        *count += 1;
        let range = match (&*from, &*to) {
            ("n1", "n3") => 50_000_000..=50_000_000,
            ("n3", _) | (_, "n3") => 20_000_000..=40_000_000,
            _ => 1_000_000..=2_000_000,
        };
        assert!(range.contains(&delay), "{from} to {to}: {delay}");
    }
    assert!(near > 50 && far > 50 && one_way > 0, "{near} {far} {one_way}");
}
