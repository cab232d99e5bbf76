//! What the properties need to know of the past, and what they say of a step in its light.

use fencepost::election::Roll;
use fencepost::{Boot, Generation, Identity, Term};

use super::flaw::{Flaw, Violation};

/// What was elected, activated and reached so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Who was elected when, in order.
    pub elections: Vec<Election>,
    /// The newest incarnation of each voter that became operational by rejoining, by generation.
    joined: Vec<(Generation, Identity)>,
    /// The highest term of each generation that was entered, in order.
    tops: Vec<(Generation, Term)>,
    /// Where each generation's terms begin, if a roll said so.
    floors: Vec<(Generation, Term)>,
    /// The last activation.
    activated: Option<Election>,
    /// The boots that ever said that they remember nothing, where anyone may call a roll of them.
    forgetful: Vec<Boot>,
}

/// One election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Election {
    /// In that generation.
    pub generation: Generation,
    /// In that term.
    pub term: Term,
    /// That one.
    pub leader: Identity,
}

impl History {
    /// The generations that were ever operational, with the highest term of each.
    pub fn generations(&self) -> impl Iterator<Item = (Generation, Term)> + '_ {
        self.tops.iter().copied()
    }

    /// The highest term of a generation.
    pub fn top(&self, generation: Generation) -> Term {
        let top = self.tops.iter().find(|(of, _)| *of == generation);
        top.map_or(Term::ZERO, |(_, term)| *term)
    }

    /// Whether it was elected in that term.
    pub fn was_elected(&self, election: &Election) -> bool {
        self.elections.contains(election)
    }

    /// Someone of that generation is in that term.
    pub fn reach(&mut self, generation: Generation, term: Term) {
        match self.tops.iter_mut().find(|(of, _)| *of == generation) {
            Some((_, top)) => *top = term.max(*top),
            None => {
                self.tops.push((generation, term));
                self.tops.sort_unstable();
            }
        }
    }

    /// Someone became operational by rejoining, or by a roll.
    pub fn join(
        &mut self,
        generation: Generation,
        who: Identity,
        roll: Option<&Roll>,
        violations: &mut Vec<Violation>,
    ) {
        if let Some(roll) = roll
            && !self.floors.iter().any(|(of, _)| *of == generation)
        {
            self.floors.push((generation, roll.floor));
            self.floors.sort_unstable();
        }
        let of_it =
            |(of, other): &&mut (Generation, Identity)| *of == generation && other.node == who.node;
        match self.joined.iter_mut().find(of_it) {
            Some((_, newest)) if newest.incarnation >= who.incarnation => {
                let text = format!("{who} comes back, after {newest}");
                violations.push(Violation::new(Flaw::M3, text));
            }
            Some((_, newest)) => *newest = who,
            None => {
                self.joined.push((generation, who));
                self.joined.sort_unstable();
            }
        }
    }

    /// Someone was elected.
    pub fn elect(&mut self, new: Election, violations: &mut Vec<Violation>) {
        let Election { generation, term, leader } = new;
        let before = |election: &&Election| {
            election.generation == generation && election.term == term && election.leader != leader
        };
        if let Some(other) = self.elections.iter().find(before) {
            let text = format!("{leader} is elected in term {term}, and so was {}", other.leader);
            violations.push(Violation::new(Flaw::E1, text));
        }
        let newer = self.joined.iter().find(|(of, other)| {
            *of == generation && other.node == leader.node && other.incarnation > leader.incarnation
        });
        if let Some((_, newer)) = newer {
            let text = format!("{leader} is elected, and is over: it became {newer}");
            violations.push(Violation::new(Flaw::M3, text));
        }
        let floor = self.floors.iter().find(|(of, _)| *of == generation);
        if let Some((_, floor)) = floor.filter(|(_, floor)| term <= *floor) {
            let text = format!(
                "{leader} is elected in term {term} of generation {generation}, and term {floor} \
                 was reached before it began"
            );
            violations.push(Violation::new(Flaw::F4, text));
        }
        if !self.elections.contains(&new) {
            self.elections.push(new);
            self.elections.sort_unstable();
        }
    }

    /// The store raised its floor.
    pub fn activate(&mut self, floor: Term, new: Election, violations: &mut Vec<Violation>) {
        let token = new.term;
        let before = self.activated.filter(|other| other.term >= token);
        if token <= floor || before.is_some() {
            let text = format!("{} activates token {token}, the floor is {floor}", new.leader);
            let other = before.filter(|other| other.generation != new.generation);
            let flaw = if other.is_some() { Flaw::F4 } else { Flaw::F2 };
            violations.push(Violation::new(flaw, text));
        }
        self.activated = Some(new);
    }

    /// The boots that ever said that they remember nothing.
    pub fn forgetful(&self) -> &[Boot] {
        &self.forgetful
    }

    /// A boot remembers nothing.
    pub fn forget(&mut self, boot: Boot) {
        if let Err(at) = self.forgetful.binary_search(&boot) {
            self.forgetful.insert(at, boot);
        }
    }

    /// What a generation did in which nobody will ever be operational again concerns nobody, but for
    /// what it activated.
    pub fn close(&mut self, is_extinct: impl Fn(Generation) -> bool) {
        self.elections.retain(|election| !is_extinct(election.generation));
        self.joined.retain(|(of, _)| !is_extinct(*of));
        self.tops.retain(|(of, _)| !is_extinct(*of));
        self.floors.retain(|(of, _)| !is_extinct(*of));
    }
}

