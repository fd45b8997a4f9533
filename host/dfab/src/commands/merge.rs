//! Lines of output with their times: read from engines, and brought into one order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use dfab_engine::{EngineError, LogReader, OutputPiece};
use futures_util::future;
use jiff::Timestamp;

use crate::instant;
use crate::lines::Lines;

/// Longer lines are handed out in parts, in bytes.
const LONGEST: usize = 64 * 1024;

/// A line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    /// As the engine wrote it.
    pub(crate) stamp: String,
    pub(crate) is_error: bool,
    /// Without the end of the line.
    pub(crate) text: Vec<u8>,
    /// Whether there was an end.
    pub(crate) is_whole: bool,
}

/// Puts lines together from pieces that begin with a time.
#[derive(Debug)]
pub(crate) struct Stamped {
    /// With a terminal, a time stands before each line; without, before each piece.
    terminal: Option<Lines>,
    /// Lines that have no end yet: of the output and of the errors.
    open: [Option<Line>; 2],
    ready: VecDeque<Line>,
}

impl Stamped {
    pub(crate) fn new(terminal: bool) -> Self {
        Self {
            terminal: terminal.then(Lines::default),
            open: [None, None],
            ready: VecDeque::new(),
        }
    }

    fn push(&mut self, piece: &OutputPiece) {
        let Self {
            terminal,
            open: [data, errors],
            ready,
        } = self;
        if let Some(lines) = terminal {
            let _: Result<(), std::convert::Infallible> = lines.push(&piece.bytes, |line| {
                ready.push_back(stamped(line, false, true));
                Ok(())
            });
            return;
        }
        let open = if piece.is_error { errors } else { data };
        let (bytes, is_whole) = match piece.bytes.strip_suffix(b"\n") {
            Some(bytes) => (bytes, true),
            None => (&piece.bytes[..], false),
        };
        let part = stamped(bytes, piece.is_error, is_whole);
        let line = match open.take() {
            Some(mut line) => {
                line.text.extend_from_slice(&part.text);
                line.is_whole = is_whole;
                line
            }
            None => part,
        };
        if is_whole || line.text.len() > LONGEST {
            ready.push_back(line);
        } else {
            *open = Some(line);
        }
    }

    fn finish(&mut self) {
        if let Some(rest) = self.terminal.as_mut().and_then(Lines::finish) {
            self.ready.push_back(stamped(&rest, false, false));
        }
        self.ready
            .extend(self.open.iter_mut().filter_map(Option::take));
    }
}

/// Takes the time off a line. Without one it is the beginning of all time, so that nothing is lost.
fn stamped(line: &[u8], is_error: bool, is_whole: bool) -> Line {
    let end = line.iter().position(|byte| *byte == b' ');
    let stamp = end
        .and_then(|end| line.get(..end))
        .and_then(|stamp| std::str::from_utf8(stamp).ok());
    let parsed = stamp.and_then(|stamp| Some((stamp, instant::parse(stamp)?)));
    let (stamp, time, text) = match (parsed, end) {
        (Some((stamp, time)), Some(end)) => (stamp, time, line.get(end + 1..).unwrap_or_default()),
        _ => ("", Timestamp::MIN, line),
    };
    Line {
        time,
        stamp: stamp.to_owned(),
        is_error,
        text: text.to_vec(),
        is_whole,
    }
}

/// Where lines come from.
#[derive(Debug)]
pub(crate) struct Source {
    reader: LogReader,
    stamped: Stamped,
}

impl Source {
    pub(crate) fn new(reader: LogReader, terminal: bool) -> Self {
        Self {
            reader,
            stamped: Stamped::new(terminal),
        }
    }

    /// The next line; none at the end. May be dropped at any time, and called again.
    ///
    /// # Errors
    /// As [`LogReader::next`].
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, EngineError> {
        loop {
            if let Some(line) = self.stamped.ready.pop_front() {
                return Ok(Some(line));
            }
            match self.reader.next().await? {
                Some(piece) => self.stamped.push(&piece),
                None => {
                    self.stamped.finish();
                    return Ok(self.stamped.ready.pop_front());
                }
            }
        }
    }
}

/// Gives lines one after another.
pub(crate) trait Supply {
    /// Why there are no more.
    type Error;

    /// The next line; none at the end.
    async fn next_line(&mut self) -> Result<Option<Line>, Self::Error>;
}

impl Supply for Source {
    type Error = EngineError;

    async fn next_line(&mut self) -> Result<Option<Line>, EngineError> {
        self.next().await
    }
}

