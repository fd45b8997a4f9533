//! Actions: `dfab startup`, `dfab plan startup` and whatever else a policy exports.

use std::sync::Arc;
use std::time::Instant;

use clap::ArgMatches;
use dfab_deploy::apply::{ApplyError, apply};
use dfab_deploy::execute::{Event, Outcome, Stop, execute};
use dfab_deploy::host::Host;
use dfab_deploy::plan::{Plan, Step};
use dfab_deploy::request::{Survey, request};
use dfab_maps::{Planned, ResolvedMap, Walk};
use dfab_runtime::planning::{ActionInfo, Walk as ActionWalk};
use dfab_runtime::{CallError, PluginError, PolicyPlugin};
use serde_json::{Value, json};

use super::{Context, for_each_host, overall};
use crate::arguments::{self, Form};
use crate::failure::{Code, Failure, describe};
use crate::hosts::Directory;
use crate::task_host::Log;
use crate::terminal;

/// How many steps run at a time on one host.
const STEPS_AT_A_TIME: usize = 8;

/// Plans an action, shows the plan, asks, and carries it out.
///
/// # Errors
/// Where nothing could be planned; what fails on the way is told and is in the exit code.
pub(crate) async fn run(
    context: &Context,
    action: &str,
    matches: &ArgMatches,
) -> Result<Code, Failure> {
    let (policy, info) = policy(context, action)?;
    let prepared = Prepared::new(context, policy, info, matches).await?;
    let json = context.common.output == Form::Json;
    prepared.tell_unreached();
    if !json || !context.common.yes {
        terminal::tell(&show(&prepared.plan, &prepared.hosts));
    }
    if prepared.plan.steps.is_empty() || context.common.dry_run {
        if json {
            terminal::json(&prepared.as_json(None))?;
        }
        if context.common.dry_run {
            terminal::tell("This is a dry run: nothing was done.");
        }
        return Ok(prepared.code(&[]));
    }
    if !context.common.yes && !terminal::confirm("Do this?")? {
        terminal::tell("Nothing was done.");
        return Ok(Code::Done);
    }
    let outcomes = carry_out(&prepared).await;
    if json {
        terminal::json(&prepared.as_json(Some(&outcomes)))?;
    }
    terminal::tell(&summary(&prepared.plan, &outcomes));
    Ok(prepared.code(&outcomes))
}

/// Plans an action and shows the plan, as data.
///
/// # Errors
/// As [`run`].
pub(crate) async fn plan(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let Some((action, matches)) = matches.subcommand() else {
        return Err(Failure::usage(
            "an action is wanted, such as `dfab plan startup CONTAINER`",
        ));
    };
    let (policy, info) = policy(context, action)?;
    let prepared = Prepared::new(context, policy, info, matches).await?;
    prepared.tell_unreached();
    match context.common.output {
        Form::Json => terminal::json(&prepared.as_json(None))?,
        Form::Table => terminal::data(&show(&prepared.plan, &prepared.hosts))?,
    }
    Ok(prepared.code(&[]))
}

fn policy<'a>(
    context: &'a Context,
    action: &str,
) -> Result<(&'a PolicyPlugin, &'a ActionInfo), Failure> {
    context
        .plugins
        .policy(action)
        .ok_or_else(|| Failure::usage(format!("no policy exports the action {action}")))
}

/// A plan, the hosts it is for, and those that could not be asked.
struct Prepared {
    hosts: Vec<Arc<Host>>,
    plan: Plan,
    unreached: Vec<(String, Failure)>,
}

