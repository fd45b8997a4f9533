//! What the store of one call holds, and the host's side of the contract. Each function here asks
//! the authority first, and hands the permit to the effect; none decides anything itself.

mod docker;
mod wasi;

pub(crate) use wasi::link as link_wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::Level;
use crate::audit::{Decision, Noted, Witness};
use crate::authority::{self, Authority, Permit};
use crate::bindings::task_world::dfab::{log::log, settings::settings, ssh::ssh, types::types};
use crate::call_error::CallError;
use crate::console::Console;
use crate::effect::{Download, FindShell, RunAs, RunCommand, Upload};
use crate::host_call::{Effect, Free, HostCall};
use crate::label_scope::Labels;
use crate::limits::{Ceiling, Limit, Limits};
use crate::local_path::LocalPath;
use crate::privilege::{self, AsUser};
use crate::remote_path::RemotePath;
use crate::task_host::{LogSink, TaskHost};
use crate::texts;
use crate::ticker::TICK;

/// The engine that a task runs for, as a handle of the component.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct CurrentEngine;

/// The shell that a task runs for, as a handle of the component.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct CurrentShell;

/// How a host call fails: with an answer for the component, or so that the component cannot go on.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub enum Failure {
    /// The component gets it.
    Call(CallError),
    /// The component ends.
    Trap(wasmtime::Error),
}

/// Characters of one log line.
const LOG_LINE_LIMIT: usize = 8192;

/// Whom a call runs for.
#[derive(Clone)]
pub(crate) enum Caller {
    /// Nobody: the component decides or describes itself. It has log lines and nothing else.
    Nobody(LogSink),
    /// One host.
    Host(Arc<dyn TaskHost>),
}

/// What is particular about a call.
pub(crate) struct Circumstances {
    pub(crate) authority: Arc<Authority>,
    pub(crate) caller: Caller,
    /// Who is told of its host calls.
    pub(crate) witness: Option<Witness>,
    /// Whether it has neither clock nor randomness.
    pub(crate) is_pure: bool,
}

/// What the store of one call holds.
pub(crate) struct State {
    pub(crate) console: Console,
    pub(crate) ceiling: Ceiling,
    /// The host call that runs at the moment.
    pub(crate) waiting_for: Option<&'static str>,
    pub(crate) out_of_cpu: bool,
    authority: Arc<Authority>,
    caller: Caller,
    witness: Option<Witness>,
    cpu_left: Duration,
    /// When the component's own time was last counted, and how long it waited since.
    counted: Instant,
    waited: Duration,
    log: LogAllowance,
    table: ResourceTable,
    wasi: WasiCtx,
}

/// How much of its log a component may still write.
struct LogAllowance {
    left: usize,
    limits: Limits,
    /// That it is used up is told once.
    is_told: bool,
}

/// A call that may be done.
struct Begun<E> {
    permit: Permit<E>,
    host: Arc<dyn TaskHost>,
    /// Where there is an audit.
    noted: Option<Noted>,
}

