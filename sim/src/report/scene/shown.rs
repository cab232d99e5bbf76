//! Which events of a very long run a picture shows: all that is no routine, and of the routine what lies
//! next to the moment that matters.

use super::Group;
use crate::history::Event;

/// The events that are shown, by their places in the history.
#[derive(Debug, Clone)]
pub struct Shown {
    places: Vec<usize>,
    total: usize,
}

impl Shown {
    /// The most events of one picture. A browser draws as many smoothly.
    pub const MAX: usize = 200_000;

    /// Chooses at most `most` events, those next to the event at `focus` first.
    pub fn of(events: &[Event], focus: usize, most: usize) -> Self {
        let total = events.len();
        if total <= most {
            return Self { places: (0..total).collect(), total };
        }
        let (routine, telling): (Vec<usize>, Vec<usize>) =
            (0..total).partition(|&index| Group::is_routine(&events[index].kind));
        let telling = around(&telling, focus, most);
        let mut places = around(&routine, focus, most - telling.len()).to_vec();
        places.extend(telling);
        places.sort_unstable();
        Self { places, total }
    }

    /// Their places in the history, in order.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Where an event of the history is among those shown.
    pub fn index(&self, place: usize) -> Option<usize> {
        self.places.binary_search(&place).ok()
    }

    /// How many are not shown.
    pub fn left_out(&self) -> usize {
        self.total - self.places.len()
    }
}

/// At most `most` of them, next to `focus`.
fn around(places: &[usize], focus: usize, most: usize) -> &[usize] {
    let middle = places.partition_point(|&place| place < focus);
    let most = most.min(places.len());
    let from = middle.saturating_sub(most / 2).min(places.len() - most);
    &places[from..from + most]
}
