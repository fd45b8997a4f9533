//! What things are called on the engine.

use crate::map::ResolvedMap;

impl ResolvedMap {
    /// A name in letters that a host name may have: every `_` and `.` becomes `-`, or whatever the map
    /// says instead, one after the other.
    pub(crate) fn host_name(&self, text: &str) -> String {
        let Some(replaced) = &self.hostname_replace else {
            return text.replace(['_', '.'], "-");
        };
        let mut name = text.to_owned();
        for (old, new) in replaced {
            name = name.replace(old, new);
        }
        name
    }
}

/// Networks that every engine has; they are never prefixed, and nothing depends on them.
pub(crate) fn is_preset_network(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none")
}

/// What [`is_engine_name`] takes, in words.
pub(crate) const NAMES: &str =
    "letters, numbers, `_`, `.` and `-`, beginning with a letter or number";

/// Whether it may be the name of a container or volume on the engine.
pub(crate) fn is_engine_name(text: &str) -> bool {
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(may)
}

/// Whether it may be an image: `[REGISTRY/]NAME[:TAG][@DIGEST]`
/// (<https://github.com/distribution/reference>).
pub(crate) fn is_image(image: &str) -> bool {
    let (name, tag) = split_tag(image);
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_component = |part: &str| {
        part.starts_with(is_word)
            && part.ends_with(is_word)
            && part
                .chars()
                .all(|c| is_word(c) || matches!(c, '.' | '_' | '-'))
    };
    let is_host = |part: &str| {
        let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        !part.is_empty() && part.chars().all(may)
    };
    let path = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            is_host(first).then_some(rest)
        }
        _ => Some(name),
    };
    // A digest stands where a tag does, with its algorithm.
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':');
    let is_tag = tag.is_none_or(|tag| {
        tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && tag.chars().all(may)
    });
    is_tag && path.is_some_and(|path| path.split('/').all(is_component))
}

/// Whether it may be `USER` or `USER:GROUP`, by name or number.
pub(crate) fn is_owner(text: &str) -> bool {
    let is_name = |part: &str| {
        let may = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | ':');
        !part.starts_with('-') && part.chars().all(may)
    };
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    is_name(user) && is_name(group)
}

/// Splits an image at its tag. A colon before a slash belongs to a registry's port (B-13), and a
/// digest stands for a tag.
pub fn split_tag(image: &str) -> (&str, Option<&str>) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, Some(digest));
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_what_is_none() {
        for image in [
            "nginx:latest",
            "a/b__c/d-e.f:1.0_x",
            "localhost/x:1",
            "[::1]:5000/x:y",
            "Registry.example.com:5000/team/app:1",
            "x@sha256:0123",
        ] {
            assert!(is_image(image), "{image}");
        }
        for image in [
            "Nginx:1", "a b:1", "a//b:1", "/a:1", "a/:1", "a:b c", "-a:1", "a-:1", ":1", "a:-b",
        ] {
            assert!(!is_image(image), "{image}");
        }
    }
}
