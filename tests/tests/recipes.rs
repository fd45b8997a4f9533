//! Recipes on a real machine: what is missing is installed, what is there is left alone.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use dfab_tests::process::{Running, until};
use dfab_tests::{Output, Project, TestHost};

#[test]
fn socat_is_installed_where_it_is_missing_and_only_there() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let is_there = || host.shell("command -v socat").is_ok();
    let setup = |more: &[&str]| project.dfab(&[&["setup", "socat", "-H", "h1"], more].concat());
    host.remove_socat()?;

    assert_eq!(setup(&["--dry-run"])?.status, 0);
    assert_eq!(setup(&[])?.status, 2, "there is no terminal to ask at");
    assert!(!is_there());

    let output = setup(&["-y"])?;
    assert_eq!(output.status, 0, "{output:?}");
    assert!(is_there());

    let log = || host.shell("cat /var/log/dpkg.log /var/log/apt/history.log 2> /dev/null || true");
    let before = log()?;
    let output = setup(&["-y"])?;
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(log()?, before, "it was installed again");
    Ok(())
}

#[test]
fn without_root_it_says_so_and_changes_nothing() -> Result<()> {
    let (host, project) = Project::with_host_as("plain")?;
    host.remove_socat()?;
    let output = project.dfab(&["setup", "socat", "-H", "h1", "-y"])?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("root") && output.stderr.contains("plain"),
        "{}",
        output.stderr
    );
    assert!(host.shell("command -v socat").is_err());
    Ok(())
}

/// Runs a recipe on it with `-y`.
fn setup(project: &Project, words: &str) -> Result<Output> {
    let words = words.split_whitespace();
    let arguments: Vec<_> = ["setup"]
        .into_iter()
        .chain(words)
        .chain(["-H", "h1"])
        .collect();
    project.dfab(&[&arguments[..], &["-y"]].concat())
}

/// Docker-Fabric called its own function wrongly, so that no user was made, and left the groups of those
/// that were there as they were.
#[test]
fn b_58_users_are_made_with_their_groups_and_get_further_ones() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let account = "account app --uid 2000 --gid 3000 --member-of web:4000 --no-login --comment app";
    let output = setup(&project, account)?;
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(
        host.shell("id app")?,
        "uid=2000(app) gid=3000(app) groups=3000(app),4000(web)"
    );
    let entry = host.shell("getent passwd app")?;
    assert!(
        entry.ends_with("/nologin") && entry.contains(":app:"),
        "{entry}"
    );

    // Again: nothing. With another group: only that.
    let before = host.shell("cat /etc/passwd /etc/group")?;
    let output = setup(&project, account)?;
    assert!(
        output.status == 0 && output.stderr.contains("nothing to do"),
        "{output:?}"
    );
    assert_eq!(host.shell("cat /etc/passwd /etc/group")?, before);
    let output = setup(&project, "account app --member-of docker")?;
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(host.shell("id -Gn app")?, "app docker web");

    let output = setup(&project, "account person --shell /bin/sh")?;
    assert_eq!(output.status, 0, "{output:?}");
    let home = host.shell("stat -c %U:%G ~person && getent passwd person")?;
    assert!(
        home.starts_with("person:person\n") && home.ends_with("/bin/sh"),
        "{home}"
    );
    let output = setup(&project, "account batch --system")?;
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(
        host.shell("[ -d ~batch ] || [ $(id -u batch) -ge 1000 ] || echo so")?,
        "so"
    );
    Ok(())
}

