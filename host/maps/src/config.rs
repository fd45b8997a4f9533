//! A container configuration: its keys, and how one extends another.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::diagnostic::{Place, Report};
use crate::mount::{Bind, Volume};
use crate::port::{Endpoint, Port};
use crate::record::{ExecCommand, Link, Record, command_line, records, texts};
use crate::tree::{Node, Value};

const KEYS: [&str; 25] = [
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

/// A container as a map describes it, with what it extends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerConfig {
    pub(crate) at: Place,
    pub(crate) is_abstract: bool,
    pub(crate) extends: Vec<(String, Place)>,
    pub(crate) image: Option<String>,
    pub(crate) instances: Vec<String>,
    pub(crate) clients: Vec<String>,
    pub(crate) shares: Vec<String>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) attaches: Vec<Volume>,
    pub(crate) uses: Vec<Volume>,
    pub(crate) links: Vec<Link>,
    pub(crate) exposes: Vec<Port>,
    /// The outer option says whether it is given; null replaces what is inherited.
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
    pub(crate) create_options: Vec<(String, Node)>,
    pub(crate) host_config: Vec<(String, Node)>,
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

/// How the engine finds out whether a container is well. Times are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    pub(crate) test: Vec<String>,
    pub(crate) interval: Option<i64>,
    pub(crate) timeout: Option<i64>,
    pub(crate) retries: Option<i64>,
    pub(crate) start_period: Option<i64>,
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
    pub(crate) fn read(node: &Node, report: &mut Report) -> Self {
        let mut config = Self {
            at: node.at,
            ..Self::default()
        };
        match &node.value {
            Value::Null => {}
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    config.read_key(key, value, report);
                }
            }
            _ => report.error(
                node.at,
                format!("a container is a mapping, not {}", node.kind()),
            ),
        }
        config
    }

    fn read_key(&mut self, key: &Node, value: &Node, report: &mut Report) {
        let name = key.scalar_text().unwrap_or_default();
        match name.as_str() {
            "abstract" => self.is_abstract = value.is_truthy(),
            "extends" => {
                self.extends = texts(value)
                    .into_iter()
                    .map(|name| (name, value.at))
                    .collect();
            }
            "image" => self.image = value.scalar_text(),
            "instances" => self.instances = list(value, report),
            "clients" => self.clients = list(value, report),
            "shares" => self.shares = list(value, report),
            "binds" => self.binds = records(value, report),
            "attaches" => {
                self.attaches = records(value, report);
                for volume in self.attaches.iter().filter(|volume| volume.read_only) {
                    report.error(
                        volume.at,
                        "an attached volume is the container's own, so it is never read-only",
                    );
                }
            }
            "uses" => self.uses = records(value, report),
            "links" => self.links = records(value, report),
            "exposes" => self.exposes = records(value, report),
            "user" => self.user = Some(user(value, report)),
            "permissions" => self.permissions = Some(value.scalar_text()),
            "stop_timeout" => self.stop_timeout = Some(seconds(value, report)),
            "stop_signal" => self.stop_signal = Some(value.scalar_text().filter(|s| !s.is_empty())),
            "start_delay" => self.start_delay = Some(delay(value, report)),
            "network_mode" | "network" => {
                if name == "network" {
                    report.warning(key.at, "network is called network_mode now", "rename it");
                }
                self.network_mode = Some((network_mode(value, report), value.at));
            }
            "networks" => self.networks = records(value, report),
            "exec_commands" => self.exec_commands = records(value, report),
            "healthcheck" => self.healthcheck = health_check(value, report),
            "persistent" => self.persistent = Some(value.is_truthy()),
            "create_options" => self.create_options = options(value, report),
            "host_config" | "start_options" => {
                if name == "start_options" {
                    report.warning(
                        key.at,
                        "start_options is called host_config now",
                        "rename it",
                    );
                }
                self.host_config.extend(options(value, report));
            }
            free if free.starts_with("x-") => {}
            other => report.unknown(key.at, "key of a container", other, &KEYS),
        }
    }

    /// Takes over what the other one gives: lists are joined, the rest is replaced.
    pub(crate) fn merge(&mut self, other: &Self) {
        fn replace<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        fn union(mine: &mut Vec<String>, theirs: &[String]) {
            for item in theirs {
                if !mine.contains(item) {
                    mine.push(item.clone());
                }
            }
        }
        fn by_first<R: Record>(mine: &mut Vec<R>, theirs: &[R]) {
            for item in theirs {
                match mine.iter_mut().find(|known| item.replaces(known)) {
                    Some(known) => known.clone_from(item),
                    None => mine.push(item.clone()),
                }
            }
        }
        fn update(mine: &mut Vec<(String, Node)>, theirs: &[(String, Node)]) {
            for (key, value) in theirs {
                match mine.iter_mut().find(|(known, _)| known == key) {
                    Some((_, known)) => known.clone_from(value),
                    None => mine.push((key.clone(), value.clone())),
                }
            }
        }
        replace(&mut self.image, &other.image);
        union(&mut self.instances, &other.instances);
        union(&mut self.clients, &other.clients);
        union(&mut self.shares, &other.shares);
        by_first(&mut self.binds, &other.binds);
        by_first(&mut self.attaches, &other.attaches);
        by_first(&mut self.uses, &other.uses);
        by_first(&mut self.links, &other.links);
        by_first(&mut self.exposes, &other.exposes);
        replace(&mut self.user, &other.user);
        replace(&mut self.permissions, &other.permissions);
        replace(&mut self.stop_timeout, &other.stop_timeout);
        replace(&mut self.stop_signal, &other.stop_signal);
        replace(&mut self.start_delay, &other.start_delay);
        replace(&mut self.network_mode, &other.network_mode);
        by_first(&mut self.networks, &other.networks);
        by_first(&mut self.exec_commands, &other.exec_commands);
        replace(&mut self.healthcheck, &other.healthcheck);
        replace(&mut self.persistent, &other.persistent);
        update(&mut self.create_options, &other.create_options);
        update(&mut self.host_config, &other.host_config);
    }

    /// The configuration in its normal form, without what is not given.
    pub(crate) fn json(&self) -> Json {
        fn all<R: Record>(records: &[R]) -> Json {
            records.iter().map(Record::json).collect()
        }
        let options = |options: &[(String, Node)]| -> Json {
            options
                .iter()
                .map(|(key, value)| (key.clone(), value.json()))
                .collect()
        };
        let mut fields = Map::new();
        let mut put = |name: &str, value: Json| {
            let empty = match &value {
                Json::Null => true,
                Json::Array(items) => items.is_empty(),
                Json::Object(fields) => fields.is_empty(),
                _ => false,
            };
            if !empty {
                fields.insert(name.to_owned(), value);
            }
        };
        put("image", json!(self.image));
        put("instances", json!(self.instances));
        put("clients", json!(self.clients));
        put("shares", json!(self.shares));
        put("binds", all(&self.binds));
        put("attaches", all(&self.attaches));
        put("uses", all(&self.uses));
        put("links", all(&self.links));
        put("exposes", all(&self.exposes));
        put("user", json!(self.user.clone().flatten()));
        put("permissions", json!(self.permissions.clone().flatten()));
        put("stop_timeout", json!(self.stop_timeout()));
        put("stop_signal", json!(self.stop_signal()));
        put(
            "start_delay",
            json!(self.start_delay().map(|delay| delay.as_secs_f64())),
        );
        put(
            "network_mode",
            match &self.network_mode {
                Some((NetworkMode::Plain(mode), _)) => json!(mode),
                Some((NetworkMode::Container { config, instance }, _)) => json!([config, instance]),
                None => Json::Null,
            },
        );
        put("networks", all(&self.networks));
        put("exec_commands", all(&self.exec_commands));
        put("persistent", json!(self.persistent));
        put("create_options", options(&self.create_options));
        put("host_config", options(&self.host_config));
        Json::Object(fields)
    }
}

