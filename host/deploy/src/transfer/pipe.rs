//! Bytes between a connection and a thread that reads or writes files, a few pieces at a time.
//!
//! The end is a message of its own: where the writing side goes without it, the reading side gets an
//! error, and takes nothing for complete that is not.

use std::io;

use bytes::{Buf as _, Bytes};
use dfab_engine::Upload;
use futures_util::stream;
use tokio::sync::mpsc;

/// Pieces that may wait; one is 64 KiB at most where a thread writes them.
const AHEAD: usize = 16;

/// Two ends of a pipe.
pub(crate) fn pipe() -> (Writer, Reader) {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let reader = Reader {
        pieces,
        rest: Bytes::new(),
        has_ended: false,
    };
    (Writer(sender), reader)
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

/// The end that is written to.
#[derive(Debug)]
pub(crate) struct Writer(mpsc::Sender<Piece>);

impl Writer {
    /// Hands on a piece; false where nobody reads any more. May be dropped at any time.
    pub(crate) async fn send(&self, piece: Bytes) -> bool {
        self.0.send(Piece::Bytes(piece)).await.is_ok()
    }

    /// Says that all was written. May be dropped at any time.
    pub(crate) async fn end(self) {
        // Who reads no more has an error of its own to tell.
        let _ = self.0.send(Piece::End).await;
    }

    /// The same, in a thread that may wait.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.0
            .blocking_send(Piece::End)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// In a thread that may wait.
impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.0
                .blocking_send(Piece::Bytes(Bytes::copy_from_slice(bytes)))
                .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end that is read.
#[derive(Debug)]
pub(crate) struct Reader {
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    has_ended: bool,
}

impl Reader {
    /// Waits for the first bytes, in a thread that may wait: where there are none, nothing has to be made
    /// for them.
    ///
    /// # Errors
    /// Where it breaks off before.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        while self.rest.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => self.rest = piece,
                Some(Piece::End) => self.has_ended = true,
                None => return Err(cut_off()),
            }
        }
        Ok(())
    }

    /// The body of a request.
    pub(crate) fn into_upload(self) -> Upload {
        Box::pin(stream::try_unfold(self, |mut reader| async move {
            match reader.pieces.recv().await {
                Some(Piece::Bytes(piece)) => Ok(Some((piece, reader))),
                Some(Piece::End) => Ok(None),
                None => Err(cut_off()),
            }
        }))
    }
}

/// In a thread that may wait.
impl io::Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        let count = self.rest.len().min(into.len());
        self.rest
            .copy_to_slice(into.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it broke off before its end")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use futures_util::TryStreamExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (mut writer, mut reader) = pipe();
        let writing = std::thread::spawn(move || {
            for number in 0..1000_u32 {
                writer.write_all(&number.to_be_bytes()).unwrap();
            }
            writer.finish().unwrap();
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        writing.join().unwrap();
        let written: Vec<u8> = (0..1000_u32).flat_map(u32::to_be_bytes).collect();
        assert_eq!(read, written);
    }

    #[tokio::test]
    async fn what_is_cut_off_is_no_end() {
        for ends in [true, false] {
            let (writer, reader) = pipe();
            assert!(writer.send(Bytes::from_static(b"half")).await);
            if ends {
                writer.end().await;
            } else {
                drop(writer);
            }
            let read: Result<Vec<Bytes>, _> = reader.into_upload().try_collect().await;
            assert_eq!(read.is_ok(), ends);
        }
        let (writer, mut reader) = pipe();
        drop(writer);
        let read = tokio::task::spawn_blocking(move || reader.read(&mut [0; 4]));
        assert!(read.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn who_writes_learns_that_nobody_reads() {
        let (writer, reader) = pipe();
        drop(reader);
        assert!(!writer.send(Bytes::from_static(b"x")).await);
        let writing = tokio::task::spawn_blocking(move || writer.finish());
        assert!(writing.await.unwrap().is_err());
    }
}
