//! What is known of one scenario at the end, whether it ran just now or was read from files.

use fencepost::probe::Mutant;

use crate::search::{BatchReport, BatchVerdict};

/// One scenario's results.
#[derive(Debug)]
pub struct Finding {
    /// What finds the scenario on the command line.
    pub reference: String,
    /// The planted bug.
    pub mutant: Option<Mutant>,
    /// The sums.
    pub report: BatchReport,
    /// What they come to.
    pub verdict: BatchVerdict,
}
