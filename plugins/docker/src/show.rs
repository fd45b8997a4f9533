//! How identifiers, times, sizes and ports read.

use dfab_sdk::task::docker::Port;

/// The first twelve digits, without the kind of digest.
pub fn short_id(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// `2026-11-21 05:38` in UTC, of seconds since 1970.
pub fn date(seconds: i64) -> String {
    let (day, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days from 0000-03-01, in eras of 400 years: the leap day then comes last.
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        time / 3600,
        time % 3600 / 60
    )
}

/// In units of a million bytes, as docker counts.
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// `0.0.0.0:80->80/tcp`, or `80/tcp` where it is not published.
pub fn port(port: &Port) -> String {
    let inner = format!("{}/{}", port.container_port, port.protocol);
    match (&port.host_address, port.host_port) {
        (Some(address), Some(outer)) if address.contains(':') => {
            format!("[{address}]:{outer}->{inner}")
        }
        (Some(address), Some(outer)) => format!("{address}:{outer}->{inner}"),
        (None, Some(outer)) => format!("{outer}->{inner}"),
        (_, None) => inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_across_leap_years() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(951_782_400), "2000-02-29 00:00");
        assert_eq!(date(1_709_251_199), "2024-02-29 23:59");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00");
        assert_eq!(date(-1), "1969-12-31 23:59");
    }

    #[test]
    fn b_53_short_ids_have_no_kind_of_digest() {
        for id in [
            "sha256:0123456789abcdef",
            "0123456789abcdef",
            "0123456789ab",
        ] {
            assert_eq!(short_id(id), "0123456789ab");
        }
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(megabytes(2_150_000), "2.1 MB");
    }
}
