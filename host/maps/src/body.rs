//! The bodies of Engine API calls that create what a map describes
//! (<https://docs.docker.com/reference/api/engine/>).

use serde_json::{Map, Value as Json, json};

use crate::client::Client;
use crate::config::{ContainerConfig, NetworkMode};
use crate::map::{Item, ResolvedMap};
use crate::mount::{Bind, Volume};
use crate::names::{host_name, is_preset_network};
use crate::options::{OptionError, apply_create_options, apply_host_config};
use crate::port::{Endpoint, Port};
use crate::record::Link;

/// The image of containers that only have a volume.
const DATA_IMAGE: &str = "tianon/true:latest";

/// Why a body cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// There is no such configuration.
    #[error("there is no container {0}")]
    NoContainer(String),
    /// A path on the host is missing for this instance.
    #[error("there is no path on the host for {what}{}", of_instance(.instance))]
    NoHostPath {
        /// The alias, or the path in the container.
        what: String,
        /// The instance.
        instance: Option<String>,
    },
    /// The client does not say which address an interface has.
    #[error(
        "port {port} is to be published on the interface {interface}, of which the client {client} \
         has no address; add it to its `{section}` in the client file"
    )]
    NoInterface {
        /// The container's port.
        port: String,
        /// The interface.
        interface: String,
        /// The client.
        client: String,
        /// `interfaces` or `interfaces_ipv6`.
        section: &'static str,
    },
    /// The engine has no networks.
    #[error("the engine is too old: it has no {0}")]
    TooOld(&'static str),
    /// An option that cannot be passed on.
    #[error(transparent)]
    Option(#[from] OptionError),
}

fn of_instance(instance: &Option<String>) -> String {
    instance
        .as_ref()
        .map(|name| format!(", instance {name}"))
        .unwrap_or_default()
}

/// What an engine can do, by the API version that is spoken with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Networks of one's own (1.21).
    pub networks: bool,
    /// Named volumes (1.21).
    pub volumes: bool,
    /// A container's own stop signal (1.21).
    pub stop_signal: bool,
    /// Health checks (1.24).
    pub healthcheck: bool,
    /// A container's own time to stop (1.25).
    pub stop_timeout: bool,
}

impl Features {
    /// Those of an API version, but for what the client says of its engine.
    pub fn of(major: u32, minor: u32, client: &Client) -> Self {
        let by_version = Self::for_api(major, minor);
        let feature = |name: &str, default: bool| {
            let said = client.features.get(name).copied();
            said.unwrap_or(default)
        };
        Self {
            networks: feature("networks", by_version.networks),
            volumes: feature("volumes", by_version.volumes),
            stop_signal: feature("stop_signal", by_version.stop_signal),
            healthcheck: feature("healthcheck", by_version.healthcheck),
            stop_timeout: feature("stop_timeout", by_version.stop_timeout),
        }
    }

    /// Those of an API version.
    pub fn for_api(major: u32, minor: u32) -> Self {
        let since = |wanted: u32| (major, minor) >= (1, wanted);
        Self {
            networks: since(21),
            volumes: since(21),
            stop_signal: since(21),
            healthcheck: since(24),
            stop_timeout: since(25),
        }
    }
}

/// An attached volume whose owner or permissions the map sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// The volume's name on the engine.
    pub volume: String,
    /// Where it is mounted in the container that attaches it.
    pub path: String,
    /// `user:group`.
    pub user: Option<String>,
    /// As chmod takes them.
    pub permissions: Option<String>,
}

