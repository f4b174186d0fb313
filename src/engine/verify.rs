//! Whether a saved plan still holds: nothing it was made from may have changed since it was reviewed.

use std::collections::{BTreeMap, HashMap, HashSet};

use kompox_state::{Digester, Record, Snapshot};

use super::address::Address;
use super::code::ProblemCode;
use super::diff::{self, Sides};
use super::graph::Graph;
use super::kind::{Kind, Kinds};
use super::plan::{Plan, PlannedAction, Precondition, Verb};
use super::planner::{Problem, observed_fields, outputs_with_id};
use super::provider::{Observation, Observed, Providers, Target};
use super::refresh;
use super::value::Value;
use crate::advice::{Advice, Command};

/// What a saved plan is held against.
pub struct Present<'a> {
    /// The state.
    pub snapshot: &'a Snapshot,
    /// Its lineage.
    pub lineage: &'a str,
    /// Its digester.
    pub digester: &'a Digester,
    /// The wish, expanded again.
    pub graph: &'a Graph,
    /// Digests of the inputs now.
    pub inputs: &'a BTreeMap<String, String>,
    /// The providers.
    pub providers: &'a Providers,
    /// The schemas.
    pub kinds: Kinds,
    /// The version that applies.
    pub engine_version: &'a str,
}

/// Everything that no longer holds, named. Reads every object that the plan changes; writes nothing.
///
/// What an interrupted apply of the same plan (one of the runs `earlier`) has done already is taken out of the plan, so
/// that applying it again resumes it.
pub async fn verify(plan: &mut Plan, present: &Present<'_>, earlier: &HashSet<String>) -> Vec<Problem> {
    let mut problems = of_another_world(plan, present);
    if !problems.is_empty() {
        return problems;
    }
    let by_address: HashMap<&str, &Record> =
        present.snapshot.records.iter().map(|record| (record.address.as_str(), record)).collect();
    let records: HashMap<&str, u64> =
        present.snapshot.records.iter().map(|record| (record.address.as_str(), record.updated_serial)).collect();
    if !earlier.is_empty() {
        resume(plan, &by_address, earlier);
    }
    let resumed = !earlier.is_empty();
    let mut targets = Vec::new();
    for planned in &plan.actions {
        let node = present.graph.get(&planned.address);
        if let (Some(digest), Some(node)) = (&planned.desired_digest, node)
            && *digest != node.desired.digest()
        {
            problems.push(stale(planned, "what is wanted of it changed"));
            continue;
        }
        let recorded_at = planned.moved_from.as_ref().unwrap_or(&planned.address);
        if records.get(recorded_at.as_str()).copied() != planned.precondition.record_serial {
            problems.push(stale(planned, "another apply wrote it"));
            continue;
        }
        if let Some(kind) = (present.kinds)(&planned.provider, &planned.kind)
            && planned.precondition.existed.is_some()
            && (planned.physical_id.is_some() || node.is_some_and(|node| node.find.is_some()))
        {
            let find = node.and_then(|node| node.find.clone());
            let target =
                Target { address: planned.address.clone(), kind, physical_id: planned.physical_id.clone(), find };
            targets.push((planned.provider.clone(), target));
        }
    }
    for (address, precondition) in &plan.reads {
        if !resumed && records.get(address.as_str()).copied() != precondition.record_serial {
            let message =
                format!("{address}, which the plan reads, was written by another apply since the plan was made");
            problems.push(outdated(address, message));
        }
    }
    for (address, precondition) in &plan.reads {
        if precondition.existed.is_some()
            && let Some(record) = by_address.get(address.as_str())
            && let Some(kind) = (present.kinds)(&record.provider, &record.kind)
        {
            let physical_id = Some(record.physical_id.clone());
            let target = Target { address: address.clone(), kind, physical_id, find: None };
            targets.push((record.provider.clone(), target));
        }
    }
    let usage: Vec<(&Address, &Record)> = {
        let all = plan.usage.uses.keys().chain(&plan.usage.unattached);
        all.filter_map(|address| Some((address, *by_address.get(address.as_str())?))).collect()
    };
    let observed = look_at(&usage, present).await;
    problems.extend(usage.iter().filter_map(|(address, record)| more_use(plan, address, record, &observed, present)));
    let mut observations = HashMap::new();
    refresh::read_all(present.providers, targets, &mut observations).await;
    for (address, precondition) in &plan.reads {
        if let Some(observation) = observations.remove(address)
            && let Some(kind) =
                by_address.get(address.as_str()).and_then(|record| (present.kinds)(&record.provider, &record.kind))
            && let Some(what) = compare_read(precondition, kind, observation)
        {
            let message = format!("{address}, which the plan reads: {what} since the plan was made");
            problems.push(outdated(address, message));
        }
    }
    for planned in &plan.actions {
        if let Some(observation) = observations.remove(&planned.address) {
            problems.extend(compare(planned, observation, present, &by_address));
        }
    }
    problems
}

