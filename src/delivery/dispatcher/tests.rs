//! What a leader does about each word of its sink, message by message: a retry, a dead letter, a doubt and
//! its proof, and that nothing is claimed for a sink that is away; and what a worker does first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::*;
use crate::cluster::lines::Lines;
use crate::cluster::testing::{Said, Simulated, World, say};
use crate::delivery::{SendError, SinkError};
use crate::id::{Boot, Generation, Identity, Incarnation};
use crate::store::{
    Assignments, Attempt, Change, Claim, Entry, Epoch, Fence, MessageId, MessageState, NewMessage,
    Outbox, Permit, Share, SqliteOutbox, SqliteStore, Unit, WorkName,
};

/// What the sink does about one send.
struct Word {
    takes: Duration,
    says: Result<(), SendError>,
    /// How often it is not ready after that.
    then_away: u32,
}

impl From<SendError> for Word {
    fn from(error: SendError) -> Self {
        Self { takes: Duration::ZERO, says: Err(error), then_away: 0 }
    }
}

/// The sink has it after so long.
fn taken(takes: Duration) -> Word {
    Word { takes, says: Ok(()), then_away: 0 }
}

/// Does what it is told to, and then says yes; writes down what it is asked.
struct Scripted {
    clock: Simulated,
    promise: Promise,
    words: Mutex<VecDeque<Word>>,
    /// How often it is not ready, from now on.
    away: Arc<Mutex<u32>>,
    has: bool,
    /// How long it takes to answer a question about these messages; longer than its client waits,
    /// and there is no answer.
    slow: BTreeMap<MessageId, Duration>,
    said: Said,
}

/// How long the client of that sink waits for an answer.
const CLIENT_WAITS: Duration = Duration::from_secs(30);

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
        let word = self.words.lock().unwrap().pop_front();
        let Word { takes, says, then_away } = word.unwrap_or_else(|| taken(Duration::ZERO));
        self.clock.sleep(takes).await;
        *self.away.lock().unwrap() += then_away;
        says
    }

    async fn fence(&self, stamp: Stamp) -> Result<(), SinkError> {
        say(&self.said, format!("fence {stamp}"));
        Ok(())
    }

    async fn has(&self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        say(&self.said, format!("has {id} {stamp}"));
        match self.slow.get(id).copied() {
            // Its server answers at once, with nothing of use.
            Some(Duration::MAX) => return Err(SinkError::Unavailable("500".into())),
            Some(takes) if takes >= CLIENT_WAITS => {
                self.clock.sleep(CLIENT_WAITS).await;
                return Err(SinkError::Unavailable("timeout".into()));
            }
            Some(takes) => self.clock.sleep(takes).await,
            None => {}
        }
        Ok(self.has)
    }
}

fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

/// Messages, a sink, and a node that may lead.
struct Trial {
    world: World<SqliteStore>,
    sink: Scripted,
    config: DispatcherConfig,
}

impl Trial {
    async fn of(promise: Promise, messages: &[&str]) -> Self {
        let world = World::over(|clock| {
            SqliteStore::new(SqliteOutbox::in_memory().unwrap(), move || clock.wall())
        });
        let messages: Vec<_> =
            messages.iter().map(|name| NewMessage::new(id(name), *b"hello")).collect();
        world.service.store().enqueue(&messages).await.unwrap();
        let (clock, said) = (world.service.clock().clone(), Arc::clone(&world.said));
        let (words, away, slow) = Default::default();
        let sink = Scripted { clock, promise, words, away, has: false, slow, said };
        let config = DispatcherConfig { attempts_max: 3, ..DispatcherConfig::default() };
        Self { world, sink, config }
    }

    fn words(mut self, words: impl IntoIterator<Item = impl Into<Word>>) -> Self {
        self.sink.words = Mutex::new(words.into_iter().map(Into::into).collect());
        self
    }

    /// Asked about it, the sink takes so long; with [`Duration::MAX`] it fails at once.
    fn slow(mut self, name: &str, takes: Duration) -> Self {
        self.sink.slow.insert(id(name), takes);
        self
    }

