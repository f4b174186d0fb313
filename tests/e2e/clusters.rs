//! Clusters, pools, locks and the sign-in, as Azure means them.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::cloud::Cloud;
use crate::harness::http::send;
use crate::harness::project::Project;
use crate::harness::run::Finished;

/// A project, and the cloud that it runs against.
pub(super) struct Site {
    pub(super) project: Project,
    pub(super) cloud: Cloud,
}

impl Site {
    pub(super) fn new() -> Self {
        let project = Project::gitea();
        let cloud = Cloud::beside(&project);
        Self { project, cloud }
    }

    fn applied() -> Self {
        let site = Self::new();
        site.run(&["apply", "--auto-approve"]).done();
        site
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Finished {
        let mut all = vec!["--sandbox-endpoint", self.cloud.endpoint.as_str()];
        all.extend(arguments);
        self.project.run(&all)
    }

    fn setting(&self, from: &str, to: &str) {
        self.project.edit("kompoxapp.yml", from, to);
    }

    /// All objects of the cloud.
    fn objects(&self) -> Vec<Value> {
        let answer = send(self.cloud.address(), "GET", "/_sandbox/inspect", &[("Host", self.cloud.address())], b"");
        answer.json()["objects"].as_array().unwrap().clone()
    }

    fn id(&self, suffix: &str) -> String {
        let objects = self.objects();
        let mut ids = objects.iter().filter_map(|object| object["id"].as_str());
        ids.find(|id| id.ends_with(suffix)).unwrap_or_else(|| panic!("nothing ends in {suffix}")).to_owned()
    }

    fn get(&self, suffix: &str) -> Value {
        self.cloud.arm("GET", &self.id(suffix), &Value::Null).json()
    }

    /// Changes an object as another writer would.
    fn drift(&self, suffix: &str, patch: &Value) {
        let body = json!({"id": self.id(suffix), "patch": patch}).to_string();
        let head = [("Host", self.cloud.address()), ("Content-Type", "application/json")];
        assert_eq!(send(self.cloud.address(), "POST", "/_sandbox/drift", &head, body.as_bytes()).status, 200);
    }

    fn versions(&self) -> Vec<String> {
        [CLUSTER, SYSTEM, USER]
            .iter()
            .map(|suffix| {
                let properties = &self.get(suffix)["properties"];
                let current = [&properties["currentKubernetesVersion"], &properties["currentOrchestratorVersion"]];
                current.iter().find_map(|version| version.as_str()).unwrap().to_owned()
            })
            .collect()
    }

    fn says(&self, finished: &Finished, parts: &[&str]) {
        let text = format!("{}{}", finished.stdout, finished.stderr);
        for part in parts {
            assert!(text.contains(part), "not said: {part}\n{text}");
        }
    }
}

const CLUSTER: &str = "-cluster1";
const SYSTEM: &str = "/agentPools/npsystem";
const USER: &str = "/agentPools/npuser1";
const VERSION: &str = "    AZURE_AKS_SYSTEM_VM_SIZE:";

fn version(version: &str) -> String {
    format!("    AZURE_AKS_KUBERNETES_VERSION: \"{version}\"\n{VERSION}")
}

#[test]
fn a_version_goes_on_with_the_pools_behind_it_and_never_back() {
    let site = Site::new();
    site.setting(VERSION, &version("1.33"));
    site.run(&["apply", "--auto-approve"]).done();

    // A patch that AKS installed by itself is the version that was asked for.
    let patched = json!({"properties": {"kubernetesVersion": "1.33.4", "currentKubernetesVersion": "1.33.4"}});
    site.drift(CLUSTER, &patched);
    let plan = site.run(&["plan"]).done();
    site.says(&plan, &["No changes."]);

    // A minor version that somebody installed is not fought, and said.
    let upgraded = json!({"properties": {"kubernetesVersion": "1.34.1", "currentKubernetesVersion": "1.34.1"}});
    site.drift(CLUSTER, &upgraded);
    let plan = site.run(&["plan"]).done();
    let told = "the cluster runs Kubernetes 1.34.1, later than the 1.33 of the manifest; AKS never goes back";
    site.says(&plan, &[told, "AZURE_AKS_KUBERNETES_VERSION: \"1.34\"", "No changes."]);

    // The pools follow when the manifest does, and the plan says what that means.
    site.setting("VERSION: \"1.33\"", "VERSION: \"1.34\"");
    let plan = site.run(&["plan"]).done();
    site.says(&plan, &["its nodes are drained and made anew", "~ node-pool/npuser1"]);
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.versions(), ["1.34.1"; 3]);
    site.says(&site.run(&["plan"]).done(), &["No changes."]);

