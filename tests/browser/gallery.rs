//! The committed pages: each opens, is small, and its link in the gallery leads to what the story tells.

use std::path::PathBuf;

use crate::chromium::Browser;

/// The most that a page of the gallery may weigh, in bytes.
const BYTES_MAX: u64 = 300_000;

/// Where each story's link leads: a part of the event that is chosen there.
const STORIES: &[(&str, &str)] = &[
    ("founding-design.html", "D1 broken: the recipient sees m18 again"),
    ("stale-claim.html", "refused token 3: the floor is 4"),
    ("all-wiped.html", "generation 3 begins with "),
];

#[test]
fn each_story_opens_where_its_link_leads() {
    let Some(mut browser) = Browser::start("gallery") else { return };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reports/gallery");
    let folder = folder.canonicalize().expect("there is a gallery");
    let readme =
        std::fs::read_to_string(folder.join("README.md")).expect("the gallery is described");
    for (page, tells) in STORIES {
        let size = std::fs::metadata(folder.join(page)).expect("the page is there").len();
        assert!(size < BYTES_MAX, "{page} has {size} bytes");
        let link = readme.split(['(', ')']).find(|part| part.starts_with(page));
        let link = link.unwrap_or_else(|| panic!("the README has no link to {page}"));
        browser.open(&format!("file://{}/{link}", folder.display()));
        let chosen = browser.text("document.getElementById('chosen').innerText");
        assert!(chosen.contains(tells), "{link}: {chosen}");
        let picture = format!("({})", page.replace(".html", ".png"));
        assert!(readme.contains(&picture), "{page} has a picture");
    }
    assert_eq!(browser.errors, Vec::<String>::new());
}
