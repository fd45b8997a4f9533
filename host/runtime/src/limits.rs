//! What a call may use, and the count of its memory.

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
    /// Bytes kept of what a component prints; the last ones.
    pub output_bytes: usize,
    /// Bytes that one call, into the component or out of it, may copy to the host. A plan for 10,000
    /// containers takes some tens of MiB as wasmtime counts.
    pub copied_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(10),
            wall: Duration::from_mins(1),
            task_wall: Duration::from_hours(1),
            memory_bytes: 512 << 20,
            output_bytes: 64 << 10,
            copied_bytes: 256 << 20,
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
