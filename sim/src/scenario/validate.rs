//! Whether the parts of a scenario can work together: the rules that the product itself keeps,
//! shown at the line that breaks them.

use fencepost::election::{ConfigError, Timing};

use std::time::Duration;

use super::TimingSpec;
use super::field::Section;
use super::problem::Problems;
use super::units::{Between, duration as written};

/// How often a cluster may wait, rejoin and elect in vain before it counts as one that does not
/// heal.
const HEAL_ROUNDS: u32 = 2;

/// Checks that a cluster of the slowest timing can heal within the bound; `root` is the document.
pub(super) fn heal(
    heal: Between<Duration>,
    timing: &TimingSpec,
    root: &Section,
    problems: &mut Problems,
) {
    let least = timing.slowest_election() * HEAL_ROUNDS;
    if heal.low >= least {
        return;
    }
    // What the file names is what can be changed there.
    let key = if root.get("heal").is_some() { "heal" } else { "timing" };
    let (heal, least) = (written(heal.low), written(least));
    problems.add(
        root.place(key),
        format!("heal = \"{heal}\" is too short for this timing"),
        format!("two elections can take {least}"),
        format!("write heal = \"{least}\" or more, or shorten the timing"),
    );
}

/// Checks the lease rule; `section` is where the timing was written.
pub(super) fn timing(timing: &Timing, section: &Section, problems: &mut Problems) -> bool {
    let Err(error) = timing.validate() else { return true };
    // The first of the values that collide and that the file names: what is left at its default
    // cannot be pointed at.
    let (values, help): (Vec<&str>, String) = match &error {
        ConfigError::BreaksLeaseRule { name, least, .. } => (
            vec![name, "lease", "margin", "max_drift_ppm"],
            format!(
                "write {name} = \"{}\" or more, or shorten the lease",
                super::units::duration(*least)
            ),
        ),
        ConfigError::TooShort { name, other, least, .. } => (
            vec![name, other],
            format!(
                "write {name} = \"{}\" or more, or shorten {other}",
                super::units::duration(*least)
            ),
        ),
        ConfigError::OutOfRange { name, .. } => {
            (vec![name], format!("write {name} from \"1ms\" to \"1h\""))
        }
        ConfigError::DriftOutOfRange { .. } => {
            (vec!["max_drift_ppm"], "write max_drift_ppm from 0 to 500000".to_owned())
        }
        ConfigError::NoVoters
        | ConfigError::TooManyVoters { .. }
        | ConfigError::DuplicateVoter { .. }
        | ConfigError::NotAVoter { .. }
        | ConfigError::ObserverVotes { .. }
        | ConfigError::PriorityOutOfRange { .. } => {
            unreachable!("timing says nothing about voters: {error}")
        }
    };
    let named = values.into_iter().find(|key| section.get(key).is_some());
    let at = named.map_or_else(|| section.at.clone(), |key| section.place(key));
    problems.add(at, error.to_string(), "this timing cannot work", help);
    false
}
