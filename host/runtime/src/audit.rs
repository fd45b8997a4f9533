//! The audit: who is told of each host call, before it is done and when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::call_error::CallError;

/// Is told of each host call of every component. Neither function may wait.
pub trait Audit: Send + Sync {
    /// A call was decided on. What is allowed is done only once this has returned.
    ///
    /// # Errors
    /// Where it cannot be noted; the call is not done then.
    fn begin(&self, call: AuditedCall) -> Result<(), String>;

    /// A call has ended: each that was begun does so once.
    fn end(&self, number: u64, outcome: &str, took: Duration);
}

/// A host call, as far as it is known before it is done. No secret is in it that was given as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedCall {
    /// Of this process.
    pub number: u64,
    /// When it was decided on.
    pub at: SystemTime,
    /// The plugin's name.
    pub plugin: String,
    /// SHA-256 of the component's bytes, in hexadecimal.
    pub digest: String,
    /// What the component was asked to do, such as `run list-images`.
    pub function: String,
    /// The host that it runs for.
    pub host: Option<String>,
    /// The function that it called, such as `docker.stop-container`.
    pub operation: String,
    /// What it is about.
    pub target: String,
    /// Whether it may.
    pub decision: Decision,
}

/// Whether a call may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It needs no grant.
    Free,
    /// By these grants, and by paths that the operator gave to the task.
    Allowed {
        /// As they are written.
        grants: Vec<String>,
        /// As they were typed.
        given: Vec<String>,
    },
    /// Something was not granted.
    Denied,
    /// It has no form that could be granted.
    Invalid,
}

/// Of one call of a component: who is told, and what is the same in all that is told.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) plugin: String,
    pub(crate) digest: String,
    pub(crate) function: String,
    pub(crate) host: Option<String>,
}

/// A call that was begun. If it is dropped before its end, it is told as cut off.
pub(crate) struct Noted {
    audit: Arc<dyn Audit>,
    number: u64,
    started: Instant,
    ended: bool,
}

impl Witness {
    /// # Errors
    /// Where it cannot be noted.
    pub(crate) fn note(
        &self,
        operation: &str,
        target: String,
        decision: Decision,
    ) -> Result<Noted, CallError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let call = AuditedCall {
            number,
            at: SystemTime::now(),
            plugin: self.plugin.clone(),
            digest: self.digest.clone(),
            function: self.function.clone(),
            host: self.host.clone(),
            operation: operation.to_owned(),
            target,
            decision,
        };
        self.audit.begin(call).map_err(|error| {
            CallError::Other(format!(
                "the audit cannot be written, so nothing is done any more: {error}"
            ))
        })?;
        Ok(Noted {
            audit: Arc::clone(&self.audit),
            number,
            started: Instant::now(),
            ended: false,
        })
    }
}

impl Noted {
    pub(crate) fn end<T>(mut self, result: Result<&T, &CallError>) {
        self.ended = true;
        let outcome = match result {
            Ok(_) => "done".to_owned(),
            Err(CallError::Remote(status, _)) => format!("refused with {status}"),
            Err(error) => name(error).to_owned(),
        };
        self.audit
            .end(self.number, &outcome, self.started.elapsed());
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.ended {
            self.audit
                .end(self.number, "cut off", self.started.elapsed());
        }
    }
}

fn name(error: &CallError) -> &'static str {
    match error {
        CallError::Denied(_) => "denied",
        CallError::NotFound(_) => "not found",
        CallError::Conflict(_) => "conflict",
        CallError::Invalid(_) => "invalid",
        CallError::Unreachable(_) => "unreachable",
        CallError::Timeout(_) => "timeout",
        CallError::Remote(..) => "refused",
        CallError::Other(_) => "failed",
    }
}
