//! Requests to the Docker Engine as grants see them: one canonical form, used for the check and for
//! the call itself, so that what is checked is what is asked.

use std::fmt;

use crate::text::shown;

/// How long path and query may be, in bytes.
const LIMIT: usize = 64 << 10;
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];

/// A method and a path of the Engine API in canonical form: no version, no `.` or `..`, no empty
/// segment, no percent-encoding in the path. Anything that has no such form is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CanonicalRequest {
    method: &'static str,
    segments: Vec<String>,
    query: Option<String>,
}

/// Why a request or a pattern of requests has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the method `{0}` is not one of GET, HEAD, POST, PUT and DELETE")]
    Method(String),
    #[error("the path `{0}` does not start with a slash followed by a name")]
    NotAbsolute(String),
    #[error("the path `{0}` has an empty segment, `.` or `..`")]
    Segment(String),
    #[error(
        "the path `{0}` has a version; leave it out, dfab adds the one agreed on with the engine"
    )]
    Version(String),
    #[error("the path `{path}` contains {what}")]
    Character { path: String, what: String },
    #[error("the query of `{0}` is not percent-encoded")]
    Query(String),
    #[error("`*` stands for a whole segment, and `**` for all that follow, at the end only: `{0}`")]
    Wildcard(String),
    #[error("`{0}` is no method and path, such as `POST /containers/*/pause`")]
    Shape(String),
    #[error("a grant has no query: `{0}`")]
    QueryInPattern(String),
    #[error("path and query are longer than {LIMIT} bytes: `{0}`")]
    TooLong(String),
}

impl CanonicalRequest {
    pub(crate) fn new(method: &str, target: &str) -> Result<Self, RequestError> {
        let method = canonical_method(method)?;
        if target.len() > LIMIT {
            return Err(RequestError::TooLong(shown(target)));
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let segments = segments(path, target)?
            .map(|segment| canonical_segment(segment, target))
            .collect::<Result<Vec<_>, _>>()?;
        check_version(&segments, target)?;
        if let Some(query) = query
            && !is_query(query)
        {
            return Err(RequestError::Query(shown(target)));
        }
        Ok(Self {
            method,
            segments,
            query: query.map(ToOwned::to_owned),
        })
    }

    pub(crate) fn method(&self) -> &'static str {
        self.method
    }

    /// Path and query, as they go to the engine.
    pub(crate) fn target(&self) -> String {
        let mut target = self.path();
        if let Some(query) = &self.query {
            target.push('?');
            target.push_str(query);
        }
        target
    }

    /// The path alone.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            path.push_str(segment);
        }
        path
    }
}

/// Which requests a grant covers, written as `POST /containers/*/pause`. The query is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPattern {
    method: &'static str,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    One,
    Rest,
}

impl RequestPattern {
    pub(crate) fn covers(&self, request: &CanonicalRequest) -> bool {
        if self.method != request.method {
            return false;
        }
        let mut rest = request.segments.iter();
        for segment in &self.segments {
            match (segment, rest.next()) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::One, Some(_)) => {}
                (Segment::Literal(literal), Some(asked)) if literal == asked => {}
                _ => return false,
            }
        }
        rest.next().is_none()
    }
}

impl RequestPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, RequestError> {
        let (method, path) = text
            .split_once(' ')
            .ok_or_else(|| RequestError::Shape(shown(text)))?;
        let method = canonical_method(method)?;
        let path = path.trim();
        if path.contains('?') {
            return Err(RequestError::QueryInPattern(shown(text)));
        }
        let written: Vec<&str> = segments(path, path)?.collect();
        let last = written.len().saturating_sub(1);
        let segments = written
            .iter()
            .enumerate()
            .map(|(index, segment)| match *segment {
                "*" => Ok(Segment::One),
                "**" if index == last => Ok(Segment::Rest),
                other if other.contains('*') => Err(RequestError::Wildcard(shown(path))),
                literal => canonical_segment(literal, path).map(Segment::Literal),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(Segment::Literal(first)) = segments.first() {
            check_version(std::slice::from_ref(first), path)?;
        }
        Ok(Self { method, segments })
    }
}

impl fmt::Display for RequestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{literal}")?,
                Segment::One => f.write_str("/*")?,
                Segment::Rest => f.write_str("/**")?,
            }
        }
        Ok(())
    }
}

fn canonical_method(method: &str) -> Result<&'static str, RequestError> {
    METHODS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(method))
        .ok_or_else(|| RequestError::Method(shown(method)))
}

fn segments<'a>(path: &'a str, whole: &str) -> Result<impl Iterator<Item = &'a str>, RequestError> {
    match path.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => Ok(rest.split('/')),
        _ => Err(RequestError::NotAbsolute(shown(whole))),
    }
}

/// Decodes once. What the engine would read as something else than a name within a segment after
/// decoding (a slash, a percent sign, a question mark) is refused rather than passed on encoded,
/// since the engine routes on the decoded path.
fn canonical_segment(segment: &str, whole: &str) -> Result<String, RequestError> {
    let refuse = |what: String| RequestError::Character {
        path: shown(whole),
        what,
    };
    let mut decoded = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(b'%'),
                _ => return Err(refuse("a percent sign that encodes nothing".to_owned())),
            }
        } else {
            byte
        };
        if !(byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte)) {
            return Err(refuse(match byte {
                b'/' => "an encoded slash; write the slash itself".to_owned(),
                0x20..=0x7e => format!("`{}`", char::from(byte)),
                _ => format!("the byte {byte:#04x}"),
            }));
        }
        decoded.push(char::from(byte));
    }
    if decoded.is_empty() || decoded == "." || decoded == ".." {
        return Err(RequestError::Segment(shown(whole)));
    }
    Ok(decoded)
}

