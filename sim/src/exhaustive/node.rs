//! One voter of the model: the production election, its disk, and what an action does to it.
//!
//! Time. The properties must hold however long anything takes, so each action chooses its moment:
//! messages come right after the step before ([`SOON`]), what ends by time ends ([`LATE`]). After
//! every step the state [forgets the time](Election::forget_time), and every wait that ends by itself
//! is over. That allows more than clocks do: a promise never refuses a vote, except where releases
//! are modelled; a quarantine is over at once. It leaves nothing out: a vote refused because of a
//! promise is a request that was lost; a vote after its poll's end is a vote that was lost; what
//! was heard long ago and counts no more is what was never heard.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fencepost::election::{
    Body, ColdStart, Config, Effect, Election, HardState, Input, Message, Role, Roll, Timing,
};
use fencepost::probe::{self, Mutant};
use fencepost::{Generation, Identity, Incarnation, Instant, NodeId, Term};

use super::flaw::{Flaw, Violation};
use super::scope::{Anew, Begin, Scope};
use super::step::{Step, World};

/// Right after the step before.
pub const SOON: Instant = Instant(0);

/// When a poll, a lease, a registration and a promise that began at [`SOON`] are over.
pub const LATE: Instant = Instant(2_000_000_000);

/// When a pause between two questions is over, and no registration.
const A_MOMENT: Instant = Instant(150_000_000);

/// When everything is over.
const FAR: Instant = Instant(u64::MAX);

/// Between the nonces of two boots: a voter that drops its state counts its nonce up.
const NONCES: u64 = 1 << 16;

/// A voter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// The production state machine.
    pub election: Election,
    /// How often it started.
    pub boots: u8,
    /// What is durable, where disks are kept.
    pub disk: Option<HardState>,
    /// What its present identity has told others, where a power cut can make it forget that.
    pub said: Option<Said>,
}

/// What an identity has told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    generation: Generation,
    identity: Identity,
    term: Term,
    vote: Option<Identity>,
}

/// What became of a voter.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// It.
    pub node: Node,
    /// What it did.
    pub effects: Vec<Effect>,
    /// What was wrong with that.
    pub violations: Vec<Violation>,
}

/// The voters of a scope, which are all alike but for the name.
pub struct Voters {
    /// Their names.
    pub names: Vec<NodeId>,
    scope: Scope,
    mutant: Option<Mutant>,
    keeps_disks: bool,
    /// Whether the one wipe there is may be one with what follows from it.
    pub asks_at_once: bool,
}

impl Voters {
    /// Of that scope.
    pub fn new(scope: Scope, mutant: Option<Mutant>) -> Self {
        let names = (1..=scope.voters).map(|n| format!("n{n}").parse().expect("a name")).collect();
        Self { names, scope, mutant, keeps_disks: scope.power_cuts > 0, asks_at_once: true }
    }

    /// Where a voter stands in the list.
    pub fn index(&self, node: NodeId) -> u8 {
        let index = self.names.iter().position(|name| *name == node).expect("a voter");
        u8::try_from(index).expect("few voters")
    }

    /// How they can start anew.
    pub fn anew(&self) -> Anew {
        self.scope.anew
    }

    /// As a majority is counted.
    pub fn majority(&self) -> usize {
        self.names.len() / 2 + 1
    }

    /// A voter at the beginning, and what it does at once.
    pub fn first(&self, index: u8) -> Evaluated {
        let hard = HardState::at_first_start(&self.names);
        let remembered = (self.scope.begin == Begin::Operational).then_some(hard);
        self.boot(index, 1, remembered)
    }

    /// Starts a process. It is past its quarantine at once; one that rejoins begins to ask, and one
    /// that leads, which none should, would say so.
    fn boot(&self, index: u8, boots: u8, remembered: Option<HardState>) -> Evaluated {
        let mut config = Config::of_voter(self.names[usize::from(index)], self.names.clone());
        debug_assert_eq!(config.timing, Timing::default(), "the moments are chosen for it");
        if self.scope.anew == Anew::ByAllVoters {
            config.cold_start = ColdStart::ByAllVoters;
        }
        let disk = remembered.clone().filter(|_| self.keeps_disks);
        let nonce = u64::from(boots) * NONCES;
        let quarantine = config.timing.quarantine;
        let election = Election::without_chance(config, remembered, nonce, SOON);
        let mut election = election.expect("the default timing is valid");
        let mut effects = Vec::new();
        if matches!(election.role(), Role::Rejoining | Role::Leader) {
            election.handle(SOON + quarantine, Input::Tick, &mut effects);
        }
        election.forget_time(FAR);
        let node = Node { election, boots, disk, said: None };
        let violations = super::judge::local(self, &node, &node.election, Step::Ask, &effects);
        Evaluated { node, effects, violations }
    }

