//! A way through the states, for people.

use std::fmt::Write;

use fencepost::election::{Body, Effect, Event, Message, Role};
use fencepost::{NodeId, Term};

use super::model::{Action, Cluster, State};
use super::packet::Packet;
use super::step::Step;
use crate::report::text::wrap;

/// The steps of a path, numbered, and what is violated at its end.
pub fn tell(cluster: &Cluster, path: &[(State, Option<Action>)]) -> String {
    let mut text = String::new();
    let mut violations = Vec::new();
    let steps = path.iter().filter_map(|(state, action)| action.map(|action| (state, action)));
    for (number, (state, action)) in steps.enumerate() {
        let line = cluster.describe(state, action);
        let _ = writeln!(text, "{}", wrap(&format!("{:>4}. ", number + 1), &line));
        violations =
            cluster.follow(state, action).map(|(_, violations)| violations).unwrap_or_default();
    }
    let flaw = path.last().and_then(|(state, _)| state.flaw);
    for violation in violations.iter().filter(|violation| Some(violation.flaw) == flaw) {
        let _ = writeln!(text, "{}", wrap("      ", &violation.to_string()));
    }
    text
}

impl Cluster {
    /// One action, and what came of it at once.
    pub fn describe(&self, state: &State, action: Action) -> String {
        match action {
            Action::Node { node, step, cut } => {
                let of = self.node(state, node);
                let evaluated = self.voters.evaluate(node, of, step, cut, &self.world);
                let before = &of.election;
                let mut text = self.event(state, node, step);
                let mut news = Vec::new();
                if let Some(said) = evaluated.effects.iter().find_map(answer) {
                    news.push(said);
                }
                news.extend(evaluated.effects.iter().filter_map(happened));
                let after = &evaluated.node.election;
                if after.term() > before.term() && step != Step::Campaign && news.is_empty() {
                    news.push(format!("it is in term {}", after.term()));
                }
                if after.role() == Role::Candidate
                    && step != Step::Campaign
                    && before.role() != Role::Candidate
                {
                    news.push(format!("it campaigns in term {}", after.term()));
                }
                if cut > 0 {
                    news.push("the power fails before it is written".to_owned());
                }
                if !news.is_empty() {
                    text += ": ";
                    text += &news.join(", ");
                }
                text
            }
            Action::CallRoll(packet) => {
                let Packet::Roll { boots, .. } = self.world.packets.get(packet) else {
                    return String::new();
                };
                let names: Vec<&str> = boots.iter().map(|boot| boot.node.as_str()).collect();
                format!("store <- roll call of {}", names.join(", "))
            }
            Action::Answered(packet) => {
                let asked = self.world.packets.get(packet);
                let (Some(asks), Some(node)) = (asked.from(), asked.to()) else {
                    return String::new();
                };
                let step = Step::Deliver { packet, promised: false };
                let text = self.describe(state, Action::Node { node, step, cut: 0 });
                let Some((next, _)) = self.follow(state, action) else { return text };
                let (before, after) = (self.node(state, asks), self.node(&next, asks));
                let asks = self.called(asks);
                let news = match (before.election.registers_as(), after.election.registers_as()) {
                    (None, Some(incarnation)) => format!(", and registers as {asks}/{incarnation}"),
                    (Some(_), None) if after.election.role() != Role::Rejoining => {
                        format!(
                            ", and is operational as {}, in term {}",
                            after.election.me(),
                            after.election.term()
                        )
                    }
                    _ => String::new(),
                };
                format!("{text}; {asks} hears it{news}")
            }
            Action::Activate(index) => {
                let elections = &self.histories.get(state.history).elections;
                let election = elections[usize::from(index)];
                format!("store <- {}: activates token {}", election.leader, election.term)
            }
        }
    }

    fn called(&self, index: u8) -> NodeId {
        self.voters.names[usize::from(index)]
    }

