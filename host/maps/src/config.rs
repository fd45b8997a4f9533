//! A container configuration: its keys, and how one extends another.

use std::time::Duration;

use crate::diagnostic::{Place, Report};
use crate::health_check::HealthCheck;
use crate::mount::{Bind, Volume};
use crate::options::{self, ContainerOption, Section};
use crate::permissions::Permissions;
use crate::port::{Endpoint, Port};
use crate::record::{ExecCommand, Link, records, texts};
use crate::tree::{Node, Value};
use crate::waiting::Unset;

/// In the order of the normal form; the last two are what others were called once.
pub(crate) const KEYS: [&str; 25] = [
    "abstract",
    "extends",
    "image",
    "instances",
    "clients",
    "shares",
    "binds",
    "attaches",
    "uses",
    "links",
    "exposes",
    "user",
    "permissions",
    "stop_timeout",
    "stop_signal",
    "start_delay",
    "network_mode",
    "networks",
    "exec_commands",
    "healthcheck",
    "persistent",
    "create_options",
    "host_config",
    "start_options",
    "network",
];

/// Keys that say something only of the container's creation and start, so that `!env_lazy` can wait for
/// it. Of `networks` some fields can.
const LAZY: [&str; 10] = [
    "binds",
    "exec_commands",
    "exposes",
    "healthcheck",
    "create_options",
    "host_config",
    "start_options",
    "permissions",
    "shares",
    "user",
];

/// A container as a map describes it, with what it extends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerConfig {
    pub(crate) at: Place,
    pub(crate) is_abstract: bool,
    pub(crate) extends: Vec<(String, Place)>,
    /// Here and below, the outer option says whether it is given; null replaces what is inherited.
    pub(crate) image: Option<Option<String>>,
    pub(crate) instances: Vec<String>,
    pub(crate) clients: Vec<String>,
    /// Those that this configuration names itself, and where.
    pub(crate) client_names: Vec<(String, Place)>,
    pub(crate) shares: Vec<String>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) attaches: Vec<Volume>,
    pub(crate) uses: Vec<Volume>,
    pub(crate) links: Vec<Link>,
    pub(crate) exposes: Vec<Port>,
    pub(crate) user: Option<Option<String>>,
    pub(crate) permissions: Option<Option<String>>,
    pub(crate) stop_timeout: Option<Option<u32>>,
    pub(crate) stop_signal: Option<Option<String>>,
    pub(crate) start_delay: Option<Option<Duration>>,
    pub(crate) network_mode: Option<(NetworkMode, Place)>,
    pub(crate) networks: Vec<Endpoint>,
    pub(crate) exec_commands: Vec<ExecCommand>,
    pub(crate) healthcheck: Option<HealthCheck>,
    pub(crate) persistent: Option<bool>,
    pub(crate) create_options: Vec<ContainerOption>,
    pub(crate) host_config: Vec<ContainerOption>,
    /// Keys of whose values a mistake was told: what is missing of them is not missed again.
    pub(crate) wrong_keys: Vec<String>,
    /// Settings that are not set, with the keys that wait for them.
    pub(crate) unset: Vec<(String, Unset)>,
}

/// Which network stack a container has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NetworkMode {
    /// `bridge`, `host`, `none` or `container:NAME`, as the engine takes it.
    Plain(String),
    /// That of another container of the map.
    Container {
        config: String,
        instance: Option<String>,
    },
}

impl ContainerConfig {
    /// Started once to hold data, and kept.
    pub fn persistent(&self) -> bool {
        self.persistent.unwrap_or(false)
    }

    /// The signal that stops it, where it is not the engine's own.
    pub fn stop_signal(&self) -> Option<&str> {
        self.stop_signal.as_ref()?.as_deref()
    }

    /// Seconds until the engine kills it.
    pub fn stop_timeout(&self) -> Option<u32> {
        self.stop_timeout.flatten()
    }

    /// How long to wait after its start.
    pub fn start_delay(&self) -> Option<Duration> {
        self.start_delay.flatten()
    }

    /// What to run in it after its start; without a user of its own, as the container's.
    pub fn exec_commands(&self) -> Vec<ExecCommand> {
        let user = self.container_user();
        self.exec_commands
            .iter()
            .map(|command| ExecCommand {
                user: command.user.clone().or_else(|| user.clone()),
                ..command.clone()
            })
            .collect()
    }

