//! `dfab logs`: what containers print, from all hosts in one.

use std::io::{self, ErrorKind};

use clap::{Arg, ArgAction, ArgMatches, Command};
use dfab_engine::{Engine, LogQuery};
use futures_util::future;
use jiff::Timestamp;
use serde_json::json;

use super::choice::{Choice, Seen, argument, engine_failure, label, references};
use super::follow::{Follower, look};
use super::merge::{Line, Source, Supply, merge};
use super::{Context, overall};
use crate::arguments::Form;
use crate::deadline::over;
use crate::failure::{Code, Failure, describe};
use crate::instant;
use crate::interrupt::Interrupt;
use crate::lines::Prefix;
use crate::terminal::{self, Output};

/// How many containers of a host are followed where each takes a process on it: sshd allows ten, and
/// the others are for calls.
const PROCESSES: usize = 2;
/// How much is held of each container there, in bytes, since they are read one after another.
const HELD: usize = 64 * 1024 * 1024;

/// Its command line.
pub(crate) fn command() -> Command {
    Command::new("logs")
        .about("Show what containers print, on all their hosts")
        .long_about(
            "Shows the output of containers, standard output on stdout and standard error on stderr. \
             One container: bytes as they are. Several: in the order of time, each line with the name \
             of its container before it and control characters made visible.\n\n\
             With -f, lines come as they are printed, and a container that ends is waited for: when \
             it is started again, or made anew under its name, its output goes on. Ctrl-C ends this, \
             with exit code 0.",
        )
        .arg(argument(true).num_args(1..))
        .arg(
            Arg::new("follow")
                .short('f')
                .long("follow")
                .action(ArgAction::SetTrue)
                .help("Go on as lines are printed"),
        )
        .arg(
            Arg::new("tail")
                .long("tail")
                .value_name("N")
                .value_parser(tail)
                .help("Only the last N lines of each container, or `all`"),
        )
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .value_parser(since)
                .help("Only what is not older: 10m, 1h30m, 2d; or 2026-01-31T10:00:00Z, in UTC where no zone is given"),
        )
        .arg(
            Arg::new("timestamps")
                .short('t')
                .long("timestamps")
                .action(ArgAction::SetTrue)
                .help("Put the engine's time before each line"),
        )
}

fn tail(text: &str) -> Result<Option<u64>, String> {
    if text == "all" {
        return Ok(None);
    }
    let number = text.parse().map(Some);
    number.map_err(|_| "a number of lines is wanted, or `all`".to_owned())
}

fn since(text: &str) -> Result<Timestamp, String> {
    instant::since(text, Timestamp::now()).ok_or_else(|| {
        "a time is wanted: how long ago, such as 10m, or 2026-01-31T10:00:00Z".to_owned()
    })
}

/// A container whose output is shown.
pub(super) struct Target<'a> {
    host: &'a str,
    pub(super) engine: &'a Engine,
    pub(super) container: String,
    label: String,
}

/// Shows the output.
///
/// # Errors
/// Where nothing can be shown at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let references = references(matches);
    let interrupt = Interrupt::listen()?;
    let follow = matches.get_flag("follow");
    let work = show(context, matches, &references, follow);
    // Who follows ends it when there was enough to see.
    let enough = async {
        match follow {
            true => context.asked_deadline.wait().await,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        result = work => result,
        code = interrupt.wait() => Ok(if follow { Code::Done } else { Code::Passed(code) }),
        () = enough => Ok(Code::Done),
    }
}

