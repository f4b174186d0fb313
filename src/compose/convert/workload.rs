//! The workload of a component: one Pod with each of its services as a container, by a Deployment, or by a Job for
//! services that end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::compose::convert::components::{Component, Tries};
use crate::compose::convert::config::{FileSet, Mounted};
use crate::compose::convert::order::{self, Role};
use crate::compose::convert::service::{self, Container, SUB_PATHS};
use crate::compose::convert::volume;
use crate::compose::convert::{CONTENT_HASH, Context, RenderedObject, VolumeInput, path};
use crate::compose::model::{FileUse, MountSource, Service};
use crate::compose::names;
use crate::compose::support::nearest;
use crate::compose::syntax::quantity_of_bytes;
use crate::diag::{Diagnostic, Location};

/// The image of the init container that makes folders in volumes.
const SUB_PATHS_IMAGE: &str = "busybox:1.36";
/// Name servers that a Pod may have.
const MAX_NAMESERVERS: usize = 3;

/// The Deployment or Job; nothing when there is no service.
pub(super) fn workload(cx: &mut Context<'_>, files: &FileSet, component: &Component<'_>) -> Option<RenderedObject> {
    if component.services.is_empty() {
        return None;
    }
    let order = order::order(cx, &component.services);
    let mut pod = Pod::default();
    let mut main = Vec::new();
    let mut before = Vec::new();
    for &service in &component.services {
        let mounts = pod.mounts(cx, files, service);
        let role = order.roles.get(service.name.as_str()).copied().unwrap_or(Role::Container);
        if component.job.is_none() {
            restart(cx, service, role);
        }
        let ends = role == Role::Init || component.job.is_some();
        let container = service::container(cx, component.keeper(), service, (role, ends), &mounts);
        if role == Role::Container { main.push(container) } else { before.push((service.name.as_str(), container)) }
    }
    let rank: BTreeMap<&str, usize> = order.init.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    before.sort_by_key(|(name, _)| rank.get(name).copied());
    if main.is_empty() && !cx.diagnostics.has_errors() {
        let message = "every service is waited for to complete; nothing is left to run";
        cx.diagnostics.push(Diagnostic::error("compose-dependency", message));
    }

    let mut spec = Map::new();
    let mut sensitive = Vec::new();
    let init: Vec<Container> = pod.sub_path_container().into_iter().chain(before.into_iter().map(|(_, c)| c)).collect();
    let hash = content_hash(cx, files, &pod, component);
    put_containers(&mut spec, &mut sensitive, "containers", main);
    if !init.is_empty() {
        put_containers(&mut spec, &mut sensitive, "initContainers", init);
    }
    let claimed = component.volumes(&pod.mounted, cx);
    let volumes = pod.volumes(cx, files, &claimed);
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), volumes.into());
    }
    spec.insert("automountServiceAccountToken".to_owned(), false.into());
    if component.job.is_some() {
        spec.insert("restartPolicy".to_owned(), "Never".into());
    }
    placement(cx, &mut spec);
    component.follow_disks(cx, &claimed, &mut spec);
    pod_fields(cx, &component.services, &order, &mut spec);
    let annotations = annotations(cx, &component.services, &hash, &mut sensitive);
    let pull = names::pull_secret(cx.app(), component.keeper());
    if cx.input.live_secret_hashes.contains_key(&pull) {
        spec.insert("imagePullSecrets".to_owned(), json!([{ "name": pull }]));
    }

    sensitive.push(path(&[&"spec", &"template", &"metadata", &"annotations", &CONTENT_HASH]));
    let name = names::component(cx.app(), &component.name);
    let labels = cx.component_labels(&component.name);
    let mut after = vec![cx.after_namespace(), ("NetworkPolicy".to_owned(), cx.app().to_owned())];
    after.extend(claimed.iter().map(|volume| ("PersistentVolumeClaim".to_owned(), volume::address(volume))));
    after.extend(files.objects.iter().map(|object| (object.address_kind.clone(), object.address_name.clone())));
    let template = json!({ "metadata": { "labels": labels, "annotations": annotations }, "spec": spec });
    let (api_version, kind, spec) = match component.job {
        None => (
            "apps/v1",
            "Deployment",
            json!({
                "replicas": 1,
                "strategy": { "type": "Recreate" },
                "selector": { "matchLabels": cx.selector(&component.name) },
                "template": template,
            }),
        ),
        // Its selector is the server's. A new Pod comes only when the one before has ended, as with Recreate: else two
        // would write to one disk.
        Some(Tries(tries)) => (
            "batch/v1",
            "Job",
            json!({ "backoffLimit": tries, "podReplacementPolicy": "Failed", "template": template }),
        ),
    };
    Some(RenderedObject {
        body: json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": { "name": name, "namespace": cx.namespace, "labels": labels },
            "spec": spec,
        }),
        sensitive,
        address_kind: kind.to_owned(),
        address_name: name,
        after,
        // The last one of a Job is what it is for.
        origin: match component.job {
            None => component.services.first().map(|service| service.location.clone()),
            Some(_) => component.services.last().map(|service| service.location.clone()),
        },
    })
}

