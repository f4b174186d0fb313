//! Locks and what they forbid: what is refused while one stays, and the order in which one is set or lifted. Also what a
//! change does to others.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::fold::Findings;
use super::handover::Handover;
use super::problem::{Problem, Refusal, Unread};
use super::view::View;
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode, ProblemCode};
use crate::engine::kind::Seal;
use crate::engine::plan::{Danger, Mode, PlannedAction, Verb};
use crate::engine::provider::ProviderError;

/// A lock before and after this plan.
struct Sealed {
    address: Address,
    before: Option<Seal>,
    after: Option<Seal>,
}

/// What locks ask for.
#[derive(Default)]
pub(super) struct Seals {
    /// Who must wait for a lock to be lifted, and for whom a lock that is set must wait.
    pub(super) waits: Vec<Handover>,
    pub(super) notes: Vec<Danger>,
    /// What a lock that stays forbids, and changes of what nobody can read.
    pub(super) refusals: Vec<Refusal>,
}

/// Whether a lock refuses an action: by the object's id, or because the API it is in lives in what is locked, whose
/// credentials a lock on all changes keeps back.
fn forbids(seal: &Seal, planned: &PlannedAction) -> bool {
    let deletes = matches!(planned.action, Verb::Delete | Verb::Replace);
    let writes = deletes || matches!(planned.action, Verb::Create | Verb::Update | Verb::Import);
    let scope = seal.scope.to_ascii_lowercase();
    let within = |id: &str| {
        id.to_ascii_lowercase().strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match planned.provider.host() {
        Some(host) => seal.changes && writes && within(host),
        None if seal.changes => writes && planned.physical_id.as_deref().is_some_and(within),
        None => deletes && planned.physical_id.as_deref().is_some_and(within),
    }
}

/// What the locks that there are and will be ask for.
pub(super) fn seals(view: &View<'_>, findings: &Findings) -> Seals {
    let sealed = sealed(view, findings);
    let locks: HashSet<&Address> = sealed.iter().map(|one| &one.address).collect();
    let mut seals = Seals::default();
    let mut refused: BTreeMap<&Address, (&Address, usize)> = BTreeMap::new();
    let mut unreadable: Vec<(&PlannedAction, &ProviderError)> = Vec::new();
    for planned in findings.actions.iter().filter(|planned| !locks.contains(&planned.address)) {
        let mut lifted = false;
        for one in &sealed {
            let forbids = |seal: &Option<Seal>| seal.as_ref().is_some_and(|seal| forbids(seal, planned));
            let handover = |from: &Address, to: &Address| Handover { from: from.clone(), to: to.clone() };
            match (forbids(&one.before), forbids(&one.after)) {
                (false, false) => {}
                (true, true) => {
                    refused.entry(&one.address).or_insert((&planned.address, 0)).1 += 1;
                    lifted = true;
                }
                (false, true) => seals.waits.push(handover(&planned.address, &one.address)),
                (true, false) => {
                    seals.waits.push(handover(&one.address, &planned.address));
                    lifted = true;
                }
            }
        }
        let writes = !matches!(planned.action, Verb::NoOp | Verb::Read | Verb::Forget | Verb::Refresh | Verb::Move);
        if writes && !lifted {
            unreadable.extend(view.locked.get(&planned.address).map(|error| (planned, &**error)));
        }
    }
    seals.refusals.extend(refused.into_iter().map(|(lock, (first, count))| stays(view, lock, first, count).into()));
    let hidden = view.locked.len() - unreadable.len().min(view.locked.len());
    seals.notes.extend(view.locked.values().next().filter(|_| hidden > 0).map(|error| taken(error, hidden)));
    seals.refusals.extend(unreadable.into_iter().map(|(planned, error)| {
        let (address, origin) = (planned.address.clone(), planned.origin.clone());
        Refusal::Unread(Unread::new(address, origin, Box::new(error.clone())))
    }));
    seals
}

/// A lock that stays, and what it refuses.
fn stays(view: &View<'_>, lock: &Address, first: &Address, count: usize) -> Problem {
    let others = match count {
        1 => String::new(),
        2 => " and 1 other change".to_owned(),
        more => format!(" and {} other changes", more - 1),
    };
    let origin = view.inputs.graph.get(lock).and_then(|node| node.origin.clone());
    Problem::new(ProblemCode::Locked, Some(lock), format!("{lock} stays and refuses {first}{others}"))
        .at(origin)
        .help("lift it in the same apply: set `lock: false` in the protection of the Cluster; it is lifted first")
        .help("then set it again: it comes back after everything else")
}

/// Objects that a lock hides.
fn taken(error: &ProviderError, hidden: usize) -> Danger {
    let objects = if hidden == 1 { "1 object is".to_owned() } else { format!("{hidden} objects are") };
    let text = format!("{objects} taken as the state knows them, because they cannot be read: {}", error.message);
    let help = error.hint.clone().into_iter().collect();
    Danger { code: NoteCode::Unreadable.into(), address: None, text, help }
}

/// The locks that there are, and those that there will be.
fn sealed(view: &View<'_>, findings: &Findings) -> Vec<Sealed> {
    let planned = findings.by_address();
    let recorded = view.inputs.snapshot.records.iter();
    let mut all: Vec<Sealed> = recorded.filter_map(|record| of_record(view, &planned, record)).collect();
    let known: HashSet<Address> = all.iter().map(|one| one.address.clone()).collect();
    for node in view.inputs.graph.iter().filter(|node| !known.contains(&node.address)) {
        if let Some(seals) = node.kind.seals
            && let Some(planned) = planned.get(&node.address)
            && matches!(planned.action, Verb::Create | Verb::Import)
        {
            let id = planned.physical_id.as_deref().unwrap_or_default();
            let after = seals(id, &node.desired.to_stored());
            let before = if planned.action == Verb::Import { after.clone() } else { None };
            all.push(Sealed { address: node.address.clone(), before, after });
        }
    }
    all
}

/// A lock that the state knows.
fn of_record(
    view: &View<'_>,
    planned: &HashMap<&Address, &PlannedAction>,
    record: &kompox_state::Record,
) -> Option<Sealed> {
    let seals = view.kind_of(record)?.seals?;
    let address = view.address_now(&record.address);
    let id = record.physical_id.as_str();
    let mut applied = record.applied.value();
    let action = planned.get(address).copied();
    for change in action.map(|planned| planned.changes.as_slice()).unwrap_or_default() {
        if let (Some(place), Some(before)) = (applied.pointer_mut(&change.path.to_pointer()), &change.before) {
            *place = before.to_stored();
        }
    }
    let gone = action.is_some_and(|planned| {
        planned.action == Verb::Forget && planned.precondition.existed != Some(true) || planned.action == Verb::Create
    });
    let before = if gone { None } else { seals(id, &applied) };
    let after = match action.map(|planned| planned.action) {
        Some(Verb::Delete) => None,
        Some(Verb::Create | Verb::Update | Verb::Replace | Verb::Import) => {
            let wished = view.inputs.graph.get(address).map(|node| node.desired.to_stored());
            wished.and_then(|wished| seals(id, &wished))
        }
        _ => before.clone(),
    };
    Some(Sealed { address: address.clone(), before, after })
}

/// What replacements, removals and changes of some fields do to others.
pub(super) fn disturbances<'f>(view: &'f View<'_>, actions: &'f [PlannedAction]) -> impl Iterator<Item = Danger> + 'f {
    let wished = matches!(view.inputs.mode, Mode::Apply | Mode::Import);
    actions.iter().filter(move |_| wished).filter_map(|planned| {
        let disturbs = view.kind(&planned.provider, &planned.kind)?.disturbs?;
        let mut changes = planned.changes.iter();
        let hit = changes.find(|change| disturbs.fields.iter().any(|pattern| change.path.matches(pattern)));
        let what = match (planned.action, hit) {
            (Verb::Replace, _) => "replaced".to_owned(),
            (Verb::Update | Verb::Import, Some(change)) => format!("{} changes", change.path),
            _ => return None,
        };
        Some(Danger::about(DangerCode::Disturbed, &planned.address, format!("{what}: {}", disturbs.text)))
    })
}
