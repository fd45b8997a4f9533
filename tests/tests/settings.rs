//! What the predecessor's settings, client files, the environment and docker's contexts say of an engine,
//! on real connections to it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::process::{self, Output, until};
use dfab_tests::{Project, TestHost, artifact_registry, images};
use serde_json::Value;

const APP: &str = "registry.example.com/app:latest";
const SOON: Duration = Duration::from_secs(20);

/// Where a host's engine listens that has left its usual place.
const MOVED: &str = "/run/engine.sock";
/// A relay to it, which notes what it is asked.
const ELSEWHERE: &str = "/srv/my engine/it's.sock";
const PORT: &str = "2399";
/// Where the relays' notes are.
const ASKED: &str = "/tmp/asked";

/// A host with its engine elsewhere, and a project that knows it as `h1`.
struct Elsewhere {
    host: TestHost,
    project: Project,
}

impl Elsewhere {
    fn start(user: &str) -> Result<Self> {
        let (host, project) = Project::with_host_as(user)?;
        host.exec(&["mv", "/run/docker.sock", MOVED])?;
        Ok(Self { host, project })
    }

    /// Starts a relay to the engine, at an address as socat writes it.
    fn relay(&self, address: &str) -> Result<()> {
        let script =
            "setsid socat -v \"$1\",fork \"UNIX-CONNECT:$2\" 2>> \"$3\" < /dev/null > /dev/null &";
        self.host
            .exec(&["sh", "-ec", script, "relay", address, MOVED, ASKED])?;
        until(SOON, || {
            let (kind, place) = address.split_once(':').context("an address")?;
            let place = place.replace('\\', "");
            let place = place.split(',').next().unwrap_or_default();
            let look = match kind {
                "TCP-LISTEN" => format!("ss -ltn | grep -q ':{place} '"),
                _ => format!("[ -S \"{place}\" ]"),
            };
            self.host.shell(&look).map(drop)
        })
    }

    /// What the relays were asked since the last time.
    fn asked(&self) -> Result<Vec<String>> {
        let text = self
            .host
            .shell(&format!("cat {ASKED}; : > {ASKED}"))?
            .replace("\\r", "");
        let is_request = |line: &&str| line.starts_with("GET /") || line.starts_with("POST /");
        Ok(text.lines().filter(is_request).map(str::to_owned).collect())
    }

    fn version(&self, more: &[&str]) -> Result<Output> {
        version(&self.project, more)
    }

    /// A client file for `h1`, with these fields.
    fn client(&self, fields: &str) -> Result<[&'static str; 2]> {
        self.project
            .write("clients.yaml", &format!("h1: {{host: h1, {fields}}}\n"))?;
        Ok(["--clients", "clients.yaml"])
    }
}

fn version(project: &Project, more: &[&str]) -> Result<Output> {
    let line = ["run", "docker", "version", "-H", "h1", "--output", "json"];
    project.dfab(&[&line[..], more].concat())
}

#[test]
fn an_engine_is_where_its_setting_or_its_client_says() -> Result<()> {
    let engine = Elsewhere::start("root")?;
    engine.host.shell("mkdir -p '/srv/my engine'")?;
    engine.relay(&format!("UNIX-LISTEN:{}", ELSEWHERE.replace('\'', "\\'")))?;
    engine.relay(&format!("TCP-LISTEN:{PORT},bind=127.0.0.1"))?;
    let output = engine.version(&[])?;
    ensure!(output.status == 4, "{output:?}");
    ensure!(engine.asked()?.is_empty());

    let (socket, port) = (
        format!("unix://{ELSEWHERE}"),
        format!("tcp://127.0.0.1:{PORT}"),
    );
    let old_form = format!("http+unix:/{ELSEWHERE}");
    for (url, channels) in [
        (&socket, &["stream-local", "socat", "dial-stdio"][..]),
        (&old_form, &["socat"]),
        (&port, &["tcp"]),
    ] {
        let setting = format!("docker_base_url={url}");
        let of_client = engine.client(&format!("base_url: \"{url}\""))?;
        for given in [&["--set", &setting][..], &of_client] {
            for channel in channels {
                let line = [given, &["--channel", channel]].concat();
                let answer = engine.version(&line)?.json()?;
                ensure!(answer["h1"]["Version"].is_string(), "{line:?}: {answer}");
                ensure!(!engine.asked()?.is_empty(), "{line:?}: not by the relay");
            }
            engine.version(given)?.success()?;
            ensure!(!engine.asked()?.is_empty(), "{given:?}: not by the relay");
        }
    }
    // The client's own goes before the setting.
    let of_client = engine.client(&format!("base_url: \"{socket}\""))?;
    let line = [
        &of_client[..],
        &["--set", "docker_base_url=unix:///run/none.sock"],
    ]
    .concat();
    engine.version(&line)?.success()?;

    // A port beside the socket, which is tried first.
    let setting = format!("docker_tunnel_remote_port={PORT}");
    let of_client = engine.client(&format!("tunnel_remote_port: {PORT}"))?;
    engine.asked()?;
    for given in [&["--set", &setting][..], &of_client] {
        engine.version(given)?.success()?;
        ensure!(!engine.asked()?.is_empty(), "{given:?}: not by the port");
    }
    engine.host.exec(&["mv", MOVED, "/run/docker.sock"])?;
    engine.version(&["--set", &setting])?.success()?;
    ensure!(engine.asked()?.is_empty(), "not by the socket");
    Ok(())
}

