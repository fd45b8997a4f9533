//! YAML as it is written into a map.

use crate::scalar::plain_scalar;
use crate::tree::Value;

/// How long a line may get before its collections get lines of their own.
const LINE_LENGTH: usize = 90;

/// A value to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    Null,
    /// Numbers and booleans, as they are written.
    Plain(String),
    /// In quotes where it would be read as something else.
    Text(String),
    /// `!env NAME` and the like.
    Tagged(&'static str, String),
    List(Vec<Self>),
    /// A line for each pair.
    Map(Vec<(Self, Self)>),
    /// On one line, if it is short.
    Record(Vec<(Self, Self)>),
}

impl Yaml {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number or boolean.
    pub(super) fn plain(value: impl ToString) -> Self {
        Self::Plain(value.to_string())
    }

    /// A list of texts.
    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// The value as a document.
    pub(super) fn document(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Map(pairs) if !pairs.is_empty() => write_pairs(pairs, 0, &mut out),
            other => {
                out.push_str(&other.flow());
                out.push('\n');
            }
        }
        out
    }

    /// On one line.
    fn flow(&self) -> String {
        let pair = |(key, value): &(Self, Self)| format!("{}: {}", key.flow(), value.flow());
        match self {
            Self::Null => "null".to_owned(),
            Self::Plain(value) => value.clone(),
            Self::Text(text) => quoted(text),
            Self::Tagged(tag, text) => format!("!{tag} {}", quoted(text)),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::flow).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(pairs) | Self::Record(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(pair).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        }
    }

    /// Whether it may stand on one line.
    fn may_flow(&self) -> bool {
        match self {
            Self::Map(pairs) => pairs.is_empty(),
            Self::List(items) => items.iter().all(Self::may_flow),
            _ => true,
        }
    }
}

fn write_pairs(pairs: &[(Yaml, Yaml)], indent: usize, out: &mut String) {
    for (key, value) in pairs {
        out.push_str(&" ".repeat(indent));
        let key = key.flow();
        out.push_str(&key);
        out.push(':');
        write_value(value, indent, key.chars().count() + 1, out);
    }
}

/// After `used` characters of a line, with what it has in lines of its own further in.
fn write_value(value: &Yaml, indent: usize, used: usize, out: &mut String) {
    let flow = value.flow();
    let fits = indent + used + 1 + flow.chars().count() <= LINE_LENGTH;
    match value {
        Yaml::Map(pairs) | Yaml::Record(pairs)
            if !pairs.is_empty() && !(fits && value.may_flow()) =>
        {
            out.push('\n');
            write_pairs(pairs, indent + 2, out);
        }
        Yaml::List(items) if !items.is_empty() && !(fits && value.may_flow()) => {
            out.push('\n');
            for item in items {
                out.push_str(&" ".repeat(indent + 2));
                out.push('-');
                out.push(' ');
                out.push_str(&item.flow());
                out.push('\n');
            }
        }
        _ => {
            out.push(' ');
            out.push_str(&flow);
            out.push('\n');
        }
    }
}

/// A text, in quotes where it would not be read as this text without them.
fn quoted(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if !text.chars().any(needs_escape) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if needs_escape(letter) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, line breaks, and what is no character to YAML.
fn needs_escape(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Rather too seldom: other readers know more forms of numbers, dates and booleans.
fn is_plain(text: &str) -> bool {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || "_-./@+=:~$(%".contains(c) || c == ' ';
    let may_begin = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '_';
    let first = text.chars().next();
    let begins = match first {
        Some('.') => text.starts_with("./") || text.starts_with("../"),
        Some('~') => text.starts_with("~/"),
        // Times, versions and sizes, but neither numbers nor dates.
        Some(first) if first.is_ascii_digit() => {
            let is_unit = |c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E' | 'x' | 'o');
            text.ends_with(is_unit) && !text.contains([':', '-', '_', '+'])
        }
        Some(first) => may_begin(first),
        None => false,
    };
    begins
        && text.chars().all(may_stand)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !matches!(text, "y" | "Y" | "n" | "N")
        && plain_scalar(text) == Value::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::Report;
    use crate::tree;

    struct Nothing;

    impl crate::Settings for Nothing {
        fn setting(&self, _: &str) -> Option<serde_json::Value> {
            None
        }

        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn read_again(value: &Yaml) -> serde_json::Value {
        let text = value.document();
        let mut report = Report::new("m.yaml");
        let node = tree::read(&text, &Nothing, &mut report);
        node.unwrap_or_else(|| panic!("{text}: {report:?}")).json()
    }

    #[test]
    fn texts_are_quoted_only_where_they_must() {
        for (text, expected) in [
            ("nginx:1.27", "nginx:1.27"),
            ("./data", "./data"),
            ("10s", "10s"),
            ("/run", "/run"),
            ("0750", "'0750'"),
            ("22:22", "'22:22'"),
            ("2024-01-01", "'2024-01-01'"),
            ("1e3", "'1e3'"),
            ("no", "'no'"),
            ("n", "'n'"),
            ("", "''"),
            ("it's", "'it''s'"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("a, b", "'a, b'"),
            ("- a", "'- a'"),
            ("a\nb", "\"a\\nb\""),
            ("\u{7}", "\"\\U00000007\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_it_was(texts in prop::collection::vec(any::<String>(), 1..4)) {
            let pairs = texts.iter().enumerate().map(|(index, text)| {
                (Yaml::text(format!("{index}{text}")), Yaml::texts([text.clone()]))
            });
            let value = Yaml::Map(pairs.collect());
            let expected: serde_json::Map<_, _> = texts
                .iter()
                .enumerate()
                .map(|(index, text)| (format!("{index}{text}"), serde_json::json!([text])))
                .collect();
            prop_assert_eq!(read_again(&value), serde_json::Value::Object(expected));
        }

        #[test]
        fn words_that_mean_something_are_read_as_texts(text in "[-+.:_0-9a-fxoyYnN~ /]{0,8}") {
            let value = Yaml::Map(vec![(Yaml::text("a"), Yaml::text(text.clone()))]);
            prop_assert_eq!(read_again(&value), serde_json::json!({ "a": text }));
        }
    }
}
