//! A state that is older than, or another than, what was last written from this machine.

use std::path::{Path, PathBuf};

use kompox_state::{Copy, LockRequest};

use crate::harness::backend::{Backend, Home};
use crate::harness::project::Project;
use crate::review::type_printed;

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// A project, and its state as whoever looks after the file, the bucket or the database gets at it.
struct Kept {
    project: Project,
    home: Home,
    /// Another machine.
    elsewhere: tempfile::TempDir,
    backend: Backend,
}

impl Kept {
    /// The example, applied; `None` where there is no server of the backend.
    fn applied(backend: Backend) -> Option<Self> {
        let elsewhere = tempfile::tempdir().unwrap();
        let home = match backend {
            Backend::Folder => Home::on_disk(backend, elsewhere.path()),
            _ => backend.home()?,
        };
        let mut project = Project::gitea();
        project.write(".kompox/config.yml", &format!("version: 1\nstate: {{type: sqlite, sandbox: {}}}\n", home.text));
        home.variables.iter().for_each(|(name, value)| project.set(name, value));
        project.run(APPLY).done();
        Some(Self { project, home, elsewhere, backend })
    }

    /// Whatever `state pull` writes to a file.
    fn pulled(&self, name: &str) -> PathBuf {
        self.project.run(&["state", "pull", name]).done();
        self.project.root().join(name)
    }

    /// Puts a copy in the place of the state, not by a command of this machine.
    fn put_back(&self, copy: &Path) {
        let copy = Copy::read(&std::fs::read(copy).unwrap()).unwrap();
        let who = "an administrator".to_owned();
        let (host, command, now) = ("elsewhere".to_owned(), "cp".to_owned(), "2026-01-02T03:04:05Z".to_owned());
        let request = LockRequest { who, host, pid: std::process::id(), command, now, plan_digest: None };
        let there = self.home.config(self.elsewhere.path());
        kompox_state::remove(&there).unwrap();
        drop(kompox_state::restore(&there, &copy, &request).unwrap());
        if self.backend == Backend::File {
            let file = |folder: &Path| folder.join("state/sandbox.db");
            let here = file(&self.project.root().join(".kompox"));
            std::fs::copy(file(self.elsewhere.path()), here).unwrap();
        }
    }

    /// Applies another version of an image.
    fn apply(&self, version: &str) {
        let text = self.project.read("compose.yml");
        let at = text.find("postgres:17").unwrap();
        let end = at + text[at..].find('\n').unwrap();
        self.project.write("compose.yml", &format!("{}{version}{}", &text[..at], &text[end..]));
        self.project.run(APPLY).done();
    }

    /// The file that says what was written from here.
    fn seen(&self) -> PathBuf {
        let name = if self.backend == Backend::File { "sandbox.db.seen" } else { "sandbox.seen" };
        self.project.root().join(".kompox/state").join(name)
    }
}

fn is_refused_until_it_is_put_right(backend: Backend) {
    let Some(kept) = Kept::applied(backend) else { return };
    let project = &kept.project;
    let old = kept.pulled("old.state");
    kept.apply("postgres:17.1");
    let new = kept.pulled("new.state");
    project.run(&["state", "accept"]).done().says(&["nothing was done"]);
    project.run(&["state", "verify"]).done();

    kept.put_back(&old);
    let plan = project.run(&["plan", "--detailed-exitcode"]).done();
    assert!(plan.stdout.contains("the state is not the one that was last written from here"), "{}", plan.stdout);
    let coded = project.run(&["plan", "--format", "json"]).done().json();
    assert!(coded["dangers"].as_array().unwrap().iter().any(|danger| danger["code"] == "state-behind"), "{coded:#}");
    project.run(&["state", "verify"]).exits(1).says(&[
        "The state is whole",
        "error[state-behind]",
        "it is an older copy",
    ]);
    let parts = ["error[state-behind]", "it is an older copy: its serial is ", "state push FILE", "state accept"];
    for command in [APPLY, &["destroy", "--auto-approve"], &["state", "rm", "Secret/app1-app-gitea-base"]] {
        project.run(command).exits(1).says(&parts);
    }
    project.run(&["state", "push", "old.state"]).exits(1).says(&["nothing was changed"]);

    // The newer one mends it.
    project.run(&["state", "push", new.to_str().unwrap()]).done();
    project.run(&["state", "verify"]).done();
    project.run(APPLY).done().says(&["No changes."]);

    // Or the older one is meant; what was made since is still there, and the next apply knows.
    kept.put_back(&old);
    let refused = project.run(APPLY).exits(1);
    type_printed(project, &refused, "state accept").done().says(&["The state counts as it is: it is an older copy"]);
    project.run(&["state", "accept"]).done().says(&["nothing was done"]);
    let plan = project.run(&["plan"]).done();
    assert!(!plan.stdout.contains("last written from here"), "{}", plan.stdout);
    kept.apply("postgres:17.2");
    project.run(&["state", "verify"]).done();

    // A mark that is lost blocks nothing.
    std::fs::remove_file(kept.seen()).unwrap();
    kept.put_back(&old);
    kept.apply("postgres:17.3");
}

#[test]
fn an_older_file_is_refused_until_it_is_put_right() {
    is_refused_until_it_is_put_right(Backend::File);
}

#[test]
fn an_older_folder_of_objects_is_refused_until_it_is_put_right() {
    is_refused_until_it_is_put_right(Backend::Folder);
}

#[test]
fn an_older_database_is_refused_until_it_is_put_right() {
    is_refused_until_it_is_put_right(Backend::Pgbouncer);
}

/// A copy that others went on from, until it was ahead.
#[test]
fn a_state_that_came_apart_from_what_was_written_here_is_refused() {
    let kept = Kept::applied(Backend::Folder).unwrap();
    let old = kept.pulled("old.state");
    kept.apply("postgres:17.1");
    let mark = std::fs::read(kept.seen()).unwrap();
    kept.put_back(&old);
    // Others, who know nothing of it.
    std::fs::remove_file(kept.seen()).unwrap();
    ["postgres:17.2", "postgres:17.3", "postgres:17.4"].into_iter().for_each(|version| kept.apply(version));
    let theirs = std::fs::read(kept.seen()).unwrap();
    std::fs::write(kept.seen(), &mark).unwrap();
    kept.project.run(APPLY).exits(1).says(&["it is another copy", "is not in its history"]);
    std::fs::write(kept.seen(), theirs).unwrap();
    kept.project.run(APPLY).done().says(&["No changes."]);
}

/// Whoever makes a state on purpose goes on with it.
#[test]
fn a_state_that_was_pushed_or_rebuilt_where_there_was_none_is_no_older_copy() {
    let kept = Kept::applied(Backend::File).unwrap();
    let old = kept.pulled("old.state");
    kept.apply("postgres:17.1");
    let lose = || {
        let state = kept.project.root().join(".kompox/state/sandbox.db");
        std::fs::remove_file(state).unwrap();
        assert!(kept.seen().exists());
    };
    lose();
    let pushed = kept.project.run(&["state", "push", old.to_str().unwrap()]).done();
    assert!(pushed.stderr.contains("note: it is an older copy"), "{}", pushed.stderr);
    kept.apply("postgres:17.2");
    lose();
    kept.project.run(&["state", "rebuild", "--auto-approve"]).done();
    kept.project.run(&["plan", "--detailed-exitcode"]).done();
    kept.apply("postgres:17.3");
    kept.project.run(&["state", "verify"]).done();
}
