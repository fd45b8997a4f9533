//! How many hosts are worked on at a time, and when that ends early.

use std::future::Future;
use std::str::FromStr;

use dfab_deploy::execute::Pace;
use futures_util::stream::{self, StreamExt as _};

use crate::arguments::Common;

/// A number of hosts, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Hosts(usize),
    Percent(usize),
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is neither a number of hosts nor a share such as 25%");
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
            None => text.parse().map(Self::Hosts).map_err(|_| wrong()),
        }
    }
}

/// What a batch may be.
///
/// # Errors
/// As for a share, and where no host would be in it.
pub(crate) fn batch(text: &str) -> Result<Share, String> {
    match text.parse()? {
        Share::Hosts(0) | Share::Percent(0) => Err("a batch has one host at least".to_owned()),
        share => Ok(share),
    }
}

impl Share {
    /// Of so many hosts, rounded down.
    fn of(self, hosts: usize) -> usize {
        match self {
            Self::Hosts(count) => count,
            Self::Percent(percent) => hosts * percent / 100,
        }
    }
}

impl Common {
    /// The pace for so many hosts, of which some could not be reached.
    pub(crate) fn pace(&self, hosts: usize, unreached: usize) -> Pace {
        let total = hosts + unreached;
        let batch = self.serial.map(|serial| serial.of(total).max(1));
        // Who goes by batches wants to see each of them go well.
        let default = batch.map(|_| 0);
        let allowed = self.max_fail.map(|share| share.of(total)).or(default);
        Pace {
            at_once: self.parallel.get(),
            batch,
            may_fail: allowed.map(|allowed| allowed.saturating_sub(unreached)),
            is_over: allowed.is_some_and(|allowed| unreached > allowed),
        }
    }
}

/// Does something for every host at a pace. In the order of the hosts; none for those that were not
/// begun, since too many others had failed.
pub(crate) async fn paced<H, T, F, R>(
    pace: &Pace,
    hosts: &[H],
    work: F,
    has_failed: impl Fn(&T) -> bool,
) -> Vec<Option<T>>
where
    H: Clone,
    F: Fn(H) -> R,
    R: Future<Output = T>,
{
    let mut results: Vec<Option<T>> = Vec::with_capacity(hosts.len());
    let failed = std::cell::Cell::new(0);
    let is_over = || pace.is_over || pace.may_fail.is_some_and(|may| failed.get() > may);
    for batch in hosts.chunks(pace.batch.unwrap_or(hosts.len()).max(1)) {
        let each = batch.iter().map(|host| async {
            if is_over() {
                return None;
            }
            let result = work(host.clone()).await;
            if has_failed(&result) {
                failed.set(failed.get() + 1);
            }
            Some(result)
        });
        let done: Vec<Option<T>> = stream::iter(each).buffered(pace.at_once).collect().await;
        results.extend(done);
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbers_or_percents() {
        assert_eq!("3".parse(), Ok(Share::Hosts(3)));
        assert_eq!("25%".parse(), Ok(Share::Percent(25)));
        assert!("101%".parse::<Share>().is_err() && "-1".parse::<Share>().is_err());
        assert_eq!(Share::Percent(25).of(7), 1);
        assert_eq!(batch("2"), Ok(Share::Hosts(2)));
        assert!(batch("0").is_err() && batch("0%").is_err() && batch("x").is_err());
    }

    #[tokio::test]
    async fn hosts_are_not_begun_once_too_many_have_failed() {
        let done = |pace: Pace| async move {
            let results = paced(
                &pace,
                &[1, 2, 3, 4, 5, 6],
                |host| async move { host },
                |host| *host == 2 || *host == 3,
            )
            .await;
            results.into_iter().flatten().count()
        };
        let pace = Pace {
            at_once: 1,
            batch: None,
            may_fail: None,
            is_over: false,
        };
        assert_eq!(done(pace).await, 6);
        let none = Pace {
            may_fail: Some(0),
            ..pace
        };
        assert_eq!(done(none).await, 2);
        let one = Pace {
            may_fail: Some(1),
            ..pace
        };
        assert_eq!(done(one).await, 3);
        let over = Pace {
            is_over: true,
            ..none
        };
        assert_eq!(done(over).await, 0);
    }
}
