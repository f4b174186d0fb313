//! Guards stand on the object, not on its name: two addresses of one object, renames, other states, plans made without
//! looking.

use kompox_state::Change;
use serde_json::json;

use super::Options;
use crate::engine::graph::{Node, ProtectionWish};
use crate::engine::plan::Mode;
use crate::engine::provider::Find;
use crate::engine::testing::{
    ASKED, Ask, BARE, DISK, GROUP, Site, THING, VAULT, address, applied, graph, node, problems, verbs,
};

fn losing(names: &[&str]) -> Options {
    Options { allow_data_loss: names.iter().map(|name| address(&DISK, name)).collect(), ..Options::default() }
}

fn moved(mut node: Node, from: &str) -> Node {
    node.moved_from = Some(address(node.kind, from));
    node
}

async fn destroy(site: &Site, options: &Options) -> Vec<String> {
    verbs(&site.plan_as(&graph([]), Mode::Destroy, options).await.unwrap())
}

/// One disk under two addresses.
async fn twice(change: impl FnOnce(&mut kompox_state::Record)) -> Site {
    let site = applied(&graph([node(&DISK, "data")])).await;
    site.alias("/ws/t/disk/data", "/ws/t/disk/other", change);
    site
}

#[tokio::test]
async fn what_another_record_keeps_is_not_deleted_under_this_one() {
    // In any spelling, whether the other is removed, too, or not even looked at.
    let site = twice(|other| other.protection.adopted = true).await;
    let options = losing(&["data"]);
    assert_eq!(destroy(&site, &options).await, ["forget disk/data", "forget disk/other"]);
    let site = twice(|other| other.physical_id = "/DATA/".to_owned()).await;
    let options = Options { targets: vec![address(&DISK, "data")], ..losing(&["data"]) };
    assert_eq!(destroy(&site, &options).await, ["forget disk/data"]);
    let plan = site.plan_as(&graph([]), Mode::Destroy, &options).await.unwrap();
    assert_eq!(plan.actions[0].reason, "it is /ws/t/disk/other, too, which this plan does not remove");
    // Both must be named.
    let site = twice(|_| {}).await;
    let text = problems(site.plan_as(&graph([]), Mode::Destroy, &losing(&["data"])).await);
    assert!(text.contains("/ws/t/disk/other holds data"), "{text}");
    // Then it goes once.
    let ask = Ask { mode: Some(Mode::Destroy), options: losing(&["data", "other"]), ..Ask::default() };
    assert!(site.run(&graph([]), ask).await.unwrap().is_complete());
    assert_eq!(site.world.take_log(), ["delete /data"]);
    assert!(site.records().is_empty());
}

#[tokio::test]
async fn every_kind_is_kept_for_the_other_address_that_has_it() {
    for kind in [&THING, &GROUP, &BARE, &ASKED] {
        let site = applied(&graph([node(&THING, "base"), node(kind, "a").using(&THING, "base")])).await;
        let (from, to) = (address(kind, "a"), address(kind, "b"));
        site.alias(from.as_str(), to.as_str(), |_| {});
        let options = Options { targets: vec![from], ..Options::default() };
        assert_eq!(destroy(&site, &options).await, [format!("forget {}/a", kind.name)]);
        // Both go: one request.
        let both = destroy(&site, &Options::default()).await;
        assert_eq!(both.iter().filter(|verb| **verb == format!("delete {}/a", kind.name)).count(), 1, "{both:?}");
        assert!(both.contains(&format!("forget {}/b", kind.name)), "{both:?}");
    }
}

