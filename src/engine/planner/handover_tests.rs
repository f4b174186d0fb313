//! Data has one user at a time: who takes a place over comes after whoever had it.

use kompox_state::Change as StateChange;
use serde_json::json;

use super::Options;
use crate::engine::address::Address;
use crate::engine::graph::{Graph, Node, ProtectionWish};
use crate::engine::kind::Kind;
use crate::engine::plan::Mode;
use crate::engine::testing::{
    Ask, DISK, Fault, Moment, POD, Stopped, THING, VOLUME, address, applied, graph, leads, node, problems, user, users,
    verbs,
};
use crate::engine::value::Value;

/// A part of one workload becomes a workload of its own on the same disk, and goes back: the part never runs twice.
#[tokio::test]
async fn a_part_that_moves_between_workloads_of_one_disk_leaves_before_it_comes() {
    let whole = graph([node(&DISK, "data"), node(&THING, "b-app").with("parts", "two").using(&DISK, "data")]);
    let split = graph([
        node(&DISK, "data"),
        node(&THING, "b-app").with("parts", "one").using(&DISK, "data"),
        node(&THING, "a-part").using(&DISK, "data"),
    ]);
    let site = applied(&whole).await;
    site.apply(&split).await;
    let log = site.world.take_log();
    let at = |log: &[String], call: &str| log.iter().position(|line| line == call).unwrap();
    assert!(at(&log, "update /b-app") < at(&log, "create /a-part"), "{log:?}");
    site.apply(&whole).await;
    let log = site.world.take_log();
    assert!(at(&log, "delete /a-part") < at(&log, "update /b-app"), "{log:?}");
    site.assert_converged(&whole).await;
}

/// Workloads on one disk, each with its mounts: `v` is the disk, `w` is another.
fn pods(pods: &[(&str, &[&str])]) -> Graph {
    let pod = |(name, mounts): &(&str, &[&str])| {
        let mounts = Value::Array(mounts.iter().map(|mount| Value::from(*mount)).collect());
        node(&POD, name).with("mounts", mounts).using(&DISK, "data")
    };
    let volumes = [leads("v", "/data"), leads("w", "/other")];
    graph([node(&DISK, "data")].into_iter().chain(volumes).chain(pods.iter().map(pod)))
}

/// Where a call is in a log.
fn at(log: &[String], call: &str) -> usize {
    log.iter().position(|line| line == call).unwrap_or_else(|| panic!("no {call} in {log:?}"))
}

#[tokio::test]
async fn a_place_on_a_disk_is_let_go_before_another_takes_it() {
    let all: [(&str, &[&str]); 2] = [("z-a", &["a=v/a", "x=v/x"]), ("b", &["b=v/b"])];
    let site = applied(&pods(&all)).await;
    // Under another part's name, in a folder within it, from one that exists to one that exists.
    for place in ["x=v/x", "other=v/x/deep/", "root=v/"] {
        let moved = pods(&[("z-a", &["a=w/a"]), ("b", &["b=v/b", place])]);
        let plan = site.plan(&moved).await.unwrap();
        assert_eq!(verbs(&plan), ["update pod/z-a", "update pod/b"], "{place}");
        assert!(plan.notes.iter().any(|note| note.text.contains("takes over")), "{:?}", plan.notes);
    }
    // Another volume, or a folder beside it.
    for place in ["x=w/x", "x=v/xy"] {
        let plan = site.plan(&pods(&[("z-a", &["a=v/a"]), ("b", &["b=v/b", place])])).await.unwrap();
        assert_eq!(verbs(&plan), ["update pod/b", "update pod/z-a"], "{place}");
        assert!(plan.notes.is_empty(), "{:?}", plan.notes);
    }
    let moved = pods(&[("z-a", &["a=v/a"]), ("b", &["b=v/b", "x=v/x"])]);
    site.apply(&moved).await;
    site.assert_converged(&moved).await;
}

