//! Who shall have which unit: shares that differ by at most one, with as few moves as possible.

use crate::id::NodeId;

/// The holder that each unit shall have, given who has it now; `None` if there are no workers.
///
/// Shares differ by at most one. A worker keeps as many of its units as its share allows, and the
/// larger shares go to those who have most, so no other fair answer moves fewer units. Depends on
/// nothing but its arguments, whatever the order of `workers`.
pub fn balance(workers: &[NodeId], holders: &[Option<NodeId>]) -> Vec<Option<NodeId>> {
    let mut workers = workers.to_vec();
    workers.sort_unstable();
    workers.dedup();
    if workers.is_empty() {
        return vec![None; holders.len()];
    }
    let has = |worker: NodeId| holders.iter().filter(|holder| **holder == Some(worker)).count();
    // Who has most comes first; the sort is stable, so that names decide between equals.
    workers.sort_by_cached_key(|worker| std::cmp::Reverse(has(*worker)));
    let (share, larger) = (holders.len() / workers.len(), holders.len() % workers.len());
    let mut room: Vec<(NodeId, usize)> = workers
        .into_iter()
        .enumerate()
        .map(|(rank, worker)| (worker, share + usize::from(rank < larger)))
        .collect();
    let mut targets = vec![None; holders.len()];
    for (target, holder) in targets.iter_mut().zip(holders) {
        let own = room.iter_mut().find(|(worker, left)| Some(*worker) == *holder && *left > 0);
        if let Some((worker, left)) = own {
            *target = Some(*worker);
            *left -= 1;
        }
    }
    for target in targets.iter_mut().filter(|target| target.is_none()) {
        // As many places as units, so there is room for each.
        if let Some((worker, left)) = room.iter_mut().find(|(_, left)| *left > 0) {
            *target = Some(*worker);
            *left -= 1;
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(number: usize) -> NodeId {
        format!("n{number}").parse().unwrap()
    }

    fn moves(holders: &[Option<NodeId>], targets: &[Option<NodeId>]) -> usize {
        holders.iter().zip(targets).filter(|(holder, target)| holder != target).count()
    }

    fn is_fair(workers: &[NodeId], targets: &[Option<NodeId>]) -> bool {
        let share = |worker| targets.iter().filter(|target| **target == Some(worker)).count();
        let shares: Vec<_> = workers.iter().map(|worker| share(*worker)).collect();
        shares.iter().sum::<usize>() == targets.len()
            && shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1
    }

    /// The deliberately dumb twin: tries every way to give the units away.
    fn fewest_moves(workers: &[NodeId], holders: &[Option<NodeId>]) -> usize {
        let ways = workers.len().pow(u32::try_from(holders.len()).unwrap());
        let targets = |mut way: usize| -> Vec<_> {
            let mut next = || {
                let worker = workers[way % workers.len()];
                way /= workers.len();
                Some(worker)
            };
            holders.iter().map(|_| next()).collect()
        };
        let fair = (0..ways).map(targets).filter(|targets| is_fair(workers, targets));
        fair.map(|targets| moves(holders, &targets)).min().unwrap()
    }

    proptest! {
        #[test]
        fn shares_are_fair_and_moves_are_few(
            workers in 1..=3_usize,
            held in prop::collection::vec(0..5_usize, 0..=7),
        ) {
            let workers: Vec<_> = (1..=workers).map(node).collect();
            // 0: nobody; 4: somebody who is gone.
            let holders: Vec<_> = held.iter().map(|&n| (n > 0).then(|| node(n))).collect();
            let targets = balance(&workers, &holders);
            prop_assert!(is_fair(&workers, &targets), "{:?}", targets);
            prop_assert_eq!(moves(&holders, &targets), fewest_moves(&workers, &holders));
            prop_assert_eq!(balance(&workers, &targets), targets, "what is fair stays");
        }
    }

    #[test]
    fn without_workers_nobody_has_anything() {
        assert_eq!(balance(&[], &[Some(node(1)), None]), [None, None]);
    }
}
