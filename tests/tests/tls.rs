//! Engines behind TLS: certificates that are good, and what is told of those that are not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use dfab_tests::certificates::{Authority, Certificate, EXPIRED, FUTURE, VALID};
use dfab_tests::process::{self, Output, until};
use dfab_tests::{Project, TestHost};

const VERSION: [&str; 3] = ["run", "docker", "version"];

/// A host whose engine listens on TCP as well, with a certificate of its own, and wants one of clients.
struct Engine {
    host: TestHost,
    project: Project,
    authority: Authority,
}

impl Engine {
    fn start() -> Result<Self> {
        let (host, project) = Project::with_host()?;
        let engine = Self {
            host,
            project,
            authority: Authority::new("an authority of ours")?,
        };
        let address = engine.address();
        let own =
            engine
                .authority
                .sign("engine", &["engine.test", "127.0.0.1", &address], VALID)?;
        engine.listen(2376, &own)?;
        Ok(engine)
    }

    fn address(&self) -> String {
        self.host.address().to_string()
    }

    fn url(&self, port: u16) -> String {
        format!("tcp://{}:{port}", self.address())
    }

    /// Has the engine listen with that certificate, beside its socket. It is started again for it.
    fn listen(&self, port: u16, certificate: &Certificate) -> Result<()> {
        let folder = "/etc/docker/tls";
        self.host.shell(&format!("mkdir -p {folder}"))?;
        for (name, text) in [
            ("ca.pem", self.authority.pem()?),
            ("cert.pem", certificate.pem()?),
            ("key.pem", certificate.key_pem()?),
        ] {
            self.host
                .shell(&format!("cat > {folder}/{name} <<'END'\n{text}END"))?;
        }
        let configuration = serde_json::json!({
            "hosts": ["unix:///var/run/docker.sock", format!("tcp://0.0.0.0:{port}")],
            "tlsverify": true,
            "tlscacert": format!("{folder}/ca.pem"),
            "tlscert": format!("{folder}/cert.pem"),
            "tlskey": format!("{folder}/key.pem"),
        });
        self.host.shell(&format!(
            "cat > /etc/docker/daemon.json <<'END'\n{configuration}\nEND"
        ))?;
        self.host.stop_engine()?;
        self.host.start_engine()
    }

    /// What an operator of the engine has.
    fn client(&self) -> Result<Certificate> {
        self.authority.sign("an operator", &[], VALID)
    }

    /// Files by docker's names, in a folder of the project.
    fn files(&self, folder: &str, client: &Certificate, authority: &Authority) -> Result<String> {
        let folder = self.project.folder().join(folder);
        Ok(client.write(authority, &folder)?.display().to_string())
    }

    /// The version of the engine by the client `tls`, whose fields are these.
    fn by_client(&self, fields: &str, more: &[&str]) -> Result<Output> {
        self.project
            .write("clients.yaml", &format!("tls: {fields}\n"))?;
        let line = [
            &VERSION[..],
            &["-H", "tls", "--clients", "clients.yaml"],
            more,
        ]
        .concat();
        self.project.dfab(&line)
    }

    /// The version of the engine by what the environment says.
    fn by_environment(&self, variables: &[(&str, &str)]) -> Result<Output> {
        let mut command = self.project.command(&[&VERSION[..], &["-v"]].concat())?;
        command.envs(variables.iter().copied());
        process::run(&mut command, b"", Duration::from_secs(60))
    }
}

fn told(output: &Output, words: &[&str]) {
    assert_eq!(output.status, 4, "{output:?}");
    for word in words {
        assert!(
            output.stderr.contains(word),
            "{word} is not told: {}",
            output.stderr
        );
    }
}

