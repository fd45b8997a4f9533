//! Subnets: of the networks of a map, and of the addresses that containers have in them.

use std::net::IpAddr;
use std::str::FromStr;

use crate::diagnostic::Report;
use crate::tree::{Node, Value};

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    address: IpAddr,
    bits: u32,
}

impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(drop)?;
        let is_plain = !bits.is_empty() && bits.chars().all(|digit| digit.is_ascii_digit());
        let bits: u32 = bits.parse().map_err(drop)?;
        (is_plain && bits <= length(address))
            .then_some(Self { address, bits })
            .ok_or(())
    }
}

impl Subnet {
    /// Whether an address is one of its own.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && first_bits(address, self.bits) == first_bits(self.address, self.bits)
    }

    fn overlaps(&self, other: &Self) -> bool {
        match self.bits <= other.bits {
            true => self.contains(other.address),
            false => other.contains(self.address),
        }
    }
}

/// Bits of an address.
fn length(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn first_bits(address: IpAddr, count: u32) -> u128 {
    let bits = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    // None of them are nothing, where a shift by all would be too far.
    bits.checked_shr(length(address) - count)
        .unwrap_or_default()
}

/// The subnets that `create_options` of a network give it. Tells what the engine's own driver of addresses
/// would refuse; others have rules of their own.
pub(crate) fn subnets(create_options: &Node, report: &mut Report) -> Vec<Subnet> {
    let Some(ipam) = field(create_options, "IPAM") else {
        return Vec::new();
    };
    let driver = field(ipam, "Driver").and_then(Node::scalar_text);
    if !matches!(driver.as_deref(), None | Some("" | "default")) {
        return Vec::new();
    }
    let pools: &[Node] = match field(ipam, "Config").map(|config| &config.value) {
        Some(Value::List(pools)) => pools.as_slice(),
        _ => &[],
    };
    let mut found: Vec<Subnet> = Vec::new();
    for pool in pools {
        let Some(subnet) = subnet_of(pool, report) else {
            continue;
        };
        if let Some(at) = field(pool, "Subnet")
            && found.iter().any(|other| other.overlaps(&subnet))
        {
            report.error(
                at.at,
                "this subnet overlaps with another one of the network",
            );
        }
        check_within(pool, &subnet, report);
        found.push(subnet);
    }
    found
}

/// The subnet of a pool, if it has one that can be read.
fn subnet_of(pool: &Node, report: &mut Report) -> Option<Subnet> {
    if let Some(range) = field(pool, "IPRange") {
        parsed::<Subnet>(range, "range of addresses", "10.1.2.0/24", report);
    }
    if let Some(written) = field(pool, "Subnet") {
        return parsed(written, "subnet", "10.1.0.0/16", report);
    }
    let has_more = ["IPRange", "Gateway", "AuxiliaryAddresses"]
        .iter()
        .any(|name| field(pool, name).is_some());
    if has_more {
        report.error_with_help(
            pool.at,
            "a pool of addresses has a subnet",
            "add it: Subnet: 10.1.0.0/16",
        );
    }
    None
}

/// The gateway of a pool, and the addresses that it keeps for others, are of its subnet.
fn check_within(pool: &Node, subnet: &Subnet, report: &mut Report) {
    let kept: &[(Node, Node)] = match field(pool, "AuxiliaryAddresses").map(|kept| &kept.value) {
        Some(Value::Map(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    let kept = kept.iter().map(|(_, address)| address);
    for node in field(pool, "Gateway").into_iter().chain(kept) {
        let address: Option<IpAddr> = parsed(node, "address", "10.1.0.1", report);
        if address.is_some_and(|address| !subnet.contains(address)) {
            let written = node.scalar_text().unwrap_or_default();
            report.error(
                node.at,
                format!("{written} is not in the subnet of its pool"),
            );
        }
    }
}

/// What a scalar is as an address or subnet; one that is a setting which is not set was told of.
pub(crate) fn parsed<T: FromStr>(
    node: &Node,
    what: &str,
    example: &str,
    report: &mut Report,
) -> Option<T> {
    if node.is_unset || node.is_null() {
        return None;
    }
    let written = node.scalar_text();
    let read = written.as_deref().and_then(|text| text.parse().ok());
    if read.is_none() {
        let written = written.unwrap_or_else(|| node.kind().replacen('a', "this", 1));
        let message = format!("{written} is no {what}");
        report.error_with_help(node.at, message, format!("write it as {example}"));
    }
    read
}

/// A field that is given, in whichever case it is written.
fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Map(pairs) = &node.value else {
        return None;
    };
    let is_it = |key: &Node| key.key_text().eq_ignore_ascii_case(name);
    let found = pairs.iter().find(|(key, _)| is_it(key));
    found
        .map(|(_, value)| value)
        .filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Option<Subnet> {
        text.parse().ok()
    }

    #[test]
    fn subnets_are_told_from_what_is_none() {
        for text in [
            "10.1.0.0/16",
            "10.1.0.5/16",
            "0.0.0.0/0",
            "fd00::/64",
            "::/0",
        ] {
            assert!(subnet(text).is_some(), "{text}");
        }
        for text in [
            "10.1.0.0",
            "10.1.0.0/33",
            "10.1.0/16",
            "fd00::/129",
            "x/1",
            "10.0.0.0/",
            "10.0.0.0/+8",
        ] {
            assert_eq!(subnet(text), None, "{text}");
        }
    }

    #[test]
    fn a_subnet_has_the_addresses_that_begin_like_it() {
        let contains =
            |text: &str, address: &str| subnet(text).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.1.0.0/16", "10.1.255.1") && !contains("10.1.0.0/16", "10.2.0.1"));
        assert!(contains("0.0.0.0/0", "10.2.0.1") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("fd00::/64", "fd00::1") && !contains("fd00::/64", "fd00:1::1"));
        assert!(contains("10.0.0.1/32", "10.0.0.1") && !contains("10.0.0.1/32", "10.0.0.2"));
        let overlap =
            |one: &str, other: &str| subnet(one).unwrap().overlaps(&subnet(other).unwrap());
        assert!(overlap("10.0.0.0/8", "10.1.0.0/16") && overlap("10.1.0.0/16", "10.0.0.0/8"));
        assert!(!overlap("10.0.0.0/16", "10.1.0.0/16") && !overlap("::/0", "10.1.0.0/16"));
    }
}
