//! `dfab.lock`: which plugins a project has, as digests, and what each of their components may do. It
//! is written by dfab, and meant to be kept with the project.
//!
//! A grant is to a component by its digest: other bytes have none. What another artifact of the same
//! name brings is found out by [`Locked::changes`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::artifact::Artifact;
use crate::credential::SignerId;
use crate::digest::Digest;
use crate::file::FileError;
use crate::name::Name;
use crate::source::Source;
use crate::trust::Approval;

/// The name of the file.
pub const FILE: &str = "dfab.lock";

/// The plugins of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By name, of a bundle or of a single component.
    pub plugins: BTreeMap<Name, Locked>,
}

/// A plugin as it was added.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Of the artifact.
    pub version: String,
    /// Where it came from.
    pub source: Source,
    /// Of the artifact's bytes.
    pub digest: Digest,
    /// Whose signature counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<SignerId>,
    /// Whose attestation counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vetted_by: Option<SignerId>,
    /// Hosts, groups and patterns that it may work for; any without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// Its components.
    pub components: BTreeMap<Name, LockedComponent>,
}

/// A component as it was added, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedComponent {
    /// Of the component's bytes.
    pub digest: Digest,
    /// `task`, `policy` or `recipe`.
    pub kind: String,
    /// What it asked for.
    pub asks: BTreeSet<String>,
    /// What of that the operator granted.
    pub grants: BTreeSet<String>,
}

/// Something that is different about another artifact of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Other bytes under the version that is there already.
    SameVersion {
        /// The version.
        version: String,
    },
    /// A version before the one that is there.
    Older {
        /// The version that is there.
        from: String,
        /// The other one.
        to: String,
    },
    /// Somebody else has signed or vetted it, or nobody has any more.
    Signer {
        /// `signed` or `vetted`.
        what: &'static str,
        /// Before.
        from: Option<SignerId>,
        /// Now.
        to: Option<SignerId>,
    },
    /// It comes from elsewhere.
    Source {
        /// Before.
        from: Source,
        /// Now.
        to: Source,
    },
    /// A component that was not there.
    NewComponent(Name),
    /// A component that is there no more.
    LostComponent(Name),
    /// A component is of another kind.
    Kind {
        /// Which.
        component: Name,
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// A component asks for something that it did not ask for.
    AsksMore {
        /// Which.
        component: Name,
        /// For what.
        ask: String,
    },
    /// A component asks for something no more.
    AsksLess {
        /// Which.
        component: Name,
        /// For what.
        ask: String,
    },
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what dfab writes.
    #[error("{} cannot be understood; it is written by dfab, and not to be edited", .file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It was written by a later dfab.
    #[error("{} has the form {form}, and this dfab knows the form {FORM}; it needs a newer dfab", .file.display())]
    Form {
        /// Which.
        file: PathBuf,
        /// The form.
        form: u32,
    },
}

const FORM: u32 = 1;
const LIMIT: usize = 8 << 20;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    lock: u32,
    plugins: BTreeMap<Name, Locked>,
}

impl Lock {
    /// Reads the file; without one, there is no plugin.
    ///
    /// # Errors
    /// Where it cannot be read or understood.
    pub fn read(file: &Path) -> Result<Self, LockError> {
        #[derive(serde::Deserialize)]
        struct Form {
            lock: u32,
        }
        let bytes = match crate::file::read_file(file, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(FileError::read(file, source).into()),
        };
        let content = |source| LockError::Content {
            file: file.to_owned(),
            source,
        };
        let Form { lock: form } = serde_json::from_slice(&bytes).map_err(content)?;
        if form != FORM {
            return Err(LockError::Form {
                file: file.to_owned(),
                form,
            });
        }
        let Content { plugins, .. } = serde_json::from_slice(&bytes).map_err(content)?;
        Ok(Self { plugins })
    }

    /// Writes the file at once, so that nobody reads a half of it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), LockError> {
        let failed = |source| FileError::write(file, source);
        let content = Content {
            lock: FORM,
            plugins: self.plugins.clone(),
        };
        let text = serde_json::to_string_pretty(&content)
            .map_err(|error| failed(io::Error::other(error)))?;
        crate::file::write_file(file, format!("{text}\n").as_bytes()).map_err(failed)?;
        Ok(())
    }
}

