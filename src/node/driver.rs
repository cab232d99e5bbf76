//! The async driver of the election: one loop that turns the world's inputs into
//! [`Election::handle`] calls and carries their effects out, in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{trace, warn};

use super::disk::{Disk, DiskError, decode_hard_state, encode_hard_state};
use super::registrar::{RollCalls, RollRequest};
use super::transport::{Packet, Transport};
use crate::cluster::{
    ClusterStatus, ElectionCommand, LeaseState, Mail, NodeEvent, Observer, Outgoing, Watched, Why,
};
use crate::election::{Config, ConfigError, Effect, Election, Event, Input};
use crate::id::{Boot, NodeId, Term};
use crate::probe::{mutant, reach};
use crate::time::{Clock, Instant};

/// How long a stopping leader stays to vote for its successor, at most.
pub const LINGER_LIMIT: Duration = Duration::from_secs(1);

/// How often a node that knows of no leader asks itself why.
const WHY_EVERY: Duration = Duration::from_secs(1);

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

/// A lease ran out before its renewal could be published.
struct Lapsed {
    /// The term that is led no longer.
    term: Term,
}

/// The election with its world: transport, clock and disk.
pub struct Driver<T, C, D> {
    election: Election,
    transport: T,
    clock: C,
    disk: D,
    observer: Arc<dyn Observer>,
    rolls: RollCalls,
    status: Arc<Watched<ClusterStatus>>,
    lease: Arc<Watched<LeaseState>>,
    voters: Vec<NodeId>,
    heard: Arc<Watched<Vec<NodeId>>>,
    /// Why no leader is known, as of not long ago.
    why: Why,
    /// When that is looked at again.
    why_at: Instant,
    effects: Vec<Effect>,
    mail: Arc<Mail>,
    /// The letters that components send.
    letters: mpsc::Receiver<Outgoing>,
}

impl<T: Transport, C: Clock, D: Disk> Driver<T, C, D> {
    /// Reads the hard state and sets the election up. A node that finds none, or a damaged one,
    /// will rejoin.
    ///
    /// # Errors
    /// The configuration is invalid, or the disk cannot be read.
    pub(super) async fn start(
        config: Config,
        seed: u64,
        transport: T,
        clock: C,
        mut disk: D,
        observer: Arc<dyn Observer>,
        rolls: RollCalls,
    ) -> Result<Self, DriverError> {
        config.validate()?;
        let hard = match disk.read().await?.as_deref().map(decode_hard_state) {
            Some(Ok(hard)) => Some(hard),
            Some(Err(DiskError::Corrupt(why))) => {
                reach!("damaged_disk_rejoined");
                observer.observe(&NodeEvent::DiskDamaged { why });
                None
            }
            Some(Err(error)) => return Err(error.into()),
            None => None,
        };
        if let Some(warning) = config.warning() {
            warn!(warning);
        }
        let voters = config.voters.clone();
        let election = Election::new(config, hard, seed, clock.now())?;
        observer.observe(&NodeEvent::Started(election.hard_state().clone()));
        if let Some(reason) = election.rejoins() {
            let boot = election.boot();
            observer.observe(&NodeEvent::Election(Event::Rejoining { boot, reason }));
        }
        let status = Arc::new(Watched::new(status_of(&election)));
        let (mail, letters) = Mail::new(election.me().node);
        Ok(Self {
            election,
            transport,
            clock,
            disk,
            observer,
            rolls,
            status,
            lease: Arc::default(),
            voters,
            heard: Arc::default(),
            why: Why::default(),
            why_at: Instant(0),
            effects: Vec::new(),
            mail,
            letters,
        })
    }

    pub(super) fn clock(&self) -> &C {
        &self.clock
    }

    pub(super) fn status(&self) -> &Arc<Watched<ClusterStatus>> {
        &self.status
    }

    pub(super) fn lease(&self) -> &Arc<Watched<LeaseState>> {
        &self.lease
    }

    pub(super) fn mail(&self) -> &Arc<Mail> {
        &self.mail
    }

    /// This process, by a nonce that it keeps whatever happens to the election's own.
    pub(super) fn boot(&self) -> Boot {
        self.election.boot()
    }

    /// The voters that were heard while no leader was known: what a node that finds none can tell.
    pub(super) fn heard(&self) -> &Arc<Watched<Vec<NodeId>>> {
        &self.heard
    }

    /// Why no leader is known.
    pub(super) fn why(&self) -> &Why {
        &self.why
    }

