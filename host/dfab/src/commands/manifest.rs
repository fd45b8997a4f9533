//! `dfab plugin manifest`: a manifest for a component whose compiler could not put one in.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use dfab_bundles::{Artifact, archive, read_file, write_file};
use dfab_runtime::with_manifest;

use super::{Context, bundle};
use crate::examination::examine;
use crate::failure::{Code, Failure};
use crate::terminal;

/// How large a manifest may be, in bytes.
const LIMIT: usize = 64 << 10;

/// The command line of it.
pub(crate) fn command() -> Command {
    let file = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .value_name(value)
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help(help)
    };
    Command::new("manifest")
        .about("Put a manifest into a component that has none, such as one written in Python")
        .arg(file("component", "FILE", "The component").required(true))
        .arg(
            file("from", "FILE", "The manifest, as JSON")
                .long("from")
                .required(true),
        )
        .arg(file("to", "FILE", "Where to write it, instead of where it is").long("to"))
}

/// Runs it.
///
/// # Errors
/// Where the component would not be loaded with that manifest. Then nothing is written.
pub(crate) fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let named = |name: &str| {
        let file = matches.get_one::<PathBuf>(name);
        file.ok_or_else(|| Failure::usage(format!("a {name} is wanted")))
    };
    let (component, manifest) = (named("component")?, named("from")?);
    let read = |file: &PathBuf, limit| {
        read_file(file, limit).map_err(|error| {
            Failure::usage(format!("cannot read {}", file.display())).because(error)
        })
    };
    let refused = || {
        Failure::usage(format!(
            "{} cannot have the manifest {}",
            component.display(),
            manifest.display()
        ))
    };
    let bytes = read(component, archive::COMPONENT_LIMIT)?;
    let text = read(manifest, LIMIT)?;
    let bytes = with_manifest(&bytes, &text).map_err(|error| refused().because(error))?;
    let artifact =
        Artifact::open(bytes.into(), &examine).map_err(|error| refused().because(error))?;
    let target = matches.get_one::<PathBuf>("to").unwrap_or(component);
    terminal::tell(&bundle::describe(&artifact));
    if context.common.dry_run {
        terminal::tell("This is a dry run: nothing was written.");
        return Ok(Code::Done);
    }
    write_file(target, artifact.bytes()).map_err(|error| {
        Failure::failed(format!("cannot write {}", target.display())).because(error)
    })?;
    bundle::print(context, target, artifact.digest())
}
