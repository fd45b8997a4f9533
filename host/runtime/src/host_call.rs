//! The effects that a component may ask for, each with all that it needs.

use crate::local_path::LocalPath;
use crate::task::{Form, Selection};

/// An effect that a component asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum HostCall {
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
        /// None where the line is as the component wrote it.
        words: Option<Vec<String>>,
    },
}

/// An object that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// By name or id.
    Container(String),
    /// By name or id.
    Image(String),
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
