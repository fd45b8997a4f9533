//! What a component may do: only what it declared and was granted, and what is checked is what is
//! done.

use crate::support::{limits, misbehaving, only, run, run_with, text};
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

/// Each call of an engine, with a path for those that want one, what it needs, and what the host is told.
const CALLS: [(&str, &str, &[&str], &str); 19] = [
    ("networks", "", &["docker.read"], "networks"),
    ("volumes", "", &["docker.read"], "volumes"),
    (
        "inspect-container",
        "",
        &["docker.read"],
        "inspect Container",
    ),
    ("inspect-image", "", &["docker.read"], "inspect Image"),
    (
        "stop-container",
        "",
        &["docker.containers"],
        "StopContainer",
    ),
    (
        "remove-container",
        "",
        &["docker.containers"],
        "RemoveContainer",
    ),
    (
        "copy-from-container",
        "out/a.tar",
        &["docker.containers", "files.write out"],
        "CopyFromContainer",
    ),
    (
        "copy-to-container",
        "in/a",
        &["docker.containers", "files.read in"],
        "CopyToContainer",
    ),
    ("remove-image", "", &["docker.images"], "RemoveImage"),
    ("tag-image", "", &["docker.images"], "TagImage"),
    (
        "save-images",
        "out/a.tar",
        &["docker.images", "files.write out"],
        "SaveImages",
    ),
    (
        "load-images",
        "in/a.tar",
        &["docker.images", "files.read in"],
        "LoadImages",
    ),
    (
        "import-file",
        "in/a.tar",
        &["docker.images", "files.read in"],
        "ImportImage",
    ),
    (
        "import-selection",
        "",
        &["docker.images", "docker.containers"],
        "ImportImage",
    ),
    ("import-image", "", &["docker.images"], "ImportImage"),
    ("pull-image", "", &["docker.registry"], "PullImage"),
    ("push-image", "", &["docker.registry"], "PushImage"),
    ("remove-network", "", &["docker.networks"], "RemoveNetwork"),
    ("remove-volume", "", &["docker.volumes"], "RemoveVolume"),
];

#[tokio::test]
async fn each_call_of_the_engine_is_done_with_its_grants_and_denied_without_any_of_them() {
    for (name, path, grants, told) in CALLS {
        let arguments = [("name", name), ("path", path)];
        let plugin = misbehaving(limits(), only(grants));
        let (answer, asked) = run(&plugin, "call", &arguments).await;
        assert_eq!(text(answer.expect("granted")), "done", "{name}");
        assert_eq!(asked.len(), 1, "{name}: {asked:?}");
        assert!(
            asked.iter().all(|asked| asked.starts_with(told)),
            "{asked:?}"
        );
        for missing in grants {
            let others: Vec<&str> = grants
                .iter()
                .copied()
                .filter(|grant| grant != missing)
                .collect();
            let plugin = misbehaving(limits(), only(&others));
            let (answer, asked) = run(&plugin, "call", &arguments).await;
            let text = denial(answer);
            assert!(text.contains(&format!("may not use `{missing}`")), "{text}");
            assert!(text.ends_with(&format!("{missing:?}]")), "{text}");
            assert_eq!(asked, Vec::<String>::new(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_path_that_the_operator_gave_is_granted_and_no_other_is() {
    let plugin = misbehaving(limits(), only(&["docker.images", "files.read in"]));
    let save = async |path: &str| {
        let arguments = [("name", "save-images"), ("path", path)];
        run_with(&plugin, "call", &arguments, &["/srv/images"]).await
    };
    for path in ["/srv/images", "/srv/images/a.tar"] {
        let (answer, asked) = save(path).await;
        assert!(answer.is_ok(), "{path}: {answer:?}");
        assert!(
            asked.iter().all(|asked| asked.contains("Given")),
            "{asked:?}"
        );
    }
    let (answer, asked) = save("out/a.tar").await;
    assert!(denial(answer).ends_with("\"files.write out\"]"));
    assert_eq!(asked, Vec::<String>::new());
    for path in ["/etc/passwd", "../a.tar", "/srv/images/../a.tar", "in/../a"] {
        let (answer, asked) = save(path).await;
        let Err(PluginError::Call {
            source: CallError::Invalid(text),
            ..
        }) = answer
        else {
            panic!("{path}: {answer:?}")
        };
        assert!(text.contains(path), "{text}");
        assert_eq!(asked, Vec::<String>::new());
    }
}

#[tokio::test]
async fn of_a_granted_command_the_words_are_run() {
    let plugin = misbehaving(limits(), only(&["ssh.run systemctl restart *"]));
    let command = async |line: &str| run(&plugin, "run-command", &[("line", line)]).await;
    let (answer, asked) = command("systemctl restart \"a; reboot\"").await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(asked, ["run systemctl restart 'a; reboot'"]);
    for line in [
        "reboot",
        "systemctl restart a; reboot",
        "systemctl restart $(reboot) now",
    ] {
        let (answer, asked) = command(line).await;
        assert!(denial(answer).contains("may not use `ssh.run "), "{line}");
        assert_eq!(asked, Vec::<String>::new());
    }
}
