//! Assignments of units in the database, and what becomes of claims when they end.

use fencepost::store::{
    Assigned, Assignments, Change, Checked, MessageState, Share, StoreError, WorkName,
};
use fencepost::{Token, WallTime};

use super::{Answer, Books, Database, Question, RemoteStore, message_id};
use crate::history::{Kind, MessageNo};

impl Database {
    pub(super) fn assign(
        &self,
        books: &mut Books,
        (token, work, units): (Token, &WorkName, u32),
        changes: &[Change],
        now: WallTime,
    ) -> Result<Answer, StoreError> {
        let before = books.outbox.assignments(work)?.list;
        let answer = books.outbox.assign(token, work, units, changes, now)?;
        match &answer {
            Checked::Passed(assigned) => {
                for assignment in assigned.list.iter().filter(|now| !before.contains(now)) {
                    let (work, assignment) = (work.clone(), *assignment);
                    self.recorder.record(Kind::Assigned { work, assignment });
                }
                self.revoked(books, token)?;
            }
            Checked::Fenced { floor } => self.fenced(token, *floor),
        }
        Ok(Answer::Assigned(answer))
    }

    /// Books what has moved because the assignment ended under which it was claimed.
    fn revoked(&self, books: &mut Books, token: Token) -> Result<(), StoreError> {
        let claimed = books.messages.iter().filter(|(_, booked)| booked.shared);
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
            self.recorder.record(Kind::ClaimedAs { message, token, share });
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
        match self.ask(Question::Assign { token, work, units, changes }).await? {
            Answer::Assigned(assigned) => Ok(assigned),
            _ => unreachable!("the database answers what it was asked"),
        }
    }

    async fn assignments(&self, work: &WorkName) -> Result<Assigned, StoreError> {
        match self.ask(Question::Assignments { work: work.clone() }).await? {
            Answer::Assignments(assigned) => Ok(assigned),
            _ => unreachable!("the database answers what it was asked"),
        }
    }
}
