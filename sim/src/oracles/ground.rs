//! What the world lets the nodes do at one moment of a history: which voters could lead, and since when.
//!
//! A voter *can take part* while its process runs and has not been told to stop, its machine neither
//! stands still nor sleeps, its disk works and its clock is within the bound. Two such voters *reach
//! each other* while both count by the same list and messages go both ways within what the timing can
//! rely on. A voter *could lead* while enough others reach it directly to be a majority of its list with
//! it, and it reaches the store, if there is one. That is all that the election needs: whoever is heard
//! by a majority can be elected by it and hold its lease, whether or not the others hear each other.
//!
//! Links, machines, disks and services are the world's own word. Whether a voter forgot is what its
//! process reports, and counts only against it.
//!
//! What no protocol can give is not asked for:
//!
//! - Without a store, voters that forgot cannot be told from voters that promised. They come back by the
//!   answers of a majority that remembers, one after the other, so a voter counts if it remembers or such
//!   a majority reaches it; or if one voter reaches all, since then they can start anew.
//! - While somebody lies, and as long after as it is believed, nobody is asked to lead: votes in another's
//!   name depose whoever does.
//! - With a store nothing of that kind is left: a majority that is there and reaches one voter can always
//!   start anew by a roll call of that voter.

use std::collections::BTreeMap;

use fencepost::NodeId;

use super::pace::Odds;
use super::{Pace, Setting};
use crate::history::{Event, Kind, LinkState, SimTime, Spot, WorldEvent};

/// Somebody could lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance {
    /// Without a break since then.
    pub since: SimTime,
    /// This voter, for the longest time.
    pub centre: NodeId,
}

/// The world as far as it matters to leading and delivering.
pub(super) struct Ground<'s> {
    pace: &'s Pace,
    machines: Vec<Machine>,
    links: BTreeMap<(Spot, Spot), LinkState>,
    services: [bool; 2],
    /// How many voters the first list has.
    voters: u32,
    /// Since when each pair of machines reaches each other, by places.
    pairs: Vec<Option<SimTime>>,
    /// Since when every machine that runs reaches every other, the store and the sink.
    whole: Option<SimTime>,
    /// How many lie, and since when nobody does and nobody believes it any more.
    liars: u32,
    honest: SimTime,
    /// How often anything of this changed.
    changes: u32,
    /// When one of the voters last was one that forgot.
    forgot: Option<SimTime>,
}

#[derive(Debug, Clone)]
struct Machine {
    node: NodeId,
    runs: bool,
    stands_still: bool,
    disk_works: bool,
    clock_is_good: bool,
    /// Its list is the voters n1 to this one.
    list: u32,
    /// Which of them it is; zero for an observer.
    number: u32,
    remembers: bool,
    store: Option<SimTime>,
    sink: Option<SimTime>,
}

impl Machine {
    fn takes_part(&self) -> bool {
        self.runs && !self.stands_still && self.disk_works && self.clock_is_good
    }

    fn is_voter(&self) -> bool {
        (1..=self.list).contains(&self.number)
    }
}

impl<'s> Ground<'s> {
    /// Before anything runs.
    pub fn new(setting: &'s Setting) -> Self {
        Self {
            pace: &setting.pace,
            machines: Vec::new(),
            links: BTreeMap::new(),
            services: [true; 2],
            voters: u32::try_from(setting.voters.len()).expect("few voters"),
            pairs: Vec::new(),
            whole: None,
            liars: 0,
            honest: SimTime(0),
            changes: 0,
            forgot: None,
        }
    }

    /// Takes note of an event. Tells whether it changed who reaches whom.
    pub fn apply(&mut self, event: &Event) -> bool {
        match &event.kind {
            Kind::World(WorldEvent::Links(links)) => {
                for (from, to, state) in links {
                    self.links.insert((*from, *to), *state);
                }
            }
            Kind::World(WorldEvent::Service { which, works }) => {
                self.services[usize::from(*which == Spot::Sink)] = *works;
            }
            Kind::World(WorldEvent::Disk { node, works }) => {
                self.machine(*node).disk_works = *works;
            }
            Kind::Booted { node, .. } => self.machine(*node).runs = true,
            Kind::StopAsked { node } | Kind::Down { node, .. } => self.machine(*node).runs = false,
            Kind::Paused { node } => self.machine(*node).stands_still = true,
            Kind::Resumed { node } => self.machine(*node).stands_still = false,
            Kind::ClockRate { node, within_bound, .. } => {
                self.machine(*node).clock_is_good = *within_bound;
            }
            Kind::Listed { node, voters } => self.machine(*node).list = *voters,
            Kind::Rejoins { boot, .. } => self.machine(boot.node).remembers = false,
            Kind::Rejoined { who, .. } => self.machine(who.node).remembers = true,
            // Whoever lies can depose whoever leads, again and again.
            Kind::Fault { kind: "lies", .. } => {
                self.liars += 1;
                return self.changed();
            }
            Kind::FaultEnded { line } if line.contains("lies = ") => {
                self.liars = self.liars.saturating_sub(1);
                self.honest = SimTime(event.at.0.saturating_add(self.pace.lies_last()));
                return self.changed();
            }
            _ => return false,
        }
        self.look(event.at)
    }

