//! The policy behind dfab's own actions: `startup`, `update`, `shutdown` and the others.

mod actions;
mod chain;
mod life;
mod options;
mod plan;
mod script;
mod update;

use dfab_sdk::policy::{ActionInfo, Error, Policy, Request, Step};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_policy!(Standard);

struct Standard;

impl Policy for Standard {
    fn actions() -> Vec<ActionInfo> {
        actions::actions()
    }

    fn plan(request: Request) -> Result<Vec<Step>, Error> {
        plan::plan(&request)
    }
}
