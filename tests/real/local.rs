//! The driver `k3s` with disks that are folders of nodes.

use crate::cluster::Cluster;
use crate::harness::project::Project;
use crate::shop::{Driver, Far, Shop};

/// The name of the app.
const NAME: &str = "shop-local";

/// The driver.
pub struct Local;

/// The project of an app on a cluster that is there: its manifest, with this in the place of its volume's lines.
pub fn project(cluster: &Cluster, name: &str, zone: &str) -> Project {
    let mut project = Project::empty(name);
    project.set("KUBECONFIG", cluster.kubeconfig.to_str().unwrap());
    project.write(".kompox/config.yml", "version: 1\n");
    project.write("compose.yml", include_str!("shop/compose.yml"));
    let document = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap();
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\n\
             metadata: {{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}\nspec:\n{spec}---\n"
        )
    };
    // Names of its own, so that nothing of it is anybody else's.
    let place = format!("/ws/real/prv/{name}");
    let app = format!(
        "  compose: file:compose.yml\n  deployment: {{zone: \"{zone}\"}}\n  volumes:\n    - name: default\n      \
         size: 1Gi\n"
    );
    let documents = [
        document("Workspace", "/ws/real", "  {}\n"),
        document("Provider", &place, "  driver: k3s\n"),
        // What has GNU coreutils among the images of the cluster.
        document("Cluster", &format!("{place}/cls/one"), "  settings: {K3S_HELPER_IMAGE: \"postgres:15\"}\n"),
        document("App", &format!("{place}/cls/one/app/{name}"), &app),
    ];
    project.write("kompoxapp.yml", documents.concat().trim_end_matches("---\n"));
    project
}

/// Takes away what a run that was killed left, which is of a state that is gone.
pub fn clean(cluster: &Cluster, name: &str) {
    Shop::clean(cluster, name);
    cluster.kubectl(&["delete", "volumesnapshotcontent", &format!("--selector=app.kubernetes.io/name={name}")]);
    let disks = cluster.read(&format!("/api/v1/namespaces?labelSelector=kompox.dev/provider%3D{name}"));
    for disks in disks["items"].as_array().unwrap() {
        let disks = disks["metadata"]["name"].as_str().unwrap();
        cluster.kubectl(&["delete", "namespace", disks]);
        let folders = format!("/var/lib/kompox/*/{}_*", disks.trim_end_matches("-disks"));
        for node in ["node1", "node2"].into_iter().filter(|node| cluster.has(node)) {
            cluster.on_node(node, &["sh", "-c", &format!("rm -rf {folders}")]);
        }
    }
    cluster.kubectl(&["delete", "volumesnapshotcontent", &format!("--selector=app.kubernetes.io/name={name}")]);
}

impl Driver for Local {
    const NAME: &'static str = "k3s local";

    fn shop(&self, cluster: &'static Cluster) -> Shop {
        clean(cluster, NAME);
        let project = project(cluster, NAME, &self.zone(cluster));
        let options = "      options: {node: node1}\n";
        let shop = Shop { project, cluster, name: NAME, options, here: Vec::new(), _cloud: None };
        shop.set_volume("      disks: [{name: blue}]\n      assigned: blue\n");
        shop
    }

    fn far(&self) -> Far {
        Far::Carried
    }
}