#[tokio::test]
async fn places_that_pass_both_ways_are_refused() {
    let site = applied(&pods(&[("a", &["x=v/x"]), ("b", &["y=v/y"])])).await;
    let said = problems(site.plan(&pods(&[("a", &["y=v/y"]), ("b", &["x=v/x"])])).await);
    assert!(said.contains("/ws/t/pod/a") && said.contains("/ws/t/pod/b") && said.contains("both ways"), "{said}");
}

/// Other workloads wait for each other by the wish; that must not loosen the order of what is handed over.
#[tokio::test]
async fn a_handover_stays_in_order_where_other_turns_cannot_be_kept() {
    let before = graph([
        node(&DISK, "data"),
        node(&POD, "z-app").with("mounts", Value::Array(["db=v/db".into()].into())).using(&DISK, "data"),
        node(&POD, "helper").using(&POD, "z-app").using(&DISK, "data"),
    ]);
    let site = applied(&before).await;
    let after = graph([
        node(&DISK, "data"),
        node(&POD, "helper").with("image", "new").using(&DISK, "data"),
        node(&POD, "a-db").with("mounts", Value::Array(["db=v/db".into()].into())).using(&DISK, "data"),
    ]);
    let plan = site.plan(&after).await.unwrap();
    assert_eq!(verbs(&plan), ["update pod/helper", "delete pod/z-app", "create pod/a-db"]);
    site.apply(&after).await;
    site.assert_converged(&after).await;
}

#[tokio::test]
async fn a_place_is_not_taken_from_a_workload_outside_of_the_targets() {
    let site = applied(&pods(&[("a", &["x=v/x", "y=v/y"])])).await;
    let wish = pods(&[("a", &["x=v/x"]), ("b", &["y=v/y"])]);
    let said = problems(site.plan_as(&wish, Mode::Apply, &targets(&["b"])).await);
    assert!(said.contains("/ws/t/pod/b would use y on the volume v while /ws/t/pod/a still does"), "{said}");
    let plan = site.plan_as(&wish, Mode::Apply, &targets(&["a", "b"])).await.unwrap();
    assert_eq!(verbs(&plan), ["update pod/a", "create pod/b"]);
}

/// The workload that lets go was changed, but its old part may still run: it timed out, or the run was killed.
#[tokio::test]
async fn a_place_is_not_taken_while_the_old_part_may_still_run() {
    let before = pods(&[("z-a", &["a=v/a", "x=v/x"])]);
    let wish = pods(&[("z-a", &["a=v/a"]), ("b", &["x=v/x"])]);
    for killed in [false, true] {
        let site = applied(&before).await;
        if killed {
            let ask = Ask { moment: Some(Moment::After(1)), ..Ask::default() };
            assert!(matches!(site.run(&wish, ask).await, Err(Stopped::Killed)));
        } else {
            site.world.fail("z-a", "update", Fault::NotReady);
            let summary = site.run(&wish, Ask::default()).await.unwrap();
            assert_eq!((summary.failed.len(), summary.skipped.len()), (1, 1));
        }
        assert_eq!(site.world.take_log(), ["update /z-a"]);
        // As long as it does not end, the other does not begin.
        site.world.fail("z-a", "update", Fault::NotReady);
        let summary = site.run(&wish, Ask::default()).await.unwrap();
        assert_eq!((summary.failed.len(), summary.skipped.len()), (1, 1), "killed: {killed}");
        assert_eq!(site.world.take_log(), ["update /z-a"]);
        site.world.heal();
        site.apply(&wish).await;
        let log = site.world.take_log();
        assert!(at(&log, "update /z-a") < at(&log, "create /b"), "{log:?}");
        site.assert_converged(&wish).await;
    }
}

fn targets(names: &[&str]) -> Options {
    Options { targets: names.iter().map(|name| address(&POD, name)).collect(), ..Options::default() }
}

