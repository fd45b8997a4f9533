//! The local end of a tunnel: a socket that only its owner may open, or a port of this machine alone.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where a tunnel begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// A socket, which only its owner may open.
    Socket(PathBuf),
    /// A port of 127.0.0.1, which every user of this machine may open.
    Port(u16),
}

impl Local {
    /// As `DOCKER_HOST` has it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        match self {
            Self::Socket(path) => format!("unix://{}", path.display()),
            Self::Port(port) => format!("tcp://{}:{port}", Ipv4Addr::LOCALHOST),
        }
    }
}

/// Why nobody can connect there.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Another dfab has it.
    #[error("another dfab has a tunnel at {} already", .path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something is there that dfab has not made.
    #[error("there is {what} at {} that is not of a tunnel; remove it, or choose another path", .path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// No program could connect to it.
    #[error(
        "the path {} has {} bytes, and that of a socket at most {LONGEST}; choose another one",
        .path.display(), .path.as_os_str().len()
    )]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {}", .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The port cannot be had.
    #[error("port {port} of {} cannot be had", Ipv4Addr::LOCALHOST)]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Accepts connections. Dropping it removes its socket.
#[derive(Debug)]
pub struct Listener {
    local: Local,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Unix {
        listener: UnixListener,
        /// Locked for as long as the tunnel lives, however it ends.
        lock: Lock,
    },
    Tcp(TcpListener),
}

/// Somebody who has connected.
pub(super) enum Client {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
    /// Listens where it is told. A socket has mode 0600 from its first moment; one that a dfab has left
    /// that is no more is replaced. Port 0 means any that is free. To be called within a runtime.
    ///
    /// # Errors
    /// Where it is taken, or the system refuses.
    pub fn bind(local: &Local) -> Result<Self, ListenerError> {
        match local {
            Local::Socket(path) => bind_socket(path),
            Local::Port(port) => bind_port(*port),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> &Local {
        &self.local
    }

    pub(super) async fn accept(&self) -> io::Result<Client> {
        match &self.socket {
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Client::Unix(stream))
            }
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Client::Tcp(stream))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Local::Socket(path), Socket::Unix { lock, .. }) = (&self.local, &self.socket) {
            // Somebody else may have removed it.
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(&lock.path);
        }
    }
}

fn bind_port(port: u16) -> Result<Listener, ListenerError> {
    let refused = |source| ListenerError::Port { port, source };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let port = listener.local_addr().map_err(refused)?.port();
    Ok(Listener {
        local: Local::Port(port),
        socket: Socket::Tcp(TcpListener::from_std(listener).map_err(refused)?),
    })
}

fn bind_socket(path: &Path) -> Result<Listener, ListenerError> {
    if path.as_os_str().len() > LONGEST {
        return Err(ListenerError::TooLong {
            path: path.to_owned(),
        });
    }
    let refused = |source| ListenerError::Socket {
        path: path.to_owned(),
        source,
    };
    let lock = Lock::take(path)?;
    let made = make_socket(path, &lock);
    if made.is_err() {
        // Nobody else has it, since it is locked.
        let _ = fs::remove_file(&lock.path);
    }
    let listener = made?;
    Ok(Listener {
        local: Local::Socket(path.to_owned()),
        socket: Socket::Unix {
            listener: UnixListener::from_std(listener).map_err(refused)?,
            lock,
        },
    })
}

fn make_socket(
    path: &Path,
    lock: &Lock,
) -> Result<std::os::unix::net::UnixListener, ListenerError> {
    let refused = |source| ListenerError::Socket {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
        Ok(found) if found.file_type().is_socket() && lock.was_there => {}
        Ok(found) => {
            let what = match found.file_type() {
                kind if kind.is_socket() => "a socket",
                kind if kind.is_dir() => "a folder",
                _ => "a file",
            };
            return Err(ListenerError::Occupied {
                path: path.to_owned(),
                what,
            });
        }
    }
    // Made where nobody else may look, and put in its place when it has its mode: so there is no
    // moment in which others could open it. Renaming also replaces one that is left over.
    let folder = tempfile::Builder::new()
        .prefix(".dfab")
        .rand_bytes(4)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder_of(path))
        .map_err(refused)?;
    let hidden = folder.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&hidden).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    fs::set_permissions(&hidden, Permissions::from_mode(0o600)).map_err(refused)?;
    fs::rename(&hidden, path).map_err(refused)?;
    Ok(listener)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file beside the socket. While it is locked, the tunnel lives; where it is not, but is there, a
