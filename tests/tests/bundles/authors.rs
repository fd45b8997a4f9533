//! What authors and reviewers do with components and bundles.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::scene::{Scene, assert_told, statement};

/// Puts the manifest of [`manifest`] into the component.
const PUT: [&str; 5] = [
    "plugin",
    "manifest",
    "still.wasm",
    "--from",
    "manifest.json",
];

/// A policy component without a manifest, every call of which fails.
fn without_manifest(scene: &Scene, file: &str) -> Result<Vec<u8>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let bytes = fs::read(seeds.join("policy.wasm"))?;
    fs::write(scene.path(file), &bytes)?;
    Ok(bytes)
}

fn manifest(scene: &Scene, kind: &str) -> Result<()> {
    let manifest = json!({
        "name": "acme-still", "version": "1.0.0", "kind": kind,
        "summary": "Does nothing.", "licence": "MIT",
        "limits": {"cpu": "5s", "memory": "64MiB"},
    });
    scene
        .project
        .write("manifest.json", &manifest.to_string())
        .map(drop)
}

#[test]
fn a_manifest_is_put_into_a_component_that_has_none() -> Result<()> {
    let scene = Scene::new()?;
    let before = without_manifest(&scene, "still.wasm")?;
    let put = |more: &[&str]| scene.dfab(&[&PUT[..], more].concat());
    assert_told(
        &scene.dfab(&["plugin", "info", "still.wasm"])?,
        "it has no manifest",
    )?;

    // A manifest of another kind, one that asks for what its kind cannot have, and none at all.
    manifest(&scene, "task")?;
    assert_told(&put(&[])?, "its manifest says that it is a task")?;
    let asks = r#"{"name": "a", "version": "1", "kind": "policy",
        "capabilities": [{"capability": "ssh.run", "reason": "r"}]}"#;
    scene.project.write("manifest.json", asks)?;
    assert_told(&put(&[])?, "a policy decides and does nothing itself")?;
    scene.project.write("manifest.json", "{")?;
    assert_told(
        &put(&[])?,
        "its manifest (custom section `dfab:manifest`) cannot be read",
    )?;
    ensure!(
        fs::read(scene.path("still.wasm"))? == before,
        "it was changed"
    );

    manifest(&scene, "policy")?;
    put(&["--dry-run"])?.success()?;
    ensure!(
        fs::read(scene.path("still.wasm"))? == before,
        "it was changed"
    );
    put(&["--to", "other.wasm"])?.success()?;
    ensure!(
        fs::read(scene.path("still.wasm"))? == before,
        "it was changed"
    );
    put(&[])?.success()?;
    let with = fs::read(scene.path("still.wasm"))?;
    ensure!(with == fs::read(scene.path("other.wasm"))?, "two results");
    ensure!(
        with.starts_with(&before),
        "more than the manifest was added"
    );
    let info = scene
        .dfab(&["plugin", "info", "still.wasm", "--output", "json"])?
        .json()?;
    assert_eq!(info["name"], "acme-still");
    assert_eq!(info["components"][0]["component"]["kind"], "policy");
    assert_told(&put(&[])?, "it has a manifest already")
}

#[test]
fn what_does_not_start_can_be_looked_at_and_is_not_taken() -> Result<()> {
    let scene = Scene::new()?;
    without_manifest(&scene, "still.wasm")?;
    manifest(&scene, "policy")?;
    scene.dfab(&PUT)?.success()?;
    // Nothing of it runs for this.
    let info = scene.dfab(&["plugin", "info", "still.wasm"])?.success()?;
    ensure!(
        info.contains(
            "  policy acme-still 1.0.0  Does nothing.\n    licence MIT\n    \
             makes do with cpu 5s, memory 64MiB\n    asks for nothing"
        ),
        "{info}"
    );
    let wanted = "the component acme-still does not start";
    assert_told(&scene.dfab(&["plugin", "add", "still.wasm", "-y"])?, wanted)?;
    ensure!(!scene.path("dfab.lock").exists(), "something was added");
    let vet = ["bundle", "vet", "still.wasm", "--key", "reviewer", "-y"];
    assert_told(&scene.dfab(&vet)?, wanted)?;
    ensure!(
        !scene.path("still.wasm.sig.jsonl").exists(),
        "it was vetted"
    );
    Ok(())
}

