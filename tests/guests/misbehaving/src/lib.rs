//! A task component that breaks the rules, one task for each, and one that keeps them.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/task-plugin", generate_all });

use dfab::docker::docker;
use dfab::log::log::{self, Level};
use dfab::settings::settings;
use dfab::ssh::ssh;
use dfab::types::types::{Parameter, ValueKind};
use exports::dfab::task::tasks::{Argument, Error, Guest, Output, TaskInfo, View};

#[unsafe(link_section = "dfab:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] =
    *include_bytes!("../manifest.json");

const TASKS: [&str; 21] = [
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
    "log-much",
    "copy-much",
    "all-calls",
    "oversized",
    "in-container",
    "stop",
    "as-root",
];

struct Misbehaving;

impl Guest for Misbehaving {
    fn list_tasks() -> Vec<TaskInfo> {
        TASKS
            .iter()
            .map(|name| TaskInfo {
                name: (*name).to_owned(),
                summary: "Misbehaves\u{1b}[31m".to_owned(),
                parameters: ["name", "path", "line", "container", "method", "size"]
                    .map(parameter)
                    .into(),
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
            "log-much" => {
                for line in 0..2_000 {
                    log::write(Level::Warn, &format!("line {line}"));
                }
                Ok(text("done".to_owned()))
            }
            "copy-much" => {
                let size = argument("size").parse().unwrap_or(0);
                log::write(Level::Debug, &"x".repeat(size));
                Ok(text("done".to_owned()))
            }
            "all-calls" => all_calls(&argument("path")),
            "in-container" => {
                let command = docker::ContainerCommand {
                    words: argument("line").split(' ').map(str::to_owned).collect(),
                    user: None,
                    timeout_s: Some(20),
                };
                let container = argument("container");
                let outcome = docker::current()?.run_in_container(&container, &command)?;
                let printed = String::from_utf8_lossy(&outcome.stdout).into_owned();
                Ok(text(format!("{} {printed}", outcome.status)))
            }
            "stop" => {
                docker::current()?.stop_container(&argument("container"), Some(1))?;
                Ok(text("done".to_owned()))
            }
            "as-root" => run_as(None, &["id", "-un"]),
            "oversized" => Err(oversized(&argument("name"))),
            other => Err(Error::NotFound(format!("there is no task {other}"))),
        }
    }
}

fn parameter(name: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        summary: String::new(),
        kind: ValueKind::Text,
        required: false,
        many: false,
        default_value: None,
        choices: Vec::new(),
    }
}

/// Every function of the host once, whatever comes of it.
fn all_calls(path: &str) -> Result<Output, Error> {
    let mut told = Vec::new();
    log::write(Level::Info, "all");
    let mut tell = |name: &str, result: Result<(), Error>| {
        told.push(format!(
            "{name}: {}",
            if result.is_ok() { "done" } else { "no" }
        ));
    };
    tell("settings.get", settings::get("test_key").map(drop));
    let engine = docker::current()?;
    let _ = engine.name();
    tell("docker.version", engine.version().map(drop));
    tell("docker.info", engine.info().map(drop));
    tell("docker.containers", engine.containers(true, &[]).map(drop));
    tell("docker.images", engine.images(true, &[]).map(drop));
    tell(
        "docker.request",
        engine
            .request("POST", "/containers/web/pause?token=geheim", None)
            .map(drop),
    );
    for name in ENGINE_CALLS {
        tell(name, call(name, path.to_owned()).map(drop));
    }
    match ssh::current() {
        Ok(shell) => {
            let _ = shell.name();
            let command = ssh::Command {
                line: "tool --password geheim".to_owned(),
                stdin: None,
                timeout_s: None,
            };
            tell("ssh.run", shell.run(&command).map(drop));
            tell("ssh.run-as", run_as(None, &["reboot"]).map(drop));
            tell(
                "ssh.upload",
                shell.upload(path, "/srv/file", None).map(drop),
            );
            tell(
                "ssh.download",
                shell.download("/var/log/syslog", path).map(drop),
            );
        }
        Err(error) => tell("ssh.current", Err(error)),
    }
    Ok(text(told.join("\n")))
}

/// The names in all lists that have labels.
fn seen(engine: &docker::Engine) -> Result<Output, Error> {
    let containers = engine.containers(true, &[])?;
    let mut names: Vec<String> = containers.into_iter().map(|it| it.id).collect();
    names.extend(engine.networks(&[])?.into_iter().map(|it| it.name));
    names.extend(engine.volumes(&[])?.into_iter().map(|it| it.name));
    Ok(text(names.join(" ")))
}

