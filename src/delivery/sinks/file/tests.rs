//! The file sink, without async.

use std::fs::OpenOptions;

use proptest::prelude::*;

use super::*;
use crate::id::Token;

fn stamp(token: u64, round: u32) -> Stamp {
    Stamp { token: Token(token), round }
}

fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

fn message(name: &str, payload: &[u8]) -> Outgoing {
    Outgoing { id: id(name), attempt: 1, failures: 0, payload: payload.into() }
}

/// A directory for a sink's files, removed at the end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("delivered.log")
    }

    fn fence(&self) -> PathBuf {
        self.0.path().join("delivered.log.fence")
    }

    fn open(&self) -> Files {
        Files::open(&self.log(), lock::ATTEMPTS).unwrap()
    }

    fn why_not(&self) -> String {
        Files::open(&self.log(), lock::ATTEMPTS).err().expect("it must not open").to_string()
    }

    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(self.log()).unwrap().lines().map(str::to_owned).collect()
    }

    fn append(&self, bytes: &[u8]) {
        OpenOptions::new().append(true).open(self.log()).unwrap().write_all(bytes).unwrap();
    }
}

/// Reads a payload back from a line.
fn payload_of(line: &str) -> Vec<u8> {
    let mut rest = line.split('\t').nth(2).unwrap().bytes();
    let mut payload = Vec::new();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            payload.push(byte);
            continue;
        }
        payload.push(match rest.next().unwrap() {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    payload
}

#[test]
fn a_message_becomes_one_line() {
    let place = Place::new();
    let mut sink = place.open();
    let greeting = message("grüße 1", b"say \"hello\"\n");
    assert_eq!(sink.has(&greeting.id, stamp(5, 0)), Ok(false));
    for _ in 0..2 {
        assert_eq!(sink.send(&greeting, stamp(5, 2)), Ok(()));
    }
    assert_eq!(sink.has(&greeting.id, stamp(5, 2)), Ok(true));
    let lines = place.lines();
    assert_eq!(lines.len(), 1, "said twice, it is delivered once");
    assert!(lines[0].starts_with("grüße 1\t5.2\tsay \"hello\"\\n\t"), "{lines:?}");
}

#[test]
fn every_byte_is_printable_in_the_log() {
    let place = Place::new();
    let all: Vec<u8> = (0..=255).collect();
    place.open().send(&message("m", &all), stamp(1, 0)).unwrap();
    let lines = place.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].split('\t').all(|field| field.bytes().all(|b| matches!(b, b' '..=b'~'))));
    assert_eq!(payload_of(&lines[0]), all);
    assert!(place.open().ids.contains("m"));
}

#[test]
fn stamps_below_the_highest_are_refused() {
    let place = Place::new();
    let mut sink = place.open();
    sink.send(&message("a", b""), stamp(5, 0)).unwrap();
    assert_eq!(sink.fence(stamp(5, 1)), Ok(()));
    assert_eq!(sink.fence(stamp(5, 1)), Ok(()));
    let highest = stamp(5, 1);
    for old in [stamp(5, 0), stamp(4, 9)] {
        assert_eq!(sink.send(&message("a", b""), old), Err(SendError::Fenced { highest }));
        assert_eq!(sink.send(&message("b", b""), old), Err(SendError::Fenced { highest }));
        assert_eq!(sink.fence(old), Err(SinkError::Fenced { highest }));
        assert_eq!(sink.has(&id("a"), old), Err(SinkError::Fenced { highest }));
    }
    assert_eq!(place.lines().len(), 1);
    assert_eq!(sink.send(&message("b", b""), stamp(5, 1)), Ok(()));
    assert_eq!(sink.send(&message("c", b""), stamp(6, 0)), Ok(()));
    let highest = stamp(6, 0);
    assert_eq!(sink.send(&message("d", b""), stamp(5, 1)), Err(SendError::Fenced { highest }));
}

