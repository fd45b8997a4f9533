//! `dfab plugin`: the plugins of dfab.lock.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use clap::{Arg, ArgAction, ArgMatches, Command};
use dfab_bundles::{Artifact, Change, Lock, Locked, Name, Signature, SignerId, Trust, lock};
use dfab_runtime::Grant;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Context, bundle, grant, manifest};
use crate::arguments::Form;
use crate::failure::{Code, Failure};
use crate::fetch::{Fetched, fetch};
use crate::{components, locked, plugins, terminal};

/// What is said to lift a restriction to hosts.
const EVERY_HOST: &str = "all";

/// The command line of `dfab plugin`.
pub(crate) fn command() -> Command {
    Command::new("plugin")
        .about("Add, list and remove plugins of the project")
        .subcommand_required(true)
        .subcommand(
            Command::new("info")
                .about("Show what is in a bundle, what it asks for, and why")
                .arg(bundle::source())
                .arg(bundle::plain_http()),
        )
        .subcommand(
            Command::new("add")
                .about("Add a plugin, or another version of it, and grant it what it asks for")
                .arg(bundle::source())
                .arg(bundle::plain_http())
                .arg(
                    Arg::new("grant")
                        .long("grant")
                        .value_name("CAPABILITY")
                        .action(ArgAction::Append)
                        .help(
                            "Grant only that of what it asks for, or a part of it such as \
                             'docker.containers map=shop'; may be repeated",
                        ),
                )
                .arg(
                    Arg::new("no-grant")
                        .long("no-grant")
                        .action(ArgAction::SetTrue)
                        .conflicts_with("grant")
                        .help("Grant nothing"),
                )
                .arg(
                    Arg::new("only-on")
                        .long("only-on")
                        .value_name("HOSTS")
                        .value_delimiter(',')
                        .action(ArgAction::Append)
                        .help(
                            "Let it work for these hosts, groups and patterns only; all: for any",
                        ),
                )
                .arg(
                    Arg::new("accept-changes")
                        .long("accept-changes")
                        .action(ArgAction::SetTrue)
                        .help("Accept that it asks for more than before, or comes from others"),
                ),
        )
        .subcommand(Command::new("list").about("List the plugins of dfab.lock"))
        .subcommand(
            Command::new("remove")
                .about("Remove a plugin, with all that was granted to it")
                .arg(
                    Arg::new("name")
                        .value_name("NAME")
                        .required(true)
                        .help("Its name"),
                ),
        )
        .subcommand(grant::command())
        .subcommand(manifest::command())
        .subcommand(
            Command::new("install")
                .about("Get the plugins of dfab.lock that are not on this machine")
                .arg(bundle::plain_http()),
        )
}

/// The command line of what adds a plugin, under another name.
pub(crate) fn adding_as(name: &'static str) -> Command {
    let add = command().find_subcommand("add").cloned();
    add.unwrap_or_default()
        .name(name)
        .about("The same as `dfab plugin add`")
}

/// Runs one of them.
///
/// # Errors
/// Where something is not there, or not what it should be.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    match matches.subcommand() {
        Some(("info", matches)) => info(context, matches).await,
        Some(("add", matches)) => add(context, matches).await,
        Some(("list", _)) => list(context),
        Some(("remove", matches)) => remove(context, matches),
        Some(("install", matches)) => install(context, matches).await,
        Some(("grant", matches)) => grant::run(context, matches),
        Some(("manifest", matches)) => manifest::run(context, matches),
        _ => Err(Failure::usage("a command is wanted").hint("dfab plugin --help")),
    }
}

async fn info(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let fetched = bundle::fetched(matches, "".as_ref()).await?;
    let artifact = bundle::open(&fetched)?;
    if context.common.output == Form::Json {
        terminal::json(&bundle::as_json(&artifact))?;
    } else {
        terminal::data(&bundle::describe(&artifact))?;
    }
    Ok(Code::Done)
}

