//! The canonical form of everything but records: order of keys, and simple values.

use super::records::{Kind, arrange_records};
use super::source::{Content, Entry, Source};
use crate::config::KEYS;
use crate::map::SECTIONS;
use crate::scalar::plain_scalar;
use crate::tree::Value;

/// Whether keys are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Canonical,
    AsWritten,
}

/// Brings a map into its canonical form.
pub(super) fn arrange(root: &mut Source, order: Order) {
    root.in_lines = true;
    let Content::Map(entries) = &mut root.content else {
        return;
    };
    for entry in entries.iter_mut() {
        arrange_section(entry, order);
    }
    sort(entries, order, |name| {
        let place = SECTIONS.iter().position(|section| *section == name);
        match place {
            // Those that other parts refer to.
            None if is_free(name) => 0,
            Some(place) => place + 1,
            None => SECTIONS.len() + 1,
        }
    });
}

fn is_free(name: &str) -> bool {
    name == "<<" || name.starts_with("x-")
}

/// Puts entries in order; `x-` keys and those of the same place stay in the order of the document.
fn sort(entries: &mut [Entry], order: Order, place: impl Fn(&str) -> usize) {
    if order == Order::Canonical {
        entries.sort_by_key(|entry| place(entry.name()));
    }
}

fn arrange_section(entry: &mut Entry, order: Order) {
    let name = entry.name().to_owned();
    match name.as_str() {
        free if is_free(free) => {}
        "name" | "repository" | "default_tag" | "default_domain" | "host_root" => {
            arrange_text(&mut entry.value);
        }
        "set_hostname" | "use_attached_parent_name" => arrange_flag(&mut entry.value),
        "clients" => arrange_names(entry),
        "groups" => each(entry, arrange_names),
        "containers" => each(entry, |entry| arrange_container(entry, order)),
        "volumes" => each(entry, |entry| {
            arrange_volume(entry, order);
        }),
        "networks" => each(entry, |entry| arrange_network(&mut entry.value, order)),
        "host" | "hostname_replace" => each(entry, |entry| arrange_text(&mut entry.value)),
        _ => arrange_container(entry, order),
    }
}

/// The entries of a section, which has a line for each.
fn each(section: &mut Entry, arrange: impl Fn(&mut Entry)) {
    if let Content::Map(entries) = &mut section.value.content {
        section.value.in_lines = true;
        for entry in entries.iter_mut().filter(|entry| entry.name() != "<<") {
            entry.key.iter_mut().for_each(arrange_text);
            arrange(entry);
        }
    }
}

fn arrange_container(container: &mut Entry, order: Order) {
    container.key.iter_mut().for_each(arrange_text);
    let value = &mut container.value;
    value.in_lines = true;
    let Content::Map(entries) = &mut value.content else {
        return;
    };
    for (old, new) in [
        ("network", "network_mode"),
        ("start_options", "host_config"),
    ] {
        if !entries.iter().any(|entry| entry.name() == new)
            && let Some(key) = entries
                .iter_mut()
                .find(|entry| entry.name() == old)
                .and_then(|entry| entry.key.as_mut())
            && !key.is_opaque()
        {
            key.content = Source::plain(new).content;
        }
    }
    for entry in entries.iter_mut() {
        arrange_key(entry);
    }
    sort(entries, order, |name| match name {
        "<<" => 0,
        name => KEYS
            .iter()
            .position(|key| *key == name)
            .map_or(KEYS.len() + 1, |place| place + 1),
    });
}

fn arrange_key(entry: &mut Entry) {
    let name = entry.name().to_owned();
    match name.as_str() {
        "abstract" | "persistent" => arrange_flag(&mut entry.value),
        "extends" | "instances" | "clients" | "shares" => arrange_names(entry),
        "image" | "permissions" | "stop_signal" => arrange_text(&mut entry.value),
        "binds" => arrange_records(entry, Kind::Bind),
        "attaches" => arrange_records(entry, Kind::Attach),
        "uses" => arrange_records(entry, Kind::Use),
        "links" => arrange_records(entry, Kind::Link),
        "exposes" => arrange_records(entry, Kind::Port),
        "networks" => arrange_records(entry, Kind::Endpoint),
        "exec_commands" => arrange_records(entry, Kind::Command),
        "user" => arrange_user(entry),
        "stop_timeout" | "start_delay" => arrange_number(&mut entry.value),
        "network_mode" => arrange_network_mode(entry),
        "healthcheck" => arrange_health_check(entry),
        "create_options" | "host_config" | "start_options" => entry.value.in_lines = true,
        _ => {}
    }
}

fn arrange_volume(entry: &mut Entry, order: Order) {
    arrange_fields(
        &mut entry.value,
        &[
            "default_path",
            "driver",
            "driver_options",
            "create_options",
            "user",
            "permissions",
        ],
        order,
    );
    if entry.value.is_opaque() {
        return;
    }
    if let Content::Map(fields) = &entry.value.content
        && let [field] = fields.as_slice()
        && field.name() == "default_path"
        && field.value.tag.is_none()
        && matches!(&field.value.content, Content::Scalar { .. })
        && !is_null(&field.value)
    {
        let path = field.value.clone();
        entry.leading.extend(entry.value.take_comments());
        entry.value = path;
    }
    arrange_text(&mut entry.value);
}

fn arrange_network(value: &mut Source, order: Order) {
    arrange_fields(
        value,
        &["driver", "driver_options", "internal", "create_options"],
        order,
    );
}

