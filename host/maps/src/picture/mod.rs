//! What the maps of a project consist of and what needs what, as a picture.

mod layout;
mod notation;
mod stubs;
mod svg;
#[cfg(test)]
mod tests;

use crate::config::{ContainerConfig, NetworkMode};
use crate::graph::Project;
use crate::map::{Item, ResolvedMap};
use crate::names::is_preset_network;

/// The containers, volumes and networks of a project and what they need, without the images.
/// Instances of a configuration are one node.
///
/// Containers that need each other in a circle are drawn like all others, so that the circle can be
/// seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    groups: Vec<Group>,
}

/// The part of a picture that shows one map. No edge leads out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// Who uses a volume, and the container that attaches it: started in this order, yet without an
    /// edge between them.
    order: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: NodeKind,
    label: String,
    /// What there is to be said of it, in lines.
    details: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeKind {
    Container,
    Volume,
    Network,
}

/// From what needs to what is needed, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: usize,
    to: usize,
    kind: EdgeKind,
    details: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EdgeKind {
    Link,
    Uses,
    Attaches,
    Network,
    NetworkMode,
}

const EDGE_KINDS: [EdgeKind; 5] = [
    EdgeKind::Link,
    EdgeKind::Uses,
    EdgeKind::Attaches,
    EdgeKind::Network,
    EdgeKind::NetworkMode,
];

impl Picture {
    /// The picture of all maps of a project.
    pub fn new(project: &Project) -> Self {
        Self {
            groups: project.maps().iter().map(Group::new).collect(),
        }
    }

    /// In the language of Graphviz.
    pub fn dot(&self) -> String {
        notation::dot(&self.groups)
    }

    /// As a flowchart of Mermaid, which Markdown pages of many forges show.
    pub fn mermaid(&self) -> String {
        notation::mermaid(&self.groups)
    }

    /// As an image that needs nothing else: no font, no script.
    pub fn svg(&self) -> String {
        svg::svg(&self.groups)
    }
}

impl EdgeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Uses => "uses",
            Self::Attaches => "attaches",
            Self::Network => "network",
            Self::NetworkMode => "network_mode",
        }
    }
}

impl Group {
    fn new(map: &ResolvedMap) -> Self {
        let mut group = Self {
            name: map.name().to_owned(),
            nodes: Vec::new(),
            edges: Vec::new(),
            order: Vec::new(),
        };
        for (name, config) in &map.containers {
            group.nodes.push(container(map, name, config));
        }
        for (owner, alias) in map.attached.values() {
            group.nodes.push(volume(map, owner, alias));
        }
        for name in map.networks.keys() {
            group.nodes.push(network(map, name));
        }
        for (index, (name, config)) in map.containers.iter().enumerate() {
            group.add_edges(map, index, name, config);
        }
        group
    }

    fn add_edges(&mut self, map: &ResolvedMap, from: usize, name: &str, config: &ContainerConfig) {
        if let Some((NetworkMode::Container { config, instance }, _)) = &config.network_mode {
            let reference = match instance {
                Some(instance) => format!("{config}.{instance}"),
                None => config.clone(),
            };
            let details = format!("{name} has the network stack of {reference}");
            self.add(
                from,
                container_index(map, &reference),
                EdgeKind::NetworkMode,
                details,
            );
        }
        for endpoint in &config.networks {
            if !is_preset_network(&endpoint.network) {
                let to = network_index(map, &endpoint.network);
                let mut details = format!("{name} is in the network {}", endpoint.network);
                if !endpoint.aliases.is_empty() {
                    details = format!("{details}, as {}", endpoint.aliases.join(", "));
                }
                self.add(from, to, EdgeKind::Network, details);
            }
        }
        let in_networks = config.networks.iter().flat_map(|endpoint| &endpoint.links);
        for link in config.links.iter().chain(in_networks) {
            let (container, alias) = (&link.container, link.effective_alias(map));
            let details = format!("{name} links {container}, as {alias}");
            self.add(
                from,
                container_index(map, container),
                EdgeKind::Link,
                details,
            );
        }
        for volume in &config.attaches {
            let to = volume_index(map, name, &volume.name);
            let path = map.attached_path(name, &volume.name);
            let details = format!("{name} attaches {}{}", volume.name, mounted_at(path));
            self.add(from, to, EdgeKind::Attaches, details);
        }
        for used in &config.uses {
            let suffix = if used.read_only { ", read-only" } else { "" };
            let Some((owner, alias)) = map.attached_volume(&used.name) else {
                let details = format!("{name} uses all volumes of {}{suffix}", used.name);
                self.add(
                    from,
                    container_index(map, &used.name),
                    EdgeKind::Uses,
                    details,
                );
                continue;
            };
            let path = used.path.as_deref();
            let path = mounted_at(path.or_else(|| map.attached_path(owner, alias)));
            let details = format!("{name} uses {}{path}{suffix}", used.name);
            self.add(
                from,
                volume_index(map, owner, alias),
                EdgeKind::Uses,
                details,
            );
            if let Some(owner) = map.containers.get_index_of(owner)
                && owner != from
                && !self.order.contains(&(from, owner))
            {
                self.order.push((from, owner));
            }
        }
    }

