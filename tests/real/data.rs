//! What happens to an app, and what its rows are before and after: one table for each driver.

use crate::aks::Aks;
use crate::cluster::{Cluster, Need};
use crate::harness::wait_for;
use crate::shop::{Driver, Shop};
use crate::site::Site;
use crate::table::Table;

#[test]
fn rows_survive_with_aks() {
    let Some(cluster) = Cluster::with(Need::Own, "rows of apps with the driver aks") else { return };
    let _alone = cluster.alone();
    Story::of(&Aks, cluster).tell();
}

/// An app from its first apply on.
struct Story<'d, D: Driver> {
    driver: &'d D,
    shop: Shop,
    site: Site,
    table: Table,
    /// What must be there.
    rows: Vec<String>,
}

impl<'d, D: Driver> Story<'d, D> {
    fn of(driver: &'d D, cluster: &'static Cluster) -> Self {
        let shop = driver.shop(cluster);
        shop.apply();
        let site = shop.site();
        Self { driver, site, shop, table: Table::of(D::NAME), rows: Vec::new() }
    }

    fn tell(mut self) {
        self.pods_and_nodes();
        self.changes();
        self.disks();
        self.slow_end();
        self.shop.run(&["destroy", "--auto-approve"]).done();
    }

    /// Writes one more row, lets something happen, and demands the same rows.
    #[track_caller]
    fn event(&mut self, what: &str, happens: impl FnOnce(&Shop)) {
        let row = format!("before: {what}");
        self.site.write(&row);
        self.rows.push(row);
        let watch = self.site.watch();
        happens(&self.shop);
        let after = self.site.rows();
        let away = watch.longest();
        assert_eq!(after, self.rows, "{what}");
        self.table.row(what, self.rows.len(), after.len(), away);
    }

    fn pods_and_nodes(&mut self) {
        let node = self.driver.places().node;
        self.event("the Pod is deleted", |shop| {
            let before = shop.ready_pod("");
            let namespace = format!("--namespace={}", shop.namespace());
            shop.cluster.kubectl(&[&namespace, "delete", "pod", "--all", "--wait=false"]);
            shop.ready_pod(&before);
        });
        self.event("the Pod is deleted by force", |shop| {
            let before = shop.ready_pod("");
            let namespace = format!("--namespace={}", shop.namespace());
            shop.cluster.kubectl(&[&namespace, "delete", "pod", "--all", "--force", "--grace-period=0"]);
            shop.ready_pod(&before);
        });
        self.event("the node is drained, and comes back", |shop| {
            let before = shop.ready_pod("");
            shop.cluster.kubectl(&["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"]);
            shop.cluster.kubectl(&["uncordon", node]);
            shop.ready_pod(&before);
        });
        self.event("kill -9 of the node's kubelet", |shop| {
            let before = shop.ready_pod("");
            shop.cluster.kill(node, "kubelet");
            assert_eq!(shop.ready_pod(""), before, "the Pod is the same");
        });
    }

    fn changes(&mut self) {
        self.event("another image", |shop| {
            shop.project.edit("compose.yml", "webapp:1", "webapp:2");
            shop.apply();
            assert_eq!(shop.site().version().as_deref(), Some("2"));
        });
        self.event("another environment", |shop| {
            shop.project.edit("compose.yml", "POSTGRES_DB: app", "POSTGRES_DB: app\n      CHANGED: \"1\"");
            shop.apply();
        });
        self.event("another environment, kill -9 of kompox while it is applied", |shop| {
            shop.project.edit("compose.yml", "CHANGED: \"1\"", "CHANGED: \"2\"");
            shop.apply_killed_at("updating ");
        });
        self.event("destroy, then apply with the disk adopted", |shop| {
            adopt(shop);
            shop.apply();
        });
        self.event("destroy, adopt, kill -9 of kompox in the apply", |shop| {
            adopt(shop);
            shop.apply_killed_at("Deployment/shop-app");
        });
    }

