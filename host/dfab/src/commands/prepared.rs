//! A plan with the hosts that it is for: what `dfab plan` shows and the actions carry out.

use std::sync::Arc;

use clap::ArgMatches;
use dfab_deploy::apply::ApplyError;
use dfab_deploy::bystanders::{Bystander, bystanders};
use dfab_deploy::execute::{Outcome, Pace};
use dfab_deploy::host::{Address, Host};
use dfab_deploy::plan::{Plan, PlanError};
use dfab_deploy::references::plain_references;
use dfab_deploy::request::request;
use dfab_deploy::survey::{Survey, SurveyError};
use dfab_engine::{ChannelKind, Check, DEFAULT_SOCKET};
use dfab_maps::{Selected, Walk};
use dfab_runtime::planning::{ActionInfo, Walk as ActionWalk};
use dfab_runtime::{CallError, PluginError, PolicyPlugin};
use futures_util::stream::{self, StreamExt as _};

use super::report::{Report, Results, StepReport};
use super::{Context, overall};
use crate::arguments::{self, Common};
use crate::failure::{Code, Failure, describe};
use crate::hosts::{Directory, LOCAL};
use crate::local_paths;
use crate::task_host::Log;
use crate::terminal;

/// A plan, the hosts it is for, and those that could not be asked.
pub(crate) struct Prepared {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) plan: Plan,
    bystanders: Vec<Bystander>,
    unreached: Vec<(String, Failure)>,
}

/// What a plan is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    Act,
    Show,
}

impl Prepared {
    /// Looks at the engines and asks the policy.
    ///
    /// # Errors
    /// Where the maps or what was asked for make no sense, or the policy refuses. A host that cannot
    /// be reached, or not in time, is no error: the others get their plan.
    pub(crate) async fn new(
        context: &Context,
        policy: &PolicyPlugin,
        info: &ActionInfo,
        matches: &ArgMatches,
        aim: Aim,
    ) -> Result<Self, Failure> {
        let maps = match aim {
            Aim::Act if !context.common.dry_run => context.project.load_maps_to_act()?,
            Aim::Act | Aim::Show => context.project.load_maps()?,
        };
        let selected = maps
            .select(&arguments::references(matches))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let walk = match info.walk {
            ActionWalk::Selected => Walk::Selected,
            _ if arguments::without_dependencies(matches) => Walk::Alone,
            ActionWalk::Dependencies => Walk::Dependencies,
            ActionWalk::Dependents => Walk::Dependents,
        };
        let directory = Directory::new(&context.project, &context.common)?;
        let named = directory.named(&context.common)?;
        // Each map says on which clients it runs; one that says nothing, on the engine meant.
        let is_on = |clients: &[String], host: &str| {
            !named.is_empty()
                || if clients.is_empty() {
                    host == LOCAL
                } else {
                    clients.iter().any(|client| client == host)
                }
        };
        for unused in context.project.unused_settings() {
            terminal::tell(&format!("warning: {unused}"));
        }
        let mut wanted = wanted_hosts(&named, &selected);
        if named.is_empty() {
            wanted = directory.narrowed(wanted, &context.common)?;
        }
        let hosts = directory.hosts(&wanted)?;
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
        let options = arguments::arguments(matches, &info.options);
        let options = plain_references(&maps, &walks, &info.options, options)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let looks = hosts.iter().zip(walks).map(|(host, items)| {
            let look = Survey::take(host, items, info.compares);
            context
                .deadline
                .within(async { look.await.map_err(unseen) })
        });
        let found: Vec<Result<Survey<'_>, Failure>> = stream::iter(looks)
            .buffered(context.common.parallel.get())
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
                Err(failure) => unreached.push((host.name().to_owned(), failure)),
            }
        }
        let paths = local_paths::typed(matches, &info.options);
        let unusable = |error: PlanError| match &error {
            // These are of what the operator gave, and not of the policy.
            PlanError::Body { .. } => Failure::usage(describe(&error)),
            PlanError::Run { source, .. } => Failure::usage(describe(source)),
            _ => Failure::failed(format!("the plan of {} cannot be used", policy.name()))
                .because(error),
        };
        let (request, subjects) = request(info, options, &surveys).map_err(unusable)?;
        let steps = policy.plan(&request, &Log::sink()).await.map_err(refused)?;
        let plan = Plan::new(&request, &subjects, &surveys, steps, &paths).map_err(unusable)?;
        let bystanders = bystanders(&plan, &surveys);
        drop(surveys);
        Ok(Self {
            hosts: reached,
            plan,
            bystanders,
            unreached,
        })
    }

    /// The plan as `docker` command lines that do the same.
    ///
    /// # Errors
    /// Where something of it cannot be a command line.
    pub(crate) fn as_shell(&self) -> Result<String, Failure> {
        for host in &self.hosts {
            if host.has_shell() && host.options().channel == Some(ChannelKind::Tcp) {
                return Err(Failure::usage(format!(
                    "docker reaches no port behind SSH, where the engine of {} is",
                    host.name()
                ))
                .hint(format!(
                    "`dfab tunnel {}` makes it one of this machine",
                    host.name()
                )));
            }
        }
        let docker = |name: &str| {
            let host = self.hosts.iter().find(|host| host.name() == name);
            host.map_or_else(|| vec!["docker".to_owned()], |host| docker(host))
        };
        let script = dfab_deploy::shell::script(&self.plan, &docker)
            .map_err(|error| Failure::failed("the plan is no shell script").because(error))?;
        let is_shown = self
            .hosts
            .iter()
            .any(|host| host.client().debug == Some(true));
        Ok(if is_shown {
            script.replacen("set -eu\n", "set -eux\n", 1)
        } else {
            script
        })
    }

    pub(crate) fn tell_unreached(&self) {
        for (name, failure) in &self.unreached {
            terminal::tell(&format!(
                "{name}: {}",
                terminal::plain(&failure.to_string())
            ));
        }
    }

    /// What becomes of containers that the plan leaves alone.
    pub(crate) fn tell_bystanders(&self) {
        for bystander in &self.bystanders {
            terminal::tell(&terminal::plain(&format!("warning: {bystander}")));
        }
    }

    /// How the hosts follow one another.
    pub(crate) fn pace(&self, common: &Common) -> Pace {
        common.pace(self.hosts.len(), self.unreached.len())
    }

    /// Hosts that were not begun, since too many failed before them.
    pub(crate) fn not_begun(&self, outcomes: &[Outcome<ApplyError>]) -> Vec<&str> {
        let is_untouched = |index: usize| {
            let mut of_host = self
                .plan
                .steps
                .iter()
                .zip(outcomes)
                .filter(|(step, _)| step.host_index == index);
            of_host.all(|(_, outcome)| matches!(outcome, Outcome::NotRun))
        };
        let has_steps =
            |index: &usize| self.plan.steps.iter().any(|step| step.host_index == *index);
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(index, _)| has_steps(index) && is_untouched(*index))
            .map(|(_, host)| host.name())
            .collect()
    }

    /// Hosts of which steps were not run.
    pub(crate) fn unfinished(&self, outcomes: &[Outcome<ApplyError>]) -> Vec<&str> {
        let is_left = |index: usize| {
            let mut steps = self.plan.steps.iter().zip(outcomes);
            steps.any(|(step, outcome)| {
                step.host_index == index && matches!(outcome, Outcome::NotRun)
            })
        };
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(index, _)| is_left(*index))
            .map(|(_, host)| host.name())
            .collect()
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

    /// The plan as data, and what became of it where it was carried out.
    pub(crate) fn report<'a>(&'a self, results: Option<&'a Results>) -> Report<'a> {
        let unreached = self.unreached.iter();
        Report {
            action: &self.plan.action,
            hosts: &self.plan.hosts,
            unreachable: unreached
                .map(|(name, failure)| (name.as_str(), failure.to_string()))
                .collect(),
            warnings: self.bystanders.iter().map(ToString::to_string).collect(),
            steps: (self.plan.steps.iter().enumerate())
                .map(|(index, step)| StepReport {
                    step,
                    ending: results.and_then(|results| results.ending(index)),
                })
                .collect(),
        }
    }
}

