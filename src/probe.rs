//! What the product knows of its testbed: planted bugs and reach points, behind two macros.
//!
//! In simulation builds `mutant!(Name)` tells whether the named bug is planted in this run and
//! `reach!("name")` counts that a rare situation was reached. In real builds both vanish: the first
//! is the constant `false`, the second nothing.
//!
//! The state is per thread, because each seed runs on one fresh thread of its own.

/// Whether a bug is planted in this run. Always `false` in real builds.
#[cfg(madsim)]
macro_rules! mutant {
    ($name:ident) => {
        $crate::probe::is_planted($crate::probe::Mutant::$name)
    };
}
#[cfg(not(madsim))]
macro_rules! mutant {
    ($name:ident) => {
        $crate::probe::never()
    };
}

/// `false`, and a call to lints, which would find fault with two constants in one condition.
#[cfg(not(madsim))]
#[inline(always)]
pub(crate) const fn never() -> bool {
    false
}

/// Counts that a named rare situation was reached. Nothing in real builds.
#[cfg(madsim)]
macro_rules! reach {
    ($name:literal) => {{
        const POINT: usize = $crate::probe::point($name);
        $crate::probe::reached(POINT)
    }};
}
#[cfg(not(madsim))]
macro_rules! reach {
    ($name:literal) => {{}};
}

/// Asserts an invariant of the core. With a bug planted on purpose it is not asserted: the oracles
/// shall find what the bug does.
#[cfg(madsim)]
macro_rules! holds {
    ($condition:expr, $text:literal) => {
        assert!($condition || $crate::probe::is_any_planted(), $text)
    };
}
#[cfg(not(madsim))]
macro_rules! holds {
    ($condition:expr, $text:literal) => {
        assert!($condition, $text)
    };
}

#[allow(unused_imports)] // not every build uses all
pub(crate) use {holds, mutant, reach};

#[cfg(madsim)]
mod mutants;
#[cfg(madsim)]
pub use mutants::Mutant;
#[cfg(madsim)]
pub use simulated::*;

#[cfg(madsim)]
mod simulated {
    use std::cell::Cell;

    use super::Mutant;

