//! The command line: what can be said, and how it ends.
//!
//! Exit codes: 0 it worked, 1 it failed at run, 2 the input was bad and nothing was done.

mod enqueue;
mod entries;
mod filter;
mod jobs;
mod json;
mod log;
mod node;
mod outbox;
mod stdout;
mod store;
mod verdict;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use miette::{Context, IntoDiagnostic, Report};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use log::Log;

use fencepost::delivery::sinks::AnySink;
use fencepost::election::MAX_PRIORITY;
use fencepost::node::config::NodeConfig;
use fencepost::store::StoreConfig;

/// Where the log's filter comes from when `--log` is not given.
const LOG_VARIABLE: &str = "FENCEPOST_LOG";

/// One node acts, the store checks it, and no message is delivered twice.
#[derive(Parser)]
#[command(
    name = "fencepost",
    version,
    arg_required_else_help = true,
    after_help = "\
Try it with three terminals, one node in each:
  fencepost node --config examples/three-nodes/n1.toml      (n2.toml, n3.toml)
  fencepost enqueue --config examples/three-nodes/n1.toml --id hello --count 100
  fencepost outbox --config examples/three-nodes/n1.toml
Kill the node that says it may act, and watch another take over.

Exit codes: 0 it worked, 1 it failed at run, 2 the input was bad and nothing was done."
)]
struct Cli {
    /// What to log to standard error: error, warn, info, debug, trace, or a filter such as
    /// info,fencepost::node=debug. Default: the variable FENCEPOST_LOG, else info.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one node of a cluster until SIGTERM or SIGINT
    ///
    /// The node elects a leader with its peers; while it leads, it delivers the messages of the
    /// outbox to the sink. With `spread` in the file's [delivery], all nodes deliver, each the share
    /// that the leader gives it. An observer takes part without a vote and never leads. On SIGTERM or
    /// SIGINT a node finishes the message in flight, hands its leadership over and ends; on a second
    /// signal it ends at once, which is safe but may leave that message in doubt. Only one process
    /// runs under a node's name at a time; its data directory may be wiped between two runs.
    Node(ConfigArg),
    /// Adds messages to the outbox
    ///
    /// The id of a message is its idempotency key: adding an id that is there already changes
    /// nothing. Nodes need not be running.
    Enqueue(enqueue::EnqueueArgs),
    /// Shows how many messages stand where, and the fence; lists, shows and settles messages
    ///
    /// pending: nobody has tried yet. claimed: a leader is about to send it. delivered: the
    /// recipient has it. failed: the recipient refused it for good, or for now too often. in doubt: it may or may not have
    /// been sent, and is not sent again without proof. The fence says which token may write, who
    /// holds it, how often the cluster was started anew, and which cluster the outbox belongs to.
    Outbox(outbox::OutboxArgs),
    /// Lists scheduled jobs, and what became of their instants
    ///
    /// An instant is the time that a run was due, by the store's clock. running: it has begun.
    /// done, failed: its action ended so. interrupted: whoever ran it lost leadership or died; how
    /// far it came is unknown, and it is not run again. skipped: it never began, by the job's policy
    /// for what is late or overlaps. Jobs are the code of applications; this is what they recorded.
    #[command(after_help = "\
Examples:
  fencepost jobs --config examples/three-nodes/n1.toml
  fencepost jobs --sqlite jobs-example.db \"distribute events\" --last 20")]
    Jobs(jobs::JobsArgs),
    /// Checks a configuration file and exits with 0 or 2
    Check(ConfigArg),
}

/// The configuration file, which every command takes.
#[derive(Args)]
struct ConfigArg {
    /// The node's TOML file, as in examples/three-nodes/n1.toml
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

impl ConfigArg {
    fn load(&self) -> Result<NodeConfig, Failure> {
        NodeConfig::load(&self.config).map_err(|error| Failure::BadInput(error.into()))
    }
}

/// Why a command did not do what it should.
enum Failure {
    /// Nothing was done.
    BadInput(Report),
    /// It began and failed.
    AtRun(Report),
}

/// Runs the command that the process was started with.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut log = None;
    let outcome = start_log(cli.log).and_then(|started| {
        log = Some(started);
        match cli.command {
            Command::Node(args) => node::run(&args.load()?),
            Command::Enqueue(args) => enqueue::enqueue(&args),
            Command::Outbox(args) => outbox::run(&args),
            Command::Jobs(args) => jobs::run(&args),
            Command::Check(args) => check(&args),
        }
    });
    if let Some(log) = &log {
        log.flush();
    }
    let (code, report) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::AtRun(report)) => (1, report),
        Err(Failure::BadInput(report)) => (2, report),
    };
    let text = format!("{report:?}\n");
    match &log {
        Some(log) => {
            log.add(text.as_bytes());
            log.flush();
        }
        None => eprint!("{text}"),
    }
    ExitCode::from(code)
}

fn start_log(filter: Option<String>) -> Result<Log, Failure> {
    let given = filter.or_else(|| std::env::var(LOG_VARIABLE).ok().filter(|f| !f.is_empty()));
    let filter = given.unwrap_or_else(|| "info".to_owned());
    let filter: Targets = filter.parse().map_err(|error| {
        Failure::BadInput(miette::miette!(
            help = "use error, warn, info, debug, trace, or a filter such as \
                    info,fencepost::node=debug",
            "--log or {LOG_VARIABLE}: {filter:?} is no filter: {error}"
        ))
    })?;
    let log = Log::start(std::io::stderr());
    let log = log.into_diagnostic().wrap_err("cannot start the log").map_err(Failure::AtRun)?;
    // The default hook waits until standard error is read, and a panic is no reason to stand still.
    let panics = log.clone();
    std::panic::set_hook(Box::new(move |panic| panics.add(format!("{panic}\n").as_bytes())));
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .finish()
        .with(filter)
        .init();
    Ok(log)
}

fn check(args: &ConfigArg) -> Result<(), Failure> {
    let config = args.load()?;
    AnySink::check(&config.sink)
        .into_diagnostic()
        .wrap_err("a node would not start with this sink")
        .map_err(Failure::BadInput)?;
    let election = &config.election;
    let mut out = format!(
        "{}: {} {} of cluster {:?} with {} voters\n",
        args.config.display(),
        if election.observer { "observer" } else { "voter" },
        election.me,
        config.cluster,
        config.voters.len(),
    );
    if let Some(listen) = config.listen {
        out += &format!(
            "listens at {listen}, with priority {} of {MAX_PRIORITY}\n",
            election.priority
        );
    }
    out += &match &config.data {
        Some(data) => format!("keeps its votes in {}\n", data.display()),
        None => "keeps nothing\n".to_owned(),
    };
    out += &match &config.store {
        StoreConfig::Sqlite(path) => format!("fence and outbox in {}\n", path.display()),
        StoreConfig::Postgres(database) => {
            format!("fence and outbox in PostgreSQL: {}\n", database.connection)
        }
    };
    out += &match config.delivery.spread {
        Some(units) => format!("delivers its share of {units} units, as all nodes do\n"),
        None if election.observer => "delivers nothing: the leader delivers\n".to_owned(),
        None => "delivers while it leads\n".to_owned(),
    };
    if let Some(warning) = election.warning() {
        out += &format!("warning: {warning}\n");
    }
    stdout::print(&out)
}
