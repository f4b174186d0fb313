//! The verdict on every key of the Compose Specification's schema: one table. Readers report by it, and
//! `docs/compose-support.md` is written from it.

use std::fmt::Write as _;

/// What happens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It becomes part of an object, the reader acts on it, or it says what happens anyway.
    Mapped,
    /// It has no meaning here: a note.
    Noted,
    /// Ignoring it may change behaviour: a warning.
    Warned,
    /// It cannot work: an error.
    Refused,
}

impl Verdict {
    /// All of them, from good to bad.
    pub const ALL: [Self; 4] = [Self::Mapped, Self::Noted, Self::Warned, Self::Refused];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Noted => "noted",
            Self::Warned => "warned",
            Self::Refused => "refused",
        }
    }
}

/// One row: a key, its verdict, and what becomes of it or why not. A row holds for everything below its key that has no
/// row of its own.
#[derive(Debug, Clone, Copy)]
pub struct Support {
    /// The key, with dots where it is inside others (`ports.mode`) and a value where the verdict depends on it
    /// (`network_mode: host`). Items of lists and names that users choose add nothing.
    pub key: &'static str,
    /// What happens to it.
    pub verdict: Verdict,
    /// What it becomes, or why it does not.
    pub text: &'static str,
}

const fn mapped(key: &'static str, text: &'static str) -> Support {
    Support { key, verdict: Verdict::Mapped, text }
}
const fn noted(key: &'static str, text: &'static str) -> Support {
    Support { key, verdict: Verdict::Noted, text }
}
const fn warned(key: &'static str, text: &'static str) -> Support {
    Support { key, verdict: Verdict::Warned, text }
}
const fn refused(key: &'static str, text: &'static str) -> Support {
    Support { key, verdict: Verdict::Refused, text }
}

/// The top-level keys, in byte order.
#[rustfmt::skip] // One row, one line.
pub const TOP_LEVEL_KEYS: &[Support] = &[
    mapped("configs", "ConfigMaps of those that a service uses"),
    mapped("configs.content", "the ConfigMap's data"),
    mapped("configs.environment", "the ConfigMap's data, from a variable"),
    mapped("configs.external", "a ConfigMap that exists already"),
    mapped("configs.file", "the ConfigMap's data and key, from a file"),
    noted("configs.labels", "labels are the app's own"),
    mapped("configs.name", "name of an external ConfigMap"),
    noted("configs.template_driver", "contents are taken to the letter, as by docker compose"),
    mapped("include", "the other project is read with its own folder and .env, and becomes part of this one"),
    mapped("include.env_file", "the variables of the other project"),
    mapped("include.path", "the files of the other project"),
    mapped("include.project_directory", "the folder that its paths count from"),
    warned("jobs", "jobs are not run; one that must run first is a service that others wait for"),
    warned("models", "models are not run"),
    mapped("name", "kept in the canonical file; objects are named after the app"),
    noted("networks", "all services share one network"),
    warned("networks.internal", "nothing keeps services from reaching out"),
    mapped("secrets", "Secrets of those that a service uses"),
    noted("secrets.driver", "contents come from file or environment"),
    noted("secrets.driver_opts", "contents come from file or environment"),
    mapped("secrets.environment", "the Secret's data, from a variable"),
    mapped("secrets.external", "a Secret that exists already"),
    mapped("secrets.file", "the Secret's data and key, from a file"),
    noted("secrets.labels", "labels are the app's own"),
    mapped("secrets.name", "name of an external Secret"),
    noted("secrets.template_driver", "contents are taken to the letter, as by docker compose"),
    mapped("services", "containers of one Pod"),
    noted("version", "it means nothing any more"),
    noted("volumes", "the app's own `volumes` decide about size and kind"),
    warned("volumes.driver", "the data is on the app's own disk, not where the driver keeps it"),
    mapped("volumes.driver: local", "it is what happens"),
    warned("volumes.driver_opts", "the data is on the app's own disk, not where the options point"),
];

