//! The first-party policy, asked for plans about an engine that is a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use dfab_deploy::host::{Address, Host, Options};
use dfab_deploy::plan::Plan;
use dfab_deploy::references::plain_references;
use dfab_deploy::request::request;
use dfab_deploy::survey::Survey;
use dfab_engine::ApiVersion;
use dfab_maps::{Client, NoSettings, Planned, Project, Selected, Walk, load_map};
use dfab_runtime::planning::{ActionInfo, Walk as ActionWalk};
use dfab_runtime::{Grants, LogSink, Origin, Plugin, PolicyPlugin, Runtime, RuntimeOptions};

use crate::folders;
use crate::simulation::{Seen, Simulation};

/// Reads one map as a project.
///
/// # Errors
/// With all mistakes of the map.
pub fn project(text: &str, name: &str) -> Result<Project> {
    let map = load_map(text, &format!("{name}.yaml"), name, &NoSettings)?;
    Ok(Project::new(vec![map.value])?)
}

/// A first-party component, as the build of dfab leaves it.
///
/// # Errors
/// Where it is not built.
pub fn component(name: &str) -> Result<PathBuf> {
    let folder = folders::target()?.join("plugins/wasm32-wasip2/release");
    folders::built(&folder.join(format!("{name}.wasm")))
}

/// The standard policy.
pub struct Planner {
    policy: PolicyPlugin,
    actions: Vec<ActionInfo>,
    log: LogSink,
}

impl Planner {
    /// Loads it.
    ///
    /// # Errors
    /// Where it is not built.
    pub async fn new() -> Result<Self> {
        Self::load(&component("standard")?).await
    }

    async fn load(path: &Path) -> Result<Self> {
        let runtime = Runtime::new(RuntimeOptions {
            cache_dir: Some(folders::shared("cache")?),
            ..RuntimeOptions::default()
        })?;
        let bytes = std::fs::read(path)?;
        let plugin = runtime.load(Origin::File(path.to_owned()), &bytes, Grants::All)?;
        let Plugin::Policy(policy) = plugin else {
            anyhow::bail!("{} is no policy", path.display());
        };
        let log: LogSink = Arc::new(|_, _| ());
        let actions = policy.actions(&log).await?;
        Ok(Self {
            policy,
            actions,
            log,
        })
    }

    /// Plans an action on what references mean, as the command does on one host.
    ///
    /// # Errors
    /// Where the maps do not allow it, or the policy refuses.
    pub async fn plan(
        &self,
        action: &str,
        project: &Project,
        references: &[String],
        engine: &Simulation,
        client: Client,
        options: &[(&str, &str)],
    ) -> Result<Plan> {
        let seen = engine.seen();
        self.plan_seen(action, project, references, seen, client, options)
            .await
    }

    /// The same with what was seen of an engine already.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub async fn plan_seen(
        &self,
        action: &str,
        project: &Project,
        references: &[String],
        seen: Seen,
        client: Client,
        options: &[(&str, &str)],
    ) -> Result<Plan> {
        let info = self.actions.iter().find(|info| info.name == action);
        let info = info.with_context(|| format!("there is no action {action}"))?;
        let walk = match info.walk {
            ActionWalk::Dependencies => Walk::Dependencies,
            ActionWalk::Dependents => Walk::Dependents,
            ActionWalk::Selected => Walk::Selected,
        };
        let name = client.name.clone();
        let is_on = |clients: &[String]| clients.is_empty() || clients.contains(&name);
        let selected: Vec<Selected<'_>> = project
            .select(references)?
            .into_iter()
            .filter(|selection| is_on(selection.clients()))
            .collect();
        let items: Vec<Planned<'_>> = project.walk(&selected, walk)?;
        let mut given: Vec<(String, String)> = info
            .options
            .iter()
            .filter_map(|option| Some((option.name.clone(), option.default_value.clone()?)))
            .filter(|(name, _)| !options.iter().any(|(given, _)| given == name))
            .collect();
        given.extend(
            options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let walks = std::slice::from_ref(&items);
        let given = plain_references(project, walks, &info.options, given)?;
        let address = Address::Socket("/nowhere".into());
        let host = Host::new(name.clone(), address, client, Options::default());
        let surveys = [Survey {
            host: &host,
            api_version: ApiVersion {
                major: 1,
                minor: 41,
            },
            items,
            snapshot: seen.snapshot,
            details: info.compares.then_some(seen.details),
        }];
        let (request, subjects) = request(info, given, &surveys)?;
        let steps = self.policy.plan(&request, &self.log).await?;
        Ok(Plan::new(&request, &subjects, &surveys, steps, &[])?)
    }
}
