//! What a leader does about each word of its sink, message by message: a retry, a dead letter, a doubt and
//! its proof, and that nothing is claimed for a sink that is away.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::cluster::testing::{Said, World, say};
use crate::delivery::{SendError, SinkError};
use crate::store::{Entry, MessageId, MessageState, NewMessage, SqliteOutbox, SqliteStore};

/// Says what it is told to, and then yes; writes down what it is asked.
struct Scripted {
    promise: Promise,
    words: Mutex<VecDeque<Result<(), SendError>>>,
    away: Mutex<u32>,
    has: bool,
    said: Said,
}

impl Sink for Scripted {
    fn promise(&self) -> Promise {
        self.promise
    }

    async fn ready(&self) -> Result<(), SinkError> {
        let mut away = self.away.lock().unwrap();
        if *away == 0 {
            return Ok(());
        }
        *away -= 1;
        Err(SinkError::Unavailable("closed".into()))
    }

    async fn send(&self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        say(&self.said, format!("send {} {stamp}", message.id));
        self.words.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }

    async fn fence(&self, stamp: Stamp) -> Result<(), SinkError> {
        say(&self.said, format!("fence {stamp}"));
        Ok(())
    }

    async fn has(&self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        say(&self.said, format!("has {id} {stamp}"));
        Ok(self.has)
    }
}

fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

/// Enqueues one message, leads with token 5, and looks half a minute later: what the sink was
/// asked, and where the message stands.
async fn delivers(
    promise: Promise,
    has: bool,
    away: u32,
    words: impl IntoIterator<Item = SendError>,
) -> (Vec<String>, Entry) {
    let world = World::over(|clock| {
        SqliteStore::new(SqliteOutbox::in_memory().unwrap(), move || clock.wall())
    });
    let said = Arc::clone(&world.said);
    let words = Mutex::new(words.into_iter().map(Err).collect());
    let sink = Scripted { promise, words, away: Mutex::new(away), has, said };
    let config = DispatcherConfig { attempts_max: 3, ..DispatcherConfig::default() };
    let store = Arc::clone(world.service.store());
    let message = NewMessage::new(id("m"), *b"hello");
    crate::store::Outbox::enqueue(&*store, &[message]).await.unwrap();
    world.service.deliver(Arc::new(sink), config).unwrap();
    world.lead(5);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let entry = store.with(|outbox, _| outbox.entry(&id("m"))).await.unwrap().unwrap();
    (world.said(), entry)
}

fn not_now() -> SendError {
    SendError::NotNow("busy".into())
}

#[tokio::test]
async fn a_refusal_for_now_is_repeated_so_often_and_then_given_up() {
    let (said, entry) = delivers(Promise::Fenced, false, 0, [not_now(), not_now()]).await;
    assert_eq!(said.iter().filter(|word| word.starts_with("send m ")).count(), 3, "{said:?}");
    assert_eq!((entry.state, entry.failures), (MessageState::Delivered, 2));
    let (said, entry) = delivers(Promise::Fenced, false, 0, [(); 9].map(|()| not_now())).await;
    assert_eq!(said.iter().filter(|word| word.starts_with("send m ")).count(), 3, "{said:?}");
    assert_eq!(entry.state, MessageState::Failed);
    assert_eq!(entry.reason.as_deref(), Some("gave up after 3 attempts: busy"));
}

/// A claim for nothing would count an attempt, and be in doubt if the process died.
#[tokio::test]
async fn nothing_is_claimed_while_the_sink_is_away() {
    let (said, entry) = delivers(Promise::Plain, false, 5, []).await;
    assert_eq!(said, ["send m 5.0"]);
    assert_eq!((entry.state, entry.attempts), (MessageState::Delivered, 1));
}

/// Under the same leader, and no later than the next look: only a sink that is fenced first proves
/// anything by its word.
#[tokio::test]
async fn a_doubt_is_settled_by_what_the_sink_can_do() {
    let unknown = || [SendError::Unknown("timeout".into())];
    let (said, entry) = delivers(Promise::Fenced, true, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0", "fence 5.1", "has m 5.1"]);
    assert_eq!(entry.state, MessageState::Delivered);
    let (said, entry) = delivers(Promise::Fenced, false, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0", "fence 5.1", "has m 5.1", "send m 5.1"]);
    assert_eq!(entry.state, MessageState::Delivered);
    let window = Duration::from_secs(60);
    let (said, entry) = delivers(Promise::Deduplicates { window }, false, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0", "send m 5.0"]);
    assert_eq!(entry.state, MessageState::Delivered);
    let (said, entry) = delivers(Promise::Plain, false, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0"]);
    assert_eq!((entry.state, entry.parked), (MessageState::InDoubt, true));
    assert_eq!(entry.reason.as_deref(), Some("timeout; the sink cannot tell"));
}

#[tokio::test]
async fn a_message_that_is_rejected_is_not_sent_again() {
    let rejected = [SendError::Rejected("no such recipient".into())];
    let (said, entry) = delivers(Promise::Fenced, false, 0, rejected).await;
    assert_eq!(said, ["send m 5.0"]);
    assert_eq!(
        (entry.state, entry.reason.as_deref()),
        (MessageState::Failed, Some("no such recipient"))
    );
}
