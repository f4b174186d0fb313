//! Data that goes out of sight is a danger, whatever the state still knows of who used it.

use kompox_state::{Change, ProviderKey};
use serde_json::{Value as Json, json};

use crate::advice::Advice;
use crate::engine::address::Address;
use crate::engine::graph::{Graph, Node, ProtectionWish};
use crate::engine::kind::{Behind, Holds, Kind, Mount, Part, Review, Use, Volume};
use crate::engine::provider::Find;
use crate::engine::testing::{Site, graph, node};

static DISK: Kind = Kind {
    holds: Holds::Data,
    review: Review { starts_empty: Some(|disk| disk["source"].is_null()), ..Review::NONE },
    ..Kind::plain("disk")
};
static VOLUME: Kind = Kind { volume: Some(volume), ..Kind::plain("volume") };
/// Its `mounts` are `path=volume/folder`, and `path` where something else is mounted.
static APP: Kind = Kind {
    restarts: &["mounts"],
    uses: Some(uses),
    review: Review { parts: Some(parts), renamed: Some(renamed), ..Review::NONE },
    ..Kind::plain("pod")
};

fn kinds(_: &ProviderKey, name: &str) -> Option<&'static Kind> {
    [&DISK, &VOLUME, &APP].into_iter().find(|kind| kind.name == name)
}

fn volume(object: &Json) -> Option<Volume> {
    Some(Volume { name: object["name"].as_str()?.to_owned(), behind: Behind::Itself })
}

fn mounted(object: &Json) -> impl Iterator<Item = &str> {
    object["mounts"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn parts(object: &Json) -> Vec<Part> {
    let mount = |text: &str| {
        let (path, place) = text.split_once('=')?;
        let (volume, folder) = place.split_once('/')?;
        let place = Use { part: "web".to_owned(), volume: volume.to_owned(), folder: folder.to_owned() };
        Some(Mount { place, called: volume.to_owned(), path: path.to_owned() })
    };
    let covers = mounted(object).filter(|text| !text.contains('=')).map(str::to_owned).collect();
    vec![Part { name: "web".into(), mounts: mounted(object).filter_map(mount).collect(), covers, ..Part::default() }]
}

fn uses(object: &Json) -> Option<Vec<Use>> {
    Some(parts(object).remove(0).mounts.into_iter().map(|mount| mount.place).collect())
}

fn renamed(scope: &str) -> Vec<Advice> {
    vec![format!("was {scope}").into()]
}

/// An app in a scope of its own, with disks that are kept and a volume on each, and these mounts.
fn app(name: &str, disks: &[&str], mounts: &[&str]) -> Vec<Node> {
    let scope = format!("/ws/t/app/{name}");
    let at = |kind: &Kind, part: &str| Address::new(&scope, kind.name, part);
    let mut nodes = Vec::new();
    for disk in disks {
        let protection = ProtectionWish { orphan: true, ..ProtectionWish::default() };
        let tags = [("app", name), ("volume", disk)].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let find = Find { within: format!("/{name}"), tags };
        let own =
            node(&DISK, disk).with("name", format!("{name}/{disk}")).with("tags", json!({"app": name, "volume": disk}));
        nodes.push(Node { address: at(&DISK, disk), protection, tags: find.tags.clone(), find: Some(find), ..own });
        let needs = vec![at(&DISK, disk)];
        let own = node(&VOLUME, disk).with("name", format!("{name}-{disk}"));
        nodes.push(Node { address: at(&VOLUME, disk), depends_on: needs, ..own });
    }
    let needs = disks.iter().map(|disk| at(&VOLUME, disk)).collect();
    let pod = node(&APP, "web").with("name", format!("{name}-web")).with("mounts", json!(mounts));
    nodes.push(Node { address: at(&APP, "web"), depends_on: needs, ..pod });
    nodes
}

async fn applied(wish: &Graph) -> Site {
    let site = Site::of(kinds);
    site.apply(wish).await;
    site
}

fn one(disks: &[&str], mounts: &[&str]) -> Graph {
    graph(app("a", disks, mounts))
}

/// The dangers of a plan, each with its help.
async fn dangers(site: &Site, wish: &Graph) -> Vec<String> {
    let plan = site.plan(wish).await.unwrap();
    let said = |danger: &crate::engine::plan::Danger| {
        let help = danger.help.iter().map(|line| format!("\n  {line}")).collect::<String>();
        let address = danger.address.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} {address}: {}{help}", danger.code, danger.text)
    };
    plan.dangers.iter().map(said).collect()
}

/// Makes the state forget what has one of these kinds; what the last also names is gone from the world.
fn forget(site: &Site, kinds: &[&Kind], gone: &[&str]) {
    let forgotten = |address: &Address| kinds.iter().any(|kind| kind.name == address.kind());
    site.rewrite(site.records().into_keys().filter(forgotten).map(Change::DeleteRecord).collect());
    gone.iter().for_each(|id| site.world.remove(id));
}

#[tokio::test]
async fn an_empty_disk_beside_one_that_is_let_go_of_is_a_danger_without_a_record_of_the_workload() {
    let site = applied(&one(&["default"], &["/data=a-default/data"])).await;
    let renamed = one(&["data"], &["/data=a-data/data"]);
    // The workload was stopped, and is made anew.
    forget(&site, &[&APP], &["/a-web"]);
    let found = dangers(&site, &renamed).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(
            "starts-empty /ws/t/app/a/disk/data: pod/web starts without its data: this one is new and empty; this plan \
             lets go of /ws/t/app/a/disk/default (/a/default)"
        ),
        "{found:?}"
    );
    assert!(found[0].contains("state mv /ws/t/app/a/disk/default /ws/t/app/a/disk/data"), "{found:?}");
    // One more beside it, one that is a copy, and one that nobody works on, are none.
    let both = ["/data=a-default/data", "/more=a-data/"];
    assert_eq!(dangers(&site, &one(&["default", "data"], &both)).await, [""; 0]);
    assert_eq!(dangers(&site, &one(&["data"], &[])).await, [""; 0]);
    let copy = app("a", &["data"], &["/data=a-data/data"]).into_iter().map(|node| match node.kind.name {
        "disk" => node.with("source", "/a/default"),
        _ => node,
    });
    assert_eq!(dangers(&site, &graph(copy)).await, [""; 0]);
}

