//! Addresses of load balancers and ingresses.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::admission::add_finalizer;
use super::super::env::Env;
use super::super::kinds::{Resource, by_plural};
use super::super::lifecycle::{self, drop_finalizer};
use super::super::store::{Result, is_deleting, key, map_at, text};

/// Keeps a Service until its load balancer is gone.
const CLEANUP: &str = "service.kubernetes.io/load-balancer-cleanup";

/// Gives a Service of type LoadBalancer its address in the documentation range 203.0.113.0/24 (RFC 5737).
pub fn service(env: &Env<'_>, resource: &Resource, object: &Value, now_ms: i64) -> Result<()> {
    if is_deleting(object) {
        let mut object = object.clone();
        if drop_finalizer(&mut object, CLEANUP) {
            lifecycle::store_or_finish(env, resource, &mut object, now_ms)?;
        }
        return Ok(());
    }
    if text(object, "/spec/type") != "LoadBalancer" {
        return Ok(());
    }
    let uid = Uuid::parse_str(text(object, "/metadata/uid")).unwrap_or_default();
    let address = format!("203.0.113.{}", 1 + uid.as_bytes()[15] % 254);
    let mut new = object.clone();
    add_finalizer(&mut new, CLEANUP);
    map_at(&mut new, &["status"]).insert("loadBalancer".into(), json!({"ingress": [{"ip": address, "ipMode": "VIP"}]}));
    if env.update(resource, object, new, "status", now_ms)?
        && let Some(ingresses) = by_plural("ingresses")
    {
        for ingress in env.store.list(ingresses, "")? {
            let (namespace, name) = key(&ingress);
            env.store.schedule(ingresses.plural, &namespace, &name, now_ms)?;
        }
    }
    Ok(())
}

/// Gives an Ingress the address of the ingress controller's Service.
pub fn ingress(env: &Env<'_>, resource: &Resource, object: &Value, now_ms: i64) -> Result<()> {
    let Some(services) = by_plural("services") else { return Ok(()) };
    let mut address = None;
    for row in env.store.search(services, "traefik", "\"app.kubernetes.io/name\":\"traefik\"")? {
        let service: Value = serde_json::from_str(&row.json)?;
        address = service.pointer("/status/loadBalancer/ingress/0/ip").cloned();
        if address.is_some() {
            break;
        }
    }
    if let Some(ip) = address {
        let mut new = object.clone();
        map_at(&mut new, &["status"]).insert("loadBalancer".into(), json!({"ingress": [{"ip": ip}]}));
        env.update(resource, object, new, "status", now_ms)?;
    }
    Ok(())
}
