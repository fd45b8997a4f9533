//! `dfab exec`: a command in containers.

use std::time::Duration;

use bytes::Bytes;
use clap::{Arg, ArgAction, ArgMatches, Command};
use dfab_deploy::host::{Address, Host};
use dfab_engine::{Engine, ExecRequest, ExecStream};
use serde_json::{Map, Value, json};

use super::Context;
use super::choice::{Choice, argument, engine_failure, label};
use crate::arguments::Form;
use crate::failure::{Code, Failure};
use crate::hosts::LOCAL;
use crate::interrupt::Interrupt;
use crate::lines::Prefix;
use crate::relay::{
    self, Limits, Outcome, Shown, Sink, overall_code, relay, relay_by_host, relay_terminal, tell,
};
use crate::terminal::{self, Output};
use crate::tty;

/// How long ending a command may take.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a new terminal is told its size: the engine refuses before the command has started.
const RESIZES: u32 = 10;

/// Its command line.
pub(crate) fn command() -> Command {
    let flag = |name: &'static str, letter: char, help: &'static str| {
        Arg::new(name)
            .short(letter)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let option = |name: &'static str, letter: char, value: &'static str, help: &'static str| {
        Arg::new(name)
            .short(letter)
            .long(name)
            .value_name(value)
            .help(help)
    };
    Command::new("exec")
        .about("Run a command in a container, or in several")
        .long_about(
            "Runs a command in a running container. With a terminal on both sides it gets one too, \
             unless -T is given. The exit code is the command's own where there is one container.\n\n\
             Several containers (instances, a group, several hosts): each line has the name of its \
             container before it, with control characters made visible; the commands get no input; \
             the exit code is 0, or 3 where some failed, 1 where all did, 4 where no host could be \
             reached. Ctrl-C ends the commands where the host can be told to (through SSH, as root).",
        )
        .arg(argument(true).num_args(1))
        .arg(flag("interactive", 'i', "Pass the standard input on"))
        .arg(flag("terminal", 't', "Give the command a terminal").conflicts_with("no-terminal"))
        .arg(flag("no-terminal", 'T', "Give the command no terminal"))
        .arg(option("user", 'u', "USER", "Run as this user, as USER or USER:GROUP"))
        .arg(option("workdir", 'w', "DIR", "Run in this folder"))
        .arg(
            option("env", 'e', "VAR=VALUE", "Set a variable; may be repeated")
                .action(ArgAction::Append)
                .value_parser(variable),
        )
        .arg(
            Arg::new("grouped")
                .long("grouped")
                .action(ArgAction::SetTrue)
                .help("Show the output of each container together, when its command has ended"),
        )
        .arg(
            Arg::new("command")
                .value_name("CMD")
                .num_args(1..)
                .required(true)
                .last(true)
                .help("The program and its arguments, as they are"),
        )
}

fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("a variable is given as VAR=VALUE".to_owned()),
    }
}

/// A container, and what is to be told with its name where there are several.
struct Target<'a> {
    host: &'a Host,
    engine: &'a Engine,
    container: String,
    label: String,
}

