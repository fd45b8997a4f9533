//! A Docker Engine that is only a model: what the planner sees of one, and what steps do to it.
//!
//! It knows as much of the real one as plans depend on: names, states, the settings that a container
//! was created with, networks and who is connected. That it is like the real one is shown by tests
//! that do the same on both.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

mod comparison;
mod inspect;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail, ensure};
use dfab_deploy::drift::Details;
use dfab_deploy::ended_commands::CommandDigest;
use dfab_deploy::plan::{Step, Work};
use dfab_engine::{ContainerState, ObservedContainer, Process, Snapshot};
use serde_json::{Map, Value, json};

pub use comparison::Comparison;

/// The model of an engine.
#[derive(Debug, Clone)]
pub struct Simulation {
    containers: BTreeMap<String, Container>,
    images: BTreeMap<String, String>,
    networks: BTreeMap<String, Object>,
    volumes: BTreeMap<String, Value>,
    /// How many objects were made: identifiers are never used again.
    made: usize,
    /// What its clock says: nothing happens at the same time as something else.
    clock: u32,
}

/// What an engine tells.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What is there.
    pub snapshot: Snapshot,
    /// More about it.
    pub details: Details,
}

#[derive(Debug, Clone)]
struct Container {
    id: String,
    image_id: String,
    body: Value,
    state: ContainerState,
    created: String,
    /// Its last start, if it had one.
    started: Option<String>,
    /// Endpoint by name of the network.
    networks: BTreeMap<String, Value>,
    processes: Vec<Process>,
    /// Commands that have ended well since its start.
    ended: BTreeSet<CommandDigest>,
}

#[derive(Debug, Clone)]
struct Object {
    id: String,
    body: Value,
}

