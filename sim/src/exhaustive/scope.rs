//! The scopes: what each begins with and what it bounds; and which planted bug is found where.

use fencepost::probe::Mutant;

use super::flaw::Flaw;

/// How the voters begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// All operational in the first generation, with nothing promised.
    Operational,
    /// All empty: nobody remembers anything.
    Empty,
}

/// How a cluster of which too few remember anything can start anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// Not at all: the store does not answer.
    Never,
    /// By a roll call in the store, which also fences. The voters hear of each other, read the store
    /// and call the roll as the production code does it.
    ByStore,
    /// By a roll call in the store, of any majority of boots that ever remembered nothing, at any
    /// time: more than the voters would call, and far fewer states.
    ByAnyRoll,
    /// Without a store, once all voters have forgotten everything.
    ByAllVoters,
}

/// How long a search takes on two processors, some years old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// In every run of the tests.
    Seconds,
    /// Every night, and by `cargo sim exhaustive`.
    Minutes,
    /// When asked for by name.
    Hours,
}

/// What a search is bounded by. Everything else is free: which messages are lost, late or doubled,
/// how long anything takes, and who does what when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// What it is called.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// How many voters.
    pub voters: u8,
    /// How they begin.
    pub begin: Begin,
    /// How they can start anew.
    pub anew: Anew,
    /// The highest term.
    pub terms: u64,
    /// The highest generation.
    pub generations: u64,
    /// How often a voter loses its disk and starts again, in all.
    pub wipes: u8,
    /// How often a voter loses power and starts again with its disk, in all.
    pub power_cuts: u8,
    /// How often a rejoining voter gives up to register and asks anew, in all.
    pub give_ups: u8,
    /// How often a leader hands over, in all.
    pub handovers: u8,
    /// How many campaigns there are, in all; the largest number is no bound.
    pub campaigns: u8,
    /// How often a voter forgets because too few others remember, in all; the largest number is no
    /// bound. In the model what was heard of them never grows old, so that it happens too easily.
    pub drops: u8,
    /// The links that are broken, for good, by the places of the voters at their ends.
    pub broken: &'static [(u8, u8)],
    /// How long it takes.
    pub effort: Effort,
}

impl Scope {
    const BASE: Self = Self {
        name: "",
        about: "",
        voters: 3,
        begin: Begin::Operational,
        anew: Anew::Never,
        terms: 1,
        generations: 1,
        wipes: 0,
        power_cuts: 0,
        give_ups: 0,
        handovers: 0,
        campaigns: u8::MAX,
        drops: 0,
        broken: &[],
        effort: Effort::Hours,
    };

    /// Its bounds in one line.
    pub fn bounds(&self) -> String {
        let count = |number: u64, one: &str, many: &str| match number {
            0 => String::new(),
            1 => format!(" · 1 {one}"),
            _ => format!(" · {number} {many}"),
        };
        let mut text = format!("N={}", self.voters);
        if self.begin == Begin::Empty {
            text += " · all empty";
        }
        text += match self.anew {
            Anew::Never => "",
            Anew::ByStore => " · store",
            Anew::ByAnyRoll => " · store, any roll",
            Anew::ByAllVoters => " · no store",
        };
        text += &count(self.terms, "term", "terms");
        if self.campaigns < u8::MAX {
            text += &count(self.campaigns.into(), "campaign", "campaigns");
        }
        if self.anew != Anew::Never {
            text += &count(self.generations, "generation", "generations");
        }
        text += &count(self.wipes.into(), "wipe", "wipes");
        text += &count(self.power_cuts.into(), "power cut", "power cuts");
        if self.drops < u8::MAX {
            text += &count(
                self.drops.into(),
                "voter that forgets as well",
                "voters that forget as well",
            );
        }
        text += &count(self.broken.len() as u64, "broken link", "broken links");
        text += &count(self.give_ups.into(), "given-up registration", "given-up registrations");
        text + &count(self.handovers.into(), "handover", "handovers")
    }

    /// The scope of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCOPES.iter().find(|scope| scope.name == name)
    }
}

