//! `dfab ps`: the containers on all hosts, and how they stand to the maps.

use clap::{Arg, ArgAction, ArgMatches, Command};
use dfab_deploy::labels;
use dfab_engine::{ContainerSummary, Port};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::choice::{Choice, MapName, Seen, argument, references};
use super::{Context, overall};
use crate::arguments::Form;
use crate::failure::{Code, Failure};
use crate::instant::in_words;
use crate::terminal;

/// Its command line.
pub(crate) fn command() -> Command {
    Command::new("ps")
        .about("List containers on all hosts, and what is missing of the maps")
        .long_about(
            "Lists containers over all hosts: those of -H, or else those of the maps' clients, or \
             else the engine that is meant without a name. Shown are what runs, and of the maps also \
             what does not run, what is missing on its host, and orphans: containers that were made \
             for a map in which they no longer are.",
        )
        .arg(argument(false))
        .arg(
            Arg::new("all")
                .short('a')
                .long("all")
                .action(ArgAction::SetTrue)
                .help("Also what does not run and is of no map"),
        )
}

/// Lists the containers.
///
/// # Errors
/// Where nothing can be listed at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let references = references(matches);
    let choice = Choice::new(context, &references)?;
    let seen = choice.look().await;
    let nowhere = choice.found_nowhere(&seen);
    let all = matches.get_flag("all");
    let now = Timestamp::now().as_second();
    let mut rows = Vec::new();
    let mut object = Map::new();
    let mut codes = Vec::new();
    for (of_host, seen) in choice.hosts.iter().zip(&seen) {
        let host = of_host.host.name();
        match seen {
            Ok(seen) => {
                let entries = entries(seen, &choice, all);
                object.insert(
                    host.to_owned(),
                    entries.iter().map(Entry::as_json).collect(),
                );
                rows.extend(entries.iter().map(|entry| entry.row(host, now)));
                codes.push(Code::Done);
            }
            Err(failure) => {
                let text = terminal::plain(&failure.to_string());
                terminal::tell(&format!("{host}: {text}"));
                object.insert(host.to_owned(), json!({ "error": text }));
                codes.push(failure.code);
            }
        }
    }
    for failure in &nowhere {
        terminal::tell(&terminal::plain(&failure.to_string()));
    }
    match context.common.output {
        Form::Json => terminal::json(&Value::Object(object))?,
        Form::Table => {
            let headings =
                ["host", "container", "map", "image", "state", "ports", "age"].map(str::to_owned);
            terminal::data(&terminal::columns(&headings, &rows))?;
        }
    }
    // No host has failed for a name that none of them has.
    Ok(match (overall(&codes), nowhere.first()) {
        (Code::Done, Some(failure)) => failure.code,
        (code, _) => code,
    })
}

/// How a container stands to the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is in a map for this host.
    Wanted,
    /// It is in a map for this host, and not there.
    Missing,
    /// It was made for one of these maps, in which it no longer is.
    Orphan,
    /// It is none of these maps' business.
    Other,
}

impl Standing {
    fn name(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Missing => "missing",
            Self::Orphan => "orphan",
            Self::Other => "other",
        }
    }
}

/// A line of the list.
#[derive(Debug)]
struct Entry<'a> {
    name: String,
    standing: Standing,
    of: Option<MapName>,
    container: Option<&'a ContainerSummary>,
}

/// What is shown of one host: containers of the maps in their order, orphans, and the others by name.
fn entries<'a>(seen: &'a Seen<'_>, choice: &Choice, all: bool) -> Vec<Entry<'a>> {
    let of_maps = &seen.choice.of_maps;
    let (mut names, missing) = seen.meant();
    if choice.everything {
        let mut others: Vec<&str> = seen.containers.iter().map(ContainerSummary::name).collect();
        others.sort_unstable();
        let new: Vec<_> = others
            .into_iter()
            .filter(|name| !names.iter().any(|known| known == name))
            .map(str::to_owned)
            .collect();
        names.extend(new);
    }
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for name in &names {
        let Some(container) = seen.find(name) else {
            continue;
        };
        let (standing, of) = match of_maps.get(name) {
            Some(of) => (Standing::Wanted, Some(of.clone())),
            None => labelled(container, &choice.maps),
        };
        let hidden = standing == Standing::Other && container.state != "running";
        if choice.everything && hidden && !all {
            continue;
        }
        entries.push(Entry {
            name: name.clone(),
            standing,
            of,
            container: Some(container),
        });
    }
    entries.extend(missing.into_iter().map(|name| Entry {
        standing: Standing::Missing,
        of: of_maps.get(&name).cloned(),
        name,
        container: None,
    }));
    entries.sort_by_key(|entry| match entry.standing {
        Standing::Wanted | Standing::Missing => 0,
        Standing::Orphan => 1,
        Standing::Other => 2,
    });
    entries
}

