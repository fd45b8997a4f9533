//! A throw-away machine: sshd and a Docker Engine of its own, with an address of its own.
//!
//! It is a container of this machine's engine that runs this machine's programs, which it may
//! change for itself. It has no way out of this machine. Users are `root`, `deploy` (in the group
//! `docker`) and `plain` (not in it).

mod image;

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::docker::{self, docker};
use crate::keys::Key;
use crate::process;
use crate::session::Session;

/// How long a host may take to come up; on a quiet machine it takes one second.
const READY: &str = r#"
    for _ in $(seq 600); do
        if [ -S /run/docker.sock ] && [ -s /run/sshd.pid ] && docker version > /dev/null 2>&1; then
            exit 0
        fi
        sleep 0.05
    done
    tail -n 20 /var/log/dockerd.log /var/log/sshd.log >&2
    exit 1"#;

/// All capabilities but one: where the machine lacks it, `--privileged` fails with the engine of
/// Debian 12.
const PRIVILEGES: &[&str] = &[
    "--cap-add",
    "ALL",
    "--cap-drop",
    "SYS_RESOURCE",
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "apparmor=unconfined",
    "--security-opt",
    "systempaths=unconfined",
    "--cgroupns",
    "private",
    "--device-cgroup-rule",
    "a *:* rwm",
];

/// The machine; dropping it removes it.
#[derive(Debug)]
pub struct TestHost {
    name: String,
    address: IpAddr,
}

impl TestHost {
    /// Starts a host, and returns once one can log in and its engine answers.
    ///
    /// # Errors
    /// Where this machine's engine cannot run it; with what the host's own engine said.
    pub fn start() -> Result<Self> {
        let session = Session::current()?;
        let image = image::ensure()?;
        let (name, address) = session.next_host();
        let wanted = address.to_string();
        let (label, user_key, host_key) = (
            session.label(),
            format!("USER_KEY={}", Key::user()?.public()?),
            format!("HOST_KEY={}", Key::host()?.private()?),
        );
        let mut arguments = vec!["run", "--detach", "--name", &name, "--hostname", &name];
        arguments.extend([
            "--label",
            &label,
            "--network",
            &session.name,
            "--ip",
            &wanted,
        ]);
        arguments.extend(PRIVILEGES);
        arguments.extend(["-v", "/usr:/usr:ro", "-v", "/usr:/lower/usr:ro"]);
        arguments.extend(["-v", "/var/lib/dpkg:/lower/var/lib/dpkg:ro"]);
        arguments.extend(["--tmpfs", "/upper:mode=755", "-v", "/var/lib/docker"]);
        arguments.extend(["-e", &user_key, "-e", &host_key, &image]);
        docker(&arguments)?;
        let host = Self {
            name,
            address: IpAddr::from(address),
        };
        host.wait_ready()?;
        Ok(host)
    }

