//! Managed disks and snapshots (`Microsoft.Compute`, 2024-03-02).

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::clock::rfc3339;
use super::super::kube_api::MadeDisk;
use super::answer::{Answer, Failure};
use super::attachments::cannot_grow;
use super::body::{self, Field, Shape, optional, required};
use super::call::Call;
use super::operations::{self, Follow, Work};
use super::resource::{self, NameRule, Subject, check_name};
use super::route::Typed;
use super::{locations, locks, store};

const NAME: NameRule = NameRule { min: 1, max: 80, also: "_-.", lower: false };

const DISK_SKUS: &[&str] = &[
    "Standard_LRS",
    "Premium_LRS",
    "StandardSSD_LRS",
    "UltraSSD_LRS",
    "Premium_ZRS",
    "StandardSSD_ZRS",
    "PremiumV2_LRS",
];

const CREATE_OPTIONS: &[&str] = &[
    "Empty",
    "Attach",
    "FromImage",
    "Import",
    "Copy",
    "Restore",
    "Upload",
    "CopyStart",
    "ImportSecure",
    "UploadPreparedSecure",
    "CopyFromSanSnapshot",
];

const DISK_FIELDS: &[Field] = &[
    required("location", Shape::Text),
    required("properties", Shape::Object),
    required("properties.creationData", Shape::Object),
    required("properties.creationData.createOption", Shape::OneOf(CREATE_OPTIONS)),
    optional("properties.creationData.sourceResourceId", Shape::Text),
    optional("properties.diskSizeGB", Shape::Int(1, 65_536)),
    optional("properties.diskIOPSReadWrite", Shape::Int(1, 400_000)),
    optional("properties.diskMBpsReadWrite", Shape::Int(1, 10_000)),
    optional("properties.networkAccessPolicy", Shape::OneOf(&["AllowAll", "AllowPrivate", "DenyAll"])),
    optional("properties.publicNetworkAccess", Shape::OneOf(&["Enabled", "Disabled"])),
    optional("sku", Shape::Object),
    optional("sku.name", Shape::OneOf(DISK_SKUS)),
    optional("zones", Shape::List),
    optional("tags", Shape::Object),
];

const SNAPSHOT_FIELDS: &[Field] = &[
    required("location", Shape::Text),
    required("properties", Shape::Object),
    required("properties.creationData", Shape::Object),
    required("properties.creationData.createOption", Shape::OneOf(CREATE_OPTIONS)),
    optional("properties.creationData.sourceResourceId", Shape::Text),
    optional("properties.diskSizeGB", Shape::Int(1, 65_536)),
    optional("properties.incremental", Shape::Bool),
    optional("sku", Shape::Object),
    optional("sku.name", Shape::OneOf(&["Standard_LRS", "Premium_LRS", "Standard_ZRS"])),
    optional("tags", Shape::Object),
];

/// What the server alone fills in, and keeps over writes.
const FILLED: &[&str] =
    &["managedBy", "managedByExtended", "properties.timeCreated", "properties.uniqueId", "properties.diskState"];

/// A disk.
pub(super) fn disk(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    match call.method.as_str() {
        "GET" => Ok(Answer::found(subject.found()?)),
        "PUT" => {
            check_name(typed.name(), &NAME)?;
            write(call, typed, &subject, body::read(&call.body, DISK_FIELDS, false)?, true)
        }
        "PATCH" => {
            let old = subject.old.as_ref().ok_or_else(|| Failure::missing(&subject.id))?;
            let new = body::patched(old, &body::read(&call.body, DISK_FIELDS, true)?);
            write(call, typed, &subject, new, true)
        }
        "DELETE" => {
            if let Some(user) = subject.old.as_ref().and_then(|old| body::text(old, "managedBy")) {
                return Err(Failure::new(
                    409,
                    "OperationNotAllowed",
                    format!("Disk {} is attached to VM {user}.", typed.name()),
                ));
            }
            resource::delete_later(call, &subject, 1)
        }
        _ => Err(Failure::method()),
    }
}

/// A snapshot.
pub(super) fn snapshot(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    match call.method.as_str() {
        "GET" => Ok(Answer::found(subject.found()?)),
        "PUT" => {
            check_name(typed.name(), &NAME)?;
            write(call, typed, &subject, body::read(&call.body, SNAPSHOT_FIELDS, false)?, false)
        }
        "PATCH" => {
            let old = subject.old.as_ref().ok_or_else(|| Failure::missing(&subject.id))?;
            let new = body::patched(old, &body::read(&call.body, SNAPSHOT_FIELDS, true)?);
            write(call, typed, &subject, new, false)
        }
        "DELETE" => resource::delete_later(call, &subject, 1),
        _ => Err(Failure::method()),
    }
}

