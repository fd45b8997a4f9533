//! Logging in with what only a person knows, and through another host, as `dfab` does it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use dfab_tests::process::Running;
use dfab_tests::{Output, Project, TestHost, process};

const VERSION: [&str; 5] = ["run", "docker", "version", "-H", "h1"];

/// A host that takes root's password, by the method that is left on.
fn host_with_password(keyboard_interactive: bool) -> Result<TestHost> {
    let host = TestHost::start()?;
    host.shell("echo root:open-sesame | chpasswd -c SHA512")?;
    host.set_sshd_option("PermitRootLogin yes")?;
    if keyboard_interactive {
        host.shell(
            "mkdir -p /etc/pam.d /etc/security && printf '%s\\n' 'auth required pam_unix.so' \
             'account required pam_permit.so' 'session required pam_permit.so' > /etc/pam.d/sshd",
        )?;
        host.set_sshd_option("UsePAM yes")?;
        host.set_sshd_option("KbdInteractiveAuthentication yes")?;
    } else {
        host.set_sshd_option("PasswordAuthentication yes")?;
    }
    Ok(host)
}

/// A project with a key that the host does not take, and somebody who may be asked.
fn project_without_key(host: &TestHost) -> Result<Project> {
    let project = Project::new()?;
    project.add_host("h1", host)?;
    project.use_unknown_user_key()?;
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    project.write(
        "ssh_config",
        &config.replace("BatchMode yes", "BatchMode no"),
    )?;
    Ok(project)
}

fn with_variables(project: &Project, variables: &[(&str, &str)]) -> Result<Output> {
    let mut command = project.command(&VERSION)?;
    command.envs(variables.iter().copied());
    process::run(&mut command, b"", Duration::from_secs(60))
}

#[test]
fn commands_and_askpass_programs_know_passwords() -> Result<()> {
    for keyboard_interactive in [false, true] {
        let host = host_with_password(keyboard_interactive)?;
        let project = project_without_key(&host)?;
        let askpass = project.write("askpass", "#!/bin/sh\necho \"$1\" >> asked\ncat secret\n")?;
        std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o700))?;
        project.write("secret", "open-sesame\n")?;
        let askpass = askpass.display().to_string();

        with_variables(&project, &[("DFAB_PASSWORD_COMMAND", "cat secret")])?.success()?;
        let force = [
            ("SSH_ASKPASS", askpass.as_str()),
            ("SSH_ASKPASS_REQUIRE", "force"),
        ];
        with_variables(&project, &force)?.success()?;
        let asked = std::fs::read_to_string(project.folder().join("asked"))?;
        ensure!(asked.to_lowercase().contains("password"), "{asked}");
        ensure!(asked.contains("root@h1"), "{asked}");

        project.write("secret", "wrong-secret\n")?;
        let output = with_variables(&project, &[("DFAB_PASSWORD_COMMAND", "cat secret")])?;
        ensure!(output.status == 4, "{output:?}");
        let way = if keyboard_interactive {
            "keyboard-interactive"
        } else {
            "password"
        };
        ensure!(
            output.stderr.contains(&format!("{way}: ")),
            "{}",
            output.stderr
        );
        ensure!(!output.stderr.contains("wrong-secret"), "{}", output.stderr);

        let failing = [("DFAB_PASSWORD_COMMAND", "echo no vault >&2; exit 9")];
        let output = with_variables(&project, &failing)?;
        ensure!(output.status == 4, "{output:?}");
        ensure!(
            output.stderr.contains("exit status: 9"),
            "{}",
            output.stderr
        );
    }
    Ok(())
}

