//! Short texts that people and applications give and that a store keeps: ids, keys and names. One
//! shape for all: printable, and of a bounded length.

/// A text that cannot be what it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be {what}: it must have 1 to {max} bytes and no control characters")]
pub struct InvalidText {
    /// What it was given for, as in "the name of a job".
    pub what: &'static str,
    /// The text, or its beginning.
    pub text: String,
    /// How many bytes it may have.
    pub max: usize,
}

/// Checks a text that has 1 to `max` bytes and no control characters.
pub(super) fn check(what: &'static str, max: usize, text: &str) -> Result<(), InvalidText> {
    let fits = (1..=max).contains(&text.len()) && !text.chars().any(char::is_control);
    // What is shown is bounded, whatever was given.
    let shown = || text.chars().take(2 * max).collect();
    fits.then_some(()).ok_or_else(|| InvalidText { what, text: shown(), max })
}

/// Makes a type of such texts.
macro_rules! text {
    ($(#[$attribute:meta])* $name:ident: $what:literal, at most $max:ident) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks and keeps a text.
            ///
            /// # Errors
            /// It is empty, too long, or has control characters.
            pub fn new(text: &str) -> Result<Self, crate::store::InvalidText> {
                crate::store::text::check($what, $max, text)?;
                Ok(Self(text.into()))
            }

            /// The text as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}
pub(super) use text;

#[cfg(test)]
mod tests {
    use crate::store::{JobName, MAX_JOB_NAME_LEN, MAX_MESSAGE_ID_LEN, MessageId, OrderingKey};

    #[test]
    fn texts_are_short_and_printable() {
        for bad in ["", "a\nb", &"x".repeat(MAX_MESSAGE_ID_LEN + 1)] {
            assert!(MessageId::new(bad).is_err() && OrderingKey::new(bad).is_err(), "{bad}");
            let error = JobName::new(bad).unwrap_err().to_string();
            assert!(error.contains("cannot be the name of a job: it must have 1 to 64"), "{error}");
        }
        let longest = "é".repeat(MAX_JOB_NAME_LEN / 2);
        assert_eq!(JobName::new(&longest).unwrap().as_str(), longest);
        assert!(JobName::new(&format!("{longest}x")).is_err());
    }
}
