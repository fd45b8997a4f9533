//! Images of one layer, with the settings of the image that they are made of.

use dfab_sdk::task::docker::{Engine, ImageSource};
use dfab_sdk::task::{Argument, Error, Level, Output, log};
use serde_json::Value;

use crate::files::{argument, changes, made};

/// Makes one.
pub fn flatten(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let image = argument(arguments, "image")?;
    let name = dfab_sdk::argument(arguments, "name").unwrap_or(image);
    let mut lines = Vec::new();
    if !dfab_sdk::flag(arguments, "bare") {
        let inspected: Value = serde_json::from_str(&engine.inspect_image(image)?)
            .map_err(|error| Error::Other(format!("the engine's answer is no JSON: {error}")))?;
        lines = settings(inspected.get("Config").unwrap_or(&Value::Null));
    }
    lines.extend(changes(arguments));
    let (lines, broken): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| !line.contains('\n'));
    for line in broken {
        let what = line
            .split(['=', '\n'])
            .next()
            .unwrap_or_default()
            .to_owned();
        log(
            Level::Warn,
            &format!("left out: {what}, since a line break in it cannot be passed on"),
        );
    }
    let id = engine.import_image(&ImageSource::Image(image.to_owned()), name, &lines)?;
    Ok(made(name, &id))
}

/// The settings of an image, a line each, as a Dockerfile has them.
fn settings(config: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let texts = |name: &str| -> Vec<&str> {
        let items = config.get(name).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let keys = |name: &str| -> Vec<&String> {
        let items = config.get(name).and_then(Value::as_object);
        items.into_iter().flat_map(|items| items.keys()).collect()
    };
    for variable in texts("Env") {
        if let Some((name, value)) = variable.split_once('=') {
            lines.push(format!("ENV {name}={}", quoted(value)));
        }
    }
    if let Some(labels) = config.get("Labels").and_then(Value::as_object) {
        for (name, value) in labels {
            let value = value.as_str().unwrap_or_default();
            lines.push(format!("LABEL {}={}", quoted(name), quoted(value)));
        }
    }
    lines.extend(
        keys("ExposedPorts")
            .iter()
            .map(|port| format!("EXPOSE {port}")),
    );
    let volumes = keys("Volumes");
    if !volumes.is_empty() {
        lines.push(format!("VOLUME {}", serde_json::json!(volumes)));
    }
    for (field, instruction) in [
        ("User", "USER"),
        ("WorkingDir", "WORKDIR"),
        ("StopSignal", "STOPSIGNAL"),
    ] {
        let value = config
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !value.is_empty() {
            lines.push(format!("{instruction} {}", value.replace('$', "\\$")));
        }
    }
    // The entry point first: it takes a command back that stands before it.
    for (field, instruction) in [("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")] {
        if config.get(field).is_some_and(Value::is_array) {
            let words = serde_json::json!(texts(field));
            lines.push(format!("{instruction} {words}"));
        }
    }
    lines.extend(health_check(
        config.get("Healthcheck").unwrap_or(&Value::Null),
    ));
    lines.extend(
        texts("OnBuild")
            .iter()
            .map(|line| format!("ONBUILD {line}")),
    );
    lines
}

fn health_check(check: &Value) -> Option<String> {
    let test = check.get("Test")?.as_array()?;
    let words: Vec<&str> = test.iter().filter_map(Value::as_str).collect();
    let command = match words.as_slice() {
        ["NONE"] => return Some("HEALTHCHECK NONE".to_owned()),
        ["CMD", words @ ..] => serde_json::json!(words).to_string(),
        ["CMD-SHELL", line] => (*line).to_owned(),
        _ => return None,
    };
    let mut options = String::new();
    for (field, option) in [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start-period"),
    ] {
        if let Some(nanoseconds) = check.get(field).and_then(Value::as_u64).filter(|n| *n > 0) {
            options.push_str(&format!("--{option}={nanoseconds}ns "));
        }
    }
    if let Some(retries) = check
        .get("Retries")
        .and_then(Value::as_u64)
        .filter(|n| *n > 0)
    {
        options.push_str(&format!("--retries={retries} "));
    }
    Some(format!("HEALTHCHECK {options}CMD {command}"))
}

/// As a Dockerfile takes a value as it is.
fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_of_an_image_are_lines() {
        let config = json!({
            "Env": ["PATH=/bin:$HOME", "EMPTY=", "TEXT=a \"b\" \\c"],
            "Labels": { "a b": "c" },
            "ExposedPorts": { "80/tcp": {} },
            "Volumes": { "/data": {} },
            "User": "app", "WorkingDir": "/srv/$x", "StopSignal": "",
            "Entrypoint": ["/app"], "Cmd": ["serve", "it"],
            "Healthcheck": { "Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_u64 },
            "OnBuild": null,
        });
        assert_eq!(
            settings(&config),
            [
                r#"ENV PATH="/bin:\$HOME""#,
                r#"ENV EMPTY="""#,
                r#"ENV TEXT="a \"b\" \\c""#,
                r#"LABEL "a b"="c""#,
                "EXPOSE 80/tcp",
                r#"VOLUME ["/data"]"#,
                "USER app",
                r"WORKDIR /srv/\$x",
                r#"ENTRYPOINT ["/app"]"#,
                r#"CMD ["serve","it"]"#,
                "HEALTHCHECK --interval=5000000000ns CMD true",
            ]
        );
        assert!(settings(&Value::Null).is_empty());
    }
}
