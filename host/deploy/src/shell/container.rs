//! `docker create` and `docker update`.

use serde_json::Value;

use super::ShellError;
use super::command::{Command, Form, entries, is_nothing, items, quoted, text};
use super::endpoint;
use super::mount;

/// Fields of the body that are options.
const CONFIG: [(&str, &str, Form); 9] = [
    ("Labels", "label", Form::Texts),
    ("WorkingDir", "workdir", Form::Text),
    ("User", "user", Form::Text),
    ("Hostname", "hostname", Form::Text),
    ("Domainname", "domainname", Form::Text),
    ("Tty", "tty", Form::Flag),
    ("MacAddress", "mac-address", Form::Text),
    ("StopSignal", "stop-signal", Form::Text),
    ("StopTimeout", "stop-timeout", Form::Text),
];

/// Fields of the host configuration that are options of `docker create`.
const HOST: [(&str, &str, Form); 41] = [
    ("Binds", "volume", Form::List),
    ("VolumesFrom", "volumes-from", Form::List),
    ("Privileged", "privileged", Form::Flag),
    ("ReadonlyRootfs", "read-only", Form::Flag),
    ("PublishAllPorts", "publish-all", Form::Flag),
    ("AutoRemove", "rm", Form::Flag),
    ("Init", "init", Form::Switch),
    ("CapAdd", "cap-add", Form::List),
    ("CapDrop", "cap-drop", Form::List),
    ("GroupAdd", "group-add", Form::List),
    ("Dns", "dns", Form::List),
    ("DnsOptions", "dns-option", Form::List),
    ("DnsSearch", "dns-search", Form::List),
    ("ExtraHosts", "add-host", Form::List),
    ("DeviceCgroupRules", "device-cgroup-rule", Form::List),
    ("Sysctls", "sysctl", Form::Texts),
    ("StorageOpt", "storage-opt", Form::Texts),
    ("IpcMode", "ipc", Form::Text),
    ("PidMode", "pid", Form::Text),
    ("UTSMode", "uts", Form::Text),
    ("UsernsMode", "userns", Form::Text),
    ("CgroupnsMode", "cgroupns", Form::Text),
    ("CgroupParent", "cgroup-parent", Form::Text),
    ("Isolation", "isolation", Form::Text),
    ("Runtime", "runtime", Form::Text),
    ("VolumeDriver", "volume-driver", Form::Text),
    ("MemorySwappiness", "memory-swappiness", Form::Text),
    ("KernelMemory", "kernel-memory", Form::Text),
    ("ShmSize", "shm-size", Form::Text),
    ("OomKillDisable", "oom-kill-disable", Form::Switch),
    ("OomScoreAdj", "oom-score-adj", Form::Text),
    ("Memory", "memory", Form::Text),
    ("MemoryReservation", "memory-reservation", Form::Text),
    ("MemorySwap", "memory-swap", Form::Text),
    ("PidsLimit", "pids-limit", Form::Text),
    ("BlkioWeight", "blkio-weight", Form::Text),
    ("CpuShares", "cpu-shares", Form::Text),
    ("CpuPeriod", "cpu-period", Form::Text),
    ("CpuQuota", "cpu-quota", Form::Text),
    ("CpusetCpus", "cpuset-cpus", Form::Text),
    ("CpusetMems", "cpuset-mems", Form::Text),
];

/// Those that `docker update` takes as well.
const UPDATABLE: [&str; 12] = [
    "RestartPolicy",
    "Memory",
    "MemoryReservation",
    "MemorySwap",
    "PidsLimit",
    "BlkioWeight",
    "CpuShares",
    "CpuPeriod",
    "CpuQuota",
    "CpusetCpus",
    "CpusetMems",
    "KernelMemory",
];

/// Fields that are records, and those that are lists.
const RECORDS: [&str; 9] = [
    "Volumes",
    "ExposedPorts",
    "Healthcheck",
    "HostConfig",
    "NetworkingConfig",
    "RestartPolicy",
    "PortBindings",
    "LogConfig",
    "Tmpfs",
];
const LISTS: [&str; 11] = [
    "Env",
    "Links",
    "SecurityOpt",
    "Mounts",
    "DeviceRequests",
    "Devices",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "Ulimits",
];

