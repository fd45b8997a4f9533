//! A project that plugins of others come to.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dfab_tests::components::docker_with;
use dfab_tests::{Output, Project, process};
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::{Value, json};

/// A project, and a folder of an author below it.
pub(crate) struct Scene {
    pub(crate) project: Project,
    pub(crate) authority: Option<PathBuf>,
}

impl Scene {
    pub(crate) fn new() -> Result<Self> {
        let project = Project::new()?;
        project.write("dfab.yaml", "{}\n")?;
        let scene = Self {
            project,
            authority: None,
        };
        for name in ["author", "reviewer", "stranger"] {
            scene.dfab(&["key", "new", name])?.success()?;
        }
        Ok(scene)
    }

    /// Runs dfab with a store of its own.
    pub(crate) fn dfab(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.project.command(arguments)?;
        command
            .env("XDG_DATA_HOME", self.project.folder().join("data"))
            .env("DOCKER_CONFIG", self.project.folder().join("docker"));
        if let Some(authority) = &self.authority {
            command.env("SSL_CERT_FILE", authority);
        }
        process::run(&mut command, b"", Duration::from_secs(60))
    }

    /// The same on a machine without any network, its own addresses included.
    pub(crate) fn offline(&self, arguments: &[&str]) -> Result<Output> {
        let dfab = self.project.command(arguments)?;
        let mut command = std::process::Command::new("unshare");
        command
            .arg("--net")
            .arg(dfab.get_program())
            .args(arguments)
            .current_dir(self.project.folder())
            .env_clear();
        for (name, value) in dfab.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.env("XDG_DATA_HOME", self.project.folder().join("data"));
        process::run(&mut command, b"", Duration::from_secs(60))
    }

    /// Runs openssl in the project's folder.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new("openssl");
        command.args(arguments).current_dir(self.project.folder());
        process::run(&mut command, b"", Duration::from_secs(10))?.success()
    }

    /// Signs a file by a key until a day that is over, which dfab itself does not do.
    pub(crate) fn sign_expired(&self, file: &str, key: &str) -> Result<()> {
        self.dfab(&["bundle", "sign", file, "--key", key])?
            .success()?;
        let beside = self.path(&format!("{file}.sig.jsonl"));
        let mut signature: Value = serde_json::from_slice(&fs::read(&beside)?)?;
        let mut statement = statement(&signature)?;
        statement["predicate"]["expires"] = json!("2020-01-01T00:00:00Z");
        let payload = statement.to_string();
        let kind = "application/vnd.in-toto+json";
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let key = PKey::private_key_from_pem(&fs::read(self.path(key))?)?;
        let made = Signer::new_without_digest(&key)?.sign_oneshot_to_vec(message.as_bytes())?;
        let envelope = &mut signature["dsseEnvelope"];
        envelope["payload"] = json!(STANDARD.encode(payload));
        envelope["signatures"][0]["sig"] = json!(STANDARD.encode(made));
        fs::write(beside, format!("{signature}\n"))?;
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.folder().join(name)
    }

    /// Packs the task component of dfab under another name, asking for `asks` more than it does.
    pub(crate) fn pack(&self, name: &str, version: &str, more: &[(&str, &str)]) -> Result<String> {
        let component = docker_with(|manifest| {
            manifest["name"] = json!(name);
            manifest["version"] = json!(version);
            shorten(manifest);
            if let Some(capabilities) = manifest["capabilities"].as_array_mut() {
                capabilities.extend(more.iter().map(|(capability, covered)| {
                    json!({ "capability": capability, "allow": [covered], "reason": "r" })
                }));
            }
        })?;
        self.project.write("author.d/README.md", "# A test\n")?;
        self.project.write("author.d/LICENSE", "MIT\n")?;
        fs::write(self.path("author.d/tasks.wasm"), component)?;
        let file = format!("{name}-{version}.dfab.tar");
        self.dfab(&["bundle", "pack", "author.d", "--to", &file])?
            .success()?;
        Ok(file)
    }

    pub(crate) fn trust(&self, require: &str) -> Result<()> {
        self.trust_also(require, "")
    }

    pub(crate) fn trust_also(&self, require: &str, more: &str) -> Result<()> {
        let text = format!(
            "trust:\n  require: {require}\n  signers:\n\
             \x20 - {{name: author, key: author.pub, may: [sign], for: ['acme-*']}}\n\
             \x20 - {{name: reviewer, key: reviewer.pub, may: [vet], for: ['*']}}\n{more}"
        );
        self.project.write("dfab.yaml", &text).map(drop)
    }

    pub(crate) fn lock(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.path("dfab.lock"))?)?)
    }
}

/// What a signature is of.
pub(crate) fn statement(signature: &Value) -> Result<Value> {
    let payload = signature["dsseEnvelope"]["payload"].as_str();
    let payload = STANDARD.decode(payload.context("a payload")?)?;
    Ok(serde_json::from_slice(&payload)?)
}

/// Room for more in a manifest of the same length.
fn shorten(manifest: &mut Value) {
    manifest["summary"] = json!("s");
    for capability in manifest["capabilities"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        capability["reason"] = json!("r");
    }
}

/// What dfab said, if it refused.
pub(crate) fn refused(output: &Output) -> Result<&str> {
    ensure!(output.status == 2, "it did not refuse: {output:?}");
    Ok(&output.stderr)
}

pub(crate) fn assert_told(output: &Output, wanted: &str) -> Result<()> {
    let told = refused(output)?;
    ensure!(told.contains(wanted), "{wanted:?} is not in: {told}");
    Ok(())
}
