//! Mounts of a compose project, as an App can have them: folders on its volumes, and single files as configs and
//! secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::build::Build;
use super::draft::Draft;
use super::folders::{Folders, unnamed};
use super::found::{FileUse, Remark};
use super::paths::{inside, lexical};
use super::yaml::{quoted, slug};
use crate::compose::files::{Files, LocalFiles};
use crate::compose::sensitive;
use crate::compose::syntax;
use crate::compose::tree::Tree;
use crate::diag::Location;
use crate::text::dns::is_label_within;
use crate::text::path::{holds, overlap};

/// Longest name of a volume (`manifests.md`, "Rules worth naming").
const VOLUME_NAME: usize = 16;
/// The volume that takes relative bind mounts.
const DEFAULT: &str = "default";
/// Bytes that a config or a secret may hold.
const MOST_BYTES: usize = 1024 * 1024;
/// Files of a read-only folder that become configs; larger folders are data.
const MOST_FILES: usize = 20;
/// Paths of a machine that a container in a cluster has no use for.
const OF_THE_MACHINE: [&str; 9] =
    ["/dev", "/proc", "/sys", "/run", "/var/run", "/lib/modules", "/boot", "/etc/localtime", "/etc/timezone"];

/// How a decision is made anew: files that are there are never overwritten.
const AGAIN: &str = "then take away what init wrote and run it again";

/// What became of a service's mounts.
#[derive(Default)]
pub struct Rewritten {
    /// All of them, if any had to change.
    pub volumes: Option<Vec<String>>,
    /// Files that become configs.
    pub configs: Vec<FileUse>,
    /// Files that become secrets.
    pub secrets: Vec<FileUse>,
    /// Where mounts were that nothing stands in for.
    pub left_out: Vec<String>,
    /// Why, one line each.
    pub why: Vec<String>,
}

/// What became of all mounts.
pub struct Finished {
    /// Volumes in order, each with what lies on it.
    pub volumes: Vec<(String, String)>,
    /// Configs: name and file.
    pub configs: Vec<(String, String)>,
    /// Secrets: name and file.
    pub secrets: Vec<(String, String)>,
    /// What was decided.
    pub decided: Vec<Remark>,
    /// What is to be done.
    pub todo: Vec<Remark>,
}

/// One mount as it is written.
struct Written {
    kind: Kind,
    source: String,
    target: String,
    read_only: bool,
    sub_path: String,
    /// Whether its source was written as a path from elsewhere that leads into this folder.
    moved: bool,
    at: Location,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Anonymous,
}

/// Rewrites mounts, service by service.
pub struct Mounts<'a> {
    draft: &'a Draft,
    root: &'a Path,
    files: LocalFiles,
    /// Where a named volume is: the volume of the App and the folder on it.
    named: BTreeMap<String, (String, String)>,
    order: Vec<String>,
    /// Folders on the first volume.
    folders: BTreeSet<String>,
    /// The folder of each mount from outside and of each without a name, by its key.
    places: BTreeMap<String, String>,
    /// What the images of services are built from.
    builds: BTreeMap<String, Build>,
    /// Paths of the project that services write to.
    written: BTreeSet<String>,
    /// Configs and secrets by file.
    configs: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    /// Folders with files in them that start empty: the first mount of each, and the services that mount it.
    emptied: BTreeMap<String, (Location, BTreeSet<String>)>,
    decided: Vec<Remark>,
    todo: Vec<Remark>,
}

