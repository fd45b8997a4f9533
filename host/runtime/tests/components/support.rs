//! Components and hosts for the tests. The components are real ones, built from `tests/guests`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dfab_runtime::task::{
    ContainerOutcome, ContainerSummary, ImageSummary, NetworkSummary, Outcome, Output, View,
    VolumeSummary,
};
use dfab_runtime::{
    CallError, Change, Download, FindShell, Grants, Inspect, Level, Limits, ListContainers,
    ListImages, ListNetworks, ListVolumes, Look, Looked, Origin, Permit, Plugin, PluginError,
    RawRequest, ReadInfo, ReadSetting, ReadVersion, RunAs, RunCommand, RunInContainer, Runtime,
    RuntimeOptions, TaskHost, TaskPlugin, Terms, Transfer, Transferred, Upload,
};

use crate::guests;

/// The bytes of a component of `tests/guests`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let file = guests::guest(name).expect("the guests are built");
    std::fs::read(file).expect("the guest was built")
}

/// Limits that tests reach soon.
pub(crate) fn limits() -> Limits {
    Limits {
        cpu: Duration::from_millis(300),
        task_wall: Duration::from_secs(20),
        memory_bytes: 64 << 20,
        ..Limits::default()
    }
}

/// A runtime that compiles once for all tests of a run.
pub(crate) fn runtime(limits: Limits) -> Runtime {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("components");
    Runtime::new(RuntimeOptions {
        cache_dir: Some(cache),
        limits,
    })
    .expect("a runtime")
}

pub(crate) fn only(grants: &[&str]) -> Grants {
    Grants::Only(
        grants
            .iter()
            .map(|grant| grant.parse().expect("a grant"))
            .collect(),
    )
}

pub(crate) fn misbehaving(limits: Limits, grants: Grants) -> TaskPlugin {
    misbehaving_under(limits, Terms::new(grants))
}

pub(crate) fn misbehaving_under(limits: Limits, terms: Terms) -> TaskPlugin {
    let origin = Origin::File(PathBuf::from("plugins/misbehaving.wasm"));
    match runtime(limits).load_under(origin, &guest("misbehaving"), terms) {
        Ok(Plugin::Task(plugin)) => plugin,
        other => panic!("not a task: {other:?}"),
    }
}

/// A host that says what was asked of it.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) given: Vec<String>,
    /// The map of all containers, networks and volumes; none where there are none.
    pub(crate) map: Option<String>,
}

impl Recorder {
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panicked here").clone()
    }

    /// Two of each kind where there is a map: one of the map, and one of none.
    fn objects(&self) -> Vec<(&'static str, Vec<(String, String)>)> {
        let map = self.map.iter().flat_map(|map| {
            let label = ("dfab.map".to_owned(), map.clone());
            [("mine", vec![label]), ("other", Vec::new())]
        });
        map.collect()
    }

    fn note(&self, text: String) {
        self.asked.lock().expect("no test panicked here").push(text);
    }
}

/// Runs a task, and gives what it answers and what it asked of the host.
pub(crate) async fn run(
    plugin: &TaskPlugin,
    task: &str,
    arguments: &[(&str, &str)],
) -> (Result<Output, PluginError>, Vec<String>) {
    run_with(plugin, task, arguments, &[]).await
}

/// The same, on a host that has objects of this map.
pub(crate) async fn run_on_map(
    plugin: &TaskPlugin,
    arguments: &[(&str, &str)],
    map: Option<&str>,
) -> (Result<Output, PluginError>, Vec<String>) {
    let host = Arc::new(Recorder {
        map: map.map(str::to_owned),
        ..Recorder::default()
    });
    let arguments = owned(arguments);
    let answer = plugin
        .run("call", &arguments, Arc::clone(&host) as Arc<dyn TaskHost>)
        .await;
    (answer, host.asked())
}

