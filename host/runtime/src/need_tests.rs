//! Every call there is, with the grants that it needs.

use super::*;
use crate::Level;
use crate::effect::{
    FindShell, Inspect, ListContainers, ListImages, ListNetworks, ListVolumes, RawRequest,
    ReadInfo, ReadVersion, RunAs, RunInContainer,
};
use crate::host_call::{Effect, Free, Labelled};
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
pub(crate) struct Needed {
    effect: Box<dyn Effect>,
    pub(crate) needs: Needs,
}

type Needs = &'static [&'static [&'static str]];

impl Needed {
    pub(crate) fn call(&self) -> HostCall<'_> {
        self.effect.call()
    }
}

impl Effect for Free {
    fn call(&self) -> HostCall<'_> {
        HostCall::Free(*self)
    }

    fn object(&mut self) -> Option<Labelled<'_>> {
        None
    }
}

fn needed(effect: impl Effect + 'static, needs: Needs) -> Needed {
    let effect = Box::new(effect);
    Needed { effect, needs }
}

/// The number of a kind of call. Whoever adds a kind gives it the next number, and a row to [`calls`]
/// and the golden texts.
pub(crate) const KINDS: usize = 47;

pub(crate) fn kind(call: HostCall<'_>) -> usize {
    match call {
        HostCall::Free(Free::Log { .. }) => 0,
        HostCall::Free(Free::Engine) => 1,
        HostCall::Free(Free::EngineName) => 2,
        HostCall::Free(Free::ShellName) => 3,
        HostCall::ReadSetting(_) => 4,
        HostCall::ReadVersion(_) => 5,
        HostCall::ReadInfo(_) => 6,
        HostCall::ListContainers(_) => 7,
        HostCall::ListImages(_) => 8,
        HostCall::ListNetworks(_) => 9,
        HostCall::ListVolumes(_) => 10,
        HostCall::Inspect(Inspect::Container(_)) => 11,
        HostCall::Inspect(Inspect::Image(_)) => 12,
        HostCall::Look(Look::Container(_)) => 13,
        HostCall::Look(Look::Network(_)) => 14,
        HostCall::Look(Look::Volume(_)) => 15,
        HostCall::Change(Change::StopContainer { .. }) => 16,
        HostCall::Change(Change::RemoveContainer { .. }) => 17,
        HostCall::Change(Change::RemoveImage { .. }) => 18,
        HostCall::Change(Change::TagImage { .. }) => 19,
        HostCall::Change(Change::PullImage { .. }) => 20,
        HostCall::Change(Change::PushImage { .. }) => 21,
        HostCall::Change(Change::RemoveNetwork { .. }) => 22,
        HostCall::Change(Change::RemoveVolume { .. }) => 23,
        HostCall::Upload(Upload { local, .. }) => in_project(local, 24),
        HostCall::Download(Download { to, .. }) => in_project(to, 26),
        HostCall::Transfer(Transfer::CopyFromContainer { to, .. }) => in_project(to, 28),
        HostCall::Transfer(Transfer::CopyToContainer { local, .. }) => in_project(local, 30),
        HostCall::Transfer(Transfer::SaveImages { to, .. }) => in_project(to, 32),
        HostCall::Transfer(Transfer::LoadImages { file }) => in_project(file, 34),
        HostCall::Transfer(Transfer::ImportImage { source, .. }) => match source {
            ImageSource::File(file) => in_project(file, 36),
            ImageSource::Selection(_) => 38,
            ImageSource::Image(_) => 39,
        },
        HostCall::RawRequest(_) => 40,
        HostCall::FindShell(_) => 41,
        // A line and single words are looked at by the same rules.
        HostCall::RunCommand(_) => 42,
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
    let upload = |local| Upload {
        local,
        remote: "/srv/app/config".parse().expect("a path"),
        mode: Some(0o600),
    };
    let download = |to| Download {
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
    let of_host = [
        needed(upload(project()), &[UPLOAD, READ]),
        needed(upload(given()), &[UPLOAD]),
        needed(download(project()), &[DOWNLOAD, WRITE]),
        needed(download(given()), &[DOWNLOAD]),
    ];
    let of_engine: Vec<(Transfer, Needs)> = vec![
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
    let of_engine = of_engine.into_iter();
    let of_engine = of_engine.map(|(transfer, needs)| needed(transfer, needs));
    of_host.into_iter().chain(of_engine).collect()
}

fn changes() -> Vec<Needed> {
    let name = || "a".to_owned();
    let all: Vec<(Change, Needs)> = vec![
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
    let all = all.into_iter();
    all.map(|(change, needs)| needed(change, needs)).collect()
}

fn on_the_host() -> Vec<Needed> {
    let words = |line: &str| shell_words::split(line).expect("words");
    let run = |command| RunCommand {
        command,
        stdin: None,
        timeout_s: None,
    };
    let line = |line: &str| run(CommandLine::Line(line.to_owned()));
    let split = |line: &str| run(CommandLine::Words(words(line)));
    let run_as = |user, line| RunAs {
        command: AsUser::new(user, words(line)).expect("a command"),
        stdin: None,
        timeout_s: None,
    };
    const ANY: Needs = &[&[
        "ssh.run",
        "ssh.run uptime",
        "ssh.sudo",
        "ssh.sudo reboot",
        "ssh.sudo -u app rake *",
        "ssh.upload /srv/app/*",
        "ssh.download /var/log/*",
    ]];
    const BOTH: Needs = &[&["ssh.run"], &["ssh.sudo"]];
    const REBOOT: Needs = &[&["ssh.sudo", "ssh.sudo reboot"]];
    const RAKE: Needs = &[&["ssh.sudo", "ssh.sudo -u app rake *"]];
    vec![
        needed(FindShell, ANY),
        needed(line("uptime; id"), &[&["ssh.run"]]),
        needed(line("uptime; sudo id"), BOTH),
        needed(split("uptime"), &[&["ssh.run", "ssh.run uptime"]]),
        needed(split("env sudo id"), BOTH),
        needed(split("sudo reboot"), REBOOT),
        needed(run_as(None, "reboot"), REBOOT),
        needed(run_as(Some("app"), "rake db"), RAKE),
    ]
}

/// Every call, with the grants that it needs.
pub(crate) fn calls() -> Vec<Needed> {
    const READ: Needs = &[&["docker.read"]];
    const LOOK: Needs = &[&["docker.containers", "docker.exec", "docker.read"]];
    const PAUSE: Needs = &[&["docker.request POST /containers/*/pause"]];
    let web = || "web".to_owned();
    let filters = Vec::new;
    let log = Free::Log {
        level: Level::Warn,
        bytes: 3,
    };
    let setting = ReadSetting {
        name: "backup_to".to_owned(),
    };
    let containers = ListContainers {
        all: true,
        filters: filters(),
    };
    let images = ListImages {
        all: true,
        filters: filters(),
    };
    let networks = ListNetworks { filters: filters() };
    let volumes = ListVolumes { filters: filters() };
    let pause = RawRequest {
        method: "POST",
        path: "/containers/web/pause?t=1".to_owned(),
        body: None,
    };
    let tool = RunInContainer {
        container: web(),
        words: vec!["tool".to_owned(), "--password=geheim".to_owned()],
        user: None,
        timeout_s: None,
    };
    let mut calls: Vec<Needed> = vec![
        needed(log, &[]),
        needed(Free::Engine, &[]),
        needed(Free::EngineName, &[]),
        needed(Free::ShellName, &[]),
        needed(setting, &[&["settings.read backup_*"]]),
        needed(ReadVersion, READ),
        needed(ReadInfo, READ),
        needed(containers, READ),
        needed(images, READ),
        needed(networks, READ),
        needed(volumes, READ),
        needed(Inspect::Container(web()), READ),
        needed(Inspect::Image(web()), READ),
        needed(Look::Container(web()), LOOK),
        needed(Look::Network(web()), &[&["docker.networks"]]),
        needed(Look::Volume(web()), &[&["docker.volumes"]]),
        needed(pause, PAUSE),
        needed(tool, &[&["docker.exec"]]),
    ];
    calls.extend(changes());
    calls.extend(transfers());
    calls.extend(on_the_host());
    calls
}

#[test]
fn every_kind_of_call_is_listed() {
    let mut listed: Vec<usize> = calls().iter().map(|needed| kind(needed.call())).collect();
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
