//! Life and death of each kind, and what the controllers do.

use std::sync::{Arc, Mutex};

use http::Method;
use rusqlite::Transaction;
use serde_json::{Value, json};

use super::super::super::kube_api::KubernetesApi;
use super::super::super::world::WorldError;
use super::super::kinds::RESOURCES;
use super::super::{Disks, Emulator};
use super::{Bench, CLUSTER, DEPLOYMENTS, deployment, pool};

fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    let list = object["status"]["conditions"].as_array().unwrap();
    list.iter().find(|c| c["type"] == kind).unwrap()
}

fn web() -> String {
    format!("{DEPLOYMENTS}/web")
}

/// A valid object of every kind that clients write.
fn sample(kind: &str) -> Option<Value> {
    let template = deployment("x")["spec"].clone();
    Some(match kind {
        "Namespace" | "ServiceAccount" | "Endpoints" => json!({}),
        "Node" => json!({"spec": {"providerID": "x"}}),
        "ConfigMap" => json!({"data": {"a": "b"}}),
        "Secret" => json!({"stringData": {"a": "b"}}),
        "PersistentVolume" => json!({"spec": {"capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "disk.csi.azure.com", "volumeHandle": "/d"}}}),
        "PersistentVolumeClaim" => {
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        }
        "Service" => json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "x"}}}),
        "Job" => json!({"spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}}}),
        "Deployment" | "ReplicaSet" => {
            let mut spec = template;
            if kind == "ReplicaSet" {
                spec.as_object_mut().unwrap().remove("strategy");
            }
            json!({"spec": spec})
        }
        "Pod" => json!({"spec": template["template"]["spec"]}),
        "Event" => json!({"involvedObject": {"kind": "Pod", "name": "x", "namespace": "shop"}, "reason": "Because"}),
        "ResourceQuota" => json!({"spec": {"hard": {"pods": "10"}}}),
        "LimitRange" => json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}),
        "Ingress" => {
            json!({"spec": {"ingressClassName": "traefik", "rules": [{"host": "a.example.com", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}})
        }
        "IngressClass" => json!({"spec": {"controller": "traefik.io/ingress-controller"}}),
        "NetworkPolicy" => {
            json!({"spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 80}]}]}})
        }
        "Role" | "ClusterRole" => json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        "RoleBinding" | "ClusterRoleBinding" => json!({
            "roleRef": {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "shop"}],
        }),
        "StorageClass" => json!({"provisioner": "disk.csi.azure.com"}),
        "SecretProviderClass" => json!({"spec": {"provider": "azure", "parameters": {"keyvaultName": "kv"}}}),
        _ => return None,
    })
}

#[test]
fn every_kind_is_applied_read_changed_and_deleted() {
    let bench = Bench::new();
    bench.namespace("shop");
    for resource in RESOURCES {
        let mut object = sample(resource.kind).unwrap();
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = resource.kind.into();
        object["metadata"] = json!({"name": "thing", "labels": {"a": "b"}});
        let namespace = if resource.namespaced { "shop" } else { "" };
        let path = resource.path(namespace, "thing");
        let target = format!("{path}?fieldManager=kompox");
        let (code, created) = bench.apply(&target, &object);
        assert_eq!(code, 201, "{} {created}", resource.kind);
        let uid = created["metadata"]["uid"].as_str().unwrap().to_owned();
        assert_eq!(bench.post(&resource.path(namespace, ""), &object).0, 409, "{}", resource.kind);

        let (_, read) = bench.get(&path);
        assert_eq!(
            (read["kind"].as_str(), read["metadata"]["uid"].as_str()),
            (Some(resource.kind), Some(uid.as_str()))
        );
        let (code, same) = bench.apply(&target, &object);
        assert_eq!(code, 200, "{} {same}", resource.kind);
        assert_eq!(
            same["metadata"]["resourceVersion"],
            bench.get(&path).1["metadata"]["resourceVersion"],
            "{}",
            resource.kind
        );
        let (code, patched) = bench.merge(&path, &json!({"metadata": {"labels": {"c": "d"}}}));
        assert_eq!((code, &patched["metadata"]["labels"]["c"]), (200, &json!("d")), "{} {patched}", resource.kind);
        assert_eq!(patched["metadata"]["creationTimestamp"], "2023-11-14T22:13:20Z");
        let (_, list) = bench.get(&format!("{}?labelSelector=c%3Dd", resource.path(namespace, "")));
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{}", resource.kind);
        assert_eq!(list["kind"], format!("{}List", resource.kind));

        assert_eq!(bench.delete(&path).0, 200, "{}", resource.kind);
        bench.get("/version");
        bench.pass(600);
        bench.get("/api/v1/nodes");
        assert_eq!(bench.get(&path).0, 404, "{}", resource.kind);
        bench.pass(-600);
    }
}

#[test]
fn a_job_runs_until_it_ends_well_or_is_given_up() {
    let bench = Bench::new();
    bench.namespace("shop");
    let path = |name: &str| format!("/apis/batch/v1/namespaces/shop/jobs/{name}");
    let job = |name: &str, command: &[&str]| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"backoffLimit": 1, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "a", "image": "x", "command": command}],
            }}},
        })
    };
    for (name, command) in [("good", ["sh", "-c", "true"]), ("bad", ["sh", "-c", "exit 3"])] {
        assert_eq!(bench.apply(&format!("{}?fieldManager=a", path(name)), &job(name, &command)).0, 201);
    }
    for _ in 0..6 {
        bench.pass(6);
        bench.get("/api/v1/nodes");
    }
    let (_, good) = bench.get(&path("good"));
    assert_eq!((&condition(&good, "Complete")["status"], &good["status"]["succeeded"]), (&json!("True"), &json!(1)));
    let (_, bad) = bench.get(&path("bad"));
    assert_eq!(condition(&bad, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!(bad["status"]["failed"], 2);
    let changed = bench.merge(&path("bad"), &json!({"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}));
    assert_eq!(changed.0, 422, "{}", changed.1);
}

#[test]
fn a_namespace_takes_no_pod_beyond_its_level() {
    let bench = Bench::new();
    bench.namespace("shop");
    let level = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    bench.merge("/api/v1/namespaces/shop", &level);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "a", "image": "x", "securityContext": {"privileged": true}}]},
    });
    let (code, answer) = bench.post("/api/v1/namespaces/shop/pods", &pod);
    assert_eq!(code, 403, "{answer}");
    assert!(
        answer["message"].as_str().unwrap().contains("violates PodSecurity \"baseline:latest\": privileged"),
        "{answer}"
    );
    let mut workload = deployment("web");
    workload["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    // The object is taken, but none of its Pods.
    assert_eq!(bench.apply(&format!("{}?fieldManager=a", web()), &workload).0, 201);
    bench.pass(6);
    let (_, events) = bench.get("/api/v1/namespaces/shop/events");
    assert!(events.to_string().contains("violates PodSecurity"), "{events}");
    assert!(bench.get("/api/v1/namespaces/shop/pods").1["items"].as_array().unwrap().is_empty());
}

