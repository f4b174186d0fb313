//! What an app keeps: disks of the class `local`, each a folder of one node, and snapshots of them (`drivers.md`, "Disks").

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::kinds::{self, CSI_DISK, CSI_SNAPSHOT, DISK, SNAPSHOT};
use super::machine::Machine;
use super::seen::SeenNode;
use super::settings::{CLASS, NODE};
use crate::compose::convert::{Access, VolumeInput, VolumeSource};
use crate::compose::names::{id_hash, sp_hash};
use crate::compose::syntax::quantity_of_bytes;
use crate::diag::{Diagnostic, Location};
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode};
use crate::engine::graph::{Node, ProtectionWish};
use crate::engine::kind::Kind;
use crate::engine::plan::Danger;
use crate::engine::provider::Find;
use crate::engine::value::Value;
use crate::kom::model::{App, DeclaredDisk, DeclaredSnapshot, DeletionPolicy, DiskSource, Located, Volume, VolumeType};
use crate::kom::settings::Setting;
use crate::resources::driver::{Placement, Storage};
use crate::resources::kinds::kubernetes;
use crate::resources::scope::{Builder, Findings, Known, StateView, protection};
use crate::resources::{kept, names};
use kompox_rules::pod_security;

/// What a disk is that is a folder.
const LOCAL: &str = "local";

/// The class of their PersistentVolumes and claims: none that the cluster has, so that nothing else provisions them.
const STORAGE_CLASS: &str = "kompox-local";

/// Adds the Namespace that holds the records of disks, one for all apps of a cluster. It is left when disks are.
pub(super) fn common(builder: &mut Builder<'_>, home: &Machine<'_>, apps: &[&App]) {
    if !apps.iter().any(|app| app.volumes.iter().any(|volume| volume.kind == VolumeType::Disk)) {
        return;
    }
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": namespace_name(home),
            "labels": {
                "app.kubernetes.io/managed-by": "kompox", "kompox.dev/provider": home.place.provider,
                (pod_security::ENFORCE): "privileged",
            },
        },
    });
    let desired = builder.kubernetes(body, &[]);
    let origin = home.cluster.meta.location.clone();
    let node = builder.add(namespace(home), &kubernetes::NAMESPACE, &home.key, desired, &origin);
    node.depends_on = vec![home.address.clone()];
    node.protection = protection(None, &home.cluster.lifecycle, true);
}

/// Adds the disks and snapshots of an app.
pub(super) fn expand(builder: &mut Builder<'_>, home: &Machine<'_>, app: &App, placement: &Placement) -> Storage {
    let mut storage = Storage::default();
    let volumes: Vec<&Volume> = app.volumes.iter().filter(|volume| volume.kind == VolumeType::Disk).collect();
    if volumes.is_empty() {
        return storage;
    }
    let scope = home.place.lasting_scope(&app.meta.name);
    let namespace = namespace(home);
    let spots = BTreeMap::new();
    let mut disks = Disks { builder, home, app, placement, scope, namespace, spots };
    for volume in volumes {
        disks.volume(volume, &mut storage);
    }
    storage
}

/// Says which disks would have to leave their cluster: none does, a folder or what a StorageClass made.
pub(super) fn check_places(nodes: &[Node], state: &StateView, findings: &mut Findings<'_>) {
    let is_data = |node: &&Node| [&DISK, &SNAPSHOT].iter().any(|kind| std::ptr::eq(*kind, node.kind));
    for node in nodes.iter().filter(is_data) {
        let Some(known) = state.known(&node.address) else { continue };
        let is_import = state.imports.contains_key(&node.address);
        // Of a cluster that nobody has looked for yet nothing can be told.
        if is_import || node.provider.host().is_none() || known.provider.api() == node.provider.api() {
            continue;
        }
        let is_folder = !known.physical_id.starts_with("csi");
        let what = if is_folder { "a folder" } else { "what a StorageClass made" };
        let message = format!(
            "{} is {}, and the app is now on another cluster: {what} does not move with it",
            node.address, known.physical_id
        );
        let mut diagnostic = Diagnostic::error("place", message);
        if let Some(origin) = &node.origin {
            diagnostic = diagnostic.at(Location::new(origin.file.clone(), origin.line, origin.column), None);
        }
        diagnostic = diagnostic.help("undo the move: the app runs on where it is");
        for line in if is_folder { kinds::carry() } else { kinds::hand_on() } {
            diagnostic = diagnostic.help(line);
        }
        findings.push(diagnostic);
    }
}

