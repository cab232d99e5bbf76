//! The end of a run: what all scenarios together went through, on one screen.

use fencepost::probe::{Mutant, REACH_POINTS};

use super::summary::{per_second, replay_command};
use super::text::{Paint, grouped, rate, short, span, wrap, wrap_items};
use crate::search::{BatchReport, BatchVerdict};

/// Sums over all scenarios.
#[derive(Debug, Default)]
pub struct Total {
    report: BatchReport,
    scenarios: u64,
    violated: u64,
    vacuous: u64,
    overrun: u64,
    /// Scenarios of which this shard has no seeds.
    empty: u64,
    first: Option<String>,
    /// The longest time without a guard, in nanoseconds, and the command that shows it.
    longest: Option<(u64, String)>,
    missed: Vec<&'static str>,
}

impl Total {
    /// Takes a scenario into account.
    pub fn add(
        &mut self,
        reference: &str,
        mutant: Option<Mutant>,
        report: &BatchReport,
        verdict: &BatchVerdict,
    ) {
        self.report.merge(report);
        self.scenarios += 1;
        self.violated += u64::from(*verdict == BatchVerdict::Violated);
        self.vacuous += u64::from(matches!(verdict, BatchVerdict::Vacuous(_)));
        self.overrun += u64::from(matches!(verdict, BatchVerdict::Overrun(_)));
        self.empty += u64::from(*verdict == BatchVerdict::Ok && report.stats.runs == 0);
        if let Some(worst) = report.stats.outages.worst
            && self.longest.as_ref().is_none_or(|(lasts, _)| *lasts < worst.lasts)
        {
            self.longest = Some((worst.lasts, replay_command(reference, worst.seed, mutant)));
        }
        if let (None, Some(seed)) = (&self.first, report.failures.first()) {
            self.first = Some(replay_command(reference, seed.seed, mutant));
        }
    }

    /// These reach points had to be reached by any of them, and were not.
    pub fn miss(&mut self, points: Vec<&'static str>) {
        self.missed = points;
    }

