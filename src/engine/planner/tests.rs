//! What is planned for which world and which state, and what is refused.

use serde_json::json;

use super::Options;
use crate::engine::graph::{Graph, Node, ProtectionWish};
use crate::engine::plan::{Asked, Cause, Mode, Plan, Verb};
use crate::engine::planfile;
use crate::engine::provider::Transition;
use crate::engine::testing::{
    ASKED, Ask, BARE, DISK, Fault, GROUP, SLOW, Site, Stopped, THING, address, applied, graph, node, problems, verbs,
};
use crate::engine::value::Value;

fn protected(mut node: Node, protection: ProtectionWish) -> Node {
    node.protection = protection;
    node
}

fn orphan(node: Node) -> Node {
    protected(node, ProtectionWish { orphan: true, ..ProtectionWish::default() })
}

fn prevent(node: Node, value: Option<bool>) -> Node {
    protected(node, ProtectionWish { prevent_destroy: value, ..ProtectionWish::default() })
}

/// A small app: a container with a disk, something that uses it, and one of every other kind.
fn app() -> Graph {
    graph([
        node(&GROUP, "g"),
        node(&DISK, "data").inside("g").with("zone", "1").with("size", 32),
        node(&THING, "db").inside("g").using(&DISK, "data").with("image", "db:1"),
        node(&THING, "web").using(&THING, "db").with("image", "web:1"),
        node(&ASKED, "svc").with("value", "a"),
        node(&BARE, "child").using(&THING, "web"),
        node(&SLOW, "pool"),
    ])
}

fn only(plan: &Plan) -> &crate::engine::plan::PlannedAction {
    assert_eq!(plan.actions.len(), 1, "{:?}", verbs(plan));
    &plan.actions[0]
}

#[tokio::test]
async fn what_was_created_needs_nothing_more() {
    let (site, wish) = (Site::new(), app());
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(plan.counts(), [(Verb::Create, 7)]);
    assert!(plan.actions.iter().all(|action| action.precondition.existed == Some(false)));
    let summary = site.apply(&wish).await;
    assert_eq!(summary.done, [(Verb::Create, 7)]);
    // Each after what it needs.
    let log = site.world.take_log();
    let at = |call: &str| log.iter().position(|line| line == call).unwrap_or_else(|| panic!("{call} in {log:?}"));
    assert!(at("create /g") < at("create /g/data"));
    assert!(at("create /g/data") < at("create /g/db"));
    assert!(at("create /g/db") < at("create /web"));
    assert!(at("create /web") < at("create /child"));
    site.assert_converged(&wish).await;
    assert_eq!(site.plan(&wish).await.unwrap().unchanged, 7);
    site.apply(&wish).await;
    assert_eq!(site.world.take_log(), [""; 0]);
}

