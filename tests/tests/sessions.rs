//! What a session leaves on a host, and what it costs on this machine.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dfab_ssh::{ResolveOptions, RunError, Session, resolve};
use dfab_tests::{Project, TestHost, process};
use tokio::io::AsyncReadExt;

async fn connect(project: &Project) -> Result<Session> {
    connect_as(project, "h1").await
}

async fn connect_as(project: &Project, name: &str) -> Result<Session> {
    let options = ResolveOptions {
        config_file: Some(project.folder().join("ssh_config")),
        ..ResolveOptions::default()
    };
    Ok(Session::connect(&resolve(&name.parse()?, &options).await?).await?)
}

/// Waits until there is, or is no, process on the host with this number in its command line.
fn wait_for(host: &TestHost, number: &str, wanted: bool) -> Result<()> {
    let (first, rest) = number.split_at(1);
    // The brackets keep the search from finding itself.
    let search = format!("grep -al '[{first}]{rest}' /proc/[0-9]*/cmdline || true");
    process::until(Duration::from_secs(10), || {
        let found = host.shell(&search)?;
        ensure!(found.is_empty() != wanted, "found: {found:?}");
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_what_they_did() -> Result<()> {
    let (_host, project) = Project::with_host()?;
    let session = connect(&project).await?;
    let run = |line: &'static str, input: Option<&'static [u8]>| {
        session.run(line, input, Duration::from_secs(20), 1 << 20)
    };
    let output = run("cat; echo \"it's wrong\" >&2; exit 7", Some(b"in")).await?;
    assert_eq!((output.status, output.stdout), (7, b"in".to_vec()));
    assert_eq!(output.stderr, b"it's wrong\n");
    assert_eq!(run("kill -TERM $$", None).await?.status, 128 + 15);
    let flood = session
        .run("yes", None, Duration::from_secs(20), 1 << 16)
        .await;
    assert!(
        matches!(flood, Err(RunError::TooMuchOutput { .. })),
        "{flood:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_given_up_are_ended_with_what_they_started() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let session = connect(&project).await?;
    let line = "sleep 4711 & sleep 4711; wait";
    let late = session.run(line, None, Duration::from_secs(2), 1024).await;
    assert!(matches!(late, Err(RunError::Timeout { .. })), "{late:?}");
    wait_for(&host, "4711", false)?;

    let running = tokio::spawn({
        let session = session.clone();
        let line = "sleep 4712 & sleep 4712; wait";
        async move { session.run(line, None, Duration::from_secs(60), 1024).await }
    });
    tokio::task::block_in_place(|| wait_for(&host, "4712", true))?;
    running.abort();
    tokio::task::block_in_place(|| wait_for(&host, "4712", false))?;
    assert!(session.is_open());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_an_unread_channel_sleeps() -> Result<()> {
    let (host, project) = Project::with_host()?;
    // By this name its thread is told from those of other tests.
    project.add_host("unread", &host)?;
    let session = connect_as(&project, "unread").await?;
    let (mut flood, _stderr, _status) = session
        .exec("head -c 1073741824 /dev/zero")
        .await?
        .into_parts();
    flood.read_exact(&mut [0; 1]).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = driver_ticks()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = driver_ticks()? - before;
    // A hundred a second: a thread that never sleeps uses 200.
    assert!(used < 50, "the session's thread used {used} ticks of 200");
    Ok(())
}

/// Ticks of computing that the session's thread has used so far.
fn driver_ticks() -> Result<u64> {
    let mut ticks = None;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let (name, fields) = stat.rsplit_once(") ").context("a stat has a name")?;
        if name.contains("(ssh unread") {
            let used = fields.split(' ').skip(11).take(2);
            ticks = Some(
                used.filter_map(|field| field.parse::<u64>().ok())
                    .sum::<u64>(),
            );
        }
    }
    ticks.context("the session has no thread")
}

#[test]
fn hashed_names_and_agents_work_as_with_openssh() -> Result<()> {
    let (_host, project) = Project::with_host()?;
    let version = ["run", "docker", "version", "-H", "h1"];
    let known_hosts = project.folder().join("known_hosts");
    let mut hash = Command::new("ssh-keygen");
    hash.arg("-H").arg("-f").arg(&known_hosts);
    process::run(&mut hash, b"", Duration::from_secs(10))?.success()?;
    assert!(std::fs::read_to_string(&known_hosts)?.starts_with("|1|"));
    project.dfab(&version)?.success()?;

    // The key is in an agent only.
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    let key = config
        .lines()
        .find_map(|line| line.trim().strip_prefix("IdentityFile "))
        .context("there is a key")?
        .to_owned();
    let socket = project.folder().join("agent");
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .spawn()?;
    let added = process::until(Duration::from_secs(5), || {
        let mut add = Command::new("ssh-add");
        add.arg(&key).env("SSH_AUTH_SOCK", &socket);
        process::run(&mut add, b"", Duration::from_secs(5))?.success()
    });
    let config = config
        .replace(&format!("IdentityFile {key}"), "IdentityFile /nonexistent")
        .replace("IdentitiesOnly yes", "IdentitiesOnly no")
        .replace(
            "IdentityAgent none",
            &format!("IdentityAgent {}", socket.display()),
        );
    project.write("ssh_config", &config)?;
    let output = project.dfab(&version);
    agent.kill()?;
    agent.wait()?;
    added?;
    output?.success()?;

    // Without the agent it says what it tried.
    let output = project.dfab(&version)?;
    assert_eq!(output.status, 4, "{output:?}");
    assert!(output.stderr.contains("agent"), "{}", output.stderr);
    Ok(())
}
