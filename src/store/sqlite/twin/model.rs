//! The twin of a store: the rules of the outbox and the fence, written down a second time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::tests::{at, message};
use super::{IDS, KEYS, Op, key, numbered};
use crate::id::{Boot, Generation, Term, Token};
use crate::store::{
    Activated, Checked, Claim, Enqueued, Entry, MessageState, Proof, Roll, Ruling, Settled,
    Settlement,
};

use MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};

#[derive(Debug, Default)]
pub(super) struct Twin {
    pub(super) floor: u64,
    /// 0: nobody in this generation.
    holder: u64,
    pub(super) generation: u64,
    roll: Vec<Boot>,
    pub(super) rows: Vec<Entry>,
}

impl Twin {
    fn find(&mut self, id: usize) -> Option<&mut Entry> {
        self.rows.iter_mut().find(|row| row.id.as_str() == IDS[id])
    }

    pub(super) fn may_write(&self, token: u64) -> bool {
        token > 0 && token == self.floor
    }

    pub(super) fn run(&mut self, now: u64, op: &Op) -> String {
        let floor = Token(self.floor);
        match op.clone() {
            Op::Enqueue(id) => format!("{:?}", self.enqueue(id, now)),
            Op::Activate(generation, token, holder) => {
                format!("{:?}", self.activate(generation, token, holder))
            }
            Op::CallRoll(seen, boots) => format!("{:?}", self.call_roll(seen, boots)),
            Op::Judge(id, ruling, attempt) => format!("{:?}", self.judge(id, ruling, attempt, now)),
            Op::Sweep(token)
            | Op::Claim(token, _)
            | Op::Settle(token, _)
            | Op::Resolve(token, ..)
                if !self.may_write(token) =>
            {
                format!("{:?}", Checked::<()>::Fenced { floor })
            }
            Op::Sweep(token) => format!("{:?}", Checked::Passed(self.sweep(token, now))),
            Op::Claim(token, claims) => {
                // All attempts are meant as they stand before the batch.
                let numbers: Vec<_> = claims.iter().map(|(id, _)| self.next(*id)).collect();
                let claim = |((id, late), number): (&(usize, u64), u64)| match late {
                    0 => self.claim(token, *id, number, now),
                    _ => Claim::Refused { state: self.find(*id).map(|row| row.state) },
                };
                let answers: Vec<_> = claims.iter().zip(numbers).map(claim).collect();
                format!("{:?}", Checked::Passed(answers))
            }
            Op::Settle(token, said) => {
                let settle = |(id, settlement, late): (usize, Settlement, u64)| match late {
                    0 => self.settle(token, id, settlement, now),
                    _ => Settled::Refused { state: self.find(id).map(|row| row.state) },
                };
                let answers: Vec<_> = said.into_iter().map(settle).collect();
                format!("{:?}", Checked::Passed(answers))
            }
            Op::Resolve(_, id, _, late) if late > 0 => {
                let state = self.find(id).map(|row| row.state);
                format!("{:?}", Checked::Passed(Settled::Refused { state }))
            }
            Op::Resolve(_, id, proof, _) => {
                format!("{:?}", Checked::Passed(self.resolve(id, &proof, now)))
            }
        }
    }

    /// The attempt that a claim is about.
    fn next(&mut self, id: usize) -> u64 {
        self.find(id).map_or(1, |row| row.attempts + u64::from(row.state != Claimed))
    }

    fn activate(&mut self, generation: u64, token: u64, holder: u64) -> Activated {
        if generation == self.generation {
            if token > self.floor {
                (self.floor, self.holder) = (token, holder);
            }
            if (self.floor, self.holder) == (token, holder) {
                return Activated::Raised;
            }
        }
        let generation = Generation::stored(self.generation);
        Activated::Behind { floor: Token(self.floor), generation }
    }

    /// `None`: refused.
    fn call_roll(&mut self, seen: u64, boots: Vec<(u64, u64)>) -> Option<Roll> {
        // Nodes sort as their numbers do, and the same node twice is the same key twice.
        let distinct: BTreeMap<u64, u64> = boots.iter().copied().collect();
        if boots.is_empty() || distinct.len() < boots.len() {
            return None;
        }
        if seen == self.generation {
            self.generation += 1;
            self.holder = 0;
            self.roll = distinct.into_iter().map(numbered).collect();
        }
        Some(self.roll())
    }

    pub(super) fn roll(&self) -> Roll {
        let generation = Generation::stored(self.generation);
        Roll { generation, floor: Term(self.floor), boots: self.roll.clone() }
    }

    fn enqueue(&mut self, id: usize, now: u64) -> Enqueued {
        if let Some(row) = self.find(id) {
            return Enqueued::Exists(row.state);
        }
        self.rows.push(Entry {
            seq: self.rows.len() as u64 + 1,
            id: message(IDS[id]),
            key: KEYS[id].map(key),
            state: Pending,
            token: None,
            worker: None,
            parked: false,
            reason: None,
            attempts: 0,
            failures: 0,
            enqueued: at(now),
            first_claimed: None,
            not_before: None,
            send_until: None,
            changed: at(now),
            claimer_wall: None,
        });
        Enqueued::Added
    }

    fn sweep(&mut self, token: u64, now: u64) -> u64 {
        let mut swept = 0;
        for row in &mut self.rows {
            if let (Claimed, Some(claimer)) = (row.state, row.token)
                && claimer < Token(token)
            {
                row.state = InDoubt;
                let why =
                    format!("claimed by {claimer}, whose holder was deposed; outcome unknown");
                row.reason = Some(why);
                row.changed = at(now);
                swept += 1;
            }
        }
        swept
    }

