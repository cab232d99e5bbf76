//! The page of a whole run: what every scenario came to, which seeds failed and how to see them again, how
//! long failovers took, what became of messages, which faults there were, which rare situations came up,
//! and which planted bugs were found. It needs no script, and prints.

use std::collections::BTreeMap;

use fencepost::probe::{Mutant, REACH_POINTS};

use super::{STYLE, chart, escape, fill, zoo};
use crate::oracles;
use crate::report::finding::Finding;
use crate::report::outages::OutageTable;
use crate::report::reach::ReachTable;
use crate::report::stats::{Messages, Stats};
use crate::report::summary::{per_second, replay_command};
use crate::report::text::{grouped, rate, short, span};
use crate::report::zoo::Table;
use crate::run::Verdict;
use crate::search::{BatchReport, BatchVerdict, SeedReport};

const PAGE: &str = include_str!("run.html");
const LOOKS: &str = include_str!("run.css");

/// Which page shows a failing seed: scenario, planted bug and seed, and the address.
pub type Pages = BTreeMap<(String, Option<&'static str>, u64), String>;

/// What the page shows.
#[derive(Debug, Default)]
pub struct RunPage<'a> {
    /// Every scenario.
    pub findings: &'a [Finding],
    /// What else is worth knowing, such as results that could not be read.
    pub notes: &'a [String],
    /// Reach points that had to be reached, and were not.
    pub missed: &'a [&'static str],
    /// What is known of planted bugs from elsewhere.
    pub zoo: Option<&'a Table>,
    /// The pages of failing seeds.
    pub pages: Pages,
}

