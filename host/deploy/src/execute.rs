//! Runs steps in dependency order.
//!
//! Knows nothing of what a step is. Steps that do not depend on each other run side by side, at most
//! `width` of one group at a time; what depends on a failed step is skipped, everything else ends.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{FuturesUnordered, StreamExt};

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<E> {
    /// It did what it says.
    Done,
    /// It was tried and did not work.
    Failed(E),
    /// It was not tried, since it needs the step of this index, which failed.
    Skipped {
        /// Index of the step that failed.
        because: usize,
    },
    /// It was not tried, since the run was stopped first.
    NotRun,
}

impl<E> Outcome<E> {
    /// Whether the step did what it says.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// What one step needs, as far as the order is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Steps of one group share its width; a group is a host.
    pub group: usize,
    /// Indices of earlier steps that must be done before.
    pub after: Vec<usize>,
}

/// What happens while steps run.
#[derive(Debug)]
pub enum Event<'a, E> {
    /// The step of this index has been started.
    Started(usize),
    /// The step of this index has ended, or will not be run.
    Ended(usize, &'a Outcome<E>),
}

/// Asks a run to start nothing more; what runs is let end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Starts no further step from now on.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs all steps and returns how each ended, by index.
///
/// An index in `after` that is not an earlier step is ignored: [`crate::plan::Plan`] has checked
/// them. Dropping the future drops the steps that are running.
pub async fn execute<E, F, R>(
    orders: &[Order],
    width: usize,
    stop: &Stop,
    mut run: F,
    mut tell: impl FnMut(Event<'_, E>),
) -> Vec<Outcome<E>>
where
    F: FnMut(usize) -> R,
    R: Future<Output = Result<(), E>>,
{
    let mut board = Board::new(orders, width.max(1));
    let mut running = FuturesUnordered::new();
    loop {
        while !stop.is_stopped()
            && let Some(index) = board.take()
        {
            tell(Event::Started(index));
            let step = run(index);
            running.push(async move { (index, step.await) });
        }
        let Some((index, result)) = running.next().await else {
            break;
        };
        board.settle(index, result, &mut tell);
    }
    let mut outcomes = Vec::with_capacity(orders.len());
    for (index, outcome) in board.outcomes.into_iter().enumerate() {
        let outcome = outcome.unwrap_or_else(|| {
            tell(Event::Ended(index, &Outcome::NotRun));
            Outcome::NotRun
        });
        outcomes.push(outcome);
    }
    outcomes
}

/// Which steps wait for what.
struct Board<'a, E> {
    orders: &'a [Order],
    width: usize,
    /// How many steps each step still waits for.
    waiting: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    ready: Vec<VecDeque<usize>>,
    busy: Vec<usize>,
    outcomes: Vec<Option<Outcome<E>>>,
}

impl<'a, E> Board<'a, E> {
    fn new(orders: &'a [Order], width: usize) -> Self {
        let groups = orders
            .iter()
            .map(|order| order.group + 1)
            .max()
            .unwrap_or(0);
        let mut board = Self {
            orders,
            width,
            waiting: vec![0; orders.len()],
            dependents: vec![Vec::new(); orders.len()],
            ready: vec![VecDeque::new(); groups],
            busy: vec![0; groups],
            outcomes: orders.iter().map(|_| None).collect(),
        };
        for (index, order) in orders.iter().enumerate() {
            let mut waits_for = 0;
            for &earlier in order.after.iter().filter(|&&earlier| earlier < index) {
                if let Some(dependents) = board.dependents.get_mut(earlier) {
                    dependents.push(index);
                    waits_for += 1;
                }
            }
            if let Some(waiting) = board.waiting.get_mut(index) {
                *waiting = waits_for;
            }
            if waits_for == 0 {
                board.enqueue(index);
            }
        }
        board
    }

    fn group(&self, index: usize) -> usize {
        self.orders.get(index).map_or(0, |order| order.group)
    }

    fn enqueue(&mut self, index: usize) {
        let group = self.group(index);
        if let Some(queue) = self.ready.get_mut(group) {
            queue.push_back(index);
        }
    }