    /// Adds an edge; one between the same nodes for the same reason is only told about.
    fn add(&mut self, from: usize, to: Option<usize>, kind: EdgeKind, details: String) {
        let Some(to) = to else { return };
        let same = |edge: &&mut Edge| (edge.from, edge.to, edge.kind) == (from, to, kind);
        match self
            .edges
            .iter_mut()
            .rev()
            .take_while(|edge| edge.from == from)
            .find(same)
        {
            Some(edge) => edge.details.push(details),
            None => self.edges.push(Edge {
                from,
                to,
                kind,
                details: vec![details],
            }),
        }
    }
}

fn container(map: &ResolvedMap, name: &str, config: &ContainerConfig) -> Node {
    let label = match config.instances.len() {
        0 => name.to_owned(),
        count => format!("{name} ×{count}"),
    };
    let instances = map.instances(name);
    let mut details: Vec<String> = instances.iter().map(|item| map.engine_name(item)).collect();
    details.push(format!(
        "image {}",
        map.engine_name(&map.image(name, config))
    ));
    if let Some((NetworkMode::Plain(mode), _)) = &config.network_mode {
        details.push(format!("network_mode {mode}"));
    }
    for endpoint in &config.networks {
        if is_preset_network(&endpoint.network) {
            details.push(format!("network {}", endpoint.network));
        }
    }
    for port in &config.exposes {
        let published = port
            .host_port
            .as_ref()
            .map(|host| format!(", published as {host}"));
        details.push(format!(
            "port {}{}",
            port.exposed,
            published.unwrap_or_default()
        ));
    }
    Node {
        kind: NodeKind::Container,
        label,
        details,
    }
}

/// Where a volume is mounted, if that is known: it may wait for a setting.
fn mounted_at(path: Option<&str>) -> String {
    path.map(|path| format!(" at {path}")).unwrap_or_default()
}

fn volume(map: &ResolvedMap, owner: &str, alias: &str) -> Node {
    let item = Item::Volume {
        owner: owner.to_owned(),
        alias: alias.to_owned(),
    };
    let label = if map.use_attached_parent_name {
        format!("{owner}.{alias}")
    } else {
        alias.to_owned()
    };
    let mut details = vec![format!("volume {}", map.engine_name(&item))];
    if let Some(driver) = map
        .volumes
        .get(alias)
        .and_then(|volume| volume.driver.as_ref())
    {
        details.push(format!("driver {driver}"));
    }
    Node {
        kind: NodeKind::Volume,
        label,
        details,
    }
}

fn network(map: &ResolvedMap, name: &str) -> Node {
    let item = Item::Network {
        name: name.to_owned(),
    };
    let mut details = vec![format!("network {}", map.engine_name(&item))];
    if let Some(network) = map.networks.get(name) {
        details.extend(
            network
                .driver
                .as_ref()
                .map(|driver| format!("driver {driver}")),
        );
        if network.internal {
            details.push("internal".to_owned());
        }
    }
    Node {
        kind: NodeKind::Network,
        label: name.to_owned(),
        details,
    }
}

/// The node of the configuration that `config` or `config.instance` means.
fn container_index(map: &ResolvedMap, reference: &str) -> Option<usize> {
    match map.referred(reference)?.first()? {
        Item::Container { config, .. } => map.containers.get_index_of(config),
        _ => None,
    }
}

fn volume_index(map: &ResolvedMap, owner: &str, alias: &str) -> Option<usize> {
    let is_it = |(one, other): &(String, String)| one == owner && other == alias;
    let index = map.attached.values().position(is_it)?;
    Some(map.containers.len() + index)
}

fn network_index(map: &ResolvedMap, name: &str) -> Option<usize> {
    let index = map.networks.get_index_of(name)?;
    Some(map.containers.len() + map.attached.len() + index)
}
