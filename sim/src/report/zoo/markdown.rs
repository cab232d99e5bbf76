//! The table of planted bugs as Markdown: all numbers of the zoo, a chart, and which layer held.

use std::collections::BTreeMap;

use fencepost::probe::Mutant;

use super::layers::{self, Layer};
use super::row::{Row, Swarm, Table};
use crate::report::text::grouped;
use crate::search::elsewhere::{UNPLANTED, elsewhere};

/// How wide the bars of the chart are at most.
const BAR: usize = 48;

/// Where the chart's scale begins and ends, in powers of ten of a second.
const SCALE: (f64, f64) = (-2.0, 3.0);

/// The targets for the swarm, in seconds of the processors' time.
const SOON: f64 = 60.0;
const LATEST: f64 = 600.0;

const HEAD: &str = "\
# The bug zoo

Made by `cargo sim mutants --swarm --layers 300 --table reports/mutants`, from `mutants.jsonl` beside it. A
*start* runs seeds of `scenarios/swarm.toml`, which knows nothing of the bug, from a seed of its own on, until
one fails. Seeds are the same on every machine; CPU seconds are those of a busy 2-core virtual machine. Of an
even number of starts the median is the upper one. A start that found nothing counts with all that it was
given. Sizes are faults, nodes and messages of a plan: its own, made by shrinking and then by hand, and what
`shrink` alone made of the swarm's first find.
";

/// The page.
pub fn page(table: &Table) -> String {
    let mut out = HEAD.to_owned();
    out += &format!("\n{}\n", summary(table));
    out += "\n## How soon\n\n";
    out += "| # | bug | its own plan | size | swarm | seeds | CPU s | shown as | shrunk |\n";
    out += "|--:|---|---|---|--:|--:|--:|---|---|\n";
    for line in every_number(|mutant| how_soon(mutant, table.get(mutant)), 7) {
        out += &line;
    }
    out += "\n*seeds* and *CPU s*: median (worst).\n";
    out += "\n## Chart\n\nCPU seconds of the swarm to the first violation, each column a tenth of a \
            power of ten: `█` up to the median, `░` up to the worst start, `▏` the 60 s of the target.\n";
    out += &format!("\n```text\n{}```\n", chart(table));
    out += "\n## Which layer held\n\n";
    out += "Above the fence, nothing that is wrong with election or lease may get through to what is \
            written (F1) and sent (D1). A broken fence lets writes through, and still no message is \
            sent twice: each is claimed by one transaction on its own row before its first byte leaves. Only \
            where that claim is broken are effects doubled. Counted are seeds of the swarm, and the bug's \
            own plan as one more.\n\n";
    out += "| # | bug | layer | seeds | something broken | F1 | D1 | so |\n|--:|---|---|--:|--:|--:|--:|---|\n";
    for (mutant, row) in table.rows() {
        out += &which_layer(mutant, row);
    }
    out += "\n## What they stand for\n\n| # | bug | module | what is wrong | seen in |\n|--:|---|---|---|---|\n";
    for line in every_number(stands_for, 3) {
        out += &line;
    }
    out
}

/// A line for each number of the zoo: that of a bug that is planted, else why it is not, over so
/// many columns.
fn every_number(line: impl Fn(Mutant) -> String, columns: usize) -> Vec<String> {
    let mut lines = BTreeMap::new();
    for &mutant in Mutant::ALL {
        lines.insert(mutant.number(), line(mutant));
    }
    for (number, name, because) in UNPLANTED {
        let rest = " |".repeat(columns.saturating_sub(1));
        lines.entry(*number).or_insert(format!("| {number} | {name} | {because} |{rest}\n"));
    }
    lines.into_values().collect()
}

fn summary(table: &Table) -> String {
    let searched = || table.rows().filter_map(|(mutant, row)| Some((mutant, row.swarm.as_ref()?)));
    let within =
        |limit| searched().filter(|(_, swarm)| swarm.is_found() && swarm.cpu_s.0 <= limit).count();
    let planted = Mutant::ALL.len();
    let missed: Vec<&str> = searched()
        .filter(|(_, swarm)| !(swarm.is_found() && swarm.cpu_s.0 <= LATEST))
        .map(|(mutant, _)| mutant.name())
        .collect();
    let mut out = format!(
        "{planted} of {} bugs are planted in the code that ships, {} more elsewhere. The swarm was tried on \
         {}: the median start finds {} of them within {SOON} CPU seconds and {} within {LATEST}.",
        planted + UNPLANTED.len(),
        UNPLANTED.len(),
        searched().count(),
        within(SOON),
        within(LATEST),
    );
    if !missed.is_empty() {
        out += &format!(" Not found by it: {}.", missed.join(", "));
    }
    out
}

