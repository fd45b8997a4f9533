//! Archives.

use super::{Command, Line, Word, is_line};

/// Packs a file or folder into an archive.
pub fn tar(archive: impl Into<Word>, source: impl Into<Word>) -> Tar {
    Tar {
        archive: archive.into(),
        source: source.into(),
        gzip: false,
    }
}

/// Unpacks an archive.
pub fn untar(archive: impl Into<Word>) -> Untar {
    Untar {
        archive: archive.into(),
        folder: None,
        gzip: false,
    }
}

/// What [`tar`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct Tar {
    archive: Word,
    source: Word,
    gzip: bool,
}

impl Tar {
    /// Compressed.
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    fn line(&self) -> Line {
        Command::new("tar")
            .option_with("-cf", self.archive.clone().path())
            .option_if(self.gzip, "-z")
            .path(&self.source)
            .into()
    }
}

/// What [`untar`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct Untar {
    archive: Word,
    folder: Option<Word>,
    gzip: bool,
}

impl Untar {
    /// Into that folder, which is there.
    pub fn into_folder(mut self, folder: impl Into<Word>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Compressed.
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    fn line(&self) -> Line {
        let command = Command::new("tar").option_with("-xf", self.archive.clone().path());
        let command = match &self.folder {
            Some(folder) => command.option_with("-C", folder.clone().path()),
            None => command,
        };
        command.option_if(self.gzip, "-z").into()
    }
}

is_line!(Tar, Untar);
