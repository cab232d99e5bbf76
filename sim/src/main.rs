//! `cargo sim`: the command line of the testbed.

fn main() -> std::process::ExitCode {
    fencepost_sim::cli::main()
}
