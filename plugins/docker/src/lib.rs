//! Tasks that look at a Docker Engine.

mod show;

use dfab_sdk::task::docker::{self, Engine};
use dfab_sdk::task::{
    Argument, Error, Output, Parameter, Table, Task, TaskInfo, ValueKind, View, flag, parameter,
};
use serde_json::{Value, json};

use crate::show::{date, megabytes, port, short_id};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_task!(Docker);

struct Docker;

impl Task for Docker {
    fn list_tasks() -> Vec<TaskInfo> {
        let list = |all: &str| {
            vec![
                flag("all", all),
                Parameter {
                    many: true,
                    ..parameter(
                        "filter",
                        "NAME=VALUE, as `docker` takes it",
                        ValueKind::Text,
                    )
                },
            ]
        };
        let task = |name: &str, summary: &str, parameters| TaskInfo {
            name: name.to_owned(),
            summary: summary.to_owned(),
            parameters,
            changes_things: false,
        };
        vec![
            task("version", "The engine's version", Vec::new()),
            task("info", "The engine's state and settings", Vec::new()),
            task(
                "list-images",
                "Images on the engine",
                list("Also those without a name"),
            ),
            task(
                "list-containers",
                "Containers on the engine",
                list("Also those that do not run"),
            ),
        ]
    }

    fn run(task: String, arguments: Vec<Argument>) -> Result<Output, Error> {
        let engine = docker::current()?;
        match task.as_str() {
            "version" => version(&engine),
            "info" => info(&engine),
            "list-images" => list_images(&engine, &arguments),
            "list-containers" => list_containers(&engine, &arguments),
            other => Err(Error::NotFound(format!("there is no task {other}"))),
        }
    }
}

fn version(engine: &Engine) -> Result<Output, Error> {
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

fn info(engine: &Engine) -> Result<Output, Error> {
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

fn list_images(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
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

fn list_containers(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
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
        let labels = container
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)));
        json!({
            "id": container.id, "names": container.names, "image": container.image,
            "image_id": container.image_id, "command": container.command,
            "created": container.created, "state": container.state, "status": container.status,
            "ports": ports.collect::<Vec<_>>(),
            "labels": labels.collect::<serde_json::Map<_, _>>(),
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

fn table<const N: usize>(
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