impl<'a> Mounts<'a> {
    /// Decides about named volumes: each is a disk of its own, or, where a node cannot hold as many, a folder of one.
    pub fn new(draft: &'a Draft, services: &[(&str, &Tree)], most: usize) -> Self {
        let mut mounts = Self {
            draft,
            root: &draft.root,
            files: LocalFiles::new(&draft.root),
            named: BTreeMap::new(),
            order: Vec::new(),
            folders: BTreeSet::new(),
            places: BTreeMap::new(),
            builds: builds(draft),
            written: BTreeSet::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            emptied: BTreeMap::new(),
            decided: Vec::new(),
            todo: Vec::new(),
        };
        let written: Vec<(&str, Written)> = services
            .iter()
            .flat_map(|(service, tree)| tree.as_sequence().unwrap_or_default().iter().map(move |item| (*service, item)))
            .filter_map(|(service, item)| Some((service, written(item, draft)?)))
            .collect();
        let mut folders = Folders::default();
        let mut binds = false;
        for (_, mount) in &written {
            if mount.kind == Kind::Bind
                && !mount.read_only
                && !is_outside(mount)
                && let Ok(path) = syntax::sub_path(&mount.source)
            {
                mounts.written.insert(path);
            }
            binds |= mount.kind == Kind::Anonymous || mounts.is_folder(mount);
            if mounts.is_folder(mount)
                && !is_outside(mount)
                && let Ok(path) = syntax::sub_path(&mount.source)
            {
                folders.hold(&path);
            }
        }
        let names = named(draft, &written);
        let fold = names.len() + usize::from(binds) > most;
        if fold && let Some((_, _, at)) = names.first() {
            let text = format!(
                "the {} named volumes are folders of one disk: a node of this size holds {most} disks",
                names.len()
            );
            mounts.decided.push(Remark { at: Some((*at).clone()), text });
        }
        let mut taken = BTreeSet::from([DEFAULT.to_owned()]);
        let mut places: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (identity, name, at) in names {
            if fold {
                let folder = folders.claim(&[slug(name, 60)]);
                places.insert(identity, (DEFAULT.to_owned(), folder));
                continue;
            }
            // The Pod's volumes of configs and secrets are named so.
            let own = slug(name, VOLUME_NAME);
            let reserved = ["cfg-", "sec-", "tmp-"].iter().any(|start| own.starts_with(start));
            let own = if reserved { slug(&format!("vol-{own}"), VOLUME_NAME) } else { own };
            let volume = unique(&own, VOLUME_NAME, &mut taken);
            if volume != name {
                let text = format!(
                    "the named volume {name} is the volume {volume}: its name must fit {VOLUME_NAME} of a-z, 0-9 and \"-\""
                );
                mounts.decided.push(Remark { at: Some(at.clone()), text });
            }
            mounts.order.push(volume.clone());
            places.insert(identity, (volume, "data".to_owned()));
        }
        for (_, mount) in written.iter().filter(|(_, mount)| mount.kind == Kind::Volume) {
            if let Some(place) = places.get(&identity(draft, &mount.source)) {
                mounts.named.insert(mount.source.clone(), place.clone());
            }
        }
        mounts.place_outside(&written, &mut folders);
        for (service, mount) in written.iter().filter(|(_, mount)| mount.kind == Kind::Anonymous) {
            let folder = folders.claim(&unnamed(service, &mount.target));
            mounts.places.insert(format!("{service}:{}", mount.target), folder);
        }
        mounts
    }

    /// Chooses the folders of bind mounts from outside: those from one place keep what lies in what.
    fn place_outside(&mut self, written: &[(&str, Written)], folders: &mut Folders) {
        let mut groups: BTreeMap<(&str, usize), BTreeSet<(String, String)>> = BTreeMap::new();
        for (_, mount) in written.iter().filter(|(_, mount)| mount.kind == Kind::Bind && is_outside(mount)) {
            if !self.is_folder(mount) || mount.source.ends_with("/docker.sock") {
                continue;
            }
            let source = mount.source.as_str();
            let ups = lexical(source).iter().take_while(|part| *part == "..").count();
            let place = match source.chars().next() {
                Some('/') => "host",
                Some('~') => "home",
                _ => "outside",
            };
            let parts: Vec<String> =
                lexical(source).into_iter().filter(|part| part != ".." && !part.starts_with('~')).collect();
            let folder = if parts.is_empty() { slug(&mount.target, 40) } else { parts.join("/") };
            groups.entry((place, ups)).or_default().insert((source.to_owned(), folder));
        }
        for ((place, _), mounts) in groups {
            let names: BTreeSet<String> = mounts.iter().map(|(_, folder)| folder.clone()).collect();
            let prefix = folders.claim_all(&names.into_iter().collect::<Vec<_>>(), place);
            for (source, folder) in mounts {
                self.places.insert(source, format!("{prefix}{folder}"));
            }
        }
    }

    /// Whether a bind mount will be a folder on the first volume.
    fn is_folder(&self, mount: &Written) -> bool {
        let source = mount.source.as_str();
        mount.kind == Kind::Bind && !is_of_the_machine(source) && !self.root.join(source).is_file()
    }

