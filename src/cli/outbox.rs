//! `fencepost enqueue` and `fencepost outbox`: messages in, and where they stand.

use std::fmt::Write as _;
// chance: an operator's message needs an id that nobody has used
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write as _};
use std::path::Path;

use clap::Args;
use miette::{Context, IntoDiagnostic, Report, miette};

use super::{ConfigArg, Failure};
use fencepost::Clock;
use fencepost::node::SystemClock;
use fencepost::store::{
    Counts, Enqueued, Entry, Fence, MAX_PAYLOAD_LEN, MessageId, MessageState, SqliteOutbox,
};

/// The most messages that one `enqueue` adds.
const MAX_COUNT: u32 = 1_000_000;

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
}

#[derive(Args)]
pub(super) struct OutboxArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Also list what is in doubt, with what is known about it
    #[arg(long)]
    in_doubt: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Opens the outbox, which is created if it does not exist.
pub(super) fn open(path: &Path) -> Result<SqliteOutbox, Report> {
    let what = || format!("cannot open the outbox {}", path.display());
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).into_diagnostic().wrap_err_with(what)?;
    }
    SqliteOutbox::open(path).into_diagnostic().wrap_err_with(what)
}

pub(super) fn enqueue(args: &EnqueueArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    let batch = Batch::new(args).map_err(Failure::BadInput)?;
    let mut outbox = open(&config.sqlite).map_err(Failure::AtRun)?;
    let mut existed = 0;
    for (index, id) in batch.ids.iter().enumerate() {
        let enqueued = outbox
            .enqueue(id, batch.payload(index), SystemClock.wall())
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot add {id}; the {index} before it are done"))
            .map_err(Failure::AtRun)?;
        existed += usize::from(matches!(enqueued, Enqueued::Exists(_)));
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
        Ok(Self { ids: ids.collect::<Result<_, _>>()?, payloads })
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

pub(super) fn show(args: &OutboxArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    if !config.sqlite.exists() {
        return Err(Failure::AtRun(miette!(
            help = "it is created by the first `fencepost node` or `fencepost enqueue`",
            "there is no outbox at {} yet",
            config.sqlite.display()
        )));
    }
    let mut outbox = open(&config.sqlite).map_err(Failure::AtRun)?;
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
    // Whoever reads this through a pipe may have had enough.
    let _ = std::io::stdout().write_all(out.as_bytes());
    Ok(())
}

fn as_text(counts: &Counts, fence: &Fence, doubts: Option<&[Entry]>) -> String {
    let mut out = String::new();
    for state in MessageState::ALL {
        let _ = writeln!(out, "{:<9} {:>9}", state.name(), counts.of(state));
    }
    let holder = fence.holder.map_or("nobody".to_owned(), |holder| holder.to_string());
    let cluster = match &fence.cluster {
        Some(name) => format!("cluster {name:?}"),
        None => "no cluster yet".to_owned(),
    };
    let Fence { floor, generation, .. } = fence;
    let _ = writeln!(out, "\nfence: floor {floor} of {holder}, generation {generation}, {cluster}");
    let Some(doubts) = doubts else { return out };
    let _ = match doubts {
        [] => writeln!(out, "\nnothing is in doubt"),
        _ => writeln!(out, "\nin doubt, oldest first:"),
    };
    for doubt in doubts {
        let token = doubt.token.map_or("?".to_owned(), |token| token.to_string());
        let who = if doubt.parked { "parked for a person" } else { "a leader will settle it" };
        let reason = doubt.reason.as_deref().unwrap_or("no reason known");
        let _ = writeln!(out, "  {}  token {token}, {who}: {reason}", doubt.id);
    }
    out
}

fn as_json(counts: &Counts, fence: &Fence, doubts: Option<&[Entry]>) -> String {
    let mut fields: Vec<String> = MessageState::ALL
        .iter()
        .map(|&state| format!("{}:{}", json(&state.name().replace(' ', "_")), counts.of(state)))
        .collect();
    fields.push(format!("\"fence\":{}", fence_as_json(fence)));
    if let Some(doubts) = doubts {
        let doubts: Vec<String> = doubts.iter().map(doubt_as_json).collect();
        fields.push(format!("\"doubts\":[{}]", doubts.join(",")));
    }
    format!("{{{}}}\n", fields.join(","))
}

fn fence_as_json(fence: &Fence) -> String {
    format!(
        "{{\"floor\":{},\"holder\":{},\"generation\":{},\"cluster\":{},\"raised_unix_ms\":{}}}",
        fence.floor,
        or_null(fence.holder.map(|holder| json(&holder.to_string()))),
        fence.generation.number,
        or_null(fence.cluster.as_deref().map(json)),
        or_null(fence.raised.map(|wall| wall.unix_ms.to_string())),
    )
}

fn doubt_as_json(doubt: &Entry) -> String {
    format!(
        "{{\"id\":{},\"token\":{},\"parked\":{},\"reason\":{},\"attempts\":{},\
         \"first_claimed_unix_ms\":{}}}",
        json(doubt.id.as_str()),
        or_null(doubt.token.map(|token| token.to_string())),
        doubt.parked,
        or_null(doubt.reason.as_deref().map(json)),
        doubt.attempts,
        or_null(doubt.first_claimed.map(|wall| wall.unix_ms.to_string())),
    )
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

/// A text as a JSON string.
fn json(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
