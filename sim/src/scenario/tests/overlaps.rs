//! Listed faults that are certainly in each other's way.

use super::*;

/// Two lines of which the second is refused; both are shown.
fn clash(first: &str, second: &str, says: &[&str]) {
    let text = format!("{HEAD}faults = [\n  {first},\n  {second},\n]\n");
    let says: Vec<&str> = says.iter().copied().chain([first, second, "the other one"]).collect();
    refused(&text, &says);
}

fn no_clash(lines: &[&str]) {
    parse(&format!("{HEAD}faults = [\n{}\n]\n", lines.join(",\n")));
}

#[test]
fn a_bounce_of_a_node_that_is_down_is_refused() {
    clash(
        r#"{ at = "2s", kill = "n1", down = "5s" }"#,
        r#"{ at = "3s", kill = "n1" }"#,
        &["this bounce does nothing: n1 is down until 7s", "begin it at 7s or later"],
    );
    // Whatever the order of the file.
    clash(
        r#"{ at = "3s", stop = "n1", down = "1s" }"#,
        r#"{ at = "2s..2.5s", kill = "n1, n2", down = "2s..3s" }"#,
        &["n1 is down until 4s"],
    );
    clash(
        r#"{ at = "2s", kill = "all", down = "5s" }"#,
        r#"{ at = "3s", kill = "n2, n3" }"#,
        &["n2 is down until 7s"],
    );
    clash(
        r#"{ at = "1s", rolling = "kill", gap = "2s", down = "3s" }"#,
        r#"{ at = "4s", kill = "n2" }"#,
        &["n2 is down until 6s"],
    );
    // A graceful stop takes its time, but not for ever.
    clash(
        r#"{ at = "2s", stop = "n1", down = "20s" }"#,
        r#"{ at = "9s", kill = "n1" }"#,
        &["n1 is down until 22s"],
    );
}

#[test]
fn a_bounce_that_may_do_something_is_let_pass() {
    let first = r#"{ at = "2s", kill = "n1", down = "5s" }"#;
    no_clash(&[first, r#"{ at = "7s", kill = "n1" }"#]);
    no_clash(&[first, r#"{ at = "3s", kill = "n1, n2" }"#]);
    no_clash(&[first, r#"{ at = "3s", kill = "leader" }"#]);
    no_clash(&[first, r#"{ at = "3s", kill = "all" }"#]);
    no_clash(&[first, r#"{ at = "3s..8s", kill = "n1" }"#]);
    no_clash(&[first, r#"{ when = "leader", kill = "n1" }"#]);
    // The stop may last until then.
    no_clash(&[r#"{ at = "2s", stop = "n1", down = "5s" }"#, r#"{ at = "3s", kill = "n1" }"#]);
    // n1 may be down already when it is to be killed for longer.
    let before = r#"{ at = "1.5s", kill = "leader", down = "1s" }"#;
    no_clash(&[before, first, r#"{ at = "3s", kill = "n1" }"#]);
    let whenever = r#"{ when = "leader", kill = "follower" }"#;
    no_clash(&[whenever, first, r#"{ at = "3s", kill = "n1" }"#]);
}

#[test]
fn a_pause_in_a_pause_and_two_rates_of_a_clock_are_refused() {
    clash(
        r#"{ at = "2s", pause = "n1", for = "5s" }"#,
        r#"{ at = "6s", pause = "n1", for = "5s" }"#,
        &["n1 is paused already, until 7s"],
    );
    clash(
        r#"{ at = "2s", rate = "n1", ppm = 5000, for = "5s" }"#,
        r#"{ at = "2s", rate = "n1", ppm = -5000, for = "1s" }"#,
        &["two rates of n1 at the same time"],
    );
    no_clash(&[
        r#"{ at = "2s", pause = "n1", for = "5s" }"#,
        r#"{ at = "2s", pause = "n2", for = "5s" }"#,
        r#"{ at = "3s", pause = "leader", for = "5s" }"#,
        r#"{ at = "3s", rate = "n1", ppm = 5000, for = "5s" }"#,
        r#"{ at = "3s", kill = "n1" }"#,
        r#"{ at = "7s", pause = "n1", for = "5s" }"#,
    ]);
}