    /// What a step does to a voter, by the production code. With `cut`, the power fails before the
    /// write of that number, counted from 1, and the voter starts again with its disk.
    ///
    /// An assertion that fails in the production code is a violation too.
    pub fn evaluate(
        &self,
        index: u8,
        node: &Node,
        step: Step,
        cut: u8,
        world: &World,
    ) -> Evaluated {
        probe::begin_run(self.mutant);
        match step {
            Step::Wipe => return self.wipe(index, node.boots + 1),
            Step::PowerCut => return self.restart(index, node.clone()),
            _ => {}
        }
        let mut election = node.election.clone();
        let mut effects = Vec::new();
        let run =
            catch_unwind(AssertUnwindSafe(|| self.run(&mut election, step, world, &mut effects)));
        let now = match run {
            Ok(now) => now,
            Err(panic) => {
                let said = panic.downcast_ref::<&str>().map(ToString::to_string);
                let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
                let text = said.unwrap_or_else(|| "a panic without a message".to_owned());
                let violations = vec![Violation::new(Flaw::Assertion, text)];
                return Evaluated { node: node.clone(), effects: vec![], violations };
            }
        };
        // Promises last only where releases are modelled.
        election.forget_time(if self.scope.handovers > 0 { now } else { FAR });
        let mut after = Node { election, ..node.clone() };
        if cut > 0 {
            effects.truncate(write_after_word(&effects, cut).expect("asked for writes that exist"));
        }
        let mut violations = super::judge::local(self, node, &after.election, step, &effects);
        self.follow(&mut after, &effects, &mut violations);
        if cut > 0 {
            let Evaluated { node, violations: more, .. } = self.restart(index, after);
            violations.extend(more);
            return Evaluated { node, effects, violations };
        }
        Evaluated { node: after, effects, violations }
    }

    /// Whether a boot's question and the answers to it are one with its start. The only wipe there
    /// is leaves nobody behind who registered before: all that the others know of the voter is its
    /// first incarnation, whenever they are asked, and they do not change by being asked.
    fn knows_at_once(&self) -> bool {
        let bugs = [Mutant::RollListsNodes, Mutant::WipedVotesAtOnce];
        self.asks_at_once
            && self.scope.wipes == 1
            && self.scope.anew == Anew::Never
            && self.scope.give_ups == 0
            && self.mutant.is_none_or(|mutant| !bugs.contains(&mutant))
    }

    fn wipe(&self, index: u8, boots: u8) -> Evaluated {
        let mut started = self.boot(index, boots, None);
        let election = &mut started.node.election;
        if !self.knows_at_once() || election.role() != Role::Rejoining {
            return started;
        }
        started.effects.clear();
        let generation = HardState::at_first_start(&self.names).generation;
        let (to, incarnation) = (election.boot(), Incarnation::FIRST);
        for &node in self.names.iter().filter(|name| **name != to.node) {
            if election.registers_as().is_some() {
                break;
            }
            let from = Identity { node, incarnation };
            let body = Body::Known { to, incarnation };
            let message = self.message(from, generation, Term::ZERO, body);
            election.handle(SOON, Input::Message(message.into()), &mut started.effects);
        }
        election.forget_time(FAR);
        started
    }

    fn restart(&self, index: u8, node: Node) -> Evaluated {
        let mut started = self.boot(index, node.boots + 1, node.disk);
        started.node.said = node.said;
        started
    }

    /// Feeds the production code what a step stands for, and tells when.
    fn run(
        &self,
        election: &mut Election,
        step: Step,
        world: &World,
        effects: &mut Vec<Effect>,
    ) -> Instant {
        let (now, input) = match step {
            Step::Wipe | Step::PowerCut => unreachable!("no input"),
            Step::Campaign => return self.campaign(election, effects),
            Step::HandOver { successor } => {
                election.handle(SOON, Input::Leave, effects);
                self.choose_successor(election, successor, effects);
                return SOON;
            }
            Step::Adopt(term) => {
                let to = election.me();
                let body = Body::PreVoteReply { to, asked: Term::ZERO, granted: false };
                let message = self.of_other(election, election.generation(), Term(term), body);
                (SOON, Input::Message(message.into()))
            }
            Step::Hear(generation) => {
                let generation = *world.generations.get(generation);
                // Where there is a store, an operational voter believes nobody else.
                let stored = matches!(self.scope.anew, Anew::ByStore | Anew::ByAnyRoll);
                if stored && election.role() != Role::Rejoining {
                    let roll = Roll { generation, ..Roll::default() };
                    election.handle(SOON, Input::Roll(roll.into()), effects);
                    return SOON;
                }
                let body = Body::NewerGeneration;
                (SOON, Input::Message(self.of_other(election, generation, Term::ZERO, body).into()))
            }
            Step::Deliver { packet, promised } => {
                let message = world.packets.get(packet).message().expect("for a voter");
                let late = match election.role() {
                    Role::Follower | Role::PreCandidate => self.scope.handovers > 0 && !promised,
                    Role::Candidate => self.mutant == Some(Mutant::LateVoteCounted),
                    _ => false,
                };
                (if late { LATE } else { SOON }, Input::Message(message.clone().into()))
            }
            Step::StoredRoll(roll) => {
                (SOON, Input::Roll(std::sync::Arc::new(world.rolls.get(roll).clone())))
            }
            Step::Outranked { term, stands } => {
                let stands = world.rolls.get(stands);
                let (floor, generation) = (stands.floor, stands.generation);
                (SOON, Input::Outranked { term: Term(term.into()), floor, generation })
            }
            Step::Resign { term } => (SOON, Input::Resign { term: Term(term.into()) }),
            Step::LeaseEnds | Step::GiveUp => (LATE, Input::Tick),
            Step::Ask => (A_MOMENT, Input::Tick),
        };
        election.handle(now, input, effects);
        now
    }

