//! `fencepost outbox list` and `show`: messages with their evidence.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use miette::{Context, IntoDiagnostic, miette};

use super::filter::{FilterArgs, each_page, place};
use super::stdout::{print, print_on, printable};
use super::store::open_existing;
use super::{ConfigArg, Failure, json};
use fencepost::WallTime;
use fencepost::store::{Entry, MessageId, MessageState, Passed};

#[derive(Args)]
pub(super) struct ListArgs {
    /// Only those that stand there
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many; what follows is listed with --after
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only those that were enqueued after this message
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StateArg {
    Pending,
    Claimed,
    Delivered,
    Failed,
    InDoubt,
}

impl From<StateArg> for MessageState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Pending => Self::Pending,
            StateArg::Claimed => Self::Claimed,
            StateArg::Delivered => Self::Delivered,
            StateArg::Failed => Self::Failed,
            StateArg::InDoubt => Self::InDoubt,
        }
    }
}

#[derive(Args)]
pub(super) struct ShowArgs {
    /// The message's id
    id: String,
}

pub(super) fn list(args: &ListArgs, config: &ConfigArg, json: bool) -> Result<(), Failure> {
    let after = args.after.as_deref().map(message_id).transpose()?;
    let mut outbox = open_existing(config)?;
    let after = after.map_or(Ok(0), |id| place(&mut outbox, &id))?;
    let line = |entry: &Entry| match json {
        true => format!("{{{}}}\n", fields(entry).join(",")),
        false => line(entry),
    };
    let mut left =
        args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let only = args.state.map(Into::into);
    each_page(&mut outbox, only, after, &args.filter.now(), |_, entries| {
        let shown = entries.len().min(left);
        left -= shown;
        let goes_on = print_on(&entries[..shown].iter().map(line).collect::<String>())?;
        Ok(goes_on && left > 0)
    })
    .map(drop)
}

pub(super) fn show(args: &ShowArgs, config: &ConfigArg, json: bool) -> Result<(), Failure> {
    let id = message_id(&args.id)?;
    let mut outbox = open_existing(config)?;
    let entry = outbox.entry(&id);
    let read = entry.and_then(|entry| Ok((entry, outbox.trail(&id)?)));
    let (entry, trail) =
        read.into_diagnostic().wrap_err("cannot read the outbox").map_err(Failure::AtRun)?;
    let Some(entry) = entry else {
        return Err(Failure::AtRun(miette!(
            help = "`fencepost outbox list` shows those that there are",
            "there is no message {id}"
        )));
    };
    print(&match json {
        true => {
            let trail: Vec<String> = trail.iter().map(passed_as_json).collect();
            format!("{{{},\"verdicts\":[{}]}}\n", fields(&entry).join(","), trail.join(","))
        }
        false => evidence(&entry, &trail),
    })
}

/// The id of a message as it was typed.
pub(super) fn message_id(text: &str) -> Result<MessageId, Failure> {
    let id = MessageId::new(text).into_diagnostic();
    id.wrap_err_with(|| format!("{text:?} names no message")).map_err(Failure::BadInput)
}

fn stands(entry: &Entry) -> String {
    match (entry.state, entry.parked) {
        (MessageState::InDoubt, true) => "in doubt, parked for a person".to_owned(),
        (MessageState::InDoubt, false) => "in doubt, a leader will settle it".to_owned(),
        (state, _) => state.name().to_owned(),
    }
}

fn line(entry: &Entry) -> String {
    let key = entry.key.as_ref().map_or(String::new(), |key| format!("  key {key}"));
    let reason = entry.reason.as_deref().map(printable);
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let attempts = entry.attempts;
    format!("{}{key}  attempts {attempts}, {}{reason}\n", entry.id, stands(entry))
}

fn evidence(entry: &Entry, trail: &[Passed]) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "{name:<18} {}", printable(&value));
        }
    };
    say("message", Some(entry.id.to_string()));
    say("ordering key", entry.key.as_ref().map(ToString::to_string));
    say("stands", Some(stands(entry)));
    say("reason", entry.reason.clone());
    say("attempts", Some(entry.attempts.to_string()));
    say("failed attempts", Some(entry.failures.to_string()));
    let worker = entry.worker.map_or(String::new(), |node| format!(", worker {node}"));
    say("last claimed by", entry.token.map(|token| format!("token {token}{worker}")));
    say("enqueued", Some(date(entry.enqueued)));
    say("may be out since", entry.first_claimed.map(date));
    say("not before", entry.not_before.map(date));
    say("may be sent until", entry.send_until.map(date));
    say("so since", Some(date(entry.changed)));
    say("claimer's clock", entry.claimer_wall.map(date));
    for Passed { at, by, attempt, from, to, why } in trail {
        let (from, to) = (from.name(), to.name());
        let said = format!("{} by {by}, after attempt {attempt}: {from} → {to}: {why}", date(*at));
        say("verdict", Some(said));
    }
    out
}

/// A time as people write it.
pub(super) fn date(wall: WallTime) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(wall.unix_ms));
    let date = time.map(|time| humantime::format_rfc3339_millis(time).to_string());
    date.filter(|_| wall.unix_ms < END_OF_DATES).unwrap_or_else(|| format!("{} ms", wall.unix_ms))
}

/// The end of the year 9999, after which a date has no common form.
const END_OF_DATES: u64 = 253_402_300_800_000;

fn fields(entry: &Entry) -> Vec<String> {
    let name = entry.state.name().replace(' ', "_");
    let pairs = [
        ("id", json::text(entry.id.as_str())),
        ("key", json::or_null(entry.key.as_ref().map(|key| json::text(key.as_str())))),
        ("state", json::text(&name)),
        ("parked", entry.parked.to_string()),
        ("reason", json::or_null(entry.reason.as_deref().map(json::text))),
        ("attempts", entry.attempts.to_string()),
        ("failures", entry.failures.to_string()),
        ("token", json::or_null(entry.token.map(|token| token.to_string()))),
        ("worker", json::or_null(entry.worker.map(|node| json::text(node.as_str())))),
        ("enqueued_unix_ms", json::time(entry.enqueued)),
        ("first_claimed_unix_ms", json::or_null(entry.first_claimed.map(json::time))),
        ("not_before_unix_ms", json::or_null(entry.not_before.map(json::time))),
        ("send_until_unix_ms", json::or_null(entry.send_until.map(json::time))),
        ("changed_unix_ms", json::time(entry.changed)),
        ("claimer_wall_unix_ms", json::or_null(entry.claimer_wall.map(json::time))),
    ];
    pairs.map(|(name, value)| format!("\"{name}\":{value}")).into()
}

fn passed_as_json(passed: &Passed) -> String {
    let Passed { at, by, attempt, from, to, why } = passed;
    let name = |state: &MessageState| json::text(&state.name().replace(' ', "_"));
    format!(
        "{{\"at_unix_ms\":{},\"by\":{},\"attempt\":{attempt},\"from\":{},\"to\":{},\"why\":{}}}",
        json::time(*at),
        json::text(by),
        name(from),
        name(to),
        json::text(why),
    )
}