fn put_containers(
    spec: &mut Map<String, Value>,
    sensitive: &mut Vec<Vec<String>>,
    key: &str,
    containers: Vec<Container>,
) {
    let mut bodies = Vec::with_capacity(containers.len());
    for (index, container) in containers.into_iter().enumerate() {
        for leaf in container.sensitive {
            let mut full = path(&[&"spec", &"template", &"spec", &key, &index]);
            full.extend(leaf);
            sensitive.push(full);
        }
        bodies.push(container.body);
    }
    spec.insert(key.to_owned(), bodies.into());
}

fn restart(cx: &mut Context<'_>, service: &Service, role: Role) {
    let Some(restart) = &service.restart else { return };
    let policy = restart.value.split(':').next().unwrap_or_default();
    match policy {
        "" | "always" | "unless-stopped" => {}
        "no" | "on-failure" if role == Role::Init => {}
        "no" | "on-failure" => {
            let message = format!("{}: restart {policy} is not kept: its container is always restarted", service.name);
            let finding = Diagnostic::warning("compose-restart", message).help(
                "a service that ends should be waited for with depends_on: condition: service_completed_successfully",
            );
            cx.push(finding, &restart.location);
        }
        other => {
            let message = format!("{}: restart {other} is not known", service.name);
            cx.error("compose-restart", message, &restart.location);
        }
    }
}

/// What the containers use of the Pod, collected on the way.
#[derive(Default)]
struct Pod {
    /// The app's volumes that are mounted.
    mounted: BTreeSet<String>,
    /// Folders to make, by volume.
    sub_paths: BTreeMap<String, BTreeSet<String>>,
    /// Configs in use with their file mode.
    configs: BTreeMap<String, Option<u32>>,
    /// Secrets in use with their file mode.
    secrets: BTreeMap<String, Option<u32>>,
    /// Memory volumes by name.
    memory: BTreeMap<String, Option<u64>>,
}

