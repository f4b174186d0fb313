//! Resources that the engine only refers to, key vaults and container registries: written and read as they are, without a life of their
//! own.

use serde_json::json;

use super::answer::{Answer, Failure};
use super::body::{self, Shape, optional, required};
use super::call::Call;
use super::resource::{self, NameRule, Subject, check_name};
use super::route::Typed;
use super::{locations, locks};

/// A resource by name.
pub(super) fn one(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let fields = [
        required("location", Shape::Text),
        optional("tags", Shape::Object),
        optional("sku", Shape::Object),
        optional("properties", Shape::Object),
    ];
    let mut new = match call.method.as_str() {
        "GET" => return Ok(Answer::found(subject.found()?)),
        "DELETE" => return resource::delete_now(call, &subject),
        "PUT" => {
            check_name(typed.name(), &NameRule { min: 3, max: 50, also: "-", lower: false })?;
            body::read(&call.body, &fields, false)?
        }
        "PATCH" => {
            let old = subject.old.as_ref().ok_or_else(|| Failure::missing(&subject.id))?;
            body::patched(old, &body::read(&call.body, &fields, true)?)
        }
        _ => return Err(Failure::method()),
    };
    locks::check_write(call, &subject.key)?;
    locations::check_location(&new)?;
    body::normalise_location(&mut new);
    locations::keep_location(subject.old.as_ref(), &new)?;
    body::set(&mut new, "properties.provisioningState", json!("Succeeded"));
    subject.save(call, typed, &mut new)?;
    Ok(Answer::changed(if subject.old.is_some() { 200 } else { 201 }, new))
}
