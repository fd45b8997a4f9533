//! Containers whose creation is cut off.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use dfab_deploy::apply::{Note, apply};
use dfab_deploy::execute::Stop;
use dfab_deploy::host::{Address, Host, Options};
use dfab_deploy::plan::{Step, Work};
use dfab_deploy::run::Run;
use dfab_engine::DEFAULT_SOCKET;
use dfab_maps::Client;
use dfab_tests::{images, process};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::APP;

/// What a relay to the engine of this machine does to the call that creates a container.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The connection breaks when the engine has the request.
    Cut,
    /// The answer never comes.
    Hang,
}

/// A way to the engine of this machine; its port.
async fn faulty(fault: Fault) -> Result<u16> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move { pass_on(client, fault).await.ok() });
        }
    });
    Ok(port)
}

async fn pass_on(client: tokio::net::TcpStream, fault: Fault) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the relay stands for the Engine")]
    let engine = tokio::net::UnixStream::connect(DEFAULT_SOCKET).await?;
    let (mut from_engine, mut to_engine) = engine.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&is_silent);
    let answers = tokio::spawn(async move {
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = from_engine.read(&mut piece).await?;
            if read == 0 {
                return Ok::<(), std::io::Error>(());
            }
            if !silent.load(Ordering::Relaxed) {
                to_client
                    .write_all(piece.get(..read).unwrap_or_default())
                    .await?;
            }
        }
    });
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = from_client.read(&mut piece).await?;
        let request = piece.get(..read).unwrap_or_default();
        let is_creation = request.starts_with(b"POST ")
            && String::from_utf8_lossy(request).contains("/containers/create?");
        if is_creation {
            is_silent.store(true, Ordering::Relaxed);
        }
        to_engine.write_all(request).await?;
        if is_creation && fault == Fault::Cut {
            answers.abort();
            return Ok(());
        }
        if read == 0 {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn a_creation_that_is_cut_off_leaves_no_container() -> Result<()> {
    images::ensure(APP)?;
    let docker = |arguments: &[&str]| -> Result<String> {
        process::run(
            Command::new("docker").args(arguments),
            b"",
            Duration::from_secs(30),
        )?
        .success()
    };
    for (fault, name) in [(Fault::Cut, "cut"), (Fault::Hang, "hang")] {
        let name = format!("dfab-test-links-{name}-{}", std::process::id());
        let of_name = format!("name={name}");
        let left = || docker(&["ps", "-aq", "--filter", &of_name]);
        let made = format!("container={name}");
        let now = || docker(&["info", "--format", "{{.SystemTime}}"]);
        let since = now()?;
        let address = Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: faulty(fault).await?,
        };
        let host = Host::new(
            "relay".to_owned(),
            address,
            Client::default(),
            Options::default(),
        );
        let step = Step {
            host: "relay".to_owned(),
            host_index: 0,
            kind: "container",
            name: name.clone(),
            work: Work::Run(Run {
                body: json!({ "Image": APP, "Cmd": ["exit", "0"] }),
                prepares: Vec::new(),
                folder: None,
                upload: None,
                download: None,
                timeout_s: 5,
                keep: true,
                timestamps: false,
                tail: None,
                must_succeed: false,
            }),
            after: Vec::new(),
            reason: String::new(),
            if_changed: Vec::new(),
        };
        let stop = Stop::default();
        let tell = |_: Note<'_>| ();
        let applied = tokio::time::timeout(
            if fault == Fault::Hang {
                Duration::from_secs(2)
            } else {
                Duration::from_secs(40)
            },
            apply(&host, &step, &stop, &tell),
        );
        match applied.await {
            Ok(result) => {
                ensure!(fault == Fault::Cut);
                ensure!(result.is_err_and(|error| error.is_unreachable()));
            }
            // Dropped while it waits.
            Err(_) => ensure!(fault == Fault::Hang && stop.is_held()),
        }
        for _ in 0..200 {
            if !stop.is_held() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(left()?.is_empty(), "{name} is left");
        // It was there: the engine has created and destroyed it.
        let events = docker(&[
            "events",
            "--since",
            since.trim(),
            "--until",
            now()?.trim(),
            "--filter",
            &made,
            "--format",
            "{{.Action}}",
        ])?;
        let events: Vec<_> = events.lines().collect();
        ensure!(events == ["create", "destroy"], "{events:?}");
    }
    Ok(())
}
