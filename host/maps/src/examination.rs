//! What stands in the way of a map that reads well: circles, containers that the engine would refuse,
//! and ports that two of them want.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use crate::body::{Features, container_body, publications};
use crate::client::Client;
use crate::diagnostic::{Diagnostic, Place, Report, nearest};
use crate::graph::circles;
use crate::map::{Item, ResolvedMap};
use crate::names::{NAMES, is_engine_name};

/// Examines a map of a file, with the clients of its project, and the names of further hosts.
pub fn examine_map(
    map: &ResolvedMap,
    file: &str,
    clients: &IndexMap<String, Client>,
    hosts: &[&str],
) -> Vec<Diagnostic> {
    let mut report = Report::new(file);
    examine_clients(map, clients, hosts, &mut report);
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
    let mut refused = HashSet::new();
    let mut publishers = HashMap::new();
    for config in map.containers.keys() {
        for item in map.instances(config) {
            for client in clients_of(map, &item, clients) {
                examine_container(
                    map,
                    &item,
                    &client,
                    &mut report,
                    &mut refused,
                    &mut publishers,
                );
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

/// Where the host publishes a port: the client, the address, the port and the protocol.
type Publication = [String; 4];

fn examine_container(
    map: &ResolvedMap,
    item: &Item,
    client: &Client,
    report: &mut Report,
    refused: &mut HashSet<String>,
    publishers: &mut HashMap<Publication, String>,
) {
    let Item::Container { config, instance } = item else {
        return;
    };
    let newest = Features::for_api(1, u32::MAX);
    let at = map.place_of(item);
    let name = map.engine_name(item);
    let body = match container_body(map, config, instance.as_deref(), client, &newest) {
        Ok(body) => body,
        Err(error) => {
            let message = format!("container {config}: {error}");
            if refused.insert(message.clone()) {
                report.error(at, message);
            }
            return;
        }
    };
    let bindings = body.pointer("/HostConfig/PortBindings");
    for (address, port, protocol) in bindings.map(publications).unwrap_or_default() {
        let place = [client.name.as_str(), address, port, protocol].map(str::to_owned);
        if let Some(other) = publishers.get(&place) {
            report.warning(
                at,
                format!("{name} publishes {port}/{protocol} of the host, as {other} does"),
                "only one of them can run at a time; give them several host ports or interfaces",
            );
        } else {
            publishers.insert(place, name.clone());
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
        let found = examine_map(&map, "map.yaml", &IndexMap::new(), &["web1", "web2"]);
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
        map.yaml:9:3: error: container web3: port 2 is to be published on the interface eth0, of which the client __default__ has no address; add it to its `interfaces` in the client file
        map.yaml:12:3: error: container web4: port 9001/tcp of the host is to publish two ports of the container; give one of them another
        map.yaml:14:3: error: container web5: "-1" is no user; write USER, USER:GROUP or their numbers
        map.yaml:17:7: warning: m.web6.a publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:17:7: warning: m.web6.b publishes 9001/tcp of the host, as m.web2 does
          help: only one of them can run at a time; give them several host ports or interfaces
        map.yaml:19:3: error: container odd name: "m.odd name" cannot be a container's name: letters, numbers, `_`, `.` and `-`, beginning with a letter or number
        map.yaml:21:14: error: "a b" cannot be a volume's name: letters, numbers, `_`, `.` and `-`, beginning with a letter or number
        "#);
    }
}
