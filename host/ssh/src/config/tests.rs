//! That dfab reads a configuration as the OpenSSH client does.

use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::target::Target;

fn destination(text: &str) -> Destination {
    text.parse().unwrap()
}

/// What `ssh -G` makes of a configuration.
fn by_client(destination: &Destination, file: &Path) -> Result<Settings, String> {
    let mut command = Command::new("ssh");
    command.arg("-G").arg("-F").arg(file);
    if let Some(user) = &destination.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = destination.port {
        command.arg("-p").arg(port.to_string());
    }
    let output = command.arg("--").arg(&destination.host).output().unwrap();
    if output.status.success() {
        Ok(Settings::printed(&String::from_utf8_lossy(&output.stdout)))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The target, and the way through other hosts as it is written.
fn meaning(destination: &Destination, settings: &Settings) -> (Target, Option<String>) {
    let mut target = Target::new("name", &destination.host, settings).unwrap();
    // Where none is configured, the client also names kinds of keys that dfab has no use for.
    target.identity_files.retain(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        !matches!(name.as_str(), "id_dsa" | "id_xmss")
    });
    let way = settings.first("proxyjump").filter(|way| *way != "none");
    let way = way.map(|way| {
        let hops = crate::jump::hops(way).unwrap();
        let hops: Vec<_> = hops.iter().map(ToString::to_string).collect();
        hops.join(",")
    });
    (target, way)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["web1", "web2", "db1", "WEB1", "a.b", "10.0.0.7"])
        .prop_map(str::to_owned)
}

fn pattern() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "*", "web*", "!web2", "web?", "db1", "!*.b", "*.b", "10.*", "WEB1", "!db1", "real-*",
    ])
    .prop_map(str::to_owned)
}

fn patterns(separator: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(pattern(), 1..4).prop_map(move |all| all.join(separator))
}

fn option() -> impl Strategy<Value = String> {
    let of = |values: &[&'static str]| prop::sample::select(values.to_vec());
    let setting = |keyword: &'static str, values: &[&'static str]| {
        of(values)
            .prop_map(move |value| (keyword, value.to_owned()))
            .boxed()
    };
    let flag = |keyword| setting(keyword, &["yes", "no", "true", "false"]);
    let one = prop_oneof![
        setting(
            "HostName",
            &["real-%h", "%h.example.com", "10.1.2.3", "REAL-1", "a%%b"]
        ),
        setting("User", &["joe", "ann", "\"joe user\"", "'x'"]),
        setting("Port", &["22", "2222", "\"99\""]),
        setting(
            "IdentityFile",
            &[
                "/k/a",
                "\"/k/b c\"",
                "/k/%h-%r",
                "~/k",
                "/k/%n.%p",
                "none",
                "/k/d\\ e",
                "/k/${HOME}",
            ]
        ),
        setting(
            "IdentityAgent",
            &["none", "/a/%h", "SSH_AUTH_SOCK", "~/agent", "$SSH_AGENT_X"]
        ),
        flag("IdentitiesOnly"),
        setting("CertificateFile", &["/k/a-cert.pub", "\"/k/%r-cert.pub\""]),
        setting(
            "ProxyJump",
            &["b1", "u@b1:99,b2", "none", "ssh://c@b3:7", "[::1]:22"]
        ),
        setting(
            "ProxyCommand",
            &["nc %h %p", "none", "ssh -W '[%h]:%p' \"b\" # x", "x %n%%%r"]
        ),
        setting(
            "UserKnownHostsFile",
            &["/h/a", "/h/a \"/h/b\"", "none", "/h/%h", "/h/%k.%p"]
        ),
        setting("GlobalKnownHostsFile", &["/h/g", "/h/g /h/g2", "none"]),
        setting("RevokedHostKeys", &["/h/r", "~/r", "none", "\"/h/r 2\""]),
        setting("AddressFamily", &["any", "inet", "inet6", "INET"]),
        setting("HostKeyAlias", &["alias", "ALIAS", "real-x"]),
        setting(
            "StrictHostKeyChecking",
            &["yes", "no", "ask", "accept-new", "off", "true", "false",]
        ),
        setting("ConnectTimeout", &["5", "1m", "1h30m", "none", "2s"]),
        setting("ServerAliveInterval", &["0", "7", "1m"]),
        setting("ServerAliveCountMax", &["0", "2"]),
        setting("Compression", &["yes", "no"]),
        flag("BatchMode"),
        flag("HashKnownHosts"),
        flag("PasswordAuthentication"),
        flag("KbdInteractiveAuthentication"),
        flag("PubkeyAuthentication"),
        setting("NumberOfPasswordPrompts", &["1", "5"]),
        setting(
            "PreferredAuthentications",
            &[
                "publickey",
                "password,publickey",
                "keyboard-interactive,hostbased",
            ]
        ),
        // What dfab has no use for is passed over.
        setting("ForwardAgent", &["yes", "no"]),
        setting("LogLevel", &["ERROR"]),
    ];
    let separator = of(&[" ", "=", " = ", "\t", "  "]);
    let comment = of(&["", "", "", " # more", "  "]);
    (one, separator, comment, any::<bool>()).prop_map(
        |((keyword, value), separator, comment, small)| {
            let keyword = if small {
                keyword.to_ascii_lowercase()
            } else {
                keyword.to_owned()
            };
            // All that follows these two is their value.
            let comment = if keyword.to_ascii_lowercase().starts_with("proxy") {
                ""
            } else {
                comment
            };
            format!("{keyword}{separator}{value}{comment}")
        },
    )
}

