//! What carries the bytes of a session: TCP from here, a command, or a channel of another session.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;

use crate::connect::ConnectError;
use crate::session::Channel;
use crate::target::AddressFamily;

/// How long sent data may stay unacknowledged before the connection counts as broken.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// How much may wait in the kernel to be sent, in bytes. More is no faster, and on a narrow link in the way
/// of small calls beside a large one: by seconds, with what the kernel would take.
const UNSENT: u32 = 256 * 1024;
/// How long a proxy command may take to end after its connection has.
const ENDING: Duration = Duration::from_millis(500);
/// How much is kept of what a proxy command complains about, in bytes.
const COMPLAINTS: usize = 2 * 1024;

/// The process groups of proxy commands that run.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Ends all proxy commands at once, for when the program ends: sessions end theirs by themselves, but
/// only as long as their threads are there.
pub fn end_proxy_commands() {
    let running = std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
    for process in running {
        signal_group(process, Signal::HUP);
        signal_group(process, Signal::KILL);
    }
}

fn signal_group(process: u32, signal: Signal) {
    if let Some(group) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // A group that has ended needs no signal.
        let _ = kill_process_group(group, signal);
    }
}

/// The stream below a session. Dropping it closes it, and ends the command that carries it.
#[derive(Debug)]
pub(crate) struct Link {
    stream: OwnedFd,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp,
    Command(ProxyProcess),
    Relayed,
}

impl Link {
    /// TCP to the first of the host's addresses that answers.
    pub(crate) fn tcp(
        host: &str,
        port: u16,
        family: AddressFamily,
        deadline: Instant,
    ) -> Result<Self, ConnectError> {
        let tcp = connect_tcp(host, port, family, deadline)?;
        set_options(&tcp).map_err(ConnectError::Local)?;
        Ok(Self {
            stream: tcp.into(),
            kind: Kind::Tcp,
        })
    }

    /// The standard streams of a command line, run by the user's shell as OpenSSH does.
    pub(crate) fn command(line: &str) -> Result<Self, ConnectError> {
        let failed = |source| ConnectError::ProxyStart {
            command: line.to_owned(),
            source,
        };
        let (ours, theirs) = UnixStream::pair().map_err(ConnectError::Local)?;
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let output = OwnedFd::from(theirs.try_clone().map_err(ConnectError::Local)?);
        let mut child = Command::new(shell.unwrap_or_else(|| "/bin/sh".into()))
            .args(["-c", &format!("exec {line}")])
            .stdin(OwnedFd::from(theirs))
            .stdout(output)
            .stderr(Stdio::piped())
            // Ctrl-C is for dfab, which closes its sessions in order, and then ends the command.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(child.id());
        drop(running);
        let stderr = child.stderr.take();
        let process = ProxyProcess {
            child,
            line: line.to_owned(),
            complaints: Arc::default(),
        };
        if let Some(stderr) = stderr {
            let complaints = Arc::clone(&process.complaints);
            // It ends with the command.
            std::thread::Builder::new()
                .name("ssh proxy".to_owned())
                .spawn(move || listen(stderr, &complaints))
                .map_err(ConnectError::Local)?;
        }
        Ok(Self {
            stream: ours.into(),
            kind: Kind::Command(process),
        })
    }

    /// One end of a pair whose other end [`relay`] serves.
    pub(crate) fn relayed(stream: UnixStream) -> Self {
        Self {
            stream: stream.into(),
            kind: Kind::Relayed,
        }
    }