impl Prepared {
    async fn new(
        context: &Context,
        policy: &PolicyPlugin,
        info: &ActionInfo,
        matches: &ArgMatches,
    ) -> Result<Self, Failure> {
        let maps = context.project.load_maps()?;
        let references = arguments::configurations(matches);
        let selected = maps
            .select(&references)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let walk = match info.walk {
            ActionWalk::Dependencies => Walk::Dependencies,
            ActionWalk::Dependents => Walk::Dependents,
            ActionWalk::Selected => Walk::Selected,
        };
        let directory = Directory::new(&context.project, &context.common)?;
        let mut named: Vec<String> = context.common.hosts.clone();
        if named.is_empty() {
            // Each map says on which clients it runs; one that says nothing, on the engine meant.
            for selection in &selected {
                named.extend(clients_of(selection.map));
            }
        }
        let hosts: Vec<_> = directory.hosts(&named)?.into_iter().map(Arc::new).collect();
        let snapshots = for_each_host(&hosts, |host| async move {
            let engine = host.engine().await.map_err(Failure::from)?;
            let snapshot = engine.snapshot().await.map_err(|error| {
                Failure::new(Code::Unreachable, "cannot see what is on the engine").because(error)
            })?;
            Ok::<_, Failure>((engine.api_version(), snapshot))
        })
        .await;
        let mut surveys = Vec::with_capacity(hosts.len());
        let mut reached = Vec::with_capacity(hosts.len());
        let mut unreached = Vec::new();
        for (host, found) in hosts.iter().zip(snapshots) {
            match found {
                Ok((api_version, snapshot)) => {
                    let here = selected.iter().filter(|selection| {
                        !context.common.hosts.is_empty()
                            || clients_of(selection.map)
                                .iter()
                                .any(|name| name == host.name())
                    });
                    let here: Vec<_> = here.cloned().collect();
                    let items: Vec<Planned<'_>> = maps
                        .walk(&here, walk)
                        .map_err(|error| Failure::usage(error.to_string()))?;
                    surveys.push(Survey {
                        host,
                        api_version,
                        items,
                        snapshot,
                    });
                    reached.push(host.clone());
                }
                Err(failure) => unreached.push((host.name().to_owned(), failure)),
            }
        }
        let options = arguments::arguments(matches, &info.options);
        let (request, subjects) = request(&info.name, options, &surveys);
        let steps = policy.plan(&request, &Log::sink()).await.map_err(refused)?;
        let plan = Plan::new(&request, &subjects, &surveys, steps).map_err(|error| {
            Failure::failed(format!("the plan of {} cannot be used", policy.name())).because(error)
        })?;
        drop(surveys);
        Ok(Self {
            hosts: reached,
            plan,
            unreached,
        })
    }

    fn tell_unreached(&self) {
        for (name, failure) in &self.unreached {
            terminal::tell(&format!(
                "{name}: {}",
                terminal::plain(&failure.to_string())
            ));
        }
    }

    fn code(&self, outcomes: &[Outcome<ApplyError>]) -> Code {
        let mut codes: Vec<Code> = self
            .unreached
            .iter()
            .map(|(_, failure)| failure.code)
            .collect();
        for index in 0..self.hosts.len() {
            let of_host = self.plan.steps.iter().zip(outcomes);
            let mut of_host = of_host.filter(|(step, _)| step.host_index == index);
            let bad = of_host.find(|(_, outcome)| !outcome.is_done());
            codes.push(if bad.is_some() {
                Code::Failed
            } else {
                Code::Done
            });
        }
        overall(&codes)
    }

    fn as_json(&self, outcomes: Option<&[Outcome<ApplyError>]>) -> Value {
        let steps: Vec<_> = self
            .plan
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                let mut value = serde_json::to_value(step).unwrap_or_default();
                let outcome = outcomes.and_then(|outcomes| outcomes.get(index));
                if let (Some(fields), Some(outcome)) = (value.as_object_mut(), outcome) {
                    let (word, error) = match outcome {
                        Outcome::Done => ("done", None),
                        Outcome::Failed(error) => ("failed", Some(describe(error))),
                        Outcome::Skipped { .. } => ("skipped", None),
                        Outcome::NotRun => ("not-run", None),
                    };
                    fields.insert("outcome".to_owned(), json!(word));
                    if let Some(error) = error {
                        fields.insert("error".to_owned(), json!(error));
                    }
                }
                value
            })
            .collect();
        let unreached: serde_json::Map<_, _> = self
            .unreached
            .iter()
            .map(|(name, failure)| (name.clone(), json!(failure.to_string())))
            .collect();
        json!({
            "action": self.plan.action,
            "hosts": self.plan.hosts,
            "unreachable": unreached,
            "steps": steps,
        })
    }
}