fn write(call: &Call<'_>, typed: &Typed, subject: &Subject, mut new: Value, is_disk: bool) -> Result<Answer, Failure> {
    subject.not_leaving(call)?;
    locks::check_write(call, &subject.key)?;
    locations::check_location(&new)?;
    body::normalise_location(&mut new);
    let old = subject.old.as_ref();
    locations::keep_location(old, &new)?;
    for path in FILLED {
        body::remove(&mut new, path);
    }
    let source = source(call, &new, old.is_some())?;
    size(&mut new, old, source.as_ref())?;
    if let Some(old) = old {
        body::carry(old, &mut new, FILLED);
        body::keep(
            old,
            &new,
            &[
                "properties.creationData.createOption",
                "properties.creationData.sourceResourceId",
                "properties.incremental",
                "properties.hyperVGeneration",
            ],
        )?;
        body::default(&mut new, "sku", body::at(old, "sku").clone());
    }
    body::default(&mut new, "sku", json!({ "name": "Standard_LRS" }));
    if is_disk {
        disk_rules(&mut new, old)?;
    } else {
        body::default(&mut new, "properties.incremental", json!(false));
        body::default(&mut new, "properties.completionPercent", json!(100.0));
        if let Some(source) = &source {
            let unique = body::at(source, "properties.uniqueId").clone();
            body::set(&mut new, "properties.creationData.sourceUniqueId", unique);
        }
    }
    let tier = match body::text(&new, "sku.name").unwrap_or_default() {
        name if name.starts_with("Premium") => "Premium",
        name if name.starts_with("Ultra") => "Ultra",
        _ => "Standard",
    };
    body::set(&mut new, "sku.tier", json!(tier));
    body::default(&mut new, "properties.timeCreated", json!(rfc3339(call.now_ms)));
    if old.is_none() {
        let seed = store::incarnation(call.tx, &subject.key)?;
        let unique = Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes());
        body::set(&mut new, "properties.uniqueId", json!(unique.to_string()));
    }
    body::default(&mut new, "properties.diskState", json!("Unattached"));
    body::default(&mut new, "properties.encryption", json!({ "type": "EncryptionAtRestWithPlatformKey" }));
    body::default(&mut new, "properties.networkAccessPolicy", json!("AllowAll"));
    body::default(&mut new, "properties.publicNetworkAccess", json!("Enabled"));

    // A write that changes nothing is answered at once.
    if let Some(old) = old {
        body::set(&mut new, "properties.provisioningState", body::at(old, "properties.provisioningState").clone());
        subject.save(call, typed, &mut new)?;
        if new == *old && body::text(old, "properties.provisioningState") == Some("Succeeded") {
            return Ok(Answer { effect: false, ..Answer::changed(200, new) });
        }
    }
    body::set(&mut new, "properties.provisioningState", json!("Updating"));
    subject.save(call, typed, &mut new)?;
    let headers = operations::begin(call, &subject.key, Work::Write, 1, Follow::Both)?;
    if old.is_none() {
        fill(call, subject, &new)?;
    }
    Ok(Answer::changed(202, new).with(headers))
}

/// Lets what is on a new disk or snapshot be made, where containers are to find it.
fn fill(call: &Call<'_>, subject: &Subject, new: &Value) -> Result<(), Failure> {
    let location = body::text(new, "location").unwrap_or_default();
    let zone = new["zones"][0].as_str().map(|zone| format!("{location}-{zone}"));
    let made = MadeDisk {
        id: &subject.key,
        from: body::text(new, "properties.creationData.sourceResourceId"),
        zone,
        gib: body::at(new, "properties.diskSizeGB").as_i64().unwrap_or_default(),
    };
    let failed = |why: String| Failure::new(500, "InternalServerError", format!("What is on it cannot be made: {why}"));
    call.kube.disk_made(&made).map_err(failed)
}

/// The disk or snapshot that the new one is a copy of; it must exist when the copy is made.
fn source(call: &Call<'_>, new: &Value, exists: bool) -> Result<Option<Value>, Failure> {
    let option = body::text(new, "properties.creationData.createOption").unwrap_or_default();
    if !["Copy", "CopyStart", "Restore"].iter().any(|copy| copy.eq_ignore_ascii_case(option)) {
        return Ok(None);
    }
    let Some(id) = body::text(new, "properties.creationData.sourceResourceId") else {
        return Err(Failure::invalid("Required parameter 'creationData.sourceResourceId' is missing (null)."));
    };
    let source = store::get(call.tx, &id.to_lowercase())?;
    if exists {
        return Ok(source);
    }
    let source = source.ok_or_else(|| Failure::missing(id))?;
    let apart = body::text(&source, "location") != body::text(new, "location");
    if apart && !option.eq_ignore_ascii_case("CopyStart") {
        return Err(Failure::invalid(format!(
            "The source '{id}' is in another location; only createOption CopyStart of an incremental snapshot copies between regions."
        )));
    }
    if option.eq_ignore_ascii_case("CopyStart") && body::at(new, "properties.incremental") != &json!(true) {
        return Err(Failure::invalid("createOption CopyStart needs 'incremental' to be true."));
    }
    Ok(Some(source))
}

