//! Rows that are kept, read again and compared.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::probe::Mutant;

use super::layers::{Layer, of};
use super::row::Swarm;
use super::{Extent, Layers, Own, Row, Table, gate, markdown};
use crate::search::tally::Tallied;

const BUG: Mutant = Mutant::NoFenceCheck;

fn swarm(found: usize, median: u64) -> Swarm {
    Swarm {
        starts: 5,
        found,
        budget_s: 60.0,
        seeds: (median, median * 4),
        cpu_s: (1.5, 12.25),
        shown: BTreeMap::from([("F1".to_owned(), 4), ("D1".to_owned(), 1)]),
        shrunk: Some(Extent { faults: 3, nodes: 3, messages: 20 }),
    }
}

fn table(found: usize, median: u64) -> Table {
    let mut table = Table::default();
    table.put(Row { swarm: Some(swarm(found, median)), ..Row::of(BUG) });
    table
}

#[test]
fn rows_are_kept_as_they_are_and_part_by_part() {
    let mut table = table(5, 40);
    let own = Own {
        scenario: "no_fence_check".to_owned(),
        seed: 1,
        broken: vec!["F1".to_owned()],
        extent: Extent { faults: 2, nodes: 3, messages: 9 },
    };
    table.put(Row { own: Some(own.clone()), ..Row::of(BUG) });
    let row = table.get(BUG).unwrap();
    assert!(row.own == Some(own) && row.swarm == Some(swarm(5, 40)), "{row:?}");
    assert_eq!(Table::parse(&table.print()).unwrap(), table);
    let gone = table.print().replace("no_fence_check", "mended_for_good");
    assert_eq!(Table::parse(&gone).unwrap(), Table::default());
    let error = Table::parse(&format!("{}\n{{}}", table.print())).unwrap_err();
    assert!(error.to_string().starts_with("line 3 is no row"), "{error}");
}

#[test]
fn the_median_and_the_worst_start_are_told() {
    let start = |seeds| Tallied { seeds, cpu: Duration::from_millis(seeds * 10), found: None };
    let starts = [5, 1, 9, 3].map(start);
    let swarm = Swarm::of(BUG, &starts, Duration::from_secs(60));
    assert_eq!((swarm.seeds, swarm.cpu_s, swarm.found), ((5, 9), (0.05, 0.09), 0));
    assert!(!swarm.is_found());
}

#[test]
fn three_times_as_many_seeds_are_too_many() {
    let before = table(5, 40);
    assert_eq!(gate::worse(&before, &table(5, 120)), [""; 0]);
    assert_eq!(
        gate::worse(&before, &table(5, 121)),
        ["no_fence_check: 121 seeds in the median, 40 before"]
    );
    assert_eq!(gate::worse(&before, &table(2, 40)), ["no_fence_check: found in 2 of 5 starts"]);
    assert_eq!(gate::worse(&table(5, 1), &table(5, gate::FEW)), [""; 0], "chance alone");
    assert_eq!(gate::worse(&Table::default(), &before), [""; 0], "a new bug has no past");
}

#[test]
fn the_page_has_every_number_of_the_zoo() {
    let mut table = table(5, 40);
    let deep = BTreeMap::from([("F1".to_owned(), 7)]);
    table.put(Row { layers: Some(Layers { seeds: 300, violated: 9, deep }), ..Row::of(BUG) });
    let page = markdown::page(&table);
    for number in 1..=45 {
        let lines = page.lines().filter(|line| line.starts_with(&format!("| {number} | ")));
        assert!(lines.count() >= 2, "number {number} is missing in\n{page}");
    }
    assert!(page.contains("| 5/5 | 40 (160) | 1.50 (12.25) | F1 4, D1 1 | 3f 3n 20m |"), "{page}");
    assert!(
        page.contains("| fence | 300 | 9 | 7 | 0 | the claim before each send held |"),
        "{page}"
    );
}

#[test]
fn election_and_lease_stand_above_the_fence() {
    assert_eq!(of(Mutant::LeaseFromReply), Layer::Above);
    assert_eq!(of(Mutant::StaleWaiter), Layer::Above);
    assert_eq!(of(Mutant::RestartTakenForHolder), Layer::Fence);
    assert_eq!(of(Mutant::TickFiredAgain), Layer::Beside);
    assert_eq!(of(Mutant::FoundingDesign), Layer::Claim);
}
