//! Build contexts: a folder as an engine gets it to build an image of, packed once for all hosts.
//!
//! What `.dockerignore` leaves out is what Docker leaves out, and what has the name of the Dockerfile
//! and `.dockerignore` after it goes before. Owners are root; modes, times and links are as they are.

mod ignore;
mod packing;
mod pattern;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::ignore::{Ignore, Verdict};
use self::packing::{Packing, Rules};
pub use self::pattern::PatternMistake;

/// The file that says what stays out.
const IGNORE_FILE: &str = ".dockerignore";

/// A packed context, in a file without a name: it is gone with the last clone.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// The tar archive.
    pub archive: Arc<File>,
    /// The path of the Dockerfile in it.
    pub dockerfile: String,
    /// How many files it has.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// What is neither a file nor a folder nor a link, and stays out.
    pub left_out: Vec<PathBuf>,
}

/// Why a folder is no context.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The folder cannot be read.
    #[error("cannot read the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No Dockerfile.
    #[error("cannot read the Dockerfile {path}")]
    Dockerfile {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The ignore file cannot be read.
    #[error("cannot read {path}")]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of the ignore file is no pattern.
    #[error("{path}:{line}: {text:?} is no pattern")]
    Pattern {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        #[source]
        source: PatternMistake,
    },
    /// A file cannot be packed.
    #[error("cannot pack {path} for the build")]
    Pack {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file was written while it was read.
    #[error("{path} changed while it was packed; try again when nothing writes to it")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// No room for the archive.
    #[error("cannot write the packed folder to a temporary file")]
    Write {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BuildContext {
    /// Packs a folder, with its Dockerfile or with one that is somewhere else.
    ///
    /// # Errors
    /// Where something cannot be read, or an ignore file has a mistake.
    ///
    /// # Cancellation
    /// When dropped, what was begun goes on to its end, and is thrown away.
    pub async fn pack(folder: &Path, dockerfile: Option<&Path>) -> Result<Self, ContextError> {
        let (folder, dockerfile) = (folder.to_owned(), dockerfile.map(Path::to_owned));
        let packed = tokio::task::spawn_blocking(move || pack(&folder, dockerfile.as_deref()));
        packed.await.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(ContextError::Write { source })
        })
    }
}

fn pack(folder: &Path, dockerfile: Option<&Path>) -> Result<BuildContext, ContextError> {
    let root = folder
        .canonicalize()
        .and_then(|root| std::fs::read_dir(&root).map(|_| root))
        .map_err(|source| ContextError::Folder {
            path: folder.to_owned(),
            source,
        })?;
    let dockerfile = Dockerfile::find(&root, folder, dockerfile)?;
    let (rules, name) = rules(&root, folder, dockerfile)?;
    let packed = Packing::new(&root, &rules)?.finish()?;
    Ok(BuildContext {
        archive: Arc::new(packed.archive),
        dockerfile: name,
        files: packed.files,
        bytes: packed.bytes,
        left_out: packed.left_out,
    })
}

/// The Dockerfile.
struct Dockerfile {
    /// As it was named.
    path: PathBuf,
    place: Place,
}

/// Where it is in the end: a link to it may be anywhere.
enum Place {
    /// At this path below the folder.
    Inside(String),
    /// Somewhere else.
    Outside(PathBuf),
}

impl Dockerfile {
    fn find(root: &Path, folder: &Path, given: Option<&Path>) -> Result<Self, ContextError> {
        let preset = || {
            let names = ["Dockerfile", "dockerfile"].map(|name| folder.join(name));
            let [usual, lower] = names;
            if !usual.exists() && lower.exists() {
                lower
            } else {
                usual
            }
        };
        let path = given.map_or_else(preset, Path::to_owned);
        let found = path.canonicalize().and_then(|found| {
            let is_file = found.metadata()?.is_file();
            is_file
                .then_some(found)
                .ok_or_else(|| io::Error::other("it is no file"))
        });
        let found = match found {
            Ok(found) => found,
            Err(source) => return Err(ContextError::Dockerfile { path, source }),
        };
        let inside = found.strip_prefix(root).ok().and_then(Path::to_str);
        let place = match inside {
            Some(inside) => Place::Inside(inside.to_owned()),
            None => Place::Outside(found),
        };
        Ok(Self { path, place })
    }
}

/// What goes into the archive, and what the Dockerfile is called there.
///
/// The engine takes the Dockerfile and `.dockerignore` out of the context again where `.dockerignore`
/// names them, so these two always go to it.
fn rules(
    root: &Path,
    folder: &Path,
    dockerfile: Dockerfile,
) -> Result<(Rules, String), ContextError> {
    let mut beside = dockerfile.path.into_os_string();
    beside.push(IGNORE_FILE);
    let beside = PathBuf::from(beside);
    let usual = folder.join(IGNORE_FILE);
    let own = read_ignore_file(&usual)?;
    let special = read_ignore_file(&beside)?;
    let is_special = special.is_some();
    let (text, path) = match (special, &own) {
        (Some(text), _) => (text, beside),
        (None, Some(text)) => (text.clone(), usual),
        (None, None) => (String::new(), usual),
    };
    let mut ignore = Ignore::parse(&text).map_err(|wrong| ContextError::Pattern {
        path,
        line: wrong.line,
        text: wrong.text,
        source: wrong.mistake,
    })?;
    let own_ignored = ignore.judge(IGNORE_FILE, &Verdict::default()).is_ignored;
    // What the engine is to take out again.
    let mut lines = match own {
        Some(own) if !(is_special && own_ignored) => own,
        _ if is_special => format!("{text}\n{IGNORE_FILE}\n"),
        _ => format!("{IGNORE_FILE}\n"),
    };
    let mut made = Vec::new();
    let name = match dockerfile.place {
        Place::Inside(path) => path,
        Place::Outside(path) => {
            let text =
                std::fs::read(&path).map_err(|source| ContextError::Dockerfile { path, source })?;
            let name = free_name(root);
            lines.push_str(&format!("\n{name}\n"));
            made.push((name.clone(), text));
            name
        }
    };
    if is_special || !made.is_empty() {
        made.push((IGNORE_FILE.to_owned(), lines.into_bytes()));
    }
    ignore.exempt(&name);
    ignore.exempt(IGNORE_FILE);
    Ok((Rules { ignore, made }, name))
}

/// A name that nothing in the folder has.
fn free_name(root: &Path) -> String {
    let mut name = ".dockerfile".to_owned();
    while root.join(&name).symlink_metadata().is_ok() {
        name.push('_');
    }
    name
}

/// The text of an ignore file; none where there is no such file. Docker reads names as bytes, and what is
/// no text is no name that people write.
fn read_ignore_file(path: &Path) -> Result<Option<String>, ContextError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ContextError::IgnoreFile {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;