#[tokio::test]
async fn data_that_the_state_has_elsewhere_is_not_taken_by_a_part_of_the_wish() {
    let site = applied(&graph([node(&DISK, "data")])).await;
    let mut taken = node(&DISK, "taken").with("name", "data");
    taken.import = Some("/DATA".to_owned());
    let wish = graph([taken]);
    let options = Options { targets: vec![address(&DISK, "taken")], ..Options::default() };
    let text = problems(site.plan_as(&wish, Mode::Apply, &options).await);
    assert!(text.contains("would be two objects at once: /ws/t/disk/data and /ws/t/disk/taken"), "{text}");
    assert!(text.contains("kompox state mv /ws/t/disk/data /ws/t/disk/taken"), "{text}");
    // What is only wanted counts as much: the loss of this address does not name that one.
    let gone = graph([node(&THING, "x")]);
    let options = Options { targets: vec![address(&DISK, "data")], ..losing(&["data"]) };
    assert_eq!(verbs(&site.plan_as(&gone, Mode::Apply, &options).await.unwrap()), ["delete disk/data"]);
    let mut taken = node(&DISK, "taken").with("name", "data");
    taken.import = Some("/DATA".to_owned());
    assert_eq!(verbs(&site.plan_as(&graph([taken]), Mode::Apply, &options).await.unwrap()), ["forget disk/data"]);
}

#[tokio::test]
async fn only_the_named_loss_is_allowed() {
    let site = applied(&graph([node(&DISK, "a"), node(&DISK, "b")])).await;
    let text = problems(site.plan_as(&graph([]), Mode::Destroy, &losing(&["a"])).await);
    assert!(text.contains("/ws/t/disk/b holds data") && !text.contains("/ws/t/disk/a holds data"), "{text}");
}

#[tokio::test]
async fn a_group_stays_with_the_safety_copy_in_it() {
    let site = applied(&graph([node(&GROUP, "g"), node(&VAULT, "v").inside("g")])).await;
    let options = Options { allow_data_loss: [address(&VAULT, "v")].into(), ..Options::default() };
    let plan = site.plan_as(&graph([]), Mode::Destroy, &options).await.unwrap();
    assert_eq!(verbs(&plan), ["delete vault/v", "forget group/g"]);
    let ask = Ask { mode: Some(Mode::Destroy), options, ..Ask::default() };
    assert!(site.run(&graph([]), ask).await.unwrap().is_complete());
    assert_eq!(site.world.ids(), ["/g", "/g/v_safety"]);
}

/// Data that an earlier apply let go may be the only copy there is.
#[tokio::test]
async fn a_group_stays_with_the_data_in_it_that_no_record_knows() {
    let site = applied(&graph([node(&GROUP, "g"), node(&THING, "t").inside("g")])).await;
    site.world.put("/g/old", json!({"name": "old", "size": 1}), Some(&site.lineage));
    for (wish, mode) in [(graph([]), Mode::Destroy), (graph([node(&THING, "x")]), Mode::Apply)] {
        let plan = site.plan_as(&wish, mode, &Options::default()).await.unwrap();
        let group = plan.actions.iter().find(|planned| planned.address == address(&GROUP, "g")).unwrap();
        assert!(verbs(&plan).contains(&"forget group/g".to_owned()), "{plan:?}");
        assert_eq!(group.reason, "it holds what is kept: old");
    }
}

/// An apply would leave it as it is, so no plan says otherwise; the line that it prints leads out.
#[tokio::test]
async fn data_without_its_mark_is_not_planned_to_change() {
    let wish = |size: i64| graph([node(&DISK, "data").with("size", size)]);
    let site = applied(&wish(1)).await;
    site.world.edit("/data", |thing| thing.lineage = None);
    assert_eq!(verbs(&site.plan(&wish(1)).await.unwrap()), [""; 0]);
    let text = problems(site.plan(&wish(2)).await);
    assert!(text.contains("/ws/t/disk/data does not carry the mark of this state any more"), "{text}");
    assert!(text.contains("kompox import /ws/t/disk/data /data"), "{text}");
    assert!(text.contains("kompox state rm /ws/t/disk/data"), "{text}");
}

#[tokio::test]
async fn data_that_the_state_knows_by_another_name_is_carried_over() {
    let site = applied(&graph([node(&DISK, "old").with("name", "data")])).await;
    let text = problems(site.plan(&graph([node(&DISK, "new").with("name", "data")])).await);
    assert!(text.contains("kompox state mv /ws/t/disk/old /ws/t/disk/new"), "{text}");
    assert!(!text.contains("kompox import"), "{text}");
}

