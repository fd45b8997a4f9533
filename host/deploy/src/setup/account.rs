//! Users and groups of a machine.
//!
//! They are looked up where the machine looks them up itself (`getent`), so that those of a directory
//! count too.

use dfab_runtime::recipe::{Group, Member, User};

use super::SetupError;
use super::script::{SAY, Script, Standing, assign, sections};

/// `ask` prints an entry, and nothing where there is none.
const ASK: &str = "ask() { getent \"$@\" || [ $? = 2 ]; }\nset -e\n";
/// What adds accounts is not on every user's path.
const PATH: &str = "PATH=$PATH:/usr/sbin:/sbin\n";
const ADD_GROUP: &str = include_str!("add_group.sh");
const ADD_USER: &str = include_str!("add_user.sh");
const ADD_MEMBER: &str = include_str!("add_member.sh");

pub(super) fn look_at_group(group: &Group) -> Result<Script, SetupError> {
    let name = check(&group.name)?;
    Ok(questions(&[
        ("name", format!("ask group {name}")),
        ("number", ask_number("group", group.id)),
    ]))
}

pub(super) fn group_standing(group: &Group, printed: &[u8]) -> Standing {
    let answers = Answers::read(printed);
    let name = &group.name;
    match (answers.entry("name"), group.id) {
        (Some(found), Some(wanted)) if found.number != wanted => Standing::Otherwise(format!(
            "the group {name} has the number {}, not {wanted}",
            found.number
        )),
        (Some(_), _) => Standing::So,
        (None, _) => match answers.entry("number") {
            Some(other) => Standing::Otherwise(format!(
                "the group {} has the number {} already",
                other.name, other.number
            )),
            None => Standing::Wanting,
        },
    }
}

pub(super) fn add_group(group: &Group) -> Result<Script, SetupError> {
    let text = [
        assign("name", check(&group.name)?),
        assign("id", &number(group.id)),
        assign("system", yes(group.system)),
        PATH.to_owned(),
        ADD_GROUP.to_owned(),
    ];
    Ok(Script::new(text.concat()).by_root())
}

pub(super) fn look_at_user(user: &User) -> Result<Script, SetupError> {
    let name = check(&user.name)?;
    let group = match &user.group {
        Some(group) => format!("ask group {}", check(group)?),
        None => ":".to_owned(),
    };
    Ok(questions(&[
        ("name", format!("ask passwd {name}")),
        ("number", ask_number("passwd", user.id)),
        ("group", group),
    ]))
}

pub(super) fn user_standing(user: &User, printed: &[u8]) -> Standing {
    let answers = Answers::read(printed);
    let name = &user.name;
    let Some(found) = answers.entry("name") else {
        return match answers.entry("number") {
            Some(other) => Standing::Otherwise(format!(
                "the user {} has the number {} already",
                other.name, other.number
            )),
            None => Standing::Wanting,
        };
    };
    let mut differences = Vec::new();
    if let Some(wanted) = user.id.filter(|wanted| *wanted != found.number) {
        differences.push(format!(
            "the user {name} has the number {}, not {wanted}",
            found.number
        ));
    }
    if let Some(group) = &user.group {
        let wanted = answers.entry("group").map(|group| group.number);
        if wanted != found.group() {
            let has = found.group().map_or_else(String::new, |id| id.to_string());
            differences.push(format!("the user {name} has the group {has}, not {group}"));
        }
    }
    if user.no_login && found.can_log_in() {
        differences.push(format!(
            "the user {name} has the shell {}, and can log in",
            found.shell()
        ));
    }
    if differences.is_empty() {
        Standing::So
    } else {
        Standing::Otherwise(differences.join("; "))
    }
}

pub(super) fn add_user(user: &User) -> Result<Script, SetupError> {
    let group = user.group.as_deref().map(check).transpose()?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let text = [
        assign("name", check(&user.name)?),
        assign("id", &number(user.id)),
        assign("group", group.unwrap_or_default()),
        assign("system", yes(user.system)),
        assign("no_login", yes(user.no_login)),
        assign("home", &text(&user.home)),
        assign("shell", &text(&user.shell)),
        assign("comment", &text(&user.comment)),
        PATH.to_owned(),
        ADD_USER.to_owned(),
    ];
    Ok(Script::new(text.concat()).by_root())
}

