//! `dfab host`: the hosts of the project, whether they can be worked with, and what they are.

use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command};
use dfab_deploy::checkup::{Point, State, check};
use dfab_deploy::host::Host;
use serde_json::{Map, Value, json};

use super::{Context, for_each_host, overall};
use crate::arguments::Form;
use crate::failure::{Code, Failure, describe};
use crate::hosts::Directory;
use crate::terminal;

/// The command line of `dfab host`.
pub(crate) fn command() -> Command {
    Command::new("host")
        .about("List, check and describe hosts")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("List the hosts of the project, and their groups")
                .arg(as_json()),
        )
        .subcommand(
            Command::new("check")
                .about(
                    "Look whether hosts can be worked with, and what to do where not; all hosts, if none \
                     is named",
                )
                .arg(as_json()),
        )
        .subcommand(
            Command::new("facts")
                .about("Tell what engines and machines are; all hosts, if none is named")
                .arg(as_json()),
        )
}

/// The short form of the common option.
fn as_json() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print data: the same as --output json")
}

/// Runs one of them.
///
/// # Errors
/// Where a name leads nowhere.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let directory = Directory::new(&context.project, &context.common)?;
    let form = match matches.subcommand() {
        Some((_, matches)) if matches.get_flag("json") => Form::Json,
        _ => context.common.output,
    };
    if let Some(("list", _)) = matches.subcommand() {
        return list(context, &directory, form);
    }
    let hosts: Vec<Arc<Host>> = directory
        .meant_or_all(&context.common)?
        .into_iter()
        .map(Arc::new)
        .collect();
    match matches.subcommand() {
        Some(("check", _)) => checkup(context, &hosts, form).await,
        Some(("facts", _)) => facts(context, &hosts, form).await,
        _ => Err(Failure::usage("a command is wanted").hint("dfab host --help")),
    }
}

fn list(context: &Context, directory: &Directory, form: Form) -> Result<Code, Failure> {
    let hosts = directory.meant_or_all(&context.common)?;
    let rows: Vec<Vec<String>> = hosts
        .iter()
        .map(|host| {
            let groups = directory.groups_of(host.name());
            vec![
                host.name().to_owned(),
                host.address().to_string(),
                groups.join(", "),
            ]
        })
        .collect();
    match form {
        Form::Json => {
            let data = hosts.iter().map(|host| {
                let groups = directory.groups_of(host.name());
                json!({ "name": host.name(), "address": host.address().to_string(), "groups": groups })
            });
            terminal::json(&data.collect::<Value>())?;
        }
        Form::Table => {
            let headings = ["host", "address", "groups"].map(str::to_owned);
            terminal::data(&terminal::columns(&headings, &rows))?;
        }
    }
    Ok(Code::Done)
}

async fn checkup(context: &Context, hosts: &[Arc<Host>], form: Form) -> Result<Code, Failure> {
    let found = for_each_host(context, hosts, |host| async move { Ok(check(&host).await) }).await;
    match form {
        Form::Json => {
            let keyed = hosts.iter().zip(&found);
            let keyed: Map<String, Value> = keyed
                .map(|(host, points)| {
                    let value = match points {
                        Ok(points) => json!(points),
                        Err(failure) => json!({ "error": failure.to_string() }),
                    };
                    (host.name().to_owned(), value)
                })
                .collect();
            terminal::json(&Value::Object(keyed))?;
        }
        Form::Table => {
            for (index, (host, points)) in hosts.iter().zip(&found).enumerate() {
                let gap = if index > 0 { "\n" } else { "" };
                let text = match points {
                    Ok(points) => shown(host, points),
                    Err(failure) => format!("{} ({})\n  {failure}", host.name(), host.address()),
                };
                terminal::data(&format!("{gap}{}", terminal::plain(&text)))?;
            }
        }
    }
    let code_of = |points: &Result<Vec<Point>, Failure>| match points {
        Ok(points) => code(points),
        Err(failure) => failure.code,
    };
    let codes: Vec<Code> = found.iter().map(code_of).collect();
    Ok(overall(&codes))
}

