//! The command line: what every command takes, and commands made from what plugins export.
//!
//! Actions, tasks and recipes become commands with options of their own, so the command line is read
//! in two steps: [`Outline::read`] finds the words that say which plugins are needed, and then
//! [`command`] has everything to make the whole command line with its help.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, ValueEnum};
use dfab_engine::ChannelKind;
use dfab_runtime::planning::ActionInfo;
use dfab_runtime::recipe::RecipeInfo;
use dfab_runtime::task::TaskInfo;
use dfab_runtime::{Parameter, ValueKind};

use crate::action_defaults::Values;
use crate::failure::Failure;
use crate::local_paths;
use crate::pace::{Share, batch};
use crate::period::Period;
use crate::project::Timeouts;

/// Options that go with every command, anywhere on the line.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// The project file, instead of dfab.yaml in this folder or above; else DFAB_PROJECT names it
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) project: Option<PathBuf>,
    /// A container map, instead of the project's; may be repeated
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) map: Vec<PathBuf>,
    /// The client file, instead of the project's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) clients: Option<PathBuf>,
    /// A setting, over the project's; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, global = true)]
    pub(crate) settings: Vec<(String, String)>,
    /// Hosts, by name or pattern of the project, or as SSH destinations
    #[arg(
        short = 'H',
        long = "host",
        value_name = "HOSTS",
        value_delimiter = ',',
        global = true
    )]
    pub(crate) hosts: Vec<String>,
    /// Groups of hosts, by their names in dfab.yaml
    #[arg(
        short = 'g',
        long = "group",
        value_name = "GROUPS",
        value_delimiter = ',',
        global = true
    )]
    pub(crate) groups: Vec<String>,
    /// Of these hosts only those: names, patterns such as web*, or groups
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', global = true)]
    pub(crate) limit: Vec<String>,
    /// Of these hosts all but those: names, patterns or groups
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', global = true)]
    pub(crate) exclude: Vec<String>,
    /// How many hosts are worked on at a time
    #[arg(long, value_name = "N", default_value = "32", global = true)]
    pub(crate) parallel: NonZeroUsize,
    /// Batches of so many hosts, one after another; the first that fails is the last, unless --max-fail says otherwise
    #[arg(long, value_name = "N|P%", value_parser = batch, global = true)]
    pub(crate) serial: Option<Share>,
    /// Begin no further host once more than so many have failed
    #[arg(long, value_name = "N|P%", global = true)]
    pub(crate) max_fail: Option<Share>,
    /// The only way to the engine to try: stream-local, socat, dial-stdio, tcp or local
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) channel: Option<ChannelKind>,
    /// End after that time, such as 90, 5m or 2h, with what there is by then; steps that run are let end
    #[arg(long, value_name = "TIME", global = true)]
    pub(crate) max_time: Option<Period>,
    /// How long a connection to a host may take
    #[arg(long, value_name = "TIME", global = true)]
    pub(crate) connect_timeout: Option<Period>,
    /// How long an engine may take to answer
    #[arg(long, value_name = "TIME", global = true)]
    pub(crate) call_timeout: Option<Period>,
    /// How long nothing may move in a transfer
    #[arg(long, value_name = "TIME", global = true)]
    pub(crate) idle_timeout: Option<Period>,
    /// How results are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Table, global = true)]
    pub(crate) output: Form,
    /// Go ahead without asking; DFAB_YES=1 does the same
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Tell more; twice: much more
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Add a line to this file for each call that a plugin makes to dfab
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) audit: Option<PathBuf>,
    /// The OpenSSH client's configuration file, instead of the user's; else DFAB_SSH_CONFIG names it
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ssh_config: Option<PathBuf>,
}

