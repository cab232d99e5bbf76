//! Plans as bytes, for a fuzzer: any bytes are a plan or none, and like bytes are like plans.
//!
//! A header, then one record of fixed length for each fault, so that a flipped byte changes one
//! choice and a copied record repeats one fault. Numbers are places in short lists (`grid`). What
//! the bytes say is printed as a scenario file and read back: the rules of those files decide what
//! is a plan, and whatever a fuzzer finds can be kept as one.
//!
//! The way back, [`bytes_of`], takes the nearest that bytes can say: timing, transport, and the
//! latency of single links are always the default, and healing lasts as long as the messages need. A
//! new kind of fault is added to `record` and nowhere else.

mod grid;
mod record;
mod targets;
#[cfg(test)]
mod tests;

use std::time::Duration;

use fencepost::election::Timing;

use self::grid::{CALM_PPM, LATENCIES, WINDOWS, nearest, pick};
use crate::faults::generate;
use crate::faults::plan::{
    DiskMode, Handling, Latency, Network, Noise, Plan, Shape, Transport, Workload,
};
use crate::oracles::SinkKind;
use crate::scenario::{DEFAULT_HEAL, Scenario};

/// The most faults of a plan; further records are ignored.
pub const FAULTS_MAX: usize = 12;

/// The most voters, observers, messages, and seconds of faults: small runs are many runs.
const VOTERS_MAX: u8 = 5;
const OBSERVERS_MAX: u8 = 2;
const MESSAGES_MAX: u8 = 60;
const HORIZON_MAX: u8 = 30;

/// Times that a message crosses the network, there and back for each: claim, send, settle.
const CROSSINGS: u32 = 6;

/// What such a plan is called.
const NAME: &str = "found by fuzzing";

/// Bytes of the header.
const HEADER: usize = 13;

/// The plan that these bytes are. `None`: what they say is no plan that a scenario file may hold.
pub fn plan_of(bytes: &[u8]) -> Option<Plan> {
    let mut header = [0; HEADER];
    let given = bytes.len().min(HEADER);
    header[..given].copy_from_slice(&bytes[..given]);
    let [voters, observers, disk, sink, messages, every, horizon, latency, loss, duplicate, ..] =
        header;
    let [.., reorder, seed_low, seed_high] = header;
    let (low, high) = pick(&LATENCIES, latency);
    let mut plan = Plan {
        scenario: NAME.to_owned(),
        seed: u16::from_le_bytes([seed_low, seed_high]).into(),
        voters: (1 + voters % VOTERS_MAX).into(),
        observers: (observers % (OBSERVERS_MAX + 1)).into(),
        disk: pick(&DiskMode::ALL, disk),
        transport: Transport::Links,
        timing: Timing::default(),
        network: Network {
            latency: Latency { low, high, shape: Shape::Uniform },
            links: Vec::new(),
            noise: Noise {
                loss_ppm: pick(&CALM_PPM, loss),
                duplicate_ppm: pick(&CALM_PPM, duplicate),
                reorder_ppm: pick(&CALM_PPM, reorder),
            },
        },
        workload: sink_of(sink).map(|sink| Workload {
            messages: (1 + messages % MESSAGES_MAX).into(),
            every: grid::time(every),
            sink,
            handling: Handling::default(),
        }),
        jobs: Vec::new(),
        horizon: Duration::from_secs((1 + horizon % HORIZON_MAX).into()),
        heal: DEFAULT_HEAL,
        stable: false,
        outage: None,
        faults: Vec::new(),
    };
    // Else a network too slow for the workload would be a find.
    plan.heal += high * CROSSINGS * plan.workload.map_or(0, |workload| workload.messages);
    let records = bytes.get(HEADER..).unwrap_or_default().chunks(record::LEN).take(FAULTS_MAX);
    plan.faults = records.map(|bytes| record::fault_of(bytes, &plan)).collect();
    allowed(&plan)
}

/// Bytes that are this plan, or one near to it. Faults that no record can say are left out.
pub fn bytes_of(plan: &Plan) -> Vec<u8> {
    let noise = plan.network.noise;
    let latency = (plan.network.latency.low, plan.network.latency.high);
    let workload = plan.workload;
    let [seed_low, seed_high, ..] = plan.seed.to_le_bytes();
    let calm = |ppm: u32| nearest(&CALM_PPM, |known| known.abs_diff(ppm).into());
    let header: [u8; HEADER] = [
        less_one(plan.voters, VOTERS_MAX),
        u8::try_from(plan.observers).map_or(OBSERVERS_MAX, |count| count.min(OBSERVERS_MAX)),
        nearest(&DiskMode::ALL, |disk| u64::from(*disk != plan.disk)),
        sink_byte(workload.map(|workload| workload.sink)),
        workload.map_or(0, |workload| less_one(workload.messages, MESSAGES_MAX)),
        workload.map_or(0, |workload| grid::time_byte(workload.every)),
        less_one(u32::try_from(plan.horizon.as_secs()).unwrap_or(u32::MAX), HORIZON_MAX),
        nearest(&LATENCIES, |(low, high)| {
            grid::apart(*low, latency.0) + grid::apart(*high, latency.1)
        }),
        calm(noise.loss_ppm),
        calm(noise.duplicate_ppm),
        calm(noise.reorder_ppm),
        seed_low,
        seed_high,
    ];
    let records = plan.faults.iter().filter_map(record::bytes_of).take(FAULTS_MAX);
    header.into_iter().chain(records.flatten()).collect()
}

/// The plan as its own scenario file is read, if that is not refused.
fn allowed(plan: &Plan) -> Option<Plan> {
    let scenario = Scenario::parse(NAME, &plan.to_string()).ok()?;
    Some(generate(&scenario, plan.seed))
}

fn sink_of(byte: u8) -> Option<SinkKind> {
    let [short, long] = WINDOWS.map(|window| SinkKind::Dedup { window });
    // Twice the long window, the usual one: most runs should deliver.
    let sinks = [Some(long), Some(SinkKind::Fenced), Some(SinkKind::Plain), Some(short), None];
    pick(&sinks, byte)
}

fn sink_byte(sink: Option<SinkKind>) -> u8 {
    match sink {
        Some(SinkKind::Dedup { window }) if window > WINDOWS[0] => 0,
        Some(SinkKind::Fenced) => 1,
        Some(SinkKind::Plain) => 2,
        Some(SinkKind::Dedup { .. }) => 3,
        None => 4,
    }
}

/// A count from 1 as a byte from 0, at most the most.
fn less_one(count: u32, most: u8) -> u8 {
    u8::try_from(count.saturating_sub(1)).map_or(most - 1, |count| count.min(most - 1))
}
