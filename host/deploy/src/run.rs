//! One run of a container that is made for it: scripts and single commands.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use dfab_engine::{Engine, EngineError, OutputOptions, OutputPiece};
use dfab_runtime::planning::RunOptions;
use serde::Serialize;
use serde_json::{Value, json};

use crate::execute::Stop;

/// How long a run may take that says nothing about it.
const TIMEOUT_S: u32 = 15 * 60;

/// A run, with all that it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Body of the creation.
    pub body: Value,
    /// A folder that is made in the container.
    pub folder: Option<String>,
    /// What is copied into it: a local file, or the contents of a local folder.
    pub upload: Option<PathBuf>,
    /// Where its contents are copied to after the end.
    pub download: Option<PathBuf>,
    /// Seconds until it is given up.
    pub timeout_s: u32,
    /// Leave the container there.
    pub keep: bool,
    /// Each line of the output begins with the time.
    pub timestamps: bool,
    /// Only so many lines from the end of the output.
    pub tail: Option<u32>,
    /// An exit code other than 0 is a failure.
    pub must_succeed: bool,
}

/// Why a run is none.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A policy names a file that the operator did not.
    #[error("it names the local path {0}, which was not given to this command")]
    Path(String),
    /// There is nothing to copy.
    #[error("cannot read {path}")]
    Read {
        /// The local path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The results cannot be stored.
    #[error("cannot write to {path}")]
    Write {
        /// The local folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The operator asked for a stop.
    #[error("it was given up, since a stop was asked for")]
    Stopped,
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code of the container.
    pub exit_code: i64,
    /// What it printed.
    pub output: Vec<OutputPiece>,
}

impl Run {
    /// Completes what a policy asks for. Local paths are among those that the operator gave.
    pub(crate) fn new(
        options: &RunOptions,
        mut body: Value,
        paths: &[String],
    ) -> Result<Self, RunError> {
        let path = |path: &Option<String>| match path {
            Some(path) if !paths.contains(path) => Err(RunError::Path(path.clone())),
            path => Ok(path.as_ref().map(PathBuf::from)),
        };
        if let Some(fields) = body.as_object_mut() {
            if let Some(entrypoint) = &options.entrypoint {
                fields.insert("Entrypoint".to_owned(), json!(entrypoint));
            }
            if let Some(command) = &options.command {
                fields.insert("Cmd".to_owned(), json!(command));
            }
            // It runs once, and what it leaves is read before it is removed.
            let host = fields.entry("HostConfig").or_insert_with(|| json!({}));
            if let Some(host) = host.as_object_mut() {
                host.shift_remove("RestartPolicy");
                host.shift_remove("AutoRemove");
            }
        }
        let upload = path(&options.upload)?;
        if let Some(upload) = &upload {
            std::fs::metadata(upload).map_err(|source| RunError::Read {
                path: upload.clone(),
                source,
            })?;
        }
        Ok(Self {
            body,
            folder: options.folder.clone(),
            upload,
            download: path(&options.download)?,
            timeout_s: options.timeout_s.unwrap_or(TIMEOUT_S),
            keep: options.keep,
            timestamps: options.timestamps,
            tail: options.tail,
            must_succeed: options.must_succeed,
        })
    }

    /// What a person reads of it.
    pub(crate) fn detail(&self) -> String {
        let words = |name: &str| -> Vec<String> {
            let items = self.body[name].as_array().into_iter().flatten();
            items
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        let mut line = words("Entrypoint");
        line.extend(words("Cmd"));
        let mut text = shell_words::join(line);
        if let Some(upload) = &self.upload {
            text.push_str(&format!(", with {}", upload.display()));
        }
        if let Some(download) = &self.download {
            text.push_str(&format!(", results to {}", download.display()));
        }
        text
    }
}

/// Creates the container, runs it to its end, and removes it whatever happens.
///
/// # Errors
/// Where the engine refuses, the time is over, or a local file cannot be read or written.
///
/// # Cancellation
/// When dropped, the container is removed all the same, by a task of its own.
pub(crate) async fn run(
    engine: &Engine,
    name: &str,
    run: &Run,
    stop: &Stop,
) -> Result<Ended, RunError> {
    let archive = match &run.folder {
        Some(folder) => Some(archive(folder, run.upload.clone()).await?),
        None => None,
    };
    let id = engine.create_container(name, &run.body).await?;
    let mut removal = Removal {
        engine: engine.clone(),
        // By its id: another one of that name is not meant.
        container: (!run.keep).then_some(id),
    };
    let result = tokio::select! {
        result = attempt(engine, name, run, archive) => result,
        () = stopped(stop) => Err(RunError::Stopped),
    };
    match (result, removal.remove().await) {
        (Ok(ended), Ok(())) => Ok(ended),
        (Err(error), _) => Err(error),
        (Ok(_), Err(error)) => Err(error.into()),
    }
}

async fn attempt(
    engine: &Engine,
    name: &str,
    run: &Run,
    archive: Option<Bytes>,
) -> Result<Ended, RunError> {
    if let Some(archive) = archive {
        engine.put_archive(name, "/", archive).await?;
    }
    engine.start_container(name).await?;
    let timeout = Duration::from_secs(run.timeout_s.into());
    let exit_code = engine.wait_container(name, timeout).await?;
    let options = OutputOptions {
        tail: run.tail,
        timestamps: run.timestamps,
    };
    if let (Some(folder), Some(local)) = (&run.folder, &run.download) {
        download(engine, name, folder, local).await?;
    }
    // Not every log driver can be read; that is no failure of the run.
    let output = engine.output(name, options).await.unwrap_or_else(|error| {
        tracing::warn!("what {name} has printed cannot be read: {error}");
        Vec::new()
    });
    Ok(Ended { exit_code, output })
}

/// Ends when a stop is asked for.
async fn stopped(stop: &Stop) {
    while !stop.is_stopped() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Removes a container, at the latest when it is dropped.
struct Removal {
    engine: Engine,
    container: Option<String>,
}

impl Removal {
    async fn remove(&mut self) -> Result<(), EngineError> {
        let Some(container) = &self.container else {
            return Ok(());
        };
        let removed = self.engine.remove_container(container, true, true).await;
        self.container = None;
        match removed {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let (Some(container), Ok(runtime)) =
            (self.container.take(), tokio::runtime::Handle::try_current())
        {
            let engine = self.engine.clone();
            runtime.spawn(async move { engine.remove_container(&container, true, true).await });
        }
    }
}

/// A tar archive of the folder in the container, with what is copied into it.
async fn archive(folder: &str, upload: Option<PathBuf>) -> Result<Bytes, RunError> {
    let inside = PathBuf::from(folder.trim_start_matches('/'));
    let path = upload.clone().unwrap_or_default();
    let built = tokio::task::spawn_blocking(move || build_archive(&inside, upload.as_deref()));
    match built.await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(source)) => Err(RunError::Read { path, source }),
        Err(error) => Err(RunError::Read {
            path,
            source: std::io::Error::other(error),
        }),
    }
}

fn build_archive(inside: &Path, upload: Option<&Path>) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(true);
    // Whoever runs in the container may leave results there.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o777);
    header.set_size(0);
    archive.append_data(&mut header, inside.join(""), std::io::empty())?;
    match upload {
        Some(path) if path.is_dir() => {
            for entry in std::fs::read_dir(path)? {
                let entry = entry?;
                let target = inside.join(entry.file_name());
                if entry.path().is_dir() {
                    archive.append_dir_all(target, entry.path())?;
                } else {
                    archive.append_path_with_name(entry.path(), target)?;
                }
            }
        }
        Some(path) => {
            let name = path.file_name().unwrap_or_default();
            archive.append_path_with_name(path, inside.join(name))?;
        }
        None => {}
    }
    archive.into_inner()
}

/// Copies the contents of a folder in a container into a local one.
async fn download(
    engine: &Engine,
    container: &str,
    folder: &str,
    local: &Path,
) -> Result<(), RunError> {
    let failed = |source| RunError::Write {
        path: local.to_owned(),
        source,
    };
    let file = tempfile::tempfile().map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(file);
    engine.get_archive(container, folder, &mut writer).await?;
    let file = writer.into_std().await;
    let target = local.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(file, &target)).await;
    match unpacked {
        Ok(result) => result.map_err(failed),
        Err(error) => Err(failed(std::io::Error::other(error))),
    }
}

