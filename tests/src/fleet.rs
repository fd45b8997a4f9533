//! Many SSH hosts that cost little: an sshd of this machine that listens on all of loopback, before the
//! engine of this machine.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::keys::Key;
use crate::process;
use crate::project::Project;

/// How long sshd may take to listen.
const READY: Duration = Duration::from_secs(10);

/// The server; dropping it ends it.
#[derive(Debug)]
pub struct Fleet {
    port: u16,
    server: Child,
    _folder: TempDir,
}

impl Fleet {
    /// Starts the server. It lets `root` in, and any number of logins at a time.
    ///
    /// # Errors
    /// Where sshd cannot be started.
    #[expect(clippy::disallowed_methods, reason = "this is no part of dfab")]
    pub fn start() -> Result<Self> {
        fs::create_dir_all("/run/sshd")?;
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let keys = folder.path().join("authorized_keys");
        fs::write(&keys, format!("{}\n", Key::user()?.public()?))?;
        let configuration = folder.path().join("sshd_config");
        let text = format!(
            "ListenAddress 0.0.0.0:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nUseDNS no\nPasswordAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 10000\n",
            Key::host()?.file.display(),
            keys.display(),
        );
        fs::write(&configuration, text)?;
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-E", "/dev/null", "-f"])
            .arg(&configuration)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sshd")?;
        let fleet = Self {
            port,
            server,
            _folder: folder,
        };
        process::until(READY, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("sshd does not listen")
        })?;
        Ok(fleet)
    }

    /// Makes so many hosts known to a project, and returns their names.
    ///
    /// # Errors
    /// Where there are too many of them, or the files cannot be written.
    pub fn enlist(&self, project: &Project, count: u8) -> Result<Vec<String>> {
        ensure!(count < 255, "more hosts than there are addresses");
        let host_key = Key::host()?.public()?;
        let names: Vec<String> = (1..=count).map(|number| format!("n{number}")).collect();
        for (name, number) in names.iter().zip(1..) {
            let address = IpAddr::from(Ipv4Addr::new(127, 0, 1, number));
            project.add_server(name, SocketAddr::new(address, self.port), "root", &host_key)?;
        }
        Ok(names)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
