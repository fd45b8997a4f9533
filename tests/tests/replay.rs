//! Recorded maps on a real engine through SSH: it must do what the model of one does.
//!
//! What a plan says is compared at each stage, and what the engine then has: each container, network and
//! volume with all its fields, against what was to be created.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_maps::NoSettings;
use dfab_maps::{Client, load_clients};
use dfab_tests::planner::{Planner, project};
use dfab_tests::simulation::{Comparison, Simulation};
use dfab_tests::{Project, TestHost, images, process};
use serde_json::Value;

const LIFE: [&str; 12] = [
    "create", "start", "update", "stop", "start", "restart", "update", "signal", "update", "stop",
    "startup", "shutdown",
];

/// How each life ends.
const END: [&str; 6] = ["shutdown", "create", "remove", "startup", "stop", "remove"];

/// A map, and what it is led through.
struct Life<'a> {
    map: &'a str,
    references: &'a [&'a str],
    /// Other forms of the same map, in which it is changed and changed back.
    changed: &'a [&'a str],
    images: &'a [&'a str],
    /// How they differ from what tests deploy else.
    image_changes: &'a [&'a str],
    /// The client file: each of its clients is a machine.
    clients: &'a str,
    /// Where they are chosen on the command line, rather than by the map.
    hosts: Option<&'a str>,
    /// Whether the images are in a registry at first, and not on the engine.
    pulls: bool,
}

/// A real engine and the model of one, which must do the same.
struct Machine {
    host: TestHost,
    client: Client,
    model: Simulation,
    comparison: Comparison,
}

/// Where recorded maps have their images.
const REPOSITORY: &str = "registry.example.com";

/// The addresses are such as a host of the tests has.
const ONE: &str = "h1: {host: h1, interfaces: {public: 127.0.0.1}}\n";
const TWO: &str = "\
c1: {host: c1, interfaces: {private: 127.0.0.1}, interfaces_ipv6: {private: '::1'}, stop_timeout: 9,
     domainname: c1.example}
c2: {host: c2, interfaces: {private: 127.0.0.2}, interfaces_ipv6: {private: '::1'}}
";

impl Default for Life<'_> {
    /// All of a map on one machine, without changes.
    fn default() -> Self {
        Self {
            map: "",
            references: &["__all__"],
            changed: &[],
            images: &[],
            image_changes: &[],
            clients: ONE,
            hosts: Some("h1"),
            pulls: false,
        }
    }
}

impl Life<'_> {
    /// Runs it on both, and compares.
    async fn replay(&self) -> Result<()> {
        let place = Project::new()?;
        place.write("clients.yaml", self.clients)?;
        place.write("dfab.yaml", "maps: map.yaml\nclients: clients.yaml\n")?;
        let mut machines = self.machines(&place)?;
        let planner = Planner::new().await?;
        let map = self.map;
        // Each change of the map is followed by an update after which nothing must be left.
        let changes = self.changed.iter();
        let changes =
            changes.flat_map(|other| [(*other, "update"), (*other, "update"), (map, "update")]);
        let stages = LIFE.iter().map(|action| (map, *action));
        let stages = stages
            .chain(self.pulls.then_some((map, "pull-images")))
            .chain([(map, "startup")])
            .chain(changes)
            .chain(END.iter().map(|action| (map, *action)));
        for (file, action) in stages {
            self.stage(file, action, &place, &planner, &mut machines)
                .await
                .with_context(|| format!("{action} of {file}"))?;
        }
        Ok(())
    }

    fn machines(&self, place: &Project) -> Result<Vec<Machine>> {
        let clients = load_clients(self.clients, "clients.yaml", &NoSettings)?.value;
        let hosts = TestHost::start_many(clients.len())?;
        let mut machines = Vec::new();
        for ((name, client), host) in clients.into_iter().zip(hosts) {
            place.add_host(&name, &host)?;
            // Containers, which these hosts are, do not have the address `::1` by themselves.
            if !client.interfaces_ipv6.is_empty() {
                host.shell("echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6")?;
            }
            let mut model = Simulation::new();
            if self.pulls {
                host.start_registry()?;
            }
            for image in self.images {
                images::ensure_with(image, self.image_changes)?;
                host.load_image(image)?;
                if self.pulls {
                    let name = image.replace(REPOSITORY, TestHost::REGISTRY);
                    host.docker(&["tag", image, &name])?;
                    host.docker(&["rmi", image])?;
                    host.hand_over_image(&name)?;
                } else {
                    model.add_image(image);
                }
            }
            machines.push(Machine {
                host,
                client,
                model,
                comparison: Comparison::default(),
            });
        }
        Ok(machines)
    }

    /// Does one action on both.
    async fn stage(
        &self,
        file: &str,
        action: &str,
        place: &Project,
        planner: &Planner,
        machines: &mut [Machine],
    ) -> Result<()> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/maps/");
        let text = std::fs::read_to_string(format!("{folder}{file}"))?;
        let text = match self.pulls {
            true => text.replace(REPOSITORY, TestHost::REGISTRY),
            false => text,
        };
        let name = self.map.trim_end_matches(".yaml");
        let text = if text.contains("\nname:") || text.starts_with("name:") {
            text
        } else {
            format!("name: {name}\n{text}")
        };
        place.write("map.yaml", &text)?;
        let known = project(&text, name)?;
        let references: Vec<String> = self
            .references
            .iter()
            .map(|one| (*one).to_owned())
            .collect();
        let mut plans = Vec::new();
        for machine in machines.iter_mut() {
            let client = machine.client.clone();
            let plan = planner
                .plan(action, &known, &references, &machine.model, client, &[])
                .await?;
            for step in &plan.steps {
                machine.model.apply(step)?;
            }
            plans.push(plan.steps);
        }
        let mut arguments = [&[action], self.references].concat();
        arguments.extend(["-y", "--output", "json"]);
        arguments.extend(self.hosts.iter().flat_map(|hosts| ["-H", hosts]));
        let output = place.dfab(&arguments)?;
        let told = output.stderr.clone();
        let done = output.json().with_context(|| told)?;
        for (machine, steps) in machines.iter_mut().zip(plans) {
            let expected: Vec<String> = steps
                .iter()
                .map(|step| format!("{} {}", step.work.verb(), step.name))
                .collect();
            let name = &machine.client.name;
            let really = self::steps(&done, name)?;
            ensure!(
                really == expected,
                "{name}\n  real engine: {really:?}\n  model: {expected:?}\n{done}"
            );
            for step in steps.iter().filter(|_| action == "signal") {
                // The engine does not wait for the end.
                process::until(Duration::from_secs(10), || {
                    let state = machine.host.inspect(&step.name)?["State"]["Running"].clone();
                    ensure!(state == false, "{} still runs", step.name);
                    Ok(())
                })?;
            }
            if !steps.is_empty() {
                let differences = machine
                    .comparison
                    .differences(&machine.host, &machine.model)?;
                ensure!(
                    differences.is_empty(),
                    "{name}: the engine has other things than the model\n  {}",
                    differences.join("\n  ")
                );
            }
        }
        Ok(())
    }
}