/// The data is the same under whatever names, and in whatever API.
#[tokio::test]
async fn a_disk_is_let_go_by_the_one_before_another_uses_it_under_another_name() {
    for api in ["test", "other"] {
        let (before, after) = (users(&[("z-old", "test")]), users(&[("a-new", api)]));
        let site = applied(&before).await;
        let plan = site.plan(&after).await.unwrap();
        let new = plan.actions.iter().find(|planned| planned.address == address(&POD, "a-new")).unwrap();
        assert!(new.after_addresses.contains(&address(&POD, "z-old")), "{api}: {:?}", new.after_addresses);
        assert!(plan.notes.iter().any(|note| note.text.contains("takes over what /ws/t/pod/z-old uses")));
        // Whoever does not go keeps the other from coming.
        site.world.fail("z-old", "delete", Fault::Rejected);
        let summary = site.run(&after, Ask::default()).await.unwrap();
        assert!(summary.skipped.iter().any(|(at, ..)| *at == address(&POD, "a-new")), "{summary:?}");
        assert!(site.world.get("/a-new").is_none() && site.world.get("/z-old").is_some());
        site.world.heal();
        site.world.take_log();
        site.apply(&after).await;
        let log = site.world.take_log();
        assert!(at(&log, "delete /z-old") < at(&log, "create /a-new"), "{log:?}");
        site.assert_converged(&after).await;
    }
}

/// Between two APIs every user of a disk waits, not only workloads; its own API makes copies of it at any time.
#[tokio::test]
async fn what_uses_a_disk_in_another_api_waits_until_the_first_has_let_go() {
    let site = applied(&users(&[("z-old", "third")])).await;
    let copy = node(&DISK, "copy").using(&DISK, "data");
    let wish = graph([node(&DISK, "data"), copy].into_iter().chain(user("a-new", "other")));
    let plan = site.plan(&wish).await.unwrap();
    let after = |kind: &'static Kind, name: &str| {
        let of = address(kind, name);
        plan.actions.iter().find(|planned| planned.address == of).unwrap().after_addresses.clone()
    };
    for gone in [address(&POD, "z-old"), address(&VOLUME, "v-z-old")] {
        assert!(after(&VOLUME, "v-a-new").contains(&gone) && after(&POD, "a-new").contains(&gone));
        assert!(!after(&DISK, "copy").contains(&gone));
    }
}

#[tokio::test]
async fn a_disk_is_not_taken_from_a_workload_outside_of_the_targets_by_any_name() {
    for api in ["test", "other"] {
        let site = applied(&users(&[("z-old", "test")])).await;
        let after = users(&[("a-new", api)]);
        let said = problems(site.plan_as(&after, Mode::Apply, &targets(&["a-new"])).await);
        let message = "/ws/t/pod/a-new would use x on the volume v-a-new (/data) while /ws/t/pod/z-old still does";
        assert!(said.contains(message), "{said}");
        assert!(said.contains("change both in one go:  add --target /ws/t/pod/z-old"), "{said}");
        let plan = site.plan_as(&after, Mode::Apply, &targets(&["a-new", "z-old"])).await.unwrap();
        let place = |verb: &str| verbs(&plan).iter().position(|one| one == verb).unwrap();
        assert!(place("delete pod/z-old") < place("create pod/a-new"));
    }
}

/// What a record does not tell may be the same data.
#[tokio::test]
async fn a_workload_whose_data_is_unknown_may_use_any() {
    let site = applied(&users(&[("z-old", "test")])).await;
    let mut record = site.record("/ws/t/pod/z-old").unwrap();
    record.dependencies.clear();
    site.commit(vec![StateChange::PutRecord(Box::new(record)), StateChange::DeleteRecord(address(&VOLUME, "v-z-old"))]);
    let said = problems(site.plan_as(&users(&[("a-new", "test")]), Mode::Apply, &targets(&["a-new"])).await);
    assert!(said.contains("while /ws/t/pod/z-old still does, as far as can be told"), "{said}");
    let plan = site.plan(&users(&[("a-new", "test")])).await.unwrap();
    let new = plan.actions.iter().find(|planned| planned.address == address(&POD, "a-new")).unwrap();
    assert!(new.after_addresses.contains(&address(&POD, "z-old")));
}

