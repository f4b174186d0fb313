//! What is on disks and snapshots, made by a program of the caller's where the cluster's CSI driver finds it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::kube_api::MadeDisk;

/// The program, called as
///
/// - `PROGRAM make ID ZONE GIB [FROM]`: a disk or snapshot with this ARM id is made, empty or as a copy of FROM as it is at
///   this moment; ZONE is as nodes are labelled (`eastus-1`), `-` for none
/// - `PROGRAM remove ID`: it is gone
#[derive(Debug)]
pub(super) struct Disks {
    program: PathBuf,
}

impl Disks {
    pub(super) fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    pub(super) fn make(&self, made: &MadeDisk<'_>) -> Result<(), String> {
        let gib = made.gib.to_string();
        let mut arguments = vec!["make", made.id, made.zone.as_deref().unwrap_or("-"), &gib];
        arguments.extend(made.from);
        self.run(&arguments)
    }

    /// What cannot be removed is in nobody's way: making a disk of the same id replaces it.
    pub(super) fn remove(&self, id: &str) {
        let _ = self.run(&["remove", id]);
    }

    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let program = self.program.display();
        let output = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}
