//! The effects that a component may ask for, each with all that it needs.

use crate::Level;
use crate::label_scope::Labels;
use crate::local_path::{LocalPath, LocalRoot};
use crate::privilege::AsUser;
use crate::remote_path::RemotePath;
use crate::task::{BuildOptions, Form, Selection};

/// An effect that a component asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum HostCall {
    /// What everybody may do: it has no effect on a host.
    Free(Free),
    /// One setting of the project.
    Setting {
        /// Its name.
        name: String,
    },
    /// The version of the engine.
    Version,
    /// The system information of the engine.
    Info,
    /// The list of containers.
    Containers,
    /// The list of images.
    Images,
    /// The list of networks.
    Networks,
    /// The list of volumes.
    Volumes,
    /// All that the engine tells of one object.
    Inspect(Object),
    /// The labels of an object, where a grant depends on them. Asked by dfab for its own decision; the
    /// component does not get them.
    Look(Labelled),
    /// A change of one object.
    Change(Change),
    /// Bytes between the engine and this machine, or within the engine.
    Transfer(Transfer),
    /// A raw request to the engine, in canonical form.
    Request {
        /// In capitals.
        method: &'static str,
        /// Path and query, without version.
        path: String,
    },
    /// Whether there is a shell.
    Shell,
    /// A command in the shell: these words, or any line.
    Run {
        /// What is run.
        line: String,
        /// Those of the line; none where it is as the component wrote it.
        words: Option<Vec<String>>,
    },
    /// A command as another user.
    RunAs(AsUser),
    /// A command in a container.
    RunInContainer(ContainerCommand),
}

/// A call that everybody may make.
#[derive(Clone, Debug, PartialEq)]
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

/// An object with labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labelled {
    /// By name or id.
    Container(String),
    /// By name or id.
    Network(String),
    /// By name.
    Volume(String),
}

/// What was found of an object with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// By which it is this object and no other, whatever is called so later. Volumes have their name
    /// only.
    pub id: String,
    /// All of them.
    pub labels: Labels,
}

/// A command in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerCommand {
    /// Name or id.
    pub container: String,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Instead of the container's own.
    pub user: Option<String>,
    /// Seconds.
    pub timeout_s: Option<u32>,
}

/// An object that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// By name or id.
    Container(String),
    /// By name or id.
    Image(String),
}

impl HostCall {
    /// The local paths that it may use since the operator gave them.
    pub(crate) fn given_paths(&self) -> Vec<String> {
        let path = match self {
            Self::Transfer(
                Transfer::Upload { local: path, .. }
                | Transfer::BuildImage { folder: path, .. }
                | Transfer::Download { to: path, .. }
                | Transfer::CopyFromContainer { to: path, .. }
                | Transfer::CopyToContainer { local: path, .. }
                | Transfer::SaveImages { to: path, .. }
                | Transfer::LoadImages { file: path }
                | Transfer::ImportImage {
                    source: ImageSource::File(path),
                    ..
                },
            ) => path,
            _ => return Vec::new(),
        };
        match &path.root {
            LocalRoot::Given(given) => vec![given.display().to_string()],
            LocalRoot::Project => Vec::new(),
        }
    }

    /// The object whose labels a grant may be restricted to.
    pub(crate) fn labelled(&self) -> Option<Labelled> {
        let container = |name: &String| Some(Labelled::Container(name.clone()));
        match self {
            Self::Change(change) => match change {
                Change::StopContainer {
                    container: name, ..
                }
                | Change::RemoveContainer {
                    container: name, ..
                } => container(name),
                Change::RemoveNetwork { network } => Some(Labelled::Network(network.clone())),
                Change::RemoveVolume { volume } => Some(Labelled::Volume(volume.clone())),
                Change::RemoveImage { .. }
                | Change::TagImage { .. }
                | Change::PullImage { .. }
                | Change::PushImage { .. } => None,
            },
            Self::Transfer(transfer) => match transfer {
                Transfer::CopyFromContainer { files, .. }
                | Transfer::ImportImage {
                    source: ImageSource::Selection(files),
                    ..
                } => container(&files.container),
                Transfer::CopyToContainer {
                    container: name, ..
                } => container(name),
                Transfer::ImportImage { .. }
                | Transfer::SaveImages { .. }
                | Transfer::LoadImages { .. }
                | Transfer::BuildImage { .. }
                | Transfer::Upload { .. }
                | Transfer::Download { .. } => None,
            },
            Self::RunInContainer(command) => container(&command.container),
            Self::Inspect(Object::Container(name)) => container(name),
            Self::Free(_)
            | Self::Setting { .. }
            | Self::Version
            | Self::Info
            | Self::Containers
            | Self::Images
            | Self::Networks
            | Self::Volumes
            | Self::Inspect(Object::Image(_))
            | Self::Look(_)
            | Self::Request { .. }
            | Self::Shell
            | Self::Run { .. }
            | Self::RunAs(_) => None,
        }
    }

