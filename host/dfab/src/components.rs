//! Components, compiled and started for bundles, with no host to act on.

use std::sync::Arc;
use std::time::Duration;

use dfab_bundles::Artifact;
use dfab_runtime::{Grants, Level, LoadError, LogSink, Origin, Plugin, PluginError, Runtime};

use crate::failure::{Failure, describe};
use crate::plugins::Conditions;

/// How long the components of an artifact may take to compile.
const COMPILING: Duration = Duration::from_secs(120);

/// What is checked of each component before it is added or vetted.
pub(crate) const CHECKS: [&str; 6] = [
    "the components parse and compile, and none is machine code",
    "they fit the contract of their kind",
    "they import no interface that their kind does not have",
    "their manifests declare a capability for each interface that they import and that needs one",
    "sizes are within their limits",
    "they start, with no host to act on, and say what they offer",
];

/// Compiles every component of an artifact, links it with the host's side of the contract, and lets it say
/// what it offers: it has no host then, no grants, and the limits and the audit of any call. What takes too
/// long to compile is refused; the process does not wait for it.
///
/// # Errors
/// Where one does not fit, or does not start.
pub(crate) async fn check(
    runtime: &Runtime,
    conditions: &Conditions<'_>,
    artifact: &Artifact,
) -> Result<(), Failure> {
    let terms = conditions.terms(Grants::Only(Vec::new()), None)?;
    let (runtime, artifact) = (runtime.clone(), artifact.clone());
    let compiled = tokio::task::spawn_blocking(move || {
        let mut plugins = Vec::new();
        for part in artifact.parts() {
            let origin = Origin::Bundle(part.component.name.to_string());
            plugins.push(runtime.load_under(origin, &part.bytes, terms.clone())?);
        }
        Ok::<_, LoadError>(plugins)
    });
    let plugins = match tokio::time::timeout(COMPILING, compiled).await {
        Ok(Ok(Ok(plugins))) => plugins,
        Ok(Ok(Err(error))) => return Err(Failure::usage(describe(&error))),
        Ok(Err(error)) => return Err(Failure::failed("it cannot be compiled").because(error)),
        Err(_) => {
            return Err(Failure::usage(format!(
                "it takes longer than {} s to compile",
                COMPILING.as_secs()
            )));
        }
    };
    for plugin in &plugins {
        start(plugin).await.map_err(|error| {
            let name = plugin.name();
            Failure::usage(format!("the component {name} does not start")).because(describe(&error))
        })?;
    }
    Ok(())
}

/// Makes an instance, and asks it what it offers.
async fn start(plugin: &Plugin) -> Result<(), PluginError> {
    // What it has to say now is of no interest.
    let silent: LogSink = Arc::new(|_: Level, _: &str| {});
    match plugin {
        Plugin::Task(plugin) => plugin.tasks(&silent).await.map(drop),
        Plugin::Policy(plugin) => plugin.actions(&silent).await.map(drop),
        Plugin::Recipe(plugin) => plugin.recipes(&silent).await.map(drop),
    }
}
