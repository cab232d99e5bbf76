//! What the diagram's script reads: the events of a run column by column, since a column of small numbers
//! is a tenth of as many objects. Times are microseconds, and each is the distance from the one before.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::{Event, SimTime};
use crate::oracles::{self, Violation};
use crate::report::scene::{
    Arrow, Group, Lanes, Layer, Shown, Span, brief, is_about_acting, thread,
};

/// The version of this format: the script refuses another one.
pub const FORMAT: u32 = 1;

/// All that the script is told.
#[derive(Debug, Serialize)]
pub struct Columns {
    format: u32,
    lanes: Vec<String>,
    groups: Vec<(&'static str, &'static str)>,
    layers: Vec<&'static str>,
    /// How many events the run had, and how many of them are not in the columns.
    total: usize,
    left_out: usize,
    /// Texts that events share, by number.
    texts: Vec<String>,
    events: Events,
    arrows: Arrows,
    spans: Spans,
    violations: Vec<Broken>,
    /// The violation that the diagram begins with.
    focus: Option<usize>,
}

#[derive(Debug, Default, Serialize)]
struct Events {
    at: Vec<u64>,
    lane: Vec<usize>,
    group: Vec<u8>,
    text: Vec<usize>,
}

/// An arrow begins at an event; it takes so long, or −1 if it is lost.
#[derive(Debug, Default, Serialize)]
struct Arrows {
    event: Vec<usize>,
    to: Vec<usize>,
    takes: Vec<i64>,
}

#[derive(Debug, Default, Serialize)]
struct Spans {
    lane: Vec<usize>,
    layer: Vec<u8>,
    from: Vec<u64>,
    to: Vec<u64>,
    label: Vec<usize>,
}

#[derive(Debug, Serialize)]
struct Broken {
    property: &'static str,
    says: &'static str,
    what: String,
    event: usize,
    /// The lane that shows it, if that is not the event's.
    lane: Option<usize>,
    thread: Vec<usize>,
}

#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Texts {
    fn place(&mut self, text: String) -> usize {
        if let Some(place) = self.places.get(&text) {
            return *place;
        }
        self.all.push(text.clone());
        self.places.insert(text, self.all.len() - 1);
        self.all.len() - 1
    }
}

/// What a diagram is made from.
pub struct Picture<'a> {
    /// All events of the run.
    pub events: &'a [Event],
    /// Which of them are shown.
    pub shown: &'a Shown,
    /// The lanes.
    pub lanes: &'a Lanes,
    /// Every arrow of the run.
    pub arrows: &'a [Arrow],
    /// Every span.
    pub spans: &'a [Span],
    /// What was broken.
    pub violations: &'a [Violation],
    /// Which of that the diagram begins with.
    pub focus: Option<usize>,
}

impl Picture<'_> {
    /// The columns.
    pub fn columns(&self) -> Columns {
        let mut texts = Texts::default();
        Columns {
            format: FORMAT,
            lanes: self.lanes.names(),
            groups: Group::ALL.map(Group::says).to_vec(),
            layers: Layer::ALL.map(Layer::name).to_vec(),
            total: self.events.len(),
            left_out: self.shown.left_out(),
            events: self.events(&mut texts),
            arrows: self.arrows(),
            spans: self.spans(&mut texts),
            violations: self.violations.iter().map(|violation| self.broken(violation)).collect(),
            focus: self.focus,
            texts: texts.all,
        }
    }

    fn events(&self, texts: &mut Texts) -> Events {
        let mut columns = Events::default();
        let mut last = 0;
        for event in self.shown.places().iter().map(|&place| &self.events[place]) {
            let at = micros(event.at);
            columns.at.push(at - last);
            last = at;
            columns.lane.push(self.lanes.place(&event.kind));
            columns.group.push(Group::of(&event.kind) as u8);
            columns.text.push(texts.place(brief(&event.kind)));
        }
        columns
    }

    fn arrows(&self) -> Arrows {
        let mut columns = Arrows::default();
        let mut last = 0;
        for Arrow { event, to, arrives } in self.arrows {
            let Some(index) = self.shown.index(*event) else { continue };
            columns.event.push(index - last);
            last = index;
            columns.to.push(*to);
            let left = micros(self.events[*event].at);
            let takes =
                |at: &SimTime| i64::try_from(micros(*at).saturating_sub(left)).unwrap_or(-1);
            columns.takes.push(arrives.as_ref().map_or(-1, takes));
        }
        columns
    }

    fn spans(&self, texts: &mut Texts) -> Spans {
        let mut columns = Spans::default();
        let mut last = 0;
        for Span { lane, layer, from, to, label } in self.spans {
            let (from, to) = (micros(*from), micros(*to));
            columns.from.push(from - last);
            last = from;
            columns.to.push(to - from);
            columns.lane.push(*lane);
            columns.layer.push(*layer as u8);
            columns.label.push(texts.place(label.clone()));
        }
        columns
    }

    fn broken(&self, violation: &Violation) -> Broken {
        let Violation { property, event, what, .. } = violation;
        let oracle = oracles::ALL.iter().find(|oracle| oracle.property == *property);
        let places = thread(self.events, violation);
        Broken {
            property,
            says: oracle.map_or("", |oracle| oracle.says),
            what: what.clone(),
            // What happened last before it, if itself is not shown.
            event: self.shown.places().partition_point(|place| place <= event).saturating_sub(1),
            lane: is_about_acting(violation).then(|| self.lanes.act()),
            thread: places.iter().filter_map(|&place| self.shown.index(place)).collect(),
        }
    }
}

fn micros(at: SimTime) -> u64 {
    at.0 / 1_000
}
