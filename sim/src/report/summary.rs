//! The screen while a run goes on: one line a scenario and a block for each seed that failed.

use std::path::Path;

use fencepost::probe::Mutant;

use super::text::{Paint, grouped, rate, short, width, wrap};
use crate::run::Verdict;
use crate::search::{BatchReport, BatchVerdict, SEEDS_PER_VACUOUS, SeedReport};

/// The longest name of a scenario in a table.
const NAME_MAX: usize = 24;

/// And the least of it that is.
const NAME_MIN: usize = 8;

/// The command that shows a seed again.
pub fn replay_command(reference: &str, seed: u64, mutant: Option<Mutant>) -> String {
    command("replay", reference, seed, mutant)
}

/// The command that makes a seed's plan as small as it can be.
pub fn shrink_command(reference: &str, seed: u64, mutant: Option<Mutant>) -> String {
    command("shrink", reference, seed, mutant)
}

fn command(verb: &str, reference: &str, seed: u64, mutant: Option<Mutant>) -> String {
    // A path with a space in it must still be one argument of the shell.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let reference = match reference.chars().all(plain) {
        true => reference.to_owned(),
        false => format!("'{}'", reference.replace('\'', "'\\''")),
    };
    let mutant = mutant.map(|mutant| format!(" --mutant {}", mutant.name()));
    format!("cargo sim {verb} {reference} --seed {seed}{}", mutant.unwrap_or_default())
}

/// The head of the table whose lines are [`line()`].
pub fn header(paint: Paint) -> String {
    paint.faint(&columns(
        "scenario",
        ["seeds", "changes", "bounces", "cuts", "pauses", "delivered", "doubt", "seeds/s"]
            .map(str::to_owned),
        "verdict",
    ))
}

/// One scenario.
pub fn line(reference: &str, report: &BatchReport, verdict: &BatchVerdict, paint: Paint) -> String {
    let stats = &report.stats;
    let delivered = match stats.delivered {
        few @ 0..10_000_000 => grouped(few),
        many => short(many),
    };
    let numbers = [
        short(stats.runs),
        short(stats.leader_changes),
        short(stats.bounces()),
        short(stats.cuts),
        short(stats.pauses),
        delivered,
        short(stats.in_doubt),
        if report.cpu.is_zero() {
            "-".to_owned()
        } else {
            rate(per_second(stats.runs as f64, report))
        },
    ];
    let word = match verdict {
        // Of a whole batch that is vacuous, but a shard may have none.
        BatchVerdict::Ok if stats.runs == 0 => paint.empty("no seeds"),
        BatchVerdict::Ok => paint.good("ok"),
        BatchVerdict::Violated => paint.bad("VIOLATED"),
        BatchVerdict::Vacuous(_) => paint.empty("VACUOUS"),
        BatchVerdict::Overrun(_) => paint.bad("OVERRUN"),
    };
    columns(reference, numbers, &word)
}

fn columns(name: &str, numbers: [String; 8], verdict: &str) -> String {
    columns_of(width(), name, numbers, verdict)
}

/// The columns that a screen of that width has room for: what it misses first is counted again at the end.
pub(super) fn columns_of(width: usize, name: &str, numbers: [String; 8], verdict: &str) -> String {
    const ALL: [usize; 8] = [6, 8, 7, 6, 6, 9, 6, 7];
    const SPARED: [usize; 3] = [4, 3, 2];
    const VERDICT: usize = 10;
    let mut shown = [true; 8];
    let room = |shown: &[bool; 8]| {
        let widths = ALL.iter().zip(shown).filter(|(_, shown)| **shown).map(|(width, _)| width + 1);
        width.saturating_sub(widths.sum::<usize>() + VERDICT)
    };
    for column in SPARED {
        shown[column] = room(&shown) >= NAME_MAX;
    }
    let most = room(&shown).clamp(NAME_MIN, NAME_MAX);
    let mut out = format!("{:<most$}", clipped_to(most, name));
    for ((number, width), _) in numbers.iter().zip(ALL).zip(shown).filter(|(_, shown)| *shown) {
        out += &format!(" {number:>width$}");
    }
    out + "  " + verdict
}

