//! One SMTP connection: commands, replies, and whether a reply was asked for.
//!
//! Nothing is sent ahead, so a server has nothing to say before it was asked. Whatever is there all the
//! same when a command, TLS or the end of a message is about to leave was put in by somebody, or is the
//! word of a server that has lost count: it answers nothing, and the connection is given up. And a
//! message leaves with its final dot in one piece, without waiting for the acknowledgement of what went
//! before: until then the server has taken nothing.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use rustix::net::RecvFlags;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The longest reply, in bytes: of one that is longer nothing is believed.
const REPLY_MAX: usize = 64 << 10;

/// How much of a reply's text goes into a reason, in characters.
const EXCERPT_MAX: usize = 200;

/// How much of a message leaves together with its end: enough that the network has nothing to wait for.
const LAST_PIECE: usize = 64 << 10;

/// A connection that is of no use any more, and why.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its lines, without codes.
    lines: Vec<String>,
}

impl Reply {
    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// What it says, never longer than a line.
    pub(super) fn text(&self) -> String {
        let words: Vec<&str> = self
            .lines
            .iter()
            .flat_map(|line| line.split(|c: char| c.is_whitespace() || c.is_control()))
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ").chars().take(EXCERPT_MAX).collect()
    }

    /// The rest of the line that begins with this keyword, of an answer to EHLO.
    pub(super) fn extension(&self, keyword: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (word, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection on which nothing is under way between two calls. Dropping a call breaks it.
pub(super) struct Connection {
    stream: Stream,
    /// What was read and not yet used.
    read: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), read: Vec::new() }
    }

    /// The same, in TLS from here on.
    pub(super) async fn encrypt(
        mut self,
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
    ) -> Result<Self, Broken> {
        self.expect_silence()?;
        let Stream::Plain(stream) = self.stream else { return Ok(self) };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| Broken(format!("TLS: {error}")))?;
        Ok(Self { stream: Stream::Tls(Box::new(stream)), read: Vec::new() })
    }

    /// Says one line and waits for its reply.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, Broken> {
        if line.contains(['\r', '\n']) {
            return Err(Broken("a command of several lines".into()));
        }
        self.expect_silence()?;
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Sends a message up to its last piece: the server has taken nothing yet, and if it has said
    /// something, it never will. Tells what is left to be sent.
    pub(super) async fn begin_message(&mut self, letter: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut text = with_dots(letter);
        text.extend_from_slice(b"\r\n.\r\n");
        let rest = text.split_off(text.len().saturating_sub(LAST_PIECE));
        self.expect_silence()?;
        self.write(&text).await?;
        self.expect_silence()?;
        Ok(rest)
    }

    /// Sends the last piece of a message and waits for the reply. If this fails, the server may have taken
    /// the message.
    pub(super) async fn end_message(&mut self, rest: &[u8]) -> Result<Reply, Broken> {
        self.write(rest).await?;
        self.reply().await
    }

    /// Whether nothing was said that was not asked for, and the connection stands.
    pub(super) fn expect_silence(&mut self) -> Result<(), Broken> {
        let out_of_turn =
            || Broken("the server spoke out of turn, so nothing it says counts".into());
        if !self.read.is_empty() {
            return Err(out_of_turn());
        }
        let mut byte = [0; 1];
        let heard = match &mut self.stream {
            // The socket itself is asked: what it holds may not have been noticed yet.
            Stream::Plain(stream) => {
                let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
                match rustix::net::recv(&*stream, &mut byte[..], flags) {
                    Ok((_, len)) => Some(len),
                    Err(rustix::io::Errno::AGAIN) => None,
                    Err(error) => return Err(Broken(error.to_string())),
                }
            }
            // In TLS only the server itself speaks.
            Stream::Tls(stream) => {
                let mut buffer = ReadBuf::new(&mut byte);
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                match Pin::new(stream).poll_read(&mut context, &mut buffer) {
                    Poll::Pending => None,
                    Poll::Ready(Ok(())) => Some(buffer.filled().len()),
                    Poll::Ready(Err(error)) => return Err(error.into()),
                }
            }
        };
        match heard {
            None => Ok(()),
            Some(0) => Err(Broken("the server closed the connection".into())),
            Some(_) => Err(out_of_turn()),
        }
    }

    /// The reply to what was said.
    pub(super) async fn reply(&mut self) -> Result<Reply, Broken> {
        let mut code = None;
        let mut lines = Vec::new();
        let mut begin = 0;
        loop {
            while let Some(len) = self.read[begin..].iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8_lossy(&self.read[begin..begin + len]).into_owned();
                begin += len + 1;
                let (number, is_last, text) = parse(line.trim_end_matches('\r'))?;
                if *code.get_or_insert(number) != number {
                    return Err(Broken("one reply with two codes".into()));
                }
                lines.push(text);
                if is_last {
                    self.read.drain(..begin);
                    return Ok(Reply { code: number, lines });
                }
            }
            if self.read.len() > REPLY_MAX {
                return Err(Broken("a reply without end".into()));
            }
            if self.fill().await? == 0 {
                return Err(Broken("the server closed the connection".into()));
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.read).await,
            Stream::Tls(stream) => stream.read_buf(&mut self.read).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                poll_fn(|context| {
                    tokio::io::AsyncWrite::poll_flush(Pin::new(&mut *stream), context)
                })
                .await
            }
        }
    }
}

