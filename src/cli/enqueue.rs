//! `fencepost enqueue`: messages in.

// chance: an operator's message needs an id that nobody has used
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read};
use std::sync::Arc;

use clap::Args;
use miette::{Context, IntoDiagnostic, Report, miette};

use super::stdout::{self, try_print};
use super::store::open;
use super::{ConfigArg, Failure};
use fencepost::store::{
    EnqueueError, Enqueued, MAX_PAYLOAD_LEN, MessageId, MessageState, NewMessage, OrderingKey,
    StoreError,
};
use fencepost::{Clock, SystemClock};

/// The most messages that one `enqueue` adds.
const MAX_COUNT: u32 = 1_000_000;

/// How many messages are added in one transaction, and with how many bytes, or one of any length.
const AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 16 << 20;

#[derive(Args)]
pub(super) struct EnqueueArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The message's id; with several messages the prefix of ID-0001, ID-0002 and so on. Default: a
    /// new one
    #[arg(long)]
    id: Option<String>,
    /// Add this many messages, numbered ID-0001 and so on, all with the same payload
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_COUNT)))]
    count: Option<u32>,
    /// The payload; several make several messages. `-` reads standard input to its end. Default:
    /// the message's id
    payload: Vec<String>,
    /// Deliver them in order, after all earlier messages of this key
    #[arg(long)]
    key: Option<String>,
}

pub(super) fn enqueue(args: &EnqueueArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    let batch = Batch::new(args).map_err(Failure::BadInput)?;
    let mut outbox = open(&config).map_err(Failure::AtRun)?;
    let (mut done, mut existed) = (0, [0; MessageState::ALL.len()]);
    for ids in batch.ids.chunks(batch.at_once()) {
        let new = |(index, id): (usize, &MessageId)| NewMessage {
            key: batch.key.clone(),
            ..NewMessage::new(id.clone(), batch.payload(done + index))
        };
        let messages: Vec<NewMessage> = ids.iter().enumerate().map(new).collect();
        let enqueued = outbox
            .enqueue(&messages)
            .map_err(|error| Failure::AtRun(batch.failed(args, ids, done, error)))?;
        for one in enqueued {
            if let Enqueued::Exists(state) = one {
                existed[state as usize] += 1;
            }
        }
        done += ids.len();
    }
    // They are in, whether or not anybody reads this; an id that was made up here nobody else knows.
    let said = said(&batch.ids, existed);
    let Err(error) = try_print(&said) else { return Ok(()) };
    let is_unread = error.kind() == ErrorKind::BrokenPipe;
    if !is_unread || args.id.is_none() {
        eprint!("{said}");
    }
    if is_unread {
        return Ok(());
    }
    Err(error).into_diagnostic().wrap_err(stdout::FAILED).map_err(Failure::AtRun)
}

