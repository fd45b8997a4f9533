//! The options of `create_options` and `host_config`.

use serde_json::{Map, Value as Json, json};

use super::{of_type, reference};

/// How an option is written.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Number,
    /// A number of bytes, with a unit.
    Bytes,
    List,
    Command,
    /// A mapping or a list of `NAME=VALUE`.
    Assignments,
    /// A mapping or a list of names.
    Texts,
    Record,
    Records,
}

/// Options of the container itself.
const CREATE: [(&str, &str, Shape); 15] = [
    (
        "command",
        "The command, instead of the image's.",
        Shape::Command,
    ),
    (
        "entrypoint",
        "What runs the command, instead of the image's.",
        Shape::Command,
    ),
    ("environment", "Environment variables.", Shape::Assignments),
    ("labels", "Labels.", Shape::Texts),
    (
        "working_dir",
        "The folder in which the command is run.",
        Shape::Text,
    ),
    (
        "user",
        "Who runs the command. Unlike the container's key `user`, it changes no volume.",
        Shape::Text,
    ),
    ("hostname", "The host name in the container.", Shape::Text),
    (
        "domainname",
        "The domain name in the container.",
        Shape::Text,
    ),
    ("tty", "Whether it has a terminal.", Shape::Flag),
    ("stdin_open", "Whether its input stays open.", Shape::Flag),
    ("mac_address", "The MAC address.", Shape::Text),
    (
        "network_disabled",
        "Whether it has no network.",
        Shape::Flag,
    ),
    (
        "stop_signal",
        "As the container's key of that name.",
        Shape::Text,
    ),
    (
        "stop_timeout",
        "As the container's key of that name.",
        Shape::Number,
    ),
    (
        "healthcheck",
        "As the Engine API takes it; the container's key of that name is simpler.",
        Shape::Record,
    ),
];

