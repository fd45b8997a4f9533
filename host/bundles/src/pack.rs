//! From a folder to a bundle: the same files give the same bytes.
//!
//! Of the folder go into the bundle: `*.wasm`, `README*`, `LICENSE*` or `LICENCE*`, and `CHANGELOG*`.
//! Its `bundle.json` names the bundle and its version; where the folder has one component and no such
//! file, the bundle is called as the component is.

use std::path::{Path, PathBuf};

use semver::Version;

use crate::archive::{self, Files, MANIFEST};
use crate::artifact::{self, Artifact, ArtifactError, Entry, Manifest, Part};
use crate::component::Examine;
use crate::file::FileError;
use crate::name::{FileName, Name};

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The folder or one of its files cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A link may lead anywhere.
    #[error("{} is a link; a bundle is packed of files", .0.display())]
    Link(PathBuf),
    /// No component.
    #[error("there is no component (*.wasm) in {}", .0.display())]
    NoComponent(PathBuf),
    /// A text that every bundle has.
    #[error("there is no {what} in {}; a bundle has one, for those who are to trust it", .folder.display())]
    NoText {
        /// Which.
        what: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// Nothing says what the bundle is called.
    #[error(
        "there are several components and no {MANIFEST} in {}; write one: \
         {{\"bundle\": 1, \"name\": \"NAME\", \"version\": \"1.0.0\"}}", .0.display()
    )]
    NoName(PathBuf),
    /// The version of the single component is none that a bundle may have.
    #[error(
        "the version {version} of {name} is not of the form 1.0.0; mend it, or write a {MANIFEST}: \
         {{\"bundle\": 1, \"name\": \"{name}\", \"version\": \"1.0.0\"}}"
    )]
    Version {
        /// The component.
        name: Name,
        /// Its version.
        version: String,
    },
    /// What is there makes no bundle.
    #[error("{} cannot be packed", .folder.display())]
    Artifact {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: ArtifactError,
    },
}

/// Packs a folder.
///
/// # Errors
/// Where it lacks something, or has components that dfab would not load.
pub fn pack(folder: &Path, examine: &dyn Examine) -> Result<Artifact, PackError> {
    let wrong = |source| PackError::Artifact {
        folder: folder.to_owned(),
        source,
    };
    let mut files = read(folder)?;
    let manifest_file: FileName = MANIFEST
        .parse()
        .map_err(|error| wrong(archive_error(error)))?;
    let written = files.remove(&manifest_file);
    let mut parts = Vec::new();
    for (file, bytes) in files.iter().filter(|(file, _)| file.is_component()) {
        parts.push((
            file.clone(),
            artifact::part(file, bytes, examine).map_err(wrong)?,
        ));
    }
    if parts.is_empty() {
        return Err(PackError::NoComponent(folder.to_owned()));
    }
    for what in ["README", "LICENSE"] {
        let has = |file: &FileName| text_kind(file.as_str()) == Some(what);
        if !files.keys().any(has) {
            return Err(PackError::NoText {
                what,
                folder: folder.to_owned(),
            });
        }
    }
    let mut manifest = match written {
        Some(text) => Manifest::read(&text).map_err(wrong)?,
        None => derived(folder, &parts)?,
    };
    manifest.components = parts
        .into_iter()
        .map(|(file, part)| Entry {
            file,
            digest: part.digest,
            component: part.component,
        })
        .collect();
    files.insert(manifest_file, manifest.text().into());
    Artifact::from_files(files, examine).map_err(wrong)
}

