//! Tasks that look at a Docker Engine, tidy it up, and copy images and files out of it and into it.

mod address;
mod cleanup;
mod files;
mod flatten;
mod images;
mod lists;
mod show;
mod socat;

use dfab_sdk::task::docker;
use dfab_sdk::task::{
    Argument, Error, Output, Parameter, Task, TaskInfo, ValueKind, flag, parameter,
};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_task!(Docker);

struct Docker;

impl Task for Docker {
    fn list_tasks() -> Vec<TaskInfo> {
        [looking(), tidying(), copying(), images()].concat()
    }

    fn run(task: String, arguments: Vec<Argument>) -> Result<Output, Error> {
        match task.as_str() {
            "reset-socat" => return socat::reset(&arguments),
            "get-ip" => return address::get_ip(&arguments),
            "get-ipv6" => return address::get_ipv6(&arguments),
            _ => {}
        }
        let engine = docker::current()?;
        match task.as_str() {
            "version" => lists::version(&engine),
            "info" => lists::info(&engine),
            "list-images" => lists::images(&engine, &arguments),
            "list-containers" => lists::containers(&engine, &arguments),
            "list-networks" => lists::networks(&engine, &arguments),
            "list-volumes" => lists::volumes(&engine, &arguments),
            "cleanup-containers" => cleanup::containers(&engine, &arguments),
            "cleanup-images" => cleanup::images(&engine, &arguments),
            "remove-all-containers" => cleanup::all_containers(&engine, &arguments),
            "copy-resource" => files::copy_resource(&engine, &arguments),
            "copy-resources" => files::copy_resources(&engine, &arguments),
            "copy-into" => files::copy_into(&engine, &arguments),
            "isolate-and-get" => files::isolate_and_get(&engine, &arguments),
            "isolate-to-image" => files::isolate_to_image(&engine, &arguments),
            "save-image" => images::save(&engine, &arguments),
            "load-image" => images::load(&engine, &arguments),
            "flatten-image" => flatten::flatten(&engine, &arguments),
            "pull-image" => images::pull(&engine, &arguments),
            "push-image" => images::push(&engine, &arguments),
            other => Err(Error::NotFound(format!("there is no task {other}"))),
        }
    }
}

/// Tasks that change nothing.
fn looking() -> Vec<TaskInfo> {
    let filter = || many(text("filter", "NAME=VALUE, as `docker` takes it"));
    let interface = || Parameter {
        default_value: Some("docker0".to_owned()),
        ..text("interface", "Its name on the host")
    };
    vec![
        task("version", "The engine's version", Vec::new()),
        task("info", "The engine's state and settings", Vec::new()),
        task(
            "list-images",
            "Images on the engine",
            vec![flag("all", "Also those without a name"), filter()],
        ),
        task(
            "list-containers",
            "Containers on the engine",
            vec![flag("all", "Also those that do not run"), filter()],
        ),
        task("list-networks", "Networks on the engine", vec![filter()]),
        task("list-volumes", "Volumes on the engine", vec![filter()]),
        task(
            "get-ip",
            "The IPv4 addresses of an interface of the host",
            vec![interface()],
        ),
        task(
            "get-ipv6",
            "The IPv6 addresses of an interface of the host",
            vec![
                interface(),
                flag("expand", "All eight groups with four digits each"),
            ],
        ),
    ]
}

/// Tasks that remove what is left over.
fn tidying() -> Vec<TaskInfo> {
    let list_only = || {
        flag(
            "list-only",
            "Show what would be removed, and remove nothing",
        )
    };
    let removing = |info: TaskInfo| TaskInfo {
        preview: Some("list-only".to_owned()),
        ..changing(info)
    };
    vec![
        removing(task(
            "cleanup-containers",
            "Remove containers that have ended",
            vec![
                flag("include-initial", "Also those that were never started"),
                many(text("keep", "A name of one that stays")),
                list_only(),
            ],
        )),
        removing(task(
            "cleanup-images",
            "Remove images that no container has and that have no name",
            vec![
                flag(
                    "remove-old",
                    "Also those with a name, but for the tags that are kept",
                ),
                many(text(
                    "keep-tag",
                    "With --remove-old a tag that is kept beside `latest`; those of the setting \
                     docker_keep_tags without",
                )),
                flag("force", "Also where the engine has a reason to keep one"),
                list_only(),
            ],
        )),
        removing(task(
            "remove-all-containers",
            "Stop and remove all containers",
            vec![
                Parameter {
                    default_value: Some("10".to_owned()),
                    ..parameter(
                        "stop-timeout",
                        "Seconds until one that does not stop is killed",
                        ValueKind::Integer,
                    )
                },
                list_only(),
            ],
        )),
        removing(task(
            "reset-socat",
            "End processes of socat that broken connections have left on the host",
            vec![
                flag(
                    "all",
                    "Also those that are in use, and any other of the user's",
                ),
                flag("sudo", "Of all users, with sudo"),
                flag("list-only", "Show what would be ended, and end nothing"),
            ],
        )),
    ]
}

