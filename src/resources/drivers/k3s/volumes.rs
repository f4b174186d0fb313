//! Disks that a StorageClass makes, and snapshots that its driver takes (`drivers.md`, "Disks").

use serde_json::json;

use super::kinds::{CSI_DISK, CSI_SNAPSHOT, DISK, SNAPSHOT};
use super::settings::{CLASS, SNAPSHOT_CLASS};
use super::storage::{Disks, namespace_name, option};
use crate::compose::convert::{Access, VolumeInput, VolumeSource};
use crate::compose::names::{self as compose_names, sp_hash};
use crate::diag::Location;
use crate::engine::address::Address;
use crate::engine::provider::Find;
use crate::engine::value::Value;
use crate::kom::model::{DeclaredDisk, DeclaredSnapshot, DiskSource, Located, Volume};
use crate::resources::driver::Storage;
use crate::resources::names;
use crate::resources::scope::Known;

/// What a disk or snapshot is called from its first plan on, whatever its driver calls it.
fn recorded_name(known: Option<&Known>) -> Option<String> {
    known?.applied.value().get("name")?.as_str().map(str::to_owned)
}

impl Disks<'_, '_> {
    /// Adds a disk of a StorageClass.
    pub(super) fn volume_disk(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        class: &str,
        size: u64,
        storage: Option<&mut Storage>,
    ) {
        let disk_name = declared.map(|disk| disk.name.as_str());
        let address = self.address(&DISK, volume, disk_name);
        let at = declared.map_or(&volume.location, |disk| &disk.location).clone();
        let known = self.builder.state.known(&address).cloned();
        let import = declared.and_then(|disk| disk.import.as_ref());
        let id = known.as_ref().map(|known| known.physical_id.clone()).or_else(|| import.map(|id| id.value.clone()));
        if id.is_none() {
            self.check_class(option(volume, declared, &CLASS).map_or(&at, |class| &class.location).clone(), class);
        }
        let name = recorded_name(known.as_ref()).or_else(|| id.clone()).unwrap_or_else(|| match disk_name {
            Some(disk) => names::disk(&self.prefix(), &volume.name, disk, &self.id_hash()),
            None => self.chosen(&address, volume, &self.prefix()),
        });
        let place = &self.home.place;
        let (sp_hash, id_hash) = (sp_hash(&place.workspace, &place.provider), self.id_hash());
        let app = &self.app.meta.name;
        let mut body = Value::from(json!({
            "id": id.unwrap_or_else(|| format!("{CSI_DISK}/{name}")), "class": class, "name": name, "size": size,
            "reclaim": "Retain", "namespace": namespace_name(self.home), "image": self.home.helper_image,
            "tags": {"app": app, "app-id-hash": id_hash, "volume": volume.name},
            "claim": {
                "namespace": compose_names::namespace(&sp_hash, app, &id_hash),
                "name": compose_names::persistent_volume(&sp_hash, &volume.name, &id_hash, &name),
            },
        }));
        if let Some(disk) = disk_name {
            body.set(&["tags", "disk"], disk.into());
        }
        let zone = self.zone_of(declared, known.as_ref());
        if let Some(zone) = &zone {
            body.set(&["zone"], zone.as_str().into());
        }
        if let Some(class) = option(volume, declared, &SNAPSHOT_CLASS) {
            body.set(&["snapshotClass"], class.value.as_str().into());
        }
        let source = declared.and_then(|disk| disk.source.as_ref());
        let after = source.and_then(|source| self.snapshot_source(volume, source, &mut body));
        let guard = self.guard(volume);
        let zone_at = declared.and_then(|disk| disk.zone.as_ref()).map(|zone| &zone.location);
        let zone_at = zone_at.or(self.app.deployment.zone_location.as_ref()).map(crate::resources::scope::origin_of);
        let (home, namespace) = (self.home.address.clone(), self.namespace.clone());
        let own = self.own_tags(volume, disk_name.map(|disk| ("disk", disk)));
        let node = self.builder.add(address.clone(), &DISK, &self.home.key, body, &at);
        node.field_origins = zone_at.map(|at| ("zone", at)).into_iter().collect();
        node.depends_on = [home, namespace].into_iter().chain(after).collect();
        node.import = import.map(|import| import.value.clone());
        node.protection = guard;
        if declared.is_none() {
            node.find = Some(Find { within: namespace_name(self.home), tags: own.clone() });
        }
        node.tags = own;
        let Some(storage) = storage else { return };
        storage.needs.push(address.clone());
        storage.named.insert(address.name().to_owned(), Value::output(&address, "/volume"));
        storage.volumes.push(VolumeInput {
            name: volume.name.clone(),
            disk: disk_name.map(str::to_owned),
            access: Access::ReadWriteOnce,
            size_bytes: size,
            source: VolumeSource::Claimed { id: name },
            storage_class: class.to_owned(),
            previous_handle: None,
            origin: Some(at),
        });
        storage.behind.insert(address.name().to_owned(), address);
    }

