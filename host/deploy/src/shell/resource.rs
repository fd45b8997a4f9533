//! `docker network create` and `docker volume create`.

use serde_json::Value;

use super::ShellError;
use super::command::{Command, Form, entries, is_nothing, items, text};

/// `docker network create`, from the body of `POST /networks/create`.
///
/// # Errors
/// Where the body has no name.
pub fn network_create(body: &Value) -> Result<Command, ShellError> {
    let Some(network) = body["Name"].as_str().filter(|name| !name.is_empty()) else {
        return Err(ShellError::NoName);
    };
    let mut command = Command::new(["network", "create"]);
    for (field, value) in entries(body) {
        match field.as_str() {
            // The client says so as well, as far as the engine wants to hear of it.
            "Name" | "CheckDuplicate" => {}
            "Driver" => command.field(field, "driver", Form::Text, value),
            "Options" => command.field(field, "opt", Form::Texts, value),
            "Labels" => command.field(field, "label", Form::Texts, value),
            "Internal" => command.field(field, "internal", Form::Flag, value),
            "Attachable" => command.field(field, "attachable", Form::Flag, value),
            "Ingress" => command.field(field, "ingress", Form::Flag, value),
            "ConfigOnly" => command.field(field, "config-only", Form::Flag, value),
            "EnableIPv4" => command.field(field, "ipv4", Form::Switch, value),
            "EnableIPv6" => command.field(field, "ipv6", Form::Flag, value),
            "Scope" => command.field(field, "scope", Form::Text, value),
            "ConfigFrom" if value.is_object() => {
                command.field(field, "config-from", Form::Text, &value["Network"]);
                command.others_not_expressed(field, value, &["Network"]);
            }
            "IPAM" if value.is_object() => address_management(&mut command, value),
            _ if is_nothing(value) => {}
            _ => command.not_expressed(field, value),
        }
    }
    command.argument(network);
    Ok(command)
}

/// `docker volume create`, from the body of `POST /volumes/create`.
pub fn volume_create(body: &Value) -> Command {
    let mut command = Command::new(["volume", "create"]);
    for (field, value) in entries(body) {
        match field.as_str() {
            "Name" => {}
            "Driver" => command.field(field, "driver", Form::Text, value),
            "DriverOpts" => command.field(field, "opt", Form::Texts, value),
            "Labels" => command.field(field, "label", Form::Texts, value),
            _ if is_nothing(value) => {}
            _ => command.not_expressed(field, value),
        }
    }
    if let Some(name) = body["Name"].as_str().filter(|name| !name.is_empty()) {
        command.argument(name);
    }
    command
}

fn address_management(command: &mut Command, value: &Value) {
    command.field("IPAM.Driver", "ipam-driver", Form::Text, &value["Driver"]);
    command.field("IPAM.Options", "ipam-opt", Form::Texts, &value["Options"]);
    for pool in items(&value["Config"]) {
        for (field, value) in entries(pool) {
            let option = match field.as_str() {
                "Subnet" => "subnet",
                "IPRange" => "ip-range",
                "Gateway" => "gateway",
                "AuxiliaryAddresses" => {
                    command.field("IPAM.Config", "aux-address", Form::Texts, value);
                    continue;
                }
                _ => {
                    if !is_nothing(value) {
                        command.not_expressed(&format!("IPAM.Config.{field}"), value);
                    }
                    continue;
                }
            };
            match text(value) {
                Some(address) if !address.is_empty() => command.separated_option(option, &address),
                Some(_) => {}
                None => command.not_expressed(&format!("IPAM.Config.{field}"), value),
            }
        }
    }
    command.others_not_expressed("IPAM", value, &["Driver", "Options", "Config"]);
}
