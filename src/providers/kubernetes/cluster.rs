//! The cluster itself: which one it is, by the uid of its Namespace `kube-system`, which lasts as long as the cluster.

use kube::Client;
use serde_json::{Value, json};

use super::api::{Api, Call, CallError};
use super::error::Subject;
use super::kubeconfig::Way;
use super::provider::KubernetesProvider;
use super::table::Location;
use crate::engine::kind::Kind;
use crate::engine::provider::{ErrorClass, Observation, Observed, ProviderError, Target, Writers};

/// The Namespace whose uid names the cluster.
const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";

/// The kind of a cluster in addresses.
const KIND: &str = "cluster";

/// Whether an object is the cluster, which has no path.
pub(super) fn is_cluster(target: &Target) -> bool {
    target.kind.name == KIND
}

/// The id that a planned cluster has.
pub(super) fn planned_id(kind: &Kind, desired: &crate::engine::value::Value) -> Option<String> {
    let uid = (kind.name == KIND).then(|| desired.get("uid")).flatten()?;
    uid.as_str().filter(|uid| !uid.is_empty()).map(str::to_owned)
}

impl Api {
    /// Refuses a cluster that is not the expected one, before anything else is asked of it.
    ///
    /// # Errors
    /// It is another one, or cannot be asked.
    pub(super) async fn verify(&self, client: &Client, expected: &str) -> Result<(), ProviderError> {
        let call = Call::get(KUBE_SYSTEM);
        let reply = self.ask(client, &call).await?;
        if reply.status != 200 {
            return Err(refused(&reply));
        }
        match reply.text("/metadata/uid") {
            Some(uid) if uid == expected => Ok(()),
            uid => {
                let (way, uid) = (self.described(), uid.unwrap_or("(none)"));
                let message =
                    format!("{way} leads to another cluster: it is {uid}, and the state knows the cluster {expected}");
                let hint = "choose the context that leads to the recorded one; to use this one, declare a Cluster of its own; where the recorded one is gone for good, as after a reinstallation, see docs/k3s.md";
                Err(ProviderError::new(ErrorClass::Denied, message).hint(hint))
            }
        }
    }

    /// Reads the cluster itself.
    pub(super) async fn read_cluster(&self) -> Observation {
        let reply = match self.call(Call::get(KUBE_SYSTEM)).await {
            Ok(reply) if reply.status == 200 => reply,
            Ok(reply) => return Observation::failed(refused(&reply)),
            Err(CallError::NoCluster) => return Observation::NotYet(CallError::NoCluster.to_string()),
            Err(CallError::Failed(error)) => return Observation::failed(error),
        };
        let Some(uid) = reply.text("/metadata/uid") else { return Observation::failed(refused(&reply)) };
        Observation::Found(Box::new(Observed {
            physical_id: uid.to_owned(),
            object: json!({"uid": uid}).into(),
            uid: Some(uid.to_owned()),
            lineage: None,
            transition: None,
            ready: true,
            writers: Writers::default(),
            tie: None,
        }))
    }
}

fn refused(reply: &super::api::Reply) -> ProviderError {
    let location = Location::parse(KUBE_SYSTEM);
    match location {
        Ok(location) => {
            let kind = Kind::plain("Namespace");
            Subject { location: &location, kind: &kind, desired: None }.refused("read", reply)
        }
        Err(error) => ProviderError::new(ErrorClass::Rejected, error.to_string()),
    }
}

impl KubernetesProvider {
    /// What a cluster is that nothing is known of: its uid, the way to it, its nodes, what makes volumes and snapshots. Of what
    /// the account may not list, or the cluster does not know, nothing is said.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn survey(&self, way: &Way) -> Result<String, ProviderError> {
        let uid = match self.api.read_cluster().await {
            Observation::Found(observed) => observed.physical_id,
            Observation::Failed(error) => return Err(*error),
            Observation::Missing | Observation::NotYet(_) => return Err(CallError::NoCluster.into()),
        };
        let all = async |path: &str, tell: fn(&Value) -> Value| -> Result<Option<Vec<Value>>, ProviderError> {
            match self.api.list(path, "", "application/json", |item| Some(tell(&item.object))).await? {
                Ok(all) => Ok(Some(all)),
                // What the cluster has not heard of, it has none of.
                Err(reply) => Ok((reply.status == 404).then(Vec::new)),
            }
        };
        let (nodes, classes, drivers, snapshots) = futures::try_join!(
            all("/api/v1/nodes", described),
            all("/apis/storage.k8s.io/v1/storageclasses", class),
            all("/apis/storage.k8s.io/v1/csinodes", drivers),
            all("/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses", snapshot_class),
        )?;
        let seen = json!({
            "uid": uid, "server": way.server, "context": way.context, "named": way.named, "file": way.file,
            "nodes": nodes.unwrap_or_default(), "classes": classes, "drivers": drivers, "snapshot_classes": snapshots,
        });
        Ok(seen.to_string())
    }
}

/// A StorageClass.
fn class(class: &Value) -> Value {
    json!({"name": class.pointer("/metadata/name"), "driver": class.get("provisioner")})
}

/// The CSI drivers of a node (<https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-node-v1/>).
fn drivers(node: &Value) -> Value {
    let drivers = node.pointer("/spec/drivers").and_then(Value::as_array);
    drivers.into_iter().flatten().filter_map(|driver| driver.get("name").cloned()).collect()
}

/// A VolumeSnapshotClass.
fn snapshot_class(class: &Value) -> Value {
    json!({"name": class.pointer("/metadata/name"), "driver": class.get("driver"), "default": is_default_class(class)})
}

/// Whether a VolumeSnapshotClass is the default of its driver
/// (<https://kubernetes.io/docs/concepts/storage/volume-snapshot-classes/>).
pub(super) fn is_default_class(class: &Value) -> bool {
    let annotations = class.pointer("/metadata/annotations");
    let says = annotations.and_then(|all| all.get("snapshot.storage.kubernetes.io/is-default-class"));
    says.and_then(Value::as_str) == Some("true")
}

/// What a plan says of a node.
fn described(node: &Value) -> Value {
    let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str);
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    let keeps_away =
        |taint: &Value| matches!(taint.get("effect").and_then(Value::as_str), Some("NoSchedule" | "NoExecute"));
    let cordoned = node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true);
    let name = text("/metadata/name").unwrap_or_default();
    json!({
        "name": name,
        "hostname": text("/metadata/labels/kubernetes.io~1hostname").unwrap_or(name),
        "provider": text("/spec/providerID").unwrap_or_default(),
        "schedulable": !cordoned && !taints.into_iter().flatten().any(keeps_away),
        "zone": text("/metadata/labels/topology.kubernetes.io~1zone"),
    })
}
