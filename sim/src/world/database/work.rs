//! The assignments of the simulated database: the calls of [`Assignments`], their record in commit
//! order, and what becomes of claims when an assignment ends.

use fencepost::store::{
    Assigned, Assignments, Change, Checked, MessageState, Share, StoreError, WorkName,
};
use fencepost::{Token, WallTime};

use super::{Answer, Books, Database, Question, RemoteStore, message_id};
use crate::history::{Kind, MessageNo, WorkEvent};

/// What a node asks of the database: the calls of [`Assignments`].
#[allow(missing_docs)] // the arguments are the trait's
pub enum WorkQuestion {
    Assign { token: Token, work: WorkName, units: u32, changes: Vec<Change> },
    Assignments { work: WorkName },
}

impl WorkQuestion {
    /// Whether its answer acknowledges a commit.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Assign { .. })
    }
}

/// What the database answers.
#[allow(missing_docs)] // the results are the trait's
pub enum WorkAnswer {
    Assigned(Checked<Assigned>),
    Assignments(Assigned),
}

impl Database {
    pub(super) fn assignments(
        &self,
        books: &mut Books,
        question: &WorkQuestion,
        now: WallTime,
    ) -> Result<WorkAnswer, StoreError> {
        let (token, work, units, changes) = match question {
            WorkQuestion::Assignments { work } => {
                return Ok(WorkAnswer::Assignments(books.outbox.assignments(work)?));
            }
            WorkQuestion::Assign { token, work, units, changes } => (*token, work, *units, changes),
        };
        let before = books.outbox.assignments(work)?.list;
        let answer = books.outbox.assign(token, work, units, changes, now)?;
        match &answer {
            Checked::Passed(assigned) => {
                for assignment in assigned.list.iter().filter(|now| !before.contains(now)) {
                    let (work, assignment) = (work.clone(), *assignment);
                    self.recorder.record(Kind::Work(WorkEvent::Assigned { work, assignment }));
                }
                self.revoked(books, token)?;
            }
            Checked::Fenced { floor } => self.fenced(token, *floor),
        }
        Ok(WorkAnswer::Assigned(answer))
    }

    /// Books what has moved because the assignment ended under which it was claimed.
    fn revoked(&self, books: &mut Books, token: Token) -> Result<(), StoreError> {
        let claimed = books.messages.iter().filter(|(_, booked)| booked.is_workers());
        let claimed = claimed.filter(|(_, booked)| booked.state == MessageState::Claimed);
        let claimed: Vec<MessageNo> = claimed.map(|(message, _)| *message).collect();
        for message in claimed {
            let id = message_id(message);
            let state = books.outbox.state_of(&id)?.expect("no message disappears");
            self.moved(books, token, &id, state, None);
        }
        Ok(())
    }

    /// Records under which assignment a message was claimed.
    pub(super) fn claimed_as(&self, message: MessageNo, token: Token, share: Option<&Share>) {
        if let Some(share) = share.cloned() {
            self.recorder.record(Kind::Work(WorkEvent::Claimed { message, token, share }));
        }
    }
}

impl Assignments for RemoteStore {
    async fn assign(
        &self,
        token: Token,
        work: &WorkName,
        units: u32,
        changes: &[Change],
    ) -> Result<Checked<Assigned>, StoreError> {
        let (work, changes) = (work.clone(), changes.to_vec());
        let question = WorkQuestion::Assign { token, work, units, changes };
        match self.ask(Question::Work(question)).await? {
            Answer::Work(WorkAnswer::Assigned(assigned)) => Ok(assigned),
            _ => unreachable!("the database answers what it was asked"),
        }
    }

    async fn assignments(&self, work: &WorkName) -> Result<Assigned, StoreError> {
        let question = WorkQuestion::Assignments { work: work.clone() };
        match self.ask(Question::Work(question)).await? {
            Answer::Work(WorkAnswer::Assignments(assigned)) => Ok(assigned),
            _ => unreachable!("the database answers what it was asked"),
        }
    }
}
