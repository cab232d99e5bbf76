//! What a mail server receives, and what its answers become at every step.

use std::path::PathBuf;
use std::time::Duration;

use fencepost::SecretSource;
use fencepost::delivery::sinks::{Encryption, Login, MailFormat, SmtpConfig, SmtpSink};
use fencepost::delivery::{Promise, SendError, Sink, SinkError};

use crate::certificate::Certificate;
use crate::http_server::nobody;
use crate::smtp_server::{Act, MailServer};
use crate::{message, run, stamp};

fn config(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".into(),
        port,
        encryption: Encryption::None,
        ca: None,
        login: None,
        from: "Fencepost <sender@example.org>".into(),
        to: vec!["one@example.net".into(), "two@example.net".into()],
        format: MailFormat::Body {
            subject: "Message {id}".into(),
            content_type: "text/plain".into(),
        },
        connect_timeout: Duration::from_secs(60),
        greeting_timeout: Duration::from_secs(60),
        timeout: Duration::from_secs(60),
    }
}

fn to(server: &MailServer) -> SmtpConfig {
    config(server.address.port())
}

async fn send(sink: &SmtpSink, id: &str, payload: &[u8]) -> Result<(), SendError> {
    sink.ready().await.unwrap();
    sink.send(&message(id, payload), stamp(7, 1)).await
}

/// The outcome of one mail, and whether the server took it.
fn outcome(at: &'static str, act: Act) -> (Result<(), SendError>, bool) {
    let server = MailServer::start(Some((at, act)));
    let short = SmtpConfig { timeout: Duration::from_millis(200), ..to(&server) };
    // The sink outlives the look at what was taken.
    let sink = SmtpSink::open(&short).unwrap();
    let outcome = run(send(&sink, "m", b"hello"));
    (outcome, !server.taken().is_empty())
}

#[test]
fn a_message_is_one_mail_to_all_recipients() {
    let server = MailServer::start(None);
    run(async {
        let sink = SmtpSink::open(&to(&server)).unwrap();
        assert_eq!(sink.promise(), Promise::Plain);
        for id in ["order 17", "order 18"] {
            assert_eq!(send(&sink, id, b"hello").await, Ok(()));
        }
    });
    let taken = server.taken();
    assert_eq!(taken.len(), 2);
    for (mail, id) in taken.iter().zip(["17", "18"]) {
        assert_eq!(mail.from, "sender@example.org");
        assert_eq!(mail.to, ["one@example.net", "two@example.net"]);
        for line in [
            format!("Subject: Message order {id}"),
            format!("Message-ID: <order=20{id}@example.org>"),
            "aGVsbG8=".to_owned(),
        ] {
            assert!(mail.lines.contains(&line), "{line:?} is missing in {:?}", mail.lines);
        }
    }
    let greetings = server.commands().iter().filter(|line| line.starts_with("EHLO")).count();
    assert_eq!(greetings, 1, "one connection serves both");
}

#[test]
fn until_the_message_begins_every_outcome_is_known() {
    for step in ["MAIL", "RCPT", "DATA"] {
        let (refused, taken) = outcome(step, Act::Say("451 try later"));
        assert!(matches!(refused, Err(SendError::NotNow(_))), "{step}: {refused:?}");
        assert!(!taken);
        let (refused, taken) = outcome(step, Act::Say("550 no"));
        assert!(matches!(refused, Err(SendError::Rejected(_))), "{step}: {refused:?}");
        assert!(!taken);
        let (refused, taken) = outcome(step, Act::Say("530 log in first"));
        assert!(matches!(refused, Err(SendError::Denied(_))), "{step}: {refused:?}");
        assert!(!taken);
        // The end of the connection, as it is announced: the message has done nothing.
        let (closing, taken) = outcome(step, Act::Say("421 closing"));
        assert!(matches!(closing, Err(SendError::NotSent(_))), "{step}: {closing:?}");
        assert!(!taken);
        // A server that does not get over a letter would be asked for ever, were that not counted.
        let (silent, taken) = outcome(step, Act::Silence);
        assert!(matches!(silent, Err(SendError::NotNow(_))), "{step}: {silent:?}");
        assert!(!taken);
        for act in [Act::Close, Act::Say("nonsense")] {
            let (lost, taken) = outcome(step, act);
            assert!(matches!(lost, Err(SendError::NotSent(_))), "{step} {act:?}: {lost:?}");
            assert!(!taken);
        }
    }
}

