//! `create_options` and `host_config`: arguments in the words of Docker's Python SDK, in which maps
//! were always written, as fields of the Engine API.

mod form;
mod known;
mod shape;
#[cfg(test)]
mod tests;
mod value;
mod word;

use std::sync::Arc;

use serde_json::{Map, Value as Json};

pub(crate) use form::{Form, PROTOCOLS, RESTART_POLICIES};
use known::KNOWN;
pub(crate) use known::{Known, WITHOUT_EFFECT};
pub(crate) use shape::{NETWORK, Shape, VOLUME};
pub(crate) use value::{is_limit, number_ranges};
pub(crate) use word::check as check_words;
pub(crate) use word::{LAST_SIGNAL, known_words};

use crate::diagnostic::{Place, Report, nearest};
use crate::tree::{Node, Value};

/// Where options stand in a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Takes those of the host too: maps were written before the Engine API moved them.
    CreateOptions,
    HostConfig,
}

impl Section {
    /// The options that may stand there.
    pub(crate) fn options(self) -> impl Iterator<Item = &'static Known> {
        let all = self == Self::CreateOptions;
        KNOWN.iter().filter(move |known| known.is_host || all)
    }
}

/// Whether an engine may take a text as the value of an option, or as an item of its list.
pub(crate) fn is_known_value(option: &str, text: &str) -> bool {
    word::is_known(option, text) && value::is_taken(option, text)
}

/// An option that a container is given. Those that many containers inherit are there once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContainerOption(Arc<Given>);

#[derive(Debug, PartialEq)]
struct Given {
    known: &'static Known,
    written: Node,
    /// As the engine takes it; null is none.
    value: Json,
}

impl ContainerOption {
    /// Its name in maps.
    pub(crate) fn name(&self) -> &'static str {
        self.0.known.name
    }

    /// As written.
    pub(crate) fn written(&self) -> Json {
        self.0.written.json()
    }

    /// Where its value stands.
    pub(crate) fn at(&self) -> Place {
        self.0.written.at
    }

    /// Puts it into a body and its host configuration. Lists are joined to what is there and mappings
    /// filled in; a command is one whole (B-34).
    pub(crate) fn apply(&self, body: &mut Map<String, Json>, host: &mut Map<String, Json>) {
        let Given { known, value, .. } = &*self.0;
        let fields = if known.is_host { host } else { body };
        match (fields.get_mut(known.field), value) {
            (_, Json::Null) => {}
            (Some(Json::Array(there)), Json::Array(more)) if known.form != Form::Command => {
                for item in more {
                    if !there.contains(item) {
                        there.push(item.clone());
                    }
                }
            }
            (Some(Json::Object(there)), Json::Object(more)) => {
                there.extend(more.iter().map(|(name, item)| (name.clone(), item.clone())));
            }
            (_, value) => {
                fields.insert(known.field.to_owned(), value.clone());
            }
        }
    }
}

impl Known {
    /// The fields of the records that are in it, and what else may be in their place.
    pub(crate) fn shape(&self) -> Option<&'static Shape> {
        match self.form {
            Form::RestartPolicy => Some(&shape::RESTART_POLICY),
            Form::HealthCheck => Some(&shape::HEALTH_CHECK),
            Form::LogConfig => Some(&shape::LOG_CONFIG),
            Form::Devices => Some(&shape::DEVICE),
            Form::PortBindings => Some(&shape::PORT_BINDING),
            Form::Binds => Some(&shape::BIND),
            Form::Records => Some(match self.name {
                "mounts" => &shape::MOUNT,
                "ulimits" => &shape::ULIMIT,
                "device_requests" => &shape::DEVICE_REQUEST,
                "blkio_weight_device" => &shape::WEIGHT,
                _ => &shape::RATE,
            }),
            _ => None,
        }
    }

    fn check_fields(&self, node: &mut Node, report: &mut Report) {
        let Some(shape) = self.shape() else { return };
        match (self.form, &mut node.value) {
            // Names that are the map's own, with records in them.
            (Form::PortBindings | Form::Binds, Value::Map(pairs)) => {
                for (_, value) in pairs {
                    shape.check(value, self.name, report);
                }
            }
            (Form::Binds, _) => {}
            _ => shape.check(node, self.name, report),
        }
    }
}

/// Reads the options of a section.
pub(crate) fn read(section: Section, node: Node, report: &mut Report) -> Vec<ContainerOption> {
    let (at, kind) = (node.at, node.kind());
    match node.value {
        Value::Null => Vec::new(),
        Value::Map(pairs) => pairs
            .into_iter()
            .filter_map(|(key, value)| read_one(section, &key, value, report))
            .collect(),
        _ => {
            let message = format!("options are a mapping, not {kind}");
            report.error(at, message);
            Vec::new()
        }
    }
}

