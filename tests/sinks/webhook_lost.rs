//! Answers that never come, come too late, or come in pieces: unknown, but for what was said.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use fencepost::delivery::sinks::WebhookConfig;
use fencepost::delivery::{SendError, Sink};

use crate::http_server::{Act, Server, answer};
use crate::webhook::{config, open, send};
use crate::{message, run, stamp};

fn short(server: &Server) -> WebhookConfig {
    WebhookConfig { timeout: Duration::from_millis(200), ..config(server, "/") }
}

#[track_caller]
fn assert_unknown(outcome: Result<(), SendError>) {
    assert!(matches!(&outcome, Err(SendError::Unknown(why)) if !why.is_empty()), "{outcome:?}");
}

#[test]
fn a_connection_that_ends_instead_of_an_answer_is_unknown() {
    for piece in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-", "nonsense\r\n\r\n"] {
        let server = Server::start(move |_| Act::SayAndClose(piece.into()));
        assert_unknown(run(async { send(&open(&config(&server, "/")), "m", b"x").await }));
        assert_eq!(server.seen().len(), 1, "{piece:?}: the effect is there, nobody knows");
    }
}

#[test]
fn a_connection_that_ends_within_the_request_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Closed with bytes unread, which resets it: no effect, and nobody can know.
        stream.read_exact(&mut [0; 10]).unwrap();
    });
    let sink = open(&WebhookConfig::plain(url.parse().unwrap()));
    assert_unknown(run(async { send(&sink, "m", &[b'x'; 1 << 20]).await }));
}

#[test]
fn a_kept_connection_that_breaks_under_a_request_is_the_last_kept_one() {
    let mut number = 0;
    let server = Server::start(move |_| {
        number += 1;
        match number {
            2 => Act::SayAndClose(Vec::new()),
            _ => Act::Say(answer("200 OK", "", "")),
        }
    });
    run(async {
        let sink = open(&config(&server, "/"));
        assert_eq!(send(&sink, "m1", b"x").await, Ok(()));
        assert_unknown(send(&sink, "m2", b"x").await);
        for id in ["m3", "m4"] {
            assert_eq!(send(&sink, id, b"x").await, Ok(()));
        }
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 4, "it was not sent again");
    let connections: Vec<usize> = seen.iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 0, 1, 2]);
}

#[test]
fn a_late_answer_is_unknown_and_the_connection_is_given_up() {
    let server = Server::start(|_| Act::Silence);
    run(async {
        let sink = open(&short(&server));
        assert_unknown(send(&sink, "m", b"x").await);
        // The server waits for as long as the connection lasts.
        assert_eq!(server.ended.recv(), Ok(0));
    });
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_send_that_is_given_up_leaves_nothing_behind() {
    // Reads nothing of a request that is larger than what the kernel holds.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (given_up, was_given_up) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        was_given_up.recv().unwrap();
        let mut read = Vec::new();
        // The connection was reset: what is left of the request never comes.
        stream.read_to_end(&mut read).map(|_| read.len())
    });
    let config = WebhookConfig {
        timeout: Duration::from_millis(200),
        ..WebhookConfig::plain(url.parse().unwrap())
    };
    let payload = vec![b'x'; 64 << 20];
    assert_unknown(run(async { send(&open(&config), "m", &payload).await }));
    given_up.send(()).unwrap();
    match reader.join().unwrap() {
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        Ok(len) => panic!("the request ended in order after {len} bytes"),
    }
}

#[test]
fn what_was_said_counts_however_the_body_ends() {
    let said = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\nhalf");
    for (act, is_delivered) in [
        (Act::SayAndClose(said("200 OK").into()), true),
        (Act::SayAndClose(said("500 Oops").into()), false),
        (Act::SayForEver(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"more and more"), true),
        (Act::SayForEver(b"HTTP/1.1 500 Oops\r\n\r\n".to_vec(), b"more and more"), false),
        (Act::SayForEver(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-More: and more\r\n"), false),
        (Act::SayForEver(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n"), false),
    ] {
        let mut act = Some(act);
        let server = Server::start(move |_| act.take().unwrap_or(Act::Silence));
        let outcome = run(async { send(&open(&short(&server)), "m", b"x").await });
        match is_delivered {
            true => assert_eq!(outcome, Ok(())),
            false => assert_unknown(outcome),
        }
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_body_that_stalls_does_not_hold_the_sink_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
        // Until the client has had enough.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let config = WebhookConfig {
        // Long enough for a busy machine to send the head of an answer.
        timeout: Duration::from_secs(1),
        ..WebhookConfig::plain(url.parse().unwrap())
    };
    assert_eq!(run(async { send(&open(&config), "m", b"x").await }), Ok(()));
}

#[test]
fn a_connection_is_used_up_by_what_was_given_up() {
    let mut number = 0;
    let server = Server::start(move |_| {
        number += 1;
        match number {
            1 => Act::Silence,
            _ => Act::Say(answer("200 OK", "", "")),
        }
    });
    run(async {
        let sink = open(&short(&server));
        assert_unknown(send(&sink, "m1", b"x").await);
        let not_sent = sink.send(&message("m2", b"x"), stamp(7, 1)).await;
        assert!(matches!(not_sent, Err(SendError::NotSent(_))), "{not_sent:?}");
        assert_eq!(send(&sink, "m2", b"x").await, Ok(()));
    });
    let connections: Vec<usize> = server.seen().iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 1]);
}
