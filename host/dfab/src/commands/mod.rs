//! The commands, one module each.

pub(crate) mod action;
pub(crate) mod map;
mod prepared;
mod report;
pub(crate) mod run;
pub(crate) mod setup;

use std::future::Future;
use std::sync::Arc;

use dfab_deploy::host::Host;
use futures_util::stream::{self, StreamExt};

use crate::arguments::Common;
use crate::failure::{Code, Failure};
use crate::hosts::Directory;
use crate::plugins::Plugins;
use crate::project::Project;

/// How many hosts are worked on at a time.
const HOSTS_AT_A_TIME: usize = 32;

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) common: Common,
    pub(crate) project: Project,
    pub(crate) plugins: Plugins,
}

impl Context {
    /// The hosts that the command line names, or the one that is meant without.
    ///
    /// # Errors
    /// Where a name leads nowhere.
    pub(crate) fn hosts(&self) -> Result<Vec<Arc<Host>>, Failure> {
        let directory = Directory::new(&self.project, &self.common)?;
        Ok(directory
            .hosts(&self.common.hosts)?
            .into_iter()
            .map(Arc::new)
            .collect())
    }
}

/// Does something for every host, side by side, and returns the results in the order of the hosts.
pub(crate) async fn for_each_host<T, F, R>(hosts: &[Arc<Host>], work: F) -> Vec<T>
where
    F: Fn(Arc<Host>) -> R,
    R: Future<Output = T>,
{
    stream::iter(hosts.iter().cloned().map(work))
        .buffered(HOSTS_AT_A_TIME)
        .collect()
        .await
}

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
