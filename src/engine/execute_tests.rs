//! What one action does and does not do: guards at the last moment, what it takes from others, how it waits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cancel;
use super::event::Event;
use super::graph::Graph;
use super::plan::{Mode, Verb};
use super::planner::Options;
use super::provider::{ErrorClass, Transition};
use super::testing::{
    ASKED, Ask, DISK, Fault, GROUP, HOST, Memory, Moment, POD, Site, THING, VAULT, World, address, graph, node,
    problems, verbs,
};
use super::value::Value;

fn destroy(lost: &[&str]) -> Ask {
    let allow_data_loss: BTreeSet<_> = lost.iter().map(|name| address(&VAULT, name)).collect();
    Ask { mode: Some(Mode::Destroy), options: Options { allow_data_loss, ..Options::default() }, ..Ask::default() }
}

#[tokio::test]
async fn data_stays_when_its_safety_copy_fails_and_so_does_what_holds_it() {
    let wish = graph([node(&GROUP, "g"), node(&VAULT, "d").inside("g")]);
    let site = Site::new();
    site.apply(&wish).await;
    site.world.fail("d", "safeguard", Fault::Rejected);
    site.world.take_log();
    let summary = site.run(&graph([]), destroy(&["d"])).await.unwrap();
    let (failed, _, error) = &summary.failed[0];
    assert_eq!(failed.short(), "vault/d");
    assert!(error.message.starts_with("not deleted, because no safety copy could be taken"), "{error}");
    assert_eq!(site.world.ids(), ["/g", "/g/d"]);
    assert_eq!(site.world.take_log(), ["copy /g/d"], "nothing was asked for after the copy had failed");
    assert!(site.record("/ws/t/vault/d").is_some());
    assert!(site.store().open_intents().unwrap().is_empty(), "nothing was deleted");

    // With its copy it goes, and the group that the copy is in stays.
    site.world.heal();
    site.world.take_log();
    let summary = site.run(&graph([]), destroy(&["d"])).await.unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    assert_eq!(site.world.take_log(), ["copy /g/d", "delete /g/d"]);
    assert_eq!(site.world.ids(), ["/g", "/g/d_safety"]);
    assert!(summary.notes.iter().any(|(_, note)| note.contains("restore /g/d_safety")), "{:?}", summary.notes);
}

/// A site with a container that is also the host of an API with a world of its own.
fn host() -> (Site, World) {
    let (mut site, inner) = (Site::new(), World::default());
    site.providers.insert("inner://x#/g".into(), Arc::new(Memory(inner.clone())));
    (site, inner)
}

fn in_inner_api(name: &str) -> super::graph::Node {
    super::graph::Node { provider: "inner://x#/g".into(), ..node(&THING, name).with("parent", "/g") }
}

#[tokio::test]
async fn a_container_stays_when_the_api_inside_it_holds_something_else() {
    let (site, inner) = host();
    site.apply(&graph([node(&HOST, "g")])).await;
    inner.put("/g/strange", serde_json::json!({}), None);
    let summary = site.run(&graph([]), destroy(&[])).await.unwrap();
    assert!(summary.failed[0].2.message.contains("object /g/strange"), "{summary:?}");
    assert_eq!((site.world.ids(), inner.ids()), (vec!["/g".to_owned()], vec!["/g/strange".to_owned()]));
}

#[tokio::test]
async fn an_object_of_one_api_does_not_excuse_one_of_another() {
    let (site, inner) = host();
    // The plan deletes `/g/x` of the outer API; the inner one holds another of that name.
    site.apply(&graph([
        node(&HOST, "g"),
        node(&THING, "x").with("parent", Value::output(&address(&HOST, "g"), "/id")),
    ]))
    .await;
    inner.put("/g/x", serde_json::json!({}), None);
    let summary = site.run(&graph([]), destroy(&[])).await.unwrap();
    assert!(summary.failed[0].2.message.contains("object /g/x"), "{summary:?}");
    assert_eq!(site.world.ids(), ["/g"]);
}

