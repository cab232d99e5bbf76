//! One suite that every store passes: SQLite in every build, PostgreSQL in real ones, against a
//! server that the tests start by themselves.

pub(super) mod assignments;
mod claims;
#[cfg(not(madsim))]
mod differential;
mod doubts;
mod enqueue;
mod fence;
mod jobs;
mod names;
mod order;
#[cfg(not(madsim))]
pub(super) mod server;
mod unfenced;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use super::{
    Assignments, Attempt, Checked, Claim, Enqueued, Entry, FenceRow, JobName, Judged, MessageId,
    NewMessage, Page, Passed, Permit, Proof, Settled, Settlement, SqliteOutbox, SqliteStore, Store,
    StoreError, Verdict, VerdictError,
};
use crate::id::{Boot, Generation, Identity, Incarnation, Token};
use crate::store::{Activated, BindError};
use crate::time::{Clock, SystemClock, WallTime};

/// A store, with what people ask of it.
pub(super) trait Subject: Store + Assignments {
    async fn fence_row(&self) -> FenceRow;
    async fn entry_of(&self, id: &str) -> Option<Entry>;
    async fn rule(&self, verdict: &Verdict) -> Result<Passed, VerdictError>;
    async fn rule_all(&self, verdicts: &[Verdict]) -> Judged;
    async fn page_of(&self, page: Page) -> Vec<Entry>;
    async fn trail_of(&self, id: &str) -> Vec<Passed>;
    async fn all_jobs(&self) -> Vec<JobName>;
}

impl Subject for SqliteStore {
    async fn fence_row(&self) -> FenceRow {
        self.with(|outbox, _| outbox.fence()).await.unwrap()
    }

    async fn entry_of(&self, name: &str) -> Option<Entry> {
        let id = id(name);
        self.with(move |outbox, _| outbox.entry(&id)).await.unwrap()
    }

    async fn rule(&self, verdict: &Verdict) -> Result<Passed, VerdictError> {
        let verdict = verdict.clone();
        self.with(move |outbox, now| outbox.judge(&verdict, now)).await
    }

    async fn rule_all(&self, verdicts: &[Verdict]) -> Judged {
        let verdicts = verdicts.to_vec();
        self.with(move |outbox, now| outbox.judge_all(&verdicts, now)).await.unwrap()
    }

    async fn page_of(&self, page: Page) -> Vec<Entry> {
        self.with(move |outbox, _| outbox.page(&page)).await.unwrap()
    }

    async fn trail_of(&self, name: &str) -> Vec<Passed> {
        let id = id(name);
        self.with(move |outbox, _| outbox.trail(&id)).await.unwrap()
    }

    async fn all_jobs(&self) -> Vec<JobName> {
        self.with(|outbox, _| outbox.jobs()).await.unwrap()
    }
}

#[cfg(not(madsim))]
impl Subject for super::PostgresStore {
    async fn fence_row(&self) -> FenceRow {
        self.fence().await.unwrap()
    }

    async fn entry_of(&self, name: &str) -> Option<Entry> {
        self.entry(&id(name)).await.unwrap()
    }

    async fn rule(&self, verdict: &Verdict) -> Result<Passed, VerdictError> {
        self.judge(verdict).await
    }

    async fn rule_all(&self, verdicts: &[Verdict]) -> Judged {
        self.judge_all(verdicts).await.unwrap()
    }

    async fn page_of(&self, page: Page) -> Vec<Entry> {
        self.page(&page).await.unwrap()
    }

    async fn trail_of(&self, name: &str) -> Vec<Passed> {
        self.trail(&id(name)).await.unwrap()
    }

    async fn all_jobs(&self) -> Vec<JobName> {
        self.jobs().await.unwrap()
    }
}

/// An empty store in memory.
pub(super) fn sqlite() -> SqliteStore {
    SqliteStore::new(SqliteOutbox::in_memory().unwrap(), || SystemClock.wall())
}

/// Makes a test of each case for each store.
macro_rules! for_every_store {
    ($($module:ident: $($case:ident)*;)*) => {
        mod sqlite_passes {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    super::super::$module::$case(&super::super::sqlite()).await;
                })*
            })*
        }
        #[cfg(not(madsim))]
        mod postgres_passes {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    let database = super::super::server::database().await;
                    super::super::$module::$case(&database.store().await).await;
                })*
            })*
        }
    };
}

