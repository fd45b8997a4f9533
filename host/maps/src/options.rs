//! `create_options` and `host_config`: arguments in the words of Docker's Python SDK, in which maps
//! were always written, as fields of the Engine API.

use serde_json::{Map, Value as Json, json};

use crate::body::text_of;
use crate::tree::{Node, Value};

/// An option that cannot be passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {section} has {option}, {reason}")]
pub struct OptionError {
    line: usize,
    section: &'static str,
    option: String,
    reason: String,
}

/// How an option's value becomes a field's.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// As it is.
    Same,
    /// A list; a single value is a list of one.
    List,
    /// A command line: a list, or text that is split as a shell would.
    Command,
    /// `NAME=VALUE` texts, from a mapping or a list.
    Assignments,
    /// A mapping from text to text, from a mapping or a list of names.
    Texts,
    /// A number of bytes, with a unit.
    Bytes,
    /// A mapping, with names in the Engine API's case already or in the SDK's.
    Record,
    /// A list of such mappings.
    Records,
}

/// Options of `create_options`: the SDK's name, the field, and its form.
const CREATE: [(&str, &str, Form); 15] = [
    ("command", "Cmd", Form::Command),
    ("entrypoint", "Entrypoint", Form::Command),
    ("environment", "Env", Form::Assignments),
    ("labels", "Labels", Form::Texts),
    ("working_dir", "WorkingDir", Form::Same),
    ("user", "User", Form::Same),
    ("hostname", "Hostname", Form::Same),
    ("domainname", "Domainname", Form::Same),
    ("tty", "Tty", Form::Same),
    ("stdin_open", "OpenStdin", Form::Same),
    ("mac_address", "MacAddress", Form::Same),
    ("network_disabled", "NetworkDisabled", Form::Same),
    ("stop_signal", "StopSignal", Form::Same),
    ("stop_timeout", "StopTimeout", Form::Same),
    ("healthcheck", "Healthcheck", Form::Record),
];

/// Options of `host_config`.
const HOST: [(&str, &str, Form); 55] = [
    ("binds", "Binds", Form::List),
    ("links", "Links", Form::List),
    ("volumes_from", "VolumesFrom", Form::List),
    ("network_mode", "NetworkMode", Form::Same),
    ("restart_policy", "RestartPolicy", Form::Record),
    ("privileged", "Privileged", Form::Same),
    ("read_only", "ReadonlyRootfs", Form::Same),
    ("publish_all_ports", "PublishAllPorts", Form::Same),
    ("auto_remove", "AutoRemove", Form::Same),
    ("init", "Init", Form::Same),
    ("cap_add", "CapAdd", Form::List),
    ("cap_drop", "CapDrop", Form::List),
    ("group_add", "GroupAdd", Form::List),
    ("security_opt", "SecurityOpt", Form::List),
    ("dns", "Dns", Form::List),
    ("dns_opt", "DnsOptions", Form::List),
    ("dns_search", "DnsSearch", Form::List),
    ("extra_hosts", "ExtraHosts", Form::List),
    ("devices", "Devices", Form::Records),
    ("device_cgroup_rules", "DeviceCgroupRules", Form::List),
    ("device_requests", "DeviceRequests", Form::Records),
    ("device_read_bps", "BlkioDeviceReadBps", Form::Records),
    ("device_read_iops", "BlkioDeviceReadIOps", Form::Records),
    ("device_write_bps", "BlkioDeviceWriteBps", Form::Records),
    ("device_write_iops", "BlkioDeviceWriteIOps", Form::Records),
    ("ulimits", "Ulimits", Form::Records),
    ("mounts", "Mounts", Form::Records),
    ("log_config", "LogConfig", Form::Record),
    ("sysctls", "Sysctls", Form::Texts),
    ("tmpfs", "Tmpfs", Form::Texts),
    ("storage_opt", "StorageOpt", Form::Texts),
    ("ipc_mode", "IpcMode", Form::Same),
    ("pid_mode", "PidMode", Form::Same),
    ("uts_mode", "UTSMode", Form::Same),
    ("userns_mode", "UsernsMode", Form::Same),
    ("cgroup_parent", "CgroupParent", Form::Same),
    ("isolation", "Isolation", Form::Same),
    ("runtime", "Runtime", Form::Same),
    ("volume_driver", "VolumeDriver", Form::Same),
    ("mem_limit", "Memory", Form::Bytes),
    ("mem_reservation", "MemoryReservation", Form::Bytes),
    ("memswap_limit", "MemorySwap", Form::Bytes),
    ("mem_swappiness", "MemorySwappiness", Form::Same),
    ("kernel_memory", "KernelMemory", Form::Bytes),
    ("shm_size", "ShmSize", Form::Bytes),
    ("oom_kill_disable", "OomKillDisable", Form::Same),
    ("oom_score_adj", "OomScoreAdj", Form::Same),
    ("pids_limit", "PidsLimit", Form::Same),
    ("blkio_weight", "BlkioWeight", Form::Same),
    ("cpu_shares", "CpuShares", Form::Same),
    ("cpu_period", "CpuPeriod", Form::Same),
    ("cpu_quota", "CpuQuota", Form::Same),
    ("cpu_count", "CpuCount", Form::Same),
    ("cpuset_cpus", "CpusetCpus", Form::Same),
    ("cpuset_mems", "CpusetMems", Form::Same),
];

