//! Values that no engine takes, whatever is on it: told where they are written.

use std::net::IpAddr;

use crate::diagnostic::Report;
use crate::tree::{Node, Value};

/// The options of which something is known.
const CHECKED: [&str; 3] = ["working_dir", "mac_address", "extra_hosts"];

/// Whether an engine may take a text as the value of an option, or as an item of its list.
pub(super) fn is_taken(option: &str, text: &str) -> bool {
    match option {
        _ if text.is_empty() => true,
        "working_dir" => text.starts_with('/'),
        "mac_address" => is_mac_address(text),
        "extra_hosts" => text
            .split_once(':')
            .is_some_and(|(name, address)| !name.is_empty() && is_address(address)),
        _ => true,
    }
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
            _ => (
                format!("{written} is no host with its address"),
                "write NAME:ADDRESS, with an IP address or host-gateway".to_owned(),
            ),
        };
        report.error_with_help(node.at, message, help);
    };
    match &node.value {
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
