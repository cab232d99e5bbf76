//! Which packets are still under way: those that could change something.

use fencepost::election::{Body, Election, Message, Role};
use fencepost::probe::Mutant;
use fencepost::{Generation, Identity};

use super::model::{Cluster, State};
use super::packet::Packet;
use super::scope::Anew;

impl Cluster {
    /// Puts what a voter said into the set, and takes out what is over now that it changed.
    pub(super) fn send(&self, next: &mut State, index: u8, sent: impl Iterator<Item = u32>) {
        let sent = sent.filter(|packet| self.gets_through(*packet));
        let mut all: Vec<u32> = next.network.iter().copied().chain(sent).collect();
        all.sort_unstable();
        all.dedup();
        next.network = all.into();
        if !self.reduced {
            return;
        }
        self.close(next);
        // Whether a message matters depends on its sender and its receiver. The last crash settles
        // more than that.
        let settled = self.is_settled(next);
        let stays = |id: &u32| {
            let packet = self.world.packets.get(*id);
            let concerned = settled || packet.from() == Some(index) || packet.to() == Some(index);
            !concerned || !self.is_over(next, packet, settled)
        };
        let rest = next.network.iter().copied().filter(stays).collect();
        next.network = rest;
    }

    /// Whether a packet could ever arrive.
    pub(super) fn gets_through(&self, packet: u32) -> bool {
        let packet = self.world.packets.get(packet);
        packet.from().zip(packet.to()).is_none_or(|(from, to)| !self.is_broken(from, to))
    }

    /// Whether the link between two voters is broken.
    pub(super) fn is_broken(&self, one: u8, other: u8) -> bool {
        let broken = self.scope.broken;
        broken.contains(&(one, other)) || broken.contains(&(other, one))
    }

    /// Whether no voter will ever forget anything again, so that what it promised stays promised.
    /// A voter that is told of a newer incarnation of its own forgets, too; but of three voters, and
    /// of those that started once, nobody registers an incarnation that is not the newest.
    fn is_settled(&self, state: &State) -> bool {
        let left = state.left;
        let crashes = left.wipes > 0 || left.power_cuts > 0 || left.give_ups > 0 || left.drops > 0;
        let newest = self.scope.voters <= 3 || self.scope.wipes <= 1;
        // Bugs in counting votes leave the promises of voters as they are.
        let kept = self.mutant.is_none_or(|mutant| {
            let counting = [
                Mutant::NoVectorsInVotes,
                Mutant::VectorsFilteredLocally,
                Mutant::LateVoteCounted,
                Mutant::NoQuarantine,
            ];
            counting.contains(&mutant)
        });
        !crashes && newest && kept && self.is_last(state)
    }

    /// Takes out what concerns no generation in which anyone is or will be operational, where the
    /// store counts them. Nobody is any more in one that nobody is in, unless its boot is on the
    /// roll and has not heard so: to rejoin takes others that are. To hear of such a generation does
    /// no more than to hear of the newest, after which nothing of an older one matters either.
    fn close(&self, next: &mut State) {
        if self.scope.anew != Anew::ByAnyRoll {
            return;
        }
        let Some((&last, _)) = next.store.split_last() else { return };
        let last_generation = self.world.rolls.get(last).generation;
        let rolls = next.store.iter().map(|roll| self.world.rolls.get(*roll));
        let of_roll = |generation, boot| {
            let mut of_it = rolls.clone().filter(|roll| roll.generation == generation);
            of_it.any(|roll| roll.boots.contains(&boot))
        };
        let voters = || self.all_voters().map(|index| &self.node(next, index).election);
        let is_extinct = |generation: Generation| {
            generation != Generation::NONE
                && generation < last_generation
                && voters().all(|voter| {
                    let waits =
                        voter.role() == Role::Rejoining && of_roll(generation, voter.boot());
                    voter.generation() != generation && !waits
                })
        };
        let keeps = |id: &u32| match self.world.packets.get(*id).message() {
            Some(message) => !is_extinct(message.generation),
            None => true,
        };
        let network = next.network.iter().copied().filter(keeps).collect();
        let stands = |id: &u32| *id == last || !is_extinct(self.world.rolls.get(*id).generation);
        let store = next.store.iter().copied().filter(stands).collect();
        let mut history = self.histories.get(next.history).clone();
        history.close(is_extinct);
        next.history = self.histories.keep(history);
        next.network = network;
        next.store = store;
    }

