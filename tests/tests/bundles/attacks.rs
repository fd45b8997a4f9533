//! What somebody may do to bundles on their way, and on the machine: nothing of it runs.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::artifact_registry::{ArtifactRegistry, Wants};
use serde_json::{Value, json};

use crate::scene::{Scene, assert_told, statement};

/// A project that has added a signed plugin, the file, and where its signatures are kept.
fn added() -> Result<(Scene, String, PathBuf)> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene.trust("signed")?;
    sign(&scene, &file)?;
    scene.dfab(&["plugin", "add", &file, "-y"])?.success()?;
    scene.dfab(&["run", "acme-one"])?.success()?;
    let digest = digest(&scene.lock()?)?;
    let kept = scene
        .path("data/dfab/bundles")
        .join(format!("{digest}.sig.jsonl"));
    ensure!(kept.is_file(), "{} is not there", kept.display());
    Ok((scene, file, kept))
}

fn sign(scene: &Scene, file: &str) -> Result<()> {
    let sign = ["bundle", "sign", file, "--key", "author"];
    scene.dfab(&sign)?.success().map(drop)
}

/// Of the plugin in a lock file, in hexadecimal.
fn digest(lock: &Value) -> Result<String> {
    let digest = lock["plugins"]["acme-one"]["digest"].as_str();
    let digest = digest.context("a digest")?;
    Ok(digest.trim_start_matches("sha256:").to_owned())
}

#[test]
fn a_kept_signature_that_is_stripped_swapped_or_expired_counts_no_more() -> Result<()> {
    let (scene, file, kept) = added()?;
    let good = fs::read(&kept)?;
    let run = || scene.dfab(&["run", "acme-one"]);

    fs::remove_file(&kept)?;
    assert_told(&run()?, "there is no signature")?;
    fs::write(&kept, "")?;
    assert_told(&run()?, "there is no signature")?;

    let other = scene.pack("acme-one", "1.0.1", &[])?;
    sign(&scene, &other)?;
    fs::copy(scene.path(&format!("{other}.sig.jsonl")), &kept)?;
    assert_told(&run()?, "a signature of author: it signs other bytes")?;

    fs::remove_file(scene.path(&format!("{file}.sig.jsonl")))?;
    scene.sign_expired(&file, "author")?;
    fs::copy(scene.path(&format!("{file}.sig.jsonl")), &kept)?;
    assert_told(&run()?, "a signature of author has expired")?;

    // A later date under the same signature.
    let mut forged: Value = serde_json::from_slice(&fs::read(&kept)?)?;
    let mut statement = statement(&forged)?;
    statement["predicate"]["expires"] = json!("2099-01-01T00:00:00Z");
    forged["dsseEnvelope"]["payload"] = json!(encoded(&statement));
    fs::write(&kept, format!("{forged}\n"))?;
    assert_told(&run()?, "is of nobody in `trust`, or was changed")?;

    fs::write(&kept, good)?;
    run()?.success().map(drop)
}

#[test]
fn grants_stay_with_the_bytes_that_they_were_given_to() -> Result<()> {
    let (scene, _, _) = added()?;
    let lock = scene.lock()?;
    // Another version of the same author, which this machine has too, since another project uses it.
    let other = scene.pack("acme-one", "1.1.0", &[("settings.read", "token")])?;
    sign(&scene, &other)?;
    let add = ["plugin", "add", &other, "-y", "--accept-changes"];
    scene.dfab(&add)?.success()?;
    let newer = scene.lock()?;
    // The lock file is led to it, with the grants of before.
    let mut led = lock.clone();
    led["plugins"]["acme-one"]["digest"] = newer["plugins"]["acme-one"]["digest"].clone();
    scene.project.write("dfab.lock", &led.to_string())?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "does not have it with these bytes",
    )?;
    // Nor does its component get another's name.
    let mut renamed = lock.clone();
    let plugin = renamed["plugins"]["acme-one"].take();
    renamed["plugins"] = json!({ "acme-two": plugin });
    scene.project.write("dfab.lock", &renamed.to_string())?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "its own name is acme-one",
    )?;
    scene.project.write("dfab.lock", &lock.to_string())?;
    scene.dfab(&["run", "acme-one"])?.success().map(drop)
}

/// The header of a file in an archive, with a size that may be a lie.
fn header(name: &str, size: u64) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header.as_bytes().to_vec())
}

#[test]
fn bombs_are_told_before_they_are_unpacked() -> Result<()> {
    let scene = Scene::new()?;
    let refused = |bytes: &[u8], wanted: &str| {
        fs::write(scene.path("bomb"), bytes)?;
        for command in [&["plugin", "info"][..], &["bundle", "push"]] {
            let target: &[&str] = match command {
                ["bundle", ..] => &["bomb", "oci://127.0.0.1:1/a:1"],
                _ => &["bomb"],
            };
            assert_told(&scene.dfab(&[command, target].concat())?, wanted)?;
        }
        assert_told(&scene.dfab(&["plugin", "add", "bomb", "-y"])?, wanted)
    };
    // A file that would have 8 GiB.
    let lie = header("bundle.json", (8 << 30) - 1)?;
    refused(
        &lie,
        "bundle.json has 8589934591 bytes, and may have 1048576",
    )?;
    let component = [header("bundle.json", 0)?, header("a.wasm", 65 << 20)?].concat();
    refused(&component, "a.wasm has 68157440 bytes")?;
    let mut large = b"\0asm\x0d\0\x01\0".to_vec();
    large.resize((64 << 20) + 1, 0);
    refused(
        &large,
        "it has 67108865 bytes, and dfab loads components of up to",
    )?;
    // Very many files.
    let mut many = header("bundle.json", 0)?;
    for number in 0..100_000 {
        many.extend(header(&format!("{number}"), 0)?);
    }
    refused(&many, "it has more than 64 files")?;
    // JSON without an end.
    let deep = vec![b'['; 1 << 20];
    let deep = [header("bundle.json", 1 << 20)?, deep, vec![0; 1024]].concat();
    refused(&deep, "bundle.json cannot be read")?;
    // What would become large.
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &[0; 1000]].concat();
    refused(&gzip, "it is compressed; bundles are not")?;
    let zip = [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &[0; 1000]].concat();
    refused(&zip, "it is neither a bundle nor a WebAssembly component")?;
    // Bytes behind the end, which other programs would not show.
    let good = fs::read(scene.path(&scene.pack("acme-one", "1.0.0", &[])?))?;
    refused(
        &[good.as_slice(), b"more"].concat(),
        "it is not in the one form",
    )
}

