//! Creating, changing and deleting one object.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::provider::{Change, ErrorClass, Observed, Operation, Progress, ProviderError, Transition};
use crate::engine::value::Path;

use super::client::{Method, Precondition, Request, Response};
use super::error::{is_busy, is_missing, with_free_name};
use super::id::ArmId;
use super::operation::Wait;
use super::read::{identify, observed, transition, uid};
use super::subscription::AzureProvider;
use super::types::{LOCKS, ROLE_ASSIGNMENTS, ResourceType, Update};
use super::{body, role};

/// Times that a change starts anew because the object changed between the look and the request.
const LOOKS: usize = 4;

impl AzureProvider {
    /// Carries out a change; see [`crate::engine::provider::Provider::execute`].
    pub(super) async fn carry_out(
        &self,
        operation: &Operation,
        progress: &dyn Progress,
    ) -> Result<Option<Observed>, ProviderError> {
        let known = match (&operation.target.physical_id, &operation.change) {
            (Some(id), _) => Some(id.clone()),
            (None, Change::Create { desired } | Change::Update { desired, .. }) => role::desired_id(&desired.into()),
            (None, _) => None,
        };
        let Some(known) = known else {
            let message = format!("{}: its Azure id is not known", operation.target.address);
            return Err(ProviderError::new(ErrorClass::Rejected, message));
        };
        let (id, kind) = identify(&known)?;
        let wait = Wait {
            arm: &self.arm,
            recent: &self.recent,
            id: &id,
            kind,
            progress,
            doing: match operation.change {
                Change::Create { .. } => "Creating",
                Change::Update { .. } => "Updating",
                Change::Delete { .. } => "Deleting",
                Change::Release { .. } | Change::Resume { .. } => "Running",
            },
            started: Instant::now(),
            timeout: operation.timeout,
            poll_cap: self.poll_cap,
            polls: AtomicU32::new(0),
        };
        let object = match &operation.change {
            Change::Create { desired } => {
                Some(create(&wait, operation, desired).await.map_err(|error| with_free_name(error, &id))?)
            }
            Change::Update { desired, removed } => Some(update(&wait, operation, desired, removed).await?),
            Change::Delete { uid } => {
                delete(&wait, operation, uid.as_deref()).await?;
                None
            }
            Change::Release { .. } => {
                let message = format!("{id}: nothing in Azure is tied to what is gone");
                return Err(ProviderError::new(ErrorClass::Rejected, message));
            }
            Change::Resume { operation_url } => resume(&wait, operation_url).await?,
        };
        match &object {
            Some(_) => self.recent.saw(id.as_str()),
            None => self.recent.lost(id.as_str()),
        }
        if kind.name == LOCKS && !matches!(operation.change, Change::Create { .. }) {
            self.recent.unlocked(id.scope());
        }
        Ok(object.map(|object| observed(object, &id, kind)))
    }
}

async fn create(wait: &Wait<'_>, operation: &Operation, desired: &Value) -> Result<Value, ProviderError> {
    let mut wanted = desired.clone();
    body::strip_read_only(&mut wanted, wait.kind);
    body::set_lineage(&mut wanted, wait.kind, &operation.lineage);
    let mut looks = 0;
    loop {
        looks += 1;
        // Looking first keeps a foreign object of that name from being overwritten: most APIs have no precondition.
        let live = wait.arm.get_object(wait.url()).await?;
        let mut precondition = if wait.kind.if_none_match { Precondition::Absent } else { Precondition::None };
        if let Some(live) = live {
            match transition(&live.body, wait.kind) {
                Some(Transition::Deleting) => {
                    wait.gone().await?;
                    continue;
                }
                _ if !is_ours(wait.id, wait.kind, &live.body, &wanted, &operation.lineage) => {
                    return Err(foreign(wait.id, wait.kind, &operation.target.address));
                }
                // Made by us, in an earlier try: nothing must be made twice.
                Some(Transition::Changing) => {
                    wait.ready().await?;
                    continue;
                }
                None if body::covers(&live.body, &wanted) => return Ok(live.body),
                None => return update(wait, operation, desired, &[]).await,
                Some(Transition::Failed) if wait.kind.update != Update::Put => {
                    return Err(ProviderError::new(
                        ErrorClass::Conflict,
                        format!("{} was made by an earlier try, and its provisioning failed", wait.id),
                    )
                    .hint("delete it in Azure, then apply again"));
                }
                // Sending it again is how a failed one is mended.
                Some(Transition::Failed) => precondition = Precondition::None,
            }
        }
        let request = request(wait, Method::PUT, Some(&wanted), precondition);
        match wait.arm.send(&request).await {
            Ok(response) => return finish(wait, operation, response).await,
            Err(error) if is_same_role(&error, wait.kind) => {
                return match role::find(wait.arm, wait.id).await? {
                    Some(existing) => Ok(existing),
                    None => Err(error),
                };
            }
            Err(error) => again(wait, error, looks).await?,
        }
    }
}

