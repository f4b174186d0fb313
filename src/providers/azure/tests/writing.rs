//! Writes: bodies, ownership, long-running operations.

use serde_json::{Value as Json, json as j};

use super::server::{Answer, Server, json, refusal, reset, text};
use super::*;
use crate::engine::value::Path;

type Outcome = Result<Option<Observed>, ProviderError>;

async fn run(server: &Server, operation: &Operation) -> (Outcome, Vec<String>) {
    let told = Told::default();
    let outcome = provider(&server.url).execute(operation, &told).await;
    (outcome, told.lines())
}

fn gone() -> Answer {
    refusal(404, "ResourceNotFound", "gone")
}

fn wanted() -> Json {
    j!({"id": disk("x"), "location": "eastus", "tags": {"a": "1"}, "sku": {"name": "Premium_LRS"}, "zones": ["1"],
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 10}})
}

/// The disk as Azure shows it.
fn live(state: &str, lineage: &str) -> Json {
    let mut object = wanted();
    object["tags"]["kompox-lineage"] = lineage.into();
    object["properties"]["provisioningState"] = state.into();
    object["properties"]["uniqueId"] = "u1".into();
    object
}

fn create() -> Operation {
    operation(&disk("x"), Change::Create { desired: wanted() })
}

fn lines() -> (String, String, String, String) {
    let id = disk("x");
    (format!("GET {id}"), format!("PUT {id}"), format!("PATCH {id}"), format!("DELETE {id}"))
}