#[test]
fn one_refused_recipient_refuses_the_mail() {
    let (refused, taken) = outcome("RCPT TO:<TWO", Act::Say("550 nobody here"));
    assert!(matches!(&refused, Err(SendError::Rejected(why)) if why.contains("nobody here")));
    assert!(!taken, "the other recipient got nothing");
}

#[test]
fn after_the_message_only_an_answer_is_known() {
    let (refused, taken) = outcome(".", Act::Say("451 disk full"));
    assert!(matches!(&refused, Err(SendError::NotNow(why)) if why.contains("disk full")));
    assert!(!taken);
    let (refused, taken) = outcome(".", Act::Say("554 spam"));
    assert!(matches!(refused, Err(SendError::Rejected(_))), "{refused:?}");
    assert!(!taken);
    for act in [Act::Close, Act::Silence, Act::Say("nonsense"), Act::Say("220 ready")] {
        let (lost, taken) = outcome(".", act);
        assert!(matches!(lost, Err(SendError::Unknown(_))), "{act:?}: {lost:?}");
        assert!(taken, "{act:?}: it went out, and nobody knows");
    }
}

/// Whoever sits on the way can put in a word before its time; some servers lose count.
#[test]
fn an_answer_that_was_there_before_its_question_counts_for_nothing() {
    for step in ["MAIL", "RCPT", "DATA"] {
        for line in ["250 ok", "354 go on", "451 try later", "250 taken\r\n250 taken"] {
            let (outcome, taken) = outcome(step, Act::SayMore(line));
            assert!(matches!(outcome, Err(SendError::NotSent(_))), "{step} {line}: {outcome:?}");
            assert!(!taken, "{step} {line}");
        }
    }
    // After the end of a message its answer counts, and the connection does not.
    let server = MailServer::start(Some((".", Act::SayMore("250 taken"))));
    run(async {
        let sink = SmtpSink::open(&to(&server)).unwrap();
        assert_eq!(send(&sink, "m1", b"x").await, Ok(()));
        assert_eq!(send(&sink, "m2", b"x").await, Ok(()));
    });
    let greetings = server.commands().iter().filter(|line| line.starts_with("EHLO")).count();
    assert_eq!((server.taken().len(), greetings), (2, 2));
}

#[test]
fn what_was_said_before_tls_began_is_not_taken_for_the_servers_word() {
    for act in [Act::SayMore("250 localhost"), Act::SayMore("250-localhost\r\n250 AUTH PLAIN")] {
        for step in ["EHLO", "STARTTLS"] {
            let (certificate, ca, directory) = trusted();
            let secret = directory.path().join("password");
            std::fs::write(&secret, "s3cret").unwrap();
            let extensions = &["STARTTLS", "AUTH PLAIN"];
            let server = MailServer::start_with(Some((step, act)), extensions, Some(certificate));
            let login = Login { user: "me".into(), password: SecretSource::File(secret) };
            let config = SmtpConfig {
                encryption: Encryption::StartTls,
                ca: Some(ca),
                login: Some(login),
                ..to(&server)
            };
            let ready = run(SmtpSink::open(&config).unwrap().ready());
            assert!(matches!(&ready, Err(SinkError::Unavailable(why)) if why.contains("turn")));
            assert!(!server.commands().iter().any(|line| line.starts_with("AUTH")), "{step}");
        }
    }
}