/// Runs the command in every container that is meant.
///
/// # Errors
/// Where nothing could be run at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let many = |name: &str| -> Vec<String> {
        matches
            .get_many(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    };
    let one = |name: &str| matches.get_one::<String>(name).cloned();
    let choice = Choice::new(context, &many("containers"))?;
    let interrupt = Interrupt::listen()?;
    let seen = tokio::select! {
        seen = choice.look() => seen,
        code = interrupt.wait() => return Ok(Code::Passed(code)),
    };
    let mut targets = Vec::new();
    // What cannot be run has an outcome too.
    let mut failed: Vec<(String, String, Outcome)> = Vec::new();
    let hosts = choice.hosts.len();
    for (of_host, seen) in choice.hosts.iter().zip(&seen) {
        let host = of_host.host.name();
        match seen {
            Ok(seen) => {
                let (there, missing) = seen.meant();
                targets.extend(there.into_iter().map(|container| Target {
                    host: &of_host.host,
                    engine: seen.engine,
                    label: label(host, &container, hosts),
                    container,
                }));
                failed.extend(missing.into_iter().map(|container| {
                    let failure = Failure::failed(format!("there is no container {container}"))
                        .hint(format!("dfab startup {container} -H {host} makes it"));
                    (host.to_owned(), container, Outcome::Failed(failure))
                }));
            }
            Err(failure) => {
                let failure = Failure::new(failure.code, failure.to_string());
                let names = of_host.expected.iter().chain(&of_host.named);
                let name = names.cloned().collect::<Vec<_>>().join(", ");
                failed.push((host.to_owned(), name, Outcome::Failed(failure)));
            }
        }
    }
    if let Some(failure) = choice.found_nowhere(&seen).into_iter().next() {
        return Err(failure);
    }
    let several = targets.len() + failed.len() > 1;
    for (host, _, outcome) in &failed {
        tell((hosts > 1).then_some(host), outcome);
    }
    // Nobody said where: it is named before anything is run.
    let meant = targets
        .iter()
        .find(|target| target.host.name() == LOCAL && !context.common.names_hosts());
    if let Some(Target { host, .. }) = meant {
        terminal::tell(&format!("exec on {} ({})", host.name(), host.address()));
    }
    let json = context.common.output == Form::Json;
    let mut request = ExecRequest {
        argv: many("command"),
        user: one("user"),
        directory: one("workdir"),
        variables: many("env"),
        terminal: None,
        input: matches.get_flag("interactive"),
    };
    let asked = matches.get_flag("terminal");
    let wanted = asked || (tty::is_interactive() && !matches.get_flag("no-terminal"));
    if let ([target], true, false) = (targets.as_slice(), wanted && !json, several) {
        request.terminal = Some(tty::size());
        request.input |= tty::is_interactive();
        // A shell ends when its user says so.
        let session = on_terminal(target, &request, &interrupt);
        let ended = context.asked_deadline.within(async { Ok(session.await) });
        let outcome = ended.await.unwrap_or_else(Outcome::Failed);
        tell(None, &outcome);
        return Ok(outcome.only_code());
    }
    if asked || (request.input && several) {
        return Err(Failure::usage(
            "a terminal and an input are for one container, and a terminal not for JSON",
        ));
    }
    let names: Vec<&str> = targets.iter().map(|target| target.label.as_str()).collect();
    let prefixes = Prefix::for_all(&names);
    let shown = Shown::of(
        targets.len() + failed.len(),
        json,
        matches.get_flag("grouped"),
    );
    let work: Vec<_> = targets.iter().zip(&prefixes).collect();
    let limits = Limits {
        timeout: None,
        deadline: context.deadline,
    };
    // Batches are of hosts, whatever is on them.
    let by_host: Vec<_> = work
        .chunk_by(|(one, _), (other, _)| one.host.name() == other.host.name())
        .collect();
    let unreached = seen.iter().filter(|seen| seen.is_err()).count();
    let pace = context.common.pace(by_host.len(), unreached);
    let label_of = |(target, _): &(&Target<'_>, &Prefix)| target.label.clone();
    let results = relay_by_host(&pace, &by_host, label_of, async |(target, prefix)| {
        let mut sink = Sink::new(shown, &target.label, prefix);
        let start = Running::start(target, &request, &interrupt);
        let outcome = match limits.deadline.within(start).await {
            Ok((running, input)) => {
                let input = request.input.then_some(input);
                relay(running, input, &mut sink, &interrupt, limits).await
            }
            Err(outcome) => outcome,
        };
        tell(several.then_some(target.label.as_str()), &outcome);
        (sink, outcome)
    })
    .await;
    let ran = results.iter().map(|(_, outcome)| outcome);
    let outcomes: Vec<&Outcome> = ran.chain(failed.iter().map(|(_, _, one)| one)).collect();
    let code = overall_code(&outcomes);
    if json {
        let mut object = Map::new();
        let mut insert = |host: &str, container: &str, value: Value| {
            let of_host = object.entry(host.to_owned()).or_insert_with(|| json!({}));
            if let Some(of_host) = of_host.as_object_mut() {
                of_host.insert(container.to_owned(), value);
            }
        };
        for (target, (sink, outcome)) in targets.iter().zip(results) {
            insert(
                target.host.name(),
                &target.container,
                sink.into_json(&outcome),
            );
        }
        for (host, container, outcome) in &failed {
            if let Outcome::Failed(failure) = outcome {
                insert(host, container, json!({ "error": failure.to_string() }));
            }
        }
        terminal::json(&Value::Object(object))?;
    }
    Ok(code)
}

