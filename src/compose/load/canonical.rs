//! Every short syntax into the long one, and the defaults that the reference loader writes out.

use std::sync::LazyLock;

use super::fault::{Step, fail};
use super::limits::MAX_ITEMS;
use super::merge::dependency;
use super::path::{Cursor, Path, Rules};
use super::scalar::{Value, is_signed, printed};
use super::volume;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};

/// What makes a value canonical.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A text is a list of one.
    List,
    EnvFiles,
    Gpus,
    /// A list of names is a mapping without values.
    Names,
    Mount,
    Device,
    /// A text is the source.
    File,
    Ulimit,
    /// Any scalar is a text.
    Text,
    Pairs,
    DependsOn,
    Extends,
    Ports,
    Build,
    Ssh,
    /// A text is the expression.
    Schedule,
    External,
}

static FORMS: LazyLock<Rules<Form>> = LazyLock::new(|| {
    let mut rules = Vec::new();
    for prefix in ["services.*", "jobs.*", "services.*.pre_start.*"] {
        for (key, form) in [
            ("env_file", Form::EnvFiles),
            ("label_file", Form::List),
            ("gpus", Form::Gpus),
            ("networks", Form::Names),
            ("models", Form::Names),
            ("volumes.*", Form::Mount),
            ("dns", Form::List),
            ("devices.*", Form::Device),
            ("secrets.*", Form::File),
            ("configs.*", Form::File),
            ("ulimits.*", Form::Ulimit),
        ] {
            rules.push((format!("{prefix}.{key}"), form));
        }
    }
    for prefix in ["services.*", "jobs.*"] {
        for (key, form) in [
            ("build", Form::Build),
            ("build.secrets.*", Form::File),
            ("build.provenance", Form::Text),
            ("build.sbom", Form::Text),
            ("build.additional_contexts", Form::Pairs),
            ("build.ssh", Form::Ssh),
            ("build.ulimits.*", Form::Ulimit),
            ("depends_on", Form::DependsOn),
            ("extends", Form::Extends),
            ("ports", Form::Ports),
        ] {
            rules.push((format!("{prefix}.{key}"), form));
        }
    }
    for (pattern, form) in [
        ("jobs.*.triggers.schedule.*", Form::Schedule),
        ("services.*.develop.watch.*.ignore", Form::List),
        ("services.*.develop.watch.*.include", Form::List),
        ("volumes.*", Form::External),
        ("networks.*", Form::External),
        ("secrets.*", Form::External),
        ("configs.*", Form::External),
    ] {
        rules.push((pattern.to_owned(), form));
    }
    Rules::new(rules)
});

/// Makes a file canonical.
pub(super) fn canonical(tree: &mut Tree) -> Step<()> {
    walk(tree, &Path::ROOT, FORMS.root())?;
    omit_empty(tree);
    Ok(())
}

fn walk(tree: &mut Tree, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    if cursor.is_none() {
        return Ok(());
    }
    match FORMS.rule(cursor) {
        Some(form) => apply(tree, *form, path, cursor),
        None => below(tree, path, cursor),
    }
}

fn below(tree: &mut Tree, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    match &mut tree.content {
        TreeContent::Mapping(entries) => {
            for entry in entries {
                walk(&mut entry.value, &path.key(&entry.key), FORMS.key(cursor, &entry.key))?;
            }
        }
        TreeContent::Sequence(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                walk(item, &path.index(at), FORMS.item(cursor))?;
            }
        }
        TreeContent::Scalar(_) => {}
    }
    Ok(())
}

fn wrong<T>(path: &Path<'_>, expected: &str, tree: &Tree) -> Step<T> {
    fail("compose-type", format!("{path} must be {expected}, not {}", tree.kind()), &tree.location)
}

/// Puts a mapping with this one key in the place of a tree, which becomes its value.
fn wrap(tree: &mut Tree, key: &str) {
    let location = tree.location.clone();
    let value = std::mem::replace(tree, Tree::null(location.clone()));
    *tree = Tree::mapping(location.clone(), vec![TreeEntry { key: key.to_owned(), key_location: location, value }]);
}

