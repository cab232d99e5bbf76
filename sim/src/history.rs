//! The history of one run: every event that an oracle may ask about, in the order in which they
//! happened, with the true (simulated) time and, where a node's own clock matters, its reading.
//!
//! The history is also what determinism means: two runs of one seed are the same run if their
//! histories have the same length and the same hash.

mod detail;
mod job;
mod kind;
mod open_runs;
mod work;
mod world;

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

pub use self::detail::{Arrivals, ClaimEnd, MessageKind, NoEffect, Phase, ProofKind, SendOutcome};
pub use self::job::{ActionEnd, JobEvent, JobNo, JobRun, Look};
pub use self::kind::Kind;
pub use self::open_runs::OpenRuns;
pub use self::work::WorkEvent;
pub use self::world::{LinkState, Spot, WorldEvent};

/// True time: nanoseconds since the simulation began. No node can read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

impl SimTime {
    /// As seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Nanoseconds from `earlier` to here; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for SimTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}

/// A message of the workload, by the number in its id (`m17` is 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNo(pub u32);

impl std::fmt::Display for MessageNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// When.
    pub at: SimTime,
    /// What.
    pub kind: Kind,
}

/// Where a message of the outbox stands, as the database says.
pub use fencepost::store::MessageState;

/// All events of one run.
#[derive(Clone, Default)]
pub struct History {
    events: Vec<Event>,
    /// Where the events lie that are no messages: few among many.
    others: Vec<u32>,
    hasher: Batched,
    /// How many events there were, kept or not.
    total: u64,
    routine: Routine,
    /// In tests: from so many events on.
    #[cfg(test)]
    thin_from: Option<usize>,
}

/// From so many events on, routine that repeats itself is not kept.
const THIN_FROM: usize = 1_000_000;

/// What a long run does all day: the same heartbeats, answers, and extensions of one lease. Between two
/// events of another kind each counts once, because nothing that an oracle knows has changed.
#[derive(Clone, Default)]
struct Routine {
    /// The messages that were kept since.
    said: Vec<Kind>,
    /// The last extension of each node's lease since, which is kept when something else happens.
    extended: Vec<Event>,
}

impl Routine {
    /// Whether that is to be kept now; if not, what it says was said, or will be told.
    fn is_news(&mut self, at: SimTime, kind: &Kind) -> bool {
        match kind {
            Kind::LeaseExtended { node, .. } => {
                let other = |event: &Event| !matches!(&event.kind, Kind::LeaseExtended { node: other, .. } if other == node);
                self.extended.retain(other);
                self.extended.push(Event { at, kind: kind.clone() });
                false
            }
            Kind::Sent { what: MessageKind::Heartbeat | MessageKind::HeartbeatAck, .. } => {
                let mut kind = kind.clone();
                if let Kind::Sent { arrives, .. } = &mut kind {
                    *arrives = Arrivals::Untold;
                }
                let new = !self.said.contains(&kind);
                if new {
                    self.said.push(kind);
                }
                new
            }
            _ => {
                self.said.clear();
                true
            }
        }
    }
}

impl History {
    /// Adds an event.
    ///
    /// # Panics
    /// It lies before the last one: a bug in the testbed.
    pub fn push(&mut self, at: SimTime, kind: Kind) {
        if let Some(last) = self.events.last() {
            assert!(last.at <= at, "history goes forward: {:?} then {kind:?} at {at}", last);
        }
        let event = Event { at, kind };
        event.hash(&mut self.hasher);
        self.total += 1;
        if self.events.len() >= self.thin_from() {
            if !self.routine.is_news(at, &event.kind) {
                return;
            }
            for event in std::mem::take(&mut self.routine.extended) {
                self.keep(event);
            }
        }
        self.keep(event);
    }

    #[cfg(not(test))]
    fn thin_from(&self) -> usize {
        THIN_FROM
    }

    #[cfg(test)]
    fn thin_from(&self) -> usize {
        self.thin_from.unwrap_or(THIN_FROM)
    }

    fn keep(&mut self, event: Event) {
        if !matches!(event.kind, Kind::Sent { .. }) {
            self.others.push(u32::try_from(self.events.len()).expect("far fewer events"));
        }
        self.events.push(event);
    }

    /// All events, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All events but [`Kind::Sent`], each with its index among all. Most events are messages, and
    /// most oracles do not ask about them.
    pub fn besides_messages(&self) -> impl DoubleEndedIterator<Item = (usize, &Event)> {
        self.others.iter().map(|&index| (index as usize, &self.events[index as usize]))
    }

