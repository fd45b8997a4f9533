//! `dfab tunnel`: engines of hosts as sockets or ports of this machine.

mod ending;
mod socket;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command};
use dfab_deploy::host::Host;
use dfab_deploy::lines::Lines;
use dfab_engine::tunnel::{self, Listener, Local, Trouble};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Context, misplaced, overall};
use crate::arguments::Form;
use crate::deadline::Deadline;
use crate::failure::{Code, Failure, describe};
use crate::hosts::Directory;
use crate::terminal;

use ending::Ending;

const HOSTS: &str = "hosts";
const SOCKET: &str = "socket";
const PORT: &str = "port";
const LINE: &str = "command";

/// Variables of docker's that would lead it elsewhere, or make it speak TLS to the tunnel.
const MISLEADING: [&str; 4] = [
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
];

/// The command line of `dfab tunnel`.
pub(crate) fn command() -> Command {
    Command::new("tunnel")
        .about("Make engines of hosts sockets of this machine, for docker, compose or any other tool")
        .long_about(
            "Make engines of hosts sockets of this machine, for docker, compose or any other tool.\n\n\
             Prints DOCKER_HOST=… for each host once its engine answers, and stays until Ctrl-C or \
             until the program that started it ends. With a command after --, runs that with \
             DOCKER_HOST set, and ends with it.",
        )
        .arg(
            Arg::new(HOSTS)
                .value_name("HOST")
                .num_args(0..)
                .help("Hosts, as after -H"),
        )
        .arg(
            Arg::new(SOCKET)
                .long(SOCKET)
                .value_name("PATH")
                .conflicts_with(PORT)
                .value_parser(clap::value_parser!(PathBuf))
                .help("The socket, for one host; by itself one in $XDG_RUNTIME_DIR/dfab"),
        )
        .arg(
            Arg::new(PORT)
                .long(PORT)
                .value_name("N")
                .value_parser(port)
                .help(
                    "A port of 127.0.0.1 instead, which every user of this machine can open; further \
                     hosts get the next ones. 0: any that are free",
                ),
        )
        .arg(
            Arg::new(LINE)
                .value_name("COMMAND")
                .num_args(1..)
                .last(true)
                .value_parser(clap::value_parser!(std::ffi::OsString))
                .help("Run this with DOCKER_HOST set, and end with it"),
        )
}

/// A port of this machine alone.
fn port(text: &str) -> Result<u16, String> {
    let (address, number) = text.rsplit_once(':').unwrap_or(("", text));
    if !matches!(address, "" | "127.0.0.1" | "localhost") {
        return Err(format!(
            "whoever reaches the port of a tunnel is root on the host, so it is of {} only",
            Ipv4Addr::LOCALHOST
        ));
    }
    number
        .parse()
        .map_err(|_| "a port is a number from 0 to 65535".to_owned())
}

/// Opens the tunnels, and stays.
///
/// # Errors
/// Where nothing could be opened at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    // From here on, nothing is left behind by a signal.
    let mut ending = Ending::new(context.asked_deadline)?;
    let directory = Directory::new(&context.project, &context.common)?;
    let hosts = hosts(context, matches, &directory)?;
    let line: Option<Vec<_>> = matches
        .get_many::<std::ffi::OsString>(LINE)
        .map(|words| words.cloned().collect());
    if line.is_some() && hosts.len() > 1 {
        return Err(Failure::usage(
            "a command has one DOCKER_HOST, and several hosts are named",
        ));
    }
    if line.is_none() {
        allow_many_files();
    }
    let preset = directory.first_local_port();
    let (listeners, _folder) = listeners(matches, &hosts, preset)?;
    let (stop, stopped) = watch::channel(false);
    let mut tunnels = Vec::new();
    let opening = open(context, hosts, listeners, &stopped);
    let opened = tokio::select! {
        opened = opening => opened,
        asked = ending.asked() => return Ok(Code::Passed(asked.code())),
    };
    let mut codes = Vec::new();
    for (host, result) in opened {
        match result {
            Ok(tunnel) => {
                codes.push(Code::Done);
                tunnels.push(tunnel);
            }
            Err(failure) => {
                codes.push(failure.code);
                let text = terminal::plain(&failure.to_string());
                terminal::tell(&format!("{}: {text}", host.name()));
            }
        }
    }
    let code = match tunnels.as_slice() {
        [] => overall(&codes),
        all => {
            tell(context, all, line.is_some())?;
            match (line, all) {
                (Some(line), [only]) => ending.with_command(&line, &only.docker_host).await?,
                _ => {
                    ending.wait().await;
                    overall(&codes)
                }
            }
        }
    };
    // Nobody listens where no tunnel is.
    let _ = stop.send(true);
    for tunnel in tunnels {
        let _ = tunnel.task.await;
        tunnel.lines.close().await;
    }
    Ok(code)
}

