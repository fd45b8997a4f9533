//! `dfab ssh`: a command, or a shell, on hosts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use dfab_deploy::host::Host;
use dfab_ssh::{Channel, Ending, Session, Terminal};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadHalf};

use super::Context;
use crate::arguments::Form;
use crate::failure::{Code, Failure, describe};
use crate::interrupt::Interrupt;
use crate::lines::Prefix;
use crate::relay::{
    self, Limits, Outcome, Shown, Sink, overall_code, relay, relay_all, relay_terminal, tell,
};
use crate::terminal::{self, Output};
use crate::tty;

/// How much output is read at once, in bytes.
const READ: usize = 32 * 1024;

/// Its command line.
pub(crate) fn command() -> Command {
    Command::new("ssh")
        .about("Run a command on hosts, or open a shell on one")
        .long_about(
            "Runs a command on each host, side by side, through the session that everything else \
             uses. One argument after -- is a command line for the user's shell; several are words, \
             each of which arrives as it is. Without a command, it is a shell on one host.\n\n\
             Several hosts: each line has the host's name before it, with control characters made \
             visible; the commands get no input; the exit code is 0, or 3 where some failed, 1 where \
             all did, 4 where no host could be reached. One host: bytes go through as they are, and \
             the exit code is the command's own. Ctrl-C ends the commands on the hosts.",
        )
        .arg(
            Arg::new("grouped")
                .long("grouped")
                .action(ArgAction::SetTrue)
                .help("Show the output of each host together, when its command has ended"),
        )
        .arg(
            Arg::new("terminal")
                .short('t')
                .action(ArgAction::SetTrue)
                .help("Give the command a terminal; for one host"),
        )
        .arg(
            Arg::new("no-input")
                .short('n')
                .action(ArgAction::SetTrue)
                .help("Give the command no input; for one host, others get none anyway"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64).range(1..))
                .help("End the command on a host where it runs longer"),
        )
        .arg(
            Arg::new("command")
                .value_name("CMD")
                .num_args(0..)
                .last(true)
                .help("What to run"),
        )
}

/// Runs the command on every host.
///
/// # Errors
/// Where nothing could be run at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let words: Vec<&String> = matches.get_many("command").into_iter().flatten().collect();
    let line = command_line(&words);
    if !context.common.names_hosts() {
        return Err(Failure::usage("no host is named").hint("dfab ssh -H HOSTS -- COMMAND"));
    }
    let hosts = context.hosts()?;
    let interrupt = Interrupt::listen()?;
    let json = context.common.output == Form::Json;
    let on_terminal = matches.get_flag("terminal") || (line.is_none() && tty::is_interactive());
    if let ([host], true) = (hosts.as_slice(), on_terminal && !json) {
        // A shell ends when its user says so.
        let session = on_one_terminal(host, line.as_deref(), &interrupt);
        let ended = context.asked_deadline.within(async { Ok(session.await) });
        let outcome = ended.await.unwrap_or_else(Outcome::Failed);
        tell(None, &outcome);
        return Ok(outcome.only_code());
    }
    if on_terminal {
        return Err(Failure::usage(
            "a terminal is for one host, and not for JSON",
        ));
    }
    // Without a command, the shell reads what comes on the standard input.
    let line = match (line, hosts.len()) {
        (Some(line), _) => line,
        (None, 1) if !json => r#"exec "${SHELL:-/bin/sh}""#.to_owned(),
        (None, _) => {
            return Err(Failure::usage("a command is wanted for several hosts")
                .hint("dfab ssh -H HOSTS -- COMMAND"));
        }
    };
    let names: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
    let prefixes = Prefix::for_all(&names);
    let shown = Shown::of(hosts.len(), json, matches.get_flag("grouped"));
    let limits = Limits {
        timeout: matches.get_one("timeout").copied().map(Duration::from_secs),
        deadline: context.deadline,
    };
    let several = hosts.len() > 1;
    let with_input = !several && !matches.get_flag("no-input");
    let work: Vec<_> = hosts.iter().zip(&prefixes).collect();
    let pace = context.common.pace(hosts.len(), 0);
    let name_of = |(host, _): &(&Arc<Host>, &Prefix)| host.name().to_owned();
    let results = relay_all(&pace, &work, name_of, async |(host, prefix)| {
        let mut sink = Sink::new(shown, host.name(), prefix);
        let start = Remote::start(host, &line, &interrupt);
        let outcome = match limits.deadline.within(start).await {
            Ok((remote, mut input)) => {
                if !with_input {
                    // Dropped, it would leave the channel open, and the command would wait for more.
                    let _ = input.shutdown().await;
                }
                let input = with_input.then_some(input);
                relay(remote, input, &mut sink, &interrupt, limits).await
            }
            Err(outcome) => outcome,
        };
        tell(several.then(|| host.name()), &outcome);
        (sink, outcome)
    })
    .await;
    let outcomes: Vec<&Outcome> = results.iter().map(|(_, outcome)| outcome).collect();
    let code = overall_code(&outcomes);
    if json {
        let results = names.iter().zip(results);
        let object: Map<String, Value> = results
            .map(|(name, (sink, outcome))| ((*name).to_owned(), sink.into_json(&outcome)))
            .collect();
        terminal::json(&Value::Object(object))?;
    }
    Ok(code)
}

