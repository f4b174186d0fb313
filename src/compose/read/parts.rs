//! The parts of a project: services that are on, and the configs and secrets that they use.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use super::{contents, declared, hiding, letters, service};
use crate::compose::load::limits::MAX_SERVICES;
use crate::compose::model::{FileObject, FileUse, Service};
use crate::compose::tree::Tree;

const TOP_LEVEL: [&str; 8] = ["configs", "jobs", "models", "name", "networks", "secrets", "services", "volumes"];

/// What the readers make of a project.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) services: Vec<Service>,
    pub(super) configs: BTreeMap<String, FileObject>,
    pub(super) secrets: BTreeMap<String, FileObject>,
}

pub(super) fn parts(reader: &mut Reader<'_>, root: &Tree, profiles: &[String]) -> Parts {
    let mut project = Parts::default();
    for entry in reader.entries("the compose file", root) {
        match entry.key.as_str() {
            "services" => {
                project.services = services(reader, &entry.value, profiles);
                let hiding = std::mem::take(&mut reader.may_hide);
                for (finding, location) in hiding::findings(hiding, &project.services) {
                    reader.push(finding, &location);
                }
            }
            "configs" | "name" | "secrets" => {}
            key @ ("jobs" | "models" | "networks" | "volumes") => declared::unused(reader, key, &entry.value),
            _ => reader.unknown_key("the compose file", entry, &TOP_LEVEL),
        }
    }
    if root.get("services").is_none() {
        reader.error("compose-no-services", "the compose file has no services", &root.location);
    }
    let used = |pick: fn(&Service) -> &Vec<FileUse>, services: &[Service]| -> BTreeSet<String> {
        services.iter().flat_map(|service| pick(service).iter().map(|file| file.source.clone())).collect()
    };
    let used_configs = used(|service| &service.configs, &project.services);
    let used_secrets = used(|service| &service.secrets, &project.services);
    project.configs = contents::file_objects(reader, root.get("configs"), "config", &used_configs);
    project.secrets = contents::file_objects(reader, root.get("secrets"), "secret", &used_secrets);
    project
}

fn services(reader: &mut Reader<'_>, tree: &Tree, profiles: &[String]) -> Vec<Service> {
    let mut services = Vec::new();
    let entries = reader.entries("services", tree);
    if entries.len() > MAX_SERVICES {
        let message = format!("there are {} services; at most {MAX_SERVICES} are read", entries.len());
        reader.error("compose-limit", message, &tree.location);
        return services;
    }
    for entry in entries {
        if entry.value.as_mapping().is_none() {
            reader.wrong_type(&format!("service {}", entry.key), "a mapping", &entry.value);
            continue;
        }
        let wanted = match entry.value.get("profiles") {
            Some(tree) => reader.texts("profiles", tree),
            None => Vec::new(),
        };
        let on = wanted.is_empty() || wanted.iter().any(|(name, _)| profiles.iter().any(|p| p == name || p == "*"));
        if on {
            services.push(service::read(reader, entry));
        }
    }
    if services.is_empty() && !reader.diagnostics.has_errors() {
        reader.error("compose-no-services", "no service is left on; name a profile", &tree.location);
    }
    letters::lower(reader, &mut services);
    services
}
