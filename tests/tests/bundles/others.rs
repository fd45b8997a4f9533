//! What the tools of others make of bundles and signatures, and dfab of theirs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use dfab_tests::artifact_registry::{ArtifactRegistry, Wants};
use dfab_tests::components::docker_with;
use dfab_tests::{Project, python};
use serde_json::{Value, json};

use crate::carriers::fetched;
use crate::scene::Scene;

/// ORAS, on a registry without TLS: `pull TARGET FOLDER`, or `push TARGET FILE CONFIG`.
const ORAS: &str = "
import sys
from oras.client import OrasClient
client = OrasClient(insecure=True)
if sys.argv[1] == 'pull':
    client.pull(target=sys.argv[2], outdir=sys.argv[3])
else:
    client.push(
        target=sys.argv[2],
        files=[sys.argv[3] + ':application/wasm'],
        manifest_config=sys.argv[4] + ':application/vnd.wasm.config.v0+json',
        disable_path_validation=True,
    )
";

/// Reads Sigstore bundles as other verifiers do, and prints what each one's signature is of.
const SIGSTORE: &str = "
import sys
from sigstore_models.bundle.v1 import Bundle
for line in open(sys.argv[1]):
    bundle = Bundle.from_json(line)
    envelope = bundle.dsse_envelope
    kind, payload = envelope.payload_type, envelope.payload
    (signature,) = envelope.signatures
    assert signature.keyid == bundle.verification_material.public_key.hint
    head = 'DSSEv1 %d %s %d ' % (len(kind), kind, len(payload))
    open(sys.argv[2], 'wb').write(head.encode() + payload)
    open(sys.argv[3], 'wb').write(signature.sig)
    print(payload.decode())
";

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Two components with README and licence, as one file.
fn pack_two(scene: &Scene) -> Result<String> {
    for name in ["acme-one", "acme-two"] {
        let component = docker_with(|manifest| {
            manifest["name"] = json!(name);
            manifest["summary"] = json!("s");
        })?;
        scene.project.write("two/README.md", "# Two\n")?;
        fs::write(scene.path(&format!("two/{name}.wasm")), component)?;
    }
    scene.project.write("two/LICENSE", "MIT\n")?;
    let manifest = r#"{"bundle": 1, "name": "acme", "version": "1.0.0"}"#;
    scene.project.write("two/bundle.json", manifest)?;
    scene
        .dfab(&["bundle", "pack", "two", "--to", "acme.tar"])?
        .success()?;
    Ok("acme.tar".to_owned())
}

#[test]
fn oras_pulls_the_components_of_a_bundle() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants::default())?;
    let scene = Scene::new()?;
    let file = pack_two(&scene)?;
    let place = format!("{}/acme/two:1.0.0", registry.address());
    scene
        .dfab(&["bundle", "push", &file, &format!("oci://{place}")])?
        .success()?;
    let folder = scene.path("pulled");
    python::script(ORAS, &["pull", &place, &text(&folder)])?.success()?;
    let mut pulled = Vec::new();
    for entry in fs::read_dir(&folder)? {
        pulled.push(entry?.file_name().to_string_lossy().into_owned());
    }
    pulled.sort();
    assert_eq!(pulled, ["acme-one.wasm", "acme-two.wasm"]);
    for name in pulled {
        let ours = fs::read(scene.path(&format!("two/{name}")))?;
        ensure!(fs::read(folder.join(&name))? == ours, "other bytes: {name}");
    }
    Ok(())
}

#[test]
fn what_oras_pushed_is_added_and_run() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants::default())?;
    let scene = Scene::new()?;
    let component = docker_with(|manifest| manifest["name"] = json!("oras"))?;
    fs::write(scene.path("oras.wasm"), component)?;
    let config = scene.project.write("config.json", "{}")?;
    let place = format!("{}/acme/oras:1", registry.address());
    let file = text(&scene.path("oras.wasm"));
    python::script(ORAS, &["push", &place, &file, &text(&config)])?.success()?;
    scene
        .dfab(&["plugin", "add", &format!("oci://{place}"), "-y"])?
        .success()?;
    let ran = scene.dfab(&["run", "oras", "version"])?.success()?;
    ensure!(ran.contains("API version"), "{ran}");
    Ok(())
}

