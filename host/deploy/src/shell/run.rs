//! A container that is made for one run.

use std::path::Path;

use super::command::quoted;
use super::{Script, ShellError, container_create, limited, not_ended, volume};
use crate::run::Run;

/// In a shell of its own, so that what it leaves is removed however it ends.
pub(super) fn write(
    script: &mut Script,
    name: &str,
    run: &Run,
    docker: &[String],
) -> Result<(), ShellError> {
    let create = container_create(name, &run.body)?;
    // By its id: another one of that name is not meant.
    let by_id = |words: &[&str]| -> Result<Vec<String>, ShellError> {
        let mut tokens: Vec<_> = docker
            .iter()
            .map(|word| quoted(word))
            .collect::<Result<_, _>>()?;
        tokens.extend(words.iter().map(|word| (*word).to_owned()));
        Ok(tokens)
    };
    script.notes(&create);
    script.line("(");
    script.indent += 1;
    if run.upload.is_some() {
        script.line("staging=");
    }
    let mut tokens = create.tokens(docker)?;
    if let Some(first) = tokens.first_mut() {
        first.insert_str(0, "id=$(");
    }
    if let Some(last) = tokens.last_mut() {
        last.push(')');
    }
    script.tokens(&tokens);
    let mut end = Vec::new();
    if !run.keep {
        let remove = by_id(&["rm", "--force", "--volumes", "\"$id\"", "> /dev/null"])?;
        end.push(remove.join(" "));
    }
    if run.upload.is_some() {
        end.push("rm -rf \"$staging\"".to_owned());
    }
    if !end.is_empty() {
        script.line(&format!("trap {} EXIT", quoted(&end.join("; "))?));
        script.line("trap 'exit 1' HUP INT TERM");
    }
    for preparation in &run.prepares {
        let place = volume::Place {
            container: volume::Container::Variable("$id"),
            path: &preparation.path,
        };
        let (user, permissions) = (&preparation.user, &preparation.permissions);
        volume::prepare(
            script,
            &place,
            user.as_deref(),
            permissions.as_deref(),
            docker,
        )?;
    }
    if let Some(folder) = &run.folder {
        let place = volume::Place {
            container: volume::Container::Variable("$id"),
            path: folder,
        };
        // Whoever runs in the container may leave results there.
        volume::prepare(script, &place, None, Some("777"), docker)?;
        if let Some(path) = &run.upload {
            let target = format!("\"$id\":{}", quoted(folder)?);
            upload(script, path, &by_id(&["cp", "-", &target])?)?;
        }
    }
    let mut start = by_id(&["start", "\"$id\""])?;
    start.push("> /dev/null".to_owned());
    script.tokens(&start);
    let mut wait = limited(run.timeout_s);
    wait.extend(by_id(&["wait", "\"$id\""])?);
    script.line(&format!("code=$({}) || {{", wait.join(" ")));
    not_ended(script, name, run.timeout_s)?;
    let mut logs = by_id(&["logs"])?;
    if run.timestamps {
        logs.push("--timestamps".to_owned());
    }
    if let Some(lines) = run.tail {
        logs.push(format!("--tail={lines}"));
    }
    logs.push("\"$id\"".to_owned());
    script.tokens(&logs);
    if let (Some(folder), Some(local)) = (&run.folder, &run.download) {
        let local = local_path(local)?;
        script.line(&format!("mkdir -p {local}"));
        let source = format!("\"$id\":{}/.", quoted(folder.trim_end_matches('/'))?);
        script.tokens(&by_id(&["cp", &source, &local])?);
    }
    if run.must_succeed {
        script.line("[ \"$code\" -eq 0 ]");
    } else {
        script.line("echo \"exit code $code\" >&2");
    }
    script.indent -= 1;
    script.line(")");
    Ok(())
}

/// Copies a file, or the contents of a folder, with links followed: gathered on this machine first.
fn upload(script: &mut Script, path: &Path, copy: &[String]) -> Result<(), ShellError> {
    let path = local_path(path)?;
    script.line("staging=$(mktemp -d)");
    script.line(&format!("if [ -d {path} ]; then"));
    script.line(&format!("    cp -RL {path}/. \"$staging\""));
    script.line("else");
    script.line(&format!("    cp -L {path} \"$staging\""));
    script.line("fi");
    // The folder itself keeps its mode: an archive's `.` is passed over.
    let mut tokens = vec!["tar -C \"$staging\" -cf - .".to_owned(), "|".to_owned()];
    tokens.extend_from_slice(copy);
    script.tokens(&tokens);
    Ok(())
}

/// A path that is taken for no option and no container's.
fn local_path(path: &Path) -> Result<String, ShellError> {
    let text = path.to_string_lossy();
    quoted(&if path.is_absolute() {
        text.into_owned()
    } else {
        format!("./{text}")
    })
}