    /// Runs until [`ElectionCommand::Leave`]: a leader then hands over, and stays until its successor
    /// leads, at most [`LINGER_LIMIT`]. Ends at once when nobody can send commands any more: nobody
    /// has said that the last act is over, so a lease runs out by itself.
    ///
    /// # Errors
    /// The disk failed: what should have followed the write was not done.
    pub(super) async fn run(
        mut self,
        commands: mpsc::Receiver<ElectionCommand>,
    ) -> Result<(), DriverError> {
        self.run_until_left(commands).await?;
        // Its last words: the others need not wait until they miss it.
        self.transport.flush().await;
        Ok(())
    }

    async fn run_until_left(
        &mut self,
        mut commands: mpsc::Receiver<ElectionCommand>,
    ) -> Result<(), DriverError> {
        // Once it leaves: the term it led, and when it goes.
        let mut leaves: Option<(Term, Instant)> = None;
        let mut armed_for = self.election.next_wake();
        let mut in_a_row = 0;
        let (mut commands_open, mut rolls_open) = (true, true);
        let clock = self.clock.clone();
        let timer = clock.sleep_until(armed_for);
        tokio::pin!(timer);
        loop {
            let input = tokio::select! {
                biased;
                // First, because it is nearly always a message. The timer cannot starve: a due
                // tick follows each message in `step`.
                packet = self.transport.recv(), if in_a_row < MESSAGES_IN_A_ROW => {
                    in_a_row += 1;
                    let message = match packet {
                        Packet::Election(message) => message,
                        Packet::Letter(letter) => {
                            self.mail.deliver(letter);
                            continue;
                        }
                    };
                    trace!(from = %message.from, term = %message.term, what = message.body.name());
                    self.hear(message.from.node);
                    Input::Message(message)
                }
                command = commands.recv(), if commands_open => match command {
                    Some(ElectionCommand::Outranked { term, floor, generation }) => {
                        Input::Outranked { term, floor, generation }
                    }
                    Some(ElectionCommand::Resign { term }) => Input::Resign { term },
                    Some(ElectionCommand::HandOver { term }) => Input::HandOver { term },
                    Some(ElectionCommand::Leave) | None if leaves.is_some() => {
                        commands_open = false;
                        continue;
                    }
                    None => return Ok(()),
                    Some(ElectionCommand::Leave) => {
                        let Some(left) = self.leave().await? else { return Ok(()) };
                        leaves = Some((left, clock.now() + LINGER_LIMIT));
                        continue;
                    }
                },
                // The mail is as long-lived as this driver, and so is its other end.
                Some(letter) = self.letters.recv() => {
                    self.transport.send(letter.to, Packet::Letter(letter.letter));
                    continue;
                }
                roll = self.rolls.answers.recv(), if rolls_open => {
                    let Some(roll) = roll else {
                        rolls_open = false;
                        continue;
                    };
                    Input::Roll(roll)
                }
                // Unarmed, it has completed and must not be polled again.
                () = &mut timer, if armed_for < Instant(u64::MAX) => {
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
            let mut wake = self.election.next_wake();
            if let Some((left, until)) = leaves {
                let succeeded = self.election.term() > left && self.election.leader().is_some();
                if succeeded || clock.now() >= until {
                    return Ok(());
                }
                wake = wake.min(until);
            }
            if wake < armed_for {
                armed_for = wake;
                timer.set(clock.sleep_until(wake));
            }
        }
    }

    fn hear(&self, peer: NodeId) {
        let news = self.election.leader().is_none()
            && self.voters.contains(&peer)
            && !self.heard.with(|heard| heard.contains(&peer));
        if news {
            self.heard.update(|heard| heard.push(peer));
        }
    }

    /// Hands leadership over, and answers the term in which this node led and that another voter
    /// was asked to succeed, if so.
    async fn leave(&mut self) -> Result<Option<Term>, DriverError> {
        let led = self.election.lease_until().map(|_| self.election.term());
        self.step(Input::Leave).await?;
        let alone = self.election.view().participants.len() <= 1;
        Ok(led.filter(|_| !alone))
    }

    /// One input, and all its effects in order.
    ///
    /// A write to the disk may outlast the lease: what is due by then is done before the node says
    /// that it leads (S2).
    async fn step(&mut self, input: Input) -> Result<(), DriverError> {
        let mut wrote = self.carry_out(input).await?;
        // What is done then may be a write that takes as long. It ends with a tick that writes nothing,
        // as that does which finds the lease at its end.
        while wrote && self.clock.now() >= self.election.next_wake() {
            wrote = self.carry_out(Input::Tick).await?;
        }
        if let Err(Lapsed { term }) = self.publish_lease() {
            self.carry_out(Input::Resign { term }).await?;
            // Not held any more: nothing can lapse.
            let _ = self.publish_lease();
        }
        self.publish_status();
        self.publish_why();
        Ok(())
    }

    /// What a person who asks gets to know is a second old at most: this comes with every message.
    fn publish_why(&mut self) {
        if self.election.leader().is_some() {
            return;
        }
        let now = self.clock.now();
        if now >= self.why_at {
            self.why_at = now + WHY_EVERY;
            self.why.set_quietly(self.election.stall(now).map(|stall| stall.to_string()));
        }
    }

    /// Handles an input and does what follows. Tells whether that wrote to the disk.
    async fn carry_out(&mut self, input: Input) -> Result<bool, DriverError> {
        let now = self.clock.now();
        if let Input::Resign { term } | Input::HandOver { term } | Input::Outranked { term, .. } =
            input
        {
            self.observer.observe(&NodeEvent::Asked { term });
        }
        let mut effects = std::mem::take(&mut self.effects);
        self.election.handle(now, input, &mut effects);
        if now >= self.election.next_wake() {
            self.election.handle(now, Input::Tick, &mut effects);
        }
        // A lost leadership ends the guard before anything else, the disk included, takes time. A
        // new one is published only after the vote that it rests on is durable.
        if self.election.lease_until().is_none() {
            // Not held any more: nothing can lapse.
            let _ = self.publish_lease();
        }
        let mut wrote = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Persist(hard) => {
                    wrote = true;
                    self.disk.write(encode_hard_state(&hard)).await?;
                    self.observer.observe(&NodeEvent::Persisted(hard));
                }
                Effect::Send { to, message } => {
                    self.transport.send(to, Packet::Election(message));
                }
                // Full: the last request is still under way, and will be repeated.
                Effect::ReadRoll => drop(self.rolls.requests.try_send(RollRequest::Read)),
                Effect::CallRoll { seen, boots } => {
                    drop(self.rolls.requests.try_send(RollRequest::Call { seen, boots }));
                }
                Effect::Event(event) => self.observer.observe(&NodeEvent::Election(event)),
            }
        }
        self.effects = effects;
        Ok(wrote)
    }

