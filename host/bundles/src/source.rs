//! Where artifacts come from: files, web servers and registries.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};

/// Where an artifact comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Source {
    /// A file, as the operator named it.
    File(PathBuf),
    /// `https://…`, or `http://` on this machine.
    Web(String),
    /// `oci://…`.
    Registry(Reference),
}

/// An artifact in a registry: `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@DIGEST`, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// With the port, if it has one.
    pub host: String,
    /// With folders.
    pub repository: String,
    /// Where it pointed to is not certain to be where it points to.
    pub tag: Option<String>,
    /// Of the manifest. Where there is one, the tag is for people only.
    pub digest: Option<Digest>,
}

/// Why a text names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Neither a tag nor a digest, or odd characters.
    #[error(
        "`{0}` names no artifact in a registry; such a name is oci://HOST/REPOSITORY:TAG or \
         oci://HOST/REPOSITORY@sha256:…"
    )]
    Reference(String),
    /// The digest.
    #[error("`{text}` names no artifact in a registry")]
    Digest {
        /// The whole.
        text: String,
        /// What is wrong.
        #[source]
        source: DigestError,
    },
    /// Without TLS, somebody in between could read and change everything.
    #[error("{0} is not encrypted; dfab downloads by https only, but from this machine itself")]
    Plain(String),
    /// A name and password in a URL end up in logs and lock files.
    #[error("an address with a password in it is not taken")]
    Password,
    /// FTP and others.
    #[error("dfab cannot download {0}; there are files, https:// and oci://")]
    Scheme(String),
    /// Nothing.
    #[error("no file or address is named")]
    Empty,
}

impl Source {
    /// Whether this is the same place, whatever is there now: the tag and the digest may differ.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Registry(one), Self::Registry(two)) => {
                one.host == two.host && one.repository == two.repository
            }
            // Files and addresses have their version in the name, in whatever way.
            (Self::File(_), Self::File(_)) => true,
            (Self::Web(one), Self::Web(two)) => authority(one) == authority(two),
            _ => false,
        }
    }
}

impl Reference {
    /// With the digest that it was found to have.
    #[must_use]
    pub fn pinned(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }
}

/// Whether nobody can be in between.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Scheme, host and port of an address.
fn authority(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..after + end).unwrap_or(url)
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text.is_empty() {
            return Err(SourceError::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let server = authority(text).get(scheme.len() + 3..).unwrap_or_default();
        if server.contains('@') {
            return Err(SourceError::Password);
        }
        match scheme {
            "oci" => rest.parse().map(Self::Registry),
            "https" => Ok(Self::Web(text.to_owned())),
            "http" if is_this_machine(server) => Ok(Self::Web(text.to_owned())),
            "http" => Err(SourceError::Plain(crate::name::shown(text))),
            _ => Err(SourceError::Scheme(crate::name::shown(text))),
        }
    }
}

impl FromStr for Reference {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let wrong = || SourceError::Reference(crate::name::shown(text));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|source| SourceError::Digest {
                    text: crate::name::shown(text),
                    source,
                })?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let is_host = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
        let is_repository = repository.len() <= 255 && repository.split('/').all(is_path_part);
        if !is_host
            || !is_repository
            || !tag.is_none_or(is_tag)
            || (tag.is_none() && digest.is_none())
        {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

fn is_path_part(part: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(letter)
        && part.ends_with(letter)
        && part.chars().all(|c| letter(c) || "._-".contains(c))
        && !part.contains("..")
}

fn is_tag(tag: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.starts_with(letter)
        && tag.chars().all(|c| letter(c) || ".-".contains(c))
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Web(url) => f.write_str(url),
            Self::Registry(reference) => write!(f, "oci://{reference}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sources_read_as_they_are_written() {
        let digest = Digest::of(b"");
        for text in [
            "dist/web.dfab.tar".to_owned(),
            "https://example.com/web.dfab.tar?download=1".to_owned(),
            "http://localhost:8080/x".to_owned(),
            "http://[::1]:8080/x".to_owned(),
            "oci://localhost:5000/web:1".to_owned(),
            "oci://registry.example.com/acme/web:1.2.0".to_owned(),
            format!("oci://registry.example.com/acme/web@{digest}"),
            format!("oci://registry.example.com/acme/web:1.2.0@{digest}"),
        ] {
            assert_eq!(text.parse::<Source>().expect(&text).to_string(), text);
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for text in [
            "",
            "oci://web:1",
            "oci://host/web",
            "oci://host/Web:1",
            "oci://host/../web:1",
            "oci://host/a//b:1",
            "oci://host/web:-1",
            "oci://host/web:1@sha256:12",
            "oci://user:secret@host/web:1",
            "https://user:secret@example.com/web",
            "http://example.com/web",
            "http://127.0.0.1.example.com/web",
            "ftp://example.com/web",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
        let told = "https://user:secret@h/"
            .parse::<Source>()
            .unwrap_err()
            .to_string();
        assert!(!told.contains("secret"), "{told}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(oci|https?)?(://)?.{0,80}") {
            if let Ok(source) = text.parse::<Source>() {
                prop_assert_eq!(source.to_string().parse::<Source>(), Ok(source));
            }
        }
    }
}
