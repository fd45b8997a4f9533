//! Removal of what is left over: which, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use dfab_sdk::task::docker::{ContainerSummary, Engine, ImageSummary};
use dfab_sdk::task::{Argument, Error, Output, Table, View, settings};
use serde_json::{Value, json};

use crate::show::{date, megabytes, short_id};

/// The setting with tags that are kept.
const KEEP_TAGS: &str = "docker_keep_tags";

/// Removes containers that have ended.
pub fn containers(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let include_initial = dfab_sdk::flag(arguments, "include-initial");
    let kept: BTreeSet<&str> = dfab_sdk::arguments(arguments, "keep").collect();
    let mut report = Report::new(arguments, ["container id", "name", "status"]);
    for container in engine.containers(true, &[])? {
        if is_left_over(&container, include_initial, &kept) {
            report.take(described(&container), || remove(engine, &container))?;
        }
    }
    report.end("no container is left over")
}

/// Removes images that nobody needs.
pub fn images(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let force = dfab_sdk::flag(arguments, "force");
    let keep_tags = match dfab_sdk::flag(arguments, "remove-old") {
        true => Some(keep_tags(arguments)?),
        false => None,
    };
    let used = engine.containers(true, &[])?;
    let used: BTreeSet<String> = used.into_iter().map(|used| used.image_id).collect();
    let all = engine.images(true, &[])?;
    let mut report = Report::new(arguments, ["image id", "tags", "created", "size"]);
    for image in unneeded(&all, &used, keep_tags.as_deref()) {
        let item = Item {
            row: vec![
                short_id(&image.id),
                image.tags.join(", "),
                date(image.created),
                megabytes(image.size),
            ],
            data: json!({ "id": image.id, "tags": image.tags, "size": image.size }),
        };
        report.take(item, || {
            // By its names: by its id the engine refuses to remove one that has several.
            for name in &image.tags {
                done(engine.remove_image(name, force))?;
            }
            if image.tags.is_empty() {
                done(engine.remove_image(&image.id, force))?;
            }
            Ok("removed")
        })?;
    }
    report.end("no image is left over")
}

/// Stops and removes all containers.
pub fn all_containers(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let timeout = dfab_sdk::argument(arguments, "stop-timeout").and_then(|text| text.parse().ok());
    let timeout: u32 = timeout
        .ok_or_else(|| Error::Invalid("--stop-timeout takes seconds, from 0 on".to_owned()))?;
    let mut report = Report::new(arguments, ["container id", "name", "status"]);
    for container in engine.containers(true, &[])? {
        report.take(described(&container), || {
            let runs = matches!(
                container.state.as_str(),
                "running" | "paused" | "restarting"
            );
            if runs {
                done(engine.stop_container(&container.id, Some(timeout)))?;
            }
            remove(engine, &container)?;
            Ok(if runs { "stopped, removed" } else { "removed" })
        })?;
    }
    report.end("there is no container")
}

/// What is removed, and how it went.
struct Report {
    only_lists: bool,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    data: Vec<Value>,
    /// What could not be removed, and why.
    failures: Vec<String>,
}

struct Item {
    row: Vec<String>,
    data: Value,
}

