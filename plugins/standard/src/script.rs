//! `script` and `single-cmd`: one run of a container that is made for it.

use dfab_sdk::policy::{Error, Life, Node, Operation, Request, RunOptions, Step};
use dfab_sdk::{argument, flag};

use crate::chain::{Work, upward};
use crate::life::{removal, runs, startup, stop_options};
use crate::options::{Options, seconds};

/// Plans the run of a script or a command.
pub fn plan(request: &Request, options: &Options) -> Result<Vec<Step>, Error> {
    let run = run(request)?;
    let is_forced = flag(&request.options, "remove-existing-before");
    refuse_existing(request, is_forced)?;
    refuse_needed(request)?;
    Ok(upward(request, options, |_, node, work| {
        if !node.requested || node.container.is_none() {
            startup(node, options, work);
            return;
        }
        remove_existing(node, options, work);
        work.push(Operation::Run(run.clone()), "asked for");
    }))
}

fn refuse_existing(request: &Request, is_forced: bool) -> Result<(), Error> {
    let existing: Vec<String> = request
        .nodes
        .iter()
        .filter(|node| node.requested && node.container.is_some())
        .filter(|node| node.observed.life != Life::Absent)
        .map(|node| format!("{} on {}", node.name, node.host))
        .collect();
    if existing.is_empty() || is_forced {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "there already: {}; a script has a container of its own. `--remove-existing-before` stops and \
         removes what is there",
        existing.join(", ")
    )))
}

/// What others are linked to, or share a network or volumes with, must be there while they run; a
/// script's container is not.
fn refuse_needed(request: &Request) -> Result<(), Error> {
    for node in &request.nodes {
        let Some(container) = &node.container else {
            continue;
        };
        let needs = container.tied_to.iter().chain(&container.needs_running);
        let needed = needs
            .filter_map(|index| request.nodes.get(*index as usize))
            .find(|needed| needed.requested && needed.container.is_some());
        if let Some(needed) = needed {
            return Err(Error::Conflict(format!(
                "{name} on {host} needs {other}, which cannot serve it and run the {action} as well: \
                 there is one container of that name. Run it in one after the other, with a command \
                 for each",
                name = node.name,
                host = node.host,
                other = needed.name,
                action = if request.action == "script" {
                    "script"
                } else {
                    "command"
                },
            )));
        }
    }
    Ok(())
}

fn remove_existing(node: &Node, options: &Options, work: &mut Work) {
    let Some(container) = &node.container else {
        return;
    };
    if runs(node) {
        let stop = stop_options(node, container, options);
        work.push(Operation::Stop(stop), "--remove-existing-before");
    }
    if node.observed.life != Life::Absent {
        work.push(removal(node), "--remove-existing-before");
    }
}

fn run(request: &Request) -> Result<RunOptions, Error> {
    let given = &request.options;
    let folder = argument(given, "container-script-dir").unwrap_or("/tmp/script_run");
    if !folder.starts_with('/') {
        return Err(Error::Invalid(
            "--container-script-dir takes an absolute path".to_owned(),
        ));
    }
    let folder = folder.trim_end_matches('/');
    if folder.is_empty() {
        return Err(Error::Invalid(
            "--container-script-dir takes a folder below /".to_owned(),
        ));
    }
    let download = argument(given, "download").map(str::to_owned);
    let entrypoint = argument(given, "entrypoint").map(words).transpose()?;
    let (entrypoint, command, upload) = if request.action == "script" {
        let (upload, script) = uploaded(request, folder)?;
        let command = match argument(given, "command-format") {
            Some(format) => words(format)?
                .iter()
                .map(|word| formatted(word, &script, folder))
                .collect::<Result<_, _>>()?,
            None => vec![script],
        };
        (entrypoint, command, Some(upload))
    } else {
        let line = argument(given, "command").unwrap_or_default();
        let shell = || vec!["/bin/sh".to_owned()];
        let command = vec!["-c".to_owned(), line.to_owned()];
        (Some(entrypoint.unwrap_or_else(shell)), command, None)
    };
    let tail = argument(given, "tail")
        .filter(|lines| *lines != "all")
        .map(str::parse)
        .transpose()
        .map_err(|_| Error::Invalid("--tail takes a number of lines".to_owned()))?;
    Ok(RunOptions {
        entrypoint,
        command: Some(command),
        // Nothing is put into a container that needs nothing.
        folder: (upload.is_some() || download.is_some()).then(|| folder.to_owned()),
        upload,
        download,
        timeout_s: seconds(request, "wait-timeout")?,
        keep: flag(given, "keep"),
        timestamps: flag(given, "timestamps"),
        tail,
        must_succeed: flag(given, "fail-nonzero"),
    })
}

/// What is uploaded, and where the script is then.
fn uploaded(request: &Request, folder: &str) -> Result<(String, String), Error> {
    let script = argument(&request.options, "script").unwrap_or_default();
    let Some(whole) = argument(&request.options, "upload-dir") else {
        let name = script.rsplit('/').next().unwrap_or(script);
        return Ok((script.to_owned(), format!("{folder}/{name}")));
    };
    let inside = script
        .strip_prefix(whole.trim_end_matches('/'))
        .and_then(|rest| rest.strip_prefix('/'));
    match inside {
        Some(path) => Ok((whole.to_owned(), format!("{folder}/{path}"))),
        None => Err(Error::Invalid(format!(
            "--script {script} is not in --upload-dir {whole}; write the path of the folder, and then \
             the script's with the same beginning"
        ))),
    }
}

fn words(text: &str) -> Result<Vec<String>, Error> {
    shell_words::split(text)
        .map_err(|error| Error::Invalid(format!("{text:?} cannot be split into words: {error}")))
}

/// `{script_path}` and `{script_dir}` in a word; a brace is doubled to stand for itself.
fn formatted(word: &str, script: &str, folder: &str) -> Result<String, Error> {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            text.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            text.push('}');
            rest = after;
        } else if let Some(after) = from.strip_prefix("{script_path}") {
            text.push_str(script);
            rest = after;
        } else if let Some(after) = from.strip_prefix("{script_dir}") {
            text.push_str(folder);
            rest = after;
        } else {
            return Err(Error::Invalid(format!(
                "--command-format knows {{script_path}} and {{script_dir}}; write other braces twice: \
                 {word}"
            )));
        }
    }
    text.push_str(rest);
    Ok(text)
}