    fn disks(&mut self) {
        self.event("a snapshot of the disk", |shop| {
            shop.set_volume(
                "      disks: [{name: blue}]\n      assigned: blue\n      \
                 snapshots: [{name: good, source: \"disk:blue\"}]\n",
            );
            shop.apply();
        });
        self.switch("damage, then a disk from the snapshot and a switch to it", "green", "", |shop| shop.apply());
        self.switch("the same, kill -9 of kompox in the switch", "red", "", |shop| {
            shop.apply_killed_at("updating ");
        });
        let Some(zone) = self.driver.places().other else { return };
        self.shop.project.edit("kompoxapp.yml", "zone: \"1\"", &format!("zone: \"{zone}\""));
        let refused = self.shop.run(&["apply", "--auto-approve"]).exits(1);
        refused.says(&["the safe way is a snapshot, a new disk made from it, and a switch:"]);
        assert_eq!(self.site.rows(), self.rows, "the app runs as before");
        self.table.refused("the other zone, asked for and no more", self.rows.len(), "snapshot, new disk, switch");
        let place = format!(", zone: \"{zone}\"");
        let manifest = self.shop.project.read("kompoxapp.yml");
        let (head, disks) = manifest.split_once("disks: [").unwrap();
        let (disks, tail) = disks.split_once("]\n").unwrap();
        let disks = disks.replace('}', ", zone: \"1\"}");
        self.shop.project.write("kompoxapp.yml", &format!("{head}disks: [{disks}]\n{tail}"));
        self.switch("damage, then the other zone from the snapshot", "far", &place, |shop| shop.apply());
    }

    /// A Pod that was deleted is replaced at once, but its database takes its time: the next one waits for it.
    fn slow_end(&mut self) {
        let slow = "    stop_grace_period: 60s\n    pre_stop: [{command: [sleep, \"30\"]}]\n";
        self.shop.project.edit("compose.yml", "    image: postgres:15\n", &format!("    image: postgres:15\n{slow}"));
        self.shop.apply();
        for (what, how) in [
            ("the Pod is deleted, and its database takes 30 s to stop", &["--wait=false"][..]),
            ("the Pod of such a database is deleted by force", &["--force", "--grace-period=0"]),
        ] {
            self.event(what, |shop| {
                let before = shop.ready_pod("");
                let namespace = shop.namespace();
                let container = |uid: &str| {
                    let pods = shop.cluster.pods(&namespace);
                    let pod = pods.iter().find(|pod| pod["metadata"]["uid"] == uid)?;
                    let status =
                        pod["status"]["containerStatuses"].as_array()?.iter().find(|one| one["name"] == "db")?;
                    Some(status["containerID"].as_str()?.rsplit('/').next()?.to_owned())
                };
                let old = container(&before).unwrap();
                let node = shop.ready_pod_node();
                let namespaced = format!("--namespace={namespace}");
                shop.cluster.kubectl(&[&[namespaced.as_str(), "delete", "pod", "--all"], how].concat());
                // The node says what runs; to the API server a Pod that was deleted by force is none.
                let tasks = || shop.cluster.on_node(&node, &["ctr", "-n", "k8s.io", "tasks", "ls"]);
                let runs = |id: &str| tasks().lines().any(|line| line.contains(id) && line.contains("RUNNING"));
                assert!(runs(&old), "the database is still stopping");
                wait_for("the old database to end", || {
                    let next = shop.pods().first().and_then(|pod| container(pod["metadata"]["uid"].as_str()?));
                    let (next, old_runs) = (next.filter(|id| *id != old && runs(id)), runs(&old));
                    assert!(next.is_none() || !old_runs, "two databases run on one disk");
                    (!old_runs).then_some(())
                });
                shop.ready_pod(&before);
            });
        }
    }

    /// Writes a row that is not to be, and switches to a new disk made from the snapshot, which has not got it.
    #[track_caller]
    fn switch(&mut self, what: &str, disk: &str, place: &str, apply: impl FnOnce(&Shop)) {
        self.site.write("damage");
        let before = self.rows.len() + 1;
        let manifest = self.shop.project.read("kompoxapp.yml");
        let start = manifest.find("disks: [").unwrap() + "disks: [".len();
        let end = start + manifest[start..].find("]\n").unwrap();
        let disks = format!("{}, {{name: {disk}, source: \"snapshot:good\"{place}}}", &manifest[start..end]);
        self.shop.set_volume(&format!(
            "      disks: [{disks}]\n      assigned: {disk}\n      snapshots: [{{name: good, source: \"disk:blue\"}}]\n"
        ));
        let watch = self.site.watch();
        apply(&self.shop);
        let after = self.site.rows();
        let away = watch.longest();
        // All that was written after the snapshot is not on the new disk.
        assert!(self.rows.starts_with(&after) && !after.is_empty(), "{what}: {after:?}");
        self.table.row(what, before, after.len(), away);
        self.rows = after;
    }
}

/// Destroys the app and takes back what it kept, its disk first, as the end of the destroy says.
fn adopt(shop: &Shop) {
    let destroyed = shop.run(&["destroy", "--auto-approve"]).done().text();
    let ways: Vec<&str> = destroyed.lines().filter(|line| line.contains(" import ")).collect();
    assert!(!ways.is_empty(), "the way back is told: {destroyed}");
    for way in ways {
        let words: Vec<&str> = way.split_whitespace().skip_while(|word| *word != "import").collect();
        shop.run(&words).done();
    }
}
