//! A permission that runs out while it is being prolonged, on a clock that the test steers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::cluster::{Letter, Mail, Observer, Terms};
use crate::election::Role;
use crate::id::{Boot, Generation, Incarnation, Term};
use crate::store::{Epoch, WorkName};
use crate::time::WallTime;

const LEASE: Duration = Duration::from_millis(900);
const MOMENT: Duration = Duration::from_millis(1);

/// What happens right after the clock was read.
type Then = Box<dyn FnOnce() + Send>;

#[derive(Clone, Default)]
struct Steered {
    nanos: Arc<AtomicU64>,
    then: Arc<Mutex<Option<Then>>>,
}

impl Steered {
    fn set(&self, since_start: Duration) {
        let nanos = u64::try_from(since_start.as_nanos()).unwrap();
        self.nanos.store(nanos, Ordering::SeqCst);
    }
}

impl Clock for Steered {
    fn now(&self) -> Instant {
        let read = Instant(self.nanos.load(Ordering::SeqCst));
        let then = self.then.lock().unwrap().take();
        if let Some(then) = then {
            then();
        }
        read
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    async fn sleep_until(&self, deadline: Instant) {
        while Instant(self.nanos.load(Ordering::SeqCst)) < deadline {
            tokio::time::sleep(MOMENT).await;
        }
    }
}

struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &NodeEvent) {}
}

/// The number of the next question, and whether it holds anything.
async fn question(letters: &mut mpsc::Receiver<Letter>) -> (u64, bool) {
    let letter = letters.recv().await.unwrap();
    match WorkMessage::decode(&letter.body).unwrap().body {
        WorkBody::Renew { question, holds, .. } => (question, !holds.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// The answer comes in the last moment, and the thread that got it stands still then. Meanwhile a holder on
/// another thread is told that the permission has ended.
#[tokio::test]
async fn a_guard_that_said_no_does_not_say_yes_when_a_late_answer_is_carried_out() {
    let me: NodeId = "n1".parse().unwrap();
    let name = WorkName::new("outbox").unwrap();
    let clock = Steered::default();
    let boot = Boot { node: me, nonce: 1 };
    let status = ClusterStatus {
        current: me,
        incarnation: Incarnation::FIRST,
        role: Role::Leader,
        generation: Generation::NONE,
        term: Term(5),
        leader: Some(me),
        view: Arc::default(),
        clock_suspects: Arc::default(),
    };
    let mail = Mail::new(me).0;
    let mut letters = mail.open(&name).unwrap();
    let post = Post {
        clock: clock.clone(),
        guard: Arc::new(Watched::new(None)),
        status: Arc::new(Watched::new(status)),
        stop: Arc::default(),
        mail,
        terms: Terms { boot, lease: LEASE, promise: LEASE },
        observer: Arc::new(Silent),
        refusals: Arc::default(),
    };
    let (leader, answers) = mpsc::channel(8);
    let (give, mut given) = mpsc::channel::<WorkGuard<Steered>>(1);
    let run = move |guard: WorkGuard<Steered>| {
        let give = give.clone();
        async move {
            let _ = give.try_send(guard.clone());
            guard.cancelled().await;
        }
    };
    let work = Work { name, units: 1 };
    let _acting = AbortOnDrop(tokio::spawn(Acting { post, work, answers, run }.work()));
    let units = vec![Granted { unit: Unit(0), epoch: Epoch(1) }];
    let grant = |question| {
        let units = units.clone();
        (me, WorkBody::Grant { worker: boot, question, token: Token(5), units })
    };

    let (first, _) = question(&mut letters).await;
    leader.send(grant(first)).await.unwrap();
    let guard = given.recv().await.unwrap();
    let mut last = first;
    for thirds in 1..3 {
        clock.set(LEASE / 3 * thirds);
        last = question(&mut letters).await.0;
    }
    clock.set(LEASE - MOMENT);
    let (said, saw) = (Arc::new(Mutex::new(None)), guard.clone());
    let (shown, later) = (Arc::clone(&said), clock.clone());
    *clock.then.lock().unwrap() = Some(Box::new(move || {
        later.set(LEASE + MOMENT);
        *shown.lock().unwrap() = Some(saw.check().is_ok());
    }));
    leader.send(grant(last)).await.unwrap();
    while said.lock().unwrap().is_none() {
        tokio::time::sleep(MOMENT).await;
    }
    tokio::time::sleep(MOMENT).await;
    assert_eq!(*said.lock().unwrap(), Some(false), "it had run out");
    assert!(guard.check().is_err(), "and then it said yes");
    drop(guard);
    while question(&mut letters).await.1 {}
}
