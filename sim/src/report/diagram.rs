//! A violation as a diagram for a terminal: time goes down, each place has a lane, and an arrow shows what
//! went from one to another. Only the lanes that the story needs are drawn, so that it fits the screen.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{
    Arrow, Group, Lanes, Layer, Span, arrows, brief, is_about_acting, spans, thread,
};
use super::text::{Paint, width};
use crate::faults::plan::Plan;
use crate::history::{Event, History, Kind, SimTime};
use crate::oracles::Violation;

/// How many events are shown before the one that broke a property, besides those that it is about.
const EVENTS_BEFORE: usize = 12;

/// More lanes leave no room for words.
const LANES_MAX: usize = 12;

/// Columns of the moment.
const MOMENT: usize = 14;

/// How many columns words have at least, however narrow the screen is.
const WORDS_MIN: usize = 24;

/// The violation and what led to it.
pub fn diagram(plan: &Plan, history: &History, violation: &Violation, paint: Paint) -> String {
    let lanes = Lanes::of(plan);
    let events = history.events();
    let chosen = chosen(events, violation);
    let all_arrows = arrows(events, &lanes);
    let mut first_arrow = BTreeMap::new();
    for arrow in all_arrows.iter().rev() {
        first_arrow.insert(arrow.event, *arrow);
    }
    let acting = is_about_acting(violation);
    let mut used = shown(&chosen, events, &lanes, &first_arrow);
    if acting {
        used.truncate(LANES_MAX - 1);
        used.push(lanes.act());
    }
    let drawing =
        Drawing { shown: used, names: lanes.names(), spans: spans(events, &lanes, &[]), lanes };
    let about: BTreeSet<usize> = thread(events, violation).into_iter().collect();
    let mut out = format!("{}\n", paint.faint(&drawing.head()));
    let mut last = None;
    for &index in &chosen {
        if last.is_some_and(|last| telling(&events[last + 1..index]) > 0) {
            out += &format!("{}\n", paint.faint(&format!("{:>MOMENT$}", "⋮")));
        }
        last = Some(index);
        let mark = if index == violation.event { '✗' } else { '●' };
        for line in drawing.event(&events[index], mark, first_arrow.get(&index)) {
            out += &match (mark, about.contains(&index)) {
                ('✗', _) => paint.bad(&line),
                (_, true) => paint.strong(&line),
                _ => line,
            };
            out.push('\n');
        }
    }
    out += &format!("{}\n", paint.faint(LEGEND));
    if acting {
        out += &format!("{}\n", paint.faint(ACT_LEGEND));
    }
    out
}

const LEGEND: &str = "                │ runs   ║ believes that it may act   ╎ stands still   ┊ down   ✗ broke the property";

const ACT_LEGEND: &str = "                █ somebody may act   ░ nobody may";

/// The places of the events to show, in order.
fn chosen(events: &[Event], violation: &Violation) -> BTreeSet<usize> {
    let upto = events.len().min(violation.event + 1);
    let before = (0..upto).rev().filter(|&index| is_background(&events[index].kind));
    let mut chosen: BTreeSet<usize> = before.take(EVENTS_BEFORE).collect();
    chosen.extend(thread(events, violation));
    chosen
}

/// Whether it belongs to any story: who led, who was there, and what was done to them. Other messages go
/// their own ways.
fn is_background(kind: &Kind) -> bool {
    let others = [Group::Claims, Group::Sends, Group::Effects, Group::Outbox];
    // What a fault does to the links is told by its line.
    let told = matches!(kind, Kind::World(_));
    !told && !Group::is_routine(kind) && !others.contains(&Group::of(kind))
}

fn telling(events: &[Event]) -> usize {
    events.iter().filter(|event| !Group::is_routine(&event.kind)).count()
}

/// The lanes on which any of them lies or ends.
fn shown(
    chosen: &BTreeSet<usize>,
    events: &[Event],
    lanes: &Lanes,
    arrows: &BTreeMap<usize, Arrow>,
) -> Vec<usize> {
    let mut used = BTreeSet::new();
    for index in chosen {
        used.insert(lanes.place(&events[*index].kind));
        used.extend(arrows.get(index).map(|arrow| arrow.to));
    }
    used.remove(&Lanes::WORLD);
    used.into_iter().take(LANES_MAX).collect()
}

