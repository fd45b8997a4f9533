//! `dfab top`: what the containers on all hosts use.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use dfab_engine::Usage;
use futures_util::{StreamExt as _, future, stream};
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt as _;

use super::choice::{Choice, HostChoice, Seen, argument, references};
use super::{Context, overall};
use crate::arguments::Form;
use crate::deadline::Deadline;
use crate::failure::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::terminal::{self, Output};
use crate::tty;

/// How far apart the two samples of a snapshot are.
const BETWEEN: Duration = Duration::from_secs(1);
/// How many containers of a host are asked at a time.
const AT_A_TIME: usize = 16;
/// Takes the alternate screen and hides the cursor, and gives both back.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// Its command line.
pub(crate) fn command() -> Command {
    Command::new("top")
        .about("Show what containers use, on all hosts, live")
        .long_about(
            "Shows the running containers of all hosts with what they use, the busiest first: percent \
             of one processor, memory without file cache and its limit, bytes over the network, and \
             processes, counted as `docker stats` does. q or Ctrl-C ends it.",
        )
        .arg(argument(false))
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("Show it once; also where stdout is no terminal, and with JSON"),
        )
        .arg(
            Arg::new("interval")
                .long("interval")
                .value_name("SECONDS")
                .default_value("2")
                .value_parser(value_parser!(u64).range(1..=3600))
                .help("How often it is shown anew"),
        )
}

/// Shows what is used.
///
/// # Errors
/// Where nothing can be shown at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let references = references(matches);
    let json = context.common.output == Form::Json;
    let interrupt = Interrupt::listen()?;
    let choice = Choice::new(context, &references)?;
    if json || matches.get_flag("once") || !tty::is_interactive() {
        return tokio::select! {
            result = once(&choice, json) => result,
            code = interrupt.wait() => Ok(Code::Passed(code)),
        };
    }
    let seconds: u64 = matches.get_one("interval").copied().unwrap_or(2);
    let interval = Duration::from_secs(seconds);
    live(&choice, interval, &interrupt, context.asked_deadline).await
}

/// A container, and what it uses.
#[derive(Debug, Clone)]
struct Row {
    host: String,
    container: String,
    usage: Usage,
    /// None until there are two samples.
    cpu: Option<f64>,
}

/// The samples of one host.
#[derive(Debug, Default)]
struct Sampled {
    /// By id: a container that is made anew begins anew.
    before: HashMap<String, Usage>,
    rows: Vec<Row>,
    error: Option<String>,
}

/// Samples the running containers of a host.
///
/// # Errors
/// Where the engine cannot be reached. A container that ends meanwhile is left out.
async fn sample(
    choice: &HostChoice,
    everything: bool,
    sampled: &mut Sampled,
) -> Result<(), Failure> {
    let seen = Seen::look(choice).await?;
    let meant = seen.meant().0;
    let running = seen
        .containers
        .iter()
        .filter(|one| one.state == "running")
        .filter(|one| everything || meant.iter().any(|name| name == one.name()));
    let engine = seen.engine;
    let usages: Vec<_> = stream::iter(running)
        .map(|one| async move { (one, engine.usage(&one.id).await) })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let mut now = HashMap::new();
    let mut rows = Vec::new();
    for (one, usage) in usages {
        let usage = match usage {
            Ok(usage) => usage,
            Err(error) if error.is_unreachable() => {
                return Err(super::choice::engine_failure(error));
            }
            Err(_) => continue,
        };
        let before = sampled.before.get(&one.id);
        rows.push(Row {
            host: choice.host.name().to_owned(),
            container: one.name().to_owned(),
            cpu: before.and_then(|before| usage.cpu_percent(before)),
            usage: usage.clone(),
        });
        now.insert(one.id.clone(), usage);
    }
    sampled.before = now;
    sampled.rows = rows;
    Ok(())
}

