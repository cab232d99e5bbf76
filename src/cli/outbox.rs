//! `fencepost outbox`: where messages stand, and what a person decides about them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use miette::{Context, IntoDiagnostic, Report, miette};

use super::entries::{self, ListArgs, ShowArgs};
use super::filter::{FilterArgs, each_page};
use super::stdout::{print, print_on, printable};
use super::store::open_existing;
use super::verdict::{self, RequeueArgs, SettleArgs};
use super::{ConfigArg, Failure, json};
use fencepost::store::{Counts, Entry, FenceRow, MessageState};

#[derive(Args)]
pub(super) struct OutboxArgs {
    #[command(subcommand)]
    command: Option<OutboxCommand>,
    /// The node's TOML file, as in examples/three-nodes/n1.toml
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Also list what is in doubt, with what is known about it
    #[arg(long)]
    in_doubt: bool,
    /// Print JSON instead of text: an object, or one a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum OutboxCommand {
    /// Lists messages, oldest first
    List(ListArgs),
    /// Shows one message with all evidence, and what people decided about it
    Show(ShowArgs),
    /// Settles messages in doubt by a person's word, which is kept
    ///
    /// One by its id, or all parked ones that the filters take: those are only counted and shown,
    /// unless --yes is there.
    ///
    /// Ask the recipient first. A message that is not parked may be settled by a leader at any
    /// moment: name the attempt that your word is about.
    Settle(SettleArgs),
    /// Puts dead letters back into the queue
    ///
    /// One by its id, or all that the filters take: those are only counted and shown, unless --yes is
    /// there.
    ///
    /// A message is a dead letter when its recipient refused it for good, or for now too often. It is
    /// tried anew, after whatever was sent of its ordering key meanwhile.
    Requeue(RequeueArgs),
}

/// Does what was asked of the outbox.
pub(super) fn run(args: &OutboxArgs) -> Result<(), Failure> {
    let Some(config) = args.config.clone() else {
        return Err(Failure::BadInput(miette!(
            help = "write for example: fencepost outbox --config examples/three-nodes/n1.toml",
            "--config FILE is missing"
        )));
    };
    let config = ConfigArg { config };
    if args.in_doubt && args.command.is_some() {
        return Err(Failure::BadInput(miette!(
            help = "write for example: fencepost outbox list --state in-doubt",
            "--in-doubt is for the summary, not for a command"
        )));
    }
    match &args.command {
        None => summary(args, &config),
        Some(OutboxCommand::List(list)) => entries::list(list, &config, args.json),
        Some(OutboxCommand::Show(show)) => entries::show(show, &config, args.json),
        Some(OutboxCommand::Settle(settle)) => verdict::settle(settle, &config),
        Some(OutboxCommand::Requeue(requeue)) => verdict::requeue(requeue, &config),
    }
}

fn summary(args: &OutboxArgs, config: &ConfigArg) -> Result<(), Failure> {
    let mut outbox = open_existing(config)?;
    let mut read = || -> Result<_, Report> {
        let counts = outbox.counts().into_diagnostic()?;
        Ok((counts, outbox.fence().into_diagnostic()?))
    };
    let (counts, fence) = read().wrap_err("cannot read the outbox").map_err(Failure::AtRun)?;
    if !args.json {
        print(&as_text(&counts, &fence))?;
    } else if !args.in_doubt {
        print(&format!("{{{}}}\n", as_json(&counts, &fence)))?;
    } else {
        print(&format!("{{{},\"doubts\":[", as_json(&counts, &fence)))?;
    }
    if !args.in_doubt {
        return Ok(());
    }
    let mut is_first = true;
    let (only, filter) = (Some(MessageState::InDoubt), FilterArgs::default());
    each_page(&mut outbox, only, 0, &filter.now(), |_, doubts| {
        let mut out = String::new();
        for doubt in &doubts {
            match (args.json, std::mem::take(&mut is_first)) {
                (true, true) => {}
                (true, false) => out.push(','),
                (false, true) => out += "\nin doubt, oldest first:\n",
                (false, false) => {}
            }
            out += &if args.json { doubt_as_json(doubt) } else { doubt_as_text(doubt) };
        }
        print_on(&out)
    })?;
    match (args.json, is_first) {
        (true, _) => print("]}\n"),
        (false, true) => print("\nnothing is in doubt\n"),
        (false, false) => Ok(()),
    }
}

fn as_text(counts: &Counts, fence: &FenceRow) -> String {
    let mut out = String::new();
    for state in MessageState::ALL {
        let _ = writeln!(out, "{:<9} {:>9}", state.name(), counts.of(state));
    }
    let holder = fence.holder.map_or("nobody".to_owned(), |holder| holder.to_string());
    let cluster = match &fence.cluster {
        Some(name) => format!("cluster {name:?}"),
        None => "no cluster yet".to_owned(),
    };
    let FenceRow { floor, generation, .. } = fence;
    let _ = writeln!(out, "\nfence: floor {floor} of {holder}, generation {generation}, {cluster}");
    out
}

fn doubt_as_text(doubt: &Entry) -> String {
    let token = doubt.token.map_or("?".to_owned(), |token| token.to_string());
    let who = if doubt.parked { "parked for a person" } else { "a leader will settle it" };
    let reason = printable(doubt.reason.as_deref().unwrap_or("no reason known"));
    format!("  {}  token {token}, {who}: {reason}\n", doubt.id)
}

fn as_json(counts: &Counts, fence: &FenceRow) -> String {
    let mut fields: Vec<String> = MessageState::ALL
        .iter()
        .map(|&state| {
            format!("{}:{}", json::text(&state.name().replace(' ', "_")), counts.of(state))
        })
        .collect();
    fields.push(format!("\"fence\":{}", fence_as_json(fence)));
    fields.join(",")
}

fn fence_as_json(fence: &FenceRow) -> String {
    format!(
        "{{\"floor\":{},\"holder\":{},\"generation\":{},\"cluster\":{},\"raised_unix_ms\":{}}}",
        fence.floor,
        json::or_null(fence.holder.map(|holder| json::text(&holder.to_string()))),
        fence.generation.number,
        json::or_null(fence.cluster.as_deref().map(json::text)),
        json::or_null(fence.raised.map(|wall| wall.unix_ms.to_string())),
    )
}

fn doubt_as_json(doubt: &Entry) -> String {
    format!(
        "{{\"id\":{},\"token\":{},\"parked\":{},\"reason\":{},\"attempts\":{},\
         \"first_claimed_unix_ms\":{}}}",
        json::text(doubt.id.as_str()),
        json::or_null(doubt.token.map(|token| token.to_string())),
        doubt.parked,
        json::or_null(doubt.reason.as_deref().map(json::text)),
        doubt.attempts,
        json::or_null(doubt.first_claimed.map(|wall| wall.unix_ms.to_string())),
    )
}