#[test]
fn a_deployment_becomes_available_after_the_delay_and_its_pod_has_a_node() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.apply(&format!("{}?fieldManager=a", web()), &deployment("web"));
    let (_, fresh) = bench.get(&web());
    assert_eq!(condition(&fresh, "Available")["status"], "False");
    assert_eq!(fresh["status"]["observedGeneration"], 1);
    assert_eq!(fresh["status"]["unavailableReplicas"], 1);
    bench.pass(6);
    let (_, ready) = bench.get(&web());
    assert_eq!(condition(&ready, "Available")["status"], "True");
    assert_eq!(condition(&ready, "Progressing")["reason"], "NewReplicaSetAvailable");
    for field in ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas"] {
        assert_eq!(ready["status"][field], 1, "{field}");
    }
    assert_eq!(ready["metadata"]["generation"], 1);
    let (_, pods) = bench.get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb");
    let pod = &pods["items"][0];
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["spec"]["nodeName"], "aks-npuser1-vmss000000");
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], true);

    // A new image: the old Pod ends before the new one starts.
    bench.merge(&web(), &json!({"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}));
    let (_, rolling) = bench.get(&web());
    assert_eq!(rolling["status"]["observedGeneration"], 2);
    assert_eq!(condition(&rolling, "Available")["status"], "False");
    let (_, pods) = bench.get("/api/v1/namespaces/shop/pods");
    assert_eq!(pods["items"].as_array().unwrap().len(), 1);
    assert!(pods["items"][0]["metadata"].get("deletionTimestamp").is_some());
    bench.pass(20);
    let (_, ready) = bench.get(&web());
    assert_eq!(condition(&ready, "Available")["status"], "True");
    let (_, pods) = bench.get("/api/v1/namespaces/shop/pods");
    assert_eq!(pods["items"].as_array().unwrap().len(), 1);
    assert_eq!(pods["items"][0]["metadata"]["labels"]["v"], "2");

    assert_eq!(bench.delete(&web()).0, 200);
    bench.pass(10);
    assert_eq!(bench.get("/api/v1/namespaces/shop/pods").1["items"], json!([]));
    assert_eq!(bench.get("/apis/apps/v1/namespaces/shop/replicasets").1["items"], json!([]));
}

#[test]
fn a_pod_without_a_fitting_node_waits_and_says_why() {
    let bench = Bench::new();
    bench.namespace("shop");
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["nodeSelector"]["kompox.dev/node-zone"] = "2".into();
    bench.post(DEPLOYMENTS, &object);
    bench.pass(60);
    let (_, waiting) = bench.get(&web());
    assert_eq!(condition(&waiting, "Available")["status"], "False");
    let (_, events) = bench.get("/api/v1/namespaces/shop/events?fieldSelector=reason%3DFailedScheduling");
    assert!(events["items"][0]["message"].as_str().unwrap().contains("node affinity/selector"));
    bench.pass(600);
    assert_eq!(condition(&bench.get(&web()).1, "Progressing")["reason"], "ProgressDeadlineExceeded");
    let zone2 = pool("npuser2", &[("kompox.dev/node-pool", "user"), ("kompox.dev/node-zone", "2")], 1);
    bench.world.write(|tx| bench.emulator.pool_changed(tx, CLUSTER, &zone2, bench.now_ms.get())).unwrap();
    bench.pass(6);
    let (_, ready) = bench.get(&web());
    assert_eq!(condition(&ready, "Available")["status"], "True");
    bench.world.write(|tx| bench.emulator.pool_deleted(tx, CLUSTER, "npuser2", bench.now_ms.get())).unwrap();
    bench.pass(1);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "False");
}

#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<String>>,
    refused: Mutex<Option<String>>,
}

