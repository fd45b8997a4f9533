//! What a call may use, and the count of its memory.

use std::fmt;
use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What one call of a component may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time in the component's own code, counted in steps of 10 ms; not while a host call runs.
    pub cpu: Duration,
    /// Time of a whole call of a policy or a recipe, and for a task to list what it offers.
    pub wall: Duration,
    /// Time of a whole run of a task, its host calls included.
    pub task_wall: Duration,
    /// Bytes of all memories together.
    pub memory_bytes: usize,
    /// Bytes of the log lines of one call, and kept of what the component prints; the last ones.
    pub output_bytes: usize,
    /// Bytes that one call, into the component or out of it, may copy to the host. A plan for 10,000
    /// containers takes some tens of MiB as wasmtime counts.
    pub copied_bytes: usize,
    /// Handles that a call may hold at once, those of WASI included.
    pub handles: usize,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Time of its own code.
    Cpu,
    /// Time of a whole call.
    Wall,
    /// Of all its memories.
    Memory,
    /// Of log lines, and of what it prints.
    Output,
    /// Copied to the host in one call.
    Copied,
    /// Held at once.
    Handles,
}

/// A call went beyond a limit: which, and how to allow more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// Which limit.
    pub limit: Limit,
    /// How much it was, as it is written in dfab.yaml.
    pub allowed: String,
    /// The host call that ran at that time.
    pub waiting_for: Option<&'static str>,
    /// What to write to allow twice as much.
    pub raise: String,
}

impl Limit {
    /// What it is called in dfab.yaml and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Copied => "copied",
            Self::Handles => "handles",
        }
    }
}

impl Limits {
    /// What is told of an overrun by a call that had so much time.
    pub(crate) fn overrun(&self, limit: Limit, plugin: &str, wall: Duration) -> Overrun {
        let (allowed, more) = self.written(limit, wall);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let plugin =
            if plugin.starts_with(|c: char| c.is_ascii_alphabetic()) && plugin.chars().all(plain) {
                plugin.to_owned()
            } else {
                format!("{plugin:?}")
            };
        Overrun {
            limit,
            allowed,
            waiting_for: None,
            raise: format!(
                "limits: {{plugins: {{{plugin}: {{{}: {more}}}}}}}",
                limit.name()
            ),
        }
    }
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = &self.allowed;
        match self.limit {
            Limit::Cpu => write!(f, "it used up its computing time of {allowed}")?,
            Limit::Wall => write!(f, "it took longer than {allowed}")?,
            Limit::Memory => write!(f, "it wanted more memory than {allowed}")?,
            Limit::Output => write!(f, "it wrote more than {allowed}")?,
            Limit::Copied => write!(f, "it handed over more than {allowed} at once")?,
            Limit::Handles => write!(f, "it held more than {allowed} handles at once")?,
        }
        if let Some(call) = self.waiting_for {
            write!(f, ", while it waited for {call}")?;
        }
        write!(
            f,
            " (limit `{}`). To allow more, write in dfab.yaml:\n  {}",
            self.limit.name(),
            self.raise
        )
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(10),
            wall: Duration::from_mins(1),
            task_wall: Duration::from_hours(1),
            memory_bytes: 512 << 20,
            output_bytes: 1 << 20,
            copied_bytes: 256 << 20,
            handles: 1000,
        }
    }
}

/// Elements of tables, which hold function references.
const TABLE_LIMIT: usize = 1_000_000;
/// Core instances, memories and tables of one component; Python has about 40 of each.
const ITEM_LIMIT: usize = 1000;

/// Counts the memory of a call, and remembers that it was too much.
#[derive(Debug)]
pub(crate) struct Ceiling {
    left: usize,
    pub(crate) exceeded: bool,
}

impl Ceiling {
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self {
            left: memory_bytes,
            exceeded: false,
        }
    }
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        match self.left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => {
                self.left = left;
                Ok(true)
            }
            None => {
                self.exceeded = true;
                Err(wasmtime::format_err!("the memory limit is reached"))
            }
        }
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_LIMIT)
    }

    fn instances(&self) -> usize {
        ITEM_LIMIT
    }

    fn tables(&self) -> usize {
        ITEM_LIMIT
    }

    fn memories(&self) -> usize {
        ITEM_LIMIT
    }
}