    /// How many events there were, those of a long run included that only repeated others and were not
    /// kept.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Hash over every event, kept or not.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}

/// How many bytes are hashed at once.
const BATCH: usize = 2048;

/// XXH3 over batches: an event is hashed as some twenty short fields, and each would cost more than
/// its bytes. The hash is the same.
#[derive(Clone)]
struct Batched {
    hasher: Xxh3,
    batch: [u8; BATCH],
    len: usize,
}

impl Default for Batched {
    fn default() -> Self {
        Self { hasher: Xxh3::default(), batch: [0; BATCH], len: 0 }
    }
}

impl Batched {
    #[cold]
    fn write_through(&mut self, bytes: &[u8]) {
        self.hasher.update(&self.batch[..self.len]);
        self.hasher.update(bytes);
        self.len = 0;
    }
}

impl Hasher for Batched {
    #[inline(always)] // of a length that is known where it is called
    fn write(&mut self, bytes: &[u8]) {
        match self.batch.get_mut(self.len..self.len + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.write_through(bytes),
        }
    }

    fn finish(&self) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.batch[..self.len]);
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use fencepost::{Generation, Identity, Term};

    use super::*;
    use crate::faults::plan::node;

    /// Short fields, and bytes that end at, before and after the end of a batch.
    #[test]
    fn hashing_in_batches_changes_no_hash() {
        let (mut batched, mut plain) = (Batched::default(), Xxh3::default());
        for len in [1, 7, 32, BATCH, 3, BATCH - 3, 1, 2 * BATCH + 5, 0, 100, 8] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            for hasher in [&mut batched as &mut dyn Hasher, &mut plain] {
                hasher.write_u64(len as u64);
                hasher.write(&bytes);
            }
            assert_eq!(batched.finish(), Hasher::finish(&plain), "after {len} bytes");
        }
    }

    #[test]
    fn messages_are_left_out_and_the_others_keep_their_place() {
        let mut history = History::default();
        let from = Identity { node: node(1), incarnation: fencepost::Incarnation::FIRST };
        let (to, generation, term) = (node(2), Generation::stored(1), Term(1));
        let (vote, release, arrives) = (None, None, Arrivals::Untold);
        let what = MessageKind::Heartbeat;
        let sent = Kind::Sent { from, to, generation, term, what, release, vote, arrives };
        for kind in [Kind::Phase(Phase::WarmUp), sent, Kind::End] {
            history.push(SimTime(1), kind);
        }
        let others: Vec<usize> = history.besides_messages().map(|(index, _)| index).collect();
        assert_eq!((others, history.len()), (vec![0, 2], 3));
    }

    /// A day of heartbeats is a few of them; whatever else happens finds the lease as it is.
    #[test]
    fn of_a_long_run_routine_is_kept_once_and_all_of_it_is_hashed() {
        let who =
            |number| Identity { node: node(number), incarnation: fencepost::Incarnation::FIRST };
        let (generation, term) = (Generation::stored(1), Term(1));
        let beat = |to, at| {
            let (what, vote, release) = (MessageKind::Heartbeat, None, None);
            let (from, to, arrives) =
                (who(1), node(to), Arrivals::At([Some(SimTime(at + 1)), None]));
            Kind::Sent { from, to, generation, term, what, vote, release, arrives }
        };
        let extended = |until| {
            let until = fencepost::Instant(until);
            Kind::LeaseExtended { node: node(1), term, until }
        };
        let written = |from: Option<usize>| {
            let mut history = History { thin_from: from, ..History::default() };
            history.push(SimTime(0), Kind::Phase(Phase::Faults));
            for at in 1..=50 {
                for kind in [beat(2, at), beat(3, at), extended(at + 10)] {
                    history.push(SimTime(at), kind);
                }
            }
            history.push(SimTime(60), Kind::Booted { node: node(2), boot: 2 });
            history.push(SimTime(61), beat(2, 61));
            history.push(SimTime(62), Kind::End);
            history
        };
        let (all, thin) = (written(None), written(Some(1)));
        assert_eq!((all.len(), all.total()), (154, 154));
        assert_eq!((thin.total(), thin.hash()), (all.total(), all.hash()));
        let told: Vec<(u64, bool)> = thin
            .events()
            .iter()
            .map(|event| (event.at.0, matches!(event.kind, Kind::LeaseExtended { .. })))
            .collect();
        let lease = (50, true);
        let beats = [(1, false), (1, false)];
        let rest = [lease, (60, false), (61, false), (62, false)];
        assert_eq!(told, [&[(0, false)][..], &beats, &rest].concat());
        assert_eq!(thin.events()[3].kind, extended(60), "the newest of them");
    }
}