impl Pod {
    /// The mounts of one service.
    fn mounts(&mut self, cx: &mut Context<'_>, files: &FileSet, service: &Service) -> Vec<Value> {
        // Targets that are taken, by what.
        let mut taken: BTreeMap<String, &'static str> = BTreeMap::new();
        let mut mounts = Vec::new();
        for (uses, kind, prefix, known, modes) in [
            (&service.configs, "config", "cfg", &files.configs, &mut self.configs),
            (&service.secrets, "secret", "sec", &files.secrets, &mut self.secrets),
        ] {
            for file in uses {
                let Some(Mounted { name, key, .. }) = known.get(&file.source) else { continue };
                if taken.insert(file.target.clone(), kind).is_some() {
                    let message = format!("{}: two files are mounted at {}", service.name, file.target);
                    cx.error("compose-target", message, &file.location);
                    continue;
                }
                let mode = *modes.entry(file.source.clone()).or_insert(file.mode);
                if mode != file.mode {
                    let message = format!("{kind} {} is used with two different modes", file.source);
                    cx.error("compose-file-mode", message, &file.location);
                }
                readable(cx, service, kind, file);
                mounts.push(json!({
                    "name": format!("{prefix}-{name}"),
                    "mountPath": file.target,
                    "subPath": key,
                    "readOnly": true,
                }));
            }
        }
        let mut volumes = Vec::new();
        for mount in &service.mounts {
            let Some(volume) = volume_of(cx, service, &mount.source, &mount.location) else { continue };
            if covered(cx, service, &taken, &mount.target, &mount.location) {
                continue;
            }
            taken.insert(mount.target.clone(), "volume");
            self.mounted.insert(volume.name.clone());
            let mut body = json!({ "name": volume.name, "mountPath": mount.target });
            if !mount.sub_path.is_empty() {
                body["subPath"] = mount.sub_path.clone().into();
                self.sub_paths.entry(volume.name.clone()).or_default().insert(mount.sub_path.clone());
            }
            if mount.read_only {
                body["readOnly"] = true.into();
            }
            volumes.push(body);
        }
        for tmpfs in &service.tmpfs {
            if covered(cx, service, &taken, &tmpfs.target, &tmpfs.location) {
                continue;
            }
            taken.insert(tmpfs.target.clone(), "tmpfs");
            let name = format!("tmp-{}", names::hash(format!("{}:{}", service.name, tmpfs.target).as_bytes()));
            self.memory.insert(name.clone(), tmpfs.size);
            volumes.push(json!({ "name": name, "mountPath": tmpfs.target }));
        }
        volumes.extend(mounts);
        volumes
    }

    /// Makes the folders, so that a container without root can write to its own.
    fn sub_path_container(&self) -> Option<Container> {
        if self.sub_paths.is_empty() {
            return None;
        }
        let mut lines: Vec<String> = Vec::new();
        for (volume, paths) in &self.sub_paths {
            for sub_path in paths {
                let folder = format!("/work/{volume}/{sub_path}");
                // Control characters were refused when the path was read, so quoting cannot fail.
                let quoted = shlex::try_quote(&folder).map(|quoted| quoted.into_owned()).unwrap_or(folder);
                // A command is expanded by the kubelet, a subPath is not.
                lines.push(service::literal(&format!("mkdir -m 1777 -p {quoted}")));
            }
        }
        lines.sort();
        let mounts: Vec<Value> = self
            .sub_paths
            .keys()
            .map(|volume| json!({ "name": volume, "mountPath": format!("/work/{volume}") }))
            .collect();
        let body = json!({
            "name": SUB_PATHS,
            "image": SUB_PATHS_IMAGE,
            "command": ["sh", "-c", lines.join("\n")],
            "volumeMounts": mounts,
        });
        Some(Container { body, sensitive: Vec::new() })
    }

    /// The Pod's volumes: the app's in their order, then configs, secrets and memory by name.
    fn volumes(&self, cx: &mut Context<'_>, files: &FileSet, claimed: &[&VolumeInput]) -> Vec<Value> {
        let mut volumes = claims(cx, claimed);
        for (name, mode) in &self.configs {
            if let Some(mounted) = files.configs.get(name) {
                let mut source = json!({ "name": mounted.object });
                if let Some(mode) = mode {
                    source["defaultMode"] = (*mode).into();
                }
                volumes.push(json!({ "name": format!("cfg-{}", mounted.name), "configMap": source }));
            }
        }
        for (name, mode) in &self.secrets {
            if let Some(mounted) = files.secrets.get(name) {
                let mut source = json!({ "secretName": mounted.object });
                if let Some(mode) = mode {
                    source["defaultMode"] = (*mode).into();
                }
                volumes.push(json!({ "name": format!("sec-{}", mounted.name), "secret": source }));
            }
        }
        for (name, size) in &self.memory {
            let mut source = json!({ "medium": "Memory" });
            if let Some(size) = size {
                source["sizeLimit"] = quantity_of_bytes(*size).into();
            }
            volumes.push(json!({ "name": name, "emptyDir": source }));
        }
        let mut seen = BTreeSet::new();
        for volume in &volumes {
            let name = volume["name"].as_str().unwrap_or_default();
            if !seen.insert(name) {
                let message = format!("two volumes of the Pod would be named {name}; rename one");
                cx.diagnostics.push(Diagnostic::error("compose-name", message));
            }
        }
        volumes
    }
}

