//! Values that no engine takes, whatever is on it: told where they are written.

use std::net::IpAddr;

use crate::diagnostic::Report;
use crate::tree::{Node, Value};

/// Tells of values that the engine would refuse.
pub(super) fn check(option: &str, node: &Node, report: &mut Report) {
    match option {
        "working_dir" => {
            if let Some(path) = text(node).filter(|path| !path.starts_with('/')) {
                let message = format!("{path} is no absolute path");
                let help = format!("write the path from the root of the container: /{path}");
                report.error_with_help(node.at, message, help);
            }
        }
        "mac_address" => {
            if let Some(address) = text(node).filter(|address| !is_mac_address(address)) {
                let message = format!("{address} is no MAC address");
                let help = "write it as six pairs of digits: \"02:42:ac:11:00:02\"";
                report.error_with_help(node.at, message, help);
            }
        }
        "extra_hosts" => extra_hosts(node, report),
        _ => {}
    }
}

/// `{NAME: ADDRESS}`, or `NAME:ADDRESS` in a list.
fn extra_hosts(node: &Node, report: &mut Report) {
    let mut tell = |node: &Node, written: &str| {
        let message = format!("{written} is no host with its address");
        let help = "write NAME:ADDRESS, with an IP address or host-gateway";
        report.error_with_help(node.at, message, help);
    };
    match &node.value {
        Value::Map(pairs) => {
            for (_, value) in pairs {
                if let Some(address) = text(value).filter(|address| !is_address(address)) {
                    tell(value, &address);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                let Some(entry) = text(item) else { continue };
                let is_entry = entry
                    .split_once(':')
                    .is_some_and(|(name, address)| !name.is_empty() && is_address(address));
                if !is_entry {
                    tell(item, &entry);
                }
            }
        }
        _ => {}
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
