//! What a seed draws besides its faults: the timing of its nodes, and a network that is not alike
//! everywhere.

use std::time::Duration;

use fencepost::election::Timing;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::both;
use crate::faults::pick::{chance, log_duration, one_of, uniform, uniform_duration};
use crate::faults::plan::{Latency, LinkLatency, Network, Shape, Size, Target};
use crate::scenario::timing::{PROMISE_SLACK, SLACK};
use crate::scenario::units::Between;
use crate::scenario::{Scenario, TimingSpec};

/// The least latency of a node in another data centre. If it leads, a message takes three round
/// trips: much more, and it could not keep up with a busy outbox, which is no fault of the product.
const FAR: Between<Duration> =
    Between { low: Duration::from_millis(5), high: Duration::from_millis(15) };

/// By how much its messages differ at most.
const FAR_SPREAD: Between<Duration> =
    Between { low: Duration::from_millis(1), high: Duration::from_millis(10) };

/// The longest latency of a long tail.
const TAIL: Between<Duration> =
    Between { low: Duration::from_millis(20), high: Duration::from_millis(300) };

/// The longest duration that the product takes in a timing.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A timing that keeps the lease rule: what the scenario leaves open is the least that the rule
/// allows, and a little more.
pub fn timing(spec: &TimingSpec, rng: &mut Xoshiro256PlusPlus) -> Timing {
    let mut timing = Timing {
        heartbeat: uniform_duration(rng, spec.heartbeat),
        lease: uniform_duration(rng, spec.lease),
        jitter: uniform_duration(rng, spec.jitter),
        margin: uniform_duration(rng, spec.margin),
        max_drift_ppm: {
            let drift = spec.max_drift_ppm;
            uniform(rng, drift.low.into(), drift.high.into()) as u32
        },
        ..Timing::default()
    };
    let least = timing.least_promise();
    let mut given = |range: Option<Between<Duration>>| range.map(|r| uniform_duration(rng, r));
    let (promise, quarantine) = (given(spec.promise), given(spec.quarantine));
    let election_timeout = given(spec.election_timeout);
    let mut above = |least: Duration, part: u32| {
        uniform_duration(rng, Between { low: least, high: (least + least / part).min(LONGEST) })
    };
    let derived = above(least, PROMISE_SLACK);
    // A given timeout is at least the least promise, but not more than any drawn one.
    let derived = election_timeout.map_or(derived, |timeout: Duration| derived.min(timeout));
    timing.promise = promise.unwrap_or(derived);
    timing.quarantine = quarantine.unwrap_or_else(|| above(least, SLACK));
    timing.election_timeout = election_timeout.unwrap_or_else(|| above(timing.promise, SLACK));
    timing
}

/// The scenario's network; and in a swarm, perhaps one node far away, or a long tail.
pub fn network(scenario: &Scenario, size: Size, rng: &mut Xoshiro256PlusPlus) -> Network {
    let mut network = scenario.network.clone();
    let Some(swarm) = &scenario.swarm else { return network };
    if chance(rng, swarm.far_node.into()) {
        let node = size.node(uniform(rng, 1, size.nodes().into()) as u32);
        let low = uniform_duration(rng, FAR);
        let high = low + log_duration(rng, FAR_SPREAD);
        let latency = Latency { low, high, shape: one_of(rng, &Shape::ALL) };
        let rest = vec![Target::Others, Target::Database, Target::Sink];
        network.links.push(LinkLatency { between: both(vec![node], rest), latency });
    }
    if chance(rng, swarm.long_tail.into()) {
        let high = log_duration(rng, TAIL).max(network.latency.low);
        network.latency = Latency { high, shape: Shape::LongTail, ..network.latency };
    }
    network
}
