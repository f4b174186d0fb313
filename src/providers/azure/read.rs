//! Reading many objects in few requests: one paged list per (scope, type) where a list shows everything that is
//! compared, single reads where only one object is asked for or a list is not allowed.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::Value;

use crate::engine::provider::{
    ErrorClass, Find, Observation, Observed, ProviderError, Target, Transition, Writer, Writers,
};
use crate::engine::value::Path;

use super::body;
use super::client::Arm;
use super::id::ArmId;
use super::role;
use super::subscription::AzureProvider;
use super::types::{self, Listing, ROLE_ASSIGNMENTS, ResourceType};

/// What is done to an object at the moment, by its `provisioningState`.
pub(super) fn transition(object: &Value, kind: &ResourceType) -> Option<Transition> {
    let state = object.pointer("/properties/provisioningState").and_then(Value::as_str);
    match state.map(str::to_ascii_lowercase).as_deref() {
        None | Some("succeeded" | "") => {
            // A snapshot is copied in the background; nothing can be made from it before that is done.
            let percent = object.pointer("/properties/completionPercent").and_then(Value::as_f64);
            (kind.name == types::SNAPSHOTS && percent.is_some_and(|percent| percent < 100.0))
                .then_some(Transition::Changing)
        }
        Some("failed" | "canceled" | "cancelled") => Some(Transition::Failed),
        Some("deleting") => Some(Transition::Deleting),
        Some(_) => Some(Transition::Changing),
    }
}

/// The uid of an object, where its type has one.
pub(super) fn uid(object: &Value, kind: &ResourceType) -> Option<String> {
    kind.uid.iter().find_map(|pointer| object.pointer(pointer)?.as_str().map(str::to_owned))
}

/// Who wrote an object last, where its type says it. That is told of the object, not of its fields.
fn last_writer(object: &Value, kind: &ResourceType) -> Writers {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let Some((name, places)) = kind.last_written.and_then(|places| Some((text(places.by)?, places))) else {
        return Writers::default();
    };
    let writer = Writer { name, time: text(places.at), paths: vec![Path::root()] };
    Writers::later(move || vec![writer.clone()])
}

/// An object as the engine wants it.
pub(super) fn observed(mut object: Value, id: &ArmId, kind: &ResourceType) -> Observed {
    body::spell_tags(&mut object, kind);
    // Lists and answers differ in the case of an id. What stands in records, and in the handles of volumes, stays as it was
    // first written.
    let shown = object.get("id").and_then(Value::as_str);
    let physical_id = shown.filter(|shown| !shown.eq_ignore_ascii_case(id.as_str())).unwrap_or(id.as_str()).to_owned();
    Observed {
        ready: transition(&object, kind).is_none(),
        physical_id,
        uid: uid(&object, kind),
        lineage: body::lineage_of(&object, kind).map(str::to_owned),
        transition: transition(&object, kind),
        writers: last_writer(&object, kind),
        tie: None,
        object: object.into(),
    }
}

/// What a target asks for.
enum Wanted<'a> {
    Id(ArmId),
    Tagged(&'a Find),
}

/// Targets that one list answers.
struct Group<'a> {
    kind: &'static ResourceType,
    list: Option<url::Url>,
    members: Vec<(usize, Wanted<'a>)>,
}

impl AzureProvider {
    /// One answer per target, in order.
    pub(super) async fn read_all(&self, targets: &[Target]) -> Vec<Observation> {
        let mut answers: Vec<Observation> = Vec::with_capacity(targets.len());
        let mut groups: BTreeMap<(&str, String), Group<'_>> = BTreeMap::new();
        for (index, target) in targets.iter().enumerate() {
            // Stands until the group of the target has been read.
            answers.push(Observation::NotYet("its id is not known yet".to_owned()));
            match wanted(target) {
                Ok(None) => {}
                Ok(Some((kind, wanted, collection))) => {
                    let list = (kind.list != Listing::None).then(|| self.arm.url(&collection, kind.api_version));
                    groups
                        .entry((kind.name, collection.to_lowercase()))
                        .or_insert_with(|| Group { kind, list, members: Vec::new() })
                        .members
                        .push((index, wanted));
                }
                Err(error) => answers[index] = Observation::failed(error),
            }
        }
        let narrowed = groups.into_values().map(|group| narrowed(&self.arm, group));
        let read = join_all(narrowed.map(|group| read_group(&self.arm, group))).await;
        for (index, observation) in read.into_iter().flatten() {
            if let Observation::Found(observed) = &observation {
                self.recent.saw(&observed.physical_id);
            }
            answers[index] = observation;
        }
        answers
    }
}

