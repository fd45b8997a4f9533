//! What the actions are called and which options they have.

use dfab_sdk::policy::{ActionInfo, Parameter, ValueKind, Walk, flag, parameter};

/// All actions of this policy.
pub fn actions() -> Vec<ActionInfo> {
    let action = |name: &str, summary: &str, walk, options: Vec<Parameter>| ActionInfo {
        name: name.to_owned(),
        summary: summary.to_owned(),
        walk,
        compares: false,
        configurations: false,
        options,
    };
    let timeout = parameter(
        "timeout",
        "Seconds before the engine kills what is named and does not stop; with another stop_signal \
         than SIGTERM it is not killed, and the step fails",
        ValueKind::Integer,
    );
    let removal = || {
        vec![
            flag("no-persistent", "Leave persistent containers alone"),
            flag(
                "remove-volumes",
                "Remove the anonymous volumes of what is named too",
            ),
            flag("remove-attached", "Remove their attached volumes too"),
            orphans(),
        ]
    };
    let signal = || {
        vec![with_default(
            parameter("signal", "Name or number of the signal", ValueKind::Text),
            "SIGKILL",
        )]
    };
    vec![
        action(
            "create",
            "Create containers and what they need, without starting them",
            Walk::Dependencies,
            Vec::new(),
        ),
        action(
            "start",
            "Start containers that exist, after what they need",
            Walk::Dependencies,
            vec![initial()],
        ),
        action(
            "restart",
            "Stop and start containers",
            Walk::Selected,
            vec![
                timeout.clone(),
                flag("restart-exec-commands", "Run their exec_commands again"),
                initial(),
            ],
        ),
        action(
            "stop",
            "Stop containers, after those that need them",
            Walk::Dependents,
            vec![timeout.clone()],
        ),
        action(
            "remove",
            "Remove containers that do not run, after those that need them",
            Walk::Dependents,
            removal(),
        ),
        action(
            "startup",
            "Create and start containers and what they need",
            Walk::Dependencies,
            vec![initial(), orphans()],
        ),
        action(
            "shutdown",
            "Stop and remove containers, after those that need them",
            Walk::Dependents,
            [vec![timeout.clone()], removal()].concat(),
        ),
        ActionInfo {
            compares: true,
            ..action(
                "update",
                "Bring containers and what they need to what the map says",
                Walk::Dependencies,
                update_options(timeout),
            )
        },
        action(
            "kill",
            "Send a signal to running containers, SIGKILL if none is given",
            Walk::Selected,
            signal(),
        ),
        action("signal", "The same as kill", Walk::Selected, signal()),
        action(
            "pull-images",
            "Pull the images of containers and of what they need",
            Walk::Dependencies,
            vec![flag("missing", "Only those that are not there")],
        ),
        action(
            "exec-all",
            "Run the exec_commands of running containers",
            Walk::Selected,
            vec![initial()],
        ),
        action(
            "script",
            "Run a script in a container made for it, and remove the container",
            Walk::Dependencies,
            script_options(),
        ),
        action(
            "single-cmd",
            "Run one command in a container made for it, and remove the container",
            Walk::Dependencies,
            command_options(),
        ),
    ]
}

fn initial() -> Parameter {
    flag(
        "initial",
        "Run exec_commands that belong to the creation too",
    )
}

fn orphans() -> Parameter {
    flag(
        "orphans",
        "Also stop and remove containers that were made for the map and are no longer in it",
    )
}

fn update_options(timeout: Parameter) -> Vec<Parameter> {
    vec![
        timeout,
        initial(),
        orphans(),
        flag(
            "pull",
            "Pull the images first, and use those that have changed",
        ),
        flag(
            "force-update",
            "Make the containers that are named anew in any case",
        ),
        Parameter {
            many: true,
            ..parameter(
                "force",
                "Make these containers, or this network or volume, anew in any case; named as what the \
                 action is about",
                ValueKind::Reference,
            )
        },
        flag(
            "update-persistent",
            "Also make persistent containers anew for a new image",
        ),
        flag(
            "skip-limit-reset",
            "Make none anew only since a limit is no longer wanted",
        ),
        flag(
            "recreate-volumes",
            "Make volumes that differ anew, and lose what is in them",
        ),
        Parameter {
            choices: ["full", "partial", "none"].map(str::to_owned).to_vec(),
            ..with_default(
                parameter(
                    "check-exec-commands",
                    "How running commands are compared with exec_commands",
                    ValueKind::Choice,
                ),
                "full",
            )
        },
        Parameter {
            many: true,
            ..parameter(
                "nonrecoverable-exit-code",
                "Make a container that has ended with this code anew",
                ValueKind::Integer,
            )
        },
    ]
}

fn script_options() -> Vec<Parameter> {
    let mut options = vec![
        Parameter {
            required: true,
            ..read("script", "The script, on this machine")
        },
        read(
            "upload-dir",
            "A folder that has the script, all of which is copied",
        ),
        parameter(
            "command-format",
            "The command, with {script_path} and {script_dir}; the script itself if none",
            ValueKind::Text,
        ),
    ];
    options.extend(run_options());
    options
}

/// A path of what has to be there.
fn read(name: &str, summary: &str) -> Parameter {
    Parameter {
        choices: vec!["read".to_owned()],
        ..parameter(name, summary, ValueKind::Path)
    }
}

fn command_options() -> Vec<Parameter> {
    let mut options = vec![Parameter {
        required: true,
        ..parameter("command", "The command line, for a shell", ValueKind::Text)
    }];
    options.extend(run_options());
    options
}

fn run_options() -> Vec<Parameter> {
    vec![
        parameter(
            "entrypoint",
            "Instead of the image's or the map's",
            ValueKind::Text,
        ),
        parameter(
            "download",
            "Where what is in the folder at the end is copied to; of several containers into \
             HOST/CONTAINER there",
            ValueKind::Path,
        ),
        with_default(
            parameter(
                "container-script-dir",
                "The folder in the container",
                ValueKind::Text,
            ),
            "/tmp/script_run",
        ),
        parameter(
            "wait-timeout",
            "Seconds until it is given up; as the client's wait_timeout says, else 900 (15 minutes)",
            ValueKind::Integer,
        ),
        flag("timestamps", "Begin each line of the output with the time"),
        parameter(
            "tail",
            "Only so many lines from the end of the output",
            ValueKind::Integer,
        ),
        flag("fail-nonzero", "Fail where the exit code is not 0"),
        flag(
            "remove-existing-before",
            "Stop and remove a container that is there",
        ),
        flag("keep", "Leave the container there afterwards"),
    ]
}

fn with_default(parameter: Parameter, value: &str) -> Parameter {
    Parameter {
        default_value: Some(value.to_owned()),
        ..parameter
    }
}
