//! A backlog that is being worked off, told from a standstill: what is unfinished when a run ends has
//! either been left behind, or its turn has not come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::history::{Event, History, Kind, MessageNo, MessageState, Phase, SimTime};

/// Messages flow if one has ended this soon before the end of the run.
const FLOW: Duration = Duration::from_secs(2);

/// How far back it is asked what was worked on: longer than any message rests, and than a batch takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was done about messages in the last stretch of a run, while nothing was wrong any longer.
#[derive(Debug)]
pub(super) struct Backlog {
    /// How many ended.
    ended: u64,
    /// How long the stretch was.
    stretch: Duration,
    /// Whether the flow went on to the end.
    flows: bool,
    /// The first of those that were claimed for the first time.
    first: Option<MessageNo>,
    /// Messages that something was done about.
    touched: BTreeSet<MessageNo>,
    /// Their keys.
    keys: BTreeSet<u32>,
}

impl Backlog {
    /// Looks back from `end`.
    pub fn of(history: &History, end: SimTime) -> Self {
        let healing = |(_, event): (usize, &Event)| {
            (event.kind == Kind::Phase(Phase::Healing)).then_some(event.at)
        };
        let healed = history.besides_messages().find_map(healing).unwrap_or(end);
        let from = SimTime(end.0.saturating_sub(nanos(PATIENCE))).max(healed);
        let mut backlog = Self {
            ended: 0,
            stretch: Duration::from_nanos(end.since(from)),
            flows: false,
            first: None,
            touched: BTreeSet::new(),
            keys: BTreeSet::new(),
        };
        let mut keys = BTreeMap::new();
        let mut claimed = BTreeMap::new();
        for (_, event) in history.besides_messages().take_while(|(_, event)| event.at <= end) {
            let message = match event.kind {
                Kind::Enqueued { message, key } => {
                    keys.insert(message, key);
                    continue;
                }
                Kind::Claimed { message, .. } => {
                    let since = *claimed.entry(message).or_insert(event.at);
                    if since == event.at && event.at >= from {
                        backlog.first = Some(backlog.first.map_or(message, |f| f.min(message)));
                    }
                    message
                }
                Kind::Moved { message, to, .. } => {
                    if matches!(to, MessageState::Delivered | MessageState::Failed) {
                        backlog.ends(event.at, from, end);
                    }
                    message
                }
                Kind::Parked { message, .. } => {
                    backlog.ends(event.at, from, end);
                    message
                }
                Kind::SendStarted { message, .. } | Kind::SendEnded { message, .. } => message,
                _ => continue,
            };
            if event.at >= from {
                backlog.touched.insert(message);
                backlog.keys.extend(keys.get(&message).copied().flatten());
            }
        }
        backlog
    }

    fn ends(&mut self, at: SimTime, from: SimTime, end: SimTime) {
        self.ended += u64::from(at >= from);
        self.flows |= at >= from && end.since(at) <= nanos(FLOW);
    }

    /// Whether the turn of a message that nobody has claimed yet may still come: somebody works on its
    /// key, or on messages that are older.
    pub fn may_come(&self, message: MessageNo, key: Option<u32>) -> bool {
        let its_key = || key.is_some_and(|key| self.keys.contains(&key));
        let overtaken = self.first.is_some_and(|first| message < first);
        self.flows && (self.is_under_way(message) || its_key() || !overtaken)
    }

    /// Whether something was done about the message itself, and messages flow.
    pub fn is_under_way(&self, message: MessageNo) -> bool {
        self.flows && self.touched.contains(&message)
    }

    /// How many messages end in a second.
    pub fn per_second(&self) -> f64 {
        self.ended as f64 / self.stretch.as_secs_f64().max(0.001)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What was left when the run ended, though it was being worked off: there was too much of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unfinished {
    /// How many messages.
    pub left: u64,
    /// How many ended in each second of the last stretch.
    pub per_second: f64,
}

impl Unfinished {
    /// How much longer it would have taken.
    pub fn needs(&self) -> Duration {
        Duration::from_secs_f64((self.left as f64 / self.per_second.max(0.001)).ceil().min(1e9))
    }
}
