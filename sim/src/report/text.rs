//! Text for a terminal: colours, wrapped lines, and numbers that people can read.

use std::io::IsTerminal;

/// What is written is this wide where nobody says how wide the screen is: in files, and in pipes.
pub const WIDTH: usize = 100;

/// The narrowest screen that is written for, and the widest: longer lines are hard to read.
const NARROWEST: usize = 40;
const WIDEST: usize = 160;

/// How wide the screen is: what `COLUMNS` says, else what the terminal says, else [`WIDTH`].
pub fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let asked = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let columns = told.filter(|columns| *columns > 0);
    let columns = columns.or_else(|| asked().map(|size| size.ws_col.into()));
    columns.filter(|columns| *columns > 0).unwrap_or(WIDTH).clamp(NARROWEST, WIDEST)
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// No colours.
    pub const OFF: Self = Self { on: false };

    /// Colours if standard output is a terminal that wants them.
    pub fn for_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { on: std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// What is well.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What is broken.
    pub fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What proves nothing.
    pub fn empty(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What stands out.
    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What stands back.
    pub fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Breaks `text` at spaces into lines that fit the screen, the first after `head`, the others indented
/// as deep. A word that is too long for a line gets a line of its own.
pub fn wrap(head: &str, text: &str) -> String {
    wrap_to(width(), head, text)
}

/// [`wrap`] for lines of at most `width` columns.
pub fn wrap_to(width: usize, head: &str, text: &str) -> String {
    let indent = head.chars().count();
    let mut out = head.to_owned();
    let mut column = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// As [`wrap`], for items that are not broken themselves.
pub fn wrap_items(head: &str, items: impl IntoIterator<Item = String>) -> String {
    // A no-break space keeps an item together until the lines are made.
    let items: Vec<String> = items.into_iter().map(|item| item.replace(' ', "\u{a0}")).collect();
    wrap(head, &items.join(" · ").replace(" ·", "\u{a0}·")).replace('\u{a0}', " ")
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number in at most five columns: `1234`, `123k`, `12.3M`.
pub fn short(number: u64) -> String {
    let scaled = |unit: u64, name| match number / unit {
        whole @ 100.. => format!("{whole}{name}"),
        whole => format!("{whole}.{}{name}", number % unit * 10 / unit),
    };
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => scaled(1_000, 'k'),
        1_000_000..1_000_000_000 => scaled(1_000_000, 'M'),
        1_000_000_000..1_000_000_000_000 => scaled(1_000_000_000, 'G'),
        _ => format!("{}T", number / 1_000_000_000_000),
    }
}

/// A rate: two digits behind the point if it is small, none if it is large.
pub fn rate(per_second: f64) -> String {
    match per_second {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large if large < 10_000.0 => format!("{large:.0}"),
        huge => short(huge as u64),
    }
}

/// A span of time: `0.52 s`, `48 s`, `3 min 12 s`, `5 h 2 min`, `3 d 4 h`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let pair = |large: u64, name, small: u64, rest| {
        format!("{} {name} {} {rest}", whole / large, whole % large / small)
    };
    match whole {
        _ if seconds < 10.0 => format!("{seconds:.2} s"),
        0..60 => format!("{whole} s"),
        60..3_600 => pair(60, "min", 1, "s"),
        3_600..86_400 => pair(3_600, "h", 60, "min"),
        _ => pair(86_400, "d", 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shortened() {
        for (number, says) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), says);
        }
        for (number, says) in [
            (9_999, "9999"),
            (10_000, "10.0k"),
            (999_999, "999k"),
            (12_345_678, "12.3M"),
            (u64::from(u32::MAX), "4.2G"),
        ] {
            assert_eq!(short(number), says);
            assert!(short(number).len() <= 6);
        }
        assert_eq!(
            (rate(0.5), rate(12.34), rate(1234.5)),
            ("0.50".into(), "12.3".into(), "1234".into())
        );
    }

    #[test]
    fn spans_name_their_two_largest_units() {
        for (seconds, says) in [
            (0.5234, "0.52 s"),
            (48.2, "48 s"),
            (192.0, "3 min 12 s"),
            (18_120.0, "5 h 2 min"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(span(seconds), says);
        }
    }

    #[test]
    fn lines_are_broken_between_words_and_items() {
        let text = wrap("  head  ", &"word ".repeat(40));
        assert!(text.lines().count() > 1);
        for line in text.lines().skip(1) {
            assert!(line.starts_with("        word"), "{line:?}");
        }
        let items = wrap_items("  head  ", (0..40).map(|n| format!("item {n}")));
        for line in items.lines() {
            assert!(line.chars().count() <= width(), "{line:?}");
            assert!(!line.ends_with("item") && !line.trim_start().starts_with('·'), "{line:?}");
        }
        assert_eq!(wrap("a ", ""), "a ");
        let long = "x".repeat(150);
        assert_eq!(wrap("a ", &format!("b {long} c")), format!("a b\n  {long}\n  c"));
    }

    #[test]
    fn without_colours_text_is_as_it_was() {
        assert_eq!(Paint::OFF.bad("broken"), "broken");
        assert_eq!(Paint { on: true }.good("fine"), "\x1b[32mfine\x1b[0m");
    }
}
