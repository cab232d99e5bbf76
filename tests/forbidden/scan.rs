//! Looks for forbidden sources of chance in the tokens of a file, so that comments and strings do not
//! count, and resolves imports, so that another name does not hide anything. Test code is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::rules::{CHANGEABLE, RULES, STATE, UNBIASED};

/// What excuses a finding: this in a comment on its line or right above it, and a reason.
pub const EXCUSE: &str = "// chance: ";

/// The shortest reason that is one.
const REASON_MIN: usize = 10;

/// Something that may not be there, or an excuse that excuses nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Its line, from 1 on.
    pub line: usize,
    /// What it is.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// All that is wrong with a file.
pub fn scan(text: &str) -> Result<Vec<Finding>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut scan = Scan::default();
    let tokens = without_tests(tokens);
    scan.imports(&tokens);
    scan.tokens(&tokens);
    Ok(excuse(text, scan.found))
}

/// Leaves out what has an excuse, and adds the excuses that are needed no more.
fn excuse(text: &str, found: BTreeSet<Finding>) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let comment = |line: usize| lines.get(line).is_some_and(|l| l.trim_start().starts_with("//"));
    let is_excuse = |line: usize| {
        let reason = lines.get(line).and_then(|line| line.split_once(EXCUSE));
        reason.is_some_and(|(_, reason)| reason.trim().len() >= REASON_MIN)
    };
    let mut used = BTreeSet::new();
    let mut kept = Vec::new();
    for finding in found {
        let own = finding.line - 1;
        let above = (0..own).rev().take_while(|line| comment(*line));
        match std::iter::once(own).chain(above).find(|line| is_excuse(*line)) {
            Some(line) => drop(used.insert(line)),
            None => kept.push(finding),
        }
    }
    for line in (0..lines.len()).filter(|line| is_excuse(*line) && !used.contains(line)) {
        let what = "an excuse for nothing".to_owned();
        kept.push(Finding { line: line + 1, what, remedy: "delete it" });
    }
    kept.sort();
    kept
}

/// The tokens without items that only tests have: `#[cfg(test)]`, up to the end of what follows.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let test = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#')
            && matches!(tokens.peek(), Some(TokenTree::Group(group))
                if group.stream().to_string().replace(' ', "") == "cfg(test)");
        if !test {
            kept.push(token);
            continue;
        }
        for token in tokens.by_ref() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ';' => break,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
                _ => {}
            }
        }
    }
    kept
}

#[derive(Default)]
struct Scan {
    /// Imported names and the paths that they stand for.
    names: BTreeMap<String, Vec<String>>,
    found: BTreeSet<Finding>,
}

impl Scan {
    fn find(&mut self, token: &TokenTree, what: String, remedy: &'static str) {
        self.found.insert(Finding { line: token.span().start().line, what, remedy });
    }

    /// Reads all `use` items, wherever they are.
    fn imports(&mut self, tokens: &[TokenTree]) {
        let mut index = 0;
        while index < tokens.len() {
            match &tokens[index] {
                TokenTree::Ident(ident) if ident == "use" => {
                    let end = tokens[index..].iter().position(|token| is(token, ';'));
                    let end = end.map_or(tokens.len(), |end| index + end);
                    self.tree(&[], &tokens[index + 1..end]);
                    index = end;
                }
                TokenTree::Group(group) => self.imports(&without_tests(group.stream())),
                _ => {}
            }
            index += 1;
        }
    }