/// What `wkg` 0.16.1 wants (by `oci-wasm` 0.6.0), which was seen to pull and to push with dfab: a manifest of
/// this type, exactly one layer, this type of configuration, and all that is in it. It is the layout of
/// <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>. Building `wkg` takes too long for a test.
fn check_wasm_artifact(scene: &Scene, address: &str, repository: &str) -> Result<()> {
    let base = format!("http://{address}/v2/{repository}");
    let manifest = fetched(scene, &format!("{base}/manifests/1.0.0"))?;
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    let config = &manifest["config"];
    assert_eq!(config["mediaType"], "application/vnd.wasm.config.v0+json");
    let layers = manifest["layers"].as_array().context("layers")?;
    let [layer] = layers.as_slice() else {
        anyhow::bail!("several layers: {manifest}");
    };
    assert_eq!(layer["mediaType"], "application/wasm");
    let digest = config["digest"].as_str().context("a digest")?;
    let config = fetched(scene, &format!("{base}/blobs/{digest}"))?;
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&json!("wasm"), &json!("wasip2"))
    );
    assert_eq!(config["layerDigests"], json!([layer["digest"]]));
    let created = config["created"].as_str().context("a time")?;
    ensure!(created.ends_with('Z') && created.len() == 20, "{created}");
    let component = &config["component"];
    let fields = component.as_object().context("a component")?.keys();
    assert_eq!(fields.collect::<Vec<_>>(), ["imports", "exports", "target"]);
    let named = |what: &str| -> Result<Vec<Value>> {
        let names = component[what].as_array().context("names")?;
        Ok(names.clone())
    };
    let has = |names: &[Value], start: &str| {
        names
            .iter()
            .any(|name| name.as_str().is_some_and(|it| it.starts_with(start)))
    };
    ensure!(has(&named("exports")?, "dfab:task/tasks@"), "{config}");
    ensure!(has(&named("imports")?, "dfab:docker/docker@"), "{config}");
    Ok(())
}

#[test]
fn what_wkg_pulls_has_the_layout_of_wasm_artifacts() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants::default())?;
    let scene = Scene::new()?;
    let bundle = scene.pack("acme-one", "1.0.0", &[])?;
    for (file, repository) in [
        (bundle.as_str(), "acme/one"),
        ("author.d/tasks.wasm", "acme/component"),
    ] {
        let place = format!("oci://{}/{repository}:1.0.0", registry.address());
        scene.dfab(&["bundle", "push", file, &place])?.success()?;
        check_wasm_artifact(&scene, registry.address(), repository)?;
    }
    Ok(())
}

/// The manifest and the configuration as `wkg oci push` 0.16.1 makes them.
#[test]
fn what_wkg_pushed_is_added_and_run() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants::default())?;
    let scene = Scene::new()?;
    let component = docker_with(|manifest| manifest["name"] = json!("wkg"))?;
    let base = format!("http://{}/v2/acme/wkg", registry.address());
    let put = |kind: &str, bytes: &[u8]| -> Result<(String, usize)> {
        fs::write(scene.path("blob"), bytes)?;
        let digest = format!("sha256:{}", sha256(&scene.project, "blob")?);
        let begun = curl(
            &scene,
            &["-i", "-X", "POST", &format!("{base}/blobs/uploads/")],
        )?;
        let place = begun
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .context("a place to upload to")?;
        let place = format!("{}&digest={digest}", place.trim());
        let kind = format!("Content-Type: {kind}");
        curl(
            &scene,
            &["-X", "PUT", "-H", &kind, "--data-binary", "@blob", &place],
        )?;
        Ok((digest, bytes.len()))
    };
    let (layer, layer_size) = put("application/octet-stream", &component)?;
    let config = json!({
        "created": "2026-11-21T22:36:09.315198269Z",
        "author": null,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer],
        "component": {
            "exports": ["dfab:task/tasks@0.1.0"],
            "imports": ["dfab:docker/docker@0.1.0", "wasi:io/poll@0.2.6"],
            "target": null,
        },
    });
    let (config, config_size) = put("application/octet-stream", config.to_string().as_bytes())?;
    let manifest = json!({
        "config": {
            "digest": config,
            "mediaType": "application/vnd.wasm.config.v0+json",
            "size": config_size,
        },
        "layers": [{
            "annotations": { "org.opencontainers.image.title": "docker.wasm" },
            "digest": layer,
            "mediaType": "application/wasm",
            "size": layer_size,
        }],
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "schemaVersion": 2,
    });
    scene.project.write("manifest", &manifest.to_string())?;
    let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json";
    let place = format!("{base}/manifests/1.0.0");
    curl(
        &scene,
        &[
            "-X",
            "PUT",
            "-H",
            kind,
            "--data-binary",
            "@manifest",
            &place,
        ],
    )?;

    let place = format!("oci://{}/acme/wkg:1.0.0", registry.address());
    scene.dfab(&["plugin", "add", &place, "-y"])?.success()?;
    let ran = scene.dfab(&["run", "wkg", "version"])?.success()?;
    ensure!(ran.contains("API version"), "{ran}");
    Ok(())
}