/// What the labels of a container say that is in no map for this host.
fn labelled(container: &ContainerSummary, maps: &[String]) -> (Standing, Option<MapName>) {
    let of = container.label(labels::MAP).map(|map| MapName {
        map: map.to_owned(),
        config: container
            .label(labels::CONFIGURATION)
            .unwrap_or_default()
            .to_owned(),
        instance: container.label(labels::INSTANCE).map(str::to_owned),
    });
    let is_known = of.as_ref().is_some_and(|of| maps.contains(&of.map));
    let standing = if is_known {
        Standing::Orphan
    } else {
        Standing::Other
    };
    (standing, of)
}

impl Entry<'_> {
    fn row(&self, host: &str, now: i64) -> Vec<String> {
        let map = self
            .of
            .as_ref()
            .map_or_else(String::new, |of| of.map.clone());
        let map = match self.standing {
            Standing::Orphan => format!("{map} (orphan)"),
            Standing::Other if !map.is_empty() => format!("({map})"),
            _ => map,
        };
        let (image, state, ports, age) = match self.container {
            Some(one) => (
                one.image.clone(),
                state(one),
                ports(&one.ports),
                in_words(now - one.created),
            ),
            None => (
                String::new(),
                "missing".to_owned(),
                String::new(),
                String::new(),
            ),
        };
        vec![
            host.to_owned(),
            self.name.clone(),
            map,
            image,
            state,
            ports,
            age,
        ]
    }

    fn as_json(&self) -> Value {
        let mut value = json!({
            "name": self.name,
            "standing": self.standing.name(),
            "map": self.of.as_ref().map(|of| &of.map),
            "configuration": self.of.as_ref().map(|of| &of.config),
            "instance": self.of.as_ref().and_then(|of| of.instance.as_ref()),
        });
        if let (Some(fields), Some(one)) = (value.as_object_mut(), self.container) {
            let port = |port: &Port| {
                json!({
                    "container_port": port.container_port,
                    "protocol": port.protocol,
                    "host_address": port.host_address,
                    "host_port": port.host_port,
                })
            };
            let more = [
                ("id", json!(one.id)),
                ("image", json!(one.image)),
                ("state", json!(one.state)),
                ("health", json!(one.health())),
                ("exit_code", json!(one.exit_code())),
                ("created", json!(one.created)),
                ("ports", one.ports.iter().map(port).collect()),
            ];
            fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
        }
        value
    }
}

/// Such as `running (healthy)`, `exited (137)`.
fn state(container: &ContainerSummary) -> String {
    let remark = match container.state.as_str() {
        "running" | "paused" => container.health(),
        _ => container.exit_code().map(|code| code.to_string()),
    };
    match remark {
        Some(remark) => format!("{} ({remark})", container.state),
        None => container.state.clone(),
    }
}

/// Published ports, each once, and then those that are only exposed.
fn ports(ports: &[Port]) -> String {
    let mut published: Vec<String> = Vec::new();
    let mut exposed: Vec<String> = Vec::new();
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by_key(|port| (port.host_port, port.container_port, port.protocol.clone()));
    for port in sorted {
        let inside = format!("{}/{}", port.container_port, port.protocol);
        let (list, text) = match port.host_port {
            Some(outside) => {
                // All addresses of the host go without saying.
                let address = match port.host_address.as_deref() {
                    None | Some("" | "0.0.0.0" | "::") => String::new(),
                    Some(address) if address.contains(':') => format!("[{address}]:"),
                    Some(address) => format!("{address}:"),
                };
                (&mut published, format!("{address}{outside}->{inside}"))
            }
            None => (&mut exposed, inside),
        };
        if !list.contains(&text) {
            list.push(text);
        }
    }
    published.extend(exposed);
    published.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(json: &str) -> ContainerSummary {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_state_has_its_health_or_exit_code() {
        let shown = |state_of: &str, status: &str| {
            state(&container(&format!(
                r#"{{"Id":"1","State":"{state_of}","Status":"{status}"}}"#
            )))
        };
        assert_eq!(
            shown("running", "Up 2 hours (unhealthy)"),
            "running (unhealthy)"
        );
        assert_eq!(shown("running", "Up 2 hours"), "running");
        assert_eq!(shown("exited", "Exited (137) 2 hours ago"), "exited (137)");
        assert_eq!(shown("created", "Created"), "created");
    }

    #[test]
    fn ports_are_shown_once() {
        let one = container(
            r#"{"Id":"1","Ports":[
                {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                {"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                {"IP":"127.0.0.1","PrivatePort":81,"PublicPort":8081,"Type":"tcp"},
                {"PrivatePort":443,"Type":"udp"}]}"#,
        );
        assert_eq!(
            ports(&one.ports),
            "8080->80/tcp, 127.0.0.1:8081->81/tcp, 443/udp"
        );
    }

    #[test]
    fn only_a_container_of_a_known_map_is_an_orphan() {
        let one =
            container(r#"{"Id":"1","Labels":{"dfab.map":"shop","dfab.configuration":"web"}}"#);
        let maps = ["shop".to_owned()];
        assert_eq!(labelled(&one, &maps).0, Standing::Orphan);
        assert_eq!(labelled(&one, &[]).0, Standing::Other);
        assert_eq!(
            labelled(&container(r#"{"Id":"1"}"#), &maps),
            (Standing::Other, None)
        );
    }
}
