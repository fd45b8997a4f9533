//! `dfab run`: tasks of plugins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;
use dfab_deploy::execute::Stop;
use dfab_deploy::temporary::RUN_LABEL;
use dfab_runtime::task::{Output, TaskInfo, View};
use dfab_runtime::{CallError, PluginError, TaskPlugin};
use serde_json::{Map, Value, json};

use super::{Context, NOT_BEGUN, overall};
use crate::arguments::{self, Form};
use crate::failure::{Code, Failure, describe};
use crate::interrupt::Interrupt;
use crate::pace::paced;
use crate::plugins::tasks_of;
use crate::task_host::TaskContext;
use crate::terminal;

/// How long it may take to clear away when the end is asked for.
const CLEARING: Duration = Duration::from_secs(5);

/// Runs the task that the command line names, or lists what there is.
///
/// # Errors
/// Where nothing could be run at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let Some((plugin, matches)) = matches.subcommand() else {
        return list(context, &context.plugins.tasks).await;
    };
    let plugin = context.plugins.task_plugin(plugin)?;
    let Some((task, matches)) = matches.subcommand() else {
        return list(context, std::slice::from_ref(plugin)).await;
    };
    let tasks = tasks_of(plugin).await?;
    let task = tasks
        .iter()
        .find(|known| known.name == task)
        .ok_or_else(|| Failure::usage(format!("{} has no task {task}", plugin.name())))?;
    let mut arguments = arguments::arguments(matches, &task.parameters);
    let hosts = context.hosts()?;
    for host in &hosts {
        plugin
            .may_run_on(host.name())
            .map_err(|denial| Failure::usage(denial.to_string()))?;
    }
    let only_shows = shows(task, &mut arguments, context.common.dry_run);
    if task.changes_things && !only_shows && !allowed(context, plugin, task, &hosts)? {
        return Ok(Code::Done);
    }
    let settings = Arc::new(context.project.settings.clone());
    let given_paths: Arc<[String]> = arguments::paths(matches, &task.parameters).into();
    let folder: Arc<Path> = context.project.folder().into();
    let stop = Stop::default();
    let pace = context.common.pace(hosts.len(), 0);
    let work = |host| {
        let task_host = Arc::new(TaskContext {
            host,
            settings: settings.clone(),
            given_paths: Arc::clone(&given_paths),
            folder: Arc::clone(&folder),
            has_others: hosts.len() > 1,
            stop: stop.clone(),
        });
        plugin.run(&task.name, &arguments, task_host)
    };
    let interrupt = Interrupt::listen()?;
    let results = tokio::select! {
        results = paced(&pace, &hosts, work, Result::is_err) => results,
        code = interrupt.wait() => {
            clear_away(&stop).await;
            return Ok(Code::Passed(code));
        }
    };
    let results: Vec<_> = results
        .into_iter()
        .map(|result| match result {
            Some(result) => result.map_err(|error| Failure::new(code(&error), told(&error))),
            None => Err(Failure::failed(NOT_BEGUN)),
        })
        .collect();
    let names: Vec<_> = hosts.iter().map(|host| host.name()).collect();
    print(context, &names, &results)?;
    let code = |result: &Result<_, Failure>| match result {
        Ok(_) => Code::Done,
        Err(failure) => failure.code,
    };
    let codes: Vec<_> = results.iter().map(code).collect();
    Ok(overall(&codes))
}

async fn list(context: &Context, plugins: &[TaskPlugin]) -> Result<Code, Failure> {
    let mut rows = Vec::new();
    let mut data = Vec::new();
    for plugin in plugins {
        for task in tasks_of(plugin).await? {
            data.push(json!({
                "plugin": plugin.name(), "task": task.name, "summary": task.summary,
                "changes_things": task.changes_things,
            }));
            rows.push(vec![plugin.name().to_owned(), task.name, task.summary]);
        }
    }
    match context.common.output {
        Form::Json => terminal::json(&Value::Array(data))?,
        Form::Table => {
            let headings = ["plugin", "task", "summary"].map(str::to_owned);
            terminal::data(&terminal::columns(&headings, &rows))?;
        }
    }
    Ok(Code::Done)
}