#[cfg(test)]
mod tests {
    use fencepost::Incarnation;

    use super::*;

    fn election(generation: u64, term: u64, node: &str, incarnation: u64) -> Election {
        let leader =
            Identity { node: node.parse().unwrap(), incarnation: Incarnation(incarnation) };
        Election { generation: Generation::stored(generation), term: Term(term), leader }
    }

    fn flaws(violations: &[Violation]) -> Vec<Flaw> {
        violations.iter().map(|violation| violation.flaw).collect()
    }

    #[test]
    fn one_is_elected_in_a_term_of_a_generation() {
        let (mut history, mut found) = (History::default(), Vec::new());
        history.elect(election(1, 1, "n1", 1), &mut found);
        history.elect(election(1, 1, "n1", 1), &mut found);
        history.elect(election(1, 2, "n2", 1), &mut found);
        history.elect(election(2, 1, "n2", 1), &mut found);
        assert_eq!(flaws(&found), []);
        history.elect(election(1, 1, "n1", 2), &mut found);
        assert_eq!(flaws(&found), [Flaw::E1], "another life is another");
    }

    #[test]
    fn what_is_over_neither_leads_nor_comes_back() {
        let (mut history, mut found) = (History::default(), Vec::new());
        let [first, second] = [1, 2].map(|life| election(1, 1, "n1", life).leader);
        history.join(Generation::stored(1), first, None, &mut found);
        history.join(Generation::stored(1), second, None, &mut found);
        history.join(Generation::stored(2), first, None, &mut found);
        assert_eq!(flaws(&found), []);
        history.elect(election(1, 1, "n1", 1), &mut found);
        history.join(Generation::stored(1), second, None, &mut found);
        assert_eq!(flaws(&found), [Flaw::M3, Flaw::M3]);
    }

    #[test]
    fn tokens_rise_through_the_generations() {
        let (mut history, mut found) = (History::default(), Vec::new());
        history.activate(Term(0), election(1, 1, "n1", 1), &mut found);
        history.activate(Term(1), election(2, 2, "n1", 1), &mut found);
        let roll = Roll { floor: Term(2), ..Roll::default() };
        let third = election(3, 2, "n2", 1);
        history.join(third.generation, third.leader, Some(&roll), &mut found);
        assert_eq!(flaws(&found), []);
        history.elect(third, &mut found);
        history.activate(Term(1), third, &mut found);
        history.activate(Term(1), election(3, 2, "n3", 1), &mut found);
        assert_eq!(flaws(&found), [Flaw::F4, Flaw::F4, Flaw::F4]);
    }
}
