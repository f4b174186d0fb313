//! Storage accounts and file shares (`Microsoft.Storage`, 2023-05-01).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::OptionalExtension;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::clock::rfc3339;
use super::answer::{Answer, Failure};
use super::body::{self, Field, Shape, optional, required};
use super::call::Call;
use super::kinds::STORAGE_SERVICES;
use super::operations::{self, Follow, Work};
use super::resource::{self, NameRule, Subject, check_name};
use super::route::Typed;
use super::{locations, locks, store};

const ACCOUNT_TYPE: &str = "microsoft.storage/storageaccounts";

const KINDS: &[&str] = &["Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage"];

const SKUS: &[&str] = &[
    "Standard_LRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_ZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
];

const ACCOUNT_FIELDS: &[Field] = &[
    required("location", Shape::Text),
    required("kind", Shape::OneOf(KINDS)),
    required("sku", Shape::Object),
    required("sku.name", Shape::OneOf(SKUS)),
    optional("tags", Shape::Object),
    optional("properties", Shape::Object),
    optional("properties.minimumTlsVersion", Shape::OneOf(&["TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"])),
    optional("properties.allowBlobPublicAccess", Shape::Bool),
    optional("properties.allowSharedKeyAccess", Shape::Bool),
    optional("properties.supportsHttpsTrafficOnly", Shape::Bool),
    optional("properties.accessTier", Shape::OneOf(&["Hot", "Cool", "Cold", "Premium"])),
];

const SHARE_FIELDS: &[Field] = &[
    optional("properties", Shape::Object),
    optional("properties.shareQuota", Shape::Int(1, 102_400)),
    optional("properties.enabledProtocols", Shape::OneOf(&["SMB", "NFS"])),
    optional("properties.accessTier", Shape::OneOf(&["TransactionOptimized", "Hot", "Cool", "Premium"])),
    optional("properties.metadata", Shape::Object),
];

/// A storage account.
pub(super) fn account(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let old = subject.old.as_ref();
    let (mut new, is_patch) = match call.method.as_str() {
        "GET" => return Ok(Answer::found(subject.found()?)),
        "DELETE" => return resource::delete_now(call, &subject),
        "PUT" => {
            check_name(typed.name(), &NameRule { min: 3, max: 24, also: "", lower: true })?;
            (body::read(&call.body, ACCOUNT_FIELDS, false)?, false)
        }
        "PATCH" => {
            let old = old.ok_or_else(|| Failure::missing(&subject.id))?;
            (body::patched(old, &body::read(&call.body, ACCOUNT_FIELDS, true)?), true)
        }
        _ => return Err(Failure::method()),
    };
    locks::check_write(call, &subject.key)?;
    locations::check_location(&new)?;
    body::normalise_location(&mut new);
    locations::keep_location(old, &new)?;
    match old {
        None => {
            check_kind(&new)?;
            check_free(call, typed.name())?;
        }
        Some(old) => {
            body::keep(old, &new, &["kind", "properties.isHnsEnabled"])?;
            if is_premium(old) != is_premium(&new) {
                return Err(Failure::immutable("sku.name"));
            }
            body::carry(old, &mut new, &["properties.creationTime"]);
        }
    }
    fill(call, typed.name(), &mut new);
    let state = old.map_or("Creating", |_| "Succeeded");
    body::set(&mut new, "properties.provisioningState", json!(state));
    subject.save(call, typed, &mut new)?;
    if old.is_some() || is_patch {
        return Ok(Answer::changed(200, new));
    }
    // The service answers 202 without a body; the account is at the end of `Location`.
    let headers = operations::begin(call, &subject.key, Work::Write, 1, Follow::Location)?;
    Ok(Answer::empty(202, true).with(headers))
}

/// Which SKUs a kind has (<https://learn.microsoft.com/azure/storage/common/storage-account-overview>).
fn check_kind(new: &Value) -> Result<(), Failure> {
    let premium = is_premium(new);
    let kind = body::text(new, "kind").unwrap_or_default();
    let fits = match kind.to_lowercase().as_str() {
        "filestorage" | "blockblobstorage" => premium,
        "blobstorage" => !premium,
        _ => true,
    };
    if fits {
        return Ok(());
    }
    let sku = body::text(new, "sku.name").unwrap_or_default();
    Err(Failure::new(
        400,
        "InvalidRequestPropertyValue",
        format!("The value '{sku}' is not allowed for property sku.name of an account of the kind {kind}."),
    ))
}

