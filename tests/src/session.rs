//! What the tests of one process share: a network without a way out, and a watcher that removes
//! everything when the process ends, however it ends.

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};

use crate::docker::docker;
use crate::process;

static SESSION: OnceLock<Result<Session, String>> = OnceLock::new();
static HOSTS: AtomicU32 = AtomicU32::new(0);

/// The session of this process.
#[derive(Debug)]
pub(crate) struct Session {
    /// Starts the names of all that the session makes, and is its network's name.
    pub(crate) name: String,
    /// The first address of its network.
    network: Ipv4Addr,
    /// Reads a pipe that closes when this process ends.
    _watcher: Child,
}

impl Session {
    /// Opened by the first test that asks.
    pub(crate) fn current() -> Result<&'static Self> {
        let session = SESSION.get_or_init(|| Self::open().map_err(|error| format!("{error:#}")));
        session
            .as_ref()
            .map_err(|error| anyhow!("cannot prepare for test hosts: {error}"))
    }

    /// The label on everything that the watcher is to remove.
    pub(crate) fn label(&self) -> String {
        label(&self.name)
    }

    /// A name and an address for one more host. No address is given twice: a host that is gone must
    /// not be mistaken for the next one.
    pub(crate) fn next_host(&self) -> (String, Ipv4Addr) {
        let number = HOSTS.fetch_add(1, Ordering::Relaxed) + 1;
        let address = Ipv4Addr::from_bits(self.network.to_bits() + 10 + number);
        (format!("{}-h{number}", self.name), address)
    }

    fn open() -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let name = format!("dfab-test-{}-{}", std::process::id(), now.subsec_micros());
        let watcher = watch(&name)?;
        let network = process::until(Duration::from_secs(10), || make_network(&name))?;
        guard(&name)?;
        Ok(Self {
            name,
            network,
            _watcher: watcher,
        })
    }
}

/// Makes a network without a route out, and returns its first address.
///
/// The engine finds a free range, but lets hosts have addresses of their choice only in a range that it
/// was told: so it is asked once, and then told. In between, another process may have taken the range.
fn make_network(name: &str) -> Result<Ipv4Addr> {
    let create = ["network", "create", "--internal"];
    docker(&[&create[..], &[name]].concat())?;
    let subnet = docker(&[
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Subnet}}",
        name,
    ]);
    docker(&["network", "rm", name])?;
    let subnet = subnet?;
    let told = ["--subnet", &subnet, "--label", &label(name), name];
    docker(&[&create[..], &told[..]].concat())?;
    let (first, _) = subnet.split_once('/').context("a subnet has a prefix")?;
    Ok(first.parse()?)
}

fn label(name: &str) -> String {
    format!("dfab-test.session={name}")
}

/// Once a network is removed, the kernel would send what is still meant for it to the default
/// route, out of this machine. The rule outlives the network and goes with the watcher.
fn guard(name: &str) -> Result<()> {
    let subnet = docker(&[
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Subnet}}",
        name,
    ])?;
    let script = r#"
        device=$(ip -o route show default | awk '{ print $5; exit }')
        [ -z "$device" ] || iptables -w -I OUTPUT -o "$device" -d "$1" \
            -m comment --comment "$2" -j REJECT"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "guard", &subnet, name]);
    process::run(&mut command, b"", Duration::from_secs(10))?
        .success()
        .context("cannot keep test traffic on this machine; tests need root and iptables")?;
    Ok(())
}

fn watch(name: &str) -> Result<Child> {
    let script = r#"
        cat > /dev/null
        docker ps -aq --filter "label=$1" | xargs -r docker rm -fv
        docker network rm "$2"
        iptables -w -S OUTPUT | grep -F -- "$2" | sed 's/^-A/-D/' | xargs -r -L 1 iptables -w"#;
    Command::new("sh")
        .args(["-c", script, "watcher", &label(name), name])
        .env("DOCKER_HOST", "unix:///var/run/docker.sock")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C that ends the tests must not end it.
        .process_group(0)
        .spawn()
        .context("cannot start the watcher")
}
