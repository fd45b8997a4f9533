//! `dfab build`: an image, built on hosts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use dfab_deploy::context::{BuildContext, ContextError};
use dfab_deploy::host::Host;
use dfab_engine::{Build, BuildMessage, BuildRequest, EngineError};
use dfab_maps::ImageName;
use serde_json::{Map, Value, json};

use super::Context;
use super::top::size;
use crate::arguments::Form;
use crate::failure::{Code, Failure, describe};
use crate::interrupt::Interrupt;
use crate::lines::Prefix;
use crate::relay::{self, Limits, Outcome, Shown, Sink, overall_code, relay, relay_all, tell};
use crate::terminal::{self, Output};

/// Its command line.
pub(crate) fn command() -> Command {
    Command::new("build")
        .about("Build an image on hosts")
        .long_about(
            "Builds an image of a folder with a Dockerfile on each host, by the host's own engine and \
             side by side. The folder is packed once, without what .dockerignore (or \
             DOCKERFILE.dockerignore) leaves out.\n\n\
             What is said of a build goes to standard error, with the host's name before each line where \
             there are several; the image's id goes to standard output. Ctrl-C ends the builds.",
        )
        .arg(
            Arg::new("folder")
                .value_name("FOLDER")
                .default_value(".")
                .value_parser(value_parser!(PathBuf))
                .help("What the Dockerfile can copy from"),
        )
        .arg(
            Arg::new("tag")
                .short('t')
                .long("tag")
                .value_name("NAME[:TAG]")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(ImageName))
                .help("What the image is called; may be repeated"),
        )
        .arg(flag("latest", "Call it NAME:latest as well"))
        .arg(
            Arg::new("file")
                .short('f')
                .long("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The Dockerfile, instead of that in the folder; it may be anywhere"),
        )
        .arg(
            Arg::new("build-arg")
                .long("build-arg")
                .value_name("NAME[=VALUE]")
                .action(ArgAction::Append)
                .help("A value for ARG, from the environment where none is given; may be repeated"),
        )
        .arg(
            Arg::new("target")
                .long("target")
                .value_name("STAGE")
                .help("Build that stage, instead of the last"),
        )
        .arg(flag("no-cache", "Run each step, also where its result is known"))
        .arg(flag("pull", "Ask registries for newer base images"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// Builds the image on every host.
///
/// # Errors
/// Where nothing could be built at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let hosts = context.hosts()?;
    let interrupt = Interrupt::listen()?;
    let mut request = BuildRequest {
        tags: tags(matches),
        arguments: arguments(matches)?,
        target: matches.get_one::<String>("target").cloned(),
        no_cache: matches.get_flag("no-cache"),
        pull: matches.get_flag("pull"),
        ..BuildRequest::default()
    };
    let folder = matches
        .get_one("folder")
        .map_or(Path::new("."), PathBuf::as_path);
    let file = matches.get_one("file").map(PathBuf::as_path);
    let pack = async { BuildContext::pack(folder, file).await.map_err(unpacked) };
    let packed = tokio::select! {
        packed = context.deadline.within(pack) => packed?,
        code = interrupt.wait() => return Ok(Code::Passed(code)),
    };
    request.dockerfile.clone_from(&packed.dockerfile);
    tell_context(&request, folder, &packed);
    for host in &hosts {
        terminal::tell(&format!("  on {} ({})", host.name(), host.address()));
    }
    if context.common.dry_run {
        return dry_run(context, &hosts, &request, &packed);
    }
    let names: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
    let prefixes = Prefix::for_all(&names);
    let images: Vec<OnceLock<String>> = hosts.iter().map(|_| OnceLock::new()).collect();
    let shown = Shown::of(hosts.len(), false, false);
    let several = hosts.len() > 1;
    let work: Vec<_> = hosts.iter().zip(&prefixes).zip(&images).collect();
    let pace = context.common.pace(hosts.len(), 0);
    let limits = Limits {
        timeout: None,
        deadline: context.deadline,
    };
    let name_of =
        |((host, _), _): &((&Arc<Host>, &Prefix), &OnceLock<String>)| host.name().to_owned();
    let results = relay_all(&pace, &work, name_of, async |((host, prefix), image)| {
        let mut sink = Sink::new(shown, host.name(), prefix);
        let start = Building::start(host, &request, &packed, image, &interrupt);
        let outcome = match limits.deadline.within(start).await {
            Ok(building) => {
                let input = None::<tokio::io::Sink>;
                relay(building, input, &mut sink, &interrupt, limits).await
            }
            Err(outcome) => outcome,
        };
        let outcome = match outcome {
            // Who does not want to read of it wants the image all the same.
            Outcome::Unread => Outcome::Failed(Failure::failed(
                "nobody reads what is said of the build any more, and it was ended",
            )),
            outcome => outcome,
        };
        tell(several.then(|| host.name()), &outcome);
        (sink, outcome)
    })
    .await;
    let outcomes: Vec<&Outcome> = results.iter().map(|(_, outcome)| outcome).collect();
    let built = names.iter().zip(&images).zip(&outcomes);
    match context.common.output {
        Form::Json => {
            let object: Map<String, Value> = built
                .map(|((name, image), outcome)| {
                    let value = match image.get() {
                        Some(image) => json!({ "image": image, "tags": request.tags }),
                        None => json!({ "error": reason(outcome) }),
                    };
                    ((*name).to_owned(), value)
                })
                .collect();
            terminal::json(&Value::Object(object))?;
        }
        Form::Table => {
            let rows: Vec<Vec<String>> = built
                .filter_map(|((name, image), _)| {
                    Some(vec![(*name).to_owned(), image.get()?.clone()])
                })
                .collect();
            if several && !rows.is_empty() {
                let headings = ["host", "image"].map(str::to_owned);
                terminal::data(&terminal::columns(&headings, &rows))?;
            } else if let Some(image) = images.iter().find_map(OnceLock::get) {
                terminal::data(&terminal::plain(image))?;
            }
        }
    }
    Ok(overall_code(&outcomes))
}

/// All names of the image, each once.
fn tags(matches: &ArgMatches) -> Vec<String> {
    let given: Vec<&ImageName> = matches.get_many("tag").into_iter().flatten().collect();
    let mut tags: Vec<String> = given.iter().map(ToString::to_string).collect();
    if matches.get_flag("latest") {
        tags.extend(given.iter().map(|name| name.latest().to_string()));
    }
    let mut each: Vec<String> = Vec::with_capacity(tags.len());
    for tag in tags {
        if !each.contains(&tag) {
            each.push(tag);
        }
    }
    each
}

/// Values may be secrets: they are in no message.
fn arguments(matches: &ArgMatches) -> Result<Vec<(String, Option<String>)>, Failure> {
    let given = matches
        .get_many::<String>("build-arg")
        .into_iter()
        .flatten();
    let pairs = given.map(|argument| match argument.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (argument.clone(), std::env::var(argument).ok()),
    });
    let pairs: Vec<_> = pairs.collect();
    if pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err(Failure::usage("a --build-arg has no name").hint("--build-arg NAME=VALUE"));
    }
    Ok(pairs)
}

