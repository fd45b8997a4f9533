//! A plan as a shell script: the command lines of the docker client that do the same.
//!
//! What the client has no option for, or does in another way, stands in a comment above its line.
//! The script does one step after the other and ends at the first that fails.

mod command;
mod container;
mod endpoint;
mod mount;
mod resource;
mod run;
mod volume;

use std::fmt::Write as _;

use dfab_maps::PermissionsError;

use crate::plan::{Plan, Step, Work};

pub use command::Command;
pub use container::{container_create, container_update};
pub use endpoint::network_connect;
pub use resource::{network_create, volume_create};

use command::quoted;

/// Why something cannot be a command line.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// No command line can hold it.
    #[error("{word:?} has a NUL character in it, which no command line can hold")]
    Nul {
        /// The text.
        word: String,
    },
    /// Nothing to create a container from.
    #[error("the container {container} has no image")]
    NoImage {
        /// The container.
        container: String,
    },
    /// The permissions of a volume are none.
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    /// Networks are made by name.
    #[error("the network has no name")]
    NoName,
    /// A step of a plan, with the reason.
    #[error("{verb} {kind} {name} on {host} cannot be written as a command line")]
    Step {
        /// What it does.
        verb: &'static str,
        /// Of what kind it is.
        kind: &'static str,
        /// Name on the engine.
        name: String,
        /// Name of the host.
        host: String,
        /// Why.
        #[source]
        source: Box<ShellError>,
    },
}

/// The plan as a script for a POSIX shell. `docker` tells by the name of a host how the docker client
/// is called for it: `docker`, or `docker -H ssh://…`.
///
/// # Errors
/// Where a body lacks what its creation needs, or holds what no command line can.
pub fn script(plan: &Plan, docker: &dyn Fn(&str) -> Vec<String>) -> Result<String, ShellError> {
    let mut script = Script::default();
    script.line("#!/bin/sh");
    script.line("set -eu");
    script.line("");
    let hosts = plan.hosts.join(", ");
    script.comment(&format!("dfab {} on {hosts}", plan.action));
    if plan.steps.is_empty() {
        script.comment("There is nothing to do.");
    }
    if plan.steps.iter().any(|step| owns(&step.work)) {
        script.line("");
        script.text.push_str(include_str!("own.sh"));
    }
    for step in &plan.steps {
        let written = write_step(&mut script, step, &docker(&step.host));
        written.map_err(|source| ShellError::Step {
            verb: step.work.verb(),
            kind: step.kind,
            name: step.name.clone(),
            host: step.host.clone(),
            source: Box::new(source),
        })?;
    }
    Ok(script.text)
}

/// Whether a step sets the owner or mode of a folder.
fn owns(work: &Work) -> bool {
    match work {
        Work::PrepareVolume { .. } => true,
        Work::Run(run) => run.folder.is_some() || !run.prepares.is_empty(),
        _ => false,
    }
}

fn write_step(script: &mut Script, step: &Step, docker: &[String]) -> Result<(), ShellError> {
    script.line("");
    if !step.reason.is_empty() {
        script.comment(&step.reason);
    }
    if step.if_changed.is_empty() {
        return write_work(script, step, docker);
    }
    let mut words: Vec<String> = Vec::new();
    for (image, before) in &step.if_changed {
        let keyword = if words.is_empty() { "if " } else { "" };
        if !words.is_empty() {
            words.push("||".to_owned());
        }
        let mut inspect = Command::new(["image", "inspect"]);
        inspect.option("format", "{{.Id}}");
        inspect.argument(image);
        let inspect = inspect.tokens(docker)?.join(" ");
        let before = quoted(before.as_deref().unwrap_or_default())?;
        words.push(format!(
            "{keyword}[ \"$({inspect} 2> /dev/null)\" != {before} ]"
        ));
    }
    script.tokens(&words);
    script.line("then");
    script.indent += 1;
    write_work(script, step, docker)?;
    script.indent -= 1;
    script.line("fi");
    Ok(())
}

fn write_work(script: &mut Script, step: &Step, docker: &[String]) -> Result<(), ShellError> {
    let name = step.name.as_str();
    let command = match &step.work {
        Work::PullImage { repository, tag } => {
            let separator = if tag.contains(':') { '@' } else { ':' };
            simple(["pull"], [&format!("{repository}{separator}{tag}")])
        }
        Work::CreateNetwork { body } => network_create(body)?,
        Work::CreateVolume { body } => volume_create(body),
        Work::CreateContainer { body } => container_create(name, body)?,
        Work::Start => simple(["start"], [name]),
        Work::Stop { signal, timeout_s } => {
            return stop(script, name, signal.as_deref(), *timeout_s, docker);
        }
        Work::Signal { signal } => kill(name, signal),
        Work::RemoveContainer { force, volumes } => {
            let mut command = simple(["rm"], [name]);
            for (is_wanted, option) in [(*force, "force"), (*volumes, "volumes")] {
                if is_wanted {
                    command.flag(option);
                }
            }
            command
        }
        Work::RemoveNetwork => simple(["network", "rm"], [name]),
        Work::RemoveVolume => simple(["volume", "rm"], [name]),
        Work::Connect { network, endpoint } => network_connect(network, name, endpoint),
        Work::Disconnect { network } => simple(["network", "disconnect"], [network, name]),
        Work::PrepareVolume {
            path,
            user,
            permissions,
            ..
        } => {
            let place = volume::Place {
                container: volume::Container::Name(name),
                path,
            };
            return volume::prepare(
                script,
                &place,
                user.as_deref(),
                permissions.as_deref(),
                docker,
            );
        }
        Work::Exec { argv, user, .. } => return exec(script, name, argv, user.as_deref(), docker),
        Work::Delay { milliseconds } => {
            // Parts of a second are not known to every shell's `sleep`.
            script.line(&format!("sleep {}", milliseconds.div_ceil(1000)));
            return Ok(());
        }
        Work::Update { body } => container_update(name, body),
        Work::Run(run) => return run::write(script, name, run, docker),
    };
    script.command(&command, docker)
}

