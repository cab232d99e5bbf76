//! Is a run the same run again, alone in a new process? By every figure and the hash of its history;
//! and if it is not, which event is the first that differs.
//!
//! The other process writes a *trace*: its figures on the first line, then every event on a line of
//! its own with every field. The events are read only if the figures differ, so that a run that is
//! the same costs no more than the run, and one that is not need not be run again, which might hide
//! what it shows.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fencepost::probe::Mutant;
use serde_json::Value;

use super::SeedReport;
use crate::history::{Event, History};
use crate::report::jsonl::Lines;
use crate::run::RunOutcome;
use crate::scenario::Scenario;

/// What two runs of one seed do not have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The first event that differs.
    Event {
        /// How many events before it are the same.
        index: usize,
        /// The last of those.
        before: Option<String>,
        /// The event here; none: the history was over.
        here: Option<String>,
        /// The event there.
        there: Option<String>,
    },
    /// The same events, and other figures: each by its name, here and there.
    Figures(Vec<String>),
    /// The other process came to no result.
    Nothing(String),
}

/// The process that runs one seed alone and writes its trace: `binary` is a build of the testbed.
pub fn alone(binary: &Path, reference: &str, seed: u64, mutant: Option<Mutant>) -> Command {
    let mut command = Command::new(binary);
    command.args(["trace", "--seed", &seed.to_string()]);
    if let Some(mutant) = mutant {
        command.args(["--mutant", mutant.name()]);
    }
    // A file's name may begin with a dash.
    command.args(["--", reference]);
    command
}

/// What a trace begins with: all that is told of a run but its events.
pub fn figures(
    reference: &str,
    scenario: &Scenario,
    mutant: Option<Mutant>,
    outcome: &RunOutcome,
) -> String {
    Lines::of(reference, scenario, mutant).seed(&SeedReport::of(outcome))
}

/// One event with all its fields, so that two lines are the same if and only if the events are.
pub fn event_line(event: &Event) -> String {
    format!("{} {:?}", event.at.0, event.kind)
}

/// Writes a trace, as the other process does.
///
/// # Errors
/// The reader went away, which it does once it knows enough.
pub fn write_trace(out: &mut impl Write, figures: &str, history: &History) -> std::io::Result<()> {
    writeln!(out, "{figures}")?;
    for event in history.events() {
        writeln!(out, "{}", event_line(event))?;
    }
    out.flush()
}

/// Runs `other`, which writes a trace, and compares it with what happened here.
///
/// # Errors
/// The difference.
pub fn compare(figures: &str, history: &History, other: &mut Command) -> Result<(), Difference> {
    let nothing = |cause: std::io::Error| Difference::Nothing(cause.to_string());
    other.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = other.spawn().map_err(nothing)?;
    let result = compare_with(figures, history, &mut child);
    // Its output is closed by now, so it does not wait for anybody.
    let status = child.wait().map_err(nothing)?;
    match result {
        Err(Difference::Nothing(what)) => Err(Difference::Nothing(format!("{what}: {status}"))),
        result => result,
    }
}

fn compare_with(figures: &str, history: &History, child: &mut Child) -> Result<(), Difference> {
    let out = child.stdout.take().expect("the output was asked for");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    match lines.next() {
        Some(theirs) if theirs == figures => Ok(()),
        Some(theirs) => Err(first_difference(figures, history, &theirs, lines)),
        None => Err(Difference::Nothing("it wrote no result".to_owned())),
    }
}

fn first_difference(
    figures: &str,
    history: &History,
    their_figures: &str,
    mut theirs: impl Iterator<Item = String>,
) -> Difference {
    let mut before = None;
    let mut ours = history.events().iter().map(event_line);
    for index in 0.. {
        let (here, there) = (ours.next(), theirs.next());
        if here != there {
            return Difference::Event { index, before, here, there };
        }
        if here.is_none() {
            break;
        }
        before = here;
    }
    Difference::Figures(other_figures(figures, their_figures))
}

