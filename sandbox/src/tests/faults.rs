//! Faults as a client meets them.

use super::*;

async fn disk_url(bed: &Bed) -> String {
    let group = bed.group("g1").await;
    format!("{}{SUBSCRIPTION}{group}/providers/Microsoft.Compute/disks/d1?api-version={COMPUTE}", bed.base)
}

async fn exists(bed: &Bed) -> bool {
    bed.get("/resourceGroups/g1/providers/Microsoft.Compute/disks/d1", COMPUTE).await.status == 200
}

#[tokio::test]
async fn a_status_takes_the_place_of_the_effect() {
    let bed =
        Bed::with(&["disks.put:429,times=1,retry-after=7", "disks.put:quota,times=1", "disks.put:503,times=1"], 100)
            .await;
    let url = disk_url(&bed).await;
    let throttled = bed.send(Method::PUT, &url, Some(empty_disk(8))).await.unwrap();
    assert_eq!(throttled.header("retry-after"), "7");
    throttled.refused(429, "TooManyRequests");
    assert!(!exists(&bed).await);
    // One answer for one request: the other rules wait for theirs.
    bed.send(Method::PUT, &url, Some(empty_disk(8))).await.unwrap().refused(409, "QuotaExceeded");
    bed.send(Method::PUT, &url, Some(empty_disk(8))).await.unwrap().refused(503, "ServerTimeout");
    bed.send(Method::PUT, &url, Some(empty_disk(8))).await.unwrap().expect(202);
    assert!(exists(&bed).await);
    let log = crate::requests(bed.dir.path()).unwrap();
    assert_eq!(log.iter().find(|entry| entry.status == Some(429)).map(|entry| entry.effect), Some(false));
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_effect() {
    let bed = Bed::with(&["disks.put:reset-before,times=1"], 100).await;
    let url = disk_url(&bed).await;
    assert!(bed.send(Method::PUT, &url, Some(empty_disk(8))).await.is_err());
    assert!(!exists(&bed).await);

    let bed = Bed::with(&["disks.put:reset-after,times=1"], 100).await;
    let url = disk_url(&bed).await;
    assert!(bed.send(Method::PUT, &url, Some(empty_disk(8))).await.is_err());
    assert!(exists(&bed).await);
    let log = crate::requests(bed.dir.path()).unwrap();
    assert!(log.iter().any(|entry| entry.method == "PUT" && entry.target.contains("/d1") && entry.effect));
}

#[tokio::test]
async fn a_body_breaks_off_or_is_nonsense() {
    let bed = Bed::with(&["disks.put:truncate,times=1", "resourceGroups.get:nonsense"], 100).await;
    let url = disk_url(&bed).await;
    let request = bed.http.put(&url).bearer_auth("sandbox-x").body(empty_disk(8).to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 202);
    assert!(response.text().await.is_err(), "the body breaks off");
    assert!(exists(&bed).await);
    let nonsense = bed.get("/resourceGroups/g1", RESOURCES).await;
    assert_eq!((nonsense.status, nonsense.header("content-type")), (200, "text/html"));
}

#[tokio::test]
async fn an_operation_fails_in_the_end() {
    let bed = Bed::with(&["disks.put:fail,times=1", "resourceGroups.patch:fail"], 100).await;
    let url = disk_url(&bed).await;
    let started = bed.send(Method::PUT, &url, Some(empty_disk(8))).await.unwrap().expect(202);
    bed.pass(10);
    let status = bed.follow(started.header("azure-asyncoperation")).await.expect(200).body;
    assert_eq!(
        (status["status"].as_str(), status["error"]["code"].as_str()),
        (Some("Failed"), Some("InternalExecutionError"))
    );
    bed.follow(started.header("location")).await.refused(409, "InternalExecutionError");
    let disk = bed.send(Method::GET, &url, None).await.unwrap().body;
    assert_eq!(disk["properties"]["provisioningState"], "Failed");
    // What takes no time fails at once, without an effect.
    bed.patch("/resourceGroups/g1", RESOURCES, json!({ "tags": { "a": "b" } }))
        .await
        .refused(500, "InternalServerError");
    assert_eq!(bed.get("/resourceGroups/g1", RESOURCES).await.body["tags"], Value::Null);
}
