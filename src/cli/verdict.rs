//! `fencepost outbox settle` and `requeue`: a person's verdicts.

use clap::{Args, ValueEnum};
use miette::{Context, IntoDiagnostic, miette};

use super::entries::message_id;
use super::stdout::print;
use super::store::open_existing_of_cluster;
use super::{ConfigArg, Failure};
use fencepost::store::{Ruling, StoreError, Verdict, VerdictError};

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

/// About which message, and the evidence that is kept.
#[derive(Args)]
struct SaidArgs {
    /// The message's id
    id: String,
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
    let id = message_id(&said.id)?;
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    let Some(by) = said.by.clone().or_else(user) else {
        return Err(Failure::BadInput(miette!(
            help = "write for example --by Ada",
            "a verdict is kept with the name of who passed it, and the variable USER is not set"
        )));
    };
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
