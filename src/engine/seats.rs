//! The places of the actions that run at once: so many over all, and so many per lane, which is a provider of its own, so
//! that one throttled API never stalls another. An action that only waits for what comes by itself gives its place back
//! before its end.

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::plan::PlannedAction;
use super::provider::{ProviderKey, Providers};

/// The places of one apply. Actions are known by their numbers in the plan.
pub(super) struct Seats {
    lanes: Lanes,
    parallelism: usize,
    load: Vec<usize>,
    taken: HashSet<usize>,
    leaving: UnboundedSender<usize>,
    left: UnboundedReceiver<usize>,
}

/// The place of one action.
pub(super) struct Seat {
    number: usize,
    leaving: UnboundedSender<usize>,
}

impl Seat {
    /// Gives the place to another action; this one goes on.
    pub(super) fn leave(&self) {
        // Nobody listens where the apply is over.
        let _ = self.leaving.send(self.number);
    }
}

impl Seats {
    /// Places for `parallelism` actions, at least one.
    pub(super) fn new(providers: &Providers, actions: &[PlannedAction], parallelism: usize) -> Self {
        let lanes = Lanes::new(providers, actions);
        let (leaving, left) = unbounded_channel();
        let load = vec![0; lanes.width.len()];
        Self { lanes, parallelism: parallelism.max(1), load, taken: HashSet::new(), leaving, left }
    }

    /// The lane of each action.
    pub(super) fn lanes(&self) -> &[usize] {
        &self.lanes.of
    }

    /// Whether any action may begin.
    pub(super) fn has_room(&self) -> bool {
        self.taken.len() < self.parallelism
    }

    /// Whether an action of this lane may begin.
    pub(super) fn has_room_in(&self, lane: usize) -> bool {
        self.load[lane] < self.lanes.width[lane]
    }

    /// The action begins.
    pub(super) fn take(&mut self, number: usize) -> Seat {
        self.taken.insert(number);
        self.load[self.lanes.of[number]] += 1;
        Seat { number, leaving: self.leaving.clone() }
    }

    /// The action is over, or gave its place back before.
    pub(super) fn free(&mut self, number: usize) {
        if self.taken.remove(&number) {
            self.load[self.lanes.of[number]] -= 1;
        }
    }

    /// Returns when an action has given its place back.
    pub(super) async fn left(&mut self) {
        // Never none: a sender is here.
        if let Some(number) = self.left.recv().await {
            self.free(number);
        }
    }
}

/// The lanes: one per provider, each with a limit of its own.
struct Lanes {
    of: Vec<usize>,
    width: Vec<usize>,
}

impl Lanes {
    fn new(providers: &Providers, actions: &[PlannedAction]) -> Self {
        let mut numbers: HashMap<&ProviderKey, usize> = HashMap::new();
        let mut width = Vec::new();
        let of = actions.iter().map(|planned| {
            *numbers.entry(&planned.provider).or_insert_with(|| {
                width.push(providers.get(&planned.provider).map_or(1, |provider| provider.concurrency().max(1)));
                width.len() - 1
            })
        });
        let of = of.collect();
        Self { of, width }
    }
}