/// One snapshot, from two samples.
async fn once(choice: &Choice, json: bool) -> Result<Code, Failure> {
    let seen = choice.look().await;
    if let Some(failure) = choice.found_nowhere(&seen).into_iter().next() {
        return Err(failure);
    }
    drop(seen);
    let hosts: Vec<&HostChoice> = choice.hosts.iter().collect();
    let work = async |host: &HostChoice| {
        let mut sampled = Sampled::default();
        sample(host, choice.everything, &mut sampled).await?;
        tokio::time::sleep(BETWEEN).await;
        sample(host, choice.everything, &mut sampled).await?;
        Ok::<_, Failure>(sampled.rows)
    };
    let results = choice.for_each(&hosts, work).await;
    let mut rows = Vec::new();
    let mut object = Map::new();
    let mut codes = Vec::new();
    for (host, result) in hosts.iter().zip(results) {
        let name = host.host.name();
        match result {
            Ok(mut of_host) => {
                sort(&mut of_host);
                object.insert(name.to_owned(), of_host.iter().map(as_json).collect());
                rows.extend(of_host);
                codes.push(Code::Done);
            }
            Err(failure) => {
                let text = terminal::plain(&failure.to_string());
                terminal::tell(&format!("{name}: {text}"));
                object.insert(name.to_owned(), json!({ "error": text }));
                codes.push(failure.code);
            }
        }
    }
    if json {
        terminal::json(&Value::Object(object))?;
    } else {
        sort(&mut rows);
        terminal::data(&table(&rows))?;
    }
    Ok(overall(&codes))
}

/// Shows it anew until the end is asked for. A host that is slow holds up no other.
async fn live(
    choice: &Choice,
    interval: Duration,
    interrupt: &Interrupt,
    deadline: Deadline,
) -> Result<Code, Failure> {
    let states: Vec<Arc<Mutex<Sampled>>> = choice.hosts.iter().map(|_| Arc::default()).collect();
    let sampling = choice
        .hosts
        .iter()
        .zip(&states)
        .map(|(host, state)| async move {
            let mut sampled = Sampled::default();
            loop {
                let error = sample(host, choice.everything, &mut sampled).await.err();
                let first = sampled.rows.iter().any(|row| row.cpu.is_none());
                {
                    let mut shown = state.lock().unwrap_or_else(PoisonError::into_inner);
                    shown.error = error.map(|error| error.to_string());
                    shown.rows.clone_from(&sampled.rows);
                }
                tokio::time::sleep(if first {
                    BETWEEN.min(interval)
                } else {
                    interval
                })
                .await;
            }
        });
    let drawing = async {
        loop {
            if let Err(failure) = draw(choice, &states) {
                break failure;
            }
            tokio::time::sleep(BETWEEN.min(interval)).await;
        }
    };
    let _keys = tty::by_key()?;
    let _screen = Screen::enter()?;
    tokio::select! {
        _ = future::join_all(sampling) => Ok(Code::Done),
        failure = drawing => Err(failure),
        () = quit() => Ok(Code::Done),
        _ = interrupt.wait() => Ok(Code::Done),
        () = deadline.wait() => Ok(Code::Done),
    }
}

/// The alternate screen; dropping this brings the other back.
struct Screen;

impl Screen {
    fn enter() -> Result<Self, Failure> {
        written(Output::Data.write(ENTER.as_bytes()))?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = Output::Data.write(LEAVE.as_bytes());
    }
}

fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure::failed("cannot write to the terminal").because(error))
}

async fn quit() {
    let mut stdin = tokio::io::stdin();
    let mut key = [0];
    while let Ok(1) = stdin.read(&mut key).await {
        if matches!(key, [b'q' | b'Q']) {
            return;
        }
    }
    // Without keys there still are signals.
    future::pending().await
}

fn draw(choice: &Choice, states: &[Arc<Mutex<Sampled>>]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for (host, state) in choice.hosts.iter().zip(states) {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        rows.extend(state.rows.iter().cloned());
        if let Some(error) = &state.error {
            let first = error.lines().next().unwrap_or_default();
            errors.push(format!("{}: {}", host.host.name(), terminal::plain(first)));
        }
    }
    sort(&mut rows);
    let size = tty::size();
    let text = screen(
        &table(&rows),
        &errors,
        size.columns.into(),
        size.rows.into(),
    );
    written(Output::Data.write(text.as_bytes()))
}