/// A workload that is only forgotten runs on.
#[tokio::test]
async fn a_disk_is_not_taken_from_a_workload_that_is_only_forgotten() {
    let [volume, pod] = user("z-old", "test");
    let pod = Node { protection: ProtectionWish { orphan: true, ..ProtectionWish::default() }, ..pod };
    let site = applied(&graph([node(&DISK, "data"), volume, pod])).await;
    let said = problems(site.plan(&users(&[("a-new", "test")])).await);
    assert!(said.contains("while /ws/t/pod/z-old still does") && said.contains("it would run on"), "{said}");
}

/// Somebody deleted the object; what ran in it may not have ended.
#[tokio::test]
async fn what_ran_in_a_workload_that_somebody_deleted_is_waited_for() {
    let site = applied(&users(&[("z-old", "test")])).await;
    site.world.remove("/z-old");
    let after = users(&[("a-new", "test")]);
    site.world.fail("z-old", "delete", Fault::Rejected);
    let summary = site.run(&after, Ask::default()).await.unwrap();
    assert!(summary.skipped.iter().any(|(at, ..)| *at == address(&POD, "a-new")), "{summary:?}");
    site.world.heal();
    site.apply(&after).await;
    site.assert_converged(&after).await;
}

/// Of a cluster that cannot be reached nobody knows whether it still uses a disk: its provider does.
#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_given_up_by_name_and_the_providers_word() {
    let after = |attached: bool| {
        graph([node(&DISK, "data").with("attached", attached)].into_iter().chain(user("a-new", "other")))
    };
    for attached in [true, false] {
        let disk = node(&DISK, "data").with("attached", attached);
        let site = applied(&graph([disk].into_iter().chain(user("z-old", "test")))).await;
        site.world.unreadable("/z-old");
        site.world.unreadable("/v-z-old");
        let said = problems(site.plan(&after(attached)).await);
        assert!(said.contains("/z-old is not for you"), "{said}");
        let options =
            |cluster: &str| Options { abandoned: [Address::new("", "ws", cluster)].into(), ..Options::default() };
        let said = problems(site.plan_as(&after(attached), Mode::Apply, &options("other")).await);
        assert!(said.contains("/z-old is not for you"), "{said}");
        let plan = site.plan_as(&after(attached), Mode::Apply, &options("t")).await;
        if attached {
            let said = problems(plan);
            assert!(said.contains("while /ws/t/pod/z-old still does") && said.contains("does not say that"), "{said}");
            continue;
        }
        let plan = plan.unwrap();
        assert!(verbs(&plan).contains(&"forget pod/z-old".to_owned()), "{:?}", verbs(&plan));
        assert!(
            plan.dangers.iter().any(|danger| danger.code == "given-up" && danger.text.contains("may run on")),
            "{:?}",
            plan.dangers
        );
        let summary = site.apply_plan(&plan, &after(attached), Ask::default()).await.unwrap();
        assert!(summary.is_complete(), "{summary:?}");
        assert!(site.world.get("/z-old").is_some() && site.world.get("/a-new").is_some());
    }
}

/// What was deleted outside of kompox uses nothing any more, whatever its record says: it comes like any other.
#[tokio::test]
async fn a_workload_that_is_made_again_takes_its_turn() {
    let site = applied(&pods(&[("z-a", &["a=v/x"]), ("b", &["x=v/x"])])).await;
    site.world.remove("/b");
    let plan = site.plan(&pods(&[("z-a", &["a=v/a"]), ("b", &["x=v/x"])])).await.unwrap();
    assert_eq!(verbs(&plan), ["update pod/z-a", "create pod/b"]);
    let b = &plan.actions[1];
    assert!(b.after_addresses.contains(&address(&POD, "z-a")), "{:?}", b.after_addresses);
    assert!(plan.notes.iter().any(|note| note.text.contains("takes over what /ws/t/pod/z-a uses")));
}