/// `docker exec`
pub fn container_exec(name: &str, argv: &[String], user: Option<&str>) -> Command {
    let mut command = Command::new(["exec"]);
    if let Some(user) = user {
        command.option("user", user);
    }
    command.argument(name);
    for word in argv {
        command.argument(word);
    }
    command
}

/// `docker stop`, which ends in a kill after some seconds.
pub fn container_stop(name: &str, timeout_s: Option<u32>) -> Command {
    let mut command = simple(["stop"], [name]);
    if let Some(seconds) = timeout_s {
        command.short_option('t', seconds);
    }
    command
}

fn simple<const WORDS: usize, const ARGUMENTS: usize>(
    words: [&str; WORDS],
    arguments: [&str; ARGUMENTS],
) -> Command {
    let mut command = Command::new(words);
    for argument in arguments {
        command.argument(argument);
    }
    command
}

fn kill(name: &str, signal: &str) -> Command {
    let mut command = simple(["kill"], [name]);
    command.option("signal", signal);
    command
}

/// Another signal than the usual one is not followed by a kill.
fn stop(
    script: &mut Script,
    name: &str,
    signal: Option<&str>,
    timeout_s: Option<u32>,
    docker: &[String],
) -> Result<(), ShellError> {
    const GRACE_S: u32 = 10;
    let Some(signal) = signal.filter(|signal| !matches!(*signal, "SIGTERM" | "TERM" | "15")) else {
        return script.command(&container_stop(name, timeout_s), docker);
    };
    script.command(&kill(name, signal), docker)?;
    // No time at all is no time to end in.
    let seconds = timeout_s.filter(|seconds| *seconds > 0).unwrap_or(GRACE_S);
    let mut tokens = limited(seconds);
    tokens.extend(simple(["wait"], [name]).tokens(docker)?);
    tokens.extend(["> /dev/null", "||", "{"].map(str::to_owned));
    script.tokens(&tokens);
    not_ended(script, name, seconds)
}

/// What follows on the `{` of a wait that failed: the end of the script, which tells why.
fn not_ended(script: &mut Script, name: &str, seconds: u32) -> Result<(), ShellError> {
    let message = quoted(&format!("{name} has not ended within {seconds} s"))?;
    script.indent += 1;
    // Else docker has told it.
    script.line(&format!("[ $? -ne 124 ] || echo {message} >&2"));
    script.line("exit 1");
    script.indent -= 1;
    script.line("}");
    Ok(())
}

/// One that takes longer is a service of its own, and is left running.
fn exec(
    script: &mut Script,
    name: &str,
    argv: &[String],
    user: Option<&str>,
    docker: &[String],
) -> Result<(), ShellError> {
    const WATCH_S: u32 = 10;
    let mut tokens = limited(WATCH_S);
    tokens.extend(container_exec(name, argv, user).tokens(docker)?);
    tokens.extend(["||", "[", "$?", "-eq", "124", "]"].map(str::to_owned));
    script.tokens(&tokens);
    Ok(())
}

/// `timeout` ends a command with status 124 when its time is over.
fn limited(seconds: u32) -> Vec<String> {
    vec!["timeout".to_owned(), seconds.to_string()]
}

/// The script so far.
#[derive(Debug, Default)]
struct Script {
    text: String,
    indent: usize,
}

impl Script {
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.push_str(&"    ".repeat(self.indent));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// In one line, whatever is in the text.
    fn comment(&mut self, text: &str) {
        let mut line = "# ".to_owned();
        for character in text.chars() {
            if character.is_control() {
                // A text takes everything.
                let _ = write!(line, "{}", character.escape_default());
            } else {
                line.push(character);
            }
        }
        self.line(&line);
    }

    fn notes(&mut self, command: &Command) {
        for note in command.notes() {
            self.comment(note);
        }
    }

    fn command(&mut self, command: &Command, docker: &[String]) -> Result<(), ShellError> {
        let tokens = command.tokens(docker)?;
        self.notes(command);
        self.tokens(&tokens);
        Ok(())
    }

    /// Words that are quoted already, in lines that are not too long.
    fn tokens(&mut self, tokens: &[String]) {
        const WIDTH: usize = 100;
        let mut line = String::new();
        let mut width = self.indent * 4;
        for token in tokens {
            let length = token.chars().count();
            if !line.is_empty() {
                if width + 1 + length + " \\".len() > WIDTH {
                    line.push_str(" \\\n");
                    line.push_str(&"    ".repeat(self.indent + 1));
                    width = (self.indent + 1) * 4;
                } else {
                    line.push(' ');
                    width += 1;
                }
            }
            line.push_str(token);
            width += length;
        }
        self.line(&line);
    }
}

#[cfg(test)]
mod tests;
