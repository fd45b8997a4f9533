//! `dfab setup`: recipes for machines.

use std::sync::{Arc, OnceLock};

use clap::ArgMatches;
use dfab_deploy::execute::Stop;
use dfab_deploy::host::Host;
use dfab_deploy::setup::{Machine, Plan, SetupError};
use dfab_runtime::recipe::{RecipeInfo, Step};
use dfab_runtime::{CallError, PluginError, RecipePlugin};
use serde_json::{Map, Value, json};

use super::ending::stop_when_asked;
use super::{Context, NOT_BEGUN, for_each_host, overall};
use crate::arguments::{self, Form};
use crate::deadline::{Deadline, over};
use crate::failure::{Code, Failure, describe};
use crate::interrupt::{Interrupt, Signals};
use crate::pace::paced;
use crate::task_host::Log;
use crate::terminal;

/// Looks at the machines, shows what a recipe would change, asks, and changes it.
///
/// # Errors
/// Where nothing could be planned at all.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let Some((name, matches)) = matches.subcommand() else {
        return list(context);
    };
    let recipes = context.plugins.recipes(name);
    if recipes.is_empty() {
        return Err(Failure::usage(format!("there is no recipe {name}")));
    }
    if !context.common.names_hosts() {
        return Err(
            Failure::usage(format!("{name} is for machines, and none is named"))
                .hint(format!("dfab setup {name} -H HOST")),
        );
    }
    let hosts = context.hosts()?;
    let preparing = for_each_host(context, &hosts, |host| prepare(host, &recipes, matches));
    let plans = if context.common.yes || context.common.dry_run {
        let interrupt = Interrupt::listen()?;
        tokio::select! {
            plans = preparing => plans,
            code = interrupt.wait() => return Ok(Code::Passed(code)),
        }
    } else {
        // Before a question Ctrl-C ends everything.
        preparing.await
    };
    let json = context.common.output == Form::Json;
    if !json || !context.common.yes {
        terminal::tell(&show(name, &hosts, &plans));
    } else {
        for host in &hosts {
            terminal::tell(&format!("{name} on {} ({})", host.name(), host.address()));
        }
    }
    let something = plans
        .iter()
        .flatten()
        .any(|plan| !plan.steps.todo.is_empty());
    let go = something
        && !context.common.dry_run
        && (context.common.yes || terminal::confirm("Do this?", context.deadline).await?);
    let declined = something && !context.common.dry_run && !go;
    // The exit code of the signal that asked for the end.
    let ended_by: Arc<OnceLock<u8>> = Arc::default();
    let results: Vec<Result<usize, Failure>> = if go {
        let paired: Vec<_> = hosts.iter().zip(&plans).collect();
        let several = hosts.len() > 1;
        let pace = context.common.pace(hosts.len(), 0);
        let stop = Stop::default();
        let asked = Arc::clone(&ended_by);
        let interrupt = tokio::spawn(stop_when_asked(stop.clone(), Signals::listen()?, asked));
        let stop = &stop;
        let carried_out = paced(
            &pace,
            &paired,
            |(host, plan)| async move {
                match plan {
                    Ok(plan) => {
                        plan.carry_out(host.name(), several, context.deadline, stop)
                            .await
                    }
                    Err(failure) => Err(Failure::new(failure.code, failure.to_string())),
                }
            },
            Result::is_err,
        )
        .await;
        interrupt.abort();
        carried_out
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(Failure::failed(NOT_BEGUN))))
            .collect()
    } else {
        if something {
            let why = if context.common.dry_run {
                "This is a dry run: nothing"
            } else {
                "Nothing"
            };
            terminal::tell(&format!("{why} was done."));
        }
        let untouched = |plan: &Result<MachinePlan, Failure>| match plan {
            Ok(_) => Ok(0),
            Err(failure) => Err(Failure::new(failure.code, failure.to_string())),
        };
        plans.iter().map(untouched).collect()
    };
    if json {
        terminal::json(&as_json(&hosts, &plans, &results))?;
    }
    if declined {
        return Ok(terminal::DECLINED);
    }
    if let Some(code) = ended_by.get()
        && results.iter().any(Result::is_err)
    {
        return Ok(Code::Passed(*code));
    }
    let codes: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map_or_else(|f| f.code, |_| Code::Done))
        .collect();
    Ok(overall(&codes))
}

