//! Components that use too much, or that break down: each ends, and its error tells why and how to
//! allow more.

use std::time::Duration;

use crate::support::{limits, misbehaving, misbehaving_under, run, text};
use dfab_runtime::{
    CallError, Grants, Limit, LimitRules, LimitSettings, Limits, PluginError, Terms,
};

/// The limit that ended a task, and what is told of it.
async fn overrun(limits: Limits, task: &str, arguments: &[(&str, &str)]) -> (Limit, String) {
    let (answer, _) = run(&misbehaving(limits, Grants::All), task, arguments).await;
    let error = answer.expect_err("it uses too much");
    let told = error.to_string();
    let PluginError::Limit { overrun, .. } = error else {
        panic!("{error:?}")
    };
    (overrun.limit, told)
}

#[tokio::test]
async fn each_limit_ends_a_call_and_is_told_with_the_line_that_raises_it() {
    let much = Limits {
        cpu: Duration::from_secs(60),
        ..limits()
    };
    let cases = [
        (Limit::Cpu, limits(), "loop", vec![]),
        (
            Limit::Wall,
            Limits {
                task_wall: Duration::from_millis(200),
                ..much.clone()
            },
            "loop",
            vec![],
        ),
        (
            Limit::Wall,
            Limits {
                task_wall: Duration::from_millis(200),
                ..much.clone()
            },
            "sleep",
            vec![("line", "sleep")],
        ),
        (Limit::Memory, much.clone(), "eat-memory", vec![]),
        (
            Limit::Handles,
            Limits {
                handles: 50,
                ..much.clone()
            },
            "handles",
            vec![],
        ),
        (
            Limit::Copied,
            Limits {
                copied_bytes: 1 << 20,
                ..much
            },
            "copy-much",
            vec![("size", "2000000")],
        ),
    ];
    let mut all = Vec::new();
    for (limit, limits, task, arguments) in cases {
        let (ended, told) = overrun(limits, task, &arguments).await;
        assert_eq!(ended, limit, "{told}");
        all.push(told);
    }
    insta::assert_snapshot!(all.join("\n"), @"
    `run loop` of the plugin `misbehaving` was stopped: it used up its computing time of 300ms (limit `cpu`). To allow more, write in dfab.yaml:
      limits: {plugins: {misbehaving: {cpu: 600ms}}}
    `run loop` of the plugin `misbehaving` was stopped: it took longer than 200ms (limit `wall`). To allow more, write in dfab.yaml:
      limits: {plugins: {misbehaving: {wall: 400ms}}}
    `run sleep` of the plugin `misbehaving` was stopped: it took longer than 200ms, while it waited for ssh.run (limit `wall`). To allow more, write in dfab.yaml:
      limits: {plugins: {misbehaving: {wall: 400ms}}}
    `run eat-memory` of the plugin `misbehaving` was stopped: it wanted more memory than 64MiB (limit `memory`). To allow more, write in dfab.yaml:
      limits: {plugins: {misbehaving: {memory: 128MiB}}}
    `run handles` of the plugin `misbehaving` was stopped: it held more than 50 handles at once (limit `handles`). To allow more, write in dfab.yaml:
      limits: {plugins: {misbehaving: {handles: 100}}}
    `run copy-much` of the plugin `misbehaving` was stopped: it handed over more than 1MiB at once (limit `copied`). To allow more, write in dfab.yaml:
      limits: {plugins: {misbehaving: {copied: 2MiB}}}
    ");
}

#[tokio::test]
async fn the_log_ends_at_its_limit_and_the_task_goes_on() {
    let limits = Limits {
        cpu: Duration::from_secs(60),
        output_bytes: 1 << 10,
        ..limits()
    };
    let (answer, told) = run(&misbehaving(limits, Grants::All), "log-much", &[]).await;
    assert_eq!(text(answer.expect("it goes on")), "done");
    let (last, lines) = told.split_last().expect("log lines");
    assert!(
        lines.iter().map(String::len).sum::<usize>() <= 2 << 10,
        "{lines:?}"
    );
    assert!(lines.len() > 50 && lines.iter().all(|line| line.starts_with("log line ")));
    assert_eq!(
        last,
        "log the rest of the log is left out: it wrote more than 1KiB (limit `output`). To allow more, \
         write in dfab.yaml:\n  limits: {plugins: {misbehaving: {output: 2KiB}}}"
    );
}

#[tokio::test]
async fn much_output_is_cut_and_does_no_harm() {
    let limits = Limits {
        cpu: Duration::from_secs(60),
        output_bytes: 64 << 10,
        ..limits()
    };
    let (answer, _) = run(&misbehaving(limits, Grants::All), "print-much", &[]).await;
    let error = answer.expect_err("it panics");
    let PluginError::Panicked {
        message, printed, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(message.starts_with("after much"), "{message}");
    assert!(
        printed.contains("line 19999") && printed.lines().count() <= 22,
        "{printed}"
    );
    assert!(printed.contains("than 64KiB (limit `output`)"), "{printed}");
}

#[tokio::test]
async fn what_an_operator_writes_for_a_plugin_holds() {
    let much = Limits {
        cpu: Duration::from_secs(60),
        copied_bytes: 1 << 20,
        ..limits()
    };
    let size = |text: &str| LimitSettings {
        copied: text.parse().ok(),
        ..LimitSettings::default()
    };
    let under = |rules: LimitRules| {
        let terms = Terms {
            limits: rules,
            ..Terms::new(Grants::All)
        };
        misbehaving_under(much.clone(), terms)
    };
    let arguments = [("size", "2000000")];
    let rules = |general: &str, plugin: &str, own: &str| LimitRules {
        general: size(general),
        plugins: [(plugin.to_owned(), size(own))].into(),
    };
    for (rules, is_enough) in [
        (rules("", "misbehaving", "4MiB"), true),
        (rules("4MiB", "other", "1KiB"), true),
        (rules("1MiB", "misbehaving", "4MiB"), true),
        (rules("4MiB", "misbehaving", "1MiB"), false),
        (rules("", "other", "4MiB"), false),
    ] {
        let (answer, _) = run(&under(rules.clone()), "copy-much", &arguments).await;
        assert_eq!(answer.is_ok(), is_enough, "{rules:?}: {answer:?}");
    }
}

#[tokio::test]
async fn what_a_manifest_asks_for_is_no_more_than_what_it_gets() {
    let limits = Limits {
        cpu: Duration::from_secs(60),
        ..Limits::default()
    };
    let (limit, told) = overrun(limits, "handles", &[]).await;
    assert_eq!(limit, Limit::Handles);
    assert!(told.contains("more than 500 handles"), "{told}");
}

#[tokio::test]
async fn a_panic_is_readable() {
    let (answer, _) = run(&misbehaving(limits(), Grants::All), "panic", &[]).await;
    let error = answer.expect_err("it panics");
    let message = error.to_string();
    let start = "`run panic` of the plugin `misbehaving` panicked: the red panic (at ";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains("src/lib.rs:"), "{message}");
    let PluginError::Panicked { printed, .. } = error else {
        panic!("{error:?}")
    };
    assert!(printed.contains("panicked at"), "{printed}");
}

#[tokio::test]
async fn leaving_is_no_answer() {
    let (answer, _) = run(&misbehaving(limits(), Grants::All), "exit", &[]).await;
    let error = answer.expect_err("it leaves");
    assert!(matches!(error, PluginError::Trapped { .. }), "{error:?}");
    assert!(error.to_string().contains("exit status"), "{error}");
}

#[tokio::test]
async fn after_an_overrun_the_plugin_is_as_new() {
    let plugin = misbehaving(limits(), Grants::All);
    let (answer, _) = run(&plugin, "loop", &[]).await;
    assert!(answer.is_err(), "it never ends");
    // The instance is gone, not the plugin.
    let (answer, _) = run(&plugin, "read-info", &[]).await;
    assert_eq!(
        text(answer.expect("a fresh instance")),
        r#"{"Name":"web1"}"#
    );
}

#[tokio::test]
async fn waiting_for_the_host_is_no_computing_time() {
    let plugin = misbehaving(limits(), Grants::All);
    let (answer, _) = run(&plugin, "run-command", &[("line", "pause")]).await;
    assert_eq!(text(answer.expect("600 ms of waiting")), "done");
}

#[tokio::test]
async fn its_own_error_is_passed_on() {
    let (answer, _) = run(&misbehaving(limits(), Grants::All), "refuse", &[]).await;
    let error = answer.expect_err("it refuses");
    let PluginError::Call { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source, CallError::Invalid("not like this".to_owned()));
}

#[tokio::test]
async fn what_is_oversized_is_refused_before_the_host_hears_of_it_and_told_in_short() {
    let much = Limits {
        cpu: Duration::from_secs(60),
        memory_bytes: 256 << 20,
        ..limits()
    };
    let plugin = misbehaving(much, Grants::All);
    for name in [
        "setting", "request", "command", "words", "local", "remote", "name", "names",
    ] {
        let (answer, asked) = run(&plugin, "oversized", &[("name", name)]).await;
        let Err(PluginError::Call { source, .. }) = answer else {
            panic!("{name}: {answer:?}")
        };
        assert!(
            matches!(source, CallError::Invalid(_) | CallError::Denied(_)),
            "{name}: {source:?}"
        );
        assert!(source.to_string().len() < 2000, "{name}");
        assert_eq!(asked, Vec::<String>::new(), "{name}");
    }
}