/// The volumes of a container that want an owner or permissions. The volume's own settings go before
/// those of the container.
pub fn preparations(map: &ResolvedMap, config: &str, _instance: Option<&str>) -> Vec<Preparation> {
    let Some(container) = map.containers.get(config) else {
        return Vec::new();
    };
    let prepare = |volume: &Volume| {
        let own = map.volumes.get(&volume.name);
        let user = own
            .and_then(|own| own.user.clone())
            .or_else(|| container.user.clone().flatten())
            .map(|user| {
                if user.contains(':') {
                    user
                } else {
                    format!("{user}:{user}")
                }
            });
        let permissions = own
            .and_then(|own| own.permissions.clone())
            .or_else(|| container.permissions.clone().flatten());
        let item = Item::Volume {
            owner: config.to_owned(),
            alias: volume.name.clone(),
        };
        (user.is_some() || permissions.is_some()).then_some(Preparation {
            volume: map.engine_name(&item),
            path: map.attached_path(config, &volume.name)?.to_owned(),
            user,
            permissions,
        })
    };
    container.attaches.iter().filter_map(prepare).collect()
}

/// `POST /volumes/create`
pub fn volume_body(map: &ResolvedMap, owner: &str, alias: &str) -> Json {
    let item = Item::Volume {
        owner: owner.to_owned(),
        alias: alias.to_owned(),
    };
    let mut body = json!({ "Name": map.engine_name(&item) });
    if let (Some(volume), Some(fields)) = (map.volumes.get(alias), body.as_object_mut()) {
        if let Some(driver) = volume.driver.as_ref().filter(|driver| *driver != "local") {
            fields.insert("Driver".to_owned(), json!(driver));
        }
        if let Some(options) = &volume.driver_options {
            fields.insert("DriverOpts".to_owned(), in_text(options));
        }
        if let Some(Json::Object(options)) = &volume.create_options {
            for (name, value) in options {
                fields.insert(pascal_case(name), value.clone());
            }
        }
    }
    body
}

/// `POST /containers/create` of the container that has an attached volume where the engine has no named
/// ones: it never runs, and others have its volume from it.
pub fn data_container_body(map: &ResolvedMap, owner: &str, alias: &str) -> Json {
    let path = map.attached_path(owner, alias).unwrap_or("/data");
    let mut volumes = Map::new();
    volumes.insert(path.to_owned(), json!({}));
    let mut body = json!({
        "Image": DATA_IMAGE, "Volumes": volumes, "NetworkDisabled": true,
    });
    let user = map
        .containers
        .get(owner)
        .and_then(ContainerConfig::container_user);
    if let (Some(user), Some(fields)) = (user, body.as_object_mut()) {
        fields.insert("User".to_owned(), json!(user));
    }
    body
}

/// `POST /networks/create`
pub fn network_body(map: &ResolvedMap, name: &str) -> Json {
    let item = Item::Network {
        name: name.to_owned(),
    };
    let mut body = json!({ "Name": map.engine_name(&item), "CheckDuplicate": true });
    if let (Some(network), Some(fields)) = (map.networks.get(name), body.as_object_mut()) {
        let driver = network.driver.as_deref().unwrap_or("bridge");
        fields.insert("Driver".to_owned(), json!(driver));
        if let Some(options) = &network.driver_options {
            fields.insert("Options".to_owned(), in_text(options));
        }
        if network.internal {
            fields.insert("Internal".to_owned(), json!(true));
        }
        if let Some(Json::Object(options)) = &network.create_options {
            for (name, value) in options {
                let name = match name.as_str() {
                    "ipam" => "IPAM".to_owned(),
                    "enable_ipv6" => "EnableIPv6".to_owned(),
                    other => pascal_case(other),
                };
                fields.insert(name, value.clone());
            }
        }
    }
    body
}

/// The endpoint of a container in a network, named as on the engine: the `EndpointConfig` of
/// `POST /networks/NAME/connect`. None where the container is not in that network; one without any of
/// its own is in the engine's.
pub fn endpoint_body(map: &ResolvedMap, config: &str, network: &str) -> Option<Json> {
    let container = map.containers.get(config)?;
    if container.networks.is_empty() && is_preset_network(network) {
        return Some(json!({}));
    }
    container
        .networks
        .iter()
        .find(|endpoint| network_name(map, endpoint) == network)
        .map(|endpoint| endpoint_of(map, container, endpoint))
}