async fn show(
    context: &Context,
    matches: &ArgMatches,
    references: &[String],
    follow: bool,
) -> Result<Code, Failure> {
    let choice = Choice::new(context, references)?;
    let seen = choice.look().await;
    if let Some(failure) = choice.found_nowhere(&seen).into_iter().next() {
        return Err(failure);
    }
    let hosts = choice.hosts.len();
    let mut targets = Vec::new();
    let mut codes = Vec::new();
    for (of_host, seen) in choice.hosts.iter().zip(&seen) {
        let host = of_host.host.name();
        match seen {
            Ok(seen) => {
                let found = of_one(seen, host, hosts, follow, &mut codes);
                targets.extend(found);
            }
            Err(failure) => {
                terminal::tell(&format!(
                    "{host}: {}",
                    terminal::plain(&failure.to_string())
                ));
                codes.push(failure.code);
            }
        }
    }
    let names: Vec<&str> = targets.iter().map(|target| target.label.as_str()).collect();
    let printer = Printer {
        prefixes: (targets.len() + codes.len() > 1).then(|| Prefix::for_all(&names)),
        timestamps: matches.get_flag("timestamps"),
        json: context.common.output == Form::Json,
    };
    let query = LogQuery {
        follow,
        tail: matches.get_one::<Option<u64>>("tail").copied().flatten(),
        since: matches
            .get_one::<Timestamp>("since")
            .map(|since| instant::for_engine(*since)),
    };
    let shown = if follow {
        check_processes(&targets)?;
        let streams = targets.iter().enumerate();
        let streams = streams.map(|(index, target)| {
            let printer = &printer;
            let query = query.clone();
            async move {
                Follower::new(target, query)
                    .run(|line| printer.print(index, target, &line))
                    .await
            }
        });
        future::try_join_all(streams).await.map(drop)
    } else {
        let showing = past(&choice, &targets, &query, &printer, &mut codes);
        // What was shown by then stays.
        let shown = tokio::select! {
            shown = showing => Some(shown),
            () = context.deadline.wait() => None,
        };
        shown.unwrap_or_else(|| {
            for target in &targets {
                tell(target, &over().to_string());
            }
            codes.push(Code::Failed);
            Ok(())
        })
    };
    match shown {
        Ok(()) => {}
        // Nobody reads it any more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => return Err(Failure::failed("cannot write the output").because(error)),
    }
    Ok(overall(&codes))
}

/// The containers of one host. What is not there is told, or waited for.
fn of_one<'a>(
    seen: &'a Seen<'a>,
    host: &'a str,
    hosts: usize,
    follow: bool,
    codes: &mut Vec<Code>,
) -> Vec<Target<'a>> {
    let (mut names, missing) = seen.meant();
    for name in missing {
        let shown = label(host, &name, hosts);
        if follow {
            terminal::tell(&format!(
                "{shown}: there is no such container yet; it is waited for"
            ));
            names.push(name);
        } else {
            terminal::tell(&format!("{shown}: there is no such container"));
            codes.push(Code::Failed);
        }
    }
    names
        .into_iter()
        .map(|container| Target {
            host,
            engine: seen.engine,
            label: label(host, &container, hosts),
            container,
        })
        .collect()
}