#[test]
fn good_certificates_lead_to_the_engine_by_client_environment_and_context() -> Result<()> {
    let engine = Engine::start()?;
    let folder = engine.files("good", &engine.client()?, &engine.authority)?;
    let url = engine.url(2376);
    // By address, by one of its names, and by files that are relative to the project.
    let client = format!(
        "{{base_url: '{url}', tls: {{ca_cert: {folder}/ca.pem, client_cert: [{folder}/cert.pem, {folder}/key.pem]}}}}"
    );
    engine.by_client(&client, &[])?.success()?;
    engine.project.write("dfab.yaml", "")?;
    let client = format!(
        "{{base_url: '{url}', tls: {{ca_cert: good/ca.pem, cert: [good/cert.pem, good/key.pem], assert_hostname: engine.test}}}}"
    );
    engine.by_client(&client, &[])?.success()?;

    let address = engine.address();
    let variables = [
        ("DOCKER_HOST", url.as_str()),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", folder.as_str()),
    ];
    engine.by_environment(&variables)?.success()?;
    let https = format!("https://{address}");
    engine
        .by_environment(&[("DOCKER_HOST", &https), variables[1], variables[2]])?
        .success()?;
    // `tls: true` means docker's own files.
    engine.project.write(
        "clients.yaml",
        &format!("tls: {{base_url: '{address}', tls: true}}"),
    )?;
    let mut command = engine.project.command(&[
        "run",
        "docker",
        "version",
        "-H",
        "tls",
        "--clients",
        "clients.yaml",
    ])?;
    command.env("DOCKER_CERT_PATH", &folder);
    process::run(&mut command, b"", Duration::from_secs(60))?.success()?;

    // A context that the docker client itself has made.
    let config = engine.project.folder().join("docker");
    let docker = |line: &[&str]| {
        let mut docker = std::process::Command::new("docker");
        docker
            .args(line)
            .env("DOCKER_CONFIG", &config)
            .env_remove("DOCKER_HOST");
        process::run(&mut docker, b"", Duration::from_secs(60))
    };
    let endpoint =
        format!("host={url},ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem");
    docker(&["context", "create", "remote", "--docker", &endpoint])?.success()?;
    let dfab = |line: &[&str], variables: &[(&str, &str)]| {
        let mut command = engine.project.command(line)?;
        command
            .env("DOCKER_CONFIG", &config)
            .envs(variables.iter().copied());
        process::run(&mut command, b"", Duration::from_secs(60))
    };
    let info = ["run", "docker", "info", "--output", "json"];
    let name = engine.host.name();
    let named = dfab(&[&info[..], &["-H", "context:remote"]].concat(), &[])?.json()?;
    assert_eq!(named["context:remote"]["Name"], name);
    let current = dfab(&info, &[("DOCKER_CONTEXT", "remote")])?.json()?;
    assert_eq!(current["Name"], name);
    docker(&["context", "use", "remote"])?.success()?;
    assert_eq!(dfab(&info, &[])?.json()?["Name"], name);
    // DOCKER_HOST goes before it, as for docker.
    let host = dfab(&info, &[("DOCKER_HOST", "unix:///var/run/docker.sock")])?.json()?;
    assert_ne!(host["Name"], name);
    let missing = dfab(&info, &[("DOCKER_CONTEXT", "nowhere")])?;
    assert_eq!(missing.status, 2, "{missing:?}");
    assert!(
        missing
            .stderr
            .contains("there is no docker context nowhere"),
        "{missing:?}"
    );

    // What would be changed is said with the engine that is meant.
    let map = engine.project.write("m.yaml", "web: {image: x}\n")?;
    let map = map.display().to_string();
    let planned = dfab(&["startup", "web", "--map", &map, "--dry-run"], &[])?;
    assert!(planned.stderr.contains(&url), "{planned:?}");
    // As command lines for the docker client.
    let script = dfab(
        &["plan", "startup", "web", "--map", &map, "--format", "sh"],
        &[],
    )?
    .success()?;
    assert!(
        script.contains("--tlsverify") && script.contains("--tlscacert="),
        "{script}"
    );
    // Also where the plan itself is in the result, and nobody is asked.
    let done = dfab(
        &["startup", "web", "--map", &map, "-y", "--output", "json"],
        &[],
    )?;
    assert!(done.stderr.contains(&url), "{done:?}");
    assert_ne!(done.status, 0, "there is no such image");
    // The predecessor's settings say how the client is called.
    let line = [
        "plan",
        "startup",
        "web",
        "--map",
        &map,
        "--format",
        "sh",
        "--set",
        "docker_cli_bin=podman",
        "--set",
        "docker_cli_prefix=A=b nice -n 5",
        "--set",
        "docker_cli_sudo=yes",
        "--set",
        "docker_cli_debug=yes",
    ];
    let script = dfab(&line, &[])?;
    assert!(script.stderr.is_empty(), "{script:?}");
    let script = script.success()?;
    assert!(script.contains("\nset -eux\n"), "{script}");
    assert!(
        script.contains("env 'A=b' nice -n 5 sudo podman -H"),
        "{script}"
    );
    let misspelt = dfab(&[&line[..7], &["--set", "docker_tiemout=3"]].concat(), &[])?;
    assert!(
        misspelt.stderr.contains("did you mean docker_timeout?"),
        "{misspelt:?}"
    );
    Ok(())
}

#[test]
fn tls_is_spoken_within_ssh_and_a_tunnel_takes_it_off() -> Result<()> {
    let engine = Engine::start()?;
    let folder = engine.files("good", &engine.client()?, &engine.authority)?;
    let tls =
        format!("{{ca_cert: {folder}/ca.pem, client_cert: [{folder}/cert.pem, {folder}/key.pem]}}");
    // As the host sees it.
    let client = format!("{{host: h1, base_url: 'tcp://127.0.0.1:2376', tls: {tls}}}");
    engine.by_client(&client, &[])?.success()?;
    // Without it the engine is not spoken to, though it has a socket that is nearer.
    let plain = engine.by_client("{host: h1, base_url: 'tcp://127.0.0.1:2376'}", &[])?;
    told(&plain, &["it wants TLS"]);

    let client = format!("{{base_url: '{}', tls: {tls}}}", engine.url(2376));
    engine
        .project
        .write("clients.yaml", &format!("tls: {client}\n"))?;
    let line = [
        "tunnel",
        "tls",
        "--clients",
        "clients.yaml",
        "--",
        "docker",
        "info",
        "-f",
        "{{.Name}}",
    ];
    let name = engine.project.dfab(&line)?.success()?;
    assert_eq!(name.trim(), engine.host.name());
    Ok(())
}

