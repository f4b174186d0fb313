//! Whole projects, applied by the program itself through its provider; then everything once more, byte for byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{later, say};
use crate::controlplane::{ControlPlane, assets};
use crate::harness::cloud::Cloud;
use crate::harness::project::Project;
use crate::harness::run::Finished;
use crate::harness::skip;
use crate::proxy::{Planes, Proxy};

/// A project on a cloud whose clusters are real API servers where there are any.
pub struct Stage {
    pub project: Project,
    pub proxy: Proxy,
    planes: Planes,
    clusters: Vec<String>,
    _cloud: Cloud,
}

impl Stage {
    /// A copy of the project in `folder`, nothing applied. With `controllers`, those of Kubernetes act, if they are there.
    pub fn of(folder: &Path, controllers: bool) -> Self {
        let project = Project::copy_of(folder);
        let clusters = clusters(&project);
        assert!(!clusters.is_empty(), "{} has a cluster", folder.display());
        let planes: Planes = Arc::new(match assets() {
            Some(assets) => {
                clusters.iter().map(|name| (name.clone(), ControlPlane::start(&assets, controllers))).collect()
            }
            None => Default::default(),
        });
        let cloud = Cloud::start(&project, &project.root().join("cloud"));
        let proxy = Proxy::start(cloud.address(), planes.clone());
        Self { project, proxy, planes, clusters, _cloud: cloud }
    }

    pub fn run(&self, arguments: &[&str]) -> Finished {
        let endpoint = self.proxy.endpoint();
        let mut all = vec!["--sandbox-endpoint", &endpoint];
        all.extend(arguments);
        self.project.run(&all)
    }

    /// Applies everything. Of real clusters only the cloud's part is waited for: without a kubelet nothing gets ready.
    pub fn apply(&self) {
        let targets: Vec<String> = self.clusters.iter().map(|cluster| format!("cluster/{cluster}")).collect();
        let mut first = vec!["apply", "--auto-approve"];
        first.extend(targets.iter().flat_map(|target| ["--target", target]));
        self.run(&first).done();
        self.run(&["apply", "--auto-approve", "--no-wait"]).done();
    }

    /// Demands that nothing is left to do.
    #[track_caller]
    pub fn settled(&self) {
        self.run(&["plan", "--detailed-exitcode"]).done();
        self.run(&["drift"]).done();
    }

    /// Who judges.
    pub fn judge(&self) -> String {
        self.planes.values().next().map_or_else(|| "the sandbox".to_owned(), ControlPlane::name)
    }

    pub fn is_real(&self) -> bool {
        !self.planes.is_empty()
    }
}

/// The names of the clusters that a project's documents declare.
fn clusters(project: &Project) -> Vec<String> {
    let is_manifest = |path: &&PathBuf| {
        path.file_name().is_some_and(|name| name == "kompoxapp.yml") || path.to_str().unwrap().contains("/.kompox/kom/")
    };
    let documents = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_saphyr::from_multiple::<Value>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let all = project.files().iter().filter(is_manifest).flat_map(documents).collect::<Vec<_>>();
    let clusters = all.iter().filter(|document| document["kind"] == "Cluster");
    clusters.map(|document| document["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Applies a project, and everything in it twice more; gives how many objects there were.
fn judge(folder: &Path) {
    let stage = Stage::of(folder, false);
    stage.apply();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let applied = stage.proxy.applied();
    assert!(applied.len() > 10, "{name}: {:?}", applied.keys());
    for (path, body) in &applied {
        assert!(path.contains("fieldValidation=Strict"), "{path}");
        // A creation says that nothing may be there; now it is.
        let mut body: Value = serde_json::from_slice(body).unwrap();
        body["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let body = body.to_string();
        let again = || {
            let mut object = stage.proxy.send("PATCH", path, "application/apply-patch+yaml", body.as_bytes()).json();
            let version = object["metadata"]["resourceVersion"].take();
            (object, version)
        };
        // The sandbox's own controllers go on meanwhile, as those of a real cluster would: what is asked for stands still.
        let wanted = |mut object: Value| {
            object.as_object_mut().unwrap().remove("status");
            if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
                annotations.retain(|name, _| !name.starts_with("pv.kubernetes.io/"));
            }
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("claimRef");
            }
            let writers = object["metadata"]["managedFields"].as_array_mut().unwrap();
            writers.retain(|entry| entry["manager"] != "kube-controller-manager");
            object
        };
        let mut first = stage.proxy.get(path);
        first["metadata"]["resourceVersion"] = Value::Null;
        let second = again();
        assert_eq!(wanted(second.0.clone()), wanted(first), "{name}: a second apply of {path} changes nothing");
        if stage.is_real() {
            // The API server writes a claim anew with its first update, whatever is in it: only from then on is the
            // version still.
            assert_eq!(again(), second, "{name}: a third apply of {path} is not even written");
        }
    }
    stage.settled();
    say(&format!("{} objects of {name}", applied.len()), &stage.judge());
}

/// Every folder in `below` that holds a project.
fn projects(below: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(below).unwrap_or_else(|error| panic!("{}: {error}", below.display()));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("kompoxapp.yml").is_file() || folder.join(".kompox").is_dir());
    folders.sort();
    folders
}

fn ours(below: &str) -> Vec<PathBuf> {
    projects(&Path::new(env!("CARGO_MANIFEST_DIR")).join(below))
}

#[test]
fn every_example_is_taken_and_a_second_apply_changes_nothing() {
    if later() {
        return;
    }
    let examples = ours("examples");
    assert!(examples.len() >= 2, "{examples:?}");
    examples.iter().for_each(|folder| judge(folder));
}

#[test]
fn every_project_of_the_corpus_is_taken_and_a_second_apply_changes_nothing() {
    if later() {
        return;
    }
    let corpus = ours("tests/corpus/render");
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|folder| judge(folder));
}

#[test]
fn every_project_that_the_caller_names_is_taken_and_a_second_apply_changes_nothing() {
    if later() {
        return;
    }
    let Some(below) = std::env::var_os("KOMPOX_JUDGE_PROJECTS") else {
        return skip("projects of the caller's own: KOMPOX_JUDGE_PROJECTS is not set");
    };
    let named = projects(Path::new(&below));
    assert!(!named.is_empty(), "{} holds no project", below.display());
    named.iter().for_each(|folder| judge(folder));
}