    /// Starts several hosts side by side.
    ///
    /// # Errors
    /// Where one does not start.
    pub fn start_many(count: usize) -> Result<Vec<Self>> {
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..count).map(|_| scope.spawn(Self::start)).collect();
            starts
                .into_iter()
                .map(|start| {
                    start
                        .join()
                        .unwrap_or_else(|_| anyhow::bail!("starting panicked"))
                })
                .collect()
        })
    }

    /// Its name, also its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address; sshd listens on port 22.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What it identifies itself with: the end of a line in known_hosts.
    ///
    /// # Errors
    /// Where the key cannot be read.
    pub fn host_key(&self) -> Result<String> {
        Key::host()?.public()
    }

    /// Runs a program on it as root, not through SSH; its output, trimmed.
    ///
    /// # Errors
    /// Where the program fails; with its output.
    pub fn exec(&self, arguments: &[&str]) -> Result<String> {
        docker(&[&["exec", &self.name], arguments].concat())
    }

    /// Runs a shell script on it as root; its output, trimmed.
    ///
    /// # Errors
    /// Where the script fails; with its output.
    pub fn shell(&self, script: &str) -> Result<String> {
        self.exec(&["sh", "-ec", script])
    }

    /// Runs `docker` on it, on its own engine; its output, trimmed.
    ///
    /// # Errors
    /// Where `docker` fails; with its output.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        self.exec(&[&["docker"], arguments].concat())
    }

    /// What its engine says of an object, by `docker inspect`.
    ///
    /// # Errors
    /// Where there is no such object.
    pub fn inspect(&self, name: &str) -> Result<serde_json::Value> {
        let text = self.docker(&["inspect", "--format", "{{json .}}", name])?;
        serde_json::from_str(&text).with_context(|| format!("this is no JSON: {text}"))
    }

    /// Copies an image of this machine's engine to its engine.
    ///
    /// # Errors
    /// Where there is no such image.
    pub fn load_image(&self, image: &str) -> Result<()> {
        let mut load = docker::command(&["exec", "-i", &self.name, "docker", "load", "-q"]);
        docker::pipe(&mut docker::command(&["save", image]), &mut load)
    }

    /// What names of images in its own registry begin with.
    pub const REGISTRY: &str = "127.0.0.1:5000";

    /// Starts docker-registry on it, which its engine takes without TLS.
    ///
    /// # Errors
    /// Where docker-registry is not installed, or does not answer.
    pub fn start_registry(&self) -> Result<()> {
        let address = Self::REGISTRY;
        self.shell(&format!(
            "cat > /etc/registry.yml << END
version: 0.1
storage: {{filesystem: {{rootdirectory: /srv/registry}}}}
http: {{addr: {address}}}
END"
        ))?;
        let serve = ["docker-registry", "serve", "/etc/registry.yml"];
        docker(&[&["exec", "--detach", &self.name], &serve[..]].concat())?;
        let asked = || self.exec(&["curl", "-fsS", &format!("http://{address}/v2/")]);
        process::until(Duration::from_secs(20), asked).map(drop)
    }

    /// Gives an image of its engine to the registry of its name, and takes it from the engine.
    ///
    /// # Errors
    /// Where the registry refuses it.
    pub fn hand_over_image(&self, image: &str) -> Result<()> {
        self.docker(&["push", "--quiet", image])?;
        self.docker(&["rmi", image]).map(drop)
    }

    /// Ends its engine, as a shutdown would.
    ///
    /// # Errors
    /// Where it does not end within 20 seconds.
    pub fn stop_engine(&self) -> Result<()> {
        self.stop_process("/run/docker.pid")
    }

    /// Starts its engine again, and waits until it answers.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn start_engine(&self) -> Result<()> {
        docker(&["exec", "--detach", &self.name, "/opt/host/start-engine"])?;
        self.wait_ready()
    }

    /// Ends sshd: no new connection is possible, those that are stay.
    ///
    /// # Errors
    /// Where it does not end within 20 seconds.
    pub fn stop_sshd(&self) -> Result<()> {
        self.stop_process("/run/sshd.pid")
    }

    /// Starts sshd again.
    ///
    /// # Errors
    /// Where it refuses its configuration.
    pub fn start_sshd(&self) -> Result<()> {
        self.exec(&["/opt/host/start-sshd"])
            .map(drop)
            .with_context(|| {
                self.exec(&["tail", "/var/log/sshd.log"])
                    .unwrap_or_default()
            })
    }

    /// Puts a line before sshd's configuration, where it wins over later ones, and starts sshd
    /// anew. Connections that are keep their options.
    ///
    /// # Errors
    /// Where sshd refuses the line.
    pub fn set_sshd_option(&self, line: &str) -> Result<()> {
        self.exec(&["sed", "-i", &format!("1i {line}"), "/etc/ssh/sshd_host"])?;
        self.stop_sshd()?;
        self.start_sshd()
    }

    /// Freezes all its processes: it accepts connections still, and never answers.
    ///
    /// # Errors
    /// Where the engine of this machine refuses.
    pub fn pause(&self) -> Result<()> {
        docker(&["pause", &self.name]).map(drop)
    }

    /// Ends [`TestHost::pause`].
    ///
    /// # Errors
    /// Where it is not paused.
    pub fn unpause(&self) -> Result<()> {
        docker(&["unpause", &self.name]).map(drop)
    }

    /// Takes its network away: packets to it and from it are lost.
    ///
    /// # Errors
    /// Where the interface cannot be set down.
    pub fn cut(&self) -> Result<()> {
        self.exec(&["ip", "link", "set", "eth0", "down"]).map(drop)
    }

    /// Ends [`TestHost::cut`], and waits until packets get through again.
    ///
    /// # Errors
    /// Where the interface cannot be set up, or sshd cannot be reached within 10 seconds.
    #[expect(clippy::disallowed_methods, reason = "this is no part of dfab")]
    pub fn heal(&self) -> Result<()> {
        self.exec(&["ip", "link", "set", "eth0", "up"])?;
        let sshd = SocketAddr::from((self.address, 22));
        process::until(Duration::from_secs(10), || Ok(TcpStream::connect(sshd)?)).map(drop)
    }

    /// Makes its network narrow in both directions, such as `8mbit`.
    ///
    /// # Errors
    /// Where this machine or the host has no tc, or no such kind of queue.
    pub fn narrow(&self, rate: &str) -> Result<()> {
        const QUEUE: &str = "tc qdisc replace dev $1 root tbf rate $2 burst 32k latency 400ms";
        self.exec(&["sh", "-ec", QUEUE, "queue", "eth0", rate])?;
        // What goes to the host waits at the other end of its cable, which is on this machine.
        let index = self.exec(&["cat", "/sys/class/net/eth0/iflink"])?;
        let find = "file=$(grep -lx $1 /sys/class/net/*/ifindex); basename ${file%/ifindex}";
        let sh = |script: &str, words: &[&str]| {
            let mut command = Command::new("sh");
            command.args(["-ec", script, "narrow"]).args(words);
            process::run(&mut command, b"", Duration::from_secs(5))?.success()
        };
        let device = sh(find, &[&index])?;
        sh(QUEUE, &[device.trim(), rate]).map(drop)
    }

    /// Takes its power: everything on it ends at once, and its address is nobody's.
    ///
    /// # Errors
    /// Where the engine of this machine refuses.
    pub fn kill(&self) -> Result<()> {
        docker(&["kill", &self.name]).map(drop)
    }

    /// Removes the package socat. `apt-get` can install it again after an `apt-get update`: as on a
    /// new machine, there are no package lists yet.
    ///
    /// # Errors
    /// Where dpkg fails.
    pub fn remove_socat(&self) -> Result<()> {
        self.exec(&["dpkg", "--remove", "socat"]).map(drop)
    }

    fn wait_ready(&self) -> Result<()> {
        let ready = self.exec(&["sh", "-c", READY]);
        ready
            .map(drop)
            .with_context(|| format!("the test host {} did not come up", self.name))
    }

    fn stop_process(&self, file: &str) -> Result<()> {
        let script = format!(
            "pid=$(cat {file}); kill $pid
             for _ in $(seq 400); do [ -d /proc/$pid ] || exit 0; sleep 0.05; done
             exit 1"
        );
        self.shell(&script)
            .map(drop)
            .with_context(|| format!("{file}: the process did not end"))
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        // A failure changes nothing for the test, and the watcher tries again. Nobody needs to wait.
        let mut remove = docker::command(&["rm", "--force", "--volumes", &self.name]);
        process::run(&mut remove, b"", Duration::from_secs(30)).ok();
    }
}
