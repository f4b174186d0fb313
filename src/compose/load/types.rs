//! The types of a canonical compose file, as tables: which keys there are, what their values are read as, and which of
//! them are written when they are empty. They follow the reference loader's own types.

/// What a value is read as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Text,
    Boolean,
    Integer,
    /// An integer that is not negative.
    Unsigned,
    /// A number of single precision.
    Number,
    /// Also from a text; single precision.
    Cpus,
    Duration,
    /// A size, written as a text of digits.
    Bytes,
    /// Octal, written as a text with a leading zero.
    FileMode,
    /// `all` or an integer.
    DeviceCount,
    /// A command: split where it is one text.
    Command,
    /// The test of a health check.
    Test,
    /// Texts or one text.
    Texts,
    /// Texts, from numbers too.
    Prints,
    /// Texts, and nothing but texts and integers.
    List,
    /// A mapping of texts, where null is the empty text.
    Labels,
    /// As labels, from `KEY` and `KEY=VALUE` too; null stays.
    Pairs,
    /// As labels, from a list too.
    Mapping,
    /// As labels, from a mapping only.
    Options,
    /// A mapping of texts and lists of texts to lists of texts.
    MultiOptions,
    /// A mapping of texts and integers to texts.
    TextMap,
    /// Host names with their addresses.
    Hosts,
    Ssh,
    Ulimit,
    /// A mapping whose values are of one type.
    MapOf(&'static Type),
    /// A list whose items are of one type.
    ListOf(&'static Type),
    Struct(&'static [Field]),
}

/// When a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// When it is not empty.
    Filled,
    /// When it is there and not null.
    Present,
    Always,
    /// When it is false.
    False,
}

/// A key of a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// As it stands in a file.
    pub(super) key: &'static str,
    /// As it is written.
    pub(super) output: &'static str,
    pub(super) kind: Type,
    pub(super) written: Written,
}

const fn filled(key: &'static str, kind: Type) -> Field {
    Field { key, output: key, kind, written: Written::Filled }
}
const fn present(key: &'static str, kind: Type) -> Field {
    Field { key, output: key, kind, written: Written::Present }
}
const fn always(key: &'static str, kind: Type) -> Field {
    Field { key, output: key, kind, written: Written::Always }
}
const fn titled(key: &'static str, output: &'static str, kind: Type) -> Field {
    Field { key, output, kind, written: Written::Always }
}
const fn unless_true(key: &'static str) -> Field {
    Field { key, output: key, kind: Type::Boolean, written: Written::False }
}

use Type::{
    Boolean, Bytes, Command, Cpus, DeviceCount, Duration, FileMode, Hosts, Integer, Labels, List, ListOf, MapOf,
    Mapping, MultiOptions, Number, Options, Pairs, Prints, Ssh, Struct, Test, Text, TextMap, Texts, Ulimit, Unsigned,
};

const WEIGHT: Type = Struct(&[titled("path", "Path", Text), titled("weight", "Weight", Unsigned)]);
const RATE: Type = Struct(&[titled("path", "Path", Text), titled("rate", "Rate", Bytes)]);
const BLKIO: Type = Struct(&[
    filled("weight", Unsigned),
    filled("weight_device", ListOf(&WEIGHT)),
    filled("device_read_bps", ListOf(&RATE)),
    filled("device_read_iops", ListOf(&RATE)),
    filled("device_write_bps", ListOf(&RATE)),
    filled("device_write_iops", ListOf(&RATE)),
]);
const FILE: Type = Struct(&[
    filled("source", Text),
    filled("target", Text),
    filled("uid", Text),
    filled("gid", Text),
    present("mode", FileMode),
]);
const CREDENTIAL: Type = Struct(&[filled("config", Text), filled("file", Text), filled("registry", Text)]);
const DEVICE: Type = Struct(&[filled("source", Text), filled("target", Text), filled("permissions", Text)]);
const ENV_FILE: Type = Struct(&[filled("path", Text), unless_true("required"), filled("format", Text)]);
const DEVICE_REQUEST: Type = Struct(&[
    filled("capabilities", List),
    filled("driver", Text),
    filled("count", DeviceCount),
    filled("device_ids", List),
    filled("options", Mapping),
]);
const LOGGING: Type = Struct(&[filled("driver", Text), filled("options", Options)]);
const SERVICE_MODEL: Type = Struct(&[filled("endpoint_var", Text), filled("model_var", Text)]);
const SERVICE_NETWORK: Type = Struct(&[
    filled("aliases", List),
    filled("driver_opts", Options),
    filled("gw_priority", Integer),
    filled("interface_name", Text),
    filled("ipv4_address", Text),
    filled("ipv6_address", Text),
    filled("link_local_ips", List),
    filled("mac_address", Text),
    filled("priority", Integer),
    present("use_service_name_alias", Boolean),
]);
const BIND: Type = Struct(&[
    filled("selinux", Text),
    filled("propagation", Text),
    unless_true("create_host_path"),
    filled("recursive", Text),
]);
const MOUNT: Type = Struct(&[
    filled("type", Text),
    filled("source", Text),
    filled("target", Text),
    filled("read_only", Boolean),
    filled("consistency", Text),
    present("bind", BIND),
    present("volume", Struct(&[filled("labels", Mapping), filled("nocopy", Boolean), filled("subpath", Text)])),
    present("tmpfs", Struct(&[filled("size", Bytes), filled("mode", Unsigned)])),
    present("image", Struct(&[filled("subpath", Text)])),
]);

