//! Which answers a rejoining voter takes, when it begins anew, and which rolls it believes.

use super::super::testing::{
    AWAKE, HEARTBEAT, TIMEOUT, forgetful, handle, life, name, receive, said, sent,
};
use super::super::{ColdStart, Input};
use super::*;

/// One of three voters that remembers nothing, and has asked.
fn asking() -> Election {
    let mut mine = forgetful(3, ColdStart::ByStore);
    handle(&mut mine, AWAKE, Input::Tick);
    mine
}

/// An operational voter of the first generation answers.
fn answers(mine: &mut Election, now: Instant, node: usize, body: Body) -> Vec<Effect> {
    let mut message = said(mine, life(node, 1), body);
    message.generation = Generation::stored(1);
    receive(mine, now, &message)
}

fn knows(mine: &mut Election, now: Instant, node: usize, incarnation: u64) -> Vec<Effect> {
    let (to, incarnation) = (mine.boot(), Incarnation(incarnation));
    answers(mine, now, node, Body::Known { to, incarnation })
}

fn registers(mine: &mut Election, now: Instant, node: usize, known: &[Identity]) -> Vec<Effect> {
    let (to, incarnation) = (mine.boot(), mine.registers_as().expect("it registers"));
    let known = Arc::new(known.iter().copied().collect());
    answers(mine, now, node, Body::Registered { to, incarnation, known })
}

#[test]
fn it_registers_above_the_highest_that_enough_others_know() {
    let mut mine = asking();
    assert_eq!(knows(&mut mine, AWAKE, 2, 4), []);
    assert_eq!(knows(&mut mine, AWAKE, 2, 5), [], "one voter is one, however often");
    assert_eq!(mine.registers_as(), None);
    let effects = knows(&mut mine, AWAKE, 3, 1);
    assert_eq!(mine.registers_as(), Some(Incarnation(6)));
    let register = Body::Register { nonce: mine.boot().nonce };
    assert_eq!(sent(&effects), [(name(2), &register), (name(3), &register)]);
    // What comes later was said without knowing of it, and changes nothing.
    assert_eq!(knows(&mut mine, AWAKE, 2, 9), []);
    assert_eq!(mine.registers_as(), Some(Incarnation(6)));
    registers(&mut mine, AWAKE, 2, &[life(1, 6), life(2, 1)]);
    registers(&mut mine, AWAKE, 3, &[life(1, 6), life(3, 1)]);
    assert_eq!((mine.me(), mine.rejoins()), (life(1, 6), None));
}

#[test]
fn answers_to_another_boot_or_before_it_asked_do_not_count() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    for node in [2, 3] {
        knows(&mut mine, Instant(AWAKE.0 - 1), node, 1);
    }
    assert_eq!(mine.registers_as(), None, "in its quarantine");
    let other = Boot { nonce: mine.boot().nonce + 1, ..mine.boot() };
    for node in [2, 3] {
        let incarnation = Incarnation::FIRST;
        answers(&mut mine, AWAKE, node, Body::Known { to: other, incarnation });
    }
    assert_eq!(mine.registers_as(), None, "another boot asked that");
    for node in [2, 3] {
        knows(&mut mine, AWAKE, node, 1);
    }
    let incarnation = mine.registers_as().unwrap();
    for node in [2, 3] {
        let known = Arc::default();
        answers(&mut mine, AWAKE, node, Body::Registered { to: other, incarnation, known });
    }
    assert!(mine.rejoins().is_some(), "another boot registered that");
}

/// A registration that takes as long as an election is given up: those who answered may be gone.
#[test]
fn a_registration_has_an_election_timeout() {
    let mut mine = asking();
    knows(&mut mine, AWAKE, 2, 1);
    knows(&mut mine, AWAKE, 3, 1);
    while mine.next_wake() < AWAKE.plus(TIMEOUT) {
        let now = mine.next_wake();
        let effects = handle(&mut mine, now, Input::Tick);
        let said: Vec<_> = sent(&effects).into_iter().map(|(_, body)| body.name()).collect();
        assert_eq!(said, ["register", "register", "rejoining", "rejoining"]);
    }
    let end = AWAKE.plus(TIMEOUT);
    assert_eq!(mine.next_wake(), end);
    handle(&mut mine, end, Input::Tick);
    assert_eq!(mine.registers_as(), None);
    knows(&mut mine, end, 2, 1);
    assert_eq!(mine.registers_as(), None, "all of them are asked anew");
}

/// What was answered in one generation says nothing about the next.
#[test]
fn a_newer_generation_voids_the_answers() {
    let mut mine = asking();
    knows(&mut mine, AWAKE, 2, 1);
    let (to, incarnation) = (mine.boot(), Incarnation::FIRST);
    let mut newer = said(&mine, life(3, 1), Body::Known { to, incarnation });
    newer.generation = Generation::stored(2);
    receive(&mut mine, AWAKE, &newer);
    assert_eq!(mine.registers_as(), None, "one of each generation");
    newer.from = life(2, 1);
    receive(&mut mine, AWAKE, &newer);
    assert_eq!(mine.registers_as(), Some(Incarnation(2)));
}

fn calls(mine: &mut Election, now: Instant, roll: Roll, generation: Generation) -> Vec<Effect> {
    let body = Body::RollCall { roll: Arc::new(roll) };
    let message = Message { generation, ..said(mine, life(2, 1), body) };
    receive(mine, now, &message)
}

