//! The deterministic simulation testbed of fencepost.
//!
//! Data flows one way: scenario + seed → plan → run → history → oracles → verdict → report.

#[cfg(not(madsim))]
compile_error!(
    "the testbed was built without `--cfg madsim`: an environment RUSTFLAGS or a [target] rustflags \
     of your own replaces .cargo/config.toml. Unset RUSTFLAGS and build again."
);

pub mod bench;
pub mod cli;
pub mod exhaustive;
pub mod faults;
pub mod history;
pub mod oracles;
pub mod report;
pub mod run;
pub mod scenario;
pub mod search;
pub mod streams;
pub mod timing;
pub mod world;