    /// The next step that may start, if its group has room.
    fn take(&mut self) -> Option<usize> {
        let queues = self.ready.iter_mut().zip(self.busy.iter_mut());
        for (queue, busy) in queues {
            if *busy < self.width
                && let Some(index) = queue.pop_front()
            {
                *busy += 1;
                return Some(index);
            }
        }
        None
    }

    fn settle(&mut self, index: usize, result: Result<(), E>, tell: &mut impl FnMut(Event<'_, E>)) {
        let group = self.group(index);
        if let Some(busy) = self.busy.get_mut(group) {
            *busy = busy.saturating_sub(1);
        }
        match result {
            Ok(()) => {
                self.record(index, Outcome::Done, tell);
                let dependents = self.dependents.get_mut(index).map(std::mem::take);
                for dependent in dependents.unwrap_or_default() {
                    let Some(waiting) = self.waiting.get_mut(dependent) else {
                        continue;
                    };
                    *waiting = waiting.saturating_sub(1);
                    if *waiting == 0 {
                        self.enqueue(dependent);
                    }
                }
            }
            Err(error) => {
                self.record(index, Outcome::Failed(error), tell);
                self.skip_dependents(index, tell);
            }
        }
    }

    fn skip_dependents(&mut self, failed: usize, tell: &mut impl FnMut(Event<'_, E>)) {
        let mut queue = VecDeque::from([failed]);
        while let Some(index) = queue.pop_front() {
            let dependents = self.dependents.get_mut(index).map(std::mem::take);
            for dependent in dependents.unwrap_or_default() {
                if matches!(self.outcomes.get(dependent), Some(None)) {
                    self.record(dependent, Outcome::Skipped { because: failed }, tell);
                    queue.push_back(dependent);
                }
            }
        }
    }

    fn record(&mut self, index: usize, outcome: Outcome<E>, tell: &mut impl FnMut(Event<'_, E>)) {
        tell(Event::Ended(index, &outcome));
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;

    fn order(group: usize, after: &[usize]) -> Order {
        Order {
            group,
            after: after.to_vec(),
        }
    }

    #[tokio::test]
    async fn failure_stops_only_what_depends_on_it() {
        let orders = [
            order(0, &[]),
            order(0, &[0]),
            order(0, &[1]),
            order(0, &[]),
            order(0, &[3]),
        ];
        let outcomes = execute(
            &orders,
            8,
            &Stop::default(),
            |index| async move { if index == 0 { Err("no") } else { Ok(()) } },
            |_| {},
        )
        .await;
        assert_eq!(
            outcomes,
            [
                Outcome::Failed("no"),
                Outcome::Skipped { because: 0 },
                Outcome::Skipped { because: 0 },
                Outcome::Done,
                Outcome::Done,
            ]
        );
    }

    #[tokio::test]
    async fn independent_steps_run_side_by_side_within_the_width() {
        let orders: Vec<Order> = (0..6).map(|index| order(index % 2, &[])).collect();
        let now = RefCell::new([0_usize; 2]);
        let most = RefCell::new([0_usize; 2]);
        execute(
            &orders,
            2,
            &Stop::default(),
            |index| {
                let (now, most) = (&now, &most);
                async move {
                    now.borrow_mut()[index % 2] += 1;
                    let current = now.borrow()[index % 2];
                    let highest = most.borrow()[index % 2].max(current);
                    most.borrow_mut()[index % 2] = highest;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    now.borrow_mut()[index % 2] -= 1;
                    Ok::<(), ()>(())
                }
            },
            |_| {},
        )
        .await;
        assert_eq!(*most.borrow(), [2, 2]);
    }

    #[tokio::test]
    async fn a_stopped_run_starts_nothing_more() {
        let orders = [order(0, &[]), order(0, &[0])];
        let stop = Stop::default();
        let outcomes = execute(
            &orders,
            8,
            &stop,
            |_| {
                stop.stop();
                async { Ok::<(), ()>(()) }
            },
            |_| {},
        )
        .await;
        assert_eq!(outcomes, [Outcome::Done, Outcome::NotRun]);
    }
}