#[tokio::test]
async fn a_mark_that_is_gone_or_anothers_is_never_deleted_and_never_changed() {
    for lineage in [None, Some("another".to_owned())] {
        let wish = |value: &str| graph([node(&THING, "a").with("value", value), node(&DISK, "d")]);
        let site = applied(&wish("1")).await;
        for id in ["/a", "/d"] {
            site.world.edit(id, |thing| thing.lineage.clone_from(&lineage));
        }
        assert_eq!(destroy(&site, &losing(&["d"])).await, ["forget disk/d", "forget thing/a"]);
        assert_eq!(
            verbs(&site.plan_as(&graph([]), Mode::Apply, &losing(&["d"])).await.unwrap()),
            ["forget disk/d", "forget thing/a"]
        );
        if lineage.is_some() {
            let text = problems(site.plan(&wish("2")).await);
            assert!(text.contains("/ws/t/thing/a now belongs to another state: /a"), "{text}");
            assert!(text.contains("/ws/t/disk/d now belongs to another state: /d"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_cannot_carry_a_mark_is_as_foreign_as_what_it_stands_on() {
    let wish =
        |value: &str| graph([node(&THING, "place"), node(&BARE, "child").with("value", value).using(&THING, "place")]);
    let site = applied(&wish("1")).await;
    let ours = site.world.get("/place").unwrap().lineage;
    site.world.edit("/place", |thing| thing.lineage = Some("another".to_owned()));
    assert_eq!(destroy(&site, &Options::default()).await, ["forget bare/child", "forget thing/place"]);
    // The place is looked at although only the child was asked for, and although nobody wanted to look.
    for options in [
        Options { targets: vec![address(&BARE, "child")], ..Options::default() },
        Options { targets: vec![address(&BARE, "child")], refresh: false, ..Options::default() },
    ] {
        assert_eq!(destroy(&site, &options).await, ["forget bare/child"]);
    }
    let alone = graph([node(&BARE, "child").with("value", "2")]);
    let only = Options { targets: vec![address(&BARE, "child")], ..Options::default() };
    let text = problems(site.plan_as(&alone, Mode::Apply, &only).await);
    assert!(text.contains("/ws/t/bare/child is not this state's: /ws/t/thing/place"), "{text}");
    // A place that the state forgot speaks for nothing.
    site.world.edit("/place", |thing| thing.lineage = ours.clone());
    site.rewrite(vec![Change::DeleteRecord(address(&THING, "place"))]);
    assert_eq!(destroy(&site, &Options::default()).await, ["forget bare/child"]);
}

#[tokio::test]
async fn a_plan_made_without_a_look_meets_the_same_guards_when_it_is_carried_out() {
    let wish = graph([node(&THING, "place"), node(&BARE, "child").using(&THING, "place"), node(&DISK, "d")]);
    let site = applied(&wish).await;
    let offline = Options { refresh: false, offline: true, ..losing(&["d"]) };
    let plan = site.plan_as(&graph([]), Mode::Destroy, &offline).await.unwrap();
    assert_eq!(verbs(&plan), ["delete bare/child", "delete disk/d", "delete thing/place"]);
    site.world.edit("/place", |thing| thing.lineage = Some("another".to_owned()));
    site.world.edit("/d", |thing| thing.uid = "made-anew".to_owned());
    let summary = site.apply_plan(&plan, &graph([]), Ask::default()).await.unwrap();
    let failed: Vec<_> = summary.failed.iter().map(|(address, ..)| address.short().to_owned()).collect();
    assert!(failed.contains(&"bare/child".to_owned()) && failed.contains(&"disk/d".to_owned()), "{summary:?}");
    assert!(site.world.get("/child").is_some() && site.world.get("/d").is_some());
}

/// A plan that a person reviewed may be carried out long after.
#[tokio::test]
async fn what_cannot_carry_a_mark_is_not_changed_once_its_place_is_another_states() {
    let wish =
        |value: &str| graph([node(&THING, "place"), node(&BARE, "child").with("value", value).using(&THING, "place")]);
    let site = applied(&wish("1")).await;
    let plan = site.plan(&wish("2")).await.unwrap();
    assert_eq!(verbs(&plan), ["update bare/child"]);
    site.world.edit("/place", |thing| thing.lineage = Some("another".to_owned()));
    let summary = site.apply_plan(&plan, &wish("2"), Ask::default()).await.unwrap();
    assert!(summary.failed[0].2.message.contains("/child is left as it is: /ws/t/thing/place"), "{summary:?}");
    assert_eq!(site.world.get("/child").unwrap().object["value"], "1");
}

#[tokio::test]
async fn no_second_disk_is_made_whatever_refresh_says() {
    let wish = graph([node(&DISK, "data"), node(&THING, "app").using(&DISK, "data")]);
    let site = Site::new();
    site.world.put("/data", json!({"name": "data"}), Some(&site.lineage));
    let text = problems(site.plan_as(&wish, Mode::Apply, &Options { refresh: false, ..Options::default() }).await);
    assert!(text.contains("/ws/t/disk/data exists already: /data"), "{text}");
    // A plan that could not look is stopped when it is carried out; so is one that grew old.
    for options in [Options { refresh: false, offline: true, ..Options::default() }, Options::default()] {
        let site = Site::new();
        let plan = site.plan_as(&wish, Mode::Apply, &options).await.unwrap();
        site.world.put("/data", json!({"name": "data", "holds": "data"}), Some(&site.lineage));
        let summary = site.apply_plan(&plan, &wish, Ask::default()).await.unwrap();
        assert_eq!(summary.failed[0].2.message, "/data exists already and may hold data; no second one is made");
        assert_eq!(site.world.get("/data").unwrap().object["holds"], "data");
        assert!(site.records().is_empty());
    }
}

#[tokio::test]
async fn data_is_looked_at_before_it_is_changed_whatever_refresh_says() {
    let wish = |size: i64| graph([node(&DISK, "data").with("size", size)]);
    let site = applied(&wish(1)).await;
    let offline = Options { refresh: false, offline: true, ..Options::default() };
    let plan = site.plan_as(&wish(2), Mode::Apply, &offline).await.unwrap();
    site.world.edit("/data", |thing| thing.uid = "made-anew".to_owned());
    let text = problems(site.plan_as(&wish(2), Mode::Apply, &Options { refresh: false, ..Options::default() }).await);
    assert!(text.contains("is not the one that kompox made"), "{text}");
    let summary = site.apply_plan(&plan, &wish(2), Ask::default()).await.unwrap();
    assert!(summary.failed[0].2.message.contains("was deleted and made anew"), "{summary:?}");
    assert_eq!(site.world.get("/data").unwrap().object["size"], 1);
    // What the state does not know, it does not allow either.
    assert_eq!(destroy(&site, &losing(&["data"])).await, ["forget disk/data"]);
    site.alias("/ws/t/disk/data", "/ws/t/disk/data", |record| record.progress.uid = None);
    let text = problems(site.plan(&wish(2)).await);
    assert!(text.contains("the state does not say whether /data is the one that kompox made"), "{text}");
    assert_eq!(destroy(&site, &losing(&["data"])).await, ["forget disk/data"]);
}

/// The plan saw the mark; whoever took it away since, the data is not touched.
#[tokio::test]
async fn data_without_our_mark_is_neither_changed_nor_deleted_whatever_the_plan_saw() {
    let wish = |size: i64| graph([node(&DISK, "data").with("size", size)]);
    for lineage in [None, Some("another".to_owned())] {
        let site = applied(&wish(1)).await;
        let ask = || Ask { mode: Some(Mode::Destroy), options: losing(&["data"]), ..Ask::default() };
        let update = site.plan(&wish(2)).await.unwrap();
        let delete = site.plan_as(&graph([]), Mode::Destroy, &losing(&["data"])).await.unwrap();
        site.world.edit("/data", |thing| thing.lineage.clone_from(&lineage));
        for summary in [
            site.apply_plan(&update, &wish(2), Ask::default()).await.unwrap(),
            site.apply_plan(&delete, &graph([]), ask()).await.unwrap(),
        ] {
            assert!(summary.failed[0].2.message.contains("does not carry the mark of this state"), "{summary:?}");
        }
        assert_eq!(site.world.take_log(), [""; 0]);
        assert_eq!(site.world.get("/data").unwrap().object["size"], 1);
    }
}

/// A disk whose name is an older one is found by its tags.
#[tokio::test]
async fn no_second_disk_is_made_beside_one_that_carries_its_tags() {
    let tags = std::collections::BTreeMap::from([("disk".to_owned(), "data".to_owned())]);
    let mut disk = node(&DISK, "data").with("name", "new-name");
    disk.find = Some(Find { within: "/".to_owned(), tags });
    let (site, wish) = (Site::new(), graph([disk]));
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["create disk/data"]);
    site.world.put("/old-name", json!({"name": "old-name", "tags": {"disk": "data"}}), None);
    let summary = site.apply_plan(&plan, &wish, Ask::default()).await.unwrap();
    assert!(summary.failed[0].2.message.starts_with("/old-name exists already and may hold data"), "{summary:?}");
    assert_eq!(site.world.ids(), ["/old-name"]);
}

#[tokio::test]
async fn what_is_there_is_not_deleted_to_become_what_the_manifest_says() {
    for ours in [false, true] {
        let site = Site::new();
        let lineage = site.lineage.clone();
        site.world.put("/there", json!({"name": "there", "fixed": "1"}), ours.then_some(lineage.as_str()));
        let mut thing = node(&THING, "a").with("name", "there").with("fixed", "2");
        thing.import = (!ours).then(|| "/there".to_owned());
        let text = problems(site.plan(&graph([thing])).await);
        assert!(text.contains("exists already and cannot become as the manifest says: fixed \"1\" → \"2\""), "{text}");
    }
}

#[tokio::test]
async fn an_id_that_differs_is_never_an_update() {
    let wish = |place: &str| {
        let named = |kind, name: &str| node(kind, name).with("name", format!("{name}-{place}"));
        (named(&GROUP, "g"), named(&DISK, "d"), named(&THING, "t"), node(&THING, "in").inside("g"))
    };
    let (group, disk, thing, inner) = wish("1");
    let site = applied(&graph([group, disk, thing, inner])).await;
    let (group, disk, thing, inner) = wish("2");
    let text = problems(site.plan(&graph([group, disk, thing, inner])).await);
    assert!(
        text.contains("/ws/t/group/g would have to be replaced with everything in it, /ws/t/thing/in for one"),
        "{text}"
    );
    assert!(text.contains("name \"g-1\" → \"g-2\"") || text.contains("id \"/g-1\" → \"/g-2\""), "{text}");
    assert!(text.contains("/ws/t/disk/d would have to be replaced, and its data would be lost"), "{text}");
    // What holds nothing is made anew, and the old one is gone.
    let (group, disk, ..) = wish("1");
    let (_, _, thing, inner) = wish("2");
    let wish = graph([group, disk, thing, inner]);
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["replace thing/t"]);
    site.apply(&wish).await;
    assert_eq!(site.world.take_log(), ["delete /t-1", "create /t-2"]);
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn a_rename_does_not_hide_what_is_inside_or_what_is_protected() {
    let guard = ProtectionWish { prevent_destroy: Some(true), ..ProtectionWish::default() };
    let mut thing = node(&THING, "t");
    thing.protection = guard;
    let site = applied(&graph([node(&GROUP, "g"), node(&THING, "in").inside("g"), thing])).await;
    // Everything under other addresses and other names.
    let wish = graph([
        moved(node(&GROUP, "g2"), "g"),
        moved(node(&THING, "in2").with("name", "in").inside("g2"), "in"),
        moved(node(&THING, "t2"), "t"),
    ]);
    let text = problems(site.plan(&wish).await);
    assert!(text.contains("/ws/t/group/g2 would have to be replaced with everything in it, /ws/t/thing/in"), "{text}");
    assert!(text.lines().any(|line| line == "kompox destroy --target /ws/t/group/g"), "{text}");
    assert!(text.contains("/ws/t/thing/t2 is protected, but"), "{text}");
    // What the record lost of its needs is told by the ids.
    site.alias("/ws/t/thing/in", "/ws/t/thing/in", |record| record.dependencies.clear());
    let text = problems(site.plan(&wish).await);
    assert!(text.contains("/ws/t/group/g2 would have to be replaced with everything in it, /ws/t/thing/in"), "{text}");
}

#[tokio::test]
async fn an_object_never_changes_its_api() {
    let at = |mut node: Node, provider: &str| {
        node.provider = provider.into();
        node
    };
    let site = applied(&graph([node(&THING, "a").with("value", "1"), node(&DISK, "d")])).await;
    let wish = graph([at(node(&THING, "a").with("value", "2"), "other"), at(node(&DISK, "d"), "other")]);
    let text = problems(site.plan(&wish).await);
    assert!(text.contains(" and 1 other object would move to another place: it is /"), "{text}");
    assert!(text.contains("in test, and would be in other"), "{text}");
    // A rename carries no record over either: the new one is made there, the old one removed here.
    let wish = graph([moved(at(node(&THING, "b").with("name", "b"), "other"), "a"), node(&DISK, "d")]);
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["create thing/b", "delete thing/a"]);
    assert!(plan.actions.iter().all(|action| action.moved_from.is_none()));
}

#[tokio::test]
async fn two_that_have_data_never_become_one() {
    let site = applied(&graph([node(&DISK, "a"), node(&DISK, "b")])).await;
    let text = problems(site.plan_as(&graph([moved(node(&DISK, "b"), "a")]), Mode::Apply, &losing(&["a"])).await);
    assert!(text.contains("/ws/t/disk/b cannot become what /ws/t/disk/a was: it has data of its own, /b"), "{text}");
    // What is declared still keeps what it has, whoever says to have been it.
    let wish = graph([node(&DISK, "a"), moved(node(&DISK, "c"), "a"), node(&DISK, "b")]);
    assert_eq!(verbs(&site.plan(&wish).await.unwrap()), ["create disk/c"]);
}

#[tokio::test]
async fn read_only_holds_for_what_the_server_was_asked_about() {
    let wish = |value: &str| {
        let mut node = node(&ASKED, "a").with("value", value);
        node.protection = ProtectionWish { read_only: Some(true), ..ProtectionWish::default() };
        graph([node])
    };
    let site = applied(&wish("1")).await;
    assert!(problems(site.plan(&wish("2")).await).contains("nothing of it may change"));
    for options in [
        Options { refresh: false, ..Options::default() },
        Options { force_conflicts: [address(&ASKED, "a")].into(), ..Options::default() },
    ] {
        let text = problems(site.plan_as(&wish("2"), Mode::Apply, &options).await);
        assert!(text.contains("nothing of it may change"), "{text}");
    }
}

#[tokio::test]
async fn what_was_adopted_is_never_replaced() {
    let site = Site::new();
    site.world.put("/theirs", json!({"name": "theirs", "fixed": "1"}), None);
    let wish = |fixed: &str| {
        let mut node = node(&THING, "a").with("name", "theirs").with("fixed", fixed);
        node.import = Some("/theirs".to_owned());
        graph([node])
    };
    site.apply(&wish("1")).await;
    let text = problems(site.plan(&wish("2")).await);
    assert!(text.contains("/ws/t/thing/a is never replaced, because kompox did not make it"), "{text}");
}

#[tokio::test]
async fn what_is_read_only_from_now_on_does_not_make_the_old_one_forgotten() {
    let site = applied(&graph([node(&GROUP, "g")])).await;
    site.world.put("/theirs", json!({"name": "theirs"}), None);
    let mut group = node(&GROUP, "g").with("name", "theirs");
    group.read_only = true;
    let text = problems(site.plan(&graph([group])).await);
    assert!(text.contains("is /g, which kompox made, and the manifest would read /theirs instead"), "{text}");
}
