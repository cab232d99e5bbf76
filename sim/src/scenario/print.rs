//! A plan as a scenario file that reads back to the same plan.

use std::fmt::{self, Write};
use std::time::Duration;

use super::Expect;
use super::units::duration;
use crate::faults::plan::{Handling, Plan};
use crate::oracles::SinkKind;

/// Writes the plan as a scenario file, and what is expected of it.
pub fn print(plan: &Plan, expect: &Expect) -> String {
    let mut out = String::new();
    write(&mut out, plan, expect).expect("a string takes all that is written");
    out
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self, &Expect::default())
    }
}

fn write(out: &mut impl Write, plan: &Plan, expect: &Expect) -> fmt::Result {
    // The name may contain anything that a TOML string can.
    writeln!(out, "name = {}", toml::Value::String(plan.scenario.clone()))?;
    match i64::try_from(plan.seed) {
        Ok(seed) => writeln!(out, "seed = {seed}")?,
        Err(_) => writeln!(out, "seed = \"{}\"", plan.seed)?,
    }
    writeln!(
        out,
        "cluster = {{ voters = {}, observers = {}, disk = \"{}\", transport = \"{}\" }}",
        plan.voters,
        plan.observers,
        plan.disk.name(),
        plan.transport.name()
    )?;
    let t = &plan.timing;
    writeln!(
        out,
        "timing = {{ heartbeat = \"{}\", lease = \"{}\", promise = \"{}\", quarantine = \"{}\", \
         election_timeout = \"{}\", jitter = \"{}\", margin = \"{}\", max_drift_ppm = {} }}",
        duration(t.heartbeat),
        duration(t.lease),
        duration(t.promise),
        duration(t.quarantine),
        duration(t.election_timeout),
        duration(t.jitter),
        duration(t.margin),
        t.max_drift_ppm
    )?;
    let n = &plan.network;
    write!(out, "network = {{ {}, {}", n.latency, n.noise)?;
    if !n.links.is_empty() {
        writeln!(out, ", links = [")?;
        for link in &n.links {
            writeln!(out, "  {{ between = \"{}\", {} }},", link.between, link.latency)?;
        }
        write!(out, "]")?;
    }
    writeln!(out, " }}")?;
    if let Some(workload) = &plan.workload {
        let every = duration(workload.every);
        write!(out, "workload = {{ messages = {}, every = \"{every}\", ", workload.messages)?;
        match workload.sink {
            SinkKind::Dedup { window } => {
                write!(out, "sink = \"dedup\", window = \"{}\"", duration(window))?;
            }
            SinkKind::Fenced => write!(out, "sink = \"fenced\"")?,
            SinkKind::Plain => write!(out, "sink = \"plain\"")?,
        }
        let (handling, usual) = (workload.handling, Handling::default());
        for (key, value, usual) in [
            ("keys", handling.keys, usual.keys),
            ("batch", handling.batch, usual.batch),
            ("attempts", handling.attempts, usual.attempts),
            ("units", handling.units, usual.units),
            ("spread", handling.spread, usual.spread),
        ] {
            if value != usual {
                write!(out, ", {key} = {value}")?;
            }
        }
        writeln!(out, " }}")?;
    }
    if !plan.jobs.is_empty() {
        writeln!(out, "jobs = [")?;
        for job in &plan.jobs {
            writeln!(out, "  {job},")?;
        }
        writeln!(out, "]")?;
    }
    writeln!(out, "horizon = \"{}\"", duration(plan.horizon))?;
    writeln!(out, "heal = \"{}\"", duration(plan.heal))?;
    if plan.stable {
        writeln!(out, "stable = true")?;
    }
    writeln!(out, "faults = [")?;
    for fault in &plan.faults {
        writeln!(out, "  {fault},")?;
    }
    writeln!(out, "]")?;
    expectations(out, expect, plan.outage)
}

/// What is expected of the plan; its longest outage is part of the plan itself.
fn expectations(out: &mut impl Write, expect: &Expect, outage: Option<Duration>) -> fmt::Result {
    let expect = &Expect { outage, ..expect.clone() };
    if *expect == Expect::default() {
        return Ok(());
    }
    writeln!(out, "\n[expect]")?;
    let mut list = |key: &str, names: &[&str]| match names {
        [] => Ok(()),
        names => writeln!(out, "{key} = [\"{}\"]", names.join("\", \"")),
    };
    list("verdict", &expect.violates)?;
    list("reach", &expect.reach)?;
    list("faults", &expect.faults)?;
    list("kills", &expect.kills.iter().map(|mutant| mutant.name()).collect::<Vec<_>>())?;
    if expect.leader_changes > 0 {
        writeln!(out, "leader_changes = {}", expect.leader_changes)?;
    }
    match outage {
        Some(limit) => writeln!(out, "outage = \"{}\"", duration(limit)),
        None => Ok(()),
    }
}
