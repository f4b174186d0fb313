//! The driver `k3s` with disks that a StorageClass makes.

use crate::cluster::Cluster;
use crate::local::{clean, project};
use crate::shop::{Driver, Far, Shop};

/// The driver, with an app of this name.
pub struct Class(pub &'static str);

impl Driver for Class {
    const NAME: &'static str = "k3s CSI";

    fn shop(&self, cluster: &'static Cluster) -> Shop {
        clean(cluster, self.0);
        let project = project(cluster, self.0, &self.zone(cluster));
        let options = "      options: {class: disk, snapshotClass: disk}\n";
        let shop = Shop { project, cluster, name: self.0, options, here: Vec::new(), _cloud: None };
        shop.set_volume("      disks: [{name: blue}]\n      assigned: blue\n");
        shop
    }

    fn far(&self) -> Far {
        Far::Snapshot
    }
}
