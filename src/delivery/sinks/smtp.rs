//! A sink that mails messages through one server.
//!
//! Mail knows no keys and no tokens, so it can promise at most one effect, and what is in doubt is
//! parked. But SMTP says exactly when a doubt begins: a server has taken nothing before it has seen
//! the dot that ends a message. Until the last piece of a message leaves, with that dot, every failure is
//! known; from then on to the answer a lost connection or a late answer is unknown. `connection` sees to it
//! that no answer counts that was there before its question.
//!
//! An answer of 421 before that is the server's end of the connection, and no failure of the message's.

mod connection;
mod letter;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout};

use self::connection::{Broken, Connection, Reply};
use self::letter::Letters;
use super::dial::Dialer;
use super::{Encryption, SinkOpenError, SmtpConfig};
use crate::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use crate::store::Outgoing;
use crate::tls;

/// How long a connection may rest before it is replaced. What meets the server's end of one is not
/// in doubt, only late.
const REUSE_WITHIN: Duration = Duration::from_secs(2);

/// How many connections may rest: units that one node delivers side by side have one each.
const MAX_RESTING: usize = 8;

/// The end of a connection, as a server announces it: not the message's fault.
const CLOSING: u16 = 421;

/// The answers of a server that wants another login first, or none of ours: not the message's fault.
const LOGIN_REFUSED: [u16; 4] = [530, 534, 535, 538];

/// Delivers by mail.
pub struct SmtpSink {
    config: SmtpConfig,
    dialer: Dialer,
    /// The name in our greeting.
    hello: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    login: Option<Credentials>,
    letters: Letters,
    resting: Mutex<Vec<Resting>>,
}

struct Credentials {
    user: String,
    password: String,
}

struct Resting {
    session: Session,
    since: Instant,
}

/// A connection whose server has introduced itself.
struct Session {
    connection: Connection,
    takes_utf8_addresses: bool,
    takes_eight_bits: bool,
}

impl SmtpSink {
    /// The sink that `config` describes. No connection is made yet.
    ///
    /// # Errors
    /// An address is none, or a secret or a certificate cannot be read.
    pub fn open(config: &SmtpConfig) -> Result<Self, SinkOpenError> {
        let letters = Letters::new(config)?;
        let login = match &config.login {
            None => None,
            Some(_) if config.encryption == Encryption::None => {
                return Err(SinkOpenError::invalid("login", "it would be sent in the clear"));
            }
            Some(login) => {
                let password = login.password.read()?;
                Some(Credentials { user: login.user.clone(), password })
            }
        };
        let tls = match config.encryption {
            Encryption::None => None,
            Encryption::Tls | Encryption::StartTls => {
                let name = ServerName::try_from(config.host.clone())
                    .map_err(|error| SinkOpenError::invalid("host", error))?;
                Some((Arc::new(tls::client(config.ca.as_deref())?), name))
            }
        };
        Ok(Self {
            dialer: Dialer::new(config.host.clone(), config.port),
            hello: match letters.domain() {
                domain if domain.is_ascii() => domain.to_owned(),
                _ => "localhost".to_owned(),
            },
            config: config.clone(),
            tls,
            login,
            letters,
            resting: Mutex::new(Vec::new()),
        })
    }