/// The figures that are not the same.
fn other_figures(here: &str, there: &str) -> Vec<String> {
    let parse = |text| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::from(text));
    let (here, there) = (parse(here), parse(there));
    let (Some(ours), Some(theirs)) = (here.as_object(), there.as_object()) else {
        return vec![format!("{here} here, {there} there")];
    };
    let said = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
    keys.filter(|key| ours.get(*key) != theirs.get(*key))
        .map(|key| format!("{key}: {} here, {} there", said(ours.get(key)), said(theirs.get(key))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::plan::node;
    use crate::history::{Kind, MessageNo, SimTime};

    fn history(numbers: &[u32]) -> History {
        let mut history = History::default();
        for number in numbers {
            let kind = Kind::Enqueued { message: MessageNo(*number), key: None };
            history.push(SimTime(u64::from(*number)), kind);
        }
        history
    }

    /// What a process that writes this trace shows.
    fn against(here: &History, figures: [&str; 2], there: &History) -> Result<(), Difference> {
        let mut trace = Vec::new();
        write_trace(&mut trace, figures[1], there).unwrap();
        let mut other = Command::new("printf");
        other.args(["%s", std::str::from_utf8(&trace).unwrap()]);
        compare(figures[0], here, &mut other)
    }

    #[test]
    fn the_same_figures_are_the_same_run() {
        let same = history(&[1, 2, 3]);
        assert_eq!(against(&same, ["{}", "{}"], &same), Ok(()));
    }

    #[test]
    fn the_first_event_that_differs_is_found_wherever_it_is() {
        let line = |number: u32| {
            Some(format!("{number} Enqueued {{ message: MessageNo({number}), key: None }}"))
        };
        let here = history(&[1, 2, 3]);
        for (there, index, before, ours, theirs) in [
            (&[4, 5][..], 0, None, line(1), line(4)),
            (&[1, 2, 4], 2, line(2), line(3), line(4)),
            (&[1, 2], 2, line(2), line(3), None),
            (&[1, 2, 3, 4], 3, line(3), None, line(4)),
            (&[], 0, None, line(1), None),
        ] {
            let found = against(&here, ["{}", "{\"hash\":1}"], &history(there)).unwrap_err();
            let expected = Difference::Event { index, before, here: ours, there: theirs };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn other_figures_of_the_same_events_are_named() {
        let same = history(&[1]);
        let found = against(&same, ["{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3,\"c\":4}"], &same);
        let expected = ["b: 2 here, 3 there", "c: nothing here, 4 there"].map(str::to_owned);
        assert_eq!(found, Err(Difference::Figures(expected.to_vec())));
    }

    #[test]
    fn a_process_without_a_result_is_a_difference() {
        let found = compare("{}", &history(&[]), &mut Command::new("false")).unwrap_err();
        assert!(matches!(&found, Difference::Nothing(what) if what.contains("exit")), "{found:?}");
        let mut missing = Command::new("/no/such/program");
        assert!(matches!(compare("{}", &history(&[]), &mut missing), Err(Difference::Nothing(_))));
    }

    #[test]
    fn every_field_counts_for_the_hash_and_for_the_line() {
        let event = |at, number, holder| {
            let mut history = History::default();
            let (message, token) = (MessageNo(number), fencepost::Token(1));
            let kind = Kind::Effect { message, key: message, token, node: node(holder) };
            history.push(SimTime(at), kind);
            history
        };
        let one = event(1, 1, 1);
        assert_eq!(one.hash(), event(1, 1, 1).hash());
        for other in [event(2, 1, 1), event(1, 2, 1), event(1, 1, 2)] {
            assert_ne!(one.hash(), other.hash());
            assert_ne!(event_line(&one.events()[0]), event_line(&other.events()[0]));
        }
        // The same bytes, parted otherwise.
        let fault = |kind, line: &str| {
            let mut history = History::default();
            history.push(SimTime(0), Kind::Fault { kind, line: line.to_owned() });
            history.hash()
        };
        assert_ne!(fault("ab", "c"), fault("a", "bc"));
    }
}
