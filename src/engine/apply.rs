//! Apply: walks a plan concurrently. Takes the next action that is unblocked, waits for any to end, unblocks what waited.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kompox_state::{ActionDuration, Record};

use super::address::Address;
use super::cancel::Level;
use super::event::{Event, SkipReason, Summary};
use super::execute::{Execution, Failure, Outputs, Shared};
use super::graph::Graph;
use super::ground::Grounds;
use super::identity::Identity;
use super::kind::Kind;
use super::plan::{Plan, PlannedAction, Verb};
use super::provider::{ErrorClass, ProviderError};
use super::run::Run;
use super::schedule::Schedule;
use super::seats::{Seat, Seats};

/// What an apply works with besides its run.
pub struct Work<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The wish, expanded again from the same inputs: the plan itself holds no secret.
    pub graph: &'a Graph,
    /// What the state knew when the run began.
    pub records: &'a [Record],
    /// Mean durations learned from history.
    pub durations: &'a [ActionDuration],
    /// How many actions run at once, without those that only wait.
    pub parallelism: usize,
}

/// Carries a plan out. Every outcome is in the summary; the state is consistent whenever this returns.
pub async fn apply(run: &Run<'_>, work: &Work<'_>) -> Summary {
    let started = Instant::now();
    let mut cancel = run.cancel.clone();
    let actions = &work.plan.actions;
    let mut seats = Seats::new(run.providers, actions, work.parallelism);
    let mut schedule = schedule(run, work, seats.lanes());
    let records: HashMap<&Address, &Record> = work.records.iter().map(|record| (&record.address, record)).collect();
    let doomed = doomed(actions);
    let grounds = Grounds::new(work.records, run.kinds);
    let shared = Shared { mode: work.plan.mode, outputs: Outputs::new(work.records, work.plan), doomed, grounds };
    let awaited = awaited(run, actions);
    let mut tally = Tally::default();
    let mut running = FuturesUnordered::new();
    let mut current: BTreeMap<usize, Duration> = BTreeMap::new();
    let mut level = cancel.level();
    let mut told = level;
    run.sink.emit(Event::Began { changes: actions.len() });
    loop {
        while level == Level::Running && seats.has_room() {
            let Some(number) = schedule.take(|lane| seats.has_room_in(lane)) else { break };
            let planned = &actions[number];
            let seat = seats.take(number);
            current.insert(number, started.elapsed());
            run.sink.emit(Event::Started {
                address: planned.address.clone(),
                action: planned.action,
                at: started.elapsed(),
            });
            let (shared, awaited) = (&shared, awaited.contains(&planned.address));
            let prior_address = planned.moved_from.as_ref().unwrap_or(&planned.address);
            let prior = records.get(prior_address).copied();
            running.push(async move { (number, one(run, work.graph, planned, shared, prior, awaited, &seat).await) });
        }
        if cancel.level() > told {
            // A signal ends waits at once: the last action may be over before the signal was heard here.
            told = cancel.level();
            level = level.max(told);
            run.sink.emit(Event::Interrupted { graceful: level < Level::Now, running: running.len() });
            tally.summary.interrupted = true;
            if level == Level::Now {
                break;
            }
            continue;
        }
        if running.is_empty() {
            break;
        }
        tokio::select! {
            Some((number, result)) = running.next() => {
                let planned = &actions[number];
                seats.free(number);
                let took = started.elapsed().saturating_sub(current.remove(&number).unwrap_or_default());
                match tally.take(run, planned, result, took) {
                    Outcome::Done => schedule.done(number),
                    Outcome::Failed { stop } => {
                        for lost in schedule.fail(number) {
                            tally.skip(run, &actions[lost], SkipReason::DependencyFailed(planned.address.clone()));
                        }
                        if stop {
                            level = level.max(Level::Graceful);
                        }
                    }
                }
            }
            () = seats.left() => {}
            _ = cancel.raised() => {}
        }
    }
    // Dropped calls leave their intents open; the next run looks into them.
    drop(running);
    tally.leave(run, actions, &mut schedule, &current.into_keys().collect::<Vec<_>>());
    if let Ok(mut notes) = run.notes.lock() {
        tally.summary.notes = std::mem::take(&mut *notes);
    }
    let summary = tally.end(started.elapsed());
    run.sink.emit(Event::Ended(summary.clone()));
    summary
}

/// What goes in this run.
fn doomed(actions: &[PlannedAction]) -> HashSet<Identity> {
    let goes = |planned: &&PlannedAction| {
        planned.action.deletes() || planned.action == Verb::Forget && planned.precondition.existed == Some(false)
    };
    let identity = |planned: &PlannedAction| Some(Identity::new(&planned.provider, planned.physical_id.as_deref()?));
    actions.iter().filter(goes).filter_map(identity).collect()
}