/// Tasks that copy files of containers.
fn copying() -> Vec<TaskInfo> {
    let container = || required(text("container", "Its name or id"));
    let path = || required(text("path", "A file or folder in the container"));
    let owner = || text("owner", "UID:GID that all of it gets");
    let permissions = || {
        text(
            "permissions",
            "As `chmod` takes them, such as u=rwX,g=rX,o=",
        )
    };
    let rename = || {
        many(text(
            "rename",
            "PATH=TARGET: what a path is called in the copy; *=FOLDER for all others",
        ))
    };
    let to = |summary: &str| required(writes("to", summary));
    let to_any = || to("A folder; or a file, if it ends in .tar, .tar.gz or .tgz");
    vec![
        task(
            "copy-resource",
            "Copy a file or a folder of a container to this machine",
            vec![
                container(),
                path(),
                to_any(),
                flag("whole", "The folder itself, and not only what is in it"),
            ],
        ),
        task(
            "copy-resources",
            "Copy several of them",
            vec![
                container(),
                many(path()),
                to_any(),
                rename(),
                owner(),
                permissions(),
            ],
        ),
        task(
            "isolate-and-get",
            "Copy several of them into one compressed file",
            vec![
                container(),
                many(path()),
                to("A file that ends in .tar.gz or .tgz; or a folder for container_NAME.tar.gz"),
                rename(),
                owner(),
                permissions(),
            ],
        ),
        changing(task(
            "isolate-to-image",
            "Make an image of several of them, and nothing else",
            vec![
                container(),
                many(path()),
                required(text("image", "The name of the image")),
                rename(),
                owner(),
                permissions(),
                change(),
            ],
        )),
        changing(task(
            "copy-into",
            "Copy a file, or what is in a folder, from this machine into a folder of a container",
            vec![
                required(reads("from", "The file or folder")),
                container(),
                required(text("path", "The folder in the container")),
            ],
        )),
    ]
}

/// Tasks with images.
fn images() -> Vec<TaskInfo> {
    let image = || required(text("image", "Its name or id"));
    vec![
        task(
            "save-image",
            "Save an image with its layers to this machine",
            vec![
                many(image()),
                required(writes(
                    "to",
                    "A file that ends in .tar, .tar.gz or .tgz; or a folder for image_NAME.tar.gz",
                )),
            ],
        ),
        changing(task(
            "load-image",
            "Load what was saved",
            vec![required(reads("file", "The file, compressed or not"))],
        )),
        changing(task(
            "flatten-image",
            "Make an image of one layer of an image",
            vec![
                image(),
                text(
                    "name",
                    "Another name for it; that of the image itself without",
                ),
                flag("bare", "Only the files, without the image's settings"),
                change(),
            ],
        )),
        changing(task("pull-image", "Pull an image", vec![many(image())])),
        changing(task("push-image", "Push an image", vec![many(image())])),
    ]
}

fn task(name: &str, summary: &str, parameters: Vec<Parameter>) -> TaskInfo {
    TaskInfo {
        name: name.to_owned(),
        summary: summary.to_owned(),
        parameters,
        changes_things: false,
        preview: None,
    }
}

fn changing(info: TaskInfo) -> TaskInfo {
    TaskInfo {
        changes_things: true,
        ..info
    }
}

fn text(name: &str, summary: &str) -> Parameter {
    parameter(name, summary, ValueKind::Text)
}

/// A path of what has to be there.
fn reads(name: &str, summary: &str) -> Parameter {
    Parameter {
        choices: vec!["read".to_owned()],
        ..parameter(name, summary, ValueKind::Path)
    }
}

/// A path of what is made.
fn writes(name: &str, summary: &str) -> Parameter {
    Parameter {
        choices: vec!["write".to_owned()],
        ..parameter(name, summary, ValueKind::Path)
    }
}

fn change() -> Parameter {
    many(text(
        "change",
        "As `docker import --change` takes it, such as 'CMD [\"app\"]'",
    ))
}

fn required(parameter: Parameter) -> Parameter {
    Parameter {
        required: true,
        ..parameter
    }
}

fn many(parameter: Parameter) -> Parameter {
    Parameter {
        many: true,
        ..parameter
    }
}
