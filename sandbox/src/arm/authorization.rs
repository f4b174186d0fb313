//! Role assignments (2022-04-01) and management locks (2020-05-01), which sit at a scope: a subscription, a group, or a resource.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::clock::rfc3339;
use super::answer::{Answer, Failure};
use super::body::{self, Field, Shape, optional, required};
use super::call::Call;
use super::filter::{Clause, clauses, invalid_filter};
use super::locks::{check_delete, check_write};
use super::resource::{NameRule, check_name};
use super::route::Typed;
use super::store::{self, Place, Query};
use super::{authors, kinds, locks, resource};

const ASSIGNMENTS: &str = "microsoft.authorization/roleassignments";

const ASSIGNMENT_FIELDS: &[Field] = &[
    required("properties", Shape::Object),
    required("properties.roleDefinitionId", Shape::Text),
    required("properties.principalId", Shape::Text),
    optional(
        "properties.principalType",
        Shape::OneOf(&["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"]),
    ),
];

const LOCK_FIELDS: &[Field] = &[
    required("properties", Shape::Object),
    required("properties.level", Shape::OneOf(&["NotSpecified", "CanNotDelete", "ReadOnly"])),
    optional("properties.notes", Shape::Text),
];

/// Roles whose names `roleDefinitions` can tell.
const ROLES: &[(&str, &str)] = &[
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"),
    ("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"),
    ("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader"),
    ("7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull"),
    ("befefa01-2a29-4197-83a8-272ff33ce314", "DNS Zone Contributor"),
    ("4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User"),
];

/// The key of the scope that something is attached to.
fn scope_key(typed: &Typed) -> String {
    typed.scope.to_lowercase()
}

/// The scope must exist where the sandbox serves its type; other types (vaults, registries) are taken as existing.
fn check_scope(call: &Call<'_>, typed: &Typed) -> Result<(), Failure> {
    let key = scope_key(typed);
    let Some(group) = call.route.group_key() else { return Ok(()) };
    resource::group(call, &group)?;
    if key == group || store::exists(call.tx, &key)? {
        return Ok(());
    }
    let served = key.rsplit_once("/providers/").is_some_and(|(_, rest)| {
        let mut words = rest.split('/');
        let namespace = words.next().unwrap_or_default();
        let types: Vec<&str> = words.step_by(2).collect();
        kinds::find(namespace, &types).is_ok()
    });
    if served { Err(Failure::missing(&typed.scope)) } else { Ok(()) }
}

/// A role assignment by name.
pub(super) fn assignment(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    check_scope(call, typed)?;
    let key = &call.route.key;
    let old = store::get(call.tx, key)?;
    match call.method.as_str() {
        "GET" => old.map(Answer::found).ok_or_else(|| {
            Failure::new(404, "RoleAssignmentNotFound", format!("The role assignment '{}' is not found.", typed.name()))
        }),
        "DELETE" => {
            let Some(old) = old else { return Ok(Answer::empty(204, false)) };
            check_delete(call, key)?;
            store::remove_tree(call.tx, key)?;
            Ok(Answer::changed(200, old))
        }
        "PUT" => put_assignment(call, typed, old),
        _ => Err(Failure::method()),
    }
}