/// Workloads that others wait for although they do not need them: these take over what the former let go of.
fn awaited(run: &Run<'_>, actions: &[PlannedAction]) -> HashSet<Address> {
    let waiting =
        actions.iter().filter(|planned| (run.kinds)(&planned.provider, &planned.kind).is_some_and(Kind::is_workload));
    let waited_for = waiting
        .flat_map(|planned| planned.after_addresses.iter().filter(|address| !planned.dependencies.contains(address)));
    waited_for.cloned().collect()
}

async fn one(
    run: &Run<'_>,
    graph: &Graph,
    planned: &PlannedAction,
    shared: &Shared<'_>,
    prior: Option<&Record>,
    awaited: bool,
    seat: &Seat,
) -> Result<(), Failure> {
    let rejected = |message: String| Failure::Provider(ProviderError::new(ErrorClass::Rejected, message));
    let kind = (run.kinds)(&planned.provider, &planned.kind)
        .ok_or_else(|| rejected(format!("this version does not know the kind \"{}\"", planned.kind)))?;
    let provider = run
        .providers
        .get(&planned.provider)
        .ok_or_else(|| rejected(format!("there is no connection for {}", planned.provider)))?;
    let node = graph.get(&planned.address);
    Execution { run, planned, node, kind, provider: provider.as_ref(), shared, prior, awaited, seat }.carry_out().await
}

fn schedule(run: &Run<'_>, work: &Work<'_>, lanes: &[usize]) -> Schedule {
    let actions = &work.plan.actions;
    let index: HashMap<&Address, usize> =
        actions.iter().enumerate().map(|(i, planned)| (&planned.address, i)).collect();
    let needs: Vec<Vec<usize>> = actions
        .iter()
        .map(|planned| planned.after_addresses.iter().filter_map(|address| index.get(address).copied()).collect())
        .collect();
    let learned: HashMap<(&str, Verb), u64> =
        work.durations.iter().map(|mean| ((mean.kind.as_str(), mean.action), mean.millis)).collect();
    let cost: Vec<u64> = actions
        .iter()
        .map(|planned| {
            let typical = || {
                (run.kinds)(&planned.provider, &planned.kind)
                    .map_or(1, |kind| u64::try_from(kind.typical.as_millis()).unwrap_or(1))
            };
            let verb = if planned.action == Verb::Delete { Verb::Delete } else { Verb::Create };
            learned.get(&(planned.kind.as_str(), verb)).copied().unwrap_or_else(typical).max(1)
        })
        .collect();
    Schedule::new(&needs, &cost, lanes.to_vec())
}

enum Outcome {
    Done,
    /// `stop`: nothing more may be started.
    Failed {
        stop: bool,
    },
}

#[derive(Default)]
struct Tally {
    done: BTreeMap<Verb, usize>,
    summary: Summary,
}

impl Tally {
    fn take(&mut self, run: &Run<'_>, planned: &PlannedAction, result: Result<(), Failure>, took: Duration) -> Outcome {
        let (address, action) = (planned.address.clone(), planned.action);
        let (error, stop) = match result {
            Ok(()) => {
                *self.done.entry(action).or_default() += 1;
                run.sink.emit(Event::Finished { address, action, took });
                return Outcome::Done;
            }
            Err(Failure::Provider(error)) => (error, false),
            Err(Failure::Open(error)) => {
                self.summary.open.push(address.clone());
                (error, false)
            }
            Err(Failure::State(error)) => {
                self.summary.open.push(address.clone());
                let error =
                    ProviderError::new(ErrorClass::Ambiguous, format!("the state could not be written: {error}"))
                        .hint("nothing more was started; the next apply looks into what was running");
                (error, true)
            }
        };
        run.sink.emit(Event::Failed { address: address.clone(), action, took, error: error.clone() });
        self.summary.failed.push((address, action, error));
        Outcome::Failed { stop }
    }

    /// What was not begun, or was begun and not ended (`current`), when the run stopped.
    fn leave(&mut self, run: &Run<'_>, actions: &[PlannedAction], schedule: &mut Schedule, current: &[usize]) {
        self.summary.open.extend(current.iter().map(|number| actions[*number].address.clone()));
        while let Some(number) = schedule.take(|_| true) {
            self.skip(run, &actions[number], SkipReason::Interrupted);
            for lost in schedule.fail(number) {
                self.skip(run, &actions[lost], SkipReason::Interrupted);
            }
        }
        for lost in current.iter().flat_map(|number| schedule.fail(*number)).collect::<Vec<_>>() {
            self.skip(run, &actions[lost], SkipReason::Interrupted);
        }
    }

    fn skip(&mut self, run: &Run<'_>, planned: &PlannedAction, because: SkipReason) {
        let (address, action) = (planned.address.clone(), planned.action);
        run.sink.emit(Event::Skipped { address: address.clone(), action, because: because.clone() });
        self.summary.skipped.push((address, action, because));
    }

    fn end(mut self, took: Duration) -> Summary {
        self.summary.done = Verb::ALL.iter().filter_map(|a| self.done.get(a).map(|count| (*a, *count))).collect();
        self.summary.took = took;
        self.summary
    }
}
