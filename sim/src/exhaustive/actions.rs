//! What can happen in a state.

use std::collections::BTreeSet;

use fencepost::election::{Body, Election, Role};
use fencepost::probe::Mutant;
use fencepost::{Boot, Generation, Term};
use stateright::{Model, Property};

use super::flaw::Flaw;
use super::history::History;
use super::model::{Action, Cluster, Left, MAX_VOTERS, State};
use super::packet::Packet;
use super::scope::{Anew, Begin};
use super::step::Step;

impl Cluster {
    /// All empty or all operational; what is said at the start is said.
    fn beginning(&self) -> State {
        let scope = self.scope;
        let mut history = History::default();
        let mut state = State {
            nodes: [0; MAX_VOTERS],
            network: Box::default(),
            history: 0,
            store: Box::default(),
            left: Left {
                wipes: scope.wipes,
                power_cuts: scope.power_cuts,
                give_ups: scope.give_ups,
                handovers: scope.handovers,
                campaigns: scope.campaigns,
                drops: scope.drops,
            },
            // With a broken link, voters differ in more than their names.
            touched: match scope.anew == Anew::ByAllVoters || !scope.broken.is_empty() {
                true => scope.voters,
                false => 0,
            },
            flaw: None,
        };
        if matches!(scope.anew, Anew::ByStore | Anew::ByAnyRoll) {
            let stands = match scope.begin {
                Begin::Empty => fencepost::election::Roll::default(),
                Begin::Operational => {
                    (*self.voters.first(0).node.election.hard_state().roll).clone()
                }
            };
            state.store = [self.world.rolls.keep(stands)].into();
        }
        let mut sent = Vec::new();
        for index in self.all_voters() {
            let first = self.first(index);
            state.nodes[usize::from(index)] = first.node;
            if self.node(&state, index).election.role() == Role::Rejoining {
                history.forget(self.node(&state, index).election.boot());
            }
            sent.extend_from_slice(&first.sent);
            state.flaw = state.flaw.or(self.is_wanted(&first.violations));
        }
        if scope.begin == Begin::Operational {
            history.reach(self.node(&state, 0).election.generation(), Term::ZERO);
        }
        state.history = self.histories.keep(history);
        sent.retain(|packet| self.gets_through(*packet));
        sent.sort_unstable();
        state.network = sent.into();
        state
    }

    fn of_node(&self, state: &State, node: u8, actions: &mut Vec<Action>) {
        let election = &self.node(state, node).election;
        let (role, term) = (election.role(), election.term());
        let history = self.histories.get(state.history);
        let mut push = |step| actions.push(Action::Node { node, step, cut: 0 });
        if state.left.wipes > 0 {
            push(Step::Wipe);
        }
        if state.left.power_cuts > 0 {
            push(Step::PowerCut);
        }
        if self.scope.anew != Anew::Never {
            let stored = state.store.iter().map(|roll| self.world.rolls.get(*roll).generation);
            let begun = history.generations().map(|(generation, _)| generation).chain(stored);
            let begun: BTreeSet<Generation> = begun.collect();
            for generation in begun.into_iter().filter(|generation| generation.number > 0) {
                if role == Role::Rejoining || generation > election.generation() {
                    push(Step::Hear(self.world.generations.keep(generation)));
                }
            }
        }
        if role == Role::Rejoining {
            // Where nobody listens to find others for a roll, one question is as good as many.
            let listens = self.scope.anew != Anew::ByAnyRoll && !self.is_last(state);
            if listens || !self.has_asked(state, election) {
                push(Step::Ask);
            }
            if state.left.give_ups > 0 {
                push(Step::GiveUp);
            }
            self.stored_rolls(state, node, actions);
            return;
        }
        if term.0 < self.scope.terms && state.left.campaigns > 0 {
            push(Step::Campaign);
        }
        let top = history.top(election.generation());
        (term.0 + 1..=top.0).for_each(|term| push(Step::Adopt(term)));
        if role == Role::Leader {
            self.of_leader(state, node, actions);
        }
    }

    /// What a rejoining voter can be told of the store. A roll that lists its boot was called after it
    /// said that it remembers nothing, so it can have read it; any other one only tells it of a
    /// generation, and, where voters call rolls themselves, what to call the next one after.
    fn stored_rolls(&self, state: &State, node: u8, actions: &mut Vec<Action>) {
        let boot = self.node(state, node).election.boot();
        let lists_nodes = self.mutant == Some(Mutant::RollListsNodes);
        for &id in &state.store {
            let roll = self.world.rolls.get(id);
            let listed =
                roll.boots.contains(&boot) || lists_nodes && Some(&id) == state.store.last();
            if listed || self.scope.anew == Anew::ByStore && !self.is_last(state) {
                actions.push(Action::Node { node, step: Step::StoredRoll(id), cut: 0 });
            }
        }
    }

    /// Any majority of boots that ever remembered nothing, one of each voter, one of which can have
    /// heard all others.
    fn roll_calls(&self, state: &State, actions: &mut Vec<Action>) {
        if self.scope.anew != Anew::ByAnyRoll || self.is_last(state) {
            return;
        }
        let Some(stands) = state.store.last().map(|roll| self.world.rolls.get(*roll)) else {
            return;
        };
        let mut rolls: Vec<Vec<Boot>> = vec![Vec::new()];
        for name in &self.voters.names {
            let forgetful = self.histories.get(state.history).forgetful();
            let boots: Vec<&Boot> = forgetful.iter().filter(|boot| boot.node == *name).collect();
            let with = |roll: &Vec<Boot>, boot: &Boot| {
                roll.iter().copied().chain([*boot]).collect::<Vec<_>>()
            };
            let longer: Vec<_> = rolls
                .iter()
                .flat_map(|roll| boots.iter().map(move |boot| with(roll, boot)))
                .collect();
            rolls.extend(longer);
        }
        let linked = |one: &Boot, other: &Boot| {
            !self.is_broken(self.voters.index(one.node), self.voters.index(other.node))
        };
        rolls.retain(|roll| {
            let heard = roll.iter().any(|one| roll.iter().all(|other| linked(one, other)));
            roll.len() >= self.voters.majority() && heard
        });
        for boots in rolls {
            let packet = Packet::Roll { seen: stands.generation, boots };
            actions.push(Action::CallRoll(self.world.packets.keep(packet)));
        }
    }

