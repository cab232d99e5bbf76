//! The page of one run.

use fencepost::probe::Mutant;

use crate::chromium::Browser;
use crate::story::Story;

/// What the reader is told of the chosen event.
const CHOSEN: &str = "document.getElementById('chosen').innerText";

/// The time that the diagram shows, in seconds.
const RANGE: &str = "[fencepost.view.from / 1e6, fencepost.view.to / 1e6]";

/// The colour of what is broken, in the light.
const RED: &str = "#c4201b";

#[test]
fn the_page_opens_at_the_violation() {
    let Some(mut browser) = Browser::start("opens") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.open(&address);
    assert!(browser.run("document.getElementById('trouble').hidden").as_bool().unwrap());
    let chosen = browser.text(CHOSEN);
    assert!(chosen.contains("D1 broken: the recipient sees m"), "{chosen}");
    let broken = "(() => { const { view, history } = fencepost; \
                  const at = history.at[history.violations[history.focus].event]; \
                  return view.from < at && at < view.to; })()";
    assert_eq!(browser.run(broken), true, "the violation lies in the range that is shown");

    let picture = browser.picture();
    let (colours, red) = browser.colours(&picture, RED);
    assert!(colours > 200 && red > 300, "{colours} colours, {red} red pixels: an empty picture?");
    browser.open("about:blank");
    let blank = browser.picture();
    let (colours, red) = browser.colours(&blank, RED);
    assert_eq!((colours, red), (1, 0), "and an empty one is told from it");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_stretch_in_which_nobody_may_act_is_marked_on_a_lane_of_its_own() {
    let Some(mut browser) = Browser::start("outage") else { return };
    let story = Story::of("polls_once_a_minute", Some(Mutant::PollsOnceAMinute));
    let address = browser.file("outage.html", &story.page());
    browser.open(&address);
    let chosen = browser.text(CHOSEN);
    assert!(chosen.contains("V5 broken: "), "{chosen}");
    let place = "(() => { const { history } = fencepost; \
                 const { lane, event } = history.violations[history.focus]; \
                 const at = history.at[event]; \
                 const has = (layer, test) => history.spans.some((span) => \
                 span.layer === layer && span.lane === lane && test(span)); \
                 return [history.lanes[lane], \
                 has('gap', (span) => span.from < at && at <= span.to && span.label.startsWith('nobody for ')), \
                 has('act', (span) => span.to < at)]; })()";
    assert_eq!(browser.run(place), serde_json::json!(["may act", true, true]));
    let picture = browser.picture();
    let (_, red) = browser.colours(&picture, RED);
    assert!(red > 2_000, "{red} red pixels: the gap fills most of the lane");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn keys_step_zoom_and_find_violations() {
    let Some(mut browser) = Browser::start("keys") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.open(&address);
    browser.run("document.getElementById('canvas').focus()");
    let index = "fencepost.view.chosen";
    let lane = "fencepost.history.lane[fencepost.view.chosen]";
    let start = browser.run(index).as_i64().unwrap();
    browser.press("ArrowRight", false);
    assert_eq!(browser.run(index), start + 1);
    browser.press("ArrowLeft", false);
    browser.press("ArrowLeft", false);
    assert_eq!(browser.run(index), start - 1);
    let before = browser.run(lane);
    browser.press("ArrowLeft", true);
    assert_eq!(browser.run(lane), before, "with Shift on the same lane");
    browser.press("ArrowUp", false);
    assert_ne!(browser.run(lane), before);

    let length = |browser: &mut Browser| {
        let range = browser.run(RANGE);
        range[1].as_f64().unwrap() - range[0].as_f64().unwrap()
    };
    let long = length(&mut browser);
    browser.press("+", false);
    let short = length(&mut browser);
    assert!(short < long * 0.7, "{short} of {long}");
    browser.press("0", false);
    assert!(length(&mut browser) > 50.0, "the whole run");
    browser.press("End", false);
    assert_eq!(browser.run(index), browser.run("fencepost.history.count - 1"));
    browser.press("Home", false);
    assert_eq!(browser.run(index), 0);

    let first = browser.run("fencepost.view.violation");
    browser.press("v", false);
    assert_ne!(browser.run("fencepost.view.violation"), first);
    browser.press("V", true);
    assert_eq!(browser.run("fencepost.view.violation"), first);
    let chosen = browser.text(CHOSEN);
    assert!(chosen.contains("D1 broken"), "{chosen}");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn the_pointer_tells_and_zooms() {
    let Some(mut browser) = Browser::start("pointer") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.open(&address);
    let place = "(() => { const { diagram, view, history } = fencepost; \
                 const box = diagram.canvas.getBoundingClientRect(); const event = view.chosen; \
                 return [box.x + diagram.x(history.at[event]), \
                 box.y + diagram.y(history.lane[event])]; })()";
    let at = browser.run(place);
    browser.point(&at, 0);
    let hint = browser.text("document.getElementById('hint').innerText");
    assert!(hint.contains("sink: m") && hint.contains("takes effect"), "{hint}");
    let before = browser.run(RANGE);
    browser.point(&at, -300);
    let after = browser.run(RANGE);
    let length =
        |range: &serde_json::Value| range[1].as_f64().unwrap() - range[0].as_f64().unwrap();
    assert!(length(&after) < length(&before), "the wheel zooms: {before} to {after}");
    let same = browser.run(place);
    let moved = (at[0].as_f64().unwrap() - same[0].as_f64().unwrap()).abs();
    assert!(moved < 2.0, "and what is under the pointer stays there: {at} to {same}");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn everything_is_reached_by_tab_and_has_a_name() {
    let Some(mut browser) = Browser::start("focus") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.open(&address);
    let mut order = Vec::new();
    for _ in 0..9 {
        browser.press("Tab", false);
        order.push(browser.text("document.activeElement.id"));
    }
    let expected =
        ["zoom-in", "zoom-out", "fit", "before", "after", "next-broken", "link", "canvas", ""];
    assert_eq!(order, expected, "buttons, the diagram, then its filters");
    let nameless = "[...document.querySelectorAll('button, input, canvas[tabindex]')].filter((element) => \
                    !(element.ariaLabel || element.innerText || element.labels?.[0]?.innerText)).length";
    assert_eq!(browser.run(nameless), 0);
}

#[test]
fn filters_take_lanes_and_kinds_away() {
    let Some(mut browser) = Browser::start("filters") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.open(&address);
    let beats = "(() => { fencepost.view.show(6.9e6, 7.3e6); return new Promise((done) => \
                 setTimeout(() => done([...document.querySelectorAll('#events tbody tr')].filter((row) => \
                 row.innerText.includes('Heartbeat')).length), 300)); })()";
    assert!(browser.run(beats).as_u64().unwrap() > 0, "there are heartbeats");
    browser.click("#groups input[name=heartbeats]");
    assert_eq!(browser.run(beats), 0);
    let height = "document.getElementById('canvas').clientHeight";
    let high = browser.run(height).as_u64().unwrap();
    browser.click("#lanes input[name=n2]");
    assert!(browser.run(height).as_u64().unwrap() < high, "a lane less");
    browser.click("#lanes input[name=n2]");
    assert_eq!(browser.run(height), high);

    let rows = "document.querySelectorAll('#events tbody tr').length";
    assert!(browser.run(rows).as_u64().unwrap() > 5, "the same as text");
    browser.click("#events tbody tr:nth-child(3) button");
    let same = "document.querySelector('#events tr:nth-child(3)').dataset.event === \
                String(fencepost.view.chosen)";
    assert_eq!(browser.run(same), true, "a row leads to its event");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_link_leads_to_a_moment() {
    let Some(mut browser) = Browser::start("link") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.open(&format!("{address}#t=5.000000..7.000000&event=900&hide=heartbeats,n2"));
    assert_eq!(browser.run(RANGE), serde_json::json!([5, 7]));
    assert_eq!(browser.run("fencepost.view.chosen"), 900);
    let checked = "document.querySelector('#groups input[name=heartbeats]').checked";
    assert_eq!(browser.run(checked), false);
    let fragment = browser.text("fencepost.view.fragment()");
    assert_eq!(fragment, "t=5.000000..7.000000&event=900&hide=n2,heartbeats");
    for nonsense in ["#t=9..1", "#event=99999999", "#hide=%3Cb%3E", "#%", "#t=x..y&event=-1"] {
        browser.open(&format!("{address}{nonsense}"));
        assert_eq!(browser.run("document.getElementById('diagram').hidden"), false, "{nonsense}");
    }
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_run_that_broke_nothing_is_shown_whole() {
    let Some(mut browser) = Browser::start("whole") else { return };
    let address = browser.file("wiped.html", &Story::of("all-wiped", None).page());
    browser.open(&address);
    assert_eq!(browser.run("fencepost.view.violation"), -1);
    assert_eq!(browser.run("document.getElementById('next-broken').hidden"), true);
    let broken = browser.text("document.getElementById('broken').innerText");
    assert_eq!(broken, "Every property held.");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn phones_and_dark_rooms() {
    let Some(mut browser) = Browser::start("phone") else { return };
    let address = browser.file("founding.html", &Story::founding().page());
    browser.screen(390, 844);
    browser.dark(true);
    browser.open(&address);
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(fits), true, "nothing sticks out to the right");
    let picture = browser.picture();
    let (colours, dark) = browser.colours(&picture, "#1b1f25");
    assert!(colours > 100 && dark > 10_000, "{colours} colours, {dark} pixels of the dark box");
    // Paper is white, whatever the screen was.
    browser.print();
    let picture = browser.picture();
    let (colours, dark) = browser.colours(&picture, "#1b1f25");
    let (_, white) = browser.colours(&picture, "#ffffff");
    assert!(colours > 50 && dark == 0 && white > 10_000, "{dark} dark and {white} white pixels");
    assert_eq!(browser.errors, Vec::<String>::new());
}
