//! Pages of long runs. What they take is printed, for reports/; a machine's speed decides no test.

use crate::chromium::Browser;
use crate::story::Story;

/// Zooms and moves, a frame each; the longest and the mean frame in milliseconds.
const MOVE: &str = "(async () => { const frames = []; const { view, diagram } = fencepost; \
    for (let i = 0; i < 60; i++) { const start = performance.now(); \
    view.zoom(i < 30 ? 0.85 : 1 / 0.85); view.pan(0.02); diagram.draw(); \
    frames.push(performance.now() - start); await new Promise(requestAnimationFrame); } \
    return [Math.max(...frames), frames.reduce((a, b) => a + b) / frames.length]; })()";

#[test]
fn a_hundred_thousand_events_are_all_there() {
    let Some(mut browser) = Browser::start("large") else { return };
    let page = Story::founding().of_length(100_000).page();
    let address = browser.file("large.html", &page);
    browser.open(&address);
    assert_eq!(browser.run("fencepost.history.count"), 100_000);
    assert_eq!(browser.run("document.getElementById('left-out').hidden"), true);
    let drawn = browser.run("performance.getEntriesByName('drawn')[0].startTime");
    let moved = browser.run(MOVE);
    browser.run("fencepost.view.show(0, fencepost.history.end)");
    let whole = browser.run(
        "(() => { const start = performance.now(); fencepost.diagram.draw(); \
         return performance.now() - start; })()",
    );
    eprintln!(
        "100,000 events: {} kB, drawn after {drawn} ms; a frame takes {} ms at most, {} on average; all at \
         once {whole} ms",
        page.len() / 1000,
        moved[0],
        moved[1]
    );
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn of_a_million_events_what_matters_is_shown() {
    let Some(mut browser) = Browser::start("million") else { return };
    let story = Story::founding().of_length(1_000_000);
    let page = story.page();
    let address = browser.file("million.html", &page);
    browser.open(&address);
    let told = browser.text("document.getElementById('left-out').innerText");
    assert!(told.starts_with("This run has 1,000,000 events. The diagram shows 200,000"), "{told}");
    let chosen = browser.text("document.getElementById('chosen').innerText");
    assert!(chosen.contains("D1 broken"), "the violation is among them: {chosen}");
    eprintln!("1,000,000 events: {} kB", page.len() / 1000);
    assert_eq!(browser.errors, Vec::<String>::new());
}
