//! States that cannot be used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use kompox_state::LockRequest;
use rusqlite::Connection;

use crate::harness::skip;
use crate::harness::stage::{FAST, Stage};
use crate::{APPLY, NOWHERE, refused};

/// The state's database with everything in its main file.
fn database(stage: &Stage) -> Connection {
    let database = Connection::open(stage.state_file()).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    database
}

/// Commands that need the state, and the bytes of its file after them.
fn unusable(stage: &Stage, says: &[&str]) {
    let (bytes, world) = (fs::read(stage.state_file()).unwrap(), stage.objects());
    let file = stage.state_file().display().to_string();
    for words in [&["plan"], APPLY, &["destroy", "--auto-approve"], &["state", "list"]] {
        stage.run(NOWHERE, words).exits(1).says(says).says(&[&file]);
    }
    assert!(fs::read(stage.state_file()).unwrap() == bytes, "the file changed");
    assert_eq!(stage.objects(), world);
}

#[test]
fn a_state_of_a_newer_version_is_left_alone() {
    let stage = Stage::applied();
    let state = database(&stage);
    state.execute("UPDATE meta SET schema_version = 99", []).unwrap();
    state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(state);
    unusable(
        &stage,
        &["has schema version 99", "nothing was changed", "install the kompox that wrote it or a newer one"],
    );
}

#[test]
fn a_damaged_state_is_left_alone() {
    let stage = Stage::applied();
    drop(database(&stage));
    let mut bytes = fs::read(stage.state_file()).unwrap();
    // Every page but the first, which says what the file is.
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xa5;
    }
    fs::write(stage.state_file(), bytes).unwrap();
    let says =
        ["is damaged", "restore a backup; without one, move it away and rebuild it", "kompox HERE state rebuild"];
    unusable(&stage, &says);
}

/// Whatever was lost of what a guard stands on, it is never taken for "no guard".
#[test]
fn a_record_whose_guards_cannot_be_read_stops_everything() {
    let stage = Stage::applied();
    let cluster = "UPDATE records SET {} = ?1 WHERE address LIKE '%/cluster/%'";
    let change = |column: &str, text: &str| {
        let state = database(&stage);
        let before: String = state
            .query_row(&format!("SELECT {column} FROM records WHERE address LIKE '%/cluster/%'"), [], |row| row.get(0))
            .unwrap();
        state.execute(&cluster.replace("{}", column), [text]).unwrap();
        state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        before
    };
    let world = stage.objects();
    let protection = r#"{"adopted":false,"orphan":false,"prevent_destroy":"always","read_only":false}"#;
    for (column, text, says) in [
        ("protection", protection, "the protection in the record of"),
        ("protection", "null", "the protection in the record of"),
        ("protection", "{}", "the protection in the record of"),
        ("protection", "", "the protection in the record of"),
        ("baseline", "null", "the baseline in the record of"),
        ("baseline", r#"{"uid":7}"#, "the baseline in the record of"),
        ("physical_id", "", "has no physical id"),
        ("provider", "", "has no provider"),
        ("kind", "", "has no kind"),
    ] {
        let before = change(column, text);
        let file = stage.state_file().display().to_string();
        for words in [&["plan"], APPLY, &["destroy", "--auto-approve"], &["state", "list"]] {
            stage.run(NOWHERE, words).exits(1).says(&["is damaged", says, "/cluster/", "restore a backup", &file]);
        }
        assert_eq!(stage.objects(), world);
        assert_eq!(change(column, &before), text, "nobody wrote over it");
    }
    stage.run(NOWHERE, &["state", "list"]).exits(0);
}

#[test]
fn a_file_that_is_no_state_is_left_alone() {
    let stage = Stage::applied();
    drop(database(&stage));
    fs::write(stage.state_file(), "these are my notes, not a database, and I would like to keep them\n".repeat(99))
        .unwrap();
    unusable(&stage, &["is not a kompox state", "move it away, or name another file in `.kompox/config.yml`"]);

    // Cut off, or copied without its log: a new state in its place would know of nothing.
    let stage = Stage::applied();
    drop(database(&stage));
    fs::write(stage.state_file(), "").unwrap();
    unusable(&stage, &["has nothing in it (0 bytes, no tables)", "restore it together with `sandbox.db-wal`"]);

    let stage = Stage::applied();
    fs::remove_file(stage.state_file()).unwrap();
    let other = Connection::open(stage.state_file()).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('x');").unwrap();
    drop(other);
    unusable(&stage, &["is not a kompox state", "database of something else", "move it away"]);
}

#[test]
fn a_locked_state_names_its_holder() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    let holder = stage.state();
    let request = LockRequest {
        who: "maria".into(),
        host: "build-7".into(),
        pid: 4711,
        command: "kompox --sandbox apply nightly.kplan".into(),
        now: "2026-01-01T00:00:00Z".into(),
        plan_digest: None,
    };
    let before = (stage.objects(), holder.serial().unwrap());
    let lock = holder.try_lock(&request).unwrap();
    let disk = stage.ids("Microsoft.Compute/disks").remove(0);
    let says = [
        "is locked by maria on build-7 (pid 4711, `kompox --sandbox apply nightly.kplan`, since 2026-01-01T00:00:00Z)",
        "--lock-timeout",
    ];
    for words in
        [APPLY, &["destroy", "--auto-approve"], &["import", "disk/default", &disk], &["state", "rm", "disk/default"]]
    {
        stage.run(&cloud.endpoint, words).exits(1).says(&says);
    }
    stage.run(&cloud.endpoint, &["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!((stage.objects(), holder.serial().unwrap()), before);
    lock.release().unwrap();
    stage.run(&cloud.endpoint, APPLY).exits(0);
}

#[test]
fn a_file_where_the_folder_of_the_state_belongs_is_named() {
    let stage = Stage::new();
    fs::write(stage.file(".kompox/state"), "in the way").unwrap();
    let folder = stage.file(".kompox/state").display().to_string();
    let says = ["cannot create", &folder, "a file is where a folder is needed: move it away"];
    for words in [&["plan"], APPLY] {
        stage.run(NOWHERE, words).exits(1).says(&says);
    }
    assert_eq!(fs::read_to_string(stage.file(".kompox/state")).unwrap(), "in the way");
}

/// Permissions do not bind root, so root runs the program as nobody.
#[test]
fn a_read_only_folder_is_named() {
    let stage = Stage::new();
    let open = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(stage.project().parent().unwrap(), 0o755);
    open(&stage.file(".kompox"), 0o555);
    let mut command = stage.command(NOWHERE, &["plan"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    match command.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains(&stage.file(".kompox").display().to_string()), "{text}");
            assert!(text.contains("make the folder") || text.contains("writable"), "{text}");
        }
        Err(error) => skip(&format!("the program cannot be run as nobody here: {error}")),
    }
    assert!(!stage.file(".kompox/state").exists());
    open(&stage.file(".kompox"), 0o755);
}

#[test]
fn no_state_is_said_by_what_needs_one() {
    let stage = Stage::new();
    for words in [&["state", "list"][..], &["state", "show", "disk/default"], &["state", "history"]] {
        refused(&stage, NOWHERE, &[words], &["there is no state at", "sandbox.db yet", "help: "]);
    }
    assert!(!stage.state_file().exists());
}
