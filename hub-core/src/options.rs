//! How an option outside of its range is refused, by servers and clients alike.

use std::fmt;
use std::time::Duration;

/// The longest interval of any option.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An option with a value outside of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOption {
    name: &'static str,
    value: String,
    range: String,
}

impl InvalidOption {
    /// Names the option, its value and what is allowed.
    pub fn new(name: &'static str, value: impl fmt::Display, range: impl fmt::Display) -> Self {
        Self { name, value: value.to_string(), range: range.to_string() }
    }

    /// Checks a number of things.
    ///
    /// # Errors
    /// When it is less than `least` or more than `most`.
    pub fn check_size(name: &'static str, value: usize, least: usize, most: usize, unit: &str) -> Result<(), Self> {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Self::new(name, value, format_args!("{least} to {most} {unit}")))
    }

    /// Checks an interval.
    ///
    /// # Errors
    /// When it is shorter than `least` or longer than a day.
    pub fn check_time(name: &'static str, value: Duration, least: Duration) -> Result<(), Self> {
        if (least..=DAY).contains(&value) {
            return Ok(());
        }
        Err(Self::new(name, format_args!("{value:?}"), format_args!("{least:?} to {}s", DAY.as_secs())))
    }

    /// The option, as it is called in the code.
    pub fn name(&self) -> &str {
        self.name
    }
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, which is outside of its range: {}", self.name, self.value, self.range)
    }
}

impl std::error::Error for InvalidOption {}
