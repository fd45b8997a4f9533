//! Components and hosts for the tests. The components are real ones, built from `tests/guests`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dfab_runtime::task::{Output, View};
use dfab_runtime::{
    Grants, Limits, Origin, Plugin, PluginError, Runtime, RuntimeOptions, TaskHost, TaskPlugin,
    Terms,
};

use crate::guests;
use crate::recorder::Recorder;

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
