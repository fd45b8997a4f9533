//! Commands that run elsewhere, and where their output goes: as it is, by lines with names, by
//! groups, or kept.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use dfab_deploy::execute::Pace;
use dfab_ssh::TerminalSize;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::{NOT_BEGUN, overall};
use crate::deadline::{Deadline, over};
use crate::failure::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::lines::{Lines, Prefix, visible};
use crate::pace::paced;
use crate::terminal::{self, Output};
use crate::tty;

/// How much output is kept of one command, in bytes.
const KEPT: usize = 64 * 1024 * 1024;
/// How much of the input is read at once, in bytes.
const INPUT: usize = 16 * 1024;

/// A command that runs elsewhere.
pub(crate) trait Command {
    /// The next piece of its output, and which; none at the end. May be dropped at any time, and
    /// called again.
    async fn next(&mut self) -> Result<Option<(Output, Bytes)>, Failure>;

    /// Its exit code, after the end of its output.
    async fn exit_code(&mut self) -> Result<i32, Failure>;

    /// Ends it before its time, as far as that can be done.
    async fn end(self);
}

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With this exit code.
    Exited(i32),
    /// It did not run, or nobody knows how it ended.
    Failed(Failure),
    /// By a signal to dfab, with the exit code for that.
    Interrupted(u8),
    /// Nobody reads its output any more.
    Unread,
}

impl Outcome {
    /// What it means where it is one of several.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Exited(0) | Self::Unread => Code::Done,
            Self::Exited(_) => Code::Failed,
            Self::Failed(failure) => failure.code,
            Self::Interrupted(code) => Code::Passed(*code),
        }
    }

    /// What it means where it is the only one: the command's own exit code.
    pub(crate) fn only_code(&self) -> Code {
        match self {
            Self::Exited(code) if *code != 0 => {
                u8::try_from(*code).map_or(Code::Failed, Code::Passed)
            }
            other => other.code(),
        }
    }
}

/// How long commands may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Each of them.
    pub(crate) timeout: Option<Duration>,
    /// All of them.
    pub(crate) deadline: Deadline,
}

