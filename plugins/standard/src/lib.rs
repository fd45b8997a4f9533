//! The policy behind `create`, `start`, `restart`, `stop`, `remove`, `startup` and `shutdown`.

mod plan;

use dfab_sdk::policy::{
    ActionInfo, Error, Parameter, Policy, Request, Step, ValueKind, Walk, flag, parameter,
};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_policy!(Standard);

struct Standard;

impl Policy for Standard {
    fn actions() -> Vec<ActionInfo> {
        let action = |name: &str, summary: &str, walk, options: &[Parameter]| ActionInfo {
            name: name.to_owned(),
            summary: summary.to_owned(),
            walk,
            options: options.to_vec(),
        };
        let timeout = parameter(
            "timeout",
            "Seconds before the engine kills what does not stop",
            ValueKind::Integer,
        );
        let persistent = flag("keep-persistent", "Leave persistent containers alone");
        let volumes = flag("volumes", "Remove their anonymous volumes too");
        let attached = flag("attached", "Remove their attached volumes too");
        let exec = flag("exec-commands", "Run their exec_commands again");
        vec![
            action(
                "create",
                "Create containers and what they need, without starting them",
                Walk::Dependencies,
                &[],
            ),
            action(
                "start",
                "Start containers that exist, after what they need",
                Walk::Dependencies,
                &[],
            ),
            action(
                "restart",
                "Stop and start containers",
                Walk::Selected,
                &[timeout.clone(), exec],
            ),
            action(
                "stop",
                "Stop containers, after those that need them",
                Walk::Dependents,
                std::slice::from_ref(&timeout),
            ),
            action(
                "remove",
                "Remove containers that do not run",
                Walk::Dependents,
                &[persistent.clone(), volumes.clone(), attached.clone()],
            ),
            action(
                "startup",
                "Create and start containers and what they need",
                Walk::Dependencies,
                &[],
            ),
            action(
                "shutdown",
                "Stop and remove containers, after those that need them",
                Walk::Dependents,
                &[timeout, persistent, volumes, attached],
            ),
        ]
    }

    fn plan(request: Request) -> Result<Vec<Step>, Error> {
        plan::plan(&request)
    }
}