fn curl(scene: &Scene, arguments: &[&str]) -> Result<String> {
    let mut command = std::process::Command::new("curl");
    command
        .arg("-sSf")
        .args(arguments)
        .current_dir(scene.project.folder());
    dfab_tests::process::run(&mut command, b"", std::time::Duration::from_secs(10))?.success()
}

#[test]
fn signatures_are_read_and_verified_by_others() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene
        .dfab(&["bundle", "sign", &file, "--key", "author"])?
        .success()?;
    let beside = text(&scene.path(&format!("{file}.sig.jsonl")));
    let (message, signature) = (scene.path("message"), scene.path("signature"));
    let read = python::script(SIGSTORE, &[&beside, &text(&message), &text(&signature)])?;
    let statement: Value = read.json()?;
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    let digest = sha256(&scene.project, &file)?;
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest);
    scene.openssl(&[
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        "author.pub",
        "-in",
        "message",
        "-sigfile",
        "signature",
    ])?;
    Ok(())
}

/// Whatever signs, what is written is the form that `cosign sign-blob --key … --bundle` writes.
#[test]
fn a_signature_of_openssl_in_the_form_of_cosign_is_taken() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene.openssl(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        "p256",
    ])?;
    scene.openssl(&["ec", "-in", "p256", "-pubout", "-out", "p256.pub"])?;
    let sign = ["dgst", "-sha256", "-sign", "p256", "-out", "signature"];
    scene.openssl(&[&sign[..], &[&file]].concat())?;
    let text = base64::engine::general_purpose::STANDARD.encode(fs::read(scene.path("signature"))?);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "" }, "tlogEntries": [] },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": "" },
            "signature": text,
        },
    });
    let beside = format!("{file}.sigstore.json");
    scene.project.write(&beside, &bundle.to_string())?;
    let verified = scene
        .dfab(&["bundle", "verify", &file, "--key", "p256.pub"])?
        .success()?;
    ensure!(verified.contains("signed by p256.pub"), "{verified}");
    let other = scene.dfab(&["bundle", "verify", &file, "--key", "author.pub"])?;
    ensure!(other.status == 1, "{other:?}");
    // The signature is not of another bundle.
    let next = scene.pack("acme-one", "1.0.1", &[])?;
    fs::rename(
        scene.path(&beside),
        scene.path(&format!("{next}.sigstore.json")),
    )?;
    let changed = scene.dfab(&["bundle", "verify", &next, "--key", "p256.pub"])?;
    ensure!(
        changed.status == 1 && changed.stderr.contains("or was changed"),
        "{changed:?}"
    );
    Ok(())
}

/// As coreutils has it.
fn sha256(project: &Project, file: &str) -> Result<String> {
    let mut command = std::process::Command::new("sha256sum");
    command.arg(file).current_dir(project.folder());
    let limit = std::time::Duration::from_secs(10);
    let printed = dfab_tests::process::run(&mut command, b"", limit)?.success()?;
    let digest = printed.split(' ').next().context("a digest")?;
    Ok(digest.to_owned())
}
