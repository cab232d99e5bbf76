//! The cluster as a graph of states: what can happen in each, and what comes of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
// chance: it decides when a search gives up, and no state
use std::time::Instant;

use fencepost::Identity;
use fencepost::election::{Body, Rejoins, Role};
use fencepost::probe::Mutant;

use super::arena::{Arena, Memo};
use super::flaw::{Flaw, Violation};
use super::history::{Election, History};
use super::node::{Node, Voters};
use super::outcome::Outcome;
use super::scope::{Anew, Scope};
use super::step::{Step, World};

/// As many voters as a state has room for.
pub const MAX_VOTERS: usize = 5;

/// A state: numbers of large values, and what is left of the budgets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The voters.
    pub nodes: [u32; MAX_VOTERS],
    /// What is under way, in order of number.
    pub network: Box<[u32]>,
    /// The past.
    pub history: u32,
    /// What stood in the store, in order, as far as anyone could still be told.
    pub store: Box<[u32]>,
    /// What is left.
    pub left: Left,
    /// How many voters anything has happened to; see [`Cluster::is_next`].
    pub touched: u8,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    /// So many wipes.
    pub wipes: u8,
    /// So many power cuts.
    pub power_cuts: u8,
    /// So many registrations given up.
    pub give_ups: u8,
    /// So many handovers.
    pub handovers: u8,
    /// So many campaigns; the largest number is no bound.
    pub campaigns: u8,
    /// So many voters that forget because others did; the largest number is no bound.
    pub drops: u8,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// To a voter. With `cut`, the power fails in the middle: before that write.
    Node {
        /// Which.
        node: u8,
        /// What.
        step: Step,
        /// Before which write, counted from 1; 0: the power stays on.
        cut: u8,
    },
    /// A packet arrives, and so does the answer to it, at once.
    Answered(u32),
    /// A roll call reaches the store.
    CallRoll(u32),
    /// An elected leader's activation reaches the store: that of an election, by its number in the history.
    Activate(u8),
}

/// The model of a scope.
pub struct Cluster {
    /// Its scope.
    pub scope: Scope,
    /// The planted bug, if any.
    pub mutant: Option<Mutant>,
    /// The properties that count.
    pub wanted: Vec<Flaw>,
    /// Whether states that differ in nothing that matters are one.
    pub(super) reduced: bool,
    /// When to give up.
    deadline: Mutex<Option<Instant>>,
    stopped: AtomicBool,
    /// The state in which the first violation was met: the search goes on for a while after it, and
    /// what it meets then may be further away.
    first: OnceLock<State>,
    pub(super) voters: Voters,
    pub(super) world: World,
    pub(super) nodes: Arena<Node>,
    pub(super) histories: Arena<History>,
    pub(super) outcomes: Arena<Outcome>,
    pub(super) memo: Memo,
}

impl Cluster {
    /// The model of a scope, with a bug planted or not; it stops at a violation of what is wanted.
    pub fn new(scope: Scope, mutant: Option<Mutant>, wanted: &[Flaw]) -> Self {
        Self {
            scope,
            mutant,
            wanted: wanted.to_vec(),
            reduced: true,
            deadline: Mutex::new(None),
            stopped: AtomicBool::new(false),
            first: OnceLock::new(),
            voters: Voters::new(scope, mutant),
            world: World::new(),
            nodes: Arena::new(),
            histories: Arena::new(),
            outcomes: Arena::new(),
            memo: Memo::new(),
        }
    }

    /// The same with every state there is, to see that the reductions lose nothing.
    #[cfg(test)]
    pub(super) fn unreduced(mut self) -> Self {
        self.reduced = false;
        self.voters.asks_at_once = false;
        self
    }

