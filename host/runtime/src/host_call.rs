//! Every call that a component can make, as that by which it is checked, told and bounded.

use crate::Level;
use crate::effect::{
    Change, Download, FindShell, ImageSource, Inspect, ListContainers, ListImages, ListNetworks,
    ListVolumes, Look, RawRequest, ReadInfo, ReadSetting, ReadVersion, RunAs, RunCommand,
    RunInContainer, Transfer, Upload,
};
use crate::local_path::{LocalPath, LocalRoot};

/// A call, of whatever kind.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is named and told of in `effect`")]
pub enum HostCall<'a> {
    /// What everybody may do: it has no effect on a host.
    Free(Free),
    ReadSetting(&'a ReadSetting),
    ReadVersion(&'a ReadVersion),
    ReadInfo(&'a ReadInfo),
    ListContainers(&'a ListContainers),
    ListImages(&'a ListImages),
    ListNetworks(&'a ListNetworks),
    ListVolumes(&'a ListVolumes),
    Inspect(&'a Inspect),
    Look(&'a Look),
    Change(&'a Change),
    Transfer(&'a Transfer),
    RawRequest(&'a RawRequest),
    FindShell(&'a FindShell),
    RunCommand(&'a RunCommand),
    RunAs(&'a RunAs),
    RunInContainer(&'a RunInContainer),
    Upload(&'a Upload),
    Download(&'a Download),
}

/// A call that everybody may make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Free {
    /// A log line.
    Log {
        /// How much it matters.
        level: Level,
        /// How long it is.
        bytes: usize,
    },
    /// A handle of the engine.
    Engine,
    /// The name of the engine's host.
    EngineName,
    /// The name of the shell's host.
    ShellName,
}

/// An effect that needs a permit.
pub(crate) trait Effect {
    /// What is checked and told.
    fn call(&self) -> HostCall<'_>;

    /// The object whose labels a grant may be restricted to.
    fn object(&mut self) -> Option<Labelled<'_>>;
}

/// Where a call has the name of an object with labels.
#[derive(Debug)]
pub(crate) enum Labelled<'a> {
    Container(&'a mut String),
    Network(&'a mut String),
    Volume(&'a mut String),
}

impl Labelled<'_> {
    /// The look at its labels.
    pub(crate) fn look(&self) -> Look {
        match self {
            Self::Container(name) => Look::Container((*name).clone()),
            Self::Network(name) => Look::Network((*name).clone()),
            Self::Volume(name) => Look::Volume((*name).clone()),
        }
    }

    /// Makes the call one about exactly that object, whatever has its name by then.
    pub(crate) fn settle(self, id: &str) {
        let (Self::Container(name) | Self::Network(name) | Self::Volume(name)) = self;
        id.clone_into(name);
    }
}

impl HostCall<'_> {
    /// The local paths that it may use since the operator gave them.
    pub(crate) fn given_paths(&self) -> Vec<String> {
        let path = self.local_path().map(|path| &path.root);
        match path {
            Some(LocalRoot::Given(given)) => vec![given.display().to_string()],
            Some(LocalRoot::Project) | None => Vec::new(),
        }
    }

    /// The path of this machine that it reads or writes.
    fn local_path(&self) -> Option<&LocalPath> {
        match self {
            Self::Upload(Upload { local, .. }) => Some(local),
            Self::Download(Download { to, .. }) => Some(to),
            Self::Transfer(transfer) => match transfer {
                Transfer::BuildImage { folder: path, .. }
                | Transfer::CopyFromContainer { to: path, .. }
                | Transfer::CopyToContainer { local: path, .. }
                | Transfer::SaveImages { to: path, .. }
                | Transfer::LoadImages { file: path }
                | Transfer::ImportImage {
                    source: ImageSource::File(path),
                    ..
                } => Some(path),
                Transfer::ImportImage {
                    source: ImageSource::Selection(_) | ImageSource::Image(_),
                    ..
                } => None,
            },
            Self::Free(_)
            | Self::ReadSetting(_)
            | Self::ReadVersion(_)
            | Self::ReadInfo(_)
            | Self::ListContainers(_)
            | Self::ListImages(_)
            | Self::ListNetworks(_)
            | Self::ListVolumes(_)
            | Self::Inspect(_)
            | Self::Look(_)
            | Self::Change(_)
            | Self::RawRequest(_)
            | Self::FindShell(_)
            | Self::RunCommand(_)
            | Self::RunAs(_)
            | Self::RunInContainer(_) => None,
        }
    }
}

impl Effect for Inspect {
    fn call(&self) -> HostCall<'_> {
        HostCall::Inspect(self)
    }

    fn object(&mut self) -> Option<Labelled<'_>> {
        match self {
            Self::Container(name) => Some(Labelled::Container(name)),
            // Whoever builds an image gives it whatever labels it has, and maps share it.
            Self::Image(_) => None,
        }
    }
}

impl Effect for Change {
    fn call(&self) -> HostCall<'_> {
        HostCall::Change(self)
    }

    fn object(&mut self) -> Option<Labelled<'_>> {
        match self {
            Self::StopContainer { container, .. } | Self::RemoveContainer { container, .. } => {
                Some(Labelled::Container(container))
            }
            Self::RemoveNetwork { network } => Some(Labelled::Network(network)),
            Self::RemoveVolume { volume } => Some(Labelled::Volume(volume)),
            Self::RemoveImage { .. }
            | Self::TagImage { .. }
            | Self::PullImage { .. }
            | Self::PushImage { .. } => None,
        }
    }
}

impl Effect for Transfer {
    fn call(&self) -> HostCall<'_> {
        HostCall::Transfer(self)
    }

    fn object(&mut self) -> Option<Labelled<'_>> {
        match self {
            Self::CopyFromContainer { files, .. }
            | Self::ImportImage {
                source: ImageSource::Selection(files),
                ..
            } => Some(Labelled::Container(&mut files.container)),
            Self::CopyToContainer { container, .. } => Some(Labelled::Container(container)),
            Self::ImportImage {
                source: ImageSource::File(_) | ImageSource::Image(_),
                ..
            }
            | Self::SaveImages { .. }
            | Self::LoadImages { .. }
            | Self::BuildImage { .. } => None,
        }
    }
}

impl Effect for RunInContainer {
    fn call(&self) -> HostCall<'_> {
        HostCall::RunInContainer(self)
    }

    fn object(&mut self) -> Option<Labelled<'_>> {
        Some(Labelled::Container(&mut self.container))
    }
}

/// Effects that are about no object with labels.
macro_rules! without_object {
    ($($effect:ident),+ $(,)?) => {$(
        impl Effect for $effect {
            fn call(&self) -> HostCall<'_> {
                HostCall::$effect(self)
            }

            fn object(&mut self) -> Option<Labelled<'_>> {
                None
            }
        }
    )+};
}

without_object!(
    ReadSetting,
    ReadVersion,
    ReadInfo,
    ListContainers,
    ListImages,
    ListNetworks,
    ListVolumes,
    Look,
    RawRequest,
    FindShell,
    RunCommand,
    RunAs,
    Upload,
    Download,
);
