//! The documented example map on one host, seen by the host's own Docker client.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dfab_tests::{Project, TestHost, images};
use serde_json::Value;

const MAP: &str = include_str!("../fixtures/example/example_map.yaml");
const IMAGES: [&str; 2] = [
    "registry.example.com/nginx:latest",
    "registry.example.com/app:latest",
];
const CONTAINERS: [&str; 3] = [
    "example_map.app_server.instance1",
    "example_map.app_server.instance2",
    "example_map.web_server",
];

/// The example with its images on the host, and a way to run dfab there.
struct Example {
    host: TestHost,
    project: Project,
}

impl Example {
    fn new() -> Result<Self> {
        let example = Self::without_images()?;
        for image in IMAGES {
            images::ensure(image)?;
            example.host.load_image(image)?;
        }
        Ok(example)
    }

    fn without_images() -> Result<Self> {
        let (host, project) = Project::with_host_as("deploy")?;
        project.write("dfab.yaml", "maps: [example_map.yaml]\n")?;
        project.write("example_map.yaml", MAP)?;
        Ok(Self { host, project })
    }

    /// Does an action; what it did, as verb and name on the engine.
    fn act(&self, action: &str, config: &str) -> Result<Vec<(String, String)>> {
        let arguments = [action, config, "-H", "h1", "-y", "--output", "json"];
        steps(&self.project.dfab(&arguments)?.json()?)
    }

    fn plan(&self, action: &str, config: &str) -> Result<Vec<(String, String)>> {
        let arguments = ["plan", action, config, "-H", "h1", "--output", "json"];
        steps(&self.project.dfab(&arguments)?.json()?)
    }

    /// Each container's state.
    fn states(&self) -> Result<BTreeMap<String, String>> {
        let format = ["ps", "-a", "--format", "{{.Names}} {{.State}}"];
        let states = self.host.docker(&format)?;
        let states = states.lines().filter_map(|line| line.split_once(' '));
        Ok(states
            .map(|(name, state)| (name.to_owned(), state.to_owned()))
            .collect())
    }

    fn id(&self, container: &str) -> Result<Value> {
        self.host
            .inspect(container)?
            .get("Id")
            .cloned()
            .context("a container has an Id")
    }
}

/// Verb and name on the engine.
fn steps(plan: &Value) -> Result<Vec<(String, String)>> {
    let steps = plan
        .get("steps")
        .and_then(Value::as_array)
        .context("a plan has steps")?;
    Ok(steps
        .iter()
        .map(|step| (text(step, "operation"), text(step, "name")))
        .collect())
}

/// Destination, and source or volume name with `ro` or `rw`.
fn mounts(container: &Value) -> BTreeMap<String, String> {
    let mount = |mount: &Value| {
        let source = text(
            mount,
            if text(mount, "Type") == "volume" {
                "Name"
            } else {
                "Source"
            },
        );
        let mode = if mount.get("RW") == Some(&Value::Bool(true)) {
            "rw"
        } else {
            "ro"
        };
        (text(mount, "Destination"), format!("{source} {mode}"))
    };
    let mounts = container.get("Mounts").and_then(Value::as_array);
    mounts.into_iter().flatten().map(mount).collect()
}