    /// Another descriptor of the stream, for libssh2.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.stream.try_clone()
    }

    /// Acknowledges at once: late, it would hold up a server that waits before it sends small packets.
    pub(crate) fn acknowledge(&self) {
        if matches!(self.kind, Kind::Tcp) {
            // Nothing is lost where the kernel cannot.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
        }
    }

    /// How many bytes wait to be read.
    pub(crate) fn waiting(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.stream).unwrap_or(0)
    }

    /// What a command that should carry the bytes has to say for itself.
    pub(crate) fn complaint(&mut self) -> Option<String> {
        match &mut self.kind {
            Kind::Command(process) => process.complaint(),
            Kind::Tcp | Kind::Relayed => None,
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Passes bytes between a channel and the other end of [`Link::relayed`], until one of them ends.
pub(crate) async fn relay(channel: Channel, stream: UnixStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::UnixStream::from_std(stream)?;
    let (mut here_in, mut here_out) = stream.into_split();
    let (mut there_in, mut there_out) = tokio::io::split(channel);
    tokio::select! {
        out = tokio::io::copy(&mut here_in, &mut there_out) => {
            out?;
            there_out.shutdown().await
        }
        back = tokio::io::copy(&mut there_in, &mut here_out) => {
            back?;
            here_out.shutdown().await
        }
    }
}

#[derive(Debug)]
struct ProxyProcess {
    child: Child,
    line: String,
    complaints: Arc<Mutex<Vec<u8>>>,
}

impl ProxyProcess {
    fn complaint(&mut self) -> Option<String> {
        // Its last words may come a moment after its end.
        let deadline = Instant::now() + ENDING;
        let ended = loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(status) => break status,
                Err(_) => break None,
            }
        };
        let kept = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&kept).trim().replace('\n', "; ");
        let words = match (ended, words.is_empty()) {
            (Some(status), true) => status.to_string(),
            (Some(status), false) => format!("{status}: {words}"),
            (None, true) => return None,
            (None, false) => words,
        };
        Some(format!("the proxy command ({}): {words}", self.line))
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        let deadline = Instant::now() + ENDING;
        for signal in [Signal::HUP, Signal::KILL] {
            signal_group(self.child.id(), signal);
            while signal == Signal::HUP && Instant::now() < deadline {
                match self.child.try_wait() {
                    Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                    // The group may have more than its first process.
                    Ok(Some(_)) | Err(_) => break,
                }
            }
        }
        // It has ended.
        let _ = self.child.wait();
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.child.id());
    }
}

fn listen(mut stderr: impl Read, complaints: &Mutex<Vec<u8>>) {
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut piece) {
        let mut kept = complaints.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(piece.iter().take(count));
        let surplus = kept.len().saturating_sub(COMPLAINTS);
        kept.drain(..surplus);
    }
}

/// Tries every address of the host that is of the family.
fn connect_tcp(
    host: &str,
    port: u16,
    family: AddressFamily,
    deadline: Instant,
) -> Result<TcpStream, ConnectError> {
    let name = |source| ConnectError::Name {
        host: host.to_owned(),
        source,
    };
    let all = (host, port).to_socket_addrs().map_err(name)?;
    let is_meant = |address: &SocketAddr| match family {
        AddressFamily::Any => true,
        AddressFamily::Inet => address.is_ipv4(),
        AddressFamily::Inet6 => address.is_ipv6(),
    };
    let addresses: Vec<SocketAddr> = all.filter(is_meant).collect();
    if addresses.is_empty() {
        let words = "it has no address of the AddressFamily that the SSH configuration asks for";
        return Err(name(io::Error::new(io::ErrorKind::AddrNotAvailable, words)));
    }
    let mut failure = None;
    let count = u32::try_from(addresses.len()).unwrap_or(1);
    for (address, others) in addresses.iter().zip((0..count).rev()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // An address that does not answer leaves time for the others.
        let share = left / (others + 1);
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where SSH connections are opened"
        )]
        match TcpStream::connect_timeout(address, share) {
            Ok(tcp) => return Ok(tcp),
            Err(source) => {
                failure = Some(ConnectError::Tcp {
                    address: address.to_string(),
                    source,
                });
            }
        }
    }
    Err(failure.unwrap_or_else(|| ConnectError::Tcp {
        address: format!("{host}:{port}"),
        source: io::ErrorKind::TimedOut.into(),
    }))
}

fn set_options(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let milliseconds = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(tcp, milliseconds)?;
    socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_addresses_of_the_family_are_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = |family| {
            let deadline = Instant::now() + Duration::from_secs(20);
            connect_tcp("127.0.0.1", port, family, deadline)
        };
        for family in [AddressFamily::Any, AddressFamily::Inet] {
            connect(family).unwrap();
        }
        let refused = connect(AddressFamily::Inet6).unwrap_err();
        let ConnectError::Name { source, .. } = refused else {
            panic!("{refused:?}");
        };
        assert!(source.to_string().contains("AddressFamily"), "{source}");
    }
}