/// All scopes.
pub const SCOPES: &[Scope] = &[
    Scope {
        name: "plain",
        about: "two elections without any crash",
        terms: 2,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "wipe",
        about: "one voter forgets everything, in one term",
        wipes: 1,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "wipe-twice",
        about: "voters forget everything and rejoin, in one term",
        wipes: 2,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "wipe-thrice",
        about: "as above, once more",
        wipes: 3,
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "wipe-terms",
        about: "a voter forgets everything and rejoins between two terms",
        wipes: 1,
        terms: 2,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "wipe-twice-terms",
        about: "as above, twice",
        wipes: 2,
        terms: 2,
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "five-plain",
        about: "an election of five without any crash",
        voters: 5,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "five-two",
        about: "of five voters two campaign and one forgets everything: who answers it need not \
                know who voted",
        voters: 5,
        wipes: 1,
        campaigns: 2,
        ..Scope::BASE
    },
    Scope {
        name: "five",
        about: "as above, and all five may campaign",
        voters: 5,
        wipes: 1,
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "five-twice",
        about: "of five voters, some forget everything, twice in all",
        voters: 5,
        wipes: 2,
        campaigns: 2,
        ..Scope::BASE
    },
    Scope {
        name: "give-up",
        about: "a rejoining voter asks anew, with answers of its first attempt still under way",
        wipes: 1,
        give_ups: 1,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "power-cut",
        about: "voters lose power at any moment, and what was not synced",
        terms: 2,
        power_cuts: 1,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "power-cut-twice",
        about: "as above, twice",
        terms: 2,
        power_cuts: 2,
        ..Scope::BASE
    },
    Scope {
        name: "handover",
        about: "a leader releases its lease and another takes over",
        terms: 2,
        handovers: 1,
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "handover-twice",
        about: "as above, twice",
        terms: 3,
        handovers: 2,
        ..Scope::BASE
    },
    Scope {
        name: "cold-store",
        about: "all begin empty; the store keeps the roll and the floor",
        begin: Begin::Empty,
        anew: Anew::ByStore,
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "cold-store-wipe",
        about: "as above, and a voter forgets everything again",
        begin: Begin::Empty,
        anew: Anew::ByStore,
        wipes: 1,
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "cold-roll",
        about: "all begin empty; any majority may be on the roll, and a voter forgets again",
        begin: Begin::Empty,
        anew: Anew::ByAnyRoll,
        wipes: 1,
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "cold-roll-twice",
        about: "as above, and voters forget twice",
        begin: Begin::Empty,
        anew: Anew::ByAnyRoll,
        wipes: 2,
        ..Scope::BASE
    },
    Scope {
        name: "cold-roll-again",
        about: "as above, and the cluster starts a second time, above the floor of the first",
        begin: Begin::Empty,
        anew: Anew::ByAnyRoll,
        terms: 2,
        generations: 2,
        wipes: 1,
        ..Scope::BASE
    },
    Scope {
        name: "anew-early",
        about: "two voters forget before anything was activated, and the cluster starts anew",
        anew: Anew::ByAnyRoll,
        generations: 2,
        wipes: 2,
        ..Scope::BASE
    },
    Scope {
        name: "anew",
        about: "two voters forget, and the cluster starts anew above the floor",
        anew: Anew::ByAnyRoll,
        terms: 2,
        generations: 2,
        wipes: 2,
        ..Scope::BASE
    },
    Scope {
        name: "anew-twice",
        about: "as above, with a third generation and a third wipe",
        anew: Anew::ByAnyRoll,
        terms: 2,
        generations: 3,
        wipes: 3,
        ..Scope::BASE
    },
    Scope {
        name: "link-down",
        about: "one link of three is broken, two voters forget, and the third forgets as well",
        anew: Anew::ByAnyRoll,
        generations: 2,
        wipes: 2,
        drops: 1,
        campaigns: 1,
        broken: &[(0, 1)],
        effort: Effort::Seconds,
        ..Scope::BASE
    },
    Scope {
        name: "link-down-elections",
        about: "as above, and two campaign",
        anew: Anew::ByAnyRoll,
        generations: 2,
        wipes: 2,
        drops: 1,
        campaigns: 2,
        broken: &[(0, 1)],
        effort: Effort::Minutes,
        ..Scope::BASE
    },
    Scope {
        name: "link-down-no-store",
        about: "as above, without a store, with one campaign",
        anew: Anew::ByAllVoters,
        generations: 2,
        wipes: 2,
        drops: 1,
        campaigns: 1,
        broken: &[(0, 1)],
        ..Scope::BASE
    },
    Scope {
        name: "cold-all",
        about: "all begin empty, without a store",
        begin: Begin::Empty,
        anew: Anew::ByAllVoters,
        drops: u8::MAX,
        ..Scope::BASE
    },
    Scope {
        name: "all-anew",
        about: "two voters forget, so the third must, and they start anew without a store",
        anew: Anew::ByAllVoters,
        drops: u8::MAX,
        terms: 2,
        generations: 2,
        wipes: 2,
        ..Scope::BASE
    },
];

