//! The end of objects: graceful deletion, finalizers, owners and what follows when something is gone.

use serde_json::Value;

use super::super::world::WorldError;
use super::env::Env;
use super::kinds::{Resource, by_plural};
use super::store::{is_deleting, key, map_at, metadata, text};

/// Set by a foreground deletion until the dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";

/// A year: longer than any sandbox waits, and safe to calculate with.
const MAX_GRACE_SECONDS: i64 = 365 * 24 * 3600;

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
    /// They stay, without their owner.
    Orphan,
}

fn finalizers(object: &Value) -> usize {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).map_or(0, Vec::len)
}

/// Takes a finalizer off the object; true when it was there.
pub fn drop_finalizer(object: &mut Value, finalizer: &str) -> bool {
    let metadata = metadata(object);
    let Some(list) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else { return false };
    let before = list.len();
    list.retain(|f| f.as_str() != Some(finalizer));
    let found = list.len() < before;
    if list.is_empty() {
        metadata.remove("finalizers");
    }
    found
}

/// Whether nothing keeps a deleting object any more.
#[must_use]
pub fn may_go(resource: &Resource, object: &Value) -> bool {
    let held = resource.kind == "Namespace"
        && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    finalizers(object) == 0 && !held
}

/// Deletes an object: at once when nothing holds it, else it is marked and goes when that ends. Gives the object when it is still there.
///
/// # Errors
/// Failures of the database.
pub fn begin_delete(
    env: &Env<'_>,
    resource: &Resource,
    mut object: Value,
    grace_seconds: Option<i64>,
    propagation: Propagation,
    now_ms: i64,
) -> Result<Option<Value>, WorldError> {
    let (namespace, name) = key(&object);
    let running = resource.kind == "Pod" && !text(&object, "/spec/nodeName").is_empty();
    let grace = match grace_seconds {
        _ if !running => 0,
        Some(seconds) => seconds,
        None => object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30),
    }
    .clamp(0, MAX_GRACE_SECONDS);
    if is_deleting(&object) {
        if resource.kind == "Pod" && grace == 0 && finalizers(&object) == 0 {
            finish_delete(env, resource, object, now_ms)?;
            return Ok(None);
        }
        return Ok(Some(object));
    }
    let uid = text(&object, "/metadata/uid").to_owned();
    match propagation {
        Propagation::Orphan => orphan(env, &uid)?,
        Propagation::Foreground if !env.store.dependents(&uid)?.is_empty() => {
            let list = metadata(&mut object).entry("finalizers").or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = list.as_array_mut() {
                list.push(FOREGROUND.into());
            }
            delete_dependents(env, &uid, now_ms)?;
        }
        Propagation::Foreground | Propagation::Background => {}
    }
    if may_go(resource, &object) && grace == 0 {
        finish_delete(env, resource, object, now_ms)?;
        return Ok(None);
    }
    let fields = metadata(&mut object);
    fields.insert("deletionTimestamp".into(), env.time(now_ms + grace * 1000).into());
    fields.insert("deletionGracePeriodSeconds".into(), grace.into());
    if resource.generation
        && let Some(generation) = fields.get("generation").and_then(Value::as_i64)
    {
        fields.insert("generation".into(), (generation + 1).into());
    }
    if resource.kind == "Namespace" {
        map_at(&mut object, &["status"]).insert("phase".into(), "Terminating".into());
    }
    env.store.put(resource, &mut object)?;
    let wait = match resource.kind {
        "Pod" => env.delay_ms.min(grace * 1000),
        "Namespace" => env.delay_ms,
        _ => 0,
    };
    env.store.schedule(resource.plural, &namespace, &name, now_ms + wait)?;
    Ok(Some(object))
}

