use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::effect::{Change, RunCommand};
use crate::kind::Kind;
use crate::need::tests::{ALL, Needed, calls, kind};

#[path = "../tests/components/contract.rs"]
mod contract;

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
fn enough(needed: &Needed) -> Vec<&'static str> {
    let first = needed.needs.iter().filter_map(|grants| grants.first());
    first.copied().collect()
}

fn command(authority: &Authority, line: &str) -> Result<RunCommand, String> {
    let command = authority.command(line).map_err(|error| error.to_string())?;
    Ok(RunCommand {
        command,
        stdin: None,
        timeout_s: None,
    })
}

#[test]
fn every_call_needs_all_its_grants_declared_and_granted() {
    for needed in calls() {
        let call = needed.call();
        let authorize = |declared: &[&str], granted: Option<&[&str]>| {
            authority(declared, granted).check(call, None)
        };
        let enough = enough(&needed);
        assert!(authorize(&enough, Some(&enough)).is_ok(), "{call:?}");
        assert!(authorize(&enough, None).is_ok(), "{call:?}");
        for missing in needed.needs {
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

/// Each call is allowed with its grants and denied without, and has golden texts: see the tests beside this.
#[test]
fn every_function_of_the_contract_is_a_call_that_is_checked_or_free_for_a_reason() {
    let (mut checked, mut free) = (BTreeSet::new(), BTreeSet::new());
    for needed in calls() {
        let operation = needed.call().operation().to_owned();
        if needed.needs.is_empty() {
            free.insert(operation);
        } else {
            checked.insert(operation);
        }
    }
    assert!(
        free.iter().all(|function| contract::is_free(function)),
        "{free:?}"
    );
    // dfab's own question, which no component asks.
    assert!(checked.remove("docker.labels"));
    assert_eq!(checked.intersection(&free).count(), 0);
    let known: BTreeSet<String> = checked.union(&free).cloned().collect();
    let worlds = contract::imported();
    assert_eq!(worlds.len(), Kind::ALL.len(), "{worlds:?}");
    for (world, functions) in &worlds {
        if world == "task-plugin" {
            assert_eq!(*functions, known);
        } else {
            assert_eq!(
                functions.iter().collect::<Vec<_>>(),
                ["log.write"],
                "{world}"
            );
        }
    }
}

/// What is told of every call that is denied, and of every one that is allowed.
#[test]
fn golden_texts_of_every_call() {
    let mut texts = String::new();
    for needed in calls() {
        let call = needed.call();
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
        for missing in needed.needs {
            let mut others = enough.clone();
            others.retain(|grant| !missing.contains(grant));
            let denied = |authority: Authority| {
                let denial = authority.check(call, None);
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
    for needed in calls() {
        let call = needed.call();
        let mut granted: Vec<String> = Vec::new();
        // One need after the other.
        for _ in 0..3 {
            let grants: Vec<&str> = granted.iter().map(String::as_str).collect();
            match authority(&ALL, Some(&grants)).check(call, None) {
                Ok(()) => break,
                Err(Denial::NotGranted { grant, .. }) => granted.push(grant),
                Err(other) => panic!("{call:?}: {other}"),
            }
        }
        let grants: Vec<&str> = granted.iter().map(String::as_str).collect();
        let allowed = authority(&ALL, Some(&grants)).check(call, None);
        assert!(allowed.is_ok(), "{call:?}: {granted:?}");
    }
}

#[test]
fn where_only_some_commands_are_granted_the_words_are_what_is_run() {
    let some = ["ssh.run systemctl restart *"];
    let run = |declared: &[&str], granted: Option<&[&str]>, line: &str| {
        let authority = authority(declared, granted);
        let permit = authority.authorize(command(&authority, line)?, None);
        let permit = permit.map_err(|denial| denial.to_string())?;
        Ok::<String, String>(permit.into_effect().command.line().into_owned())
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
        let permit = authority.authorize(command(&authority, line)?, None);
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
    let stop = || Change::StopContainer {
        container: "web".to_owned(),
        timeout_s: None,
    };
    let labels = |map: &str| -> Labels { [("dfab.map".to_owned(), map.to_owned())].into() };
    let all = ["docker.containers"];
    let shop = ["docker.containers map=shop"];
    let depends = |declared: &[&str], granted: &[&str]| {
        authority(declared, Some(granted))
            .depends_on(&mut stop())
            .is_some()
    };
    assert!(!depends(&all, &all) && !depends(&all, &[]) && !depends(&[], &shop));
    assert!(depends(&all, &shop) && depends(&shop, &all) && depends(&shop, &shop));
    let authorize = |granted: &[&str], labels: Option<&Labels>| {
        authority(&all, Some(granted)).authorize(stop(), labels)
    };
    assert!(authorize(&shop, Some(&labels("shop"))).is_ok());
    assert!(authorize(&shop, None).is_err());
    let denial = authorize(&shop, Some(&labels("other"))).expect_err("another map");
    insta::assert_snapshot!(denial, @r#"
    the plugin `backup` may not use `docker.containers map=other`: it declares it, but was not granted it. To grant it, write in dfab.yaml, in its entry under `plugins:`, beside its `digest`
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
    the plugin `backup` may not work for db1: it was granted what it may do on web only. To allow it there, write in dfab.yaml, in its entry under `plugins:`, beside its `digest`
    - path: plugins/backup.wasm
      hosts: ["web", "db1"]
    "#);
}

#[test]
fn names_of_settings_are_no_patterns() {
    for name in ["", "*", "a*", "a b", "a\n", &"x".repeat(NAME_LIMIT + 1)] {
        assert!(setting(name.to_owned()).is_err(), "{name:?}");
    }
    assert!(setting("backup_to".to_owned()).is_ok());
}
