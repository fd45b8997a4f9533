//! What a task may reach: the engine and the shell of the one host that it runs for.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dfab_deploy::execute::Stop;
use dfab_deploy::host::{Host, HostError};
use dfab_deploy::plan::folder_name;
use dfab_deploy::transfer::{self, Place, Source, TransferError};
use dfab_engine::{BuildRequest, Engine, EngineError};
use dfab_runtime::task::{
    ContainerOutcome, ContainerSummary, Form, ImageSummary, NetworkSummary, Outcome, Port,
    VolumeSummary,
};
use dfab_runtime::{
    CallError, Change, Download, FindShell, ImageSource, Inspect, Level, ListContainers,
    ListImages, ListNetworks, ListVolumes, LocalPath, LocalRoot, LogSink, Look, Looked, Permit,
    RawRequest, ReadInfo, ReadSetting, ReadVersion, RunAs, RunCommand, RunInContainer, TaskHost,
    Transfer, Transferred, Upload,
};
use dfab_ssh::{RunError, Session};
use serde_json::{Map, Value};

use crate::failure::{Code, Failure, describe};

/// How long a command runs that a task gives no time.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// The permissions of an uploaded file for which a task names none.
const FILE_MODE: u32 = 0o644;
/// How much a command may print, in bytes.
const OUTPUT_LIMIT: usize = 16 << 20;

/// One host, as a task sees it.
#[derive(Debug)]
pub(crate) struct TaskContext {
    pub(crate) host: Arc<Host>,
    pub(crate) settings: Arc<Map<String, Value>>,
    /// The local paths that the operator gave to the task.
    pub(crate) given_paths: Arc<[String]>,
    /// Those of them that are this host's alone.
    pub(crate) own_paths: Vec<String>,
    /// The folder of the project.
    pub(crate) folder: Arc<Path>,
    /// Whether the task runs for other hosts too.
    pub(crate) has_others: bool,
    /// Held for as long as there is something to clear away.
    pub(crate) stop: Stop,
    pub(crate) hints: Mutex<Vec<String>>,
}

#[async_trait]
impl TaskHost for TaskContext {
    fn name(&self) -> String {
        self.host.name().to_owned()
    }

    fn log(&self, level: Level, message: &str) {
        Log {
            host: Some(self.host.name()),
        }
        .write(level, message);
    }

    fn given_paths(&self) -> &[String] {
        &self.given_paths
    }

    async fn setting(&self, permit: Permit<ReadSetting>) -> Result<Option<String>, CallError> {
        let ReadSetting { name } = permit.into_effect();
        if name == crate::settings::SECRET {
            return Err(CallError::Denied(format!(
                "{name} is for the connection to the registry alone"
            )));
        }
        Ok(self.settings.get(&name).map(Value::to_string))
    }

    async fn version(&self, _: Permit<ReadVersion>) -> Result<String, CallError> {
        let engine = self.engine().await?;
        engine.version().await.map_err(refused)
    }

    async fn info(&self, _: Permit<ReadInfo>) -> Result<String, CallError> {
        let engine = self.engine().await?;
        engine.info().await.map_err(refused)
    }

    async fn containers(
        &self,
        permit: Permit<ListContainers>,
    ) -> Result<Vec<ContainerSummary>, CallError> {
        let ListContainers { all, filters } = permit.into_effect();
        let engine = self.engine().await?;
        let containers = engine.containers(all, &filters).await.map_err(refused)?;
        let summary = |container: dfab_engine::ContainerSummary| ContainerSummary {
            id: container.id,
            names: container.names,
            image: container.image,
            image_id: container.image_id,
            command: container.command,
            created: container.created,
            state: container.state,
            status: container.status,
            ports: container
                .ports
                .into_iter()
                .map(|port| Port {
                    container_port: port.container_port,
                    protocol: port.protocol,
                    host_address: port.host_address,
                    host_port: port.host_port,
                })
                .collect(),
            labels: container.labels.into_iter().collect(),
        };
        Ok(containers.into_iter().map(summary).collect())
    }

    async fn images(&self, permit: Permit<ListImages>) -> Result<Vec<ImageSummary>, CallError> {
        let ListImages { all, filters } = permit.into_effect();
        let engine = self.engine().await?;
        let images = engine.images(all, &filters).await.map_err(refused)?;
        let summary = |image: dfab_engine::ImageSummary| ImageSummary {
            id: image.id,
            parent_id: image.parent_id,
            tags: image.tags,
            created: image.created,
            size: image.size,
        };
        Ok(images.into_iter().map(summary).collect())
    }