/// `POST /containers/create`
///
/// # Errors
/// Where the map or the client lacks something that this container needs.
pub fn container_body(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    client: &Client,
    features: &Features,
) -> Result<Json, BodyError> {
    let container = map
        .containers
        .get(config)
        .ok_or_else(|| BodyError::NoContainer(config.to_owned()))?;
    let Item::Image { .. } = map.image(config, container) else {
        return Err(BodyError::NoContainer(config.to_owned()));
    };
    let item = Item::Container {
        config: config.to_owned(),
        instance: instance.map(str::to_owned),
    };
    let name = map.engine_name(&item);
    let mut body = Map::new();
    let image = map.engine_name(&map.image(config, container));
    body.insert("Image".to_owned(), json!(image));
    if map.set_hostname {
        let mut host = host_name(&name);
        if !client.is_default() {
            host = format!("{host}-{}", host_name(&client.name));
        }
        body.insert("Hostname".to_owned(), json!(host));
    }
    if let Some(domain) = client.domain_name.as_ref().or(map.default_domain.as_ref()) {
        body.insert("Domainname".to_owned(), json!(domain));
    }
    if let Some(user) = container.container_user() {
        body.insert("User".to_owned(), json!(user));
    }
    let mut host = Map::new();
    mounts(map, config, instance, features, &mut body, &mut host)?;
    ports(container, client, &mut body, &mut host)?;
    networking(map, container, features, &mut body, &mut host)?;
    stopping(container, features, &mut body);
    let links: Vec<String> = container
        .links
        .iter()
        .flat_map(|link| link_texts(map, link))
        .collect();
    if !links.is_empty() {
        host.insert("Links".to_owned(), json!(links));
    }
    apply_host_config(&container.host_config, &mut host)?;
    apply_create_options(&container.create_options, &mut body, &mut host)?;
    if !host.is_empty() {
        body.insert("HostConfig".to_owned(), Json::Object(host));
    }
    Ok(Json::Object(body))
}

fn mounts(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    features: &Features,
    body: &mut Map<String, Json>,
    host: &mut Map<String, Json>,
) -> Result<(), BodyError> {
    let Some(container) = map.containers.get(config) else {
        return Ok(());
    };
    let mut binds = Vec::new();
    let mut from = Vec::new();
    let mode = |read_only: bool| if read_only { "ro" } else { "rw" };
    for bind in &container.binds {
        let (what, path, host_path, read_only) = match bind {
            Bind::Alias {
                alias, read_only, ..
            } => {
                let path = map
                    .volumes
                    .get(alias)
                    .and_then(|volume| volume.default_path.as_deref());
                (alias, path, map.host.get(alias), read_only)
            }
            Bind::Paths {
                path,
                host_path,
                read_only,
            } => (path, Some(path.as_str()), Some(host_path), read_only),
        };
        let missing = || BodyError::NoHostPath {
            what: what.clone(),
            instance: instance.map(str::to_owned),
        };
        let path = path.ok_or_else(missing)?;
        let host_path = host_path
            .and_then(|paths| map.host_path(paths, instance))
            .ok_or_else(missing)?;
        binds.push(format!("{host_path}:{path}:{}", mode(*read_only)));
    }
    let item = |owner: &str, alias: &str| Item::Volume {
        owner: owner.to_owned(),
        alias: alias.to_owned(),
    };
    let own = container
        .attaches
        .iter()
        .map(|volume| (volume, map.engine_name(&item(config, &volume.name))));
    for (volume, name) in own.clone().filter(|_| features.volumes) {
        if let Some(path) = map.attached_path(config, &volume.name) {
            binds.push(format!("{name}:{path}:rw"));
        }
    }
    for used in &container.uses {
        if let Some((owner, alias)) = map.attached_volume(&used.name) {
            if !features.volumes {
                let suffix = if used.read_only { ":ro" } else { "" };
                from.push(format!("{}{suffix}", map.engine_name(&item(owner, alias))));
                continue;
            }
            let path = used
                .path
                .as_deref()
                .or_else(|| map.attached_path(owner, alias));
            if let Some(path) = path {
                let name = map.engine_name(&item(owner, alias));
                binds.push(format!("{name}:{path}:{}", mode(used.read_only)));
            }
        } else {
            let suffix = if used.read_only { ":ro" } else { "" };
            let containers = map.referred(&used.name).unwrap_or_default();
            from.extend(
                containers
                    .iter()
                    .map(|one| format!("{}{suffix}", map.engine_name(one))),
            );
        }
    }
    // Without named volumes, each is that of a container which only has it.
    from.extend(own.filter(|_| !features.volumes).map(|(_, name)| name));
    if !container.shares.is_empty() {
        let volumes: Map<_, _> = container
            .shares
            .iter()
            .map(|path| (path.clone(), json!({})))
            .collect();
        body.insert("Volumes".to_owned(), Json::Object(volumes));
    }
    if !binds.is_empty() {
        host.insert("Binds".to_owned(), json!(binds));
    }
    if !from.is_empty() {
        host.insert("VolumesFrom".to_owned(), json!(from));
    }
    Ok(())
}

