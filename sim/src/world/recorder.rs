//! The recorder: writes the history, as seen from outside the nodes and as they report it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use fencepost::cluster::{NodeEvent, Observer};
use fencepost::election::{self, Body, Role};
use fencepost::node::Packet;
use fencepost::{Identity, NodeId, Token};
use tokio::sync::oneshot;
use tracing::debug;

use super::anchors::Anchors;
use super::timer::Timer;
use crate::faults::Trigger;
use crate::faults::plan::PlannedJob;
use crate::history::{Arrivals, History, Kind, MessageKind, OpenRuns, SimTime, WorkEvent};
use crate::report::event::text;
use crate::report::text::{grouped, span};

/// The most events of one run that are kept: what fits into the memory of a small machine.
const EVENTS_MAX: usize = 2_000_000;

/// The most events of one run, kept or not: some minutes' worth.
const TOTAL_MAX: u64 = 300_000_000;

/// A run that produces so many events in each second of its time is stuck in a loop.
const LOOP: u64 = 50_000;

/// What a run ends with, as the payload of a panic, that goes beyond what the testbed takes: which bound,
/// and what to do. It becomes [`Verdict::Overrun`](crate::run::Verdict::Overrun).
#[derive(Debug)]
pub struct Overrun(pub String);

/// Writes one run's history.
pub struct Recorder {
    timer: Timer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: History,
    /// Whoever was handed the last guard.
    last_holder: Option<NodeId>,
    /// Whoever was handed the last guard, or raised the floor since and is about to be handed one;
    /// what "the leader" means to a fault.
    leads: Option<NodeId>,
    anchors: Anchors,
    down: BTreeSet<NodeId>,
    /// Which nodes no process is expected of.
    absent: BTreeSet<NodeId>,
    /// Which voters rejoin.
    rejoining: BTreeSet<NodeId>,
    /// Since when the last guard has been held.
    led_since: Option<SimTime>,
    /// The highest token that was activated.
    floor: Token,
    open_runs: OpenRuns,
}

impl Recorder {
    /// An empty history on that time.
    pub fn new(timer: Timer) -> Self {
        Self { timer, state: Mutex::default() }
    }

    /// The time of what is recorded now.
    pub fn now(&self) -> SimTime {
        SimTime(self.timer.now())
    }

    /// Adds an event that happens now.
    pub fn record(&self, kind: Kind) {
        let at = self.now();
        let mut state = self.lock();
        match &kind {
            Kind::GuardIssued { holder, .. } => {
                state.last_holder = Some(holder.node);
                state.leads = Some(holder.node);
                state.led_since = Some(at);
            }
            Kind::Activated { token, holder, again, .. } => {
                state.floor = state.floor.max(*token);
                if !again {
                    state.leads = Some(holder.node);
                }
            }
            Kind::Job(event) => state.open_runs.apply(at, event),
            // A deposed leader may notice only after its successor was handed a guard.
            Kind::SteppedDown { node, .. } if state.last_holder == Some(*node) => {
                state.led_since = None;
            }
            Kind::Down { node, .. } => {
                state.down.insert(*node);
                state.rejoining.remove(node);
                if state.last_holder == Some(*node) {
                    state.led_since = None;
                }
            }
            Kind::Booted { node, .. } => {
                state.down.remove(node);
                state.absent.remove(node);
            }
            Kind::Rejoins { boot, .. } => {
                state.rejoining.insert(boot.node);
            }
            Kind::Rejoined { who, .. } => {
                state.rejoining.remove(&who.node);
            }
            // A process that says it is anything else has ended it too.
            Kind::Status { node, role, .. } if *role != Role::Rejoining => {
                state.rejoining.remove(node);
            }
            _ => {}
        }
        if !matches!(kind, Kind::Sent { .. }) {
            debug!("{}", text(&kind));
        }
        state.anchors.notice(&kind, at);
        state.history.push(at, kind);
        let (kept, total) = (state.history.len(), state.history.total());
        drop(state);
        if kept >= EVENTS_MAX || total >= TOTAL_MAX {
            give_up(kept, total, at);
        }
    }