/// The size: given, else the old one, else the source's. It never shrinks.
fn size(new: &mut Value, old: Option<&Value>, source: Option<&Value>) -> Result<(), Failure> {
    let of = |value: &Value| body::at(value, "properties.diskSizeGB").as_i64();
    let size = of(new).or_else(|| old.and_then(of)).or_else(|| source.and_then(of));
    let Some(size) = size else {
        return Err(Failure::invalid("Required parameter 'disk.diskSizeGB' is missing (null)."));
    };
    if let Some(before) = old.and_then(of).filter(|before| size < *before) {
        return Err(Failure::new(
            409,
            "ResizeDiskError",
            format!(
                "Disk size reduction is not supported. Current size is {} bytes, requested size is {} bytes.",
                before << 30,
                size << 30
            ),
        ));
    }
    if let Some(why) = old.and_then(|old| cannot_grow(old, of(old).unwrap_or(size), size)) {
        return Err(Failure::new(409, "OperationNotAllowed", why));
    }
    if let Some(least) = source.and_then(of).filter(|least| size < *least) {
        return Err(Failure::invalid(format!("The size {size} GB is smaller than that of the source, {least} GB.")));
    }
    body::set(new, "properties.diskSizeGB", json!(size));
    body::set(new, "properties.diskSizeBytes", json!(size << 30));
    Ok(())
}

/// What holds for disks only: zones, performance, and which changes of the SKU are possible.
fn disk_rules(new: &mut Value, old: Option<&Value>) -> Result<(), Failure> {
    let sku = body::text(new, "sku.name").unwrap_or("Standard_LRS").to_owned();
    let zones = new.get("zones").and_then(Value::as_array).map_or(0, Vec::len);
    if sku.ends_with("_ZRS") && zones > 0 {
        return Err(Failure::invalid(format!(
            "Zones cannot be specified for a disk of the zone-redundant SKU '{sku}'."
        )));
    }
    if zones > 1 {
        return Err(Failure::invalid("A disk can be in one zone only."));
    }
    if let Some(old) = old {
        if !body::same(body::at(old, "zones"), body::at(new, "zones")) {
            return Err(Failure::immutable("zones"));
        }
        let before = body::text(old, "sku.name").unwrap_or_default();
        if !before.eq_ignore_ascii_case(&sku) {
            let plain = |sku: &str| {
                ["Standard_LRS", "Premium_LRS", "StandardSSD_LRS"].iter().any(|plain| plain.eq_ignore_ascii_case(sku))
            };
            let zonal = |sku: &str| sku.to_lowercase().ends_with("_zrs");
            if !(plain(before) && plain(&sku) || zonal(before) && zonal(&sku)) {
                return Err(Failure::immutable("sku.name"));
            }
            if !body::at(old, "managedBy").is_null() {
                return Err(Failure::new(
                    409,
                    "OperationNotAllowed",
                    "The account type of a disk that is attached to a running VM cannot be changed.",
                ));
            }
        }
    }
    let adjustable = ["UltraSSD_LRS", "PremiumV2_LRS"].iter().any(|own| own.eq_ignore_ascii_case(&sku));
    let size = body::at(new, "properties.diskSizeGB").as_i64().unwrap_or(1);
    let (iops, throughput, tier) = performance(&sku, size);
    for (path, value) in [("properties.diskIOPSReadWrite", iops), ("properties.diskMBpsReadWrite", throughput)] {
        let given = body::at(new, path).as_i64();
        let before = old.and_then(|old| body::at(old, path).as_i64());
        // A client that sends back what it read changes nothing.
        if !adjustable && given.is_some_and(|given| given != value && Some(given) != before) {
            return Err(Failure::invalid(format!(
                "'{path}' can be set for UltraSSD_LRS and PremiumV2_LRS disks only."
            )));
        }
        if !adjustable || given.is_none() {
            let kept = before.filter(|_| adjustable).unwrap_or(value);
            body::set(new, path, json!(kept));
        }
    }
    if let Some(tier) = tier {
        body::set(new, "properties.tier", json!(tier));
    }
    Ok(())
}

/// Baseline IOPS, MB/s and performance tier by size in GiB (the published tables of premium disks; a floor for the others).
fn performance(sku: &str, size: i64) -> (i64, i64, Option<&'static str>) {
    const PREMIUM: &[(i64, i64, i64, &str)] = &[
        (4, 120, 25, "P1"),
        (8, 120, 25, "P2"),
        (16, 120, 25, "P3"),
        (32, 120, 25, "P4"),
        (64, 240, 50, "P6"),
        (128, 500, 100, "P10"),
        (256, 1100, 125, "P15"),
        (512, 2300, 150, "P20"),
        (1024, 5000, 200, "P30"),
        (2048, 7500, 250, "P40"),
        (4096, 7500, 250, "P50"),
        (8192, 16_000, 500, "P60"),
        (16_384, 18_000, 750, "P70"),
    ];
    match sku {
        "Premium_LRS" | "Premium_ZRS" => PREMIUM
            .iter()
            .find(|(up_to, ..)| size <= *up_to)
            .map_or((20_000, 900, Some("P80")), |(_, iops, throughput, tier)| (*iops, *throughput, Some(*tier))),
        "PremiumV2_LRS" => (3000, 125, None),
        "UltraSSD_LRS" => (size.saturating_mul(300).min(400_000), 100, None),
        "StandardSSD_LRS" | "StandardSSD_ZRS" => (500, 100, None),
        _ => (500, 60, None),
    }
}
