//! Recipes: what is known of a machine, what must change there, and changing it.
//!
//! A recipe says what must be so. Each change is looked at first, and only what is not so yet is
//! shown and done; afterwards it is looked at again.

mod account;
mod facts;
mod file;
mod package;
mod script;
mod service;

use std::time::Duration;

use dfab_runtime::recipe::{Change, Facts, GuardedCommand, Step};
use dfab_ssh::{Output, RunError, Session};

use script::{Script, Standing, quote};

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(60);
/// How long one change may take: packages come from far and dpkg is slow.
const CHANGE: Duration = Duration::from_secs(30 * 60);
/// How much of a command's output is kept, in bytes.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Why a machine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The command could not be run at all.
    #[error("cannot {what}")]
    Run {
        /// What was attempted.
        what: String,
        /// Why.
        #[source]
        source: RunError,
    },
    /// The command ran and failed.
    #[error("{what} failed with status {status}: {output}")]
    Failed {
        /// What was attempted.
        what: String,
        /// Exit status.
        status: i32,
        /// The end of what it printed.
        output: String,
    },
    /// The machine knows no way to install packages that dfab knows.
    #[error("the machine has none of apt-get, dnf and yum, with which dfab installs packages")]
    NoPackages,
    /// Root is needed, and not to be had.
    #[error(
        "{what} needs root, and the user {user} is neither root nor may become it with `sudo -n`: \
         connect as root, or let {user} use sudo without a password"
    )]
    NotRoot {
        /// What was to be done.
        what: String,
        /// Who the connection's user is.
        user: String,
    },
    /// It is there, but other than it must be, and others may count on what it is.
    #[error("{}; nothing is changed: ask for what is there, or change it by hand first", .0.join("; "))]
    Otherwise(Vec<String>),
    /// No user and no group can have that name.
    #[error(
        "{0:?} cannot be the name of a user or group: it begins with a letter, and has letters, \
         digits, `.`, `_` and `-`, at most 32"
    )]
    Name(String),
    /// No file can be meant.
    #[error("the recipe wants a file {0:?}, which is not the path of a file from / on")]
    Path(String),
    /// Everything went well, but it still is not so.
    #[error("{0} went without an error, yet the machine is not as it should be afterwards")]
    NoEffect(String),
}

/// A machine that is being set up.
#[derive(Debug, Clone)]
pub struct Machine {
    session: Session,
    facts: Facts,
}

/// What must be so on a machine.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is so already.
    pub so: Vec<Step>,
    /// What is to be done.
    pub todo: Vec<Step>,
    /// What may keep it from being done.
    pub notes: Vec<String>,
}

impl Machine {
    /// Looks at a machine, also for commands that a recipe wants to know of.
    ///
    /// # Errors
    /// Where the connection breaks or the shell is not a usual one.
    pub async fn look(session: &Session, looks_for: &[String]) -> Result<Self, SetupError> {
        let what = "look at the machine";
        let line = facts::script(looks_for);
        let output = run(session, &line, None, LOOK, what).await?;
        if output.status != 0 {
            return Err(failed(what, &output));
        }
        let facts = facts::read(&String::from_utf8_lossy(&output.stdout));
        Ok(Self {
            session: session.clone(),
            facts,
        })
    }

    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether its system is one of these, or made from one; any if there are none.
    pub fn runs(&self, systems: &[String]) -> bool {
        let mut own = std::iter::once(&self.facts.os_id).chain(&self.facts.os_like);
        systems.is_empty() || own.any(|system| systems.contains(system))
    }

    /// Sorts out what is so already. Changes nothing.
    ///
    /// # Errors
    /// Where that cannot be found out, something is there but other than it must be, or what is to be
    /// done needs root and there is no way to it.
    pub async fn plan(&self, steps: Vec<Step>) -> Result<Plan, SetupError> {
        let mut plan = Plan::default();
        let mut otherwise = Vec::new();
        let mut users = Vec::new();
        for step in steps {
            if let Change::User(user) = &step.change {
                users.push(user.name.clone());
            }
            match self.standing(&step, &users).await? {
                Standing::So => plan.so.push(step),
                Standing::Wanting => plan.todo.push(step),
                // What is installed before may make the user.
                Standing::Otherwise(what)
                    if matches!(step.change, Change::Member(_)) && makes_more(&plan.todo) =>
                {
                    plan.notes.push(what);
                    plan.todo.push(step);
                }
                Standing::Otherwise(what) => otherwise.push(what),
            }
        }
        if !otherwise.is_empty() {
            return Err(SetupError::Otherwise(otherwise));
        }
        for step in &plan.todo {
            self.line(&self.work(step)?, &step.summary)?;
        }
        Ok(plan)
    }