fn unpacked(error: ContextError) -> Failure {
    let code = match &error {
        ContextError::Changed { .. } | ContextError::Write { .. } => Code::Failed,
        _ => Code::Usage,
    };
    let failure = Failure::new(code, describe(&error));
    match error {
        ContextError::Dockerfile { .. } => failure.hint("--file names a Dockerfile elsewhere"),
        _ => failure,
    }
}

fn tell_context(request: &BuildRequest, folder: &Path, packed: &BuildContext) {
    let files = if packed.files == 1 { "file" } else { "files" };
    let text = format!(
        "build {} of {}: {} {files}, {}",
        request.tags.join(", "),
        folder.display(),
        packed.files,
        size(packed.bytes)
    );
    terminal::tell(&terminal::plain(&text));
    for path in &packed.left_out {
        let path = terminal::plain(&path.display().to_string());
        terminal::tell(&format!(
            "warning: {path} is neither a file nor a folder nor a link, and stays out"
        ));
    }
}

fn dry_run(
    context: &Context,
    hosts: &[Arc<Host>],
    request: &BuildRequest,
    packed: &BuildContext,
) -> Result<Code, Failure> {
    terminal::tell("This is a dry run: nothing was done.");
    if context.common.output == Form::Json {
        let each = hosts.iter().map(|host| {
            let value = json!({
                "tags": request.tags,
                "files": packed.files,
                "bytes": packed.bytes,
            });
            (host.name().to_owned(), value)
        });
        terminal::json(&Value::Object(each.collect()))?;
    }
    Ok(Code::Done)
}

