//! What things are called on the engine.

/// A name in letters that a host name may have: every `_` and `.` becomes `-`.
pub(crate) fn host_name(text: &str) -> String {
    text.replace(['_', '.'], "-")
}

/// Networks that every engine has; they are never prefixed, and nothing depends on them.
pub(crate) fn is_preset_network(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none")
}

/// Splits an image at its tag. A colon before a slash belongs to a registry's port (B-13), and a
/// digest stands for a tag.
pub(crate) fn split_tag(image: &str) -> (&str, Option<&str>) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, Some(digest));
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}