struct Drawing {
    lanes: Lanes,
    names: Vec<String>,
    spans: Vec<Span>,
    /// The lanes that are drawn, from left to right.
    shown: Vec<usize>,
}

impl Drawing {
    /// Columns of a lane: few where there are many.
    fn lane_width(&self) -> usize {
        match self.shown.len() {
            0..=5 => 7,
            6..=8 => 5,
            _ => 4,
        }
    }

    fn column(&self, lane: usize) -> Option<usize> {
        let place = self.shown.iter().position(|shown| *shown == lane)?;
        Some(MOMENT + 2 + place * self.lane_width())
    }

    /// Where the words begin.
    fn words(&self) -> usize {
        MOMENT + 2 + self.shown.len() * self.lane_width()
    }

    fn head(&self) -> String {
        let mut line = " ".repeat(MOMENT + 2);
        for lane in &self.shown {
            line += &format!("{:<width$}", self.names[*lane], width = self.lane_width());
        }
        line.trim_end().to_owned()
    }

    /// What a lane looks like at a moment.
    fn state(&self, lane: usize, at: SimTime) -> char {
        let lasts = |layer| {
            let here = |span: &&Span| span.lane == lane && span.layer == layer;
            self.spans.iter().filter(here).any(|span| span.from <= at && at < span.to)
        };
        if lane == self.lanes.act() {
            return if lasts(Layer::Act) { '█' } else { '░' };
        }
        match () {
            () if lasts(Layer::Down) => '┊',
            () if lasts(Layer::Paused) => '╎',
            () if lasts(Layer::Believes) => '║',
            () => '│',
        }
    }

    /// One event, over as many lines as its words need.
    fn event(&self, event: &Event, mark: char, arrow: Option<&Arrow>) -> Vec<String> {
        let from = self.lanes.place(&event.kind);
        let mut words = brief(&event.kind);
        if let Some(Arrow { arrives, to, .. }) = arrow {
            words += &match arrives {
                Some(at) => format!(" (there after {} ms)", millis(at.since(event.at))),
                None => format!(" (lost on its way to {})", self.names[*to]),
            };
        }
        let broken = broken(&words, width().saturating_sub(self.words()).max(WORDS_MIN));
        let mut lines = Vec::new();
        for (number, words) in broken.iter().enumerate() {
            let mut cells = vec![' '; self.words()];
            for lane in &self.shown {
                let column = self.column(*lane).expect("it is drawn");
                cells[column] = self.state(*lane, event.at);
            }
            if number == 0 {
                let moment = format!("{:>MOMENT$}", event.at.to_string());
                cells.splice(0..moment.chars().count().min(cells.len()), moment.chars());
                self.put(&mut cells, from, mark, arrow);
            }
            lines.push(
                format!("{}{words}", cells.into_iter().collect::<String>()).trim_end().to_owned(),
            );
        }
        lines
    }

    /// The mark, and the arrow that begins there.
    fn put(&self, cells: &mut [char], from: usize, mark: char, arrow: Option<&Arrow>) {
        let Some(here) = self.column(from) else { return };
        let there = arrow.and_then(|arrow| Some((self.column(arrow.to)?, arrow.arrives.is_some())));
        if let Some((there, arrives)) = there.filter(|(there, _)| *there != here) {
            let (low, high) = (here.min(there), here.max(there));
            cells[low + 1..high].fill('─');
            let head = match (arrives, there > here) {
                (false, _) => 'x',
                (true, true) => '▶',
                (true, false) => '◀',
            };
            cells[if there > here { there - 1 } else { there + 1 }] = head;
        }
        cells[here] = mark;
    }
}

/// At most so many characters a line, broken between words; a longer word is broken itself.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut add = |word: &[char]| {
        let line = lines.last_mut().expect("there is one");
        let length = line.chars().count();
        let word: String = word.iter().collect();
        if length == 0 {
            line.push_str(&word);
        } else if length + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    };
    for word in text.split(' ') {
        let word: Vec<char> = word.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        word.chunks(width.max(1)).for_each(&mut add);
    }
    lines
}