impl Common {
    /// Takes what variables say where the command line says nothing. They are no options of clap's, which
    /// would show them in each line of usage as if they had to be given.
    ///
    /// # Errors
    /// Where one says neither yes nor no.
    pub(crate) fn take_variables(
        &mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(), Failure> {
        let path = |name| {
            variable(name)
                .filter(|it| !it.is_empty())
                .map(PathBuf::from)
        };
        self.project = self.project.take().or_else(|| path("DFAB_PROJECT"));
        self.ssh_config = self.ssh_config.take().or_else(|| path("DFAB_SSH_CONFIG"));
        let yes = variable("DFAB_YES").unwrap_or_default();
        match yes.to_string_lossy().to_lowercase().as_str() {
            "y" | "yes" | "t" | "true" | "on" | "1" => self.yes = true,
            "" | "n" | "no" | "f" | "false" | "off" | "0" => {}
            other => {
                return Err(Failure::usage(format!("DFAB_YES is {other:?}"))
                    .hint("1 goes ahead without asking, and 0 asks"));
            }
        }
        Ok(())
    }

    /// Takes what the project says where the command line says nothing. How long a call may take is also
    /// for clients to say, and how long a command depends on it: these are not settled here.
    pub(crate) fn complete(&mut self, timeouts: &Timeouts) {
        self.connect_timeout = self.connect_timeout.or(timeouts.connect);
        self.idle_timeout = self.idle_timeout.or(timeouts.idle);
    }

    /// Whether hosts are named, so that results are told by them.
    pub(crate) fn names_hosts(&self) -> bool {
        !(self.hosts.is_empty() && self.groups.is_empty())
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Table,
    Json,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a setting is given as NAME=VALUE".to_owned()),
    }
}

/// What can be known of a command line before the plugins are.
#[derive(Debug)]
pub(crate) struct Outline {
    /// The arguments with the common options put first, so that each may stand anywhere.
    pub(crate) arguments: Vec<OsString>,
    /// How many of them are the program's name and the common options.
    common: usize,
    /// The first words that are no options, such as `run`, `docker`, `version`.
    pub(crate) words: Vec<String>,
}

impl Outline {
    /// Sorts the arguments, of which the first is the program's name.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let known = Common::augment_args(Command::new("dfab"));
        let mut arguments = arguments.into_iter();
        let mut first: Vec<OsString> = arguments.next().into_iter().collect();
        let mut rest = Vec::new();
        let mut words = Vec::new();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                rest.push(argument);
                rest.extend(arguments.by_ref());
                break;
            }
            match common_option(&known, &argument.to_string_lossy()) {
                Some(takes_next) => {
                    first.push(argument);
                    if takes_next {
                        first.extend(arguments.next());
                    }
                }
                None => {
                    if let Some(word) = argument.to_str().filter(|word| !word.starts_with('-')) {
                        words.push(word.to_owned());
                    }
                    rest.push(argument);
                }
            }
        }
        let common = first.len();
        first.extend(rest);
        Self {
            arguments: first,
            common,
            words,
        }
    }

    /// The program's name and the common options.
    pub(crate) fn common_arguments(&self) -> &[OsString] {
        self.arguments.get(..self.common).unwrap_or_default()
    }

    /// One of the words.
    pub(crate) fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(String::as_str)
    }
}

/// Whether an option of that name goes with every command, so that no plugin may take it.
pub(crate) fn is_common(name: &str) -> bool {
    let common = Common::augment_args(Command::new("dfab"));
    ["help", "version", PLAN_FORM, NO_DEPENDENCIES, "only"].contains(&name)
        || common
            .get_arguments()
            .any(|option| option.get_long() == Some(name))
}

/// Whether this is one of the common options, and if so whether its value is the next argument.
fn common_option(common: &Command, argument: &str) -> Option<bool> {
    if let Some(long) = argument.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let option = common
            .get_arguments()
            .find(|option| option.get_long() == Some(name))?;
        return Some(value.is_none() && option.get_action().takes_values());
    }
    let letters = argument
        .strip_prefix('-')
        .filter(|letters| !letters.is_empty())?;
    for (at, letter) in letters.char_indices() {
        let option = common
            .get_arguments()
            .find(|option| option.get_short() == Some(letter))?;
        if option.get_action().takes_values() {
            return Some(at + letter.len_utf8() == letters.len());
        }
    }
    Some(false)
}

