//! What all resources have in common: their group must exist, ids, names, locks, lists, simple deletes.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::call::Call;
use super::kinds::STORAGE_SERVICES;
use super::operations::{self, Work};
use super::route::Typed;
use super::store::{self, Place, Query};
use super::{authors, body, locks, removal};

/// A resource that a request is about.
pub(super) struct Subject {
    /// Its key.
    pub key: String,
    /// Its id: the parent's own spelling, then the type's, then the name as written.
    pub id: String,
    /// The key of the parent.
    pub parent: String,
    /// What exists.
    pub old: Option<Value>,
}

impl Subject {
    /// Finds the group, the parent and the resource.
    ///
    /// # Errors
    /// `ResourceGroupNotFound`, `ParentResourceNotFound`.
    pub fn of(call: &Call<'_>, typed: &Typed) -> Result<Self, Failure> {
        let group_key = call.route.group_key().unwrap_or_default();
        let group = group(call, &group_key)?;
        let key = call.route.key.clone();
        // Everything but the last type and name.
        let parent = match typed.names.len() {
            0 | 1 => group_key,
            _ => key.rsplitn(3, '/').nth(2).unwrap_or_default().to_owned(),
        };
        let parent_id = match typed.names.len() {
            0 | 1 => {
                let group_id = body::text(&group, "id").unwrap_or_default();
                format!("{group_id}/providers/{}", typed.kind.namespace)
            }
            _ => parent_id(call, typed, &parent)?,
        };
        let last = typed.kind.types.last().copied().unwrap_or_default();
        let id = format!("{parent_id}/{last}/{}", typed.name());
        let old = store::get(call.tx, &key)?;
        Ok(Self { key, id, parent, old })
    }

    /// What exists.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn found(self) -> Result<Value, Failure> {
        let id = self.id;
        self.old.ok_or_else(|| Failure::missing(&id))
    }

    /// Writes the resource with its id, name, type, and who wrote it.
    pub fn save(&self, call: &Call<'_>, typed: &Typed, new: &mut Value) -> Result<(), Failure> {
        let old = self.old.as_ref();
        new["id"] = old.map_or_else(|| json!(self.id), |old| old["id"].clone());
        new["name"] = old.map_or_else(|| json!(typed.name()), |old| old["name"].clone());
        new["type"] = json!(typed.kind.full());
        authors::sign(new, old, &authors::CALLER, call.now_ms);
        let kind = typed.kind.lower();
        Ok(store::put(call.tx, Place { key: &self.key, kind: &kind, parent: &self.parent }, new)?)
    }

    /// Refuses a write while the resource is being deleted.
    ///
    /// # Errors
    /// `Conflict`.
    pub fn not_leaving(&self, call: &Call<'_>) -> Result<(), Failure> {
        if operations::running(call.tx, &self.key)? == Some(Work::Delete) {
            return Err(Failure::new(409, "Conflict", format!("The resource '{}' is being deleted.", self.id)));
        }
        Ok(())
    }
}

/// The id of a nested resource's parent, as stored.
fn parent_id(call: &Call<'_>, typed: &Typed, parent: &str) -> Result<String, Failure> {
    // `fileServices/default` and its like are there with their account, without a row of their own.
    let service = STORAGE_SERVICES.iter().find_map(|(lower, suffix)| Some((parent.strip_suffix(lower)?, *suffix)));
    let (row, suffix) = service.unwrap_or((parent, ""));
    match store::get(call.tx, row)? {
        Some(found) => Ok(format!("{}{suffix}", body::text(&found, "id").unwrap_or(row))),
        None if !matches!(call.method.as_str(), "PUT" | "PATCH") => Err(Failure::missing(row)),
        None => Err(Failure::new(
            404,
            "ParentResourceNotFound",
            format!(
                "Failed to perform '{}' on resource(s) of type '{}', because the parent resource '{row}' could not be found.",
                call.method.as_str().to_lowercase(),
                typed.kind.full()
            ),
        )),
    }
}