    /// All of it on one screen; the reach points that nothing reached by name only if they are `listed`.
    pub fn screen(&self, paint: Paint, listed: bool) -> String {
        let stats = &self.report.stats;
        let n = |count, name: &str| format!("{} {name}", grouped(count));
        let mut out = String::new();
        let mut row = |label: &str, items: Vec<String>| {
            out.push_str(&wrap_items(&format!("  {label:<13}"), items));
            out.push('\n');
        };
        row("seeds", vec![n(stats.runs, "seeds"), n(self.scenarios, "scenarios")]);
        let mut time = vec![format!("{} simulated", span(stats.simulated_secs()))];
        // Results that were read from files tell nothing of the machines that they come from.
        let measured = !self.report.cpu.is_zero();
        if measured {
            time.push(format!("{} of CPU time", span(self.report.cpu.as_secs_f64())));
            time.push(format!("{} passed", span(self.report.wall.as_secs_f64())));
        }
        row("time", time);
        if measured {
            let per_second = |count| per_second(count, &self.report);
            row(
                "speed",
                vec![
                    format!("{} seeds/CPU-s", rate(per_second(stats.runs as f64))),
                    format!(
                        "{} simulated s/CPU-s",
                        grouped(per_second(stats.simulated_secs()) as u64)
                    ),
                    format!("{} events/CPU-s", short(per_second(stats.events as f64) as u64)),
                ],
            );
        }
        let faults = stats.faults.iter().map(|(kind, count)| format!("{kind} {}", short(*count)));
        row("faults", or_none(faults.collect()));
        row(
            "nodes",
            vec![
                n(stats.leader_changes, "leader changes"),
                n(stats.guards, "guards"),
                format!(
                    "{} ({} stops, {} kills)",
                    n(stats.bounces(), "bounces"),
                    stats.stops,
                    stats.kills
                ),
                n(stats.cuts, "cuts"),
                n(stats.pauses, "pauses"),
            ],
        );
        let outages = &stats.outages;
        let secs = |nanos: u64| nanos as f64 / 1e9;
        let part = 100.0 * secs(outages.sum) / stats.simulated_secs().max(1e-9);
        let mut none = vec![
            format!("{} ({part:.2} %) in all", span(secs(outages.sum))),
            format!("{} of it needless", span(secs(outages.needless))),
            format!("longest of a run: p50 {:.2} s", outages.quantile(50)),
            format!("p99 {:.2} s", outages.quantile(99)),
            format!("worst {:.2} s", outages.worst_secs()),
        ];
        none.extend(self.longest.as_ref().map(|(_, command)| command.clone()));
        row("no guard", none);
        row(
            "messages",
            vec![
                n(stats.enqueued, "written"),
                n(stats.effects, "effects"),
                n(stats.delivered, "delivered"),
                n(stats.failed, "failed"),
                format!("{} ({} parked)", n(stats.in_doubt, "in doubt"), grouped(stats.parked)),
                n(stats.unfinished, "unfinished"),
            ],
        );
        let points = || REACH_POINTS.iter().zip(stats.reach.0);
        let reached = points().filter(|(_, count)| *count > 0);
        let reached = reached.map(|((name, _), count)| format!("{name} {}", short(count)));
        row("reached", or_none(reached.collect()));
        let missed =
            points().filter(|(_, count)| *count == 0).map(|((name, _), _)| name.to_string());
        let missed = or_none(missed.collect());
        let head = format!("  {:<13}", "not reached");
        let few = listed || wrap_items(&head, missed.clone()).lines().count() == 1;
        let count =
            format!("{} of {} points: --reach names them", missed.len(), REACH_POINTS.len());
        row("not reached", if few { missed } else { vec![count] });
        let mut broken: Vec<String> = self
            .report
            .broken
            .iter()
            .map(|(property, seeds)| {
                format!("{property} in {} of {} seeds", grouped(*seeds), grouped(stats.runs))
            })
            .collect();
        if self.report.panicked > 0 {
            broken.push(n(self.report.panicked, "panics"));
        }
        row("violations", or_none(broken));
        if let Some(first) = &self.first {
            out.push_str(&format!("  {:<13}{first}\n", "replay"));
        }
        out.push_str(&format!("\n{}\n", self.sentence(paint)));
        out
    }

    fn sentence(&self, paint: Paint) -> String {
        let of = |count: u64| format!("{count} of {} scenarios", self.scenarios);
        let mut parts = Vec::new();
        if self.violated > 0 {
            parts.push(format!("violated: a seed failed in {}", of(self.violated)));
        }
        if self.overrun > 0 {
            let head = if parts.is_empty() { "overrun: " } else { "" };
            parts
                .push(format!("{head}seeds could not be run to their end in {}", of(self.overrun)));
        }
        if self.vacuous > 0 {
            let head = if parts.is_empty() { "vacuous: " } else { "" };
            parts.push(format!("{head}{} proved nothing", of(self.vacuous)));
        }
        if !self.missed.is_empty() {
            let head = if parts.is_empty() { "vacuous: " } else { "" };
            parts.push(format!("{head}never reached by any: {}", self.missed.join(", ")));
        }
        if self.report.stopped {
            let head = if parts.is_empty() { "stopped: " } else { "" };
            parts.push(format!("{head}not all seeds have run"));
        }
        let text = wrap("", &parts.join("; "));
        match (self.violated, parts.is_empty()) {
            (_, true) if self.empty > 0 && self.empty == self.scenarios => {
                paint.empty("nothing ran: this shard has no seeds of any scenario")
            }
            (_, true) if self.empty > 0 => {
                let none = of(self.empty);
                paint.good(&format!("ok: every property held; this shard has no seeds of {none}"))
            }
            (_, true) => paint.good("ok: every property held, every scenario was worth running"),
            (0, _) => paint.empty(&text),
            _ => paint.bad(&text),
        }
    }
}

fn or_none(items: Vec<String>) -> Vec<String> {
    if items.is_empty() { vec!["none".to_owned()] } else { items }
}
