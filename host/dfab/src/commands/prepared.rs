//! A plan with the hosts that it is for: what `dfab plan` shows and the actions carry out.

use std::sync::Arc;

use clap::ArgMatches;
use dfab_deploy::apply::ApplyError;
use dfab_deploy::execute::Outcome;
use dfab_deploy::host::{Address, Host};
use dfab_deploy::plan::{Plan, PlanError};
use dfab_deploy::request::request;
use dfab_deploy::survey::{Survey, SurveyError};
use dfab_engine::DEFAULT_SOCKET;
use dfab_maps::{Selected, Walk};
use dfab_runtime::planning::{ActionInfo, Walk as ActionWalk};
use dfab_runtime::{CallError, PluginError, PolicyPlugin};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::report::Results;
use super::{Context, HOSTS_AT_A_TIME, overall};
use crate::arguments;
use crate::failure::{Code, Failure, describe};
use crate::hosts::Directory;
use crate::task_host::Log;
use crate::terminal;

/// The engine that is meant where none is named.
const LOCAL: &str = "local";

/// A plan, the hosts it is for, and those that could not be asked.
pub(crate) struct Prepared {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) plan: Plan,
    unreached: Vec<(String, Failure)>,
}

impl Prepared {
    /// Looks at the engines and asks the policy.
    ///
    /// # Errors
    /// Where the maps or what was asked for make no sense, or the policy refuses. A host that cannot
    /// be reached is no error: the others get their plan.
    pub(crate) async fn new(
        context: &Context,
        policy: &PolicyPlugin,
        info: &ActionInfo,
        matches: &ArgMatches,
    ) -> Result<Self, Failure> {
        let maps = context.project.load_maps()?;
        let selected = maps
            .select(&arguments::references(matches))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let walk = match info.walk {
            ActionWalk::Selected => Walk::Selected,
            _ if arguments::without_dependencies(matches) => Walk::Alone,
            ActionWalk::Dependencies => Walk::Dependencies,
            ActionWalk::Dependents => Walk::Dependents,
        };
        let named = &context.common.hosts;
        // Each map says on which clients it runs; one that says nothing, on the engine meant.
        let is_on = |clients: &[String], host: &str| {
            !named.is_empty()
                || if clients.is_empty() {
                    host == LOCAL
                } else {
                    clients.iter().any(|client| client == host)
                }
        };
        let directory = Directory::new(&context.project, &context.common)?;
        let hosts = directory.hosts(&wanted_hosts(named, &selected))?;
        let hosts: Vec<_> = hosts.into_iter().map(Arc::new).collect();
        let mut walks = Vec::with_capacity(hosts.len());
        for host in &hosts {
            let here: Vec<_> = selected
                .iter()
                .filter(|selection| is_on(selection.clients(), host.name()))
                .cloned()
                .collect();
            let items = maps
                .walk(&here, walk)
                .map_err(|error| Failure::usage(error.to_string()))?;
            walks.push(items);
        }
        let found: Vec<Result<Survey<'_>, SurveyError>> = stream::iter(hosts.iter().zip(walks))
            .map(|(host, items)| Survey::take(host, items, info.compares))
            .buffered(HOSTS_AT_A_TIME)
            .collect()
            .await;
        let mut surveys = Vec::with_capacity(hosts.len());
        let mut reached = Vec::with_capacity(hosts.len());
        let mut unreached = Vec::new();
        for (host, found) in hosts.iter().zip(found) {
            match found {
                Ok(survey) => {
                    surveys.push(survey);
                    reached.push(host.clone());
                }
                Err(SurveyError::Host(error)) => {
                    unreached.push((host.name().to_owned(), Failure::from(error)));
                }
                Err(error) => {
                    let failure = Failure::new(Code::Unreachable, describe(&error));
                    unreached.push((host.name().to_owned(), failure));
                }
            }
        }
        let options = arguments::arguments(matches, &info.options);
        let paths = arguments::paths(matches, &info.options);
        let unusable = |error: PlanError| match &error {
            // These are of what the operator gave, and not of the policy.
            PlanError::Body { .. } => Failure::usage(describe(&error)),
            PlanError::Run { source, .. } => Failure::usage(describe(source)),
            _ => Failure::failed(format!("the plan of {} cannot be used", policy.name()))
                .because(error),
        };
        let (request, subjects) = request(&info.name, options, &surveys).map_err(unusable)?;
        let steps = policy.plan(&request, &Log::sink()).await.map_err(refused)?;
        let plan = Plan::new(&request, &subjects, &surveys, steps, &paths).map_err(unusable)?;
        drop(surveys);
        Ok(Self {
            hosts: reached,
            plan,
            unreached,
        })
    }

    /// The plan as `docker` command lines that do the same.
    ///
    /// # Errors
    /// Where something of it cannot be a command line.
    pub(crate) fn as_shell(&self) -> Result<String, Failure> {
        let docker = |name: &str| {
            let host = self.hosts.iter().find(|host| host.name() == name);
            let mut words = vec!["docker".to_owned()];
            match host.map(|host| host.address()) {
                None => {}
                Some(Address::Socket(path)) if path.as_os_str() == DEFAULT_SOCKET => {}
                Some(address) => words.extend(["-H".to_owned(), address.to_string()]),
            }
            words
        };
        dfab_deploy::shell::script(&self.plan, &docker)
            .map_err(|error| Failure::failed("the plan is no shell script").because(error))
    }

    pub(crate) fn tell_unreached(&self) {
        for (name, failure) in &self.unreached {
            terminal::tell(&format!(
                "{name}: {}",
                terminal::plain(&failure.to_string())
            ));
        }
    }

    pub(crate) fn code(&self, outcomes: &[Outcome<ApplyError>]) -> Code {
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

    pub(crate) fn as_json(&self, results: Option<&Results>) -> Value {
        let steps: Vec<_> = self
            .plan
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                let mut value = serde_json::to_value(step).unwrap_or_default();
                let outcome = results.and_then(|results| results.outcomes.get(index));
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
                    if let Some(run) = results.and_then(|results| results.runs.get(&index)) {
                        fields.insert("exit_code".to_owned(), json!(run.exit_code));
                        fields.insert("stdout".to_owned(), json!(run.stdout));
                        fields.insert("stderr".to_owned(), json!(run.stderr));
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

/// The hosts that an action is about: those that are named, or those of the clients of what is.
fn wanted_hosts(named: &[String], selected: &[Selected<'_>]) -> Vec<String> {
    let mut hosts = named.to_vec();
    if named.is_empty() {
        for selection in selected {
            match selection.clients() {
                [] => hosts.push(LOCAL.to_owned()),
                clients => hosts.extend_from_slice(clients),
            }
        }
    }
    hosts
}

fn refused(error: PluginError) -> Failure {
    match &error {
        PluginError::Call {
            source: CallError::Invalid(text) | CallError::Conflict(text),
            ..
        } => Failure::usage(text.clone()),
        _ => Failure::failed(describe(&error)),
    }
}
