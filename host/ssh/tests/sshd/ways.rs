//! The way to a host: through others, and through commands.

use std::sync::Arc;
use std::time::Duration;

use dfab_ssh::{Connector, Proxy, ResolveOptions, Session, Target, resolve};
use tokio::task::JoinSet;

use crate::server::{Server, chain, until};

async fn says(session: &Session, line: &str) -> String {
    let output = session
        .run(line, None, Duration::from_secs(20), 1 << 20)
        .await;
    String::from_utf8(output.unwrap().stdout).unwrap()
}

fn through(bastion: &Target, mut target: Target) -> Target {
    target.proxy = Proxy::Jump(Arc::new(bastion.clone()));
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_hosts_behind_one_share_its_connection() {
    let bastion = Server::start("");
    let server = Server::start("");
    let connector = Connector::default();
    let mut connecting = JoinSet::new();
    for number in 0..50 {
        let connector = connector.clone();
        let mut target = through(&bastion.target("bastion"), server.target("h"));
        target.name = format!("h{number}");
        connecting.spawn(async move { connector.connect(&target).await });
    }
    let sessions = connecting.join_all().await;
    assert_eq!(bastion.logins(), 1);
    assert_eq!(server.logins(), 50);
    for session in &sessions {
        let session = session
            .as_ref()
            .unwrap_or_else(|error| panic!("{}", chain(error)));
        assert_eq!(says(session, "echo here").await, "here\n");
    }
    // The bastion's session ends with the last that needs it.
    drop(sessions);
    until("the bastion is left", || bastion.connections().is_empty());
}

/// Whoever is behind it comes back through one new connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_whose_session_broke_is_connected_to_once_again() {
    let bastion = Server::start("");
    let server = Server::start("MaxStartups 3:30:10\n");
    let connector = Connector::default();
    for round in 1..=2 {
        let mut connecting = JoinSet::new();
        for number in 0..12 {
            let connector = connector.clone();
            let mut target = through(&bastion.target("bastion"), server.target("h"));
            target.name = format!("h{number}");
            connecting.spawn(async move { connector.connect(&target).await });
        }
        let mut sessions = Vec::new();
        for session in connecting.join_all().await {
            // The host behind turns some down, which are asked again.
            sessions.push(session.unwrap_or_else(|error| panic!("{}", chain(&error))));
        }
        for session in &sessions {
            assert_eq!(says(session, "echo here").await, "here\n");
        }
        assert_eq!(bastion.logins(), round);
        bastion.signal("KILL");
        until("the bastion's session is gone", || {
            bastion.connections().is_empty()
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bastion_that_does_not_let_us_in_is_tried_once_for_all() {
    let bastion = Server::start("");
    let server = Server::start("");
    let mut closed = bastion.target("bastion");
    closed.identity_files = vec![server.folder().join("user")];
    let connector = Connector::default();
    let mut connecting = JoinSet::new();
    for number in 0..20 {
        let connector = connector.clone();
        let mut target = through(&closed, server.target("h"));
        target.name = format!("h{number}");
        // All are there before the first has its answer.
        connecting.spawn(async move { connector.connect(&target).await.err().map(|e| chain(&e)) });
    }
    for error in connecting.join_all().await {
        let error = error.expect("nobody is let in");
        assert!(
            error.starts_with("no SSH session to bastion, through which"),
            "{error}"
        );
        assert!(error.contains("refused"), "{error}");
    }
    let attempts = bastion.logged("Connection from ");
    assert!(attempts < 20, "{attempts} attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_follow_the_configuration_through_two_hosts() {
    let (first, second, last) = (Server::start(""), Server::start(""), Server::start(""));
    let folder = last.folder();
    let mut config = format!(
        "Host *\n  User {}\n  HostName 127.0.0.1\n",
        crate::server::user()
    );
    config += "  StrictHostKeyChecking accept-new\n  IdentityAgent none\n  IdentitiesOnly yes\n";
    config += &format!("  UserKnownHostsFile {}/known\n", folder.display());
    for (name, server, way) in [
        ("first", &first, ""),
        ("second", &second, "  ProxyJump first\n"),
        ("chain", &last, "  ProxyJump second\n"),
        ("list", &last, "  ProxyJump first,second\n"),
        ("circle", &last, "  ProxyJump circle\n"),
        ("none", &last, "  ProxyJump none\n"),
    ] {
        let key = server.folder().join("user").display().to_string();
        config += &format!(
            "Host {name}\n  Port {}\n  IdentityFile {key}\n{way}",
            server.port
        );
    }
    std::fs::write(folder.join("config"), config).unwrap();
    // By the OpenSSH client, and without it.
    for client in [None, Some(folder.join("no-client"))] {
        let options = ResolveOptions {
            config_file: Some(folder.join("config")),
            client,
            ..ResolveOptions::default()
        };
        for name in ["chain", "list"] {
            let before = [&first, &second, &last].map(|server| server.logins());
            let target = resolve(&name.parse().unwrap(), &options).await.unwrap();
            let session = Session::connect(&target).await;
            let session = session.unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
            assert_eq!(says(&session, "echo here").await, "here\n");
            // Bulk goes through as well.
            let bytes = says(&session, "head -c 900000 /dev/zero | tr '\\0' x").await;
            assert_eq!(bytes.len(), 900_000);
            let after = [&first, &second, &last].map(|server| server.logins());
            assert_eq!(after, before.map(|count| count + 1), "{name}");
        }
        let error = resolve(&"circle".parse().unwrap(), &options)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("through itself"), "{error}");
        let target = resolve(&"none".parse().unwrap(), &options).await.unwrap();
        assert_eq!(target.proxy, Proxy::None);
    }
}

#[tokio::test]
async fn a_jump_that_leads_nowhere_says_which_host_says_so() {
    let bastion = Server::start("");
    let mut server = Server::start("");
    let target = through(&bastion.target("bastion"), server.target("h"));
    server.stop_listening();
    let error = chain(&Session::connect(&target).await.err().unwrap());
    let address = format!("bastion opens no connection to 127.0.0.1:{}", server.port);
    assert!(error.starts_with(&address), "{error}");

    let forbidding = Server::start("AllowTcpForwarding no");
    let target = through(&forbidding.target("forbidding"), bastion.target("h"));
    let error = chain(&Session::connect(&target).await.err().unwrap());
    assert!(error.contains("forbidding opens no connection"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_command_carries_the_session_and_ends_with_it() {
    let server = Server::start("");
    let mark = format!("dfab-proxy-{}", server.port);
    let mut target = server.target("h");
    let line = format!(
        "sh -c 'socat STDIO TCP:127.0.0.1:{}; true' {mark}",
        server.port
    );
    target.proxy = Proxy::Command(line);
    target.host = "no-such-host.invalid".to_owned();
    let session = Session::connect(&target).await;
    let session = session.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(says(&session, "echo here").await, "here\n");
    assert!(runs(&mark));
    session.close().await;
    drop(session);
    until("the proxy command has ended", || !runs(&mark));

    // One that does not end by itself is ended.
    let line = format!(
        "sh -c 'trap \"\" HUP; socat STDIO TCP:127.0.0.1:{}; sleep 4713' {mark}",
        server.port
    );
    target.proxy = Proxy::Command(line);
    let session = Session::connect(&target).await.unwrap();
    assert_eq!(says(&session, "echo here").await, "here\n");
    drop(session);
    until("the stubborn proxy command has ended", || {
        !runs(&mark) && !runs("4713")
    });
}

/// Whether a process has this word among its arguments.
fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| {
        let mut words = line.split(|byte| *byte == 0);
        words.any(|found| found == word.as_bytes())
    })
}

#[tokio::test]
async fn a_proxy_command_that_fails_has_its_say() {
    let server = Server::start("");
    let mut target = server.target("h");
    target.connect_timeout = Duration::from_secs(5);
    for (line, words) in [
        (
            "echo the tunnel is down >&2; exit 3",
            "exit status: 3: the tunnel is down",
        ),
        ("no-such-program 1 2", "no-such-program"),
        ("exit 4", "exit status: 4"),
    ] {
        // OpenSSH puts exec before it as well, so that more than one command needs a shell.
        target.proxy = Proxy::Command(format!("sh -c '{line}'"));
        let error = chain(&Session::connect(&target).await.err().unwrap());
        assert!(
            error.contains("the proxy command (sh -c ") && error.contains(words),
            "{error}"
        );
    }
}

#[tokio::test]
async fn bytes_are_compressed_only_where_that_is_asked_for() {
    let server = Server::start("");
    let mut target = server.target("h");
    for (compression, packed) in [(false, false), (true, true)] {
        target.compression = compression;
        let before = server.logged("compression: zlib@openssh.com");
        let session = Session::connect(&target).await.unwrap();
        let bytes = says(&session, "head -c 500000 /dev/zero | tr '\\0' x").await;
        assert_eq!(bytes.len(), 500_000);
        assert_eq!(
            server.logged("compression: zlib@openssh.com") > before,
            packed
        );
    }
}

#[tokio::test]
async fn ciphers_are_those_that_were_chosen() {
    let server = Server::start("Ciphers aes128-gcm@openssh.com,aes256-ctr,aes128-cbc\n");
    let mut target = server.target("h");
    for (ciphers, agreed) in [
        ("chacha20-poly1305@openssh.com,aes256-ctr", "aes256-ctr"),
        ("aes128-cbc", "aes128-cbc"),
        (
            "aes128-gcm@openssh.com,aes256-ctr",
            "aes128-gcm@openssh.com",
        ),
    ] {
        target.ciphers = ciphers.to_owned();
        let line = format!("kex: client->server cipher: {agreed}");
        assert_eq!(server.logged(&line), 0);
        let session = Session::connect(&target).await.unwrap();
        assert_eq!(says(&session, "echo there").await, "there\n");
        assert!(server.logged(&line) > 0, "{agreed}");
    }
    target.ciphers = "aes192-ctr".to_owned();
    let error = chain(&Session::connect(&target).await.err().unwrap());
    assert!(error.contains("the SSH handshake with"), "{error}");
}
