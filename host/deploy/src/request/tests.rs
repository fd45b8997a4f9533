use dfab_engine::ApiVersion;
use dfab_maps::{Client, NoSettings, Project, Walk, load_map};
use dfab_runtime::planning::{Operation, RunOptions, Step, Walk as ActionWalk};
use serde_json::json;

use super::*;
use crate::host::{Address, Host, Options};
use crate::plan::{Plan, Work};

fn action(name: &str) -> ActionInfo {
    ActionInfo {
        name: name.to_owned(),
        summary: String::new(),
        walk: ActionWalk::Dependencies,
        compares: true,
        configurations: false,
        options: Vec::new(),
    }
}

fn survey<'a>(
    host: &'a Host,
    items: Vec<Planned<'a>>,
    snapshot: Snapshot,
    details: Option<Details>,
) -> Survey<'a> {
    Survey {
        host,
        api_version: ApiVersion {
            major: 1,
            minor: 41,
        },
        items,
        snapshot,
        details,
    }
}

#[test]
fn nodes_have_their_configuration_where_the_action_asks_for_it() {
    let text = "web: {image: app, stop_timeout: 3}\n";
    let map = load_map(text, "m.yaml", "m", &NoSettings).unwrap().value;
    let project = Project::new(vec![map]).unwrap();
    let selected = project.select(&["web".to_owned()]).unwrap();
    let items = project.walk(&selected, Walk::Selected).unwrap();
    let address = Address::Socket("/nowhere".into());
    let client = Client::default_client();
    let host = Host::new("h".to_owned(), address, client, Options::default());
    let surveys = [survey(&host, items, Snapshot::default(), None)];
    for configurations in [false, true] {
        let action = ActionInfo {
            configurations,
            ..action("up")
        };
        let (request, _) = request(&action, Vec::new(), &surveys).unwrap();
        let config = request.nodes.first().unwrap().config.as_deref();
        let expected = r#"{"image":"app","stop_timeout":3}"#;
        assert_eq!(config, configurations.then_some(expected));
    }
}

/// What a policy is asked of a container whose memory and restart policy are others, and the plan
/// that a run of it is.
fn asked(client: Client) -> (Vec<(String, Remedy)>, Plan) {
    let text =
        "web:\n  image: app:1\n  host_config: {mem_limit: 8m, restart_policy: {Name: always}}\n";
    let map = load_map(text, "m.yaml", "m", &NoSettings).unwrap().value;
    let project = Project::new(vec![map]).unwrap();
    let selected = project.select(&["web".to_owned()]).unwrap();
    let items = project.walk(&selected, Walk::Selected).unwrap();
    let address = Address::Socket("/nowhere".into());
    let host = Host::new("h".to_owned(), address, client, Options::default());
    let live = json!({
        "Id": "c1", "Image": "sha256:a",
        "Config": { "Image": "app:1", "Hostname": "m-web", "Labels": {} },
        "HostConfig": { "Memory": 1, "RestartPolicy": { "Name": "no" } },
    });
    let mut snapshot = Snapshot::default();
    snapshot.images.insert("app:1".into(), "sha256:a".into());
    let details = Details {
        containers: HashMap::from([("m.web".to_owned(), live)]),
        ..Details::default()
    };
    let surveys = [survey(&host, items, snapshot, Some(details))];
    let (request, subjects) = request(&action("update"), Vec::new(), &surveys).unwrap();
    let found = request
        .nodes
        .iter()
        .flat_map(|node| &node.observed.differences);
    let found = found.filter(|one| one.field.starts_with("HostConfig."));
    let found = found.map(|one| (one.field.clone(), one.remedy.clone()));
    let found = found.collect();
    let run = Step {
        node: 0,
        operation: Operation::Run(RunOptions {
            entrypoint: None,
            command: None,
            folder: None,
            upload: None,
            download: None,
            timeout_s: None,
            keep: false,
            timestamps: false,
            tail: None,
            must_succeed: true,
        }),
        after: Vec::new(),
        reason: String::new(),
        if_changed: Vec::new(),
    };
    let plan = Plan::new(&request, &subjects, &surveys, vec![run], &[]).unwrap();
    (found, plan)
}

