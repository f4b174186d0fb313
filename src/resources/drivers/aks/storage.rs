//! An app in Azure: group, disks, snapshots, shares, roles (`resources.md`, "Kinds"). Nothing of it depends on a cluster's
//! life.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::json;

use super::cluster::{ClusterNodes, Grant, grant, roles};
use super::kinds as azure;
use super::skus::{
    ACCOUNT_SKUS, DISK_SKUS, Finding, account_kind, check_account_name, check_disk, check_quota, is_without_cache,
    is_zone_redundant, sku,
};
use super::{names, settings};
use crate::compose::convert::{Access, VolumeInput};
use crate::compose::names::{id_hash, sp_hash};
use crate::diag::{Diagnostic, Location};
use crate::engine::address::Address;
use crate::engine::graph::ProtectionWish;
use crate::engine::provider::{Find, ProviderKey};
use crate::engine::value::Value;
use crate::kom::id::ResourceKind;
use crate::kom::model::{App, DeclaredDisk, DeletionPolicy, DiskSource, Located, Project, Volume, VolumeType};
use crate::resources::kinds::kubernetes;
use crate::resources::scope::{Builder, Place, origin_of, protection};

const GIB: u64 = 1024 * 1024 * 1024;

/// What an app's pods mount, and what they wait for.
pub struct AppNodes {
    /// The volumes with the disk or share in use.
    pub volumes: Vec<VolumeInput>,
    /// What a pod needs before it can mount: disks, shares, and the right to attach them.
    pub storage: Vec<Address>,
    /// The object behind each volume, by the name part of its PersistentVolume's address.
    pub behind: BTreeMap<String, Address>,
}

/// Time and randomness for names that nobody chose.
pub struct Chance<'a> {
    /// Now.
    pub now: SystemTime,
    /// A random number.
    pub random: &'a dyn Fn() -> u64,
}

/// The Resource ID under which what outlives a cluster is addressed: the app's without its cluster.
pub fn lasting_scope(place: &Place, app: &str) -> String {
    format!("{}/app/{app}", place.provider_id)
}

/// The disks and snapshots that the manifests adopt: address, key of the provider, id.
pub fn imports(project: &Project) -> Vec<(Address, ProviderKey, String)> {
    let mut all = Vec::new();
    for app in &project.apps {
        let Some(provider) = app.meta.id.ancestor(ResourceKind::Provider) else { continue };
        let scope = format!("{}/app/{}", provider.as_str(), app.meta.name);
        let mut add = |kind: &str, volume: &str, name: &str, import: Option<&Located<String>>| {
            // An ARM id says which subscription it is in; the key need not.
            let found = import.map(|id| {
                (Address::new(&scope, kind, &format!("{volume}.{name}")), "azure://".into(), id.value.clone())
            });
            all.extend(found);
        };
        for volume in &app.volumes {
            for disk in &volume.disks {
                add(azure::DISK.name, &volume.name, &disk.name, disk.import.as_ref());
            }
            for snapshot in &volume.snapshots {
                add(azure::SNAPSHOT.name, &volume.name, &snapshot.name, snapshot.import.as_ref());
            }
        }
    }
    all
}

