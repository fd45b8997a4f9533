//! What the store of one call holds, and the host's side of the contract. Each function here asks
//! the authority first, and hands the permit to the effect; none decides anything itself.

mod docker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::Level;
use crate::authority::{Authority, Permit};
use crate::bindings::task_world::dfab::{log::log, settings::settings, ssh::ssh, types::types};
use crate::call_error::CallError;
use crate::console::Console;
use crate::host_call::HostCall;
use crate::limits::{Ceiling, Limits};
use crate::task_host::{LogSink, TaskHost};
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

/// Handles that a component may hold at once, those of WASI included.
const HANDLE_LIMIT: usize = 10_000;
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

/// What the store of one call holds.
pub(crate) struct State {
    pub(crate) console: Console,
    pub(crate) ceiling: Ceiling,
    /// The host call that runs at the moment.
    pub(crate) waiting_for: Option<&'static str>,
    pub(crate) out_of_cpu: bool,
    authority: Arc<Authority>,
    caller: Caller,
    cpu_left: Duration,
    /// When the component's own time was last counted, and how long it waited since.
    counted: Instant,
    waited: Duration,
    table: ResourceTable,
    wasi: WasiCtx,
}

impl State {
    /// A store for one call, with all its limits.
    pub(crate) fn store(
        engine: &Engine,
        limits: &Limits,
        authority: Arc<Authority>,
        caller: Caller,
    ) -> Store<Self> {
        let console = Console::new(limits.output_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLE_LIMIT);
        let state = Self {
            ceiling: Ceiling::new(limits.memory_bytes),
            waiting_for: None,
            out_of_cpu: false,
            authority,
            caller,
            cpu_left: limits.cpu,
            counted: Instant::now(),
            waited: Duration::ZERO,
            table,
            wasi: WasiCtx::builder()
                .stdout(console.clone())
                .stderr(console.clone())
                .build(),
            console,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.ceiling);
        store.set_hostcall_fuel(limits.copied_bytes);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().tick()));
        store
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        let message: String = crate::text::plain(message)
            .chars()
            .take(LOG_LINE_LIMIT)
            .collect();
        match &self.caller {
            Caller::Nobody(sink) => sink(level, &message),
            Caller::Host(host) => host.log(level, &message),
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
    ) -> Result<T, Failure> {
        let started = Instant::now();
        self.waiting_for = Some(name);
        let answer = effect.await;
        self.waiting_for = None;
        self.waited += started.elapsed();
        Ok(answer?)
    }

    fn host(&self) -> Result<Arc<dyn TaskHost>, Failure> {
        match &self.caller {
            Caller::Host(host) => Ok(Arc::clone(host)),
            Caller::Nobody(_) => Err(Failure::Call(CallError::Denied(
                "there is no host here: a component that describes itself can only log".to_owned(),
            ))),
        }
    }

    fn host_name(&self) -> wasmtime::Result<String> {
        match &self.caller {
            Caller::Host(host) => Ok(host.name()),
            Caller::Nobody(_) => Err(wasmtime::format_err!("a handle without a host")),
        }
    }

    fn authorize(&self, call: HostCall) -> Result<(Permit, Arc<dyn TaskHost>), Failure> {
        Ok((self.authority.authorize(call)?, self.host()?))
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
        self.log(level, &message);
        Ok(())
    }
}

impl settings::Host for State {
    async fn get(&mut self, name: String) -> Result<Option<String>, Failure> {
        let (permit, host) = self.authorize(HostCall::Setting { name: name.clone() })?;
        self.wait("settings.get", host.setting(permit, &name)).await
    }
}

impl ssh::Host for State {
    async fn current(&mut self) -> Result<Resource<CurrentShell>, Failure> {
        let (permit, host) = self.authorize(HostCall::Shell)?;
        if !host.has_shell(permit) {
            let text = format!("{} is reached without SSH, so it has no shell", host.name());
            return Err(CallError::NotFound(text).into());
        }
        Ok(self.table.push(CurrentShell)?)
    }
}

impl ssh::HostShell for State {
    async fn name(&mut self, shell: Resource<CurrentShell>) -> wasmtime::Result<String> {
        self.table.get(&shell)?;
        self.host_name()
    }

    async fn run(
        &mut self,
        shell: Resource<CurrentShell>,
        command: ssh::Command,
    ) -> Result<ssh::Outcome, Failure> {
        self.table.get(&shell)?;
        let (permit, line) = self.authority.authorize_run(&command.line)?;
        let host = self.host()?;
        let command = ssh::Command { line, ..command };
        self.wait("ssh.run", host.run(permit, command)).await
    }

    async fn drop(&mut self, shell: Resource<CurrentShell>) -> wasmtime::Result<()> {
        self.table.delete(shell)?;
        Ok(())
    }
}

/// An interface of types only.
impl crate::bindings::policy_world::dfab::policy::planning::Host for State {}
