//! What stands in the way of a map that reads well: circles, containers that the engine would refuse,
//! and ports that two of them want.

mod link;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use indexmap::IndexMap;

use crate::body::{BodyError, Features, body_with_faults, publications};
use crate::client::Client;
use crate::diagnostic::{Diagnostic, Place, Report, nearest};
use crate::graph::circles;
use crate::health_check::HealthCheck;
use crate::map::{Item, ResolvedMap};
use crate::names::{NAMES, is_engine_name, is_preset_network};
use crate::port::Endpoint;
use crate::resource::NetworkConfig;
use crate::waiting::Part;

/// What a map's project has beside it.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Of the client files.
    pub clients: &'a IndexMap<String, Client>,
    /// Whether those files have no mistake: what is missing in wrong ones is not missed.
    pub are_clients_whole: bool,
    /// The names of further hosts.
    pub hosts: &'a [&'a str],
}

/// Examines a map, of which only a part may have been read: what was told of it then is not told
/// again.
pub fn examine_map(map: &ResolvedMap, surroundings: Surroundings<'_>) -> Vec<Diagnostic> {
    let mut report = Report::new(&map.file);
    let clients = surroundings.clients;
    if surroundings.are_clients_whole {
        examine_clients(map, clients, surroundings.hosts, &mut report);
    }
    for (item, circle) in circles(map) {
        report.error(map.place_of(&item), circle.to_string());
    }
    for config in map.containers.values() {
        for volume in &config.attaches {
            if !is_engine_name(&volume.name) {
                let message = format!("{:?} cannot be a volume's name: {NAMES}", volume.name);
                report.error(volume.at, message);
            }
        }
    }
    examine_names(map, &mut report);
    examine_endpoints(map, &mut report);
    examine_health_checks(map, &mut report);
    let mut examined = Examined {
        report: &mut report,
        refused: HashSet::new(),
        publishers: HashMap::new(),
        residents: HashMap::new(),
        are_clients_whole: surroundings.are_clients_whole,
    };
    for config in map.containers.keys() {
        for item in map.instances(config) {
            for client in clients_of(map, &item, clients) {
                examined.container(map, &item, &client);
            }
        }
    }
    let mut found = report.into_diagnostics();
    found.sort_by_key(|one| (one.line, one.column));
    found
}

/// Tells names of clients that the project does not know. They are no mistakes: what is no client is an
/// SSH destination, which only the operator's configuration knows.
fn examine_clients(
    map: &ResolvedMap,
    clients: &IndexMap<String, Client>,
    hosts: &[&str],
    report: &mut Report,
) {
    let default = Client::default_client().name;
    let files = clients.keys().map(String::as_str);
    let known: Vec<&str> = files
        .chain(hosts.iter().copied())
        .filter(|name| *name != default)
        .collect();
    if known.is_empty() {
        return;
    }
    let of_containers = map.containers.values().flat_map(|one| &one.client_names);
    for (name, at) in map.client_names.iter().chain(of_containers) {
        let is_destination = name.contains(['@', ':', '.']);
        if is_destination || *name == default || known.contains(&name.as_str()) {
            continue;
        }
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there is: {}", known.join(", ")),
        };
        let message = format!("there is no client {name}; it is taken for an SSH destination");
        report.warning(*at, message, help);
    }
}

/// Tells of containers that would have one name: dots stand between a configuration and its instance, and
/// may stand within either.
fn examine_names(map: &ResolvedMap, report: &mut Report) {
    let mut known: HashMap<String, &str> = HashMap::new();
    for (config, container) in &map.containers {
        for item in map.instances(config) {
            let name = map.engine_name(&item);
            match known.get(&name) {
                // Twice named instances are told where they are read.
                Some(other) if other != config => report.error_with_help(
                    container.at,
                    format!("{name} would be the name of a container of {config} and of {other}"),
                    "call one of them otherwise",
                ),
                Some(_) => {}
                None => {
                    known.insert(name, config);
                }
            }
        }
    }
}

