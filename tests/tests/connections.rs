//! What a kept connection costs, and that nobody on it holds up anybody else.

use std::time::Duration;

use anyhow::{Context, Result};
use dfab_engine::{ConnectOptions, Engine};
use dfab_ssh::Session;
use dfab_tests::{Project, TestHost, images};
use serde_json::json;
use tokio::io::AsyncReadExt;

const APP: &str = "registry.example.com/app:latest";

async fn connect(project: &Project) -> Result<(Session, Engine)> {
    project.connect("h1", &ConnectOptions::default()).await
}

/// What the host has made for connections: accepted logins, and processes of sshd and socat. Others come
/// and go as the engine likes.
fn costs(host: &TestHost) -> Result<(usize, usize)> {
    let log = host.exec(&["cat", "/var/log/sshd.log"])?;
    let names = host.shell("cat /proc/[0-9]*/comm 2> /dev/null || true")?;
    let of_connections = |name: &&str| ["sshd", "sshd-session", "socat"].contains(name);
    Ok((
        log.matches("Accepted publickey").count(),
        names.lines().filter(of_connections).count(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn further_calls_cost_no_handshake_and_no_process() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let (session, engine) = connect(&project).await?;
    engine.version().await?;
    let (before, channels) = (costs(&host)?, session.statistics());
    for _ in 0..50 {
        engine.containers(true, &[]).await?;
        engine.version().await?;
    }
    // A call that starts while the one before is being put away may take a channel of its own, which
    // costs neither.
    let after = session.statistics();
    assert_eq!(after.commands_started, channels.commands_started);
    assert!(
        after.channels_opened <= channels.channels_opened + 4,
        "{after:?}"
    );
    assert_eq!(costs(&host)?, before);
    session.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_hold_up_no_call() -> Result<()> {
    let (host, project) = Project::with_host()?;
    images::ensure(APP)?;
    host.load_image(APP)?;
    let (session, engine) = connect(&project).await?;
    engine
        .create_container("quiet", &json!({ "Image": APP }))
        .await?;
    engine.start_container("quiet").await?;
    // A follow that has nothing to say, and a command that says far more than anybody buffers.
    let mut logs = Box::pin(engine.logs_follow("quiet"));
    let first = tokio::time::timeout(
        Duration::from_millis(200),
        std::future::poll_fn(|context| futures_util::Stream::poll_next(logs.as_mut(), context)),
    );
    let _ = first.await;
    let (mut flood, _stderr, _status) = session
        .exec("head -c 1073741824 /dev/zero")
        .await?
        .into_parts();
    flood.read_exact(&mut [0; 1]).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let calls = async {
        for _ in 0..100 {
            engine.containers(true, &[]).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    // A stalled session would never get there; an unhindered one is there at once.
    tokio::time::timeout(Duration::from_secs(20), calls)
        .await
        .context("calls were held up by a stream that nobody reads")??;

    // What was not read is still there to be read.
    let mut count = 1;
    let mut buffer = vec![0; 1 << 20];
    while count < 64 << 20 {
        count += flood.read(&mut buffer).await?;
    }
    drop((flood, logs));
    session.close().await;
    Ok(())
}

/// Ends the processes of all SSH sessions on a host, as a router does that forgets connections.
fn kill_sessions(host: &TestHost) -> Result<()> {
    host.shell("kill $(grep -al '^sshd: root' /proc/[0-9]*/cmdline | cut -d/ -f3)")
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_is_made_again_and_what_was_under_way_is_told() -> Result<()> {
    let (host, project) = Project::with_host()?;
    images::ensure(APP)?;
    host.load_image(APP)?;
    let (session, engine) = connect(&project).await?;
    let create = json!({ "Image": APP });
    engine.create_container("web", &create).await?;
    engine.start_container("web").await?;
    kill_sessions(&host)?;
    session.closed().await;
    assert!(engine.containers(true, &[]).await?.len() == 1);

    // A call that is under way when the connection breaks.
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.wait_container("web", Duration::from_secs(60)).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    kill_sessions(&host)?;
    let error = waiting.await?.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert!(error.to_string().contains("not known"), "{error}");
    // The engine is as it was, on the third connection.
    assert!(engine.containers(true, &[]).await?.len() == 1);
    assert_eq!(costs(&host)?.0, 3);
    Ok(())
}
