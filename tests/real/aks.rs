//! The driver `aks`: the sandbox plays Azure, the real cluster is what its managed cluster leads to.

use std::path::Path;

use crate::cluster::{Cluster, FOLDER};
use crate::harness::cloud::Cloud;
use crate::harness::project::Project;
use crate::shop::{Driver, Far, Shop};

/// The driver, and the name of the app on it.
pub struct Aks(pub &'static str);

impl Driver for Aks {
    const NAME: &'static str = "aks";

    fn shop(&self, cluster: &'static Cluster) -> Shop {
        let Self(name) = *self;
        Shop::clean(cluster, name);
        let mut project = Project::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/shop"));
        project.write(".kompox/config.yml", "version: 1\n");
        project.edit("kompoxapp.yml", "{name: shop,", &format!("{{name: {name},"));
        project.edit("kompoxapp.yml", "app/shop}}", &format!("app/{name}}}}}"));
        let cloud = serve(&mut project, cluster, &[]);
        let here = ["--sandbox", "--sandbox-endpoint", &cloud.endpoint].map(str::to_owned).to_vec();
        let shop = Shop { project, cluster, name, options: "", here, _cloud: Some(cloud) };
        shop.set_volume("      disks: [{name: blue}]\n      assigned: blue\n");
        shop
    }

    fn zone(&self, _: &Cluster) -> String {
        "1".to_owned()
    }

    fn other_zone(&self, _: &Cluster) -> String {
        "2".to_owned()
    }

    fn far(&self) -> Far {
        Far::Snapshot
    }
}

/// A pretended Azure whose clusters are this one, but for those that further options of `sandbox serve` say, with its world
/// beside the project.
pub fn serve(project: &mut Project, cluster: &Cluster, further: &[&str]) -> Cloud {
    project.set("KOMPOX_REALCLUSTER", cluster.number());
    // What makes the disks of the cluster is a script.
    project.set("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let world = project.folder().join("world");
    let disks = format!("{FOLDER}/disks");
    let kubeconfig = cluster.kubeconfig.to_str().unwrap();
    let options = ["--kubeconfig", kubeconfig, "--disks", &disks, "--operation-delay", "5"];
    Cloud::with(project, &world, &[&options, further].concat())
}