/// tunnel died without tidying up.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// Held for its lock.
    _file: File,
    was_there: bool,
}

impl Lock {
    fn take(socket: &Path) -> Result<Self, ListenerError> {
        let refused = |source| ListenerError::Socket {
            path: socket.to_owned(),
            source,
        };
        let mut path = socket.to_owned().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let was_there = path.exists();
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(refused)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(ListenerError::Taken {
                        path: socket.to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(refused(error)),
            }
            // Its owner may have removed it between opening and locking: then it guards nothing.
            let ours = file.metadata().map_err(refused)?;
            match fs::metadata(&path) {
                Ok(there) if there.ino() == ours.ino() && there.dev() == ours.dev() => {
                    return Ok(Self {
                        path,
                        _file: file,
                        was_there,
                    });
                }
                _ => {}
            }
        }
    }
}

/// Removes a folder with nothing but sockets of tunnels that died without tidying up; whether it has. One
/// with a tunnel that lives, with anything else in it or with nothing at all is left alone.
///
/// # Errors
/// Where the system refuses.
pub fn remove_left(folder: &Path) -> io::Result<bool> {
    let mut locks = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_socket() {
            continue;
        }
        if !kind.is_file() || path.extension().is_none_or(|extension| extension != "lock") {
            return Ok(false);
        }
        let lock = File::open(&path)?;
        if lock.try_lock().is_err() {
            return Ok(false);
        }
        locks.push(lock);
    }
    if locks.is_empty() {
        return Ok(false);
    }
    fs::remove_dir_all(folder)?;
    Ok(true)
}

/// What the system's `sockaddr_un` holds, with a byte for its end (unix(7)).
const LONGEST: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    fn local(folder: &tempfile::TempDir, name: &str) -> Local {
        Local::Socket(folder.path().join(name))
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let local = local(&folder, "s.sock");
        let Local::Socket(path) = &local else {
            panic!("it is a socket")
        };
        let listener = Listener::bind(&local).unwrap();
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        let again = Listener::bind(&local).unwrap_err();
        assert!(matches!(again, ListenerError::Taken { .. }), "{again}");
        drop(listener);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn only_what_a_dead_dfab_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let local = local(&folder, "s.sock");
        let Local::Socket(path) = &local else {
            panic!("it is a socket")
        };
        // The socket of some other program, which is dead too.
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        let foreign = Listener::bind(&local).unwrap_err();
        assert!(
            matches!(
                foreign,
                ListenerError::Occupied {
                    what: "a socket",
                    ..
                }
            ),
            "{foreign}"
        );
        // The same with what a killed dfab leaves beside it.
        fs::write(folder.path().join("s.sock.lock"), "").unwrap();
        let listener = Listener::bind(&local).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the test is a client")]
        let client = UnixStream::connect(path).await;
        assert!(client.is_ok() && listener.accept().await.is_ok());
    }

    #[tokio::test]
    async fn a_folder_of_dead_tunnels_is_removed_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!remove_left(folder.path()).unwrap(), "nothing is in it");
        let listener = Listener::bind(&local(&folder, "live.sock")).unwrap();
        let dead = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        fs::write(folder.path().join("dead.sock.lock"), "").unwrap();
        assert!(!remove_left(folder.path()).unwrap(), "one lives");
        drop(listener);
        let text = folder.path().join("text");
        fs::write(&text, "").unwrap();
        assert!(
            !remove_left(folder.path()).unwrap(),
            "it is not only of tunnels"
        );
        fs::remove_file(&text).unwrap();
        assert!(dead.exists());
        assert!(remove_left(folder.path()).unwrap());
        assert!(!folder.path().exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let local = local(&folder, "s.sock");
        fs::write(folder.path().join("s.sock"), "text").unwrap();
        assert!(Listener::bind(&local).is_err());
        fs::write(folder.path().join("s.sock.lock"), "").unwrap();
        let error = Listener::bind(&local).unwrap_err();
        assert!(
            matches!(error, ListenerError::Occupied { what: "a file", .. }),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("s.sock")).unwrap(),
            "text"
        );
        let long = Local::Socket(folder.path().join("x".repeat(100)));
        let error = Listener::bind(&long).unwrap_err();
        assert!(error.to_string().contains("at most 107"), "{error}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let first = Listener::bind(&Local::Port(0)).unwrap();
        let Local::Port(port) = *first.local() else {
            panic!("it is a port")
        };
        let error = Listener::bind(&Local::Port(port)).err().unwrap();
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
}
