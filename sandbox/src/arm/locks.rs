//! What management locks keep from being written or deleted.

use super::answer::Failure;
use super::body;
use super::call::Call;
use super::store;

/// The type of locks, as rows carry it.
pub(super) const TYPE: &str = "microsoft.authorization/locks";

/// Refuses a write of something that a ReadOnly lock covers.
///
/// # Errors
/// `ScopeLocked`.
pub(super) fn check_write(call: &Call<'_>, key: &str) -> Result<(), Failure> {
    check_locks(call, key, "write", |level, scope| level.eq_ignore_ascii_case("ReadOnly") && covers(scope, key))
}

/// Refuses a delete of something that a lock covers, or that holds something locked.
///
/// # Errors
/// `ScopeLocked`.
pub(super) fn check_delete(call: &Call<'_>, key: &str) -> Result<(), Failure> {
    check_locks(call, key, "delete", |level, scope| {
        !level.eq_ignore_ascii_case("NotSpecified") && (covers(scope, key) || covers(key, scope))
    })
}

/// Whether `key` is `scope` or below it.
fn covers(scope: &str, key: &str) -> bool {
    key.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn check_locks(call: &Call<'_>, key: &str, what: &str, applies: impl Fn(&str, &str) -> bool) -> Result<(), Failure> {
    for (lock, object) in store::of_type(call.tx, &call.route.subscription, TYPE)? {
        let scope = lock.rsplit_once("/providers/").map_or("", |(scope, _)| scope);
        if applies(body::text(&object, "properties.level").unwrap_or_default(), scope) {
            return Err(Failure::new(
                409,
                "ScopeLocked",
                format!(
                    "The scope '{key}' cannot perform {what} operation because following scope(s) are locked: '{scope}'. Please remove the lock and try again."
                ),
            ));
        }
    }
    Ok(())
}