/// What plugins add to the command line.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    pub(crate) actions: Vec<ActionInfo>,
    pub(crate) recipes: Vec<RecipeInfo>,
    /// The plugin named on the line, and its tasks.
    pub(crate) tasks: Option<(String, Vec<TaskInfo>)>,
    /// What the project says of options, by actions.
    pub(crate) defaults: BTreeMap<String, Values>,
}

impl Exports {
    /// Whether a command line is about an action.
    pub(crate) fn has_use_for_actions(&self, words: &Outline) -> bool {
        words.word(0).is_some_and(|word| {
            let is_it = |action: &ActionInfo| action.name == word;
            ["plan", "perform"].contains(&word) || self.actions.iter().any(is_it)
        })
    }
}

/// The whole command line.
pub(crate) fn command(exports: &Exports) -> Command {
    let mut run = Command::new("run").about("Run a task of a plugin, or list what there is");
    if let Some((plugin, tasks)) = &exports.tasks {
        let mut command = Command::new(plugin.clone()).about("Tasks of this plugin");
        for task in tasks {
            command = command.subcommand(with_parameters(
                Command::new(task.name.clone()).about(task.summary.clone()),
                &task.parameters,
            ));
        }
        run = run.subcommand(command);
    }
    let mut setup = Command::new("setup")
        .about("Set up machines by a recipe, or list the recipes")
        .subcommand_help_heading("Recipes")
        .subcommand_value_name("RECIPE");
    for recipe in &exports.recipes {
        setup = setup.subcommand(recipe_command(recipe));
    }
    let mut plan = Command::new("plan")
        .about("Show what an action would do")
        .subcommand_required(true)
        .subcommand_help_heading("Actions")
        .subcommand_value_name("ACTION");
    let mut dfab = Common::augment_args(Command::new("dfab"))
        .about("Deploys containers to Docker hosts over SSH, as sandboxed components decide")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true);
    let mut perform = Command::new("perform")
        .about("Do an action, whichever policy exports it")
        .subcommand_required(true)
        .subcommand_help_heading("Actions")
        .subcommand_value_name("ACTION");
    for action in &exports.actions {
        let format = Arg::new(PLAN_FORM)
            .long(PLAN_FORM)
            .value_name("FORM")
            .help("How the plan is shown: sh prints docker commands that do the same")
            .value_parser(clap::builder::EnumValueParser::<PlanForm>::new());
        let command = action_command(action, exports.defaults.get(&action.name));
        plan = plan.subcommand(command.clone().arg(format));
        perform = perform.subcommand(command.clone());
        dfab = dfab.subcommand(command);
    }
    dfab.subcommand(plan)
        .subcommand(perform)
        .subcommand(run)
        .subcommand(setup)
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanForm {
    Text,
    Json,
    Sh,
}

const PLAN_FORM: &str = "format";

/// The form that `--format` asks for.
pub(crate) fn plan_form(matches: &ArgMatches) -> Option<PlanForm> {
    matches.get_one::<PlanForm>(PLAN_FORM).copied()
}

fn action_command(action: &ActionInfo, defaults: Option<&Values>) -> Command {
    let references = Arg::new(REFERENCES)
        .value_name("CONTAINER")
        .help(
            "CONFIG, MAP.CONFIG or MAP.CONFIG.INSTANCE; a group; __all__; network:NAME, volume:ALIAS, or volume:CONFIG for all that it attaches",
        )
        .required(true)
        .num_args(1..);
    let alone = Arg::new(NO_DEPENDENCIES)
        .long(NO_DEPENDENCIES)
        .visible_alias("only")
        .action(ArgAction::SetTrue)
        .help("Leave alone what they need, or what needs them");
    let command = Command::new(action.name.clone()).about(action.summary.clone());
    let mut command = with_parameters(command.arg(references), &action.options).arg(alone);
    for (name, values) in defaults.into_iter().flatten() {
        let kind = action.options.iter().find(|option| option.name == *name);
        let is_flag = kind.is_some_and(|option| option.kind == ValueKind::Boolean);
        command = command.mut_arg(name, |argument| match values.as_slice() {
            [value] if is_flag && value == "true" => switched_on(argument),
            _ if is_flag => argument,
            values => argument.required(false).default_values(values),
        });
    }
    command
}

