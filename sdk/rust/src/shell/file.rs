//! Files and folders: made, removed, given to somebody.

use super::{Command, Line, Owner, Word, is_line};

/// Removes a file.
pub fn rm(path: impl Into<Word>) -> Remove {
    Remove {
        path: path.into(),
        recursive: false,
        force: false,
    }
}

/// Gives a file to somebody.
pub fn chown(owner: impl Into<Owner>, path: impl Into<Word>) -> ChangeOwner {
    ChangeOwner {
        owner: owner.into(),
        path: path.into(),
        recursive: false,
    }
}

/// Changes the permissions of a file: `0640`, or `u=rwX,g=rX,o=`.
pub fn chmod(mode: impl Into<Word>, path: impl Into<Word>) -> ChangeMode {
    ChangeMode {
        mode: mode.into(),
        path: path.into(),
        recursive: false,
    }
}

/// Makes a folder with those above it; it may be there already.
pub fn mkdir(path: impl Into<Word>) -> MakeFolder {
    MakeFolder {
        path: path.into().path(),
        parents: true,
        unless_there: false,
        owner: None,
        permissions: None,
        recursive: false,
    }
}

/// What [`rm`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct Remove {
    path: Word,
    recursive: bool,
    force: bool,
}

impl Remove {
    /// A folder too, with all that is in it.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    /// Also where there is none, and without asking.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    fn line(&self) -> Line {
        Command::new("rm")
            .option_if(self.recursive, "-R")
            .option_if(self.force, "-f")
            .path(&self.path)
            .into()
    }
}

/// What [`chown`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct ChangeOwner {
    owner: Owner,
    path: Word,
    recursive: bool,
}

impl ChangeOwner {
    /// With all that is in it.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    fn line(&self) -> Line {
        Command::new("chown")
            .option_if(self.recursive, "-R")
            .operand(&self.owner)
            .path(&self.path)
            .into()
    }
}

/// What [`chmod`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct ChangeMode {
    mode: Word,
    path: Word,
    recursive: bool,
}

impl ChangeMode {
    /// With all that is in it.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    fn line(&self) -> Line {
        Command::new("chmod")
            .option_if(self.recursive, "-R")
            .operand(&self.mode)
            .path(&self.path)
            .into()
    }
}

/// What [`mkdir`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct MakeFolder {
    path: Word,
    parents: bool,
    unless_there: bool,
    owner: Option<Owner>,
    permissions: Option<Word>,
    recursive: bool,
}

impl MakeFolder {
    /// Only where the folder above is there, and this one is not.
    pub fn alone(mut self) -> Self {
        self.parents = false;
        self
    }

    /// Not where there is a folder already.
    pub fn unless_there(mut self) -> Self {
        self.unless_there = true;
        self
    }

    /// Gives it to somebody then.
    pub fn owner(mut self, owner: impl Into<Owner>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Sets its permissions then.
    pub fn permissions(mut self, mode: impl Into<Word>) -> Self {
        self.permissions = Some(mode.into());
        self
    }

    /// Changes owner and permissions of all that is in it as well.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    /// The steps one by one.
    pub fn lines(&self) -> Vec<Line> {
        let make = Line::from(
            Command::new("mkdir")
                .option_if(self.parents, "-p")
                .path(&self.path),
        );
        let make = if self.unless_there {
            Line::command(format!("[ -d {} ]", self.path)).or(make)
        } else {
            make
        };
        let own = self.owner.as_ref().map(|owner| {
            Line::from(ChangeOwner {
                owner: owner.clone(),
                path: self.path.clone(),
                recursive: self.recursive,
            })
        });
        let permit = self.permissions.as_ref().map(|mode| {
            Line::from(ChangeMode {
                mode: mode.clone(),
                path: self.path.clone(),
                recursive: self.recursive,
            })
        });
        [Some(make), own, permit].into_iter().flatten().collect()
    }

    fn line(&self) -> Line {
        let lines = self.lines().into_iter();
        lines.reduce(Line::and).unwrap_or_else(|| Line::script(""))
    }
}

is_line!(Remove, ChangeOwner, ChangeMode, MakeFolder);