#[test]
fn what_an_engine_cannot_change_in_place_is_made_anew() {
    let with = |features: &[&str]| {
        let mut client = Client::default_client();
        for feature in features {
            client.features.insert((*feature).to_owned(), false);
        }
        let (found, _) = asked(client);
        let of = |name: &str| {
            let found = found.iter().find(|(field, _)| field == name);
            match found.map(|(_, remedy)| remedy) {
                Some(Remedy::Update) => "update",
                Some(Remedy::Recreate) => "recreate",
                _ => "other",
            }
        };
        [of("HostConfig.Memory"), of("HostConfig.RestartPolicy")]
    };
    assert_eq!(with(&[]), ["update", "update"]);
    assert_eq!(with(&["container_update"]), ["recreate", "update"]);
    assert_eq!(
        with(&["container_update", "container_update_restart_policy"]),
        ["recreate", "recreate"]
    );
}

#[test]
fn a_run_is_waited_for_as_long_as_its_client_says() {
    let waits = |wait: Option<u64>| {
        let client = Client {
            wait_timeout: wait.map(std::time::Duration::from_millis),
            ..Client::default_client()
        };
        let (_, plan) = asked(client);
        match plan.steps.first().map(|step| &step.work) {
            Some(Work::Run(run)) => run.timeout_s,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(waits(Some(90_000)), 90);
    // Less than a second is one, for 0 would be none at all.
    assert_eq!(waits(Some(20)), 1);
    assert_eq!(waits(None), 15 * 60);
}
/// What is told of a step about the one item of a kind, where nothing is on the engine yet.
fn told(text: &str, kind: NodeKind, operation: Operation) -> String {
    let map = load_map(text, "m.yaml", "m", &NoSettings).unwrap().value;
    let project = Project::new(vec![map]).unwrap();
    let selected = project.select(&["web".to_owned()]).unwrap();
    let items = project.walk(&selected, Walk::Dependencies).unwrap();
    let address = Address::Socket("/nowhere".into());
    let client = Client::default_client();
    let host = Host::new("h".to_owned(), address, client, Options::default());
    let surveys = [survey(&host, items, Snapshot::default(), None)];
    let (request, subjects) = request(&action("up"), Vec::new(), &surveys).unwrap();
    let node = request.nodes.iter().position(|node| node.kind == kind);
    let step = Step {
        node: u32::try_from(node.unwrap()).unwrap(),
        operation,
        after: Vec::new(),
        reason: String::new(),
        if_changed: Vec::new(),
    };
    match Plan::new(&request, &subjects, &surveys, vec![step], &[]) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => {
            let source = std::error::Error::source(&error).unwrap();
            format!("{error}: {source}")
        }
    }
}

#[test]
fn a_step_that_needs_a_setting_that_is_not_set_is_no_part_of_a_plan() {
    let why = |place: &str| {
        format!(
            "the setting key is not set, which m.yaml:{place} asks for; set it under \
             `settings` in dfab.yaml, or give --set key=VALUE"
        )
    };
    let stop = Operation::Stop(StopOptions {
        signal: None,
        timeout_s: None,
    });
    let (container, network) = (NodeKind::Container, NodeKind::Network);
    let connect = || Operation::Connect("m.n".to_owned());

    let text = "repository: !env_lazy key\nweb: {image: 'app:1'}\n";
    assert_eq!(
        told(text, NodeKind::Image, Operation::PullImage),
        format!("cannot pull <key>/app:1 on h: {}", why("1:13"))
    );
    assert_eq!(
        told(text, container, Operation::Create),
        format!("cannot create m.web on h: {}", why("1:13"))
    );
    // It was created, and what it was made of is not asked for.
    assert_eq!(told(text, container, Operation::Start), "nothing");
    assert_eq!(told(text, container, stop.clone()), "nothing");

    let text = "web: {image: app, exec_commands: [!env_lazy key]}\n";
    assert_eq!(
        told(text, container, Operation::Start),
        format!("cannot start m.web on h: {}", why("1:35"))
    );
    assert_eq!(told(text, container, stop), "nothing");

    let text = "networks: {n: null}\nweb: {image: app, networks: {n: !env_lazy key}}\n";
    assert_eq!(
        told(text, container, connect()),
        format!("cannot connect network m.n to m.web on h: {}", why("2:33"))
    );
    assert_eq!(told(text, network, Operation::Create), "nothing");

    let text = "networks: {n: {driver_options: {mtu: !env_lazy key}}}\n\
                web: {image: app, networks: n}\n";
    assert_eq!(
        told(text, network, Operation::Create),
        format!("cannot create m.n on h: {}", why("1:38"))
    );
    assert_eq!(told(text, container, connect()), "nothing");
}
