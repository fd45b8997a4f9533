//! A project folder as an operator has it, and dfab run in it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::folders;
use crate::host::TestHost;
use crate::keys::Key;
use crate::process::{self, Output};

/// No command of a test takes nearly as long.
const LIMIT: Duration = Duration::from_secs(60);

/// The folder, with an OpenSSH configuration of its own; dropping it removes it.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
    hosts: Mutex<String>,
}

impl Project {
    /// A folder without project file, maps or hosts.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn new() -> Result<Self> {
        let project = Self {
            folder: tempfile::tempdir()?,
            hosts: Mutex::default(),
        };
        project.write("known_hosts", "")?;
        project.write_ssh_config(&Key::user()?)?;
        Ok(project)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a host known by this name, for its user `root`.
    ///
    /// # Errors
    /// As [`Project::add_host_as`].
    pub fn add_host(&self, name: &str, host: &TestHost) -> Result<()> {
        self.add_host_as(name, host, "root")
    }

    /// Makes a host known by this name, for this user, and its key trusted.
    ///
    /// # Errors
    /// Where the files cannot be written.
    pub fn add_host_as(&self, name: &str, host: &TestHost, user: &str) -> Result<()> {
        {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let address = host.address();
            writeln!(hosts, "Host {name}\n  HostName {address}\n  User {user}")?;
        }
        let known = fs::read_to_string(self.folder().join("known_hosts"))?;
        let line = format!("{} {}\n", host.address(), host.host_key()?);
        self.write("known_hosts", &format!("{known}{line}"))?;
        self.write_ssh_config(&Key::user()?)
    }

    /// Trusts no host.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn forget_host_keys(&self) -> Result<()> {
        self.write("known_hosts", "").map(drop)
    }

    /// Trusts a key for this host that it does not have.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn expect_other_host_key(&self, host: &TestHost) -> Result<()> {
        let line = format!("{} {}\n", host.address(), Key::stranger()?.public()?);
        self.write("known_hosts", &line).map(drop)
    }

    /// Logs in with a key that no host accepts.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn use_unknown_user_key(&self) -> Result<()> {
        self.write_ssh_config(&Key::stranger()?)
    }

    /// Writes a file of the project, with its folders.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder().join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Runs dfab in the folder to its end, with nothing on its standard input.
    ///
    /// # Errors
    /// Where dfab is not built, runs longer than a minute, or leaves something running.
    pub fn dfab(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(arguments)?;
        process::run(&mut command, b"", LIMIT)
    }

    /// The command that [`Project::dfab`] runs: the built dfab with nothing of the developer's own
    /// environment but the search path and what turns logs on.
    ///
    /// # Errors
    /// Where dfab is not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(folders::built(&folders::profile()?.join("dfab"))?);
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear();
        for name in ["PATH", "RUST_BACKTRACE", "RUST_LOG", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", folders::shared("home")?)
            // Compiled components are worth sharing between tests.
            .env("XDG_CACHE_HOME", folders::shared("cache")?)
            .env("DFAB_SSH_CONFIG", self.ssh_config());
        Ok(command)
    }

    /// Runs a command line on a host through the OpenSSH client.
    ///
    /// # Errors
    /// Where the client cannot be started, or the command runs longer than a minute.
    pub fn ssh(&self, host: &str, line: &str) -> Result<Output> {
        let mut command = Command::new("ssh");
        command
            .arg("-F")
            .arg(self.ssh_config())
            .args(["-o", "ConnectTimeout=2", host, line]);
        process::run(&mut command, b"", LIMIT)
    }

    fn ssh_config(&self) -> PathBuf {
        self.folder().join("ssh_config")
    }

    fn write_ssh_config(&self, key: &Key) -> Result<()> {
        let hosts = self
            .hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let text = format!(
            "{hosts}Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
             UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\n  BatchMode yes\n  ConnectTimeout 5\n",
            key.file.display(),
            self.folder().join("known_hosts").display(),
        );
        self.write("ssh_config", &text).map(drop)
    }
}
