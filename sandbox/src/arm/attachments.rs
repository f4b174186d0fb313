//! Disks at the machines of clusters, and what CSI drivers do with them: attach, detach, grow, delete.

use rusqlite::Transaction;
use serde_json::{Value, json};

use super::super::world::WorldError;
use super::body;
use super::kinds::DISK_TYPE;
use super::node_groups;
use super::store;

/// Attaches a disk to a node of a cluster with a host cache; gives the reason when that cannot be: there is no such
/// disk, another node holds it, or the machine cannot have it. `cluster` and `disk` are ARM ids in any case.
///
/// # Errors
/// Failures of the database.
pub fn attach_disk(
    tx: &Transaction<'_>,
    cluster: &str,
    disk: &str,
    node: &str,
    caching: &str,
) -> Result<Option<String>, WorldError> {
    let key = disk.to_lowercase();
    let Some(mut object) = store::get(tx, &key)? else {
        return Ok(Some(format!("the disk {disk} does not exist")));
    };
    if body::text(&object, "properties.provisioningState") == Some("Deleting") {
        return Ok(Some(format!("the disk {disk} is being deleted")));
    }
    let machine = format!("{}/providers/Microsoft.Compute/virtualMachines/{node}", node_groups::of(tx, cluster)?);
    if let Some(holder) = body::text(&object, "managedBy") {
        let ours = holder.eq_ignore_ascii_case(&machine);
        return Ok((!ours).then(|| format!("Multi-Attach error: the disk {disk} is attached to {holder}")));
    }
    if let Some(why) = unfit(tx, cluster, &object, node, caching)? {
        return Ok(Some(why));
    }
    body::set(&mut object, "managedBy", json!(machine));
    body::set(&mut object, "properties.diskState", json!("Attached"));
    store::update(tx, &key, &object)?;
    Ok(None)
}

/// Why a machine cannot have a disk, in the service's words: its zone (kubernetes-sigs/azuredisk-csi-driver#183), what
/// its pool can do (<https://learn.microsoft.com/azure/aks/use-ultra-disks>), the cache ("Limitations" of ultra disks
/// and Premium SSD v2 in <https://learn.microsoft.com/azure/virtual-machines/disks-types>).
fn unfit(
    tx: &Transaction<'_>,
    cluster: &str,
    disk: &Value,
    node: &str,
    caching: &str,
) -> Result<Option<String>, WorldError> {
    let (id, sku) = (body::text(disk, "id").unwrap_or_default(), body::text(disk, "sku.name").unwrap_or_default());
    let is = |name: &str| sku.eq_ignore_ascii_case(name);
    // Nodes are called after their pool: `aks-<pool>-vmss000001`.
    let parts = node.strip_prefix("aks-").and_then(|rest| rest.rsplit_once("-vmss"));
    let Some((pool, index)) = parts else { return Ok(None) };
    let Some(pool) = store::get(tx, &format!("{}/agentpools/{pool}", cluster.to_lowercase()))? else { return Ok(None) };
    let zones: Vec<&str> = body::at(&pool, "properties.availabilityZones")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let machine = index.parse::<usize>().ok().and_then(|index| zones.get(index % zones.len().max(1)).copied());
    let zone = disk.get("zones").and_then(|zones| zones.get(0)).and_then(Value::as_str);
    if zone != machine && !sku.to_uppercase().ends_with("_ZRS") {
        return Ok(Some(match machine {
            Some(machine) => {
                format!("BadRequest: Disk {id} cannot be attached to the VM because it is not in zone '{machine}'.")
            }
            None => format!("BadRequest: Disk {id} cannot be attached to the VM because the VM is not in any zone."),
        }));
    }
    if is("UltraSSD_LRS") && body::at(&pool, "properties.enableUltraSSD") != &json!(true) {
        return Ok(Some(
            "InvalidParameter: StorageAccountType UltraSSD_LRS can be used only when additionalCapabilities.ultraSSDEnabled is set."
                .to_owned(),
        ));
    }
    if (is("UltraSSD_LRS") || is("PremiumV2_LRS")) && !caching.eq_ignore_ascii_case("None") {
        return Ok(Some(format!(
            "InvalidParameter: Caching '{caching}' is not supported for disks with account type {sku}; only 'None' is."
        )));
    }
    Ok(None)
}

/// Makes a disk as large as a claim asks for; one that is large enough stays as it is.
pub(in super::super) fn grow_disk(tx: &Transaction<'_>, disk: &str, gib: i64) -> Result<Option<String>, WorldError> {
    let key = disk.to_lowercase();
    let Some(mut object) = store::get(tx, &key)? else { return Ok(Some(format!("the disk {disk} does not exist"))) };
    let before = body::at(&object, "properties.diskSizeGB").as_i64().unwrap_or_default();
    if gib > before {
        if let Some(why) = cannot_grow(&object, before, gib) {
            return Ok(Some(why));
        }
        body::set(&mut object, "properties.diskSizeGB", json!(gib));
        body::set(&mut object, "properties.diskSizeBytes", json!(gib << 30));
        store::update(tx, &key, &object)?;
    }
    Ok(None)
}

