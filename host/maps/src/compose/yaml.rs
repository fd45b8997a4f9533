//! YAML as it is written into a map, before that is brought into its canonical form.

/// A value to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    Null,
    /// Numbers and booleans, as they are written.
    Plain(String),
    Text(String),
    /// `!env NAME` and the like.
    Tagged(&'static str, String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
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
        let mut text = String::new();
        self.write(0, &mut text);
        text
    }

    /// Mappings in mappings have a line for each pair; what is in lists stands on one line.
    fn write(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map(pairs) if !pairs.is_empty() => {
                for (key, value) in pairs {
                    text.push_str(&" ".repeat(indent));
                    text.push_str(&key.flow());
                    text.push(':');
                    text.push(if matches!(value, Self::Map(inner) if !inner.is_empty()) {
                        '\n'
                    } else {
                        ' '
                    });
                    value.write(indent + 2, text);
                }
            }
            other => {
                text.push_str(&other.flow());
                text.push('\n');
            }
        }
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
            Self::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(pair).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        }
    }
}

/// Always in quotes: so it is a text, whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            // Control characters, line breaks, and what is no character to YAML.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                escape(letter, &mut quoted)
            }
            letter if letter.is_control() => escape(letter, &mut quoted),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(letter: char, text: &mut String) {
    text.push_str(&format!("\\U{:08x}", u32::from(letter)));
}

#[cfg(test)]
mod tests {
    use crate::NoSettings;
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::Report;
    use crate::tree;

    fn read_again(value: &Yaml) -> serde_json::Value {
        let text = value.document();
        let mut report = Report::new("m.yaml");
        let node = tree::read(&text, &NoSettings, &mut report);
        node.unwrap_or_else(|| panic!("{text}: {report:?}")).json()
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
    }
}