/// Else the last bytes wait for the acknowledgement of those before, and for as long nobody knows what
/// became of the message.
#[test]
fn a_message_leaves_together_with_its_end() {
    let server = MailServer::start(None);
    run(async {
        let sink = SmtpSink::open(&to(&server)).unwrap();
        assert_eq!(send(&sink, "m", &[b'x'; 2000]).await, Ok(()));
        assert_eq!(send(&sink, "large", &vec![b'x'; 1 << 20]).await, Ok(()));
    });
    let taken = server.taken();
    assert_eq!(taken[0].reads_after_data, 1, "one piece, its end included");
    assert!(taken[1].lines.len() > (1 << 20) / 76);
}

#[test]
fn a_server_may_let_its_clients_wait_for_a_greeting() {
    assert_eq!(SmtpConfig::GREETING_TIMEOUT, Duration::from_secs(300));
    let server = MailServer::start(Some(("", Act::Silence)));
    let config = SmtpConfig {
        // For the connection, which is there at once.
        connect_timeout: Duration::from_secs(60),
        greeting_timeout: Duration::from_millis(100),
        ..to(&server)
    };
    let ready = run(SmtpSink::open(&config).unwrap().ready()).unwrap_err().to_string();
    assert!(ready.contains("no greeting in 100ms"), "{ready}");
}

#[test]
fn a_connection_that_broke_is_replaced() {
    let server = MailServer::start(Some((".", Act::Say("451 try later"))));
    run(async {
        let sink = SmtpSink::open(&to(&server)).unwrap();
        for _ in 0..2 {
            let refused = send(&sink, "m", b"x").await;
            assert!(matches!(refused, Err(SendError::NotNow(_))), "{refused:?}");
            let not_sent = sink.send(&message("m", b"x"), stamp(7, 1)).await;
            assert!(matches!(not_sent, Err(SendError::NotSent(_))), "{not_sent:?}");
        }
    });
    let greetings = server.commands().iter().filter(|line| line.starts_with("EHLO")).count();
    assert_eq!(greetings, 2);
}

#[test]
fn a_payload_never_becomes_two_mails() {
    let smuggled = "A: b\n\nhello\n.\nMAIL FROM:<evil@example.org>\r.\r\n.\r\nRCPT TO:<x@y>\n.\r\n";
    let server = MailServer::start(None);
    let config = SmtpConfig { format: MailFormat::Message, ..to(&server) };
    run(async {
        let sink = SmtpSink::open(&config).unwrap();
        assert_eq!(send(&sink, "m", smuggled.as_bytes()).await, Ok(()));
        let no_mail = send(&sink, "m2", b"no headers").await;
        assert!(matches!(no_mail, Err(SendError::Unsendable(_))), "{no_mail:?}");
    });
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].from, "sender@example.org");
    let text = ["hello", ".", "MAIL FROM:<evil@example.org>", ".", ".", "RCPT TO:<x@y>", "."];
    assert!(taken[0].lines.ends_with(&text.map(str::to_owned)), "{:?}", taken[0].lines);
}

#[test]
fn bytes_beyond_ascii_need_a_server_that_takes_them() {
    let payload = "Subject: x\r\n\r\ngrüße";
    let whole = |server: &MailServer| SmtpConfig { format: MailFormat::Message, ..to(server) };
    let server = MailServer::start(None);
    let sink = SmtpSink::open(&whole(&server)).unwrap();
    assert_eq!(run(send(&sink, "m", payload.as_bytes())), Ok(()));
    assert!(server.commands().iter().any(|line| line.ends_with("BODY=8BITMIME")));
    let old = MailServer::start_with(None, &[], None);
    let sink = SmtpSink::open(&whole(&old)).unwrap();
    let refused = run(send(&sink, "m", payload.as_bytes()));
    assert!(matches!(refused, Err(SendError::Rejected(_))), "{refused:?}");
    assert_eq!(old.taken(), []);
}

