//! The dfab command.
//!
//! Reads the command line and the project, lets plugins decide, and does what they say. This crate
//! is the only one that prints.

mod action_defaults;
mod arguments;
mod audit;
mod commands;
mod components;
mod contexts;
mod credentials;
mod deadline;
mod examination;
mod failure;
mod fetch;
mod hosts;
mod instant;
mod interrupt;
mod limits;
mod lines;
mod local_paths;
mod locked;
mod log;
mod own_files;
mod pace;
mod period;
mod plugins;
mod project;
mod prompt;
mod relay;
mod secrets;
mod selection;
mod settings;
mod task_host;
mod terminal;
mod tls;
mod trust;
mod tty;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Command, FromArgMatches};
use tracing_subscriber::EnvFilter;

use crate::arguments::{Common, Outline};
use crate::audit::Audit;
use crate::commands::Context;
use crate::deadline::Deadline;
use crate::failure::{Code, Failure};
use crate::plugins::Plugins;
use crate::project::Project;

/// Maps and plans are many small texts: half the time of large ones goes into allocation otherwise.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::tell(&format!("error: cannot start: {error}"));
            return Code::Failed.into();
        }
    };
    let ended = runtime.block_on(run(std::env::args_os().collect()));
    let mut code = ended.unwrap_or_else(told);
    if let Err(failure) = Audit::close() {
        let incomplete = told(failure);
        code = if code == Code::Done { incomplete } else { code };
    }
    if code != Code::Done {
        // What was broken off may have left something on hosts.
        runtime.block_on(interrupt::elsewhere_ended());
    }
    // Threads of sessions that wait for a host must not hold up the end.
    runtime.shutdown_background();
    dfab_ssh::end_proxy_commands();
    code.into()
}

fn told(failure: Failure) -> Code {
    terminal::tell(&format!("error: {}", terminal::plain(&failure.to_string())));
    failure.code
}

async fn run(arguments: Vec<OsString>) -> Result<Code, Failure> {
    let outline = Outline::read(arguments);
    let Some(mut common) = common(&outline)? else {
        return Ok(Code::Usage);
    };
    common.take_variables(|name| std::env::var_os(name))?;
    listen(common.verbose);
    let project = Project::open(&common)?;
    common.complete(&project.timeouts);
    let audit = match &project.audit {
        Some(path) => Some(Audit::open(path, &project.settings)?),
        None => None,
    };
    let plugins = Plugins::load(&project, &outline, audit.as_ref()).await?;
    let mut exports = plugins.exports(&outline).await?;
    if exports.has_use_for_actions(&outline) {
        exports.defaults = project.action_defaults.of_actions(&exports.actions)?;
    }
    let matches = match arguments::command(&exports)
        .subcommand(commands::host::command())
        .subcommand(commands::map::command())
        .subcommands(commands::on_hosts())
        .subcommand(commands::tunnel::command())
        .subcommands(commands::of_plugins())
        .try_get_matches_from(&outline.arguments)
    {
        Ok(matches) => matches,
        Err(error) => return Ok(print_usage(&error)),
    };
    let context = Context {
        asked_deadline: Deadline::after(common.max_time),
        deadline: Deadline::after(common.max_time.or(project.timeouts.run)),
        common,
        project,
        plugins,
        audit,
    };
    let work = dispatch(&context, &matches);
    // What works on hosts knows how to end, and tells what it has by then.
    match matches.subcommand_name() {
        Some("map" | "plugin" | "bundle" | "key") => context.deadline.within(work).await,
        Some("plan") => interrupt::or_ended(context.deadline.within(work)).await,
        Some("host" | "ps") => interrupt::or_ended(work).await,
        _ => work.await,
    }
}

async fn dispatch(context: &Context, matches: &clap::ArgMatches) -> Result<Code, Failure> {
    match matches.subcommand() {
        Some(("run", matches)) => commands::run::run(context, matches).await,
        Some(("plan", matches)) => commands::action::plan(context, matches).await,
        Some(("perform", matches)) => commands::action::perform(context, matches).await,
        Some(("host", matches)) => commands::host::run(context, matches).await,
        Some(("map", matches)) => commands::map::run(context, matches).await,
        Some(("setup", matches)) => commands::setup::run(context, matches).await,
        Some(("build", matches)) => commands::build::run(context, matches).await,
        Some(("ssh", matches)) => commands::ssh::run(context, matches).await,
        Some(("exec", matches)) => commands::exec::run(context, matches).await,
        Some(("logs", matches)) => commands::logs::run(context, matches).await,
        Some(("ps", matches)) => commands::ps::run(context, matches).await,
        Some(("top", matches)) => commands::top::run(context, matches).await,
        Some(("plugin", matches)) => commands::plugin::run(context, matches).await,
        Some(("bundle", matches)) => commands::bundle::run(context, matches).await,
        Some(("key", matches)) => commands::key::run(context, matches),
        Some(("tunnel", matches)) => commands::tunnel::run(context, matches).await,
        Some((action, matches)) => commands::action::run(context, action, matches).await,
        None => Err(Failure::usage("a command is wanted").hint("dfab --help")),
    }
}

/// The options that go with every command; none where they are wrong, which has been told then.
fn common(outline: &Outline) -> Result<Option<Common>, Failure> {
    use clap::Args;
    let command = Common::augment_args(Command::new("dfab"))
        .disable_help_flag(true)
        .disable_version_flag(true);
    match command.try_get_matches_from(outline.common_arguments()) {
        Ok(matches) => Common::from_arg_matches(&matches)
            .map(Some)
            .map_err(|error| Failure::usage(error.to_string())),
        Err(error) => {
            print_usage(&error);
            Ok(None)
        }
    }
}

/// Prints what clap has to say: help on stdout, mistakes on stderr.
fn print_usage(error: &clap::Error) -> Code {
    if error.use_stderr() {
        terminal::tell(error.render().to_string().trim_end());
        Code::Usage
    } else {
        // A reader of the help that has gone is no failure.
        let _ = terminal::data(&error.render().to_string());
        Code::Done
    }
}

fn listen(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info,plugin=debug",
        2 => {
            "info,plugin=trace,dfab=debug,dfab_ssh=debug,dfab_engine=debug,dfab_runtime=debug,dfab_deploy=debug"
        }
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(log::Lines {
            with_target: verbose > 1,
        })
        .init();
}