#[test]
fn asking_with_a_higher_stamp_fences() {
    let place = Place::new();
    let mut sink = place.open();
    assert_eq!(sink.has(&id("m"), stamp(6, 1)), Ok(false));
    let late = place.open().send(&message("m", b""), stamp(5, 0));
    assert_eq!(late, Err(SendError::Fenced { highest: stamp(6, 1) }));
}

#[test]
fn the_smallest_stamp_is_one_too() {
    let place = Place::new();
    let mut sink = place.open();
    for name in ["a", "b"] {
        assert_eq!(sink.send(&message(name, b""), Stamp::default()), Ok(()));
    }
}

#[test]
fn two_processes_share_log_and_fence() {
    let place = Place::new();
    let (mut old, mut new) = (place.open(), place.open());
    old.send(&message("a", b"1"), stamp(5, 0)).unwrap();
    assert_eq!(new.has(&id("a"), stamp(6, 1)), Ok(true));
    assert_eq!(new.has(&id("b"), stamp(6, 1)), Ok(false));
    let highest = stamp(6, 1);
    assert_eq!(old.send(&message("b", b"2"), stamp(5, 0)), Err(SendError::Fenced { highest }));
    for name in ["b", "c"] {
        assert_eq!(new.send(&message(name, b""), highest), Ok(()));
        assert_eq!(old.send(&message(name, b""), highest), Ok(()));
    }
    assert_eq!(place.lines().len(), 3);
}

/// As a process leaves them that is stopped in the middle of a write: the sink is there and says no,
/// and goes on once the lock is free.
#[test]
fn a_lock_that_is_held_by_another_is_waited_for() {
    let place = Place::new();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    let stopped = File::open(place.log()).unwrap();
    stopped.lock().unwrap();
    let mut sink = Files::open(&place.log(), 2).unwrap();
    assert!(sink.locked().is_err());
    let refused = sink.send(&message("b", b""), stamp(5, 0)).unwrap_err();
    assert!(matches!(&refused, SendError::NotSent(why) if why.contains("holds the lock")));
    let refused = sink.fence(stamp(6, 0)).unwrap_err();
    assert!(matches!(&refused, SinkError::Unavailable(why) if why.contains("holds the lock")));
    assert!(matches!(sink.has(&id("a"), stamp(6, 0)), Err(SinkError::Unavailable(_))));
    assert_eq!(place.lines().len(), 1);
    stopped.unlock().unwrap();
    assert_eq!(sink.has(&id("a"), stamp(5, 0)), Ok(true));
    assert_eq!(sink.send(&message("b", b""), stamp(5, 0)), Ok(()));
}

/// So that messages wait for it that nobody has tried to send.
#[tokio::test]
async fn a_sink_whose_lock_another_holds_is_not_ready() {
    let place = Place::new();
    let sink = FileSink { files: Arc::new(Mutex::new(Files::open(&place.log(), 2).unwrap())) };
    assert_eq!(sink.ready().await, Ok(()));
    let stopped = File::open(place.log()).unwrap();
    stopped.lock().unwrap();
    let waits = sink.ready().await.unwrap_err();
    assert!(matches!(&waits, SinkError::Unavailable(why) if why.contains("holds the lock")));
    stopped.unlock().unwrap();
    assert_eq!(sink.ready().await, Ok(()));
}

/// What could not be looked at when the sink was opened is looked at before it is used.
#[test]
fn damage_behind_a_lock_is_found_later() {
    let place = Place::new();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    std::fs::remove_file(place.fence()).unwrap();
    let stopped = File::open(place.log()).unwrap();
    stopped.lock().unwrap();
    let mut sink = Files::open(&place.log(), 2).unwrap();
    stopped.unlock().unwrap();
    let refused = sink.send(&message("b", b""), stamp(5, 0)).unwrap_err();
    assert!(matches!(&refused, SendError::NotSent(why) if why.contains("is gone")), "{refused}");
}

#[test]
fn threads_that_send_at_once_leave_one_line_a_message() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut sink = place.open();
                for number in 0..20 {
                    sink.send(&message(&format!("m{number}"), b"x"), stamp(1, 0)).unwrap();
                }
            });
        }
    });
    assert_eq!(place.lines().len(), 20);
    assert_eq!(place.open().ids.len(), 20);
}