/// The roll of a generation of that number which no store counts.
fn of_all(number: u64, boots: Vec<Boot>) -> Roll {
    Roll::of_all(Generation { number: number - 1, roll: 1 }, Term::ZERO, boots)
}

/// A roll of an older generation may be one that this very boot has acted in; one under another
/// generation's name is nobody's; and the quarantine binds whoever is called.
#[test]
fn a_roll_counts_in_its_own_generation_and_after_the_quarantine() {
    let early = Instant(AWAKE.0 - 1);
    for (now, of, heard, counts) in
        [(AWAKE, 2, 2, true), (early, 2, 2, false), (AWAKE, 1, 2, false), (AWAKE, 3, 2, false)]
    {
        let mut mine = forgetful(3, ColdStart::ByAllVoters);
        let roll = of_all(of, vec![mine.boot()]);
        let generation = Generation { number: heard, ..roll.generation };
        calls(&mut mine, now, roll, generation);
        assert_eq!(mine.rejoins().is_none(), counts, "a roll of {of} in {heard} at {now:?}");
    }
    // As the store tells it, which may be late as well.
    for (of, counts) in [(1, false), (2, true)] {
        let mut mine = forgetful(3, ColdStart::ByStore);
        let nobodys = Roll { generation: Generation::stored(2), ..Roll::default() };
        calls(&mut mine, AWAKE, nobodys, Generation::stored(2));
        let generation = Generation::stored(of);
        let roll = Roll { generation, boots: vec![mine.boot()], ..Roll::default() };
        handle(&mut mine, AWAKE.plus(HEARTBEAT), Input::Roll(Arc::new(roll)));
        assert_eq!(mine.rejoins().is_none(), counts, "the store's roll of {of}");
    }
}

/// A peer can name any boot and any generation; the store cannot be outbid, and without one a roll has
/// to have its generation's name.
#[test]
fn a_roll_is_not_believed_on_a_peers_word() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    handle(&mut mine, AWAKE, Input::Tick);
    let roll = of_all(2, vec![mine.boot()]);
    let effects = calls(&mut mine, AWAKE.plus(TIMEOUT), roll.clone(), roll.generation);
    assert!(mine.rejoins().is_some() && effects.contains(&Effect::ReadRoll), "{effects:?}");

    let mut mine = forgetful(3, ColdStart::ByAllVoters);
    let generation = Generation { roll: 9, ..roll.generation };
    calls(&mut mine, AWAKE, Roll { generation, ..roll.clone() }, generation);
    assert!(mine.rejoins().is_some(), "{roll:?}");
    calls(&mut mine, AWAKE, roll.clone(), roll.generation);
    assert_eq!(mine.rejoins(), None, "{roll:?}");
}

/// Whoever answers and whose life another one knows to be over is told so: of two followers, neither
/// hears the other.
#[test]
fn who_cannot_count_an_answer_says_why() {
    let mut mine = asking();
    knows(&mut mine, AWAKE, 2, 0);
    knows(&mut mine, AWAKE, 3, 0);
    assert_eq!(registers(&mut mine, AWAKE, 2, &[life(3, 5)]), []);
    let effects = registers(&mut mine, AWAKE, 3, &[]);
    let told = Body::Superseded { to: life(3, 1), by: Incarnation(5) };
    assert_eq!(sent(&effects), [(name(3), &told)]);
    assert!(mine.rejoins().is_some());
}

/// Whoever [`are_enough`] meets every majority, of its own list and of the shorter one, that the asker
/// may have been a part of; and every other such set, so that no life of it goes unnoticed.
#[test]
fn who_is_enough_meets_every_majority_of_both_lists() {
    for voters in 3..=8usize {
        // The asker is voter 0, the newcomer the last one.
        let newcomer = name(voters - 1);
        let others = |mask: usize| (1..voters).filter(move |voter| mask >> voter & 1 == 1);
        let all = || (0..1usize << voters).filter(|mask| mask & 1 == 0);
        for asked in all() {
            let known = Some(newcomer);
            if !are_enough(others(asked).map(name), voters, known) {
                continue;
            }
            for with in all() {
                let longer = with.count_ones() as usize + 1 > voters / 2;
                let on_both = with & !(1 << (voters - 1));
                let shorter = on_both == with && with.count_ones() as usize + 1 > (voters - 1) / 2;
                let again = are_enough(others(with).map(name), voters, known);
                let needed = longer || shorter || again;
                assert!(!needed || asked & with != 0, "{voters}: {asked:b} misses {with:b}");
            }
        }
    }
}

/// A term far above the store's floor was made up, and does not outlast a cold start.
#[test]
fn a_made_up_term_ends_with_its_generation() {
    for (above, kept) in [(MAX_TERM_JUMP, true), (MAX_TERM_JUMP + 1, false)] {
        let mut mine = asking();
        mine.hard.term = Term(5 + above);
        let (generation, boots) = (Generation::stored(2), vec![mine.boot()]);
        let roll = Roll { generation, floor: Term(5), boots };
        handle(&mut mine, AWAKE, Input::Roll(Arc::new(roll)));
        assert_eq!(mine.term(), Term(if kept { 5 + above } else { 5 }));
    }
}
