//! Bugs of the zoo that no scenario shows: where else they are found, or why they break nothing.

use fencepost::probe::Mutant;

use crate::exhaustive::{HARMLESS, KILLS};

/// Those that are not planted by the macro: number, name and where they are shown.
pub const UNPLANTED: &[(u8, &str, &str)] = &[(
    31,
    "fence_read_without_lock",
    "planted in the PostgreSQL store's own tests, with a real server: SQLite lets one writer in at a \
     time, so that the bug cannot exist there (`cargo test-prod`)",
)];

/// Those that a test of the part finds in which they are planted.
const TESTED: &[(Mutant, &str)] = &[(
    Mutant::IdlersKeepTheirUnits,
    "found by cargo test -p fencepost --lib work::tests::idlers_that_keep_their_units_are_found",
)];

/// Where a bug is found besides the scenarios, or why it breaks nothing; `None` if nothing is known
/// to find it.
pub fn elsewhere(mutant: Mutant) -> Option<String> {
    if KILLS.iter().any(|kill| kill.mutant == mutant) {
        return Some(format!("found by cargo sim exhaustive --mutant {}", mutant.name()));
    }
    if let Some((_, test)) = TESTED.iter().find(|(tested, _)| *tested == mutant) {
        return Some((*test).to_owned());
    }
    let harmless = HARMLESS.iter().find(|harmless| harmless.mutant == mutant)?;
    Some(format!("harmless: {}", harmless.because))
}
