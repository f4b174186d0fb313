//! What to do with what the manifests no longer mention, or what a destroy removes.

use std::collections::{BTreeSet, HashMap, HashSet};

use kompox_state::Record;

use super::decision::{Decided, Decision};
use super::draft::Draft;
use super::problem::{Problem, Refusal, Unread};
use super::view::View;
use crate::advice::{Advice, Command, Switch};
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode, ProblemCode};
use crate::engine::ground;
use crate::engine::identity::Identity;
use crate::engine::kind::{Holds, Kind};
use crate::engine::plan::{Danger, PlannedAction, Verb};
use crate::engine::provider::{Observation, Observed};

/// What happens to something that nobody wishes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is deleted.
    Deleted,
    /// It goes under the address of another record of it.
    DeletedAs,
    /// It stays.
    Kept,
    /// It is gone already.
    Gone,
    /// It is gone with what it lived in.
    Vanished,
    /// It is forgotten with a cluster that cannot be reached.
    GivenUp,
}

/// What becomes of one record.
pub(super) struct Removal {
    pub(super) address: Address,
    pub(super) fate: Fate,
    pub(super) decided: Decided<'static>,
}

/// A record that is to be removed.
struct Doomed<'v> {
    identity: Identity,
    record: &'v Record,
    kind: &'static Kind,
}

/// Objects that several addresses stand for, with the address for which each is kept, and why, if it is.
type Shared = HashMap<Identity, Option<(Address, String)>>;

/// What becomes of the records that the plan removes. `actions` and `becomes` are what the wish comes to.
pub(super) fn removals(view: &View<'_>, actions: &[PlannedAction], becomes: &[(Identity, Address)]) -> Vec<Removal> {
    let doomed = view.inputs.snapshot.records.iter().filter_map(|record| {
        let kind = view.kind_of(record).filter(|_| view.is_removed(record))?;
        Some(Doomed { identity: Identity::of(record), record, kind })
    });
    let doomed: Vec<Doomed<'_>> = doomed.collect();
    if doomed.is_empty() {
        return Vec::new();
    }
    let shared = shared(view, &doomed, actions, becomes);
    let mut kept = staying(view, &doomed, actions);
    // What is kept is decided first: a container that holds any of it is kept with it. Inner containers come before outer
    // ones, which see what is kept of them.
    let (mut containers, others): (Vec<_>, Vec<_>) =
        doomed.into_iter().partition(|one| one.kind.holds == Holds::Objects);
    containers.sort_by_key(|one| std::cmp::Reverse(one.record.physical_id.len()));
    let mut going: HashMap<Identity, Address> = HashMap::new();
    let mut removals = Vec::new();
    for one in others.into_iter().chain(containers) {
        let inside = format!("{}/", one.identity.text());
        let is_container = one.kind.holds == Holds::Objects;
        let holds = kept.range(inside.clone()..).next().filter(|id| is_container && id.starts_with(&inside));
        let (fate, decided) = remove(view, &one, &shared, going.get(&one.identity), holds.map(String::as_str));
        match fate {
            Fate::Kept => {
                kept.insert(one.identity.text().to_owned());
            }
            // The safety copy is made beside it, and stays.
            _ if one.kind.safeguarded => {
                kept.insert(format!("{}_safety", one.identity.text()));
            }
            _ => {}
        }
        if fate == Fate::Deleted && shared.contains_key(&one.identity) {
            going.insert(one.identity, one.record.address.clone());
        }
        removals.push(Removal { address: one.record.address.clone(), fate, decided });
    }
    removals
}

/// The objects that this plan does not remove, selected or not; what was renamed, too, unless it is made anew elsewhere.
fn staying(view: &View<'_>, doomed: &[Doomed<'_>], actions: &[PlannedAction]) -> BTreeSet<String> {
    let going: HashSet<&Address> = doomed.iter().map(|one| &one.record.address).collect();
    let replaced = actions.iter().filter(|planned| planned.action == Verb::Replace);
    let vacated: HashSet<&Address> = replaced.filter_map(|planned| planned.moved_from.as_ref()).collect();
    let records = view.inputs.snapshot.records.iter();
    let stay = records.filter(|record| !going.contains(&record.address) && !vacated.contains(&record.address));
    // What an earlier apply let go stays, too.
    let decided: HashSet<&Identity> = doomed.iter().map(|one| &one.identity).collect();
    let let_go = view.inside.iter().filter(|data| !decided.contains(data)).cloned();
    stay.map(Identity::of).chain(let_go).map(|identity| identity.text().to_owned()).collect()
}