/// The code of a line, whether it is the last, and its text.
fn parse(line: &str) -> Result<(u16, bool, String), Broken> {
    let no_reply = || {
        let line: String = line.chars().filter(|c| !c.is_control()).take(EXCERPT_MAX).collect();
        Broken(format!("this is no reply: {line:?}"))
    };
    let (code, rest) = line.split_at_checked(3).ok_or_else(no_reply)?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
    let code = code.parse().ok().filter(|code| is_code && (200..600).contains(code));
    let code = code.ok_or_else(no_reply)?;
    match (rest.strip_prefix(' '), rest.strip_prefix('-')) {
        _ if rest.is_empty() => Ok((code, true, String::new())),
        (Some(text), _) => Ok((code, true, text.to_owned())),
        (_, Some(text)) => Ok((code, false, text.to_owned())),
        _ => Err(no_reply()),
    }
}

/// The text with a second dot where a line begins with one, so that none ends it.
fn with_dots(letter: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(letter.len() + 16);
    let mut begins = true;
    for &byte in letter {
        if begins && byte == b'.' {
            out.push(b'.');
        }
        begins = byte == b'\n';
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_three_digits_and_nothing_less() {
        for (line, code, is_last, text) in [
            ("250 ok", 250, true, "ok"),
            ("250", 250, true, ""),
            ("250-SIZE 10", 250, false, "SIZE 10"),
            ("421 4.3.2 bye", 421, true, "4.3.2 bye"),
        ] {
            assert_eq!(parse(line).unwrap(), (code, is_last, text.to_owned()), "{line}");
        }
        for line in ["", "25", "2500 ok", "+25 ok", "999 no", "ok 250", "ü50 x", "250\u{e9}"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another() {
        let text = with_dots(b".\r\n.a\r\nb.\r\n..");
        assert_eq!(text, b"..\r\n..a\r\nb.\r\n...");
    }

    #[test]
    fn extensions_are_words_of_their_own() {
        let lines = ["localhost AUTH", "AUTH PLAIN LOGIN", "size=10", "8BITMIME"];
        let reply = Reply { code: 250, lines: lines.map(str::to_owned).into() };
        assert_eq!(reply.extension("auth"), Some("PLAIN LOGIN"));
        assert_eq!(reply.extension("SIZE"), Some("10"));
        assert_eq!(reply.extension("8BITMIME"), Some(""));
        assert_eq!(reply.extension("localhost"), None);
        assert_eq!(reply.extension("STARTTLS"), None);
    }
}
