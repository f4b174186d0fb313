//! Zones: where an app's disks are, its Pods must be, and nodes must be there.
//!
//! A locally redundant disk in a zone is attached to a machine of that zone only, one in no zone to machines in no zone,
//! a zone-redundant one to any, and the zone of a disk never changes
//! (<https://learn.microsoft.com/azure/aks/availability-zones>, kubernetes-sigs/azuredisk-csi-driver#183).

use std::collections::BTreeSet;

use serde_json::json;

use super::kinds;
use super::managed::Managed;
use super::settings::DISK_SKU;
use super::skus::is_zone_redundant;
use crate::advice::Advice;
use crate::diag::{Diagnostic, Location};
use crate::engine::address::Address;
use crate::engine::kind::{Kind, Refusal};
use crate::engine::value::{Path, Value};
use crate::kom::model::{App, Volume, VolumeType};
use crate::resources::kinds::kubernetes::DEPLOYMENT;
use crate::resources::safe_way;
use crate::resources::scope::{Builder, Known};

/// Where the disk that a volume's Pods mount is.
enum Spot {
    /// In this zone, and it stays there.
    In(String),
    /// In no zone, and it stays so.
    Nowhere(String),
    /// Nobody has said yet, and it is still to be made.
    Open,
    /// It was adopted, and the manifest does not say.
    Unknown,
}

/// The one zone that an app's disks leave it: where the manifest names none, or several, that of the disks that are there,
/// else the first that the nodes have. None where the manifest names one, and where it does not matter. Says what cannot
/// meet.
pub(super) fn settle(builder: &mut Builder<'_>, home: &Managed<'_>, app: &App) -> Option<String> {
    if home.cluster.existing == Some(true) {
        // What nodes it has is not known here.
        return None;
    }
    let (zones, nowhere) = zones_of_nodes(home, app);
    let wanted = &app.deployment.zones;
    let at = app.deployment.zone_location.as_ref().unwrap_or(&app.meta.location);
    if let (Some(zone), true) = (wanted.first(), zones.is_empty()) {
        let message = format!("the app runs in zone {zone}, but its nodes are in no zone");
        wrong(builder, message, at, "set AZURE_AKS_USER_VM_ZONES of the Cluster, or take the zone out");
        return None;
    }
    let volumes = || app.volumes.iter().filter(|volume| volume.kind == VolumeType::Disk && !is_redundant(volume));
    let scope = home.account.place.lasting_scope(&app.meta.name);
    let spots: Vec<(&Volume, Spot)> = volumes().map(|volume| (volume, spot(builder, &scope, volume))).collect();
    let fixed: BTreeSet<&str> = spots
        .iter()
        .filter_map(|(_, spot)| if let Spot::In(zone) = spot { Some(zone.as_str()) } else { None })
        .collect();
    if fixed.len() > 1 && wanted.len() != 1 {
        let zones = fixed.iter().copied().collect::<Vec<_>>().join(" and ");
        let message = format!("the disks of the app {} are in zone {zones}: its Pods cannot be in both", app.meta.name);
        wrong(builder, message, at, "assign disks of one zone, or use a SKU that ends in _ZRS");
        return None;
    }
    if let (Some(zone), true, true) = (fixed.first(), zones.is_empty(), nowhere) {
        let message = format!(
            "a disk of the app {} is in zone {zone}, but its nodes are in no zone: it cannot be attached",
            app.meta.name
        );
        wrong(builder, message, at, "set AZURE_AKS_USER_VM_ZONES of the Cluster, or take the zone of the disk out");
        return None;
    }
    if zones.is_empty() {
        return None;
    }
    let stuck = spots.iter().find_map(|(volume, spot)| match spot {
        Spot::Nowhere(id) => Some((volume, id)),
        _ => None,
    });
    if let Some((volume, id)) = stuck {
        if wanted.len() != 1 {
            let way = safe_way(builder, app, &address_of(&scope, volume), id, &zones[0]);
            builder.diagnostics.push(in_no_zone(volume, way));
        }
        return None;
    }
    if wanted.len() == 1 {
        return None;
    }
    let open = spots.iter().find(|(_, spot)| matches!(spot, Spot::Open)).map(|(volume, _)| *volume);
    let zone = match (fixed.first(), open) {
        (Some(zone), _) => (*zone).to_owned(),
        (None, Some(_)) => wanted.first().unwrap_or(&zones[0]).clone(),
        (None, None) => return None,
    };
    if !zones.contains(&zone) || !(wanted.is_empty() || wanted.contains(&zone)) {
        let where_to = if wanted.is_empty() { &zones } else { wanted }.join(", ");
        let message = format!(
            "a disk of the app {} is in zone {zone}, but its Pods can run in zone {where_to} only: they cannot meet",
            app.meta.name
        );
        wrong(builder, message, at, "add the zone to AZURE_AKS_USER_VM_ZONES of the Cluster, and to the app's zones");
        return None;
    }
    if let Some(volume) = open {
        builder.diagnostics.push(taken(app, volume, &zone));
    }
    Some(zone)
}