/// One text or a list of them; null is none.
pub(crate) fn list(node: &Node, report: &mut Report) -> Vec<String> {
    match &node.value {
        Value::Null | Value::List(_) | Value::Text(_) => texts(node),
        _ => {
            report.error(
                node.at,
                format!("a list is wanted here, not {}", node.kind()),
            );
            Vec::new()
        }
    }
}

/// A user, or a list of user and group (B-07).
pub(crate) fn user(node: &Node, report: &mut Report) -> Option<String> {
    match &node.value {
        Value::List(items) if items.len() <= 2 => Some(texts(node).join(":")),
        Value::List(_) | Value::Map(_) => {
            report.error(
                node.at,
                "a user is written as USER, USER:GROUP or [USER, GROUP]",
            );
            None
        }
        _ => node.scalar_text().filter(|text| !text.is_empty()),
    }
}

fn seconds(node: &Node, report: &mut Report) -> Option<u32> {
    if node.is_null() {
        return None;
    }
    let number = node.scalar_text().and_then(|text| text.parse().ok());
    if number.is_none() {
        report.error(node.at, "whole seconds are wanted here");
    }
    number
}

fn delay(node: &Node, report: &mut Report) -> Option<Duration> {
    if node.is_null() {
        return None;
    }
    let number = node.scalar_text().and_then(|text| text.parse().ok());
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
        Value::List(items) => match texts(node).as_slice() {
            [config] => container(config, None),
            [config, instance] if items.len() == 2 => container(config, Some(instance)),
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

fn options(node: &Node, report: &mut Report) -> Vec<(String, Node)> {
    match &node.value {
        Value::Null => Vec::new(),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| (key.scalar_text().unwrap_or_default(), value.clone()))
            .collect(),
        _ => {
            report.error(
                node.at,
                format!("options are a mapping, not {}", node.kind()),
            );
            Vec::new()
        }
    }
}

fn health_check(node: &Node, report: &mut Report) -> Option<HealthCheck> {
    const FIELDS: [&str; 5] = ["test", "interval", "timeout", "retries", "start_period"];
    let get = |name: &str| -> Option<&Node> {
        let found = match &node.value {
            Value::Map(pairs) => {
                let mut pairs = pairs.iter();
                pairs
                    .find(|(key, _)| key.scalar_text().as_deref() == Some(name))
                    .map(|(_, v)| v)
            }
            Value::List(items) => FIELDS
                .iter()
                .position(|f| *f == name)
                .and_then(|i| items.get(i)),
            _ if name == "test" => Some(node),
            _ => None,
        };
        found.filter(|value| !value.is_null())
    };
    if let Value::Map(pairs) = &node.value {
        for (key, _) in pairs {
            let name = key.scalar_text().unwrap_or_default();
            if !FIELDS.contains(&name.as_str()) {
                report.unknown(key.at, "field of a health check", &name, &FIELDS);
            }
        }
    }
    let test = match get("test") {
        None => vec!["NONE".to_owned()],
        Some(Node {
            value: Value::Text(text),
            ..
        }) if text == "NONE" => vec![text.clone()],
        Some(Node {
            value: Value::Text(text),
            ..
        }) => vec!["CMD-SHELL".to_owned(), text.clone()],
        Some(command) => {
            let mut words = command_line(command, report)?;
            let first = words.first().map(String::as_str);
            if !matches!(first, Some("NONE" | "CMD" | "CMD-SHELL")) {
                words.insert(0, "CMD".to_owned());
            }
            words
        }
    };
    let mut time = |name: &str| get(name).and_then(|value| nanoseconds(value, report));
    let (interval, timeout, start_period) =
        (time("interval"), time("timeout"), time("start_period"));
    let retries = get("retries")
        .and_then(Node::scalar_text)
        .and_then(|text| text.parse().ok());
    Some(HealthCheck {
        test,
        interval,
        timeout,
        retries,
        start_period,
    })
}

/// A number of nanoseconds, or one with a unit (B-09: hours and decimals too).
fn nanoseconds(node: &Node, report: &mut Report) -> Option<i64> {
    let text = node.scalar_text()?;
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => f64::NAN,
    };
    let time = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
    if !time.is_finite() || time > 9e18 {
        report.error(
            node.at,
            "a time is written as a number with ns, us, ms, s, m or h",
        );
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it was compared with what fits"
    )]
    Some(time.round() as i64)
}
