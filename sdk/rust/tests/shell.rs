//! The shell shortcuts of Docker-Map, and what a shell makes of quoted words and joined lines.
//!
//! Each recorded case is a call of a shortcut and the command line that Docker-Map made of it. Where
//! dfab does better on purpose, `deviation` is the number of a known defect or a reason, and `dfab` the
//! command line.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command as Process;

use dfab_sdk::shell::{
    Command, Line, Owner, Tools, Word, add_group, add_user, assign_groups, chmod, chown, curl,
    mkdir, rm, tar, untar, wget,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One recorded call.
struct Call<'a> {
    name: &'a str,
    arguments: &'a [Value],
    options: &'a Value,
}

impl Call<'_> {
    fn text(&self, index: usize) -> &str {
        self.arguments[index].as_str().unwrap()
    }

    /// A text, or all of a list.
    fn texts(&self, index: usize) -> Vec<&str> {
        match self.arguments.get(index) {
            Some(Value::Array(texts)) => texts.iter().map(|text| text.as_str().unwrap()).collect(),
            Some(text) => vec![text.as_str().unwrap()],
            None => Vec::new(),
        }
    }

    fn owner(&self, index: usize) -> Owner {
        match &self.arguments[index] {
            Value::Number(number) => Owner::from(u32::try_from(number.as_u64().unwrap()).unwrap()),
            text => Owner::from(text.as_str().unwrap()),
        }
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.options
            .get(name)
            .map_or(default, |value| value.as_bool().unwrap())
    }

    fn id(&self) -> Option<u32> {
        let number = match self.name {
            "addgroupuser" => self.options.get("uid"),
            _ => self.arguments.get(1),
        };
        number.map(|number| u32::try_from(number.as_u64().unwrap()).unwrap())
    }

    fn tools(&self) -> Tools {
        match self.options["arg_mapping"].as_str() {
            None => Tools::Debian,
            Some("centos") => Tools::RedHat,
            Some("busybox") => Tools::BusyBox,
            Some(other) => panic!("{other}"),
        }
    }

    /// The same by dfab.
    fn command(&self) -> Value {
        let is_recursive = |default| self.flag("recursive", default);
        let line: Line = match self.name {
            "rm" => {
                let mut rm = rm(self.text(0));
                if is_recursive(false) {
                    rm = rm.recursive();
                }
                if self.flag("force", false) {
                    rm = rm.force();
                }
                rm.into()
            }
            "chown" => {
                let chown = chown(self.owner(0), self.text(1));
                let recursive = is_recursive(true);
                if recursive { chown.recursive() } else { chown }.into()
            }
            "chmod" => {
                let chmod = chmod(self.text(0), self.text(1));
                let recursive = is_recursive(true);
                if recursive { chmod.recursive() } else { chmod }.into()
            }
            "curl" | "wget" => {
                let get = if self.name == "curl" { curl } else { wget };
                let get = get(self.text(0));
                match self.arguments.get(1) {
                    Some(_) => get.to(self.text(1)).into(),
                    None => get.into(),
                }
            }
            "adduser" | "addgroupuser" => self.add_user(),
            "addgroup" => {
                let mut group = add_group(self.text(0)).tools(self.tools());
                if let Some(id) = self.id() {
                    group = group.id(id);
                }
                if self.flag("system", false) {
                    group = group.system();
                }
                group.into()
            }
            "assignuser" => assign_groups(self.text(0), self.texts(1), self.tools()).unwrap(),
            "mkdir" | "mkdir_chown" => return self.make_folders(),
            "tar" => tar(self.text(0), self.text(1)).into(),
            "targz" => tar(self.text(0), self.text(1)).gzip().into(),
            "untar" => untar(self.text(0)).into_folder(self.text(1)).into(),
            "untargz" => untar(self.text(0)).gzip().into(),
            "get_user_group" => return self.owner(0).to_string().into(),
            other => panic!("{other}"),
        };
        line.to_string().into()
    }

    fn add_user(&self) -> Line {
        let mut user = add_user(self.text(0)).tools(self.tools());
        if let Some(id) = self.id() {
            user = user.id(id);
        }
        if self.name == "addgroupuser" {
            user = user.groups(self.texts(1));
        }
        if self.flag("no_login", true) {
            user = user.no_login();
        }
        if self.flag("no_password", false) {
            user = user.no_password();
        }
        if self.flag("system", false) {
            user = user.system();
        }
        if let Some(comment) = self.options["gecos"].as_str() {
            user = user.comment(comment);
        }
        user.into()
    }

    fn make_folders(&self) -> Value {
        let folders = self.texts(0).into_iter().map(|path| {
            let mut folder = mkdir(path);
            if !self.flag("create_parent", true) {
                folder = folder.alone();
            }
            if self.flag("check_if_exists", false) {
                folder = folder.unless_there();
            }
            if self.name == "mkdir_chown" {
                folder = folder.owner(self.owner(1));
                if let Some(mode) = self
                    .options
                    .get("permissions")
                    .map_or(Some("ug=rwX,o=rX"), Value::as_str)
                {
                    folder = folder.permissions(mode);
                }
            }
            if self.flag("recursive", false) {
                folder = folder.recursive();
            }
            folder
        });
        if self.flag("return_list", false) {
            let lists = folders.map(|folder| {
                let lines = folder.lines().into_iter();
                lines.map(|line| json!(line.to_string())).collect::<Value>()
            });
            lists.collect()
        } else {
            Line::all(folders).unwrap().to_string().into()
        }
    }
}