/// One word is a command line; several are words that the shell must not split again.
fn command_line(words: &[&String]) -> Option<String> {
    match words {
        [] => None,
        [line] => Some((*line).clone()),
        words => Some(shell_words::join(words)),
    }
}

async fn on_one_terminal(host: &Host, line: Option<&str>, interrupt: &Interrupt) -> Outcome {
    let opened = async {
        let wanted = Terminal {
            name: tty::name(),
            size: tty::size(),
        };
        let process = session(host).await?.open_terminal(&wanted, line).await;
        process.map_err(|error| cannot_start(&error))
    };
    let process = tokio::select! {
        opened = opened => match opened {
            Ok(process) => process,
            Err(failure) => return Outcome::Failed(failure),
        },
        code = interrupt.wait() => return Outcome::Interrupted(code),
    };
    let resizer = process.resizer();
    let (channel, _, exit) = process.into_parts();
    let (output, input) = tokio::io::split(channel);
    let attended = OnTerminal {
        output,
        buffer: vec![0; READ],
        exit: Box::pin(exit),
    };
    let resize = async |size| resizer.resize(size);
    relay_terminal(attended, input, resize, true, interrupt)
        .await
        .unwrap_or_else(Outcome::Failed)
}

async fn session(host: &Host) -> Result<&Session, Failure> {
    host.session().await?.ok_or_else(|| {
        Failure::usage(format!(
            "{} is reached without SSH ({})",
            host.name(),
            host.address()
        ))
        .hint("name a host that is reached through SSH: -H HOST")
    })
}

fn cannot_start(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::failed(format!("cannot start the command: {}", describe(error)))
}

/// A command with its two outputs.
struct Remote<E> {
    stdout: ReadHalf<Channel>,
    stderr: E,
    stdout_ended: bool,
    stderr_ended: bool,
    stdout_buffer: Vec<u8>,
    stderr_buffer: Vec<u8>,
    ending: Ending,
}

impl Remote<()> {
    /// Starts a command line, unless the end is asked for first.
    async fn start(
        host: &Host,
        line: &str,
        interrupt: &Interrupt,
    ) -> Result<
        (
            Remote<impl AsyncRead + Unpin + use<>>,
            tokio::io::WriteHalf<Channel>,
        ),
        Outcome,
    > {
        let started = async {
            let started = session(host).await?.spawn(line).await;
            started.map_err(|error| cannot_start(&error))
        };
        let running = tokio::select! {
            started = started => started.map_err(Outcome::Failed)?,
            code = interrupt.wait() => return Err(Outcome::Interrupted(code)),
        };
        let (input, stdout, stderr, ending) = running.into_parts();
        let remote = Remote {
            stdout,
            stderr,
            stdout_ended: false,
            stderr_ended: false,
            stdout_buffer: vec![0; READ],
            stderr_buffer: vec![0; READ],
            ending,
        };
        Ok((remote, input))
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::failed(
        "the connection broke while the command ran; whether it was carried out is not known",
    )
    .because(error)
}

impl<E: AsyncRead + Unpin> relay::Command for Remote<E> {
    async fn next(&mut self) -> Result<Option<(Output, Bytes)>, Failure> {
        while !(self.stdout_ended && self.stderr_ended) {
            let (output, bytes) = tokio::select! {
                read = self.stdout.read(&mut self.stdout_buffer), if !self.stdout_ended => {
                    let count = read.map_err(broken)?;
                    self.stdout_ended = count == 0;
                    (Output::Data, self.stdout_buffer.get(..count))
                }
                read = self.stderr.read(&mut self.stderr_buffer), if !self.stderr_ended => {
                    let count = read.map_err(broken)?;
                    self.stderr_ended = count == 0;
                    (Output::People, self.stderr_buffer.get(..count))
                }
            };
            let bytes = bytes.unwrap_or_default();
            if !bytes.is_empty() {
                return Ok(Some((output, Bytes::copy_from_slice(bytes))));
            }
        }
        Ok(None)
    }

    async fn exit_code(&mut self) -> Result<i32, Failure> {
        let code = self.ending.exit().await;
        code.map_err(|error| Failure::failed(describe(&error)))
    }

    async fn end(self) {
        self.ending.end().await;
    }
}

/// A command, or a shell, on a terminal.
struct OnTerminal<X> {
    output: ReadHalf<Channel>,
    buffer: Vec<u8>,
    exit: X,
}

impl<X: Future<Output = Option<i32>> + Unpin> relay::Command for OnTerminal<X> {
    async fn next(&mut self) -> Result<Option<(Output, Bytes)>, Failure> {
        let count = self.output.read(&mut self.buffer).await.map_err(broken)?;
        let bytes = self.buffer.get(..count).unwrap_or_default();
        Ok((count > 0).then(|| (Output::Data, Bytes::copy_from_slice(bytes))))
    }

    async fn exit_code(&mut self) -> Result<i32, Failure> {
        let code = (&mut self.exit).await;
        code.ok_or_else(|| Failure::failed("the connection broke before the end of the command"))
    }

    async fn end(self) {
        // The end of its terminal is the end of what runs on it.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_line_and_several_are_words() {
        let line = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            command_line(&words.iter().collect::<Vec<_>>())
        };
        assert_eq!(line(&[]), None);
        assert_eq!(line(&["ls | wc -l"]).as_deref(), Some("ls | wc -l"));
        assert_eq!(
            line(&["echo", "a b", "$HOME", ""]).as_deref(),
            Some("echo 'a b' '$HOME' ''")
        );
    }
}