fn run_as(user: Option<&str>, words: &[&str]) -> Result<Output, Error> {
    let command = ssh::UserCommand {
        user: user.map(str::to_owned),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        stdin: None,
        timeout_s: None,
    };
    let outcome = ssh::current()?.run_as(&command)?;
    Ok(text(String::from_utf8_lossy(&outcome.stdout).into_owned()))
}

/// A call with something in it that is far too large; the host's answer.
fn oversized(name: &str) -> Error {
    let large = "x/".repeat(1 << 20);
    let many = vec!["x".to_owned(); 1 << 18];
    let answer = match name {
        "setting" => settings::get(&large).map(drop),
        "request" => docker::current()
            .and_then(|engine| engine.request("POST", &format!("/{large}y"), None))
            .map(drop),
        "command" => ssh::current()
            .and_then(|shell| {
                shell.run(&ssh::Command {
                    line: large.clone(),
                    stdin: None,
                    timeout_s: None,
                })
            })
            .map(drop),
        "words" => docker::current()
            .and_then(|engine| {
                let command = docker::ContainerCommand {
                    words: many.clone(),
                    user: None,
                    timeout_s: None,
                };
                engine.run_in_container("web", &command)
            })
            .map(drop),
        "local" => docker::current()
            .and_then(|engine| engine.save_images(&["app".to_owned()], &format!("out/{large}y")))
            .map(drop),
        "remote" => ssh::current()
            .and_then(|shell| shell.download(&format!("/var/log/{large}y"), "out/a"))
            .map(drop),
        "name" => docker::current()
            .and_then(|engine| engine.stop_container(&large, None))
            .map(drop),
        "names" => docker::current()
            .and_then(|engine| engine.save_images(&many, "out/a"))
            .map(drop),
        _ => Err(Error::NotFound(name.to_owned())),
    };
    answer
        .err()
        .unwrap_or(Error::Other("it was done".to_owned()))
}

const ENGINE_CALLS: [&str; 21] = [
    "networks",
    "volumes",
    "inspect-container",
    "inspect-image",
    "stop-container",
    "remove-container",
    "copy-from-container",
    "copy-to-container",
    "run-in-container",
    "remove-image",
    "tag-image",
    "save-images",
    "load-images",
    "import-file",
    "import-selection",
    "import-image",
    "build-image",
    "pull-image",
    "push-image",
    "remove-network",
    "remove-volume",
];

/// Each call of an engine or a shell, by its name.
fn call(name: &str, path: String) -> Result<Output, Error> {
    let engine = docker::current()?;
    let command = || docker::ContainerCommand {
        words: vec!["tool".to_owned(), "--password=geheim".to_owned()],
        user: None,
        timeout_s: Some(5),
    };
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
        "run-in-container" => engine.run_in_container("web", &command()).map(drop),
        "seen" => return seen(&engine),
        "version" => engine.version().map(drop),
        "run-as" => return run_as(None, &["systemctl", "restart", "a; reboot"]),
        "run-as-app" => return run_as(Some("app"), &["id"]),
        "run-as-odd" => return run_as(Some("app; reboot"), &["id"]),
        "upload" => ssh::current()?
            .upload(&path, "/srv/file", Some(0o600))
            .map(drop),
        "upload-elsewhere" => ssh::current()?.upload("in/a", &path, None).map(drop),
        "download" => ssh::current()?.download("/var/log/syslog", &path).map(drop),
        "remove-image" => engine.remove_image("app", false),
        "tag-image" => engine.tag_image("app", "app:2"),
        "save-images" => engine.save_images(&["app".to_owned()], &path).map(drop),
        "load-images" => engine.load_images(&path).map(drop),
        "import-file" => import(docker::ImageSource::File(path)).map(drop),
        "import-selection" => import(docker::ImageSource::Selection(files())).map(drop),
        "import-image" => import(docker::ImageSource::Image("app".to_owned())).map(drop),
        "build-image" => {
            let options = docker::BuildOptions {
                dockerfile: None,
                arguments: vec![("KEY".to_owned(), "geheim".to_owned())],
                target: None,
                no_cache: true,
                pull: false,
            };
            engine
                .build_image(&path, &["dfab-test/built:1".to_owned()], &options)
                .map(drop)
        }
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
