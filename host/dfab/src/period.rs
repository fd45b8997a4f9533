//! Lengths of time as people give them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// A length of time that is not zero: seconds, or a number with `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(Duration);

/// What is said of a text that is none.
const WANTED: &str = "a time is a number of seconds, or one such as 5m or 2h";

impl Period {
    /// For whatever waits.
    pub(crate) fn duration(self) -> Duration {
        self.0
    }

    fn of_seconds(seconds: u64) -> Option<Self> {
        (seconds > 0).then(|| Self(Duration::from_secs(seconds)))
    }
}

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = match text.char_indices().last() {
            Some((at, 's')) => (text.get(..at), 1),
            Some((at, 'm')) => (text.get(..at), 60),
            Some((at, 'h')) => (text.get(..at), 3600),
            _ => (Some(text), 1),
        };
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let seconds = number.and_then(|number| number.checked_mul(unit));
        seconds.and_then(Self::of_seconds).ok_or(WANTED)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Given;

        impl Visitor<'_> for Given {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds, or one such as 5m or 2h")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Period, E> {
                Period::of_seconds(seconds)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(seconds), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_may_be_given() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200)] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.duration(), Duration::from_secs(seconds));
            let read: Period = serde_yaml::from_str(text).unwrap();
            assert_eq!(read, period);
        }
        for text in [
            "",
            "0",
            "0m",
            "m",
            "-1",
            "1.5",
            "1d",
            "18446744073709551615h",
        ] {
            assert_eq!(text.parse::<Period>(), Err(WANTED), "{text}");
        }
    }
}
