//! Actions: `dfab startup`, `dfab plan startup` and whatever else a policy exports.

use std::time::Instant;

use clap::ArgMatches;
use dfab_deploy::apply::{ApplyError, apply};
use dfab_deploy::execute::{Event, Stop, execute};
use dfab_runtime::PolicyPlugin;
use dfab_runtime::planning::ActionInfo;
use tokio::sync::watch;

use super::ending::{end_when_asked, end_when_over};
use super::prepared::{Aim, Prepared};
use super::report::{Notes, Results, ended, show, summary};
use super::{Context, NOT_BEGUN};
use crate::arguments::{self, Form, PlanForm};
use crate::deadline;
use crate::failure::{Code, Failure};
use crate::interrupt::{Asked, Interrupt, Signals};
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
    let preparing = Prepared::new(context, policy, info, matches, Aim::Act);
    let prepared = if context.common.yes || context.common.dry_run {
        let interrupt = Interrupt::listen()?;
        tokio::select! {
            prepared = preparing => prepared?,
            code = interrupt.wait() => return Ok(Code::Passed(code)),
        }
    } else {
        // Before a question Ctrl-C ends everything.
        preparing.await?
    };
    let json = context.common.output == Form::Json;
    prepared.tell_unreached();
    if prepared.hosts.is_empty() && !json {
        return Ok(prepared.code(&[]));
    }
    if !json || !context.common.yes {
        terminal::tell(&show(&prepared.plan, &prepared.hosts));
    } else {
        // The plan is in the result, and on which engines it works is told before.
        for host in &prepared.hosts {
            terminal::tell(&format!("{action} on {} ({})", host.name(), host.address()));
        }
    }
    prepared.tell_bystanders();
    if prepared.plan.steps.is_empty() || context.common.dry_run {
        if json {
            terminal::json(&prepared.report(None))?;
        }
        if context.common.dry_run {
            terminal::tell("This is a dry run: nothing was done.");
        }
        return Ok(prepared.code(&[]));
    }
    if !context.common.yes
        && !terminal::confirm("Do this?", context.deadline)
            .await
            .map_err(Failure::before_anything)?
    {
        terminal::tell("Nothing was done.");
        return Ok(terminal::DECLINED);
    }
    let results = carry_out(context, &prepared, json).await?;
    if json {
        terminal::json(&prepared.report(Some(&results)))?;
    }
    terminal::tell(&summary(&prepared.plan, &results.outcomes));
    if results.are_abandoned() {
        return Ok(Code::Passed(Asked::Interrupt.code()));
    }
    Ok(prepared.code(&results.outcomes))
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
    let prepared = Prepared::new(context, policy, info, matches, Aim::Show).await?;
    prepared.tell_unreached();
    prepared.tell_bystanders();
    let form = match (arguments::plan_form(matches), context.common.output) {
        (Some(form), _) => form,
        (None, Form::Json) => PlanForm::Json,
        (None, Form::Table) => PlanForm::Text,
    };
    match form {
        PlanForm::Text | PlanForm::Sh if prepared.hosts.is_empty() => {}
        PlanForm::Json => terminal::json(&prepared.report(None))?,
        PlanForm::Text => terminal::data(&show(&prepared.plan, &prepared.hosts))?,
        PlanForm::Sh => terminal::data(&prepared.as_shell()?)?,
    }
    Ok(prepared.code(&[]))
}

/// Does an action, whichever policy exports it.
///
/// # Errors
/// As [`run`].
pub(crate) async fn perform(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    match matches.subcommand() {
        Some((action, matches)) => run(context, action, matches).await,
        None => Err(Failure::usage(
            "an action is wanted, such as `dfab perform startup CONTAINER`",
        )),
    }
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

async fn carry_out(context: &Context, prepared: &Prepared, json: bool) -> Result<Results, Failure> {
    let plan = &prepared.plan;
    let stop = Stop::default();
    let (abandon, abandoned) = watch::channel(false);
    let interrupt = tokio::spawn(end_when_asked(stop.clone(), Signals::listen()?, abandon));
    let over = tokio::spawn(end_when_over(stop.clone(), context.deadline));
    if context.deadline.is_over() {
        // What was asked took too long: nothing may be begun before the task above has its turn.
        stop.stop();
    }
    let mut started = vec![Instant::now(); plan.steps.len()];
    let notes = Notes::new(plan, json);
    let outcomes = execute(
        &plan.orders(),
        STEPS_AT_A_TIME,
        prepared.pace(&context.common),
        &stop,
        |index| {
            let work = plan.steps.get(index);
            let host = work.and_then(|step| prepared.hosts.get(step.host_index));
            let (notes, stop) = (&notes, &stop);
            let mut abandoned = abandoned.clone();
            async move {
                match (host, work) {
                    (Some(host), Some(step)) => {
                        let applied = async {
                            apply(host, step, stop, &|note| notes.take(index, step, &note)).await
                        };
                        tokio::select! {
                            biased;
                            applied = applied => applied,
                            Ok(_) = abandoned.wait_for(|it| *it) => Err(ApplyError::Abandoned),
                        }
                    }
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
                    let remark = notes.remark(index);
                    let line = ended(plan, step, outcome, took.as_secs_f64(), remark);
                    terminal::tell(&terminal::plain(&line));
                }
            }
        },
    )
    .await;
    interrupt.abort();
    over.abort();
    let not_begun = prepared.not_begun(&outcomes);
    if !not_begun.is_empty() && !stop.is_stopped() {
        terminal::tell(&format!("{}: {NOT_BEGUN}", not_begun.join(", ")));
    }
    let unfinished = prepared.unfinished(&outcomes);
    if !unfinished.is_empty() && context.deadline.is_over() {
        terminal::tell(&format!("{}: {}", unfinished.join(", "), deadline::over()));
    }
    Ok(Results {
        outcomes,
        runs: notes.into_runs(),
    })
}
