//! The audit: every call once, decided and ended, without secrets.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::contract::{imported, is_free};
use crate::support::{limits, misbehaving_under, only, run, run_on_map, run_with, text};
use dfab_runtime::{Audit, AuditedCall, Decision, Grants, Limits, TaskPlugin, Terms};

#[derive(Default)]
struct Notes {
    begun: Mutex<Vec<AuditedCall>>,
    ended: Mutex<Vec<(u64, String)>>,
    /// After so many calls nothing can be noted.
    room: Option<usize>,
}

impl Audit for Notes {
    fn begin(&self, call: AuditedCall) -> Result<(), String> {
        let mut begun = self.begun.lock().expect("no test panicked here");
        if self.room.is_some_and(|room| begun.len() >= room) {
            return Err("no space".to_owned());
        }
        begun.push(call);
        Ok(())
    }

    fn end(&self, number: u64, outcome: &str, _: Duration) {
        let mut ended = self.ended.lock().expect("no test panicked here");
        ended.push((number, outcome.to_owned()));
    }
}

impl Notes {
    /// Operation, target, decision and outcome, a line each.
    fn lines(&self) -> Vec<String> {
        let ended = self.ended.lock().expect("no test panicked here");
        let begun = self.begun.lock().expect("no test panicked here");
        assert_eq!(begun.len(), ended.len(), "each call ends once");
        begun
            .iter()
            .map(|call| {
                assert_eq!(
                    (call.plugin.as_str(), call.digest.len()),
                    ("misbehaving", 64)
                );
                let mut outcomes = ended.iter().filter(|(number, _)| *number == call.number);
                let (_, outcome) = outcomes.next().expect("it has ended");
                assert_eq!(outcomes.next(), None);
                let decision = match &call.decision {
                    Decision::Free => "free".to_owned(),
                    Decision::Denied => "denied".to_owned(),
                    Decision::Invalid => "invalid".to_owned(),
                    Decision::Allowed { grants, given } => {
                        format!("by {} {}", grants.join(", "), given.join(" "))
                    }
                };
                let (operation, target) = (&call.operation, &call.target);
                format!(
                    "{operation} [{target}] {} -> {outcome}",
                    decision.trim_end()
                )
            })
            .collect()
    }
}

fn audited(limits: Limits, grants: Grants, notes: &Arc<Notes>) -> TaskPlugin {
    let terms = Terms {
        audit: Some(Arc::clone(notes) as _),
        ..Terms::new(grants)
    };
    misbehaving_under(limits, terms)
}

const ALL: [&str; 16] = [
    "docker.read",
    "docker.containers",
    "docker.exec",
    "docker.images",
    "docker.build",
    "docker.networks",
    "docker.volumes",
    "docker.registry",
    "docker.request POST /containers/*/pause",
    "files.read in",
    "files.write out",
    "settings.read test_*",
    "ssh.run",
    "ssh.sudo reboot",
    "ssh.upload /srv/*",
    "ssh.download /var/log/*",
];