async fn look_at(records: &[(&Address, &Record)], present: &Present<'_>) -> HashMap<Address, Observation> {
    let target = |(address, record): &(&Address, &Record)| {
        let kind = (present.kinds)(&record.provider, &record.kind)?;
        let physical_id = Some(record.physical_id.clone());
        let target = Target { address: (*address).clone(), kind, physical_id, find: None };
        Some((record.provider.clone(), target))
    };
    let mut observations = HashMap::new();
    refresh::read_all(present.providers, records.iter().filter_map(target).collect(), &mut observations).await;
    observations
}

/// What is used by now that was not when the plan gave data to another workload. What is gone uses nothing.
fn more_use(
    plan: &Plan,
    address: &Address,
    record: &Record,
    observations: &HashMap<Address, Observation>,
    present: &Present<'_>,
) -> Option<Problem> {
    let gives = "and the plan gives data to another workload";
    let observed = match observations.get(address)? {
        Observation::Failed(error) => {
            let message = format!("{address} cannot be read ({error}), so nobody knows what it uses, {gives}");
            return Some(outdated(address, message));
        }
        Observation::Missing | Observation::NotYet(_) => return None,
        Observation::Found(observed) => observed,
    };
    let kind = (present.kinds)(&record.provider, &record.kind)?;
    let object = observed.object.value();
    if plan.usage.unattached.contains(address) {
        let is_free = kind.unattached.is_some_and(|unattached| unattached(&object));
        let message = format!("{address}: a machine has it attached since the plan was made, {gives}");
        return (!is_free).then(|| outdated(address, message));
    }
    let then = plan.usage.uses.get(address)?;
    let now = kind.uses.and_then(|uses| uses(&object)).unwrap_or_default();
    let more = now.iter().map(ToString::to_string).find(|used| !then.contains(used))?;
    Some(outdated(address, format!("{address} uses {more} since the plan was made, {gives}")))
}

/// What of the whole is not as it was: another state, another version, other inputs.
fn of_another_world(plan: &Plan, present: &Present<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let whole = |code: ProblemCode, message: String| Problem::new(code, None, message).help(again());
    if plan.lineage != present.lineage {
        let message = format!("the plan was made for another state (lineage {})", plan.lineage);
        problems.push(whole(ProblemCode::PlanOfOtherState, message));
        return problems;
    }
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&plan.engine_version) != major(present.engine_version) {
        let message =
            format!("the plan was made by version {}, this is {}", plan.engine_version, present.engine_version);
        problems.push(whole(ProblemCode::PlanOfOtherVersion, message));
        return problems;
    }
    let names = plan.inputs.keys().chain(present.inputs.keys().filter(|name| !plan.inputs.contains_key(*name)));
    for name in names {
        let word = match (plan.inputs.get(name), present.inputs.get(name)) {
            (Some(then), Some(now)) if then == now => continue,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "disappeared",
            (None, _) => "appeared",
        };
        problems.push(whole(ProblemCode::InputChanged, format!("{name} {word} since the plan was made")));
    }
    problems
}

/// Takes out of the plan what those runs have done, and continues what they left half done.
fn resume(plan: &mut Plan, records: &HashMap<&str, &Record>, earlier: &HashSet<String>) {
    let ours = |run: Option<&String>| run.is_some_and(|run| earlier.contains(run));
    let arrived =
        |planned: &&PlannedAction| planned.moved_from.as_ref().is_some_and(|old| !records.contains_key(old.as_str()));
    let moved: HashSet<Address> = plan.actions.iter().filter(arrived).map(|planned| planned.address.clone()).collect();
    plan.actions.retain(|planned| match (planned.action, records.get(planned.address.as_str())) {
        (Verb::Delete | Verb::Forget, record) => record.is_some(),
        (_, Some(record)) => !ours(record.progress.run.as_ref()),
        _ => true,
    });
    for planned in &mut plan.actions {
        let Some(record) = records.get(planned.address.as_str()) else {
            if matches!(planned.action, Verb::Replace) {
                // The old object is gone already; if anything stands in its place, that is seen below.
                planned.action = Verb::Create;
                planned.uid = None;
                planned.precondition = Precondition {
                    record_serial: None,
                    existed: planned.precondition.existed.map(|_| false),
                    ..Precondition::default()
                };
            }
            continue;
        };
        let arrived = moved.contains(&planned.address);
        if arrived {
            planned.moved_from = None;
        }
        // A move writes the records of what depends on it too.
        let touched = record.dependencies.iter().any(|need| moved.contains(need));
        let taken = planned.action == Verb::Import && ours(record.progress.importing.as_ref());
        let begun = ours(record.progress.changing.as_ref());
        if arrived || touched || taken || begun {
            planned.precondition.record_serial = Some(record.updated_serial);
        }
    }
}

