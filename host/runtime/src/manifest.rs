//! What a component says about itself: JSON in its custom section `dfab:manifest`.

use crate::grant::{Grant, GrantError};
use crate::kind::Kind;
use crate::limit_settings::LimitSettings;

/// What a component says about itself. It is a claim: dfab shows it, and holds the component to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In lower case with digits and hyphens.
    pub name: String,
    /// Of the component, in any form.
    pub version: String,
    /// Must be what its exports make it.
    pub kind: Kind,
    /// One line for the operator.
    #[serde(default)]
    pub summary: String,
    /// An SPDX expression.
    #[serde(default)]
    pub licence: String,
    /// What it wants to do on hosts, and why.
    #[serde(default)]
    pub capabilities: Vec<Declared>,
    /// The limits that it can live with: it gets no more, and less where the operator says so.
    #[serde(default)]
    pub limits: LimitSettings,
}

/// One capability that a component declares.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Its name, such as `docker.read` or `files.write`.
    pub capability: String,
    /// What it covers: for `docker.request` methods with paths, for `ssh.run` and `ssh.sudo` commands, for
    /// `ssh.upload` and `ssh.download` paths of hosts, for `files.read` and `files.write` folders of the
    /// project, for `settings.read` names, for those of objects of an engine their labels.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Why the component needs it, for the operator who grants it.
    pub reason: String,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON of a manifest.
    #[error("its manifest (custom section `dfab:manifest`) cannot be read")]
    Json(#[source] serde_json::Error),
    /// A name that cannot be typed.
    #[error(
        "its manifest names it `{0}`; a name has 1 to 64 small letters, digits and hyphens, and \
         starts with a letter"
    )]
    Name(String),
    /// A capability without a reason.
    #[error("its manifest gives no reason for `{0}`")]
    NoReason(String),
    /// A capability that this version does not know, or that is written wrongly.
    #[error("its manifest declares a capability that cannot be used")]
    Capability(#[source] GrantError),
}

impl Manifest {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        let mut manifest: Self = serde_json::from_slice(json).map_err(ManifestError::Json)?;
        let named = manifest.name.starts_with(|c: char| c.is_ascii_lowercase())
            && manifest.name.len() <= 64
            && manifest
                .name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !named {
            return Err(ManifestError::Name(crate::text::plain(&manifest.name)));
        }
        for text in [
            &mut manifest.version,
            &mut manifest.summary,
            &mut manifest.licence,
        ] {
            crate::text::clean(text);
        }
        for declared in &mut manifest.capabilities {
            crate::text::clean(&mut declared.reason);
            if declared.reason.trim().is_empty() {
                return Err(ManifestError::NoReason(crate::text::plain(
                    &declared.capability,
                )));
            }
        }
        Ok(manifest)
    }

    /// For a component without a manifest: it has a name, and declares nothing.
    pub(crate) fn absent(name: &str, kind: Kind) -> Self {
        Self {
            name: crate::text::plain(name),
            version: String::new(),
            kind,
            summary: String::new(),
            licence: String::new(),
            capabilities: Vec::new(),
            limits: LimitSettings::default(),
        }
    }

    /// What it declares, in the words of grants.
    pub(crate) fn declared(&self) -> Result<Vec<Grant>, ManifestError> {
        let mut grants = Vec::new();
        for Declared {
            capability, allow, ..
        } in &self.capabilities
        {
            if allow.is_empty() {
                grants.push(capability.parse().map_err(ManifestError::Capability)?);
            }
            for covered in allow {
                let grant = format!("{capability} {covered}");
                grants.push(grant.parse().map_err(ManifestError::Capability)?);
            }
        }
        Ok(grants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_declared() {
        let manifest = Manifest::parse(
            br#"{"name": "backup", "version": "1.2.0", "kind": "task", "capabilities": [
                {"capability": "docker.read", "reason": "to list"},
                {"capability": "docker.request", "reason": "to pause",
                 "allow": ["POST /containers/*/pause", "POST /containers/*/unpause"]}]}"#,
        )
        .expect("a manifest");
        let declared: Vec<_> = manifest
            .declared()
            .expect("known capabilities")
            .iter()
            .map(Grant::to_string)
            .collect();
        assert_eq!(
            declared,
            [
                "docker.read",
                "docker.request POST /containers/*/pause",
                "docker.request POST /containers/*/unpause"
            ]
        );
    }

    #[test]
    fn refuses_ill_formed_manifests() {
        for json in [
            "",
            "[]",
            r#"{"name": "a", "version": "1"}"#,
            r#"{"name": "a", "version": "1", "kind": "virus"}"#,
            r#"{"name": "A b", "version": "1", "kind": "task"}"#,
            r#"{"name": "a", "version": "1", "kind": "task", "capabilites": []}"#,
            r#"{"name": "a", "version": "1", "kind": "task"}{"name": "b"}"#,
            r#"{"name": "a", "version": "1", "kind": "task",
                "capabilities": [{"capability": "ssh.run", "reason": " "}]}"#,
            r#"{"name": "a", "version": "1", "kind": "task", "limits": {"cpu": "soon"}}"#,
            r#"{"name": "a", "version": "1", "kind": "task", "limits": {"memory": 0}}"#,
            r#"{"name": "a", "version": "1", "kind": "task", "limits": {"disk": "1GiB"}}"#,
        ] {
            assert!(Manifest::parse(json.as_bytes()).is_err(), "{json}");
        }
        let unknown = r#"{"name": "a", "version": "1", "kind": "task",
            "capabilities": [{"capability": "ssh.tunnel", "reason": "x"}]}"#;
        assert!(
            Manifest::parse(unknown.as_bytes())
                .expect("JSON")
                .declared()
                .is_err()
        );
    }
}
