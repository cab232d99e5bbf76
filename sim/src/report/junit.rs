//! Results as JUnit's XML, which build servers show: a suite for each scenario, in it a case for the
//! batch as a whole and one for each failing seed.

use std::fmt::Write;

use super::finding::Finding;
use super::reach::Required;
use super::summary::replay_command;
use super::text::grouped;
use crate::run::Verdict;
use crate::search::{BatchVerdict, SeedReport};

/// What went wrong in a case.
struct Fault {
    /// `failure`: what was checked does not hold; `error`: it could not be checked.
    element: &'static str,
    kind: String,
    message: String,
    text: String,
}

struct Case {
    name: String,
    fault: Option<Fault>,
}

/// All of it as a document. With `gate`, a suite more: the required reach points and those of them
/// that were missed.
pub fn document(findings: &[Finding], gate: Option<(&Required, &[&'static str])>) -> String {
    let mut suites: Vec<(String, f64, Vec<Case>)> = findings
        .iter()
        .map(|finding| {
            let seconds = finding.report.wall.as_secs_f64();
            (finding.reference.clone(), seconds, cases(finding))
        })
        .collect();
    if let Some((required, missed)) = gate {
        suites.push(("reach points".to_owned(), 0.0, gates(required, missed)));
    }
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let all = || suites.iter().flat_map(|(_, _, cases)| cases);
    let _ = writeln!(out, "<testsuites name=\"cargo sim\"{}>", counts(all()));
    for (name, seconds, cases) in &suites {
        suite(&mut out, name, *seconds, cases);
    }
    out + "</testsuites>\n"
}

fn counts<'c>(cases: impl Iterator<Item = &'c Case>) -> String {
    let (mut tests, mut failures, mut errors) = (0_u64, 0_u64, 0_u64);
    for case in cases {
        tests += 1;
        match case.fault.as_ref().map(|fault| fault.element) {
            Some("error") => errors += 1,
            Some(_) => failures += 1,
            None => {}
        }
    }
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"")
}

fn suite(out: &mut String, name: &str, seconds: f64, cases: &[Case]) {
    let class = attribute(name);
    let counts = counts(cases.iter());
    let _ =
        writeln!(out, "  <testsuite name=\"{class}\"{counts} skipped=\"0\" time=\"{seconds:.3}\">");
    for case in cases {
        let name = attribute(&case.name);
        let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"");
        match &case.fault {
            None => out.push_str("/>\n"),
            Some(Fault { element, kind, message, text }) => {
                let (kind, message) = (attribute(kind), attribute(message));
                let _ = write!(
                    out,
                    ">\n      <{element} type=\"{kind}\" message=\"{message}\">{}</{element}>\n    \
                     </testcase>\n",
                    content(text)
                );
            }
        }
    }
    out.push_str("  </testsuite>\n");
}

fn cases(finding: &Finding) -> Vec<Case> {
    let report = &finding.report;
    let more = report.failed.saturating_sub(report.failures.len() as u64);
    let fault = |kind: &str, message: String, text| {
        Some(Fault { element: "failure", kind: kind.to_owned(), message, text })
    };
    let whole = match &finding.verdict {
        BatchVerdict::Vacuous(reasons) => {
            fault("vacuous", "the batch proves nothing".to_owned(), reasons.join("\n"))
        }
        BatchVerdict::Overrun(reasons) => Some(Fault {
            element: "error",
            kind: "overrun".to_owned(),
            message: "seeds could not be run to their end".to_owned(),
            text: reasons.join("\n"),
        }),
        _ if more > 0 => {
            let message = format!("{} more seeds failed than are listed", grouped(more));
            fault("violated", message, String::new())
        }
        _ => None,
    };
    let whole = Case { name: format!("{} seeds", report.stats.runs), fault: whole };
    let failing = report.failures.iter().map(|seed| failing(finding, seed));
    std::iter::once(whole).chain(failing).collect()
}