    site.setting("VERSION: \"1.34\"", "VERSION: \"1.33\"");
    let plan = site.run(&["plan"]).exits(1);
    site.says(&plan, &["cannot go back from Kubernetes 1.34.1 to 1.33", "AZURE_AKS_KUBERNETES_VERSION: \"1.33\"\n"]);
    site.setting("VERSION: \"1.33\"", "VERSION: \"1.36\"");
    let plan = site.run(&["plan"]).exits(1);
    site.says(
        &plan,
        &["cannot go from Kubernetes 1.34.1 to 1.36 at once", "AZURE_AKS_KUBERNETES_VERSION: \"1.35\", apply"],
    );
    assert_eq!(site.versions(), ["1.34.1"; 3]);

    site.setting("VERSION: \"1.36\"", "VERSION: \"1.35\"");
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.versions(), ["1.35.0"; 3]);
}

#[test]
fn a_version_that_nobody_chose_is_left_whatever_it_is() {
    let site = Site::applied();
    for suffix in [CLUSTER, SYSTEM, USER] {
        site.drift(
            suffix,
            &json!({"properties": {
                "kubernetesVersion": "1.36.2", "currentKubernetesVersion": "1.36.2",
                "orchestratorVersion": "1.36.2", "currentOrchestratorVersion": "1.36.2",
            }}),
        );
    }
    site.says(&site.run(&["plan"]).done(), &["No changes."]);
    // An update for another reason leaves it too.
    site.drift(CLUSTER, &json!({"tags": {"managed-by": "somebody"}}));
    site.drift(USER, &json!({"properties": {"maxCount": 20}}));
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.versions(), ["1.36.2"; 3]);
    assert_eq!(site.get(USER)["properties"]["maxCount"], 10);
}

#[test]
fn an_update_leaves_the_node_counts_of_an_autoscaler() {
    let site = Site::applied();
    site.drift(SYSTEM, &json!({"properties": {"count": 3}}));
    site.drift(USER, &json!({"properties": {"count": 5}}));
    site.says(&site.run(&["plan"]).done(), &["No changes."]);
    site.setting(VERSION, &version("1.34"));
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.versions(), ["1.34.0"; 3]);
    let count = |suffix: &str| site.get(suffix)["properties"]["count"].clone();
    assert_eq!((count(SYSTEM), count(USER)), (json!(3), json!(5)));
}

