//! The page of one run: its diagram of space and time, what it broke, its plan and the command that runs
//! it again. What can be read without the diagram stands in the page as text.

use fencepost::probe::Mutant;

use super::columns::Picture;
use super::{STYLE, embed, escape, fill};
use crate::faults::lines::{Fate, fates};
use crate::faults::plan::{Plan, PlannedFault};
use crate::report::outages::Outages;
use crate::report::scene::{Lanes, Shown, arrows, focus, spans};
use crate::report::summary::replay_command;
use crate::report::text::{grouped, span};
use crate::run::{RunOutcome, Verdict};
use crate::scenario::{Expect, print};
use crate::search::SeedReport;

const PAGE: &str = include_str!("replay.html");
const LOOKS: &str = include_str!("replay.css");

/// The scripts, in the order in which they build on each other.
const SCRIPTS: &[&str] = &[
    include_str!("replay/history.js"),
    include_str!("replay/painter.js"),
    include_str!("replay/diagram.js"),
    include_str!("replay/view.js"),
    include_str!("replay/table.js"),
    include_str!("replay/controls.js"),
    include_str!("replay/page.js"),
];

/// What a page shows.
pub struct Replay<'a> {
    /// What finds the scenario on the command line.
    pub reference: &'a str,
    /// The planted bug.
    pub mutant: Option<Mutant>,
    /// What was run.
    pub plan: &'a Plan,
    /// What came of it.
    pub outcome: &'a RunOutcome,
}

impl Replay<'_> {
    /// The page.
    pub fn page(&self) -> String {
        self.page_of(Shown::MAX)
    }

    /// The page with at most `most` events.
    pub fn page_of(&self, most: usize) -> String {
        let report = SeedReport::of(self.outcome);
        let violations = match &report.verdict {
            Verdict::Violated(violations) => violations.as_slice(),
            _ => &[],
        };
        let events = self.outcome.history.events();
        let first = focus(violations);
        let middle = first.map_or(events.len() / 2, |violation| violation.event);
        let lanes = Lanes::of(self.plan);
        let fates = fates(&self.plan.faults, &self.outcome.history);
        let picture = Picture {
            events,
            shown: &Shown::of(events, middle, most),
            lanes: &lanes,
            arrows: &arrows(events, &lanes),
            spans: &spans(events, &lanes, &never_began(self.plan, &fates)),
            violations,
            focus: violations.iter().position(|violation| Some(violation) == first),
        };
        let columns = serde_json::to_string(&picture.columns());
        let title = format!("{}, seed {}", self.reference, report.seed);
        let scripts: Vec<String> =
            SCRIPTS.iter().map(|script| format!("<script>\n{script}</script>\n")).collect();
        fill(
            PAGE,
            &[
                ("title", &escape(&title)),
                ("style", STYLE),
                ("looks", LOOKS),
                ("verdict", word(&report.verdict)),
                ("planted", &self.planted()),
                ("facts", &facts(&report)),
                ("broken", &(broken(&report) + &in_vain(self.plan, &fates))),
                ("command", &escape(&replay_command(self.reference, report.seed, self.mutant))),
                ("plan", &escape(&print(self.plan, &Expect::default()))),
                ("scripts", &scripts.concat()),
                ("data", &embed(&columns.expect("strings and numbers are always JSON"))),
            ],
        )
    }

    fn planted(&self) -> String {
        self.mutant.map_or(String::new(), |mutant| {
            format!("<p>Planted bug: <code>{}</code></p>", escape(mutant.name()))
        })
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Violated(_) => "violated",
        Verdict::Vacuous(_) => "vacuous",
        Verdict::Panicked(_) => "panicked",
        Verdict::Overrun(_) => "overrun",
    }
}

/// The faults whose moment never came.
fn never_began(plan: &Plan, fates: &[Fate]) -> Vec<String> {
    let faults = plan.faults.iter().zip(fates);
    let idle = faults.filter(|(_, fate)| **fate == Fate::NeverBegan);
    idle.map(|(planned, _)| planned.to_string()).collect()
}

/// The faults of the plan that did nothing, as items of a list.
fn in_vain(plan: &Plan, fates: &[Fate]) -> String {
    let item = |(planned, fate): (&PlannedFault, &Fate)| {
        let what = match fate {
            Fate::NeverBegan => "never began",
            Fate::MetNothing => "met nothing",
            Fate::Injected => return None,
        };
        let line = escape(&planned.to_string());
        Some(format!("<li class=\"vain\"><b>{what}</b>: <span>{line}</span></li>\n"))
    };
    plan.faults.iter().zip(fates).filter_map(item).collect()
}

/// The counts, as pairs of a description list.
fn facts(report: &SeedReport) -> String {
    let stats = &report.stats;
    let pairs = [
        ("simulated", span(stats.simulated_secs())),
        ("events", grouped(stats.events)),
        ("leader changes", grouped(stats.leader_changes)),
        ("nobody may act", without_guard(&stats.outages)),
        ("restarts", grouped(stats.bounces())),
        ("messages written", grouped(stats.enqueued)),
        ("effects", grouped(stats.effects)),
        ("delivered", grouped(stats.delivered)),
        ("in doubt", grouped(stats.in_doubt)),
        ("history", format!("{:016x}", report.hash)),
    ];
    let pair =
        |(name, value): &(&str, String)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    pairs.iter().map(pair).collect()
}

/// How long nobody could act, and for how long at most.
fn without_guard(outages: &Outages) -> String {
    let sum = outages.sum as f64 / 1e9;
    match outages.worst {
        Some(worst) => {
            let longest = worst.lasts as f64 / 1e9;
            format!("{sum:.2} s, at most {longest:.2} s, from {} on", worst.at)
        }
        None => "never".to_owned(),
    }
}

/// What was broken, as items of a list; the script makes them lead to their moments.
fn broken(report: &SeedReport) -> String {
    let item = |head: &str, text: &str| format!("<li>{head} <span>{}</span></li>\n", escape(text));
    match &report.verdict {
        Verdict::Ok => "<li class=\"none\">Every property held.</li>".to_owned(),
        Verdict::Violated(violations) => violations
            .iter()
            .map(|violation| {
                let head = format!("<b>{}</b> at {}:", violation.property, violation.at);
                item(&head, &violation.what)
            })
            .collect(),
        Verdict::Vacuous(reasons) => {
            reasons.iter().map(|reason| item("<b>vacuous</b>:", reason)).collect()
        }
        Verdict::Panicked(message) => item("<b>panicked</b>:", message),
        Verdict::Overrun(message) => item("<b>not run to its end</b>:", message),
    }
}
