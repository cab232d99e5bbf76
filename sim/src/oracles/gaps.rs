//! When somebody validly held a guard, and when nobody did.
//!
//! [`Guards`](super::guards::Guards) answers for one moment; this is the whole run at once, to the
//! nanosecond, and looks only at the few events that make or end a guard.

use fencepost::{Instant, NodeId, Term, Token};

use super::few::Few;
use super::guards::LocalClock;
use crate::history::{Event, History, Kind, Phase, SimTime};

/// A guard was valid from one moment until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Whose guard.
    pub node: NodeId,
    /// Its token.
    pub token: Token,
    /// From then on.
    pub from: SimTime,
    /// Until before then.
    pub to: SimTime,
}

/// Nobody held a valid guard from one moment until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// From then on.
    pub from: SimTime,
    /// Until before then.
    pub to: SimTime,
}

impl Gap {
    /// How long, in nanoseconds.
    pub fn lasts(&self) -> u64 {
        self.to.since(self.from)
    }
}

/// Every guard of a history, by its beginning. One whose lease ran out and was extended after all is
/// two.
pub fn held(history: &History) -> Vec<Held> {
    held_in(history.besides_messages().map(|(_, event)| event))
}

/// The same of any events in their order.
pub fn held_in<'e>(events: impl Iterator<Item = &'e Event>) -> Vec<Held> {
    let mut books = Books::default();
    let mut end = SimTime(0);
    for event in events {
        books.take(event);
        end = event.at;
    }
    books.end(end);
    books.held.sort_by_key(|held| (held.from, held.to));
    books.held
}

/// The time in which nobody can act, out of the faults and the healing: warm-up is over when the first
/// guard was handed out, and after the end nodes are being shut down.
pub fn gaps(history: &History, held: &[Held]) -> Vec<Gap> {
    gaps_in(history.besides_messages().map(|(_, event)| event), held)
}

/// The same of any events in their order.
pub fn gaps_in<'e>(events: impl Iterator<Item = &'e Event>, held: &[Held]) -> Vec<Gap> {
    let mut begin = None;
    let mut end = None;
    for event in events {
        match event.kind {
            Kind::Phase(Phase::Faults) => begin = Some(event.at),
            Kind::End => end = Some(event.at),
            _ => {}
        }
    }
    let Some((mut free, end)) = begin.zip(end) else { return Vec::new() };
    let mut gaps = Vec::new();
    for Held { from, to, .. } in held {
        if *from >= end {
            break;
        }
        if *from > free {
            gaps.push(Gap { from: free, to: *from });
        }
        free = free.max(*to);
    }
    if free < end {
        gaps.push(Gap { from: free, to: end });
    }
    gaps
}

#[derive(Debug, Default)]
struct Books {
    nodes: Few<NodeId, Node>,
    held: Vec<Held>,
}

#[derive(Debug, Default)]
struct Node {
    clock: Option<LocalClock>,
    tenures: Vec<Tenure>,
}

/// What the running process of a node has of one term.
#[derive(Debug)]
struct Tenure {
    term: Term,
    until: Option<Instant>,
    issued: bool,
    /// Since when its guard is valid without a break.
    open: Option<SimTime>,
}

impl Books {
    fn take(&mut self, event: &Event) {
        let now = event.at;
        let Self { nodes, held } = self;
        match event.kind {
            Kind::ClockRate { node, reading, ppm, .. } => {
                let state = nodes.of(node);
                state.lapse(node, now, held);
                state.clock = Some(LocalClock { at: now, reading, ppm });
            }
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                let state = nodes.of(node);
                state.close(node, now, None, held);
                state.tenures.clear();
            }
            Kind::LeaseExtended { node, term, until } => {
                let state = nodes.of(node);
                state.lapse(node, now, held);
                state.tenure(term).until = Some(until);
                state.open(now);
            }
            Kind::SteppedDown { node, term, .. } => {
                let state = nodes.of(node);
                state.close(node, now, Some(term), held);
                state.tenure(term).issued = false;
            }
            Kind::GuardIssued { holder, token } => {
                let state = nodes.of(holder.node);
                state.tenure(token.into()).issued = true;
                state.open(now);
            }
            _ => {}
        }
    }

    fn end(&mut self, now: SimTime) {
        let nodes: Vec<NodeId> = self.nodes.iter().map(|(node, _)| *node).collect();
        for node in nodes {
            self.nodes.of(node).close(node, now, None, &mut self.held);
        }
    }
}