/// Volumes of the app as Pod volumes, in their order.
pub(super) fn claims(cx: &Context<'_>, volumes: &[&VolumeInput]) -> Vec<Value> {
    let claim = |volume: &&VolumeInput| json!({ "name": volume.name, "persistentVolumeClaim": { "claimName": volume::name(cx, volume) } });
    volumes.iter().map(claim).collect()
}

/// A file that its owner alone may read is of no use to a process that is not root: files belong to root.
fn readable(cx: &mut Context<'_>, service: &Service, kind: &str, file: &FileUse) {
    let (Some(mode), Some((user, group))) = (file.mode, service.user) else { return };
    let open = mode & 0o004 != 0 || user == 0 || (mode & 0o040 != 0 && group == Some(0));
    if !open {
        let message = format!(
            "{}: the {kind} {} has mode {mode:04o} and belongs to root, but the process runs as {user}",
            service.name, file.source
        );
        let finding = Diagnostic::warning("compose-file-mode", message).help("give it mode 0444");
        cx.push(finding, &file.location);
    }
}

/// Annotations of the Pod: those of its services, and the hash over what it refers to.
fn annotations(
    cx: &mut Context<'_>,
    services: &[&Service],
    hash: &str,
    sensitive: &mut Vec<Vec<String>>,
) -> Map<String, Value> {
    let mut annotations = Map::new();
    for service in services {
        for (key, text) in &service.annotations {
            let reserved = key
                .split_once('/')
                .is_some_and(|(domain, _)| domain == "kompox.dev" || domain.ends_with(".kompox.dev"));
            let other = annotations.get(key).filter(|other| **other != text.value.value);
            let fault = if !names::is_qualified_name(key) {
                "is no name that Kubernetes takes"
            } else if reserved {
                "is one of kompox's own"
            } else if other.is_some() {
                "has another value in another service of the Pod"
            } else {
                if text.value.sensitive {
                    sensitive.push(path(&[&"spec", &"template", &"metadata", &"annotations", key]));
                }
                annotations.insert(key.clone(), text.value.value.clone().into());
                continue;
            };
            let message = format!("{}: the annotation {key} is left out: it {fault}", service.name);
            cx.push(Diagnostic::warning("compose-annotation", message), &text.location);
        }
    }
    annotations.insert(CONTENT_HASH.to_owned(), hash.into());
    annotations
}

fn volume_of<'a>(
    cx: &mut Context<'a>,
    service: &Service,
    source: &MountSource,
    location: &Location,
) -> Option<&'a VolumeInput> {
    let volumes = &cx.input.volumes;
    let (found, message) = match source {
        MountSource::First => {
            (volumes.first(), format!("{}: a relative path needs a volume, and the app has none", service.name))
        }
        MountSource::Named(name) => (
            volumes.iter().find(|volume| volume.name == *name),
            format!("{}: the app has no volume {name}", service.name),
        ),
    };
    if found.is_none() {
        let known: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
        let mut finding = Diagnostic::error("compose-volume-undeclared", message);
        let near = match source {
            MountSource::Named(name) => nearest(name, known.iter().copied()),
            MountSource::First => None,
        };
        finding = match near {
            Some(near) => finding.help(format!("did you mean \"{near}\"?")),
            None => finding.help("add it to the app's spec.volumes with a size; nothing is made up"),
        };
        cx.push(finding, location);
    }
    found
}