/// Whether the task only shows what it would do, which a dry run asks for as well.
fn shows(task: &TaskInfo, arguments: &mut [(String, String)], dry_run: bool) -> bool {
    let preview = task.preview.as_deref();
    let flag = arguments
        .iter_mut()
        .find(|(name, _)| Some(name.as_str()) == preview);
    match flag {
        Some((_, value)) => {
            if dry_run {
                *value = true.to_string();
            }
            value == "true"
        }
        None => false,
    }
}

/// Waits until what was made for a while is gone, when the end was asked for.
async fn clear_away(stop: &Stop) {
    let cleared = async {
        while stop.is_held() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(CLEARING, cleared).await.is_err() {
        terminal::tell(&format!(
            "A container may be left: `docker ps -a --filter label={RUN_LABEL}` on the hosts shows it."
        ));
    }
}

/// Whether a task that changes things may run: it is shown, and asked for.
fn allowed(
    context: &Context,
    plugin: &TaskPlugin,
    task: &TaskInfo,
    hosts: &[Arc<dfab_deploy::host::Host>],
) -> Result<bool, Failure> {
    let hosts: Vec<_> = hosts
        .iter()
        .map(|host| format!("{} ({})", host.name(), host.address()))
        .collect();
    terminal::tell(&format!(
        "{} {} on {}",
        plugin.name(),
        task.name,
        hosts.join(", ")
    ));
    if context.common.dry_run {
        terminal::tell("This is a dry run: nothing was done.");
        return Ok(false);
    }
    let agreed = context.common.yes || terminal::confirm("Run it?")?;
    if !agreed {
        terminal::tell("Nothing was done.");
    }
    Ok(agreed)
}

fn print(
    context: &Context,
    names: &[&str],
    results: &[Result<Output, Failure>],
) -> Result<(), Failure> {
    for (name, result) in names.iter().zip(results) {
        if let Err(failure) = result {
            terminal::tell(&format!("{name}: {failure}"));
        }
    }
    let keyed = context.common.names_hosts();
    match context.common.output {
        Form::Json => print_json(names, results, keyed),
        Form::Table => print_views(names, results, keyed),
    }
}

fn print_json(
    names: &[&str],
    results: &[Result<Output, Failure>],
    keyed: bool,
) -> Result<(), Failure> {
    let mut object = Map::new();
    for (name, result) in names.iter().zip(results) {
        let value = match result {
            Ok(output) => serde_json::from_str(&output.data).map_err(|error| {
                Failure::failed(format!("{name}: the plugin's data is no JSON")).because(error)
            })?,
            Err(_) if !keyed => return Ok(()),
            Err(error) => json!({ "error": error.to_string() }),
        };
        if !keyed {
            return terminal::json(&value);
        }
        object.insert((*name).to_owned(), value);
    }
    terminal::json(&Value::Object(object))
}

fn print_views(
    names: &[&str],
    results: &[Result<Output, Failure>],
    keyed: bool,
) -> Result<(), Failure> {
    let shown = names.iter().zip(results).filter_map(|(name, result)| {
        let text = match &result.as_ref().ok()?.view {
            View::Nothing => return None,
            View::Text(text) => terminal::plain(text),
            View::Table(table) => terminal::columns(&table.columns, &table.rows),
        };
        Some((name, text))
    });
    for (index, (name, text)) in shown.enumerate() {
        if keyed {
            let gap = if index > 0 { "\n" } else { "" };
            terminal::data(&format!("{gap}{name}:\n{text}"))?;
        } else {
            terminal::data(&text)?;
        }
    }
    Ok(())
}

/// A plugin's own answer speaks for itself; how it ended badly is said with its name.
fn told(error: &PluginError) -> String {
    match error {
        PluginError::Call { source, .. } => terminal::plain(&source.to_string()),
        error => terminal::plain(&describe(error)),
    }
}

fn code(error: &PluginError) -> Code {
    match error {
        PluginError::Call {
            source: CallError::Unreachable(_),
            ..
        } => Code::Unreachable,
        PluginError::Call {
            source: CallError::Invalid(_),
            ..
        } => Code::Usage,
        _ => Code::Failed,
    }
}