#[test]
fn shortcuts_make_the_recorded_lines_or_better() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/shell.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    let mut deviations = BTreeSet::new();
    assert_eq!(text.lines().count(), 41);
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let call = Call {
            name: case["name"].as_str().unwrap(),
            arguments: case["arguments"].as_array().unwrap(),
            options: &case["options"],
        };
        let wanted = match case["deviation"].as_str() {
            Some(deviation) => {
                deviations.insert(deviation.to_owned());
                // One that is none any more is to be taken out.
                assert_ne!(case["dfab"], case["command"], "{line}");
                &case["dfab"]
            }
            None => &case["command"],
        };
        assert_eq!(&call.command(), wanted, "{line}");
    }
    assert_eq!(deviations.len(), 6, "{deviations:?}");
}

/// What the shell makes of a line: its exit status and what it prints.
fn sh(line: &str, folder: &Path) -> (Option<i32>, String) {
    let output = Process::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// Prints each word, with a line's end that no word has after it.
fn print(words: &[Word]) -> String {
    let words: Vec<_> = words.iter().map(Word::to_string).collect();
    format!("printf '%s\\036' {}", words.join(" "))
}

fn printed(text: &str) -> Vec<&str> {
    text.split_terminator('\u{1e}').collect()
}

/// Anything but what no word can have, with more of what shells look at.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\0\u{1e}]{0,12}",
        r#"[-a~=!#$&*?(){}\[\]|\\;'"<>` \t\n/:^%]{0,12}"#,
    ]
}

/// A name that a file can have.
fn name() -> impl Strategy<Value = String> {
    word()
        .prop_map(|name| name.replace('/', "_"))
        .prop_filter("a file has a name", |name| {
            !["", ".", ".."].contains(&name.as_str())
        })
}

/// A line that tells its letter and ends as told, or several joined.
fn line() -> impl Strategy<Value = (Line, Meaning)> {
    let leaf = ("[a-z]", any::<bool>(), 0..3).prop_map(|(letter, succeeds, form)| {
        let end = if succeeds { "true" } else { "false" };
        let line = match form {
            0 => Line::script(format!("echo {letter}; {end}")),
            1 => Line::script(format!("echo {letter}\n{end} # and no more")),
            _ => {
                let words = format!("echo {letter}; {end}");
                Command::new("sh").option("-c").operand(words).into()
            }
        };
        (line, Meaning::Says(letter, succeeds))
    });
    leaf.prop_recursive(4, 16, 2, |inner| {
        (inner.clone(), inner, 0..3).prop_map(|((left, one), (right, other), how)| {
            let (one, other) = (Box::new(one), Box::new(other));
            match how {
                0 => (left.and(right), Meaning::And(one, other)),
                1 => (left.or(right), Meaning::Or(one, other)),
                _ => (left.then(right), Meaning::Then(one, other)),
            }
        })
    })
}

