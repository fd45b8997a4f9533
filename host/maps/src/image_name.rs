//! Names of images, for those who give them.

use std::fmt;
use std::str::FromStr;

use crate::names::{is_image, split_tag};

/// The tag of an image that has none.
const LATEST: &str = "latest";

/// A name that an image can get: `[REGISTRY/]NAME[:TAG]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    repository: String,
    tag: String,
}

/// A text that is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// It has letters or signs that names do not have.
    #[error("{0:?} is no name of an image: it is [REGISTRY/]NAME[:TAG], the name in small letters")]
    Letters(String),
    /// It has a digest.
    #[error("{0:?} has a digest, which an image has of itself and cannot be given")]
    Digest(String),
}

impl ImageName {
    /// The same with the tag `latest`.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self {
            repository: self.repository.clone(),
            tag: LATEST.to_owned(),
        }
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('@') {
            return Err(ImageNameError::Digest(text.to_owned()));
        }
        if !is_image(text) {
            return Err(ImageNameError::Letters(text.to_owned()));
        }
        let (repository, tag) = split_tag(text);
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.unwrap_or(LATEST).to_owned(),
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_tag_always() {
        let named = |text: &str| text.parse::<ImageName>().map(|name| name.to_string());
        assert_eq!(named("app").as_deref(), Ok("app:latest"));
        let registry = "r.example.com:5000/team/app";
        assert_eq!(named(registry), Ok(format!("{registry}:latest")));
        assert_eq!(named("team/app:1.2").as_deref(), Ok("team/app:1.2"));
        let latest = |text: &str| {
            text.parse::<ImageName>()
                .map(|name| name.latest().to_string())
        };
        assert_eq!(latest("team/app:1.2").as_deref(), Ok("team/app:latest"));
        for text in ["App", "a b", "", "a:", ":1", "app@sha256:0123", "a:1:2"] {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
