//! What is loaded, and what is refused with a reason.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::support::{guest, limits, only, run, runtime, text};
use dfab_runtime::planning::Request;
use dfab_runtime::recipe::Facts;
use dfab_runtime::{
    Grants, Kind, LoadError, LoadReason, LogSink, ManifestError, Origin, Plugin, Runtime,
    RuntimeOptions, examine,
};
use serde_json::Value;

fn load(bytes: &[u8], grants: Grants) -> Result<Plugin, LoadError> {
    runtime(limits()).load(Origin::File("plugins/probe.wasm".into()), bytes, grants)
}

fn reason(bytes: &[u8]) -> LoadReason {
    load(bytes, Grants::All)
        .expect_err("it cannot be loaded")
        .reason
}

/// A custom section at the end of a component.
fn with_section(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = guest("misbehaving");
    bytes.push(0);
    let mut size = 1 + name.len() + data.len();
    while size >= 0x80 {
        bytes.push(u8::try_from(size & 0x7f).expect("seven bits") | 0x80);
        size >>= 7;
    }
    bytes.push(u8::try_from(size).expect("seven bits"));
    bytes.push(u8::try_from(name.len()).expect("a short name"));
    bytes.extend(name.bytes().chain(data.iter().copied()));
    bytes
}

/// The misbehaving component with other bytes of the same length, wherever they are.
fn with_replaced<const N: usize>(old: &[u8; N], new: &[u8; N]) -> Vec<u8> {
    let mut bytes = guest("misbehaving");
    for start in 0..bytes.len() - N {
        if bytes[start..].starts_with(old) {
            bytes[start..start + N].copy_from_slice(new);
        }
    }
    bytes
}

/// The misbehaving component, declaring nothing of what is called after an interface. The manifest keeps its
/// length.
fn without(interface: &str) -> Vec<u8> {
    const MANIFEST: &[u8; include_bytes!("../../../../tests/guests/misbehaving/manifest.json")
         .len()] = include_bytes!("../../../../tests/guests/misbehaving/manifest.json");
    let mut manifest: Value = serde_json::from_slice(MANIFEST).expect("a manifest");
    let capabilities = manifest["capabilities"].as_array_mut().expect("a list");
    let prefix = format!("{interface}.");
    capabilities.retain(|it| !it["capability"].as_str().unwrap_or("").starts_with(&prefix));
    let mut text = serde_json::to_vec(&manifest).expect("a manifest");
    text.resize(MANIFEST.len(), b' ');
    with_replaced(MANIFEST, &text.try_into().expect("the same length"))
}

#[test]
fn a_component_is_looked_into_without_compiling_it() {
    let examined = examine(&guest("misbehaving")).expect("a component");
    assert_eq!(examined.kind, Kind::Task);
    let has = |names: &[String], start: &str| names.iter().any(|name| name.starts_with(start));
    assert!(has(&examined.imports, "dfab:ssh/ssh@"));
    assert!(has(&examined.exports, "dfab:task/tasks@"));
    assert_eq!(examined.manifest.expect("a manifest").name, "misbehaving");
    assert!(matches!(
        examine(&guest("wrong_imports")),
        Err(LoadReason::Import { .. })
    ));
}

#[test]
fn a_component_says_what_it_is() {
    let plugin = load(&guest("misbehaving"), only(&["docker.read"])).expect("a component");
    assert_eq!(
        (plugin.name(), plugin.manifest().kind),
        ("misbehaving", Kind::Task)
    );
    let declared: Vec<_> = plugin
        .manifest()
        .capabilities
        .iter()
        .map(|it| it.capability.as_str())
        .collect();
    assert_eq!(
        declared,
        [
            "docker.read",
            "docker.request",
            "docker.containers",
            "docker.exec",
            "docker.images",
            "docker.build",
            "docker.networks",
            "docker.volumes",
            "docker.registry",
            "files.read",
            "files.write",
            "ssh.run",
            "ssh.sudo",
            "ssh.upload",
            "ssh.download",
            "settings.read"
        ]
    );
    assert_eq!(plugin.digest().len(), 64);
    assert!(matches!(plugin, Plugin::Task(_)));
}

