//! The seam to the Kubernetes part, with a part that records what it is told.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Transaction;

use super::*;
use crate::kube_api::{Body, KubeRequest, KubeResponse, NodePool};
use crate::world::{World, WorldError};

#[derive(Default)]
struct Recorder {
    told: Mutex<Vec<String>>,
}

impl Recorder {
    fn note(&self, line: String) -> Result<(), WorldError> {
        self.told.lock().unwrap().push(line);
        Ok(())
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl KubernetesApi for Recorder {
    fn handle(&self, _world: &World, cluster: &str, request: KubeRequest) -> KubeResponse {
        let watch = request.query.iter().any(|(key, _)| key == "watch");
        let body = if watch {
            let (sender, receiver) = tokio::sync::mpsc::channel(4);
            sender.try_send("one\n".into()).unwrap();
            sender.try_send("two\n".into()).unwrap();
            Body::Stream(receiver)
        } else {
            let name = cluster.rsplit('/').next().unwrap_or_default();
            Body::Full(json!({ "cluster": name, "path": request.path }).to_string().into())
        };
        KubeResponse {
            status: http::StatusCode::OK,
            content_type: "application/json".into(),
            headers: http::HeaderMap::new(),
            body,
            logged: false,
        }
    }

    fn cluster_created(&self, _tx: &Transaction<'_>, cluster: &str, _now_ms: i64) -> Result<(), WorldError> {
        self.note(format!("created {}", cluster.rsplit('/').next().unwrap_or_default()))
    }

    fn cluster_deleted(&self, _tx: &Transaction<'_>, cluster: &str) -> Result<(), WorldError> {
        self.note(format!("deleted {}", cluster.rsplit('/').next().unwrap_or_default()))
    }

    fn pool_changed(
        &self,
        _tx: &Transaction<'_>,
        _cluster: &str,
        pool: &NodePool,
        _now: i64,
    ) -> Result<(), WorldError> {
        self.note(format!("pool {} {}x{} {:?} {:?}", pool.name, pool.count, pool.mode, pool.zones, pool.taints))
    }

    fn pool_deleted(&self, _tx: &Transaction<'_>, _cluster: &str, pool: &str, _now: i64) -> Result<(), WorldError> {
        self.note(format!("pool {pool} deleted"))
    }
}

#[tokio::test]
async fn clusters_and_pools_reach_the_kubernetes_part_and_its_server_is_mounted() {
    let recorder = Arc::new(Recorder::default());
    let mut bed = Bed::new().await;
    bed.start_with(Arc::clone(&recorder) as Arc<dyn KubernetesApi>).await;
    let group = bed.group("g1").await;
    let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/C1");
    bed.put(&cluster, CONTAINERS, cluster_body()).await.expect(201);
    assert_eq!(recorder.told(), ["created c1", "pool npsystem 1xSystem [] []"]);
    let credential = format!("{cluster}/listClusterAdminCredential");
    bed.call(Method::POST, &credential, CONTAINERS, None).await.refused(409, "OperationNotAllowed");

    bed.pass(30);
    let reply = bed.call(Method::POST, &credential, CONTAINERS, None).await.expect(200).body;
    let kubeconfig = STANDARD.decode(reply["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap();
    let kubeconfig: Value = serde_saphyr::from_str(&String::from_utf8(kubeconfig).unwrap()).unwrap();
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
    assert!(server.starts_with(&bed.base), "{server}");
    let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
    let get = |path: &str| bed.http.get(format!("{server}{path}")).bearer_auth(token);
    let text = get("/api/v1/pods?limit=1").send().await.unwrap().text().await.unwrap();
    assert_eq!(text, r#"{"cluster":"c1","path":"/api/v1/pods"}"#);
    assert_eq!(get("/api/v1/pods?watch=true").send().await.unwrap().text().await.unwrap(), "one\ntwo\n");
    let denied = bed.http.get(format!("{server}/api")).send().await.unwrap();
    assert_eq!(denied.status().as_u16(), 401);
    let denied: Value = serde_json::from_str(&denied.text().await.unwrap()).unwrap();
    assert_eq!((denied["kind"].as_str(), denied["code"].as_i64()), (Some("Status"), Some(401)));

    let pool = format!("{cluster}/agentPools/npuser1");
    let body = json!({ "properties": {
        "mode": "User", "vmSize": "Standard_D2lds_v6", "scaleSetPriority": "Spot", "availabilityZones": ["1"],
        "enableAutoScaling": true, "minCount": 0, "maxCount": 10,
    } });
    bed.put(&pool, CONTAINERS, body).await.expect(201);
    let taint = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule";
    assert_eq!(recorder.told(), [format!("pool npuser1 1xUser [\"1\"] [{taint:?}]")]);
    bed.pass(30);
    bed.delete(&pool, CONTAINERS).await.expect(202);
    bed.pass(30);
    bed.get(&pool, CONTAINERS).await.expect(404);
    assert_eq!(recorder.told(), ["pool npuser1 deleted"]);

    bed.delete(&group, RESOURCES).await.expect(202);
    bed.pass(30);
    bed.get(&group, RESOURCES).await.expect(404);
    assert_eq!(recorder.told(), ["deleted c1"]);
    assert_eq!(get("/api").send().await.unwrap().status().as_u16(), 503);
}
