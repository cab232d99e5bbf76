//! Values as databases keep them: numbers are signed 64-bit integers.
//!
//! Tokens fit, as far as they are activated; times that do not fit are past any that matters and
//! become the last one that does.

use crate::id::{Identity, Incarnation, Token};
use crate::store::MessageState;
use crate::time::WallTime;

pub(super) fn signed(token: Token) -> i64 {
    number(token.0)
}

pub(super) fn as_token(number: i64) -> Token {
    Token(u64::try_from(number).unwrap_or(0))
}

pub(super) fn millis(time: WallTime) -> i64 {
    number(time.unix_ms)
}

pub(super) fn as_wall(number: i64) -> WallTime {
    WallTime { unix_ms: u64::try_from(number).unwrap_or(0) }
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The state of that number, if it is one.
pub(super) fn as_state(number: i64) -> Option<MessageState> {
    usize::try_from(number).ok().and_then(|number| MessageState::ALL.get(number)).copied()
}

/// Whom [`Identity`]'s text names, if it is one.
pub(super) fn as_holder(text: &str) -> Option<Identity> {
    let (node, incarnation) = text.rsplit_once('/')?;
    let incarnation = Incarnation(incarnation.parse().ok()?);
    Some(Identity { node: node.parse().ok()?, incarnation })
}
