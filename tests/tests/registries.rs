//! What registries are told when dfab pulls from them (B-38).

use anyhow::{Result, ensure};
use dfab_tests::registry::Registry;
use dfab_tests::{Output, Project};

/// Pulls an image of a folder in the registry that it does not have, on this machine's engine.
async fn pull(registry: &Registry, clients: &str) -> Result<Output> {
    let project = Project::new()?;
    project.write("dfab.yaml", "maps: m.yaml\nclients: clients.yaml\n")?;
    let image = format!("{}/team/app:1", registry.name());
    project.write("m.yaml", &format!("name: m\na: {{image: '{image}'}}\n"))?;
    project.write("clients.yaml", clients)?;
    let pulled = tokio::task::spawn_blocking(move || project.dfab(&["pull-images", "a", "-y"]));
    pulled.await?
}

fn client(registry: &str) -> String {
    format!(
        "__default__:\n  auth_configs: {{'{registry}': {{username: deploy, password: secret}}}}\n"
    )
}

#[tokio::test]
async fn without_a_login_it_is_asked_as_anybody() -> Result<()> {
    let registry = Registry::start(false).await?;
    // Others' logins are none of its business.
    for clients in ["{}", &client("registry.example.com")] {
        let before = registry.asked().len();
        let pulled = pull(&registry, clients).await?;
        assert_eq!(pulled.status, 1, "{pulled:?}");
        let asked = registry.asked().split_off(before);
        let manifest = asked
            .iter()
            .any(|asked| asked.path == "/v2/team/app/manifests/1");
        ensure!(manifest, "it was not asked for the image: {asked:?}");
        ensure!(
            asked.iter().all(|asked| asked.credentials.is_none()),
            "{asked:?}"
        );
        ensure!(
            pulled.stderr.contains("manifest unknown"),
            "{}",
            pulled.stderr
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_login_is_found_by_the_host_or_by_the_folder() -> Result<()> {
    let registry = Registry::start(true).await?;
    let name = registry.name().to_owned();
    for key in [name.clone(), format!("{name}/team")] {
        let before = registry.asked().len();
        let pulled = pull(&registry, &client(&key)).await?;
        assert_eq!(pulled.status, 1, "{pulled:?}");
        let asked = registry.asked().split_off(before);
        let manifest = asked
            .iter()
            .find(|asked| asked.path.contains("/manifests/") && asked.credentials.is_some());
        // deploy:secret
        let given = manifest.and_then(|asked| asked.credentials.as_deref());
        assert_eq!(given, Some("ZGVwbG95OnNlY3JldA=="), "{key}: {asked:?}");
        let told = format!("{}{}", pulled.stdout, pulled.stderr);
        assert!(!told.contains("secret"), "{told}");
    }
    Ok(())
}

/// The predecessor asked for registries without TLS at each pull, which newer libraries refuse.
#[tokio::test]
async fn b_48_a_pull_asks_for_no_more_than_the_image() -> Result<()> {
    let registry = Registry::with_image().await?;
    let pulled = pull(&registry, "{}").await?;
    assert_eq!(pulled.status, 0, "{pulled:?}");
    let image = format!("{}/team/app:1", registry.name());
    let mut inspect = std::process::Command::new("docker");
    inspect.args([
        "image",
        "inspect",
        "--format",
        "{{len .RootFS.Layers}}",
        &image,
    ]);
    let limit = std::time::Duration::from_secs(20);
    let layers = dfab_tests::process::run(&mut inspect, b"", limit)?.success()?;
    let mut remove = std::process::Command::new("docker");
    dfab_tests::process::run(remove.args(["rmi", &image]), b"", limit)?.success()?;
    assert_eq!(layers.trim(), "1");
    Ok(())
}
