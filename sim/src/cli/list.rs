//! `cargo sim list`: everything that has a name.

use fencepost::probe::{Mutant, REACH_POINTS};

use super::{Exit, Subject, find, say_line};
use crate::faults::kind::FAULT_KINDS;
use crate::oracles;
use crate::report::text::{Paint, wrap};

/// Shows scenarios, properties, planted bugs, reach points and kinds of fault.
pub fn list() -> miette::Result<Exit> {
    let paint = Paint::for_stdout();
    let scenarios = find::every_scenario(&find::root())?;
    let title = |text: &str| say_line(&paint.strong(text));
    title("Scenarios");
    for Subject { reference, scenario } in &scenarios {
        let about = scenario.about.as_deref().unwrap_or(&scenario.name);
        say_line(&item(30, reference, about));
    }
    title("\nProperties, one oracle each");
    for oracle in oracles::ALL {
        say_line(&item(4, oracle.property, &format!("{} ({})", oracle.says, oracle.layer)));
    }
    title("\nMutants, the bugs that can be planted, by module");
    let mut module = "";
    for mutant in Mutant::ALL {
        if mutant.module() != module {
            module = mutant.module();
            say_line(&paint.faint(&format!("  in {module}/")));
        }
        let kills = |subject: &&Subject| subject.scenario.expect.kills.contains(mutant);
        let killers: Vec<&str> =
            scenarios.iter().filter(kills).map(|subject| subject.reference.as_str()).collect();
        let by = if killers.is_empty() { "no scenario".to_owned() } else { killers.join(", ") };
        let (number, about) = (mutant.number(), mutant.about());
        let (breaks, seen) = (mutant.breaks().join(" or "), mutant.seen_in());
        let text = format!("{number}: {about} Seen in {seen}. Breaks {breaks}; killed by {by}");
        say_line(&item(30, mutant.name(), &text));
    }
    title("\nReach points");
    for (name, means) in REACH_POINTS {
        say_line(&item(30, name, means));
    }
    title("\nFaults");
    for (kind, means) in FAULT_KINDS {
        say_line(&item(30, kind, means));
    }
    Ok(Exit::Ok)
}

fn item(width: usize, name: &str, text: &str) -> String {
    wrap(&format!("  {name:<width$} "), text)
}