pub(super) fn look_at_member(member: &Member) -> Result<Script, SetupError> {
    let (user, group) = (check(&member.user)?, check(&member.group)?);
    Ok(questions(&[
        ("user", format!("ask passwd {user}")),
        ("groups", format!("id -G {user} 2> /dev/null || true")),
        ("group", format!("ask group {group}")),
    ]))
}

/// `is_made` says that a step before this one makes the user.
pub(super) fn member_standing(member: &Member, is_made: bool, printed: &[u8]) -> Standing {
    let answers = Answers::read(printed);
    if !is_made && answers.entry("user").is_none() {
        return Standing::Otherwise(format!(
            "there is no user {} (`dfab setup account {}` makes one)",
            member.user, member.user
        ));
    }
    let group = answers.entry("group").map(|group| group.number.to_string());
    let groups = answers.text("groups");
    Standing::of(group.is_some_and(|group| groups.split_whitespace().any(|one| one == group)))
}

pub(super) fn add_member(member: &Member) -> Result<Script, SetupError> {
    let text = [
        assign("user", check(&member.user)?),
        assign("group", check(&member.group)?),
        PATH.to_owned(),
        ADD_MEMBER.to_owned(),
    ];
    Ok(Script::new(text.concat()).by_root())
}

/// A script that prints the answer to each question after its name.
fn questions(questions: &[(&str, String)]) -> Script {
    let questions = questions
        .iter()
        .map(|(name, question)| format!("say {name}; {question}\n"));
    Script::new(format!("{SAY}{ASK}{}", questions.collect::<String>()))
}

fn ask_number(base: &str, id: Option<u32>) -> String {
    id.map_or_else(|| ":".to_owned(), |id| format!("ask {base} {id}"))
}

fn number(id: Option<u32>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "" }
}

/// A name that every system takes: it is no option and no number, and needs no quotes.
fn check(name: &str) -> Result<&str, SetupError> {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.len() <= 32 && name.chars().all(is_usual) {
        Ok(name)
    } else {
        Err(SetupError::Name(name.to_owned()))
    }
}

/// What a look printed.
struct Answers(Vec<(String, String)>);

impl Answers {
    fn read(printed: &[u8]) -> Self {
        let printed = String::from_utf8_lossy(printed);
        let owned = |(name, answer): (&str, &str)| (name.to_owned(), answer.trim().to_owned());
        Self(sections(&printed).map(owned).collect())
    }

    fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, answer)| answer)
    }

    fn entry(&self, name: &str) -> Option<Entry<'_>> {
        let mut fields = self.text(name).lines().next()?.split(':');
        Some(Entry {
            name: fields.next()?,
            number: fields.nth(1)?.parse().ok()?,
            rest: fields.collect(),
        })
    }
}

/// A line of passwd(5) or group(5).
struct Entry<'a> {
    name: &'a str,
    number: u32,
    /// The fields after the number.
    rest: Vec<&'a str>,
}

