//! Properties over any wish, any world and any end of a process: the next apply completes the rest, and nothing is
//! orphaned, doubled or forgotten.

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::graph::{Graph, Node};
use super::kind::{Holds, Kind};
use super::planfile;
use super::planner::Options;
use super::testing::{ASKED, Ask, BARE, DISK, GROUP, Moment, SLOW, Site, Stopped, THING, address, graph, node, users};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a wish says of one place. The kind of a place is always the same.
#[derive(Debug, Clone)]
struct Spec {
    value: Option<u8>,
    fixed: u8,
    secret: bool,
    uses: u16,
    waits: u16,
}

/// A wish: one spec per place, `None` for nothing there; whether users stand before or behind what they use.
#[derive(Debug, Clone)]
struct Wish {
    specs: Vec<Option<Spec>>,
    reversed: bool,
}

const PLACES: usize = 12;

/// Place 0 is the container of the even ones; nobody uses the last one, so that it may be replaced.
fn kind_of(place: usize) -> &'static Kind {
    match place {
        0 => &GROUP,
        3 => &DISK,
        4 | 5 => &ASKED,
        6 => &SLOW,
        7 => &BARE,
        _ => &THING,
    }
}

impl Wish {
    fn graph(&self, site: &Site) -> Graph {
        let there = |place: usize| {
            self.specs[place].is_some() && (place == 0 || !place.is_multiple_of(2) || self.specs[0].is_some())
        };
        let may_need = |place: usize, other: usize| {
            let before = if self.reversed { other > place } else { other < place };
            place != 0 && other != 0 && other != PLACES - 1 && before && there(other)
        };
        let nodes = (0..PLACES).filter(|place| there(*place)).filter_map(|place| {
            let spec = self.specs[place].as_ref()?;
            let mut node: Node = node(kind_of(place), &format!("n{place}"));
            if let Some(value) = spec.value {
                node = node.with("value", i64::from(value));
            }
            if spec.secret {
                node = node.with("password", site.secret("hunter2"));
            }
            if place == PLACES - 1 {
                node = node.with("fixed", i64::from(spec.fixed));
            }
            if place != 0 && place.is_multiple_of(2) {
                node = node.inside("n0");
            }
            for other in (0..PLACES).filter(|other| may_need(place, *other)) {
                if spec.uses & (1 << other) != 0 {
                    node = node.using(kind_of(other), &format!("n{other}"));
                } else if spec.waits & (1 << other) != 0 {
                    node.depends_on.push(address(kind_of(other), &format!("n{other}")));
                }
            }
            if !node.kind.marked {
                // What cannot carry a mark is ours by what it stands on.
                node.depends_on.push(address(&THING, "base"));
            }
            Some(node)
        });
        graph(std::iter::once(node(&THING, "base")).chain(nodes).collect::<Vec<_>>())
    }
}

fn spec() -> impl Strategy<Value = Option<Spec>> {
    let sparse = (any::<u16>(), any::<u16>()).prop_map(|(a, b)| a & b);
    let some = (prop::option::of(0_u8..3), 0_u8..2, any::<bool>(), sparse, any::<u16>())
        .prop_map(|(value, fixed, secret, uses, waits)| Spec { value, fixed, secret, uses, waits });
    prop::option::weighted(0.75, some)
}

fn wish() -> impl Strategy<Value = Wish> {
    (prop::collection::vec(spec(), PLACES), any::<bool>()).prop_map(|(specs, reversed)| Wish { specs, reversed })
}

fn moment() -> impl Strategy<Value = Moment> {
    (0_u8..3, 1_usize..20).prop_map(|(what, number)| match what {
        0 => Moment::Before(number),
        1 => Moment::After(number),
        _ => Moment::Commit(number),
    })
}

/// What somebody does behind kompox's back.
#[derive(Debug, Clone)]
enum Meddling {
    Edit(usize),
    Remove(usize),
}

fn meddling() -> impl Strategy<Value = Meddling> {
    (any::<bool>(), 1..PLACES)
        .prop_map(|(edit, place)| if edit { Meddling::Edit(place) } else { Meddling::Remove(place) })
}

fn meddle(site: &Site, meddling: &Meddling) {
    let (place, edit) = match meddling {
        Meddling::Edit(place) => (*place, true),
        Meddling::Remove(place) => (*place, false),
    };
    let name = format!("n{place}");
    let id = site.world.ids().into_iter().find(|id| id.rsplit('/').next() == Some(&name));
    match id {
        Some(id) if edit => site.world.edit(&id, |thing| thing.object["value"] = "meddled".into()),
        // A disk that is gone stops every plan, as it should.
        Some(id) if kind_of(place).name != DISK.name => site.world.remove(&id),
        _ => {}
    }
}

/// The disk may go in these tests: they are about everything else.
fn options() -> Options {
    Options { allow_data_loss: [address(&DISK, "n3")].into(), ..Options::default() }
}

fn ask(moment: Option<Moment>) -> Ask {
    Ask { options: options(), moment, ..Ask::default() }
}