#[test]
fn the_engine_is_spoken_to_in_the_version_that_was_asked_for() -> Result<()> {
    let engine = Elsewhere::start("root")?;
    engine.relay("UNIX-LISTEN:/run/docker.sock")?;
    let ps = ["ps", "-H", "h1"];
    let spoken = |more: &[&str]| -> Result<Vec<String>> {
        engine.asked()?;
        engine.project.dfab(&[&ps[..], more].concat())?.success()?;
        let asked = engine.asked()?;
        let path = |line: &String| line.split(' ').nth(1).map(str::to_owned);
        let of_version = |path: &String| path.starts_with("/v");
        let versions = asked.iter().filter_map(path).filter(of_version);
        let mut versions: Vec<String> = versions
            .filter_map(|path| path.split('/').nth(1).map(str::to_owned))
            .filter(|first| first.starts_with("v1."))
            .collect();
        versions.dedup();
        Ok(versions)
    };
    let newest = engine.host.exec(&[
        "docker",
        "-H",
        &format!("unix://{MOVED}"),
        "version",
        "-f",
        "{{.Server.APIVersion}}",
    ])?;
    let of_client = engine.client("version: '1.38'")?;
    ensure!(spoken(&[])? == [format!("v{newest}")]);
    ensure!(spoken(&["--set", "docker_api_version=1.37"])? == ["v1.37"]);
    ensure!(spoken(&of_client)? == ["v1.38"]);
    let both = [&of_client[..], &["--set", "docker_api_version=1.37"]].concat();
    ensure!(spoken(&both)? == ["v1.38"]);
    let unreadable = engine
        .project
        .dfab(&[&ps[..], &["--set", "docker_api_version=newest"]].concat())?;
    ensure!(unreadable.status == 2, "{unreadable:?}");
    ensure!(unreadable.stderr.contains("newest"), "{unreadable:?}");
    Ok(())
}

/// An engine that greets everybody, and says nothing more.
const SILENT: &str = r#"#!/bin/sh
while read -r method path rest; do
    while read -r header && [ "${#header}" -gt 1 ]; do :; done
    case $path in
        /_ping) body=OK ;;
        /version) body='{"Version":"20.10.0","ApiVersion":"1.41","MinAPIVersion":"1.12"}' ;;
        *) exec sleep 4719 ;;
    esac
    printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body"
done
"#;

#[test]
fn an_answer_is_waited_for_as_long_as_was_asked_for() -> Result<()> {
    let engine = Elsewhere::start("root")?;
    engine.host.shell(&format!(
        "cat > /opt/silent <<'END'\n{SILENT}END\nchmod 755 /opt/silent
         setsid socat UNIX-LISTEN:/run/docker.sock,fork EXEC:/opt/silent > /tmp/silent 2>&1 < /dev/null &"
    ))?;
    until(SOON, || {
        engine.host.exec(&["test", "-S", "/run/docker.sock"])
    })?;
    let of_client = engine.client("timeout: 3")?;
    for (given, seconds) in [
        (&["--set", "docker_timeout=2"][..], 2),
        (&of_client, 3),
        (
            &[&of_client[..], &["--set", "docker_timeout=2"]].concat(),
            3,
        ),
        (&[&of_client[..], &["--call-timeout", "4"]].concat(), 4),
    ] {
        let line = [&["run", "docker", "list-images", "-H", "h1"], given].concat();
        let late = engine.project.dfab(&line)?;
        ensure!(late.status != 0, "{line:?}: {late:?}");
        let told = format!("no answer within {seconds} s");
        ensure!(late.stderr.contains(&told), "{line:?}: {late:?}");
    }
    Ok(())
}