/// A group whose list shows no more than it must: where an object is looked for by its tags, and all that is asked for is in one
/// resource group, that group's, and not that of the whole subscription (`Disks_ListByResourceGroup` and its like, which
/// every type that has tags has).
fn narrowed<'a>(arm: &Arm, mut group: Group<'a>) -> Group<'a> {
    let Listing::Subscription(path) = group.kind.list else { return group };
    if !group.members.iter().any(|(_, wanted)| matches!(wanted, Wanted::Tagged(_))) {
        return group;
    }
    let of = |wanted: &Wanted<'_>| match wanted {
        Wanted::Id(id) => Some(id.scope().to_owned()),
        Wanted::Tagged(find) => {
            let within = ArmId::parse(&find.within).ok()?;
            within.kind().eq_ignore_ascii_case(types::GROUPS).then(|| within.as_str().to_owned())
        }
    };
    let mut groups = group.members.iter().map(|(_, wanted)| of(wanted));
    let Some(Some(first)) = groups.next() else { return group };
    if groups.all(|other| other.is_some_and(|other| other.eq_ignore_ascii_case(&first))) {
        group.list = Some(arm.url(&format!("{first}{path}"), group.kind.api_version));
    }
    group
}

type Sorted<'a> = Option<(&'static ResourceType, Wanted<'a>, String)>;

/// The type of a target, what it asks for, and the path of the list that shows it.
fn wanted(target: &Target) -> Result<Sorted<'_>, ProviderError> {
    let rejected = |message: String| ProviderError::new(ErrorClass::Rejected, message);
    match (&target.physical_id, &target.find) {
        (Some(id), _) => {
            let (id, kind) = identify(id)?;
            if let Some(wanted) = types::of_kind(target.kind.name).filter(|wanted| wanted.name != kind.name) {
                let message = format!("{id} is a {}, and a {} is wanted", kind.name, wanted.name);
                return Err(rejected(message).hint("check the id"));
            }
            let collection = match kind.list {
                Listing::Subscription(path) => format!("/subscriptions/{}{path}", id.subscription()),
                Listing::Parent(path) => format!("{}{path}", id.parent()),
                Listing::None => id.as_str().to_owned(),
            };
            Ok(Some((kind, Wanted::Id(id), collection)))
        }
        (None, Some(find)) => {
            let kind = types::of_kind(target.kind.name)
                .ok_or_else(|| rejected(format!("a {} cannot be looked for by tags", target.kind.name)))?;
            let within = ArmId::parse(&find.within).map_err(|error| rejected(error.to_string()))?;
            let collection = match kind.list {
                Listing::Subscription(path) => format!("/subscriptions/{}{path}", within.subscription()),
                Listing::Parent(path) => format!("{within}{path}"),
                Listing::None => return Err(rejected(format!("{} are not listed", kind.name))),
            };
            Ok(Some((kind, Wanted::Tagged(find), collection)))
        }
        (None, None) => Ok(None),
    }
}

/// Reads an id and finds its type.
///
/// # Errors
/// It is no id, or of a type that is not known here.
pub(super) fn identify(id: &str) -> Result<(ArmId, &'static ResourceType), ProviderError> {
    let id = ArmId::parse(id).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))?;
    match types::find(id.kind()) {
        Some(kind) => Ok((id, kind)),
        None => Err(ProviderError::new(ErrorClass::Rejected, format!("{id}: the type {} is not supported", id.kind()))),
    }
}

async fn read_group(arm: &Arm, group: Group<'_>) -> Vec<(usize, Observation)> {
    let kind = group.kind;
    let list = match (group.list, group.members.as_slice()) {
        (None, _) | (_, [(_, Wanted::Id(_))]) => return read_singly(arm, kind, group.members, None).await,
        (Some(list), _) => list,
    };
    let items = match arm.list_all(list).await {
        Ok(items) => items.unwrap_or_default(),
        Err(error) if error.class == ErrorClass::Denied && error.status == Some(403) => {
            return read_singly(arm, kind, group.members, Some(error)).await;
        }
        Err(error) => {
            return group.members.into_iter().map(|(index, _)| (index, Observation::failed(error.clone()))).collect();
        }
    };
    let mut by_id: BTreeMap<String, &Value> = BTreeMap::new();
    for item in &items {
        if kind.name == ROLE_ASSIGNMENTS
            && let Some(id) = role::id_of(item)
        {
            by_id.entry(id.to_lowercase()).or_insert(item);
        }
    }
    // Real ids after computed ones, so that they win.
    for item in &items {
        if let Some(id) = item.get("id").and_then(Value::as_str) {
            by_id.insert(id.to_lowercase(), item);
        }
    }
    join_all(group.members.into_iter().map(|(index, wanted)| {
        let found = match &wanted {
            Wanted::Id(id) => Ok(by_id.get(&id.key()).copied().map(|item| (item, id.clone()))),
            Wanted::Tagged(find) => tagged(&items, find, kind),
        };
        async move {
            let observation = match found {
                Ok(Some((item, asked))) => complete(arm, item, asked, kind).await,
                Ok(None) => Observation::Missing,
                Err(error) => Observation::failed(error),
            };
            (index, observation)
        }
    }))
    .await
}

