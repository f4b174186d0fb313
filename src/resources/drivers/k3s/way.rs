//! The keys of clusters, and how to reach them. A cluster is the one with the recorded uid; until one is recorded, its key
//! says only whose it is, and nothing can be written there.

use super::kinds::CLUSTER;
use super::settings::{KUBECONFIG, TABLES};
use crate::engine::address::Address;
use crate::engine::provider::ProviderKey;
use crate::kom::model::{Cluster, Provider};
use crate::resources::driver::Connection;
use crate::resources::settings::credentials;

/// The address of the cluster itself.
pub(super) fn address(cluster: &Cluster) -> Address {
    Address::new(cluster.meta.id.as_str(), CLUSTER.name, &cluster.meta.name)
}

/// The key of the API of a cluster.
pub(super) fn key(cluster: &Cluster, uid: Option<&str>) -> ProviderKey {
    match uid {
        Some(uid) => format!("kubernetes#{uid}").into(),
        None => format!("kubernetes://{}", cluster.meta.id.as_str()).into(),
    }
}

/// How to reach a cluster, as far as manifests say it: a Cluster's settings over its Provider's.
pub(super) fn connection(provider: &Provider, cluster: &Cluster) -> Connection {
    let mut all = Connection::default();
    for (meta, settings, table) in
        [(&provider.meta, &provider.settings, TABLES.provider), (&cluster.meta, &cluster.settings, TABLES.cluster)]
    {
        let mut written = credentials(settings, table);
        if let Some(path) = written.get_mut(KUBECONFIG.key).filter(|path| !path.starts_with("~/"))
            && let Some(folder) = meta.file.parent()
        {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
        all.credentials.extend(written);
    }
    all
}