#[test]
fn what_a_system_pool_never_changes_is_an_error_with_a_way_that_works() {
    let site = Site::applied();
    site.setting("AZURE_AKS_SYSTEM_VM_SIZE: Standard_D2ds_v4", "AZURE_AKS_SYSTEM_VM_SIZE: Standard_D4ds_v5");
    let plan = site.run(&["plan"]).exits(1);
    let why = "cannot change vmSize of its system pool npsystem from Standard_D2ds_v4 to Standard_D4ds_v5";
    site.says(&plan, &[why, "AZURE_AKS_SYSTEM_VM_SIZE: Standard_D4ds_v5\n", "az aks nodepool add --subscription 9473"]);
    for (from, to) in [("DISK_TYPE: Ephemeral", "DISK_TYPE: Managed"), ("DISK_SIZE_GB: 64", "DISK_SIZE_GB: 128")] {
        site.setting(&format!("SYSTEM_VM_{from}"), &format!("SYSTEM_VM_{to}"));
    }
    let plan = site.run(&["plan"]).exits(1);
    site.says(&plan, &["osDiskType of its system pool", "osDiskSizeGB of its system pool"]);

    // What the printed commands do.
    let system = site.id(SYSTEM);
    let standin = system.replace("npsystem", "standin");
    site.cloud.make(
        &standin,
        &json!({"properties": {
            "mode": "System", "count": 1, "nodeLabels": {"kompox.dev/node-pool": "system"},
        }}),
    );
    let gone = |id: &str| {
        site.cloud.arm("DELETE", id, &Value::Null);
        crate::harness::wait_for(id, || (site.cloud.arm("GET", id, &Value::Null).status == 404).then_some(()));
    };
    gone(&system);
    site.run(&["apply", "--auto-approve"]).done();
    gone(&standin);
    let made = &site.get(SYSTEM)["properties"];
    assert_eq!((&made["vmSize"], &made["osDiskSizeGB"]), (&json!("Standard_D4ds_v5"), &json!(128)));
    site.says(&site.run(&["plan"]).done(), &["No changes."]);
}

#[test]
fn a_replaced_pool_is_a_danger() {
    let site = Site::applied();
    site.setting("AZURE_AKS_USER_VM_SIZE: Standard_D2ds_v4", "AZURE_AKS_USER_VM_SIZE: Standard_D4ds_v5");
    let plan = site.run(&["plan"]).done();
    site.says(&plan, &["node-pool/npuser1: replaced: its nodes are drained", "every app on them is stopped"]);
}

const NO_LOCK: &str = "spec:\n  existing: false";
const LOCKED: &str = "spec:\n  protection: {provisioning: readOnly, lock: true}\n  existing: false";
const LIFTED: &str = "spec:\n  protection: {provisioning: none, lock: false}\n  existing: false";

#[test]
fn a_read_only_lock_comes_last_lets_plans_be_made_and_is_lifted_first() {
    let site = Site::new();
    site.setting(NO_LOCK, LOCKED);
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.get("/locks/kompox")["properties"]["level"], "ReadOnly");
    // The lock keeps the cluster's credentials back.
    let credential = format!("{}/listClusterAdminCredential", site.id(CLUSTER));
    assert_eq!(site.cloud.arm("POST", &credential, &Value::Null).status, 409);
    let plan = site.run(&["plan"]).done();
    site.says(&plan, &["taken as the state knows them, because they cannot be read", "No changes."]);
    site.run(&["drift"]).done();

    // Nothing in it can change while it stays, and that is said before anything is tried.
    let compose = site.project.read("compose.yml");
    site.project.write("compose.yml", &compose.replacen("image: ", "image: mirror.example/", 1));
    let plan = site.run(&["plan"]).exits(1);
    site.says(&plan, &["lock/cluster1 stays and refuses", "Deployment/app1-app", "set `lock: false`"]);

    site.setting(LOCKED, LIFTED);
    let applied = site.run(&["apply", "--auto-approve"]).done();
    site.says(&applied, &["1 updated, 1 deleted"]);
    assert!(site.objects().iter().all(|object| !object["id"].as_str().unwrap().ends_with("/locks/kompox")));
    site.says(&site.run(&["plan"]).done(), &["No changes."]);

    // It comes back, and goes again with everything else.
    site.setting(LIFTED, &LOCKED.replace("provisioning: readOnly", "provisioning: none"));
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.get("/locks/kompox")["properties"]["level"], "CanNotDelete");
    site.run(&["destroy", "--auto-approve"]).done();
    assert!(site.objects().iter().all(|object| !object["id"].as_str().unwrap().ends_with(CLUSTER)));
}

