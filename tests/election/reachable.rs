//! Somebody leads whenever somebody can: every way in which links can be broken between three, four and
//! five voters, with every choice of who remembers, who forgot and who is down.

use fencepost::election::Role;
use fencepost::probe::{Mutant, begin_run};

use crate::setting::Setting;
use crate::world::{Disk, World};

/// What becomes of a voter before the links break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Remembers,
    Forgets,
    Down,
}

/// One way in which things can be.
struct Case {
    fates: Vec<Fate>,
    /// By voter: whom it is connected with, both ways, itself included.
    links: Vec<u16>,
    store: bool,
}

/// Long enough for all that has to happen one after the other: a lease and a promise end, two
/// polls are in vain, one voter forgets and asks, others hear of it and forget, the roll is called,
/// and a campaign or two.
const ENOUGH_MS: u64 = 4_000;

impl Case {
    fn count(&self, mask: u16, fate: Fate) -> usize {
        (0..self.fates.len()).filter(|v| mask >> v & 1 == 1 && self.fates[*v] == fate).count()
    }

    fn is_up(&self, voter: usize) -> bool {
        self.fates[voter] != Fate::Down
    }

    /// Whether some voter that is up reaches so many that are up, itself included.
    fn somebody_reaches(&self, voters: usize) -> bool {
        (0..self.fates.len()).any(|v| {
            let links = self.links[v];
            let up = self.count(links, Fate::Remembers) + self.count(links, Fate::Forgets);
            self.is_up(v) && up >= voters
        })
    }

    /// Whether somebody can lead, by the rule that ARCHITECTURE.md states. With a store: if some voter
    /// reaches a majority. Without one: if it is a majority that remembers in the end, whoever
    /// could rejoin having done so, or if some voter reaches all.
    fn somebody_can(&self) -> bool {
        let (voters, majority) = (self.fates.len(), self.fates.len() / 2 + 1);
        if self.store {
            return self.somebody_reaches(majority);
        }
        if self.somebody_reaches(voters) {
            return true;
        }
        let mut fates = self.fates.clone();
        loop {
            let remember = |mask: u16| {
                (0..voters).filter(|v| mask >> v & 1 == 1 && fates[*v] == Fate::Remembers).count()
            };
            let leads =
                |v: &usize| fates[*v] == Fate::Remembers && remember(self.links[*v]) >= majority;
            if (0..voters).any(|v| leads(&v)) {
                return true;
            }
            let rejoins =
                |v: &usize| fates[*v] == Fate::Forgets && remember(self.links[*v]) >= majority;
            let Some(next) = (0..voters).find(rejoins) else { return false };
            fates[next] = Fate::Remembers;
        }
    }

    /// Whether somebody leads after some time.
    fn somebody_leads(&self) -> bool {
        let voters = self.fates.len();
        let mut world = World::new(Setting { store: self.store, ..Setting::of(voters) });
        world.run(400);
        world.the_leader();
        for from in 0..voters {
            for to in (0..voters).filter(|to| self.links[from] >> to & 1 == 0) {
                world.break_link(from, to);
            }
        }
        for (index, fate) in self.fates.iter().enumerate() {
            match fate {
                Fate::Remembers => {}
                Fate::Forgets => world.restart(index, Disk::Wiped),
                Fate::Down => world.stop(index, Disk::Kept),
            }
        }
        // Who led before leads on for its lease, whatever happens to its voters.
        world.run(200);
        let leads = world.leads_within(ENOUGH_MS);
        if !leads {
            // Nobody wears itself out meanwhile: who cannot lead waits.
            let rejoining = |world: &World| {
                (0..voters)
                    .filter(|v| world.up(*v).is_some_and(|e| e.role() == Role::Rejoining))
                    .count()
            };
            let (before, told) = (rejoining(&world), world.events.len());
            world.run(1_000);
            let forgot = world.events[told..]
                .iter()
                .filter(|(_, event)| matches!(event, fencepost::election::Event::Rejoining { .. }));
            assert_eq!(
                (forgot.count(), rejoining(&world)),
                (0, before),
                "{self}: still forgetting"
            );
        }
        assert_eq!(world.checks.violations, [], "{self}");
        leads
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let broken = (0..self.fates.len()).flat_map(|a| (0..a).map(move |b| (b, a)));
        let broken: Vec<_> = broken.filter(|(a, b)| self.links[*a] >> b & 1 == 0).collect();
        let with = if self.store { "a store" } else { "no store" };
        write!(f, "{:?}, {with}, broken links {broken:?}", self.fates)
    }
}

