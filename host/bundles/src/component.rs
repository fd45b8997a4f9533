//! What a component says about itself, as far as bundles have to know it. Who reads that out of the
//! component is the caller's affair: this crate knows nothing of WebAssembly.

use std::collections::BTreeMap;

use crate::name::Name;

/// What a component says about itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// How it is called on the command line.
    pub name: Name,
    /// In any form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// `task`, `policy` or `recipe`.
    pub kind: String,
    /// One line for the operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// An SPDX expression.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub licence: String,
    /// What it asks to be allowed, with the reason for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asks: BTreeMap<String, String>,
    /// The limits that it sets itself, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
    /// The interfaces that it imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<String>,
}

/// Looks into the bytes of a component without running it, and refuses what dfab would not load.
pub trait Examine {
    /// What the component says about itself.
    ///
    /// # Errors
    /// Where it is no component, or one that its kind or its manifest do not allow.
    fn examine(&self, bytes: &[u8]) -> Result<Component, Refusal>;
}

/// Why a component is refused, in the words of who looked into it.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

impl<F> Examine for F
where
    F: Fn(&[u8]) -> Result<Component, Refusal>,
{
    fn examine(&self, bytes: &[u8]) -> Result<Component, Refusal> {
        self(bytes)
    }
}
