//! The second plan of a project is empty on a live cluster, while its controllers and the kubelet write what they write.

use std::path::{Path, PathBuf};

use crate::aks::serve;
use crate::cluster::{Cluster, Need};
use crate::harness::project::Project;
use crate::harness::run::Finished;

/// So many compose files of the corpus at least must have become projects.
const ENOUGH: usize = 50;

#[test]
fn the_second_plan_is_empty_with_everything_running() {
    let Some(cluster) = Cluster::with(Need::Own, "second plans with controllers running") else { return };
    let _calm = cluster.calm();
    let mut cloud = None;
    let mut planned = 0;
    for folder in compose_files().into_iter().take(ENOUGH * 2) {
        let mut project = Project::copy_of(&folder);
        if project.run_as_is(&["init", "--from", "compose.yml"]).code != Some(0) {
            continue;
        }
        let manifest = project.read("kompoxapp.yml");
        let app = manifest.lines().find_map(|line| line.split_once("/app/")).expect("init writes an app").1.to_owned();
        let cloud = cloud.get_or_insert_with(|| serve(&mut project, cluster));
        let run = |words: &[&str]| -> Finished {
            let here = ["--sandbox", "--sandbox-endpoint", &cloud.endpoint, "--app-name", app.trim()];
            project.run_as_is(&[&here, words].concat())
        };
        // What such a file refers to need not be there; who cannot be planned is the business of other tests.
        if run(&["plan"]).code != Some(0) {
            continue;
        }
        // Most of the images are nobody's.
        run(&["apply", "--auto-approve", "--no-wait"]).done();
        let again = run(&["plan", "--detailed-exitcode"]);
        assert_eq!(again.code, Some(0), "{}: {}", folder.display(), again.text());
        planned += 1;
        if planned == ENOUGH {
            break;
        }
    }
    let ours = "--selector=app.kubernetes.io/managed-by=kompox";
    cluster.kubectl(&["delete", "namespace,persistentvolume", ours, "--wait=false"]);
    assert_eq!(planned, ENOUGH);
}

/// The folders of all compose files of the corpus.
fn compose_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/cases")];
    while let Some(folder) = folders.pop() {
        let below = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(below.filter(|path| path.is_dir()));
        if folder.join("compose.yml").is_file() {
            found.push(folder);
        }
    }
    found.sort();
    found
}
