//! Saved plans: what is saved is what is applied, or nothing is.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::json;

use super::graph::Graph;
use super::plan::{Mode, Plan};
use super::planfile;
use super::planner::{Options, Problem};
use super::testing::{
    Ask, DISK, GROUP, Moment, POD, SLOW, Site, Stopped, THING, address, graph, kinds, leads, node, user, verbs,
};
use super::value::Value;
use super::verify::{Present, verify};

fn inputs() -> BTreeMap<String, String> {
    BTreeMap::from([("kompoxapp.yml".to_owned(), "digest".to_owned())])
}

async fn check(site: &Site, plan: &mut Plan, wish: &Graph, inputs: &BTreeMap<String, String>) -> Vec<Problem> {
    check_after(site, plan, wish, inputs, &HashSet::new()).await
}

async fn check_after(
    site: &Site,
    plan: &mut Plan,
    wish: &Graph,
    inputs: &BTreeMap<String, String>,
    earlier: &HashSet<String>,
) -> Vec<Problem> {
    let snapshot = site.store().snapshot().unwrap();
    let present = Present {
        snapshot: &snapshot,
        lineage: &site.lineage,
        digester: &site.digester,
        graph: wish,
        inputs,
        providers: &site.providers,
        kinds,
        engine_version: "0.9.0",
    };
    verify(plan, &present, earlier).await
}

async fn save_and_read(site: &Site, plan: &Plan) -> Plan {
    let path = site.path("p.kplan");
    let digest = planfile::save(plan, &path, &site.digester).unwrap();
    let saved = planfile::read(&path).unwrap();
    saved.verify(&site.digester).unwrap();
    assert_eq!((&saved.digest, digest.clone()), (&digest, planfile::digest(&saved.plan, &site.digester)));
    saved.plan
}

fn before() -> Graph {
    graph([
        node(&GROUP, "g"),
        node(&DISK, "data").inside("g").with("size", 32),
        node(&THING, "db").inside("g").using(&DISK, "data").with("image", "db:1"),
        node(&THING, "old"),
    ])
}

fn after(site: &Site) -> Graph {
    graph([
        node(&GROUP, "g"),
        node(&DISK, "data").inside("g").with("size", 64),
        node(&THING, "db")
            .inside("g")
            .using(&DISK, "data")
            .with("image", "db:2")
            .with("password", site.secret("s3cr3t")),
        node(&THING, "new").using(&THING, "db").with("token2", Value::output(&address(&SLOW, "pool"), "/token")),
        node(&SLOW, "pool"),
    ])
}

#[tokio::test]
async fn a_saved_plan_is_applied_as_it_was_reviewed() {
    let site = Site::new();
    site.apply(&before()).await;
    let wish = after(&site);
    let plan = site.plan(&wish).await.unwrap();
    let mut read = save_and_read(&site, &plan).await;
    assert_eq!(verbs(&read), verbs(&plan));
    assert_eq!(format!("{:?}", read.actions), format!("{:?}", plan.actions));
    assert_eq!(check(&site, &mut read, &wish, &inputs()).await, []);
    assert!(site.apply_plan(&read, &wish, Ask::default()).await.unwrap().is_complete());
    site.assert_converged(&wish).await;
    // It is done: applying it once more is refused, by name.
    let problems = check(&site, &mut read, &wish, &inputs()).await;
    assert!(problems.iter().any(|problem| problem.message.contains("another apply wrote it")), "{problems:?}");
}

