//! What bundles have to know of a component, as dfab itself finds it out.

use std::collections::BTreeMap;

use dfab_bundles::{Component, Refusal};

/// Looks into a component.
pub(crate) fn examine(bytes: &[u8]) -> Result<Component, Refusal> {
    let examined = dfab_runtime::examine(bytes)?;
    let manifest = examined.manifest.ok_or("it has no manifest")?;
    let asks: BTreeMap<_, _> = manifest
        .capabilities
        .iter()
        .map(|declared| (declared.capability.clone(), declared.reason.clone()))
        .collect();
    Ok(Component {
        name: manifest.name.parse()?,
        version: manifest.version,
        kind: examined.kind.to_string(),
        summary: manifest.summary,
        licence: manifest.licence,
        asks,
        limits: manifest.limits.named().collect(),
        imports: examined.imports,
        exports: examined.exports,
    })
}
