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

const TASKS: [&str; 14] = [
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
    "call",
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
                preview: None,
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
            "call" => call(&argument("name"), argument("path")),
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

/// Each call of an engine, by its name.
fn call(name: &str, path: String) -> Result<Output, Error> {
    let engine = docker::current()?;
    let files = || docker::Selection {
        container: "web".to_owned(),
        parts: Vec::new(),
        owner: None,
        permissions: None,
    };
    let import = |source| engine.import_image(&source, "app", &[]);
    match name {
        "networks" => engine.networks(&[]).map(drop),
        "volumes" => engine.volumes(&[]).map(drop),
        "inspect-container" => engine.inspect_container("web").map(drop),
        "inspect-image" => engine.inspect_image("app").map(drop),
        "stop-container" => engine.stop_container("web", Some(3)),
        "remove-container" => engine.remove_container("web", false, false),
        "copy-from-container" => engine
            .copy_from_container(&files(), &path, docker::Form::Tar)
            .map(drop),
        "copy-to-container" => engine.copy_to_container(&path, "web", "/srv"),
        "remove-image" => engine.remove_image("app", false),
        "tag-image" => engine.tag_image("app", "app:2"),
        "save-images" => engine.save_images(&["app".to_owned()], &path).map(drop),
        "load-images" => engine.load_images(&path).map(drop),
        "import-file" => import(docker::ImageSource::File(path)).map(drop),
        "import-selection" => import(docker::ImageSource::Selection(files())).map(drop),
        "import-image" => import(docker::ImageSource::Image("app".to_owned())).map(drop),
        "pull-image" => engine.pull_image("app"),
        "push-image" => engine.push_image("app"),
        "remove-network" => engine.remove_network("net"),
        "remove-volume" => engine.remove_volume("data"),
        other => Err(Error::NotFound(other.to_owned())),
    }?;
    Ok(text("done".to_owned()))
}

fn text(text: String) -> Output {
    Output {
        view: View::Text(text),
        data: "null".to_owned(),
    }
}

export!(Misbehaving);