impl State {
    /// A store for one call, with all its limits.
    pub(crate) fn store(
        engine: &Engine,
        limits: &Limits,
        circumstances: Circumstances,
    ) -> Store<Self> {
        let Circumstances {
            authority,
            caller,
            witness,
            is_pure,
        } = circumstances;
        let console = Console::new(limits.output_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let state = Self {
            ceiling: Ceiling::new(limits.memory_bytes),
            waiting_for: None,
            out_of_cpu: false,
            authority,
            caller,
            witness,
            cpu_left: limits.cpu,
            counted: Instant::now(),
            waited: Duration::ZERO,
            log: LogAllowance {
                left: limits.output_bytes,
                limits: limits.clone(),
                is_told: false,
            },
            table,
            wasi: wasi::context(&console, is_pure),
            console,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.ceiling);
        store.set_hostcall_fuel(limits.copied_bytes);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().tick()));
        store
    }

    /// A log line of dfab's own about this call.
    pub(crate) fn tell(&self, level: Level, message: &str) {
        match &self.caller {
            Caller::Nobody(sink) => sink(level, message),
            Caller::Host(host) => host.log(level, message),
        }
    }

    /// A log line of the component.
    fn log(&mut self, level: Level, message: &str) {
        let message: String = crate::text::plain(message)
            .chars()
            .take(LOG_LINE_LIMIT)
            .collect();
        match self.log.left.checked_sub(message.len()) {
            Some(left) => {
                self.log.left = left;
                self.tell(level, &message);
            }
            None => {
                self.log.left = 0;
                if !std::mem::replace(&mut self.log.is_told, true) {
                    let (limits, plugin) = (&self.log.limits, &self.authority.plugin);
                    let overrun = limits.overrun(Limit::Output, plugin, Duration::ZERO);
                    let text = format!("the rest of the log is left out: {overrun}");
                    self.tell(Level::Warn, &text);
                }
            }
        }
    }

    /// Counts one tick at most, since what passed beyond it was spent waiting for a turn.
    fn tick(&mut self) -> UpdateDeadline {
        let own = self.counted.elapsed().saturating_sub(self.waited).min(TICK);
        self.counted = Instant::now();
        self.waited = Duration::ZERO;
        match self.cpu_left.checked_sub(own) {
            Some(left) => {
                self.cpu_left = left;
                UpdateDeadline::Yield(1)
            }
            None => {
                self.out_of_cpu = true;
                UpdateDeadline::Interrupt
            }
        }
    }

    /// Waits for an effect, which does not count as the component's own time.
    async fn wait<T>(
        &mut self,
        name: &'static str,
        effect: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let started = Instant::now();
        self.waiting_for = Some(name);
        let answer = effect.await;
        self.waiting_for = None;
        self.waited += started.elapsed();
        answer
    }

    fn host(&self) -> Result<Arc<dyn TaskHost>, CallError> {
        match &self.caller {
            Caller::Host(host) => Ok(Arc::clone(host)),
            Caller::Nobody(_) => Err(CallError::Denied(
                "there is no host here: a component that describes itself can only log".to_owned(),
            )),
        }
    }

    fn host_name(&self) -> wasmtime::Result<String> {
        match &self.caller {
            Caller::Host(host) => Ok(host.name()),
            Caller::Nobody(_) => Err(wasmtime::format_err!("a handle without a host")),
        }
    }

    /// Does what a component asks for, if it may: the one way to an effect.
    async fn perform<E, T, F>(
        &mut self,
        mut effect: E,
        run: impl FnOnce(Arc<dyn TaskHost>, Permit<E>) -> F,
    ) -> Result<T, Failure>
    where
        E: Effect,
        F: Future<Output = Result<T, CallError>>,
    {
        let call = effect.call();
        let checked = texts::check(call.texts());
        if checked.is_err() {
            self.meant(call.operation(), &call.target(), checked)?;
        }
        let labels = self.settle(&mut effect).await?;
        self.decide_and_run(effect, labels.as_ref(), run).await
    }

    /// Finds out what the grants depend on: the labels of the object that an effect is about. It is about
    /// exactly that object then, rather than whatever has its name a moment later.
    async fn settle(&mut self, effect: &mut impl Effect) -> Result<Option<Labels>, Failure> {
        let Some(look) = self.authority.depends_on(effect) else {
            return Ok(None);
        };
        let looking = |host: Arc<dyn TaskHost>, permit| async move { host.look(permit).await };
        let Some(found) = self.decide_and_run(look, None, looking).await? else {
            let error = "it was gone when its labels were looked at";
            return Err(CallError::NotFound(error.to_owned()).into());
        };
        if let Some(object) = effect.object() {
            object.settle(&found.id);
        }
        Ok(Some(found.labels))
    }

    async fn decide_and_run<E, T, F>(
        &mut self,
        effect: E,
        labels: Option<&Labels>,
        run: impl FnOnce(Arc<dyn TaskHost>, Permit<E>) -> F,
    ) -> Result<T, Failure>
    where
        E: Effect,
        F: Future<Output = Result<T, CallError>>,
    {
        let operation = effect.call().operation();
        let Begun {
            permit,
            host,
            noted,
        } = self.begin(effect, labels)?;
        let answer = self.wait(operation, run(host, permit)).await;
        if let Some(noted) = noted {
            noted.end(answer.as_ref());
        }
        Ok(answer?)
    }

    /// Decides on an effect, and tells the audit.
    fn begin<E: Effect>(&self, effect: E, labels: Option<&Labels>) -> Result<Begun<E>, Failure> {
        // What the audit is told is found out only where there is one.
        let told = self.witness.as_ref().map(|witness| {
            let call = effect.call();
            let decision = self.authority.decision(call, labels);
            (witness, call.operation(), call.target(), decision)
        });
        let decided = self.host().and_then(|host| {
            let permit = self.authority.authorize(effect, labels);
            Ok((permit.map_err(CallError::from)?, host))
        });
        let noted = match told {
            Some((witness, operation, target, allowed)) => {
                let decision = if decided.is_ok() {
                    allowed
                } else {
                    Decision::Denied
                };
                Some(witness.note(operation, target, decision)?)
            }
            None => None,
        };
        match decided {
            Ok((permit, host)) => Ok(Begun {
                permit,
                host,
                noted,
            }),
            Err(error) => {
                if let Some(noted) = noted {
                    noted.end(Err::<&(), _>(&error));
                }
                Err(error.into())
            }
        }
    }

    /// Tells the audit of a call that needs nothing and has an answer at once.
    fn note_free(&self, call: Free) -> Result<(), CallError> {
        if let Some(witness) = &self.witness {
            let call = HostCall::Free(call);
            let noted = witness.note(call.operation(), call.target(), Decision::Free)?;
            noted.end(Ok(&()));
        }
        Ok(())
    }

    /// What is answered to a call that is not even looked at; the audit is told.
    fn refused(&self, operation: &'static str, error: CallError) -> Result<Failure, CallError> {
        if let Some(witness) = &self.witness {
            let noted = witness.note(operation, String::new(), Decision::Denied)?;
            noted.end(Err::<&(), _>(&error));
        }
        Ok(error.into())
    }

    /// What a call means, or why it means nothing that could be granted; the audit is told of that.
    fn meant<T>(
        &self,
        operation: &'static str,
        written: &str,
        meaning: Result<T, CallError>,
    ) -> Result<T, Failure> {
        if let (Err(error), Some(witness)) = (&meaning, &self.witness) {
            let target = crate::text::shown(&crate::mask::line(written));
            let noted = witness.note(operation, target, Decision::Invalid)?;
            noted.end(Err::<&(), _>(error));
        }
        Ok(meaning?)
    }

    fn local_path(&self, operation: &'static str, text: &str) -> Result<LocalPath, Failure> {
        let path = match self.host() {
            Ok(host) => LocalPath::new(text, host.given_paths())
                .map_err(|error| CallError::Invalid(error.to_string())),
            Err(error) => Err(error),
        };
        self.meant(operation, text, path)
    }
}