/// Verb and name of each step that was done on a host.
fn steps(plan: &Value, host: &str) -> Result<Vec<String>> {
    let steps = plan["steps"].as_array().context("a plan has steps")?;
    steps
        .iter()
        .filter(|step| step["host"] == host)
        .map(|step| {
            ensure!(step["outcome"] == "done", "{step}");
            let verb = step["operation"].as_str().unwrap_or_default();
            let verb = verb.split('-').next().unwrap_or_default();
            Ok(format!(
                "{verb} {}",
                step["name"].as_str().unwrap_or_default()
            ))
        })
        .collect()
}

#[tokio::test]
async fn the_shop_lives_as_the_model_says() -> Result<()> {
    let images = [
        "postgres:15",
        "redis:stable",
        "redis:7",
        "app:stable",
        "nginx:stable",
        "busybox:stable",
    ];
    let images = images.map(|name| format!("registry.example.com/{name}"));
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let changed = [
        "shop_cmd.yaml",
        "shop_env.yaml",
        "shop_image.yaml",
        "shop_mem.yaml",
        "shop_mount.yaml",
        "shop_net.yaml",
        "shop_port.yaml",
    ];
    Life {
        map: "shop.yaml",
        changed: &changed,
        images: &images,
        ..Life::default()
    }
    .replay()
    .await
}

#[tokio::test]
async fn the_example_lives_as_the_model_says() -> Result<()> {
    Life {
        map: "example_fixed.yaml",
        references: &["web_server"],
        pulls: true,
        images: &[
            "registry.example.com/app:latest",
            "registry.example.com/nginx:latest",
        ],
        ..Life::default()
    }
    .replay()
    .await
}

#[tokio::test]
async fn persistent_containers_live_as_the_model_says() -> Result<()> {
    Life {
        map: "s1.yaml",
        references: &["a", "b", "c"],
        images: &["a:latest", "b:latest", "c:latest"],
        ..Life::default()
    }
    .replay()
    .await
}

#[tokio::test]
async fn containers_with_shares_and_commands_live_as_the_model_says() -> Result<()> {
    Life {
        map: "u1.yaml",
        references: &["app", "dep"],
        images: &["app:1", "dep:1"],
        // The map's command is none of the program's own words.
        image_changes: &[r#"ENTRYPOINT ["/bin/serve"]"#],
        ..Life::default()
    }
    .replay()
    .await
}

#[tokio::test]
async fn a_map_on_two_engines_lives_as_the_model_says_on_each() -> Result<()> {
    Life {
        map: "mc.yaml",
        references: &["srv"],
        images: &["srv:latest", "other:latest"],
        clients: TWO,
        hosts: None,
        ..Life::default()
    }
    .replay()
    .await
}