fn arrange_fields(value: &mut Source, names: &[&str], order: Order) {
    if let Content::Map(fields) = &mut value.content {
        for field in fields.iter_mut() {
            match field.name() {
                "internal" => arrange_flag(&mut field.value),
                "user" => arrange_user(field),
                "default_path" | "driver" | "permissions" => arrange_text(&mut field.value),
                _ => {}
            }
        }
        sort(fields, order, |name| match name {
            "<<" => 0,
            name => names
                .iter()
                .position(|known| *known == name)
                .map_or(names.len() + 1, |place| place + 1),
        });
    }
}

/// A text that is written without quotes and read as something else gets quotes.
pub(super) fn arrange_text(value: &mut Source) {
    if value.tag.is_some() {
        return;
    }
    if let Content::Scalar { text, plain } = &mut value.content
        && *plain
    {
        let reading = match plain_scalar(text) {
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            _ => return,
        };
        *plain = text.eq_ignore_ascii_case(&reading);
    }
}

/// A number needs no quotes.
fn arrange_number(value: &mut Source) {
    if value.tag.is_none()
        && let Content::Scalar { text, plain } = &mut value.content
        && matches!(plain_scalar(text), Value::Number(number) if number.to_string() == *text)
    {
        *plain = true;
    }
}

/// By the truth that flags are read by.
fn arrange_flag(value: &mut Source) {
    if let Some(truth) = truth(value) {
        value.content = Source::plain(if truth { "true" } else { "false" }).content;
    }
}

/// The truth of a scalar that is known.
pub(super) fn truth(value: &Source) -> Option<bool> {
    let Content::Scalar { text, plain } = &value.content else {
        return None;
    };
    if value.is_opaque() {
        return None;
    }
    Some(match plain_scalar(text) {
        _ if !plain => !text.is_empty(),
        Value::Null => false,
        Value::Bool(truth) => truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => !text.is_empty(),
    })
}

/// Whether it is a null that is known.
pub(super) fn is_null(value: &Source) -> bool {
    matches!(&value.content, Content::Scalar { text, plain: true } if plain_scalar(text) == Value::Null)
        && !value.is_opaque()
}

/// A list of names, of which a single one needs no brackets.
pub(super) fn arrange_names(entry: &mut Entry) {
    if is_null(&entry.value) {
        entry.value = Source::list(Vec::new());
    }
    let is_opaque = entry.value.is_opaque();
    let Content::List(items) = &mut entry.value.content else {
        arrange_text(&mut entry.value);
        return;
    };
    for item in items.iter_mut() {
        arrange_text(&mut item.value);
    }
    if let [item] = items.as_slice()
        && item.value.tag.is_none()
        && is_text(&item.value)
        && entry.value.closing.is_empty()
        && !is_opaque
    {
        let name = item.value.clone();
        entry.leading.extend(entry.value.take_comments());
        entry.value = name;
    }
}

/// A scalar that is a text and is not empty.
pub(super) fn is_text(value: &Source) -> bool {
    match &value.content {
        Content::Scalar { text, plain } => {
            !text.is_empty() && (!plain || matches!(plain_scalar(text), Value::Text(_)))
        }
        _ => false,
    }
}

/// `[user, group]` is `user:group`.
fn arrange_user(entry: &mut Entry) {
    if let Content::List(items) = &entry.value.content
        && !entry.value.is_opaque()
    {
        let names: Vec<_> = items.iter().filter_map(|item| item.value.text()).collect();
        if names.len() == items.len() && matches!(names.len(), 1 | 2) {
            let user = names.join(":");
            entry.leading.extend(entry.value.take_comments());
            entry.value = Source::quoted(&user);
        }
    }
    arrange_text(&mut entry.value);
}

fn arrange_network_mode(entry: &mut Entry) {
    let value = &entry.value;
    if value.is_opaque() {
        return;
    }
    let mode = match &value.content {
        Content::List(items) => {
            let parts: Vec<_> = items.iter().map(|item| &item.value).collect();
            match parts.as_slice() {
                [config, instance] if is_text(config) && is_text(instance) => {
                    match (config.text(), instance.text()) {
                        (Some(config), Some(instance)) if !config.contains(['.', '/', ':']) => {
                            format!("{config}.{instance}")
                        }
                        _ => return,
                    }
                }
                _ => return,
            }
        }
        Content::Scalar { text, plain } => match text.as_str() {
            _ if is_null(value) || (*plain && truth(value) == Some(false)) => "none".to_owned(),
            "" | "disabled" => "none".to_owned(),
            mode => match mode.strip_prefix('/') {
                Some(name) => format!("container:{name}"),
                None => return,
            },
        },
        _ => return,
    };
    entry.leading.extend(entry.value.take_comments());
    entry.value = Source::quoted(&mode);
}

/// Fields by name; a test alone as it is.
fn arrange_health_check(entry: &mut Entry) {
    const FIELDS: [&str; 5] = ["test", "interval", "timeout", "retries", "start_period"];
    if entry.value.is_opaque() {
        return;
    }
    if let Content::List(items) = &mut entry.value.content
        && items.len() <= FIELDS.len()
        && !items.is_empty()
    {
        let named = FIELDS.iter().zip(std::mem::take(items));
        let pairs = named.map(|(name, item)| Entry {
            key: Some(Source::plain(name)),
            ..item
        });
        entry.value.content = Content::Map(pairs.collect());
    }
    let Content::Map(fields) = &mut entry.value.content else {
        return;
    };
    fields.retain(|field| field.name() == "test" || !is_null(&field.value) || field.has_comments());
    fields.sort_by_key(|field| FIELDS.iter().position(|name| *name == field.name()));
    if let [field] = fields.as_slice()
        && field.name() == "test"
        && field.value.tag.is_none()
        && matches!(field.value.content, Content::Scalar { .. })
    {
        let test = field.value.clone();
        entry.leading.extend(entry.value.take_comments());
        entry.value = test;
    }
}
