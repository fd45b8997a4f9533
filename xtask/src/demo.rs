//! dfab at work: the documented example map, on this machine's engine, through an SSH server of the
//! demo's own. Removes afterwards what it made.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::Run;
use crate::setup::{self, Needs};
use crate::suite;

const IMAGES: &[&str] = &[
    "registry.example.com/nginx:latest",
    "registry.example.com/app:latest",
];

/// Where the example's containers keep their files on the host, as the documentation has it.
const DOCUMENTED_ROOT: &str = "host_root: /var/lib/site";

/// What an operator types, and the exit code that it must have.
const COMMANDS: &[(&str, i32)] = &[
    ("run docker version", 0),
    ("run docker version -H demo", 0),
    ("plan startup web_server -H demo", 0),
    ("startup web_server -H demo -y", 0),
    ("run docker list-containers -H demo", 0),
    ("startup web_server -H demo -y", 0),
    ("shutdown web_server -H demo -y", 0),
];

/// Shows dfab, built with this profile.
pub(crate) fn run(profile: &str) -> Result<()> {
    setup::run(Needs::All)?;
    suite::build_test_app()?;
    Run::new(
        "cargo",
        &["build", "--profile", profile, "--package", "dfab"],
    )
    .show()?;
    let root = crate::root()?;
    let built = root
        .join("target")
        .join(if profile == "dev" { "debug" } else { profile });

    check_ports(&[80, 443])?;
    let folder = root.join("target/demo");
    let engine = Engine::clean()?;
    make_images(&root)?;
    let server = Server::start(&folder)?;
    let project = make_project(&root, &folder)?;
    println!(
        "\nThe project, {}, with the documented example map:",
        project.display()
    );
    Run::new("cat", &["example_map.yaml"])
        .within(&project)
        .show()?;

    let path = std::env::var("PATH").unwrap_or_default();
    for (line, expected) in COMMANDS {
        let arguments: Vec<&str> = line.split(' ').collect();
        let code = Run::new("dfab", &arguments)
            .within(&project)
            .env("PATH", format!("{}:{path}", built.display()))
            .env("DFAB_SSH_CONFIG", folder.join("ssh_config"))
            .show_code()?;
        if code != *expected {
            bail!("`dfab {line}` ended with {code} instead of {expected}");
        }
    }
    drop(server);
    drop(engine);
    println!("\nThat was the demo; its containers and images are removed.");
    Ok(())
}

/// The example publishes them on every address.
fn check_ports(ports: &[u16]) -> Result<()> {
    for port in ports {
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
                "the example publishes port {port}, which something on this machine uses; stop \
                 that for the time of the demo"
            ),
            // Where this user may not bind it, the engine still may.
            _ => {}
        }
    }
    Ok(())
}

fn make_images(root: &Path) -> Result<()> {
    let folder = root.join("target/app/release");
    for image in IMAGES {
        let script = format!(
            "tar --owner=0 --group=0 --transform=s/dfab-test-app/app/ -c dfab-test-app | \
             docker import --change 'ENTRYPOINT [\"/app\"]' - {image}"
        );
        Run::new("sh", &["-ec", &script]).within(&folder).quiet()?;
    }
    Ok(())
}

fn make_project(root: &Path, folder: &Path) -> Result<PathBuf> {
    let project = folder.join("project");
    fs::create_dir_all(&project)?;
    let map = root.join("tests/fixtures/example/example_map.yaml");
    let map = fs::read_to_string(&map).with_context(|| format!("cannot read {}", map.display()))?;
    // The demo writes nothing outside of the target folder.
    let site = folder.join("site");
    for bound in [
        "config/nginx",
        "config/app1",
        "config/app2",
        "data/app1",
        "data/app2",
    ] {
        fs::create_dir_all(site.join(bound))?;
    }
    let map = map.replace(DOCUMENTED_ROOT, &format!("host_root: {}", site.display()));
    fs::write(project.join("example_map.yaml"), map)?;
    fs::write(project.join("dfab.yaml"), "maps: [example_map.yaml]\n")?;
    Ok(project)
}

