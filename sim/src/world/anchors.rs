//! Anchors: who waits for which event of the run. The recorder tells every event; whoever waits for
//! it is woken in the same instant, and is told that instant.

use fencepost::{Identity, Term};
use tokio::sync::oneshot;

use crate::faults::Trigger;
use crate::history::{Kind, MessageKind, SimTime};

/// All who wait. Without anybody an event costs one comparison.
#[derive(Default)]
pub struct Anchors {
    waiting: Vec<Waiting>,
    /// Who campaigned last, and in which term: a campaign is one event, and a request to every voter.
    campaigned: Option<(Identity, Term)>,
}

struct Waiting {
    event: Trigger,
    /// How many such events are still to come, this one's included.
    left: u32,
    tell: oneshot::Sender<SimTime>,
}

impl Anchors {
    /// Waits for the `nth` such event from now on. An answer that never comes is an error: the
    /// event did not happen in time.
    pub fn wait(&mut self, event: Trigger, nth: u32) -> oneshot::Receiver<SimTime> {
        let (tell, told) = oneshot::channel();
        self.waiting.push(Waiting { event, left: nth.max(1), tell });
        told
    }

    /// Nobody waits any longer.
    pub fn give_up(&mut self) {
        self.waiting.clear();
    }

    /// An event happens now.
    pub fn notice(&mut self, kind: &Kind, now: SimTime) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(happened) = self.event_of(kind) else { return };
        let meant = |wanted: Trigger| match (wanted, happened) {
            (Trigger::Leader(None), Trigger::Leader(_))
            | (Trigger::Campaign(None), Trigger::Campaign(_)) => true,
            (wanted, happened) => wanted == happened,
        };
        for waiting in &mut self.waiting {
            waiting.left -= u32::from(meant(waiting.event));
        }
        // In the order in which they came, so that faults of one moment keep the plan's order.
        for due in self.waiting.extract_if(.., |waiting| waiting.left == 0) {
            // Whoever does not listen any more need not be told.
            let _ = due.tell.send(now);
        }
    }

    /// What an event of the history is to those who wait.
    fn event_of(&mut self, kind: &Kind) -> Option<Trigger> {
        Some(match *kind {
            Kind::Sent { from, term, what: MessageKind::VoteRequest, .. } => {
                let campaign = Some((from, term));
                if std::mem::replace(&mut self.campaigned, campaign) == campaign {
                    return None;
                }
                Trigger::Campaign(Some(from.node))
            }
            Kind::GuardIssued { holder, .. } => Trigger::Leader(Some(holder.node)),
            Kind::ClaimStarted { .. } => Trigger::ClaimAsked,
            Kind::Claimed { .. } => Trigger::Claim,
            Kind::SendStarted { .. } => Trigger::Send,
            Kind::Activated { again: false, .. } => Trigger::Floor,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use fencepost::{Generation, Identity, Incarnation, Instant, Token};

    use super::*;
    use crate::faults::plan::node;
    use crate::history::{Arrivals, MessageNo};

    fn guard(number: u32) -> Kind {
        let holder = Identity { node: node(number), incarnation: Incarnation(0) };
        Kind::GuardIssued { holder, token: Token(1) }
    }

    fn asks(number: u32, term: u64) -> Kind {
        let from = Identity { node: node(number), incarnation: Incarnation(0) };
        let (to, generation, term) = (node(3), Generation::NONE, Term(term));
        let (what, vote, release) = (MessageKind::VoteRequest, None, None);
        let arrives = Arrivals::Untold;
        Kind::Sent { from, to, generation, term, what, vote, release, arrives }
    }

    fn floor(again: bool) -> Kind {
        let holder = Identity { node: node(1), incarnation: Incarnation(0) };
        Kind::Activated { generation: Generation::NONE, token: Token(1), holder, again }
    }

    #[test]
    fn each_is_told_the_moment_of_its_own_event() {
        let mut anchors = Anchors::default();
        let mut any = anchors.wait(Trigger::Leader(None), 2);
        let mut second = anchors.wait(Trigger::Leader(Some(node(2))), 1);
        let mut raised = anchors.wait(Trigger::Floor, 1);
        let mut asked = anchors.wait(Trigger::ClaimAsked, 1);
        let mut claimed = anchors.wait(Trigger::Claim, 1);
        let mut campaign = anchors.wait(Trigger::Campaign(None), 2);
        let mut own = anchors.wait(Trigger::Campaign(Some(node(2))), 1);
        let (token, message, reading) = (Token(1), MessageNo(1), Instant(0));
        let claim = Kind::ClaimStarted { node: node(1), token, share: None, message, reading };
        let events = [guard(1), floor(true), guard(2), floor(false), claim];
        // One request to each voter is one campaign.
        let asks = [(1, 4), (1, 4), (1, 5), (1, 5), (2, 6)].map(|(from, term)| asks(from, term));
        for (at, kind) in (10..).zip(events.iter().chain(&asks)) {
            anchors.notice(kind, SimTime(at));
        }
        assert_eq!(any.try_recv(), Ok(SimTime(12)));
        assert_eq!(second.try_recv(), Ok(SimTime(12)));
        assert_eq!(raised.try_recv(), Ok(SimTime(13)), "a floor confirmed is not one raised");
        assert_eq!(asked.try_recv(), Ok(SimTime(14)));
        assert_eq!(campaign.try_recv(), Ok(SimTime(17)));
        assert_eq!(own.try_recv(), Ok(SimTime(19)));
        assert!(claimed.try_recv().is_err());
        anchors.give_up();
        assert_eq!(claimed.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