fn list(context: &Context) -> Result<Code, Failure> {
    let recipes = context
        .plugins
        .recipes
        .iter()
        .flat_map(|(plugin, recipes)| recipes.iter().map(move |recipe| (plugin.name(), recipe)));
    match context.common.output {
        Form::Json => {
            let data = recipes.map(|(plugin, recipe)| {
                json!({
                    "plugin": plugin, "recipe": recipe.name, "systems": recipe.systems,
                    "summary": recipe.summary,
                })
            });
            terminal::json(&Value::Array(data.collect()))?;
        }
        Form::Table => {
            let rows: Vec<_> = recipes
                .map(|(plugin, recipe)| {
                    vec![
                        recipe.name.clone(),
                        plugin.to_owned(),
                        systems(recipe),
                        recipe.summary.clone(),
                    ]
                })
                .collect();
            let headings = ["recipe", "plugin", "for", "summary"].map(str::to_owned);
            terminal::data(&terminal::columns(&headings, &rows))?;
        }
    }
    Ok(Code::Done)
}

fn systems(recipe: &RecipeInfo) -> String {
    if recipe.systems.is_empty() {
        "any system".to_owned()
    } else {
        recipe.systems.join(", ")
    }
}

/// What a recipe wants of one machine, and what of it is not so yet.
struct MachinePlan {
    machine: Machine,
    steps: Plan,
}

impl MachinePlan {
    /// Makes the changes one after another; the first that fails ends it. None is begun after the
    /// deadline or a stop, and none is broken off unless the stop is one at once.
    async fn carry_out(
        &self,
        host: &str,
        several: bool,
        deadline: Deadline,
        stop: &Stop,
    ) -> Result<usize, Failure> {
        let prefix = if several {
            format!("{host}: ")
        } else {
            String::new()
        };
        for (index, step) in self.steps.todo.iter().enumerate() {
            let summary = terminal::plain(&step.summary);
            if deadline.is_over() || stop.is_stopped() {
                let left = self.steps.todo.len() - index;
                let failure = match stop.is_stopped() {
                    true => Failure::failed("a stop was asked for"),
                    false => over(),
                };
                terminal::tell(&format!(
                    "{host}: {failure}; changes that were not tried: {left}"
                ));
                return Err(failure);
            }
            let changed = tokio::select! {
                changed = self.machine.change(step) => changed,
                () = stop.asked_at_once() => {
                    let text = "ended by a signal; how far it came is not known";
                    terminal::tell(&format!("{prefix}FAILED   {summary}: {text}"));
                    return Err(Failure::failed(format!("{summary}: {text}")));
                }
            };
            if let Err(error) = changed {
                let left = self.steps.todo.len() - index - 1;
                let text = terminal::plain(&describe(&error));
                terminal::tell(&format!("{prefix}FAILED   {summary}: {text}"));
                if left > 0 {
                    terminal::tell(&format!("{prefix}{left} further changes were not tried"));
                }
                return Err(Failure::failed(format!("{summary}: {text}")));
            }
            terminal::tell(&format!("{prefix}done     {summary}"));
        }
        Ok(self.steps.todo.len())
    }
}

async fn prepare(
    host: Arc<Host>,
    recipes: &[(&RecipePlugin, &RecipeInfo)],
    matches: &ArgMatches,
) -> Result<MachinePlan, Failure> {
    let session = host.session().await?.ok_or_else(|| {
        Failure::usage(format!(
            "{} is reached without SSH, and a recipe needs a shell",
            host.name()
        ))
    })?;
    let looks_for = recipes.iter().flat_map(|(_, recipe)| &recipe.looks_for);
    let looks_for: Vec<_> = looks_for.cloned().collect();
    let machine = Machine::look(session, &looks_for)
        .await
        .map_err(|error| Failure::failed("the machine cannot be looked at").because(error))?;
    let (plugin, recipe) = choose(recipes, &machine, matches)?;
    let arguments = arguments::arguments(matches, &recipe.parameters);
    let steps = plugin
        .plan(&recipe.name, machine.facts(), &arguments, &Log::sink())
        .await
        .map_err(refused)?;
    let steps = machine.plan(steps).await.map_err(|error| match error {
        SetupError::Name(_) => Failure::usage(describe(&error)),
        _ => Failure::failed(describe(&error)),
    })?;
    Ok(MachinePlan { machine, steps })
}