    fn event(&self, state: &State, node: u8, step: Step) -> String {
        let name = self.called(node);
        let of = self.node(state, node);
        match step {
            Step::Campaign => {
                format!("{name} campaigns in term {}", Term(of.election.term().0 + 1))
            }
            Step::Adopt(term) => format!("{name} hears of term {term} and adopts it"),
            Step::Hear(generation) => {
                format!("{name} hears of generation {}", self.world.generations.get(generation))
            }
            Step::Deliver { packet, promised } => {
                let packet = self.world.packets.get(packet);
                let from = packet.from().map_or(name, |from| self.called(from));
                let what = packet.message().map(said).unwrap_or_default();
                let when = if promised { ", while a promise binds it" } else { "" };
                format!("{name} <- {from}: {what}{when}")
            }
            Step::StoredRoll(roll) => {
                let roll = self.world.rolls.get(roll);
                format!("{name} <- store: generation {}, floor {}", roll.generation, roll.floor)
            }
            Step::Outranked { term, stands } => {
                let floor = self.world.rolls.get(stands).floor;
                format!("{name} <- store: term {term} is refused, the floor is {floor}")
            }
            Step::Resign { term } => format!("{name} is asked to give term {term} up"),
            Step::LeaseEnds => format!("{name}'s lease ends"),
            Step::Ask => format!("{name} asks again"),
            Step::GiveUp => format!("{name} gives its registration up and asks anew"),
            Step::HandOver { successor } => {
                format!("{name} stops, and hands over to {}", self.called(successor))
            }
            Step::Wipe => format!("{name} is wiped and starts as boot {}", of.boots + 1),
            Step::PowerCut => {
                format!("{name} loses power and starts with its disk as boot {}", of.boots + 1)
            }
        }
    }
}

/// What a message says.
fn said(message: &Message) -> String {
    let name = message.body.name();
    let term = message.term;
    match &message.body {
        Body::VoteRequest { release: Some(release) } => {
            format!(
                "{name}, term {term}, with the release of {} in {}",
                release.leader, release.term
            )
        }
        Body::VoteReply { .. } => format!("vote of {}, term {term}", message.from),
        Body::Known { incarnation, .. } => format!("it is known as incarnation {incarnation}"),
        Body::Register { .. } => format!("it registers as {}", message.from),
        Body::Registered { incarnation, .. } => {
            format!("it is registered as incarnation {incarnation}, term {term}")
        }
        Body::Rejoining { .. } => "it remembers nothing".to_owned(),
        _ => format!("{name}, term {term}"),
    }
}

/// What a voter answers, if that matters.
fn answer(effect: &Effect) -> Option<String> {
    let Effect::Send { message, .. } = effect else { return None };
    match &message.body {
        Body::VoteReply { granted: true, .. } => Some("it grants its vote".to_owned()),
        Body::VoteReply { granted: false, .. } => Some("it refuses".to_owned()),
        Body::Known { incarnation, .. } => Some(format!("it knows incarnation {incarnation}")),
        Body::Register { .. } => Some(format!("it registers as {}", message.from)),
        Body::Registered { .. } => Some(format!("it takes note, in term {}", message.term)),
        Body::RollCall { .. } => Some("it sends the roll".to_owned()),
        _ => None,
    }
}

/// What happened to a voter, if that matters.
fn happened(effect: &Effect) -> Option<String> {
    let Effect::Event(event) = effect else { return None };
    match event {
        Event::Elected { term, certificate, .. } => {
            let by: Vec<String> = certificate.iter().map(ToString::to_string).collect();
            Some(format!("elected in term {term} by {}", by.join(", ")))
        }
        Event::SteppedDown { term, .. } => Some(format!("it leads term {term} no longer")),
        Event::Rejoining { .. } => Some("it forgets all and rejoins".to_owned()),
        Event::Rejoined { incarnation, generation, term, by_roll } => {
            let how = if *by_roll { "by a roll" } else { "by registration" };
            Some(format!(
                "it is operational {how}, incarnation {incarnation}, generation {generation}, term \
                 {term}"
            ))
        }
        _ => None,
    }
}