#[test]
fn what_a_lock_that_stays_forbids_is_said_by_the_plan() {
    let site = Site::new();
    site.setting(NO_LOCK, &LOCKED.replace("provisioning: readOnly", "provisioning: none"));
    site.run(&["apply", "--auto-approve"]).done();
    // A pool is replaced by deleting it, which the lock refuses; other changes it lets through.
    site.setting("AZURE_AKS_USER_VM_SIZE: Standard_D2ds_v4", "AZURE_AKS_USER_VM_SIZE: Standard_D4ds_v5");
    let plan = site.run(&["plan"]).exits(1);
    site.says(&plan, &["lock/cluster1 stays and refuses", "node-pool/npuser1"]);
    site.setting("AZURE_AKS_USER_VM_SIZE: Standard_D4ds_v5", "AZURE_AKS_USER_VM_SIZE: Standard_D2ds_v4");
    let compose = site.project.read("compose.yml");
    site.project.write("compose.yml", &compose.replacen("image: ", "image: mirror.example/", 1));
    site.run(&["apply", "--auto-approve"]).done();
}

#[test]
fn settings_that_azure_would_refuse_are_told_by_their_lines() {
    let told = |from: &str, to: &str, code: i32, parts: &[&str]| {
        let project = Project::gitea();
        project.edit("kompoxapp.yml", from, to);
        let finished = project.run_as_is(&["validate"]).exits(code);
        let text = format!("{}{}", finished.stdout, finished.stderr);
        for part in parts {
            assert!(text.contains(part), "not said: {part}\n{text}");
        }
    };
    let id = "AZURE_SUBSCRIPTION_ID: 9473abf6-f25e-420e-b3f2-128c1c7b46f2";
    told(
        id,
        "AZURE_SUBSCRIPTION_ID: my-subscription",
        1,
        &["no subscription id", "^^^^^^^^^^^^^^^", "az account show"],
    );
    told(
        "AZURE_LOCATION: eastus",
        "AZURE_LOCATION: tokyo",
        0,
        &["AZURE_LOCATION is \"tokyo\"", "did you mean japaneast?"],
    );
    told("AZURE_LOCATION: eastus", "AZURE_LOCATION: us-east", 1, &["no name of a region", "did you mean eastus?"]);
    let size = "USER_VM_SIZE: Standard_D2ds_v4";
    told(size, "USER_VM_SIZE: D2ds_v4", 1, &["which is no VM size", "did you mean Standard_D2ds_v4?"]);
    told(size, "USER_VM_SIZE: large", 1, &["which is no VM size", "as in Standard_D2lds_v6"]);
    told(VERSION, &version("banana"), 1, &["AZURE_AKS_KUBERNETES_VERSION is \"banana\"", "^^^^^^^^"]);
    told(VERSION, &version("v1.33"), 1, &["did you mean \"1.33\"?"]);
    told("certResolver: staging # Let", "certResolver: prod # Let", 0, &["cert-resolver", "did you mean production?"]);
    told("USER_VM_ZONES: 1", "USER_VM_ZONES: 1,1", 1, &["the zone 1 twice"]);
    told(
        id,
        &format!("{id}\n    AZURE_RESOURCE_PREFIX: my_team"),
        1,
        &["\"my_team-cluster1-dns\" cannot be the name of a DNS prefix", "AZURE_RESOURCE_PREFIX: my_team\n"],
    );
    let group = |name: &str| format!("    AZURE_RESOURCE_GROUP_NAME: {name}\n{VERSION}");
    told(VERSION, &group("ends."), 1, &["name of a resource group: it may not end with \".\""]);
    told(VERSION, &group(&"g".repeat(79)), 1, &["resource group of a cluster's nodes: it has 82 characters, and 80"]);
}

