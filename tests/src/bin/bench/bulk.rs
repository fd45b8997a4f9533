//! Many bytes: how fast they move, on one session and on two, and what calls have to wait for them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dfab_engine::ChannelKind;
use dfab_ssh::Session;
use dfab_tests::Project;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connections::{engine, session};
use super::openssh::openssh;
use super::{heading, ratio, show};

/// Bytes of one transfer.
const BULK: usize = 512 << 20;

/// Each way, by one transfer, by two on one session, and by two on two sessions.
pub(super) async fn bulk(project: &Project) -> Result<()> {
    heading(&format!("Bulk, {} MiB a transfer", BULK >> 20));
    let first = session(project).await?;
    let second = first.for_bulk().await;
    let ways = [
        ("", vec![&first]),
        (", two on one session", vec![&first, &first]),
        (", two on two sessions", vec![&first, &second]),
    ];
    for (way, sessions) in &ways {
        let start = Instant::now();
        futures_util::future::try_join_all(sessions.iter().map(|it| down(it))).await?;
        let ours = speed(&format!("down{way}"), sessions.len(), start.elapsed());
        compare(project, "down", way, sessions.len(), ours)?;
    }
    for (way, sessions) in &ways {
        let start = Instant::now();
        futures_util::future::try_join_all(sessions.iter().map(|it| up(it))).await?;
        let ours = speed(&format!("up{way}"), sessions.len(), start.elapsed());
        compare(project, "up", way, sessions.len(), ours)?;
    }
    calls_beside(&first, &first, "the same").await?;
    calls_beside(&first, &second, "the second").await?;
    second.close().await;
    first.close().await;
    Ok(())
}

/// The OpenSSH client's part of the comparison: as many clients as there are transfers.
fn compare(project: &Project, way: &str, how: &str, count: usize, ours: f64) -> Result<()> {
    let start = Instant::now();
    let clients = (0..count).map(|_| client(project, way));
    for mut client in clients.collect::<Result<Vec<Child>>>()? {
        ensure!(client.wait()?.success(), "ssh failed");
    }
    let what = format!("{way}{how}: the OpenSSH client");
    ratio(speed(&what, count, start.elapsed()), ours);
    Ok(())
}

fn client(project: &Project, way: &str) -> Result<Child> {
    if way == "down" {
        let mut command = openssh(project, "bench", &format!("head -c {BULK} /dev/zero"));
        return Ok(command.stdin(Stdio::null()).spawn()?);
    }
    let zeros = Command::new("head")
        .args(["-c", &BULK.to_string(), "/dev/zero"])
        .stdout(Stdio::piped())
        .spawn()?;
    let zeros = zeros.stdout.context("no pipe")?;
    Ok(openssh(project, "bench", "cat > /dev/null")
        .stdin(zeros)
        .spawn()?)
}

async fn down(session: &Session) -> Result<()> {
    let command = format!("head -c {BULK} /dev/zero");
    let (mut channel, _stderr, _status) = session.exec(&command).await?.into_parts();
    let mut buffer = vec![0; 256 * 1024];
    let mut count = 0;
    loop {
        match channel.read(&mut buffer).await? {
            0 => break,
            read => count += read,
        }
    }
    ensure!(count == BULK, "{count} bytes came instead of {BULK}");
    Ok(())
}

async fn up(session: &Session) -> Result<()> {
    let (mut channel, _stderr, _status) = session.exec("cat > /dev/null").await?.into_parts();
    let buffer = vec![0; 256 * 1024];
    let mut left = BULK;
    while left > 0 {
        let piece = buffer.len().min(left);
        channel
            .write_all(buffer.get(..piece).unwrap_or_default())
            .await?;
        left -= piece;
    }
    channel.shutdown().await?;
    channel.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

/// Lists containers on one session while bytes move on another, or on the same.
async fn calls_beside(calls: &Session, bulk: &Session, which: &str) -> Result<()> {
    let engine = engine(calls, ChannelKind::StreamLocal).await?;
    let moving = tokio::spawn({
        let bulk = bulk.clone();
        async move { down(&bulk).await }
    });
    let mut times = Vec::new();
    while !moving.is_finished() {
        let start = Instant::now();
        engine.containers(false, &[]).await?;
        times.push(start.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    moving.await??;
    show(
        &format!("list containers while bytes come on {which} session"),
        times,
    );
    Ok(())
}

/// Prints a speed, and returns the time in seconds.
fn speed(what: &str, transfers: usize, took: Duration) -> f64 {
    let seconds = took.as_secs_f64();
    let bytes = (BULK * transfers) as f64;
    println!("  {what:<64} {:>9.0} MB/s", bytes / 1e6 / seconds);
    seconds
}
