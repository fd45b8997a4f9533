//! Runs steps in dependency order.
//!
//! Knows nothing of what a step is. Steps that do not depend on each other run side by side, at most
//! `width` of one group at a time; what depends on a failed step is skipped, everything else ends.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

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

/// How the groups of a run, which are its hosts, follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many are worked on at a time.
    pub at_once: usize,
    /// Groups are begun in batches of so many, each when the one before it has ended.
    pub batch: Option<usize>,
    /// Once more than these have failed, no further group is begun; those that are begun go on.
    pub may_fail: Option<usize>,
    /// Too many have failed already.
    pub is_over: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            at_once: usize::MAX,
            batch: None,
            may_fail: None,
            is_over: false,
        }
    }
}

/// Asks a run to start nothing more; what runs is let end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    stop: AtomicBool,
    at_once: AtomicBool,
    holds: AtomicUsize,
}

impl Stop {
    /// Starts no further step from now on.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }

    /// The same, and what runs is to give nobody time to end well.
    pub fn stop_at_once(&self) {
        self.stop();
        self.0.at_once.store(true, Ordering::Relaxed);
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Whether [`Stop::stop_at_once`] was called.
    pub fn is_at_once(&self) -> bool {
        self.0.at_once.load(Ordering::Relaxed)
    }

    /// Says, as long as the answer lives, that there is something to clear away before the process
    /// ends.
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self.clone())
    }

    /// Whether there is something to clear away.
    pub fn is_held(&self) -> bool {
        self.0.holds.load(Ordering::Relaxed) > 0
    }

    /// Ends when a stop was asked for. May be dropped at any time.
    pub async fn asked(&self) {
        while !self.is_stopped() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends when [`Stop::stop_at_once`] was called. May be dropped at any time.
    pub async fn asked_at_once(&self) {
        while !self.is_at_once() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How often it is looked whether a stop was asked for.
const LOOK: Duration = Duration::from_millis(50);

/// Something has to be cleared away before the process ends: see [`Stop::hold`].
#[derive(Debug)]
pub struct Hold(Stop);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs all steps and returns how each ended, by index.
///
/// An index in `after` that is not an earlier step is ignored: [`crate::plan::Plan`] has checked
/// them. Dropping the future drops the steps that are running.
pub async fn execute<E, F, R>(
    orders: &[Order],
    width: usize,
    pace: Pace,
    stop: &Stop,
    mut run: F,
    mut tell: impl FnMut(Event<'_, E>),
) -> Vec<Outcome<E>>
where
    F: FnMut(usize) -> R,
    R: Future<Output = Result<(), E>>,
{
    let mut board = Board::new(orders, width.max(1), pace);
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
    pace: Pace,
    /// How many steps of each group have not ended.
    left: Vec<usize>,
    begun: Vec<bool>,
    failed: Vec<bool>,
    outcomes: Vec<Option<Outcome<E>>>,
}

impl<'a, E> Board<'a, E> {
    fn new(orders: &'a [Order], width: usize, pace: Pace) -> Self {
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
            pace,
            left: vec![0; groups],
            begun: vec![false; groups],
            failed: vec![false; groups],
            outcomes: orders.iter().map(|_| None).collect(),
        };
        for (index, order) in orders.iter().enumerate() {
            if let Some(left) = board.left.get_mut(order.group) {
                *left += 1;
            }
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
        let admitted = self.admitted();
        let queues = self.ready.iter_mut().zip(self.busy.iter_mut()).enumerate();
        for (group, (queue, busy)) in queues.filter(|(group, _)| admitted.contains(group)) {
            if *busy < self.width
                && let Some(index) = queue.pop_front()
            {
                *busy += 1;
                if let Some(begun) = self.begun.get_mut(group) {
                    *begun = true;
                }
                return Some(index);
            }
        }
        None
    }

    /// The groups that are worked on now.
    fn admitted(&self) -> Vec<usize> {
        let failed = self.failed.iter().filter(|failed| **failed).count();
        let is_over = self.pace.is_over || self.pace.may_fail.is_some_and(|may| failed > may);
        let begun = |group: &usize| self.begun.get(*group) == Some(&true);
        let unfinished = self.left.iter().enumerate().filter(|(_, left)| **left > 0);
        let unfinished = unfinished.map(|(group, _)| group);
        let mut current = None;
        unfinished
            .filter(|group| !is_over || begun(group))
            .take_while(|group| {
                let batch = self.pace.batch.map(|size| group / size.max(1));
                *current.get_or_insert(batch) == batch
            })
            .take(self.pace.at_once.max(1))
            .collect()
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
        let group = self.group(index);
        if let Some(left) = self.left.get_mut(group) {
            *left = left.saturating_sub(1);
        }
        if let Some(failed) = self.failed.get_mut(group) {
            *failed |= !outcome.is_done();
        }
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

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
            Pace::default(),
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
            Pace::default(),
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
            Pace::default(),
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

    /// Which of the steps of four groups are done, where the first one of group 1 fails.
    async fn done_at(pace: Pace) -> Vec<usize> {
        let orders: Vec<Order> = (0..4)
            .flat_map(|group| [order(group, &[]), order(group, &[group * 2])])
            .collect();
        let log = RefCell::new(Vec::new());
        execute(
            &orders,
            8,
            pace,
            &Stop::default(),
            |index| {
                log.borrow_mut().push(index);
                async move { if index == 2 { Err(()) } else { Ok(()) } }
            },
            |_| {},
        )
        .await;
        log.into_inner()
    }

    #[tokio::test]
    async fn groups_follow_one_another_at_a_pace() {
        let pace = Pace::default();
        assert_eq!(done_at(pace).await.len(), 7);
        let one_by_one = Pace { at_once: 1, ..pace };
        assert_eq!(done_at(one_by_one).await, [0, 1, 2, 4, 5, 6, 7]);
        // The other one of the batch is not left half done.
        let batches = Pace {
            batch: Some(3),
            may_fail: Some(0),
            ..pace
        };
        let done = done_at(batches).await;
        assert!(
            done.iter().all(|index| *index < 6) && done.contains(&5),
            "{done:?}"
        );
        let over = Pace {
            is_over: true,
            ..pace
        };
        assert_eq!(done_at(over).await, [0_usize; 0]);
    }

    #[tokio::test]
    async fn what_is_to_be_cleared_away_holds_the_end() {
        let stop = Stop::default();
        let (one, other) = (stop.hold(), stop.clone().hold());
        drop(one);
        assert!(stop.is_held());
        drop(other);
        assert!(!stop.is_held() && !stop.is_stopped());
        stop.stop_at_once();
        stop.asked().await;
        stop.asked_at_once().await;
    }
}