/// Code that was compiled by the same engine that dfab has, for this machine.
#[test]
fn compiled_code_is_taken_nowhere() -> Result<()> {
    let scene = Scene::new()?;
    let engine = wasmtime::Engine::default();
    let component = dfab_tests::components::docker_with(|manifest| {
        manifest["name"] = json!("acme-one");
    })?;
    let compiled = engine.precompile_component(&component);
    let compiled = compiled.map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(wasmtime::Engine::detect_precompiled(&compiled).is_some());
    let wanted = "machine code; dfab ";
    // By its own name, by that of a component, and with the manifest that one would have.
    for name in ["one.cwasm", "one.wasm", "author.d/one.wasm"] {
        scene.project.write("author.d/README.md", "# A test\n")?;
        scene.project.write("author.d/LICENSE", "MIT\n")?;
        fs::write(scene.path(name), &compiled)?;
        scene.project.write("dfab.yaml", "{}\n")?;
        for command in [
            &["plugin", "info", name][..],
            &["plugin", "add", name, "-y"],
            &["bundle", "install", name, "-y"],
            &["bundle", "vet", name, "--key", "reviewer", "-y"],
            &["bundle", "push", name, "oci://127.0.0.1:1/a:1"],
            &["bundle", "verify", name, "--key", "author.pub"],
        ] {
            assert_told(&scene.dfab(command)?, wanted)?;
        }
        scene.project.write(
            "dfab.yaml",
            &format!("plugins:\n- {{path: {name}, digest: any, grant: [docker.read]}}\n"),
        )?;
        assert_told(&scene.dfab(&["run", "acme-one", "version"])?, wanted)?;
    }
    scene.project.write("dfab.yaml", "{}\n")?;
    assert_told(&scene.dfab(&["bundle", "pack", "author.d"])?, wanted)?;
    // A bundle that somebody else has packed, with a good signature and the manifest of another one.
    fs::remove_file(scene.path("author.d/one.wasm"))?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    let mut unpacked = tar::Archive::new(fs::File::open(scene.path(&file))?);
    let mut manifest = Vec::new();
    let first = unpacked.entries()?.next().context("a manifest")?;
    first?.read_to_end(&mut manifest)?;
    let files = [
        ("bundle.json", &manifest[..]),
        ("LICENSE", b"MIT\n"),
        ("README.md", b"# A test\n"),
        ("tasks.wasm", &compiled),
    ];
    let mut packed = Vec::new();
    for (name, bytes) in files {
        packed.extend(header(name, bytes.len().try_into()?)?);
        packed.extend(bytes);
        packed.resize(packed.len().next_multiple_of(512), 0);
    }
    packed.resize(packed.len() + 1024, 0);
    fs::write(scene.path("one.tar"), packed)?;
    scene.trust("signed")?;
    sign(&scene, "one.tar")?;
    for verb in [&["plugin", "add"][..], &["bundle", "install"]] {
        assert_told(&scene.dfab(&[verb, &["one.tar", "-y"]].concat())?, wanted)?;
    }
    // In the place of a component that was added, and its compiled form in that of the store's.
    sign(&scene, &file)?;
    scene.dfab(&["plugin", "add", &file, "-y"])?.success()?;
    for entry in fs::read_dir(scene.path("data/dfab/bundles"))? {
        let path = entry?.path();
        if !path.to_string_lossy().ends_with(".jsonl") {
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            fs::write(path, &compiled)?;
        }
    }
    assert_told(&scene.dfab(&["run", "acme-one", "version"])?, "other bytes")
}

#[test]
fn a_registry_that_lost_the_signatures_gives_nothing_that_is_used() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants::default())?;
    let scene = Scene::new()?;
    scene.trust("signed")?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    sign(&scene, &file)?;
    let place = format!("oci://{}/acme/one:1.0.0", registry.address());
    let beside = scene.path(&format!("{file}.sig.jsonl"));
    let signature = fs::read(&beside)?;
    fs::remove_file(&beside)?;
    scene.dfab(&["bundle", "push", &file, &place])?.success()?;
    let add = ["plugin", "add", &place, "-y"];
    assert_told(&scene.dfab(&add)?, "there is no signature")?;
    ensure!(!scene.path("dfab.lock").exists(), "something was added");
    // Once they are there, it is good.
    fs::write(&beside, signature)?;
    scene.dfab(&["bundle", "push", &file, &place])?.success()?;
    scene.dfab(&add)?.success().map(drop)
}

fn encoded(value: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(value.to_string())
}
