//! `dfab run`: tasks of plugins.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::ArgMatches;
use dfab_deploy::execute::Stop;
use dfab_deploy::host::Host;
use dfab_deploy::plan::folder_name;
use dfab_deploy::temporary::RUN_LABEL;
use dfab_runtime::task::{Output, TaskInfo, View};
use dfab_runtime::{CallError, PluginError, TaskPlugin};
use serde_json::{Map, Value, json};

use super::{Context, NOT_BEGUN, overall};
use crate::arguments::{self, Form};
use crate::failure::{Code, Failure, describe};
use crate::interrupt::Interrupt;
use crate::local_paths;
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
    let work = Work {
        context,
        plugin,
        task,
        given_paths: local_paths::typed(matches, &task.parameters).into(),
        settings: Arc::new(context.project.settings.clone()),
        several: hosts.len() > 1,
        stop: Stop::default(),
    };
    let mut left_out: Vec<Option<Answer>> = hosts.iter().map(|_| None).collect();
    if task.changes_things && !only_shows {
        tell_task(plugin, task, &hosts);
        if context.common.dry_run {
            terminal::tell("This is a dry run: nothing was done.");
            return Ok(Code::Done);
        }
        if !context.common.yes {
            terminal::can_ask()?;
            left_out = work.show(&hosts, &arguments).await;
            let is_left = left_out.iter().any(Option::is_none);
            if is_left && !terminal::confirm("Run it?", context.deadline).await? {
                terminal::tell("Nothing was done.");
                return Ok(terminal::DECLINED);
            }
        }
    }
    let left = hosts.iter().zip(&left_out);
    let left: Vec<_> = left
        .filter(|(_, left_out)| left_out.is_none())
        .map(|(host, _)| Arc::clone(host))
        .collect();
    // Not before the question, which Ctrl-C answers too.
    let interrupt = Interrupt::listen()?;
    let done = tokio::select! {
        done = work.run(&left, hosts.len() - left.len(), &arguments) => done,
        code = interrupt.wait() => {
            clear_away(&work.stop).await;
            return Ok(Code::Passed(code));
        }
    };
    if context.deadline.is_over() {
        clear_away(&work.stop).await;
    }
    let mut done = done.into_iter();
    let results: Vec<Answer> = left_out
        .into_iter()
        .filter_map(|failed| failed.or_else(|| done.next()))
        .collect();
    print(context, &names(&hosts), &results)?;
    let code = |result: &Answer| match result {
        Ok(_) => Code::Done,
        Err(failure) => failure.code,
    };
    let codes: Vec<_> = results.iter().map(code).collect();
    Ok(overall(&codes))
}

/// What came of a task on one host.
type Answer = Result<Output, Failure>;

/// A task, and what it needs to run on hosts.
struct Work<'a> {
    context: &'a Context,
    plugin: &'a TaskPlugin,
    task: &'a TaskInfo,
    given_paths: Arc<[String]>,
    settings: Arc<Map<String, Value>>,
    several: bool,
    stop: Stop,
}

impl Work<'_> {
    /// Shows what it is about, where the task can show that, to whoever is asked then. For each host the
    /// failure where it could not: what cannot be shown is not done.
    async fn show(
        &self,
        hosts: &[Arc<Host>],
        arguments: &[(String, String)],
    ) -> Vec<Option<Answer>> {
        let Some(preview) = &self.task.preview else {
            return hosts.iter().map(|_| None).collect();
        };
        let shown = self.run(hosts, 0, &with(arguments, preview)).await;
        for text in views(&names(hosts), &shown, self.context.common.names_hosts()) {
            terminal::tell(text.trim_end());
        }
        let shown = hosts.iter().zip(shown).map(|(host, shown)| {
            let failure = shown.as_ref().err()?;
            terminal::tell(&format!("{}: left out: {failure}", host.name()));
            Some(shown)
        });
        shown.collect()
    }

    /// Runs it on these hosts, beside which so many have failed already; what came of it, in their order.
    /// May be dropped.
    async fn run(
        &self,
        hosts: &[Arc<Host>],
        failed: usize,
        arguments: &[(String, String)],
    ) -> Vec<Answer> {
        let folder: Arc<Path> = self.context.project.folder().into();
        let one = |host: Arc<Host>| {
            let (arguments, own_paths) = match self.several {
                true => {
                    let folder = folder_name(host.name());
                    let parameters = &self.task.parameters;
                    local_paths::for_host(arguments, parameters, &self.given_paths, &folder)
                }
                false => (arguments.to_vec(), Vec::new()),
            };
            // The host's own go before what they are in.
            let given = own_paths.iter().chain(self.given_paths.iter());
            let task_host = Arc::new(TaskContext {
                host,
                settings: Arc::clone(&self.settings),
                given_paths: given.cloned().collect(),
                own_paths,
                folder: Arc::clone(&folder),
                has_others: self.several,
                stop: self.stop.clone(),
                hints: Mutex::default(),
            });
            self.context.deadline.within(async move {
                let plugin = self.plugin;
                let done = plugin.run(&self.task.name, &arguments, Arc::clone(&task_host) as _);
                done.await.map_err(|error| {
                    let failure = Failure::new(code(&error), told(&error));
                    let hints = task_host.hints().into_iter();
                    hints.fold(failure, Failure::hint)
                })
            })
        };
        let pace = self.context.common.pace(hosts.len(), failed);
        let results = paced(&pace, hosts, one, Result::is_err).await.into_iter();
        results
            .map(|result| result.unwrap_or_else(|| Err(Failure::failed(NOT_BEGUN))))
            .collect()
    }
}

fn names(hosts: &[Arc<Host>]) -> Vec<&str> {
    hosts.iter().map(|host| host.name()).collect()
}

/// The arguments with a flag set.
fn with(arguments: &[(String, String)], flag: &str) -> Vec<(String, String)> {
    let mut arguments = arguments.to_vec();
    for (name, value) in &mut arguments {
        if name == flag {
            *value = true.to_string();
        }
    }
    arguments
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

/// Says which task is about to run, and where.
fn tell_task(plugin: &TaskPlugin, task: &TaskInfo, hosts: &[Arc<Host>]) {
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
    for (index, text) in views(names, results, keyed).into_iter().enumerate() {
        let gap = if keyed && index > 0 { "\n" } else { "" };
        terminal::data(&format!("{gap}{text}"))?;
    }
    Ok(())
}

/// What results look like to people; under the names of their hosts where they are told by them.
fn views(names: &[&str], results: &[Answer], keyed: bool) -> Vec<String> {
    let shown = names.iter().zip(results).filter_map(|(name, result)| {
        let text = match &result.as_ref().ok()?.view {
            View::Nothing => return None,
            View::Text(text) => terminal::plain(text),
            View::Table(table) => terminal::columns(&table.columns, &table.rows),
        };
        Some(if keyed {
            format!("{name}:\n{text}")
        } else {
            text
        })
    });
    shown.collect()
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
