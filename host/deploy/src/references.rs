//! Options of an action that name things of the maps, as `--force` does: what was typed becomes one
//! plain reference for each thing that the action comes by, so that policies need to know no groups.

use std::collections::HashSet;

use dfab_maps::{Item, Planned, Project, SelectError};
use dfab_runtime::{Parameter, ValueKind};

/// Why an option names nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The maps do not have it, or several have.
    #[error("--{option}: {why}")]
    Meaning {
        /// The option.
        option: String,
        /// Why.
        why: SelectError,
    },
    /// It is no part of the action.
    #[error("--{option} {reference}: this action comes by nothing of that name")]
    Elsewhere {
        /// The option.
        option: String,
        /// What was typed.
        reference: String,
    },
}

/// The arguments of an action with plain references: the name on the engine, of a network or volume
/// after its kind. `walks` are what the action is about, by engine. What a reference means beside that
/// is left out.
///
/// # Errors
/// Where a reference means nothing that the action is about.
pub fn plain_references(
    project: &Project,
    walks: &[Vec<Planned<'_>>],
    parameters: &[Parameter],
    arguments: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, ReferenceError> {
    let is_reference = |name: &str| {
        let mut parameters = parameters.iter();
        parameters.any(|known| known.name == name && known.kind == ValueKind::Reference)
    };
    let mut plain = Vec::with_capacity(arguments.len());
    let mut seen = HashSet::new();
    for (option, typed) in arguments {
        if !is_reference(&option) {
            plain.push((option, typed));
            continue;
        }
        let found = found(project, walks, &option, &typed)?;
        if found.is_empty() {
            return Err(ReferenceError::Elsewhere {
                option,
                reference: typed,
            });
        }
        for planned in found {
            let argument = (option.clone(), plain_reference(planned));
            if seen.insert(argument.clone()) {
                plain.push(argument);
            }
        }
    }
    Ok(plain)
}

/// What is meant, of what the action is about.
fn found<'w, 'a>(
    project: &Project,
    walks: &'w [Vec<Planned<'a>>],
    option: &str,
    typed: &str,
) -> Result<Vec<&'w Planned<'a>>, ReferenceError> {
    let items = walks.iter().flatten();
    let error = match project.select(&[typed.to_owned()]) {
        Ok(selected) => {
            let meant: HashSet<(&str, &Item)> = selected
                .iter()
                .map(|one| (one.map.name(), &one.item))
                .collect();
            let is_meant =
                |planned: &&Planned<'_>| meant.contains(&(planned.map.name(), &planned.item));
            return Ok(items.filter(is_meant).collect());
        }
        Err(error) => error,
    };
    if matches!(error, SelectError::Unknown { .. }) {
        // Networks and volumes may be named without their kind where that means no container.
        let found: Vec<_> = items.filter(|planned| is_called(planned, typed)).collect();
        let is_elsewhere = || {
            let mut kinds = ["network", "volume"].iter();
            kinds.any(|kind| project.select(&[format!("{kind}:{typed}")]).is_ok())
        };
        if !found.is_empty() || is_elsewhere() {
            return Ok(found);
        }
    }
    Err(ReferenceError::Meaning {
        option: option.to_owned(),
        why: error,
    })
}

/// Whether it is a network or volume of that name, in the map or on the engine.
fn is_called(planned: &Planned<'_>, name: &str) -> bool {
    let own = match &planned.item {
        Item::Network { name } => name,
        Item::Volume { alias, .. } => alias,
        Item::Image { .. } | Item::Container { .. } => return false,
    };
    own == name || planned.map.engine_name(&planned.item) == name
}

fn plain_reference(planned: &Planned<'_>) -> String {
    let name = planned.map.engine_name(&planned.item);
    match planned.item {
        Item::Network { .. } => format!("network:{name}"),
        Item::Volume { .. } => format!("volume:{name}"),
        Item::Image { .. } | Item::Container { .. } => name,
    }
}

#[cfg(test)]
mod tests {
    use dfab_maps::{NoSettings, Walk, load_map};

    use super::*;

    const MAP: &str = "\
        web: {image: app, instances: [a, b], uses: data, networks: [front]}\n\
        db: {image: app, attaches: {data: /data}}\n\
        data: {image: app}\n\
        other: {image: app, attaches: {logs: /logs}}\n\
        networks: {front: {}}\n\
        groups: {some: [web.b, other], none: [other]}\n";

    /// What a policy gets of an action on `web` for `--force` with these texts.
    fn given(typed: &[&str]) -> Result<Vec<String>, String> {
        let map = load_map(MAP, "m.yaml", "m", &NoSettings).unwrap().value;
        let project = Project::new(vec![map]).unwrap();
        let selected = project.select(&["web".to_owned()]).unwrap();
        let walks = [project.walk(&selected, Walk::Dependencies).unwrap()];
        let parameter = Parameter {
            name: "force".to_owned(),
            summary: String::new(),
            kind: ValueKind::Reference,
            required: false,
            many: true,
            default_value: None,
            choices: Vec::new(),
        };
        let argument = |text: &&str| ("force".to_owned(), (*text).to_owned());
        let arguments = typed.iter().map(argument).collect();
        let plain = plain_references(&project, &walks, &[parameter], arguments)
            .map_err(|error| error.to_string())?;
        Ok(plain.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn every_form_of_a_reference_becomes_plain_ones() {
        let containers = ["m.db", "m.web.a", "m.web.b"];
        for all in ["__all__", "m.__all__"] {
            assert_eq!(given(&[all]).unwrap(), containers, "{all}");
        }
        for web in [&["web"][..], &["m.web"], &["web.a", "m.web.b", "web"]] {
            assert_eq!(given(web).unwrap(), containers[1..], "{web:?}");
        }
        assert_eq!(given(&["some"]).unwrap(), ["m.web.b"]);
        for network in ["network:front", "network:m.front", "front", "m.front"] {
            assert_eq!(given(&[network]).unwrap(), ["network:m.front"], "{network}");
        }
        // There is a container of the volume's name, which is meant without the kind.
        for volume in ["volume:data", "volume:m.data"] {
            assert_eq!(given(&[volume]).unwrap(), ["volume:m.data"], "{volume}");
        }
    }

    #[test]
    fn what_an_action_does_not_come_by_is_told() {
        for elsewhere in ["none", "other", "m.data", "logs", "volume:logs"] {
            assert_eq!(
                given(&["web", elsewhere]).unwrap_err(),
                format!("--force {elsewhere}: this action comes by nothing of that name")
            );
        }
        assert_eq!(
            given(&["oter"]).unwrap_err(),
            "--force: there is no container oter; did you mean other?"
        );
    }

    #[test]
    fn other_options_are_as_they_were_typed() {
        let project = Project::new(Vec::new()).unwrap();
        let timeout = vec![("timeout".to_owned(), "some".to_owned())];
        let plain = plain_references(&project, &[], &[], timeout.clone()).unwrap();
        assert_eq!(plain, timeout);
    }
}
