//! Work that blocks its thread: files and SQLite.
//!
//! Real builds move it off the async threads; simulation builds run it inline, which madsim calls
//! deprecated because it takes no simulated time.

/// Runs `work` where it may block, and waits for it. Once begun, it runs to its end even if the
/// waiting is given up.
#[allow(deprecated)]
pub(crate) async fn run<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The runtime is shutting down: there is nobody left to tell.
        Err(error) if error.is_cancelled() => std::future::pending().await,
        Err(error) => panic!("blocking work panicked: {error}"),
    }
}
