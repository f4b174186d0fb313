//! A state that a team shares: each job has a fresh checkout, and nothing but the state is kept between them.

use serde_json::json;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;
use crate::harness::server::{Server, aws, installed};

/// A repository, a cloud that outlives all jobs, and a state elsewhere.
struct Team {
    repository: Project,
    cloud: Cloud,
    variables: Vec<(&'static str, String)>,
}

impl Team {
    /// A team whose `state:` says this of the state of the rehearsal.
    fn new(state: &str, variables: &[(&'static str, String)]) -> Self {
        let repository = Project::gitea();
        repository.write(".kompox/config.yml", &format!("version: 1\nstate: {{type: sqlite, sandbox: {state}}}\n"));
        let cloud = Cloud::start(&repository, &repository.folder().join("world"));
        Self { repository, cloud, variables: variables.to_vec() }
    }

    /// A fresh checkout on another runner.
    fn checkout(&self) -> Project {
        let mut job = Project::copy_of(self.repository.root());
        for (name, value) in &self.variables {
            job.set(name, value);
        }
        job.set("KOMPOX_SANDBOX_ENDPOINT", &self.cloud.endpoint);
        job.set("CI", "true");
        job
    }

    /// The id of one object of the state.
    fn id_of(&self, address: &str) -> String {
        let shown = self.checkout().run(&["state", "show", address, "--json"]).done().json();
        shown["id"].as_str().unwrap().to_owned()
    }
}

/// What `docs/state.md` has recipes for: a plan in one job, its apply in another, drift at night, destroy.
fn jobs_share(state: &str, variables: &[(&'static str, String)]) {
    let team = Team::new(state, variables);

    let plan = team.checkout();
    plan.run(&["plan", "--out", "p.kplan", "--detailed-exitcode"]).exits(2);
    let apply = team.checkout();
    std::fs::copy(plan.root().join("p.kplan"), apply.root().join("p.kplan")).unwrap();
    apply.run(&["apply", "p.kplan"]).done();
    team.checkout().run(&["plan", "--detailed-exitcode"]).done();
    team.checkout().run(&["drift"]).done();

    let (cluster, deployment) = (team.id_of("cluster/cluster1"), team.id_of("Deployment/app1-app"));
    team.cloud.kube_patch(&cluster, &deployment, &json!({"spec": {"replicas": 3}}));
    let drift = team.checkout().run(&["drift"]).exits(2);
    assert!(drift.stdout.contains("Deployment/app1-app"), "{}", drift.stdout);
    let put_right = team.checkout();
    put_right.run(&["apply", "--auto-approve"]).done();
    team.checkout().run(&["drift"]).done();

    let history = team.checkout().run(&["state", "history", "--json"]).done().json();
    let ends: Vec<_> = history.as_array().unwrap().iter().map(|run| run["result"].as_str().unwrap()).collect();
    assert_eq!(ends, ["ok", "ok"]);
    // A plan that was applied already is not applied again.
    let again = team.checkout();
    std::fs::copy(plan.root().join("p.kplan"), again.root().join("p.kplan")).unwrap();
    again.run(&["apply", "p.kplan"]).exits(1);

    team.checkout().run(&["destroy", "--auto-approve"]).done();
    assert_eq!(team.checkout().run(&["state", "list", "--json"]).done().json(), json!([]));
    // Nothing of it is in a checkout: a job leaves what it likes behind.
    let left: Vec<_> = put_right.files().into_iter().filter(|file| file.ends_with("sandbox.db")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn jobs_share_a_state_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    jobs_share(&format!("{{type: object, path: {}}}", folder.path().join("shared").display()), &[]);
}

#[test]
fn jobs_share_a_state_in_s3() {
    let Some(program) = installed("versitygw") else { return };
    let server = Server::versitygw(&program, "states");
    jobs_share("{type: object, url: 's3://states/team/prod'}", &aws(&server.endpoint));
}

/// Nothing is known and nothing is changed; what to check is said.
#[test]
fn a_state_that_cannot_be_reached_changes_nothing() {
    let mut server = aws("http://127.0.0.1:9");
    server[4].1 = "Unreached-Secret-7Fq2".to_owned();
    let team = Team::new("{type: object, url: 's3://states/team/prod'}", &server);
    let before = team.repository.files().len();
    for command in [&["plan"][..], &["apply", "--auto-approve"]] {
        let job = team.checkout();
        let refused = job.run(command).exits(1);
        let told = refused.says(&["the state s3://states/team/prod cannot be used", "check the network"]).text();
        assert!(!told.contains("Unreached-Secret-7Fq2"), "{told}");
    }
    assert_eq!(team.repository.files().len(), before);
    let world = kompox_sandbox::inspect(&team.repository.folder().join("world")).unwrap();
    assert!(world.is_empty(), "{world:?}");
}
