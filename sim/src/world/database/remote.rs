//! The database as a node sees it: far away. What leaves the node is recorded here.

use std::sync::Arc;

use fencepost::store::{
    Activated, Attempt, BindError, Checked, Claim, Doubt, EnqueueError, Enqueued, Fence,
    NewMessage, Outbox, Outgoing, Permit, Proof, Roll, Settled, Settlement, Share, StoreError,
};
use fencepost::{Boot, Generation, Identity, Token, WallTime};

use super::{Answer, Question, message_no};
use crate::history::Kind;
use crate::world::clocks::Clocks;
use crate::world::recorder::Recorder;
use crate::world::rpc::Client;

/// The store as a node sees it: far away.
pub struct RemoteStore {
    /// The way to the database.
    pub client: Client<Question, Answer>,
    /// Where acts that leave the node are recorded.
    pub recorder: Arc<Recorder>,
    /// Whose node.
    pub node: fencepost::NodeId,
    /// The node's clocks.
    pub clocks: Arc<Clocks>,
}

impl RemoteStore {
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, StoreError> {
        match self.client.ask(question).await {
            Some(Answer::Failed(error)) => Err(error),
            Some(answer) => Ok(answer),
            None => Err(StoreError::Unknown("the database did not answer in time".into())),
        }
    }
}

/// The answer to a question is of its kind, because the database pairs them.
macro_rules! expect {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            Answer::$kind(value) => Ok(value),
            _ => unreachable!("the database answers what it was asked"),
        }
    };
}

impl Fence for RemoteStore {
    /// A world has one cluster.
    async fn bind(&self, _: &str) -> Result<(), BindError> {
        Ok(())
    }

    async fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        expect!(self.ask(Question::Activate { generation, token, holder }).await, Activated)
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        expect!(self.ask(Question::Roll).await, Roll)
    }

    async fn call_roll(&self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        expect!(self.ask(Question::CallRoll { seen, boots: boots.to_vec() }).await, Roll)
    }
}

impl Outbox for RemoteStore {
    async fn enqueue(&self, messages: &[NewMessage]) -> Result<Vec<Enqueued>, EnqueueError> {
        let answer = self.ask(Question::Enqueue { messages: messages.to_vec() }).await;
        let answer: Result<_, StoreError> = expect!(answer, Enqueued);
        answer?
    }

    async fn sweep(&self, token: Token) -> Result<Checked<u64>, StoreError> {
        expect!(self.ask(Question::Sweep { token }).await, Swept)
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        expect!(self.ask(Question::Pending { share: None, limit }).await, Pending)
    }

    async fn pending_of(&self, share: &Share, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let share = Some(share.clone());
        expect!(self.ask(Question::Pending { share, limit }).await, Pending)
    }

    async fn claim(
        &self,
        permit: &Permit,
        attempts: &[Attempt],
        wall: WallTime,
    ) -> Result<Checked<Vec<Claim>>, StoreError> {
        for Attempt { id, .. } in attempts {
            self.recorder.record(Kind::ClaimStarted {
                node: self.node,
                token: permit.token,
                message: message_no(id),
                reading: self.clocks.reading(self.client.here),
            });
        }
        let (permit, attempts) = (permit.clone(), attempts.to_vec());
        expect!(self.ask(Question::Claim { permit, attempts, wall }).await, Claimed)
    }

    async fn claimed_under(&self, permit: &Permit) -> Result<Vec<Attempt>, StoreError> {
        let permit = permit.clone();
        expect!(self.ask(Question::ClaimedUnder { permit }).await, ClaimedUnder)
    }

    async fn settle(
        &self,
        token: Token,
        settlements: &[(Attempt, Settlement)],
    ) -> Result<Checked<Vec<Settled>>, StoreError> {
        let settlements = settlements.to_vec();
        expect!(self.ask(Question::Settle { token, settlements }).await, Settled)
    }

    async fn doubts(&self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        expect!(self.ask(Question::Doubts { limit }).await, Doubts)
    }

    async fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> Result<Checked<Settled>, StoreError> {
        let attempt = attempt.clone();
        expect!(self.ask(Question::Resolve { token, attempt, proof }).await, Resolved)
    }
}