fn apply(tree: &mut Tree, form: Form, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    let location = tree.location.clone();
    let is_text = tree.as_str().is_some();
    let is_mapping = tree.as_mapping().is_some();
    if tree.as_sequence().is_some_and(|items| items.len() > MAX_ITEMS) {
        return fail("compose-limit", format!("{path} has more than {} items", MAX_ITEMS), &location);
    }
    match form {
        Form::List => {
            if is_text {
                list_of_one(tree);
            }
            Ok(())
        }
        Form::EnvFiles => env_files(tree, path),
        Form::Gpus => gpus(tree, path, cursor),
        Form::Names => names(tree, path),
        Form::Mount | Form::Device => short(tree, form, path),
        Form::File if is_text => {
            wrap(tree, "source");
            Ok(())
        }
        Form::Schedule if is_text => {
            wrap(tree, "cron");
            Ok(())
        }
        Form::Extends if is_text => {
            wrap(tree, "service");
            Ok(())
        }
        Form::File | Form::Schedule if is_mapping => Ok(()),
        Form::Extends if is_mapping => below(tree, path, cursor),
        Form::File | Form::Schedule | Form::Extends => wrong(path, "a string or a mapping", tree),
        Form::Ulimit => match tree.value() {
            None if is_mapping => Ok(()),
            Some(Value::Int(number)) if is_signed(number) => Ok(()),
            _ => wrong(path, "an integer or a mapping", tree),
        },
        Form::Text => {
            if !is_text {
                *tree = Tree::text(printed(tree), location, tree.interpolated);
            }
            Ok(())
        }
        Form::Pairs => pairs(tree, path),
        Form::DependsOn => depends_on(tree, path),
        Form::Ports => ports(tree, path),
        Form::Build if is_text => {
            wrap(tree, "context");
            Ok(())
        }
        Form::Build if is_mapping => below(tree, path, cursor),
        Form::Build => wrong(path, "a string or a mapping", tree),
        Form::Ssh => ssh(tree, path),
        Form::External => external(tree, path, cursor),
    }
}

fn list_of_one(tree: &mut Tree) {
    let location = tree.location.clone();
    let item = std::mem::replace(tree, Tree::null(location.clone()));
    *tree = Tree::list(location, vec![item]);
}

fn env_files(tree: &mut Tree, path: &Path<'_>) -> Step<()> {
    if tree.as_str().is_some() {
        list_of_one(tree);
    }
    let Some(items) = tree.items_mut() else { return wrong(path, "a path or a list", tree) };
    for item in items {
        if item.as_str().is_some() {
            wrap(item, "path");
        }
        if item.as_mapping().is_some() && item.get("required").is_none() {
            let at = item.location.clone();
            item.set("required", Tree::literal("true", at));
        }
    }
    Ok(())
}

fn gpus(tree: &mut Tree, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    if tree.as_str().is_some() {
        let location = tree.location.clone();
        let all = Tree::text("all", location.clone(), false);
        let entry = TreeEntry { key: "count".into(), key_location: location.clone(), value: all };
        *tree = Tree::list(location.clone(), vec![Tree::mapping(location, vec![entry])]);
        return Ok(());
    }
    if tree.as_sequence().is_none() {
        return wrong(path, "\"all\" or a list", tree);
    }
    below(tree, path, cursor)
}

fn names(tree: &mut Tree, path: &Path<'_>) -> Step<()> {
    let TreeContent::Sequence(items) = &mut tree.content else { return Ok(()) };
    let mut entries: Vec<TreeEntry> = Vec::with_capacity(items.len());
    for item in std::mem::take(items) {
        let Some(name) = item.as_str() else { return wrong(path, "a list of names", &item) };
        if !entries.iter().any(|known| known.key == name) {
            let value = Tree::null(item.location.clone());
            entries.push(TreeEntry { key: name.to_owned(), key_location: item.location.clone(), value });
        }
    }
    *tree = Tree::mapping(tree.location.clone(), entries);
    Ok(())
}

/// The short syntax of a mount or a device.
fn short(tree: &mut Tree, form: Form, path: &Path<'_>) -> Step<()> {
    let location = tree.location.clone();
    let Some(text) = tree.as_str() else {
        return if tree.as_mapping().is_some() { Ok(()) } else { wrong(path, "a string or a mapping", tree) };
    };
    let long = match form {
        Form::Device => match volume::device(text, &location, tree.interpolated) {
            Some(device) => device,
            None => {
                let message = format!("{path} has too many colons; use the long syntax");
                return fail("compose-device", message, &location);
            }
        },
        _ => match volume::parse(text) {
            Ok(mount) => mount.tree(&location, tree.interpolated),
            Err(message) => return fail("compose-volume", format!("{path}: {message}"), &location),
        },
    };
    *tree = long;
    Ok(())
}

