//! `limits` in dfab.yaml: what components may use.

use std::collections::BTreeMap;

use dfab_runtime::{Count, LimitRules, LimitSettings, Size, Span};
use serde::Deserialize;

/// The most that every plugin gets, and what single ones get.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsEntry {
    cpu: Option<Span>,
    wall: Option<Span>,
    memory: Option<Size>,
    output: Option<Size>,
    copied: Option<Size>,
    handles: Option<Count>,
    /// By the names of plugins.
    plugins: BTreeMap<String, LimitSettings>,
}

impl LimitsEntry {
    /// As the runtime takes them.
    pub(crate) fn rules(&self) -> LimitRules {
        LimitRules {
            general: LimitSettings {
                cpu: self.cpu,
                wall: self.wall,
                memory: self.memory,
                output: self.output,
                copied: self.copied,
                handles: self.handles,
            },
            plugins: self.plugins.clone(),
        }
    }
}
