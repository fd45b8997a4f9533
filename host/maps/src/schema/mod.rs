//! JSON Schemas of map and client files, by which editors complete, explain and check them.
//!
//! They follow the reader: a file that it takes has no mistake by its schema, and keys that it
//! refuses are refused. A tag such as `!env NAME` leaves its text to editors, so text is allowed
//! wherever a number or a flag is meant.

mod option;
mod record;
#[cfg(test)]
mod tests;
mod value;

use serde_json::{Map, Value as Json, json};

use crate::options::{NETWORK, Section, VOLUME};

/// The schema of a map file.
pub fn map_schema() -> Json {
    let mut properties = sections();
    properties.extend([(
        "containers".to_owned(),
        json!({
            "description": "Container configurations by name. They may stand at the top level of \
             the file \
                            as well, unless one is called as a section is.",
            "type": ["object", "null"],
            "additionalProperties": { "$ref": "#/$defs/container" },
        }),
    )]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dfab container map",
        "description": "What runs on Docker engines: containers, and the volumes and networks \
         that they \
                        need.",
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": free() },
        "additionalProperties": { "$ref": "#/$defs/container" },
        "$defs": definitions(),
    })
}

/// The schema of a client file.
pub fn client_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dfab clients",
        "description": "The engines that maps run on, by name.",
        "type": ["object", "null"],
        "additionalProperties": { "$ref": "#/$defs/client" },
        "$defs": {
            "scalar": scalar(),
            "addresses": {
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/scalar" },
            },
            "flag": of_type(&["boolean", "string", "number", "null"]),
            "switches": {
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/flag" },
            },
            "login": {
                "description": "A login at a registry.",
                "type": "object",
                "properties": fields([
                    ("username", "The user.", reference("scalar")),
                    ("password", "The password; better as `!env NAME`.", reference("scalar")),
                    ("email", "An address, for registries that ask for one.", reference("scalar")),
                    ("registry", "The registry's address, where it is not the name of the entry.",
                     reference("scalar")),
                    ("reauth", "Of the Python client; means nothing to dfab.", json!({})),
                    ("dockercfg_path", "Of the Python client; means nothing to dfab.", json!({})),
                ]),
                "additionalProperties": false,
            },
            "client": {
                "description": "One engine. Further keys are kept for plugins.",
                "type": "object",
                "properties": client_properties(),
            },
        },
    })
}

fn sections() -> Map<String, Json> {
    fields([
        (
            "name",
            "The map's name, with which the names of its containers begin. Without it, the \
             file's name.",
            of_type(&["string", "number"]),
        ),
        (
            "repository",
            "Registry or prefix of the images whose name has no slash.",
            reference("text"),
        ),
        (
            "default_tag",
            "Tag of the images that have none; `latest` without it.",
            reference("text"),
        ),
        (
            "default_domain",
            "Domain name of the containers, unless the client has another.",
            reference("text"),
        ),
        (
            "set_hostname",
            "Whether containers get a host name made of their name. Yes, if not given.",
            reference("flag"),
        ),
        (
            "hostname_replace",
            "What stands in host names for parts of containers' names, one after the other: \
             {_: '-', .: '-'}, if not given.",
            json!({
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/scalar" },
            }),
        ),
        (
            "use_attached_parent_name",
            "Whether the names of attached volumes have their container's in them, so that several \
             may attach the same alias. No, if not given.",
            reference("flag"),
        ),
        (
            "clients",
            "The clients that the map runs on, by their names in the client file.",
            reference("texts"),
        ),
        (
            "groups",
            "Names for several containers or instances: `config` or `config.instance`.",
            json!({
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/texts" },
            }),
        ),
        (
            "volumes",
            "Where volumes are mounted in containers, by alias.",
            json!({
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/volume" },
            }),
        ),
        (
            "networks",
            "Networks that containers are connected with, by name.",
            json!({
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/network" },
            }),
        ),
        (
            "host",
            "Paths on the host, by the alias that `binds` uses; `root` is what relative paths \
             are below.",
            json!({
                "type": ["object", "null"],
                "properties": {
                    "root": {
                        "description": "The folder on the host that relative paths are below.",
                        "$ref": "#/$defs/text",
                    },
                },
                "additionalProperties": { "$ref": "#/$defs/host_path" },
            }),
        ),
        (
            "host_root",
            "The folder on the host that relative paths are below.",
            reference("text"),
        ),
    ])
}