    /// A packet left its sender. Of letters nothing is kept: what matters is what comes of them.
    pub fn sent(&self, to: NodeId, packet: &Packet, arrives: Arrivals) {
        let Packet::Election(message) = packet else { return };
        let what = match &message.body {
            Body::PreVote => MessageKind::PreVote,
            Body::PreVoteReply { .. } => MessageKind::PreVoteReply,
            Body::VoteRequest { .. } => MessageKind::VoteRequest,
            Body::VoteReply { .. } => MessageKind::VoteReply,
            Body::Heartbeat { .. } => MessageKind::Heartbeat,
            Body::HeartbeatAck { .. } => MessageKind::HeartbeatAck,
            Body::NewerTerm { .. } => MessageKind::NewerTerm,
            Body::TakeOver { .. } => MessageKind::TakeOver,
            Body::Leaving => MessageKind::Leaving,
            Body::Rejoining { .. } => MessageKind::Rejoining,
            Body::Known { .. } => MessageKind::Known,
            Body::Register { .. } => MessageKind::Register,
            Body::Registered { .. } => MessageKind::Registered,
            Body::RollCall { .. } => MessageKind::RollCall,
            Body::NewerGeneration => MessageKind::NewerGeneration,
            Body::Superseded { .. } => MessageKind::Superseded,
            Body::Voters { .. } => MessageKind::Voters,
            Body::Observing => MessageKind::Observing,
        };
        let vote = match &message.body {
            Body::VoteReply { to, granted, .. } => Some((*to, *granted)),
            _ => None,
        };
        let release = match message.body {
            Body::VoteRequest { release } => release,
            _ => None,
        };
        let (from, generation, term) = (message.from, message.generation, message.term);
        self.record(Kind::Sent { from, to, generation, term, what, vote, release, arrives });
    }

    /// Who leads, or did last: has raised the floor, or was handed the last guard.
    pub fn leads(&self) -> Option<NodeId> {
        self.lock().leads
    }

    /// Waits for the `nth` such event from now on. The answer is its moment, or an error if
    /// [`Self::give_up_waiting`] comes first.
    pub fn wait_for(&self, event: Trigger, nth: u32) -> oneshot::Receiver<SimTime> {
        self.lock().anchors.wait(event, nth)
    }

    /// Nobody is told of events any longer.
    pub fn give_up_waiting(&self) {
        self.lock().anchors.give_up();
    }

    /// Whether a guard is held, as far as a look from outside can tell without the clocks.
    pub fn led(&self) -> bool {
        self.led_since().is_some()
    }

    /// Since when the same guard is held, likewise.
    pub fn led_since(&self) -> Option<SimTime> {
        self.lock().led_since
    }

    /// Whether the holder of the floor lets the database wait too long for the end of a run.
    pub fn holds_back_ends(&self) -> bool {
        let (now, state) = (self.now(), self.lock());
        let mut runs = state.open_runs.iter().map(|(_, run)| run);
        runs.any(|run| run.token == state.floor && run.idle_for(now) > PlannedJob::TELLING)
    }

    /// The node is to have no process, or none for now.
    pub fn absent(&self, node: NodeId) {
        self.lock().absent.insert(node);
    }

    /// Whether the node's process is gone.
    pub fn is_down(&self, node: NodeId) -> bool {
        let state = self.lock();
        state.down.contains(&node) || state.absent.contains(&node)
    }

    /// Whether every process runs and none rejoins.
    pub fn all_take_part(&self) -> bool {
        let state = self.lock();
        state.down.is_subset(&state.absent) && state.rejoining.is_empty()
    }

    /// Reads the history so far.
    pub fn read<R>(&self, read: impl FnOnce(&History) -> R) -> R {
        read(&self.lock().history)
    }

    /// Takes the history.
    pub fn take(&self) -> History {
        std::mem::take(&mut self.lock().history)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("never held across a panic")
    }
}

