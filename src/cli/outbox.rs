//! `fencepost outbox`: where messages stand, and what a person decides about them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use miette::{Context, IntoDiagnostic, Report, miette};

use super::entries::{self, ListArgs, ShowArgs};
use super::stdout::{print, printable};
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
    /// Settles a message in doubt by a person's word, which is kept
    ///
    /// Ask the recipient first. A message that is not parked may be settled by a leader at any
    /// moment: name the attempt that your word is about.
    Settle(SettleArgs),
    /// Puts a dead letter back into the queue
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
        let fence = outbox.fence().into_diagnostic()?;
        let doubts = match args.in_doubt {
            true => Some(outbox.entries(Some(MessageState::InDoubt)).into_diagnostic()?),
            false => None,
        };
        Ok((counts, fence, doubts))
    };
    let (counts, fence, doubts) =
        read().wrap_err("cannot read the outbox").map_err(Failure::AtRun)?;
    let out = match args.json {
        true => as_json(&counts, &fence, doubts.as_deref()),
        false => as_text(&counts, &fence, doubts.as_deref()),
    };
    print(&out)
}

fn as_text(counts: &Counts, fence: &FenceRow, doubts: Option<&[Entry]>) -> String {
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
    let Some(doubts) = doubts else { return out };
    let _ = match doubts {
        [] => writeln!(out, "\nnothing is in doubt"),
        _ => writeln!(out, "\nin doubt, oldest first:"),
    };
    for doubt in doubts {
        let token = doubt.token.map_or("?".to_owned(), |token| token.to_string());
        let who = if doubt.parked { "parked for a person" } else { "a leader will settle it" };
        let reason = printable(doubt.reason.as_deref().unwrap_or("no reason known"));
        let _ = writeln!(out, "  {}  token {token}, {who}: {reason}", doubt.id);
    }
    out
}

fn as_json(counts: &Counts, fence: &FenceRow, doubts: Option<&[Entry]>) -> String {
    let mut fields: Vec<String> = MessageState::ALL
        .iter()
        .map(|&state| {
            format!("{}:{}", json::text(&state.name().replace(' ', "_")), counts.of(state))
        })
        .collect();
    fields.push(format!("\"fence\":{}", fence_as_json(fence)));
    if let Some(doubts) = doubts {
        let doubts: Vec<String> = doubts.iter().map(doubt_as_json).collect();
        fields.push(format!("\"doubts\":[{}]", doubts.join(",")));
    }
    format!("{{{}}}\n", fields.join(","))
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
