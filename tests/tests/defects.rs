//! Known defects of Docker-Map that show only from the command to the engine, by their numbers.

use anyhow::{Context as _, Result};
use dfab_deploy::plan::Work;
use dfab_maps::Client;
use dfab_tests::Project;
use dfab_tests::planner::{Planner, project};
use dfab_tests::simulation::Simulation;
use serde_json::json;

/// Options that say how states are judged, which Docker-Map handed on to the engine's calls.
const OF_STATES: [(&str, &str); 6] = [
    ("force-update", "true"),
    ("force", "web"),
    ("update-persistent", "true"),
    ("skip-limit-reset", "true"),
    ("check-exec-commands", "partial"),
    ("nonrecoverable-exit-code", "1"),
];

const MAP: &str = "name: m\n\
                   web: {image: app, links: db, attaches: v, networks: [n]}\n\
                   db: {image: app, networks: [n]}\n\
                   networks: {n: {}}\nvolumes: {v: /v}\n";

#[tokio::test]
async fn b_23_a_network_comes_to_a_stopped_container_with_all_that_its_endpoint_has() -> Result<()>
{
    let planner = Planner::new().await?;
    let mut engine = Simulation::new();
    let web = ["web".to_owned()];
    let mut plan = Vec::new();
    let later = MAP
        .replace("networks: [n]}\ndb", "networks: [n, [o, [www]]]}\ndb")
        .replace("{n: {}}", "{n: {}, o: {}}");
    assert_ne!(later, MAP);
    for (action, map) in [
        ("startup", MAP),
        ("stop", MAP),
        ("update", &later),
        ("update", &later),
    ] {
        let map = project(map, "m")?;
        let client = Client::default_client();
        let planned = planner.plan(action, &map, &web, &engine, client, &[]);
        plan.push(planned.await?.steps);
        for step in plan.last().into_iter().flatten() {
            engine.apply(step).context(action)?;
        }
    }
    let update = &plan[2];
    let connects: Vec<_> = update
        .iter()
        .filter_map(|step| match &step.work {
            Work::Connect { network, endpoint } => Some((network.as_str(), endpoint.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(connects, [("m.o", json!({ "Aliases": ["www"] }))]);
    let started = update
        .iter()
        .any(|step| step.name == "m.web" && matches!(step.work, Work::Start));
    assert!(started, "{update:?}");
    assert!(plan[3].is_empty(), "{:?}", plan[3]);
    Ok(())
}

#[tokio::test]
async fn b_25_options_of_states_are_no_part_of_what_is_created() -> Result<()> {
    let planner = Planner::new().await?;
    let (map, engine) = (project(MAP, "m")?, Simulation::new());
    let mut created = Vec::new();
    for options in [&[][..], &OF_STATES[..]] {
        let web = ["web".to_owned()];
        let client = Client::default_client();
        let planned = planner.plan("update", &map, &web, &engine, client, options);
        created.push(format!("{:?}", planned.await?.steps));
    }
    assert_eq!(created[0], created[1]);
    assert!(created[0].contains("CreateVolume"), "{}", created[0]);
    // Actions that do not judge states do not have these options at all.
    let place = Project::new()?;
    place.write("dfab.yaml", "maps: m.yaml\n")?;
    place.write("m.yaml", MAP)?;
    for action in ["create", "start", "restart", "stop", "remove", "signal"] {
        for (option, _) in OF_STATES {
            let refused = place.dfab(&[action, "web", &format!("--{option}")])?;
            assert_eq!(refused.status, 2, "{action} --{option}: {refused:?}");
            assert!(
                refused.stderr.contains(&format!("'--{option}'")),
                "{action}: {}",
                refused.stderr
            );
        }
    }
    Ok(())
}