fn definitions() -> Json {
    let mut definitions = json!({
        "scalar": scalar(),
        "text": of_type(&["string", "number", "boolean", "null"]),
        "flag": of_type(&["boolean", "string", "number", "null"]),
        "texts": {
            "anyOf": [
                of_type(&["null", "string"]),
                { "type": "array", "items": { "$ref": "#/$defs/scalar" } },
            ],
        },
        "host_path": {
            "description": "A path on the host, or one for each instance; `default` is that of a \
                            container without instances.",
            "anyOf": [
                scalar(),
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/scalar" } },
            ],
        },
        "volume": {
            "description": "Its path in containers, or more about it.",
            "anyOf": [of_type(&["null", "string"]), object(fields([
                ("default_path", "Where it is mounted.", reference("text")),
                ("driver", "The engine's driver; `local` without it.", reference("text")),
                ("driver_options", "What the driver takes.", reference("options")),
                ("create_options", "Further arguments of its creation, such as `labels`.",
                 json!({ "type": ["object", "null"], "propertyNames": option::names(&VOLUME) })),
                ("user", "Whom it belongs to; before the container's `user`.", reference("user")),
                ("permissions", "Its permissions, as chmod takes them; before the container's.",
                 reference("text")),
            ]))],
        },
        "network": {
            "description": "A network, with the engine's defaults if nothing is said of it.",
            "anyOf": [of_type(&["null"]), object(fields([
                ("driver", "The engine's driver; `bridge` without it.", reference("text")),
                ("driver_options", "What the driver takes.", reference("options")),
                ("internal", "Whether nothing outside can be reached from it.", reference("flag")),
                ("create_options", "Further arguments of its creation, such as `ipam` or `enable_ipv6`.",
                 json!({ "type": ["object", "null"], "propertyNames": option::names(&NETWORK) })),
            ]))],
        },
        "options": { "type": ["object", "null"] },
        "user": {
            "anyOf": [
                reference("text"),
                { "type": "array", "items": { "$ref": "#/$defs/scalar" }, "minItems": 2, "maxItems": 2 },
            ],
        },
        "container": {
            "description": "A container configuration. Null is one without anything.",
            "anyOf": [of_type(&["null"]), object(container_properties())],
        },
        "create_options": object_or_null(option::properties(Section::CreateOptions)),
        "host_config": object_or_null(option::properties(Section::HostConfig)),
    });
    if let Some(fields) = definitions.as_object_mut() {
        fields.extend(record::definitions());
        fields.extend(value::definitions());
    }
    definitions
}

fn container_properties() -> Map<String, Json> {
    let mut properties = fields([
        (
            "abstract",
            "Only there to be extended: no container is made of it.",
            reference("flag"),
        ),
        (
            "extends",
            "Configurations that this one takes over; what it says itself goes before.",
            reference("texts"),
        ),
        (
            "image",
            "The image; without it, the one that is called as the configuration is. A leading \
             slash \
             keeps the map's `repository` off.",
            reference("text"),
        ),
        (
            "instances",
            "Names of several containers that are made of this.",
            reference("texts"),
        ),
        (
            "clients",
            "The clients that this container runs on.",
            reference("texts"),
        ),
        (
            "shares",
            "Paths in the container whose contents others may use.",
            reference("texts"),
        ),
        (
            "binds",
            "Paths of the host in the container: two paths, or an alias of `host` and `volumes`.",
            reference("binds"),
        ),
        (
            "attaches",
            "Volumes of the container's own, which others may use.",
            reference("attaches"),
        ),
        (
            "uses",
            "Volumes that other containers attach, or all volumes of a container. Those are \
             started first.",
            reference("uses"),
        ),
        (
            "links",
            "Containers that are reached by a name, and started first.",
            reference("links"),
        ),
        (
            "exposes",
            "Ports of the container, and where the host publishes them.",
            reference("exposes"),
        ),
        (
            "user",
            "Who runs in the container, and whom its volumes belong to: USER, USER:GROUP or \
             [USER, GROUP].",
            reference("user"),
        ),
        (
            "permissions",
            "Permissions of its volumes, as chmod takes them. Put numbers in quotes.",
            reference("text"),
        ),
        (
            "stop_timeout",
            "Seconds until the engine kills it when it is to stop.",
            reference("seconds"),
        ),
        (
            "stop_signal",
            "The signal that stops it, if not SIGTERM.",
            reference("signal"),
        ),
        (
            "start_delay",
            "Seconds to wait after its start before what needs it is started.",
            reference("delay"),
        ),
        (
            "network_mode",
            "`bridge`, `host`, `none`, or a container of the map whose network it shares.",
            reference("network_mode"),
        ),
        (
            "networks",
            "Networks that it is connected with, and what it is called there.",
            reference("endpoints"),
        ),
        (
            "exec_commands",
            "Commands to run in it after its start.",
            reference("exec_commands"),
        ),
        (
            "healthcheck",
            "How the engine finds out whether it is well; NONE takes the image's check away.",
            reference("healthcheck"),
        ),
        (
            "persistent",
            "Whether it is there for its data, and need not run.",
            reference("flag"),
        ),
        (
            "create_options",
            "What else the container is created with.",
            reference("create_options"),
        ),
        (
            "host_config",
            "What else the host does for the container.",
            reference("host_config"),
        ),
    ]);
    for (old, new) in [
        ("start_options", "host_config"),
        ("network", "network_mode"),
    ] {
        let schema = json!({
            "description": format!("Called {new} now."),
            "deprecated": true,
            "$ref": format!("#/$defs/{new}"),
        });
        properties.insert(old.to_owned(), schema);
    }
    properties
}

