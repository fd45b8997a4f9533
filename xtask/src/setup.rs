//! Setting up a machine. Silent where nothing is missing, and then cheap enough to run each time.

use std::fmt;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::Run;

/// What a machine is to be set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Building, and the tests that need neither root nor Docker.
    Build,
    /// Everything.
    All,
}

/// Something is missing that the person must install.
#[derive(Debug)]
pub(crate) struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// What is needed, the Debian package that has it, and a shell command that works where it is there.
struct Need {
    package: &'static str,
    what: &'static str,
    probe: &'static str,
}

/// The vendored OpenSSL is built from source, and tests of SSH run this machine's sshd.
const BUILD: &[Need] = &[
    Need {
        package: "gcc",
        what: "a C compiler",
        probe: "command -v cc",
    },
    Need {
        package: "make",
        what: "make",
        probe: "command -v make",
    },
    Need {
        package: "perl",
        what: "perl",
        probe: "perl -MIPC::Cmd -MTime::Piece -e 1",
    },
    Need {
        package: "openssh-client",
        what: "the OpenSSH client",
        probe: "command -v ssh",
    },
    Need {
        package: "openssh-server",
        what: "sshd",
        probe: "command -v sshd",
    },
    Need {
        package: "socat",
        what: "socat",
        probe: "command -v socat",
    },
    Need {
        package: "curl",
        what: "curl",
        probe: "command -v curl",
    },
    Need {
        package: "gpg",
        what: "gpg",
        probe: "command -v gpg",
    },
];

const ALL: &[Need] = &[
    Need {
        package: "iproute2",
        what: "ip",
        probe: "command -v ip",
    },
    Need {
        package: "iptables",
        what: "iptables",
        probe: "command -v iptables",
    },
    Need {
        package: "docker-registry",
        what: "docker-registry",
        probe: "command -v docker-registry",
    },
    Need {
        package: "docker-compose",
        what: "docker-compose",
        probe: "command -v docker-compose",
    },
    Need {
        package: "openssl",
        what: "the openssl command",
        probe: "command -v openssl",
    },
    Need {
        package: "python3-venv",
        what: "Python with venv",
        probe: "python3 -c 'import venv, ensurepip'",
    },
    Need {
        package: "docker.io",
        what: "a Docker Engine that answers",
        probe: "docker version || command -v dockerd",
    },
];

/// Makes sure that this machine has what is needed.
pub(crate) fn run(needs: Needs) -> Result<()> {
    wasm_target()?;
    let all: &[Need] = if needs == Needs::All { ALL } else { &[] };
    let missing: Vec<&Need> = BUILD
        .iter()
        .chain(all)
        .filter(|need| !is_there(need))
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    if needs == Needs::All && !engine_answers() {
        start_engine()?;
    }
    Ok(())
}

fn wasm_target() -> Result<()> {
    let target = "wasm32-wasip2";
    let folder = Run::new("rustc", &["--print", "target-libdir", "--target", target]).quiet()?;
    if Path::new(&folder).is_dir() {
        return Ok(());
    }
    if !Run::new("rustup", &["--version"]).works() {
        return Err(Missing(format!(
            "the Rust target {target} is missing and there is no rustup; install rustup, or the \
             target by the way that Rust was installed here"
        ))
        .into());
    }
    Run::new("rustup", &["target", "add", target]).show()
}

fn is_there(need: &Need) -> bool {
    shell(need.probe)
}

/// Programs for root may not be on a user's search path.
fn shell(line: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    Run::new("sh", &["-c", line])
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .works()
}

fn install(missing: &[&Need]) -> Result<()> {
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let names = names.join(", ");
    if !shell("command -v apt-get") {
        return Err(Missing(format!(
            "missing here: {names}; install them by your system's package manager (on Debian and \
             Ubuntu the packages are {})",
            packages.join(" ")
        ))
        .into());
    }
    let line = format!(
        "apt-get update && apt-get install -y {}",
        packages.join(" ")
    );
    if !is_root() {
        return Err(Missing(format!(
            "missing here: {names}; install them with: sudo sh -c '{line}'"
        ))
        .into());
    }
    println!("Missing here: {names}.");
    Run::new("sh", &["-c", &line])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .show()?;
    let still: Vec<&str> = missing
        .iter()
        .filter(|need| !is_there(need))
        .map(|need| need.what)
        .collect();
    if !still.is_empty() {
        bail!("still missing after the installation: {}", still.join(", "));
    }
    Ok(())
}

fn engine_answers() -> bool {
    Run::new("docker", &["version"]).works()
}

fn start_engine() -> Result<()> {
    let systemd = Path::new("/run/systemd/system").is_dir();
    if !is_root() {
        let start = if systemd {
            "systemctl start docker"
        } else {
            "dockerd"
        };
        return Err(Missing(format!(
            "no Docker Engine answers; start it with `sudo {start}`, and let your user use it (be \
             in the group docker)"
        ))
        .into());
    }
    if systemd {
        Run::new("systemctl", &["start", "docker"]).show()?;
    } else {
        let log = crate::root()?.join("target/dockerd.log");
        std::fs::create_dir_all(log.parent().context("there is no target folder")?)?;
        let output = File::create(&log)?;
        println!(
            "No Docker Engine answers; starting dockerd, which stays. Its log: {}",
            log.display()
        );
        let mut command = Command::new("dockerd");
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        // Its own process group, so that a Ctrl-C here does not end it.
        command
            .process_group(0)
            .spawn()
            .context("cannot start dockerd")?;
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while !engine_answers() {
        if Instant::now() > deadline {
            bail!("the Docker Engine does not answer 30 seconds after its start");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn is_root() -> bool {
    Run::new("id", &["-u"]).quiet().is_ok_and(|id| id == "0")
}