    /// Says what the lease is now.
    ///
    /// A renewal comes too late if the lease had run out before it could be said, by the clock that
    /// its holders read: one of them may have seen the end, and would never act again under a lease
    /// that goes on. Read under the cell's lock, which every holder takes after its own reading.
    fn publish_lease(&self) -> Result<(), Lapsed> {
        let now = self.election.lease_until();
        let token = self.election.term().into();
        let lease = self.lease.get();
        let next = match now {
            Some(until) => LeaseState {
                token,
                until,
                held: true,
                generation: self.election.generation(),
                incarnation: self.election.me().incarnation,
            },
            None if !lease.held => return Ok(()),
            // The guard shall look at its own clock.
            None if mutant!(LeaseOnWallClock) => lease,
            None => LeaseState { held: false, ..lease },
        };
        if next.held && lease.held && next.token == lease.token {
            return self.lease.update_quietly(|lease| {
                if self.clock.now() >= lease.until {
                    return Err(Lapsed { term: self.election.term() });
                }
                *lease = next;
                Ok(())
            });
        }
        if next != lease {
            self.lease.set(next);
        }
        Ok(())
    }

    fn publish_status(&self) {
        let election = &self.election;
        let unchanged = self.status.with(|status| {
            status.role == election.role()
                && status.term == election.term()
                && status.leader == election.leader()
                && status.generation == election.generation()
                && status.incarnation == election.me().incarnation
                && Arc::ptr_eq(&status.view, election.view())
                && Arc::ptr_eq(&status.clock_suspects, election.clock_suspects())
        });
        if !unchanged {
            if mutant!(TornStatus) {
                let torn = ClusterStatus { term: election.term(), ..self.status.get() };
                self.observer.observe(&NodeEvent::Status(torn.clone()));
                self.status.set(torn);
            }
            let status = status_of(election);
            self.observer.observe(&NodeEvent::Status(status.clone()));
            self.status.set(status);
        }
    }
}

fn status_of(election: &Election) -> ClusterStatus {
    ClusterStatus {
        current: election.me().node,
        incarnation: election.me().incarnation,
        role: election.role(),
        generation: election.generation(),
        term: election.term(),
        leader: election.leader(),
        view: Arc::clone(election.view()),
        clock_suspects: Arc::clone(election.clock_suspects()),
    }
}

#[cfg(all(test, madsim))]
mod tests;
