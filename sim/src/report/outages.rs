//! Time without a valid guard, over many runs: how much, how long at worst and in which seed.
//!
//! What counts is every stretch in which nobody could act, from the end of a run's warm-up to its end.
//! Of each run its longest stretch is kept, in hundredths of a second, for the quantiles.

use std::collections::BTreeMap;

use fencepost::probe::Mutant;

use super::summary::{clipped, replay_command};
use super::text::{Paint, grouped};
use crate::history::SimTime;
use crate::oracles::Outage;
use crate::search::BatchReport;

/// What a bucket of [`Outages::longest`] spans, in nanoseconds.
const BUCKET: u64 = 10_000_000;

/// Sums and quantiles over runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outages {
    /// All of it, in nanoseconds.
    pub sum: u64,
    /// How much of it somebody could have led, as V5 has it, in nanoseconds.
    pub needless: u64,
    /// How many runs had a longest stretch of so many hundredths of a second; none is zero.
    pub longest: BTreeMap<u64, u64>,
    /// The longest stretch of all, and of such the one of the first seed.
    pub worst: Option<Worst>,
}

/// A stretch without a guard, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// How long, in nanoseconds.
    pub lasts: u64,
    /// When it began.
    pub at: SimTime,
    /// In which seed.
    pub seed: u64,
}

impl Outages {
    /// Of one run.
    pub fn of(outage: &Outage, seed: u64) -> Self {
        let Outage { sum, longest, longest_at: at, needless } = *outage;
        Self {
            sum,
            needless,
            longest: BTreeMap::from([(longest / BUCKET, 1)]),
            worst: (longest > 0).then_some(Worst { lasts: longest, at, seed }),
        }
    }

    /// The same of this one run, if it is one.
    pub fn single(&self) -> Outage {
        let worst = self.worst.map_or((0, SimTime(0)), |worst| (worst.lasts, worst.at));
        Outage { sum: self.sum, longest: worst.0, longest_at: worst.1, needless: self.needless }
    }

    /// Adds other runs.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.needless = self.needless.saturating_add(other.needless);
        for (bucket, runs) in &other.longest {
            *self.longest.entry(*bucket).or_default() += runs;
        }
        let order = |worst: &Worst| (worst.lasts, std::cmp::Reverse(worst.seed));
        self.worst = self.worst.into_iter().chain(other.worst).max_by_key(order);
    }

    /// The longest stretch that so many of a hundred runs do not exceed, in seconds, give or take a
    /// hundredth.
    pub fn quantile(&self, percent: u64) -> f64 {
        let runs: u64 = self.longest.values().sum();
        let rank = (runs * percent).div_ceil(100);
        let mut passed = 0;
        for (bucket, count) in &self.longest {
            passed += count;
            if passed >= rank {
                return *bucket as f64 * BUCKET as f64 / 1e9;
            }
        }
        0.0
    }

    /// The longest of all, in seconds.
    pub fn worst_secs(&self) -> f64 {
        self.worst.map_or(0.0, |worst| worst.lasts as f64 / 1e9)
    }
}

/// Every scenario's, as a table.
#[derive(Debug, Default)]
pub struct OutageTable {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    reference: String,
    mutant: Option<Mutant>,
    runs: u64,
    simulated: f64,
    /// How many seeds broke V5, V6, and the scenario's limit.
    broken: [u64; 3],
    outages: Outages,
}

/// The properties that the table counts.
const COUNTED: [&str; 3] = ["V5", "V6", "outage"];

impl OutageTable {
    /// Takes a scenario into account.
    pub fn add(&mut self, reference: &str, mutant: Option<Mutant>, report: &BatchReport) {
        let broken = COUNTED.map(|name| report.broken.get(name).copied().unwrap_or_default());
        self.rows.push(Row {
            reference: reference.to_owned(),
            mutant,
            runs: report.stats.runs,
            simulated: report.stats.simulated_secs(),
            broken,
            outages: report.stats.outages.clone(),
        });
    }