/// The keys of a service, in byte order.
#[rustfmt::skip] // One row, one line.
pub const SERVICE_KEYS: &[Support] = &[
    mapped("annotations", "annotations of the Pod; of two services that differ in one, the first is kept with a warning"),
    noted("attach", "it concerns the terminal of docker compose up"),
    noted("blkio_config", "Kubernetes has no limits of block input and output"),
    noted("build", "the image is pulled; without `image` it is an error that asks for a pushed image"),
    mapped("cap_add", "securityContext.capabilities.add"),
    mapped("cap_drop", "securityContext.capabilities.drop"),
    noted("cgroup", "every container has control groups of its own"),
    warned("cgroup: host", "every container has control groups of its own"),
    noted("cgroup_parent", "the node decides about control groups"),
    mapped("command", "args"),
    mapped("configs", "ConfigMaps, mounted one file each and read-only"),
    noted("configs.gid", "files belong to root"),
    mapped("configs.mode", "defaultMode of the Pod's volume"),
    mapped("configs.source", "the ConfigMap"),
    mapped("configs.target", "mountPath; `/<config>` by default"),
    noted("configs.uid", "files belong to root"),
    mapped("container_name", "a headless Service, so that the name resolves (a note says so); the container is named as its service"),
    noted("cpu_count", "use deploy.resources or cpus"),
    noted("cpu_percent", "use deploy.resources or cpus"),
    mapped("cpu_period", "resources.limits.cpu, with cpu_quota"),
    mapped("cpu_quota", "resources.limits.cpu: the quota through cpu_period, which is 100000 unless set"),
    warned("cpu_rt_period", "Kubernetes has no real-time scheduling of containers"),
    warned("cpu_rt_runtime", "Kubernetes has no real-time scheduling of containers"),
    noted("cpu_shares", "use deploy.resources.reservations.cpus"),
    mapped("cpus", "resources.limits.cpu"),
    noted("cpuset", "the node decides about processors"),
    refused("credential_spec", "credential specifications of Windows are not supported"),
    mapped("depends_on", "init containers where a service waits for completion; what those need runs as a sidecar before them"),
    mapped("depends_on.condition", "see its values"),
    mapped("depends_on.condition: service_completed_successfully", "the dependency is an init container"),
    noted("depends_on.condition: service_healthy", "the containers of a Pod start together (unless a dependent is an init container)"),
    noted("depends_on.condition: service_started", "the containers of a Pod start together (unless a dependent is an init container)"),
    mapped("depends_on.required", "whether a missing service is an error"),
    noted("depends_on.restart", "containers of a Pod restart by themselves"),
    mapped("deploy", "see below; the rest is for Swarm"),
    noted("deploy.endpoint_mode", "it is for Swarm"),
    noted("deploy.labels", "it is for Swarm"),
    warned("deploy.mode", "there is one Pod, and its containers go on running"),
    mapped("deploy.mode: replicated", "it is what happens"),
    noted("deploy.placement", "it is for Swarm; the app's deployment.pool and .zone decide"),
    mapped("deploy.replicas", "0 leaves the service out; more than 1 is a warning, since there is one Pod"),
    mapped("deploy.resources", "see below"),
    mapped("deploy.resources.limits", "see below"),
    mapped("deploy.resources.limits.cpus", "resources.limits.cpu"),
    mapped("deploy.resources.limits.memory", "resources.limits.memory"),
    noted("deploy.resources.limits.pids", "the node decides about the number of processes"),
    mapped("deploy.resources.reservations", "see below"),
    mapped("deploy.resources.reservations.cpus", "resources.requests.cpu"),
    mapped("deploy.resources.reservations.devices", "resources.limits of nvidia.com/gpu or amd.com/gpu where the capability is gpu, else a warning"),
    mapped("deploy.resources.reservations.devices.capabilities", "gpu is the one that is known"),
    mapped("deploy.resources.reservations.devices.count", "the number of processors; all becomes 1 with a warning"),
    mapped("deploy.resources.reservations.devices.device_ids", "their number; the cluster decides which (a warning says so)"),
    mapped("deploy.resources.reservations.devices.driver", "nvidia or amd; others are a warning"),
    warned("deploy.resources.reservations.devices.options", "the device plugin takes no options"),
    warned("deploy.resources.reservations.generic_resources", "they need a device plugin of the cluster"),
    mapped("deploy.resources.reservations.memory", "resources.requests.memory"),
    mapped("deploy.restart_policy", "see below"),
    mapped("deploy.restart_policy.condition", "as restart"),
    noted("deploy.restart_policy.delay", "Kubernetes decides how long it waits"),
    noted("deploy.restart_policy.max_attempts", "Kubernetes goes on trying"),
    noted("deploy.restart_policy.window", "Kubernetes decides how long it waits"),
    noted("deploy.rollback_config", "it is for Swarm"),
    noted("deploy.update_config", "it is for Swarm"),
    noted("develop", "it concerns docker compose watch"),
    warned("device_cgroup_rules", "containers get no devices of a node"),
    warned("devices", "containers get no devices of a node; for graphics processors use gpus"),
    mapped("dns", "dnsConfig.nameservers of the Pod, after the cluster's own"),
    mapped("dns_opt", "dnsConfig.options of the Pod"),
    mapped("dns_search", "dnsConfig.searches of the Pod"),
    warned("domainname", "the Pod has the cluster's domain"),
    mapped("entrypoint", "command"),
    mapped("env_file", "a Secret, taken by envFrom"),
    mapped("env_file.format", "raw takes values to the letter"),
    mapped("env_file.path", "the file"),
    mapped("env_file.required", "whether a missing file is an error"),
    mapped("environment", "env"),
    mapped("expose", "containerPorts"),
    mapped("extends", "the other service is merged in before everything else"),
    mapped("extends.file", "the file of the other service; the same file by default"),
    mapped("extends.service", "the service that is merged in"),
    warned("external_links", "containers outside the project cannot be reached by name"),
    mapped("extra_hosts", "hostAliases of the Pod"),
    warned("extra_hosts: host-gateway", "there is no host that the Pod could reach by a name"),
    mapped("gpus", "resources.limits of nvidia.com/gpu or amd.com/gpu; the node pool must have them"),
    mapped("gpus.capabilities", "gpu is the one that is known"),
    mapped("gpus.count", "the number of processors; all becomes 1 with a warning"),
    mapped("gpus.device_ids", "their number; the cluster decides which (a warning says so)"),
    mapped("gpus.driver", "nvidia or amd; others are a warning"),
    warned("gpus.options", "the device plugin takes no options"),
    mapped("group_add", "securityContext.supplementalGroups of the Pod; names are a warning"),
    mapped("healthcheck", "a startupProbe that waits for ever, and a readinessProbe where an ingress rule leads to the service; a livenessProbe, which restarts it, only with `x-kompox: {liveness: true}` or the label `autoheal: \"true\"`; without a test, the image's own is not run (a warning)"),
    mapped("healthcheck.disable", "no probes"),
    mapped("healthcheck.interval", "periodSeconds"),
    mapped("healthcheck.retries", "failureThreshold"),
    mapped("healthcheck.start_interval", "periodSeconds of the startupProbe"),
    mapped("healthcheck.start_period", "no limit is needed: a container that starts is never killed"),
    mapped("healthcheck.test", "exec of the probes; CMD, CMD-SHELL, NONE or a string"),
    mapped("healthcheck.timeout", "timeoutSeconds"),
    mapped("hostname", "hostname of the Pod (a note says so); a warning where services differ or it has a domain"),
    mapped("image", "image; it must be there"),
    noted("init", "Kubernetes adds no init process"),
    warned("ipc", "the containers of a Pod share IPC with one another and with nobody else"),
    noted("ipc: service", "the containers of a Pod share IPC with one another"),
    noted("ipc: shareable", "the containers of a Pod share IPC with one another"),
    noted("isolation", "the node decides about isolation"),
    noted("label_file", "labels of a container have no place in a Pod of several"),
    noted("labels", "labels of a container have no place in a Pod of several; use annotations. `autoheal: \"true\"` asks for a livenessProbe"),
    noted("links", "every service is reached by its own name; an alias gets a headless Service"),
    noted("logging", "the cluster collects what containers print"),
    noted("mac_address", "the cluster decides about addresses"),
    mapped("mem_limit", "resources.limits.memory"),
    mapped("mem_reservation", "resources.requests.memory"),
    noted("mem_swappiness", "nodes have no swap"),
    noted("memswap_limit", "nodes have no swap"),
    warned("models", "models are not run; give the service the address of one by its environment"),
    noted("network_mode", "all services share one Pod and its network"),
    warned("network_mode: container", "containers outside the project cannot be joined"),
    warned("network_mode: host", "the Pod has a network of its own"),
    warned("network_mode: none", "the Pod has a network"),
    noted("network_mode: service", "all services share one Pod and its network; a Box takes the service along"),
    noted("networks", "all services share one Pod, and every service is reached by its own name"),
    mapped("networks.aliases", "headless Services"),
    warned("networks.ipv4_address", "the cluster decides about addresses; use the service's name"),
    warned("networks.ipv6_address", "the cluster decides about addresses; use the service's name"),
    warned("networks.link_local_ips", "the cluster decides about addresses; use the service's name"),
    warned("oom_kill_disable", "the node always ends what outgrows its memory"),
    noted("oom_score_adj", "the node decides about it"),
    warned("pid", "the containers of a Pod see only their own processes"),
    noted("pids_limit", "the node decides about the number of processes"),
    noted("platform", "the node pool decides about the processor architecture"),
    mapped("ports", "containerPorts, and ports of the ingress Service; without a host port a warning"),
    mapped("ports.app_protocol", "appProtocol of the Service's port"),
    noted("ports.host_ip", "the Service has an address of its own; a warning where an ingress rule opens what was bound to 127.0.0.1"),
    noted("ports.mode", "there is no host port"),
    mapped("ports.mode: ingress", "it is what happens"),
    noted("ports.name", "the Service's ports are named after rules or numbers"),
    mapped("ports.protocol", "protocol: TCP, UDP, SCTP"),
    mapped("ports.published", "port of the ingress Service"),
    mapped("ports.target", "containerPort"),
    mapped("post_start", "lifecycle.postStart.exec; several are run one after another by /bin/sh"),
    mapped("post_start.command", "exec.command"),
    mapped("post_start.environment", "set by /bin/sh"),
    warned("post_start.privileged", "a hook has the rights of its container"),
    warned("post_start.user", "a hook runs as the user of its container"),
    mapped("post_start.working_dir", "entered by /bin/sh"),
    refused("pre_start", "make it a service, and wait for it with depends_on: condition: service_completed_successfully"),
    mapped("pre_stop", "lifecycle.preStop.exec, within stop_grace_period; several are run one after another by /bin/sh"),
    mapped("pre_stop.command", "exec.command"),
    mapped("pre_stop.environment", "set by /bin/sh"),
    warned("pre_stop.privileged", "a hook has the rights of its container"),
    warned("pre_stop.user", "a hook runs as the user of its container"),
    mapped("pre_stop.working_dir", "entered by /bin/sh"),
    mapped("privileged", "securityContext.privileged"),
    mapped("profiles", "the service is left out unless one of them is on"),
    refused("provider", "services run by a provider plugin of Compose are not supported"),
    mapped("pull_policy", "imagePullPolicy"),
    warned("pull_policy: build", "images are pulled"),
    noted("pull_policy: daily", "it is read as always: each start of the Pod looks for a new image"),
    noted("pull_policy: every_", "it is read as always: each start of the Pod looks for a new image"),
    noted("pull_policy: weekly", "it is read as always: each start of the Pod looks for a new image"),
    noted("pull_refresh_after", "images are pulled when a Pod starts"),
    mapped("read_only", "securityContext.readOnlyRootFilesystem"),
    mapped("restart", "always and unless-stopped are what happens; a service that ends (see below) is a Job"),
    warned("restart: no", "the container is always restarted. Not where others wait for it to complete; and where nothing says that others need it while it runs (ports, expose, healthcheck, depends_on, its name in an address), it is a Job: it runs once, and again when it changes"),
    warned("restart: on-failure", "the container is always restarted. Not where others wait for it to complete; and where nothing says that others need it while it runs (ports, expose, healthcheck, depends_on, its name in an address), it is a Job: it runs once, and again when it changes"),
    warned("runtime", "the node pool decides about the container runtime; for graphics processors use gpus"),
    mapped("scale", "as deploy.replicas"),
    mapped("secrets", "Secrets, mounted one file each and read-only"),
    noted("secrets.gid", "files belong to root"),
    mapped("secrets.mode", "defaultMode of the Pod's volume"),
    mapped("secrets.source", "the Secret"),
    mapped("secrets.target", "mountPath; `/run/secrets/<secret>` by default"),
    noted("secrets.uid", "files belong to root"),
    mapped("security_opt", "securityContext, see its values; any other is a warning"),
    warned("security_opt: apparmor", "a profile of your own would have to be on every node"),
    mapped("security_opt: apparmor=docker-default", "appArmorProfile RuntimeDefault"),
    mapped("security_opt: apparmor=unconfined", "appArmorProfile Unconfined"),
    mapped("security_opt: label", "seLinuxOptions from user:, role:, type: and level:"),
    noted("security_opt: label=disable", "the node decides about SELinux"),
    mapped("security_opt: no-new-privileges", "allowPrivilegeEscalation: false"),
    warned("security_opt: seccomp", "a profile of your own would have to be on every node"),
    mapped("security_opt: seccomp=unconfined", "seccompProfile Unconfined"),
    warned("security_opt: systempaths", "system paths stay masked"),
    mapped("shm_size", "a memory volume at /dev/shm"),
    mapped("stdin_open", "stdin"),
    mapped("stop_grace_period", "terminationGracePeriodSeconds of the Pod: the longest of all, where a service that says nothing counts 10 s, and that of each sidecar in addition"),
    warned("stop_signal", "the image's own signal is used, else SIGTERM; use pre_stop"),
    noted("storage_opt", "the node decides about storage of images; use x-kompox.limits.ephemeral-storage"),
    mapped("sysctls", "securityContext.sysctls of the Pod; those that a node must allow are a warning, those of the whole node an error"),
    mapped("tmpfs", "a memory volume"),
    noted("tmpfs: (other options)", "a memory volume can be written by all users of the container"),
    mapped("tmpfs: size", "sizeLimit of the memory volume"),
    mapped("tty", "tty"),
    noted("ulimits", "the node decides about them"),
    warned("umask", "the image decides about the umask"),
    refused("use_api_socket", "there is no Docker socket in a cluster"),
    mapped("user", "securityContext.runAsUser and .runAsGroup; names other than root are a warning"),
    warned("userns_mode", "the cluster decides about user namespaces"),
    mapped("userns_mode: host", "it is what happens"),
    warned("uts", "the containers of a Pod share their host name"),
    mapped("volumes", "volumeMounts of the app's volumes; nothing is copied from the image into a volume. Anonymous ones and absolute paths are an error"),
    mapped("volumes.bind", "see below"),
    noted("volumes.bind.create_host_path", "folders are always made"),
    warned("volumes.bind.propagation", "mounts inside the volume are not passed on"),
    noted("volumes.bind.recursive", "a volume has no mounts inside"),
    noted("volumes.bind.selinux", "the node decides about SELinux"),
    noted("volumes.consistency", "it concerns Docker Desktop"),
    refused("volumes.image", "images cannot be mounted; copy what is needed into a volume"),
    mapped("volumes.read_only", "readOnly"),
    mapped("volumes.source", "the app's volume, and subPath"),
    mapped("volumes.target", "mountPath"),
    mapped("volumes.tmpfs", "see below"),
    noted("volumes.tmpfs.mode", "a memory volume can be written by all users of the container"),
    mapped("volumes.tmpfs.size", "sizeLimit of the memory volume"),
    mapped("volumes.type", "bind, volume and tmpfs"),
    refused("volumes.type: cluster", "volumes of Swarm are not supported"),
    refused("volumes.type: image", "images cannot be mounted; copy what is needed into a volume"),
    refused("volumes.type: npipe", "named pipes of Windows are not supported"),
    mapped("volumes.volume", "see below"),
    noted("volumes.volume.labels", "the app's own volumes decide"),
    mapped("volumes.volume.nocopy", "true is what happens: nothing is copied from the image into a volume; without it a warning where the image may have something there"),
    mapped("volumes.volume.subpath", "subPath"),
    refused("volumes_from", "name the volumes in both services"),
    mapped("working_dir", "workingDir"),
];