/// Whether something stronger is mounted at the target already.
fn covered(
    cx: &mut Context<'_>,
    service: &Service,
    taken: &BTreeMap<String, &'static str>,
    target: &str,
    location: &Location,
) -> bool {
    let Some(by) = taken.get(target) else { return false };
    let message = format!("{}: {target} is taken by a {by}; this mount is left out", service.name);
    cx.push(Diagnostic::warning("compose-target", message), location);
    true
}

/// The hash over everything the Pod refers to: the live pull Secret, envFrom by container name, then volumes.
fn content_hash(cx: &Context<'_>, files: &FileSet, pod: &Pod, component: &Component<'_>) -> String {
    let live = &cx.input.live_secret_hashes;
    let of = |name: &String| files.hashes.get(name).or_else(|| live.get(name)).map_or("", String::as_str);
    let mut hashes: Vec<&str> = Vec::new();
    if let Some(pull) = live.get(&names::pull_secret(cx.app(), component.keeper())) {
        hashes.push(pull);
    }
    let mut containers: Vec<&str> = component.services.iter().map(|service| service.name.as_str()).collect();
    containers.sort_unstable();
    for container in containers {
        hashes.extend(service::env_from(cx, component.keeper(), container).iter().map(of));
    }
    let mounted = |uses: &BTreeMap<String, Option<u32>>, known: &'_ BTreeMap<String, Mounted>| -> Vec<String> {
        uses.keys().filter_map(|name| known.get(name)).map(|mounted| mounted.object.clone()).collect()
    };
    let objects: Vec<String> =
        mounted(&pod.configs, &files.configs).into_iter().chain(mounted(&pod.secrets, &files.secrets)).collect();
    hashes.extend(objects.iter().map(of));
    names::pod_content_hash(&hashes)
}

/// Node pool and zone: a selector for one, an affinity for several.
pub(super) fn placement(cx: &Context<'_>, spec: &mut Map<String, Value>) {
    let mut selector = Map::new();
    let mut expressions = Vec::new();
    let input = cx.input;
    for (key, values, single, default) in [
        ("kompox.dev/node-pool", &input.pools, input.single_pool, Some("user")),
        ("kompox.dev/node-zone", &input.zones, input.single_zone, None),
    ] {
        match (values.first(), single) {
            (None, _) => {
                if let Some(default) = default {
                    selector.insert(key.to_owned(), default.into());
                }
            }
            (Some(one), true) => {
                selector.insert(key.to_owned(), one.clone().into());
            }
            (Some(_), false) => expressions.push(json!({ "key": key, "operator": "In", "values": values })),
        }
    }
    if !selector.is_empty() {
        spec.insert("nodeSelector".to_owned(), selector.into());
    }
    if !expressions.is_empty() {
        spec.insert(
            "affinity".to_owned(),
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchExpressions": expressions }],
            } } }),
        );
    }
}

/// Fields of the Pod that compose says per service: what fits all is taken.
fn pod_fields(cx: &mut Context<'_>, services: &[&Service], order: &order::Order<'_>, spec: &mut Map<String, Value>) {
    hostname(cx, services, spec);
    if let Some(grace) = grace_period(services, order) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), grace.into());
    }

    let mut context = Map::new();
    let groups: BTreeSet<i64> = services.iter().flat_map(|service| service.group_add.iter().copied()).collect();
    if !groups.is_empty() {
        context.insert("supplementalGroups".to_owned(), json!(groups));
    }
    let mut sysctls: BTreeMap<&str, &str> = BTreeMap::new();
    for service in services {
        for (name, value) in &service.sysctls {
            if *sysctls.entry(name).or_insert(&value.value) != value.value {
                let message = format!("two services set {name} to different values, but they share one Pod");
                cx.error("compose-sysctl", message, &value.location);
            }
        }
    }
    if !sysctls.is_empty() {
        let list: Vec<Value> = sysctls.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        context.insert("sysctls".to_owned(), list.into());
    }
    if !context.is_empty() {
        spec.insert("securityContext".to_owned(), context.into());
    }

    let mut hosts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (address, host) in services.iter().flat_map(|service| &service.extra_hosts) {
        hosts.entry(address).or_default().insert(host);
    }
    if !hosts.is_empty() {
        let list: Vec<Value> =
            hosts.iter().map(|(address, names)| json!({ "ip": address, "hostnames": names })).collect();
        spec.insert("hostAliases".to_owned(), list.into());
    }
    dns(cx, services, spec);
}

