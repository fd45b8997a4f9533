//! What carries bundles: web servers and registries.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use dfab_tests::artifact_registry::{ArtifactRegistry, PASSWORD, USER, Wants};
use dfab_tests::certificates::{Authority, Certificate, EXPIRED, VALID};
use dfab_tests::process;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;
use serde_json::{Value, json};

use crate::scene::{Scene, assert_told};

/// Serves the files of a folder on this machine until the test ends; its address. What is asked for below
/// `to/` is found at the address in the file `to`, as the answer says.
fn serve(folder: PathBuf) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(&folder, stream).ok();
        }
    });
    Ok(address)
}

/// The same with TLS.
fn serve_encrypted(folder: PathBuf, certificate: &Certificate) -> Result<String> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    acceptor.set_certificate(&*X509::from_pem(certificate.pem()?.as_bytes())?)?;
    let key = PKey::private_key_from_pem(certificate.key_pem()?.as_bytes())?;
    acceptor.set_private_key(&key)?;
    let acceptor = acceptor.build();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = format!("https://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Ok(stream) = acceptor.accept(stream) {
                answer(&folder, stream).ok();
            }
        }
    });
    Ok(address)
}

fn answer(folder: &Path, stream: impl Read + Write) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut header = String::new();
    while stream.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = line.split(' ').nth(1).context("a path")?;
    let path = path.trim_start_matches('/');
    let (status, body) = match (path.strip_prefix("to/"), fs::read(folder.join(path))) {
        (Some(name), _) => {
            let place = fs::read_to_string(folder.join("to"))?;
            (format!("302 Found\r\nLocation: {place}/{name}"), Vec::new())
        }
        (None, Ok(body)) => ("200 OK".to_owned(), body),
        (None, Err(_)) => ("404 Not Found".to_owned(), Vec::new()),
    };
    let length = body.len();
    let stream = stream.get_mut();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    Ok(stream.flush()?)
}

#[test]
fn a_web_server_must_be_who_its_certificate_says() -> Result<()> {
    let mut scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene
        .dfab(&["bundle", "sign", &file, "--key", "author"])?
        .success()?;
    scene.trust("signed")?;
    let authority = Authority::new("web servers of tests")?;
    let other = Authority::new("web servers of others")?;
    let folder = || scene.project.folder().to_owned();
    let good = authority.sign("web", &["127.0.0.1"], VALID)?;
    let address = serve_encrypted(folder(), &good)?;
    let wrong_name = authority.sign("web", &["web.example.com"], VALID)?;
    let wrong_name = serve_encrypted(folder(), &wrong_name)?;
    let expired = authority.sign("web", &["127.0.0.1"], EXPIRED)?;
    let expired = serve_encrypted(folder(), &expired)?;
    let plain = serve(folder())?;
    let (own, others) = (scene.path("own.pem"), scene.path("others.pem"));
    fs::write(&own, authority.pem()?)?;
    fs::write(&others, other.pem()?)?;
    let url = format!("{address}/{file}");

    let verbs = [["plugin", "add"], ["bundle", "install"]];
    let refused = |scene: &Scene, url: &str, wanted: &str| -> Result<()> {
        for verb in verbs {
            let output = scene.dfab(&[&verb[..], &[url, "-y"]].concat())?;
            ensure!(
                output.status == 4 && output.stderr.contains(wanted),
                "{wanted:?}: {output:?}"
            );
        }
        ensure!(!scene.path("dfab.lock").exists(), "something was added");
        Ok(())
    };
    // The authorities of the system, and another one.
    refused(&scene, &url, "certificate verify failed")?;
    scene.authority = Some(others);
    refused(&scene, &url, "certificate verify failed")?;
    scene.authority = Some(own);
    refused(&scene, &format!("{wrong_name}/{file}"), "certificate")?;
    refused(
        &scene,
        &format!("{expired}/{file}"),
        "certificate has expired",
    )?;
    // From there to an address that is not encrypted, even on this machine; elsewhere it is as good.
    scene.project.write("to", &plain)?;
    let elsewhere = format!("{address}/to/{file}");
    let insecure = "it leads to an address that is not encrypted";
    refused(&scene, &elsewhere, insecure)?;
    scene.project.write("to", "http://example.com")?;
    refused(&scene, &elsewhere, insecure)?;
    scene.project.write("to", &address)?;
    scene
        .dfab(&["plugin", "add", &elsewhere, "-y"])?
        .success()?;
    scene.dfab(&["plugin", "remove", "acme-one"])?.success()?;

    for verb in verbs {
        scene
            .dfab(&[&verb[..], &[&url, "-y"]].concat())?
            .success()?;
        assert_eq!(scene.lock()?["plugins"]["acme-one"]["source"], url);
        ensure!(scene.lock()?["plugins"]["acme-one"]["signed_by"].is_string());
        scene.dfab(&["run", "acme-one"])?.success()?;
        scene.dfab(&["plugin", "remove", "acme-one"])?.success()?;
        fs::remove_dir_all(scene.path("data"))?;
    }
    // From one that is not encrypted to one that is.
    let upwards = format!("{plain}/to/{file}");
    scene.dfab(&["plugin", "add", &upwards, "-y"])?.success()?;
    Ok(())
}

