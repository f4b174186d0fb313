//! Resources of each type over their life.

use futures::StreamExt;

use super::*;
use crate::world::World;
use crate::{WorldError, attach_disk, detach_disk};

#[tokio::test]
async fn a_group_is_made_changed_and_deleted_with_all_in_it() {
    let bed = Bed::new().await;
    let path = "/resourceGroups/App_1";
    let made = bed.put(path, RESOURCES, json!({ "location": "East US", "tags": { "a": "1" } })).await.expect(201).body;
    assert_eq!(made["id"], format!("{SUBSCRIPTION}{path}"));
    assert_eq!(
        (made["location"].as_str(), made["properties"]["provisioningState"].as_str()),
        (Some("eastus"), Some("Succeeded"))
    );
    // Names are read without regard to case, and keep the case they were made with.
    let again = bed.put("/resourcegroups/APP_1", RESOURCES, json!({ "location": "eastus" })).await.expect(200).body;
    assert_eq!((again["name"].as_str(), again.get("tags")), (Some("App_1"), None));
    let patched = bed.patch(path, RESOURCES, json!({ "tags": { "b": "2" } })).await.expect(200).body;
    assert_eq!(patched["tags"], json!({ "b": "2" }));
    bed.put(path, RESOURCES, json!({ "location": "westus" })).await.refused(409, "InvalidResourceGroupLocation");
    bed.put(path, RESOURCES, json!({})).await.refused(400, "LocationRequired");
    bed.put(path, RESOURCES, json!({ "location": "atlantis" }))
        .await
        .refused(400, "LocationNotAvailableForResourceType");
    bed.put(path, RESOURCES, json!({ "location": "eastus", "tagz": {} })).await.refused(400, "InvalidRequestContent");
    bed.put("/resourceGroups/bad.", RESOURCES, json!({ "location": "eastus" }))
        .await
        .refused(400, "InvalidResourceName");
    assert_eq!(bed.call(Method::HEAD, path, RESOURCES, None).await.status, 204);

    let disk = bed.disk(path, "d1").await;
    bed.put(
        &format!("{disk}/providers/Microsoft.Authorization/locks/l"),
        LOCKS,
        json!({ "properties": { "level": "NotSpecified" } }),
    )
    .await
    .expect(201);
    let leaving = bed.delete(path, RESOURCES).await.expect(202);
    assert_eq!(leaving.header("retry-after"), "10");
    assert_eq!(bed.get(path, RESOURCES).await.expect(200).body["properties"]["provisioningState"], "Deleting");
    bed.put(&disk, COMPUTE, empty_disk(32)).await.refused(409, "ResourceGroupBeingDeleted");
    bed.follow(leaving.header("location")).await.expect(202);
    bed.pass(10);
    bed.follow(leaving.header("location")).await.expect(200);
    bed.get(path, RESOURCES).await.refused(404, "ResourceGroupNotFound");
    bed.get(&disk, COMPUTE).await.refused(404, "ResourceGroupNotFound");
    bed.delete(path, RESOURCES).await.refused(404, "ResourceGroupNotFound");
    assert!(crate::inspect(bed.dir.path()).unwrap().is_empty());
}

