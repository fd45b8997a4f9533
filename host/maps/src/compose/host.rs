//! What the host does for a service: its keys that become `host_config`.

use super::network::{list, texts_by_name};
use super::service::Service;
use super::translation::{Exact, Translation, get, name_of};
use super::unit::{bytes, scaled};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::options::{RESTART_POLICIES, is_known_value, is_limit};
use crate::tree::{Node, Value};

/// Keys that are options of the same or another name, with texts.
const TEXTS: [(&str, &str); 8] = [
    ("cpuset", "cpuset_cpus"),
    ("ipc", "ipc_mode"),
    ("pid", "pid_mode"),
    ("uts", "uts_mode"),
    ("userns_mode", "userns_mode"),
    ("cgroup_parent", "cgroup_parent"),
    ("runtime", "runtime"),
    ("isolation", "isolation"),
];
const LISTS: [&str; 8] = [
    "cap_add",
    "cap_drop",
    "dns",
    "dns_opt",
    "dns_search",
    "security_opt",
    "group_add",
    "device_cgroup_rules",
];
const FLAGS: [&str; 4] = ["privileged", "read_only", "init", "oom_kill_disable"];
const NUMBERS: [&str; 7] = [
    "oom_score_adj",
    "pids_limit",
    "mem_swappiness",
    "cpu_shares",
    "cpu_period",
    "cpu_quota",
    "cpu_count",
];
const BYTES: [&str; 4] = ["mem_limit", "mem_reservation", "memswap_limit", "shm_size"];

/// The period of which `cpus` is a part, in microseconds: the engine's own.
const CPU_PERIOD: u64 = 100_000;

impl Service {
    /// Reads a key; false where it is none of these.
    pub(super) fn read_host_key(
        &mut self,
        key: &str,
        node: &Node,
        translation: &mut Translation,
    ) -> bool {
        if let Some((_, option)) = TEXTS.iter().find(|(name, _)| *name == key) {
            match node.scalar_text() {
                Some(text) if text.starts_with("service:") => {
                    let message = format!(
                        "{key} of {} is shared with a service, which a map cannot say; it is \
                        left out",
                        self.name
                    );
                    let help =
                        format!("write it under host_config.{option}: container:MAP.CONTAINER");
                    translation.note(node.at, message, help);
                }
                _ => {
                    let text = translation.word(node, key, option);
                    self.put_host_option(option, text);
                }
            }
            return true;
        }
        if LISTS.contains(&key) {
            let mut items = translation.texts(node, key);
            items.retain(|item| translation.is_known(item, key, key, node.at));
            self.put_host_option(key, list(items));
            return true;
        }
        if FLAGS.contains(&key) {
            let flag = translation.flag(node, key);
            self.put_host_option(key, flag);
            return true;
        }
        if NUMBERS.contains(&key) {
            let number = translation.whole_number(node, key);
            self.put_known_option(key, key, number, node, translation);
            return true;
        }
        if BYTES.contains(&key) {
            let size = translation.bytes(node, key);
            self.put_known_option(key, key, size, node, translation);
            return true;
        }
        match key {
            "restart" => self.read_restart(node, translation),
            "cpus" => self.read_cpus(node, translation),
            "extra_hosts" => self.read_extra_hosts(node, translation),
            "devices" => self.read_devices(node, translation),
            "ulimits" => self.read_ulimits(node, translation),
            "sysctls" | "storage_opt" => {
                let options = texts_by_name(node, key, translation);
                self.put_host_option(key, options);
            }
            "logging" => self.read_logging(node, translation),
            "blkio_config" => self.read_block_io(node, translation),
            "gpus" => self.read_gpus(node, translation),
            "scale" => self.read_count(node, translation),
            // Read when all other keys are known.
            "deploy" => {}
            _ => return false,
        }
        true
    }

    pub(super) fn put_host_option(&mut self, name: &str, value: Option<Yaml>) {
        if let Some(value) = value {
            self.put_host(name, value);
        }
    }

    /// An option, if an engine takes the value that the key has for it.
    pub(super) fn put_known_option(
        &mut self,
        option: &str,
        key: &str,
        value: Option<Yaml>,
        node: &Node,
        translation: &mut Translation,
    ) {
        let value = value.filter(|value| translation.is_known(value, key, option, node.at));
        self.put_host_option(option, value);
    }

    fn read_restart(&mut self, node: &Node, translation: &mut Translation) {
        let text = match &node.value {
            Value::Bool(false) => Some("no".to_owned()),
            _ => translation.written(node, "restart"),
        };
        let exact = text.and_then(|text| translation.exact(&text, "restart", node.at));
        let Some(exact) = exact else {
            return;
        };
        let (name, count) = match exact {
            Exact::Setting(setting) => (setting, None),
            Exact::Text(text) => {
                let (name, count) = text.split_once(':').unwrap_or((&text, ""));
                if !RESTART_POLICIES.contains(&name) {
                    let message = format!("Compose has no restart policy {name}; it is left out");
                    translation.note(node.at, message, "look whether it is misspelt");
                    return;
                }
                let count = count.parse::<u32>().ok().filter(|count| *count > 0);
                if count.is_some() && name != "on-failure" {
                    let message = format!(
                        "the restart policy {name} knows no number of attempts; it is left out"
                    );
                    translation.note(node.at, message, "write on-failure if that is meant");
                }
                (Yaml::text(name), count.filter(|_| name == "on-failure"))
            }
        };
        self.put_restart_policy(name, count);
    }

