//! Messages of the outbox: what identifies them, where they stand, and which attempt a call is about.

use std::sync::Arc;

use super::text::text;

/// The longest message id and the longest ordering key, in bytes.
pub const MAX_MESSAGE_ID_LEN: usize = 128;

/// The largest payload, in bytes.
pub const MAX_PAYLOAD_LEN: usize = 1 << 20;

text! {
    /// The id of a message, which is also its idempotency key: 1 to [`MAX_MESSAGE_ID_LEN`] bytes
    /// without control characters.
    MessageId: "the id of a message", at most MAX_MESSAGE_ID_LEN
}

text! {
    /// What orders messages: those of one key are sent one after the other, in the order in which
    /// they were enqueued. Looks like a [`MessageId`].
    OrderingKey: "an ordering key", at most MAX_MESSAGE_ID_LEN
}

/// One of 256 equal parts of the outbox, for sharing it among workers. All messages of a key are in
/// one lot, so that one worker has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lot(pub u8);

impl Lot {
    /// The lot of a message. Stores keep it, so it never changes from version to version: FNV-1a of
    /// the key, or else of the id, folded to a byte.
    pub fn of(id: &MessageId, key: Option<&OrderingKey>) -> Self {
        let text = key.map_or(id.as_str(), OrderingKey::as_str);
        let hash = text
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(hash.to_le_bytes().into_iter().fold(0, |folded, byte| folded ^ byte))
    }
}

/// A message to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Its id and idempotency key.
    pub id: MessageId,
    /// What is to be delivered: any bytes, at most [`MAX_PAYLOAD_LEN`].
    pub payload: Arc<[u8]>,
    /// What it is ordered by, if it is.
    pub key: Option<OrderingKey>,
}

impl NewMessage {
    /// A message that is delivered whenever its turn comes.
    pub fn new(id: MessageId, payload: impl Into<Arc<[u8]>>) -> Self {
        Self { id, payload: payload.into(), key: None }
    }

    /// The same message, after all earlier ones of that key.
    #[must_use]
    pub fn with_key(self, key: OrderingKey) -> Self {
        Self { key: Some(key), ..self }
    }
}

/// One attempt to deliver a message: what a claim, a settlement and a proof are about. Without the
/// number, a repeat of a call that arrives late would be taken for a word about a later attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The message.
    pub id: MessageId,
    /// Counts the claims of the message, from 1.
    pub number: u64,
}

/// A message of the outbox that may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id and idempotency key.
    pub id: MessageId,
    /// The number that the next attempt to deliver it has.
    pub attempt: u64,
    /// How many attempts have failed since it was enqueued, or requeued: the sink refused them for
    /// now, or their outcome was unknown and a proof allows another.
    pub failures: u64,
    /// What is to be delivered.
    pub payload: Arc<[u8]>,
}

impl Outgoing {
    /// The next attempt to deliver it.
    pub fn next_attempt(&self) -> Attempt {
        Attempt { id: self.id.clone(), number: self.attempt }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// Nobody has tried to deliver it, or it is proved that no attempt had an effect.
    Pending,
    /// The holder of a token is about to send it.
    Claimed,
    /// The recipient has it.
    Delivered,
    /// The recipient refused it for good, or for now too often: a dead letter.
    Failed,
    /// It may or may not have been sent.
    InDoubt,
}

impl MessageState {
    /// All states, in the order of the numbers that a store keeps for them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Claimed, Self::Delivered, Self::Failed, Self::InDoubt];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::InDoubt => "in doubt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_never_changes_and_a_key_decides_it() {
        let id = |id: &str| MessageId::new(id).unwrap();
        let key = OrderingKey::new("letters").unwrap();
        let lots =
            [Lot::of(&id("a"), None), Lot::of(&id("b"), None), Lot::of(&id("a"), Some(&key))];
        // FNV-1a of "a" is e40c292c, of "b" e70c2de5.
        assert_eq!(lots, [Lot(0xe4 ^ 0x0c ^ 0x29 ^ 0x2c), Lot(0xe7 ^ 0x0c ^ 0x2d ^ 0xe5), lots[2]]);
        assert_eq!(lots[2], Lot::of(&id("b"), Some(&key)));
    }

    #[test]
    fn lots_are_about_equal() {
        let mut sizes = [0_u32; 256];
        for number in 0..25_600 {
            let id = MessageId::new(&format!("m{number}")).unwrap();
            sizes[usize::from(Lot::of(&id, None).0)] += 1;
        }
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!((50..=100).contains(least) && (100..=150).contains(most), "{least} to {most}");
    }
}
