//! Settings that are secrets, taken out of texts: also where they are quoted for a shell, encoded for a
//! URL or escaped in JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What stands in the place of a secret.
const MASK: &str = "***";
/// In characters. A shorter setting is no secret worth its name, and would be found in anything.
const SHORTEST: usize = 4;

/// Secrets, as they are looked for. They are never printed.
pub(crate) struct Secrets(Vec<Vec<Spellings>>);

/// How a character may be written, before it is quoted or encoded.
type Spellings = Vec<Vec<u8>>;

impl Secrets {
    /// Texts and numbers that are called like secrets, or are below something that is.
    pub(crate) fn of(settings: &Map<String, Value>) -> Self {
        let mut secrets = Vec::new();
        for (name, value) in settings {
            collect(value, dfab_runtime::is_secret(name), &mut secrets);
        }
        Self(secrets)
    }

    /// A text without them.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let found = self.0.iter().filter_map(|secret| end(secret, rest)).max();
            match found.and_then(|end| rest.get(end..)) {
                Some(behind) => {
                    masked.push_str(MASK);
                    rest = behind;
                }
                None => {
                    masked.push(first);
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        masked
    }
}

fn collect(value: &Value, is_secret: bool, secrets: &mut Vec<Vec<Spellings>>) {
    let text = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(value, is_secret || dfab_runtime::is_secret(name), secrets);
            }
            return;
        }
        Value::Array(values) => {
            for value in values {
                collect(value, is_secret, secrets);
            }
            return;
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) => return,
    };
    // The last line of a key is often used without its end.
    let text = text.trim();
    if is_secret && text.chars().count() >= SHORTEST {
        secrets.push(text.chars().map(spellings).collect());
    }
}

/// As it is, and as JSON may have it.
fn spellings(character: char) -> Spellings {
    let short = match character {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '/' => Some("\\/"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        _ => None,
    };
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units);
    let small: String = units.iter().map(|it| format!("\\u{it:04x}")).collect();
    let large: String = units.iter().map(|it| format!("\\u{it:04X}")).collect();
    let all = [character.to_string(), small, large];
    let all = all.into_iter().chain(short.map(str::to_owned));
    all.map(String::into_bytes).collect()
}

/// Where a secret ends with which a text begins.
fn end(secret: &[Spellings], text: &str) -> Option<usize> {
    let mut ends = BTreeSet::from([0]);
    for spellings in secret {
        let mut next = BTreeSet::new();
        for spelling in spellings {
            let mut reached = ends.clone();
            for byte in spelling {
                let behind = |start| behind(*byte, text.as_bytes(), start);
                reached = reached.into_iter().flat_map(behind).collect();
            }
            next.extend(reached);
        }
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.last().copied()
}

/// Where a byte ends that a text has there as it is, quoted, or encoded.
fn behind(byte: u8, text: &[u8], start: usize) -> Vec<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let mut ends = Vec::new();
    let mut is = |form: &[u8]| {
        if rest.starts_with(form) {
            ends.push(start + form.len());
        }
    };
    is(&[byte]);
    is(&[b'\\', byte]);
    match byte {
        b' ' => is(b"+"),
        b'\n' => is(b"'\n'"),
        b'\'' => {
            is(br"'\''");
            is(br#"'"'"'"#);
        }
        _ => {}
    }
    if rest.first() == Some(&b'%') {
        is(format!("%{byte:02x}").as_bytes());
        is(format!("%{byte:02X}").as_bytes());
    }
    ends
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets(settings: &Value) -> Secrets {
        Secrets::of(settings.as_object().unwrap())
    }

    #[test]
    fn all_below_the_name_of_a_secret_is_secret() {
        let secrets = secrets(&json!({
            "db": {"host": "db.example.com", "password": "geheim1", "port": 54321},
            "tokens": [123_456, {"web": "geheim2", "on": true}],
            "short_token": "abc",
            "small_token": 123,
            "a_token": "geheim",
        }));
        for (text, wanted) in [
            ("login geheim1 geheim2 geheim", "login *** *** ***"),
            ("id 123456, 0123456789", "id ***, 0***789"),
            (
                "db.example.com:54321 abc 123 true",
                "db.example.com:54321 abc 123 true",
            ),
            ("", ""),
            ("gehei", "gehei"),
        ] {
            assert_eq!(secrets.masked(text), wanted, "{text}");
        }
    }

    #[test]
    fn secrets_are_found_quoted_encoded_and_escaped() {
        let secrets = secrets(&json!({
            "quoted_secret": "it'sgeheim",
            "spaced_secret": "ge heim",
            "special_secret": "a\"b\\c/é\n",
            "private_key": "line1\nline2\n",
        }));
        let joined = shell_words::join(["login", "it'sgeheim"]);
        let escaped = json!({"key": "a\"b\\c/é", "pem": "line1\nline2\n"}).to_string();
        for (text, wanted) in [
            ("login it'sgeheim now", "login *** now"),
            (joined.as_str(), "login '***'"),
            (r"login it\'sgeheim", "login ***"),
            (r#"login 'it'"'"'sgeheim'"#, "login '***'"),
            (
                "GET /images/ge%20heim/json?a=ge+heim",
                "GET /images/***/json?a=***",
            ),
            ("it%27s%67eheim", "***"),
            (r"echo ge\ heim ge heim", "echo *** ***"),
            (escaped.as_str(), r#"{"key":"***","pem":"***\n"}"#),
            (r#""a\"b\\c\/\u00e9", "a\"b\\c/\u00E9""#, r#""***", "***""#),
            ("a%22b%5Cc%2F%C3%A9 a%5c%22b%5c%5cc/%c3%a9", "*** ***"),
            ("a\"b\\c/é", "***"),
            ("line1'\n'line2\n", "***\n"),
            // Others stay as they are.
            (r"it's ge%heim a\b é %", r"it's ge%heim a\b é %"),
        ] {
            assert_eq!(secrets.masked(text), wanted, "{text}");
        }
    }
}
