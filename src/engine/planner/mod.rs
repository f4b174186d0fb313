//! Planning: refresh, decide per object, ask servers what they would do, check the guards. Reads only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kompox_state::{Digester, Record, Snapshot};

mod dangers;
mod decide;
mod explain;
#[cfg(test)]
mod guard_tests;
mod handover;
mod order;
mod remove;
mod seal;
#[cfg(test)]
mod tests;

use self::handover::Handover;
use super::address::Address;
use super::diff;
use super::graph::{Graph, Node};
use super::ground::{Grounds, Seen};
use super::identity::{Identity, same_api};
use super::kind::{Holds, Kind, Kinds, Use};
use super::plan::{Cause, Danger, FieldChange, Mode, Origin, Plan, PlannedAction, Precondition, Restart};
use super::provider::{ErrorClass, Observation, Observed, ProviderError, ProviderKey, Providers, Target};
use super::refresh;
use super::value::{Path, Reference, Segment, Value};

/// Everything a plan is made from.
pub struct Inputs<'a> {
    /// What should exist. Empty for a destroy.
    pub graph: &'a Graph,
    /// What the state says.
    pub snapshot: &'a Snapshot,
    /// The state's lineage.
    pub lineage: &'a str,
    /// The state's digester.
    pub digester: &'a Digester,
    /// The providers of all nodes and records.
    pub providers: &'a Providers,
    /// The schemas.
    pub kinds: Kinds,
    /// What the plan is for.
    pub mode: Mode,
    /// What the user asked for besides.
    pub options: &'a Options,
    /// Digests of all inputs, by name.
    pub inputs: BTreeMap<String, String>,
    /// Names fixed for objects that nobody named.
    pub chosen: BTreeMap<Address, String>,
    /// Hosts the apps answer on.
    pub hosts: Vec<(Address, String)>,
    /// What the manifests adopt: address, key of the provider, id. A destroy, which has no graph, must know it, too.
    pub imports: Vec<(Address, ProviderKey, String)>,
    /// The version that plans.
    pub engine_version: &'a str,
}

/// What the user asked for besides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these, and what they need (or, for a destroy, what needs them). Empty: all.
    pub targets: Vec<Address>,
    /// The targets alone, without what they need.
    pub only_targets: bool,
    /// Replace these although nothing forces it.
    pub replace: BTreeSet<Address>,
    /// Ask the providers; otherwise what the state says is taken as observed, but for data and for what is removed.
    pub refresh: bool,
    /// Ask nobody anything, whatever `refresh` says.
    pub offline: bool,
    /// Fields of other writers may be taken here.
    pub force_conflicts: BTreeSet<Address>,
    /// Data of these may be lost.
    pub allow_data_loss: BTreeSet<Address>,
    /// Clusters, by the address that everything in them begins with, that need not be asked any more: where one cannot be
    /// reached, what is to go is forgotten, and the provider's word alone decides whether its data is free.
    pub abandoned: BTreeSet<Address>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            only_targets: false,
            replace: BTreeSet::new(),
            refresh: true,
            offline: false,
            force_conflicts: BTreeSet::new(),
            allow_data_loss: BTreeSet::new(),
            abandoned: BTreeSet::new(),
        }
    }
}

/// Something that stops a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub address: Option<Address>,
    /// What is wrong.
    pub message: String,
    /// The line that asked for it.
    pub origin: Option<Origin>,
    /// What to do.
    pub help: Vec<String>,
    /// The physical id of what is there and is not ours, where that is what stops it.
    pub foreign: Option<String>,
}

/// Objects of which the API said the same.
struct Unreadable {
    address: Address,
    origin: Option<Origin>,
    error: Box<ProviderError>,
    others: usize,
}

/// Why there is no plan: every problem, not the first.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("\n"))]
pub struct PlanError {
    /// All of them.
    pub problems: Vec<Problem>,
}

/// Makes a plan. Reads through the providers, writes nowhere.
///
/// # Errors
/// Every guard that stops it, every object that could not be read.
pub async fn plan(inputs: Inputs<'_>) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(&inputs);
    planner.refresh().await;
    match inputs.mode {
        Mode::Apply => {
            for node in inputs.graph.iter() {
                if planner.selected.contains(&node.address) {
                    planner.decide(node);
                }
            }
            planner.refuse_shared_data();
            planner.refuse_merged_data();
            planner.ask_servers().await;
            planner.deletions(false);
        }
        Mode::Destroy => planner.deletions(true),
        Mode::RefreshOnly => planner.refresh_only(),
    }
    planner.finish()
}

