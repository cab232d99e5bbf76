//! The planted bugs are in the testbed and not in what ships.

use std::fs;
use std::path::Path;

use fencepost::probe::Mutant;

use crate::cluster::fencepost;

/// The planted bugs whose names stand in that binary.
fn named_in(binary: &Path) -> Vec<&'static str> {
    let bytes = fs::read(binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let text = String::from_utf8_lossy(&bytes);
    Mutant::ALL.iter().map(|mutant| mutant.name()).filter(|name| text.contains(name)).collect()
}

#[test]
fn the_production_binary_knows_no_planted_bug() {
    assert_eq!(named_in(fencepost()), [""; 0]);
    // Else the search would prove nothing.
    let testbed = Path::new(env!("CARGO_BIN_EXE_fencepost-sim"));
    assert_eq!(named_in(testbed).len(), Mutant::ALL.len());
}
