//! What only kinds can tell a reviewer: what goes with an object, what its parts may do and which data they read, what it
//! opens to the public.

use std::collections::HashMap;

use serde_json::Value;

use super::carry::carry_over;
use crate::advice::Advice;
use crate::compose::convert::is_ours;
use crate::engine::kind::{Loss, Mount, Part, Review, Use};
use crate::kom::MOVED_FROM_ANNOTATION;
use kompox_rules::pod_security::{CAPABILITIES, SYSCTLS};

/// A workload.
pub(super) const WORKLOAD: Review = Review {
    loss: Some(Loss { code: "workload-deleted", text: "stops, and nothing takes its place" }),
    parts: Some(parts),
    carry_over: Some(carry_over),
    renamed: Some(renamed),
    ..Review::NONE
};

/// A workload that ends by itself.
pub(super) const JOB: Review =
    Review { parts: Some(parts), carry_over: Some(carry_over), renamed: Some(renamed), ..Review::NONE };

/// An Ingress.
pub(super) const INGRESS: Review = Review { opens: Some(hosts), ..Review::NONE };

/// A Service.
pub(super) const SERVICE: Review = Review { opens: Some(public_ports), ..Review::NONE };

/// Programs whose files one major version writes and another cannot read, by the last step of the image's name.
const DATABASES: [&str; 27] = [
    "cassandra",
    "clickhouse",
    "clickhouse-server",
    "cockroach",
    "couchdb",
    "elasticsearch",
    "etcd",
    "influxdb",
    "mariadb",
    "meilisearch",
    "mongo",
    "mongodb",
    "mysql",
    "mysql-server",
    "neo4j",
    "opensearch",
    "percona",
    "percona-server",
    "pgvector",
    "postgis",
    "postgres",
    "postgresql",
    "redis",
    "server",
    "solr",
    "timescaledb",
    "valkey",
];

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// The containers of a workload, each with the places on claimed volumes that it mounts. Those that hold
/// disks, make folders and fill them are ours: nothing of them works in a place.
pub(super) fn containers(object: &Value) -> Vec<(&Value, Vec<Mount>)> {
    let Some(pod) = object.pointer("/spec/template/spec") else { return Vec::new() };
    let namespace = text(object, "/metadata/namespace").unwrap_or_default();
    let claims: HashMap<&str, String> = items(pod, "/volumes")
        .filter_map(|volume| {
            let claim = text(volume, "/persistentVolumeClaim/claimName")?;
            Some((text(volume, "/name")?, format!("{namespace}/{claim}")))
        })
        .collect();
    let containers = items(pod, "/initContainers").chain(items(pod, "/containers"));
    let containers = containers.filter(|container| text(container, "/name").is_none_or(|name| !is_ours(name)));
    let mounts = |container| {
        let name = text(container, "/name").unwrap_or_default();
        let mounts = items(container, "/volumeMounts").filter_map(|mount| {
            let called = text(mount, "/name")?;
            let place = Use {
                part: name.to_owned(),
                volume: claims.get(called)?.clone(),
                folder: text(mount, "/subPath").unwrap_or_default().to_owned(),
            };
            let path = text(mount, "/mountPath").unwrap_or_default().to_owned();
            Some(Mount { place, called: called.to_owned(), path })
        });
        (container, mounts.collect())
    };
    containers.map(mounts).collect()
}

/// The containers of a workload. What concerns the whole Pod is told of a part without a name.
fn parts(object: &Value) -> Vec<Part> {
    let Some(pod) = object.pointer("/spec/template/spec") else { return Vec::new() };
    let part = |(container, mounts): (&Value, Vec<Mount>)| Part {
        name: text(container, "/name").unwrap_or_default().to_owned(),
        covers: covers(container, &mounts),
        mounts,
        reads: text(container, "/image").and_then(database),
        powers: powers(container),
    };
    let mut parts: Vec<Part> = containers(object).into_iter().map(part).collect();
    parts.push(Part { powers: pod_powers(pod), ..Part::default() });
    parts
}

