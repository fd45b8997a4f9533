//! Containers that a plan leaves alone, and that lose what they have of those which it changes: a
//! network stack, a link or volumes.

use std::collections::HashMap;
use std::fmt;

use dfab_engine::{ContainerState, ObservedContainer};
use dfab_maps::{Item, Tie};

use crate::plan::{Plan, Step, Work};
use crate::survey::Survey;

/// One of them. Its text says what becomes of it, and what to do about that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bystander {
    /// Name of the host.
    pub host: String,
    /// Its name on the engine.
    pub name: String,
    tie: Tie,
    /// The container that it is tied to.
    other: String,
    change: Change,
}

/// What a plan does to a container that others are tied to; what harms them most stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Anew,
    /// If one of the pulls brings another image.
    AnewIfPulled,
    Removed,
    Restarted,
    Stopped,
}

/// The containers of the maps that are there, have no step of their own, and are tied to a container
/// that the plan makes anew, removes or stops; each once.
pub fn bystanders(plan: &Plan, surveys: &[Survey<'_>]) -> Vec<Bystander> {
    let mut found = Vec::new();
    for (index, survey) in surveys.iter().enumerate() {
        let mut steps: HashMap<&str, Vec<&Step>> = HashMap::new();
        for step in &plan.steps {
            if step.host_index == index && step.kind == "container" {
                steps.entry(&step.name).or_default().push(step);
            }
        }
        let changes: HashMap<&str, Change> = steps
            .iter()
            .filter_map(|(name, steps)| Some((*name, change(steps)?)))
            .collect();
        if changes.is_empty() {
            continue;
        }
        for map in survey.maps() {
            for item in map.container_items() {
                let Item::Container { config, .. } = &item else {
                    continue;
                };
                let ties = map.ties(config);
                if ties.is_empty() {
                    continue;
                }
                let name = map.engine_name(&item);
                let Some(container) = survey.snapshot.containers.get(&name) else {
                    continue;
                };
                if steps.contains_key(name.as_str()) {
                    continue;
                }
                let losses = ties.into_iter().filter_map(|(tie, other)| {
                    let other = map.engine_name(&other);
                    let change = *changes.get(other.as_str())?;
                    loses(tie, change, container).then_some((change, tie, other))
                });
                if let Some((change, tie, other)) = losses.min_by_key(|(change, ..)| *change) {
                    found.push(Bystander {
                        host: survey.host.name().to_owned(),
                        name,
                        tie,
                        other,
                        change,
                    });
                }
            }
        }
    }
    found
}

/// What the steps of one container come to, where that concerns others.
fn change(steps: &[&Step]) -> Option<Change> {
    let has = |is_it: fn(&Work) -> bool| steps.iter().any(|step| is_it(&step.work));
    let removes = |work: &Work| matches!(work, Work::RemoveContainer { .. });
    if let Some(removal) = steps.iter().find(|step| removes(&step.work)) {
        let is_created = has(|work| matches!(work, Work::CreateContainer { .. }));
        return Some(match (is_created, removal.if_changed.is_empty()) {
            (true, true) => Change::Anew,
            (true, false) => Change::AnewIfPulled,
            (false, _) => Change::Removed,
        });
    }
    if !has(|work| matches!(work, Work::Stop { .. })) {
        return None;
    }
    Some(if has(|work| matches!(work, Work::Start)) {
        Change::Restarted
    } else {
        Change::Stopped
    })
}

/// Whether a container loses something by that. A link finds the other one again when that is
/// restarted, and volumes do not depend on who runs.
fn loses(tie: Tie, change: Change, container: &ObservedContainer) -> bool {
    let runs = matches!(
        container.state,
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
    );
    match change {
        Change::Anew | Change::AnewIfPulled | Change::Removed => true,
        Change::Restarted => runs && tie == Tie::Network,
        Change::Stopped => runs && tie != Tie::Volumes,
    }
}

impl fmt::Display for Bystander {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host, name, other, ..
        } = self;
        let tie = match self.tie {
            Tie::Network => "has the network of",
            Tie::Link => "is linked to",
            Tie::Volumes => "has the volumes of",
        };
        let (change, next, action) = match self.change {
            Change::Anew => ("made anew", "update it too", "update"),
            Change::AnewIfPulled => (
                "made anew if another image is pulled",
                "update it then",
                "update",
            ),
            Change::Removed => ("removed", "shut it down too", "shutdown"),
            Change::Restarted => ("restarted", "restart it too", "restart"),
            Change::Stopped => ("stopped", "stop it too", "stop"),
        };
        write!(
            f,
            "on {host}, {name} {tie} {other}, which is {change}: {next}, by `dfab {action} {name}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dfab_engine::{ApiVersion, Snapshot};
    use dfab_maps::{Client, NoSettings, Project, Walk, load_map};
    use serde_json::json;

    use super::*;
    use crate::host::{Address, Host, Options};

    const MAP: &str = "\
        o: {image: app, shares: /s}\n\
        cli: {image: app, network_mode: o}\n\
        link: {image: app, links: o}\n\
        named: {image: app, links: o, networks: [n]}\n\
        side: {image: app, uses: o}\n\
        all: {image: app, links: o, uses: other.b}\n\
        other: {image: app, instances: [a, b], shares: /s}\n\
        networks: {n: {}}\n";

    fn observed(state: ContainerState) -> ObservedContainer {
        ObservedContainer {
            id: "c0".to_owned(),
            state,
            exit_code: None,
            health: None,
            image: "app".to_owned(),
            image_id: "sha256:a".to_owned(),
            labels: BTreeMap::new(),
            volumes: Vec::new(),
            networks: Vec::new(),
        }
    }

    fn removal() -> Work {
        Work::RemoveContainer {
            force: false,
            volumes: false,
        }
    }

    fn creation() -> Work {
        Work::CreateContainer { body: json!({}) }
    }

    fn stop() -> Work {
        Work::Stop {
            signal: None,
            timeout_s: None,
        }
    }

    /// Who is told of a plan of these steps, on an engine with these containers of the map.
    fn told(
        steps: Vec<(&str, Work)>,
        containers: &[(&str, ContainerState)],
        if_changed: bool,
    ) -> Vec<String> {
        let map = load_map(MAP, "m.yaml", "m", &NoSettings).unwrap().value;
        let project = Project::new(vec![map]).unwrap();
        let selected = project.select(&["o".to_owned()]).unwrap();
        let items = project.walk(&selected, Walk::Selected).unwrap();
        let address = Address::Socket("/nowhere".into());
        let client = Client::default_client();
        let host = Host::new("h".to_owned(), address, client, Options::default());
        let mut snapshot = Snapshot::default();
        for (name, state) in containers {
            let name = format!("m.{name}");
            snapshot.containers.insert(name, observed(*state));
        }
        let surveys = [Survey {
            host: &host,
            api_version: ApiVersion {
                major: 1,
                minor: 41,
            },
            items,
            snapshot,
            details: None,
        }];
        let image = if_changed.then(|| ("app:latest".to_owned(), None));
        let steps = steps.into_iter().map(|(name, work)| Step {
            host: "h".to_owned(),
            host_index: 0,
            kind: "container",
            name: format!("m.{name}"),
            work,
            after: Vec::new(),
            reason: String::new(),
            if_changed: image.clone().into_iter().collect(),
        });
        let plan = Plan {
            action: "any".to_owned(),
            hosts: vec!["h".to_owned()],
            steps: steps.collect(),
            nodes: 1,
        };
        let found = bystanders(&plan, &surveys);
        found.iter().map(ToString::to_string).collect()
    }

    fn names(told: &[String]) -> Vec<&str> {
        let names = told.iter().filter_map(|text| text.split(' ').nth(2));
        names.collect()
    }

    const RUNNING: ContainerState = ContainerState::Running;
    const EXITED: ContainerState = ContainerState::Exited;

    #[test]
    fn what_is_tied_to_a_container_made_anew_is_told_with_what_mends_it() {
        let anew = || vec![("o", stop()), ("o", removal()), ("o", creation())];
        let there = [
            ("o", RUNNING),
            ("cli", RUNNING),
            ("link", EXITED),
            ("named", RUNNING),
            ("side", ContainerState::Created),
        ];
        assert_eq!(
            told(anew(), &there, false),
            [
                "on h, m.cli has the network of m.o, which is made anew: update it too, by \
                 `dfab update m.cli`",
                "on h, m.link is linked to m.o, which is made anew: update it too, by \
                 `dfab update m.link`",
                "on h, m.side has the volumes of m.o, which is made anew: update it too, by \
                 `dfab update m.side`",
            ]
        );
        let if_pulled = told(anew(), &there, true);
        assert!(
            if_pulled[0].contains("if another image is pulled: update it then"),
            "{if_pulled:?}"
        );
        // With steps of its own the policy sees to it.
        let mut with_link = anew();
        with_link.extend([("link", removal()), ("link", creation())]);
        assert_eq!(names(&told(with_link, &there, false)), ["m.cli", "m.side"]);
        // Made for the first time, it takes nothing from anybody.
        let first = vec![("o", creation()), ("o", Work::Start)];
        assert!(told(first, &there[1..], false).is_empty());
    }

    #[test]
    fn a_restart_takes_the_network_of_those_that_run() {
        let restart = || vec![("o", stop()), ("o", Work::Start)];
        let there = [("o", RUNNING), ("cli", RUNNING), ("link", RUNNING)];
        assert_eq!(
            told(restart(), &there, false),
            [
                "on h, m.cli has the network of m.o, which is restarted: restart it too, by `dfab \
              restart m.cli`"
            ]
        );
        let ended = [("o", RUNNING), ("cli", EXITED)];
        assert!(told(restart(), &ended, false).is_empty());
    }

    #[test]
    fn what_is_left_of_a_container_that_goes_alone_is_told() {
        let there = [
            ("o", RUNNING),
            ("cli", RUNNING),
            ("link", RUNNING),
            ("side", RUNNING),
        ];
        let stopped = told(vec![("o", stop())], &there, false);
        assert_eq!(names(&stopped), ["m.cli", "m.link"]);
        assert!(stopped[0].ends_with("`dfab stop m.cli`"), "{stopped:?}");
        let removed = told(vec![("o", stop()), ("o", removal())], &there, false);
        assert_eq!(names(&removed), ["m.cli", "m.link", "m.side"]);
        assert!(removed[0].ends_with("`dfab shutdown m.cli`"), "{removed:?}");
    }

    #[test]
    fn each_is_told_once_of_what_harms_it_most() {
        let steps = vec![
            ("o", stop()),
            ("other.a", removal()),
            ("other.a", creation()),
            ("other.b", removal()),
            ("other.b", creation()),
        ];
        let there = [("o", RUNNING), ("other.b", EXITED), ("all", RUNNING)];
        assert_eq!(
            told(steps, &there, false),
            [
                "on h, m.all has the volumes of m.other.b, which is made anew: update it too, by \
              `dfab update m.all`"
            ]
        );
    }
}
