//! What happens to an app, and what its rows are before and after: one table for each driver.

use rustix::process::Signal;
use serde_json::Value;

use crate::aks::Aks;
use crate::class::Class;
use crate::cluster::{Cluster, Need};
use crate::harness::run::Live;
use crate::harness::{wait_for, watch_for};
use crate::local::{Local, clean};
use crate::shop::{Driver, Far, Shop};
use crate::site::Site;
use crate::table::Table;

/// The node that all apps are on at first.
const NODE: &str = "node1";

#[test]
fn rows_survive_with_aks() {
    let Some(cluster) = Cluster::with(Need::Own, "rows of apps with the driver aks") else { return };
    Story::of(&Aks("shop-aks"), cluster).tell();
}

#[test]
fn rows_survive_on_disks_of_a_storage_class() {
    let Some(cluster) = Cluster::with(Need::Own, "rows of apps with the driver k3s, a StorageClass") else { return };
    let mut story = Story::of(&Class("shop-class"), cluster);
    story.pods_and_nodes();
    story.changes();
    story.disks();
    story.grown();
    if let Some(other) = Cluster::another("apps of the driver k3s with disks of a class that go to another cluster") {
        story.moved(other);
    }
    story.slow_end();
    story.shop.run(&["destroy", "--auto-approve"]).done();
}