    fn changed(&mut self) -> bool {
        self.changes += 1;
        true
    }

    /// How often it changed who reaches whom.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Who could lead, and since when, for the longest time.
    pub fn chance(&self) -> Option<Chance> {
        let honest = (self.liars == 0).then_some(self.honest)?;
        let places = 0..self.machines.len();
        let stars = places.filter_map(|place| {
            let since = self.star(place)?.max(honest);
            Some(Chance { since, centre: self.machines[place].node })
        });
        stars.min_by_key(|chance| (chance.since, chance.centre))
    }

    /// Since when a node can take part and reaches the store and the sink.
    pub fn serves(&self, node: NodeId) -> Option<SimTime> {
        let machine = self.machines.iter().find(|machine| machine.node == node)?;
        let honest = (self.liars == 0).then_some(self.honest)?;
        let since = machine.store?.max(machine.sink?).max(honest);
        if self.pace.shared { Some(since.max(self.whole?)) } else { Some(since) }
    }

    /// Since when every machine that runs reaches the sink, and, if workers deliver, every other.
    pub fn all_serve(&self) -> Option<SimTime> {
        let running = self.machines.iter().filter(|machine| machine.runs && !machine.stands_still);
        let mut since = SimTime(0);
        for machine in running {
            since = since.max(machine.sink?);
        }
        if self.pace.shared { Some(since.max(self.whole?)) } else { Some(since) }
    }

    /// The longest round trip to the store and to the sink of a node, in nanoseconds.
    pub fn trips(&self, node: NodeId) -> Option<(u64, u64)> {
        let node = Spot::Node(node);
        Some((self.service(node, Spot::Database)?, self.service(node, Spot::Sink)?))
    }

    /// What the bounds depend on now, for a time that began at `since`.
    pub fn odds(&self, since: SimTime) -> Odds {
        let mut odds =
            Odds { voters: 0, round_trip: 0, loss_ppm: 0, forgot: false, without_store: 0 };
        for (place, machine) in self.machines.iter().enumerate() {
            if !(machine.is_voter() && machine.runs) {
                continue;
            }
            odds.voters += 1;
            odds.without_store += usize::from(machine.store.is_none());
            for other in 0..place {
                if let Some((trip, loss)) = self.between(place, other) {
                    odds.round_trip = odds.round_trip.max(trip);
                    odds.loss_ppm = odds.loss_ppm.max(loss);
                }
            }
        }
        odds.forgot = self.forgot.is_some_and(|at| at >= since) || self.anybody_forgot();
        odds
    }

    fn anybody_forgot(&self) -> bool {
        self.machines.iter().any(|machine| machine.is_voter() && machine.runs && !machine.remembers)
    }

    /// Since when that voter could lead.
    fn star(&self, place: usize) -> Option<SimTime> {
        let centre = &self.machines[place];
        if !(centre.is_voter() && centre.takes_part()) {
            return None;
        }
        let needed = usize::try_from(centre.list).expect("few voters") / 2;
        let mut reached: Vec<SimTime> = (0..self.machines.len())
            .filter_map(|other| self.pairs[self.pair(place, other)])
            .collect();
        // A pair with itself is one that can take part at all, for a list of one.
        reached.sort_unstable();
        let since = match needed {
            0 => self.pairs[self.pair(place, place)]?,
            needed => *reached.get(needed)?,
        };
        if self.pace.store { Some(since.max(centre.store?)) } else { Some(since) }
    }

