//! Sinks as they are written, and each mistake in them.

use std::path::Path;
use std::time::Duration;

use crate::delivery::Promise;
use crate::delivery::sinks::{Encryption, MailFormat, SinkConfig};
use crate::node::config::tests::{assert_shows, rendered};
use crate::node::config::{ConfigFileError, NodeConfig};
use crate::secret::SecretSource;

const REST: &str = r#"
cluster = "mail"
node = "n1"
disk = "none"
[voters]
n1 = "127.0.0.1:7401"
[store]
sqlite = "mail.db"
"#;

const WEBHOOK: &str = r#"[sink.webhook]
url = "https://example.org/hook"
promise = "dedup"
window = "24h"
timeout = "10s"
content_type = "application/json"
headers = { X-Tenant = "a" }
secret_headers.Authorization = { env = "HOOK_AUTH" }
refused_for_now = [429, 503]
ca = "ca.pem"
"#;

const SMTP: &str = r#"[sink.smtp]
host = "mail.example.org"
encryption = "starttls"
user = "fencepost"
password = { file = "password" }
from = "Fencepost <noreply@example.org>"
to = ["ops@example.org"]
subject = "Message {id}"
"#;

fn parse(sink: &str) -> Result<SinkConfig, ConfigFileError> {
    let text = REST.to_owned() + sink;
    NodeConfig::parse(&text, "n1.toml", Path::new("/etc/mail")).map(|config| config.sink)
}

/// What a person sees of the mistake in `good` with `from` replaced by `to`.
fn shown(good: &str, from: &str, to: &str) -> String {
    assert!(good.contains(from), "{from}");
    rendered(&parse(&good.replacen(from, to, 1)).unwrap_err())
}

#[test]
fn a_webhook_is_read() {
    let SinkConfig::Webhook(hook) = parse(WEBHOOK).unwrap() else { panic!("no webhook") };
    assert_eq!(hook.url.host(), Some("example.org"));
    // The time that a send can be on its way is taken off, and the margin for clocks.
    let window = Duration::from_secs(24 * 3600 - 10 - 60);
    assert_eq!(hook.promise, Promise::Deduplicates { window });
    assert_eq!(hook.content_type, "application/json");
    assert_eq!(hook.headers.len(), 1);
    assert_eq!(hook.secret_headers[0].1, SecretSource::Env("HOOK_AUTH".into()));
    assert_eq!(hook.refused_for_now, [401, 425, 429, 503].into(), "it adds to the defaults");
    assert_eq!(hook.ca.as_deref(), Some(Path::new("/etc/mail/ca.pem")));

    let shortest = "[sink.webhook]\nurl = \"http://localhost:8080\"\n";
    let SinkConfig::Webhook(hook) = parse(shortest).unwrap() else { panic!("no webhook") };
    assert_eq!(hook.promise, Promise::Plain);
    assert_eq!(hook.refused_for_now, [401, 425, 429].into());
    let fenced = shortest.to_owned() + "promise = \"fenced\"\n";
    let SinkConfig::Webhook(hook) = parse(&fenced).unwrap() else { panic!("no webhook") };
    assert_eq!(hook.promise, Promise::Fenced);
}

#[test]
fn a_mail_server_is_read() {
    let SinkConfig::Smtp(smtp) = parse(SMTP).unwrap() else { panic!("no mail server") };
    assert_eq!((smtp.port, smtp.encryption), (587, Encryption::StartTls));
    let login = smtp.login.unwrap();
    assert_eq!(login.password, SecretSource::File("/etc/mail/password".into()));
    assert!(matches!(smtp.format, MailFormat::Body { subject, .. } if subject == "Message {id}"));

    let whole = SMTP.replace("subject = \"Message {id}\"", "format = \"message\"");
    let SinkConfig::Smtp(smtp) = parse(&whole).unwrap() else { panic!("no mail server") };
    assert_eq!(smtp.format, MailFormat::Message);
}

#[test]
fn there_is_exactly_one_sink() {
    assert_shows(&rendered(&parse("[sink]\n").unwrap_err()), &["there is no sink", "[sink]"]);
    let two = format!("[sink]\nfile = \"a\"\n{WEBHOOK}");
    assert_shows(&rendered(&parse(&two).unwrap_err()), &["not both", "[sink.webhook]"]);
    let two = format!("{WEBHOOK}{SMTP}");
    assert_shows(&rendered(&parse(&two).unwrap_err()), &["not both", "[sink.smtp]"]);
    assert_shows(&shown(WEBHOOK, "timeout =", "timeuot ="), &["did you mean `timeout`?"]);
}

