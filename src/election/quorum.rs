//! Majorities of the *configured* voters, counted by distinct voter.
//!
//! A majority is ⌊N/2⌋+1 of the configured voters, never of the live ones, so that any two
//! majorities share a voter: every safety argument of the election rests on that one fact.

use super::MAX_VOTERS;
use crate::time::Instant;

/// The size of a majority of `voters`.
pub fn majority(voters: usize) -> usize {
    assert!((1..=MAX_VOTERS).contains(&voters), "1 to {MAX_VOTERS} voters, not {voters}");
    voters / 2 + 1
}

/// How many operational others a voter that remembers nothing has to ask: as many as a majority.
///
/// Half of an even list would meet every majority of that list. But while the list changes by one
/// voter, others may still count by the shorter one, and half of the longer list can miss a majority
/// of the shorter, of which the asker was a part before it forgot. Of one or two voters there are
/// not so many others, so they can only start anew.
pub fn to_rejoin(voters: usize) -> usize {
    majority(voters)
}

/// The latest instant that a majority has reached, given one reading per configured voter (`None`:
/// nothing yet). This is the instant from which a lease counts.
pub fn majority_reached(
    readings: impl ExactSizeIterator<Item = Option<Instant>>,
) -> Option<Instant> {
    let needed = majority(readings.len());
    // Insertion sort, largest first: tiny, and without an allocation.
    let mut sorted = [Instant(0); MAX_VOTERS];
    let mut count = 0;
    for reading in readings.flatten() {
        let mut at = count;
        while at > 0 && sorted[at - 1] < reading {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = reading;
        count += 1;
    }
    (count >= needed).then(|| sorted[needed - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The deliberately dumb twin: try every instant that occurs and count heads.
    fn dumb_majority_reached(readings: &[Option<Instant>]) -> Option<Instant> {
        let mut answer = None;
        for candidate in readings.iter().flatten() {
            let heads = readings.iter().flatten().filter(|r| *r >= candidate).count();
            if 2 * heads > readings.len() && answer.is_none_or(|a| a < *candidate) {
                answer = Some(*candidate);
            }
        }
        answer
    }

    #[test]
    fn majorities_of_every_size_intersect() {
        for voters in 1..=MAX_VOTERS {
            assert!(2 * majority(voters) > voters);
            assert!(2 * (majority(voters) - 1) <= voters, "not larger than needed");
        }
    }

    #[test]
    #[should_panic(expected = "voters, not 0")]
    fn no_voters_is_a_bug_in_the_caller() {
        majority(0);
    }

    #[test]
    fn who_rejoins_asks_a_voter_of_every_majority() {
        for voters in 1..=MAX_VOTERS {
            let (asked, majority) = (to_rejoin(voters), majority(voters));
            assert!(asked + majority > voters, "every majority is met");
            assert!(2 * asked >= voters, "every other such set of the other voters is met");
            assert!(asked <= majority, "who is left after a roll call can rejoin");
            // One voter more or less, of whose majority the asker was one.
            for neighbour in
                [voters - 1, voters + 1].into_iter().filter(|n| (1..=MAX_VOTERS).contains(n))
            {
                let others = voters.max(neighbour) - 1;
                let rest = super::majority(neighbour) - 1;
                assert!(asked + rest > others || rest == 0, "{voters} and {neighbour}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50_000))]
        #[test]
        fn agrees_with_the_dumb_twin(
            readings in prop::collection::vec(prop::option::of((0u64..6).prop_map(Instant)), 1..=MAX_VOTERS)
        ) {
            prop_assert_eq!(majority_reached(readings.iter().copied()), dumb_majority_reached(&readings));
        }
    }
}
