//! Values that no engine takes, whatever is on it: told where they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value as Json;

use super::form::bytes;
use super::word::{field, items};
use crate::diagnostic::Report;
use crate::subnet::Subnet;
use crate::tree::{Node, Value};

/// The options of which something is known.
const CHECKED: [&str; 5] = [
    "working_dir",
    "mac_address",
    "extra_hosts",
    "tmpfs",
    "environment",
];

/// Whether an engine may take a text as the value of an option, or as an item of its list.
pub(super) fn is_taken(option: &str, text: &str) -> bool {
    match option {
        _ if text.is_empty() => true,
        "working_dir" => text.starts_with('/'),
        "mac_address" => is_mac_address(text),
        "extra_hosts" => text
            .split_once(':')
            .is_some_and(|(name, address)| !name.is_empty() && is_address(address)),
        "ipv4_address" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6_address" => text.parse::<Ipv6Addr>().is_ok(),
        "gateway" => text.parse::<IpAddr>().is_ok(),
        "subnet" | "ip_range" => text.parse::<Subnet>().is_ok(),
        "tmpfs" => {
            let path = text.split(':').next().unwrap_or_default();
            path.starts_with('/') && !path.trim_matches('/').is_empty()
        }
        "environment" => !text.starts_with('='),
        _ => bytes(text).is_none_or(|number| is_in_range(option, number)),
    }
}

/// Whether an engine gives a process a limit: the hard one is 0 where none is given, and -1 is none at all.
pub(crate) fn is_limit(soft: Option<i64>, hard: Option<i64>) -> bool {
    // As the engine hands them on.
    let [soft, hard] = [soft, hard].map(|limit| limit.unwrap_or_default().cast_unsigned());
    soft <= hard
}

