//! The way to a host through others: `ProxyJump`.

use crate::destination::Destination;

/// The hosts to go through, nearest first; none for `none`.
pub(crate) fn hops(text: &str) -> Result<Vec<Destination>, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|hop| {
            hop.trim()
                .parse()
                .map_err(|error| format!("ProxyJump: {error}"))
        })
        .collect()
}
