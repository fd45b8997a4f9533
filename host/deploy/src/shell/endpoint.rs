//! A container's place in networks: `--network` and what belongs to it, and `docker network connect`.

use serde_json::Value;

use super::command::{Command, Form, at, entries, is_nothing, items, text};

/// `docker network connect`, from the `EndpointConfig` of `POST /networks/NAME/connect`.
pub fn network_connect(network: &str, container: &str, endpoint: &Value) -> Command {
    let mut command = Command::new(["network", "connect"]);
    for (field, value) in entries(endpoint) {
        match field.as_str() {
            "Aliases" => each_separated(&mut command, "alias", value),
            "Links" => command.field(field, "link", Form::List, value),
            "IPAMConfig" => {
                command.field(
                    "IPAMConfig.IPv4Address",
                    "ip",
                    Form::Text,
                    &value["IPv4Address"],
                );
                command.field(
                    "IPAMConfig.IPv6Address",
                    "ip6",
                    Form::Text,
                    &value["IPv6Address"],
                );
                each_separated(&mut command, "link-local-ip", &value["LinkLocalIPs"]);
                command.others_not_expressed(field, value, &ADDRESSES);
            }
            "DriverOpts" => {
                for (name, value) in entries(value) {
                    let option = format!("{name}={}", text(value).unwrap_or_default());
                    command.separated_option("driver-opt", &option);
                }
            }
            "GwPriority" => command.field(field, "gw-priority", Form::Text, value),
            _ if is_nothing(value) => {}
            _ => command.not_expressed(field, value),
        }
    }
    command.argument(network);
    command.argument(container);
    command
}

const ADDRESSES: [&str; 3] = ["IPv4Address", "IPv6Address", "LinkLocalIPs"];

fn each_separated(command: &mut Command, option: &str, value: &Value) {
    for item in items(value) {
        command.separated_option(option, &text(item).unwrap_or_default());
    }
}

/// The options of `docker create` about networks, from its body.
pub(super) fn container_options(command: &mut Command, body: &Value) {
    let mode = at(body, "/HostConfig/NetworkMode")
        .as_str()
        .filter(|mode| !mode.is_empty());
    let endpoints = at(body, "/NetworkingConfig/EndpointsConfig");
    let network = if body["NetworkDisabled"] == Value::Bool(true) {
        if let Some(mode) = mode.filter(|mode| *mode != "none") {
            command.not_expressed("HostConfig.NetworkMode", &Value::from(mode));
        }
        Some("none")
    } else {
        mode.or_else(|| entries(endpoints).next().map(|(name, _)| name.as_str()))
    };
    if let Some(network) = network {
        command.option("network", network);
    }
    let mut links = Vec::new();
    for (name, endpoint) in entries(endpoints) {
        if network == Some(name.as_str()) {
            links.extend(items(&endpoint["Links"]));
            endpoint_options(command, name, endpoint);
        } else {
            let field = format!("NetworkingConfig.EndpointsConfig.{name}");
            command.not_expressed(&field, endpoint);
        }
    }
    for link in items(at(body, "/HostConfig/Links")) {
        if links.contains(&link) {
            continue;
        }
        // There the engine takes no notice of them, and the client would make them the endpoint's.
        if network.is_some_and(is_own) {
            command.not_expressed("HostConfig.Links", link);
        } else {
            command.option("link", text(link).unwrap_or_default());
        }
    }
    let known = ["EndpointsConfig"];
    command.others_not_expressed("NetworkingConfig", &body["NetworkingConfig"], &known);
}

fn endpoint_options(command: &mut Command, network: &str, endpoint: &Value) {
    for (name, value) in entries(endpoint) {
        let field = format!("NetworkingConfig.EndpointsConfig.{network}.{name}");
        match name.as_str() {
            "Aliases" => command.field(&field, "network-alias", Form::List, value),
            "Links" => command.field(&field, "link", Form::List, value),
            "MacAddress" => command.field(&field, "mac-address", Form::Text, value),
            "IPAMConfig" => {
                command.field(&field, "ip", Form::Text, &value["IPv4Address"]);
                command.field(&field, "ip6", Form::Text, &value["IPv6Address"]);
                command.field(&field, "link-local-ip", Form::List, &value["LinkLocalIPs"]);
                command.others_not_expressed(&field, value, &ADDRESSES);
            }
            _ if is_nothing(value) => {}
            _ => command.not_expressed(&field, value),
        }
    }
}

fn is_own(network: &str) -> bool {
    !matches!(network, "bridge" | "default" | "host" | "none") && !network.starts_with("container:")
}