/// This machine's engine. Dropping it removes what was not there before.
struct Engine {
    volumes: Vec<String>,
}

impl Engine {
    /// Refuses where something is there that the demo would change.
    fn clean() -> Result<Self> {
        let here = containers()?;
        if let Some(name) = here.first() {
            bail!(
                "there is a container {name} already, which the demo would change; remove it first"
            );
        }
        for image in IMAGES {
            if Run::new("docker", &["image", "inspect", image]).works() {
                println!("The image {image} is replaced, and removed at the end.");
            }
        }
        Ok(Self {
            volumes: volumes()?,
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let remove = |command: &[&str], names: Vec<String>| {
            if !names.is_empty() {
                let names = names.iter().map(String::as_str);
                let arguments: Vec<&str> = command.iter().copied().chain(names).collect();
                if let Err(error) = Run::new("docker", &arguments).quiet() {
                    println!("Not everything could be removed: {error:#}");
                }
            }
        };
        remove(
            &["rm", "--force", "--volumes"],
            containers().unwrap_or_default(),
        );
        remove(
            &["rmi"],
            IMAGES.iter().map(|&image| image.to_owned()).collect(),
        );
        let new = volumes().unwrap_or_default();
        let new = new.into_iter().filter(|name| !self.volumes.contains(name));
        // Others may have made volumes meanwhile; ours have the map's name in theirs.
        remove(
            &["volume", "rm"],
            new.filter(|name| name.contains("example_map")).collect(),
        );
    }
}

fn containers() -> Result<Vec<String>> {
    let format = [
        "ps",
        "-a",
        "--filter",
        "name=^/example_map\\.",
        "--format",
        "{{.Names}}",
    ];
    Ok(lines(&Run::new("docker", &format).quiet()?))
}

fn volumes() -> Result<Vec<String>> {
    Ok(lines(&Run::new("docker", &["volume", "ls", "-q"]).quiet()?))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// An SSH server on a loopback port, for the user who runs the demo. Dropping it ends it.
struct Server(Child);

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        for name in ["host_key", "user_key"] {
            if !folder.join(name).is_file() {
                let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", name];
                Run::new("ssh-keygen", &arguments).within(folder).quiet()?;
            }
        }
        // Free now, and nobody else on this machine asks for it in the next moment.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let shown = folder.display();
        fs::copy(folder.join("user_key.pub"), folder.join("authorized_keys"))?;
        let server = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {shown}/host_key\nPidFile {shown}/sshd.pid\n\
             AuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        );
        fs::write(folder.join("sshd_config"), server)?;
        let host_key = fs::read_to_string(folder.join("host_key.pub"))?;
        fs::write(
            folder.join("known_hosts"),
            format!("[127.0.0.1]:{port} {host_key}"),
        )?;
        let user = Run::new("id", &["-un"]).quiet()?;
        let client = format!(
            "Host demo\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  \
             IdentityFile {shown}/user_key\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {shown}/known_hosts\n  StrictHostKeyChecking yes\n"
        );
        fs::write(folder.join("ssh_config"), client)?;
        let pid = folder.join("sshd.pid");
        fs::remove_file(&pid).ok();
        if Run::new("id", &["-u"]).quiet()? == "0" {
            // Where sshd drops its privileges to; a machine's own sshd makes it as well.
            fs::create_dir_all("/run/sshd")?;
        }
        let log = folder.join("sshd.log");
        fs::remove_file(&log).ok();
        // sshd insists on being called by its whole path.
        let mut command = Command::new("/usr/sbin/sshd");
        command
            .arg("-D")
            .arg("-f")
            .arg(folder.join("sshd_config"))
            .arg("-E")
            .arg(&log);
        let mut server = Self(
            command
                .stdin(Stdio::null())
                .spawn()
                .context("cannot start sshd")?,
        );
        let deadline = Instant::now() + Duration::from_secs(10);
        // Written once it listens.
        while !pid.is_file() {
            if server.0.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&log).unwrap_or_default();
                bail!("sshd does not start: {}", log.trim());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