/// All cases of so many voters; of those that differ in the names of voters alone, one.
fn all(voters: usize, store: bool) -> Vec<Case> {
    let pairs: Vec<_> = (0..voters).flat_map(|a| (0..a).map(move |b| (b, a))).collect();
    let mut cases = Vec::new();
    for choice in 0..3usize.pow(u32::try_from(voters).unwrap()) {
        let fate = |voter: usize| match choice / 3usize.pow(u32::try_from(voter).unwrap()) % 3 {
            0 => Fate::Remembers,
            1 => Fate::Forgets,
            _ => Fate::Down,
        };
        let fates: Vec<_> = (0..voters).map(fate).collect();
        // Names do not matter, so who remembers comes first and who is down comes last.
        if fates.windows(2).any(|pair| pair[0] as u8 > pair[1] as u8) {
            continue;
        }
        let mut seen = std::collections::BTreeSet::new();
        for graph in 0..1u32 << pairs.len() {
            let linked = |at: usize| graph >> at & 1 == 1;
            let down = |voter: usize| fates[voter] == Fate::Down;
            // What is between those that are down does not matter either.
            if pairs.iter().enumerate().any(|(at, (a, b))| linked(at) && (down(*a) || down(*b))) {
                continue;
            }
            let mut links: Vec<u16> = (0..voters).map(|voter| 1 << voter).collect();
            for (_, (a, b)) in pairs.iter().enumerate().filter(|(at, _)| linked(*at)) {
                links[*a] |= 1 << b;
                links[*b] |= 1 << a;
            }
            if seen.insert(shape(&fates, &links)) {
                cases.push(Case { fates: fates.clone(), links, store });
            }
        }
    }
    cases
}

/// The least of all the ways to write the links down, with voters of one fate renamed.
fn shape(fates: &[Fate], links: &[u16]) -> Vec<u16> {
    let mut orders = vec![Vec::new()];
    for place in 0..fates.len() {
        let longer = |order: &Vec<usize>| {
            let free = (0..fates.len()).filter(|v| fates[*v] == fates[place] && !order.contains(v));
            free.map(|v| order.iter().copied().chain([v]).collect()).collect::<Vec<Vec<usize>>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    let written = |order: &Vec<usize>| -> Vec<u16> {
        let linked = |a: usize, b: usize| links[order[a]] >> order[b] & 1;
        (0..order.len()).map(|a| (0..order.len()).map(|b| linked(a, b) << b).sum()).collect()
    };
    orders.iter().map(written).min().expect("one order at least")
}

fn somebody_leads_whenever_somebody_can(voters: usize) {
    let mut wrong = String::new();
    let mut could = [0, 0];
    for store in [true, false] {
        for case in all(voters, store) {
            let (can, leads) = (case.somebody_can(), case.somebody_leads());
            could[usize::from(can)] += 1;
            if can != leads {
                wrong += &format!("{case}: somebody can: {can}, leads: {leads}\n");
            }
        }
    }
    println!("{voters} voters: {} cases with a leader, {} without", could[1], could[0]);
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(could[0] > 0 && could[1] > 0, "{could:?}");
}

#[test]
fn of_three_somebody_leads_whenever_somebody_can() {
    somebody_leads_whenever_somebody_can(3);
}

#[test]
fn of_four_somebody_leads_whenever_somebody_can() {
    somebody_leads_whenever_somebody_can(4);
}

#[test]
fn of_five_somebody_leads_whenever_somebody_can() {
    somebody_leads_whenever_somebody_can(5);
}

/// Three of three see each other but for one link, and the two at its ends forget.
fn one_link_down() -> Case {
    let fates = vec![Fate::Remembers, Fate::Forgets, Fate::Forgets];
    Case { fates, links: vec![0b111, 0b011, 0b101], store: true }
}

#[test]
fn who_trusts_the_forgetful_to_meet_waits_for_ever() {
    let leads = |mutant| {
        let lead = move || {
            begin_run(mutant);
            one_link_down().somebody_leads()
        };
        std::thread::spawn(lead).join().unwrap()
    };
    assert!(leads(None));
    assert!(!leads(Some(Mutant::ForgetfulTrustedToMeet)));
}