for_every_store! {
    assignments: a_work_that_nobody_has_heard_of_has_no_units
        epochs_rise_and_a_change_names_the_one_before only_the_floor_assigns
        impossible_changes_are_refused a_worker_claims_under_exactly_its_newest_assignment
        a_worker_sees_and_claims_only_what_is_in_its_lots
        what_the_worker_before_has_claimed_is_in_doubt
        what_is_claimed_under_a_permit_is_found claims_of_other_units_stand
        two_claimers_of_one_token_are_two a_deposed_leaders_assignments_count_no_more
        another_number_of_units_ends_all_that_was_assigned
        what_is_assigned_at_once_is_assigned_once;
    fence: the_floor_only_rises a_roll_call_starts_a_generation bad_roll_calls_change_nothing
        the_holder_is_confirmed_and_nothing_raised a_store_that_was_set_back_is_moved_on
        a_store_is_bound_once nobody_writes_without_the_floor;
    enqueue: any_payload_is_kept the_first_of_an_id_counts too_long_is_refused_before_anything
        one_of_many_at_once_is_added texts_of_every_kind_are_kept;
    claims: a_claim_said_twice_is_one each_of_a_batch_is_answered late_calls_are_refused
        one_look_reads_no_more_than_its_bytes
        every_settlement_leads_somewhere two_words_about_one_attempt a_retry_waits
        a_sweep_takes_only_earlier_tokens many_claim_at_once;
    doubts: proofs_move_and_parking_stays a_window_that_is_over_parks
        a_window_runs_on_from_the_first_claim what_is_sent_again_rests_first
        no_pause_outlasts_the_window what_is_given_up_is_a_dead_letter
        reasons_of_any_text_are_kept;
    order: one_of_a_key_at_a_time nobody_overtakes_one_that_rests a_failed_one_does_not_block a_batch_of_one_key
        a_backlog_is_passed_over;
    jobs: an_instant_runs_once a_deposed_holders_run_is_interrupted
        a_job_is_set_back_and_runs_nothing_again the_schedule_announced_last_is_in_force;
    verdicts: a_person_settles_what_is_parked a_dead_letter_is_requeued many_are_judged_at_once
        a_long_outbox_is_read_in_pages
        verdicts_that_do_not_fit_are_refused;
}

pub(super) fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

pub(super) fn node(name: &str, incarnation: u64) -> Identity {
    Identity { node: name.parse().unwrap(), incarnation: Incarnation(incarnation) }
}

pub(super) fn boot(name: &str, nonce: u64) -> Boot {
    Boot { node: name.parse().unwrap(), nonce }
}

pub(super) fn attempt(name: &str, number: u64) -> Attempt {
    Attempt { id: id(name), number }
}

pub(super) async fn raise(store: &impl Subject, token: u64) {
    let generation = store.fence_row().await.generation;
    let raised = store.activate(generation, Token(token), node("n1", token)).await;
    assert_eq!(raised, Ok(Activated::Raised));
}

/// Adds messages whose payloads are their names.
pub(super) async fn add(store: &impl Subject, names: &[&str]) {
    let messages: Vec<NewMessage> =
        names.iter().map(|name| NewMessage::new(id(name), name.as_bytes())).collect();
    let added = store.enqueue(&messages).await.unwrap();
    assert_eq!(added, vec![Enqueued::Added; names.len()]);
}

pub(super) async fn claim(
    store: &impl Subject,
    token: u64,
    attempts: &[Attempt],
) -> Result<Checked<Vec<Claim>>, StoreError> {
    store.claim(&Permit::of_holder(Token(token)), attempts, WallTime { unix_ms: 777 }).await
}

/// Claims the next attempt at a message, which must be granted.
pub(super) async fn claim_next(store: &impl Subject, token: u64, name: &str) -> Attempt {
    let number = store.entry_of(name).await.unwrap().attempts + 1;
    let attempt = attempt(name, number);
    let claimed = claim(store, token, std::slice::from_ref(&attempt)).await.unwrap();
    assert!(
        matches!(&claimed, Checked::Passed(claims)
        if matches!(claims[..], [Claim::Granted { .. }])),
        "{claimed:?}"
    );
    attempt
}

pub(super) async fn settle(
    store: &impl Subject,
    token: u64,
    attempt: &Attempt,
    settlement: Settlement,
) -> Checked<Settled> {
    match store.settle(Token(token), &[(attempt.clone(), settlement)]).await.unwrap() {
        Checked::Passed(settled) => {
            assert_eq!(settled.len(), 1);
            Checked::Passed(settled[0])
        }
        Checked::Fenced { floor } => Checked::Fenced { floor },
    }
}

/// A proof for a sink without the message, to be sent again at once.
pub(super) const LACKS: Proof = Proof::SinkLacksIt { after: Duration::ZERO };

pub(super) fn in_doubt(reason: &str) -> Settlement {
    Settlement::InDoubt { reason: reason.into() }
}

pub(super) async fn pending(store: &impl Subject) -> Vec<String> {
    let pending = store.pending(100).await.unwrap();
    pending.into_iter().map(|message| message.id.as_str().to_owned()).collect()
}

const START: Generation = Generation::NONE;

fn shared<S>(store: &S) -> Arc<S>
where
    S: Clone,
{
    Arc::new(store.clone())
}
