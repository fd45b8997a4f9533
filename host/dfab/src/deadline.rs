//! When a command ends by itself: `--max-time`, or `run` under `timeouts`.

use std::future::Future;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::period::Period;

/// What is told of what was not finished.
const OVER: &str = "not finished when the time was over (--max-time, or `run` under `timeouts`)";

/// The end of a command's time, if it has one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// That long after now.
    pub(crate) fn after(period: Option<Period>) -> Self {
        Self(period.map(|period| Instant::now() + period.duration()))
    }

    /// Whether it has passed.
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Waits for it, without an end where there is none. May be dropped at any time.
    pub(crate) async fn wait(self) {
        match self.0 {
            Some(end) => tokio::time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// What comes of the work; [`over`] where the time ends first, and the work is dropped. Nothing is
    /// begun after the end.
    pub(crate) async fn within<T, E: From<Failure>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.is_over() {
            return Err(over().into());
        }
        tokio::select! {
            biased;
            done = work => done,
            () = self.wait() => Err(over().into()),
        }
    }
}

/// The failure of what was not finished in time.
pub(crate) fn over() -> Failure {
    Failure::failed(OVER)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_takes_longer_is_ended_and_nothing_is_begun_after() {
        let end = Deadline(Some(Instant::now() + Duration::from_millis(20)));
        let quick = async { Ok::<_, Failure>(1) };
        assert_eq!(end.within(quick).await.unwrap(), 1);
        let slow = std::future::pending::<Result<(), Failure>>();
        let told = end.within(slow).await.unwrap_err().to_string();
        assert!(told.contains("--max-time"), "{told}");
        assert!(end.is_over());
        let begun = std::cell::Cell::new(false);
        let work = async {
            begun.set(true);
            Ok::<_, Failure>(())
        };
        assert!(end.within(work).await.is_err() && !begun.get());
        let never = Deadline::default();
        assert!(never.within(async { Ok::<_, Failure>(()) }).await.is_ok());
    }
}