#[test]
fn a_web_server_is_as_good_as_a_file() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene
        .dfab(&["bundle", "sign", &file, "--key", "author"])?
        .success()?;
    scene.trust("signed")?;
    let address = serve(scene.project.folder().to_owned())?;
    let url = format!("{address}/{file}");
    scene.dfab(&["plugin", "add", &url, "-y"])?.success()?;
    assert_eq!(scene.lock()?["plugins"]["acme-one"]["source"], url);
    scene.dfab(&["run", "acme-one"])?.success()?;
    // The same from the file is the same plugin from elsewhere.
    let moved = scene.dfab(&["plugin", "add", &file, "-y"])?;
    assert_told(&moved, &format!("! from {file} instead of {url}"))?;
    // The signature has gone from the server.
    fs::remove_file(scene.path(&format!("{file}.sig.jsonl")))?;
    fs::remove_dir_all(scene.path("data"))?;
    assert_told(
        &scene.dfab(&["plugin", "add", &url, "-y"])?,
        "there is no signature",
    )?;
    let nothing = scene.dfab(&["plugin", "info", &format!("{address}/nothing")])?;
    ensure!(
        nothing.status == 1 && nothing.stderr.contains("404"),
        "{nothing:?}"
    );
    assert_told(
        &scene.dfab(&["plugin", "info", "http://example.com/x.wasm"])?,
        "by https only",
    )
}

/// The manifest, or other JSON, under an address of a registry.
pub(crate) fn fetched(scene: &Scene, url: &str) -> Result<Value> {
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-sSf",
        "-H",
        "Accept: application/vnd.oci.image.manifest.v1+json",
        url,
    ]);
    if let Some(authority) = &scene.authority {
        curl.arg("--cacert")
            .arg(authority)
            .args(["-u", &format!("{USER}:{PASSWORD}")]);
    }
    process::run(&mut curl, b"", Duration::from_secs(10))?.json()
}