/// Says that a disk without a zone cannot be attached to nodes that are in one, and the way out.
fn in_no_zone(volume: &Volume, way: impl IntoIterator<Item = Advice>) -> Diagnostic {
    let message =
        format!("the disk of the volume {} is in no zone, and nodes are: it cannot be attached to them", volume.name);
    let mut diagnostic = Diagnostic::warning("zone", message).at(volume.location.clone(), None);
    diagnostic.help = vec!["a disk never changes its zone".into()];
    diagnostic.help.extend(way);
    diagnostic
}

/// Says which zone was taken for a disk that is still to be made.
fn taken(app: &App, volume: &Volume, zone: &str) -> Diagnostic {
    let wanted = &app.deployment.zones;
    let message = format!(
        "the disk of the volume {} can be in one zone only, for good, and the app names {}: zone {zone} is taken, for its \
         Pods too",
        volume.name,
        if wanted.is_empty() { "none".to_owned() } else { wanted.join(", ") }
    );
    let at = app.deployment.zone_location.as_ref().unwrap_or(&volume.location);
    let help = format!("write it, or another one, under spec of the App:  deployment: {{zone: \"{zone}\"}}");
    Diagnostic::warning("zone", message).at(at.clone(), None).help(help)
}

/// What to do about disks that are there already and follow the app's zone on paper only: they cannot move.
fn disks_that_stay(builder: &Builder<'_>, home: &Managed<'_>, app: &App, zone: &str) -> Vec<Advice> {
    let scope = home.account.place.lasting_scope(&app.meta.name);
    let undeclared = app.volumes.iter().filter(|volume| volume.disks.is_empty());
    let lines = undeclared.filter_map(|volume| {
        let address = Address::new(&scope, kinds::DISK.name, &volume.name);
        let known = builder.state.known(&address)?;
        let way = safe_way(builder, app, &address, &known.physical_id, zone);
        let first = format!("{address} cannot follow into zone {zone}: it would be a new one, and its data lost");
        Some(std::iter::once(Advice::from(first)).chain(way).collect::<Vec<_>>())
    });
    lines.flatten().collect()
}

/// How a disk that is in no zone comes into one.
fn safe_way(builder: &Builder<'_>, app: &App, disk: &Address, physical_id: &str, zone: &str) -> Vec<Advice> {
    let path = Path::root().key("zones");
    let (before, after) = (Value::Null, Value::from(json!(zone)));
    let users = workloads_of(builder, app);
    let declared = app.volumes.iter().flat_map(|volume| {
        let disks = volume.disks.iter().map(|disk| (&kinds::DISK, &disk.name));
        let all = disks.chain(volume.snapshots.iter().map(|snapshot| (&kinds::SNAPSHOT, &snapshot.name)));
        all.map(|(kind, name)| declared_address(disk.scope(), kind, volume, name))
    });
    let known = builder.state.known.keys().filter(|address| address.scope() == disk.scope()).cloned();
    let beside = known.chain(declared).collect();
    let (address, name) = (disk, disk.name());
    let (outside, place) = (false, None);
    safe_way::disk(&Refusal {
        address,
        name,
        physical_id,
        path: &path,
        before: &before,
        after: &after,
        outside,
        place,
        users,
        beside,
    })
}

/// The workloads of an app that the state knows.
fn workloads_of(builder: &Builder<'_>, app: &App) -> Vec<Address> {
    let known = builder.state.known.keys();
    let kind = DEPLOYMENT.name;
    let of_app = known.filter(|address| address.scope() == app.meta.id.as_str() && address.kind() == kind);
    let mut workloads: Vec<Address> = of_app.cloned().collect();
    workloads.sort_unstable();
    workloads
}

