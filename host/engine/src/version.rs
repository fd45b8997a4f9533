//! Versions of the Engine API, and the choice of the one to speak.
//!
//! The version chosen lies inside the daemon's range and inside ours.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A version of the Engine API, such as 1.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl ApiVersion {
    /// The oldest version that this crate speaks (Docker 1.12).
    pub const OLDEST: Self = Self {
        major: 1,
        minor: 24,
    };
    /// The newest version that this crate speaks (Docker 28).
    pub const NEWEST: Self = Self {
        major: 1,
        minor: 51,
    };
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || VersionError::Unreadable {
            text: text.to_owned(),
        };
        let (major, minor) = text.split_once('.').ok_or_else(unreadable)?;
        Ok(Self {
            major: major.parse().map_err(|_| unreadable())?,
            minor: minor.parse().map_err(|_| unreadable())?,
        })
    }
}

/// Why no version of the Engine API can be agreed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The answer to `GET /version` is not that of a Docker Engine.
    #[error("the answer to GET /version is not a Docker Engine's: {reason}")]
    NotAnEngine {
        /// What the JSON reader said.
        reason: String,
    },
    /// A version that is not two numbers.
    #[error("`{text}` is not an Engine API version such as 1.41")]
    Unreadable {
        /// What was given.
        text: String,
    },
    /// The daemon's newest version is older than our oldest.
    #[error(
        "the Docker Engine is too old: it speaks API {newest} at most, and dfab needs {} or newer; \
         update Docker on the host",
        ApiVersion::OLDEST
    )]
    EngineTooOld {
        /// The daemon's newest version.
        newest: ApiVersion,
    },
    /// The daemon's oldest version is newer than our newest.
    #[error(
        "the Docker Engine is too new: it speaks API {oldest} or newer, and this dfab speaks {} at \
         most; update dfab",
        ApiVersion::NEWEST
    )]
    EngineTooNew {
        /// The daemon's oldest version.
        oldest: ApiVersion,
    },
}

#[derive(Deserialize)]
struct Offered {
    #[serde(rename = "ApiVersion")]
    newest: String,
    /// Engines before API 1.25 do not say; they speak nothing newer than what they name.
    #[serde(rename = "MinAPIVersion")]
    oldest: Option<String>,
}

/// Chooses the newest version that the daemon and this crate both speak, from the answer to
/// `GET /version`; or of those the one that is nearest to a wish.
pub(crate) fn negotiate(
    answer: &[u8],
    wish: Option<ApiVersion>,
) -> Result<ApiVersion, VersionError> {
    let offered: Offered =
        serde_json::from_slice(answer).map_err(|error| VersionError::NotAnEngine {
            reason: error.to_string(),
        })?;
    let newest: ApiVersion = offered.newest.parse()?;
    let oldest = match offered.oldest.as_deref() {
        None | Some("") => ApiVersion::OLDEST.min(newest),
        Some(text) => text.parse()?,
    };
    if newest < ApiVersion::OLDEST {
        return Err(VersionError::EngineTooOld { newest });
    }
    if oldest > ApiVersion::NEWEST {
        return Err(VersionError::EngineTooNew { oldest });
    }
    let (oldest, newest) = (
        oldest.max(ApiVersion::OLDEST),
        newest.min(ApiVersion::NEWEST),
    );
    let Some(wish) = wish else {
        return Ok(newest);
    };
    let chosen = wish.clamp(oldest, newest);
    if chosen != wish {
        tracing::warn!(
            "API {wish} is asked for, and {oldest} to {newest} can be spoken here: it is {chosen}"
        );
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(newest: &str, oldest: &str) -> Result<String, VersionError> {
        let answer = format!(r#"{{"ApiVersion":"{newest}","MinAPIVersion":"{oldest}"}}"#);
        negotiate(answer.as_bytes(), None).map(|version| version.to_string())
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(offered("1.41", "1.12").as_deref(), Ok("1.41"));
        assert_eq!(offered("1.53", "1.44").as_deref(), Ok("1.51"));
        assert_eq!(offered("1.24", "").as_deref(), Ok("1.24"));
        assert_eq!(
            negotiate(br#"{"ApiVersion":"1.24"}"#, None),
            Ok(ApiVersion {
                major: 1,
                minor: 24
            })
        );
    }

    #[test]
    fn a_wish_is_kept_as_far_as_both_sides_speak_it() {
        let answer = br#"{"ApiVersion":"1.47","MinAPIVersion":"1.30"}"#;
        let chosen = |wish: &str| negotiate(answer, wish.parse().ok()).unwrap().to_string();
        assert_eq!(chosen("1.40"), "1.40");
        assert_eq!(chosen("1.15"), "1.30");
        assert_eq!(chosen("1.99"), "1.47");
    }

    #[test]
    fn ranges_that_do_not_meet_are_refused_with_the_side_to_update() {
        let old = offered("1.23", "1.12").unwrap_err();
        assert!(
            old.to_string().ends_with("update Docker on the host"),
            "{old}"
        );
        let new = offered("1.60", "1.52").unwrap_err();
        assert!(new.to_string().ends_with("update dfab"), "{new}");
    }

    #[test]
    fn other_servers_are_recognised() {
        assert!(matches!(
            negotiate(b"<html>", None),
            Err(VersionError::NotAnEngine { .. })
        ));
        assert!(matches!(
            offered("one", ""),
            Err(VersionError::Unreadable { .. })
        ));
    }
}
