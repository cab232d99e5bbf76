//! Planted bugs that no scenario shows: where else they are found.

use fencepost::probe::Mutant;

use crate::exhaustive::{HARMLESS, KILLS};

/// Found by the property test of the election alone, which makes up words that no honest run says.
const BY_PROPERTY: &[Mutant] = &[Mutant::ReleaseByNode];

/// Where a bug is found besides the scenarios, or why it breaks nothing; `None` if nothing is known
/// to find it.
pub fn elsewhere(mutant: Mutant) -> Option<String> {
    if KILLS.iter().any(|kill| kill.mutant == mutant) {
        return Some(format!("found by cargo sim exhaustive --mutant {}", mutant.name()));
    }
    if BY_PROPERTY.contains(&mutant) {
        return Some("found by cargo test -p fencepost --test election".to_owned());
    }
    let harmless = HARMLESS.iter().find(|harmless| harmless.mutant == mutant)?;
    Some(format!("harmless: {}", harmless.because))
}
