//! Databases that cannot be written or read: an error that says so, and nothing is lost.

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