/// Options of what the host does for it.
const HOST: [(&str, &str, Shape); 55] = [
    (
        "binds",
        "Further binds, as HOST:CONTAINER[:MODE]; also of volumes that the map does not make.",
        Shape::List,
    ),
    (
        "links",
        "Links to containers by their names on the engine, as NAME:ALIAS.",
        Shape::List,
    ),
    (
        "volumes_from",
        "Containers whose volumes are mounted, by their names on the engine.",
        Shape::List,
    ),
    (
        "network_mode",
        "A network by its name on the engine.",
        Shape::Text,
    ),
    (
        "restart_policy",
        "When the engine starts it again: {Name: 'no', always, unless-stopped or on-failure, \
         MaximumRetryCount}.",
        Shape::Record,
    ),
    (
        "privileged",
        "Whether it may do all that the host's root may.",
        Shape::Flag,
    ),
    (
        "read_only",
        "Whether its file system is read-only.",
        Shape::Flag,
    ),
    (
        "publish_all_ports",
        "Whether every exposed port is published on some port of the host.",
        Shape::Flag,
    ),
    (
        "auto_remove",
        "Whether the engine removes it when it ends.",
        Shape::Flag,
    ),
    (
        "init",
        "Whether a small init process runs in it.",
        Shape::Flag,
    ),
    ("cap_add", "Capabilities that it gets.", Shape::List),
    (
        "cap_drop",
        "Capabilities that are taken from it.",
        Shape::List,
    ),
    ("group_add", "Further groups of its user.", Shape::List),
    (
        "security_opt",
        "Options of AppArmor, SELinux or seccomp.",
        Shape::List,
    ),
    ("dns", "DNS servers.", Shape::List),
    ("dns_opt", "Options of DNS.", Shape::List),
    ("dns_search", "Search domains of DNS.", Shape::List),
    (
        "extra_hosts",
        "Further host names, as NAME:ADDRESS.",
        Shape::List,
    ),
    (
        "devices",
        "Devices, as HOST[:CONTAINER[:rwm]].",
        Shape::Records,
    ),
    ("device_cgroup_rules", "Rules for devices.", Shape::List),
    ("device_requests", "Devices such as GPUs.", Shape::Records),
    (
        "device_read_bps",
        "Limits of bytes read in a second: {Path, Rate}.",
        Shape::Records,
    ),
    (
        "device_read_iops",
        "Limits of reads in a second: {Path, Rate}.",
        Shape::Records,
    ),
    (
        "device_write_bps",
        "Limits of bytes written in a second: {Path, Rate}.",
        Shape::Records,
    ),
    (
        "device_write_iops",
        "Limits of writes in a second: {Path, Rate}.",
        Shape::Records,
    ),
    (
        "ulimits",
        "Limits of processes: {Name, Soft, Hard}.",
        Shape::Records,
    ),
    (
        "mounts",
        "Mounts, as the Engine API takes them.",
        Shape::Records,
    ),
    (
        "log_config",
        "Where its output goes: {Type, Config}.",
        Shape::Record,
    ),
    ("sysctls", "Kernel parameters.", Shape::Texts),
    (
        "tmpfs",
        "Paths in memory, with the options of each.",
        Shape::Texts,
    ),
    (
        "storage_opt",
        "Options of the storage driver.",
        Shape::Texts,
    ),
    (
        "ipc_mode",
        "Whose interprocess communication it shares.",
        Shape::Text,
    ),
    ("pid_mode", "Whose processes it sees.", Shape::Text),
    ("uts_mode", "Whose host name it has.", Shape::Text),
    ("userns_mode", "The user namespace.", Shape::Text),
    (
        "cgroup_parent",
        "The parent of its control group.",
        Shape::Text,
    ),
    ("isolation", "The isolation, on Windows.", Shape::Text),
    ("runtime", "The OCI runtime.", Shape::Text),
    (
        "volume_driver",
        "The driver of its anonymous volumes.",
        Shape::Text,
    ),
    ("mem_limit", "Memory at most, such as 512m.", Shape::Bytes),
    (
        "mem_reservation",
        "Memory that it gets when there is little.",
        Shape::Bytes,
    ),
    (
        "memswap_limit",
        "Memory and swap together; -1 for no limit.",
        Shape::Bytes,
    ),
    (
        "mem_swappiness",
        "How readily its memory is swapped, from 0 to 100.",
        Shape::Number,
    ),
    ("kernel_memory", "Kernel memory at most.", Shape::Bytes),
    ("shm_size", "Size of /dev/shm.", Shape::Bytes),
    (
        "oom_kill_disable",
        "Whether it is spared when memory runs out.",
        Shape::Flag,
    ),
    (
        "oom_score_adj",
        "How readily it is killed when memory runs out.",
        Shape::Number,
    ),
    (
        "pids_limit",
        "How many processes it may have.",
        Shape::Number,
    ),
    (
        "blkio_weight",
        "Its share of block I/O, from 10 to 1000.",
        Shape::Number,
    ),
    (
        "cpu_shares",
        "Its share of the CPU, against others.",
        Shape::Number,
    ),
    (
        "cpu_period",
        "The period that `cpu_quota` is of, in microseconds.",
        Shape::Number,
    ),
    (
        "cpu_quota",
        "CPU time in a period, in microseconds.",
        Shape::Number,
    ),
    ("cpu_count", "How many CPUs, on Windows.", Shape::Number),
    (
        "cpuset_cpus",
        "The CPUs that it may run on, such as 0-2,4.",
        Shape::Text,
    ),
    (
        "cpuset_mems",
        "The memory nodes that it may use.",
        Shape::Text,
    ),
];

/// What `create_options` may have: options of the host too, since maps were written before they
/// moved.
pub(super) fn create_options() -> Map<String, Json> {
    let mut properties = host_config();
    properties.extend(properties_of(&CREATE));
    properties
}

/// What `host_config` may have.
pub(super) fn host_config() -> Map<String, Json> {
    properties_of(&HOST)
}

fn properties_of(options: &[(&str, &str, Shape)]) -> Map<String, Json> {
    let property = |(name, description, shape): &(&str, &str, Shape)| {
        let mut schema = schema(*shape);
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("description".to_owned(), json!(description));
        }
        ((*name).to_owned(), schema)
    };
    options.iter().map(property).collect()
}

fn schema(shape: Shape) -> Json {
    let scalars = json!({ "type": "array", "items": { "$ref": "#/$defs/scalar" } });
    let values = json!({
        "type": "object",
        "additionalProperties": { "$ref": "#/$defs/text" },
    });
    match shape {
        Shape::Text => reference("text"),
        Shape::Flag => reference("flag"),
        Shape::Number => reference("number"),
        Shape::Bytes => of_type(&["integer", "string", "null"]),
        Shape::Command => reference("command"),
        Shape::Assignments => json!({ "anyOf": [values, scalars, of_type(&["null"])] }),
        Shape::Texts => json!({ "anyOf": [values, scalars, of_type(&["null"])] }),
        Shape::List => {
            json!({ "anyOf": [scalars, values, reference("scalar"), of_type(&["null"])] })
        }
        Shape::Record => of_type(&["object", "null"]),
        Shape::Records => json!({
            "type": ["array", "null"],
            "items": { "type": ["object", "string"] },
        }),
    }
}