#[tokio::test]
async fn a_creation_follows_the_asynchronous_operation() {
    let (get, put, ..) = lines();
    let server = Server::start([
        (&*get, gone()),
        (
            &*put,
            json(202, live("Updating", "L1"))
                .with("azure-asyncoperation", "{url}/op/1?api-version=9&s=signature")
                .with("location", "{url}/never")
                .with("retry-after", "0"),
        ),
        ("GET /op/1", json(200, j!({"status": "InProgress", "percentComplete": 40})).with("retry-after", "0")),
        ("GET /op/1", json(200, j!({"status": "Succeeded"}))),
        (&*get, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    let (outcome, told) = run(&server, &create()).await;
    let observed = outcome.unwrap().unwrap();
    assert_eq!((observed.uid.as_deref(), observed.lineage.as_deref()), (Some("u1"), Some("L1")));
    assert_eq!(observed.transition, None);
    assert_eq!(
        told,
        ["accepted /op/1?api-version=9&s=signature", "status Creating, 0 s", "status InProgress 40 %, 0 s"]
    );
    let seen = server.finish();
    let body = &seen[1].body;
    assert_eq!(body["tags"], j!({"a": "1", "kompox-lineage": "L1"}));
    assert_eq!((body.get("id"), &body["zones"]), (None, &j!(["1"])));
}

#[tokio::test]
async fn location_and_provisioning_state_are_followed_too() {
    let (get, put, ..) = lines();
    let server = Server::start([
        (&*get, gone()),
        (&*put, text(202, "").with("location", "/op/2")),
        ("GET /op/2", text(202, "")),
        ("GET /op/2", text(200, "")),
        (&*get, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    let (outcome, told) = run(&server, &create()).await;
    assert!(outcome.unwrap().is_some() && told[0] == "accepted /op/2");
    server.finish();

    let server = Server::start([
        (&*get, gone()),
        (&*put, json(201, live("Creating", "L1"))),
        (&*get, json(200, live("Creating", "L1"))),
        (&*get, json(200, live("Succeeded", "L1"))),
        (&*get, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    let (outcome, told) = run(&server, &create()).await;
    assert!(outcome.unwrap().is_some());
    assert_eq!(told[0], format!("accepted {}?api-version=2024-03-02", disk("x")));
    server.finish();
}

#[tokio::test]
async fn a_failed_operation_tells_its_inner_error() {
    let (get, put, ..) = lines();
    let server = Server::start([
        (&*get, gone()),
        (&*put, text(202, "").with("azure-asyncoperation", "/op/3")),
        (
            "GET /op/3",
            json(200, j!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "no cores left"}})),
        ),
    ])
    .await;
    let error = run(&server, &create()).await.0.unwrap_err();
    assert_eq!((error.code.as_deref(), error.message.as_str()), (Some("QuotaExceeded"), "no cores left"));
    assert_eq!(error.class, ErrorClass::Ambiguous);
    assert!(error.hint.unwrap().contains("quota"));
    server.finish();
}

#[tokio::test]
async fn a_timeout_says_what_was_last_seen_and_no_wait_does_not_wait() {
    let (get, put, ..) = lines();
    let accepted = || json(202, live("Creating", "L1")).with("location", "/op/4");
    let server = Server::start([(&*get, gone()), (&*put, accepted())]).await;
    let late = Operation { timeout: Duration::ZERO, ..create() };
    let (outcome, told) = run(&server, &late).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotReady);
    assert!(error.message.contains("last seen: Accepted"), "{}", error.message);
    assert_eq!(told, ["accepted /op/4"]);

    let server = Server::start([(&*get, gone()), (&*put, accepted())]).await;
    let (outcome, told) = run(&server, &Operation { wait: false, ..create() }).await;
    assert_eq!(outcome.unwrap().unwrap().transition, Some(crate::engine::provider::Transition::Changing));
    assert_eq!(told, ["accepted /op/4"]);
    server.finish();
}

#[tokio::test]
async fn a_foreign_object_is_never_overwritten() {
    let (get, ..) = lines();
    for lineage in ["L2", ""] {
        let mut object = live("Succeeded", lineage);
        if lineage.is_empty() {
            object["tags"] = Json::Null;
        }
        let server = Server::start([(&*get, json(200, object))]).await;
        let error = run(&server, &create()).await.0.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
        let hint = error.hint.unwrap().to_string();
        let address = &create().target.address;
        assert!(hint.ends_with(&format!("kompox import {address} {}", disk("x"))), "{hint}");
        server.finish();
    }
    // A type without tags: only an object that already is what is wanted counts as ours.
    let lock = format!("{GROUP}/providers/Microsoft.Authorization/locks/kompox");
    let change = || Change::Create { desired: j!({"id": lock, "properties": {"level": "CanNotDelete"}}) };
    for (level, ours) in [("CanNotDelete", true), ("ReadOnly", false)] {
        let object = j!({"id": lock, "properties": {"level": level}});
        let server = Server::start([(&*format!("GET {lock}"), json(200, object))]).await;
        assert_eq!(run(&server, &operation(&lock, change())).await.0.is_ok(), ours, "{level}");
        server.finish();
    }
}

#[tokio::test]
async fn what_an_earlier_try_made_is_not_made_again() {
    let (get, _, patch, _) = lines();
    let server = Server::start([
        (&*get, json(200, live("Creating", "L1"))),
        (&*get, json(200, live("Succeeded", "L1"))),
        (&*get, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    assert!(run(&server, &create()).await.0.unwrap().is_some());
    server.finish();

    let mut smaller = live("Succeeded", "L1");
    smaller["properties"]["diskSizeGB"] = 5.into();
    let server = Server::start([
        (&*get, json(200, smaller.clone())),
        (&*get, json(200, smaller)),
        (&*patch, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    assert!(run(&server, &create()).await.0.unwrap().is_some());
    assert_eq!(server.finish()[2].body, j!({"properties": {"diskSizeGB": 10}}));
}

#[tokio::test]
async fn a_failed_disk_is_mended_by_a_request_and_never_called_updated_without_one() {
    let (get, _, patch, _) = lines();
    let update = || operation(&disk("x"), Change::Update { desired: wanted(), removed: Vec::new() });
    let server =
        Server::start([(&*get, json(200, live("Failed", "L1"))), (&*patch, json(200, live("Succeeded", "L1")))]).await;
    assert!(run(&server, &update()).await.0.unwrap().is_some());
    assert_eq!(server.finish()[1].body, j!({"tags": live("Failed", "L1")["tags"]}));

    let server = Server::start([
        (&*get, json(200, live("Failed", "L1"))),
        (&*patch, json(200, live("Failed", "L1"))),
        (&*get, json(200, live("Failed", "L1"))),
    ])
    .await;
    assert!(run(&server, &update()).await.0.is_err());
    server.finish();
}

#[tokio::test]
async fn an_object_that_appears_in_between_is_looked_at() {
    let pool = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/c/agentPools/p");
    let (get, put) = (format!("GET {pool}"), format!("PUT {pool}"));
    let desired = j!({"id": pool, "properties": {"mode": "User", "count": 1}});
    let theirs = j!({"id": pool, "properties": {"mode": "User", "count": 1}});
    let server = Server::start([
        (&*get, gone()),
        (&*put, refusal(412, "PreconditionFailed", "exists")),
        (&*get, json(200, theirs)),
    ])
    .await;
    let error = run(&server, &operation(&pool, Change::Create { desired: desired.clone() })).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    let seen = server.finish();
    assert_eq!(seen[1].headers["if-none-match"], "*");
    assert_eq!(seen[1].body["properties"]["tags"], j!({"kompox-lineage": "L1"}));

    // Our own request, whose answer was lost.
    let ours = j!({"id": pool, "properties": {"mode": "User", "count": 1, "tags": {"kompox-lineage": "L1"}}});
    let server = Server::start([
        (&*get, gone()),
        (&*put, reset()),
        (&*put, refusal(412, "PreconditionFailed", "exists")),
        (&*get, json(200, ours)),
    ])
    .await;
    assert!(run(&server, &operation(&pool, Change::Create { desired })).await.0.unwrap().is_some());
    server.finish();
}

#[tokio::test]
async fn puts_are_tried_again_and_a_lost_one_is_ambiguous() {
    let (get, put, ..) = lines();
    let server = Server::start([
        (&*get, gone()),
        (&*put, refusal(429, "TooManyRequests", "slow").with("retry-after", "0")),
        (&*put, refusal(503, "Unavailable", "later")),
        (&*put, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    let (outcome, told) = run(&server, &create()).await;
    assert!(outcome.unwrap().is_some());
    assert_eq!(told, ["retried 0 TooManyRequests", "retried 0 Unavailable"]);
    assert_eq!(server.counts()[&put], 3);

    for (make, class) in [
        ((|| reset()) as fn() -> Answer, ErrorClass::Ambiguous),
        (|| refusal(500, "Oops", "x"), ErrorClass::Ambiguous),
        (|| refusal(429, "TooManyRequests", "x").with("retry-after", "0"), ErrorClass::Rejected),
    ] {
        let server = Server::start([(&*get, gone()), (&*put, make()), (&*put, make()), (&*put, make())]).await;
        assert_eq!(run(&server, &create()).await.0.unwrap_err().class, class);
        server.finish();
    }
    for (answer, class) in [
        (refusal(400, "InvalidParameter", "x"), ErrorClass::Rejected),
        (refusal(403, "AuthorizationFailed", "x"), ErrorClass::Denied),
        (text(200, "<html>"), ErrorClass::Ambiguous),
    ] {
        let server = Server::start([(&*get, gone()), (&*put, answer)]).await;
        assert_eq!(run(&server, &create()).await.0.unwrap_err().class, class);
        assert_eq!(server.finish().len(), 2);
    }
}

#[tokio::test]
async fn another_operation_in_progress_is_waited_for() {
    let (get, put, ..) = lines();
    let busy = || refusal(409, "OperationNotAllowed", "Another operation (Updating) is in progress");
    let server =
        Server::start([(&*get, gone()), (&*put, busy()), (&*get, gone()), (&*put, json(200, live("Succeeded", "L1")))])
            .await;
    assert!(run(&server, &create()).await.0.unwrap().is_some());
    server.finish();
    let server = Server::start([(&*get, gone()), (&*put, busy())]).await;
    let late = Operation { timeout: Duration::ZERO, ..create() };
    assert_eq!(run(&server, &late).await.0.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn a_role_assignment_that_exists_under_another_name_is_taken() {
    let wanted = role::id(GROUP, "p1", "r1");
    let other = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/random");
    let item = j!({"id": other, "properties": {"scope": GROUP, "principalId": "p1", "roleDefinitionId": "/x/r1"}});
    let list = format!("GET {GROUP}/providers/Microsoft.Authorization/roleAssignments");
    let server = Server::start([
        (&*format!("GET {wanted}"), refusal(404, "RoleAssignmentNotFound", "no")),
        (&*format!("GET {wanted}"), refusal(404, "RoleAssignmentNotFound", "no")),
        (&*format!("PUT {wanted}"), refusal(400, "PrincipalNotFound", "not replicated")),
        (&*format!("PUT {wanted}"), refusal(409, "RoleAssignmentExists", "exists")),
        (&*list, json(200, j!({"value": [item]}))),
    ])
    .await;
    let desired = j!({"scope": GROUP, "properties": {
        "principalId": "p1", "roleDefinitionId": "/x/r1", "principalType": "ServicePrincipal"}});
    let mut operation = operation("", Change::Create { desired });
    operation.target.physical_id = None;
    assert_eq!(run(&server, &operation).await.0.unwrap().unwrap().physical_id, other);
    assert_eq!(server.finish()[1].body["scope"], Json::Null);
}

#[tokio::test]
async fn an_update_keeps_what_is_not_ours() {
    let group = j!({"id": GROUP, "name": "g", "location": "eastus", "tags": {"theirs": "1", "old": "2"},
        "properties": {"provisioningState": "Succeeded"}});
    let server = Server::start([
        (&*format!("GET {GROUP}"), json(200, group)),
        (&*format!("PUT {GROUP}"), json(200, j!({"id": GROUP}))),
    ])
    .await;
    let change = Change::Update {
        desired: j!({"id": GROUP, "tags": {"ours": "3"}}),
        removed: vec![Path::root().key("tags").key("old")],
    };
    run(&server, &operation(GROUP, change)).await.0.unwrap();
    let tags = j!({"theirs": "1", "ours": "3", "kompox-lineage": "L1"});
    assert_eq!(server.finish()[1].body, j!({"location": "eastus", "tags": tags}));

    let (get, ..) = lines();
    let mut moved = wanted();
    moved["zones"] = j!(["2"]);
    let server = Server::start([(&*get, json(200, live("Succeeded", "L1"))), (&*get, gone())]).await;
    let update = || operation(&disk("x"), Change::Update { desired: moved.clone(), removed: Vec::new() });
    let error = run(&server, &update()).await.0.unwrap_err();
    assert!(error.class == ErrorClass::Rejected && error.message.contains("zones"), "{}", error.message);
    assert_eq!(run(&server, &update()).await.0.unwrap_err().class, ErrorClass::Conflict);
    server.finish();
}

#[tokio::test]
async fn a_snapshot_is_ready_when_it_is_copied() {
    let id = format!("{GROUP}/providers/Microsoft.Compute/snapshots/x");
    let shown = |percent: f64| {
        json(200, j!({"id": id, "properties": {"provisioningState": "Succeeded", "completionPercent": percent}}))
    };
    let get = format!("GET {id}");
    let server = Server::start([
        (&*get, gone()),
        (&*format!("PUT {id}"), shown(0.0)),
        (&*get, shown(40.0)),
        (&*get, shown(100.0)),
        (&*get, shown(100.0)),
    ])
    .await;
    let desired = j!({"id": id, "location": "l", "properties": {"creationData": {"createOption": "CopyStart"}}});
    let (outcome, told) = run(&server, &operation(&id, Change::Create { desired })).await;
    assert!(outcome.unwrap().is_some());
    assert!(told.contains(&"status Succeeded, copied 40 %, 0 s".to_owned()), "{told:?}");
    server.finish();
}

#[tokio::test]
async fn an_update_starts_from_what_is_there_now() {
    let cluster = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/c");
    let (get, put) = (format!("GET {cluster}"), format!("PUT {cluster}"));
    let shown = |etag: &str, version: &str| {
        let tags = j!({"kompox-lineage": "L1"});
        json(200, j!({"id": cluster, "eTag": etag, "tags": tags, "properties": {"kubernetesVersion": version}}))
    };
    let server = Server::start([
        (&*get, shown("1", "1.33")),
        (&*put, refusal(409, "OperationNotAllowed", "an upgrade is in progress")),
        (&*get, shown("2", "1.34")),
        (&*put, refusal(412, "EtagMismatch", "changed")),
        (&*get, shown("3", "1.34")),
        (&*put, shown("4", "1.34")),
    ])
    .await;
    let change = Change::Update { desired: j!({"id": cluster, "tags": {"a": "1"}}), removed: Vec::new() };
    run(&server, &operation(&cluster, change)).await.0.unwrap();
    let seen = server.finish();
    assert_eq!(
        (&seen[1].headers["if-match"], &seen[5].headers["if-match"]),
        (&"1".parse().unwrap(), &"3".parse().unwrap())
    );
    assert_eq!(seen[5].body["properties"]["kubernetesVersion"], "1.34");
    assert_eq!(seen[5].body.get("eTag"), None);

    // Nothing to change, but the last change failed: sent again, which is how Azure mends it.
    let broken = j!({"id": cluster, "tags": {"kompox-lineage": "L1"}, "properties": {"provisioningState": "Failed"}});
    let server = Server::start([(&*get, json(200, broken)), (&*put, shown("5", "1.34"))]).await;
    let change = Change::Update { desired: j!({"id": cluster}), removed: Vec::new() };
    run(&server, &operation(&cluster, change)).await.0.unwrap();
    assert_eq!(server.finish()[1].body, j!({"tags": {"kompox-lineage": "L1"}}));
}

#[tokio::test]
async fn only_what_was_reviewed_is_deleted() {
    let (get, _, _, delete) = lines();
    let remove = |uid: &str| operation(&disk("x"), Change::Delete { uid: Some(uid.into()) });
    let server = Server::start([
        (&*get, json(200, live("Succeeded", "L1"))),
        (&*delete, text(202, "").with("location", "/op/5")),
        ("GET /op/5", text(202, "")),
        ("GET /op/5", text(204, "")),
        (&*get, json(200, live("Deleting", "L1"))),
        (&*get, gone()),
    ])
    .await;
    assert!(run(&server, &remove("u1")).await.0.unwrap().is_none());
    server.finish();

    for (object, says) in [(live("Succeeded", "L1"), "made anew"), (live("Succeeded", "L2"), "another state")] {
        let uid = if says == "made anew" { "u0" } else { "u1" };
        let server = Server::start([(&*get, json(200, object))]).await;
        let error = run(&server, &remove(uid)).await.0.unwrap_err();
        assert!(error.class == ErrorClass::Conflict && error.message.contains(says), "{}", error.message);
        server.finish();
    }
    for script in [vec![gone()], vec![json(200, live("Succeeded", "L1")), gone()]] {
        let mut script = script.into_iter();
        let first = script.next().unwrap();
        let server = match script.next() {
            None => Server::start([(&*get, first)]).await,
            Some(second) => Server::start([(&*get, first), (&*delete, second)]).await,
        };
        assert!(run(&server, &remove("u1")).await.0.unwrap().is_none());
        server.finish();
    }
    // A page of a proxy is no proof that it is gone.
    let server = Server::start([(&*get, json(200, live("Succeeded", "L1"))), (&*delete, text(404, "<html>"))]).await;
    assert!(run(&server, &remove("u1")).await.0.is_err());
}

#[tokio::test]
async fn an_operation_of_an_earlier_process_is_resumed() {
    let (get, ..) = lines();
    let resume = || operation(&disk("x"), Change::Resume { operation_url: "/op/6?api-version=9".into() });
    let server = Server::start([
        ("GET /op/6", json(200, j!({"status": "Running"})).with("retry-after", "0")),
        ("GET /op/6", json(200, j!({"status": "Succeeded"}))),
        (&*get, json(200, live("Succeeded", "L1"))),
        (&*get, json(200, live("Succeeded", "L1"))),
    ])
    .await;
    assert!(run(&server, &resume()).await.0.unwrap().is_some());
    assert_eq!(server.finish()[0].query, "api-version=9");
    // Forgotten by the server; the object was deleted.
    let server = Server::start([("GET /op/6", gone()), (&*get, gone())]).await;
    assert!(run(&server, &resume()).await.0.unwrap().is_none());
    server.finish();
    let stray = operation(&disk("x"), Change::Resume { operation_url: "https://evil.example/op".into() });
    let server = Server::start([]).await;
    assert!(run(&server, &stray).await.0.is_err());
}

/// Every type is sent with the fields that its OpenAPI requires, its API version, our mark, and nothing read-only.
#[tokio::test]
async fn bodies_have_what_the_api_requires() {
    let id = |path: &str| format!("{GROUP}/providers/{path}");
    let cases: [(String, &str, Json, &[&str]); 11] = [
        (GROUP.into(), "2021-04-01", j!({"location": "l"}), &["/location", "/tags/kompox-lineage"]),
        (
            id("Microsoft.Compute/disks/x"),
            "2024-03-02",
            j!({"location": "l", "properties": {"creationData": {"createOption": "Empty"}}}),
            &["/location", "/properties/creationData/createOption", "/tags/kompox-lineage"],
        ),
        (
            id("Microsoft.Compute/snapshots/x"),
            "2024-03-02",
            j!({"location": "l", "properties": {"creationData": {"createOption": "Copy", "sourceResourceId": "d"}}}),
            &["/location", "/properties/creationData/createOption", "/tags/kompox-lineage"],
        ),
        (
            id("Microsoft.ContainerService/managedClusters/x"),
            "2024-09-01",
            j!({"location": "l", "properties": {"agentPoolProfiles": [{"name": "npsystem"}]}}),
            &["/location", "/properties/agentPoolProfiles/0/name", "/tags/kompox-lineage"],
        ),
        (
            id("Microsoft.ContainerService/managedClusters/x/agentPools/p"),
            "2024-09-01",
            j!({"properties": {"count": 1}}),
            &["/properties/count", "/properties/tags/kompox-lineage"],
        ),
        (
            id("Microsoft.ManagedIdentity/userAssignedIdentities/x"),
            "2023-01-31",
            j!({"location": "l"}),
            &["/location", "/tags/kompox-lineage"],
        ),
        (
            id("Microsoft.ManagedIdentity/userAssignedIdentities/x/federatedIdentityCredentials/f"),
            "2023-01-31",
            j!({"properties": {"issuer": "i", "subject": "s", "audiences": ["a"]}}),
            &["/properties/issuer", "/properties/subject", "/properties/audiences/0"],
        ),
        (
            id("Microsoft.Authorization/locks/x"),
            "2020-05-01",
            j!({"properties": {"level": "CanNotDelete"}}),
            &["/properties/level"],
        ),
        (
            id("Microsoft.Storage/storageAccounts/x"),
            "2023-05-01",
            j!({"location": "l", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}),
            &["/location", "/kind", "/sku/name", "/tags/kompox-lineage"],
        ),
        (
            id("Microsoft.Storage/storageAccounts/x/fileServices/default/shares/y"),
            "2023-05-01",
            j!({"properties": {"shareQuota": 5}}),
            &["/properties/shareQuota", "/properties/metadata/kompox_lineage"],
        ),
        (
            id("Microsoft.Network/dnsZones/example.com/A/@"),
            "2018-05-01",
            j!({"properties": {"TTL": 300, "ARecords": [{"ipv4Address": "192.0.2.1"}]}}),
            &["/properties/ARecords/0", "/properties/metadata/kompox-lineage"],
        ),
    ];
    for (id, version, mut desired, required) in cases {
        let (get, put) = (format!("GET {id}"), format!("PUT {id}"));
        desired["id"] = id.as_str().into();
        let answer = j!({"id": id});
        let server = Server::start([(&*get, gone()), (&*put, json(201, answer))]).await;
        run(&server, &operation(&id, Change::Create { desired })).await.0.unwrap();
        let seen = server.finish();
        assert_eq!(seen[1].query, format!("api-version={version}"), "{id}");
        for pointer in required {
            assert!(seen[1].body.pointer(pointer).is_some(), "{id}: {pointer} in {}", seen[1].body);
        }
        assert!(seen[1].body.get("id").is_none());
    }
}

fn safeguard_of(id: &str) -> Operation {
    operation(id, Change::Delete { uid: Some("u-1-2-3".into()) })
}

fn copied(state: &str) -> Json {
    j!({
        "id": format!("{GROUP}/providers/Microsoft.Compute/snapshots/x_safety_u123"), "location": "eastus",
        "tags": {"kompox-lineage": "L1", "kompox-safety": "true", "a": "b"},
        "sku": {"name": "Standard_ZRS"},
        "properties": {"provisioningState": state, "incremental": true,
            "creationData": {"createOption": "Copy", "sourceResourceId": disk("x")}},
    })
}

fn to_be_copied() -> Json {
    j!({
        "id": disk("x"), "location": "eastus", "tags": {"kompox-lineage": "L1", "a": "b"},
        "sku": {"name": "PremiumV2_LRS"}, "zones": ["2"],
        "properties": {"provisioningState": "Succeeded", "uniqueId": "u-1-2-3", "diskSizeGB": 10},
    })
}

/// The line of a request about the disk or about its copy.
fn about(method: &str, kind: &str, name: &str) -> String {
    format!("{method} {GROUP}/providers/Microsoft.Compute/{kind}/{name}")
}

#[tokio::test]
async fn a_safety_copy_is_whole_before_it_counts() {
    let snapshot = "x_safety_u123";
    let server = Server::start([
        (about("GET", "disks", "x").as_str(), json(200, to_be_copied())),
        (about("GET", "snapshots", snapshot).as_str(), gone()),
        (about("PUT", "snapshots", snapshot).as_str(), json(201, copied("Updating"))),
        (about("GET", "snapshots", snapshot).as_str(), json(200, copied("Updating"))),
        (about("GET", "snapshots", snapshot).as_str(), json(200, copied("Succeeded"))),
        (about("GET", "snapshots", snapshot).as_str(), json(200, copied("Succeeded"))),
    ])
    .await;
    let told = Told::default();
    let copy = provider(&server.url).safeguard(&safeguard_of(&disk("x")), &told).await.unwrap().unwrap();
    assert_eq!(copy.physical_id, format!("{GROUP}/providers/Microsoft.Compute/snapshots/{snapshot}"));
    for part in
        ["az disk create --subscription s1 --resource-group g --name x --sku PremiumV2_LRS --zone 2 --source", snapshot]
    {
        assert!(copy.restore.contains(part), "{}", copy.restore);
    }
    let sent = server.finish().into_iter().find(|seen| seen.line.starts_with("PUT")).unwrap().body;
    assert_eq!(sent["properties"]["creationData"], j!({"createOption": "Copy", "sourceResourceId": disk("x")}));
    assert_eq!((&sent["tags"]["kompox-safety"], &sent["tags"]["a"]), (&j!("true"), &j!("b")));
}

#[tokio::test]
async fn a_safety_copy_that_is_refused_or_breaks_off_or_cannot_be_known_is_none() {
    let get_disk = about("GET", "disks", "x");
    let (get, put) = (about("GET", "snapshots", "x_safety_u123"), about("PUT", "snapshots", "x_safety_u123"));
    let look = async |server: Server| {
        let copy = provider(&server.url).safeguard(&safeguard_of(&disk("x")), &Told::default()).await;
        server.finish();
        copy.unwrap_err()
    };
    let refused = Server::start([
        (get_disk.as_str(), json(200, to_be_copied())),
        (get.as_str(), gone()),
        (put.as_str(), refusal(409, "QuotaExceeded", "no room")),
    ]);
    assert_eq!(look(refused.await).await.code.as_deref(), Some("QuotaExceeded"));
    let broken = Server::start([
        (get_disk.as_str(), json(200, to_be_copied())),
        (get.as_str(), gone()),
        (put.as_str(), json(201, copied("Updating"))),
        (get.as_str(), json(200, copied("Failed"))),
    ]);
    assert_eq!(look(broken.await).await.class, ErrorClass::Ambiguous);
    let unknown = Server::start([(get_disk.as_str(), refusal(403, "AuthorizationFailed", "m"))]);
    assert_eq!(look(unknown.await).await.class, ErrorClass::Denied);
}

#[tokio::test]
async fn a_disk_that_is_gone_needs_no_safety_copy_and_a_second_try_makes_no_second_one() {
    let (get_disk, get) = (about("GET", "disks", "x"), about("GET", "snapshots", "x_safety_u123"));
    let server = Server::start([(get_disk.as_str(), gone())]).await;
    assert_eq!(provider(&server.url).safeguard(&safeguard_of(&disk("x")), &Told::default()).await.unwrap(), None);
    server.finish();
    let server =
        Server::start([(get_disk.as_str(), json(200, to_be_copied())), (get.as_str(), json(200, copied("Succeeded")))])
            .await;
    assert!(provider(&server.url).safeguard(&safeguard_of(&disk("x")), &Told::default()).await.unwrap().is_some());
    server.finish();
}