    /// One tree of a `use`: a path, with a group or an alias at its end, or several with commas.
    fn tree(&mut self, prefix: &[String], tokens: &[TokenTree]) {
        for branch in tokens.split(|token| is(token, ',')) {
            let mut path = prefix.to_vec();
            let mut alias = None;
            let mut tokens = branch.iter();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => {
                        alias = tokens.next().map(ToString::to_string);
                    }
                    TokenTree::Ident(ident) if ident == "self" && !path.is_empty() => {}
                    TokenTree::Ident(ident) => path.push(ident.to_string()),
                    TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".to_owned()),
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.tree(&path, &inner);
                        path.clear();
                    }
                    _ => {}
                }
            }
            let (Some(name), Some(token)) = (path.last(), branch.last()) else { continue };
            self.names.insert(alias.unwrap_or_else(|| name.clone()), path.clone());
            if let Some(remedy) = forbidden(&path) {
                self.find(token, path.join("::"), remedy);
            }
        }
    }

    /// Looks at everything but the imports.
    fn tokens(&mut self, tokens: &[TokenTree]) {
        let mut index = 0;
        while index < tokens.len() {
            let before = index.checked_sub(1).map(|before| &tokens[before]);
            match &tokens[index] {
                TokenTree::Ident(ident) if ident == "use" => {
                    let end = tokens[index..].iter().position(|token| is(token, ';'));
                    index += end.unwrap_or(0);
                }
                // 'static is a lifetime.
                TokenTree::Ident(ident)
                    if ident == "static" && !before.is_some_and(|before| is(before, '\'')) =>
                {
                    self.state(&tokens[index..]);
                }
                TokenTree::Ident(_) if !continues(&tokens[..index]) => {
                    self.path(&tokens[index..]);
                }
                TokenTree::Group(group) => self.tokens(&without_tests(group.stream())),
                _ => {}
            }
            index += 1;
        }
    }

    /// A path in the code, and the macro that it may call.
    fn path(&mut self, tokens: &[TokenTree]) {
        let mut path = Vec::new();
        let mut rest = tokens.iter().peekable();
        while let Some(TokenTree::Ident(ident)) = rest.peek() {
            path.push(ident.to_string());
            rest.next();
            if !(rest.next_if(|t| is(t, ':')).is_some() && rest.next_if(|t| is(t, ':')).is_some()) {
                break;
            }
        }
        let last = path.last().map(String::as_str);
        if rest.next_if(|token| is(token, '!')).is_some()
            && let Some(TokenTree::Group(group)) = rest.next()
        {
            match last {
                Some("select") => {
                    let mut inner = group.stream().into_iter();
                    let biased = inner.next().is_some_and(|token| token.to_string() == "biased")
                        && inner.next().is_some_and(|token| is(&token, ';'));
                    if !biased {
                        self.find(&tokens[0], "an unbiased select!".to_owned(), UNBIASED);
                    }
                }
                Some("thread_local") => {
                    self.find(&tokens[0], "a thread_local!".to_owned(), STATE);
                }
                _ => {}
            }
        }
        if let Some(import) = path.first().and_then(|first| self.names.get(first)) {
            // What is forbidden itself was found where it was imported.
            if forbidden(import).is_some() {
                return;
            }
            path.splice(0..1, import.iter().cloned());
        }
        if path.len() > 1
            && let Some(remedy) = forbidden(&path)
        {
            self.find(&tokens[0], path.join("::"), remedy);
        }
    }

    /// A `static`, up to its value.
    fn state(&mut self, tokens: &[TokenTree]) {
        let declared = tokens.iter().take_while(|token| !is(token, '=') && !is(token, ';'));
        let changeable = declared.skip(1).any(|token| {
            let word = token.to_string();
            word == "mut" || CHANGEABLE.contains(&word.as_str()) || word.starts_with("Atomic")
        });
        if changeable {
            self.find(&tokens[0], "a static that can change".to_owned(), STATE);
        }
    }
}

/// Whether what comes next goes on with a path that began before: `a::` and not `a:` or `::`.
fn continues(before: &[TokenTree]) -> bool {
    match before {
        [.., first, one, two] if is(one, ':') && is(two, ':') => {
            matches!(first, TokenTree::Ident(_)) || is(first, '>')
        }
        _ => false,
    }
}

fn is(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// What to do instead, if the path leads into something forbidden or, with a star, around it.
fn forbidden(path: &[String]) -> Option<&'static str> {
    let found = RULES.iter().find(|rule| {
        let rule: Vec<&str> = rule.path.split("::").collect();
        match path.split_last() {
            Some((last, before)) if last == "*" => {
                rule.len() > before.len() && rule.iter().zip(before).all(|(r, p)| r == p)
                    || before.len() >= rule.len() && rule.iter().zip(before).all(|(r, p)| r == p)
            }
            _ => path.len() >= rule.len() && rule.iter().zip(path).all(|(r, p)| r == p),
        }
    });
    found.map(|rule| rule.remedy)
}