impl Caller {
    /// The host that it runs for.
    pub(crate) fn host_name(&self) -> Option<String> {
        match self {
            Self::Host(host) => Some(host.name()),
            Self::Nobody(_) => None,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<wasmtime::component::ResourceTableError> for Failure {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl types::Host for State {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<types::Error> {
        match failure {
            Failure::Call(error) => Ok(error.into_wit()),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl log::Host for State {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let bytes = message.len();
        // A line has no answer that could tell that the audit cannot be written; the next effect has.
        let _ = self.note_free(Free::Log { level, bytes });
        self.log(level, &message);
        Ok(())
    }
}

impl settings::Host for State {
    async fn get(&mut self, name: String) -> Result<Option<String>, Failure> {
        let effect = authority::setting(name.clone());
        let effect = self.meant("settings.get", &name, effect)?;
        self.perform(
            effect,
            |host, permit| async move { host.setting(permit).await },
        )
        .await
    }
}

impl ssh::Host for State {
    async fn current(&mut self) -> Result<Resource<CurrentShell>, Failure> {
        self.perform(FindShell, |host, permit| async move {
            if host.has_shell(permit) {
                return Ok(());
            }
            let text = format!("{} is reached without SSH, so it has no shell", host.name());
            Err(CallError::NotFound(text))
        })
        .await?;
        Ok(self.table.push(CurrentShell)?)
    }
}

impl ssh::HostShell for State {
    async fn name(&mut self, shell: Resource<CurrentShell>) -> wasmtime::Result<String> {
        self.table.get(&shell)?;
        // A name has no answer that could tell that the audit cannot be written; the next effect has.
        let _ = self.note_free(Free::ShellName);
        self.host_name()
    }

    async fn run(
        &mut self,
        shell: Resource<CurrentShell>,
        command: ssh::Command,
    ) -> Result<ssh::Outcome, Failure> {
        self.table.get(&shell)?;
        let meaning = self.authority.command(&command.line);
        let effect = RunCommand {
            command: self.meant("ssh.run", &command.line, meaning)?,
            stdin: command.stdin,
            timeout_s: command.timeout_s,
        };
        self.perform(effect, |host, permit| async move { host.run(permit).await })
            .await
    }

    async fn run_as(
        &mut self,
        shell: Resource<CurrentShell>,
        command: ssh::UserCommand,
    ) -> Result<ssh::Outcome, Failure> {
        self.table.get(&shell)?;
        let ssh::UserCommand {
            user,
            words,
            stdin,
            timeout_s,
        } = command;
        let mut written = vec!["-u", user.as_deref().unwrap_or(privilege::ROOT)];
        written.extend(words.iter().map(String::as_str));
        let written = shell_words::join(written);
        let meaning = authority::check_words(&words).and_then(|()| {
            AsUser::new(user.as_deref(), words)
                .map_err(|error| CallError::Invalid(error.to_string()))
        });
        let effect = RunAs {
            command: self.meant("ssh.run-as", &written, meaning)?,
            stdin,
            timeout_s,
        };
        self.perform(
            effect,
            |host, permit| async move { host.run_as(permit).await },
        )
        .await
    }

    async fn upload(
        &mut self,
        shell: Resource<CurrentShell>,
        local: String,
        path: String,
        mode: Option<u32>,
    ) -> Result<u64, Failure> {
        self.table.get(&shell)?;
        let mode = match mode {
            Some(mode) if mode > 0o777 => Err(CallError::Invalid(format!(
                "{mode:o} are no permissions of a file; they go up to 777"
            ))),
            mode => Ok(mode),
        };
        let effect = Upload {
            local: self.local_path("ssh.upload", &local)?,
            remote: self.remote_path("ssh.upload", &path)?,
            mode: self.meant("ssh.upload", &path, mode)?,
        };
        self.perform(
            effect,
            |host, permit| async move { host.upload(permit).await },
        )
        .await
    }

    async fn download(
        &mut self,
        shell: Resource<CurrentShell>,
        path: String,
        to: String,
    ) -> Result<u64, Failure> {
        self.table.get(&shell)?;
        let effect = Download {
            remote: self.remote_path("ssh.download", &path)?,
            to: self.local_path("ssh.download", &to)?,
        };
        self.perform(
            effect,
            |host, permit| async move { host.download(permit).await },
        )
        .await
    }

    async fn drop(&mut self, shell: Resource<CurrentShell>) -> wasmtime::Result<()> {
        self.table.delete(shell)?;
        Ok(())
    }
}

impl State {
    fn remote_path(&self, operation: &'static str, text: &str) -> Result<RemotePath, Failure> {
        let path = text.parse::<RemotePath>();
        let path = path.map_err(|error| CallError::Invalid(error.to_string()));
        self.meant(operation, text, path)
    }
}

/// An interface of types only.
impl crate::bindings::policy_world::dfab::policy::planning::Host for State {}