#[derive(Debug, Clone)]
enum Meaning {
    Says(String, bool),
    And(Box<Meaning>, Box<Meaning>),
    Or(Box<Meaning>, Box<Meaning>),
    Then(Box<Meaning>, Box<Meaning>),
}

impl Meaning {
    /// Whether it succeeds, and what it prints.
    fn run(&self, printed: &mut String) -> bool {
        match self {
            Self::Says(letter, succeeds) => {
                printed.push_str(letter);
                *succeeds
            }
            Self::And(one, other) => one.run(printed) && other.run(printed),
            Self::Or(one, other) => one.run(printed) || other.run(printed),
            Self::Then(one, other) => {
                one.run(printed);
                other.run(printed)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_come_through_a_shell(texts in prop::collection::vec(word(), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let words: Vec<_> = texts.iter().map(Word::from).collect();
        let line = print(&words);
        let (_, output) = sh(&line, folder.path());
        prop_assert_eq!(printed(&output), texts.clone());
        // And through the one that `as_root` starts.
        let nested = Command::new("sh").option("-c").operand(&line).to_string();
        let (_, output) = sh(&nested, folder.path());
        prop_assert_eq!(printed(&output), texts);
    }

    #[test]
    fn b_55_patterns_match_what_they_say(names in prop::collection::btree_set(name(), 1..4)) {
        let folder = tempfile::tempdir().unwrap();
        for name in &names {
            std::fs::write(folder.path().join(name), "").unwrap();
            std::fs::write(folder.path().join(format!("{name}+more")), "").unwrap();
        }
        for name in &names {
            let escape = |text: &str| text.chars().flat_map(|c| ['\\', c]).collect::<String>();
            let (first, rest) = name.split_at(name.chars().next().unwrap().len_utf8());
            let mut patterns = vec![format!("{}+mo[q-s]?", escape(name))];
            // A class matches no dot at the beginning, and in some shells no more than a byte.
            if first != "." && first.is_ascii() {
                patterns.push(format!("[{}]{}+*", escape(first), escape(rest)));
            }
            for pattern in patterns {
                let line = print(&[Word::glob(&pattern)]);
                let (_, output) = sh(&line, folder.path());
                let found = printed(&output);
                let wanted = format!("{name}+more");
                prop_assert!(found.contains(&wanted.as_str()), "{line}: {found:?}");
                prop_assert!(found.iter().all(|found| found.starts_with(name.as_str())));
            }
        }
    }

    #[test]
    fn any_name_can_be_made_and_removed(names in prop::collection::btree_set(name(), 1..4)) {
        let folder = tempfile::tempdir().unwrap();
        let made = Line::all(names.iter().map(|name| mkdir(name).permissions("u=rwx"))).unwrap();
        let (status, _) = sh(&made.to_string(), folder.path());
        prop_assert_eq!(status, Some(0), "{}", made);
        for name in &names {
            prop_assert!(folder.path().join(name).is_dir(), "{made}");
        }
        let all = rm(Word::glob("*")).recursive();
        let hidden = names.iter().map(|name| rm(name).recursive().force());
        let removed = Line::all(hidden).unwrap();
        prop_assert_eq!(sh(&Line::from(all).then(removed).to_string(), folder.path()).0, Some(0));
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn joined_lines_run_as_they_were_joined((line, meaning) in line()) {
        let folder = tempfile::tempdir().unwrap();
        let mut wanted = String::new();
        let succeeds = meaning.run(&mut wanted);
        let (status, output) = sh(&line.to_string(), folder.path());
        prop_assert_eq!(status == Some(0), succeeds, "{}", line);
        prop_assert_eq!(output.replace('\n', ""), wanted.clone(), "{}", line);
        let (status, output) = sh(&line.silent().to_string(), folder.path());
        prop_assert_eq!((status == Some(0), output.as_str()), (succeeds, ""));
    }
}