    /// Looks at everything anew.
    fn look(&mut self, now: SimTime) -> bool {
        let count = self.machines.len();
        let eligible: Vec<bool> = self.eligible();
        let mut changed = false;
        let mut note = |since: &mut Option<SimTime>, holds: bool| {
            if since.is_some() != holds {
                *since = holds.then_some(now);
                changed = true;
            }
        };
        let mut whole = true;
        for place in 0..count {
            let here = &self.machines[place];
            let (node, runs) = (Spot::Node(here.node), here.takes_part());
            let store = runs && self.service(node, Spot::Database).is_some();
            let sink = runs && self.service(node, Spot::Sink).is_some();
            whole &= !here.runs || (runs && store && sink && here.remembers_or_observes());
            for other in 0..=place {
                let holds = eligible[place]
                    && eligible[other]
                    && (place == other || self.between(place, other).is_some());
                let pair = self.pair(place, other);
                note(&mut self.pairs[pair], holds);
                let mirrored = self.pair(other, place);
                self.pairs[mirrored] = self.pairs[pair];
                if self.machines[place].runs && self.machines[other].runs && place != other {
                    whole &= self.reaches(place, other).is_some();
                }
            }
            note(&mut self.machines[place].store, store);
            note(&mut self.machines[place].sink, sink);
        }
        // Any other change is a break, too: shares are given anew then.
        self.whole = match (whole, changed) {
            (false, _) => None,
            (true, true) => Some(now),
            (true, false) => self.whole.or(Some(now)),
        };
        if self.anybody_forgot() {
            self.forgot = Some(now);
        }
        self.changes += u32::from(changed);
        changed
    }

    /// Which machines can take part in electing anybody.
    fn eligible(&self) -> Vec<bool> {
        let takes_part = |place: usize| {
            let machine = &self.machines[place];
            machine.is_voter() && machine.takes_part()
        };
        let places = 0..self.machines.len();
        if self.pace.store {
            return places.map(takes_part).collect();
        }
        let near: Vec<Vec<usize>> = places
            .clone()
            .map(|place| {
                places.clone().filter(|other| self.between(place, *other).is_some()).collect()
            })
            .collect();
        let near = |place: usize| near[place].iter().copied().filter(move |other| *other != place);
        let list = |place: usize| usize::try_from(self.machines[place].list).expect("few voters");
        let mut comes_back: Vec<bool> = places
            .clone()
            .map(|place| takes_part(place) && self.machines[place].remembers)
            .collect();
        // Who reaches all can start anew with them.
        for place in places.clone() {
            if takes_part(place) && near(place).count() + 1 == list(place) {
                near(place).chain([place]).for_each(|one| comes_back[one] = true);
            }
        }
        // Whoever came back can help the next.
        while let Some(place) = places.clone().find(|place| {
            let helps = near(*place).filter(|other| comes_back[*other]).count();
            takes_part(*place) && !comes_back[*place] && helps > list(*place) / 2
        }) {
            comes_back[place] = true;
        }
        comes_back
    }

    /// The longest round trip and the loss between two voters that can rely on each other.
    fn between(&self, a: usize, b: usize) -> Option<(u64, u32)> {
        let (one, other) = (&self.machines[a], &self.machines[b]);
        let voters = one.is_voter() && other.is_voter() && one.list == other.list;
        if !(voters && one.takes_part() && other.takes_part()) {
            return None;
        }
        self.reaches(a, b)
    }

    /// The same of any two machines, by the network alone.
    fn reaches(&self, a: usize, b: usize) -> Option<(u64, u32)> {
        let (one, other) = (Spot::Node(self.machines[a].node), Spot::Node(self.machines[b].node));
        let (there, back) = (self.link(one, other), self.link(other, one));
        let trip = self.pace.round_trip(there, back)?;
        Some((trip, there.loss_ppm.max(back.loss_ppm)))
    }

    fn service(&self, node: Spot, service: Spot) -> Option<u64> {
        let works = self.services[usize::from(service == Spot::Sink)];
        let trip = self.pace.service_trip(self.link(node, service), self.link(service, node))?;
        works.then_some(trip)
    }

    fn link(&self, from: Spot, to: Spot) -> LinkState {
        self.links.get(&(from, to)).copied().unwrap_or_else(|| self.pace.usual())
    }

    fn pair(&self, a: usize, b: usize) -> usize {
        a * self.machines.len() + b
    }

    fn machine(&mut self, node: NodeId) -> &mut Machine {
        let found = self.machines.iter().position(|machine| machine.node == node);
        let place = found.unwrap_or_else(|| self.add(node));
        &mut self.machines[place]
    }

    /// Machines are told before anything runs.
    fn add(&mut self, node: NodeId) -> usize {
        let number = node.as_str().strip_prefix('n').and_then(|number| number.parse().ok());
        self.machines.push(Machine {
            node,
            runs: false,
            stands_still: false,
            disk_works: true,
            clock_is_good: true,
            list: self.voters,
            number: number.unwrap_or(0),
            remembers: true,
            store: None,
            sink: None,
        });
        let count = self.machines.len();
        self.pairs = vec![None; count * count];
        count - 1
    }
}

impl Machine {
    fn remembers_or_observes(&self) -> bool {
        self.remembers || !self.is_voter()
    }
}
