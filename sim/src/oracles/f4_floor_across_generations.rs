//! F4: across wipes and cold starts the floor stays what it was. Each roll call begins the one next
//! generation and tells the highest floor so far; an activation names the generation that the store
//! is in; and a token is activated once, in one generation.
//!
//! Guards the fence layer, unconditionally. A new generation remembers no vote of the earlier ones,
//! so it may well elect another leader in a term that had one (E1 holds within a generation only).
//! What keeps the two apart is that only one of them can activate. Incarnations start anew as well,
//! so a confirmation across a roll call would be given to another process of the same name.

use fencepost::{Generation, Identity, Token};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{Event, History, Kind};

/// One floor for all generations.
pub const ORACLE: Oracle = Oracle {
    property: "F4",
    says: "the floor rises across wipes and cold starts, one activation a value in all generations",
    layer: "fence",
    check,
};

/// The fence as the history so far makes it.
#[derive(Default)]
struct Fence {
    generation: Generation,
    floor: Token,
    /// Who raised it, and in which generation.
    raised: Option<(Generation, Identity)>,
}

impl Fence {
    /// What is wrong with an event.
    fn flaw(&self, event: &Event) -> Option<String> {
        let Self { generation: current, floor: highest, raised } = self;
        match &event.kind {
            Kind::RollCalled { generation, .. } if Some(*generation) != self.next() => {
                Some(format!("generation {generation} began after generation {current}"))
            }
            Kind::RollCalled { generation, floor, .. } if floor != highest => Some(format!(
                "generation {generation} began with floor {floor}, the highest was {highest}"
            )),
            Kind::Activated { generation, token, holder, .. } if generation != current => {
                Some(format!(
                    "{holder} activated {token} in generation {generation}, the store is in \
                     {current}"
                ))
            }
            Kind::Activated { generation, token, holder, again: true }
                if token != highest || *raised != Some((*generation, *holder)) =>
            {
                Some(format!(
                    "{token} was confirmed to {holder} of generation {generation}, who had not \
                     activated it"
                ))
            }
            Kind::Activated { generation, token, again: false, .. } if token <= highest => {
                let before = raised.map(|(generation, _)| generation).unwrap_or_default();
                Some(format!(
                    "{token} was activated in generation {generation}, the floor had reached \
                     {highest} in generation {before}"
                ))
            }
            _ => None,
        }
    }

    /// The generation that a roll call may begin.
    fn next(&self) -> Option<Generation> {
        self.generation.number.checked_add(1).map(Generation::stored)
    }

    /// A flawed event counts as well, but lowers nothing.
    fn follow(&mut self, event: &Event) {
        match event.kind {
            Kind::SetBack { generation, floor, holder, .. } => {
                let raised = holder.map(|holder| (generation, holder));
                *self = Self { generation, floor, raised };
            }
            Kind::RollCalled { generation, floor, .. } => {
                self.generation = self.generation.max(generation);
                self.floor = self.floor.max(floor);
            }
            Kind::Activated { generation, token, holder, .. } if token > self.floor => {
                self.floor = token;
                self.raised = Some((generation, holder));
            }
            _ => {}
        }
    }
}

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut fence = Fence::default();
    for (index, event) in history.besides_messages() {
        if let Some(flaw) = fence.flaw(event) {
            report.add(index, event, || flaw);
        }
        fence.follow(event);
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::Boot;

    use super::super::testing::{Script, node};
    use super::*;

    #[test]
    fn a_floor_that_rises_through_the_generations_is_fine() {
        let script = Script::new().roll_called(1, 0).activated(1, 1, false).activated(1, 1, true);
        let script = script.roll_called(2, 1).roll_called(3, 1).activated(2, 1, false);
        script.activated(2, 1, true).activated(9, 2, false).roll_called(4, 9).check(&ORACLE);
    }

    #[test]
    fn a_generation_that_is_skipped_repeated_or_goes_back_is_caught() {
        Script::new().bad().roll_called(2, 0).check(&ORACLE);
        Script::new().bad().roll_called(0, 0).check(&ORACLE);
        let script = Script::new().roll_called(1, 0).roll_called(2, 0).bad().roll_called(2, 0);
        script.bad().roll_called(1, 0).roll_called(3, 0).check(&ORACLE);
    }

    #[test]
    fn a_generation_that_no_store_counts_is_caught() {
        let boots = vec![Boot { node: node(1), nonce: 1 }];
        let generation = Generation { number: 1, roll: 77 };
        let begun = Kind::RollCalled { generation, boots, floor: Token(0) };
        Script::new().bad().push(begun).check(&ORACLE);
    }

    #[test]
    fn a_roll_call_that_forgets_or_invents_the_floor_is_caught() {
        let script = Script::new().activated(5, 1, false);
        script.bad().roll_called(1, 0).bad().roll_called(2, 4).roll_called(3, 5).check(&ORACLE);
        // What it claims is taken as reached.
        let script = Script::new().activated(5, 1, false).bad().roll_called(1, 7);
        script.bad().activated(6, 1, false).activated(8, 1, false).check(&ORACLE);
    }

    #[test]
    fn an_activation_of_another_generation_is_caught() {
        let script = Script::new().roll_called(1, 0).bad().activated_in(0, 1, 1, false);
        script.bad().activated_in(2, 2, 2, false).activated_in(1, 3, 1, false).check(&ORACLE);
        // Late word from a leader of before.
        let script = Script::new().activated(5, 1, false).roll_called(1, 5);
        script.bad().activated_in(0, 5, 1, true).check(&ORACLE);
    }

    #[test]
    fn a_value_is_activated_in_one_generation_only() {
        let script = Script::new().activated(5, 1, false).roll_called(1, 5);
        script.bad().activated(5, 2, false).bad().activated(4, 2, false).check(&ORACLE);
        // The same name, but the incarnations of another generation.
        let script = Script::new().activated(5, 1, false).roll_called(1, 5);
        script.bad().activated(5, 1, true).activated(6, 1, false).check(&ORACLE);
    }

    #[test]
    fn only_who_activated_is_confirmed() {
        let script = Script::new().roll_called(1, 0).activated(5, 1, false);
        script.bad().activated(5, 2, true).bad().activated(6, 1, true).check(&ORACLE);
    }
}
