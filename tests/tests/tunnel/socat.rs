//! socat on hosts: where it is, what it says, and what is left of it.

use anyhow::{Result, bail, ensure};
use dfab_tests::process::{Output, until};

use crate::running::Tunnel;
use crate::{SOON, docker, project, socket_of, waiting};

#[test]
fn socat_may_be_anywhere_and_says_why_it_fails() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    let path = "/opt/my tools/socat $(x)'s";
    let quoted = "/opt/my tools/socat \\$(x)'s";
    hosts[0].shell(&format!(
        "mkdir -p '/opt/my tools' && cp \"$(readlink -f \"$(command -v socat)\")\" \"{quoted}\""
    ))?;
    hosts[0].remove_socat()?;
    project.write(
        "dfab.yaml",
        &format!("settings:\n  socat_path: \"{path}\"\n  socat_quiet: false\n"),
    )?;
    let line = ["run", "docker", "version", "-H", "h1", "--channel", "socat"];
    let worked = project.dfab(&line)?;
    assert_eq!(worked.status, 0, "{worked:?}");
    assert!(
        worked
            .stderr
            .contains("STDIO 'UNIX-CONNECT:/var/run/docker.sock'"),
        "{worked:?}"
    );
    // The client's own goes before the setting.
    project.write(
        "clients.yaml",
        "h1: {host: h1, socat_path: /opt/none/socat, socat_quiet: true}",
    )?;
    let line = [&line[..], &["--clients", "clients.yaml"]].concat();
    let missing = project.dfab(&line)?;
    assert_eq!(missing.status, 4, "{missing:?}");
    assert!(
        missing.stderr.contains("/opt/none/socat") && missing.stderr.contains("socat_path"),
        "{missing:?}"
    );
    assert!(!missing.stderr.contains("STDIO"), "{missing:?}");
    hosts[0].shell(
        "printf '#!/bin/sh\\necho \"socat[7] E the moon is full\" >&2; exit 1\\n' > /opt/odd; chmod 755 /opt/odd",
    )?;
    project.write("clients.yaml", "h1: {host: h1, socat_path: /opt/odd}")?;
    let failed = project.dfab(&line)?;
    assert_eq!(failed.status, 4, "{failed:?}");
    assert!(failed.stderr.contains("the moon is full"), "{failed:?}");
    Ok(())
}

#[test]
fn what_broken_sessions_left_of_socat_is_ended_and_told() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    let reset = |more: &[&str]| {
        project.dfab(
            &[
                &[
                    "run",
                    "docker",
                    "reset-socat",
                    "-H",
                    "h1",
                    "-y",
                    "--output",
                    "json",
                ],
                more,
            ]
            .concat(),
        )
    };
    let of = |output: Output| -> Result<serde_json::Value> { Ok(output.json()?["h1"].clone()) };
    assert_eq!(of(reset(&[])?)?, serde_json::json!([]));
    // One that is nobody's, one of another user, and one that a tunnel has.
    let orphan = "setsid sh -c 'sleep 600 | socat -t 600 STDIO UNIX-CONNECT:/var/run/docker.sock &' \
                  > /dev/null 2>&1 < /dev/null";
    project.ssh("h1", orphan)?.success()?;
    hosts[0].shell(orphan)?;
    let tunnel = Tunnel::start(&mut project.command(&["tunnel", "h1", "--channel", "socat"])?)?;
    let socket = socket_of(&tunnel.docker_host()?)?;
    let open = waiting(&socket, 1)?;
    let orphans = |user: &str| -> Result<usize> {
        let script = format!("pgrep -u {user} -x socat | wc -l");
        Ok(hosts[0].shell(&script)?.trim().parse()?)
    };
    until(SOON, || {
        ensure!(orphans("deploy")? >= 2 && orphans("root")? == 1, "not yet");
        Ok(())
    })?;
    let told = of(reset(&[])?)?;
    let with = |outcome: &str| {
        let all = told.as_array().into_iter().flatten();
        all.filter(|row| row["outcome"] == outcome).count()
    };
    assert_eq!(with("ended"), 1, "{told}");
    assert!(with("in use") >= 1, "{told}");
    assert_eq!(orphans("root")?, 1);
    docker(&format!("unix://{}", socket.display()), &["version"], b"")?.success()?;
    drop(open);
    // The predecessor ended whatever is called socat.
    let all = of(reset(&["--all"])?)?;
    assert!(all.as_array().is_some_and(|rows| !rows.is_empty()), "{all}");
    assert_eq!(orphans("deploy")?, 0);
    let unasked = project.dfab(&["run", "docker", "reset-socat", "-H", "h1"])?;
    if unasked.status != 2 {
        bail!("it was not asked for: {unasked:?}");
    }
    Ok(())
}