impl Simulation {
    /// An engine with nothing on it but its own networks.
    #[expect(
        clippy::new_without_default,
        reason = "an engine is not the default of anything"
    )]
    pub fn new() -> Self {
        let mut simulation = Self {
            containers: BTreeMap::new(),
            images: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            made: 0,
            clock: 0,
        };
        for name in ["bridge", "host", "none"] {
            let id = simulation.id("network");
            let body = json!({ "Name": name, "Driver": name });
            simulation
                .networks
                .insert(name.to_owned(), Object { id, body });
        }
        simulation
    }

    /// Adds an image, as if it had been pulled.
    pub fn add_image(&mut self, name: &str) {
        self.images
            .insert(name.to_owned(), format!("sha256:{name}"));
    }

    /// What an engine like this tells.
    pub fn seen(&self) -> Seen {
        Seen {
            snapshot: self.snapshot(),
            details: self.details(),
        }
    }

    /// What is there.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            containers: self
                .containers
                .iter()
                .map(|(name, container)| (name.clone(), container.observed()))
                .collect(),
            images: self.images.clone().into_iter().collect(),
            networks: self
                .networks
                .iter()
                .map(|(name, network)| (name.clone(), network.id.clone()))
                .collect(),
            volumes: self.volumes.keys().cloned().collect(),
        }
    }

    /// Everything that the engine would tell of it.
    pub fn details(&self) -> Details {
        Details {
            containers: self
                .containers
                .keys()
                .map(|name| (name.clone(), self.inspect(name)))
                .collect(),
            images: self
                .images
                .values()
                .map(|id| (id.clone(), json!({ "Id": id, "Config": {} })))
                .collect(),
            networks: self
                .networks
                .iter()
                .map(|(name, network)| (name.clone(), self.inspect_network(name, network)))
                .collect(),
            volumes: self
                .volumes
                .iter()
                .map(|(name, body)| (name.clone(), inspect::volume(body)))
                .collect(),
            processes: self
                .containers
                .iter()
                .map(|(name, container)| (name.clone(), container.processes.clone()))
                .collect::<HashMap<_, _>>(),
            ended: self
                .containers
                .iter()
                .map(|(name, container)| (name.clone(), container.ended.clone()))
                .collect(),
            engine: json!({}),
        }
    }

    /// Does a step.
    ///
    /// # Errors
    /// Where the engine would refuse it.
    pub fn apply(&mut self, step: &Step) -> Result<()> {
        let name = step.name.as_str();
        if step
            .if_changed
            .iter()
            .any(|(image, id)| self.images.get(image) != id.as_ref())
            || step.if_changed.is_empty()
        {
            self.work(name, &step.work)
                .with_context(|| format!("{} {} {name}", step.work.verb(), step.kind))?;
        }
        Ok(())
    }

    /// Ends a container, as if by somebody else.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.end(name)
    }

    /// Makes a container anew just as it is and starts it, as if by somebody else.
    ///
    /// # Errors
    /// Where there is none, or it cannot be started.
    pub fn make_anew(&mut self, name: &str) -> Result<()> {
        let body = self.container(name)?.body.clone();
        self.containers.remove(name);
        self.create(name, &body)?;
        self.work(name, &Work::Start)
    }

    fn work(&mut self, name: &str, work: &Work) -> Result<()> {
        match work {
            Work::PullImage { .. } => {
                let id = format!("sha256:{name}");
                self.images.insert(name.to_owned(), id);
            }
            Work::CreateNetwork { body } => {
                ensure!(!self.networks.contains_key(name), "it exists");
                let id = self.id("network");
                let body = body.clone();
                self.networks.insert(name.to_owned(), Object { id, body });
            }
            Work::CreateVolume { body } => {
                ensure!(!self.volumes.contains_key(name), "it exists");
                self.volumes.insert(name.to_owned(), body.clone());
            }
            Work::CreateContainer { body } => self.create(name, body)?,
            Work::Start => {
                let body = self.container(name)?.body.clone();
                self.needs(&body, ContainerState::Running)?;
                let now = self.now();
                let container = self.container(name)?;
                if !container.runs() {
                    container.ended.clear();
                    container.started = Some(now);
                }
                container.state = ContainerState::Running;
            }
            Work::Stop { .. } => self.end(name)?,
            Work::Signal { signal } if signal == "SIGKILL" => self.end(name)?,
            Work::Signal { .. } => {
                ensure!(self.container(name)?.runs(), "it does not run");
            }
            Work::RemoveContainer { force, .. } => {
                ensure!(*force || !self.container(name)?.runs(), "it runs");
                self.containers.remove(name);
            }
            Work::RemoveNetwork => {
                let is_used = |container: &Container| container.networks.contains_key(name);
                ensure!(!self.containers.values().any(is_used), "it is used");
                self.networks.remove(name).context("there is none")?;
            }
            Work::RemoveVolume => {
                let is_used = |container: &Container| container.mounts(name);
                ensure!(!self.containers.values().any(is_used), "it is used");
                self.volumes.remove(name).context("there is none")?;
            }
            Work::Connect { network, endpoint } => {
                ensure!(self.networks.contains_key(network), "no such network");
                let endpoint = self.endpoint(network, endpoint);
                let networks = &mut self.container(name)?.networks;
                ensure!(!networks.contains_key(network), "it is connected");
                networks.insert(network.clone(), endpoint);
            }
            Work::Disconnect { network } => {
                let networks = &mut self.container(name)?.networks;
                networks.remove(network).context("it is not connected")?;
            }
            Work::PrepareVolume { volume, .. } => {
                // Without named volumes, a container has it.
                let is_there =
                    self.volumes.contains_key(volume) || self.containers.contains_key(volume);
                ensure!(is_there, "no such volume");
            }
            Work::Exec {
                argv,
                user,
                initial,
            } => {
                let container = self.container(name)?;
                ensure!(container.runs(), "it does not run");
                // Such as are called so end by themselves, and at once.
                if argv
                    .first()
                    .is_some_and(|word| word.starts_with("/bin/once"))
                {
                    if !initial {
                        let digest = CommandDigest::of(argv, user.as_deref());
                        container.ended.insert(digest);
                    }
                } else {
                    container.processes.push(Process {
                        user: user.clone().unwrap_or_else(|| "root".to_owned()),
                        command: argv.join(" "),
                    });
                }
            }
            Work::Update { body } => {
                let container = self.container(name)?;
                let host = container
                    .body
                    .as_object_mut()
                    .context("a body is a mapping")?
                    .entry("HostConfig")
                    .or_insert_with(|| json!({}));
                if let (Some(host), Some(fields)) = (host.as_object_mut(), body.as_object()) {
                    host.extend(fields.clone());
                }
            }
            Work::Run(_) => {
                ensure!(!self.containers.contains_key(name), "it exists");
            }
            Work::Delay { .. } => {}
        }
        Ok(())
    }

    fn create(&mut self, name: &str, body: &Value) -> Result<()> {
        ensure!(!self.containers.contains_key(name), "it exists");
        let image = body["Image"].as_str().unwrap_or_default();
        let image_id = self.images.get(image).context("no such image")?.clone();
        self.needs(body, ContainerState::Created)?;
        let endpoints = body["NetworkingConfig"]["EndpointsConfig"].as_object();
        let mut networks: Map<String, Value> = endpoints.cloned().unwrap_or_default();
        let mode = body["HostConfig"]["NetworkMode"]
            .as_str()
            .unwrap_or("default");
        if networks.is_empty() && !mode.starts_with("container:") {
            let network = if mode == "default" { "bridge" } else { mode };
            networks.insert(network.to_owned(), json!({}));
        }
        let mut connected = BTreeMap::new();
        for (network, endpoint) in networks {
            ensure!(self.networks.contains_key(&network), "no network {network}");
            connected.insert(network.clone(), self.endpoint(&network, &endpoint));
        }
        for volume in named_volumes(body) {
            // The engine makes what is missing.
            self.volumes
                .entry(volume.clone())
                .or_insert_with(|| json!({ "Name": volume }));
        }
        let container = Container {
            id: self.id("container"),
            image_id,
            body: self.with_ids(body),
            state: ContainerState::Created,
            created: self.now(),
            started: None,
            networks: connected,
            processes: Vec::new(),
            ended: BTreeSet::new(),
        };
        self.containers.insert(name.to_owned(), container);
        Ok(())
    }

    /// Other containers whose volumes, links or network a container has must be there, and for the
    /// network run as well.
    fn needs(&self, body: &Value, state: ContainerState) -> Result<()> {
        let host = &body["HostConfig"];
        let texts = |name: &str| -> Vec<String> {
            let items = host[name].as_array().into_iter().flatten();
            items
                .filter_map(|item| Some(item.as_str()?.split(':').next()?.to_owned()))
                .collect()
        };
        for other in [texts("VolumesFrom"), texts("Links")].concat() {
            ensure!(self.containers.contains_key(&other), "no container {other}");
        }
        let mode = host["NetworkMode"].as_str().unwrap_or_default();
        if state == ContainerState::Running && matches!(mode, "" | "default" | "bridge") {
            for other in texts("Links") {
                let runs = self.containers.get(&other).is_some_and(Container::runs);
                ensure!(runs, "{other}, which is linked, does not run");
            }
        }
        if let Some(other) = mode.strip_prefix("container:") {
            let found = self
                .containers
                .iter()
                .find(|(name, container)| *name == other || container.id == other);
            let Some((_, found)) = found else {
                bail!("no container {other}, whose network is wanted");
            };
            ensure!(
                state == ContainerState::Created || found.runs(),
                "{other}, whose network is wanted, does not run"
            );
        }
        Ok(())
    }

    /// The engine keeps the identifier of a container whose network another one has.
    fn with_ids(&self, body: &Value) -> Value {
        let mut body = body.clone();
        let mode = body["HostConfig"]["NetworkMode"].as_str();
        let other = mode.and_then(|mode| self.containers.get(mode.strip_prefix("container:")?));
        if let Some(other) = other {
            body["HostConfig"]["NetworkMode"] = json!(format!("container:{}", other.id));
        }
        body
    }

    fn endpoint(&self, network: &str, endpoint: &Value) -> Value {
        let id = self.networks.get(network).map(|network| &network.id);
        let mut fields = endpoint.as_object().cloned().unwrap_or_default();
        fields.insert("NetworkID".to_owned(), json!(id));
        Value::Object(fields)
    }

    fn end(&mut self, name: &str) -> Result<()> {
        let container = self.container(name)?;
        ensure!(container.runs(), "it does not run");
        container.state = ContainerState::Exited;
        container.processes.clear();
        Ok(())
    }

    fn container(&mut self, name: &str) -> Result<&mut Container> {
        self.containers.get_mut(name).context("there is none")
    }

    /// The next time, as engines write it: without zeros at its end, so that texts sort otherwise.
    fn now(&mut self) -> String {
        self.clock += 1;
        let (seconds, tenth) = (self.clock / 10, self.clock % 10);
        let (minutes, second) = (seconds / 60, seconds % 60);
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        let day = minutes / 60 / 24 + 1;
        let fraction = match tenth {
            0 => String::new(),
            tenth => format!(".{tenth}"),
        };
        format!("2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{:08}", self.made)
    }
}