#[tokio::test]
async fn a_disk_grows_keeps_what_is_immutable_and_is_copied() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let path = format!("{group}/providers/Microsoft.Compute/disks/D1");
    let started = bed.put(&path, COMPUTE, empty_disk(32)).await.expect(202);
    let status = started.header("azure-asyncoperation").to_owned();
    assert_eq!(bed.follow(&status).await.expect(200).body["status"], "InProgress");
    bed.follow(started.header("location")).await.expect(202);
    bed.pass(10);
    assert_eq!(bed.follow(&status).await.expect(200).body["status"], "Succeeded");
    let disk = bed.follow(started.header("location")).await.expect(200).body;
    assert_eq!(
        disk,
        bed.get(&path.to_uppercase().replace("/RESOURCEGROUPS", "/resourceGroups"), COMPUTE).await.expect(200).body
    );
    assert_eq!(disk["properties"]["diskSizeBytes"], 32_i64 << 30);
    assert_eq!(disk["properties"]["diskState"], "Unattached");
    assert_eq!((disk["location"].as_str(), disk["sku"]["tier"].as_str()), (Some("eastus"), Some("Premium")));

    let same = bed.put(&path, COMPUTE, empty_disk(32)).await.expect(200);
    assert_eq!(same.body["properties"]["provisioningState"], "Succeeded");
    bed.put(&path, COMPUTE, empty_disk(64)).await.expect(202);
    bed.pass(10);
    let grown = bed.get(&path, COMPUTE).await.body;
    assert_eq!(grown["properties"]["uniqueId"], disk["properties"]["uniqueId"]);
    assert_eq!(grown["properties"]["diskSizeGB"], 64);
    let changed = |pointer: &str, value: Value| {
        let mut body = empty_disk(64);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    bed.put(&path, COMPUTE, empty_disk(32)).await.refused(409, "ResizeDiskError");
    bed.put(&path, COMPUTE, changed("/zones", json!(["2"]))).await.refused(409, "PropertyChangeNotAllowed");
    bed.put(&path, COMPUTE, changed("/zones", Value::Null)).await.refused(409, "PropertyChangeNotAllowed");
    bed.put(&path, COMPUTE, changed("/location", json!("westus"))).await.refused(409, "InvalidResourceLocation");
    bed.put(&path, COMPUTE, changed("/sku/name", json!("UltraSSD_LRS"))).await.refused(409, "PropertyChangeNotAllowed");
    bed.put(&path, COMPUTE, changed("/sku/name", json!("Floppy"))).await.refused(400, "InvalidParameter");
    bed.put(&path, COMPUTE, changed("/properties/diskSizeGB", json!("64"))).await.refused(400, "InvalidParameter");
    bed.put(&path, COMPUTE, changed("/properties/creationData", json!({}))).await.refused(400, "InvalidParameter");
    bed.patch(&path, COMPUTE, json!({ "tags": { "x": "y" } })).await.expect(202);
    assert_eq!(bed.get(&path, COMPUTE).await.body["tags"], json!({ "x": "y" }));

    let source = format!("{SUBSCRIPTION}{path}");
    let copy = |source: &str| {
        json!({
            "location": "eastus", "sku": { "name": "Standard_ZRS" },
            "properties": { "incremental": true, "creationData": { "createOption": "Copy", "sourceResourceId": source } },
        })
    };
    let snapshot = format!("{group}/providers/Microsoft.Compute/snapshots/s1");
    bed.put(&snapshot, COMPUTE, copy(&format!("{source}x"))).await.refused(404, "ResourceNotFound");
    bed.put(&snapshot, COMPUTE, copy(&source)).await.expect(202);
    bed.pass(10);
    assert_eq!(bed.get(&snapshot, COMPUTE).await.body["properties"]["diskSizeGB"], 64);
    let restored = format!("{group}/providers/Microsoft.Compute/disks/d2");
    let mut body = copy(&format!("{SUBSCRIPTION}{snapshot}"));
    body["sku"]["name"] = json!("Premium_LRS");
    bed.put(&restored, COMPUTE, body).await.expect(202);
    bed.pass(10);
    assert_eq!(bed.get(&restored, COMPUTE).await.body["properties"]["diskSizeGB"], 64);

    bed.delete(&path, COMPUTE).await.expect(202);
    bed.put(&path, COMPUTE, empty_disk(64)).await.refused(409, "Conflict");
    bed.pass(10);
    bed.get(&path, COMPUTE).await.refused(404, "ResourceNotFound");
    bed.delete(&path, COMPUTE).await.expect(204);
}

#[tokio::test]
async fn an_attached_disk_is_not_deleted() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let apps = bed.group("apps").await;
    let cluster = format!("{SUBSCRIPTION}{}", bed.cluster(&group, "c1").await);
    let path = bed.disk(&apps, "d1").await;
    let disk = format!("{SUBSCRIPTION}{path}");
    let world = World::open(bed.dir.path(), "").unwrap();
    let attach =
        |node: &str| world.write::<_, WorldError>(|tx| attach_disk(tx, &cluster, &disk, node, "ReadOnly")).unwrap();
    let detach = |cluster: &str| world.write(|tx| detach_disk(tx, cluster, &disk)).unwrap();
    assert_eq!(attach("aks-1"), None);
    assert_eq!(attach("aks-1"), None);
    assert!(attach("aks-2").unwrap().contains("Multi-Attach"));
    detach(&format!("{cluster}-other"));
    assert!(attach("aks-2").is_some());
    detach(&cluster);
    assert_eq!(bed.get(&path, COMPUTE).await.body["properties"]["diskState"], "Unattached");
    assert_eq!(attach("aks-2"), None);
    bed.delete(&path, COMPUTE).await.refused(409, "OperationNotAllowed");
    assert_eq!(bed.get(&path, COMPUTE).await.body["properties"]["diskState"], "Attached");
    // The group's deletion is accepted, and fails in the end.
    let leaving = bed.delete(&apps, RESOURCES).await.expect(202);
    bed.pass(10);
    bed.follow(leaving.header("location")).await.refused(409, "ResourceGroupDeletionBlocked");
    bed.get(&path, COMPUTE).await.expect(200);
    // With the cluster goes its hold.
    bed.delete(cluster.strip_prefix(SUBSCRIPTION).unwrap(), CONTAINERS).await.expect(202);
    bed.pass(30);
    assert_eq!(bed.get(&path, COMPUTE).await.body.get("managedBy"), None);
    bed.delete(&path, COMPUTE).await.expect(202);
}

