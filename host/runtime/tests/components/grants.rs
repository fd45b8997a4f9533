//! What a component may do: only what it declared and was granted, and what is checked is what is
//! done.

use crate::support::{
    limits, misbehaving, misbehaving_under, only, run, run_on_map, run_with, text,
};
use dfab_runtime::{CallError, Grants, Hosts, PluginError, Terms};

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
const CALLS: [(&str, &str, &[&str], &str); 24] = [
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
    (
        "run-in-container",
        "",
        &["docker.exec"],
        "RunInContainer { container: \"web\"",
    ),
    (
        "run-as-app",
        "",
        &["ssh.sudo"],
        "run if test \"$(id -un)\" = app; then exec id; fi; ",
    ),
    (
        "upload",
        "in/a",
        &["ssh.upload /srv/*", "files.read in"],
        "Upload",
    ),
    (
        "download",
        "out/a",
        &["ssh.download /var/log/*", "files.write out"],
        "Download",
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
    (
        "build-image",
        "in/app",
        &["docker.build", "files.read in"],
        "BuildImage",
    ),
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
            let capability = missing.split(' ').next().unwrap_or_default();
            assert!(
                text.contains(&format!("may not use `{capability}"))
                    || capability.starts_with("ssh.") && text.contains("may not use `ssh.run`"),
                "{text}"
            );
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
    assert_eq!(asked, [r"run systemctl restart a\;\ reboot"]);
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

#[tokio::test]
async fn a_command_of_another_user_is_words() {
    let plugin = misbehaving(limits(), only(&["ssh.sudo systemctl restart *"]));
    let call = async |name: &str| run(&plugin, "call", &[("name", name)]).await;
    let (answer, asked) = call("run-as").await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(
        asked,
        [
            r#"run if test "$(id -un)" = root; then exec systemctl restart a\;\ reboot; fi; exec sudo -n -- systemctl restart a\;\ reboot"#
        ]
    );
    let (answer, asked) = call("run-as-app").await;
    assert!(denial(answer).contains("may not use `ssh.sudo -u app id`"));
    assert_eq!(asked, Vec::<String>::new());
    let (answer, asked) = call("run-as-odd").await;
    let Err(PluginError::Call {
        source: CallError::Invalid(text),
        ..
    }) = answer
    else {
        panic!("{answer:?}")
    };
    assert_eq!(text, "`app; reboot` is no name of a user");
    assert_eq!(asked, Vec::<String>::new());
}

#[tokio::test]
async fn files_of_a_host_are_where_their_paths_say() {
    let plugin = misbehaving(limits(), only(&["ssh.upload /srv/*", "files.read in"]));
    let upload = async |path: &str| {
        let arguments = [("name", "upload-elsewhere"), ("path", path)];
        run(&plugin, "call", &arguments).await
    };
    let (answer, asked) = upload("/srv/config").await;
    assert!(answer.is_ok() && asked.len() == 1, "{answer:?}");
    for path in [
        "/srv/app/config",
        "/srv/../etc/passwd",
        "/srv//config",
        "/srv/./config",
        "/srv/config/",
        "/srv",
        "srv/config",
        "/etc/passwd",
        "/SRV/config",
        "~/config",
        "/srv/a\0b",
        "",
    ] {
        let (answer, asked) = upload(path).await;
        assert!(answer.is_err(), "{path:?}");
        assert_eq!(asked, Vec::<String>::new(), "{path:?}");
    }
}

#[tokio::test]
async fn where_labels_decide_exactly_the_object_with_them_is_touched() {
    let plugin = misbehaving(
        limits(),
        only(&[
            "docker.containers map=shop",
            "docker.exec map=shop",
            "docker.networks map=shop",
            "docker.volumes map=shop",
            "files.write out",
            "files.read in",
            "docker.images",
        ]),
    );
    for (name, path, told) in [
        ("stop-container", "", "container: \"id-of-web\""),
        ("remove-container", "", "container: \"id-of-web\""),
        ("run-in-container", "", "container: \"id-of-web\""),
        ("copy-from-container", "out/a", "container: \"id-of-web\""),
        ("copy-to-container", "in/a", "container: \"id-of-web\""),
        ("import-selection", "", "container: \"id-of-web\""),
        ("remove-network", "", "network: \"id-of-net\""),
        ("remove-volume", "", "volume: \"id-of-data\""),
    ] {
        let arguments = [("name", name), ("path", path)];
        let (answer, asked) = run_on_map(&plugin, &arguments, Some("shop")).await;
        assert!(answer.is_ok(), "{name}: {answer:?}");
        let [look, done] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert!(look.starts_with("look "), "{look}");
        assert!(done.contains(told), "{done}");

        let (answer, asked) = run_on_map(&plugin, &arguments, Some("other")).await;
        assert!(denial(answer).contains(" map=other`"), "{name}");
        assert_eq!(asked.len(), 1, "only looked: {asked:?}");
        let (answer, asked) = run_on_map(&plugin, &arguments, None).await;
        let Err(PluginError::Call {
            source: CallError::NotFound(_),
            ..
        }) = answer
        else {
            panic!("{name}: {answer:?}")
        };
        assert_eq!(asked.len(), 1, "only looked: {asked:?}");
    }
    // Where they do not matter nobody looks.
    let all = misbehaving(limits(), only(&["docker.containers"]));
    let (answer, asked) = run_on_map(&all, &[("name", "stop-container")], Some("other")).await;
    assert!(answer.is_ok() && asked.len() == 1, "{asked:?}");
    let none = misbehaving(limits(), only(&["docker.volumes map=shop"]));
    let (answer, asked) = run_on_map(&none, &[("name", "stop-container")], Some("shop")).await;
    denial(answer);
    assert_eq!(asked, Vec::<String>::new());
}

#[tokio::test]
async fn a_task_works_for_the_hosts_that_it_was_granted_only() {
    let under = |names: &[&str]| {
        let terms = Terms {
            hosts: Hosts::Only {
                written: vec!["web".to_owned()],
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            },
            ..Terms::new(Grants::All)
        };
        misbehaving_under(limits(), terms)
    };
    let (answer, asked) = run(&under(&["web1", "web2"]), "read-info", &[]).await;
    assert!(answer.is_ok() && asked.len() == 1, "{answer:?}");
    for names in [&["web2"][..], &["WEB1"], &["web1:22"], &["web"], &[]] {
        let plugin = under(names);
        assert!(plugin.may_run_on("web1").is_err(), "{names:?}");
        let (answer, asked) = run(&plugin, "read-info", &[]).await;
        assert!(
            denial(answer).contains("may not work for web1"),
            "{names:?}"
        );
        assert_eq!(asked, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_part_of_what_there_is_can_be_read() {
    let plugin = misbehaving(limits(), only(&["docker.read map=shop"]));
    let call =
        async |name: &str, map: &str| run_on_map(&plugin, &[("name", name)], Some(map)).await;
    let (answer, _) = call("seen", "shop").await;
    assert_eq!(
        text(answer.expect("lists")),
        "container-mine network-mine volume-mine"
    );
    let (answer, _) = call("seen", "other").await;
    assert_eq!(text(answer.expect("lists")), "");
    let (answer, asked) = call("inspect-container", "shop").await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(
        asked.last().map(String::as_str),
        Some("inspect Container(\"id-of-web\")")
    );
    let (answer, asked) = call("inspect-container", "other").await;
    assert!(denial(answer).contains("may not use `docker.read map=other`"));
    assert_eq!(asked.len(), 1, "only looked: {asked:?}");
    // What is of no map is not a part of it.
    for name in ["version", "inspect-image"] {
        let (answer, asked) = call(name, "shop").await;
        assert!(
            denial(answer).contains("may not use `docker.read`"),
            "{name}"
        );
        assert_eq!(asked, Vec::<String>::new(), "{name}");
    }
    let all = misbehaving(limits(), only(&["docker.read"]));
    let (answer, _) = run_on_map(&all, &[("name", "seen")], Some("shop")).await;
    assert!(text(answer.expect("lists")).contains("container-other"));
}
