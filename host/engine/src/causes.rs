//! The text of an error with all that it was caused by.

use std::error::Error;

/// An error with its causes, in one text. A cause whose words are there already is left out: some errors
/// speak for what they wrap.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Link {
        words: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn every_cause_is_told_once() {
        let link = |words, source: Option<Link>| Link {
            words,
            source: source.map(Box::new),
        };
        let chain = link("b", Some(link("c", None)));
        let chain = link("no a", Some(link("b", Some(chain))));
        assert_eq!(with_causes(&chain), "no a: b: c");
    }
}
