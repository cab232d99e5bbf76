//! The oracles: one property of DESIGN section 7 a file.
//!
//! An oracle reads a finished history and says where its property was broken. It trusts nothing
//! that the product says about itself where the boundary of the simulation saw the thing itself.
//! Each goes over the history once and keeps no text unless it found something, because they all
//! run after every seed.
//!
//! Besides the properties: `backlog` tells a standstill from work that takes its time; `guards` knows which guard is valid when, `gaps` when none is, `ground` what the world lets the
//! nodes do and `chances` when that was enough to lead, `pace` how long things may take, `shares` which worker's permission, `claims` which claim stands, `assigned` which
//! claim of a worker others may doubt,
//! `lost` what a store lost that it had acknowledged, `lists` which voters a node counts by, `policies` what becomes of a job's instants, `story` what happened to a message,
//! `windows` when its sink's window is over; `report` collects violations, and `testing` writes histories
//! for the tests.

mod assigned;
mod backlog;
mod chances;
mod claims;
mod d1_one_effect;
mod d2_delivered_means_one_effect;
mod d3_doubt_needs_proof;
mod d4_known_ways;
mod d5_claim_before_send;
mod d6_keys_in_order;
mod d7_no_death_by_a_sick_sink;
mod e1_one_leader_a_term;
mod e2_promises_never_fall;
mod e3_majority_certificate;
mod e4_own_election;
mod e5_rejoining_is_silent;
mod f1_nothing_below_floor;
mod f2_floor_rises;
mod f3_no_claim_below_floor;
mod f4_floor_across_generations;
mod few;
mod gaps;
mod ground;
mod guards;
mod j1_one_run_an_instant;
mod j2_no_overlap;
mod j3_every_instant_ends;
mod j4_jobs_go_on;
mod l1_one_valid_guard;
mod l2_acts_before_deadline;
mod l3_release_after_the_last_act;
mod l4_only_the_exact_holder;
mod l6_no_honest_clock_suspected;
mod lies;
mod lists;
mod lost;
mod m1_quorums_intersect;
mod m3_no_return_of_the_superseded;
mod outage_limit;
mod pace;
mod policies;
mod report;
mod s1_one_leader_in_status;
mod s2_lead_means_lease;
mod shares;
mod story;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod v1_stable_leader;
mod v2_rejoining_ends;
mod v3_every_message_ends;
mod v4_no_chase_of_the_floor;
mod v5_somebody_leads;
mod v6_nothing_waits;
mod w1_one_live_assignment;
mod w2_newest_epoch;
mod w3_deposed_leaders_assign_nothing;
mod windows;

use std::time::Duration;

use fencepost::NodeId;

use crate::faults::plan::PlannedJob;
use crate::history::{History, Kind, SimTime};

pub use backlog::Unfinished;
pub use chances::{Outage, outage};
pub use gaps::{Gap, Held, gaps_in, held_in};
pub use pace::Pace;
pub use report::MAX_VIOLATIONS;
pub use v3_every_message_ends::unfinished;

/// What the oracles know about the run besides its history.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The configured voters when the run begins.
    pub voters: Vec<NodeId>,
    /// What the sink can do.
    pub sink: SinkKind,
    /// After so many known failures a message is given up.
    pub attempts: u32,
    /// How soon after the healing began a stable leader must exist (V1).
    pub leader_within: Duration,
    /// Whether the first leader must stay in spite of the faults (V1).
    pub stable: bool,
    /// Whether the run carries messages at all; an election-only run does not.
    pub delivers: bool,
    /// The scheduled jobs.
    pub jobs: Vec<PlannedJob>,
    /// How long after the last lie what was believed may last.
    pub lies_last: Duration,
    /// What the bounds of V5 and V6 are computed from.
    pub pace: Pace,
    /// How long nobody may act at most, if the scenario says so.
    pub outage: Option<Duration>,
}

/// What a simulated sink can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SinkKind {
    /// Drops repetitions of a key within a window.
    Dedup {
        /// The window, as the sink keeps it.
        window: Duration,
    },
    /// Checks stamps and answers questions.
    Fenced,
    /// Neither.
    Plain,
}