    /// The user of the container's process: without the group, which is for volumes.
    pub(crate) fn container_user(&self) -> Option<String> {
        let user = self.user.as_ref()?.as_deref()?;
        let user = user.split(':').next().unwrap_or_default();
        (!user.is_empty()).then(|| user.to_owned())
    }

    /// Reads a configuration; null is one without anything.
    pub(crate) fn read(node: Node, report: &mut Report) -> Self {
        let mut config = Self {
            at: node.at,
            ..Self::default()
        };
        config.update(node, report);
        config
    }

    /// Reads more of a configuration, which may be written in two places: what the later one says
    /// replaces what the earlier one said, key by key.
    pub(crate) fn update(&mut self, node: Node, report: &mut Report) {
        let (at, kind) = (node.at, node.kind());
        match node.value {
            Value::Null => {}
            Value::Map(pairs) => {
                let is_host = |name: &str| matches!(name, "host_config" | "start_options");
                if pairs.iter().any(|(key, _)| is_host(&key.key_text())) {
                    self.host_config.clear();
                }
                for (key, value) in pairs {
                    let (name, untold) = (key.key_text(), value.untold());
                    self.unset.retain(|(known, _)| *known != name);
                    if !untold.is_empty() && LAZY.contains(&&*name) {
                        self.wait_for(untold, &name, report);
                        continue;
                    }
                    if name != "networks" {
                        value.tell_untold(report);
                    }
                    let (before, has_unset) = (report.errors(), value.has_unset());
                    self.read_key(&key, value, report);
                    if has_unset || report.errors() > before {
                        self.wrong_keys.push(key.key_text().into_owned());
                    }
                }
            }
            _ => report.error(at, format!("a container is a mapping, not {kind}")),
        }
    }

    /// Notes that a key cannot be read without settings.
    fn wait_for(&mut self, settings: Vec<(String, Place)>, key: &str, report: &mut Report) {
        let without = match key {
            "exec_commands" => "the container cannot be created, started or compared",
            _ => "the container cannot be created or compared",
        };
        let unset = report.wait_for(settings, without).into_iter();
        self.wrong_keys.push(key.to_owned());
        self.unset
            .extend(unset.map(|unset| (key.to_owned(), unset)));
    }

    fn read_key(&mut self, key: &Node, value: Node, report: &mut Report) {
        let name = key.key_text();
        match &*name {
            "abstract" => self.is_abstract = value.truth(report),
            "extends" => self.extends = names(&value, report),
            "image" => self.image = Some(optional_text(&value, "an image", report)),
            "instances" => self.instances = instances(&value, report),
            "clients" => {
                self.client_names = names(&value, report);
                let names = self.client_names.iter();
                self.clients = names.map(|(name, _)| name.clone()).collect();
            }
            "shares" => self.shares = list(&value, report),
            "binds" => self.binds = records(value, report),
            "attaches" => self.attaches = attached(value, report),
            "uses" => self.uses = records(value, report),
            "links" => self.links = records(value, report),
            "exposes" => self.exposes = records(value, report),
            "user" => self.user = Some(user(&value, report)),
            "permissions" => {
                self.permissions = Some(permissions(&value, report));
            }
            "stop_timeout" => self.stop_timeout = Some(seconds(&value, report)),
            "stop_signal" => {
                self.stop_signal = Some(optional_text(&value, "a signal", report));
                options::check_words("stop_signal", &value, report);
            }
            "start_delay" => self.start_delay = Some(delay(&value, report)),
            "network_mode" | "network" => {
                if name == "network" {
                    report.warning(key.at, "network is called network_mode now", "rename it");
                }
                self.network_mode = Some((network_mode(&value, report), value.at));
            }
            "networks" => self.networks = endpoints(value, report),
            "exec_commands" => self.exec_commands = records(value, report),
            "healthcheck" => self.healthcheck = HealthCheck::read(&value, report),
            "persistent" => self.persistent = Some(value.truth(report)),
            "create_options" => {
                self.create_options = options::read(Section::CreateOptions, value, report);
            }
            "host_config" | "start_options" => {
                if name == "start_options" {
                    report.warning(
                        key.at,
                        "start_options is called host_config now",
                        "rename it",
                    );
                }
                self.host_config
                    .extend(options::read(Section::HostConfig, value, report));
            }
            free if free.starts_with("x-") => {}
            other => unknown_key(key, other, report),
        }
    }
}

