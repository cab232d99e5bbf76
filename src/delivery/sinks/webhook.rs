//! A sink that posts messages to a web server.
//!
//! Each message is one `POST` of its payload to the URL, with
//! - `Idempotency-Key: <message id>`, the same for every attempt, escaped as in URLs where it is not
//!   visible ASCII;
//! - `Fencing-Token: <token>.<round>`, which rises with every leader and every settlement of doubts.
//!
//! `answer` says what an answer proves. Redirects are not followed, nothing is sent twice, and no proxy is
//! taken from the environment.
//!
//! **A receiver that deduplicates** ([`Promise::Deduplicates`]) acts on a key once within its
//! window and answers a repeated one as it did the first time, or with 409 while it is still at it.
//!
//! **A receiver that fences** ([`Promise::Fenced`]) keeps the highest `Fencing-Token` it has seen,
//! compares token and round as numbers, durably and in one step with the effect, and
//! - refuses a request with a lower one by 409 or 412, with the highest in `Fencing-Token`;
//! - takes a message that it has already without a second effect, and answers 2xx;
//! - answers `POST {url}/fence` with 2xx and the token that it was given in `Fencing-Token`;
//! - answers `GET {url}/messages/{id}` with 200, that token and the text `true` or `false`: whether
//!   it has the message. The token is taken as in any request.
//!
//! The token in those answers is what tells such a receiver from a web server that answers
//! everything with 200, or nothing with 404.

mod answer;
mod client;
mod escape;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Bytes;

use self::client::{Answer, Client, Failure};
use super::{SinkOpenError, WebhookConfig};
use crate::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use crate::store::{MessageId, Outgoing};
use crate::time::{Clock, SystemClock};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FENCING_TOKEN: HeaderName = HeaderName::from_static("fencing-token");

/// Delivers by `POST` to a URL.
pub struct WebhookSink {
    client: Client,
    config: WebhookConfig,
    /// What all requests carry.
    headers: HeaderMap,
    /// For how long the receiver asked to be left alone.
    asked: Mutex<Option<Duration>>,
}

impl WebhookSink {
    /// The sink that `config` describes. No connection is made yet.
    ///
    /// # Errors
    /// The URL is none that messages can be posted to, a secret would be sent in the clear, or a secret or
    /// certificate cannot be read.
    pub fn open(config: &WebhookConfig) -> Result<Self, SinkOpenError> {
        if config.is_in_the_clear() && !config.secret_headers.is_empty() {
            let why = "secret headers would be sent in the clear to another machine: use https";
            return Err(SinkOpenError::invalid("url", why));
        }
        let mut headers = HeaderMap::new();
        let authority = config.url.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(SinkOpenError::invalid("url", "it names a user: use a secret header"));
        }
        let host = HeaderValue::from_str(authority)
            .map_err(|error| SinkOpenError::invalid("url", error))?;
        headers.insert(HOST, host);
        for (name, value) in &config.headers {
            headers.append(name, value.clone());
        }
        for (name, source) in &config.secret_headers {
            let mut value = HeaderValue::from_str(&source.read()?)
                .map_err(|error| SinkOpenError::invalid(format!("the header {name}"), error))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let asked = Mutex::default();
        Ok(Self { client: Client::new(config)?, config: config.clone(), headers, asked })
    }

    /// A request for what lies at `below` the URL, with everything that all requests carry.
    fn request(
        &self,
        method: Method,
        below: &str,
        stamp: Stamp,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let unusable = |error: http::Error| format!("cannot make a request of it: {error}");
        let target = target(&self.config.url, below).map_err(unusable)?;
        let mut request = Request::builder()
            .method(method)
            .uri(Uri::from(target))
            .body(Full::new(body))
            .map_err(unusable)?;
        request.headers_mut().extend(self.headers.clone());
        let stamp = HeaderValue::from_str(&stamp.to_string()).map_err(|error| error.to_string())?;
        request.headers_mut().insert(FENCING_TOKEN, stamp);
        Ok(request)
    }

    /// A question, whose answer changes no message.
    async fn ask(&self, method: Method, below: &str, stamp: Stamp) -> Result<Answer, SinkError> {
        if self.config.promise != Promise::Fenced {
            let why = "this webhook is not configured as one that can be fenced and asked";
            return Err(SinkError::Unavailable(why.into()));
        }
        let request =
            self.request(method, below, stamp, Bytes::new()).map_err(SinkError::Unavailable)?;
        self.ready().await?;
        let answer = self.client.exchange(request).await.map_err(|failure| {
            let (Failure::NotSent(why) | Failure::Unknown(why)) = failure;
            SinkError::Unavailable(why)
        })?;
        answer::fenced(answer, stamp)
    }
}

impl Sink for WebhookSink {
    fn promise(&self) -> Promise {
        self.config.promise
    }

    async fn ready(&self) -> Result<(), SinkError> {
        self.client.ready().await.map_err(SinkError::Unavailable)
    }

    async fn send(&self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        let body = Bytes::from_owner(message.payload.clone());
        let mut request =
            self.request(Method::POST, "", stamp, body).map_err(SendError::Unsendable)?;
        let key = escape::for_header(message.id.as_str());
        let key = HeaderValue::from_str(&key)
            .map_err(|error| SendError::Unsendable(format!("the id cannot be sent: {error}")))?;
        request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        request.headers_mut().insert(CONTENT_TYPE, self.config.content_type.clone());
        match self.client.exchange(request).await {
            Ok(answer) => {
                let asks = answer::asks_for(&answer, &self.config, SystemClock.wall());
                *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asks;
                answer::outcome(&answer, &self.config, stamp)
            }
            Err(Failure::NotSent(why)) => Err(SendError::NotSent(why)),
            Err(Failure::Unknown(why)) => Err(SendError::Unknown(why)),
        }
    }

    fn asks_for(&self) -> Option<Duration> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn fence(&self, stamp: Stamp) -> Result<(), SinkError> {
        self.ask(Method::POST, "/fence", stamp).await.map(drop)
    }

    async fn has(&self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        let below = format!("/messages/{}", escape::for_path(id.as_str()));
        let answer = self.ask(Method::GET, &below, stamp).await?;
        answer::yes_or_no(&answer)
    }
}

/// The URL without its host, with `below` added to its path.
fn target(url: &Uri, below: &str) -> Result<PathAndQuery, http::Error> {
    let path = match below {
        "" => url.path(),
        _ => url.path().trim_end_matches('/'),
    };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(PathAndQuery::try_from(format!("{path}{below}{query}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_go_below_the_url() {
        for (url, below, expected) in [
            ("http://h", "", "/"),
            ("http://h", "/fence", "/fence"),
            ("http://h/a/b", "", "/a/b"),
            ("http://h/a/b/", "", "/a/b/"),
            ("http://h/a/b/", "/fence", "/a/b/fence"),
            ("https://h:8443/a?key=1", "/messages/x%2Fy", "/a/messages/x%2Fy?key=1"),
        ] {
            assert_eq!(target(&url.parse().unwrap(), below).unwrap(), expected);
        }
    }
}
