//! What an answer proves. Whatever does not clearly say that nothing happened is unknown, because
//! what is called known is sent again.

use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use http::header::{DATE, RETRY_AFTER};

use super::client::Answer;
use super::{FENCING_TOKEN, WebhookConfig};
use crate::delivery::{Promise, SendError, SinkError, Stamp};
use crate::time::WallTime;

/// How much of an answer's text goes into a reason, in characters.
const MAX_EXCERPT: usize = 200;

/// What became of a message that was answered so.
///
/// - 2xx: the receiver has it.
/// - 409 and 412 with a higher `Fencing-Token`, from a receiver that fences: fenced.
/// - What the configuration says is a refusal for now: no effect, it may be tried again. Of these 401 is
///   about the sender, whatever it sends: not let in.
/// - 409 from a receiver that deduplicates: unknown, it is still at the same key.
/// - 307 and 308, which say that the same request belongs elsewhere, and other 4xx: rejected.
/// - 408, 1xx, all other 3xx and all 5xx: unknown. A part of the request may have been acted on, a redirect
///   is also how a form says "done", and a gateway's 5xx says nothing of the server behind it.
pub(super) fn outcome(
    answer: &Answer,
    config: &WebhookConfig,
    stamp: Stamp,
) -> Result<(), SendError> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let fences = config.promise == Promise::Fenced && is_conflict(status);
    if let Some(highest) = seen(answer).filter(|highest| fences && *highest > stamp) {
        return Err(SendError::Fenced { highest });
    }
    let reason = describe(answer);
    if config.refused_for_now.contains(&status.as_u16()) {
        return Err(match status {
            StatusCode::UNAUTHORIZED => SendError::Denied(reason),
            _ => SendError::NotNow(reason),
        });
    }
    let deduplicates = matches!(config.promise, Promise::Deduplicates { .. });
    Err(match status {
        StatusCode::CONFLICT if deduplicates => SendError::Unknown(reason),
        StatusCode::REQUEST_TIMEOUT => SendError::Unknown(reason),
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
            SendError::Rejected(format!("{reason}; redirects are not followed: correct the url"))
        }
        status if status.is_client_error() => SendError::Rejected(reason),
        _ => SendError::Unknown(reason),
    })
}

/// For how long the receiver asks to be left alone, if it refuses something because there is too much of it
/// or it is away. A date is held against the receiver's own clock where it tells that, else against
/// `wall`.
pub(super) fn asks_for(
    answer: &Answer,
    config: &WebhookConfig,
    wall: WallTime,
) -> Option<Duration> {
    let status = answer.status;
    let may_ask = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if !may_ask && !config.refused_for_now.contains(&status.as_u16()) {
        return None;
    }
    let header = |name| answer.headers.get(name)?.to_str().ok().map(str::trim);
    let text = header(RETRY_AFTER)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Whatever is too long to be a number is longer than any cap.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = header(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.unwrap_or(UNIX_EPOCH + Duration::from_millis(wall.unix_ms));
    until.duration_since(now).ok()
}

/// The answer to a question that carried `stamp`, if it came from a receiver that knows what a
/// stamp is.
pub(super) fn fenced(answer: Answer, stamp: Stamp) -> Result<Answer, SinkError> {
    match seen(&answer) {
        Some(highest) if is_conflict(answer.status) && highest > stamp => {
            Err(SinkError::Fenced { highest })
        }
        Some(same) if answer.status.is_success() && same == stamp => Ok(answer),
        _ if answer.status.is_success() => {
            let why = format!(
                "it answered {} without Fencing-Token: {stamp}: it is no receiver that fences",
                answer.status
            );
            Err(SinkError::Unavailable(why))
        }
        _ => Err(SinkError::Unavailable(describe(&answer))),
    }
}

/// Whether the receiver has the message that it was asked about.
pub(super) fn yes_or_no(answer: &Answer) -> Result<bool, SinkError> {
    match answer.body.trim_ascii() {
        b"true" if answer.is_whole => Ok(true),
        b"false" if answer.is_whole => Ok(false),
        _ => {
            let why = format!("neither true nor false: {}", describe(answer));
            Err(SinkError::Unavailable(why))
        }
    }
}

fn is_conflict(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
}

/// The highest stamp that the receiver says it has seen.
fn seen(answer: &Answer) -> Option<Stamp> {
    answer.headers.get(FENCING_TOKEN)?.to_str().ok()?.trim().parse().ok()
}

/// The answer in words: never longer than a line, whatever the receiver wrote.
fn describe(answer: &Answer) -> String {
    let mut out = format!("HTTP {}", answer.status);
    if let Some(after) = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()) {
        out += &format!("; Retry-After: {}", after.chars().take(40).collect::<String>());
    }
    let text = String::from_utf8_lossy(&answer.body);
    let words: String = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if !words.is_empty() {
        out += &format!(": {}", words.chars().take(MAX_EXCERPT).collect::<String>());
    }
    out
}

#[cfg(test)]
mod tests;
