//! Names of what a project begins with. Names in the cloud are made of Workspace, Provider and App alone (storage accounts
//! have one namespace for all of Azure), so that two projects with one Workspace name would mean the same things.

use std::path::Path;

use super::draft::Draft;
use super::yaml::{quoted, slug};
use crate::advice::{Advice, Command, Name};
use crate::cli::error::CliError;
use crate::compose::names::hash;
use crate::compose::tree::Tree;
use crate::text::dns::is_label_within;

/// Longest part of a name that is taken from the folder.
const STEM: usize = 20;
/// The only name of a provider in a new project: its Workspace tells it from others.
const PROVIDER: &str = "cloud1";

/// Where an App belongs.
pub struct Place {
    /// The Workspace's name.
    pub workspace: String,
    /// The Cluster's Resource ID.
    pub cluster: String,
    /// The zone of Pod and disks, where the driver has zones.
    pub zone: Option<String>,
}

impl Place {
    /// The place that a project in a folder begins with: named like the folder, and with a hash of where the folder is
    /// and of `whose` it is, so that folders of one name, also of different people, differ. The same every time.
    pub fn of_folder(folder: &Path, whose: &[String]) -> Self {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = slug(&name, STEM);
        let parts: Vec<String> = std::iter::once(folder.to_string_lossy().into_owned()).chain(whose.to_vec()).collect();
        let workspace = format!("{stem}-{}", hash(parts.join("\0").as_bytes()));
        let cluster = format!("/ws/{workspace}/prv/{PROVIDER}/cls/{stem}");
        Self { workspace, cluster, zone: Some("1".to_owned()) }
    }

    /// A template with its names.
    pub fn fill(&self, template: &str) -> String {
        let cluster = self.cluster.rsplit('/').next().unwrap_or_default();
        template
            .replace("@WORKSPACE@", &self.workspace)
            .replace("@CLUSTER_ID@", &self.cluster)
            .replace("@CLUSTER@", &quoted(cluster))
    }
}

/// What tells this user on this machine from others: the user's name and the machine's id and name, as far as there are
/// any. It goes into a hash of six digits and nowhere else.
pub fn whose(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| variable(name));
    let file = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    // machine-id(5), hostname(5)
    [user, file("/etc/machine-id"), file("/etc/hostname")].into_iter().flatten().collect()
}

/// Longest name of an app: names of the cloud are made of it.
const NAME: usize = 30;

/// The name given, else the compose file's, else the folder's.
pub(super) fn app_name(name: Option<&str>, draft: &Draft) -> Result<String, CliError> {
    if let Some(name) = name {
        check_name(name)?;
        return Ok(name.to_owned());
    }
    Ok(name_of(draft))
}

/// The name that the compose file or the folder suggests.
pub(super) fn name_of(draft: &Draft) -> String {
    let own = draft.tree.get("name").and_then(Tree::as_text).map(str::to_owned);
    let folder = || draft.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = slug(&own.unwrap_or_else(folder), NAME - 4);
    // Names that begin with the app's and `-app` or `-box` are its own components'.
    let services = draft.tree.get("services").and_then(Tree::as_mapping).unwrap_or_default();
    let reserved = |app: &str| {
        let ends = [format!("{app}-app"), format!("{app}-box")];
        services.iter().any(|service| ends.iter().any(|end| service.key.starts_with(end.as_str())))
    };
    let letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    if reserved(&name) || !letter { format!("my-{name}") } else { name }
}

/// Whether an app can have this name.
pub(super) fn check_name(name: &str) -> Result<(), CliError> {
    if is_label_within(name, NAME) {
        return Ok(());
    }
    Err(CliError::new("app-name", format!("\"{name}\" cannot be the app's name"))
        .help(format!("it must be lower-case letters, digits and dashes, at most {NAME}"))
        .help(Advice::run("name it", Command::new(Name::Init).word("--name").word("my-app"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kom::id::ResourceId;

    #[test]
    fn names_are_those_of_the_folder_and_of_nobody_else() {
        let place = |folder: &str, user: &str| Place::of_folder(Path::new(folder), &[user.to_owned()]);
        let wiki = place("/home/a/wiki", "a");
        assert_eq!(wiki.workspace, place("/home/a/wiki", "a").workspace);
        assert!(
            wiki.workspace.starts_with("wiki-") && wiki.cluster.ends_with("/prv/cloud1/cls/wiki"),
            "{}",
            wiki.cluster
        );
        for (folder, user) in [("/home/b/wiki", "a"), ("/home/a/wiki", "b"), ("/home/a/Wiki", "a")] {
            assert_ne!(wiki.workspace, place(folder, user).workspace);
        }
        for folder in ["/", "/Ärger im Büro", "/x/2048", "/x/-", "/a-very-long-name-of-a-folder-that-goes-on"] {
            let place = place(folder, "a");
            ResourceId::parse(&place.cluster).unwrap();
            assert!(place.workspace.len() <= STEM + 7, "{}", place.workspace);
        }
    }
}