fn client_properties() -> Map<String, Json> {
    fields([
        (
            "host",
            "The SSH destination of its host: an alias of the SSH configuration, or \
             [USER@]HOST[:PORT].",
            reference("scalar"),
        ),
        ("fabric_host", "As `host`.", reference("scalar")),
        (
            "user",
            "The user there, where the destination does not say.",
            reference("scalar"),
        ),
        ("port", "The port of the SSH server.", port()),
        (
            "base_url",
            "Where the engine is: `unix://` or `tcp://`, as seen from the host if there is one.",
            of_type(&["string", "null"]),
        ),
        (
            "version",
            "The version of the Engine API, where it is not to be negotiated. Put it in quotes.",
            of_type(&["string", "number", "null"]),
        ),
        (
            "timeout",
            "Seconds to wait for an answer of the engine.",
            seconds(),
        ),
        (
            "tls",
            "How to speak TLS with the engine: true, or a mapping with `ca_cert`, `client_cert` (the \
             files of certificate and key), `verify` and `assert_hostname`.",
            json!({}),
        ),
        (
            "tunnel_remote_port",
            "The TCP port of the engine as seen from the host, where it has no socket.",
            port(),
        ),
        (
            "tunnel_local_port",
            "The port of this machine that `dfab tunnel` has for the engine, instead of a socket.",
            port(),
        ),
        (
            "cmd_prefix",
            "What goes before a docker command on the host.",
            of_type(&["string", "null"]),
        ),
        (
            "default_bin",
            "What the docker command is called there.",
            of_type(&["string", "null"]),
        ),
        (
            "use_sudo",
            "Whether docker commands want sudo there.",
            reference("flag"),
        ),
        (
            "debug",
            "Whether docker commands are shown.",
            reference("flag"),
        ),
        (
            "socat_path",
            "What socat is called on the host: a name or a path.",
            of_type(&["string", "null"]),
        ),
        (
            "socat_quiet",
            "False shows the command lines of socat.",
            reference("flag"),
        ),
        (
            "interfaces",
            "Addresses of the host by the names that `exposes` uses.",
            reference("addresses"),
        ),
        (
            "interfaces_ipv6",
            "The same for IPv6.",
            reference("addresses"),
        ),
        (
            "domainname",
            "Domain name of the containers there.",
            of_type(&["string", "null"]),
        ),
        (
            "stop_timeout",
            "Seconds until the engine kills a container that says nothing itself; as true or \
             false, \
             whether the engine has that.",
            of_type(&["integer", "string", "boolean", "null"]),
        ),
        (
            "wait_timeout",
            "Seconds to wait for a container that ends.",
            seconds(),
        ),
        (
            "auth_configs",
            "Logins by registry.",
            json!({
                "type": ["object", "null"],
                "additionalProperties": { "$ref": "#/$defs/login" },
            }),
        ),
        (
            "features",
            "What the engine can do, where its version does not tell.",
            reference("switches"),
        ),
        (
            "constraints",
            "Which limits the engine has, where it does not tell.",
            reference("switches"),
        ),
    ])
}

/// Properties, each with what it is for and the schema of its value.
fn fields<const N: usize>(fields: [(&str, &str, Json); N]) -> Map<String, Json> {
    let field = |(name, description, schema): (&str, &str, Json)| {
        let mut described = json!({ "description": description });
        if let (Some(target), Json::Object(schema)) = (described.as_object_mut(), schema) {
            target.extend(schema);
        }
        (name.to_owned(), described)
    };
    fields.into_iter().map(field).collect()
}

/// A mapping with these keys only, and free ones.
fn object(properties: Map<String, Json>) -> Json {
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": free() },
        "additionalProperties": false,
    })
}

/// The same, or nothing.
fn object_or_null(properties: Map<String, Json>) -> Json {
    json!({
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": { "^x-": free() },
        "additionalProperties": false,
    })
}

fn port() -> Json {
    json!({
        "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 65535 },
            of_type(&["string", "null"]),
        ],
    })
}

fn seconds() -> Json {
    of_type(&["number", "string", "null"])
}

fn free() -> Json {
    json!({ "description": "Free for whatever you like, such as anchors." })
}

fn scalar() -> Json {
    of_type(&["string", "number", "boolean"])
}

fn of_type(types: &[&str]) -> Json {
    match types {
        [one] => json!({ "type": one }),
        several => json!({ "type": several }),
    }
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}
