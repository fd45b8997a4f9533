//! Links within the engine's default network: they lead to containers in it alone
//! (<https://github.com/moby/moby/blob/master/daemon/container_operations.go>).

use crate::config::{ContainerConfig, NetworkMode};
use crate::diagnostic::Place;
use crate::map::{Item, ResolvedMap};

/// What stands in the way of knowing the networks of a container, if it could not be read.
const NETWORK_KEYS: [&str; 6] = [
    "create_options",
    "host_config",
    "network",
    "network_mode",
    "networks",
    "start_options",
];

/// The links of a container with which no engine would start it, each with its place and the container
/// that it cannot reach.
pub(super) fn unreachable<'m>(map: &'m ResolvedMap, config: &str) -> Vec<(Place, &'m str)> {
    let Some(container) = map.containers.get(config) else {
        return Vec::new();
    };
    // In networks of the map they become links of those, which lead anywhere.
    if !container.networks.is_empty() || is_in_default_network(map, config) != Some(true) {
        return Vec::new();
    }
    let unreachable = container.links.iter().filter(|link| {
        let targets = map.referred(&link.container).unwrap_or_default();
        targets.iter().any(|target| match target {
            Item::Container { config, .. } => is_in_default_network(map, config) == Some(false),
            _ => false,
        })
    });
    unreachable
        .map(|link| (link.at, link.container.as_str()))
        .collect()
}

/// Whether a container is in the engine's default network; none where that is not known.
fn is_in_default_network(map: &ResolvedMap, config: &str) -> Option<bool> {
    let mut container = map.containers.get(config)?;
    // Networks that are shared in a circle are told elsewhere.
    for _ in 0..map.containers.len() {
        match default_network_of(container) {
            Membership::Is(is_in_it) => return Some(is_in_it),
            Membership::As(other) => container = map.containers.get(other)?,
            Membership::Unknown => return None,
        }
    }
    None
}

enum Membership<'m> {
    Is(bool),
    /// That of another container, whose network it shares.
    As(&'m str),
    Unknown,
}

fn default_network_of(container: &ContainerConfig) -> Membership<'_> {
    let is_wrong = |key: &String| NETWORK_KEYS.contains(&key.as_str());
    if container.wrong_keys.iter().any(is_wrong) {
        return Membership::Unknown;
    }
    let mut networks = container.networks.iter();
    let is_named = networks.any(|endpoint| endpoint.network == "bridge");
    let is_in_mode = |mode: &str| match mode {
        "" | "bridge" | "default" => Membership::Is(true),
        "host" | "none" => Membership::Is(false),
        mode if mode.starts_with("container:") => Membership::Unknown,
        _ => Membership::Is(is_named),
    };
    // What is applied later goes before.
    let options = container.create_options.iter().rev();
    let mut options = options.chain(container.host_config.iter().rev());
    let option = options.find(|one| one.name() == "network_mode" && !one.written().is_null());
    if let Some(option) = option {
        return match option.written().as_str() {
            Some(mode) => is_in_mode(mode),
            None => Membership::Unknown,
        };
    }
    match &container.network_mode {
        Some((NetworkMode::Plain(mode), _)) => is_in_mode(mode),
        Some((NetworkMode::Container { config, .. }, _)) => Membership::As(config),
        None => Membership::Is(container.networks.is_empty() || is_named),
    }
}

#[cfg(test)]
mod tests {
    use crate::examination::{Surroundings, examine_map};
    use crate::{Client, NoSettings, load_map};
    use indexmap::IndexMap;

    fn told(of_containers: &str, client: Client) -> Vec<String> {
        let text = format!("{of_containers}networks: {{n: null, m: null}}\n");
        let map = load_map(&text, "map.yaml", "m", &NoSettings).unwrap().value;
        let clients = IndexMap::from([(client.name.clone(), client)]);
        let surroundings = Surroundings {
            clients: &clients,
            are_clients_whole: true,
            hosts: &[],
        };
        let found = examine_map(&map, surroundings);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_out_of_the_default_network_are_told_where_they_are_written() {
        let text = "a:\n  links:\n  - c\n  - [b, x]\n\
                    d: {network_mode: bridge, instances: [i, j], links: b}\n\
                    b: {networks: n}\nc: {}\n";
        assert_eq!(
            told(text, Client::default_client()),
            [
                "map.yaml:4:5: error: container a: it is in the engine's default network, and \
                 cannot be linked to b, which is not\n  \
                 help: put both into one of the map's own `networks`",
                "map.yaml:5:53: error: container d: it is in the engine's default network, and \
                 cannot be linked to b, which is not\n  \
                 help: put both into one of the map's own `networks`",
            ]
        );
        // An engine without networks has nothing else.
        let mut client = Client::default_client();
        client.features.insert("networks".to_owned(), false);
        assert_eq!(told(text, client), Vec::<String>::new());
    }

    #[test]
    fn links_are_taken_as_the_engine_takes_them() {
        for (of_a, of_b, is_wrong) in [
            ("", "networks: n", true),
            (
                "host_config: {network_mode: default}, ",
                "networks: [n, m]",
                true,
            ),
            ("", "host_config: {network_mode: elsewhere}", true),
            ("", "network_mode: none", true),
            ("", "network_mode: c", true),
            ("", "networks: [n, bridge]", false),
            ("", "network_mode: bridge", false),
            ("", "network_mode: 'container:other'", false),
            (
                "",
                "networks: n, host_config: {network_mode: bridge}",
                false,
            ),
            ("networks: n, ", "networks: n", false),
            ("networks: m, ", "networks: n", false),
            (
                "host_config: {network_mode: elsewhere}, ",
                "networks: n",
                false,
            ),
        ] {
            let text = format!("a: {{{of_a}links: b}}\nb: {{{of_b}}}\nc: {{networks: n}}\n");
            let told = told(&text, Client::default_client());
            assert_eq!(!told.is_empty(), is_wrong, "{text}{told:?}");
        }
    }
}
