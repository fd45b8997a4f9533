//! The records of a container, each of which may be written in several ways.

use serde_json::{Map, Value as Json, json};

use super::{fields, free, of_type, reference, value};

/// The definitions of all lists of records, and of what else has several forms.
pub(super) fn definitions() -> Map<String, Json> {
    let definitions = [
        ("read_only", read_only()),
        ("binds", binds()),
        ("attaches", attaches()),
        ("uses", uses()),
        ("links", links()),
        ("exposes", exposes()),
        ("endpoints", endpoints()),
        ("exec_commands", exec_commands()),
        ("command", command()),
        ("healthcheck", health_check()),
        ("network_mode", network_mode()),
    ];
    definitions
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// A list of records: nothing, one record, a mapping whose pairs are records, or a list.
fn records(pair: &Json, elements: &[Json]) -> Json {
    records_named(&of_type(&["string"]), pair, elements)
}

/// The same where only some texts may begin one.
fn records_named(name: &Json, pair: &Json, elements: &[Json]) -> Json {
    json!({
        "anyOf": [
            of_type(&["null"]),
            name,
            { "type": "object", "propertyNames": name, "additionalProperties": pair },
            { "type": "array", "items": { "anyOf": elements } },
        ],
    })
}

/// A record by position: at least the first.
fn positions(items: &[Json]) -> Json {
    json!({
        "type": "array", "prefixItems": items, "minItems": 1, "maxItems": items.len(), "items": false,
    })
}

/// A record by the names of its fields.
fn named(properties: Map<String, Json>, required: &[&str]) -> Json {
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": free() },
        "required": required,
        "additionalProperties": false,
    })
}

/// A mapping of one pair within a list, whose key is no field.
fn pair(value: &Json, names: &[&str]) -> Json {
    json!({
        "type": "object",
        "additionalProperties": value,
        "propertyNames": { "not": { "enum": names } },
        "minProperties": 1,
        "maxProperties": 1,
    })
}

fn any_of(schemas: &[Json]) -> Json {
    json!({ "anyOf": schemas })
}

fn read_only() -> Json {
    json!({
        "description": "`ro` or true for read-only, `rw` or false for not.",
        // As it was documented, and nothing.
        "anyOf": [{ "enum": ["ro", "rw", "true", ""] }, of_type(&["boolean", "number", "null"])],
    })
}

/// A flag where a path may stand as well.
fn flag() -> Json {
    json!({ "enum": ["ro", "rw", true, false, null] })
}

fn binds() -> Json {
    let host = reference("host_path");
    let with_flag = positions(&[host.clone(), reference("read_only")]);
    let value = any_of(&[flag(), host.clone(), with_flag]);
    let names = ["name", "path", "host_path", "readonly"];
    records(
        &value,
        &[
            of_type(&["string"]),
            positions(&[of_type(&["string"]), value.clone(), reference("read_only")]),
            named(
                fields([
                    (
                        "name",
                        "An alias of `host` and `volumes`.",
                        reference("scalar"),
                    ),
                    ("readonly", "Whether it is read-only.", reference("flag")),
                ]),
                &["name"],
            ),
            named(
                fields([
                    ("path", "The path in the container.", reference("scalar")),
                    ("host_path", "The path on the host.", host),
                    ("readonly", "Whether it is read-only.", reference("flag")),
                ]),
                &["path", "host_path"],
            ),
            pair(&value, &names),
        ],
    )
}

fn attaches() -> Json {
    let path = any_of(&[of_type(&["string", "null"]), json!({ "const": false })]);
    records(
        &path,
        &[
            of_type(&["string"]),
            positions(&[of_type(&["string"]), path.clone(), reference("read_only")]),
            named(
                fields([
                    ("name", "The volume's alias.", reference("scalar")),
                    (
                        "readonly",
                        "Has no effect: a volume of its own is never read-only.",
                        reference("flag"),
                    ),
                    (
                        "path",
                        "Where it is mounted, if not where `volumes` says.",
                        reference("text"),
                    ),
                ]),
                &["name"],
            ),
            pair(&path, &["name", "path", "readonly"]),
        ],
    )
}

fn uses() -> Json {
    let path = of_type(&["string"]);
    let with_flag = positions(&[path.clone(), reference("read_only")]);
    let value = any_of(&[flag(), path, with_flag]);
    records(
        &value,
        &[
            of_type(&["string"]),
            positions(&[of_type(&["string"]), value.clone(), reference("read_only")]),
            named(
                fields([
                    (
                        "name",
                        "The alias of an attached volume, or a container.",
                        reference("scalar"),
                    ),
                    (
                        "path",
                        "Where it is mounted, if not where `volumes` says.",
                        reference("text"),
                    ),
                    ("readonly", "Whether it is read-only.", reference("flag")),
                ]),
                &["name"],
            ),
            pair(&value, &["name", "path", "readonly"]),
        ],
    )
}

