//! Changes that a recipe may ask for, on a real machine: looked at, made, looked at again.

use anyhow::{Result, bail, ensure};
use dfab_deploy::setup::{Machine, SetupError};
use dfab_runtime::recipe::{Change, File, Step};
use dfab_ssh::{ResolveOptions, Session, resolve};
use dfab_tests::Project;

async fn look(project: &Project, name: &str) -> Result<Machine> {
    let options = ResolveOptions {
        config_file: Some(project.folder().join("ssh_config")),
        ..ResolveOptions::default()
    };
    let session = Session::connect(&resolve(&name.parse()?, &options).await?).await?;
    Ok(Machine::look(&session, &[]).await?)
}

fn step(change: Change) -> Step {
    Step {
        summary: "the change".to_owned(),
        change,
    }
}

fn file(content: &[u8], mode: u32) -> Step {
    step(Change::File(File {
        path: "/etc/new folder/it's.conf".to_owned(),
        content: content.to_vec(),
        mode,
    }))
}

/// Makes a change that is not so yet, after which it is.
async fn make(machine: &Machine, step: &Step) -> Result<()> {
    let plan = machine.plan(vec![step.clone()]).await?;
    ensure!(plan.so.is_empty(), "{step:?} is so already");
    machine.change(step).await?;
    let plan = machine.plan(vec![step.clone()]).await?;
    ensure!(plan.todo.is_empty(), "{step:?} is not so afterwards");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_whole_and_only_where_they_differ() -> Result<()> {
    let (host, project) = Project::with_host()?;
    project.add_host_as("h2", &host, "plain")?;
    let machine = look(&project, "h1").await?;
    let read = || host.shell("cd '/etc/new folder'; ls -A; stat -c '%a %U' *; base64 -w0 *");

    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let contents: [(&[u8], u32); 4] = [
        (b"a\n", 0o644),
        (b"a\n", 0o600),
        (b"", 0o600),
        (&bytes, 0o444),
    ];
    for (content, mode) in contents {
        make(&machine, &file(content, mode)).await?;
        let written = read()?;
        ensure!(
            written.starts_with(&format!("it's.conf\n{mode:o} root")),
            "{written}"
        );
    }
    let sum = host.shell("md5sum '/etc/new folder/'*")?;
    host.shell("chown plain '/etc/new folder/'*")?;
    make(&machine, &file(&bytes, 0o444)).await?;
    ensure!(host.shell("md5sum '/etc/new folder/'*")? == sum);

    // Without root: told before anything is tried.
    let plain = look(&project, "h2").await?;
    match plain.plan(vec![file(b"b", 0o644)]).await {
        Err(SetupError::NotRoot { user, .. }) => ensure!(user == "plain"),
        other => bail!("{other:?}"),
    }
    Ok(())
}

/// With a stand-in for systemctl, since test hosts have another first process.
#[tokio::test(flavor = "multi_thread")]
async fn services_run_now_and_after_each_boot() -> Result<()> {
    let (host, project) = Project::with_host()?;
    host.shell(
        r#"mkdir -p /run/systemd/system /run/units
        cat > /usr/bin/systemctl <<'END'
#!/bin/sh
verb=$1
for unit; do :; done
case "$verb $*" in
    is-enabled*) test -e "/run/units/$unit.enabled" ;;
    is-active*) test -e "/run/units/$unit.active" ;;
    enable*--now*) touch "/run/units/$unit.enabled" "/run/units/$unit.active" ;;
    *) exit 3 ;;
esac
END
        chmod 755 /usr/bin/systemctl"#,
    )?;
    let machine = look(&project, "h1").await?;
    let service = step(Change::Service("docker".to_owned()));
    make(&machine, &service).await?;
    for lost in ["enabled", "active"] {
        host.shell(&format!("rm /run/units/docker.{lost}"))?;
        make(&machine, &service).await?;
    }
    Ok(())
}
