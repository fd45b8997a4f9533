//! A host for plugins that is none: it answers from memory. The runtime's own tests have this file too.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dfab_runtime::task::{
    ContainerOutcome, ContainerSummary, ImageSummary, NetworkSummary, Outcome, VolumeSummary,
};
use dfab_runtime::{
    CallError, Change, Download, FindShell, Inspect, Level, ListContainers, ListImages,
    ListNetworks, ListVolumes, Look, Looked, Permit, RawRequest, ReadInfo, ReadSetting,
    ReadVersion, RunAs, RunCommand, RunInContainer, TaskHost, Transfer, Transferred, Upload,
};

/// A host that says what was asked of it.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Whether it forgets what was asked: where that is measured, it would cost more than the rest.
    pub is_forgetful: bool,
    /// The local paths that the operator gave.
    pub given: Vec<String>,
    /// The map of all containers, networks and volumes; none where there are none.
    pub map: Option<String>,
    /// What was asked, in order.
    pub notes: Mutex<Vec<String>>,
}

impl Recorder {
    /// What was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let notes = self.notes.lock();
        notes.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Two of each kind where there is a map: one of the map, and one of none.
    fn objects(&self) -> Vec<(&'static str, Vec<(String, String)>)> {
        let map = self.map.iter().flat_map(|map| {
            let label = ("dfab.map".to_owned(), map.clone());
            [("mine", vec![label]), ("other", Vec::new())]
        });
        map.collect()
    }

    fn note(&self, text: impl FnOnce() -> String) {
        if !self.is_forgetful {
            let notes = self.notes.lock();
            notes.unwrap_or_else(PoisonError::into_inner).push(text());
        }
    }
}

#[async_trait]
impl TaskHost for Recorder {
    fn name(&self) -> String {
        "web1".to_owned()
    }

    fn log(&self, level: Level, message: &str) {
        if !matches!(level, Level::Trace | Level::Debug) {
            self.note(|| format!("log {message}"));
        }
    }

    fn given_paths(&self) -> &[String] {
        &self.given
    }

    async fn setting(&self, permit: Permit<ReadSetting>) -> Result<Option<String>, CallError> {
        self.note(|| format!("setting {}", permit.effect().name));
        Ok(Some("\"value\"".to_owned()))
    }

    async fn version(&self, _: Permit<ReadVersion>) -> Result<String, CallError> {
        self.note(|| "version".to_owned());
        Ok(r#"{"Version":"1","ApiVersion":"1.41"}"#.to_owned())
    }

    async fn info(&self, _: Permit<ReadInfo>) -> Result<String, CallError> {
        self.note(|| "info".to_owned());
        Ok(r#"{"Name":"web1"}"#.to_owned())
    }

    async fn containers(
        &self,
        _: Permit<ListContainers>,
    ) -> Result<Vec<ContainerSummary>, CallError> {
        self.note(|| "containers".to_owned());
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
        self.note(|| "images".to_owned());
        Ok(Vec::new())
    }

    async fn networks(&self, _: Permit<ListNetworks>) -> Result<Vec<NetworkSummary>, CallError> {
        self.note(|| "networks".to_owned());
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
        self.note(|| "volumes".to_owned());
        let summary = |(name, labels)| VolumeSummary {
            name: format!("volume-{name}"),
            driver: String::new(),
            labels,
        };
        Ok(self.objects().into_iter().map(summary).collect())
    }

    async fn inspect(&self, permit: Permit<Inspect>) -> Result<String, CallError> {
        self.note(|| format!("inspect {:?}", permit.effect()));
        Ok("{}".to_owned())
    }

    async fn look(&self, permit: Permit<Look>) -> Result<Option<Looked>, CallError> {
        let object = permit.into_effect();
        self.note(|| format!("look {object:?}"));
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
        self.note(|| format!("{:?}", permit.effect()));
        Ok(ContainerOutcome {
            status: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        })
    }

    async fn change(&self, permit: Permit<Change>) -> Result<(), CallError> {
        self.note(|| format!("{:?}", permit.effect()));
        Ok(())
    }

    async fn transfer(&self, permit: Permit<Transfer>) -> Result<Transferred, CallError> {
        self.note(|| format!("{:?}", permit.effect()));
        Ok(Transferred::default())
    }

    async fn request(&self, permit: Permit<RawRequest>) -> Result<String, CallError> {
        let RawRequest { method, path, .. } = permit.effect();
        self.note(|| format!("{method} {path}"));
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
        self.note(|| format!("run {line}"));
        if line == "sleep" {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if line == "pause" {
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        Ok(done())
    }

    async fn run_as(&self, permit: Permit<RunAs>) -> Result<Outcome, CallError> {
        self.note(|| format!("run {}", permit.effect().command.line()));
        Ok(done())
    }

    async fn upload(&self, permit: Permit<Upload>) -> Result<u64, CallError> {
        self.note(|| format!("{:?}", permit.effect()));
        Ok(0)
    }

    async fn download(&self, permit: Permit<Download>) -> Result<u64, CallError> {
        self.note(|| format!("{:?}", permit.effect()));
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
