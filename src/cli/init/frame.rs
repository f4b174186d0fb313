//! What a project begins with, by driver: Workspace, Provider and Cluster.

use super::files;
use super::identity::Place;
use super::yaml::quoted;
use super::{APP, COMPOSE};
use crate::cli::global::Global;
use crate::kom::settings::Setting;
use crate::providers::kubernetes::Files;
use crate::providers::opening::Opening;
use crate::resources::driver::Driver;

const AKS: &str = include_str!("frame.yml");
const K3S: &str = include_str!("frame-k3s.yml");

/// Disks that a project for a cluster of one's own gets at most: folders of a node, of which no machine has too few.
const FOLDERS: usize = 64;

/// The size of the nodes, which follows from what is to run on them.
const NODE_SIZE: &str = "AZURE_AKS_USER_VM_SIZE";

/// The context of the kubeconfig, which follows from what this machine has.
const CONTEXT: &str = "K3S_CONTEXT";

/// What a project for a driver begins with.
pub(super) struct Frame {
    /// The documents, but for settings.
    text: String,
    /// The driver.
    driver: &'static dyn Driver,
    /// The line that names the context, for a driver that needs one.
    context: Option<String>,
    /// What to write into the app file before the first apply.
    pub(super) to_write: &'static str,
}

impl Frame {
    /// The one of a driver.
    pub(super) fn of(driver: &'static dyn Driver, place: &mut Place, global: &Global) -> Self {
        let setting = |key: &str| driver.settings().cluster.iter().find(|setting| setting.key == key);
        let context = setting(CONTEXT).map(|setting| context(setting, global));
        let (text, to_write) = match context {
            Some(_) => {
                place.zone = None;
                (K3S, "hosts")
            }
            None => (AKS, "subscription and hosts"),
        };
        Self { text: place.fill(text), driver, context, to_write }
    }

    /// The documents of a project with so many services in one Pod; without a number, those of the driver's own choice.
    pub(super) fn text(&self, services: Option<usize>) -> String {
        let size = services.map(|services| {
            let size = files::size(services);
            format!("    {NODE_SIZE}: {} # {}; at most {} disks\n", size.name, size.about, size.disks)
        });
        let line = |setting: &&Setting| match setting.key {
            NODE_SIZE => size.clone(),
            CONTEXT => self.context.clone(),
            key => setting.first.map(|(value, comment)| format!("    {key}: {value} # {comment}\n")),
        };
        let lines = |settings: &[&'static Setting]| settings.iter().filter_map(line).collect::<String>();
        let tables = self.driver.settings();
        self.text
            .replace("@DRIVER@", self.driver.name())
            .replace("@PROVIDER_SETTINGS@", &lines(tables.provider))
            .replace("@CLUSTER_SETTINGS@", &lines(tables.cluster))
    }

    /// Disks that the node of so many services can have.
    pub(super) fn disks(&self, services: usize) -> usize {
        if self.context.is_some() { FOLDERS } else { files::size(services).disks }
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
fn context(setting: &Setting, global: &Global) -> String {
    let environment = global.environment();
    let opening = Opening { written: None, environment: &environment, stand_in: None, allow_exec: false, seed: 0 };
    match Files::new(&opening).way() {
        Ok(way) => format!("    {CONTEXT}: {} # of {}, {}\n", quoted(&way.context), way.file, way.server),
        Err(_) => format!("    # {CONTEXT}: default # {}\n", setting.about),
    }
}