#[tokio::test]
async fn a_cluster_comes_with_identities_a_group_and_pools() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let path = format!("{group}/providers/Microsoft.ContainerService/managedClusters/c1");
    let started = bed.put(&path, CONTAINERS, cluster_body()).await.expect(201);
    assert_eq!(started.body["properties"]["provisioningState"], "Creating");
    bed.put(&path, CONTAINERS, cluster_body()).await.refused(409, "OperationNotAllowed");
    bed.pass(30);
    assert_eq!(bed.follow(started.header("azure-asyncoperation")).await.body["status"], "Succeeded");
    let cluster = bed.get(&path, CONTAINERS).await.expect(200).body;
    assert_eq!(cluster["properties"]["provisioningState"], "Succeeded");
    assert_eq!(cluster["properties"]["agentPoolProfiles"][0]["provisioningState"], "Succeeded");
    for pointer in [
        "/identity/principalId",
        "/identity/tenantId",
        "/properties/identityProfile/kubeletidentity/clientId",
        "/properties/identityProfile/kubeletidentity/objectId",
        "/properties/identityProfile/kubeletidentity/resourceId",
        "/properties/oidcIssuerProfile/issuerURL",
        "/properties/fqdn",
        "/properties/addonProfiles/azureKeyvaultSecretsProvider/identity/clientId",
    ] {
        assert!(cluster.pointer(pointer).is_some_and(Value::is_string), "{pointer} in {cluster}");
    }
    assert_eq!(bed.get("/resourceGroups/g1_mc", RESOURCES).await.expect(200).body["managedBy"], cluster["id"]);

    let mut body = cluster_body();
    body["properties"]["dnsPrefix"] = json!("other");
    bed.put(&path, CONTAINERS, body).await.refused(409, "PropertyChangeNotAllowed");
    let mut body = cluster_body();
    body["properties"]["kubernetesVersion"] = json!("1.34");
    bed.put(&path, CONTAINERS, body).await.expect(200);
    bed.pass(30);
    let changed = bed.get(&path, CONTAINERS).await.body;
    assert_eq!(changed["properties"]["kubernetesVersion"], "1.34");
    assert_eq!(changed["identity"], cluster["identity"]);

    let pool = format!("{path}/agentPools/npuser1");
    let user = json!({ "properties": { "mode": "User", "vmSize": "Standard_D2lds_v6", "count": 2, "availabilityZones": ["1"] } });
    bed.put(&pool, CONTAINERS, user.clone()).await.expect(201);
    bed.pass(20);
    for (field, value) in [
        ("vmSize", json!("Standard_D8s_v5")),
        ("osDiskType", json!("Ephemeral")),
        ("availabilityZones", json!(["2"])),
        ("scaleSetPriority", json!("Spot")),
    ] {
        let mut body = user.clone();
        body["properties"][field] = value;
        let reply = bed.put(&pool, CONTAINERS, body).await;
        assert_eq!((reply.status, reply.code()), (409, "PropertyChangeNotAllowed"), "{field}");
    }
    let mut body = user;
    body["properties"]["count"] = json!(3);
    bed.put(&pool, CONTAINERS, body).await.expect(200);
    bed.pass(20);
    assert_eq!(bed.names(&format!("{path}/agentPools"), CONTAINERS).await, ["npsystem", "npuser1"]);
    assert_eq!(bed.get(&path, CONTAINERS).await.body["properties"]["agentPoolProfiles"][1]["count"], 3);
    bed.put(&format!("{path}/agentPools/Bad-Name"), CONTAINERS, json!({})).await.refused(400, "InvalidResourceName");
    bed.delete(&format!("{path}/agentPools/npsystem"), CONTAINERS).await.refused(400, "OperationNotAllowed");

    bed.delete(&path, CONTAINERS).await.expect(202);
    bed.pass(30);
    bed.get(&path, CONTAINERS).await.refused(404, "ResourceNotFound");
    bed.get(&pool, CONTAINERS).await.refused(404, "ResourceNotFound");
    bed.get("/resourceGroups/g1_mc", RESOURCES).await.refused(404, "ResourceGroupNotFound");
    bed.delete(&path, CONTAINERS).await.expect(204);

    // A cluster that is made again is another one.
    bed.put(&path, CONTAINERS, cluster_body()).await.expect(201);
    bed.pass(30);
    let again = bed.get(&path, CONTAINERS).await.body;
    for pointer in ["/identity/principalId", "/properties/resourceUID", "/properties/oidcIssuerProfile/issuerURL"] {
        assert_ne!(again.pointer(pointer), cluster.pointer(pointer), "{pointer}");
    }
    let url = format!("{}{SUBSCRIPTION}{path}?api-version={CONTAINERS}", bed.base);
    let only_new =
        bed.http.put(&url).bearer_auth("sandbox-x").header("if-none-match", "*").body(cluster_body().to_string());
    assert_eq!(only_new.send().await.unwrap().status().as_u16(), 412);
}

