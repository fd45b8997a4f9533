//! `action_defaults` in dfab.yaml: options of actions, as they are where a command line does not say.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use dfab_maps::Diagnostic;
use dfab_runtime::planning::ActionInfo;
use dfab_runtime::{Parameter, ValueKind};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::failure::{Failure, nearest};
use crate::project::{mistake, mistake_at};

/// The key in dfab.yaml.
const KEY: &str = "action_defaults";

/// The section as it is written. What is in it is known when policies have said which actions there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActionDefaults {
    pub(crate) file: PathBuf,
    /// All of the file, so that mistakes have places.
    pub(crate) text: String,
}

/// Values of options, by their names.
pub(crate) type Values = BTreeMap<String, Vec<String>>;

impl ActionDefaults {
    /// The options of each action that have a value.
    ///
    /// # Errors
    /// Where there is no such action or option, or it takes no such value.
    pub(crate) fn of_actions(
        &self,
        actions: &[ActionInfo],
    ) -> Result<BTreeMap<String, Values>, Failure> {
        self.read(actions)
            .map_err(|error| mistake(&self.file, &error))
    }

    /// What is wrong with them; reading ends at the first mistake.
    pub(crate) fn diagnose(&self, actions: &[ActionInfo]) -> Option<Diagnostic> {
        let error = self.read(actions).err()?;
        Some(mistake_at(&self.file, &error))
    }

    /// Whether there are none, so that nobody has to know which actions there are.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn read(&self, actions: &[ActionInfo]) -> Result<BTreeMap<String, Values>, serde_yaml::Error> {
        if self.is_empty() {
            return Ok(BTreeMap::new());
        }
        let document = serde_yaml::Deserializer::from_str(&self.text);
        Document(actions).deserialize(document)
    }
}

/// The file, of which only the section is read.
struct Document<'a>(&'a [ActionInfo]);

/// The section: options by actions.
struct Actions<'a>(&'a [ActionInfo]);

/// Values by options.
struct Options<'a>(&'a ActionInfo);

/// What an option takes.
struct ValueOf<'a>(&'a Parameter);

/// One of several things, by its name.
struct Named<'a, T> {
    what: &'static str,
    known: &'a [T],
    name: fn(&T) -> &str,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = BTreeMap<String, Values>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = BTreeMap<String, Values>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut defaults = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == KEY {
                defaults = map.next_value_seed(Actions(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(defaults)
    }
}

impl<'de> DeserializeSeed<'de> for Actions<'_> {
    type Value = BTreeMap<String, Values>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Actions<'_> {
    type Value = BTreeMap<String, Values>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping such as {update: {pull: true}}")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut defaults = BTreeMap::new();
        let action = || Named {
            what: "action",
            known: self.0,
            name: |action| &action.name,
        };
        while let Some(action) = map.next_key_seed(action())? {
            let values = map.next_value_seed(Options(action))?;
            defaults.insert(action.name.clone(), values);
        }
        Ok(defaults)
    }
}

impl<'de> DeserializeSeed<'de> for Options<'_> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Values, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Options<'_> {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from options to values")
    }

    fn visit_unit<E: Error>(self) -> Result<Values, E> {
        Ok(Values::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let mut values = Values::new();
        let option = || Named {
            what: "option of this action",
            known: &self.0.options,
            name: |option| &option.name,
        };
        while let Some(option) = map.next_key_seed(option())? {
            let value = map.next_value_seed(ValueOf(option))?;
            values.insert(option.name.clone(), value);
        }
        Ok(values)
    }
}

impl<'a, 'de, T> DeserializeSeed<'de> for Named<'a, T> {
    type Value = &'a T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<&'a T, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'a, T> Visitor<'_> for Named<'a, T> {
    type Value = &'a T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of an {}", self.what)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<&'a T, E> {
        let found = self.known.iter().find(|known| (self.name)(known) == text);
        found.ok_or_else(|| {
            let names = || self.known.iter().map(self.name);
            let hint = match nearest(text, names()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there is: {}", names().collect::<Vec<_>>().join(", ")),
            };
            E::custom(format!("there is no {} {text}; {hint}", self.what))
        })
    }
}