fn read_one(
    section: Section,
    key: &Node,
    mut node: Node,
    report: &mut Report,
) -> Option<ContainerOption> {
    let name = key.key_text();
    if name.starts_with("x-") {
        return None;
    }
    let Some(known) = section.options().find(|known| known.name == name) else {
        unknown(section, key, &name, report);
        return None;
    };
    warn_of_readings(known.form, &node, report);
    let before = report.errors();
    known.check_fields(&mut node, report);
    check_words(known.name, &node, report);
    value::check(known.name, &node, report);
    value::check_records(known.name, &node, report);
    if report.errors() > before {
        return None;
    }
    let value = if node.is_null() {
        Json::Null
    } else if let Some(value) = known.form.value_of(&node) {
        value
    } else {
        let wanted = known.form.wanted();
        let found = match node.scalar_text() {
            Some(written) => format!("{written:?}"),
            None => node.kind().replacen('a', "this", 1),
        };
        let message = format!("{name} takes {wanted}, not {found}");
        report.error(node.at, message);
        return None;
    };
    value::check_range(known.name, &node, &value, report);
    if report.errors() > before {
        return None;
    }
    Some(ContainerOption(Arc::new(Given {
        known,
        written: node,
        value,
    })))
}

/// Where an option belongs that stands among the keys of a container; none where it is no option.
pub(crate) fn place_of(name: &str) -> Option<String> {
    let usual = known::USUAL.iter().find(|(usual, _)| *usual == name);
    let name = usual.map_or(name, |(_, known)| known);
    let known = KNOWN.iter().find(|known| known.name == name)?;
    let section = if known.is_host {
        "host_config"
    } else {
        "create_options"
    };
    Some(format!("{section}.{name}"))
}

fn unknown(section: Section, key: &Node, name: &str, report: &mut Report) {
    if KNOWN.iter().any(|known| known.name == name) {
        return report.error_with_help(
            key.at,
            format!("{name} is no option of host_config"),
            "write it under create_options",
        );
    }
    if WITHOUT_EFFECT.contains(&name) {
        return report.warning(
            key.at,
            format!("{name} means nothing to the engine"),
            "leave it out",
        );
    }
    let refused = known::REFUSED.iter().find(|(refused, _)| *refused == name);
    if let Some((_, help)) = refused {
        return report.error_with_help(
            key.at,
            format!("{name} cannot be given as an option"),
            *help,
        );
    }
    let message = format!("{name} is no option of the engine");
    let usual = known::USUAL.iter().find(|(usual, _)| *usual == name);
    if let Some((_, known)) = usual {
        return report.error_with_help(key.at, message, format!("did you mean {known}?"));
    }
    match nearest(name, section.options().map(|known| known.name)) {
        Some(near) => report.error_with_help(key.at, message, format!("did you mean {near}?")),
        None => report.error_with_help(
            key.at,
            message,
            "`dfab map schema` has all of them; options are called as in Docker's Python SDK",
        ),
    }
}

/// Options are passed on as YAML 1.1 reads them; that is told where something else may be meant.
fn warn_of_readings(form: Form, node: &Node, report: &mut Report) {
    match &node.value {
        Value::List(items) => {
            for item in items {
                warn_of_readings(form, item, report);
            }
        }
        Value::Map(pairs) => {
            for (_, value) in pairs {
                match form {
                    Form::Assignments => warn_of_variable(value, report),
                    _ => warn_of_readings(form, value, report),
                }
            }
        }
        Value::Bool(_) if !form.takes_words() => {}
        _ => {
            if let Some(reading) = node.other_reading() {
                let written = node.scalar_text().unwrap_or_default();
                report.warning(
                    node.at,
                    format!("{written} without quotes is {reading} in YAML 1.1"),
                    format!("write \"{written}\" if that is meant, else {reading}"),
                );
            }
        }
    }
}

/// Tells what a variable becomes, where that is not what is written.
fn warn_of_variable(node: &Node, report: &mut Report) {
    let (Some(written), Some(given)) = (node.scalar_text(), form::python_text(&node.json())) else {
        return;
    };
    if written == given {
        return;
    }
    let (message, help) = match &node.value {
        Value::Bool(_) => (
            format!("{written} without quotes becomes {given} in a variable, as with Docker-Map"),
            format!("quote it to choose: \"{written}\" or \"{given}\""),
        ),
        _ => (
            format!("{written} without quotes is {given} in YAML 1.1"),
            format!("write \"{written}\" if that is meant, else {given}"),
        ),
    };
    report.warning(node.at, message, help);
}