impl Locked {
    /// An artifact that is granted all of what `grants` has and it asks for.
    #[must_use]
    pub fn new(
        artifact: &Artifact,
        source: Source,
        approval: &Approval,
        grants: impl Fn(&Name, &str) -> bool,
    ) -> Self {
        let components = artifact.parts().iter().map(|part| {
            let about = &part.component;
            let asks: BTreeSet<String> = about.asks.keys().cloned().collect();
            let granted = asks
                .iter()
                .filter(|ask| grants(&about.name, ask))
                .cloned()
                .collect();
            let locked = LockedComponent {
                digest: part.digest,
                kind: about.kind.clone(),
                asks,
                grants: granted,
            };
            (about.name.clone(), locked)
        });
        Self {
            version: artifact.version().to_owned(),
            source,
            digest: artifact.digest(),
            signed_by: approval.signed.as_ref().map(|by| by.id.clone()),
            vetted_by: approval.vetted.as_ref().map(|by| by.id.clone()),
            hosts: None,
            components: components.collect(),
        }
    }

    /// What is different about another artifact of the same name.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.digest != new.digest && self.version == new.version {
            changes.push(Change::SameVersion {
                version: new.version.clone(),
            });
        }
        let version = |text: &str| semver::Version::parse(text).ok();
        if let (Some(from), Some(to)) = (version(&self.version), version(&new.version))
            && to < from
        {
            changes.push(Change::Older {
                from: self.version.clone(),
                to: new.version.clone(),
            });
        }
        for (what, from, to) in [
            ("signed", &self.signed_by, &new.signed_by),
            ("vetted", &self.vetted_by, &new.vetted_by),
        ] {
            if from != to {
                let (from, to) = (from.clone(), to.clone());
                changes.push(Change::Signer { what, from, to });
            }
        }
        if !self.source.is_same_place(&new.source) {
            let (from, to) = (self.source.clone(), new.source.clone());
            changes.push(Change::Source { from, to });
        }
        for (name, component) in &new.components {
            match self.components.get(name) {
                Some(old) => old.changes(name, component, &mut changes),
                None => {
                    changes.push(Change::NewComponent(name.clone()));
                    let asks = component.asks.iter();
                    changes.extend(asks.map(|ask| Change::asks_more(name, ask)));
                }
            }
        }
        let lost = self
            .components
            .keys()
            .filter(|name| !new.components.contains_key(*name));
        changes.extend(lost.cloned().map(Change::LostComponent));
        changes
    }

    /// What was granted of this to a component.
    #[must_use]
    pub fn grants(&self, component: &Name, ask: &str) -> bool {
        let component = self.components.get(component);
        component.is_some_and(|component| component.grants.contains(ask))
    }
}

impl LockedComponent {
    fn changes(&self, name: &Name, new: &Self, changes: &mut Vec<Change>) {
        if self.kind != new.kind {
            changes.push(Change::Kind {
                component: name.clone(),
                from: self.kind.clone(),
                to: new.kind.clone(),
            });
        }
        changes.extend(
            new.asks
                .difference(&self.asks)
                .map(|ask| Change::asks_more(name, ask)),
        );
        changes.extend(self.asks.difference(&new.asks).map(|ask| Change::AsksLess {
            component: name.clone(),
            ask: ask.clone(),
        }));
    }
}