#[tokio::test]
async fn an_altered_file_or_one_of_another_state_is_refused() {
    let (site, other) = (Site::new(), Site::new());
    let plan = site.plan(&before()).await.unwrap();
    let path = site.path("p.kplan");
    planfile::save(&plan, &path, &site.digester).unwrap();
    let saved = planfile::read(&path).unwrap();
    assert!(saved.verify(&other.digester).is_err());
    let good = std::fs::read(&path).unwrap();
    let step = good.len() / 97 + 1;
    for position in (0..good.len()).step_by(step) {
        let mut bytes = good.clone();
        bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
        if bytes == good {
            continue;
        }
        std::fs::write(&path, &bytes).unwrap();
        // Either it is no plan any more, or it says other things than what was digested.
        let refused = planfile::read(&path).map_or(true, |saved| saved.verify(&site.digester).is_err());
        assert!(refused, "byte {position}");
    }
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(planfile::read(&path).unwrap_err().to_string().contains("is not a saved plan"));
    std::fs::write(&path, String::from_utf8(good).unwrap().replace("\"kompox_plan\":1", "\"kompox_plan\":2")).unwrap();
    assert!(planfile::read(&path).unwrap_err().to_string().contains("it has format 2, this version reads 1"));
    assert!(planfile::read(&site.path("none")).is_err());
    let mut foreign = plan.clone();
    foreign.lineage = other.lineage.clone();
    assert!(check(&site, &mut foreign, &before(), &inputs()).await[0].message.contains("made for another state"));
    let mut newer = plan;
    newer.engine_version = "1.0.0".to_owned();
    assert!(check(&site, &mut newer, &before(), &inputs()).await[0].message.contains("made by version 1.0.0"));
}