impl Disks for Recorder {
    fn attach(
        &self,
        _: &Transaction<'_>,
        _: &str,
        handle: &str,
        node: &str,
        _: &str,
    ) -> Result<Option<String>, WorldError> {
        self.calls.lock().unwrap().push(format!("attach {handle} {node}"));
        Ok(self.refused.lock().unwrap().clone())
    }

    fn detach(&self, _: &Transaction<'_>, _: &str, handle: &str) -> Result<(), WorldError> {
        self.calls.lock().unwrap().push(format!("detach {handle}"));
        Ok(())
    }

    fn grow(&self, _: &Transaction<'_>, handle: &str, gib: i64) -> Result<Option<String>, WorldError> {
        self.calls.lock().unwrap().push(format!("grow {handle} {gib}"));
        Ok(self.refused.lock().unwrap().clone())
    }

    fn delete(&self, _: &Transaction<'_>, handle: &str) -> Result<(), WorldError> {
        self.calls.lock().unwrap().push(format!("delete {handle}"));
        Ok(())
    }
}

fn volume(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "32Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "managed-csi",
        "persistentVolumeReclaimPolicy": "Retain", "csi": {"driver": "disk.csi.azure.com", "volumeHandle": "/x/disks/d"},
    }})
}

fn claim(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "managed-csi", "volumeName": name,
        "resources": {"requests": {"storage": "32Gi"}},
    }})
}

const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";
const VOLUMES: &str = "/api/v1/persistentvolumes";

#[test]
fn a_claim_binds_to_its_volume_and_the_disk_follows_the_pod() {
    let disks = Arc::new(Recorder::default());
    let bench = Bench::with(Emulator::new(std::time::Duration::from_secs(5)).with_disks(disks.clone()));
    bench.namespace("shop");
    assert_eq!(bench.post(CLAIMS, &claim("data")).0, 201);
    assert_eq!(bench.post(VOLUMES, &volume("data")).0, 201);
    let mut object = deployment("web");
    let pod = &mut object["spec"]["template"]["spec"];
    pod["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let (code, made) = bench.post(DEPLOYMENTS, &object);
    assert_eq!(code, 201, "{made}");
    assert_eq!(bench.get(&format!("{VOLUMES}/data")).1["status"]["phase"], "Available");
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Pending");
    bench.pass(20);
    let (_, bound) = bench.get(&format!("{CLAIMS}/data"));
    assert_eq!(bound["status"]["phase"], "Bound");
    assert_eq!(bound["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"], "yes");
    let (_, pv) = bench.get(&format!("{VOLUMES}/data"));
    assert_eq!(
        (pv["status"]["phase"].as_str(), &pv["spec"]["claimRef"]["uid"]),
        (Some("Bound"), &bound["metadata"]["uid"])
    );
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "True");
    assert_eq!(*disks.calls.lock().unwrap(), ["attach /x/disks/d aks-npuser1-vmss000000"]);

    // Both are kept while in use.
    assert_eq!(bench.delete(&format!("{CLAIMS}/data")).0, 200);
    assert_eq!(bench.delete(&format!("{VOLUMES}/data")).0, 200);
    bench.pass(60);
    assert!(bench.get(&format!("{CLAIMS}/data")).1["metadata"].get("deletionTimestamp").is_some());
    assert!(bench.get(&format!("{VOLUMES}/data")).1["metadata"].get("deletionTimestamp").is_some());
    bench.delete(&web());
    bench.pass(60);
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).0, 404);
    assert_eq!(bench.get(&format!("{VOLUMES}/data")).0, 404);
    assert_eq!(disks.calls.lock().unwrap().last().map(String::as_str), Some("detach /x/disks/d"));
}

