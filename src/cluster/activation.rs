//! From a lease to a guard: the fence is raised first, and only then may anybody act. And from then on
//! whoever holds the guard looks, again and again, whether the fence still is what it was raised to.
//!
//! Leadership is worth nothing without the store, so a leader that does not reach it lets others try:
//! after a *patience*, which grows while nobody does better, so that leadership does not go round at a
//! high rate while the store is away for all.
//!
//! A store can lose what it had acknowledged: a failover to a standby that lagged, a backup. Then the
//! floor is below the token of a leader that lives. It leads on in a higher term: raising the floor
//! again would do for the fence, but not for what was read from the store under this token.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::bond::Bound;
use super::coordinator::ElectionCommand;
use super::guard::{Leadership, LeaseState};
use super::observe::{NodeEvent, Observer};
use super::refusal::{Refusal, Refusals, Refuser};
use super::trouble::Trouble;
use super::watched::Watched;
use crate::election::MAX_TERM_JUMP;
use crate::id::{Generation, Identity, NodeId, Term, Token};
use crate::probe::{mutant, reach};
use crate::store::{Activated, Fence, StoreError, may_advance};
use crate::time::{Clock, Instant};

/// For how long a leader that cannot reach the store goes on trying before it lets another try, unless
/// the configuration says otherwise. It doubles with each leadership of a node that comes to nothing for
/// that, up to [`PATIENCE_GROWTH`] times as long.
pub const ACTIVATION_PATIENCE: Duration = Duration::from_secs(3);

/// How many times its first value the patience grows to.
pub const PATIENCE_GROWTH: u32 = 4;

/// How long to wait between two attempts to raise the fence.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How often the holder of a guard looks at the fence.
pub const FENCE_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Turns each lease into a guard by raising the store's fence to the lease's token.
pub(super) struct Activation<S, C: Clock> {
    /// This node.
    pub(super) me: NodeId,
    /// The store that holds the fence.
    pub(super) store: Arc<Bound<S>>,
    /// This node's clock.
    pub(super) clock: C,
    /// The lease, as the election driver publishes it.
    pub(super) lease: Arc<Watched<LeaseState>>,
    /// Where guards are handed out.
    pub(super) guard: Arc<Watched<Option<Leadership<C>>>>,
    /// To the election driver.
    pub(super) commands: mpsc::Sender<ElectionCommand>,
    /// Who wants to know.
    pub(super) observer: Arc<dyn Observer>,
    /// What others hear against this node's token.
    pub(super) refusals: Arc<Refusals>,
    /// How long a leader waits for the store, at first.
    pub(super) patience: Duration,
    /// What the log hears of a store that fails.
    pub(super) trouble: Trouble,
}

/// How long a leader still waits for its store.
struct Patience {
    least: Duration,
    /// Of the next leadership that comes to nothing.
    now: Duration,
}

impl Patience {
    fn new(least: Duration) -> Self {
        Self { least, now: least }
    }

    /// The store was there.
    fn rewarded(&mut self) {
        self.now = self.least;
    }

    /// It was not, for as long as that.
    fn lost(&mut self) {
        self.now = (self.now * 2).min(self.least * PATIENCE_GROWTH);
    }
}

/// How waiting for the store ended.
enum Answer {
    /// It did what it was asked.
    Raised,
    /// It refused.
    Behind { floor: Token, generation: Generation },
    /// Not in time.
    Away,
}

impl<S: Fence, C: Clock> Activation<S, C> {
    /// Runs for as long as the node does.
    pub(super) async fn run(self) {
        let mut patience = Patience::new(self.patience);
        loop {
            let lease = self.lease.wait_for(|lease| lease.held.then_some(*lease)).await;
            let fenced = self.store.is_fence();
            let leadership =
                Leadership::new(lease.token, fenced, Arc::clone(&self.lease), self.clock.clone());
            let outlasts = mutant!(StaleWaiter) || mutant!(DelayedResetObeyed);
            tokio::select! {
                biased;
                () = leadership.cancelled(), if !outlasts => {}
                () = self.hold(&leadership, lease, &mut patience) => {}
            }
            self.guard.set(None);
            // A lease that ran out is not cleared before the driver wakes: wait for its word.
            let over = |lease: &LeaseState| {
                (!lease.held || lease.token != leadership.token()).then_some(())
            };
            self.lease.wait_for(over).await;
        }
    }

    /// Raises the fence, hands the guard out, and keeps it until it is cancelled or the store has
    /// something against it.
    async fn hold(&self, leadership: &Leadership<C>, lease: LeaseState, patience: &mut Patience) {
        let began = self.clock.now();
        let (token, generation) = (leadership.token(), lease.generation);
        let holder = Identity { node: self.me, incarnation: lease.incarnation };
        let mut until = began + patience.now;
        let answer = loop {
            let question = self.store.activate(generation, token, holder);
            match self.asked(question, until, "cannot raise the fence yet").await {
                Some(Answer::Behind { floor, generation: stored })
                    if stored < generation && floor < token =>
                {
                    reach!("store_generation_lost");
                    warn!(
                        %token, %generation, %stored,
                        "the store has gone back to an earlier generation of this cluster, and is moved \
                         on: what it had acknowledged since is lost to it, and may be done again",
                    );
                    let question = self.store.advance(generation, token, holder);
                    let what = "cannot move the store on to this cluster's generation";
                    if let Some(answer) = self.asked(question, until, what).await {
                        break answer;
                    }
                }
                Some(answer) => break answer,
                None => {}
            }
            self.clock.sleep(RETRY_PAUSE).await;
        };
        match answer {
            Answer::Raised => {}
            answer => return self.give_way(leadership, generation, answer, patience).await,
        }
        if leadership.check().is_err() && !mutant!(StaleWaiter) {
            return;
        }
        patience.rewarded();
        self.issue(leadership, holder, token);
        let mut deaf = false;
        loop {
            until = self.clock.now() + patience.now;
            tokio::select! {
                biased;
                () = leadership.cancelled() => return,
                refusal = self.refusals.of(token), if !deaf => {
                    if self.refused(generation, refusal).await {
                        return;
                    }
                    // Said once for a leadership: it would only be repeated.
                    deaf = true;
                    continue;
                }
                () = self.clock.sleep(FENCE_LOOK_EVERY) => {}
            }
            let answer = loop {
                let question = self.store.confirm(generation, token, holder);
                if let Some(answer) = self.asked(question, until, "cannot look at the fence").await
                {
                    break answer;
                }
                self.clock.sleep(RETRY_PAUSE).await;
            };
            match answer {
                Answer::Raised => patience.rewarded(),
                Answer::Away if mutant!(LeaderKeepsLeadingWithoutStore) => {}
                Answer::Behind { .. } if mutant!(FallenFenceNeverRaised) => {}
                answer => return self.give_way(leadership, generation, answer, patience).await,
            }
        }
    }