#[tokio::test]
async fn a_container_goes_with_what_the_plan_deletes_in_the_api_inside_it() {
    let (site, inner) = host();
    let inside = in_inner_api("x");
    inner.put("/g", serde_json::json!({}), None);
    site.apply(&graph([node(&HOST, "g"), super::graph::Node { depends_on: vec![address(&HOST, "g")], ..inside }]))
        .await;
    let summary = site.run(&graph([]), destroy(&[])).await.unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    assert_eq!((site.world.ids(), inner.ids()), (Vec::<String>::new(), vec!["/g".to_owned()]));
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_told_how_to_do_without() {
    let (site, inner) = host();
    let wish = || {
        let inside = in_inner_api("x");
        graph([node(&HOST, "g"), super::graph::Node { depends_on: vec![address(&HOST, "g")], ..inside }])
    };
    inner.put("/g", serde_json::json!({}), None);
    site.apply(&wish()).await;
    inner.fall_silent();
    let said = problems(site.plan(&wish()).await);
    assert!(said.contains("cannot be read: nobody answers") && said.contains("--abandon-cluster /ws/t"), "{said}");
    let wish = graph([node(&THING, "alone")]);
    let site = Site::new();
    site.apply(&wish).await;
    site.world.fall_silent();
    let said = problems(site.plan(&wish).await);
    assert!(said.contains("nobody answers") && !said.contains("--abandon-cluster"), "{said}");
}

#[tokio::test]
async fn an_answer_that_says_nothing_leaves_the_intent_open() {
    let there = || graph([node(&THING, "x").with("image", "1")]);
    for (verb, first, second, effect) in [
        ("create", graph([]), there(), Fault::LostBefore),
        ("delete", there(), graph([]), Fault::LostAfter),
        ("update", there(), graph([node(&THING, "x").with("image", "2")]), Fault::LostAfter),
    ] {
        let site = Site::new();
        site.apply(&first).await;
        site.world.fail("x", verb, effect);
        if verb != "create" {
            // And nobody can look what became of it.
            let world = site.world.clone();
            *site.on_event.lock().unwrap() = Some(Box::new(move |event| {
                if matches!(event, Event::Started { .. }) {
                    world.unreadable("/x");
                }
            }));
        }
        let summary = site.run(&second, Ask::default()).await.unwrap();
        assert_eq!(summary.failed[0].2.class, ErrorClass::Ambiguous, "{verb}");
        assert_eq!(summary.open, [address(&THING, "x")], "{verb}: it is told that it is not known");
        let open = site.store().open_intents().unwrap();
        assert_eq!(open.iter().map(|intent| intent.action.word()).collect::<Vec<_>>(), [verb]);
        assert_eq!(site.record("/ws/t/thing/x").is_some(), verb != "create", "{verb}");
    }
}

#[tokio::test]
async fn what_somebody_else_made_meanwhile_is_not_adopted() {
    for lineage in [None, Some("another")] {
        let (site, wish) = (Site::new(), graph([node(&THING, "x")]));
        let killed = site.run(&wish, Ask { moment: Some(Moment::Before(1)), ..Ask::default() }).await;
        assert!(killed.is_err());
        assert_eq!(site.store().open_intents().unwrap().len(), 1);
        site.world.put("/x", serde_json::json!({"name": "x"}), lineage);
        site.reconcile().await.unwrap();
        assert!(site.records().is_empty(), "{lineage:?}");
        assert!(site.store().open_intents().unwrap().is_empty());
        let said = problems(site.plan(&wish).await);
        assert!(said.contains("exists already and is not ours: /x"), "{said}");
    }
}

/// Nobody saw the end of what a killed run began: made is not ready, and deleted is not yet out of the way.
#[tokio::test]
async fn what_a_killed_run_began_is_waited_for() {
    let (site, wish) = (Site::new(), graph([node(&POD, "x")]));
    assert!(site.run(&wish, Ask { moment: Some(Moment::After(1)), ..Ask::default() }).await.is_err());
    site.reconcile().await.unwrap();
    assert!(site.record("/ws/t/pod/x").unwrap().progress.unready);
    site.apply(&wish).await;
    site.assert_converged(&wish).await;

    site.world.take_log();
    assert!(site.run(&graph([]), Ask { moment: Some(Moment::After(1)), ..destroy(&[]) }).await.is_err());
    assert_eq!((site.world.take_log(), site.world.ids()), (vec!["delete /x".to_owned()], Vec::new()));
    site.reconcile().await.unwrap();
    assert!(site.record("/ws/t/pod/x").is_some(), "what ran in it may run on");
}

/// The answer was lost, and what is there is going: whether by this request, a later look says.
#[tokio::test]
async fn what_is_going_after_a_lost_answer_is_not_known_to_be_kept() {
    let site = Site::new();
    site.apply(&graph([node(&THING, "x")])).await;
    site.world.fail("x", "delete", Fault::LostBefore);
    let world = site.world.clone();
    *site.on_event.lock().unwrap() = Some(Box::new(move |event| {
        if matches!(event, Event::Started { .. }) {
            world.edit("/x", |thing| thing.transition = Some(Transition::Deleting));
        }
    }));
    let summary = site.run(&graph([]), destroy(&[])).await.unwrap();
    assert_eq!(summary.open, [address(&THING, "x")], "{summary:?}");
    assert_eq!(site.store().open_intents().unwrap().len(), 1);
}

/// Of a workload only its own provider says that it has ended.
#[tokio::test]
async fn a_workload_whose_deletion_got_no_answer_is_known_until_it_has_ended() {
    let site = Site::new();
    site.apply(&graph([node(&POD, "x")])).await;
    site.world.fail("x", "delete", Fault::LostAfter);
    site.run(&graph([]), destroy(&[])).await.unwrap();
    assert!(site.world.ids().is_empty() && site.record("/ws/t/pod/x").is_some());
    site.world.heal();
    assert!(site.run(&graph([]), destroy(&[])).await.unwrap().is_complete());
    assert!(site.records().is_empty());
}

#[tokio::test]
async fn what_was_made_anew_since_the_plan_is_not_adopted() {
    let site = Site::new();
    site.world.put("/old", serde_json::json!({"name": "old"}), None);
    let mut disk = node(&DISK, "data").with("name", "old");
    disk.import = Some("/old".to_owned());
    let wish = graph([disk]);
    let plan = site.plan(&wish).await.unwrap();
    site.world.edit("/old", |thing| thing.uid = "made-anew".to_owned());
    let summary = site.apply_plan(&plan, &wish, Ask::default()).await.unwrap();
    assert!(summary.failed[0].2.message.contains("/old is not there any more"), "{summary:?}");
    assert!(site.records().is_empty());
}

#[tokio::test]
async fn what_the_server_did_not_keep_of_an_unconfirmed_plan_is_told() {
    let (site, wish) = (Site::new(), graph([node(&ASKED, "a").with("unkept", "1")]));
    site.world.not_yet("/a");
    let plan = site.plan(&wish).await.unwrap();
    assert!(plan.actions[0].unconfirmed.is_some());
    site.world.heal();
    let summary = site.apply_plan(&plan, &wish, Ask::default()).await.unwrap();
    assert!(
        summary.failed[0].2.message.ends_with("the server did not keep what was planned for unkept"),
        "{summary:?}"
    );
}

#[tokio::test]
async fn nothing_starts_without_the_lease_of_the_lock() {
    let site = Site::new();
    site.apply(&graph([node(&THING, "old"), node(&THING, "same")])).await;
    site.world.take_log();
    site.lease_is_lost.store(true, Ordering::Relaxed);
    let wish = graph([node(&THING, "new"), node(&THING, "same").with("image", "2")]);
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!(site.world.take_log(), Vec::<String>::new());
    assert_eq!(site.world.ids(), ["/old", "/same"]);
    assert!(summary.failed[0].2.message.contains("the lease of the lock could not be renewed"), "{summary:?}");
    assert!(summary.done.is_empty() && site.store().open_intents().unwrap().is_empty());
}

/// `b` takes the token of `a`.
fn taker() -> Graph {
    graph([node(&THING, "a"), node(&THING, "b").with("value", Value::output(&address(&THING, "a"), "/token"))])
}

fn recorded_token(site: &Site, name: &str) -> serde_json::Value {
    site.records()[&address(&THING, name)].outputs.value()["token"].clone()
}

#[tokio::test]
async fn what_is_written_is_what_the_plan_saw_of_others() {
    let site = Site::new();
    site.apply(&taker()).await;
    site.world.edit("/a", |thing| thing.object["token"] = "newer".into());
    let plan = site.plan(&taker()).await.unwrap();
    assert_eq!(verbs(&plan), ["accept thing/a", "update thing/b"]);
    assert_eq!(plan.actions[0].changes[0].path.to_string(), "token");
    site.apply(&taker()).await;
    assert_eq!(site.world.get("/b").unwrap().object["value"], "newer");
    assert_eq!(recorded_token(&site, "a"), "newer");
    site.assert_converged(&taker()).await;
}

#[tokio::test]
async fn an_output_that_changed_outside_is_drift_and_can_be_accepted() {
    let site = Site::new();
    site.apply(&taker()).await;
    site.world.edit("/a", |thing| thing.object["token"] = "newer".into());
    let drift = site.plan_as(&taker(), Mode::RefreshOnly, &Options::default()).await.unwrap();
    assert_eq!(verbs(&drift), ["accept thing/a"]);
    let applied = site.record("/ws/t/thing/a").unwrap().applied.clone();
    let ask = Ask { mode: Some(Mode::RefreshOnly), ..Ask::default() };
    assert!(site.run(&taker(), ask).await.unwrap().is_complete());
    assert_eq!(recorded_token(&site, "a"), "newer");
    assert_eq!(site.record("/ws/t/thing/a").unwrap().applied, applied, "what was applied is what it was");
    let drift = site.plan_as(&taker(), Mode::RefreshOnly, &Options::default()).await.unwrap();
    assert!(drift.is_empty());
}

#[tokio::test]
async fn what_would_be_written_otherwise_than_planned_is_not_written() {
    let site = Site::new();
    site.apply(&taker()).await;
    site.world.edit("/a", |thing| thing.object["token"] = "newer".into());
    // This world gives `a` its old token again as soon as it is changed: after the plan has seen the newer one.
    let wish = graph([
        node(&THING, "a").with("image", "2"),
        node(&THING, "b").with("value", Value::output(&address(&THING, "a"), "/token")),
    ]);
    let before = site.world.get("/b");
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    let (failed, _, error) = &summary.failed[0];
    assert_eq!(failed.short(), "thing/b");
    assert!(error.message.contains("the plan was made with \"newer\""), "{error}");
    assert_eq!(site.world.get("/b"), before);
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn what_is_being_deleted_is_waited_for_and_made_anew() {
    let site = Site::new();
    let wish = graph([node(&GROUP, "g"), node(&THING, "x").inside("g"), node(&THING, "y")]);
    site.apply(&wish).await;
    site.world.edit("/y", |thing| thing.transition = Some(Transition::Deleting));
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["create thing/y"], "never no changes");
    assert!(plan.notes[0].text.starts_with("is being deleted"), "{:?}", plan.notes);
    let drift = site.plan_as(&wish, Mode::RefreshOnly, &Options::default()).await.unwrap();
    assert_eq!(verbs(&drift), ["accept thing/y"]);

    // With a container everything in it ends.
    site.world.edit("/g", |thing| thing.transition = Some(Transition::Deleting));
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["create thing/y", "create group/g", "create thing/x"]);
    let (world, uid) = (site.world.clone(), site.world.get("/g/x").unwrap().uid);
    *site.on_event.lock().unwrap() = Some(Box::new(move |event| {
        if let Event::Status { address, text } = event {
            assert!(text.contains("still being deleted"), "{text}");
            world.remove(if address.kind() == "group" { "/g" } else { "/y" });
        }
    }));
    site.apply(&wish).await;
    *site.on_event.lock().unwrap() = None;
    assert_ne!(site.world.get("/g/x").unwrap().uid, uid);
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn data_that_is_being_deleted_is_no_reason_to_make_other() {
    let site = Site::new();
    let wish = graph([node(&GROUP, "g"), node(&DISK, "d").inside("g")]);
    site.apply(&wish).await;
    for ending in ["/g/d", "/g"] {
        site.world.edit("/g/d", |thing| thing.transition = None);
        site.world.edit(ending, |thing| thing.transition = Some(Transition::Deleting));
        let said = problems(site.plan(&wish).await);
        assert!(said.contains("disk/d is being deleted, and it holds data: /g/d"), "{said}");
    }
}

#[tokio::test]
async fn the_first_signal_ends_a_wait_for_what_ends_by_itself() {
    let (site, wish) = (Site::new(), graph([node(&THING, "x"), node(&THING, "y").using(&THING, "x")]));
    site.apply(&wish).await;
    site.world.edit("/x", |thing| thing.transition = Some(Transition::Deleting));
    site.world.take_log();
    let (canceller, cancel) = cancel::channel();
    *site.on_event.lock().unwrap() = Some(Box::new(move |event| {
        if matches!(event, Event::Status { .. }) {
            canceller.raise();
        }
    }));
    let summary = site.run(&wish, Ask { cancel: Some(cancel), ..Ask::default() }).await.unwrap();
    assert!(summary.interrupted);
    assert_eq!(summary.failed[0].2.class, ErrorClass::NotReady);
    assert_eq!(site.world.take_log(), Vec::<String>::new());
    assert!(site.store().open_intents().unwrap().is_empty());
}

#[tokio::test]
async fn a_tie_to_what_is_gone_is_cleared_as_it_was_seen_or_not_at_all() {
    let (site, wish) = (Site::new(), graph([node(&THING, "x")]));
    site.apply(&wish).await;
    site.world.edit("/x", |thing| thing.object["tied"] = "u1".into());
    assert!(site.plan(&wish).await.unwrap().is_empty(), "who is tied to what is there needs nothing");
    site.world.loosen("/x");
    let plan = site.plan(&wish).await.unwrap();
    assert_eq!(verbs(&plan), ["update thing/x"]);
    assert_eq!(plan.actions[0].reason, "tied is cleared: what it was tied to is gone");
    assert_eq!(plan.actions[0].changes[0].before, Some("u1".into()));
    let drift = site.plan_as(&wish, Mode::RefreshOnly, &Options::default()).await.unwrap();
    assert_eq!(verbs(&drift), ["accept thing/x"]);

    site.world.edit("/x", |thing| thing.object["tied"] = "u2".into());
    let summary = site.apply_plan(&plan, &wish, Ask::default()).await.unwrap();
    assert_eq!(summary.failed[0].2.class, ErrorClass::Conflict);
    assert_eq!(site.world.get("/x").unwrap().object["tied"], "u2");
    assert!(site.store().open_intents().unwrap().is_empty());

    site.world.take_log();
    let summary = site.apply(&wish).await;
    assert_eq!(summary.done, [(Verb::Update, 1)]);
    assert_eq!(site.world.take_log(), ["release /x", "update /x"]);
    assert_eq!(site.world.get("/x").unwrap().object.get("tied"), None);
    site.assert_converged(&wish).await;
}

/// Whether it was cleared is not known: the next run looks.
#[tokio::test]
async fn a_lost_answer_to_a_release_leaves_its_intent_open() {
    let (site, wish) = (Site::new(), graph([node(&THING, "x")]));
    site.apply(&wish).await;
    site.world.edit("/x", |thing| thing.object["tied"] = "u1".into());
    site.world.loosen("/x");
    site.world.fail("x", "release", Fault::LostAfter);
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!(summary.open, [address(&THING, "x")], "{summary:?}");
    assert_eq!(site.store().open_intents().unwrap().len(), 1);
    site.world.heal();
    site.apply(&wish).await;
    assert!(site.store().open_intents().unwrap().is_empty());
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn a_tie_is_cleared_with_the_other_changes_of_its_object_and_at_its_import() {
    let (site, wish) = (Site::new(), graph([node(&THING, "x").with("image", "2")]));
    site.apply(&graph([node(&THING, "x").with("image", "1")])).await;
    site.world.edit("/x", |thing| thing.object["tied"] = "u1".into());
    site.world.loosen("/x");
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
    assert_eq!(site.world.get("/x").unwrap().object.get("tied"), None);

    let site = Site::new();
    let lineage = site.lineage.clone();
    site.world.put("/x", serde_json::json!({"name": "x", "image": "2", "tied": "u1"}), Some(&lineage));
    site.world.loosen("/x");
    site.apply(&wish).await;
    assert_eq!(site.world.get("/x").unwrap().object.get("tied"), None);
    site.assert_converged(&wish).await;
}
