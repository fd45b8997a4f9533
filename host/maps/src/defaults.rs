//! What maps have that say nothing else.

use crate::diagnostic::{Invalid, Loaded, Reading, Report};
use crate::map::ResolvedMap;
use crate::tree::{self, Node, Settings, Value};

/// Sections of a map that several maps can share.
const SHARED: [&str; 11] = [
    "repository",
    "default_tag",
    "default_domain",
    "set_hostname",
    "hostname_replace",
    "use_attached_parent_name",
    "clients",
    "volumes",
    "networks",
    "host",
    "host_root",
];

/// Sections that maps have unless they say otherwise. What a map says goes before: key by key, and
/// within `volumes`, `networks` and `host` entry by entry.
#[derive(Debug, Clone)]
pub struct MapDefaults(ResolvedMap);

impl Default for MapDefaults {
    fn default() -> Self {
        Self(ResolvedMap::empty())
    }
}

impl MapDefaults {
    /// Reads them from a file that looks like a map.
    ///
    /// # Errors
    /// All mistakes of the file. A name, groups and containers are a map's own.
    pub fn load(text: &str, file: &str, settings: &dyn Settings) -> Result<Loaded<Self>, Invalid> {
        Self::read(text, file, settings).checked()
    }

    /// Reads as much of them as can be, with all that is wrong.
    pub fn read(text: &str, file: &str, settings: &dyn Settings) -> Reading<Self> {
        let mut report = Report::new(file);
        let mut map = ResolvedMap::empty();
        if let Some(root) = tree::read(text, settings, &mut report) {
            let (at, kind) = (root.at, root.kind());
            match root.value {
                Value::Map(pairs) => map.read_shared(pairs, &mut report),
                Value::Null => {}
                _ => {
                    report.error(at, format!("map defaults are a mapping, not {kind}"));
                }
            }
        }
        report.reading(Some(Self(map)))
    }

    /// Reads a map, which has from these what it does not say.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub fn load_map(
        &self,
        text: &str,
        file: &str,
        fallback_name: &str,
        settings: &dyn Settings,
    ) -> Result<Loaded<ResolvedMap>, Invalid> {
        self.read_map(text, file, fallback_name, settings).checked()
    }

    /// Reads as much of a map as can be, with all that is wrong: for [`crate::examine_map`], which
    /// finds what else there is.
    pub fn read_map(
        &self,
        text: &str,
        file: &str,
        fallback_name: &str,
        settings: &dyn Settings,
    ) -> Reading<ResolvedMap> {
        let mut base = self.0.clone();
        fallback_name.clone_into(&mut base.name);
        ResolvedMap::load(base, text, file, settings)
    }
}

impl ResolvedMap {
    fn read_shared(&mut self, pairs: Vec<(Node, Node)>, report: &mut Report) {
        let (shared, others): (Vec<_>, Vec<_>) = pairs
            .into_iter()
            .partition(|(key, _)| SHARED.contains(&&*key.key_text()));
        self.read(shared, report);
        for (key, _) in others {
            let name = key.key_text();
            if !name.starts_with("x-") {
                report.unknown(key.at, "key of map defaults", &name, &SHARED);
            }
        }
    }
}
