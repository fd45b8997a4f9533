//! What the engine refuses in a body that is otherwise well made
//! (<https://github.com/moby/moby/blob/master/runconfig/hostconfig_unix.go>).

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::ports::publications;
use super::{BodyError, Fault};

/// Refuses what the engine would refuse when the container is created.
pub(super) fn refuse(body: &Map<String, Json>, faults: &mut Vec<Fault>) {
    let host = body.get("HostConfig");
    let in_host = |field: &str| host.and_then(|host| host.get(field));
    let bindings = in_host("PortBindings");
    let host_name = body.get("Hostname");
    if let Some(name) = host_name
        .and_then(Json::as_str)
        .filter(|name| name.len() > 64)
    {
        faults.push(BodyError::HostName(name.to_owned()).into());
    }
    if let Some(host) = host {
        refuse_mounts(host, faults);
    }
    if in_host("UTSMode").is_some_and(|mode| mode == "host") && host_name.is_some_and(is_given) {
        let fault = BodyError::Conflict {
            what: "`hostname`",
            mode: "uts_mode host",
        };
        faults.push(fault.into());
    }
    let mode = match in_host("NetworkMode").and_then(Json::as_str) {
        Some(mode) if mode.starts_with("container:") => SHARED,
        Some("host") => "the network of the host",
        Some("none") => "network_mode none",
        _ => return refuse_twice(bindings, faults),
    };
    let shares = mode == SHARED;
    let networking = body.get("NetworkingConfig");
    let endpoints = networking.and_then(|config| config.get("EndpointsConfig"));
    let links = in_host("Links").filter(|_| mode != "network_mode none");
    let fields = [
        ("`links`", links),
        ("`networks`", endpoints),
        ("`exposes`", body.get("ExposedPorts").filter(|_| shares)),
        ("`port_bindings`", bindings.filter(|_| shares)),
        ("`dns`", in_host("Dns").filter(|_| shares)),
        ("`extra_hosts`", in_host("ExtraHosts").filter(|_| shares)),
        ("`hostname`", host_name.filter(|_| shares)),
        ("`mac_address`", body.get("MacAddress").filter(|_| shares)),
    ];
    let found = fields
        .into_iter()
        .filter(|(_, field)| field.is_some_and(is_given));
    faults.extend(found.map(|(what, _)| Fault::from(BodyError::Conflict { what, mode })));
    refuse_twice(bindings, faults);
}

const SHARED: &str = "the network of another container";

/// At one path one thing is mounted; volumes of the image's kind give way.
fn refuse_mounts(host: &Json, faults: &mut Vec<Fault>) {
    let items = |field: &str| {
        host.get(field)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
    };
    let binds = items("Binds").filter_map(|bind| {
        let mut parts = bind.as_str()?.split(':');
        let first = parts.next()?;
        Some(parts.next().unwrap_or(first))
    });
    let mounts = items("Mounts").filter_map(|mount| mount.get("Target")?.as_str());
    let tmpfs = host.get("Tmpfs").and_then(Json::as_object).into_iter();
    let tmpfs = tmpfs.flat_map(|paths| paths.keys().map(String::as_str));
    // The engine compares temporary file systems with binds alone, and their paths as they are written.
    let as_written: HashSet<&str> = binds.clone().collect();
    let hidden = tmpfs.filter(|path| as_written.contains(path));
    let mut paths = HashSet::new();
    for path in binds.chain(mounts).chain(hidden) {
        let path = path.trim_end_matches('/');
        let fault = Fault::from(BodyError::MountedTwice(path.to_owned()));
        if !paths.insert(path) && !faults.contains(&fault) {
            faults.push(fault);
        }
    }
}

/// One place of the host publishes one port.
fn refuse_twice(bindings: Option<&Json>, faults: &mut Vec<Fault>) {
    let mut places = HashSet::new();
    for (address, port, protocol) in bindings.map(publications).unwrap_or_default() {
        if !places.insert((address, port, protocol)) {
            let place = match address {
                "" => format!("port {port}/{protocol}"),
                address => format!("{address}:{port}/{protocol}"),
            };
            let fault = Fault::from(BodyError::PortTwice { place });
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
}

fn is_given(field: &Json) -> bool {
    match field {
        Json::Null => false,
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
        Json::String(text) => !text.is_empty(),
        Json::Bool(_) | Json::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Features, NoSettings, container_body, load_map};

    fn body(of_a: &str) -> Result<Json, String> {
        let text = format!("a: {of_a}\nb: {{}}\n");
        let map = load_map(&text, "map.yaml", "m", &NoSettings).unwrap().value;
        let client = Client::default_client();
        container_body(&map, "a", None, &client, &Features::for_api(1, 41))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_path_has_one_mount_and_host_names_are_as_long_as_the_kernel_takes() {
        for (of_a, refused) in [
            (
                "{binds: [[/x, /a]], host_config: {binds: ['/b:/x/:ro']}}",
                "two things are mounted at /x;",
            ),
            (
                "{binds: [[/x, /a]], host_config: {tmpfs: [/x]}}",
                "two things are mounted at /x;",
            ),
            (
                "{binds: [[/x, /a]], host_config: {mounts: [{type: tmpfs, target: /x}]}}",
                "two things",
            ),
            (
                "{binds: [[/x, /a]], shares: /x, host_config: {tmpfs: [/x/y]}}",
                "",
            ),
            ("{binds: [[/x, /a]], host_config: {tmpfs: [/x/]}}", ""),
            (
                "{host_config: {mounts: [{type: bind, source: /a, target: /x}], tmpfs: [/x]}}",
                "",
            ),
        ] {
            let told = body(of_a).err().unwrap_or_default();
            assert!(
                told.starts_with(refused) && told.is_empty() == refused.is_empty(),
                "{of_a}: {told}"
            );
        }
        let named = |length: usize| {
            body(&format!(
                "{{create_options: {{hostname: {}}}}}",
                "x".repeat(length)
            ))
        };
        assert!(named(64).is_ok());
        assert!(
            named(65)
                .unwrap_err()
                .contains("has more than 64 characters")
        );
    }

    #[test]
    fn a_container_with_names_of_others_has_no_host_name() {
        for shared in ["host_config: {uts_mode: host}", "network_mode: b"] {
            let own = body(&format!("{{{shared}}}")).unwrap();
            assert_eq!(own.get("Hostname"), None, "{shared}");
            let given = body(&format!("{{{shared}, create_options: {{hostname: x}}}}"));
            let refused = given.unwrap_err();
            assert!(
                refused.starts_with("`hostname` cannot go with"),
                "{shared}: {refused}"
            );
        }
        let other = body("{network_mode: none, create_options: {hostname: x}}").unwrap();
        assert_eq!(other["Hostname"], "x");
    }
}