/// The engine strips `/v` with digits and dots from the front of a path.
fn check_version(segments: &[String], whole: &str) -> Result<(), RequestError> {
    let is_version = segments
        .first()
        .and_then(|first| first.strip_prefix('v'))
        .is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
        });
    if is_version {
        Err(RequestError::Version(shown(whole)))
    } else {
        Ok(())
    }
}

/// RFC 3986, section 3.4.
fn is_query(query: &str) -> bool {
    let mut bytes = query.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit())
                    && bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit())
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, method: &str, target: &str) -> bool {
        let request = CanonicalRequest::new(method, target).expect("a canonical request");
        RequestPattern::parse(pattern)
            .expect("a pattern")
            .covers(&request)
    }

    #[test]
    fn patterns_cover_segments() {
        assert!(covers(
            "POST /containers/*/pause",
            "post",
            "/containers/web/pause"
        ));
        assert!(covers(
            "POST /containers/*/pause",
            "POST",
            "/containers/w%65b/pause?t=1"
        ));
        assert!(covers(
            "GET /images/**",
            "GET",
            "/images/library/nginx:1/json"
        ));
        assert!(covers(
            "GET /images/nginx:1/json",
            "GET",
            "/images/nginx%3A1/json"
        ));
        assert!(!covers(
            "POST /containers/*/pause",
            "GET",
            "/containers/web/pause"
        ));
        assert!(!covers(
            "POST /containers/*/pause",
            "POST",
            "/containers/web/kill"
        ));
        assert!(!covers(
            "POST /containers/*/pause",
            "POST",
            "/containers/web/x/pause"
        ));
        assert!(!covers(
            "POST /containers/*/pause",
            "POST",
            "/containers/pause"
        ));
        assert!(!covers(
            "POST /containers/*",
            "POST",
            "/containers/web/pause"
        ));
        // Names are compared as they are: the engine tells cases apart.
        for target in [
            "/Containers/web/pause",
            "/containers/web/PAUSE",
            "/containers/web/pause%20",
            "/containers/web;x=1/pause/y",
            "/containers/web/pause:80",
        ] {
            let request = CanonicalRequest::new("POST", target);
            let pattern = RequestPattern::parse("POST /containers/*/pause").expect("a pattern");
            assert!(
                request.is_err() || request.is_ok_and(|request| !pattern.covers(&request)),
                "{target}"
            );
        }
        assert!(!covers("GET /images/**", "GET", "/images"));
        assert!(!covers("GET /images/**", "GET", "/imagesx/y"));
    }

    #[test]
    fn refuses_what_has_no_canonical_form() {
        for target in [
            "",
            "/",
            "containers/x",
            "//containers/x",
            "/containers//x",
            "/containers/",
            "/containers/../images",
            "/containers/%2e%2e/images",
            "/containers/%2E/x",
            "/containers/a%2Fkill",
            "/containers/a%252Fkill",
            "/containers/a%3Fb/pause",
            "/v1.43/containers/x",
            "/v1/containers/x",
            "/v1%2E43/info",
            "/containers/a b",
            "/containers/a%00",
            "/containers/a%0d%0aX: y",
            "/containers/a\\b",
            "/containers/a#b",
            "/containers/*/pause",
            "/containers/%zz",
            "/containers/%4",
            "/containers/\u{e4}",
            "/info?a b",
            "/info?a=%",
            "/info?a=#b",
            "/info?a\r\nHost: b",
        ] {
            assert!(CanonicalRequest::new("GET", target).is_err(), "{target:?}");
        }
        let long = format!("/info?a={}", "x".repeat(LIMIT));
        assert!(CanonicalRequest::new("GET", &long).is_err());
        assert!(CanonicalRequest::new("PATCH", "/info").is_err());
        assert!(CanonicalRequest::new("GET /x HTTP/1.1\r\n", "/info").is_err());
    }

    #[test]
    fn refuses_patterns_that_mean_something_else() {
        for pattern in [
            "/info",
            "GET",
            "GET info",
            "GET /containers/x*",
            "GET /**/json",
            "GET /info?x=1",
            "GET /v1.44/info",
            "GET /a/../b",
            "* /info",
        ] {
            assert!(RequestPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_a_fixed_point(target in "/[ -~]{0,40}") {
            if let Ok(request) = CanonicalRequest::new("GET", &target) {
                let again = CanonicalRequest::new("GET", &request.target());
                prop_assert!(!request.path().contains('%') && !request.path().contains("//"));
                prop_assert_eq!(again, Ok(request));
            }
        }

        #[test]
        fn a_star_never_spans_segments(name in "[a-z/%.0-9A-F?]{1,12}") {
            let target = format!("/containers/{name}/pause");
            if let Ok(request) = CanonicalRequest::new("POST", &target) {
                let pattern = RequestPattern::parse("POST /containers/*/pause").expect("a pattern");
                if pattern.covers(&request) {
                    prop_assert_eq!(request.path().matches('/').count(), 3);
                    prop_assert!(request.path().ends_with("/pause"));
                }
            }
        }
    }
}