/// Where a container mounts what is no claimed volume: memory, a config, a secret.
fn covers(container: &Value, claimed: &[Mount]) -> Vec<String> {
    let paths = items(container, "/volumeMounts").filter_map(|mount| text(mount, "/mountPath"));
    paths.filter(|path| claimed.iter().all(|mount| mount.path != *path)).map(str::to_owned).collect()
}

/// The line by which an app says that it had this Resource ID before (`docs/manifests.md`).
fn renamed(id: &str) -> Vec<Advice> {
    vec![
        "if it is the same app under another name, say so among its metadata.annotations, then plan again:".into(),
        Advice::write(format!("    {MOVED_FROM_ANNOTATION}: {id}")),
    ]
}

/// Program and major version of a database's image.
fn database(image: &str) -> Option<(String, String)> {
    let image = image.split('@').next()?;
    let (name, tag) = image.rsplit('/').next()?.split_once(':')?;
    // `server` is Microsoft's SQL Server, whose image has no other name.
    if !DATABASES.contains(&name) || name == "server" && !image.contains("mssql/") {
        return None;
    }
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let tag = tag.trim_start_matches('v');
    let mut major = digits(tag);
    // pgvector and TimescaleDB name PostgreSQL's version behind `pg`, which is the one that matters.
    if let Some((_, version)) = tag.rsplit_once("pg")
        && !digits(version).is_empty()
    {
        major = digits(version);
    }
    (!major.is_empty()).then(|| (name.to_owned(), major))
}

/// What a container may do beyond its own walls.
fn powers(container: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if is_true(container, "/securityContext/privileged") {
        found.push("privileged".to_owned());
    }
    for capability in items(container, "/securityContext/capabilities/add").filter_map(Value::as_str) {
        let name = capability.strip_prefix("CAP_").unwrap_or(capability);
        if !CAPABILITIES.iter().any(|usual| usual.eq_ignore_ascii_case(name)) {
            found.push(format!("capability {name}"));
        }
    }
    found.extend(unconfined(container));
    if text(container, "/securityContext/procMount").is_some_and(|mount| mount != "Default") {
        found.push("all of /proc".to_owned());
    }
    for port in items(container, "/ports") {
        if let Some(port) = port.get("hostPort").and_then(Value::as_u64).filter(|port| *port > 0) {
            found.push(format!("port {port} of its node"));
        }
    }
    if items(container, "/volumeDevices").next().is_some() {
        found.push("a raw device".to_owned());
    }
    found
}

/// What takes the kernel's confinement off: seccomp, AppArmor, SELinux.
fn unconfined(holder: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (pointer, what) in [
        ("/securityContext/seccompProfile/type", "no seccomp"),
        ("/securityContext/appArmorProfile/type", "no AppArmor"),
    ] {
        if text(holder, pointer) == Some("Unconfined") {
            found.push(what.to_owned());
        }
    }
    let selinux = "/securityContext/seLinuxOptions";
    let usual = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let kind = text(holder, &format!("{selinux}/type")).unwrap_or_default();
    let named = |key: &str| text(holder, &format!("{selinux}/{key}")).is_some_and(|value| !value.is_empty());
    if !usual.contains(&kind) || named("user") || named("role") {
        found.push("SELinux options of its own".to_owned());
    }
    found
}

/// What a Pod may do beyond its own walls.
fn pod_powers(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, what) in
        [("/hostNetwork", "its node's network"), ("/hostPID", "its node's processes"), ("/hostIPC", "its node's IPC")]
    {
        if is_true(pod, key) {
            found.push(what.to_owned());
        }
    }
    if pod.get("hostUsers").and_then(Value::as_bool) == Some(true) {
        found.push("its node's users".to_owned());
    }
    for volume in items(pod, "/volumes") {
        if let Some(path) = text(volume, "/hostPath/path") {
            found.push(format!("{path} of its node"));
        }
    }
    for sysctl in items(pod, "/securityContext/sysctls") {
        let name = text(sysctl, "/name").unwrap_or_default();
        if !SYSCTLS.contains(&name) {
            found.push(format!("sysctl {name}"));
        }
    }
    found.extend(unconfined(pod));
    found
}

