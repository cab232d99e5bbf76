//! The histogram of failovers, beside what the formula says, as a picture of lines and boxes that needs no
//! script. Its numbers stand in a table, too, for those who do not see it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::report::stats::FAILOVER_MAX;
use crate::report::text::grouped;
use crate::timing;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 34.0;

/// The histogram and its table; empty if there was no failover.
pub fn failovers(counts: &BTreeMap<u64, u64>) -> String {
    let (Some(last), Some(most)) = (counts.keys().next_back(), counts.values().max()) else {
        return String::new();
    };
    let expected = timing::usual_failover(3);
    // At least as wide as to show the formula.
    let columns = (last + 1).max(tenths(expected) as u64 + 2);
    let column = (WIDTH - LEFT) / columns as f64;
    let floor = HEIGHT - BOTTOM;
    let mut bars = String::new();
    for (tenth, count) in counts {
        let high = (floor - TOP) * *count as f64 / *most as f64;
        let x = LEFT + *tenth as f64 * column;
        bars += &format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{high:.1}\"><title>{}: {}</title></rect>",
            floor - high,
            (column - 1.0).max(1.0),
            bucket(*tenth),
            grouped(*count),
        );
    }
    let mut axis = String::new();
    let step = if columns > 25 { 10 } else { 5 };
    for tenth in (0..=columns).step_by(step) {
        let x = LEFT + tenth as f64 * column;
        axis += &format!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.1} s</text>",
            HEIGHT - 10.0,
            tenth as f64 / 10.0
        );
    }
    let x = LEFT + tenths(expected) * column;
    let formula = format!(
        "<line class=\"formula\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{floor}\"/>\
         <text class=\"says\" x=\"{x:.1}\" y=\"16\" text-anchor=\"middle\">formula: {:.2} s</text>",
        TOP - 10.0,
        expected.as_secs_f64()
    );
    let total: u64 = counts.values().sum();
    let rows: String = counts
        .iter()
        .map(|(tenth, count)| {
            format!("<tr><td>{}</td><td class=\"n\">{}</td></tr>", bucket(*tenth), grouped(*count))
        })
        .collect();
    format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Histogram of {} failovers; \
         the table below has its numbers\">\
         <g class=\"bars\">{bars}</g>\
         <line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{floor}\" y2=\"{floor}\"/>\
         <text x=\"{LEFT}\" y=\"{:.1}\" text-anchor=\"end\" dx=\"-6\">{}</text>{axis}{formula}</svg>\
         <figcaption>{} failovers, from the kill of a leader to its successor's guard. The line is the \
         mean that the formula gives for one killed leader of three voters, with the usual timing and \
         nothing else wrong: E − H/2 + J/N + 3 RTT. Scenarios have other faults and timings, \
         too.</figcaption></figure>\
         <details><summary>As a table</summary><div class=\"scrolls\"><table><thead><tr><th \
         scope=\"col\">took</th><th scope=\"col\" class=\"n\">failovers</th></tr></thead><tbody>{rows}\
         </tbody></table></div></details>",
        grouped(total),
        TOP + 8.0,
        grouped(*most),
        grouped(total),
    )
}

fn tenths(time: Duration) -> f64 {
    time.as_secs_f64() * 10.0
}

fn bucket(tenth: u64) -> String {
    let from = tenth as f64 / 10.0;
    match tenth {
        FAILOVER_MAX.. => format!("{from:.1} s and longer"),
        _ => format!("{from:.1} to {:.1} s", from + 0.1),
    }
}