/// The Namespace that holds the records of disks.
fn namespace(home: &Machine<'_>) -> Address {
    Address::new(home.cluster.meta.id.as_str(), kubernetes::NAMESPACE.name, "disks")
}

pub(super) fn namespace_name(home: &Machine<'_>) -> String {
    format!("k4x-{}-disks", sp_hash(&home.place.workspace, &home.place.provider))
}

/// The disks and snapshots of an app, one after the other.
pub(super) struct Disks<'a, 'b> {
    pub(super) builder: &'a mut Builder<'b>,
    pub(super) home: &'a Machine<'a>,
    pub(super) app: &'a App,
    pub(super) placement: &'a Placement,
    /// The Resource ID that disks belong to: they outlive clusters.
    scope: String,
    /// The Namespace that holds the records of disks.
    pub(super) namespace: Address,
    /// Where folders are that were asked for: what is wrong with one is said once.
    spots: BTreeMap<Address, Option<Spot>>,
}

/// Where a folder is, or is to be.
#[derive(Debug, Clone)]
struct Spot {
    node: SeenNode,
    path: String,
    id: String,
}

/// What a disk or a snapshot is made from.
struct Source {
    address: Option<Address>,
    spot: Spot,
}

impl Disks<'_, '_> {
    pub(super) fn wrong(&mut self, at: &Location, message: String, help: impl Into<String>) {
        let diagnostic = Diagnostic::error("volume", message).at(at.clone(), None).help(help.into());
        self.builder.diagnostics.push(diagnostic);
    }

    fn volume(&mut self, volume: &Volume, storage: &mut Storage) {
        let Some(size) = volume.size_bytes else {
            let message = format!("the volume {} has no size", volume.name);
            self.wrong(&volume.location, message, "add size: 10Gi, for example");
            return;
        };
        let assigned = volume.assigned_disk().map(|disk| disk.name.clone());
        if volume.disks.is_empty() {
            self.disk(volume, None, size, true, storage);
        } else {
            kept::check(self.builder, &self.scope, &DISK, volume);
        }
        for disk in &volume.disks {
            let in_use = assigned.as_deref() == Some(disk.name.as_str());
            self.disk(volume, Some(disk), disk.size_bytes.unwrap_or(size), in_use, storage);
        }
        for snapshot in &volume.snapshots {
            self.snapshot(volume, snapshot);
        }
    }

    pub(super) fn address(&self, kind: &Kind, volume: &Volume, name: Option<&str>) -> Address {
        let name = name.map_or_else(|| volume.name.clone(), |name| format!("{}.{name}", volume.name));
        Address::new(&self.scope, kind.name, &name)
    }

    /// What protects the disks and snapshots of a volume: its own `lifecycle`, else the app's.
    pub(super) fn guard(&self, volume: &Volume) -> ProtectionWish {
        let mut wish = protection(None, &volume.lifecycle, volume.deletion_policy == DeletionPolicy::Orphan);
        wish.prevent_destroy = wish.prevent_destroy.or(self.app.lifecycle.prevent_destroy);
        wish
    }

