//! Folders of volumes that are empty, filled with what the image of a service holds where it mounts them, as `docker compose`
//! does with new volumes (Docker documentation, "Volumes", "Populate a volume using a container"). Asked for with
//! `x-kompox: {copyUp: true}`.
//!
//! An image need not have a shell: the first init container brings one that needs nothing else (BusyBox is linked
//! statically), the next is of the service's image and uses it, as root. It copies into a folder beside the empty one and
//! renames that over it, so a kill leaves it empty or whole.

use serde_json::{Value, json};

use super::context::Context;
use super::service::{self, COPY_UP, Container, TOOLS_IMAGE};
use crate::compose::model::{Mount, Service};
use crate::diag::Diagnostic;

/// The volume that the shell is brought in.
const TOOLS: &str = "copy-up";

/// Where it is in a container of any image.
const SHELL: &str = "/.kompox/tools/busybox";

/// Fills `$FOLDER` from `$FROM`. `$OWNER`, if there is one, is whom all of it is to belong to.
const SCRIPT: &str = "set -eu
b=/.kompox/tools/busybox
if ! $b test -d \"$FROM\" || [ -n \"$($b ls -A \"$FOLDER\")\" ]; then exit 0; fi
new=\"$FOLDER.copy-up\"
$b rm -rf \"$new\"
$b cp -a \"$($b readlink -f \"$FROM\")\" \"$new\"
if [ -n \"${OWNER:-}\" ]; then $b chown -R \"$OWNER\" \"$new\"; fi
$b sync
$b mv -T \"$new\" \"$FOLDER\"
$b sync";

/// Where the shell is mounted.
fn tools() -> Value {
    json!({ "name": TOOLS, "mountPath": "/.kompox/tools" })
}

/// What is to be filled, in the order of the services.
#[derive(Default)]
pub(super) struct Copies(Vec<Copy>);

struct Copy {
    /// The service that it is for.
    service: String,
    image: String,
    volume: String,
    folder: String,
    target: String,
    owner: Option<String>,
}

impl Copies {
    /// Notes a mount of a service that asks for it. One that is read only is filled by whoever writes to it.
    pub(super) fn add(&mut self, cx: &mut Context<'_>, service: &Service, mount: &Mount, volume: &str) {
        let (Some(asked), Some(image)) = (&service.copy_up, &service.image) else { return };
        if mount.read_only {
            return;
        }
        if mount.sub_path.is_empty() {
            let message = format!(
                "{}: copyUp fills a folder of a volume, and {} is the whole volume {volume}",
                service.name, mount.target
            );
            let help = format!("mount a folder of it: {volume}/files:{}", mount.target);
            cx.push(Diagnostic::error("compose-copy-up", message).help(help), asked);
            return;
        }
        let owner = service.owner.as_ref().map(|owner| {
            let (user, group) = owner.value;
            format!("{user}:{group}")
        });
        self.0.push(Copy {
            service: service.name.clone(),
            image: image.value.clone(),
            volume: volume.to_owned(),
            folder: mount.sub_path.clone(),
            target: mount.target.clone(),
            owner,
        });
    }

    /// The container that brings the shell, if there is anything to fill.
    pub(super) fn bring(&self) -> Option<Container> {
        let bring = || {
            json!({
                "name": COPY_UP,
                "image": TOOLS_IMAGE,
                "command": ["cp", "/bin/busybox", SHELL],
                "volumeMounts": [tools()],
            })
        };
        (!self.0.is_empty()).then(|| Container { body: bring(), sensitive: Vec::new() })
    }

    /// The containers that fill, in their order, each with the service that it is for.
    pub(super) fn containers(&self) -> Vec<(&str, Container)> {
        let copies = self.0.iter().enumerate().map(|(index, copy)| {
            let place = format!("/.kompox/volumes/{}", copy.volume);
            let variable = |name: &str, value: &str| json!({ "name": name, "value": service::literal(value) });
            let mut variables =
                vec![variable("FROM", &copy.target), variable("FOLDER", &format!("{place}/{}", copy.folder))];
            variables.extend(copy.owner.as_ref().map(|owner| variable("OWNER", owner)));
            let body = json!({
                "name": format!("{COPY_UP}-{}", index + 1),
                "image": copy.image,
                "command": [SHELL, "sh", "-c", service::literal(SCRIPT)],
                "env": variables,
                "securityContext": { "runAsUser": 0 },
                "volumeMounts": [tools(), { "name": copy.volume, "mountPath": place }],
            });
            (copy.service.as_str(), Container { body, sensitive: Vec::new() })
        });
        copies.collect()
    }

    /// The volume of the Pod that the shell is brought in.
    pub(super) fn volume(&self) -> Option<Value> {
        (!self.0.is_empty()).then(|| json!({ "name": TOOLS, "emptyDir": {} }))
    }
}
