//! Payloads of every kind, as they stand in a mail.

use super::super::super::Encryption;
use super::*;

fn letters(format: MailFormat) -> Letters {
    Letters::new(&config(format)).unwrap()
}

fn config(format: MailFormat) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".into(),
        port: 25,
        encryption: Encryption::None,
        ca: None,
        login: None,
        from: "Fencepost <sender@example.org>".into(),
        to: vec!["one@example.net".into(), "Two <two@example.net>".into()],
        format,
        connect_timeout: SmtpConfig::CONNECT_TIMEOUT,
        greeting_timeout: SmtpConfig::GREETING_TIMEOUT,
        timeout: SmtpConfig::TIMEOUT,
    }
}

fn body() -> MailFormat {
    MailFormat::Body { subject: "Message {id}".into(), content_type: "text/plain".into() }
}

fn outgoing(id: &str, payload: &[u8]) -> Outgoing {
    Outgoing { id: MessageId::new(id).unwrap(), attempt: 1, failures: 0, payload: payload.into() }
}

fn text(format: MailFormat, id: &str, payload: &[u8]) -> String {
    String::from_utf8(letters(format).letter(&outgoing(id, payload)).unwrap()).unwrap()
}

#[test]
fn a_body_gets_its_headers() {
    let mail = text(body(), "grüße 1", b"hello");
    for line in [
        "From: Fencepost <sender@example.org>",
        "To: one@example.net, Two <two@example.net>",
        "Message-ID: <gr=C3=BC=C3=9Fe=201@example.org>",
        "Content-Type: text/plain",
        "Content-Transfer-Encoding: base64",
        "aGVsbG8=",
    ] {
        assert!(mail.lines().any(|it| it == line), "{line:?} is missing in:\n{mail}");
    }
    assert!(mail.contains("Subject: ") && mail.contains("Date: "), "{mail}");
    assert!(mail.is_ascii());
}

#[test]
fn any_bytes_make_a_body() {
    let all: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mail = text(body(), "m", &all);
    assert!(mail.is_ascii());
    assert!(mail.split("\r\n").all(|line| line.len() <= MAX_LINE && !line.contains('\n')));
    assert!(text(body(), "m", b"").contains("Message-ID"));
}

#[test]
fn a_whole_message_keeps_its_id_or_gets_one() {
    let own = b"Subject: x\r\nmessage-id: <mine@example.org>\r\n\r\nhello\r\n";
    let mail = text(MailFormat::Message, "m.1", own);
    assert_eq!(mail.as_bytes(), own.strip_suffix(b"\r\n").unwrap());
    let mail = text(MailFormat::Message, "m.1", b"Subject: x\n\nMessage-ID: no header\n");
    assert_eq!(mail, "Message-ID: <m=2E1@example.org>\r\nSubject: x\r\n\r\nMessage-ID: no header");
}

#[test]
fn no_line_end_passes_for_the_end_of_a_mail() {
    let mail = text(MailFormat::Message, "m", b"A: b\n\nx\n.\r\ny\r.\nz\r\n.\r\n");
    assert_eq!(mail.matches("\r\n").count(), mail.matches('\n').count());
    assert_eq!(mail.matches("\r\n").count(), mail.matches('\r').count());
    assert!(mail.ends_with("x\r\n.\r\ny\r\n.\r\nz\r\n."), "{mail:?}");
}

#[test]
fn what_is_no_message_is_refused() {
    let letters = letters(MailFormat::Message);
    let long = [b"A: b\r\n\r\n".as_slice(), &[b'x'; MAX_LINE + 1]].concat();
    for payload in [&b""[..], b"hello", b"\r\nA: b", b": b\r\n", b"A: b\r\n\r\n\0", &long] {
        assert!(letters.letter(&outgoing("m", payload)).is_err(), "{payload:?}");
    }
}

#[test]
fn a_line_of_exactly_the_limit_is_taken() {
    let letters = letters(MailFormat::Message);
    let line = |len: usize| format!("A: {}", "x".repeat(len - 3)) + "\r\n\r\nhello";
    assert!(letters.letter(&outgoing("m", line(MAX_LINE).as_bytes())).is_ok());
    assert!(letters.letter(&outgoing("m", line(MAX_LINE + 1).as_bytes())).is_err());
}

#[test]
fn any_address_may_need_a_server_that_takes_all_letters() {
    let ascii = "a@example.org";
    for (from, to, expected) in [
        ("ü@example.org", ascii, true),
        (ascii, "ü@example.org", true),
        (ascii, "a@grüße.example", false),
        ("a@grüße.example", ascii, false),
        (ascii, ascii, false),
    ] {
        let to = vec![ascii.to_owned(), to.to_owned()];
        let config = SmtpConfig { from: from.into(), to, ..config(body()) };
        assert_eq!(Letters::new(&config).unwrap().needs_utf8(), expected, "{config:?}");
    }
}

#[test]
fn a_domain_is_written_as_the_name_system_knows_it() {
    let config = SmtpConfig { to: vec!["Ü <ü@bücher.example>".into()], ..config(body()) };
    let letters = Letters::new(&config).unwrap();
    assert_eq!(letters.recipients()[0].to_string(), "ü@xn--bcher-kva.example");
    let nonsense = SmtpConfig { to: vec!["a@\u{200d}.example".into()], ..config };
    assert!(Letters::new(&nonsense).is_err());
}

#[test]
fn two_ids_never_share_a_message_id() {
    let ids = ["a=20", "a ", "a", "a.", ".a", "a@b", "ü"];
    let made: std::collections::BTreeSet<String> =
        ids.iter().map(|id| message_id(&MessageId::new(id).unwrap(), "h")).collect();
    assert_eq!(made.len(), ids.len());
}

#[test]
fn bad_addresses_are_named() {
    let why = |config: SmtpConfig| Letters::new(&config).err().expect("refused").to_string();
    let bad = SmtpConfig { from: "nobody".into(), ..config(body()) };
    assert!(why(bad).contains("from \"nobody\""));
    let bad =
        SmtpConfig { to: vec!["a@b".into(), "a@b\r\nRCPT TO:<c@d>".into()], ..config(body()) };
    assert!(why(bad).contains("to \"a@b\\r\\n"));
    assert!(why(SmtpConfig { to: Vec::new(), ..config(body()) }).contains("recipients"));
}