    /// Makes a step's change and looks whether it is so then.
    ///
    /// # Errors
    /// Where the change fails or has no effect.
    pub async fn change(&self, step: &Step) -> Result<(), SetupError> {
        let what = &step.summary;
        let work = self.work(step)?;
        let line = self.line(&work, what)?;
        let output = run(&self.session, &line, work.input.as_deref(), CHANGE, what).await?;
        if output.status != 0 {
            return Err(failed(what, &output));
        }
        match self.standing(step, &[]).await? {
            Standing::So => Ok(()),
            _ => Err(SetupError::NoEffect(what.clone())),
        }
    }

    /// How the machine stands to a step, before which these users are made.
    async fn standing(&self, step: &Step, users: &[String]) -> Result<Standing, SetupError> {
        let look = match &step.change {
            Change::Packages(packages) => package::look(packages),
            Change::File(file) => file::look(file)?,
            Change::Service(service) => service::look(service),
            Change::Group(group) => account::look_at_group(group)?,
            Change::User(user) => account::look_at_user(user)?,
            Change::Member(member) => account::look_at_member(member)?,
            Change::Run(GuardedCommand {
                unless, as_root, ..
            }) => Script {
                as_root: *as_root,
                ..Script::new(unless)
            },
        };
        let what = format!("look whether it is so already: {}", step.summary);
        let line = self.line(&look, &step.summary)?;
        let output = run(&self.session, &line, look.input.as_deref(), LOOK, &what).await?;
        let answered = || match output.status {
            0 => Ok(output.stdout.as_slice()),
            _ => Err(failed(&what, &output)),
        };
        Ok(match &step.change {
            Change::Group(group) => account::group_standing(group, answered()?),
            Change::User(user) => account::user_standing(user, answered()?),
            Change::Member(member) => {
                let is_made = users.contains(&member.user);
                account::member_standing(member, is_made, answered()?)
            }
            // Their status is the answer.
            Change::Packages(_) | Change::File(_) | Change::Service(_) | Change::Run(_) => {
                Standing::of(output.status == 0)
            }
        })
    }

    /// What makes a step's change.
    fn work(&self, step: &Step) -> Result<Script, SetupError> {
        match &step.change {
            Change::Packages(packages) => package::install(packages, &self.facts),
            Change::File(file) => file::write(file),
            Change::Service(service) => Ok(service::start(service)),
            Change::Group(group) => account::add_group(group),
            Change::User(user) => account::add_user(user),
            Change::Member(member) => account::add_member(member),
            Change::Run(command) => Ok(Script {
                as_root: command.as_root,
                ..Script::new(&command.line)
            }),
        }
    }

    /// The command line that runs a script.
    fn line(&self, script: &Script, what: &str) -> Result<String, SetupError> {
        let shell = format!("sh -c {}", quote(&script.text));
        if !script.as_root || self.facts.user == "root" {
            Ok(shell)
        } else if self.facts.can_become_root {
            Ok(format!("sudo -n {shell}"))
        } else {
            Err(SetupError::NotRoot {
                what: what.to_owned(),
                user: self.facts.user.clone(),
            })
        }
    }
}

/// Whether these steps may make more than they say.
fn makes_more(steps: &[Step]) -> bool {
    steps
        .iter()
        .any(|step| matches!(step.change, Change::Packages(_) | Change::Run(_)))
}

async fn run(
    session: &Session,
    line: &str,
    input: Option<&[u8]>,
    limit: Duration,
    what: &str,
) -> Result<Output, SetupError> {
    let output = session.run(line, input, limit, OUTPUT_LIMIT).await;
    output.map_err(|source| SetupError::Run {
        what: what.to_owned(),
        source,
    })
}

fn failed(what: &str, output: &Output) -> SetupError {
    let printed = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    let printed = String::from_utf8_lossy(printed);
    let lines: Vec<_> = printed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(5)..)
        .unwrap_or_default();
    SetupError::Failed {
        what: what.to_owned(),
        status: output.status,
        output: last.join("\n"),
    }
}