/// Adds a plugin, or another version of it.
///
/// # Errors
/// Where it is not trusted, is not what it was, or is not wanted.
pub(crate) async fn add(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let project = &context.project;
    let trust = project.trust.load(project.folder())?;
    let mut lock = locked::read(project)?;
    let fetched = bundle::fetched(matches, "".as_ref()).await?;
    let artifact = bundle::open(&fetched)?;
    let refused = || Failure::usage(format!("{} is not added", fetched.source));
    let approval = trust
        .judge(&artifact, &fetched.signatures, Timestamp::now())
        .map_err(|error| refused().because(error))?;
    let name = artifact.name();
    if let Some(owner) = taken(&lock, &artifact) {
        return Err(refused().because(owner));
    }
    // What nobody vouches for is not even compiled.
    components::check(&plugins::runtime()?, &context.conditions(), &artifact)
        .await
        .map_err(|failure| refused().because(failure.to_string()))?;
    let old = lock.plugins.get(name);
    let chosen = chosen(matches, &artifact)?;
    let grants = |component: &Name, ask: &str| match (&chosen, old) {
        (Some(chosen), _) => chosen.contains(ask),
        // What was asked before and not granted stays so.
        (None, Some(old)) => {
            old.grants(component, ask)
                || !old
                    .components
                    .get(component)
                    .is_some_and(|before| before.asks.contains(ask))
        }
        (None, None) => true,
    };
    let source = relative(context, &fetched);
    let mut new = Locked::new(&artifact, source, &approval, grants);
    grant_parts(&mut new, chosen.as_ref(), old);
    new.hosts = allowed_hosts(context, matches, old)?;
    terminal::tell(&bundle::describe(&artifact));
    tell_approval(&approval);
    tell_grants(&new);
    let changes = old.map(|old| old.changes(&new)).unwrap_or_default();
    for change in &changes {
        terminal::tell(&terminal::plain(&format!("  {change}")));
    }
    if context.common.dry_run {
        terminal::tell("This is a dry run: nothing was added.");
        return Ok(Code::Done);
    }
    let keep = || {
        let kept = locked::store()?.put(artifact.bytes(), &fetched.signatures);
        kept.map_err(|error| refused().because(error))
    };
    if old == Some(&new) {
        // Its signatures may be newer.
        keep()?;
        terminal::tell("It is there already, as it is.");
        return Ok(Code::Done);
    }
    let accepted = matches.get_flag("accept-changes");
    let more = changes.iter().any(Change::needs_consent) && !accepted;
    if more && (context.common.yes || !std::io::stdin().is_terminal()) {
        // A general yes was not meant for this.
        let reason = format!("it is not what {name} was when it was added; see above");
        return Err(refused()
            .because(reason)
            .hint("--accept-changes adds it all the same"));
    }
    if !context.common.yes
        && !terminal::confirm("Add it with these grants?", context.deadline).await?
    {
        terminal::tell("Nothing was added.");
        return Ok(terminal::DECLINED);
    }
    keep()?;
    lock.plugins.insert(name.clone(), new);
    write(context, &lock)?;
    terminal::tell(&format!(
        "Added {name} {} to {}.",
        artifact.version(),
        lock::FILE
    ));
    Ok(Code::Done)
}

fn list(context: &Context) -> Result<Code, Failure> {
    let lock = locked::read(&context.project)?;
    if context.common.output == Form::Json {
        let all: serde_json::Map<String, Value> = lock
            .plugins
            .iter()
            .map(|(name, locked)| (name.to_string(), json!(locked)))
            .collect();
        terminal::json(&Value::Object(all))?;
        return Ok(Code::Done);
    }
    let signers = context.project.trust.signers(context.project.folder());
    let headings = [
        "plugin",
        "version",
        "component",
        "granted",
        "signed by",
        "digest",
    ];
    let mut rows = Vec::new();
    for (name, locked) in &lock.plugins {
        let signer = locked.signed_by.as_ref().or(locked.vetted_by.as_ref());
        for (component, about) in &locked.components {
            let granted: Vec<_> = about.grants.iter().map(String::as_str).collect();
            rows.push(vec![
                name.to_string(),
                locked.version.clone(),
                format!("{} {component}", about.kind),
                granted.join(", "),
                signer
                    .map(|signer| signed_by(signer, &signers))
                    .unwrap_or_default(),
                locked.digest.short(),
            ]);
        }
    }
    terminal::data(&terminal::columns(&headings.map(str::to_owned), &rows))?;
    Ok(Code::Done)
}

/// What the operator calls a signer, and the key or identity that it was.
fn signed_by(signer: &SignerId, signers: &[(String, SignerId)]) -> String {
    match signers.iter().find(|(_, known)| known == signer) {
        Some((name, _)) => format!("{name} ({signer})"),
        None => signer.to_string(),
    }
}

