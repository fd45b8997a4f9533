//! The commands, one module each.

pub(crate) mod action;
pub(crate) mod build;
pub(crate) mod bundle;
mod choice;
mod ending;
pub(crate) mod exec;
mod follow;
mod grant;
pub(crate) mod host;
pub(crate) mod key;
pub(crate) mod logs;
mod manifest;
pub(crate) mod map;
mod merge;
mod misplaced;
pub(crate) mod plugin;
mod prepared;
pub(crate) mod ps;
mod report;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod ssh;
pub(crate) mod top;
pub(crate) mod tunnel;

use std::future::Future;
use std::sync::Arc;

use dfab_deploy::host::Host;
use futures_util::stream::{self, StreamExt};

use crate::arguments::Common;
use crate::audit::Audit;
use crate::deadline::Deadline;
use crate::failure::{Code, Failure};
use crate::hosts::Directory;
use crate::plugins::{Conditions, Plugins};
use crate::project::Project;

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// When a command is to end that ends by itself.
    pub(crate) deadline: Deadline,
    /// When one that does not is to end, such as a tunnel: only where the command line says so.
    pub(crate) asked_deadline: Deadline,
    pub(crate) common: Common,
    pub(crate) project: Project,
    pub(crate) plugins: Plugins,
    pub(crate) audit: Option<Arc<Audit>>,
}

impl Context {
    /// What holds for all plugins of the run.
    pub(crate) fn conditions(&self) -> Conditions<'_> {
        Conditions {
            project: &self.project,
            audit: self.audit.as_ref(),
        }
    }

    /// The hosts that the command line names, or the one that is meant without.
    ///
    /// # Errors
    /// Where a name leads nowhere.
    pub(crate) fn hosts(&self) -> Result<Vec<Arc<Host>>, Failure> {
        let directory = Directory::new(&self.project, &self.common)?;
        Ok(directory
            .meant(&self.common)?
            .into_iter()
            .map(Arc::new)
            .collect())
    }
}

/// The command lines of the commands that work on hosts by themselves.
pub(crate) fn on_hosts() -> [clap::Command; 6] {
    [
        build::command(),
        ssh::command(),
        exec::command(),
        logs::command(),
        ps::command(),
        top::command(),
    ]
}

/// The command lines of the commands for plugins and what they come in.
pub(crate) fn of_plugins() -> [clap::Command; 3] {
    [plugin::command(), bundle::command(), key::command()]
}

/// Looks at every host, side by side, and returns the results in the order of the hosts. A host that is
/// not finished in time has failed.
pub(crate) async fn for_each_host<T, F, R>(
    context: &Context,
    hosts: &[Arc<Host>],
    work: F,
) -> Vec<Result<T, Failure>>
where
    F: Fn(Arc<Host>) -> R,
    R: Future<Output = Result<T, Failure>>,
{
    let looks = hosts.iter().cloned();
    stream::iter(looks.map(|host| context.deadline.within(work(host))))
        .buffered(context.common.parallel.get())
        .collect()
        .await
}

/// Does something for each, side by side as for hosts, and returns the results in order.
pub(crate) async fn for_each<I: Copy, T>(
    common: &Common,
    deadline: Deadline,
    items: &[I],
    work: impl AsyncFn(I) -> Result<T, Failure>,
) -> Vec<Result<T, Failure>> {
    stream::iter(items.iter().map(|item| deadline.within(work(*item))))
        .buffered(common.parallel.get())
        .collect()
        .await
}

/// What is told of a host that was not begun.
pub(crate) const NOT_BEGUN: &str = "not begun, since too many hosts failed before it";

/// The exit code where some of the hosts may have failed, each with a code of its own.
pub(crate) fn overall(codes: &[Code]) -> Code {
    let failed: Vec<_> = codes
        .iter()
        .copied()
        .filter(|code| *code != Code::Done)
        .collect();
    match failed.first() {
        None => Code::Done,
        Some(_) if failed.len() < codes.len() => Code::SomeHostsFailed,
        Some(first) if failed.iter().all(|code| code == first) => *first,
        Some(_) => Code::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_of_several_hosts() {
        use Code::{Done, Failed, SomeHostsFailed, Unreachable};
        assert_eq!(overall(&[Done, Done]), Done);
        assert_eq!(overall(&[Done, Unreachable]), SomeHostsFailed);
        assert_eq!(overall(&[Unreachable, Unreachable]), Unreachable);
        assert_eq!(overall(&[Failed, Unreachable]), Failed);
        assert_eq!(overall(&[Failed]), Failed);
    }
}
