//! Disks and snapshots of an app.

use std::collections::BTreeMap;

use serde_json::json;

use super::kinds;
use super::settings::{DISK_SKU, IOPS, MBPS};
use super::skus::{DISK_SKUS, check_disk, is_without_cache, is_zone_redundant, sku};
use super::storage::{GIB, Volumes, last, option};
use super::zones::zone_of;
use crate::compose::convert::{Access, VolumeInput, VolumeSource};
use crate::diag::{Diagnostic, Location};
use crate::engine::address::Address;
use crate::engine::plan::Origin;
use crate::engine::provider::Find;
use crate::kom::model::{DeclaredDisk, DiskSource, Located, Volume};
use crate::resources::driver::Storage;
use crate::resources::kinds::kubernetes;
use crate::resources::scope::{Known, origin_of};
use crate::resources::{kept, names};

/// The tags that say which of its volume one is.
const DISK_NAME: &str = "kompox-disk-name";
const SNAPSHOT_NAME: &str = "kompox-snapshot-name";

impl Volumes<'_, '_> {
    /// The disks and snapshots of a volume; the assigned one is what pods mount.
    pub(super) fn disks(&mut self, volume: &Volume, nodes: &mut Storage) {
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
            kept::check(self.builder, &self.scope, &kinds::DISK, volume);
        }
        for disk in &volume.disks {
            let in_use = assigned.as_deref() == Some(disk.name.as_str());
            self.disk(volume, Some(disk), disk.size_bytes.unwrap_or(size), in_use, nodes);
        }
        for snapshot in &volume.snapshots {
            let address =
                Address::new(&self.scope, kinds::SNAPSHOT.name, &format!("{}.{}", volume.name, snapshot.name));
            let mut tags = self.tags.clone();
            tags.insert("kompox-volume".into(), volume.name.clone());
            tags.insert(SNAPSHOT_NAME.into(), snapshot.name.clone());
            let mut own = self.find_tags(volume);
            own.insert(SNAPSHOT_NAME.into(), snapshot.name.clone());
            let source = self.source(volume, snapshot.source.as_ref(), true);
            let id = self
                .adopted_id(&address, snapshot.import.as_ref())
                .unwrap_or_else(|| self.snapshot_id(&volume.name, &snapshot.name));
            let rest = json!({"sku": {"name": "Standard_ZRS"}, "properties": {"incremental": true, "creationData": source.data}});
            let desired = self.account.arm(self.builder.state, &id, &tags, rest);
            let guard = self.guard(volume);
            let node = self.builder.add(address, &kinds::SNAPSHOT, &self.account.key, desired, &snapshot.location);
            node.depends_on = std::iter::once(self.group.clone()).chain(source.after).collect();
            node.import = snapshot.import.as_ref().map(|import| import.value.clone());
            node.protection = guard;
            node.tags = own;
        }
    }

    fn disk_id(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.Compute/disks/{name}", self.group_id)
    }

    fn snapshot_id(&self, volume: &str, snapshot: &str) -> String {
        let name = names::snapshot(&self.account.prefix, volume, snapshot, &self.id_hash());
        format!("{}/providers/Microsoft.Compute/snapshots/{name}", self.group_id)
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
                let at = address(kinds::SNAPSHOT.name, name);
                let declared = volume.snapshots.iter().find(|snapshot| snapshot.name == *name);
                let import = declared.and_then(|snapshot| snapshot.import.as_ref());
                let id = self.adopted_id(&at, import).unwrap_or_else(|| self.snapshot_id(&volume.name, name));
                (if snapshot { "CopyStart" } else { "Copy" }, id, vec![at])
            }
            Some(DiskSource::Disk(name)) => {
                let at = address(kinds::DISK.name, name);
                let declared = volume.disks.iter().find(|disk| disk.name == *name);
                let import = declared.and_then(|disk| disk.import.as_ref());
                let own = names::disk(&self.account.prefix, &volume.name, name, &self.id_hash());
                ("Copy", self.adopted_id(&at, import).unwrap_or_else(|| self.disk_id(&own)), vec![at])
            }
            Some(DiskSource::ProviderId(id)) => ("Copy", id.clone(), Vec::new()),
        };
        Source { data: json!({"createOption": option, "sourceResourceId": id}), after }
    }

    /// The zone that a disk is to be in, if any.
    fn zone_of_disk(&self, declared: Option<&DeclaredDisk>, known: Option<&Known>) -> Option<String> {
        let recorded = known.filter(|known| !known.adopted).map(zone_of);
        match (declared.and_then(|disk| disk.zone.as_ref()), recorded) {
            (Some(zone), _) => Some(zone.value.clone()),
            // What nobody wrote never moves a disk.
            (None, Some(recorded)) if self.placement.derived => recorded,
            (None, _) => self.placement.zones.first().filter(|_| self.placement.zones.len() == 1).cloned(),
        }
    }

    /// The Pods that mount a disk must be able to run where it is.
    fn check_meeting(&mut self, at: &Location, disk: &str, zone: Option<&String>) {
        let zones = &self.placement.zones;
        let Some(zone) = zone.filter(|zone| !zones.is_empty() && !zones.contains(zone)) else { return };
        let pods = zones.join(", ");
        let message =
            format!("the disk {disk} is in zone {zone}, but the app's pods run in zone {pods}: they cannot meet");
        self.wrong(at, message, "give both the same zone");
    }

    fn disk(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        size: u64,
        assigned: bool,
        nodes: &mut Storage,
    ) {
        let disk_name = declared.map(|disk| disk.name.as_str());
        let name_part = match disk_name {
            Some(disk) => format!("{}.{disk}", volume.name),
            None => volume.name.clone(),
        };
        let address = Address::new(&self.scope, kinds::DISK.name, &name_part);
        let import = declared.and_then(|disk| disk.import.as_ref());
        let chosen = self.name_of(&address, volume, disk_name);
        let id = self.adopted_id(&address, import).unwrap_or_else(|| self.disk_id(&chosen));
        let known = self.builder.state.known(&address).cloned();
        let known = known.as_ref();
        let adopted = import.is_some() || known.is_some_and(|known| known.adopted);
        let real_gib = known.and_then(|known| known.outputs.value().pointer("/properties/diskSizeGB")?.as_u64());

        let location = declared.map_or(&volume.location, |disk| &disk.location);
        let written = option(volume, declared, &DISK_SKU).cloned();
        let sku_name = self.sku_of(written.as_ref());
        let zone = self.zone_of_disk(declared, known);
        if assigned {
            let ignored = volume.lifecycle.ignore_changes.iter().any(|pointer| pointer.starts_with("/zones"));
            // What is ignored stays what it is.
            let stays = known.and_then(zone_of).filter(|_| ignored);
            self.check_meeting(location, &name_part, stays.as_ref().or(zone.as_ref()));
        }
        let tags = self.disk_tags(volume, disk_name.unwrap_or_else(|| last(&id)), assigned);
        let source = self.source(volume, declared.and_then(|disk| disk.source.as_ref()), false);
        let gib = size.div_ceil(GIB);
        let mut properties = json!({"creationData": source.data, "diskSizeGB": gib});
        self.performance(volume, declared, &mut properties);
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
        let outright = declared.is_some_and(|disk| disk.zone.is_some());
        let stays = known.filter(|_| adopted && !outright).and_then(zone_of);
        if let Some(zone) = zone.filter(|_| zonal && (!adopted || outright)).or(stays) {
            rest["zones"] = json!([zone]);
        }
        let desired = self.account.arm(self.builder.state, &id, &tags, rest);
        let mut own = self.find_tags(volume);
        own.extend(disk_name.map(|disk| (DISK_NAME.to_owned(), disk.to_owned())));
        let fields = self.lines_of_fields(volume, declared, written.as_ref());
        let guard = self.guard(volume);
        let node = self.builder.add(address.clone(), &kinds::DISK, &self.account.key, desired, location);
        node.field_origins = fields;
        node.depends_on = std::iter::once(self.group.clone()).chain(source.after).collect();
        node.import = import.map(|import| import.value.clone());
        node.protection = guard;
        node.ignore_changes.clone_from(&volume.lifecycle.ignore_changes);
        if declared.is_none() {
            // Nobody named it, so when no record does either, only its tags can tell that it exists.
            node.find = Some(Find { within: self.group_id.clone(), tags: own.clone() });
        }
        node.tags = own;
        if assigned {
            let attributes = self.attributes(&name_part, sku_name);
            nodes.needs.push(address.clone());
            nodes.behind.insert(name_part, address);
            nodes.volumes.push(VolumeInput {
                name: volume.name.clone(),
                disk: disk_name.map(str::to_owned),
                access: Access::ReadWriteOnce,
                size_bytes: real_gib.map_or(gib, |real| real.max(gib)).saturating_mul(GIB),
                source: VolumeSource::Csi { driver: "disk.csi.azure.com".into(), handle: id, attributes },
                storage_class: "managed-csi".into(),
                previous_handle: None,
                origin: Some(location.clone()),
            });
        }
    }

    /// The SKU that is written, or the default; one that does not exist is said.
    fn sku_of(&mut self, written: Option<&Located<String>>) -> &'static str {
        let found = written.and_then(|written| match sku("a disk", &DISK_SKUS, &written.value) {
            Ok(found) => Some(found),
            Err(finding) => {
                self.found(&written.location, finding);
                None
            }
        });
        found.unwrap_or(DISK_SKU.default.unwrap_or_default())
    }

    fn disk_tags(&self, volume: &Volume, disk: &str, assigned: bool) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert("kompox-volume".into(), volume.name.clone());
        tags.insert(DISK_NAME.into(), disk.to_owned());
        tags.insert("kompox-disk-assigned".into(), assigned.to_string());
        tags
    }

    /// Adds the performance that was asked for.
    fn performance(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>, properties: &mut serde_json::Value) {
        for (setting, field) in [(&IOPS, "diskIOPSReadWrite"), (&MBPS, "diskMBpsReadWrite")] {
            let Some(value) = option(volume, declared, setting) else { continue };
            match value.value.parse::<u64>() {
                Ok(number) => properties[field] = number.into(),
                Err(_) => self.wrong(
                    &value.location,
                    format!("{} is \"{}\"; it must be a whole number", setting.key, value.value),
                    "write a number",
                ),
            }
        }
    }

    /// The lines that asked for fields of a disk, where they are not those of the disk itself.
    fn lines_of_fields(
        &self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        sku: Option<&Located<String>>,
    ) -> Vec<(&'static str, Origin)> {
        let zone = declared.and_then(|disk| disk.zone.as_ref()).map(|zone| &zone.location);
        let size = declared.and_then(|disk| disk.size_location.as_ref());
        let fields = [
            ("zones.**", zone.or(self.app.deployment.zone_location.as_ref())),
            ("sku.**", sku.map(|sku| &sku.location)),
            ("properties.diskSizeGB", size.or(volume.size_location.as_ref())),
        ];
        fields.into_iter().filter_map(|(pattern, at)| Some((pattern, origin_of(at?)))).collect()
    }

    /// What the CSI driver is told of a disk. A volume that is there keeps what it says: its source never changes.
    fn attributes(&self, name_part: &str, sku: &str) -> BTreeMap<String, String> {
        let address = Address::new(self.app.meta.id.as_str(), kubernetes::PERSISTENT_VOLUME.name, name_part);
        let known = self.builder.state.known(&address);
        let applied = known.map(|known| known.applied.value());
        let recorded = applied.as_ref().and_then(|applied| applied.pointer("/spec/csi/volumeAttributes")?.as_object());
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
        let cluster = &self.home.nodes;
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
            return names::disk(&self.account.prefix, &volume.name, declared, &self.id_hash());
        }
        if let Some(chosen) = self.builder.state.chosen.get(address) {
            let chosen = chosen.clone();
            self.builder.chosen.insert(address.clone(), chosen.clone());
            return chosen;
        }
        let compact = names::compact_id(self.builder.chance.now, (self.builder.chance.random)());
        let name = names::disk(&self.account.prefix, &volume.name, &compact, &self.id_hash());
        if self.builder.state.known(address).is_none() {
            self.builder.chosen.insert(address.clone(), name.clone());
        }
        name
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