fn ports(
    container: &ContainerConfig,
    client: &Client,
    body: &mut Map<String, Json>,
    host: &mut Map<String, Json>,
) -> Result<(), BodyError> {
    if container.exposes.is_empty() {
        return Ok(());
    }
    let mut exposes: Vec<&Port> = container.exposes.iter().collect();
    // By number, then protocol (B-06).
    exposes.sort_by_key(|port| {
        let (number, protocol) = split_port(&port.exposed);
        (number.parse::<u32>().unwrap_or(u32::MAX), protocol, number)
    });
    let mut exposed = Map::new();
    let mut bindings: Map<String, Json> = Map::new();
    for port in exposes {
        let (number, protocol) = split_port(&port.exposed);
        let name = format!("{number}/{protocol}");
        exposed.insert(name.clone(), json!({}));
        let Some(host_port) = &port.host_port else {
            continue;
        };
        let mut binding = json!({ "HostPort": host_port });
        if let Some(interface) = &port.interface {
            let (addresses, section) = if port.ipv6 {
                (&client.interfaces_ipv6, "interfaces_ipv6")
            } else {
                (&client.interfaces, "interfaces")
            };
            let address = addresses
                .get(interface)
                .ok_or_else(|| BodyError::NoInterface {
                    port: port.exposed.clone(),
                    interface: interface.clone(),
                    client: client.name.clone(),
                    section,
                })?;
            binding = json!({ "HostIp": address, "HostPort": host_port });
        }
        if let Json::Array(list) = bindings.entry(name).or_insert_with(|| json!([])) {
            list.push(binding);
        }
    }
    body.insert("ExposedPorts".to_owned(), Json::Object(exposed));
    if !bindings.is_empty() {
        host.insert("PortBindings".to_owned(), Json::Object(bindings));
    }
    Ok(())
}

fn split_port(port: &str) -> (&str, &str) {
    port.split_once('/').unwrap_or((port, "tcp"))
}

fn networking(
    map: &ResolvedMap,
    container: &ContainerConfig,
    features: &Features,
    body: &mut Map<String, Json>,
    host: &mut Map<String, Json>,
) -> Result<(), BodyError> {
    let mode = match &container.network_mode {
        Some((NetworkMode::Plain(mode), _)) => Some(mode.clone()),
        Some((NetworkMode::Container { config, instance }, _)) => {
            let item = Item::Container {
                config: config.clone(),
                instance: instance.clone(),
            };
            Some(format!("container:{}", map.engine_name(&item)))
        }
        None => None,
    };
    if mode.as_deref() == Some("none") {
        body.insert("NetworkDisabled".to_owned(), json!(true));
    } else if let Some(first) = container.networks.first() {
        if !features.networks {
            return Err(BodyError::TooOld("networks"));
        }
        let name = network_name(map, first);
        let endpoints = json!({ name.clone(): endpoint_of(map, container, first) });
        body.insert(
            "NetworkingConfig".to_owned(),
            json!({ "EndpointsConfig": endpoints }),
        );
        // Else the engine would connect its default network as well.
        if mode.is_none() {
            host.insert("NetworkMode".to_owned(), json!(name));
        }
    }
    if let Some(mode) = mode {
        // The engine refuses a host name for a container that shares another one's network.
        if mode.starts_with("container:") || mode == "host" {
            body.remove("Hostname");
            body.remove("Domainname");
        }
        host.insert("NetworkMode".to_owned(), json!(mode));
    }
    Ok(())
}

