//! Strings that make sense in a place of the schema.

/// What follows it in a list is likely to be refused, and drawn less often.
pub const ODD: &str = "\0";
/// Keys of free maps.
pub const KEYS: &[&str] = &["a", "b", "one", "com.example.k", "A"];
/// Numbers.
pub const NUMBERS: &[&str] = &["0", "1", "2", "3", "80", "100", "0.5", "1.5", ODD, "-1", "0o644", "1e2"];
/// Whole numbers.
pub const WHOLE: &[&str] = &["0", "1", "2", "3", "80", "100", "1000", ODD, "-1", "0o644", "1e2", "0.5"];
/// Strings anywhere.
pub const PLAIN: &[&str] =
    &["a", "b c", "x=y", "", "é", "1", "true", "null", "a: b", "#c", "~", "0x1F", "a/b", " s ", "1.50"];

const SERVICES: &[&str] = &["db", "web", ODD, "a.b-c", "nowhere"];
const NETWORKS: &[&str] = &["n1", "n2", "default", ODD, "nowhere"];
const CONFIGS: &[&str] = &["c1", "c2"];
const SECRETS: &[&str] = &["s1", "s2"];
const MODELS: &[&str] = &["m1", "m2"];
const DURATIONS: &[&str] =
    &["1s", "1m30s", "1h", "500ms", "1.5s", "0s", "2d", "100us", "1h0m0.5s", ODD, "90", "1m 30s", "-1s"];
const SIZES: &[&str] = &["1", "64m", "1g", "1.5gb", "1024k", "2b", "1 mb", "10GiB", "0", ODD, "-1", "5Mi", "1e3"];
const INTEGERS: &[&str] = &["0", "1", "2", "10", ODD, "-1", "007", "1.5", " 3"];
const FRACTIONS: &[&str] = &["0.5", "1", "2.25", "0", "1e-1", ODD, "half"];
const BOOLEANS: &[&str] = &["true", "false", "yes", "no", "on", "off", "y", "n", "TRUE", "Yes", ODD, "1"];
const PORTS: &[&str] = &[
    "80",
    "80:80",
    "8080:80",
    "127.0.0.1:80:80",
    "127.0.0.1::80",
    "53:53/udp",
    "7000-7002:8000-8002",
    "9000-9001",
    "9000-9010:90",
    "[::1]:80:80",
    "80:80/tcp",
    "0:80",
    "65535:65535",
    "0.0.0.0:1:1",
    "[::]:1-2:1-2/udp",
    ODD,
    "65536:1",
    "80:",
    ":80",
    "a:80",
    "1-2:3-5",
    "80:80/xyz",
];
const VOLUMES: &[&str] = &[
    "data:/data",
    "cache:/data:ro",
    "/anonymous",
    "./rel:/rel",
    "../up:/up:ro",
    "~/home:/home",
    "/abs:/abs:rw",
    "data:/d:z",
    "./x:/x:ro,Z",
    "./p:/p:rshared",
    "data:/n:nocopy",
    ".:/here",
    "~:/tilde",
    "data:/a/../b/",
    "./a b:/sp ace",
    "data:/data/",
    "./c:/c:cached",
    "cache:/v:volume-nocopy",
    "./d:/d:ro,rslave,z",
    "c:/win:/w",
    "./e:/e:bogus",
    ODD,
    "data",
    "undefined-volume:/u",
];
const COMMANDS: &[&str] = &[
    "echo hi",
    "sh -c 'a b'",
    "a \"b c\" d",
    "",
    "a\\ b",
    "  spaced   out ",
    "a | b && c",
    "'it''s'",
    "x=$$HOME y",
    "a # b",
    "tab\there",
    "\"esc \\\" aped\"",
    "a;b",
    "(a)",
    "`a`",
    "*?[a]",
    "new\nline",
    "a >b 2>&1",
    "back\\\\slash",
    "\\n",
    ODD,
    "\"open",
];
const HOSTS: &[&str] =
    &["h:10.0.0.1", "h=10.0.0.2", "g:::1", "g=[::1]", "gw:host-gateway", "x:y", ODD, "noaddr", "a:[::2]"];
const ADDRESSES: &[&str] = &["10.0.0.1", "::1", "[::1]", "host-gateway", ODD, "odd"];
const PATHS: &[&str] =
    &["./a", "../b", "/abs/c", "~/d", ".", "a/b/../c", "./e/", "https://example.com/x.git#main:sub", "${U:-.}/f"];
const ASSIGNMENTS: &[&str] = &["A=1", "B", "A=2", "C=", "D=x=y", "a.b=c", "E= f ", "U"];
const TARGETS: &[&str] = &["/a", "/b/", "/c/../d", "/data", "rel"];