impl<'de> DeserializeSeed<'de> for ValueOf<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<String>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueOf<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices = self.0.choices.join(", ");
        match self.0.kind {
            ValueKind::Boolean => f.write_str("true or false"),
            ValueKind::Integer => f.write_str("a whole number"),
            ValueKind::Text => f.write_str("a text"),
            ValueKind::Reference => f.write_str("the name of a container, network or volume"),
            ValueKind::Choice => write!(f, "one of {choices}"),
            // What it is relative to would not be clear.
            ValueKind::Path => f.write_str("nothing: a path is named where the action is called"),
        }?;
        f.write_str(if self.0.many { ", or a list" } else { "" })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Vec<String>, E> {
        match self.0.kind {
            ValueKind::Boolean => Ok(vec![value.to_string()]),
            _ => Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self)),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Vec<String>, E> {
        match self.0.kind {
            ValueKind::Integer | ValueKind::Text | ValueKind::Reference => {
                Ok(vec![value.to_string()])
            }
            _ => Err(E::invalid_type(serde::de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Vec<String>, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::invalid_type(
                serde::de::Unexpected::Unsigned(value),
                &self,
            )),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Vec<String>, E> {
        let is_taken = match self.0.kind {
            ValueKind::Text | ValueKind::Reference => true,
            ValueKind::Choice => self.0.choices.iter().any(|choice| choice == value),
            _ => false,
        };
        match is_taken {
            true => Ok(vec![value.to_owned()]),
            false => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        if !self.0.many {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let one = Parameter {
            many: false,
            ..self.0.clone()
        };
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(ValueOf(&one))? {
            values.extend(value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use dfab_runtime::planning::Walk;

    use super::*;
    use crate::arguments::bare_parameter;

    fn parameter(name: &str, kind: ValueKind, many: bool) -> Parameter {
        Parameter {
            many,
            choices: match kind {
                ValueKind::Choice => vec!["full".to_owned(), "none".to_owned()],
                _ => Vec::new(),
            },
            ..bare_parameter(name, kind)
        }
    }

    fn update() -> ActionInfo {
        ActionInfo {
            name: "update".to_owned(),
            summary: String::new(),
            walk: Walk::Dependencies,
            compares: true,
            configurations: false,
            options: vec![
                parameter("pull", ValueKind::Boolean, false),
                parameter("timeout", ValueKind::Integer, false),
                parameter("signal", ValueKind::Text, false),
                parameter("check", ValueKind::Choice, false),
                parameter("force", ValueKind::Text, true),
                parameter("download", ValueKind::Path, false),
            ],
        }
    }

    fn defaults(section: &str) -> ActionDefaults {
        ActionDefaults {
            file: "dfab.yaml".into(),
            text: format!("maps: m.yaml\naction_defaults:\n{section}"),
        }
    }

    fn read(section: &str) -> Result<BTreeMap<String, Values>, String> {
        let read = defaults(section).of_actions(&[update()]);
        read.map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_mistake_is_told_among_those_of_maps() {
        let told = defaults("  update: {pul: true}").diagnose(&[update()]);
        assert_eq!(
            told.map(|told| told.to_string()).as_deref(),
            Some(
                "dfab.yaml:3:12: error: action_defaults.update: there is no option of this action \
                 pul; did you mean pull?"
            )
        );
        assert_eq!(
            defaults("  update: {pull: true}").diagnose(&[update()]),
            None
        );
        assert_eq!(ActionDefaults::default().diagnose(&[]), None);
    }

    #[test]
    fn values_are_what_options_take() {
        let text = "  update: {pull: true, timeout: 5, signal: 15, check: none, force: [a, b]}";
        let read = read(text).unwrap();
        let text: Vec<String> = read
            .get("update")
            .unwrap()
            .iter()
            .map(|(name, values)| format!("{name}={}", values.join(",")))
            .collect();
        assert_eq!(
            text,
            [
                "check=none",
                "force=a,b",
                "pull=true",
                "signal=15",
                "timeout=5"
            ]
        );
    }

    #[test]
    fn mistakes_have_places() {
        let told = [
            "  updat: {pull: true}",
            "  update: {pul: true}",
            "  update: {pull: yes}",
            "  update: {timeout: soon}",
            "  update: {timeout: [1]}",
            "  update:\n    check: ful",
            "  update: {download: out}",
            "  update: true",
            "  - update",
        ]
        .map(|text| read(text).unwrap_err());
        insta::assert_snapshot!(told.join("\n"), @r#"
        dfab.yaml:3:3: action_defaults: there is no action updat; did you mean update?
        dfab.yaml:3:12: action_defaults.update: there is no option of this action pul; did you mean pull?
        dfab.yaml:3:18: action_defaults.update.pull: invalid value: string "yes", expected true or false
        dfab.yaml:3:21: action_defaults.update.timeout: invalid value: string "soon", expected a whole number
        dfab.yaml:3:21: action_defaults.update.timeout: invalid type: sequence, expected a whole number
        dfab.yaml:4:12: action_defaults.update.check: invalid value: string "ful", expected one of full, none
        dfab.yaml:3:22: action_defaults.update.download: invalid value: string "out", expected nothing: a path is named where the action is called
        dfab.yaml:3:11: action_defaults.update: invalid type: boolean `true`, expected a mapping from options to values
        dfab.yaml:3:3: action_defaults: invalid type: sequence, expected a mapping such as {update: {pull: true}}
        "#);
    }
}
