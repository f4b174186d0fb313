//! Data that goes out of sight is a danger, whatever the state still knows of who used it.

use kompox_state::{Change, ProviderKey};
use serde_json::{Value as Json, json};

use crate::advice::Advice;
use crate::engine::address::Address;
use crate::engine::graph::{Graph, Node, ProtectionWish};
use crate::engine::kind::{Behind, Holds, Kind, Mount, Part, Review, Use, Volume};
use crate::engine::plan::Mode;
use crate::engine::planner::Options;
use crate::engine::provider::Find;
use crate::engine::testing::{Site, graph, node};

static DISK: Kind = Kind {
    holds: Holds::Data,
    review: Review { starts_empty: Some(|disk| disk["source"].is_null()), ..Review::NONE },
    ..Kind::plain("disk")
};
static SNAPSHOT: Kind = Kind { holds: Holds::Data, ..Kind::plain("snapshot") };
static VOLUME: Kind = Kind { volume: Some(volume), ..Kind::plain("volume") };
/// Its `mounts` are `path=volume/folder`, and `path` where something else is mounted.
static APP: Kind = Kind {
    restarts: &["mounts", "part"],
    uses: Some(uses),
    review: Review { parts: Some(parts), renamed: Some(renamed), ..Review::NONE },
    ..Kind::plain("pod")
};

fn kinds(_: &ProviderKey, name: &str) -> Option<&'static Kind> {
    [&DISK, &SNAPSHOT, &VOLUME, &APP].into_iter().find(|kind| kind.name == name)
}

fn volume(object: &Json) -> Option<Volume> {
    Some(Volume { name: object["name"].as_str()?.to_owned(), behind: Behind::Itself })
}

fn mounted(object: &Json) -> impl Iterator<Item = &str> {
    object["mounts"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn parts(object: &Json) -> Vec<Part> {
    let name = object["part"].as_str().unwrap_or("web");
    let mount = |text: &str| {
        let (path, place) = text.split_once('=')?;
        let (volume, folder) = place.split_once('/')?;
        let place = Use { part: name.to_owned(), volume: volume.to_owned(), folder: folder.to_owned() };
        Some(Mount { place, called: volume.to_owned(), path: path.to_owned() })
    };
    let covers = mounted(object).filter(|text| !text.contains('=')).map(str::to_owned).collect();
    vec![Part { name: name.into(), mounts: mounted(object).filter_map(mount).collect(), covers, ..Part::default() }]
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

/// The app with its data on `default` and a copy of a snapshot `old` of it on `new`, and these mounts.
fn with_copy(mounts: &[&str]) -> Graph {
    let snapshot = Address::new("/ws/t/app/a", SNAPSHOT.name, "old");
    let from = |node: Node| match node.address.name() {
        "new" if node.kind.name == "disk" => {
            Node { depends_on: vec![snapshot.clone()], ..node.with("source", "/a/old") }
        }
        _ => node,
    };
    let taken = Node { address: snapshot.clone(), ..node(&SNAPSHOT, "old").with("name", "a/old") };
    graph(app("a", &["default", "new"], mounts).into_iter().map(from).chain([taken]))
}

#[tokio::test]
async fn a_switch_to_a_copy_says_what_it_lacks() {
    let mounts = ["/data=a-default/data", "/up=a-default/up"];
    let site = applied(&with_copy(&mounts)).await;
    let restored = with_copy(&["/data=a-new/data", "/up=a-new/up"]);
    assert_eq!(
        dangers(&site, &restored).await,
        [
            "older-data /ws/t/app/a/pod/web: /data (web) and /up (web) go on with what was made as a copy, disk/new: it lacks \
          what is written to disk/default after snapshot/old is taken\n  disk/default stays where it is; to go on with it, \
          undo this change"
        ]
    );
    // A folder that changes with it is not on the copy either.
    let found = dangers(&site, &with_copy(&["/data=a-new/data", "/up=a-new/files"])).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let moved = "starts-empty /ws/t/app/a/pod/web: starts without its data: /up (web) moves from the folder up of \
                 disk/default to the folder files of disk/new, which is empty unless somebody filled it";
    assert!(found.iter().any(|danger| danger.starts_with(moved)), "{found:?}");
    // Taken by this plan, it is taken while the app still writes; of an app that was stopped nothing is missing.
    let site = applied(&one(&["default"], &mounts)).await;
    let found = dangers(&site, &restored).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("go on with the new copy disk/new: it lacks what is written to disk/default"),
        "{found:?}"
    );
    let stop = "this plan copies what the app still writes to; stop the app before, and nothing is missing";
    assert!(found[0].contains(stop) && found[0].contains("destroy --target /ws/t/app/a/pod/web"), "{found:?}");
    forget(&site, &[&APP], &["/a-web"]);
    assert_eq!(dangers(&site, &restored).await, [""; 0]);
}

#[tokio::test]
async fn a_part_under_another_name_is_missed_where_it_was() {
    let named = |part: &'static str, mounts: &[&str]| {
        let own = move |node: Node| if node.kind.name == "pod" { node.with("part", part) } else { node };
        graph(app("a", &["default"], mounts).into_iter().map(own))
    };
    let site = applied(&named("web", &["/data=a-default/data", "/up=a-default/up"])).await;
    let same = named("app", &["/data=a-default/data", "/up=a-default/up"]);
    assert_eq!(dangers(&site, &same).await, [""; 0]);
    for (mounts, says) in [
        (&["/data=a-default/data"][..], "/up (web) is no longer on disk/default"),
        (&["/data=a-default/data", "/srv/up=a-default/files"], "/up (web) is no longer on disk/default"),
        // By its data alone.
        (&["/srv/data=a-default/data"], "/up (web) is no longer on disk/default"),
    ] {
        let found = dangers(&site, &named("app", mounts)).await;
        assert!(found.len() == 1 && found[0].contains(says), "{mounts:?}: {found:?}");
    }
}

#[tokio::test]
async fn what_a_plan_of_some_objects_does_not_look_at_may_be_what_is_missed() {
    let site = applied(&one(&["default"], &["/data=a-default/data"])).await;
    let wish = graph(app("b", &["default"], &["/data=b-default/data"]));
    let targets = wish.iter().map(|node| node.address.clone()).collect();
    let plan = site.plan_as(&wish, Mode::Apply, &Options { targets, ..Options::default() }).await.unwrap();
    let [danger] = plan.dangers.as_slice() else { panic!("{:?}", plan.dangers) };
    let says = "no manifest names any more /ws/t/app/a/disk/default (/a/default)";
    assert!(danger.code == "starts-empty" && danger.text.contains(says), "{danger:?}");
    // Beside one that stays it is new.
    let both = app("a", &["default"], &["/data=a-default/data"]).into_iter();
    let both = graph(both.chain(app("b", &["default"], &["/data=b-default/data"])));
    let targets = wish.iter().map(|node| node.address.clone()).collect();
    let plan = site.plan_as(&both, Mode::Apply, &Options { targets, ..Options::default() }).await.unwrap();
    assert_eq!(plan.dangers, []);
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
