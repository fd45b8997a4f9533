//! What known_hosts says of a real sshd.

use std::process::Command;
use std::sync::Arc;

use crate::server::{Script, Server, chain, keygen};
use dfab_ssh::{Connector, HostKeyChecking, Session, Target};

fn knowing(server: &Server, name: &str, lines: &[String]) -> Target {
    let mut target = server.target(name);
    target.host_key_checking = HostKeyChecking::Strict;
    std::fs::write(&target.user_known_hosts[0], lines.join("\n") + "\n").unwrap();
    target
}

async fn refused(target: &Target) -> String {
    chain(
        &Session::connect(target)
            .await
            .expect_err("the host is not trusted"),
    )
}

async fn trusted(target: &Target) {
    Session::connect(target)
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
}

#[tokio::test]
async fn a_host_with_several_keys_shows_the_one_that_is_known() {
    let server = Server::with_keys(&["ed25519", "ecdsa", "rsa"], "");
    let name = server.known_name();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let line = format!("{name} {}", server.public(&format!("host_{kind}")));
        let target = knowing(&server, kind, &[line]);
        trusted(&target).await;
        // The same with the name hashed.
        let mut hash = Command::new("ssh-keygen");
        hash.arg("-H").arg("-f").arg(&target.user_known_hosts[0]);
        assert!(hash.output().unwrap().status.success());
        let text = std::fs::read_to_string(&target.user_known_hosts[0]).unwrap();
        assert!(text.starts_with("|1|"), "{text}");
        trusted(&target).await;
        // The same in the system's file.
        let mut target = target;
        target.global_known_hosts = std::mem::take(&mut target.user_known_hosts);
        trusted(&target).await;
    }
    // A line without the port counts as long as there is none with it.
    let line = format!("127.0.0.* {}", server.public("host_rsa"));
    trusted(&knowing(&server, "plain", &[line])).await;
    let line = format!("127.0.0.*,!127.0.0.1 {}", server.public("host_rsa"));
    let error = refused(&knowing(&server, "excluded", &[line])).await;
    assert!(error.contains("not known"), "{error}");
}

#[tokio::test]
async fn a_changed_key_is_refused_with_the_command_that_forgets_it() {
    let server = Server::start("");
    let other = Server::start("");
    let name = server.known_name();
    let line = format!("{name} {}", other.public("host_ed25519"));
    let mut target = knowing(&server, "h", &["# comment".to_owned(), line]);
    for checking in [
        HostKeyChecking::Strict,
        HostKeyChecking::Ask,
        HostKeyChecking::AcceptNew,
    ] {
        target.host_key_checking = checking;
        let error = refused(&target).await;
        let file = target.user_known_hosts[0].display().to_string();
        for words in [
            "HAS CHANGED",
            &format!(
                "{file}:2 has ssh-ed25519 {}",
                other.fingerprint("host_ed25519")
            ),
            &server.fingerprint("host_ed25519"),
        ] {
            assert!(error.contains(words), "{words} is not in {error}");
        }
        let command = error.split("forget the old key: ").nth(1).unwrap();
        if checking == HostKeyChecking::AcceptNew {
            let output = Command::new("sh").args(["-c", command]).output().unwrap();
            assert!(output.status.success(), "{command}: {output:?}");
            trusted(&target).await;
        }
    }
    // With the checks off the connection is made, but gets no password.
    let line = format!("{name} {}", other.public("host_ed25519"));
    let mut target = knowing(&server, "off", &[line]);
    target.host_key_checking = HostKeyChecking::Off;
    trusted(&target).await;
    let asking = Server::start("PasswordAuthentication yes");
    let line = format!("{} {}", asking.known_name(), other.public("host_ed25519"));
    let mut target = knowing(&asking, "off", &[line]);
    target.host_key_checking = HostKeyChecking::Off;
    target.identity_files = Vec::new();
    let script = Script::new(&["a password"]);
    let error = Connector::new(Arc::new(script.clone()))
        .connect(&target)
        .await;
    let error = chain(&error.err().unwrap());
    assert!(error.contains("it gets no password"), "{error}");
    assert!(script.asked().is_empty(), "{:?}", script.asked());
}