    /// Every reach point of the product, with what it means.
    pub const REACH_POINTS: &[(&str, &str)] = &[
        ("claim_rejected_stale_token", "a claim with a token below the floor was refused"),
        (
            "claim_rejected_stale_assignment",
            "a worker's claim was refused: its unit had been assigned anew",
        ),
        ("worker_learned_round", "a worker's send was refused because the leader settles doubts"),
        ("idle_worker_rests", "a worker that did nothing with its units lost them for a while"),
        ("unit_moved", "a unit of a work went from one participant to another"),
        ("assignment_rejected_stale_token", "a deposed leader was not allowed to assign a unit"),
        ("revoked_claim_in_doubt", "a unit was assigned anew while a message of it was claimed"),
        ("settle_rejected_stale_token", "a deposed holder was not allowed to settle its claim"),
        ("claim_outcome_unknown", "the answer to a claim never came"),
        ("settle_outcome_unknown", "the answer to a settlement never came"),
        ("send_outcome_unknown", "a send ended without an answer"),
        ("foreign_claim_in_doubt", "a new holder found claims of an earlier one"),
        ("in_doubt_resent", "an in-doubt message was released to be sent again"),
        ("in_doubt_proved_delivered", "the sink said that it has an in-doubt message"),
        ("in_doubt_parked", "an in-doubt message was parked for a person"),
        ("guard_lost_before_send", "the guard had ended between claim and send"),
        ("lease_expired", "a leader stepped down because its lease ran out"),
        ("leader_deposed", "a leader stepped down because it met a higher term"),
        ("vote_withheld_by_promise", "a vote was refused because of a lease promise"),
        ("pre_vote_refused", "a pre-vote was refused"),
        ("vote_split", "a campaign ended without a majority"),
        ("late_vote_ignored", "a vote came after its campaign's deadline"),
        ("activation_outranked", "a leader found the floor at or above its term"),
        ("activation_retried", "raising the floor had an unknown outcome and was tried again"),
        ("store_given_up", "a leader resigned because its store stayed out of reach"),
        ("store_went_back", "a leader found that the store had lost what it had acknowledged"),
        ("store_generation_lost", "a leader moved a store on that had lost a generation"),
        ("assignments_lost", "a leader found that the store had lost assignments"),
        ("sink_outdone", "a leader campaigned above the token that its sink had seen"),
        ("rejoined", "a voter that remembered nothing became operational by registering"),
        ("register_given_up", "a rejoining voter began to ask anew"),
        ("register_refused", "a rejoining voter was superseded while it registered"),
        ("roll_called", "a voter asked the store to start a new generation"),
        ("on_stored_roll", "a rejoining voter found its boot on the roll in the store"),
        ("generation_ended", "a voter met a newer generation and dropped its state"),
        ("generation_not_believed", "a peer's newer generation was not believed on its word"),
        ("begun_anew_when_contradicted", "a voter gave up what a majority or the store denied"),
        ("followed_far_ahead", "a voter went a step towards one that stayed far ahead in term"),
        ("observer_came_back", "an observer that was misled followed the real leader again"),
        ("all_voters_start_anew", "without a store, all voters had forgotten everything"),
        ("forgot_with_the_others", "too few remembered for the others to rejoin"),
        ("forgot_in_vain", "too few remembered to elect a leader, though enough voters were there"),
        (
            "rejoined_without_newcomer",
            "a list had just become longer, and its new voter was not needed",
        ),
        (
            "vote_of_superseded_incarnation",
            "a vote did not count: its voter has a newer incarnation",
        ),
        ("message_of_superseded_incarnation", "a message came from an incarnation that is over"),
        ("handover_asked", "a stopping leader asked another voter to take over"),
        ("handover_taken", "a voter campaigned with the release of the leader before"),
        ("handover_voted_for", "a voter was freed from its promise by a release"),
        ("observer_joined", "a leader took an observer in"),
        ("clock_outside_bound", "a leader caught a voter's clock outside the bound"),
        ("voters_one_step_apart", "two lists of voters were one voter apart"),
        ("voters_clash", "two lists of voters were more than one voter apart"),
        ("damaged_disk_rejoined", "a voter found its hard state damaged and rejoined"),
        ("activation_failed", "the store refused to raise the floor and changed nothing"),
        ("claim_failed", "the store refused a claim and changed nothing"),
        ("settle_failed", "the store refused a settlement and changed nothing"),
        ("left_claim_in_doubt", "a share began with claims of a run that was cut short"),
        ("batch_cut_short", "what was claimed and not sent was given back"),
        ("retry_scheduled", "a message that was refused for now waits before it is sent again"),
        ("dead_letter", "a message failed too often and was given up"),
        ("rejected_in_window", "a message was rejected that an earlier send may have brought"),
        ("sink_rests", "a sink refused several messages in a row, and is left alone for a while"),
        ("resting_sink_probed", "a sink that rests was tried with one message"),
        (
            "refused_by_a_sick_sink",
            "a refusal was taken for a word about the sink, and not counted",
        ),
        ("send_refused_for_now", "a sink refused a send for now, without an effect"),
        ("job_begin_rejected_stale_token", "a deposed holder was not allowed to begin a run"),
        ("job_begin_outcome_unknown", "the answer to the beginning of a run never came"),
        ("job_end_outcome_unknown", "the answer to the end of a run never came"),
        ("guard_lost_before_job", "the guard had ended between a job's beginning and its action"),
        ("job_interrupted", "a new holder found runs of an earlier one"),
        ("job_cancelled", "a run was cancelled because leadership ended"),
        ("job_caught_up", "an instant ran later than its grace"),
        (
            "due_though_the_clock_was_ahead",
            "a message went on after the store's clock had told it to wait",
        ),
        ("job_set_back", "a job went on by the store's clock after that was set back"),
        ("job_skipped_late", "instants were skipped because they were late"),
        ("job_skipped_overlap", "instants were skipped because the job still ran"),
        ("late_verdict_refused", "a person's verdict came after the message had moved on"),
        ("send_refused_by_sink_fence", "a sink refused a send whose stamp was too old"),
    ];

    // chance: one run on a fresh thread; begin_run() resets both
    thread_local! {
        // chance: begin_run() resets it
        static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
        // chance: begin_run() resets it
        static REACHED: Cell<[u32; REACH_POINTS.len()]> = const { Cell::new([0; REACH_POINTS.len()]) };
    }

    /// Starts a run on this thread: plants `mutant`, if any, and forgets what was reached.
    pub fn begin_run(mutant: Option<Mutant>) {
        PLANTED.set(mutant);
        REACHED.set([0; REACH_POINTS.len()]);
    }

    /// How often this thread's run reached each of [`REACH_POINTS`].
    pub fn reach_counts() -> [u32; REACH_POINTS.len()] {
        REACHED.get()
    }

    #[doc(hidden)]
    pub fn is_planted(mutant: Mutant) -> bool {
        PLANTED.get() == Some(mutant)
    }

    #[doc(hidden)]
    pub fn is_any_planted() -> bool {
        PLANTED.get().is_some()
    }

    #[doc(hidden)]
    pub const fn point(name: &str) -> usize {
        let mut index = 0;
        while index < REACH_POINTS.len() {
            if same(REACH_POINTS[index].0.as_bytes(), name.as_bytes()) {
                return index;
            }
            index += 1;
        }
        panic!("this reach point is not listed in REACH_POINTS")
    }

    const fn same(a: &[u8], b: &[u8]) -> bool {
        let mut index = 0;
        while index < a.len() && index < b.len() && a[index] == b[index] {
            index += 1;
        }
        index == a.len() && index == b.len()
    }

    #[doc(hidden)]
    pub fn reached(point: usize) {
        REACHED.with(|counts| {
            let mut all = counts.get();
            all[point] = all[point].saturating_add(1);
            counts.set(all);
        });
    }
}