#[test]
fn what_is_added_or_vetted_starts_within_the_limits_of_the_project() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    let add = ["plugin", "add", &file, "-y"];
    let install = ["bundle", "install", &file, "-y"];
    let vet = ["bundle", "vet", &file, "--key", "reviewer", "-y"];
    let commands = [&add[..], &install, &vet];
    scene
        .project
        .write("dfab.yaml", "limits: {memory: 64KiB}\n")?;
    for command in commands {
        let told = scene.dfab(command)?;
        assert_told(&told, "it wanted more memory than 64KiB (limit `memory`)")?;
        assert_told(&told, "limits: {plugins: {acme-one: {memory: 128KiB}}}")?;
    }
    ensure!(!scene.path("dfab.lock").exists(), "something was added");
    // The line that raises it does.
    scene.project.write(
        "dfab.yaml",
        "limits: {memory: 64KiB, plugins: {acme-one: {memory: 64MiB}}}\n",
    )?;
    for command in commands {
        scene.dfab(command)?.success()?;
    }
    Ok(())
}

#[test]
fn an_attestation_says_what_was_looked_at() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[("settings.read", "token")])?;
    let vet = ["bundle", "vet", &file, "--key", "reviewer", "-y"];
    let more = ["--expires", "2099-01-31", "--note", "read by two"];
    scene.dfab(&[&vet[..], &more].concat())?.success()?;
    let text = fs::read_to_string(scene.path(&format!("{file}.sig.jsonl")))?;
    let statement = statement(&serde_json::from_str(&text)?)?;
    let info = scene
        .dfab(&["plugin", "info", &file, "--output", "json"])?
        .json()?;
    let subject = statement["subject"][0]["digest"]["sha256"].as_str();
    assert_eq!(
        info["digest"],
        format!("sha256:{}", subject.context("a digest")?)
    );
    let said = &statement["predicate"];
    assert_eq!(said["verdict"], "accepted");
    assert_eq!(said["note"], "read by two");
    assert_eq!(said["expires"], "2099-01-31T00:00:00Z");
    ensure!(said["vetted"].is_string(), "no time: {said}");
    let asks = &info["components"][0]["component"]["asks"];
    let names: Vec<_> = asks.as_object().context("asks")?.keys().collect();
    assert_eq!(said["asks"]["acme-one"], json!(names));
    ensure!(
        names.iter().any(|it| *it == "settings.read token"),
        "{asks}"
    );
    let checks = said["checks"].as_array().context("checks")?;
    ensure!(checks.len() == 6, "{checks:?}");
    let imports = said["imports"]["acme-one"].as_array();
    let imports = imports.context("imports")?;
    assert_eq!(
        info["components"][0]["component"]["imports"],
        json!(imports)
    );
    ensure!(
        imports
            .iter()
            .any(|it| it.as_str().is_some_and(|it| it.starts_with("dfab:docker/"))),
        "{imports:?}"
    );
    Ok(())
}