fn range(ids: &[MessageId]) -> String {
    match ids {
        [first, .., last] => format!("{first} to {last}"),
        ids => ids.iter().map(ToString::to_string).collect(),
    }
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// How many were added, where those stand that were there already, and their names.
fn said(ids: &[MessageId], existed: [usize; MessageState::ALL.len()]) -> String {
    let there: usize = existed.iter().sum();
    let added = ids.len() - there;
    let range = range(ids);
    if there == 0 {
        return format!("added {added}: {range}\n");
    }
    let states = MessageState::ALL.into_iter().zip(existed).filter(|(_, count)| *count > 0);
    let states: Vec<String> = states
        .map(|(state, count)| match ids.len() {
            1 => state.name().to_owned(),
            _ => format!("{count} {}", state.name()),
        })
        .collect();
    format!("added {added}, {there} were there already ({}): {range}\n", states.join(", "))
}

/// What one `enqueue` adds, checked before the first is added.
struct Batch {
    ids: Vec<MessageId>,
    /// What the ids are or begin with.
    prefix: String,
    /// None: the ids are the payloads. One: of all. Else one for each.
    payloads: Vec<Arc<[u8]>>,
    key: Option<OrderingKey>,
}

impl Batch {
    fn new(args: &EnqueueArgs) -> Result<Self, Report> {
        let mut payloads: Vec<Arc<[u8]>> = Vec::new();
        for payload in &args.payload {
            payloads.push(match payload.as_str() {
                "-" => standard_input()?.into(),
                text => text.as_bytes().into(),
            });
        }
        if let Some(long) = payloads.iter().find(|payload| payload.len() > MAX_PAYLOAD_LEN) {
            return Err(miette!(
                "a payload of at least {} bytes is too large: at most {MAX_PAYLOAD_LEN} are \
                 allowed",
                long.len()
            ));
        }
        let total = match (args.count, payloads.len()) {
            (Some(_), 2..) => {
                return Err(miette!(
                    help = "leave --count out, or give one payload for all",
                    "--count and several payloads contradict each other"
                ));
            }
            (Some(count), _) => count as usize,
            (None, len) => len.max(1),
        };
        let numbered = args.count.is_some() || total > 1;
        let prefix = args.id.clone().unwrap_or_else(new_id);
        let width = total.to_string().len().max(4);
        let ids = (1..=total).map(|number| {
            let id = if numbered { format!("{prefix}-{number:0>width$}") } else { prefix.clone() };
            MessageId::new(&id).into_diagnostic().wrap_err_with(|| format!("--id {id:?}"))
        });
        let key = args.key.as_deref().map(OrderingKey::new).transpose();
        let key = key.into_diagnostic().wrap_err("--key")?;
        let ids = ids.collect::<Result<_, _>>()?;
        Ok(Self { ids, prefix, payloads, key })
    }

    /// Says how to go on when a transaction with these ids failed, `done` messages after the first.
    fn failed(
        &self,
        args: &EnqueueArgs,
        ids: &[MessageId],
        done: usize,
        error: EnqueueError,
    ) -> Report {
        let is_unknown = matches!(error, EnqueueError::Store(StoreError::Unknown(_)));
        let before = match done {
            0 => String::new(),
            _ => format!("; the {done} before are added"),
        };
        let what = match is_unknown {
            true => format!("{} may have been added, or not{before}: {error}", range(ids)),
            false => format!("cannot add {}{before}: {error}", range(ids)),
        };
        if is_unknown || done > 0 {
            // With another id, what is in would be delivered once more. A report would break the line.
            eprintln!("To add the rest, and nothing twice, repeat it so:\n  {}", self.again(args));
        }
        miette!("{what}")
    }

    /// The command that does the same, with the ids that it has made up.
    fn again(&self, args: &EnqueueArgs) -> String {
        let mut out = format!(
            "fencepost enqueue --config {} --id {}",
            quoted(&args.config.config.to_string_lossy()),
            quoted(&self.prefix)
        );
        if let Some(count) = args.count {
            out += &format!(" --count {count}");
        }
        if let Some(key) = &self.key {
            out += &format!(" --key {}", quoted(key.as_str()));
        }
        out += match args.payload.len() {
            0 => "",
            1 => " and the same payload",
            _ => " and the same payloads, in this order",
        };
        out
    }

    /// How many of them go into one transaction.
    fn at_once(&self) -> usize {
        let longest = self.payloads.iter().map(|payload| payload.len()).max().unwrap_or(0);
        (BYTES_AT_ONCE / longest.max(1)).clamp(1, AT_ONCE)
    }

    fn payload(&self, index: usize) -> Arc<[u8]> {
        match self.payloads.as_slice() {
            [] => self.ids[index].as_str().as_bytes().into(),
            [one] => Arc::clone(one),
            several => Arc::clone(&several[index]),
        }
    }
}

fn standard_input() -> Result<Vec<u8>, Report> {
    let mut payload = Vec::new();
    // One byte more than allowed is enough to know that it is too long.
    std::io::stdin()
        .take(MAX_PAYLOAD_LEN as u64 + 1)
        .read_to_end(&mut payload)
        .into_diagnostic()
        .wrap_err("cannot read the payload from standard input")?;
    Ok(payload)
}

/// An id that nobody has used: the time, for people, and randomness of the system.
fn new_id() -> String {
    let wall = SystemClock.wall().unix_ms;
    format!("m{wall}-{:016x}", RandomState::new().hash_one(wall))
}