/// What describes a container.
pub(super) const CONTAINER: &[Field] = &[
    filled("annotations", Mapping),
    present("blkio_config", BLKIO),
    filled("cap_add", List),
    filled("cap_drop", List),
    filled("cgroup_parent", Text),
    filled("cgroup", Text),
    filled("cpu_count", Integer),
    filled("cpu_percent", Number),
    filled("cpu_period", Integer),
    filled("cpu_quota", Integer),
    filled("cpu_rt_period", Integer),
    filled("cpu_rt_runtime", Integer),
    filled("cpus", Number),
    filled("cpuset", Text),
    filled("cpu_shares", Integer),
    always("command", Command),
    filled("configs", ListOf(&FILE)),
    present("credential_spec", CREDENTIAL),
    filled("device_cgroup_rules", List),
    filled("devices", ListOf(&DEVICE)),
    filled("dns", Texts),
    filled("dns_opt", List),
    filled("dns_search", Texts),
    filled("domainname", Text),
    always("entrypoint", Command),
    filled("environment", Pairs),
    filled("env_file", ListOf(&ENV_FILE)),
    filled("extra_hosts", Hosts),
    filled("group_add", List),
    filled("gpus", ListOf(&DEVICE_REQUEST)),
    filled("hostname", Text),
    filled("image", Text),
    present("init", Boolean),
    filled("ipc", Text),
    filled("isolation", Text),
    filled("labels", Labels),
    filled("label_file", List),
    present("logging", LOGGING),
    filled("log_driver", Text),
    filled("log_opt", TextMap),
    filled("mem_limit", Bytes),
    filled("mem_reservation", Bytes),
    filled("memswap_limit", Bytes),
    filled("mem_swappiness", Bytes),
    filled("mac_address", Text),
    filled("models", MapOf(&SERVICE_MODEL)),
    filled("network_mode", Text),
    filled("networks", MapOf(&SERVICE_NETWORK)),
    filled("oom_kill_disable", Boolean),
    filled("oom_score_adj", Integer),
    filled("pid", Text),
    filled("pids_limit", Integer),
    filled("platform", Text),
    filled("privileged", Boolean),
    filled("pull_policy", Text),
    filled("pull_refresh_after", Text),
    filled("read_only", Boolean),
    filled("runtime", Text),
    filled("secrets", ListOf(&FILE)),
    filled("security_opt", List),
    filled("shm_size", Bytes),
    present("stop_grace_period", Duration),
    filled("stop_signal", Text),
    filled("storage_opt", TextMap),
    filled("sysctls", Mapping),
    filled("tmpfs", Texts),
    filled("ulimits", MapOf(&Ulimit)),
    present("umask", Unsigned),
    filled("use_api_socket", Boolean),
    filled("user", Text),
    filled("userns_mode", Text),
    filled("uts", Text),
    filled("volume_driver", Text),
    filled("volumes", ListOf(&MOUNT)),
    filled("volumes_from", List),
    filled("working_dir", Text),
];

const BUILD: Type = Struct(&[
    filled("context", Text),
    filled("dockerfile", Text),
    filled("dockerfile_inline", Text),
    filled("entitlements", List),
    filled("args", Pairs),
    filled("provenance", Text),
    filled("sbom", Text),
    filled("ssh", Ssh),
    filled("labels", Labels),
    filled("cache_from", Texts),
    filled("cache_to", Texts),
    filled("no_cache", Boolean),
    filled("no_cache_filter", Texts),
    filled("additional_contexts", Mapping),
    filled("pull", Boolean),
    filled("extra_hosts", Hosts),
    filled("isolation", Text),
    filled("network", Text),
    filled("target", Text),
    filled("secrets", ListOf(&FILE)),
    filled("shm_size", Bytes),
    filled("tags", Texts),
    filled("ulimits", MapOf(&Ulimit)),
    filled("platforms", Texts),
    filled("privileged", Boolean),
]);
const DEPENDENCY: Type = Struct(&[filled("condition", Text), filled("restart", Boolean), always("required", Boolean)]);
const HEALTHCHECK: Type = Struct(&[
    filled("test", Test),
    present("timeout", Duration),
    present("interval", Duration),
    present("retries", Unsigned),
    present("start_period", Duration),
    present("start_interval", Duration),
    filled("disable", Boolean),
]);
const PORT: Type = Struct(&[
    filled("name", Text),
    filled("mode", Text),
    filled("host_ip", Text),
    filled("target", Unsigned),
    filled("published", Text),
    filled("protocol", Text),
    filled("app_protocol", Text),
]);