fn how_soon(mutant: Mutant, row: Option<&Row>) -> String {
    let (number, name) = (mutant.number(), mutant.name());
    let own = row.and_then(|row| row.own.as_ref());
    let (plan, size) = match own {
        Some(own) => {
            let broken = own.broken.join(", ");
            let file = format!("../scenarios/mutants/{}.toml", own.scenario);
            (format!("[{broken}]({file})"), own.extent.to_string())
        }
        None => (elsewhere(mutant).unwrap_or_default(), String::new()),
    };
    let swarm = row.and_then(|row| row.swarm.as_ref()).map_or(" | | | | |".to_owned(), swarm);
    format!("| {number} | {name} | {plan} | {size} |{swarm}\n")
}

fn swarm(swarm: &Swarm) -> String {
    let Swarm { starts, found, seeds, cpu_s, shown, shrunk, .. } = swarm;
    let mut shown: Vec<_> = shown.iter().collect();
    shown.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown: Vec<String> = shown.iter().map(|(what, count)| format!("{what} {count}")).collect();
    let (seeds, worst) = (grouped(seeds.0), grouped(seeds.1));
    let shrunk = shrunk.map_or_else(String::new, |extent| extent.to_string());
    format!(
        " {found}/{starts} | {seeds} ({worst}) | {:.2} ({:.2}) | {} | {shrunk} |",
        cpu_s.0,
        cpu_s.1,
        shown.join(", ")
    )
}

fn chart(table: &Table) -> String {
    let mut rows: Vec<(Mutant, &Swarm)> =
        table.rows().filter_map(|(mutant, row)| Some((mutant, row.swarm.as_ref()?))).collect();
    rows.sort_by(|(_, a), (_, b)| a.cpu_s.0.total_cmp(&b.cpu_s.0));
    let mut out = String::new();
    for (mutant, Swarm { cpu_s, .. }) in rows {
        let (median, worst, soon) = (column(cpu_s.0), column(cpu_s.1), column(SOON));
        let bar: String = (0..BAR)
            .map(|at| match at {
                at if at < median => '█',
                at if at < worst => '░',
                at if at == soon => '▏',
                _ => ' ',
            })
            .collect();
        let line = format!("{:<29}{bar}", mutant.name());
        out += &format!("{} {:.2}\n", line.trim_end(), cpu_s.0);
    }
    out
}

/// How far a bar goes: at least one column.
fn column(seconds: f64) -> usize {
    let (low, high) = SCALE;
    let part = (seconds.max(1e-9).log10() - low) / (high - low);
    ((part * BAR as f64) as usize).clamp(1, BAR)
}

fn which_layer(mutant: Mutant, row: &Row) -> String {
    let layer = layers::of(mutant);
    let Some(found) = row.layers.as_ref().filter(|_| layer != Layer::Beside) else {
        return String::new();
    };
    let broke = |property: &str| {
        found.deep.get(property).copied().unwrap_or_default() + u64::from(own_broke(row, property))
    };
    let (name, so) = match (layer, broke("F1"), broke("D1")) {
        (Layer::Above, 0, 0) => ("above the fence", "fence and claim held"),
        (Layer::Above, _, 0) => ("above the fence", "**it got through the fence**"),
        (Layer::Fence, 0, 0) => ("fence", "the floor was wrong; no write got through"),
        (Layer::Fence, _, 0) => ("fence", "the claim before each send held"),
        (Layer::Fence, _, _) => ("fence", "nothing is left to hold it: effects were doubled"),
        (Layer::Claim, _, 0) => ("claim", "no effect was doubled in these seeds"),
        (Layer::Claim, _, _) => ("claim", "nothing stands below: effects were doubled"),
        (Layer::Above | Layer::Beside, _, _) => {
            ("above the fence", "**it got through fence and claim**")
        }
    };
    format!(
        "| {} | {} | {name} | {} | {} | {} | {} | {so} |\n",
        mutant.number(),
        mutant.name(),
        found.seeds,
        found.violated,
        broke("F1"),
        broke("D1"),
    )
}

fn own_broke(row: &Row, property: &str) -> bool {
    row.own.as_ref().is_some_and(|own| own.broken.iter().any(|broken| broken == property))
}

fn stands_for(mutant: Mutant) -> String {
    format!(
        "| {} | {} | {} | {} | {} |\n",
        mutant.number(),
        mutant.name(),
        mutant.module(),
        mutant.about(),
        mutant.seen_in()
    )
}