fn remove(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let name = matches.get_one::<String>("name").map_or("", String::as_str);
    let mut lock = locked::read(&context.project)?;
    let known = name.parse::<Name>().ok();
    let Some(removed) = known.and_then(|name| lock.plugins.remove(&name)) else {
        let names: Vec<_> = lock.plugins.keys().map(Name::as_str).collect();
        return Err(
            Failure::usage(format!("{} has no plugin {name}", lock::FILE))
                .hint(format!("it has: {}", names.join(", "))),
        );
    };
    if context.common.dry_run {
        terminal::tell(&format!("This is a dry run: {name} stays."));
        return Ok(Code::Done);
    }
    write(context, &lock)?;
    terminal::tell(&format!(
        "Removed {name} {} and its grants.",
        removed.version
    ));
    Ok(Code::Done)
}

async fn install(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let project = &context.project;
    let lock = locked::read(project)?;
    if lock.plugins.is_empty() {
        let file = locked::file(project);
        let text = match file.exists() {
            true => format!("There is no plugin in {}.", file.display()),
            false => format!(
                "There is no {}, which would have the plugins: dfab plugin add SOURCE makes it.",
                file.display()
            ),
        };
        terminal::tell(&text);
        return Ok(Code::Done);
    }
    // Without the lists of revocations nobody knows what must not be used.
    let trust = project.trust.load(project.folder())?;
    let store = locked::store()?;
    let mut code = Code::Done;
    for (name, locked) in &lock.plugins {
        let installed = if store.get(locked.digest).is_ok() {
            locked::open(&store, &trust, name, locked).map(|_| "is there")
        } else {
            let fetched = fetch_locked(context, matches, &trust, name, locked).await;
            let kept = fetched.and_then(|(artifact, signatures)| {
                store.put(artifact.bytes(), &signatures).map_err(|error| {
                    Failure::failed(format!("{name} is not installed")).because(error)
                })
            });
            kept.map(|()| "installed")
        };
        match installed {
            Ok(how) => terminal::tell(&format!("{name} {} {how}", locked.version)),
            // The others are not concerned.
            Err(failure) => {
                terminal::tell(&format!("error: {}", terminal::plain(&failure.to_string())));
                if code == Code::Done {
                    code = failure.code;
                }
            }
        }
    }
    Ok(code)
}

/// Gets a plugin of dfab.lock from where it came from: the same bytes, which are trusted and start.
///
/// # Errors
/// Where they are not.
async fn fetch_locked(
    context: &Context,
    matches: &ArgMatches,
    trust: &Trust,
    name: &Name,
    locked: &Locked,
) -> Result<(Artifact, Vec<Signature>), Failure> {
    let source = &locked.source;
    let plain_http = matches.get_flag("plain-http");
    let fetched = fetch(source, context.project.folder(), plain_http).await?;
    let artifact = bundle::open(&fetched)?;
    if artifact.digest() != locked.digest {
        return Err(Failure::failed(format!("{name} is not installed"))
            .because(format!(
                "{source} has {} now, and {} has {}",
                artifact.digest(),
                lock::FILE,
                locked.digest
            ))
            .hint(format!("dfab plugin add {source} shows what is different")));
    }
    let refused = || Failure::usage(format!("{name} is not installed"));
    trust
        .judge(&artifact, &fetched.signatures, Timestamp::now())
        .map_err(|error| {
            refused()
                .because(error)
                .hint(format!("dfab plugin remove {name} does without it"))
        })?;
    // What nobody vouches for is not even compiled.
    components::check(&plugins::runtime()?, &context.conditions(), &artifact)
        .await
        .map_err(|failure| refused().because(failure.to_string()))?;
    Ok((artifact, fetched.signatures))
}

/// Who has a component that is called as one of these, if somebody else has.
fn taken(lock: &Lock, artifact: &Artifact) -> Option<String> {
    let new = || artifact.parts().iter().map(|part| &part.component.name);
    if let Some(name) = new().find(|name| plugins::is_built_in(name.as_str())) {
        return Some(format!("a plugin that is part of dfab is called {name}"));
    }
    let others = lock
        .plugins
        .iter()
        .filter(|(name, _)| *name != artifact.name());
    others
        .flat_map(|(plugin, locked)| locked.components.keys().map(move |name| (plugin, name)))
        .find(|(_, name)| new().any(|new| new == *name))
        .map(|(plugin, name)| format!("the plugin {plugin} has a component {name} already"))
}