/// `--no-wait` is for readiness; who takes over waits all the same.
#[tokio::test]
async fn a_handover_is_waited_for_whatever_is_asked() {
    let site = applied(&pods(&[("z-a", &["a=v/a", "x=v/x"]), ("b", &["b=v/b"])])).await;
    let wish = pods(&[("z-a", &["a=v/a"]), ("b", &["b=v/b", "x=v/x"])]);
    let summary = site.run(&wish, Ask { no_wait: true, ..Ask::default() }).await.unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    assert_eq!(site.world.take_log(), ["update /z-a", "update /b"]);
    assert!(site.world.is_ready("/z-a"), "b began while the old part of z-a may have run");
    assert!(!site.world.is_ready("/b"), "nobody waits for b");
}

/// Nobody waited for the one that let go, so the next run does before another takes the place.
#[tokio::test]
async fn what_was_let_go_without_waiting_is_waited_for_by_the_next_run() {
    let site = applied(&pods(&[("z-a", &["a=v/a", "x=v/x"]), ("b", &["b=v/b"])])).await;
    let less = pods(&[("z-a", &["a=v/a"]), ("b", &["b=v/b"])]);
    site.run(&less, Ask { no_wait: true, ..Ask::default() }).await.unwrap();
    site.world.take_log();
    let wish = pods(&[("z-a", &["a=v/a"]), ("b", &["b=v/b", "x=v/x"])]);
    let said = problems(site.plan_as(&wish, Mode::Apply, &targets(&["b"])).await);
    assert!(said.contains("add --target /ws/t/pod/z-a"), "{said}");
    site.apply(&wish).await;
    assert_eq!(site.world.take_log(), ["update /z-a", "update /b"]);
    site.assert_converged(&wish).await;
}

/// A change that failed half-way may have begun to use what it was to use.
#[tokio::test]
async fn what_a_failed_change_was_to_use_is_in_use() {
    let site = applied(&pods(&[("z-a", &["a=v/a"])])).await;
    site.world.fail("z-a", "update", Fault::NotReady);
    let summary = site.run(&pods(&[("z-a", &["a=v/a", "x=v/x"])]), Ask::default()).await.unwrap();
    assert_eq!(summary.failed.len(), 1);
    site.world.take_log();
    let wish = pods(&[("z-a", &["a=v/a"]), ("b", &["x=v/x"])]);
    let said = problems(site.plan_as(&wish, Mode::Apply, &targets(&["b"])).await);
    assert!(said.contains("while /ws/t/pod/z-a still does"), "{said}");
    site.world.heal();
    site.apply(&wish).await;
    let log = site.world.take_log();
    assert!(at(&log, "update /z-a") < at(&log, "create /b"), "{log:?}");
}

/// What a workload was changed to outside is in use, whatever the state says of it.
#[tokio::test]
async fn where_a_workload_was_seen_to_work_is_in_use() {
    let site = applied(&pods(&[("z-a", &["a=v/a"])])).await;
    site.world.edit("/z-a", |pod| pod.object["mounts"] = json!(["a=v/a", "x=v/x"]));
    let wish = pods(&[("z-a", &["a=v/a"]), ("b", &["x=v/x"])]);
    assert_eq!(verbs(&site.plan(&wish).await.unwrap()), ["update pod/z-a", "create pod/b"]);
    // It does not let go, so nobody takes its place.
    site.world.fail("z-a", "update", Fault::Rejected);
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!((summary.failed.len(), summary.skipped.len()), (1, 1), "{summary:?}");
    let log = site.world.take_log();
    assert!(!log.iter().any(|call| call == "create /b"), "{log:?}");
    site.world.heal();
    site.apply(&wish).await;
    let log = site.world.take_log();
    assert!(at(&log, "update /z-a") < at(&log, "create /b"), "{log:?}");
}

