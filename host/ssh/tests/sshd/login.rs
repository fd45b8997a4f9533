//! Logging in on a real sshd.

use std::sync::Arc;
use std::time::Duration;

use crate::server::{Agent, Script, Server, chain, keygen};
use dfab_ssh::{Connector, Session, Target};

async fn says(session: &Session, line: &str) -> String {
    let output = session
        .run(line, None, Duration::from_secs(20), 1 << 20)
        .await;
    String::from_utf8(output.unwrap().stdout).unwrap()
}

async fn refused(target: &Target) -> String {
    let error = Session::connect(target)
        .await
        .expect_err("nobody is let in");
    chain(&error)
}

#[tokio::test]
async fn keys_of_all_types_and_formats_log_in() {
    let server = Server::start("");
    let folder = server.folder();
    let mut authorized = String::new();
    let kinds: [(&str, &[&str]); 6] = [
        ("ed25519", &["-t", "ed25519"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("rsa-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("p384-pkcs8", &["-t", "ecdsa", "-b", "384", "-m", "PKCS8"]),
    ];
    for (name, kind) in kinds {
        keygen(folder, &[&["-N", "", "-f", name][..], kind].concat());
        authorized += &std::fs::read_to_string(folder.join(format!("{name}.pub"))).unwrap();
    }
    std::fs::write(folder.join("authorized_keys"), authorized).unwrap();
    for (name, _) in kinds {
        for without_public in [false, true] {
            if without_public {
                std::fs::remove_file(folder.join(format!("{name}.pub"))).unwrap();
            }
            let mut target = server.target(name);
            target.identity_files = vec![folder.join(name)];
            let session = Session::connect(&target).await;
            let session = session.unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
            assert_eq!(says(&session, "echo here").await, "here\n", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_once_whoever_connects() {
    let server = Server::start("");
    let folder = server.folder();
    for (name, kind) in [("ed25519", "ed25519"), ("rsa", "rsa")] {
        keygen(folder, &["-t", kind, "-N", "open sesame", "-f", name]);
        std::fs::copy(
            folder.join(format!("{name}.pub")),
            folder.join("authorized_keys"),
        )
        .unwrap();
        let script = Script::new(&["wrong", "open sesame"]);
        let connector = Connector::new(Arc::new(script.clone()));
        let mut target = server.target(name);
        target.identity_files = vec![folder.join("user"), folder.join(name)];
        let connections = (0..6).map(|_| {
            let (connector, target) = (connector.clone(), target.clone());
            tokio::spawn(async move { connector.connect(&target).await })
        });
        for connection in connections.collect::<Vec<_>>() {
            let session = connection.await.unwrap().unwrap();
            assert_eq!(says(&session, "echo here").await, "here\n");
        }
        assert_eq!(script.asked().len(), 2, "{:?}", script.asked());
        assert!(script.asked()[0].contains(&folder.join(name).display().to_string()));
    }
}

#[tokio::test]
async fn nobody_is_asked_about_a_key_that_the_server_refuses() {
    let server = Server::start("");
    keygen(
        server.folder(),
        &["-t", "ed25519", "-N", "secret", "-f", "other"],
    );
    let script = Script::new(&[]);
    let mut target = server.target("h");
    target.identity_files = vec![server.folder().join("other"), server.folder().join("user")];
    let session = Connector::new(Arc::new(script.clone()))
        .connect(&target)
        .await;
    session.unwrap();
    assert_eq!(script.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_lists_every_way_and_its_answer() {
    let server = Server::start("KbdInteractiveAuthentication no\nPasswordAuthentication yes");
    let folder = server.folder();
    keygen(folder, &["-t", "ed25519", "-N", "", "-f", "stranger"]);
    keygen(folder, &["-t", "ed25519", "-N", "secret", "-f", "closed"]);
    let public = std::fs::read_to_string(folder.join("closed.pub")).unwrap();
    std::fs::write(folder.join("authorized_keys"), public).unwrap();
    std::fs::write(folder.join("broken"), "no key").unwrap();
    keygen(folder, &["-t", "ed25519", "-N", "", "-f", "open"]);
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(folder.join("open"), everybody).unwrap();
    let agent = Agent::start(folder, &["user"]);
    let mut target = server.target("h");
    target.identity_agent = Some(agent.socket.clone());
    target.identity_files = ["stranger", "closed", "broken", "open", "absent"]
        .map(|name| folder.join(name))
        .to_vec();
    let error = refused(&target).await;
    let shown = |name: &str| folder.join(name).display().to_string();
    for words in [
        "the agent's key ".to_owned(),
        format!("{}: refused", shown("stranger")),
        format!(
            "{}: the key is encrypted, and there is no terminal",
            shown("closed")
        ),
        format!("{}: there is no key in it", shown("broken")),
        format!(
            "{}: others may read it, and it is not used; chmod 600 ",
            shown("open")
        ),
        "password: there is no terminal to ask at".to_owned(),
        "the server takes: publickey,password".to_owned(),
    ] {
        assert!(error.contains(&words), "{words} is not in {error}");
    }
    assert!(
        !error.contains("absent") && !error.contains("secret"),
        "{error}"
    );

    // BatchMode asks nobody, whoever is there.
    target.batch = true;
    let script = Script::new(&["secret"]);
    let error = Connector::new(Arc::new(script.clone()))
        .connect(&target)
        .await;
    let error = chain(&error.err().unwrap());
    assert!(
        error.contains("BatchMode") && script.asked().is_empty(),
        "{error}"
    );

    // A person who gives up is not asked again for the same key.
    target.batch = false;
    let script = Script::new(&[]);
    let connector = Connector::new(Arc::new(script.clone()));
    for _ in 0..2 {
        let error = chain(&connector.connect(&target).await.err().unwrap());
        assert!(error.contains("was not answered"), "{error}");
    }
    assert_eq!(
        script.asked().len(),
        2,
        "one key, one password: {:?}",
        script.asked()
    );
}

#[tokio::test]
async fn agents_are_used_as_identities_only_says() {
    let server = Server::start("MaxAuthTries 3");
    let folder = server.folder();
    let others = ["a", "b", "c", "d", "e"];
    for name in others {
        keygen(folder, &["-t", "ed25519", "-N", "", "-f", name]);
    }
    let agent = Agent::start(folder, &["a", "b", "c", "d", "e", "user"]);
    std::fs::remove_file(folder.join("user")).unwrap();
    let mut target = server.target("h");
    target.identity_agent = Some(agent.socket.clone());

    // The key that is named comes first, though only its public half is here.
    let session = Session::connect(&target).await.unwrap();
    assert_eq!(says(&session, "echo here").await, "here\n");
    target.identities_only = true;
    Session::connect(&target).await.unwrap();

    target.identity_files = vec![folder.join("a")];
    let error = refused(&target).await;
    assert!(
        error.contains("the agent's key") && !error.contains("/b"),
        "{error}"
    );

    // The server loses patience before the right key has its turn.
    target.identities_only = false;
    target.identity_files = Vec::new();
    let error = refused(&target).await;
    assert!(
        error.contains("MaxAuthTries") && error.contains("IdentitiesOnly"),
        "{error}"
    );

    target.identity_agent = Some(folder.join("no-agent"));
    let error = refused(&target).await;
    assert!(
        error.contains("the agent at ") && error.contains("no-agent"),
        "{error}"
    );
}

#[tokio::test]
async fn certificates_log_in_from_files_and_from_the_agent() {
    let server = Server::start("TrustedUserCAKeys FOLDER/authority.pub\nMaxAuthTries 20");
    let folder = server.folder();
    std::fs::write(folder.join("authorized_keys"), "").unwrap();
    keygen(folder, &["-t", "ed25519", "-N", "", "-f", "authority"]);
    let name = crate::server::user();
    for (key, kind) in [
        ("ed25519", &["-t", "ed25519"][..]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
    ] {
        keygen(folder, &[&["-N", "", "-f", key][..], kind].concat());
        let mut target = server.target(key);
        target.identity_files = vec![folder.join(key)];
        let error = refused(&target).await;
        assert!(error.contains("refused"), "{error}");

        // Beside the key, then elsewhere.
        let file = format!("{key}.pub");
        keygen(folder, &["-s", "authority", "-I", key, "-n", &name, &file]);
        Session::connect(&target)
            .await
            .unwrap_or_else(|error| panic!("{key}: {}", chain(&error)));
        std::fs::rename(
            folder.join(format!("{key}-cert.pub")),
            folder.join("elsewhere"),
        )
        .unwrap();
        refused(&target).await;
        target.certificate_files = vec![folder.join("elsewhere")];
        Session::connect(&target)
            .await
            .unwrap_or_else(|error| panic!("{key}: {}", chain(&error)));

        // An agent gets the certificate with the key.
        std::fs::rename(
            folder.join("elsewhere"),
            folder.join(format!("{key}-cert.pub")),
        )
        .unwrap();
        let agent = Agent::start(folder, &[key]);
        let mut target = server.target(key);
        target.identity_agent = Some(agent.socket.clone());
        target.identity_files = Vec::new();
        Session::connect(&target)
            .await
            .unwrap_or_else(|error| panic!("{key}: {}", chain(&error)));
        drop(agent);
        std::fs::remove_file(folder.join("agent")).ok();
    }
    assert_eq!(server.logins(), 12, "each key three times");
}