#[test]
fn rows_survive_in_folders_of_nodes() {
    let Some(cluster) = Cluster::with(Need::Own, "rows of apps with the driver k3s, class local") else { return };
    let mut story = Story::of(&Local, cluster);
    story.pods_and_nodes();
    story.changes();
    story.disks();
    story.put_away();
    story.carried();
    if let Some(other) = Cluster::another("apps of the driver k3s that go to another cluster") {
        story.moved(other);
        story.reinstalled(cluster);
    }
    story.slow_end();
    story.shop.run(&["destroy", "--auto-approve"]).done();
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
        let _calm = cluster.calm();
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

    /// Writes one more row, lets something happen while nobody takes a node away, and demands the same rows.
    #[track_caller]
    fn event(&mut self, what: &str, happens: impl FnOnce(&Shop)) {
        let _calm = self.shop.cluster.calm();
        self.happens(what, happens);
    }

    /// The same for what takes a node away: no other test relies on it meanwhile.
    #[track_caller]
    fn event_of_node(&mut self, what: &str, happens: impl FnOnce(&Shop)) {
        let _alone = self.shop.cluster.alone();
        self.happens(what, happens);
    }

    #[track_caller]
    fn happens(&mut self, what: &str, happens: impl FnOnce(&Shop)) {
        self.shop.ready_pod("");
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
        self.event_of_node("the node is drained, and comes back", |shop| {
            let before = shop.ready_pod("");
            let label = format!("--pod-selector=app.kubernetes.io/name={}", shop.name);
            shop.cluster.kubectl(&["drain", NODE, "--delete-emptydir-data", "--force", &label]);
            shop.cluster.kubectl(&["uncordon", NODE]);
            shop.ready_pod(&before);
        });
        self.event_of_node("kill -9 of the node's kubelet", |shop| {
            let before = shop.ready_pod("");
            shop.cluster.kill(NODE, "kubelet");
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
            shop.apply_killed_at(&format!("Deployment/{}-app", shop.name));
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
        let cluster = self.shop.cluster;
        let (here, there) = (self.driver.zone(cluster), self.driver.other_zone(cluster));
        let (here, there) = (format!("zone: \"{here}\""), format!("zone: \"{there}\""));
        self.shop.project.edit("kompoxapp.yml", &here, &there);
        let refused = self.shop.run(&["apply", "--auto-approve"]).exits(1);
        assert_eq!(self.site.rows(), self.rows, "the app runs as before");
        let what = "the other zone, asked for and no more";
        if self.driver.far() == Far::Carried {
            refused.says(&["they cannot meet", "carry the folder there, and import it"]);
            self.table.refused(what, self.rows.len(), "carry the folder, import it");
            self.shop.project.edit("kompoxapp.yml", &there, &here);
            return;
        }
        refused.says(&["the safe way is a snapshot, a new disk made from it, and a switch:"]);
        self.table.refused(what, self.rows.len(), "snapshot, new disk, switch");
        let manifest = self.shop.project.read("kompoxapp.yml");
        let (head, disks) = manifest.split_once("disks: [").unwrap();
        let (disks, tail) = disks.split_once("]\n").unwrap();
        let disks = disks.replace('}', &format!(", {here}}}"));
        self.shop.project.write("kompoxapp.yml", &format!("{head}disks: [{disks}]\n{tail}"));
        self.switch("damage, then the other zone from the snapshot", "far", &format!(", {there}"), |shop| shop.apply());
    }

    /// A Pod that was deleted is replaced at once, but its database takes its time: the next one waits for it.
    fn slow_end(&mut self) {
        let slow = "    stop_grace_period: 60s\n    pre_stop: [{command: [sleep, \"30\"]}]\n";
        self.shop.project.edit("compose.yml", "    image: postgres:15\n", &format!("    image: postgres:15\n{slow}"));
        self.shop.apply();
        // The kubelet leaves a Pod that is deleted by force one second, whatever its containers ask for
        // (`calculateEffectiveGracePeriod` in pkg/kubelet/pod_workers.go): that one may have ended before the first look.
        for (what, how, stops_slowly) in [
            ("the Pod is deleted, and its database takes 30 s to stop", &["--wait=false"][..], true),
            ("the Pod of such a database is deleted by force", &["--force", "--grace-period=0"], false),
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
                assert!(runs(&old) || !stops_slowly, "the database is still stopping");
                watch_for("the old database to end", || {
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
        let _calm = self.shop.cluster.calm();
        self.shop.ready_pod("");
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

/// Writes another zone of the app into the manifest.
fn set_zone(shop: &Shop, zone: &str) {
    let manifest = shop.project.read("kompoxapp.yml");
    let (head, tail) = manifest.split_once("zone: \"").unwrap();
    let tail = tail.split_once('"').unwrap().1;
    shop.project.write("kompoxapp.yml", &format!("{head}zone: \"{zone}\"{tail}"));
}

/// What only disks of a StorageClass go through.
impl Story<'_, Class> {
    /// A larger disk, in place; never a smaller one.
    fn grown(&mut self) {
        self.event("the disk grows", |shop| {
            shop.project.edit("kompoxapp.yml", "size: 1Gi", "size: 2Gi");
            shop.apply();
            let claims = format!("/api/v1/namespaces/{}/persistentvolumeclaims", shop.namespace());
            wait_for("the claim to be larger", || {
                let claims = shop.cluster.read(&claims);
                let capacity = &claims["items"].as_array()?.first()?["status"]["capacity"]["storage"];
                (capacity == "2Gi").then_some(())
            });
            // Those that no app has at the moment are what the plan says, too.
            let label = format!("/api/v1/persistentvolumes?labelSelector=app.kubernetes.io/name%3D{}", shop.name);
            let volumes = shop.cluster.read(&label);
            let sizes = volumes["items"].as_array().unwrap().iter().map(|one| &one["spec"]["capacity"]["storage"]);
            let sizes: Vec<_> = sizes.collect();
            assert!(sizes.len() == 4 && sizes.iter().all(|size| *size == "2Gi"), "{sizes:?}");
            shop.project.edit("kompoxapp.yml", "size: 2Gi", "size: 1Gi");
            shop.run(&["apply", "--auto-approve"]).exits(1).says(&["a disk never shrinks"]);
            shop.project.edit("kompoxapp.yml", "size: 1Gi", "size: 2Gi");
        });
        self.event("a disk is deleted, and made again from the snapshot that was taken of it", |shop| {
            let manifest = shop.project.read("kompoxapp.yml");
            let with = manifest.replace("      snapshots: ", "      deletionPolicy: Delete\n      snapshots: ");
            shop.project.write("kompoxapp.yml", &with);
            shop.apply();
            let (head, tail) = with.split_once(", {name: green, ").unwrap();
            let without = format!("{head}{}", &tail[tail.find('}').unwrap() + 1..]);
            shop.project.write("kompoxapp.yml", &without);
            shop.run(&["apply", "--auto-approve"]).exits(1).says(&["holds data and this plan would delete it"]);
            let loss = ["apply", "--auto-approve", "--allow-data-loss", "disk/default.green"];
            let said = shop.run(&loss).done().text();
            let (_, source) = said.split_once("declare a disk with source: \"").unwrap();
            let back = format!("disks: [{{name: back, source: \"{}\"}}, ", source.split('"').next().unwrap());
            let manifest = without.replace("disks: [", &back).replace("      deletionPolicy: Delete\n", "");
            shop.project.write("kompoxapp.yml", &manifest);
            shop.apply();
        });
    }
}

/// What only disks of a StorageClass go through, continued: another cluster that reaches the same storage.
impl Story<'_, Class> {
    /// As the documentation says: the disk is kept, a PersistentVolume there leads to it, and it is imported.
    fn moved(&mut self, other: &'static Cluster) {
        let way = ["what a StorageClass made does not move with it", "destroy the app, which keeps the disk"];
        let next = self.refused_elsewhere(other, &way, "destroy, a PersistentVolume there, import it");
        let zone = self.driver.zone(other);
        self.goes("the disk is imported by another cluster", other, |shop| {
            let manifest = shop.project.read("kompoxapp.yml");
            let assigned = manifest.split_once("assigned: ").unwrap().1.split_whitespace().next().unwrap().to_owned();
            let id = shop.id(&format!("/disk/default.{assigned}"));
            let (driver, handle) = id.strip_prefix("csi://").unwrap().split_once('/').unwrap();
            shop.run(&["destroy", "--auto-approve"]).done();
            other.reach(handle, shop.cluster, driver);
            other.kubectl(&["delete", "persistentvolume", shop.name, "--ignore-not-found"]);
            let docs = include_str!("../../docs/k3s.md");
            let volume = docs.split_once("kubectl apply -f - <<END\n").unwrap().1.split_once("END\n").unwrap().0;
            let volume = volume.replace("NAME", "shop-class").replace("CLASS", "disk");
            other.apply(&volume.replace("DRIVER", driver).replace("HANDLE", handle).replace("10Gi", "2Gi"));
            shop.project.write("kompoxapp.yml", &next);
            set_zone(shop, &zone);
            let disks = format!("      disks: [{{name: {assigned}}}]\n      assigned: {assigned}\n");
            shop.project.edit("kompoxapp.yml", "size: 2Gi", "size: 1Gi");
            shop.set_volume(&disks);
            shop.project.edit("kompoxapp.yml", "size: 1Gi", "size: 2Gi");
            let disk = format!("disk/default.{assigned}");
            shop.run(&["import", &disk, "nobody"]).exits(1).says(&["the cluster has no PersistentVolume nobody"]);
            shop.run(&["import", &disk, shop.name]).done().says(&[&format!("is now {id}")]);
        });
    }
}

/// What only folders of nodes go through.
impl Story<'_, Local> {
    /// A copy that nobody saw end, and a disk that nobody wants any more.
    fn put_away(&mut self) {
        self.event("one more snapshot, kill -9 of kompox while the app stands still for it", |shop| {
            let manifest = shop.project.read("kompoxapp.yml");
            let more = manifest.replace("snapshots: [", "snapshots: [{name: late, source: \"disk:red\"}, ");
            shop.project.write("kompoxapp.yml", &more);
            shop.apply_killed_at("waiting for the Pods that use it to end");
        });
        let deleted = "a disk is deleted, kill -9 of kompox while its folder goes; it is wanted after all";
        self.event(deleted, |shop| {
            let manifest = shop.project.read("kompoxapp.yml");
            let with = manifest.replace("      assigned: red\n", "      assigned: red\n      deletionPolicy: Delete\n");
            shop.project.write("kompoxapp.yml", &with);
            shop.apply();
            let id = shop.id("/disk/default.green");
            let folder = id.split_once("/node1/").unwrap().1;
            let is_there =
                || !shop.cluster.on_node("node1", &["find", &format!("/{folder}"), "-maxdepth", "0"]).is_empty();
            assert!(is_there());
            shop.project.write("kompoxapp.yml", &with.replace(", {name: green, source: \"snapshot:good\"}", ""));
            let loss = ["apply", "--auto-approve", "--allow-data-loss", "disk/default.green"];
            let live = Live::start(shop.project.command(&shop.words(&loss)));
            // The Pod that moves the folder outlives whoever started it.
            let disks =
                shop.cluster.read(&format!("/api/v1/namespaces?labelSelector=kompox.dev/provider%3D{}", shop.name));
            let disks = disks["items"][0]["metadata"]["name"].as_str().unwrap();
            let phase = || {
                let pods = shop.cluster.pods(disks);
                let is_it =
                    |pod: &&Value| pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("put-away-"));
                Some(pods.iter().find(is_it)?["status"]["phase"].as_str()?.to_owned())
            };
            wait_for("the Pod that puts it away", phase);
            live.signal(Signal::KILL);
            assert_eq!(live.end().code, None);
            wait_for("the folder to be gone", || (phase()? == "Succeeded").then_some(()));
            shop.project.write("kompoxapp.yml", &with);
            shop.run(&["plan"]).done().says(&["putAway true → false"]);
            shop.apply();
            assert!(is_there() && phase().is_none());
            shop.project.write("kompoxapp.yml", &manifest);
        });
        self.event("a disk is deleted, and brought back as the end of the apply says", |shop| {
            let id = shop.id("/disk/default.green");
            let manifest = shop.project.read("kompoxapp.yml");
            let with = manifest.replace("      assigned: red\n", "      assigned: red\n      deletionPolicy: Delete\n");
            shop.project.write("kompoxapp.yml", &with);
            shop.apply();
            let without = with.replace(", {name: green, source: \"snapshot:good\"}", "");
            assert_ne!(with, without);
            shop.project.write("kompoxapp.yml", &without);
            shop.run(&["apply", "--auto-approve"]).exits(1).says(&["holds data and this plan would delete it"]);
            let loss = ["apply", "--auto-approve", "--allow-data-loss", "disk/default.green"];
            let said = shop.run(&loss).done().text();
            let line = said.lines().find(|line| line.contains("to bring it back: on node1: ")).unwrap();
            let back = line.split_once("on node1: ").unwrap().1;
            let words: Vec<&str> = back.split(';').next().unwrap().split_whitespace().collect();
            shop.cluster.on_node("node1", &words);
            shop.project.write("kompoxapp.yml", &manifest);
            shop.run(&["import", "disk/default.green", &id]).done();
            shop.apply();
        });
    }

    /// Carries the folder with this id to another node, and leaves it as the only disk of the manifest; gives its id there.
    fn carry(shop: &Shop, id: &str, from: &str, to: &Cluster, node: &str) -> String {
        let path = id.split_once(&format!("/{from}/")).map(|(_, path)| format!("/{path}")).unwrap();
        shop.cluster.carry(from, to, node, &path);
        shop.set_volume("      disks: [{name: red}]\n      assigned: red\n");
        format!("local://{}/{node}{path}", to.uid())
    }

    /// To the other node, as the documentation says: the app is stopped, the folder carried there and imported.
    fn carried(&mut self) {
        set_zone(&self.shop, &self.driver.other_zone(self.shop.cluster));
        self.event("the folder is carried to the other node, and imported", |shop| {
            let id = shop.id("/disk/default.red");
            shop.run(&["destroy", "--auto-approve"]).done();
            let id = Self::carry(shop, &id, "node1", shop.cluster, "node2");
            shop.run(&["import", "disk/default.red", &id]).done();
            shop.apply_killed_at(&format!("Deployment/{}-app", shop.name));
            assert_eq!(shop.ready_pod_node(), "node2");
        });
    }

    /// To another cluster: refused, until the folder is there.
    fn moved(&mut self, other: &'static Cluster) {
        let way = ["a folder does not move with it", "carry the folder there, and import it"];
        let next = self.refused_elsewhere(other, &way, "carry the folder, import it");
        let zone = self.driver.zone(other);
        self.goes("the folder is carried to another cluster, and imported", other, |shop| {
            let id = shop.id("/disk/default.red");
            shop.run(&["destroy", "--auto-approve"]).done();
            shop.project.write("kompoxapp.yml", &next);
            set_zone(shop, &zone);
            let id = Self::carry(shop, &id, "node2", other, "node1");
            shop.run(&["import", "disk/default.red", &id]).done();
        });
    }

    /// A new cluster finds what was on the node of the one before it, which is gone.
    fn reinstalled(&mut self, new: &'static Cluster) {
        let what = "k3s is installed anew, and the folder imported";
        clean(new, self.shop.name);
        let (old, zone) = (self.shop.cluster, self.driver.zone(new));
        self.goes(what, new, |shop| {
            // The machine stops; what its users wrote last is on the disk.
            let namespace = format!("--namespace={}", shop.namespace());
            shop.cluster.kubectl(&[&namespace, "scale", "deployment", "--all", "--replicas=0"]);
            shop.cluster.kubectl(&[&namespace, "wait", "--for=delete", "pod", "--all"]);
            let id = Self::carry(shop, &shop.id("/disk/default.red"), "node1", new, "node1");
            let (file, now) = (old.kubeconfig.display().to_string(), new.kubeconfig.display().to_string());
            shop.project.edit("kompoxapp.yml", &file, &now);
            shop.run(&["plan"]).exits(1).says(&["leads to another cluster", "docs/k3s.md"]);
            // Nothing is left in the first one, either: it is the same machine.
            let both = ["destroy", "--abandon-cluster", "cls/one", "--abandon-cluster", "cls/two", "--auto-approve"];
            shop.project.run_as_is(&both).done();
            let manifest = shop.project.read("kompoxapp.yml");
            let documents = manifest.split("---\n").filter(|document| !document.contains("{name: one,"));
            shop.project.write("kompoxapp.yml", &documents.collect::<Vec<_>>().join("---\n"));
            set_zone(shop, &zone);
            shop.run(&["import", "disk/default.red", &id]).done();
        });
        clean(old, self.shop.name);
    }
}

impl<D: Driver> Story<'_, D> {
    /// The app is to be on another cluster, which is refused, with the way: gives the manifest that says so.
    fn refused_elsewhere(&mut self, other: &'static Cluster, says: &[&str], way: &str) -> String {
        clean(other, self.shop.name);
        let manifest = self.shop.project.read("kompoxapp.yml");
        let app = manifest.find("kind: App").unwrap();
        let app = manifest[..app].rfind("---\n").unwrap();
        let place = format!("/ws/real/prv/{}/cls", self.shop.name);
        let two = format!(
            "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: Cluster\n\
             metadata: {{name: two, annotations: {{ops.kompox.dev/id: {place}/two}}}}\nspec:\n  settings: \
             {{K3S_HELPER_IMAGE: \"postgres:15\", K3S_KUBECONFIG: \"{}\"}}\n",
            other.kubeconfig.display()
        );
        let there = manifest[app..].replace(&format!("{place}/one/app"), &format!("{place}/two/app"));
        let next = format!("{}{two}{there}", &manifest[..app]);
        self.shop.project.write("kompoxapp.yml", &next);
        let refused = self.shop.project.run_as_is(&["apply", "--auto-approve"]).exits(1);
        self.shop.project.write("kompoxapp.yml", &manifest);
        refused.says(says);
        assert_eq!(self.site.rows(), self.rows, "the app runs as before");
        self.table.refused("the app moves to another cluster, asked for and no more", self.rows.len(), way);
        next
    }

    /// Writes a row, lets the app go to another cluster, and demands the same rows there.
    fn goes(&mut self, what: &str, to: &'static Cluster, go: impl FnOnce(&Shop)) {
        let row = format!("before: {what}");
        self.site.write(&row);
        self.rows.push(row);
        let from = std::time::Instant::now();
        go(&self.shop);
        self.shop.cluster = to;
        self.shop.apply();
        self.site = self.shop.site();
        let after = self.site.rows();
        assert_eq!(after, self.rows, "{what}");
        self.table.row(what, self.rows.len(), after.len(), from.elapsed());
    }
}