async fn on_terminal(target: &Target<'_>, request: &ExecRequest, interrupt: &Interrupt) -> Outcome {
    let (running, input) = match Running::start(target, request, interrupt).await {
        Ok(started) => started,
        Err(outcome) => return outcome,
    };
    let (engine, id) = (target.engine, running.stream.id.clone());
    for _ in 0..RESIZES {
        let size = tty::size();
        if engine.resize_exec(&id, size).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let resize = async |size: dfab_ssh::TerminalSize| {
        // A command that has just ended has no size any more.
        let _ = engine.resize_exec(&id, size).await;
    };
    relay_terminal(running, input, resize, false, interrupt)
        .await
        .unwrap_or_else(Outcome::Failed)
}

/// A command in a container.
struct Running<'a> {
    target: &'a Target<'a>,
    stream: ExecStream,
}

impl<'a> Running<'a> {
    /// Starts it, unless the end is asked for first.
    async fn start(
        target: &'a Target<'a>,
        request: &ExecRequest,
        interrupt: &Interrupt,
    ) -> Result<(Self, impl tokio::io::AsyncWrite + Unpin + use<>), Outcome> {
        let started = target.engine.open_exec(&target.container, request);
        tokio::select! {
            started = started => match started {
                Ok((stream, input)) => Ok((Self { target, stream }, input)),
                Err(error) => Err(Outcome::Failed(engine_failure(error))),
            },
            code = interrupt.wait() => Err(Outcome::Interrupted(code)),
        }
    }
}

impl relay::Command for Running<'_> {
    async fn next(&mut self) -> Result<Option<(Output, Bytes)>, Failure> {
        let piece = self.stream.next().await.map_err(engine_failure)?;
        Ok(piece.map(|piece| {
            let output = if piece.is_error {
                Output::People
            } else {
                Output::Data
            };
            (output, piece.bytes)
        }))
    }

    async fn exit_code(&mut self) -> Result<i32, Failure> {
        let code = self.target.engine.exec_exit_code(&self.stream.id).await;
        let code = code.map_err(engine_failure)?;
        Ok(i32::try_from(code).unwrap_or(-1))
    }

    /// The Engine API cannot end a command, but a shell on the host can, where it may.
    async fn end(self) {
        let Self { target, stream } = self;
        let id = stream.id.clone();
        // Many a command ends with its streams.
        drop(stream);
        let ended = tokio::time::timeout(END_TIMEOUT, end(target, &id)).await;
        if !matches!(ended, Ok(true)) {
            terminal::tell(&format!(
                "{}: the command goes on in the container: dfab cannot end it from here",
                target.label
            ));
        }
    }
}

/// Ends a command in a container, by its process on the host; whether it has ended.
async fn end(target: &Target<'_>, id: &str) -> bool {
    let ended = async || {
        let state = target.engine.exec_state(id).await;
        state.map_or(None, |state| Some(state.process))
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let process = match ended().await {
        Some(None) => return true,
        Some(Some(process)) => process,
        None => return false,
    };
    if !matches!(target.host.address(), Address::Ssh { .. }) {
        return false;
    }
    let Ok(Some(session)) = target.host.session().await else {
        return false;
    };
    let containers = target
        .engine
        .inspect_containers(std::slice::from_ref(&target.container))
        .await;
    let container = containers.ok().and_then(|found| {
        let container = found.get(&target.container)?["Id"].as_str()?.to_owned();
        container
            .chars()
            .all(|c| c.is_ascii_hexdigit())
            .then_some(container)
    });
    let Some(container) = container else {
        return false;
    };
    // The number may be another process's by now: it has to be one of this container.
    let line = format!(
        "mine() {{ grep -q {container} /proc/{process}/cgroup 2>/dev/null; }}; \
         mine && kill -TERM {process} && for _ in 1 2 3 4 5 6 7 8 9 10; do mine || exit 0; sleep 0.2; done; \
         ! mine || kill -KILL {process}"
    );
    let killed = session.run(&line, None, END_TIMEOUT, 4096).await;
    killed.is_ok_and(|output| output.status == 0)
}