impl Change {
    /// Whether an operator must say yes to it, since it is allowed more or vouched for by others.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        match self {
            // A signature more is nothing to be afraid of.
            Self::Signer { from, .. } => from.is_some(),
            Self::LostComponent(_) | Self::AsksLess { .. } => false,
            Self::SameVersion { .. }
            | Self::Older { .. }
            | Self::Source { .. }
            | Self::NewComponent(_)
            | Self::Kind { .. }
            | Self::AsksMore { .. } => true,
        }
    }

    fn asks_more(component: &Name, ask: &str) -> Self {
        Self::AsksMore {
            component: component.clone(),
            ask: ask.to_owned(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameVersion { version } => write!(f, "! other bytes as version {version}"),
            Self::Older { from, to } => write!(f, "! older: {to} instead of {from}"),
            Self::Signer { what, from, to } => {
                let shown = |signer: &Option<SignerId>| {
                    signer
                        .as_ref()
                        .map_or("nobody".to_owned(), ToString::to_string)
                };
                write!(f, "! {what} by {} instead of {}", shown(to), shown(from))
            }
            Self::Source { from, to } => write!(f, "! from {to} instead of {from}"),
            Self::NewComponent(name) => write!(f, "+ component {name}"),
            Self::LostComponent(name) => write!(f, "- component {name}"),
            Self::Kind {
                component,
                from,
                to,
            } => {
                write!(f, "! {component} is a {to} instead of a {from}")
            }
            Self::AsksMore { component, ask } => write!(f, "+ {component}: {ask}"),
            Self::AsksLess { component, ask } => write!(f, "- {component}: {ask}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{examine, wasm};
    use crate::trust::By;

    fn locked(version: &str, asks: &[&str]) -> Locked {
        let artifact = Artifact::open(wasm("web", version, asks).into(), &examine).unwrap();
        let source = "web.wasm".parse().unwrap();
        Locked::new(&artifact, source, &Approval::default(), |_, ask| {
            ask != "ssh.run"
        })
    }

    fn told(from: &Locked, to: &Locked) -> String {
        let changes = from.changes(to);
        let line = |change: &Change| {
            let consent = if change.needs_consent() {
                "  (consent)"
            } else {
                ""
            };
            format!("{change}{consent}")
        };
        changes.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_file_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(Lock::read(&file).unwrap(), Lock::default());
        let plugin = locked("1.0.0", &["docker.read", "ssh.run"]);
        let lock = Lock {
            plugins: BTreeMap::from([("web".parse().unwrap(), plugin)]),
        };
        lock.write(&file).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), lock);
        insta::assert_snapshot!(std::fs::read_to_string(&file).unwrap(), @r#"
        {
          "lock": 1,
          "plugins": {
            "web": {
              "version": "1.0.0",
              "source": "web.wasm",
              "digest": "sha256:dc814a6b8c6ea10c4bd4a64d477b736c86a6efe7e8b74a1e900401537f932773",
              "components": {
                "web": {
                  "digest": "sha256:dc814a6b8c6ea10c4bd4a64d477b736c86a6efe7e8b74a1e900401537f932773",
                  "kind": "task",
                  "asks": [
                    "docker.read",
                    "ssh.run"
                  ],
                  "grants": [
                    "docker.read"
                  ]
                }
              }
            }
          }
        }
        "#);
        std::fs::write(&file, r#"{"lock": 2}"#).unwrap();
        assert!(matches!(
            Lock::read(&file),
            Err(LockError::Form { form: 2, .. })
        ));
        for text in ["", "{}", r#"{"lock": 1, "plugins": {"../x": {}}}"#] {
            std::fs::write(&file, text).unwrap();
            assert!(
                matches!(Lock::read(&file), Err(LockError::Content { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn what_an_update_brings_is_told() {
        let old = locked("1.0.0", &["docker.read", "settings.read a"]);
        assert_eq!(told(&old, &old), "");
        insta::assert_snapshot!(told(&old, &locked("1.1.0", &["docker.read", "ssh.run"])), @"
        + web: ssh.run  (consent)
        - web: settings.read a
        ");
        insta::assert_snapshot!(told(&old, &locked("1.0.0", &["docker.read"])), @"
        ! other bytes as version 1.0.0  (consent)
        - web: settings.read a
        ");
        insta::assert_snapshot!(told(&old, &locked("0.9.0", &["docker.read", "settings.read a"])), @"! older: 0.9.0 instead of 1.0.0  (consent)");
        let mut other = locked("1.1.0", &["docker.read", "settings.read a"]);
        let component = other.components.pop_first().unwrap().1;
        other.components.insert("shop".parse().unwrap(), component);
        other.source = "https://example.com/web.wasm".parse().unwrap();
        insta::assert_snapshot!(told(&old, &other), @"
        ! from https://example.com/web.wasm instead of web.wasm  (consent)
        + component shop  (consent)
        + shop: docker.read  (consent)
        + shop: settings.read a  (consent)
        - component web
        ");
    }

    #[test]
    fn another_signer_needs_consent() {
        let key = crate::PrivateKey::generate().unwrap();
        let by = |key: &crate::PrivateKey| By {
            label: "author".to_owned(),
            id: SignerId::Key(key.public().fingerprint().clone()),
            until: None,
        };
        let mut old = locked("1.0.0", &[]);
        let mut new = locked("1.1.0", &[]);
        new.signed_by = Some(by(&key).id);
        assert!(
            old.changes(&new)
                .iter()
                .all(|change| !change.needs_consent())
        );
        std::mem::swap(&mut old, &mut new);
        new.version = "1.2.0".to_owned();
        assert!(old.changes(&new).iter().any(Change::needs_consent));
    }
}
