//! `dfab logs`: what containers print.

use std::time::Duration;

use anyhow::Result;

use crate::running::Running;
use crate::{hosts, start};

#[test]
fn output_of_several_hosts_comes_in_the_order_of_time() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    for (name, host) in [("one", &hosts[0]), ("two", &hosts[1]), ("three", &hosts[0])] {
        start(host, name, &["report", "0"])?;
    }
    let logs = |words: &[&str]| project.dfab(&[&["logs", "-H", "h1,h2"], words].concat());
    let all = logs(&["three", "two", "one"])?;
    assert_eq!(all.status, 0, "{all:?}");
    let expected = ["one  ", "two  ", "three"].map(|name| {
        let host = if name == "two  " { "h2" } else { "h1" };
        format!("{host}/{name} | out\n{host}/{name} | 0\n")
    });
    assert_eq!(all.stdout, expected.concat());
    assert_eq!(all.stderr.matches(" | err\n").count(), 3, "{}", all.stderr);

    let last = logs(&["one", "two", "--tail", "1", "--timestamps"])?;
    let stamped = last.stdout.lines().chain(last.stderr.lines());
    assert!(
        stamped.clone().count() == 2 && stamped.clone().all(|line| line.contains("Z ")),
        "{last:?}"
    );
    let json = logs(&["one", "two", "--output", "json"])?;
    let first: serde_json::Value = serde_json::from_str(json.stdout.lines().next().unwrap())?;
    assert_eq!(
        (&first["host"], &first["container"]),
        (&"h1".into(), &"one".into())
    );

    let one = project.dfab(&["logs", "-H", "h2", "two"])?;
    assert_eq!(
        (one.stdout.as_str(), one.stderr.as_str()),
        ("out\n0\n", "err\n")
    );
    let later = project.dfab(&["logs", "-H", "h2", "two", "--since", "2099-01-01"])?;
    assert_eq!((later.status, later.stdout.as_str()), (0, ""));
    assert_eq!(logs(&["one", "nowhere"])?.status, 1);

    // Where each reader is a process on the host, they are read one after another.
    let socat = project.dfab(&["logs", "-H", "h1", "--channel", "socat", "three", "one"])?;
    assert_eq!(
        socat.stdout,
        "one   | out\none   | 0\nthree | out\nthree | 0\n"
    );
    Ok(())
}

#[test]
fn following_goes_on_when_a_container_is_started_again_or_made_anew() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    start(&hosts[0], "ticks", &["tick", "200"])?;
    start(&hosts[1], "other", &["report", "0"])?;
    let line = ["logs", "-f", "-H", "h1,h2", "ticks", "other"];
    let mut logs = Running::start(&project, &line)?;
    logs.wait_for("h2/other | out")?;
    logs.wait_for("h1/ticks | tick 3")?;
    hosts[0].docker(&["restart", "-t", "0", "ticks"])?;
    logs.wait_for("h1/ticks | tick 1")?;
    logs.wait_for("h1/ticks | tick 2")?;
    hosts[0].docker(&["rm", "-f", "ticks"])?;
    std::thread::sleep(Duration::from_secs(2));
    start(&hosts[0], "ticks", &["tick", "200"])?;
    logs.wait_for("h1/ticks | tick 1")?;
    logs.wait_for("h1/ticks | tick 2")?;
    // No line was shown twice: each run counts from one.
    let ones = logs
        .seen
        .iter()
        .filter(|line| line.ends_with("tick 1"))
        .count();
    assert_eq!(ones, 3, "{:?}", logs.seen);
    let (code, told) = logs.end("-INT")?;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("h2/other: ended with exit code 0")
            && told.contains("h1/ticks: the container is gone"),
        "{told}"
    );
    Ok(())
}
