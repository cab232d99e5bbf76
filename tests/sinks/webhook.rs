//! What a webhook receives, and what its answers become.

use std::net::TcpListener;
use std::time::Duration;

use fencepost::SecretSource;
use fencepost::delivery::sinks::{AnySink, SinkConfig, WebhookConfig, WebhookSink};
use fencepost::delivery::{Promise, SendError, Sink, SinkError};
use fencepost::store::MAX_PAYLOAD_LEN;

use crate::certificate::Certificate;
use crate::http_server::{Act, Server, answer, nobody, slam};
use crate::{message, run, stamp};

pub fn config(server: &Server, path: &str) -> WebhookConfig {
    WebhookConfig::plain(server.url(path))
}

pub fn open(config: &WebhookConfig) -> WebhookSink {
    WebhookSink::open(config).unwrap()
}

/// Sends as the dispatcher does: ready first.
pub async fn send(sink: &WebhookSink, id: &str, payload: &[u8]) -> Result<(), SendError> {
    sink.ready().await.unwrap();
    sink.send(&message(id, payload), stamp(7, 1)).await
}

#[test]
fn a_message_is_one_post_with_its_key_and_token() {
    let server = Server::start(|_| Act::Say(answer("204 No Content", "", "")));
    let all: Vec<u8> = (0..=255).collect();
    let largest = vec![0xff; MAX_PAYLOAD_LEN];
    run(async {
        let sink = open(&config(&server, "/hook?tenant=a"));
        for payload in [&b""[..], b"hello", &all, &largest] {
            assert_eq!(send(&sink, "order-17", payload).await, Ok(()));
        }
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    for (request, payload) in seen.iter().zip([&b""[..], b"hello", &all, &largest]) {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/hook?tenant=a"));
        assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
        assert_eq!(request.header("idempotency-key"), Some("order-17"));
        assert_eq!(request.header("fencing-token"), Some("7.1"));
        assert_eq!(request.header("content-type"), Some("application/octet-stream"));
        assert!(request.body == payload, "a payload of {} bytes", payload.len());
        assert_eq!(request.connection, 0, "one connection serves all");
    }
}

#[test]
fn no_id_breaks_out_of_its_header() {
    let server = Server::start(|_| Act::Say(answer("200 OK", "", "")));
    let ids = ["a b", " a", "grüße", "100%", "\"q\", x;y", "a\u{2028}b", "😀", "a:b"];
    run(async {
        let sink = open(&config(&server, "/"));
        for id in ids {
            assert_eq!(send(&sink, id, b"x").await, Ok(()));
        }
    });
    let seen = server.seen();
    let keys: Vec<&str> = seen.iter().map(|it| it.header("idempotency-key").unwrap()).collect();
    assert_eq!(
        keys,
        [
            "a%20b",
            "%20a",
            "gr%C3%BC%C3%9Fe",
            "100%25",
            "\"q\",%20x;y",
            "a%E2%80%A8b",
            "%F0%9F%98%80",
            "a:b"
        ]
    );
    assert!(seen.iter().all(|it| it.headers.len() == seen[0].headers.len()));
}

#[test]
fn configured_headers_are_sent_and_secrets_are_not_shown() {
    let server = Server::start(|_| Act::Say(answer("200 OK", "", "")));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "Bearer s3cret\nnot this line\n").unwrap();
    let config = WebhookConfig {
        content_type: "application/json".parse().unwrap(),
        headers: vec![("x-tenant".parse().unwrap(), "a".parse().unwrap())],
        secret_headers: vec![("authorization".parse().unwrap(), SecretSource::File(file.clone()))],
        ..config(&server, "/")
    };
    run(async { assert_eq!(send(&open(&config), "m", b"{}").await, Ok(())) });
    let seen = &server.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(seen.header("x-tenant"), Some("a"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert!(!format!("{config:?}").contains("s3cret"));

    std::fs::write(&file, "\n").unwrap();
    let error = WebhookSink::open(&config).err().expect("there is no secret").to_string();
    assert!(error.contains("holds no secret") && error.contains("secret"), "{error}");
    let config = WebhookConfig {
        secret_headers: vec![(
            "authorization".parse().unwrap(),
            SecretSource::Env("FENCEPOST_TEST_UNSET".into()),
        )],
        ..config
    };
    let error = WebhookSink::open(&config).err().expect("there is no variable").to_string();
    assert!(error.contains("FENCEPOST_TEST_UNSET"), "{error}");
}

#[test]
fn each_kind_of_answer_has_its_outcome() {
    let cases = ["200 OK", "202 Accepted", "429 Slow Down", "422 No", "503 Busy", "500 Oops"];
    let mut answers = cases.into_iter();
    let server = Server::start(move |_| {
        Act::Say(answer(answers.next().unwrap(), "Retry-After: 9\r\n", "because"))
    });
    let outcomes = run(async {
        let sink = open(&config(&server, "/"));
        let mut outcomes = Vec::new();
        for number in 0..cases.len() {
            outcomes.push(send(&sink, &format!("m{number}"), b"x").await);
        }
        outcomes
    });
    let reason = |status: &str| format!("HTTP {status}; Retry-After: 9: because");
    assert_eq!(
        outcomes,
        [
            Ok(()),
            Ok(()),
            Err(SendError::NotNow(reason("429 Too Many Requests"))),
            Err(SendError::Rejected(reason("422 Unprocessable Entity"))),
            Err(SendError::Unknown(reason("503 Service Unavailable"))),
            Err(SendError::Unknown(reason("500 Internal Server Error"))),
        ]
    );
    assert_eq!(server.seen().len(), cases.len(), "nothing is sent twice");
}

#[test]
fn a_refused_key_is_about_the_sender_and_a_pause_that_was_asked_for_is_told_once() {
    let mut answers = ["401 Who Are You", "503 Busy", "200 OK"].into_iter();
    let server = Server::start(move |_| {
        Act::Say(answer(answers.next().unwrap(), "Retry-After: 9\r\n", "because"))
    });
    run(async {
        let sink = open(&config(&server, "/"));
        let denied = send(&sink, "m1", b"x").await;
        assert!(matches!(denied, Err(SendError::Denied(_))), "{denied:?}");
        let unknown = send(&sink, "m2", b"x").await;
        assert!(matches!(unknown, Err(SendError::Unknown(_))), "{unknown:?}");
        assert_eq!(sink.asks_for(), Some(Duration::from_secs(9)));
        assert_eq!(sink.asks_for(), None);
        assert_eq!(send(&sink, "m3", b"x").await, Ok(()));
        assert_eq!(sink.asks_for(), None);
    });
}

#[test]
fn no_secret_goes_to_another_machine_in_the_clear_and_none_is_shown() {
    let secret = vec![("authorization".parse().unwrap(), SecretSource::Env("UNSET".into()))];
    let clear = WebhookConfig {
        secret_headers: secret,
        ..WebhookConfig::plain("http://example.org/s3cret?key=s3cret".parse().unwrap())
    };
    let refused = WebhookSink::open(&clear).err().expect("in the clear").to_string();
    assert!(refused.contains("in the clear") && !refused.contains("s3cret"), "{refused}");
    let named = WebhookConfig::plain("http://me:s3cret@example.org/".parse().unwrap());
    let refused = WebhookSink::open(&named).err().expect("names a user").to_string();
    assert!(!refused.contains("s3cret"), "{refused}");
    for config in [&clear, &named] {
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Server::start(|_| Act::Say(answer("200 OK", "", "")));
    for (status, is_known) in [("301 Moved", false), ("303 See", false), ("308 Moved", true)] {
        let location = format!("Location: {}\r\n", elsewhere.url("/"));
        let server = Server::start(move |_| Act::Say(answer(status, &location, "")));
        match run(async { send(&open(&config(&server, "/")), "m", b"x").await }) {
            Err(SendError::Rejected(why)) if is_known => assert!(why.contains("correct the url")),
            Err(SendError::Unknown(_)) if !is_known => {}
            other => panic!("{status}: {other:?}"),
        }
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(elsewhere.seen().len(), 0);
}

#[test]
fn without_a_connection_nothing_is_sent() {
    let config = WebhookConfig::plain(format!("http://{}/", nobody()).parse().unwrap());
    let sink = open(&config);
    let configured = AnySink::open(&SinkConfig::Webhook(config)).unwrap();
    run(async {
        assert!(matches!(configured.ready().await, Err(SinkError::Unavailable(_))));
        let refused = sink.ready().await.unwrap_err();
        assert!(matches!(&refused, SinkError::Unavailable(why) if why.contains("cannot connect")));
        let not_sent = sink.send(&message("m", b"x"), stamp(7, 1)).await;
        assert!(matches!(not_sent, Err(SendError::NotSent(_))), "{not_sent:?}");
    });
    let unknown = WebhookConfig::plain("http://fencepost.invalid/".parse().unwrap());
    assert!(matches!(run(open(&unknown).ready()), Err(SinkError::Unavailable(_))));
}

#[test]
fn a_server_that_slams_the_door_is_not_sent_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let slammed = std::thread::spawn(move || slam(&listener));
    let sink = open(&WebhookConfig::plain(url.parse().unwrap()));
    run(async {
        let ready = sink.ready().await;
        slammed.join().unwrap();
        // Whether it saw the end already or only now: no byte of a request was taken.
        let sent = sink.send(&message("m", b"x"), stamp(7, 1)).await;
        match (ready, sent) {
            (Err(SinkError::Unavailable(_)), Err(SendError::NotSent(_))) => {}
            (Ok(()), Err(SendError::NotSent(_) | SendError::Unknown(_))) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_connection_is_used_again_unless_the_server_closes_it() {
    let mut number = 0;
    let server = Server::start(move |_| {
        number += 1;
        match number {
            2 => Act::SayAndClose(answer("200 OK", "Connection: close\r\n", "")),
            _ => Act::Say(answer("200 OK", "", "some text")),
        }
    });
    run(async {
        let sink = open(&config(&server, "/"));
        for number in 0..4 {
            assert_eq!(send(&sink, &format!("m{number}"), b"x").await, Ok(()));
        }
    });
    let connections: Vec<usize> = server.seen().iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 0, 1, 1]);
}

#[test]
fn each_request_has_a_connection_of_its_own_if_the_configuration_says_so() {
    let server = Server::start(|_| Act::Say(answer("200 OK", "", "some text")));
    run(async {
        let sink = open(&WebhookConfig { keep_alive: false, ..config(&server, "/") });
        for number in 0..3 {
            assert_eq!(send(&sink, &format!("m{number}"), b"x").await, Ok(()));
        }
    });
    let connections: Vec<usize> = server.seen().iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[test]
fn tls_reaches_only_whom_it_trusts() {
    let certificate = Certificate::new();
    let other = Certificate::new();
    let ca = certificate.ca.clone();
    let kept = std::fs::read(&ca).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let trusted = directory.path().join("ca.pem");
    std::fs::write(&trusted, kept).unwrap();
    let server = Server::start_tls(certificate, |_| Act::Say(answer("200 OK", "", "")));
    let url = |host: &str| format!("https://{host}:{}/", server.address.port()).parse().unwrap();
    let with = |host: &str, ca: Option<&std::path::Path>| WebhookConfig {
        ca: ca.map(Into::into),
        ..WebhookConfig::plain(url(host))
    };
    run(async {
        assert_eq!(send(&open(&with("localhost", Some(&trusted))), "m", b"x").await, Ok(()));
        for wrong in [
            with("localhost", None),
            with("localhost", Some(&other.ca)),
            with("127.0.0.1", Some(&trusted)),
        ] {
            let sink = open(&wrong);
            let refused = sink.ready().await.unwrap_err();
            assert!(matches!(&refused, SinkError::Unavailable(why) if why.contains("TLS")));
            let not_sent = sink.send(&message("m2", b"x"), stamp(7, 1)).await;
            assert!(matches!(not_sent, Err(SendError::NotSent(_))), "{not_sent:?}");
        }
    });
    assert_eq!(server.seen().len(), 1);
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let error = WebhookSink::open(&with("localhost", Some(&empty))).err().unwrap().to_string();
    assert!(error.contains("empty.pem") && error.contains("no certificate"), "{error}");
}

#[test]
fn a_server_that_does_not_speak_tls_is_given_up() {
    // It accepts, and waits for a request that never comes.
    let server = Server::start(|_| Act::Silence);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    let with = |port: u16| WebhookConfig {
        connect_timeout: Duration::from_millis(200),
        ..WebhookConfig::plain(format!("https://localhost:{port}/").parse().unwrap())
    };
    run(async {
        for port in [server.address.port(), silent.port()] {
            assert!(matches!(open(&with(port)).ready().await, Err(SinkError::Unavailable(_))));
        }
    });
    assert_eq!(server.seen(), []);
}

#[test]
fn a_promise_is_what_the_configuration_says() {
    let server = Server::start(|_| Act::Silence);
    for promise in [Promise::Fenced, Promise::Deduplicates { window: Duration::from_secs(9) }] {
        let sink = open(&WebhookConfig { promise, ..config(&server, "/") });
        assert_eq!(sink.promise(), promise);
    }
    let plain = open(&config(&server, "/"));
    assert!(matches!(run(plain.fence(stamp(1, 0))), Err(SinkError::Unavailable(_))));
}
