//! A node that leads when the test says so: a service in simulated time, over a coordinator that
//! does as it is told and writes down what it was asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{
    ClusterService, ClusterStatus, Coordinator, ElectionCommand, LeaseState, Mail, NodeEvent,
    Observer, Terms, Watched, Why,
};
use crate::election::Role;
use crate::id::{Boot, Generation, Incarnation, Term, Token};
use crate::store::{Fence, Unfenced};
use crate::time::{Clock, Instant, WallTime};

/// How long a lease lasts: longer than any test.
const LEASE: Duration = Duration::from_secs(60);

/// What the wall clocks show at the beginning.
const WALL_MS: u64 = 1_000_000;

/// The simulated time.
#[derive(Debug, Clone)]
pub(crate) struct Simulated(tokio::time::Instant);

impl Clock for Simulated {
    fn now(&self) -> Instant {
        Instant(0) + self.0.elapsed()
    }

    fn wall(&self) -> WallTime {
        WallTime { unix_ms: WALL_MS + self.now().0 / 1_000_000 }
    }

    async fn sleep_until(&self, deadline: Instant) {
        if let Some(left) = self.now().until(deadline) {
            sleep(left).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the quorum has burnt down")]
pub(crate) struct BurntDown;

struct Obedient {
    clock: Simulated,
    status: Arc<Watched<ClusterStatus>>,
    lease: Arc<Watched<LeaseState>>,
    said: Said,
    why: Why,
    fails: oneshot::Receiver<()>,
}

impl Coordinator for Obedient {
    type Clock = Simulated;
    type Error = BurntDown;

    fn clock(&self) -> Simulated {
        self.clock.clone()
    }

    fn status(&self) -> Arc<Watched<ClusterStatus>> {
        Arc::clone(&self.status)
    }

    fn lease(&self) -> Arc<Watched<LeaseState>> {
        Arc::clone(&self.lease)
    }

    fn mail(&self) -> Arc<Mail> {
        let me = self.status.with(|status| status.current);
        Mail::new(me).0
    }

    fn why(&self) -> Why {
        Arc::clone(&self.why)
    }

    fn terms(&self) -> Terms {
        let boot = Boot { node: self.status.with(|status| status.current), nonce: 1 };
        let (lease, promise) = (Duration::from_millis(900), Duration::from_millis(950));
        Terms { boot, lease, promise }
    }

    async fn run(mut self, mut commands: mpsc::Receiver<ElectionCommand>) -> Result<(), BurntDown> {
        loop {
            let command = tokio::select! {
                biased;
                command = commands.recv() => command.expect("the service holds the other end"),
                Ok(()) = &mut self.fails => return Err(BurntDown),
            };
            match command {
                ElectionCommand::Outranked { term, floor, .. } => {
                    say(&self.said, format!("outranked {term} {floor}"));
                    lose(&self.lease);
                }
                ElectionCommand::Resign { term } => {
                    say(&self.said, format!("resign {term}"));
                    lose(&self.lease);
                }
                ElectionCommand::HandOver { term } => {
                    say(&self.said, format!("hand over {term}"));
                    lose(&self.lease);
                }
                ElectionCommand::Leave => {
                    say(&self.said, "leave");
                    lose(&self.lease);
                    return Ok(());
                }
            }
        }
    }
}

/// What happened, in order.
pub(crate) type Said = Arc<Mutex<Vec<String>>>;

pub(crate) fn say(said: &Mutex<Vec<String>>, what: impl Into<String>) {
    said.lock().unwrap().push(what.into());
}

pub(crate) fn lose(lease: &Watched<LeaseState>) {
    lease.set(LeaseState { held: false, ..lease.get() });
}

struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &NodeEvent) {}
}

/// A service, and the strings that pull it.
pub(crate) struct World<S = Unfenced> {
    pub(crate) service: ClusterService<S, Simulated>,
    pub(crate) status: Arc<Watched<ClusterStatus>>,
    pub(crate) lease: Arc<Watched<LeaseState>>,
    pub(crate) said: Said,
    /// Why nobody leads.
    pub(crate) why: Why,
    /// Ends the coordinator.
    pub(crate) fail: oneshot::Sender<()>,
}

impl World {
    /// Without a store.
    pub(crate) fn new() -> Self {
        Self::over(|_| Unfenced)
    }
}

impl<S: Fence> World<S> {
    /// Over a store, whose clock is the node's. Nobody leads.
    pub(crate) fn over(store: impl FnOnce(Simulated) -> S) -> Self {
        let clock = Simulated(tokio::time::Instant::now());
        let status = Arc::new(Watched::new(ClusterStatus {
            current: "n1".parse().unwrap(),
            incarnation: Incarnation::FIRST,
            role: Role::Rejoining,
            generation: Generation::NONE,
            term: Term(0),
            leader: None,
            view: Arc::default(),
            clock_suspects: Arc::default(),
        }));
        let (lease, said) = (Arc::<Watched<LeaseState>>::default(), Said::default());
        let (why, (fail, fails)) = (Why::default(), oneshot::channel());
        let store = Arc::new(store(clock.clone()));
        let coordinator = Obedient {
            clock,
            status: Arc::clone(&status),
            lease: Arc::clone(&lease),
            said: Arc::clone(&said),
            why: Arc::clone(&why),
            fails,
        };
        let service = ClusterService::start(coordinator, store, Arc::new(Silent));
        Self { service, status, lease, said, why, fail }
    }

    /// The node is elected.
    pub(crate) fn lead(&self, token: u64) {
        self.lease.set(LeaseState {
            token: Token(token),
            until: self.service.clock().now() + LEASE,
            held: true,
            generation: Generation::NONE,
            incarnation: Incarnation::FIRST,
        });
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}
