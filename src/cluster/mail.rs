//! What components of different nodes say to each other, beside the election and over its transport.
//!
//! Letters get lost, late, repeated and out of order, and nobody is told: what they are about must
//! repeat itself. Every queue is bounded, and what finds it full is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tracing::debug;

use crate::id::NodeId;
use crate::store::WorkName;

/// The longest body of a letter, in bytes.
pub const MAX_LETTER_LEN: usize = 32 * 1024;

/// How many letters wait to leave the node.
const OUT_LEN: usize = 256;

/// How many letters about one work wait to be read.
const BOX_LEN: usize = 256;

/// What one node's part in a work says to another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Who says it.
    pub from: NodeId,
    /// About which work.
    pub work: WorkName,
    /// What: the work's own affair. At most [`MAX_LETTER_LEN`] bytes.
    pub body: Arc<[u8]>,
}

/// A letter on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// To this node.
    pub to: NodeId,
    /// This.
    pub letter: Letter,
}

/// A node's mail. What it sends to itself arrives without a detour.
pub struct Mail {
    me: NodeId,
    out: mpsc::Sender<Outgoing>,
    boxes: Mutex<BTreeMap<WorkName, mpsc::Sender<Letter>>>,
}

impl Mail {
    /// The mail of a node, and what is to be carried to other nodes.
    pub fn new(me: NodeId) -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (out, letters) = mpsc::channel(OUT_LEN);
        (Arc::new(Self { me, out, boxes: Mutex::default() }), letters)
    }

    /// Where letters about this work arrive from now on; `None` if somebody else reads them.
    pub fn open(&self, work: &WorkName) -> Option<mpsc::Receiver<Letter>> {
        let mut boxes = self.boxes();
        if boxes.get(work).is_some_and(|open| !open.is_closed()) {
            return None;
        }
        let (sender, letters) = mpsc::channel(BOX_LEN);
        boxes.insert(work.clone(), sender);
        Some(letters)
    }

    /// Sends a letter, or drops it.
    pub fn send(&self, to: NodeId, work: &WorkName, body: impl Into<Arc<[u8]>>) {
        let letter = Letter { from: self.me, work: work.clone(), body: body.into() };
        if to == self.me {
            self.deliver(letter);
        } else if self.out.try_send(Outgoing { to, letter }).is_err() {
            debug!(%to, %work, "no room for a letter: it was dropped");
        }
    }

    /// Puts a letter that arrived where it is read, or drops it.
    pub fn deliver(&self, letter: Letter) {
        let (from, work) = (letter.from, letter.work.clone());
        let reader = self.boxes().get(&work).cloned();
        if reader.is_none_or(|reader| reader.try_send(letter).is_err()) {
            debug!(%from, %work, "nobody reads, or too slowly: a letter was dropped");
        }
    }

    fn boxes(&self) -> MutexGuard<'_, BTreeMap<WorkName, mpsc::Sender<Letter>>> {
        // A panic while the lock was held leaves a whole map.
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("me", &self.me).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(name: &str) -> WorkName {
        WorkName::new(name).unwrap()
    }

    #[test]
    fn letters_find_their_reader_or_are_dropped() {
        let [me, other] = ["n1", "n2"].map(|name| name.parse().unwrap());
        let (mail, mut out) = Mail::new(me);
        let mut read = mail.open(&work("a")).unwrap();
        assert!(mail.open(&work("a")).is_none(), "one reader a work");
        mail.send(other, &work("a"), *b"out");
        mail.send(me, &work("a"), *b"own");
        mail.send(me, &work("b"), *b"nobody's");
        assert_eq!(out.try_recv().unwrap().to, other);
        assert!(out.try_recv().is_err());
        assert_eq!(read.try_recv().unwrap().body[..], *b"own");
        assert!(read.try_recv().is_err());
        drop(read);
        assert!(mail.open(&work("a")).is_some(), "the reader has gone");
    }

    #[test]
    fn a_full_box_takes_no_more() {
        let me = "n1".parse().unwrap();
        let (mail, out) = Mail::new(me);
        let mut read = mail.open(&work("a")).unwrap();
        for number in 0..2 * BOX_LEN {
            mail.send(me, &work("a"), number.to_be_bytes());
        }
        let kept = std::iter::from_fn(|| read.try_recv().ok()).count();
        assert_eq!(kept, BOX_LEN);
        drop(out);
        mail.send("n2".parse().unwrap(), &work("a"), *b"");
    }
}
