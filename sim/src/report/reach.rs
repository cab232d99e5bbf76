//! Rare situations over all scenarios: how often each was reached, by which scenario, and whether one
//! that is required never was.

use fencepost::probe::REACH_POINTS;

use super::stats::Stats;
use super::text::{Paint, grouped, short, wrap, wrap_items};

/// Reach points that no scenario reaches yet, each with the reason: what `--require-reach all` does
/// not ask for. It is meant to be empty.
pub const EXCUSED: &[(&str, &str)] = &[(
    "register_refused",
    "two processes under one name have to register at once, and the simulated machines run one: \
     shown by a test of single messages and by the property tests of the election",
)];

fn excuse(name: &str) -> Option<&'static str> {
    EXCUSED.iter().find(|(excused, _)| *excused == name).map(|(_, reason)| *reason)
}

/// Which reach points must be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required(pub Vec<&'static str>);

impl Required {
    /// Every point of the product but the [`EXCUSED`].
    pub fn all() -> Self {
        let all = REACH_POINTS.iter().map(|(name, _)| *name);
        Self(all.filter(|name| excuse(name).is_none()).collect())
    }
}

/// Counts by scenario.
#[derive(Debug, Default)]
pub struct ReachTable {
    scenarios: Vec<(String, [u64; REACH_POINTS.len()])>,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// How often it was reached in all.
    pub total: u64,
    /// The scenarios that reached it and how often, most often first.
    pub by: Vec<(String, u64)>,
}

impl ReachTable {
    /// Takes a scenario into account.
    pub fn add(&mut self, reference: &str, stats: &Stats) {
        self.scenarios.push((reference.to_owned(), stats.reach.0));
    }

    /// Every point; the rarest first, so that what was never reached is on top.
    pub fn rows(&self) -> Vec<Row> {
        let row = |(index, (name, _)): (usize, &(&'static str, &str))| {
            let count = |(reference, reach): &(String, [u64; REACH_POINTS.len()])| {
                (reference.clone(), reach[index])
            };
            let mut by: Vec<_> = self.scenarios.iter().map(count).filter(|(_, n)| *n > 0).collect();
            by.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            Row { name, total: by.iter().map(|(_, n)| n).sum(), by }
        };
        let mut rows: Vec<Row> = REACH_POINTS.iter().enumerate().map(row).collect();
        rows.sort_by(|a, b| (a.total, a.name).cmp(&(b.total, b.name)));
        rows
    }

    /// Those of the required points that nothing reached.
    pub fn missed(&self, required: &Required) -> Vec<&'static str> {
        let missed = |row: &Row| row.total == 0 && required.0.contains(&row.name);
        self.rows().into_iter().filter(missed).map(|row| row.name).collect()
    }

    /// The table as text.
    pub fn text(&self, paint: Paint) -> String {
        let mut out = format!("{}\n", paint.faint(&head("reach point", "times", "by scenario")));
        for Row { name, total, by } in self.rows() {
            let by = by.iter().map(|(reference, n)| format!("{reference} {}", short(*n)));
            let line = match (total, excuse(name)) {
                (0, None) => paint.empty(&head(name, "0", "no scenario")),
                (0, Some(reason)) => wrap(&head(name, "0", "excused: "), reason),
                _ => wrap_items(&head(name, &grouped(total), ""), by),
            };
            out += &format!("{line}\n");
        }
        out
    }
}

fn head(name: &str, total: &str, by: &str) -> String {
    format!("{name:<34} {total:>13}  {by}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::width;

    fn stats(reached: &[(usize, u64)]) -> Stats {
        let mut stats = Stats::default();
        for (index, count) in reached {
            stats.reach[*index] = *count;
        }
        stats
    }

    #[test]
    fn the_rarest_points_come_first_with_the_scenarios_that_reach_them() {
        let mut table = ReachTable::default();
        table.add("a", &stats(&[(0, 2), (1, 7)]));
        table.add("b", &stats(&[(0, 3)]));
        let rows = table.rows();
        assert_eq!(rows.len(), REACH_POINTS.len());
        assert!(rows[..rows.len() - 2].iter().all(|row| row.total == 0 && row.by.is_empty()));
        let [fifth, last] = &rows[rows.len() - 2..] else { panic!("two points were reached") };
        assert_eq!((fifth.name, fifth.total), (REACH_POINTS[0].0, 5));
        assert_eq!(fifth.by, [("b".to_owned(), 3), ("a".to_owned(), 2)]);
        assert_eq!((last.name, last.total), (REACH_POINTS[1].0, 7));
    }

    #[test]
    fn a_required_point_that_nothing_reached_is_missed() {
        let mut table = ReachTable::default();
        table.add("a", &stats(&[(0, 1)]));
        let both = Required(vec![REACH_POINTS[0].0, REACH_POINTS[1].0]);
        assert_eq!(table.missed(&both), [REACH_POINTS[1].0]);
        assert_eq!(table.missed(&Required::all()).len(), REACH_POINTS.len() - 1 - EXCUSED.len());
        let excused = Required(EXCUSED.iter().map(|(name, _)| *name).collect());
        assert_eq!(table.missed(&excused).len(), EXCUSED.len(), "unless it is asked for by name");
        let all: Vec<_> = (0..REACH_POINTS.len()).map(|index| (index, 1)).collect();
        table.add("b", &stats(&all));
        assert!(table.missed(&Required::all()).is_empty());
    }

    #[test]
    fn every_excuse_names_a_point_and_a_reason() {
        for (name, reason) in EXCUSED {
            assert!(REACH_POINTS.iter().any(|(known, _)| known == name), "{name}");
            assert!(reason.len() > 10, "{name}: {reason}");
        }
    }

    #[test]
    fn the_table_fits_the_screen() {
        let mut table = ReachTable::default();
        let all: Vec<_> = (1..REACH_POINTS.len()).map(|index| (index, 123_456_789)).collect();
        for number in 0..20 {
            table.add(&format!("a-rather-long-name-{number}"), &stats(&all));
        }
        let text = table.text(Paint::OFF);
        for line in text.lines() {
            assert!(line.chars().count() <= width(), "{} columns: {line}", line.chars().count());
        }
        assert!(text.lines().nth(1).unwrap().starts_with(REACH_POINTS[0].0), "{text}");
    }
}