#[tokio::test]
async fn revoked_keys_are_refused_whatever_else_is_known() {
    let server = Server::with_keys(&["ed25519", "rsa"], "");
    let name = server.known_name();
    let key = server.public("host_ed25519");
    let lines = [format!("{name} {key}"), format!("@revoked * {key}")];
    let mut target = knowing(&server, "h", &lines);
    for checking in [HostKeyChecking::Strict, HostKeyChecking::Off] {
        target.host_key_checking = checking;
        let error = refused(&target).await;
        assert!(
            error.contains("revoked by") && error.contains(":2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn revoked_host_keys_are_a_file_of_keys() {
    let server = Server::with_keys(&["ed25519"], "");
    let key = server.public("host_ed25519");
    let line = format!("{} {key}", server.known_name());
    let mut target = knowing(&server, "h", &[line]);
    let file = server.folder().join("revoked");
    target.revoked_host_keys = vec![file.clone()];
    let other = server.public("user");
    std::fs::write(&file, format!("# stolen\n\n{other} joe\n")).unwrap();
    trusted(&target).await;
    std::fs::write(&file, format!("# stolen\n\n{other} joe\n{key} web1\n")).unwrap();
    for checking in [HostKeyChecking::Strict, HostKeyChecking::Off] {
        target.host_key_checking = checking;
        let error = refused(&target).await;
        let place = format!("{}:4 (RevokedHostKeys)", file.display());
        assert!(error.contains(&place), "{error}");
    }
    // Where nobody can say what is revoked, nobody is trusted: no key, half a list of ssh-keygen's, no file.
    std::fs::write(&file, format!("{other}\nnonsense\n")).unwrap();
    let error = refused(&target).await;
    assert!(
        error.contains("RevokedHostKeys") && error.contains("line 2"),
        "{error}"
    );
    let krl = server.folder().join("krl");
    target.revoked_host_keys = vec![krl.clone()];
    keygen(server.folder(), &["-k", "-f", "krl", "user.pub"]);
    trusted(&target).await;
    keygen(
        server.folder(),
        &["-k", "-u", "-f", "krl", "host_ed25519.pub"],
    );
    let error = refused(&target).await;
    let place = format!("{} (RevokedHostKeys)", krl.display());
    assert!(error.contains(&place), "{error}");
    // One that does not end as it should revokes everything.
    keygen(server.folder(), &["-k", "-f", "krl", "user.pub"]);
    let list = std::fs::read(&krl).unwrap();
    std::fs::write(&krl, &list[..list.len() - 1]).unwrap();
    let error = refused(&target).await;
    for words in ["RevokedHostKeys", "/krl", "KRL", "ssh-keygen -k"] {
        assert!(error.contains(words), "{words} is not in {error}");
    }
    target.revoked_host_keys = vec![server.folder().join("missing")];
    let error = refused(&target).await;
    assert!(
        error.contains("RevokedHostKeys") && error.contains("/missing"),
        "{error}"
    );
}

#[tokio::test]
async fn new_keys_are_accepted_as_the_configuration_says() {
    let server = Server::start("");
    let fingerprint = server.fingerprint("host_ed25519");
    let mut target = knowing(&server, "strict", &[]);
    let error = refused(&target).await;
    for words in [
        "not known",
        &fingerprint,
        &server.public("host_ed25519"),
        "ssh-keygen -lf",
    ] {
        assert!(error.contains(words), "{words} is not in {error}");
    }
    // The line that the error proposes is the right one.
    let line = error.split(": ").last().unwrap().to_owned();
    trusted(&knowing(&server, "proposed", &[line])).await;

    // Ask: nobody is there; no; yes; the fingerprint.
    target.host_key_checking = HostKeyChecking::Ask;
    let error = refused(&target).await;
    assert!(error.contains("not known"), "{error}");
    let ask = async |answer: &str| {
        let mut target = knowing(&server, "ask", &[]);
        target.host_key_checking = HostKeyChecking::Ask;
        let script = Script::new(&[answer]);
        let result = Connector::new(Arc::new(script.clone()))
            .connect(&target)
            .await;
        assert!(
            script.asked()[0].contains(&fingerprint),
            "{:?}",
            script.asked()
        );
        let remembered = std::fs::read_to_string(&target.user_known_hosts[0]).unwrap();
        (
            result,
            remembered.contains(&server.public("host_ed25519")),
            target,
        )
    };
    let (result, remembered, _) = ask("no").await;
    let error = chain(&result.err().unwrap());
    assert!(error.contains("was not accepted") && !remembered, "{error}");
    for answer in ["yes", &fingerprint] {
        let (result, remembered, mut target) = ask(answer).await;
        assert!(result.is_ok() && remembered, "{answer}");
        target.host_key_checking = HostKeyChecking::Strict;
        trusted(&target).await;
    }

    // Accepted without asking, hashed.
    let mut target = knowing(&server, "new", &[]);
    std::fs::remove_file(&target.user_known_hosts[0]).unwrap();
    target.hash_known_hosts = true;
    target.host_key_checking = HostKeyChecking::AcceptNew;
    trusted(&target).await;
    let text = std::fs::read_to_string(&target.user_known_hosts[0]).unwrap();
    assert!(text.starts_with("|1|"), "{text}");
    target.host_key_checking = HostKeyChecking::Strict;
    trusted(&target).await;
}

#[tokio::test]
async fn authorities_vouch_for_hosts() {
    let types = ["ed25519", "ecdsa", "rsa"];
    let certificates: String = types
        .iter()
        .map(|kind| format!("HostCertificate FOLDER/host_{kind}-cert.pub\n"))
        .collect();
    // sshd reads its certificates when it starts, so they are made of keys that another one made.
    let maker = Server::with_keys(&types, "");
    let folder = maker.folder();
    keygen(folder, &["-t", "ecdsa", "-N", "", "-f", "authority"]);
    for (kind, principals) in [
        ("ed25519", "web1,127.0.0.1"),
        ("ecdsa", "web1"),
        ("rsa", "web1"),
    ] {
        let file = format!("host_{kind}.pub");
        keygen(
            folder,
            &["-s", "authority", "-h", "-I", "x", "-n", principals, &file],
        );
    }
    let folder = folder.display().to_string();
    for kind in types {
        let keys = format!("HostKey {folder}/host_{kind}\n{certificates}");
        let server = Server::with_keys(&[], &keys.replace("FOLDER", &folder));
        let authority = format!("@cert-authority * {}", maker.public("authority"));
        let mut target = knowing(&server, kind, std::slice::from_ref(&authority));
        target.host_key_alias = Some("web1".to_owned());
        trusted(&target).await;

        // A name for which it does not vouch.
        target.host_key_alias = Some("web2".to_owned());
        let error = refused(&target).await;
        assert!(
            error.contains("certificate does not count: it is for"),
            "{error}"
        );
        // Its plain key counts all the same, where it is known.
        let plain = format!("web2 {}", maker.public(&format!("host_{kind}")));
        std::fs::write(
            &target.user_known_hosts[0],
            format!("{authority}\n{plain}\n"),
        )
        .unwrap();
        trusted(&target).await;

        // Another authority; a revoked one.
        target.host_key_alias = Some("web1".to_owned());
        let other = format!("@cert-authority * {}\n", maker.public("user"));
        std::fs::write(&target.user_known_hosts[0], &other).unwrap();
        let error = refused(&target).await;
        assert!(error.contains("who signed it"), "{error}");
        let revoked = format!("@revoked * {}\n{authority}\n", maker.public("authority"));
        std::fs::write(&target.user_known_hosts[0], &revoked).unwrap();
        let error = refused(&target).await;
        assert!(error.contains("revoked by"), "{error}");
        // The same by a file of revoked keys, of the authority and of the key that it vouches for.
        std::fs::write(&target.user_known_hosts[0], format!("{authority}\n")).unwrap();
        trusted(&target).await;
        for name in ["authority".to_owned(), format!("host_{kind}")] {
            let file = server.folder().join("revoked");
            std::fs::write(&file, maker.public(&name)).unwrap();
            target.revoked_host_keys = vec![file];
            let error = refused(&target).await;
            assert!(error.contains("(RevokedHostKeys)"), "{name}: {error}");
        }
        // A binary list knows certificates by the name that the authority gave them, too.
        let krl = server.folder().join("krl");
        target.revoked_host_keys = vec![krl.clone()];
        let signer = maker.folder().join("authority.pub").display().to_string();
        let krl = krl.display().to_string();
        for (name, is_revoked) in [("y", false), ("x", true)] {
            std::fs::write(maker.folder().join("ids"), format!("id: {name}\n")).unwrap();
            keygen(maker.folder(), &["-k", "-s", &signer, "-f", &krl, "ids"]);
            if is_revoked {
                let error = refused(&target).await;
                assert!(error.contains("/krl (RevokedHostKeys)"), "{error}");
            } else {
                trusted(&target).await;
            }
        }
        target.revoked_host_keys = Vec::new();

        // Without an authority certificates are not asked for, and plain keys are compared.
        let plain = format!("web1 {}\n", maker.public(&format!("host_{kind}")));
        std::fs::write(&target.user_known_hosts[0], &plain).unwrap();
        trusted(&target).await;
    }
}
