//! Limits as people write them, in dfab.yaml and in manifests, and which of them hold.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};

use crate::limits::{Limit, Limits};

/// Limits as somebody wrote them; what is not there is as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Time of its own code.
    pub cpu: Option<Span>,
    /// Time of a whole call.
    pub wall: Option<Span>,
    /// Of all its memories.
    pub memory: Option<Size>,
    /// Of log lines, and of what it prints.
    pub output: Option<Size>,
    /// Copied to the host in one call.
    pub copied: Option<Size>,
    /// Held at once.
    pub handles: Option<Count>,
}

impl LimitSettings {
    /// What is set, by its name and as it is written.
    pub fn named(&self) -> impl Iterator<Item = (String, String)> {
        let Self {
            cpu,
            wall,
            memory,
            output,
            copied,
            handles,
        } = self;
        let text = |value: Option<&dyn fmt::Display>| value.map(ToString::to_string);
        let all = [
            ("cpu", text(cpu.as_ref().map(|it| it as _))),
            ("wall", text(wall.as_ref().map(|it| it as _))),
            ("memory", text(memory.as_ref().map(|it| it as _))),
            ("output", text(output.as_ref().map(|it| it as _))),
            ("copied", text(copied.as_ref().map(|it| it as _))),
            ("handles", text(handles.as_ref().map(|it| it as _))),
        ];
        let set = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        set.map(|(name, value)| (name.to_owned(), value))
    }
}

/// What an operator says of limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRules {
    /// The most that any plugin gets.
    pub general: LimitSettings,
    /// What single plugins get, by their names.
    pub plugins: BTreeMap<String, LimitSettings>,
}

/// A length of time that is not zero: a number of seconds, or one with `ms`, `s`, `m` or `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// A number of bytes that is not zero: with `B`, `KiB`, `MiB` or `GiB`, or without for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(usize);

/// A number that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(usize);

/// Why a text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Of a time.
    #[error("a time is a number of seconds, or one such as 500ms, 5m or 2h")]
    Span,
    /// Of a size.
    #[error("a size is a number of bytes, or one such as 512KiB, 64MiB or 1GiB")]
    Size,
    /// Of anything else.
    #[error("a whole number above 0 is wanted")]
    Count,
}

impl LimitRules {
    /// The limits of a plugin that asks for these: what is written for it alone holds; else the least of
    /// what it asks for and what is written for all, or the default.
    pub(crate) fn of(&self, plugin: &str, asked: &LimitSettings, defaults: &Limits) -> Limits {
        let own = self.plugins.get(plugin).copied().unwrap_or_default();
        let general = &self.general;
        let spans = [own.cpu, general.cpu, asked.cpu];
        let wall = [own.wall, general.wall, asked.wall];
        let time = |[own, general, asked]: [Option<Span>; 3], default: Duration| {
            pick(
                [own, general, asked].map(|span| span.map(|span| span.0)),
                default,
            )
        };
        let size = |settings: [Option<Size>; 3], default: usize| {
            pick(settings.map(|size| size.map(|size| size.0)), default)
        };
        let handles = [own.handles, general.handles, asked.handles];
        Limits {
            cpu: time(spans, defaults.cpu),
            wall: time(wall, defaults.wall),
            task_wall: time(wall, defaults.task_wall),
            memory_bytes: size(
                [own.memory, general.memory, asked.memory],
                defaults.memory_bytes,
            ),
            output_bytes: size(
                [own.output, general.output, asked.output],
                defaults.output_bytes,
            ),
            copied_bytes: size(
                [own.copied, general.copied, asked.copied],
                defaults.copied_bytes,
            ),
            handles: pick(
                handles.map(|count| count.map(|count| count.0)),
                defaults.handles,
            ),
        }
    }
}

fn pick<T: Ord>([own, general, asked]: [Option<T>; 3], default: T) -> T {
    match (own, general, asked) {
        (Some(own), _, _) => own,
        (None, Some(general), Some(asked)) => general.min(asked),
        (None, Some(general), None) => general,
        (None, None, Some(asked)) => default.min(asked),
        (None, None, None) => default,
    }
}

impl Limits {
    /// A limit as people write it, and twice as much.
    pub(crate) fn written(&self, limit: Limit, wall: Duration) -> (String, String) {
        let time = |time: Duration| {
            (
                Span(time).to_string(),
                Span(time.saturating_mul(2)).to_string(),
            )
        };
        let size = |size: usize| {
            (
                Size(size).to_string(),
                Size(size.saturating_mul(2)).to_string(),
            )
        };
        match limit {
            Limit::Cpu => time(self.cpu),
            Limit::Wall => time(wall),
            Limit::Memory => size(self.memory_bytes),
            Limit::Output => size(self.output_bytes),
            Limit::Copied => size(self.copied_bytes),
            Limit::Handles => (
                self.handles.to_string(),
                self.handles.saturating_mul(2).to_string(),
            ),
        }
    }
}

