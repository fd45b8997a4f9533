//! What a component may do: only what it declared and was granted, and what is checked is what is
//! done.

use crate::support::{limits, misbehaving, only, run, text};
use dfab_runtime::{CallError, Grants, PluginError};

fn denial(answer: Result<dfab_runtime::task::Output, PluginError>) -> String {
    match answer {
        Err(PluginError::Call {
            source: CallError::Denied(text),
            ..
        }) => text,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_granted_is_done() {
    let plugin = misbehaving(
        limits(),
        only(&["docker.read", "ssh.run", "settings.read test_*"]),
    );
    let (answer, asked) = run(&plugin, "run-command", &[("line", "uptime")]).await;
    assert_eq!(
        (text(answer.expect("granted")).as_str(), asked),
        ("done", vec!["run uptime".into()])
    );
    let (answer, asked) = run(&plugin, "read-setting", &[("name", "test_key")]).await;
    assert_eq!(text(answer.expect("granted")), "\"value\"");
    assert_eq!(asked, ["setting test_key"]);
    let (answer, _) = run(&plugin, "read-info", &[]).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_before_the_host_hears_of_it() {
    let plugin = misbehaving(limits(), only(&["docker.read"]));
    for (task, grant) in [
        ("run-command", "ssh.run"),
        ("request", "docker.request POST /containers/web/pause"),
        ("read-setting", "settings.read test_key"),
    ] {
        let arguments = [
            ("method", "POST"),
            ("path", "/containers/web/pause"),
            ("name", "test_key"),
        ];
        let (answer, asked) = run(&plugin, task, &arguments).await;
        let text = denial(answer);
        assert!(
            text.contains("it declares it, but was not granted it"),
            "{text}"
        );
        let line =
            format!("- path: plugins/misbehaving.wasm\n  grant: [\"docker.read\", \"{grant}\"]");
        assert!(text.ends_with(&line), "{text}");
        assert_eq!(asked, Vec::<String>::new());
    }
    let (answer, asked) = run(&misbehaving(limits(), only(&[])), "read-info", &[]).await;
    assert!(denial(answer).ends_with("grant: [\"docker.read\"]"));
    assert_eq!(asked, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_declared_is_denied_whatever_is_granted() {
    for grants in [
        Grants::All,
        only(&["settings.read *", "docker.request DELETE /containers/*"]),
    ] {
        let plugin = misbehaving(limits(), grants);
        let (answer, asked) = run(&plugin, "read-setting", &[("name", "secret")]).await;
        let text = denial(answer);
        assert!(text.contains("its manifest does not declare it"), "{text}");
        assert_eq!(asked, Vec::<String>::new());
        let arguments = [("method", "DELETE"), ("path", "/containers/web")];
        let (answer, asked) = run(&plugin, "request", &arguments).await;
        assert!(denial(answer).contains("`docker.request DELETE /containers/web`"));
        assert_eq!(asked, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_canonical_request_is_what_the_host_gets() {
    let plugin = misbehaving(limits(), only(&["docker.request POST /containers/*/pause"]));
    let request =
        async |path: &str| run(&plugin, "request", &[("method", "post"), ("path", path)]).await;
    let (answer, asked) = request("/containers/w%65b/pause?t=%201").await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(asked, ["POST /containers/web/pause?t=%201"]);

    for path in [
        "/containers/x/../y/pause",
        "/containers/a%2Fkill%3F/pause",
        "/v1.43/containers/a/pause",
    ] {
        let (answer, asked) = request(path).await;
        let invalid = matches!(
            answer,
            Err(PluginError::Call {
                source: CallError::Invalid(_),
                ..
            })
        );
        assert!(invalid, "{path}: {answer:?}");
        assert_eq!(asked, Vec::<String>::new());
    }
    let (answer, _) = request("/containers/gone/pause").await;
    let Err(PluginError::Call { source, .. }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(
        source,
        CallError::Remote(404, "No such container: gone".to_owned())
    );
}

#[tokio::test]
async fn what_is_shown_cannot_steer_a_terminal() {
    let plugin = misbehaving(limits(), Grants::All);
    let (answer, asked) = run(&plugin, "steer-terminal", &[]).await;
    assert_eq!(text(answer.expect("it answers")), "shown");
    assert_eq!(asked, ["log logged"]);
    let log: dfab_runtime::LogSink = std::sync::Arc::new(|_, _| {});
    let tasks = plugin.tasks(&log).await.expect("it describes itself");
    assert!(
        tasks.iter().all(|task| task.summary == "Misbehaves"),
        "{tasks:?}"
    );
}
