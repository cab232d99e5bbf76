//! Machines on a simulated network: voters that talk, observers that are answered, and a stranger.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencepost::election::{Body, ConfigId, Message, View};
use fencepost::node::frame::{Frame, encode};
use fencepost::node::tcp::{TcpConfig, TcpTransport};
use fencepost::node::{Packet, Transport, TransportCounters};
use fencepost::{Generation, Identity, Incarnation, NodeId, Term};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

pub const CLUSTER: &str = "test";
pub const BEAT: Duration = Duration::from_millis(50);
/// Nodes from this number on are observers.
pub const FIRST_OBSERVER: u8 = 50;
const STRANGER: u8 = 255;

pub fn id(n: u8) -> NodeId {
    format!("n{n}").parse().unwrap()
}

pub fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 7400))
}

pub fn message(from: u8, term: u64) -> Message {
    say(from, term, Body::PreVote)
}

fn say(from: u8, term: u64, body: Body) -> Message {
    let from = Identity { node: id(from), incarnation: Incarnation::FIRST };
    let (generation, config) = (Generation::stored(1), ConfigId::default());
    Message { from, generation, config, promise: u64::MAX, term: Term(term), body }
}

/// What was heard: nobody here writes letters, but for the test that does.
pub fn heard(packet: Packet) -> Message {
    match packet {
        Packet::Election(message) => *message,
        Packet::Letter(letter) => panic!("a letter: {letter:?}"),
    }
}

/// What a node's `boot`th process is told by.
pub fn process(n: u8, boot: u64) -> u64 {
    u64::from(n) * 1_000 + boot
}

pub fn config(me: u8, voters: u8, boot: u64) -> TcpConfig {
    TcpConfig {
        cluster: CLUSTER.to_owned(),
        me: id(me),
        listen: (me < FIRST_OBSERVER).then(|| address(me)),
        voters: (1..=voters).map(|n| (id(n), address(n))).collect(),
        observers: None,
        process: process(me, boot),
    }
}

pub async fn bind(me: u8, voters: u8) -> TcpTransport {
    TcpTransport::bind(config(me, voters, 1)).await.unwrap()
}

/// What a talking node leaves behind for the test to look at.
#[derive(Clone, Default)]
pub struct Seen {
    pub messages: Arc<Mutex<Vec<Message>>>,
    counters: Arc<Mutex<Arc<TransportCounters>>>,
    boots: Arc<AtomicU64>,
}

impl Seen {
    pub fn from(&self, n: u8) -> usize {
        self.messages.lock().unwrap().iter().filter(|m| m.from.node == id(n)).count()
    }

    /// Counted by the node's last process.
    pub fn count(&self, which: fn(&TransportCounters) -> &AtomicU64) -> u64 {
        which(&self.counters.lock().unwrap()).load(Ordering::Relaxed)
    }
}

/// Says something to all other voters at each beat, unless it is a quiet one, and notes what it
/// hears. A voter also tells the observers that it heard from.
async fn talk(me: u8, voters: u8, quiet: bool, seen: Seen) {
    let boot = seen.boots.fetch_add(1, Ordering::Relaxed) + 1;
    let mut transport = TcpTransport::bind(config(me, voters, boot)).await.unwrap();
    *seen.counters.lock().unwrap() = transport.counters();
    let mut observers = BTreeSet::new();
    for beat in 1.. {
        for peer in (1..=voters).filter(|&n| n != me && !quiet) {
            let body = if me < FIRST_OBSERVER { Body::PreVote } else { Body::Observing };
            transport.send(id(peer), say(me, beat, body).into());
        }
        for &observer in &observers {
            let body = Body::Heartbeat { round: beat, view: Arc::new(View::default()) };
            transport.send(observer, say(me, beat, body).into());
        }
        let listen = async {
            loop {
                let message = heard(transport.recv().await);
                if message.body == Body::Observing {
                    observers.insert(message.from.node);
                }
                seen.messages.lock().unwrap().push(message);
            }
        };
        let _ = timeout(BEAT, listen).await;
    }
}

/// The machines of the nodes, talking, and the hostile one.
pub struct World {
    pub nodes: BTreeMap<u8, (NodeHandle, Seen)>,
    pub stranger: NodeHandle,
}

/// n1 … of that many voters.
pub fn world(voters: u8) -> World {
    world_with(voters, &[], &[])
}

/// Also these observers; and the `quiet` ones say nothing.
pub fn world_with(voters: u8, observers: &[u8], quiet: &[u8]) -> World {
    let handle = Handle::current();
    let machine = |n: u8| handle.create_node().name(format!("n{n}")).ip([10, 0, 0, n].into());
    let start = |n: u8| {
        let seen = Seen::default();
        let quiet = quiet.contains(&n);
        let node = machine(n).init({
            let seen = seen.clone();
            move || talk(n, voters, quiet, seen.clone())
        });
        (n, (node.build(), seen))
    };
    let nodes = (1..=voters).chain(observers.iter().copied()).map(start).collect();
    World { nodes, stranger: machine(STRANGER).build() }
}

impl World {
    pub fn seen(&self, n: u8) -> &Seen {
        &self.nodes[&n].1
    }

    pub fn kill(&self, n: u8) {
        Handle::current().kill(self.nodes[&n].0.id());
    }

    pub fn restart(&self, n: u8) {
        Handle::current().restart(self.nodes[&n].0.id());
    }

    /// n1 and n2 hear each other from now on.
    pub async fn assert_talking(&self, what: &str) {
        self.assert_hear(1, 2, what).await;
    }

    /// The two hear each other from now on.
    pub async fn assert_hear(&self, one: u8, other: u8, what: &str) {
        let before = (self.seen(one).from(other), self.seen(other).from(one));
        sleep(Duration::from_secs(3)).await;
        assert!(self.seen(one).from(other) >= before.0 + 20, "n{one} is deaf after {what}");
        assert!(self.seen(other).from(one) >= before.1 + 20, "n{other} is deaf after {what}");
    }

    /// The stranger connects to n1, says `bytes` and waits for `then`, or for the end.
    pub async fn attack(&self, bytes: Vec<u8>, then: Duration) -> Outcome {
        self.stranger.spawn(connect_and_say(bytes, then)).await.unwrap()
    }
}

/// Connects to n1, says `bytes` and waits for `then`, or for the end.
pub async fn connect_and_say(bytes: Vec<u8>, then: Duration) -> Outcome {
    let mut stream = TcpStream::connect(address(1)).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    let end = Instant::now() + then;
    let mut heard = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match timeout(left, stream.read(&mut [0; 64])).await {
            Ok(Ok(0)) => return Outcome::Closed,
            Ok(read) => heard += read.unwrap(),
            Err(_) if heard > 0 => return Outcome::Answered,
            Err(_) => return Outcome::Open,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Closed,
    Open,
    Answered,
}

pub fn run<F: Future>(seed: u64, test: impl FnOnce() -> F) -> F::Output {
    let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.set_time_limit(Duration::from_secs(300));
    runtime.block_on(async { test().await })
}

pub fn frame(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(frame, &mut bytes).unwrap();
    bytes
}

/// The hello of a voter's first process.
pub fn hello(cluster: &str, from: u8, to: u8) -> Vec<u8> {
    hello_of(cluster, from, to, process(from, 1), false)
}

pub fn hello_of(cluster: &str, from: u8, to: u8, process: u64, observer: bool) -> Vec<u8> {
    let cluster = cluster.to_owned();
    frame(&Frame::Hello { cluster, from: id(from), to: id(to), process, observer })
}