#[test]
fn where_nobody_can_be_asked_it_is_told_who_could_know() -> Result<()> {
    let host = host_with_password(false)?;
    let project = project_without_key(&host)?;
    // Away from any terminal that the test may have.
    let dfab = project.command(&VERSION)?;
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(dfab.get_program());
    command.args(dfab.get_args()).env_clear();
    command.current_dir(project.folder()).envs(
        dfab.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = process::run(&mut command, b"", Duration::from_secs(60))?;
    ensure!(output.status == 4, "{output:?}");
    for told in [
        "no terminal to ask at",
        "DFAB_PASSWORD_COMMAND",
        "`password_command`",
    ] {
        ensure!(output.stderr.contains(told), "{told}: {}", output.stderr);
    }
    Ok(())
}

#[test]
fn a_projects_command_knows_passwords_and_is_run_for_nothing_else() -> Result<()> {
    let host = host_with_password(false)?;
    let project = project_without_key(&host)?;
    project.write("secret", "open-sesame\n")?;
    project.write(
        "dfab.yaml",
        "password_command: 'echo \"$DFAB_QUESTION\" >> asked; cat secret'\n",
    )?;
    let asked = || std::fs::read_to_string(project.folder().join("asked"));
    // From elsewhere too, it runs in the folder of its file.
    project.write("below/README", "")?;
    let mut command = project.command(&VERSION)?;
    command
        .arg("-v")
        .current_dir(project.folder().join("below"));
    let output = process::run(&mut command, b"", Duration::from_secs(60))?;
    ensure!(output.status == 0, "{output:?}");
    ensure!(asked()? == "root@h1's password: \n", "{}", asked()?);
    let told = "dfab.yaml is run for: root@h1";
    ensure!(output.stderr.contains(told), "{}", output.stderr);
    ensure!(!output.stderr.contains("sesame"), "{}", output.stderr);

    // The variable goes before it.
    with_variables(&project, &[("DFAB_PASSWORD_COMMAND", "echo open-sesame")])?.success()?;
    ensure!(asked()?.lines().count() == 1, "{}", asked()?);

    // Nothing is run where nobody asks: the host is not trusted, or a key is enough.
    project.forget_host_keys()?;
    let untrusted = project.dfab(&VERSION)?;
    ensure!(untrusted.status == 4, "{untrusted:?}");
    project.add_host("h1", &host)?;
    project.dfab(&VERSION)?.success()?;
    ensure!(asked()?.lines().count() == 1, "{}", asked()?);
    Ok(())
}

#[test]
fn a_person_is_asked_at_the_terminal_and_nothing_is_shown() -> Result<()> {
    for keyboard_interactive in [false, true] {
        let host = host_with_password(keyboard_interactive)?;
        let project = project_without_key(&host)?;
        let wrong = "falsch\u{7f}\u{7f}\n";
        let right = "open-seasm\u{7f}\u{7f}\u{7f}same\n";
        let told = project.typed(&VERSION, "assword: ", &[wrong, right])?;
        ensure!(told.status == 0, "{told:?}");
        let shown = told.stdout;
        let prompt = if keyboard_interactive {
            "Password: "
        } else {
            "root@h1's password: "
        };
        // PAM says its own words, which host asks is said by dfab.
        ensure!(shown.matches(prompt).count() == 2, "{shown}");
        ensure!(shown.contains("root@h1"), "{shown}");
        ensure!(!shown.contains("open") && !shown.contains("fal"), "{shown}");

        // Who knows no better is not let in.
        let told = project.typed(&VERSION, "assword: ", &[wrong, wrong, wrong])?;
        ensure!(told.status == 4, "{told:?}");
        ensure!(!told.stdout.contains("fal"), "{told:?}");
    }
    Ok(())
}

/// The arguments of all that runs on this machine or a host.
fn arguments(host: Option<&TestHost>) -> Result<String> {
    let script = "cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\\0' ' '";
    match host {
        Some(host) => host.shell(&format!("{script} || true")),
        None => process::run(
            Command::new("sh").args(["-c", script]),
            b"",
            Duration::from_secs(10),
        )
        .map(|output| output.stdout),
    }
}

#[test]
fn an_encrypted_key_is_opened_by_a_command_or_by_hand_and_nothing_tells_its_passphrase()
-> Result<()> {
    const PASSPHRASE: &str = "geheim-4711";
    let host = TestHost::start()?;
    let project = project_without_key(&host)?;
    let key = project.folder().join("key").display().to_string();
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", &key]);
    process::run(&mut keygen, b"", Duration::from_secs(20))?.success()?;
    let public = std::fs::read_to_string(format!("{key}.pub"))?;
    host.shell(&format!(
        "echo '{}' > /root/.ssh/authorized_keys",
        public.trim()
    ))?;
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    let named = format!("Host h1\n  IdentityFile {key}\n");
    project.write("ssh_config", &format!("{named}{config}"))?;

    project.write("secret", &format!("{PASSPHRASE}\n"))?;
    let by_project = "password_command: 'echo \"$DFAB_QUESTION\" >> asked; cat secret'\n";
    for (settings, variable) in [(by_project, None), ("", Some("cat secret"))] {
        project.write("dfab.yaml", settings)?;
        let line = ["ssh", "-v", "-H", "h1", "--", "touch /tmp/there; sleep 600"];
        let mut command = project.command(&line)?;
        command.env("RUST_LOG", "trace");
        command.envs(variable.map(|value| ("DFAB_PASSWORD_COMMAND", value)));
        let running = Running::start(&mut command)?;
        process::until(Duration::from_secs(30), || {
            host.shell("rm /tmp/there").map(drop)
        })?;
        let (here, there) = (arguments(None)?, arguments(Some(&host))?);
        ensure!(here.contains("touch /tmp/there") && there.contains("sleep 600"));
        ensure!(!here.contains(PASSPHRASE), "{here}");
        ensure!(!there.contains(PASSPHRASE), "{there}");
        running.signal("INT")?;
        let output = running.ended(Duration::from_secs(30))?;
        ensure!(output.status == 130, "{output:?}");
        let told = format!("{}{}", output.stdout, output.stderr);
        ensure!(!told.contains("geheim"), "{told}");
    }
    let asked = std::fs::read_to_string(project.folder().join("asked"))?;
    ensure!(
        asked.lines().count() == 1 && asked.contains(&key),
        "{asked}"
    );

    let wrong = with_variables(&project, &[("DFAB_PASSWORD_COMMAND", "echo falsch-4711")])?;
    ensure!(wrong.status == 4, "{wrong:?}");
    ensure!(
        wrong.stderr.contains("the passphrase is wrong"),
        "{}",
        wrong.stderr
    );
    ensure!(!wrong.stderr.contains("falsch"), "{}", wrong.stderr);

    let lines = ["falsch-4711\n", "geheim-4711\n"];
    let told = project.typed(&VERSION, "': ", &lines)?;
    ensure!(told.status == 0, "{told:?}");
    ensure!(told.stdout.matches(&key).count() == 2, "{told:?}");
    ensure!(!told.stdout.contains("4711"), "{told:?}");
    Ok(())
}

#[test]
fn hosts_behind_another_share_its_login() -> Result<()> {
    let hosts = TestHost::start_many(3)?;
    let project = Project::new()?;
    for (name, host) in ["bastion", "h1", "h2"].iter().zip(&hosts) {
        project.add_host(name, host)?;
    }
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    let jump = "Host h1 h2\n  ProxyJump bastion\n";
    project.write("ssh_config", &format!("{jump}{config}"))?;
    let both = [
        "run", "docker", "version", "-H", "h1,h2", "--output", "json",
    ];
    let answer = project.dfab(&both)?.json()?;
    for name in ["h1", "h2"] {
        ensure!(answer[name]["Version"].is_string(), "{answer}");
    }
    let logins = |host: &TestHost| -> Result<usize> {
        let log = host.exec(&["cat", "/var/log/sshd.log"])?;
        Ok(log.matches("Accepted publickey").count())
    };
    for host in &hosts {
        ensure!(logins(host)? == 1, "one login each");
    }
    let log = hosts[1].exec(&["cat", "/var/log/sshd.log"])?;
    let from = format!("from {}", hosts[0].address());
    ensure!(log.contains(&from), "not through the bastion: {log}");

    hosts[0].stop_sshd()?;
    let output = project.dfab(&both)?;
    ensure!(output.status == 4, "{output:?}");
    ensure!(
        output.stderr.contains("no SSH session to bastion"),
        "{}",
        output.stderr
    );
    Ok(())
}

/// Where OpenSSH's client is not installed, with what the file includes, from its own folder.
#[test]
fn the_users_own_configuration_is_read_without_the_client() -> Result<()> {
    let (_host, project) = Project::with_host()?;
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    project.write("home/.ssh/config", "Include conf.d/*.conf\n")?;
    project.write("home/.ssh/conf.d/hosts.conf", &config)?;
    project.write("home/.ssh/conf.d/other", "Host h1\n  HostName 127.0.0.9\n")?;
    let home = project.folder().join("home");
    let run = |home: &std::path::Path| -> Result<Output> {
        let mut command = project.command(&["ssh", "-H", "h1", "--", "echo there"])?;
        command.env_remove("DFAB_SSH_CONFIG");
        command.env("HOME", home).env("PATH", "/none");
        process::run(&mut command, b"", Duration::from_secs(60))
    };
    let output = run(&home)?.success()?;
    ensure!(output.contains("there"), "{output}");
    let without = run(project.folder())?;
    ensure!(without.status == 4, "{without:?}");
    Ok(())
}

#[test]
fn a_proxy_command_is_gone_when_dfab_is() -> Result<()> {
    let (_host, project) = Project::with_host()?;
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    // It ends neither with its connection nor when it is asked to.
    let stubborn = "sh -c 'trap \"\" HUP TERM; socat STDIO TCP:%h:%p; sleep 4715'";
    let proxy = format!("Host h1\n  ProxyCommand {stubborn}\n");
    project.write("ssh_config", &format!("{proxy}{config}"))?;
    project.dfab(&VERSION)?.success()?;
    let search = ["-c", "grep -al '^sleep.4715' /proc/[0-9]*/cmdline || true"];
    let found = process::run(
        Command::new("sh").args(search),
        b"",
        Duration::from_secs(10),
    )?;
    ensure!(found.stdout.is_empty(), "it still runs: {}", found.stdout);
    Ok(())
}
