//! Every status code, under every promise.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::id::Token;

const DEDUPLICATES: Promise = Promise::Deduplicates { window: Duration::from_secs(60) };
const PROMISES: [Promise; 3] = [Promise::Plain, Promise::Fenced, DEDUPLICATES];

fn stamp(token: u64, round: u32) -> Stamp {
    Stamp { token: Token(token), round }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    let status = StatusCode::from_u16(status).unwrap();
    Answer { status, headers: map, body: body.to_vec(), is_whole: true }
}

fn config(promise: Promise) -> WebhookConfig {
    WebhookConfig { promise, ..WebhookConfig::plain("http://h/".parse().unwrap()) }
}

fn kind(status: u16, promise: Promise) -> &'static str {
    match outcome(&answer(status, &[], b""), &config(promise), stamp(7, 1)) {
        Ok(()) => "delivered",
        Err(SendError::NotSent(_)) => "not sent",
        Err(SendError::Denied(_)) => "denied",
        Err(SendError::Unsendable(_)) => "unsendable",
        Err(SendError::NotNow(_)) => "not now",
        Err(SendError::Rejected(_)) => "rejected",
        Err(SendError::Fenced { .. }) => "fenced",
        Err(SendError::Unknown(_)) => "unknown",
    }
}

#[test]
fn each_status_code_has_its_meaning() {
    for promise in PROMISES {
        for status in 100..600 {
            let expected = match status {
                200..=299 => "delivered",
                401 => "denied",
                425 | 429 => "not now",
                408 => "unknown",
                409 if promise == DEDUPLICATES => "unknown",
                307 | 308 | 400..=499 => "rejected",
                _ => "unknown",
            };
            assert_eq!(kind(status, promise), expected, "{status} from {promise:?}");
        }
    }
}

#[test]
fn a_configured_refusal_is_known() {
    let mut config = config(Promise::Plain);
    config.refused_for_now = [503].into();
    let busy = answer(503, &[("retry-after", "120")], b"too\r\nbusy\0");
    let refused = outcome(&busy, &config, stamp(7, 1));
    let why = "HTTP 503 Service Unavailable; Retry-After: 120: too busy";
    assert_eq!(refused, Err(SendError::NotNow(why.into())));
    let no_longer = outcome(&answer(429, &[], b""), &config, stamp(7, 1));
    assert!(matches!(no_longer, Err(SendError::Rejected(_))), "{no_longer:?}");
}

#[test]
fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let config = config(Promise::Plain);
    let noon = WallTime { unix_ms: 784_123_200_000 };
    let asked = |status, headers: &[_]| asks_for(&answer(status, headers, b""), &config, noon);
    let seconds = |n| Some(Duration::from_secs(n));
    for (text, expected) in [
        ("120", seconds(120)),
        ("0", seconds(0)),
        ("99999999999999999999999", seconds(u64::MAX)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 12:01:00 GMT", seconds(60)),
        ("Sunday, 06-Nov-94 12:01:00 GMT", seconds(60)),
        ("Sun Nov  6 12:01:00 1994", seconds(60)),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
    ] {
        for status in [429, 503] {
            assert_eq!(asked(status, &[("retry-after", text)]), expected, "{status} {text:?}");
        }
        assert_eq!(asked(404, &[("retry-after", text)]), None);
    }
    // By the receiver's clock, however wrong ours is.
    let later = "Sun, 06 Nov 1994 08:50:07 GMT";
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(asked(503, &[("retry-after", later), date]), seconds(30));
}

#[test]
fn only_a_higher_stamp_fences_and_only_where_it_was_promised() {
    for status in [409, 412] {
        let higher = answer(status, &[("fencing-token", "7.2")], b"");
        let fenced = outcome(&higher, &config(Promise::Fenced), stamp(7, 1));
        assert_eq!(fenced, Err(SendError::Fenced { highest: stamp(7, 2) }));
        for (told, ours) in [("7.2", stamp(7, 2)), ("6.9", stamp(7, 1)), ("+7.2", stamp(7, 1))] {
            let answer = answer(status, &[("fencing-token", told)], b"");
            let refused = outcome(&answer, &config(Promise::Fenced), ours);
            assert!(matches!(refused, Err(SendError::Rejected(_))), "{told}: {refused:?}");
        }
        let plain = outcome(&higher, &config(Promise::Plain), stamp(7, 1));
        assert!(matches!(plain, Err(SendError::Rejected(_))), "{plain:?}");
    }
}

#[test]
fn questions_are_answered_only_with_the_stamp_that_asked() {
    let asked = stamp(7, 1);
    let yes = answer(200, &[("fencing-token", "7.1")], b"true\n");
    assert_eq!(yes_or_no(&fenced(yes, asked).unwrap()), Ok(true));
    let no = answer(200, &[("fencing-token", "7.1")], b"false");
    assert_eq!(yes_or_no(&fenced(no, asked).unwrap()), Ok(false));
    let higher = answer(409, &[("fencing-token", "8.0")], b"");
    let refused = fenced(higher, asked).unwrap_err();
    assert_eq!(refused, SinkError::Fenced { highest: stamp(8, 0) });
    for (status, headers) in [
        (200, &[][..]),
        (200, &[("fencing-token", "8.0")]),
        (200, &[("fencing-token", "7.0")]),
        (404, &[("fencing-token", "7.1")]),
        (404, &[]),
        (409, &[("fencing-token", "7.0")]),
        // At the very stamp nothing is higher: it is no word of a receiver that keeps to the rules.
        (409, &[("fencing-token", "7.1")]),
        (302, &[("fencing-token", "7.1")]),
    ] {
        let refused = fenced(answer(status, headers, b"false"), asked);
        assert!(matches!(refused, Err(SinkError::Unavailable(_))), "{status} {headers:?}");
    }
    for body in [&b"true"[..], b"false"] {
        let torn = Answer { is_whole: false, ..answer(200, &[], body) };
        assert!(yes_or_no(&torn).is_err(), "{torn:?}");
    }
    assert!(yes_or_no(&answer(200, &[], b"<html>")).is_err());
}

/// Two mistakes of a configuration, and a person must be able to tell them apart.
#[test]
fn what_does_not_fence_is_told_from_what_is_not_there() {
    let why = |status: u16| match fenced(answer(status, &[], b""), stamp(7, 1)) {
        Err(SinkError::Unavailable(why)) => why,
        other => panic!("{status}: {other:?}"),
    };
    assert!(why(200).contains("no receiver that fences"), "{}", why(200));
    assert!(why(404).contains("HTTP 404"), "{}", why(404));
}

#[test]
fn a_reason_is_one_short_line() {
    let body = "x\n".repeat(10_000) + "\u{1b}[31m";
    let reason = describe(&answer(500, &[], body.as_bytes()));
    assert!(reason.chars().count() < 300 && !reason.chars().any(char::is_control), "{reason}");
    let bytes: Vec<u8> = (0..=255).collect();
    assert!(!describe(&answer(500, &[], &bytes)).chars().any(char::is_control));
}
