//! What must hold after every step, each property by its id in the design.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fencepost::election::{
    Body, CrashVector, Election, Event, HardState, Message, Release, Role, SteppedDown, steps_apart,
};
use fencepost::{Generation, Identity, Incarnation, Instant, NodeId, Term};

/// Who does something, and when by its own clock.
pub struct Who<'w> {
    pub index: usize,
    pub start: u64,
    pub list: &'w [NodeId],
    pub now: Instant,
}

/// What is remembered of one start of a node.
#[derive(Default)]
pub struct Watch {
    rejoins: bool,
    /// The election that it won itself.
    won: Option<(Generation, Term)>,
    /// The end of its lease as it last told.
    lease_until: Option<Instant>,
    /// The term of the command that it handles.
    asked: Option<Term>,
    leaves: bool,
    /// What an observer showed last.
    shown: (Generation, Term),
}

impl Watch {
    pub fn of(election: &Election) -> Self {
        Self { rejoins: election.role() == Role::Rejoining, ..Self::default() }
    }

    pub fn begin(&mut self, asked: Option<Term>, leaves: bool) {
        (self.asked, self.leaves) = (asked, leaves);
    }
}

/// The property, and what happened.
pub type Violation = (&'static str, String);

/// What a node can be blamed for although others lie to it.
const OWN_WORD: &[&str] = &["E2", "E4", "E5", "L2", "L3", "M3"];

pub struct Checks {
    pub violations: Vec<Violation>,
    /// Whether the first violation ends the run: always, unless a bug was planted.
    pub strict: bool,
    /// Whether others lie: then only a node's own word counts, not what it was made to believe.
    pub lies: bool,
    pub within_bound: bool,
    /// Without one, generations begin anew when everyone forgot.
    store: bool,
    elected: BTreeMap<(Generation, Term), (Identity, u64)>,
    /// Who elected, and the list that it was a majority of.
    quorums: BTreeMap<Generation, BTreeSet<(Vec<NodeId>, Vec<NodeId>)>>,
    promised: BTreeMap<(Generation, Identity), (Term, Option<Identity>)>,
    newest: BTreeMap<(Generation, NodeId), Incarnation>,
    /// Votes by generation, term, candidate and voter, with what the voter knew.
    grants: BTreeMap<(Generation, Term, Identity, Identity), Arc<CrashVector>>,
    released: BTreeSet<(Generation, Release)>,
    floors: BTreeMap<Generation, Term>,
    raised: Term,
}

impl Checks {
    pub fn new(within_bound: bool, store: bool) -> Self {
        Self {
            violations: Vec::new(),
            strict: true,
            lies: false,
            within_bound,
            store,
            elected: BTreeMap::new(),
            quorums: BTreeMap::new(),
            promised: BTreeMap::new(),
            newest: BTreeMap::new(),
            grants: BTreeMap::new(),
            released: BTreeSet::new(),
            floors: BTreeMap::new(),
            raised: Term::ZERO,
        }
    }

    pub fn elections(&self) -> usize {
        self.elected.len()
    }

    fn check(&mut self, holds: bool, property: &'static str, what: impl FnOnce() -> String) {
        let counts = !self.lies || OWN_WORD.contains(&property);
        if !holds && counts {
            self.violated(property, what());
        }
    }

    pub fn violated(&mut self, property: &'static str, what: String) {
        assert!(!self.strict, "{property}: {what}");
        self.violations.push((property, what));
    }

    /// E2: promises are kept. M3: a life that is over does not come back.
    pub fn persisted(&mut self, who: &Who<'_>, old: Option<&HardState>, hard: &HardState) {
        if hard.incarnation == Incarnation::NONE {
            return;
        }
        let me = Identity { node: crate::setting::node(who.index), incarnation: hard.incarnation };
        let key = (hard.generation, me);
        if let Some(&(term, vote)) = self.promised.get(&key) {
            self.check(hard.term >= term, "E2", || {
                format!("{me} went from term {term} back to {}", hard.term)
            });
            let kept = hard.term > term || vote.is_none() || hard.vote == vote;
            self.check(kept, "E2", || format!("{me} changed its vote in {term}: {hard:?}"));
        }
        self.promised.insert(key, (hard.term, hard.vote));
        let same_life = old.is_some_and(|old| {
            (old.generation, old.incarnation) == (hard.generation, hard.incarnation)
        });
        if !same_life {
            let before = self.newest.insert((hard.generation, me.node), me.incarnation);
            self.check(before.is_none_or(|before| before < me.incarnation), "M3", || {
                format!("{me} follows {before:?} in generation {}", hard.generation)
            });
        }
    }

    /// E2: what is said is durable before. E5: who rejoins says nothing that counts.
    pub fn sent(&mut self, who: &Who<'_>, watch: &Watch, disk: Option<&HardState>, said: &Message) {
        let Message { from, generation, term, ref body, .. } = *said;
        if watch.rejoins {
            self.check(body.is_harmless(), "E5", || format!("{from} rejoins and says {body:?}"));
            return;
        }
        if !who.list.contains(&from.node) {
            return;
        }
        let Some(disk) = disk else {
            return self.violated("E2", format!("{from} says {body:?} with nothing durable"));
        };
        let durable = disk.generation == generation
            && disk.incarnation == from.incarnation
            && term <= disk.term;
        self.check(durable, "E2", || format!("{from} says {said:?} with {disk:?} durable"));
        let vote = match body {
            Body::VoteReply { to, granted: true, known } => {
                self.grants.insert((generation, term, *to, from), Arc::clone(known));
                *to
            }
            Body::VoteRequest { .. } => from,
            _ => return,
        };
        let durable = disk.term == term && disk.vote == Some(vote);
        self.check(durable, "E2", || format!("{from} votes {vote} in {term}, durable is {disk:?}"));
    }

    pub fn told(&mut self, who: &Who<'_>, watch: &mut Watch, event: &Event) {
        let me = crate::setting::node(who.index);
        match event {
            Event::Elected { term, generation, certificate, known } => {
                watch.won = Some((*generation, *term));
                watch.lease_until = None;
                self.elected(who, *generation, *term, certificate, known);
            }
            Event::LeaseExtended { term, until } => {
                let ended = watch.lease_until.is_some_and(|until| until <= who.now);
                self.check(!ended, "L2", || {
                    format!("{me} renews its lease of {term} at {:?}, after its end", who.now)
                });
                let generation = watch.won.map(|(generation, _)| generation);
                let over = self.released.iter().any(|(of, release)| {
                    Some(*of) == generation && release.term == *term && release.leader.node == me
                });
                self.check(!over, "L3", || format!("{me} renews its lease of {term}, released"));
                watch.lease_until = Some(*until);
            }
            Event::SteppedDown { term, reason } => {
                watch.lease_until = None;
                let exact = match reason {
                    SteppedDown::Outranked => watch.asked == Some(*term),
                    SteppedDown::Resigned => watch.asked == Some(*term) || watch.leaves,
                    SteppedDown::Released => watch.asked == Some(*term) || watch.leaves,
                    _ => true,
                };
                let asked = watch.asked;
                self.check(exact, "L4", || {
                    format!("{me} gave {term} up, {reason:?}, when asked for {asked:?}")
                });
            }
            Event::Released { term, .. } => {
                let of = watch.won.filter(|(_, won)| won == term);
                let holder = of.and_then(|key| self.elected.get(&key).copied());
                let exact = holder.is_some_and(|(h, start)| h.node == me && start == who.start);
                let wanted = watch.asked == Some(*term) || watch.leaves;
                self.check(exact && wanted, "L4", || {
                    format!("{me} released {term}, which {holder:?} held")
                });
                if let (Some((generation, _)), Some((leader, _))) = (of, holder) {
                    self.released.insert((generation, Release { leader, term: *term }));
                }
            }
            Event::PromiseReleased { promised_to, term, release } => {
                let happened = self.released.iter().any(|(_, other)| other == release);
                let exact = promised_to.is_none_or(|leader| leader == release.leader);
                let frees = release.term > *term || release.term == *term && exact;
                self.check(happened && frees, "L4", || {
                    format!("{me}, promised to {promised_to:?} in {term}, is freed by {release:?}")
                });
            }
            Event::Rejoining { .. } => (watch.rejoins, watch.won) = (true, None),
            Event::Rejoined { .. } => watch.rejoins = false,
            Event::ClockWatch { peer, within, at_least_ppm, at_most_ppm } => {
                // No false alarm: "liveness" of a bound that is kept.
                let alarm = self.within_bound && !within;
                self.check(!alarm, "L5", || {
                    format!("{me} suspects {peer}: {at_least_ppm} to {at_most_ppm} ppm")
                });
            }
            Event::PromiseTooShort { .. } | Event::VotersClash { .. } | Event::Ignored(_) => {}
        }
    }

    /// E1, E3, M1 and F4.
    fn elected(
        &mut self,
        who: &Who<'_>,
        generation: Generation,
        term: Term,
        certificate: &[Identity],
        known: &CrashVector,
    ) {
        let node = crate::setting::node(who.index);
        let own = certificate.iter().find(|voter| voter.node == node).copied();
        let Some(me) = own else {
            return self.violated("E3", format!("{node} was elected without its own vote"));
        };
        let before = self.elected.insert((generation, term), (me, who.start));
        self.check(before.is_none(), "E1", || {
            format!("generation {generation}, term {term} elected {before:?} and {me}")
        });
        let floor = self.floors.get(&generation).copied().unwrap_or(Term::ZERO);
        self.check(term > floor, "F4", || {
            format!("{me} was elected in {term}, the floor of {generation} was {floor}")
        });
        let mut quorum: Vec<_> = certificate.iter().map(|voter| voter.node).collect();
        quorum.sort_unstable();
        quorum.dedup();
        let configured = quorum.iter().all(|voter| who.list.contains(voter));
        let majority = 2 * quorum.len() > who.list.len() && quorum.len() == certificate.len();
        self.check(configured && majority, "E3", || {
            format!("{me} was elected by {certificate:?} of {:?}", who.list)
        });
        for voter in certificate {
            let knows = |vector: &CrashVector| vector.of(voter.node) > voter.incarnation;
            let key = (generation, term, me, *voter);
            let real = *voter == me || self.grants.contains_key(&key);
            self.check(real, "E3", || format!("{voter} never voted for {me} in {term}"));
            let mut vectors = certificate.iter().filter_map(|other| {
                self.grants.get(&(generation, term, me, *other)).map(|vector| &**vector)
            });
            let over = knows(known) || vectors.any(knows);
            self.check(!over, "E3", || format!("{me} counts {voter}, whose life is over"));
        }
        let others = self.quorums.entry(generation).or_default();
        // Lists further apart than one voter are not used together, and need not share one.
        let near = others.iter().filter(|(list, _)| steps_apart(list, who.list) <= 1);
        let misses = |other: &&Vec<NodeId>| !other.iter().any(|node| quorum.contains(node));
        let missed = near.map(|(_, other)| other).find(misses).cloned();
        others.insert((who.list.to_vec(), quorum.clone()));
        self.check(missed.is_none(), "M1", || format!("{quorum:?} and {missed:?} both elected"));
    }

    /// What a node is after a step.
    pub fn state(&mut self, index: usize, now: Instant, election: &Election, watch: &mut Watch) {
        let me = election.me();
        if election.role() == Role::Leader {
            let here = (election.generation(), election.term());
            let won = watch.won;
            self.check(won == Some(here), "E4", || format!("{me} leads {here:?} and won {won:?}"));
            let over = election.lease_until().is_some_and(|until| until <= now);
            self.check(!over, "L2", || format!("{me} still leads at {now:?}, after its lease"));
        }
        let rejoins = election.role() == Role::Rejoining;
        self.check(rejoins == watch.rejoins, "E5", || format!("node {index} rejoins in silence"));
        if election.role() == Role::Observer && self.store {
            let shows = (election.generation(), election.term());
            let shown = std::mem::replace(&mut watch.shown, shows);
            self.check(shows >= shown, "S1", || format!("{me} shows {shows:?} after {shown:?}"));
        }
    }

    /// L1: at most one lease is valid at any true time, each by its own clock.
    pub fn leases(&mut self, holders: &[usize], now_ns: u64) {
        let one = holders.len() <= 1 || !self.within_bound;
        self.check(one, "L1", || format!("nodes {holders:?} hold leases at {now_ns} ns"));
    }

    /// The store began a generation at this floor.
    pub fn called(&mut self, generation: Generation, floor: Term) {
        self.floors.insert(generation, floor);
    }

    /// F2: each raise is higher than all before, in whatever generation, and by one who won it.
    pub fn raised(&mut self, generation: Generation, term: Term, holder: Identity) {
        let before = std::mem::replace(&mut self.raised, term);
        self.check(term > before, "F2", || format!("{holder} raised {before} to {term}"));
        let winner = self.elected.get(&(generation, term)).map(|(winner, _)| *winner);
        self.check(winner == Some(holder), "F2", || {
            format!("{holder} raised the floor to {term}, which {winner:?} won")
        });
    }
}
