//! One run of a container that is made for it: scripts and single commands.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use dfab_engine::{Engine, EngineError, OutputOptions, OutputPiece};
use dfab_runtime::planning::RunOptions;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::execute::Stop;
use crate::preparation::{self, Preparation, PreparationError};
use crate::temporary::Temporary;
use crate::unpack::unpack;

/// How long a run may take that says nothing about it.
const TIMEOUT_S: u32 = 15 * 60;
/// How long one that is given up may take to end by itself, in seconds.
const GRACE_S: u32 = 3;
/// From how many bytes on an upload goes where it holds up nothing else.
const BULK: usize = 4 << 20;

/// A run, with all that it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Body of the creation.
    pub body: Value,
    /// The volumes that it attaches and that want an owner or permissions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prepares: Vec<Preparation>,
    /// A folder that is made in the container: a volume of its own.
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
    /// What is to be run is no program, or not one for everybody who may be the user there.
    #[error(
        "the engine cannot run {command}: make the file executable (`chmod +x`), with a first line such \
         as #!/bin/sh; or name what reads it, such as --entrypoint /bin/sh"
    )]
    NotExecutable {
        /// The command line.
        command: String,
        /// What the engine said.
        #[source]
        source: EngineError,
    },
    /// A volume that it attaches is not as it should be.
    #[error(transparent)]
    Preparation(#[from] PreparationError),
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
    /// What of its results was not copied, each with the reason.
    pub left_out: Vec<String>,
}

impl Run {
    /// Completes what a policy asks for. Local paths are among those that the operator gave.
    pub(crate) fn new(
        options: &RunOptions,
        mut body: Value,
        prepares: Vec<Preparation>,
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
            if let Some(folder) = &options.folder {
                mount(fields, folder);
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
            prepares,
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

    /// What is run.
    fn line(&self) -> String {
        let words = |name: &str| -> Vec<String> {
            let items = self.body[name].as_array().into_iter().flatten();
            items
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        let mut line = words("Entrypoint");
        line.extend(words("Cmd"));
        shell_words::join(line)
    }

    /// What a person reads of it.
    pub(crate) fn detail(&self) -> String {
        let mut text = self.line();
        if let Some(upload) = &self.upload {
            text.push_str(&format!(", with {}", upload.display()));
        }
        if let Some(download) = &self.download {
            text.push_str(&format!(", results to {}", download.display()));
        }
        text
    }
}

/// Creates the container, prepares the volumes that it attaches, runs it to its end, and removes it
/// whatever happens. One that is given up is stopped first, with [`GRACE_S`].
///
/// # Errors
/// Where the engine refuses, the time is over, or a local file cannot be read or written.
///
/// # Cancellation
/// When dropped, the container is removed all the same, by a task of its own, also while it is being
/// created.
pub(crate) async fn run(
    engine: &Engine,
    name: &str,
    run: &Run,
    stop: &Stop,
) -> Result<Ended, RunError> {
    let archive = match &run.upload {
        Some(upload) => Some(archive(upload.clone()).await?),
        None => None,
    };
    let mut container = Temporary::create(engine, name, &run.body, stop.hold()).await?;
    let result = tokio::select! {
        result = attempt(engine, name, run, archive, stop) => result,
        () = stop.asked() => Err(RunError::Stopped),
    };
    let is_reachable = !matches!(&result, Err(RunError::Engine(error)) if error.is_unreachable());
    if result.is_err() && is_reachable {
        tokio::select! {
            // One that was not started or has ended is as wanted; what else there is to say about it
            // its removal will say.
            _ = engine.stop_container(name, None, Some(GRACE_S)) => {}
            () = stop.asked_at_once() => {}
        }
    }
    if run.keep {
        container.keep();
    }
    match (result, container.remove().await) {
        (Ok(ended), Ok(())) => Ok(ended),
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(why)) => {
            tracing::warn!("container {name} is left on the engine: {why}");
            Err(error)
        }
        (Ok(_), Err(error)) => Err(error.into()),
    }
}

async fn attempt(
    engine: &Engine,
    name: &str,
    run: &Run,
    archive: Option<Bytes>,
    stop: &Stop,
) -> Result<Ended, RunError> {
    for preparation in &run.prepares {
        preparation::prepare(engine, name, preparation, stop).await?;
    }
    if let Some(folder) = &run.folder {
        // Whoever runs in the container may leave results there.
        let mode = Some(0o777);
        engine.set_ownership(name, folder, None, None, mode).await?;
        if let Some(archive) = archive {
            let to = match archive.len() {
                BULK.. => &engine.for_bulk().await,
                _ => engine,
            };
            to.put_archive(name, folder, archive).await?;
        }
    }
    let started = engine.start_container(name).await;
    started.map_err(|error| match (is_no_program(&error), &run.upload) {
        (true, Some(_)) => RunError::NotExecutable {
            command: run.line(),
            source: error,
        },
        _ => error.into(),
    })?;
    let timeout = Duration::from_secs(run.timeout_s.into());
    let exit_code = engine.wait_container(name, timeout).await?;
    let options = OutputOptions {
        tail: run.tail,
        timestamps: run.timestamps,
    };
    let mut left_out = Vec::new();
    if let (Some(folder), Some(local)) = (&run.folder, &run.download) {
        left_out = download(engine, name, folder, local).await?;
    }
    // Not every log driver can be read; that is no failure of the run.
    let output = engine.output(name, options).await.unwrap_or_else(|error| {
        tracing::warn!("what {name} has printed cannot be read: {error}");
        Vec::new()
    });
    Ok(Ended {
        exit_code,
        output,
        left_out,
    })
}

/// Whether a container did not start for what it was to run: no `x`, or no first line that says what reads
/// it. Engines have no code for it.
fn is_no_program(error: &EngineError) -> bool {
    let EngineError::Refused { message, .. } = error else {
        return false;
    };
    message.contains("exec")
        && ["permission denied", "exec format error"]
            .iter()
            .any(|reason| message.to_lowercase().contains(reason))
}

/// A tar archive of a local file, or of the contents of a local folder.
async fn archive(path: PathBuf) -> Result<Bytes, RunError> {
    let source = path.clone();
    let built = tokio::task::spawn_blocking(move || build_archive(&source));
    match built.await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(source)) => Err(RunError::Read { path, source }),
        Err(error) => Err(RunError::Read {
            path,
            source: std::io::Error::other(error),
        }),
    }
}