    /// Gives up at that moment, if there is one.
    pub(super) fn stop_at(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// Whether it is time to give up; from then on nothing can happen any more.
    pub(super) fn stops(&self) -> bool {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let stops = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if stops {
            self.stopped.store(true, Ordering::Relaxed);
        }
        stops
    }

    /// Whether a state is the first in which that property was violated.
    pub(super) fn is_first(&self, state: &State, flaw: Flaw) -> bool {
        state.flaw == Some(flaw) && self.first.get_or_init(|| state.clone()) == state
    }

    /// Whether it gave up.
    pub fn was_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// How many different states voters had.
    pub fn distinct(&self) -> usize {
        self.nodes.len()
    }

    /// In how many different ways a voter was elected, and became operational again.
    pub fn reached(&self) -> (usize, usize) {
        let all = || (0..self.outcomes.len()).map(|at| u32::try_from(at).expect("as kept"));
        let count =
            |is: fn(&Outcome) -> bool| all().filter(|at| is(self.outcomes.get(*at))).count();
        (count(|outcome| outcome.elected.is_some()), count(|outcome| outcome.joined.is_some()))
    }

    /// The voter of that index.
    pub(super) fn node(&self, state: &State, index: u8) -> &Node {
        self.nodes.get(state.nodes[usize::from(index)])
    }

    pub(super) fn all_voters(&self) -> impl Iterator<Item = u8> + use<> {
        0..self.scope.voters
    }

    /// Voters that nothing has happened to are alike, so it is enough to look at the runs in which
    /// the first of them comes next: every run is one of those with the voters renamed. Of an
    /// arrival the receiver is touched, then the sender.
    ///
    /// Not without a store, where the order of generations depends on names.
    fn touch(&self, state: &State, action: Action) -> Option<u8> {
        if !self.reduced {
            return Some(0);
        }
        let mut touched = state.touched;
        let mut touch =
            |index: u8| (index <= touched).then(|| touched = touched.max(index + 1)).is_some();
        let fits = match action {
            Action::Node { node, step: Step::Deliver { packet, .. }, .. } => {
                touch(node) && self.world.packets.get(packet).from().is_none_or(touch)
            }
            Action::Node { node, step: Step::HandOver { successor }, .. } => {
                touch(node) && touch(successor)
            }
            Action::Node { node, .. } => touch(node),
            Action::Answered(packet) => {
                let packet = self.world.packets.get(packet);
                packet.to().is_none_or(&mut touch) && packet.from().is_none_or(touch)
            }
            Action::CallRoll(_) | Action::Activate(_) => true,
        };
        fits.then_some(touched)
    }

    pub(super) fn is_wanted(&self, violations: &[Violation]) -> Option<Flaw> {
        let flaws = violations.iter().map(|violation| violation.flaw);
        flaws.into_iter().find(|flaw| self.wanted.contains(flaw))
    }

    /// What comes of an action, and what is wrong with it. `None`: nothing comes of it, or it leads
    /// beyond the scope.
    pub fn follow(&self, state: &State, action: Action) -> Option<(State, Vec<Violation>)> {
        let touched = self.touch(state, action)?;
        let (mut next, violations) = match action {
            Action::Node { node, step, cut } => self.step(state, node, step, cut)?,
            Action::Answered(packet) => self.answered(state, packet)?,
            Action::CallRoll(packet) => (self.call_roll(state, packet)?, Vec::new()),
            Action::Activate(election) => self.activate(state, election)?,
        };
        next.touched = touched;
        next.flaw = self.is_wanted(&violations);
        Some((next, violations))
    }

    fn step(
        &self,
        state: &State,
        index: u8,
        step: Step,
        cut: u8,
    ) -> Option<(State, Vec<Violation>)> {
        let outcome = self.outcome(state, index, step, cut);
        let at = usize::from(index);
        let silent = outcome.sent.iter().all(|sent| state.network.binary_search(sent).is_ok());
        let same = outcome.node == state.nodes[at] && silent;
        if same && outcome.violations.is_empty() && outcome.beats.is_none() {
            return None;
        }
        let node = self.nodes.get(outcome.node);
        let election = &node.election;
        let (generation, term) = (election.generation(), election.term());
        let drops = election.rejoins() == Some(Rejoins::TooFewRemember)
            && self.node(state, index).election.rejoins().is_none();
        let beyond = term.0 > self.scope.terms
            || generation.number > self.scope.generations
            || drops && state.left.drops == 0;
        if beyond || self.is_too_late(state, step, cut) {
            return None;
        }
        let mut violations = outcome.violations.clone();
        let mut history = self.histories.get(state.history).clone();
        if let Some((generation, who, roll)) = &outcome.joined {
            history.join(*generation, *who, roll.as_ref(), &mut violations);
        }
        if generation.number > 0 {
            history.reach(generation, term);
        }
        if self.scope.anew == Anew::ByAnyRoll && election.role() == Role::Rejoining {
            history.forget(election.boot());
        }
        if let Some((election, certificate)) = &outcome.elected {
            history.elect(*election, &mut violations);
            self.backed(state, *election, certificate, &mut violations);
        }
        if let Some(beats) = outcome.beats.filter(|beats| !history.was_elected(beats)) {
            let text =
                format!("{} sends heartbeats in term {} unelected", beats.leader, beats.term);
            violations.push(Violation::new(Flaw::E4, text));
        }
        let mut next = State { history: self.histories.keep(history), ..state.clone() };
        next.nodes[at] = outcome.node;
        next.pay(step, cut);
        if drops && next.left.drops < u8::MAX {
            next.left.drops -= 1;
        }
        let sent = outcome.sent.iter().copied().filter(|sent| !self.is_answer(*sent));
        self.send(&mut next, index, sent);
        Some((next, violations))
    }

    /// Whether a packet is an answer to one that rejoins, which comes at once or never.
    ///
    /// That leaves nothing out while it neither gives up nor hears of a new generation: until it is
    /// operational, all that it does with answers is to collect them, so that a late one may as well
    /// have come when it was given.
    fn is_answer(&self, packet: u32) -> bool {
        let message = self.world.packets.get(packet).message();
        let answers = message.is_some_and(|message| {
            matches!(message.body, Body::Known { .. } | Body::Registered { .. })
        });
        answers && self.answers_at_once()
    }

    /// Whether answers to those that rejoin come at once or never.
    pub(super) fn answers_at_once(&self) -> bool {
        let kept = matches!(self.scope.anew, Anew::Never | Anew::ByAnyRoll);
        self.reduced && kept && self.scope.give_ups == 0
    }

    fn answered(&self, state: &State, packet: u32) -> Option<(State, Vec<Violation>)> {
        let asked = self.world.packets.get(packet);
        let (asks, answers) = (asked.from()?, asked.to()?);
        let arrives = |packet| Step::Deliver { packet, promised: false };
        let outcome = self.outcome(state, answers, arrives(packet), 0);
        let answer = *outcome.sent.iter().find(|sent| self.is_answer(**sent))?;
        let (between, mut violations) = match self.step(state, answers, arrives(packet), 0) {
            Some(step) => step,
            None => (state.clone(), Vec::new()),
        };
        let (next, more) = self.step(&between, asks, arrives(answer), 0)?;
        violations.extend(more);
        Some((next, violations))
    }

    /// Whether the budget does not allow it.
    fn is_too_late(&self, state: &State, step: Step, cut: u8) -> bool {
        match step {
            _ if cut > 0 => state.left.power_cuts == 0,
            Step::Wipe => state.left.wipes == 0,
            Step::PowerCut => state.left.power_cuts == 0,
            Step::GiveUp => state.left.give_ups == 0,
            Step::HandOver { .. } => state.left.handovers == 0,
            _ => false,
        }
    }

    /// Every other voter of a certificate gave the candidate its vote for this very term: its reply
    /// is under way, for replies stay while anyone waits for them.
    fn backed(
        &self,
        state: &State,
        election: Election,
        certificate: &[Identity],
        violations: &mut Vec<Violation>,
    ) {
        let Election { generation, term, leader } = election;
        let voted = |voter: Identity| {
            let mut said =
                state.network.iter().filter_map(|&p| self.world.packets.get(p).message());
            said.any(|message| {
                let vote = matches!(message.body,
                    Body::VoteReply { to, granted: true, .. } if to == leader);
                vote && message.from == voter
                    && message.term == term
                    && message.generation == generation
            })
        };
        let others = certificate.iter().filter(|voter| voter.node != leader.node);
        if let Some(other) = others.into_iter().find(|voter| !voted(**voter)) {
            let text = format!("{leader} counts a vote of {other}, who gave none in term {term}");
            violations.push(Violation::new(Flaw::E3, text));
        }
    }
}

impl State {
    pub(super) fn put(&mut self, roll: u32) {
        self.store = self.store.iter().copied().chain([roll]).collect();
    }

    fn pay(&mut self, step: Step, cut: u8) {
        match step {
            Step::Wipe => self.left.wipes -= 1,
            Step::PowerCut => self.left.power_cuts -= 1,
            Step::GiveUp => self.left.give_ups -= 1,
            Step::HandOver { .. } => self.left.handovers -= 1,
            Step::Campaign if self.left.campaigns < u8::MAX => self.left.campaigns -= 1,
            _ => {}
        }
        if cut > 0 {
            self.left.power_cuts -= 1;
        }
    }
}