fn head() -> impl Strategy<Value = String> {
    let negation = || prop::sample::select(vec!["", "!"]);
    prop_oneof![
        3 => patterns(" ").prop_map(|all| format!("Host {all}")),
        1 => Just("Match all".to_owned()),
        1 => (negation(), patterns(",")).prop_map(|(not, all)| format!("Match {not}host {all}")),
        1 => (negation(), patterns(","), negation()).prop_map(|(not, all, user)| {
            format!("Match {not}originalhost {all} {user}user joe,a*")
        }),
        1 => Just("Match user=joe host \"real-*\"".to_owned()),
        1 => Just("Match !canonical localuser *".to_owned()),
        1 => Just("Include INCLUDED*".to_owned()),
        1 => Just("Include \"INCLUDED1\" MISSING".to_owned()),
    ]
}

fn file() -> impl Strategy<Value = String> {
    let block = (head(), prop::collection::vec(option(), 0..5)).prop_map(|(head, options)| {
        let mut lines = vec![head];
        lines.extend(options.into_iter().map(|option| format!("    {option}")));
        lines.join("\n")
    });
    let blocks = prop::collection::vec(block, 0..5);
    (prop::collection::vec(option(), 0..3), blocks).prop_map(|(mut lines, blocks)| {
        lines.extend(blocks);
        lines.push("# the end\n".to_owned());
        lines.join("\n\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_configuration_is_read_as_the_client_reads_it(
        main in file(),
        included in prop::collection::vec(file(), 2),
        host in name(),
        user in prop::option::of("joe|ann"),
        port in prop::option::of(1_u16..),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let place = |text: &str| text.replace("INCLUDED", &path("included").display().to_string());
        for (index, text) in included.iter().enumerate() {
            // An included file may not include the same again.
            let text = text.replace("Include ", "Include /nonexistent/");
            std::fs::write(path(&format!("included{index}")), text).unwrap();
        }
        std::fs::write(path("config"), place(&main)).unwrap();
        let destination = Destination { user, host, port };
        let expected = by_client(&destination, &path("config"));
        let read = read(&destination, Some(&path("config")));
        match (expected, read) {
            (Ok(expected), Ok(read)) => prop_assert_eq!(
                meaning(&destination, &read),
                meaning(&destination, &expected)
            ),
            (Err(_), Err(_)) => {}
            (expected, read) => prop_assert!(
                false,
                "the client: {:?}; dfab: {:?}",
                expected.map(|_| ()),
                read.map(|_| ())
            ),
        }
    }
}

#[test]
fn what_needs_the_client_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    for (text, line, words) in [
        ("Port 22\nMatch host a exec true\n", 2, "exec"),
        ("Match final\n", 1, "final"),
        ("\n\nCanonicalizeHostname yes\n", 3, "CanonicalizeHostname"),
        ("Host b\nPort x\n", 2, "x is no port"),
        ("ProxyJump -oX=y\n", 1, "hyphen"),
        ("User \"me\n", 1, "quote"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = read(&destination("a"), Some(&file))
            .unwrap_err()
            .to_string();
        let place = format!("{}:{line}: ", file.display());
        assert!(
            error.starts_with(&place) && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn includes_within_each_other_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, format!("Include {}\n", file.display())).unwrap();
    let error = read(&destination("a"), Some(&file)).unwrap_err();
    assert!(error.to_string().contains("Includes"), "{error}");
}

#[test]
fn times_are_read() {
    for (text, expected) in [
        ("90", Some(90)),
        ("1h30m5", Some(5405)),
        ("2W", Some(1_209_600)),
        ("", None),
        ("m", None),
        ("1x", None),
    ] {
        assert_eq!(seconds(text), expected, "{text}");
    }
}