fn pairs(tree: &mut Tree, path: &Path<'_>) -> Step<()> {
    if tree.as_mapping().is_some() {
        return Ok(());
    }
    let location = tree.location.clone();
    let Some(items) = tree.items_mut() else { return wrong(path, "a list or a mapping", tree) };
    let mut mapping = Tree::mapping(location, Vec::new());
    for item in std::mem::take(items) {
        let Some((key, value)) = item.as_str().and_then(|text| text.split_once('=')) else {
            return wrong(path, "a list of KEY=VALUE", &item);
        };
        mapping.set(key, Tree::text(value, item.location.clone(), item.interpolated));
    }
    *tree = mapping;
    Ok(())
}

fn depends_on(tree: &mut Tree, path: &Path<'_>) -> Step<()> {
    let location = tree.location.clone();
    match &mut tree.content {
        TreeContent::Mapping(entries) => {
            for entry in entries {
                if entry.value.as_mapping().is_none() {
                    return wrong(&path.key(&entry.key), "a mapping", &entry.value);
                }
                let at = entry.value.location.clone();
                if entry.value.get("condition").is_none() {
                    entry.value.set("condition", Tree::text("service_started", at.clone(), false));
                }
                if entry.value.get("required").is_none() {
                    entry.value.set("required", Tree::literal("true", at));
                }
            }
            Ok(())
        }
        TreeContent::Sequence(items) => {
            let mut mapping = Tree::mapping(location, Vec::new());
            for item in std::mem::take(items) {
                let Some(name) = item.as_str() else { return wrong(path, "a list of services", &item) };
                mapping.set(name, dependency(&item.location));
                if let Some(entry) = mapping.entries_mut().and_then(|entries| entries.last_mut()) {
                    entry.key_location = item.location.clone();
                }
            }
            *tree = mapping;
            Ok(())
        }
        TreeContent::Scalar(_) => wrong(path, "a list or a mapping", tree),
    }
}

fn ports(tree: &mut Tree, path: &Path<'_>) -> Step<()> {
    let Some(items) = tree.items_mut() else { return wrong(path, "a list", tree) };
    let mut ports = Vec::with_capacity(items.len());
    for (at, item) in std::mem::take(items).into_iter().enumerate() {
        let text = match item.value() {
            None if item.as_mapping().is_some() => {
                ports.push(item);
                continue;
            }
            Some(Value::Str(text)) => text.to_owned(),
            Some(Value::Int(number)) if is_signed(number) => number.to_string(),
            _ => return wrong(&path.index(at), "a port or a mapping", &item),
        };
        match volume::ports(&text, &item.location, item.interpolated) {
            Ok(parsed) => ports.extend(parsed),
            Err(message) => return fail("compose-port", format!("{}: {message}", path.index(at)), &item.location),
        }
        if ports.len() > MAX_ITEMS {
            let message = format!("{path} has more than {} ports", MAX_ITEMS);
            return fail("compose-limit", message, &item.location);
        }
    }
    tree.content = TreeContent::Sequence(ports);
    Ok(())
}

fn ssh(tree: &mut Tree, path: &Path<'_>) -> Step<()> {
    let location = tree.location.clone();
    if tree.as_mapping().is_some() {
        return Ok(());
    }
    let Some(items) = tree.items_mut() else { return wrong(path, "a list or a mapping", tree) };
    let mut mapping = Tree::mapping(location, Vec::new());
    for item in std::mem::take(items) {
        let Some(text) = item.as_str() else { return wrong(path, "a list of strings", &item) };
        match text.split_once('=') {
            Some((id, key)) => mapping.set(id, Tree::text(key, item.location.clone(), item.interpolated)),
            None if text == "default" => mapping.set("default", Tree::null(item.location.clone())),
            None => {
                let message = format!("{path}: only \"default\" may stand without a key; write id=path");
                return fail("compose-type", message, &item.location);
            }
        }
    }
    *tree = mapping;
    Ok(())
}

