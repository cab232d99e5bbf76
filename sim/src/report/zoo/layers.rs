//! Which layer a planted bug is in, and so what must hold in spite of it: above the fence, nothing may
//! get through to what is written and sent.

use fencepost::probe::Mutant;

/// What holds unconditionally, whatever is wrong with election and lease.
pub const DEEP: [&str; 2] = ["F1", "D1"];

/// Where a bug is planted, seen from the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Election and lease, their guards and their status: the fence stands below them.
    Above,
    /// The fence itself: below it there is only the claim before each send.
    Fence,
    /// The claim before each send, and what may be sent again: nothing stands below.
    Claim,
    /// Jobs and work that is no delivery.
    Beside,
}

/// The layer of a bug.
pub fn of(mutant: Mutant) -> Layer {
    let guards = |layer: char| mutant.breaks().iter().any(|property| property.starts_with(layer));
    match mutant.module() {
        "election" | "cluster" | "node" => Layer::Above,
        _ if guards('F') => Layer::Fence,
        _ if guards('D') => Layer::Claim,
        _ => Layer::Beside,
    }
}