/// `docker create`, from the body of `POST /containers/create`.
///
/// # Errors
/// Where the body has no image, or a health check holds what no command line can.
pub fn container_create(name: &str, body: &Value) -> Result<Command, ShellError> {
    let Some(image) = body["Image"].as_str().filter(|image| !image.is_empty()) else {
        return Err(ShellError::NoImage {
            container: name.to_owned(),
        });
    };
    let mut command = Command::new(["create"]);
    if !name.is_empty() {
        command.option("name", name);
    }
    for (field, value) in entries(body) {
        if !has_its_form(field, value) {
            command.not_expressed(field, value);
            continue;
        }
        match field.as_str() {
            "Image" | "Entrypoint" | "Cmd" | "NetworkDisabled" | "NetworkingConfig" => {}
            "Env" => environment(&mut command, value),
            "Volumes" => volumes(&mut command, value),
            "ExposedPorts" => {
                for (port, _) in entries(value) {
                    command.option("expose", port);
                }
            }
            "OpenStdin" if value == &Value::Bool(true) => {
                command.flag("interactive");
                command.note(
                    "the client has standard input closed after the first who attaches to it",
                );
            }
            "OpenStdin" if value == &Value::Bool(false) => {}
            "Healthcheck" => health_check(&mut command, value)?,
            "HostConfig" => {
                for (field, value) in entries(value) {
                    host_field(&mut command, field, value);
                }
            }
            _ => match CONFIG.iter().find(|(name, ..)| name == field) {
                Some((_, option, form)) => command.field(field, option, *form, value),
                None if is_nothing(value) => {}
                None => command.not_expressed(field, value),
            },
        }
    }
    endpoint::container_options(&mut command, body);
    start_command(&mut command, image, body);
    Ok(command)
}

/// `docker update`, from the body of `POST /containers/NAME/update`.
pub fn container_update(name: &str, body: &Value) -> Command {
    let mut command = Command::new(["update"]);
    for (field, value) in entries(body) {
        if UPDATABLE.contains(&field.as_str()) {
            host_field(&mut command, field, value);
        } else {
            command.not_expressed(field, value);
        }
    }
    command.argument(name);
    command
}

/// What has another one, the engine refuses.
fn has_its_form(field: &str, value: &Value) -> bool {
    let is_other = RECORDS.contains(&field) && !value.is_object()
        || LISTS.contains(&field) && !value.is_array();
    is_nothing(value) || !is_other
}

fn host_field(command: &mut Command, field: &str, value: &Value) {
    match field {
        _ if !has_its_form(field, value) => command.not_expressed(field, value),
        // With the networks.
        "NetworkMode" | "Links" => {}
        "RestartPolicy" => restart_policy(command, value),
        "PortBindings" => port_bindings(command, value),
        "LogConfig" => {
            command.field("LogConfig.Type", "log-driver", Form::Text, &value["Type"]);
            command.field("LogConfig.Config", "log-opt", Form::Texts, &value["Config"]);
            command.others_not_expressed(field, value, &["Type", "Config"]);
        }
        "SecurityOpt" => security_options(command, value),
        "Tmpfs" => {
            for (path, options) in entries(value) {
                match text(options).unwrap_or_default() {
                    options if options.is_empty() => command.option("tmpfs", path),
                    options => command.option("tmpfs", format!("{path}:{options}")),
                }
            }
        }
        "Mounts" => items(value).for_each(|item| mount::mount(command, item)),
        "DeviceRequests" => items(value).for_each(|item| device_request(command, item)),
        "Devices" => items(value).for_each(|item| {
            let fields = ["PathOnHost", "PathInContainer", "CgroupPermissions"];
            joined(command, field, "device", item, fields);
        }),
        "BlkioDeviceReadBps" => rates(command, field, "device-read-bps", value),
        "BlkioDeviceReadIOps" => rates(command, field, "device-read-iops", value),
        "BlkioDeviceWriteBps" => rates(command, field, "device-write-bps", value),
        "BlkioDeviceWriteIOps" => rates(command, field, "device-write-iops", value),
        "Ulimits" => items(value).for_each(|item| limit(command, item)),
        _ => match HOST.iter().find(|(name, ..)| *name == field) {
            Some((_, option, form)) => command.field(field, option, *form, value),
            None if is_nothing(value) => {}
            None => command.not_expressed(field, value),
        },
    }
}