#[tokio::test]
async fn lists_come_in_pages_and_can_be_filtered() {
    let bed = Bed::with(&[], 3).await;
    for n in 0..7 {
        let tags = json!({ "location": "eastus", "tags": { "Parity": if n % 2 == 0 { "even" } else { "odd" } } });
        bed.put(&format!("/resourceGroups/g{n}"), RESOURCES, tags).await.expect(201);
    }
    let (all, pages) = bed.pages("/resourceGroups", RESOURCES).await;
    assert_eq!((all.len(), pages), (7, 3));
    let odd = bed.names("/resourceGroups?$filter=tagName eq 'parity' and tagValue eq 'odd'", RESOURCES).await;
    assert_eq!(odd, ["g1", "g3", "g5"]);
    assert_eq!(bed.get("/resourceGroups?$top=2", RESOURCES).await.body["value"].as_array().unwrap().len(), 2);
    bed.get("/resourceGroups?$filter=colour eq 'red'", RESOURCES).await.refused(400, "InvalidFilterInQueryString");

    for n in 0..4 {
        bed.disk("/resourceGroups/g0", &format!("d{n}")).await;
    }
    bed.disk("/resourceGroups/g1", "e").await;
    assert_eq!(
        bed.names("/resourceGroups/g0/providers/Microsoft.Compute/disks", COMPUTE).await,
        ["d0", "d1", "d2", "d3"]
    );
    assert_eq!(bed.names("/providers/Microsoft.Compute/disks", COMPUTE).await.len(), 5);
    let (generic, _) =
        bed.pages("/resourceGroups/g0/resources?$filter=resourceType eq 'Microsoft.Compute/disks'", RESOURCES).await;
    assert_eq!(generic.len(), 4);
    assert!(generic.iter().all(|item| item.get("properties").is_none() && item["type"] == "Microsoft.Compute/disks"));
    assert_eq!(bed.names("/resources", RESOURCES).await.len(), 5);
    let tagged = bed.names("/resources?$filter=tagName eq 'managed-by' and tagValue eq 'kompox'", RESOURCES).await;
    assert_eq!(tagged.len(), 5);
    bed.get("/resourceGroups/none/resources", RESOURCES).await.refused(404, "ResourceGroupNotFound");
}

#[tokio::test]
async fn role_assignments_exist_once() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let disk = bed.disk(&group, "d1").await;
    let role = "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c";
    let principal = "aaaaaaaa-0000-4000-8000-000000000001";
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal } });
    let at = |scope: &str, n: u32| {
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-{n:012}")
    };
    let api = AUTHORIZATION_API;
    let made = bed.put(&at(&group, 1), api, body.clone()).await.expect(201).body;
    assert_eq!(made["properties"]["roleDefinitionId"], format!("{SUBSCRIPTION}{role}"));
    assert_eq!(made["properties"]["scope"], format!("{SUBSCRIPTION}{group}"));
    bed.put(&at(&group, 1), api, body.clone()).await.expect(200);
    bed.put(&at(&group, 2), api, body.clone()).await.refused(409, "RoleAssignmentExists");
    let mut other = body.clone();
    other["properties"]["principalId"] = json!("aaaaaaaa-0000-4000-8000-000000000002");
    bed.put(&at(&group, 1), api, other.clone()).await.refused(400, "RoleAssignmentUpdateNotPermitted");
    bed.put(&format!("{group}/providers/Microsoft.Authorization/roleAssignments/x"), api, body.clone())
        .await
        .refused(400, "InvalidRoleAssignmentId");
    bed.put(&at(&format!("{group}/providers/Microsoft.Compute/disks/none"), 3), api, body.clone())
        .await
        .refused(404, "ResourceNotFound");
    bed.put(&at(&disk, 3), api, other).await.expect(201);
    bed.put(&at("", 4), api, body.clone()).await.expect(201);
    bed.put(&at(&format!("{group}/providers/Microsoft.KeyVault/vaults/v/secrets/s"), 5), api, body).await.expect(201);

    let list = async |scope: &str, filter: &str| {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments{filter}");
        let names = bed.names(&path, api).await;
        names.iter().map(|name| name[name.len() - 1..].to_owned()).collect::<Vec<_>>().concat()
    };
    let sorted = |text: String| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters.into_iter().collect::<String>()
    };
    assert_eq!(sorted(list("", "").await), "1345");
    assert_eq!(sorted(list(&group, "").await), "1345");
    assert_eq!(sorted(list(&group, "?$filter=atScope()").await), "14");
    assert_eq!(sorted(list(&disk, "").await), "134");
    assert_eq!(sorted(list(&group, &format!("?$filter=principalId eq '{principal}'")).await), "145");
    bed.delete(&at(&group, 1), api).await.expect(200);
    bed.delete(&at(&group, 1), api).await.expect(204);
    bed.get(&at(&group, 1), api).await.refused(404, "RoleAssignmentNotFound");
}