#[test]
fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    let from = |server: &MailServer| SmtpConfig { from: "ü@example.org".into(), ..to(server) };
    let server = MailServer::start_with(None, &["8BITMIME", "SMTPUTF8"], None);
    let sink = SmtpSink::open(&from(&server)).unwrap();
    assert_eq!(run(send(&sink, "m", b"hello")), Ok(()));
    assert_eq!(server.taken()[0].from, "ü@example.org");
    let commands = server.commands();
    let mail = commands.iter().find(|line| line.starts_with("MAIL")).unwrap();
    assert!(mail.split(' ').any(|parameter| parameter == "SMTPUTF8"), "{mail}");
    let old = MailServer::start(None);
    let sink = SmtpSink::open(&from(&old)).unwrap();
    let refused = run(send(&sink, "m", b"hello"));
    assert!(matches!(refused, Err(SendError::Rejected(_))), "{refused:?}");
    assert_eq!(old.taken(), []);
}

#[test]
fn a_domain_beyond_ascii_is_one_that_every_server_takes() {
    let server = MailServer::start(None);
    let to = vec!["one@bücher.example".into()];
    let config =
        SmtpConfig { from: "a@grüße.example".into(), to, ..config(server.address.port()) };
    assert_eq!(run(send(&SmtpSink::open(&config).unwrap(), "m", b"hello")), Ok(()));
    let mail = &server.taken()[0];
    assert_eq!(mail.from, "a@xn--gre-6ka8l.example");
    assert_eq!(mail.to, ["one@xn--bcher-kva.example"]);
    assert!(!server.commands().iter().any(|line| line.contains("SMTPUTF8")));
}

#[test]
fn a_greeting_names_a_domain_that_it_can_name() {
    for (from, named) in
        [("a@example.org", "example.org"), ("a@grüße.example", "xn--gre-6ka8l.example")]
    {
        let server = MailServer::start(None);
        let config = SmtpConfig { from: from.into(), ..to(&server) };
        let sink = SmtpSink::open(&config).unwrap();
        assert_eq!(run(sink.ready()), Ok(()));
        let commands = server.commands();
        let greeting = commands.iter().find(|line| line.starts_with("EHLO")).unwrap();
        assert_eq!(greeting.split(' ').nth(1), Some(named), "{greeting}");
    }
}

/// As units do that one node delivers side by side.
#[test]
fn whoever_was_ready_at_once_sends_at_once() {
    let server = MailServer::start(None);
    run(async {
        let sink = SmtpSink::open(&to(&server)).unwrap();
        let ready = tokio::join!(sink.ready(), sink.ready());
        assert_eq!(ready, (Ok(()), Ok(())));
        let (one, two) = (message("one", b"x"), message("two", b"x"));
        let sent = tokio::join!(sink.send(&one, stamp(7, 1)), sink.send(&two, stamp(7, 1)));
        assert_eq!(sent, (Ok(()), Ok(())));
    });
    assert_eq!(server.taken().len(), 2);
}

#[test]
fn without_a_connection_nothing_is_sent() {
    let sink = SmtpSink::open(&config(nobody().port())).unwrap();
    run(async {
        let refused = sink.ready().await.unwrap_err();
        assert!(matches!(&refused, SinkError::Unavailable(why) if why.contains("cannot connect")));
        let not_sent = sink.send(&message("m", b"x"), stamp(7, 1)).await;
        assert!(matches!(not_sent, Err(SendError::NotSent(_))), "{not_sent:?}");
    });
    for (at, act) in [("", Act::Say("554 go away")), ("", Act::Silence), ("EHLO", Act::Close)] {
        let server = MailServer::start(Some((at, act)));
        let limit = Duration::from_millis(200);
        let short = SmtpConfig { connect_timeout: limit, greeting_timeout: limit, ..to(&server) };
        let ready = run(SmtpSink::open(&short).unwrap().ready());
        assert!(matches!(ready, Err(SinkError::Unavailable(_))), "{act:?}: {ready:?}");
    }
}

