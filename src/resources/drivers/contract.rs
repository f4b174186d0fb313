//! What every driver's kinds of data keep, whatever the driver: the guards of `engine.md`, each against each kind that holds
//! data. They hang on the kind ([`Holds::Data`]), so that a driver has them as soon as its kinds stand in the registry.

use std::cell::Cell;

use super::DRIVERS;
use crate::engine::graph::{Graph, Node};
use crate::engine::kind::{Holds, Kind, Replace, Rule};
use crate::engine::plan::Mode;
use crate::engine::planner::Options;
use crate::engine::provider::{ProviderKey, Transition};
use crate::engine::testing::{Ask, Fault, Site, address, graph, node, problems, verbs};

thread_local! {
    /// The driver whose kinds the site of this test has: kinds of several drivers may have one name.
    static DRIVER: Cell<usize> = const { Cell::new(0) };
}

/// The kinds of all drivers whose loss is a loss of data, each with its driver as that of the site.
fn data() -> impl Iterator<Item = &'static Kind> {
    let kinds = DRIVERS.into_iter().enumerate();
    let kinds = kinds.flat_map(|(number, driver)| driver.kinds().iter().map(move |kind| (number, *kind)));
    kinds.filter(|(_, kind)| kind.holds == Holds::Data).map(|(number, kind)| {
        DRIVER.set(number);
        kind
    })
}

fn kinds(_: &ProviderKey, name: &str) -> Option<&'static Kind> {
    DRIVERS[DRIVER.get()].kinds().iter().copied().find(|kind| kind.name == name)
}

async fn applied(wish: &Graph) -> Site {
    let site = Site::of(kinds);
    site.apply(wish).await;
    site.world.take_log();
    site
}

fn wish(kind: &'static Kind) -> Graph {
    graph([node(kind, "data")])
}

fn losing(kind: &Kind, name: &str) -> Options {
    Options { allow_data_loss: [address(kind, name)].into(), ..Options::default() }
}

/// The node with this value in the place of a pattern; none where the place is of no one field.
fn with(kind: &'static Kind, pattern: &str, value: impl Into<crate::engine::value::Value>) -> Option<Graph> {
    let keys: Vec<&str> = pattern.split('.').collect();
    let mut node = node(kind, "data");
    node.desired.set(&keys, value.into());
    (!pattern.contains('*')).then(|| graph([node]))
}

/// Problems that name the object.
async fn refused(site: &Site, wish: &Graph, mode: Mode, options: &Options) -> String {
    let text = problems(site.plan_as(wish, mode, options).await);
    assert!(text.contains("data"), "{text}");
    assert_eq!(site.world.take_log(), [""; 0]);
    text
}

#[test]
fn what_a_driver_adopts_is_data() {
    assert!(data().count() > 0);
    for driver in DRIVERS {
        let adopts = driver.adopts();
        for kind in [adopts.disk, adopts.snapshot] {
            assert!(data().any(|known| std::ptr::eq(known, kind)), "{} of {}", kind.name, driver.name());
        }
    }
}

#[tokio::test]
async fn data_is_deleted_only_when_its_loss_is_named() {
    for kind in data() {
        let site = applied(&wish(kind)).await;
        for (wish, mode) in [(graph([]), Mode::Destroy), (graph([]), Mode::Apply)] {
            for options in [Options::default(), losing(kind, "other")] {
                let text = refused(&site, &wish, mode, &options).await;
                assert!(text.contains("holds data and this plan would delete it"), "{}: {text}", kind.name);
            }
        }
        // Nor where the copy that is taken first fails.
        let ask = || Ask { mode: Some(Mode::Destroy), options: losing(kind, "data"), ..Ask::default() };
        if kind.safeguarded {
            site.world.fail("data", "safeguard", Fault::Rejected);
            let summary = site.run(&graph([]), ask()).await.unwrap();
            assert_eq!(summary.failed.len(), 1, "{}", kind.name);
            assert!(site.world.get("/data").is_some(), "{}", kind.name);
            site.world.heal();
        }
        assert!(site.run(&graph([]), ask()).await.unwrap().is_complete(), "{}", kind.name);
        assert_eq!(site.world.get("/data"), None, "{}", kind.name);
    }
}

#[tokio::test]
async fn data_is_never_replaced() {
    for kind in data() {
        assert!(matches!(kind.replace, Replace::Refused(_)), "{}", kind.name);
        let site = applied(&wish(kind)).await;
        let options = Options { replace: [address(kind, "data")].into(), ..losing(kind, "data") };
        refused(&site, &wish(kind), Mode::Apply, &options).await;
        // An id that differs is another object.
        let moved = graph([node(kind, "data").with("name", "elsewhere")]);
        let text = refused(&site, &moved, Mode::Apply, &losing(kind, "data")).await;
        assert!(text.contains("and its data would be lost"), "{}: {text}", kind.name);
        for field in kind.rules().filter(|field| matches!(field.rule, Rule::Immutable)) {
            let (Some(before), Some(after)) = (with(kind, field.pattern, "one"), with(kind, field.pattern, "other"))
            else {
                continue;
            };
            let site = applied(&before).await;
            let text = refused(&site, &after, Mode::Apply, &losing(kind, "data")).await;
            assert!(text.contains("and its data would be lost"), "{} {}: {text}", kind.name, field.pattern);
        }
    }
}