/// The next apply, which must leave nothing to do and nothing behind but what is `kept`.
async fn complete(site: &Site, wish: &Graph, kept: &[&str]) {
    let summary = site.run(wish, ask(None)).await.unwrap();
    assert!(summary.is_complete(), "{summary:#?}");
    site.assert_converged_beside(wish, kept).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_wish_after_any_other_converges(
        first in wish(), second in wish(), meddlings in prop::collection::vec(meddling(), 0..4),
    ) {
        runtime().block_on(async {
            let site = Site::new();
            let (first, second) = (first.graph(&site), second.graph(&site));
            complete(&site, &first, &[]).await;
            meddlings.iter().for_each(|meddling| meddle(&site, meddling));
            // The same inputs give the same plan, to the byte.
            let plans = [site.plan_as(&second, super::plan::Mode::Apply, &options()).await.unwrap(),
                site.plan_as(&second, super::plan::Mode::Apply, &options()).await.unwrap()];
            let bytes = plans.map(|plan| {
                planfile::save(&plan, &site.path("plan"), &site.digester).unwrap();
                std::fs::read(site.path("plan")).unwrap()
            });
            assert!(bytes[0] == bytes[1]);
            complete(&site, &second, &[]).await;
        });
    }

    #[test]
    fn any_kill_converges(
        first in wish(), second in wish(), kills in prop::collection::vec(moment(), 1..4),
        meddlings in prop::collection::vec(meddling(), 0..3),
    ) {
        runtime().block_on(async {
            let site = Site::new();
            let (first, second) = (first.graph(&site), second.graph(&site));
            for kill in &kills[1..] {
                let _ = site.run(&first, ask(Some(*kill))).await;
            }
            complete(&site, &first, &[]).await;
            meddlings.iter().for_each(|meddling| meddle(&site, meddling));
            for kill in &kills {
                let _ = site.run(&second, ask(Some(*kill))).await;
            }
            complete(&site, &second, &[]).await;
        });
    }
}

fn fifteen(value: i64, fixed: i64) -> Vec<Node> {
    let mut nodes = vec![node(&GROUP, "g").with("value", value), node(&DISK, "n3").inside("g").with("size", value)];
    for app in 0..3 {
        let name = |part: &str| format!("{part}{app}");
        nodes.push(node(&THING, &name("db")).inside("g").using(&DISK, "n3").with("value", value));
        nodes.push(node(&ASKED, &name("svc")).using(&THING, &name("db")).with("value", value));
        nodes.push(node(&THING, &name("web")).using(&ASKED, &name("svc")).with("fixed", fixed));
        let mut child = node(&BARE, &name("child")).with("value", value);
        child.depends_on.push(address(&THING, &name("web")));
        nodes.push(child);
    }
    nodes.push(node(&SLOW, "pool"));
    nodes
}

/// Kills one apply at each of its moments, each in a world of its own.
fn killed_everywhere(first: impl Fn() -> Graph, second: impl Fn() -> Graph, kept: &[&str]) {
    watched(first, second, kept, 10, |_| ());
}

/// The same with more than `least` moments, and a look at each world as the killed apply left it.
fn watched(first: impl Fn() -> Graph, second: impl Fn() -> Graph, kept: &[&str], least: usize, look: impl Fn(&Site)) {
    let runtime = runtime();
    for of in [Moment::Before as fn(usize) -> Moment, Moment::After, Moment::Commit] {
        for number in 1.. {
            let finished = runtime.block_on(async {
                let site = Site::new();
                complete(&site, &first(), &[]).await;
                let wish = second();
                match site.run(&wish, ask(Some(of(number)))).await {
                    Err(Stopped::Killed) => {}
                    ended => {
                        let summary = ended.unwrap();
                        assert!(summary.is_complete(), "{summary:#?}");
                        return true;
                    }
                }
                look(&site);
                complete(&site, &wish, kept).await;
                false
            });
            if finished {
                assert!(number > least, "only {number} moments");
                break;
            }
        }
    }
}

#[test]
fn creations_killed_at_every_moment() {
    killed_everywhere(|| graph([]), || graph(fifteen(1, 1)), &[]);
}

#[test]
fn updates_and_replacements_killed_at_every_moment() {
    killed_everywhere(|| graph(fifteen(1, 1)), || graph(fifteen(2, 2)), &[]);
}

#[test]
fn deletions_killed_at_every_moment() {
    killed_everywhere(|| graph(fifteen(1, 1)), || graph([]), &[]);
}

#[test]
fn deletions_around_a_disk_that_stays_killed_at_every_moment() {
    let first = || {
        let mut nodes = fifteen(1, 1);
        for node in nodes.iter_mut().filter(|node| node.kind.holds == Holds::Data) {
            node.protection.orphan = true;
        }
        graph(nodes)
    };
    killed_everywhere(first, || graph([]), &["/g", "/g/n3"]);
}

#[test]
fn a_mixed_plan_killed_at_every_moment() {
    let second = || {
        let mut nodes = fifteen(2, 1);
        nodes.retain(|node| !node.address.name().ends_with('2'));
        let mut moved = node(&THING, "moved").with("name", "web2").with("fixed", 1);
        moved.moved_from = Some(address(&THING, "web2"));
        nodes.push(moved);
        nodes.push(node(&THING, "db9").inside("g").using(&DISK, "n3"));
        nodes.push(node(&SLOW, "pool9").using(&THING, "db9"));
        graph(nodes)
    };
    killed_everywhere(|| graph(fifteen(1, 1)), second, &[]);
}

/// Whatever kills a run, and however the next ones go on: a disk never has two users.
#[test]
fn a_handover_killed_at_every_moment() {
    for api in ["test", "other"] {
        let one_user = |site: &Site| {
            assert!(site.world.get("/z-old").is_none() || site.world.get("/a-new").is_none(), "{api}");
        };
        watched(|| users(&[("z-old", "test")]), || users(&[("a-new", api)]), &[], 4, one_user);
    }
}