impl Report {
    fn new<const N: usize>(arguments: &[Argument], columns: [&str; N]) -> Self {
        let only_lists = dfab_sdk::flag(arguments, "list-only");
        let mut columns = columns.map(str::to_owned).to_vec();
        if !only_lists {
            columns.push("outcome".to_owned());
        }
        Self {
            only_lists,
            columns,
            rows: Vec::new(),
            data: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Removes one, unless they are only listed.
    fn take(
        &mut self,
        mut item: Item,
        remove: impl FnOnce() -> Result<&'static str, Error>,
    ) -> Result<(), Error> {
        if !self.only_lists {
            match remove() {
                Ok(outcome) => {
                    item.row.push(outcome.to_owned());
                    if let Some(fields) = item.data.as_object_mut() {
                        fields.insert("outcome".to_owned(), json!(outcome));
                    }
                }
                // It would be so with all others.
                Err(error @ (Error::Denied(_) | Error::Unreachable(_))) => return Err(error),
                Err(error) => {
                    let names: Vec<&str> = item.row.iter().take(2).map(String::as_str).collect();
                    let name = names.join(" ");
                    self.failures
                        .push(format!("{}: {}", name.trim(), words(&error)));
                    return Ok(());
                }
            }
        }
        self.rows.push(item.row);
        self.data.push(item.data);
        Ok(())
    }

    fn end(self, nothing: &str) -> Result<Output, Error> {
        if !self.failures.is_empty() {
            let removed = self.rows.len();
            return Err(Error::Other(format!(
                "removed {removed}, but not these:\n  {}",
                self.failures.join("\n  ")
            )));
        }
        let view = if self.rows.is_empty() {
            View::Text(format!("{nothing}\n"))
        } else {
            View::Table(Table {
                columns: self.columns,
                rows: self.rows,
            })
        };
        Ok(Output {
            view,
            data: Value::Array(self.data).to_string(),
        })
    }
}

fn described(container: &ContainerSummary) -> Item {
    Item {
        row: vec![
            short_id(&container.id),
            name(container).to_owned(),
            container.status.clone(),
        ],
        data: json!({
            "id": container.id, "name": name(container), "status": container.status,
        }),
    }
}

fn remove(engine: &Engine, container: &ContainerSummary) -> Result<&'static str, Error> {
    done(engine.remove_container(&container.id, false, false))?;
    Ok("removed")
}

/// What has gone meanwhile is as wanted: the removal of an image takes its parents along.
fn done(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Remote((404, _)) | Error::NotFound(_)) => Ok(()),
        other => other,
    }
}

fn words(error: &Error) -> &str {
    match error {
        Error::Denied(text)
        | Error::NotFound(text)
        | Error::Conflict(text)
        | Error::Invalid(text)
        | Error::Unreachable(text)
        | Error::Timeout(text)
        | Error::Remote((_, text))
        | Error::Other(text) => text,
    }
}

/// Its own name; the others are those under which linked containers know it.
fn name(container: &ContainerSummary) -> &str {
    let own = container.names.iter().find(|name| !name.contains('/'));
    own.unwrap_or(&container.id)
}

fn is_left_over(
    container: &ContainerSummary,
    include_initial: bool,
    kept: &BTreeSet<&str>,
) -> bool {
    let status = container.status.as_str();
    let has_ended = status.starts_with("Exited") || status == "Dead";
    let is_initial = status.is_empty() || status == "Created";
    let stays = container
        .names
        .iter()
        .any(|name| kept.contains(name.as_str()));
    (has_ended || (include_initial && is_initial)) && !stays
}

/// Images that no container has, that no name or tag keeps, and that none of those was built on.
fn unneeded<'a>(
    all: &'a [ImageSummary],
    used: &BTreeSet<String>,
    keep_tags: Option<&[String]>,
) -> Vec<&'a ImageSummary> {
    let parents: BTreeMap<&str, &str> = all
        .iter()
        .map(|image| (image.id.as_str(), image.parent_id.as_str()))
        .collect();
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    for image in all {
        if !used.contains(&image.id) && !is_kept(image, keep_tags) {
            continue;
        }
        let mut next = Some(image.id.as_str());
        while let Some(id) = next.filter(|id| kept.insert(id)) {
            next = parents.get(id).copied().filter(|parent| !parent.is_empty());
        }
    }
    all.iter()
        .filter(|image| !kept.contains(image.id.as_str()))
        .collect()
}

/// By its name; with tags to keep by one of them, or `latest`.
fn is_kept(image: &ImageSummary, keep_tags: Option<&[String]>) -> bool {
    let Some(keep_tags) = keep_tags else {
        return !image.tags.is_empty();
    };
    image.tags.iter().any(|name| {
        let tag = name.rsplit_once(':').map(|(_, tag)| tag);
        tag.is_some_and(|tag| tag == "latest" || keep_tags.iter().any(|keep| keep == tag))
    })
}

fn keep_tags(arguments: &[Argument]) -> Result<Vec<String>, Error> {
    let given: Vec<String> = dfab_sdk::arguments(arguments, "keep-tag")
        .map(str::to_owned)
        .collect();
    if !given.is_empty() {
        return Ok(given);
    }
    let setting = settings::get(KEEP_TAGS)?.unwrap_or_default();
    Ok(tags_of(&setting))
}