    /// What becomes of a service's mounts.
    pub fn rewrite(&mut self, service: &str, tree: &Tree) -> Rewritten {
        let mut out = Rewritten::default();
        let mut all = Vec::new();
        let mut changed = false;
        for item in tree.as_sequence().unwrap_or_default() {
            let Some(mount) = written(item, self.draft) else {
                // Memory and what is wrong stay as they are: the check that follows speaks of the latter.
                all.extend(memory(item));
                continue;
            };
            let place = self.place(service, &mount, &mut out);
            // Only a folder of the project stays where it is.
            changed |= place.is_none() || is_outside(&mount) || mount.moved;
            let files = out.configs.iter().chain(&out.secrets);
            if place.is_none() && !mount.read_only && !files.into_iter().any(|file| file.target == mount.target) {
                out.left_out.push(mount.target.clone());
            }
            if let Some(source) = place {
                let option = if mount.read_only { ":ro" } else { "" };
                all.push(quoted(&format!("{source}:{}{option}", mount.target)));
            }
        }
        if changed {
            out.volumes = Some(all);
        }
        out
    }

    /// The source to mount from; none where the mount goes.
    fn place(&mut self, service: &str, mount: &Written, out: &mut Rewritten) -> Option<String> {
        match mount.kind {
            Kind::Volume => {
                let (volume, folder) = self.named.get(&mount.source)?.clone();
                let folder = if mount.sub_path.is_empty() { folder } else { format!("{folder}/{}", mount.sub_path) };
                note(&mut out.why, "a folder of its disk: any user can write there, and it holds no lost+found");
                if volume == DEFAULT {
                    self.folders.insert(folder.clone());
                    return Some(format!("./{folder}"));
                }
                Some(format!("{volume}/{folder}"))
            }
            Kind::Anonymous => {
                let folder = self.places.get(&format!("{service}:{}", mount.target))?.clone();
                // What masks a folder of the image would hide it.
                if mount.target.ends_with("/node_modules") || mount.target.ends_with("/vendor") {
                    note(&mut out.why, "a mount over what the image brings along is left out");
                    return None;
                }
                note(&mut out.why, "a mount without a name has a folder on the first volume");
                self.decide(mount, format!("{service}: {} has no name; its data is kept in ./{folder}", mount.target));
                self.folders.insert(folder.clone());
                Some(format!("./{folder}"))
            }
            Kind::Bind => self.bind(service, mount, out),
        }
    }

    fn bind(&mut self, service: &str, mount: &Written, out: &mut Rewritten) -> Option<String> {
        let source = mount.source.as_str();
        if !is_outside(mount) {
            return self.inside(service, mount, out);
        }
        if source.ends_with("/docker.sock") {
            note(&mut out.why, "there is no Docker in a cluster");
            self.remind(mount, format!("{service}: {source} is left out: there is no Docker in a cluster; leave the service out if it needs one"));
            return None;
        }
        if is_of_the_machine(source) {
            note(&mut out.why, "a path of the machine is left out");
            let help = if source.starts_with("/etc/") { "; set TZ for its time zone" } else { "" };
            self.decide(mount, format!("{service}: {source} of the machine is left out{help}"));
            return None;
        }
        let path = self.root.join(source);
        if path.is_file() || (!path.exists() && looks_like_file(source, &mount.target)) {
            note(&mut out.why, "a file outside of this folder is left out");
            self.remind(
                mount,
                format!(
                    "{service}: the file {source} is outside of this folder and left out; copy it here and mount that"
                ),
            );
            return None;
        }
        let folder = self.places.get(source)?.clone();
        note(&mut out.why, "a folder outside of this one is a folder on the first volume");
        self.remind(
            mount,
            format!("{service}: {source} starts as the empty folder {folder} on the first volume; copy its data once"),
        );
        self.folders.insert(folder.clone());
        Some(format!("./{folder}"))
    }

