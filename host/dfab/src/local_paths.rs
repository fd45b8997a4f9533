//! Files and folders of this machine that the operator names for plugins.

use clap::ArgMatches;
use dfab_runtime::{Parameter, ValueKind};

/// What a path is for, among the choices of its parameter: it has to be there, or it is made.
const READ: &str = "read";
const WRITE: &str = "write";

/// Arguments that are files and folders of this machine, and that the operator typed: a default is
/// only the plugin's wish.
pub(crate) fn typed(matches: &ArgMatches, parameters: &[Parameter]) -> Vec<String> {
    let is_typed = |parameter: &&Parameter| {
        matches.value_source(&parameter.name) == Some(clap::parser::ValueSource::CommandLine)
    };
    parameters
        .iter()
        .filter(|parameter| parameter.kind == ValueKind::Path)
        .filter(is_typed)
        .filter_map(|parameter| matches.get_many::<String>(&parameter.name))
        .flatten()
        .cloned()
        .collect()
}

/// Whether a parameter is a path of what has to be there.
pub(crate) fn is_read(parameter: &Parameter) -> bool {
    is_of(parameter, READ)
}

/// A path of what is there: that is seen to before anybody is asked or reached.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn that_is_there(path: &str) -> Result<String, String> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(format!("cannot read it: {error}")),
    }
}

/// The arguments as one of several hosts gets them: what is written there has a path of its own. The
/// second are those paths.
pub(crate) fn for_host(
    arguments: &[(String, String)],
    parameters: &[Parameter],
    typed: &[String],
    host: &str,
) -> (Vec<(String, String)>, Vec<String>) {
    let mut own = Vec::new();
    let arguments = arguments.iter().map(|(name, value)| {
        let parameter = parameters.iter().find(|known| known.name == *name);
        let is_written = parameter.is_some_and(|known| is_of(known, WRITE));
        if !is_written || !typed.contains(value) {
            return (name.clone(), value.clone());
        }
        let path = path_of_host(value, host);
        own.push(path.clone());
        (name.clone(), path)
    });
    (arguments.collect(), own)
}

fn is_of(parameter: &Parameter, purpose: &str) -> bool {
    parameter.kind == ValueKind::Path && parameter.choices.iter().any(|one| one == purpose)
}

/// A file's name stays its name, in a folder of the host; else it is a folder, and the host's is in it.
fn path_of_host(path: &str, host: &str) -> String {
    let is_file = [".tar", ".tar.gz", ".tgz"]
        .iter()
        .any(|end| path.ends_with(end));
    match path.rsplit_once('/') {
        Some((folder, name)) if is_file => format!("{folder}/{host}/{name}"),
        None if is_file => format!("{host}/{path}"),
        _ => format!("{}/{host}", path.strip_suffix('/').unwrap_or(path)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::arguments;

    #[test]
    fn a_path_has_to_be_there_or_is_made_for_each_host() {
        let parameter = |name: &str, purpose: &str| Parameter {
            choices: vec![purpose.to_owned()],
            ..arguments::bare_parameter(name, ValueKind::Path)
        };
        let parameters = [parameter("from", READ), parameter("to", WRITE)];
        let read = |line: &[&str]| {
            let command = arguments::with_parameters(Command::new("x"), &parameters);
            let matches = command
                .try_get_matches_from(line)
                .map_err(|error| error.to_string())?;
            let typed = typed(&matches, &parameters);
            let given = arguments::arguments(&matches, &parameters);
            Ok::<_, String>(for_host(&given, &parameters, &typed, "h1"))
        };
        let missing = read(&["x", "--from", "/no/such/file"]).unwrap_err();
        assert!(
            missing.contains("/no/such/file") && missing.contains("No such file"),
            "{missing}"
        );
        let (given, own) = read(&["x", "--from", "/", "--to", "out"]).unwrap();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            given,
            [(text("from"), text("/")), (text("to"), text("out/h1"))]
        );
        assert_eq!(own, ["out/h1"]);
        for (path, of_host) in [
            ("out/", "out/h1"),
            ("/", "/h1"),
            ("a.tar", "h1/a.tar"),
            ("/x/a.tgz", "/x/h1/a.tgz"),
        ] {
            assert_eq!(path_of_host(path, "h1"), of_host);
        }
    }
}