    /// A poll or a leadership ends, time passes, and all others would welcome the campaign.
    fn campaign(&self, election: &mut Election, effects: &mut Vec<Effect>) -> Instant {
        if election.role() != Role::Follower {
            election.handle(LATE, Input::Tick, effects);
        }
        let now = Instant(4 * LATE.0);
        election.handle(now, Input::Tick, effects);
        let me = election.me().node;
        for &voter in self.names.iter().filter(|name| **name != me) {
            if election.role() != Role::PreCandidate {
                break;
            }
            let incarnation = election.hard_state().known.of(voter);
            let from = Identity { node: voter, incarnation };
            let body =
                Body::PreVoteReply { to: election.me(), asked: election.term(), granted: true };
            let message = self.message(from, election.generation(), election.term(), body);
            election.handle(now, Input::Message(message.into()), effects);
        }
        now
    }

    /// Who is healthy is a matter of time, so anyone may be asked to take over.
    fn choose_successor(&self, election: &Election, successor: u8, effects: &mut [Effect]) {
        let node = self.names[usize::from(successor)];
        let chosen = Identity { node, incarnation: election.hard_state().known.of(node) };
        for effect in effects {
            if let Effect::Send { to, message } = effect
                && let Body::TakeOver { to: asked } = &mut message.body
            {
                *to = node;
                *asked = chosen;
            }
        }
    }

    /// A message of some other voter, of the incarnation that is known of it.
    fn of_other(&self, election: &Election, of: Generation, term: Term, body: Body) -> Message {
        let other = self.names.iter().find(|name| **name != election.me().node);
        let node = *other.expect("more than one voter");
        let known = election.hard_state().known.of(node);
        let incarnation = match election.generation() == of {
            true => known,
            false => Incarnation::FIRST,
        };
        self.message(Identity { node, incarnation }, of, term, body)
    }

    fn message(&self, from: Identity, generation: Generation, term: Term, body: Body) -> Message {
        let config = fencepost::election::ConfigId::of(&self.names);
        Message { from, generation, config, promise: u64::MAX, term, body }
    }

    /// Writes the disk, and takes note of what was said.
    fn follow(&self, node: &mut Node, effects: &[Effect], violations: &mut Vec<Violation>) {
        if !self.keeps_disks {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Persist(hard) => node.disk = Some(hard.clone()),
                Effect::Send { message, .. } => {
                    let said = Said::of(message);
                    if said.identity.incarnation == Incarnation::NONE {
                        continue;
                    }
                    let flaw = node.said.as_ref().and_then(|before| said.contradicts(before));
                    violations.extend(flaw);
                    node.said = Some(said.after(node.said.take()));
                }
                _ => {}
            }
        }
    }
}

impl Said {
    fn of(message: &Message) -> Self {
        let vote = match message.body {
            Body::VoteRequest { .. } => Some(message.from),
            Body::VoteReply { to, granted: true, .. } => Some(to),
            _ => None,
        };
        let Message { from: identity, generation, term, .. } = *message;
        Self { generation, identity, term, vote }
    }

    fn is_of(&self, other: &Self) -> bool {
        self.identity == other.identity && self.generation == other.generation
    }

    fn contradicts(&self, before: &Self) -> Option<Violation> {
        let (now, then) = (self.term, before.term);
        if !self.is_of(before) || now > then {
            return None;
        }
        let who = self.identity;
        if now < then {
            let text = format!("{who} speaks in term {now} after it spoke in term {then}");
            return Some(Violation::new(Flaw::E2, text));
        }
        match (self.vote, before.vote) {
            (Some(now), Some(then)) if now != then => {
                let text = format!("{who} votes for {now} in term {}, after {then}", self.term);
                Some(Violation::new(Flaw::E2, text))
            }
            _ => None,
        }
    }

    fn after(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if self.is_of(&before) && self.term <= before.term => {
                Self { vote: before.vote.or(self.vote), ..before }
            }
            _ => self,
        }
    }
}

/// Where the write of that number is among the effects, counting those that come after a message
/// has left: a power cut before any other is one before the step.
pub fn write_after_word(effects: &[Effect], number: u8) -> Option<usize> {
    let word = effects.iter().position(|effect| matches!(effect, Effect::Send { .. }))?;
    let writes = effects.iter().enumerate().skip(word);
    let mut writes = writes.filter(|(_, effect)| matches!(effect, Effect::Persist(_)));
    writes.nth(usize::from(number) - 1).map(|(at, _)| at)
}