#[test]
fn a_policy_that_imports_docker_is_refused() {
    let error = load(&guest("wrong_imports"), Grants::All).expect_err("a policy has no docker");
    assert_eq!(
        error.to_string(),
        "the component plugins/probe.wasm is not loaded"
    );
    assert_eq!(
        error.reason.to_string(),
        "it imports `dfab:docker/docker@0.1.0`, which a policy does not have; a policy may import \
         dfab:log/log, dfab:types/types, dfab:policy/planning, wasi:cli, wasi:clocks, \
         wasi:filesystem, wasi:io, wasi:random, wasi:sockets"
    );
}

#[test]
fn a_later_contract_needs_a_newer_dfab() {
    let later = |name: &[u8; 18]| with_replaced(b"dfab:ssh/ssh@0.1.0", name);
    assert!(
        load(&later(b"dfab:ssh/ssh@0.1.2"), Grants::All).is_ok(),
        "a later patch that uses nothing new"
    );
    let error = reason(&later(b"dfab:ssh/ssh@0.2.0")).to_string();
    assert_eq!(
        error,
        "it was made for `dfab:ssh/ssh@0.2.0`, and this dfab has version 0.1.0 of that; it needs a \
         newer dfab"
    );
}

#[test]
fn what_is_no_component_is_refused() {
    assert_eq!(
        reason(b"#!/bin/sh\n").to_string(),
        "it is not a WebAssembly component"
    );
    assert!(
        reason(b"\0asm\x01\0\0\0")
            .to_string()
            .contains("core WebAssembly module")
    );
    assert!(matches!(
        reason(b"\0asm\x0d\0\x01\0"),
        LoadReason::NoKind { .. }
    ));
    let mut cut = guest("misbehaving");
    cut.truncate(cut.len() / 2);
    assert!(matches!(reason(&cut), LoadReason::Inspect(_)));
}

#[test]
fn a_second_manifest_or_an_unknown_section_is_refused() {
    let twice = reason(&with_section("dfab:manifest", b"{}")).to_string();
    assert!(twice.contains("more than one manifest"), "{twice}");
    let unknown = reason(&with_section("dfab:manifesto", b"{}")).to_string();
    assert!(unknown.contains("`dfab:manifesto`"), "{unknown}");
    let ill_formed = with_replaced(br#""name": "misbehaving""#, br#""Name": "misbehaving""#);
    assert!(matches!(
        reason(&ill_formed),
        LoadReason::Manifest(ManifestError::Json(_))
    ));
}

#[test]
fn the_cache_is_for_the_user_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("a").join("components");
    let runtime = Runtime::new(RuntimeOptions {
        cache_dir: Some(cache.clone()),
        limits: limits(),
    })
    .expect("a runtime");
    assert!(
        runtime
            .load(Origin::BuiltIn("probe"), &guest("misbehaving"), Grants::All)
            .is_ok()
    );
    assert_eq!(
        cache.metadata().expect("it was made").permissions().mode() & 0o777,
        0o700
    );

    // A file where the folder should be: no cache, but everything else works.
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let runtime = Runtime::new(RuntimeOptions {
        cache_dir: Some(file),
        limits: limits(),
    })
    .expect("a runtime without a cache");
    assert!(
        runtime
            .load(Origin::BuiltIn("probe"), &guest("misbehaving"), Grants::All)
            .is_ok()
    );
}

/// What all components see of the machine: nothing.
const NOTHING: &str = "environment 0, arguments 0, input 0, read no, written no, connection no, \
                       listener no, datagrams no, lookup no; ";

fn silent() -> LogSink {
    Arc::new(|_, _| {})
}

/// What a component says that looks for everything.
async fn seen(plugin: &Plugin) -> String {
    let mut seen = match plugin {
        Plugin::Task(task) => {
            let tasks = task.tasks(&silent()).await.expect("it answers");
            tasks.into_iter().map(|it| it.summary).collect::<Vec<_>>()
        }
        Plugin::Policy(policy) => {
            let actions = policy.actions(&silent()).await.expect("it answers");
            actions.into_iter().map(|it| it.summary).collect()
        }
        Plugin::Recipe(recipe) => {
            let recipes = recipe.recipes(&silent()).await.expect("it answers");
            recipes.into_iter().map(|it| it.summary).collect()
        }
    };
    seen.pop().expect("it offers something")
}

