use std::fmt::Write as _;

use super::*;
use crate::need::tests::{ALL, Needed, calls, kind};

fn authority(declared: &[&str], granted: Option<&[&str]>) -> Authority {
    let parse = |grants: &[&str]| -> Vec<Grant> {
        grants
            .iter()
            .map(|grant| grant.parse().expect("a grant"))
            .collect()
    };
    Authority {
        plugin: "backup".to_owned(),
        ledger: Ledger::Project("plugins/backup.wasm".into()),
        declared: parse(declared),
        granted: granted.map_or(Grants::All, |granted| Grants::Only(parse(granted))),
        hosts: Hosts::All,
    }
}

/// One grant for each need.
fn enough((_, needed): &Needed) -> Vec<&'static str> {
    let first = needed.iter().filter_map(|grants| grants.first());
    first.copied().collect()
}

#[test]
fn every_call_needs_all_its_grants_declared_and_granted() {
    for needed in calls() {
        let call = &needed.0;
        let authorize = |declared: &[&str], granted: Option<&[&str]>| {
            authority(declared, granted).authorize(call.clone(), None)
        };
        let enough = enough(&needed);
        assert!(authorize(&enough, Some(&enough)).is_ok(), "{call:?}");
        assert!(authorize(&enough, None).is_ok(), "{call:?}");
        for missing in needed.1 {
            let mut others = ALL.to_vec();
            others.retain(|grant| !missing.contains(grant));
            assert!(authorize(&others, None).is_err(), "{call:?}");
            assert!(authorize(&others, Some(&ALL)).is_err(), "{call:?}");
            assert!(authorize(&ALL, Some(&others)).is_err(), "{call:?}");
            for grant in *missing {
                let mut one = others.clone();
                one.push(grant);
                assert!(authorize(&one, Some(&one)).is_ok(), "{call:?}: {grant}");
            }
        }
    }
}

/// What is told of every call that is denied, and of every one that is allowed.
#[test]
fn golden_texts_of_every_call() {
    let mut texts = String::new();
    for needed in calls() {
        let (call, needs) = &needed;
        let enough = enough(&needed);
        let allowed = authority(&enough, Some(&enough)).decision(call, None);
        writeln!(
            texts,
            "{}. {} {}\n  {}",
            kind(call),
            call.operation(),
            call.target(),
            match allowed {
                Decision::Free => "free".to_owned(),
                Decision::Allowed { grants, given } => {
                    format!("allowed by {grants:?}, given {given:?}")
                }
                other => format!("{other:?}"),
            }
        )
        .expect("a text");
        for missing in *needs {
            let mut others = enough.clone();
            others.retain(|grant| !missing.contains(grant));
            let denied = |authority: Authority| {
                let denial = authority.authorize(call.clone(), None);
                denial.expect_err("it is not granted").to_string()
            };
            let locked = Authority {
                ledger: Ledger::Lock,
                ..authority(&enough, Some(&others))
            };
            for denial in [
                denied(authority(&others, None)),
                denied(authority(&enough, Some(&others))),
                denied(locked),
            ] {
                writeln!(texts, "  - {}", denial.replace('\n', "\n    ")).expect("a text");
            }
        }
    }
    assert!(!texts.contains("geheim"), "a secret is told: {texts}");
    insta::assert_snapshot!(texts);
}

#[test]
fn the_grant_that_a_denial_names_is_enough() {
    for (call, _) in calls() {
        let mut granted: Vec<String> = Vec::new();
        // One need after the other.
        for _ in 0..3 {
            let grants: Vec<&str> = granted.iter().map(String::as_str).collect();
            match authority(&ALL, Some(&grants)).authorize(call.clone(), None) {
                Ok(_) => break,
                Err(Denial::NotGranted { grant, .. }) => granted.push(grant),
                Err(other) => panic!("{call:?}: {other}"),
            }
        }
        let grants: Vec<&str> = granted.iter().map(String::as_str).collect();
        let allowed = authority(&ALL, Some(&grants)).authorize(call.clone(), None);
        assert!(allowed.is_ok(), "{call:?}: {granted:?}");
    }
}

#[test]
fn where_only_some_commands_are_granted_the_words_are_what_is_run() {
    let some = ["ssh.run systemctl restart *"];
    let run = |declared: &[&str], granted: Option<&[&str]>, line: &str| {
        let authority = authority(declared, granted);
        let call = authority.command(line).map_err(|error| error.to_string())?;
        let permit = authority.authorize(call, None);
        match permit.map_err(|denial| denial.to_string())?.call() {
            HostCall::Run { line, .. } => Ok::<String, String>(line.clone()),
            other => panic!("{other:?}"),
        }
    };
    for (declared, granted) in [
        (&some, None),
        (&["ssh.run"], Some(&some[..])),
        (&some, Some(&["ssh.run"][..])),
    ] {
        let line = run(declared, granted, "systemctl  restart \"a;reboot\"").expect("granted");
        assert_eq!(line, r"systemctl restart a\;reboot");
        for line in [
            "systemctl restart a; reboot",
            "systemctl restart $(reboot) x",
            "systemctl restart a\nreboot",
            "systemctl restart a && reboot",
            "systemctl restart 'a' 'b'",
            "systemctl stop a",
            "systemctl --root=/ restart a",
            "systemctl restart --force",
            "systemctl restart '-H root@other'",
            "'systemctl restart' a",
            "/tmp/systemctl restart a",
            "Systemctl restart a",
            "A=1 systemctl restart a",
            "sudo systemctl restart a",
            "systemctl restart",
            "reboot",
            "",
            "systemctl restart 'a",
        ] {
            assert!(run(declared, granted, line).is_err(), "{line}");
        }
        // No shell sees more in a word.
        for word in ["$(reboot)", "`reboot`", "a|b", "a>b", "*", "~", "#", "a\nb"] {
            let line = shell_words::join(["systemctl", "restart", word]);
            let line = run(declared, granted, &line).expect("granted");
            let words = shell_words::split(&line).expect("whole");
            assert_eq!(words, ["systemctl", "restart", word]);
        }
    }
    let line = "uptime; echo $HOME";
    assert_eq!(run(&["ssh.run"], None, line), Ok(line.to_owned()));
    let denied = run(&["ssh.run"], Some(&some), "systemctl stop a").expect_err("not granted");
    assert!(
        denied.ends_with("grant: [\"ssh.run systemctl restart *\", \"ssh.run systemctl stop a\"]"),
        "{denied}"
    );
    let long = format!("systemctl restart {}", "x".repeat(COMMAND_LIMIT));
    let denied = run(&["ssh.run"], None, &long).expect_err("too long");
    assert!(
        denied.contains("no command may have more than 131072"),
        "{denied}"
    );
}

