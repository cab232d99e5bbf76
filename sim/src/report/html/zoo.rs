//! The table of planted bugs on the page of a run: what shows each, how soon the swarm finds it, and
//! whether the layers that hold unconditionally did.

use super::escape;
use super::run::table;
use crate::report::text::grouped;
use crate::report::zoo::layers::DEEP;
use crate::report::zoo::{Row, Table};

/// The table, and what its columns mean; empty if it has no rows.
pub fn bugs(zoo: &Table) -> String {
    let rows: String = zoo.rows().map(|(mutant, row)| line(mutant.about(), row)).collect();
    if rows.is_empty() {
        return rows;
    }
    let heads = [
        "bug",
        "what is wrong",
        "its own plan breaks",
        "found by the swarm",
        "seeds",
        "CPU s",
        "got through to what is written or sent",
    ];
    format!(
        "<p class=\"about\">The swarm knows nothing of a bug; seeds and CPU seconds are those of the median \
         start. The last column counts the seeds in which {} was broken.</p>\n{}",
        DEEP.join(" or "),
        table(&heads, 3..7, &rows)
    )
}

fn line(about: &str, row: &Row) -> String {
    let none = || "–".to_owned();
    let own = row.own.as_ref().map_or_else(none, |own| escape(&own.broken.join(", ")));
    let swarm = row.swarm.as_ref();
    let layers = row.layers.as_ref();
    let deep = |property: &str| layers.and_then(|layers| layers.deep.get(property).copied());
    let through = |seeds: u64| {
        let broken = DEEP.iter().filter_map(|property| deep(property)).max().unwrap_or_default();
        format!("{} of {}", grouped(broken), grouped(seeds))
    };
    let numbers = [
        swarm.map_or_else(none, |swarm| format!("{} of {}", swarm.found, swarm.starts)),
        swarm.map_or_else(none, |swarm| grouped(swarm.seeds.0)),
        swarm.map_or_else(none, |swarm| format!("{:.2}", swarm.cpu_s.0)),
        layers.map_or_else(none, |layers| through(layers.seeds)),
    ];
    format!(
        "<tr><td class=\"name\"><code>{}</code></td><td>{}</td><td>{own}</td>{}</tr>\n",
        escape(&row.mutant),
        escape(about),
        numbers.map(|number| format!("<td class=\"n\">{number}</td>")).concat()
    )
}
