//! The functions of the contract, as the WIT files have them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wit_parser::{InterfaceId, Resolve, SourceMap, UnresolvedPackageGroup, WorldItem};

/// Functions for which nothing has to be granted, and why.
pub(crate) const FREE: [(&str, &str); 4] = [
    (
        "log.write",
        "a line has no effect on a host, and a limit bounds all of them",
    ),
    (
        "docker.current",
        "a handle does nothing: each of its functions is checked",
    ),
    (
        "docker.name",
        "what the operator calls the host, which is shown beside the answer anyway",
    ),
    ("ssh.name", "the same, of a handle that is checked itself"),
];

/// Whether nothing has to be granted for a function.
pub(crate) fn is_free(function: &str) -> bool {
    FREE.iter().any(|(free, _)| *free == function)
}

/// The functions that each world imports, as the audit calls them: `docker.stop-container`.
pub(crate) fn imported() -> BTreeMap<String, BTreeSet<String>> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let folders = std::fs::read_dir(wit.join("deps")).expect("the packages of the contract");
    let packages = folders.map(|folder| package(&folder.expect("a folder").path()));
    let mut resolve = Resolve::default();
    let main = resolve
        .push_groups(package(&wit), packages.collect())
        .expect("a contract without contradictions");
    let worlds = resolve.worlds.iter();
    let worlds = worlds.filter(|(_, world)| world.package == Some(main));
    let worlds = worlds.map(|(_, world)| {
        let functions = world.imports.values().flat_map(|import| match import {
            WorldItem::Interface { id, .. } => functions(&resolve, *id),
            other => panic!("only interfaces are imported: {other:?}"),
        });
        (world.name.clone(), functions.collect())
    });
    worlds.collect()
}

fn package(folder: &Path) -> UnresolvedPackageGroup {
    let mut sources = SourceMap::default();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let file = file.expect("a file").path();
        if file.extension().is_some_and(|extension| extension == "wit") {
            let text = std::fs::read_to_string(&file).expect("a text");
            sources.push_str(&file.to_string_lossy(), text);
        }
    }
    let parsed = sources.parse().map_err(|(_, error)| error);
    parsed.expect("a package")
}

fn functions(resolve: &Resolve, interface: InterfaceId) -> Vec<String> {
    let interface = resolve.interfaces.get(interface).expect("an interface");
    let name = interface.name.as_deref().expect("it has a name");
    let functions = interface.functions.values();
    functions
        .map(|function| format!("{name}.{}", function.item_name()))
        .collect()
}
