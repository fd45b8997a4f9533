//! Why something is denied, and how it would be granted.

use std::path::{Path, PathBuf};

/// Why a component may not do what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// Its manifest does not declare it, so that nobody can grant it.
    #[error(
        "the plugin `{plugin}` may not use `{grant}`: its manifest does not declare it. Its author \
         must add {declaration} to the `capabilities` of the manifest"
    )]
    NotDeclared {
        /// Its name.
        plugin: String,
        /// The narrowest grant that would cover the call.
        grant: String,
        /// What the manifest would say.
        declaration: String,
    },
    /// The operator did not grant it.
    #[error(
        "the plugin `{plugin}` may not use `{grant}`: it declares it, but was not granted it. To \
         grant it, {how}"
    )]
    NotGranted {
        /// Its name.
        plugin: String,
        /// The narrowest grant that would cover the call.
        grant: String,
        /// The line or the command that grants it.
        how: String,
    },
    /// The operator lets it work for other hosts only.
    #[error(
        "the plugin `{plugin}` may not work for {host}: it was granted what it may do on {hosts} \
         only. To allow it there, {how}"
    )]
    Host {
        /// Its name.
        plugin: String,
        /// As the operator called it.
        host: String,
        /// Hosts and groups that it may work for.
        hosts: String,
        /// The line or the command that allows it.
        how: String,
    },
}

/// Where the grants of a plugin are written, so that a message can say how to write more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ledger {
    /// In dfab.yaml, under the path of its file.
    Project(PathBuf),
    /// In dfab.lock.
    Lock,
    /// Nowhere: it is part of dfab.
    BuiltIn,
}

impl Ledger {
    /// How these grants of a component, of which the last is new, are written down.
    pub(crate) fn grant(&self, component: &str, grants: &[String]) -> String {
        match self {
            Self::Project(path) => in_entry(path, &format!("grant: {grants:?}")),
            // The others stay as they are.
            Self::Lock | Self::BuiltIn => {
                let new = grants.last().map_or("", String::as_str);
                format!("run: dfab plugin grant {component} {}", quoted(new))
            }
        }
    }

    /// How these hosts, of which the last is new, are written down.
    pub(crate) fn hosts(&self, component: &str, hosts: &[String]) -> String {
        match self {
            Self::Project(path) => in_entry(path, &format!("hosts: {hosts:?}")),
            Self::Lock | Self::BuiltIn => format!(
                "run: dfab plugin grant {component} --only-on {}",
                quoted(&hosts.join(","))
            ),
        }
    }
}

/// A line of the entry with that path. The entry has its digest already, and is not used without it.
fn in_entry(path: &Path, line: &str) -> String {
    format!(
        "write in dfab.yaml, in its entry under `plugins:`, beside its `digest`\n- path: {}\n  {line}",
        crate::text::plain(&path.to_string_lossy()),
    )
}

/// As one word of a shell, in quotes wherever that may matter.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        shell_words::quote(text).into_owned()
    } else {
        format!("'{text}'")
    }
}
