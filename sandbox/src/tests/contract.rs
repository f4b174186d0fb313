//! Every status that the sandbox gives is one that the published OpenAPI documents for the operation.

use std::collections::BTreeMap;

use super::*;

const SPECS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/azure-specs");

/// The index of the published files, which are not part of the repository; without it a test is skipped, and says so.
fn index(what: &str) -> Option<Value> {
    let path = format!("{SPECS}/INDEX.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Past the harness, which hides what passing tests print.
        let text = format!("\nskipped: {what} against the published OpenAPI: there is no {path}\n");
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

struct Operation {
    method: String,
    path: String,
    id: String,
    statuses: Vec<String>,
}

/// Whether a path fits a template; `{scope}` takes any number of segments. Gives how many segments fit literally.
fn fits(template: &[&str], path: &[&str]) -> Option<usize> {
    match (template.split_first(), path.split_first()) {
        (None, None) => Some(0),
        (Some((&"{scope}", rest)), _) => (1..=path.len()).filter_map(|taken| fits(rest, &path[taken..])).max(),
        (Some((word, rest)), Some((given, more))) if word.starts_with('{') => {
            (!given.is_empty()).then(|| fits(rest, more)).flatten()
        }
        (Some((word, rest)), Some((given, more))) if word.eq_ignore_ascii_case(given) => Some(1 + fits(rest, more)?),
        _ => None,
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

async fn tour(bed: &Bed) {
    let group = bed.group("g1").await;
    bed.group("g1").await;
    bed.get(&group, RESOURCES).await;
    bed.patch(&group, RESOURCES, json!({ "tags": {} })).await;
    bed.call(Method::HEAD, &group, RESOURCES, None).await;
    bed.call(Method::HEAD, "/resourceGroups/none", RESOURCES, None).await;
    for list in ["/resourceGroups", "/resourceGroups/g1/resources", "/resources", "/locations"] {
        bed.get(list, if list == "/locations" { "2022-12-01" } else { RESOURCES }).await.expect(200);
    }
    let typed = |kind: &str, name: &str| format!("{group}/providers/{kind}/{name}");
    let copy = json!({
        "location": "eastus",
        "properties": { "creationData": { "createOption": "Copy", "sourceResourceId": format!("{SUBSCRIPTION}{}", typed("Microsoft.Compute/disks", "x")) } },
    });
    let account = json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } });
    let account_path = typed("Microsoft.Storage/storageAccounts", "k4xabc");
    let cluster = typed("Microsoft.ContainerService/managedClusters", "x");
    let zone = typed("Microsoft.Network/dnsZones", "example.com");
    let identity = typed("Microsoft.ManagedIdentity/userAssignedIdentities", "id-1");
    let role = json!({ "properties": {
        "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c",
        "principalId": "aaaaaaaa-0000-4000-8000-000000000001",
    } });
    let fic = json!({ "properties": { "issuer": "https://i/", "subject": "s", "audiences": ["x"] } });
    let all: Vec<(String, &str, Value)> = vec![
        (typed("Microsoft.Compute/disks", "x"), COMPUTE, empty_disk(8)),
        (typed("Microsoft.Compute/snapshots", "x"), COMPUTE, copy),
        (cluster.clone(), CONTAINERS, cluster_body()),
        (format!("{cluster}/agentPools/npuser"), CONTAINERS, json!({ "properties": { "count": 1 } })),
        (identity.clone(), IDENTITY, json!({ "location": "eastus" })),
        (format!("{identity}/federatedIdentityCredentials/fic-1"), IDENTITY, fic),
        (
            typed("Microsoft.Authorization/roleAssignments", "00000000-0000-4000-8000-000000000001"),
            AUTHORIZATION_API,
            role,
        ),
        (typed("Microsoft.Authorization/locks", "l1"), LOCKS, json!({ "properties": { "level": "NotSpecified" } })),
        (
            typed("Microsoft.KeyVault/vaults", "v-1"),
            "2023-07-01",
            json!({ "location": "eastus", "properties": { "sku": { "name": "standard" } } }),
        ),
        (account_path.clone(), STORAGE, account),
        (
            format!("{account_path}/fileServices/default/shares/abc"),
            STORAGE,
            json!({ "properties": { "shareQuota": 1 } }),
        ),
        (zone.clone(), DNS, json!({ "location": "global" })),
        (
            format!("{zone}/A/www"),
            DNS,
            json!({ "properties": { "TTL": 1, "ARecords": [{ "ipv4Address": "192.0.2.1" }] } }),
        ),
    ];
    for (path, version, body) in &all {
        for _ in 0..2 {
            let reply = bed.put(path, version, body.clone()).await;
            assert!(reply.status < 300, "{path}: {}", reply.body);
            bed.pass(60);
        }
        bed.get(path, version).await.expect(200);
        let list = path.rsplit_once('/').unwrap().0;
        bed.get(list, version).await.expect(200);
        if path.matches('/').count() == 6 && !path.contains("Authorization") {
            bed.get(list.strip_prefix(&group).unwrap(), version).await.expect(200);
        }
        if !path.contains("Authorization") && !path.contains("agentPools") && !path.contains("federated") {
            let tags = if path.contains("/shares/") || path.contains("/A/") {
                json!({})
            } else {
                json!({ "tags": { "a": "b" } })
            };
            let reply = bed.patch(path, version, tags).await;
            assert!(reply.status < 300, "{path}: {}", reply.body);
            bed.pass(60);
        }
    }
    bed.call(Method::POST, &format!("{cluster}/listClusterAdminCredential"), CONTAINERS, None).await.expect(200);
    bed.call(Method::POST, &format!("{cluster}/listClusterUserCredential"), CONTAINERS, None).await.expect(200);
    bed.call(Method::POST, &format!("{account_path}/listKeys"), STORAGE, None).await.expect(200);
    bed.get(&format!("{zone}/recordsets"), DNS).await.expect(200);
    for (path, version, _) in all.iter().rev() {
        for _ in 0..2 {
            let reply = bed.delete(path, version).await;
            // The parent of what is deleted last may be gone already; that is no success to compare.
            assert!(reply.status < 300 || reply.status == 404, "{path}: {}", reply.body);
            bed.pass(60);
        }
    }
    bed.delete(&group, RESOURCES).await.expect(202);
}

#[tokio::test]
async fn statuses_are_documented() {
    let Some(index) = index("statuses of the sandbox") else { return };
    let operations: Vec<Operation> = index["specs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|spec| spec["operations"].as_array().unwrap())
        .map(|operation| Operation {
            method: operation["method"].as_str().unwrap().to_owned(),
            path: operation["path"].as_str().unwrap().to_owned(),
            id: operation["operationId"].as_str().unwrap().to_owned(),
            statuses: operation["responses"].as_object().unwrap().keys().cloned().collect(),
        })
        .collect();

    let bed = Bed::new().await;
    tour(&bed).await;
    let mut seen: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
    for entry in crate::requests(bed.dir.path()).unwrap() {
        let path = entry.target.split('?').next().unwrap();
        let operation = operations
            .iter()
            .filter(|operation| operation.method == entry.method)
            .filter_map(|operation| Some((fits(&segments(&operation.path), &segments(path))?, operation)))
            .max_by_key(|(literal, _)| *literal)
            .unwrap_or_else(|| panic!("{} {path} is in no OpenAPI file", entry.method))
            .1;
        let status = entry.status.unwrap();
        let documented = operation.statuses.contains(&status.to_string()) || status >= 400;
        assert!(documented, "{} answers {status}, documented are {:?}", operation.id, operation.statuses);
        seen.entry(&operation.id).or_default().push(status);
    }
    assert!(seen.len() >= 55, "only {} operations were compared: {:?}", seen.len(), seen.keys());
}

/// Whether a schema of a file, or what it is made of, has `systemData`.
fn says_who(file: &std::path::Path, schema: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let (other, place) = reference.split_once('#').unwrap();
        let file = if other.is_empty() { file.to_owned() } else { file.parent().unwrap().join(other) };
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let document: Value = serde_json::from_str(&text).unwrap();
        return says_who(&file, document.pointer(place).unwrap());
    }
    let whole = schema["allOf"].as_array().into_iter().flatten();
    schema["properties"].get("systemData").is_some() || whole.into_iter().any(|part| says_who(file, part))
}

#[test]
fn who_wrote_is_told_of_the_types_whose_interface_has_it() {
    let Some(index) = index("systemData of the sandbox") else { return };
    let mut compared = 0;
    for spec in index["specs"].as_array().unwrap() {
        let file = std::path::Path::new(SPECS).join(spec["source"].as_str().unwrap());
        let document: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let reads = spec["operations"].as_array().unwrap().iter().filter(|operation| operation["method"] == "GET");
        for path in reads.map(|operation| operation["path"].as_str().unwrap()) {
            let Some((_, typed)) = path.rsplit_once("/providers/") else { continue };
            let words: Vec<&str> = typed.split('/').collect();
            // One object: pairs of a type and a name behind the namespace.
            if words.len() < 3
                || words.len().is_multiple_of(2)
                || !words.last().unwrap().starts_with('{')
                || words[1].starts_with('{')
            {
                continue;
            }
            let types: Vec<&str> = words[1..].iter().step_by(2).copied().collect();
            let full = format!("{}/{}", words[0], types.join("/"));
            if !crate::arm::is_served(&full) {
                continue;
            }
            let schema = &document["paths"][path]["get"]["responses"]["200"]["schema"];
            let signed = crate::arm::authors::SIGNED.contains(&full.as_str());
            assert_eq!(signed, says_who(&file, schema), "{full}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} types were compared");
}
