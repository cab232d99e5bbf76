//! TCP connections to a name that may have several addresses, of which some may be silent.
//!
//! The next address is tried when the last one refuses, or says nothing for a moment, while the earlier
//! ones go on; whichever is first wins (RFC 8305, without its memory). An address that takes connections
//! and is of no use comes last the next time.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

/// How long an address may be silent before the next one is tried beside it.
const SILENT: Duration = Duration::from_millis(250);

/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 16;

/// Makes connections to one place.
pub(super) struct Dialer {
    host: String,
    port: u16,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Where the last connection went.
    last: Option<SocketAddr>,
    /// Which address was of no use.
    shunned: Option<SocketAddr>,
}

impl Dialer {
    /// `host` is a name or an address, without brackets.
    pub(super) fn new(host: String, port: u16) -> Self {
        Self { host, port, known: Mutex::default() }
    }

    /// A connection to the first address that has one to give. It sends what is written at once.
    /// Cancel-safe.
    pub(super) async fn dial(&self) -> Result<TcpStream, String> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let found = found.map_err(|error| format!("its address cannot be found: {error}"))?;
        let mut addresses = in_turns(found.take(ADDRESSES_MAX));
        let shunned = self.known().shunned;
        addresses.sort_by_key(|address| Some(*address) == shunned);
        let stream = first_of(&addresses).await?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        self.known().last = stream.peer_addr().ok();
        Ok(stream)
    }

    /// The last connection was of no use, though there was one.
    pub(super) fn was_useless(&self) {
        let mut known = self.known();
        if let Some(last) = known.last.take() {
            known.shunned = Some(last);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the order of the system's resolver, but one family after the other: one that is broken as a whole
/// costs one silence.
fn in_turns(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<SocketAddr> = addresses.collect();
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut out = Vec::new();
    loop {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            return out;
        }
        out.extend(turn.into_iter().flatten());
    }
}

async fn first_of(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut racing = FuturesUnordered::new();
    let mut refused = Vec::new();
    let mut next = addresses.iter();
    loop {
        let is_last = match next.next() {
            Some(&address) => {
                racing.push(async move { (address, TcpStream::connect(address).await) });
                false
            }
            None if racing.is_empty() && refused.is_empty() => {
                return Err("it has no address".into());
            }
            None if racing.is_empty() => return Err(refused.join("; ")),
            None => true,
        };
        tokio::select! {
            biased;
            Some((address, connected)) = racing.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => refused.push(format!("{address}: {error}")),
            },
            () = sleep(SILENT), if !is_last => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(at);
        let turns = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(at);
        assert_eq!(in_turns(given.into_iter()), turns);
        assert!(in_turns([].into_iter()).is_empty());
    }

    #[test]
    fn an_address_that_refuses_and_one_that_is_silent_cost_a_moment() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let works = listener.local_addr().unwrap();
        let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // Its queue is full: what comes now is not answered.
        let full = rustix::net::socket(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            None,
        )
        .unwrap();
        rustix::net::bind(&full, &at("127.0.0.1:0")).unwrap();
        rustix::net::listen(&full, 0).unwrap();
        let silent = SocketAddr::try_from(rustix::net::getsockname(&full).unwrap()).unwrap();
        runtime.block_on(async {
            let mut held = Vec::new();
            while let Ok(Ok(stream)) =
                tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(silent)).await
            {
                held.push(stream);
            }
            for addresses in [&[refuses, works][..], &[silent, works], &[silent, refuses, works]] {
                let stream = first_of(addresses).await.unwrap();
                assert_eq!(stream.peer_addr().unwrap(), works, "{addresses:?}");
            }
            let refused = first_of(&[refuses]).await.unwrap_err();
            assert!(refused.contains(&refuses.to_string()), "{refused}");
            assert!(first_of(&[]).await.is_err());
        });
    }

    #[test]
    fn an_address_that_was_of_no_use_comes_last() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let dialer = Dialer::new("127.0.0.1".into(), address.port());
        runtime.block_on(async {
            dialer.dial().await.unwrap();
            dialer.was_useless();
            assert_eq!(dialer.known().shunned, Some(address));
            // The only one is tried all the same.
            dialer.dial().await.unwrap();
        });
    }
}
