//! Pages: one run as a diagram of space and time, and the results of many runs. Each is one file that
//! needs no network and no server; styles and scripts are files of their own beside this one and are
//! put into the page as they are.
//!
//! Everything that comes from a run is text: it is escaped here, and the scripts never read it as markup.

mod chart;
mod columns;
pub mod replay;
pub mod run;
mod zoo;

#[cfg(test)]
mod tests;

/// The colours, fonts and boxes that all pages share.
const STYLE: &str = include_str!("style.css");

/// Text as it stands in an element or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Invisible, and no browser takes them from text as they are.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JSON as it stands in a script element: nothing in it can end the element.
fn embed(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Fills the `{{names}}` of a template, once: what is filled in is not looked at again.
fn fill(template: &str, parts: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, found)) = rest.split_once("{{") {
        let (name, after) = found.split_once("}}").unwrap_or((found, ""));
        let part = parts.iter().find(|(known, _)| *known == name);
        out.push_str(before);
        out.push_str(part.map_or("", |(_, text)| text));
        rest = after;
    }
    out + rest
}