/// What must not be used is mostly what fails the checks.
#[test]
fn what_fails_the_checks_can_be_refused() -> Result<()> {
    let scene = Scene::new()?;
    let refuse = |file: &str| -> Result<Value> {
        let vet = ["bundle", "vet", file, "--key", "reviewer", "-y"];
        let accepted = scene.dfab(&vet)?;
        ensure!(accepted.status == 2, "{accepted:?}");
        let beside = scene.path(&format!("{file}.sig.jsonl"));
        ensure!(!beside.exists(), "it was accepted");
        let more = ["--refuse", "--note", "by nobody known"];
        scene.dfab(&[&vet[..], &more].concat())?.success()?;
        let statement = statement(&serde_json::from_slice(&fs::read(beside)?)?)?;
        let sum = openssl::sha::sha256(&fs::read(scene.path(file))?);
        let sum = sum.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(statement["subject"][0]["digest"]["sha256"], sum);
        let said = &statement["predicate"];
        assert_eq!(said["verdict"], "refused");
        assert_eq!(said["note"], "by nobody known");
        assert_eq!(said["checks"], json!([]));
        Ok(said.clone())
    };
    let failed = |said: &Value, wanted: &str| -> Result<()> {
        let failed = said["failed"][0].as_str().context("what failed")?;
        ensure!(failed.contains(wanted), "{wanted:?} is not in: {failed}");
        Ok(())
    };
    // Of what dfab does not take, nothing is known but its bytes.
    without_manifest(&scene, "bare.wasm")?;
    let said = refuse("bare.wasm")?;
    failed(&said, "it has no manifest")?;
    assert_eq!(said["asks"], json!({}));
    without_manifest(&scene, "still.wasm")?;
    manifest(&scene, "policy")?;
    scene.dfab(&PUT)?.success()?;
    let said = refuse("still.wasm")?;
    failed(&said, "the component acme-still does not start")?;
    assert_eq!(said["asks"], json!({"acme-still": []}));
    // The refusal counts as any other.
    scene.trust("nothing")?;
    let verified = scene.dfab(&["bundle", "verify", "still.wasm"])?;
    ensure!(
        verified.status == 1
            && verified
                .stderr
                .contains("reviewer has vetted it and refused it"),
        "{verified:?}"
    );
    Ok(())
}

#[test]
fn nothing_is_signed_until_a_day_that_is_over() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    for (command, key) in [("sign", "author"), ("vet", "reviewer")] {
        for over in ["2020-01-01", "0d"] {
            let arguments = [
                "bundle",
                command,
                &file,
                "--key",
                key,
                "--expires",
                over,
                "-y",
            ];
            assert_told(&scene.dfab(&arguments)?, "that is over")?;
        }
    }
    let beside = scene.path(&format!("{file}.sig.jsonl"));
    ensure!(!beside.exists(), "it was signed");
    Ok(())
}

#[test]
fn what_is_left_out_of_a_bundle_is_told() -> Result<()> {
    let scene = Scene::new()?;
    scene.pack("acme-one", "1.0.0", &[])?;
    scene.project.write("author.d/other.txt", "o")?;
    scene.project.write("author.d/source/lib.rs", "")?;
    let packed = scene.dfab(&["bundle", "pack", "author.d", "--to", "one.tar"])?;
    ensure!(packed.status == 0, "{packed:?}");
    let told: Vec<_> = packed
        .stderr
        .lines()
        .filter(|line| line.contains("left out"))
        .collect();
    assert_eq!(told, ["  left out: other.txt", "  left out: source/"]);
    Ok(())
}

#[test]
fn installing_a_bundle_is_adding_it() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene
        .dfab(&["bundle", "install", &file, "-y", "--grant", "docker.read"])?
        .success()?;
    let component = &scene.lock()?["plugins"]["acme-one"]["components"]["acme-one"];
    assert_eq!(component["grants"], json!(["docker.read"]));
    scene.dfab(&["run", "acme-one"])?.success().map(drop)
}

#[test]
fn nothing_of_files_needs_a_network() -> Result<()> {
    let scene = Scene::new()?;
    // What it packs is left in the author's folder.
    scene.pack("acme-one", "1.0.0", &[])?;
    scene.trust_also("vetted", "  revoked: revoked.txt\n")?;
    scene.project.write("revoked.txt", "# nothing yet\n")?;
    for arguments in [
        &["bundle", "pack", "author.d", "--to", "one.tar"][..],
        &["plugin", "info", "one.tar"],
        &["bundle", "sign", "one.tar", "--key", "author"],
        &["bundle", "vet", "one.tar", "--key", "reviewer", "-y"],
        &["bundle", "verify", "one.tar"],
        &["plugin", "add", "one.tar", "-y"],
        &["plugin", "list"],
        &["run", "acme-one"],
        &["plugin", "remove", "acme-one"],
    ] {
        let said = scene.offline(arguments)?;
        ensure!(said.status == 0, "{arguments:?}: {said:?}");
    }
    // It is really without one.
    let away = scene.offline(&["plugin", "info", "https://127.0.0.1:1/one.tar"])?;
    ensure!(
        away.status == 4 && away.stderr.contains("unreachable"),
        "{away:?}"
    );
    Ok(())
}