/// A selection does not name whoever was changed outside; it is looked at all the same, and so it is without a refresh.
#[tokio::test]
async fn where_a_workload_was_seen_to_work_is_in_use_whatever_was_selected() {
    let site = applied(&pods(&[("z-a", &["a=v/a"])])).await;
    site.world.edit("/z-a", |pod| pod.object["mounts"] = json!(["a=v/a", "x=v/x"]));
    let wish = pods(&[("z-a", &["a=v/a"]), ("b", &["x=v/x"])]);
    let said = problems(site.plan_as(&wish, Mode::Apply, &targets(&["b"])).await);
    assert!(said.contains("/ws/t/pod/b would use x on the volume v while /ws/t/pod/z-a still does"), "{said}");
    assert!(said.contains("change both in one go:  add --target /ws/t/pod/z-a"), "{said}");
    let both = site.plan_as(&wish, Mode::Apply, &targets(&["b", "z-a"])).await.unwrap();
    assert_eq!(verbs(&both), ["update pod/z-a", "create pod/b"]);
    let unasked = Options { refresh: false, ..Options::default() };
    let said = problems(site.plan_as(&wish, Mode::Apply, &unasked).await);
    assert!(said.contains("while /ws/t/pod/z-a still does"), "{said}");
    // Gone from the manifests, it is still there as long as nobody removes it.
    let said = problems(site.plan_as(&pods(&[("b", &["x=v/x"])]), Mode::Apply, &targets(&["b"])).await);
    assert!(said.contains("while /ws/t/pod/z-a still does"), "{said}");
    // What a manifest lets others change is left as it is.
    let wish = |names: &[(&str, &[&str])]| {
        let ignoring = |node: &Node| {
            let ignored = (node.address == address(&POD, "z-a")).then(|| "/mounts".to_owned());
            Node { ignore_changes: ignored.into_iter().collect(), ..node.clone() }
        };
        graph(pods(names).iter().map(ignoring))
    };
    let site = applied(&wish(&[("z-a", &["a=v/a"])])).await;
    site.world.edit("/z-a", |pod| pod.object["mounts"] = json!(["a=v/a", "x=v/x"]));
    let said = problems(site.plan(&wish(&[("z-a", &["a=v/a"]), ("b", &["x=v/x"])])).await);
    assert!(said.contains("while /ws/t/pod/z-a still does"), "{said}");
    assert!(said.contains("data has one user at a time"), "{said}");
}

/// Whom nobody can ask may use it, unless the provider says that nothing has it attached, or it is yet to be made.
#[tokio::test]
async fn a_workload_that_cannot_be_read_may_use_what_another_is_to_get() {
    for attached in [true, false] {
        let wish = |names: &[&str]| {
            let disk = node(&DISK, "data").with("attached", attached);
            let users = names.iter().flat_map(|name| user(name, "test"));
            graph([disk, node(&DISK, "other"), leads("w", "/other")].into_iter().chain(users).chain([on_other()]))
        };
        let site = applied(&wish(&[])).await;
        site.world.unreadable("/on-other");
        let plan = site.plan_as(&wish(&["b"]), Mode::Apply, &targets(&["b"])).await;
        if attached {
            let said = problems(plan);
            let word = "/ws/t/pod/on-other cannot be read: /on-other is not for you";
            assert!(said.contains(word) && said.contains("whether it uses what /ws/t/pod/b is to use"), "{said}");
        } else {
            assert!(verbs(&plan.unwrap()).contains(&"create pod/b".to_owned()));
        }
    }
    // Nobody can have what there is not yet, and nobody is asked.
    let site = applied(&graph([node(&DISK, "other"), leads("w", "/other"), on_other()])).await;
    site.world.unreadable("/on-other");
    let wish = graph(
        [node(&DISK, "other"), leads("w", "/other"), on_other()]
            .into_iter()
            .chain(users(&[("b", "test")]).iter().cloned()),
    );
    let plan = site.plan_as(&wish, Mode::Apply, &targets(&["b"])).await.unwrap();
    assert_eq!(verbs(&plan), ["create disk/data", "create volume/v-b", "create pod/b"]);
}

/// A workload on another disk.
fn on_other() -> Node {
    node(&POD, "on-other").with("mounts", Value::Array(["x=w/x".into()].into())).using(&DISK, "other")
}