/// A program of that name first in the search path; it counts its calls in a file.
fn stub(project: &mut Project, name: &str, script: &str) -> std::path::PathBuf {
    let folder = project.root().parent().unwrap().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let (program, calls) = (folder.join(name), folder.join("calls"));
    let text = format!("#!/bin/sh\necho \"$@\" >> '{}'\n{script}\n", calls.display());
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    project.set("PATH", &format!("{}:/usr/bin:/bin", folder.display()));
    calls
}

#[test]
fn the_azure_cli_is_asked_once_and_for_the_right_tenant() {
    let mut site = Site::new();
    let endpoint = site.cloud.endpoint.clone();
    site.project.set("AZURE_RESOURCE_MANAGER_ENDPOINT", &endpoint);
    let token = r#"echo '{"accessToken": "sandbox-cli", "expires_on": 4102444800, "tokenType": "Bearer"}'"#;
    let calls = stub(&mut site.project, "az", token);
    site.project.run_as_is(&["apply", "--auto-approve"]).done();
    let asked = std::fs::read_to_string(&calls).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
    assert!(asked.contains("--subscription 9473abf6-f25e-420e-b3f2-128c1c7b46f2"), "{asked}");

    std::fs::remove_file(&calls).unwrap();
    site.project.set("AZURE_TENANT_ID", "22222222-2222-3333-4444-555555555555");
    site.project.run_as_is(&["plan"]).done();
    let asked = std::fs::read_to_string(&calls).unwrap();
    assert!(asked.contains("--tenant 22222222-") && !asked.contains("--subscription"), "{asked}");

    // A refusal is one refusal, however many requests wait for the token.
    std::fs::remove_file(&calls).unwrap();
    let calls = stub(&mut site.project, "az", "echo 'Please run az login' >&2; exit 1");
    let plan = site.project.run_as_is(&["plan"]).exits(1);
    site.says(&plan, &["Please run az login"]);
    assert_eq!(std::fs::read_to_string(&calls).unwrap().lines().count(), 1);
}

#[test]
fn the_developer_cli_is_asked_for_the_tenant_and_what_is_not_installed_is_named() {
    let mut site = Site::new();
    let endpoint = site.cloud.endpoint.clone();
    site.project.set("AZURE_RESOURCE_MANAGER_ENDPOINT", &endpoint);
    site.project.set("AZURE_TENANT_ID", "22222222-2222-3333-4444-555555555555");
    let token = r#"echo '{"token": "sandbox-azd", "expiresOn": "2100-01-01T00:00:00Z"}'"#;
    let calls = stub(&mut site.project, "azd", token);
    // The Azure CLI is not there.
    let plan = site.project.run_as_is(&["plan"]).exits(1);
    site.says(&plan, &["signing in to Azure by azure_cli failed: az not found on PATH"]);
    site.setting("AZURE_AUTH_METHOD: azure_cli", "AZURE_AUTH_METHOD: azure_developer_cli");
    site.project.run_as_is(&["plan"]).done();
    let asked = std::fs::read_to_string(&calls).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
    assert!(asked.contains("auth token") && asked.contains("--tenant-id 22222222-"), "{asked}");
    stub(&mut site.project, "azd", "echo 'ERROR: not logged in, run `azd auth login`' >&2; exit 1");
    let plan = site.project.run_as_is(&["plan"]).exits(1);
    site.says(&plan, &["azure_developer_cli failed: ERROR: not logged in"]);
}

/// A server that gives everybody the same answer, and the heads of what it was asked.
fn answers(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let heads = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            heads.lock().unwrap().push(String::from_utf8(head).unwrap());
            let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
        }
    });
    (format!("http://{address}"), seen)
}

/// A metadata service with a token.
fn metadata_service() -> (String, Arc<Mutex<Vec<String>>>) {
    let token =
        r#"{"access_token": "sandbox-machine", "expires_on": "4102444800", "token_type": "Bearer", "resource": "x"}"#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
    answers(format!("{head} {}\r\n\r\n{token}", token.len()))
}

