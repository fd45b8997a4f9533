//! Finding out what a destination means: by `ssh -G` where the OpenSSH client is installed, else by
//! reading its configuration.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use crate::config::{self, ConfigError};
use crate::destination::Destination;
use crate::jump::hops;
use crate::settings::Settings;
use crate::target::{Proxy, Target, TargetError};

/// How long the OpenSSH client may take to print its configuration.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many clients run at a time.
const CLIENTS: usize = 16;
/// How many hosts may be on the way.
const HOPS: usize = 8;

static RUNNING: Semaphore = Semaphore::const_new(CLIENTS);

/// How to find out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ResolveOptions {
    /// Instead of the user's and the system's configuration (`ssh -F`).
    pub config_file: Option<PathBuf>,
    /// The OpenSSH client to ask, by default the `ssh` of the search path. Where there is none, dfab
    /// reads the configuration itself.
    pub client: Option<PathBuf>,
    /// Instead of the configuration's `ConnectTimeout`, also for hosts on the way.
    pub connect_timeout: Option<Duration>,
}

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The client is there but cannot be run.
    #[error("cannot run `ssh -G`, which tells the configuration of OpenSSH")]
    Run(#[source] std::io::Error),
    /// It did not answer.
    #[error("`ssh -G` did not answer within {} s; is there a Match exec in the configuration?", RESOLVE_TIMEOUT.as_secs())]
    Timeout,
    /// It complained.
    #[error("the SSH configuration is wrong: {0}")]
    Configuration(String),
    /// dfab read it, and it is wrong or needs the client.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What it says cannot be done.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The way to the host leads through too many others, or in a circle.
    #[error(
        "ProxyJump leads to {0} through more than {HOPS} hosts: does it lead through itself? Exclude the host that is jumped through, as in `Host * !bastion`"
    )]
    Circle(String),
}

/// Finds out what a destination means, and the hosts on the way there. Dropping the future ends the
/// client.
///
/// # Errors
/// Where the configuration is wrong, or asks for what dfab cannot do.
pub async fn resolve(
    destination: &Destination,
    options: &ResolveOptions,
) -> Result<Target, ResolveError> {
    resolve_with(&Looked::default(), destination, options).await
}

/// What was looked up before: many hosts may be reached through the same ones.
#[derive(Debug, Default)]
pub(crate) struct Looked(Mutex<HashMap<Key, Arc<OnceCell<Settings>>>>);

type Key = (Destination, ResolveOptions);

/// As [`resolve`], with every destination looked up once.
pub(crate) async fn resolve_with(
    looked: &Looked,
    destination: &Destination,
    options: &ResolveOptions,
) -> Result<Target, ResolveError> {
    resolve_through(looked, destination, options, None, 0).await
}

type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Target, ResolveError>> + Send + 'a>>;

/// As [`resolve`]; `through` is the way there, where another host's configuration says it.
fn resolve_through<'a>(
    looked: &'a Looked,
    destination: &'a Destination,
    options: &'a ResolveOptions,
    through: Option<&'a [Destination]>,
    depth: usize,
) -> Resolving<'a> {
    Box::pin(async move {
        if depth > HOPS {
            return Err(ResolveError::Circle(destination.to_string()));
        }
        let settings = looked.settings(destination, options).await?;
        let mut target = Target::new(&destination.to_string(), &destination.host, &settings)?;
        if let Some(limit) = options.connect_timeout {
            target.connect_timeout = limit;
        }
        let configured = match settings.first("proxyjump") {
            Some(text) => hops(text).map_err(ResolveError::Configuration)?,
            None => Vec::new(),
        };
        // As `ssh -J` does it: the last hop is reached through those before it, and the first one
        // as its own configuration says.
        let way = through.filter(|way| !way.is_empty()).unwrap_or(&configured);
        if let Some((last, before)) = way.split_last() {
            let last = resolve_through(looked, last, options, Some(before), depth + 1).await?;
            target.proxy = Proxy::Jump(Arc::new(last));
        }
        Ok(target)
    })
}

impl Looked {
    /// The settings; who comes while they are looked up waits for them.
    async fn settings(
        &self,
        destination: &Destination,
        options: &ResolveOptions,
    ) -> Result<Settings, ResolveError> {
        let key = (destination.clone(), options.clone());
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key).or_default())
        };
        let settings = cell.get_or_try_init(|| look_up(destination, options));
        settings.await.cloned()
    }
}

async fn look_up(
    destination: &Destination,
    options: &ResolveOptions,
) -> Result<Settings, ResolveError> {
    let client = options.client.as_deref();
    let mut command = tokio::process::Command::new(client.unwrap_or("ssh".as_ref()));
    command.arg("-G").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(file) = &options.config_file {
        command.arg("-F").arg(file);
    }
    if let Some(port) = destination.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &destination.user {
        command.arg("-l").arg(user);
    }
    command.arg("--").arg(&destination.host);
    let _permit = RUNNING.acquire().await.ok();
    let run = tokio::time::timeout(RESOLVE_TIMEOUT, command.output());
    match run.await.map_err(|_| ResolveError::Timeout)? {
        Ok(output) if output.status.success() => {
            Ok(Settings::printed(&String::from_utf8_lossy(&output.stdout)))
        }
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            // Every client without a terminal on its input begins with this line.
            let words = words
                .lines()
                .filter(|line| !line.starts_with("Pseudo-terminal will not be allocated"))
                .collect::<Vec<_>>();
            Err(ResolveError::Configuration(words.join("; ")))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(config::read(destination, options.config_file.as_deref())?)
        }
        Err(error) => Err(ResolveError::Run(error)),
    }
}
