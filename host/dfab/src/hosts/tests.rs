use super::*;
use serde_json::{Value, json};

fn directory() -> Directory {
    Directory {
        clients: IndexMap::new(),
        inventory: Inventory::default(),
        presets: Presets::default(),
        options: Options::default(),
        call_timeout: CallTimeout::default(),
        docker_host: None,
        docker_context: None,
        environment: tls::Environment::default(),
        folder: PathBuf::new(),
    }
}

fn shown(place: &Place) -> String {
    let by = match &place.address {
        Address::Ssh {
            tcp: Some((host, port)),
            ..
        } => format!(" by {host}:{port}"),
        _ => String::new(),
    };
    let only = place.channel.map(|it| format!(" {it} only"));
    let tls = place.tls.as_ref().map_or("", |_| " with TLS");
    format!("{}{by}{}{tls}", place.address, only.unwrap_or_default())
}

#[test]
fn a_client_that_wants_tls_is_not_reached_without() {
    let mut directory = directory();
    let mut client = Client {
        base_url: Some("tcp://10.0.0.1".to_owned()),
        ..Client::default_client()
    };
    let place =
        |directory: &Directory, client: &Client| directory.client_place(client, "the client c");
    let unchecked = json!({ "verify": false });
    for (tls, wanted) in [
        (None, "tcp://10.0.0.1:2375"),
        (Some(Value::Bool(false)), "tcp://10.0.0.1:2375"),
        (Some(unchecked.clone()), "tcp://10.0.0.1:2376 with TLS"),
    ] {
        client.tls = tls;
        assert_eq!(shown(&place(&directory, &client).unwrap()), wanted);
    }
    // A file that is not there is told before anything is connected.
    client.tls = Some(json!({ "ca_cert": "/no/such/ca.pem" }));
    let refused = place(&directory, &client).unwrap_err().to_string();
    assert!(refused.contains("/no/such/ca.pem"), "{refused}");
    client.base_url = Some("http://10.0.0.1".to_owned());
    client.tls = Some(unchecked);
    let refused = place(&directory, &client).unwrap_err().to_string();
    assert!(refused.contains("plain text"), "{refused}");
    // The environment's wish holds for clients that say nothing.
    client.base_url = Some("tcp://10.0.0.1".to_owned());
    client.tls = None;
    directory.environment.tls = true;
    let with = place(&directory, &client).unwrap();
    assert_eq!(shown(&with), "tcp://10.0.0.1:2376 with TLS");
    client.host = Some("h".to_owned());
    let within_ssh = place(&directory, &client).unwrap();
    assert_eq!(shown(&within_ssh), "ssh://h by 10.0.0.1:2375 tcp only");
}

#[test]
fn the_command_line_says_how_long_a_call_may_take_before_the_client_and_the_project() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let mut directory = directory();
    for (given, of_client, preset, wanted) in [
        (None, None, None, None),
        (None, None, seconds(3), seconds(3)),
        (None, seconds(2), seconds(3), seconds(2)),
        (seconds(1), seconds(2), seconds(3), seconds(1)),
    ] {
        directory.call_timeout = CallTimeout { given, preset };
        let client = Client {
            name: "h".to_owned(),
            timeout: of_client,
            ..Client::default_client()
        };
        directory.clients.insert("h".to_owned(), client);
        let host = directory.host("h").unwrap();
        assert_eq!(host.client().timeout, wanted);
    }
}

#[test]
fn base_urls_are_taken_as_docker_fabric_took_them() {
    for (url, port, host, wanted) in [
        (Some("/run/x.sock"), None, None, "unix:///run/x.sock"),
        (Some("unix://run/x.sock"), None, None, "unix:///run/x.sock"),
        (
            Some("http+unix:///run/x.sock"),
            None,
            None,
            "unix:///run/x.sock",
        ),
        (Some("10.0.0.1:4243"), None, None, "tcp://10.0.0.1:4243"),
        (
            Some("tcp://10.0.0.1/v1.41"),
            Some(4243),
            None,
            "tcp://10.0.0.1:4243",
        ),
        (None, Some(4243), None, "unix:///var/run/docker.sock"),
        (None, Some(4243), Some("h"), "ssh://h by 127.0.0.1:4243"),
        (
            Some("10.0.0.2"),
            None,
            Some("h"),
            "ssh://h by 10.0.0.2:2375 tcp only",
        ),
        (None, None, Some("h"), "ssh://h"),
    ] {
        let client = Client {
            base_url: url.map(str::to_owned),
            tunnel_remote_port: port,
            host: host.map(str::to_owned),
            ..Client::default_client()
        };
        let place = directory().client_place(&client, "the client c").unwrap();
        assert_eq!(shown(&place), wanted);
    }
}

#[test]
fn urls_lead_to_engines() {
    let address = |url| {
        url_place(url, "DOCKER_HOST", None, None)
            .map(|place| place.address.to_string())
            .ok()
    };
    assert_eq!(
        address("unix:///run/x.sock").as_deref(),
        Some("unix:///run/x.sock")
    );
    assert_eq!(
        address("unix://").as_deref(),
        Some("unix:///var/run/docker.sock")
    );
    assert_eq!(
        address("tcp://10.0.0.1:2376").as_deref(),
        Some("tcp://10.0.0.1:2376")
    );
    assert_eq!(address("tcp://[::1]:99").as_deref(), Some("tcp://::1:99"));
    assert_eq!(
        address("tcp://engine").as_deref(),
        Some("tcp://engine:2375")
    );
    assert_eq!(
        address("ssh://root@h:22").as_deref(),
        Some("ssh://root@h:22")
    );
    assert_eq!(address("ftp://h"), None);
    assert_eq!(address("tcp://:1"), None);
}

#[test]
fn a_context_is_taken_where_nothing_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    // The SHA-256 of "remote", as sha256sum(1) has it.
    let id = "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a";
    write(
        &format!("contexts/meta/{id}/meta.json"),
        r#"{"Name": "remote", "Endpoints": {"docker": {"Host": "ssh://u@h"}}}"#,
    );
    let mut directory = directory();
    directory.environment.config = Some(folder.path().to_owned());
    let default = |directory: &Directory| directory.host(LOCAL).unwrap().address().to_string();
    assert_eq!(default(&directory), "unix:///var/run/docker.sock");
    write("config.json", r#"{"currentContext": "remote"}"#);
    assert_eq!(default(&directory), "ssh://u@h");
    directory.docker_context = Some("default".to_owned());
    assert_eq!(default(&directory), "unix:///var/run/docker.sock");
    directory.docker_host = Some("tcp://10.0.0.1:1".to_owned());
    directory.docker_context = Some("remote".to_owned());
    assert_eq!(default(&directory), "tcp://10.0.0.1:1");
    let named = directory.host("context:remote").unwrap();
    assert_eq!(named.address().to_string(), "ssh://u@h");
    let missing = directory.host("context:nowhere").unwrap_err().to_string();
    assert!(
        missing.contains("there is no docker context nowhere"),
        "{missing}"
    );
}
