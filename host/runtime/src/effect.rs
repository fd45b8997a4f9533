//! The effects that a component may ask for, each with all that it needs: what is checked is what is
//! done.

use std::borrow::Cow;

use crate::label_scope::Labels;
use crate::local_path::LocalPath;
use crate::privilege::AsUser;
use crate::quoting::quoted_line;
use crate::remote_path::RemotePath;
use crate::task::{BuildOptions, Form, Selection};

/// One setting of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSetting {
    /// Its name.
    pub name: String,
}

/// The version of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadVersion;

/// The system information of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadInfo;

/// The list of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListContainers {
    /// Also those that do not run.
    pub all: bool,
    /// As the Engine API takes them.
    pub filters: Filters,
}

/// The list of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListImages {
    /// Also those between the layers of others.
    pub all: bool,
    /// As the Engine API takes them.
    pub filters: Filters,
}

/// The list of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNetworks {
    /// As the Engine API takes them.
    pub filters: Filters,
}

/// The list of volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListVolumes {
    /// As the Engine API takes them.
    pub filters: Filters,
}

/// Names of filters, each with a value.
pub type Filters = Vec<(String, String)>;

/// All that the engine tells of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspect {
    /// By name or id.
    Container(String),
    /// By name or id.
    Image(String),
}

/// The labels of an object, where a grant depends on them. Asked by dfab for its own decision; the
/// component does not get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
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
pub struct RunInContainer {
    /// Name or id.
    pub container: String,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Instead of the container's own.
    pub user: Option<String>,
    /// Seconds.
    pub timeout_s: Option<u32>,
}

/// A raw request to the engine, in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    /// In capitals.
    pub method: &'static str,
    /// Path without version, and the query after `?` where there is one.
    pub path: String,
    /// JSON.
    pub body: Option<String>,
}

/// Whether there is a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindShell;

/// A command in the login shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCommand {
    /// What is run.
    pub command: CommandLine,
    /// What it reads.
    pub stdin: Option<Vec<u8>>,
    /// Seconds.
    pub timeout_s: Option<u32>,
}

/// A command for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Any line, as the component wrote it.
    Line(String),
    /// One command of these words, in which no shell sees more.
    Words(Vec<String>),
}

/// A command as another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// Who runs what.
    pub command: AsUser,
    /// What it reads.
    pub stdin: Option<Vec<u8>>,
    /// Seconds.
    pub timeout_s: Option<u32>,
}

/// A file to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The file.
    pub local: LocalPath,
    /// What it becomes.
    pub remote: RemotePath,
    /// Its permissions there.
    pub mode: Option<u32>,
}

/// A file of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Which.
    pub remote: RemotePath,
    /// The file that is made.
    pub to: LocalPath,
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

/// Bytes between the engine and this machine, or within the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Transfer {
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
    /// That came from the engine.
    pub bytes: u64,
    /// Names or ids of images that were made.
    pub images: Vec<String>,
    /// What was left out, each with the reason.
    pub left_out: Vec<String>,
}

impl CommandLine {
    /// The line that the shell gets.
    #[must_use]
    pub fn line(&self) -> Cow<'_, str> {
        match self {
            Self::Line(line) => line.into(),
            Self::Words(words) => quoted_line(words).into(),
        }
    }
}
