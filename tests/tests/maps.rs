//! `dfab map`, and plans as shell scripts.

use anyhow::{Context as _, Result, ensure};
use dfab_maps::{Client, NoSettings, load_map};
use dfab_tests::planner::{self, Planner};
use dfab_tests::simulation::Simulation;
use dfab_tests::{Output, Project, TestHost, images};
use serde_json::{Value, json};

const IMAGE: &str = "dfab-test/maps:1";

const MAP: &str = r#"# The shop.
name: shop
web:
  image: dfab-test/maps:1
  exposes: {80: 8080}
  links: {db: database}
db:
  image: dfab-test/maps:1
  attaches: {data: /data}
  user: u1
  create_options:
    environment: {WORDS: "it's $HOME & more"}
    labels: {team: "blue red"}
"#;

fn project(map: &str) -> Result<Project> {
    let project = Project::new()?;
    project.write("dfab.yaml", "maps: shop.yaml\n")?;
    project.write("shop.yaml", map)?;
    Ok(project)
}

/// A host that has the images, and a project that knows it as `h1`.
fn host_and_project(map: &str, images: &[&str]) -> Result<(TestHost, Project)> {
    let host = TestHost::start()?;
    let project = project(map)?;
    project.add_host("h1", &host)?;
    for image in images {
        images::ensure(image)?;
        host.load_image(image)?;
    }
    Ok((host, project))
}