#[test]
fn a_torn_line_was_not_delivered() {
    let whole = format::line(&id("torn"), stamp(5, 0), b"some payload");
    for len in 1..whole.len() {
        let place = Place::new();
        let mut sink = place.open();
        sink.send(&message("a", b""), stamp(5, 0)).unwrap();
        place.append(&whole[..len]);
        assert_eq!(sink.has(&id("torn"), stamp(5, 1)), Ok(false));
        assert_eq!(place.lines().len(), 1);
        place.append(&whole[..len]);
        assert_eq!(place.open().send(&message("torn", b"again"), stamp(5, 1)), Ok(()));
        assert_eq!(sink.has(&id("torn"), stamp(5, 1)), Ok(true));
        assert_eq!(place.lines().len(), 2);
    }
}

#[test]
fn a_last_line_of_garbage_is_torn_as_well() {
    let place = Place::new();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    place.append(b"\0\0\0\0\0\n");
    assert_eq!(place.open().send(&message("b", b""), stamp(5, 0)), Ok(()));
    assert_eq!(place.lines().len(), 2);
}

#[test]
fn a_broken_line_before_others_stops_the_sink() {
    let place = Place::new();
    let mut sink = place.open();
    sink.send(&message("a", b""), stamp(5, 0)).unwrap();
    place.append(b"edited by hand\n");
    place.append(&format::line(&id("b"), stamp(5, 0), b""));
    let before = std::fs::read(place.log()).unwrap();
    let refused = sink.send(&message("c", b""), stamp(5, 0));
    assert!(matches!(refused, Err(SendError::NotSent(_))), "{refused:?}");
    assert!(place.why_not().contains("is broken"), "{}", place.why_not());
    assert_eq!(std::fs::read(place.log()).unwrap(), before);
}

#[test]
fn a_damaged_or_missing_fence_stops_the_sink() {
    let place = Place::new();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    let content = std::fs::read(place.fence()).unwrap();
    for len in 0..content.len() {
        std::fs::write(place.fence(), &content[..len]).unwrap();
        assert!(place.why_not().contains("no stamp"), "{}", place.why_not());
    }
    std::fs::remove_file(place.fence()).unwrap();
    assert!(place.why_not().contains("is gone"), "{}", place.why_not());
}

/// Not being able to read it is not the same as its not being there.
#[test]
fn a_fence_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let place = Place::new();
    drop(place.open());
    std::fs::create_dir(place.fence()).unwrap();
    let why = place.why_not();
    assert!(why.contains("cannot use") && why.contains("delivered.log.fence"), "{why}");
    assert!(!why.contains("gone"), "{why}");
}

#[test]
fn a_file_without_a_folder_in_its_name_lies_where_the_process_stands() {
    for (path, expected) in [("x.log", "."), ("a/x.log", "a"), ("/x.log", "/"), ("a/b/x", "a/b")] {
        assert_eq!(directory_of(Path::new(path)), Path::new(expected), "{path}");
    }
}

#[test]
fn a_log_that_was_cut_or_moved_away_stops_the_sink() {
    let place = Place::new();
    let mut sink = place.open();
    sink.send(&message("a", b""), stamp(5, 0)).unwrap();
    std::fs::write(place.log(), b"").unwrap();
    assert!(matches!(sink.has(&id("a"), stamp(5, 0)), Err(SinkError::Unavailable(_))));
    std::fs::remove_file(place.log()).unwrap();
    let refused = sink.send(&message("b", b""), stamp(5, 0));
    assert!(matches!(refused, Err(SendError::NotSent(_))), "{refused:?}");
}