    pub(super) fn put_restart_policy(&mut self, name: Yaml, count: Option<u32>) {
        let mut policy = vec![(Yaml::text("Name"), name)];
        policy.extend(count.map(|count| (Yaml::text("MaximumRetryCount"), Yaml::plain(count))));
        self.put_host("restart_policy", Yaml::Map(policy));
    }

    /// CPUs are a quota of the engine's own period.
    pub(super) fn read_cpus(&mut self, node: &Node, translation: &mut Translation) {
        let quota = |text: &str| scaled(text, CPU_PERIOD).filter(|quota| *quota > 0);
        match translation.number(node, "cpus", quota) {
            Some(Yaml::Plain(quota)) if is_known_value("cpu_quota", &quota) => {
                self.put_host("cpu_period", Yaml::plain(CPU_PERIOD));
                self.put_host("cpu_quota", Yaml::Plain(quota));
            }
            Some(Yaml::Plain(_)) => {
                let message = format!(
                    "cpus of {} is less than an engine gives; it is left out",
                    self.name
                );
                translation.note(node.at, message, "an engine gives 0.01 of a CPU and more");
            }
            Some(_) => {
                let message = format!(
                    "cpus of {} is a variable, from which a map calculates nothing; it is left out",
                    self.name
                );
                translation.note(
                    node.at,
                    message,
                    format!("write host_config.cpu_quota: a CPU is {CPU_PERIOD}"),
                );
            }
            None => {}
        }
    }

