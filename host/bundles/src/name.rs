//! Names of bundles, components and files.

use std::fmt;
use std::str::FromStr;

/// What a bundle or a component is called: 1 to 64 small letters, digits and hyphens, a letter first.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Name(String);

/// A file of a bundle. There are no folders in a bundle, so that no name leads out of one.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct FileName(String);

/// Why a text is not such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Of a bundle or a component.
    #[error(
        "`{0}` is no name; a name has 1 to 64 small letters, digits and hyphens, and starts with a \
         letter"
    )]
    Name(String),
    /// Of a file.
    #[error(
        "`{0}` is no name of a file in a bundle; such a name has 1 to 100 letters, digits, dots, \
         hyphens and underscores, starts with a letter or digit, and is in no folder"
    )]
    File(String),
}

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FileName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is called like a component.
    #[must_use]
    pub fn is_component(&self) -> bool {
        self.0.ends_with(".wasm")
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.len() <= 64
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(fits)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Name(shown(text)))
        }
    }
}

impl FromStr for FileName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(fits)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::File(shown(text)))
        }
    }
}

macro_rules! text {
    ($name:ty) => {
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(Name);
text!(FileName);

/// Text from outside as a message may carry it: short, and without what could steer a terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
    if shown.len() < text.len() && text.chars().count() > 100 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "setup-debian", "x9"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "9a", "A", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_in_no_folder() {
        for good in ["bundle.json", "README.md", "a_b-c.wasm"] {
            assert!(good.parse::<FileName>().is_ok(), "{good}");
        }
        for bad in [
            "", ".", "..", "../a", "/a", "a/b", ".hidden", "-x", "a\\b", "a\0", "é",
        ] {
            assert!(bad.parse::<FileName>().is_err(), "{bad}");
        }
    }
}
