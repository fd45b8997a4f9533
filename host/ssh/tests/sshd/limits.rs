//! Servers with few logins or few commands at a time.

use std::time::Duration;

use dfab_ssh::{Connector, OpenError, RunError, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::server::{Server, chain, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_logins_down_is_asked_again() {
    let server = Server::start("MaxStartups 1:80:3");
    let connector = Connector::default();
    let mut connecting = JoinSet::new();
    for number in 0..30 {
        let (connector, target) = (connector.clone(), server.target(&format!("h{number}")));
        connecting.spawn(async move { connector.connect(&target).await });
    }
    for session in connecting.join_all().await {
        session.unwrap_or_else(|error| panic!("{}", chain(&error)));
    }
    assert!(
        server.logged("drop connection") > 0,
        "nothing was turned down"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_logins_are_under_way_than_a_server_stands() {
    // From the thirteenth on it turns everybody down; a login that has ended counts a moment longer.
    let server = Server::start("MaxStartups 12:100:12");
    let connector = Connector::default();
    let mut connecting = JoinSet::new();
    for number in 0..60 {
        let (connector, target) = (connector.clone(), server.target(&format!("h{number}")));
        connecting.spawn(async move { connector.connect(&target).await });
    }
    for session in connecting.join_all().await {
        session.unwrap_or_else(|error| panic!("{}", chain(&error)));
    }
    assert_eq!(server.logged("drop connection"), 0);
}

#[tokio::test]
async fn a_server_that_turns_everybody_down_is_named() {
    // What sshd does when it has too many logins: a line, and the end.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::Write;
            let _ = stream.unwrap().write_all(b"Exceeded MaxStartups\r\n");
        }
    });
    let server = Server::start("");
    let mut target = server.target("h");
    target.port = port;
    let error = chain(&Session::connect(&target).await.err().unwrap());
    for words in [
        "turned the connection down (Exceeded MaxStartups)",
        &format!("127.0.0.1:{port}"),
    ] {
        assert!(error.contains(words), "{words} is not in {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_wait_for_each_other_where_the_server_allows_few() {
    for allowed in [1, 2, 5] {
        let server = Server::start(&format!("MaxSessions {allowed}"));
        let session = Session::connect(&server.target("h")).await.unwrap();
        for _ in 0..2 {
            let mut running = JoinSet::new();
            for number in 0..12 {
                let session = session.clone();
                running.spawn(async move {
                    let line = format!("sleep 0.1; echo {number}");
                    let output = session
                        .run(&line, None, Duration::from_secs(60), 1024)
                        .await;
                    (number, output.map(|output| output.stdout))
                });
            }
            for (number, output) in running.join_all().await {
                let output = output.unwrap_or_else(|error| panic!("{allowed}: {}", chain(&error)));
                assert_eq!(output, format!("{number}\n").into_bytes());
            }
        }
        assert_eq!(server.logins(), 1, "all in one session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_eight_commands_run_at_once_in_a_session() {
    let server = Server::start("");
    let marks = server.folder().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let session = Session::connect(&server.target("h")).await.unwrap();
    // Each makes a mark for as long as it runs, and tells the most marks that it has seen.
    let line = format!(
        "cd {}; : > $$; most=0; for look in 1 2 3 4 5; do sleep 0.2; set -- *; \
         [ $# -gt $most ] && most=$#; done; rm $$; echo $most",
        marks.display()
    );
    let mut running = JoinSet::new();
    for _ in 0..12 {
        let (session, line) = (session.clone(), line.clone());
        running.spawn(async move {
            let limit = Duration::from_secs(60);
            session.run(&line, None, limit, 1024).await
        });
    }
    let seen = running.join_all().await.into_iter().map(|output| {
        let output = output.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse::<usize>().unwrap()
    });
    let most = seen.max().unwrap_or_default();
    assert!((2..=8).contains(&most), "{most} at once");
    assert_eq!(server.logins(), 1, "all in one session");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_command_that_is_allowed_can_be_ended() {
    let server = Server::start("MaxSessions 1");
    let session = Session::connect(&server.target("h")).await.unwrap();
    let late = session
        .run("sleep 4714", None, Duration::from_secs(1), 1024)
        .await;
    assert!(matches!(late, Err(RunError::Timeout { .. })), "{late:?}");
    until("the command has ended", || server.connections().len() < 4);
    let output = session
        .run("echo here", None, Duration::from_secs(20), 1024)
        .await;
    assert_eq!(output.unwrap().stdout, b"here\n");
}

#[tokio::test]
async fn forwarded_channels_need_no_commands() {
    let server = Server::start("MaxSessions 0");
    let session = Session::connect(&server.target("h")).await.unwrap();
    let error = session
        .run("true", None, Duration::from_secs(20), 1024)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RunError::Open(OpenError::NoCommands { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("MaxSessions"), "{error}");
    // The server's own port, through the session, 40 times at once.
    let mut channels = Vec::new();
    for _ in 0..40 {
        channels.push(session.open_tcp("127.0.0.1", server.port).await.unwrap());
    }
    for channel in &mut channels {
        let mut greeting = [0; 7];
        channel.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"SSH-2.0");
        channel.write_all(b"bye\r\n").await.unwrap();
    }
}

#[tokio::test]
async fn forwarding_that_is_off_is_an_answer() {
    let server = Server::start("AllowTcpForwarding no\nAllowStreamLocalForwarding no");
    let session = Session::connect(&server.target("h")).await.unwrap();
    let tcp = session
        .open_tcp("127.0.0.1", server.port)
        .await
        .unwrap_err();
    let unix = session.open_unix("/run/x.sock").await.unwrap_err();
    for (error, what) in [(tcp, "127.0.0.1:"), (unix, "the socket /run/x.sock")] {
        let text = error.to_string();
        assert!(
            text.contains("the SSH server refused") && text.contains(what),
            "{text}"
        );
    }
    let output = session
        .run("echo here", None, Duration::from_secs(20), 1024)
        .await;
    assert_eq!(output.unwrap().stdout, b"here\n");
}