/// A message whose line it held would be appended to a new one.
#[test]
fn a_log_that_is_gone_is_not_created_anew_beside_its_fence() {
    let place = Place::new();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    std::fs::rename(place.log(), place.0.path().join("delivered.log.1")).unwrap();
    for fence in [std::fs::read(place.fence()).unwrap(), fence_without_length("5.0")] {
        std::fs::write(place.fence(), fence).unwrap();
        let why = place.why_not();
        assert!(why.contains("cannot open") && why.contains("put it back"), "{why}");
        assert!(!place.log().exists());
    }
    // As the remedy says.
    std::fs::remove_file(place.fence()).unwrap();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    assert_eq!(place.lines().len(), 1);
}

/// By one that was not there when it was longer.
#[test]
fn a_log_that_was_cut_below_its_length_when_the_fence_was_raised_stops_the_sink() {
    let place = Place::new();
    for (token, name) in [(5, "a"), (6, "b"), (7, "c")] {
        place.open().send(&message(name, b"hello"), stamp(token, 0)).unwrap();
    }
    let whole = std::fs::read(place.log()).unwrap();
    let raised_at = whole.len() / 3 * 2;
    for len in 0..raised_at {
        std::fs::write(place.log(), &whole[..len]).unwrap();
        let why = place.why_not();
        assert!(why.contains(&format!("it had {raised_at} bytes and now has {len}")), "{why}");
        assert!(why.contains("put it back"), "{why}");
        assert_eq!(std::fs::read(place.log()).unwrap().len(), len, "it is evidence");
    }
    // As long as before, but with less in it.
    std::fs::write(place.log(), [&whole[..raised_at - 1], b"\0\0\0".as_slice()].concat()).unwrap();
    assert!(place.why_not().contains("is broken"), "{}", place.why_not());
    // What came after it may be what a crash left.
    std::fs::write(place.log(), &whole[..raised_at + 1]).unwrap();
    assert_eq!(place.open().has(&id("b"), stamp(7, 0)), Ok(true));
    assert_eq!(place.lines().len(), 2);
}

fn fence_without_length(stamp: &str) -> Vec<u8> {
    format!("{stamp}\t{:08x}\n", crc32fast::hash(stamp.as_bytes())).into_bytes()
}

#[test]
fn the_fence_of_an_earlier_version_counts() {
    let place = Place::new();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    std::fs::write(place.fence(), fence_without_length("5.2")).unwrap();
    let highest = stamp(5, 2);
    let mut sink = place.open();
    assert_eq!(sink.send(&message("b", b""), stamp(5, 1)), Err(SendError::Fenced { highest }));
    assert_eq!(sink.send(&message("b", b""), highest), Ok(()));
    assert_eq!(sink.fence(stamp(6, 0)), Ok(()));
    std::fs::write(place.log(), b"").unwrap();
    assert!(place.why_not().contains("put it back"), "{}", place.why_not());
}

/// Each step of a first delivery is followed by a crash.
#[test]
fn what_a_crash_leaves_of_a_first_delivery_can_be_opened() {
    let (log, fence, new) = ("delivered.log", "delivered.log.fence", "delivered.log.fence.new");
    let (seen, line) = {
        let place = Place::new();
        place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
        (std::fs::read(place.fence()).unwrap(), std::fs::read(place.log()).unwrap())
    };
    let (half, torn) = (&seen[..3], &line[..3]);
    let steps: [&[(&str, &[u8])]; 6] = [
        &[(log, b"")],
        &[(log, b""), (new, half)],
        &[(log, b""), (new, &seen)],
        &[(log, b""), (fence, &seen)],
        &[(log, torn), (fence, &seen)],
        &[(log, &line), (fence, &seen)],
    ];
    for step in steps {
        let place = Place::new();
        for (name, content) in step {
            std::fs::write(place.0.path().join(name), content).unwrap();
        }
        for (name, token) in [("a", 5), ("b", 6)] {
            assert_eq!(place.open().send(&message(name, b""), stamp(token, 0)), Ok(()), "{step:?}");
        }
        assert_eq!(place.lines().len(), 2);
    }
}

