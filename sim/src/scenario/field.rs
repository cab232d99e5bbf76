//! Reading the fields of one table, with a problem noted for each that is not as it should be.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Problems, suggest};
use super::units::{Between, parse_between, parse_duration, parse_step};

/// A value of the file and where it is.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

const DURATION_HELP: &str = "write a number and one of ns, us, ms, s, m, h, such as \"300us\" or \
                             \"1.2s\"; a range such as \"1s..3s\" leaves the choice to the seed";
const COUNT_HELP: &str =
    "write a whole number such as 3; a range such as \"3..5\" leaves the choice to the seed";

/// A table of the file.
pub(super) struct Section<'t> {
    /// What to call it.
    pub what: &'static str,
    /// Where it is.
    pub at: Range<usize>,
    table: &'t DeTable<'t>,
}

impl<'t> Section<'t> {
    /// The table of `value`; its keys are not checked yet.
    pub fn of(what: &'static str, value: &'t Value<'t>, problems: &mut Problems) -> Option<Self> {
        let at = value.span();
        if let Some(table) = value.get_ref().as_table() {
            return Some(Self { what, at, table });
        }
        problems.add(
            at,
            format!("{what} is {}", article(value.get_ref())),
            "expected a table",
            "write { key = value, … }",
        );
        None
    }

    /// The whole document.
    pub fn root(document: &'t Spanned<DeTable<'t>>) -> Self {
        Self { what: "a scenario", at: 0..0, table: document.get_ref() }
    }

    /// Notes every key that is not among `known`.
    pub fn only(&self, known: &[&str], problems: &mut Problems) {
        for key in self.keys() {
            if !known.contains(&&**key.get_ref()) {
                let name = key.get_ref();
                problems.add(
                    key.span(),
                    format!("unknown key \"{name}\" in {}", self.what),
                    format!("not a key of {}", self.what),
                    suggest(name, known.iter().copied()),
                );
            }
        }
    }

    /// The keys with their places, in the order of the alphabet.
    pub fn keys(&self) -> impl Iterator<Item = &'t Spanned<std::borrow::Cow<'t, str>>> {
        self.table.keys()
    }

    /// The value of that key.
    pub fn get(&self, key: &str) -> Option<&'t Value<'t>> {
        self.table.get(key)
    }

    /// The value of that key, which must be there.
    pub fn need(&self, key: &str, example: &str, problems: &mut Problems) -> Option<&'t Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            problems.add(
                self.at.clone(),
                format!("{} has no \"{key}\"", self.what),
                format!("\"{key}\" is missing"),
                format!("add {key} = {example}"),
            );
        }
        value
    }

    /// Where the key's value is; the section if it is not there.
    pub fn place(&self, key: &str) -> Range<usize> {
        self.get(key).map_or_else(|| self.at.clone(), Spanned::span)
    }

    /// A range of durations that must be there.
    pub fn need_duration(&self, key: &str, problems: &mut Problems) -> Option<Between<Duration>> {
        duration(key, self.need(key, "\"3s\"", problems)?, problems)
    }

    /// A range of durations above zero that must be there.
    pub fn need_some_time(&self, key: &str, problems: &mut Problems) -> Option<Between<Duration>> {
        let value = self.need_duration(key, problems)?;
        positive(key, self.place(key), value, problems)
    }

    /// A range of durations, or `default`.
    pub fn duration_or(
        &self,
        key: &str,
        default: Duration,
        problems: &mut Problems,
    ) -> Option<Between<Duration>> {
        match self.get(key) {
            Some(value) => duration(key, value, problems),
            None => Some(Between::exactly(default)),
        }
    }

    /// A range of counts, or `default`.
    pub fn count_or(
        &self,
        key: &str,
        default: u32,
        problems: &mut Problems,
    ) -> Option<Between<u32>> {
        match self.get(key) {
            Some(value) => count(key, value, problems),
            None => Some(Between::exactly(default)),
        }
    }

    /// A probability as parts per million, or zero.
    pub fn probability(&self, key: &str, problems: &mut Problems) -> Option<u32> {
        let Some(value) = self.get(key) else { return Some(0) };
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => signed(integer).map(|n| n as f64),
            _ => None,
        };
        if let Some(number) = number.filter(|n| (0.0..=1.0).contains(n)) {
            return Some((number * 1e6).round() as u32);
        }
        problems.add(
            value.span(),
            format!("\"{key}\" is not a probability"),
            "expected a number from 0.0 to 1.0",
            format!("write for example {key} = 0.05"),
        );
        None
    }
}

/// The text of a value that must be a string.
pub(super) fn text<'t>(
    key: &str,
    value: &'t Value<'t>,
    expected: &str,
    problems: &mut Problems,
) -> Option<&'t str> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        problems.add(
            value.span(),
            format!("\"{key}\" is {}", article(value.get_ref())),
            format!("expected {expected}"),
            "write it between quotation marks",
        );
    }
    text
}