#[test]
fn a_registry_with_tls_and_a_password_carries_bundles_and_signatures() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants {
        tls: true,
        login: true,
    })?;
    let mut scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene
        .dfab(&["bundle", "sign", &file, "--key", "author"])?
        .success()?;
    scene
        .dfab(&["bundle", "vet", &file, "--key", "reviewer", "-y"])?
        .success()?;
    let place = format!("oci://{}/acme/one:1.0.0", registry.address());

    let unknown = scene.dfab(&["bundle", "push", &file, &place])?;
    ensure!(
        unknown.status == 4 && unknown.stderr.contains("certificate"),
        "{unknown:?}"
    );
    scene.authority = Some(registry.authority());
    let anybody = scene.dfab(&["bundle", "push", &file, &place])?;
    ensure!(anybody.status == 1, "{anybody:?}");
    ensure!(
        anybody.stderr.contains("refuses anybody without a login"),
        "{}",
        anybody.stderr
    );
    let login = |password: &str| {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
        let config = json!({ "auths": { registry.address(): { "auth": auth } } });
        scene
            .project
            .write("docker/config.json", &config.to_string())
    };
    login("guessed")?;
    let wrong = scene.dfab(&["bundle", "push", &file, &place])?;
    ensure!(
        wrong.stderr.contains("refuses the login"),
        "{}",
        wrong.stderr
    );
    login(PASSWORD)?;
    let pushed = scene.dfab(&["bundle", "push", &file, &place])?.success()?;
    ensure!(pushed.starts_with(&format!("{place}@sha256:")), "{pushed}");
    // Once more: nothing is there twice.
    assert_eq!(
        scene.dfab(&["bundle", "push", &file, &place])?.success()?,
        pushed
    );

    let there = fetched(
        &scene,
        &format!("https://{}/v2/acme/one/manifests/1.0.0", registry.address()),
    )?;
    assert_eq!(
        there["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    let layers = there["layers"].as_array().context("layers")?;
    assert_eq!(layers.len(), 1);
    assert_eq!(there["layers"][0]["mediaType"], "application/wasm");

    let pull = ["bundle", "pull", &place, "--to", "pulled.tar"];
    scene.dfab(&pull)?.success()?;
    ensure!(
        fs::read(scene.path("pulled.tar"))? == fs::read(scene.path(&file))?,
        "other bytes"
    );
    let signatures = fs::read_to_string(scene.path("pulled.tar.sig.jsonl"))?;
    assert_eq!(signatures.lines().count(), 2);

    scene.trust("vetted")?;
    scene.dfab(&["plugin", "add", &place, "-y"])?.success()?;
    let source = scene.lock()?["plugins"]["acme-one"]["source"].clone();
    assert_eq!(source, pushed.trim());
    scene.dfab(&["run", "acme-one"])?.success()?;
    let told = format!("{anybody:?}{wrong:?}");
    ensure!(
        !told.contains("guessed") && !told.contains(PASSWORD),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_tag_that_moved_brings_nothing_by_itself() -> Result<()> {
    let registry = ArtifactRegistry::start(Wants::default())?;
    let scene = Scene::new()?;
    let place = format!("oci://{}/acme/one:latest", registry.address());
    let one = scene.pack("acme-one", "1.0.0", &[])?;
    scene.dfab(&["bundle", "push", &one, &place])?.success()?;
    scene.dfab(&["plugin", "add", &place, "-y"])?.success()?;
    let before = scene.lock()?;

    // Other bytes as the same version, under the same tag.
    let other = scene.pack("acme-one", "1.0.0", &[("settings.read", "token")])?;
    scene.dfab(&["bundle", "push", &other, &place])?.success()?;
    fs::remove_dir_all(scene.path("data"))?;
    scene.dfab(&["plugin", "install"])?.success()?;
    scene.dfab(&["run", "acme-one"])?.success()?;
    assert_eq!(scene.lock()?, before);
    let stopped = scene.dfab(&["plugin", "add", &place, "-y"])?;
    assert_told(&stopped, "! other bytes as version 1.0.0")?;
    assert_told(&stopped, "+ acme-one: settings.read token")?;

    // A registry that gives other bytes than it says.
    let digest = before["plugins"]["acme-one"]["components"]["acme-one"]["digest"].clone();
    let hex = digest
        .as_str()
        .context("a digest")?
        .trim_start_matches("sha256:")
        .to_owned();
    let first: String = hex.chars().take(2).collect();
    let blob = registry.storage().join(format!(
        "docker/registry/v2/blobs/sha256/{first}/{hex}/data"
    ));
    let mut bytes = fs::read(&blob)?;
    bytes.reverse();
    fs::write(&blob, bytes)?;
    fs::remove_dir_all(scene.path("data"))?;
    let changed = scene.dfab(&["plugin", "install"])?;
    ensure!(changed.status == 1, "{changed:?}");
    ensure!(
        changed.stderr.contains("other bytes than sha256:"),
        "{}",
        changed.stderr
    );
    assert_told(&scene.dfab(&["run", "acme-one"])?, "is not on this machine")
}

#[test]
fn only_what_is_trusted_and_starts_is_installed() -> Result<()> {
    let scene = Scene::new()?;
    for name in ["acme-one", "acme-two"] {
        let file = scene.pack(name, "1.0.0", &[])?;
        scene.dfab(&["plugin", "add", &file, "-y"])?.success()?;
    }
    let lock = scene.lock()?;
    let digest = lock["plugins"]["acme-one"]["digest"].as_str();
    let digest = digest.context("a digest")?;
    let bundles = scene.path("data/dfab/bundles");
    let install = || scene.dfab(&["plugin", "install"]);
    let list = format!("{digest}  sends everything home\n");
    scene.project.write("revoked.txt", &list)?;
    scene
        .project
        .write("dfab.yaml", "trust: {revoked: revoked.txt}\n")?;
    // What is there is judged as well, and the other one is not concerned.
    for wanted in ["acme-two 1.0.0 is there", "acme-two 1.0.0 installed"] {
        let told = install()?;
        assert_told(&told, "is revoked: sends everything home")?;
        assert_told(&told, "dfab plugin remove acme-one")?;
        assert_told(&told, wanted)?;
        if wanted.ends_with("is there") {
            fs::remove_dir_all(&bundles)?;
        }
    }
    let stored = bundles.join(digest.trim_start_matches("sha256:"));
    ensure!(!stored.exists(), "what is revoked was stored");
    fs::remove_dir_all(&bundles)?;

    scene.trust("signed")?;
    let told = install()?;
    assert_told(
        &told,
        "acme-two is not installed: it is not signed by anybody",
    )?;
    scene
        .project
        .write("dfab.yaml", "limits: {memory: 64KiB}\n")?;
    let told = install()?;
    assert_told(
        &told,
        "acme-two is not installed: the component acme-two does not start",
    )?;
    ensure!(!bundles.exists(), "something was stored");
    scene.project.write("dfab.yaml", "{}\n")?;
    install()?.success()?;
    scene.dfab(&["run", "acme-two"])?.success().map(drop)
}