#[test]
fn a_disk_that_cannot_be_attached_keeps_the_pod_from_starting() {
    let disks = Arc::new(Recorder::default());
    *disks.refused.lock().unwrap() = Some("the disk is in another zone".into());
    let bench = Bench::with(Emulator::new(std::time::Duration::from_secs(5)).with_disks(disks.clone()));
    bench.namespace("shop");
    bench.post(VOLUMES, &volume("data"));
    bench.post(CLAIMS, &claim("data"));
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    bench.post(DEPLOYMENTS, &object);
    bench.pass(60);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "False");
    let (_, events) = bench.get("/api/v1/namespaces/shop/events?fieldSelector=reason%3DFailedAttachVolume");
    assert!(events["items"][0]["message"].as_str().unwrap().contains("another zone"));
    *disks.refused.lock().unwrap() = None;
    bench.pass(10);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "True");
}

#[test]
fn a_claim_grows_the_disk_and_its_volume_and_never_the_other_way() {
    let disks = Arc::new(Recorder::default());
    let bench = Bench::with(Emulator::new(std::time::Duration::from_secs(5)).with_disks(disks.clone()));
    bench.namespace("shop");
    for name in ["data", "late"] {
        bench.post(VOLUMES, &volume(name));
        bench.post(CLAIMS, &claim(name));
    }
    bench.pass(10);
    let size =
        |path: String, pointer: &str| bench.get(&path).1.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let capacity = |name: &str| size(format!("{VOLUMES}/{name}"), "/spec/capacity/storage").unwrap();
    let has = |name: &str| size(format!("{CLAIMS}/{name}"), "/status/capacity/storage").unwrap();
    let asks = json!({"spec": {"resources": {"requests": {"storage": "64Gi"}}}});

    // The claim first: everything follows, and the file system when a Pod mounts it.
    bench.merge(&format!("{CLAIMS}/data"), &asks);
    bench.pass(10);
    assert_eq!((capacity("data").as_str(), has("data").as_str()), ("64Gi", "32Gi"));
    assert_eq!(*disks.calls.lock().unwrap(), ["grow /x/disks/d 64"]);
    let (_, pending) = bench.get(&format!("{CLAIMS}/data"));
    assert_eq!(pending["status"]["conditions"][0]["type"], "FileSystemResizePending");
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    bench.post(DEPLOYMENTS, &object);
    bench.pass(60);
    assert_eq!(has("data"), "64Gi");

    // The volume first: it is as large as the claim asks for, so nothing is done.
    bench.merge(&format!("{VOLUMES}/late"), &json!({"spec": {"capacity": {"storage": "64Gi"}}}));
    bench.merge(&format!("{CLAIMS}/late"), &asks);
    bench.pass(60);
    assert_eq!(has("late"), "32Gi");
    assert_eq!(disks.calls.lock().unwrap().iter().filter(|call| call.starts_with("grow")).count(), 1);
}

#[test]
fn a_volume_that_is_to_be_deleted_takes_its_disk_along() {
    for (policy, gone) in [("Delete", true), ("Retain", false)] {
        let disks = Arc::new(Recorder::default());
        let bench = Bench::with(Emulator::new(std::time::Duration::from_secs(5)).with_disks(disks.clone()));
        bench.namespace("shop");
        bench.post(VOLUMES, &volume("data"));
        bench.post(CLAIMS, &claim("data"));
        bench.pass(10);
        bench.merge(&format!("{VOLUMES}/data"), &json!({"spec": {"persistentVolumeReclaimPolicy": policy}}));
        bench.delete(&format!("{CLAIMS}/data"));
        bench.pass(60);
        // What is due is done by the next request.
        let missing = bench.get(&format!("{VOLUMES}/data")).0 == 404;
        let deleted = disks.calls.lock().unwrap().contains(&"delete /x/disks/d".to_owned());
        assert_eq!((deleted, missing), (gone, gone), "{policy}");
    }
}

