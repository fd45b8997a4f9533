//! Components that use too much, or that break down: each ends, and its error tells why.

use std::time::{Duration, Instant};

use crate::support::{limits, misbehaving, run, text};
use dfab_runtime::{CallError, Grants, Limits, PluginError};

#[tokio::test]
async fn a_loop_ends_with_its_computing_time() {
    let plugin = misbehaving(limits(), Grants::All);
    let started = Instant::now();
    let (answer, _) = run(&plugin, "loop", &[]).await;
    let error = answer.expect_err("it never ends");
    assert!(matches!(error, PluginError::OutOfCpu { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "`run loop` of the plugin `misbehaving` was stopped: it used up its computing time of 300ms"
    );
    assert!(started.elapsed() >= Duration::from_millis(250));

    // The instance is gone, not the plugin.
    let (answer, _) = run(&plugin, "read-info", &[]).await;
    assert_eq!(
        text(answer.expect("a fresh instance")),
        r#"{"Name":"web1"}"#
    );
}

#[tokio::test]
async fn a_loop_yields_to_the_time_limit() {
    let limits = Limits {
        cpu: Duration::from_secs(60),
        task_wall: Duration::from_millis(200),
        ..limits()
    };
    let (answer, _) = run(&misbehaving(limits, Grants::All), "loop", &[]).await;
    let error = answer.expect_err("it never ends");
    assert!(
        matches!(
            error,
            PluginError::TimedOut {
                waiting_for: None,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn memory_ends() {
    let limits = Limits {
        cpu: Duration::from_secs(10),
        ..limits()
    };
    let (answer, _) = run(&misbehaving(limits, Grants::All), "eat-memory", &[]).await;
    let error = answer.expect_err("it eats without end");
    assert!(
        matches!(error, PluginError::OutOfMemory { .. }),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .ends_with("it wanted more memory than 64 MiB"),
        "{error}"
    );
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
async fn much_output_is_cut_and_does_no_harm() {
    let limits = Limits {
        cpu: Duration::from_secs(10),
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
        printed.contains("line 19999") && printed.lines().count() <= 20,
        "{printed}"
    );
}

#[tokio::test]
async fn leaving_is_no_answer() {
    let (answer, _) = run(&misbehaving(limits(), Grants::All), "exit", &[]).await;
    let error = answer.expect_err("it leaves");
    assert!(matches!(error, PluginError::Trapped { .. }), "{error:?}");
    assert!(error.to_string().contains("exit status"), "{error}");
}

#[tokio::test]
async fn a_host_call_that_hangs_times_out() {
    let limits = Limits {
        task_wall: Duration::from_millis(200),
        ..limits()
    };
    let plugin = misbehaving(limits, Grants::All);
    let (answer, asked) = run(&plugin, "sleep", &[("line", "sleep")]).await;
    assert_eq!(asked, ["run sleep"]);
    let error = answer.expect_err("it hangs");
    assert_eq!(
        error.to_string(),
        "`run sleep` of the plugin `misbehaving` was stopped after 200ms, while it waited for ssh.run"
    );
}

#[tokio::test]
async fn waiting_for_the_host_is_no_computing_time() {
    let plugin = misbehaving(limits(), Grants::All);
    let (answer, _) = run(&plugin, "run-command", &[("line", "pause")]).await;
    assert_eq!(text(answer.expect("600 ms of waiting")), "done");
}

#[tokio::test]
async fn handles_end() {
    let limits = Limits {
        cpu: Duration::from_secs(10),
        ..limits()
    };
    let (answer, _) = run(&misbehaving(limits, Grants::All), "handles", &[]).await;
    assert!(
        matches!(answer, Err(PluginError::Trapped { .. })),
        "{answer:?}"
    );
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