impl Limits {
    /// Waits until a command that begins now has run too long; why it is ended.
    async fn wait(self) -> Failure {
        let slow = async {
            match self.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = slow => {
                let seconds = self.timeout.unwrap_or_default().as_secs_f64();
                Failure::failed(format!("it still ran after {seconds} s and was ended"))
            }
            () = self.deadline.wait() => over(),
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Where the output of one command goes.
#[derive(Debug)]
pub(crate) enum Sink {
    /// As it comes, byte for byte.
    Raw,
    /// By lines.
    Lines {
        prefix: Prefix,
        data: Lines,
        people: Lines,
    },
    /// All of it together at the end, under the name.
    Group {
        name: String,
        kept: Vec<(Output, Vec<u8>)>,
    },
    /// Into the result.
    Kept { data: Vec<u8>, people: Vec<u8> },
}

/// How the output of commands is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Raw,
    Lines,
    Group,
    Kept,
}

impl Shown {
    /// How that of so many is.
    pub(crate) fn of(commands: usize, json: bool, group: bool) -> Self {
        match commands {
            _ if json => Self::Kept,
            1 => Self::Raw,
            _ if group => Self::Group,
            _ => Self::Lines,
        }
    }
}

impl Sink {
    /// For the command of that name.
    pub(crate) fn new(shown: Shown, name: &str, prefix: &Prefix) -> Self {
        match shown {
            Shown::Raw => Self::Raw,
            Shown::Lines => Self::Lines {
                prefix: prefix.clone(),
                data: Lines::default(),
                people: Lines::default(),
            },
            Shown::Group => Self::Group {
                name: name.to_owned(),
                kept: Vec::new(),
            },
            Shown::Kept => Self::Kept {
                data: Vec::new(),
                people: Vec::new(),
            },
        }
    }

    fn take(&mut self, output: Output, bytes: &Bytes) -> std::io::Result<()> {
        let too_much = || std::io::Error::new(ErrorKind::FileTooLarge, "too much output");
        match self {
            Self::Raw => output.write(bytes),
            Self::Lines {
                prefix,
                data,
                people,
            } => {
                let lines = match output {
                    Output::Data => data,
                    Output::People => people,
                };
                lines.push(bytes, |line| prefix.write(output, line))
            }
            Self::Group { kept, .. } => {
                let size: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
                if size + bytes.len() > KEPT {
                    return Err(too_much());
                }
                match kept.last_mut() {
                    Some((last, known)) if *last == output => known.extend_from_slice(bytes),
                    _ => kept.push((output, bytes.to_vec())),
                }
                Ok(())
            }
            Self::Kept { data, people } => {
                let kept = match output {
                    Output::Data => data,
                    Output::People => people,
                };
                if kept.len() + bytes.len() > KEPT {
                    return Err(too_much());
                }
                kept.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Writes what waits for the end.
    fn finish(&mut self) -> std::io::Result<()> {
        match self {
            Self::Raw | Self::Kept { .. } => Ok(()),
            Self::Lines {
                prefix,
                data,
                people,
            } => {
                for (output, lines) in [(Output::Data, data), (Output::People, people)] {
                    if let Some(line) = lines.finish() {
                        prefix.write(output, &line)?;
                    }
                }
                Ok(())
            }
            Self::Group { name, kept } => {
                Output::Data.write(format!("{}:\n", terminal::plain(name)).as_bytes())?;
                for (output, bytes) in std::mem::take(kept) {
                    let mut lines = Lines::default();
                    let write =
                        |line: &[u8]| output.write(format!("{}\n", visible(line)).as_bytes());
                    lines.push(&bytes, write)?;
                    if let Some(line) = lines.finish() {
                        write(&line)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// A result with what was kept.
    pub(crate) fn into_json(self, outcome: &Outcome) -> Value {
        let mut result = Map::new();
        let mut insert = |name: &str, value: Value| result.insert(name.to_owned(), value);
        if let Self::Kept { data, people } = self {
            insert("stdout", json!(String::from_utf8_lossy(&data)));
            insert("stderr", json!(String::from_utf8_lossy(&people)));
        }
        match outcome {
            Outcome::Exited(code) => insert("exit_code", json!(code)),
            Outcome::Failed(failure) => insert("error", json!(failure.to_string())),
            Outcome::Interrupted(_) | Outcome::Unread => insert("error", json!("interrupted")),
        };
        Value::Object(result)
    }
}

/// Tells what went wrong, with the name where there are several.
pub(crate) fn tell(name: Option<&str>, outcome: &Outcome) {
    let text = match outcome {
        Outcome::Exited(0) | Outcome::Interrupted(_) | Outcome::Unread => return,
        // Who ran one command knows it from the exit code.
        Outcome::Exited(_) if name.is_none() => return,
        Outcome::Exited(code) => format!("exit code {code}"),
        Outcome::Failed(failure) => failure.to_string(),
    };
    let text = terminal::plain(&text);
    match name {
        Some(name) => terminal::tell(&format!("{}: {text}", terminal::plain(name))),
        None => terminal::tell(&format!("error: {text}")),
    }
}

/// The exit code of all: the command's own where it is the only one. That of an interrupt goes
/// before.
pub(crate) fn overall_code(outcomes: &[&Outcome]) -> Code {
    if let [only] = outcomes {
        return only.only_code();
    }
    let codes: Vec<Code> = outcomes.iter().map(|outcome| outcome.code()).collect();
    let passed = codes.iter().find(|code| matches!(code, Code::Passed(_)));
    passed.copied().unwrap_or_else(|| overall(&codes))
}

/// Runs commands at a pace, one on each host. One that was not begun, since too many others had failed,
/// is told by its name.
pub(crate) async fn relay_all<I: Copy>(
    pace: &Pace,
    items: &[I],
    name: impl Fn(&I) -> String,
    work: impl AsyncFn(I) -> (Sink, Outcome),
) -> Vec<(Sink, Outcome)> {
    let hosts: Vec<&[I]> = items.chunks(1).collect();
    relay_by_host(pace, &hosts, name, work).await
}

/// The same for several on each host, all of which are begun with it.
pub(crate) async fn relay_by_host<I: Copy>(
    pace: &Pace,
    hosts: &[&[I]],
    name: impl Fn(&I) -> String,
    work: impl AsyncFn(I) -> (Sink, Outcome),
) -> Vec<(Sink, Outcome)> {
    let failed = |results: &Vec<(Sink, Outcome)>| {
        let codes = results.iter().map(|(_, outcome)| outcome.code());
        codes.into_iter().any(|code| code != Code::Done)
    };
    let on_host = |items: &[I]| {
        let running = stream::iter(items.to_vec()).map(|item| work(item));
        running.buffered(pace.at_once).collect::<Vec<_>>()
    };
    let results = paced(pace, hosts, on_host, failed).await;
    let not_begun = |item: &I| {
        let outcome = Outcome::Failed(Failure::failed(NOT_BEGUN));
        tell(Some(&name(item)), &outcome);
        (Sink::Raw, outcome)
    };
    let results = results.into_iter().zip(hosts);
    results
        .flat_map(|(of_host, items)| {
            of_host.unwrap_or_else(|| items.iter().map(not_begun).collect())
        })
        .collect()
}

/// Leads a command to its end, with its output into the sink. An interrupt, a deadline, and a reader
/// that has gone end it before.
pub(crate) async fn relay<C: Command>(
    mut command: C,
    input: Option<impl AsyncWrite + Unpin>,
    sink: &mut Sink,
    interrupt: &Interrupt,
    limits: Limits,
) -> Outcome {
    let feed = async {
        match input {
            Some(input) => feed(input).await,
            None => std::future::pending().await,
        }
    };
    let too_late = limits.wait();
    tokio::pin!(feed, too_late);
    let mut fed = false;
    let early = loop {
        tokio::select! {
            piece = command.next() => match piece {
                Ok(Some((output, bytes))) => match sink.take(output, &bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => break Outcome::Unread,
                    Err(error) => break Outcome::Failed(
                        Failure::failed("its output cannot be passed on, and it was ended")
                            .because(error),
                    ),
                },
                Ok(None) => {
                    let ended = tokio::select! {
                        code = command.exit_code() => code,
                        code = interrupt.wait() => break Outcome::Interrupted(code),
                        failure = &mut too_late => break Outcome::Failed(failure),
                    };
                    return finished(sink, ended);
                }
                Err(failure) => return finished(sink, Err(failure)),
            },
            () = &mut feed, if !fed => fed = true,
            code = interrupt.wait() => break Outcome::Interrupted(code),
            failure = &mut too_late => break Outcome::Failed(failure),
        }
    };
    command.end().await;
    // What was said until then is still worth seeing.
    let _ = sink.finish();
    early
}

fn finished(sink: &mut Sink, ended: Result<i32, Failure>) -> Outcome {
    match (ended, sink.finish()) {
        (Err(failure), _) => Outcome::Failed(failure),
        (Ok(_), Err(error)) if error.kind() == ErrorKind::BrokenPipe => Outcome::Unread,
        (Ok(_), Err(error)) => {
            Outcome::Failed(Failure::failed("cannot write the output").because(error))
        }
        (Ok(code), Ok(())) => Outcome::Exited(code),
    }
}

/// Passes dfab's own input on, to its end.
async fn feed(mut input: impl AsyncWrite + Unpin) {
    // A command need not read all of its input.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut input).await;
    let _ = input.shutdown().await;
}

/// Leads a command on a terminal to its end: every key goes to it, and its output to the screen.
/// `resize` tells it how large the terminal is. With `escape`, `~.` at the beginning of a line ends
/// the connection, as with ssh: on a dead one no other key would do anything.
pub(crate) async fn relay_terminal<C: Command>(
    mut command: C,
    mut input: impl AsyncWrite + Unpin,
    resize: impl AsyncFn(TerminalSize),
    escape: bool,
    interrupt: &Interrupt,
) -> Result<Outcome, Failure> {
    let mut resized = signal(SignalKind::window_change())
        .map_err(|error| Failure::failed("cannot wait for signals").because(error))?;
    let _restored = if tty::is_interactive() {
        Some(tty::raw()?)
    } else {
        None
    };
    let mut stdin = tokio::io::stdin();
    let mut keys = vec![0; INPUT];
    let mut keys_end = false;
    let mut escapes = Escape::default();
    let early = loop {
        tokio::select! {
            piece = command.next() => match piece {
                Ok(Some((_, bytes))) => if Output::Data.write(&bytes).is_err() {
                    break Outcome::Unread;
                },
                Ok(None) => return Ok(match command.exit_code().await {
                    Ok(code) => Outcome::Exited(code),
                    Err(failure) => Outcome::Failed(failure),
                }),
                Err(failure) => return Ok(Outcome::Failed(failure)),
            },
            read = stdin.read(&mut keys), if !keys_end => {
                let typed = keys.get(..read.unwrap_or(0)).unwrap_or_default();
                if escape && escapes.asks_for_end(typed) {
                    break Outcome::Failed(Failure::failed("the connection was closed, as ~. asks for"));
                }
                if typed.is_empty() {
                    keys_end = true;
                    let _ = input.shutdown().await;
                } else if input.write_all(typed).await.is_err() {
                    // It takes no more input, and what it still says is read above.
                    keys_end = true;
                }
            }
            _ = resized.recv() => resize(tty::size()).await,
            code = interrupt.wait() => break Outcome::Interrupted(code),
        }
    };
    command.end().await;
    Ok(early)
}

/// Watches for Enter, tilde, full stop.
#[derive(Debug)]
struct Escape {
    at_line_start: bool,
    after_tilde: bool,
}

impl Default for Escape {
    fn default() -> Self {
        Self {
            at_line_start: true,
            after_tilde: false,
        }
    }
}

impl Escape {
    fn asks_for_end(&mut self, typed: &[u8]) -> bool {
        for key in typed {
            if self.after_tilde && *key == b'.' {
                return true;
            }
            self.after_tilde = self.at_line_start && *key == b'~';
            self.at_line_start = matches!(key, b'\r' | b'\n');
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_of_one_is_passed_on_and_of_several_told() {
        assert_eq!(Outcome::Exited(7).only_code(), Code::Passed(7));
        assert_eq!(Outcome::Exited(7).code(), Code::Failed);
        assert_eq!(Outcome::Exited(-1).only_code(), Code::Failed);
        assert_eq!(Outcome::Exited(0).only_code(), Code::Done);
        assert_eq!(Outcome::Interrupted(130).only_code(), Code::Passed(130));
    }

    #[test]
    fn an_interrupt_is_the_exit_code_of_all() {
        let (done, failed) = (Outcome::Exited(0), Outcome::Exited(5));
        assert_eq!(
            overall_code(&[&done, &Outcome::Interrupted(130)]),
            Code::Passed(130)
        );
        assert_eq!(overall_code(&[&done, &failed]), Code::SomeHostsFailed);
        assert_eq!(overall_code(&[&failed, &failed]), Code::Failed);
        assert_eq!(overall_code(&[&failed]), Code::Passed(5));
    }

    #[test]
    fn only_at_the_beginning_of_a_line_a_tilde_and_a_full_stop_end() {
        let ends = |keys: &[&str]| {
            let mut escape = Escape::default();
            keys.iter()
                .any(|typed| escape.asks_for_end(typed.as_bytes()))
        };
        assert!(ends(&["~."]));
        assert!(ends(&["ls\r", "~", "."]));
        assert!(!ends(&["cd ~.", "\rls ~."]));
        assert!(!ends(&["\r~x."]));
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let mut sink = Sink::Kept {
            data: Vec::new(),
            people: Vec::new(),
        };
        let half = Bytes::from(vec![0; KEPT / 2]);
        assert!(sink.take(Output::Data, &half).is_ok());
        assert!(sink.take(Output::Data, &half).is_ok());
        assert!(sink.take(Output::Data, &Bytes::from_static(b"x")).is_err());
        assert!(sink.take(Output::People, &half).is_ok());
    }
}
