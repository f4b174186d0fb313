//! Volumes that `docker compose` fills from the image: a new volume gets what the image holds where it is first mounted
//! (Docker documentation, "Volumes", "Populate a volume using a container"). In a Pod it starts empty.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::found::{Remark, Service, Survey};
use super::images;
use crate::compose::fill::{fills_itself, may_hold_files};
use crate::compose::tree::Tree;

/// Says which volumes start empty though the image may hold something at their place.
pub(super) fn from_images(
    survey: &mut Survey,
    draft: &Draft,
    services: &[Service<'_>],
    left_out: &dyn Fn(&str, &str) -> bool,
) {
    let mut told = BTreeSet::new();
    // One that fills its own volume fills it for all.
    let fillers = services.iter().filter(|service| fills_itself(service.image));
    let items = fillers.filter_map(|service| service.tree.get("volumes")?.as_sequence()).flatten();
    let filled: BTreeSet<&str> = items.filter_map(|item| item.get("source")?.as_text()).collect();
    for service in services {
        let items = service.tree.get("volumes").and_then(Tree::as_sequence).unwrap_or_default();
        for item in items {
            let field = |key: &str| item.get(key).and_then(Tree::as_text);
            let volume = |key: &str| item.get("volume").and_then(|volume| volume.get(key)).and_then(Tree::as_text);
            let (Some("volume"), Some(target)) = (field("type"), field("target")) else { continue };
            let source = field("source").unwrap_or_default();
            if volume("nocopy") == Some("true") || volume("subpath").is_some() || left_out(service.name, target) {
                continue;
            }
            if !source.is_empty() && (filled.contains(source) || !is_new(draft, source)) {
                continue;
            }
            if !may_fill(service.image, target) {
                continue;
            }
            let key = if source.is_empty() { format!("{}:{target}", service.name) } else { source.to_owned() };
            if !told.insert(key) {
                continue;
            }
            let what = if source.is_empty() { "the volume" } else { source };
            let text = format!(
                "{}: {what} starts empty in the cluster; `docker compose` fills a new volume with what the image holds \
                 at {target}: copy that once, or take the mount out if nothing there is to be kept (docs/init.md)",
                service.name
            );
            survey.todo.push(Remark { at: Some(item.location.clone()), text });
        }
    }
}

/// Whether Docker would make the volume, and with its own driver: others are told to bring their data.
fn is_new(draft: &Draft, name: &str) -> bool {
    let volume = draft.tree.get("volumes").and_then(|volumes| volumes.get(name));
    let field = |key: &str| volume.and_then(|volume| volume.get(key));
    let external = field("external").and_then(Tree::as_text) == Some("true");
    !external && field("driver_opts").is_none_or(Tree::is_null)
}

/// Whether an image may hold files at a path that it does not copy into a volume by itself.
fn may_fill(image: &str, target: &str) -> bool {
    !images::is_backend(image) && !fills_itself(image) && may_hold_files(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_images_hold() {
        for (image, target) in [
            ("drupal:10-apache", "/var/www/html/sites"),
            ("nginx", "/usr/share/nginx/html"),
            ("x", "/app/public"),
            ("x", "/opt/tomcat/webapps"),
            ("grafana/grafana", "/etc/grafana"),
            ("x", "/home/node/app"),
            ("x", "/static"),
            ("x", "/APP"),
        ] {
            assert!(may_fill(image, target), "{image} {target}");
        }
        for (image, target) in [
            ("postgres:17", "/var/lib/postgresql/data"),
            ("postgres:17", "/opt/x"),
            ("wordpress:6", "/var/www/html"),
            ("gitea/gitea", "/data"),
            ("x", "/var/lib/x"),
            ("x", "/app/data"),
            ("x", "/applications"),
            ("x", "/config"),
        ] {
            assert!(!may_fill(image, target), "{image} {target}");
        }
    }
}