/// The time that docker gives a service that says nothing.
const DOCKER_GRACE: i64 = 10;
/// The time that Kubernetes gives a Pod that says nothing.
const DEFAULT_GRACE: i64 = 30;

/// How long the Pod may take to end, so that each service has the time that docker gives it. Its containers end together;
/// then its sidecars, the last one first and one after another, in what is left of the same time (Kubernetes, "Sidecar
/// Containers"). Never zero: the API server forgets such a Pod at once, while its containers may run still, and the next
/// one would write beside them.
fn grace_period(services: &[&Service], order: &order::Order<'_>) -> Option<i64> {
    let of = |role: Role| {
        let of_role = move |service: &&&Service| order.roles.get(service.name.as_str()).is_none_or(|own| *own == role);
        services.iter().filter(of_role).map(|service| service.stop_grace_period.unwrap_or(DOCKER_GRACE))
    };
    let total = of(Role::Sidecar).fold(of(Role::Container).max().unwrap_or(0), i64::saturating_add);
    let said = services.iter().any(|service| service.stop_grace_period.is_some());
    (said || total > DEFAULT_GRACE).then(|| total.max(1))
}

/// The host name of the Pod, where its services agree.
fn hostname(cx: &mut Context<'_>, services: &[&Service], spec: &mut Map<String, Value>) {
    let mut named = services.iter().filter_map(|service| Some((service, service.hostname.as_ref()?)));
    let Some((_, first)) = named.next() else { return };
    if let Some((service, other)) = named.find(|(_, other)| other.value != first.value) {
        let message = format!(
            "{}: hostname {} and {} cannot both be that of one Pod; neither is used",
            service.name, other.value, first.value
        );
        cx.push(Diagnostic::warning("compose-hostname", message), &other.location);
    } else {
        spec.insert("hostname".to_owned(), first.value.clone().into());
    }
}

fn dns(cx: &mut Context<'_>, services: &[&Service], spec: &mut Map<String, Value>) {
    let collect = |pick: fn(&Service) -> &Vec<String>| -> Vec<&str> {
        let mut list: Vec<&str> = Vec::new();
        for text in services.iter().copied().flat_map(pick) {
            if !list.contains(&text.as_str()) {
                list.push(text);
            }
        }
        list
    };
    let servers = collect(|service| &service.dns);
    let searches = collect(|service| &service.dns_search);
    let options = collect(|service| &service.dns_opt);
    let mut config = Map::new();
    if !servers.is_empty() {
        config.insert("nameservers".to_owned(), json!(servers));
    }
    if !searches.is_empty() {
        config.insert("searches".to_owned(), json!(searches));
    }
    if !options.is_empty() {
        let list: Vec<Value> = options
            .iter()
            .map(|option| match option.split_once(':') {
                Some((name, value)) => json!({ "name": name, "value": value }),
                None => json!({ "name": option }),
            })
            .collect();
        config.insert("options".to_owned(), list.into());
    }
    let too_many = servers.len() > MAX_NAMESERVERS;
    if !config.is_empty() {
        spec.insert("dnsConfig".to_owned(), config.into());
    }
    if too_many {
        let message = format!("dns: the services name more than {MAX_NAMESERVERS} servers, and they share one Pod");
        cx.diagnostics.push(Diagnostic::error("compose-dns", message));
    }
}