    /// A connection on which a message can be announced.
    async fn connect(&self) -> Result<Session, SinkError> {
        let SmtpConfig { host, port, encryption, connect_timeout, greeting_timeout, .. } =
            &self.config;
        let away = |why: String| {
            self.dialer.was_useless();
            SinkError::Unavailable(format!("cannot connect to {host}:{port}: {why}"))
        };
        let dialed = timeout(*connect_timeout, self.dialer.dial()).await;
        let dialed = dialed.map_err(|_| away(format!("not within {connect_timeout:?}")))?;
        let mut connection = Connection::new(dialed.map_err(away)?);
        if *encryption == Encryption::Tls {
            connection = self.encrypt(connection).await.map_err(away)?;
        }
        let greeting = timeout(*greeting_timeout, connection.reply()).await;
        let greeting =
            greeting.map_err(|_| away(format!("no greeting in {greeting_timeout:?}")))?;
        let greeting = greeting.map_err(|Broken(why)| away(why))?;
        if greeting.code != 220 {
            return Err(away(format!("it greets with {}: {}", greeting.code, greeting.text())));
        }
        let mut introduction = self.hello(&mut connection).await.map_err(away)?;
        if *encryption == Encryption::StartTls {
            if introduction.extension("STARTTLS").is_none() {
                return Err(away(
                    "it has no STARTTLS; use encryption = \"tls\" if it has that".into(),
                ));
            }
            let reply = self.ask(&mut connection, "STARTTLS").await.map_err(away)?;
            if reply.code != 220 {
                return Err(away(format!("it answered {} to STARTTLS", reply.code)));
            }
            connection = self.encrypt(connection).await.map_err(away)?;
            introduction = self.hello(&mut connection).await.map_err(away)?;
        }
        if let Some(login) = &self.login {
            self.log_in(&mut connection, &introduction, login).await?;
        }
        Ok(Session {
            connection,
            takes_utf8_addresses: introduction.extension("SMTPUTF8").is_some(),
            takes_eight_bits: introduction.extension("8BITMIME").is_some(),
        })
    }

    async fn encrypt(&self, connection: Connection) -> Result<Connection, String> {
        let Some((config, name)) = &self.tls else { return Ok(connection) };
        match timeout(self.config.connect_timeout, connection.encrypt(config, name)).await {
            Ok(encrypted) => encrypted.map_err(|Broken(why)| why),
            Err(_) => Err(format!("no TLS within {:?}", self.config.connect_timeout)),
        }
    }

    async fn hello(&self, connection: &mut Connection) -> Result<Reply, String> {
        let reply = self.ask(connection, &format!("EHLO {}", self.hello)).await?;
        match reply.is_positive() {
            true => Ok(reply),
            false => Err(format!("it answered {} to EHLO: {}", reply.code, reply.text())),
        }
    }

    /// The answers to a login are told by their codes only: a text could repeat what was said.
    async fn log_in(
        &self,
        connection: &mut Connection,
        introduction: &Reply,
        Credentials { user, password }: &Credentials,
    ) -> Result<(), SinkError> {
        let offered = introduction.extension("AUTH").unwrap_or_default();
        let offers = |name| offered.split(' ').any(|it: &str| it.eq_ignore_ascii_case(name));
        let lines = if offers("PLAIN") {
            vec![format!("AUTH PLAIN {}", BASE64.encode(format!("\0{user}\0{password}")))]
        } else if offers("LOGIN") {
            vec!["AUTH LOGIN".to_owned(), BASE64.encode(user), BASE64.encode(password)]
        } else {
            let why = "the server offers none of the logins PLAIN and LOGIN";
            return Err(SinkError::Denied(why.into()));
        };
        let count = lines.len();
        for (number, line) in lines.iter().enumerate() {
            let reply = self.ask(connection, line).await.map_err(SinkError::Unavailable)?;
            let expected = if number + 1 == count { 235 } else { 334 };
            let why = format!("the server answered {} to the login", reply.code);
            match reply.code {
                code if code == expected => {}
                500..600 => return Err(SinkError::Denied(why)),
                _ => return Err(SinkError::Unavailable(why)),
            }
        }
        Ok(())
    }

    async fn ask(&self, connection: &mut Connection, line: &str) -> Result<Reply, String> {
        match timeout(self.config.timeout, connection.command(line)).await {
            Ok(reply) => reply.map_err(|Broken(why)| why),
            Err(_) => Err(format!("no answer within {:?}", self.config.timeout)),
        }
    }

    /// Whether a connection rests that can be used. Those that have rested for too long are closed, and
    /// those on which the server has said something since.
    fn one_rests(&self) -> bool {
        let mut resting = self.resting();
        resting.retain_mut(|it| {
            it.since.elapsed() < REUSE_WITHIN && it.session.connection.expect_silence().is_ok()
        });
        !resting.is_empty()
    }

