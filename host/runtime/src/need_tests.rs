//! Every call there is, with the grants that it needs.

use super::*;
use crate::Level;
use crate::host_call::{ContainerCommand, Free, Object};
use crate::privilege::AsUser;
use crate::task::{BuildOptions, Form, Selection};

/// A grant of each capability; of those that cover something in particular, what the calls need.
pub(crate) const ALL: [&str; 19] = [
    "settings.read backup_*",
    "docker.read",
    "docker.containers",
    "docker.exec",
    "docker.images",
    "docker.build",
    "docker.networks",
    "docker.volumes",
    "docker.registry",
    "docker.request POST /containers/*/pause",
    "ssh.run",
    "ssh.run uptime",
    "ssh.sudo",
    "ssh.sudo reboot",
    "ssh.sudo -u app rake *",
    "ssh.upload /srv/app/*",
    "ssh.download /var/log/*",
    "files.read backups",
    "files.write backups",
];

/// A call, and what must be granted for it: one of each of these.
pub(crate) type Needed = (HostCall, &'static [&'static [&'static str]]);

/// The number of a kind of call. Whoever adds a kind gives it the next number, and a row to [`calls`]
/// and the golden texts.
pub(crate) const KINDS: usize = 47;

pub(crate) fn kind(call: &HostCall) -> usize {
    match call {
        HostCall::Free(Free::Log { .. }) => 0,
        HostCall::Free(Free::Engine) => 1,
        HostCall::Free(Free::EngineName) => 2,
        HostCall::Free(Free::ShellName) => 3,
        HostCall::Setting { .. } => 4,
        HostCall::Version => 5,
        HostCall::Info => 6,
        HostCall::Containers => 7,
        HostCall::Images => 8,
        HostCall::Networks => 9,
        HostCall::Volumes => 10,
        HostCall::Inspect(Object::Container(_)) => 11,
        HostCall::Inspect(Object::Image(_)) => 12,
        HostCall::Look(Labelled::Container(_)) => 13,
        HostCall::Look(Labelled::Network(_)) => 14,
        HostCall::Look(Labelled::Volume(_)) => 15,
        HostCall::Change(Change::StopContainer { .. }) => 16,
        HostCall::Change(Change::RemoveContainer { .. }) => 17,
        HostCall::Change(Change::RemoveImage { .. }) => 18,
        HostCall::Change(Change::TagImage { .. }) => 19,
        HostCall::Change(Change::PullImage { .. }) => 20,
        HostCall::Change(Change::PushImage { .. }) => 21,
        HostCall::Change(Change::RemoveNetwork { .. }) => 22,
        HostCall::Change(Change::RemoveVolume { .. }) => 23,
        HostCall::Transfer(Transfer::Upload { local, .. }) => in_project(local, 24),
        HostCall::Transfer(Transfer::Download { to, .. }) => in_project(to, 26),
        HostCall::Transfer(Transfer::CopyFromContainer { to, .. }) => in_project(to, 28),
        HostCall::Transfer(Transfer::CopyToContainer { local, .. }) => in_project(local, 30),
        HostCall::Transfer(Transfer::SaveImages { to, .. }) => in_project(to, 32),
        HostCall::Transfer(Transfer::LoadImages { file }) => in_project(file, 34),
        HostCall::Transfer(Transfer::ImportImage { source, .. }) => match source {
            ImageSource::File(file) => in_project(file, 36),
            ImageSource::Selection(_) => 38,
            ImageSource::Image(_) => 39,
        },
        HostCall::Request { .. } => 40,
        HostCall::Shell => 41,
        // A line and single words are looked at by the same rules.
        HostCall::Run { .. } => 42,
        HostCall::RunAs(_) => 43,
        HostCall::RunInContainer(_) => 44,
        HostCall::Transfer(Transfer::BuildImage { folder, .. }) => in_project(folder, 45),
    }
}

fn in_project(path: &LocalPath, number: usize) -> usize {
    number + usize::from(path.root == LocalRoot::Project)
}

fn project() -> LocalPath {
    LocalPath {
        root: LocalRoot::Project,
        below: "backups/a.tar".into(),
    }
}

fn given() -> LocalPath {
    LocalPath {
        root: LocalRoot::Given("/srv/a.tar".into()),
        below: PathBuf::new(),
    }
}

fn files() -> Selection {
    Selection {
        container: "web".to_owned(),
        parts: Vec::new(),
        owner: None,
        permissions: None,
    }
}

fn transfers() -> Vec<Needed> {
    let upload = |local| Transfer::Upload {
        local,
        remote: "/srv/app/config".parse().expect("a path"),
        mode: Some(0o600),
    };
    let download = |to| Transfer::Download {
        remote: "/var/log/syslog".parse().expect("a path"),
        to,
    };
    let build = |folder| Transfer::BuildImage {
        folder,
        names: vec!["app:1".to_owned()],
        options: BuildOptions {
            dockerfile: None,
            arguments: vec![("KEY".to_owned(), "geheim".to_owned())],
            target: None,
            no_cache: false,
            pull: false,
        },
    };
    let copy_out = |to| Transfer::CopyFromContainer {
        files: files(),
        to,
        form: Form::Tar,
    };
    let copy_in = |local| Transfer::CopyToContainer {
        local,
        container: "web".to_owned(),
        folder: "/".to_owned(),
    };
    let save = |to| Transfer::SaveImages {
        images: vec!["app".to_owned()],
        to,
    };
    let load = |file| Transfer::LoadImages { file };
    let import = |source| Transfer::ImportImage {
        source,
        image: "app".to_owned(),
        changes: vec!["ENV A=geheim".to_owned()],
    };
    const READ: &[&str] = &["files.read backups"];
    const WRITE: &[&str] = &["files.write backups"];
    const CONTAINERS: &[&str] = &["docker.containers"];
    const BUILD: &[&str] = &["docker.build"];
    const IMAGES: &[&str] = &["docker.images"];
    const UPLOAD: &[&str] = &["ssh.upload /srv/app/*"];
    const DOWNLOAD: &[&str] = &["ssh.download /var/log/*"];
    let all: Vec<(Transfer, &'static [&'static [&'static str]])> = vec![
        (upload(project()), &[UPLOAD, READ]),
        (upload(given()), &[UPLOAD]),
        (download(project()), &[DOWNLOAD, WRITE]),
        (download(given()), &[DOWNLOAD]),
        (build(project()), &[BUILD, READ]),
        (build(given()), &[BUILD]),
        (copy_out(project()), &[CONTAINERS, WRITE]),
        (copy_out(given()), &[CONTAINERS]),
        (copy_in(project()), &[CONTAINERS, READ]),
        (copy_in(given()), &[CONTAINERS]),
        (save(project()), &[IMAGES, WRITE]),
        (save(given()), &[IMAGES]),
        (load(project()), &[IMAGES, READ]),
        (load(given()), &[IMAGES]),
        (import(ImageSource::File(project())), &[IMAGES, READ]),
        (import(ImageSource::File(given())), &[IMAGES]),
        (
            import(ImageSource::Selection(files())),
            &[IMAGES, CONTAINERS],
        ),
        (import(ImageSource::Image("app".to_owned())), &[IMAGES]),
    ];
    let call = |(transfer, needed)| (HostCall::Transfer(transfer), needed);
    all.into_iter().map(call).collect()
}

fn changes() -> Vec<Needed> {
    let name = || "a".to_owned();
    let all: Vec<(Change, &'static [&'static [&'static str]])> = vec![
        (
            Change::StopContainer {
                container: name(),
                timeout_s: None,
            },
            &[&["docker.containers"]],
        ),
        (
            Change::RemoveContainer {
                container: name(),
                force: true,
                volumes: true,
            },
            &[&["docker.containers"]],
        ),
        (
            Change::RemoveImage {
                image: name(),
                force: true,
            },
            &[&["docker.images"]],
        ),
        (
            Change::TagImage {
                image: name(),
                name: name(),
            },
            &[&["docker.images"]],
        ),
        (Change::PullImage { image: name() }, &[&["docker.registry"]]),
        (Change::PushImage { image: name() }, &[&["docker.registry"]]),
        (
            Change::RemoveNetwork { network: name() },
            &[&["docker.networks"]],
        ),
        (
            Change::RemoveVolume { volume: name() },
            &[&["docker.volumes"]],
        ),
    ];
    let call = |(change, needed)| (HostCall::Change(change), needed);
    all.into_iter().map(call).collect()
}

fn on_the_host() -> Vec<Needed> {
    let words = |line: &str| shell_words::split(line).expect("words");
    let run = |line: &str, split: bool| HostCall::Run {
        line: line.to_owned(),
        words: split.then(|| words(line)),
    };
    let run_as = |user, line| HostCall::RunAs(AsUser::new(user, words(line)).expect("a command"));
    vec![
        (
            HostCall::Shell,
            &[&[
                "ssh.run",
                "ssh.run uptime",
                "ssh.sudo",
                "ssh.sudo reboot",
                "ssh.sudo -u app rake *",
                "ssh.upload /srv/app/*",
                "ssh.download /var/log/*",
            ]],
        ),
        (run("uptime; id", false), &[&["ssh.run"]]),
        (
            run("uptime; sudo id", false),
            &[&["ssh.run"], &["ssh.sudo"]],
        ),
        (run("uptime", true), &[&["ssh.run", "ssh.run uptime"]]),
        (run("env sudo id", true), &[&["ssh.run"], &["ssh.sudo"]]),
        (
            run("sudo reboot", true),
            &[&["ssh.sudo", "ssh.sudo reboot"]],
        ),
        (run_as(None, "reboot"), &[&["ssh.sudo", "ssh.sudo reboot"]]),
        (
            run_as(Some("app"), "rake db"),
            &[&["ssh.sudo", "ssh.sudo -u app rake *"]],
        ),
    ]
}

/// Every call, with the grants that it needs.
pub(crate) fn calls() -> Vec<Needed> {
    const READ: &[&[&str]] = &[&["docker.read"]];
    const LOOK: &[&[&str]] = &[&["docker.containers", "docker.exec", "docker.read"]];
    let web = || "web".to_owned();
    let mut calls: Vec<Needed> = vec![
        (
            HostCall::Free(Free::Log {
                level: Level::Warn,
                bytes: 3,
            }),
            &[],
        ),
        (HostCall::Free(Free::Engine), &[]),
        (HostCall::Free(Free::EngineName), &[]),
        (HostCall::Free(Free::ShellName), &[]),
        (
            HostCall::Setting {
                name: "backup_to".to_owned(),
            },
            &[&["settings.read backup_*"]],
        ),
        (HostCall::Version, READ),
        (HostCall::Info, READ),
        (HostCall::Containers, READ),
        (HostCall::Images, READ),
        (HostCall::Networks, READ),
        (HostCall::Volumes, READ),
        (HostCall::Inspect(Object::Container(web())), READ),
        (HostCall::Inspect(Object::Image(web())), READ),
        (HostCall::Look(Labelled::Container(web())), LOOK),
        (
            HostCall::Look(Labelled::Network(web())),
            &[&["docker.networks"]],
        ),
        (
            HostCall::Look(Labelled::Volume(web())),
            &[&["docker.volumes"]],
        ),
        (
            HostCall::Request {
                method: "POST",
                path: "/containers/web/pause?t=1".to_owned(),
            },
            &[&["docker.request POST /containers/*/pause"]],
        ),
        (
            HostCall::RunInContainer(ContainerCommand {
                container: web(),
                words: vec!["tool".to_owned(), "--password=geheim".to_owned()],
                user: None,
                timeout_s: None,
            }),
            &[&["docker.exec"]],
        ),
    ];
    calls.extend(changes());
    calls.extend(transfers());
    calls.extend(on_the_host());
    calls
}

#[test]
fn every_kind_of_call_is_listed() {
    let mut listed: Vec<usize> = calls().iter().map(|(call, _)| kind(call)).collect();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed, (0..KINDS).collect::<Vec<_>>());
}

#[test]
fn a_file_needs_its_folder() {
    let needs = |path: &str| Need::FilesWrite(path.into()).grant(None);
    assert_eq!(needs("backups/daily/a.tar"), "files.write backups/daily");
    assert_eq!(needs("backups"), "files.write backups");
    assert_eq!(needs(""), "files.write .");
}

#[test]
fn an_object_needs_the_map_that_it_is_of() {
    let labels: Labels = [("dfab.map".to_owned(), "shop".to_owned())].into();
    let need = Need::Object(Class::Containers);
    assert_eq!(need.grant(None), "docker.containers");
    assert_eq!(need.grant(Some(&labels)), "docker.containers map=shop");
}
