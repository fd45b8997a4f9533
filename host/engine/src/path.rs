//! Paths of the Engine API.
//!
//! A [`RequestPath`] means to the daemon what it says to the reader: nothing in it is rewritten
//! on the way (dot segments, encoded slashes), so that a check of the text is a check of the call.

use std::fmt;
use std::fmt::Write as _;

/// A path with an optional query, without a version prefix, such as `/containers/json?all=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath(String);

impl RequestPath {
    /// Takes the path when the daemon would read it just as it is written.
    ///
    /// # Errors
    /// [`PathError`] says what is wrong with it.
    pub fn new(path: &str) -> Result<Self, PathError> {
        let refuse = |reason| {
            Err(PathError {
                path: path.to_owned(),
                reason,
            })
        };
        if path.len() > LONGEST {
            return refuse("it is too long");
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("it holds a space, a control character or one that is not ASCII");
        }
        if path.contains(['#', '\\', '"', '<', '>']) {
            return refuse("it holds a character that has to be percent-encoded");
        }
        let resource = path.split('?').next().unwrap_or_default();
        let Some(segments) = resource.strip_prefix('/') else {
            return refuse("it does not start with a slash");
        };
        let lowered = resource.to_ascii_lowercase();
        if ["%2e", "%2f", "%5c", "%00"]
            .iter()
            .any(|code| lowered.contains(code))
        {
            return refuse("it holds an encoded dot, slash or backslash");
        }
        for segment in segments.split('/') {
            match segment {
                "" => return refuse("it has an empty segment"),
                "." | ".." => return refuse("it has a dot segment"),
                _ => {}
            }
        }
        let first = segments.split('/').next().unwrap_or_default();
        if let Some(digits) = first.strip_prefix('v')
            && digits.starts_with(|character: char| character.is_ascii_digit())
        {
            return refuse("it has a version prefix, which is added by dfab");
        }
        Ok(Self(path.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The path could mean something else to the daemon than it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path of the Engine API: {reason}")]
pub struct PathError {
    /// What was given.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Longer paths are refused; filters and names stay far below.
const LONGEST: usize = 16 * 1024;

/// Takes a name or id of a container, network or volume: one path segment as it is.
///
/// The Engine allows `[a-zA-Z0-9][a-zA-Z0-9_.-]*`; everything else would end up in another path.
pub(crate) fn object_name(name: &str) -> Result<&str, PathError> {
    let refuse = |reason| {
        Err(PathError {
            path: name.to_owned(),
            reason,
        })
    };
    if name.len() > 255 {
        return refuse("a name has at most 255 characters");
    }
    if !name.starts_with(|character: char| character.is_ascii_alphanumeric()) {
        return refuse("a name starts with a letter or a digit");
    }
    if !name
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-'))
    {
        return refuse("a name holds only letters, digits, `_`, `.` and `-`");
    }
    Ok(name)
}

/// Takes a name or id of an image: path segments as they are, a tag or a digest.
pub(crate) fn image_name(name: &str) -> Result<&str, PathError> {
    let refuse = |reason| {
        Err(PathError {
            path: name.to_owned(),
            reason,
        })
    };
    if name.len() > 512 {
        return refuse("a name of an image has at most 512 characters");
    }
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-' | ':' | '@')
    };
    for segment in name.split('/') {
        if !segment.starts_with(|character: char| character.is_ascii_alphanumeric())
            || !segment.chars().all(is_plain)
        {
            return refuse("it is not REPOSITORY, REPOSITORY:TAG or an id");
        }
    }
    Ok(name)
}

/// Percent-encodes a value for a query (RFC 3986, unreserved characters stay).
pub(crate) fn query_value(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass() {
        for path in [
            "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%2Fb%22%5D%7D",
            "/images/registry.example:5000/team/web:1.2/json",
            "/containers/web/pause",
            "/volumes",
            "/_ping",
        ] {
            assert_eq!(RequestPath::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn paths_that_would_be_rewritten_are_refused() {
        for path in [
            "",
            "containers/json",
            "//containers",
            "/containers/../images/json",
            "/containers/./json",
            "/containers/%2e%2E/json",
            "/containers/a%2Fb/json",
            "/containers/json#x",
            "/containers/a b",
            "/containers/json\r\nHost: other",
            "/v1.41/containers/json",
            "/containers/",
            "http://other/containers",
        ] {
            assert!(RequestPath::new(path).is_err(), "{path}");
        }
    }

    #[test]
    fn names_are_one_segment() {
        assert!(object_name("web_1.a-b").is_ok());
        for name in ["", "../x", "a/b", "a?force=1", "-a", "ä"] {
            assert!(object_name(name).is_err(), "{name}");
        }
        for name in [
            "app",
            "registry.example:5000/team/app:1.2",
            "a@sha256:00",
            "sha256:00",
        ] {
            assert!(image_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "/a",
            "a//b",
            "a/../b",
            "a?force=1",
            "a b",
            "a/%2e%2e/b",
            "-a",
        ] {
            assert!(image_name(name).is_err(), "{name}");
        }
        assert_eq!(query_value("a b/ü"), "a%20b%2F%C3%BC");
    }
}