/// Tells of values that the engine would refuse.
pub(super) fn check(option: &str, node: &Node, report: &mut Report) {
    if !CHECKED.contains(&option) {
        return;
    }
    let mut tell = |node: &Node, written: &str| {
        let (message, help) = match option {
            "working_dir" => (
                format!("{written} is no absolute path"),
                format!("write the path from the root of the container: /{written}"),
            ),
            "mac_address" => (
                format!("{written} is no MAC address"),
                "write it as six pairs of digits: \"02:42:ac:11:00:02\"".to_owned(),
            ),
            "tmpfs" => (
                format!("{written} is no path in the container"),
                "write it from the root of the container, and below that".to_owned(),
            ),
            "environment" => (
                format!("{written} has no name before its value"),
                "write NAME=VALUE".to_owned(),
            ),
            _ => (
                format!("{written} is no host with its address"),
                "write NAME:ADDRESS, with an IP address or host-gateway".to_owned(),
            ),
        };
        report.error_with_help(node.at, message, help);
    };
    match &node.value {
        Value::Map(pairs) if option == "tmpfs" => {
            for (key, _) in pairs {
                if let Some(path) = text(key).filter(|path| !is_taken(option, path)) {
                    tell(key, &path);
                }
            }
        }
        Value::Map(pairs) if option == "environment" => {
            for (key, _) in pairs.iter().filter(|(key, _)| key.key_text().is_empty()) {
                tell(key, "this variable");
            }
        }
        Value::Map(pairs) if option == "extra_hosts" => {
            for (_, value) in pairs {
                if let Some(address) = text(value).filter(|address| !is_address(address)) {
                    tell(value, &address);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                if let Some(entry) = text(item).filter(|entry| !is_taken(option, entry)) {
                    tell(item, &entry);
                }
            }
        }
        _ => {
            if let Some(written) = text(node).filter(|written| !is_taken(option, written)) {
                tell(node, &written);
            }
        }
    }
}

/// Tells of a number that the engine would refuse.
pub(super) fn check_range(option: &str, node: &Node, value: &Json, report: &mut Report) {
    let Some(number) = value.as_i64().filter(|_| !node.is_unset) else {
        return;
    };
    if !is_in_range(option, number) {
        let written = node.scalar_text().unwrap_or_default();
        report.error_with_help(
            node.at,
            format!("{option} has {written}, which no engine takes"),
            format!("{option} {}", range(option)),
        );
    } else if matches!(option, "mem_limit" | "mem_reservation")
        && (1..NEW_LEAST_MEMORY).contains(&number)
    {
        let written = node.scalar_text().unwrap_or_default();
        report.warning(
            node.at,
            format!("{option} has {written}, which engines take no more since version 20.10"),
            format!("{option} is 6m or more there"),
        );
    }
}

/// Tells of records whose numbers are none, or that the engine would refuse.
pub(super) fn check_records(option: &str, node: &Node, report: &mut Report) {
    let numbers: &[&str] = match option {
        "ulimits" => &["Soft", "Hard"],
        "restart_policy" => &["MaximumRetryCount"],
        "blkio_weight_device" => &["Weight"],
        "device_read_bps" | "device_read_iops" | "device_write_bps" | "device_write_iops" => {
            &["Rate"]
        }
        _ => return,
    };
    for item in items(node) {
        let before = report.errors();
        for name in numbers {
            if let Some(number) = field(item, name) {
                check_whole(number, report);
            }
        }
        if report.errors() > before || item.has_unset() {
            continue;
        }
        let number = |name: &str| match &field(item, name)?.value {
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        match option {
            "ulimits" if !is_limit(number("Soft"), number("Hard")) => {
                let name = field(item, "Name").and_then(Node::scalar_text);
                report.error_with_help(
                    field(item, "Soft").unwrap_or(item).at,
                    format!(
                        "the soft limit of {} is above its hard one",
                        name.as_deref().unwrap_or("a process")
                    ),
                    "give `Hard` as much or more; without it, it is 0, and -1 is no limit",
                );
            }
            "restart_policy" => check_retries(item, number("MaximumRetryCount"), report),
            _ => {}
        }
    }
}

/// Only `on-failure` is told how often.
fn check_retries(policy: &Node, count: Option<i64>, report: &mut Report) {
    let (Some(count), Some(at)) = (count, field(policy, "MaximumRetryCount")) else {
        return;
    };
    let name = match field(policy, "Name").map(|name| &name.value) {
        Some(Value::Bool(false)) => "no",
        Some(Value::Text(name)) => name.as_str(),
        _ => "",
    };
    if count < 0 {
        report.error(at.at, "a number of attempts is not negative");
    } else if count > 0 && !matches!(name, "on-failure" | "") {
        report.error_with_help(
            at.at,
            format!("the restart policy {name} knows no number of attempts"),
            "leave it out, or write the policy on-failure",
        );
    }
}

/// Tells of what is no whole number, but is handed over as it is.
fn check_whole(node: &Node, report: &mut Report) {
    let is_whole = match &node.value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::Null => true,
        _ => node.is_unset,
    };
    if !is_whole {
        let message = format!("a whole number is wanted here, not {}", node.kind());
        report.error(node.at, message);
    }
}

/// The least memory that any engine gives a container,
const LEAST_MEMORY: i64 = 4 << 20;
/// and that those since version 20.10 do.
const NEW_LEAST_MEMORY: i64 = 6 << 20;

fn is_in_range(option: &str, number: i64) -> bool {
    let mut ranges = number_ranges(option).iter();
    ranges.any(|(first, last)| (*first..=*last).contains(&number))
}

/// The numbers that engines take: the first and the last one of each range.
pub(crate) fn number_ranges(option: &str) -> &'static [(i64, i64)] {
    match option {
        "mem_limit" => &[(0, 0), (LEAST_MEMORY, i64::MAX)],
        "mem_reservation" => &[(i64::MIN, 0), (LEAST_MEMORY, i64::MAX)],
        "mem_swappiness" => &[(-1, 100)],
        "oom_score_adj" => &[(-1000, 1000)],
        "blkio_weight" => &[(0, 0), (10, 1000)],
        "cpu_period" => &[(0, 0), (1_000, 1_000_000)],
        "cpu_quota" => &[(i64::MIN, 0), (1_000, i64::MAX)],
        "shm_size" | "cpu_shares" | "nano_cpus" => &[(0, i64::MAX)],
        _ => &[(i64::MIN, i64::MAX)],
    }
}

/// What [`is_in_range`] takes, in words.
fn range(option: &str) -> &'static str {
    match option {
        "mem_limit" | "mem_reservation" => "is 6m or more, on older engines 4m; 0 is no limit",
        "mem_swappiness" => "is a number from 0 to 100",
        "oom_score_adj" => "is a number from -1000 to 1000",
        "blkio_weight" => "is a number from 10 to 1000; 0 is the engine's own",
        "cpu_period" => "is of microseconds, from 1000 to 1000000",
        "cpu_quota" => "is of microseconds, 1000 or more; 0 and less is no limit",
        _ => "is not negative",
    }
}

/// A scalar that says something; not what stands for a setting that is not set.
fn text(node: &Node) -> Option<String> {
    let text = node.reading().filter(|text| !text.is_empty())?;
    (!node.is_unset).then_some(text)
}

fn is_address(text: &str) -> bool {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    text == "host-gateway" || bare.unwrap_or(text).parse::<IpAddr>().is_ok()
}

/// Pairs of digits with colons or hyphens between, or fours with dots; of six bytes, eight or twenty.
fn is_mac_address(text: &str) -> bool {
    let is_of = |separator: char, digits: usize, counts: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        let is_part = |part: &&str| {
            part.len() == digits && part.chars().all(|digit| digit.is_ascii_hexdigit())
        };
        counts.contains(&parts.len()) && parts.iter().all(is_part)
    };
    is_of(':', 2, [6, 8, 20]) || is_of('-', 2, [6, 8, 20]) || is_of('.', 4, [3, 4, 10])
}