/// A certificate, and a file to trust it by that outlives it.
fn trusted() -> (Certificate, PathBuf, tempfile::TempDir) {
    let certificate = Certificate::new();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::copy(&certificate.ca, &ca).unwrap();
    (certificate, ca, directory)
}

#[test]
fn mail_goes_over_tls_and_after_a_login() {
    for (encryption, extensions) in [
        (Encryption::Tls, &["AUTH PLAIN LOGIN"][..]),
        (Encryption::StartTls, &["STARTTLS", "AUTH PLAIN LOGIN"]),
    ] {
        let (certificate, ca, directory) = trusted();
        let secret = directory.path().join("password");
        std::fs::write(&secret, "s3cret\n").unwrap();
        let server = MailServer::start_with(None, extensions, Some(certificate));
        let login = Login { user: "me".into(), password: SecretSource::File(secret) };
        let config = SmtpConfig { encryption, ca: Some(ca), login: Some(login), ..to(&server) };
        assert_eq!(run(send(&SmtpSink::open(&config).unwrap(), "m", b"x")), Ok(()));
        assert_eq!(server.taken().len(), 1);
        let commands = server.commands();
        let of = |verb: &str| commands.iter().position(|line| line.starts_with(verb));
        assert!(of("AUTH PLAIN AG1lAHMzY3JldA==").is_some(), "{commands:?}");
        assert!(of("STARTTLS") < of("AUTH"), "{commands:?}");

        let untrusted = SmtpConfig { ca: None, ..config };
        let ready = run(SmtpSink::open(&untrusted).unwrap().ready());
        assert!(matches!(ready, Err(SinkError::Unavailable(_))), "{ready:?}");
        assert_eq!(server.taken().len(), 1);
    }
}

#[test]
fn a_server_without_starttls_gets_nothing() {
    let server = MailServer::start(None);
    let config = SmtpConfig { encryption: Encryption::StartTls, ..to(&server) };
    let ready = run(SmtpSink::open(&config).unwrap().ready());
    assert!(matches!(ready, Err(SinkError::Unavailable(_))), "{ready:?}");
    assert!(!server.commands().iter().any(|line| line.starts_with("MAIL")));
}

#[test]
fn a_refused_login_is_not_the_messages_fault() {
    let (certificate, ca, directory) = trusted();
    let secret = directory.path().join("password");
    std::fs::write(&secret, "wrong").unwrap();
    let departure = Some(("AUTH", Act::Say("535 no")));
    let server = MailServer::start_with(departure, &["AUTH PLAIN"], Some(certificate));
    let login = Login { user: "me".into(), password: SecretSource::File(secret) };
    let config = SmtpConfig {
        encryption: Encryption::Tls,
        ca: Some(ca),
        login: Some(login.clone()),
        ..to(&server)
    };
    let ready = run(SmtpSink::open(&config).unwrap().ready()).unwrap_err();
    assert!(matches!(ready, SinkError::Denied(_)), "{ready:?}");
    let ready = ready.to_string();
    assert!(ready.contains("535") && !ready.contains("wrong"), "{ready}");
    let clear = SmtpConfig { login: Some(login), ..to(&server) };
    assert!(SmtpSink::open(&clear).is_err(), "a password never goes in the clear");
}

#[test]
#[ignore = "a measurement: cargo test-prod --test sinks -- --ignored --nocapture mails_a_second"]
fn mails_a_second() {
    const MAILS: u32 = 500;
    let server = MailServer::start(None);
    let began = std::time::Instant::now();
    run(async {
        let sink = SmtpSink::open(&to(&server)).unwrap();
        for number in 0..MAILS {
            assert_eq!(send(&sink, &format!("m{number}"), &[b'x'; 2000]).await, Ok(()));
        }
    });
    println!("{:.0} mails a second", f64::from(MAILS) / began.elapsed().as_secs_f64());
}