#[tokio::test]
async fn a_thousand_disks_are_listed_whole() {
    let mut bed = Bed::with(&[], 1000).await;
    let group = bed.group("g1").await;
    let made = (0..1000).map(|n| {
        let (bed, path) = (&bed, format!("{group}/providers/Microsoft.Compute/disks/d{n:04}"));
        async move { bed.put(&path, COMPUTE, empty_disk(4)).await.expect(202) }
    });
    // A connection each: a thousand at once are nearly as many as a socket keeps waiting, and some were reset under load.
    futures::stream::iter(made).buffer_unordered(50).for_each(|_| async {}).await;
    bed.pass(10);
    let (all, pages) = bed.pages("/providers/Microsoft.Compute/disks", COMPUTE).await;
    assert_eq!((all.len(), pages), (1000, 1));
    assert!(all.iter().all(|disk| disk["properties"]["provisioningState"] == "Succeeded"));
    // Smaller pages give the same, in the same order.
    bed.stop().await;
    bed.start(&[], 300).await;
    assert_eq!(bed.pages("/providers/Microsoft.Compute/disks", COMPUTE).await, (all, 4));
}

#[tokio::test]
async fn locks_hold_what_is_below_them() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let disk = bed.disk(&group, "d1").await;
    let lock = |scope: &str| format!("{scope}/providers/Microsoft.Authorization/locks/kompox");
    let level = |level: &str| json!({ "properties": { "level": level } });
    bed.put(&lock(&disk), LOCKS, level("Sometimes")).await.refused(400, "InvalidParameter");
    bed.put(&lock(&disk), LOCKS, level("CanNotDelete")).await.expect(201);
    bed.delete(&disk, COMPUTE).await.refused(409, "ScopeLocked");
    bed.delete(&group, RESOURCES).await.refused(409, "ScopeLocked");
    bed.put(&disk, COMPUTE, empty_disk(64)).await.expect(202);
    bed.put(&lock(&group), LOCKS, level("ReadOnly")).await.expect(201);
    bed.put(&disk, COMPUTE, empty_disk(128)).await.refused(409, "ScopeLocked");
    assert_eq!(bed.names(&format!("{group}/providers/Microsoft.Authorization/locks"), LOCKS).await.len(), 2);
    assert_eq!(bed.names("/providers/Microsoft.Authorization/locks", LOCKS).await.len(), 2);
    assert_eq!(bed.names(&format!("{disk}/providers/Microsoft.Authorization/locks"), LOCKS).await.len(), 1);
    bed.delete(&lock(&group), LOCKS).await.expect(200);
    bed.delete(&lock(&disk), LOCKS).await.expect(200);
    bed.delete(&lock(&disk), LOCKS).await.expect(204);
    bed.delete(&disk, COMPUTE).await.expect(202);
}

