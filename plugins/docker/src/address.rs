//! Addresses of a host's interfaces, of whatever program the host has to show them.

use std::net::{IpAddr, Ipv6Addr};

use dfab_sdk::task::{Argument, Error, Output, View, ssh};
use serde_json::{Value, json};

/// What is run on the host.
const SCRIPT: &str = include_str!("address.sh");

/// As long as Linux lets a name be.
const LONGEST: usize = 15;

/// IPv4 addresses.
pub fn get_ip(arguments: &[Argument]) -> Result<Output, Error> {
    let addresses = read(arguments)?;
    let addresses = addresses.into_iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(_) => None,
    });
    shown(addresses.collect(), arguments, "IPv4")
}

/// IPv6 addresses.
pub fn get_ipv6(arguments: &[Argument]) -> Result<Output, Error> {
    let expand = dfab_sdk::flag(arguments, "expand");
    let addresses = read(arguments)?;
    let addresses = addresses.into_iter().filter_map(|address| match address {
        IpAddr::V6(address) if expand => Some(expanded(address)),
        IpAddr::V6(address) => Some(address.to_string()),
        IpAddr::V4(_) => None,
    });
    shown(addresses.collect(), arguments, "IPv6")
}

fn interface(arguments: &[Argument]) -> Result<&str, Error> {
    let name = dfab_sdk::argument(arguments, "interface").unwrap_or_default();
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | ':');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.len() <= LONGEST && name.chars().all(may) {
        return Ok(name);
    }
    Err(Error::Invalid(format!(
        "{name:?} is no name of an interface"
    )))
}

fn read(arguments: &[Argument]) -> Result<Vec<IpAddr>, Error> {
    let name = interface(arguments)?;
    let shell = ssh::current()?;
    let outcome = shell.run(&ssh::Command {
        line: "sh".to_owned(),
        stdin: Some(format!("interface='{name}'\n{SCRIPT}").into_bytes()),
        timeout_s: None,
    })?;
    if outcome.status != 0 {
        let words = String::from_utf8_lossy(&outcome.stderr);
        return Err(Error::Other(format!(
            "the addresses of {name} cannot be read: {}",
            words.trim()
        )));
    }
    parsed(&String::from_utf8_lossy(&outcome.stdout), name)
}

/// What the script printed.
fn parsed(printed: &str, interface: &str) -> Result<Vec<IpAddr>, Error> {
    let (how, rest) = printed.split_once('\n').unwrap_or((printed, ""));
    match how {
        "json" => Ok(of_json(rest)),
        "text" => Ok(of_text(rest)),
        "missing" => Err(Error::NotFound(format!(
            "there is no interface {interface}; there are {}",
            rest.split_whitespace().collect::<Vec<_>>().join(", ")
        ))),
        _ => Err(Error::NotFound(
            "the host has neither `ip` nor `ifconfig` to show addresses with; install iproute2"
                .to_owned(),
        )),
    }
}

/// What `ip -j addr` prints.
fn of_json(printed: &str) -> Vec<IpAddr> {
    let parsed: Value = serde_json::from_str(printed).unwrap_or_default();
    let interfaces = parsed.as_array().into_iter().flatten();
    interfaces
        .filter_map(|interface| interface.get("addr_info")?.as_array())
        .flatten()
        .filter_map(|info| info.get("local")?.as_str()?.parse().ok())
        .collect()
}

/// What `ip addr` and `ifconfig` print: `inet 10.0.0.1/16`, and `inet addr:10.0.0.1`, `inet6 addr: fe80::1/64`
/// or `inet 10.0.0.1  netmask …`, by its age.
fn of_text(printed: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in printed.lines() {
        let mut words = line.split_whitespace();
        let Some("inet" | "inet6") = words.next() else {
            continue;
        };
        let mut word = words.next().unwrap_or_default();
        if word == "addr:" {
            word = words.next().unwrap_or_default();
        }
        let word = word.strip_prefix("addr:").unwrap_or(word);
        let (address, _) = word.split_once(['/', '%']).unwrap_or((word, ""));
        addresses.extend(address.parse::<IpAddr>());
    }
    addresses
}

fn expanded(address: Ipv6Addr) -> String {
    let groups = address.segments().map(|group| format!("{group:04x}"));
    groups.join(":")
}

fn shown(addresses: Vec<String>, arguments: &[Argument], kind: &str) -> Result<Output, Error> {
    if addresses.is_empty() {
        let name = interface(arguments)?;
        return Err(Error::NotFound(format!("{name} has no {kind} address")));
    }
    Ok(Output {
        data: json!(addresses).to_string(),
        view: View::Text(format!("{}\n", addresses.join("\n"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "docker0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 172.17.0.1  netmask 255.255.0.0  broadcast 172.17.255.255
        inet6 fe80::42:1fff:fe5d:3c2a  prefixlen 64  scopeid 0x20<link>
        ether 02:42:1f:5d:3c:2a  txqueuelen 0  (Ethernet)
";
    const OLD: &str = "docker0   Link encap:Ethernet  HWaddr 02:42:1F:5D:3C:2A
          inet addr:172.17.0.1  Bcast:172.17.255.255  Mask:255.255.0.0
          inet6 addr: fe80::42:1fff:fe5d:3c2a/64 Scope:Link
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
";
    const IP: &str = "3: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:42:1f:5d:3c:2a brd ff:ff:ff:ff:ff:ff
    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0
       valid_lft forever preferred_lft forever
    inet6 fe80::42:1fff:fe5d:3c2a/64 scope link
       valid_lft forever preferred_lft forever
";
    const JSON: &str = r#"[{"ifindex":3,"ifname":"docker0","addr_info":[
        {"family":"inet","local":"172.17.0.1","prefixlen":16,"scope":"global"},
        {"family":"inet6","local":"fe80::42:1fff:fe5d:3c2a","prefixlen":64,"scope":"link"}]}]"#;

    #[test]
    fn b_56_addresses_are_read_of_old_and_new_programs() {
        let wanted: Vec<IpAddr> = ["172.17.0.1", "fe80::42:1fff:fe5d:3c2a"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        for (how, printed) in [("text", NEW), ("text", OLD), ("text", IP), ("json", JSON)] {
            let read = parsed(&format!("{how}\n{printed}"), "docker0").expect("addresses");
            assert_eq!(read, wanted, "{printed}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let told = |printed| match parsed(printed, "eth7") {
            Err(Error::NotFound(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            told("missing\neth0\nlo\n"),
            "there is no interface eth7; there are eth0, lo"
        );
        assert!(told("none\n").contains("install iproute2"));
    }

    #[test]
    fn an_address_has_eight_groups_of_four_digits() {
        let address: Ipv6Addr = "fe80::42:1".parse().expect("an address");
        assert_eq!(expanded(address), "fe80:0000:0000:0000:0000:0000:0042:0001");
    }

    #[test]
    fn a_name_of_an_interface_is_nothing_for_a_shell() {
        let of = |name: &str| interface(&[("interface".to_owned(), name.to_owned())]).is_ok();
        assert!(of("docker0") && of("br-0a1b2c3d4e5f") && of("eth0.7"));
        for name in [
            "",
            "a'b",
            "a b",
            "$(reboot)",
            "-a",
            "aaaaaaaaaaaaaaaa",
            "a/b",
        ] {
            assert!(!of(name), "{name}");
        }
    }
}