fn links() -> Json {
    let alias = of_type(&["string", "number", "null"]);
    records(
        &alias,
        &[
            of_type(&["string"]),
            positions(&[of_type(&["string"]), alias.clone()]),
            named(
                fields([
                    (
                        "container",
                        "`config` or `config.instance`.",
                        reference("scalar"),
                    ),
                    ("alias", "By which name it is reached.", reference("text")),
                ]),
                &["container"],
            ),
            pair(&alias, &["container", "alias"]),
        ],
    )
}

fn exposes() -> Json {
    let (port, host_port) = (reference("port"), reference("host_port"));
    let interface = of_type(&["string", "null"]);
    let published = || {
        fields([
            ("host_port", "The port of the host.", host_port.clone()),
            (
                "interface",
                "The client's interface on whose address it is published; all without it.",
                interface.clone(),
            ),
            (
                "ipv6",
                "Whether the address is that of `interfaces_ipv6`.",
                reference("flag"),
            ),
        ])
    };
    let rest = [host_port.clone(), interface.clone(), reference("flag")];
    let value = any_of(&[host_port.clone(), positions(&rest), named(published(), &[])]);
    let mut all = published();
    all.extend(fields([(
        "exposed_port",
        "The port of the container.",
        port.clone(),
    )]));
    let names = ["exposed_port", "host_port", "interface", "ipv6"];
    let port_text = value::port_text();
    let one_pair = json!({ "allOf": [pair(&value, &names), { "propertyNames": port_text }] });
    records_named(
        &port_text,
        &value,
        &[
            port.clone(),
            positions(&[port, value.clone(), interface, reference("flag")]),
            named(all, &["exposed_port"]),
            one_pair,
        ],
    )
}

fn endpoints() -> Json {
    let fields_of = || {
        fields([
            (
                "aliases",
                "What the container is called in the network.",
                reference("texts"),
            ),
            (
                "links",
                "Containers that are reached by a name there, and started first.",
                reference("links"),
            ),
            ("ipv4_address", "Its address.", reference("text")),
            ("ipv6_address", "Its IPv6 address.", reference("text")),
            (
                "link_local_ips",
                "Its link-local addresses.",
                reference("texts"),
            ),
        ])
    };
    let rest = [
        reference("texts"),
        reference("links"),
        reference("text"),
        reference("text"),
        reference("texts"),
    ];
    let by_name = named(fields_of(), &[]);
    let aliases = any_of(&[reference("texts"), by_name.clone()]);
    let mut by_position = vec![of_type(&["string"]), aliases.clone()];
    by_position.extend(rest.iter().skip(1).cloned());
    let mut all = fields_of();
    all.extend(fields([(
        "network_name",
        "The network.",
        reference("scalar"),
    )]));
    records(
        &aliases,
        &[
            of_type(&["string"]),
            positions(&by_position),
            named(all, &["network_name"]),
            // Here a list is what follows the name, by position.
            pair(
                &any_of(&[of_type(&["null", "string"]), positions(&rest), by_name]),
                &["network_name"],
            ),
        ],
    )
}

fn command() -> Json {
    json!({
        "description": "A command as a list, or as text that is split as a shell would.",
        "anyOf": [
            of_type(&["string", "null"]),
            { "type": "array", "items": { "$ref": "#/$defs/scalar" } },
        ],
    })
}

fn exec_commands() -> Json {
    // What is no text counts as none.
    let user = json!({});
    let policy = json!({ "enum": ["restart", "initial", null] });
    records(
        &user,
        &[
            of_type(&["string"]),
            positions(&[reference("command"), user.clone(), policy.clone()]),
            named(
                fields([
                    ("cmd", "The command.", reference("command")),
                    (
                        "user",
                        "Who runs it, if not the container's user.",
                        user.clone(),
                    ),
                    (
                        "policy",
                        "`restart` for every start, `initial` for the first one only.",
                        policy,
                    ),
                ]),
                &["cmd"],
            ),
        ],
    )
}

fn health_check() -> Json {
    let time = reference("time");
    let items = [
        reference("command"),
        time.clone(),
        time.clone(),
        reference("count"),
        time.clone(),
    ];
    json!({
        "anyOf": [
            of_type(&["string", "null"]),
            positions(&items),
            named(
                fields([
                    (
                        "test",
                        "The command. As text it is run by a shell; NONE takes the image's check \
                         away.",
                        reference("command"),
                    ),
                    ("interval", "Time between checks, such as `10s`.", time.clone()),
                    ("timeout", "Time that a check may take.", time.clone()),
                    (
                        "retries",
                        "How many checks must fail one after another.",
                        reference("count"),
                    ),
                    ("start_period", "Time in which failures do not count.", time),
                ]),
                &["test"],
            ),
        ],
    })
}

fn network_mode() -> Json {
    json!({
        "anyOf": [
            of_type(&["string", "null"]),
            { "const": false },
            positions(&[of_type(&["string"]), of_type(&["string", "number", "null"])]),
        ],
    })
}