    /// The same of exactly that object, whatever has its name by then.
    pub(crate) fn of_object(mut self, id: &str) -> Self {
        match &mut self {
            Self::Change(
                Change::StopContainer {
                    container: name, ..
                }
                | Change::RemoveContainer {
                    container: name, ..
                }
                | Change::RemoveNetwork { network: name }
                | Change::RemoveVolume { volume: name },
            )
            | Self::Transfer(Transfer::CopyToContainer {
                container: name, ..
            }) => {
                id.clone_into(name);
            }
            Self::Transfer(
                Transfer::CopyFromContainer { files, .. }
                | Transfer::ImportImage {
                    source: ImageSource::Selection(files),
                    ..
                },
            ) => id.clone_into(&mut files.container),
            Self::RunInContainer(command) => id.clone_into(&mut command.container),
            Self::Inspect(Object::Container(name)) => id.clone_into(name),
            _ => {}
        }
        self
    }
}

/// A change that answers with nothing but its success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stops a container; one that does not run is left as it is.
    StopContainer {
        /// Name or id.
        container: String,
        /// Until it is killed; its own time without.
        timeout_s: Option<u32>,
    },
    /// Removes a container.
    RemoveContainer {
        /// Name or id.
        container: String,
        /// Also one that runs.
        force: bool,
        /// Its anonymous volumes too.
        volumes: bool,
    },
    /// Removes a name of an image, and the image with its last name.
    RemoveImage {
        /// Name or id.
        image: String,
        /// Also where a stopped container is of it.
        force: bool,
    },
    /// Gives an image another name.
    TagImage {
        /// Name or id.
        image: String,
        /// The other name.
        name: String,
    },
    /// Pulls an image.
    PullImage {
        /// Its name.
        image: String,
    },
    /// Pushes an image.
    PushImage {
        /// Its name.
        image: String,
    },
    /// Removes a network.
    RemoveNetwork {
        /// Name or id.
        network: String,
    },
    /// Removes a volume.
    RemoveVolume {
        /// Its name.
        volume: String,
    },
}

/// Bytes on their way.
#[derive(Clone, Debug, PartialEq)]
pub enum Transfer {
    /// A file to the host.
    Upload {
        /// The file.
        local: LocalPath,
        /// What it becomes.
        remote: RemotePath,
        /// Its permissions there.
        mode: Option<u32>,
    },
    /// A file of the host.
    Download {
        /// Which.
        remote: RemotePath,
        /// The file that is made.
        to: LocalPath,
    },
    /// An image of a folder of this machine.
    BuildImage {
        /// The folder.
        folder: LocalPath,
        /// What the image is called.
        names: Vec<String>,
        /// How it is built.
        options: BuildOptions,
    },
    /// Files of a container to this machine.
    CopyFromContainer {
        /// Which.
        files: Selection,
        /// The folder or the file that is made.
        to: LocalPath,
        /// What is made.
        form: Form,
    },
    /// A file or the contents of a folder into a container.
    CopyToContainer {
        /// Where they are.
        local: LocalPath,
        /// Name or id.
        container: String,
        /// Absolute, in the container.
        folder: String,
    },
    /// Images to a file of this machine.
    SaveImages {
        /// Names or ids.
        images: Vec<String>,
        /// The file.
        to: LocalPath,
    },
    /// The images of a file of this machine.
    LoadImages {
        /// The file.
        file: LocalPath,
    },
    /// An image made of files.
    ImportImage {
        /// The files.
        source: ImageSource,
        /// The image's name.
        image: String,
        /// As `docker import --change` takes them.
        changes: Vec<String>,
    },
}

/// What an image is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// An archive on this machine.
    File(LocalPath),
    /// Files of a container.
    Selection(Selection),
    /// All files of another image.
    Image(String),
}

/// What came of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// That came from the engine, or went to the host or came from it.
    pub bytes: u64,
    /// Names or ids of images that were made.
    pub images: Vec<String>,
    /// What was left out, each with the reason.
    pub left_out: Vec<String>,
}
