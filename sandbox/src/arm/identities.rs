//! User-assigned identities and their federated credentials (`Microsoft.ManagedIdentity`, 2023-01-31).

use serde_json::json;
use uuid::Uuid;

use super::answer::{Answer, Failure};
use super::body::{self, Field, Shape, optional, required};
use super::call::Call;
use super::resource::{self, NameRule, Subject, check_name};
use super::route::Typed;
use super::{locations, locks, store};

/// The one directory of the sandbox.
pub(super) const TENANT: &str = "0a0b0c0d-1111-4222-8333-444455556666";

const CREDENTIALS: &str = "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials";

/// Credentials an identity may have.
const MOST_CREDENTIALS: usize = 20;

const CREDENTIAL_FIELDS: &[Field] = &[
    required("properties", Shape::Object),
    required("properties.issuer", Shape::Text),
    required("properties.subject", Shape::Text),
    required("properties.audiences", Shape::List),
];

/// The identifier of a principal or client, which follows from the incarnation of the resource it belongs to.
pub(super) fn principal(what: &str, seed: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{what}/{seed}").as_bytes()).to_string()
}

/// An identity.
pub(super) fn identity(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let mut new = match call.method.as_str() {
        "GET" => return Ok(Answer::found(subject.found()?)),
        "DELETE" => return resource::delete_now(call, &subject),
        "PUT" => {
            check_name(typed.name(), &NameRule { min: 3, max: 128, also: "_-", lower: false })?;
            let new =
                body::read(&call.body, &[required("location", Shape::Text), optional("tags", Shape::Object)], false)?;
            locations::check_location(&new)?;
            new
        }
        "PATCH" => {
            let old = subject.old.as_ref().ok_or_else(|| Failure::missing(&subject.id))?;
            body::patched(old, &body::read(&call.body, &[optional("tags", Shape::Object)], true)?)
        }
        _ => return Err(Failure::method()),
    };
    locks::check_write(call, &subject.key)?;
    body::normalise_location(&mut new);
    locations::keep_location(subject.old.as_ref(), &new)?;
    new["properties"] = match &subject.old {
        Some(old) => old["properties"].clone(),
        None => {
            let seed = store::incarnation(call.tx, &subject.key)?;
            json!({
                "tenantId": TENANT,
                "principalId": principal("principal", &seed),
                "clientId": principal("client", &seed),
            })
        }
    };
    subject.save(call, typed, &mut new)?;
    Ok(Answer::changed(if subject.old.is_some() { 200 } else { 201 }, new))
}

/// A federated credential.
pub(super) fn credential(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    match call.method.as_str() {
        "GET" => Ok(Answer::found(subject.found()?)),
        "DELETE" => resource::delete_now(call, &subject),
        "PUT" => {
            check_name(typed.name(), &NameRule { min: 3, max: 120, also: "_-", lower: false })?;
            let mut new = body::read(&call.body, CREDENTIAL_FIELDS, false)?;
            locks::check_write(call, &subject.key)?;
            let others = store::children(call.tx, &subject.parent, CREDENTIALS)?;
            if subject.old.is_none() && others.len() >= MOST_CREDENTIALS {
                return Err(Failure::new(
                    400,
                    "FederatedIdentityCredentialLimitExceeded",
                    format!("Too many federated identity credentials: at most {MOST_CREDENTIALS} are allowed."),
                ));
            }
            let same = |path: &str, other: &serde_json::Value| body::at(other, path) == body::at(&new, path);
            let double = others.iter().any(|(key, other)| {
                *key != subject.key && same("properties.issuer", other) && same("properties.subject", other)
            });
            if double {
                return Err(Failure::new(
                    409,
                    "Conflict",
                    "Issuer and subject combination already exists for this managed identity.",
                ));
            }
            subject.save(call, typed, &mut new)?;
            Ok(Answer::changed(if subject.old.is_some() { 200 } else { 201 }, new))
        }
        _ => Err(Failure::method()),
    }
}
