//! The `fencepost` command.
//!
//! It exists in real builds only: in a simulation build, which is what plain cargo commands make,
//! there is no network and no time to run a node with.

#[cfg(not(madsim))]
mod cli;

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    cli::main()
}

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    eprintln!(
        "fencepost: this is a simulation build, made by a plain cargo command; it cannot run a \
         node.\nFor the real one: cargo serve -- --help"
    );
    std::process::ExitCode::from(2)
}