/// A tunnel that works.
struct Tunnel {
    name: String,
    address: String,
    docker_host: String,
    way: String,
    lines: Lines,
    task: tokio::task::JoinHandle<()>,
}

/// Each connection is two open files, and a shell may allow a thousand. A command would inherit what is
/// allowed here, and not every one expects it.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Without it fewer connections are open at once, which is told when it happens.
    let _ = setrlimit(Resource::Nofile, all);
}

fn hosts(
    context: &Context,
    matches: &ArgMatches,
    directory: &Directory,
) -> Result<Vec<Host>, Failure> {
    let mut common = context.common.clone();
    let words = matches.get_many::<String>(HOSTS).into_iter().flatten();
    let words: Vec<&str> = words.map(String::as_str).collect();
    let is_host = |word: &str| directory.knows(word);
    if let Some(at) = misplaced::command(
        &words,
        common.names_hosts(),
        &is_host,
        &misplaced::is_program,
    ) {
        let (hosts, line) = words.split_at(at);
        let hosts = match hosts {
            [] => format!("-H {}", common.hosts.join(",")),
            hosts => hosts.join(" "),
        };
        let program = line.first().copied().unwrap_or_default();
        return Err(Failure::usage(format!(
            "{program} is a program of this machine, and no host of the project"
        ))
        .hint(format!(
            "a command stands after --: dfab tunnel {hosts} -- {}",
            line.join(" ")
        ))
        .hint(format!("if a host is meant: -H {program}")));
    }
    let words = words.iter().flat_map(|words| words.split(','));
    common.hosts.extend(words.map(str::to_owned));
    if !common.names_hosts() {
        return Err(
            Failure::usage("a tunnel leads to a host, and none is named")
                .hint("dfab tunnel HOST; `local` is the engine of this machine"),
        );
    }
    directory.meant(&common)
}

/// Where each tunnel begins, and the folder that goes with them.
fn listeners(
    matches: &ArgMatches,
    hosts: &[Host],
    preset: Option<u16>,
) -> Result<(Vec<Listener>, Option<tempfile::TempDir>), Failure> {
    let mut locals = Vec::new();
    let mut temporary = None;
    let first = matches.get_one::<u16>(PORT).copied();
    if let Some(path) = matches.get_one::<PathBuf>(SOCKET) {
        if hosts.len() > 1 {
            return Err(Failure::usage(
                "a socket is of one engine, and several hosts are named",
            )
            .hint("without --socket each has one of its own; --port N gives them N, N+1 and so on"));
        }
        let path = std::path::absolute(path)
            .map_err(|error| Failure::usage("the socket has no path").because(error))?;
        locals.push(Local::Socket(path));
    } else {
        let mut folder = None;
        for (index, host) in hosts.iter().enumerate() {
            let consecutive = |first: u16| match first {
                0 => Ok(Local::Port(0)),
                first => u16::try_from(usize::from(first) + index)
                    .map(Local::Port)
                    .map_err(|_| {
                        Failure::usage(format!(
                            "{} would have port {}, and the last is 65535",
                            host.name(),
                            usize::from(first) + index
                        ))
                    }),
            };
            // A client's own port is for it alone.
            let local = match (first, host.client().tunnel_local_port, preset) {
                (Some(first), _, _) => consecutive(first)?,
                (None, Some(port), _) => Local::Port(port),
                (None, None, Some(first)) => consecutive(first)?,
                (None, None, None) => {
                    let folder = match &folder {
                        Some(folder) => folder,
                        None => {
                            let (path, guard) = socket::folder()?;
                            temporary = guard;
                            folder.insert(path)
                        }
                    };
                    Local::Socket(folder.join(socket::file_name(host.name(), &locals)))
                }
            };
            locals.push(local);
        }
    }
    let bound = locals.iter().zip(hosts).map(|(local, host)| {
        Listener::bind(local).map_err(|error| {
            Failure::failed(format!("there is no tunnel to {}", host.name())).because(error)
        })
    });
    Ok((bound.collect::<Result<_, _>>()?, temporary))
}

