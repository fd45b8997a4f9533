//! Every call of the engine's crate on the Docker Engine of this machine.
//!
//! Each test makes its own objects and removes them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's leave for tests does not reach the functions that tests share"
)]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dfab_engine::{
    ChannelKind, ConnectOptions, ContainerState, DEFAULT_SOCKET, Endpoint, Engine, EngineError,
    RegistryAuth,
};
use dfab_tests::images;
use dfab_tests::registry::Registry;
use futures_util::{StreamExt as _, future};
use serde_json::json;

async fn local() -> Engine {
    connect(Endpoint::Unix(DEFAULT_SOCKET.into())).await
}

async fn connect(endpoint: Endpoint) -> Engine {
    Engine::connect(endpoint, &ConnectOptions::default())
        .await
        .unwrap_or_else(|error| panic!("these tests need a Docker Engine on this machine: {error}"))
}

const IMAGE: &str = "dfab-test/engine:1";

/// Names of a test's own, and the removal of what has them.
struct Scene {
    name: String,
}

impl Scene {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let scene = Self {
            name: format!("dfab-engine-test-{}-{count}", std::process::id()),
        };
        images::ensure(IMAGE).unwrap();
        scene
    }

    fn body(&self, command: &[&str]) -> serde_json::Value {
        json!({
            "Image": IMAGE,
            "Cmd": command,
            "Labels": { "dfab-engine-test": self.name },
            "HostConfig": { "Mounts": [{ "Type": "volume", "Source": self.name, "Target": "/data" }] },
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for arguments in [
            vec!["rm", "-f", &self.name],
            vec!["network", "rm", &self.name],
            vec!["volume", "rm", &self.name],
        ] {
            let _ = Command::new("docker").args(arguments).output();
        }
    }
}

#[tokio::test]
async fn a_second_call_costs_no_second_channel() {
    let engine = local().await;
    assert_eq!(engine.channel(), ChannelKind::Local);
    for _ in 0..20 {
        assert!(engine.version().await.unwrap().contains("ApiVersion"));
    }
    assert!(engine.info().await.unwrap().contains("ServerVersion"));
    assert_eq!(engine.statistics().channels_opened, 1);
}

#[tokio::test]
async fn two_hundred_calls_at_once_share_few_channels() {
    let engine = local().await;
    let answers = future::join_all((0..200).map(|_| engine.containers(true, &[]))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(
        engine.statistics().channels_opened <= 33,
        "{:?}",
        engine.statistics()
    );
}

#[tokio::test]
async fn a_container_lives_and_ends() {
    let (engine, scene) = (local().await, Scene::new());
    let name = scene.name.as_str();
    engine
        .create_network(&json!({ "Name": name, "CheckDuplicate": true }))
        .await
        .unwrap();
    engine
        .create_volume(&json!({ "Name": name }))
        .await
        .unwrap();
    let mut body = scene.body(&["sleep", "600"]);
    body["StopTimeout"] = json!(600);
    let id = engine.create_container(name, &body).await.unwrap();
    let again = engine
        .create_container(name, &scene.body(&["sleep", "600"]))
        .await
        .unwrap_err();
    assert!(again.is_conflict(), "{again}");
    assert_eq!(
        engine.snapshot().await.unwrap().containers[name].state,
        ContainerState::Created
    );

    engine
        .connect_network(name, name, &json!({ "Aliases": ["web"] }))
        .await
        .unwrap();
    engine.start_container(name).await.unwrap();
    engine.start_container(name).await.unwrap();
    let snapshot = engine.snapshot().await.unwrap();
    let seen = &snapshot.containers[name];
    assert_eq!((seen.state, &seen.id), (ContainerState::Running, &id));
    assert_eq!(seen.labels["dfab-engine-test"], name);
    assert_eq!(snapshot.images[IMAGE], seen.image_id);
    assert!(snapshot.networks.contains_key(name) && snapshot.volumes.contains(name));

    let filters = [("label".to_owned(), format!("dfab-engine-test={name}"))];
    let listed = engine.containers(false, &filters).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].names, [name]);

    let outcome = engine
        .exec(
            name,
            &["/app", "report", "3"].map(str::to_owned),
            Some("1234"),
            Duration::from_secs(10),
        )
        .await
        .unwrap();
    assert_eq!(outcome.exit_code, 3);
    assert_eq!(
        (outcome.stdout.as_slice(), outcome.stderr.as_slice()),
        (&b"out\n1234\n"[..], &b"err\n"[..])
    );
    let absent = engine
        .exec(name, &["absent".to_owned()], None, Duration::from_secs(10))
        .await;
    assert!(
        absent
            .as_ref()
            .is_ok_and(|outcome| outcome.exit_code >= 126),
        "{absent:?}"
    );
    let slow = engine
        .exec(
            name,
            &["/app", "sleep", "5"].map(str::to_owned),
            None,
            Duration::from_millis(300),
        )
        .await
        .unwrap_err();
    assert!(matches!(slow, EngineError::Unfinished { .. }), "{slow}");

    // As the first process, `sleep` takes no notice of a signal without a handler.
    let deaf = engine
        .stop_container(name, Some("SIGUSR1"), Some(1))
        .await
        .unwrap_err();
    assert!(matches!(deaf, EngineError::StillRunning { .. }), "{deaf}");
    // With the container's own ten minutes there would be no answer in time.
    engine.stop_container(name, None, Some(1)).await.unwrap();
    engine.stop_container(name, None, Some(1)).await.unwrap();
    engine
        .stop_container(name, Some("SIGINT"), None)
        .await
        .unwrap();
    assert_eq!(
        engine
            .wait_container(name, Duration::from_secs(5))
            .await
            .unwrap(),
        137
    );
    let snapshot = engine.snapshot().await.unwrap();
    assert_eq!(snapshot.containers[name].state, ContainerState::Exited);
    assert_eq!(snapshot.containers[name].exit_code, Some(137));

    engine.disconnect_network(name, name).await.unwrap();
    engine.remove_container(name, false, true).await.unwrap();
    let gone = engine
        .remove_container(name, false, true)
        .await
        .unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
    engine.remove_network(name).await.unwrap();
    engine.remove_volume(name).await.unwrap();
}

