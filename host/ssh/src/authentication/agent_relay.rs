//! Between libssh2 and an agent, for the keys with which libssh2 alone does not get along.
//!
//! A signature of a security key has more than its bytes (flags and a counter), which libssh2 cuts off;
//! and it asks agents to sign by SHA-1 where a key has an RSA certificate. What is said otherwise here is
//! in draft-miller-ssh-agent and in PROTOCOL.u2f of OpenSSH.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::wire::{Reader, key_type, put_string};

/// Asks for a signature: key, data, flags.
const SIGN_REQUEST: u8 = 13;
/// Answers with one.
const SIGN_RESPONSE: u8 = 14;
/// Flags of a request.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;
/// The type of certificates of RSA keys.
const RSA_CERTIFICATE: &str = "ssh-rsa-cert-v01@openssh.com";
/// How the types of keys begin that are in a security key.
const SECURITY_KEY: &str = "sk-";
/// The longest message of either side, in bytes, as in OpenSSH.
const LONGEST: usize = 256 * 1024;

/// Whether a key of an agent is to be used through a relay.
pub(super) fn is_wanted(key: &[u8]) -> bool {
    key_type(key).is_some_and(|kind| kind == RSA_CERTIFICATE || kind.starts_with(SECURITY_KEY))
}

/// A socket on which an agent answers in a way that libssh2 passes on rightly. It is for one connection,
/// and may be dropped once that is open.
#[derive(Debug)]
pub(super) struct AgentRelay {
    folder: TempDir,
}

impl AgentRelay {
    /// Connects to the agent, and waits for one connection in a thread, which ends with it or with the
    /// relay's agent.
    pub(super) fn start(agent: &Path) -> io::Result<Self> {
        let agent = UnixStream::connect(agent)?;
        let relay = Self {
            folder: tempfile::Builder::new().prefix("dfab-agent.").tempdir()?,
        };
        let listener = UnixListener::bind(relay.socket())?;
        std::thread::Builder::new()
            .name("ssh-agent".to_owned())
            .spawn(move || {
                let carried = listener
                    .accept()
                    .and_then(|(client, _)| carry(client, agent));
                if let Err(error) = carried {
                    tracing::debug!(%error, "the connection to the agent ended");
                }
            })?;
        Ok(relay)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("agent")
    }
}

impl Drop for AgentRelay {
    fn drop(&mut self) {
        // Wakes the thread where nobody has connected; else nobody accepts it any more.
        let _ = UnixStream::connect(self.socket());
    }
}

/// Carries questions and answers, one after the other, until one side has gone.
fn carry(mut client: UnixStream, mut agent: UnixStream) -> io::Result<()> {
    while let Some(request) = receive(&mut client)? {
        send(&mut agent, &asked(request))?;
        let Some(answer) = receive(&mut agent)? else {
            break;
        };
        send(&mut client, &answered(answer))?;
    }
    Ok(())
}

fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message of an agent is too long",
        ));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(message.len() + 4);
    put_string(&mut bytes, message);
    stream.write_all(&bytes)
}

/// What the agent is to be asked: for the digest that the data itself names, where the key has an RSA
/// certificate.
fn asked(request: Vec<u8>) -> Vec<u8> {
    let flags = || {
        let mut reader = Reader(request.strip_prefix(&[SIGN_REQUEST])?);
        let (key, data) = (reader.string()?, reader.string()?);
        if key_type(key) != Some(RSA_CERTIFICATE) {
            return None;
        }
        let algorithm = algorithm(data)?;
        if algorithm.starts_with("rsa-sha2-512") {
            Some(RSA_SHA2_512)
        } else if algorithm.starts_with("rsa-sha2-256") {
            Some(RSA_SHA2_256)
        } else {
            None
        }
    };
    match (flags(), request.len().checked_sub(4)) {
        (Some(flags), Some(end)) => {
            let mut request = request;
            request.truncate(end);
            request.extend_from_slice(&flags.to_be_bytes());
            request
        }
        _ => request,
    }
}

/// The algorithm of what is signed for a login (RFC 4252, section 7).
fn algorithm(data: &[u8]) -> Option<&str> {
    let mut reader = Reader(data);
    reader.string()?; // the session
    reader.take(1)?; // a request to log in
    reader.string()?; // the user
    reader.string()?; // the service
    reader.string()?; // by a public key
    reader.take(1)?; // with a signature
    reader.text()
}

/// What libssh2 is to be answered: it sends the inner string of a security key's signature without its
/// length, so that this is made one string with all that follows it.
fn answered(answer: Vec<u8>) -> Vec<u8> {
    let whole = || {
        let mut reader = Reader(answer.strip_prefix(&[SIGN_RESPONSE])?);
        let mut signature = Reader(reader.string()?);
        let kind = signature
            .text()
            .filter(|kind| kind.starts_with(SECURITY_KEY))?;
        let mut inner = Vec::new();
        put_string(&mut inner, kind.as_bytes());
        put_string(&mut inner, signature.0);
        let mut whole = vec![SIGN_RESPONSE];
        put_string(&mut whole, &inner);
        Some(whole)
    };
    whole().unwrap_or(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strings(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        parts.iter().for_each(|part| put_string(&mut bytes, part));
        bytes
    }

    /// A request to sign a login by this algorithm with a key of this type.
    fn request(kind: &str, algorithm: &str) -> Vec<u8> {
        let mut data = strings(&[b"session"]);
        data.push(50);
        data.extend(strings(&[b"root", b"ssh-connection", b"publickey"]));
        data.push(1);
        data.extend(strings(&[algorithm.as_bytes(), b"key"]));
        let key = strings(&[kind.as_bytes(), b"rest"]);
        [&[SIGN_REQUEST][..], &strings(&[&key, &data]), &[0; 4]].concat()
    }

    #[test]
    fn the_digest_of_an_rsa_certificate_is_that_of_the_login() {
        for (algorithm, flags) in [
            ("rsa-sha2-512-cert-v01@openssh.com", 4),
            ("rsa-sha2-256-cert-v01@openssh.com", 2),
            ("ssh-rsa-cert-v01@openssh.com", 0),
        ] {
            let request = request(RSA_CERTIFICATE, algorithm);
            let asked = asked(request.clone());
            let (body, end) = asked.split_at(request.len() - 4);
            assert_eq!(body, &request[..request.len() - 4]);
            assert_eq!(end, [0, 0, 0, flags], "{algorithm}");
        }
        let plain = request("ssh-rsa", "rsa-sha2-512");
        assert_eq!(asked(plain.clone()), plain);
    }

    #[test]
    fn a_signature_of_a_security_key_stays_whole() {
        let rest = [&strings(&[b"signature"])[..], &[1, 0, 0, 0, 7]].concat();
        let kind: &[u8] = b"sk-ssh-ed25519@openssh.com";
        let answer = |signature: &[u8]| [&[SIGN_RESPONSE][..], &strings(&[signature])].concat();
        let of_key = answer(&[&strings(&[kind])[..], &rest].concat());
        assert_eq!(answered(of_key), answer(&strings(&[kind, &rest])));
        let other = answer(&strings(&[b"ssh-ed25519", b"signature"]));
        assert_eq!(answered(other.clone()), other);
    }

    proptest! {
        #[test]
        fn what_is_garbled_is_passed_on_as_it_is(mut message: Vec<u8>, kind in 13_u8..15) {
            message.insert(0, kind);
            prop_assert_eq!(asked(message.clone()), message.clone());
            prop_assert_eq!(answered(message.clone()), message);
        }
    }
}
