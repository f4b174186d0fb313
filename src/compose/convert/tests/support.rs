//! The table of verdicts against what reading and converting do: one example for each row.

use std::collections::BTreeMap;

use super::*;
use crate::compose::support::{SERVICE_KEYS, Support, TOP_LEVEL_KEYS, Verdict};

/// Rows of services: the key, what a service has before, and what it has after.
const SERVICE: &[(&str, &str, &str)] = &[
    ("annotations", "", "annotations: {example.com/a: b}"),
    ("attach", "", "attach: false"),
    ("blkio_config", "", "blkio_config: {weight: 300}"),
    ("build", "", "build: ."),
    ("cap_add", "", "cap_add: [CAP_NET_ADMIN]"),
    ("cap_drop", "", "cap_drop: [all]"),
    ("cgroup", "", "cgroup: private"),
    ("cgroup: host", "", "cgroup: host"),
    ("cgroup_parent", "", "cgroup_parent: m"),
    ("command", "", "command: a b"),
    ("configs", "", "configs: [c]"),
    ("configs.gid", "configs: [{source: c}]", "configs: [{source: c, gid: '1'}]"),
    ("configs.mode", "configs: [{source: c}]", "configs: [{source: c, mode: 0440}]"),
    ("configs.source", "configs: [{source: c, target: /x}]", "configs: [{source: d, target: /x}]"),
    ("configs.target", "configs: [{source: c}]", "configs: [{source: c, target: /x}]"),
    ("configs.uid", "configs: [{source: c}]", "configs: [{source: c, uid: '1'}]"),
    ("container_name", "", "container_name: other"),
    ("cpu_count", "", "cpu_count: 1"),
    ("cpu_percent", "", "cpu_percent: 1"),
    ("cpu_period", "cpu_quota: 50000", "cpu_quota: 50000, cpu_period: 50000"),
    ("cpu_quota", "", "cpu_quota: 50000"),
    ("cpu_rt_period", "", "cpu_rt_period: 1000"),
    ("cpu_rt_runtime", "", "cpu_rt_runtime: 1000"),
    ("cpu_shares", "", "cpu_shares: 100"),
    ("cpus", "", "cpus: 0.5"),
    ("cpuset", "", "cpuset: '0'"),
    ("credential_spec", "", "credential_spec: {file: a}"),
    ("depends_on", "", "depends_on: {db: {condition: service_completed_successfully}}"),
    ("depends_on.condition", "", "depends_on: {db: {condition: service_completed_successfully}}"),
    (
        "depends_on.condition: service_completed_successfully",
        "",
        "depends_on: {db: {condition: service_completed_successfully}}",
    ),
    ("depends_on.condition: service_healthy", "", "depends_on: {checked: {condition: service_healthy}}"),
    ("depends_on.condition: service_started", "", "depends_on: {db: {condition: service_started}}"),
    (
        "depends_on.required",
        "depends_on: {off: {condition: service_started, required: true}}",
        "depends_on: {off: {condition: service_started, required: false}}",
    ),
    (
        "depends_on.restart",
        "depends_on: {db: {condition: service_started}}",
        "depends_on: {db: {condition: service_started, restart: true}}",
    ),
    ("deploy", "", "deploy: {resources: {limits: {cpus: 1}}}"),
    ("deploy.endpoint_mode", "", "deploy: {endpoint_mode: vip}"),
    ("deploy.labels", "", "deploy: {labels: {a: b}}"),
    ("deploy.mode", "", "deploy: {mode: global}"),
    ("deploy.mode: replicated", "", "deploy: {mode: replicated}"),
    ("deploy.placement", "", "deploy: {placement: {constraints: [a]}}"),
    ("deploy.replicas", "", "deploy: {replicas: 0}"),
    ("deploy.resources", "", "deploy: {resources: {limits: {cpus: 1}}}"),
    ("deploy.resources.limits", "", "deploy: {resources: {limits: {cpus: 1}}}"),
    ("deploy.resources.limits.cpus", "", "deploy: {resources: {limits: {cpus: 1}}}"),
    ("deploy.resources.limits.memory", "", "deploy: {resources: {limits: {memory: 64M}}}"),
    ("deploy.resources.limits.pids", "", "deploy: {resources: {limits: {pids: 1}}}"),
    ("deploy.resources.reservations", "", "deploy: {resources: {reservations: {cpus: 1}}}"),
    ("deploy.resources.reservations.cpus", "", "deploy: {resources: {reservations: {cpus: 1}}}"),
    (
        "deploy.resources.reservations.devices",
        "",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
    ),
    (
        "deploy.resources.reservations.devices.capabilities",
        "deploy: {resources: {reservations: {devices: [{capabilities: [tpu], count: 1}]}}}",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
    ),
    (
        "deploy.resources.reservations.devices.count",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}",
    ),
    (
        "deploy.resources.reservations.devices.device_ids",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], device_ids: ['0']}]}}}",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], device_ids: ['0', '1']}]}}}",
    ),
    (
        "deploy.resources.reservations.devices.driver",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1, driver: amd}]}}}",
    ),
    (
        "deploy.resources.reservations.devices.options",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1, options: {a: b}}]}}}",
    ),
    (
        "deploy.resources.reservations.generic_resources",
        "",
        "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: a, value: 1}}]}}}",
    ),
    ("deploy.resources.reservations.memory", "", "deploy: {resources: {reservations: {memory: 64M}}}"),
    ("deploy.restart_policy", "", "deploy: {restart_policy: {condition: any}}"),
    ("deploy.restart_policy.condition", "", "deploy: {restart_policy: {condition: any}}"),
    ("deploy.restart_policy.delay", "", "deploy: {restart_policy: {delay: 5s}}"),
    ("deploy.restart_policy.max_attempts", "", "deploy: {restart_policy: {max_attempts: 5}}"),
    ("deploy.restart_policy.window", "", "deploy: {restart_policy: {window: 5s}}"),
    ("deploy.rollback_config", "", "deploy: {rollback_config: {parallelism: 1}}"),
    ("deploy.update_config", "", "deploy: {update_config: {parallelism: 1}}"),
    ("develop", "", "develop: {watch: []}"),
    ("device_cgroup_rules", "", "device_cgroup_rules: ['c 1:3 mr']"),
    ("devices", "", "devices: [/dev/dri]"),
    ("dns", "", "dns: 1.1.1.1"),
    ("dns_opt", "", "dns_opt: ['ndots:2']"),
    ("dns_search", "", "dns_search: example.com"),
    ("domainname", "", "domainname: example.com"),
    ("entrypoint", "", "entrypoint: a"),
    ("env_file", "", "env_file: compose-postgres.env"),
    ("env_file.format", "env_file: [{path: quoted.env}]", "env_file: [{path: quoted.env, format: raw}]"),
    ("env_file.path", "env_file: [{path: quoted.env}]", "env_file: [{path: compose-postgres.env}]"),
    ("env_file.required", "env_file: [{path: nope.env}]", "env_file: [{path: nope.env, required: false}]"),
    ("environment", "", "environment: {A: b}"),
    ("expose", "", "expose: ['90']"),
    ("extends", "", "extends: {file: other.yml, service: db}"),
    ("extends.file", "extends: {service: db}", "extends: {file: other.yml, service: db}"),
    ("extends.service", "extends: {service: cache}", "extends: {file: other.yml, service: db}"),
    ("external_links", "", "external_links: [a]"),
    ("extra_hosts", "", "extra_hosts: ['a=10.0.0.1']"),
    ("extra_hosts: host-gateway", "", "extra_hosts: ['a=host-gateway']"),
    ("gpus", "", "gpus: [{count: 1}]"),
    ("gpus.capabilities", "", "gpus: [{count: 1, capabilities: [gpu, utility]}]"),
    ("gpus.count", "gpus: [{count: 1}]", "gpus: [{count: 2}]"),
    ("gpus.device_ids", "gpus: [{device_ids: ['0']}]", "gpus: [{device_ids: ['0', '1']}]"),
    ("gpus.driver", "gpus: [{count: 1}]", "gpus: [{count: 1, driver: amd}]"),
    ("gpus.options", "gpus: [{count: 1}]", "gpus: [{count: 1, options: {a: b}}]"),
    ("group_add", "", "group_add: [5]"),
    ("healthcheck", "", "healthcheck: {test: a}"),
    ("healthcheck.disable", "healthcheck: {test: a}", "healthcheck: {test: a, disable: true}"),
    (
        "healthcheck.interval",
        "x-kompox: {liveness: true}, healthcheck: {test: a}",
        "x-kompox: {liveness: true}, healthcheck: {test: a, interval: 7s}",
    ),
    (
        "healthcheck.retries",
        "x-kompox: {liveness: true}, healthcheck: {test: a}",
        "x-kompox: {liveness: true}, healthcheck: {test: a, retries: 7}",
    ),
    (
        "healthcheck.start_interval",
        "healthcheck: {test: a, start_period: 9s}",
        "healthcheck: {test: a, start_period: 9s, start_interval: 3s}",
    ),
    ("healthcheck.start_period", "healthcheck: {test: a}", "healthcheck: {test: a, start_period: 7s}"),
    ("healthcheck.test", "healthcheck: {test: a}", "healthcheck: {test: [CMD, a]}"),
    ("healthcheck.timeout", "healthcheck: {test: a}", "healthcheck: {test: a, timeout: 7s}"),
    ("hostname", "", "hostname: a"),
    ("image", "image: a", "image: b"),
    ("init", "", "init: true"),
    ("ipc", "", "ipc: host"),
    ("ipc: service", "", "ipc: 'service:db'"),
    ("ipc: shareable", "", "ipc: shareable"),
    ("isolation", "", "isolation: default"),
    ("label_file", "", "label_file: a"),
    ("labels", "", "labels: {a: b}"),
    ("links", "", "links: [db]"),
    ("logging", "", "logging: {driver: none}"),
    ("mac_address", "", "mac_address: '02:42:ac:11:65:43'"),
    ("mem_limit", "", "mem_limit: 64m"),
    ("mem_reservation", "", "mem_reservation: 64m"),
    ("mem_swappiness", "", "mem_swappiness: 1"),
    ("memswap_limit", "", "memswap_limit: 64m"),
    ("models", "", "models: [a]"),
    ("network_mode", "", "network_mode: bridge"),
    ("network_mode: container", "", "network_mode: 'container:a'"),
    ("network_mode: host", "", "network_mode: host"),
    ("network_mode: none", "", "network_mode: none"),
    ("network_mode: service", "", "network_mode: 'service:db'"),
    ("networks", "", "networks: [front]"),
    ("networks.aliases", "networks: {front: }", "networks: {front: {aliases: [other]}}"),
    ("networks.ipv4_address", "networks: {front: }", "networks: {front: {ipv4_address: 10.0.0.1}}"),
    ("networks.ipv6_address", "networks: {front: }", "networks: {front: {ipv6_address: 'fd00::1'}}"),
    ("networks.link_local_ips", "networks: {front: }", "networks: {front: {link_local_ips: [169.254.1.1]}}"),
    ("oom_kill_disable", "", "oom_kill_disable: true"),
    ("oom_score_adj", "", "oom_score_adj: 1"),
    ("pid", "", "pid: host"),
    ("pids_limit", "", "pids_limit: 1"),
    ("platform", "", "platform: linux/amd64"),
    ("ports", "", "ports: ['80:80']"),
    (
        "ports.app_protocol",
        "ports: [{target: 80, published: '80'}]",
        "ports: [{target: 80, published: '80', app_protocol: http}]",
    ),
    (
        "ports.host_ip",
        "ports: [{target: 80, published: '80'}]",
        "ports: [{target: 80, published: '80', host_ip: 127.0.0.1}]",
    ),
    ("ports.mode", "ports: [{target: 80, published: '80'}]", "ports: [{target: 80, published: '80', mode: host}]"),
    (
        "ports.mode: ingress",
        "ports: [{target: 80, published: '80'}]",
        "ports: [{target: 80, published: '80', mode: ingress}]",
    ),
    ("ports.name", "ports: [{target: 80, published: '80'}]", "ports: [{target: 80, published: '80', name: web}]"),
    (
        "ports.protocol",
        "ports: [{target: 80, published: '80'}]",
        "ports: [{target: 80, published: '80', protocol: udp}]",
    ),
    ("ports.published", "ports: [{target: 80, published: '80'}]", "ports: [{target: 80, published: '81'}]"),
    ("ports.target", "ports: [{target: 80, published: '80'}]", "ports: [{target: 81, published: '80'}]"),
    ("post_start", "", "post_start: [{command: a b}]"),
    ("post_start.command", "post_start: [{command: a b}]", "post_start: [{command: [c]}]"),
    ("post_start.environment", "post_start: [{command: a}]", "post_start: [{command: a, environment: [A=b]}]"),
    ("post_start.privileged", "post_start: [{command: a}]", "post_start: [{command: a, privileged: true}]"),
    ("post_start.user", "post_start: [{command: a}]", "post_start: [{command: a, user: root}]"),
    ("post_start.working_dir", "post_start: [{command: a}]", "post_start: [{command: a, working_dir: /x}]"),
    ("pre_start", "", "pre_start: [{command: a}]"),
    ("pre_stop", "", "pre_stop: [{command: a b}]"),
    ("pre_stop.command", "pre_stop: [{command: a b}]", "pre_stop: [{command: [c]}]"),
    ("pre_stop.environment", "pre_stop: [{command: a}]", "pre_stop: [{command: a, environment: [A=b]}]"),
    ("pre_stop.privileged", "pre_stop: [{command: a}]", "pre_stop: [{command: a, privileged: true}]"),
    ("pre_stop.user", "pre_stop: [{command: a}]", "pre_stop: [{command: a, user: root}]"),
    ("pre_stop.working_dir", "pre_stop: [{command: a}]", "pre_stop: [{command: a, working_dir: /x}]"),
    ("privileged", "", "privileged: true"),
    ("profiles", "", "profiles: [off]"),
    ("provider", "", "provider: {type: a}"),
    ("pull_policy", "", "pull_policy: always"),
    ("pull_policy: build", "", "pull_policy: build"),
    ("pull_policy: daily", "pull_policy: always", "pull_policy: daily"),
    ("pull_policy: every_", "pull_policy: always", "pull_policy: every_12h"),
    ("pull_policy: weekly", "pull_policy: always", "pull_policy: weekly"),
    ("pull_refresh_after", "", "pull_refresh_after: 1h"),
    ("read_only", "", "read_only: true"),
    ("restart", "", "restart: always"),
    ("restart: no", "expose: [80]", "expose: [80], restart: 'no'"),
    ("restart: on-failure", "expose: [80]", "expose: [80], restart: 'on-failure:3'"),
    ("runtime", "", "runtime: nvidia"),
    ("scale", "", "scale: 0"),
    ("secrets", "", "secrets: [s]"),
    ("secrets.gid", "secrets: [{source: s}]", "secrets: [{source: s, gid: '1'}]"),
    ("secrets.mode", "secrets: [{source: s}]", "secrets: [{source: s, mode: 0440}]"),
    ("secrets.source", "secrets: [{source: s, target: /x}]", "secrets: [{source: t, target: /x}]"),
    ("secrets.target", "secrets: [{source: s}]", "secrets: [{source: s, target: x}]"),
    ("secrets.uid", "secrets: [{source: s}]", "secrets: [{source: s, uid: '1'}]"),
    ("security_opt", "", "security_opt: ['seccomp:unconfined']"),
    ("security_opt: apparmor", "", "security_opt: ['apparmor=mine']"),
    ("security_opt: apparmor=docker-default", "", "security_opt: ['apparmor:docker-default']"),
    ("security_opt: apparmor=unconfined", "", "security_opt: ['apparmor=unconfined']"),
    ("security_opt: label", "", "security_opt: ['label:level:s0:c1,c2']"),
    ("security_opt: label=disable", "", "security_opt: ['label:disable']"),
    ("security_opt: no-new-privileges", "", "security_opt: ['no-new-privileges:true']"),
    ("security_opt: seccomp", "", "security_opt: ['seccomp:./mine.json']"),
    ("security_opt: seccomp=unconfined", "", "security_opt: ['seccomp=unconfined']"),
    ("security_opt: systempaths", "", "security_opt: ['systempaths=unconfined']"),
    ("shm_size", "", "shm_size: 64m"),
    ("stdin_open", "", "stdin_open: true"),
    ("stop_grace_period", "", "stop_grace_period: 1m"),
    ("stop_signal", "", "stop_signal: SIGINT"),
    ("storage_opt", "", "storage_opt: {size: 1G}"),
    ("sysctls", "", "sysctls: {net.ipv4.tcp_syncookies: 0}"),
    ("tmpfs", "", "tmpfs: /run"),
    ("tmpfs: (other options)", "tmpfs: /run", "tmpfs: '/run:mode=755'"),
    ("tmpfs: size", "tmpfs: /run", "tmpfs: '/run:size=1m'"),
    ("tty", "", "tty: true"),
    ("ulimits", "", "ulimits: {nofile: 1}"),
    ("umask", "", "umask: '0022'"),
    ("use_api_socket", "", "use_api_socket: true"),
    ("user", "", "user: '1:2'"),
    ("userns_mode", "", "userns_mode: x"),
    ("userns_mode: host", "", "userns_mode: host"),
    ("uts", "", "uts: host"),
    ("volumes", "", "volumes: ['./a:/a']"),
    ("volumes.bind", "", "volumes: [{type: bind, source: ./a, target: /a, bind: {create_host_path: true}}]"),
    (
        "volumes.bind.create_host_path",
        "volumes: ['./a:/a']",
        "volumes: [{type: bind, source: ./a, target: /a, bind: {create_host_path: false}}]",
    ),
    (
        "volumes.bind.propagation",
        "volumes: ['./a:/a']",
        "volumes: [{type: bind, source: ./a, target: /a, bind: {propagation: shared}}]",
    ),
    (
        "volumes.bind.recursive",
        "volumes: ['./a:/a']",
        "volumes: [{type: bind, source: ./a, target: /a, bind: {recursive: enabled}}]",
    ),
    ("volumes.bind.selinux", "volumes: ['./a:/a']", "volumes: ['./a:/a:z']"),
    (
        "volumes.consistency",
        "volumes: ['./a:/a']",
        "volumes: [{type: bind, source: ./a, target: /a, consistency: cached}]",
    ),
    ("volumes.image", "", "volumes: [{type: image, source: a, target: /a, image: {subpath: b}}]"),
    ("volumes.read_only", "volumes: ['./a:/a']", "volumes: [{type: bind, source: ./a, target: /a, read_only: true}]"),
    ("volumes.source", "volumes: ['./a:/a']", "volumes: [{type: volume, source: default, target: /a}]"),
    ("volumes.target", "volumes: ['./a:/a']", "volumes: [{type: bind, source: ./a, target: /b}]"),
    ("volumes.tmpfs", "", "volumes: [{type: tmpfs, target: /a, tmpfs: {size: 1m}}]"),
    (
        "volumes.tmpfs.mode",
        "volumes: [{type: tmpfs, target: /a}]",
        "volumes: [{type: tmpfs, target: /a, tmpfs: {mode: 755}}]",
    ),
    (
        "volumes.tmpfs.size",
        "volumes: [{type: tmpfs, target: /a}]",
        "volumes: [{type: tmpfs, target: /a, tmpfs: {size: 1m}}]",
    ),
    ("volumes.type", "", "volumes: [{type: tmpfs, target: /a}]"),
    ("volumes.type: cluster", "", "volumes: [{type: cluster, source: a, target: /a}]"),
    ("volumes.type: image", "", "volumes: [{type: image, source: a, target: /a}]"),
    ("volumes.type: npipe", "", "volumes: [{type: npipe, source: a, target: /a}]"),
    ("volumes.volume", "", "volumes: [{type: volume, source: default, target: /a, volume: {subpath: b}}]"),
    (
        "volumes.volume.labels",
        "volumes: ['default:/a']",
        "volumes: [{type: volume, source: default, target: /a, volume: {labels: {a: b}}}]",
    ),
    (
        "volumes.volume.nocopy",
        "volumes: ['default:/a']",
        "volumes: [{type: volume, source: default, target: /a, volume: {nocopy: true}}]",
    ),
    (
        "volumes.volume.subpath",
        "volumes: ['default:/a']",
        "volumes: [{type: volume, source: default, target: /a, volume: {subpath: b}}]",
    ),
    ("volumes_from", "", "volumes_from: [db]"),
    ("working_dir", "", "working_dir: /x"),
];