/// Why there is no image.
fn reason(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(failure) => failure.to_string(),
        _ => "interrupted".to_owned(),
    }
}

/// A build on one host.
struct Building<'a> {
    build: Build,
    /// Where its image is noted.
    image: &'a OnceLock<String>,
}

impl<'a> Building<'a> {
    /// Sends the context, unless the end is asked for first.
    async fn start(
        host: &Host,
        request: &BuildRequest,
        packed: &BuildContext,
        image: &'a OnceLock<String>,
        interrupt: &Interrupt,
    ) -> Result<Self, Outcome> {
        let started = async {
            let request = BuildRequest {
                logins: host.registry_logins(),
                ..request.clone()
            };
            let engine = host.engine().await?;
            let build = engine.build_image(&request, Arc::clone(&packed.archive));
            build.await.map_err(|error| failed(&error))
        };
        let build = tokio::select! {
            started = started => started.map_err(Outcome::Failed)?,
            code = interrupt.wait() => return Err(Outcome::Interrupted(code)),
        };
        Ok(Self { build, image })
    }
}

impl relay::Command for Building<'_> {
    async fn next(&mut self) -> Result<Option<(Output, Bytes)>, Failure> {
        loop {
            let message = self.build.next().await.map_err(|error| failed(&error))?;
            let Some(message) = message else {
                return Ok(None);
            };
            if let Some(text) = told(message) {
                return Ok(Some((Output::People, text.into())));
            }
        }
    }

    async fn exit_code(&mut self) -> Result<i32, Failure> {
        let image = self.build.image().map_err(|error| failed(&error))?;
        self.image.get_or_init(|| image);
        Ok(0)
    }

    async fn end(self) {
        // The end of its connection is the end of the build.
    }
}

/// What a person reads of a message. Numbers of bytes that change are not for every terminal.
fn told(message: BuildMessage) -> Option<String> {
    match message {
        BuildMessage::Output(text) => (!text.is_empty()).then_some(text),
        BuildMessage::Pull(progress) if progress.bytes.is_some() => None,
        BuildMessage::Pull(progress) => Some(match progress.layer {
            Some(layer) => format!("{layer}: {}\n", progress.status),
            None => format!("{}\n", progress.status),
        }),
    }
}

fn failed(error: &EngineError) -> Failure {
    let code = if error.is_unreachable() {
        Code::Unreachable
    } else {
        Code::Failed
    };
    Failure::new(code, describe(error))
}

#[cfg(test)]
mod tests {
    use dfab_engine::PullProgress;

    use super::*;

    fn matches(line: &[&str]) -> ArgMatches {
        command().get_matches_from([&["build"][..], line].concat())
    }

    #[test]
    fn an_image_has_each_name_once() {
        let tags_of = |line: &[&str]| tags(&matches(line)).join(" ");
        assert_eq!(tags_of(&["-t", "app"]), "app:latest");
        assert_eq!(tags_of(&["-t", "app", "--latest"]), "app:latest");
        assert_eq!(
            tags_of(&[
                "-t",
                "r:5000/a:1",
                "-t",
                "r:5000/a:2",
                "-t",
                "b:1",
                "--latest"
            ]),
            "r:5000/a:1 r:5000/a:2 b:1 r:5000/a:latest b:latest"
        );
    }

    #[test]
    fn arguments_have_a_value_or_that_of_the_environment() {
        let path = std::env::var("PATH").ok();
        let line = ["-t", "a", "--build-arg", "A=b=c", "--build-arg", "PATH"];
        let given = arguments(&matches(&line)).unwrap();
        assert_eq!(
            given,
            [
                ("A".to_owned(), Some("b=c".to_owned())),
                ("PATH".to_owned(), path)
            ]
        );
        let wrong = arguments(&matches(&["-t", "a", "--build-arg", "=secret"]));
        assert!(!wrong.unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn a_pull_is_told_without_its_numbers() {
        let pull = |layer: Option<&str>, bytes| {
            told(BuildMessage::Pull(PullProgress {
                layer: layer.map(str::to_owned),
                status: "Pulling".to_owned(),
                bytes,
            }))
        };
        assert_eq!(pull(Some("l1"), None).as_deref(), Some("l1: Pulling\n"));
        assert_eq!(pull(None, None).as_deref(), Some("Pulling\n"));
        assert_eq!(pull(Some("l1"), Some((1, 2))), None);
    }
}