    async fn networks(
        &self,
        permit: Permit<ListNetworks>,
    ) -> Result<Vec<NetworkSummary>, CallError> {
        let ListNetworks { filters } = permit.into_effect();
        let engine = self.engine().await?;
        let networks = engine.networks(&filters).await.map_err(refused)?;
        let summary = |network: dfab_engine::NetworkSummary| NetworkSummary {
            id: network.id,
            name: network.name,
            driver: network.driver,
            scope: network.scope,
            labels: network.labels.into_iter().collect(),
        };
        Ok(networks.into_iter().map(summary).collect())
    }

    async fn volumes(&self, permit: Permit<ListVolumes>) -> Result<Vec<VolumeSummary>, CallError> {
        let ListVolumes { filters } = permit.into_effect();
        let engine = self.engine().await?;
        let volumes = engine.volumes(&filters).await.map_err(refused)?;
        let summary = |volume: dfab_engine::VolumeSummary| VolumeSummary {
            name: volume.name,
            driver: volume.driver,
            labels: volume.labels.into_iter().collect(),
        };
        Ok(volumes.into_iter().map(summary).collect())
    }

    async fn inspect(&self, permit: Permit<Inspect>) -> Result<String, CallError> {
        let engine = self.engine().await?;
        let (what, found) = match permit.effect() {
            Inspect::Container(name) => (
                format!("container {name}"),
                engine.inspect_container(name).await,
            ),
            Inspect::Image(name) => (format!("image {name}"), engine.inspect_image(name).await),
        };
        let found = found.map_err(refused)?.ok_or_else(|| {
            CallError::NotFound(format!("there is no {what} on {}", self.host.name()))
        })?;
        Ok(found.to_string())
    }

    async fn look(&self, permit: Permit<Look>) -> Result<Option<Looked>, CallError> {
        let engine = self.engine().await?;
        let object = permit.effect();
        let found = match object {
            Look::Container(name) => engine.inspect_container(name).await,
            Look::Network(name) => engine.inspect_network(name).await,
            Look::Volume(name) => engine.inspect_volume(name).await,
        };
        Ok(found.map_err(refused)?.map(|found| looked(object, &found)))
    }

    async fn run_in_container(
        &self,
        permit: Permit<RunInContainer>,
    ) -> Result<ContainerOutcome, CallError> {
        let engine = self.engine().await?;
        let RunInContainer {
            container,
            words,
            user,
            timeout_s,
        } = permit.into_effect();
        let outcome = engine.exec(&container, &words, user.as_deref(), timeout(timeout_s));
        let outcome = outcome.await;
        let outcome = outcome.map_err(refused)?;
        Ok(ContainerOutcome {
            status: outcome.exit_code,
            stdout: outcome.stdout,
            stderr: outcome.stderr,
        })
    }

    async fn change(&self, permit: Permit<Change>) -> Result<(), CallError> {
        let engine = self.engine().await?;
        let done = match permit.effect() {
            Change::StopContainer {
                container,
                timeout_s,
            } => engine.stop_container(container, None, *timeout_s).await,
            Change::RemoveContainer {
                container,
                force,
                volumes,
            } => engine.remove_container(container, *force, *volumes).await,
            Change::RemoveImage { image, force } => engine.remove_image(image, *force).await,
            Change::TagImage { image, name } => {
                let (repository, tag) = named(name);
                engine.tag_image(image, repository, tag).await
            }
            Change::PullImage { image } => {
                let (repository, tag) = named(image);
                let login = self.host.registry_login(repository);
                engine.pull_image(repository, tag, login).await
            }
            Change::PushImage { image } => {
                let (repository, tag) = named(image);
                let login = self.host.registry_login(repository);
                engine.push_image(repository, tag, login).await
            }
            Change::RemoveNetwork { network } => engine.remove_network(network).await,
            Change::RemoveVolume { volume } => engine.remove_volume(volume).await,
        };
        done.map_err(refused)
    }