/// "Expand without downtime" of <https://learn.microsoft.com/azure/virtual-machines/linux/expand-disks>: not over
/// 4 TiB.
pub(super) fn cannot_grow(disk: &Value, before: i64, after: i64) -> Option<String> {
    let sku = body::text(disk, "sku.name").unwrap_or_default();
    let own = ["UltraSSD_LRS", "PremiumV2_LRS"].iter().any(|own| own.eq_ignore_ascii_case(sku));
    let user = body::text(disk, "managedBy")?;
    (!own && before <= 4096 && after > 4096).then(|| {
        format!("Disk resizing from {before} GB to more than 4096 GB is not allowed while the disk is attached to the running VM {user}.")
    })
}

/// Removes a disk that no machine has.
fn delete_disk(tx: &Transaction<'_>, disk: &str) -> Result<(), WorldError> {
    let key = disk.to_lowercase();
    match store::get(tx, &key)? {
        Some(object) if body::at(&object, "managedBy").is_null() => store::remove_tree(tx, &key),
        _ => Ok(()),
    }
}

/// Detaches a disk from whichever node of the cluster holds it.
///
/// # Errors
/// Failures of the database.
pub fn detach_disk(tx: &Transaction<'_>, cluster: &str, disk: &str) -> Result<(), WorldError> {
    let key = disk.to_lowercase();
    let group = node_groups::of(tx, cluster)?.to_lowercase();
    match store::get(tx, &key)? {
        Some(object) if is_held_by(&object, &group) => release(tx, &key, object),
        _ => Ok(()),
    }
}

/// Lets exactly these disks be held by nodes of a cluster: (disk, node).
pub(in super::super) fn attached_are(
    tx: &Transaction<'_>,
    cluster: &str,
    attached: &[(String, String)],
) -> Result<(), WorldError> {
    let group = node_groups::of(tx, cluster)?;
    let subscription = group.split('/').nth(2).unwrap_or_default().to_lowercase();
    for (key, mut disk) in store::of_type(tx, &subscription, DISK_TYPE)? {
        let node = attached.iter().find(|(handle, _)| handle.eq_ignore_ascii_case(&key)).map(|(_, node)| node);
        let machine = node.map(|node| format!("{group}/providers/Microsoft.Compute/virtualMachines/{node}"));
        match machine {
            Some(machine) if body::text(&disk, "managedBy") != Some(&machine) => {
                body::set(&mut disk, "managedBy", json!(machine));
                body::set(&mut disk, "properties.diskState", json!("Attached"));
                store::update(tx, &key, &disk)?;
            }
            None if is_held_by(&disk, &group.to_lowercase()) => release(tx, &key, disk)?,
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the disk or share that a volume was made of, as its CSI driver does: `handle` is a disk's ARM id or
/// `GROUP#ACCOUNT#SHARE####SUBSCRIPTION`. What is gone already is no error.
///
/// # Errors
/// Failures of the database.
pub fn delete_below(tx: &Transaction<'_>, handle: &str) -> Result<(), WorldError> {
    let parts: Vec<&str> = handle.split('#').collect();
    let key = match parts.as_slice() {
        [group, account, share, "", "", "", subscription] => format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}\
             /fileServices/default/shares/{share}"
        ),
        [id] if id.to_ascii_lowercase().contains("/disks/") => return delete_disk(tx, id),
        _ => return Ok(()),
    };
    store::remove_tree(tx, &key.to_lowercase())
}

fn is_held_by(disk: &Value, group: &str) -> bool {
    body::text(disk, "managedBy").is_some_and(|holder| holder.to_lowercase().starts_with(&format!("{group}/")))
}

fn release(tx: &Transaction<'_>, key: &str, mut disk: Value) -> Result<(), WorldError> {
    body::remove(&mut disk, "managedBy");
    body::set(&mut disk, "properties.diskState", json!("Unattached"));
    store::update(tx, key, &disk)
}

/// Detaches all disks that machines of a group hold.
pub(super) fn detach_all(tx: &Transaction<'_>, group: &str) -> Result<(), WorldError> {
    let subscription = group.split('/').nth(2).unwrap_or_default();
    for (key, disk) in store::of_type(tx, subscription, DISK_TYPE)? {
        if is_held_by(&disk, group) {
            release(tx, &key, disk)?;
        }
    }
    Ok(())
}
