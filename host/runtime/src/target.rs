//! What a call is called, and what it is about, for those who read the audit. Secrets are taken out.

use std::fmt::Write as _;

use crate::effect::{Change, Download, ImageSource, Inspect, Look, ReadSetting, Transfer, Upload};
use crate::host_call::{Free, HostCall};
use crate::local_path::{LocalPath, LocalRoot};
use crate::mask;
use crate::task::Selection;
use crate::text::{cut, plain};

/// How much of a target is written down, in characters.
const LIMIT: usize = 2000;

impl HostCall<'_> {
    /// The function of the contract that makes this call.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Free(Free::Log { .. }) => "log.write",
            Self::Free(Free::Engine) => "docker.current",
            Self::Free(Free::EngineName) => "docker.name",
            Self::Free(Free::ShellName) => "ssh.name",
            Self::ReadSetting(_) => "settings.get",
            Self::ReadVersion(_) => "docker.version",
            Self::ReadInfo(_) => "docker.info",
            Self::ListContainers(_) => "docker.containers",
            Self::ListImages(_) => "docker.images",
            Self::ListNetworks(_) => "docker.networks",
            Self::ListVolumes(_) => "docker.volumes",
            Self::Inspect(Inspect::Container(_)) => "docker.inspect-container",
            Self::Inspect(Inspect::Image(_)) => "docker.inspect-image",
            Self::Look(_) => "docker.labels",
            Self::Change(change) => match change {
                Change::StopContainer { .. } => "docker.stop-container",
                Change::RemoveContainer { .. } => "docker.remove-container",
                Change::RemoveImage { .. } => "docker.remove-image",
                Change::TagImage { .. } => "docker.tag-image",
                Change::PullImage { .. } => "docker.pull-image",
                Change::PushImage { .. } => "docker.push-image",
                Change::RemoveNetwork { .. } => "docker.remove-network",
                Change::RemoveVolume { .. } => "docker.remove-volume",
            },
            Self::Transfer(transfer) => match transfer {
                Transfer::BuildImage { .. } => "docker.build-image",
                Transfer::CopyFromContainer { .. } => "docker.copy-from-container",
                Transfer::CopyToContainer { .. } => "docker.copy-to-container",
                Transfer::SaveImages { .. } => "docker.save-images",
                Transfer::LoadImages { .. } => "docker.load-images",
                Transfer::ImportImage { .. } => "docker.import-image",
            },
            Self::RawRequest(_) => "docker.request",
            Self::FindShell(_) => "ssh.current",
            Self::RunCommand(_) => "ssh.run",
            Self::RunAs(_) => "ssh.run-as",
            Self::RunInContainer(_) => "docker.run-in-container",
            Self::Upload(_) => "ssh.upload",
            Self::Download(_) => "ssh.download",
        }
    }

    /// What it is about: names, a path, a command. Secrets are taken out of it, and it is not endless.
    #[must_use]
    pub fn target(&self) -> String {
        let target = match self {
            Self::Free(Free::Log { level, bytes }) => {
                format!("{level:?}: {bytes} bytes").to_lowercase()
            }
            Self::Free(Free::Engine | Free::EngineName | Free::ShellName)
            | Self::ReadVersion(_)
            | Self::ReadInfo(_)
            | Self::ListContainers(_)
            | Self::ListImages(_)
            | Self::ListNetworks(_)
            | Self::ListVolumes(_)
            | Self::FindShell(_) => String::new(),
            Self::ReadSetting(ReadSetting { name })
            | Self::Inspect(Inspect::Container(name) | Inspect::Image(name)) => name.clone(),
            Self::Look(Look::Container(name)) => format!("container {name}"),
            Self::Look(Look::Network(name)) => format!("network {name}"),
            Self::Look(Look::Volume(name)) => format!("volume {name}"),
            Self::Change(change) => of_change(change),
            Self::Transfer(transfer) => of_transfer(transfer),
            Self::RawRequest(request) => {
                format!("{} {}", request.method, mask::query(&request.path))
            }
            Self::RunCommand(run) => mask::line(&run.command.line()),
            Self::RunAs(run) => mask::words(&run.command.granted_as()),
            Self::Upload(Upload {
                local,
                remote,
                mode,
            }) => {
                let mode = mode.map(|mode| format!(" mode {mode:o}"));
                let mode = mode.unwrap_or_default();
                format!("{} to {remote}{mode}", shown(local))
            }
            Self::Download(Download { remote, to }) => format!("{remote} to {}", shown(to)),
            Self::RunInContainer(command) => {
                let user = command.user.as_ref();
                let user = user.map(|user| format!("-u {user} ")).unwrap_or_default();
                format!(
                    "{user}{}: {}",
                    command.container,
                    mask::words(&command.words)
                )
            }
        };
        cut(&plain(&target), LIMIT)
    }
}

fn of_change(change: &Change) -> String {
    let with = |name: &str, flags: &[(&str, bool)]| {
        let mut text = name.to_owned();
        for (flag, _) in flags.iter().filter(|(_, given)| *given) {
            // Writing to a text does not fail.
            let _ = write!(text, " {flag}");
        }
        text
    };
    match change {
        Change::StopContainer {
            container,
            timeout_s,
        } => match timeout_s {
            Some(seconds) => format!("{container} within {seconds} s"),
            None => container.clone(),
        },
        Change::RemoveContainer {
            container,
            force,
            volumes,
        } => with(container, &[("force", *force), ("volumes", *volumes)]),
        Change::RemoveImage { image, force } => with(image, &[("force", *force)]),
        Change::TagImage { image, name } => format!("{image} as {name}"),
        Change::PullImage { image } | Change::PushImage { image } => image.clone(),
        Change::RemoveNetwork { network } => network.clone(),
        Change::RemoveVolume { volume } => volume.clone(),
    }
}

fn of_transfer(transfer: &Transfer) -> String {
    match transfer {
        // Values of arguments may be secrets.
        Transfer::BuildImage {
            folder,
            names,
            options,
        } => {
            let arguments = options.arguments.iter();
            let arguments: String = arguments.map(|(name, _)| format!(" {name}")).collect();
            format!("{} as {}{arguments}", shown(folder), names.join(" "))
        }
        Transfer::CopyFromContainer { files, to, .. } => {
            format!("{} to {}", of_selection(files), shown(to))
        }
        Transfer::CopyToContainer {
            local,
            container,
            folder,
        } => format!("{} to {container}:{folder}", shown(local)),
        Transfer::SaveImages { images, to } => format!("{} to {}", images.join(" "), shown(to)),
        Transfer::LoadImages { file } => shown(file),
        // Changes may set variables.
        Transfer::ImportImage {
            source,
            image,
            changes,
        } => {
            let source = match source {
                ImageSource::File(file) => shown(file),
                ImageSource::Selection(files) => of_selection(files),
                ImageSource::Image(image) => image.clone(),
            };
            let instructions = changes
                .iter()
                .filter_map(|change| change.split_whitespace().next());
            let instructions: String = instructions.map(|word| format!(" {word}")).collect();
            format!("{source} as {image}{instructions}")
        }
    }
}

fn of_selection(files: &Selection) -> String {
    let parts = files.parts.iter().map(|part| part.path.as_str());
    format!(
        "{}:{}",
        files.container,
        parts.collect::<Vec<_>>().join(",")
    )
}

fn shown(path: &LocalPath) -> String {
    let path = match &path.root {
        LocalRoot::Given(given) => given.join(&path.below),
        LocalRoot::Project => path.below.clone(),
    };
    path.display().to_string()
}