#[test]
fn numbers_that_differ_are_told_before_anything_changes() -> Result<()> {
    let (host, project) = Project::with_host()?;
    host.shell("groupadd -g 3000 web && useradd -u 2000 -g web app")?;
    let before = host.shell("cat /etc/passwd /etc/group")?;
    for (words, told) in [
        (
            "account app --uid 2001 --member-of new",
            "has the number 2000, not 2001",
        ),
        (
            "account app --gid 3001 --member-of new",
            "has the group 3000, not app",
        ),
        (
            "account other --uid 2000 --member-of new",
            "the user app has the number 2000 already",
        ),
        (
            "account app --member-of new --member-of docker:1",
            "the group docker has the number 105, not 1",
        ),
        (
            "account deploy --no-login --member-of new",
            "and can log in",
        ),
        (
            "group new --gid 3000",
            "the group web has the number 3000 already",
        ),
    ] {
        let output = setup(&project, words)?;
        assert_eq!(output.status, 1, "{words}: {output:?}");
        assert!(output.stderr.contains(told), "{words}: {}", output.stderr);
        assert_eq!(host.shell("cat /etc/passwd /etc/group")?, before, "{words}");
    }
    for words in ["account 1000", "account a:b", "group --gid 5"] {
        assert_eq!(setup(&project, words)?.status, 2, "{words}");
    }
    Ok(())
}

/// A first signal lets the step end that runs and begins no other one, a second ends it on the machine.
#[test]
fn ctrl_c_ends_a_recipe_between_its_steps_or_at_once() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let line = [
        "setup",
        "account",
        "app",
        "--gid",
        "3000",
        "--member-of",
        "web",
        "-H",
        "h1",
        "-y",
    ];
    let soon = Duration::from_secs(30);
    let begin = |fake: &str| -> Result<Running> {
        host.shell(&format!(
            "rm -f /tmp/begun
            printf '#!/bin/sh\n: > /tmp/begun\n%s\n' '{fake}' > /usr/local/sbin/groupadd
            chmod 755 /usr/local/sbin/groupadd"
        ))?;
        let running = Running::start(&mut project.command(&line)?)?;
        until(soon, || host.shell("test -e /tmp/begun"))?;
        Ok(running)
    };
    let made = || host.shell("getent group app web || true; getent passwd app || true");

    // At once: the command on the machine is gone, and nothing was made.
    let running = begin("sleep 4721")?;
    running.signal("INT")?;
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(host.shell("pgrep -fc '^sleep 4721'")?, "1");
    running.signal("INT")?;
    let output = running.ended(soon)?;
    assert_eq!(output.status, 130, "{output:?}");
    assert_eq!(host.shell("pgrep -fc '^sleep 4721' || true")?, "0");
    assert_eq!(made()?, "", "{output:?}");

    // Once: what runs ends well, and the next step is not begun.
    let running = begin("sleep 3; exec /usr/sbin/groupadd \"$@\"")?;
    running.signal("INT")?;
    let output = running.ended(soon)?;
    assert_eq!(output.status, 130, "{output:?}");
    for words in ["Stopping: what runs is let end", "not tried"] {
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    let groups = made()?;
    assert_eq!(groups.lines().count(), 1, "{groups}: {output:?}");

    // The same line goes on where it ended.
    host.shell("rm /usr/local/sbin/groupadd")?;
    assert_eq!(project.dfab(&line)?.status, 0);
    Ok(())
}

/// Docker-Fabric looked for a user of the group's name, and took the number of that user's own group.
#[test]
fn b_57_a_group_is_no_user_of_that_name() -> Result<()> {
    let (host, project) = Project::with_host()?;
    host.shell("groupadd -g 3000 web && groupadd -g 3001 app && useradd -g web app")?;
    let output = setup(&project, "group app --gid 3001")?;
    assert!(
        output.status == 0 && output.stderr.contains("nothing to do"),
        "{output:?}"
    );
    let output = setup(&project, "group app --gid 3000")?;
    assert_eq!(output.status, 1, "{output:?}");
    // There is a user of that name, and no group.
    host.shell("groupdel app")?;
    let output = setup(&project, "group app --gid 3002")?;
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(host.shell("getent group app")?, "app:x:3002:");
    Ok(())
}