    /// A new disk needs a class that can make it.
    fn check_class(&mut self, at: Location, class: &str) {
        self.home.look(self.builder);
        if let Some(why) = self.home.storage.as_ref().and_then(|storage| storage.no_disk(class)) {
            self.wrong(&at, why, "name another one, or class: local for a folder of a node");
        }
    }

    /// A new snapshot needs a class, too.
    fn check_snapshot_class(&mut self, volume: &Volume, snapshot: &DeclaredSnapshot) {
        self.home.look(self.builder);
        let Some(DiskSource::Disk(disk)) = snapshot.source.as_ref().map(|source| &source.value) else { return };
        let Some(disk) = volume.disks.iter().find(|declared| declared.name == *disk) else { return };
        let Some(class) = self.class_of(volume, Some(disk)) else { return };
        let named = option(volume, None, &SNAPSHOT_CLASS);
        let storage = self.home.storage.as_ref();
        if let Some(why) =
            storage.and_then(|storage| storage.no_snapshot(&class, named.map(|name| name.value.as_str())))
        {
            let at = named.map_or(&snapshot.location, |named| &named.location).clone();
            self.wrong(&at, why, "snapshotClass: NAME in the options of the volume says it");
        }
    }

    /// The zone that a disk is to be in, if any: what nobody wrote never moves one.
    fn zone_of(&self, declared: Option<&DeclaredDisk>, known: Option<&Known>) -> Option<String> {
        let recorded = known.and_then(|known| Some(known.applied.value().get("zone")?.as_str()?.to_owned()));
        let written = declared.and_then(|disk| disk.zone.as_ref()).map(|zone| zone.value.clone());
        let adopted = known.is_some_and(|known| known.adopted) || declared.is_some_and(|disk| disk.import.is_some());
        let of_pods = || self.placement.zones.first().filter(|_| self.placement.zones.len() == 1 && !adopted).cloned();
        written.or_else(of_pods).or(recorded)
    }

    /// Writes into a disk what snapshot it is made from, and gives what it waits for.
    fn snapshot_source(&mut self, volume: &Volume, source: &Located<DiskSource>, body: &mut Value) -> Option<Address> {
        match &source.value {
            DiskSource::Snapshot(name) => {
                let from = self.address(&SNAPSHOT, volume, Some(name));
                body.set(&["source", "id"], Value::output(&from, "/id"));
                Some(from)
            }
            DiskSource::ProviderId(id) if id.starts_with(CSI_SNAPSHOT) => {
                body.set(&["source", "id"], id.as_str().into());
                None
            }
            DiskSource::Disk(_) | DiskSource::ProviderId(_) => {
                let message = "a disk of a StorageClass is made from a snapshot".to_owned();
                let help = "take one of the other disk, and write source: \"snapshot:NAME\"";
                self.wrong(&source.location, message, help);
                None
            }
        }
    }

    /// Adds a snapshot that a CSI driver takes.
    pub(super) fn volume_snapshot(&mut self, volume: &Volume, snapshot: &DeclaredSnapshot) {
        let address = self.address(&SNAPSHOT, volume, Some(&snapshot.name));
        let known = self.builder.state.known(&address).cloned();
        let import = snapshot.import.as_ref().map(|import| import.value.clone());
        let id = known.as_ref().map(|known| known.physical_id.clone()).or_else(|| import.clone());
        if id.is_none() {
            self.check_snapshot_class(volume, snapshot);
        }
        let name = recorded_name(known.as_ref()).or_else(|| id.clone());
        let name =
            name.unwrap_or_else(|| names::snapshot(&self.prefix(), &volume.name, &snapshot.name, &self.id_hash()));
        let mut body = Value::from(json!({
            "id": id.unwrap_or_else(|| format!("{CSI_SNAPSHOT}/{name}")), "name": name,
            "namespace": namespace_name(self.home), "image": self.home.helper_image,
            "tags": {
                "app": self.app.meta.name, "app-id-hash": self.id_hash(), "volume": volume.name, "snapshot": snapshot.name,
            },
        }));
        if let Some(class) = option(volume, None, &SNAPSHOT_CLASS) {
            body.set(&["snapshotClass"], class.value.as_str().into());
        }
        let mut after = vec![self.home.address.clone(), self.namespace.clone()];
        match snapshot.source.as_ref().map(|source| (&source.value, &source.location)) {
            Some((DiskSource::Disk(disk), _)) => {
                let from = self.address(&DISK, volume, Some(disk));
                body.set(&["source", "id"], Value::output(&from, "/id"));
                after.push(from);
            }
            Some((_, location)) => {
                let message = "a snapshot is taken of a disk".to_owned();
                self.wrong(location, message, "write source: \"disk:NAME\"");
            }
            None => {}
        }
        let guard = self.guard(volume);
        let own = self.own_tags(volume, Some(("snapshot", &snapshot.name)));
        let node = self.builder.add(address, &SNAPSHOT, &self.home.key, body, &snapshot.location);
        node.tags = own;
        node.depends_on = after;
        node.import = import;
        node.protection = guard;
    }
}