#[test]
fn what_is_wrong_with_certificates_is_told_with_the_file() -> Result<()> {
    let engine = Engine::start()?;
    let (url, address) = (engine.url(2376), engine.address());
    let good = engine.files("good", &engine.client()?, &engine.authority)?;
    let stranger = Authority::new("a stranger")?;
    let client = |tls: &str| engine.by_client(&format!("{{base_url: '{url}', tls: {tls}}}"), &[]);

    // The engine's certificate, which somebody else has signed.
    let wrong = engine.files("wrong", &engine.client()?, &stranger)?;
    let output = client(&format!(
        "{{ca_cert: {wrong}/ca.pem, cert: [{good}/cert.pem, {good}/key.pem]}}"
    ))?;
    told(
        &output,
        &[&address, "an authority of ours", &format!("{wrong}/ca.pem")],
    );
    // It has other names.
    let output = client(&format!(
        "{{ca_cert: {good}/ca.pem, cert: [{good}/cert.pem, {good}/key.pem], assert_hostname: other.test}}"
    ))?;
    told(&output, &["engine.test", "not for other.test"]);
    // Ours is missing, or signed by somebody else.
    let output = client(&format!("{{ca_cert: {good}/ca.pem}}"))?;
    told(&output, &["wants a certificate of the client"]);
    let foreign = engine.files(
        "foreign",
        &stranger.sign("an operator", &[], VALID)?,
        &stranger,
    )?;
    let output = client(&format!(
        "{{ca_cert: {good}/ca.pem, cert: [{foreign}/cert.pem, {foreign}/key.pem]}}"
    ))?;
    told(
        &output,
        &[&format!("refuses the certificate {foreign}/cert.pem")],
    );
    // Without a check it is only a matter of ours.
    let unchecked = client(&format!(
        "{{verify: false, cert: [{good}/cert.pem, {good}/key.pem]}}"
    ))?;
    assert_eq!(unchecked.status, 0, "{unchecked:?}");
    assert!(unchecked.stderr.contains("not checked"), "{unchecked:?}");

    // What our files are is seen before anything is connected: it is wrong input.
    let expired = engine.authority.sign("an operator", &[], EXPIRED)?;
    let expired = engine.files("expired", &expired, &engine.authority)?;
    let future = engine.authority.sign("an operator", &[], FUTURE)?;
    let future = engine.files("future", &future, &engine.authority)?;
    fs::write(Path::new(&good).join("nothing.pem"), "nothing")?;
    for (tls, words) in [
        (
            format!("{{cert: [{expired}/cert.pem, {expired}/key.pem]}}"),
            vec!["expired/cert.pem expired on"],
        ),
        (
            format!("{{cert: [{future}/cert.pem, {future}/key.pem]}}"),
            vec!["future/cert.pem is not valid before"],
        ),
        (
            format!("{{cert: [{good}/cert.pem, {expired}/key.pem]}}"),
            vec!["expired/key.pem does not fit", "good/cert.pem"],
        ),
        (
            format!("{{ca_cert: {good}/none.pem}}"),
            vec!["good/none.pem"],
        ),
        (
            format!("{{ca_cert: {good}/nothing.pem}}"),
            vec!["good/nothing.pem has no certificate"],
        ),
        (
            format!("{{cert: [{good}/cert.pem, {good}/nothing.pem]}}"),
            vec!["good/nothing.pem has no private key"],
        ),
        ("{ca: x}".to_owned(), vec!["ca"]),
    ] {
        let output = client(&tls)?;
        assert_eq!(output.status, 2, "{tls}: {output:?}");
        for word in words {
            assert!(output.stderr.contains(word), "{word}: {output:?}");
        }
    }
    let empty = engine.project.folder().join("empty");
    fs::create_dir(&empty)?;
    let empty = empty.display().to_string();
    let variables = [
        ("DOCKER_HOST", url.as_str()),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", &empty),
    ];
    let output = engine.by_environment(&variables)?;
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("ca.pem"), "{output:?}");

    // An engine whose certificate is of the past, and one that speaks no TLS there.
    let old = engine
        .authority
        .sign("engine", &["127.0.0.1", &address], EXPIRED)?;
    engine.listen(2376, &old)?;
    let output = client(&format!(
        "{{ca_cert: {good}/ca.pem, cert: [{good}/cert.pem, {good}/key.pem]}}"
    ))?;
    told(&output, &[&address, "expired on"]);
    engine
        .host
        .shell("socat TCP-LISTEN:2399,fork UNIX:/run/docker.sock > /dev/null 2>&1 &")?;
    until(Duration::from_secs(10), || {
        let plain = engine.by_client(&format!("{{base_url: '{}'}}", engine.url(2399)), &[])?;
        ensure!(plain.status == 0, "{plain:?}");
        Ok(())
    })?;
    let output = engine.by_client(
        &format!(
            "{{base_url: '{}', tls: {{ca_cert: {good}/ca.pem}}}}",
            engine.url(2399)
        ),
        &[],
    )?;
    told(&output, &["does not answer in TLS"]);
    Ok(())
}