#[test]
fn a_released_volume_takes_no_new_claim() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.post(VOLUMES, &volume("data"));
    bench.post(CLAIMS, &claim("data"));
    bench.pass(10);
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Bound");
    bench.delete(&format!("{CLAIMS}/data"));
    assert_eq!(bench.get(&format!("{VOLUMES}/data")).1["status"]["phase"], "Released");
    bench.post(CLAIMS, &claim("data"));
    bench.pass(60);
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Pending");
    bench.merge(&format!("{VOLUMES}/data"), &json!({"spec": {"claimRef": null}}));
    bench.pass(10);
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Bound");
}

#[test]
fn a_claim_of_a_class_is_provisioned_when_a_pod_uses_it_and_grows() {
    let bench = Bench::new();
    bench.namespace("shop");
    let acme = json!({"metadata": {"name": "acme"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let (_, made) = bench.post(CLAIMS, &acme);
    assert_eq!(made["spec"]["storageClassName"], "default");
    bench.pass(60);
    assert_eq!(bench.get(&format!("{CLAIMS}/acme")).1["status"]["phase"], "Pending");
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "acme"}}]);
    bench.post(DEPLOYMENTS, &object);
    bench.pass(20);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "True");
    let more = json!({"spec": {"resources": {"requests": {"storage": "2048Mi"}}}});
    assert_eq!(bench.merge(&format!("{CLAIMS}/acme"), &more).0, 200);
    bench.pass(10);
    assert_eq!(bench.get(&format!("{CLAIMS}/acme")).1["status"]["capacity"]["storage"], "2Gi");
    let less = json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}});
    assert_eq!(bench.merge(&format!("{CLAIMS}/acme"), &less).0, 422);
    bench.delete(&web());
    bench.pass(20);
    bench.delete(&format!("{CLAIMS}/acme"));
    bench.pass(1);
    assert_eq!(bench.get(VOLUMES).1["items"], json!([]));
}

#[test]
fn load_balancers_and_ingresses_get_addresses() {
    let bench = Bench::new();
    bench.namespace("traefik");
    bench.namespace("shop");
    let ingress = json!({"metadata": {"name": "web"}, "spec": sample("Ingress").unwrap()["spec"]});
    bench.post("/apis/networking.k8s.io/v1/namespaces/shop/ingresses", &ingress);
    let service = json!({"metadata": {"name": "traefik"}, "spec": {
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": {"app": "traefik"},
        "ports": [{"name": "web", "port": 80}, {"name": "websecure", "port": 443, "targetPort": 8443}],
    }});
    let (code, made) = bench.post("/api/v1/namespaces/traefik/services", &service);
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["spec"]["ports"][0]["targetPort"], 80);
    assert!(made["spec"]["ports"][1]["nodePort"].as_i64().unwrap() >= 30_000);
    assert!(made["spec"]["clusterIP"].as_str().unwrap().starts_with("10.0."));
    assert_eq!(made["status"], json!({"loadBalancer": {}}));
    bench.pass(6);
    let (_, addressed) = bench.get("/api/v1/namespaces/traefik/services/traefik");
    let ip = addressed["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap();
    assert!(ip.starts_with("203.0.113."));
    let (_, ingress) = bench.get("/apis/networking.k8s.io/v1/namespaces/shop/ingresses/web");
    assert_eq!(ingress["status"]["loadBalancer"]["ingress"][0]["ip"], ip);

    assert_eq!(addressed["metadata"]["finalizers"], json!(["service.kubernetes.io/load-balancer-cleanup"]));

    // What was allocated stays when an update leaves it out, and cannot be changed.
    let path = "/api/v1/namespaces/traefik/services/traefik";
    let mut again = service.clone();
    again["metadata"]["labels"] = json!({"a": "b"});
    again["metadata"]["finalizers"] = addressed["metadata"]["finalizers"].clone();
    let (code, kept) = bench.put(path, &again);
    assert_eq!((code, &kept["spec"]["clusterIP"]), (200, &made["spec"]["clusterIP"]), "{kept}");
    assert_eq!(kept["spec"]["ports"], made["spec"]["ports"]);
    assert_eq!(bench.merge(path, &json!({"spec": {"clusterIP": "10.0.9.9", "clusterIPs": ["10.0.9.9"]}})).0, 422);
    let (_, going) = bench.delete(path);
    assert!(going["metadata"].get("deletionTimestamp").is_some());
    assert_eq!(bench.get(path).0, 404);
    let headless = json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}}});
    let (_, headless) = bench.post("/api/v1/namespaces/shop/services", &headless);
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
}