/// Opens all of them side by side.
async fn open(
    context: &Context,
    hosts: Vec<Host>,
    listeners: Vec<Listener>,
    stopped: &watch::Receiver<bool>,
) -> Vec<(Host, Result<Tunnel, Failure>)> {
    use futures_util::stream::{self, StreamExt as _};
    let pairs = hosts.into_iter().zip(listeners);
    let opening = pairs.map(|(host, listener)| async move {
        let opened = open_one(&host, listener, stopped.clone(), context.asked_deadline).await;
        (host, opened)
    });
    stream::iter(opening)
        .buffered(context.common.parallel.get())
        .collect()
        .await
}

async fn open_one(
    host: &Host,
    listener: Listener,
    stopped: watch::Receiver<bool>,
    deadline: Deadline,
) -> Result<Tunnel, Failure> {
    let name = host.name().to_owned();
    let broken = name.clone();
    let connecting = Lines::connect(
        host,
        Arc::new(move |reason| {
            terminal::tell(&terminal::plain(&format!(
                "{broken}: {reason}; the next connection opens a new session"
            )));
        }),
    );
    let connecting = async { connecting.await.map_err(Failure::from) };
    let lines = deadline.within(connecting).await?;
    let way = lines.kind().await.map(|kind| kind.to_string());
    let local = listener.local().clone();
    let source = Arc::new(lines.clone());
    let troubled = name.clone();
    let tell: Arc<dyn Fn(Trouble<_>) + Send + Sync> = Arc::new(move |trouble| {
        let text = match trouble {
            Trouble::NoStream(error) => format!("a connection was refused: {error}"),
            Trouble::Ended(words) => words.to_string(),
            Trouble::Accept(error) => format!("nobody can connect for the moment: {error}"),
        };
        terminal::tell(&terminal::plain(&format!("{troubled}: {text}")));
    });
    let task = tokio::spawn(async move {
        tunnel::serve(&listener, source, stopped, tell).await;
    });
    let tunnel = Tunnel {
        name,
        address: host.address().to_string(),
        docker_host: local.docker_host(),
        way: way.unwrap_or_default(),
        lines,
        task,
    };
    let probing = async {
        let probed = tunnel::probe(&local, host.options().connect_timeout).await;
        probed.map_err(|error| Failure::new(Code::Unreachable, describe(&error)))
    };
    if let Err(failure) = deadline.within(probing).await {
        tunnel.task.abort();
        let _ = tunnel.task.await;
        tunnel.lines.close().await;
        return Err(failure);
    }
    Ok(tunnel)
}

/// Tells where the tunnels are: as data for scripts, and to people what leads where.
fn tell(context: &Context, tunnels: &[Tunnel], has_command: bool) -> Result<(), Failure> {
    for tunnel in tunnels {
        terminal::tell(&format!(
            "{} ({}) by {}: {}",
            tunnel.name, tunnel.address, tunnel.way, tunnel.docker_host
        ));
        if tunnel.docker_host.starts_with("tcp://") {
            terminal::tell(
                "  every user of this machine can open it, and is root on the host then",
            );
        }
    }
    if has_command {
        return Ok(());
    }
    let misleading: Vec<_> = MISLEADING
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if !misleading.is_empty() {
        terminal::tell(&format!(
            "warning: docker would not take it as it is; unset {} there",
            misleading.join(", ")
        ));
    }
    match context.common.output {
        Form::Json => {
            let keyed: Map<String, Value> = tunnels
                .iter()
                .map(|tunnel| {
                    let value = json!({ "docker_host": tunnel.docker_host, "channel": tunnel.way });
                    (tunnel.name.clone(), value)
                })
                .collect();
            terminal::json(&Value::Object(keyed))
        }
        Form::Table => tunnels
            .iter()
            .try_for_each(|tunnel| terminal::data(&format!("DOCKER_HOST={}", tunnel.docker_host))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_of_this_machine_only() {
        assert_eq!(port("2375"), Ok(2375));
        assert_eq!(port("127.0.0.1:2375"), Ok(2375));
        assert!(port("0.0.0.0:2375").is_err());
        assert!(port("10.0.0.1:1").unwrap_err().contains("127.0.0.1 only"));
        assert!(port("70000").is_err());
    }
}