/// Objects that another address stands for too, with why this plan must keep them, if it must: what is recorded or wanted
/// under an address that goes on is never deleted under another one.
fn shared(
    view: &View<'_>,
    doomed: &[Doomed<'_>],
    actions: &[PlannedAction],
    becomes: &[(Identity, Address)],
) -> Shared {
    let inputs = view.inputs;
    let going: HashMap<&Address, &Doomed<'_>> = doomed.iter().map(|one| (&one.record.address, one)).collect();
    let of_doomed: HashSet<&Identity> = doomed.iter().map(|one| &one.identity).collect();
    let mut holders: HashMap<Identity, BTreeSet<Address>> = HashMap::new();
    let mut add = |identity: Identity, address: &Address| {
        if of_doomed.contains(&identity) {
            holders.entry(identity).or_default().insert(address.clone());
        }
    };
    for record in &inputs.snapshot.records {
        add(Identity::of(record), view.address_now(&record.address));
    }
    for planned in actions {
        if let Some(id) = &planned.physical_id {
            add(Identity::new(&planned.provider, id), &planned.address);
        }
    }
    for node in inputs.graph.iter() {
        if let Some(id) = &node.import {
            add(Identity::new(&node.provider, id), &node.address);
        }
    }
    for (address, provider, id) in &inputs.imports {
        add(Identity::new(provider, id), address);
    }
    for (identity, address) in becomes {
        add(identity.clone(), address);
    }
    let several = holders.into_iter().filter(|(_, addresses)| addresses.len() > 1);
    several
        .map(|(identity, addresses)| {
            let stays = addresses.iter().find(|address| !going.contains_key(address)).cloned();
            let goes_on = stays.map(|other| {
                let reason = match inputs.graph.get(&other) {
                    Some(_) => format!("it goes on as {other}"),
                    None => format!("it is {other}, too, which this plan does not remove"),
                };
                (other, reason)
            });
            let kept = || {
                let kept = addresses.iter().find(|address| going.get(address).is_some_and(|one| is_kept(view, one)))?;
                Some((kept.clone(), format!("it is {kept}, too, which is kept")))
            };
            (identity, goes_on.or_else(kept))
        })
        .collect()
}

/// Whether an object is kept although it is to be removed, whoever else knows it.
fn is_kept(view: &View<'_>, one: &Doomed<'_>) -> bool {
    match view.observations.get(&one.record.address) {
        Some(Observation::Found(observed)) => keep(view, one, observed).is_some(),
        _ => false,
    }
}

/// Why an object is kept although it is to be removed, if it is.
fn keep(view: &View<'_>, one: &Doomed<'_>, observed: &Observed) -> Option<String> {
    const KEPT: &str = ": the object is kept, the state forgets it";
    let Doomed { record, kind, .. } = one;
    let lineage = view.inputs.lineage;
    if record.protection.orphan {
        return Some(format!("its deletionPolicy is Orphan{KEPT}"));
    }
    if record.protection.adopted {
        return Some(format!("kompox did not make it{KEPT}"));
    }
    if record.progress.unproven {
        return Some(format!("only a lost state knew whether kompox made it{KEPT}"));
    }
    // What kompox made carries its mark; what does not is never deleted, whoever took the mark away.
    if kind.marked && observed.lineage.as_deref() != Some(lineage) {
        return Some(format!("it does not carry the mark of this state{KEPT}"));
    }
    let grounds = view.stands_on(record, kind);
    if let Some(why) = grounds.and_then(|grounds| ground::not_ours(&grounds, lineage)) {
        return Some(format!("{why}{KEPT}"));
    }
    // Deleted and made anew by somebody: whatever is in it now, nobody named its loss. A record that never learned a uid
    // cannot tell.
    let another = kind.holds == Holds::Data && observed.uid.is_some() && observed.uid != record.progress.uid;
    another.then(|| format!("it is not the one that kompox made{KEPT}"))
}

/// What becomes of one record. `goes_as` is the address under which its object goes already, `holds` what is kept in it.
fn remove(
    view: &View<'_>,
    one: &Doomed<'_>,
    shared: &Shared,
    goes_as: Option<&Address>,
    holds: Option<&str>,
) -> (Fate, Decided<'static>) {
    let record = one.record;
    let address = &record.address;
    if record.progress.lost {
        return (Fate::Gone, forget_lost(view, record));
    }
    let observed = match view.observations.get(address) {
        Some(Observation::Found(observed)) => observed,
        Some(Observation::Failed(_)) if view.is_lost(address, &record.provider) => {
            return (Fate::GivenUp, give_up(view, one));
        }
        Some(Observation::Failed(error)) => {
            let unread = Unread::new(address.clone(), None, error.clone());
            return (Fate::Kept, Decision::Refuse(Refusal::Unread(unread)).into());
        }
        Some(Observation::Missing) => return (Fate::Gone, forget(view, record, None, "it is gone already")),
        Some(Observation::NotYet(reason)) => {
            return (Fate::Vanished, forget(view, record, None, format!("what it lived in is gone: {reason}")));
        }
        None => return (Fate::Kept, Decision::Abandoned.into()),
    };
    let goes_on = shared.get(&one.identity).and_then(Option::as_ref).filter(|(other, _)| other != address);
    let free = !record.protection.prevent_destroy && !record.protection.read_only;
    let held = || {
        let inner = holds.filter(|_| free)?;
        Some(format!("it holds what is kept: {}", inner.rsplit('/').next().unwrap_or(inner)))
    };
    let reason = goes_on.map(|(_, reason)| reason.clone()).or_else(|| keep(view, one, observed)).or_else(held);
    if let Some(reason) = reason {
        let mut decided = forget(view, record, Some(observed), reason);
        if one.kind.holds == Holds::Data && goes_on.is_none() {
            decided.notes.push(kept(address, observed));
        }
        return (Fate::Kept, decided);
    }
    if let Some(problem) = guarded(view, one, observed, free) {
        return (Fate::Kept, Decision::from(problem).into());
    }
    // Two records of one object: it is deleted once.
    if let Some(first) = goes_as {
        return (Fate::DeletedAs, forget(view, record, Some(observed), format!("it goes as {first}")));
    }
    let reason = if view.inputs.graph.is_empty() { "destroy" } else { "the manifests no longer mention it" };
    let mut decided =
        Decided::from(Decision::from(Draft::recorded(view, record, Verb::Delete, reason, Some(observed))));
    if one.kind.holds == Holds::Data {
        let copy = "a safety copy is taken first and never deleted";
        let copy = if one.kind.safeguarded { copy } else { "there is no safety copy" };
        let text = format!("deleted with all its data, {copy}: {}", observed.physical_id);
        decided.dangers.push(Danger::about(DangerCode::DataDeleted, address, text));
    }
    (Fate::Deleted, decided)
}

fn forget(
    view: &View<'_>,
    record: &Record,
    observed: Option<&Observed>,
    reason: impl Into<String>,
) -> Decided<'static> {
    Decision::from(Draft::recorded(view, record, Verb::Forget, reason, observed)).into()
}