/// As on a machine without Docker: as far as dpkg knows, and as far as can be seen.
const WITHOUT_ENGINE: &str = "
    for name in docker.io docker-ce docker-ce-cli containerd.io; do
        dpkg --remove --force-all $name > /dev/null 2>&1 || true
    done
    rm -f /usr/sbin/dockerd /usr/bin/dockerd /usr/local/bin/dockerd";

/// Takes the engine's programs away, and gives apt a package with a service instead: the real one has a
/// hundred megabytes. What apt, dpkg, `service` and `usermod` do is real.
fn offer_docker(host: &TestHost) -> Result<()> {
    host.shell(WITHOUT_ENGINE)?;
    host.shell(
        r#"groupdel docker
        mkdir -p /tmp/p/DEBIAN /tmp/p/usr/sbin /tmp/p/etc/init.d
        cd /tmp/p
        printf '#!/bin/sh\n' > usr/sbin/dockerd
        cat > etc/init.d/docker <<'END'
#!/bin/sh
case $1 in
    start) touch /run/stand-in ;;
    status) test -e /run/stand-in ;;
esac
END
        cat > DEBIAN/postinst <<'END'
#!/bin/sh
groupadd --system docker
END
        chmod 755 usr/sbin/dockerd etc/init.d/docker DEBIAN/postinst
        fields='Package: docker.io\nVersion: 99\nArchitecture: all\nMaintainer: nobody\nDescription: stand-in\n'
        printf "$fields" > DEBIAN/control
        dpkg-deb --build --root-owner-group . /repository/docker.io.deb > /dev/null
        printf "\n${fields}Filename: ./docker.io.deb\nSize: %s\nSHA256: %s\n" \
            "$(stat -c %s /repository/docker.io.deb)" \
            "$(sha256sum /repository/docker.io.deb | cut -d' ' -f1)" >> /repository/Packages"#,
    )
    .map(drop)
}