    /// A bind mount below the compose file's folder.
    fn inside(&mut self, service: &str, mount: &Written, out: &mut Rewritten) -> Option<String> {
        let source = mount.source.as_str();
        let Ok(path) = syntax::sub_path(source) else { return Some(source.to_owned()) };
        if let Some(known) = self.builds.get(service).and_then(|build| build.has(self.root, &path)) {
            note(&mut out.why, "the image is built from what is mounted, and has it");
            let shown = if path.is_empty() { "this folder".to_owned() } else { format!("./{path}") };
            let text = format!(
                "{service}: {shown} is not mounted: the image is built from it, and what is written to {} is gone with \
                 the container",
                mount.target
            );
            match known.databases.first() {
                Some(first) => {
                    let text = format!("{text}; it holds {first}: mount a folder of its own for data");
                    self.remind(mount, text);
                }
                None => self.decide(mount, text),
            }
            return None;
        }
        if self.files.is_file(&path) && !is_config_key(last(&path)) {
            note(&mut out.why, "a file whose name no config can have is left out");
            self.remind(
                mount,
                format!(
                    "{service}: ./{path} is left out: a config cannot have a file of that name; rename it with letters, \
                     digits, \"-\", \"_\" and \".\", also here; {AGAIN}"
                ),
            );
            return None;
        }
        if self.files.is_file(&path) {
            self.file(service, mount, &path, &mount.target, out);
            return None;
        }
        let full = self.root.join(&path);
        if !full.exists() && looks_like_file(source, &mount.target) {
            note(&mut out.why, "a file that does not exist is left out");
            self.remind(mount, format!("{service}: ./{path} does not exist; write it, or take its mount out; {AGAIN}"));
            return None;
        }
        let inner = if full.is_dir() { listing(&full, MOST_FILES) } else { Some(Vec::new()) };
        match inner {
            Some(inner)
                if mount.read_only
                    && !self.is_written(&path)
                    && !inner.is_empty()
                    && inner.iter().all(|name| is_config_key(name))
                    && self.are_small(&path, &inner) =>
            {
                for name in inner {
                    let target = format!("{}/{name}", mount.target.trim_end_matches('/'));
                    self.file(service, mount, &join(&path, &name), &target, out);
                }
                return None;
            }
            Some(inner) if inner.is_empty() => {}
            _ if path.is_empty() => {
                let text = format!(
                    "{service}: the project's folder starts empty on the cluster: put what it needs into its image"
                );
                self.remind(mount, text);
            }
            _ => {
                let (_, services) =
                    self.emptied.entry(path.clone()).or_insert_with(|| (mount.at.clone(), BTreeSet::new()));
                services.insert(service.to_owned());
            }
        }
        self.folders.insert(path.clone());
        Some(if path.is_empty() { ".".to_owned() } else { format!("./{path}") })
    }

    /// Whether a service writes to a folder, or to what lies in it or around it.
    fn is_written(&self, path: &str) -> bool {
        self.written.iter().any(|written| overlap(written, path))
    }

    fn are_small(&self, folder: &str, names: &[String]) -> bool {
        let sizes = names.iter().map(|name| self.files.read(&join(folder, name)).map(|bytes| bytes.len()));
        // Together they are part of one plan; one that cannot be read is no reason to fail here.
        sizes.sum::<Result<usize, _>>().is_ok_and(|sum| sum <= MOST_BYTES)
    }

    /// A single file becomes a config, or a secret where it may be one.
    fn file(&mut self, service: &str, mount: &Written, path: &str, target: &str, out: &mut Rewritten) {
        let bytes = match self.files.read(path) {
            Ok(bytes) if bytes.len() <= MOST_BYTES => bytes,
            other => {
                let reason = other.err().map_or("it is too long for a config".to_owned(), |error| error.to_string());
                self.remind(mount, format!("{service}: ./{path} is left out: {reason}"));
                return;
            }
        };
        let sign = sensitive::sign(path, &bytes);
        let secret = sign.is_some();
        let known = if secret { &mut self.secrets } else { &mut self.configs };
        let source = match known.get(path) {
            Some(source) => source.clone(),
            None => {
                let mut taken = known.values().cloned().collect();
                let source = unique(&slug(path, 40), 40, &mut taken);
                known.insert(path.to_owned(), source.clone());
                source
            }
        };
        let one = FileUse { source, target: target.to_owned(), executable: executable(&self.root.join(path)) };
        let kind = if secret { "secret" } else { "config" };
        note(&mut out.why, "single files are configs and secrets, read-only");
        match sign {
            Some(sign) => {
                let change = if mount.read_only { "" } else { ", which the service can read and not change" };
                self.decide(mount, format!("{service}: ./{path} is a secret, since {sign}{change}"));
            }
            None if !mount.read_only => {
                self.decide(
                    mount,
                    format!("{service}: ./{path} is a {kind}, which the service can read and not change"),
                );
            }
            None => {}
        }
        if secret { out.secrets.push(one) } else { out.configs.push(one) }
    }

