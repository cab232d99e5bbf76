//! The database as a node sees it: far away. What leaves the node is recorded here.

use std::sync::{Arc, Mutex};

use fencepost::store::{
    Activated, Attempt, BindError, Checked, Claim, Doubt, EnqueueError, Enqueued, Fence,
    NewMessage, Outbox, Outgoing, Permit, Proof, Roll, Settled, Settlement, Share, StoreError,
};
use fencepost::{Boot, Generation, Identity, NodeId, Token, WallTime};

use super::{Answer, Question, message_no};
use crate::history::{ClaimEnd, Kind, Look, MessageNo};
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
    pub node: NodeId,
    /// The node's clocks.
    pub clocks: Arc<Clocks>,
    /// The last look at the jobs that was answered.
    pub look: Mutex<Look>,
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

/// Tells the end of a question for claims, however it comes.
struct Asking {
    recorder: Arc<Recorder>,
    node: NodeId,
    token: Token,
    messages: Vec<MessageNo>,
    how: ClaimEnd,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let Self { node, token, how, .. } = *self;
        // Of a process that is gone nothing more is told, nor of a run that has failed itself.
        if std::thread::panicking() || self.recorder.is_down(node) {
            return;
        }
        for &message in &self.messages {
            self.recorder.record(Kind::ClaimEnded { node, token, message, how });
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
    /// A world has one cluster, which no process could call otherwise: M2 is for the stores' own tests.
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

    async fn confirm(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        expect!(self.ask(Question::Confirm { generation, token, holder }).await, Activated)
    }

    async fn advance(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        expect!(self.ask(Question::Advance { generation, token, holder }).await, Activated)
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
        let (node, token) = (self.node, permit.token);
        let messages = attempts.iter().map(|Attempt { id, .. }| message_no(id)).collect();
        for Attempt { id, .. } in attempts {
            self.recorder.record(Kind::ClaimStarted {
                node,
                token,
                share: permit.share.clone(),
                message: message_no(id),
                reading: self.clocks.reading(self.client.here),
            });
        }
        let recorder = Arc::clone(&self.recorder);
        let mut asking = Asking { recorder, node, token, messages, how: ClaimEnd::Cancelled };
        let (permit, attempts) = (permit.clone(), attempts.to_vec());
        let answer = self.ask(Question::Claim { by: node, permit, attempts, wall }).await;
        asking.how = match answer {
            Err(StoreError::Unknown(_)) => ClaimEnd::Unknown,
            Ok(_) | Err(StoreError::Unavailable(_)) => ClaimEnd::Answered,
        };
        expect!(answer, Claimed)
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