impl FromStr for Span {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let units = [
            ("ms", 1),
            ("s", 1000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("", 1000),
        ];
        let milliseconds = number(text, &units).ok_or(LimitError::Span)?;
        Ok(Self(Duration::from_millis(milliseconds)))
    }
}

impl FromStr for Size {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let units = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("B", 1),
            ("", 1),
        ];
        let bytes = number(text, &units).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(LimitError::Size)
    }
}

impl FromStr for Count {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let count = number(text, &[("", 1)]).and_then(|count| count.try_into().ok());
        count.map(Self).ok_or(LimitError::Count)
    }
}

/// The number before a unit, in the smallest unit.
fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    // `parse` would take a sign.
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number
        .parse()
        .ok()
        .filter(|number| is_number && *number > 0)?;
    number.checked_mul(*unit)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1000, "s")] {
            if milliseconds > 0 && milliseconds.is_multiple_of(unit) {
                return write!(f, "{}{name}", milliseconds / unit);
            }
        }
        write!(f, "{milliseconds}ms")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 > 0 && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads texts, and numbers as the texts that they are written with.
fn read<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = LimitError>,
    D: Deserializer<'de>,
{
    struct Given<T>(std::marker::PhantomData<T>);

    impl<T: FromStr<Err = LimitError>> Visitor<'_> for Given<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a limit, such as 30s, 64MiB or 100")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse()
                .map_err(|error| E::custom(format!("`{}`: {error}", crate::text::shown(text))))
        }
    }

    deserializer.deserialize_any(Given(std::marker::PhantomData))
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> serde::Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> serde::Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_they_are_written() {
        for text in ["500ms", "30s", "5m", "2h", "1500ms"] {
            assert_eq!(
                text.parse::<Span>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["1B", "512KiB", "64MiB", "1GiB", "1025B"] {
            assert_eq!(
                text.parse::<Size>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!(
            "90".parse::<Span>().map(|it| it.to_string()),
            Ok("90s".to_owned())
        );
        assert_eq!(
            "2048".parse::<Size>().map(|it| it.to_string()),
            Ok("2KiB".to_owned())
        );
        for text in [
            "",
            "0",
            "0s",
            "-1",
            "+1",
            "1.5s",
            "s",
            "1d",
            "1 s",
            "99999999999999999h",
        ] {
            assert_eq!(text.parse::<Span>(), Err(LimitError::Span), "{text}");
        }
        for text in [
            "",
            "0",
            "0MiB",
            "-1",
            "1MB",
            "1m",
            "MiB",
            "18446744073709551615GiB",
        ] {
            assert_eq!(text.parse::<Size>(), Err(LimitError::Size), "{text}");
        }
        assert_eq!("0".parse::<Count>(), Err(LimitError::Count));
    }

    #[test]
    fn the_operator_has_the_last_word() {
        let size = |text: &str| text.parse::<Size>().ok();
        let memory = |own: &str, general: &str, asked: &str| {
            let settings = |text| LimitSettings {
                memory: size(text),
                ..LimitSettings::default()
            };
            let rules = LimitRules {
                general: settings(general),
                plugins: [("one".to_owned(), settings(own))].into(),
            };
            let defaults = Limits {
                memory_bytes: 64 << 20,
                ..Limits::default()
            };
            let limits = rules.of("one", &settings(asked), &defaults);
            assert_eq!(limits.cpu, defaults.cpu);
            let other = rules.of("two", &settings(asked), &defaults);
            let shown = |bytes| Size(bytes).to_string();
            (shown(limits.memory_bytes), shown(other.memory_bytes))
        };
        for (own, general, asked, one, other) in [
            ("", "", "", "64MiB", "64MiB"),
            ("", "", "32MiB", "32MiB", "32MiB"),
            ("", "", "1GiB", "64MiB", "64MiB"),
            ("", "1GiB", "", "1GiB", "1GiB"),
            ("", "1GiB", "512MiB", "512MiB", "512MiB"),
            ("", "16MiB", "32MiB", "16MiB", "16MiB"),
            ("2GiB", "1GiB", "32MiB", "2GiB", "32MiB"),
            ("1MiB", "", "", "1MiB", "64MiB"),
        ] {
            let got = memory(own, general, asked);
            assert_eq!(
                (got.0.as_str(), got.1.as_str()),
                (one, other),
                "{own} {general} {asked}"
            );
        }
    }
}
