//! Connections that break, and servers that fall silent.

use std::time::Duration;

use dfab_ssh::{ConnectError, KeepAlive, OpenError, RunError, Session};
use tokio::io::AsyncReadExt;

use crate::server::{Server, chain, until};

const SOON: KeepAlive = KeepAlive {
    interval: Duration::from_secs(2),
    count: 2,
};

async fn says(session: &Session, line: &str) -> String {
    let output = session
        .run(line, None, Duration::from_secs(20), 1 << 20)
        .await;
    let output = output.unwrap_or_else(|error| panic!("{}", chain(&error)));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_found_and_the_session_opened_again() {
    let server = Server::start("");
    let mut target = server.target("h");
    target.keep_alive = SOON;
    let session = Session::connect(&target).await.unwrap();
    assert_eq!(says(&session, "echo here").await, "here\n");
    // Without any channel: nothing but the signs of life shows whether the server is there.
    server.signal("STOP");
    let limit = Duration::from_secs(20);
    let reason = tokio::time::timeout(limit, session.closed()).await.unwrap();
    assert!(reason.contains("no sign of life for 6 s"), "{reason}");
    assert_eq!(says(&session, "echo again").await, "again\n");
    assert_eq!(server.logins(), 2);
    let forwarded = session.open_tcp("127.0.0.1", server.port).await;
    drop(forwarded.unwrap());

    // Within a command: what became of it is not known.
    let running = tokio::spawn({
        let session = session.clone();
        async move {
            session
                .run("sleep 60", None, Duration::from_secs(60), 1024)
                .await
        }
    });
    until("the command runs", || {
        server.logged("Starting session: command") >= 3
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.signal("STOP");
    let error = tokio::time::timeout(limit, running)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, RunError::Broken(_)), "{error:?}");
    assert!(chain(&error).contains("not known"), "{}", chain(&error));
    assert!(
        chain(&error).contains("no sign of life"),
        "{}",
        chain(&error)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lives_is_not_given_up_whatever_is_unread() {
    let server = Server::start("");
    let mut target = server.target("h");
    target.keep_alive = SOON;
    let idle = Session::connect(&target).await.unwrap();
    let busy = Session::connect(&target).await.unwrap();
    let before = memory();
    // Far more than the windows and the kernel take, and nobody reads it.
    let mut floods = Vec::new();
    for _ in 0..3 {
        let process = busy.exec("head -c 100000000 /dev/zero").await.unwrap();
        let (mut channel, stderr, exit) = process.into_parts();
        channel.read_exact(&mut [0; 1]).await.unwrap();
        floods.push((channel, stderr, exit));
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(idle.is_open(), "{}", idle.closed().await);
    assert!(busy.is_open(), "{}", busy.closed().await);
    // What is unread stays with the server, but for the windows.
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB are kept");
    assert_eq!(says(&busy, "echo here").await, "here\n");
    assert_eq!(says(&idle, "echo here").await, "here\n");
    // Nothing was lost meanwhile.
    let (mut channel, _stderr, exit) = floods.remove(0);
    let mut count = 1;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = channel.read(&mut buffer).await {
        count += read;
    }
    assert_eq!((count, exit.await), (100_000_000, Some(0)));
    assert_eq!(server.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_killed_within_a_transfer_tells_it() {
    let server = Server::start("");
    let session = Session::connect(&server.target("h")).await.unwrap();
    let process = session.exec("cat /dev/zero").await.unwrap();
    let (mut channel, _stderr, exit) = process.into_parts();
    let mut buffer = vec![0; 1 << 16];
    channel.read_exact(&mut buffer).await.unwrap();
    server.signal("KILL");
    let error = loop {
        match channel.read(&mut buffer).await {
            Ok(0) => panic!("it ended as if all was there"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(error.to_string().contains("connection broke"), "{error}");
    assert_eq!(exit.await, None);
    // The next use makes a new connection.
    assert_eq!(says(&session, "echo again").await, "again\n");
    assert_eq!(server.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_opened_again_says_both_reasons() {
    let mut server = Server::start("");
    let mut target = server.target("h");
    target.connect_timeout = Duration::from_secs(2);
    let session = Session::connect(&target).await.unwrap();
    let processes = server.connections();
    server.stop_listening();
    for process in processes {
        let mut kill = std::process::Command::new("kill");
        let _ = kill.args(["-s", "KILL", &process.to_string()]).status();
    }
    session.closed().await;
    let error = session.exec("true").await.unwrap_err();
    assert!(matches!(error, OpenError::Reopen { .. }), "{error:?}");
    let error = chain(&error);
    assert!(
        error.contains("closed the connection") || error.contains("broke"),
        "{error}"
    );
    assert!(error.contains("cannot be opened again"), "{error}");
    assert!(
        error.contains(&format!("cannot connect to 127.0.0.1:{}", server.port)),
        "{error}"
    );
}

#[tokio::test]
async fn a_closed_session_stays_closed() {
    let server = Server::start("");
    let session = Session::connect(&server.target("h")).await.unwrap();
    session.close().await;
    let error = session
        .open_tcp("127.0.0.1", server.port)
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::Closed(_)), "{error:?}");
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let server = Server::start("");
    // It accepts, as the kernel does for it, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = server.target("h");
    target.port = listener.local_addr().unwrap().port();
    target.connect_timeout = Duration::from_secs(1);
    let error = Session::connect(&target).await.err().unwrap();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
}

/// What this process has in memory, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