fn build_archive(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(true);
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.path().is_dir() {
                archive.append_dir_all(entry.file_name(), entry.path())?;
            } else {
                archive.append_path_with_name(entry.path(), entry.file_name())?;
            }
        }
    } else {
        archive.append_path_with_name(path, path.file_name().unwrap_or_default())?;
    }
    archive.into_inner()
}

/// Copies the contents of a folder in a container into a local one; returns what was left out.
async fn download(
    engine: &Engine,
    container: &str,
    folder: &str,
    local: &Path,
) -> Result<Vec<String>, RunError> {
    let failed = |source| RunError::Write {
        path: local.to_owned(),
        source,
    };
    let file = tempfile::tempfile().map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(file);
    let from = engine.for_bulk().await;
    from.get_archive(container, folder, &mut writer).await?;
    let mut file = writer.into_std().await;
    let target = local.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || {
        file.rewind()?;
        std::fs::create_dir_all(&target)?;
        let folder = Dir::open_ambient_dir(&target, ambient_authority())?;
        unpack(std::io::BufReader::new(file), folder, 1)
    });
    match unpacked.await {
        Ok(result) => result.map_err(failed),
        Err(error) => Err(failed(std::io::Error::other(error))),
    }
}

/// Makes the run's folder a volume of its own: a container whose files are read-only can have one, and
/// it is not hidden by what is mounted above. A mount of the map's at that very place stays, but for
/// one in memory, which nothing can be copied into or out of.
fn mount(fields: &mut Map<String, Value>, folder: &str) {
    let is_folder = |path: &str| path.trim_end_matches('/') == folder;
    if let Some(host) = fields.get_mut("HostConfig").and_then(Value::as_object_mut) {
        if let Some(tmpfs) = host.get_mut("Tmpfs").and_then(Value::as_object_mut) {
            tmpfs.retain(|path, _| !is_folder(path));
        }
        if let Some(mounts) = host.get_mut("Mounts").and_then(Value::as_array_mut) {
            mounts.retain(|mount| {
                mount["Type"] != "tmpfs" || !mount["Target"].as_str().is_some_and(is_folder)
            });
        }
    }
    let volumes = fields.entry("Volumes").or_insert_with(|| json!({}));
    if let Some(volumes) = volumes.as_object_mut() {
        volumes.insert(folder.to_owned(), json!({}));
    }
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
        let error = Run::new(&options, json!({}), Vec::new(), &[]).unwrap_err();
        assert!(matches!(error, RunError::Path(_)), "{error}");
        let allowed = ["/etc/passwd".to_owned()];
        assert!(Run::new(&options, json!({}), Vec::new(), &allowed).is_ok());
        options.upload = Some("/no/such/file".to_owned());
        let error = Run::new(
            &options,
            json!({}),
            Vec::new(),
            &["/no/such/file".to_owned()],
        )
        .unwrap_err();
        assert!(matches!(error, RunError::Read { .. }), "{error}");
    }

    #[test]
    fn a_run_happens_once_with_its_own_command() {
        let body = json!({ "Cmd": ["x"], "HostConfig": { "RestartPolicy": { "Name": "always" } } });
        let run = Run::new(&options(), body, Vec::new(), &[]).unwrap();
        assert_eq!(
            run.body,
            json!({
                "Cmd": ["-c", "a b"], "HostConfig": {}, "Entrypoint": ["/bin/sh"],
                "Volumes": { "/tmp/script_run": {} },
            })
        );
        assert_eq!(run.detail(), "/bin/sh -c 'a b'");
    }

    #[test]
    fn what_is_no_program_is_told_apart() {
        let refused = |message: &str| {
            is_no_program(&EngineError::Refused {
                operation: "start".to_owned(),
                status: 400,
                message: message.to_owned(),
            })
        };
        assert!(refused(
            "failed to create shim: OCI runtime create failed: exec: \"/tmp/script_run/job.sh\": permission denied: unknown"
        ));
        assert!(refused(
            "runc create failed: exec /tmp/a: exec format error"
        ));
        assert!(!refused(
            "exec: \"nosuch\": executable file not found in $PATH"
        ));
    }

    #[test]
    fn the_folder_is_a_volume_and_nothing_in_memory() {
        let body = json!({ "Volumes": { "/srv": {} }, "HostConfig": {
            "Tmpfs": { "/tmp": "", "/tmp/script_run/": "size=1m" },
            "Mounts": [
                { "Type": "tmpfs", "Target": "/tmp/script_run" },
                { "Type": "volume", "Source": "x", "Target": "/tmp/script_run" },
            ],
        }});
        let run = Run::new(&options(), body, Vec::new(), &[]).unwrap();
        assert_eq!(
            run.body["Volumes"],
            json!({ "/srv": {}, "/tmp/script_run": {} })
        );
        assert_eq!(run.body["HostConfig"]["Tmpfs"], json!({ "/tmp": "" }));
        assert_eq!(run.body["HostConfig"]["Mounts"][0]["Type"], "volume");
    }
}