/// Removes an object for good, and has everybody look at it who waited for that.
///
/// # Errors
/// Failures of the database.
pub fn finish_delete(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<(), WorldError> {
    let namespace = text(&object, "/metadata/namespace").to_owned();
    let uid = text(&object, "/metadata/uid").to_owned();
    env.store.remove(resource, &mut object)?;
    delete_dependents(env, &uid, now_ms)?;
    env.removed(resource, &object, now_ms)?;
    // An owner that waits in the foreground looks whether this was the last dependent.
    let owner = |field: &str| text(&object, &format!("/metadata/ownerReferences/0/{field}")).to_owned();
    if let Some(owner_kind) = super::kinds::RESOURCES.iter().find(|r| r.kind == owner("kind")) {
        let owner_namespace = if owner_kind.namespaced { namespace.as_str() } else { "" };
        env.store.schedule(owner_kind.plural, owner_namespace, &owner("name"), now_ms)?;
    }
    if resource.namespaced
        && let Some(namespaces) = by_plural("namespaces")
        && env.store.get(namespaces, "", &namespace)?.is_some_and(|ns| is_deleting(&ns))
    {
        env.store.schedule("namespaces", "", &namespace, now_ms)?;
    }
    Ok(())
}

/// Lets a deleting object go when nothing holds it; otherwise stores it as it is now.
///
/// # Errors
/// Failures of the database.
pub fn store_or_finish(
    env: &Env<'_>,
    resource: &Resource,
    object: &mut Value,
    now_ms: i64,
) -> Result<bool, WorldError> {
    if is_deleting(object) && may_go(resource, object) && resource.kind != "Pod" {
        finish_delete(env, resource, object.clone(), now_ms)?;
        return Ok(true);
    }
    env.store.put(resource, object)?;
    Ok(false)
}

fn delete_dependents(env: &Env<'_>, uid: &str, now_ms: i64) -> Result<(), WorldError> {
    for (plural, namespace, name) in env.store.dependents(uid)? {
        let Some(resource) = by_plural(&plural) else { continue };
        if let Some(object) = env.store.get(resource, &namespace, &name)? {
            begin_delete(env, resource, object, None, Propagation::Background, now_ms)?;
        }
    }
    Ok(())
}

fn orphan(env: &Env<'_>, uid: &str) -> Result<(), WorldError> {
    for (plural, namespace, name) in env.store.dependents(uid)? {
        let Some(resource) = by_plural(&plural) else { continue };
        if let Some(mut object) = env.store.get(resource, &namespace, &name)? {
            let fields = metadata(&mut object);
            if let Some(list) = fields.get_mut("ownerReferences").and_then(Value::as_array_mut) {
                list.retain(|owner| text(owner, "/uid") != uid);
                if list.is_empty() {
                    fields.remove("ownerReferences");
                }
            }
            env.store.put(resource, &mut object)?;
        }
    }
    Ok(())
}

/// Deletes everything in a Namespace; when nothing is left the Namespace goes too.
///
/// # Errors
/// Failures of the database.
pub fn drain_namespace(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<(), WorldError> {
    let name = text(&object, "/metadata/name").to_owned();
    let mut contents = env.store.contents(&name)?;
    // Owners first, so that controllers do not make anew what is being deleted.
    contents.sort_by_key(|(plural, _)| match plural.as_str() {
        "deployments" => 0,
        "replicasets" => 1,
        "pods" => 2,
        _ => 3,
    });
    for (plural, child) in contents {
        let Some(resource) = by_plural(&plural) else { continue };
        if let Some(child) = env.store.get(resource, &name, &child)? {
            begin_delete(env, resource, child, None, Propagation::Background, now_ms)?;
        }
    }
    if env.store.contents(&name)?.is_empty() {
        map_at(&mut object, &["spec"]).remove("finalizers");
        store_or_finish(env, resource, &mut object, now_ms)?;
    }
    Ok(())
}

/// Lets an object go that waited for its dependents.
///
/// # Errors
/// Failures of the database.
pub fn collect(env: &Env<'_>, resource: &Resource, mut object: Value, now_ms: i64) -> Result<(), WorldError> {
    if !is_deleting(&object) || !env.store.dependents(text(&object, "/metadata/uid"))?.is_empty() {
        return Ok(());
    }
    if drop_finalizer(&mut object, FOREGROUND) {
        store_or_finish(env, resource, &mut object, now_ms)?;
    }
    Ok(())
}
