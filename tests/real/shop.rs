//! The app of the tests of data, and what differs from driver to driver.

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::harness::cloud::Cloud;
use crate::harness::project::Project;
use crate::harness::run::{Finished, Live};
use crate::harness::wait_for;
use crate::site::Site;

/// The web app with PostgreSQL on a disk, put somewhere by a driver.
pub struct Shop {
    /// Its project: `kompoxapp.yml` and `compose.yml`.
    pub project: Project,
    /// Where its containers run.
    pub cluster: &'static Cluster,
    /// The name of the app, which no other test has.
    pub name: &'static str,
    /// What its volume says beside its disks.
    pub options: &'static str,
    /// What leads `kompox` there, before the command.
    pub here: Vec<String>,
    /// What plays the cloud, if anything does.
    pub _cloud: Option<Cloud>,
}

impl Shop {
    /// A command with what leads to the app's cloud, and the app's name.
    pub fn words<'w>(&'w self, words: &[&'w str]) -> Vec<&'w str> {
        let here = self.here.iter().map(String::as_str);
        here.chain(words.iter().copied()).chain(["--app-name", self.name]).collect()
    }

    /// Runs `kompox …` on the app to its end.
    pub fn run(&self, words: &[&str]) -> Finished {
        Finished::of(self.project.command(&self.words(words)))
    }

    /// Applies the manifests, after which nothing is left to do.
    #[track_caller]
    pub fn apply(&self) {
        self.run(&["apply", "--auto-approve"]).done();
        self.run(&["plan", "--detailed-exitcode"]).done();
    }

    /// Kills the command when it says this; the next apply does the rest.
    #[track_caller]
    pub fn apply_killed_at(&self, says: &str) {
        let live = Live::start(self.project.command(&self.words(&["apply", "--auto-approve"])));
        live.until_says(says);
        live.signal(Signal::KILL);
        assert_eq!(live.end().code, None);
        self.apply();
    }

    /// Writes another volume into the manifest: its lines below `name` and `size`.
    pub fn set_volume(&self, lines: &str) {
        let manifest = self.project.read("kompoxapp.yml");
        let head = &manifest[..manifest.find("      size: 1Gi\n").unwrap()];
        self.project.write("kompoxapp.yml", &format!("{head}      size: 1Gi\n{}{lines}", self.options));
    }

    /// Takes away what a run that was killed left, which is of a state that is gone.
    pub fn clean(cluster: &Cluster, name: &str) {
        let label = format!("--selector=app.kubernetes.io/name={name}");
        cluster.kubectl(&["delete", "namespace,persistentvolume", &label]);
    }

    /// The recorded id of an object of the app, by the end of its address.
    pub fn id(&self, end: &str) -> String {
        let here = self.here.iter().map(String::as_str);
        let words: Vec<&str> = here.chain(["state", "list", "--json"]).collect();
        let records = Finished::of(self.project.command(&words)).done().json();
        let mut records = records.as_array().unwrap().iter();
        let record = records.find(|record| record["address"].as_str().unwrap().ends_with(end));
        record.unwrap_or_else(|| panic!("{end} is in the state"))["id"].as_str().unwrap().to_owned()
    }

    /// The Namespace of the app.
    pub fn namespace(&self) -> String {
        let label = format!("/api/v1/namespaces?labelSelector=app.kubernetes.io/name%3D{}", self.name);
        let list = self.cluster.read(&label);
        list["items"][0]["metadata"]["name"].as_str().expect("the app has a Namespace").to_owned()
    }

    /// What its users see.
    pub fn site(&self) -> Site {
        Site::new(self.cluster, &self.namespace(), &format!("{}-app", self.name), 8080)
    }

    /// Its Pods that are not ending.
    pub fn pods(&self) -> Vec<Value> {
        let mut pods = self.cluster.pods(&self.namespace());
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods
    }

    /// The node of its only Pod.
    pub fn ready_pod_node(&self) -> String {
        self.ready_pod("");
        self.pods()[0]["spec"]["nodeName"].as_str().unwrap().to_owned()
    }

    /// The uid of its only Pod, once that is ready and not the one before.
    #[track_caller]
    pub fn ready_pod(&self, before: &str) -> String {
        wait_for("the next Pod to be ready", || match self.pods().as_slice() {
            [pod] if pod["metadata"]["uid"] != before && is_ready(pod) => {
                pod["metadata"]["uid"].as_str().map(str::to_owned)
            }
            _ => None,
        })
    }
}

/// Whether all containers of a Pod are ready.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// What differs from driver to driver.
pub trait Driver {
    /// What stands for it in the table.
    const NAME: &'static str;

    /// The app, not yet applied, with a volume of one disk `blue` in the first zone.
    fn shop(&self, cluster: &'static Cluster) -> Shop;

    /// The zone that the app is in at first, as its manifest says it.
    fn zone(&self, cluster: &Cluster) -> String {
        cluster.zone("node1")
    }

    /// The other one.
    fn other_zone(&self, cluster: &Cluster) -> String {
        cluster.zone("node2")
    }

    /// How the data gets to another zone.
    fn far(&self) -> Far;
}

/// How data gets to another zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Far {
    /// By a disk there, made from a snapshot.
    Snapshot,
    /// By hand.
    Carried,
}
