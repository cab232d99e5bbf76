//! Pages that were cut off, changed or are hostile: a clear word, and never a blank page.

use fencepost_sim::history::{Event, History, Kind};

use crate::chromium::Browser;
use crate::story::Story;

const TROUBLE: &str = "document.getElementById('trouble').innerText";

/// What a reader sees of the page.
const SEEN: &str = "document.body.innerText.trim()";

#[test]
fn a_page_that_was_cut_off_says_so() {
    let Some(mut browser) = Browser::start("cut") else { return };
    let page = Story::founding().page();
    let header = page.find("</header>").expect("a page has a header");
    let data = page.find("id=\"data\"").expect("a page has data");
    let rest = |share: usize| data + (page.len() - data) * share / 100;
    // In the middle of the scripts, of the data, and of the last line.
    let places = [header + 20, (header + data) / 2, data + 30, rest(50), rest(99), page.len() - 45];
    for place in places {
        let place = page.floor_char_boundary(place);
        let address = browser.file("cut.html", &page[..place]);
        browser.open(&address);
        let told = browser.text(TROUBLE);
        assert!(told.contains("cut off"), "cut at {place}: {told}");
        assert!(browser.text(SEEN).contains("founding-design, seed 1"), "cut at {place}");
    }
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn data_of_another_version_or_none_is_told() {
    let Some(mut browser) = Browser::start("version") else { return };
    let page = Story::founding().page();
    let data = page.find("id=\"data\">").expect("a page has data") + "id=\"data\">".len();
    let end = data + page[data..].find("</script>").expect("data ends");
    let with = |json: &str| format!("{}{json}{}", &page[..data], &page[end..]);
    let json = &page[data..end];
    let mut short: serde_json::Value = serde_json::from_str(json).unwrap();
    short["events"]["lane"].as_array_mut().unwrap().pop();
    let mut wild: serde_json::Value = serde_json::from_str(json).unwrap();
    wild["events"]["text"][7] = 99_999_999.into();
    let mut back: serde_json::Value = serde_json::from_str(json).unwrap();
    back["events"]["at"][7] = (-5).into();
    for (json, says) in [
        (
            json.replacen("\"format\":1", "\"format\":2", 1),
            "of version 2, and this page reads version 1",
        ),
        ("{}".to_owned(), "This is no run."),
        ("null".to_owned(), "This is no run."),
        ("{\"format\":1}".to_owned(), "The data is not whole"),
        (short.to_string(), "A column is shorter than the others"),
        (wild.to_string(), "something that it does not have"),
        (back.to_string(), "not in the order of time"),
    ] {
        let address = browser.file("changed.html", &with(&json));
        browser.open(&address);
        let told = browser.text(TROUBLE);
        assert!(told.contains(says), "{told}");
        assert_eq!(browser.run("document.getElementById('diagram').hidden"), true);
        assert!(browser.text(SEEN).contains("cargo sim replay"), "the rest can be read");
    }
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn what_a_run_says_is_never_markup() {
    let Some(mut browser) = Browser::start("hostile") else { return };
    let hostile =
        "</script><script>window.evil = 1</script><img src=x onerror='window.evil = 1'>{{data}}";
    let mut story = Story::founding();
    story.reference = hostile.to_owned();
    story.plan.scenario = hostile.to_owned();
    let mut history = History::default();
    for Event { at, kind } in story.outcome.history.events() {
        let kind = match kind {
            Kind::Fault { kind, .. } => Kind::Fault { kind, line: hostile.to_owned() },
            other => other.clone(),
        };
        history.push(*at, kind);
    }
    story.outcome.history = history;
    let address = browser.file("hostile.html", &story.page());
    browser.open(&address);
    assert_eq!(browser.run("window.evil ?? 'none'"), "none");
    assert_eq!(browser.run("document.querySelectorAll('img').length"), 0);
    let head = browser.text("document.querySelector('h1').innerText");
    assert_eq!(head, format!("{hostile}, seed 1"));
    let fault = "(() => { const { history, view } = fencepost; const index = history.texts.findIndex((text) => \
                 text.startsWith('fault: <')); view.choose(history.text.indexOf(index)); \
                 return document.getElementById('chosen').innerText; })()";
    assert!(browser.text(fault).contains(hostile), "it is shown as what it is");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_run_without_events_has_a_page() {
    let Some(mut browser) = Browser::start("empty") else { return };
    let mut story = Story::founding();
    story.outcome.history = History::default();
    story.outcome.verdict = fencepost_sim::run::Verdict::Panicked("it <b>broke</b>".to_owned());
    let address = browser.file("empty.html", &story.page());
    browser.open(&address);
    assert!(browser.text(SEEN).contains("it <b>broke</b>"));
    browser.run("document.getElementById('canvas').focus()");
    for key in ["ArrowRight", "End", "Home", "ArrowUp"] {
        browser.press(key, false);
    }
    assert_eq!(browser.errors, Vec::<String>::new());
}