/// Tells what the engine has only in networks of one's own, and addresses that no pool has.
fn examine_endpoints(map: &ResolvedMap, report: &mut Report) {
    // What several configurations inherit stands in one place.
    let mut told = HashSet::new();
    for endpoint in map.containers.values().flat_map(|one| &one.networks) {
        let name = &endpoint.network;
        let addresses = [&endpoint.ipv4_address, &endpoint.ipv6_address];
        let has_address = addresses
            .into_iter()
            .flatten()
            .any(|address| !address.is_empty());
        let mistake = if is_preset_network(name) {
            let what = match (endpoint.aliases.is_empty(), has_address) {
                (false, _) => "aliases",
                (true, true) => "an address of one's own",
                (true, false) => continue,
            };
            let message = format!("the engine's network {name} does not allow {what}");
            (message, "use one of the map's own `networks`".to_owned())
        } else if has_address
            && map.networks.get(name).is_some_and(|one| !one.has_pool())
            && !map.has_waiting(&Part::Network(name.clone()))
        {
            let message =
                format!("there is no address to choose in the network {name}: it has no subnet");
            let help = format!(
                "give it one: {name}: {{create_options: {{IPAM: {{Config: [{{Subnet: 10.1.0.0/16}}]}}}}}}"
            );
            (message, help)
        } else if let Some(message) = outside(endpoint, map.networks.get(name)) {
            (message, "choose one of its own addresses".to_owned())
        } else {
            continue;
        };
        if told.insert(endpoint.at) {
            report.error_with_help(endpoint.at, mistake.0, mistake.1);
        }
    }
}

/// What is to be said of an address that is in none of the network's subnets, where those are known.
fn outside(endpoint: &Endpoint, network: Option<&NetworkConfig>) -> Option<String> {
    let network = network.filter(|network| !network.subnets.is_empty())?;
    let addresses = [&endpoint.ipv4_address, &endpoint.ipv6_address];
    // What is no address is told where it is read.
    let mut addresses = addresses
        .into_iter()
        .flatten()
        .filter_map(|address| address.parse::<IpAddr>().ok());
    let is_inside = |address: IpAddr| network.subnets.iter().any(|one| one.contains(address));
    let address = addresses.find(|address| !is_inside(*address))?;
    Some(format!(
        "{address} is in none of the subnets of the network {}",
        endpoint.network
    ))
}

/// Tells times that are shorter than the engine takes: mostly seconds without their unit.
fn examine_health_checks(map: &ResolvedMap, report: &mut Report) {
    for (name, config) in &map.containers {
        for (field, time) in config.healthcheck.iter().flat_map(HealthCheck::too_short) {
            report.error_with_help(
                config.at,
                format!(
                    "container {name}: the {field} of its healthcheck is {time}ns; the engine takes \
                     1ms and more"
                ),
                "a number without a unit is one of nanoseconds; write 1s for a second",
            );
        }
    }
}

/// Where the host publishes a port: the client, the address, the port and the protocol.
type Publication = [String; 4];

/// What was found out of containers so far.
struct Examined<'r> {
    report: &'r mut Report,
    refused: HashSet<String>,
    publishers: HashMap<Publication, String>,
    /// Who has an address: by the client, the network and the address.
    residents: HashMap<[String; 3], String>,
    are_clients_whole: bool,
}