#[tokio::test]
async fn data_never_shrinks() {
    for kind in data() {
        for field in kind.rules().filter(|field| matches!(field.rule, Rule::GrowOnly)) {
            let (Some(less), Some(more)) = (with(kind, field.pattern, 10_i64), with(kind, field.pattern, 20_i64))
            else {
                continue;
            };
            let site = applied(&less).await;
            assert_eq!(verbs(&site.plan(&more).await.unwrap()), [format!("update {}/data", kind.name)]);
            site.apply(&more).await;
            site.world.take_log();
            refused(&site, &less, Mode::Apply, &losing(kind, "data")).await;
        }
    }
}

#[tokio::test]
async fn what_is_there_and_not_known_is_adopted_only_by_name() {
    for kind in data() {
        for lineage in [None, Some("another"), Some("ours")] {
            let site = Site::of(kinds);
            let ours = site.lineage.clone();
            let lineage = lineage.map(|lineage| if lineage == "ours" { ours.as_str() } else { lineage });
            site.world.put("/data", serde_json::json!({"name": "data"}), lineage);
            if kind.marked {
                let text = refused(&site, &wish(kind), Mode::Apply, &Options::default()).await;
                assert!(text.contains("kompox import"), "{}: {text}", kind.name);
            }
            // Nor is another one made in its place where nobody looked.
            let offline = Options { refresh: false, offline: true, ..Options::default() };
            let plan = site.plan_as(&wish(kind), Mode::Apply, &offline).await.unwrap();
            let there = site.world.get("/data");
            let summary = site.apply_plan(&plan, &wish(kind), Ask::default()).await.unwrap();
            assert_eq!(summary.failed.len(), 1, "{}", kind.name);
            assert_eq!(site.world.get("/data"), there, "{}", kind.name);
        }
    }
}

#[tokio::test]
async fn data_that_is_gone_going_or_made_anew_is_never_made_empty_in_silence() {
    for kind in data() {
        let changes: [fn(&Site); 3] = [
            |site| site.world.remove("/data"),
            |site| site.world.edit("/data", |thing| thing.transition = Some(Transition::Deleting)),
            |site| site.world.edit("/data", |thing| thing.uid = "made-anew".to_owned()),
        ];
        for (change, words) in changes.into_iter().zip(["is gone", "is being deleted", "was deleted and made anew"]) {
            let site = applied(&wish(kind)).await;
            change(&site);
            let text = refused(&site, &wish(kind), Mode::Apply, &losing(kind, "data")).await;
            assert!(text.contains(words), "{}: {text}", kind.name);
        }
        // What was made anew by somebody is not deleted either.
        let site = applied(&wish(kind)).await;
        changes[2](&site);
        let plan = site.plan_as(&graph([]), Mode::Destroy, &losing(kind, "data")).await.unwrap();
        assert_eq!(verbs(&plan), [format!("forget {}/data", kind.name)]);
    }
}

#[tokio::test]
async fn data_that_does_not_carry_our_mark_is_left_as_it_is() {
    for kind in data().filter(|kind| kind.marked) {
        for lineage in [None, Some("another".to_owned())] {
            let site = applied(&wish(kind)).await;
            let delete = site.plan_as(&graph([]), Mode::Destroy, &losing(kind, "data")).await.unwrap();
            site.world.edit("/data", |thing| thing.lineage.clone_from(&lineage));
            let plan = site.plan_as(&graph([]), Mode::Destroy, &losing(kind, "data")).await.unwrap();
            assert_eq!(verbs(&plan), [format!("forget {}/data", kind.name)]);
            // Also where the plan saw the mark.
            let summary = site.apply_plan(&delete, &graph([]), Ask::default()).await.unwrap();
            assert_eq!((summary.failed.len(), site.world.take_log()), (1, Vec::new()), "{}", kind.name);
        }
    }
}

#[tokio::test]
async fn data_has_one_address_and_one_api() {
    for kind in data() {
        let site = applied(&wish(kind)).await;
        let adopted = |name: &str| -> Node {
            let mut node = node(kind, name).with("name", "data");
            node.import = Some("/data".to_owned());
            node
        };
        let text =
            refused(&site, &graph([node(kind, "data"), adopted("data2")]), Mode::Apply, &Options::default()).await;
        assert!(text.contains("would be two objects at once"), "{}: {text}", kind.name);
        // What is wanted under one address is not deleted under the other.
        let plan = site.plan_as(&graph([adopted("data2")]), Mode::Apply, &losing(kind, "data")).await.unwrap();
        assert_eq!(verbs(&plan), [format!("import {}/data2", kind.name), format!("forget {}/data", kind.name)]);
        let mut strayed = node(kind, "data");
        strayed.provider = "other".into();
        let text = refused(&site, &graph([strayed]), Mode::Apply, &losing(kind, "data")).await;
        assert!(text.contains("would move to another place"), "{}: {text}", kind.name);
        // Of two records of one object both must be named.
        site.alias(address(kind, "data").as_str(), address(kind, "alias").as_str(), |_| {});
        refused(&site, &graph([]), Mode::Destroy, &losing(kind, "data")).await;
    }
}
