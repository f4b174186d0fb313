//! The registry of drivers: the only place that names them. A driver is a folder here, one below `src/providers` where it
//! has an API of its own, and a line in [`DRIVERS`].

mod aks;
#[cfg(test)]
mod contract;
mod k3s;
#[cfg(test)]
mod reference;

use std::collections::BTreeMap;

use super::driver::{Connectable, Connection, Driver, Environment};
use super::kinds::kubernetes;
use crate::engine::address::Address;
use crate::engine::kind::Kind;
use crate::engine::provider::ProviderKey;
use crate::kom::id::ResourceKind;
use crate::kom::model::{Cluster, Located, Project};
use crate::kom::settings::Tables;

/// Every driver.
pub static DRIVERS: [&dyn Driver; 2] = [&aks::Aks, &k3s::K3s];

/// The driver with this word in manifests.
pub fn find(name: &str) -> Option<&'static dyn Driver> {
    DRIVERS.into_iter().find(|driver| driver.name() == name)
}

/// The words of all drivers.
pub fn names() -> [&'static str; DRIVERS.len()] {
    DRIVERS.map(Driver::name)
}

/// The settings of all drivers.
pub fn settings() -> [&'static Tables; DRIVERS.len()] {
    DRIVERS.map(Driver::settings)
}

/// Finds the schema of a kind that the API of a key has, by its name: the kinds of its driver, and in a cluster those of
/// Kubernetes.
pub fn kind(key: &ProviderKey, name: &str) -> Option<&'static Kind> {
    let own = DRIVERS.into_iter().filter(|driver| driver.owns(key)).flat_map(Driver::kinds);
    let common = if key.scheme() == "kubernetes" { kubernetes::KINDS } else { &[] };
    own.chain(common).copied().find(|kind| kind.name == name)
}

/// Whether some API has a kind of this name.
pub fn knows(kind: &str) -> bool {
    DRIVERS.into_iter().flat_map(Driver::kinds).chain(kubernetes::KINDS).any(|known| known.name == kind)
}

/// Whether an environment variable leads to a real cloud.
pub fn reads(variable: &str) -> bool {
    DRIVERS.iter().any(|driver| driver.variables().iter().any(|start| variable.starts_with(start)))
}

/// How to reach the accounts that the manifests name, for what works from the state alone. Apps are not looked at, and
/// what is wrong with manifests is no hindrance.
pub fn connections(
    project: &Project,
    environment: &Environment,
    recorded: &dyn Fn(&Address) -> Option<String>,
) -> BTreeMap<ProviderKey, Connection> {
    let known = project.providers.iter().filter_map(|provider| Some((find(provider.driver)?, provider)));
    let connections = known.flat_map(|(driver, provider)| {
        let of_provider = |cluster: &&Cluster| cluster.meta.id.parent().as_ref() == Some(&provider.meta.id);
        let clusters = project.clusters.iter().filter(of_provider).collect();
        driver.connections(&Connectable { provider, clusters, environment, recorded })
    });
    connections.collect()
}

