//! Logging in, in OpenSSH's order: the agent's keys, then key files. Nobody is ever asked.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::target::Target;

/// Why nobody could log in.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The server refused every way that was tried.
    #[error(
        "the server accepts none of the keys for user {user}; tried: {}; the server takes: {methods}",
        describe(.tried)
    )]
    Refused {
        /// The user.
        user: String,
        /// What was tried, and how it went.
        tried: Vec<String>,
        /// What the server says it takes.
        methods: String,
    },
    /// The connection did not last.
    #[error("the connection broke while logging in")]
    Broken(#[source] ssh2::Error),
}

fn describe(tried: &[String]) -> String {
    if tried.is_empty() {
        return "nothing, since there is no agent with keys and no key file; make a key with \
                `ssh-keygen` and bring it to the host with `ssh-copy-id`"
            .to_owned();
    }
    tried.join("; ")
}

/// Logs in on a blocking session with a time-out.
pub(crate) fn authenticate(
    session: &ssh2::Session,
    target: &Target,
) -> Result<(), AuthenticationError> {
    let methods = match session.auth_methods(&target.user) {
        Ok(methods) => methods.to_owned(),
        // The server let the user in without anything.
        Err(_) if session.authenticated() => return Ok(()),
        Err(error) => return Err(AuthenticationError::Broken(error)),
    };
    let mut tried = Vec::new();
    if let Some(socket) = &target.identity_agent
        && try_agent(session, target, socket, &mut tried)
    {
        return Ok(());
    }
    for file in target.identity_files.iter().filter(|file| file.exists()) {
        match try_file(session, &target.user, file) {
            Ok(()) => return Ok(()),
            Err(reason) => tried.push(format!("{}: {reason}", file.display())),
        }
    }
    Err(AuthenticationError::Refused {
        user: target.user.clone(),
        tried,
        methods,
    })
}

/// Tries the agent's keys; whether one was accepted.
fn try_agent(
    session: &ssh2::Session,
    target: &Target,
    socket: &Path,
    tried: &mut Vec<String>,
) -> bool {
    let identities = || -> Result<_, ssh2::Error> {
        let mut agent = session.agent()?;
        agent.set_identity_path(socket)?;
        agent.connect()?;
        agent.list_identities()?;
        let identities = agent.identities()?;
        Ok((agent, identities))
    };
    let (agent, identities) = match identities() {
        Ok(found) => found,
        Err(error) => {
            tried.push(format!(
                "agent at {}: {}",
                socket.display(),
                error.message()
            ));
            return false;
        }
    };
    let wanted: Vec<Vec<u8>> = target
        .identity_files
        .iter()
        .filter_map(|file| public(file))
        .collect();
    for identity in identities {
        let is_wanted = wanted.iter().any(|key| key == identity.blob());
        if target.identities_only && !is_wanted {
            continue;
        }
        match agent.userauth(&target.user, &identity) {
            Ok(()) => return true,
            Err(error) => {
                tried.push(format!(
                    "agent key {}: {}",
                    identity.comment(),
                    error.message()
                ));
            }
        }
    }
    false
}

/// The public half of a key, where its file stands beside the private one.
fn public(file: &Path) -> Option<Vec<u8>> {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(PathBuf::from(name)).ok()?;
    STANDARD.decode(text.split_whitespace().nth(1)?).ok()
}

fn try_file(session: &ssh2::Session, user: &str, file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    if is_encrypted(&text) {
        return Err(format!(
            "the key is encrypted, and dfab asks for no passphrase: ssh-add {}",
            file.display()
        ));
    }
    session
        .userauth_pubkey_memory(user, None, &text, None)
        .map_err(|error| error.message().to_owned())
}

/// Whether a private key needs a passphrase: PEM says so in its head, OpenSSH's own format names a
/// cipher other than `none` right after its magic word (PROTOCOL.key).
fn is_encrypted(text: &str) -> bool {
    if text.contains("ENCRYPTED") {
        return true;
    }
    if !text.contains("BEGIN OPENSSH PRIVATE KEY") {
        return false;
    }
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let Ok(bytes) = STANDARD.decode(body.trim()) else {
        return false;
    };
    let Some(rest) = bytes.strip_prefix(b"openssh-key-v1\0") else {
        return false;
    };
    rest.get(4..8) != Some(b"none")
}