/// A creation or change that the server is asked about.
struct Question {
    action: usize,
    target: Target,
    /// The resolved wish.
    desired: Value,
    /// What is cleared besides.
    release: Option<FieldChange>,
    /// The wish as it is sent, secrets in clear.
    request: serde_json::Value,
    /// What is there now, for a change.
    observed: Option<Observed>,
}

pub(super) struct Planner<'a> {
    inputs: &'a Inputs<'a>,
    records: HashMap<Address, &'a Record>,
    /// Records under the address that a rename gives them.
    moved: HashMap<Address, Address>,
    selected: HashSet<Address>,
    observations: HashMap<Address, Observation>,
    /// What others refer to: only of these are outputs kept.
    referenced: HashSet<&'a Address>,
    /// Outputs that stay as they are during the apply.
    outputs: HashMap<Address, serde_json::Value>,
    /// The uids of what exists and is wanted.
    uids: HashMap<Address, Option<String>>,
    /// Containers that are being deleted.
    ending: HashSet<Address>,
    actions: Vec<PlannedAction>,
    /// Where the action of an address is, as long as the plan is reviewed.
    positions: HashMap<Address, usize>,
    questions: Vec<Question>,
    problems: Vec<Problem>,
    /// What could not be read, by what the API said: one API that cannot be reached is one problem, not one per object.
    unreadable: BTreeMap<String, Unreadable>,
    /// What could not be read because a lock closes the way to it: taken as the state knows it.
    locked: BTreeMap<Address, Box<ProviderError>>,
    dangers: Vec<Danger>,
    notes: Vec<Danger>,
    restarts: Vec<Restart>,
    unchanged: HashSet<Address>,
    /// Where workloads were seen to work.
    seen: HashMap<Address, Vec<Use>>,
    /// Data that no machine has attached, by the provider's id in lower case.
    unattached: HashSet<String>,
    /// Workloads that are forgotten with a cluster that cannot be reached.
    given_up: HashSet<Address>,
    /// Recorded objects that are to go and are gone already.
    gone: HashSet<Address>,
    /// Those that are gone with what they lived in.
    vanished: HashSet<Address>,
    /// What was seen of what unmarked objects stand on, by the address that the state knows it by; `None`: it is gone.
    under: HashMap<Address, Option<Seen>>,
    /// What unmarked objects stand on, where there are any.
    grounds: Option<Grounds<'a>>,
    /// Objects that come to be somewhere else than their records say.
    wanted: Vec<(Identity, Address)>,
    /// Records of an API that their address is no longer in, by both APIs.
    strayed: BTreeMap<(String, String), Strayed>,
}

/// Objects whose wish is in another API than their records.
struct Strayed {
    address: Address,
    origin: Option<Origin>,
    physical_id: String,
    wanted: Option<String>,
    others: usize,
}

impl<'a> Planner<'a> {
    fn new(inputs: &'a Inputs<'a>) -> Self {
        let records: HashMap<Address, &Record> =
            inputs.snapshot.records.iter().map(|record| (record.address.clone(), record)).collect();
        let moved = inputs.graph.iter().filter_map(|node| {
            let old = node.moved_from.as_ref().filter(|old| inputs.graph.get(old).is_none())?;
            let record = records.get(old).filter(|_| !records.contains_key(&node.address))?;
            // An object never moves from one API to another: there it is made anew, and here it must still be removed.
            same_api(&record.provider, &node.provider).then(|| (node.address.clone(), old.clone()))
        });
        let moved: HashMap<_, _> = moved.collect();
        let selected = select(inputs, &records);
        let mut referenced = HashSet::new();
        for node in inputs.graph.iter() {
            node.desired.references(&mut |reference| {
                referenced.insert(&reference.address);
            });
        }
        Self {
            inputs,
            records,
            moved,
            selected,
            observations: HashMap::new(),
            referenced,
            outputs: HashMap::new(),
            uids: HashMap::new(),
            ending: HashSet::new(),
            actions: Vec::new(),
            positions: HashMap::new(),
            questions: Vec::new(),
            problems: Vec::new(),
            unreadable: BTreeMap::new(),
            locked: BTreeMap::new(),
            dangers: Vec::new(),
            notes: Vec::new(),
            restarts: Vec::new(),
            unchanged: HashSet::new(),
            seen: HashMap::new(),
            unattached: HashSet::new(),
            given_up: HashSet::new(),
            gone: HashSet::new(),
            vanished: HashSet::new(),
            under: HashMap::new(),
            grounds: None,
            wanted: Vec::new(),
            strayed: BTreeMap::new(),
        }
    }

