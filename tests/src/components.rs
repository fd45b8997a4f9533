//! Components to put into bundles: real ones, whose manifests tests write.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::folders;
pub use crate::guests::guest;
use crate::planner::component;

/// What stands before a manifest in a component: the name of its section, with its length.
const SECTION: &[u8] = b"\x0ddfab:manifest";

/// The task component of dfab itself, with its manifest changed.
///
/// # Errors
/// Where it is not built, or the new manifest is longer than the old one: the section keeps its size.
pub fn docker_with(change: impl FnOnce(&mut Value)) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(component("docker")?)?;
    let at = bytes
        .windows(SECTION.len())
        .position(|part| part == SECTION)
        .context("the component has no manifest")?
        + SECTION.len();
    let section = bytes.get_mut(at..).context("the section is empty")?;
    let mut texts = serde_json::Deserializer::from_slice(section).into_iter::<Value>();
    let mut manifest = texts.next().context("the manifest is empty")??;
    let length = texts.byte_offset();
    change(&mut manifest);
    let mut text = serde_json::to_vec(&manifest)?;
    ensure!(text.len() <= length, "the new manifest is too long");
    text.resize(length, b' ');
    section
        .get_mut(..length)
        .context("the section is too short")?
        .copy_from_slice(&text);
    Ok(bytes)
}

/// A component of `tests/guests`, as `cargo xtask bench` builds it.
///
/// # Errors
/// Where it is not built.
pub fn measured(name: &str) -> Result<Vec<u8>> {
    let folder = folders::target()?.join("guests/wasm32-wasip2/release");
    Ok(std::fs::read(folders::built(
        &folder.join(format!("{name}.wasm")),
    )?)?)
}

/// The component with so many bytes, or a few more: what is missing is in a section that means nothing,
/// and is different each time.
///
/// # Errors
/// Where OpenSSL has no random bytes.
pub fn padded(component: Vec<u8>, size: usize) -> Result<Vec<u8>> {
    let mut padding = vec![0; size.saturating_sub(component.len())];
    openssl::rand::rand_bytes(&mut padding)?;
    let name = b"\x07padding";
    let length = u32::try_from(name.len() + padding.len())?;
    // Numbers of 28 bits, seven a byte; all but the last say that more follow.
    let sevens = [0, 7, 14, 21].map(|shift| u8::try_from(length >> shift & 0x7f).unwrap_or(0));
    let [first, second, third, last] = sevens;
    let mut bytes = component;
    bytes.extend([0, first | 0x80, second | 0x80, third | 0x80, last]);
    bytes.extend(name);
    bytes.extend(padding);
    Ok(bytes)
}