#[test]
fn urls_that_nothing_can_be_posted_to_are_shown() {
    let url = "https://example.org/hook";
    for bad in ["example.org", "ftp://example.org/", "https://", "https://a b/", "https://h/#x"] {
        assert_shows(&shown(WEBHOOK, url, bad), &["url = ", "as in \"https://"]);
    }
    assert_shows(&shown(WEBHOOK, url, "https://a:b@h/"), &["a user in it", "secret_headers"]);
}

/// Errors are copied into tickets.
#[test]
fn no_error_shows_a_secret_that_was_written_down() {
    let source = "{ env = \"HOOK_AUTH\" }";
    let file = "{ file = \"password\" }";
    for shown in [
        shown(WEBHOOK, "https://example.org", "https://me:hunter2@h"),
        shown(WEBHOOK, "X-Tenant = \"a\"", "Authorization = \"hunter2\""),
        shown(WEBHOOK, source, "\"hunter2\""),
        shown(SMTP, file, "\"hunter2\""),
        shown(SMTP, file, "\"hunter2\"\ntypo = 1"),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn no_secret_goes_to_another_machine_in_the_clear() {
    let https = "https://example.org/hook";
    let shows = ["sent in the clear", "write https://"];
    for url in ["http://example.org/hook", "http://10.0.0.7:80/", "http://localhost.example.org/"] {
        assert_shows(&shown(WEBHOOK, https, url), &shows);
    }
    for url in ["http://localhost:80/", "http://127.0.0.7/", "http://[::1]:8080/x"] {
        assert!(parse(&WEBHOOK.replace(https, url)).is_ok(), "{url}");
    }
    // What is no secret may.
    assert!(parse("[sink.webhook]\nurl = \"http://example.org/\"\n").is_ok());
}

#[test]
fn promises_and_windows_must_fit() {
    let promise = "promise = \"dedup\"";
    assert_shows(&shown(WEBHOOK, promise, "promise = \"dedupe\""), &["did you mean \"dedup\"?"]);
    assert_shows(&shown(WEBHOOK, promise, "promise = \"exactly\""), &["this is no promise"]);
    assert_shows(&shown(WEBHOOK, promise, ""), &["means nothing", "promise = \"dedup\""]);
    assert_shows(&shown(WEBHOOK, "window = \"24h\"", ""), &["for how long", "window = \"24h\""]);
    assert_shows(
        &shown(WEBHOOK, "24h", "70s"),
        &["the window is too short", "not longer than timeout + margin = 70s"],
    );
    assert_shows(&shown(WEBHOOK, "24h", "a day"), &["this is no duration"]);
    assert_shows(&shown(WEBHOOK, "\"10s\"", "\"0s\""), &["timeout is out of range"]);
}

#[test]
fn headers_that_cannot_be_sent_are_shown() {
    let name = "X-Tenant =";
    assert_shows(&shown(WEBHOOK, name, "idempotency-KEY ="), &["itself writes idempotency-key"]);
    assert_shows(&shown(WEBHOOK, name, "Authorization ="), &["is a secret", "secret_headers."]);
    assert_shows(&shown(WEBHOOK, name, "\"X Tenant\" ="), &["no header's name"]);
    assert_shows(&shown(WEBHOOK, "\"a\"", "\"a\\r\\nb: c\""), &["no text of one line"]);
    assert_shows(&shown(WEBHOOK, "[429, 503]", "[429, 200]"), &["200 is no refusal"]);
    let source = "{ env = \"HOOK_AUTH\" }";
    assert_shows(&shown(WEBHOOK, source, "{ }"), &["one place", "{ env = "]);
    assert_shows(&shown(WEBHOOK, source, "\"Bearer x\""), &["secret_headers"]);
}

#[test]
fn mails_that_cannot_be_sent_are_shown() {
    assert_shows(&shown(SMTP, "starttls", "startls"), &["did you mean \"starttls\"?"]);
    assert_shows(&shown(SMTP, "starttls", "none"), &["sent in the clear"]);
    assert_shows(&shown(SMTP, "password = { file = \"password\" }\n", ""), &["without `password`"]);
    assert_shows(&shown(SMTP, "user = \"fencepost\"\n", ""), &["without `user`"]);
    assert_shows(&shown(SMTP, "[\"ops@example.org\"]", "[]"), &["0 recipients"]);
    assert_shows(&shown(SMTP, "ops@example.org", "ops"), &["no mail address", "ann@example.org"]);
    assert_shows(
        &shown(SMTP, "subject =", "format = \"message\"\nsubject ="),
        &["its own headers", "subject = "],
    );
    assert_shows(&shown(SMTP, "subject =", "format = \"mime\"\nsubject ="), &["this is no format"]);
}
