//! A real registry: docker-registry, on an address of this machine.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::certificates::{Authority, VALID};

/// The name that registries with a password know.
pub const USER: &str = "deploy";
/// The password.
pub const PASSWORD: &str = "open sesame";
/// The line of htpasswd for both (bcrypt).
pub const HTPASSWD: &str = "deploy:$2b$05$aKH2FcOUUguelxmSvCXHH.L5T3ih5w3fiSetqMdSzyIBv78YHBSsa\n";

/// How long a registry may take to start.
const START: Duration = Duration::from_secs(30);

/// The registry; dropping it ends it and removes all that it has.
#[derive(Debug)]
pub struct ArtifactRegistry {
    folder: TempDir,
    address: String,
    child: Child,
}

/// What a registry wants of its clients.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants {
    /// TLS, with a certificate of an authority of its own.
    pub tls: bool,
    /// [`USER`] and [`PASSWORD`].
    pub login: bool,
}

impl ArtifactRegistry {
    /// Starts one.
    ///
    /// # Errors
    /// Where docker-registry is not installed, or does not start.
    pub fn start(wants: Wants) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name);
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n",
            file("storage").display()
        );
        if wants.login {
            fs::write(file("htpasswd"), HTPASSWD)?;
            let path = file("htpasswd");
            config += &format!(
                "auth:\n  htpasswd: {{realm: test, path: {}}}\n",
                path.display()
            );
        }
        config += "http:\n  addr: 127.0.0.1:0\n";
        if wants.tls {
            let authority = Authority::new("registries of tests")?;
            let certificate = authority.sign("registry", &["127.0.0.1"], VALID)?;
            certificate.write(&authority, folder.path())?;
            config += &format!(
                "  tls: {{certificate: {}, key: {}}}\n",
                file("cert.pem").display(),
                file("key.pem").display()
            );
        }
        fs::write(file("config.yml"), config)?;
        // The pipe closes when this process ends, however it ends, and the registry with it.
        let script = r#""$@" & cat > /dev/null; kill $!; wait $!"#;
        let mut child = Command::new("sh")
            .args(["-c", script, "registry", "docker-registry", "serve"])
            .arg(file("config.yml"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start docker-registry")?;
        let log = child.stderr.take().context("docker-registry has no log")?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            // To its end, so that the registry never waits for a reader.
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let address = line
                    .split_once("listening on ")
                    .and_then(|(_, rest)| rest.split([',', '"', ' ']).next());
                if let Some(address) = address {
                    sender.send(address.to_owned()).ok();
                }
            }
        });
        let address = receiver.recv_timeout(START);
        let mut registry = Self {
            folder,
            address: String::new(),
            child,
        };
        registry.address = address
            .context("docker-registry does not start; is it installed? cargo xtask setup")?;
        Ok(registry)
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The certificate of the authority that its clients must trust.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Its folder of files, by digests.
    #[must_use]
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }
}

impl Drop for ArtifactRegistry {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
