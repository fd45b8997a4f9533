//! A project folder as an operator has it, and dfab run in it.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dfab_engine::{ConnectOptions, Endpoint, Engine};
use dfab_ssh::{ResolveOptions, Session, resolve};
use tempfile::TempDir;

use crate::folders;
use crate::host::TestHost;
use crate::images;
use crate::keys::Key;
use crate::process::{self, Output};
use crate::relay::Relay;

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

    /// A machine, and a project that knows it as `h1`, for its user `root`.
    ///
    /// # Errors
    /// As [`Project::with_host_as`].
    pub fn with_host() -> Result<(TestHost, Self)> {
        Self::with_host_as("root")
    }

    /// A machine, and a project that knows it as `h1`, for this user.
    ///
    /// # Errors
    /// Where it does not start, or the files cannot be written.
    pub fn with_host_as(user: &str) -> Result<(TestHost, Self)> {
        let host = TestHost::start()?;
        let project = Self::new()?;
        project.add_host_as("h1", &host, user)?;
        Ok((host, project))
    }

    /// Machines `h1`, `h2` and so on with an image of the test program, and a project that knows them.
    ///
    /// # Errors
    /// Where one does not start, or does not take the image.
    pub fn with_hosts(count: usize, image: &str) -> Result<(Vec<TestHost>, Self)> {
        let hosts = TestHost::start_many(count)?;
        let project = Self::new()?;
        images::ensure(image)?;
        for (number, host) in (1..).zip(&hosts) {
            project.add_host(&format!("h{number}"), host)?;
            host.load_image(image)?;
        }
        Ok((hosts, project))
    }

    /// Connects to a host and its engine within the test itself.
    ///
    /// # Errors
    /// Where one of them cannot be reached.
    pub async fn connect(&self, host: &str, options: &ConnectOptions) -> Result<(Session, Engine)> {
        let resolve_options = ResolveOptions {
            config_file: Some(self.ssh_config()),
            ..ResolveOptions::default()
        };
        let target = resolve(&host.parse()?, &resolve_options).await?;
        let session = Session::connect(&target).await?;
        let endpoint = Endpoint::Ssh {
            session: session.clone(),
            socket: "/var/run/docker.sock".to_owned(),
            tcp: None,
        };
        let engine = Engine::connect(endpoint, options).await?;
        Ok((session, engine))
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
        let server = SocketAddr::new(host.address(), 22);
        self.add_server(name, server, user, &host.host_key()?)
    }

    /// Makes an SSH server known by this name, for this user, and its key trusted.
    ///
    /// # Errors
    /// Where the files cannot be written.
    pub fn add_server(
        &self,
        name: &str,
        server: SocketAddr,
        user: &str,
        host_key: &str,
    ) -> Result<()> {
        let (address, port) = (server.ip(), server.port());
        self.add(
            name,
            &format!(
                "HostName {address}
  Port {port}
  User {user}"
            ),
        )?;
        self.trust(server, host_key)
    }

    /// Makes a host known that is reached through a relay, with more options of OpenSSH's, one a line.
    ///
    /// # Errors
    /// As [`Project::add_host_as`].
    pub fn add_relayed(
        &self,
        name: &str,
        host: &TestHost,
        relay: &Relay,
        more: &str,
    ) -> Result<()> {
        let (address, port) = (relay.address().ip(), relay.address().port());
        self.add(
            name,
            &format!(
                "HostName {address}
  Port {port}
  User root
{more}"
            ),
        )?;
        self.trust(relay.address(), &host.host_key()?)
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

    /// Runs dfab in the folder on a terminal of its own, with these keys typed, and with shell commands
    /// before and after it on the same terminal. All that is shown is in the standard output.
    ///
    /// # Errors
    /// Where dfab is not built, or runs longer than half a minute.
    pub fn on_terminal(
        &self,
        (before, after): (&str, &str),
        arguments: &[&str],
        keys: &str,
    ) -> Result<Output> {
        let mut script = self.terminal((before, after), arguments)?;
        process::run(&mut script, keys.as_bytes(), Duration::from_secs(30))
    }

    /// Runs dfab in the folder on a terminal of its own, where one of the lines is typed whenever this prompt
    /// is shown, and whoever types stays there until the end. All that is shown is in the standard output.
    ///
    /// # Errors
    /// Where dfab is not built, or shows nothing for a minute.
    pub fn typed(&self, arguments: &[&str], prompt: &str, lines: &[&str]) -> Result<Output> {
        let mut child = self
            .terminal(("", ""), arguments)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("script is there (bsdutils)")?;
        let mut keyboard = child.stdin.take().context("an input")?;
        let mut screen = child.stdout.take().context("an output")?;
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 256];
            while let Ok(count @ 1..) = screen.read(&mut piece) {
                let piece = piece.get(..count).unwrap_or_default();
                if sender.send(piece.to_owned()).is_err() {
                    break;
                }
            }
        });
        let mut shown = String::new();
        let mut lines = lines.iter();
        let mut answered = 0;
        loop {
            match pieces.recv_timeout(LIMIT) {
                Ok(piece) => shown += &String::from_utf8_lossy(&piece),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    bail!("nothing more is shown: {shown}");
                }
            }
            if shown.matches(prompt).count() > answered
                && let Some(line) = lines.next()
            {
                answered += 1;
                keyboard.write_all(line.as_bytes())?;
            }
        }
        Ok(Output {
            status: child.wait()?.code().context("a signal ended it")?,
            stdout: shown,
            stderr: String::new(),
        })
    }

    /// script(1), which makes a terminal, with dfab on it.
    fn terminal(&self, (before, after): (&str, &str), arguments: &[&str]) -> Result<Command> {
        let dfab = self.command(arguments)?;
        let mut line = dfab.get_program().to_string_lossy().into_owned();
        for argument in dfab.get_args() {
            line.push_str(&format!(" '{}'", argument.to_string_lossy()));
        }
        let line = format!("{before}{line}; code=$?; {after}exit $code");
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-f", "-c", &line, "/dev/null"]);
        script.current_dir(self.folder()).env_clear();
        for (name, value) in dfab.get_envs() {
            if let Some(value) = value {
                script.env(name, value);
            }
        }
        script.env("TERM", "xterm").env("SHELL", "/bin/sh");
        Ok(script)
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

    /// Adds a host to the configuration.
    fn add(&self, name: &str, options: &str) -> Result<()> {
        {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(hosts, "Host {name}\n  {options}")?;
        }
        self.write_ssh_config(&Key::user()?)
    }

    fn trust(&self, server: SocketAddr, host_key: &str) -> Result<()> {
        let known = fs::read_to_string(self.folder().join("known_hosts"))?;
        let line = match (server.ip(), server.port()) {
            (address, 22) => format!("{address} {host_key}\n"),
            (address, port) => format!("[{address}]:{port} {host_key}\n"),
        };
        self.write("known_hosts", &format!("{known}{line}"))
            .map(drop)
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