/// A record that stands for no object is forgotten with the wish for one.
fn forget_lost(view: &View<'_>, record: &Record) -> Decided<'static> {
    let reason = "nobody asks any more which data it was; whatever exists stays";
    let mut draft = Draft::recorded(view, record, Verb::Forget, reason, None);
    draft.action.physical_id = None;
    draft.action.precondition.existed = None;
    Decision::from(draft).into()
}

/// Data that is kept, and how it is adopted again.
fn kept(address: &Address, observed: &Observed) -> Danger {
    let again = Command::import(address).word(&observed.physical_id);
    let help = vec!["to adopt it again:".into(), Advice::run("", again)];
    Danger { help, ..Danger::about(NoteCode::Kept, address, format!("kept: {}", observed.physical_id)) }
}

/// Why an object must not be deleted, if so. `free`: its protection allows it.
fn guarded(view: &View<'_>, one: &Doomed<'_>, observed: &Observed, free: bool) -> Option<Problem> {
    let address = &one.record.address;
    if !free {
        let message = format!("{address} is protected and this plan would delete it");
        let problem = Problem::new(ProblemCode::Protected, Some(address), message)
            .help("protection lives in the state: deleting its line or block does not lift it")
            .help("apply an explicit preventDestroy: false or protection: none first");
        return Some(problem);
    }
    if let Some(others) = view.strangers.get(address) {
        let message = format!("{address} would go with what others have in it:\n  {}", others.join("\n  "));
        let problem = Problem::new(ProblemCode::HoldsOthers, Some(address), message)
            .help("to remove apps of this project alone, choose them with -A; for all of it the others go first");
        return Some(problem);
    }
    (one.kind.holds == Holds::Data && !view.inputs.options.allow_data_loss.contains(address)).then(|| {
        let message = format!("{address} holds data and this plan would delete it: {}", observed.physical_id);
        Problem::new(ProblemCode::DataLoss, Some(address), message)
            .help("keep the data: set deletionPolicy: Orphan and apply, then remove it")
            .help(Advice::add("or lose it", Switch::AllowDataLoss, address))
    })
}

/// What is in a cluster that cannot be reached and was given up is forgotten.
fn give_up(view: &View<'_>, one: &Doomed<'_>) -> Decided<'static> {
    let record = one.record;
    let reason = "its cluster is abandoned and cannot be reached: it may run on there";
    let mut draft = Draft::recorded(view, record, Verb::Forget, reason, None);
    // Nobody looked, so nobody can say that it is gone.
    draft.action.precondition.existed = None;
    let mut decided = Decided::from(Decision::from(draft));
    if one.kind.uses.is_some() {
        let text = format!("forgotten, and it may run on in a cluster that cannot be reached: {}", record.physical_id);
        let help = vec!["delete it there by hand as soon as that cluster can be reached".into()];
        decided.dangers.push(Danger { help, ..Danger::about(DangerCode::GivenUp, &record.address, text) });
    }
    if one.kind.holds == Holds::Data {
        let text = format!("it stays where it is, and nobody has looked: {}", record.physical_id);
        decided.notes.push(Danger::about(NoteCode::Kept, &record.address, text));
    }
    decided
}
