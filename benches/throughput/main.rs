//! Messages per second through claim, send and mark, beside the bare statements that change the same
//! rows as often and as durably. The ratio is the measure: both are run in turn, on one machine.
//!
//! ```sh
//! cargo bench-prod --bench throughput -- --postgres "host=/tmp user=postgres dbname=postgres"
//! ```
//!
//! The sink does nothing. Without `--postgres` only SQLite is measured.

#[cfg(not(madsim))]
mod bare;
#[cfg(not(madsim))]
mod outbox;

#[cfg(madsim)]
fn main() {
    eprintln!("this measures the real build: cargo bench-prod --bench throughput");
}

#[cfg(not(madsim))]
mod run {
    use clap::Parser;
    use miette::IntoDiagnostic;

    use super::{bare, outbox};

    /// Batch sizes, and how many messages go through at each: what a commit costs decides.
    const SIZES: [(usize, usize); 3] = [(1, 2_000), (10, 20_000), (100, 100_000)];

    #[derive(Parser)]
    struct Options {
        /// How to reach a server, as key=value pairs. Measures in a database fencepost_bench there,
        /// which is dropped and made anew
        #[arg(long)]
        postgres: Option<String>,
        /// How often each row is measured; the median is shown
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// What cargo adds
        #[arg(long, hide = true)]
        bench: bool,
    }

    #[tokio::main]
    pub async fn main() -> miette::Result<()> {
        let options = Options::parse();
        println!("store       batch   outbox/s     bare/s  ratio");
        for (batch, messages) in SIZES {
            let mut rounds = Vec::new();
            for _ in 0..options.rounds {
                let directory = tempfile::tempdir().into_diagnostic()?;
                let file = directory.path().join("outbox.db");
                let through = outbox::sqlite(&file, batch, messages).await?;
                let bare = bare::sqlite(&directory.path().join("bare.db"), batch, messages)?;
                rounds.push((through, bare));
            }
            show("sqlite", batch, rounds);
        }
        let Some(connection) = &options.postgres else { return Ok(()) };
        for (batch, messages) in SIZES {
            let mut rounds = Vec::new();
            for _ in 0..options.rounds {
                let through = outbox::postgres(connection, batch, messages).await?;
                let bare = bare::postgres(connection, batch, messages).await?;
                rounds.push((through, bare));
            }
            show("postgresql", batch, rounds);
        }
        Ok(())
    }

    /// One row: the round with the median ratio.
    fn show(store: &str, batch: usize, mut rounds: Vec<(f64, f64)>) {
        rounds.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
        let (through, bare) = rounds[rounds.len() / 2];
        let ratio = through / bare;
        println!("{store:<10} {batch:>6} {through:>10.0} {bare:>10.0}   {ratio:.2}");
    }
}

#[cfg(not(madsim))]
fn main() -> miette::Result<()> {
    run::main()
}
