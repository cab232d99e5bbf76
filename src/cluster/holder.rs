//! Who holds a guard: counted, so that a stopping node knows when the last act under it has ended.

use std::sync::Arc;

use super::watched::Watched;

/// One of the holders of a guard. Cloning it makes another.
#[derive(Debug)]
pub(crate) struct Holder(Arc<Watched<usize>>);

impl Holder {
    pub(crate) fn first() -> Self {
        Self(Arc::new(Watched::new(1)))
    }

    /// How many there are, this one included.
    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }

    /// Completes when all others have been dropped.
    pub(crate) async fn alone(&self) {
        self.0.wait_for(|holders| (*holders == 1).then_some(())).await;
    }
}

impl Clone for Holder {
    fn clone(&self) -> Self {
        self.0.update(|holders| *holders += 1);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.update(|holders| *holders -= 1);
    }
}
