//! What went from lane to lane: messages of the election, claims and sends, and the answers that were
//! recorded. An arrow begins at an event.

use std::collections::BTreeMap;

use fencepost::Token;

use super::Lanes;
use crate::history::{Arrivals, Event, Kind, MessageNo, SendOutcome, SimTime};

/// One arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrow {
    /// The event at which it begins.
    pub event: usize,
    /// The lane at which it ends.
    pub to: usize,
    /// When it arrives; none: it was lost.
    pub arrives: Option<SimTime>,
}

/// All arrows, in the order of the events at which they begin.
pub fn arrows(events: &[Event], lanes: &Lanes) -> Vec<Arrow> {
    let mut found = Found::default();
    for (index, event) in events.iter().enumerate() {
        found.take(index, event, lanes);
    }
    found.arrows.sort_by_key(|arrow| arrow.event);
    found.arrows
}

/// What is under way: asked of the database or the sink, and not seen there yet.
#[derive(Default)]
struct Found {
    arrows: Vec<Arrow>,
    claims: BTreeMap<(Token, MessageNo), usize>,
    sends: BTreeMap<(Token, MessageNo), usize>,
    effects: BTreeMap<(Token, MessageNo), usize>,
    raised: BTreeMap<Token, usize>,
}

impl Found {
    fn arrow(&mut self, event: usize, to: usize, arrives: Option<SimTime>) {
        self.arrows.push(Arrow { event, to, arrives });
    }

    fn take(&mut self, index: usize, event: &Event, lanes: &Lanes) {
        let here = lanes.place(&event.kind);
        let now = Some(event.at);
        match event.kind {
            Kind::Sent { to, arrives: Arrivals::At(copies), .. } => {
                let to = lanes.node(to);
                match copies.iter().flatten().count() {
                    0 => self.arrow(index, to, None),
                    _ => copies.iter().flatten().for_each(|at| self.arrow(index, to, Some(*at))),
                }
            }
            Kind::ClaimStarted { token, message, .. } => {
                self.claims.insert((token, message), index);
            }
            Kind::Claimed { token, message, .. } => {
                if let Some(asked) = self.claims.remove(&(token, message)) {
                    self.arrow(asked, here, now);
                }
            }
            Kind::Fenced { token, .. } => {
                // One refusal answers a whole batch.
                let batch = (token, MessageNo(0))..=(token, MessageNo(u32::MAX));
                let asked: Vec<_> = self.claims.range(batch).map(|(key, at)| (*key, *at)).collect();
                for (key, asked) in asked {
                    self.claims.remove(&key);
                    self.arrow(asked, here, now);
                }
            }
            Kind::SendStarted { token, message, .. } => {
                self.sends.insert((token, message), index);
            }
            Kind::Effect { token, message, .. } | Kind::NoEffect { token, message, .. } => {
                if let Some(sent) = self.sends.remove(&(token, message)) {
                    self.arrow(sent, here, now);
                    self.effects.insert((token, message), index);
                }
            }
            Kind::SendEnded { token, message, outcome, .. } => {
                let answered = !matches!(outcome, SendOutcome::Unknown | SendOutcome::NotSent);
                if let Some(seen) = self.effects.remove(&(token, message)).filter(|_| answered) {
                    self.arrow(seen, here, now);
                }
            }
            Kind::Activated { token, .. } => {
                self.raised.insert(token, index);
            }
            Kind::GuardIssued { token, .. } => {
                if let Some(raised) = self.raised.remove(&token) {
                    self.arrow(raised, here, now);
                }
            }
            _ => {}
        }
    }
}
