//! Secrets that were written into a configuration file by mistake, kept out of what is shown of it.
//!
//! Errors point into the file, and are copied into tickets. A secret has no place in the file; if there is
//! one all the same, then under a name that says so, or in a URL or connection string.

use std::ops::Range;

/// Names of secrets, or parts of them.
const NAMES: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "credential",
    "api-key",
    "apikey",
];

/// What leads to a secret: the values of these keys are no secrets, wherever they stand.
const SOURCES: [&str; 2] = ["env", "file"];

/// The secrets of one file.
pub(super) struct Secrets<'a> {
    text: &'a str,
    at: Vec<Range<usize>>,
}

impl<'a> Secrets<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut at = Vec::new();
        let (mut begin, mut in_secrets) = (0, false);
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim();
            if trimmed.starts_with('[') && !line.contains('=') {
                in_secrets = is_secret(trimmed);
            }
            at.extend(
                values(line, in_secrets)
                    .into_iter()
                    .chain(in_urls(line))
                    .map(|range| begin + range.start..begin + range.end),
            );
            begin += line.len();
        }
        Self { text, at }
    }

    /// The file with a star for each byte of a secret, so that places in it stay where they are.
    pub(super) fn hidden(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        for (index, c) in self.text.char_indices() {
            match self.at.iter().any(|range| range.contains(&index)) {
                true => out.extend(std::iter::repeat_n('*', c.len_utf8())),
                false => out.push(c),
            }
        }
        out
    }

    /// What somebody says about the file, without its secrets.
    pub(super) fn scrub(&self, said: String) -> String {
        let secrets = self.at.iter().map(|range| &self.text[range.clone()]);
        // What is shorter is no secret, and may be a part of any word.
        secrets.filter(|secret| secret.len() >= 4).fold(said, |said, it| said.replace(it, "…"))
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    NAMES.iter().any(|part| name.contains(part))
}

/// The values in a line whose keys name secrets, and everything that stands directly in a table of them.
fn values(line: &str, in_secrets: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(equals) = line[from..].find('=').map(|at| from + at) {
        from = equals + 1;
        let key = line[..equals].trim_end();
        let key = &key[key.rfind(['{', ',', ' ', '\t']).map_or(0, |at| at + 1)..];
        let rest = &line[from..];
        let start = from + rest.len() - rest.trim_start().len();
        let leads = SOURCES.contains(&key.trim_matches(['"', '\'']));
        let value = &line[start..];
        let Some(first) = value.chars().next() else { continue };
        let len = match first {
            '{' | '[' => continue,
            '"' | '\'' => {
                let triple = [first; 3].iter().collect::<String>();
                let open = if value.starts_with(&triple) { 3 } else { 1 };
                // A text of several lines is hidden to the end of this one.
                let closed = if open == 3 { None } else { closing(value, first) };
                let end = closed.unwrap_or_else(|| value.trim_end().len().max(open));
                from = closed.map_or(line.len(), |end| start + end + 1);
                if (is_secret(key) || in_secrets) && !leads {
                    found.push(start + open..start + end);
                }
                // A connection string has pairs of its own.
                let inner = start + open;
                let pairs = in_connection(&value[open..end]);
                found.extend(pairs.map(|it| inner + it.start..inner + it.end));
                continue;
            }
            _ => value.find([',', '}', '#', '\n']).unwrap_or(value.len()),
        };
        if is_secret(key) && !leads {
            found.push(start..start + value[..len].trim_end().len());
        }
    }
    found
}

/// Where a text in quotes ends, if it does.
fn closing(value: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some(at);
        }
        escaped = c == '\\' && quote == '"' && !escaped;
    }
    None
}

/// The values of `password=…` in a connection string or in the query of a URL.
fn in_connection(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices('=').filter_map(move |(equals, _)| {
        let key = text[..equals].trim_end();
        let key = &key[key.rfind([' ', '?', '&', ';']).map_or(0, |at| at + 1)..];
        let start = equals + 1;
        let rest = &text[start..];
        let len = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map_or(rest.len(), |at| at + 2),
            None => rest.find([' ', '&']).unwrap_or(rest.len()),
        };
        is_secret(key).then_some(start..start + len)
    })
}

/// Who logs in, in the URLs of a line.
fn in_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, _)| {
        let start = at + 3;
        let rest = &line[start..];
        let end = rest.find(['"', '\'', ' ', '\n']).unwrap_or(rest.len());
        rest[..end].rfind('@').map(|len| start..start + len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_whatever_they_are_written_as() {
        for (line, hidden) in [
            (r#"password = "hunter2""#, r#"password = "*******""#),
            (r#"password = 'hunter2' # it"#, r#"password = '*******' # it"#),
            ("password = 1234", "password = ****"),
            (r#"password = "a\"b""#, r#"password = "****""#),
            (r#"password = { env = "MAIL_PASSWORD" }"#, r#"password = { env = "MAIL_PASSWORD" }"#),
            (
                r#"secret_headers.x = { file = "x-token" }"#,
                r#"secret_headers.x = { file = "x-token" }"#,
            ),
            (r#"secret_headers.x = "abc""#, r#"secret_headers.x = "***""#),
            (
                r#"headers = { A = "b", Authorization = "Bearer x" }"#,
                r#"headers = { A = "b", Authorization = "********" }"#,
            ),
            (r#"headers = { "X-Api-Key" = "ü" }"#, r#"headers = { "X-Api-Key" = "**" }"#),
            (r#"url = "https://me:pa:ss@h/p?q=1""#, r#"url = "https://********@h/p?q=1""#),
            (r#"url = "https://me:p/a@ss@h/""#, r#"url = "https://*********@h/""#),
            (r#"url = "https://h/?token=abc&x=1""#, r#"url = "https://h/?token=***&x=1""#),
            (
                r#"postgres = "host=h password=abc user=u""#,
                r#"postgres = "host=h password=*** user=u""#,
            ),
            (
                r#"postgres = "host=h password='a b' user=u""#,
                r#"postgres = "host=h password=***** user=u""#,
            ),
            ("password = \"open\n", "password = \"****\n"),
            ("password = \"\"\"hunter2\"\"\"", "password = \"\"\"**********"),
            ("password = \"x\u{3000}", "password = \"*\u{3000}"),
            ("password =", "password ="),
            ("subject = \"a = b\"", "subject = \"a = b\""),
        ] {
            assert_eq!(Secrets::of(line).hidden(), hidden);
        }
        let table = "[sink.webhook.secret_headers]\nx-tenant = \"abc\"\n[store]\nsqlite = \"a\"\n";
        let hidden = "[sink.webhook.secret_headers]\nx-tenant = \"***\"\n[store]\nsqlite = \"a\"\n";
        assert_eq!(Secrets::of(table).hidden(), hidden);
        let said = Secrets::of(r#"password = "hunter2""#).scrub("invalid: \"hunter2\"".into());
        assert_eq!(said, "invalid: \"…\"");
    }

    proptest::proptest! {
        #[test]
        fn places_stay_where_they_are(text in "[a-z=\"'{}\\[\\]:/@ \\\\\\nü,#]{0,60}") {
            proptest::prop_assert_eq!(Secrets::of(&text).hidden().len(), text.len());
        }
    }
}