    /// The rows, those with the longest stretch first.
    fn sorted(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.runs > 0).collect();
        let lasts = |row: &Row| row.outages.worst.map_or(0, |worst| worst.lasts);
        rows.sort_by(|a, b| lasts(b).cmp(&lasts(a)).then_with(|| a.reference.cmp(&b.reference)));
        rows
    }

    /// For a terminal.
    pub fn text(&self, paint: Paint) -> String {
        let columns = |name: &str, cells: [String; 7], seed: &str| {
            let [runs, share, needless, p50, p99, worst, broken] = cells;
            format!(
                "{:<24} {runs:>7} {share:>8} {needless:>8} {p50:>7} {p99:>7} {worst:>8} \
                 {broken:>7}  {seed}",
                clipped(name)
            )
        };
        let heads = ["seeds", "of time", "needless", "p50 s", "p99 s", "worst s", "V5 V6"];
        let head = columns("time without a guard", heads.map(str::to_owned), "in seed");
        let mut out = format!("{}\n", paint.faint(&head));
        for row in self.sorted() {
            let seed = row.outages.worst.map_or("-".to_owned(), |worst| worst.seed.to_string());
            let line = columns(&row.name(), row.cells(), &seed);
            let good = row.broken == [0; 3];
            out += &format!("{}\n", if good { line } else { paint.bad(&line) });
        }
        out
    }

    /// For the committed reports, with the command that shows each worst stretch.
    pub fn markdown(&self) -> String {
        let mut out = "\
# Time without a guard

Made by `cargo sim run --outages=FILE`, or from results by `cargo sim report *.jsonl --outages=FILE`. Counted is
every stretch in which nobody held a valid guard, from the end of a run's warm-up to its end, whatever the faults
were. *of time*: all of it, of the simulated time. *needless*: the part in which somebody could have led, as V5
has it: failovers and handovers, mostly. *p50*, *p99*, *worst*: the longest stretch of each run, in seconds.

| scenario | seeds | of time | needless | p50 | p99 | worst | V5, V6, outage broken in | worst: |
|---|--:|--:|--:|--:|--:|--:|--:|---|
"
        .to_owned();
        for row in self.sorted() {
            let replay = row.outages.worst.map_or("–".to_owned(), |worst| {
                format!("`{}`", replay_command(&row.reference, worst.seed, row.mutant))
            });
            let cells = row.cells().join(" | ");
            out += &format!("| {} | {cells} | {replay} |\n", row.name().replace('|', "\\|"));
        }
        out
    }

    /// As rows of a page.
    pub fn page_rows(&self) -> Vec<[String; 9]> {
        let row = |row: &Row| {
            let replay = row.outages.worst.map_or("–".to_owned(), |worst| {
                replay_command(&row.reference, worst.seed, row.mutant)
            });
            let [runs, share, needless, p50, p99, worst, broken] = row.cells();
            [row.name(), runs, share, needless, p50, p99, worst, broken, replay]
        };
        self.sorted().into_iter().map(row).collect()
    }
}

impl Row {
    fn name(&self) -> String {
        match self.mutant {
            Some(mutant) => format!("{} with {}", self.reference, mutant.name()),
            None => self.reference.clone(),
        }
    }

    fn cells(&self) -> [String; 7] {
        let percent =
            |nanos: u64| format!("{:.2} %", nanos as f64 / 1e7 / self.simulated.max(1e-9));
        let [v5, v6, limit] = self.broken;
        let broken = match limit {
            0 => format!("{v5} {v6}"),
            limit => format!("{v5} {v6} {limit}"),
        };
        let Outages { sum, needless, .. } = &self.outages;
        let secs = |secs: f64| format!("{secs:.2}");
        [
            grouped(self.runs),
            percent(*sum),
            percent(*needless),
            secs(self.outages.quantile(50)),
            secs(self.outages.quantile(99)),
            secs(self.outages.worst_secs()),
            broken,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, longest_ms: u64) -> Outages {
        let longest = longest_ms * 1_000_000;
        let outage =
            Outage { sum: 2 * longest, longest, longest_at: SimTime(7), needless: longest };
        let of = Outages::of(&outage, seed);
        assert_eq!(of.single().longest, longest);
        of
    }

    #[test]
    fn runs_add_up_in_any_order_and_the_first_seed_of_the_worst_is_kept() {
        let all: Vec<Outages> = (1..=100).map(|seed| run(seed, seed.min(99) * 10)).collect();
        let (mut up, mut down) = (Outages::default(), Outages::default());
        all.iter().for_each(|one| up.merge(one));
        all.iter().rev().for_each(|one| down.merge(one));
        assert_eq!(up, down);
        assert_eq!(up.worst, Some(Worst { lasts: 990_000_000, at: SimTime(7), seed: 99 }));
        assert_eq!((up.quantile(50), up.quantile(99), up.worst_secs()), (0.5, 0.99, 0.99));
    }

    #[test]
    fn a_table_begins_with_the_worst_and_says_how_to_see_it() {
        let mut table = OutageTable::default();
        for (name, seed, ms) in [("calm", 3, 0), ("swarm", 5, 2_340), ("a|b", 4, 90)] {
            let mut report = BatchReport::default();
            report.stats.runs = 1;
            report.stats.simulated_ns = 100_000_000_000;
            report.stats.outages = run(seed, ms);
            report.broken.insert("V6", 2);
            table.add(name, None, &report);
        }
        let text = table.text(Paint::OFF);
        let names: Vec<&str> =
            text.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(names, ["swarm", "a|b", "calm"], "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let page = table.markdown();
        let swarm = "| swarm | 1 | 4.68 % | 2.34 % | 2.34 | 2.34 | 2.34 | 0 2 | \
                     `cargo sim replay swarm --seed 5` |";
        assert!(page.lines().any(|line| line == swarm), "{page}");
        assert!(page.contains("| a\\|b | 1 |") && page.trim_end().ends_with("| – |"), "{page}");
        assert_eq!(table.page_rows().len(), 3);
    }

    #[test]
    fn a_run_in_which_somebody_always_leads_counts_as_one_without() {
        let mut sum = run(1, 0);
        assert_eq!((sum.worst, sum.quantile(99)), (None, 0.0));
        sum.merge(&run(2, 500));
        assert_eq!((sum.quantile(50), sum.quantile(51)), (0.0, 0.5));
        assert_eq!(Outages::default().quantile(50), 0.0);
    }
}
