//! `dfab setup`: recipes for machines.

use std::sync::Arc;

use clap::ArgMatches;
use dfab_deploy::host::Host;
use dfab_deploy::setup::Machine;
use dfab_runtime::recipe::{RecipeInfo, Step};
use dfab_runtime::{CallError, PluginError, RecipePlugin};
use serde_json::{Map, Value, json};

use super::{Context, for_each_host, overall};
use crate::arguments::{self, Form};
use crate::failure::{Code, Failure, describe};
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
    let (plugin, info) = context
        .plugins
        .recipe(name)
        .ok_or_else(|| Failure::usage(format!("there is no recipe {name}")))?;
    if context.common.hosts.is_empty() {
        return Err(
            Failure::usage(format!("{name} is for machines, and none is named"))
                .hint(format!("dfab setup {name} -H HOST")),
        );
    }
    let arguments = arguments::arguments(matches, &info.parameters);
    let hosts = context.hosts()?;
    let plans = for_each_host(&hosts, |host| prepare(host, plugin, info, &arguments)).await;
    let json = context.common.output == Form::Json;
    if !json || !context.common.yes {
        terminal::tell(&show(info, &hosts, &plans));
    }
    let something = plans.iter().flatten().any(|plan| !plan.todo.is_empty());
    let go = something
        && !context.common.dry_run
        && (context.common.yes || terminal::confirm("Do this?")?);
    let results = if go {
        let paired: Vec<_> = hosts.iter().zip(&plans).collect();
        futures_util::future::join_all(paired.into_iter().map(|(host, plan)| async move {
            match plan {
                Ok(plan) => {
                    plan.carry_out(host.name(), hosts_are_several(context))
                        .await
                }
                Err(failure) => Err(Failure::new(failure.code, failure.to_string())),
            }
        }))
        .await
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
                json!({ "plugin": plugin, "recipe": recipe.name, "summary": recipe.summary })
            });
            terminal::json(&Value::Array(data.collect()))?;
        }
        Form::Table => {
            let rows: Vec<_> = recipes
                .map(|(plugin, recipe)| {
                    vec![
                        recipe.name.clone(),
                        plugin.to_owned(),
                        recipe.summary.clone(),
                    ]
                })
                .collect();
            let headings = ["recipe", "plugin", "summary"].map(str::to_owned);
            terminal::data(&terminal::columns(&headings, &rows))?;
        }
    }
    Ok(Code::Done)
}

/// What a recipe wants of one machine, and what of it is not so yet.
struct MachinePlan {
    machine: Machine,
    so: Vec<Step>,
    todo: Vec<Step>,
}

impl MachinePlan {
    /// Makes the changes one after another; the first that fails ends it.
    async fn carry_out(&self, host: &str, several: bool) -> Result<usize, Failure> {
        let prefix = if several {
            format!("{host}: ")
        } else {
            String::new()
        };
        for (index, step) in self.todo.iter().enumerate() {
            let summary = terminal::plain(&step.summary);
            if let Err(error) = self.machine.change(step).await {
                let left = self.todo.len() - index - 1;
                let text = terminal::plain(&describe(&error));
                terminal::tell(&format!("{prefix}FAILED   {summary}: {text}"));
                if left > 0 {
                    terminal::tell(&format!("{prefix}{left} further changes were not tried"));
                }
                return Err(Failure::failed(format!("{summary}: {text}")));
            }
            terminal::tell(&format!("{prefix}done     {summary}"));
        }
        Ok(self.todo.len())
    }
}

async fn prepare(
    host: Arc<Host>,
    plugin: &RecipePlugin,
    info: &RecipeInfo,
    arguments: &[(String, String)],
) -> Result<MachinePlan, Failure> {
    let session = host.session().await?.ok_or_else(|| {
        Failure::usage(format!(
            "{} is reached without SSH, and a recipe needs a shell",
            host.name()
        ))
    })?;
    let look = |error| Failure::failed("the machine cannot be looked at").because(error);
    let machine = Machine::look(session, info).await.map_err(look)?;
    let steps = plugin
        .plan(&info.name, machine.facts(), arguments, &Log::sink())
        .await
        .map_err(refused)?;
    let (mut so, mut todo) = (Vec::new(), Vec::new());
    for step in steps {
        if machine.is_so(&step).await.map_err(look)? {
            so.push(step)
        } else {
            todo.push(step)
        }
    }
    Ok(MachinePlan { machine, so, todo })
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

fn hosts_are_several(context: &Context) -> bool {
    context.common.hosts.len() > 1
}

fn show(info: &RecipeInfo, hosts: &[Arc<Host>], plans: &[Result<MachinePlan, Failure>]) -> String {
    let mut text = String::new();
    for (host, plan) in hosts.iter().zip(plans) {
        text.push_str(&format!(
            "{} on {} ({})\n",
            info.name,
            host.name(),
            host.address()
        ));
        match plan {
            Err(failure) => {
                text.push_str(&format!("  {}\n", terminal::plain(&failure.to_string())))
            }
            Ok(plan) => {
                for step in &plan.todo {
                    text.push_str(&format!("  {}\n", terminal::plain(&step.summary)));
                }
                for step in &plan.so {
                    let summary = terminal::plain(&step.summary);
                    text.push_str(&format!("  {summary}: is so already\n"));
                }
                if plan.todo.is_empty() {
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
            Ok(plan) => json!({ "wanted": summaries(&plan.todo), "so": summaries(&plan.so) }),
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
