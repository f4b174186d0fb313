//! Reads: batches, paging, errors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json as j;

use super::server::{Answer, Server, cut_off, json, refusal, reset, text};
use super::*;
use crate::engine::provider::Transition;

const DISKS: &str = "/subscriptions/s1/providers/Microsoft.Compute/disks";

async fn read_one(server: &Server, id: &str) -> Observation {
    provider(&server.url).read(&[target(id)]).await.remove(0)
}

fn found(observation: &Observation) -> &Observed {
    match observation {
        Observation::Found(observed) => observed,
        other => panic!("not found: {other:?}"),
    }
}

fn failed(observation: Observation) -> ProviderError {
    match observation {
        Observation::Failed(error) => *error,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test]
async fn many_of_a_type_are_one_paged_list() {
    let upper = disk("A").to_uppercase().replace("/SUBSCRIPTIONS/S1", "/subscriptions/s1");
    let tagged = j!({"id": disk("x"), "tags": {"kompox-volume": "v", "Kompox-Lineage": "L1"},
        "properties": {"uniqueId": "u1", "provisioningState": "Updating"}});
    let elsewhere = j!({"id": disk("x").replace("/g/", "/other/"), "tags": {"kompox-volume": "v"}});
    let server = Server::start([
        (&*format!("GET {DISKS}"), json(200, j!({"value": [{"id": upper}, elsewhere], "nextLink": "{url}/page2?x=1"}))),
        ("GET /page2", json(200, j!({"value": [tagged]}))),
    ])
    .await;
    let mut by_tag = target(&disk("a"));
    by_tag.physical_id = None;
    by_tag.find = Some(Find { within: GROUP.into(), tags: [("kompox-volume".into(), "v".into())].into() });
    let mut unknown = by_tag.clone();
    unknown.find = None;
    let other = target(&disk("y").replace("/g/", "/other/"));
    let targets = [target(&disk("a")), target(&disk("b")), by_tag, unknown, target("/nonsense"), other];
    let read = provider(&server.url).read(&targets).await;
    assert_eq!(found(&read[0]).physical_id, disk("a"), "as it was asked for");
    assert!(matches!(read[1], Observation::Missing));
    let observed = found(&read[2]);
    assert_eq!((observed.uid.as_deref(), observed.lineage.as_deref()), (Some("u1"), Some("L1")));
    assert_eq!(observed.transition, Some(Transition::Changing));
    assert!(matches!(read[3], Observation::NotYet(_)));
    assert!(matches!(read[4], Observation::Failed(_)));
    let seen = server.finish();
    assert_eq!(seen[0].query, "api-version=2024-03-02");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {TOKEN}"));
}

#[tokio::test]
async fn one_of_a_type_is_one_get_and_scopes_are_asked_apart() {
    let pool = |cluster: &str, name: &str| {
        format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/{cluster}/agentPools/{name}")
    };
    let list = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/c1/agentPools");
    let server = Server::start([
        (&*format!("GET {list}"), json(200, j!({"value": [{"id": pool("c1", "a")}]}))),
        (&*format!("GET {}", pool("c2", "a")), refusal(404, "ParentResourceNotFound", "no cluster")),
        (&*format!("GET {GROUP}"), json(200, j!({"id": GROUP, "tags": {"kompox-lineage": "L2"}}))),
    ])
    .await;
    let targets = [pool("c1", "a"), pool("c1", "b"), pool("c2", "a"), GROUP.to_owned()].map(|id| target(&id));
    let read = provider(&server.url).read(&targets).await;
    assert!(matches!(read[1..3], [Observation::Missing, Observation::Missing]));
    assert_eq!(found(&read[0]).physical_id, pool("c1", "a"));
    assert_eq!(found(&read[3]).lineage.as_deref(), Some("L2"));
    server.finish();
}

#[tokio::test]
async fn a_list_that_is_not_allowed_becomes_single_reads() {
    let server = Server::start([
        (&*format!("GET {DISKS}"), refusal(403, "AuthorizationFailed", "no list")),
        (&*format!("GET {}", disk("a")), json(200, j!({"id": disk("a")}))),
        (&*format!("GET {}", disk("b")), refusal(404, "ResourceNotFound", "gone")),
    ])
    .await;
    let read = provider(&server.url).read(&[target(&disk("a")), target(&disk("b"))]).await;
    assert!(matches!(read[..], [Observation::Found(_), Observation::Missing]));
    server.finish();
}

#[tokio::test]
async fn two_objects_with_the_same_tags_are_not_guessed_between() {
    let tags = j!({"k": "v"});
    let items = j!({"value": [{"id": disk("a"), "tags": tags}, {"id": disk("b"), "tags": tags}]});
    let server = Server::start([(&*format!("GET {GROUP}/providers/Microsoft.Compute/disks"), json(200, items))]).await;
    let mut by_tag = target(&disk("a"));
    by_tag.physical_id = None;
    by_tag.find = Some(Find { within: GROUP.into(), tags: [("k".into(), "v".into())].into() });
    let error = failed(provider(&server.url).read(&[by_tag]).await.remove(0));
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(error.message.contains("/a") && error.message.contains("/b"));
}

#[tokio::test]
async fn a_role_assignment_of_another_name_is_found_by_what_it_says() {
    let wanted = role::id(GROUP, "p1", "r1");
    let other = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/random");
    let item = j!({"id": other, "properties": {"scope": GROUP, "principalId": "p1", "roleDefinitionId": "/x/r1"}});
    let list = format!("GET {GROUP}/providers/Microsoft.Authorization/roleAssignments");
    let all = "GET /subscriptions/s1/providers/Microsoft.Authorization/roleAssignments";
    let server = Server::start([
        (&*format!("GET {wanted}"), refusal(404, "RoleAssignmentNotFound", "no")),
        (&*list, json(200, j!({"value": [item]}))),
        (all, json(200, j!({"value": [item]}))),
    ])
    .await;
    assert_eq!(found(&read_one(&server, &wanted).await).physical_id, other);
    let missing = role::id(GROUP, "p2", "r1");
    let both = provider(&server.url).read(&[target(&missing), target(&wanted)]).await;
    assert!(matches!(both[0], Observation::Missing));
    assert_eq!(found(&both[1]).physical_id, other);
    server.finish();
}

#[tokio::test]
async fn what_a_list_leaves_out_is_read_by_itself() {
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/a/fileServices/default/shares");
    let (one, two) = (format!("{account}/one"), format!("{account}/two"));
    let full = |id: &str| j!({"id": id, "properties": {"metadata": {"kompox_lineage": "L1"}}});
    let server = Server::start([
        (&*format!("GET {account}"), json(200, j!({"value": [full(&one), {"id": two, "properties": {}}]}))),
        (&*format!("GET {two}"), json(200, full(&two))),
    ])
    .await;
    let read = provider(&server.url).read(&[target(&one), target(&two)]).await;
    assert_eq!(read.iter().filter(|o| found(o).lineage.as_deref() == Some("L1")).count(), 2);
    server.finish();
}

async fn error_of(answers: Vec<Answer>) -> (ProviderError, usize) {
    let count = answers.len();
    let line = format!("GET {}", disk("a"));
    let mut answers: Vec<Option<Answer>> = answers.into_iter().map(Some).collect();
    answers.resize_with(3, || None);
    // Only as many as given; the rest would be reported as unexpected.
    let server = match count {
        1 => Server::start([(&*line, answers[0].take().unwrap())]).await,
        _ => Server::start([0, 1, 2].map(|n| (&*line, answers[n].take().unwrap()))).await,
    };
    let error = failed(read_one(&server, &disk("a")).await);
    let requests = server.finish().len();
    assert!(!format!("{error:?}").contains(TOKEN), "{error:?}");
    (error, requests)
}

#[tokio::test]
async fn what_cannot_heal_is_not_tried_again() {
    let echo = format!("who is Bearer {TOKEN}?");
    for (status, code, class, hint) in [
        (401, "ExpiredAuthenticationToken", ErrorClass::Denied, "sign in"),
        (401, "InvalidAuthenticationTokenTenant", ErrorClass::Denied, "tenant"),
        (403, "AuthorizationFailed", ErrorClass::Denied, "role"),
        (403, "RequestDisallowedByPolicy", ErrorClass::Denied, "Policy"),
        (400, "InvalidParameter", ErrorClass::Rejected, ""),
        (404, "SubscriptionNotFound", ErrorClass::Rejected, "AZURE_SUBSCRIPTION_ID"),
        (409, "QuotaExceeded", ErrorClass::Rejected, "quota"),
        (409, "Conflict", ErrorClass::Conflict, ""),
        (412, "PreconditionFailed", ErrorClass::Conflict, "plan again"),
    ] {
        let (error, requests) = error_of(vec![refusal(status, code, &echo)]).await;
        assert_eq!((error.class, error.status, requests), (class, Some(status), 1), "{code}");
        assert_eq!((error.code.as_deref(), error.request_id.as_deref()), (Some(code), Some("req-1")));
        assert_eq!(error.message, "who is Bearer (secret)?");
        assert!(error.hint.map_or_else(String::new, |hint| hint.to_string()).contains(hint), "{code}");
    }
}

#[tokio::test]
async fn what_may_heal_is_tried_again_until_the_policy_ends() {
    let three = |make: fn() -> Answer| vec![make(), make(), make()];
    let (error, requests) = error_of(three(|| refusal(500, "InternalServerError", "oops"))).await;
    assert_eq!((requests, error.status, error.class), (3, Some(500), ErrorClass::Rejected));
    let (error, requests) = error_of(three(|| refusal(429, "TooManyRequests", "slow").with("retry-after", "0"))).await;
    assert_eq!((requests, error.status), (3, Some(429)));
    assert!(error.hint.unwrap().contains("--parallelism"));
    let (error, requests) = error_of(three(reset)).await;
    assert_eq!(requests, 3);
    assert!(error.message.contains("connection to 127.0.0.1 broke"), "{}", error.message);
    let (error, requests) = error_of(three(cut_off)).await;
    assert!(requests == 3 && error.message.contains("broke"), "{}", error.message);
    let (error, requests) = error_of(three(|| text(200, "{\"id\": \"/subscr"))).await;
    assert!(requests == 3 && error.message.contains("ends early"), "{}", error.message);
}

#[tokio::test]
async fn nonsense_is_called_nonsense() {
    let page = "<html>hunter2</html>";
    for answer in
        [text(200, page), text(404, page), text(404, ""), json(200, j!({})), json(200, j!([1])), text(302, "")]
    {
        let (error, requests) = error_of(vec![answer]).await;
        assert_eq!((error.class, requests), (ErrorClass::Rejected, 1));
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    let endless = j!({"value": [], "nextLink": format!("{{url}}{DISKS}?api-version=2024-03-02")});
    let no_list = j!({"items": []});
    let stray = j!({"value": [], "nextLink": "https://evil.example/steal"});
    for (body, says) in [(endless, "no end"), (no_list, "no `value`"), (stray, "another server")] {
        let server = Server::start([(&*format!("GET {DISKS}"), json(200, body))]).await;
        let read = provider(&server.url).read(&[target(&disk("a")), target(&disk("b"))]).await;
        for observation in read {
            let error = failed(observation);
            assert!(error.message.contains(says), "{}", error.message);
        }
        server.finish();
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = failed(provider(&url).read(&[target(&disk("a"))]).await.remove(0));
    assert!(error.message.contains("127.0.0.1 cannot be reached"), "{}", error.message);
    assert!(error.hint.unwrap().contains("network"));
}

#[tokio::test]
async fn the_server_sets_the_pace() {
    // Longer than the budget: no second request, and everybody else is held back too.
    let server = Server::start([(
        &*format!("GET {}", disk("a")),
        refusal(429, "TooManyRequests", "slow").with("retry-after", "3600"),
    )])
    .await;
    let azure = provider(&server.url);
    assert_eq!(failed(azure.read(&[target(&disk("a"))]).await.remove(0)).status, Some(429));
    assert_eq!(server.finish().len(), 1);
    let url = azure.arm.url(&disk("b"), "1");
    let (reads, writes) = (azure.arm.limiter(&url, false), azure.arm.limiter(&url, true));
    assert!(futures::poll!(std::pin::pin!(reads.enter())).is_pending());
    assert!(futures::poll!(std::pin::pin!(writes.enter())).is_ready());

    let empty = json(200, j!({"id": disk("a")}))
        .with("x-ms-ratelimit-remaining-resource", "Microsoft.Compute/GetDisk;9,Microsoft.Compute/GetDisk30Min;0")
        .with("retry-after", "3600");
    let server = Server::start([(&*format!("GET {}", disk("a")), empty)]).await;
    let azure = provider(&server.url);
    azure.read(&[target(&disk("a"))]).await;
    assert!(futures::poll!(std::pin::pin!(azure.arm.limiter(&url, false).enter())).is_pending());
}

fn made(contents: &[Content]) -> Vec<(&str, bool)> {
    contents.iter().map(|content| (content.physical_id.as_str(), content.server_made)).collect()
}

#[tokio::test]
async fn contents_are_complete_and_data_is_never_the_servers_own() {
    let cluster = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/c");
    let nodes = "/subscriptions/s1/resourceGroups/g_mc";
    let machine = format!("{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets/a/virtualMachines/0");
    let lists = |first: String| {
        [
            (first, json(200, j!({"id": cluster, "properties": {"nodeResourceGroup": "g_mc"}}))),
            (format!("GET {nodes}"), json(200, j!({"id": nodes, "managedBy": cluster}))),
            (
                format!("GET {nodes}/resources"),
                json(
                    200,
                    j!({"nextLink": "{url}/2", "value": [
                        {"id": "/lb", "type": "Microsoft.Network/loadBalancers"},
                        {"id": "/ip", "type": "Microsoft.Network/publicIPAddresses", "tags": {"k8s-azure-service": "x"}},
                        {"id": "/fixed-ip", "type": "microsoft.network/publicipaddresses", "tags": {"owner": "maria"}},
                        {"id": "/gone-but-listed", "type": "microsoft.compute/disks"},
                    ]}),
                ),
            ),
            (
                "GET /2".to_owned(),
                json(
                    200,
                    j!({"value": [
                        {"id": "/snap", "type": "Microsoft.Compute/snapshots"},
                        {"id": "/account", "type": "Microsoft.Storage/storageAccounts"},
                        {"id": "/db", "type": "Microsoft.DBforPostgreSQL/flexibleServers"},
                    ]}),
                ),
            ),
            (
                format!("GET {nodes}/providers/Microsoft.Compute/disks"),
                json(
                    200,
                    j!({"value": [
                        {"id": "/system", "type": "Microsoft.Compute/disks", "managedBy": machine.to_uppercase(), "properties": {"osType": "Linux"}},
                        {"id": "/attached", "type": "Microsoft.Compute/disks", "managedBy": machine, "properties": {}},
                        {"id": "/copy-of-a-system", "type": "Microsoft.Compute/disks", "properties": {"osType": "Linux"}},
                        {"id": "/pvc-1", "type": "microsoft.compute/disks", "properties": {}},
                    ]}),
                ),
            ),
        ]
    };
    let expected = [
        ("/lb", true),
        ("/ip", true),
        ("/fixed-ip", false),
        ("/snap", false),
        ("/account", false),
        ("/db", false),
        ("/system", true),
        ("/attached", false),
        ("/copy-of-a-system", false),
        ("/pvc-1", false),
    ];
    // Of a cluster, and of the group itself: both take all of it along.
    let of_cluster = lists(format!("GET {cluster}"));
    let names = of_cluster.each_ref().map(|(line, _)| line.clone());
    let mut answers = of_cluster.into_iter().map(|(_, answer)| answer);
    let server = Server::start(names.each_ref().map(|line| (line.as_str(), answers.next().unwrap()))).await;
    assert_eq!(made(&provider(&server.url).contents(&target(&cluster)).await.unwrap()), expected);
    server.finish();
    let of_group = lists(String::new());
    let mut answers = of_group.into_iter().skip(1).map(|(_, answer)| answer);
    let server = Server::start([1, 2, 3, 4].map(|step| (names[step].as_str(), answers.next().unwrap()))).await;
    assert_eq!(made(&provider(&server.url).contents(&target(nodes)).await.unwrap()), expected);
    server.finish();
    // In a group that is no cluster's, everything is somebody's.
    let server = Server::start([
        (&*format!("GET {GROUP}"), json(200, j!({"id": GROUP}))),
        (
            &*format!("GET {GROUP}/resources"),
            json(200, j!({"value": [{"id": "/1", "type": "Microsoft.Network/publicIPAddresses"}]})),
        ),
    ])
    .await;
    assert_eq!(made(&provider(&server.url).contents(&target(GROUP)).await.unwrap()), [("/1", false)]);
    let server = Server::start([(&*format!("GET {GROUP}"), refusal(404, "ResourceGroupNotFound", "gone"))]).await;
    assert_eq!(provider(&server.url).contents(&target(GROUP)).await.unwrap(), []);
}

#[tokio::test]
async fn a_storage_account_holds_what_any_of_its_services_holds() {
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/a");
    let list = |id: &str| json(200, j!({"value": [{"id": id, "type": "t"}]}));
    let server = Server::start([
        (
            &*format!("GET {account}"),
            json(200, j!({"id": account, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})),
        ),
        (&*format!("GET {account}/fileServices/default/shares"), list("/share")),
        (&*format!("GET {account}/blobServices/default/containers"), list("/container")),
        (&*format!("GET {account}/queueServices/default/queues"), list("/queue")),
        (
            &*format!("GET {account}/tableServices/default/tables"),
            refusal(409, "FeatureNotSupportedForAccount", "no tables"),
        ),
    ])
    .await;
    let contents = provider(&server.url).contents(&target(&account)).await.unwrap();
    assert_eq!(made(&contents), [("/share", false), ("/container", false), ("/queue", false)]);
    server.finish();
    let server = Server::start([
        (
            &*format!("GET {account}"),
            json(200, j!({"id": account, "kind": "FileStorage", "sku": {"name": "Premium_LRS"}})),
        ),
        (&*format!("GET {account}/fileServices/default/shares"), list("/share")),
    ])
    .await;
    assert_eq!(made(&provider(&server.url).contents(&target(&account)).await.unwrap()), [("/share", false)]);
    server.finish();
    // Half a list would be taken for all there is.
    let server = Server::start([
        (
            &*format!("GET {account}"),
            json(200, j!({"id": account, "kind": "BlobStorage", "sku": {"name": "Standard_LRS"}})),
        ),
        (&*format!("GET {account}/blobServices/default/containers"), refusal(403, "AuthorizationFailed", "no")),
    ])
    .await;
    assert!(provider(&server.url).contents(&target(&account)).await.is_err());
    server.finish();
}

#[tokio::test]
async fn the_case_of_an_id_is_the_one_it_was_asked_by() {
    let ours = disk("a");
    let shouted = ours.replace("/resourceGroups/g/", "/RESOURCEGROUPS/G/");
    let tags = j!({"KOMPOX-Volume": "default", "Managed-By": "kompox", "Owner": "maria"});
    let item = j!({"id": shouted, "type": "Microsoft.Compute/disks", "tags": tags, "properties": {}});
    // One is looked for by its tags, and all are in this group.
    let list = &*format!("GET {GROUP}/providers/Microsoft.Compute/disks");
    let find = Find { within: GROUP.to_owned(), tags: [("kompox-volume".to_owned(), "default".to_owned())].into() };
    let by_tags = Target { physical_id: None, find: Some(find), ..target("") };
    let server =
        Server::start([(list, json(200, j!({"value": [item]}))), (&*format!("GET {ours}"), json(200, item))]).await;
    let mut answers = provider(&server.url).read(&[target(&ours), target(&disk("b")), by_tags]).await;
    answers.extend(provider(&server.url).read(&[target(&ours)]).await);
    assert!(matches!(answers.remove(1), Observation::Missing));
    for answer in answers {
        let Observation::Found(found) = answer else { panic!("{answer:?}") };
        assert_eq!(found.physical_id, ours);
        assert_eq!(
            found.object.value()["tags"],
            j!({"kompox-volume": "default", "managed-by": "kompox", "Owner": "maria"})
        );
    }
    server.finish();
}

#[tokio::test]
async fn an_id_of_another_type_is_refused() {
    let server = Server::start([]).await;
    let as_disk = Target { physical_id: Some(GROUP.to_owned()), ..target(&disk("x")) };
    let error = failed(provider(&server.url).read(&[as_disk]).await.remove(0));
    assert!(error.message.contains("a Microsoft.Compute/disks is wanted"), "{}", error.message);
    server.finish();
}

#[tokio::test]
async fn a_cluster_that_is_being_made_has_no_kubeconfig_yet_and_one_at_work_has() {
    let cluster = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/c");
    let (line, get) = (format!("POST {cluster}/listClusterAdminCredential"), format!("GET {cluster}"));
    let busy = || refusal(409, "OperationNotAllowed", "in progress");
    let server = Server::start([
        (&*line, busy()),
        (&*get, json(200, j!({"id": cluster, "properties": {"provisioningState": "Creating"}}))),
        (&*line, busy()),
        (&*get, json(200, j!({"id": cluster, "properties": {"provisioningState": "Upgrading"}}))),
    ])
    .await;
    let azure = provider(&server.url);
    assert_eq!(azure.cluster_admin_kubeconfig(&cluster).await.unwrap(), None);
    assert_eq!(azure.cluster_admin_kubeconfig(&cluster).await.unwrap_err().status, Some(409));
    server.finish();
}

#[tokio::test]
async fn the_kubeconfig_is_read_and_never_told() {
    let cluster = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters/c");
    let line = format!("POST {cluster}/listClusterAdminCredential");
    let encoded = STANDARD.encode("kind: Config");
    let server = Server::start([
        (&*line, refusal(503, "Busy", "later")),
        (&*line, json(200, j!({"kubeconfigs": [{"name": "clusterAdmin", "value": encoded}]}))),
        (&*line, refusal(404, "ResourceNotFound", "gone")),
        (&*line, json(200, j!({"kubeconfigs": [{"name": "clusterAdmin", "value": "%hunter2%"}]}))),
    ])
    .await;
    let azure = provider(&server.url);
    assert_eq!(azure.cluster_admin_kubeconfig(&cluster).await.unwrap().as_deref(), Some("kind: Config"));
    assert_eq!(azure.cluster_admin_kubeconfig(&cluster).await.unwrap(), None);
    let error = azure.cluster_admin_kubeconfig(&cluster).await.unwrap_err();
    assert!(error.message.contains("no kubeconfig") && !format!("{error:?}").contains("hunter2"));
    server.finish();
}

#[tokio::test]
async fn a_disk_is_never_read_from_the_id_of_something_else() {
    let server = Server::start([(&*format!("GET {GROUP}"), json(200, j!({"id": GROUP})))]).await;
    let target = Target { kind: &KIND, ..target(GROUP) };
    let read = provider(&server.url).read(&[target]).await.remove(0);
    assert!(matches!(read, Observation::Failed(error) if error.message.contains("is a Microsoft.Resources")));
}

#[tokio::test]
async fn room_is_asked_for_once_in_each_region() {
    let usage = |value: &str, words: &str, used: i64, limit: i64| j!({"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": value, "localizedValue": words}});
    let path = |region: &str| format!("GET /subscriptions/s1/providers/Microsoft.Compute/locations/{region}/usages");
    let first = j!({"value": [usage("cores", "Total Regional vCPUs", 96, 100), usage("x", "None of these", 0, 0)], "nextLink": "{url}/more"});
    let server = Server::start([
        (&*path("eastus"), json(200, first)),
        ("GET /more", json(200, j!({"value": [usage("disks", "Disks", -1, 5), usage("vms", "Machines", 1, 5)]}))),
        (&*path("japaneast"), json(200, j!({"value": []}))),
    ])
    .await;
    let objects = [
        j!({"location": "East US"}),
        j!({"location": "eastus"}),
        j!({"location": "global"}),
        j!({}),
        j!({"location": "japaneast"}),
    ];
    let rooms = provider(&server.url).room(&objects).await.unwrap();
    let rooms: Vec<_> = rooms.into_iter().map(|room| (room.what, room.used, room.limit)).collect();
    let expected = [("Total Regional vCPUs in eastus", 96, 100), ("Machines in eastus", 1, 5)];
    assert_eq!(rooms, expected.map(|(what, used, limit)| (what.to_owned(), used, limit)));
    assert_eq!(server.finish().len(), 3);
}
