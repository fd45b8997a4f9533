//! Times as engines write them and people give them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads a time with its zone (RFC 3339), such as `2026-11-21T13:10:37.123456789Z`. Without a zone it is
/// in UTC, and without a time of the day at midnight.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// What people give for a beginning: a time, seconds since 1970, or how long ago, such as `90s`, `10m`,
/// `1h30m` or `2d`.
pub(crate) fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(seconds) = seconds(text) {
        return Some(seconds);
    }
    match ago(text) {
        Some(ago) => now.checked_sub(SignedDuration::from_secs(ago)).ok(),
        None => parse(text),
    }
}

/// As the Engine API takes it: seconds since 1970 with a fraction.
pub(crate) fn for_engine(time: Timestamp) -> String {
    // Before 1970 there was no container.
    let time = time.max(Timestamp::UNIX_EPOCH);
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
}

/// A length of time in words for people: the largest unit that fits.
pub(crate) fn in_words(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Seconds since 1970, with a fraction where there is one.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    // Ten digits, so that a year, or a length of time without its unit, is not taken for one.
    if whole.len() != 10 || fraction.len() > 9 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanoseconds).ok()
}

/// A length of time in seconds.
fn ago(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, unit) = rest.split_at_checked(end)?;
        let seconds = match unit.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        sum = sum.checked_add(count.parse::<i64>().ok()?.checked_mul(seconds)?)?;
        rest = unit.get(1..)?;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: i32) -> Option<Timestamp> {
        Timestamp::new(seconds, nanoseconds).ok()
    }

    #[test]
    fn times_of_engines_are_read_to_the_nanosecond() {
        assert_eq!(
            parse("2026-11-21T13:10:37.120000003Z"),
            at(1_795_266_637, 120_000_003)
        );
        assert_eq!(
            parse("2026-11-21T15:10:37.12+02:00"),
            at(1_795_266_637, 120_000_000)
        );
        assert_eq!(parse("2024-02-29"), at(1_709_164_800, 0));
        assert_eq!(parse("2000-03-01 00:00"), at(951_868_800, 0));
        for wrong in ["", "2023-02-29", "2026-13-01", "12:00", "ä"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn people_say_how_long_ago_or_when() {
        let now = at(1_795_266_637, 5).unwrap();
        let since = |text| since(text, now);
        assert_eq!(since("10m"), at(1_795_266_037, 5));
        assert_eq!(since("1h30m"), at(1_795_261_237, 5));
        assert_eq!(since("1700000000.5"), at(1_700_000_000, 500_000_000));
        assert_eq!(since("2024-02-29"), at(1_709_164_800, 0));
        for wrong in ["soon", "10", "10x", "m", "", "-5m", "2024"] {
            assert_eq!(since(wrong), None, "{wrong}");
        }
        let engine = since("1700000000.5").map(for_engine);
        assert_eq!(engine.as_deref(), Some("1700000000.500000000"));
    }

    #[test]
    fn ages_have_one_unit() {
        let words = [0, 119, 120, 7200, 180_000].map(in_words);
        assert_eq!(words, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
    }
}
