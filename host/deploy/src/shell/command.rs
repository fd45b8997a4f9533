//! One call of the docker client.

use std::fmt::Display;

use serde_json::Value;

use super::ShellError;

/// A call of the docker client, and what it leaves unsaid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    options: Vec<String>,
    arguments: Vec<String>,
    notes: Vec<String>,
    unset: Vec<String>,
}

impl Command {
    pub(super) fn new<const COUNT: usize>(words: [&str; COUNT]) -> Self {
        Self {
            options: words.map(str::to_owned).into(),
            ..Self::default()
        }
    }

    /// The words after `docker`.
    pub fn words(&self) -> Vec<String> {
        let mut words = self.options.clone();
        // Else the client would take it for an option.
        if self
            .arguments
            .first()
            .is_some_and(|argument| argument.starts_with('-'))
        {
            words.push("--".to_owned());
        }
        words.extend_from_slice(&self.arguments);
        words
    }

    /// What the docker client has no option for, or does in another way.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Variables that must not be in the environment of the docker client.
    pub fn unset(&self) -> &[String] {
        &self.unset
    }

    /// The words of a shell, each quoted as it needs, after those for docker.
    pub(super) fn tokens(&self, docker: &[String]) -> Result<Vec<String>, ShellError> {
        let mut words = Vec::new();
        if !self.unset.is_empty() {
            words.push("env".to_owned());
            for name in &self.unset {
                words.extend(["-u".to_owned(), name.clone()]);
            }
        }
        words.extend_from_slice(docker);
        words.extend(self.words());
        words.iter().map(|word| quoted(word)).collect()
    }

    pub(super) fn flag(&mut self, option: &str) {
        self.options.push(format!("--{option}"));
    }

    /// In one word, so that no value is taken for an option.
    pub(super) fn option(&mut self, option: &str, value: impl Display) {
        self.options.push(format!("--{option}={value}"));
    }

    /// `-OPTION VALUE`, of an option whose long name is not the same in all versions of the client.
    pub(super) fn short_option(&mut self, option: char, value: impl Display) {
        self.options.push(format!("-{option}"));
        self.options.push(value.to_string());
    }

    /// An option of which the client splits the value at commas.
    pub(super) fn separated_option(&mut self, option: &str, value: &str) {
        self.option(option, separated(value));
    }

    /// `--OPTION=NAME=VALUE`
    pub(super) fn assignment(&mut self, field: &str, option: &str, name: &str, value: &Value) {
        // The client refuses a label with either of them in its name, or with no name.
        let is_refused = option == "label" && (name.is_empty() || name.contains([' ', '\t']));
        match text(value) {
            // The client ends the name at the first one.
            Some(value) if !name.contains('=') && !is_refused => {
                self.option(option, format!("{name}={value}"))
            }
            _ => self.not_expressed(&format!("{field}.{name}"), value),
        }
    }

    pub(super) fn argument(&mut self, argument: impl Into<String>) {
        self.arguments.push(argument.into());
    }

    pub(super) fn unset_variable(&mut self, name: &str) {
        self.unset.push(name.to_owned());
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn not_expressed(&mut self, field: &str, value: &Value) {
        self.note(format!("not expressed: {field} {value}"));
    }

    /// Notes what a record has beside the fields that are known.
    pub(super) fn others_not_expressed(&mut self, field: &str, record: &Value, known: &[&str]) {
        for (name, value) in entries(record) {
            if !known.contains(&name.as_str()) && !is_nothing(value) {
                self.not_expressed(&format!("{field}.{name}"), value);
            }
        }
    }

    /// A field that is an option of the same meaning.
    pub(super) fn field(&mut self, field: &str, option: &str, form: Form, value: &Value) {
        match (form, value) {
            _ if is_nothing(value) => {}
            (Form::Flag, Value::Bool(true)) => self.flag(option),
            (Form::Flag, Value::Bool(false)) => {}
            (Form::Switch, Value::Bool(value)) => self.option(option, value),
            (Form::List, Value::Array(items)) => {
                for item in items {
                    match text(item) {
                        Some(item) => self.option(option, item),
                        None => self.not_expressed(field, item),
                    }
                }
            }
            (Form::Texts, Value::Object(fields)) => {
                for (name, value) in fields {
                    self.assignment(field, option, name, value);
                }
            }
            (Form::Text, value) => match text(value) {
                Some(value) => self.option(option, value),
                None => self.not_expressed(field, value),
            },
            _ => self.not_expressed(field, value),
        }
    }
}

/// How a field's value is written as an option.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// `--option=VALUE`
    Text,
    /// `--option`, where it is true; false is as good as nothing.
    Flag,
    /// The same, where false differs from nothing.
    Switch,
    /// Once for each item.
    List,
    /// `--option=NAME=VALUE`, once for each field.
    Texts,
}

/// A word of a POSIX shell.
pub(super) fn quoted(word: &str) -> Result<String, ShellError> {
    if word.contains('\0') {
        return Err(ShellError::Nul {
            word: word.to_owned(),
        });
    }
    // The name of an option reads better outside of the quotes.
    let (name, value) = match word.split_once('=') {
        Some((name, value)) if is_option(name) => (format!("{name}="), value),
        _ => (String::new(), word),
    };
    // Of the rest a shell may mean something with more than POSIX knows, such as `{a,b}`.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./,:@+".contains(letter);
    if value.chars().all(is_plain) && !word.is_empty() {
        return Ok(name + value);
    }
    Ok(format!("{name}'{}'", value.replace('\'', "'\\''")))
}

fn is_option(word: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    word.strip_prefix("--")
        .is_some_and(|name| !name.is_empty() && name.chars().all(is_plain))
}

/// A field of a line of comma-separated values.
pub(super) fn separated(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// What the engine takes as not given.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The value at a JSON pointer, or null.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

pub(super) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of up to three of the characters that mean something to a shell.
    fn texts() -> Vec<String> {
        const CHARACTERS: [char; 27] = [
            'a', '1', ' ', '\t', '\n', '\'', '"', '\\', '$', '`', '!', '*', '?', '[', '~', '#',
            '=', '-', '%', '{', ',', '(', '&', '|', '<', ';', 'é',
        ];
        let mut texts = vec![String::new()];
        let mut longest = texts.clone();
        for _ in 0..3 {
            longest = longest
                .iter()
                .flat_map(|text| CHARACTERS.map(|character| format!("{text}{character}")))
                .collect();
            texts.extend_from_slice(&longest);
        }
        texts
    }

    #[test]
    fn a_shell_reads_every_word_as_it_was() {
        let texts = texts();
        let options: Vec<_> = texts.iter().map(|text| format!("--a-b={text}")).collect();
        for words in [texts, options].concat().chunks(1500) {
            let tokens: Vec<_> = words.iter().map(|word| quoted(word).unwrap()).collect();
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf '%s\\0' {}", tokens.join(" ")))
                .output()
                .unwrap();
            let read = String::from_utf8(output.stdout).unwrap();
            let read: Vec<_> = read.split_terminator('\0').collect();
            assert_eq!(read, words);
        }
    }

    #[test]
    fn a_nul_character_is_refused() {
        assert!(matches!(quoted("a\0b"), Err(ShellError::Nul { .. })));
    }

    #[test]
    fn an_argument_is_no_option() {
        let mut command = Command::new(["rm"]);
        command.argument("-f");
        assert_eq!(command.words(), ["rm", "--", "-f"]);
    }
}