/// Rows of the top level: the key, and the rest of the file before and after. `web` uses config and secret `x`.
const TOP_LEVEL: &[(&str, &str, &str)] = &[
    ("configs", "", "configs: {x: {content: a}}"),
    ("configs.content", "configs: {x: {content: a}}", "configs: {x: {content: b}}"),
    ("configs.environment", "configs: {x: {content: a}}", "configs: {x: {environment: TAG}}"),
    ("configs.external", "configs: {x: {content: a}}", "configs: {x: {external: true}}"),
    ("configs.file", "configs: {x: {content: a}}", "configs: {x: {file: conf/app.ini}}"),
    ("configs.labels", "configs: {x: {content: a}}", "configs: {x: {content: a, labels: {a: b}}}"),
    ("configs.name", "configs: {x: {external: true}}", "configs: {x: {external: true, name: y}}"),
    ("configs.template_driver", "configs: {x: {content: a}}", "configs: {x: {content: a, template_driver: golang}}"),
    ("include", "", "include: [other.yml]"),
    ("include.env_file", "include: [{path: part.yml}]", "include: [{path: part.yml, env_file: part.env}]"),
    ("include.path", "include: [{path: other.yml}]", "include: [{path: part.yml}]"),
    ("include.project_directory", "include: [{path: part.yml}]", "include: [{path: part.yml, project_directory: sub}]"),
    ("jobs", "", "jobs: {a: {image: b, triggers: {manual: true}}}"),
    ("models", "", "models: {a: {model: b}}"),
    ("name", "", "name: a"),
    ("networks", "", "networks: {front: {driver: bridge}}"),
    ("networks.internal", "networks: {front: {driver: bridge}}", "networks: {front: {driver: bridge, internal: true}}"),
    ("secrets", "", "secrets: {x: {environment: TAG}}"),
    ("secrets.driver", "secrets: {x: {environment: TAG}}", "secrets: {x: {environment: TAG, driver: a}}"),
    (
        "secrets.driver_opts",
        "secrets: {x: {environment: TAG}}",
        "secrets: {x: {environment: TAG, driver_opts: {a: b}}}",
    ),
    ("secrets.environment", "secrets: {x: {environment: TAG}}", "secrets: {x: {environment: DB_PASS}}"),
    ("secrets.external", "secrets: {x: {environment: TAG}}", "secrets: {x: {external: true}}"),
    ("secrets.file", "secrets: {x: {environment: TAG}}", "secrets: {x: {file: token.bin}}"),
    ("secrets.labels", "secrets: {x: {environment: TAG}}", "secrets: {x: {environment: TAG, labels: {a: b}}}"),
    ("secrets.name", "secrets: {x: {external: true}}", "secrets: {x: {external: true, name: y}}"),
    (
        "secrets.template_driver",
        "secrets: {x: {environment: TAG}}",
        "secrets: {x: {environment: TAG, template_driver: golang}}",
    ),
    ("version", "", "version: '3'"),
    ("volumes", "", "volumes: {default: {labels: {a: b}}}"),
    ("volumes.driver", "volumes: {default: {labels: {a: b}}}", "volumes: {default: {labels: {a: b}, driver: rclone}}"),
    (
        "volumes.driver: local",
        "volumes: {default: {labels: {a: b}}}",
        "volumes: {default: {labels: {a: b}, driver: local}}",
    ),
    (
        "volumes.driver_opts",
        "volumes: {default: {labels: {a: b}}}",
        "volumes: {default: {labels: {a: b}, driver_opts: {type: nfs}}}",
    ),
];

