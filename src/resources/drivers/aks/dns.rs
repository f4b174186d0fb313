//! DNS records of an app's hosts, in the zone of longest match among those that the cluster may write.

use serde_json::json;

use super::kinds;
use super::managed::Managed;
use crate::engine::address::Address;
use crate::engine::value::Value;
use crate::kom::model::App;
use crate::resources::scope::Builder;

/// Seconds that a record is cached.
const TTL: u32 = 300;

/// The zone of longest match for a host: its ARM id and the record's name in it (`@` for the zone itself).
fn zone_of<'a>(zones: &'a [String], host: &str) -> Option<(&'a str, String)> {
    let matching = zones.iter().filter_map(|id| {
        let zone = id.rsplit('/').next()?;
        if host.eq_ignore_ascii_case(zone) {
            return Some((zone.len(), id.as_str(), "@".to_owned()));
        }
        let cut = host.len().checked_sub(zone.len() + 1)?;
        let (record, rest) = host.split_at_checked(cut)?;
        let suffix = rest.strip_prefix('.')?;
        suffix.eq_ignore_ascii_case(zone).then(|| (zone.len(), id.as_str(), record.to_owned()))
    });
    matching.max_by_key(|(length, ..)| *length).map(|(_, id, record)| (id, record))
}

/// Adds a record for each host that a zone matches; it points at the address of the ingress Service.
pub(super) fn expand(builder: &mut Builder<'_>, home: &Managed<'_>, app: &App, hosts: &[String], service: &Address) {
    for host in hosts {
        let Some((zone, record)) = zone_of(&home.settings.dns_zones, host) else { continue };
        let mut desired = Value::from(json!({
            "id": format!("{zone}/A/{record}"),
            "properties": {"TTL": TTL, "metadata": {"managed-by": "kompox", "kompox-lineage": builder.state.lineage}},
        }));
        let mut address = Value::object();
        address.set(&["ipv4Address"], Value::output(service, "/status/loadBalancer/ingress/0/ip"));
        desired.set(&["properties", "ARecords"], Value::Array([address].into()));
        let at = Address::new(app.meta.id.as_str(), kinds::DNS_RECORD.name, host);
        builder.add(at, &kinds::DNS_RECORD, &home.account.key, desired, &app.meta.location);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_zone_wins() {
        let zones = ["/z/example.com".to_owned(), "/z/apps.example.com".to_owned()];
        let of = |host| zone_of(&zones, host).map(|(id, record)| (id.to_owned(), record));
        assert_eq!(of("git.apps.example.com"), Some(("/z/apps.example.com".into(), "git".into())));
        assert_eq!(of("apps.example.com"), Some(("/z/apps.example.com".into(), "@".into())));
        assert_eq!(of("a.b.example.com"), Some(("/z/example.com".into(), "a.b".into())));
        assert_eq!(of("badexample.com"), None);
    }
}
