//! What is good, to begin with, and what was once found.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use dfab_bundles::statement::{Claim, Signed};
use dfab_bundles::{Digest, PrivateKey, Signature, pack};
use dfab_runtime::with_manifest;

use crate::examination::examine;
use crate::target::Target;

/// The smallest components of each kind, by `wit-component`'s dummy modules: every call of them fails.
pub(crate) const TASK: &[u8] = include_bytes!("../seeds/task.wasm");
const POLICY: &[u8] = include_bytes!("../seeds/policy.wasm");
const RECIPE: &[u8] = include_bytes!("../seeds/recipe.wasm");

/// A signature for an identity, what it signs, and whom to believe it.
const KEYLESS: &str = include_str!("../../../host/bundles/tests/data/cosign-v3-blob.sigstore.json");
pub(crate) const KEYLESS_BYTES: &[u8] =
    include_bytes!("../../../host/bundles/tests/data/cosign-v3-blob.txt");
pub(crate) const KEYLESS_ROOT: &[u8] =
    include_bytes!("../../../host/bundles/tests/data/trusted_root.json");

/// Bytes that are good, or were.
///
/// # Errors
/// Where they are not: then something else is wrong.
pub fn seeds(target: Target) -> Result<Vec<Vec<u8>>> {
    let manifest = |name: &str, kind: &str, capabilities: &str| {
        format!(
            r#"{{"name": "{name}", "version": "1.0.0", "kind": "{kind}", "summary": "Does.", "licence": "MIT", "capabilities": [{capabilities}]}}"#
        )
    };
    let asks = r#"{"capability": "docker.read", "reason": "Looks."},
        {"capability": "docker.request", "allow": ["GET /containers/*/json"], "reason": "Asks."},
        {"capability": "ssh.run", "allow": ["df -h **"], "reason": "Runs."},
        {"capability": "files.read", "allow": ["config"], "reason": "Reads."},
        {"capability": "settings.read", "allow": ["a*"], "reason": "Reads."}"#;
    let task = manifest("one", "task", asks);
    let policy = manifest("two", "policy", "");
    let with = |component: &[u8], manifest: &str| with_manifest(component, manifest.as_bytes());
    Ok(match target {
        Target::Manifest => {
            let bundle = packed(&[("one", &with(TASK, &task)?)])?;
            let digest = Digest::of(&bundle);
            let claim = Claim::Signed(Signed::default());
            let signature = Signature::make(&PrivateKey::generate()?, "one", digest, &claim)?;
            let message = r#"{"verificationMaterial": {"publicKey": {"hint": "a"}}, "messageSignature": {"signature": "AAAA"}}"#;
            let texts = [
                task,
                policy,
                r#"{"bundle": 1, "name": "one", "version": "1.0.0", "source": "https://example.com"}"#
                    .to_owned(),
                Signature::write_all(&[signature]),
                message.to_owned(),
                KEYLESS.to_owned(),
                format!("# a list\n{digest}  bad\n"),
                format!("oci://registry.example.com:5000/acme/one:1.0.0@{digest}"),
                "https://example.com/one.wasm".to_owned(),
            ];
            texts.into_iter().map(String::into_bytes).collect()
        }
        Target::Bundle => {
            let (one, two) = (with(TASK, &task)?, with(POLICY, &policy)?);
            let bundles = [
                packed(&[("one", &one)])?,
                packed(&[("one", &one), ("two", &two)])?,
            ];
            let singles = [Bytes::from(two)];
            bundles
                .into_iter()
                .chain(singles)
                .map(|it| it.to_vec())
                .collect()
        }
        Target::Component => vec![
            POLICY.to_vec(),
            RECIPE.to_vec(),
            with(POLICY, &policy)?,
            with(TASK, &task)?,
        ],
    })
}

/// What was found once, by its file.
///
/// # Errors
/// Where the folder cannot be read.
pub fn found(target: Target) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("found")
        .join(target.to_string());
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        let bytes = std::fs::read(&file)?;
        found.push((file, bytes));
    }
    Ok(found)
}

fn packed(components: &[(&str, &[u8])]) -> Result<Bytes> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
    for (name, bytes) in components {
        write(&format!("{name}.wasm"), bytes)?;
    }
    write("README.md", b"# One\n")?;
    write("LICENSE", b"MIT\n")?;
    write(
        "bundle.json",
        br#"{"bundle": 1, "name": "one", "version": "1.0.0"}"#,
    )?;
    Ok(pack(folder.path(), &examine)?.bytes().clone())
}