    async fn transfer(&self, permit: Permit<Transfer>) -> Result<Transferred, CallError> {
        let engine = &self.engine().await?.for_bulk().await;
        let done = match permit.effect() {
            Transfer::BuildImage {
                folder,
                names,
                options,
            } => {
                let request = BuildRequest {
                    dockerfile: options
                        .dockerfile
                        .clone()
                        .unwrap_or("Dockerfile".to_owned()),
                    tags: names.clone(),
                    arguments: options
                        .arguments
                        .iter()
                        .map(|(name, value)| (name.clone(), Some(value.clone())))
                        .collect(),
                    target: options.target.clone(),
                    no_cache: options.no_cache,
                    pull: options.pull,
                    logins: self.host.registry_logins(),
                };
                transfer::build_image(engine, &self.place(folder), &request).await
            }
            Transfer::CopyFromContainer { files, to, form } => {
                let to = self.output(to, *form);
                transfer::copy_from_container(engine, files, &to, *form).await
            }
            Transfer::CopyToContainer {
                local,
                container,
                folder,
            } => transfer::copy_to_container(engine, &self.place(local), container, folder).await,
            Transfer::SaveImages { images, to } => {
                transfer::save_images(engine, images, &self.output(to, Form::Tar)).await
            }
            Transfer::LoadImages { file } => transfer::load_images(engine, &self.place(file)).await,
            Transfer::ImportImage {
                source,
                image,
                changes,
            } => {
                let place;
                let source = match source {
                    ImageSource::File(file) => {
                        place = self.place(file);
                        Source::File(&place)
                    }
                    ImageSource::Selection(files) => Source::Selection(files),
                    ImageSource::Image(image) => Source::Image(image),
                };
                transfer::import_image(engine, source, image, changes, &self.stop).await
            }
        };
        done.map_err(not_transferred)
    }

    async fn request(&self, permit: Permit<RawRequest>) -> Result<String, CallError> {
        let RawRequest { method, path, body } = permit.into_effect();
        let body = body
            .as_deref()
            .map(serde_json::from_str::<Value>)
            .transpose()
            .map_err(|error| {
                CallError::Invalid(format!("the body of {method} {path} is no JSON: {error}"))
            })?;
        let engine = self.engine().await?;
        engine
            .request(method, &path, body.as_ref())
            .await
            .map_err(refused)
    }

    fn has_shell(&self, _: Permit<FindShell>) -> bool {
        self.host.has_shell()
    }

    async fn run(&self, permit: Permit<RunCommand>) -> Result<Outcome, CallError> {
        let RunCommand {
            command,
            stdin,
            timeout_s,
        } = permit.into_effect();
        self.run_line(&command.line(), stdin.as_deref(), timeout_s)
            .await
    }

    async fn run_as(&self, permit: Permit<RunAs>) -> Result<Outcome, CallError> {
        let RunAs {
            command,
            stdin,
            timeout_s,
        } = permit.into_effect();
        self.run_line(&command.line(), stdin.as_deref(), timeout_s)
            .await
    }

    async fn upload(&self, permit: Permit<Upload>) -> Result<u64, CallError> {
        let Upload {
            local,
            remote,
            mode,
        } = permit.into_effect();
        let session = self.session().await?.for_bulk().await;
        let mode = mode.unwrap_or(FILE_MODE);
        let bytes = transfer::upload(&session, &self.place(&local), &remote, mode).await;
        bytes.map_err(not_transferred)
    }

    async fn download(&self, permit: Permit<Download>) -> Result<u64, CallError> {
        let Download { remote, to } = permit.into_effect();
        let session = self.session().await?.for_bulk().await;
        let bytes = transfer::download(&session, &remote, &self.output(&to, Form::Tar)).await;
        bytes.map_err(not_transferred)
    }
}

