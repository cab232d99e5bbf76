//! What the outbox says, against what the sink got.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use fencepost::WallTime;
use fencepost::store::{Entry, MessageId, MessageState};

pub fn wall() -> WallTime {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    WallTime { unix_ms: u64::try_from(unix.as_millis()).unwrap() }
}

pub fn payload(id: &str) -> String {
    format!("letter to {id}")
}

/// One line of the sink's file.
pub struct Line {
    pub token: u64,
    payload: String,
}

/// Everything that was delivered, by id. Fails unless the tokens only rose.
pub fn delivered(path: &Path) -> BTreeMap<String, Vec<Line>> {
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut highest = 0;
    for line in fs::read_to_string(path).unwrap().lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [id, stamp, payload, _checksum] = fields[..] else { panic!("a strange line: {line}") };
        let token = stamp.split('.').next().unwrap().parse().unwrap();
        assert!(token >= highest, "{token} after {highest}: {line}");
        highest = token;
        lines.entry(id.to_owned()).or_default().push(Line { token, payload: payload.to_owned() });
    }
    lines
}

/// How many were delivered under each token.
pub fn by_token(lines: &BTreeMap<String, Vec<Line>>) -> BTreeMap<u64, usize> {
    let mut by_token = BTreeMap::new();
    for line in lines.values().flatten() {
        *by_token.entry(line.token).or_default() += 1;
    }
    by_token
}

/// Where a message does not have the one effect that its state claims.
pub fn audit(entries: &[Entry], lines: &BTreeMap<String, Vec<Line>>) -> Vec<String> {
    let mut findings = Vec::new();
    for entry in entries {
        let effects = lines.get(entry.id.as_str()).map_or(&[][..], Vec::as_slice);
        let right = match entry.state {
            MessageState::Delivered => effects.len() == 1,
            MessageState::InDoubt => effects.len() <= 1 && entry.reason.is_some(),
            MessageState::Pending | MessageState::Claimed | MessageState::Failed => false,
        };
        let intact = effects.iter().all(|effect| effect.payload == payload(entry.id.as_str()));
        if !right || !intact {
            findings.push(format!("{} effects, intact: {intact}, of {entry:?}", effects.len()));
        }
    }
    let asked: BTreeSet<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
    findings.extend(
        lines.keys().filter(|id| !asked.contains(id.as_str())).map(|id| format!("{id}: unasked")),
    );
    findings
}

#[test]
fn the_audit_notices_what_is_lost_doubled_changed_or_unasked() {
    let line = |id| Line { token: 1, payload: payload(id) };
    let entry = |id, state| Entry {
        seq: 1,
        id: MessageId::new(id).unwrap(),
        key: None,
        state,
        token: None,
        worker: None,
        parked: false,
        reason: None,
        attempts: 1,
        failures: 0,
        enqueued: wall(),
        first_claimed: None,
        not_before: None,
        send_until: None,
        changed: wall(),
        claimer_wall: None,
    };
    let found = |state, effects: Vec<Line>| {
        audit(&[entry("a", state)], &[("a".to_owned(), effects)].into()).len()
    };
    assert_eq!(found(MessageState::Delivered, vec![line("a")]), 0);
    assert_eq!(found(MessageState::Delivered, vec![]), 1, "lost");
    assert_eq!(found(MessageState::Delivered, vec![line("a"), line("a")]), 1, "doubled");
    assert_eq!(found(MessageState::Delivered, vec![line("b")]), 1, "changed");
    assert_eq!(found(MessageState::Pending, vec![]), 1, "forgotten");
    assert_eq!(found(MessageState::InDoubt, vec![]), 1, "without a reason");
    assert_eq!(audit(&[], &[("a".to_owned(), vec![line("a")])].into()).len(), 1, "unasked");
}