#[tokio::test]
async fn no_component_has_an_environment_files_or_a_network() {
    for name in ["curious", "curious_recipe", "curious_task"] {
        let plugin = load(&guest(name), Grants::All).expect("a component");
        let seen = seen(&plugin).await;
        assert!(seen.starts_with(NOTHING), "{name}: {seen}");
        if let Plugin::Task(task) = plugin {
            let (answer, asked) = run(&task, "look", &[]).await;
            let seen = text(answer.expect("it answers"));
            assert!(seen.starts_with(NOTHING), "{seen}");
            assert_eq!(asked, Vec::<String>::new());
        }
    }
}

/// It sees the same in each call and each run, whatever time it is.
#[tokio::test]
async fn a_policy_and_a_recipe_have_no_clock_and_no_randomness() {
    let all = async |name| {
        let mut all = BTreeSet::new();
        for _ in 0..2 {
            let plugin = load(&guest(name), Grants::All).expect("a component");
            for _ in 0..2 {
                all.insert(seen(&plugin).await);
            }
        }
        all
    };
    for name in ["curious", "curious_recipe"] {
        let all = all(name).await;
        assert_eq!(all.len(), 1, "{all:?}");
        let one = all.first().expect("one");
        assert!(one.contains("; 0 s, 0 ns later, random "), "{one}");
    }
    // By the same look, a task has both.
    let all = all("curious_task").await;
    assert_eq!(all.len(), 4, "{all:?}");
}

/// What can be computed until a time has passed is a clock as well.
#[tokio::test]
async fn a_policy_and_a_recipe_cannot_wait() {
    let Plugin::Policy(policy) = load(&guest("curious"), Grants::All).expect("a policy") else {
        panic!("no policy")
    };
    let request = Request {
        action: "look".to_owned(),
        options: Vec::new(),
        nodes: Vec::new(),
        orphans: Vec::new(),
    };
    let waited = policy.plan(&request, &silent()).await.map(drop);
    let recipe = load(&guest("curious_recipe"), Grants::All).expect("a recipe");
    let Plugin::Recipe(recipe) = recipe else {
        panic!("no recipe")
    };
    let facts = Facts {
        os_id: "debian".to_owned(),
        os_like: Vec::new(),
        os_version: "12".to_owned(),
        os_codename: "bookworm".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1".to_owned(),
        user: "root".to_owned(),
        groups: Vec::new(),
        can_become_root: true,
        commands: Vec::new(),
    };
    let waited_too = recipe.plan("look", &facts, &[], &silent()).await.map(drop);
    for waited in [waited, waited_too] {
        let error = waited.expect_err("it cannot wait").to_string();
        assert!(
            error.contains("it waited for a time to pass, and there is no clock for it"),
            "{error}"
        );
    }
}

#[test]
fn what_of_wasi_there_is_not_is_refused() {
    let other = with_replaced(b"wasi:cli/stderr", b"wasi:tty/stderr");
    let refused = reason(&other).to_string();
    assert!(
        refused.starts_with("it imports `wasi:tty/stderr@0.2.")
            && refused.contains("`, which a task does not have; a task may import dfab:log/log, "),
        "{refused}"
    );
}

/// The imports are what a component can do; a manifest that is silent about some of them is a lie.
#[test]
fn what_is_imported_has_to_be_declared() {
    for (bytes, interface, capabilities) in [
        (
            without("settings"),
            "dfab:settings/settings@0.1.0",
            "settings.read",
        ),
        (
            without("ssh"),
            "dfab:ssh/ssh@0.1.0",
            "ssh.run, ssh.sudo, ssh.upload, ssh.download",
        ),
        (
            without("docker"),
            "dfab:docker/docker@0.1.0",
            "docker.read, docker.containers, docker.exec, docker.images, docker.build, \
             docker.networks, docker.volumes, docker.registry, docker.request",
        ),
    ] {
        let refused = reason(&bytes).to_string();
        assert_eq!(
            refused,
            format!(
                "it imports `{interface}`, and its manifest declares no capability for that \
                 ({capabilities}); whoever made it must declare what it wants to do, or not import it"
            )
        );
        assert_eq!(examine(&bytes).expect_err("as loaded").to_string(), refused);
    }
    assert!(load(&without("files"), Grants::All).is_ok());
}