fn shown(host: &Host, points: &[Point]) -> String {
    let mut rows = Vec::new();
    for point in points {
        let mark = match point.state {
            State::Good => "ok",
            State::Note => "note",
            State::Bad => "BAD",
            State::Unknown => "?",
        };
        let row = [
            format!("  {mark}"),
            point.name.to_owned(),
            point.found.clone(),
        ];
        rows.push(row.to_vec());
        if let Some(advice) = &point.advice {
            rows.push(vec![String::new(), String::new(), format!("-> {advice}")]);
        }
    }
    format!(
        "{} ({})\n{}",
        host.name(),
        host.address(),
        terminal::columns(&[], &rows)
    )
}

fn code(points: &[Point]) -> Code {
    let bad = |point: &&Point| point.state == State::Bad;
    match points.iter().find(bad) {
        None => Code::Done,
        Some(point) if point.name == "ssh" => Code::Unreachable,
        // The engine is what a host is for.
        Some(_) if points.iter().any(|point| point.name == "disk") => Code::Failed,
        Some(_) => Code::Unreachable,
    }
}

async fn facts(context: &Context, hosts: &[Arc<Host>], form: Form) -> Result<Code, Failure> {
    let found = for_each_host(context, hosts, |host| async move { facts_of(&host).await }).await;
    for (host, facts) in hosts.iter().zip(&found) {
        if let Err(failure) = facts {
            terminal::tell(&format!(
                "{}: {}",
                host.name(),
                terminal::plain(&failure.to_string())
            ));
        }
    }
    let pairs = hosts.iter().zip(&found);
    match form {
        Form::Json => {
            let keyed: Map<String, Value> = pairs
                .map(|(host, facts)| {
                    let value = match facts {
                        Ok(facts) => Value::Object(facts.clone()),
                        Err(failure) => json!({ "error": failure.to_string() }),
                    };
                    (host.name().to_owned(), value)
                })
                .collect();
            terminal::json(&Value::Object(keyed))?;
        }
        Form::Table => {
            let known = pairs.filter_map(|(host, facts)| Some((host, facts.as_ref().ok()?)));
            for (index, (host, facts)) in known.enumerate() {
                let rows: Vec<Vec<String>> = facts
                    .iter()
                    .map(|(name, value)| {
                        let value = match value {
                            Value::String(text) => text.clone(),
                            other => other.to_string(),
                        };
                        vec![format!("  {name}"), value]
                    })
                    .collect();
                let gap = if index > 0 { "\n" } else { "" };
                let table = terminal::columns(&[], &rows);
                let text = format!("{gap}{} ({})\n{table}", host.name(), host.address());
                terminal::data(&terminal::plain(&text))?;
            }
        }
    }
    let code = |facts: &Result<_, Failure>| {
        facts
            .as_ref()
            .err()
            .map_or(Code::Done, |failure| failure.code)
    };
    let codes: Vec<Code> = found.iter().map(code).collect();
    Ok(overall(&codes))
}

/// What `GET /info` and `GET /version` call the facts, and what they are called here.
const FACTS: [(&str, &str); 17] = [
    ("hostname", "Name"),
    ("system", "OperatingSystem"),
    ("kernel", "KernelVersion"),
    ("architecture", "Architecture"),
    ("cpus", "NCPU"),
    ("memory", "MemTotal"),
    ("docker", "ServerVersion"),
    ("api", "ApiVersion"),
    ("storage_driver", "Driver"),
    ("docker_root", "DockerRootDir"),
    ("logging_driver", "LoggingDriver"),
    ("cgroup_driver", "CgroupDriver"),
    ("cgroup_version", "CgroupVersion"),
    ("runtime", "DefaultRuntime"),
    ("containers", "Containers"),
    ("containers_running", "ContainersRunning"),
    ("images", "Images"),
];

async fn facts_of(host: &Host) -> Result<Map<String, Value>, Failure> {
    let engine = host.engine().await?;
    let failed = |error| Failure::failed(describe(&error));
    let (info, version) = tokio::try_join!(engine.info(), engine.version()).map_err(failed)?;
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (info, version) = (read(&info), read(&version));
    let mut facts = Map::new();
    for (name, field) in FACTS {
        let value = info.get(field).or_else(|| version.get(field));
        if let Some(value) = value.filter(|value| !value.is_null()) {
            facts.insert(name.to_owned(), value.clone());
        }
    }
    facts.insert("channel".to_owned(), json!(engine.channel().name()));
    Ok(facts)
}
