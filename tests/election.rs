//! The election alone, property-tested: voters as plain values, a network that delays, repeats and
//! loses as it likes, processes that crash and restart with their disk, clocks that drift within the
//! bound. No async, no simulator: what fails here shrinks to a short list of steps.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::election::{
    Body, Config, Effect, Election, Event, HardState, Input, Message, Role, Timing, View,
};
use fencepost::{Identity, Incarnation, Instant, NodeId, Term};
use proptest::prelude::*;

fn voter(number: usize) -> NodeId {
    format!("n{}", number + 1).parse().unwrap()
}

fn timing() -> Timing {
    // A small lease and a coarse drift make the interesting boundaries easy to hit.
    Timing {
        heartbeat: Duration::from_millis(20),
        lease: Duration::from_millis(100),
        promise: Duration::from_millis(160),
        quarantine: Duration::from_millis(160),
        election_timeout: Duration::from_millis(160),
        jitter: Duration::from_millis(40),
        margin: Duration::from_millis(5),
        max_drift_ppm: 200_000,
    }
}

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    /// True time passes, and every voter that is due ticks, but for those that stand still.
    Pass { ms: u64, frozen: u8 },
    /// A message that is on its way arrives; its copy stays if it is repeated.
    Deliver { pick: prop::sample::Index, repeat: bool },
    /// A message is lost.
    Lose { pick: prop::sample::Index },
    /// Everything on its way arrives, as on a good network.
    Flush,
    /// A process crashes and restarts with what it had persisted.
    Restart { voter: usize },
    /// A leader is told by its store that the floor is ahead.
    Outrank { voter: usize, by: u64 },
    /// A leader gives up.
    Resign { voter: usize },
}

fn steps(voters: usize) -> impl Strategy<Value = Vec<Step>> {
    let any_voter = 0..voters;
    let step = prop_oneof![
        6 => (1u64..60, any::<u8>(), prop::bool::weighted(0.3)).prop_map(|(ms, mask, freeze)| {
            Step::Pass { ms, frozen: if freeze { mask } else { 0 } }
        }),
        6 => (any::<prop::sample::Index>(), prop::bool::weighted(0.2))
            .prop_map(|(pick, repeat)| Step::Deliver { pick, repeat }),
        2 => any::<prop::sample::Index>().prop_map(|pick| Step::Lose { pick }),
        8 => Just(Step::Flush),
        1 => any_voter.clone().prop_map(|voter| Step::Restart { voter }),
        1 => (any_voter.clone(), 0u64..5).prop_map(|(voter, by)| Step::Outrank { voter, by }),
        1 => any_voter.prop_map(|voter| Step::Resign { voter }),
    ];
    prop::collection::vec(step, 1..250)
}

/// The voters, their clocks and the network between them.
struct World {
    voters: Vec<Election>,
    disks: Vec<HardState>,
    /// Rate of each clock, in parts per million of true time.
    rates: Vec<u64>,
    now_ns: u64,
    network: Vec<(usize, Message)>,
    elected: BTreeMap<Term, Identity>,
    leaders: usize,
    seed: u64,
}

impl World {
    fn new(count: usize, drifts: &[i32], seed: u64) -> Self {
        let rates = drifts.iter().map(|d| u64::try_from(1_000_000 + d).unwrap()).collect();
        let mut world = Self {
            voters: Vec::new(),
            disks: vec![HardState::first_boot(); count],
            rates,
            now_ns: 0,
            network: Vec::new(),
            elected: BTreeMap::new(),
            leaders: 0,
            seed,
        };
        world.voters = (0..count).map(|index| world.boot(index, count)).collect();
        world
    }

    fn boot(&mut self, index: usize, count: usize) -> Election {
        self.seed += 1;
        let voters = (0..count).map(voter).collect();
        let config = Config { me: voter(index), voters, timing: timing() };
        let now = self.clock(index);
        Election::new(config, self.disks[index].clone(), self.seed, now).unwrap()
    }

    fn clock(&self, index: usize) -> Instant {
        let origin = 1_000_000_000_000 * (index as u64 + 1);
        Instant(origin + self.now_ns / 1_000 * self.rates[index] / 1_000)
    }

