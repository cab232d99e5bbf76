//! The async driver of the election: one loop that turns the world's inputs into
//! [`Election::handle`] calls and carries their effects out, in order.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::trace;

use super::disk::{Disk, DiskError, decode_hard_state, encode_hard_state};
use super::transport::Transport;
use crate::cluster::{ClusterStatus, ElectionCommand, LeaseState, NodeEvent, Observer, Watched};
use crate::election::{Config, ConfigError, Effect, Election, HardState, Input};
use crate::id::Identity;
use crate::time::{Clock, Instant};

/// How many messages may be taken without a look at commands.
const MESSAGES_IN_A_ROW: u32 = 64;

/// The driver ended. The node must stop; its hard state is the last one that became durable.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The configuration is invalid. Nothing was started or written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The election with its world: transport, clock and disk.
pub struct Driver<T, C, D> {
    election: Election,
    transport: T,
    clock: C,
    disk: D,
    observer: Arc<dyn Observer>,
    commands: mpsc::Receiver<ElectionCommand>,
    status: Arc<Watched<ClusterStatus>>,
    lease: Arc<Watched<LeaseState>>,
    effects: Vec<Effect>,
}

impl<T: Transport, C: Clock, D: Disk> Driver<T, C, D> {
    /// Reads the hard state, or writes that of the first boot, and sets the election up.
    ///
    /// # Errors
    /// The configuration is invalid, or the disk fails or holds something else.
    #[allow(clippy::too_many_arguments)] // each is a different part of the world
    pub async fn start(
        config: Config,
        seed: u64,
        transport: T,
        clock: C,
        mut disk: D,
        observer: Arc<dyn Observer>,
        commands: mpsc::Receiver<ElectionCommand>,
        lease: Arc<Watched<LeaseState>>,
    ) -> Result<Self, DriverError> {
        config.validate()?;
        let hard = match disk.read().await? {
            Some(bytes) => decode_hard_state(&bytes)?,
            None => {
                let hard = HardState::first_boot();
                disk.write(encode_hard_state(&hard)).await?;
                hard
            }
        };
        observer.observe(&NodeEvent::Started(hard.clone()));
        let election = Election::new(config, hard, seed, clock.now())?;
        let status = Arc::new(Watched::new(status_of(&election)));
        let effects = Vec::new();
        Ok(Self { election, transport, clock, disk, observer, commands, status, lease, effects })
    }

    /// This life of this node.
    pub fn me(&self) -> Identity {
        self.election.me()
    }

    /// Where the status is published.
    pub fn status(&self) -> Arc<Watched<ClusterStatus>> {
        Arc::clone(&self.status)
    }

    /// Runs until the other end of the commands is dropped, then resigns and returns.
    ///
    /// # Errors
    /// The disk failed: what should have followed the write was not done.
    pub async fn run(mut self) -> Result<(), DriverError> {
        let mut armed_for = self.election.next_wake();
        let mut in_a_row = 0;
        let clock = self.clock.clone();
        let timer = clock.sleep_until(armed_for);
        tokio::pin!(timer);
        loop {
            let input = tokio::select! {
                biased;
                // First, because it is nearly always a message. The timer cannot starve: a due
                // tick follows each message in `step`.
                message = self.transport.recv(), if in_a_row < MESSAGES_IN_A_ROW => {
                    in_a_row += 1;
                    trace!(from = %message.from, term = %message.term, what = message.body.name());
                    Input::Message(message)
                }
                command = self.commands.recv() => match command {
                    Some(ElectionCommand::Outranked { floor }) => Input::Outranked { floor },
                    Some(ElectionCommand::Resign) => Input::Resign,
                    None => break,
                },
                () = &mut timer => {
                    armed_for = Instant(u64::MAX);
                    Input::Tick
                }
                () = std::future::ready(()), if in_a_row >= MESSAGES_IN_A_ROW => {
                    in_a_row = 0;
                    continue;
                }
            };
            if !matches!(input, Input::Message(_)) {
                in_a_row = 0;
            }
            self.step(input).await?;
            // A timer that is due too early only costs a tick; one that is due too late is wrong.
            let wake = self.election.next_wake();
            if wake < armed_for {
                armed_for = wake;
                timer.set(clock.sleep_until(wake));
            }
        }
        self.step(Input::Resign).await
    }

    /// One input, and all its effects in order.
    async fn step(&mut self, input: Input) -> Result<(), DriverError> {
        let now = self.clock.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.election.handle(now, input, &mut effects);
        if now >= self.election.next_wake() {
            self.election.handle(now, Input::Tick, &mut effects);
        }
        // A lost leadership ends the guard before anything else, the disk included, takes time. A
        // new one is published only after the vote that it rests on is durable.
        if self.election.lease_until().is_none() {
            self.publish_lease();
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Persist(hard) => {
                    self.disk.write(encode_hard_state(&hard)).await?;
                    self.observer.observe(&NodeEvent::Persisted(hard));
                }
                Effect::Send { to, message } => self.transport.send(to, message),
                Effect::Event(event) => self.observer.observe(&NodeEvent::Election(event)),
            }
        }
        self.effects = effects;
        self.publish_lease();
        self.publish_status();
        Ok(())
    }

    fn publish_lease(&self) {
        let now = self.election.lease_until();
        let token = self.election.term().into();
        let lease = self.lease.get();
        let next = match now {
            Some(until) => LeaseState { token, until, held: true },
            None => LeaseState { held: false, ..lease },
        };
        if next.held && lease.held && next.token == lease.token {
            self.lease.set_quietly(next);
        } else if next != lease {
            self.lease.set(next);
        }
    }

    fn publish_status(&self) {
        let election = &self.election;
        let unchanged = self.status.with(|status| {
            status.role == election.role()
                && status.term == election.term()
                && status.leader == election.leader()
                && Arc::ptr_eq(&status.view, election.view())
        });
        if !unchanged {
            let status = status_of(election);
            self.observer.observe(&NodeEvent::Status(status.clone()));
            self.status.set(status);
        }
    }
}

fn status_of(election: &Election) -> ClusterStatus {
    ClusterStatus {
        current: election.me().node,
        role: election.role(),
        term: election.term(),
        leader: election.leader(),
        view: Arc::clone(election.view()),
    }
}
