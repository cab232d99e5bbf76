//! What one step of one voter shows to be wrong, whatever the others do.

use fencepost::election::{CrashVector, Effect, Election, Event, Role};
use fencepost::{Generation, Identity, Term};

use super::flaw::{Flaw, Violation};
use super::node::{Node, Voters};
use super::scope::Anew;
use super::step::Step;

/// Judges a step by the voter before and after it and by what it did.
pub fn local(
    voters: &Voters,
    before: &Node,
    after: &Election,
    step: Step,
    effects: &[Effect],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    promise_kept(&before.election, after, &mut violations);
    for effect in effects {
        match effect {
            Effect::Send { message, .. }
                if after.role() == Role::Rejoining && !message.body.is_harmless() =>
            {
                let (who, what) = (message.from.node, message.body.name());
                let text = format!("{who} rejoins, and says: {what}");
                violations.push(Violation::new(Flaw::E5, text));
            }
            Effect::CallRoll { boots, .. } if boots.len() < voters.majority() => {
                violations.push(no_majority("a roll", boots.len(), voters));
            }
            Effect::Event(event) => of_event(voters, after, step, event, &mut violations),
            _ => {}
        }
    }
    violations
}

fn promise_kept(before: &Election, after: &Election, violations: &mut Vec<Violation>) {
    let one = before.me() == after.me() && before.generation() == after.generation();
    if !one || before.generation() == Generation::NONE {
        return;
    }
    let (who, then, now) = (after.me(), before.term(), after.term());
    if now < then {
        let text = format!("{who} goes back from term {then} to term {now}");
        violations.push(Violation::new(Flaw::E2, text));
    }
    let (voted, votes) = (before.hard_state().vote, after.hard_state().vote);
    if now == then && voted.is_some() && votes != voted {
        let text = format!("{who} voted in term {now}, and now its vote is another");
        violations.push(Violation::new(Flaw::E2, text));
    }
}

fn of_event(
    voters: &Voters,
    after: &Election,
    step: Step,
    event: &Event,
    violations: &mut Vec<Violation>,
) {
    match event {
        Event::Elected { certificate, known, .. } => {
            certified(voters, certificate, [known, &after.hard_state().known], violations);
        }
        Event::Rejoined { by_roll: true, term, generation, .. } => {
            let roll = &after.hard_state().roll;
            if *term < roll.floor {
                let (who, floor) = (after.me(), roll.floor);
                let text = format!(
                    "{who} begins in term {term} of generation {generation}, below its floor {floor}"
                );
                violations.push(Violation::new(Flaw::F4, text));
            }
            let boots = roll.boots.len();
            let all = voters.anew() == Anew::ByAllVoters;
            if boots < if all { voters.names.len() } else { voters.majority() } {
                violations.push(no_majority("a roll", boots, voters));
            }
        }
        Event::SteppedDown { term: led, .. } => {
            let named = match step {
                Step::Outranked { term, .. } | Step::Resign { term } => Term(term.into()),
                _ => return,
            };
            if named != *led {
                let who = after.me();
                let text = format!("{who} gives term {led} up because of word about term {named}");
                violations.push(Violation::new(Flaw::L4, text));
            }
        }
        Event::PromiseReleased { promised_to, term, release } => {
            let exact = promised_to.is_none_or(|leader| leader == release.leader);
            if release.term < *term || release.term == *term && !exact {
                let (who, of) = (after.me(), release.leader);
                let text = format!(
                    "{who} breaks its promise in term {term} for a release of {of} in term {}",
                    release.term
                );
                violations.push(Violation::new(Flaw::L4, text));
            }
        }
        _ => {}
    }
}

fn certified(
    voters: &Voters,
    certificate: &[Identity],
    known: [&CrashVector; 2],
    violations: &mut Vec<Violation>,
) {
    let mut distinct: Vec<_> = certificate.iter().map(|identity| identity.node).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < certificate.len() {
        let text = "a voter counts twice in a certificate";
        violations.push(Violation::new(Flaw::E3, text));
    }
    if distinct.iter().any(|node| !voters.names.contains(node)) {
        let text = "a certificate of more than the voters";
        violations.push(Violation::new(Flaw::E3, text));
    }
    // What the votes knew, and what the candidate itself knows: it may have learned since it asked.
    let is_over = |of: &&Identity| known.iter().any(|known| of.incarnation < known.of(of.node));
    if let Some(over) = certificate.iter().find(is_over) {
        let text = format!("a certificate counts {over}, which it knows to be over");
        violations.push(Violation::new(Flaw::E3, text));
    }
    if distinct.len() < voters.majority() {
        violations.push(no_majority("a certificate", distinct.len(), voters));
        let text = "an election without a majority";
        violations.push(Violation::new(Flaw::E3, text));
    }
}

fn no_majority(what: &str, has: usize, voters: &Voters) -> Violation {
    let text = format!("{what} of {has} of {} voters: another can miss it", voters.names.len());
    Violation::new(Flaw::M1, text)
}