fn hosts(object: &Value) -> Vec<String> {
    let of_rules = items(object, "/spec/rules").map(|rule| text(rule, "/host").unwrap_or("any host").to_owned());
    let catch_all = object.pointer("/spec/defaultBackend").is_some().then(|| "any host".to_owned());
    of_rules.chain(catch_all).collect()
}

/// A load balancer has an address of its own; so has a node's port, as far as its network lets anybody through.
fn public_ports(object: &Value) -> Vec<String> {
    let kind = text(object, "/spec/type").unwrap_or_default();
    let internal = "/metadata/annotations/service.beta.kubernetes.io~1azure-load-balancer-internal";
    if !matches!(kind, "LoadBalancer" | "NodePort") || text(object, internal) == Some("true") {
        return Vec::new();
    }
    let name = text(object, "/metadata/name").unwrap_or_default();
    let port = |port: &Value| {
        let number = port.get("port").and_then(Value::as_u64)?;
        Some(format!("port {number}/{} of {name} ({kind})", text(port, "/protocol").unwrap_or("TCP")))
    };
    items(object, "/spec/ports").filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn databases_are_known_by_their_images() {
        let of = |image: &str| database(image).map(|(name, major)| format!("{name} {major}"));
        assert_eq!(of("postgres:17-alpine").as_deref(), Some("postgres 17"));
        assert_eq!(of("docker.io/library/postgres:16.4@sha256:ab").as_deref(), Some("postgres 16"));
        assert_eq!(of("localhost:5000/mariadb:11.4").as_deref(), Some("mariadb 11"));
        assert_eq!(of("pgvector/pgvector:0.8.0-pg17").as_deref(), Some("pgvector 17"));
        assert_eq!(of("mcr.microsoft.com/mssql/server:2022-latest").as_deref(), Some("server 2022"));
        for none in ["nginx:1.27", "postgres", "postgres:latest", "localhost:5000/postgres", "gitea/server:1"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn powers_are_what_the_level_baseline_forbids() {
        let pod = json!({"metadata": {"namespace": "n"}, "spec": {"template": {"spec": {
            "hostPID": true, "hostNetwork": false,
            "volumes": [{"name": "h", "hostPath": {"path": "/var/run/docker.sock"}}],
            "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}, {"name": "net.ipv4.tcp_syncookies", "value": "1"}]},
            "containers": [
                {"name": "a", "securityContext": {"privileged": true, "capabilities": {"add": ["ALL", "CHOWN", "CAP_SYS_ADMIN"]}}},
                {"name": "b", "ports": [{"containerPort": 1, "hostPort": 80}], "securityContext": {"seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}, "seLinuxOptions": {"type": "spc_t"}, "procMount": "Unmasked"}},
                {"name": "c", "securityContext": {"privileged": false, "seccompProfile": {"type": "RuntimeDefault"}, "capabilities": {"add": ["NET_BIND_SERVICE"]}}},
            ],
        }}}});
        let told: Vec<String> =
            parts(&pod).iter().map(|part| format!("{}: {}", part.name, part.powers.join(", "))).collect();
        assert_eq!(
            told,
            [
                "a: privileged, capability ALL, capability SYS_ADMIN",
                "b: no seccomp, no AppArmor, SELinux options of its own, all of /proc, port 80 of its node",
                "c: ",
                ": its node's processes, /var/run/docker.sock of its node, sysctl net.core.somaxconn",
            ]
        );
    }

    #[test]
    fn what_anybody_can_reach() {
        assert_eq!(hosts(&json!({"spec": {"rules": [{"host": "a.example.com"}, {}]}})), ["a.example.com", "any host"]);
        let service = |kind: &str, internal: &str| {
            let annotation = json!({"service.beta.kubernetes.io/azure-load-balancer-internal": internal});
            public_ports(&json!({
                "metadata": {"name": "s", "annotations": annotation}, "spec": {"type": kind, "ports": [{"port": 53, "protocol": "UDP"}]},
            }))
        };
        assert_eq!(service("LoadBalancer", ""), ["port 53/UDP of s (LoadBalancer)"]);
        assert!(service("ClusterIP", "").is_empty() && service("LoadBalancer", "true").is_empty());
    }
}