    /// The tags that tell a disk or a snapshot from all others; one that nobody named has only those of its volume.
    pub(super) fn own_tags(&self, volume: &Volume, named: Option<(&str, &str)>) -> BTreeMap<String, String> {
        let hash = id_hash(&self.home.place.workspace, &self.home.place.provider, &self.app.meta.name);
        let of_volume = [("app-id-hash", hash.as_str()), ("volume", &volume.name)];
        of_volume.into_iter().chain(named).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// What the object of a folder is, whatever it holds.
    fn body(&self, volume: &Volume, what: (&str, &str), spot: &Spot, source: Option<&Source>) -> Json {
        let hash = id_hash(&self.home.place.workspace, &self.home.place.provider, &self.app.meta.name);
        let mut body = json!({
            "id": spot.id, "class": LOCAL, "node": spot.node.name, "hostname": spot.node.hostname, "path": spot.path,
            "putAway": false, "namespace": namespace_name(self.home), "image": self.home.helper_image,
            "tags": {"app": self.app.meta.name, "app-id-hash": hash, "volume": volume.name},
        });
        if !what.1.is_empty() {
            body["tags"][what.0] = what.1.into();
        }
        if let Some(zone) = &spot.node.zone {
            body["zone"] = zone.as_str().into();
        }
        if let Some(source) = source {
            body["source"] = json!({"id": source.spot.id});
        }
        body
    }

    fn disk(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        size: u64,
        assigned: bool,
        storage: &mut Storage,
    ) {
        let disk_name = declared.map(|disk| disk.name.as_str());
        let address = self.address(&DISK, volume, disk_name);
        if let Some(class) = self.class_of(volume, declared) {
            self.volume_disk(volume, declared, &class, size, assigned.then_some(storage));
            return;
        }
        let name_part = address.name().to_owned();
        let at = declared.map_or(&volume.location, |disk| &disk.location).clone();
        let known = self.builder.state.known(&address).cloned();
        self.check(volume, declared);
        let source = declared.and_then(|disk| disk.source.as_ref()).and_then(|source| self.source(volume, source));
        let Some(spot) = self.spot_of_disk(volume, declared) else { return };
        let size = self.size(volume, declared, known.as_ref(), size, &name_part);
        let mut body = self.body(volume, ("disk", disk_name.unwrap_or_default()), &spot, source.as_ref());
        body["size"] = size.into();
        if known.is_none() && declared.is_none_or(|disk| disk.import.is_none()) {
            let text = format!("{} of {}; its size is not enforced", spot.path, spot.node.name);
            self.builder.notes.push(Danger::about(NoteCode::LocalDisk, &address, text));
            self.interrupts(&address, source.as_ref());
        }
        if assigned {
            self.check_meeting(volume, declared, &name_part, &spot);
        }
        let guard = self.guard(volume);
        let own = self.own_tags(volume, disk_name.map(|disk| ("disk", disk)));
        let node = self.builder.add(address.clone(), &DISK, &self.home.key, Value::from(body), &at);
        node.depends_on = vec![self.home.address.clone(), self.namespace.clone()];
        node.depends_on.extend(source.and_then(|source| source.address));
        node.import = declared.and_then(|disk| disk.import.as_ref()).map(|import| import.value.clone());
        node.protection = guard;
        if declared.is_none() {
            // Nobody named it, so when no record does either, only its tags can tell that it exists.
            node.find = Some(Find { within: namespace_name(self.home), tags: own.clone() });
        }
        node.tags = own;
        if assigned {
            storage.needs.push(address.clone());
            storage.behind.insert(name_part, address);
            storage.volumes.push(VolumeInput {
                name: volume.name.clone(),
                disk: disk_name.map(str::to_owned),
                access: Access::ReadWriteOnce,
                size_bytes: size,
                source: VolumeSource::Local { id: spot.id, node: spot.node.hostname, path: spot.path },
                storage_class: STORAGE_CLASS.to_owned(),
                previous_handle: None,
                origin: Some(at),
            });
        }
    }

    fn snapshot(&mut self, volume: &Volume, snapshot: &DeclaredSnapshot) {
        let address = self.address(&SNAPSHOT, volume, Some(&snapshot.name));
        if self.is_of_class(volume, snapshot) {
            self.volume_snapshot(volume, snapshot);
            return;
        }
        let source = snapshot.source.as_ref().and_then(|source| self.source(volume, source));
        let Some(spot) = self.spot_of_snapshot(volume, snapshot) else { return };
        let body = self.body(volume, ("snapshot", &snapshot.name), &spot, source.as_ref());
        if self.builder.state.known(&address).is_none() && snapshot.import.is_none() {
            self.interrupts(&address, source.as_ref());
        }
        let guard = self.guard(volume);
        let own = self.own_tags(volume, Some(("snapshot", &snapshot.name)));
        let node = self.builder.add(address, &SNAPSHOT, &self.home.key, Value::from(body), &snapshot.location);
        node.tags = own;
        node.depends_on = vec![self.home.address.clone(), self.namespace.clone()];
        node.depends_on.extend(source.and_then(|source| source.address));
        node.import = snapshot.import.as_ref().map(|import| import.value.clone());
        node.protection = guard;
    }

    /// A folder that apps may use is copied while they stand still.
    fn interrupts(&mut self, address: &Address, source: Option<&Source>) {
        let Some(Source { address: Some(from), spot }) = source.filter(|source| source.spot.path.contains("/disks/"))
        else {
            return;
        };
        if self.builder.state.known.values().any(|known| known.physical_id == spot.id) {
            let text = format!("the app that uses {} is stopped while it is copied, and started again", from.short());
            self.builder.dangers.push(Danger::about(DangerCode::Disturbed, address, text));
        }
    }

    /// The StorageClass that a disk is of; none if it is a folder.
    pub(super) fn class_of(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>) -> Option<String> {
        let address = self.address(&DISK, volume, declared.map(|disk| disk.name.as_str()));
        let known = self.builder.state.known(&address).cloned();
        let written =
            option(volume, declared, &CLASS).filter(|class| class.value != LOCAL).map(|class| class.value.clone());
        let import = declared.and_then(|disk| disk.import.as_ref());
        let id = known.as_ref().map(|known| known.physical_id.as_str()).or(import.map(|import| import.value.as_str()));
        match id {
            Some(id) if id.starts_with(CSI_DISK) => {
                let recorded =
                    known.as_ref().and_then(|known| Some(known.applied.value().get("class")?.as_str()?.to_owned()));
                let class = written.or(recorded);
                if class.is_none() {
                    let at = import.map_or(&volume.location, |import| &import.location).clone();
                    let message =
                        format!("{id} is of a StorageClass, and the volume {} does not say which", volume.name);
                    self.wrong(&at, message, "add options: {class: NAME}");
                }
                Some(class.unwrap_or_default())
            }
            Some(_) => None,
            None => written,
        }
    }

    /// Whether a snapshot is one of a CSI driver: by its id, else by the disk that it is taken of.
    fn is_of_class(&mut self, volume: &Volume, snapshot: &DeclaredSnapshot) -> bool {
        let address = self.address(&SNAPSHOT, volume, Some(&snapshot.name));
        let known = self.builder.state.known(&address).map(|known| known.physical_id.clone());
        if let Some(id) = known.or_else(|| snapshot.import.as_ref().map(|import| import.value.clone())) {
            return id.starts_with(CSI_SNAPSHOT);
        }
        match snapshot.source.as_ref().map(|source| &source.value) {
            Some(DiskSource::Disk(name)) => {
                let declared = volume.disks.iter().find(|disk| disk.name == *name);
                declared.is_some() && self.class_of(volume, declared).is_some()
            }
            _ => false,
        }
    }

    /// What a folder cannot be.
    fn check(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>) {
        if let Some(class) = option(volume, declared, &CLASS).filter(|class| class.value != LOCAL) {
            let message = format!("the disk is a folder, and never becomes one of the class {}", class.value);
            let at = class.location.clone();
            self.wrong(&at, message, "take class out of this disk, and declare another one with it");
        }
        if let Some(zone) = declared.and_then(|disk| disk.zone.as_ref()) {
            let at = zone.location.clone();
            let message = "a local disk is on a node, and in the zone of that".to_owned();
            self.wrong(&at, message, "take zone out, and name the node: options: {node: NAME}");
        }
    }

    /// The size that a disk has: nothing enforces it, so it stays what it was, and a claim fits.
    fn size(
        &mut self,
        volume: &Volume,
        declared: Option<&DeclaredDisk>,
        known: Option<&Known>,
        size: u64,
        name: &str,
    ) -> u64 {
        let recorded = known.and_then(|known| known.applied.value().get("size")?.as_u64());
        let Some(recorded) = recorded.filter(|recorded| *recorded != size) else { return size };
        let own = declared.and_then(|disk| disk.size_location.as_ref());
        let at = own.or(volume.size_location.as_ref()).unwrap_or(&volume.location).clone();
        let message = format!("the size of {name} cannot change: a local disk has what its node has free");
        self.wrong(&at, message, format!("write what it is: {}", quantity_of_bytes(recorded)));
        recorded
    }

    /// The Pods that mount a disk must be able to run on its node.
    fn check_meeting(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>, disk: &str, spot: &Spot) {
        let zones = &self.placement.zones;
        let Some(zone) = spot.node.zone.clone().filter(|zone| !zones.is_empty() && !zones.contains(zone)) else {
            return;
        };
        let message = format!(
            "the disk {disk} is on {} in zone {zone}, but the app's pods run in zone {}: they cannot meet",
            spot.node.name,
            zones.join(", ")
        );
        let at = declared.map_or(&volume.location, |disk| &disk.location);
        let at = self.app.deployment.zone_location.as_ref().unwrap_or(at).clone();
        let mut diagnostic = Diagnostic::error("volume", message)
            .at(at, None)
            .help(format!("write the zone of its node: zone: \"{zone}\""));
        for line in kinds::carry() {
            diagnostic = diagnostic.help(line);
        }
        self.builder.diagnostics.push(diagnostic);
    }

    /// What something is made from, and where that is.
    fn source(&mut self, volume: &Volume, source: &Located<DiskSource>) -> Option<Source> {
        match &source.value {
            DiskSource::Disk(name) => {
                let address = self.address(&DISK, volume, Some(name));
                let declared = volume.disks.iter().find(|disk| disk.name == *name)?;
                Some(Source { address: Some(address), spot: self.spot_of_disk(volume, Some(declared))? })
            }
            DiskSource::Snapshot(name) => {
                let address = self.address(&SNAPSHOT, volume, Some(name));
                let declared = volume.snapshots.iter().find(|snapshot| snapshot.name == *name)?;
                Some(Source { address: Some(address), spot: self.spot_of_snapshot(volume, declared)? })
            }
            DiskSource::ProviderId(id) => match self.recorded(id, None) {
                Some(spot) => Some(Source { address: None, spot }),
                None => {
                    let message = format!("the source {id} is no folder of this driver");
                    self.wrong(
                        &source.location,
                        message,
                        "write snapshot:NAME, disk:NAME, or local://CLUSTER/NODE/PATH",
                    );
                    None
                }
            },
        }
    }

    fn spot_of_disk(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>) -> Option<Spot> {
        let name = declared.map(|disk| disk.name.as_str());
        let address = self.address(&DISK, volume, name);
        if let Some(spot) = self.spots.get(&address) {
            return spot.clone();
        }
        let spot = self.find_disk(volume, declared, &address);
        self.spots.insert(address, spot.clone());
        spot
    }

    fn find_disk(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>, address: &Address) -> Option<Spot> {
        let import = declared.and_then(|disk| disk.import.as_ref());
        if let Some(spot) = self.spot_of_id(address, import) {
            return spot;
        }
        let name = declared.map(|disk| disk.name.as_str());
        let source = declared.and_then(|disk| disk.source.as_ref());
        let from = source.map(|source| self.source(volume, source).map(|source| source.spot.node));
        let node = match from {
            Some(from) => self.node_of_copy(from?, option(volume, declared, &NODE)),
            None => self.node_of_new(volume, declared),
        };
        let prefix = self.prefix();
        let folder = match name {
            Some(name) => names::disk(&prefix, &volume.name, name, &self.id_hash()),
            None => self.chosen(address, volume, &prefix),
        };
        Some(self.spot(node, "disks", &folder))
    }

    fn spot_of_snapshot(&mut self, volume: &Volume, snapshot: &DeclaredSnapshot) -> Option<Spot> {
        let address = self.address(&SNAPSHOT, volume, Some(&snapshot.name));
        if let Some(spot) = self.spots.get(&address) {
            return spot.clone();
        }
        let spot = self.find_snapshot(volume, snapshot, &address);
        self.spots.insert(address, spot.clone());
        spot
    }

    fn find_snapshot(&mut self, volume: &Volume, snapshot: &DeclaredSnapshot, address: &Address) -> Option<Spot> {
        if let Some(spot) = self.spot_of_id(address, snapshot.import.as_ref()) {
            return spot;
        }
        let source = snapshot.source.as_ref()?;
        let node = self.source(volume, source)?.spot.node;
        let folder = names::snapshot(&self.prefix(), &volume.name, &snapshot.name, &self.id_hash());
        Some(self.spot(node, "snapshots", &folder))
    }

    pub(super) fn prefix(&self) -> String {
        names::prefix(None, &self.home.place.workspace, &self.home.place.provider)
    }

    pub(super) fn id_hash(&self) -> String {
        id_hash(&self.home.place.workspace, &self.home.place.provider, &self.app.meta.name)
    }

    fn spot(&self, node: SeenNode, shelf: &str, folder: &str) -> Spot {
        let path = format!("{}/{shelf}/{folder}", self.home.data_path);
        let uid = self.home.key.host().unwrap_or("unknown");
        Spot { id: format!("local://{uid}/{}{path}", node.name), node, path }
    }

    /// The folder that the state or the manifest names by its id; nothing where neither does.
    fn spot_of_id(&mut self, address: &Address, import: Option<&Located<String>>) -> Option<Option<Spot>> {
        let known = self.builder.state.known(address).cloned();
        let id =
            known.as_ref().map(|known| known.physical_id.clone()).or_else(|| import.map(|one| one.value.clone()))?;
        let spot = self.recorded(&id, known.as_ref());
        if spot.is_none() {
            let at = import.map_or_else(|| self.app.meta.location.clone(), |import| import.location.clone());
            let message = format!("{id} is no id of a folder");
            self.wrong(&at, message, "write local://CLUSTER/NODE/PATH, with the uid of the Namespace kube-system");
        }
        Some(spot)
    }

    /// Where a folder is, by its id.
    fn recorded(&mut self, id: &str, known: Option<&Known>) -> Option<Spot> {
        let (_, rest) = id.strip_prefix("local://")?.split_once('/')?;
        let (node, path) = rest.split_once('/')?;
        let applied = known.map(|known| known.applied.value());
        let text = |key: &str| Some(applied.as_ref()?.get(key)?.as_str()?.to_owned());
        let seen = match text("hostname") {
            Some(hostname) => SeenNode { hostname, zone: text("zone"), ..SeenNode::unknown(node) },
            None => {
                self.home.look(self.builder);
                self.home.node(node).cloned().unwrap_or_else(|| SeenNode::unknown(node))
            }
        };
        Some(Spot { node: seen, path: format!("/{path}"), id: id.to_owned() })
    }

    /// A copy is on the node of what it is a copy of.
    fn node_of_copy(&mut self, from: SeenNode, named: Option<&Located<String>>) -> SeenNode {
        let Some(named) = named.filter(|named| named.value != from.name) else { return from };
        let (at, message) = (
            named.location.clone(),
            format!("the disk is to be on {}, and what it is made from is on {}", named.value, from.name),
        );
        let mut diagnostic = Diagnostic::error("volume", message).at(at, None).help("take node out of this disk");
        for line in kinds::carry() {
            diagnostic = diagnostic.help(line);
        }
        self.builder.diagnostics.push(diagnostic);
        from
    }

    /// The node of a new disk. Where none can be told, which is said, one that is unknown.
    fn node_of_new(&mut self, volume: &Volume, declared: Option<&DeclaredDisk>) -> SeenNode {
        self.home.look(self.builder);
        let named = option(volume, declared, &NODE);
        let unknown = SeenNode::unknown(named.map_or("unknown", |name| name.value.as_str()));
        let Some(nodes) = &self.home.nodes else {
            // Without a network nobody knows the nodes; nothing is planned from that.
            return unknown;
        };
        if option(volume, declared, &CLASS).is_none()
            && let Some(other) =
                nodes.iter().find(|node| !node.provider.is_empty() && !node.provider.starts_with("k3s://"))
        {
            let message = format!(
                "the volume {} names no class, and a folder of a node such as {} ({}) goes with the node",
                volume.name, other.name, other.provider
            );
            self.wrong(&volume.location, message, "if a folder is right, say so: options: {class: local}");
            return unknown;
        }
        let all: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let all = all.join(", ");
        if let Some(named) = named {
            let found = nodes.iter().find(|node| node.name == named.value).cloned();
            if found.is_none() {
                let at = named.location.clone();
                self.wrong(&at, format!("the cluster has no node {}", named.value), format!("it has {all}"));
            }
            return found.unwrap_or(unknown);
        }
        let mut free = nodes.iter().filter(|node| node.schedulable);
        match (free.next(), free.next()) {
            (Some(only), None) => only.clone(),
            _ => {
                let message = format!("the volume {} must say on which node its disk is", volume.name);
                self.wrong(&volume.location, message, format!("add options: {{node: NAME}}; the cluster has {all}"));
                unknown
            }
        }
    }

    /// The folder of a disk that nobody named, fixed from the first plan on.
    pub(super) fn chosen(&mut self, address: &Address, volume: &Volume, prefix: &str) -> String {
        let builder = &mut *self.builder;
        let earlier = builder.state.chosen.get(address).or_else(|| builder.chosen.get(address)).cloned();
        let name = earlier.unwrap_or_else(|| {
            let compact = names::compact_id(builder.chance.now, (builder.chance.random)());
            let hash = id_hash(&self.home.place.workspace, &self.home.place.provider, &self.app.meta.name);
            names::disk(prefix, &volume.name, &compact, &hash)
        });
        builder.chosen.insert(address.clone(), name.clone());
        name
    }
}

/// An option of a disk, else of its volume.
pub(super) fn option<'v>(
    volume: &'v Volume,
    declared: Option<&'v DeclaredDisk>,
    setting: &Setting,
) -> Option<&'v Located<String>> {
    declared.and_then(|disk| disk.options.get(setting.key)).or_else(|| volume.options.get(setting.key))
}
