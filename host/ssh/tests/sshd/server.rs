//! An SSH server on a loopback port, of this machine's sshd, with keys and files of its own.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dfab_ssh::{
    AddressFamily, HostKeyChecking, KeepAlive, Method, NoAnswer, Prompter, Proxy, Question, Secret,
    Target,
};
use tempfile::TempDir;

/// A running server; dropping it ends it with all its connections.
pub(crate) struct Server {
    folder: TempDir,
    pub(crate) port: u16,
    daemon: Child,
}

impl Server {
    /// Starts a server with this in its configuration besides what every one has.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::with_keys(&["ed25519"], configuration)
    }

    /// Starts a server with host keys of these types.
    pub(crate) fn with_keys(types: &[&str], configuration: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sshd.").tempdir().unwrap();
        for name in types
            .iter()
            .map(|name| format!("host_{name}"))
            .chain(["user".to_owned()])
        {
            let kind = name.strip_prefix("host_").unwrap_or("ed25519");
            keygen(folder.path(), &["-t", kind, "-N", "", "-f", &name]);
        }
        let public = std::fs::read_to_string(folder.path().join("user.pub")).unwrap();
        std::fs::write(folder.path().join("authorized_keys"), public).unwrap();
        // The first word for an option counts, so that a test's comes first.
        let mut text = format!("{configuration}\n");
        for name in types {
            text += &format!("HostKey {}/host_{name}\n", folder.path().display());
        }
        text += &format!(
            "AuthorizedKeysFile {0}/authorized_keys\nPidFile none\nStrictModes no\nUsePAM no\n\
             UseDNS no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nLogLevel DEBUG1\n",
            folder.path().display()
        );
        // Of this option the last word counts.
        if !text.contains("MaxStartups") {
            text += "MaxStartups 100\n";
        }
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(folder.path().join("sshd_config"), text).unwrap();
        if rustix::process::getuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let (daemon, port) = daemon(folder.path());
        Self {
            folder,
            port,
            daemon,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whom the server lets in with the key `user`, and that nothing of this machine is in the way.
    pub(crate) fn target(&self, name: &str) -> Target {
        Target {
            name: name.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: user(),
            address_family: AddressFamily::Any,
            proxy: Proxy::None,
            identity_files: vec![self.folder().join("user")],
            certificate_files: Vec::new(),
            identity_agent: None,
            identities_only: false,
            methods: vec![
                Method::PublicKey,
                Method::KeyboardInteractive,
                Method::Password,
            ],
            password_prompts: 3,
            batch: false,
            user_known_hosts: vec![self.folder().join(format!("known_hosts-{name}"))],
            global_known_hosts: Vec::new(),
            hash_known_hosts: false,
            host_key_alias: None,
            revoked_host_keys: Vec::new(),
            host_key_checking: HostKeyChecking::AcceptNew,
            connect_timeout: Duration::from_secs(20),
            keep_alive: KeepAlive {
                interval: Duration::from_secs(10),
                count: 3,
            },
            compression: false,
            ciphers: "aes128-gcm@openssh.com".to_owned(),
        }
    }

    /// The name that known_hosts has for it.
    pub(crate) fn known_name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Type and key of one of its host keys.
    pub(crate) fn public(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder().join(format!("{name}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.folder().join(format!("{name}.pub")))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// How often the log has these words.
    pub(crate) fn logged(&self, words: &str) -> usize {
        self.log().matches(words).count()
    }

    /// How many logins there were.
    pub(crate) fn logins(&self) -> usize {
        self.logged("Accepted publickey ")
    }

    /// The processes of the server's connections.
    pub(crate) fn connections(&self) -> Vec<u32> {
        descendants(self.daemon.id())
    }

    /// Sends a signal to the processes of all connections.
    pub(crate) fn signal(&self, signal: &str) {
        for process in self.connections() {
            // It may have ended by itself.
            let _ = Command::new("kill")
                .args(["-s", signal, &process.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }

    /// Ends the server; its connections stay.
    pub(crate) fn stop_listening(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("CONT");
        self.signal("KILL");
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("the server said at last:\n{tail}");
        }
    }
}

/// Starts sshd on a port that nobody has.
fn daemon(folder: &Path) -> (Child, u16) {
    for _ in 0..20 {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let mut daemon = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f"])
            .arg(folder.join("sshd_config"))
            .arg("-E")
            .arg(folder.join("log"))
            .args(["-o", &format!("ListenAddress=127.0.0.1:{port}")])
            .process_group(0)
            .spawn()
            .expect("sshd is installed (openssh-server)");
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            if log.contains("Server listening on") {
                return (daemon, port);
            }
            if daemon.try_wait().unwrap().is_some() {
                assert!(log.contains("Address already in use"), "{log}");
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = daemon.kill();
        let _ = daemon.wait();
    }
    panic!("no sshd could be started");
}

fn descendants(process: u32) -> Vec<u32> {
    let mut all = Vec::new();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return all;
    };
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
        {
            all.push(child);
            all.extend(descendants(child));
        }
    }
    all
}

pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn keygen(folder: &Path, arguments: &[&str]) {
    let output = Command::new("ssh-keygen")
        .current_dir(folder)
        .arg("-q")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// An agent with some keys; dropping it ends it.
pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
    process: Child,
}

impl Agent {
    pub(crate) fn start(folder: &Path, keys: &[&str]) -> Self {
        let socket = folder.join("agent");
        let process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { socket, process };
        until("the agent is there", || agent.socket.exists());
        for key in keys {
            let file = folder.join(key);
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            let output = Command::new("ssh-add")
                .arg(file)
                .env("SSH_AUTH_SOCK", &agent.socket)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for something that has to happen.
pub(crate) fn until(what: &str, happens: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happens() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Answers in order, and keeps what it was asked.
#[derive(Debug, Default, Clone)]
pub(crate) struct Script {
    answers: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(crate) fn new(answers: &[&str]) -> Self {
        let answers = answers.iter().rev().map(|answer| (*answer).to_owned());
        Self {
            answers: Arc::new(Mutex::new(answers.collect())),
            asked: Arc::default(),
        }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Prompter for Script {
    fn ask(&self, question: &Question) -> Result<Secret, NoAnswer> {
        self.asked.lock().unwrap().push(question.to_string());
        let answer = self.answers.lock().unwrap().pop();
        answer.map(Secret::new).ok_or(NoAnswer::Declined)
    }

    fn may_know_better(&self) -> bool {
        true
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}
