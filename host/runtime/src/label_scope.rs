//! Labels of containers, networks and volumes, to which a grant may be restricted.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The label with the map that a container, network or volume was made for.
pub const MAP_LABEL: &str = "dfab.map";

/// Labels as the engine has them.
pub type Labels = BTreeMap<String, String>;

/// The labels that an object must have: `map=NAME`, `label=NAME` or `label=NAME=VALUE`. Without any,
/// it covers every object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelScope(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    name: String,
    value: Option<String>,
}

/// Why a text says no labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of map=NAME, label=NAME and label=NAME=VALUE")]
pub struct LabelScopeError(String);

impl LabelScope {
    /// Whether it covers every object, whatever its labels are.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn covers(&self, labels: &Labels) -> bool {
        self.0.iter().all(|rule| {
            let found = labels.get(&rule.name);
            match &rule.value {
                None => found.is_some(),
                Some(value) => found == Some(value),
            }
        })
    }

    /// The objects of the map that an object is of, if it is of one whose name can be written.
    pub(crate) fn of_map(labels: &Labels) -> Option<Self> {
        let map = labels.get(MAP_LABEL)?;
        format!("map={map}").parse().ok()
    }
}

impl FromStr for LabelScope {
    type Err = LabelScopeError;

    fn from_str(text: &str) -> Result<Self, LabelScopeError> {
        let odd = |text: &str| text.is_empty() || text.chars().any(char::is_control);
        let rule = |word: &str| {
            let (kind, rest) = word.split_once('=')?;
            let (name, value) = match kind {
                "map" => (MAP_LABEL, Some(rest)),
                "label" => match rest.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (rest, None),
                },
                _ => return None,
            };
            if odd(name)
                || kind == "map" && rest.is_empty()
                || value.is_some_and(|v| v.contains('*'))
            {
                return None;
            }
            Some(Rule {
                name: name.to_owned(),
                value: value.map(str::to_owned),
            })
        };
        let words = text.split_whitespace();
        let rules =
            words.map(|word| rule(word).ok_or_else(|| LabelScopeError(crate::text::shown(word))));
        rules.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for LabelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match &rule.value {
                Some(value) if rule.name == MAP_LABEL => write!(f, "map={value}")?,
                Some(value) => write!(f, "label={}={value}", rule.name)?,
                None => write!(f, "label={}", rule.name)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_whole() {
        let labels: Labels = [("dfab.map", "shop"), ("team", "a"), ("empty", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for (scope, covered) in [
            ("", true),
            ("map=shop", true),
            ("map=shop2", false),
            ("map=sho", false),
            ("map=Shop", false),
            ("label=team", true),
            ("label=team=a", true),
            ("label=team=", false),
            ("label=empty=", true),
            ("label=Team", false),
            ("map=shop label=team=b", false),
            ("map=shop  label=team=a", true),
        ] {
            let parsed: LabelScope = scope.parse().expect("labels");
            assert_eq!(parsed.covers(&labels), covered, "{scope}");
            assert!(parsed.is_all() || !parsed.covers(&Labels::new()), "{scope}");
        }
        let of_map = LabelScope::of_map(&labels).map(|scope| scope.to_string());
        assert_eq!(of_map.as_deref(), Some("map=shop"));
    }

    #[test]
    fn refuses_what_says_no_labels() {
        for text in [
            "map", "map=", "map=*", "shop", "label", "label=", "label==x", "maps=a",
        ] {
            assert!(text.parse::<LabelScope>().is_err(), "{text}");
        }
    }
}
