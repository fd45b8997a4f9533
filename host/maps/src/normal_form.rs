//! Maps and their parts as JSON: every record as a mapping with the names of its fields, in the
//! order of the documentation, without what is not given. Reading it as a map gives the same again.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use crate::config::{ContainerConfig, NetworkMode};
use crate::diagnostic::{Invalid, Loaded, Report};
use crate::map::{Item, ResolvedMap};
use crate::options::ContainerOption;
use crate::record::Record;
use crate::resource::{NetworkConfig, VolumeConfig};
use crate::tree::Settings;

/// A map as it is written, in its normal form: nothing is extended, and references may lead nowhere.
///
/// # Errors
/// All mistakes of the file.
pub fn document_json(
    text: &str,
    file: &str,
    settings: &dyn Settings,
) -> Result<Loaded<Json>, Invalid> {
    let mut report = Report::new(file);
    let map = ResolvedMap::empty().document(text, settings, &mut report);
    report.finish(map.map_or(Json::Null, |map| map.json()))
}

impl ResolvedMap {
    /// The map in its normal form.
    pub fn json(&self) -> Json {
        let mut fields = Fields::default();
        let name = Some(&self.name).filter(|name| !name.is_empty());
        fields.put("name", json!(name));
        fields.put("repository", json!(self.repository));
        fields.put("default_tag", json!(self.default_tag));
        fields.put("default_domain", json!(self.default_domain));
        fields.put("set_hostname", flag(self.set_hostname, true));
        fields.put("hostname_replace", json!(self.hostname_replace));
        let parent_name = flag(self.use_attached_parent_name, false);
        fields.put("use_attached_parent_name", parent_name);
        fields.put("clients", json!(self.clients));
        fields.put("groups", json!(self.groups));
        fields.put("containers", all(&self.containers, ContainerConfig::json));
        fields.put("volumes", all(&self.volumes, VolumeConfig::json));
        fields.put("networks", all(&self.networks, NetworkConfig::json));
        fields.put("host", all(&self.host, |path| path.json()));
        fields.put("host_root", json!(self.host_root));
        Json::Object(fields.0)
    }

    /// An item's configuration in its normal form.
    pub fn config_json(&self, item: &Item) -> Json {
        let found = match item {
            Item::Container { config, .. } => {
                return self
                    .containers
                    .get(config)
                    .map_or(Json::Null, ContainerConfig::json);
            }
            Item::Volume { alias, .. } => self.volumes.get(alias).map(VolumeConfig::json),
            Item::Network { name } => self.networks.get(name).map(NetworkConfig::json),
            Item::Image { .. } => None,
        };
        found.unwrap_or_else(|| json!({}))
    }
}

impl ContainerConfig {
    /// The configuration in its normal form.
    pub(crate) fn json(&self) -> Json {
        let mut fields = Fields::default();
        fields.put("abstract", flag(self.is_abstract, false));
        let extends: Vec<_> = self.extends.iter().map(|(name, _)| name).collect();
        fields.put("extends", json!(extends));
        fields.put_given("image", self.image.as_ref());
        fields.put("instances", json!(self.instances));
        fields.put("clients", json!(self.clients));
        fields.put("shares", json!(self.shares));
        fields.put("binds", records(&self.binds));
        fields.put("attaches", records(&self.attaches));
        fields.put("uses", records(&self.uses));
        fields.put("links", records(&self.links));
        fields.put("exposes", records(&self.exposes));
        fields.put_given("user", self.user.as_ref());
        fields.put_given("permissions", self.permissions.as_ref());
        fields.put_given("stop_timeout", self.stop_timeout.as_ref());
        fields.put_given("stop_signal", self.stop_signal.as_ref());
        let delay = self
            .start_delay
            .map(|delay| delay.map(|delay| delay.as_secs_f64()));
        fields.put_given("start_delay", delay.as_ref());
        let mode = match &self.network_mode {
            Some((NetworkMode::Plain(mode), _)) => json!(mode),
            Some((NetworkMode::Container { config, instance }, _)) => json!([config, instance]),
            None => Json::Null,
        };
        fields.put("network_mode", mode);
        fields.put("networks", records(&self.networks));
        fields.put("exec_commands", records(&self.exec_commands));
        let check = self.healthcheck.as_ref().map(|check| check.json());
        fields.put("healthcheck", json!(check));
        fields.put("persistent", json!(self.persistent));
        fields.put("create_options", options(&self.create_options));
        fields.put("host_config", options(&self.host_config));
        Json::Object(fields.0)
    }
}

impl VolumeConfig {
    fn json(&self) -> Json {
        let mut fields = Fields::default();
        fields.put("default_path", json!(self.default_path));
        fields.put("driver", json!(self.driver));
        fields.put("driver_options", json!(self.driver_options));
        fields.put("create_options", json!(self.create_options));
        fields.put("user", json!(self.user));
        fields.put("permissions", json!(self.permissions));
        Json::Object(fields.0)
    }
}

impl NetworkConfig {
    fn json(&self) -> Json {
        let mut fields = Fields::default();
        fields.put("driver", json!(self.driver));
        fields.put("driver_options", json!(self.driver_options));
        fields.put("internal", flag(self.internal, false));
        fields.put("create_options", json!(self.create_options));
        Json::Object(fields.0)
    }
}

/// Fields in the order in which they are put there.
#[derive(Default)]
struct Fields(Map<String, Json>);

impl Fields {
    /// A field, unless there is nothing in it.
    fn put(&mut self, name: &str, value: Json) {
        let empty = match &value {
            Json::Null => true,
            Json::Array(items) => items.is_empty(),
            Json::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// A field that may be given as null, which is another thing than not given.
    fn put_given<T: serde::Serialize>(&mut self, name: &str, value: Option<&Option<T>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), json!(value));
        }
    }
}

fn flag(value: bool, default: bool) -> Json {
    if value == default {
        Json::Null
    } else {
        json!(value)
    }
}

fn all<T>(section: &IndexMap<String, T>, form: impl Fn(&T) -> Json) -> Json {
    section
        .iter()
        .map(|(name, value)| (name.clone(), form(value)))
        .collect()
}

fn records<R: Record>(records: &[R]) -> Json {
    records.iter().map(Record::json).collect()
}

fn options(options: &[ContainerOption]) -> Json {
    options
        .iter()
        .map(|option| (option.name().to_owned(), option.written()))
        .collect()
}
