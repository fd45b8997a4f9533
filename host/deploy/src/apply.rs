//! Makes one step of a plan happen on its engine.

use std::time::Duration;

use dfab_engine::{Engine, EngineError, OutputPiece};

use crate::ended_commands::{self, CommandDigest, start_of};
use crate::execute::Stop;
use crate::host::{Host, HostError};
use crate::plan::{Step, Work};
use crate::preparation::{self, Preparation, PreparationError};
use crate::run::{self, RunError};

/// How long a command in a container is watched; one that takes longer is a service of its own.
const EXEC_WATCH: Duration = Duration::from_secs(10);

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The host of the step is not one of the run's.
    #[error("the host {0} is not part of this run")]
    NoSuchHost(String),
    /// The host cannot be reached.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A command in a container ended with another status than 0.
    #[error("`{command}` ended with status {status}{output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: i64,
        /// The end of what it printed, after a colon, or nothing.
        output: String,
    },
    /// A run did not come to its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A volume is not as it should be.
    #[error(transparent)]
    Preparation(#[from] PreparationError),
    /// A stop was asked for.
    #[error("it was given up, since a stop was asked for")]
    Stopped,
    /// Nobody waited for its end.
    #[error(
        "it was under way when the end was asked for twice; whether it was carried out is not known"
    )]
    Abandoned,
}

impl ApplyError {
    /// Whether the host could not be reached, or the connection broke.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Host(_) => true,
            Self::Engine(error)
            | Self::Run(RunError::Engine(error))
            | Self::Preparation(PreparationError::Engine(error))
            | Self::Run(RunError::Preparation(PreparationError::Engine(error))) => {
                error.is_unreachable()
            }
            _ => false,
        }
    }
}

/// What happens beside the end of a step.
#[derive(Debug)]
pub enum Note<'a> {
    /// It turned out that there was nothing to do.
    NotNeeded,
    /// A command in a container still runs, and is left so.
    StillRuns,
    /// A run has printed this.
    Output(&'a [OutputPiece]),
    /// A run has ended with this exit code.
    ExitCode(i64),
    /// These of a run's results were not copied, each with the reason.
    LeftOut(&'a [String]),
}

/// Does one step on its host. When a stop is asked for, a pull is given up, and so is the run of a
/// script, whose container is removed. All else is let end, which takes no longer than the engine may.
///
/// # Errors
/// Where the engine refuses, answers too late, or cannot be reached.
///
/// # Cancellation
/// When dropped, a request that was sent may still be carried out by the engine.
pub async fn apply(
    host: &Host,
    step: &Step,
    stop: &Stop,
    tell: &dyn Fn(Note<'_>),
) -> Result<(), ApplyError> {
    let engine = host.engine().await?;
    let name = step.name.as_str();
    if !step.if_changed.is_empty() && !has_changed(engine, &step.if_changed).await? {
        tell(Note::NotNeeded);
        return Ok(());
    }
    match &step.work {
        Work::PullImage { repository, tag } => {
            let login = host.registry_login(repository);
            tokio::select! {
                biased;
                pulled = engine.pull_image(repository, tag, login) => pulled?,
                // It may take hours, and leaves nothing but layers.
                () = stop.asked() => return Err(ApplyError::Stopped),
            }
        }
        Work::CreateNetwork { body } => {
            engine.create_network(body).await?;
        }
        Work::CreateVolume { body } => engine.create_volume(body).await?,
        Work::CreateContainer { body } => {
            engine.create_container(name, body).await?;
        }
        Work::Start => engine.start_container(name).await?,
        Work::Stop { signal, timeout_s } => {
            let stopped = engine.stop_container(name, signal.as_deref(), *timeout_s);
            gone_is_fine(stopped.await)?;
        }
        Work::Signal { signal } => engine.kill_container(name, signal).await?,
        Work::RemoveContainer { force, volumes } => {
            match engine.remove_container(name, *force, *volumes).await {
                // It may be one that the engine removes by itself when it has ended.
                Err(error) if error.is_being_removed() => engine.wait_until_gone(name).await?,
                removed => gone_is_fine(removed)?,
            }
        }
        Work::RemoveNetwork => gone_is_fine(engine.remove_network(name).await)?,
        Work::RemoveVolume => gone_is_fine(engine.remove_volume(name).await)?,
        Work::Connect { network, endpoint } => {
            engine.connect_network(network, name, endpoint).await?;
        }
        Work::PrepareVolume {
            volume,
            path,
            user,
            permissions,
        } => {
            let wanted = Preparation {
                volume: volume.clone(),
                path: path.clone(),
                user: user.clone(),
                permissions: permissions.clone(),
            };
            preparation::prepare(engine, name, &wanted, stop).await?;
        }
        Work::Exec {
            argv,
            user,
            initial,
        } => exec(engine, name, argv, user.as_deref(), *initial, tell).await?,
        Work::Delay { milliseconds } => {
            tokio::time::sleep(Duration::from_millis(u64::from(*milliseconds))).await;
        }
        Work::Update { body } => engine.update_container(name, body).await?,
        Work::Disconnect { network } => {
            gone_is_fine(engine.disconnect_network(network, name).await)?;
        }
        Work::Run(options) => {
            let ended = run::run(engine, name, options, stop).await?;
            tell(Note::Output(&ended.output));
            if !ended.left_out.is_empty() {
                tell(Note::LeftOut(&ended.left_out));
            }
            tell(Note::ExitCode(ended.exit_code));
            if options.must_succeed && ended.exit_code != 0 {
                return Err(ApplyError::Command {
                    command: options.detail(),
                    status: ended.exit_code,
                    output: String::new(),
                });
            }
        }
    }
    Ok(())
}

/// What is to be removed and is gone already is as wanted.
fn gone_is_fine(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// Whether one of the images has another id than the one given.
async fn has_changed(
    engine: &Engine,
    images: &[(String, Option<String>)],
) -> Result<bool, EngineError> {
    let names: Vec<String> = images.iter().map(|(name, _)| name.clone()).collect();
    let found = engine.inspect_images(&names).await?;
    Ok(images.iter().any(|(name, before)| {
        let now = found.get(name).and_then(|image| image["Id"].as_str());
        now != before.as_deref()
    }))
}

async fn exec(
    engine: &Engine,
    container: &str,
    argv: &[String],
    user: Option<&str>,
    initial: bool,
    tell: &dyn Fn(Note<'_>),
) -> Result<(), ApplyError> {
    let start = if initial {
        None
    } else {
        let seen = engine.inspect_container(container).await?;
        seen.as_ref().and_then(start_of).map(str::to_owned)
    };
    let outcome = match engine.exec(container, argv, user, EXEC_WATCH).await {
        Err(EngineError::Unfinished { .. }) => {
            tell(Note::StillRuns);
            return Ok(());
        }
        other => other?,
    };
    if outcome.exit_code == 0 {
        if let Some(start) = start {
            let command = CommandDigest::of(argv, user);
            ended_commands::note(engine, container, &command, &start).await;
        }
        return Ok(());
    }
    let printed = if outcome.stderr.is_empty() {
        outcome.stdout
    } else {
        outcome.stderr
    };
    let printed = String::from_utf8_lossy(&printed);
    let last = printed.lines().rev().find(|line| !line.trim().is_empty());
    Err(ApplyError::Command {
        command: argv.join(" "),
        status: outcome.exit_code,
        output: last.map(|line| format!(": {line}")).unwrap_or_default(),
    })
}
