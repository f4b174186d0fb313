//! Looking: asks the providers for every object that is planned or recorded, and for what unmarked objects stand on.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::StreamExt;
use kompox_state::Record;

use super::known::Known;
use super::marks::Marks;
use super::problem::Problem;
use super::view::View;
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::graph::Node;
use crate::engine::ground::{Grounds, Seen};
use crate::engine::identity::Identity;
use crate::engine::kind::{Holds, Kind};
use crate::engine::object::ObjectText;
use crate::engine::plan::Mode;
use crate::engine::provider::{ErrorClass, Observation, Observed, ProviderError, ProviderKey, Target, Writers};
use crate::engine::refresh;
use crate::engine::value::{Reference, Value};

/// Containers that are listed at once.
const AT_ONCE: usize = 16;

type Observations = HashMap<Address, Observation>;

/// What may be what is wished for, by its wish.
type Elsewhere = HashMap<Address, Result<Vec<String>, Box<ProviderError>>>;

/// What there is to look at.
#[derive(Default)]
struct Agenda<'a> {
    /// To be read, each by its provider.
    targets: Vec<(ProviderKey, Target)>,
    /// Taken as the state knows it.
    unasked: Vec<Target>,
    /// What cannot have an id yet.
    nameless: Vec<Address>,
    /// Of these, what may have one once others were read.
    later: Vec<&'a Node>,
    /// Records of objects that can carry no mark.
    unmarked: Vec<&'a Record>,
}