    fn decide(&mut self, mount: &Written, text: String) {
        self.decided.push(Remark { at: Some(mount.at.clone()), text });
    }

    fn remind(&mut self, mount: &Written, text: String) {
        self.todo.push(Remark { at: Some(mount.at.clone()), text });
    }

    /// All volumes and files.
    pub fn finish(self) -> Finished {
        let mut volumes = Vec::new();
        if !self.folders.is_empty() {
            let shown: Vec<String> = self.folders.iter().take(4).map(|folder| format!("./{folder}")).collect();
            let more = if self.folders.len() > shown.len() { ", …" } else { "" };
            volumes.push((DEFAULT.to_owned(), format!("{}{more}", shown.join(", "))));
        }
        for volume in &self.order {
            let of: Vec<&str> =
                self.named.iter().filter(|(_, (known, _))| known == volume).map(|(name, _)| name.as_str()).collect();
            let plural = if of.len() == 1 { "" } else { "s" };
            volumes.push((volume.clone(), format!("the named volume{plural} {}", of.join(", "))));
        }
        let mut todo = self.todo;
        let mut emptied: Vec<_> = self.emptied.into_iter().collect();
        emptied.sort_by(|(_, (a, _)), (_, (b, _))| (&a.file, a.line).cmp(&(&b.file, b.line)));
        for (path, (at, services)) in emptied {
            let mut names = services.iter();
            let (first, more) = (names.next().map_or("", String::as_str), names.len());
            let who = if more == 0 { first.to_owned() } else { format!("{first} and {more} more") };
            let text = format!(
                "{who}: ./{path} holds files here and starts empty on the cluster: copy them once, put them into the \
                 image, or, for a few small files without folders, mount it :ro, {AGAIN}: they become configs"
            );
            todo.push(Remark { at: Some(at), text });
        }
        let pairs = |map: BTreeMap<String, String>| map.into_iter().map(|(file, name)| (name, file)).collect();
        Finished { volumes, configs: pairs(self.configs), secrets: pairs(self.secrets), decided: self.decided, todo }
    }
}

/// Reads a mount; none where it is memory or cannot be read.
fn written(item: &Tree, draft: &Draft) -> Option<Written> {
    let field = |key: &str| item.get(key).and_then(Tree::as_text);
    let target = field("target")?.to_owned();
    let source = field("source").unwrap_or_default();
    let sub = item.get("volume").and_then(|volume| volume.get("subpath")).and_then(Tree::as_text).unwrap_or_default();
    let (kind, source, sub_path) = match field("type") {
        Some("bind") if !source.is_empty() => (Kind::Bind, source, sub.to_owned()),
        Some("volume") if source.is_empty() => (Kind::Anonymous, source, sub.to_owned()),
        Some("volume") => {
            let (name, folder) = source.split_once('/').unwrap_or((source, ""));
            (Kind::Volume, name, format!("{folder}/{sub}"))
        }
        _ => return None,
    };
    // `${PWD}/data` and `./a/../data` are `./data`.
    let odd = kind == Kind::Bind && (source.starts_with('/') || source.split('/').any(|part| part == ".."));
    let moved = if odd { inside(&draft.root, source) } else { None };
    // `${HOME}/media` is `~/media`.
    let below_home = || {
        let rest = source.strip_prefix(draft.home.as_deref()?.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("~{rest}"))
    };
    let source = match &moved {
        Some(path) if path.is_empty() => ".".to_owned(),
        Some(path) => format!("./{path}"),
        None if kind == Kind::Bind => below_home().unwrap_or_else(|| source.to_owned()),
        None => source.to_owned(),
    };
    Some(Written {
        kind,
        source,
        target,
        read_only: field("read_only") == Some("true"),
        sub_path: syntax::sub_path(&sub_path).ok()?,
        moved: moved.is_some(),
        at: item.location.clone(),
    })
}