fn owned(arguments: &[(&str, &str)]) -> Vec<(String, String)> {
    let arguments = arguments.iter();
    arguments
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The same, with local paths that the operator gave.
pub(crate) async fn run_with(
    plugin: &TaskPlugin,
    task: &str,
    arguments: &[(&str, &str)],
    given: &[&str],
) -> (Result<Output, PluginError>, Vec<String>) {
    let host = Arc::new(Recorder {
        given: given.iter().map(|path| (*path).to_owned()).collect(),
        ..Recorder::default()
    });
    let arguments = owned(arguments);
    let answer = plugin
        .run(task, &arguments, Arc::clone(&host) as Arc<dyn TaskHost>)
        .await;
    (answer, host.asked())
}

pub(crate) fn text(output: Output) -> String {
    match output.view {
        View::Text(text) => text,
        other => panic!("not a text: {other:?}"),
    }
}

#[async_trait]
impl TaskHost for Recorder {
    fn name(&self) -> String {
        "web1".to_owned()
    }

    fn log(&self, level: Level, message: &str) {
        if !matches!(level, Level::Trace | Level::Debug) {
            self.note(format!("log {message}"));
        }
    }

    fn given_paths(&self) -> &[String] {
        &self.given
    }

    async fn setting(&self, permit: Permit<ReadSetting>) -> Result<Option<String>, CallError> {
        self.note(format!("setting {}", permit.effect().name));
        Ok(Some("\"value\"".to_owned()))
    }

    async fn version(&self, _: Permit<ReadVersion>) -> Result<String, CallError> {
        self.note("version".to_owned());
        Ok("{}".to_owned())
    }

    async fn info(&self, _: Permit<ReadInfo>) -> Result<String, CallError> {
        self.note("info".to_owned());
        Ok(r#"{"Name":"web1"}"#.to_owned())
    }

    async fn containers(
        &self,
        _: Permit<ListContainers>,
    ) -> Result<Vec<ContainerSummary>, CallError> {
        self.note("containers".to_owned());
        let summary = |(name, labels)| ContainerSummary {
            id: format!("container-{name}"),
            names: Vec::new(),
            image: String::new(),
            image_id: String::new(),
            command: String::new(),
            created: 0,
            state: String::new(),
            status: String::new(),
            ports: Vec::new(),
            labels,
        };
        Ok(self.objects().into_iter().map(summary).collect())
    }

    async fn images(&self, _: Permit<ListImages>) -> Result<Vec<ImageSummary>, CallError> {
        self.note("images".to_owned());
        Ok(Vec::new())
    }

    async fn networks(&self, _: Permit<ListNetworks>) -> Result<Vec<NetworkSummary>, CallError> {
        self.note("networks".to_owned());
        let summary = |(name, labels)| NetworkSummary {
            id: String::new(),
            name: format!("network-{name}"),
            driver: String::new(),
            scope: String::new(),
            labels,
        };
        Ok(self.objects().into_iter().map(summary).collect())
    }

    async fn volumes(&self, _: Permit<ListVolumes>) -> Result<Vec<VolumeSummary>, CallError> {
        self.note("volumes".to_owned());
        let summary = |(name, labels)| VolumeSummary {
            name: format!("volume-{name}"),
            driver: String::new(),
            labels,
        };
        Ok(self.objects().into_iter().map(summary).collect())
    }

    async fn inspect(&self, permit: Permit<Inspect>) -> Result<String, CallError> {
        self.note(format!("inspect {:?}", permit.effect()));
        Ok("{}".to_owned())
    }

    async fn look(&self, permit: Permit<Look>) -> Result<Option<Looked>, CallError> {
        let object = permit.into_effect();
        self.note(format!("look {object:?}"));
        let (Look::Container(name) | Look::Network(name) | Look::Volume(name)) = object;
        let labels = match &self.map {
            Some(map) => [("dfab.map".to_owned(), map.clone())].into(),
            None => return Ok(None),
        };
        Ok(Some(Looked {
            id: format!("id-of-{name}"),
            labels,
        }))
    }

    async fn run_in_container(
        &self,
        permit: Permit<RunInContainer>,
    ) -> Result<ContainerOutcome, CallError> {
        self.note(format!("{:?}", permit.effect()));
        Ok(ContainerOutcome {
            status: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        })
    }

    async fn change(&self, permit: Permit<Change>) -> Result<(), CallError> {
        self.note(format!("{:?}", permit.effect()));
        Ok(())
    }

    async fn transfer(&self, permit: Permit<Transfer>) -> Result<Transferred, CallError> {
        self.note(format!("{:?}", permit.effect()));
        Ok(Transferred::default())
    }

    async fn request(&self, permit: Permit<RawRequest>) -> Result<String, CallError> {
        let RawRequest { method, path, .. } = permit.effect();
        self.note(format!("{method} {path}"));
        if path.starts_with("/containers/gone/") {
            return Err(CallError::Remote(404, "No such container: gone".to_owned()));
        }
        Ok("{}".to_owned())
    }

    fn has_shell(&self, _: Permit<FindShell>) -> bool {
        true
    }

    async fn run(&self, permit: Permit<RunCommand>) -> Result<Outcome, CallError> {
        let line = permit.effect().command.line();
        self.note(format!("run {line}"));
        if line == "sleep" {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if line == "pause" {
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        Ok(done())
    }

    async fn run_as(&self, permit: Permit<RunAs>) -> Result<Outcome, CallError> {
        self.note(format!("run {}", permit.effect().command.line()));
        Ok(done())
    }

    async fn upload(&self, permit: Permit<Upload>) -> Result<u64, CallError> {
        self.note(format!("{:?}", permit.effect()));
        Ok(0)
    }

    async fn download(&self, permit: Permit<Download>) -> Result<u64, CallError> {
        self.note(format!("{:?}", permit.effect()));
        Ok(0)
    }
}

fn done() -> Outcome {
    Outcome {
        status: 0,
        stdout: b"done".to_vec(),
        stderr: Vec::new(),
    }
}