    fn is_behind(&self, id: usize) -> bool {
        let before = self.rows.iter().take_while(|row| row.id.as_str() != IDS[id]);
        let mut of_key = before.filter(|row| row.key.is_some() && row.key == KEYS[id].map(key));
        of_key.any(|row| !matches!(row.state, Delivered | Failed))
    }

    fn claim(&mut self, token: u64, id: usize, number: u64, now: u64) -> Claim {
        let behind = self.is_behind(id);
        let Some(row) = self.find(id) else { return Claim::Refused { state: None } };
        // A window that begins later than the clock shows may be over.
        let end =
            row.send_until.map(|until| if begins_later(row, now) { now } else { until.unix_ms });
        let send_within = end.map(|end| Duration::from_millis(end.saturating_sub(now)));
        if row.state == Claimed && row.token == Some(Token(token)) && row.attempts == number {
            return Claim::Granted { send_within };
        }
        if row.state != Pending || row.attempts + 1 != number || behind {
            return Claim::Refused { state: Some(row.state) };
        }
        row.changed = at(now);
        if send_within == Some(Duration::ZERO) {
            window_over(row);
            return Claim::Refused { state: Some(InDoubt) };
        }
        row.state = Claimed;
        row.token = Some(Token(token));
        row.attempts += 1;
        row.not_before = None;
        row.first_claimed.get_or_insert(at(now));
        row.claimer_wall = Some(at(now + 7));
        Claim::Granted { send_within }
    }

    fn settle(&mut self, token: u64, id: usize, settlement: Settlement, now: u64) -> Settled {
        let Some(row) = self.find(id) else { return Settled::Refused { state: None } };
        let own = row.token == Some(Token(token));
        let open = own && row.state == Claimed;
        let (target, reason) = match settlement {
            Settlement::Delivered => (Delivered, None),
            Settlement::Failed { reason } => (Failed, Some(reason)),
            Settlement::InDoubt { reason } => (InDoubt, Some(reason)),
            Settlement::GivenBack { reason } => (Pending, Some(reason)),
            Settlement::Retry { reason, after } => {
                if open {
                    rest(row, after, now);
                }
                (Pending, Some(reason))
            }
        };
        if open {
            row.state = target;
            row.changed = at(now);
            if target == Pending && row.send_until.is_none() {
                row.first_claimed = None;
            }
            if reason.is_some() {
                row.reason = reason;
            }
        }
        if own && row.state == target {
            Settled::Now(target)
        } else {
            Settled::Refused { state: Some(row.state) }
        }
    }

    fn resolve(&mut self, id: usize, proof: &Proof, now: u64) -> Settled {
        let Some(row) = self.find(id) else { return Settled::Refused { state: None } };
        if row.state != InDoubt {
            return Settled::Refused { state: Some(row.state) };
        }
        let before = row.clone();
        match proof {
            Proof::SinkHasIt => row.state = Delivered,
            Proof::SinkLacksIt { after } => {
                row.state = Pending;
                row.send_until = None;
                rest(row, *after, now);
            }
            Proof::GivenUp { reason } => {
                row.state = Failed;
                row.failures += 1;
                row.send_until = None;
                row.reason = Some(reason.clone());
            }
            Proof::Deduplicated { .. } | Proof::Park { .. } if row.parked => {}
            Proof::Deduplicated { window, after } => {
                let first = row.first_claimed.expect("what is in doubt was claimed").unix_ms;
                let until = first + u64::try_from(window.as_millis()).unwrap();
                if now < until && !begins_later(row, now) {
                    row.state = Pending;
                    row.send_until = Some(at(until));
                    rest(row, *after, now);
                } else {
                    window_over(row);
                }
            }
            Proof::Park { reason } => {
                row.parked = true;
                row.reason = Some(reason.clone());
            }
        }
        if row.state != InDoubt {
            row.parked = false;
        }
        if *row != before {
            row.changed = at(now);
        }
        Settled::Now(row.state)
    }

    /// Where the message stands then; none if the verdict is not passed.
    fn judge(
        &mut self,
        id: usize,
        ruling: Ruling,
        attempt: Option<u64>,
        now: u64,
    ) -> Option<MessageState> {
        let row = self.find(id)?;
        let (from, to) = match ruling {
            Ruling::Delivered => (InDoubt, Delivered),
            Ruling::Failed => (InDoubt, Failed),
            Ruling::Resend => (InDoubt, Pending),
            Ruling::Requeue => (Failed, Pending),
        };
        let named = attempt.map(|attempt| attempt == row.attempts);
        if row.state != from || !named.unwrap_or(row.parked || from == Failed) {
            return None;
        }
        (row.state, row.parked, row.changed) = (to, false, at(now));
        if to == Pending {
            (row.failures, row.not_before) = (0, None);
            (row.first_claimed, row.send_until) = (None, None);
        }
        Some(to)
    }
}

fn begins_later(entry: &Entry, now: u64) -> bool {
    entry.first_claimed.is_some_and(|first| first > at(now))
}

fn rest(entry: &mut Entry, after: Duration, now: u64) {
    entry.failures += 1;
    let due = at(now + u64::try_from(after.as_millis()).unwrap());
    entry.not_before = match entry.send_until {
        Some(until) if until < due => Some(until),
        _ => Some(due),
    };
}

fn window_over(entry: &mut Entry) {
    entry.state = InDoubt;
    entry.parked = true;
    let over = "the deduplication window is over";
    entry.reason = Some(match entry.reason.take() {
        Some(reason) => format!("{reason}; {over}"),
        None => over.into(),
    });
}