#[test]
fn another_user_is_granted_apart() {
    let run = |granted: &[&str], line: &str| {
        let authority = authority(&["ssh.run", "ssh.sudo"], Some(granted));
        let call = authority.command(line).map_err(|error| error.to_string())?;
        let permit = authority.authorize(call, None);
        permit.map(drop).map_err(|denial| denial.to_string())
    };
    assert!(run(&["ssh.run"], "uptime; id").is_ok());
    for line in [
        "sudo id",
        "id; sudo id",
        "\"su\"do id",
        "env A=1 sudo id",
        "$(doas id)",
    ] {
        let denied = run(&["ssh.run"], line).expect_err(line);
        assert!(denied.contains("may not use `ssh.sudo"), "{denied}");
        assert!(run(&["ssh.run", "ssh.sudo"], line).is_ok(), "{line}");
    }
    let restart = ["ssh.sudo systemctl restart *"];
    assert!(run(&restart, "sudo systemctl restart a").is_ok());
    assert!(run(&restart, "sudo -n -- systemctl restart a").is_ok());
    for line in [
        "systemctl restart a",
        "sudo systemctl stop a",
        "sudo -u app systemctl restart a",
        "sudo -i systemctl restart a",
        "sudo A=1 systemctl restart a",
        "sudo sh -c 'systemctl restart a'",
    ] {
        assert!(run(&restart, line).is_err(), "{line}");
    }
    // A grant of commands covers none that is run by somebody else.
    assert!(run(&["ssh.run env **"], "env sudo id").is_err());
    assert!(run(&["ssh.run sudo **"], "sudo id").is_err());
}

#[test]
fn labels_decide_only_where_nothing_else_does() {
    use crate::host_call::Change;

    let stop = HostCall::Change(Change::StopContainer {
        container: "web".to_owned(),
        timeout_s: None,
    });
    let labels = |map: &str| -> Labels { [("dfab.map".to_owned(), map.to_owned())].into() };
    let all = ["docker.containers"];
    let shop = ["docker.containers map=shop"];
    let depends = |declared: &[&str], granted: &[&str]| {
        authority(declared, Some(granted))
            .depends_on(&stop)
            .is_some()
    };
    assert!(!depends(&all, &all) && !depends(&all, &[]) && !depends(&[], &shop));
    assert!(depends(&all, &shop) && depends(&shop, &all) && depends(&shop, &shop));
    let authorize = |granted: &[&str], labels: Option<&Labels>| {
        authority(&all, Some(granted)).authorize(stop.clone(), labels)
    };
    assert!(authorize(&shop, Some(&labels("shop"))).is_ok());
    assert!(authorize(&shop, None).is_err());
    let denial = authorize(&shop, Some(&labels("other"))).expect_err("another map");
    insta::assert_snapshot!(denial, @r#"
    the plugin `backup` may not use `docker.containers map=other`: it declares it, but was not granted it. To grant it, write in dfab.yaml, under `plugins:`
    - path: plugins/backup.wasm
      grant: ["docker.containers map=shop", "docker.containers map=other"]
    "#);
    // What the engine calls a map is no pattern.
    let odd = authorize(&shop, Some(&labels("*"))).expect_err("no map");
    assert!(
        odd.to_string().contains("may not use `docker.containers`:"),
        "{odd}"
    );
}

#[test]
fn a_host_is_the_host_of_that_name_only() {
    let only = Authority {
        hosts: Hosts::Only {
            written: vec!["web".to_owned()],
            names: ["web1".to_owned(), "web2".to_owned()].into(),
        },
        ..authority(&[], None)
    };
    assert!(only.authorize_host("web1").is_ok());
    for host in [
        "web",
        "web3",
        "WEB1",
        "web1 ",
        "web1.",
        "root@web1",
        "web1:22",
        "web1,web2",
        "web*",
        "",
        "local",
    ] {
        assert!(only.authorize_host(host).is_err(), "{host}");
    }
    let denial = only
        .authorize_host("db1\u{1b}[2J")
        .expect_err("another host");
    insta::assert_snapshot!(denial, @r#"
    the plugin `backup` may not work for db1: it was granted what it may do on web only. To allow it there, write in dfab.yaml, under `plugins:`
    - path: plugins/backup.wasm
      hosts: ["web", "db1"]
    "#);
}

#[test]
fn names_of_settings_are_no_patterns() {
    for name in ["", "*", "a*", "a b", "a\n", &"x".repeat(NAME_LIMIT + 1)] {
        assert!(setting(name).is_err(), "{name:?}");
    }
    assert!(setting("backup_to").is_ok());
}
