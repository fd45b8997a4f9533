//! The bodies of Engine API calls that create what a map describes
//! (<https://docs.docker.com/reference/api/engine/>).

mod conflict;
mod limits;
mod mounts;
mod networking;
mod ports;

use serde_json::{Map, Value as Json, json};

pub use networking::endpoint_body;
use networking::{link_texts, networking};
pub(crate) use ports::publications;

use self::mounts::mounts;
use self::ports::ports;

use crate::client::Client;
use crate::config::ContainerConfig;
use crate::diagnostic::Place;
use crate::map::{Item, ResolvedMap};
use crate::mount::Volume;
use crate::names::{NAMES, is_engine_name, is_image, is_owner};
use crate::waiting::Unset;

/// The image of containers that only have a volume.
const DATA_IMAGE: &str = "tianon/true:latest";

/// Why a body cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// There is no such configuration.
    #[error("there is no container {0}")]
    NoContainer(String),
    /// A setting of `!env_lazy`.
    #[error(transparent)]
    Unset(#[from] Unset),
    /// The engine would not take this name.
    #[error("{0:?} cannot be a container's name: {NAMES}")]
    Name(String),
    /// The engine would not take this image.
    #[error(
        "{0:?} cannot be an image's name, which is [REGISTRY/]NAME[:TAG] in small letters, without spaces"
    )]
    Image(String),
    /// It could be nobody's name.
    #[error("{0:?} is no user; write USER, USER:GROUP or their numbers")]
    User(String),
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
    /// The engine refuses things that do not go together.
    #[error("{what} cannot go with {mode}; leave out one of them")]
    Conflict {
        /// What the container is given.
        what: &'static str,
        /// The mode of its network, or of its names.
        mode: &'static str,
    },
    /// Limits of which one makes another one impossible.
    #[error("{0}")]
    Limits(&'static str),
    /// The kernel would not take this host name.
    #[error(
        "the host name {0} has more than 64 characters; give a shorter one as `hostname` in \
         create_options"
    )]
    HostName(String),
    /// Two things are mounted at one path.
    #[error("two things are mounted at {0}; leave out one of them")]
    MountedTwice(String),
    /// Two ports of the container are published at one place.
    #[error(
        "{place} of the host is to publish two ports of the container; give one of them another"
    )]
    PortTwice {
        /// The host's port, with its address if there is one.
        place: String,
    },
    /// The engine has no networks.
    #[error("the engine is too old: it has no {0}")]
    TooOld(&'static str),
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
    /// Limits of a container that runs (1.22).
    pub container_update: bool,
    /// Its restart policy (1.23).
    pub container_update_restart_policy: bool,
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
            container_update: feature("container_update", by_version.container_update),
            container_update_restart_policy: feature(
                "container_update_restart_policy",
                by_version.container_update_restart_policy,
            ),
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
            container_update: since(22),
            container_update_restart_policy: since(23),
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
///
/// # Errors
/// Where a setting is not set that it needs.
pub fn volume_body(map: &ResolvedMap, owner: &str, alias: &str) -> Result<Json, BodyError> {
    let item = Item::Volume {
        owner: owner.to_owned(),
        alias: alias.to_owned(),
    };
    map.require_settings(&item)?;
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
                let name = pascal_case(name);
                let value = match name.as_str() {
                    "Labels" | "DriverOpts" => in_text(value),
                    _ => value.clone(),
                };
                fields.insert(name, value);
            }
        }
    }
    Ok(body)
}

/// `POST /containers/create` of the container that has an attached volume where the engine has no named
/// ones: it never runs, and others have its volume from it.
///
/// # Errors
/// Where a setting is not set that it needs: of the volume only where it is mounted.
pub fn data_container_body(map: &ResolvedMap, owner: &str, alias: &str) -> Result<Json, BodyError> {
    let config = map.containers.get(owner);
    let path = match (map.attached_path(owner, alias), map.unset_path(alias)) {
        (Some(path), _) => path,
        (None, Some(unset)) => return Err(unset.clone().into()),
        (None, None) => "/data",
    };
    let mut of_owner = config.into_iter().flat_map(|config| &config.unset);
    if let Some((_, unset)) = of_owner.find(|(key, _)| key == "user") {
        return Err(unset.clone().into());
    }
    let mut volumes = Map::new();
    volumes.insert(path.to_owned(), json!({}));
    let mut body = json!({
        "Image": DATA_IMAGE, "Volumes": volumes, "NetworkDisabled": true,
    });
    let user = config.and_then(ContainerConfig::container_user);
    if let (Some(user), Some(fields)) = (user, body.as_object_mut()) {
        fields.insert("User".to_owned(), json!(user));
    }
    Ok(body)
}

/// `POST /networks/create`
///
/// # Errors
/// Where a setting is not set that it needs.
pub fn network_body(map: &ResolvedMap, name: &str) -> Result<Json, BodyError> {
    let item = Item::Network {
        name: name.to_owned(),
    };
    map.require_settings(&item)?;
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
                let value = match name.as_str() {
                    "Labels" | "Options" => in_text(value),
                    _ => value.clone(),
                };
                fields.insert(name, value);
            }
        }
    }
    Ok(body)
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
    let (body, faults) = body_with_faults(map, config, instance, client, features);
    match faults.into_iter().next() {
        Some(fault) => Err(fault.error),
        None => Ok(body),
    }
}