/// Mapped keys that say what happens anyway: no object changes, and nobody hears of it.
const HOLDS: &[&str] = &[
    "deploy.mode: replicated",
    "deploy.restart_policy",
    "deploy.restart_policy.condition",
    "healthcheck.start_period",
    "name",
    "ports.mode: ingress",
    "restart",
    "userns_mode: host",
    "volumes.driver: local",
    "volumes.volume.nocopy",
];

/// Objects, if there are any, and findings by severity without their places.
fn outcome(text: &str) -> (Option<Vec<Value>>, BTreeMap<String, Severity>) {
    let (project, found) = read_text(text);
    let mut findings: BTreeMap<String, Severity> = BTreeMap::new();
    let mut keep = |found: &Diagnostics| findings.extend(found.iter().map(|one| (one.message.clone(), one.severity)));
    keep(&found);
    let mut objects = None;
    if let Some(project) = project {
        let scope = scope();
        let (rendered, found) = convert(&input(&scope, &project));
        keep(&found);
        objects = rendered.map(|rendered| rendered.objects.into_iter().map(|object| object.body).collect());
    }
    (objects, findings)
}

fn check(row: &Support, before: &str, after: &str) {
    let ((old, known), (new, found)) = (outcome(before), outcome(after));
    let worst = found.iter().filter(|(message, _)| !known.contains_key(*message)).map(|(_, severity)| *severity).max();
    let context = format!("{}\n{after}\n{found:#?}", row.key);
    match row.verdict {
        Verdict::Mapped => {
            assert!(worst.is_none_or(|worst| worst == Severity::Note), "{context}");
            assert!(new.is_some(), "{context}");
            if HOLDS.contains(&row.key) {
                assert!(old == new && worst.is_none(), "{context}");
            } else {
                assert!(old != new, "{context}");
            }
        }
        Verdict::Noted => assert!(worst == Some(Severity::Note) && old == new && new.is_some(), "{context}"),
        Verdict::Warned => assert!(worst == Some(Severity::Warning) && old == new && new.is_some(), "{context}"),
        Verdict::Refused => assert!(worst == Some(Severity::Error) && new.is_none(), "{context}"),
    }
}