#[tokio::test]
async fn what_changed_since_the_review_is_named() {
    let site = Site::new();
    site.apply(&before()).await;
    let wish = after(&site);
    let plan = site.plan(&wish).await.unwrap();
    let messages = async |wish: &Graph, inputs: &BTreeMap<String, String>| {
        let problems = check(&site, &mut plan.clone(), wish, inputs).await;
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let changed =
        BTreeMap::from([("kompoxapp.yml".to_owned(), "other".to_owned()), ("x.env".to_owned(), "d".to_owned())]);
    assert_eq!(
        messages(&wish, &changed).await,
        ["kompoxapp.yml changed since the plan was made", "x.env appeared since the plan was made"]
    );
    assert_eq!(messages(&wish, &BTreeMap::new()).await, ["kompoxapp.yml disappeared since the plan was made"]);
    // What is wanted of an object is another thing, whatever the inputs say.
    let other = graph(
        wish.iter().cloned().map(|node| if node.address.name() == "db" { node.with("image", "db:3") } else { node }),
    );
    assert_eq!(
        messages(&other, &inputs()).await,
        ["/ws/t/thing/db: what is wanted of it changed since the plan was made"]
    );
    // An object, by its field; what the plan does not speak of may change.
    site.world.edit("/g/db", |thing| thing.object["unrelated"] = 1.into());
    assert_eq!(messages(&wish, &inputs()).await, [""; 0]);
    site.world.edit("/g/db", |thing| thing.object["image"] = "db:9".into());
    assert_eq!(messages(&wish, &inputs()).await, ["/ws/t/thing/db: somebody changed image since the plan was made"]);
    site.world.edit("/g/db", |thing| thing.uid = "another".to_owned());
    assert!(messages(&wish, &inputs()).await[0].contains("it was deleted and made anew"));
    site.world.remove("/g/db");
    assert!(messages(&wish, &inputs()).await[0].contains("it was deleted"));
    site.world.put("/new", serde_json::json!({"name": "new"}), None);
    assert!(messages(&wish, &inputs()).await[1].contains("/ws/t/thing/new: it was created by somebody else"));
    site.world.unreadable("/g/data");
    assert!(messages(&wish, &inputs()).await[0].contains("it cannot be read"));
}

#[tokio::test]
async fn another_apply_makes_it_stale_but_not_one_of_other_addresses() {
    let site = Site::new();
    site.apply(&before()).await;
    let with = |extra: Option<&str>, value: &str| {
        let base = [
            node(&GROUP, "g"),
            node(&DISK, "data").inside("g").with("size", 32),
            node(&THING, "db").inside("g").using(&DISK, "data").with("image", value),
            node(&THING, "old"),
        ];
        graph(base.into_iter().chain(extra.map(|name| node(&THING, name))))
    };
    let plan = site.plan(&with(None, "db:2")).await.unwrap();
    site.apply(&with(Some("unrelated"), "db:1")).await;
    assert_eq!(check(&site, &mut plan.clone(), &with(None, "db:2"), &inputs()).await, []);
    site.apply(&with(Some("unrelated"), "db:3")).await;
    let problems = check(&site, &mut plan.clone(), &with(None, "db:2"), &inputs()).await;
    assert_eq!(problems[0].message, "/ws/t/thing/db: another apply wrote it since the plan was made");
}

/// A plan with every kind of change, applied again after a kill at every moment: it resumes and ends as planned.
#[test]
fn an_interrupted_plan_resumes() {
    let first = || {
        graph([
            node(&GROUP, "g"),
            node(&THING, "upd").inside("g").with("value", "1"),
            node(&THING, "rep").with("fixed", "1"),
            node(&THING, "del"),
            node(&THING, "old").with("name", "moved").with("value", "1"),
            node(&THING, "user").using(&THING, "old").with("value", "1"),
        ])
    };
    let second = || {
        let mut moved = node(&THING, "mov").with("name", "moved").with("value", "2");
        moved.moved_from = Some(address(&THING, "old"));
        let mut adopted = node(&DISK, "ado").with("value", "2");
        adopted.import = Some("/ado".to_owned());
        graph([
            node(&GROUP, "g"),
            node(&THING, "upd").inside("g").with("value", "2"),
            node(&THING, "rep").with("fixed", "2"),
            node(&THING, "new").using(&THING, "rep"),
            moved,
            node(&THING, "user").using(&THING, "mov").with("value", "2"),
            adopted,
            node(&SLOW, "pool"),
        ])
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let moments = (1..).flat_map(|n| [Moment::Commit(n), Moment::Before(n), Moment::After(n)]);
    let mut kills = 0;
    for moment in moments {
        let more = runtime.block_on(async {
            let site = Site::new();
            site.apply(&first()).await;
            site.world.put("/ado", serde_json::json!({"name": "ado", "value": "1"}), None);
            let wish = second();
            let plan = save_and_read(&site, &site.plan(&wish).await.unwrap()).await;
            let killed = site.apply_plan(&plan, &wish, Ask { moment: Some(moment), ..Ask::default() }).await;
            let (calls, commits) = site.world.counted();
            if killed.is_ok() {
                site.assert_converged(&wish).await;
                return match moment {
                    Moment::Commit(n) => n <= commits,
                    Moment::Before(n) | Moment::After(n) => n <= calls.max(commits),
                };
            }
            kills += 1;
            let earlier: HashSet<String> = site.runs.lock().unwrap()[1..].iter().cloned().collect();
            site.reconcile().await.unwrap();
            let mut resumed = planfile::read(&site.path("p.kplan")).unwrap().plan;
            let problems = check_after(&site, &mut resumed, &wish, &inputs(), &earlier).await;
            assert_eq!(problems, [], "{moment:?}");
            let summary = site.apply_plan(&resumed, &wish, Ask::default()).await.unwrap();
            assert!(summary.is_complete(), "{moment:?}: {summary:?}");
            site.assert_converged(&wish).await;
            true
        });
        if !more {
            break;
        }
    }
    assert!(kills > 20, "{kills}");
}

#[test]
fn any_bytes_are_refused_without_a_panic() {
    let site = Site::new();
    let path = site.path("any");
    proptest!(|(bytes in prop::collection::vec(any::<u8>(), 0..200))| {
        std::fs::write(&path, &bytes).unwrap();
        prop_assert!(planfile::read(&path).is_err());
    });
}

#[tokio::test]
async fn a_killed_plan_leaves_nothing_that_another_plan_stumbles_over() {
    let site = Site::new();
    site.apply(&before()).await;
    let wish = after(&site);
    let plan = site.plan(&wish).await.unwrap();
    let killed = site.apply_plan(&plan, &wish, Ask { moment: Some(Moment::After(2)), ..Ask::default() }).await;
    assert!(matches!(killed, Err(Stopped::Killed)));
    site.apply(&wish).await;
    site.assert_converged(&wish).await;
}

#[tokio::test]
async fn what_a_plan_only_reads_must_be_as_it_was() {
    let taken = || Value::output(&address(&THING, "a"), "/token");
    let wish = |image: &str| graph([node(&THING, "a"), node(&THING, "b").with("token2", taken()).with("image", image)]);
    let site = Site::new();
    site.apply(&wish("1")).await;
    let plan = site.plan(&wish("2")).await.unwrap();
    assert_eq!(verbs(&plan), ["update thing/b"]);
    let saved = save_and_read(&site, &plan).await;
    let refusals = async |plan: &Plan| -> Vec<String> {
        let problems = check(&site, &mut plan.clone(), &wish("2"), &inputs()).await;
        problems.into_iter().map(|problem| problem.message).collect()
    };
    assert_eq!(refusals(&saved).await, Vec::<String>::new());

    let there = site.world.get("/a").unwrap();
    site.world.edit("/a", |thing| thing.object["token"] = "newer".into());
    let reads = "/ws/t/thing/a, which the plan reads";
    assert_eq!(refusals(&saved).await, [format!("{reads}: somebody changed token since the plan was made")]);
    site.world.edit("/a", |thing| (thing.object, thing.uid) = (there.object.clone(), "another".into()));
    assert_eq!(refusals(&saved).await, [format!("{reads}: it was deleted and made anew since the plan was made")]);
    site.world.remove("/a");
    assert_eq!(refusals(&saved).await, [format!("{reads}: it was deleted since the plan was made")]);
    site.world.put("/a", there.object.clone(), there.lineage.as_deref());
    site.world.edit("/a", |thing| thing.uid = there.uid.clone());
    assert_eq!(refusals(&saved).await, Vec::<String>::new());

    // Another apply writes the record, and nothing else shows it.
    let other =
        graph([node(&THING, "a").with("image", "other"), node(&THING, "b").with("token2", taken()).with("image", "1")]);
    site.apply(&other).await;
    site.world.edit("/a", |thing| thing.object = there.object.clone());
    let written = format!("{reads}, was written by another apply since the plan was made");
    assert_eq!(refusals(&saved).await, [written]);
}

/// What a plan gives to a workload must be free when it is applied, whoever has come to use it since the review.
#[tokio::test]
async fn a_workload_that_came_to_use_the_data_since_the_review_makes_the_plan_stale() {
    let wish = |names: &[&str]| {
        let disk = node(&DISK, "data").with("attached", false);
        let users = names.iter().flat_map(|name| user(name, "test"));
        let other = node(&POD, "other").with("mounts", Value::Array(["y=w/y".into()].into())).with("image", "1");
        graph([disk, node(&DISK, "second"), leads("w", "/second"), other].into_iter().chain(users))
    };
    let options = Options { targets: vec![address(&POD, "b")], ..Options::default() };
    let site = Site::new();
    site.apply(&wish(&[])).await;
    let reviewed = wish(&["b"]);
    let plan = site.plan_as(&reviewed, Mode::Apply, &options).await.unwrap();
    let problems = async || check(&site, &mut save_and_read(&site, &plan).await, &reviewed, &inputs()).await;
    assert_eq!(problems().await.len(), 0);
    // What has nothing to do with data does not matter.
    site.world.edit("/other", |pod| pod.object["image"] = "2".into());
    assert_eq!(problems().await.len(), 0);
    site.world.edit("/other", |pod| pod.object["mounts"] = json!(["y=w/y", "x=v-b/x"]));
    let said = problems().await;
    assert_eq!(
        said.iter().map(|problem| &*problem.message).collect::<Vec<_>>(),
        [
            "/ws/t/pod/other uses x on the volume v-b since the plan was made, and the plan gives data to another workload"
        ]
    );
    site.world.unreadable("/other");
    assert!(problems().await[0].message.contains("cannot be read"), "{:?}", problems().await);
    // Where nobody could be asked, the machines' word counted, and counts again.
    let plan = site.plan_as(&reviewed, Mode::Apply, &options).await.unwrap();
    let problems = async || check(&site, &mut save_and_read(&site, &plan).await, &reviewed, &inputs()).await;
    assert_eq!(problems().await.len(), 0);
    site.world.edit("/data", |disk| disk.object["attached"] = true.into());
    assert!(problems().await.iter().any(|problem| problem.message.contains("a machine has it attached since")));
    site.world.remove("/other");
    site.world.edit("/data", |disk| disk.object["attached"] = false.into());
    assert_eq!(problems().await.len(), 0);
}