/// The docker client takes one word as the entry point; what follows begins the command.
fn start_command(command: &mut Command, image: &str, body: &Value) {
    let mut words = Vec::new();
    for (field, value) in [("Entrypoint", &body["Entrypoint"]), ("Cmd", &body["Cmd"])] {
        match value {
            Value::Null => {}
            Value::Array(items) => match items.iter().map(text).collect::<Option<Vec<_>>>() {
                Some(more) => words.push((field, more)),
                None => command.not_expressed(field, value),
            },
            value => match text(value) {
                Some(word) => words.push((field, vec![word])),
                None => command.not_expressed(field, value),
            },
        }
    }
    let mut arguments = Vec::new();
    for (field, words) in words {
        let mut words = words.into_iter();
        if field == "Entrypoint"
            && let Some(first) = words.next()
        {
            command.option("entrypoint", first);
            if words.len() > 0 {
                command.note(
                    "the client takes one word as the entry point: the others begin the command",
                );
            }
        }
        arguments.extend(words);
    }
    command.argument(image);
    for argument in arguments {
        command.argument(argument);
    }
}

/// A name without a value takes a variable out of the image's. The client would rather give its own.
fn environment(command: &mut Command, value: &Value) {
    for item in items(value) {
        match text(item) {
            Some(assignment) if assignment.contains('=') => command.option("env", assignment),
            // Without these the client would not be found, or ask another engine.
            Some(name) if name == "PATH" || name == "HOME" || name.starts_with("DOCKER_") => {
                command.note(format!("not expressed: Env {name} is to be taken out"));
            }
            Some(name) => {
                command.unset_variable(&name);
                command.option("env", name);
            }
            None => command.not_expressed("Env", item),
        }
    }
}

fn volumes(command: &mut Command, volumes: &Value) {
    for (path, _) in entries(volumes) {
        if path.contains(':') {
            command.not_expressed("Volumes", &Value::from(path.as_str()));
        } else {
            command.option("volume", path);
        }
    }
}

fn restart_policy(command: &mut Command, value: &Value) {
    let count = value["MaximumRetryCount"].as_u64().unwrap_or(0);
    match (value["Name"].as_str(), count) {
        (None | Some(""), _) => {
            if !is_nothing(value) {
                command.not_expressed("RestartPolicy", value);
            }
            return;
        }
        (Some(name), 0) => command.option("restart", name),
        (Some(name), count) => command.option("restart", format!("{name}:{count}")),
    }
    command.others_not_expressed("RestartPolicy", value, &["Name", "MaximumRetryCount"]);
}

fn port_bindings(command: &mut Command, value: &Value) {
    for (port, bindings) in entries(value) {
        for binding in items(bindings) {
            let part = |name: &str| text(&binding[name]).unwrap_or_default();
            let (address, on_host) = (part("HostIp"), part("HostPort"));
            let address = if address.contains(':') {
                format!("[{address}]")
            } else {
                address
            };
            command.option(
                "publish",
                match (address.as_str(), on_host.as_str()) {
                    ("", "") => port.clone(),
                    ("", on_host) => format!("{on_host}:{port}"),
                    (address, on_host) => format!("{address}:{on_host}:{port}"),
                },
            );
            let field = format!("PortBindings.{port}");
            command.others_not_expressed(&field, binding, &["HostIp", "HostPort"]);
        }
    }
}

/// The client takes a seccomp profile as a file of its own machine, the engine takes its text.
fn security_options(command: &mut Command, value: &Value) {
    for item in items(value) {
        let option = text(item).unwrap_or_default();
        let profile = option
            .strip_prefix("seccomp")
            .and_then(|rest| rest.strip_prefix(['=', ':']));
        match profile {
            None | Some("unconfined" | "builtin") => command.option("security-opt", option),
            Some(_) => command.not_expressed("SecurityOpt", item),
        }
    }
}

/// `--gpus`, which always asks for the capability `gpu`.
fn device_request(command: &mut Command, value: &Value) {
    let texts = |value: &Value| -> Vec<String> { items(value).filter_map(text).collect() };
    let capabilities: Vec<Vec<String>> = items(&value["Capabilities"]).map(texts).collect();
    let [capabilities] = capabilities.as_slice() else {
        command.not_expressed("DeviceRequests", value);
        return;
    };
    if !capabilities.iter().any(|name| name == "gpu") {
        command.not_expressed("DeviceRequests", value);
        return;
    }
    let other: Vec<_> = capabilities
        .iter()
        .filter(|name| *name != "gpu")
        .cloned()
        .collect();
    let options: Vec<_> = entries(&value["Options"])
        .map(|(name, value)| format!("{name}={}", text(value).unwrap_or_default()))
        .collect();
    let count = match value["Count"].as_i64() {
        Some(-1) => "all".to_owned(),
        Some(0) | None => String::new(),
        Some(count) => count.to_string(),
    };
    let fields = [
        ("driver", text(&value["Driver"]).unwrap_or_default()),
        ("count", count),
        ("device", texts(&value["DeviceIDs"]).join(",")),
        ("capabilities", other.join(",")),
        ("options", options.join(",")),
    ];
    let fields: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| super::command::separated(&format!("{name}={value}")))
        .collect();
    command.option("gpus", fields.join(","));
    let known = ["Driver", "Count", "DeviceIDs", "Capabilities", "Options"];
    command.others_not_expressed("DeviceRequests", value, &known);
}

