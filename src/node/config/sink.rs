//! The `[sink]` table: a file, a webhook or a mail server, and nothing half-said about any of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigFileError, Draft, nearest};
use super::secret::SecretTable;
use crate::delivery::Promise;
use crate::delivery::sinks::{
    Encryption, Login, MailFormat, SinkConfig, SmtpConfig, WebhookConfig,
};

/// What a sink may wait for.
const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SinkTable {
    file: Option<PathBuf>,
    webhook: Option<Spanned<WebhookTable>>,
    smtp: Option<Spanned<SmtpTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    url: Spanned<String>,
    promise: Option<Spanned<String>>,
    window: Option<Spanned<String>>,
    margin: Option<Spanned<String>>,
    content_type: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    secret_headers: BTreeMap<Spanned<String>, Spanned<SecretTable>>,
    connect_timeout: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    refused_for_now: Option<Spanned<Vec<u16>>>,
    keep_alive: Option<bool>,
    ca: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SmtpTable {
    host: Spanned<String>,
    port: Option<u16>,
    encryption: Option<Spanned<String>>,
    ca: Option<PathBuf>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<SecretTable>>,
    from: Spanned<String>,
    to: Spanned<Vec<Spanned<String>>>,
    format: Option<Spanned<String>>,
    subject: Option<Spanned<String>>,
    content_type: Option<Spanned<String>>,
    connect_timeout: Option<Spanned<String>>,
    greeting_timeout: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
}

impl Draft<'_> {
    /// The one sink that the table names. Relative paths start at `directory`.
    pub(super) fn sink(
        &self,
        table: &Spanned<SinkTable>,
        directory: &Path,
    ) -> Result<SinkConfig, ConfigFileError> {
        match table.get_ref() {
            SinkTable { file: Some(file), webhook: None, smtp: None } => {
                Ok(SinkConfig::File(directory.join(file)))
            }
            SinkTable { file: None, webhook: Some(webhook), smtp: None } => {
                self.webhook(webhook.get_ref(), directory).map(SinkConfig::Webhook)
            }
            SinkTable { file: None, webhook: None, smtp: Some(smtp) } => {
                self.smtp(smtp.get_ref(), directory).map(SinkConfig::Smtp)
            }
            SinkTable { file: None, webhook: None, smtp: None } => Err(self.mistake(
                table.span(),
                "there is no sink",
                "names none",
                "write `file = \"…\"` here, or a table [sink.webhook] or [sink.smtp]",
            )),
            SinkTable { file, webhook, smtp } => {
                let second =
                    smtp.as_ref().map(Spanned::span).or(webhook.as_ref().map(Spanned::span));
                let what = match file {
                    Some(_) => "a sink is a file or something else, not both",
                    None => "a sink is a webhook or a mail server, not both",
                };
                Err(self.mistake(
                    second.unwrap_or_else(|| table.span()),
                    what,
                    "a second sink",
                    "keep one of them: a message has one place to go",
                ))
            }
        }
    }

    fn webhook(
        &self,
        table: &WebhookTable,
        directory: &Path,
    ) -> Result<WebhookConfig, ConfigFileError> {
        let mut config = WebhookConfig::plain(self.url(&table.url)?);
        if let Some(text) = &table.connect_timeout {
            config.connect_timeout = self.timeout("connect_timeout", text)?;
        }
        if let Some(text) = &table.timeout {
            config.timeout = self.timeout("timeout", text)?;
        }
        config.promise = self.promise(table, config.timeout)?;
        if let Some(text) = &table.content_type {
            config.content_type = self.header_value(text)?;
        }
        for (name, value) in &table.headers {
            let header = self.header(name)?;
            if ["authorization", "cookie", "proxy-authorization"].contains(&header.as_str()) {
                return Err(self.mistake(
                    name.span(),
                    format!("{header} is a secret"),
                    "would be written down here",
                    format!(
                        "write `secret_headers.{header} = {{ env = \"A_VARIABLE\" }}`, or \
                             `{{ file = \"…\" }}`"
                    ),
                ));
            }
            config.headers.push((header, self.header_value(value)?));
        }
        for (name, source) in &table.secret_headers {
            config.secret_headers.push((self.header(name)?, self.secret(source, directory)?));
        }
        if let Some(codes) = &table.refused_for_now {
            config.refused_for_now.extend(codes.get_ref());
            if let Some(code) = codes.get_ref().iter().find(|code| !(400..600).contains(*code)) {
                return Err(self.mistake(
                    codes.span(),
                    format!("{code} is no refusal"),
                    "not between 400 and 599",
                    "list the status codes by which the receiver says that it did nothing and may \
                     be asked again",
                ));
            }
        }
        config.keep_alive = table.keep_alive.unwrap_or(true);
        config.ca = table.ca.as_ref().map(|path| directory.join(path));
        if config.is_in_the_clear() && !config.secret_headers.is_empty() {
            return Err(self.mistake(
                table.url.span(),
                "secret headers would be sent in the clear to another machine",
                "not encrypted",
                "write https:// here, or remove `secret_headers`",
            ));
        }
        Ok(config)
    }

    fn url(&self, text: &Spanned<String>) -> Result<Uri, ConfigFileError> {
        let mistake = |what: String| {
            let help = "write one as in \"https://example.org/messages\"";
            self.mistake(text.span(), what, "here", help)
        };
        let url: Uri =
            text.get_ref().parse().map_err(|error| mistake(format!("this is no URL: {error}")))?;
        let is_web = matches!(url.scheme_str(), Some("http" | "https"));
        if !is_web || url.host().is_none_or(str::is_empty) || text.get_ref().contains('#') {
            return Err(mistake("no message can be posted to this".into()));
        }
        if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(self.mistake(
                text.span(),
                "a URL with a user in it",
                "would be written down here",
                "write `secret_headers.authorization = { env = \"A_VARIABLE\" }` instead",
            ));
        }
        Ok(url)
    }

    fn promise(&self, table: &WebhookTable, timeout: Duration) -> Result<Promise, ConfigFileError> {
        const KNOWN: [&str; 3] = ["plain", "dedup", "fenced"];
        let promise = table.promise.as_ref().map_or("plain", |text| text.get_ref());
        let at = table.promise.as_ref().map_or_else(|| table.url.span(), Spanned::span);
        match (promise, &table.window) {
            ("plain", None) => Ok(Promise::Plain),
            ("fenced", None) => Ok(Promise::Fenced),
            ("dedup", Some(window)) => {
                let margin = match &table.margin {
                    Some(margin) => self.duration(margin)?,
                    None => WebhookConfig::MARGIN,
                };
                // What is sent at its end must still arrive within the receiver's window.
                let lost = timeout.saturating_add(margin);
                let left = self.duration(window)?.saturating_sub(lost);
                if left.is_zero() {
                    return Err(self.mistake(
                        window.span(),
                        "the window is too short",
                        format!("not longer than timeout + margin = {lost:?}"),
                        "give the time for which the receiver remembers a message id; lower \
                         `timeout` or `margin` only if you know what they are for",
                    ));
                }
                Ok(Promise::Deduplicates { window: left })
            }
            ("dedup", None) => Err(self.mistake(
                at,
                "for how long does the receiver remember a message id?",
                "needs a window",
                "add `window = \"24h\"`, or whatever the receiver promises",
            )),
            ("plain" | "fenced", Some(window)) => Err(self.mistake(
                window.span(),
                format!("a window means nothing with the promise {promise:?}"),
                "would do nothing",
                "remove it, or write `promise = \"dedup\"`",
            )),
            (other, _) => {
                let help = match nearest(other, KNOWN) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => "write \"dedup\" if the receiver drops a repeated Idempotency-Key, \
                             \"fenced\" if it checks Fencing-Token, else \"plain\""
                        .to_owned(),
                };
                Err(self.mistake(at, "this is no promise", "here", help))
            }
        }
    }

    fn smtp(&self, table: &SmtpTable, directory: &Path) -> Result<SmtpConfig, ConfigFileError> {
        let encryption = self.encryption(table)?;
        let default_port = match encryption {
            Encryption::Tls => 465,
            Encryption::StartTls => 587,
            Encryption::None => 25,
        };
        let recipients = table.to.get_ref();
        if !(1..=SmtpConfig::MAX_RECIPIENTS).contains(&recipients.len()) {
            return Err(self.mistake(
                table.to.span(),
                format!("{} recipients", recipients.len()),
                "here",
                format!("list 1 to {} addresses", SmtpConfig::MAX_RECIPIENTS),
            ));
        }
        let timeout = |name, text: &Option<Spanned<String>>, default| {
            text.as_ref().map_or(Ok(default), |text| self.timeout(name, text))
        };
        Ok(SmtpConfig {
            host: self.plain_text(&table.host)?,
            port: table.port.unwrap_or(default_port),
            encryption,
            ca: table.ca.as_ref().map(|path| directory.join(path)),
            login: self.login(table, encryption, directory)?,
            from: self.mail_address(&table.from)?,
            to: recipients.iter().map(|to| self.mail_address(to)).collect::<Result<_, _>>()?,
            format: self.mail_format(table)?,
            connect_timeout: timeout(
                "connect_timeout",
                &table.connect_timeout,
                SmtpConfig::CONNECT_TIMEOUT,
            )?,
            greeting_timeout: timeout(
                "greeting_timeout",
                &table.greeting_timeout,
                SmtpConfig::GREETING_TIMEOUT,
            )?,
            timeout: timeout("timeout", &table.timeout, SmtpConfig::TIMEOUT)?,
        })
    }

    fn encryption(&self, table: &SmtpTable) -> Result<Encryption, ConfigFileError> {
        let Some(text) = &table.encryption else { return Ok(Encryption::Tls) };
        match text.get_ref().as_str() {
            "tls" => Ok(Encryption::Tls),
            "starttls" => Ok(Encryption::StartTls),
            "none" => Ok(Encryption::None),
            other => {
                let help = match nearest(other, ["tls", "starttls", "none"]) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => "write \"tls\", \"starttls\" or \"none\"".to_owned(),
                };
                Err(self.mistake(text.span(), "this is no encryption", "here", help))
            }
        }
    }

    fn login(
        &self,
        table: &SmtpTable,
        encryption: Encryption,
        directory: &Path,
    ) -> Result<Option<Login>, ConfigFileError> {
        let half = |at: Range<usize>, there: &str, missing: &str| {
            let help = format!("add `{missing}`, or remove `{there}`");
            Err(self.mistake(at, format!("a login without `{missing}`"), "half of one", help))
        };
        match (&table.user, &table.password) {
            (None, None) => Ok(None),
            (Some(user), None) => half(user.span(), "user", "password"),
            (None, Some(password)) => half(password.span(), "password", "user"),
            (Some(user), Some(_)) if encryption == Encryption::None => Err(self.mistake(
                user.span(),
                "a login without encryption",
                "its password would be sent in the clear",
                "use encryption = \"tls\" or \"starttls\", or remove the login",
            )),
            (Some(user), Some(password)) => Ok(Some(Login {
                user: self.plain_text(user)?,
                password: self.secret(password, directory)?,
            })),
        }
    }

    fn mail_format(&self, table: &SmtpTable) -> Result<MailFormat, ConfigFileError> {
        let text = |value: &Option<Spanned<String>>, default: &str| {
            value.as_ref().map_or(Ok(default.to_owned()), |text| self.plain_text(text))
        };
        match table.format.as_ref().map_or("body", |format| format.get_ref()) {
            "body" => Ok(MailFormat::Body {
                subject: text(&table.subject, "{id}")?,
                content_type: text(&table.content_type, "text/plain; charset=utf-8")?,
            }),
            "message" => match table.subject.as_ref().or(table.content_type.as_ref()) {
                None => Ok(MailFormat::Message),
                Some(header) => Err(self.mistake(
                    header.span(),
                    "a whole message has its own headers",
                    "would do nothing",
                    "remove this line, or `format = \"message\"`",
                )),
            },
            _ => Err(self.mistake(
                table.format.as_ref().map_or(0..0, Spanned::span),
                "this is no format",
                "here",
                "write \"body\" if payloads are the text of a mail, \"message\" if they are whole \
                 mails with headers",
            )),
        }
    }

    fn mail_address(&self, text: &Spanned<String>) -> Result<String, ConfigFileError> {
        let address = self.plain_text(text)?;
        // Only what no address is without: what a server takes, it decides.
        if address
            .split_once('@')
            .is_some_and(|(user, domain)| !user.is_empty() && !domain.is_empty())
        {
            return Ok(address);
        }
        let help = "write one as in \"ann@example.org\" or \"Ann <ann@example.org>\"";
        Err(self.mistake(text.span(), "this is no mail address", "here", help))
    }

    fn header(&self, name: &Spanned<String>) -> Result<HeaderName, ConfigFileError> {
        let mistake = |what: String, help: &str| self.mistake(name.span(), what, "here", help);
        let header: HeaderName = name.get_ref().to_ascii_lowercase().parse().map_err(|_| {
            mistake("this is no header's name".into(), "write one as in X-Tenant, without colon")
        })?;
        match WebhookConfig::is_reserved(&header) {
            false => Ok(header),
            true => Err(mistake(
                format!("the sink itself writes {header}"),
                "remove it; `content_type` sets the type of the payload",
            )),
        }
    }

    fn header_value(&self, text: &Spanned<String>) -> Result<HeaderValue, ConfigFileError> {
        HeaderValue::from_str(&self.plain_text(text)?).map_err(|_| {
            let help = "use ASCII letters, digits and signs";
            self.mistake(text.span(), "this is no header's value", "here", help)
        })
    }

    /// A text of one line.
    fn plain_text(&self, text: &Spanned<String>) -> Result<String, ConfigFileError> {
        let value = text.get_ref();
        if value.is_empty() || value.chars().any(char::is_control) {
            let help = "write at least one character, and no line ends or other control characters";
            return Err(self.mistake(text.span(), "this is no text of one line", "here", help));
        }
        Ok(value.clone())
    }

    fn timeout(&self, name: &str, text: &Spanned<String>) -> Result<Duration, ConfigFileError> {
        let timeout = self.duration(text)?;
        if TIMEOUTS.contains(&timeout) {
            return Ok(timeout);
        }
        let what = format!("{name} is out of range");
        Err(self.mistake(text.span(), what, "here", "wait 1 ms to 1 h"))
    }
}

#[cfg(test)]
mod tests;
