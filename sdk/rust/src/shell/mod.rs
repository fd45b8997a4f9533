//! Command lines for the shell of a host, put together from words and rightly quoted.
//!
//! A [`Word`] is quoted, so that no text becomes a command of its own; a [`Command`] is a program with
//! its words; a [`Line`] joins commands. Frequent chores have functions that name what they do:
//!
//! ```
//! use dfab_sdk::shell::{Line, Word, mkdir, rm};
//!
//! let folder = mkdir("/srv/John's files").owner("app:web");
//! let logs = rm(Word::glob("/var/log/my app/*.gz")).force();
//! assert_eq!(
//!     Line::from(folder).and(logs).to_string(),
//!     r"mkdir -p '/srv/John'\''s files' && chown app:web '/srv/John'\''s files' && rm -f '/var/log/my app/'*.gz"
//! );
//! ```
//!
//! Everything here only makes texts. A task runs them by `ssh`, a recipe puts them into guarded
//! commands.

mod account;
mod archive;
mod command;
mod download;
mod file;
mod line;
mod owner;
mod word;

pub use account::{AddGroup, AddUser, Tools, add_group, add_user, assign_groups};
pub use archive::{Tar, Untar, tar, untar};
pub use command::Command;
pub use download::{Download, curl, wget};
pub use file::{ChangeMode, ChangeOwner, MakeFolder, Remove, chmod, chown, mkdir, rm};
pub use line::Line;
pub use owner::Owner;
pub use word::Word;

/// Lets what makes a line be printed and joined as one.
macro_rules! is_line {
    ($($name:ident),+) => {$(
        impl From<$name> for $crate::shell::Line {
            fn from(chore: $name) -> Self {
                chore.line()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.line().fmt(f)
            }
        }
    )+};
}
use is_line;