/// An item of a list, read by itself if the list may have left something out. `asked` is its id as we spell it.
async fn complete(arm: &Arm, item: &Value, asked: ArmId, kind: &'static ResourceType) -> Observation {
    let shown = item.get("id").and_then(Value::as_str).map(ArmId::parse);
    match shown {
        None => Observation::failed(ProviderError::new(ErrorClass::Rejected, "an item of a list has no id")),
        Some(Err(error)) => Observation::failed(ProviderError::new(ErrorClass::Rejected, error.to_string())),
        Some(Ok(shown)) => {
            let id = if shown.key() == asked.key() { asked } else { shown };
            if kind.list_may_omit.is_some_and(|pointer| item.pointer(pointer).is_none()) {
                read_one(arm, &id, kind).await
            } else {
                Observation::Found(Box::new(observed(item.clone(), &id, kind)))
            }
        }
    }
}

/// The one item in a collection that carries all tags.
fn tagged<'a>(
    items: &'a [Value],
    find: &Find,
    kind: &ResourceType,
) -> Result<Option<(&'a Value, ArmId)>, ProviderError> {
    let prefix_as_written = format!("{}/", find.within.trim_end_matches('/'));
    let prefix = prefix_as_written.to_ascii_lowercase();
    let carries = |item: &Value| {
        let Some(tags) = kind.tags.as_ref().and_then(|place| body::tags_of(item, place)) else { return false };
        find.tags.iter().all(|(key, value)| {
            tags.iter().any(|(have, text)| have.eq_ignore_ascii_case(key) && text.as_str() == Some(value.as_str()))
        })
    };
    let id_of = |item: &'a Value| item.get("id").and_then(Value::as_str).unwrap_or_default();
    let mut found = items.iter().filter(|item| id_of(item).to_ascii_lowercase().starts_with(&prefix) && carries(item));
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(ProviderError::new(
            ErrorClass::Conflict,
            format!("more than one object carries the same tags: {} and {}", id_of(first), id_of(second)),
        )
        .hint("import the right one by its id, or remove the tags of the other")),
        (Some(item), None) => {
            // The container is spelled as we spell it, not as a list does.
            let id = id_of(item);
            let id = format!("{}{}", prefix_as_written, id.get(prefix.len()..).unwrap_or_default());
            let id = ArmId::parse(&id).map_err(|error| ProviderError::new(ErrorClass::Rejected, error.to_string()))?;
            Ok(Some((item, id)))
        }
        (None, _) => Ok(None),
    }
}

async fn read_singly(
    arm: &Arm,
    kind: &'static ResourceType,
    members: Vec<(usize, Wanted<'_>)>,
    list_error: Option<ProviderError>,
) -> Vec<(usize, Observation)> {
    join_all(members.into_iter().map(|(index, wanted)| {
        let list_error = list_error.clone();
        async move {
            let observation = match (wanted, list_error) {
                (Wanted::Id(id), _) => read_one(arm, &id, kind).await,
                (Wanted::Tagged(_), Some(error)) => Observation::failed(error),
                (Wanted::Tagged(find), None) => Observation::NotYet(format!("{} is not listed", find.within)),
            };
            (index, observation)
        }
    }))
    .await
}

async fn read_one(arm: &Arm, id: &ArmId, kind: &'static ResourceType) -> Observation {
    let found = match arm.get_object(arm.url(id.as_str(), kind.api_version)).await {
        Ok(Some(response)) => Ok(Some(response.body)),
        // Somebody else's assignment of the same role has another name.
        Ok(None) if kind.name == ROLE_ASSIGNMENTS => role::find(arm, id).await,
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    match found {
        Ok(Some(object)) => Observation::Found(Box::new(observed(object, id, kind))),
        Ok(None) => Observation::Missing,
        Err(error) => Observation::failed(error),
    }
}
