//! What is told of a plan and of what became of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dfab_deploy::apply::{ApplyError, Note};
use dfab_deploy::execute::Outcome;
use dfab_deploy::host::Host;
use dfab_deploy::plan::{Plan, Step, Work};
use indexmap::IndexMap;
use serde::Serialize;

use crate::failure::describe;
use crate::terminal;

/// How the steps of a plan ended.
#[derive(Debug)]
pub(crate) struct Results {
    /// By step.
    pub(crate) outcomes: Vec<Outcome<ApplyError>>,
    /// Runs of scripts and commands, by step.
    pub(crate) runs: BTreeMap<usize, Run>,
}

/// What a run has printed, and how it ended.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Run {
    pub(crate) exit_code: i64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<String>,
}

/// A plan as data, and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) action: &'a str,
    pub(crate) hosts: &'a [String],
    /// Why, by host.
    pub(crate) unreachable: IndexMap<&'a str, String>,
    /// What the steps do to containers that they leave alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    pub(crate) steps: Vec<StepReport<'a>>,
}

/// A step of it.
#[derive(Debug, Serialize)]
pub(crate) struct StepReport<'a> {
    #[serde(flatten)]
    pub(crate) step: &'a Step,
    /// Where it was carried out.
    #[serde(flatten)]
    pub(crate) ending: Option<Ending<'a>>,
}

/// How a step ended.
#[derive(Debug, Serialize)]
pub(crate) struct Ending<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    run: Option<&'a Run>,
}

impl Results {
    /// Whether steps were under way when the end was asked for twice.
    pub(crate) fn are_abandoned(&self) -> bool {
        let is_abandoned = |outcome: &Outcome<ApplyError>| {
            matches!(outcome, Outcome::Failed(ApplyError::Abandoned))
        };
        self.outcomes.iter().any(is_abandoned)
    }

    /// How the step of this index ended.
    pub(crate) fn ending(&self, index: usize) -> Option<Ending<'_>> {
        let (outcome, error) = match self.outcomes.get(index)? {
            Outcome::Done => ("done", None),
            Outcome::Failed(error @ ApplyError::Abandoned) => ("unknown", Some(describe(error))),
            Outcome::Failed(error) => ("failed", Some(describe(error))),
            Outcome::Skipped { .. } => ("skipped", None),
            Outcome::NotRun => ("not-run", None),
        };
        let run = self.runs.get(&index);
        Some(Ending {
            outcome,
            error,
            run,
        })
    }
}

/// What steps have to say while they run.
#[derive(Debug)]
pub(crate) struct Notes<'a> {
    plan: &'a Plan,
    /// The output goes into the JSON document, rather than to the terminal.
    collects: bool,
    remarks: RefCell<BTreeMap<usize, &'static str>>,
    runs: RefCell<BTreeMap<usize, Run>>,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(plan: &'a Plan, collects: bool) -> Self {
        Self {
            plan,
            collects,
            remarks: RefCell::default(),
            runs: RefCell::default(),
        }
    }

    /// Takes a note of a step, and tells it where it is not kept for the end.
    pub(crate) fn take(&self, index: usize, step: &Step, note: &Note<'_>) {
        let remark = |text| {
            self.remarks.borrow_mut().insert(index, text);
        };
        match note {
            Note::NotNeeded => remark(", which was not needed"),
            Note::StillRuns => remark(", which still runs and is left so"),
            Note::ExitCode(code) => {
                if self.collects {
                    self.runs.borrow_mut().entry(index).or_default().exit_code = *code;
                }
                terminal::tell(&format!("{} on {}: exit code {code}", step.name, step.host));
            }
            Note::LeftOut(lines) => {
                if self.collects {
                    let mut runs = self.runs.borrow_mut();
                    runs.entry(index).or_default().left_out = lines.to_vec();
                }
                for line in *lines {
                    let text = format!("{} on {}: not copied: {line}", step.name, step.host);
                    terminal::tell(&terminal::plain(&text));
                }
            }
            Note::Output(pieces) => {
                for piece in *pieces {
                    let text = String::from_utf8_lossy(&piece.bytes);
                    if self.collects {
                        let mut runs = self.runs.borrow_mut();
                        let run = runs.entry(index).or_default();
                        if piece.is_error {
                            run.stderr += &text;
                        } else {
                            run.stdout += &text;
                        }
                    } else if piece.is_error {
                        terminal::raw_error(&self.by_host(step, &text));
                    } else {
                        terminal::raw(&self.by_host(step, &text));
                    }
                }
            }
        }
    }

    /// What was noted of a step, to be said where its end is told.
    pub(crate) fn remark(&self, index: usize) -> &'static str {
        self.remarks
            .borrow()
            .get(&index)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn into_runs(self) -> BTreeMap<usize, Run> {
        self.runs.into_inner()
    }

    /// Each line after its host, where there are several.
    fn by_host(&self, step: &Step, text: &str) -> String {
        if self.plan.hosts.len() < 2 {
            return text.to_owned();
        }
        let lines = text.split_inclusive('\n');
        lines.map(|line| format!("{}: {line}", step.host)).collect()
    }
}

/// The line about a step that has ended.
pub(crate) fn ended(
    plan: &Plan,
    step: &Step,
    outcome: &Outcome<ApplyError>,
    seconds: f64,
    remark: &str,
) -> String {
    let host = if plan.hosts.len() > 1 {
        format!("{}: ", step.host)
    } else {
        String::new()
    };
    let what = describe_step(step);
    match outcome {
        Outcome::Done => format!("{host}done     {what}{remark}  ({seconds:.1} s)"),
        Outcome::Failed(error @ ApplyError::Abandoned) => {
            format!("{host}unknown  {what}: {}", describe(error))
        }
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
pub(crate) fn show(plan: &Plan, hosts: &[Arc<Host>]) -> String {
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
pub(crate) fn summary(plan: &Plan, outcomes: &[Outcome<ApplyError>]) -> String {
    let count =
        |test: fn(&Outcome<ApplyError>) -> bool| outcomes.iter().filter(|o| test(o)).count();
    let done = count(Outcome::is_done);
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let left = plan.steps.len() - done - failed;
    let steps = |count: usize| {
        if count == 1 {
            "1 step".to_owned()
        } else {
            format!("{count} steps")
        }
    };
    if failed == 0 && left == 0 {
        return match done {
            1 => format!("{}: 1 step done.", plan.action),
            _ => format!("{}: all {done} steps done.", plan.action),
        };
    }
    let mut text = format!(
        "{}: {} done, {failed} failed, {left} not tried.",
        plan.action,
        steps(done)
    );
    if failed > 0 {
        text.push_str(" Mend what failed and run it again: what is done is not done twice.");
    }
    let is_command = |(step, outcome): &(&Step, &Outcome<ApplyError>)| {
        matches!(
            (&step.work, outcome),
            (Work::Exec { .. }, Outcome::Failed(_))
        )
    };
    let failed_commands = plan.steps.iter().zip(outcomes).filter(is_command);
    let names: BTreeSet<&str> = failed_commands
        .map(|(step, _)| step.name.as_str())
        .collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.into_iter().collect();
        text.push_str(&format!(
            " No startup runs the commands of a container that runs already: `dfab exec-all {}` does, \
             with `--initial` those that belong to its creation too.",
            names.join(" ")
        ));
    }
    text
}