#[tokio::test]
async fn each_call_is_a_line_whether_it_is_allowed_or_not() {
    let notes = Arc::new(Notes::default());
    let plugin = audited(limits(), only(&ALL), &notes);
    let given = ["/srv/x"];
    let (answer, _) = run_with(&plugin, "all-calls", &[("path", "/srv/x/a")], &given).await;
    let told = text(answer.expect("all is granted"));
    assert!(!told.contains(": no"), "{told}");
    let allowed = notes.lines();

    let notes = Arc::new(Notes::default());
    let plugin = audited(limits(), only(&["ssh.run uptime"]), &notes);
    let (answer, asked) = run_with(&plugin, "all-calls", &[("path", "/srv/x/a")], &given).await;
    let told = text(answer.expect("it goes on"));
    assert!(!told.contains(": done"), "{told}");
    let asked: Vec<_> = asked
        .iter()
        .filter(|line| !line.starts_with("log "))
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
    let denied = notes.lines();

    let operations = |lines: &[String]| -> Vec<String> {
        let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        lines.iter().map(first).collect()
    };
    assert_eq!(operations(&allowed), operations(&denied));
    // All functions of the contract, and nothing else.
    let different: BTreeSet<_> = operations(&allowed).into_iter().collect();
    let contract = imported().remove("task-plugin").expect("a world");
    assert_eq!(different, contract);
    let decided = |lines: &[String], function: &str, decision: &str| {
        let mut lines = lines
            .iter()
            .filter(|line| line.starts_with(&format!("{function} [")));
        lines.all(|line| line.contains(decision))
    };
    let nothing = Arc::new(Notes::default());
    let plugin = audited(limits(), only(&[]), &nothing);
    let (answer, _) = run_with(&plugin, "all-calls", &[("path", "/srv/x/a")], &given).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert!(decided(
        &nothing.lines(),
        "ssh.current",
        "] denied -> denied"
    ));
    for function in &contract {
        let is_free = is_free(function);
        let (with, without) = match is_free {
            true => ("] free -> done", "] free -> done"),
            // Any capability of the host's will do for it.
            false if function == "ssh.current" => ("] by ", "] by ssh.run uptime "),
            false => ("] by ", "] denied -> denied"),
        };
        assert!(decided(&allowed, function, with), "{function}: {allowed:?}");
        assert!(
            decided(&denied, function, without),
            "{function}: {denied:?}"
        );
    }
    let all = [allowed, vec![String::new()], denied].concat().join("\n");
    assert!(!all.contains("geheim"), "{all}");
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn what_means_nothing_and_what_is_cut_off_are_lines_too() {
    let notes = Arc::new(Notes::default());
    let limits = Limits {
        task_wall: Duration::from_millis(500),
        ..limits()
    };
    let plugin = audited(limits, only(&ALL), &notes);
    for path in ["/containers/../x", "/containers/a%2Fb/pause?token=geheim"] {
        let (answer, _) = run(&plugin, "request", &[("method", "POST"), ("path", path)]).await;
        assert!(answer.is_err());
    }
    let (answer, _) = run(&plugin, "call", &[("name", "run-as-odd")]).await;
    assert!(answer.is_err());
    let (answer, _) = run(&plugin, "sleep", &[("line", "sleep")]).await;
    assert!(answer.is_err());
    let lines = notes.lines();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains(".current "))
        .collect();
    insta::assert_debug_snapshot!(lines, @r#"
    [
        "docker.request [POST /containers/../x] invalid -> invalid",
        "docker.request [POST /containers/a%2Fb/pause?token=***] invalid -> invalid",
        "ssh.run-as [-u 'app; reboot' id] invalid -> invalid",
        "ssh.run [sleep] by ssh.run -> cut off",
    ]
    "#);
}

#[tokio::test]
async fn a_look_at_labels_is_a_line() {
    let notes = Arc::new(Notes::default());
    let plugin = audited(limits(), only(&["docker.containers map=shop"]), &notes);
    let (answer, _) = run_on_map(&plugin, &[("name", "stop-container")], Some("shop")).await;
    assert!(answer.is_ok(), "{answer:?}");
    let lines = notes.lines();
    insta::assert_debug_snapshot!(lines, @r#"
    [
        "docker.current [] free -> done",
        "docker.labels [container web] by docker.containers map=shop -> done",
        "docker.stop-container [id-of-web within 3 s] by docker.containers map=shop -> done",
    ]
    "#);
}

#[tokio::test]
async fn what_cannot_be_noted_is_not_done() {
    for room in 0..3 {
        let notes = Arc::new(Notes {
            room: Some(room),
            ..Notes::default()
        });
        let plugin = audited(limits(), Grants::All, &notes);
        let (answer, asked) = run(&plugin, "call", &[("name", "stop-container")]).await;
        // A handle of the engine, and the stop.
        assert_eq!(answer.is_ok(), room == 2, "{answer:?}");
        assert_eq!(asked.len(), usize::from(room == 2), "{asked:?}");
        if let Err(error) = answer {
            let text = format!("{:?}", error);
            assert!(text.contains("the audit cannot be written"), "{text}");
        }
    }
}

/// Without an audit nothing is noted, and nothing is different.
#[tokio::test]
async fn without_an_audit_all_is_as_with_one() {
    let with = Arc::new(Notes::default());
    let mut told = Vec::new();
    for terms in [
        Terms::new(only(&["docker.read"])),
        Terms {
            audit: Some(Arc::clone(&with) as _),
            ..Terms::new(only(&["docker.read"]))
        },
    ] {
        let plugin = misbehaving_under(limits(), terms);
        let (answer, asked) = run(&plugin, "all-calls", &[("path", "in/a")]).await;
        told.push((text(answer.expect("it goes on")), asked));
    }
    assert_eq!(told.first(), told.last());
    assert!(!with.lines().is_empty());
}