/// Merges `create_options` into a body. What the Engine API has in the host configuration goes there:
/// maps were written before it moved.
pub(crate) fn apply_create_options(
    options: &[(String, Node)],
    body: &mut Map<String, Json>,
    host: &mut Map<String, Json>,
) -> Result<(), OptionError> {
    for (name, node) in options {
        if let Some((_, field, form)) = CREATE.iter().find(|(option, ..)| option == name) {
            apply("create_options", name, node, field, *form, body)?;
        } else if let Some((_, field, form)) = HOST.iter().find(|(option, ..)| option == name) {
            apply("create_options", name, node, field, *form, host)?;
        } else {
            return Err(unknown("create_options", name, node));
        }
    }
    Ok(())
}

/// Merges `host_config` into a host configuration.
pub(crate) fn apply_host_config(
    options: &[(String, Node)],
    host: &mut Map<String, Json>,
) -> Result<(), OptionError> {
    for (name, node) in options {
        match HOST.iter().find(|(option, ..)| option == name) {
            Some((_, field, form)) => apply("host_config", name, node, field, *form, host)?,
            None => return Err(unknown("host_config", name, node)),
        }
    }
    Ok(())
}

fn unknown(section: &'static str, option: &str, node: &Node) -> OptionError {
    let known = CREATE.iter().chain(&HOST).map(|(name, ..)| *name);
    let reason = match crate::diagnostic::nearest(option, known) {
        Some(near) => format!("which is no option of the engine; did you mean {near}?"),
        None => "which is no option of the engine".to_owned(),
    };
    OptionError {
        line: node.at.line,
        section,
        option: option.to_owned(),
        reason,
    }
}

fn apply(
    section: &'static str,
    option: &str,
    node: &Node,
    field: &str,
    form: Form,
    fields: &mut Map<String, Json>,
) -> Result<(), OptionError> {
    if node.is_null() {
        return Ok(());
    }
    let value = converted(node, form).map_err(|reason| OptionError {
        line: node.at.line,
        section,
        option: option.to_owned(),
        reason,
    })?;
    let replaces = matches!(form, Form::Command);
    match (fields.get_mut(field), value) {
        // Lists are joined and mappings filled in; a command is one whole (B-34).
        (Some(Json::Array(known)), Json::Array(more)) if !replaces => {
            for item in more {
                if !known.contains(&item) {
                    known.push(item);
                }
            }
        }
        (Some(Json::Object(known)), Json::Object(more)) => known.extend(more),
        (_, value) => {
            fields.insert(field.to_owned(), value);
        }
    }
    Ok(())
}