#[test]
fn a_deleted_namespace_takes_its_contents_along() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.post(VOLUMES, &volume("data"));
    bench.post(CLAIMS, &claim("data"));
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    bench.post(DEPLOYMENTS, &object);
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    bench.post("/api/v1/namespaces/shop/configmaps", &held);
    bench.pass(30);
    let (code, going) = bench.delete("/api/v1/namespaces/shop");
    assert_eq!((code, going["status"]["phase"].as_str()), (200, Some("Terminating")));
    let (code, refused) = bench.post("/api/v1/namespaces/shop/configmaps", &json!({"metadata": {"name": "late"}}));
    assert_eq!((code, refused["details"]["causes"][0]["reason"].as_str()), (403, Some("NamespaceTerminating")));
    bench.pass(60);
    // A foreign finalizer holds it.
    assert_eq!(bench.get("/api/v1/namespaces/shop").1["status"]["phase"], "Terminating");
    assert_eq!(bench.get(&web()).0, 404);
    let (code, _) = bench.merge("/api/v1/namespaces/shop/configmaps/held", &json!({"metadata": {"finalizers": null}}));
    assert_eq!(code, 200);
    assert_eq!(bench.get("/api/v1/namespaces/shop").0, 404);
    assert_eq!(bench.get(&format!("{VOLUMES}/data")).1["status"]["phase"], "Released");
    assert!(bench.dump().iter().all(|(_, path, _)| !path.contains("/namespaces/shop")));
    assert_eq!(bench.delete("/api/v1/namespaces/kube-system").0, 403);
}

#[test]
fn preconditions_and_propagation_of_deletions() {
    let bench = Bench::new();
    bench.namespace("shop");
    let (_, made) = bench.post(DEPLOYMENTS, &deployment("web"));
    bench.pass(10);
    let wrong = json!({"preconditions": {"uid": "other"}});
    assert_eq!(bench.call(Method::DELETE, &web(), "application/json", &wrong).0, 409);
    let right = json!({"preconditions": {"uid": made["metadata"]["uid"]}, "propagationPolicy": "Foreground"});
    let (code, going) = bench.call(Method::DELETE, &web(), "application/json", &right);
    assert_eq!((code, &going["metadata"]["finalizers"]), (200, &json!(["foregroundDeletion"])));
    assert!(going["metadata"].get("deletionTimestamp").is_some());
    bench.pass(60);
    assert_eq!(bench.get(&web()).0, 404);

    bench.post(DEPLOYMENTS, &deployment("web"));
    bench.pass(10);
    bench.get(&web());
    assert_eq!(bench.delete(&format!("{}?propagationPolicy=Orphan", web())).0, 200);
    bench.pass(60);
    assert_eq!(bench.get("/api/v1/namespaces/shop/pods").1["items"].as_array().unwrap().len(), 1);
    let (_, gone) = bench.delete(&web());
    assert_eq!(gone["reason"], "NotFound");
    assert_eq!(gone["message"], "deployments.apps \"web\" not found");
}

