//! The options of the actions, as the operator gives them.

use std::collections::BTreeSet;

use dfab_sdk::policy::{Error, Request};
use dfab_sdk::{argument, arguments, flag};

/// How the commands that run in a container are compared with those that the map wants to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckExec {
    /// The command line of a process is the command.
    Full,
    /// It contains the command.
    Partial,
    /// Not at all.
    None,
}

/// Options of all actions; an action has those that it declares, the others are as if not given.
#[derive(Debug)]
pub struct Options {
    pub timeout_s: Option<u32>,
    pub keep_persistent: bool,
    pub remove_volumes: bool,
    pub remove_attached: bool,
    pub orphans: bool,
    pub restart_exec_commands: bool,
    pub initial: bool,
    pub force_update: bool,
    /// As the host has them: by the name on the engine, after `network:` or `volume:` of one.
    pub forced: BTreeSet<String>,
    pub update_persistent: bool,
    pub skip_limit_reset: bool,
    pub check_exec: CheckExec,
    pub pull: bool,
    pub missing_only: bool,
    pub recreate_volumes: bool,
    pub nonrecoverable: Vec<i32>,
    pub signal: String,
}

impl Options {
    pub fn read(request: &Request) -> Result<Self, Error> {
        let given = &request.options;
        Ok(Self {
            timeout_s: seconds(request, "timeout")?,
            keep_persistent: flag(given, "no-persistent"),
            remove_volumes: flag(given, "remove-volumes"),
            remove_attached: flag(given, "remove-attached"),
            orphans: flag(given, "orphans"),
            restart_exec_commands: flag(given, "restart-exec-commands"),
            initial: flag(given, "initial"),
            force_update: flag(given, "force-update"),
            forced: arguments(given, "force").map(str::to_owned).collect(),
            update_persistent: flag(given, "update-persistent"),
            skip_limit_reset: flag(given, "skip-limit-reset"),
            check_exec: match argument(given, "check-exec-commands") {
                Some("partial") => CheckExec::Partial,
                Some("none") => CheckExec::None,
                _ => CheckExec::Full,
            },
            pull: flag(given, "pull"),
            missing_only: flag(given, "missing"),
            recreate_volumes: flag(given, "recreate-volumes"),
            nonrecoverable: arguments(given, "nonrecoverable-exit-code")
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map_err(|_| {
                    Error::Invalid("--nonrecoverable-exit-code takes a whole number".to_owned())
                })?,
            signal: argument(given, "signal").unwrap_or("SIGKILL").to_owned(),
        })
    }
}

/// A number of seconds.
pub fn seconds(request: &Request, name: &str) -> Result<Option<u32>, Error> {
    argument(&request.options, name)
        .map(str::parse)
        .transpose()
        .map_err(|_| Error::Invalid(format!("--{name} takes whole seconds, from 0")))
}
