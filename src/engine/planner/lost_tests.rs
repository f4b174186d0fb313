//! Data that may exist is never made anew: what carries the mark and the tags elsewhere, and what only a lost state knew.

use std::collections::BTreeMap;

use kompox_state::Change;
use serde_json::json;

use super::{Options, Rebuilt, rebuild};
use crate::engine::code::{NoteCode, ProblemCode};
use crate::engine::graph::{Graph, Node};
use crate::engine::plan::Mode;
use crate::engine::provider::Find;
use crate::engine::testing::{Ask, DISK, Site, THING, applied, graph, node, problems, verbs};

/// A disk that nobody named: it is known by its tags.
fn disk(name: &str) -> Node {
    let tags = BTreeMap::from([("volume".to_owned(), name.to_owned())]);
    let find = Find { within: "/".to_owned(), tags: [("in-group".to_owned(), name.to_owned())].into() };
    Node { find: Some(find), tags, ..node(&DISK, name).with("name", format!("new-{name}")) }
}

/// Puts a disk with the tags of another one where kompox makes none.
fn put(site: &Site, id: &str, volume: &str) {
    site.world.put(id, json!({"name": id, "tags": {"volume": volume}}), Some(&site.lineage));
}

async fn rebuilt(site: &Site, wish: &Graph) -> Rebuilt {
    let (snapshot, options) = (site.store().snapshot().unwrap(), Options::default());
    rebuild(site.inputs(wish, Mode::Apply, &options, &snapshot)).await.unwrap()
}

fn importing(node: Node, id: &str) -> Graph {
    graph([Node { import: Some(id.to_owned()), find: None, ..node.with("name", id.trim_start_matches('/')) }])
}

#[tokio::test]
async fn what_carries_mark_and_tags_elsewhere_is_not_made_anew() {
    let (site, wish) = (Site::new(), graph([disk("data")]));
    put(&site, "/there", "data");
    let text = problems(site.plan(&wish).await);
    assert!(text.starts_with("/ws/t/disk/data exists already, and not where kompox makes one: /there"), "{text}");
    assert!(text.contains("\nkompox import /ws/t/disk/data /there\n"), "{text}");
    // Whatever is asked of the plan but to look.
    for options in [
        Options { refresh: false, ..Options::default() },
        Options { targets: vec![disk("data").address], ..Options::default() },
    ] {
        let text = problems(site.plan_as(&wish, Mode::Apply, &options).await);
        assert!(text.contains("/there"), "{text}");
    }
    // Adopted by the line, it is this one.
    let ask = Ask { mode: Some(Mode::Import), ..Ask::default() };
    let wish = importing(disk("data"), "/there");
    assert!(site.run(&wish, ask).await.unwrap().is_complete());
    let plan = site.plan(&wish).await.unwrap();
    assert!(!verbs(&plan).iter().any(|verb| verb.starts_with("create")), "{plan:?}");
    // Of another state, or with other tags, it is nobody's here.
    let (site, wish) = (Site::new(), graph([disk("data")]));
    site.world.put("/there", json!({"tags": {"volume": "data"}}), Some("11111111-1111-4111-8111-111111111111"));
    put(&site, "/other", "other");
    assert_eq!(verbs(&site.plan(&wish).await.unwrap()), ["create disk/data"]);
}

#[tokio::test]
async fn what_another_address_has_is_not_taken_for_it() {
    let wish = graph([disk("data")]);
    let site = applied(&wish).await;
    site.world.edit("/new-data", |thing| thing.object["tags"] = json!({"volume": "more"}));
    let both = graph([disk("data"), disk("more")]);
    assert_eq!(verbs(&site.plan(&both).await.unwrap()), ["create disk/more"]);
}

/// One list of each kind, however many are to be made, and none where nothing is.
#[tokio::test]
async fn looking_elsewhere_is_one_list() {
    let many: Vec<Node> = (0..50).map(|number| disk(&format!("d{number}"))).collect();
    let (site, wish) = (Site::new(), graph(many));
    site.plan(&wish).await.unwrap();
    assert_eq!(site.world.take_lists(), 1);
    site.apply(&wish).await;
    site.world.take_lists();
    assert!(site.plan(&wish).await.unwrap().is_empty());
    assert_eq!(site.world.take_lists(), 0);
    for number in 0..50 {
        site.world.remove(&format!("/new-d{number}"));
        put(&site, &format!("/there-{number}"), &format!("d{number}"));
    }
    site.rewrite(site.records().into_keys().map(Change::DeleteRecord).collect());
    assert_eq!(rebuilt(&site, &wish).await.records.len(), 50);
    assert_eq!(site.world.take_lists(), 1);
}

/// Who may not list is told; the rest of the plan stands, as it does for whoever may only see a part of an account.
#[tokio::test]
async fn who_may_not_look_elsewhere_is_told() {
    let (site, wish) = (Site::new(), graph([disk("data")]));
    site.world.unlist();
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["create disk/data"]);
    assert!(plan.notes.iter().any(|note| note.code == NoteCode::Unreadable.as_str()), "{:?}", plan.notes);
}

