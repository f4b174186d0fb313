//! The typed model of a compose project: what is left after interpolation, merge and profiles, every part with its place.
//! Types only, which know nothing of how they are read or what becomes of them.

use std::collections::BTreeMap;
use std::fmt;

use crate::compose::syntax::Protocol;
use crate::diag::Location;

/// A text that may be a secret. Debug hides it when it is one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Text {
    /// The text itself.
    pub value: String,
    /// Whether it must never be shown or stored: it came from an env file or an interpolation, or its name says so.
    pub sensitive: bool,
}

impl Text {
    /// A text that anybody may see.
    pub fn open(value: impl Into<String>) -> Self {
        Self { value: value.into(), sensitive: false }
    }

    /// A text that nobody may see.
    pub fn secret(value: impl Into<String>) -> Self {
        Self { value: value.into(), sensitive: true }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive { f.write_str("(sensitive)") } else { fmt::Debug::fmt(&self.value, f) }
    }
}

/// Bytes of a config or secret. Debug shows only their number.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes {
    /// The bytes themselves.
    pub value: Vec<u8>,
    /// Whether they must never be shown or stored.
    pub sensitive: bool,
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.value.len())
    }
}

/// A value with the place it was written at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub location: Location,
}

/// One service: one container.
#[derive(Debug, Clone)]
pub struct Service {
    /// Name of service and container.
    pub name: String,
    /// Where its key stands.
    pub location: Location,
    /// Image reference.
    pub image: Option<Located<String>>,
    /// Where `build` stands, if it does.
    pub build: Option<Location>,
    /// `command`, split; absent leaves the image's own, empty clears it.
    pub command: Option<Vec<Text>>,
    /// `entrypoint`, split.
    pub entrypoint: Option<Vec<Text>>,
    /// Environment by name.
    pub environment: BTreeMap<String, Text>,
    /// All env files merged, later ones winning; absent when no file was read.
    pub env_file: Option<BTreeMap<String, Text>>,
    /// Where `env_file` stands.
    pub env_file_location: Option<Location>,
    /// Published ports and container ports.
    pub ports: Vec<Port>,
    /// Ports of `expose`.
    pub expose: Vec<Port>,
    /// Volumes and binds.
    pub mounts: Vec<Mount>,
    /// Memory file systems, `/dev/shm` from `shm_size` included.
    pub tmpfs: Vec<Tmpfs>,
    /// Configs it uses.
    pub configs: Vec<FileUse>,
    /// Secrets it uses.
    pub secrets: Vec<FileUse>,
    /// Health check, if one is on.
    pub healthcheck: Option<Healthcheck>,
    /// Whether a container that is not healthy is to be restarted, and where that is said.
    pub liveness: Option<Location>,
    /// Whether its empty folders are filled with what its image holds there, and where that is said.
    pub copy_up: Option<Location>,
    /// Paths of mounts of the compose files that it is not to have here.
    pub left_out: Vec<String>,
    /// User and group that its folders belong to.
    pub owner: Option<Located<(u32, u32)>>,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// Requests and limits, before defaults of the app.
    pub resources: Resources,
    /// How many containers of it run; 0 leaves it out, and more than one is one.
    pub replicas: i64,
    /// `restart`, or what `deploy.restart_policy` says in its words.
    pub restart: Option<Located<String>>,
    /// Commands to run once the container has started.
    pub post_start: Vec<Hook>,
    /// Commands to run before the container is stopped.
    pub pre_stop: Vec<Hook>,
    /// Annotations of the container.
    pub annotations: BTreeMap<String, Located<Text>>,
    /// Host name of the container.
    pub hostname: Option<Located<String>>,
    /// Other names that a service is reached by.
    pub aliases: Vec<Alias>,
    /// The service whose network it shares: `network_mode: service:x`.
    pub network_of: Option<Located<String>>,
    /// Numeric user and group of the process.
    pub user: Option<(i64, Option<i64>)>,
    /// Supplementary groups.
    pub group_add: Vec<i64>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Whether a terminal is allocated.
    pub tty: bool,
    /// Whether standard input stays open.
    pub stdin_open: bool,
    /// Seconds between the stop signal and the end.
    pub stop_grace_period: Option<i64>,
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// Capabilities added, without `CAP_`.
    pub cap_add: Vec<String>,
    /// Capabilities dropped, without `CAP_`.
    pub cap_drop: Vec<String>,
    /// Whether it runs privileged.
    pub privileged: bool,
    /// `no-new-privileges`.
    pub no_new_privileges: bool,
    /// Seccomp profile `Unconfined`.
    pub seccomp_unconfined: bool,
    /// AppArmor profile in Kubernetes' words: `Unconfined` or `RuntimeDefault`.
    pub apparmor: Option<&'static str>,
    /// SELinux `user`, `role`, `type` and `level`.
    pub se_linux: BTreeMap<&'static str, String>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, Located<String>>,
    /// Host names with fixed addresses: (address, name).
    pub extra_hosts: Vec<(String, String)>,
    /// Name servers.
    pub dns: Vec<String>,
    /// DNS search domains.
    pub dns_search: Vec<String>,
    /// DNS options.
    pub dns_opt: Vec<String>,
    /// Image pull policy in Kubernetes' words.
    pub pull_policy: Option<&'static str>,
}

