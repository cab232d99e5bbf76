//! Questions and answers over the links: how a node reaches the database and the sink.
//!
//! Each question is a request of its own; it, or its answer, can be late or lost, and then the asker
//! cannot know whether it was carried out.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::links::{Links, SharedMailbox, Traffic};
use super::place::Place;
use super::service::Service;
use super::timer::{Timer, nanos};

/// A question on its way, with the place its answer goes to.
pub struct Asked<Q, A> {
    /// The question.
    pub question: Q,
    /// Who asks.
    pub from: Place,
    /// Which process of the service it was sent to.
    pub epoch: u64,
    reply: Arc<Reply<A>>,
}

struct Reply<A> {
    inner: Mutex<(Answer<A>, Option<Waker>)>,
}

enum Answer<A> {
    Awaited,
    Here(A),
    TimedOut,
}

impl<A> Reply<A> {
    /// Sets the answer unless there is one, and wakes the asker.
    fn set(&self, answer: Answer<A>) {
        let mut inner = self.inner.lock().expect("never held across a panic");
        if !matches!(inner.0, Answer::Here(_)) {
            inner.0 = answer;
        }
        if let Some(waker) = inner.1.take() {
            drop(inner);
            waker.wake();
        }
    }
}

/// One node's way to a service.
pub struct Client<Q, A> {
    /// The network.
    pub links: Arc<Links>,
    /// True time.
    pub timer: Timer,
    /// Who asks.
    pub here: Place,
    /// Where the service lives.
    pub there: Place,
    /// Its state.
    pub service: Arc<Service>,
    /// Where it reads.
    pub mailbox: SharedMailbox<Asked<Q, A>>,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

impl<Q: Send + 'static, A: Send + 'static> Client<Q, A> {
    /// Asks and waits for the answer. `None`: none came in time. The question may have been carried
    /// out, or may still be.
    pub async fn ask(&self, question: Q) -> Option<A> {
        let reply = Arc::new(Reply { inner: Mutex::new((Answer::Awaited, None)) });
        let epoch = self.service.epoch();
        let asked = Asked { question, from: self.here, epoch, reply: Arc::clone(&reply) };
        let fate = self.links.route(self.here, self.there, Traffic::Request);
        if let Some(arrives) = fate.arrives[0] {
            self.mailbox.send(&self.links, arrives, asked);
        }
        let give_up = self.timer.now() + nanos(self.timeout);
        // Weak: an answered question leaves nothing behind but a timer.
        let waiting = Arc::downgrade(&reply);
        self.timer.at(give_up, move || {
            if let Some(reply) = waiting.upgrade() {
                reply.set(Answer::TimedOut);
            }
        });
        poll_fn(|cx| {
            let mut inner = reply.inner.lock().expect("never held across a panic");
            match std::mem::replace(&mut inner.0, Answer::Awaited) {
                Answer::Here(answer) => Poll::Ready(Some(answer)),
                Answer::TimedOut => Poll::Ready(None),
                Answer::Awaited => {
                    inner.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// The other end: what a service answers with.
pub struct Server {
    /// The network.
    pub links: Arc<Links>,
    /// Where the service lives.
    pub here: Place,
    /// Its state.
    pub service: Arc<Service>,
}

impl Server {
    /// Sends an answer back, `late` nanoseconds later than usual. It is lost if the process ends
    /// before it has arrived.
    pub fn answer<Q, A: Send + 'static>(&self, asked: Asked<Q, A>, answer: A, late: u64) {
        let Asked { from, reply, .. } = asked;
        if let Some(arrives) = self.links.route(self.here, from, Traffic::Request).arrives[0] {
            let (service, epoch) = (Arc::clone(&self.service), self.service.epoch());
            self.links.at(arrives + late, move || {
                if service.epoch() == epoch {
                    reply.set(Answer::Here(answer));
                }
            });
        }
    }

    /// What the machine answers when the process cannot.
    pub fn refuse<Q, A: Send + 'static>(&self, asked: Asked<Q, A>, answer: A) {
        let Asked { from, reply, .. } = asked;
        if let Some(arrives) = self.links.route(self.here, from, Traffic::Request).arrives[0] {
            self.links.at(arrives, move || reply.set(Answer::Here(answer)));
        }
    }
}
