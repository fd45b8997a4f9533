//! The fields of a container's body, and how each is compared.

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
    /// What `GET /info` must say is supported for the engine to take the field; empty: nothing.
    pub(super) support: &'static str,
}

/// How a field of `HostConfig` is compared that is not listed: as it is.
pub(super) const OTHER: Field = recreate("", Form::Plain);

/// Whether a field of `HostConfig` is listed.
pub(super) fn is_known_host_field(name: &str) -> bool {
    HOST.iter().any(|field| field.name == name)
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
    ("StopSignal", Form::Signal),
    ("StopTimeout", Form::Plain),
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
    recreate("BlkioWeightDevice", Form::Records),
    recreate("BlkioDeviceReadBps", Form::Records),
    recreate("BlkioDeviceReadIOps", Form::Records),
    recreate("BlkioDeviceWriteBps", Form::Records),
    recreate("BlkioDeviceWriteIOps", Form::Records),
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
    update("BlkioWeight", Form::Plain),
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
    limited(update("PidsLimit", Form::Plain), "PidsLimit"),
    recreate("MemorySwappiness", Form::Plain),
];

const fn recreate(name: &'static str, form: Form) -> Field {
    Field {
        name,
        form,
        mend: Mend::Recreate,
        support: "",
    }
}

const fn update(name: &'static str, form: Form) -> Field {
    Field {
        name,
        form,
        mend: Mend::Update,
        support: "",
    }
}

const fn limited(field: Field, support: &'static str) -> Field {
    Field { support, ..field }
}