impl RunPage<'_> {
    /// The page.
    pub fn page(&self) -> String {
        let mut sum = BatchReport::default();
        for finding in self.findings {
            sum.merge(&finding.report);
        }
        let sections = [
            ("scenarios", "Scenarios", self.scenarios()),
            ("failures", "Seeds that failed", self.failures()),
            ("mutants", "Planted bugs", self.mutants()),
            ("zoo", "The bug zoo", self.zoo.map_or(String::new(), zoo::bugs)),
            ("outages", "Time without a guard", self.outages()),
            ("failover", "Failovers", chart::failovers(&sum.stats.failovers)),
            ("messages", "Messages by sink", sinks(&sum.stats)),
            ("faults", "Faults", faults(&sum.stats)),
            ("reach", "Rare situations", self.reach()),
        ];
        let (mut contents, mut body) = (String::new(), String::new());
        for (id, head, content) in sections.iter().filter(|(_, _, content)| !content.is_empty()) {
            contents += &format!("<a href=\"#{id}\">{head}</a>");
            body += &format!("<section id=\"{id}\">\n<h2>{head}</h2>\n{content}</section>\n");
        }
        let notes: String = self
            .notes
            .iter()
            .map(|note| format!("<p class=\"notice\">{}</p>\n", escape(note)))
            .collect();
        fill(
            PAGE,
            &[
                ("title", &self.title()),
                ("verdict", self.verdict()),
                ("style", STYLE),
                ("looks", LOOKS),
                ("facts", &facts(&sum)),
                ("notes", &notes),
                ("contents", &contents),
                ("sections", &body),
            ],
        )
    }

    fn title(&self) -> String {
        match self.findings {
            [] => "No results".to_owned(),
            [one] => escape(&one.reference),
            many => format!("{} scenarios", many.len()),
        }
    }

    /// The worst of all, where a planted bug is meant to be found.
    fn verdict(&self) -> &'static str {
        let words: Vec<&str> = self.findings.iter().map(|finding| finding.verdict.name()).collect();
        match () {
            () if words.contains(&"violated") => "violated",
            () if words.contains(&"overrun") => "overrun",
            () if words.contains(&"vacuous") || words.is_empty() || !self.missed.is_empty() => {
                "vacuous"
            }
            () => "ok",
        }
    }

    fn scenarios(&self) -> String {
        let row = |finding: &Finding| {
            let Finding { reference, mutant, report, verdict } = finding;
            let stats = &report.stats;
            let name = match mutant {
                Some(mutant) => format!("{reference} with {}", mutant.name()),
                None => reference.clone(),
            };
            let why = match verdict {
                BatchVerdict::Vacuous(reasons) | BatchVerdict::Overrun(reasons) => {
                    format!("<br>{}", escape(&reasons.join("; ")))
                }
                BatchVerdict::Ok if report.vacuous > 0 => {
                    let (few, which) = (grouped(report.vacuous), report.vacuity().join("; "));
                    format!("<br>{few} of these seeds vacuous: {}", escape(&which))
                }
                BatchVerdict::Ok | BatchVerdict::Violated => String::new(),
            };
            let speed = match report.cpu.is_zero() {
                true => "–".to_owned(),
                false => rate(per_second(stats.runs as f64, report)),
            };
            let numbers = [
                grouped(stats.runs),
                grouped(report.failed),
                grouped(stats.leader_changes),
                grouped(stats.bounces()),
                grouped(stats.cuts),
                grouped(stats.pauses),
                grouped(stats.delivered),
                grouped(stats.in_doubt),
                speed,
            ];
            let word = verdict.name();
            format!(
                "<tr><td class=\"name\">{}{why}</td><td class=\"v {word}\">{word}</td>{}</tr>\n",
                escape(&name),
                numbers.map(|number| format!("<td class=\"n\">{number}</td>")).concat()
            )
        };
        let rows: String = self.findings.iter().map(row).collect();
        if rows.is_empty() {
            return "<p>There are no results.</p>\n".to_owned();
        }
        let heads = [
            "scenario",
            "verdict",
            "seeds",
            "failed",
            "leader changes",
            "restarts",
            "cuts",
            "pauses",
            "delivered",
            "in doubt",
            "seeds/CPU-s",
        ];
        table(&heads, 2..11, &rows)
    }

    /// Every seed that failed; those of a planted bug are meant to.
    fn failures(&self) -> String {
        let mut out = String::new();
        for Finding { reference, mutant, report, .. } in self.findings {
            for seed in &report.failures {
                out += &self.failure(reference, *mutant, seed);
            }
            let more = report.failed.saturating_sub(report.failures.len() as u64);
            if more > 0 {
                out +=
                    &format!("<p>And {} more seeds of {}.</p>\n", grouped(more), escape(reference));
            }
        }
        out
    }

    fn failure(&self, reference: &str, mutant: Option<Mutant>, seed: &SeedReport) -> String {
        let what = match &seed.verdict {
            Verdict::Violated(violations) => violations
                .iter()
                .map(|violation| {
                    let says =
                        oracles::ALL.iter().find(|oracle| oracle.property == violation.property);
                    let says = says.map_or("", |oracle| oracle.says);
                    format!(
                        "<p><b title=\"{}\">{}</b> at {}: {}</p>\n",
                        escape(says),
                        violation.property,
                        violation.at,
                        escape(&violation.what)
                    )
                })
                .collect(),
            Verdict::Panicked(message) => format!("<p><b>panic</b>: {}</p>\n", escape(message)),
            Verdict::Ok | Verdict::Vacuous(_) | Verdict::Overrun(_) => String::new(),
        };
        let key = (reference.to_owned(), mutant.map(Mutant::name), seed.seed);
        let page = self.pages.get(&key).map_or(String::new(), |page| {
            format!("<p><a href=\"{}\">See it as a diagram</a></p>\n", escape(page))
        });
        let planted = mutant.map_or(String::new(), |mutant| format!(" with {}", mutant.name()));
        format!(
            "<article class=\"failure\"><h3>{}, seed {}{planted}</h3>\n{what}{page}<pre>{}</pre></article>\n",
            escape(reference),
            seed.seed,
            escape(&replay_command(reference, seed.seed, mutant))
        )
    }

    fn mutants(&self) -> String {
        let row = |finding: &Finding| {
            let mutant = finding.mutant?;
            let report = &finding.report;
            let found = report.failures.first();
            let properties: Vec<&str> = report.broken.keys().copied().collect();
            let (word, class) = match found {
                Some(_) => ("found", "ok"),
                None => ("not found", "violated"),
            };
            let cells = [
                format!("<td class=\"name\">{}</td>", mutant.name()),
                format!("<td class=\"name\">{}</td>", escape(&finding.reference)),
                format!("<td class=\"n\">{}</td>", grouped(report.stats.runs)),
                format!("<td class=\"n\">{}</td>", grouped(report.failed)),
                format!(
                    "<td class=\"n\">{}</td>",
                    found.map_or("–".to_owned(), |seed| seed.seed.to_string())
                ),
                format!("<td>{}</td>", mutant.breaks().join(", ")),
                format!("<td>{}</td>", properties.join(", ")),
                format!("<td class=\"v {class}\">{word}</td>"),
            ];
            Some(format!("<tr>{}</tr>\n", cells.concat()))
        };
        let rows: String = self.findings.iter().filter_map(row).collect();
        if rows.is_empty() {
            return rows;
        }
        let heads = ["bug", "scenario", "seeds", "failed", "first", "meant to break", "broke", ""];
        table(&heads, 2..5, &rows)
    }

    /// How long nobody could act, by scenario.
    fn outages(&self) -> String {
        let mut outages = OutageTable::default();
        for Finding { reference, mutant, report, .. } in self.findings {
            outages.add(reference, *mutant, report);
        }
        let row = |[name, rest @ .., replay]: [String; 9]| {
            let numbers = rest.map(|cell| format!("<td class=\"n\">{cell}</td>")).concat();
            format!(
                "<tr><td class=\"name\">{}</td>{numbers}<td class=\"name\"><code>{}</code></td></tr>\n",
                escape(&name),
                escape(&replay)
            )
        };
        let rows: String = outages.page_rows().into_iter().map(row).collect();
        if rows.is_empty() {
            return rows;
        }
        let heads = [
            "scenario",
            "seeds",
            "of time",
            "needless",
            "p50 s",
            "p99 s",
            "worst s",
            "V5 V6",
            "the worst",
        ];
        format!(
            "<p class=\"about\">Nobody held a valid guard: all of it as a part of the simulated time, how much \
             of it somebody could have led, and the longest stretch of each run.</p>\n{}",
            table(&heads, 1..8, &rows)
        )
    }

    fn reach(&self) -> String {
        let mut reach = ReachTable::default();
        for finding in self.findings {
            reach.add(&finding.reference, &finding.report.stats);
        }
        let row = |row: crate::report::reach::Row| {
            let means = REACH_POINTS.iter().find(|(name, _)| *name == row.name);
            let by = match row.by.as_slice() {
                [] => "–".to_owned(),
                [(first, _)] => escape(first),
                [(first, _), rest @ ..] => format!("{} and {} more", escape(first), rest.len()),
            };
            let (class, missed) = match self.missed.contains(&row.name) {
                true => ("v vacuous", " required"),
                false => ("", ""),
            };
            format!(
                "<tr><td class=\"name {class}\"><code>{}</code>{missed}</td><td>{}</td><td class=\"n\">{}</td>\
                 <td class=\"name\">{by}</td></tr>\n",
                row.name,
                escape(means.map_or("", |(_, means)| means)),
                grouped(row.total)
            )
        };
        let rows: String = reach.rows().into_iter().map(row).collect();
        let never = reach.rows().iter().filter(|row| row.total == 0).count();
        format!(
            "<p class=\"about\">{} of {} were reached; the rarest come first.</p>\n{}",
            REACH_POINTS.len() - never,
            REACH_POINTS.len(),
            table(&["reach point", "what it is", "times", "most often in"], 2..3, &rows)
        )
    }
}