/// Keys of other tools, and where the same is said here.
const ELSEWHERE: [(&str, &str); 5] = [
    (
        "depends_on",
        "what a container links or uses is started before it",
    ),
    ("ports", "write exposes: {PORT: HOST_PORT}"),
    ("volumes", "write binds, attaches, uses or shares"),
    ("volumes_from", "write uses"),
    ("expose", "did you mean exposes?"),
];

fn unknown_key(key: &Node, name: &str, report: &mut Report) {
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
    let help = match (elsewhere, options::place_of(name)) {
        (Some((_, help)), _) => (*help).to_owned(),
        (None, Some(place)) => format!("write it as {place}"),
        (None, None) => return report.unknown(key.at, "key of a container", name, &KEYS),
    };
    report.error_with_help(
        key.at,
        format!("there is no key of a container {name}"),
        help,
    );
}

/// One text or a list of them; null is none.
pub(crate) fn list(node: &Node, report: &mut Report) -> Vec<String> {
    names(node, report)
        .into_iter()
        .map(|(text, _)| text)
        .collect()
}

/// The same, with their places.
pub(crate) fn names(node: &Node, report: &mut Report) -> Vec<(String, Place)> {
    let named = |item: &Node, report: &mut Report| match &item.value {
        Value::Null | Value::List(_) | Value::Map(_) => {
            report.error(
                item.at,
                format!("a text is wanted here, not {}", item.kind()),
            );
            None
        }
        _ => item.plain_text(report).map(|text| (text, item.at)),
    };
    match &node.value {
        Value::Null => Vec::new(),
        Value::List(items) => items
            .iter()
            .filter_map(|item| named(item, report))
            .collect(),
        Value::Text(text) if text.is_empty() => Vec::new(),
        Value::Text(_) => named(node, report).into_iter().collect(),
        _ => {
            report.error(
                node.at,
                format!("a list is wanted here, not {}", node.kind()),
            );
            Vec::new()
        }
    }
}

/// Names of containers of one configuration, each of which can be there once.
fn instances(node: &Node, report: &mut Report) -> Vec<String> {
    let mut instances: Vec<String> = Vec::new();
    for (name, at) in names(node, report) {
        if name.is_empty() {
            report.error_with_help(
                at,
                "an instance has a name",
                "leave out `instances` for a single container without one",
            );
        } else if instances.contains(&name) {
            report.error_with_help(
                at,
                format!("the instance {name} is named twice"),
                "leave out one of them, or call it otherwise",
            );
        } else {
            instances.push(name);
        }
    }
    instances
}

/// What begins the names of images: no number is meant by it.
pub(crate) fn prefix(node: &Node, what: &str, report: &mut Report) -> Option<String> {
    if matches!(node.value, Value::Number(_) | Value::Bool(_)) {
        let message = format!("{what} is wanted here, not {}", node.kind());
        report.error_with_help(node.at, message, "if it is one, write it in quotes");
        return None;
    }
    optional_text(node, what, report)
}

/// A text, or none where it is null or empty.
pub(crate) fn optional_text(node: &Node, what: &str, report: &mut Report) -> Option<String> {
    if matches!(node.value, Value::List(_) | Value::Map(_)) {
        let message = format!("{what} is wanted here, not {}", node.kind());
        report.error(node.at, message);
    }
    node.plain_text(report).filter(|text| !text.is_empty())
}

/// Permissions as chmod takes them.
pub(crate) fn permissions(node: &Node, report: &mut Report) -> Option<String> {
    let text = optional_text(node, "permissions", report)?;
    match text.parse::<Permissions>() {
        Ok(_) => Some(text),
        Err(error) => {
            report.error(node.at, error.to_string());
            None
        }
    }
}