    /// Whether no further generation can begin, within the scope.
    pub(super) fn is_last(&self, state: &State) -> bool {
        match self.scope.anew {
            Anew::Never => true,
            Anew::ByStore | Anew::ByAnyRoll => {
                let stands = state.store.last().map(|roll| self.world.rolls.get(*roll));
                stands.is_some_and(|roll| roll.generation.number >= self.scope.generations)
            }
            Anew::ByAllVoters => false,
        }
    }

    /// Whether a voter has gone on to register, for good.
    fn registers(&self, state: &State, voter: &Election) -> bool {
        state.left.give_ups == 0 && voter.registers_as().is_some()
    }

    /// Whether a packet will never change anything again, for the reason given in each case. Where
    /// a planted bug makes the reason wrong, the packet stays.
    fn is_over(&self, state: &State, packet: &Packet, settled: bool) -> bool {
        let (from, to, message) = match packet {
            Packet::Message { from, to, message } => (from, to, message),
            // It would begin a generation beyond the scope.
            Packet::Roll { .. } => return self.is_last(state),
        };
        let receiver = &self.node(state, *to).election;
        let sender = &self.node(state, *from).election;
        // Whether it matters to those that rejoin themselves: they hear of each other for a roll call.
        let once = self.is_last(state) || self.scope.anew == Anew::ByAnyRoll;
        let Message { from: by, generation, term, body, .. } = message;
        // What an operational receiver promised in that generation it keeps, once all is settled.
        let kept = settled && receiver.generation() == *generation;
        // It is of a generation that its receiver has left for good.
        if settled && *generation < receiver.generation() && *generation != Generation::NONE {
            return true;
        }
        match body {
            // It is counted by a candidate of its very term, and a candidate that ceases to be one
            // is never one in that term again.
            Body::VoteReply { to, .. } => {
                let waits = receiver.role() == Role::Candidate && receiver.term() == *term;
                let waits = waits || self.mutant == Some(Mutant::OlderVoteCounted);
                let same = receiver.me() == *to && receiver.generation() == *generation;
                let told = is_told_of_its_end(receiver, sender, *by);
                !(told || waits && same)
            }
            // Answers are for one boot, while it rejoins, and the first ones until it registers.
            // Nonces do not come back.
            Body::Registered { to, incarnation, .. } => {
                receiver.boot() != *to
                    || receiver.role() != Role::Rejoining
                    || self.registers(state, receiver)
                        && receiver.registers_as() != Some(*incarnation)
            }
            Body::Known { to, .. } => {
                receiver.boot() != *to
                    || receiver.role() != Role::Rejoining
                    || self.is_last(state) && self.registers(state, receiver)
            }
            // The answer would be for a boot that needs none any more. To those that rejoin
            // themselves it matters only for a cold start, of which there is none.
            Body::Rejoining { nonce, .. } => {
                let needs = sender.boot().nonce == *nonce && sender.role() == Role::Rejoining;
                let done = self.is_last(state) && self.registers(state, sender);
                once && (!needs || done)
            }
            // An operational identity is not come back to.
            Body::Superseded { to, .. } => receiver.me() != *to,
            Body::TakeOver { to } => receiver.me() != *to || receiver.term() > *term,
            // It is for a boot on it.
            Body::RollCall { roll } => {
                let nodes = self.mutant == Some(Mutant::RollListsNodes);
                !nodes && !roll.boots.contains(&receiver.boot())
            }
            Body::Register { nonce } if kept => {
                let answered = sender.boot().nonce != *nonce || sender.role() != Role::Rejoining;
                let knows = receiver.hard_state().known.of(by.node) >= by.incarnation;
                answered && knows
            }
            // From here on the receiver has promised more than what is asked of it, and keeps it.
            Body::VoteRequest { .. } if kept => {
                let vote = receiver.hard_state().vote;
                let asks = sender.role() == Role::Candidate
                    && sender.term() == *term
                    && sender.me() == *by;
                let promised = receiver.term() > *term
                    || receiver.term() == *term && vote.is_some_and(|vote| vote != *by || !asks);
                promised && !is_told_of_its_end(receiver, sender, *by)
            }
            Body::Heartbeat { .. } if kept => {
                let follows = receiver.term() == *term
                    && receiver.role() == Role::Follower
                    && receiver.leader() == Some(by.node);
                let done = receiver.term() > *term || follows && self.scope.handovers == 0;
                done && !is_told_of_its_end(receiver, sender, *by)
            }
            _ => false,
        }
    }
}

/// Whether a message would be answered by word to a living sender that it is superseded.
fn is_told_of_its_end(receiver: &Election, sender: &Election, by: Identity) -> bool {
    sender.me() == by && receiver.hard_state().known.of(by.node) > by.incarnation
}
