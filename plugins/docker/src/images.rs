//! Images to files and back, and to registries and back.

use dfab_sdk::task::docker::{Copied, Engine, Form};
use dfab_sdk::task::{Argument, Error, Output, View};
use serde_json::json;

use crate::files::{argument, copied, form};

/// Images with their layers, into a file.
pub fn save(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let images: Vec<String> = dfab_sdk::arguments(arguments, "image")
        .map(str::to_owned)
        .collect();
    let to = argument(arguments, "to")?;
    let to = match form(to) {
        Form::Tar | Form::TarGz => to.to_owned(),
        Form::Folder => {
            let name = images.first().map(|image| short_name(image));
            let name = name.unwrap_or_default();
            format!("{}/image_{name}.tar.gz", to.trim_end_matches('/'))
        }
    };
    let bytes = engine.save_images(&images, &to)?;
    let left_out = Vec::new();
    copied(&to, Copied { bytes, left_out })
}

/// What was saved.
pub fn load(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let file = argument(arguments, "file")?;
    let images = engine.load_images(file)?;
    if images.is_empty() {
        return Err(Error::Other(format!("there is no image in {file}")));
    }
    Ok(listed(&images))
}

/// From their registries.
pub fn pull(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    each(arguments, |image| engine.pull_image(image))
}

/// To their registries.
pub fn push(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    each(arguments, |image| engine.push_image(image))
}

fn each(arguments: &[Argument], work: impl Fn(&str) -> Result<(), Error>) -> Result<Output, Error> {
    let mut images = Vec::new();
    for image in dfab_sdk::arguments(arguments, "image") {
        work(image)?;
        images.push(image.to_owned());
    }
    Ok(listed(&images))
}

fn listed(images: &[String]) -> Output {
    Output {
        view: View::Text(format!("{}\n", images.join("\n"))),
        data: json!(images).to_string(),
    }
}

/// Without registry and tag.
fn short_name(image: &str) -> &str {
    let last = image.rsplit_once('/').map_or(image, |(_, name)| name);
    let name = last.strip_prefix("sha256:").unwrap_or(last);
    name.split([':', '@']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_the_image_without_registry_and_tag() {
        assert_eq!(short_name("registry.example:5000/team/app:1.2"), "app");
        assert_eq!(short_name("app"), "app");
        assert_eq!(short_name("app@sha256:00"), "app");
        assert_eq!(short_name("sha256:0123"), "0123");
    }
}
