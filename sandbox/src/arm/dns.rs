//! DNS zones and record sets (`Microsoft.Network`, 2018-05-01).

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::body::{self, Field, Shape, optional, required};
use super::call::Call;
use super::kinds::Family;
use super::locks;
use super::resource::{self, NameRule, Subject, check_conditions, check_name};
use super::route::Typed;
use super::store::{self, Place, Query};

/// The types of record sets, as a pattern of SQL.
const RECORDS: &str = "microsoft.network/dnszones/%";

const RECORD_FIELDS: &[Field] = &[
    required("properties", Shape::Object),
    required("properties.TTL", Shape::Int(1, 2_147_483_647)),
    optional("properties.ARecords", Shape::List),
    required("properties.ARecords[].ipv4Address", Shape::Text),
    optional("properties.AAAARecords", Shape::List),
    required("properties.AAAARecords[].ipv6Address", Shape::Text),
    optional("properties.CNAMERecord", Shape::Object),
    required("properties.CNAMERecord.cname", Shape::Text),
    optional("properties.TXTRecords", Shape::List),
    optional("properties.metadata", Shape::Object),
];

const NAME_SERVERS: [&str; 4] =
    ["ns1-01.azure-dns.com.", "ns2-01.azure-dns.net.", "ns3-01.azure-dns.org.", "ns4-01.azure-dns.info."];

fn etag(call: &Call<'_>) -> Value {
    json!(format!("{:08x}", call.seq))
}

/// A zone.
pub(super) fn zone(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let old = subject.old.as_ref();
    let mut new = match call.method.as_str() {
        "GET" => {
            let mut zone = subject.found()?;
            let count = store::keys_of_children(call.tx, &call.route.key, RECORDS)?.len();
            body::set(&mut zone, "properties.numberOfRecordSets", json!(count));
            return Ok(Answer::found(zone));
        }
        "DELETE" => {
            check_conditions(call, old, "etag")?;
            return resource::delete_now(call, &subject);
        }
        "PUT" => {
            let name = typed.name();
            check_name(name, &NameRule { min: 3, max: 253, also: "-_.", lower: false })?;
            if !name.contains('.') {
                return Err(Failure::new(
                    400,
                    "BadRequest",
                    format!("The domain name '{name}' is invalid: it needs at least two labels."),
                ));
            }
            let new =
                body::read(&call.body, &[required("location", Shape::Text), optional("tags", Shape::Object)], false)?;
            if !body::text(&new, "location").is_some_and(|location| location.eq_ignore_ascii_case("global")) {
                return Err(Failure::new(
                    400,
                    "LocationNotAvailableForResourceType",
                    "The location of a DNS zone must be 'global'.",
                ));
            }
            new
        }
        "PATCH" => {
            let old = old.ok_or_else(|| Failure::missing(&subject.id))?;
            body::patched(old, &body::read(&call.body, &[], true)?)
        }
        _ => return Err(Failure::method()),
    };
    check_conditions(call, old, "etag")?;
    locks::check_write(call, &subject.key)?;
    new["location"] = json!("global");
    new["etag"] = etag(call);
    for (path, value) in [
        ("properties.zoneType", json!("Public")),
        ("properties.maxNumberOfRecordSets", json!(10_000)),
        ("properties.nameServers", json!(NAME_SERVERS)),
        ("properties.numberOfRecordSets", json!(2)),
    ] {
        body::default(&mut new, path, value);
    }
    subject.save(call, typed, &mut new)?;
    if old.is_none() {
        apex(call, typed.name(), &subject, &new)?;
    }
    Ok(Answer::changed(if old.is_some() { 200 } else { 201 }, new))
}

/// The two record sets that every zone has.
fn apex(call: &Call<'_>, zone: &str, subject: &Subject, object: &Value) -> Result<(), Failure> {
    let servers: Vec<Value> = NAME_SERVERS.iter().map(|name| json!({ "nsdname": name })).collect();
    let soa = json!({
        "host": NAME_SERVERS[0], "email": "azuredns-hostmaster.microsoft.com",
        "serialNumber": 1, "refreshTime": 3600, "retryTime": 300, "expireTime": 2_419_200, "minimumTTL": 300,
    });
    for (kind, properties) in [
        ("NS", json!({ "TTL": 172_800, "fqdn": format!("{zone}."), "NSRecords": servers })),
        ("SOA", json!({ "TTL": 3600, "fqdn": format!("{zone}."), "SOARecord": soa })),
    ] {
        let id = format!("{}/{kind}/@", body::text(object, "id").unwrap_or(&subject.id));
        let record = json!({
            "id": id, "name": "@", "type": format!("Microsoft.Network/dnszones/{kind}"), "etag": etag(call), "properties": properties,
        });
        let row_kind = format!("microsoft.network/dnszones/{}", kind.to_lowercase());
        store::put(call.tx, Place { key: &id.to_lowercase(), kind: &row_kind, parent: &subject.key }, &record)?;
    }
    Ok(())
}