#[test]
fn invalid_objects_are_refused_with_their_causes() {
    let bench = Bench::new();
    bench.namespace("shop");
    let causes = |status: &Value| -> Vec<String> {
        let list = status["details"]["causes"].as_array().unwrap();
        list.iter().map(|c| format!("{} {}", c["field"].as_str().unwrap(), c["reason"].as_str().unwrap())).collect()
    };
    let mut object = deployment("web");
    object["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    object["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("image");
    object["spec"]["template"]["spec"]["containers"][1]["name"] = "Bad_Name".into();
    let (code, status) = bench.post(DEPLOYMENTS, &object);
    assert_eq!((code, status["reason"].as_str()), (422, Some("Invalid")));
    assert_eq!(
        causes(&status),
        [
            "spec.template.metadata.labels FieldValueInvalid",
            "spec.template.spec.containers[0].image FieldValueRequired",
            "spec.template.spec.containers[1].name FieldValueInvalid",
        ]
    );
    let (code, status) = bench.post(DEPLOYMENTS, &json!({"metadata": {"name": "x"}, "spec": {}}));
    assert_eq!(code, 422);
    assert_eq!(
        causes(&status),
        ["spec.selector FieldValueRequired", "spec.template.spec.containers FieldValueRequired"]
    );
    assert_eq!(bench.post("/api/v1/namespaces", &json!({"metadata": {"name": "Shop"}})).0, 422);
    assert_eq!(bench.post("/api/v1/namespaces/none/configmaps", &json!({"metadata": {"name": "x"}})).0, 404);
    assert_eq!(bench.post(DEPLOYMENTS, &json!({"metadata": {"name": "x"}, "spec": {"replicas": "1"}})).0, 400);
    assert_eq!(bench.raw(Method::POST, DEPLOYMENTS, "application/json", "{").status, 400);
    let strict = format!("{DEPLOYMENTS}?fieldValidation=Strict");
    let mut unknown = deployment("web");
    unknown["spec"]["replica"] = 1.into();
    let (code, status) = bench.post(&strict, &unknown);
    assert_eq!(
        (code, status["message"].as_str()),
        (400, Some("strict decoding error: unknown field \"spec.replica\""))
    );
    let warned = bench.raw(Method::POST, DEPLOYMENTS, "application/json", &unknown.to_string());
    assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"spec.replica\\\"\"");
}

#[test]
fn immutable_fields_stay() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.post(DEPLOYMENTS, &deployment("web"));
    let relabel =
        json!({"spec": {"selector": {"matchLabels": {"v": "1"}}, "template": {"metadata": {"labels": {"v": "1"}}}}});
    assert_eq!(bench.merge(&web(), &relabel).0, 422);
    bench.post(VOLUMES, &volume("data"));
    let moved = json!({"spec": {"csi": {"volumeHandle": "/other"}}});
    assert_eq!(bench.merge(&format!("{VOLUMES}/data"), &moved).0, 422);
    bench.post(CLAIMS, &claim("data"));
    let (code, status) = bench.merge(&format!("{CLAIMS}/data"), &json!({"spec": {"storageClassName": "other"}}));
    assert_eq!(code, 422);
    assert!(status["message"].as_str().unwrap().contains("spec is immutable after creation except"));
    let secrets = "/api/v1/namespaces/shop/secrets";
    bench.post(secrets, &json!({"metadata": {"name": "s"}, "immutable": true, "stringData": {"a": "b"}}));
    assert_eq!(bench.merge(&format!("{secrets}/s"), &json!({"stringData": {"a": "c"}})).0, 422);
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings";
    bench.post(bindings, &json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "x"}}));
    assert_eq!(bench.merge(&format!("{bindings}/b"), &json!({"roleRef": {"name": "y"}})).0, 422);
}

#[test]
fn status_and_scale_are_their_own_resources() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.post(DEPLOYMENTS, &deployment("web"));
    bench.pass(10);
    let (_, before) = bench.get(&web());
    let (_, after) = bench.merge(&web(), &json!({"status": {"replicas": 9}}));
    assert_eq!(after, before);
    let (_, after) =
        bench.merge(&format!("{}/status", web()), &json!({"status": {"collisionCount": 2}, "spec": {"replicas": 7}}));
    assert_eq!((&after["status"]["collisionCount"], &after["spec"]["replicas"]), (&json!(2), &json!(1)));
    let (code, scale) = bench.merge(&format!("{}/scale", web()), &json!({"spec": {"replicas": 0}}));
    assert_eq!((code, scale["kind"].as_str(), &scale["spec"]["replicas"]), (200, Some("Scale"), &json!(0)));
    bench.pass(60);
    let (_, scaled) = bench.get(&web());
    assert_eq!((&scaled["spec"]["replicas"], scaled["status"].get("readyReplicas")), (&json!(0), None));
    assert_eq!(bench.get("/api/v1/namespaces/shop/pods").1["items"], json!([]));
    assert_eq!(bench.get(&format!("{}/log", web())).0, 404);
}

#[test]
fn a_missing_secret_keeps_the_pod_from_starting() {
    let bench = Bench::new();
    bench.namespace("shop");
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"secretRef": {"name": "base"}}, {"secretRef": {"name": "other", "optional": true}}]);
    bench.post(DEPLOYMENTS, &object);
    bench.pass(60);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "False");
    bench.post("/api/v1/namespaces/shop/secrets", &json!({"metadata": {"name": "base"}}));
    bench.pass(10);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "True");
}

