//! What follows from a file without being said in it: default networks, names, implied dependencies, values of the
//! environment (compose-go's normalisation).

use std::collections::BTreeMap;

use super::fault::Step;
use super::merge;
use super::path::Path;
use crate::compose::tree::{Tree, TreeContent, TreeEntry};
use crate::diag::Location;

/// Whether a key of a service describes its container: what a `pre_start` hook takes over, its volumes apart.
fn is_of_container(key: &str) -> bool {
    key != "volumes" && super::types::CONTAINER.iter().any(|field| field.key == key)
}

/// Completes a merged and canonical file.
pub(super) fn normalise(tree: &mut Tree, project: &str, environment: &BTreeMap<String, String>) -> Step<()> {
    networks(tree);
    for kind in ["services", "jobs"] {
        let path = Path::ROOT.key(kind);
        let Some(services) = tree.get_mut(kind).and_then(Tree::entries_mut) else { continue };
        for entry in services {
            service(&mut entry.value, environment, &path.key(&entry.key))?;
        }
    }
    names(tree, project);
    Ok(())
}

fn networks(tree: &mut Tree) {
    let location = tree.location.clone();
    let mut uses_default = false;
    for kind in ["services", "jobs"] {
        let Some(services) = tree.get_mut(kind).and_then(Tree::entries_mut) else { continue };
        for TreeEntry { value: service, .. } in services {
            if service.as_mapping().is_none()
                || service.get("provider").is_some()
                || service.get("network_mode").is_some()
            {
                continue;
            }
            let at = service.location.clone();
            match service.get("networks").map(|networks| networks.as_mapping().unwrap_or_default()) {
                Some(networks) if !networks.is_empty() => {
                    uses_default |= networks.iter().any(|network| network.key == "default");
                }
                _ => {
                    let entry =
                        TreeEntry { key: "default".into(), key_location: at.clone(), value: Tree::null(at.clone()) };
                    service.set("networks", Tree::mapping(at, vec![entry]));
                    uses_default = true;
                }
            }
        }
    }
    let declared = tree.get("networks").is_some_and(|networks| networks.get("default").is_some());
    if uses_default && !declared {
        if tree.get("networks").and_then(Tree::as_mapping).is_none() {
            tree.set("networks", Tree::mapping(location.clone(), Vec::new()));
        }
        if let Some(networks) = tree.get_mut("networks") {
            networks.set("default", Tree::null(location));
        }
    }
}

fn service(service: &mut Tree, environment: &BTreeMap<String, String>, path: &Path<'_>) -> Step<()> {
    let location = service.location.clone();
    if service.as_mapping().is_none() {
        return Ok(());
    }
    if let Some(policy) = service.get_mut("pull_policy")
        && policy.as_str() == Some("if_not_present")
    {
        *policy = Tree::text("missing", policy.location.clone(), policy.interpolated);
    }
    if let Some(build) = service.get_mut("build").filter(|build| build.as_mapping().is_some()) {
        let said = |build: &Tree, key: &str| build.get(key).is_some_and(|value| !value.is_null());
        if !said(build, "context") {
            build.set("context", Tree::text(".", location.clone(), false));
        }
        if !said(build, "dockerfile") && !said(build, "dockerfile_inline") {
            build.set("dockerfile", Tree::text("Dockerfile", location.clone(), false));
        }
        if let Some(args) = build.get_mut("args") {
            resolve(args, environment, false);
        }
    }
    if let Some(values) = service.get_mut("environment") {
        resolve(values, environment, true);
    }
    let implied = implied(service);
    if !implied.is_empty() {
        if service.get("depends_on").and_then(Tree::as_mapping).is_none() {
            service.set("depends_on", Tree::mapping(location.clone(), Vec::new()));
        }
        if let Some(depends_on) = service.get_mut("depends_on") {
            for (name, restart, at) in implied {
                if depends_on.get(&name).is_none() {
                    let mut dependency = merge::dependency(&at);
                    dependency.set("restart", Tree::literal(restart.to_string(), at));
                    depends_on.set(&name, dependency);
                }
            }
        }
    }
    if service.get("depends_on").is_some_and(|tree| tree.as_mapping().is_some_and(<[TreeEntry]>::is_empty)) {
        service.remove("depends_on");
    }
    for mount in service.get_mut("volumes").and_then(Tree::items_mut).into_iter().flatten() {
        if let Some(target) = mount.get_mut("target")
            && let Some(text) = target.as_str()
        {
            *target = Tree::text(super::paths::clean(text), target.location.clone(), target.interpolated);
        }
    }
    pre_start(service, path)
}