fn example<'a>(list: &'a [(&str, &str, &str)], row: &Support) -> (&'a str, &'a str) {
    let found = list.iter().find(|(key, _, _)| *key == row.key);
    found.map(|(_, before, after)| (*before, *after)).unwrap_or_else(|| panic!("no example of {}", row.key))
}

#[test]
fn services_do_what_the_table_says() {
    let file = |body: &str| {
        let image = if body.contains("image: ") && !body.contains("type: image") { "" } else { "image: x, " };
        format!(
            "services:\n  web: {{{image}{body}}}\n  db: {{image: y}}\n  cache: {{image: z}}\n  checked: {{image: z, healthcheck: {{test: [CMD, a]}}}}\n  off: {{image: z, profiles: [off]}}\n\
             configs: {{c: {{content: a}}, d: {{content: b}}}}\n\
             secrets: {{s: {{environment: TAG}}, t: {{environment: DB_PASS}}}}\nmodels: {{a: {{model: b}}}}\nnetworks: {{front: {{}}}}\n"
        )
    };
    for row in SERVICE_KEYS {
        let (before, after) = example(SERVICE, row);
        check(row, &file(before), &file(after));
    }
    assert_eq!(SERVICE.len(), SERVICE_KEYS.len());
}

#[test]
fn the_top_level_does_what_the_table_says() {
    for row in TOP_LEVEL_KEYS.iter().filter(|row| row.key != "services") {
        let (before, after) = example(TOP_LEVEL, row);
        let kind = row.key.split('.').next().unwrap();
        let uses = if matches!(kind, "configs" | "secrets") { format!(", {kind}: [x]") } else { String::new() };
        let file = |rest: &str| format!("services: {{web: {{image: x{uses}}}}}\n{rest}\n");
        check(row, &file(before), &file(after));
    }
    assert_eq!(TOP_LEVEL.len() + 1, TOP_LEVEL_KEYS.len());
}