#[test]
fn a_pod_is_not_made_before_its_service_account() {
    let bench = Bench::new();
    bench.namespace("shop");
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["serviceAccountName"] = "web".into();
    bench.post(DEPLOYMENTS, &object);
    bench.pass(60);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "False");
    assert_eq!(bench.get("/api/v1/namespaces/shop/pods").1["items"], json!([]));
    bench.post("/api/v1/namespaces/shop/serviceaccounts", &json!({"metadata": {"name": "web"}}));
    bench.pass(20);
    assert_eq!(condition(&bench.get(&web()).1, "Available")["status"], "True");
}

#[test]
fn drift_and_the_end_of_a_cluster() {
    let bench = Bench::new();
    bench.namespace("shop");
    bench.post(DEPLOYMENTS, &deployment("web"));
    let drift = |path: &str, patch: Value| {
        bench.world.write(|tx| bench.emulator.drift(tx, CLUSTER, path, &patch, bench.now_ms.get())).unwrap()
    };
    assert!(drift(&web(), json!({"spec": {"replicas": 5}})));
    assert_eq!(bench.get(&web()).1["spec"]["replicas"], 5);
    assert!(!drift(&format!("{DEPLOYMENTS}/none"), json!({})));
    assert!(!drift("/nonsense", json!({})));
    bench.world.write(|tx| bench.emulator.cluster_deleted(tx, CLUSTER)).unwrap();
    assert_eq!(bench.get("/version").0, 404);
    assert!(bench.dump().is_empty());
}

#[test]
fn a_volume_that_no_claim_is_named_in_goes_to_any_claim_of_its_class() {
    let bench = Bench::new();
    bench.namespace("shop");
    let any = json!({"metadata": {"name": "any"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "managed-csi", "resources": {"requests": {"storage": "1Gi"}},
    }});
    let mut reserved = volume("reserved");
    reserved["spec"]["claimRef"] = json!({"namespace": "shop", "name": "later"});
    bench.post(VOLUMES, &reserved);
    bench.post(CLAIMS, &any);
    let mut object = deployment("web");
    object["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "any"}}]);
    bench.post(VOLUMES, &volume("free"));
    bench.post(DEPLOYMENTS, &object);
    bench.pass(60);
    assert_eq!(
        bench.get(&format!("{CLAIMS}/any")).1["spec"]["volumeName"],
        "free",
        "the scheduler takes what is there"
    );
    let (_, kept) = bench.get(&format!("{VOLUMES}/reserved"));
    assert_eq!((kept["status"]["phase"].as_str(), kept["spec"]["claimRef"].get("uid")), (Some("Available"), None));
    let mut later = claim("later");
    later["spec"]["volumeName"] = "reserved".into();
    bench.post(CLAIMS, &later);
    bench.pass(10);
    assert_eq!(bench.get(&format!("{CLAIMS}/later")).1["status"]["phase"], "Bound");
}

#[test]
fn the_uid_of_a_claim_that_is_gone_is_cleared_by_a_patch_that_tests_it() {
    let bench = Bench::new();
    bench.namespace("shop");
    let mut reserved = volume("data");
    reserved["spec"]["claimRef"] = json!({"namespace": "shop", "name": "data"});
    bench.post(VOLUMES, &reserved);
    bench.post(CLAIMS, &claim("data"));
    bench.pass(10);
    let uid = bench.get(&format!("{CLAIMS}/data")).1["metadata"]["uid"].clone();
    bench.delete(&format!("{CLAIMS}/data"));
    bench.post(CLAIMS, &claim("data"));
    bench.pass(60);
    assert_eq!(bench.get(&format!("{VOLUMES}/data")).1["status"]["phase"], "Released");
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Pending");
    let patch = |uid: &Value| {
        let steps = json!([
            {"op": "test", "path": "/spec/claimRef/uid", "value": uid},
            {"op": "remove", "path": "/spec/claimRef/uid"},
            {"op": "remove", "path": "/spec/claimRef/resourceVersion"},
        ]);
        bench.call(http::Method::PATCH, &format!("{VOLUMES}/data"), "application/json-patch+json", &steps).0
    };
    assert_eq!(patch(&"another".into()), 422);
    assert_eq!(patch(&uid), 200);
    bench.pass(10);
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Bound");
    // Of a claim that is there it is its life: without it the claim is Lost.
    let uid = bench.get(&format!("{CLAIMS}/data")).1["metadata"]["uid"].clone();
    assert_eq!(patch(&uid), 200);
    bench.pass(10);
    assert_eq!(bench.get(&format!("{CLAIMS}/data")).1["status"]["phase"], "Lost");
}