#[tokio::test]
async fn a_changed_wish_is_an_update_of_that_field_alone() {
    let site = applied(&graph([node(&THING, "a").with("image", "x:1").with("old", true)])).await;
    let wish = graph([node(&THING, "a").with("image", "x:2")]);
    let plan = site.plan(&wish).await.unwrap();
    let update = only(&plan);
    let fields: Vec<_> = update.changes.iter().map(|change| (change.path.to_string(), change.cause.clone())).collect();
    assert_eq!(fields, [("image".to_owned(), Cause::Manifest), ("old".to_owned(), Cause::Manifest)]);
    assert_eq!(update.origin.as_ref().unwrap().to_string(), "kompoxapp.yml:7:3");
    assert_eq!(plan.restarts.len(), 1);
    site.apply(&wish).await;
    let object = site.world.get("/a").unwrap().object;
    assert_eq!(object, json!({"name": "a", "image": "x:2", "mode": "auto", "token": "token-uid-1"}));
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn drift_is_shown_with_its_writer_and_put_right() {
    let wish = graph([node(&THING, "a").with("value", "x")]);
    let site = applied(&wish).await;
    site.world.edit("/a", |thing| {
        thing.object["value"] = "y".into();
        thing.object["extra"] = "not ours".into();
    });
    site.world.written_by("/a", "kubectl-edit", "value");
    let plan = site.plan(&wish).await.unwrap();
    let change = &only(&plan).changes;
    assert_eq!(change.len(), 1);
    assert_eq!((change[0].before.clone(), change[0].after.clone()), (Some("y".into()), Some("x".into())));
    assert!(matches!(&change[0].cause, Cause::Drift { writer: Some(name), .. } if name == "kubectl-edit"));
    site.apply(&wish).await;
    let object = site.world.get("/a").unwrap().object;
    assert_eq!((&object["value"], &object["extra"]), (&json!("x"), &json!("not ours")));
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn what_was_deleted_outside_is_made_again_but_never_a_disk() {
    let wish = app();
    let site = applied(&wish).await;
    site.world.remove("/child");
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["create bare/child"]);
    assert_eq!(plan.actions[0].reason, "it was deleted outside of kompox");
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
    site.world.remove("/g/data");
    let text = problems(site.plan(&wish).await);
    assert!(text.contains("/ws/t/disk/data is gone: the state knows it as /g/data, and it holds data"), "{text}");
    assert!(text.contains("at kompoxapp.yml:7:3\nrestore it and adopt it:  kompox import /ws/t/disk/data <id>"));
}

#[tokio::test]
async fn a_disk_whose_place_is_gone_is_never_made_anew_in_silence() {
    let wish = app();
    let site = applied(&wish).await;
    site.world.not_yet("/g/data");
    let text = problems(site.plan(&wish).await);
    assert!(text.contains("/ws/t/disk/data is gone: the state knows it as /g/data, and it holds data"), "{text}");
}

#[tokio::test]
async fn a_disk_made_anew_by_somebody_is_not_ours() {
    let wish = app();
    let site = applied(&wish).await;
    site.world.edit("/g/data", |thing| thing.uid = "another".to_owned());
    let text = problems(site.plan(&wish).await);
    assert!(text.contains("deleted and made anew, so its data is not the app's"), "{text}");
}

#[tokio::test]
async fn what_the_manifests_drop_is_deleted_users_first() {
    let site = applied(&app()).await;
    let keep = graph([node(&GROUP, "g"), node(&DISK, "data").inside("g").with("zone", "1").with("size", 32)]);
    let plan = site.plan(&keep).await.unwrap();
    assert_eq!(plan.counts(), [(Verb::Delete, 5)]);
    site.apply(&keep).await;
    let log = site.world.take_log();
    let at = |call: &str| log.iter().position(|line| line == call).unwrap();
    assert!(at("delete /child") < at("delete /web") && at("delete /web") < at("delete /g/db"), "{log:?}");
    site.assert_converged(&keep).await;
}

#[tokio::test]
async fn an_immutable_field_replaces_and_its_users_learn_the_new_outputs() {
    let thing = |fixed: &str| {
        let token = Value::output(&address(&THING, "a"), "/token");
        graph([node(&THING, "a").with("fixed", fixed), node(&THING, "b").with("value", token)])
    };
    let site = applied(&thing("1")).await;
    assert_eq!(site.world.get("/b").unwrap().object["value"], "token-uid-1");
    let plan = site.plan(&thing("2")).await.unwrap();
    assert_eq!(verbs(&plan), ["replace thing/a", "update thing/b"]);
    assert_eq!(plan.actions[0].reason, "fixed \"1\" → \"2\" forces replacement");
    site.apply(&thing("2")).await;
    assert_eq!(site.world.take_log(), ["delete /a", "create /a", "update /b"]);
    let uid = site.world.get("/a").unwrap().uid;
    assert_eq!(site.world.get("/b").unwrap().object["value"], format!("token-{uid}"));
    site.assert_converged(&thing("2")).await;
}

#[tokio::test]
async fn a_disk_is_never_replaced_and_the_safe_way_is_named() {
    let disk = |zone: &str, size: i64| graph([node(&DISK, "data").with("zone", zone).with("size", size)]);
    let site = applied(&disk("1", 32)).await;
    let text = problems(site.plan(&disk("2", 32)).await);
    assert_eq!(
        text,
        "/ws/t/disk/data would have to be replaced, and its data would be lost: zone \"1\" → \"2\"\n\
         at kompoxapp.yml:7:3\ntake a snapshot of data first"
    );
    assert!(problems(site.plan(&disk("1", 16)).await).contains("size 32 → 16"));
    let forced = Options { replace: [address(&DISK, "data")].into(), ..Options::default() };
    let text = problems(site.plan_as(&disk("1", 32), Mode::Apply, &forced).await);
    assert!(text.contains("is never replaced"), "{text}");
    assert_eq!(verbs(&site.plan(&disk("1", 64)).await.unwrap()), ["update disk/data"]);
}

#[tokio::test]
async fn a_disk_is_deleted_only_when_its_loss_is_named() {
    let site = applied(&graph([node(&DISK, "data")])).await;
    let text = problems(site.plan(&graph([])).await);
    assert!(text.contains("holds data and this plan would delete it: /data"), "{text}");
    assert!(text.contains("--allow-data-loss /ws/t/disk/data"));
    let options = Options { allow_data_loss: [address(&DISK, "data")].into(), ..Options::default() };
    let plan = site.plan_as(&graph([]), Mode::Apply, &options).await.unwrap();
    assert_eq!(verbs(&plan), ["delete disk/data"]);
    assert_eq!(plan.dangers[0].text, "deleted with all its data, there is no safety copy: /data");
}

#[tokio::test]
async fn unknown_outputs_are_known_when_they_are_needed() {
    let token = Value::output(&address(&THING, "a"), "/token");
    let wish = graph([node(&THING, "a"), node(&THING, "b").with("value", token)]);
    let site = Site::new();
    let plan = site.plan(&wish).await.unwrap();
    let after = plan.actions[1].after.clone().unwrap();
    assert!(matches!(after.get("value"), Some(Value::Unknown(reference)) if reference.output == "/token"));
    site.apply(&wish).await;
    assert_eq!(site.world.get("/b").unwrap().object["value"], "token-uid-1");
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn no_secret_reaches_the_state_or_a_plan_file() {
    let (site, plain) = (Site::new(), "correct horse battery staple");
    let secret =
        |text: &str| graph([node(&THING, "a").with("password", site.secret(text)).with("hidden", site.secret(text))]);
    site.apply(&secret(plain)).await;
    assert_eq!(site.world.get("/a").unwrap().object["password"], plain);
    site.assert_converged(&secret(plain)).await;
    let plan = site.plan(&secret("another secret of theirs")).await.unwrap();
    assert_eq!(only(&plan).changes.len(), 2);
    crate::engine::planfile::save(&plan, &site.path("p.kplan"), &site.digester).unwrap();
    assert!(!format!("{plan:?}").contains("horse"));
    for name in ["kompox.db", "kompox.db-wal", "p.kplan"] {
        let Ok(bytes) = std::fs::read(site.path(name)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("horse") && !text.contains("another secret"), "{name}");
        let hex = crate::engine::value::hex(b"horse");
        assert!(!text.contains(&hex), "{name}");
    }
}

#[tokio::test]
async fn import_by_wish_shows_what_follows() {
    let site = Site::new();
    site.world.put("/old", json!({"name": "old", "size": 32, "zone": "1"}), None);
    let mut disk = node(&DISK, "data").with("name", "old").with("zone", "1").with("size", 64);
    disk.import = Some("/old".to_owned());
    let wish = graph([disk]);
    let plan = site.plan(&wish).await.unwrap();
    let import = only(&plan);
    assert_eq!((import.action, import.changes.len()), (Verb::Import, 1));
    site.apply(&wish).await;
    assert_eq!(site.world.get("/old").unwrap().object["size"], 64);
    site.assert_converged(&wish).await;
    // It was there before kompox: it is never deleted, whatever the manifests say later.
    let plan = site.plan(&graph([])).await.unwrap();
    assert_eq!(verbs(&plan), ["forget disk/data"]);
    let help = ["to adopt it again, put it back into the manifests, then:", "kompox import /ws/t/disk/data /old"];
    assert_eq!(plan.notes[0].help, help);
}

#[tokio::test]
async fn many_objects_are_decided_on_at_once_and_stand_in_the_order_of_the_graph() {
    let nodes = (0..60).flat_map(|number| {
        let (first, second) = (format!("a{number}"), format!("b{number}"));
        let token = Value::output(&address(&THING, &first), "/token");
        [node(&THING, &second).with("value", token), node(&THING, &first)]
    });
    let (site, wish) = (Site::new(), graph(nodes));
    let plan = site.plan(&wish).await.unwrap();
    let expected: Vec<String> = wish.iter().map(|node| format!("create {}", node.address.short())).collect();
    assert_eq!(verbs(&plan), expected);
    site.apply(&wish).await;
    // What is on the second level knows what the first gives.
    site.assert_converged(&wish).await;
    assert_eq!(site.plan(&wish).await.unwrap().unchanged, 120);
}

#[tokio::test]
async fn an_import_takes_its_target_alone_and_changes_nothing() {
    let site = Site::new();
    site.world.put("/old", json!({"name": "old", "size": 32}), None);
    let mut disk = node(&DISK, "data").with("name", "old").with("size", 64);
    disk.import = Some("/old".to_owned());
    let wish = graph([node(&GROUP, "g"), disk, node(&THING, "db").inside("g").using(&DISK, "data")]);
    let options = Options { targets: vec![address(&DISK, "data")], ..Options::default() };
    let ask = || Ask { mode: Some(Mode::Import), options: options.clone(), ..Ask::default() };
    let plan = site.plan_as(&wish, Mode::Import, &options).await.unwrap();
    assert_eq!(verbs(&plan), ["import disk/data"]);
    assert_eq!((only(&plan).changes.len(), plan.restarts.len(), plan.hosts.len()), (1, 0, 0));
    assert!(site.run(&wish, ask()).await.unwrap().is_complete());
    assert_eq!(site.world.take_log(), [""; 0], "nothing in the cloud changes");
    assert_eq!(site.world.get("/old").unwrap().object["size"], 32);
    assert_eq!(site.records().into_keys().collect::<Vec<_>>(), [address(&DISK, "data")]);
    // What differs is left to the next apply.
    let plan = site.plan_as(&wish, Mode::Apply, &options).await.unwrap();
    assert_eq!(verbs(&plan), ["update disk/data"]);
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
    // What nobody named an object for is not made, and what is only read is not adopted.
    let mut theirs = node(&GROUP, "theirs");
    theirs.read_only = true;
    site.world.put("/theirs", json!({"name": "theirs"}), None);
    for (wish, target) in [(node(&THING, "new"), address(&THING, "new")), (theirs, address(&GROUP, "theirs"))] {
        let options = Options { targets: vec![target], ..Options::default() };
        let said = problems(site.plan_as(&graph([wish]), Mode::Import, &options).await);
        assert!(said.contains(" cannot be imported"), "{said}");
    }
}

#[tokio::test]
async fn an_import_of_nothing_or_that_would_replace_is_refused() {
    let site = Site::new();
    let wish = |zone: &str| {
        let mut disk = node(&DISK, "data").with("name", "old").with("zone", zone);
        disk.import = Some("/old".to_owned());
        graph([disk])
    };
    assert!(problems(site.plan(&wish("1")).await).contains("there is nothing with the id /old"));
    site.world.put("/old", json!({"name": "old", "zone": "1"}), None);
    assert!(problems(site.plan(&wish("2")).await).contains("zone \"1\" → \"2\""));
    assert_eq!(verbs(&site.plan(&wish("1")).await.unwrap()), ["import disk/data"]);
}

#[tokio::test]
async fn an_import_from_another_state_takes_its_mark_over() {
    let site = Site::new();
    site.world.put("/old", json!({"name": "old"}), Some("another-lineage"));
    let mut disk = node(&DISK, "data").with("name", "old");
    disk.import = Some("/old".to_owned());
    let wish = graph([disk]);
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(only(&plan).changes[0].path.to_string(), "lineage");
    site.apply(&wish).await;
    assert_eq!(site.world.get("/old").unwrap().lineage, Some(site.lineage.clone()));
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    for lineage in [None, Some("another-lineage")] {
        let site = Site::new();
        site.world.put("/a", json!({"name": "a"}), lineage);
        let text = problems(site.plan(&graph([node(&THING, "a")])).await);
        assert_eq!(
            text,
            "/ws/t/thing/a exists already and is not ours: /a\nat kompoxapp.yml:7:3\n\
             it is never touched unless you adopt it:\nkompox import /ws/t/thing/a /a"
        );
    }
}

#[tokio::test]
async fn what_is_ours_without_a_record_comes_back_but_data_only_by_name() {
    let site = Site::new();
    site.world.put("/a", json!({"name": "a"}), Some(&site.lineage));
    site.world.put("/data", json!({"name": "data"}), Some(&site.lineage));
    site.world.put("/child", json!({"name": "child"}), None);
    let plan = site.plan(&graph([node(&THING, "a"), node(&BARE, "child")])).await.unwrap();
    let mut both = verbs(&plan);
    both.sort();
    assert_eq!(both, ["import bare/child", "import thing/a"]);
    assert!(plan.actions.iter().all(|action| !action.protection.adopted), "it is ours");
    let text = problems(site.plan(&graph([node(&DISK, "data")])).await);
    assert!(text.contains("kompox import /ws/t/disk/data /data"), "{text}");
}

#[tokio::test]
async fn a_destroy_keeps_the_orphan_and_what_it_lies_in() {
    let wish = graph([
        node(&GROUP, "g"),
        orphan(node(&DISK, "data").inside("g")),
        node(&THING, "db").inside("g").using(&DISK, "data"),
        node(&GROUP, "other"),
        node(&THING, "x").inside("other"),
    ]);
    let site = applied(&wish).await;
    // A destroy works from the state alone.
    let plan = site.plan_as(&graph([]), Mode::Destroy, &Options::default()).await.unwrap();
    let mut all = verbs(&plan);
    all.sort();
    assert_eq!(all, ["delete group/other", "delete thing/db", "delete thing/x", "forget disk/data", "forget group/g"]);
    let group = plan.actions.iter().find(|action| action.address.short() == "group/g").unwrap();
    assert_eq!(group.reason, "it holds what is kept: data");
    assert_eq!(plan.notes[0].help[1], "kompox import /ws/t/disk/data /g/data");
    let ask = Ask { mode: Some(Mode::Destroy), ..Ask::default() };
    assert!(site.run(&graph([]), ask).await.unwrap().is_complete());
    assert_eq!(site.world.ids(), ["/g", "/g/data"]);
    assert!(site.records().is_empty());
    // The next apply finds the disk and offers it.
    assert!(problems(site.plan(&wish).await).contains("kompox import /ws/t/disk/data /g/data"));
}

#[tokio::test]
async fn a_container_with_something_foreign_stays() {
    let site = applied(&graph([node(&GROUP, "g"), node(&THING, "a").inside("g")])).await;
    site.world.put("/g/theirs", json!({"name": "theirs"}), None);
    let summary = site.run(&graph([]), Ask::default()).await.unwrap();
    let (failed, _, error) = &summary.failed[0];
    assert_eq!(failed.short(), "group/g");
    assert!(error.message.ends_with("\n  object /g/theirs"), "{}", error.message);
    assert_eq!(site.world.ids(), ["/g", "/g/theirs"]);
    assert_eq!(site.records().keys().collect::<Vec<_>>(), [&address(&GROUP, "g")]);
}

#[tokio::test]
async fn protection_outlives_the_block_that_asked_for_it() {
    let site = applied(&graph([prevent(node(&THING, "a"), Some(true))])).await;
    // The block is gone, or says nothing, or says false in the same plan: still protected.
    assert!(problems(site.plan(&graph([])).await).contains("/ws/t/thing/a is protected"));
    let destroy = site.plan_as(&graph([]), Mode::Destroy, &Options::default()).await;
    assert!(problems(destroy).contains("protection lives in the state"));
    let replaced = graph([prevent(node(&THING, "a"), Some(false)).with("fixed", "new")]);
    assert!(problems(site.plan(&replaced).await).contains("is protected"));
    site.apply(&graph([node(&THING, "a")])).await;
    assert!(problems(site.plan(&graph([])).await).contains("is protected"));
    // Only an apply of an explicit false lifts it.
    let lifted = graph([prevent(node(&THING, "a"), Some(false))]);
    let plan = site.plan(&lifted).await.unwrap();
    assert_eq!(only(&plan).reason, "protection changes: preventDestroy true → false");
    site.apply(&lifted).await;
    site.assert_converged(&lifted).await;
    assert_eq!(verbs(&site.plan(&graph([])).await.unwrap()), ["delete thing/a"]);
}

#[tokio::test]
async fn a_read_only_protection_refuses_every_change() {
    let guard = ProtectionWish { read_only: Some(true), ..ProtectionWish::default() };
    let wish = |value: &str| graph([protected(node(&THING, "a").with("value", value), guard.clone())]);
    let site = applied(&wish("1")).await;
    assert!(site.plan(&wish("1")).await.unwrap().is_empty());
    assert!(problems(site.plan(&wish("2")).await).contains("nothing of it may change"));
    assert!(problems(site.plan(&graph([])).await).contains("is protected"));
}

#[tokio::test]
async fn a_rename_keeps_the_object() {
    for kind in [&THING, &ASKED] {
        let old = node(kind, "old").with("name", "same");
        let user = |name: &str| node(&THING, "user").using(kind, name);
        let site = applied(&graph([old, user("old")])).await;
        let mut new = node(kind, "new").with("name", "same");
        new.moved_from = Some(address(kind, "old"));
        let wish = graph([new.clone(), user("new")]);
        let plan = site.plan(&wish).await.unwrap();
        assert_eq!(verbs(&plan), [format!("move {}/new", kind.name)]);
        site.apply(&wish).await;
        assert_eq!(site.world.take_log(), [""; 0]);
        site.assert_converged(&wish).await;
        // A rename with a change is one action.
        let mut newer = node(kind, "newer").with("name", "same").with("value", "x");
        newer.moved_from = Some(new.address.clone());
        let wish = graph([newer, user("newer")]);
        let plan = site.plan(&wish).await.unwrap();
        assert_eq!(verbs(&plan), [format!("update {}/newer", kind.name)]);
        site.apply(&wish).await;
        site.assert_converged(&wish).await;
    }
}

#[tokio::test]
async fn a_renamed_user_lets_go_before_what_it_used_goes() {
    let site = applied(&graph([node(&THING, "x"), node(&THING, "old").with("name", "u").using(&THING, "x")])).await;
    let mut user = node(&THING, "new").with("name", "u");
    user.moved_from = Some(address(&THING, "old"));
    let wish = graph([user]);
    site.apply(&wish).await;
    assert_eq!(site.world.take_log(), ["update /u", "delete /x"]);
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn ignored_fields_are_neither_shown_nor_written() {
    for kind in [&THING, &ASKED] {
        let wish = |value: &str| {
            let mut node = node(kind, "a").with("replicas", 1).with("value", value);
            node.ignore_changes = vec!["/replicas".to_owned()];
            graph([node])
        };
        let site = applied(&wish("x")).await;
        site.world.edit("/a", |thing| thing.object["replicas"] = 5.into());
        site.assert_converged(&wish("x")).await;
        // A change of something else does not take it along.
        let plan = site.plan(&wish("y")).await.unwrap();
        assert_eq!(only(&plan).changes.len(), 1);
        site.apply(&wish("y")).await;
        let object = site.world.get("/a").unwrap().object;
        assert_eq!((&object["replicas"], &object["value"]), (&json!(5), &json!("y")));
        site.assert_converged(&wish("y")).await;
    }
}

#[tokio::test]
async fn targets_bring_what_they_need_and_nothing_else() {
    let site = Site::new();
    let wish = app();
    let options = Options { targets: vec![address(&THING, "db")], ..Options::default() };
    let plan = site.plan_as(&wish, Mode::Apply, &options).await.unwrap();
    assert_eq!(verbs(&plan), ["create group/g", "create disk/data", "create thing/db"]);
    site.apply(&wish).await;
    // Of a destroy: what needs it goes too.
    let options = Options { targets: vec![address(&THING, "web")], ..Options::default() };
    let plan = site.plan_as(&graph([]), Mode::Destroy, &options).await.unwrap();
    assert_eq!(verbs(&plan), ["delete bare/child", "delete thing/web"]);
}

#[tokio::test]
async fn drift_names_the_field_and_accepting_it_changes_no_object() {
    let wish = graph([node(&THING, "a").with("value", "x"), node(&THING, "b"), node(&THING, "c")]);
    let site = applied(&wish).await;
    site.world.edit("/a", |thing| thing.object["value"] = "theirs".into());
    site.world.remove("/b");
    let plan = site.plan_as(&wish, Mode::RefreshOnly, &Options::default()).await.unwrap();
    assert_eq!(verbs(&plan), ["accept thing/a", "forget thing/b"]);
    let change = &plan.actions[0].changes[0];
    assert_eq!((change.before.clone(), change.after.clone()), (Some("x".into()), Some("theirs".into())));
    assert_eq!(change.asked, Asked::AsApplied);
    // The third side is what the manifests say by now, of this field and of the whole object.
    for (now, asked) in [
        (vec![node(&THING, "a").with("value", "y")], Asked::Other(Some("y".into()))),
        (vec![node(&THING, "a")], Asked::Other(None)),
        (vec![], Asked::Other(None)),
    ] {
        let plan = site.plan_as(&graph(now), Mode::RefreshOnly, &Options::default()).await.unwrap();
        assert_eq!(plan.actions[0].changes[0].asked, asked);
        planfile::save(&plan, &site.path("plan"), &site.digester).unwrap();
        let read = planfile::read(&site.path("plan")).unwrap().plan;
        assert_eq!(read.actions[0].changes, plan.actions[0].changes);
    }
    let ask = || Ask { mode: Some(Mode::RefreshOnly), ..Ask::default() };
    assert!(site.run(&wish, ask()).await.unwrap().is_complete());
    assert_eq!(site.world.take_log(), [""; 0]);
    assert_eq!(site.record("/ws/t/thing/a").unwrap().applied.value()["value"], "theirs");
    assert!(site.plan_as(&wish, Mode::RefreshOnly, &Options::default()).await.unwrap().is_empty());
    // The wish still differs, now by the manifest's word.
    let plan = site.plan(&wish).await.unwrap();
    let update = plan.actions.iter().find(|action| action.action == Verb::Update).unwrap();
    assert_eq!((plan.actions.len(), update.address.short()), (2, "thing/a"));
    assert_eq!(update.changes[0].cause, Cause::Manifest);
}

#[tokio::test]
async fn read_only_nodes_are_read_and_outlive_everything() {
    let site = Site::new();
    site.world.put("/theirs", json!({"name": "theirs", "token": "t"}), None);
    let wish = || {
        let mut group = node(&GROUP, "theirs");
        group.read_only = true;
        graph([group, node(&THING, "a").inside("theirs")])
    };
    let plan = site.plan(&wish()).await.unwrap();
    assert_eq!(verbs(&plan), ["read group/theirs", "create thing/a"]);
    site.apply(&wish()).await;
    assert!(site.plan(&wish()).await.unwrap().is_empty());
    let plan = site.plan_as(&graph([]), Mode::Destroy, &Options::default()).await.unwrap();
    assert_eq!(verbs(&plan), ["delete thing/a", "forget group/theirs"]);
    let ask = Ask { mode: Some(Mode::Destroy), ..Ask::default() };
    assert!(site.run(&graph([]), ask).await.unwrap().is_complete());
    assert_eq!(site.world.ids(), ["/theirs"]);
    // Something that must exist and does not.
    site.world.remove("/theirs");
    assert!(problems(site.plan(&wish()).await).contains("must not make it (existing: true)"));
}

#[tokio::test]
async fn what_becomes_read_only_is_handed_over() {
    let site = applied(&graph([node(&GROUP, "g")])).await;
    let mut group = node(&GROUP, "g");
    group.read_only = true;
    let wish = graph([group]);
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["accept group/g"]);
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
    assert_eq!(verbs(&site.plan(&graph([])).await.unwrap()), ["forget group/g"]);
}

#[tokio::test]
async fn a_server_that_sees_no_difference_has_the_last_word() {
    let site = applied(&graph([node(&ASKED, "a").with("value", "x")])).await;
    // Another spelling of the same.
    let wish = graph([node(&ASKED, "a").with("value", "X")]);
    assert!(site.plan(&wish).await.unwrap().is_empty());
    // But what only the state keeps is kept.
    let wish = graph([prevent(node(&ASKED, "a").with("value", "X"), Some(true))]);
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["accept asked/a"]);
    site.apply(&wish).await;
    assert!(problems(site.plan(&graph([])).await).contains("is protected"));
    assert!(site.plan(&wish).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_field_of_another_writer_is_taken_only_when_asked() {
    let site = applied(&graph([node(&ASKED, "a").with("value", "x")])).await;
    site.world.contest("a");
    let wish = graph([node(&ASKED, "a").with("value", "x").with("new", "y")]);
    let text = problems(site.plan(&wish).await);
    assert!(text.contains("fields that another writer owns: .value (owned by somebody)"), "{text}");
    let options = Options { force_conflicts: [address(&ASKED, "a")].into(), ..Options::default() };
    let plan = site.plan_as(&wish, Mode::Apply, &options).await.unwrap();
    assert!(only(&plan).force);
    // What we applied ourselves is taken back without a word.
    let wish = graph([node(&ASKED, "a").with("value", "x")]);
    site.world.edit("/a", |thing| thing.object["value"] = "theirs".into());
    assert!(only(&site.plan(&wish).await.unwrap()).force);
}

#[tokio::test]
async fn without_refresh_the_state_is_taken_as_observed() {
    let wish = |value: &str| graph([node(&THING, "a").with("value", value), node(&THING, "b")]);
    let site = applied(&wish("x")).await;
    site.world.remove("/b");
    let offline = Options { refresh: false, ..Options::default() };
    assert!(site.plan_as(&wish("x"), Mode::Apply, &offline).await.unwrap().is_empty());
    let plan = site.plan_as(&wish("y"), Mode::Apply, &offline).await.unwrap();
    assert_eq!(verbs(&plan), ["update thing/a"]);
    assert_eq!(plan.actions[0].precondition.existed, None);
}

#[tokio::test]
async fn what_cannot_be_read_stops_the_plan_by_name() {
    let wish = graph([node(&THING, "a"), node(&THING, "b")]);
    let site = applied(&wish).await;
    site.world.unreadable("/b");
    assert!(problems(site.plan(&wish).await).contains("/ws/t/thing/b cannot be read: /b is not for you"));
    assert!(problems(site.plan(&graph([])).await).contains("/ws/t/thing/b cannot be read"));
}

#[tokio::test]
async fn a_failed_object_is_applied_again() {
    let wish = graph([node(&THING, "a")]);
    let site = applied(&wish).await;
    site.world.edit("/a", |thing| thing.transition = Some(Transition::Failed));
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(only(&plan).reason, "its last operation failed");
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn new_order_alone_reaches_the_state() {
    let site = applied(&graph([node(&THING, "a"), node(&THING, "b")])).await;
    let mut a = node(&THING, "a");
    a.depends_on = vec![address(&THING, "b")];
    let wish = graph([a, node(&THING, "b")]);
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["accept thing/a"]);
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
    let destroy = site.plan_as(&graph([]), Mode::Destroy, &Options::default()).await.unwrap();
    assert_eq!(verbs(&destroy), ["delete thing/a", "delete thing/b"]);
}

/// A thing is exchanged: its user goes over to the new one while both need the same disk. The wish keeps its order.
#[tokio::test]
async fn an_exchange_of_what_is_used_keeps_the_order_of_the_wish() {
    let wish = |claim: &str| {
        graph([
            node(&DISK, "data"),
            node(&SLOW, claim).using(&DISK, "data"),
            node(&THING, "pod").with("claim", claim).using(&SLOW, claim),
            node(&THING, "after").with("claim", claim).using(&THING, "pod"),
        ])
    };
    let site = applied(&wish("one")).await;
    site.apply(&wish("two")).await;
    let log = site.world.take_log();
    let at = |call: &str| log.iter().position(|line| line == call).unwrap();
    assert!(at("create /two") < at("update /pod") && at("update /pod") < at("update /after"), "{log:?}");
    assert!(at("update /pod") < at("delete /one"), "{log:?}");
    site.assert_converged(&wish("two")).await;
}

#[tokio::test]
async fn what_changed_outside_and_cannot_change_back_is_said_so() {
    let wish = graph([node(&DISK, "data").with("zone", "1").with("size", 32)]);
    let site = applied(&wish).await;
    site.world.edit("/data", |thing| thing.object["size"] = 64.into());
    let said = problems(site.plan(&wish).await);
    assert!(
        said.contains("/ws/t/disk/data is not as the manifests say;") && said.contains("size is 64, not 32"),
        "{said}"
    );
}

#[tokio::test]
async fn a_plan_is_refused_whole_and_names_every_problem() {
    let site = applied(&app()).await;
    site.world.put("/new", json!({"name": "new"}), None);
    let wish = graph([node(&THING, "new"), node(&DISK, "data").with("name", "moved").with("zone", "9")]);
    let stopped = site.run(&wish, Ask::default()).await.unwrap_err();
    let Stopped::Plan(error) = stopped else { panic!("{stopped:?}") };
    assert!(error.problems.len() >= 2, "{error}");
    assert_eq!(site.world.take_log(), [""; 0]);
}

#[tokio::test]
async fn a_lost_answer_to_a_creation_makes_no_second_object() {
    let (site, wish) = (Site::new(), app());
    site.world.fail("data", "create", Fault::LostAfter);
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!(summary.failed.len(), 1);
    site.world.heal();
    site.apply(&wish).await;
    assert_eq!(site.world.ids().iter().filter(|id| id.ends_with("data")).count(), 1);
    site.assert_converged(&wish).await;
}