/// A value that must be true or false.
pub(super) fn flag(key: &str, value: &Value, problems: &mut Problems) -> Option<bool> {
    let flag = value.get_ref().as_bool();
    if flag.is_none() {
        problems.add(
            value.span(),
            format!("\"{key}\" is {}", article(value.get_ref())),
            "expected true or false",
            format!("write {key} = true"),
        );
    }
    flag
}

/// Several names: a list of strings or a single string.
pub(super) fn names<'t>(
    key: &str,
    value: &'t Value<'t>,
    problems: &mut Problems,
) -> Option<Vec<(&'t str, Range<usize>)>> {
    let one = |value: &'t Value<'t>, problems: &mut Problems| {
        text(key, value, "a name", problems).map(|text| (text, value.span()))
    };
    match value.get_ref().as_array() {
        Some(items) => items.iter().map(|item| one(item, problems)).collect(),
        None => one(value, problems).map(|name| vec![name]),
    }
}

/// A range of durations.
pub(super) fn duration(
    key: &str,
    value: &Value,
    problems: &mut Problems,
) -> Option<Between<Duration>> {
    between(
        key,
        value,
        "a duration",
        DURATION_HELP,
        |text| parse_between(text, parse_duration),
        problems,
    )
}

/// A range of wall clock steps in milliseconds.
pub(super) fn steps(key: &str, value: &Value, problems: &mut Problems) -> Option<Between<i64>> {
    between(
        key,
        value,
        "a step",
        "write a duration with or without a minus, such as \"-4s\" or \"-1h..1h\"",
        |text| parse_between(text, parse_step),
        problems,
    )
}

/// A range of counts.
pub(super) fn count(key: &str, value: &Value, problems: &mut Problems) -> Option<Between<u32>> {
    let parse =
        |text: &str| text.trim().parse().map_err(|_| format!("\"{}\" is not a count", text.trim()));
    numbers(key, value, "a count", COUNT_HELP, parse, problems)
}

/// A range of numbers with or without a minus.
pub(super) fn signed_numbers(
    key: &str,
    value: &Value,
    problems: &mut Problems,
) -> Option<Between<i32>> {
    let parse = |text: &str| {
        text.trim().parse().map_err(|_| format!("\"{}\" is not a number", text.trim()))
    };
    let help = "write a whole number such as 5000, or a range such as \"-5000..5000\"";
    numbers(key, value, "a whole number", help, parse, problems)
}

fn numbers<T: Copy + PartialOrd>(
    key: &str,
    value: &Value,
    expected: &str,
    help: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    problems: &mut Problems,
) -> Option<Between<T>> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return between(key, value, expected, help, |t| parse_between(t, &parse), problems);
    };
    let number = signed(integer).and_then(|number| parse(&number.to_string()).ok());
    if number.is_none() {
        problems.add(
            value.span(),
            format!("\"{key}\" = {integer} is out of range"),
            format!("expected {expected}"),
            help,
        );
    }
    number.map(Between::exactly)
}

fn between<T>(
    key: &str,
    value: &Value,
    expected: &str,
    help: &str,
    parse: impl Fn(&str) -> Result<Between<T>, String>,
    problems: &mut Problems,
) -> Option<Between<T>> {
    let wrong = match value.get_ref().as_str().map(parse) {
        Some(Ok(range)) => return Some(range),
        Some(Err(why)) => format!("bad \"{key}\": {why}"),
        None => format!("\"{key}\" is {}", article(value.get_ref())),
    };
    problems.add(value.span(), wrong, format!("expected {expected}"), help);
    None
}

/// Refuses a duration that may be zero.
pub(super) fn positive(
    key: &str,
    at: Range<usize>,
    value: Between<Duration>,
    problems: &mut Problems,
) -> Option<Between<Duration>> {
    if value.low > Duration::ZERO {
        return Some(value);
    }
    problems.add(
        at,
        format!("\"{key}\" is zero"),
        "expected a duration above zero",
        format!("write for example {key} = \"3s\""),
    );
    None
}

/// Refuses a number that is always zero: the fault would do nothing, and be counted all the same.
/// Of a range that includes zero, zero is not drawn.
pub(super) fn not_zero<T: Copy + Default + PartialEq>(
    key: &str,
    at: Range<usize>,
    value: Between<T>,
    example: &str,
    problems: &mut Problems,
) -> Option<Between<T>> {
    let zero = T::default();
    if value.low != zero || value.high != zero {
        return Some(value);
    }
    problems.add(
        at,
        format!("\"{key}\" is zero"),
        "nothing would change",
        format!("write for example {key} = {example}, or leave this fault out"),
    );
    None
}

/// The value, if it leaves no choice.
pub(super) fn fixed<T: Copy + PartialEq>(
    key: &str,
    value: Between<T>,
    section: &Section,
    problems: &mut Problems,
) -> Option<T> {
    if value.low == value.high {
        return Some(value.low);
    }
    problems.add(
        section.place(key),
        format!("\"{key}\" of {} cannot be a range", section.what),
        "expected one value",
        "write one value; write several scenarios for several timings",
    );
    None
}

/// The number, if it is one that TOML allows.
pub(super) fn signed(integer: &DeInteger) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What a value is, for people.
pub(super) fn article(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number without a unit",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