fn stopping(container: &ContainerConfig, features: &Features, body: &mut Map<String, Json>) {
    if features.stop_signal
        && let Some(signal) = container.stop_signal()
    {
        body.insert("StopSignal".to_owned(), json!(signal));
    }
    if features.stop_timeout
        && let Some(timeout) = container.stop_timeout().filter(|timeout| *timeout > 0)
    {
        body.insert("StopTimeout".to_owned(), json!(timeout));
    }
    if features.healthcheck
        && let Some(check) = &container.healthcheck
    {
        let mut fields = Map::new();
        fields.insert("Test".to_owned(), json!(check.test));
        for (name, value) in [
            ("Interval", check.interval),
            ("Timeout", check.timeout),
            ("Retries", check.retries),
            ("StartPeriod", check.start_period),
        ] {
            if let Some(value) = value.filter(|value| *value != 0) {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        body.insert("Healthcheck".to_owned(), Json::Object(fields));
    }
}

fn network_name(map: &ResolvedMap, endpoint: &Endpoint) -> String {
    if is_preset_network(&endpoint.network) {
        return endpoint.network.clone();
    }
    map.engine_name(&Item::Network {
        name: endpoint.network.clone(),
    })
}

/// The endpoint, with the container's own links at the first network of the map: the engine takes no
/// notice of those in the host configuration but in its default network.
fn endpoint_of(map: &ResolvedMap, container: &ContainerConfig, endpoint: &Endpoint) -> Json {
    let is_own = |endpoint: &&Endpoint| !is_preset_network(&endpoint.network);
    let first = container.networks.iter().find(is_own);
    let mut endpoint = endpoint.clone();
    if first.is_some_and(|first| first.network == endpoint.network) {
        endpoint.links.extend(container.links.iter().cloned());
    }
    endpoint_config(map, &endpoint)
}

fn endpoint_config(map: &ResolvedMap, endpoint: &Endpoint) -> Json {
    let mut fields = Map::new();
    if !endpoint.aliases.is_empty() {
        fields.insert("Aliases".to_owned(), json!(endpoint.aliases));
    }
    let links: Vec<String> = endpoint
        .links
        .iter()
        .flat_map(|link| link_texts(map, link))
        .collect();
    if !links.is_empty() {
        fields.insert("Links".to_owned(), json!(links));
    }
    let mut addresses = Map::new();
    if let Some(address) = &endpoint.ipv4_address {
        addresses.insert("IPv4Address".to_owned(), json!(address));
    }
    if let Some(address) = &endpoint.ipv6_address {
        addresses.insert("IPv6Address".to_owned(), json!(address));
    }
    if !endpoint.link_local_ips.is_empty() {
        addresses.insert("LinkLocalIPs".to_owned(), json!(endpoint.link_local_ips));
    }
    if !addresses.is_empty() {
        fields.insert("IPAMConfig".to_owned(), Json::Object(addresses));
    }
    Json::Object(fields)
}

/// `CONTAINER:ALIAS`, one for each container that the link means.
fn link_texts(map: &ResolvedMap, link: &Link) -> Vec<String> {
    let alias = link.effective_alias();
    let containers = map.referred(&link.container).unwrap_or_default();
    containers
        .iter()
        .map(|one| format!("{}:{alias}", map.engine_name(one)))
        .collect()
}

/// Driver options are texts to the engine.
fn in_text(options: &Json) -> Json {
    match options {
        Json::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), json!(text_of(value))))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A scalar as text.
pub(crate) fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// `snake_case` to the case of the Engine API.
pub(crate) fn pascal_case(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            match letters.next() {
                Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
                None => String::new(),
            }
        })
        .collect()
}
