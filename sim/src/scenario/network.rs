//! The `network` section: how long messages take, on all links and on some; and their noise.

use super::cluster::Cluster;
use super::fault::{self, Around};
use super::field::{Section, Value, duration, text};
use super::links::{Ends, links};
use super::problem::{Problems, suggest};
use crate::faults::plan::{Latency, LinkLatency, Links, Network, Noise, Shape, Target, Transport};

pub(super) fn parse(value: &Value, cluster: &Cluster, problems: &mut Problems) -> Option<Network> {
    let section = Section::of("the network", value, problems)?;
    section.only(&["latency", "shape", "loss", "duplicate", "reorder", "links"], problems);
    let latency = latency(&section, problems);
    let noise = fault::noise(&section, problems);
    if cluster.transport == Some(Transport::Tcp) {
        for key in ["loss", "duplicate", "reorder"] {
            if section.get(key).is_some() && noise.is_some_and(|noise| noise != Noise::default()) {
                problems.add(
                    section.place(key),
                    format!("\"{key}\" does not reach the tcp transport"),
                    "only with transport = \"links\"",
                    "write transport = \"links\" in cluster, or leave it out",
                );
            }
        }
    }
    let links = match section.get("links") {
        Some(value) => overrides(value, cluster, problems),
        None => Some(Vec::new()),
    };
    Some(Network { latency: latency?, noise: noise?, links: links? })
}

/// `latency` and `shape` of a section.
fn latency(section: &Section, problems: &mut Problems) -> Option<Latency> {
    let usual = Network::default().latency;
    let range = match section.get("latency") {
        Some(value) => duration("latency", value, problems).map(|range| (range.low, range.high)),
        None => Some((usual.low, usual.high)),
    };
    let shape = match section.get("shape") {
        Some(value) => shape(value, problems),
        None => Some(Shape::Uniform),
    };
    let (low, high) = range?;
    Some(Latency { low, high, shape: shape? })
}

fn shape(value: &Value, problems: &mut Problems) -> Option<Shape> {
    let known = Shape::ALL.map(Shape::name);
    let name = text("shape", value, "\"uniform\", \"normal-ish\" or \"long-tail\"", problems)?;
    let found = Shape::ALL.into_iter().find(|shape| shape.name() == name);
    if found.is_none() {
        let message = format!("shape = \"{name}\" is unknown");
        problems.add(value.span(), message, "not a shape", suggest(name, known));
    }
    found
}

/// The links that are not like the others.
fn overrides<'t>(
    value: &'t Value<'t>,
    cluster: &Cluster,
    problems: &mut Problems,
) -> Option<Vec<LinkLatency>> {
    let Some(items) = value.get_ref().as_array() else {
        problems.add(
            value.span(),
            "\"links\" is not a list",
            "expected a list",
            "write links = [ { between = \"n1 <-> n3\", latency = \"20ms..40ms\" } ]",
        );
        return None;
    };
    // Every link is looked at, so that all wrong ones are reported.
    let found: Vec<Option<LinkLatency>> =
        items.iter().map(|item| one(item, cluster, problems)).collect();
    found.into_iter().collect()
}

fn one<'t>(
    value: &'t Value<'t>,
    cluster: &Cluster,
    problems: &mut Problems,
) -> Option<LinkLatency> {
    let section = Section::of("a link", value, problems)?;
    section.only(&["between", "latency", "shape"], problems);
    let between = section.need("between", "\"n1 <-> n3\"", problems);
    let around = Around {
        voters: cluster.voters,
        observers: cluster.observers,
        disks: None,
        horizon: None,
        transport: cluster.transport,
        delivers: None,
        store_clock: None,
    };
    let between = between.and_then(|_| links("between", Ends::Slow, &section, around, problems));
    section.need("latency", "\"20ms..40ms\"", problems);
    let latency = latency(&section, problems);
    let (between, latency) = (between?, latency?);
    if let Some((message, label, help)) = obstacle(&between, cluster) {
        problems.add(section.place("between"), message, label, help);
        return None;
    }
    Some(LinkLatency { between, latency })
}

/// Why these links cannot have a latency of their own.
fn obstacle(links: &Links, cluster: &Cluster) -> Option<(String, &'static str, &'static str)> {
    let role = links
        .from
        .iter()
        .chain(&links.to)
        .find(|t| matches!(t, Target::Leader | Target::Follower | Target::Majority));
    if let Some(role) = role {
        return Some((
            format!("\"{role}\" has no links of its own: a link belongs to machines"),
            "expected nodes by name",
            "name nodes such as \"n1\", or write \"all\", \"others\", \"db\" or \"sink\"",
        ));
    }
    let nodes_only = links.from.iter().chain(&links.to).all(|t| t.is_nodes());
    if nodes_only && cluster.transport == Some(Transport::Tcp) {
        return Some((
            "the latency between nodes does not reach the tcp transport".to_owned(),
            "only with transport = \"links\"",
            "write transport = \"links\" in cluster, or leave it out",
        ));
    }
    None
}