    fn handle(&mut self, index: usize, input: Input) {
        let now = self.clock(index);
        let mut effects = Vec::new();
        self.voters[index].handle(now, input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Persist(hard) => {
                    let old = &self.disks[index];
                    assert!(hard.term >= old.term, "E2: the promised term never falls");
                    if hard.term == old.term && old.vote.is_some() {
                        assert_eq!(hard.vote, old.vote, "E1: one vote a term");
                    }
                    self.disks[index] = hard;
                }
                Effect::Send { to, message } => {
                    assert!(message.term <= self.disks[index].term, "persisted before it is sent");
                    let to = (0..self.voters.len()).find(|v| voter(*v) == to).unwrap();
                    self.network.push((to, message));
                }
                Effect::Event(Event::Elected { term, certificate }) => {
                    self.leaders += 1;
                    let me = self.voters[index].me();
                    let before = self.elected.insert(term, me);
                    assert!(before.is_none(), "E1: {term:?} has two leaders, {before:?} and {me}");
                    let mut voters: Vec<_> = certificate.iter().map(|v| v.node).collect();
                    voters.sort_unstable();
                    voters.dedup();
                    assert!(2 * voters.len() > self.voters.len(), "E3: a majority of voters");
                }
                Effect::Event(_) => {}
            }
        }
        self.check_leases();
    }

    /// L1: at most one lease is valid at any true time, each by its own clock.
    fn check_leases(&self) {
        let holders: Vec<_> = (0..self.voters.len())
            .filter(|&v| self.voters[v].lease_until().is_some_and(|until| self.clock(v) < until))
            .collect();
        assert!(holders.len() <= 1, "L1: {holders:?} hold leases at {} ns", self.now_ns);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Pass { ms, frozen } => {
                self.now_ns += ms * 1_000_000;
                self.check_leases();
                for index in 0..self.voters.len() {
                    let due = self.voters[index].next_wake() <= self.clock(index);
                    if due && frozen & (1 << index) == 0 {
                        self.handle(index, Input::Tick);
                    }
                }
            }
            Step::Deliver { pick, repeat } if !self.network.is_empty() => {
                let at = pick.index(self.network.len());
                let (to, message) =
                    if *repeat { self.network[at].clone() } else { self.network.remove(at) };
                self.handle(to, Input::Message(message));
            }
            Step::Lose { pick } if !self.network.is_empty() => {
                let at = pick.index(self.network.len());
                self.network.remove(at);
            }
            Step::Deliver { .. } | Step::Lose { .. } => {}
            Step::Flush => {
                for (to, message) in std::mem::take(&mut self.network) {
                    self.handle(to, Input::Message(message));
                }
            }
            Step::Restart { voter } => self.voters[*voter] = self.boot(*voter, self.voters.len()),
            Step::Outrank { voter, by } => {
                if self.voters[*voter].role() == Role::Leader {
                    let floor = Term(self.voters[*voter].term().0 + by);
                    self.handle(*voter, Input::Outranked { floor });
                }
            }
            Step::Resign { voter } => self.handle(*voter, Input::Resign),
        }
    }

    /// A good network and running clocks, for that long.
    fn calm(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step(&Step::Flush);
            self.step(&Step::Pass { ms: 1, frozen: 0 });
        }
    }
}

fn drifts(voters: usize) -> impl Strategy<Value = Vec<i32>> {
    let bound = i32::try_from(timing().max_drift_ppm).unwrap();
    prop::collection::vec(prop_oneof![Just(-bound), Just(0), Just(bound), -bound..=bound], voters)
}

