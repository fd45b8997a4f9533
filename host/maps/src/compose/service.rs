//! A service, as a container configuration.

use super::network::{Endpoint, endpoints, list, texts_by_name, unique};
use super::port::{self, Port};
use super::translation::{Exact, Translation, get, name_of, pairs};
use super::unit::nanoseconds;
use super::volume::{Bind, Mount, binds};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::tree::{Node, Value};

/// What is read of a service, and what other services make of it.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) at: Place,
    image: Option<Yaml>,
    /// How many containers it has.
    pub(super) count: u32,
    pub(super) shares: Vec<Yaml>,
    pub(super) binds: Vec<Bind>,
    /// The first bind whose path on the host is relative.
    pub(super) has_relative_binds: Option<Place>,
    pub(super) mounts: Vec<Mount>,
    pub(super) tmpfs: Vec<(Yaml, Yaml)>,
    /// What the map's volumes make of `mounts`.
    pub(super) attaches: Vec<Yaml>,
    pub(super) uses: Vec<Yaml>,
    pub(super) ports: Vec<Port>,
    expose: Option<Node>,
    user: Option<Yaml>,
    stop_timeout: Option<Yaml>,
    stop_signal: Option<Yaml>,
    pub(super) network_mode: Option<Yaml>,
    /// The service whose network it shares.
    pub(super) shared_network: Option<(String, Place)>,
    pub(super) networks: Vec<Endpoint>,
    exec_commands: Vec<Yaml>,
    healthcheck: Option<Yaml>,
    /// Further names that it has in its networks.
    pub(super) aliases: Vec<Yaml>,
    pub(super) dependencies: Vec<Dependency>,
    /// Services whose volumes are mounted.
    pub(super) volumes_from: Vec<(String, bool, Place)>,
    /// `create_options`
    pub(super) create: Vec<(Yaml, Yaml)>,
    /// `host_config`
    pub(super) host: Vec<(Yaml, Yaml)>,
    /// `x-` keys.
    free: Vec<(Yaml, Yaml)>,
}

/// A service that another one needs.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub(super) service: String,
    /// The name by which it is reached, where it is a link.
    pub(super) alias: Option<String>,
    pub(super) is_link: bool,
    pub(super) at: Place,
}

