//! Every option that a map may give, by the name that Docker's Python SDK has for it.

use super::form::Form;

/// An option, and what becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// As maps have it.
    pub(crate) name: &'static str,
    /// Of the body, or of its host configuration.
    pub(crate) field: &'static str,
    /// Whether it is a field of the host configuration.
    pub(super) is_host: bool,
    pub(crate) form: Form,
    pub(crate) description: &'static str,
}

/// Arguments of the SDK that a map cannot give, and what to do instead.
pub(super) const REFUSED: [(&str, &str); 5] = [
    ("host_config", "write it beside create_options"),
    ("image", "it is a key of the container"),
    (
        "name",
        "containers are called after the map and their configuration",
    ),
    ("networking_config", "write the container's networks"),
    ("platform", "name an image of that platform, by its digest"),
];

/// What options are called elsewhere.
pub(super) const USUAL: [(&str, &str); 13] = [
    ("cap_adds", "cap_add"),
    ("cmd", "command"),
    ("cpus", "nano_cpus"),
    ("env", "environment"),
    ("environment_variables", "environment"),
    ("log_driver", "log_config"),
    ("logging", "log_config"),
    ("memory", "mem_limit"),
    ("memory_reservation", "mem_reservation"),
    ("memory_swap", "memswap_limit"),
    ("restart", "restart_policy"),
    ("security_opts", "security_opt"),
    ("workdir", "working_dir"),
];

/// Arguments of the SDK that mean nothing to the engine.
pub(crate) const WITHOUT_EFFECT: [&str; 4] = ["detach", "lxc_conf", "use_config_proxy", "version"];