fn safe_and_live(voters: usize, drifts: &[i32], steps: &[Step], seed: u64) {
    let mut world = World::new(voters, drifts, seed);
    for step in steps {
        world.step(step);
    }
    // Afterwards a leader within the time of some campaigns, and one that stays.
    world.network.clear();
    world.calm(3_000);
    let leader = world.voters.iter().position(|v| v.leader() == Some(v.me().node));
    let leader = leader.expect("V1: a leader after all is well again");
    let term = world.voters[leader].term();
    world.calm(1_000);
    assert_eq!(world.voters[leader].term(), term, "V1: a stable one");
    assert_eq!(world.voters[leader].role(), Role::Leader);
    for follower in &world.voters {
        assert_eq!(follower.leader(), Some(voter(leader)));
        assert_eq!(follower.view().participants.len(), voters, "all take part");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn three_voters(drifts in drifts(3), steps in steps(3), seed in any::<u32>()) {
        safe_and_live(3, &drifts, &steps, u64::from(seed));
    }

    #[test]
    fn five_voters(drifts in drifts(5), steps in steps(5), seed in any::<u32>()) {
        safe_and_live(5, &drifts, &steps, u64::from(seed));
    }

    /// Any message at all, from anyone: no panic, no second vote, no term that falls.
    #[test]
    fn hostile_messages(messages in prop::collection::vec(any_message(), 1..60), seed in any::<u32>()) {
        let mut world = World::new(3, &[0, 0, 0], u64::from(seed));
        for (message, ms) in messages {
            world.now_ns += ms * 1_000_000;
            // Only what a voter itself does is checked: liars can elect whom they like.
            world.elected.clear();
            let now = world.clock(0);
            let mut effects = Vec::new();
            world.voters[0].handle(now, Input::Message(message), &mut effects);
            world.voters[0].handle(now, Input::Tick, &mut effects);
            for effect in effects {
                if let Effect::Persist(hard) = effect {
                    prop_assert!(hard.term >= world.disks[0].term);
                    if hard.term == world.disks[0].term && world.disks[0].vote.is_some() {
                        prop_assert_eq!(hard.vote, world.disks[0].vote);
                    }
                    world.disks[0] = hard;
                }
            }
        }
    }
}

fn any_message() -> impl Strategy<Value = (Message, u64)> {
    let identity = (0usize..4, 0u64..3)
        .prop_map(|(v, i)| Identity { node: voter(v), incarnation: Incarnation(i) });
    let term = prop_oneof![0u64..6, Just(1 << 33), Just(u64::MAX), Just(i64::MAX as u64)];
    let body = prop_oneof![
        Just(Body::PreVote),
        (identity.clone(), 0u64..6, any::<bool>()).prop_map(|(to, asked, granted)| {
            Body::PreVoteReply { to, asked: Term(asked), granted }
        }),
        Just(Body::VoteRequest),
        (identity.clone(), any::<bool>()).prop_map(|(to, granted)| Body::VoteReply { to, granted }),
        (any::<u64>(), any::<u64>()).prop_map(|(round, version)| Body::Heartbeat {
            round,
            view: std::sync::Arc::new(View { version, participants: vec![voter(7)] }),
        }),
        (identity.clone(), prop_oneof![0u64..9, Just(u64::MAX)])
            .prop_map(|(to, round)| Body::HeartbeatAck { to, round }),
        identity.clone().prop_map(|to| Body::NewerTerm { to }),
    ];
    (identity, term, body, 0u64..300)
        .prop_map(|(from, term, body, ms)| (Message { from, term: Term(term), body }, ms))
}

/// The promise binds to everyone but the leader it was made to.
#[test]
fn a_vote_is_withheld_while_a_promise_lasts() {
    let mut world = World::new(3, &[0, 0, 0], 1);
    world.calm(1_000);
    let leader = world.voters.iter().position(|v| v.role() == Role::Leader).unwrap();
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let from = world.voters[other].me();
    let term = Term(world.voters[follower].term().0 + 1);
    world.handle(follower, Input::Message(Message { from, term, body: Body::VoteRequest }));
    assert!(world.voters[follower].term() < term, "the term is not even taken over");
    // Without heartbeats the promise ends, and the same request succeeds.
    world.network.clear();
    world.now_ns += 200_000_000;
    world.handle(follower, Input::Message(Message { from, term, body: Body::VoteRequest }));
    assert_eq!(world.voters[follower].hard_state().vote, Some(from));
}

/// A single voter is a quorum of one.
#[test]
fn one_voter_leads_alone() {
    let mut world = World::new(1, &[0], 1);
    world.calm(400);
    assert_eq!(world.voters[0].leader(), Some(voter(0)));
    assert!(world.network.is_empty());
    assert_eq!(world.leaders, 1);
}

/// V4: a floor far ahead is learned at once and campaigned above.
#[test]
fn a_floor_ahead_is_overtaken() {
    let mut world = World::new(3, &[0, 0, 0], 1);
    world.calm(1_000);
    let leader = world.voters.iter().position(|v| v.role() == Role::Leader).unwrap();
    world.handle(leader, Input::Outranked { floor: Term(1_000) });
    world.calm(200);
    assert_eq!(world.voters[leader].leader(), Some(voter(leader)));
    assert_eq!(world.voters[leader].term(), Term(1_001));
}

/// A vote that is handled at or after its campaign's deadline is not counted, timer or no timer.
#[test]
fn a_late_vote_is_not_counted() {
    for (late_ms, role) in [(39, Role::Leader), (40, Role::Candidate)] {
        let mut world = World::new(3, &[0, 0, 0], 1);
        world.now_ns = 200_000_000;
        world.handle(0, Input::Tick);
        world.step(&Step::Flush); // pre-votes
        world.step(&Step::Flush); // their answers: now it is a candidate
        assert_eq!(world.voters[0].role(), Role::Candidate);
        world.step(&Step::Flush); // vote requests: the votes are on their way
        world.now_ns += late_ms * 1_000_000;
        world.step(&Step::Flush);
        assert_eq!(world.voters[0].role(), role, "{late_ms} ms after the campaign began");
    }
}
