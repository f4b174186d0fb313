//! Mounts that a later file takes out of an earlier one's list.

use crate::compose::tree::Tree;
use crate::diag::Location;

/// A mount that is not in the merged model: `volumes: !override`, or `!reset`, replaces the list that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The service that would have it.
    pub service: String,
    /// What would be mounted: a volume or a path; none where it has no name.
    pub source: Option<String>,
    /// Where the container would see it.
    pub target: String,
    /// Where it stands.
    pub location: Location,
    /// Where the other list stands.
    pub by: Location,
}

fn in_services<'t>(tree: &'t Tree, service: &str) -> Option<&'t Tree> {
    tree.get("services")?.get(service)
}

/// The mounts of `base` that `over` replaces by the paths of its tags, and that a service could write to.
pub(super) fn mounts(base: &Tree, over: &Tree, resets: &[Vec<String>]) -> Vec<Replaced> {
    let mut replaced = Vec::new();
    for path in resets {
        let [root, service, key] = path.as_slice() else { continue };
        if root != "services" || key != "volumes" {
            continue;
        }
        let in_base = in_services(base, service).and_then(|service| service.get("volumes"));
        let by = in_services(over, service).map_or(over, |service| service.get("volumes").unwrap_or(service));
        for item in in_base.and_then(Tree::as_sequence).unwrap_or_default() {
            let field = |key: &str| item.get(key).and_then(Tree::as_text);
            let keeps = matches!(field("type"), Some("bind" | "volume")) && field("read_only") != Some("true");
            if let Some(target) = field("target").filter(|_| keeps) {
                replaced.push(Replaced {
                    service: service.clone(),
                    source: field("source").filter(|source| !source.is_empty()).map(str::to_owned),
                    target: target.to_owned(),
                    location: item.location.clone(),
                    by: by.location.clone(),
                });
            }
        }
    }
    replaced
}