/// Whether an object that is there already was made by us: by its mark, or, where its type cannot carry one, because it
/// already is what is wanted. Whose an assignment is does not matter, since its name follows from what it says.
fn is_ours(id: &ArmId, kind: &ResourceType, live: &Value, wanted: &Value, lineage: &str) -> bool {
    if kind.name == ROLE_ASSIGNMENTS {
        return role::id_of(live).is_some_and(|made| made.to_lowercase() == id.key());
    }
    match kind.tags {
        Some(_) => body::lineage_of(live, kind) == Some(lineage),
        None => body::covers(live, wanted),
    }
}

fn is_same_role(error: &ProviderError, kind: &ResourceType) -> bool {
    kind.name == ROLE_ASSIGNMENTS && error.code.as_deref() == Some("RoleAssignmentExists")
}

fn foreign(id: &ArmId, kind: &ResourceType, address: &Address) -> ProviderError {
    let why = if kind.tags.is_some() { "was not made from this state" } else { "exists and is not as wanted" };
    ProviderError::new(ErrorClass::Conflict, format!("{id} {why}; it is left as it is"))
        .hint(Advice::run("to take it over", Command::import(address).word(id)))
}

fn request<'a>(wait: &'a Wait<'_>, method: Method, body: Option<&'a Value>, precondition: Precondition) -> Request<'a> {
    Request { method, url: wait.url(), body, precondition, progress: Some(wait.progress) }
}

/// Whether to look and try again after an error: returns when it is time to, and gives the error back when it stands.
/// What was seen before may have changed, so the caller starts from a new look.
async fn again(wait: &Wait<'_>, error: ProviderError, looks: usize) -> Result<(), ProviderError> {
    if is_busy(&error) || wait.recent.lags(&error, wait.id, wait.started) {
        let reason = error.code.clone().unwrap_or_default();
        return wait.pause(None, &reason).await.map_err(|_| error);
    }
    // A precondition that does not hold any more.
    if error.status == Some(412) && looks < LOOKS { Ok(()) } else { Err(error) }
}

async fn update(
    wait: &Wait<'_>,
    operation: &Operation,
    desired: &Value,
    removed: &[Path],
) -> Result<Value, ProviderError> {
    let mut looks = 0;
    loop {
        looks += 1;
        let Some(live) = wait.arm.get_object(wait.url()).await? else {
            return Err(ProviderError::new(ErrorClass::Conflict, format!("{} does not exist any more", wait.id))
                .hint("plan again"));
        };
        let lineage = operation.lineage.as_str();
        let mut wanted = desired.clone();
        body::leave(&mut wanted, &live.body, operation.target.kind);
        let body = body::update(wait.kind, &live.body, &wanted, removed, lineage).map_err(|field| {
            ProviderError::new(ErrorClass::Rejected, format!("{}: {field} cannot be changed in place", wait.id))
                .hint("plan again: what Azure has differs from what was reviewed")
        })?;
        let puts = wait.kind.update == Update::Put;
        let body = match (body, transition(&live.body, wait.kind)) {
            (Some(body), _) => body,
            // Sending again what it has is how a failed one is mended.
            (None, Some(Transition::Failed)) if puts => {
                let mut body = live.body.clone();
                body::strip_read_only(&mut body, wait.kind);
                body
            }
            (None, Some(Transition::Failed)) => {
                serde_json::json!({"tags": live.body.get("tags").unwrap_or(&Value::Null)})
            }
            (None, Some(Transition::Changing)) if operation.wait => return wait.ready().await,
            (None, _) => return Ok(live.body),
        };
        let method = if puts { Method::PUT } else { Method::PATCH };
        let precondition = match etag(&live.body) {
            Some(etag) if wait.kind.if_none_match => Precondition::Unchanged(etag.to_owned()),
            _ => Precondition::None,
        };
        match wait.arm.send(&request(wait, method, Some(&body), precondition)).await {
            Ok(response) => return finish(wait, operation, response).await,
            Err(error) => again(wait, error, looks).await?,
        }
    }
}