/// Hears a node's own reports.
pub struct NodeRecorder {
    /// Where they go.
    pub recorder: Arc<Recorder>,
    /// Whose.
    pub node: NodeId,
}

impl Observer for NodeRecorder {
    fn observe(&self, event: &NodeEvent) {
        let node = self.node;
        let kind = match event {
            NodeEvent::Started(hard) => Kind::Started { node, hard: hard.clone() },
            NodeEvent::Persisted(hard) => Kind::Persisted { node, hard: hard.clone() },
            NodeEvent::Election(event) => match self.of_election(event) {
                Some(kind) => kind,
                None => return,
            },
            NodeEvent::DiskDamaged { .. } => Kind::DiskDamaged { node },
            NodeEvent::Asked { term } => Kind::AskedToStepDown { node, term: *term },
            NodeEvent::Status(status) => Kind::Status {
                node,
                role: status.role,
                generation: status.generation,
                term: status.term,
                leader: status.leader,
            },
            NodeEvent::ShareHeld { share, token, until } => {
                let (share, token, until) = (share.clone(), *token, *until);
                Kind::Work(WorkEvent::Held { share, token, until })
            }
            NodeEvent::ShareEnded { share } => {
                Kind::Work(WorkEvent::Ended { share: share.clone() })
            }
            NodeEvent::GuardIssued { token, holder } => {
                Kind::GuardIssued { holder: *holder, token: *token }
            }
        };
        self.recorder.record(kind);
    }
}

impl NodeRecorder {
    fn of_election(&self, event: &election::Event) -> Option<Kind> {
        use election::Event;
        let node = self.node;
        Some(match event {
            Event::Elected { term, generation, certificate, .. } => Kind::Elected {
                // The first vote is the candidate's own.
                leader: certificate.first().copied().unwrap_or(nobody(node)),
                generation: *generation,
                term: *term,
                certificate: certificate.clone(),
            },
            Event::LeaseExtended { term, until } => {
                Kind::LeaseExtended { node, term: *term, until: *until }
            }
            Event::SteppedDown { term, reason } => {
                Kind::SteppedDown { node, term: *term, reason: *reason }
            }
            Event::Rejoining { boot, reason } => Kind::Rejoins { boot: *boot, reason: *reason },
            Event::Rejoined { incarnation, generation, by_roll, .. } => Kind::Rejoined {
                who: Identity { node, incarnation: *incarnation },
                generation: *generation,
                by_roll: *by_roll,
            },
            Event::Released { term, successor } => {
                Kind::Released { node, term: *term, successor: *successor }
            }
            Event::PromiseReleased { promised_to, term, release } => Kind::PromiseReleased {
                node,
                promised_to: *promised_to,
                term: *term,
                release: *release,
            },
            Event::ClockWatch { peer, within, .. } => {
                Kind::ClockWatch { node, peer: *peer, within: *within }
            }
            Event::PromiseTooShort { peer, .. } => Kind::PromiseTooShort { node, peer: *peer },
            Event::VotersClash { peer, .. } => Kind::VotersClash { node, peer: *peer },
            Event::Ignored(_) => return None,
        })
    }
}

/// Ends the run: it goes beyond what the testbed takes, or never ends.
fn give_up(kept: usize, total: u64, at: SimTime) {
    let seconds = at.as_secs_f64();
    assert!(total as f64 / seconds < LOOP as f64, "{total} events in {seconds:.0} s: a loop");
    let (most, what) = match kept >= EVENTS_MAX {
        true => (EVENTS_MAX as u64, "that are not routine "),
        false => (TOTAL_MAX, ""),
    };
    std::panic::panic_any(Overrun(format!(
        "more than {} events {what}in one run, after {}: the most that the testbed takes; shorten the \
         horizon, write fewer messages, or split the scenario",
        grouped(most),
        span(seconds)
    )));
}

/// An empty certificate is what E3 is there to report; it must not stop the recorder.
fn nobody(node: NodeId) -> Identity {
    Identity { node, incarnation: fencepost::Incarnation(0) }
}
