//! A receiver that fences, as `WebhookSink` describes it, and those that only look like one.

use std::collections::BTreeSet;

use fencepost::delivery::sinks::{WebhookConfig, WebhookSink};
use fencepost::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use fencepost::store::MessageId;

use crate::http_server::{Act, Seen, Server, answer};
use crate::webhook::{config, open};
use crate::{message, run, stamp};

/// All that such a receiver has to remember.
#[derive(Default)]
struct Receiver {
    highest: Stamp,
    delivered: BTreeSet<String>,
    effects: Vec<String>,
}

impl Receiver {
    fn handle(&mut self, request: &Seen) -> Act {
        let stamp: Stamp = request.header("fencing-token").unwrap().parse().unwrap();
        if stamp < self.highest {
            let highest = format!("Fencing-Token: {}\r\n", self.highest);
            return Act::Say(answer("409 Conflict", &highest, ""));
        }
        self.highest = stamp;
        let seen = format!("Fencing-Token: {stamp}\r\n");
        match (request.method.as_str(), request.target.as_str()) {
            ("POST", "/hook") => {
                let key = request.header("idempotency-key").unwrap().to_owned();
                if self.delivered.insert(key.clone()) {
                    self.effects.push(key);
                }
                Act::Say(answer("200 OK", "", ""))
            }
            ("POST", "/hook/fence") => Act::Say(answer("204 No Content", &seen, "")),
            ("GET", target) => {
                let id = target.strip_prefix("/hook/messages/").unwrap();
                let has = self.delivered.contains(id).to_string();
                Act::Say(answer("200 OK", &seen, &has))
            }
            _ => Act::Say(answer("404 Not Found", "", "")),
        }
    }
}

fn fenced(server: &Server) -> WebhookSink {
    open(&WebhookConfig { promise: Promise::Fenced, ..config(server, "/hook") })
}

fn id(id: &str) -> MessageId {
    MessageId::new(id).unwrap()
}

async fn send(sink: &WebhookSink, id: &str, stamp: Stamp) -> Result<(), SendError> {
    sink.ready().await.unwrap();
    sink.send(&message(id, b"x"), stamp).await
}

#[test]
fn lower_stamps_are_refused_and_questions_are_answered() {
    let mut receiver = Receiver::default();
    let server = Server::start(move |request| receiver.handle(request));
    run(async {
        let (old, new) = (fenced(&server), fenced(&server));
        assert_eq!(send(&old, "m1", stamp(9, 0)).await, Ok(()));
        assert_eq!(new.fence(stamp(10, 1)).await, Ok(()));
        assert_eq!(new.fence(stamp(10, 1)).await, Ok(()));
        let highest = stamp(10, 1);
        assert_eq!(send(&old, "m2", stamp(9, 0)).await, Err(SendError::Fenced { highest }));
        assert_eq!(send(&new, "m2", stamp(10, 0)).await, Err(SendError::Fenced { highest }));
        assert_eq!(old.fence(stamp(9, 7)).await, Err(SinkError::Fenced { highest }));
        assert_eq!(old.has(&id("m1"), stamp(9, 0)).await, Err(SinkError::Fenced { highest }));
        assert_eq!(new.has(&id("m1"), highest).await, Ok(true));
        assert_eq!(new.has(&id("m2"), highest).await, Ok(false));
        assert_eq!(send(&new, "m2", highest).await, Ok(()));
        assert_eq!(new.has(&id("m2"), highest).await, Ok(true));
    });
}

#[test]
fn an_id_is_one_segment_of_the_path() {
    let server = Server::start(|request| {
        let stamp = request.header("fencing-token").unwrap();
        Act::Say(answer("200 OK", &format!("Fencing-Token: {stamp}\r\n"), "false"))
    });
    run(async {
        let sink = fenced(&server);
        for name in ["../secret", "a/b?c#d", "grüße", ".."] {
            assert_eq!(sink.has(&id(name), stamp(1, 1)).await, Ok(false));
        }
    });
    let targets: Vec<String> = server.seen().into_iter().map(|request| request.target).collect();
    assert_eq!(
        targets,
        [
            "/hook/messages/%2E%2E%2Fsecret",
            "/hook/messages/a%2Fb%3Fc%23d",
            "/hook/messages/gr%C3%BC%C3%9Fe",
            "/hook/messages/%2E%2E"
        ]
    );
}

/// How much of an answer is read.
const MAX_BODY: usize = 16_384;

#[test]
fn an_answer_is_read_up_to_its_limit_and_not_taken_in_half() {
    for (len, is_taken) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
        let server = Server::start(move |request| {
            let stamp = request.header("fencing-token").unwrap();
            let body = format!("{:<len$}", "true");
            Act::Say(answer("200 OK", &format!("Fencing-Token: {stamp}\r\n"), &body))
        });
        let has = run(async { fenced(&server).has(&id("m"), stamp(7, 1)).await });
        match is_taken {
            true => assert_eq!(has, Ok(true)),
            false => assert!(matches!(has, Err(SinkError::Unavailable(_))), "{has:?}"),
        }
    }
}

#[test]
fn a_server_that_only_looks_like_a_receiver_proves_nothing() {
    for (status, headers, body) in [
        ("200 OK", "", "false"),
        ("200 OK", "Fencing-Token: 6.0\r\n", "false"),
        ("200 OK", "Fencing-Token: 8.0\r\n", "false"),
        ("404 Not Found", "", ""),
        ("404 Not Found", "Fencing-Token: 7.1\r\n", "false"),
        ("500 Oops", "Fencing-Token: 7.1\r\n", "false"),
        ("200 OK", "Fencing-Token: 7.1\r\n", "perhaps"),
    ] {
        let server = Server::start(move |_| Act::Say(answer(status, headers, body)));
        run(async {
            let sink = fenced(&server);
            let has = sink.has(&id("m"), stamp(7, 1)).await;
            assert!(matches!(has, Err(SinkError::Unavailable(_))), "{status} {headers}: {has:?}");
            if body != "perhaps" {
                let fence = sink.fence(stamp(7, 1)).await;
                assert!(matches!(fence, Err(SinkError::Unavailable(_))), "{fence:?}");
            }
        });
    }
    let silent = Server::start(|_| Act::SayAndClose(Vec::new()));
    let has = run(async { fenced(&silent).has(&id("m"), stamp(7, 1)).await });
    assert!(matches!(has, Err(SinkError::Unavailable(_))), "{has:?}");
}