impl Node {
    fn tenure(&mut self, term: Term) -> &mut Tenure {
        let found = self.tenures.iter().rposition(|tenure| tenure.term == term);
        let index = found.unwrap_or_else(|| {
            self.tenures.push(Tenure { term, until: None, issued: false, open: None });
            self.tenures.len() - 1
        });
        &mut self.tenures[index]
    }

    /// Guards that are handed out and whose lease lasts are valid from now on.
    fn open(&mut self, now: SimTime) {
        let Some(clock) = self.clock else { return };
        for tenure in self.tenures.iter_mut().filter(|tenure| tenure.issued) {
            let lasts = tenure.until.is_some_and(|until| !clock.has_reached(until, now));
            if tenure.open.is_none() && lasts {
                tenure.open = Some(now);
            }
        }
    }

    /// Takes note of guards whose lease has run out by now.
    fn lapse(&mut self, node: NodeId, now: SimTime, held: &mut Vec<Held>) {
        let Some(clock) = self.clock else { return };
        for tenure in &mut self.tenures {
            let over = tenure.until.map(|until| clock.reaches(until));
            if let (Some(from), Some(to)) = (tenure.open, over.filter(|over| *over <= now)) {
                tenure.open = None;
                held.push(Held { node, token: Token(tenure.term.0), from, to });
            }
        }
    }

    /// The guard of a term, or of all of them, is over by now.
    fn close(&mut self, node: NodeId, now: SimTime, term: Option<Term>, held: &mut Vec<Held>) {
        self.lapse(node, now, held);
        for tenure in &mut self.tenures {
            if term.is_none_or(|term| term == tenure.term)
                && let Some(from) = tenure.open.take()
            {
                held.push(Held { node, token: Token(tenure.term.0), from, to: now });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, node};
    use super::*;

    /// From when to when, in milliseconds.
    type Spans = Vec<(u64, u64)>;

    /// When somebody held a guard, and when nobody did.
    fn found(script: &Script) -> (Spans, Spans) {
        let ms = |time: SimTime| time.0 / 1_000_000;
        let held = held(&script.history);
        let gaps = gaps(&script.history, &held);
        let held = held.iter().map(|held| (ms(held.from), ms(held.to))).collect();
        (held, gaps.iter().map(|gap| (ms(gap.from), ms(gap.to))).collect())
    }

    fn faults(script: Script) -> Script {
        script.push(Kind::Phase(Phase::Faults))
    }

    #[test]
    fn a_guard_lasts_from_its_issue_to_the_end_of_its_lease() {
        let script = Script::new().at(100).lease(1, 1, 900).at(120).guard(1, 1);
        let script = faults(script).at(500).lease(1, 1, 1_400).at(5_000).push(Kind::End);
        assert_eq!(found(&script), (vec![(120, 1_400)], vec![(1_400, 5_000)]));
    }

    #[test]
    fn whoever_steps_down_or_is_gone_holds_it_no_longer() {
        let script = faults(Script::new().lease(1, 1, 9_000).guard(1, 1));
        let script = script.at(300).stepped_down(1, 1).at(700).lease(2, 2, 9_000).guard(2, 2);
        let script = script.at(900).down(2).at(1_000).push(Kind::End);
        assert_eq!(found(&script), (vec![(0, 300), (700, 900)], vec![(300, 700), (900, 1_000)]));
    }

    #[test]
    fn two_guards_at_once_are_no_gap_and_a_late_extension_is_a_new_beginning() {
        let script = faults(Script::new().lease(1, 1, 1_000).guard(1, 1));
        let script = script.at(800).lease(2, 2, 1_500).guard(2, 2).at(2_000).lease(1, 1, 3_000);
        let script = script.at(2_500).push(Kind::End);
        let held = vec![(0, 1_000), (800, 1_500), (2_000, 2_500)];
        assert_eq!(found(&script), (held, vec![(1_500, 2_000)]));
    }

    #[test]
    fn a_clock_at_half_the_speed_makes_a_lease_last_twice_as_long() {
        let script = faults(Script::new().clock(1, 0, -500_000).lease(1, 1, 1_000).guard(1, 1));
        let script = script.at(2_500).push(Kind::End);
        assert_eq!(found(&script), (vec![(0, 2_000)], vec![(2_000, 2_500)]));
        assert_eq!(node(1).as_str(), "n1");
    }

    #[test]
    fn without_a_fault_phase_nothing_is_counted() {
        let script = Script::new().at(9_000).push(Kind::End);
        assert_eq!(found(&script), (vec![], vec![]));
    }
}
