//! The policy behind dfab's own actions: `startup`, `update`, `shutdown` and the others.

mod actions;
mod chain;
mod life;
mod notice;
mod options;
mod plan;
mod script;
mod strangers;
mod update;

use dfab_sdk::policy::{ActionInfo, Error, Level, Policy, Request, Step, log};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_policy!(Standard);

struct Standard;

impl Policy for Standard {
    fn actions() -> Vec<ActionInfo> {
        actions::actions()
    }

    fn plan(request: Request) -> Result<Vec<Step>, Error> {
        let steps = plan::plan(&request)?;
        for notice in notice::notices(&request)? {
            log(Level::Warn, &notice);
        }
        Ok(steps)
    }
}
