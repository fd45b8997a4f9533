//! The image of test hosts: almost nothing but mount points, since a host runs the programs of the
//! machine that it is on. Named after its content, so that a change of it makes another.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::docker::{self, docker};
use crate::hexadecimal;
use crate::process;

/// Empty folders of the image.
const FOLDERS: &[&str] = &[
    "dev",
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/ssh",
    "home",
    "lower/usr",
    "lower/var/lib/dpkg",
    "mnt",
    "opt/host",
    "proc",
    "repository",
    "root",
    "run",
    "sys",
    "tmp",
    "upper",
    "usr",
    "var/cache/apt/archives/partial",
    "var/cache/man",
    "var/lib/apt/lists/partial",
    "var/lib/docker",
    "var/lib/dpkg",
    "var/lib/man-db",
    "var/log/apt",
    "var/tmp",
];

/// Configuration that the machine's programs need, taken from the machine.
const FROM_MACHINE: &[&str] = &[
    "alternatives",
    "debian_version",
    "ld.so.cache",
    "nsswitch.conf",
    "os-release",
    "services",
];

/// Path, permissions and content.
const FILES: &[(&str, u32, &str)] = &[
    ("boot-host", 0o755, include_str!("boot-host")),
    ("opt/host/start-sshd", 0o755, include_str!("start-sshd")),
    ("opt/host/start-engine", 0o755, include_str!("start-engine")),
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/bash\n\
         man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n\
         _apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n\
         sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
         deploy:x:1000:1000::/home/deploy:/bin/bash\n\
         plain:x:1001:1001::/home/plain:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    (
        "etc/group",
        0o644,
        "root:x:0:\nman:x:12:\ndocker:x:105:deploy\ndeploy:x:1000:\nplain:x:1001:\nnogroup:x:65534:\n",
    ),
    (
        "etc/shadow",
        0o640,
        "root:*:20000:0:99999:7:::\ndeploy:*:20000:0:99999:7:::\nplain:*:20000:0:99999:7:::\n",
    ),
    (
        "etc/ssh/sshd_host",
        0o644,
        "Port 22\nHostKey /etc/ssh/host_key\nPidFile /run/sshd.pid\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nSubsystem sftp internal-sftp\n",
    ),
    (
        "etc/apt/sources.list",
        0o644,
        "deb [trusted=yes] file:/repository ./\n",
    ),
];

static MAKING: Mutex<()> = Mutex::new(());

/// The image's name; it is made where it is missing.
pub(super) fn ensure() -> Result<String> {
    let _one_at_a_time = MAKING.lock();
    let name = format!("dfab-test-host:{}", version()?);
    if docker(&["image", "inspect", "-f", "{{.Id}}", &name]).is_ok() {
        return Ok(name);
    }
    let root = tempfile::tempdir()?;
    fill(root.path())?;
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "-c", "."])
        .current_dir(root.path());
    let mut import = docker::command(&[
        "import",
        "-c",
        r#"CMD ["/boot-host"]"#,
        "-c",
        "VOLUME /var/lib/docker",
        "-",
        &name,
    ]);
    docker::pipe(&mut tar, &mut import).context("cannot make the image of test hosts")?;
    remove_others(&name)?;
    Ok(name)
}

/// Images of earlier versions; those in use stay.
fn remove_others(name: &str) -> Result<()> {
    let images = docker(&[
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}}",
        "dfab-test-host",
    ])?;
    for other in images.lines().filter(|other| *other != name) {
        docker(&["rmi", other]).ok();
    }
    Ok(())
}

fn version() -> Result<String> {
    let mut digest = Sha256::new();
    for (path, _, content) in FILES {
        digest.update(path);
        digest.update(content);
    }
    digest.update(format!("{FOLDERS:?}{FROM_MACHINE:?}"));
    // What the machine contributes changes with its packages only.
    digest.update(fs::read("/var/lib/dpkg/status").context("this machine has no dpkg")?);
    Ok(hexadecimal(&digest.finalize()).chars().take(12).collect())
}

fn fill(root: &Path) -> Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for folder in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o1777))?;
    }
    for link in ["bin", "lib", "lib64", "sbin"] {
        symlink(Path::new("usr").join(link), root.join(link))?;
    }
    symlink("/run", root.join("var/run"))?;
    for (path, mode, content) in FILES {
        let file = root.join(path);
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(*mode))?;
    }
    for name in FROM_MACHINE {
        let mut copy = Command::new("cp");
        copy.arg("-a")
            .arg(Path::new("/etc").join(name))
            .arg(root.join("etc"));
        // Links into /usr stay links: the host has the same /usr.
        run(&mut copy)?;
    }
    fill_repository(&root.join("repository"))
}

/// An apt repository with socat alone, packed again from the installed files: needs no network.
fn fill_repository(repository: &Path) -> Result<()> {
    let package = tempfile::tempdir()?;
    let list = run(Command::new("dpkg").args(["-L", "socat"]))
        .context("socat is not installed here; run: cargo xtask setup")?;
    let files = list.lines().filter(|path| Path::new(path).is_file());
    let mut copy = Command::new("cp");
    copy.current_dir("/")
        .args(["-a", "--parents"])
        .args(files)
        .arg(package.path());
    run(&mut copy)?;
    let fields = run(Command::new("dpkg-query").args([
        "-W",
        "-f",
        "Package: ${Package}\nVersion: ${Version}\nArchitecture: ${Architecture}\n\
         Maintainer: ${Maintainer}\nDepends: ${Depends}\nDescription: ${binary:Summary}\n",
        "socat",
    ]))?;
    let control = package.path().join("DEBIAN");
    fs::create_dir(&control)?;
    fs::write(control.join("control"), &fields)?;
    let archive = repository.join("socat.deb");
    run(Command::new("dpkg-deb")
        .args(["--build", "--root-owner-group"])
        .arg(package.path())
        .arg(&archive))?;
    let bytes = fs::read(&archive)?;
    let index = format!(
        "{fields}Filename: ./socat.deb\nSize: {}\nSHA256: {}\n",
        bytes.len(),
        hexadecimal(&Sha256::digest(&bytes))
    );
    fs::write(repository.join("Packages"), index)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<String> {
    process::run(command, b"", Duration::from_secs(30))?.success()
}
