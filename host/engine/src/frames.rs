//! The frames in which an Engine sends standard output and error of a container without a terminal
//! (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach>).

use bytes::{Buf as _, Bytes, BytesMut};

use crate::logs::OutputPiece;

/// The largest frame that is read, in bytes; engines send 16 or 32 KiB.
const LARGEST: usize = 16 * 1024 * 1024;
/// Before each frame: the stream, three zeros, and the length.
const HEADER: usize = 8;

/// Takes a stream apart.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: BytesMut,
    /// A container with a terminal has no frames: all of it is standard output.
    raw: bool,
}

impl Frames {
    pub(crate) fn new(raw: bool) -> Self {
        Self {
            buffer: BytesMut::new(),
            raw,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece; none where more has to come first. What is wrong with the stream otherwise.
    pub(crate) fn next(&mut self) -> Result<Option<OutputPiece>, String> {
        loop {
            if self.raw {
                let bytes = self.buffer.split().freeze();
                return Ok((!bytes.is_empty()).then_some(OutputPiece {
                    is_error: false,
                    bytes,
                }));
            }
            let Some(header) = self.buffer.get(..HEADER) else {
                return Ok(None);
            };
            let &[kind, 0, 0, 0, a, b, c, d] = header else {
                return Err("it is not divided in frames".to_owned());
            };
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            if length > LARGEST {
                return Err(format!("it has a frame of {length} bytes"));
            }
            if self.buffer.len() - HEADER < length {
                return Ok(None);
            }
            self.buffer.advance(HEADER);
            let bytes: Bytes = self.buffer.split_to(length).freeze();
            let is_error = match kind {
                0 | 1 => false,
                2 => true,
                // An error of the Engine's own, after it had begun to answer.
                3 => return Err(String::from_utf8_lossy(&bytes).trim().to_owned()),
                _ => return Err(format!("it has a frame of the unknown stream {kind}")),
            };
            if !bytes.is_empty() {
                return Ok(Some(OutputPiece { is_error, bytes }));
            }
        }
    }

    /// Whether the stream may end here.
    pub(crate) fn is_whole(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], text.as_bytes()].concat()
    }

    #[test]
    fn frames_come_apart_wherever_the_bytes_are_cut() {
        let bytes = [
            frame(1, "out"),
            frame(2, ""),
            frame(2, "err\n"),
            frame(1, "x"),
        ]
        .concat();
        for cut in 0..bytes.len() {
            let mut frames = Frames::new(false);
            let mut pieces = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                frames.push(part);
                while let Some(piece) = frames.next().unwrap() {
                    pieces.push((piece.is_error, piece.bytes.to_vec()));
                }
            }
            let expected = [(false, "out"), (true, "err\n"), (false, "x")]
                .map(|(is_error, text)| (is_error, text.as_bytes().to_vec()));
            assert_eq!(pieces, expected, "cut at {cut}");
            assert!(frames.is_whole());
        }
    }

    #[test]
    fn a_terminal_has_no_frames_whatever_it_begins_with() {
        let mut frames = Frames::new(true);
        frames.push(b"\x01\x00\x1b[31mred");
        let piece = frames.next().unwrap().unwrap();
        assert_eq!(&piece.bytes[..], b"\x01\x00\x1b[31mred");
        assert_eq!(frames.next(), Ok(None));
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_takes_no_memory() {
        for bytes in [
            b"plain text".to_vec(),
            [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff].to_vec(),
            frame(9, "x"),
            frame(3, "out of memory"),
        ] {
            let mut frames = Frames::new(false);
            frames.push(&bytes);
            assert!(frames.next().is_err(), "{bytes:?}");
        }
    }
}