impl Examined<'_> {
    fn container(&mut self, map: &ResolvedMap, item: &Item, client: &Client) {
        let Item::Container { config, instance } = item else {
            return;
        };
        let newest = Features::for_api(1, u32::MAX);
        let at = map.place_of(item);
        let name = map.engine_name(item);
        let (body, faults) = body_with_faults(map, config, instance.as_deref(), client, &newest);
        for fault in faults {
            if self.was_told(map, config, &fault.error) {
                continue;
            }
            let message = format!("container {config}: {}", fault.error);
            if self.refused.insert(message.clone()) {
                self.report.error(fault.at.unwrap_or(at), message);
            }
        }
        self.links(map, config, client);
        self.addresses(map, config, &name, client);
        let bindings = body.pointer("/HostConfig/PortBindings");
        let mut own = HashSet::new();
        for (address, port, protocol) in bindings.map(publications).unwrap_or_default() {
            let place = [client.name.as_str(), address, port, protocol].map(str::to_owned);
            // Twice by itself is told already.
            if !own.insert(place.clone()) {
                continue;
            }
            if let Some(other) = self.publishers.get(&place) {
                self.report.warning(
                    at,
                    format!("{name} publishes {port}/{protocol} of the host, as {other} does"),
                    "only one of them can run at a time; give them several host ports or interfaces",
                );
            } else {
                self.publishers.insert(place, name.clone());
            }
        }
    }

    /// Tells of links that an engine refuses only when the container is started.
    fn links(&mut self, map: &ResolvedMap, config: &str, client: &Client) {
        if client.features.get("networks") == Some(&false) {
            return;
        }
        for (at, target) in link::unreachable(map, config) {
            let message = format!(
                "container {config}: it is in the engine's default network, and cannot be linked \
                 to {target}, which is not"
            );
            if self.refused.insert(message.clone()) {
                let help = "put both into one of the map's own `networks`";
                self.report.error_with_help(at, message, help);
            }
        }
    }

    /// Tells of addresses that several containers of one engine want.
    fn addresses(&mut self, map: &ResolvedMap, config: &str, name: &str, client: &Client) {
        let endpoints = map.containers.get(config).map(|config| &config.networks);
        for endpoint in endpoints.into_iter().flatten() {
            let addresses = [&endpoint.ipv4_address, &endpoint.ipv6_address];
            for address in addresses
                .into_iter()
                .flatten()
                .filter(|one| !one.is_empty())
            {
                let place = [&client.name, &endpoint.network, address].map(String::clone);
                let first = self
                    .residents
                    .entry(place)
                    .or_insert_with(|| name.to_owned());
                if *first != name {
                    let message = format!("{name} has the address {address}, as {first} does");
                    let help = "only one of them can run at a time; give them several addresses";
                    self.report.warning(endpoint.at, message, help);
                }
            }
        }
    }

    /// Whether it only follows from what was told when the files were read.
    fn was_told(&self, map: &ResolvedMap, config: &str, fault: &BodyError) -> bool {
        let Some(container) = map.containers.get(config) else {
            return true;
        };
        let is_wrong = |keys: &[&str]| {
            let wrong = &container.wrong_keys;
            wrong.iter().any(|key| keys.contains(&key.as_str()))
        };
        match fault {
            BodyError::NoContainer(_) | BodyError::Unset(_) => true,
            BodyError::Name(_) => is_wrong(&["instances"]),
            BodyError::Image(_) => is_wrong(&["image"]) || map.has_wrong_image_parts,
            BodyError::User(_) => is_wrong(&["user"]),
            BodyError::NoHostPath { what, .. } => {
                let volume = map.volumes.get(what);
                let is_path = what.starts_with('/');
                let is_known = map.host.contains_key(what)
                    && volume.is_some_and(|volume| volume.default_path.is_some());
                is_wrong(&["instances", "binds"]) || !(is_path || is_known)
            }
            BodyError::NoInterface { .. } => !self.are_clients_whole || is_wrong(&["exposes"]),
            BodyError::Conflict { .. } => is_wrong(&["network_mode", "network"]),
            BodyError::PortTwice { .. } => is_wrong(&["exposes"]),
            // What is missing may be what could not be read.
            BodyError::Limits(_) => is_wrong(&["create_options", "host_config", "start_options"]),
            BodyError::HostName(_) | BodyError::MountedTwice(_) | BodyError::TooOld(_) => false,
        }
    }
}

/// The clients that an item is for; the one that is meant without a name if no file has them.
fn clients_of(map: &ResolvedMap, item: &Item, clients: &IndexMap<String, Client>) -> Vec<Client> {
    let named = map.clients_of(item).iter();
    let mut known: Vec<Client> = named
        .filter_map(|name| clients.get(name).cloned())
        .collect();
    if known.is_empty() {
        let default = Client::default_client();
        known.push(clients.get(&default.name).cloned().unwrap_or(default));
    }
    known
}

impl ResolvedMap {
    fn place_of(&self, item: &Item) -> Place {
        match item {
            Item::Container { config, .. } => self.containers.get(config).map(|config| config.at),
            _ => None,
        }
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoSettings, load_map};

    fn examined(text: &str) -> String {
        let map = load_map(text, "map.yaml", "m", &NoSettings).unwrap().value;
        shown(&map)
    }