/// What of a folder does not go into its bundle, by name; folders end with `/`.
///
/// # Errors
/// Where the folder cannot be read.
pub fn left_out(folder: &Path) -> Result<Vec<String>, FileError> {
    let failed = |error| FileError::read(folder, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().map_err(failed)?.is_dir() {
            names.push(format!("{name}/"));
        } else if !goes_in(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The manifest of a folder that has none.
fn derived(folder: &Path, parts: &[(FileName, Part)]) -> Result<Manifest, PackError> {
    let [(_, only)] = parts else {
        return Err(PackError::NoName(folder.to_owned()));
    };
    let component = &only.component;
    let version = Version::parse(&component.version).map_err(|_| PackError::Version {
        name: component.name.clone(),
        version: component.version.clone(),
    })?;
    let mut manifest = Manifest::new(component.name.clone(), version);
    manifest.description.clone_from(&component.summary);
    Ok(manifest)
}

fn read(folder: &Path) -> Result<Files, PackError> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(|error| FileError::read(folder, error))? {
        let entry = entry.map_err(|error| FileError::read(folder, error))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry
            .file_type()
            .map_err(|error| FileError::read(&path, error))?;
        if !goes_in(&name) || kind.is_dir() {
            continue;
        }
        if kind.is_symlink() {
            return Err(PackError::Link(path));
        }
        let file: FileName = name.parse().map_err(|error| PackError::Artifact {
            folder: folder.to_owned(),
            source: archive_error(error),
        })?;
        let bytes = crate::file::read_file(&path, archive::limit(&file))
            .map_err(|error| FileError::read(&path, error))?;
        files.insert(file, bytes);
    }
    Ok(files)
}

/// Whether a file of that name is for the bundle.
fn goes_in(name: &str) -> bool {
    name == MANIFEST || name.ends_with(".wasm") || text_kind(name).is_some()
}

fn archive_error(error: crate::name::NameError) -> ArtifactError {
    ArtifactError::Archive(error.into())
}

/// Which of the texts of a bundle a file is.
fn text_kind(name: &str) -> Option<&'static str> {
    let stem = name.split('.').next().unwrap_or(name);
    let stem = stem.split('-').next().unwrap_or(stem);
    match stem {
        "README" => Some("README"),
        "LICENSE" | "LICENCE" => Some("LICENSE"),
        "CHANGELOG" => Some("CHANGELOG"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::testing::{examine, wasm};

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn error(folder: &TempDir) -> String {
        let error = pack(folder.path(), &examine).unwrap_err();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text.replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let report = wasm("report", "1.2.0", &["docker.read"]);
        let mut files: Vec<(&str, &[u8])> = vec![
            ("report.wasm", &report),
            ("README.md", b"# Report\n"),
            ("LICENSE-MIT", b"MIT\n"),
        ];
        let one = pack(folder(&files).path(), &examine).unwrap();
        files.reverse();
        let other = folder(&files);
        fs::write(other.path().join("notes.txt"), "stays behind").unwrap();
        fs::create_dir(other.path().join("target.wasm")).unwrap();
        let again = pack(other.path(), &examine).unwrap();
        assert_eq!(one.bytes(), again.bytes());
        assert_eq!(
            left_out(other.path()).unwrap(),
            ["notes.txt", "target.wasm/"]
        );
        assert_eq!((one.name().as_str(), one.version()), ("report", "1.2.0"));
        let manifest = &one.files().unwrap()[&MANIFEST.parse::<FileName>().unwrap()];
        insta::assert_snapshot!(String::from_utf8_lossy(manifest), @r#"
        {
          "bundle": 1,
          "name": "report",
          "version": "1.2.0",
          "description": "Does report.",
          "components": [
            {
              "file": "report.wasm",
              "digest": "sha256:0873c03168fa175f6d4be0b23230a12eb45e8976164477b93f13626bcb2fca12",
              "component": {
                "name": "report",
                "version": "1.2.0",
                "kind": "task",
                "summary": "Does report.",
                "licence": "MIT",
                "asks": {
                  "docker.read": "needs docker.read"
                },
                "imports": [
                  "dfab:log/log@0.1.0"
                ],
                "exports": [
                  "dfab:task/tasks@0.1.0"
                ]
              }
            }
          ]
        }
        "#);
        // What was packed can be unpacked, and packed again.
        let unpacked = tempfile::tempdir().unwrap();
        for (file, bytes) in one.files().unwrap() {
            fs::write(unpacked.path().join(file.as_str()), bytes).unwrap();
        }
        assert_eq!(
            pack(unpacked.path(), &examine).unwrap().bytes(),
            one.bytes()
        );
    }

    #[test]
    fn several_components_need_a_name() {
        let (one, two) = (wasm("one", "1.0.0", &[]), wasm("two", "1.0.0", &[]));
        let folder = folder(&[
            ("one.wasm", &one),
            ("two.wasm", &two),
            ("README", b""),
            ("LICENCE", b""),
        ]);
        insta::assert_snapshot!(error(&folder), @r#"there are several components and no bundle.json in DIR; write one: {"bundle": 1, "name": "NAME", "version": "1.0.0"}"#);
        let file = folder.path().join(MANIFEST);
        fs::write(
            &file,
            r#"{"bundle": 1, "name": "both", "version": "0.1.0"}"#,
        )
        .unwrap();
        let both = pack(folder.path(), &examine).unwrap();
        let names: Vec<_> = both.names().map(Name::as_str).collect();
        assert_eq!(names, ["both", "one", "two"]);
        fs::write(&file, r#"{"bundle": 2, "name": "both", "colour": 1}"#).unwrap();
        insta::assert_snapshot!(error(&folder), @"DIR cannot be packed: bundle.json has the form 2, and this dfab knows the form 1; it needs a newer dfab");
        fs::write(
            &file,
            r#"{"bundle": 1, "name": "Both", "version": "0.1.0"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(error(&folder), @"DIR cannot be packed: bundle.json cannot be read: `Both` is no name; a name has 1 to 64 small letters, digits and hyphens, and starts with a letter at line 1 column 28");
        fs::write(folder.path().join("two.wasm"), &one).unwrap();
        fs::write(
            &file,
            r#"{"bundle": 1, "name": "both", "version": "0.1.0"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(error(&folder), @"DIR cannot be packed: two of its components are called one");
    }

    #[test]
    fn what_is_missing_is_told() {
        insta::assert_snapshot!(error(&folder(&[])), @"there is no component (*.wasm) in DIR");
        let plain = wasm("a", "1.0.0", &[]);
        insta::assert_snapshot!(error(&folder(&[("a.wasm", &plain)])), @"there is no README in DIR; a bundle has one, for those who are to trust it");
        insta::assert_snapshot!(error(&folder(&[("a.wasm", &plain), ("README", b"")])), @"there is no LICENSE in DIR; a bundle has one, for those who are to trust it");
        let unversioned = wasm("a", "first", &[]);
        let texts: [(&str, &[u8]); 2] = [("README", b""), ("LICENSE", b"")];
        insta::assert_snapshot!(error(&folder(&[texts[0], texts[1], ("a.wasm", &unversioned)])), @r#"the version first of a is not of the form 1.0.0; mend it, or write a bundle.json: {"bundle": 1, "name": "a", "version": "1.0.0"}"#);
        insta::assert_snapshot!(error(&folder(&[texts[0], texts[1], ("a.wasm", b"#!/bin/sh")])), @"DIR cannot be packed: a.wasm is refused: it is no component");
        let linked = folder(&texts);
        std::os::unix::fs::symlink("/etc/passwd", linked.path().join("a.wasm")).unwrap();
        insta::assert_snapshot!(error(&linked), @"DIR/a.wasm is a link; a bundle is packed of files");
    }

    #[test]
    fn claims_are_held_against_components() {
        let report = wasm("report", "1.2.0", &["docker.read"]);
        let packed = pack(
            folder(&[("r.wasm", &report), ("README", b""), ("LICENSE", b"")]).path(),
            &examine,
        )
        .unwrap();
        let changed = |change: &dyn Fn(&mut Manifest)| {
            let mut files = packed.files().unwrap().clone();
            let key: FileName = MANIFEST.parse().unwrap();
            let mut manifest = Manifest::read(&files[&key]).unwrap();
            change(&mut manifest);
            files.insert(key, manifest.text().into());
            Artifact::from_files(files, &examine)
                .unwrap_err()
                .to_string()
        };
        let claims = [
            changed(&|it| it.components[0].component.asks.clear()),
            changed(&|it| it.components[0].component.kind = "policy".to_owned()),
            changed(&|it| it.components[0].component.name = "other".parse().unwrap()),
            changed(&|it| it.components[0].component.summary = "harmless".to_owned()),
            changed(&|it| it.components[0].digest = crate::Digest::of(b"")),
            changed(&|it| it.components.clear()),
        ];
        insta::assert_snapshot!(claims.join("\n"), @"
        bundle.json and r.wasm differ about its capabilities
        bundle.json and r.wasm differ about its kind
        bundle.json and r.wasm differ about its name
        bundle.json and r.wasm differ about its version, summary, licence or interfaces
        bundle.json and r.wasm differ about its digest
        bundle.json and the files of the bundle differ: the components that it lists are not those that are there
        ");
        let mut files = packed.files().unwrap().clone();
        files.insert(
            "more.wasm".parse().unwrap(),
            wasm("more", "1.0.0", &[]).into(),
        );
        assert!(matches!(
            Artifact::from_files(files.clone(), &examine),
            Err(ArtifactError::Files(_))
        ));
    }
}