fn find(table: &'static [Support], key: &str) -> Option<&'static Support> {
    table.binary_search_by(|row| row.key.cmp(key)).ok().map(|at| &table[at])
}

/// The row of a key of a service, such as `ports.mode`.
pub fn service_key(key: &str) -> Option<&'static Support> {
    find(SERVICE_KEYS, key)
}

/// The row of a top-level key, such as `volumes.driver`.
pub fn top_level_key(key: &str) -> Option<&'static Support> {
    find(TOP_LEVEL_KEYS, key)
}

/// The row that holds for a key with this value: that of the value's first word, else the key's own.
pub fn service_value(key: &str, value: &str) -> Option<&'static Support> {
    let word = value.split(':').next().unwrap_or_default();
    service_key(&format!("{key}: {value}"))
        .or_else(|| service_key(&format!("{key}: {word}")))
        .or_else(|| service_key(key))
}

/// The names that may stand directly inside a service key, or in the service itself for an empty `path`.
pub fn service_names(path: &str) -> impl Iterator<Item = &'static str> {
    let inside = move |row: &'static Support| {
        let rest = if path.is_empty() { row.key } else { row.key.strip_prefix(path)?.strip_prefix('.')? };
        (!rest.contains(['.', ':'])).then_some(rest)
    };
    SERVICE_KEYS.iter().filter_map(inside)
}

