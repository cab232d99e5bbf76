//! Fewer faults: lists of which a part is left out, and two faults in one.

use crate::faults::plan::{Fault, Links, Plan, PlannedFault, Start, Target};

/// The plan with these faults only.
pub(super) fn with_faults(plan: &Plan, faults: Vec<PlannedFault>) -> Plan {
    Plan { faults, ..plan.clone() }
}

/// The plan without each of so many parts of its faults in turn.
pub(super) fn without_parts(plan: &Plan, parts: usize) -> Vec<Plan> {
    let without = |part: &(usize, usize)| {
        let faults = plan.faults.iter().enumerate();
        let kept = faults.filter(|(index, _)| !(part.0..part.1).contains(index));
        with_faults(plan, kept.map(|(_, fault)| fault.clone()).collect())
    };
    bounds(plan.faults.len(), parts).iter().map(without).collect()
}

/// The plan with each of so many parts of its faults alone.
pub(super) fn parts_alone(plan: &Plan, parts: usize) -> Vec<Plan> {
    let alone = |&(from, to): &(usize, usize)| with_faults(plan, plan.faults[from..to].to_vec());
    bounds(plan.faults.len(), parts).iter().map(alone).collect()
}

/// A list in so many parts of about the same length, none of them empty.
fn bounds(length: usize, parts: usize) -> Vec<(usize, usize)> {
    (0..parts)
        .map(|part| (part * length / parts, (part + 1) * length / parts))
        .filter(|(from, to)| from < to)
        .collect()
}

/// The plan with one fault in place of each two that can be said in one line.
pub(super) fn fused(plan: &Plan) -> Vec<Plan> {
    let faults = &plan.faults;
    let mut fused = Vec::new();
    for one in 0..faults.len() {
        for other in one + 1..faults.len() {
            for both in fuse(&faults[one], &faults[other]) {
                let mut fewer = faults.clone();
                fewer.remove(other);
                fewer[one] = both;
                fused.push(with_faults(plan, fewer));
            }
        }
    }
    fused
}

/// What does about as much as the two faults together. It may do more: fewer faults are simpler
/// than weaker ones, and it is weakened next.
fn fuse(one: &PlannedFault, other: &PlannedFault) -> Vec<PlannedFault> {
    let (Start::At(first), Start::At(second)) = (one.start, other.start) else { return Vec::new() };
    let at = first.min(second);
    let end = (first + one.fault.duration()).max(second + other.fault.duration());
    let all = end - at;
    let planned = |fault| PlannedFault::at(at, fault);
    match (&one.fault, &other.fault) {
        (Fault::Bounce { nodes, .. }, Fault::Bounce { nodes: more, .. }) => {
            let nodes = union(nodes, more);
            let mut fused = Vec::new();
            for planned in [one, other] {
                let mut both = planned.clone();
                if let Fault::Bounce { nodes: mine, .. } = &mut both.fault {
                    mine.clone_from(&nodes);
                }
                fused.push(both);
            }
            fused
        }
        (Fault::Pause { nodes, .. }, Fault::Pause { nodes: more, .. }) => {
            let pause =
                |nodes: &[Target]| planned(Fault::Pause { nodes: nodes.to_vec(), lasts: all });
            let mut fused = vec![pause(nodes)];
            if nodes != more {
                fused.extend([pause(more), pause(&union(nodes, more))]);
            }
            fused
        }
        (Fault::Cut { links, .. }, Fault::Cut { links: more, .. }) => {
            let cut = |links| planned(Fault::Cut { links, lasts: all });
            together(links, more).into_iter().map(cut).collect()
        }
        (Fault::Slow { links, by, .. }, Fault::Slow { links: more, by: also, .. }) => {
            let slow = |links| planned(Fault::Slow { links, by: *by.max(also), lasts: all });
            together(links, more).into_iter().map(slow).collect()
        }
        (Fault::Cut { links, .. }, Fault::Slow { links: more, by, .. })
        | (Fault::Slow { links: more, by, .. }, Fault::Cut { links, .. }) => {
            // What is late by longer than anybody waits is as good as cut.
            let slow = |links| planned(Fault::Slow { links, by: *by, lasts: all });
            let cut = |links| planned(Fault::Cut { links, lasts: all });
            let both = together(links, more);
            both.iter().cloned().map(slow).chain(both.iter().cloned().map(cut)).collect()
        }
        (
            Fault::Pause { .. }
            | Fault::Cut { .. }
            | Fault::Flap { .. }
            | Fault::Topology { .. }
            | Fault::Slow { .. }
            | Fault::Noise { .. }
            | Fault::Bounce { .. }
            | Fault::Suspend { .. }
            | Fault::Lies { .. }
            | Fault::Die { .. }
            | Fault::CrashLoop { .. }
            | Fault::Disk { .. }
            | Fault::Restart { .. }
            | Fault::Service { .. }
            | Fault::Judge { .. }
            | Fault::Strobe { .. }
            | Fault::Deploy { .. }
            | Fault::Retire { .. }
            | Fault::WallStep { .. }
            | Fault::Rate { .. },
            _,
        ) => Vec::new(),
    }
}

/// Links that include both: of a side that they have in common, that side and both others.
fn together(one: &Links, other: &Links) -> Vec<Links> {
    let both_ways = one.both_ways || other.both_ways;
    let turned = Links { from: other.to.clone(), to: other.from.clone(), both_ways };
    let others = if both_ways { vec![other, &turned] } else { vec![other] };
    others
        .into_iter()
        .map(|other| Links {
            from: union(&one.from, &other.from),
            to: union(&one.to, &other.to),
            both_ways,
        })
        .collect()
}

/// All of both, each once; who is meant by "all" is not named beside it.
fn union(one: &[Target], other: &[Target]) -> Vec<Target> {
    let mut all = one.to_vec();
    all.extend(other.iter().filter(|target| !one.contains(target)));
    if all.contains(&Target::All) {
        all.retain(|target| *target == Target::All || !target.is_nodes());
    }
    all
}
