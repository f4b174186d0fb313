//! Volumes whose claim is gone.

use serde_json::{Value, json};

use super::*;
use crate::engine::provider::{ErrorClass, Observation, Provider as _, Tie};
use crate::engine::value::Path;

const VOLUME: &str = "/api/v1/persistentvolumes/v";
const CLAIM_ID: &str = "/api/v1/namespaces/n/persistentvolumeclaims/c";
static VOLUMES: Kind = Kind::plain("PersistentVolume");

fn volume(uid: Option<&str>) -> Value {
    let mut reference = json!({"kind": "PersistentVolumeClaim", "namespace": "n", "name": "c"});
    if let Some(uid) = uid {
        reference["uid"] = uid.into();
        reference["resourceVersion"] = "7".into();
    }
    live(json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {"claimRef": reference}
    }))
}

fn claim(uid: &str, is_deleting: bool) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": "n", "uid": uid, "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"volumeName": "v"}
    });
    if is_deleting {
        claim["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    claim
}

/// A volume tied to `u1`, and this claim.
async fn server(claim: Option<Value>, patched: u16) -> Server {
    Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("PATCH", _) if patched == 200 => Answer::Json(200, volume(None)),
        ("PATCH", _) => Answer::status(patched, "", "the test of /spec/claimRef/uid failed", json!({})),
        (_, VOLUME) => Answer::Json(200, volume(Some("u1"))),
        _ => claim
            .clone()
            .map_or_else(|| Answer::not_found("persistentvolumeclaims", "c"), |claim| Answer::Json(200, claim)),
    })
    .await
}

fn release(value: &str) -> Operation {
    let path = Path::root().key("spec").key("claimRef").key("uid");
    let tie = Tie { path, value: value.to_owned(), to: String::new() };
    operation(target(&VOLUMES, VOLUME), Change::Release { tie })
}

#[tokio::test]
async fn a_volume_is_tied_as_long_as_its_claim_stands_in_it() {
    for (claim, tied) in [
        (None, true),
        (Some(claim("u2", false)), true),
        (Some(claim("u1", true)), true),
        (Some(claim("u1", false)), false),
    ] {
        let server = server(claim.clone(), 200).await;
        let both = [target(&VOLUMES, VOLUME), target(&CLAIM, CLAIM_ID)];
        for targets in [&both[..1], &both[..]] {
            let read = server.provider().read(targets).await;
            let Observation::Found(observed) = &read[0] else { panic!("{read:?}") };
            assert_eq!(observed.tie.as_ref().map(|tie| tie.value.as_str()), tied.then_some("u1"), "{claim:?}");
        }
    }
}

#[tokio::test]
async fn a_release_tests_the_uid_and_touches_nothing_else() {
    let server = server(None, 200).await;
    let told = Told::default();
    let released = server.provider().execute(&release("u1"), &told).await.unwrap().unwrap();
    assert_eq!(released.tie, None);
    let sent = server.seen().into_iter().find(|seen| seen.method == "PATCH").unwrap();
    assert_eq!(sent.headers["content-type"], "application/json-patch+json");
    assert_eq!(
        sent.body,
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "uid-1"},
            {"op": "test", "path": "/spec/claimRef/uid", "value": "u1"},
            {"op": "remove", "path": "/spec/claimRef/uid"},
            {"op": "remove", "path": "/spec/claimRef/resourceVersion"},
        ])
    );
}

#[tokio::test]
async fn a_volume_in_use_is_not_released() {
    for (claim, patched, value, patches) in [
        (Some(claim("u1", false)), 200, "u1", 0),
        (None, 200, "u0", 0),
        (None, 422, "u1", 1),
        (Some(claim("u1", true)), 200, "u1", 0),
    ] {
        let server = server(claim.clone(), patched).await;
        let told = Told::default();
        told.stop.notify_one();
        let error = server.provider().execute(&release(value), &told).await.unwrap_err();
        let is_ending = claim.is_some_and(|claim| claim["metadata"].get("deletionTimestamp").is_some());
        assert_eq!(error.class, if is_ending { ErrorClass::NotReady } else { ErrorClass::Conflict }, "{error}");
        assert_eq!(server.count(&format!("PATCH {VOLUME}")), patches, "{error}");
    }
}

#[tokio::test]
async fn a_volume_of_another_state_is_not_released_unless_it_was_adopted() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("PATCH", _) => Answer::Json(200, volume(None)),
        (_, VOLUME) => {
            let mut theirs = volume(Some("u1"));
            theirs["metadata"]["annotations"]["kompox.dev/lineage"] = "another".into();
            Answer::Json(200, theirs)
        }
        _ => Answer::not_found("persistentvolumeclaims", "c"),
    })
    .await;
    let error = server.provider().execute(&release("u1"), &Told::default()).await.unwrap_err();
    assert_eq!((error.class, server.count(&format!("PATCH {VOLUME}"))), (ErrorClass::Conflict, 0), "{error}");
    let adopted = Operation { adopted: true, ..release("u1") };
    server.provider().execute(&adopted, &Told::default()).await.unwrap();
    assert_eq!(server.count(&format!("PATCH {VOLUME}")), 1);
}

#[tokio::test]
async fn a_volume_made_anew_for_a_claim_that_had_it_is_given_back_to_it() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", VOLUME) => Answer::not_found("persistentvolumes", "v"),
        ("PATCH", _) if seen.headers["content-type"] == "application/json-patch+json" => {
            Answer::Json(200, volume(Some("u1")))
        }
        ("PATCH", _) => Answer::Json(201, volume(None)),
        _ => Answer::Json(200, claim("u1", false)),
    })
    .await;
    let mut desired = volume(None);
    desired["metadata"] = json!({"name": "v"});
    let create = operation(target(&VOLUMES, VOLUME), Change::Create { desired });
    let made = server.provider().execute(&create, &Told::default()).await.unwrap().unwrap();
    assert_eq!(made.object.value()["spec"]["claimRef"]["uid"], "u1");
}
