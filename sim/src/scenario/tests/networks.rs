//! Networks that are not alike everywhere, flapping links and topologies.

use super::*;

#[test]
fn latencies_are_read_as_they_are_printed() {
    let network = "network = { latency = \"300us..2ms\", shape = \"long-tail\", loss = 0.1, \
                   duplicate = 0.0, reorder = 0.0, links = [\n  \
                   { between = \"n1 <-> n3\", latency = \"20ms..40ms\" },\n  \
                   { between = \"n2 -> others, db\", latency = \"1ms..9ms\", shape = \"normal-ish\" },\n\
                   ] }\n";
    let plan = plan(&format!("{HEAD}{network}"), 1);
    assert_eq!(plan.network.links.len(), 2);
    assert!(plan.to_string().contains(network), "{plan}");
}

#[test]
fn latencies_of_links_that_do_not_exist_are_refused() {
    let link = |link: &str, says: &[&str]| {
        section_refused(&format!("network = {{ links = [ {link} ] }}"), says);
    };
    link(
        r#"{ between = "n1 <-> n4", latency = "20ms" }"#,
        &["there is no node \"n4\"", "test.toml:4:"],
    );
    link(r#"{ between = "leader -> n2", latency = "20ms" }"#, &["\"leader\" has no links"]);
    link(r#"{ between = "n1", latency = "20ms" }"#, &["names no link"]);
    link(r#"{ between = "n1 -> n2" }"#, &["no \"latency\""]);
    link(r#"{ latency = "20ms" }"#, &["no \"between\""]);
    link(
        r#"{ between = "n1 -> n2", latency = "1ms", shape = "longtail" }"#,
        &["did you mean \"long-tail\"?"],
    );
    link(r#"{ betwen = "n1 -> n2", between = "n1 -> n2", latency = "1ms" }"#, &["\"betwen\""]);
    section_refused("network = { links = 3 }", &["expected a list", "20ms..40ms"]);
    section_refused("network = { shape = \"normal\" }", &["did you mean \"normal-ish\"?"]);
    section_refused("[swarm]\ncount = 1\nfar_node = 101", &["expected 0 to 100"]);
    section_refused("[swarm]\ncount = 1\nfar_nod = 1", &["did you mean \"far_node\"?"]);
}

#[test]
fn latencies_between_nodes_do_not_reach_tcp() {
    let head = HEAD.replace("voters = 3", "voters = 3, transport = \"tcp\"");
    let link = |ends: &str| {
        format!("{head}network = {{ links = [{{ between = \"{ends}\", latency = \"9ms\" }}] }}\n")
    };
    refused(&link("n1 <-> n2"), &["between nodes does not reach the tcp transport"]);
    parse(&link("n1 <-> db"));
    let swarm = format!("{head}[swarm]\ncount = 1\nlong_tail = 5\n");
    refused(&swarm, &["\"long_tail\" does not reach the tcp transport"]);
    parse(&format!(
        "{head}faults = [{{ at = \"1s\", topology = \"star(n1)\", for = \"1s\" }}, \
         {{ at = \"3s\", flap = \"n1 -> n2\", up = \"1s\", down = \"1s\", for = \"5s\" }}]\n"
    ));
}

#[test]
fn topologies_that_do_not_exist_are_refused() {
    let topology = |topology: &str, says: &[&str]| {
        fault_refused(&format!(r#"{{ at = "1s", topology = "{topology}", for = "8s" }}"#), says);
    };
    topology("star(n9)", &["there is no node \"n9\"", "n1 to n3"]);
    topology("star(all)", &["star cannot meet \"all\"", "expected one node"]);
    topology("star", &["name the centre"]);
    topology("rong", &["did you mean \"ring\"?"]);
    topology("ring", &["cuts nothing among 3 nodes", "have 4 nodes at least"]);
    fault_refused(r#"{ at = "1s", topology = "chain" }"#, &["no \"for\""]);
}

#[test]
fn links_that_do_not_flap_are_refused() {
    fault_refused(
        r#"{ at = "1s", flap = "n1 -> n2", up = "0s", down = "1s", for = "8s" }"#,
        &["\"up\" is too short", "at least 1ms"],
    );
    fault_refused(r#"{ at = "1s", flap = "n1", up = "1s", for = "8s" }"#, &["no \"down\""]);
    fault_refused(
        r#"{ at = "1s", flap = "n1 -> n4", up = "1s", down = "1s", for = "8s" }"#,
        &["no node \"n4\""],
    );
}