fn shown(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

#[test]
fn all_mistakes_of_a_map_are_told_at_once() -> Result<()> {
    let project = project(MAP)?;
    let good = project.dfab(&["map", "check"])?;
    assert_eq!(good.status, 0, "{}", shown(&good));
    let bad = MAP
        .replace("exposes", "exposs")
        .replace("db: database", "dbb: database");
    project.write("shop.yaml", &bad)?;
    let told = project.dfab(&["map", "check"])?;
    assert_eq!(told.status, 2);
    for part in [
        "shop.yaml:5:",
        "did you mean exposes?",
        "shop.yaml:6:",
        "dbb",
        "2 mistakes",
    ] {
        assert!(told.stderr.contains(part), "{part}: {}", told.stderr);
    }
    // Options of the engine are only read when a container is made, or checked.
    project.write("shop.yaml", &MAP.replace("labels:", "lables:"))?;
    let told = project.dfab(&["map", "check"])?;
    assert_eq!(told.status, 2);
    assert!(
        told.stderr.contains("did you mean labels?"),
        "{}",
        told.stderr
    );
    // A circle is told with its path.
    project.write(
        "shop.yaml",
        "name: m\na: {links: b}\nb: {links: c}\nc: {links: a}\n",
    )?;
    let told = project.dfab(&["map", "check"])?;
    assert_eq!(told.status, 2);
    assert!(
        told.stderr.contains("m.a -> m.b -> m.c -> m.a"),
        "{}",
        told.stderr
    );
    Ok(())
}

/// The words of an option that a map knows, from what it says of one that it does not.
fn known_words(option: &str) -> Result<Vec<String>> {
    let text = format!("a: {{{option}}}\n");
    let told = load_map(&text, "m.yaml", "m", &NoSettings);
    let told = told.err().context("it is taken")?.to_string();
    let (_, words) = told.split_once("there is: ").context("it has no list")?;
    Ok(words
        .split(", ")
        .map(|word| word.trim().to_owned())
        .collect())
}

/// Neither is anything refused that the engine takes, nor the other way around.
#[test]
fn words_are_known_that_the_engine_knows() -> Result<()> {
    // This engine is older than these.
    const LATE: [&str; 3] = ["BPF", "CHECKPOINT_RESTORE", "PERFMON"];
    /// Creates a container from each argument, and prints what the engine says. Some words it only looks at
    /// when it starts one.
    const TRY: &str = r#"
        engine() { curl -sS --unix-socket /var/run/docker.sock -H 'Content-Type: application/json' "$@"; }
        for body in "$@"; do
            made=$(engine -X POST -d "$body" http://engine/containers/create?name=try)
            case "$body" in *Ulimits*|*IpcMode*)
                made=$made$(engine -X POST http://engine/containers/try/start)
            esac
            engine -X DELETE 'http://engine/containers/try?force=1' > /dev/null
            printf '%s\n' "$made" | tr -d '\n'; echo
        done"#;
    const REFUSALS: [&str; 7] = [
        "nvalid signal",
        "unknown capability",
        "wrong rlimit value",
        "nvalid IPC mode",
        "nvalid cgroup namespace mode",
        "mount type unknown",
        "nvalid propagation mode",
    ];
    let (host, _) = host_and_project(MAP, &[IMAGE])?;
    let mut cases: Vec<(String, String, Value)> = Vec::new();
    let mut add = |word: &str, option: String, mut body: Value| {
        body["Image"] = IMAGE.into();
        // It ends at once.
        body["Cmd"] = json!(["exit", "0"]);
        cases.push((word.to_owned(), option, body));
    };
    let mut signals = known_words("create_options: {stop_signal: zzzz}")?;
    signals.extend(
        [
            "TERM",
            "sigterm",
            "15",
            "1",
            "64",
            "0",
            "SIGFOO",
            "SIGSIGTERM",
            "RTMIN+1",
            "RTMIN+15",
            "rtmin+3",
            "RTMIN+16",
            "RTMIN+0",
            "RTMIN+01",
            "RTMAX",
            "RTMAX-14",
            "RTMAX-15",
            "UNUSED",
            "INFO",
            "TER M",
            "+",
            "SIG",
        ]
        .map(str::to_owned),
    );
    // Of the system, whatever a map knows.
    let listed = host.shell("kill -l")?;
    signals.extend(listed.split_whitespace().map(str::to_owned));
    for word in &signals {
        let option = format!("create_options: {{stop_signal: '{word}'}}");
        add(word, option, json!({ "StopSignal": word }));
    }
    let mut capabilities = known_words("host_config: {cap_add: zzzz}")?;
    capabilities
        .extend(["cap_chown", "CAP_NET_RAW", "all", "CAP_ALL", "NET_ADMINN"].map(str::to_owned));
    for word in &capabilities {
        let option = format!("host_config: {{cap_drop: ['{word}']}}");
        add(word, option, json!({ "HostConfig": { "CapDrop": [word] } }));
    }
    let mut limits = known_words("host_config: {ulimits: [{Name: zzzz}]}")?;
    limits.extend(["NOFILE", "Core", "nofiles", "vmem"].map(str::to_owned));
    for word in &limits {
        let option = format!("host_config: {{ulimits: [{{Name: {word}, Soft: 0, Hard: 0}}]}}");
        let limit = json!({ "Name": word, "Soft": 0, "Hard": 0 });
        add(
            word,
            option,
            json!({ "HostConfig": { "Ulimits": [limit] } }),
        );
    }
    for word in ["none", "private", "shareable", "host", "shared", "Host", ""] {
        let option = format!("host_config: {{ipc_mode: '{word}'}}");
        add(word, option, json!({ "HostConfig": { "IpcMode": word } }));
    }
    for word in ["private", "host", "none", "Host", ""] {
        let option = format!("host_config: {{cgroupns: '{word}'}}");
        add(
            word,
            option,
            json!({ "HostConfig": { "CgroupnsMode": word } }),
        );
    }
    for word in ["bind", "volume", "tmpfs", "Bind", "overlay"] {
        let option = format!("host_config: {{mounts: [{{Type: {word}, Target: /x}}]}}");
        let source = if word == "bind" { "/tmp" } else { "" };
        let mount = json!({ "Type": word, "Target": "/x", "Source": source });
        add(word, option, json!({ "HostConfig": { "Mounts": [mount] } }));
    }
    for word in [
        "private", "rprivate", "shared", "rshared", "slave", "rslave", "Shared", "x",
    ] {
        let options = format!("BindOptions: {{Propagation: {word}}}");
        let option = format!("host_config: {{mounts: [{{Type: bind, Target: /x, {options}}}]}}");
        let mount = json!({
            "Type": "bind", "Target": "/x", "Source": "/tmp", "BindOptions": { "Propagation": word },
        });
        add(word, option, json!({ "HostConfig": { "Mounts": [mount] } }));
    }
    let bodies: Vec<String> = cases.iter().map(|(_, _, body)| body.to_string()).collect();
    let mut arguments = vec!["sh", "-c", TRY, "try"];
    arguments.extend(bodies.iter().map(String::as_str));
    let answers = host.exec(&arguments)?;
    // The last line is empty where the last one was taken.
    let answers: Vec<&str> = answers.split('\n').collect();
    let mut wrong = Vec::new();
    for (index, (word, option, _)) in cases.iter().enumerate() {
        let answer = answers.get(index).copied().unwrap_or_default();
        let is_refused = REFUSALS.iter().any(|refusal| answer.contains(refusal));
        let read = load_map(&format!("a: {{{option}}}\n"), "m.yaml", "m", &NoSettings);
        if read.is_err() != is_refused && !LATE.contains(&word.as_str()) {
            wrong.push(format!("{option}: {:?}; the engine: {answer}", read.err()));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(cases.len() > 120, "{} words", cases.len());
    Ok(())
}

#[test]
fn what_is_wrong_does_not_hide_what_else_is_wrong() -> Result<()> {
    let project = project(
        "name: shop\nweb:\n  imag: x\n  links: db\n  exposes: {80: [80, public]}\n\
         \x20 network: bridge\ndb:\n  links: web\n  create_options: {lables: {a: b}}\n",
    )?;
    let told = project.dfab(&["map", "check"])?;
    assert_eq!(told.status, 2);
    for part in [
        "shop.yaml:3:3: error: there is no key of a container imag",
        "did you mean labels?",
        "shop.web -> shop.db -> shop.web",
        "port 80 is to be published on the interface public",
        "shop.yaml:6:3: warning: network is called network_mode now",
        "there are 4 mistakes, shown above",
    ] {
        assert!(told.stderr.contains(part), "{part}: {}", told.stderr);
    }
    assert!(!told.stderr.contains("nothing was done"), "{}", told.stderr);
    let acted = project.dfab(&["startup", "__all__", "-y"])?;
    assert_eq!(acted.status, 2);
    let end = "there are 2 mistakes, shown above; nothing was done";
    assert!(acted.stderr.contains(end), "{}", acted.stderr);
    let shown = project.dfab(&["map", "show"])?;
    assert!(
        !shown.stderr.contains("nothing was done"),
        "{}",
        shown.stderr
    );
    Ok(())
}

#[test]
fn a_map_that_is_missing_is_told_with_the_file_that_names_it() -> Result<()> {
    const HINT: &str = "dfab.yaml names it: create it, or correct its path there";
    let project = Project::new()?;
    project.write("dfab.yaml", "maps: maps/m.yaml\n")?;
    let named = project.dfab(&["map", "check"])?;
    ensure!(named.status != 0, "{}", named.stdout);
    ensure!(named.stderr.contains("cannot read"), "{}", named.stderr);
    ensure!(named.stderr.contains(HINT), "{}", named.stderr);
    // What the command line names, the file does not.
    let chosen = project.dfab(&["map", "check", "--map", "other.yaml"])?;
    ensure!(chosen.stderr.contains("other.yaml"), "{}", chosen.stderr);
    ensure!(!chosen.stderr.contains(HINT), "{}", chosen.stderr);
    Ok(())
}

#[test]
fn maps_are_shown_formatted_drawn_and_described() -> Result<()> {
    let project = project(MAP)?;
    let json = project
        .dfab(&["map", "show", "--resolved", "--json"])?
        .json()?;
    assert_eq!(json["containers"]["db"]["attaches"][0]["path"], "/data");
    let yaml = project.dfab(&["map", "show"])?.success()?;
    project.write("again.yaml", &yaml)?;
    let again = project
        .dfab(&["map", "show", "again.yaml", "--resolved", "--json"])?
        .json()?;
    assert_eq!(again, json);

    let kept = project.dfab(&["map", "show", "--persistent"])?.success()?;
    assert_eq!(kept, "shop.data\n");

    let before = project.dfab(&["map", "fmt", "--check"])?;
    assert_eq!(before.status, 1, "{}", shown(&before));
    project.dfab(&["map", "fmt"])?.success()?;
    let formatted = std::fs::read_to_string(project.folder().join("shop.yaml"))?;
    assert!(formatted.starts_with("# The shop.\n"), "{formatted}");
    project.dfab(&["map", "fmt", "--check"])?.success()?;
    let after = project
        .dfab(&["map", "show", "--resolved", "--json"])?
        .json()?;
    assert_eq!(after, json);

    let svg = project.dfab(&["map", "graph"])?.success()?;
    assert!(svg.starts_with("<svg") && svg.contains("db"), "{svg}");
    let dot = project
        .dfab(&["map", "graph", "--format", "dot"])?
        .success()?;
    assert!(dot.starts_with("digraph"), "{dot}");
    let mermaid = project
        .dfab(&["map", "graph", "--format", "mermaid"])?
        .success()?;
    assert!(mermaid.starts_with("flowchart"), "{mermaid}");
    for arguments in [&["map", "schema"][..], &["map", "schema", "clients"]] {
        let schema = project.dfab(arguments)?.json()?;
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
    Ok(())
}

#[test]
fn a_compose_file_becomes_a_map() -> Result<()> {
    let project = project(MAP)?;
    let compose = "services:\n  web:\n    image: nginx:1\n    ports: ['8080:80']\n    depends_on: [db]\n    \
                   build: .\n  db:\n    image: postgres:16\n    volumes: [data:/var/lib/postgresql/data]\n\
                   volumes: {data: {}}\n";
    project.write("compose.yaml", compose)?;
    let imported = project.dfab(&["map", "import", "compose.yaml"])?;
    assert!(
        imported.stderr.contains("compose.yaml:6:"),
        "{}",
        imported.stderr
    );
    project.write("imported.yaml", &imported.success()?)?;
    project
        .dfab(&["map", "check", "imported.yaml"])?
        .success()?;
    let json = project
        .dfab(&["map", "show", "imported.yaml", "--resolved", "--json"])?
        .json()?;
    assert_eq!(json["containers"]["web"]["image"], "nginx:1");
    Ok(())
}

#[test]
fn b_49_a_plan_as_a_script_does_what_the_plan_does() -> Result<()> {
    let (host, project) = host_and_project(MAP, &[IMAGE])?;
    let everything = ["web", "db", "-H", "h1"];
    let script = |action: &str| -> Result<String> {
        let words = [&["plan", action], &everything[..], &["--format", "sh"]].concat();
        let script = project.dfab(&words)?.success()?;
        // The script is for the operator's machine; here it runs on the host itself.
        Ok(script.replace("docker -H ssh://h1", "docker"))
    };
    let startup = script("startup")?;
    // It had the fields of the Engine API as one option, which no docker knows.
    assert!(!startup.contains("--host-config"), "{startup}");
    host.shell(&startup).with_context(|| startup.clone())?;
    let db = host.inspect("shop.db")?;
    assert_eq!(db["Config"]["Labels"]["team"], "blue red");
    let environment = db["Config"]["Env"].to_string();
    assert!(
        environment.contains("WORDS=it's $HOME & more"),
        "{environment}"
    );
    // What the script has made is as the plan wants it.
    let left = [&["plan", "update"], &everything[..], &["--output", "json"]].concat();
    assert_eq!(project.dfab(&left)?.json()?["steps"], json!([]));
    // The owner of the volume was a name, which only the image knows.
    let down = script("shutdown")?;
    host.shell(&down).with_context(|| down.clone())?;
    assert_eq!(host.docker(&["ps", "-aq"])?.trim(), "");
    Ok(())
}

#[test]
fn a_restart_as_a_script_runs_its_commands_again_when_asked() -> Result<()> {
    let map = "web: {image: app:1, exec_commands: [ls -l, [sync, root, initial]]}\n";
    let map = planner::project(map, "m")?;
    let everything = ["__all__".to_owned()];
    let runtime = tokio::runtime::Runtime::new()?;
    let script = |options: &[(&str, &str)]| -> Result<String> {
        runtime.block_on(async {
            let planner = Planner::new().await?;
            let mut engine = Simulation::new();
            let plan = |action, options, engine: &Simulation| {
                let client = Client::default_client();
                let seen = engine.seen();
                planner.plan_seen(action, &map, &everything, seen, client, options)
            };
            for step in plan("startup", &[], &engine).await?.steps {
                engine.apply(&step)?;
            }
            let restart = plan("restart", options, &engine).await?;
            let docker = |_: &str| vec!["docker".to_owned()];
            Ok(dfab_deploy::shell::script(&restart, &docker)?)
        })
    };
    let plain = script(&[])?;
    assert!(plain.contains("docker start m.web"), "{plain}");
    assert!(!plain.contains("docker exec"), "{plain}");
    let again = script(&[("restart-exec-commands", "true")])?;
    assert!(again.contains("docker exec m.web ls -l"), "{again}");
    assert!(!again.contains("sync"), "{again}");
    let both = script(&[("restart-exec-commands", "true"), ("initial", "true")])?;
    assert!(both.contains("m.web sync"), "{both}");
    Ok(())
}

#[test]
fn an_owner_by_name_is_the_images() -> Result<()> {
    let (host, project) = host_and_project(MAP, &[IMAGE])?;
    project
        .dfab(&["startup", "db", "-H", "h1", "-y"])?
        .success()?;
    let owner = "stat -c %u:%g \"$(docker volume inspect -f '{{.Mountpoint}}' shop.data)\"";
    assert_eq!(host.shell(owner)?.trim(), "1234:1234");
    project
        .dfab(&["shutdown", "db", "-H", "h1", "-y", "--remove-attached"])?
        .success()?;
    project.write("shop.yaml", &MAP.replace("user: u1", "user: nobody:staff"))?;
    let unknown = project.dfab(&["create", "db", "-H", "h1", "-y"])?;
    assert_eq!(unknown.status, 1);
    assert!(
        unknown
            .stderr
            .contains("/etc/passwd of the image has no nobody"),
        "{}",
        unknown.stderr
    );
    Ok(())
}

#[test]
fn without_named_volumes_containers_hold_them() -> Result<()> {
    let map = MAP.replace("links: {db: database}", "uses: data");
    let (host, project) = host_and_project(&map, &[IMAGE, "tianon/true:latest"])?;
    // As an engine before API 1.21 is.
    let clients = "h1: {host: h1, features: {volumes: false, networks: false}}\n";
    project.write("clients.yaml", clients)?;
    project.write("dfab.yaml", "maps: shop.yaml\nclients: clients.yaml\n")?;
    let everything = ["web", "db", "-H", "h1", "-y"];
    let act = |action: &str| {
        project
            .dfab(&[&[action], &everything[..], &["--output", "json"]].concat())?
            .json()
    };
    act("startup")?;
    assert_eq!(act("update")?["steps"], json!([]));
    let mounts = |name: &str| -> Result<String> {
        let format = "{{range .Mounts}}{{.Name}} {{.Destination}}{{end}}";
        host.docker(&["inspect", "-f", format, name])
    };
    assert_eq!(mounts("shop.web")?, mounts("shop.data")?);
    assert_eq!(mounts("shop.db")?, mounts("shop.data")?);
    assert!(mounts("shop.data")?.ends_with(" /data"));
    project
        .dfab(&["shutdown", "db", "-H", "h1", "-y", "--remove-attached"])?
        .success()?;
    assert_eq!(host.docker(&["ps", "-aq"])?.trim(), "");
    Ok(())
}