#[tokio::test]
async fn identities_shares_and_records() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let identity = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-1");
    let made = bed.put(&identity, IDENTITY, json!({ "location": "eastus" })).await.expect(201).body;
    for field in ["clientId", "principalId", "tenantId"] {
        assert!(made["properties"][field].is_string(), "{field}");
    }
    bed.put(&identity, IDENTITY, json!({ "location": "eastus" })).await.expect(200);
    let credential = |name: &str| format!("{identity}/federatedIdentityCredentials/{name}");
    let body =
        json!({ "properties": { "issuer": "https://i/", "subject": "system:serviceaccount:a:b", "audiences": ["x"] } });
    bed.put(&credential("fic-ingress"), IDENTITY, body.clone()).await.expect(201);
    bed.put(&credential("fic-ingress"), IDENTITY, body.clone()).await.expect(200);
    bed.put(&credential("fic-2"), IDENTITY, body).await.refused(409, "Conflict");
    bed.put(&credential("fic-3"), IDENTITY, json!({ "properties": {} })).await.refused(400, "InvalidParameter");
    assert_eq!(bed.names(&format!("{identity}/federatedIdentityCredentials"), IDENTITY).await, ["fic-ingress"]);
    bed.delete(&identity, IDENTITY).await.expect(200);
    bed.get(&credential("fic-ingress"), IDENTITY).await.refused(404, "ResourceNotFound");
    let orphan = json!({ "properties": { "issuer": "i", "subject": "s", "audiences": [] } });
    bed.put(&credential("fic-1"), IDENTITY, orphan).await.refused(404, "ParentResourceNotFound");

    let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/k4xabc");
    let body = json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } });
    let started = bed.put(&account, STORAGE, body.clone()).await.expect(202);
    let share = format!("{account}/fileServices/default/shares/data-1");
    let quota =
        |quota: i64| json!({ "properties": { "shareQuota": quota, "metadata": { "kompox_volume_name": "data" } } });
    bed.put(&share, STORAGE, quota(10)).await.refused(409, "StorageAccountIsNotProvisioned");
    bed.pass(10);
    assert_eq!(bed.follow(started.header("location")).await.expect(200).body["name"], "k4xabc");
    let other = bed.group("g2").await;
    let taken = format!("{other}/providers/Microsoft.Storage/storageAccounts/k4xabc");
    bed.put(&taken, STORAGE, body).await.refused(409, "StorageAccountInAnotherResourceGroup");
    bed.put(&share, STORAGE, quota(10)).await.expect(201);
    let patched = bed.patch(&share, STORAGE, quota(20)).await.expect(200).body;
    assert_eq!(
        (&patched["properties"]["shareQuota"], &patched["properties"]["enabledProtocols"]),
        (&json!(20), &json!("SMB"))
    );
    assert_eq!(bed.names(&format!("{account}/fileServices/default/shares"), STORAGE).await, ["data-1"]);
    let keys = bed.call(Method::POST, &format!("{account}/listKeys"), STORAGE, None).await.expect(200).body;
    assert_eq!(keys["keys"][0]["keyName"], "key1");
    bed.delete(&share, STORAGE).await.expect(200);
    bed.delete(&account, STORAGE).await.expect(200);
    bed.delete(&account, STORAGE).await.expect(204);

    let zone = format!("{group}/providers/Microsoft.Network/dnsZones/example.com");
    bed.put(&zone, DNS, json!({ "location": "global" })).await.expect(201);
    let record = |kind: &str, name: &str| format!("{zone}/{kind}/{name}");
    let a = |ip: &str| json!({ "properties": { "TTL": 300, "ARecords": [{ "ipv4Address": ip }] } });
    let made = bed.put(&record("A", "www"), DNS, a("192.0.2.1")).await.expect(201).body;
    assert_eq!(made["properties"]["fqdn"], "www.example.com.");
    bed.put(&record("A", "www"), DNS, a("192.0.2.2")).await.expect(200);
    bed.put(&record("A", "www"), DNS, a("192.0.2.999")).await.refused(400, "BadRequest");
    let cname = json!({ "properties": { "TTL": 300, "CNAMERecord": { "cname": "x.example." } } });
    bed.put(&record("CNAME", "www"), DNS, cname.clone()).await.refused(400, "BadRequest");
    bed.put(&record("CNAME", "app"), DNS, cname).await.expect(201);
    assert_eq!(bed.names(&format!("{zone}/A"), DNS).await, ["www"]);
    assert_eq!(bed.names(&format!("{zone}/recordsets"), DNS).await.len(), 4);
    assert_eq!(bed.get(&zone, DNS).await.body["properties"]["numberOfRecordSets"], 4);
    bed.delete(&record("NS", "@"), DNS).await.refused(400, "BadRequest");
    bed.delete(&record("A", "www"), DNS).await.expect(200);
    bed.delete(&record("A", "www"), DNS).await.expect(204);
}