    fn put(&self, session: Session) {
        let mut resting = self.resting();
        if resting.len() < MAX_RESTING {
            resting.push(Resting { session, since: Instant::now() });
        }
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to the end of the message: what is left of it to be sent. Nothing was taken yet,
    /// so every failure is known.
    async fn announce(&self, session: &mut Session, letter: &[u8]) -> Result<Vec<u8>, SendError> {
        let mut parameters = String::new();
        if self.letters.needs_utf8() {
            if !session.takes_utf8_addresses {
                let why = "the server takes no addresses beyond ASCII (SMTPUTF8)";
                return Err(SendError::Rejected(why.into()));
            }
            parameters += " SMTPUTF8";
        }
        if !letter.is_ascii() {
            if !session.takes_eight_bits {
                let why = "the server takes no bytes beyond ASCII (8BITMIME)";
                return Err(SendError::Rejected(why.into()));
            }
            parameters += " BODY=8BITMIME";
        }
        let connection = &mut session.connection;
        let not_sent = |Broken(why)| SendError::NotSent(why);
        let from = format!("MAIL FROM:<{}>{parameters}", self.letters.sender());
        said("MAIL", &connection.command(&from).await.map_err(not_sent)?, 250)?;
        for to in self.letters.recipients() {
            let reply = connection.command(&format!("RCPT TO:<{to}>")).await.map_err(not_sent)?;
            // 251: the server passes it on.
            let expected = if reply.code == 251 { 251 } else { 250 };
            said("RCPT", &reply, expected)?;
        }
        said("DATA", &connection.command("DATA").await.map_err(not_sent)?, 354)?;
        connection.begin_message(letter).await.map_err(not_sent)
    }
}

impl Sink for SmtpSink {
    fn promise(&self) -> Promise {
        Promise::Plain
    }

    async fn ready(&self) -> Result<(), SinkError> {
        if !self.one_rests() {
            let session = self.connect().await?;
            self.put(session);
        }
        Ok(())
    }

    async fn send(&self, message: &Outgoing, _: Stamp) -> Result<(), SendError> {
        let letter = self.letters.letter(message).map_err(SendError::Unsendable)?;
        let rested = self.resting().pop();
        let Some(Resting { mut session, .. }) = rested else {
            return Err(SendError::NotSent("the connection was lost before the message".into()));
        };
        let limit = self.config.timeout;
        let rest = match timeout(limit, self.announce(&mut session, &letter)).await {
            Ok(announced) => announced?,
            // A server that is there: perhaps it is this letter that it does not get over, so it counts.
            Err(_) => {
                return Err(SendError::NotNow(format!("the server was silent for {limit:?}")));
            }
        };
        let reply = match timeout(limit, session.connection.end_message(&rest)).await {
            Ok(reply) => reply.map_err(|Broken(why)| SendError::Unknown(why))?,
            Err(_) => {
                let why = format!("no answer to the message within {limit:?}");
                return Err(SendError::Unknown(why));
            }
        };
        let why = format!("the server answered {} to the message: {}", reply.code, reply.text());
        match reply.code {
            // 250 and nothing else: an answer that comes out of turn proves nothing.
            250 => {
                self.put(session);
                Ok(())
            }
            400..500 => Err(SendError::NotNow(why)),
            500..600 => Err(SendError::Rejected(why)),
            _ => Err(SendError::Unknown(why)),
        }
    }
}

/// What an answer before the end of a message means.
fn said(what: &str, reply: &Reply, expected: u16) -> Result<(), SendError> {
    let code = reply.code;
    if code == expected {
        return Ok(());
    }
    let why = format!("the server answered {code} to {what}: {}", reply.text());
    Err(match code {
        CLOSING => SendError::NotSent(why),
        _ if LOGIN_REFUSED.contains(&code) => SendError::Denied(why),
        500..600 => SendError::Rejected(why),
        _ => SendError::NotNow(why),
    })
}