fn again() -> Advice {
    Advice::run("make the plan again and have it reviewed", Command::plan_again())
}

fn outdated(address: &Address, message: String) -> Problem {
    Problem::new(ProblemCode::PlanOutdated, Some(address), message).help(again())
}

fn stale(planned: &PlannedAction, what: &str) -> Problem {
    let message = format!("{}: {what} since the plan was made", planned.address);
    outdated(&planned.address, message).at(planned.origin.clone())
}

/// What is not any more as the plan read it, without changing it.
fn compare_read(precondition: &Precondition, kind: &Kind, observation: Observation) -> Option<String> {
    let observed = match observation {
        Observation::Failed(error) => return Some(format!("it cannot be read ({error}), so nobody knows its changes")),
        Observation::Missing | Observation::NotYet(_) => return Some("it was deleted".to_owned()),
        Observation::Found(observed) => observed,
    };
    if precondition.uid.is_some() && precondition.uid != observed.uid {
        return Some("it was deleted and made anew".to_owned());
    }
    changed_output(precondition, kind, &observed)
}

/// Which output that the plan took is another now.
fn changed_output(precondition: &Precondition, kind: &Kind, observed: &Observed) -> Option<String> {
    let taken = precondition.outputs.as_ref()?;
    let now = outputs_with_id(kind, observed);
    let mut changed = kind.outputs.iter().filter(|pointer| taken.pointer(pointer) != now.pointer(pointer));
    changed.next().map(|pointer| format!("somebody changed {}", pointer.trim_start_matches('/').replace('/', ".")))
}

fn compare(
    planned: &PlannedAction,
    observation: Observation,
    present: &Present<'_>,
    records: &HashMap<&str, &Record>,
) -> Option<Problem> {
    let kind = (present.kinds)(&planned.provider, &planned.kind)?;
    let existed = planned.precondition.existed == Some(true);
    let observed = match observation {
        Observation::Failed(error) => {
            return Some(stale(planned, &format!("it cannot be read ({error}), so nobody knows whether it changed")));
        }
        Observation::Missing | Observation::NotYet(_) if existed => return Some(stale(planned, "it was deleted")),
        Observation::Missing | Observation::NotYet(_) => return None,
        Observation::Found(_) if !existed => return Some(stale(planned, "it was created by somebody else")),
        Observation::Found(observed) => observed,
    };
    if planned.precondition.uid.is_some() && planned.precondition.uid != observed.uid {
        return Some(stale(planned, "it was deleted and made anew"));
    }
    if let Some(what) = changed_output(&planned.precondition, kind, &observed) {
        return Some(stale(planned, &what));
    }
    let then = Value::from_stored(planned.precondition.observed.as_ref()?);
    let recorded_at = planned.moved_from.as_ref().unwrap_or(&planned.address);
    let last = records.get(recorded_at.as_str()).map(|record| Value::from_stored(&record.applied.value()));
    let desired = present.graph.get(&planned.address).map(|node| node.desired.clone()).unwrap_or(Value::Null);
    let digest = |text: &str| present.digester.digest(text.as_bytes());
    let now = observed_fields(kind, &observed.object.value(), &desired, last.as_ref(), &digest);
    if planned.action == Verb::Delete || Some(now.digest()) == planned.precondition.observed_digest {
        return None;
    }
    let sides = Sides {
        kind,
        last: Some(&then),
        observed: &now,
        desired: &then,
        ignore: &[],
        writers: &observed.writers.read(),
    };
    let fields: Vec<String> = diff::diff(&sides).into_iter().map(|change| change.path.to_string()).collect();
    let fields = if fields.is_empty() { "a field".to_owned() } else { fields.join(", ") };
    Some(stale(planned, &format!("somebody changed {fields}")))
}
