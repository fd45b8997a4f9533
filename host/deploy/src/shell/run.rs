//! A container that is made for one run.

use std::path::Path;

use super::command::quoted;
use super::{Script, ShellError, container_create, limited};
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
    if run.folder.is_some() {
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
    if run.folder.is_some() {
        end.push("rm -rf \"$staging\"".to_owned());
    }
    if !end.is_empty() {
        script.line(&format!("trap {} EXIT", quoted(&end.join("; "))?));
        script.line("trap 'exit 1' HUP INT TERM");
    }
    if let Some(folder) = &run.folder {
        upload(
            script,
            folder,
            run.upload.as_deref(),
            &by_id(&["cp", "-", "\"$id:/\""])?,
        )?;
    }
    let mut start = by_id(&["start", "\"$id\""])?;
    start.push("> /dev/null".to_owned());
    script.tokens(&start);
    let mut wait = limited(run.timeout_s);
    wait.extend(by_id(&["wait", "\"$id\""])?);
    script.line(&format!("code=$({})", wait.join(" ")));
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

/// A folder that everybody may write to, with what is uploaded, made on this machine and then copied
/// with all that leads to it.
fn upload(
    script: &mut Script,
    folder: &str,
    upload: Option<&Path>,
    copy: &[String],
) -> Result<(), ShellError> {
    let inside = quoted(&format!("./{}", folder.trim_matches('/')))?;
    let place = format!("\"$staging\"/{inside}");
    script.line("staging=$(mktemp -d)");
    script.line(&format!("mkdir -p {place}"));
    script.line(&format!("chmod 777 {place}"));
    if let Some(path) = upload {
        let path = local_path(path)?;
        script.line(&format!("if [ -d {path} ]; then"));
        script.line(&format!("    cp -RL {path}/. {place}"));
        script.line("else");
        script.line(&format!("    cp -L {path} {place}"));
        script.line("fi");
    }
    let mut tokens = vec![
        "tar -C \"$staging\" -cf -".to_owned(),
        inside,
        "|".to_owned(),
    ];
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
