//! `dfab plugin grant`: more for a component of dfab.lock, of what it asked for when it was added.

use clap::{Arg, ArgAction, ArgMatches, Command};
use dfab_bundles::{Lock, Locked, Name, lock};

use super::Context;
use super::plugin::{covers, meant_hosts, write};
use crate::failure::{Code, Failure};
use crate::project::Project;
use crate::{locked, plugins, terminal};

/// The command line of it.
pub(crate) fn command() -> Command {
    Command::new("grant")
        .about("Grant a component of dfab.lock more of what it asked for")
        .arg(
            Arg::new("component")
                .value_name("COMPONENT")
                .required(true)
                .help("Its name, or that of the plugin where it is the only one"),
        )
        .arg(
            Arg::new("capability")
                .value_name("CAPABILITY")
                .action(ArgAction::Append)
                .required_unless_present("only-on")
                .help("What it asked for, or a part of it such as `docker.containers map=shop`"),
        )
        .arg(
            Arg::new("only-on")
                .long("only-on")
                .value_name("HOSTS")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .help("Let its plugin work for these hosts, groups and patterns; all: for any"),
        )
}

/// Runs it. Nothing is fetched: dfab.lock has all that it needs.
///
/// # Errors
/// Where there is no such component, or it did not ask for that.
pub(crate) fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let name = matches
        .get_one::<String>("component")
        .map_or("", String::as_str);
    let mut lock = locked::read(&context.project)?;
    let hosts = match matches.get_many::<String>("only-on") {
        Some(given) => Some(meant_hosts(context, given.cloned().collect())?),
        None => None,
    };
    let (component, plugin) = find(&context.project, &mut lock, name)?;
    let Some(known) = plugin.components.get_mut(&component) else {
        return Err(Failure::usage(format!("{} has no {name}", lock::FILE)));
    };
    for given in matches.get_many::<String>("capability").unwrap_or_default() {
        let given = given.trim();
        if !known.asks.iter().any(|ask| covers(ask, given)) {
            let asks: Vec<_> = known.asks.iter().map(String::as_str).collect();
            return Err(
                Failure::usage(format!("{component} does not ask for {given}"))
                    .hint(format!("it asks for: {}", asks.join(", "))),
            );
        }
        known.grants.insert(given.to_owned());
    }
    let granted: Vec<_> = known.grants.iter().map(String::as_str).collect();
    let text = format!("{component} is granted {}.", granted.join(", "));
    terminal::tell(&terminal::plain(&text));
    if let Some(hosts) = hosts {
        let on = hosts.as_ref().map(|hosts| hosts.join(", "));
        terminal::tell(&terminal::plain(&format!(
            "It may work for {}.",
            on.as_deref().unwrap_or("all hosts")
        )));
        plugin.hosts = hosts;
    }
    if context.common.dry_run {
        terminal::tell("This is a dry run: dfab.lock is as it was.");
    } else {
        write(context, &lock)?;
    }
    Ok(Code::Done)
}

/// The component of that name, and its plugin.
fn find<'a>(
    project: &Project,
    lock: &'a mut Lock,
    name: &str,
) -> Result<(Name, &'a mut Locked), Failure> {
    let known: Vec<String> = lock
        .plugins
        .values()
        .flat_map(|plugin| plugin.components.keys().map(Name::to_string))
        .collect();
    let found = lock.plugins.iter_mut().find_map(|(plugin, locked)| {
        let is_only = plugin.as_str() == name && locked.components.len() == 1;
        let component = locked
            .components
            .keys()
            .find(|component| is_only || component.as_str() == name)?;
        Some((component.clone(), locked))
    });
    found.ok_or_else(|| {
        let failure = Failure::usage(format!("{} has no component {name}", lock::FILE));
        let hint = match plugins::path_of(project, name) {
            Some(path) => format!(
                "dfab.yaml names {}: write `grant` and `hosts` in its entry under `plugins:`, beside its \
                 `digest`",
                path.display()
            ),
            None if known.is_empty() => "dfab plugin add SOURCE adds a plugin".to_owned(),
            None => format!("it has: {}", known.join(", ")),
        };
        failure.hint(hint)
    })
}