/// A record set.
pub(super) fn record_set(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let subject = Subject::of(call, typed)?;
    let old = subject.old.as_ref();
    let kind = typed.kind.types.last().copied().unwrap_or_default();
    let mut new = match call.method.as_str() {
        "GET" => return Ok(Answer::found(subject.found()?)),
        "DELETE" => {
            check_conditions(call, old, "etag")?;
            if typed.name() == "@" && matches!(kind, "NS" | "SOA") {
                return Err(Failure::new(
                    400,
                    "BadRequest",
                    format!("The {kind} record set at the zone apex cannot be deleted."),
                ));
            }
            return resource::delete_now(call, &subject);
        }
        "PUT" => body::read(&call.body, RECORD_FIELDS, false)?,
        "PATCH" => {
            let old = old.ok_or_else(|| Failure::missing(&subject.id))?;
            body::patched(old, &body::read(&call.body, RECORD_FIELDS, true)?)
        }
        _ => return Err(Failure::method()),
    };
    check_conditions(call, old, "etag")?;
    locks::check_write(call, &subject.key)?;
    check_records(&new, kind, typed.name())?;
    check_alone(call, &subject, typed.name(), kind)?;
    let zone = typed.names.first().map_or("", String::as_str);
    let fqdn = if typed.name() == "@" { format!("{zone}.") } else { format!("{}.{zone}.", typed.name()) };
    body::set(&mut new, "properties.fqdn", json!(fqdn));
    body::set(&mut new, "properties.provisioningState", json!("Succeeded"));
    new["etag"] = etag(call);
    subject.save(call, typed, &mut new)?;
    new["type"] = json!(format!("Microsoft.Network/dnszones/{kind}"));
    store::update(call.tx, &subject.key, &new)?;
    Ok(Answer::changed(if old.is_some() { 200 } else { 201 }, new))
}

fn check_records(new: &Value, kind: &str, name: &str) -> Result<(), Failure> {
    let bad = |message: String| Err(Failure::new(400, "BadRequest", message));
    let valid = name == "@"
        || name.len() <= 253
            && name.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && (label == "*" || label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
            });
    if !valid {
        return bad(format!("The relative record set name '{name}' is invalid."));
    }
    let alias = !body::at(new, "properties.targetResource.id").is_null();
    let items = |path: &str| body::at(new, path).as_array().cloned().unwrap_or_default();
    let invalid = match kind {
        "A" => items("properties.ARecords")
            .iter()
            .find(|record| body::text(record, "ipv4Address").is_none_or(|ip| ip.parse::<Ipv4Addr>().is_err()))
            .cloned(),
        "AAAA" => items("properties.AAAARecords")
            .iter()
            .find(|record| body::text(record, "ipv6Address").is_none_or(|ip| ip.parse::<Ipv6Addr>().is_err()))
            .cloned(),
        _ => None,
    };
    if let Some(invalid) = invalid {
        return bad(format!("The {kind} record {invalid} is invalid: it is no such address."));
    }
    let empty = match kind {
        "A" => items("properties.ARecords").is_empty(),
        "AAAA" => items("properties.AAAARecords").is_empty(),
        "CNAME" => body::at(new, "properties.CNAMERecord").is_null(),
        _ => false,
    };
    if empty && !alias {
        return bad(format!("The record set '{name}' of type {kind} has no records."));
    }
    if kind == "CNAME" && name == "@" {
        return bad("A CNAME record set cannot be created at the zone apex.".to_owned());
    }
    Ok(())
}

/// A CNAME shares its name with no other record set.
fn check_alone(call: &Call<'_>, subject: &Subject, name: &str, kind: &str) -> Result<(), Failure> {
    let name = name.to_lowercase();
    let clashes = store::keys_of_children(call.tx, &subject.parent, RECORDS)?.into_iter().any(|key| {
        let mut words = key.rsplit('/');
        let same_name = words.next() == Some(&name);
        same_name && key != subject.key && (kind == "CNAME" || words.next() == Some("cname"))
    });
    if clashes {
        return Err(Failure::new(
            400,
            "BadRequest",
            format!(
                "The record set '{name}' could not be created: a CNAME record set shares its name with no other record set."
            ),
        ));
    }
    Ok(())
}

/// Record sets of a zone: of one type, or all.
pub(super) fn record_sets(call: &Call<'_>, typed: &Typed) -> Result<Answer, Failure> {
    resource::group(call, &call.route.group_key().unwrap_or_default())?;
    let zone = call.route.key.rsplit_once('/').map_or("", |(zone, _)| zone);
    if !store::exists(call.tx, zone)? {
        return Err(Failure::missing(zone));
    }
    let mut query = Query::in_subscription(&call.route.subscription);
    query.and("parent = ?", zone.to_owned());
    if typed.kind.family == Family::RecordSet {
        query.and("type = ?", typed.kind.lower());
    } else {
        query.and("type LIKE ?", RECORDS.to_owned());
    }
    query.page(call.tx, &call.paging()?, None)
}
