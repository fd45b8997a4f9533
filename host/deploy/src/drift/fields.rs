//! The fields of a container's body, and how each is compared.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::form::Form;

/// What is done where a field differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mend {
    /// A new container.
    Recreate,
    /// `POST /containers/NAME/update`, as long as the map still gives the field.
    Update,
}

/// A field of `HostConfig`.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) mend: Mend,
    support: Support,
}

/// By what of `GET /info` is known that an engine cannot keep a field: it takes no notice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Support {
    /// It always can.
    Sure,
    /// This field is false.
    Flag(&'static str),
    /// One of the warnings has one of these texts: by the newer control groups and by the older.
    Warned([&'static str; 2]),
    /// The same; and since Linux 5.0 the older control groups have no weights, of which nothing warns.
    Weight([&'static str; 2]),
    /// It has the newer control groups.
    OlderGroups,
}

impl Field {
    /// Whether an engine can keep it, by what `GET /info` says.
    pub(super) fn is_supported(&self, engine: &Value) -> bool {
        match self.support {
            Support::Sure => true,
            Support::Flag(name) => engine.get(name) != Some(&Value::Bool(false)),
            Support::Warned(texts) => !warns(engine, texts),
            Support::Weight(texts) => !warns(engine, texts) && !has_no_weights(engine),
            Support::OlderGroups => !has_newer_groups(engine),
        }
    }
}

fn warns(engine: &Value, texts: [&str; 2]) -> bool {
    let warnings = engine["Warnings"].as_array().into_iter().flatten();
    let mut warnings = warnings.filter_map(Value::as_str);
    warnings.any(|warning| texts.iter().any(|text| warning.contains(*text)))
}

fn has_newer_groups(engine: &Value) -> bool {
    engine["CgroupVersion"].as_str() == Some("2")
}

fn has_no_weights(engine: &Value) -> bool {
    let version = engine["KernelVersion"].as_str().unwrap_or_default();
    let number = version.split('.').next().unwrap_or_default();
    let is_new = number.parse().is_ok_and(|number: u32| number >= 5);
    is_new && !has_newer_groups(engine)
}

/// How a field of `HostConfig` is compared that is not listed: as it is.
pub(super) const OTHER: Field = recreate("", Form::Plain);

/// Whether a field of `HostConfig` is listed.
pub(super) fn is_known_host_field(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> =
        LazyLock::new(|| HOST.iter().map(|field| field.name).collect());
    NAMES.contains(name)
}

/// Fields of `HostConfig` that say something in a container that was made without them in the
/// map by someone else than dfab: what the engine fills in by itself is not among them.
pub(super) fn host_fields() -> impl Iterator<Item = &'static Field> {
    HOST.iter()
}

/// Fields beside `HostConfig` that the image may give too, where the map does not.
pub(super) const CONFIG: [(&str, Form); 9] = [
    ("Domainname", Form::Plain),
    ("User", Form::Plain),
    ("WorkingDir", Form::Plain),
    ("Entrypoint", Form::Sequence),
    ("StopSignal", Form::StopSignal),
    ("StopTimeout", Form::StopTimeout),
    ("Tty", Form::Plain),
    ("OpenStdin", Form::Plain),
    ("NetworkDisabled", Form::Plain),
];

const HOST: [Field; 50] = [
    recreate("Binds", Form::Binds),
    recreate("Mounts", Form::Records),
    recreate("VolumesFrom", Form::Set),
    recreate("Links", Form::Links),
    recreate("PortBindings", Form::PortBindings),
    recreate("PublishAllPorts", Form::Plain),
    recreate("Privileged", Form::Plain),
    recreate("ReadonlyRootfs", Form::Plain),
    recreate("AutoRemove", Form::Plain),
    recreate("CapAdd", Form::Capabilities),
    recreate("CapDrop", Form::Capabilities),
    recreate("GroupAdd", Form::Set),
    recreate("SecurityOpt", Form::SecurityOptions),
    recreate("Dns", Form::Sequence),
    recreate("DnsOptions", Form::Sequence),
    recreate("DnsSearch", Form::Sequence),
    recreate("ExtraHosts", Form::Set),
    recreate("Devices", Form::Records),
    recreate("DeviceCgroupRules", Form::Set),
    recreate("DeviceRequests", Form::Records),
    supported(
        recreate("BlkioWeightDevice", Form::Records),
        Support::Weight([
            "No io.weight (per device) support",
            "No blkio weight_device support",
        ]),
    ),
    supported(
        recreate("BlkioDeviceReadBps", Form::Records),
        Support::Warned([
            "No io.max (rbps) support",
            "No blkio throttle.read_bps_device support",
        ]),
    ),
    supported(
        recreate("BlkioDeviceReadIOps", Form::Records),
        Support::Warned([
            "No io.max (riops) support",
            "No blkio throttle.read_iops_device support",
        ]),
    ),
    supported(
        recreate("BlkioDeviceWriteBps", Form::Records),
        Support::Warned([
            "No io.max (wbps) support",
            "No blkio throttle.write_bps_device support",
        ]),
    ),
    supported(
        recreate("BlkioDeviceWriteIOps", Form::Records),
        Support::Warned([
            "No io.max (wiops) support",
            "No blkio throttle.write_iops_device support",
        ]),
    ),
    recreate("Ulimits", Form::Records),
    recreate("Sysctls", Form::Texts),
    recreate("Tmpfs", Form::Texts),
    recreate("StorageOpt", Form::Texts),
    recreate("Init", Form::Plain),
    recreate("UTSMode", Form::Plain),
    recreate("UsernsMode", Form::Plain),
    recreate("CgroupParent", Form::Plain),
    recreate("OomScoreAdj", Form::Plain),
    recreate("VolumeDriver", Form::Plain),
    limited(recreate("OomKillDisable", Form::Plain), "OomKillDisable"),
    update("RestartPolicy", Form::RestartPolicy),
    supported(
        update("BlkioWeight", Form::Plain),
        Support::Weight(["No io.weight support", "No blkio weight support"]),
    ),
    limited(update("CpuPeriod", Form::Plain), "CpuCfsPeriod"),
    limited(update("CpuQuota", Form::Plain), "CpuCfsQuota"),
    limited(update("CpuShares", Form::Plain), "CPUShares"),
    limited(update("CpusetCpus", Form::Numbers), "CPUSet"),
    limited(update("CpusetMems", Form::Numbers), "CPUSet"),
    update("NanoCpus", Form::Plain),
    limited(update("Memory", Form::Plain), "MemoryLimit"),
    update("MemoryReservation", Form::Plain),
    limited(update("MemorySwap", Form::Plain), "SwapLimit"),
    limited(update("KernelMemory", Form::Plain), "KernelMemory"),
    limited(update("PidsLimit", Form::Limit), "PidsLimit"),
    supported(
        recreate("MemorySwappiness", Form::Plain),
        Support::OlderGroups,
    ),
];

const fn recreate(name: &'static str, form: Form) -> Field {
    Field {
        name,
        form,
        mend: Mend::Recreate,
        support: Support::Sure,
    }
}

const fn update(name: &'static str, form: Form) -> Field {
    Field {
        name,
        form,
        mend: Mend::Update,
        support: Support::Sure,
    }
}

const fn limited(field: Field, flag: &'static str) -> Field {
    supported(field, Support::Flag(flag))
}

const fn supported(field: Field, support: Support) -> Field {
    Field { support, ..field }
}