    fn of_leader(&self, state: &State, node: u8, actions: &mut Vec<Action>) {
        let election = &self.node(state, node).election;
        let history = self.histories.get(state.history);
        let mut push = |step| actions.push(Action::Node { node, step, cut: 0 });
        if self.scope.handovers > 0 {
            push(Step::LeaseEnds);
        }
        if state.left.handovers > 0 && election.lease_until().is_some() {
            let others = self.all_voters().filter(|other| *other != node);
            others.for_each(|successor| push(Step::HandOver { successor }));
        }
        // Late word about leaderships of its own: of this one from the store, of earlier ones any.
        let own = history.elections.iter().filter(|other| {
            other.leader == election.me() && other.generation == election.generation()
        });
        for led in own {
            let term = u8::try_from(led.term.0).expect("few terms");
            if led.term < election.term() {
                push(Step::Resign { term });
            }
            for &stands in &state.store {
                let roll = self.world.rolls.get(stands);
                if roll.generation == led.generation && roll.floor >= led.term {
                    push(Step::Outranked { term, stands });
                }
            }
        }
    }

    fn arrivals(&self, state: &State, actions: &mut Vec<Action>) {
        let releases = self.scope.handovers > 0;
        for &id in &state.network {
            let packet = self.world.packets.get(id);
            let (Some(node), Some(message)) = (packet.to(), packet.message()) else {
                actions.push(Action::CallRoll(id));
                continue;
            };
            let receiver = self.node(state, node).election.role();
            if !self.is_heard(state, &message.body, receiver) {
                continue;
            }
            let asks = matches!(message.body, Body::Rejoining { .. } | Body::Register { .. });
            if asks && self.answers_at_once() {
                actions.push(Action::Answered(id));
            }
            let deliver = |promised| {
                let step = Step::Deliver { packet: id, promised };
                Action::Node { node, step, cut: 0 }
            };
            actions.push(deliver(false));
            let bound = matches!(receiver, Role::Follower | Role::PreCandidate);
            if releases && bound && matches!(message.body, Body::VoteRequest { .. }) {
                actions.push(deliver(true));
            }
        }
    }

    /// Whether a rejoining voter's question is under way, or was answered.
    fn has_asked(&self, state: &State, voter: &Election) -> bool {
        let mut said = state.network.iter().filter_map(|&id| self.world.packets.get(id).message());
        voter.registers_as().is_some()
            || said.any(|message| {
                let nonce = voter.boot().nonce;
                let asks = matches!(message.body, Body::Rejoining { nonce: n, .. } if n == nonce);
                asks && message.from.node == voter.boot().node
            })
    }

    /// Whether a message is for one in that role at all. What it does to others is tell a generation,
    /// a term or an incarnation, all of which can be learned otherwise; see [`super::packet`].
    fn is_heard(&self, state: &State, body: &Body, role: Role) -> bool {
        match body {
            Body::Known { .. } | Body::Registered { .. } | Body::RollCall { .. } => {
                role == Role::Rejoining
            }
            // To others that rejoin it matters only for a roll call.
            Body::Rejoining { .. } => {
                let listens = self.scope.anew != Anew::ByAnyRoll && !self.is_last(state);
                role != Role::Rejoining || listens
            }
            _ => role != Role::Rejoining || self.mutant == Some(Mutant::WipedVotesAtOnce),
        }
    }

    /// The same steps, with the power failing in the middle: after a word, before a write.
    fn power_cuts(&self, state: &State, actions: &mut Vec<Action>) {
        if state.left.power_cuts == 0 {
            return;
        }
        let mut cuts = Vec::new();
        for action in &*actions {
            if let Action::Node { node, step, .. } = *action
                && !matches!(step, Step::PowerCut | Step::Wipe)
            {
                let writes = self.outcome(state, node, step, 0).writes_after_word;
                cuts.extend((1..=writes).map(|cut| Action::Node { node, step, cut }));
            }
        }
        actions.append(&mut cuts);
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.beginning()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // A violation is the end: what follows from it is no news.
        if state.flaw.is_some() || self.stops() {
            return;
        }
        for node in self.all_voters() {
            self.of_node(state, node, actions);
        }
        self.arrivals(state, actions);
        self.roll_calls(state, actions);
        if !state.store.is_empty() {
            let elections = &self.histories.get(state.history).elections;
            let count = u8::try_from(elections.len()).expect("few elections");
            actions.extend((0..count).map(Action::Activate));
        }
        self.power_cuts(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.follow(state, action).map(|(next, _)| next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! never {
            ($($flaw:ident)+) => {
                vec![$(Property::always(Flaw::$flaw.property(), |cluster: &Self, state: &State| {
                    !cluster.is_first(state, Flaw::$flaw)
                })),+]
            };
        }
        never!(E1 E2 E3 E4 E5 F2 F4 M1 M3 L4 Assertion)
    }
}
