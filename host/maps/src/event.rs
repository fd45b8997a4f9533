//! Events of a YAML parser, for all that is made of them.

use saphyr_parser::{Event, Parser, Span, StrInput};

use crate::diagnostic::{Place, Report};

/// How deep values may be nested.
pub(crate) const DEPTH_LIMIT: usize = 64;

/// The events of a text.
pub(crate) type Events<'a> = Parser<'a, StrInput<'a>>;

/// The next event and where it is; none at the end, or where the text is no YAML, which is reported then.
pub(crate) fn next<'a>(events: &mut Events<'a>, report: &mut Report) -> Option<(Event<'a>, Span)> {
    match events.next()? {
        Ok(event) => Some(event),
        Err(error) => {
            let mark = error.marker();
            let at = Place {
                line: mark.line(),
                column: mark.col() + 1,
            };
            report.error(at, format!("this is no YAML: {}", error.info()));
            None
        }
    }
}

/// Where something begins.
pub(crate) fn place(span: &Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}