/// The strings of a place; none where any string does.
pub fn words(place: &str) -> Option<&'static [&'static str]> {
    let key = place.trim_end_matches("[]").trim_end_matches(".*");
    let key = key.rsplit('.').next().unwrap_or(key);
    Some(match (place, key) {
        ("workload_spec.ports[]", _) => PORTS,
        ("container_spec.volumes[]", _) => VOLUMES,
        ("container_spec.volumes[].source", _) => &["data", "./rel", "/abs", "cache", "~/h", "../up", "alpine"],
        ("development.watch[].path", _) => &["./a", "b", "/c", ODD, ""],
        ("container_spec.networks[]" | "container_spec.networks.*", _) => NETWORKS,
        ("container_spec.models[]" | "container_spec.models.*", _) => MODELS,
        ("workload_spec.depends_on[]" | "workload_spec.depends_on.*", _) => SERVICES,
        ("env_file" | "env_file[]" | "env_file[].path", _) => &["one.env", "./two.env", ODD, "absent.env"],
        ("env_file[].format", _) => &["raw", "", ODD, "other"],
        ("label_file" | "label_file[]", _) => &["one.env", "two.env"],
        ("extra_hosts.*" | "extra_hosts.*[]", _) => ADDRESSES,
        ("extra_hosts[]", _) => HOSTS,
        ("ulimits.*", _) => &["nofile", "nproc"],
        (_, "interval" | "timeout" | "start_period" | "start_interval" | "stop_grace_period" | "delay") => DURATIONS,
        (_, "monitor" | "window" | "pull_refresh_after") => DURATIONS,
        (_, "mem_limit" | "mem_reservation" | "memswap_limit" | "shm_size" | "memory" | "rate" | "size") => SIZES,
        (_, "cpu_count" | "cpu_percent" | "cpu_shares" | "cpu_quota" | "cpu_period" | "cpu_rt_period") => INTEGERS,
        (_, "cpu_rt_runtime" | "mem_swappiness" | "oom_score_adj" | "pids_limit" | "pids" | "scale" | "replicas") => {
            INTEGERS
        }
        (_, "parallelism" | "max_attempts" | "max_replicas_per_node" | "retries" | "soft" | "hard" | "weight") => {
            INTEGERS
        }
        (_, "target") if place.ends_with("ports[].target") => INTEGERS,
        (_, "published") => &["80", "8080", "9000-9002", "0", "", ODD, "x"],
        (_, "host_ip") => &["127.0.0.1", "::1", "0.0.0.0", ODD, "odd", ""],
        (_, "protocol") => &["tcp", "udp", "sctp", ODD, "odd"],
        (_, "expose") => &["80", "81/tcp", "90-91", ODD, "x"],
        (_, "cpus" | "max_failure_ratio") => FRACTIONS,
        (_, "mode") if place.contains("tmpfs") || place.ends_with("s[].mode") => &["0644", "420", ODD, "0o600", "x"],
        (_, "umask") => &["0022", "18", ODD, "0o22", "x"],
        (_, "count") => &["all", "1", "2", ODD, "x"],
        (_, "attach" | "init" | "tty" | "stdin_open" | "privileged" | "read_only" | "oom_kill_disable") => BOOLEANS,
        (_, "disable" | "required" | "restart")
            if place.starts_with("workload_spec") || place.starts_with("health") =>
        {
            BOOLEANS
        }
        (_, "external" | "internal" | "attachable" | "enable_ipv4" | "enable_ipv6" | "nocopy") => BOOLEANS,
        (_, "create_host_path" | "per_replica" | "manual" | "use_service_name_alias" | "no_cache" | "pull") => BOOLEANS,
        (_, "provenance" | "sbom") => &["true", "mode=max", "generator=x"],
        (_, "command" | "entrypoint") => COMMANDS,
        (_, "test") => COMMANDS,
        (_, "context" | "build" | "file" | "dockerfile") => PATHS,
        ("workload_spec.build.additional_contexts.*", _) => KEYS,
        (_, "additional_contexts") => &["a=./a", "b=service:db", "c=docker-image://x", "d=https://e.com"],
        (_, "environment" | "labels" | "annotations" | "args" | "sysctls" | "options") if place.ends_with("[]") => {
            ASSIGNMENTS
        }
        ("config.environment" | "secret.environment", _) => &["A", "B", "U"],
        (_, "ssh") if place.ends_with("[]") => &["default"],
        (_, "ssh") => &["default"],
        (_, "links") => &["db", "web:alias", "db:x"],
        (_, "volumes_from") => &["db", "db:ro", "container:c", "container:c:ro"],
        (_, "network_mode") => &["host", "none", "bridge", "service:db", "service:web", "container:c"],
        (_, "ipc" | "pid" | "uts") => &["host", "service:db", "shareable", "container:c"],
        (_, "secrets") => SECRETS,
        (_, "configs") => CONFIGS,
        (_, "source") if place.ends_with("secrets[].source") => SECRETS,
        (_, "source") if place.ends_with("configs[].source") => CONFIGS,
        (_, "container_name") => &["name-1", ODD, "_"],
        (_, "devices") => &["/dev/a", "/dev/a:/dev/b", "/dev/a:/dev/b:rw", "v/c=d", ODD, "a:b:c:d"],
        (_, "tmpfs") => &["/t", "/t:size=1m", "/u"],
        (_, "target") => TARGETS,
        (_, "profiles") => &["p", "q"],
        (_, "pull_policy") => {
            &["always", "never", "if_not_present", "missing", "build", "daily", "every_12h", "refresh", ODD, "odd"]
        }
        (_, "restart") => &["no", "always", "on-failure", "on-failure:3", "unless-stopped", ODD, "odd"],
        (_, "condition") => &["none", "on-failure", "any"],
        (_, "platform" | "platforms") => &["linux/amd64", "linux/arm64"],
        (_, "subnet") => &["10.1.0.0/16", "10.2.0.0/16", "fd00::/64", ODD, "odd"],
        (_, "driver") => &["bridge", "local", "json-file"],
        (_, "cron") => &["0 3 * * *", "@daily", ODD, "odd"],
        _ => return None,
    })
}
