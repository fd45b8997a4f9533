//! `dfab map`: container maps as files, without any engine.

use std::path::{Path, PathBuf};

use clap::builder::EnumValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, ValueHint, value_parser};
use dfab_maps::Picture;
use serde_json::{Value, json};

use super::Context;
use crate::arguments::Form;
use crate::failure::{Code, Failure};
use crate::plugins::Plugins;
use crate::project::{self, Project};
use crate::terminal;

/// The command line of `dfab map`.
pub(crate) fn command() -> Command {
    let files = || {
        Arg::new("files")
            .value_name("MAP")
            .help("Map files, instead of the project's")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .num_args(0..)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("map")
        .about("Check, show, format, draw and import container maps")
        .subcommand_required(true)
        .subcommand(
            Command::new("check")
                .about("Tell all mistakes of the maps, the client files and action_defaults")
                .arg(files()),
        )
        .subcommand(
            Command::new("show")
                .about("Print the maps in their normal form")
                .arg(files())
                .arg(flag(
                    "resolved",
                    "With what configurations extend filled in",
                ))
                .arg(
                    flag(
                        "persistent",
                        "Only what is kept: names on the engine of attached volumes and of persistent \
                         containers",
                    )
                    .conflicts_with("resolved"),
                )
                .arg(flag("json", "As JSON rather than YAML")),
        )
        .subcommand(
            Command::new("fmt")
                .about("Write map files in their canonical form")
                .arg(files())
                .arg(flag(
                    "check",
                    "Only tell which files are not; exit code 1 if any",
                )),
        )
        .subcommand(
            Command::new("schema")
                .about("Print the JSON Schema of map or client files, for editors")
                .arg(
                    Arg::new("kind")
                        .value_name("KIND")
                        .default_value("map")
                        .value_parser(["map", "clients"])
                        .help("Which files it describes"),
                ),
        )
        .subcommand(
            Command::new("graph")
                .about("Draw what needs what")
                .arg(files())
                .arg(
                    Arg::new("format")
                        .long("format")
                        .value_name("FORM")
                        .default_value("svg")
                        .value_parser(EnumValueParser::<GraphForm>::new())
                        .help("What is printed"),
                ),
        )
        .subcommand(
            Command::new("import")
                .about("Print a Compose file as a map, and tell what has no counterpart")
                .arg(
                    Arg::new("compose")
                        .value_name("FILE")
                        .required(true)
                        .value_parser(value_parser!(PathBuf))
                        .value_hint(ValueHint::FilePath)
                        .help("The Compose file"),
                ),
        )
}

/// Runs one of them.
///
/// # Errors
/// Where a file cannot be read or has mistakes.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    match matches.subcommand() {
        Some(("check", matches)) => check(context, &with_files(context, matches)).await,
        Some(("show", matches)) => show(context, &with_files(context, matches), matches),
        Some(("fmt", matches)) => {
            let code = format(
                &with_files(context, matches),
                matches.get_flag("check") || context.common.dry_run,
            )?;
            // Only `--check` is a question.
            Ok(if matches.get_flag("check") {
                code
            } else {
                Code::Done
            })
        }
        Some(("schema", matches)) => {
            let kind = matches.get_one::<String>("kind").map(String::as_str);
            terminal::json(&match kind {
                Some("clients") => dfab_maps::client_schema(),
                _ => dfab_maps::map_schema(),
            })?;
            Ok(Code::Done)
        }
        Some(("graph", matches)) => graph(&with_files(context, matches), matches),
        Some(("import", matches)) => import(matches),
        _ => Err(Failure::usage("a command is wanted").hint("dfab map --help")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphForm {
    Svg,
    Dot,
    Mermaid,
}

/// The project, with the files that the command names instead of its maps.
fn with_files(context: &Context, matches: &ArgMatches) -> Project {
    let mut project = context.project.clone();
    if let Some(files) = matches.get_many::<PathBuf>("files") {
        project.maps = files.cloned().collect();
    }
    project
}

async fn check(context: &Context, project: &Project) -> Result<Code, Failure> {
    let mut found = project.diagnose()?;
    if !project.action_defaults.is_empty() {
        match Plugins::of_actions(project, context.audit.as_ref()).await {
            Ok(plugins) => {
                let mistake = project.action_defaults.diagnose(&plugins.actions());
                found.diagnostics.extend(mistake);
            }
            // That is no mistake of a map, and told by whatever has use for the plugin.
            Err(failure) => terminal::tell(&format!(
                "warning: action_defaults are not checked: {}",
                terminal::plain(&failure.to_string())
            )),
        }
    }
    let mistakes = found.diagnostics.iter().filter(|one| one.is_error());
    let count = mistakes.count() + found.others.len();
    if context.common.output == Form::Json {
        let told = found.diagnostics.iter().map(|one| {
            json!({
                "severity": if one.is_error() { "error" } else { "warning" },
                "file": one.file, "line": one.line, "column": one.column,
                "message": one.message, "help": one.help,
            })
        });
        let others = found
            .others
            .iter()
            .map(|message| json!({ "severity": "error", "message": message }));
        let all: Vec<Value> = told.chain(others).collect();
        terminal::json(&json!({ "mistakes": all }))?;
    } else {
        for diagnostic in &found.diagnostics {
            terminal::tell(&diagnostic.to_string());
        }
        for mistake in &found.others {
            terminal::tell(&format!("error: {mistake}"));
        }
    }
    match count {
        0 => terminal::tell("There are no mistakes."),
        1 => return Err(Failure::usage("there is a mistake, shown above")),
        count => {
            return Err(Failure::usage(format!(
                "there are {count} mistakes, shown above"
            )));
        }
    }
    Ok(Code::Done)
}

fn show(context: &Context, project: &Project, matches: &ArgMatches) -> Result<Code, Failure> {
    let as_json = matches.get_flag("json") || context.common.output == Form::Json;
    if matches.get_flag("persistent") {
        let maps = project.load_maps()?;
        let names: Vec<String> = maps
            .maps()
            .iter()
            .flat_map(dfab_maps::ResolvedMap::persistent_names)
            .collect();
        if as_json {
            terminal::json(&json!(names))?;
        } else {
            terminal::data(
                &names
                    .iter()
                    .map(|name| format!("{name}\n"))
                    .collect::<String>(),
            )?;
        }
        return Ok(Code::Done);
    }
    let shown: Vec<Value> = if matches.get_flag("resolved") {
        let maps = project.load_maps()?;
        maps.maps()
            .iter()
            .map(dfab_maps::ResolvedMap::json)
            .collect()
    } else {
        project.map_documents()?
    };
    let shown = match shown.as_slice() {
        [one] => one.clone(),
        several => json!(several),
    };
    if as_json {
        terminal::json(&shown)?;
    } else {
        let text = serde_yaml::to_string(&shown)
            .map_err(|error| Failure::failed("cannot write this as YAML").because(error))?;
        terminal::data(&text)?;
    }
    Ok(Code::Done)
}

fn format(project: &Project, only_check: bool) -> Result<Code, Failure> {
    let mut others = 0;
    for path in project.map_files()? {
        let text = project::read(path)?;
        let formatted = dfab_maps::format_map(&text, &path.display().to_string())
            .map_err(|mistakes| project::mistaken(&mistakes))?;
        if formatted == text {
            continue;
        }
        others += 1;
        if only_check {
            terminal::tell(&format!("{}: not in the canonical form", path.display()));
            continue;
        }
        write_whole(path, &formatted).map_err(|error| {
            Failure::failed(format!("cannot write {}", path.display())).because(error)
        })?;
        terminal::tell(&format!("{}: written", path.display()));
    }
    Ok(if only_check && others > 0 {
        Code::Failed
    } else {
        Code::Done
    })
}

/// Puts a new file in the place of the old one at once, so that nothing is lost half-way.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    let permissions = std::fs::metadata(&path)?.permissions();
    file.as_file().set_permissions(permissions)?;
    file.persist(&path)?;
    Ok(())
}

fn graph(project: &Project, matches: &ArgMatches) -> Result<Code, Failure> {
    let maps = project.load_maps()?;
    let picture = Picture::new(&maps);
    let form = matches.get_one::<GraphForm>("format").copied();
    terminal::data(&match form.unwrap_or(GraphForm::Svg) {
        GraphForm::Svg => picture.svg(),
        GraphForm::Dot => picture.dot(),
        GraphForm::Mermaid => picture.mermaid(),
    })?;
    Ok(Code::Done)
}

fn import(matches: &ArgMatches) -> Result<Code, Failure> {
    let path = matches
        .get_one::<PathBuf>("compose")
        .ok_or_else(|| Failure::usage("a Compose file is wanted"))?;
    let imported = dfab_maps::import_compose(&project::read(path)?, &path.display().to_string())
        .map_err(|mistakes| project::mistaken(&mistakes))?;
    terminal::data(&imported.map)?;
    for note in &imported.notes {
        terminal::tell(&format!(
            "{}:{}: {}",
            path.display(),
            note.line,
            note.message
        ));
        if !note.help.is_empty() {
            terminal::tell(&format!("  help: {}", note.help));
        }
    }
    match imported.notes.len() {
        0 => terminal::tell("Everything of the file is in the map."),
        1 => terminal::tell("One thing of the file is not in the map, see above."),
        count => terminal::tell(&format!(
            "{count} things of the file are not in the map, see above."
        )),
    }
    Ok(Code::Done)
}
