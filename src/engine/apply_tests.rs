//! What an apply does when something fails, and when it is interrupted.

use super::cancel;
use super::event::{Event, Reconciled, SkipReason};
use super::graph::Graph;
use super::provider::{ErrorClass, Transition};
use super::testing::{Ask, Fault, GROUP, Moment, SLOW, Site, THING, address, graph, node};
use super::value::Value;

/// Two chains that meet nowhere, and one alone.
fn chains() -> Graph {
    graph([
        node(&THING, "a1"),
        node(&THING, "a2").using(&THING, "a1"),
        node(&THING, "a3").using(&THING, "a2"),
        node(&THING, "b1"),
        node(&THING, "b2").using(&THING, "b1"),
        node(&SLOW, "alone"),
    ])
}

#[tokio::test]
async fn one_failure_stops_only_what_needs_it() {
    let (site, wish) = (Site::new(), chains());
    site.world.fail("a1", "create", Fault::Rejected);
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!(summary.done.iter().map(|(_, count)| count).sum::<usize>(), 3);
    let (failed, _, error) = &summary.failed[0];
    assert_eq!((failed.short(), error.code.as_deref()), ("thing/a1", Some("Quota")));
    let skipped: Vec<_> = summary.skipped.iter().map(|(address, _, why)| (address.short(), why.clone())).collect();
    let because = SkipReason::DependencyFailed(address(&THING, "a1"));
    assert_eq!(skipped, [("thing/a2", because.clone()), ("thing/a3", because)]);
    assert_eq!(site.world.ids(), ["/alone", "/b1", "/b2"]);
    assert!(site.store().open_intents().unwrap().is_empty());
    site.world.heal();
    let summary = site.apply(&wish).await;
    assert_eq!(summary.done.iter().map(|(_, count)| count).sum::<usize>(), 3);
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn what_only_waits_takes_no_place() {
    let names = ["a", "b", "c", "d", "e"];
    let site = Site::new();
    let wish = graph(
        names
            .into_iter()
            .map(|name| node(&THING, name))
            .chain([node(&THING, "last").using(&THING, "f"), node(&THING, "f")]),
    );
    // Three run at once, and five wait for what is made after them.
    for name in names {
        site.world.ready_with(&format!("/{name}"), "/last");
    }
    let summary = site.apply(&wish).await;
    assert_eq!(summary.done.iter().map(|(_, count)| count).sum::<usize>(), 7);
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn every_failure_heals_with_the_next_apply() {
    for fault in [Fault::Rejected, Fault::LostBefore, Fault::LostAfter, Fault::NotReady] {
        for (verb, first, second) in [
            ("create", graph([]), graph([node(&THING, "x").with("value", "1")])),
            (
                "update",
                graph([node(&THING, "x").with("value", "1")]),
                graph([node(&THING, "x").with("value", "2").with("more", true)]),
            ),
            ("delete", graph([node(&THING, "x")]), graph([])),
            ("delete", graph([node(&THING, "x").with("fixed", "1")]), graph([node(&THING, "x").with("fixed", "2")])),
            ("create", graph([node(&THING, "x").with("fixed", "1")]), graph([node(&THING, "x").with("fixed", "2")])),
        ] {
            let site = Site::new();
            site.apply(&first).await;
            site.world.fail("x", verb, fault);
            let summary = site.run(&second, Ask::default()).await.unwrap();
            let failed = summary.failed.iter().chain([]).count();
            assert_eq!(failed, 1, "{fault:?} {verb}: {summary:?}");
            site.world.heal();
            site.apply(&second).await;
            site.assert_converged(&second).await;
        }
    }
}

#[tokio::test]
async fn an_object_that_is_not_ready_is_known_to_the_state() {
    let (site, wish) = (Site::new(), graph([node(&THING, "x")]));
    site.world.fail("x", "create", Fault::NotReady);
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!(summary.failed[0].2.class, ErrorClass::NotReady);
    assert!(site.record("/ws/t/thing/x").is_some());
}

#[tokio::test]
async fn a_state_that_cannot_be_written_stops_everything() {
    let (site, wish) = (Site::new(), chains());
    // The store dies under a running apply: its calls go on, nothing new starts.
    let world = site.world.clone();
    let stopped = site.run(&wish, Ask { moment: Some(Moment::Commit(4)), ..Ask::default() }).await;
    assert!(stopped.is_err());
    assert!(world.ids().len() < 6);
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn a_missing_output_fails_the_one_that_needs_it() {
    let unknown = Value::output(&address(&THING, "a"), "/nothing");
    let wish = graph([node(&THING, "a"), node(&THING, "b").with("value", unknown), node(&THING, "c")]);
    let site = Site::new();
    let summary = site.run(&wish, Ask::default()).await.unwrap();
    assert_eq!(summary.failed.len(), 1);
    assert_eq!(summary.failed[0].2.message, "the output /nothing of /ws/t/thing/a is not known");
    assert_eq!(site.world.ids(), ["/a", "/c"]);
}

#[tokio::test]
async fn an_interrupt_lets_running_calls_end() {
    let (site, wish) = (Site::new(), chains());
    let (canceller, cancelled) = cancel::channel();
    *site.on_event.lock().unwrap() = Some(Box::new(move |event| {
        if matches!(event, Event::Finished { .. }) {
            canceller.stop();
        }
    }));
    let summary = site.run(&wish, Ask { cancel: Some(cancelled), ..Ask::default() }).await.unwrap();
    assert!(summary.interrupted && summary.open.is_empty() && summary.failed.is_empty());
    assert!(!summary.skipped.is_empty());
    assert!(summary.skipped.iter().all(|(_, _, why)| *why == SkipReason::Interrupted));
    let done: usize = summary.done.iter().map(|(_, count)| count).sum();
    assert_eq!((done, done + summary.skipped.len()), (site.world.ids().len(), 6));
    assert!(site.store().open_intents().unwrap().is_empty());
    *site.on_event.lock().unwrap() = None;
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn a_second_interrupt_stops_at_once_and_the_next_apply_completes() {
    let (site, wish) = (Site::new(), chains());
    let (canceller, cancelled) = cancel::channel();
    *site.on_event.lock().unwrap() = Some(Box::new(move |event| {
        // While the slow one waits behind its operation URL.
        if matches!(event, Event::Status { .. }) {
            canceller.raise();
            canceller.raise();
        }
    }));
    let summary = site.run(&wish, Ask { cancel: Some(cancelled), ..Ask::default() }).await.unwrap();
    assert!(summary.interrupted && !summary.open.is_empty());
    let known = summary.open.len() + summary.skipped.len() + summary.done.iter().map(|(_, n)| n).sum::<usize>();
    assert_eq!(known, 6, "{summary:?}");
    // A result that was on its way to the journal may still be written, an intent may not have been begun: but nothing
    // is in the world that neither an intent nor a record knows.
    let intents = site.store().open_intents().unwrap();
    let records = site.store().records().unwrap();
    for address in &summary.open {
        let intended = intents.iter().any(|intent| intent.address == *address);
        let recorded = records.iter().any(|record| record.address == *address);
        let made = site.world.get(&format!("/{}", address.name())).is_some();
        assert!(!(intended && recorded), "{address} is both an intent and a record");
        assert!(!made || intended || recorded, "{address} is in the world, and nothing knows it");
    }
    *site.on_event.lock().unwrap() = None;
    site.events.lock().unwrap().clear();
    site.apply(&wish).await;
    let reconciled = |event: &&Event| matches!(event, Event::Reconciled { .. });
    assert_eq!(site.events.lock().unwrap().iter().filter(reconciled).count(), intents.len());
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn an_operation_that_goes_on_without_us_is_resumed_by_its_url() {
    let (site, wish) = (Site::new(), graph([node(&SLOW, "pool")]));
    // Commits: the intent, the operation's URL.
    let killed = site.run(&wish, Ask { moment: Some(Moment::After(1)), ..Ask::default() }).await;
    assert!(killed.is_err());
    let intents = site.store().open_intents().unwrap();
    assert_eq!(intents[0].operation_url.as_deref(), Some("/operations/pool"));
    assert_eq!(site.world.get("/pool").unwrap().transition, Some(Transition::Changing));
    site.events.lock().unwrap().clear();
    site.world.take_log();
    let summary = site.apply(&wish).await;
    assert!(summary.done.is_empty());
    assert_eq!(site.world.take_log(), ["resume /pool"]);
    assert!(
        site.events
            .lock()
            .unwrap()
            .iter()
            .any(|event| matches!(event, Event::Reconciled { outcome: Reconciled::Adopted, .. }))
    );
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn a_container_and_what_is_in_it_go_together() {
    let wish =
        graph([node(&GROUP, "g"), node(&THING, "a").inside("g"), node(&THING, "b").inside("g").using(&THING, "a")]);
    let site = Site::new();
    site.apply(&wish).await;
    site.apply(&graph([])).await;
    assert_eq!(site.world.ids(), [""; 0]);
    assert!(site.records().is_empty());
}