/// What the operator grants, if that was said.
fn chosen(matches: &ArgMatches, artifact: &Artifact) -> Result<Option<BTreeSet<String>>, Failure> {
    if matches.get_flag("no-grant") {
        return Ok(Some(BTreeSet::new()));
    }
    let Some(given) = matches.get_many::<String>("grant") else {
        return Ok(None);
    };
    let asks: BTreeSet<_> = artifact
        .parts()
        .iter()
        .flat_map(|part| part.component.asks.keys().cloned())
        .collect();
    let given: BTreeSet<_> = given.map(|text| text.trim().to_owned()).collect();
    if let Some(other) = given
        .iter()
        .find(|given| !asks.iter().any(|ask| covers(ask, given)))
    {
        let asks: Vec<_> = asks.iter().map(String::as_str).collect();
        return Err(
            Failure::usage(format!("{} does not ask for {other}", artifact.name()))
                .hint(format!("it asks for: {}", asks.join(", "))),
        );
    }
    Ok(Some(given))
}

/// Whether what is granted is all or a part of what is asked for.
pub(super) fn covers(ask: &str, given: &str) -> bool {
    match (ask.parse::<Grant>(), given.parse::<Grant>()) {
        (Ok(ask), Ok(given)) => ask.covers(&given),
        _ => false,
    }
}

/// Grants what was given of something that is asked for without a restriction: that which was chosen, or
/// that of before.
fn grant_parts(new: &mut Locked, chosen: Option<&BTreeSet<String>>, old: Option<&Locked>) {
    for (name, component) in &mut new.components {
        let before = || old.and_then(|old| old.components.get(name));
        let given = match chosen {
            Some(chosen) => Some(chosen),
            None => before().map(|before| &before.grants),
        };
        let asks = &component.asks;
        let parts: Vec<String> = given
            .into_iter()
            .flatten()
            .filter(|given| !asks.contains(*given) && asks.iter().any(|ask| covers(ask, given)))
            .cloned()
            .collect();
        component.grants.extend(parts);
    }
}

/// The hosts that it may work for: those that were said, else those of before.
fn allowed_hosts(
    context: &Context,
    matches: &ArgMatches,
    old: Option<&Locked>,
) -> Result<Option<Vec<String>>, Failure> {
    let Some(given) = matches.get_many::<String>("only-on") else {
        return Ok(old.and_then(|old| old.hosts.clone()));
    };
    meant_hosts(context, given.cloned().collect())
}

/// Hosts as they were given; none for all of them.
pub(super) fn meant_hosts(
    context: &Context,
    given: Vec<String>,
) -> Result<Option<Vec<String>>, Failure> {
    if given == [EVERY_HOST] && !context.project.groups.contains_key(EVERY_HOST) {
        return Ok(None);
    }
    context.project.inventory()?.meant_by(&given)?;
    Ok(Some(given))
}

/// A file is found from the project's folder, by whoever has the project.
fn relative(context: &Context, fetched: &Fetched) -> dfab_bundles::Source {
    use dfab_bundles::Source;
    let Source::File(path) = &fetched.source else {
        return fetched.source.clone();
    };
    let folder = context.project.folder();
    let folder = if folder.as_os_str().is_empty() {
        ".".as_ref()
    } else {
        folder
    };
    let (Ok(folder), Ok(file)) = (folder.canonicalize(), path.canonicalize()) else {
        return fetched.source.clone();
    };
    match file.strip_prefix(&folder) {
        Ok(inside) => Source::File(inside.to_owned()),
        Err(_) => Source::File(file),
    }
}

fn tell_approval(approval: &dfab_bundles::Approval) {
    match (&approval.signed, &approval.vetted) {
        (None, None) => terminal::tell("  nobody whom the project trusts vouches for it"),
        (signed, vetted) => {
            for (what, by) in [("signed", signed), ("vetted", vetted)] {
                if let Some(by) = by {
                    terminal::tell(&terminal::plain(&format!("  {what} by {by}")));
                }
            }
        }
    }
}

fn tell_grants(new: &Locked) {
    if let Some(hosts) = &new.hosts {
        let text = format!("  may work for {} only", hosts.join(", "));
        terminal::tell(&terminal::plain(&text));
    }
    for (name, component) in &new.components {
        let is_withheld =
            |ask: &&String| !component.grants.iter().any(|granted| covers(ask, granted));
        let withheld: Vec<_> = component.asks.iter().filter(is_withheld).cloned().collect();
        for part in component.grants.difference(&component.asks) {
            terminal::tell(&terminal::plain(&format!("  granted to {name}: {part}")));
        }
        if !withheld.is_empty() {
            let text = format!("  not granted to {name}: {}", withheld.join(", "));
            terminal::tell(&terminal::plain(&text));
        }
    }
}

pub(super) fn write(context: &Context, lock: &Lock) -> Result<(), Failure> {
    lock.write(&locked::file(&context.project))
        .map_err(|error| Failure::failed("the plugins are as they were").because(error))
}