fn failing(finding: &Finding, seed: &SeedReport) -> Case {
    let command = replay_command(&finding.reference, seed.seed, finding.mutant);
    let fault = match &seed.verdict {
        Verdict::Violated(violations) => {
            let said = |index: usize| {
                violations.get(index).map(|first| {
                    (first.property, format!("{} at {}: {}", first.property, first.at, first.what))
                })
            };
            let (kind, message) = said(0).unwrap_or(("violated", String::new()));
            let lines = (0..violations.len()).filter_map(said).map(|(_, line)| line);
            let text = lines.collect::<Vec<_>>().join("\n");
            Fault {
                element: "failure",
                kind: kind.to_owned(),
                message,
                text: format!("{text}\n{command}"),
            }
        }
        Verdict::Panicked(message) => Fault {
            element: "error",
            kind: "panic".to_owned(),
            message: message.lines().next().unwrap_or("").to_owned(),
            text: format!("{message}\n{command}"),
        },
        Verdict::Vacuous(_) | Verdict::Overrun(_) | Verdict::Ok => Fault {
            element: "failure",
            kind: "unexpected".to_owned(),
            message: "this seed did not fail as expected".to_owned(),
            text: command,
        },
    };
    Case { name: format!("seed {}", seed.seed), fault: Some(fault) }
}

fn gates(required: &Required, missed: &[&'static str]) -> Vec<Case> {
    let case = |point: &&'static str| Case {
        name: (*point).to_owned(),
        fault: missed.contains(point).then(|| Fault {
            element: "failure",
            kind: "vacuous".to_owned(),
            message: format!("no scenario ever reached {point}"),
            text: String::new(),
        }),
    };
    required.0.iter().map(case).collect()
}

/// Text between two tags.
fn content(text: &str) -> String {
    escape(text, false)
}

/// Text between quotes: a reader would turn a line break into a space if it were not escaped.
fn attribute(text: &str) -> String {
    escape(text, true)
}

/// What XML cannot hold at all, escaped or not, becomes U+FFFD.
fn escape(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' if !quoted => out.push(c),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fencepost::probe::{Mutant, REACH_POINTS};

    use super::*;
    use crate::history::SimTime;
    use crate::oracles::Violation;
    use crate::report::stats::Stats;
    use crate::search::BatchReport;

    fn finding(verdicts: Vec<Verdict>, verdict: BatchVerdict) -> Finding {
        let mut report = BatchReport { wall: Duration::from_millis(1_500), ..Default::default() };
        let stats = Stats { runs: 1, ..Stats::default() };
        for (seed, verdict) in (1..).zip(verdicts) {
            let (at_least, stats) = (false, stats.clone());
            let seed = SeedReport { seed, verdict, violations: 1, at_least, stats, hash: 0 };
            report.add(&seed, &crate::scenario::Expect::default());
        }
        let mutant = Some(Mutant::NoFenceCheck);
        Finding { reference: "a<b>&\"c\"".to_owned(), mutant, report, verdict }
    }

    #[test]
    fn a_failing_seed_is_a_case_with_property_moment_and_command() {
        let what = "m1 <came> \"twice\" & \u{1b}[1m\nagain".to_owned();
        let violation = Violation { property: "D1", at: SimTime(1_500_000_000), event: 1, what };
        let verdicts = vec![
            Verdict::Ok,
            Verdict::Violated(vec![violation]),
            Verdict::Panicked("oh\nno".to_owned()),
        ];
        let text = document(&[finding(verdicts, BatchVerdict::Violated)], None);
        for part in [
            "<testsuites name=\"cargo sim\" tests=\"3\" failures=\"1\" errors=\"1\">\n",
            "<testsuite name=\"a&lt;b&gt;&amp;&quot;c&quot;\" tests=\"3\" failures=\"1\" \
             errors=\"1\" skipped=\"0\" time=\"1.500\">\n",
            " name=\"3 seeds\"/>\n",
            " name=\"seed 2\">\n      <failure type=\"D1\" message=\"D1 at 1.500000 s: m1 \
             &lt;came&gt; &quot;twice&quot; &amp; \u{fffd}[1m&#10;again\">D1 at",
            "--seed 2 --mutant no_fence_check</failure>\n    </testcase>\n",
            "<error type=\"panic\" message=\"oh\">oh\nno\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_vacuous_batch_and_a_missed_reach_point_are_failures() {
        let vacuous = BatchVerdict::Vacuous(vec!["nothing was delivered".to_owned()]);
        let (hit, missed) = (REACH_POINTS[0].0, REACH_POINTS[1].0);
        let gate = (&Required(vec![hit, missed]), &[missed][..]);
        let text = document(&[finding(vec![Verdict::Ok], vacuous)], Some(gate));
        for part in [
            "tests=\"3\" failures=\"2\" errors=\"0\">",
            "type=\"vacuous\" message=\"the batch proves nothing\">nothing was delivered</failure>",
            &format!("classname=\"reach points\" name=\"{hit}\"/>"),
            &format!("classname=\"reach points\" name=\"{missed}\">"),
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
