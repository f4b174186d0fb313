//! What an app keeps in Azure: a group with disks, snapshots and shares, and the right to them (`resources.md`, "Kinds").
//! Nothing of it depends on a cluster's life.

use std::collections::BTreeMap;

use serde_json::json;

use super::account::Subscription;
use super::cluster::{Grant, grant, roles};
use super::managed::Managed;
use super::skus::Finding;
use super::{kinds, names, settings};
use crate::compose::convert::{Access, VolumeInput, VolumeSource};
use crate::compose::names::id_hash;
use crate::diag::{Diagnostic, Location};
use crate::engine::address::Address;
use crate::engine::graph::ProtectionWish;
use crate::engine::value::Value;
use crate::kom::model::{App, DeclaredDisk, DeletionPolicy, Located, Volume, VolumeType};
use crate::kom::settings::Setting;
use crate::resources::driver::{Placement, Storage};
use crate::resources::kept;
use crate::resources::scope::{Builder, Place, lifecycle_protection};

pub(super) const GIB: u64 = 1024 * 1024 * 1024;

/// Adds the Azure nodes of an app.
pub(super) fn expand(builder: &mut Builder<'_>, home: &Managed<'_>, app: &App, placement: &Placement) -> Storage {
    let name = &app.meta.name;
    let account = home.account;
    let scope = account.place.lasting_scope(name);
    let origin = &app.meta.location;
    let tags = account.place.app_tags(name);
    let mut nodes = Storage::default();
    if app.volumes.is_empty() {
        return nodes;
    }
    let group = settings::app_group(app)
        .unwrap_or_else(|| names::app_group(&account.prefix, &account.place.workspace, &account.place.provider, name));
    let group_address = Address::new(&scope, kinds::GROUP.name, name);
    let named = account.group_id(&group);
    // A group cannot be renamed, and what holds data stays where it is: the recorded one wins over the manifest.
    let group_id = builder.state.known(&group_address).map_or_else(|| named.clone(), |known| known.physical_id.clone());
    if !group_id.eq_ignore_ascii_case(&named) {
        let message = format!("the app {name} stays in the resource group {}, not {group}", last(&group_id));
        let help = "a resource group cannot be renamed; undo AZURE_RESOURCE_GROUP_NAME or AZURE_RESOURCE_PREFIX";
        builder.diagnostics.push(Diagnostic::warning("volume", message).at(origin.clone(), None).help(help));
    }
    keep_renamed(builder, &account.place, app);
    let desired = account.arm(builder.state, &group_id, &tags, json!({}));
    let node = builder.add(group_address.clone(), &kinds::GROUP, &account.key, desired, origin);
    node.protection = lifecycle_protection(&app.lifecycle, false);
    let mut expansion = Volumes {
        builder,
        account,
        home,
        app,
        placement,
        scope,
        group_id,
        group: group_address,
        tags,
        said_of_account: false,
    };
    for volume in &app.volumes {
        let other = match volume.kind {
            VolumeType::Disk => (&kinds::SHARE, "files"),
            VolumeType::Files => (&kinds::DISK, "disk"),
        };
        if let Some(handle) = kept::of_another_type(expansion.builder, &expansion.scope, other, volume) {
            // Nothing more is said of it by those that look for the app's volumes.
            nodes.volumes.push(VolumeInput {
                name: volume.name.clone(),
                disk: None,
                access: Access::ReadWriteOnce,
                size_bytes: volume.size_bytes.unwrap_or(GIB),
                source: VolumeSource::Csi { driver: String::new(), handle, attributes: BTreeMap::new() },
                storage_class: String::new(),
                previous_handle: None,
                origin: Some(volume.location.clone()),
            });
            continue;
        }
        match volume.kind {
            VolumeType::Disk => expansion.disks(volume, &mut nodes),
            VolumeType::Files => expansion.share(volume, &mut nodes),
        }
    }
    expansion.rights(&mut nodes);
    nodes
}

/// A share is named by its app: under a new name the app would get an empty one.
fn keep_renamed(builder: &mut Builder<'_>, place: &Place, app: &App) {
    let old = app.meta.moved_from.as_ref().and_then(|old| old.as_str().rsplit('/').next());
    let Some(old) = old.filter(|old| *old != app.meta.name) else { return };
    let before = format!("{}/", place.lasting_scope(old));
    // Disks keep their ids under the new name; the name of a share follows the app.
    let data = [kinds::SHARE.name];
    let left: Vec<String> = builder
        .state
        .known
        .iter()
        .filter(|(address, _)| address.as_str().starts_with(&before) && data.contains(&address.kind()))
        .map(|(_, known)| known.physical_id.clone())
        .collect();
    if left.is_empty() {
        return;
    }
    let message = format!("the app {} was {old}, and under its new name it would get empty volumes", app.meta.name);
    let mut diagnostic = Diagnostic::error("volume", message)
        .at(app.meta.location.clone(), None)
        .help("keep the old name: what an app keeps does not move to another name");
    for id in left {
        diagnostic = diagnostic.help(format!("in use: {id}"));
    }
    builder.diagnostics.push(diagnostic);
}

