//! Processes of socat that are left on a host.

use dfab_sdk::task::{Argument, Error, Output, Table, View, ssh};
use serde_json::json;

/// What is run on the host.
const SCRIPT: &str = include_str!("socat.sh");

/// Ends those that no session needs any more, or all of them.
pub fn reset(arguments: &[Argument]) -> Result<Output, Error> {
    let flag = |name| dfab_sdk::flag(arguments, name);
    let (sudo, all) = (flag("sudo"), flag("all"));
    let script = format!(
        "any={}\neverybody={}\nshows={}\n{SCRIPT}",
        if all { "yes" } else { "" },
        if sudo { "yes" } else { "" },
        if flag("list-only") { "yes" } else { "" },
    );
    let line = if sudo { "sudo -n sh" } else { "sh" };
    let outcome = ssh::current()?.run(&ssh::Command {
        line: line.to_owned(),
        stdin: Some(script.into_bytes()),
        timeout_s: None,
    })?;
    if outcome.status != 0 {
        let words = String::from_utf8_lossy(&outcome.stderr);
        return Err(Error::Other(format!(
            "`{line}` ended with status {}: {}",
            outcome.status,
            words.trim()
        )));
    }
    Ok(shown(&String::from_utf8_lossy(&outcome.stdout)))
}

/// What the script printed.
fn shown(printed: &str) -> Output {
    let (mut rows, mut data) = (Vec::new(), Vec::new());
    for line in printed.lines() {
        let mut fields = line.splitn(3, '\t').map(str::trim);
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (process, outcome, command) = (next(), next(), next());
        let number = process.parse::<u32>().ok();
        data.push(json!({ "process": number, "outcome": outcome, "command": command }));
        rows.push(vec![process, outcome, command]);
    }
    let view = if rows.is_empty() {
        View::Text("no socat is left over\n".to_owned())
    } else {
        View::Table(Table {
            columns: ["process", "outcome", "command"]
                .map(str::to_owned)
                .to_vec(),
            rows,
        })
    };
    Output {
        view,
        data: serde_json::Value::Array(data).to_string(),
    }
}