impl Service {
    pub(super) fn read(key: &Node, node: &Node, translation: &mut Translation) -> Self {
        let mut service = Self {
            name: name_of(key),
            at: key.at,
            count: 1,
            ..Self::default()
        };
        match &node.value {
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    service.read_key(key, value, translation);
                }
                service.read_deploy(node, translation);
            }
            Value::Null => {}
            _ => translation.wrong(node, "a service", "a mapping"),
        }
        service.finish(translation);
        service
    }

    /// The references by which the map means its containers.
    pub(super) fn references(&self) -> Vec<String> {
        match self.count {
            0 | 1 => vec![self.name.clone()],
            count => (1..=count)
                .map(|number| format!("{}.{number}", self.name))
                .collect(),
        }
    }

    fn read_key(&mut self, key: &Node, value: &Node, translation: &mut Translation) {
        let name = name_of(key);
        match name.as_str() {
            "image" => self.image = translation.scalar(value, "image"),
            "container_name" => self.read_container_name(value, translation),
            "volumes" => self.read_volumes(value, translation),
            "tmpfs" => self.read_tmpfs(value, translation),
            "ports" => port::ports(value, &mut self.ports, translation),
            // After everything, since what is published is exposed already.
            "expose" => self.expose = Some(value.clone()),
            "networks" => self.read_networks(value, translation),
            "network_mode" => self.read_network_mode(value, translation),
            "depends_on" => self.read_depends_on(value, translation),
            "links" => self.read_links(value, translation),
            "volumes_from" => self.read_volumes_from(value, translation),
            "healthcheck" => self.read_health_check(value, translation),
            "post_start" => self.read_post_start(value, translation),
            "user" => self.user = translation.scalar(value, "user"),
            "stop_signal" => {
                self.stop_signal = translation.word(value, "stop_signal", "stop_signal")
            }
            "stop_grace_period" => self.read_grace_period(value, translation),
            "environment" => {
                let mut assignments = translation.assignments(value, "environment");
                assignments.retain(|(name, _, at)| {
                    if name.is_empty() {
                        let message = "a variable of the environment has no name; it is left out";
                        translation.note(*at, message, "write NAME=VALUE");
                    }
                    !name.is_empty()
                });
                let variables = assignments.into_iter().map(|(name, value, at)| {
                    // A name alone is passed on from where Compose runs.
                    let value = value.unwrap_or_else(|| translation.setting(name.clone(), at));
                    (Yaml::Text(name), value)
                });
                let variables = unique(variables.collect());
                if !variables.is_empty() {
                    self.put_create("environment", Yaml::Map(variables));
                }
            }
            "labels" => {
                if let Some(labels) = texts_by_name(value, "labels", translation) {
                    self.put_create("labels", labels);
                }
            }
            "command" | "entrypoint" => {
                if let Some(command) = translation.command(value, &name) {
                    self.put_create(&name, command);
                }
            }
            "hostname" | "domainname" | "mac_address" | "working_dir" => {
                if let Some(text) = translation.word(value, &name, &name) {
                    self.put_create(&name, text);
                }
            }
            "tty" | "stdin_open" => {
                if let Some(flag) = translation.flag(value, &name) {
                    self.put_create(&name, flag);
                }
            }
            free if free.starts_with("x-") => {
                self.free
                    .push((Yaml::text(free), Translation::verbatim(value)));
            }
            other => {
                if !self.read_host_key(other, value, translation) {
                    self.without_counterpart(key, other, translation);
                }
            }
        }
    }

    pub(super) fn put_create(&mut self, name: &str, value: Yaml) {
        put(&mut self.create, name, value);
    }

    pub(super) fn put_host(&mut self, name: &str, value: Yaml) {
        put(&mut self.host, name, value);
    }

    fn read_container_name(&mut self, node: &Node, translation: &mut Translation) {
        let Some(name) = translation.scalar(node, "container_name") else {
            return;
        };
        let text = node.scalar_text().unwrap_or_default();
        translation.note(
            node.at,
            format!(
                "dfab names containers after the map: {} is not called {text}",
                self.name
            ),
            "in its networks it is reached by that name all the same; elsewhere, use MAP.CONTAINER",
        );
        self.aliases.push(name);
    }

    fn read_depends_on(&mut self, node: &Node, translation: &mut Translation) {
        let mut add = |service: String, at: Place| {
            self.dependencies.push(Dependency {
                service,
                alias: None,
                is_link: false,
                at,
            });
        };
        match &node.value {
            Value::List(items) => {
                for item in items {
                    if let Some(service) = translation.written(item, "depends_on") {
                        add(service, item.at);
                    }
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    let service = name_of(key);
                    translation.mapping(value, "depends_on of a service");
                    let condition = get(value, "condition");
                    let condition = condition.and_then(|one| translation.written(one, "condition"));
                    match condition.as_deref() {
                        None | Some("service_started") => {}
                        Some(condition) => translation.note(
                            key.at,
                            format!(
                                "{} waits until {service} is {condition}; dfab only starts \
                            it before",
                                self.name
                            ),
                            format!(
                                "let {} try again until {service} answers, or give {service} \
                            a start_delay",
                                self.name
                            ),
                        ),
                    }
                    if translation.is_on(value, "restart") {
                        translation.note(
                            key.at,
                            format!(
                                "{} is to be restarted with {service}; dfab does not do that \
                            by itself",
                                self.name
                            ),
                            "restart both by name",
                        );
                    }
                    if get(value, "required").is_some() && !translation.is_on(value, "required") {
                        translation.note(
                            key.at,
                            format!(
                                "{} may start without {service}; in a map it needs it",
                                self.name
                            ),
                            "take the link out if that is not wanted",
                        );
                    }
                    add(service, key.at);
                }
            }
            Value::Null => {}
            _ => translation.wrong(node, "depends_on", "a list or a mapping"),
        }
    }

    fn read_links(&mut self, node: &Node, translation: &mut Translation) {
        let Value::List(items) = &node.value else {
            if !node.is_null() {
                translation.wrong(node, "links", "a list");
            }
            return;
        };
        for item in items {
            let Some(text) = translation.written(item, "a link") else {
                continue;
            };
            let (service, alias) = match text.split_once(':') {
                Some((service, alias)) => (service, Some(alias.to_owned())),
                None => (text.as_str(), None),
            };
            self.dependencies.push(Dependency {
                service: service.to_owned(),
                alias: alias.filter(|alias| alias != service),
                is_link: true,
                at: item.at,
            });
        }
    }

    /// `SERVICE[:ro]`, or `container:NAME[:ro]`.
    fn read_volumes_from(&mut self, node: &Node, translation: &mut Translation) {
        let Value::List(items) = &node.value else {
            if !node.is_null() {
                translation.wrong(node, "volumes_from", "a list");
            }
            return;
        };
        let mut foreign = Vec::new();
        for item in items {
            let Some(text) = translation.written(item, "volumes_from") else {
                continue;
            };
            match text.strip_prefix("container:") {
                Some(container) => foreign.push(translation.text(container, item.at)),
                None => {
                    let (service, mode) = text.split_once(':').unwrap_or((&text, "rw"));
                    self.volumes_from
                        .push((service.to_owned(), mode == "ro", item.at));
                }
            }
        }
        if !foreign.is_empty() {
            self.put_host("volumes_from", Yaml::List(foreign));
        }
    }

    fn read_health_check(&mut self, node: &Node, translation: &mut Translation) {
        if translation.is_on(node, "disable") {
            self.healthcheck = Some(Yaml::text("NONE"));
            return;
        }
        let mut fields = Vec::new();
        for (key, value) in translation.mapping(node, "healthcheck") {
            let name = name_of(key);
            let value = match name.as_str() {
                "test" => match &value.value {
                    Value::Text(_) => translation.scalar(value, "test"),
                    _ => translation.command(value, "test"),
                },
                "interval" | "timeout" | "start_period" => translation.time(value, &name),
                "retries" => translation.number(value, "retries", |text| text.parse::<u32>().ok()),
                "disable" => continue,
                other => {
                    let message = format!(
                        "a map has nothing like {other} of the health check of {}; it is left out",
                        self.name
                    );
                    translation.note(
                        key.at,
                        message,
                        "nothing to do, unless the container relies on it",
                    );
                    continue;
                }
            };
            fields.extend(value.map(|value| (Yaml::Text(name), value)));
        }
        match fields.iter().find(|(name, _)| *name == Yaml::text("test")) {
            Some((_, Yaml::List(words))) if words.is_empty() => {
                self.healthcheck = Some(Yaml::text("NONE"));
            }
            Some(_) => self.healthcheck = Some(Yaml::Map(fields)),
            None if fields.is_empty() => {}
            // Without a test a map takes the image's check away.
            None => translation.note(
                node.at,
                format!(
                    "the health check of {} changes the image's own, which a map cannot; it \
                is left out",
                    self.name
                ),
                "write the image's test down as well",
            ),
        }
    }

    fn read_post_start(&mut self, node: &Node, translation: &mut Translation) {
        let Value::List(items) = &node.value else {
            translation.wrong(node, "post_start", "a list");
            return;
        };
        for item in items {
            let command = get(item, "command").and_then(|one| translation.command(one, "command"));
            let Some(command) = command else {
                let message = format!(
                    "a command after the start of {} says not what is run; it is left out",
                    self.name
                );
                translation.note(item.at, message, "write it as {command: …}");
                continue;
            };
            let user = get(item, "user").and_then(|user| translation.scalar(user, "user"));
            for (key, _) in pairs(item) {
                let name = name_of(key);
                if !matches!(name.as_str(), "command" | "user") {
                    let message = format!(
                        "a map has nothing like {name} of a command after the start of {}; it is \
                        left out",
                        self.name
                    );
                    translation.note(key.at, message, "let the command see to it itself");
                }
            }
            self.exec_commands.push(match (command, user) {
                (command, Some(user)) => Yaml::List(vec![command, user]),
                (command @ Yaml::List(_), None) => Yaml::List(vec![command]),
                (command, None) => command,
            });
        }
    }

    /// Whole seconds.
    fn read_grace_period(&mut self, node: &Node, translation: &mut Translation) {
        let text = translation.written(node, "stop_grace_period");
        let exact = text.and_then(|text| translation.exact(&text, "stop_grace_period", node.at));
        self.stop_timeout = match exact {
            Some(Exact::Setting(setting)) => {
                translation.note(
                    node.at,
                    format!("the time that {} has to stop is a setting", self.name),
                    "give it whole seconds there, without a unit",
                );
                Some(setting)
            }
            Some(Exact::Text(text)) => match nanoseconds(&text) {
                Some(time) => Some(Yaml::plain(
                    time.div_euclid(1_000_000_000) + i64::from(time % 1_000_000_000 > 0),
                )),
                None => {
                    translation.wrong(node, "stop_grace_period", "a time such as 1m30s");
                    None
                }
            },
            None => None,
        };
    }

    /// What can only be said when all keys are known.
    fn finish(&mut self, translation: &mut Translation) {
        // A map gives the volumes that a container attaches to its `user`, which Compose does not;
        // and it drops the group.
        let has_group = |user: &Yaml| !matches!(user, Yaml::Text(text) if !text.contains(':'));
        if let Some(user) = self
            .user
            .take_if(|user| !self.mounts.is_empty() || has_group(user))
        {
            self.put_create("user", user);
        }
        if let Some(expose) = self.expose.take() {
            port::expose(&expose, &mut self.ports, translation);
        }
        if !self.tmpfs.is_empty() {
            let tmpfs = std::mem::take(&mut self.tmpfs);
            self.put_host("tmpfs", Yaml::Map(unique(tmpfs)));
        }
        if self.image.is_none() {
            let message = format!(
                "{0} has no image; in a map that is the image {0}",
                self.name
            );
            translation.note(self.at, message, "name the image under `image`");
        }
        let has_host_port = self.ports.iter().any(Port::is_published);
        if self.count > 1 && has_host_port {
            translation.note(
                self.at,
                format!(
                    "{} has {} instances that publish the same port, of which one only can",
                    self.name, self.count
                ),
                "make a configuration of each instance that extends this one, with a port of its \
                own",
            );
        }
    }

    /// As a configuration of a map, with its keys in the order of the documentation.
    pub(super) fn yaml(self) -> Yaml {
        let mut keys = Vec::new();
        let mut put = |name: &str, value: Option<Yaml>| {
            keys.extend(value.map(|value| (Yaml::text(name), value)));
        };
        let map = |pairs: Vec<(Yaml, Yaml)>| (!pairs.is_empty()).then_some(Yaml::Map(pairs));
        put("image", self.image);
        let instances = (1..=self.count).map(|number| Yaml::Text(number.to_string()));
        put(
            "instances",
            (self.count > 1).then(|| Yaml::List(instances.collect())),
        );
        put("shares", list(self.shares));
        put(
            "binds",
            (!self.binds.is_empty()).then(|| binds(&self.binds)),
        );
        put("attaches", list(self.attaches));
        put("uses", list(self.uses));
        put(
            "exposes",
            (!self.ports.is_empty()).then(|| port::exposes(&self.ports)),
        );
        put("user", self.user);
        put("stop_timeout", self.stop_timeout);
        put("stop_signal", self.stop_signal);
        put("network_mode", self.network_mode);
        put(
            "networks",
            (!self.networks.is_empty()).then(|| endpoints(&self.networks)),
        );
        put("exec_commands", list(self.exec_commands));
        put("healthcheck", self.healthcheck);
        put("create_options", map(self.create));
        put("host_config", map(self.host));
        keys.extend(self.free);
        if keys.is_empty() {
            Yaml::Null
        } else {
            Yaml::Map(keys)
        }
    }
}

/// A later value takes the place of an earlier one.
fn put(options: &mut Vec<(Yaml, Yaml)>, name: &str, value: Yaml) {
    let name = Yaml::text(name);
    match options.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => *known = value,
        None => options.push((name, value)),
    }
}
