//! `fencepost outbox settle` and `requeue`: a person's verdicts.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use miette::{Context, IntoDiagnostic, miette};

use super::entries::message_id;
use super::filter::{FilterArgs, each_page};
use super::stdout::{print, printable};
use super::store::open_existing_of_cluster;
use super::{ConfigArg, Failure};
use fencepost::store::{Entry, MessageState, Ruling, StoreError, Verdict, VerdictError};

#[derive(Args)]
pub(super) struct SettleArgs {
    #[command(flatten)]
    said: SaidArgs,
    /// What became of it
    #[arg(long = "as", value_enum)]
    ruling: RulingArg,
    /// The attempt that this is about, as `show` tells it; needed for a message that is not parked
    #[arg(long, value_name = "N")]
    attempt: Option<u64>,
}

#[derive(Args)]
pub(super) struct RequeueArgs {
    #[command(flatten)]
    said: SaidArgs,
}

/// About which messages, and the evidence that is kept.
#[derive(Args)]
struct SaidArgs {
    /// The message's id; without one, the filters say which messages are meant
    #[arg(conflicts_with_all = ["all", "yes", "key", "reason", "older_than", "newer_than"])]
    id: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Do it: without this, messages that filters take are only counted and shown
    #[arg(long)]
    yes: bool,
    /// Why: it is kept with the message
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who decides. Default: the variable USER
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RulingArg {
    /// The recipient has it
    Delivered,
    /// The recipient does not have it, and is not to get it
    Failed,
    /// The recipient does not have it, and nothing of it is on its way: send it
    Resend,
}

pub(super) fn settle(args: &SettleArgs, config: &ConfigArg) -> Result<(), Failure> {
    let ruling = match args.ruling {
        RulingArg::Delivered => Ruling::Delivered,
        RulingArg::Failed => Ruling::Failed,
        RulingArg::Resend => Ruling::Resend,
    };
    judge(&args.said, config, ruling, args.attempt)
}

pub(super) fn requeue(args: &RequeueArgs, config: &ConfigArg) -> Result<(), Failure> {
    judge(&args.said, config, Ruling::Requeue, None)
}

fn judge(
    said: &SaidArgs,
    config: &ConfigArg,
    ruling: Ruling,
    attempt: Option<u64>,
) -> Result<(), Failure> {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    let Some(by) = said.by.clone().or_else(user) else {
        return Err(Failure::BadInput(miette!(
            help = "write for example --by Ada",
            "a verdict is kept with the name of who passed it, and the variable USER is not set"
        )));
    };
    let Some(id) = &said.id else {
        if attempt.is_some() {
            return Err(Failure::BadInput(miette!(
                help = "leave it out: messages that are not parked are left to a leader",
                "--attempt is about one message, and none is named"
            )));
        }
        return judge_many(said, config, ruling, &by);
    };
    let id = message_id(id)?;
    let mut outbox = open_existing_of_cluster(config)?;
    let verdict = Verdict { id, attempt, ruling, by, why: said.why.clone() };
    let passed = match outbox.judge(&verdict) {
        Ok(passed) => passed,
        Err(error @ VerdictError::NoReason) => {
            return Err(Failure::BadInput(miette!("{error}")));
        }
        Err(VerdictError::Store(error @ StoreError::Unknown(_))) => {
            return Err(Failure::AtRun(miette!(
                help = format!("look where it stands: `fencepost outbox show {}`", verdict.id),
                "the verdict about {} may have been passed, or not: {error}",
                verdict.id
            )));
        }
        Err(error) => {
            let what = || format!("no verdict about {}", verdict.id);
            return Err(error).into_diagnostic().wrap_err_with(what).map_err(Failure::AtRun);
        }
    };
    print(&format!("{}: {} → {}\n", verdict.id, passed.from.name(), passed.to.name()))
}

/// How many examples a preview shows.
const EXAMPLES: usize = 5;

/// A verdict about all messages that the filters take and that it can be passed about: page by page, each
/// page in one transaction. What changes in between is left as it is, and counted.
fn judge_many(
    said: &SaidArgs,
    config: &ConfigArg,
    ruling: Ruling,
    by: &str,
) -> Result<(), Failure> {
    if said.filter.is_empty() && !said.all {
        return Err(Failure::BadInput(miette!(
            help =
                "name one by its id, or many by --reason, --key or --older-than; --all means all",
            "which messages?"
        )));
    }
    let (from, what) = match ruling {
        Ruling::Requeue => (MessageState::Failed, "dead letters"),
        _ => (MessageState::InDoubt, "parked messages in doubt"),
    };
    let to = match ruling {
        Ruling::Delivered => MessageState::Delivered,
        Ruling::Failed => MessageState::Failed,
        Ruling::Resend | Ruling::Requeue => MessageState::Pending,
    };
    let mut outbox = open_existing_of_cluster(config)?;
    let (mut meant, mut passed, mut moved_on) = (0_u64, 0_u64, 0_u64);
    let mut examples = String::new();
    let is_meant = |entry: &Entry| from == MessageState::Failed || entry.parked;
    let went = each_page(&mut outbox, Some(from), 0, &said.filter.now(), |outbox, mut entries| {
        entries.retain(is_meant);
        for entry in entries.iter().take(EXAMPLES.saturating_sub(meant as usize)) {
            let reason = printable(entry.reason.as_deref().unwrap_or("no reason known"));
            let _ = writeln!(examples, "  {}: {reason}", entry.id);
        }
        meant += entries.len() as u64;
        if !said.yes {
            return Ok(true);
        }
        let verdict = |entry: &Entry| Verdict {
            id: entry.id.clone(),
            // What is attempted or settled meanwhile is not what was looked at.
            attempt: Some(entry.attempts),
            ruling,
            by: by.to_owned(),
            why: said.why.clone(),
        };
        let verdicts: Vec<Verdict> = entries.iter().map(verdict).collect();
        let judged = outbox.judge_all(&verdicts).map_err(|error| many_failed(passed, &error))?;
        for one in judged {
            match one {
                Ok(_) => passed += 1,
                Err(error @ VerdictError::NoReason) => {
                    return Err(Failure::BadInput(miette!("{error}")));
                }
                Err(_) => moved_on += 1,
            }
        }
        Ok(true)
    });
    went?;
    let (from, to) = (from.name(), to.name());
    if !said.yes {
        let more = match meant > EXAMPLES as u64 {
            true => format!("  … and {} more\n", meant - EXAMPLES as u64),
            false => String::new(),
        };
        return print(&format!(
            "{meant} {what} would go from {from} to {to}:\n{examples}{more}nothing was changed: add --yes \
             to do it\n"
        ));
    }
    let rest = match moved_on {
        0 => String::new(),
        moved_on => format!("; {moved_on} had moved on meanwhile and were left as they are"),
    };
    print(&format!("{passed} {what}: {from} → {to}{rest}\n"))
}

/// A page failed; those before it stand.
fn many_failed(passed: u64, error: &StoreError) -> Failure {
    Failure::AtRun(miette!(
        help = "say it again: what was settled by then is not touched twice",
        "{passed} verdicts were passed, and then the store failed: {error}"
    ))
}
