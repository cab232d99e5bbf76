//! Which messages a command is about, and how they are read: page by page, because an outbox may hold
//! millions.

use std::time::Duration;

use clap::Args;
use miette::{Context, IntoDiagnostic, miette};

use super::Failure;
use super::store::OpenOutbox;
use fencepost::store::{Entry, MessageId, MessageState, Page};
use fencepost::{Clock, SystemClock, WallTime};

/// How many messages are read at once.
pub(super) const PAGE: usize = 500;

#[derive(Args, Default)]
pub(super) struct FilterArgs {
    /// Only those of this ordering key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only those of which this was said last, or something that has it in it, such as "HTTP 404"
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those that have stood where they stand for longer, such as 2h or 1day
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only those that came to where they stand within so long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

impl FilterArgs {
    /// Whether it leaves out nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Self { key, reason, older_than, newer_than } = self;
        key.is_none() && reason.is_none() && older_than.is_none() && newer_than.is_none()
    }

    /// The same, as it was read at this moment: an hour of work changes nothing about who is meant.
    pub(super) fn now(&self) -> Filter<'_> {
        let now = SystemClock.wall();
        let ago = |age: Duration| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            WallTime { unix_ms: now.unix_ms.saturating_sub(age) }
        };
        Filter { args: self, before: self.older_than.map(ago), since: self.newer_than.map(ago) }
    }
}

/// A filter of one moment.
pub(super) struct Filter<'a> {
    args: &'a FilterArgs,
    before: Option<WallTime>,
    since: Option<WallTime>,
}

impl Filter<'_> {
    fn takes(&self, entry: &Entry) -> bool {
        let FilterArgs { key, reason, .. } = self.args;
        let of_key = |key: &String| entry.key.as_ref().is_some_and(|it| it.as_str() == key);
        let said = |text: &String| entry.reason.as_ref().is_some_and(|it| it.contains(text));
        key.as_ref().is_none_or(of_key)
            && reason.as_ref().is_none_or(said)
            && self.before.is_none_or(|before| entry.changed <= before)
            && self.since.is_none_or(|since| entry.changed >= since)
    }
}

/// Hands over the messages that stand at `only` and pass the filter, oldest first, from the one after `after`
/// on, a page at a time, until `take` has enough: then it says `false`. Tells whether it did.
pub(super) fn each_page(
    outbox: &mut OpenOutbox,
    only: Option<MessageState>,
    after: u64,
    filter: &Filter<'_>,
    mut take: impl FnMut(&mut OpenOutbox, Vec<Entry>) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let mut page = Page { only, after, limit: PAGE };
    loop {
        let found = outbox.page(&page).into_diagnostic().wrap_err("cannot read the outbox");
        let mut found = found.map_err(Failure::AtRun)?;
        let Some(last) = found.last() else { return Ok(false) };
        page.after = last.seq;
        found.retain(|entry| filter.takes(entry));
        if !found.is_empty() && !take(outbox, found)? {
            return Ok(true);
        }
    }
}

/// The place of a message in the order of all.
pub(super) fn place(outbox: &mut OpenOutbox, id: &MessageId) -> Result<u64, Failure> {
    let entry = outbox.entry(id).into_diagnostic().wrap_err("cannot read the outbox");
    entry.map_err(Failure::AtRun)?.map(|entry| entry.seq).ok_or_else(|| {
        Failure::AtRun(miette!(
            help = "`fencepost outbox list` shows those that there are",
            "there is no message {id}"
        ))
    })
}