/// Unpacks without the first part of each path, which is the folder's own name. What would lead out
/// of the folder is left out by the library.
fn unpack(mut file: std::fs::File, target: &Path) -> std::io::Result<()> {
    use std::io::Seek as _;
    file.rewind()?;
    std::fs::create_dir_all(target)?;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path: PathBuf = entry.path()?.components().skip(1).collect();
        let is_plain = path
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if path.as_os_str().is_empty() || !is_plain {
            continue;
        }
        let place = target.join(&path);
        if entry.header().entry_type().is_dir() {
            std::fs::create_dir_all(&place)?;
        } else if entry.header().entry_type().is_file() {
            if let Some(parent) = place.parent() {
                std::fs::create_dir_all(parent)?;
            }
            // A new file, never through a link that an earlier entry left.
            let mut out = std::fs::File::create(&place)?;
            std::io::copy(&mut entry, &mut out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RunOptions {
        RunOptions {
            entrypoint: Some(vec!["/bin/sh".to_owned()]),
            command: Some(vec!["-c".to_owned(), "a b".to_owned()]),
            folder: Some("/tmp/script_run".to_owned()),
            upload: None,
            download: None,
            timeout_s: None,
            keep: false,
            timestamps: false,
            tail: None,
            must_succeed: false,
        }
    }

    #[test]
    fn only_paths_of_the_operator_are_taken() {
        let mut options = options();
        options.upload = Some("/etc/passwd".to_owned());
        let error = Run::new(&options, json!({}), &[]).unwrap_err();
        assert!(matches!(error, RunError::Path(_)), "{error}");
        let allowed = ["/etc/passwd".to_owned()];
        assert!(Run::new(&options, json!({}), &allowed).is_ok());
        options.upload = Some("/no/such/file".to_owned());
        let error = Run::new(&options, json!({}), &["/no/such/file".to_owned()]).unwrap_err();
        assert!(matches!(error, RunError::Read { .. }), "{error}");
    }

    #[test]
    fn a_run_happens_once_with_its_own_command() {
        let body = json!({ "Cmd": ["x"], "HostConfig": { "RestartPolicy": { "Name": "always" } } });
        let run = Run::new(&options(), body, &[]).unwrap();
        assert_eq!(
            run.body,
            json!({ "Cmd": ["-c", "a b"], "HostConfig": {}, "Entrypoint": ["/bin/sh"] })
        );
        assert_eq!(run.detail(), "/bin/sh -c 'a b'");
    }

    #[test]
    fn results_do_not_leave_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = tar::Builder::new(tempfile::tempfile().unwrap());
        for name in ["run/a/b.txt", "run/c"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            archive.append_data(&mut header, name, &b"hi"[..]).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.as_old_mut().name[..11].copy_from_slice(b"run/../../x");
        header.set_cksum();
        archive.append(&header, &b"no"[..]).unwrap();
        let target = folder.path().join("results");
        unpack(archive.into_inner().unwrap(), &target).unwrap();
        assert_eq!(std::fs::read(target.join("a/b.txt")).unwrap(), b"hi");
        assert!(target.join("c").is_file());
        assert!(!folder.path().join("x").exists());
    }
}
