//! Components for the tests of this crate: nothing of WebAssembly but its first four bytes.

use std::collections::BTreeMap;

use crate::component::{Component, Refusal};

/// Bytes that [`examine`] takes for a task.
pub(crate) fn wasm(name: &str, version: &str, asks: &[&str]) -> Vec<u8> {
    let asks: BTreeMap<_, _> = asks
        .iter()
        .map(|ask| ((*ask).to_owned(), format!("needs {ask}")))
        .collect();
    let component = Component {
        name: name.parse().expect("a name"),
        version: version.to_owned(),
        kind: "task".to_owned(),
        summary: format!("Does {name}."),
        licence: "MIT".to_owned(),
        asks,
        limits: BTreeMap::new(),
        imports: vec!["dfab:log/log@0.1.0".to_owned()],
        exports: vec!["dfab:task/tasks@0.1.0".to_owned()],
    };
    let text = serde_json::to_vec(&component).expect("JSON");
    [b"\0asm".as_slice(), &text].concat()
}

/// Reads what [`wasm`] has written.
pub(crate) fn examine(bytes: &[u8]) -> Result<Component, Refusal> {
    let text = bytes.strip_prefix(b"\0asm").ok_or("it is no component")?;
    Ok(serde_json::from_slice(text)?)
}
