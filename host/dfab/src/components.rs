//! Components, looked into for bundles: what they say about themselves, and whether that is all that
//! they want.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dfab_bundles::{Artifact, Component, Refusal};
use dfab_runtime::{
    Examined, Grant, Grants, Level, LoadError, LogSink, Manifest, Origin, Plugin, PluginError,
    Runtime, examine as look_into,
};

use crate::failure::{Failure, describe};

/// What everybody may import: it has no effect.
const HARMLESS: [&str; 5] = ["log", "policy", "recipe", "task", "types"];

/// How long the components of an artifact may take to compile.
const COMPILING: Duration = Duration::from_secs(120);

/// What is checked of each component before it is added or vetted.
pub(crate) const CHECKS: [&str; 6] = [
    "the components parse and compile, and none is machine code",
    "they fit the contract of their kind",
    "they import nothing that their kind does not have",
    "their manifests declare all that they import",
    "sizes are within their limits",
    "they start, with no host to act on, and say what they offer",
];

/// Looks into a component, as far as that can be done without compiling it.
///
/// # Errors
/// Where it would not be loaded, has no manifest, or imports what its manifest does not declare.
pub(crate) fn examine(bytes: &[u8]) -> Result<Component, Refusal> {
    let examined = look_into(bytes)?;
    let manifest = examined.manifest.as_ref().ok_or(
        "it has no manifest (custom section `dfab:manifest`), which would say what it is called and \
         what it asks for",
    )?;
    let asks = asks(manifest)?;
    if let Some(import) = undeclared(&examined, &asks) {
        return Err(format!(
            "it imports `{import}`, and its manifest declares no capability of that; whoever made \
             it must declare what it wants to do, or not import it"
        )
        .into());
    }
    Ok(Component {
        name: manifest.name.parse()?,
        version: manifest.version.clone(),
        kind: examined.kind.to_string(),
        summary: manifest.summary.clone(),
        licence: manifest.licence.clone(),
        asks,
        limits: manifest.limits.named().collect(),
        imports: examined.imports,
        exports: examined.exports,
    })
}

/// Compiles every component of an artifact, links it with the host's side of the contract, and lets it say
/// what it offers: it has no host then, no grants, and the limits of any call. What takes too long to
/// compile is refused; the process does not wait for it.
///
/// # Errors
/// Where one does not fit, or does not start.
pub(crate) async fn check(runtime: &Runtime, artifact: &Artifact) -> Result<(), Failure> {
    let (runtime, artifact) = (runtime.clone(), artifact.clone());
    let compiled = tokio::task::spawn_blocking(move || {
        let mut plugins = Vec::new();
        for part in artifact.parts() {
            let origin = Origin::Bundle(part.component.name.to_string());
            plugins.push(runtime.load(origin, &part.bytes, Grants::Only(Vec::new()))?);
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

/// What a manifest declares, in the words of grants, with the reasons.
fn asks(manifest: &Manifest) -> Result<BTreeMap<String, String>, Refusal> {
    let mut asks = BTreeMap::new();
    for declared in &manifest.capabilities {
        let capability = &declared.capability;
        let mut ask = |text: &str| -> Result<(), Refusal> {
            asks.insert(text.parse::<Grant>()?.to_string(), declared.reason.clone());
            Ok(())
        };
        if declared.allow.is_empty() {
            ask(capability)?;
        }
        for covered in &declared.allow {
            ask(&format!("{capability} {covered}"))?;
        }
    }
    Ok(asks)
}

/// An import with an effect of which no capability is declared: those of `dfab:ssh` are called
/// `ssh.…`, and so on.
fn undeclared<'a>(examined: &'a Examined, asks: &BTreeMap<String, String>) -> Option<&'a str> {
    let is_declared = |import: &&String| {
        let package = import
            .strip_prefix("dfab:")
            .and_then(|rest| rest.split('/').next());
        package.is_none_or(|package| {
            let prefix = format!("{package}.");
            HARMLESS.contains(&package) || asks.keys().any(|ask| ask.starts_with(&prefix))
        })
    };
    let first = examined.imports.iter().find(|import| !is_declared(import));
    first.map(String::as_str)
}
