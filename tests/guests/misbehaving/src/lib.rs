//! A task component that breaks the rules, one task for each, and one that keeps them.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/task-plugin", generate_all });

use dfab::docker::docker;
use dfab::log::log::{self, Level};
use dfab::settings::settings;
use dfab::ssh::ssh;
use exports::dfab::task::tasks::{Argument, Error, Guest, Output, TaskInfo, View};

#[unsafe(link_section = "dfab:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] =
    *include_bytes!("../manifest.json");

const TASKS: [&str; 13] = [
    "loop",
    "eat-memory",
    "panic",
    "exit",
    "sleep",
    "run-command",
    "read-setting",
    "read-info",
    "request",
    "refuse",
    "steer-terminal",
    "handles",
    "print-much",
];

struct Misbehaving;

impl Guest for Misbehaving {
    fn list_tasks() -> Vec<TaskInfo> {
        TASKS
            .iter()
            .map(|name| TaskInfo {
                name: (*name).to_owned(),
                summary: "Misbehaves\u{1b}[31m".to_owned(),
                parameters: Vec::new(),
                changes_things: false,
            })
            .collect()
    }

    fn run(task: String, arguments: Vec<Argument>) -> Result<Output, Error> {
        let argument = |name: &str| {
            let found = arguments.iter().find(|(given, _)| given == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        match task.as_str() {
            "loop" => {
                let mut count = 0_u64;
                loop {
                    count = std::hint::black_box(count.wrapping_add(1));
                }
            }
            "eat-memory" => {
                let mut eaten = Vec::new();
                loop {
                    eaten.push(std::hint::black_box(vec![1_u8; 1 << 20]));
                }
            }
            "panic" => panic!("the \u{1b}[31mred\u{1b}[0m panic"),
            "exit" => std::process::exit(3),
            "sleep" | "run-command" => {
                let line = argument("line");
                let command = ssh::Command {
                    line,
                    stdin: None,
                    timeout_s: None,
                };
                let outcome = ssh::current()?.run(&command)?;
                Ok(text(String::from_utf8_lossy(&outcome.stdout).into_owned()))
            }
            "read-setting" => Ok(text(
                settings::get(&argument("name"))?.unwrap_or_else(|| "none".to_owned()),
            )),
            "read-info" => Ok(text(docker::current()?.info()?)),
            "request" => {
                let engine = docker::current()?;
                Ok(text(engine.request(
                    &argument("method"),
                    &argument("path"),
                    None,
                )?))
            }
            "refuse" => Err(Error::Invalid("not \u{1b}[1mlike this".to_owned())),
            "steer-terminal" => {
                log::write(Level::Warn, "\u{1b}[2Jlogged");
                Ok(text("\u{1b}[2Jshown\u{7}".to_owned()))
            }
            "handles" => {
                let mut held = Vec::new();
                loop {
                    held.push(docker::current()?);
                }
            }
            "print-much" => {
                for line in 0..20_000 {
                    eprintln!("line {line}");
                }
                panic!("after much")
            }
            other => Err(Error::NotFound(format!("there is no task {other}"))),
        }
    }
}

fn text(text: String) -> Output {
    Output {
        view: View::Text(text),
        data: "null".to_owned(),
    }
}

export!(Misbehaving);
