//! One attempt for all who want the same thing at the same time.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

/// Whoever comes while an attempt is under way gets its outcome, be it a failure.
#[derive(Debug)]
pub(crate) struct Flight<E> {
    /// When the last attempt failed, and why.
    failed: Mutex<Option<(Instant, Arc<E>)>>,
}

impl<E> Default for Flight<E> {
    fn default() -> Self {
        Self {
            failed: Mutex::new(None),
        }
    }
}

impl<E> Flight<E> {
    /// What `existing` has, or else what `attempt` makes, one attempt at a time. An attempt is over
    /// when its future is dropped; the next in the queue then makes another.
    pub(crate) async fn run<T>(
        &self,
        existing: impl Fn() -> Option<T>,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Arc<E>> {
        let since = Instant::now();
        let mut failed = self.failed.lock().await;
        if let Some(found) = existing() {
            return Ok(found);
        }
        if let Some((at, reason)) = &*failed
            && *at >= since
        {
            return Err(Arc::clone(reason));
        }
        match attempt.await {
            Ok(made) => Ok(made),
            Err(reason) => {
                let reason = Arc::new(reason);
                *failed = Some((Instant::now(), Arc::clone(&reason)));
                Err(reason)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_share_one_attempt_and_its_failure() {
        let flight = Flight::<&str>::default();
        let made = StdMutex::new(None);
        let attempts = AtomicU32::new(0);
        let run = |succeeds: bool| {
            let (made, attempts) = (&made, &attempts);
            flight.run(|| *made.lock().unwrap(), async move {
                let count = attempts.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                if !succeeds {
                    return Err("no");
                }
                *made.lock().unwrap() = Some(count);
                Ok(count)
            })
        };
        let (a, b, c) = tokio::join!(run(false), run(false), run(false));
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
        // Who comes later tries again.
        let (a, b) = tokio::join!(run(true), run(true));
        assert_eq!((a, b), (Ok(1), Ok(1)));
    }
}