fn millis(nanos: u64) -> String {
    format!("{}.{}", nanos / 1_000_000, nanos / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use fencepost::{Identity, Incarnation, Token};

    use super::*;
    use crate::faults::generate;
    use crate::faults::plan::node;
    use crate::history::MessageNo;
    use crate::scenario::Scenario;

    fn plan(observers: u32) -> Plan {
        let text = format!(
            "name = \"x\"\ncluster = {{ voters = 3, observers = {observers}, disk = \"kept\" }}\n\
             workload = {{ messages = 5, every = \"50ms\", sink = \"plain\" }}\nhorizon = \"9s\""
        );
        let scenario = Scenario::parse("x.toml", &text).map_err(miette::Report::new).unwrap();
        generate(&scenario, 1)
    }

    /// n1 sends m7, is paused; n2 leads and sends it; n1 wakes and sends it again.
    fn twice() -> (History, Violation) {
        let mut history = History::default();
        let (message, key, reading) = (MessageNo(7), MessageNo(7), fencepost::Instant(5));
        let send = |number, token| {
            let (node, token) = (node(number), Token(token));
            [
                Kind::SendStarted { node, token, message, key, reading },
                Kind::Effect { message, key, token, node },
            ]
        };
        let holder = Identity { node: node(2), incarnation: Incarnation::FIRST };
        let mut at = 0;
        let mut push = |kind| {
            at += 1_500_000;
            history.push(SimTime(at), kind);
        };
        push(Kind::GuardIssued { holder: Identity { node: node(1), ..holder }, token: Token(1) });
        push(Kind::Paused { node: node(1) });
        push(Kind::GuardIssued { holder, token: Token(2) });
        send(2, 2).into_iter().for_each(&mut push);
        push(Kind::Resumed { node: node(1) });
        send(1, 1).into_iter().for_each(&mut push);
        push(Kind::End);
        let event = history.len() - 2;
        let at = history.events()[event].at;
        (history, Violation { property: "D1", at, event, what: "twice".to_owned() })
    }

    #[test]
    fn lanes_show_states_and_arrows() {
        let (history, violation) = twice();
        let text = diagram(&plan(0), &history, &violation, Paint::OFF);
        let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap().to_owned();
        assert!(text.lines().next().unwrap().ends_with("n1     n2     sink"), "{text}");
        assert!(line("stands still").contains("●      │      │"), "{text}");
        let sent = line("begins to send m7 under key m7 with token 2");
        assert!(sent.starts_with("    0.006000 s  ╎      ●─────▶│      begins"), "{text}");
        assert!(
            line("✗").contains("║      ║      ✗      m7 takes effect under key m7, sent by n1"),
            "{text}"
        );
    }

    #[test]
    fn where_nobody_may_act_a_lane_shows_it() {
        let (history, violation) = twice();
        let late = Violation { property: "V5", event: history.len() - 1, ..violation };
        let text = diagram(&plan(0), &history, &late, Paint::OFF);
        assert!(text.lines().next().unwrap().ends_with("may act"), "{text}");
        let end = text.lines().find(|line| line.contains("end of the run")).unwrap();
        assert!(end.contains("░      end of the run"), "no lease was ever extended: {text}");
        assert!(text.trim_end().ends_with(ACT_LEGEND.trim_start()), "{text}");
    }

    #[test]
    fn however_many_lanes_the_screen_is_wide_enough() {
        let (mut history, violation) = twice();
        for number in 1..=8 {
            history.push(
                SimTime(99_000_000),
                Kind::Paused { node: crate::faults::plan::observer(number) },
            );
        }
        let last = Violation { event: history.len() - 1, ..violation };
        let text = diagram(&plan(8), &history, &last, Paint::OFF);
        for line in text.lines() {
            assert!(line.chars().count() <= width(), "{} columns: {line}", line.chars().count());
        }
        let words = broken(&format!("a {} b", "x".repeat(95)), 40);
        assert_eq!(words.len(), 4, "{words:?}");
        assert!(words.iter().all(|line| line.chars().count() <= 40), "{words:?}");
    }

    #[test]
    fn a_violation_at_the_end_of_nothing_is_drawn_all_the_same() {
        let violation = Violation { property: "V1", at: SimTime(0), event: 5, what: String::new() };
        assert!(!diagram(&plan(0), &History::default(), &violation, Paint::OFF).is_empty());
    }
}