/// `external: {name: x}` is the old form of `external: true` with a name.
fn external(tree: &mut Tree, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    if tree.is_null() {
        return Ok(());
    }
    if tree.as_mapping().is_none() {
        return wrong(path, "a mapping", tree);
    }
    below(tree, path, cursor)?;
    let Some(old) = tree.get("external").filter(|external| external.as_mapping().is_some()) else { return Ok(()) };
    let (location, named) = (old.location.clone(), old.get("name").cloned());
    tree.set("external", Tree::literal("true", location.clone()));
    let Some(named) = named else { return Ok(()) };
    match tree.get("name") {
        Some(name) if !super::scalar::same(name, &named) => {
            fail("compose-external", format!("{path}: name and external.name differ; only use name"), &location)
        }
        Some(_) => Ok(()),
        None => {
            tree.set("name", named);
            Ok(())
        }
    }
}

/// Empty addresses of name servers say nothing.
fn omit_empty(tree: &mut Tree) {
    for kind in ["services", "jobs"] {
        let Some(services) = tree.get_mut(kind).and_then(Tree::entries_mut) else { continue };
        for service in services {
            if let Some(items) = service.value.get_mut("dns").and_then(Tree::items_mut) {
                items.retain(|item| !item.is_null() && item.as_str() != Some(""));
            }
        }
    }
}

/// What is written out where nothing is said.
#[derive(Debug, Clone, Copy)]
enum Default {
    Build,
    Secret,
    Port,
    DeviceRequest,
    Bind,
}

static DEFAULTS: LazyLock<Rules<Default>> = LazyLock::new(|| {
    let mut rules = vec![("services.*.deploy.resources.reservations.devices.*".to_owned(), Default::DeviceRequest)];
    for prefix in ["services.*", "jobs.*"] {
        for (key, default) in [
            ("build", Default::Build),
            ("secrets.*", Default::Secret),
            ("ports.*", Default::Port),
            ("gpus.*", Default::DeviceRequest),
            ("volumes.*.bind", Default::Bind),
        ] {
            rules.push((format!("{prefix}.{key}"), default));
        }
    }
    Rules::new(rules)
});

/// Writes the defaults out.
pub(super) fn defaults(tree: &mut Tree) -> Step<()> {
    set_defaults(tree, &Path::ROOT, DEFAULTS.root())
}

fn set_defaults(tree: &mut Tree, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    if cursor.is_none() {
        return Ok(());
    }
    if let Some(default) = DEFAULTS.rule(cursor) {
        return set_default(tree, *default, path);
    }
    match &mut tree.content {
        TreeContent::Mapping(entries) => {
            for entry in entries {
                set_defaults(&mut entry.value, &path.key(&entry.key), DEFAULTS.key(cursor, &entry.key))?;
            }
        }
        TreeContent::Sequence(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                set_defaults(item, &path.index(at), DEFAULTS.item(cursor))?;
            }
        }
        TreeContent::Scalar(_) => {}
    }
    Ok(())
}

fn set_default(tree: &mut Tree, default: Default, path: &Path<'_>) -> Step<()> {
    let location = tree.location.clone();
    let is_mapping = tree.as_mapping().is_some();
    let missing = |tree: &Tree, key: &str| tree.get(key).is_none();
    match default {
        Default::Build if is_mapping && missing(tree, "context") => {
            tree.set("context", Tree::text(".", location, false));
        }
        Default::Port if is_mapping => {
            for (key, value) in [("protocol", "tcp"), ("mode", "ingress")] {
                if missing(tree, key) {
                    tree.set(key, Tree::text(value, location.clone(), false));
                }
            }
        }
        Default::Build | Default::Port => {}
        Default::Secret | Default::DeviceRequest | Default::Bind if !is_mapping => {
            return wrong(path, "a mapping", tree);
        }
        Default::Secret => {
            if missing(tree, "target") {
                let source = tree.get("source").map_or_else(|| "<nil>".to_owned(), printed);
                tree.set("target", Tree::text(format!("/run/secrets/{source}"), location, false));
            }
        }
        Default::DeviceRequest => {
            if missing(tree, "count") && missing(tree, "device_ids") {
                tree.set("count", Tree::text("all", location, false));
            }
        }
        Default::Bind => {
            if missing(tree, "create_host_path") {
                tree.set("create_host_path", Tree::literal("true", location));
            }
        }
    }
    Ok(())
}
