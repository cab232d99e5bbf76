//! Payloads into mails: envelope, headers, line ends.
//!
//! `Message-ID` is made of the message's id, so that a person, or a mail system that drops
//! duplicates, can tell what was sent before.

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox};
use lettre::{Address, Message};

use super::super::{MailFormat, SinkOpenError, SmtpConfig};
use crate::store::{MessageId, Outgoing};

/// The longest line of a mail, without its end (RFC 5322, section 2.1.1).
const MAX_LINE: usize = 998;

/// Makes mails of messages.
pub(super) struct Letters {
    from: Mailbox,
    to: Vec<Mailbox>,
    recipients: Vec<Address>,
    format: Format,
}

enum Format {
    Message,
    Body { subject: String, content_type: ContentType },
}

impl Letters {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, SinkOpenError> {
        let mailbox = |what: &str, text: &str| {
            let unusable = |why: String| SinkOpenError::invalid(format!("{what} {text:?}"), why);
            let parsed = text.parse::<Mailbox>().map_err(|error| unusable(error.to_string()))?;
            Ok::<_, SinkOpenError>(Mailbox {
                email: in_ascii(&parsed.email).map_err(unusable)?,
                ..parsed
            })
        };
        let from = mailbox("from", &config.from)?;
        let to: Vec<Mailbox> =
            config.to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        if !(1..=SmtpConfig::MAX_RECIPIENTS).contains(&to.len()) {
            let why = format!("1 to {} recipients are allowed", SmtpConfig::MAX_RECIPIENTS);
            return Err(SinkOpenError::invalid("to", why));
        }
        let format = match &config.format {
            MailFormat::Message => Format::Message,
            MailFormat::Body { subject, content_type } => Format::Body {
                subject: subject.clone(),
                content_type: ContentType::parse(content_type)
                    .map_err(|error| SinkOpenError::invalid("content_type", error))?,
            },
        };
        let recipients = to.iter().map(|mailbox| mailbox.email.clone()).collect();
        Ok(Self { from, to, recipients, format })
    }

    /// The domain that the mails come from.
    pub(super) fn domain(&self) -> &str {
        self.from.email.domain()
    }

    pub(super) fn sender(&self) -> &Address {
        &self.from.email
    }

    pub(super) fn recipients(&self) -> &[Address] {
        &self.recipients
    }

    /// Whether an address has characters that only some servers take. Domains have not: they are written
    /// as A-labels.
    pub(super) fn needs_utf8(&self) -> bool {
        let addresses = || std::iter::once(self.sender()).chain(&self.recipients);
        addresses().any(|address| !address.user().is_ascii())
    }

    /// The mail that a message becomes, without the end of its last line.
    ///
    /// # Errors
    /// Why it cannot become one: said again, that would be said again.
    pub(super) fn letter(&self, message: &Outgoing) -> Result<Vec<u8>, String> {
        let message_id = message_id(&message.id, self.domain());
        let letter = match &self.format {
            Format::Message => with_message_id(&message.payload, &message_id)?,
            Format::Body { subject, content_type } => {
                let mut builder = Message::builder()
                    .from(self.from.clone())
                    .message_id(Some(message_id))
                    .subject(subject.replace("{id}", message.id.as_str()))
                    .header(content_type.clone());
                for to in &self.to {
                    builder = builder.to(to.clone());
                }
                // Any bytes pass through any server in this form.
                let body = Body::new_with_encoding(
                    message.payload.to_vec(),
                    ContentTransferEncoding::Base64,
                )
                .map_err(|_| "the payload cannot be encoded".to_owned())?;
                builder.body(body).map_err(|error| error.to_string())?.formatted()
            }
        };
        Ok(match letter.strip_suffix(b"\r\n") {
            Some(without_end) => without_end.to_vec(),
            None => letter,
        })
    }
}

/// The same address with its domain as the name system knows it, which every server takes.
fn in_ascii(address: &Address) -> Result<Address, String> {
    if address.domain().is_ascii() {
        return Ok(address.clone());
    }
    let domain = idna::domain_to_ascii_cow(address.domain().as_bytes(), idna::AsciiDenyList::URL)
        .map_err(|_| format!("{} is no domain", address.domain()))?;
    Address::new(address.user(), &*domain).map_err(|error| error.to_string())
}

/// What is no letter, digit, `-` or `_` is written as `=` and two digits, which two ids never share.
fn message_id(id: &MessageId, domain: &str) -> String {
    let mut local = String::new();
    for byte in id.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => local.push(char::from(byte)),
            _ => local += &format!("={byte:02X}"),
        }
    }
    format!("<{local}@{domain}>")
}

/// A whole message, with the line ends that mail has, and with a `Message-ID`: its own or ours.
fn with_message_id(payload: &[u8], message_id: &str) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let len = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let (line, end) = rest.split_at(len);
        // A line end of its own kind in the middle of a mail is read as one by some servers and
        // not by others, which lets a payload pass for two mails.
        rest = end.strip_prefix(b"\r\n").or_else(|| end.get(1..)).unwrap_or_default();
        lines.push(line);
    }
    if !lines.first().is_some_and(|line| is_header(line)) {
        return Err("the payload does not begin with a header line, as a whole message does".into());
    }
    if let Some(at) = lines.iter().position(|line| line.len() > MAX_LINE || line.contains(&0)) {
        return Err(format!("line {} is longer than {MAX_LINE} bytes or has a zero byte", at + 1));
    }
    let headers = lines.iter().take_while(|line| !line.is_empty());
    let has_id = headers
        .filter_map(|line| line.get(..11))
        .any(|start| start.eq_ignore_ascii_case(b"message-id:"));
    let mut out = Vec::with_capacity(payload.len() + lines.len() + message_id.len() + 16);
    if !has_id {
        out.extend_from_slice(format!("Message-ID: {message_id}\r\n").as_bytes());
    }
    for line in lines {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    Ok(out)
}

/// A name of printable ASCII, and a colon.
fn is_header(line: &[u8]) -> bool {
    let name = line.iter().position(|&byte| byte == b':').map_or(&b""[..], |len| &line[..len]);
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests;
