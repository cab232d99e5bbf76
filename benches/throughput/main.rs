//! Messages per second through claim, send and mark, beside the bare statements that change the same
//! rows as often and as durably. The ratio is the measure: both are run in turn, on one machine.
//!
//! ```sh
//! cargo bench-prod --bench throughput -- --postgres "host=/tmp user=postgres dbname=postgres"
//! ```
//!
//! The sink does nothing. Without `--postgres` only SQLite is measured. A round is one of each; which of
//! the two comes first alternates, because what comes second finds the machine warmer, or busier with
//! what the first left behind.

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

    use super::{bare, outbox};

    /// Batch sizes, and how many messages go through at each: what a commit costs decides.
    const SIZES: [(usize, usize); 3] = [(1, 2_000), (10, 20_000), (100, 100_000)];

    /// Which part of them goes through before anything counts.
    const WARM_UP: usize = 5;

    #[derive(Parser)]
    struct Options {
        /// How to reach a server, as key=value pairs. Measures in a database fencepost_bench there,
        /// which is dropped and made anew
        #[arg(long)]
        postgres: Option<String>,
        /// How often each row is measured, besides a first time that does not count; an odd number,
        /// because the median is shown
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Only this batch size
        #[arg(long)]
        batch: Option<usize>,
        /// What cargo adds
        #[arg(long, hide = true)]
        bench: bool,
    }

    #[tokio::main]
    pub async fn main() -> miette::Result<()> {
        let options = Options::parse();
        let sizes: Vec<_> = SIZES
            .into_iter()
            .filter(|(batch, _)| options.batch.is_none_or(|only| only == *batch))
            .collect();
        if sizes.is_empty() {
            return Err(miette::miette!("--batch is one of 1, 10 and 100"));
        }
        if let Some(connection) = &options.postgres {
            println!("postgresql: {}", bare::durability(connection).await?);
        }
        println!("store       batch   outbox/s     bare/s  ratio  of each round");
        for &(batch, messages) in &sizes {
            let ours = |messages| outbox::sqlite(batch, messages);
            let theirs = |messages| async move { bare::sqlite(batch, messages) };
            measure("sqlite", batch, messages, options.rounds, ours, theirs).await?;
        }
        let Some(connection) = &options.postgres else { return Ok(()) };
        for &(batch, messages) in &sizes {
            let ours = |messages| outbox::postgres(connection, batch, messages);
            let theirs = |messages| bare::postgres(connection, batch, messages);
            measure("postgresql", batch, messages, options.rounds, ours, theirs).await?;
        }
        Ok(())
    }

    /// One row of the table: the round with the median ratio, and the ratios of all.
    async fn measure<O, T>(
        store: &str,
        batch: usize,
        messages: usize,
        rounds: usize,
        ours: impl Fn(usize) -> O,
        theirs: impl Fn(usize) -> T,
    ) -> miette::Result<()>
    where
        O: Future<Output = miette::Result<f64>>,
        T: Future<Output = miette::Result<f64>>,
    {
        let warm_up = messages / WARM_UP;
        ours(warm_up).await?;
        theirs(warm_up).await?;
        let mut measured = Vec::new();
        for round in 0..rounds.max(1) {
            measured.push(if round % 2 == 0 {
                let through = ours(messages).await?;
                (through, theirs(messages).await?)
            } else {
                let bare = theirs(messages).await?;
                (ours(messages).await?, bare)
            });
        }
        let ratio = |(through, bare): &(f64, f64)| through / bare;
        let each: Vec<_> = measured.iter().map(|it| format!("{:.2}", ratio(it))).collect();
        measured.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
        let median = measured[measured.len() / 2];
        let ((through, bare), ratio) = (median, ratio(&median));
        let each = each.join(" ");
        println!("{store:<10} {batch:>6} {through:>10.0} {bare:>10.0}   {ratio:.2}  {each}");
        Ok(())
    }
}

#[cfg(not(madsim))]
fn main() -> miette::Result<()> {
    run::main()
}
