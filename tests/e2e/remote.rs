//! A state that a team shares: each job has a fresh checkout, and nothing but the state is kept between them.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::backend::Backend;
use crate::harness::cloud::Cloud;
use crate::harness::project::Project;
use crate::harness::server::aws;

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
    let Some(home) = Backend::Versitygw.home() else { return };
    jobs_share(&home.text, &home.variables);
}

/// Through a pooler in transaction mode, if there is one; the password is in a file.
#[test]
fn jobs_share_a_state_in_postgres() {
    let Some(home) = Backend::Pgbouncer.home().or_else(|| Backend::Postgres.home()) else { return };
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("pgpass");
    std::fs::write(&file, "other:*:*:*:wrong\nlocalhost:*:kompox:kompox:kompox-secret\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let mut variables = home.variables.clone();
    variables.retain(|(name, _)| *name != "PGPASSWORD");
    variables.push(("PGPASSFILE", file.to_str().unwrap().to_owned()));
    jobs_share(&home.text, &variables);
}

/// Nothing is known and nothing is changed; what to check is said.
#[test]
fn a_state_that_cannot_be_reached_changes_nothing() {
    let mut server = aws("http://127.0.0.1:9");
    server[4].1 = SECRET.to_owned();
    let place = "the state s3://states/team/prod cannot be used";
    changes_nothing("{type: object, url: 's3://states/team/prod'}", &server, &[place, "check the network"]);
    let database = [("PGHOST", "127.0.0.1"), ("PGPORT", "9"), ("PGUSER", "ops"), ("PGPASSWORD", SECRET)];
    let database = database.map(|(name, value)| (name, value.to_owned()));
    let place = "the state ops.kompox on 127.0.0.1:9 cannot be used";
    changes_nothing("{type: postgres}", &database, &[place, "check the network, and PGHOST, PGPORT"]);
    changes_nothing("{type: postgres}", &database[1..], &["PGHOST names no server"]);
}

const SECRET: &str = "Unreached-Secret-7Fq2";

fn changes_nothing(state: &str, variables: &[(&'static str, String)], says: &[&str]) {
    let team = Team::new(state, variables);
    let before = team.repository.files().len();
    for command in [&["plan"][..], &["apply", "--auto-approve"], &["doctor"]] {
        let job = team.checkout();
        let told = job.run(command).exits(1).says(says).text();
        assert!(!told.contains(SECRET), "{told}");
    }
    assert_eq!(team.repository.files().len(), before);
    let world = kompox_sandbox::inspect(&team.repository.folder().join("world")).unwrap();
    assert!(world.is_empty(), "{world:?}");
}
