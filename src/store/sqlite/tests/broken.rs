//! Databases that cannot be written or read: an error that says so, and nothing is lost.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn a_full_disk_changes_nothing() {
    let mut outbox = outbox();
    outbox.connection.pragma_update_and_check(None, "max_page_count", 20, |_| Ok(())).unwrap();
    let full = enqueue(&mut outbox, "big", &[0; MAX_PAYLOAD_LEN], at(1));
    let Err(EnqueueError::Store(StoreError::Unavailable(why))) = full else { panic!("{full:?}") };
    assert!(why.contains("make room"), "{why}");
    assert_eq!(outbox.state_of(&message("big")), Ok(None));
    assert_eq!(enqueue(&mut outbox, "small", b"", at(1)), Ok(Enqueued::Added));
}

#[test]
fn a_read_only_database_changes_nothing_and_can_be_read() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    outbox.connection.pragma_update(None, "query_only", true).unwrap();
    let attempt = current(&mut outbox, "m");
    let refused = settle_one(&mut outbox, Token(5), &attempt, &Settlement::Delivered, at(11));
    let Err(StoreError::Unavailable(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("readonly") && why.contains("let this user write"), "{why}");
    assert_eq!(only_entry(&mut outbox).state, MessageState::Claimed);
    outbox.connection.pragma_update(None, "query_only", false).unwrap();
    let delivered = settle(&mut outbox, 5, &Settlement::Delivered);
    assert_eq!(delivered, now_at(MessageState::Delivered));
}

#[test]
fn a_damaged_file_is_an_error_and_never_an_empty_outbox() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    raise(&mut outbox, 5);
    let new = |number: u32| NewMessage::new(message(&format!("m{number}")), vec![7; 2_000]);
    let messages: Vec<_> = (0..100).map(new).collect();
    outbox.enqueue(&messages, at(1)).unwrap();
    drop(outbox);
    // All but the first page, which says that it is a database.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let found = SqliteOutbox::open(&path).and_then(|mut outbox| outbox.pending(9, LATER));
    let Err(StoreError::Unavailable(why)) = found else { panic!("{found:?}") };
    assert!(why.contains("damaged"), "{why}");
}

/// Before its first page is written a commit can be refused as busy: then nothing is in the file, and
/// that is certain.
#[test]
fn a_commit_that_others_are_in_the_way_of_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some.db");
    // Without a write-ahead log, which has no readers in the way.
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("CREATE TABLE x (y); BEGIN; SELECT * FROM x").unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    let writer = database::Database::from(writer);
    let add = || {
        transaction::write(&writer, |tx| {
            tx.execute("INSERT INTO x VALUES (1)", []).map(transaction::Done::Changed)
        })
    };
    assert!(matches!(add(), Err(StoreError::Unavailable(_))));
    drop(reader);
    let count = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM x", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(count(&Connection::open(&path).unwrap()), Ok(0));
    assert_eq!(add(), Ok(1));
    assert_eq!(count(&Connection::open(&path).unwrap()), Ok(1));
}

/// A file of its own with a pending message and floor 5, and the place that it is in.
fn in_a_file() -> (tempfile::TempDir, PathBuf, SqliteOutbox) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    raise(&mut outbox, 5);
    assert_eq!(enqueue(&mut outbox, "m", b"", at(1)), Ok(Enqueued::Added));
    (directory, path, outbox)
}

/// Whoever opens the path next has another database, or one without the last commits, or locks that this
/// process does not see.
#[test]
fn files_that_are_removed_or_replaced_while_they_are_open_are_no_store_any_more() {
    for suffix in ["", "-wal", "-shm"] {
        for replaced in [false, true] {
            let (directory, path, mut outbox) = in_a_file();
            let file = directory.path().join(format!("outbox.db{suffix}"));
            let away = directory.path().join("away");
            std::fs::rename(&file, &away).unwrap();
            if replaced {
                std::fs::copy(&away, &file).unwrap();
            }
            let lost = |why: StoreError| {
                let StoreError::Unavailable(why) = why else { panic!("{why:?}") };
                assert!(why.contains(&*file.to_string_lossy()), "{why}");
                assert!(
                    why.contains("removed, or replaced") && why.contains("stop every"),
                    "{why}"
                );
            };
            lost(outbox.pending(9, LATER).unwrap_err());
            lost(outbox.fence().unwrap_err());
            lost(outbox.roll().unwrap_err());
            lost(outbox.entries(None).unwrap_err());
            let attempt = Attempt { id: message("m"), number: 1 };
            let permit = Permit::of_holder(Token(5));
            lost(outbox.claim(&permit, &[attempt], at(2), at(2)).unwrap_err());
            let EnqueueError::Store(why) = enqueue(&mut outbox, "n", b"", at(3)).unwrap_err()
            else {
                panic!("the store is lost")
            };
            lost(why);
            std::fs::rename(&away, &file).unwrap();
            assert_eq!(outbox.pending(9, LATER).unwrap().len(), 1, "put back as it was");
            assert_eq!(SqliteOutbox::open(&path).unwrap().pending(9, LATER).unwrap().len(), 1);
        }
    }
}

#[test]
fn a_commit_to_a_file_that_goes_meanwhile_is_unknown() {
    let (_directory, path, outbox) = in_a_file();
    let lost = transaction::write(&outbox.connection, |tx| {
        std::fs::remove_file(&path).unwrap();
        tx.execute("UPDATE fence SET floor = 6", []).map(transaction::Done::Changed)
    });
    assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
}

#[test]
fn a_new_file_is_for_its_user_alone() {
    let (directory, ..) = in_a_file();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
    }
}

/// Names the file for the part of the test below that is no superuser's.
const ONLY_READ: &str = "FENCEPOST_TEST_ONLY_READ";

/// SQLite opens such a file, and refuses each write later.
#[test]
fn a_file_that_may_only_be_read_is_refused_when_it_is_opened() {
    if let Some(path) = std::env::var_os(ONLY_READ) {
        let opened = SqliteOutbox::open(Path::new(&path)).map(drop);
        let Err(StoreError::Unavailable(why)) = opened else { panic!("it opens") };
        assert!(why.contains("let this user write"), "{why}");
        assert!(why.contains(&*path.to_string_lossy()), "{why}");
        return;
    }
    let (directory, path, outbox) = in_a_file();
    drop(outbox);
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let here = module_path!().split_once("::").unwrap().1;
    let name = format!("{here}::a_file_that_may_only_be_read_is_refused_when_it_is_opened");
    let program = directory.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // The file may not be written, and then it may, but its folder may not.
    for (file, folder) in [(0o444, 0o777), (0o666, 0o555)] {
        set(&path, file);
        set(directory.path(), folder);
        // Nothing is read-only for a superuser, who so becomes nobody.
        let mut again = match rustix::process::geteuid().is_root() {
            false => std::process::Command::new(&program),
            true => {
                let mut command = std::process::Command::new("setpriv");
                command.args(["--reuid=65534", "--clear-groups", "--"]).arg(&program);
                command
            }
        };
        let output = again.args(["--exact", &name]).env(ONLY_READ, &path).output().unwrap();
        set(directory.path(), 0o700);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}\n{output:?}");
    }
}
