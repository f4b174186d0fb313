//! The level `baseline` of the Pod Security Standards: what a Pod must not do in a Namespace that enforces it. The rules
//! are those of `k8s.io/pod-security-admission/policy` and of the page "Pod Security Standards". Where a rule became wider
//! with a newer Kubernetes, it is the older one, so that what passes here passes everywhere.

use serde_json::Value;

/// The label of a Namespace that says which level is enforced.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// The level that keeps a Pod from getting hold of its node.
pub const BASELINE: &str = "baseline";
/// The level without any rule.
pub const PRIVILEGED: &str = "privileged";

/// What a container may have beside or without what its runtime gives.
pub const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Settings of the kernel that reach no further than the Pod.
pub const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];
const SE_LINUX_TYPES: [&str; 4] = ["", "container_t", "container_init_t", "container_kvm_t"];

/// The level that a Namespace can enforce with Pods of these templates.
pub fn level<'t>(templates: impl IntoIterator<Item = &'t Value>) -> &'static str {
    let mut templates = templates.into_iter();
    if templates.all(|template| violations(template).is_empty()) { BASELINE } else { PRIVILEGED }
}

/// What a Pod, or the template of one, does that `baseline` forbids, in the words of the admission plugin.
pub fn violations(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let is = |value: &Value, pointer: &str| value.pointer(pointer) == Some(&Value::Bool(true));
    let text = |value: &Value, pointer: &str| -> String {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for (key, what) in [("hostNetwork", "hostNetwork"), ("hostPID", "hostPID"), ("hostIPC", "hostIPC")] {
        if is(spec, &format!("/{key}")) {
            found.push(format!("host namespaces ({what}=true)"));
        }
    }
    for volume in items(spec, "volumes").filter(|volume| volume.get("hostPath").is_some()) {
        found.push(format!("hostPath volumes (volume {:?})", text(volume, "/name")));
    }
    for sysctl in items(spec.get("securityContext").unwrap_or(&Value::Null), "sysctls") {
        let name = text(sysctl, "/name");
        if !SYSCTLS.contains(&name.as_str()) {
            found.push(format!("forbidden sysctls ({name})"));
        }
    }
    context(spec, "pod", &mut found);
    let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let app_armor = key.starts_with("container.apparmor.security.beta.kubernetes.io/");
        if app_armor && !(value == "runtime/default" || value.starts_with("localhost/")) {
            found.push(format!("forbidden AppArmor profile (annotation {key}={value:?})"));
        }
    }
    for container in ["initContainers", "containers", "ephemeralContainers"].iter().flat_map(|list| items(spec, list)) {
        let what = format!("container {:?}", text(container, "/name"));
        if is(container, "/securityContext/privileged") {
            found.push(format!("privileged ({what} must not set securityContext.privileged=true)"));
        }
        let added = container.pointer("/securityContext/capabilities").unwrap_or(&Value::Null);
        for name in items(added, "add").filter_map(Value::as_str).filter(|name| !CAPABILITIES.contains(name)) {
            found.push(format!("non-default capabilities ({what} must not include {name:?} in capabilities.add)"));
        }
        for port in
            items(container, "ports").filter_map(|port| port.get("hostPort")?.as_i64()).filter(|port| *port != 0)
        {
            found.push(format!("hostPort ({what} uses hostPort {port})"));
        }
        let mount = text(container, "/securityContext/procMount");
        if !matches!(mount.as_str(), "" | "Default") {
            found.push(format!("procMount ({what} must not set securityContext.procMount to {mount:?})"));
        }
        for action in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"] {
            for way in ["httpGet", "tcpSocket"] {
                if !text(container, &format!("/{action}/{way}/host")).is_empty() {
                    found.push(format!("probe or lifecycle host ({what} must not set {action}.{way}.host)"));
                }
            }
        }
        context(container, &what, &mut found);
    }
    found
}