/// Hands the lines of all sources out in the order of their times, each with the number of its source;
/// of each source one line is held. Within a source the order stays as it is, and lines of the same
/// time come in the order of the sources. A source that fails is told, and the others go on.
///
/// # Errors
/// That of the taker, which ends it.
pub(crate) async fn merge<S: Supply, E>(
    sources: &mut [S],
    mut take: impl FnMut(usize, Line) -> Result<(), E>,
    mut failed: impl FnMut(usize, S::Error),
) -> Result<(), E> {
    let firsts = future::join_all(sources.iter_mut().map(Supply::next_line)).await;
    let mut heap = BinaryHeap::new();
    let mut held: Vec<Option<Line>> = Vec::with_capacity(firsts.len());
    for (index, first) in firsts.into_iter().enumerate() {
        held.push(first.unwrap_or_else(|error| {
            failed(index, error);
            None
        }));
        if let Some(Some(line)) = held.last() {
            heap.push(Reverse((line.time, index)));
        }
    }
    while let Some(Reverse((time, index))) = heap.pop() {
        let (Some(slot), Some(source)) = (held.get_mut(index), sources.get_mut(index)) else {
            continue;
        };
        if let Some(line) = slot.take() {
            take(index, line)?;
        }
        match source.next_line().await {
            Ok(Some(line)) => {
                // The clock of a host may have been set back.
                heap.push(Reverse((line.time.max(time), index)));
                *slot = Some(line);
            }
            Ok(None) => {}
            Err(error) => failed(index, error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn piece(is_error: bool, text: &str) -> OutputPiece {
        OutputPiece {
            is_error,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    fn texts(stamped: &mut Stamped, pieces: &[OutputPiece]) -> Vec<String> {
        pieces.iter().for_each(|piece| stamped.push(piece));
        stamped.finish();
        let lines = stamped.ready.drain(..);
        lines
            .map(|line| {
                let text = String::from_utf8_lossy(&line.text).into_owned();
                format!(
                    "{}{}{text}",
                    line.time.as_second(),
                    if line.is_error { "!" } else { ":" }
                )
            })
            .collect()
    }

    #[test]
    fn parts_of_a_long_line_are_one_line_also_where_the_other_stream_speaks_between() {
        let pieces = [
            piece(false, "1970-01-01T00:00:01Z long "),
            piece(true, "1970-01-01T00:00:02Z error\n"),
            piece(false, "1970-01-01T00:00:03Z line\n"),
            piece(false, "1970-01-01T00:00:04Z no end"),
        ];
        assert_eq!(
            texts(&mut Stamped::new(false), &pieces),
            ["2!error", "1:long line", "4:no end"]
        );
    }

    #[test]
    fn with_a_terminal_pieces_are_no_lines() {
        let pieces = [
            piece(false, "1970-01-01T00:00:01Z on"),
            piece(false, "e\r\n1970-01-01T00:00:02Z two\r\n"),
        ];
        assert_eq!(texts(&mut Stamped::new(true), &pieces), ["1:one", "2:two"]);
    }

    #[test]
    fn a_line_without_a_time_is_kept() {
        let mut stamped = Stamped::new(false);
        stamped.push(&piece(false, "no time here\n"));
        assert_eq!(stamped.ready[0].text, b"no time here");
    }

    struct Given(VecDeque<Result<i64, &'static str>>);

    impl Supply for Given {
        type Error = &'static str;

        async fn next_line(&mut self) -> Result<Option<Line>, &'static str> {
            let seconds = self.0.pop_front().transpose()?;
            Ok(seconds.map(|seconds| Line {
                time: Timestamp::from_second(seconds).unwrap(),
                stamp: String::new(),
                is_error: false,
                text: Vec::new(),
                is_whole: true,
            }))
        }
    }

    async fn merged(sources: &[&[Result<i64, &'static str>]]) -> (Vec<(usize, i64)>, Vec<usize>) {
        let mut sources: Vec<_> = sources
            .iter()
            .map(|lines| Given(lines.iter().copied().collect()))
            .collect();
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        let done: Result<(), ()> = merge(
            &mut sources,
            |index, line| {
                taken.push((index, line.time.as_second()));
                Ok(())
            },
            |index, _| failed.push(index),
        )
        .await;
        done.unwrap();
        (taken, failed)
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_their_times() {
        let (taken, failed) = merged(&[&[Ok(1), Ok(4), Ok(4)], &[Ok(2), Ok(3), Ok(5)], &[]]).await;
        assert_eq!(taken, [(0, 1), (1, 2), (1, 3), (0, 4), (0, 4), (1, 5)]);
        assert!(failed.is_empty());
    }

    #[tokio::test]
    async fn the_order_within_a_source_stays_and_one_that_fails_ends_alone() {
        let (taken, failed) = merged(&[&[Ok(5), Ok(1), Err("gone"), Ok(9)], &[Ok(2), Ok(6)]]).await;
        assert_eq!(taken, [(1, 2), (0, 5), (0, 1), (1, 6)]);
        assert_eq!(failed, [0]);
    }
}
