//! `fencepost enqueue`: messages in.

// chance: an operator's message needs an id that nobody has used
use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use clap::Args;
use miette::{Context, IntoDiagnostic, Report, miette};

use super::store::open;
use super::{ConfigArg, Failure};
use fencepost::store::{Enqueued, MAX_PAYLOAD_LEN, MessageId, NewMessage, OrderingKey};
use fencepost::{Clock, SystemClock};

/// The most messages that one `enqueue` adds.
const MAX_COUNT: u32 = 1_000_000;

/// How many messages are added in one transaction.
const AT_ONCE: usize = 1_000;

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
    let (mut done, mut existed) = (0, 0);
    for ids in batch.ids.chunks(AT_ONCE) {
        let new = |(index, id): (usize, &MessageId)| NewMessage {
            key: batch.key.clone(),
            ..NewMessage::new(id.clone(), batch.payload(done + index))
        };
        let messages: Vec<NewMessage> = ids.iter().enumerate().map(new).collect();
        let enqueued = outbox
            .enqueue(&messages)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot add {}; the {done} before it are done", ids[0]))
            .map_err(Failure::AtRun)?;
        existed += enqueued.iter().filter(|one| matches!(one, Enqueued::Exists(_))).count();
        done += ids.len();
    }
    let added = batch.ids.len() - existed;
    let range = match batch.ids.as_slice() {
        [first, .., last] => format!("{first} to {last}"),
        ids => ids.iter().map(ToString::to_string).collect(),
    };
    match existed {
        0 => println!("added {added}: {range}"),
        _ => println!("added {added}, {existed} were there already: {range}"),
    }
    Ok(())
}

/// What one `enqueue` adds, checked before the first is added.
struct Batch {
    ids: Vec<MessageId>,
    /// None: the ids are the payloads. One: of all. Else one for each.
    payloads: Vec<Vec<u8>>,
    key: Option<OrderingKey>,
}

impl Batch {
    fn new(args: &EnqueueArgs) -> Result<Self, Report> {
        let mut payloads = Vec::new();
        for payload in &args.payload {
            payloads.push(match payload.as_str() {
                "-" => standard_input()?,
                text => text.as_bytes().to_vec(),
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
        Ok(Self { ids: ids.collect::<Result<_, _>>()?, payloads, key })
    }

    fn payload(&self, index: usize) -> &[u8] {
        match self.payloads.as_slice() {
            [] => self.ids[index].as_str().as_bytes(),
            [one] => one,
            several => &several[index],
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
