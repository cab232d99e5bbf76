//! A sink that mails messages through one server.
//!
//! Mail knows no keys and no tokens, so it can promise at most one effect, and what is in doubt is
//! parked. But SMTP says exactly when a doubt begins: a server has taken nothing before it has seen
//! the dot that ends a message. Until `DATA` is accepted every failure is known; from the first
//! byte of the message to the answer to the dot, a lost connection or a late answer is unknown.

mod letter;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::{Instant, timeout};

use self::letter::Letters;
use super::{Encryption, SinkOpenError, SmtpConfig};
use crate::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use crate::store::Outgoing;
use crate::tls::TlsError;

/// How long a connection may rest before it is replaced. What meets the server's end of one is not
/// in doubt, only late.
const REUSE_WITHIN: Duration = Duration::from_secs(2);

/// How many connections may rest: units that one node delivers side by side have one each.
const MAX_RESTING: usize = 8;

/// The answer of a server that wants a login first: not the message's fault.
const LOGIN_REQUIRED: &str = "530";

/// Delivers by mail.
pub struct SmtpSink {
    config: SmtpConfig,
    hello: ClientId,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    letters: Letters,
    resting: Mutex<Vec<Resting>>,
}

struct Resting {
    connection: AsyncSmtpConnection,
    since: Instant,
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
            Some(login) => Some(Credentials::new(login.user.clone(), login.password.read()?)),
        };
        let tls = match config.encryption {
            Encryption::None => None,
            Encryption::Tls | Encryption::StartTls => Some(trust(config)?),
        };
        Ok(Self {
            hello: match letters.domain() {
                domain if domain.is_ascii() => ClientId::Domain(domain.to_owned()),
                _ => ClientId::default(),
            },
            config: config.clone(),
            tls,
            login,
            letters,
            resting: Mutex::new(Vec::new()),
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let server = (self.config.host.as_str(), self.config.port);
        let tls = self.tls.clone();
        let (at_once, later) = match self.config.encryption {
            Encryption::StartTls => (None, tls),
            Encryption::Tls | Encryption::None => (tls, None),
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, at_once, None).await?;
        if let Some(tls) = later {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], login).await?;
        }
        Ok(connection)
    }

    /// Whether a connection rests that can be used. Those that have rested for too long are closed.
    fn one_rests(&self) -> bool {
        let mut resting = self.resting();
        resting.retain(|it| it.since.elapsed() < REUSE_WITHIN);
        !resting.is_empty()
    }

    fn put(&self, connection: AsyncSmtpConnection) {
        let mut resting = self.resting();
        if resting.len() < MAX_RESTING {
            resting.push(Resting { connection, since: Instant::now() });
        }
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to the server's word that it waits for the message.
    async fn announce(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &[u8],
    ) -> Result<(), SendError> {
        let mut parameters = Vec::new();
        if self.letters.needs_utf8() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "the server takes no addresses beyond ASCII (SMTPUTF8)";
                return Err(SendError::Rejected(why.into()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !letter.is_ascii() {
            if !connection.server_info().supports_feature(Extension::EightBitMime) {
                let why = "the server takes no bytes beyond ASCII (8BITMIME)";
                return Err(SendError::Rejected(why.into()));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = Some(self.letters.sender().clone());
        said(connection.command(Mail::new(from, parameters)).await, Severity::PositiveCompletion)?;
        for to in self.letters.recipients() {
            let rcpt = Rcpt::new(to.clone(), Vec::new());
            said(connection.command(rcpt).await, Severity::PositiveCompletion)?;
        }
        said(connection.command(Data).await, Severity::PositiveIntermediate)
    }
}

impl Sink for SmtpSink {
    fn promise(&self) -> Promise {
        Promise::Plain
    }

    async fn ready(&self) -> Result<(), SinkError> {
        if self.one_rests() {
            return Ok(());
        }
        let SmtpConfig { host, port, connect_timeout, .. } = &self.config;
        let connection = match timeout(*connect_timeout, self.connect()).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("not within {connect_timeout:?}")),
        };
        let connection = connection.map_err(|why| {
            SinkError::Unavailable(format!("cannot connect to {host}:{port}: {why}"))
        })?;
        self.put(connection);
        Ok(())
    }

    async fn send(&self, message: &Outgoing, _: Stamp) -> Result<(), SendError> {
        let letter = self.letters.letter(message).map_err(SendError::Rejected)?;
        let rested = self.resting().pop();
        let Some(Resting { mut connection, .. }) = rested else {
            return Err(SendError::NotSent("the connection was lost before the message".into()));
        };
        let limit = self.config.timeout;
        match timeout(limit, self.announce(&mut connection, &letter)).await {
            Ok(announced) => announced?,
            // A server that is there: perhaps it is this letter that it does not get over, so it counts.
            Err(_) => {
                return Err(SendError::NotNow(format!("the server was silent for {limit:?}")));
            }
        }
        match timeout(limit, connection.message(&letter)).await {
            // 250 and nothing else: an answer that comes out of turn proves nothing.
            Ok(Ok(response)) if response.has_code(250) => {
                self.put(connection);
                Ok(())
            }
            Ok(Ok(response)) => {
                let code = response.code();
                Err(SendError::Unknown(format!("the server answered {code} to the message")))
            }
            Ok(Err(error)) if error.is_transient() => Err(SendError::NotNow(error.to_string())),
            Ok(Err(error)) if error.is_permanent() => Err(SendError::Rejected(error.to_string())),
            Ok(Err(error)) => Err(SendError::Unknown(error.to_string())),
            Err(_) => Err(SendError::Unknown(format!("no answer to the message within {limit:?}"))),
        }
    }
}

/// What an answer before the message means. Nothing was taken yet, so every outcome is known.
fn said(answer: Result<Response, Error>, expected: Severity) -> Result<(), SendError> {
    match answer {
        Ok(response) if response.code().severity == expected => Ok(()),
        Ok(response) => {
            let why = format!("the server answered {} out of turn", response.code());
            Err(SendError::NotNow(why))
        }
        Err(error) => {
            let why = error.to_string();
            let code = error.status().map(|code| code.to_string());
            Err(match code {
                Some(code) if error.is_transient() || code == LOGIN_REQUIRED => {
                    SendError::NotNow(why)
                }
                Some(_) => SendError::Rejected(why),
                None => SendError::NotSent(why),
            })
        }
    }
}

fn trust(config: &SmtpConfig) -> Result<TlsParameters, SinkOpenError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca {
        let unusable = |why: String| TlsError::Certificates { path: path.clone(), why };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        builder =
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| SinkOpenError::invalid("TLS", error))
}
