//! The election alone: plain values, no network, one thread.

use fencepost::election::{Config, Effect, Election, Event, HardState, Input, Message};
use fencepost::{Instant, NodeId};

use super::cpu_seconds;

/// CPU seconds of each measurement, at least.
const MEASURE: f64 = 1.0;

/// Steps between two looks at the clock.
const STEPS: u64 = 1_000;

fn node(index: usize) -> NodeId {
    format!("n{}", index + 1).parse().expect("a short name")
}

/// Voters that hand each other their messages at once.
pub(super) struct Trio {
    voters: Vec<Election>,
    now: Instant,
    inbox: Vec<(NodeId, Box<Message>)>,
    effects: Vec<Effect>,
    messages: u64,
    elections: u64,
}

impl Trio {
    fn new() -> Self {
        let names: Vec<NodeId> = (0..3).map(node).collect();
        let voters = (0..3).map(|index| {
            let config = Config::of_voter(names[index], names.clone());
            Election::new(config, Some(HardState::at_first_start(&names)), index as u64, Instant(0))
                .expect("the default timing is valid")
        });
        Self {
            voters: voters.collect(),
            now: Instant(0),
            inbox: Vec::new(),
            effects: Vec::new(),
            messages: 0,
            elections: 0,
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        self.voters[index].handle(self.now, input, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { to, message } => self.inbox.push((to, message)),
                Effect::Event(Event::Elected { .. }) => self.elections += 1,
                Effect::Persist(_)
                | Effect::Event(_)
                | Effect::ReadRoll
                | Effect::CallRoll { .. } => {}
            }
        }
    }

    /// Lets the next timer fire and everything that follows from it arrive.
    fn step(&mut self) {
        let wakes = self.voters.iter().map(Election::next_wake).enumerate();
        let (first, due) = wakes.min_by_key(|(_, wake)| *wake).expect("three voters");
        self.now = self.now.max(due);
        self.handle(first, Input::Tick);
        while let Some((to, message)) = self.inbox.pop() {
            self.messages += 1;
            let index = self.voters.iter().position(|v| v.me().node == to).expect("a voter");
            self.handle(index, Input::Message(message));
        }
    }

    fn leader(&self) -> Option<usize> {
        self.voters.iter().position(|v| v.leader() == Some(v.me().node))
    }
}

/// Messages handled in one CPU second: heartbeats and acknowledgements under one leader.
pub(super) fn messages_per_cpu_second() -> f64 {
    let mut trio = Trio::new();
    while trio.leader().is_none() {
        trio.step();
    }
    let (begin, before) = (cpu_seconds(), trio.messages);
    loop {
        (0..STEPS).for_each(|_| trio.step());
        let spent = cpu_seconds() - begin;
        if spent >= MEASURE {
            assert_eq!(trio.elections, 1, "one leader all the time");
            return (trio.messages - before) as f64 / spent;
        }
    }
}

/// Uncontended elections in one CPU second, from a resignation to the next leader's lease.
pub(super) fn elections_per_cpu_second() -> f64 {
    let mut trio = Trio::new();
    let begin = cpu_seconds();
    loop {
        for _ in 0..STEPS {
            while trio.leader().is_none() {
                trio.step();
            }
            let leader = trio.leader().expect("just seen");
            let term = trio.voters[leader].term();
            trio.handle(leader, Input::Resign { term });
        }
        let spent = cpu_seconds() - begin;
        if spent >= MEASURE {
            return trio.elections as f64 / spent;
        }
    }
}