    fn record(&self, address: &Address) -> Option<&'a Record> {
        let address = self.moved.get(address).unwrap_or(address);
        self.records.get(address).copied()
    }

    fn digest(&self) -> impl Fn(&str) -> String + use<'a> {
        let digester = self.inputs.digester;
        move |text: &str| digester.digest(text.as_bytes())
    }

    /// Whether a planned object is looked at, whatever `--refresh` says: data is, because taking the state's word for it
    /// would make a second, empty one, or change another than the one that kompox made.
    fn looks_at(&self, kind: &Kind) -> bool {
        !self.inputs.options.offline && (self.inputs.options.refresh || kind.holds == Holds::Data)
    }

    /// Reads every object that is planned or recorded.
    async fn refresh(&mut self) {
        let inputs = self.inputs;
        let options = inputs.options;
        let mut targets: Vec<(Arc<str>, Target)> = Vec::new();
        let mut unasked: Vec<Target> = Vec::new();
        let mut known = HashSet::new();
        let mut later: Vec<&Node> = Vec::new();
        for node in inputs.graph.iter().filter(|node| self.selected.contains(&node.address)) {
            known.insert(node.address.clone());
            known.extend(self.moved.get(&node.address).cloned());
            // What is only read is read where the manifest says that it is.
            let record = self.record(&node.address).filter(|_| !node.read_only);
            let id = record.map(|record| record.physical_id.clone()).or_else(|| node.import.clone()).or_else(|| {
                if node.find.is_some() {
                    // The name in the wish is a new one that nothing has yet: only a search can tell what exists.
                    return None;
                }
                // Ids can depend on outputs of objects that exist already; those are in the state.
                let desired = node.desired.resolve(&|reference| self.recorded_output(reference));
                inputs.providers.get(&node.provider).and_then(|provider| provider.physical_id(node.kind, &desired))
            });
            if id.is_none() && node.find.is_none() {
                // Its id depends on what the state does not know.
                if self.looks_at(node.kind) {
                    later.push(node);
                }
                self.observations.insert(node.address.clone(), Observation::Missing);
                continue;
            }
            // Where the record says that it is, should the wish be elsewhere.
            let strayed = record.filter(|record| !same_api(&record.provider, &node.provider));
            let provider = strayed.map_or_else(|| node.provider.clone(), |record| record.provider.as_str().into());
            let target = node.target(id);
            if self.looks_at(node.kind) { targets.push((provider, target)) } else { unasked.push(target) }
        }
        let mut unmarked: Vec<&Record> = Vec::new();
        for record in &inputs.snapshot.records {
            let address = record.address.clone();
            let Some(kind) = (inputs.kinds)(&record.kind).filter(|_| address.kind() == record.kind) else {
                let message = format!("the state holds the kind \"{}\", which this version does not know", record.kind);
                let problem = self.problem(Some(&address), message, None);
                problem.help.push(format!(
                    "use the version of kompox that wrote it, or drop the record: kompox state rm {address}"
                ));
                continue;
            };
            let planned = known.contains(&address);
            if !planned && !self.selected.contains(&address) {
                continue;
            }
            if !kind.marked {
                unmarked.push(record);
            }
            if planned {
                continue;
            }
            let physical_id = Some(record.physical_id.clone());
            let target = Target { address, kind, physical_id, find: None };
            // What is removed is looked at whatever `--refresh` says: nothing else tells whether it is still ours.
            if options.offline { unasked.push(target) } else { targets.push((record.provider.as_str().into(), target)) }
        }
        let stands_on: Vec<&Record> = if unmarked.is_empty() {
            Vec::new()
        } else {
            let grounds = Grounds::new(&inputs.snapshot.records, inputs.kinds);
            let stands_on = unmarked.into_iter().flat_map(|record| grounds.of(record)).collect();
            self.grounds = Some(grounds);
            stands_on
        };
        refresh::read_all(inputs.providers, targets, &mut self.observations).await;
        self.refresh_later(later).await;
        self.take_locked_as_recorded();
        for target in unasked {
            let observation = self.as_recorded(&target);
            self.observations.insert(target.address, observation);
        }
        self.see(&stands_on).await;
    }

    /// Looks at what unmarked objects stand on, where it was not read already.
    async fn see(&mut self, stands_on: &[&Record]) {
        let new_address: HashMap<&Address, &Address> = self.moved.iter().map(|(new, old)| (old, new)).collect();
        let mut targets: Vec<(Arc<str>, Target)> = Vec::new();
        let mut places: BTreeMap<Address, (Address, &Record)> = BTreeMap::new();
        for record in stands_on {
            let old = record.address.clone();
            let address = new_address.get(&old).map_or_else(|| old.clone(), |new| (*new).clone());
            let read = matches!(self.observations.get(&address),
                Some(Observation::Found(seen)) if !seen.object.is_null())
                || matches!(self.observations.get(&address), Some(Observation::Missing | Observation::Failed(_)));
            if let Some(kind) = (self.inputs.kinds)(&record.kind)
                && !read
                && !places.contains_key(&address)
                && !self.inputs.options.offline
            {
                let physical_id = Some(record.physical_id.clone());
                let target = Target { address: address.clone(), kind, physical_id, find: None };
                targets.push((record.provider.as_str().into(), target));
            }
            places.insert(address, (old, record));
        }
        let mut looked = HashMap::new();
        refresh::read_all(self.inputs.providers, targets, &mut looked).await;
        for (address, (old, record)) in places {
            // What a lock hides is as the state knows it.
            let hidden = matches!(looked.get(&address),
                Some(Observation::Failed(error)) if error.class == ErrorClass::Locked);
            let found = looked.get(&address).filter(|_| !hidden).or_else(|| self.observations.get(&address));
            let seen = match found {
                Some(Observation::Found(observed)) => Some(Some(Seen {
                    address: old.clone(),
                    lineage: observed.lineage.clone(),
                    adopted: record.protection.adopted,
                })),
                Some(Observation::Missing | Observation::NotYet(_)) => Some(None),
                // Unread, it speaks for nothing.
                Some(Observation::Failed(_)) | None => None,
            };
            // Without a network the state's word stands; the look comes when it is carried out.
            let seen = seen.or_else(|| {
                self.inputs.options.offline.then(|| {
                    let lineage = Some(self.inputs.lineage.to_owned());
                    Some(Seen { address: old.clone(), lineage, adopted: false })
                })
            });
            if let Some(seen) = seen {
                self.under.insert(old, seen);
            }
        }
    }

    /// What was seen of what an object without a mark stands on; `None` for one that can carry a mark.
    fn stands_on(&self, record: &Record, kind: &Kind) -> Option<Vec<Option<Seen>>> {
        if kind.marked {
            return None;
        }
        let grounds = self.grounds.as_ref().map(|grounds| grounds.of(record)).unwrap_or_default();
        Some(grounds.iter().filter_map(|ground| self.under.get(&ground.address).cloned()).collect())
    }

    /// Reads what could not be named before: its id depends on an object that exists although the state does not know
    /// it. What depends on nothing that exists cannot exist either.
    async fn refresh_later(&mut self, mut later: Vec<&'a Node>) {
        let inputs = self.inputs;
        loop {
            let mut targets: Vec<(Arc<str>, Target)> = Vec::new();
            later.retain(|node| {
                let desired = node.desired.resolve(&|reference| self.observed_output(reference));
                let provider = inputs.providers.get(&node.provider);
                let id = provider.and_then(|provider| provider.physical_id(node.kind, &desired));
                let unknown = id.is_none();
                if let Some(id) = id {
                    targets.push((node.provider.clone(), node.target(Some(id))));
                }
                unknown
            });
            if targets.is_empty() {
                return;
            }
            refresh::read_all(inputs.providers, targets, &mut self.observations).await;
        }
    }

    /// What a lock hides is as the state knows it: else the lock itself could not be lifted.
    fn take_locked_as_recorded(&mut self) {
        let is_locked = |observation: &Observation| matches!(observation, Observation::Failed(error) if error.class == ErrorClass::Locked);
        let hidden: Vec<Address> =
            self.observations.iter().filter(|(_, seen)| is_locked(seen)).map(|(address, _)| address.clone()).collect();
        for address in hidden {
            let known =
                self.recorded_as_found(&address).unwrap_or_else(|| Observation::NotYet("a lock hides it".into()));
            if let Some(Observation::Failed(error)) = self.observations.insert(address.clone(), known) {
                self.locked.insert(address, error);
            }
        }
    }

    fn observed_output(&self, reference: &Reference) -> Option<Value> {
        match self.observations.get(&reference.address) {
            Some(Observation::Found(observed)) if reference.output == "/id" => {
                Some(observed.physical_id.as_str().into())
            }
            Some(Observation::Found(observed)) => observed.object.pointer(&reference.output).map(Value::from),
            _ => self.recorded_output(reference),
        }
    }

    /// What the state says, as if it had been observed (`--refresh=false`, `--offline`).
    fn as_recorded(&self, target: &Target) -> Observation {
        let known = self.recorded_as_found(&target.address);
        known.unwrap_or_else(|| Observation::NotYet("not asked (no refresh)".into()))
    }

    fn recorded_as_found(&self, address: &Address) -> Option<Observation> {
        let record = self.record(address)?;
        Some(Observation::Found(Box::new(Observed {
            ready: !record.progress.unready,
            physical_id: record.physical_id.clone(),
            object: serde_json::Value::Null,
            uid: record.progress.uid.clone(),
            lineage: Some(self.inputs.lineage.to_owned()),
            transition: None,
            writers: Vec::new(),
            tie: None,
        })))
    }

    fn recorded_output(&self, reference: &Reference) -> Option<Value> {
        let record = self.record(&reference.address)?;
        if reference.output == "/id" {
            return Some(record.physical_id.as_str().into());
        }
        record.outputs.value().pointer(&reference.output).map(Value::from)
    }

    /// Whether an object is in a cluster that is given up.
    fn is_abandoned(&self, address: &Address) -> bool {
        let inside = |cluster: &Address| {
            address.as_str().strip_prefix(cluster.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        self.inputs.options.abandoned.iter().any(inside)
    }

    /// What `--abandon-cluster` calls the cluster that an object is in, where the state knows what its API lives in.
    fn cluster_of(&self, address: &Address) -> Option<String> {
        let planned = || self.inputs.graph.get(address).map(|node| node.provider.to_string());
        let provider = self.record(address).map(|record| record.provider.clone()).or_else(planned)?;
        let (_, host) = provider.rsplit_once('#')?;
        let lives_in =
            self.inputs.snapshot.records.iter().find(|record| record.physical_id.eq_ignore_ascii_case(host))?;
        Some(lives_in.address.scope().to_owned())
    }

    fn problem(&mut self, address: Option<&Address>, message: String, origin: Option<Origin>) -> &mut Problem {
        self.problems.push(Problem { address: address.cloned(), message, origin, help: Vec::new(), foreign: None });
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// An object that could not be read: nothing can be planned without knowing it.
    fn unreadable(&mut self, address: &Address, error: Box<ProviderError>, origin: Option<Origin>) {
        let first = || Unreadable { address: address.clone(), origin, error: error.clone(), others: 0 };
        self.unreadable.entry(error.message.clone()).and_modify(|same| same.others += 1).or_insert_with(first);
    }

    /// Puts the actions in their order; where there is none, that is a problem.
    fn order(&mut self, handovers: &[Handover], sealed: &[Handover]) {
        let kinds = self.inputs.kinds;
        let is_workload = |kind: &str| kinds(kind).is_some_and(|kind| !kind.restarts.is_empty());
        let is_container = |kind: &str| kinds(kind).is_some_and(|kind| kind.holds == Holds::Objects);
        let mut actions = std::mem::take(&mut self.actions);
        let data = |address: &Address| self.data_id(address);
        let waits: Vec<_> = handovers.iter().chain(sealed).cloned().collect();
        let ordered = order::order(&mut actions, &self.records, &waits, data, is_workload, is_container);
        self.actions = actions;
        let Err(circle) = ordered else { return };
        let passes = |address: &Address| handovers.iter().any(|one| one.from == *address || one.to == *address);
        let both_ways = circle.iter().filter(|address| passes(address)).count() > 1;
        let line = |address: &Address| {
            let planned = self.actions.iter().find(|planned| planned.address == *address);
            let verb = planned.map_or(String::new(), |planned| format!("{} ", planned.action));
            // What is removed stands in no manifest any more: where it was asked for, the state knows.
            let origin = planned.and_then(|planned| planned.origin.as_ref()).map(ToString::to_string);
            let was = || Some(format!("was {}", self.record(address)?.source.as_ref()?));
            let place = origin.or_else(was).map_or(String::new(), |place| format!(" ({place})"));
            format!("  {verb}{address}{place}")
        };
        let lines: Vec<_> = circle.iter().chain(circle.first()).map(line).collect();
        let message = format!("these changes wait for each other:\n{}", lines.join("\n    waits for\n"));
        let help = if both_ways {
            "what uses a volume would pass both ways between them; move one service, apply, then move the other"
        } else {
            "make the change in two steps: apply the new objects first, then drop the old ones"
        };
        let origin = circle.first().and_then(|address| self.inputs.graph.get(address)?.origin.clone());
        self.problem(None, message, origin).help.push(help.into());
    }

    fn finish(mut self) -> Result<Plan, PlanError> {
        self.disturbances();
        let handovers = self.handovers();
        let sealed = self.seals();
        self.order(&handovers, &sealed);
        for Unreadable { address, origin, error, others } in std::mem::take(&mut self.unreadable).into_values() {
            let others = match others {
                0 => String::new(),
                1 => " and 1 other object".to_owned(),
                others => format!(" and {others} other objects"),
            };
            let message = format!("{address}{others} cannot be read: {}", error.described());
            let unanswered =
                error.status.is_none() && matches!(error.class, ErrorClass::Rejected | ErrorClass::Ambiguous);
            let cluster = self.cluster_of(&address).filter(|_| unanswered);
            let problem = self.problem(Some(&address), message, origin);
            problem.help.extend(error.hint);
            problem.help.extend(
                cluster.map(|id| format!("if it is gone for good, do without it:  add --abandon-cluster {id}")),
            );
        }
        for ((from, to), strayed) in std::mem::take(&mut self.strayed) {
            let Strayed { address, origin, physical_id, wanted, others } = strayed;
            let others = match others {
                0 => String::new(),
                1 => " and 1 other object".to_owned(),
                others => format!(" and {others} other objects"),
            };
            let wanted = wanted.map_or_else(String::new, |id| format!(": {id}"));
            let message = format!(
                "{address}{others} would move to another place: it is {physical_id} in {from}, and would be in {to}{wanted}"
            );
            let problem = self.problem(Some(&address), message, origin);
            problem
                .help
                .push("an object never moves from one subscription or cluster to another: undo this change".into());
            problem
                .help
                .push("or make it under a name of its own there, and remove this one when nothing needs it".into());
        }
        if !self.problems.is_empty() {
            let mut seen = HashSet::new();
            self.problems.retain(|problem| seen.insert((problem.address.clone(), problem.message.clone())));
            return Err(PlanError { problems: self.problems });
        }
        self.review();
        let reads = self.reads();
        let open = self.inputs.snapshot.open_intents.len();
        if open > 0 {
            let text = format!(
                "an earlier apply was interrupted with {open} unfinished; the next apply looks into them first"
            );
            self.notes.push(Danger { code: "interrupted".into(), address: None, text, help: Vec::new() });
        }
        Ok(Plan {
            mode: self.inputs.mode,
            engine_version: self.inputs.engine_version.to_owned(),
            lineage: self.inputs.lineage.to_owned(),
            inputs: self.inputs.inputs.clone(),
            chosen: self.inputs.chosen.clone(),
            actions: self.actions,
            unchanged: self.unchanged.len(),
            reads,
            dangers: self.dangers,
            notes: self.notes,
            restarts: self.restarts,
            hosts: self.inputs.hosts.clone(),
            rehearsal: false,
        })
    }

    /// The address that the wish has for a record.
    fn address_now(&self, recorded: &Address) -> Address {
        self.moved.iter().find(|(_, from)| *from == recorded).map_or(recorded, |(new, _)| new).clone()
    }

    /// Whether this plan lets go of a record: nothing in the wish stands for it any more.
    fn lets_go(&self, address: &Address) -> bool {
        self.inputs.graph.get(address).is_none() && self.selected.contains(address)
    }

    /// Data has one address: two would hand one disk to two apps, and removing one would end the other.
    fn refuse_shared_data(&mut self) {
        let inputs = self.inputs;
        let is_data = |kind: &str| (inputs.kinds)(kind).is_some_and(|kind| kind.holds == Holds::Data);
        let mut owners: BTreeMap<Identity, (String, BTreeSet<Address>)> = BTreeMap::new();
        let mut add = |provider: &str, id: &str, address: Address| {
            let first = || (id.to_owned(), BTreeSet::new());
            owners.entry(Identity::new(provider, id)).or_insert_with(first).1.insert(address);
        };
        for record in inputs.snapshot.records.iter().filter(|record| is_data(&record.kind)) {
            let address = self.address_now(&record.address);
            if !self.lets_go(&address) {
                add(&record.provider, &record.physical_id, address);
            }
        }
        for planned in self.actions.iter().filter(|planned| is_data(&planned.kind)) {
            if let Some(id) = &planned.physical_id {
                add(&planned.provider, id, planned.address.clone());
            }
        }
        for node in inputs.graph.iter().filter(|node| node.kind.holds == Holds::Data) {
            if let Some(id) = node.import.as_ref().filter(|_| self.record(&node.address).is_none()) {
                add(&node.provider, id, node.address.clone());
            }
        }
        for (id, addresses) in owners.into_values().filter(|(_, addresses)| addresses.len() > 1) {
            let names: Vec<_> = addresses.iter().map(Address::as_str).collect();
            let wish = addresses.iter().rev().find(|address| inputs.graph.get(address).is_some());
            let origin = wish.and_then(|address| inputs.graph.get(address)?.origin.clone());
            let message = format!("{id} would be two objects at once: {}", names.join(" and "));
            let stale: Vec<&Address> = addresses.iter().filter(|one| inputs.graph.get(one).is_none()).collect();
            let fresh = wish.filter(|address| self.record(address).is_none());
            let problem = self.problem(wish.or(addresses.last()), message, origin);
            let Some(stale) = stale.first() else {
                problem
                    .help
                    .push("it holds data and can have one address only: take the import out of one of them".into());
                continue;
            };
            problem.help.push(format!("it holds data and can have one address only, and {stale} is in the state"));
            problem.help.push(match fresh {
                Some(fresh) => format!("carry it over:  kompox state mv {stale} {fresh}"),
                None => format!("forget it there, it stays:  kompox state rm {stale}"),
            });
        }
    }

    /// Two records never become one: an address that has data of its own cannot become what another one was.
    fn refuse_merged_data(&mut self) {
        let inputs = self.inputs;
        for node in inputs.graph.iter().filter(|node| node.kind.holds == Holds::Data) {
            let Some(old) = node.moved_from.as_ref().filter(|old| inputs.graph.get(old).is_none()) else { continue };
            let (Some(here), Some(there)) = (self.records.get(&node.address), self.records.get(old)) else { continue };
            if Identity::of(here) == Identity::of(there) {
                continue;
            }
            let message = format!(
                "{} cannot become what {old} was: it has data of its own, {}, and the other is {}",
                node.address, here.physical_id, there.physical_id
            );
            let problem = self.problem(Some(&node.address), message, node.origin.clone());
            problem.help.push("take moved-from out: each keeps its own".into());
            problem.help.push(format!("or give up the one here first, it stays:  kompox state rm {}", node.address));
        }
    }

    /// Preconditions of what changes read without changing it.
    fn reads(&self) -> BTreeMap<Address, Precondition> {
        let changed: HashSet<&Address> = self.actions.iter().map(|action| &action.address).collect();
        let read =
            self.actions.iter().flat_map(|action| &action.dependencies).filter(|address| !changed.contains(address));
        read.filter_map(|address| {
            let record = self.record(address)?;
            // What was looked at must still be that object, with the outputs that were taken from it.
            let seen = self.uids.get(address).filter(|_| self.inputs.options.refresh);
            let precondition = Precondition {
                record_serial: Some(record.updated_serial),
                existed: seen.map(|_| true),
                uid: seen.cloned().flatten(),
                outputs: self.outputs.get(address).cloned(),
                ..Precondition::default()
            };
            Some((address.clone(), precondition))
        })
        .collect()
    }
}

/// The addresses that a plan is about: all, or the targets with what they need (what needs them, for a destroy).
fn select(inputs: &Inputs<'_>, records: &HashMap<Address, &Record>) -> HashSet<Address> {
    if inputs.options.targets.is_empty() {
        let planned = inputs.graph.iter().map(|node| node.address.clone());
        return planned.chain(records.keys().cloned()).collect();
    }
    let mut needed_by: HashMap<&Address, Vec<&Address>> = HashMap::new();
    for (address, record) in records {
        for need in &record.dependencies {
            needed_by.entry(need).or_default().push(address);
        }
    }
    let mut selected = HashSet::new();
    let mut waiting = inputs.options.targets.clone();
    while let Some(address) = waiting.pop() {
        if !selected.insert(address.clone()) {
            continue;
        }
        if inputs.options.only_targets {
            continue;
        }
        if inputs.mode == Mode::Destroy {
            waiting.extend(needed_by.get(&address).into_iter().flatten().map(|address| (*address).clone()));
        } else {
            waiting.extend(inputs.graph.dependencies(&address).into_iter().cloned());
        }
    }
    selected
}

/// The outputs that a kind keeps, under their pointers' last steps as they stand in the object.
pub(super) fn outputs_of(kind: &Kind, object: &serde_json::Value) -> serde_json::Value {
    let mut outputs = Value::object();
    for pointer in kind.outputs {
        if let Some(value) = object.pointer(pointer) {
            let keys: Vec<&str> = pointer.split('/').skip(1).collect();
            outputs.set(&keys, Value::from(value));
        }
    }
    // Outputs are no secrets (see `Kind::outputs`), so the stored form is the plain one.
    outputs.to_stored()
}

/// What refers to an object takes these: its outputs, its id among them.
pub(super) fn outputs_with_id(kind: &Kind, observed: &Observed) -> serde_json::Value {
    let mut outputs = outputs_of(kind, &observed.object);
    if !outputs.is_object() {
        outputs = serde_json::json!({});
    }
    if let Some(map) = outputs.as_object_mut() {
        map.insert("id".into(), observed.physical_id.as_str().into());
    }
    outputs
}

/// Outputs that are not any more what the record says, but for fields of the wish, which are compared as such. What the
/// record does not know yet is news, but no change.
fn changed_outputs(kind: &Kind, record: &Record, observed: &Observed) -> Vec<FieldChange> {
    if kind.outputs.is_empty() || observed.object.is_null() {
        return Vec::new();
    }
    let recorded = record.outputs.value();
    let changed = kind.outputs.iter().filter_map(|pointer| {
        let before = recorded.pointer(pointer).filter(|value| !value.is_null())?;
        let after = observed.object.pointer(pointer).filter(|value| !value.is_null());
        if after == Some(before) {
            return None;
        }
        let steps = pointer.split('/').skip(1).map(|step| match step.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key(step.to_owned()),
        });
        let path = Path(steps.collect());
        // Seldom come to, so that what was applied is read for it alone.
        let is_wish = diff::lookup(kind, &Value::from_stored(&record.applied.value()), &path).is_some();
        (!is_wish).then(|| FieldChange {
            path,
            before: Some(Value::from(before)),
            after: after.map(Value::from),
            cause: Cause::Drift { writer: None, time: None },
            forces_replacement: false,
        })
    });
    changed.collect()
}

/// The change that clears a tie to an object that is gone.
fn release(observed: &Observed) -> Option<FieldChange> {
    let tie = observed.tie.as_ref()?;
    Some(FieldChange {
        path: tie.path.clone(),
        before: Some(tie.value.as_str().into()),
        after: None,
        cause: Cause::Server,
        forces_replacement: false,
    })
}

/// The observed fields that a plan depends on, masked.
pub(super) fn observed_fields(
    kind: &Kind,
    object: &serde_json::Value,
    desired: &Value,
    last: Option<&Value>,
    digest: &dyn Fn(&str) -> String,
) -> Value {
    let shapes: Vec<&Value> = [Some(desired), last].into_iter().flatten().collect();
    diff::project(kind, &diff::mask(kind, object, &shapes, digest), &shapes)
}