    /// `NAME:ADDRESS`, `NAME=ADDRESS`, or a mapping to one or several addresses.
    fn read_extra_hosts(&mut self, node: &Node, translation: &mut Translation) {
        let mut hosts = Vec::new();
        match &node.value {
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    let addresses = match &value.value {
                        Value::List(items) => items.as_slice(),
                        _ => std::slice::from_ref(value),
                    };
                    for address in addresses {
                        if let Some(text) = translation.written(address, "extra_hosts") {
                            let text = format!("{}:{text}", name_of(key));
                            hosts.push(translation.text(&text, address.at));
                        }
                    }
                }
            }
            Value::List(items) => {
                for item in items {
                    if let Some(text) = translation.written(item, "extra_hosts") {
                        hosts.push(translation.text(&text.replacen('=', ":", 1), item.at));
                    }
                }
            }
            Value::Null => {}
            _ => translation.wrong(node, "extra_hosts", "a list or a mapping"),
        }
        hosts.retain(|host| translation.is_known(host, "extra_hosts", "extra_hosts", node.at));
        self.put_host_option("extra_hosts", list(hosts));
    }

    fn read_devices(&mut self, node: &Node, translation: &mut Translation) {
        let Value::List(items) = &node.value else {
            translation.wrong(node, "devices", "a list");
            return;
        };
        let mut devices = Vec::new();
        for item in items {
            let text = match &item.value {
                Value::Map(_) => {
                    let parts = ["source", "target", "permissions"].map(|key| {
                        let value = get(item, key);
                        value.and_then(|value| translation.written(value, key))
                    });
                    let has_source = matches!(&parts, [Some(_), ..]);
                    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(":");
                    if has_source { text } else { String::new() }
                }
                _ => translation.written(item, "a device").unwrap_or_default(),
            };
            if !text.starts_with(['/', '$']) {
                let message =
                    format!("{text} is no device on a host but one of a driver; it is left out");
                translation.note(
                    item.at,
                    message,
                    "write it under host_config.device_requests",
                );
                continue;
            }
            devices.push(translation.text(&text, item.at));
        }
        self.put_host_option("devices", list(devices));
    }

    fn read_ulimits(&mut self, node: &Node, translation: &mut Translation) {
        let mut limits = Vec::new();
        for (key, value) in translation.mapping(node, "ulimits") {
            let (soft, hard) = match &value.value {
                Value::Map(_) => (get(value, "soft"), get(value, "hard")),
                _ => (Some(value), Some(value)),
            };
            let name = Yaml::Text(name_of(key));
            if !translation.is_known(&name, "ulimits", "ulimits", key.at) {
                continue;
            }
            let mut limit = vec![(Yaml::text("Name"), name)];
            for (name, value) in [("Soft", soft), ("Hard", hard)] {
                let number = value.and_then(|value| translation.whole_number(value, &name_of(key)));
                limit.extend(number.map(|number| (Yaml::text(name), number)));
            }
            if limit.len() == 1 {
                let message = format!("the limit {} has no number; it is left out", name_of(key));
                translation.note(key.at, message, "write {soft: NUMBER, hard: NUMBER}");
                continue;
            }
            let number = |name: &str| {
                let found = limit.iter().find(|(known, _)| *known == Yaml::text(name));
                match found {
                    Some((_, Yaml::Plain(number))) => number.parse::<i64>().ok(),
                    _ => None,
                }
            };
            let is_variable = limit
                .iter()
                .any(|(_, value)| matches!(value, Yaml::Tagged(..)));
            if !is_variable && !is_limit(number("Soft"), number("Hard")) {
                let message = format!(
                    "the soft limit of {} is above its hard one, which no engine takes; both are \
                    left out",
                    name_of(key)
                );
                translation.note(
                    key.at,
                    message,
                    "give it a hard limit that is as much or more",
                );
                continue;
            }
            limits.push(Yaml::Map(limit));
        }
        self.put_host_option("ulimits", list(limits));
    }

    fn read_logging(&mut self, node: &Node, translation: &mut Translation) {
        let mut fields = Vec::new();
        for (key, value) in translation.mapping(node, "logging") {
            match name_of(key).as_str() {
                "driver" => {
                    let driver = translation.scalar(value, "driver");
                    fields.extend(driver.map(|driver| (Yaml::text("Type"), driver)));
                }
                "options" => {
                    let options = texts_by_name(value, "options", translation);
                    fields.extend(options.map(|options| (Yaml::text("Config"), options)));
                }
                other => unknown("logging", other, key.at, translation),
            }
        }
        self.put_host_option(
            "log_config",
            (!fields.is_empty()).then_some(Yaml::Map(fields)),
        );
    }

    fn read_block_io(&mut self, node: &Node, translation: &mut Translation) {
        for (key, value) in translation.mapping(node, "blkio_config") {
            let name = name_of(key);
            match name.as_str() {
                "weight" => {
                    let weight = translation.whole_number(value, "weight");
                    self.put_known_option("blkio_weight", "weight", weight, value, translation);
                }
                "device_read_bps" | "device_write_bps" | "device_read_iops"
                | "device_write_iops" => {
                    let Value::List(items) = &value.value else {
                        translation.wrong(value, &name, "a list");
                        continue;
                    };
                    let mut limits = Vec::new();
                    for item in items {
                        let path =
                            get(item, "path").and_then(|path| translation.scalar(path, "path"));
                        let rate = get(item, "rate")
                            .and_then(|rate| translation.number(rate, "rate", bytes));
                        if let (Some(path), Some(rate)) = (path, rate) {
                            limits.push(Yaml::Map(vec![
                                (Yaml::text("Path"), path),
                                (Yaml::text("Rate"), rate),
                            ]));
                        } else {
                            let message = format!("{name} wants a path and a rate; it is left out");
                            translation.note(item.at, message, "write {path: PATH, rate: RATE}");
                        }
                    }
                    self.put_host_option(&name, list(limits));
                }
                other => unknown("blkio_config", other, key.at, translation),
            }
        }
    }

    /// `all`, or a list of requests.
    fn read_gpus(&mut self, node: &Node, translation: &mut Translation) {
        match &node.value {
            Value::List(items) => {
                let requests: Vec<_> = items
                    .iter()
                    .map(|item| device_request(item, true, translation))
                    .collect();
                self.put_host("device_requests", Yaml::List(requests));
            }
            _ if node.scalar_text().as_deref() == Some("all") => {
                let all = vec![
                    (Yaml::text("Count"), Yaml::plain(-1)),
                    (
                        Yaml::text("Capabilities"),
                        Yaml::List(vec![Yaml::texts(["gpu"])]),
                    ),
                ];
                self.put_host("device_requests", Yaml::List(vec![Yaml::Map(all)]));
            }
            _ => translation.wrong(node, "gpus", "a list or all"),
        }
    }
}

/// As the Engine API takes it.
pub(super) fn device_request(node: &Node, is_gpu: bool, translation: &mut Translation) -> Yaml {
    let mut fields = Vec::new();
    let mut has_capabilities = false;
    for (key, value) in translation.mapping(node, "a device request") {
        let (name, value) = match name_of(key).as_str() {
            "driver" => ("Driver", translation.scalar(value, "driver")),
            "count" if value.scalar_text().as_deref() == Some("all") => {
                ("Count", Some(Yaml::plain(-1)))
            }
            "count" => ("Count", translation.whole_number(value, "count")),
            "device_ids" => (
                "DeviceIDs",
                Some(Yaml::List(translation.texts(value, "device_ids"))),
            ),
            "capabilities" => {
                has_capabilities = true;
                let all = Yaml::List(translation.texts(value, "capabilities"));
                ("Capabilities", Some(Yaml::List(vec![all])))
            }
            "options" => ("Options", texts_by_name(value, "options", translation)),
            other => {
                unknown("a device request", other, key.at, translation);
                continue;
            }
        };
        fields.extend(value.map(|value| (Yaml::text(name), value)));
    }
    if is_gpu && !has_capabilities {
        let gpu = Yaml::List(vec![Yaml::texts(["gpu"])]);
        fields.push((Yaml::text("Capabilities"), gpu));
    }
    Yaml::Map(fields)
}

fn unknown(of: &str, name: &str, at: Place, translation: &mut Translation) {
    let message = format!("a map has nothing like {name} of {of}; it is left out");
    translation.note(at, message, "look whether it is misspelt");
}