/// Else each message is claimed and given back, again and again.
#[tokio::test]
async fn a_sink_whose_files_are_damaged_is_not_ready() {
    let place = Place::new();
    let sink = FileSink::open(&place.log()).unwrap();
    place.open().send(&message("a", b""), stamp(5, 0)).unwrap();
    assert_eq!(sink.ready().await, Ok(()));
    place.append(b"edited by hand\n");
    place.append(&format::line(&id("b"), stamp(5, 0), b""));
    let why = sink.ready().await.unwrap_err();
    assert!(matches!(&why, SinkError::Unavailable(why) if why.contains("is broken")), "{why}");
}

#[test]
fn what_cannot_be_opened_says_which_file() {
    let place = Place::new();
    let nowhere = place.0.path().join("missing").join("delivered.log");
    let error = Files::open(&nowhere, lock::ATTEMPTS).err().unwrap().to_string();
    assert!(error.contains("cannot open") && error.contains("delivered.log"), "{error}");
}

proptest! {
    #[test]
    fn lines_read_back(name in "[^\\p{Cc}]{1,20}", payload: Vec<u8>, token: u64, round: u32) {
        let line = format::line(&id(&name), stamp(token, round), &payload);
        prop_assert_eq!(format::id_of(&line), Some(name.as_str()));
        prop_assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
        prop_assert_eq!(payload_of(std::str::from_utf8(&line).unwrap()), payload);
    }

    #[test]
    fn a_changed_byte_is_noticed(
        token: u64,
        round: u32,
        log_len: u64,
        at: prop::sample::Index,
        by in 1..=255u8,
    ) {
        let seen = Seen { highest: stamp(token, round), log_len };
        let mut fence = format::fence(seen);
        prop_assert_eq!(format::seen_in(&fence), Some(seen));
        let at = at.index(fence.len());
        fence[at] = fence[at].wrapping_add(by);
        prop_assert_eq!(format::seen_in(&fence), None);
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert_eq!(format::id_of(&bytes), None);
        prop_assert_eq!(format::seen_in(&bytes), None);
    }
}

/// As the dispatcher uses it, whichever way it was opened.
async fn serves(sink: &impl Sink, place: &Place) {
    assert_eq!(sink.promise(), Promise::Fenced);
    assert_eq!(sink.ready().await, Ok(()));
    assert_eq!(sink.fence(stamp(5, 1)).await, Ok(()));
    assert_eq!(sink.has(&id("m"), stamp(5, 1)).await, Ok(false));
    assert_eq!(sink.send(&message("m", b"hello"), stamp(5, 1)).await, Ok(()));
    assert_eq!(sink.has(&id("m"), stamp(5, 1)).await, Ok(true));
    assert_eq!(place.lines().len(), 1);
    let highest = stamp(5, 1);
    let fenced = sink.send(&message("late", b""), stamp(4, 9)).await;
    assert_eq!(fenced, Err(SendError::Fenced { highest }));
    assert_eq!(sink.fence(stamp(4, 9)).await, Err(SinkError::Fenced { highest }));
    assert_eq!(place.lines().len(), 1);
}

#[tokio::test]
async fn it_serves_as_a_sink() {
    let place = Place::new();
    serves(&FileSink::open(&place.log()).unwrap(), &place).await;
}

#[cfg(not(madsim))]
#[tokio::test]
async fn it_serves_as_the_sink_that_a_configuration_names() {
    let place = Place::new();
    let config = super::super::SinkConfig::File(place.log());
    serves(&super::super::AnySink::open(&config).unwrap(), &place).await;
}

/// Other programs read the log: its text is a promise.
#[test]
fn a_line_is_what_its_description_says() {
    let line = format::line(&id("m"), stamp(5, 1), b"a\\b\tc\nd\re~\x00\x7f\xff ");
    let line = String::from_utf8(line).unwrap();
    let (text, checksum) = line.rsplit_once('\t').unwrap();
    assert_eq!(text, "m\t5.1\ta\\\\b\\tc\\nd\\re~\\x00\\x7f\\xff ");
    assert_eq!(checksum, format!("{:08x}\n", crc32fast::hash(text.as_bytes())));
}
