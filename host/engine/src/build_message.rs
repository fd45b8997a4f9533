//! What the Engine tells of a build: JSON, one message a line.

use bytes::{Buf as _, BytesMut};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{EngineError, one_line};
use crate::images::PullProgress;

/// The longest line that is read, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;
/// What engines say at the end, before the image's short id.
const BUILT: &str = "Successfully built ";
/// What engines put around the standard error of a command, so that it is red on a terminal.
const RED: (&str, &str) = ("\u{1b}[91m", "\u{1b}[0m");

/// One message of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildMessage {
    /// Output of the build, or of a command that it runs, with its line breaks.
    Output(String),
    /// A base image is being pulled.
    Pull(PullProgress),
}

/// Takes a stream of messages apart.
#[derive(Debug, Default)]
pub(crate) struct BuildMessages {
    buffer: BytesMut,
    has_ended: bool,
    /// As the Engine tells it to programs: those of stages before the last one, too.
    id: Option<String>,
    /// As it tells people.
    short_id: Option<String>,
}

impl BuildMessages {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes what there is for all that comes; whether nothing of it is left.
    pub(crate) fn end(&mut self) -> bool {
        self.has_ended = true;
        self.buffer.is_empty()
    }

    /// The next message; none where more has to come first.
    ///
    /// # Errors
    /// That which a message reports.
    pub(crate) fn next(&mut self, operation: &str) -> Result<Option<BuildMessage>, EngineError> {
        let unreadable = |reason: String| EngineError::Decode {
            operation: operation.to_owned(),
            reason,
        };
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n');
            let line = match end {
                Some(end) => {
                    let line = self.buffer.split_to(end);
                    self.buffer.advance(1);
                    line
                }
                None if self.has_ended && !self.buffer.is_empty() => self.buffer.split(),
                None if self.buffer.len() > LONGEST => {
                    return Err(unreadable(format!("it has a line of {LONGEST} bytes")));
                }
                None => return Ok(None),
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let message: Message =
                serde_json::from_slice(&line).map_err(|error| unreadable(error.to_string()))?;
            if let Some(words) = message.error() {
                return Err(EngineError::Failed {
                    operation: operation.to_owned(),
                    message: one_line(&words),
                });
            }
            if let Some(message) = self.take(message) {
                return Ok(Some(message));
            }
        }
    }

    /// The image.
    pub(crate) fn image(&self) -> Option<&str> {
        self.id.as_deref().or(self.short_id.as_deref())
    }

    fn take(&mut self, message: Message) -> Option<BuildMessage> {
        let id = message.aux.as_ref().and_then(|aux| aux.get("ID")?.as_str());
        if let Some(id) = id {
            self.id = Some(id.to_owned());
        }
        if let Some(text) = message.stream {
            if let Some(id) = text.strip_prefix(BUILT) {
                self.short_id = Some(id.trim().to_owned());
            }
            let plain = text.strip_prefix(RED.0);
            let plain = plain.and_then(|text| text.strip_suffix(RED.1));
            let output = plain.map_or_else(|| text.clone(), str::to_owned);
            return Some(BuildMessage::Output(output));
        }
        let bytes = message.progress_detail.and_then(|detail| {
            let total = u64::try_from(detail.total?).ok()?;
            Some((u64::try_from(detail.current?).ok()?, total))
        });
        Some(BuildMessage::Pull(PullProgress {
            layer: message.id,
            status: message.status?,
            bytes,
        }))
    }
}

#[derive(Deserialize)]
struct Message {
    stream: Option<String>,
    status: Option<String>,
    id: Option<String>,
    #[serde(rename = "progressDetail")]
    progress_detail: Option<ProgressDetail>,
    aux: Option<Value>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
}

impl Message {
    fn error(&self) -> Option<String> {
        let detail = self.error_detail.as_ref();
        let words = detail.and_then(|detail| detail.message.clone());
        // An error without words is one all the same.
        let nothing = || detail.map(|_| "the Docker Engine does not say why".to_owned());
        words.or_else(|| self.error.clone()).or_else(nothing)
    }
}

#[derive(Deserialize)]
struct ProgressDetail {
    current: Option<i64>,
    total: Option<i64>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All messages of a stream that comes in pieces, and the image.
    fn read(
        stream: &[u8],
        piece: usize,
    ) -> Result<(Vec<BuildMessage>, Option<String>), EngineError> {
        let mut messages = BuildMessages::default();
        let mut found = Vec::new();
        for bytes in stream.chunks(piece) {
            messages.push(bytes);
            while let Some(message) = messages.next("build a:1")? {
                found.push(message);
            }
        }
        while !messages.end() {
            found.extend(messages.next("build a:1")?);
        }
        Ok((found, messages.image().map(str::to_owned)))
    }

    #[test]
    fn messages_come_whole_however_the_bytes_come() {
        let stream = b"{\"stream\":\"Step 1/2 : FROM \xc3\xa4\\n\"}\r\n\r\n\
            {\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":\"l1\"}\r\n\
            {\"status\":\"Pulling\",\"progressDetail\":{}}\r\n\
            {\"aux\":{\"ID\":\"sha256:01\"}}\r\n{\"aux\":{\"ID\":\"sha256:02\"}}\r\n\
            {\"stream\":\"Successfully built 02\\n\"}";
        let pull = |layer: Option<&str>, status: &str, bytes| {
            BuildMessage::Pull(PullProgress {
                layer: layer.map(str::to_owned),
                status: status.to_owned(),
                bytes,
            })
        };
        let wanted = [
            BuildMessage::Output("Step 1/2 : FROM ä\n".to_owned()),
            pull(Some("l1"), "Downloading", Some((1, 2))),
            pull(None, "Pulling", None),
            BuildMessage::Output("Successfully built 02\n".to_owned()),
        ];
        for piece in 1..stream.len() {
            let (messages, image) = read(stream, piece).unwrap();
            assert_eq!(messages, wanted);
            assert_eq!(image.as_deref(), Some("sha256:02"));
        }
    }

    #[test]
    fn old_engines_tell_the_image_in_words_only() {
        let stream = b"{\"stream\":\"Successfully built 0a1b\\n\"}\r\n";
        assert_eq!(read(stream, 8).unwrap().1.as_deref(), Some("0a1b"));
        assert_eq!(read(b"{\"stream\":\"x\"}\r\n", 8).unwrap().1, None);
    }

    #[test]
    fn the_engines_colour_is_taken_off() {
        let stream = br#"{"stream":"\u001b[91mred\n\u001b[0m"}{"stream":""}"#;
        let lines = stream.split_inclusive(|byte| *byte == b'}');
        for (line, text) in lines.zip(["red\n", ""]) {
            let (messages, _) = read(line, 4).unwrap();
            assert_eq!(messages, [BuildMessage::Output(text.to_owned())]);
        }
    }

    #[test]
    fn an_error_is_never_swallowed() {
        for (line, words) in [
            (
                r#"{"errorDetail":{"code":7,"message":"it failed\n"},"error":"x"}"#,
                "it failed",
            ),
            (r#"{"error":"no space"}"#, "no space"),
            (
                r#"{"errorDetail":{}}"#,
                "the Docker Engine does not say why",
            ),
        ] {
            let stream = format!("{{\"stream\":\"Successfully built 1\\n\"}}\r\n{line}");
            let error = read(stream.as_bytes(), 10).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot build a:1: {words}"));
        }
        assert!(matches!(read(b"OK\n", 10), Err(EngineError::Decode { .. })));
    }
}