/// A resource group that exists and, for writes but deletes, is not being deleted.
///
/// # Errors
/// `ResourceGroupNotFound`, `ResourceGroupBeingDeleted`.
pub(super) fn group(call: &Call<'_>, key: &str) -> Result<Value, Failure> {
    let name = call.route.group.as_deref().unwrap_or_default();
    let group = store::get(call.tx, key)?.ok_or_else(|| {
        Failure::new(404, "ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
    })?;
    let creates = matches!(call.method.as_str(), "PUT" | "PATCH");
    if creates && operations::running(call.tx, key)? == Some(Work::Delete) {
        return Err(Failure::new(
            409,
            "ResourceGroupBeingDeleted",
            format!("The resource group '{name}' is in deprovisioning state and cannot perform this operation."),
        ));
    }
    Ok(group)
}

/// Lists a kind in its parent, group or subscription.
pub(super) fn list(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let mut query = Query::in_subscription(&call.route.subscription);
    query.and("type = ?", typed.kind.lower());
    if let Some(group_key) = call.route.group_key() {
        group(call, &group_key)?;
        if typed.names.is_empty() {
            query.and("grp = ?", call.route.group.as_deref().unwrap_or_default().to_lowercase());
        } else {
            let parent = call.route.key.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
            parent_id(call, typed, &parent)?;
            query.and("parent = ?", parent);
        }
    }
    query.page(call.tx, &call.paging()?, None)
}

/// Deletes at once: 200 when there was one, 204 when not.
pub(super) fn delete_now(call: &Call<'_>, subject: &Subject) -> Result<Answer, Failure> {
    if subject.old.is_none() {
        return Ok(Answer::empty(204, false));
    }
    locks::check_delete(call, &subject.key)?;
    removal::remove(call.tx, call.kube, &subject.key, call.now_ms)?;
    Ok(Answer::empty(200, true))
}

/// Deletes by a long-running operation: 202 when there was one, 204 when not.
pub(super) fn delete_later(call: &Call<'_>, subject: &Subject, units: u32) -> Result<Answer, Failure> {
    let Some(old) = &subject.old else { return Ok(Answer::empty(204, false)) };
    locks::check_delete(call, &subject.key)?;
    let mut leaving = old.clone();
    body::set(&mut leaving, "properties.provisioningState", json!("Deleting"));
    store::update(call.tx, &subject.key, &leaving)?;
    let headers = operations::begin(call, &subject.key, Work::Delete, units, operations::Follow::Both)?;
    Ok(Answer::empty(202, true).with(headers))
}

/// Conditions in `If-Match` and `If-None-Match`, on the tag at the path `etag`.
///
/// # Errors
/// 412 `PreconditionFailed`.
pub(super) fn check_conditions(call: &Call<'_>, old: Option<&Value>, etag: &str) -> Result<(), Failure> {
    let header = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    let current = old.map(|old| body::text(old, etag).unwrap_or_default());
    let met = match (header(IF_NONE_MATCH), header(IF_MATCH)) {
        (Some("*"), _) => current.is_none(),
        (_, Some("*")) => current.is_some(),
        (_, Some(expected)) => current == Some(expected),
        _ => true,
    };
    if met {
        return Ok(());
    }
    Err(Failure::new(412, "PreconditionFailed", "The condition in If-Match or If-None-Match is not met."))
}

/// What a name may be.
pub(super) struct NameRule {
    pub min: usize,
    pub max: usize,
    /// Further characters beside letters and digits.
    pub also: &'static str,
    /// Upper case is not allowed.
    pub lower: bool,
}

/// Checks a name before it is first used.
///
/// # Errors
/// `InvalidResourceName`.
pub(super) fn check_name(name: &str, rule: &NameRule) -> Result<(), Failure> {
    let length = name.chars().count();
    let fits = name
        .chars()
        .all(|c| (c.is_ascii_alphanumeric() && !(rule.lower && c.is_ascii_uppercase())) || rule.also.contains(c));
    if fits && (rule.min..=rule.max).contains(&length) && !name.ends_with('.') {
        return Ok(());
    }
    let letters = if rule.lower { "lower-case letters" } else { "letters" };
    let also = if rule.also.is_empty() { String::new() } else { format!(" and {}", rule.also) };
    Err(Failure::new(
        400,
        "InvalidResourceName",
        format!(
            "The resource name '{name}' is invalid: {} to {} {letters}, digits{also} are allowed, no '.' at its end.",
            rule.min, rule.max
        ),
    ))
}