/// The named volumes, each once, with its identity and the place where it is first mounted: two names of one volume
/// (`name: shared`) are one.
fn named<'w>(draft: &Draft, written: &'w [(&str, Written)]) -> Vec<(String, &'w str, &'w Location)> {
    let mut names: Vec<(String, &str, &Location)> = Vec::new();
    for (_, mount) in written.iter().filter(|(_, mount)| mount.kind == Kind::Volume) {
        let identity = identity(draft, &mount.source);
        if !names.iter().any(|(known, ..)| *known == identity) {
            names.push((identity, &mount.source, &mount.at));
        }
    }
    names
}

/// What tells whether two named volumes are one: the name that Docker gives them.
fn identity(draft: &Draft, source: &str) -> String {
    let volume = draft.tree.get("volumes").and_then(|volumes| volumes.get(source));
    let field = |key: &str| volume.and_then(|volume| volume.get(key)).and_then(Tree::as_text);
    let external = field("external") == Some("true");
    match field("name") {
        Some(name) => format!("name:{name}"),
        None if external => format!("name:{source}"),
        None => format!("key:{source}"),
    }
}

fn builds(draft: &Draft) -> BTreeMap<String, Build> {
    let services = draft.tree.get("services").and_then(Tree::as_mapping).unwrap_or_default();
    let build =
        |entry: &crate::compose::tree::TreeEntry| Some((entry.key.clone(), Build::of(&draft.root, &entry.value)?));
    services.iter().filter_map(build).collect()
}

/// A memory file system in the long syntax.
fn memory(item: &Tree) -> Option<String> {
    let target = item.get("target").and_then(Tree::as_text)?;
    let size = item.get("tmpfs").and_then(|tmpfs| tmpfs.get("size")).and_then(Tree::as_text);
    let size = size.map_or(String::new(), |size| format!(", tmpfs: {{size: {}}}", quoted(size)));
    (item.get("type").and_then(Tree::as_text) == Some("tmpfs"))
        .then(|| format!("{{type: tmpfs, target: {}{size}}}", quoted(target)))
}

/// Whether a mount is anything but a path below the compose file's folder.
fn is_outside(mount: &Written) -> bool {
    let source = mount.source.as_str();
    mount.kind != Kind::Bind || source.starts_with(['/', '~']) || source.split('/').any(|part| part == "..")
}

/// Whether a path means something of the machine, not data.
fn is_of_the_machine(source: &str) -> bool {
    source == "/" || OF_THE_MACHINE.iter().any(|path| holds(path, source))
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file of this name can be in a ConfigMap or a Secret (IsConfigMapKey of k8s.io/apimachinery).
fn is_config_key(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=253).contains(&name.len()) && name.chars().all(part) && name != "." && !name.starts_with("..")
}

/// Whether two paths look like files of one type, as far as names tell.
fn looks_like_file(source: &str, target: &str) -> bool {
    if last(source).ends_with(".env") {
        return true;
    }
    let extension = |path: &str| {
        let name = path.rsplit('/').next()?;
        let (stem, extension) = name.rsplit_once('.')?;
        let folders = ["d", "conf.d", "git", "cache", "local", "config"];
        (!stem.is_empty() && !extension.is_empty() && !folders.contains(&extension)).then(|| extension.to_owned())
    };
    extension(source).is_some() && extension(source) == extension(target)
}

/// The files of a folder without its folders; none where there are more, or folders.
fn listing(folder: &Path, most: usize) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        if !entry.file_type().ok()?.is_file() || names.len() >= most {
            return None;
        }
        names.push(entry.file_name().into_string().ok()?);
    }
    names.sort();
    Some(names)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn unique(name: &str, most: usize, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = if is_label_within(name, most) { name.to_owned() } else { "data".to_owned() };
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        let end = format!("-{number}");
        let start: String = name.chars().take(most.saturating_sub(end.len())).collect();
        candidate = format!("{}{end}", start.trim_end_matches('-'));
    }
    candidate
}

fn note(why: &mut Vec<String>, text: &str) {
    if !why.iter().any(|known| known == text) {
        why.push(text.to_owned());
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(_: &Path) -> bool {
    false
}