/// Names of accounts are unique in the whole cloud.
fn check_free(call: &Call<'_>, name: &str) -> Result<(), Failure> {
    let holder: Option<String> = call
        .tx
        .prepare_cached(
            "SELECT subscription FROM arm_resources WHERE type = ?1 AND id_lower LIKE '%/storageaccounts/' || ?2",
        )?
        .query_row([ACCOUNT_TYPE, &name.to_lowercase()], |row| row.get(0))
        .optional()?;
    match holder {
        None => Ok(()),
        Some(own) if own.eq_ignore_ascii_case(&call.route.subscription) => Err(Failure::new(
            409,
            "StorageAccountInAnotherResourceGroup",
            format!("The account {name} is already in another resource group in this subscription."),
        )),
        Some(_) => Err(Failure::new(
            409,
            "StorageAccountAlreadyTaken",
            format!("The storage account named {name} is already taken."),
        )),
    }
}

fn fill(call: &Call<'_>, name: &str, new: &mut Value) {
    let premium = is_premium(new);
    body::set(new, "sku.tier", json!(if premium { "Premium" } else { "Standard" }));
    body::default(new, "properties.creationTime", json!(rfc3339(call.now_ms)));
    let location = new["location"].clone();
    body::set(new, "properties.primaryLocation", location);
    body::set(new, "properties.statusOfPrimary", json!("available"));
    let endpoint = |service: &str| format!("https://{name}.{service}.core.windows.net/");
    body::set(
        new,
        "properties.primaryEndpoints",
        json!({
            "blob": endpoint("blob"),
            "dfs": endpoint("dfs"),
            "file": endpoint("file"),
            "queue": endpoint("queue"),
            "table": endpoint("table"),
        }),
    );
    for (path, value) in [
        ("supportsHttpsTrafficOnly", json!(true)),
        ("minimumTlsVersion", json!("TLS1_0")),
        ("allowBlobPublicAccess", json!(false)),
        ("accessTier", json!("Hot")),
        (
            "networkAcls",
            json!({ "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [] }),
        ),
        (
            "encryption",
            json!({
                "keySource": "Microsoft.Storage",
                "services": {
                    "blob": { "enabled": true, "keyType": "Account" },
                    "file": { "enabled": true, "keyType": "Account" },
                },
            }),
        ),
    ] {
        body::default(new, &format!("properties.{path}"), value);
    }
}

/// `listKeys`. Keys follow from the account's id and are worth nothing outside the sandbox.
pub(super) fn action(call: &Call<'_>, _typed: &Typed, action: &str) -> Result<Answer, Failure> {
    if !action.eq_ignore_ascii_case("listKeys") {
        return Err(Failure::method());
    }
    let key = call.route.key.rsplit_once('/').map_or("", |(key, _)| key);
    resource::group(call, &call.route.group_key().unwrap_or_default())?;
    let account = store::get(call.tx, key)?.ok_or_else(|| Failure::missing(key))?;
    // A ReadOnly lock keeps keys back too (Azure docs, "Lock your resources", for storage accounts).
    locks::check_write(call, key)?;
    let value = |name: &str| STANDARD.encode(Sha256::digest(format!("{name}/{key}").as_bytes()).repeat(2));
    let created = body::at(&account, "properties.creationTime");
    let keys: Vec<Value> = ["key1", "key2"]
        .iter()
        .map(|name| json!({ "keyName": name, "value": value(name), "permissions": "FULL", "creationTime": created }))
        .collect();
    Ok(Answer::found(json!({ "keys": keys })))
}

/// `fileServices/default` and its like, which every account has.
pub(super) fn service(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    if call.method != http::Method::GET || !typed.name().eq_ignore_ascii_case("default") {
        return Err(Failure::method());
    }
    let subject = Subject::of(call, typed)?;
    Ok(Answer::found(service_object(&subject.id, typed)))
}

/// All services of a sort that an account has: the one.
pub(super) fn services(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    resource::group(call, &call.route.group_key().unwrap_or_default())?;
    let key = call.route.key.rsplit_once('/').map_or("", |(key, _)| key);
    let account = store::get(call.tx, key)?.ok_or_else(|| Failure::missing(key))?;
    let id = format!("{}/{}/default", body::text(&account, "id").unwrap_or(key), typed.kind.short());
    Ok(Answer::found(json!({ "value": [service_object(&id, typed)] })))
}

fn service_object(id: &str, typed: &Typed) -> Value {
    let mut object = json!({ "id": id, "name": "default", "type": typed.kind.full(), "properties": {} });
    if typed.kind.short() == "fileServices" {
        object["properties"]["shareDeleteRetentionPolicy"] = json!({ "enabled": true, "days": 7 });
    }
    object
}

/// The account that something in one of its services belongs to.
fn account_of(call: &Call<'_>, subject: &Subject) -> Result<Value, Failure> {
    let key =
        STORAGE_SERVICES.iter().find_map(|(lower, _)| subject.parent.strip_suffix(lower)).unwrap_or(&subject.parent);
    let account = store::get(call.tx, key)?.unwrap_or_default();
    if body::text(&account, "properties.provisioningState") == Some("Creating") {
        return Err(Failure::new(
            409,
            "StorageAccountIsNotProvisioned",
            "The storage account provisioning state must be 'Succeeded' before executing the operation.",
        ));
    }
    Ok(account)
}

/// Accounts have services by their kind and SKU: premium ones have one of them.
fn check_service(account: &Value, service: &str) -> Result<(), Failure> {
    let kind = body::text(account, "kind").unwrap_or_default();
    let premium = is_premium(account);
    let has = match kind.to_lowercase().as_str() {
        "filestorage" => service == "file",
        "blobstorage" | "blockblobstorage" => service == "blob",
        _ if premium => service == "blob",
        _ => true,
    };
    if has {
        return Ok(());
    }
    let sku = body::text(account, "sku.name").unwrap_or_default();
    Err(Failure::new(
        409,
        "FeatureNotSupportedForAccount",
        format!("The {service} service is not supported for the account: its kind is {kind} and its SKU {sku}."),
    ))
}

fn is_premium(account: &Value) -> bool {
    body::text(account, "sku.name").is_some_and(|sku| sku.to_lowercase().starts_with("premium"))
}

/// A container, queue or table: what it holds is not the sandbox's matter.
pub(super) fn item(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let fields = [optional("properties", Shape::Object)];
    let mut new = match call.method.as_str() {
        "GET" => return Ok(Answer::found(subject.found()?)),
        "DELETE" => return resource::delete_now(call, &subject),
        "PUT" if call.body.is_empty() => json!({}),
        "PUT" => body::read(&call.body, &fields, false)?,
        "PATCH" => {
            let old = subject.old.as_ref().ok_or_else(|| Failure::missing(&subject.id))?;
            body::patched(old, &body::read(&call.body, &fields, true)?)
        }
        _ => return Err(Failure::method()),
    };
    let tables = typed.kind.short() == "tables";
    check_name(typed.name(), &NameRule { min: 3, max: 63, also: if tables { "" } else { "-" }, lower: !tables })?;
    locks::check_write(call, &subject.key)?;
    let account = account_of(call, &subject)?;
    check_service(&account, typed.kind.types[1].trim_end_matches("Services"))?;
    let created = subject.old.is_none();
    subject.save(call, typed, &mut new)?;
    // Only containers are answered with 201.
    Ok(Answer::changed(if created && typed.kind.short() == "containers" { 201 } else { 200 }, new))
}

/// A file share.
pub(super) fn share(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let old = subject.old.as_ref();
    let mut new = match call.method.as_str() {
        "GET" => return Ok(Answer::found(subject.found()?)),
        "DELETE" => return resource::delete_now(call, &subject),
        "PUT" => {
            let name = typed.name();
            check_name(name, &NameRule { min: 3, max: 63, also: "-", lower: true })?;
            if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
                return Err(Failure::new(400, "InvalidResourceName", format!("The share name '{name}' is invalid.")));
            }
            body::read(&call.body, SHARE_FIELDS, false)?
        }
        "PATCH" => {
            let old = old.ok_or_else(|| Failure::missing(&subject.id))?;
            body::patched(old, &body::read(&call.body, SHARE_FIELDS, true)?)
        }
        _ => return Err(Failure::method()),
    };
    locks::check_write(call, &subject.key)?;
    let account = account_of(call, &subject)?;
    check_service(&account, "file")?;
    if let Some(old) = old {
        body::keep(old, &new, &["properties.enabledProtocols"])?;
        body::carry_missing(old, &mut new, &["properties.shareQuota", "properties.accessTier"]);
    }
    body::default(&mut new, "properties.enabledProtocols", json!("SMB"));
    let premium = is_premium(&account);
    body::default(&mut new, "properties.shareQuota", json!(if premium { 102_400 } else { 5120 }));
    // "Provisioned v1 SSD" shares (https://learn.microsoft.com/azure/storage/files/storage-files-scale-targets).
    if premium && body::at(&new, "properties.shareQuota").as_i64().is_some_and(|quota| quota < 100) {
        return Err(Failure::new(
            400,
            "InvalidHeaderValue",
            "The share quota of a premium file share must be from 100 to 102400 GiB.",
        ));
    }
    let tier = if premium { "Premium" } else { "TransactionOptimized" };
    body::default(&mut new, "properties.accessTier", json!(tier));
    body::default(&mut new, "properties.leaseStatus", json!("Unlocked"));
    body::default(&mut new, "properties.leaseState", json!("Available"));
    body::set(&mut new, "properties.lastModifiedTime", json!(rfc3339(call.now_ms)));
    new["etag"] = json!(format!("\"0x{:X}\"", call.seq));
    subject.save(call, typed, &mut new)?;
    Ok(Answer::changed(if old.is_some() { 200 } else { 201 }, new))
}