/// Where a map runs when the command line names no host.
fn clients_of(map: &ResolvedMap) -> Vec<String> {
    let clients: Vec<String> = map.clients().to_vec();
    if clients.is_empty() {
        vec!["local".to_owned()]
    } else {
        clients
    }
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

async fn carry_out(prepared: &Prepared) -> Vec<Outcome<ApplyError>> {
    let plan = &prepared.plan;
    let stop = Stop::default();
    let stopping = stop.clone();
    let interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.stop();
            terminal::tell("Stopping: what runs is let end. Press Ctrl-C again to end at once.");
            if tokio::signal::ctrl_c().await.is_ok() {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "asked for, with the second Ctrl-C"
                )]
                std::process::exit(130);
            }
        }
    });
    let mut started = vec![Instant::now(); plan.steps.len()];
    let several = plan.hosts.len() > 1;
    let outcomes = execute(
        &plan.orders(),
        STEPS_AT_A_TIME,
        &stop,
        |index| {
            let work = plan.steps.get(index);
            let host = work.and_then(|step| prepared.hosts.get(step.host_index));
            async move {
                match (host, work) {
                    (Some(host), Some(step)) => apply(host, step).await,
                    _ => Err(ApplyError::NoSuchHost(format!("of step {index}"))),
                }
            }
        },
        |event| match event {
            Event::Started(index) => {
                if let Some(at) = started.get_mut(index) {
                    *at = Instant::now();
                }
            }
            Event::Ended(index, outcome) => {
                let took = started.get(index).map(Instant::elapsed).unwrap_or_default();
                if let Some(step) = plan.steps.get(index) {
                    let line = ended(plan, step, outcome, took.as_secs_f64(), several);
                    terminal::tell(&terminal::plain(&line));
                }
            }
        },
    )
    .await;
    interrupt.abort();
    outcomes
}

/// The line about a step that has ended.
fn ended(
    plan: &Plan,
    step: &Step,
    outcome: &Outcome<ApplyError>,
    seconds: f64,
    several: bool,
) -> String {
    let host = if several {
        format!("{}: ", step.host)
    } else {
        String::new()
    };
    let what = describe_step(step);
    match outcome {
        Outcome::Done => format!("{host}done     {what}  ({seconds:.1} s)"),
        Outcome::Failed(error) => format!("{host}FAILED   {what}: {}", describe(error)),
        Outcome::Skipped { because } => {
            let because = plan
                .steps
                .get(*because)
                .map(describe_step)
                .unwrap_or_default();
            format!("{host}skipped  {what}, since it needs: {because}")
        }
        Outcome::NotRun => format!("{host}not run  {what}"),
    }
}

fn describe_step(step: &Step) -> String {
    let detail = step
        .work
        .detail()
        .map(|detail| format!(" ({detail})"))
        .unwrap_or_default();
    format!("{} {} {}{detail}", step.work.verb(), step.kind, step.name)
}

/// The plan as a person reads it: per host, in order.
fn show(plan: &Plan, hosts: &[Arc<Host>]) -> String {
    let mut text = String::new();
    for (index, host) in hosts.iter().enumerate() {
        let rows: Vec<Vec<String>> = plan
            .steps
            .iter()
            .filter(|step| step.host_index == index)
            .map(|step| {
                let detail = step.work.detail().unwrap_or_default();
                vec![
                    format!("  {}", step.work.verb()),
                    step.kind.to_owned(),
                    step.name.clone(),
                    [step.reason.clone(), detail]
                        .into_iter()
                        .filter(|words| !words.is_empty())
                        .collect::<Vec<_>>()
                        .join(": "),
                ]
            })
            .collect();
        text.push_str(&format!(
            "{} on {} ({})\n",
            plan.action,
            host.name(),
            host.address()
        ));
        if rows.is_empty() {
            text.push_str("  nothing to do\n");
        } else {
            text.push_str(&terminal::columns(&[], &rows));
            text.push('\n');
        }
    }
    text.push_str(&match plan.steps.len() {
        0 => "Nothing to do.".to_owned(),
        1 => "1 step.".to_owned(),
        count => format!("{count} steps."),
    });
    text
}

/// What was done, in a line.
fn summary(plan: &Plan, outcomes: &[Outcome<ApplyError>]) -> String {
    let count =
        |test: fn(&Outcome<ApplyError>) -> bool| outcomes.iter().filter(|o| test(o)).count();
    let done = count(Outcome::is_done);
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let left = plan.steps.len() - done - failed;
    if failed == 0 && left == 0 {
        return format!("{}: all {done} steps done.", plan.action);
    }
    format!(
        "{}: {done} steps done, {failed} failed, {left} not tried. Mend what failed and run it \
         again: what is done is not done twice.",
        plan.action
    )
}