fn facts(sum: &BatchReport) -> String {
    let stats = &sum.stats;
    let mut pairs = vec![
        ("seeds", grouped(stats.runs)),
        ("simulated", span(stats.simulated_secs())),
        ("events", short(stats.events)),
        ("leader changes", grouped(stats.leader_changes)),
        ("delivered", grouped(stats.delivered)),
        ("in doubt", grouped(stats.in_doubt)),
    ];
    if !sum.cpu.is_zero() {
        pairs.push(("CPU time", span(sum.cpu.as_secs_f64())));
        pairs.push(("seeds/CPU-s", rate(per_second(stats.runs as f64, sum))));
        pairs.push(("simulated s/CPU-s", grouped(per_second(stats.simulated_secs(), sum) as u64)));
    }
    let pair =
        |(name, value): &(&str, String)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    pairs.iter().map(pair).collect()
}

fn sinks(stats: &Stats) -> String {
    let row = |(sink, messages): (&&str, &Messages)| {
        let Messages { enqueued, effects, delivered, failed, in_doubt, parked } = *messages;
        let numbers = [enqueued, effects, delivered, failed, in_doubt, parked];
        let numbers = numbers.map(|number| format!("<td class=\"n\">{}</td>", grouped(number)));
        format!("<tr><td>{sink}</td>{}</tr>\n", numbers.concat())
    };
    let rows: String = stats.sinks.iter().map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    let heads =
        ["sink", "written", "effects", "delivered", "failed", "in doubt", "of which parked"];
    table(&heads, 1..7, &rows)
}

fn faults(stats: &Stats) -> String {
    let most = stats.faults.values().max().copied().unwrap_or(1).max(1);
    let row = |(kind, count): (&&str, &u64)| {
        format!(
            "<tr><td>{kind}</td><td class=\"n\">{}</td><td class=\"bar\"><i style=\"width:{:.1}%\"></i></td></tr>\n",
            grouped(*count),
            100.0 * *count as f64 / most as f64
        )
    };
    let rows: String = stats.faults.iter().map(row).collect();
    if rows.is_empty() { rows } else { table(&["kind", "times", ""], 1..2, &rows) }
}

/// A table with these heads; those at `numbers` stand over numbers.
pub(super) fn table(heads: &[&str], numbers: std::ops::Range<usize>, rows: &str) -> String {
    let head = |(index, head): (usize, &&str)| {
        let class = if numbers.contains(&index) { " class=\"n\"" } else { "" };
        match head.is_empty() {
            true => "<td></td>".to_owned(),
            false => format!("<th scope=\"col\"{class}>{head}</th>"),
        }
    };
    let heads: String = heads.iter().enumerate().map(head).collect();
    format!(
        "<div class=\"scrolls\"><table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}
