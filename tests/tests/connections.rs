//! What a kept connection costs, and that nobody on it holds up anybody else.

use std::time::Duration;

use anyhow::{Context, Result};
use dfab_engine::{ConnectOptions, Endpoint, Engine};
use dfab_ssh::{ResolveOptions, Session, resolve};
use dfab_tests::{Project, TestHost, images};
use serde_json::json;
use tokio::io::AsyncReadExt;

const APP: &str = "registry.example.com/app:latest";

async fn connect(project: &Project) -> Result<(Session, Engine)> {
    let options = ResolveOptions {
        config_file: Some(project.folder().join("ssh_config")),
    };
    let session = Session::connect(&resolve(&"h1".parse()?, &options).await?).await?;
    let endpoint = Endpoint::Ssh {
        session: session.clone(),
        socket: "/var/run/docker.sock".to_owned(),
        tcp: None,
    };
    let engine = Engine::connect(endpoint, &ConnectOptions::default()).await?;
    Ok((session, engine))
}

/// What the host has made for connections: accepted logins, and processes.
fn costs(host: &TestHost) -> Result<(usize, usize)> {
    let log = host.exec(&["cat", "/var/log/sshd.log"])?;
    let processes = host.shell("ls -d /proc/[0-9]* | wc -l")?;
    Ok((
        log.matches("Accepted publickey").count(),
        processes.trim().parse()?,
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn further_calls_cost_no_handshake_and_no_process() -> Result<()> {
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
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
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
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