/// Services that others' names, namespaces and volumes imply, and whether this one restarts with them.
fn implied(service: &Tree) -> Vec<(String, bool, Location)> {
    let mut found = Vec::new();
    let texts = |key: &str| -> Vec<(String, Location)> {
        let items = service.get(key).and_then(Tree::as_sequence).unwrap_or_default();
        items.iter().filter_map(|item| Some((item.as_str()?.to_owned(), item.location.clone()))).collect()
    };
    for (link, at) in texts("links") {
        let mut parts = link.split(':');
        let name = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(_), None) => name.to_owned(),
            _ => link.clone(),
        };
        found.push((name, true, at));
    }
    for namespace in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let Some(tree) = service.get(namespace) else { continue };
        if let Some(name) = tree.as_str().and_then(|text| text.strip_prefix("service:")) {
            found.push((name.to_owned(), true, tree.location.clone()));
        }
    }
    for (from, at) in texts("volumes_from") {
        if !from.starts_with("container:") {
            found.push((from.split(':').next().unwrap_or_default().to_owned(), false, at));
        }
    }
    found
}

/// Gives names without a value that of the environment.
fn resolve(tree: &mut Tree, environment: &BTreeMap<String, String>, keep_empty: bool) {
    match &mut tree.content {
        TreeContent::Mapping(entries) => entries.retain_mut(|entry| {
            if !entry.value.is_null() {
                return true;
            }
            match environment.get(&entry.key) {
                Some(value) => {
                    entry.value = Tree::text(value.clone(), entry.value.location.clone(), true);
                    true
                }
                None => keep_empty,
            }
        }),
        TreeContent::Sequence(items) => items.retain_mut(|item| {
            let Some(text) = item.as_str() else { return false };
            if text.contains('=') {
                return true;
            }
            match environment.get(text) {
                Some(value) => {
                    *item = Tree::text(format!("{text}={value}"), item.location.clone(), true);
                    true
                }
                None => keep_empty,
            }
        }),
        TreeContent::Scalar(_) => {}
    }
}

/// A hook before the start takes over what the service says about its container.
fn pre_start(service: &mut Tree, path: &Path<'_>) -> Step<()> {
    if service.get("pre_start").and_then(Tree::as_sequence).is_none_or(<[Tree]>::is_empty) {
        return Ok(());
    }
    let entries = service.as_mapping().unwrap_or_default();
    let inherited: Vec<TreeEntry> = entries.iter().filter(|entry| is_of_container(&entry.key)).cloned().collect();
    let Some(hooks) = service.get_mut("pre_start").and_then(Tree::items_mut) else { return Ok(()) };
    let path = path.key("pre_start");
    for (at, hook) in hooks.iter_mut().enumerate() {
        if hook.as_mapping().is_none() {
            continue;
        }
        let location = hook.location.clone();
        let own = std::mem::replace(hook, Tree::null(location.clone()));
        *hook = merge::service(Tree::mapping(location, inherited.clone()), own, &path.index(at))?;
    }
    Ok(())
}

/// Resources without a name are called after their key, with the project's name in front where they are its own;
/// a project without a name leaves them alone.
fn names(tree: &mut Tree, project: &str) {
    for kind in ["networks", "volumes", "configs", "secrets"] {
        let Some(resources) = tree.get_mut(kind).and_then(Tree::entries_mut) else { continue };
        for entry in resources {
            let at = entry.value.location.clone();
            if entry.value.is_null() {
                entry.value = Tree::mapping(at.clone(), Vec::new());
            }
            if project.is_empty() || entry.value.get("name").is_some_and(|name| !name.is_null()) {
                continue;
            }
            let external = entry.value.get("external").map(super::scalar::printed);
            let is_external = matches!(external.as_deref(), Some("true" | "1" | "t" | "T" | "TRUE" | "True"));
            let name = if is_external { entry.key.clone() } else { format!("{project}_{}", entry.key) };
            entry.value.set("name", Tree::text(name, at, false));
        }
    }
}