impl Entry<'_> {
    /// The number of a user's own group.
    fn group(&self) -> Option<u32> {
        self.rest.first()?.parse().ok()
    }

    fn shell(&self) -> &str {
        match self.rest.get(3).copied() {
            None | Some("") => "/bin/sh",
            Some(shell) => shell,
        }
    }

    fn can_log_in(&self) -> bool {
        !["/nologin", "/false"]
            .iter()
            .any(|end| self.shell().ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    fn user() -> User {
        User {
            name: "app".to_owned(),
            id: Some(2000),
            group: Some("web".to_owned()),
            system: false,
            no_login: true,
            home: None,
            shell: None,
            comment: None,
        }
    }

    fn group(id: Option<u32>) -> Group {
        Group {
            name: "web".to_owned(),
            id,
            system: false,
        }
    }

    fn otherwise(text: &str) -> Standing {
        Standing::Otherwise(text.to_owned())
    }

    #[test]
    fn a_user_is_as_asked_for_or_told() {
        let standing = |name: &str, number: &str| {
            let printed = format!("\n@@name\n{name}\n@@number\n{number}\n@@group\nweb:x:33:\n");
            user_standing(&user(), printed.as_bytes())
        };
        assert_eq!(standing("", ""), Standing::Wanting);
        let same = "app:x:2000:33::/home/app:/usr/sbin/nologin";
        assert_eq!(standing(same, same), Standing::So);
        assert_eq!(
            standing("", "other:x:2000:5:::/bin/sh"),
            otherwise("the user other has the number 2000 already")
        );
        assert_eq!(
            standing("app:x:1001:100:::/bin/bash", ""),
            otherwise(
                "the user app has the number 1001, not 2000; the user app has the group 100, not web; \
                 the user app has the shell /bin/bash, and can log in"
            )
        );
    }

    #[test]
    fn a_group_is_as_asked_for_or_told() {
        let standing = |id, name: &str, number: &str| {
            let printed = format!("\n@@name\n{name}\n@@number\n{number}\n");
            group_standing(&group(id), printed.as_bytes())
        };
        assert_eq!(standing(None, "web:x:33:a,b", ""), Standing::So);
        assert_eq!(standing(Some(33), "web:x:33:", ""), Standing::So);
        assert_eq!(standing(Some(33), "", ""), Standing::Wanting);
        assert_eq!(
            standing(Some(34), "web:x:33:", "log:x:34:"),
            otherwise("the group web has the number 33, not 34")
        );
        assert_eq!(
            standing(Some(34), "", "log:x:34:"),
            otherwise("the group log has the number 34 already")
        );
    }

    #[test]
    fn a_member_is_a_user_who_is_there_or_is_made() {
        let member = Member {
            user: "ann".to_owned(),
            group: "docker".to_owned(),
        };
        let standing = |user: &str, groups: &str, is_made| {
            let printed = format!("\n@@user\n{user}\n@@groups\n{groups}\n@@group\ndocker:x:99:\n");
            member_standing(&member, is_made, printed.as_bytes())
        };
        let ann = "ann:x:1000:1000::/home/ann:/bin/sh";
        assert_eq!(standing(ann, "1000 99", false), Standing::So);
        assert_eq!(standing(ann, "1000", false), Standing::Wanting);
        assert_eq!(standing("", "", true), Standing::Wanting);
        let nobody = "there is no user ann (`dfab setup account ann` makes one)";
        assert_eq!(standing("", "", false), otherwise(nobody));
    }

    /// Docker-Fabric asked for the first group of a user of that name.
    #[test]
    fn b_57_a_group_is_looked_up_as_a_group() {
        let script = look_at_group(&group(Some(0))).unwrap();
        let output = Command::new("sh").arg("-c").arg(script.text).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            group_standing(&group(Some(0)), &output.stdout),
            otherwise("the group root has the number 0 already")
        );
    }

    #[test]
    fn names_are_no_options_and_no_numbers() {
        for name in ["app", "_apt", "www-data", "John.Doe"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "-x",
            "1000",
            "a b",
            "a:b",
            "a;b",
            "a\nb",
            &"a".repeat(33),
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    /// What a script calls where only these programs are.
    fn calls(script: &str, programs: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        for program in programs {
            let file = folder.path().join(program);
            // Nobody is known yet.
            let text = match *program {
                "getent" => "#!/bin/sh\nexit 2\n",
                _ => "#!/bin/sh\necho ${0##*/} \"$@\"\n",
            };
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let script = script.replace(PATH, "");
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .env("PATH", folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn b_58_each_system_is_told_in_its_own_way() {
        let shadow = ["getent", "useradd", "groupadd", "usermod"];
        let busybox = ["getent", "adduser", "addgroup"];
        let service = User {
            group: None,
            system: true,
            comment: Some("The app's own".to_owned()),
            ..user()
        };
        let person = User {
            id: None,
            no_login: false,
            shell: Some("/bin/bash".to_owned()),
            ..user()
        };
        let both = |script: Script| [&shadow[..], &busybox[..]].map(|all| calls(&script.text, all));
        assert_eq!(
            both(add_user(&service).unwrap()),
            [
                "useradd -u 2000 -s /sbin/nologin -U -M -r -c The app's own -- app",
                "addgroup -S app\nadduser -D -G app -u 2000 -s /sbin/nologin -H -S -g The app's own app",
            ]
        );
        assert_eq!(
            both(add_user(&person).unwrap()),
            [
                "useradd -s /bin/bash -g web -m -- app",
                "adduser -D -G web -s /bin/bash app",
            ]
        );
        let group = Group {
            system: true,
            ..group(Some(33))
        };
        assert_eq!(
            both(add_group(&group).unwrap()),
            ["groupadd -g 33 -r -- web", "addgroup -g 33 -S web"]
        );
        let member = Member {
            user: "app".to_owned(),
            group: "web".to_owned(),
        };
        assert_eq!(
            both(add_member(&member).unwrap()),
            ["usermod -a -G web -- app", "addgroup app web"]
        );
    }
}
