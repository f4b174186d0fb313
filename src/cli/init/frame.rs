//! What a project begins with, by driver: Workspace, Provider and Cluster.

use super::files;
use super::identity::Place;
use super::yaml::quoted;
use super::{APP, COMPOSE};
use crate::cli::global::Global;
use crate::providers::kubernetes::Files;
use crate::providers::opening::Opening;

const AKS: &str = include_str!("frame.yml");
const K3S: &str = include_str!("frame-k3s.yml");

/// Disks that a project for a cluster of one's own gets at most: folders of a node, of which no machine has too few.
const FOLDERS: usize = 64;

/// What a project for a driver begins with.
pub(super) struct Frame {
    /// The documents.
    pub(super) text: String,
    /// The driver.
    driver: String,
    /// What to write into the app file before the first apply.
    pub(super) to_write: &'static str,
}

impl Frame {
    /// The one of a driver.
    pub(super) fn of(driver: &str, place: &mut Place, global: &Global) -> Self {
        let (text, to_write) = match driver {
            "k3s" => {
                place.zone = None;
                (K3S.replace("@CONTEXT@", &context(global)), "hosts")
            }
            _ => (AKS.replace("@DRIVER@", driver), "subscription and hosts"),
        };
        Self { text: place.fill(&text), driver: driver.to_owned(), to_write }
    }

    /// Disks that the node of so many services can have.
    pub(super) fn disks(&self, services: usize) -> usize {
        if self.driver == "k3s" { FOLDERS } else { files::size(services).disks }
    }

    /// The App of a project from nothing, and its compose file.
    pub(super) fn app(&self, place: &Place, name: &str) -> (String, &'static str) {
        let mut app = place.fill(APP).replace("@NAME@", name);
        if place.zone.is_none() {
            app = app.replace("  deployment:\n    zone: \"1\" # pod and disk must be in one zone\n", "");
        }
        (app, COMPOSE)
    }
}

/// The line that names the context, so that the current one may change: that which the kubeconfig has now.
fn context(global: &Global) -> String {
    let environment = global.environment();
    let opening = Opening { written: None, environment: &environment, stand_in: None, allow_exec: false, seed: 0 };
    match Files::new(&opening).way() {
        Ok(way) => format!("K3S_CONTEXT: {} # of {}, {}", quoted(&way.context), way.file, way.server),
        Err(_) => "# K3S_CONTEXT: default # the context of the kubeconfig; without it the current one".to_owned(),
    }
}