/// The first recipe that is for the machine's system.
fn choose<'a>(
    recipes: &[(&'a RecipePlugin, &'a RecipeInfo)],
    machine: &Machine,
    matches: &ArgMatches,
) -> Result<(&'a RecipePlugin, &'a RecipeInfo), Failure> {
    let system = match machine.facts().os_id.as_str() {
        "" => "a system that does not say its name",
        system => system,
    };
    let fits = |(_, recipe): &&(&RecipePlugin, &RecipeInfo)| machine.runs(&recipe.systems);
    let Some((plugin, recipe)) = recipes.iter().find(fits).copied() else {
        let known: Vec<_> = recipes.iter().map(|(_, recipe)| systems(recipe)).collect();
        return Err(Failure::usage(format!(
            "this machine has {system}, and the recipe is for {}",
            known.join(", ")
        )));
    };
    // Options of all recipes of this name are on the command line.
    let others = recipes.iter().flat_map(|(_, other)| &other.parameters);
    for option in others {
        let is_known = recipe.parameters.iter().any(|one| one.name == option.name);
        if !is_known && arguments::is_given(matches, &option.name) {
            return Err(Failure::usage(format!(
                "--{} means nothing to the recipe for {system}",
                option.name
            )));
        }
    }
    Ok((plugin, recipe))
}

fn refused(error: PluginError) -> Failure {
    match &error {
        PluginError::Call {
            source: CallError::Invalid(_),
            ..
        } => Failure::usage(describe(&error)),
        _ => Failure::failed(describe(&error)),
    }
}

fn show(recipe: &str, hosts: &[Arc<Host>], plans: &[Result<MachinePlan, Failure>]) -> String {
    let mut text = String::new();
    for (host, plan) in hosts.iter().zip(plans) {
        text.push_str(&format!(
            "{recipe} on {} ({})\n",
            host.name(),
            host.address()
        ));
        match plan {
            Err(failure) => {
                text.push_str(&format!("  {}\n", terminal::plain(&failure.to_string())))
            }
            Ok(plan) => {
                for step in &plan.steps.todo {
                    text.push_str(&format!("  {}\n", terminal::plain(&step.summary)));
                }
                for step in &plan.steps.so {
                    let summary = terminal::plain(&step.summary);
                    text.push_str(&format!("  {summary}: is so already\n"));
                }
                for note in &plan.steps.notes {
                    text.push_str(&format!("  note: {}\n", terminal::plain(note)));
                }
                if plan.steps.todo.is_empty() {
                    text.push_str("  nothing to do\n");
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn as_json(
    hosts: &[Arc<Host>],
    plans: &[Result<MachinePlan, Failure>],
    results: &[Result<usize, Failure>],
) -> Value {
    let mut object = Map::new();
    for ((host, plan), result) in hosts.iter().zip(plans).zip(results) {
        let summaries = |steps: &[Step]| -> Vec<String> {
            steps.iter().map(|step| step.summary.clone()).collect()
        };
        let mut value = match plan {
            Ok(plan) => {
                json!({ "wanted": summaries(&plan.steps.todo), "so": summaries(&plan.steps.so) })
            }
            Err(_) => json!({}),
        };
        if let Some(fields) = value.as_object_mut() {
            match result {
                Ok(changed) => fields.insert("changed".to_owned(), json!(changed)),
                Err(failure) => fields.insert("error".to_owned(), json!(failure.to_string())),
            };
        }
        object.insert(host.name().to_owned(), value);
    }
    Value::Object(object)
}