impl SinkKind {
    /// What the nodes are told to take off a deduplicating sink's window, for the time that a send
    /// can be on its way.
    pub const WINDOW_MARGIN: Duration = Duration::from_secs(10);

    /// All of their names.
    pub const NAMES: [&str; 3] = ["dedup", "fenced", "plain"];

    /// As in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dedup { .. } => Self::NAMES[0],
            Self::Fenced => Self::NAMES[1],
            Self::Plain => Self::NAMES[2],
        }
    }
}

/// A property was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The property's id in DESIGN section 7.
    pub property: &'static str,
    /// When it was broken.
    pub at: SimTime,
    /// Index into the history of the event that broke it.
    pub event: usize,
    /// What happened, in one sentence that names nodes, tokens and messages.
    pub what: String,
}

/// One property.
pub struct Oracle {
    /// The property's id in DESIGN section 7.
    pub property: &'static str,
    /// The property in a few words.
    pub says: &'static str,
    /// Which of the four layers of DESIGN section 2 it guards, or "service" for status and
    /// liveness.
    pub layer: &'static str,
    /// Every place where a history breaks it, in order; at most [`MAX_VIOLATIONS`].
    pub check: fn(&History, &Setting) -> Vec<Violation>,
}

/// Every oracle, in the order of DESIGN section 7.
pub const ALL: &[Oracle] = &[
    e1_one_leader_a_term::ORACLE,
    e2_promises_never_fall::ORACLE,
    e3_majority_certificate::ORACLE,
    e4_own_election::ORACLE,
    e5_rejoining_is_silent::ORACLE,
    l1_one_valid_guard::ORACLE,
    l2_acts_before_deadline::ORACLE,
    l3_release_after_the_last_act::ORACLE,
    l4_only_the_exact_holder::ORACLE,
    l6_no_honest_clock_suspected::ORACLE,
    f1_nothing_below_floor::ORACLE,
    f2_floor_rises::ORACLE,
    f3_no_claim_below_floor::ORACLE,
    f4_floor_across_generations::ORACLE,
    s1_one_leader_in_status::ORACLE,
    s2_lead_means_lease::ORACLE,
    m1_quorums_intersect::ORACLE,
    m3_no_return_of_the_superseded::ORACLE,
    j1_one_run_an_instant::ORACLE,
    j2_no_overlap::ORACLE,
    j3_every_instant_ends::ORACLE,
    j4_jobs_go_on::ORACLE,
    w1_one_live_assignment::ORACLE,
    w2_newest_epoch::ORACLE,
    w3_deposed_leaders_assign_nothing::ORACLE,
    d1_one_effect::ORACLE,
    d2_delivered_means_one_effect::ORACLE,
    d3_doubt_needs_proof::ORACLE,
    d4_known_ways::ORACLE,
    d5_claim_before_send::ORACLE,
    d6_keys_in_order::ORACLE,
    d7_no_death_by_a_sick_sink::ORACLE,
    v1_stable_leader::ORACLE,
    v2_rejoining_ends::ORACLE,
    v3_every_message_ends::ORACLE,
    v4_no_chase_of_the_floor::ORACLE,
    v5_somebody_leads::ORACLE,
    v6_nothing_waits::ORACLE,
    outage_limit::ORACLE,
];

/// Asks every oracle. Sorted by event, then by property.
///
/// # Panics
/// The history does not have exactly one [`Kind::End`]: a bug in the testbed, and what the liveness
/// oracles would say about half a run means nothing.
pub fn check_all(history: &History, setting: &Setting) -> Vec<Violation> {
    let ends =
        history.besides_messages().filter(|(_, event)| matches!(event.kind, Kind::End)).count();
    assert!(ends == 1, "a history has exactly one End, this one has {ends}: a bug in the testbed");
    let mut found: Vec<Violation> =
        ALL.iter().flat_map(|oracle| (oracle.check)(history, setting)).collect();
    lies::excuse(history, setting.lies_last, &mut found);
    found.sort_by_key(|violation| (violation.event, violation.property));
    found
}