fn text(object: &Value, field: &str) -> String {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn startup_makes_what_the_map_describes_and_then_has_nothing_to_do() -> Result<()> {
    let example = Example::new()?;
    let planned = example.plan("startup", "web_server")?;
    assert!(example.states()?.is_empty(), "a plan changed something");
    assert_eq!(example.act("startup", "web_server")?, planned);

    let states = example.states()?;
    assert_eq!(states.keys().collect::<Vec<_>>(), CONTAINERS);
    assert!(
        states.values().all(|state| state == "running"),
        "{states:?}"
    );

    let web = example.host.inspect("example_map.web_server")?;
    assert_eq!(web["Config"]["Image"], IMAGES[0]);
    assert_eq!(
        web["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"],
        "80"
    );
    assert_eq!(
        web["HostConfig"]["PortBindings"]["443/tcp"][0]["HostPort"],
        "443"
    );
    let expected = [
        ("/etc/nginx", "/var/lib/site/config/nginx ro"),
        ("/var/lib/app/socket", "example_map.app_server_socket rw"),
        ("/var/log/nginx", "example_map.web_log rw"),
    ];
    let expected = expected.map(|(to, from)| (to.to_owned(), from.to_owned()));
    assert_eq!(mounts(&web), BTreeMap::from(expected));

    for (instance, container) in [("app1", CONTAINERS[0]), ("app2", CONTAINERS[1])] {
        let app = example.host.inspect(container)?;
        assert_eq!(app["Config"]["Image"], IMAGES[1]);
        assert_eq!(app["Config"]["User"], "2000");
        let expected = [
            (
                "/var/lib/app/config",
                format!("/var/lib/site/config/{instance} ro"),
            ),
            (
                "/var/lib/app/data",
                format!("/var/lib/site/data/{instance} rw"),
            ),
            ("/var/lib/app/log", "example_map.app_log rw".to_owned()),
            (
                "/var/lib/app/socket",
                "example_map.app_server_socket rw".to_owned(),
            ),
        ];
        assert_eq!(
            mounts(&app),
            BTreeMap::from(expected.map(|(to, from)| (to.to_owned(), from)))
        );
        // What is used runs before what uses it.
        let started = |container: &Value| container["State"]["StartedAt"].to_string();
        assert!(started(&app) < started(&web));
    }
    // `user` and `permissions` are those of the volumes that are attached.
    for volume in ["example_map.app_log", "example_map.app_server_socket"] {
        let folder = format!("/var/lib/docker/volumes/{volume}/_data");
        assert_eq!(
            example.host.exec(&["stat", "-c", "%u %a", &folder])?,
            "2000 750",
            "{volume}"
        );
    }
    let answer = "printf 'GET /x HTTP/1.0\\r\\n\\r\\n' | socat -t 5 - TCP:127.0.0.1:80";
    assert!(example.host.shell(answer)?.ends_with(" /x"));

    let runs = || {
        CONTAINERS.map(|container| {
            let container = example.host.inspect(container).unwrap();
            (
                container["Id"].clone(),
                container["State"]["StartedAt"].clone(),
            )
        })
    };
    let before = runs();
    assert_eq!(example.act("startup", "web_server")?, []);
    assert_eq!(runs(), before);
    Ok(())
}

#[test]
fn actions_change_what_they_name_and_no_more() -> Result<()> {
    let example = Example::new()?;
    let web = "example_map.web_server";
    let state = || Ok::<_, anyhow::Error>(example.states()?.get(web).cloned().unwrap_or_default());
    example.act("create", "web_server")?;
    assert!(
        example.states()?.values().all(|state| state == "created"),
        "{:?}",
        example.states()?
    );
    assert_eq!(example.states()?.len(), 3);
    example.act("start", "web_server")?;
    assert!(
        example.states()?.values().all(|state| state == "running"),
        "{:?}",
        example.states()?
    );

    let id = example.id(web)?;
    example.act("stop", "web_server")?;
    assert_eq!(state()?, "exited");
    assert_eq!(
        example.host.inspect(web)?["State"]["ExitCode"],
        0,
        "it had to be killed"
    );
    example.act("start", "web_server")?;
    assert_eq!(state()?, "running");
    let started = example.host.inspect(web)?["State"]["StartedAt"].clone();
    example.act("restart", "web_server")?;
    assert_eq!(state()?, "running");
    assert_ne!(example.host.inspect(web)?["State"]["StartedAt"], started);
    assert_eq!(example.id(web)?, id, "none of these makes a new container");

    // It runs: `remove` refuses it.
    let refused = example
        .project
        .dfab(&["remove", "web_server", "-H", "h1", "-y"])?;
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("still running"),
        "{}",
        refused.stderr
    );
    assert_eq!(state()?, "running");
    example.act("stop", "web_server")?;
    example.act("remove", "web_server")?;
    assert_eq!(state()?, "");
    assert_eq!(example.states()?.len(), 2);

    example.act("startup", "web_server")?;
    assert_eq!(state()?, "running");
    // What uses it goes first. Volumes stay, unless they are asked to go.
    example.act("shutdown", "app_server")?;
    assert_eq!(example.states()?, BTreeMap::new());
    assert_eq!(
        example
            .host
            .docker(&["volume", "ls", "-q"])?
            .lines()
            .count(),
        3
    );
    example.act("startup", "web_server")?;
    let line = [
        "shutdown",
        "app_server",
        "--remove-attached",
        "-H",
        "h1",
        "-y",
    ];
    example.project.dfab(&line)?.success()?;
    assert_eq!(example.states()?, BTreeMap::new());
    assert_eq!(example.host.docker(&["volume", "ls", "-q"])?, "");
    Ok(())
}

#[test]
fn b_44_an_image_that_cannot_be_had_fails_the_command_and_is_told() -> Result<()> {
    let example = Example::without_images()?;
    let output = example
        .project
        .dfab(&["startup", "web_server", "-H", "h1", "-y"])?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("registry.example.com/"),
        "{}",
        output.stderr
    );
    assert!(example.states()?.is_empty());
    Ok(())
}

#[test]
fn nothing_is_changed_that_nobody_agreed_to() -> Result<()> {
    let example = Example::new()?;
    let unanswered = example
        .project
        .dfab(&["startup", "web_server", "-H", "h1"])?;
    assert_eq!(unanswered.status, 2, "{unanswered:?}");
    let dry_run = ["startup", "web_server", "-H", "h1", "--dry-run", "-y"];
    assert_eq!(example.project.dfab(&dry_run)?.status, 0);
    assert!(example.states()?.is_empty());
    assert_eq!(example.host.docker(&["volume", "ls", "-q"])?, "");
    Ok(())
}