fn converted(node: &Node, form: Form) -> Result<Json, String> {
    let json = node.json();
    match form {
        Form::Same => Ok(json),
        Form::List => match json {
            Json::Array(_) => Ok(json),
            Json::Object(fields) => {
                let pair = |(name, value): (&String, &Json)| format!("{name}:{}", text_of(value));
                Ok(json!(fields.iter().map(pair).collect::<Vec<_>>()))
            }
            other => Ok(json!([other])),
        },
        Form::Command => match &node.value {
            Value::List(items) => Ok(json!(
                items.iter().map(|i| text_of(&i.json())).collect::<Vec<_>>()
            )),
            _ => shell_words::split(&text_of(&json))
                .map(|words| json!(words))
                .map_err(|error| format!("which cannot be split into words: {error}")),
        },
        Form::Assignments => match json {
            Json::Object(fields) => {
                let pair = |(name, value): (&String, &Json)| match value {
                    Json::Null => name.clone(),
                    value => format!("{name}={}", text_of(value)),
                };
                Ok(json!(fields.iter().map(pair).collect::<Vec<_>>()))
            }
            Json::Array(_) => Ok(json),
            _ => Err("which is a mapping or a list of NAME=VALUE".to_owned()),
        },
        Form::Texts => match json {
            Json::Object(fields) => Ok(fields
                .iter()
                .map(|(name, value)| (name.clone(), json!(text_of(value))))
                .collect::<Map<_, _>>()
                .into()),
            Json::Array(names) => Ok(names
                .iter()
                .map(|name| (text_of(name), json!("")))
                .collect::<Map<_, _>>()
                .into()),
            _ => Err("which is a mapping".to_owned()),
        },
        Form::Bytes => bytes(&text_of(&json)).map(|bytes| json!(bytes)),
        Form::Record => match json {
            Json::Object(fields) => Ok(record(&fields)),
            _ => Err("which is a mapping".to_owned()),
        },
        Form::Records => match json {
            Json::Array(items) => Ok(items
                .iter()
                .map(|item| {
                    item.as_object()
                        .map_or_else(|| device(&text_of(item)), record)
                })
                .collect()),
            _ => Err("which is a list".to_owned()),
        },
    }
}

/// A record with names as the Engine API has them, whichever way they are written.
fn record(fields: &Map<String, Json>) -> Json {
    let named = fields.iter().map(|(name, value)| {
        let name = match name.as_str() {
            "driver_opts" | "config" | "Config" => "Config".to_owned(),
            // YAML reads a plain `no` as a boolean, where the restart policy of that name is meant.
            other => crate::body::pascal_case(other),
        };
        let value = match (name.as_str(), value) {
            ("Name", Json::Bool(false)) => json!("no"),
            (_, value) => value.clone(),
        };
        (name, value)
    });
    Json::Object(named.collect())
}

/// `HOST[:CONTAINER[:rwm]]`
fn device(text: &str) -> Json {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default();
    let container = parts.next().unwrap_or(host);
    let permissions = parts.next().unwrap_or("rwm");
    json!({
        "PathOnHost": host, "PathInContainer": container, "CgroupPermissions": permissions,
    })
}

fn bytes(text: &str) -> Result<i64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches('b');
    let (number, factor) = match digits.char_indices().last() {
        Some((at, 'k')) => (digits.get(..at), 1_i64 << 10),
        Some((at, 'm')) => (digits.get(..at), 1 << 20),
        Some((at, 'g')) => (digits.get(..at), 1 << 30),
        Some((at, 't')) => (digits.get(..at), 1 << 40),
        _ => (Some(digits), 1),
    };
    number
        .and_then(|number| number.trim().parse::<i64>().ok())
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("{text:?}, which is no number of bytes such as 512m"))
}