/// Reads everything that the plan is about into a view.
pub(super) async fn look(known: Known<'_>) -> View<'_> {
    let inputs = known.inputs;
    let agenda = Agenda::of(&known);
    let mut observations: Observations =
        agenda.nameless.into_iter().map(|address| (address, Observation::Missing)).collect();
    refresh::read_all(inputs.providers, agenda.targets, &mut observations).await;
    read_later(&known, agenda.later, &mut observations).await;
    let locked = take_locked_as_recorded(&known, &mut observations);
    for target in agenda.unasked {
        let recorded = as_recorded(&known, &target.address);
        let recorded = recorded.unwrap_or_else(|| Observation::NotYet("not asked (no refresh)".into()));
        observations.insert(target.address, recorded);
    }
    let grounds = (!agenda.unmarked.is_empty()).then(|| Grounds::new(&inputs.snapshot.records, inputs.kinds));
    let stands_on = grounds.iter().flat_map(|grounds| agenda.unmarked.iter().flat_map(|record| grounds.of(record)));
    let under = see(&known, stands_on.collect(), &observations).await;
    let mut view = View::unseen(known);
    (view.observations, view.locked, view.under, view.grounds) = (observations, locked, under, grounds);
    view
}

/// The schema of what a record speaks of, if this version knows it.
fn kind_of(known: &Known<'_>, record: &Record) -> Option<&'static Kind> {
    known.kind_of(record).filter(|_| record.address.kind() == record.kind)
}

/// Records of kinds that this version does not know: nothing can be planned beside them.
pub(super) fn unknown_kinds<'v>(known: &'v Known<'_>) -> impl Iterator<Item = Problem> + 'v {
    let unknown = known.inputs.snapshot.records.iter().filter(|record| kind_of(known, record).is_none());
    unknown.map(|record| {
        let message = format!("the state holds the kind \"{}\", which this version does not know", record.kind);
        let forget = Command::state_rm(&record.address);
        Problem::new(ProblemCode::UnknownKind, Some(&record.address), message)
            .help(Advice::run("use the version of kompox that wrote it, or drop the record", forget))
    })
}

impl<'a> Agenda<'a> {
    fn of(known: &Known<'a>) -> Self {
        let inputs = known.inputs;
        let mut agenda = Self::default();
        let mut planned = HashSet::new();
        for node in inputs.graph.iter().filter(|node| known.is_selected(&node.address)) {
            planned.insert(&node.address);
            planned.extend(known.old_address(&node.address));
            agenda.add(known, node);
        }
        for record in &inputs.snapshot.records {
            // Where nobody knows what it was, there is nothing to look at but what the wish is.
            let Some(kind) = kind_of(known, record).filter(|_| !record.progress.lost) else { continue };
            let planned = planned.contains(&record.address);
            if !planned && !known.is_selected(&record.address) {
                continue;
            }
            if !kind.marked {
                agenda.unmarked.push(record);
            }
            if planned {
                continue;
            }
            let target = of_record(record, record.address.clone(), kind);
            // What is removed is looked at whatever `--refresh` says: nothing else tells whether it is still ours.
            if inputs.options.offline {
                agenda.unasked.push(target);
            } else {
                agenda.targets.push((record.provider.clone(), target));
            }
        }
        agenda
    }

    /// Adds what is wished for.
    fn add(&mut self, known: &Known<'a>, node: &'a Node) {
        // What is only read is read where the manifest says that it is.
        let record = known.record(&node.address).filter(|_| !node.read_only);
        let id = record.map(|record| record.physical_id.clone()).or_else(|| node.import.clone()).or_else(|| {
            if node.find.is_some() {
                // The name in the wish is a new one that nothing has yet: only a search can tell what exists.
                return None;
            }
            // Ids can depend on outputs of objects that exist already; those are in the state.
            known.wished_id(node, &Known::resolved(node, &|reference| known.recorded_output(reference)))
        });
        if id.is_none() && node.find.is_none() {
            // Its id depends on what the state does not know.
            if known.looks_at(node.kind) {
                self.later.push(node);
            }
            self.nameless.push(node.address.clone());
            return;
        }
        // Where the record says that it is, should the wish be elsewhere.
        let strayed = record.filter(|record| record.provider.api() != node.provider.api());
        let provider = strayed.map_or_else(|| node.provider.clone(), |record| record.provider.clone());
        let target = node.target(id);
        if known.looks_at(node.kind) { self.targets.push((provider, target)) } else { self.unasked.push(target) }
    }
}

/// Looks at recorded objects that the plan is not about. Nobody is asked where there is no network.
pub(super) async fn at_records<'r>(
    known: &Known<'_>,
    records: impl Iterator<Item = &'r Record>,
) -> HashMap<Address, Observation> {
    let mut observations = Observations::new();
    if known.inputs.options.offline {
        return observations;
    }
    let targets = records.filter_map(|record| {
        let target = of_record(record, known.address_now(&record.address).clone(), known.kind_of(record)?);
        Some((record.provider.clone(), target))
    });
    refresh::read_all(known.inputs.providers, targets.collect(), &mut observations).await;
    observations
}

fn of_record(record: &Record, address: Address, kind: &'static Kind) -> Target {
    Target { address, kind, physical_id: Some(record.physical_id.clone()), find: None }
}

/// Reads what could not be named before: its id depends on an object that exists although the state does not know it.
/// What depends on nothing that exists cannot exist either.
async fn read_later(known: &Known<'_>, mut later: Vec<&Node>, observations: &mut Observations) {
    loop {
        let mut targets: Vec<(ProviderKey, Target)> = Vec::new();
        later.retain(|node| {
            let desired = Known::resolved(node, &|reference| observed_output(known, observations, reference));
            let id = known.wished_id(node, &desired);
            let unknown = id.is_none();
            if let Some(id) = id {
                targets.push((node.provider.clone(), node.target(Some(id))));
            }
            unknown
        });
        if targets.is_empty() {
            return;
        }
        refresh::read_all(known.inputs.providers, targets, observations).await;
    }
}

fn observed_output(known: &Known<'_>, observations: &Observations, reference: &Reference) -> Option<Value> {
    match observations.get(&reference.address) {
        Some(Observation::Found(observed)) if reference.output == "/id" => Some(observed.physical_id.as_str().into()),
        Some(Observation::Found(observed)) => observed.object.value().pointer(&reference.output).map(Value::from),
        _ => known.recorded_output(reference),
    }
}

/// Looks for data of this state where kompox makes none, for each that would be made anew: what a command adopted there is known by
/// its tags alone where no record speaks of it. And for other data in the container that it would be made in.
pub(super) async fn elsewhere(view: &View<'_>) -> (Elsewhere, HashMap<Address, Vec<String>>) {
    let inputs = view.inputs;
    let is_absent = |node: &&Node| {
        let is_wished = view.is_selected(&node.address) && node.import.is_none() && !node.read_only;
        let is_unknown = is_wished && node.kind.holds == Holds::Data && view.record(&node.address).is_none();
        is_unknown
            && !matches!(view.observations.get(&node.address), Some(Observation::Found(_) | Observation::Failed(_)))
    };
    let makes_any = inputs.mode == Mode::Apply && !inputs.options.offline;
    let absent: Vec<&Node> = inputs.graph.iter().filter(|_| makes_any).filter(is_absent).collect();
    if absent.is_empty() {
        return Default::default();
    }
    let marks = Marks::of(inputs, &absent).await;
    let recorded: HashSet<Identity> = view.records.values().map(|record| Identity::of(record)).collect();
    let mut beside = HashMap::new();
    for node in &absent {
        let Some(within) = node.find.as_ref().map(|find| format!("{}/", find.within.to_lowercase())) else { continue };
        let free = |id: &&String| {
            id.to_lowercase().starts_with(&within) && !recorded.contains(&Identity::new(&node.provider, id))
        };
        let ids: Vec<String> = marks.of_kind(node).map(|one| &one.physical_id).filter(free).cloned().collect();
        if !ids.is_empty() {
            beside.insert(node.address.clone(), ids);
        }
    }
    let found = absent.into_iter().map(|node| {
        let is_free = |id: &&String| !recorded.contains(&Identity::new(&node.provider, id));
        let like = marks.like(node).map_err(|error| Box::new(error.clone()));
        let ids = like.map(|all| all.iter().map(|one| &one.physical_id).filter(is_free).cloned().collect());
        (node.address.clone(), ids)
    });
    (found.collect(), beside)
}

/// The data in containers that would be removed: some of it an earlier apply let go, so that no record speaks of it. Only an account's
/// own containers hold any; what cannot be listed now is listed before the container is deleted.
pub(super) async fn data_inside(view: &View<'_>) -> Vec<Identity> {
    let inputs = view.inputs;
    if inputs.options.offline || !matches!(inputs.mode, Mode::Apply | Mode::Destroy) {
        return Vec::new();
    }
    let doomed = inputs.snapshot.records.iter().filter_map(|record| {
        let kind = view.kind_of(record).filter(|kind| kind.holds == Holds::Objects && view.is_removed(record))?;
        let is_there = matches!(view.observations.get(&record.address), Some(Observation::Found(_)));
        let provider =
            inputs.providers.get(&record.provider).filter(|_| is_there && record.provider.host().is_none())?;
        let target = of_record(record, record.address.clone(), kind);
        Some(async move {
            let contents = provider.contents(&target).await.unwrap_or_default();
            let data = contents.into_iter().filter(|content| content.holds_data && !content.server_made);
            data.map(|content| Identity::new(&record.provider, &content.physical_id)).collect::<Vec<_>>()
        })
    });
    let lists: Vec<_> = doomed.collect();
    futures::stream::iter(lists).buffered(AT_ONCE).concat().await
}

/// What others have in containers with an API of their own (clusters) that would be removed: the containers in them that this
/// plan does not remove. What cannot be listed now is listed before the container is deleted.
pub(super) async fn strangers(view: &View<'_>) -> HashMap<Address, Vec<String>> {
    let inputs = view.inputs;
    if inputs.options.offline || !matches!(inputs.mode, Mode::Apply | Mode::Destroy) {
        return HashMap::new();
    }
    let removed = inputs.snapshot.records.iter().filter(|record| view.is_removed(record));
    let removed: HashSet<Identity> = removed.map(Identity::of).collect();
    let is_in = |record: &Record, key: &ProviderKey| {
        key.host().is_some_and(|host| host.eq_ignore_ascii_case(&record.physical_id))
    };
    let doomed = inputs.snapshot.records.iter().filter(|record| removed.contains(&Identity::of(record)));
    let containers = doomed.filter_map(|record| {
        let kind = view.kind_of(record).filter(|kind| kind.holds == Holds::Objects)?;
        let is_there = matches!(view.observations.get(&record.address), Some(Observation::Found(_)));
        let inner = || inputs.providers.iter().find(|(key, _)| is_in(record, key));
        let (key, provider) = is_there.then(inner).flatten()?;
        let target = of_record(record, record.address.clone(), kind);
        let removed = &removed;
        Some(async move {
            let is_container = |name: &str| view.kind(key, name).is_some_and(|kind| kind.holds == Holds::Objects);
            let contents = provider.contents(&target).await.unwrap_or_default();
            let others = contents.into_iter().filter(|content| {
                let stays = !removed.contains(&Identity::new(key, &content.physical_id));
                !content.server_made && is_container(&content.kind) && stays
            });
            let others: Vec<String> =
                others.map(|content| format!("{} {}", content.kind, content.physical_id)).collect();
            (record.address.clone(), others)
        })
    });
    let lists: Vec<_> = containers.collect();
    let lists: Vec<_> = futures::stream::iter(lists).buffered(AT_ONCE).collect().await;
    lists.into_iter().filter(|(_, others)| !others.is_empty()).collect()
}

/// What a lock hides is as the state knows it: else the lock itself could not be lifted.
fn take_locked_as_recorded(
    known: &Known<'_>,
    observations: &mut Observations,
) -> BTreeMap<Address, Box<ProviderError>> {
    let mut locked = BTreeMap::new();
    for (address, observation) in observations {
        let is_locked = matches!(observation, Observation::Failed(error) if error.class == ErrorClass::Locked);
        if !is_locked {
            continue;
        }
        let recorded = as_recorded(known, address).unwrap_or_else(|| Observation::NotYet("a lock hides it".into()));
        if let Observation::Failed(error) = std::mem::replace(observation, recorded) {
            locked.insert(address.clone(), error);
        }
    }
    locked
}

/// What the state says, as if it had been observed (`--refresh=false`, `--offline`).
fn as_recorded(known: &Known<'_>, address: &Address) -> Option<Observation> {
    let record = known.record(address)?;
    Some(Observation::Found(Box::new(Observed {
        ready: !record.progress.unready,
        physical_id: record.physical_id.clone(),
        object: ObjectText::unseen(),
        uid: record.progress.uid.clone(),
        lineage: Some(known.inputs.lineage.to_owned()),
        transition: None,
        writers: Writers::default(),
        tie: None,
    })))
}

/// Looks at what unmarked objects stand on, where it was not read already.
async fn see(
    known: &Known<'_>,
    stands_on: Vec<&Record>,
    observations: &Observations,
) -> HashMap<Address, Option<Seen>> {
    let offline = known.inputs.options.offline;
    let mut targets: Vec<(ProviderKey, Target)> = Vec::new();
    let mut places: BTreeMap<&Address, &Record> = BTreeMap::new();
    for record in stands_on {
        let address = known.address_now(&record.address);
        let read = match observations.get(address) {
            Some(Observation::Found(seen)) => !seen.object.is_unseen(),
            Some(Observation::Missing | Observation::Failed(_)) => true,
            Some(Observation::NotYet(_)) | None => false,
        };
        if let Some(kind) = known.kind_of(record)
            && !read
            && !places.contains_key(address)
            && !offline
        {
            targets.push((record.provider.clone(), of_record(record, address.clone(), kind)));
        }
        places.insert(address, record);
    }
    let mut looked = HashMap::new();
    refresh::read_all(known.inputs.providers, targets, &mut looked).await;
    let mut under = HashMap::new();
    for (address, record) in places {
        let old = &record.address;
        // What a lock hides is as the state knows it.
        let hidden = matches!(looked.get(address),
            Some(Observation::Failed(error)) if error.class == ErrorClass::Locked);
        let found = looked.get(address).filter(|_| !hidden).or_else(|| observations.get(address));
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
        let word =
            || Some(Seen { address: old.clone(), lineage: Some(known.inputs.lineage.to_owned()), adopted: false });
        if let Some(seen) = seen.or_else(|| offline.then(word)) {
            under.insert(old.clone(), seen);
        }
    }
    under
}