/// What tells one state of an object from the next, as clusters, pools and record sets spell it.
fn etag(object: &Value) -> Option<&str> {
    let found = ["/eTag", "/etag", "/properties/eTag"].iter().find_map(|pointer| object.pointer(pointer));
    found.and_then(Value::as_str).filter(|etag| !etag.is_empty())
}

async fn delete(wait: &Wait<'_>, operation: &Operation, reviewed: Option<&str>) -> Result<(), ProviderError> {
    let mut looks = 0;
    let response = loop {
        looks += 1;
        if reviewed.is_some() || wait.kind.tags.is_some() {
            let Some(live) = wait.arm.get_object(wait.url()).await? else { return Ok(()) };
            let conflict = |why: &str| {
                Err(ProviderError::new(ErrorClass::Conflict, format!("{} {why}; it is left as it is", wait.id))
                    .hint("plan again"))
            };
            if reviewed.is_some() && uid(&live.body, wait.kind).as_deref() != reviewed {
                return conflict("was deleted and made anew since the review");
            }
            // A mark that somebody took away is as good as another state's.
            match body::lineage_of(&live.body, wait.kind) {
                _ if wait.kind.tags.is_none() => {}
                Some(lineage) if lineage == operation.lineage => {}
                Some(_) => return conflict("belongs to another state now"),
                None => return conflict("does not carry the mark of this state any more"),
            }
        }
        match wait.arm.send(&request(wait, Method::DELETE, None, Precondition::None)).await {
            Ok(response) => break response,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => again(wait, error, looks).await?,
        }
    };
    // A deletion answers with the object only while it goes on.
    let Some(url) = wait.accepted(&response).await? else { return Ok(()) };
    if operation.wait {
        wait.follow(url, response.retry_after()).await?;
        wait.gone().await?;
    }
    Ok(())
}

async fn resume(wait: &Wait<'_>, operation_url: &str) -> Result<Option<Value>, ProviderError> {
    let url = wait.arm.resolve(operation_url)?;
    wait.follow(url, Some(Duration::ZERO)).await?;
    let Some(live) = wait.arm.get_object(wait.url()).await? else { return Ok(None) };
    if transition(&live.body, wait.kind) == Some(Transition::Deleting) {
        wait.gone().await?;
        return Ok(None);
    }
    wait.ready().await.map(Some)
}

/// Waits, if asked to, until what was accepted is done, and gives the object.
async fn finish(wait: &Wait<'_>, operation: &Operation, response: Response) -> Result<Value, ProviderError> {
    let followed = wait.accepted(&response).await?;
    let shown = response.body.get("id").is_some();
    match followed {
        None if shown && (!operation.wait || transition(&response.body, wait.kind).is_none()) => Ok(response.body),
        Some(_) if !operation.wait && shown => Ok(response.body),
        Some(_) if !operation.wait => {
            let live = wait.arm.get_object(wait.url()).await?.map(|live| live.body);
            // Accepted, but not to be seen yet: what is known of it is its id and that it is being made.
            Ok(live.unwrap_or_else(
                || serde_json::json!({"id": wait.id.as_str(), "properties": {"provisioningState": "Creating"}}),
            ))
        }
        None => wait.ready().await,
        Some(url) => {
            wait.follow(url, response.retry_after()).await?;
            wait.ready().await
        }
    }
}
