//! The verdict on every service key of the Compose Specification's schema: one table, used by the reader.

/// What happens to a service key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes part of an object, or the reader acts on it.
    Mapped,
    /// It has no meaning here: a note.
    Noted,
    /// Ignoring it may change behaviour: a warning.
    Warned,
    /// It cannot work: an error.
    Refused,
}

/// One row: a key, its verdict, and what becomes of it or why not.
#[derive(Debug, Clone, Copy)]
pub struct Support {
    /// The service key.
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

/// Every service key of the schema, in alphabetical order.
pub const SERVICE_KEYS: &[Support] = &[
    noted("annotations", "annotations of a container have no place in a Pod of several"),
    noted("attach", "it concerns the terminal of docker compose up"),
    noted("blkio_config", "Kubernetes has no limits of block input and output"),
    mapped("build", "only `image` is run; without one it is an error that asks for a pushed image"),
    mapped("cap_add", "securityContext.capabilities.add"),
    mapped("cap_drop", "securityContext.capabilities.drop"),
    noted("cgroup", "the node decides about control groups"),
    noted("cgroup_parent", "the node decides about control groups"),
    mapped("command", "args"),
    mapped("configs", "ConfigMaps, mounted one file each"),
    noted("container_name", "the container is named as its service"),
    noted("cpu_count", "use deploy.resources or cpus"),
    noted("cpu_percent", "use deploy.resources or cpus"),
    noted("cpu_period", "use deploy.resources or cpus"),
    noted("cpu_quota", "use deploy.resources or cpus"),
    noted("cpu_rt_period", "Kubernetes has no real-time scheduling of containers"),
    noted("cpu_rt_runtime", "Kubernetes has no real-time scheduling of containers"),
    noted("cpu_shares", "use deploy.resources.reservations.cpus"),
    mapped("cpus", "resources.limits.cpu"),
    noted("cpuset", "the node decides about processors"),
    refused("credential_spec", "credential specifications of Windows are not supported"),
    mapped("depends_on", "an order among init containers where it waits for completion, else a note"),
    mapped("deploy", "resources.requests and .limits; the rest is for Swarm"),
    noted("develop", "it concerns docker compose watch"),
    noted("device_cgroup_rules", "devices need a device plugin of the cluster"),
    warned("devices", "devices need a device plugin of the cluster"),
    mapped("dns", "dnsConfig.nameservers"),
    mapped("dns_opt", "dnsConfig.options"),
    mapped("dns_search", "dnsConfig.searches"),
    noted("domainname", "the Pod has the cluster's domain"),
    mapped("entrypoint", "command"),
    mapped("env_file", "a Secret, taken by envFrom"),
    mapped("environment", "env"),
    mapped("expose", "containerPorts"),
    mapped("extends", "the service that it names, merged in while the file is read"),
    warned("external_links", "containers outside the project cannot be reached by name"),
    mapped("extra_hosts", "hostAliases"),
    warned("gpus", "graphics processors need a node pool and a device plugin"),
    mapped("group_add", "securityContext.supplementalGroups of the Pod"),
    mapped("healthcheck", "livenessProbe and startupProbe"),
    noted("hostname", "every service is reached by its own name"),
    mapped("image", "image"),
    noted("init", "Kubernetes does not add an init process"),
    warned("ipc", "the containers of a Pod share their IPC namespace and no other"),
    noted("isolation", "the node decides about isolation"),
    noted("label_file", "labels of a container have no place in a Pod of several"),
    noted("labels", "labels of a container have no place in a Pod of several"),
    noted("links", "every service is reached by its own name"),
    noted("logging", "the cluster collects what containers print"),
    noted("mac_address", "the cluster decides about addresses"),
    mapped("mem_limit", "resources.limits.memory"),
    mapped("mem_reservation", "resources.requests.memory"),
    noted("mem_swappiness", "nodes have no swap"),
    noted("memswap_limit", "nodes have no swap"),
    warned("models", "models are not run; give the service the address of one by its environment"),
    mapped("network_mode", "a note or a warning: there is one Pod with one network"),
    noted("networks", "all services share one Pod, and every service is reached by its own name"),
    warned("oom_kill_disable", "the node always ends what outgrows its memory"),
    noted("oom_score_adj", "the node decides about it"),
    warned("pid", "the containers of a Pod see only their own processes"),
    noted("pids_limit", "the node decides about it"),
    noted("platform", "the node pool decides about the processor architecture"),
    mapped("ports", "containerPorts, and ports of the ingress Service"),
    warned("post_start", "it is not supported yet and does not run"),
    warned("pre_stop", "it is not supported yet and does not run"),
    mapped("privileged", "securityContext.privileged"),
    mapped("profiles", "the service is left out unless one of them is on"),
    refused("provider", "services run by a provider plugin of Compose are not supported"),
    mapped("pull_policy", "imagePullPolicy"),
    noted("pull_refresh_after", "images are pulled when a Pod starts"),
    mapped("read_only", "securityContext.readOnlyRootFilesystem"),
    mapped("restart", "a warning where the Pod would restart what compose would not"),
    warned("runtime", "the node pool decides about the container runtime"),
    mapped("scale", "a warning unless it is 1: there is one Pod"),
    mapped("secrets", "Secrets, mounted one file each"),
    mapped("security_opt", "securityContext"),
    mapped("shm_size", "a memory volume at /dev/shm"),
    mapped("stdin_open", "stdin"),
    mapped("stop_grace_period", "terminationGracePeriodSeconds of the Pod, the longest of all"),
    noted("stop_signal", "the signal of the image is used"),
    noted("storage_opt", "the node decides about storage of images"),
    mapped("sysctls", "securityContext.sysctls of the Pod"),
    mapped("tmpfs", "a memory volume"),
    mapped("tty", "tty"),
    noted("ulimits", "the node decides about them"),
    refused("use_api_socket", "there is no Docker socket in a cluster"),
    mapped("user", "securityContext.runAsUser and .runAsGroup"),
    warned("userns_mode", "the cluster decides about user namespaces"),
    warned("uts", "the containers of a Pod share their host name"),
    mapped("volumes", "volumeMounts of the app's volumes"),
    refused("volumes_from", "name the volumes in both services"),
    mapped("working_dir", "workingDir"),
];

/// The row of a service key.
pub fn service_key(key: &str) -> Option<&'static Support> {
    SERVICE_KEYS.binary_search_by(|row| row.key.cmp(key)).ok().map(|at| &SERVICE_KEYS[at])
}

/// The known word nearest to `word`, if near enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_found() {
        assert!(SERVICE_KEYS.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert!(SERVICE_KEYS.iter().all(|row| service_key(row.key).is_some_and(|found| found.key == row.key)));
        assert!(service_key("nope").is_none());
    }

    #[test]
    fn nearest_word() {
        assert_eq!(nearest("enviroment", ["environment", "env_file"]), Some("environment"));
        assert_eq!(nearest("volums", ["volumes"]), Some("volumes"));
        assert_eq!(nearest("completely", ["volumes"]), None);
    }
}