/// The text that draws it: as much as the terminal has room for, over what was there.
fn screen(table: &str, errors: &[String], columns: usize, rows: usize) -> String {
    let room = rows.saturating_sub(errors.len());
    let lines: Vec<&str> = table.lines().collect();
    let mut shown: Vec<String> = lines
        .iter()
        .take(room)
        .map(|line| (*line).to_owned())
        .collect();
    let hidden = lines.len().saturating_sub(room);
    if hidden > 0 && !shown.is_empty() {
        shown.pop();
        shown.push(format!("... and {} more", hidden + 1));
    }
    shown.extend(errors.iter().cloned());
    let mut text = "\u{1b}[H".to_owned();
    for line in shown.iter().take(rows) {
        text.extend(line.chars().take(columns));
        // The terminal adds what else belongs to the end of a line.
        text.push_str("\u{1b}[K\n");
    }
    // No line break after the last: it would scroll a full screen.
    let kept = text.trim_end_matches('\n').len();
    text.truncate(kept);
    text.push_str("\u{1b}[J");
    text
}

/// The busiest first.
fn sort(rows: &mut [Row]) {
    rows.sort_by(|one, other| {
        let busy = |row: &Row| row.cpu.unwrap_or(-1.0);
        let order = busy(other)
            .partial_cmp(&busy(one))
            .unwrap_or(Ordering::Equal);
        order
            .then_with(|| one.host.cmp(&other.host))
            .then_with(|| one.container.cmp(&other.container))
    });
}

fn table(rows: &[Row]) -> String {
    let headings = [
        "host",
        "container",
        "cpu %",
        "memory",
        "limit",
        "mem %",
        "received",
        "sent",
        "pids",
    ]
    .map(str::to_owned);
    let percent =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let bytes = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), size);
    let cells = |row: &Row| {
        let usage = &row.usage;
        vec![
            row.host.clone(),
            row.container.clone(),
            percent(row.cpu),
            size(usage.memory),
            bytes((usage.memory_limit > 0).then_some(usage.memory_limit)),
            percent(usage.memory_percent()),
            bytes(usage.received),
            bytes(usage.sent),
            usage
                .processes
                .map_or_else(|| "-".to_owned(), |count| count.to_string()),
        ]
    };
    terminal::columns(&headings, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn as_json(row: &Row) -> Value {
    let usage = &row.usage;
    json!({
        "container": row.container,
        "cpu_percent": row.cpu,
        "memory_bytes": usage.memory,
        "memory_limit_bytes": (usage.memory_limit > 0).then_some(usage.memory_limit),
        "memory_percent": usage.memory_percent(),
        "received_bytes": usage.received,
        "sent_bytes": usage.sent,
        "processes": usage.processes,
    })
}

/// Bytes for people, in units of 1024.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in UNITS.iter().skip(1) {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let decimals = usize::from(value < 100.0);
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, container: &str, cpu: Option<f64>) -> Row {
        Row {
            host: host.to_owned(),
            container: container.to_owned(),
            usage: Usage::default(),
            cpu,
        }
    }

    #[test]
    fn the_busiest_comes_first_and_what_is_not_known_last() {
        let mut rows = [
            row("h2", "a", Some(1.0)),
            row("h1", "b", None),
            row("h1", "c", Some(120.5)),
            row("h1", "a", Some(1.0)),
        ];
        sort(&mut rows);
        let names: Vec<_> = rows
            .iter()
            .map(|row| format!("{}{}", row.host, row.container))
            .collect();
        assert_eq!(names, ["h1c", "h1a", "h2a", "h1b"]);
    }

    #[test]
    fn sizes_have_a_unit_that_fits() {
        assert_eq!(
            [0, 1023, 1024, 1_572_864, 120 << 20, 3 << 30].map(size),
            ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "120 MiB", "3.0 GiB"]
        );
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let drawn = screen("HEAD\none\ntwo\nthree", &["h2: gone".to_owned()], 5, 4);
        let lines: Vec<_> = drawn.split("\u{1b}[K").map(|line| line.trim()).collect();
        assert_eq!(lines, ["\u{1b}[HHEAD", "one", "... a", "h2: g", "\u{1b}[J"]);
        assert!(!drawn.contains('\r'), "{drawn:?}");
    }
}