/// The disks and snapshots that the manifests adopt: address, key of a provider that may know it, id.
pub fn imports(
    project: &Project,
    environment: &Environment,
    recorded: &dyn Fn(&Address) -> Option<String>,
) -> Vec<(Address, ProviderKey, String)> {
    let mut all = Vec::new();
    for app in &project.apps {
        let Some(id) = app.meta.id.ancestor(ResourceKind::Provider) else { continue };
        let Some(provider) = project.provider(&id) else { continue };
        let Some(driver) = find(provider.driver) else { continue };
        let of_provider = |cluster: &&Cluster| cluster.meta.id.parent().as_ref() == Some(&id);
        let clusters = project.clusters.iter().filter(of_provider).collect();
        // An id says what it is in; the key of each place that it may be in is as good.
        let keys: Vec<ProviderKey> = driver
            .connections(&Connectable { provider, clusters, environment, recorded })
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let adopts = driver.adopts();
        let scope = format!("{}/app/{}", id.as_str(), app.meta.name);
        let mut add = |kind: &Kind, volume: &str, name: &str, import: Option<&Located<String>>| {
            let Some(id) = import else { return };
            let address = Address::new(&scope, kind.name, &format!("{volume}.{name}"));
            all.extend(keys.iter().map(|key| (address.clone(), key.clone(), id.value.clone())));
        };
        for volume in &app.volumes {
            for disk in &volume.disks {
                add(adopts.disk, &volume.name, &disk.name, disk.import.as_ref());
            }
            for snapshot in &volume.snapshots {
                add(adopts.snapshot, &volume.name, &snapshot.name, snapshot.import.as_ref());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::code::{DangerCode, NoteCode, ProblemCode};
    use crate::engine::kind::{Holds, Replace};
    use crate::engine::provider::ErrorClass;
    use crate::kom::layout::{LayoutRequest, discover};
    use crate::kom::load::{LoadOptions, load};
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn names_are_unique() {
        for driver in DRIVERS {
            let mut seen = HashSet::new();
            for one in driver.kinds().iter().chain(kubernetes::KINDS) {
                assert!(seen.insert(one.name), "{} of {} is there twice", one.name, driver.name());
            }
        }
    }

    #[test]
    fn a_kind_is_found_where_its_api_is() {
        let (cloud, managed) = ("azure://s?auth=azure_cli".into(), "kubernetes+azure://s?auth=azure_cli#c".into());
        assert!(kind(&cloud, "disk").is_some() && kind(&managed, "disk").is_none());
        assert!(kind(&managed, "Deployment").is_some() && kind(&cloud, "Deployment").is_none());
        assert!(kind(&"other://".into(), "disk").is_none());
    }

    fn kinds() -> impl Iterator<Item = &'static Kind> {
        DRIVERS.into_iter().flat_map(Driver::kinds).chain(kubernetes::KINDS).copied()
    }

    /// The codes of the table under a heading of `docs/plan.md`.
    fn listed(heading: &str) -> BTreeSet<&'static str> {
        let text = include_str!("../../../docs/plan.md");
        let section = text.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n"))).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        rows.flat_map(|cell| cell.split('`').map(str::trim).filter(|code| !code.is_empty() && *code != ",")).collect()
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let losses = kinds().filter_map(|kind| kind.review.loss);
        let dangers = DangerCode::ALL.iter().map(|code| code.as_str()).chain(losses.map(|loss| loss.code));
        assert_eq!(listed("Dangers"), dangers.collect());
        assert_eq!(listed("Notes"), NoteCode::ALL.iter().map(|code| code.as_str()).collect());
        assert_eq!(listed("Problems"), ProblemCode::ALL.iter().map(|code| code.as_str()).collect());
        assert_eq!(listed("Failures"), ErrorClass::ALL.iter().map(|class| class.as_str()).collect());
    }

    #[test]
    fn no_kind_that_holds_data_is_replaced_at_once() {
        for kind in kinds().filter(|kind| kind.holds == Holds::Data) {
            assert!(matches!(kind.replace, Replace::Refused(_)), "{}", kind.name);
        }
        for driver in DRIVERS {
            let adopts = driver.adopts();
            for kind in [adopts.disk, adopts.snapshot] {
                assert_eq!(kind.holds, Holds::Data, "{} of {}", kind.name, driver.name());
            }
        }
    }

    /// A destroy works from the state alone: what is wrong with an app must not lose it the way to sign in.
    #[test]
    fn an_app_that_cannot_be_expanded_takes_no_connection_away() {
        let folder = tempfile::tempdir().unwrap();
        let document = |kind: &str, id: &str, spec: &str| {
            let name = id.rsplit('/').next().unwrap();
            format!(
                "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: \
                 {{ops.kompox.dev/id: {id}}}}}\nspec: {spec}\n---\n"
            )
        };
        let settings =
            "AZURE_AUTH_METHOD: client_secret, AZURE_LOCATION: japaneast, AZURE_TENANT_ID: t, AZURE_CLIENT_ID: c";
        let text = [
            document("Workspace", "/ws/w", "{}"),
            document("Provider", "/ws/w/prv/p", &format!("{{driver: aks, settings: {{{settings}}}}}")),
            document("Cluster", "/ws/w/prv/p/cls/c", "{}"),
            document("App", "/ws/w/prv/p/cls/c/app/a", "{compose: \"file:missing.yml\"}"),
        ];
        std::fs::create_dir(folder.path().join(".kompox")).unwrap();
        std::fs::write(folder.path().join("kompoxapp.yml"), text.concat()).unwrap();
        let request = LayoutRequest { cwd: folder.path().to_owned(), ..LayoutRequest::default() };
        let layout = discover(&request).unwrap();
        let loaded = load(&layout, &request, &LoadOptions::default()).unwrap();
        let environment = Environment::from([("AZURE_SUBSCRIPTION_ID".to_owned(), "s".to_owned())]);
        let found: Vec<_> = connections(&loaded.project, &environment, &|_| None).into_iter().collect();
        let [(key, connection)] = found.as_slice() else { panic!("{} connections", found.len()) };
        assert_eq!(key.to_string(), "azure://s?auth=client_secret");
        let credentials: Vec<_> = connection.credentials.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(credentials, ["AZURE_CLIENT_ID=c", "AZURE_TENANT_ID=t"]);
    }

    /// What stands twice in a table would be described by the first and read by the second.
    #[test]
    fn every_setting_stands_once_and_is_described() {
        for driver in DRIVERS {
            let tables = driver.settings();
            for table in [tables.provider, tables.cluster, tables.app, tables.disk, tables.files] {
                let mut seen = HashSet::new();
                for setting in table {
                    assert!(seen.insert(setting.key), "{} is there twice", setting.key);
                    assert!(!setting.about.is_empty() && !setting.about.ends_with('.'), "{}", setting.key);
                }
            }
        }
    }
}
