//! Files of root's.

use dfab_runtime::recipe::File;

use super::SetupError;
use super::script::{Script, assign};

/// Succeeds where permissions, owner and content, which it reads, are those of the file.
const LOOK: &str = r#"[ -f "$path" ] &&
[ "$(stat -L -c '%a %u %g' -- "$path")" = "$mode 0 0" ] &&
[ "$(sha256sum)" = "$(sha256sum < "$path")" ]"#;

/// The file takes its place whole or not at all: a connection that breaks leaves the old one.
const WRITE: &str = r#"set -e
umask 022
mkdir -p -- "$folder"
new=$(mktemp -p "$folder")
trap 'rm -f -- "$new"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$new"
[ "$(wc -c < "$new")" -eq "$length" ] || { echo "it did not arrive whole" >&2; exit 1; }
chmod "$mode" "$new"
chown 0:0 "$new"
mv -f -- "$new" "$path""#;

pub(super) fn look(file: &File) -> Result<Script, SetupError> {
    script(file, LOOK)
}

pub(super) fn write(file: &File) -> Result<Script, SetupError> {
    script(file, WRITE)
}

fn script(file: &File, end: &str) -> Result<Script, SetupError> {
    let folder = check(file)?;
    let text = [
        &assign("path", &file.path),
        &assign("folder", folder),
        &assign("length", &file.content.len().to_string()),
        &assign("mode", &format!("{:o}", file.mode)),
        end,
    ];
    Ok(Script {
        input: Some(file.content.clone()),
        ..Script::new(text.concat()).by_root()
    })
}

/// The folder of a file that can be meant.
fn check(file: &File) -> Result<&str, SetupError> {
    let wrong = || SetupError::Path(file.path.clone());
    let (folder, name) = file.path.rsplit_once('/').ok_or_else(wrong)?;
    let is_absolute = file.path.starts_with('/') && !file.path.contains('\0');
    if !is_absolute || ["", ".", ".."].contains(&name) || file.mode > 0o7777 {
        return Err(wrong());
    }
    Ok(if folder.is_empty() { "/" } else { folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File {
            path: path.to_owned(),
            content: Vec::new(),
            mode: 0o644,
        }
    }

    #[test]
    fn a_path_is_absolute_and_names_a_file() {
        assert_eq!(check(&file("/x")).unwrap(), "/");
        assert_eq!(check(&file("/etc/a b")).unwrap(), "/etc");
        for path in ["", "x", "etc/x", "/", "/etc/", "/etc/..", "/a\0b"] {
            assert!(check(&file(path)).is_err(), "{path:?}");
        }
    }
}