/// What the security context of a Pod or container says alike.
fn context(owner: &Value, what: &str, found: &mut Vec<String>) {
    let text = |pointer: &str| {
        owner.pointer(&format!("/securityContext/{pointer}")).and_then(Value::as_str).unwrap_or_default()
    };
    if owner.pointer("/securityContext/windowsOptions/hostProcess") == Some(&Value::Bool(true)) {
        found.push(format!("hostProcess ({what} must not set securityContext.windowsOptions.hostProcess=true)"));
    }
    let app_armor = text("appArmorProfile/type");
    if !matches!(app_armor, "" | "RuntimeDefault" | "Localhost") {
        found.push(format!("forbidden AppArmor profile ({what} must not set AppArmor profile type to {app_armor:?})"));
    }
    let seccomp = text("seccompProfile/type");
    if !matches!(seccomp, "" | "RuntimeDefault" | "Localhost") {
        found.push(format!("seccompProfile ({what} must not set securityContext.seccompProfile.type to {seccomp:?})"));
    }
    let kind = text("seLinuxOptions/type");
    if !SE_LINUX_TYPES.contains(&kind) {
        found.push(format!("seLinuxOptions ({what} set forbidden securityContext.seLinuxOptions: type {kind:?})"));
    }
    for key in ["user", "role"] {
        if !text(&format!("seLinuxOptions/{key}")).is_empty() {
            found.push(format!(
                "seLinuxOptions ({what} set forbidden securityContext.seLinuxOptions: {key} may not be set)"
            ));
        }
    }
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_takes_hold_of_a_node_is_no_baseline() {
        let container = |part: Value| {
            let mut container = json!({"name": "a", "image": "x"});
            container.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            json!({"spec": {"containers": [container]}})
        };
        let context = |part: Value| container(json!({"securityContext": part}));
        for pod in [
            json!({"spec": {"hostNetwork": true}}),
            json!({"spec": {"hostPID": true}}),
            json!({"spec": {"hostIPC": true}}),
            json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}),
            json!({"spec": {"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}}),
            json!({"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}),
            json!({"spec": {"securityContext": {"windowsOptions": {"hostProcess": true}}}}),
            json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}}}),
            json!({"spec": {"initContainers": [{"name": "i", "securityContext": {"privileged": true}}]}}),
            context(json!({"privileged": true})),
            context(json!({"capabilities": {"add": ["NET_ADMIN"]}})),
            context(json!({"capabilities": {"add": ["ALL"]}})),
            context(json!({"capabilities": {"add": ["NET_RAW"]}})),
            context(json!({"procMount": "Unmasked"})),
            context(json!({"seccompProfile": {"type": "Unconfined"}})),
            context(json!({"appArmorProfile": {"type": "Unconfined"}})),
            context(json!({"seLinuxOptions": {"type": "spc_t"}})),
            context(json!({"seLinuxOptions": {"role": "r"}})),
            context(json!({"windowsOptions": {"hostProcess": true}})),
            container(json!({"ports": [{"containerPort": 80, "hostPort": 80}]})),
            container(json!({"livenessProbe": {"httpGet": {"port": 80, "host": "10.0.0.1"}}})),
        ] {
            assert_eq!(violations(&pod).len(), 1, "{pod}");
            assert_eq!(level([&json!({}), &pod]), PRIVILEGED);
        }
        for pod in [
            container(json!({"ports": [{"containerPort": 80}]})),
            context(json!({"capabilities": {"add": ["CHOWN", "SYS_CHROOT"], "drop": ["ALL"]}, "runAsUser": 0})),
            context(json!({"seccompProfile": {"type": "RuntimeDefault"}, "procMount": "Default"})),
            json!({"spec": {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}}),
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "csi": {"driver": "x"}}]}}),
        ] {
            assert_eq!(violations(&pod), [""; 0], "{pod}");
            assert_eq!(level([&pod]), BASELINE);
        }
    }
}