/// How docker is called for a host, as its client and its address have it.
fn docker(host: &Host) -> Vec<String> {
    let client = host.client();
    let mut words = Vec::new();
    if let Some(prefix) = &client.cmd_prefix {
        // What is no list of words goes to a shell as it is.
        let prefix = shell_words::split(prefix).unwrap_or_else(|_| vec![prefix.clone()]);
        if prefix.first().is_some_and(|word| word.contains('=')) {
            words.push("env".to_owned());
        }
        words.extend(prefix);
    }
    if client.use_sudo == Some(true) {
        words.push("sudo".to_owned());
    }
    words.push(client.default_bin.clone().unwrap_or("docker".to_owned()));
    match host.address() {
        Address::Socket(path) if path.as_os_str() == DEFAULT_SOCKET => {}
        address => words.extend(["-H".to_owned(), address.to_string()]),
    }
    if let (Address::Tcp { .. }, Some(tls)) = (host.address(), &host.options().tls) {
        let options = tls.options();
        words.push(match options.check {
            Check::Nothing => "--tls".to_owned(),
            _ => "--tlsverify".to_owned(),
        });
        let identity = options.identity.as_ref();
        for (option, file) in [
            ("--tlscacert", options.authority.as_ref()),
            ("--tlscert", identity.map(|identity| &identity.certificate)),
            ("--tlskey", identity.map(|identity| &identity.key)),
        ] {
            words.extend(file.map(|file| format!("{option}={}", file.display())));
        }
    }
    words
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

fn unseen(error: SurveyError) -> Failure {
    match error {
        SurveyError::Host(error) => Failure::from(error),
        SurveyError::Engine(_) => Failure::new(Code::Unreachable, describe(&error)),
    }
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