#[test]
fn docker_is_called_as_its_settings_say() -> Result<()> {
    // This user may not use the socket; who is called sudo here may, by the relay.
    let engine = Elsewhere::start("plain")?;
    engine.relay("UNIX-LISTEN:/run/for-all.sock,mode=666")?;
    engine.host.shell(&format!(
        "mv {MOVED} /run/docker.sock; ln -s /run/docker.sock {MOVED}
         mkdir /opt/tools; ln -s \"$(command -v docker)\" /opt/tools/moby
         printf '%s\\n' '#!/bin/sh' 'echo \"$NICE $*\" >> /opt/called' '[ \"$1\" = -n ] || exit 9' 'shift' \
             'export DOCKER_HOST=unix:///run/for-all.sock' 'exec \"$@\"' > /usr/local/bin/sudo
         chmod 755 /usr/local/bin/sudo; touch /opt/called; chmod 666 /opt/called"
    ))?;
    let called = || engine.host.shell("cat /opt/called; : > /opt/called");
    let by_docker = ["--channel", "dial-stdio"];
    // By itself it is called with sudo where only the permission is missing.
    engine.version(&by_docker)?.success()?;
    ensure!(called()?.contains("-n docker system dial-stdio"));

    let of_client =
        engine.client("use_sudo: true, default_bin: /opt/tools/moby, cmd_prefix: NICE=19 nice")?;
    let settings = [
        "--set",
        "docker_cli_sudo=yes",
        "--set",
        "docker_cli_bin=/opt/tools/moby",
        "--set",
        "docker_cli_prefix=NICE=19 nice",
    ];
    for given in [&settings[..], &of_client] {
        let worked = engine.version(&[given, &by_docker].concat())?;
        ensure!(worked.status == 0, "{given:?}: {worked:?}");
        let called = called()?;
        let wanted = "19 -n /opt/tools/moby system dial-stdio";
        ensure!(
            called.lines().all(|line| line == wanted),
            "{given:?}: {called}"
        );
        ensure!(!called.is_empty(), "{given:?}");
    }
    let missing = [
        &settings[..2],
        &["--set", "docker_cli_bin=/opt/none"],
        &by_docker,
    ]
    .concat();
    let missing = engine.version(&missing)?;
    ensure!(missing.status == 4, "{missing:?}");
    ensure!(missing.stderr.contains("/opt/none"), "{missing:?}");
    Ok(())
}

/// Starts a registry on a host that wants a password, and puts the test image there under this name.
fn registry(host: &TestHost, port: u16, image: &str) -> Result<()> {
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: /var/tmp/registry}}\n\
         auth:\n  htpasswd: {{realm: test, path: /opt/htpasswd}}\nhttp:\n  addr: 127.0.0.1:{port}\n"
    );
    host.shell(&format!(
        "cat > /opt/registry.yml <<'END'\n{config}END\ncat > /opt/htpasswd <<'END'\n{}END\n\
         setsid docker-registry serve /opt/registry.yml > /tmp/registry.log 2>&1 < /dev/null &",
        artifact_registry::HTPASSWD
    ))?;
    until(SOON, || {
        host.shell(&format!("ss -ltn | grep -q '127.0.0.1:{port} '"))
    })?;
    let (user, password) = (artifact_registry::USER, artifact_registry::PASSWORD);
    host.shell(&format!(
        "export DOCKER_CONFIG=$(mktemp -d)
         echo '{password}' | docker login -u {user} --password-stdin 127.0.0.1:{port}
         docker tag {APP} {image}; docker push -q {image}; docker rmi {image}; rm -r \"$DOCKER_CONFIG\""
    ))
    .map(drop)
}

#[test]
fn a_hosts_engine_pulls_with_the_login_that_is_for_the_registry() -> Result<()> {
    let (hosts, project) = Project::with_hosts(1, APP)?;
    let host = hosts.first().context("a host")?;
    let image = "127.0.0.1:5077/team/app:1";
    registry(host, 5077, image)?;
    project.write("m.yaml", &format!("name: m\na: {{image: '{image}'}}\n"))?;
    let pull = |more: &[&str]| -> Result<Output> {
        let line = ["pull-images", "a", "--map", "m.yaml", "-H", "h1", "-y"];
        project.dfab(&[&line[..], more].concat())
    };
    let (user, password) = (artifact_registry::USER, artifact_registry::PASSWORD);
    let is_there = || {
        host.docker(&["image", "inspect", "-f", "there", image])
            .is_ok()
    };
    let settings = |password: &str, registry: &str| {
        format!(
            "settings:\n  docker_registry_user: {user}\n  docker_registry_password: '{password}'\n  \
             docker_registry_repository: {registry}\n"
        )
    };
    let own = "127.0.0.1:5077";
    for (what, settings) in [
        ("none", String::new()),
        ("another's", settings(password, "registry.example.com")),
        ("a wrong one", settings("open says me", own)),
    ] {
        project.write("dfab.yaml", &settings)?;
        let refused = pull(&[])?;
        ensure!(refused.status == 1 && !is_there(), "{what}: {refused:?}");
        let told = format!("{}{}", refused.stdout, refused.stderr);
        ensure!(!told.contains("open s"), "{what}: {told}");
    }
    let client = |password: &str| {
        format!(
            "h1: {{host: h1, auth_configs: {{'{own}': {{username: {user}, password: '{password}'}}}}}}\n"
        )
    };
    project.write("right.yaml", &client(password))?;
    project.write("wrong.yaml", &client("open says me"))?;
    for (settings, more, works) in [
        (settings(password, own), &[][..], true),
        (String::new(), &["--clients", "right.yaml"], true),
        // The client's own goes before the setting.
        (settings(password, own), &["--clients", "wrong.yaml"], false),
        (
            settings("open says me", own),
            &["--clients", "right.yaml"],
            true,
        ),
    ] {
        project.write("dfab.yaml", &settings)?;
        let pulled = pull(&[more, &["--output", "json", "-v"]].concat())?;
        ensure!((pulled.status == 0) == works, "{more:?}: {pulled:?}");
        ensure!(is_there() == works, "{more:?}: {pulled:?}");
        let told = format!("{}{}", pulled.stdout, pulled.stderr);
        ensure!(!told.contains("open s"), "{more:?}: {told}");
        if works {
            host.docker(&["rmi", image])?;
        }
    }
    Ok(())
}

