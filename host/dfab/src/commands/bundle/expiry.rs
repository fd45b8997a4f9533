//! Until when a signature counts.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time to come: so many days from now, or a date.
///
/// # Errors
/// Where it is neither, or over.
pub(super) fn expiry(text: &str) -> Result<Timestamp, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let time = match days {
        Some(days) => now()
            .checked_add(SignedDuration::from_hours(24 * i64::from(days)))
            .ok(),
        None => text
            .parse::<Date>()
            .ok()
            .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
            .map(|time| time.timestamp())
            .or_else(|| text.parse().ok()),
    };
    let time = time
        .ok_or_else(|| "a number of days such as 90d, or a date such as 2030-01-31".to_owned())?;
    if time <= now() {
        return Err("that is over: what is signed would never count".to_owned());
    }
    Ok(time)
}

/// Now, to the second: nobody signs twice in one.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_is_yet_to_come() {
        for over in ["0d", "2020-01-01", "2020-01-01T10:00:00Z"] {
            let error = expiry(over).unwrap_err();
            assert!(error.starts_with("that is over"), "{over}: {error}");
        }
        for wrong in ["", "d", "-1d", "soon"] {
            let error = expiry(wrong).unwrap_err();
            assert!(error.starts_with("a number of days"), "{wrong}: {error}");
        }
        assert!(expiry("1d").unwrap() > now());
        let date = expiry("2999-01-31").unwrap();
        assert_eq!(date.to_string(), "2999-01-31T00:00:00Z");
    }
}