#[tokio::test]
async fn a_volume_is_given_away_before_its_container_starts() {
    let (engine, scene) = (local().await, Scene::new());
    let name = scene.name.as_str();
    engine
        .create_container(name, &scene.body(&["sleep", "600"]))
        .await
        .unwrap();
    let mode = Some(0o2750);
    let set = engine.set_ownership(name, "/data", Some(1234), Some(567), mode);
    assert!(set.await.unwrap());
    let again = engine.set_ownership(name, "/data", Some(1234), Some(567), mode);
    assert!(!again.await.unwrap());
    let found = engine.ownership(name, "/data").await.unwrap();
    assert_eq!(found.to_string(), "owner 1234:567 and mode 2750");
    assert_eq!(engine.path_stat(name, "/data").await.unwrap().mode, 0o2750);
    let inspected = Command::new("docker")
        .args(["volume", "inspect", "-f", "{{.Mountpoint}}", name])
        .output()
        .unwrap();
    let mountpoint = String::from_utf8(inspected.stdout).unwrap();
    let metadata = std::fs::metadata(Path::new(mountpoint.trim())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&metadata), 1234);
    let missing = engine.ownership(name, "/nothing").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_up_no_other_call() {
    let (engine, scene) = (local().await, Scene::new());
    let name = scene.name.as_str();
    let flood = scene.body(&["flood", "20000000"]);
    engine.create_container(name, &flood).await.unwrap();
    engine.start_container(name).await.unwrap();
    let mut unread = Box::pin(engine.logs_follow(name));
    assert!(unread.next().await.unwrap().unwrap().starts_with(b"yy"));
    // A call that waited for the stream would never have its answer.
    for _ in 0..50 {
        engine.containers(false, &[]).await.unwrap();
    }
    assert!(unread.next().await.unwrap().unwrap().starts_with(b"yy"));
    drop(unread);
    engine.kill_container(name, "SIGKILL").await.unwrap();
}

#[tokio::test]
async fn a_raw_request_is_checked_and_answered() {
    let engine = local().await;
    let missing = engine
        .request("GET", "/containers/dfab-no-such/json", None)
        .await
        .unwrap_err();
    assert!(missing.is_not_found());
    assert_eq!(
        missing.to_string(),
        "cannot GET /containers/dfab-no-such/json: the Docker Engine answered 404: No such \
         container: dfab-no-such"
    );
    let around = engine
        .request("GET", "/containers/../info", None)
        .await
        .unwrap_err();
    assert!(matches!(around, EngineError::Invalid { .. }));
    let networks = engine
        .request("GET", "/networks?filters=%7B%7D", None)
        .await
        .unwrap();
    assert!(networks.starts_with('['));
    let pull = engine
        .pull_image("127.0.0.1:1/dfab-no-such", "1", None)
        .await
        .unwrap_err();
    assert!(
        matches!(
            pull,
            EngineError::Refused { .. } | EngineError::Failed { .. }
        ),
        "{pull}"
    );
}

#[tokio::test]
async fn an_engine_behind_tcp_is_used_and_a_broken_channel_replaced() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let (cut, _) = tokio::sync::broadcast::channel::<()>(1);
    let relay = tokio::spawn({
        let cut = cut.clone();
        async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut cut = cut.subscribe();
                #[expect(clippy::disallowed_methods, reason = "the relay stands for the Engine")]
                let engine = tokio::net::UnixStream::connect(DEFAULT_SOCKET);
                let mut engine = engine.await.unwrap();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut engine) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        }
    });
    let engine = connect(Endpoint::Tcp {
        host: "127.0.0.1".to_owned(),
        port,
    })
    .await;
    assert_eq!(engine.channel(), ChannelKind::Tcp);
    engine.version().await.unwrap();
    assert_eq!(engine.statistics().channels_opened, 1);
    cut.send(()).unwrap();
    engine.version().await.unwrap();
    assert_eq!(engine.statistics().channels_opened, 2);

    relay.abort();
    let _ = relay.await;
    cut.send(()).unwrap();
    let error = engine.version().await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    let error = Engine::connect(
        Endpoint::Tcp {
            host: "127.0.0.1".to_owned(),
            port,
        },
        &ConnectOptions::default(),
    )
    .await
    .err()
    .unwrap();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_registry_gets_the_credentials_that_were_given() {
    let registry = Registry::start(true).await.unwrap();
    let server = registry.name().to_owned();
    // In base64 this password has characters in which the two alphabets differ.
    let auth = RegistryAuth::Password {
        server: server.clone(),
        user: "deploy".to_owned(),
        password: "~~~???>>>".to_owned(),
    };
    let pulled = local()
        .await
        .pull_image(&format!("{server}/web"), "1", Some(auth))
        .await;
    assert!(pulled.is_err());
    let given: Vec<_> = registry
        .asked()
        .into_iter()
        .filter_map(|asked| asked.credentials)
        .collect();
    assert!(!given.is_empty());
    assert!(
        given
            .iter()
            .all(|given| given == "ZGVwbG95On5+fj8/Pz4+Pg=="),
        "{given:?}"
    );
}