    /// The answer to a question, if it comes before `until`; none yet if it failed and there is time to
    /// ask again.
    async fn asked(
        &self,
        question: impl Future<Output = Result<Activated, StoreError>>,
        until: Instant,
        what: &str,
    ) -> Option<Answer> {
        let answer = tokio::select! {
            biased;
            answer = question => answer,
            () = self.clock.sleep_until(until) => {
                Err(StoreError::Unknown("it does not answer in time".into()))
            }
        };
        let now = self.clock.now();
        match answer {
            Ok(Activated::Raised) => {
                self.trouble.answered(now);
                return Some(Answer::Raised);
            }
            Ok(Activated::Behind { floor, generation }) => {
                self.trouble.answered(now);
                return Some(Answer::Behind { floor, generation });
            }
            Err(error) => {
                match &error {
                    StoreError::Unknown(_) => reach!("activation_retried"),
                    StoreError::Unavailable(_) => reach!("activation_failed"),
                }
                self.trouble.failed(now, what, &error);
            }
        }
        (now >= until).then_some(Answer::Away)
    }

    /// Lets others lead, or leads on in a higher term, as the store's answer demands.
    async fn give_way(
        &self,
        leadership: &Leadership<C>,
        generation: Generation,
        answer: Answer,
        patience: &mut Patience,
    ) {
        let token = leadership.token();
        match answer {
            Answer::Raised => {}
            Answer::Behind { floor, generation: stored } => {
                let refused = tell_refused(token, generation, floor, stored);
                self.outdo(token, floor, refused).await;
            }
            Answer::Away => {
                reach!("store_given_up");
                warn!(
                    %token, patience = ?patience.now,
                    "the store stays out of reach: resigning, so that another node can try",
                );
                patience.lost();
                self.command(ElectionCommand::Resign { term: token.into() }).await;
            }
        }
    }

    /// What somebody else was told about this node's token. `false` if nothing can be done about it.
    async fn refused(&self, generation: Generation, refusal: Refusal) -> bool {
        let Refusal { token, known, by } = refusal;
        match by {
            Refuser::Store if known < token && mutant!(FallenFenceNeverRaised) => return false,
            Refuser::Store => {
                let stored = tell_refused(token, generation, known, generation);
                self.outdo(token, known, stored).await;
            }
            Refuser::Sink if known.0 > Term::MAX.0.saturating_sub(MAX_TERM_JUMP) => {
                error!(
                    %token, %known,
                    "the sink claims a token that is near the highest there is, and nobody will be \
                     elected above it: is it the right sink? If so, its fence must be set back by hand",
                );
                return false;
            }
            Refuser::Sink => {
                reach!("sink_outdone");
                // Further than that in one step, and the other voters would not believe it.
                let next = known.min(Token(token.0.saturating_add(MAX_TERM_JUMP / 2)));
                warn!(%token, %known, "the sink has seen a higher token: campaigning above it");
                self.outdo(token, next, generation).await;
            }
        }
        true
    }

    /// Asks for a term above `floor` and this token.
    async fn outdo(&self, token: Token, floor: Token, generation: Generation) {
        let (term, floor) = (token.into(), floor.max(token).into());
        self.command(ElectionCommand::Outranked { term, floor, generation }).await;
    }

    fn issue(&self, leadership: &Leadership<C>, holder: Identity, token: Token) {
        self.observer.observe(&NodeEvent::GuardIssued { token, holder });
        self.guard.set(Some(leadership.clone()));
    }

    async fn command(&self, command: ElectionCommand) {
        // The driver outlives this task except while the node stops; then nobody needs to know.
        let _ = self.commands.send(command).await;
    }
}

/// Says what a refusal means, and answers the generation that the election is to go on in. A floor above
/// the token is learned and outdone. A store that knows less than it acknowledged was set back.
fn tell_refused(token: Token, ours: Generation, floor: Token, stored: Generation) -> Generation {
    if stored > ours || stored == ours && floor >= token {
        info!(%token, %floor, generation = %stored, "the store does not take this token");
        return stored;
    }
    if floor < token && stored < ours && !may_advance(stored, ours) {
        warn!(
            %token, %ours, %stored,
            "the store is much older than this cluster: nobody can act until the right store is back, \
             or until all nodes were stopped and their data directories deleted",
        );
        return stored;
    }
    reach!("store_went_back");
    warn!(
        %token, %floor, %ours, %stored,
        "the store has gone back: it has lost what it had acknowledged, by a failover or a backup. Leading \
         on in a higher term; messages that it forgot were delivered are pending again",
    );
    ours
}