#[tokio::test]
async fn a_disk_is_attached_where_its_zone_sku_and_cache_allow() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let cluster = bed.cluster(&group, "c1").await;
    for (name, zones, ultra) in
        [("zonal", json!(["1"]), false), ("regional", json!(null), false), ("ultra", json!(["1"]), true)]
    {
        let properties = json!({ "mode": "User", "count": 1, "vmSize": "Standard_D2s_v5", "enableUltraSSD": ultra, "availabilityZones": zones });
        bed.put(&format!("{cluster}/agentPools/{name}"), CONTAINERS, json!({ "properties": properties }))
            .await
            .expect(201);
        bed.pass(20);
    }
    let world = World::open(bed.dir.path(), "").unwrap();
    let full = format!("{SUBSCRIPTION}{cluster}");
    let mut made = 0;
    for (sku, zone, pool, caching, says) in [
        ("Premium_LRS", None, "regional", "ReadOnly", None),
        ("Premium_LRS", Some("1"), "zonal", "ReadOnly", None),
        ("Premium_LRS", None, "zonal", "ReadOnly", Some("not in zone '1'")),
        ("Premium_LRS", Some("2"), "zonal", "ReadOnly", Some("not in zone '1'")),
        ("Premium_LRS", Some("1"), "regional", "ReadOnly", Some("the VM is not in any zone")),
        ("Premium_ZRS", None, "zonal", "ReadOnly", None),
        ("Premium_ZRS", None, "regional", "ReadOnly", None),
        ("PremiumV2_LRS", Some("1"), "zonal", "ReadOnly", Some("Caching 'ReadOnly' is not supported")),
        ("PremiumV2_LRS", Some("1"), "zonal", "None", None),
        ("UltraSSD_LRS", Some("1"), "zonal", "None", Some("ultraSSDEnabled")),
        ("UltraSSD_LRS", Some("1"), "ultra", "None", None),
    ] {
        made += 1;
        let path = format!("{group}/providers/Microsoft.Compute/disks/d{made}");
        let mut body = empty_disk(32);
        body["sku"]["name"] = json!(sku);
        body["zones"] = zone.map_or(Value::Null, |zone| json!([zone]));
        bed.put(&path, COMPUTE, body).await.expect(202);
        bed.pass(10);
        let disk = format!("{SUBSCRIPTION}{path}");
        let node = format!("aks-{pool}-vmss000000");
        let why = world.write::<_, WorldError>(|tx| attach_disk(tx, &full, &disk, &node, caching)).unwrap();
        match (why, says) {
            (None, None) => {}
            (Some(why), Some(says)) => assert!(why.contains(says), "{sku} {zone:?} {pool}: {why}"),
            (why, _) => panic!("{sku} {zone:?} {pool}: {why:?}"),
        }
    }
}

#[tokio::test]
async fn an_attached_disk_does_not_grow_over_four_tebibytes() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let cluster = format!("{SUBSCRIPTION}{}", bed.cluster(&group, "c1").await);
    let path = bed.disk(&group, "d1").await;
    let world = World::open(bed.dir.path(), "").unwrap();
    let disk = format!("{SUBSCRIPTION}{path}");
    world.write::<_, WorldError>(|tx| attach_disk(tx, &cluster, &disk, "aks-1", "ReadOnly")).unwrap();
    let size = |gib: i64| json!({ "properties": { "diskSizeGB": gib } });
    bed.patch(&path, COMPUTE, size(4096)).await.expect(202);
    bed.pass(10);
    bed.patch(&path, COMPUTE, size(4097)).await.refused(409, "OperationNotAllowed");
    world.write::<_, WorldError>(|tx| detach_disk(tx, &cluster, &disk)).unwrap();
    bed.patch(&path, COMPUTE, size(4097)).await.expect(202);
}

#[tokio::test]
async fn tags_are_one_whatever_their_case() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let path = bed.disk(&group, "d1").await;
    let twice = json!({ "Managed-By": "a", "managed-by": "b" });
    bed.patch(&path, COMPUTE, json!({ "tags": twice })).await.refused(400, "InvalidRequestContent");
    let tags = format!("{path}/providers/Microsoft.Resources/tags/default");
    let body = |operation: &str, tags: Value| json!({ "operation": operation, "properties": { "tags": tags } });
    bed.patch(&tags, RESOURCES, body("Merge", twice)).await.refused(400, "InvalidRequestContent");
    let merged = bed.patch(&tags, RESOURCES, body("Merge", json!({ "MANAGED-BY": "x" }))).await.expect(200).body;
    assert_eq!(merged["properties"]["tags"], json!({ "managed-by": "x" }));
    let left = bed.patch(&tags, RESOURCES, body("Delete", json!({ "Managed-By": "x" }))).await.expect(200).body;
    assert_eq!(left["properties"]["tags"], json!({}));
}