/// A flag that is set without being typed, and can be taken back: `--pull=false`.
fn switched_on(argument: Arg) -> Arg {
    argument
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("BOOLEAN")
        .value_parser(ValueParser::bool())
        .default_missing_value("true")
        .default_value("true")
}

/// What a recipe needs in any case is what it is about, and typed without its name.
fn recipe_command(recipe: &RecipeInfo) -> Command {
    let command = Command::new(recipe.name.clone()).about(recipe.summary.clone());
    command.args(recipe.parameters.iter().map(|parameter| {
        let is_bare = parameter.required && !parameter.many && parameter.kind != ValueKind::Boolean;
        if is_bare {
            argument(parameter).value_name(parameter.name.to_uppercase())
        } else {
            argument(parameter).long(parameter.name.clone())
        }
    }))
}

const REFERENCES: &str = "container references";
const NO_DEPENDENCIES: &str = "no-deps";

/// What an action's command line names.
pub(crate) fn references(matches: &ArgMatches) -> Vec<String> {
    matches
        .get_many::<String>(REFERENCES)
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

/// Whether only what is named is meant.
pub(crate) fn without_dependencies(matches: &ArgMatches) -> bool {
    matches.get_flag(NO_DEPENDENCIES)
}

pub(crate) fn with_parameters(command: Command, parameters: &[Parameter]) -> Command {
    command.args(
        parameters
            .iter()
            .map(|parameter| argument(parameter).long(parameter.name.clone())),
    )
}

fn argument(parameter: &Parameter) -> Arg {
    let mut argument = Arg::new(parameter.name.clone())
        .help(parameter.summary.clone())
        .required(parameter.required);
    argument = match parameter.kind {
        ValueKind::Boolean => argument.action(ArgAction::SetTrue).required(false),
        ValueKind::Integer => argument.value_name("NUMBER").value_parser(whole_number()),
        ValueKind::Text => argument.value_name("TEXT"),
        ValueKind::Reference => argument.value_name("CONTAINER"),
        ValueKind::Path => {
            let argument = argument
                .value_name("PATH")
                .value_hint(clap::ValueHint::AnyPath);
            match local_paths::is_read(parameter) {
                true => argument.value_parser(local_paths::that_is_there),
                false => argument,
            }
        }
        ValueKind::Choice => argument
            .value_name("CHOICE")
            .value_parser(PossibleValuesParser::new(parameter.choices.clone())),
    };
    if parameter.many && parameter.kind != ValueKind::Boolean {
        argument = argument.action(ArgAction::Append);
    }
    if let Some(default) = &parameter.default_value
        && parameter.kind != ValueKind::Boolean
    {
        argument = argument.default_value(default.clone());
    }
    argument
}

/// Checks that it is a number, and leaves it text: components take text.
fn whole_number() -> ValueParser {
    ValueParser::new(|text: &str| match text.parse::<i64>() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err("a whole number is wanted"),
    })
}

/// Whether a parameter was typed.
pub(crate) fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
}

/// The arguments that a component gets, in the order of its parameters.
pub(crate) fn arguments(matches: &ArgMatches, parameters: &[Parameter]) -> Vec<(String, String)> {
    let mut arguments = Vec::new();
    for parameter in parameters {
        let name = parameter.name.as_str();
        if parameter.kind == ValueKind::Boolean {
            arguments.push((name.to_owned(), matches.get_flag(name).to_string()));
        } else {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            arguments.extend(values.map(|value| (name.to_owned(), value.clone())));
        }
    }
    arguments
}

/// A parameter with a name and a kind, and nothing else to it.
#[cfg(test)]
pub(crate) fn bare_parameter(name: &str, kind: ValueKind) -> Parameter {
    Parameter {
        name: name.to_owned(),
        summary: String::new(),
        kind,
        required: false,
        many: false,
        default_value: None,
        choices: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