/// The volumes of an app, one after the other.
pub(super) struct Volumes<'a, 'b> {
    pub(super) builder: &'a mut Builder<'b>,
    pub(super) account: &'a Subscription,
    pub(super) home: &'a Managed<'a>,
    pub(super) app: &'a App,
    pub(super) placement: &'a Placement,
    pub(super) scope: String,
    pub(super) group_id: String,
    pub(super) group: Address,
    pub(super) tags: BTreeMap<String, String>,
    /// What is wrong with the storage account has been said.
    pub(super) said_of_account: bool,
}

impl Volumes<'_, '_> {
    pub(super) fn wrong(&mut self, location: &Location, message: String, help: &str) {
        let diagnostic = Diagnostic::error("volume", message).at(location.clone(), None).help(help.to_owned());
        self.builder.diagnostics.push(diagnostic);
    }

    pub(super) fn found(&mut self, location: &Location, (message, help): Finding) {
        self.wrong(location, message, &help);
    }

    pub(super) fn id_hash(&self) -> String {
        id_hash(&self.account.place.workspace, &self.account.place.provider, &self.app.meta.name)
    }

    /// What protects the disks, shares and snapshots of a volume: its own `lifecycle`, else the app's.
    pub(super) fn guard(&self, volume: &Volume) -> ProtectionWish {
        let mut wish = lifecycle_protection(&volume.lifecycle, volume.deletion_policy == DeletionPolicy::Orphan);
        wish.prevent_destroy = wish.prevent_destroy.or(self.app.lifecycle.prevent_destroy);
        wish
    }

    /// The cluster may attach the app's disks, its nodes may mount the app's shares.
    fn rights(&mut self, nodes: &mut Storage) {
        let cluster = &self.home.nodes;
        let origin = self.app.meta.location.clone();
        let cluster_scope = self.app.meta.id.parent().map(|id| id.as_str().to_owned()).unwrap_or_default();
        // Named by the cluster: an app that moves gets the right in the new one before it loses it in the old.
        let address = |what: &str| {
            Address::new(&cluster_scope, kinds::ROLE_ASSIGNMENT.name, &format!("{what}-{}", self.app.meta.name))
        };
        let kinds = [
            (VolumeType::Disk, address("disks"), "/identity/principalId"),
            (VolumeType::Files, address("shares"), "/properties/identityProfile/kubeletidentity/objectId"),
        ];
        for (kind, address, output) in kinds {
            if self.app.volumes.iter().any(|volume| volume.kind == kind) {
                let principal = Value::output(&cluster.cluster, output);
                nodes.needs.push(address.clone());
                let after = vec![self.group.clone()];
                let wanted = Grant { address, scope: &self.group_id, role: roles::CONTRIBUTOR, principal, after };
                grant(self.builder, self.account, &origin, wanted);
            }
        }
        // A disk that was adopted, or that its app left behind when it was renamed, is in another group.
        let inside = format!("{}/", self.group_id.to_lowercase());
        let outside = |volume: &&VolumeInput| {
            volume.access == Access::ReadWriteOnce && !volume.source.id().to_lowercase().starts_with(&inside)
        };
        let outside: Vec<_> =
            nodes.volumes.iter().filter(outside).map(|v| (v.name.clone(), v.source.id().to_owned())).collect();
        for (volume, disk) in outside {
            let address = Address::new(
                &cluster_scope,
                kinds::ROLE_ASSIGNMENT.name,
                &format!("disk-{}-{volume}", self.app.meta.name),
            );
            let principal = Value::output(&cluster.cluster, "/identity/principalId");
            nodes.needs.push(address.clone());
            let wanted =
                Grant { address, scope: &disk, role: roles::CONTRIBUTOR, principal, after: vec![self.group.clone()] };
            grant(self.builder, self.account, &origin, wanted);
        }
    }
}

/// What a declared disk says of a setting, or its volume for all of them.
pub(super) fn option<'m>(
    volume: &'m Volume,
    declared: Option<&'m DeclaredDisk>,
    setting: &Setting,
) -> Option<&'m Located<String>> {
    let own = declared.and_then(|disk| disk.options.get(setting.key));
    own.or_else(|| volume.options.get(setting.key))
}

/// The last step of an id.
pub(super) fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