pub(super) static KNOWN: [Known; 81] = [
    container(
        "command",
        "Cmd",
        Form::Command,
        "The command, instead of the image's.",
    ),
    container(
        "entrypoint",
        "Entrypoint",
        Form::Command,
        "What runs the command, instead of the image's.",
    ),
    container(
        "environment",
        "Env",
        Form::Assignments,
        "Environment variables.",
    ),
    container("labels", "Labels", Form::Texts, "Labels."),
    container(
        "working_dir",
        "WorkingDir",
        Form::Text,
        "The folder in which the command is run.",
    ),
    container(
        "user",
        "User",
        Form::Text,
        "Who runs the command. Unlike the container's key `user`, it changes no volume.",
    ),
    container(
        "hostname",
        "Hostname",
        Form::Text,
        "The host name in the container.",
    ),
    container(
        "domainname",
        "Domainname",
        Form::Text,
        "The domain name in the container.",
    ),
    container("tty", "Tty", Form::Flag, "Whether it has a terminal."),
    container(
        "stdin_open",
        "OpenStdin",
        Form::Flag,
        "Whether its input stays open.",
    ),
    container("mac_address", "MacAddress", Form::Text, "The MAC address."),
    container(
        "network_disabled",
        "NetworkDisabled",
        Form::Flag,
        "Whether it has no network.",
    ),
    container(
        "stop_signal",
        "StopSignal",
        Form::Text,
        "As the container's key of that name.",
    ),
    container(
        "stop_timeout",
        "StopTimeout",
        Form::Number,
        "As the container's key of that name.",
    ),
    container(
        "healthcheck",
        "Healthcheck",
        Form::HealthCheck,
        "As the Engine API takes it; the container's key of that name is simpler.",
    ),
    host(
        "binds",
        "Binds",
        Form::Binds,
        "Further binds, as HOST:CONTAINER[:MODE]; also of volumes that the map does not make.",
    ),
    host(
        "links",
        "Links",
        Form::Pairs,
        "Links to containers by their names on the engine, as NAME:ALIAS.",
    ),
    host(
        "volumes_from",
        "VolumesFrom",
        Form::List,
        "Containers whose volumes are mounted, by their names on the engine.",
    ),
    host(
        "network_mode",
        "NetworkMode",
        Form::Text,
        "A network by its name on the engine.",
    ),
    host(
        "restart_policy",
        "RestartPolicy",
        Form::RestartPolicy,
        "When the engine starts it again: {Name: 'no', always, unless-stopped or on-failure, \
         MaximumRetryCount}.",
    ),
    host(
        "privileged",
        "Privileged",
        Form::Flag,
        "Whether it may do all that the host's root may.",
    ),
    host(
        "read_only",
        "ReadonlyRootfs",
        Form::Flag,
        "Whether its file system is read-only.",
    ),
    host(
        "publish_all_ports",
        "PublishAllPorts",
        Form::Flag,
        "Whether every exposed port is published on some port of the host.",
    ),
    host(
        "auto_remove",
        "AutoRemove",
        Form::Flag,
        "Whether the engine removes it when it ends.",
    ),
    host(
        "init",
        "Init",
        Form::Flag,
        "Whether a small init process runs in it.",
    ),
    host(
        "cap_add",
        "CapAdd",
        Form::List,
        "Capabilities that it gets.",
    ),
    host(
        "cap_drop",
        "CapDrop",
        Form::List,
        "Capabilities that are taken from it.",
    ),
    host(
        "group_add",
        "GroupAdd",
        Form::List,
        "Further groups of its user.",
    ),
    host(
        "security_opt",
        "SecurityOpt",
        Form::List,
        "Options of AppArmor, SELinux or seccomp.",
    ),
    host("dns", "Dns", Form::List, "DNS servers."),
    host("dns_opt", "DnsOptions", Form::List, "Options of DNS."),
    host(
        "dns_search",
        "DnsSearch",
        Form::List,
        "Search domains of DNS.",
    ),
    host(
        "extra_hosts",
        "ExtraHosts",
        Form::Pairs,
        "Further host names, as NAME:ADDRESS.",
    ),
    host(
        "devices",
        "Devices",
        Form::Devices,
        "Devices, as HOST[:CONTAINER[:rwm]].",
    ),
    host(
        "device_cgroup_rules",
        "DeviceCgroupRules",
        Form::List,
        "Rules for devices.",
    ),
    host(
        "device_requests",
        "DeviceRequests",
        Form::Records,
        "Devices such as GPUs.",
    ),
    host(
        "device_read_bps",
        "BlkioDeviceReadBps",
        Form::Records,
        "Limits of bytes read in a second: {Path, Rate}.",
    ),
    host(
        "device_read_iops",
        "BlkioDeviceReadIOps",
        Form::Records,
        "Limits of reads in a second: {Path, Rate}.",
    ),
    host(
        "device_write_bps",
        "BlkioDeviceWriteBps",
        Form::Records,
        "Limits of bytes written in a second: {Path, Rate}.",
    ),
    host(
        "device_write_iops",
        "BlkioDeviceWriteIOps",
        Form::Records,
        "Limits of writes in a second: {Path, Rate}.",
    ),
    host(
        "ulimits",
        "Ulimits",
        Form::Records,
        "Limits of processes: {Name, Soft, Hard}.",
    ),
    host(
        "mounts",
        "Mounts",
        Form::Records,
        "Mounts, as the Engine API takes them.",
    ),
    host(
        "log_config",
        "LogConfig",
        Form::LogConfig,
        "Where its output goes: {Type, Config}.",
    ),
    host("sysctls", "Sysctls", Form::Texts, "Kernel parameters."),
    host(
        "tmpfs",
        "Tmpfs",
        Form::Tmpfs,
        "Paths in memory, with the options of each.",
    ),
    host(
        "storage_opt",
        "StorageOpt",
        Form::Texts,
        "Options of the storage driver.",
    ),
    host(
        "ipc_mode",
        "IpcMode",
        Form::Text,
        "Whose interprocess communication it shares.",
    ),
    host(
        "pid_mode",
        "PidMode",
        Form::Text,
        "Whose processes it sees.",
    ),
    host("uts_mode", "UTSMode", Form::Text, "Whose host name it has."),
    host(
        "userns_mode",
        "UsernsMode",
        Form::Text,
        "The user namespace.",
    ),
    host(
        "cgroup_parent",
        "CgroupParent",
        Form::Text,
        "The parent of its control group.",
    ),
    host(
        "isolation",
        "Isolation",
        Form::Text,
        "The isolation, on Windows.",
    ),
    host("runtime", "Runtime", Form::Text, "The OCI runtime."),
    host(
        "volume_driver",
        "VolumeDriver",
        Form::Text,
        "The driver of its anonymous volumes.",
    ),
    host(
        "mem_limit",
        "Memory",
        Form::Bytes,
        "Memory at most, such as 512m.",
    ),
    host(
        "mem_reservation",
        "MemoryReservation",
        Form::Bytes,
        "Memory that it gets when there is little.",
    ),
    host(
        "memswap_limit",
        "MemorySwap",
        Form::Bytes,
        "Memory and swap together; -1 for no limit.",
    ),
    host(
        "mem_swappiness",
        "MemorySwappiness",
        Form::Number,
        "How readily its memory is swapped, from 0 to 100.",
    ),
    host(
        "kernel_memory",
        "KernelMemory",
        Form::Bytes,
        "Kernel memory at most.",
    ),
    host("shm_size", "ShmSize", Form::Bytes, "Size of /dev/shm."),
    host(
        "oom_kill_disable",
        "OomKillDisable",
        Form::Flag,
        "Whether it is spared when memory runs out.",
    ),
    host(
        "oom_score_adj",
        "OomScoreAdj",
        Form::Number,
        "How readily it is killed when memory runs out.",
    ),
    host(
        "pids_limit",
        "PidsLimit",
        Form::Number,
        "How many processes it may have.",
    ),
    host(
        "blkio_weight",
        "BlkioWeight",
        Form::Number,
        "Its share of block I/O, from 10 to 1000.",
    ),
    host(
        "cpu_shares",
        "CpuShares",
        Form::Number,
        "Its share of the CPU, against others.",
    ),
    host(
        "cpu_period",
        "CpuPeriod",
        Form::Number,
        "The period that `cpu_quota` is of, in microseconds.",
    ),
    host(
        "cpu_quota",
        "CpuQuota",
        Form::Number,
        "CPU time in a period, in microseconds.",
    ),
    host(
        "cpu_count",
        "CpuCount",
        Form::Number,
        "How many CPUs, on Windows.",
    ),
    host(
        "cpuset_cpus",
        "CpusetCpus",
        Form::Text,
        "The CPUs that it may run on, such as 0-2,4.",
    ),
    host(
        "cpuset_mems",
        "CpusetMems",
        Form::Text,
        "The memory nodes that it may use.",
    ),
    container(
        "volumes",
        "Volumes",
        Form::Volumes,
        "Further anonymous volumes; the container's key `shares` is simpler.",
    ),
    container(
        "ports",
        "ExposedPorts",
        Form::Ports,
        "Further exposed ports, as NUMBER or NUMBER/PROTOCOL.",
    ),
    host(
        "port_bindings",
        "PortBindings",
        Form::PortBindings,
        "Further published ports: {PORT: HOST_PORT}, or [ADDRESS, HOST_PORT]; the container's key `exposes` is simpler.",
    ),
    host(
        "cpuset",
        "CpusetCpus",
        Form::Text,
        "An old name of `cpuset_cpus`.",
    ),
    host(
        "nano_cpus",
        "NanoCpus",
        Form::Number,
        "CPU time, in billionths of a CPU.",
    ),
    host(
        "cpu_percent",
        "CpuPercent",
        Form::Number,
        "CPU time in percent, on Windows.",
    ),
    host(
        "cpu_rt_period",
        "CpuRealtimePeriod",
        Form::Number,
        "The period of the real-time scheduler, in microseconds.",
    ),
    host(
        "cpu_rt_runtime",
        "CpuRealtimeRuntime",
        Form::Number,
        "Real-time CPU time in a period, in microseconds.",
    ),
    host(
        "blkio_weight_device",
        "BlkioWeightDevice",
        Form::Records,
        "Its share of block I/O by device: {Path, Weight}.",
    ),
    host(
        "cgroupns",
        "CgroupnsMode",
        Form::Text,
        "Whose control groups it sees: host or private.",
    ),
    host(
        "init_path",
        "InitPath",
        Form::Text,
        "The init process, where it is not the engine's.",
    ),
];

const fn container(
    name: &'static str,
    field: &'static str,
    form: Form,
    description: &'static str,
) -> Known {
    Known {
        name,
        field,
        is_host: false,
        form,
        description,
    }
}

const fn host(
    name: &'static str,
    field: &'static str,
    form: Form,
    description: &'static str,
) -> Known {
    Known {
        name,
        field,
        is_host: true,
        form,
        description,
    }
}
