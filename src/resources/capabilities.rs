//! What a driver may lack, and where a manifest asks for it: said before anything is planned, with the manifest's line.

use super::scope::Findings;
use crate::diag::{Diagnostic, Location};
use crate::kom::model::{App, Cluster, VolumeType};

/// What not every driver can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Make a cluster, rather than use one that is there.
    NewClusters,
    /// Lock a cluster in its cloud.
    Locks,
    /// Take certificates of the ingress from a vault.
    VaultCertificates,
    /// Volumes of type `files`.
    Shares,
    /// Declared snapshots of shares.
    ShareSnapshots,
}

/// What a driver lacks, and what to do instead.
#[derive(Debug)]
pub struct Lack {
    /// What it lacks.
    pub capability: Capability,
    /// What to do instead.
    pub instead: &'static str,
}

/// What is lacked, of those that a driver lacks, and how to say so.
struct Check<'a, 'b> {
    driver: &'a str,
    lacks: &'a [Lack],
    findings: &'a mut Findings<'b>,
}

impl Check<'_, '_> {
    fn need(&mut self, capability: Capability, at: &Location, message: impl FnOnce(&str) -> String) {
        let code = match capability {
            Capability::NewClusters | Capability::Locks | Capability::VaultCertificates => "driver",
            Capability::Shares | Capability::ShareSnapshots => "volume",
        };
        let Some(lack) = self.lacks.iter().find(|lack| lack.capability == capability) else { return };
        let diagnostic = Diagnostic::error(code, message(self.driver)).at(at.clone(), None);
        self.findings.push(diagnostic.help(lack.instead));
    }
}

/// Says what a Cluster asks for and its driver lacks.
pub(super) fn check_cluster(driver: &str, lacks: &[Lack], cluster: &Cluster, findings: &mut Findings<'_>) {
    let mut check = Check { driver, lacks, findings };
    let name = &cluster.meta.name;
    if cluster.existing == Some(false) {
        let at = cluster.existing_location.as_ref().unwrap_or(&cluster.meta.location);
        check.need(Capability::NewClusters, at, |driver| {
            format!("the cluster {name} is to be made, and the driver {driver} makes none")
        });
    }
    if cluster.protection.lock == Some(true) {
        let at = cluster.protection.location.as_ref().unwrap_or(&cluster.meta.location);
        check.need(Capability::Locks, at, |driver| format!("the driver {driver} cannot lock the cluster {name}"));
    }
    if let Some(certificate) = cluster.ingress.certificates.first() {
        check.need(Capability::VaultCertificates, &certificate.location, |driver| {
            format!("the driver {driver} takes no certificates from a vault, and {} is in one", certificate.name)
        });
    }
}

/// Says what an App asks for and its driver lacks.
pub(super) fn check_app(driver: &str, lacks: &[Lack], app: &App, findings: &mut Findings<'_>) {
    let mut check = Check { driver, lacks, findings };
    for volume in &app.volumes {
        let name = &volume.name;
        if volume.kind == VolumeType::Files {
            check.need(Capability::Shares, &volume.location, |driver| {
                format!("the volume {name} is a share, and the driver {driver} has none")
            });
        }
        if let Some(snapshot) = volume.snapshots.first().filter(|_| volume.kind == VolumeType::Files) {
            check.need(Capability::ShareSnapshots, &snapshot.location, |_| {
                format!("the volume {name} is a share, of which no snapshots are declared")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kom::layout::{LayoutRequest, discover};
    use crate::kom::load::{LoadOptions, load};
    use crate::resources::composes::Texts;

    const DOCUMENTS: &str = "\
apiVersion: ops.kompox.dev/v1alpha1
kind: Workspace
metadata: {name: w, annotations: {ops.kompox.dev/id: /ws/w}}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Provider
metadata: {name: p, annotations: {ops.kompox.dev/id: /ws/w/prv/p}}
spec: {driver: k3s}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Cluster
metadata: {name: c, annotations: {ops.kompox.dev/id: /ws/w/prv/p/cls/c}}
spec:
  existing: false
  protection: {lock: true}
  ingress: {controller: traefik, certificates: [{name: wild, source: \"https://v/secrets/wild\"}]}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: App
metadata: {name: a, annotations: {ops.kompox.dev/id: /ws/w/prv/p/cls/c/app/a}}
spec:
  compose: file:compose.yml
  volumes:
    - {name: disk, size: 1Gi, deletionPolicy: Delete, assigned: blue, disks: [{name: blue}, {name: green, source: \"snapshot:s\"}], snapshots: [{name: s, source: \"disk:blue\"}]}
    - {name: share, type: files, disks: [{name: one}], snapshots: [{name: s, source: \"disk:one\"}]}
";

    #[test]
    fn what_is_lacked_is_said_at_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".kompox")).unwrap();
        std::fs::write(folder.path().join("kompoxapp.yml"), DOCUMENTS).unwrap();
        let request = LayoutRequest { cwd: folder.path().to_owned(), ..LayoutRequest::default() };
        let loaded = load(&discover(&request).unwrap(), &request, &LoadOptions::default()).unwrap();
        let said = |lacks: &[Lack]| -> Vec<String> {
            let texts = Texts::new(&loaded.sources);
            let mut findings = Findings::new(&texts);
            check_cluster("x", lacks, &loaded.project.clusters[0], &mut findings);
            check_app("x", lacks, &loaded.project.apps[0], &mut findings);
            let line = |one: &Diagnostic| one.location.as_ref().map_or(0, |at| at.line);
            let help = |one: &Diagnostic| one.help.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            findings.iter().map(|one| format!("{}: {} ({})", line(one), one.message, help(one))).collect()
        };
        assert!(said(&[]).is_empty());
        let all = [
            (Capability::NewClusters, "14: the cluster c is to be made, and the driver x makes none (do)"),
            (Capability::Locks, "15: the driver x cannot lock the cluster c (do)"),
            (
                Capability::VaultCertificates,
                "16: the driver x takes no certificates from a vault, and wild is in one (do)",
            ),
            (Capability::Shares, "25: the volume share is a share, and the driver x has none (do)"),
            (Capability::ShareSnapshots, "25: the volume share is a share, of which no snapshots are declared (do)"),
        ];
        for (capability, expected) in all {
            assert_eq!(said(&[Lack { capability, instead: "do" }]), [expected]);
        }
    }
}