#[test]
fn docker_is_installed_started_and_given_to_the_user() -> Result<()> {
    let (host, project) = Project::with_host()?;
    offer_docker(&host)?;
    let output = project.dfab(&[
        "setup",
        "docker",
        "--group-member",
        "ann",
        "-H",
        "h1",
        "--dry-run",
    ])?;
    assert!(
        output.stderr.contains("note: there is no user ann"),
        "{output:?}"
    );
    let output = setup(
        &project,
        "docker --group-member plain --group-member deploy",
    )?;
    assert_eq!(output.status, 0, "{output:?}");
    assert!(
        output.stderr.contains("from the next login on"),
        "{}",
        output.stderr
    );
    assert_eq!(
        host.shell("dpkg-query -W -f '${Status}' docker.io")?,
        "install ok installed"
    );
    assert_eq!(
        host.shell("service docker status && id -Gn plain")?,
        "plain docker"
    );

    let output = setup(&project, "docker --group-member plain")?;
    assert!(
        output.status == 0 && output.stderr.contains("nothing to do"),
        "{output:?}"
    );
    // Nobody is put into a group who is not there.
    let output = setup(&project, "docker --group-member ann")?;
    assert!(
        output.status == 1 && output.stderr.contains("there is no user ann"),
        "{output:?}"
    );
    // One who is no root cannot do what is left to do, and is told before anything is tried.
    host.shell("rm /run/stand-in")?;
    project.add_host_as("h2", &host, "plain")?;
    let output = project.dfab(&["setup", "docker", "-H", "h2", "-y"])?;
    assert!(
        output.status == 1 && output.stderr.contains("needs root"),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn docker_com_is_trusted_for_its_key_only() -> Result<()> {
    let (host, project) = Project::with_host()?;
    offer_docker(&host)?;
    // There is no way to docker.com, so that the key cannot be fetched.
    let output = setup(&project, "docker --source docker.com")?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("FAILED   Fetch the key"),
        "{}",
        output.stderr
    );
    let left = host.shell("ls /etc/apt/keyrings /etc/apt/sources.list.d 2> /dev/null || true")?;
    assert!(!left.contains("docker"), "{left}");
    Ok(())
}

/// What is planned for systems by what they say of themselves.
#[test]
fn each_system_gets_a_recipe_of_its_own() -> Result<()> {
    let (host, project) = Project::with_host()?;
    host.shell(WITHOUT_ENGINE)?;
    host.shell("dpkg --remove --force-all ca-certificates > /dev/null 2>&1; rm /etc/os-release")?;
    let plan = |system: &str, source: &str| -> Result<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/os-release");
        let release = std::fs::read_to_string(file.join(system))?;
        host.shell(&format!("cat > /etc/os-release <<'END'\n{release}END"))?;
        let arguments = [
            "setup",
            "docker",
            "--group-member",
            "plain",
            "--dry-run",
            "-H",
            "h1",
        ];
        let source = ["--source", source];
        let source = if source[1].is_empty() {
            &[][..]
        } else {
            &source
        };
        let output = project.dfab(&[&arguments, source].concat())?;
        let steps = output.stderr.lines().filter(|line| line.starts_with("  "));
        Ok(steps.map(|line| format!("{}\n", line.trim())).collect())
    };
    let mut text = String::new();
    for (system, source) in [
        ("ubuntu-22.04", "docker.com"),
        ("ubuntu-24.04", ""),
        ("mint-21.3", "docker.com"),
        ("debian-12", "distribution"),
        ("debian-13", "docker.com"),
        ("centos-stream-9", ""),
        ("rocky-9", ""),
        ("rocky-9", "distribution"),
        ("fedora-42", ""),
        ("fedora-42", "docker.com"),
        ("alpine-3.20", ""),
    ] {
        text.push_str(&format!("{system} {source}\n{}\n", plan(system, source)?));
    }
    insta::assert_snapshot!(text, @r"
    ubuntu-22.04 docker.com
    Install ca-certificates, curl, gpg
    Fetch the key 9DC858229FC7DD38854AE2D88D81803C0EBFCD88 into /etc/apt/keyrings/docker.asc
    Take packages of download.docker.com for ubuntu jammy
    Install docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    ubuntu-24.04 
    Install docker.io
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    mint-21.3 docker.com
    Install ca-certificates, curl, gpg
    Fetch the key 9DC858229FC7DD38854AE2D88D81803C0EBFCD88 into /etc/apt/keyrings/docker.asc
    Take packages of download.docker.com for ubuntu jammy
    Install docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    debian-12 distribution
    Install docker.io
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    debian-13 docker.com
    Install ca-certificates, curl, gpg
    Fetch the key 9DC858229FC7DD38854AE2D88D81803C0EBFCD88 into /etc/apt/keyrings/docker.asc
    Take packages of download.docker.com for debian trixie
    Install docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    centos-stream-9 
    Fetch the key 060A61C51B558A7F742B77AAC52FEB6B621E9F35 into /etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce
    Take packages of download.docker.com for centos 9
    Install docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    rocky-9 
    Fetch the key 060A61C51B558A7F742B77AAC52FEB6B621E9F35 into /etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce
    Take packages of download.docker.com for centos 9
    Install docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    rocky-9 distribution
    `plan docker` of the plugin `setup-centos` gave up: rocky has no Docker Engine of its own: take that of docker.com

    fedora-42 
    Install moby-engine, docker-cli
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    fedora-42 docker.com
    Fetch the key 060A61C51B558A7F742B77AAC52FEB6B621E9F35 into /etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce
    Take packages of download.docker.com for fedora 42
    Install docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin
    Run the service docker, now and after each boot
    Put plain into the group docker, from the next login on

    alpine-3.20 
    this machine has alpine, and the recipe is for centos, fedora, rhel, debian, ubuntu
    ");
    Ok(())
}
