//! Sizes and times with units, as Compose reads them and as maps have them.

/// As Compose reads sizes: `512m`, `1.5gb`, `1GiB`.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    if lower == "-1" {
        return Some(-1);
    }
    let digits = lower.trim_end_matches('b').trim_end_matches('i');
    let end = digits
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(digits.len());
    let (number, unit) = digits.split_at(end);
    let factor = match unit.trim() {
        "" => 1_u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        "p" => 1 << 50,
        _ => return None,
    };
    scaled(number, factor)
}

/// What a map takes as a size without being calculated.
pub(super) fn is_plain_size(text: &str) -> bool {
    let digits = text.trim_end_matches(['b', 'B']);
    let digits = digits
        .strip_suffix(['k', 'm', 'g', 't', 'K', 'M', 'G', 'T'])
        .unwrap_or(digits);
    text.ends_with(|c: char| c.is_ascii_alphabetic())
        && !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
}

/// A sum of times with units, in nanoseconds, as Go reads it.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum = 0_i64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = match unit.trim() {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        sum = sum.checked_add(scaled(number, factor)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// A decimal number times a whole one, without what is left after the point.
pub(super) fn scaled(number: &str, factor: u64) -> Option<i64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0_u128),
        text if text.chars().all(|c| c.is_ascii_digit()) && text.len() <= 18 => text.parse().ok(),
        _ => None,
    };
    let places = u32::try_from(part.len()).ok()?;
    let fraction = digits(part)? * u128::from(factor) / 10_u128.pow(places);
    i64::try_from(digits(whole)? * u128::from(factor) + fraction).ok()
}

/// With one unit, as large as it can be.
pub(super) fn time_text(nanoseconds: i64) -> String {
    for (factor, unit) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
        if nanoseconds % factor == 0 {
            return format!("{}{unit}", nanoseconds / factor);
        }
    }
    format!("{nanoseconds}ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_compose_does() {
        assert_eq!(bytes("512m"), Some(512 << 20));
        assert_eq!(bytes("1.5GB"), Some(3 << 29));
        assert_eq!(bytes("2 GiB"), Some(2 << 30));
        assert_eq!(bytes("64"), Some(64));
        assert_eq!(bytes("-1"), Some(-1));
        assert_eq!(bytes("much"), None);
        assert_eq!(bytes("b"), None);
        assert_eq!(nanoseconds("1m30s").map(time_text).as_deref(), Some("90s"));
        assert_eq!(
            nanoseconds("1.5s").map(time_text).as_deref(),
            Some("1500ms")
        );
        assert_eq!(nanoseconds("10us").map(time_text).as_deref(), Some("10us"));
        assert_eq!(nanoseconds("10"), None);
        assert_eq!(nanoseconds(""), None);
        assert_eq!(nanoseconds("99999999999h"), None);
    }
}
