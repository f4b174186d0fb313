//! The typed clients of Azure, `azure_mgmt_compute` and `azure_mgmt_resources`, unmodified: they were generated from the
//! published description of the API, and so are an independent judge. They drive the sandbox as they would the cloud, and
//! read what kompox wrote there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, TokenCredential};
use azure_mgmt_compute::package_2024_03_02 as compute;
use azure_mgmt_compute::package_2024_03_02::models::{
    CreationData, Disk, DiskProperties, DiskSku, Resource, Snapshot, SnapshotProperties, creation_data, disk_sku,
};
use azure_mgmt_resources::package_resources_2021_04 as resources;
use azure_mgmt_resources::package_resources_2021_04::models::ResourceGroup;
use futures::StreamExt as _;
use kompox_sandbox::{Config, Sandbox};

/// The subscription of the example.
const SUBSCRIPTION: &str = "9473abf6-f25e-420e-b3f2-128c1c7b46f2";

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let expires_on = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
        Ok(AccessToken::new("sandbox-judge".to_owned(), expires_on))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}

/// A sandbox and the clients that talk to it.
struct Cloud {
    sandbox: Sandbox,
    compute: compute::Client,
    resources: resources::Client,
}

impl Cloud {
    async fn start(world: &Path) -> Self {
        let sandbox = Sandbox::start(Config::new(world), ([127, 0, 0, 1], 0).into()).await.unwrap();
        let endpoint = azure_core::Url::parse(&sandbox.endpoint()).unwrap();
        let compute = compute::Client::builder(Arc::new(Token)).endpoint(endpoint.clone()).build().unwrap();
        let resources = resources::Client::builder(Arc::new(Token)).endpoint(endpoint).build().unwrap();
        Self { sandbox, compute, resources }
    }

    async fn groups(&self) -> Vec<ResourceGroup> {
        let mut pages = self.resources.resource_groups_client().list(SUBSCRIPTION).into_stream();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            found.extend(page.unwrap().value);
        }
        found
    }

    async fn disks(&self) -> Vec<Disk> {
        let mut pages = self.compute.disks_client().list(SUBSCRIPTION).into_stream();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            found.extend(page.unwrap().value);
        }
        found
    }

    async fn snapshots(&self) -> Vec<Snapshot> {
        let mut pages = self.compute.snapshots_client().list(SUBSCRIPTION).into_stream();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            found.extend(page.unwrap().value);
        }
        found
    }
}

#[tokio::test]
async fn the_clients_make_list_and_delete() {
    let world = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(world.path()).await;
    let groups = cloud.resources.resource_groups_client();
    let made = groups.create_or_update("g1", ResourceGroup::new("japaneast".to_owned()), SUBSCRIPTION).await.unwrap();
    assert_eq!((made.name.as_deref(), made.location.as_str()), (Some("g1"), "japaneast"));
    let listed: Vec<_> = cloud.groups().await.into_iter().filter_map(|group| group.name).collect();
    assert_eq!(listed, ["g1"]);

    let disks = cloud.compute.disks_client();
    let mut properties = DiskProperties::new(CreationData::new(creation_data::CreateOption::Empty));
    properties.disk_size_gb = Some(64);
    let wanted = Disk {
        zones: vec!["2".to_owned()],
        sku: Some(DiskSku { name: Some(disk_sku::Name::PremiumLrs), tier: None }),
        properties: Some(properties),
        ..Disk::new(Resource::new("japaneast".to_owned()))
    };
    // Asks again until the operation has ended.
    disks.create_or_update(SUBSCRIPTION, "g1", "d1", wanted).await.unwrap();
    let [disk] = &cloud.disks().await[..] else { panic!("one disk") };
    let properties = disk.properties.as_ref().unwrap();
    assert_eq!((disk.resource.name.as_deref(), &disk.zones[..]), (Some("d1"), &["2".to_owned()][..]));
    assert_eq!((properties.disk_size_gb, properties.provisioning_state.as_deref()), (Some(64), Some("Succeeded")));
    assert_eq!(disk.sku.as_ref().unwrap().name, Some(disk_sku::Name::PremiumLrs));

    let mut source = CreationData::new(creation_data::CreateOption::Copy);
    source.source_resource_id.clone_from(&disk.resource.id);
    let snapshot = Snapshot {
        properties: Some(SnapshotProperties::new(source)),
        ..Snapshot::new(Resource::new("japaneast".to_owned()))
    };
    let snapshots = cloud.compute.snapshots_client();
    snapshots.create_or_update(SUBSCRIPTION, "g1", "s1", snapshot).await.unwrap();
    let [snapshot] = &cloud.snapshots().await[..] else { panic!("one snapshot") };
    let copied = &snapshot.properties.as_ref().unwrap().creation_data;
    assert_eq!(copied.source_resource_id, disk.resource.id);

    disks.delete(SUBSCRIPTION, "g1", "d1").send().await.unwrap();
    for _ in 0..600 {
        if cloud.disks().await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(disks.get(SUBSCRIPTION, "g1", "d1").await.is_err());
    assert_eq!(cloud.snapshots().await.len(), 1);
    cloud.sandbox.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match source.file_name().unwrap().to_str() {
            // What somebody left there by hand.
            Some("state" | "sandbox") => {}
            _ if source.is_dir() => copy(&source, &target),
            _ => drop(std::fs::copy(&source, &target).unwrap()),
        }
    }
}

#[tokio::test]
async fn what_kompox_wrote_is_read_by_the_clients() {
    let folder = tempfile::tempdir().unwrap();
    let (world, project) = (folder.path().join("world"), folder.path().join("project"));
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/gitea"), &project);
    let cloud = Cloud::start(&world).await;
    let words =
        ["kompox", "-C", project.to_str().unwrap(), "--sandbox", "--sandbox-endpoint", &cloud.sandbox.endpoint()]
            .map(std::ffi::OsString::from);
    let apply = words.into_iter().chain(["apply", "--auto-approve"].map(Into::into)).collect::<Vec<_>>();
    // The program has a runtime of its own.
    let code = tokio::task::spawn_blocking(|| kompox::cli::main(apply)).await.unwrap();
    assert_eq!(code, std::process::ExitCode::SUCCESS);

    let groups = cloud.groups().await;
    let disks = cloud.disks().await;
    assert!(groups.len() >= 2 && !disks.is_empty(), "{} groups, {} disks", groups.len(), disks.len());
    let written = kompox_sandbox::inspect(&world).unwrap();
    let of_type = |name: &str| {
        let is = |object: &&serde_json::Value| object["type"].as_str().unwrap_or_default().eq_ignore_ascii_case(name);
        written.iter().filter(is).count()
    };
    assert_eq!(disks.len(), of_type("Microsoft.Compute/disks"));
    assert_eq!(groups.len(), of_type("Microsoft.Resources/resourceGroups"));
    for disk in disks {
        let properties = disk.properties.as_ref().unwrap();
        assert_eq!(disk.zones.len(), 1, "{disk:?}");
        assert!(properties.disk_size_gb.is_some_and(|size| size > 0), "{disk:?}");
        assert_eq!(properties.provisioning_state.as_deref(), Some("Succeeded"));
        let tags = disk.resource.tags.as_ref().and_then(|tags| tags.as_object()).unwrap();
        assert!(!tags.is_empty());
    }
    cloud.sandbox.stop().await;
}
