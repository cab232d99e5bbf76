//! Whether the parts of a scenario can work together: the rules that the product itself keeps,
//! shown at the line that breaks them.

use fencepost::election::{ConfigError, Timing};

use super::field::Section;
use super::problem::Problems;

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