/// What describes a workload beside its container.
const WORKLOAD: &[Field] = &[
    present("build", BUILD),
    filled("depends_on", MapOf(&DEPENDENCY)),
    filled("dockerfile", Text),
    filled("expose", Prints),
    present("healthcheck", HEALTHCHECK),
    filled("ports", ListOf(&PORT)),
    filled("stdin_open", Boolean),
    filled("tty", Boolean),
];

const UPDATE: Type = Struct(&[
    present("parallelism", Unsigned),
    filled("delay", Duration),
    filled("failure_action", Text),
    filled("monitor", Duration),
    filled("max_failure_ratio", Number),
    filled("order", Text),
]);
const DISCRETE: Type = Struct(&[always("kind", Text), always("value", Integer)]);
const RESOURCE: Type = Struct(&[
    filled("cpus", Cpus),
    filled("memory", Bytes),
    filled("pids", Integer),
    filled("devices", ListOf(&DEVICE_REQUEST)),
    filled("generic_resources", ListOf(&Struct(&[present("discrete_resource_spec", DISCRETE)]))),
]);
const DEPLOY: Type = Struct(&[
    filled("mode", Text),
    present("replicas", Integer),
    filled("labels", Labels),
    present("update_config", UPDATE),
    present("rollback_config", UPDATE),
    always("resources", Struct(&[present("limits", RESOURCE), present("reservations", RESOURCE)])),
    present(
        "restart_policy",
        Struct(&[
            filled("condition", Text),
            present("delay", Duration),
            present("max_attempts", Unsigned),
            present("window", Duration),
        ]),
    ),
    always(
        "placement",
        Struct(&[
            filled("constraints", List),
            filled("preferences", ListOf(&Struct(&[filled("spread", Text)]))),
            filled("max_replicas_per_node", Unsigned),
        ]),
    ),
    filled("endpoint_mode", Text),
]);
const HOOK: Type = Struct(&[
    always("command", Command),
    filled("user", Text),
    filled("privileged", Boolean),
    filled("working_dir", Text),
    filled("environment", Pairs),
]);
const WATCH: Type = Struct(&[
    always("path", Text),
    always("action", Text),
    filled("target", Text),
    always("exec", HOOK),
    filled("include", List),
    filled("ignore", List),
    filled("initial_sync", Boolean),
]);

const SERVICE: &[Field] = &[
    filled("profiles", List),
    present("deploy", DEPLOY),
    present("develop", Struct(&[filled("watch", ListOf(&WATCH))])),
    filled("restart", Text),
    present("scale", Integer),
    present("attach", Boolean),
    filled("container_name", Text),
    present("provider", Struct(&[filled("type", Text), filled("options", MultiOptions)])),
    present("extends", Struct(&[filled("file", Text), filled("service", Text)])),
    filled("external_links", List),
    filled("links", List),
    filled("net", Text),
    filled("post_start", ListOf(&HOOK)),
    filled("pre_stop", ListOf(&HOOK)),
];
const SCHEDULE: Type = Struct(&[
    filled("cron", Text),
    filled("timezone", Text),
    filled("concurrency", Text),
    filled("missed_fires", Text),
]);
const JOB: &[Field] = &[
    filled("profiles", List),
    present("triggers", Struct(&[present("manual", Boolean), filled("schedule", ListOf(&SCHEDULE))])),
];

/// The parts of a service.
pub(super) const SERVICE_PARTS: &[&[Field]] = &[SERVICE, CONTAINER, WORKLOAD];
/// The parts of a job.
pub(super) const JOB_PARTS: &[&[Field]] = &[JOB, CONTAINER, WORKLOAD];
/// The parts of a hook that runs in a container of its own.
pub(super) const PRE_START_PARTS: &[&[Field]] = &[CONTAINER, &[filled("per_replica", Boolean)]];

/// A network.
pub(super) const NETWORK: &[Field] = &[
    filled("name", Text),
    filled("driver", Text),
    filled("driver_opts", Options),
    always(
        "ipam",
        Struct(&[
            filled("driver", Text),
            filled(
                "config",
                ListOf(&Struct(&[
                    filled("subnet", Text),
                    filled("gateway", Text),
                    filled("ip_range", Text),
                    filled("aux_addresses", Mapping),
                ])),
            ),
            filled("options", Options),
        ]),
    ),
    filled("external", Boolean),
    filled("internal", Boolean),
    filled("attachable", Boolean),
    filled("labels", Labels),
    present("enable_ipv4", Boolean),
    present("enable_ipv6", Boolean),
];
/// A volume.
pub(super) const VOLUME: &[Field] = &[
    filled("name", Text),
    filled("driver", Text),
    filled("driver_opts", Options),
    filled("external", Boolean),
    filled("labels", Labels),
];
/// A config or secret.
pub(super) const FILE_OBJECT: &[Field] = &[
    filled("name", Text),
    filled("file", Text),
    filled("environment", Text),
    filled("content", Text),
    filled("external", Boolean),
    filled("labels", Labels),
    filled("driver", Text),
    filled("driver_opts", TextMap),
    filled("template_driver", Text),
];
/// A model.
pub(super) const MODEL: &[Field] =
    &[filled("name", Text), filled("model", Text), filled("context_size", Integer), filled("runtime_flags", List)];