#[tokio::test]
async fn an_account_has_services_by_its_kind_and_its_name_is_the_worlds() {
    let bed = Bed::new().await;
    let group = bed.group("g1").await;
    let account = |name: &str| format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
    let body = |kind: &str, sku: &str| json!({ "location": "eastus", "kind": kind, "sku": { "name": sku } });
    for (kind, sku) in
        [("FileStorage", "Standard_LRS"), ("BlockBlobStorage", "Standard_LRS"), ("BlobStorage", "Premium_LRS")]
    {
        bed.put(&account("wrong"), STORAGE, body(kind, sku)).await.refused(400, "InvalidRequestPropertyValue");
    }
    for (name, kind, sku) in [
        ("general", "StorageV2", "Standard_LRS"),
        ("pages", "StorageV2", "Premium_LRS"),
        ("files", "FileStorage", "premium_lrs"),
    ] {
        bed.put(&account(name), STORAGE, body(kind, sku)).await.expect(202);
        bed.pass(10);
    }
    let share = |account: String| format!("{account}/fileServices/default/shares/data");
    let quota = |gib: i64| json!({ "properties": { "shareQuota": gib } });
    bed.put(&share(account("pages")), STORAGE, quota(100)).await.refused(409, "FeatureNotSupportedForAccount");
    bed.put(&share(account("files")), STORAGE, quota(99)).await.refused(400, "InvalidHeaderValue");
    let made = bed.put(&share(account("files")), STORAGE, quota(100)).await.expect(201).body;
    assert_eq!(
        (made["properties"]["leaseState"].as_str(), made["properties"]["accessTier"].as_str()),
        (Some("Available"), Some("Premium"))
    );
    for (service, item, name) in [
        ("blobServices", "containers", "my-box"),
        ("queueServices", "queues", "jobs"),
        ("tableServices", "tables", "Rows"),
    ] {
        let list = format!("{}/{service}/default/{item}", account("general"));
        let status = if item == "containers" { 201 } else { 200 };
        let made = bed.put(&format!("{list}/{name}"), STORAGE, json!({})).await.expect(status).body;
        assert_eq!(made["type"], format!("Microsoft.Storage/storageAccounts/{service}/{item}"));
        assert_eq!(bed.names(&list, STORAGE).await, [name]);
        bed.put(&format!("{}/{service}/default/{item}/{name}", account("files")), STORAGE, json!({}))
            .await
            .refused(409, "FeatureNotSupportedForAccount");
    }
    let other = format!("{}/resourceGroups/g2", SUBSCRIPTION.replace("11111111", "22222222"));
    let send = |path: String, version: &str, body: Value| {
        let url = format!("{}{path}?api-version={version}", bed.base);
        let bed = &bed;
        async move { bed.send(Method::PUT, &url, Some(body)).await.unwrap() }
    };
    send(other.clone(), RESOURCES, json!({ "location": "eastus" })).await.expect(201);
    let taken = format!("{other}/providers/Microsoft.Storage/storageAccounts/general");
    send(taken, STORAGE, body("StorageV2", "Standard_LRS")).await.refused(409, "StorageAccountAlreadyTaken");
    bed.delete(&account("general"), STORAGE).await.expect(200);
    bed.get(&format!("{}/blobServices/default/containers/my-box", account("general")), STORAGE)
        .await
        .refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn whoever_is_another_user_needs_the_worlds_token() {
    let mut bed = Bed::new().await;
    bed.stop().await;
    // As for a process of another user: nothing but the token opens.
    let config = Config { token_required: true, ..bed.config(&[], 100) };
    let sandbox = Sandbox::start(config, loopback()).await.unwrap();
    let (base, token) = (sandbox.endpoint(), sandbox.token().to_owned());
    assert_eq!(crate::existing_token(bed.dir.path()).as_deref(), Some(token.as_str()));
    let arm = format!("{base}{SUBSCRIPTION}/resourceGroups?api-version={RESOURCES}");
    let inside = ["/_sandbox/health", "/_sandbox/inspect", "/_sandbox/requests", "/kubernetes/x/api/v1/secrets"];
    for url in inside.iter().map(|path| format!("{base}{path}")).chain([arm.clone()]) {
        for wrong in [None, Some("sandbox-local"), Some(&token[..token.len() - 1])] {
            let mut request = bed.http.get(&url);
            if let Some(wrong) = wrong {
                request = request.bearer_auth(wrong);
            }
            assert_eq!(request.send().await.unwrap().status().as_u16(), 401, "{url} {wrong:?}");
        }
        let status = bed.http.get(&url).bearer_auth(&token).send().await.unwrap().status().as_u16();
        assert!(matches!(status, 200 | 503), "{url} {status}");
    }
    assert_eq!(bed.http.post(format!("{base}/_sandbox/drift")).body("{}").send().await.unwrap().status().as_u16(), 401);
    sandbox.stop().await;
}