/// A planted bug, where it is found, and as what.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// The bug.
    pub mutant: Mutant,
    /// The scope that finds it.
    pub scope: &'static str,
    /// The property that it breaks there.
    pub flaw: Flaw,
    /// How long that takes.
    pub effort: Effort,
}

const fn kill(mutant: Mutant, scope: &'static str, flaw: Flaw) -> Kill {
    Kill { mutant, scope, flaw, effort: Effort::Seconds }
}

const fn slow_kill(mutant: Mutant, scope: &'static str, flaw: Flaw) -> Kill {
    Kill { mutant, scope, flaw, effort: Effort::Minutes }
}

/// Every planted bug of the election that breaks a property without clocks.
pub const KILLS: &[Kill] = &[
    kill(Mutant::WipedVotesAtOnce, "wipe", Flaw::E1),
    slow_kill(Mutant::NoVectorsInVotes, "five-two", Flaw::E1),
    slow_kill(Mutant::VectorsFilteredLocally, "five-two", Flaw::E1),
    kill(Mutant::VoteSentBeforeSync, "power-cut", Flaw::E1),
    kill(Mutant::OwnVoteNotRecorded, "plain", Flaw::E1),
    kill(Mutant::SteppingDownClearsVote, "plain", Flaw::E1),
    kill(Mutant::PromisedTermGoesBack, "plain", Flaw::E2),
    kill(Mutant::OlderVoteCounted, "plain", Flaw::E3),
    kill(Mutant::VotesCountedByMessage, "five-plain", Flaw::E3),
    kill(Mutant::QuorumOfTheLive, "plain", Flaw::M1),
    kill(Mutant::IsolatedBootstraps, "cold-store", Flaw::M1),
    kill(Mutant::RestartedLeaderResumes, "power-cut", Flaw::E4),
    kill(Mutant::DelayedResetObeyed, "plain", Flaw::L4),
    kill(Mutant::TokenForgottenByWipe, "all-anew", Flaw::F4),
    kill(Mutant::RollListsNodes, "wipe-twice", Flaw::E1),
];

/// A planted bug that breaks nothing here, which is shown by exhausting a scope with it.
#[derive(Debug, Clone, Copy)]
pub struct Harmless {
    /// The bug.
    pub mutant: Mutant,
    /// The exhausted scope.
    pub scope: &'static str,
    /// Why.
    pub because: &'static str,
}

/// The planted bugs that break nothing here.
pub const HARMLESS: &[Harmless] = &[
    Harmless {
        mutant: Mutant::LateVoteCounted,
        scope: "wipe",
        because: "a vote is durable and for its term, whenever it comes; the first lease of a \
                  handover counts from the request, and so ends before the promise all the same",
    },
    Harmless {
        mutant: Mutant::NoQuarantine,
        scope: "wipe",
        because: "the model has no quarantine to begin with: it protects leases (L1), which only \
                  clocks can break, and the simulation watches those",
    },
    Harmless {
        mutant: Mutant::NoVectorsInVotes,
        scope: "wipe-twice",
        because: "of three voters, one that rejoins needs the answers of both others, and so of a \
                  candidate that still counts votes; it takes five voters to show",
    },
];