#[tokio::test]
async fn a_renamed_volume_is_one_danger_where_the_state_knows_the_workload() {
    let site = applied(&one(&["default"], &["/data=a-default/data"])).await;
    let found = dangers(&site, &one(&["data"], &["/data=a-data/data"])).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("/data (web) moves from disk/default to the new, empty disk/data"), "{found:?}");
}

#[tokio::test]
async fn a_workload_that_is_there_is_asked_where_it_works() {
    let site = applied(&one(&["default"], &["/data=a-default/data"])).await;
    forget(&site, &[&APP], &[]);
    assert_eq!(dangers(&site, &one(&["default"], &["/data=a-default/data"])).await, [""; 0]);
    let found = dangers(&site, &one(&["default"], &["/data=a-default/data2"])).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("moves from the folder data of disk/default to the folder data2"), "{found:?}");
    // Of the volume that it works on nobody knows anything any more, and of its own neither.
    forget(&site, &[&VOLUME], &[]);
    assert_eq!(dangers(&site, &one(&["default"], &["/data=a-default/data"])).await, [""; 0]);
    let found = dangers(&site, &one(&["data"], &["/data=a-data/data"])).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("/data (web) moves from the volume a-default, of which the state"), "{found:?}");
    assert!(found[0].contains("to the new, empty disk/data; this plan lets go of /ws/t/app/a/disk/default"));
}

#[tokio::test]
async fn an_app_that_comes_again_with_another_volume_is_told_of_what_it_had() {
    let site = applied(&one(&["default"], &["/data=a-default/data"])).await;
    forget(&site, &[&APP, &VOLUME, &DISK], &["/a-web", "/a-default"]);
    let found = dangers(&site, &one(&["data"], &["/data=a-data/data"])).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("the state forgot: /a/default"), "{found:?}");
    // Another one is new.
    assert_eq!(dangers(&site, &graph(app("b", &["data"], &["/data=b-data/data"]))).await, [""; 0]);
}

#[tokio::test]
async fn an_app_that_comes_while_another_one_goes_may_be_it() {
    let site = applied(&one(&["default"], &["/data=a-default/data"])).await;
    let found = dangers(&site, &graph(app("b", &["default"], &["/data=b-default/data"]))).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("starts-empty /ws/t/app/b/disk/default"), "{found:?}");
    assert!(found[0].contains("lets go of /ws/t/app/a/disk/default (/a/default)\n  was /ws/t/app/a"), "{found:?}");
    // Beside one that stays it is new.
    let both = app("a", &["default"], &["/data=a-default/data"]).into_iter();
    assert_eq!(dangers(&site, &graph(both.chain(app("b", &["default"], &["/data=b-default/data"])))).await, [""; 0]);
}

#[tokio::test]
async fn what_is_mounted_over_a_place_hides_it() {
    let site = applied(&one(&["default"], &["/data=a-default/data", "/data/was"])).await;
    let found = dangers(&site, &one(&["default"], &["/data=a-default/data", "/data/was", "/data/db", "/run"])).await;
    assert_eq!(
        found,
        [
            "starts-empty /ws/t/app/a/pod/web: starts without its data: /data/db (web) is hidden by what is mounted over it; \
          what is written there no longer reaches disk/default\n  what was there stays in the folder data/db of \
          disk/default; take away what is mounted over it to go on with it"
        ]
    );
}