/// [`clipped_to`] the longest that a table shows.
pub(super) fn clipped(name: &str) -> String {
    clipped_to(NAME_MAX, name)
}

/// The end of a name says more than its beginning: names can be paths.
fn clipped_to(most: usize, name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let length = name.chars().count();
    if length <= most {
        return name;
    }
    let kept: String = name.chars().skip(length - (most - 1)).collect();
    format!("…{kept}")
}

/// Why a batch is vacuous or overrun; or which few of its seeds were, if it is not for that.
pub fn vacuous(report: &BatchReport, verdict: &BatchVerdict) -> String {
    let all = |head: &str, reasons: &[String]| -> String {
        reasons.iter().map(|reason| wrap(head, reason) + "\n").collect()
    };
    let lines = |reasons: &[String]| all("  vacuous  ", reasons);
    match verdict {
        BatchVerdict::Vacuous(reasons) => lines(reasons),
        BatchVerdict::Overrun(reasons) => all("  overrun  ", reasons),
        BatchVerdict::Ok if report.vacuous > 0 => {
            let (few, runs) = (grouped(report.vacuous), grouped(report.stats.runs));
            let head = format!(
                "{few} of {runs} seeds: one in {} may be, by its draw",
                grouped(SEEDS_PER_VACUOUS)
            );
            lines(&[vec![head], report.vacuity()].concat())
        }
        BatchVerdict::Ok | BatchVerdict::Violated => String::new(),
    }
}

/// One seed that failed: what broke, when, in one sentence, and how to see it again.
pub fn failure(
    reference: &str,
    mutant: Option<Mutant>,
    seed: &SeedReport,
    plan: Option<&Path>,
    paint: Paint,
) -> String {
    let mut out = String::new();
    let mut add = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    let name = clipped(reference);
    match &seed.verdict {
        Verdict::Violated(violations) => {
            for (index, violation) in violations.iter().enumerate() {
                let head = format!("{} at {}", violation.property, violation.at);
                if index == 0 {
                    add(format!("{} {name}, seed {}", paint.bad("VIOLATED"), seed.seed));
                }
                add(format!("  {}", paint.strong(&head)));
                add(wrap("    ", &violation.what));
            }
            let more = seed.violations.saturating_sub(violations.len());
            if more > 0 {
                let least = if seed.at_least { "at least " } else { "" };
                add(format!("  and {least}{} more of the same", grouped(more as u64)));
            }
        }
        Verdict::Panicked(message) => {
            add(format!("{} {name}, seed {}", paint.bad("PANICKED"), seed.seed));
            for line in message.lines() {
                add(wrap("    ", line));
            }
        }
        Verdict::Vacuous(reasons) => {
            add(format!("{} {name}, seed {}", paint.empty("VACUOUS"), seed.seed));
            for reason in reasons {
                add(wrap("    ", reason));
            }
        }
        Verdict::Overrun(message) => {
            add(format!("{} {name}, seed {}", paint.bad("OVERRUN"), seed.seed));
            add(wrap("    ", message));
        }
        Verdict::Ok => add(format!("{} {name}, seed {}", paint.good("ok"), seed.seed)),
    }
    // A command is never broken: it is there to be copied.
    add(format!("  replay  {}", replay_command(reference, seed.seed, mutant)));
    if let Some(plan) = plan {
        add(format!("  plan    {}", plan.display()));
    }
    out
}

/// That many in each second of CPU time.
pub fn per_second(count: f64, report: &BatchReport) -> f64 {
    let seconds = report.cpu.as_secs_f64();
    if seconds > 0.0 { count / seconds } else { 0.0 }
}