/// Another name of a service: of a network, of a link, or its `container_name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The service it leads to.
    pub service: String,
    /// Whether somebody asked for this name to resolve; `container_name` is an alias by the way.
    pub wanted: bool,
    /// Where it stands.
    pub location: Location,
}

/// A command of `post_start` or `pre_stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The command to run.
    pub command: Vec<Text>,
    /// Its folder, if not the container's.
    pub working_dir: Option<String>,
    /// What it sees in addition to the container's environment.
    pub environment: BTreeMap<String, Text>,
    /// Where it stands.
    pub location: Location,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Host address it was bound to; a loopback address was not meant for others.
    pub host_ip: Option<String>,
    /// Host port, if published.
    pub published: Option<u16>,
    /// Port in the container.
    pub target: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// What is spoken through it, such as `http`.
    pub app_protocol: Option<String>,
    /// Where it stands.
    pub location: Location,
}

/// Which volume a mount takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// `./sub/path`: the app's first volume.
    First,
    /// A volume by its name.
    Named(String),
}

/// A volume mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Which volume.
    pub source: MountSource,
    /// Path inside the volume, normalised; empty for its root.
    pub sub_path: String,
    /// Where the container sees it.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Where it stands.
    pub location: Location,
}

/// A memory file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where the container sees it.
    pub target: String,
    /// Limit in bytes.
    pub size: Option<u64>,
    /// Where it stands.
    pub location: Location,
}

/// A top-level config or secret.
#[derive(Debug, Clone)]
pub struct FileObject {
    /// What it is made of.
    pub source: FileSource,
    /// Where its key stands.
    pub location: Location,
}

/// What a config or secret is made of.
#[derive(Debug, Clone)]
pub enum FileSource {
    /// Content read or given; `key` is the file's name, absent for `content:` and `environment:`.
    Content {
        /// The source file's own name.
        key: Option<String>,
        /// What it holds.
        bytes: Bytes,
    },
    /// An object that exists already, by its name.
    External(String),
    /// It could not be read and an error says so; conversion does not happen.
    Unreadable,
}

/// A service's use of a config or secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileUse {
    /// Name of the top-level config or secret.
    pub source: String,
    /// Where the container sees it.
    pub target: String,
    /// File mode bits.
    pub mode: Option<u32>,
    /// Where it stands.
    pub location: Location,
}

/// A health check. Times are in whole seconds, rounded up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// The command to run.
    pub command: Vec<Text>,
    /// Time between two checks.
    pub interval: i64,
    /// Time one check may take.
    pub timeout: i64,
    /// Failures in a row that make it unhealthy.
    pub retries: i64,
    /// Time in which failures do not count.
    pub start_period: i64,
    /// Time between two checks while starting.
    pub start_interval: i64,
}

/// What a service waits for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// That it has started.
    Started,
    /// That it is healthy.
    Healthy,
    /// That it has ended well.
    Completed,
}

/// An entry of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The other service.
    pub service: String,
    /// What it must have reached.
    pub condition: Condition,
    /// Whether the other service must exist.
    pub required: bool,
    /// Where it stands.
    pub location: Location,
}

/// Requests and limits as Kubernetes quantities, by resource name (`cpu`, `memory`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// What is set aside.
    pub requests: BTreeMap<String, String>,
    /// What is the most.
    pub limits: BTreeMap<String, String>,
}