/// A user, or a list of user and group (B-07).
pub(crate) fn user(node: &Node, report: &mut Report) -> Option<String> {
    match &node.value {
        Value::List(items) if items.len() == 2 => Some(texts(node, report).join(":")),
        Value::List(_) | Value::Map(_) => {
            report.error(
                node.at,
                "a user is written as USER, USER:GROUP or [USER, GROUP]",
            );
            None
        }
        // A plain `1000:50` is a number to the base of 60 in YAML 1.1, and is not meant so.
        _ => node.plain_text(report).filter(|text| !text.is_empty()),
    }
}

/// An attached volume is mounted to be written in the container that it belongs to.
fn attached(node: Node, report: &mut Report) -> Vec<Volume> {
    let volumes: Vec<Volume> = records(node, report);
    for volume in volumes.iter().filter(|volume| volume.read_only) {
        report.warning(
            volume.at,
            format!(
                "the container attaches {}, which is its own and therefore not read-only",
                volume.name
            ),
            "leave out the mark, or give it where others use the volume",
        );
    }
    volumes
}

/// The networks of a container. Their names and links lead somewhere, and cannot wait for settings.
fn endpoints(node: Node, report: &mut Report) -> Vec<Endpoint> {
    let untold = node.untold();
    let mut of_endpoints = report.another();
    let endpoints: Vec<Endpoint> = records(node, &mut of_endpoints);
    for (name, at) in untold {
        let mut waiting = endpoints.iter().flat_map(|endpoint| &endpoint.unset);
        if !waiting.any(|unset| unset.at == at) {
            report.unset(at, &name);
        }
    }
    report.append(of_endpoints);
    endpoints
}

/// A number as YAML 1.1 reads it, with a warning where people read another one.
pub(crate) fn number_text(node: &Node, report: &mut Report) -> Option<String> {
    let reading = node.reading()?;
    if let (Value::Number(_), Some(written)) = (&node.value, &node.written) {
        // Whoever writes `0x10` means it.
        let is_meant = written.contains("0x") || written.contains("0b");
        let plain = written.replace('_', "").parse::<f64>().ok();
        if !is_meant && plain != reading.parse().ok() {
            report.warning(
                node.at,
                format!("{written} without quotes is {reading} in YAML 1.1"),
                format!("write {reading} if that is meant"),
            );
        }
    }
    Some(reading)
}

pub(crate) fn seconds(node: &Node, report: &mut Report) -> Option<u32> {
    if node.is_null() {
        return None;
    }
    let number = number_text(node, report).and_then(|text| text.parse().ok());
    if number.is_none() {
        report.error(node.at, "whole seconds are wanted here");
    }
    number
}

pub(crate) fn delay(node: &Node, report: &mut Report) -> Option<Duration> {
    if node.is_null() {
        return None;
    }
    let number = number_text(node, report).and_then(|text| text.parse().ok());
    let delay = number.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if delay.is_none() {
        report.error(node.at, "seconds are wanted here");
    }
    delay
}

fn network_mode(node: &Node, report: &mut Report) -> NetworkMode {
    let container = |config: &str, instance: Option<&str>| NetworkMode::Container {
        config: config.to_owned(),
        instance: instance.map(str::to_owned),
    };
    match &node.value {
        Value::Null | Value::Bool(false) => NetworkMode::Plain("none".to_owned()),
        Value::List(items) => match items.as_slice() {
            [config]
            | [
                config,
                Node {
                    value: Value::Null, ..
                },
            ] if !config.is_null() => container(&config.scalar_text().unwrap_or_default(), None),
            [config, instance] if !config.is_null() => container(
                &config.scalar_text().unwrap_or_default(),
                instance.scalar_text().as_deref(),
            ),
            _ => {
                report.error(
                    node.at,
                    "a container's network is written as [CONFIG, INSTANCE]",
                );
                NetworkMode::Plain("none".to_owned())
            }
        },
        _ => match node.scalar_text().unwrap_or_default().as_str() {
            "" | "disabled" => NetworkMode::Plain("none".to_owned()),
            mode @ ("bridge" | "host" | "none" | "default") => NetworkMode::Plain(mode.to_owned()),
            mode if mode.starts_with("container:") => NetworkMode::Plain(mode.to_owned()),
            mode => match (mode.strip_prefix('/'), mode.split_once('.')) {
                (Some(name), _) => NetworkMode::Plain(format!("container:{name}")),
                (None, Some((config, instance))) => container(config, Some(instance)),
                (None, None) => container(mode, None),
            },
        },
    }
}
