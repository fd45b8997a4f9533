use super::*;

fn open(text: &str) -> Result<Project, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    std::fs::write(&file, text).unwrap();
    let here = format!("{}/", folder.path().display());
    Project::read(file).map_err(|failure| failure.to_string().replace(&here, ""))
}

#[test]
fn paths_are_relative_to_the_file() {
    let project = open("maps: one.yaml\nclients: [a.yaml]\nplugins: [{path: p.wasm}]").unwrap();
    let folder = project.file.as_ref().unwrap().parent().unwrap();
    assert_eq!(project.maps, [folder.join("one.yaml")]);
    assert_eq!(project.clients, [folder.join("a.yaml")]);
    assert_eq!(project.plugins.first().unwrap().path, folder.join("p.wasm"));
}

#[test]
fn times_are_read_and_mistakes_in_them_shown() {
    let project = open("timeouts: {connect: 10s, call: 60, idle: 2m, run: 1h}").unwrap();
    let seconds = |period: Option<Period>| period.unwrap().duration().as_secs();
    let Timeouts {
        connect,
        call,
        idle,
        run,
    } = project.timeouts;
    assert_eq!([connect, call, idle, run].map(seconds), [10, 60, 120, 3600]);
    let mistakes = [
        "timeouts: {call: soon}",
        "timeouts: {call: 0}",
        "timeouts: {cal: 1}",
    ];
    let told = mistakes.map(|text| open(text).unwrap_err());
    insta::assert_snapshot!(told.join("\n"), @r#"
    dfab.yaml:1:18: timeouts.call: invalid value: string "soon", expected a number of seconds, or one such as 5m or 2h
    dfab.yaml:1:18: timeouts.call: invalid value: integer `0`, expected a number of seconds, or one such as 5m or 2h
    dfab.yaml:1:12: timeouts: unknown field `cal`, expected one of `connect`, `call`, `idle`, `run`
    "#);
}

#[test]
fn warnings_are_no_mistakes() {
    let told = dfab_maps::load_map(
        "a: {network: host, image: 1.30, imag: x}\n",
        "m.yaml",
        "m",
        &Project::default(),
    );
    let told = told.unwrap_err().0;
    assert_eq!(told.len(), 3);
    let failure = refuse(&told).unwrap_err();
    assert_eq!(failure.to_string(), "there is a mistake, shown above");
    let twice = [told.clone(), told].concat();
    let failure = refuse(&twice).unwrap_err();
    assert_eq!(failure.to_string(), "there are 2 mistakes, shown above");
}

#[test]
fn what_is_no_mapping_is_told_in_words() {
    let texts = [
        "just a text",
        "timeouts: soon",
        "plugins: [a.wasm]",
        "maps: {a: b}",
    ];
    let told = texts.map(|text| open(text).unwrap_err());
    insta::assert_snapshot!(told.join("\n"), @r#"
    dfab.yaml:1:1: invalid type: string "just a text", expected a mapping with keys such as maps and hosts
    dfab.yaml:1:11: timeouts: invalid type: string "soon", expected a mapping
    dfab.yaml:1:11: plugins[0]: invalid type: string "a.wasm", expected a mapping
    dfab.yaml:1:1: one text or a list of them is wanted
    "#);
}

#[test]
fn limits_are_read_and_mistakes_in_them_shown() {
    let text = "limits: {cpu: 30s, wall: 5m, memory: 1GiB, handles: 20, plugins: {one: {cpu: 90}}}";
    let rules = open(text).unwrap().limits.rules();
    let shown = |settings: &dfab_runtime::LimitSettings| {
        let dfab_runtime::LimitSettings {
            cpu,
            memory,
            handles,
            ..
        } = settings;
        format!("{cpu:?} {memory:?} {handles:?}")
    };
    insta::assert_snapshot!(shown(&rules.general), @"Some(Span(30s)) Some(Size(1073741824)) Some(Count(20))");
    insta::assert_snapshot!(shown(&rules.plugins["one"]), @"Some(Span(90s)) None None");
    let mistakes = [
        "limits: {cpu: soon}",
        "limits: {memory: 1GB}",
        "limits: {handles: 0}",
        "limits: {disk: 1GiB}",
        "limits: {plugins: {one: {output: -1}}}",
    ];
    let told = mistakes.map(|text| open(text).unwrap_err());
    insta::assert_snapshot!(told.join("\n"), @"
    dfab.yaml:1:15: limits.cpu: `soon`: a time is a number of seconds, or one such as 500ms, 5m or 2h
    dfab.yaml:1:18: limits.memory: `1GB`: a size is a number of bytes, or one such as 512KiB, 64MiB or 1GiB
    dfab.yaml:1:19: limits.handles: `0`: a whole number above 0 is wanted
    dfab.yaml:1:10: limits: unknown field `disk`, expected one of `cpu`, `wall`, `memory`, `output`, `copied`, `handles`, `plugins`
    dfab.yaml:1:34: limits.plugins.one.output: invalid type: integer `-1`, expected a limit, such as 30s, 64MiB or 100
    ");
}

#[test]
fn a_mistake_is_shown_with_its_place() {
    insta::assert_snapshot!(
        open("maps: []\nplugin: []").unwrap_err(),
        @"dfab.yaml:2:1: unknown field `plugin`, expected one of `settings`, `maps`, `map_defaults`, `clients`, `hosts`, `groups`, `plugins`, `trust`, `ssh_config`, `timeouts`, `limits`, `action_defaults`, `audit`, `password_command`"
    );
}
