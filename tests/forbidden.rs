//! A run depends on its seed and on nothing else. This fails if a source of chance enters the sources
//! of our crates: an unbiased `select!`, a map with a random order, a clock or a generator of the
//! system, threads, state that outlives a run. What is meant to be there says so, with the reason.

#[path = "forbidden/rules.rs"]
mod rules;
#[path = "forbidden/scan.rs"]
mod scan;

use std::path::{Path, PathBuf};

use rules::RULES;
use scan::{EXCUSE, Finding, scan};

/// The sources, from the workspace.
const FOLDERS: &[&str] = &["src", "sim/src"];

/// Every source file that is not only for tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn no_source_of_chance_is_in_our_crates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "these are not all of our sources: {}", files.len());
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(&root).unwrap_or(&file).display();
        let found = scan(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
        for Finding { line, what, remedy } in found {
            wrong += &format!("{shown}:{line}: {what}: {remedy}\n");
        }
    }
    assert!(
        wrong.is_empty(),
        "\n{wrong}If it cannot reach the history of a run, say why, on that line or right above it:\n\
         {EXCUSE}the reason\n"
    );
}

/// The lines on which something is found.
#[track_caller]
fn lines(text: &str) -> Vec<usize> {
    scan(text).unwrap().into_iter().map(|finding| finding.line).collect()
}

#[test]
fn a_planted_unbiased_select_is_caught() {
    let text = "async fn wait(a: A, b: B) {\n\
                    tokio::select! {\n\
                        biased;\n\
                        () = a.ready() => {}\n\
                    }\n\
                    tokio::select! {\n\
                        () = a.ready() => {}\n\
                        () = b.ready() => {}\n\
                    }\n\
                }\n";
    let found = scan(text).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].line, found[0].what.as_str()), (6, "an unbiased select!"));
    assert!(found[0].remedy.contains("biased;"));
    // Imported, in a closure, in another macro.
    let hidden = "use tokio::select;\nfn f() {\n    g(|| h!({\n        select! { _ = a => {} }\n    }));\n}\n";
    assert_eq!(lines(hidden), [4]);
    assert_eq!(lines("fn f() { select!(biased; _ = a => {}) }"), [0_usize; 0]);
}

#[test]
fn every_forbidden_path_is_caught_however_it_is_named() {
    for rule in RULES {
        let (module, name) = rule.path.rsplit_once("::").unwrap_or(("", rule.path));
        let inline = format!("fn f() {{\n    let x = {}::thing();\n}}\n", rule.path);
        assert_eq!(lines(&inline), [2], "{inline}");
        let imported = format!("use {};\nfn f() {{ {name}::thing(); }}\n", rule.path);
        assert_eq!(lines(&imported), [1], "{imported}");
        if module.is_empty() {
            continue;
        }
        let grouped = format!("use {module}::{{\n    Other,\n    {name} as Renamed,\n}};\n");
        assert_eq!(lines(&grouped), [3], "{grouped}");
        let star = format!("use {module}::*;\n");
        assert_eq!(lines(&star), [1], "{star}");
        let last = module.rsplit("::").next().unwrap();
        let by_module = format!("use {module};\nfn f() {{\n    {last}::{name}::thing();\n}}\n");
        assert_eq!(lines(&by_module), [3], "{by_module}");
    }
}

#[test]
fn state_that_outlives_a_run_is_caught() {
    assert_eq!(lines("static COUNT: AtomicU64 = AtomicU64::new(0);"), [1]);
    assert_eq!(lines("fn f() {\n    static mut LAST: u8 = 0;\n}"), [2]);
    assert_eq!(lines("static ALL: LazyLock<Mutex<u8>> = LazyLock::new(f);"), [1]);
    assert_eq!(lines("std::thread_local! {\n    static X: Cell<u8> = Cell::new(0);\n}"), [1, 2]);
    assert_eq!(
        lines("static NAMES: &[&'static str] = &[\"a\"];\nfn f() -> &'static str { g() }"),
        [0; 0]
    );
}

#[test]
fn comments_strings_tests_and_what_is_simulated_do_not_count() {
    let text = "//! std::time::Instant\n\
                /* tokio::select! { _ = a => {} } */\n\
                use tokio::time::Instant;\n\
                use std::time::Duration;\n\
                fn f() { let s = \"std::thread::spawn\"; Instant::now(); thread.spawn(); }\n\
                #[cfg(test)]\n\
                mod tests {\n\
                    use std::collections::HashMap;\n\
                    fn g() { std::thread::spawn(f); }\n\
                }\n\
                #[cfg(test)]\n\
                use std::time::SystemTime;\n\
                fn h() { std::thread::spawn(f) }\n";
    assert_eq!(lines(text), [13]);
}

#[test]
fn a_reason_excuses_what_it_stands_beside_and_nothing_else() {
    let excused = "// chance: it is printed before any run\nuse std::time::Instant;\n\
                   use std::thread::scope; // chance: one fresh thread for each seed\n";
    assert_eq!(lines(excused), [0; 0]);
    assert_eq!(lines("// chance: short\nuse std::time::Instant;\n"), [2], "that is no reason");
    assert_eq!(lines("// chance: a reason far away\n\nuse std::thread::scope;\n"), [1, 3]);
    let stale = scan("// chance: there was something here\nfn f() {}\n").unwrap();
    assert_eq!((stale.len(), stale[0].remedy), (1, "delete it"));
}