/// Adds the Azure nodes of an app. `derived_zone` says that its zone was not written but follows from its disks.
pub fn expand(
    builder: &mut Builder<'_>,
    place: &Place,
    app: &App,
    cluster: &ClusterNodes,
    derived_zone: bool,
    chance: &Chance<'_>,
) -> AppNodes {
    let name = &app.meta.name;
    let scope = lasting_scope(place, name);
    let origin = &app.meta.location;
    let tags = place.app_tags(name);
    let mut nodes = AppNodes { volumes: Vec::new(), storage: Vec::new(), behind: BTreeMap::new() };
    settings::check_app(app, &mut builder.diagnostics);
    if app.volumes.is_empty() {
        return nodes;
    }
    let group = settings::app_group(app)
        .unwrap_or_else(|| names::app_group(&place.prefix, &place.workspace, &place.provider, name));
    let group_address = Address::new(&scope, azure::GROUP.name, name);
    let named = place.group_id(&group);
    // A group cannot be renamed, and what holds data stays where it is: the recorded one wins over the manifest.
    let group_id = builder.state.known(&group_address).map_or_else(|| named.clone(), |known| known.physical_id.clone());
    if !group_id.eq_ignore_ascii_case(&named) {
        let message = format!("the app {name} stays in the resource group {}, not {group}", last(&group_id));
        let help = "a resource group cannot be renamed; undo AZURE_RESOURCE_GROUP_NAME or AZURE_RESOURCE_PREFIX";
        builder.diagnostics.push(Diagnostic::warning("volume", message).at(origin.clone(), None).help(help));
    }
    keep_renamed(builder, place, app);
    let desired = builder.arm(&group_id, place, &tags, json!({}));
    let node = builder.add(group_address.clone(), &azure::GROUP, &place.azure, desired, origin);
    node.protection = protection(None, &app.lifecycle, false);
    let mut expansion = Volumes {
        builder,
        place,
        app,
        cluster,
        derived_zone,
        scope,
        group_id,
        group: group_address,
        tags,
        said_of_account: false,
        chance,
    };
    for volume in &app.volumes {
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
    let before = format!("{}/", lasting_scope(place, old));
    // Disks keep their ids under the new name; the name of a share follows the app.
    let data = [azure::SHARE.name];
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

struct Volumes<'a, 'b> {
    builder: &'a mut Builder<'b>,
    place: &'a Place,
    app: &'a App,
    cluster: &'a ClusterNodes,
    derived_zone: bool,
    scope: String,
    group_id: String,
    group: Address,
    tags: BTreeMap<String, String>,
    /// What is wrong with the storage account has been said.
    said_of_account: bool,
    chance: &'a Chance<'a>,
}

impl Volumes<'_, '_> {
    fn wrong(&mut self, location: &Location, message: String, help: &str) {
        let diagnostic = Diagnostic::error("volume", message).at(location.clone(), None).help(help.to_owned());
        self.builder.diagnostics.push(diagnostic);
    }

    fn found(&mut self, location: &Location, (message, help): Finding) {
        self.wrong(location, message, &help);
    }

    fn id_hash(&self) -> String {
        id_hash(&self.place.workspace, &self.place.provider, &self.app.meta.name)
    }

    fn disk_id(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.Compute/disks/{name}", self.group_id)
    }

    fn snapshot_id(&self, volume: &str, snapshot: &str) -> String {
        let name = names::snapshot(&self.place.prefix, volume, snapshot, &self.id_hash());
        format!("{}/providers/Microsoft.Compute/snapshots/{name}", self.group_id)
    }

    /// The disks and snapshots of a volume; the assigned one is what pods mount.
    fn disks(&mut self, volume: &Volume, nodes: &mut AppNodes) {
        let Some(size) = volume.size_bytes else {
            self.wrong(
                &volume.location,
                format!("the volume {} has no size", volume.name),
                "add size: 10Gi, for example",
            );
            return;
        };
        let assigned = volume.assigned_disk().map(|disk| disk.name.clone());
        if volume.disks.is_empty() {
            self.disk(volume, None, size, true, nodes);
        } else {
            self.keep_undeclared(volume);
        }
        for disk in &volume.disks {
            let in_use = assigned.as_deref() == Some(disk.name.as_str());
            self.disk(volume, Some(disk), disk.size_bytes.unwrap_or(size), in_use, nodes);
        }
        for snapshot in &volume.snapshots {
            let address =
                Address::new(&self.scope, azure::SNAPSHOT.name, &format!("{}.{}", volume.name, snapshot.name));
            let mut tags = self.tags.clone();
            tags.insert("kompox-volume".into(), volume.name.clone());
            tags.insert("kompox-snapshot-name".into(), snapshot.name.clone());
            let source = self.source(volume, snapshot.source.as_ref(), true);
            let id = self
                .adopted_id(&address, snapshot.import.as_ref())
                .unwrap_or_else(|| self.snapshot_id(&volume.name, &snapshot.name));
            let rest = json!({"sku": {"name": "Standard_ZRS"}, "properties": {"incremental": true, "creationData": source.data}});
            let desired = self.builder.arm(&id, self.place, &tags, rest);
            let guard = self.guard(volume);
            let node = self.builder.add(address, &azure::SNAPSHOT, &self.place.azure, desired, &snapshot.location);
            node.depends_on = std::iter::once(self.group.clone()).chain(source.after).collect();
            node.import = snapshot.import.as_ref().map(|import| import.value.clone());
            node.protection = guard;
        }
    }

    /// What protects the disks, shares and snapshots of a volume: its own `lifecycle`, else the app's.
    fn guard(&self, volume: &Volume) -> ProtectionWish {
        let mut wish = protection(None, &volume.lifecycle, volume.deletion_policy == DeletionPolicy::Orphan);
        wish.prevent_destroy = wish.prevent_destroy.or(self.app.lifecycle.prevent_destroy);
        wish
    }

    /// A declared disk under another name would be a new, empty one, and the one in use would be left behind.
    fn keep_renamed_disk(&mut self, volume: &Volume) {
        let Some(assigned) = volume.assigned_disk() else { return };
        let prefix = format!("{}.", volume.name);
        let known: Vec<(String, String)> = self
            .builder
            .state
            .known
            .iter()
            .filter(|(address, _)| address.scope() == self.scope && address.kind() == azure::DISK.name)
            .filter_map(|(address, known)| {
                Some((address.name().strip_prefix(&prefix)?.to_owned(), known.physical_id.clone()))
            })
            .collect();
        let is_new = assigned.source.is_none()
            && assigned.import.is_none()
            && !known.iter().any(|(name, _)| *name == assigned.name);
        let dropped = known.iter().find(|(name, _)| !volume.disks.iter().any(|disk| disk.name == *name));
        if let (true, Some((name, id))) = (is_new, dropped) {
            let message = format!(
                "the disk {name} of the volume {} is no longer declared, and {} would be an empty one",
                volume.name, assigned.name
            );
            let diagnostic = Diagnostic::error("volume", message)
                .at(assigned.location.clone(), None)
                .help("if it is the same disk under another name, say so:")
                .help(format!("- {{name: {}, import: {id}}}", assigned.name))
                .help(format!("if it is to start empty, keep {name} declared until it is assigned"));
            self.builder.diagnostics.push(diagnostic);
        }
    }

    /// A volume that had one undeclared disk and now declares disks must say which of them that one is: otherwise its
    /// pods would get an empty disk.
    fn keep_undeclared(&mut self, volume: &Volume) {
        self.keep_renamed_disk(volume);
        let address = Address::new(&self.scope, azure::DISK.name, &volume.name);
        let Some(id) = self.builder.state.known(&address).map(|known| known.physical_id.clone()) else { return };
        let named =
            |disk: &DeclaredDisk| disk.import.as_ref().is_some_and(|import| import.value.eq_ignore_ascii_case(&id));
        if volume.disks.iter().any(named) {
            return;
        }
        let message =
            format!("the volume {} has a disk in use, and none of the declared disks is that one", volume.name);
        let first = volume.disks.first().map_or("blue", |disk| disk.name.as_str());
        let diagnostic = Diagnostic::error("volume", message)
            .at(volume.location.clone(), None)
            .help("the app would get an empty disk; say which one it is:")
            .help(format!("- {{name: {first}, import: {id}}}"));
        self.builder.diagnostics.push(diagnostic);
    }

    /// The id of an object that was adopted, by the manifest or by `kompox import`.
    fn adopted_id(&self, address: &Address, import: Option<&Located<String>>) -> Option<String> {
        let known = self.builder.state.known(address).map(|known| known.physical_id.clone());
        known.or_else(|| import.map(|import| import.value.clone()))
    }

    /// `creationData` of a disk or snapshot, and what it waits for.
    fn source(&mut self, volume: &Volume, source: Option<&Located<DiskSource>>, snapshot: bool) -> Source {
        let address = |kind: &str, name: &str| Address::new(&self.scope, kind, &format!("{}.{name}", volume.name));
        let (option, id, after) = match source.map(|source| &source.value) {
            None => return Source { data: json!({"createOption": "Empty"}), after: Vec::new() },
            Some(DiskSource::Snapshot(name)) => {
                let at = address(azure::SNAPSHOT.name, name);
                let declared = volume.snapshots.iter().find(|snapshot| snapshot.name == *name);
                let import = declared.and_then(|snapshot| snapshot.import.as_ref());
                let id = self.adopted_id(&at, import).unwrap_or_else(|| self.snapshot_id(&volume.name, name));
                (if snapshot { "CopyStart" } else { "Copy" }, id, vec![at])
            }
            Some(DiskSource::Disk(name)) => {
                let at = address(azure::DISK.name, name);
                let declared = volume.disks.iter().find(|disk| disk.name == *name);
                let import = declared.and_then(|disk| disk.import.as_ref());
                let own = names::disk(&self.place.prefix, &volume.name, name, &self.id_hash());
                ("Copy", self.adopted_id(&at, import).unwrap_or_else(|| self.disk_id(&own)), vec![at])
            }
            Some(DiskSource::ProviderId(id)) => ("Copy", id.clone(), Vec::new()),
        };
        Source { data: json!({"createOption": option, "sourceResourceId": id}), after }
    }

    fn disk(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        size: u64,
        assigned: bool,
        nodes: &mut AppNodes,
    ) {
        let disk_name = declared.map(|disk| disk.name.as_str());
        let name_part = match disk_name {
            Some(disk) => format!("{}.{disk}", volume.name),
            None => volume.name.clone(),
        };
        let address = Address::new(&self.scope, azure::DISK.name, &name_part);
        let import = declared.and_then(|disk| disk.import.as_ref());
        let chosen = self.name_of(&address, volume, disk_name);
        let id = self.adopted_id(&address, import).unwrap_or_else(|| self.disk_id(&chosen));
        let known = self.builder.state.known(&address).cloned();
        let known = known.as_ref();
        let adopted = import.is_some() || known.is_some_and(|known| known.adopted);
        let real_gib = known.and_then(|known| known.outputs.pointer("/properties/diskSizeGB")?.as_u64());

        let location = declared.map_or(&volume.location, |disk| &disk.location);
        let option = |key: &str| declared.and_then(|disk| disk.options.get(key)).or_else(|| volume.options.get(key));
        let written = option("sku").cloned();
        let mut sku_name = "Premium_LRS";
        if let Some(written) = &written {
            match sku("a disk", &DISK_SKUS, &written.value) {
                Ok(found) => sku_name = found,
                Err(finding) => self.found(&written.location, finding),
            }
        }
        let recorded = known.filter(|known| !known.adopted).map(|known| known.zone().map(str::to_owned));
        let zone = match (declared.and_then(|disk| disk.zone.as_ref()), recorded) {
            (Some(zone), _) => Some(zone.value.clone()),
            // What nobody wrote never moves a disk.
            (None, Some(recorded)) if self.derived_zone => recorded,
            (None, _) => self.app.deployment.zones.first().filter(|_| self.app.deployment.zones.len() == 1).cloned(),
        };
        if let Some(zone) = &zone
            && assigned
            && !self.app.deployment.zones.is_empty()
            && !self.app.deployment.zones.contains(zone)
        {
            let pods = self.app.deployment.zones.join(", ");
            let message = format!(
                "the disk {name_part} is in zone {zone}, but the app's pods run in zone {pods}: they cannot meet"
            );
            self.wrong(location, message, "give both the same zone");
        }
        let mut tags = self.tags.clone();
        tags.insert("kompox-volume".into(), volume.name.clone());
        tags.insert("kompox-disk-name".into(), disk_name.map_or_else(|| last(&id).to_owned(), str::to_owned));
        tags.insert("kompox-disk-assigned".into(), assigned.to_string());

        let source = self.source(volume, declared.and_then(|disk| disk.source.as_ref()), false);
        let gib = size.div_ceil(GIB);
        let mut properties = json!({"creationData": source.data, "diskSizeGB": gib});
        for (key, field) in [("iops", "diskIOPSReadWrite"), ("mbps", "diskMBpsReadWrite")] {
            if let Some(value) = option(key).cloned() {
                match value.value.parse::<u64>() {
                    Ok(number) => properties[field] = number.into(),
                    Err(_) => self.wrong(
                        &value.location,
                        format!("{key} is \"{}\"; it must be a whole number", value.value),
                        "write a number",
                    ),
                }
            }
        }
        let mut rest = json!({"properties": properties});
        // What an adopted disk is, it stays, unless the manifest says so outright.
        if written.is_some() || !adopted {
            rest["sku"] = json!({"name": sku_name});
        }
        let zonal = !is_zone_redundant(sku_name);
        if !adopted {
            let at = written.as_ref().map_or(location, |written| &written.location).clone();
            self.check_disk(&at, &name_part, sku_name, gib, &properties_of(&rest), (assigned, zone.is_some()));
        }
        if let Some(zone) = zone.filter(|_| zonal && (!adopted || declared.is_some_and(|disk| disk.zone.is_some()))) {
            rest["zones"] = json!([zone]);
        }
        let desired = self.builder.arm(&id, self.place, &tags, rest);
        let find_tags = self.find_tags(volume);
        let zone_location = declared.and_then(|disk| disk.zone.as_ref()).map(|zone| &zone.location);
        let zone_location = zone_location.or(self.app.deployment.zone_location.as_ref());
        let own_size = declared.and_then(|disk| disk.size_location.as_ref());
        let size_location = own_size.or(volume.size_location.as_ref());
        let fields = [
            ("zones.**", zone_location),
            ("sku.**", written.as_ref().map(|sku| &sku.location)),
            ("properties.diskSizeGB", size_location),
        ];
        let guard = self.guard(volume);
        let node = self.builder.add(address.clone(), &azure::DISK, &self.place.azure, desired, location);
        node.field_origins = fields.into_iter().filter_map(|(pattern, at)| Some((pattern, origin_of(at?)))).collect();
        node.depends_on = std::iter::once(self.group.clone()).chain(source.after).collect();
        node.import = import.map(|import| import.value.clone());
        node.protection = guard;
        node.ignore_changes.clone_from(&volume.lifecycle.ignore_changes);
        if declared.is_none() {
            // Nobody named it, so when no record does either, only its tags can tell that it exists.
            node.find = Some(Find { within: self.group_id.clone(), tags: find_tags });
        }
        if assigned {
            let attributes = self.attributes(&name_part, sku_name);
            nodes.storage.push(address.clone());
            nodes.behind.insert(name_part, address);
            nodes.volumes.push(VolumeInput {
                name: volume.name.clone(),
                disk: disk_name.map(str::to_owned),
                access: Access::ReadWriteOnce,
                size_bytes: real_gib.map_or(gib, |real| real.max(gib)).saturating_mul(GIB),
                handle: id,
                storage_class: "managed-csi".into(),
                driver: "disk.csi.azure.com".into(),
                attributes,
                previous_handle: None,
                origin: Some(location.clone()),
            });
        }
    }

    /// What the CSI driver is told of a disk. A volume that is there keeps what it says: its source never changes.
    fn attributes(&self, name_part: &str, sku: &str) -> BTreeMap<String, String> {
        let address = Address::new(self.app.meta.id.as_str(), kubernetes::PERSISTENT_VOLUME.name, name_part);
        let known = self.builder.state.known(&address);
        let recorded = known.and_then(|known| known.applied.pointer("/spec/csi/volumeAttributes")?.as_object());
        if let Some(recorded) = recorded {
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            return recorded.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        }
        let mut attributes = BTreeMap::from([("fsType".to_owned(), "ext4".to_owned())]);
        if known.is_none() && is_without_cache(sku) {
            attributes.insert("cachingMode".to_owned(), "None".to_owned());
        }
        attributes
    }

    /// Size and performance of a disk, and whether a node can have it attached.
    fn check_disk(
        &mut self,
        at: &Location,
        name: &str,
        sku: &str,
        gib: u64,
        (iops, mbps): &(Option<u64>, Option<u64>),
        (assigned, in_zone): (bool, bool),
    ) {
        for finding in check_disk(sku, gib, *iops, *mbps) {
            self.found(at, finding);
        }
        let cluster = self.cluster;
        if sku == "UltraSSD_LRS" && assigned && cluster.ultra == Some(false) {
            // https://learn.microsoft.com/azure/aks/use-ultra-disks
            let message = format!("the disk {name} is an ultra disk, and no node of the cluster can attach one");
            let help = "set AZURE_AKS_USER_VM_ULTRA_SSD: \"true\" of the Cluster (its user pools are made anew), or use another sku";
            self.wrong(at, message, help);
        }
        if is_without_cache(sku) && !in_zone && assigned {
            let message = format!(
                "the disk {name} is in no zone: where a region has zones, disks of the SKU {sku} must be in one"
            );
            let help = "set zones of the node pools, and the zone of the app";
            let diagnostic = Diagnostic::warning("volume", message).at(at.clone(), None).help(help);
            self.builder.diagnostics.push(diagnostic);
        }
    }

    /// Tags of any disk of a volume: one that is there must never be overlooked.
    fn find_tags(&self, volume: &Volume) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("kompox-app-id-hash".to_owned(), self.id_hash()),
            ("kompox-volume".to_owned(), volume.name.clone()),
        ])
    }

    /// The physical name of a disk; for one that nobody named, a compact id that is fixed from the first plan on.
    fn name_of(&mut self, address: &Address, volume: &Volume, declared: Option<&str>) -> String {
        if let Some(declared) = declared {
            return names::disk(&self.place.prefix, &volume.name, declared, &self.id_hash());
        }
        if let Some(chosen) = self.builder.state.chosen.get(address) {
            let chosen = chosen.clone();
            self.builder.chosen.insert(address.clone(), chosen.clone());
            return chosen;
        }
        let compact = names::compact_id(self.chance.now, (self.chance.random)());
        let name = names::disk(&self.place.prefix, &volume.name, &compact, &self.id_hash());
        if self.builder.state.known(address).is_none() {
            self.builder.chosen.insert(address.clone(), name.clone());
        }
        name
    }

    /// The share of a volume of type `files`, in the app's own storage account.
    fn share(&mut self, volume: &Volume, nodes: &mut AppNodes) {
        let place = self.place;
        let account = Address::new(&self.scope, azure::STORAGE_ACCOUNT.name, &self.app.meta.name);
        let (account_id, account_name) = self.account(&account);
        let sku_name = self.account_sku();
        if !self.builder.nodes.iter().any(|node| node.address == account) {
            let rest = json!({
                "kind": account_kind(sku_name),
                "sku": {"name": sku_name},
                "properties": {
                    "allowBlobPublicAccess": false,
                    "allowSharedKeyAccess": true,
                    "minimumTlsVersion": "TLS1_2",
                    "supportsHttpsTrafficOnly": true,
                },
            });
            let desired = self.builder.arm(&account_id, place, &self.tags, rest);
            let node =
                self.builder.add(account.clone(), &azure::STORAGE_ACCOUNT, &place.azure, desired, &volume.location);
            node.depends_on.push(self.group.clone());
        }
        for disk in &volume.disks {
            let unfit = disk.source.as_ref().map(|source| ("source", &source.location));
            let unfit = unfit.or(disk.import.as_ref().map(|import| ("import", &import.location)));
            if let Some((key, at)) = unfit.or(disk.zone.as_ref().map(|zone| ("zone", &zone.location))) {
                let message = format!("the share {} of the volume {} cannot have a \"{key}\"", disk.name, volume.name);
                self.wrong(at, message, "only disks have one: take it out, or make the volume of type disk");
            }
        }
        if let Some(snapshot) = volume.snapshots.first() {
            let message = format!("the volume {} is a share, of which no snapshots are declared", volume.name);
            self.wrong(&snapshot.location, message, "take the snapshots out, or make the volume of type disk");
        }
        let undeclared = Address::new(&self.scope, azure::SHARE.name, &volume.name);
        if !volume.disks.is_empty() && self.builder.state.known(&undeclared).is_some() {
            let message = format!("the volume {} has a share in use, and a declared one would be empty", volume.name);
            self.wrong(&volume.location, message, "take the disks: of this volume out, or declare another volume");
        }
        let assigned = volume.assigned_disk().map(|disk| disk.name.as_str());
        if volume.disks.is_empty() {
            self.one_share(volume, None, true, (&account, &account_id, &account_name), nodes);
        }
        for disk in &volume.disks {
            let in_use = assigned == Some(disk.name.as_str());
            self.one_share(volume, Some(disk), in_use, (&account, &account_id, &account_name), nodes);
        }
    }

    /// Id and name of the app's storage account: the recorded one, for it cannot be renamed, else the one that the app names,
    /// else the one that follows from its id.
    fn account(&mut self, address: &Address) -> (String, String) {
        let named = settings::storage_account(self.app).cloned();
        if let Some(Err(finding)) = named.as_ref().map(check_account_name) {
            let at = named.as_ref().map_or_else(|| self.app.meta.location.clone(), |named| named.location.clone());
            self.found(&at, finding);
        }
        let place = self.place;
        let own = || names::storage_account(&sp_hash(&place.workspace, &place.provider), &self.id_hash());
        let name = named.as_ref().map_or_else(own, |named| named.value.clone());
        if let Some(known) = self.builder.state.known(address) {
            let (id, recorded) = (known.physical_id.clone(), last(&known.physical_id).to_owned());
            if let Some(named) = named.filter(|named| !named.value.eq_ignore_ascii_case(&recorded)) {
                let message = format!(
                    "the shares of the app {} stay in the storage account {recorded}, not {}",
                    self.app.meta.name, named.value
                );
                let help = "a storage account cannot be renamed; take AZURE_STORAGE_ACCOUNT_NAME out";
                let warning = Diagnostic::warning("volume", message).at(named.location, None).help(help);
                if !self.builder.diagnostics.iter().any(|said| said.message == warning.message) {
                    self.builder.diagnostics.push(warning);
                }
            }
            return (id, recorded);
        }
        (format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", self.group_id), name)
    }

    /// The SKU of the app's storage account: all of its shares are in that one.
    fn account_sku(&mut self) -> &'static str {
        let files = self.app.volumes.iter().filter(|volume| volume.kind == VolumeType::Files);
        let written: Vec<&Located<String>> = files.clone().filter_map(|volume| volume.options.get("sku")).collect();
        let Some(first) = written.first() else { return "Standard_LRS" };
        let other = written.iter().find(|sku| !sku.value.eq_ignore_ascii_case(&first.value));
        if let Some(other) = other.filter(|_| !self.said_of_account) {
            let message =
                format!("the shares of an app are in one storage account, which is {} or {}", first.value, other.value);
            self.wrong(&other.location.clone(), message, "write the same sku for all volumes of type files");
        }
        let found = sku("a storage account", &ACCOUNT_SKUS, &first.value);
        match found {
            Ok(found) => {
                self.said_of_account = true;
                found
            }
            Err(finding) => {
                if !std::mem::replace(&mut self.said_of_account, true) {
                    self.found(&first.location.clone(), finding);
                }
                "Standard_LRS"
            }
        }
    }

    /// One share; the assigned one is what pods mount. `account` is the storage account's address, id and name.
    fn one_share(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        assigned: bool,
        account: (&Address, &str, &str),
        nodes: &mut AppNodes,
    ) {
        let place = self.place;
        let (account, account_id, account_name) = account;
        let disk = declared.map(|disk| disk.name.clone());
        let location = declared.map_or(&volume.location, |disk| &disk.location);
        let share = format!("{}-{}", volume.name, disk.as_deref().unwrap_or("default"));
        let name_part = disk.as_ref().map_or_else(|| volume.name.clone(), |disk| format!("{}.{disk}", volume.name));
        let address = Address::new(&self.scope, azure::SHARE.name, &name_part);
        let size = declared.and_then(|disk| disk.size_bytes).or(volume.size_bytes).unwrap_or(GIB);
        let option = |key: &str| declared.and_then(|disk| disk.options.get(key)).or_else(|| volume.options.get(key));
        let own_size = declared.and_then(|disk| disk.size_location.as_ref());
        let size_location = own_size.or(volume.size_location.as_ref()).cloned();
        let quota_location = option("quotaGiB").map(|quota| quota.location.clone()).or(size_location);
        let quota = match option("quotaGiB") {
            Some(quota) => quota.value.parse().unwrap_or_else(|_| {
                self.builder.diagnostics.push(
                    Diagnostic::error("volume", format!("quotaGiB is \"{}\"; it must be a whole number", quota.value))
                        .at(quota.location.clone(), None),
                );
                0
            }),
            None => size.div_ceil(GIB),
        };
        let sku_name = self.account_sku();
        if let Err(finding) = check_quota(sku_name, quota) {
            let at = option("quotaGiB").map_or(location, |quota| &quota.location).clone();
            self.found(&at, finding);
        }
        // A share cannot be renamed, and what holds data stays where it is: under another address it is the recorded one.
        let named = format!("{account_id}/fileServices/default/shares/{share}");
        let recorded = self.builder.state.known(&address).map(|known| known.physical_id.clone());
        let id = recorded.unwrap_or(named);
        let (account_name, share) = account_and_share(&id).unwrap_or((account_name, &share));
        let desired = Value::from(json!({
            "id": id,
            "properties": {"shareQuota": quota, "enabledProtocols": "SMB", "metadata": {
                "kompox_volume_name": volume.name,
                "kompox_files_share_name": disk.as_deref().unwrap_or("default"),
                "kompox_files_share_assigned": assigned.to_string(),
            }},
        }));
        let guard = self.guard(volume);
        let node = self.builder.add(address.clone(), &azure::SHARE, &place.azure, desired, location);
        node.field_origins = quota_location.iter().map(|at| ("properties.shareQuota", origin_of(at))).collect();
        node.depends_on.push(account.clone());
        node.protection = guard;
        node.ignore_changes.clone_from(&volume.lifecycle.ignore_changes);
        if !assigned {
            return;
        }
        let group = last(&self.group_id);
        let handle = format!("{group}#{account_name}#{share}####{}", last(&place.subscription));
        nodes.storage.push(address.clone());
        nodes.behind.insert(name_part, address);
        nodes.volumes.push(VolumeInput {
            name: volume.name.clone(),
            disk,
            access: Access::ReadWriteMany,
            size_bytes: size,
            handle,
            storage_class: "azurefile-csi".into(),
            driver: "file.csi.azure.com".into(),
            attributes: BTreeMap::from([("protocol".to_owned(), "smb".to_owned())]),
            previous_handle: None,
            origin: Some(volume.location.clone()),
        });
    }

    /// The cluster may attach the app's disks, its nodes may mount the app's shares.
    fn rights(&mut self, nodes: &mut AppNodes) {
        let cluster = self.cluster;
        let origin = self.app.meta.location.clone();
        let cluster_scope = self.app.meta.id.parent().map(|id| id.as_str().to_owned()).unwrap_or_default();
        // Named by the cluster: an app that moves gets the right in the new one before it loses it in the old.
        let address = |what: &str| {
            Address::new(&cluster_scope, azure::ROLE_ASSIGNMENT.name, &format!("{what}-{}", self.app.meta.name))
        };
        let kinds = [
            (VolumeType::Disk, address("disks"), "/identity/principalId"),
            (VolumeType::Files, address("shares"), "/properties/identityProfile/kubeletidentity/objectId"),
        ];
        for (kind, address, output) in kinds {
            if self.app.volumes.iter().any(|volume| volume.kind == kind) {
                let principal = Value::output(&cluster.cluster, output);
                nodes.storage.push(address.clone());
                let after = vec![self.group.clone()];
                let wanted = Grant { address, scope: &self.group_id, role: roles::CONTRIBUTOR, principal, after };
                grant(self.builder, self.place, &origin, wanted);
            }
        }
        // A disk that was adopted, or that its app left behind when it was renamed, is in another group.
        let inside = format!("{}/", self.group_id.to_lowercase());
        let outside = |volume: &&VolumeInput| {
            volume.access == Access::ReadWriteOnce && !volume.handle.to_lowercase().starts_with(&inside)
        };
        let outside: Vec<_> =
            nodes.volumes.iter().filter(outside).map(|v| (v.name.clone(), v.handle.clone())).collect();
        for (volume, disk) in outside {
            let address = Address::new(
                &cluster_scope,
                azure::ROLE_ASSIGNMENT.name,
                &format!("disk-{}-{volume}", self.app.meta.name),
            );
            let principal = Value::output(&cluster.cluster, "/identity/principalId");
            nodes.storage.push(address.clone());
            let wanted =
                Grant { address, scope: &disk, role: roles::CONTRIBUTOR, principal, after: vec![self.group.clone()] };
            grant(self.builder, self.place, &origin, wanted);
        }
    }
}

/// IOPS and MB/s of a disk, as they are asked for.
fn properties_of(disk: &serde_json::Value) -> (Option<u64>, Option<u64>) {
    let number = |key: &str| disk.get("properties")?.get(key)?.as_u64();
    (number("diskIOPSReadWrite"), number("diskMBpsReadWrite"))
}

struct Source {
    data: serde_json::Value,
    after: Vec<Address>,
}

/// The names of the storage account and the share in a share's id.
fn account_and_share(id: &str) -> Option<(&str, &str)> {
    let steps: Vec<&str> = id.split('/').collect();
    let after = |name: &str| {
        let at = steps.iter().position(|step| step.eq_ignore_ascii_case(name))?;
        steps.get(at + 1).copied()
    };
    Some((after("storageAccounts")?, after("shares")?))
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