impl Container {
    fn runs(&self) -> bool {
        self.state == ContainerState::Running
    }

    fn status(&self) -> &'static str {
        match self.state {
            ContainerState::Created => "created",
            ContainerState::Running => "running",
            _ => "exited",
        }
    }

    fn mounts(&self, volume: &str) -> bool {
        named_volumes(&self.body).any(|name| name == volume)
    }

    fn observed(&self) -> ObservedContainer {
        ObservedContainer {
            id: self.id.clone(),
            state: self.state,
            exit_code: (self.state == ContainerState::Exited).then_some(0),
            health: None,
            image: self.body["Image"].as_str().unwrap_or_default().to_owned(),
            image_id: self.image_id.clone(),
            labels: BTreeMap::new(),
            volumes: named_volumes(&self.body).collect(),
            networks: match self.runs() {
                true => self.networks.keys().cloned().collect(),
                false => Vec::new(),
            },
        }
    }
}

/// The named volumes among the binds of a body.
fn named_volumes(body: &Value) -> impl Iterator<Item = String> {
    let binds = body["HostConfig"]["Binds"].as_array().into_iter().flatten();
    binds.filter_map(|bind| {
        let source = bind.as_str()?.split(':').next()?;
        (!source.starts_with('/')).then(|| source.to_owned())
    })
}