/// Refuses to follow more containers of a host than it has processes for: they would wait for each
/// other without an end.
fn check_processes(targets: &[Target<'_>]) -> Result<(), Failure> {
    for target in targets {
        let kind = target.engine.channel();
        let count = targets
            .iter()
            .filter(|other| other.host == target.host)
            .count();
        if kind.is_process() && count > PROCESSES {
            return Err(Failure::usage(format!(
                "{count} containers of {} cannot be followed at once: its engine is reached through \
                 {kind}, which takes a process for each, and {PROCESSES} are possible",
                target.host
            ))
            .hint("name fewer containers, or allow forwarding to the engine's socket (AllowStreamLocalForwarding in sshd_config)"));
        }
    }
    Ok(())
}

/// Writes lines.
struct Printer {
    /// Where there are several.
    prefixes: Option<Vec<Prefix>>,
    timestamps: bool,
    json: bool,
}

impl Printer {
    fn print(&self, index: usize, target: &Target<'_>, line: &Line) -> io::Result<()> {
        let output = if line.is_error {
            Output::People
        } else {
            Output::Data
        };
        if self.json {
            let line = json!({
                "host": target.host,
                "container": target.container,
                "time": line.stamp,
                "stream": if line.is_error { "stderr" } else { "stdout" },
                "text": String::from_utf8_lossy(&line.text),
            });
            return Output::Data.write(format!("{line}\n").as_bytes());
        }
        let mut bytes = Vec::with_capacity(line.text.len() + line.stamp.len() + 2);
        if self.timestamps {
            bytes.extend_from_slice(line.stamp.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&line.text);
        match self.prefixes.as_ref().and_then(|all| all.get(index)) {
            Some(prefix) => prefix.write(output, &bytes),
            None => {
                if line.is_whole {
                    bytes.push(b'\n');
                }
                output.write(&bytes)
            }
        }
    }
}

/// Shows what was printed so far, in the order of time.
async fn past(
    choice: &Choice,
    targets: &[Target<'_>],
    query: &LogQuery,
    printer: &Printer,
    codes: &mut Vec<Code>,
) -> io::Result<()> {
    let all: Vec<&Target<'_>> = targets.iter().collect();
    let opened = choice
        .for_each(&all, async |target| open(target, query).await)
        .await;
    let mut shown = Vec::new();
    let mut sources = Vec::new();
    for (index, opened) in opened.into_iter().enumerate() {
        match opened {
            Ok(source) => {
                shown.push(index);
                sources.push(source);
                codes.push(Code::Done);
            }
            Err(failure) => {
                if let Some(target) = targets.get(index) {
                    tell(target, &failure.to_string());
                }
                codes.push(failure.code);
            }
        }
    }
    let of = |index: usize| {
        let index = shown.get(index).copied().unwrap_or(index);
        targets.get(index).map(|target| (index, target))
    };
    let mut failed = Vec::new();
    let merged = merge(
        &mut sources,
        |index, line| match of(index) {
            Some((index, target)) => printer.print(index, target, &line),
            None => Ok(()),
        },
        |index, error| {
            if let Some((_, target)) = of(index) {
                tell(target, &describe(&error));
            }
            failed.push(Code::Failed);
        },
    );
    let result = merged.await;
    codes.extend(failed);
    result
}

pub(super) fn tell(target: &Target<'_>, text: &str) {
    terminal::tell(&format!("{}: {}", target.label, terminal::plain(text)));
}

/// Where lines of the past come from.
enum Past {
    Open(Box<Source>),
    /// Where each reader takes a process on the host, readers cannot be held open side by side.
    Read(std::vec::IntoIter<Line>),
}

impl Supply for Past {
    type Error = dfab_engine::EngineError;

    async fn next_line(&mut self) -> Result<Option<Line>, Self::Error> {
        match self {
            Self::Open(source) => source.next_line().await,
            Self::Read(lines) => Ok(lines.next()),
        }
    }
}

async fn open(target: &Target<'_>, query: &LogQuery) -> Result<Past, Failure> {
    let life = look(target).await.map_err(engine_failure)?;
    let Some(life) = life else {
        return Err(Failure::failed("the container has gone"));
    };
    let reader = target
        .engine
        .read_logs(&target.container, life.terminal, query)
        .await
        .map_err(engine_failure)?;
    let mut source = Source::new(reader, life.terminal);
    if !target.engine.channel().is_process() {
        return Ok(Past::Open(Box::new(source)));
    }
    let mut lines = Vec::new();
    let mut size = 0;
    while let Some(line) = source.next().await.map_err(engine_failure)? {
        size += line.text.len();
        if size > HELD {
            return Err(Failure::failed(format!(
                "it has printed more than {} MiB, which is too much through {}",
                HELD >> 20,
                target.engine.channel()
            ))
            .hint("give --tail or --since"));
        }
        lines.push(line);
    }
    Ok(Past::Read(lines.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_is_shown_is_checked() {
        assert_eq!(tail("all"), Ok(None));
        assert_eq!(tail("0"), Ok(Some(0)));
        assert!(tail("-1").is_err() && since("never").is_err());
    }
}
