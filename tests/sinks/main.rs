//! The real sinks against servers on the loopback interface that record what they see and decide
//! themselves when, and whether, they answer. Real builds only: `cargo test-prod --test sinks`.

#![cfg(not(madsim))]

mod certificate;
mod command;
mod http_server;
mod smtp;
mod smtp_server;
mod webhook;
mod webhook_fenced;
mod webhook_lost;

use fencepost::Token;
use fencepost::delivery::Stamp;
use fencepost::store::{MessageId, Outgoing};

fn stamp(token: u64, round: u32) -> Stamp {
    Stamp { token: Token(token), round }
}

fn message(id: &str, payload: &[u8]) -> Outgoing {
    Outgoing { id: MessageId::new(id).unwrap(), attempt: 1, failures: 0, payload: payload.into() }
}

/// Runs a test on a thread of its own runtime, which ends with it.
fn run<R>(test: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}
