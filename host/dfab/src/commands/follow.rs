//! One container's output, through restarts, new containers of its name and broken connections.

use std::io;
use std::time::Duration;

use dfab_engine::LogQuery;
use jiff::Timestamp;
use serde_json::Value;

use super::logs::{Target, tell};
use super::merge::{Line, Source};
use crate::failure::describe;
use crate::instant;

/// How often a container that does not run is looked at, and an engine that cannot be reached tried.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is known of a container from its inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    id: String,
    started: String,
    runs: bool,
    exit_code: Option<i64>,
    pub(super) terminal: bool,
}

/// None where there is no such container.
pub(super) async fn look(target: &Target<'_>) -> Result<Option<Life>, dfab_engine::EngineError> {
    let name = target.container.clone();
    let found = target.engine.inspect_containers(&[name]).await?;
    Ok(found.get(&target.container).map(|live| {
        let text = |field: &str| -> String {
            let value = live.pointer(field).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let flag = |field: &str| {
            live.pointer(field)
                .and_then(Value::as_bool)
                .unwrap_or(false)
        };
        let runs = flag("/State/Running");
        let code = live.pointer("/State/ExitCode").and_then(Value::as_i64);
        Life {
            id: text("/Id"),
            started: text("/State/StartedAt"),
            runs,
            exit_code: code.filter(|_| !runs),
            terminal: flag("/Config/Tty"),
        }
    }))
}

/// Follows one container through its lives.
pub(super) struct Follower<'a> {
    target: &'a Target<'a>,
    query: LogQuery,
    /// The time of the last line, and how many lines of that time there were.
    last: Option<(Timestamp, usize)>,
    /// What was read to its end.
    over: Option<Life>,
    told: bool,
}

impl<'a> Follower<'a> {
    pub(super) fn new(target: &'a Target<'a>, query: LogQuery) -> Self {
        Self {
            target,
            query,
            last: None,
            over: None,
            told: false,
        }
    }

    /// Goes on until the taker refuses a line.
    pub(super) async fn run(
        mut self,
        mut take: impl FnMut(Line) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut wait = LOOK;
        loop {
            match self.follow_once(&mut take).await? {
                Ok(()) => wait = LOOK,
                Err(error) => {
                    if !self.told {
                        tell(
                            self.target,
                            &format!("{}; it is tried again", describe(&error)),
                        );
                        self.told = true;
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads to the end of the container's present life, if there is one that was not read yet.
    async fn follow_once(
        &mut self,
        take: &mut impl FnMut(Line) -> io::Result<()>,
    ) -> io::Result<Result<(), dfab_engine::EngineError>> {
        let life = match look(self.target).await {
            Ok(Some(life)) => life,
            Ok(None) => {
                if self.over.take().is_some() {
                    tell(
                        self.target,
                        "the container is gone; one of its name is waited for",
                    );
                }
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        if let Some(over) = &self.over {
            if over.id == life.id && over.started == life.started && !life.runs {
                return Ok(Ok(()));
            }
            if over.id != life.id {
                // Another container of the same name is read from its beginning.
                self.last = None;
                self.query.since = None;
            } else if self.last.is_none() {
                // What was not wanted the first time is not wanted now.
                self.query.since = instant::parse(&life.started).map(instant::for_engine);
            }
        }
        let mut query = self.query.clone();
        if let Some((last, _)) = self.last {
            query.since = Some(instant::for_engine(last));
        }
        let (target, terminal) = (self.target, life.terminal);
        let reader = match target
            .engine
            .read_logs(&target.container, terminal, &query)
            .await
        {
            Ok(reader) => reader,
            Err(error) => return Ok(Err(error)),
        };
        // Only the first time it is the end that is wanted.
        self.query.tail = None;
        self.told = false;
        let mut source = Source::new(reader, terminal);
        let mut repeated = Repeated::new(self.last);
        loop {
            match source.next().await {
                Ok(Some(line)) => {
                    if repeated.is_new(line.time) {
                        self.last = repeated.last;
                        take(line)?;
                    }
                }
                Ok(None) => break,
                // Silence means nothing, as long as the engine answers and the container runs.
                Err(dfab_engine::EngineError::Idle { .. }) => match look(target).await {
                    Ok(Some(now)) if now.runs && now.id == life.id => {}
                    Ok(_) => break,
                    Err(error) => return Ok(Err(error)),
                },
                Err(error) => return Ok(Err(error)),
            }
        }
        let now = match look(target).await {
            Ok(now) => now,
            Err(error) => return Ok(Err(error)),
        };
        let ended = now.filter(|now| now.id == life.id && now.started == life.started);
        if let Some(code) = ended.as_ref().and_then(|now| now.exit_code) {
            tell(
                target,
                &format!("ended with exit code {code}; it is waited for"),
            );
        }
        self.over = Some(ended.unwrap_or(life));
        Ok(Ok(()))
    }
}

/// Tells lines that were read already: the engine repeats those of the time that is asked for.
struct Repeated {
    last: Option<(Timestamp, usize)>,
    /// Of that time, how many are still to come again.
    again: usize,
}

impl Repeated {
    fn new(last: Option<(Timestamp, usize)>) -> Self {
        Self {
            last,
            again: last.map_or(0, |(_, count)| count),
        }
    }

    fn is_new(&mut self, time: Timestamp) -> bool {
        match &mut self.last {
            Some((last, _)) if time < *last && self.again > 0 => false,
            Some((last, _)) if time == *last && self.again > 0 => {
                self.again -= 1;
                false
            }
            Some((last, count)) if time == *last => {
                *count += 1;
                true
            }
            last => {
                self.again = 0;
                *last = Some((time, 1));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_line_is_shown_once_though_the_engine_repeats_it() {
        let mut first = Repeated::new(None);
        assert!([1, 2, 2].iter().all(|time| first.is_new(at(*time))));
        let mut second = Repeated::new(first.last);
        let new: Vec<bool> = [1, 2, 2, 2, 3]
            .iter()
            .map(|time| second.is_new(at(*time)))
            .collect();
        assert_eq!(new, [false, false, false, true, true]);
        assert_eq!(second.last, Some((at(3), 1)));
    }
}
