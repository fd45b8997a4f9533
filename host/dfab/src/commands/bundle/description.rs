//! What an artifact is, for people and for programs.

use dfab_bundles::Artifact;
use serde_json::json;

use crate::terminal;

/// What there is to know of an artifact before it is trusted.
pub(crate) fn describe(artifact: &Artifact) -> String {
    let mut text = format!(
        "{} {}  {}",
        artifact.name(),
        artifact.version(),
        artifact.digest()
    );
    let mut line = |line: String| {
        text.push('\n');
        text.push_str(&line);
    };
    if !artifact.description().is_empty() {
        line(format!("  {}", artifact.description()));
    }
    for part in artifact.parts() {
        let about = &part.component;
        line(format!(
            "  {} {} {}  {}",
            about.kind, about.name, about.version, about.summary
        ));
        if !about.licence.is_empty() {
            line(format!("    licence {}", about.licence));
        }
        let limits: Vec<_> = about
            .limits
            .iter()
            .map(|(name, it)| format!("{name} {it}"))
            .collect();
        if !limits.is_empty() {
            line(format!("    makes do with {}", limits.join(", ")));
        }
        if about.asks.is_empty() {
            line("    asks for nothing".to_owned());
        }
        for (ask, reason) in &about.asks {
            line(format!("    asks for {ask}: {reason}"));
        }
    }
    terminal::plain(&text)
}

/// The same as data.
pub(crate) fn as_json(artifact: &Artifact) -> serde_json::Value {
    let components: Vec<_> = artifact
        .parts()
        .iter()
        .map(|part| json!({ "digest": part.digest, "component": part.component }))
        .collect();
    json!({
        "name": artifact.name(),
        "version": artifact.version(),
        "digest": artifact.digest(),
        "description": artifact.description(),
        "components": components,
    })
}