/// The table as `docs/compose-support.md` has it.
pub fn markdown() -> String {
    let mut out = String::from(
        "# What becomes of each compose key\n\n\
         <!-- Written from src/compose/support.rs; CONTRIBUTING.md says how. Do not edit. -->\n\n\
         Every key of the Compose Specification's schema, with what kompox makes of it:\n\n\
         - **mapped**: it becomes what the last column says, or says what happens anyway\n\
         - **noted**: it has no meaning in a cluster; `validate` prints a note\n\
         - **warned**: leaving it out may change behaviour; a warning, which `--strict` turns into an error\n\
         - **refused**: it cannot work; an error\n\n\
         A row holds for everything below its key that has no row of its own. `key: value` is a row for one value. Keys \
         that start with `x-` are ignored, but for `x-kompox`: its `resources` and `limits` are \
         `resources.requests` and `.limits` of the container, and win, and `liveness: true` has a container that is \
         not healthy restarted.\n\n\
         | | mapped | noted | warned | refused |\n|---|---|---|---|---|\n",
    );
    let tables = [("top level", TOP_LEVEL_KEYS), ("services", SERVICE_KEYS)];
    for (name, table) in tables {
        let counts = Verdict::ALL.map(|verdict| table.iter().filter(|row| row.verdict == verdict).count());
        let [mapped, noted, warned, refused] = counts;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {name} | {mapped} | {noted} | {warned} | {refused} |");
    }
    for (name, table) in tables {
        let (first, rest) = name.split_at(1);
        let _ = write!(out, "\n## {}{rest}\n\n| key | verdict | |\n|---|---|---|\n", first.to_uppercase());
        for row in table {
            let _ = writeln!(out, "| `{}` | {} | {} |", row.key, row.verdict.name(), row.text);
        }
    }
    out
}

#[cfg(test)]
mod tests;
