//! Public keys, in OpenSSH's order: the agent's that are named, the agent's others, those in files.

use std::io;
use std::path::Path;

use super::agent_relay::{self, AgentRelay};
use super::key_file::KeyFile;
use super::{Login, Outcome, REFUSED, is_closed};
use crate::question::{NoAnswer, Question, Secret};
use crate::quoting::quoted;
use crate::wire::key_type;

impl Login<'_> {
    pub(super) fn keys(&mut self) -> Outcome {
        let target = self.target;
        let mut files = Vec::new();
        for file in &target.identity_files {
            match KeyFile::read(file, &target.certificate_files) {
                Ok(key) => files.push(key),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.note(file.display().to_string(), error.to_string()),
            }
        }
        // What the server refused from the agent it would refuse from a file.
        let mut refused = Vec::new();
        if let Some(socket) = &target.identity_agent {
            match self.agent(socket, &files, &mut refused) {
                Outcome::Next => {}
                outcome => return outcome,
            }
        }
        for key in &files {
            for certificate in key.certificates.iter().map(Some).chain([None]) {
                let blob = match certificate {
                    Some((_, line)) => super::key_file::key_in(line),
                    None => key.public.clone(),
                };
                if blob.is_some_and(|blob| refused.contains(&blob)) {
                    continue;
                }
                let way = match certificate {
                    Some((file, _)) => file.display().to_string(),
                    None => key.file.display().to_string(),
                };
                let line = certificate.map(|(_, line)| line.as_str());
                match self.file(key, line, &way) {
                    Outcome::Next => {}
                    outcome => return outcome,
                }
            }
        }
        Outcome::Next
    }

    fn agent(&mut self, socket: &Path, files: &[KeyFile], refused: &mut Vec<Vec<u8>>) -> Outcome {
        let identities = || -> Result<_, ssh2::Error> {
            let mut agent = self.session.agent()?;
            agent.set_identity_path(socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let identities = agent.identities()?;
            Ok((agent, identities))
        };
        let (agent, identities) = match identities() {
            Ok(found) => found,
            Err(error) => {
                let way = format!("the agent at {}", socket.display());
                self.note(way, error.message().to_owned());
                return Outcome::Next;
            }
        };
        let wanted: Vec<Vec<u8>> = files.iter().flat_map(KeyFile::blobs).collect();
        let place = |blob: &[u8]| wanted.iter().position(|wanted| wanted == blob);
        let mut sorted: Vec<_> = identities
            .iter()
            .map(|identity| (place(identity.blob()).unwrap_or(usize::MAX), identity))
            .filter(|(place, _)| !self.target.identities_only || *place < usize::MAX)
            .collect();
        sorted.sort_by_key(|(place, _)| *place);
        if sorted.is_empty() {
            let which = if self.target.identities_only {
                "it has none of the keys that are named (IdentitiesOnly)"
            } else {
                "it has no keys"
            };
            self.note(format!("the agent at {}", socket.display()), which);
        }
        for (_, identity) in sorted {
            self.begin();
            let way = format!("the agent's key {}", identity.comment());
            let result = if agent_relay::is_wanted(identity.blob()) {
                match AgentRelay::start(socket) {
                    Ok(relay) => self.relayed(relay, identity.blob()),
                    Err(error) => {
                        self.note(way, error.to_string());
                        continue;
                    }
                }
            } else {
                agent.userauth(&self.target.user, identity)
            };
            let Err(error) = result else {
                return Outcome::In;
            };
            if error.code() == REFUSED {
                refused.push(identity.blob().to_vec());
            } else {
                self.took_a_key = true;
            }
            match self.failed(&way, &error) {
                Outcome::Next => {}
                outcome => return outcome,
            }
        }
        Outcome::Next
    }

    /// Logs in with a key of the agent behind a relay.
    fn relayed(&self, relay: AgentRelay, key: &[u8]) -> Result<(), ssh2::Error> {
        let mut agent = self.session.agent()?;
        agent.set_identity_path(&relay.socket())?;
        agent.connect()?;
        // Nothing is left of it even where the process is killed while somebody looks for the key.
        drop(relay);
        agent.list_identities()?;
        let identities = agent.identities()?;
        let is_it = |identity: &&ssh2::PublicKey| identity.blob() == key;
        match identities.iter().find(is_it) {
            Some(identity) => agent.userauth(&self.target.user, identity),
            None => Err(ssh2::Error::new(
                ssh2::ErrorCode::Session(-42),
                "the agent has the key no more",
            )),
        }
    }

    fn file(&mut self, key: &KeyFile, certificate: Option<&str>, way: &str) -> Outcome {
        let Some(private) = &key.private else {
            self.note(way, "its private key is neither in a file nor in the agent");
            return Outcome::Next;
        };
        if key.is_exposed {
            let file = key.file.display().to_string();
            let mend = format!("chmod 600 {}", quoted(&file));
            self.note(
                way,
                format!("others may read it, and it is not used; {mend}"),
            );
            return Outcome::Next;
        }
        // With the public half the server is asked before anybody is asked for a passphrase.
        let public = certificate.map(str::to_owned).or_else(|| {
            let blob = key.public.as_ref()?;
            let kind = key_type(blob)?;
            Some(format!("{kind} {}", super::key_file::encoded(blob)))
        });
        let try_with = |login: &Self, passphrase: Option<&str>| {
            login.begin();
            let user = &login.target.user;
            let session = login.session;
            session.userauth_pubkey_memory(user, public.as_deref(), private, passphrase)
        };
        if !key.is_encrypted {
            let Err(error) = try_with(self, None) else {
                return Outcome::In;
            };
            self.took_a_key |= error.code() != REFUSED;
            return self.failed(way, &error);
        }
        let question = Question::Passphrase {
            file: key.file.clone(),
        };
        if public.is_some()
            && let Err(error) = try_with(self, Some(UNLIKELY))
            && (error.code() == REFUSED || is_closed(&error))
        {
            return self.failed(way, &error);
        }
        let mut wrong: Option<Secret> = None;
        for _ in 0..self.target.password_prompts.max(1) {
            let secret = match self.question(&question, wrong.as_ref()) {
                Ok(secret) => secret,
                Err(reason) => {
                    self.note(way, format!("the key is encrypted, and {reason}"));
                    return Outcome::Next;
                }
            };
            if Some(&secret) == wrong.as_ref() {
                break;
            }
            let Err(error) = try_with(self, Some(secret.reveal())) else {
                return Outcome::In;
            };
            if error.code() == REFUSED || is_closed(&error) {
                return self.failed(way, &error);
            }
            // LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED comes after a signature, so the passphrase is right.
            if error.code() == ssh2::ErrorCode::Session(-19)
                && error.message().starts_with("Invalid")
            {
                self.took_a_key = true;
                return self.failed(way, &error);
            }
            wrong = Some(secret);
            if !self.asker.may_know_better() {
                break;
            }
        }
        self.note(way, "the passphrase is wrong");
        Outcome::Next
    }

    /// Asks, unless nobody is to be asked: then what was answered before must do.
    pub(super) fn question(
        &self,
        question: &Question,
        wrong: Option<&Secret>,
    ) -> Result<Secret, NoAnswer> {
        if self.target.batch {
            return self.asker.known(question).ok_or(NoAnswer::Batch);
        }
        self.asker.ask(question, wrong, self.clock)
    }
}

/// Stands for the passphrase while the server is asked whether it takes the key at all: then nobody
/// is asked for one that is of no use.
const UNLIKELY: &str = "\u{1}";