/// Pods must find a pool in their zone, and apps that keep data better not run on nodes that go at any time.
pub(super) fn check(builder: &mut Builder<'_>, home: &Managed<'_>, app: &App) {
    let (cluster, settings) = (home.cluster, &home.settings);
    let pools = &settings.user.zones;
    let wrong = app.deployment.zones.iter().find(|zone| !pools.is_empty() && !pools.contains(zone));
    let user = app.deployment.pools.is_empty() || app.deployment.pools.iter().any(|pool| pool == "user");
    let place = app.deployment.zone_location.as_ref().unwrap_or(&app.meta.location);
    if let Some(zone) = wrong
        && user
        && cluster.existing != Some(true)
    {
        let message = format!(
            "the app runs in zone {zone}, but the cluster {} has user pools in zone {} only",
            cluster.meta.name,
            pools.join(", ")
        );
        let help = "add the zone to AZURE_AKS_USER_VM_ZONES, or choose another zone";
        let mut diagnostic = Diagnostic::error("zone", message).at(place.clone(), None);
        diagnostic.help = disks_that_stay(builder, home, app, zone);
        builder.diagnostics.push(diagnostic.help(help));
    }
    if home.is_spot() && !app.volumes.is_empty() && user {
        let message =
            format!("the app {} keeps data and runs on Spot nodes, which Azure evicts at any time", app.meta.name);
        let help = "set AZURE_AKS_USER_VM_PRIORITY: Regular for apps that must stay up";
        builder.diagnostics.push(Diagnostic::warning("spot", message).at(app.meta.location.clone(), None).help(help));
    }
}

/// The zone of a disk, as it was applied.
pub(super) fn zone_of(disk: &Known) -> Option<String> {
    Some(disk.applied.value().pointer("/zones/0")?.as_str()?.to_owned())
}

fn wrong(builder: &mut Builder<'_>, message: String, at: &Location, help: &str) {
    builder.diagnostics.push(Diagnostic::error("zone", message).at(at.clone(), None).help(help));
}

/// The zones of the pools that the app's Pods may run on, and whether some of these have none.
fn zones_of_nodes(home: &Managed<'_>, app: &App) -> (Vec<String>, bool) {
    let runs_on = |pool: &str| app.deployment.pools.iter().any(|named| named == pool);
    let mut pools = Vec::new();
    if app.deployment.pools.is_empty() || runs_on("user") {
        pools.push(&home.settings.user);
    }
    if runs_on("system") {
        pools.push(&home.settings.system);
    }
    let zones: BTreeSet<String> = pools.iter().flat_map(|pool| pool.zones.iter().cloned()).collect();
    (zones.into_iter().collect(), pools.iter().any(|pool| pool.zones.is_empty()))
}

fn is_redundant(volume: &Volume) -> bool {
    let own = volume.assigned_disk().and_then(|disk| disk.options.get(DISK_SKU.key));
    own.or_else(|| volume.options.get(DISK_SKU.key)).is_some_and(|sku| is_zone_redundant(&sku.value))
}

/// The disk that a volume's Pods mount.
fn address_of(scope: &str, volume: &Volume) -> Address {
    let declared = volume.assigned_disk();
    match declared {
        Some(disk) => declared_address(scope, &kinds::DISK, volume, &disk.name),
        None => Address::new(scope, kinds::DISK.name, &volume.name),
    }
}

/// What a volume declares under a name.
fn declared_address(scope: &str, kind: &Kind, volume: &Volume, name: &str) -> Address {
    Address::new(scope, kind.name, &format!("{}.{name}", volume.name))
}

fn spot(builder: &Builder<'_>, scope: &str, volume: &Volume) -> Spot {
    let declared = volume.assigned_disk();
    let address = address_of(scope, volume);
    let said = declared.and_then(|disk| disk.zone.as_ref()).map(|zone| Spot::In(zone.value.clone()));
    match builder.state.known(&address) {
        Some(known) => match zone_of(known) {
            Some(zone) => Spot::In(zone),
            None if known.adopted => said.unwrap_or(Spot::Unknown),
            None => Spot::Nowhere(known.physical_id.clone()),
        },
        None if declared.is_some_and(|disk| disk.import.is_some()) => said.unwrap_or(Spot::Unknown),
        None => said.unwrap_or(Spot::Open),
    }
}