/// A list, or a text with commas.
fn tags_of(setting: &str) -> Vec<String> {
    match serde_json::from_str(setting) {
        Ok(Value::Array(tags)) => {
            let tags = tags.iter().filter_map(Value::as_str);
            tags.map(str::to_owned).collect()
        }
        Ok(Value::String(tags)) => tags
            .split(',')
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(names: &[&str], status: &str) -> ContainerSummary {
        ContainerSummary {
            id: "0123456789abcdef".to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            image: String::new(),
            image_id: String::new(),
            command: String::new(),
            created: 0,
            state: String::new(),
            status: status.to_owned(),
            ports: Vec::new(),
            labels: Vec::new(),
        }
    }

    fn image(id: &str, parent: &str, tags: &[&str]) -> ImageSummary {
        ImageSummary {
            id: id.to_owned(),
            parent_id: parent.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            created: 0,
            size: 0,
        }
    }

    #[test]
    fn containers_are_left_over_by_their_status() {
        let kept = BTreeSet::from(["kept", "db/alias"]);
        let left = |names: &[&str], status: &str, initial| {
            is_left_over(&container(names, status), initial, &kept)
        };
        assert!(left(&["a"], "Exited (0) 2 days ago", false));
        assert!(left(&["a"], "Dead", false));
        assert!(!left(&["a"], "Up 2 hours", true));
        assert!(!left(&["a"], "Created", false));
        assert!(left(&["a"], "Created", true) && left(&["a"], "", true));
        assert!(!left(&["kept"], "Exited (0) 2 days ago", false));
        assert!(!left(&["a", "db/alias"], "Exited (0) 2 days ago", false));
        assert_eq!(name(&container(&["db/alias", "a"], "")), "a");
        assert_eq!(name(&container(&["db/alias"], "")), "0123456789abcdef");
    }

    #[test]
    fn an_image_is_needed_for_its_name_a_container_or_what_was_built_on_it() {
        let all = [
            image("app", "layer", &["app:1"]),
            image("layer", "base", &[]),
            image("base", "", &[]),
            image("left", "other", &[]),
            image("other", "", &[]),
            image("used", "", &[]),
        ];
        let used = BTreeSet::from(["used".to_owned()]);
        let ids = |keep_tags: Option<&[String]>| -> Vec<String> {
            let found = unneeded(&all, &used, keep_tags);
            found.iter().map(|image| image.id.clone()).collect()
        };
        assert_eq!(ids(None), ["left", "other"]);
        assert_eq!(ids(Some(&[])), ["app", "layer", "base", "left", "other"]);
        assert_eq!(ids(Some(&["1".to_owned()])), ["left", "other"]);
    }

    #[test]
    fn latest_and_the_tags_to_keep_are_kept_of_old_ones() {
        let keep = ["stable".to_owned()];
        let is_kept = |tags: &[&str]| is_kept(&image("a", "", tags), Some(&keep));
        assert!(is_kept(&["a:latest"]) && is_kept(&["a:1", "b.example:5000/a:stable"]));
        assert!(!is_kept(&["a:1"]) && !is_kept(&["a:unstable"]) && !is_kept(&[]));
    }

    #[test]
    fn the_setting_is_a_list_or_a_text() {
        assert_eq!(tags_of(r#"["a","b"]"#), ["a", "b"]);
        assert_eq!(tags_of(r#""a, b,""#), ["a", "b"]);
        assert!(tags_of("").is_empty() && tags_of("null").is_empty());
    }

    #[test]
    fn b_47_what_is_only_listed_is_not_removed() {
        let mut report = Report::new(&[("list-only".to_owned(), "true".to_owned())], ["a"]);
        report
            .take(described(&container(&["a"], "Dead")), || {
                unreachable!("nothing is to be removed")
            })
            .expect("it is listed");
        let output = report.end("nothing").expect("a list");
        assert!(output.data.contains("\"name\":\"a\""), "{}", output.data);
        assert!(!output.data.contains("outcome"));
    }

    #[test]
    fn what_cannot_be_removed_is_told_and_the_rest_is_removed() {
        let mut report = Report::new(&[], ["container id", "name", "status"]);
        let refused = || Err(Error::Remote((409, "it runs".to_owned())));
        report
            .take(described(&container(&["a"], "Dead")), refused)
            .expect("the rest is tried");
        report
            .take(described(&container(&["b"], "Dead")), || Ok("removed"))
            .expect("it is removed");
        let denied = || Err(Error::Denied("no".to_owned()));
        assert!(
            report
                .take(described(&container(&["c"], "Dead")), denied)
                .is_err()
        );
        let Err(Error::Other(text)) = report.end("nothing") else {
            panic!("it succeeded")
        };
        assert_eq!(text, "removed 1, but not these:\n  0123456789ab a: it runs");
    }
}