fn rates(command: &mut Command, field: &str, option: &str, value: &Value) {
    items(value).for_each(|item| joined(command, field, option, item, ["Path", "Rate"]));
}

/// The fields of a record with a colon between, up to the last that is there.
fn joined<const COUNT: usize>(
    command: &mut Command,
    field: &str,
    option: &str,
    value: &Value,
    names: [&str; COUNT],
) {
    let parts: Vec<_> = names
        .iter()
        .map(|name| text(&value[*name]).unwrap_or_default())
        .take_while(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        command.not_expressed(field, value);
        return;
    }
    command.option(option, parts.join(":"));
    let known = names.get(..parts.len()).unwrap_or_default();
    command.others_not_expressed(field, value, known);
}

fn limit(command: &mut Command, value: &Value) {
    let part = |name: &str| text(&value[name]).filter(|part| !part.is_empty());
    match (part("Name"), part("Soft"), part("Hard")) {
        (Some(name), Some(soft), Some(hard)) => {
            command.option("ulimit", format!("{name}={soft}:{hard}"));
        }
        (Some(name), Some(both), None) | (Some(name), None, Some(both)) => {
            command.option("ulimit", format!("{name}={both}"));
        }
        _ => command.not_expressed("Ulimits", value),
    }
    command.others_not_expressed("Ulimits", value, &["Name", "Soft", "Hard"]);
}

fn health_check(command: &mut Command, value: &Value) -> Result<(), ShellError> {
    const TIMES: [(&str, &str); 4] = [
        ("Interval", "health-interval"),
        ("Timeout", "health-timeout"),
        ("StartPeriod", "health-start-period"),
        ("StartInterval", "health-start-interval"),
    ];
    let test = match &value["Test"] {
        Value::Array(items) => items.iter().map(text).collect::<Option<Vec<_>>>(),
        Value::Null => Some(Vec::new()),
        // As the client itself has it.
        line => text(line).map(|line| vec!["CMD-SHELL".to_owned(), line]),
    };
    let words: Vec<&str> = test.iter().flatten().map(String::as_str).collect();
    match words.as_slice() {
        [] if test.is_some() => {}
        ["NONE"] => {
            command.flag("no-healthcheck");
            // The client refuses to have them beside it, and they would do nothing.
            command.others_not_expressed("Healthcheck", value, &["Test"]);
            return Ok(());
        }
        ["CMD-SHELL", line] => command.option("health-cmd", line),
        ["CMD", words @ ..] => {
            let words = words
                .iter()
                .map(|word| quoted(word))
                .collect::<Result<Vec<_>, _>>()?;
            command.option("health-cmd", words.join(" "));
            command.note(
                "the client knows checks by the container's shell only, this is without: \
                 `dfab update` makes the container anew for it",
            );
        }
        _ => command.not_expressed("Healthcheck.Test", &value["Test"]),
    }
    for (field, option) in TIMES {
        match value[field].as_i64() {
            Some(0) => {}
            Some(nanoseconds) => command.option(option, duration(nanoseconds)),
            None if is_nothing(&value[field]) => {}
            None => command.not_expressed(&format!("Healthcheck.{field}"), &value[field]),
        }
    }
    if value["Retries"].as_i64() != Some(0) {
        command.field(
            "Healthcheck.Retries",
            "health-retries",
            Form::Text,
            &value["Retries"],
        );
    }
    let known = [
        "Test",
        "Interval",
        "Timeout",
        "StartPeriod",
        "StartInterval",
        "Retries",
    ];
    command.others_not_expressed("Healthcheck", value, &known);
    Ok(())
}

/// In the largest unit that keeps it a whole number.
fn duration(nanoseconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| nanoseconds % unit == 0);
    match unit {
        Some((unit, name)) => format!("{}{name}", nanoseconds / unit),
        None => format!("{nanoseconds}ns"),
    }
}
