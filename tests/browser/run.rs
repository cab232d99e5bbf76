//! The page of a whole run.

use fencepost_sim::report::finding::Finding;
use fencepost_sim::report::html::run::{Pages, RunPage};
use fencepost_sim::scenario::Expect;
use fencepost_sim::search::{BatchReport, BatchVerdict, SeedReport};

use crate::chromium::Browser;
use crate::story::Story;

fn finding(story: &Story, verdict: BatchVerdict) -> Finding {
    let mut report = BatchReport::default();
    report.add(&SeedReport::of(&story.outcome), &Expect::default());
    Finding { reference: story.reference.clone(), mutant: story.mutant, report, verdict }
}

#[test]
fn the_page_of_a_run_tells_all_and_leads_to_what_failed() {
    let Some(mut browser) = Browser::start("run") else { return };
    let founding = Story::founding();
    let killed = Story::of("crash-loop", None);
    let findings = [finding(&founding, BatchVerdict::Violated), finding(&killed, BatchVerdict::Ok)];
    let key = ("founding-design".to_owned(), Some("founding_design"), 1);
    let pages = Pages::from([(key, "founding.html".to_owned())]);
    let notes = ["shard 3/4 is <missing>".to_owned()];
    let page = RunPage { findings: &findings, notes: &notes, missed: &[], zoo: None, pages }.page();
    browser.file("founding.html", &founding.page());
    let address = browser.file("run.html", &page);
    for (width, dark) in [(1280, false), (390, true)] {
        browser.screen(width, 900);
        browser.dark(dark);
        browser.open(&address);
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.run(fits), true, "{width} pixels are enough");
        let picture = browser.picture();
        assert!(browser.colours(&picture, "#000000").0 > 50, "an empty picture?");
    }
    let seen = browser.text("document.body.innerText");
    for part in
        ["shard 3/4 is <missing>", "founding_design", "the recipient sees m", "plain", "pause"]
    {
        assert!(seen.contains(part), "{part} is missing: {seen}");
    }
    let bars = browser.run("document.querySelectorAll('svg .bars rect').length");
    assert!(bars.as_u64().unwrap() > 0, "there were failovers");
    browser.follow(".failure a");
    assert_eq!(browser.text("document.querySelector('h1').innerText"), "founding-design, seed 1");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn no_results_are_a_page_too() {
    let Some(mut browser) = Browser::start("nothing") else { return };
    let address = browser.file("run.html", &RunPage::default().page());
    browser.open(&address);
    assert!(browser.text("document.body.innerText").contains("There are no results."));
    assert_eq!(browser.errors, Vec::<String>::new());
}
