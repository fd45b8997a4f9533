//! One host: what it costs to reach it, and to call its engine once it is reached.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Result, ensure};
use dfab_engine::{ChannelKind, ConnectOptions, Endpoint, Engine};
use dfab_ssh::{ResolveOptions, Session, resolve};
use dfab_tests::Project;

use super::openssh::openssh;
use super::{heading, ratio, show};

/// A session with the host `bench`.
pub(super) async fn session(project: &Project) -> Result<Session> {
    let options = ResolveOptions {
        config_file: Some(project.folder().join("ssh_config")),
        ..ResolveOptions::default()
    };
    let target = resolve(&"bench".parse()?, &options).await?;
    Ok(Session::connect(&target).await?)
}

/// The engine behind a session.
pub(super) async fn engine(session: &Session, channel: ChannelKind) -> Result<Engine> {
    let endpoint = Endpoint::Ssh {
        session: session.clone(),
        socket: "/var/run/docker.sock".to_owned(),
        tcp: None,
    };
    let options = ConnectOptions {
        channel: Some(channel),
        ..ConnectOptions::default()
    };
    Ok(Engine::connect(endpoint, &options).await?)
}

/// Connecting, new channels and kept ones.
pub(super) async fn connections(project: &Project) -> Result<()> {
    heading("Connections");
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let session = session(project).await?;
        engine(&session, ChannelKind::StreamLocal)
            .await?
            .version()
            .await?;
        times.push(start.elapsed());
        session.close().await;
    }
    let ours = show("connect (ssh -G, handshake, login) and first call", times);
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let status = openssh(project, "bench", "true")
            .stdin(Stdio::null())
            .status()?;
        ensure!(status.success(), "ssh failed");
        times.push(start.elapsed());
    }
    let theirs = show("the OpenSSH client: connect and run `true`", times);
    ratio(theirs, ours);

    let session = session(project).await?;
    for channel in [
        ChannelKind::StreamLocal,
        ChannelKind::Socat,
        ChannelKind::DialStdio,
    ] {
        let mut times = Vec::new();
        for _ in 0..10 {
            let start = Instant::now();
            engine(&session, channel).await?;
            times.push(start.elapsed());
        }
        show(
            &format!("new channel by {channel}, greeting and version included"),
            times,
        );
        let engine = engine(&session, channel).await?;
        engine.version().await?;
        let before = session.statistics().channels_opened;
        let mut times = Vec::new();
        for _ in 0..500 {
            let start = Instant::now();
            engine.containers(false, &[]).await?;
            times.push(start.elapsed());
        }
        show(
            &format!("list containers on a kept {channel} channel"),
            times,
        );
        let opened = session.statistics().channels_opened - before;
        println!("    for which {opened} further channels were opened");
    }
    session.close().await;
    Ok(())
}