    /// Leads with token 5 for so long.
    async fn leads(self, lasting: Duration) -> World<SqliteStore> {
        let Self { world, sink, config } = self;
        world.service.deliver(Arc::new(sink), config).unwrap();
        world.lead(5);
        tokio::time::sleep(lasting).await;
        world
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HALF_A_SECOND: Duration = Duration::from_millis(500);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

async fn entry_of(world: &World<SqliteStore>, name: &str) -> Entry {
    let id = id(name);
    world.service.store().with(move |outbox, _| outbox.entry(&id)).await.unwrap().unwrap()
}

fn sends_of(name: &str, said: &[String]) -> usize {
    let begins = format!("send {name} ");
    said.iter().filter(|word| word.starts_with(&begins)).count()
}

/// Enqueues one message, leads with token 5, and looks half a minute later: what the sink was
/// asked, and where the message stands.
async fn delivers(
    promise: Promise,
    has: bool,
    away: u32,
    words: impl IntoIterator<Item = SendError>,
) -> (Vec<String>, Entry) {
    let mut trial = Trial::of(promise, &["m"]).await.words(words);
    (trial.sink.has, trial.sink.away) = (has, Arc::new(Mutex::new(away)));
    let world = trial.leads(HALF_A_MINUTE).await;
    (world.said(), entry_of(&world, "m").await)
}

fn unknown() -> SendError {
    SendError::Unknown("timeout".into())
}

fn not_now() -> SendError {
    SendError::NotNow("busy".into())
}

#[tokio::test]
async fn a_refusal_for_now_is_repeated_so_often_and_then_given_up() {
    let (said, entry) = delivers(Promise::Fenced, false, 0, [not_now(), not_now()]).await;
    assert_eq!(sends_of("m", &said), 3, "{said:?}");
    assert_eq!((entry.state, entry.failures), (MessageState::Delivered, 2));
    let (said, entry) = delivers(Promise::Fenced, false, 0, [(); 9].map(|()| not_now())).await;
    assert_eq!(sends_of("m", &said), 3, "{said:?}");
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
    let unknown = || [unknown()];
    let (said, entry) = delivers(Promise::Fenced, true, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0", "fence 5.1", "has m 5.1"]);
    assert_eq!(entry.state, MessageState::Delivered);
    let (said, entry) = delivers(Promise::Fenced, false, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0", "fence 5.1", "has m 5.1", "send m 5.1"]);
    assert_eq!(entry.state, MessageState::Delivered);
    let (said, entry) =
        delivers(Promise::Deduplicates { window: MINUTE }, false, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0", "send m 5.0"]);
    assert_eq!(entry.state, MessageState::Delivered);
    let (said, entry) = delivers(Promise::Plain, false, 0, unknown()).await;
    assert_eq!(said, ["send m 5.0"]);
    assert_eq!((entry.state, entry.parked), (MessageState::InDoubt, true));
    assert_eq!(entry.reason.as_deref(), Some("timeout; the sink cannot tell"));
}

fn rejected() -> SendError {
    SendError::Rejected("no such recipient".into())
}

/// Alone, nobody can tell whose fault it is: then it is tried like one that was refused for now.
#[tokio::test]
async fn a_message_that_is_rejected_ends_once_the_sink_has_taken_another() {
    let (said, entry) = delivers(Promise::Fenced, false, 0, [(); 9].map(|()| rejected())).await;
    assert_eq!((sends_of("m", &said), entry.state), (3, MessageState::Failed), "{said:?}");
    assert_eq!(entry.reason.as_deref(), Some("gave up after 3 attempts: no such recipient"));
    let words = [rejected().into(), taken(Duration::ZERO), rejected().into()];
    let trial = Trial::of(Promise::Fenced, &["m", "n"]).await.words(words);
    let world = trial.leads(HALF_A_MINUTE).await;
    assert_eq!(world.said(), ["send m 5.0", "send n 5.0", "send m 5.0"]);
    let entry = entry_of(&world, "m").await;
    assert_eq!(
        (entry.state, entry.reason.as_deref()),
        (MessageState::Failed, Some("no such recipient"))
    );
}

/// Whatever it says: nothing ends, nothing but the first few counts a failure, and it is not asked at
/// the speed of the network; once it is well, all is delivered at once.
#[tokio::test]
async fn a_sink_that_refuses_everything_kills_nothing_and_gets_its_rest() {
    let names: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (promise, refusal) in [
        (Promise::Plain, not_now()),
        (Promise::Fenced, rejected()),
        (Promise::Plain, SendError::Denied("401".into())),
        (Promise::Fenced, unknown()),
    ] {
        let denied = matches!(refusal, SendError::Denied(_));
        let words = (0..if denied { 3 } else { 8 }).map(|_| refusal.clone());
        let world = Trial::of(promise, &names).await.words(words).leads(MINUTE / 4).await;
        let sends = world.said().iter().filter(|word| word.starts_with("send")).count();
        assert!(sends <= 8, "{refusal:?}: {sends}");
        tokio::time::sleep(HALF_A_SECOND * 80).await;
        let mut failures = 0;
        for name in &names {
            let entry = entry_of(&world, name).await;
            assert_eq!(entry.state, MessageState::Delivered, "{refusal:?}: {entry:?}");
            failures += entry.failures;
        }
        if refusal != unknown() {
            assert!(failures <= 2, "{refusal:?}: {failures}");
        }
    }
}

/// No sink has to be asked.
#[tokio::test]
async fn what_cannot_be_sent_at_all_ends_at_once() {
    let words = [SendError::Unsendable("no header".into())];
    let (said, entry) = delivers(Promise::Plain, false, 0, words).await;
    assert_eq!((said.len(), entry.state), (1, MessageState::Failed));
}

/// An overloaded sink that answers nothing of use is not asked as fast as it fails.
#[tokio::test]
async fn what_is_sent_again_after_an_unknown_outcome_waits_ever_longer() {
    let trial = Trial::of(Promise::Fenced, &["m"]).await.words([(); 50].map(|()| unknown()));
    let config = DispatcherConfig { attempts_max: 6, ..trial.config.clone() };
    let world = Trial { config, ..trial }.leads(HALF_A_MINUTE).await;
    // After 0.5, 1, 2, 4 and 8 seconds, and then no more.
    assert_eq!(sends_of("m", &world.said()), 6, "{:?}", world.said());
    let entry = entry_of(&world, "m").await;
    assert_eq!((entry.state, entry.failures), (MessageState::Failed, 6));
    assert_eq!(entry.reason.as_deref(), Some("gave up after 6 attempts: timeout"));

    // Without a proof that the sink lacks it, only the end of the window ends it.
    let promise = Promise::Deduplicates { window: Duration::from_secs(10) };
    let (said, entry) = delivers(promise, false, 0, [(); 50].map(|()| unknown())).await;
    assert_eq!(sends_of("m", &said), 5, "{said:?}");
    assert_eq!((entry.state, entry.parked), (MessageState::InDoubt, true));
}

/// It may never have been sent, which is no failure of the message's.
#[tokio::test]
async fn what_an_earlier_leader_has_claimed_is_not_given_up() {
    let trial = Trial::of(Promise::Fenced, &["m"]).await;
    claimed_before(trial.world.service.store(), "m").await;
    let config = DispatcherConfig { attempts_max: 1, ..trial.config.clone() };
    let world = Trial { config, ..trial }.leads(HALF_A_SECOND * 2).await;
    assert_eq!(world.said(), ["fence 5.1", "has m 5.1", "send m 5.1"]);
    assert_eq!(entry_of(&world, "m").await.state, MessageState::Delivered);
}

/// The holder of token 4 claims a message, and is not heard of again.
async fn claimed_before(store: &SqliteStore, name: &str) {
    let holder = Identity { node: "n2".parse().unwrap(), incarnation: Incarnation::FIRST };
    store.activate(Generation::NONE, Token(4), holder).await.unwrap();
    let attempt = Attempt { id: id(name), number: 1 };
    let wall = crate::time::WallTime { unix_ms: 1 };
    store.claim(&Permit::of_holder(Token(4)), &[attempt], wall).await.unwrap();
    let state = store
        .with({
            let id = id(name);
            move |outbox, _| outbox.state_of(&id)
        })
        .await;
    assert_eq!(state, Ok(Some(MessageState::Claimed)));
}

/// A gateway may say no to a message that came through before.
#[tokio::test]
async fn a_rejection_after_an_unknown_outcome_proves_nothing() {
    let rejected = [(); 20].map(|()| SendError::Rejected("forbidden".into()));
    let words = || [unknown()].into_iter().chain(rejected.clone());
    let promise = Promise::Deduplicates { window: Duration::from_secs(10) };
    let (said, entry) = delivers(promise, false, 0, words()).await;
    assert_eq!((entry.state, entry.parked), (MessageState::InDoubt, true));
    assert_eq!(sends_of("m", &said), 5, "{said:?}");
    let reason = "forbidden; the deduplication window is over";
    assert_eq!(entry.reason.as_deref(), Some(reason));
    // A fenced sink has proved by then that it has nothing.
    let (said, entry) = delivers(Promise::Fenced, false, 0, words()).await;
    assert_eq!((sends_of("m", &said), entry.state), (3, MessageState::Failed));
}

/// Nothing left the node: that is no failure of the message's, however often.
#[tokio::test]
async fn what_was_not_sent_is_tried_again_after_a_pause_and_never_given_up() {
    let not_sent = [(); 9].map(|()| SendError::NotSent("no connection".into()));
    let lines = Lines::default();
    // A place in the code that another test comes to first, while these lines are kept, logs nothing in
    // any: so this one comes there before.
    Trouble::of("delivery", "nobody").failed(Instant(0), "nothing", &"at all");
    let logs = tracing::subscriber::set_default(lines.clone());
    let trial = Trial::of(Promise::Plain, &["m"]).await.words(not_sent);
    let world = trial.leads(HALF_A_SECOND).await;
    // After 100, 200 and 400 ms, …
    assert_eq!(sends_of("m", &world.said()), 3, "{:?}", world.said());
    tokio::time::sleep(HALF_A_MINUTE).await;
    let entry = entry_of(&world, "m").await;
    assert_eq!((entry.state, entry.failures), (MessageState::Delivered, 0));
    assert_eq!(sends_of("m", &world.said()), 10);
    drop(logs);
    let warned = lines.all().iter().filter(|line| line.contains("no connection")).count();
    assert_eq!(warned, 4, "1, 2, 4, 8: {:?}", lines.all());
}

/// As with a wrong password: ten logins a second would lock the account for good.
#[tokio::test]
async fn a_sink_that_is_away_is_tried_ever_more_rarely_until_it_is_back() {
    let trial = Trial::of(Promise::Plain, &["m"]).await;
    let away = Arc::clone(&trial.sink.away);
    *away.lock().unwrap() = 1000;
    let world = trial.leads(HALF_A_MINUTE).await;
    let tries = 1000 - *away.lock().unwrap();
    // After 0.1, 0.2, 0.4, 0.8, 1.6 and 3.2 seconds, and then every five.
    assert_eq!(tries, 7 + 4);
    *away.lock().unwrap() = 0;
    tokio::time::sleep(HALF_A_SECOND * 10).await;
    assert_eq!(entry_of(&world, "m").await.state, MessageState::Delivered);
    // A stop does not wait for the end of a pause.
    *away.lock().unwrap() = 1000;
    world.service.store().enqueue(&[NewMessage::new(id("n"), *b"hello")]).await.unwrap();
    tokio::time::sleep(HALF_A_SECOND * 20).await;
    assert_eq!(1000 - *away.lock().unwrap(), 7, "short pauses again at first");
    assert!(ends_within(world, HALF_A_SECOND).await);
}

async fn ends_within(world: World<SqliteStore>, limit: Duration) -> bool {
    tokio::time::timeout(limit, world.service.shutdown()).await.is_ok()
}

/// One that is gone in the middle of a batch: what is left of it is not claimed for nothing.
#[tokio::test]
async fn a_message_that_was_not_sent_ends_its_batch() {
    let not_sent = [SendError::NotSent("no connection".into())];
    let trial = Trial::of(Promise::Fenced, &["a", "b", "c"]).await.words(not_sent);
    let world = trial.leads(HALF_A_SECOND).await;
    assert_eq!(world.said(), ["send a 5.0", "send a 5.0", "send b 5.0", "send c 5.0"]);
    let entry = entry_of(&world, "c").await;
    assert_eq!((entry.state, entry.attempts), (MessageState::Delivered, 2));
}

/// What the earlier leader left in doubt, and a sink that is slow to say what it has of it.
async fn in_doubt(slow: Duration) -> Trial {
    let trial = Trial::of(Promise::Fenced, &["m"]).await.slow("m", slow);
    claimed_before(trial.world.service.store(), "m").await;
    trial.world.service.store().enqueue(&[NewMessage::new(id("n"), *b"hello")]).await.unwrap();
    trial
}

/// Each raise of the round costs every worker a refusal, and proves no more than the last.
#[tokio::test]
async fn what_the_sink_cannot_tell_is_asked_about_ever_more_rarely_and_fenced_off_once() {
    let world = in_doubt(Duration::MAX).await.leads(HALF_A_MINUTE).await;
    let said = world.said();
    assert_eq!(said[..3], ["fence 5.1", "has m 5.1", "send n 5.1"]);
    assert_eq!(said.iter().filter(|word| word.starts_with("fence")).count(), 1, "{said:?}");
    let asked = said.iter().filter(|word| word.starts_with("has")).count();
    // At once, again because the fencing was an answer, after 0.1, 0.2, … 3.2 seconds, and every five.
    assert!((10..14).contains(&asked), "{asked}: {said:?}");
}

#[tokio::test]
async fn a_new_doubt_is_fenced_off_and_asked_about_before_those_asked_in_vain() {
    let trial = in_doubt(Duration::MAX).await.words([unknown()]);
    let world = trial.leads(HALF_A_MINUTE).await;
    let said = world.said();
    assert_eq!(said[..5], ["fence 5.1", "has m 5.1", "send n 5.1", "fence 5.2", "has n 5.2"]);
    assert_eq!(said.iter().filter(|word| word.starts_with("fence")).count(), 2, "{said:?}");
    assert_eq!(entry_of(&world, "n").await.state, MessageState::Delivered);
}

#[tokio::test]
async fn delivery_and_a_stop_do_not_wait_for_a_sink_that_does_not_answer() {
    let world = in_doubt(CLIENT_WAITS).await.leads(HALF_A_SECOND * 3).await;
    assert_eq!(entry_of(&world, "n").await.state, MessageState::Delivered);
    // Asked again by now.
    tokio::time::sleep(HALF_A_SECOND * 2).await;
    assert_eq!(sends_of("n", &world.said()), 1);
    assert_eq!(world.said().last().unwrap(), "has m 5.1");
    assert!(ends_within(world, HALF_A_SECOND).await);
}

/// Else a doubt would last for as long as the sink is slow.
#[tokio::test]
async fn an_answer_that_takes_long_is_waited_for_in_the_end() {
    let world = in_doubt(Duration::from_secs(6)).await.leads(HALF_A_MINUTE).await;
    assert_eq!(entry_of(&world, "m").await.state, MessageState::Delivered);
}

/// The stamp of another's term is no round of this leader's: it is outdone. And only a worker learns rounds
/// from its sink, because the holder makes them: what it has not made is another's, and outdone as well.
#[tokio::test]
async fn a_stamp_of_another_is_outdone_by_the_next_election() {
    let fenced = |token, round| SendError::Fenced { highest: Stamp { token: Token(token), round } };
    let trial = Trial::of(Promise::Fenced, &["m"]).await.words([unknown(), fenced(6, 0)]);
    let said = trial.leads(HALF_A_MINUTE).await.said();
    assert_eq!(said, ["send m 5.0", "fence 5.1", "has m 5.1", "send m 5.1", "outranked 5 6"]);
    let trial = Trial::of(Promise::Fenced, &["m"]).await.words([fenced(5, 9)]);
    let said = trial.leads(HALF_A_MINUTE).await.said();
    assert_eq!(said, ["send m 5.0", "outranked 5 5"]);
}

/// What a leader has claimed and is not sending, because the store has lost how it ended: no sweep takes it,
/// as its token is the newest.
#[tokio::test]
async fn a_claim_of_ones_own_that_nobody_sends_is_found_and_settled_by_proof() {
    let trial = Trial::of(Promise::Fenced, &["m", "n"]).await;
    let Trial { world, sink, config } = trial;
    world.service.deliver(Arc::new(sink), config).unwrap();
    world.lead(5);
    tokio::time::sleep(HALF_A_SECOND).await;
    assert_eq!(world.said(), ["send m 5.0", "send n 5.0"]);
    let lost = NewMessage::new(id("lost"), *b"hello");
    let late = crate::time::WallTime { unix_ms: 9_000_000_000_000 };
    // Claimed before anybody looks, as a failover would leave it.
    world
        .service
        .store()
        .with(move |outbox, now| {
            outbox.enqueue(&[lost], now).unwrap();
            let permit = Permit::of_holder(Token(5));
            let attempt = Attempt { id: id("lost"), number: 1 };
            outbox.claim(&permit, &[attempt], late, now).unwrap()
        })
        .await;
    tokio::time::sleep(HALF_A_MINUTE).await;
    let said = world.said();
    assert_eq!(said[2..], ["fence 5.1", "has lost 5.1", "send lost 5.1"], "{said:?}");
    assert_eq!(entry_of(&world, "lost").await.state, MessageState::Delivered);
}

#[tokio::test]
async fn what_is_overdue_when_its_turn_comes_is_not_sent() {
    let promise = Promise::Deduplicates { window: Duration::from_secs(2) };
    let words = [unknown().into(), unknown().into(), taken(Duration::from_secs(3))];
    let trial = Trial::of(promise, &["a", "b"]).await.words(words);
    let world = trial.leads(HALF_A_MINUTE).await;
    let said = world.said();
    assert_eq!((sends_of("a", &said), sends_of("b", &said)), (2, 1), "{said:?}");
    let overdue = entry_of(&world, "b").await;
    assert_eq!((overdue.state, overdue.parked), (MessageState::InDoubt, true));
}

#[tokio::test]
async fn the_rest_of_a_batch_is_given_back_when_the_sink_goes_away() {
    let word = Word { then_away: 3, ..taken(Duration::ZERO) };
    let trial = Trial::of(Promise::Fenced, &["a", "b"]).await.words([word]);
    let world = trial.leads(HALF_A_MINUTE).await;
    assert_eq!(world.said(), ["send a 5.0", "send b 5.0"]);
    let (first, rest) = (entry_of(&world, "a").await, entry_of(&world, "b").await);
    assert_eq!((first.state, first.attempts), (MessageState::Delivered, 1));
    assert_eq!((rest.state, rest.attempts), (MessageState::Delivered, 2));
}

/// A crash in the middle of a batch leaves in doubt what was not settled.
#[tokio::test]
async fn an_outcome_waits_for_the_rest_of_its_batch_but_not_for_long() {
    let ways = [
        (taken(Duration::from_millis(10)), MessageState::Claimed),
        (taken(Duration::from_millis(100)), MessageState::Delivered),
        (rejected().into(), MessageState::Pending),
    ];
    for (word, state) in ways {
        let words = [word, taken(MINUTE)];
        let world = Trial::of(Promise::Fenced, &["a", "b"]).await.words(words);
        let world = world.leads(HALF_A_SECOND).await;
        assert_eq!(world.said(), ["send a 5.0", "send b 5.0"]);
        assert_eq!(entry_of(&world, "a").await.state, state);
    }
}

/// Each doubt about a plain sink is a person's work.
#[tokio::test]
async fn no_more_is_claimed_at_once_than_may_be_in_doubt() {
    for (promise, expected) in [(Promise::Plain, 1), (Promise::Fenced, 3)] {
        let trial = Trial::of(promise, &["a", "b", "c"]).await.words([taken(MINUTE)]);
        let world = trial.leads(HALF_A_SECOND).await;
        assert_eq!(world.said().len(), 1);
        let store = world.service.store();
        let claimed = store.with(|outbox, _| outbox.counts()).await.unwrap();
        assert_eq!(claimed.of(MessageState::Claimed), expected);
    }
}

/// A worker that delivers one unit of one for a minute, under token 5.
struct Courier {
    world: World<SqliteStore>,
    permit: Permit,
    delivering: tokio::task::JoinHandle<()>,
}

impl Courier {
    /// After an earlier run of the same assignment has claimed a message.
    async fn after_a_claim_of(name: &str, trial: Trial) -> Self {
        let Trial { world, sink, config } = trial;
        let store = Arc::clone(world.service.store());
        let worker = Boot { node: "n1".parse().unwrap(), nonce: 1 };
        let holder = Identity { node: worker.node, incarnation: Incarnation::FIRST };
        store.activate(Generation::NONE, Token(5), holder).await.unwrap();
        let work = WorkName::new("outbox").unwrap();
        let change = Change { unit: Unit(0), after: Epoch(0), worker };
        store.assign(Token(5), &work, 1, &[change]).await.unwrap();
        let share = Share { work, unit: Unit(0), of: 1, epoch: Epoch(1), worker };
        let permit = Permit { token: Token(5), share: Some(share.clone()) };
        let clock = world.service.clock().clone();
        claim(&world, &permit, name).await;

        let guard = WorkGuard::for_a_test(share, Token(5), clock.now() + MINUTE, clock.clone());
        let (status, stop) = (Arc::clone(&world.status), Arc::new(Watched::new(false)));
        let courier =
            Dispatcher::new(store, Arc::new(sink), clock, config, Arc::default(), status, stop);
        let delivering = tokio::spawn(async move { courier.deliver_share(guard).await });
        Self { world, permit, delivering }
    }
}

async fn claim(world: &World<SqliteStore>, permit: &Permit, name: &str) {
    let attempt = Attempt { id: id(name), number: 1 };
    let wall = world.service.clock().wall();
    let claimed = world.service.store().claim(permit, &[attempt], wall).await.unwrap();
    let granted = vec![Claim::Granted { send_within: None }];
    assert_eq!(claimed, Checked::Passed(granted));
}

/// Its token is the newest, so no sweep takes it, and what stands behind it would wait for the next
/// leader.
#[tokio::test]
async fn a_share_begins_with_what_an_earlier_run_of_it_has_left_claimed() {
    let trial = Trial::of(Promise::Fenced, &["m", "n"]).await;
    let courier = Courier::after_a_claim_of("m", trial).await;
    tokio::time::sleep(HALF_A_SECOND).await;
    let left = entry_of(&courier.world, "m").await;
    assert_eq!((left.state, left.parked, left.attempts), (MessageState::InDoubt, false, 1));
    assert_eq!(
        left.reason.as_deref(),
        Some("its sender was cut short, or its end was lost; outcome unknown")
    );
    assert_eq!(courier.world.said(), ["send n 5.0"]);
    courier.delivering.abort();
}

/// The earlier run asked for it, and was cut short before the store took it up.
#[tokio::test]
async fn a_claim_that_arrives_after_a_share_has_begun_is_found_as_well() {
    let trial = Trial::of(Promise::Fenced, &["m"]).await.words([taken(HALF_A_SECOND * 16)]);
    let courier = Courier::after_a_claim_of("m", trial).await;
    tokio::time::sleep(HALF_A_SECOND).await;
    let world = &courier.world;
    let store = world.service.store();
    store.enqueue(&[NewMessage::new(id("late"), *b"hello")]).await.unwrap();
    claim(world, &courier.permit, "late").await;
    // No look for messages sees it.
    tokio::time::sleep(HALF_A_SECOND * 10).await;
    let late = entry_of(world, "late").await;
    assert_eq!((late.state, late.attempts), (MessageState::InDoubt, 1));
    assert!(world.said().is_empty(), "{:?}", world.said());
    // What it claims itself is not taken for such, however long it takes.
    store.enqueue(&[NewMessage::new(id("n"), *b"hello")]).await.unwrap();
    tokio::time::sleep(HALF_A_SECOND * 20).await;
    assert_eq!(entry_of(world, "n").await.state, MessageState::Delivered);
    courier.delivering.abort();
}