fn put_assignment(call: &Call<'_>, typed: &Typed, old: Option<Value>) -> Result<Answer, Failure> {
    let name = typed.name();
    if Uuid::parse_str(name).is_err() {
        return Err(Failure::new(
            400,
            "InvalidRoleAssignmentId",
            format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
        ));
    }
    let mut new = body::read(&call.body, ASSIGNMENT_FIELDS, false)?;
    let principal = body::text(&new, "properties.principalId").unwrap_or_default().to_owned();
    if Uuid::parse_str(&principal).is_err() {
        return Err(Failure::new(
            400,
            "InvalidPrincipalId",
            format!("A valid principal ID must be provided for role assignment: '{principal}' is no GUID."),
        ));
    }
    let role = body::text(&new, "properties.roleDefinitionId").unwrap_or_default();
    let role = role.rsplit('/').next().filter(|guid| Uuid::parse_str(guid).is_ok()).map(str::to_lowercase).ok_or_else(
        || Failure::new(400, "InvalidRoleDefinitionId", format!("The role definition ID '{role}' is not valid.")),
    )?;
    check_write(call, &call.route.key)?;
    let scope = scope_key(typed);
    let is_same = |other: &Value| {
        body::text(other, "properties.principalId").is_some_and(|id| id.eq_ignore_ascii_case(&principal))
            && body::text(other, "properties.roleDefinitionId").is_some_and(|id| id.to_lowercase().ends_with(&role))
    };
    if let Some(old) = old {
        if !is_same(&old) {
            return Err(Failure::new(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        return Ok(Answer { effect: false, ..Answer::changed(200, old) });
    }
    if let Some((_, other)) = store::children(call.tx, &scope, ASSIGNMENTS)?.iter().find(|(_, other)| is_same(other)) {
        let id = body::text(other, "name").unwrap_or_default().replace('-', "");
        return Err(Failure::new(
            409,
            "RoleAssignmentExists",
            format!("The role assignment already exists. The ID of the existing role assignment is {id}."),
        ));
    }
    let now = rfc3339(call.now_ms);
    new["id"] = json!(format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", typed.scope));
    new["name"] = json!(name);
    new["type"] = json!("Microsoft.Authorization/roleAssignments");
    let definition =
        format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", call.route.subscription);
    body::set(&mut new, "properties.roleDefinitionId", json!(definition));
    body::set(&mut new, "properties.scope", json!(typed.scope));
    body::default(&mut new, "properties.principalType", json!("ServicePrincipal"));
    body::set(&mut new, "properties.createdOn", json!(now));
    body::set(&mut new, "properties.updatedOn", json!(now));
    store::put(call.tx, Place { key: &call.route.key, kind: ASSIGNMENTS, parent: &scope }, &new)?;
    Ok(Answer::changed(201, new))
}

/// Role assignments at a scope: those above it apply to it too, those below it are listed unless `atScope()` asks otherwise.
pub(super) fn assignments(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    check_scope(call, typed)?;
    let mut query = scoped(call, typed, ASSIGNMENTS, true)?;
    if let Some(text) = call.query("$filter").filter(|text| !text.trim().is_empty()) {
        for clause in clauses(text)? {
            match clause {
                Clause::Call(name) if name.eq_ignore_ascii_case("atScope") => {}
                Clause::Equals(name, value) if name.eq_ignore_ascii_case("principalId") => {
                    query.and("lower(json_extract(body, '$.properties.principalId')) = ?", value.to_lowercase());
                }
                _ => return Err(invalid_filter(text)),
            }
        }
    }
    query.page(call.tx, &call.paging()?, None)
}

/// What is attached at the scope of a list, below it, and, when `inherited`, above it.
fn scoped(call: &Call<'_>, typed: &Typed, kind: &str, inherited: bool) -> Result<Query, Failure> {
    let scope = scope_key(typed);
    let only_here = call.query("$filter").is_some_and(|text| text.to_lowercase().contains("atscope()"));
    let mut query = Query::in_subscription(&call.route.subscription);
    query.and("type = ?", kind.to_owned());
    query.around(&scope, !only_here, inherited || only_here);
    Ok(query)
}

/// `roleDefinitions/{guid}`.
pub(super) fn definition(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    if call.method != http::Method::GET {
        return Err(Failure::method());
    }
    let (guid, name) = ROLES.iter().find(|(guid, _)| guid.eq_ignore_ascii_case(typed.name())).ok_or_else(|| {
        Failure::new(
            404,
            "RoleDefinitionDoesNotExist",
            format!("The role definition '{}' does not exist.", typed.name()),
        )
    })?;
    Ok(Answer::found(json!({
        "id": format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", call.route.subscription),
        "name": guid,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": { "roleName": name, "type": "BuiltInRole", "assignableScopes": ["/"], "permissions": [] },
    })))
}

/// A lock by name.
pub(super) fn lock(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    check_scope(call, typed)?;
    let key = &call.route.key;
    let old = store::get(call.tx, key)?;
    match call.method.as_str() {
        "GET" => old.map(Answer::found).ok_or_else(|| {
            Failure::new(404, "LockNotFound", format!("The lock '{}' could not be found.", typed.name()))
        }),
        "DELETE" => {
            if old.is_none() {
                return Ok(Answer::empty(204, false));
            }
            store::remove_tree(call.tx, key)?;
            Ok(Answer::empty(200, true))
        }
        "PUT" => {
            check_name(typed.name(), &NameRule { min: 1, max: 90, also: "_-.()", lower: false })?;
            let mut new = body::read(&call.body, LOCK_FIELDS, false)?;
            new["id"] = json!(format!("{}/providers/Microsoft.Authorization/locks/{}", typed.scope, typed.name()));
            new["name"] = json!(typed.name());
            new["type"] = json!("Microsoft.Authorization/locks");
            authors::sign(&mut new, old.as_ref(), &authors::CALLER, call.now_ms);
            store::put(call.tx, Place { key, kind: locks::TYPE, parent: &scope_key(typed) }, &new)?;
            Ok(Answer::changed(if old.is_some() { 200 } else { 201 }, new))
        }
        _ => Err(Failure::method()),
    }
}

/// Locks at and below a scope.
pub(super) fn locks(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    check_scope(call, typed)?;
    if let Some(text) = call.query("$filter").filter(|text| !text.trim().is_empty()) {
        for clause in clauses(text)? {
            if !matches!(clause, Clause::Call(name) if name.eq_ignore_ascii_case("atScope")) {
                return Err(invalid_filter(text));
            }
        }
    }
    scoped(call, typed, locks::TYPE, false)?.page(call.tx, &call.paging()?, None)
}