impl TaskContext {
    /// What to do when the host could not be reached: for the operator, and not for the plugin.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hints = self.hints.lock();
        hints.map(|hints| hints.clone()).unwrap_or_default()
    }

    fn unreachable(&self, error: HostError) -> CallError {
        let failure = Failure::from(error);
        if let Ok(mut hints) = self.hints.lock() {
            *hints = failure.hints().to_vec();
        }
        match failure.code {
            Code::Usage => CallError::Invalid(failure.message().to_owned()),
            _ => CallError::Unreachable(failure.message().to_owned()),
        }
    }

    async fn engine(&self) -> Result<&Engine, CallError> {
        let engine = self.host.engine().await;
        engine.map_err(|error| self.unreachable(error))
    }

    async fn session(&self) -> Result<&Session, CallError> {
        let session = self.host.session().await;
        let session = session.map_err(|error| self.unreachable(error))?;
        session.ok_or_else(|| {
            CallError::NotFound(format!("{} is reached without SSH", self.host.name()))
        })
    }

    async fn run_line(
        &self,
        line: &str,
        stdin: Option<&[u8]>,
        timeout_s: Option<u32>,
    ) -> Result<Outcome, CallError> {
        let session = self.session().await?;
        let output = session
            .run(line, stdin, timeout(timeout_s), OUTPUT_LIMIT)
            .await
            .map_err(not_run)?;
        Ok(Outcome {
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    fn place(&self, path: &LocalPath) -> Place {
        let root = match &path.root {
            LocalRoot::Given(given) => given.clone(),
            LocalRoot::Project => self.folder.to_path_buf(),
        };
        Place::new(root, path.below.clone())
    }

    /// Where something is written: apart from what the other hosts write.
    fn output(&self, path: &LocalPath, form: Form) -> Place {
        let place = self.place(path);
        let host = folder_name(self.host.name());
        let is_own = match &path.root {
            LocalRoot::Given(given) => self.own_paths.iter().any(|own| given == Path::new(own)),
            LocalRoot::Project => false,
        };
        match form {
            _ if !self.has_others || is_own => place,
            Form::Folder => place.below(&host),
            Form::Tar | Form::TarGz => place.in_folder(&host),
        }
    }
}

/// Repository and tag of an image's name.
fn named(image: &str) -> (&str, &str) {
    let (repository, tag) = dfab_maps::split_tag(image);
    (repository, tag.unwrap_or("latest"))
}

/// Where plugins' log lines go: to the log of dfab, which `-v` shows.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    host: Option<&'a str>,
}

impl Log<'_> {
    /// For plugins that run for no host.
    pub(crate) fn sink() -> LogSink {
        Arc::new(|level, message| Log { host: None }.write(level, message))
    }

    fn write(&self, level: Level, message: &str) {
        let host = self.host.map(|host| format!("{host}: "));
        let host = host.unwrap_or_default();
        let message = crate::terminal::plain(message);
        match level {
            Level::Trace => tracing::trace!(target: "plugin", "{host}{message}"),
            Level::Debug => tracing::debug!(target: "plugin", "{host}{message}"),
            Level::Info => tracing::info!(target: "plugin", "{host}{message}"),
            Level::Warn => tracing::warn!(target: "plugin", "{host}{message}"),
            Level::Error => tracing::error!(target: "plugin", "{host}{message}"),
        }
    }
}

fn timeout(seconds: Option<u32>) -> Duration {
    seconds.map_or(COMMAND_TIMEOUT, |seconds| {
        Duration::from_secs(u64::from(seconds))
    })
}

/// Identity and labels, as the engine tells them.
fn looked(object: &Look, found: &Value) -> Looked {
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str);
    let (id, labels) = match object {
        Look::Container(_) => (text("/Id"), "/Config/Labels"),
        Look::Network(_) => (text("/Id"), "/Labels"),
        Look::Volume(_) => (text("/Name"), "/Labels"),
    };
    let labels = found.pointer(labels).and_then(Value::as_object);
    let label = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Looked {
        // Nothing is called like this, so that nothing is done where the engine does not say what it is.
        id: id.unwrap_or_default().to_owned(),
        labels: labels.into_iter().flatten().filter_map(label).collect(),
    }
}

fn refused(error: EngineError) -> CallError {
    if error.is_unreachable() {
        return CallError::Unreachable(describe(&error));
    }
    match error {
        EngineError::Refused {
            status,
            ref message,
            ..
        } => CallError::Remote(status, message.clone()),
        EngineError::Timeout { .. } | EngineError::Idle { .. } => {
            CallError::Timeout(describe(&error))
        }
        EngineError::Invalid { .. } | EngineError::Argument { .. } => {
            CallError::Invalid(describe(&error))
        }
        error => CallError::Other(describe(&error)),
    }
}

fn not_transferred(error: TransferError) -> CallError {
    match error {
        TransferError::Engine(error) => refused(error),
        TransferError::Missing(_) => CallError::NotFound(describe(&error)),
        TransferError::Session(_) => CallError::Unreachable(describe(&error)),
        TransferError::Invalid(_) | TransferError::Permissions(_) => {
            CallError::Invalid(describe(&error))
        }
        TransferError::Read { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            CallError::NotFound(describe(&error))
        }
        error => CallError::Other(describe(&error)),
    }
}

fn not_run(error: RunError) -> CallError {
    match error {
        RunError::Timeout { .. } => CallError::Timeout(describe(&error)),
        error => CallError::Unreachable(describe(&error)),
    }
}
