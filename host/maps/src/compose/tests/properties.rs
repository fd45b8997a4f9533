//! Whatever a Compose file has, it becomes a map.

use proptest::prelude::*;

use super::{EVERYTHING, bodies, imported, loaded};
use crate::compose::import_compose;

/// The keys of all services of `EVERYTHING`, one entry each.
fn entries() -> Vec<(String, String)> {
    let (_, services) = EVERYTHING.split_once("services:\n").unwrap();
    let (services, _) = services
        .split_once("networks:\n  front:\n    driver")
        .unwrap();
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut service = String::new();
    for line in services.lines() {
        if line.contains("*common") {
            continue;
        }
        if line.starts_with("      ") {
            let (_, entry) = entries.last_mut().unwrap();
            *entry += &format!("{line}\n");
        } else if line.starts_with("    ") {
            entries.push((service.clone(), format!("{line}\n")));
        } else {
            service = line.to_owned();
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_part_of_everything_becomes_a_map_that_loads(
        chosen in prop::collection::vec(any::<bool>(), entries().len()),
        with_sections in any::<bool>(),
    ) {
        let mut text = "services:\n".to_owned();
        let mut service = String::new();
        for ((of, entry), _) in entries().iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
            if *of != service {
                text += &format!("{of}\n");
                service.clone_from(of);
            }
            text += entry;
        }
        if with_sections {
            let (_, sections) = EVERYTHING.split_once("networks:\n  front:\n    driver").unwrap();
            text += &format!("networks:\n  front:\n    driver{sections}");
        }
        if service.is_empty() {
            text = text.replace("services:\n", "services: {}\n");
        }
        let imported = imported(&text);
        bodies(&imported.map);
    }

    #[test]
    fn any_text_that_is_a_compose_file_becomes_a_map_that_loads(text in "(services:|networks:|volumes:|ports:|deploy:|image|\\$\\{|\\}|[-a-z0-9:{}\\[\\], \n'\"$./!&*]){0,40}") {
        if let Ok(imported) = import_compose(&format!("services:\n{text}"), "compose.yaml") {
            loaded(&imported.map);
        }
    }

    #[test]
    fn any_value_of_a_key_becomes_a_map_that_loads(
        key in prop::sample::select(entries().into_iter().filter_map(|(_, entry)| Some(entry.split_once(':')?.0.trim().to_owned())).collect::<Vec<_>>()),
        value in "[-a-z0-9:{}\\[\\], '$./]{0,30}",
    ) {
        let text = format!("services: {{a: {{{key}: {value}}}}}");
        if let Ok(imported) = import_compose(&text, "compose.yaml") {
            loaded(&imported.map);
        }
    }
}