/// What stands in the way of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) error: BodyError,
    /// Where it is written; none where the container as a whole is meant.
    pub(crate) at: Option<Place>,
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        Self { error, at: None }
    }
}

/// The same as far as it can be made, with all that stands in its way.
pub(crate) fn body_with_faults(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    client: &Client,
    features: &Features,
) -> (Json, Vec<Fault>) {
    let mut faults: Vec<Fault> = Vec::new();
    let Some(container) = map.containers.get(config) else {
        let fault = BodyError::NoContainer(config.to_owned());
        return (Json::Null, vec![fault.into()]);
    };
    let item = Item::Container {
        config: config.to_owned(),
        instance: instance.map(str::to_owned),
    };
    let unset = map.unset_of(&item).into_iter();
    faults.extend(
        unset
            .cloned()
            .map(|unset| Fault::from(BodyError::Unset(unset))),
    );
    let name = map.engine_name(&item);
    let has_name = is_engine_name(&name);
    if !has_name {
        faults.push(BodyError::Name(name.clone()).into());
    }
    let mut body = Map::new();
    let image_item = map.image(config, container);
    let image = map.engine_name(&image_item);
    let is_named = matches!(&container.image, Some(Some(_)));
    let is_whole = map.unset_of(&image_item).is_empty();
    // Without an image it is the name that is wrong, which is told.
    if is_whole && !is_image(&image) && (is_named || has_name) {
        faults.push(BodyError::Image(image.clone()).into());
    }
    body.insert("Image".to_owned(), json!(image));
    let own_host_name = map.set_hostname.then(|| {
        let host = map.host_name(&name);
        if client.is_default() {
            json!(host)
        } else {
            json!(format!("{host}-{}", map.host_name(&client.name)))
        }
    });
    if let Some(host) = &own_host_name {
        body.insert("Hostname".to_owned(), host.clone());
    }
    if let Some(domain) = client.domain_name.as_ref().or(map.default_domain.as_ref()) {
        body.insert("Domainname".to_owned(), json!(domain));
    }
    if let Some(user) = container
        .user
        .as_ref()
        .and_then(Option::as_ref)
        .filter(|user| !is_owner(user))
    {
        faults.push(BodyError::User(user.clone()).into());
    }
    if let Some(user) = container.container_user() {
        body.insert("User".to_owned(), json!(user));
    }
    let mut host = Map::new();
    let mut parts = Parts {
        body: &mut body,
        host: &mut host,
        faults: &mut faults,
    };
    mounts(map, config, instance, features, &mut parts);
    ports(container, client, &mut parts);
    networking(map, container, features, &mut parts);
    stopping(container, features, &mut body);
    let links: Vec<String> = container
        .links
        .iter()
        .flat_map(|link| link_texts(map, link))
        .collect();
    if !links.is_empty() {
        host.insert("Links".to_owned(), json!(links));
    }
    for option in container
        .host_config
        .iter()
        .chain(&container.create_options)
    {
        option.apply(&mut body, &mut host);
    }
    // The host's own name is another one than that which the map would give by itself.
    let has_hosts_name = host.get("UTSMode").is_some_and(|mode| mode == "host");
    if has_hosts_name && body.get("Hostname") == own_host_name.as_ref() {
        body.remove("Hostname");
    }
    if !host.is_empty() {
        body.insert("HostConfig".to_owned(), Json::Object(host));
    }
    conflict::refuse(&body, &mut faults);
    limits::refuse(&body, container, &mut faults);
    (Json::Object(body), faults)
}

/// A body that is being made, and what stands in its way.
struct Parts<'a> {
    body: &'a mut Map<String, Json>,
    host: &'a mut Map<String, Json>,
    faults: &'a mut Vec<Fault>,
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

/// Labels and the options of drivers are texts to the engine.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_can_do_is_known_by_its_version() {
        let of = |minor: u32| {
            let features = Features::for_api(1, minor);
            [
                features.networks,
                features.volumes,
                features.stop_signal,
                features.container_update,
                features.container_update_restart_policy,
                features.healthcheck,
                features.stop_timeout,
            ]
        };
        for (minor, wanted) in [
            (20, [false, false, false, false, false, false, false]),
            (21, [true, true, true, false, false, false, false]),
            (22, [true, true, true, true, false, false, false]),
            (23, [true, true, true, true, true, false, false]),
            (24, [true, true, true, true, true, true, false]),
            (25, [true, true, true, true, true, true, true]),
        ] {
            assert_eq!(of(minor), wanted, "1.{minor}");
        }
        assert_eq!(Features::for_api(2, 0), Features::for_api(1, 25));
    }

    #[test]
    fn what_a_client_says_of_its_engine_goes_before_the_version() {
        let mut client = Client::default_client();
        let plain = Features::of(1, 22, &client);
        assert_eq!(plain, Features::for_api(1, 22));
        client.features.insert("container_update".to_owned(), false);
        client.features.insert("healthcheck".to_owned(), true);
        let said = Features::of(1, 22, &client);
        assert!(!said.container_update && said.healthcheck && said.networks);
    }
}
