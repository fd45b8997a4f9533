//! What is on an engine: its version and state, and its objects as lists.

use dfab_sdk::task::docker::Engine;
use dfab_sdk::task::{Argument, Error, Output, Table, View};
use serde_json::{Value, json};

use crate::show::{date, megabytes, port, short_id};

pub fn version(engine: &Engine) -> Result<Output, Error> {
    let data = engine.version()?;
    let rows = [
        ("Version", "Version"),
        ("API version", "ApiVersion"),
        ("Oldest API version", "MinAPIVersion"),
        ("System", "Os"),
        ("Architecture", "Arch"),
        ("Kernel", "KernelVersion"),
    ];
    properties(data, &rows)
}

pub fn info(engine: &Engine) -> Result<Output, Error> {
    let data = engine.info()?;
    let rows = [
        ("Name", "Name"),
        ("Version", "ServerVersion"),
        ("Containers", "Containers"),
        ("Running", "ContainersRunning"),
        ("Images", "Images"),
        ("Storage driver", "Driver"),
        ("System", "OperatingSystem"),
        ("CPUs", "NCPU"),
        ("Memory", "MemTotal"),
        ("Root folder", "DockerRootDir"),
    ];
    properties(data, &rows)
}

/// Some fields of the engine's answer as a text; the answer itself as data.
fn properties(data: String, rows: &[(&str, &str)]) -> Result<Output, Error> {
    let parsed: Value = serde_json::from_str(&data)
        .map_err(|error| Error::Other(format!("the engine's answer is no JSON: {error}")))?;
    let mut text = String::new();
    for (title, field) in rows {
        let value = match parsed.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::String(value)) => value.clone(),
            Some(Value::Number(bytes)) if *field == "MemTotal" => {
                megabytes(bytes.as_u64().unwrap_or_default())
            }
            Some(other) => other.to_string(),
        };
        text.push_str(&format!("{title:<20}{value}\n"));
    }
    Ok(Output {
        view: View::Text(text),
        data,
    })
}

pub fn images(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let images = engine.images(dfab_sdk::flag(arguments, "all"), &filters(arguments)?)?;
    let mut rows = Vec::new();
    for image in &images {
        let unnamed = vec!["<none>:<none>".to_owned()];
        for name in if image.tags.is_empty() {
            &unnamed
        } else {
            &image.tags
        } {
            let (repository, tag) = name.rsplit_once(':').unwrap_or((name, ""));
            rows.push(vec![
                repository.to_owned(),
                tag.to_owned(),
                short_id(&image.id),
                date(image.created),
                megabytes(image.size),
            ]);
        }
    }
    let data = images.iter().map(|image| {
        json!({
            "id": image.id, "parent_id": image.parent_id, "tags": image.tags,
            "created": image.created, "size": image.size,
        })
    });
    table(
        ["repository", "tag", "image id", "created", "size"],
        rows,
        data.collect(),
    )
}

pub fn containers(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let containers = engine.containers(dfab_sdk::flag(arguments, "all"), &filters(arguments)?)?;
    let rows = containers
        .iter()
        .map(|container| {
            let ports: Vec<_> = container.ports.iter().map(port).collect();
            vec![
                short_id(&container.id),
                container.image.clone(),
                date(container.created),
                container.status.clone(),
                ports.join(", "),
                container.names.join(", "),
            ]
        })
        .collect();
    let data = containers.iter().map(|container| {
        let ports = container.ports.iter().map(|port| {
            json!({
                "container_port": port.container_port, "protocol": port.protocol,
                "host_address": port.host_address, "host_port": port.host_port,
            })
        });
        json!({
            "id": container.id, "names": container.names, "image": container.image,
            "image_id": container.image_id, "command": container.command,
            "created": container.created, "state": container.state, "status": container.status,
            "ports": ports.collect::<Vec<_>>(),
            "labels": labels(&container.labels),
        })
    });
    table(
        [
            "container id",
            "image",
            "created",
            "status",
            "ports",
            "names",
        ],
        rows,
        data.collect(),
    )
}

pub fn networks(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let networks = engine.networks(&filters(arguments)?)?;
    let rows = networks.iter().map(|network| {
        vec![
            short_id(&network.id),
            network.name.clone(),
            network.driver.clone(),
            network.scope.clone(),
        ]
    });
    let data = networks.iter().map(|network| {
        json!({
            "id": network.id, "name": network.name, "driver": network.driver,
            "scope": network.scope, "labels": labels(&network.labels),
        })
    });
    table(
        ["network id", "name", "driver", "scope"],
        rows.collect(),
        data.collect(),
    )
}

pub fn volumes(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let volumes = engine.volumes(&filters(arguments)?)?;
    let rows = volumes
        .iter()
        .map(|volume| vec![volume.name.clone(), volume.driver.clone()]);
    let data = volumes.iter().map(|volume| {
        json!({ "name": volume.name, "driver": volume.driver, "labels": labels(&volume.labels) })
    });
    table(["name", "driver"], rows.collect(), data.collect())
}

fn labels(labels: &[(String, String)]) -> Value {
    let labels = labels.iter();
    Value::Object(
        labels
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect(),
    )
}

pub fn table<const N: usize>(
    columns: [&str; N],
    rows: Vec<Vec<String>>,
    data: Vec<Value>,
) -> Result<Output, Error> {
    let columns = columns.map(str::to_owned).to_vec();
    Ok(Output {
        view: View::Table(Table { columns, rows }),
        data: Value::Array(data).to_string(),
    })
}

fn filters(arguments: &[Argument]) -> Result<Vec<(String, String)>, Error> {
    dfab_sdk::arguments(arguments, "filter")
        .map(|filter| match filter.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(Error::Invalid(format!(
                "a filter is NAME=VALUE, not {filter}"
            ))),
        })
        .collect()
}
