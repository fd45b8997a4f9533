//! What is loaded, and what is refused with a reason.

use std::os::unix::fs::PermissionsExt;

use crate::support::{guest, limits, only, runtime};
use dfab_runtime::{
    Grants, Kind, LoadError, LoadReason, ManifestError, Origin, Plugin, Runtime, RuntimeOptions,
    examine,
};

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

/// A policy sees the same in each call and each run, whatever time it is.
#[tokio::test]
async fn a_policy_has_no_clock_and_no_randomness() {
    let log: dfab_runtime::LogSink = std::sync::Arc::new(|_, _| {});
    let mut seen = Vec::new();
    for _ in 0..2 {
        let Plugin::Policy(policy) = load(&guest("curious"), Grants::All).expect("a policy") else {
            panic!("no policy")
        };
        for _ in 0..2 {
            let actions = policy.actions(&log).await.expect("it answers");
            seen.push(actions.into_iter().map(|it| it.summary).collect::<Vec<_>>());
        }
    }
    assert!(
        seen.iter().all(|other| Some(other) == seen.first()),
        "{seen:?}"
    );
    let expected = "0 s, 0 ns later, environment 0, arguments 0, file no, connection no";
    let summary = seen.concat().into_iter().next().expect("an action");
    assert!(summary.starts_with(expected), "{summary}");
}