#[test]
fn an_ssh_url_of_the_environment_or_of_a_context_leads_through_dfabs_own_ssh() -> Result<()> {
    let (host, project) = Project::with_host_as("deploy")?;
    let config = project.folder().join("docker");
    let docker = |line: &[&str]| -> Result<String> {
        let mut docker = std::process::Command::new("docker");
        docker.args(line).env("DOCKER_CONFIG", &config);
        docker
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT");
        process::run(&mut docker, b"", SOON)?.success()
    };
    // By the name of the configuration, and by everything in the URL.
    host.set_sshd_option("Port 2222")?;
    let server = SocketAddr::new(host.address(), 2222);
    project.add_server("other", server, "nobody", &host.host_key()?)?;
    let by_name = "ssh://h1".to_owned();
    let by_address = format!("ssh://deploy@{server}");
    for (name, url) in [("by-name", &by_name), ("by-address", &by_address)] {
        docker(&[
            "context",
            "create",
            name,
            "--docker",
            &format!("host={url}"),
        ])?;
    }
    let logins = || -> Result<usize> {
        let log = host.exec(&["cat", "/var/log/sshd.log"])?;
        Ok(log.matches("Accepted publickey for deploy").count())
    };
    // An ssh on the search path would be noted, but for questions about the configuration.
    let bin = project.folder().join("bin");
    let ssh = "#!/bin/sh\n[ \"$1\" = -G ] || echo \"$*\" >> \"$HOME_OF_TEST/called\"\n\
               exec /usr/bin/ssh \"$@\"\n";
    project.write("bin/ssh", ssh)?;
    process::run(
        std::process::Command::new("chmod")
            .arg("755")
            .arg(bin.join("ssh")),
        b"",
        SOON,
    )?
    .success()?;
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
    let info = |more: &[&str], variables: &[(&str, &str)]| -> Result<Value> {
        let line = [&["run", "docker", "info", "--output", "json"], more].concat();
        let mut command = project.command(&line)?;
        command
            .env("DOCKER_CONFIG", &config)
            .env("PATH", &path)
            .env("HOME_OF_TEST", project.folder())
            .envs(variables.iter().copied());
        process::run(&mut command, b"", Duration::from_secs(60))?.json()
    };
    for (count, (more, variables)) in (1..).zip([
        (&[][..], &[("DOCKER_HOST", by_name.as_str())][..]),
        (&[], &[("DOCKER_HOST", by_address.as_str())]),
        (&[], &[("DOCKER_CONTEXT", "by-name")]),
        (&["-H", "context:by-address"], &[]),
    ]) {
        let told = info(more, variables)?;
        let told = more.last().map_or(&told, |name| &told[*name]);
        ensure!(
            told["Name"] == host.name(),
            "{more:?} {variables:?}: {told}"
        );
        ensure!(logins()? == count, "{more:?} {variables:?}: one login each");
    }
    ensure!(!project.folder().join("called").exists(), "ssh was started");

    // An action says which engine it acts on, and acts on it.
    images::ensure(APP)?;
    host.load_image(APP)?;
    project.write("m.yaml", &format!("name: m\na: {{image: '{APP}'}}\n"))?;
    let mut command = project.command(&["startup", "a", "--map", "m.yaml", "-y"])?;
    command.env("DOCKER_HOST", &by_address);
    let done = process::run(&mut command, b"", Duration::from_secs(60))?;
    ensure!(done.status == 0, "{done:?}");
    ensure!(done.stderr.contains(&by_address), "{done:?}");
    ensure!(host.docker(&["ps", "--format", "{{.Names}}"])? == "m.a");
    Ok(())
}