#[test]
fn the_metadata_service_is_never_asked_through_a_proxy() {
    let (service, asked) = metadata_service();
    let (proxy, passed) = answers("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into());
    let mut site = Site::new();
    let endpoint = site.cloud.endpoint.clone();
    site.project.set("AZURE_RESOURCE_MANAGER_ENDPOINT", &endpoint);
    site.project.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", &service);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        site.project.set(name, &proxy);
    }
    site.setting("AZURE_AUTH_METHOD: azure_cli", "AZURE_AUTH_METHOD: managed_identity");
    site.project.run_as_is(&["plan"]).done();
    assert_eq!((asked.lock().unwrap().len(), passed.lock().unwrap().len()), (1, 0));
}

#[test]
fn in_an_app_service_the_identity_of_the_service_signs_in() {
    let (service, asked) = metadata_service();
    let mut site = Site::new();
    let endpoint = site.cloud.endpoint.clone();
    site.project.set("AZURE_RESOURCE_MANAGER_ENDPOINT", &endpoint);
    site.project.set("IDENTITY_ENDPOINT", &format!("{service}/msi/token"));
    site.project.set("IDENTITY_HEADER", "only-this-service");
    site.project.set("AZURE_CLIENT_ID", "44444444-2222-3333-4444-555555555555");
    site.setting("AZURE_AUTH_METHOD: azure_cli", "AZURE_AUTH_METHOD: managed_identity");
    site.project.run_as_is(&["plan"]).done();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    let head = asked[0].to_lowercase();
    assert!(head.starts_with("get /msi/token?") && head.contains("client_id=44444444-"), "{head}");
    assert!(head.contains("x-identity-header: only-this-service"), "{head}");
}

#[test]
fn a_vault_is_found_by_its_name_and_the_ingress_may_read_its_certificate() {
    let site = Site::new();
    // Nothing that the plan finds by itself is worth a warning, and no plan is made here.
    let valid = site.project.run_as_is(&["validate"]).done();
    assert!(!valid.stderr.contains("key-vault-unknown"), "{}", valid.stderr);
    let plan = site.run(&["plan"]).done();
    site.says(&plan, &["warning[key-vault-unknown]", "AZURE_KEY_VAULT_RESOURCE_IDS"]);

    // In another group, and even in another subscription.
    let group = "/subscriptions/33333333-f25e-420e-b3f2-128c1c7b46f2/resourceGroups/Shared";
    let vault = format!("{group}/providers/Microsoft.KeyVault/vaults/l0wdevtls-JPE-prd1");
    site.cloud.make(group, &json!({"location": "japaneast"}));
    let body = json!({"location": "japaneast", "properties": {
        "tenantId": "22222222-2222-3333-4444-555555555555", "sku": {"family": "A", "name": "standard"},
    }});
    site.cloud.make(&vault, &body);
    let plan = site.run(&["plan", "--out", "found.kplan"]).done();
    site.says(&plan, &["+ role-assignment/kv-l0wdevtls-jpe-prd1-cluster1-aks1-exp-kompox-dev"]);
    assert!(!plan.stderr.contains("key-vault-unknown"), "{}", plan.stderr);
    site.run(&["apply", "found.kplan", "--auto-approve"]).done();
    let roles: Vec<_> =
        site.objects().iter().filter_map(|object| object["id"].as_str().map(str::to_lowercase)).collect();
    let scope = format!("{}/secrets/cluster1-aks1-exp-kompox-dev/", vault.to_lowercase());
    assert!(roles.iter().any(|id| id.starts_with(&scope) && id.contains("/roleassignments/")), "{roles:?}");

    // What was granted stays granted although nobody can tell any more where the vault is.
    site.says(&site.run(&["plan"]).done(), &["No changes."]);
    site.cloud.arm("DELETE", &vault, &Value::Null);
    let plan = site.run(&["plan"]).done();
    assert!(!plan.stdout.contains("- role-assignment"), "{}", plan.stdout);
}