    fn shown(map: &ResolvedMap) -> String {
        let surroundings = Surroundings {
            clients: &IndexMap::new(),
            are_clients_whole: true,
            hosts: &["web1", "web2"],
        };
        let found = examine_map(map, surroundings);
        let lines: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn clients_that_the_project_does_not_know_are_told_where_they_are_named() {
        let text =
            "clients: [wbe1, web2]\na: {clients: other}\nb: {extends: a, clients: [root@h]}\n";
        insta::assert_snapshot!(examined(text), @r"
        map.yaml:1:11: warning: there is no client wbe1; it is taken for an SSH destination
          help: did you mean web1?
        map.yaml:2:14: warning: there is no client other; it is taken for an SSH destination
          help: there is: web1, web2
        ");
    }

    #[test]
    fn endpoints_that_a_network_cannot_have_are_told_once() {
        let text = "a:\n  image: x\n  networks:\n  - [bridge, www]\n\
                    b: {extends: a}\n\
                    c:\n  image: x\n  networks:\n\
                    \x20 - {bare: {ipv4_address: 10.1.0.2}}\n  - {pool: {ipv4_address: 10.1.0.3}}\n\
                    \x20 - {bare2: {aliases: [y]}}\n\
                    networks:\n  bare: {}\n  bare2: null\n\
                    \x20 pool: {create_options: {IPAM: {Config: [{Subnet: 10.1.0.0/16}]}}}\n";
        let told = examined(text);
        let lines: Vec<&str> = told
            .lines()
            .filter(|line| line.contains("error:"))
            .collect();
        assert_eq!(lines.len(), 2, "{told}");
        // With the network that only has aliases, nothing is wrong; nor is an address of a subnet.
        assert!(lines[0].starts_with("map.yaml:4:"), "{told}");
        assert!(
            lines[0].ends_with("the engine's network bridge does not allow aliases"),
            "{told}"
        );
        assert!(lines[1].starts_with("map.yaml:9:"), "{told}");
        assert!(
            lines[1].ends_with("in the network bare: it has no subnet"),
            "{told}"
        );
    }

    #[test]
    fn addresses_that_cannot_be_had_are_told() {
        let text = "a:\n  image: x\n  networks:\n  - {n: {ipv4_address: 10.2.0.1}}\n\
                    b:\n  image: x\n  instances: [i, j]\n  networks:\n  - {n: {ipv4_address: 10.1.0.2}}\n\
                    c:\n  image: x\n  networks:\n  - {n: {ipv6_address: 'fd00::1'}}\n\
                    networks: {n: {create_options: {IPAM: {Config: [{Subnet: 10.1.0.0/16}]}}}}\n";
        insta::assert_snapshot!(examined(text), @r"
        map.yaml:4:5: error: 10.2.0.1 is in none of the subnets of the network n
          help: choose one of its own addresses
        map.yaml:9:5: warning: m.b.j has the address 10.1.0.2, as m.b.i does
          help: only one of them can run at a time; give them several addresses
        map.yaml:13:5: error: fd00::1 is in none of the subnets of the network n
          help: choose one of its own addresses
        ");
    }

    #[test]
    fn containers_that_would_have_one_name_are_told() {
        let text = "a.b: {image: x}\na: {image: x, instances: [b, c]}\n";
        insta::assert_snapshot!(examined(text), @r"
        map.yaml:2:4: error: m.a.b would be the name of a container of a and of a.b
          help: call one of them otherwise
        ");
    }

    #[test]
    fn times_that_are_too_short_are_told() {
        let text = "a: {image: x, healthcheck: {test: y, interval: 30, timeout: 999us, start_period: 0}}\n\
                    b: {image: x, healthcheck: {test: y, interval: 1ms, timeout: 30s}}\n";
        insta::assert_snapshot!(examined(text), @r"
        map.yaml:1:4: error: container a: the interval of its healthcheck is 30ns; the engine takes 1ms and more
          help: a number without a unit is one of nanoseconds; write 1s for a second
        map.yaml:1:4: error: container a: the timeout of its healthcheck is 999000ns; the engine takes 1ms and more
          help: a number without a unit is one of nanoseconds; write 1s for a second
        ");
    }

    #[test]
    fn every_circle_is_told_once() {
        let text = "a: {links: b}\nb: {links: c}\nc: {links: a}\nd: {links: a}\n\
                    e: {uses: f}\nf: {shares: /x, uses: e}\n";
        insta::assert_snapshot!(examined(text), @r"
        map.yaml:1:4: error: containers of m need each other in a circle: m.a -> m.b -> m.c -> m.a
        map.yaml:5:4: error: containers of m need each other in a circle: m.e -> m.f -> m.e
        ");
    }

    #[test]
    fn what_the_engine_would_refuse_is_told_with_its_place() {
        let text = "web:\n  image: Web Server\n\
                    db:\n  network_mode: web2\n  links: web2\n\
                    web2:\n  exposes: {8000-8001: 9000-9001, 53/udp: 9000}\n\
                    web3:\n  instances: [a, b]\n  exposes: {1: 9001, 2: [80, eth0]}\n\
                    web4:\n  exposes: {1: 9001, 2: 9001}\n\
                    web5:\n  instances: [a, b]\n  exposes: {1: 9001}\n  user: '-1'\n\
                    web6: {instances: [a, b], exposes: {1: 9001}}\n\
                    odd name:\n  network_mode: host\n  networks: n\n  attaches: {a b: /x}\n\
                    networks: {n: null}\n";
        insta::assert_snapshot!(examined(text), @r#"
        map.yaml:2:3: error: container web: "Web Server:latest" cannot be an image's name, which is [REGISTRY/]NAME[:TAG] in small letters, without spaces
        map.yaml:4:3: error: container db: `links` cannot go with the network of another container; leave out one of them
        map.yaml:9:3: warning: m.web3.a publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:9:3: warning: m.web3.b publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:10:22: error: container web3: port 2 is to be published on the interface eth0, of which the client __default__ has no address; add it to its `interfaces` in the client file
        map.yaml:12:3: error: container web4: port 9001/tcp of the host is to publish two ports of the container; give one of them another
        map.yaml:12:3: warning: m.web4 publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:14:3: error: container web5: "-1" is no user; write USER, USER:GROUP or their numbers
        map.yaml:14:3: warning: m.web5.a publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:14:3: warning: m.web5.b publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:17:7: warning: m.web6.a publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:17:7: warning: m.web6.b publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:19:3: error: container odd name: "m.odd name" cannot be a container's name: letters, numbers, `_`, `.` and `-`, beginning with a letter or number
        map.yaml:19:3: error: container odd name: `networks` cannot go with the network of the host; leave out one of them
        map.yaml:21:14: error: "a b" cannot be a volume's name: letters, numbers, `_`, `.` and `-`, beginning with a letter or number
        "#);
    }

    /// As `dfab map check` does.
    fn checked(text: &str) -> String {
        let read = crate::MapDefaults::default().read_map(text, "map.yaml", "m", &NoSettings);
        let lines: Vec<String> = read.diagnostics.iter().map(Diagnostic::to_string).collect();
        format!("{}\n\n{}", lines.join("\n"), shown(&read.value.unwrap()))
    }

    #[test]
    fn what_is_wrong_otherwise_does_not_hide_what_the_examination_finds() {
        let text = "web:\n  exposs: [80]\n  exposes: {80: [80, eth0], 81: [81, eth1]}\n\
                    \x20 create_options: {lables: {}}\n  links: db\n  user: '-1'\n\
                    db:\n  links: web\n\
                    one:\n  network_mode: db\n  links: web\n  create_options: {hostname: x}\n";
        insta::assert_snapshot!(checked(text), @r#"
        map.yaml:2:3: error: there is no key of a container exposs
          help: did you mean exposes?
        map.yaml:4:20: error: lables is no option of the engine
          help: did you mean labels?

        map.yaml:2:3: error: containers of m need each other in a circle: m.web -> m.db -> m.web
        map.yaml:2:3: error: container web: "-1" is no user; write USER, USER:GROUP or their numbers
        map.yaml:3:13: error: container web: port 80 is to be published on the interface eth0, of which the client __default__ has no address; add it to its `interfaces` in the client file
        map.yaml:3:29: error: container web: port 81 is to be published on the interface eth1, of which the client __default__ has no address; add it to its `interfaces` in the client file
        map.yaml:10:3: error: container one: `links` cannot go with the network of another container; leave out one of them
        map.yaml:10:3: error: container one: `hostname` cannot go with the network of another container; leave out one of them
        "#);
    }

    #[test]
    fn what_follows_from_a_mistake_is_not_told_beside_it() {
        let text = "default_tag: !env tag\nhost: {data: {i: /d}}\nvolumes: {data: /data}\n\
                    Web: {image: [x]}\n\
                    web: {image: !env IMAGE, exposes: [!env port]}\n\
                    db: {network_mode: {a: b}, links: web, networks: n}\nnetworks: {n: null}\n\
                    two: {instances: 5, binds: [data, none]}\n";
        insta::assert_snapshot!(checked(text), @r"
        map.yaml:1:14: error: the setting tag is not set
          help: set it under `settings` in dfab.yaml, or give --set tag=VALUE
        map.yaml:4:14: error: an image is wanted here, not a list
        map.yaml:5:14: error: the setting IMAGE is not set
          help: set it under `settings` in dfab.yaml, or give --set IMAGE=VALUE
        map.yaml:5:36: error: the setting port is not set
          help: set it under `settings` in dfab.yaml, or give --set port=VALUE
        map.yaml:8:18: error: a list is wanted here, not a number
        map.yaml:8:35: error: two binds none, which has no path under `host`
        map.yaml:8:35: error: two binds none, which has no path under `volumes`
        ");
    }
}
