//! A disk that is full, that nothing can be written to, or that does not keep what it was given: the apply stops before
//! the next call to the cloud, says why, keeps what it knows, and the next one heals.

use std::path::Path;
use std::process::Command;

use crate::harness::backend::{Backend, Home};
use crate::harness::project::Project;
use crate::harness::proxy::{Moment, Proxy, Seen};
use crate::harness::run::Live;
use crate::harness::skip;
use crate::harness::stage::{FAST, Stage};

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// A file system of its own, in memory. It goes with the value.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None where this process must not mount one, which is said.
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let made = run("mount", &["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk.path()]);
        if !made {
            skip("no disk is filled: mounting one takes root");
        }
        made.then_some(disk)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", self.path()]);
    }
}

fn run(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
}

/// Writes until there is no room any more.
fn fill(folder: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(folder.join("filler")).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

fn changes(seen: &Seen) -> bool {
    matches!(seen.method.as_str(), "PUT" | "PATCH" | "DELETE") && !seen.target.contains("dryRun")
}

/// What an apply leaves whose state cannot be written any more: no call was made that the state does not know of, and the next
/// apply, when it can be written again, does the rest.
fn stopped(stage: &Stage) {
    stage.assert_known();
    let cloud = stage.cloud(FAST);
    stage.run(&cloud.endpoint, APPLY).exits(0);
    stage.assert_whole(&cloud.endpoint);
    assert_eq!(stage.ids("Microsoft.Compute/disks").len(), 1);
}

fn full(backend: Backend) {
    let Some(disk) = Disk::mount() else { return };
    let stage = Stage::at(&Home::on_disk(backend, disk.0.path()), Project::gitea());
    let cloud = stage.cloud(FAST);
    let proxy = Proxy::start(&cloud.endpoint);
    let folder = disk.0.path().to_owned();
    proxy.trap(Moment::Before, move |_, seen| {
        if seen.is("PUT", "/disks/") {
            fill(&folder);
        }
        false
    });
    stage.run(&proxy.endpoint(), APPLY).exits(1).says(&["free some space", "kompox HERE apply --auto-approve"]);
    let seen = proxy.seen();
    let at = seen.iter().position(|seen| seen.is("PUT", "/disks/")).unwrap();
    let open = stage.state().open_intents().unwrap().len();
    assert!(seen[at..].iter().filter(|seen| changes(seen)).count() <= open, "{open}: {:?}", &seen[at..]);
    // As long as there is no room.
    stage.run(&cloud.endpoint, APPLY).exits(1).says(&["free some space"]);
    std::fs::remove_file(disk.0.path().join("filler")).unwrap();
    stopped(&stage);
}

#[test]
fn a_full_disk_stops_an_apply_whose_state_is_a_file() {
    full(Backend::File);
}

#[test]
fn a_full_disk_stops_an_apply_whose_state_is_in_a_folder() {
    full(Backend::Folder);
}

#[test]
fn a_disk_that_nothing_can_be_written_to_is_said_before_anything_is_done() {
    for backend in [Backend::File, Backend::Folder] {
        let Some(disk) = Disk::mount() else { return };
        let stage = Stage::at(&Home::on_disk(backend, disk.0.path()), Project::gitea());
        let cloud = stage.cloud(FAST);
        let proxy = Proxy::start(&cloud.endpoint);
        stage.run(&cloud.endpoint, &["plan"]).exits(0);
        assert!(run("mount", &["-o", "remount,ro", disk.path()]));
        stage.run(&proxy.endpoint(), APPLY).exits(1).says(&["cannot be written", "writable"]);
        stage.run(&cloud.endpoint, &["state", "list"]).exits(0);
        assert!(!proxy.seen().iter().any(changes));
        assert!(run("mount", &["-o", "remount,rw", disk.path()]));
        stage.run(&cloud.endpoint, APPLY).exits(0);
        stage.assert_whole(&cloud.endpoint);
    }
}

/// The command with calls of the system that fail from the `nth` of each thread on.
fn failing(stage: &Stage, endpoint: &str, fault: &str, nth: usize) -> Command {
    let command = stage.command(endpoint, APPLY);
    let mut traced = Command::new("strace");
    let (calls, error) = fault.split_once(':').unwrap();
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    traced.args(["-e", &format!("inject={calls}:{error}:when={nth}+")]).arg(command.get_program());
    traced.args(command.get_args()).current_dir(command.get_current_dir().unwrap()).env_clear();
    for (name, value) in command.get_envs() {
        traced.env(name, value.unwrap());
    }
    traced.stdin(std::process::Stdio::null());
    traced
}

/// Calls that fail in the middle of an apply, at several places of its journal.
fn fails(backend: Backend, fault: &str, says: &[&str]) {
    if !run("strace", &["-qq", "-o", "/dev/null", "true"]) {
        return skip("no call of the system fails on purpose: there is no strace, or it must not be used");
    }
    let mut calls = Vec::new();
    for nth in [2, 9, 14] {
        let stage = Stage::at(&backend.home().unwrap(), Project::gitea());
        let cloud = stage.cloud(FAST);
        stage.run(&cloud.endpoint, &["plan"]).exits(0);
        let proxy = Proxy::start(&cloud.endpoint);
        Live::start(failing(&stage, &proxy.endpoint(), fault, nth)).end().exits(1).says(says);
        calls.push(proxy.seen().iter().filter(|seen| changes(seen)).count());
        stopped(&stage);
    }
    assert!(calls[0] == 0 && calls[2] > 0, "before the first call, and in the middle: {calls:?}");
}

#[test]
fn a_file_that_does_not_reach_the_disk_stops_the_apply() {
    fails(Backend::File, "fsync,fdatasync:error=EIO", &["check the disk"]);
}

#[test]
fn an_object_that_does_not_reach_the_disk_stops_the_apply() {
    fails(Backend::Folder, "fsync,fdatasync:error=EIO", &["check the folder and the disk"]);
}

#[test]
fn a_file_that_is_read_only_all_at_once_stops_the_apply() {
    fails(Backend::File, "pwrite64:error=EROFS", &["check the disk"]);
}
