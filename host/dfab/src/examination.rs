//! Components, looked into for bundles: what they say about themselves. It is fuzzed as it is, so it needs
//! nothing else of dfab.

use std::collections::BTreeMap;

use dfab_bundles::{Component, Refusal};
use dfab_runtime::{Grant, Manifest};

/// Looks into a component, as far as that can be done without compiling it.
///
/// # Errors
/// Where it would not be loaded, or has no manifest.
pub(crate) fn examine(bytes: &[u8]) -> Result<Component, Refusal> {
    let examined = dfab_runtime::examine(bytes)?;
    let manifest = examined.manifest.as_ref().ok_or(
        "it has no manifest (custom section `dfab:manifest`), which would say what it is called and \
         what it asks for",
    )?;
    let asks = asks(manifest)?;
    Ok(Component {
        name: manifest.name.parse()?,
        version: manifest.version.clone(),
        kind: examined.kind.to_string(),
        summary: manifest.summary.clone(),
        licence: manifest.licence.clone(),
        asks,
        limits: manifest.limits.named().collect(),
        imports: examined.imports,
        exports: examined.exports,
    })
}

/// What a manifest declares, in the words of grants, with the reasons.
fn asks(manifest: &Manifest) -> Result<BTreeMap<String, String>, Refusal> {
    let mut asks = BTreeMap::new();
    for declared in &manifest.capabilities {
        let capability = &declared.capability;
        let mut ask = |text: &str| -> Result<(), Refusal> {
            asks.insert(text.parse::<Grant>()?.to_string(), declared.reason.clone());
            Ok(())
        };
        if declared.allow.is_empty() {
            ask(capability)?;
        }
        for covered in &declared.allow {
            ask(&format!("{capability} {covered}"))?;
        }
    }
    Ok(asks)
}