/// Loses the state of a world and makes it again; what nobody knows goes into it, too.
async fn lost_and_found(site: &Site, wish: &Graph) -> Rebuilt {
    site.rewrite(site.records().into_keys().map(Change::DeleteRecord).collect());
    let rebuilt = rebuilt(site, wish).await;
    let records = rebuilt.records.iter().chain(&rebuilt.lost);
    site.rewrite(records.map(|record| Change::PutRecord(Box::new(record.clone()))).collect());
    rebuilt
}

#[tokio::test]
async fn nothing_is_made_where_a_lost_state_may_have_known_data() {
    let gone = |site: &Site| site.world.remove("/new-data");
    let deleting = |site: &Site| {
        site.world.edit("/new-data", |thing| thing.transition = Some(crate::engine::provider::Transition::Deleting))
    };
    let foreign = |site: &Site| site.world.edit("/new-data", |thing| thing.lineage = None);
    let changes: [&dyn Fn(&Site); 3] = [&gone, &deleting, &foreign];
    for (number, change) in changes.into_iter().enumerate() {
        // Known by its id, so that it is seen whatever it carries.
        let wish = graph([Node { find: None, ..disk("data") }, node(&THING, "app").using(&DISK, "data")]);
        let site = applied(&wish).await;
        change(&site);
        let rebuilt = lost_and_found(&site, &wish).await;
        assert_eq!(rebuilt.lost.len(), 1, "{number}");
        let stops = |text: String| assert!(text.contains("/ws/t/disk/data"), "{number}: {text}");
        stops(problems(site.plan(&wish).await));
        // What was there then is gone by now.
        site.world.remove("/new-data");
        for options in [
            Options::default(),
            Options { refresh: false, ..Options::default() },
            Options { offline: true, ..Options::default() },
        ] {
            let error = site.plan_as(&wish, Mode::Apply, &options).await.unwrap_err();
            assert_eq!(error.problems[0].code, ProblemCode::DataLost, "{number}");
        }
        // Nothing that only looks forgets it.
        let plan = site.plan_as(&wish, Mode::RefreshOnly, &Options::default()).await.unwrap();
        assert!(!verbs(&plan).iter().any(|verb| verb.contains("disk/data")), "{:?}", verbs(&plan));
        let text = problems(site.plan(&wish).await);
        assert!(text.contains("adopt it:  kompox import /ws/t/disk/data <id>\n"), "{text}");
        assert!(text.ends_with("or have a new one made:  kompox state rm /ws/t/disk/data"), "{text}");
        // A rename does not answer it.
        let renamed = Node { moved_from: Some(disk("data").address), ..disk("renamed") };
        let error = site.plan(&graph([renamed])).await.unwrap_err();
        assert_eq!(error.problems[0].code, ProblemCode::DataLost, "{number}");
        // Somebody says that it is a new one.
        site.rewrite(vec![Change::DeleteRecord(disk("data").address)]);
        assert!(verbs(&site.plan(&wish).await.unwrap()).contains(&"create disk/data".to_owned()), "{number}");
    }
}

#[tokio::test]
async fn of_several_elsewhere_somebody_says_which() {
    let wish = graph([disk("data")]);
    let site = applied(&wish).await;
    site.world.remove("/new-data");
    put(&site, "/one", "data");
    put(&site, "/two", "data");
    let rebuilt = lost_and_found(&site, &wish).await;
    let left: Vec<_> = rebuilt.left.iter().map(|left| (left.address.is_some(), left.physical_id.as_str())).collect();
    assert_eq!(left, [(true, "/one"), (true, "/two")]);
    assert_eq!((rebuilt.records.len(), rebuilt.lost.len(), rebuilt.missing.len()), (0, 1, 0));
    let text = problems(site.plan(&wish).await);
    assert!(text.starts_with("/ws/t/disk/data may be any of these: /one, /two;"), "{text}");
    assert!(text.contains("import /ws/t/disk/data /one\nkompox import /ws/t/disk/data /two\n"), "{text}");
    // The line of one of them settles it, also in a plan that was saved.
    let wish = importing(disk("data"), "/two");
    let plan = site.plan_as(&wish, Mode::Import, &Options::default()).await.unwrap();
    assert!(site.apply_plan(&plan, &wish, Ask::default()).await.unwrap().is_complete());
    let record = site.records().into_values().next().unwrap();
    assert_eq!((record.physical_id.as_str(), record.progress.lost), ("/two", false));
    assert!(!verbs(&site.plan(&wish).await.unwrap()).iter().any(|verb| verb.starts_with("create")));
}

#[tokio::test]
async fn nobody_asks_any_more_once_nobody_wishes_for_it() {
    let wish = graph([disk("data"), node(&THING, "app")]);
    let site = applied(&wish).await;
    site.world.remove("/new-data");
    lost_and_found(&site, &wish).await;
    site.apply(&graph([node(&THING, "app")])).await;
    assert_eq!(site.records().into_keys().map(|address| address.short().to_owned()).collect::<Vec<_>>(), ["thing/app"]);
    // The same when all is destroyed.
    let wish = graph([disk("data")]);
    let site = applied(&wish).await;
    site.world.remove("/new-data");
    lost_and_found(&site, &wish).await;
    let ask = Ask { mode: Some(Mode::Destroy), ..Ask::default() };
    assert!(site.run(&graph([]), ask).await.unwrap().is_complete());
    assert!(site.records().is_empty());
}
