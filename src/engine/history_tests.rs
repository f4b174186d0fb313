//! Any history of manifests, flags, imports, crashes, failures and of people who meddle: no object with data goes, unless
//! the very run in which it goes named every address that it is recorded under, and nothing protected it.
//!
//! The histories come from a seed. `KOMPOX_HISTORIES` says how many, `KOMPOX_HISTORIES_SEED` from which one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;

use kompox_state::Change;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::runtime::Builder;

use super::address::Address;
use super::code::ProblemCode;
use super::graph::{Graph, ProtectionWish};
use super::identity::Identity;
use super::kind::Kind;
use super::plan::Mode;
use super::planfile;
use super::planner::{Options, PlanError};
use super::testing::{
    ASKED, Ask, DISK, Fault, GROUP, Moment, Site, Stopped, THING, VAULT, address, graph, kinds, node,
};
use super::verify::{Present, verify};

/// How many histories there are if nobody asks for more.
const HISTORIES: u32 = 40;

/// Data: its kind, and whether it lives in the group.
const DATA: [(&Kind, bool); 4] = [(&DISK, true), (&VAULT, true), (&DISK, false), (&VAULT, false)];

/// The names under which the state may know a piece of data: as first written, after a rename, and by a second record.
const NAMES: [&str; 3] = ["n", "m", "a"];

fn data_address(place: usize, name: usize) -> Address {
    address(DATA[place].0, &format!("{}{place}", NAMES[name]))
}

/// What the manifests say of a piece of data.
#[derive(Debug, Clone)]
struct Spec {
    size: u8,
    /// No server changes it.
    zone: u8,
    orphan: bool,
    prevent: Option<bool>,
    /// Another address, with a word on the old one.
    moved: bool,
    /// Another object.
    renamed: bool,
    /// The one that somebody else made.
    import: bool,
    has_user: bool,
}

/// Manifests.
#[derive(Debug, Clone)]
struct Wish {
    group: bool,
    data: Vec<Option<Spec>>,
}

impl Wish {
    fn graph(&self) -> Graph {
        let mut nodes = vec![node(&THING, "base")];
        nodes.extend(self.group.then(|| node(&GROUP, "g")));
        for (place, spec) in self.data.iter().enumerate() {
            let ((kind, inside), Some(spec)) = (DATA[place], spec) else { continue };
            if inside && !self.group {
                continue;
            }
            let own = address(kind, &format!("{}{place}", if spec.moved { "m" } else { "n" }));
            let name = match (spec.import, spec.renamed) {
                (true, _) => format!("foreign{place}"),
                (false, true) => format!("d{place}b"),
                (false, false) => format!("d{place}"),
            };
            let mut data = node(kind, own.name()).with("name", name.as_str()).with("size", i64::from(spec.size));
            data = data.with(if kind.safeguarded { "fixed" } else { "zone" }, i64::from(spec.zone));
            data.moved_from = spec.moved.then(|| data_address(place, 0));
            data.import = spec.import.then(|| format!("/{name}"));
            if inside && !spec.import {
                data = data.inside("g");
            }
            let protection = ProtectionWish { orphan: spec.orphan, prevent_destroy: spec.prevent, read_only: None };
            data.protection = protection;
            nodes.push(data);
            if spec.has_user {
                nodes.push(node(&ASKED, &format!("user{place}")).using(kind, own.name()));
            }
        }
        graph(nodes)
    }
}

/// What a run is asked for.
#[derive(Debug, Clone)]
struct Asked {
    wish: Wish,
    mode: Mode,
    /// Which of the addresses of data are named in `--allow-data-loss`.
    allow: u16,
    targets: u8,
    replace: u8,
    refresh: bool,
    abandon: bool,
    /// The plan is saved, this happens, and then the plan is applied.
    saved: Option<Meddling>,
    moment: Option<Moment>,
    fault: Option<(usize, &'static str, Fault)>,
}

/// What somebody does behind kompox's back.
#[derive(Debug, Clone)]
enum Meddling {
    Nothing,
    Edit(usize),
    Unmark(usize),
    Remake(usize),
    Forget(usize, usize),
    SecondRecord(usize),
    Rename(usize),
}

#[derive(Debug, Clone)]
enum Step {
    Run(Box<Asked>),
    Meddle(Meddling),
}

fn spec() -> impl Strategy<Value = Option<Spec>> {
    let seldom = || prop::bool::weighted(0.08);
    let prevent = prop_oneof![6 => Just(None), 1 => Just(Some(true)), 2 => Just(Some(false))];
    let fields = (1_u8..4, prop_oneof![9 => Just(0_u8), 1 => Just(1)], seldom(), prevent, seldom(), seldom(), seldom());
    let some = (fields, any::<bool>()).prop_map(|((size, zone, orphan, prevent, moved, renamed, import), has_user)| {
        Spec { size, zone, orphan, prevent, moved, renamed, import, has_user }
    });
    prop::option::weighted(0.7, some)
}

fn wish() -> impl Strategy<Value = Wish> {
    (prop::bool::weighted(0.85), prop::collection::vec(spec(), DATA.len()))
        .prop_map(|(group, data)| Wish { group, data })
}

fn meddling() -> impl Strategy<Value = Meddling> {
    (0_u8..7, 0..DATA.len(), 0..NAMES.len()).prop_map(|(what, place, name)| match what {
        0 => Meddling::Edit(place),
        1 => Meddling::Unmark(place),
        2 => Meddling::Remake(place),
        3 => Meddling::Forget(place, name),
        4 => Meddling::SecondRecord(place),
        5 => Meddling::Rename(place),
        _ => Meddling::Nothing,
    })
}

fn moment() -> impl Strategy<Value = Moment> {
    (0_u8..3, 1_usize..12).prop_map(|(what, number)| match what {
        0 => Moment::Before(number),
        1 => Moment::After(number),
        _ => Moment::Commit(number),
    })
}

fn fault() -> impl Strategy<Value = (usize, &'static str, Fault)> {
    let verb = prop::sample::select(vec!["create", "update", "delete", "safeguard"]);
    let fault = prop::sample::select(vec![Fault::Rejected, Fault::LostBefore, Fault::LostAfter]);
    (0..DATA.len(), verb, fault)
}

fn asked() -> impl Strategy<Value = Asked> {
    let mode = prop_oneof![8 => Just(Mode::Apply), 2 => Just(Mode::Destroy), 1 => Just(Mode::RefreshOnly)];
    let few = || prop_oneof![5 => Just(0_u8), 1 => any::<u8>()];
    let what = (wish(), mode, prop_oneof![1 => Just(0_u16), 2 => any::<u16>(), 1 => Just(u16::MAX)]);
    let flags = (few(), few(), prop::bool::weighted(0.8), prop::bool::weighted(0.05));
    let ends = (
        prop::option::weighted(0.25, meddling()),
        prop::option::weighted(0.3, moment()),
        prop::option::weighted(0.15, fault()),
    );
    (what, flags, ends).prop_map(
        |((wish, mode, allow), (targets, replace, refresh, abandon), (saved, moment, fault))| Asked {
            wish,
            mode,
            allow,
            targets,
            replace,
            refresh,
            abandon,
            saved,
            moment,
            fault,
        },
    )
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => asked().prop_map(|asked| Step::Run(Box::new(asked))),
        1 => meddling().prop_map(Step::Meddle),
    ];
    prop::collection::vec(step, 3..12)
}

impl Asked {
    fn allowed(&self) -> BTreeSet<Address> {
        let all = (0..DATA.len()).flat_map(|place| (0..NAMES.len()).map(move |name| (place, name)));
        let named = all.filter(|(place, name)| self.allow & (1 << (place * NAMES.len() + name)) != 0);
        named.map(|(place, name)| data_address(place, name)).collect()
    }

    fn options(&self, wish: &Graph) -> Options {
        let chosen = |mask: u8| {
            let bits = wish.iter().enumerate().filter(move |(bit, _)| mask & (1 << (bit % 8)) != 0);
            bits.map(|(_, node)| node.address.clone())
        };
        Options {
            targets: chosen(self.targets).collect(),
            replace: chosen(self.replace).collect(),
            refresh: self.refresh,
            allow_data_loss: self.allowed(),
            // Everything that is a vault.
            abandoned: self.abandon.then(|| Address::parse("/ws/t/vault").unwrap()).into_iter().collect(),
            ..Options::default()
        }
    }
}

/// A piece of data that there is.
struct Piece {
    id: String,
    lineage: Option<String>,
}

/// All data that exists, safety copies included, by what tells one life of an object from the next.
fn pieces(site: &Site) -> BTreeMap<String, Piece> {
    let is_data = |id: &String| {
        let name = id.rsplit('/').next().unwrap_or_default();
        name.starts_with('d') || name.starts_with("foreign")
    };
    let ids = site.world.ids().into_iter().filter(is_data);
    let piece = |id: String| {
        let thing = site.world.get(&id).unwrap();
        (thing.uid, Piece { id, lineage: thing.lineage })
    };
    ids.map(piece).collect()
}

fn meddle(site: &Site, meddling: &Meddling) {
    let place = match meddling {
        Meddling::Nothing => return,
        Meddling::Forget(place, name) => {
            return site.rewrite(vec![Change::DeleteRecord(data_address(*place, *name))]);
        }
        Meddling::Edit(place) | Meddling::Unmark(place) | Meddling::Remake(place) => *place,
        Meddling::SecondRecord(place) | Meddling::Rename(place) => *place,
    };
    let (from, to) = (data_address(place, 0), data_address(place, 2));
    let name = format!("d{place}");
    let id = site.world.ids().into_iter().find(|id| id.rsplit('/').next() == Some(&name));
    let records = site.records();
    match (meddling, id) {
        (Meddling::Edit(_), Some(id)) => site.world.edit(&id, |thing| thing.object["size"] = 7.into()),
        (Meddling::Unmark(_), Some(id)) => site.world.edit(&id, |thing| thing.lineage = None),
        // Deleted, and made anew with other data in it.
        (Meddling::Remake(_), Some(id)) => {
            let thing = site.world.get(&id).unwrap();
            site.world.remove(&id);
            site.world.put(&id, thing.object, thing.lineage.as_deref());
        }
        (Meddling::SecondRecord(_), _) if records.contains_key(&from) && !records.contains_key(&to) => {
            site.alias(from.as_str(), to.as_str(), |_| {});
        }
        (Meddling::Rename(_), _) if records.contains_key(&from) && !records.contains_key(&to) => {
            site.rewrite(vec![Change::MoveRecord { from, to }]);
        }
        _ => {}
    }
}

/// What came of all histories.
#[derive(Default)]
struct Counts {
    histories: usize,
    steps: usize,
    done: usize,
    partly: usize,
    killed: usize,
    refused: usize,
    for_data: usize,
    outdated: usize,
    unsettled: usize,
    gone: usize,
    forgotten: usize,
}

/// How one run ended.
enum End {
    Done,
    Partly,
    Killed,
    Unsettled,
    Refused(PlanError),
    Outdated,
}

async fn run(site: &Site, asked: &Asked) -> End {
    let wish = if asked.mode == Mode::Destroy { graph([]) } else { asked.wish.graph() };
    let ask = Ask { mode: Some(asked.mode), options: asked.options(&wish), moment: asked.moment, ..Ask::default() };
    match site.run(&wish, ask).await {
        Ok(summary) if summary.is_complete() => End::Done,
        Ok(_) => End::Partly,
        Err(Stopped::Killed) => End::Killed,
        Err(Stopped::Reconcile(_)) => End::Unsettled,
        Err(Stopped::Plan(error)) => End::Refused(error),
    }
}

/// The same with a plan that is saved, and applied after something happened. Gives what data there was before the apply.
async fn run_saved(site: &Site, asked: &Asked, between: &Meddling) -> (BTreeMap<String, Piece>, End) {
    let wish = if asked.mode == Mode::Destroy { graph([]) } else { asked.wish.graph() };
    if let Err(Stopped::Reconcile(_)) = site.reconcile().await {
        return (pieces(site), End::Unsettled);
    }
    let plan = match site.plan_as(&wish, asked.mode, &asked.options(&wish)).await {
        Ok(plan) => plan,
        Err(error) => return (pieces(site), End::Refused(error)),
    };
    planfile::save(&plan, &site.path("plan"), &site.digester).unwrap();
    let mut plan = planfile::read(&site.path("plan")).unwrap().plan;
    meddle(site, between);
    let before = pieces(site);
    let snapshot = site.store().snapshot().unwrap();
    let present = Present {
        snapshot: &snapshot,
        lineage: &site.lineage,
        digester: &site.digester,
        graph: &wish,
        inputs: &plan.inputs.clone(),
        providers: &site.providers,
        kinds,
        engine_version: "0.1.0",
    };
    if !verify(&mut plan, &present, &HashSet::new()).await.is_empty() {
        return (before, End::Outdated);
    }
    let end = match site.apply_plan(&plan, &wish, Ask { moment: asked.moment, ..Ask::default() }).await {
        Ok(summary) if summary.is_complete() => End::Done,
        Ok(_) => End::Partly,
        Err(_) => End::Killed,
    };
    (before, end)
}

/// Holds what went against what was named. Gives how many pieces went.
fn judge(site: &Site, before: &BTreeMap<String, Piece>, known: &Known, asked: &Asked) -> Result<usize, TestCaseError> {
    let after = pieces(site);
    let allowed = asked.allowed();
    let mut gone = 0;
    for (uid, piece) in before.iter().filter(|(uid, _)| !after.contains_key(*uid)) {
        gone += 1;
        let id = &piece.id;
        let holders = known.holders(id);
        prop_assert!(!holders.is_empty(), "{id} ({uid}) is gone, and nobody had a record of it");
        for address in &holders {
            prop_assert!(allowed.contains(address), "{id} is gone, and {address} was not named");
            prop_assert!(!known.protected.contains(address), "{id} is gone, and {address} was protected");
        }
        prop_assert!(piece.lineage.as_deref() == Some(&*site.lineage), "{id} is gone, and was not ours");
        prop_assert!(asked.mode != Mode::RefreshOnly, "{id} is gone by what changes nothing");
        let safe = id.ends_with('b') || !holders.iter().any(|address| address.kind() == VAULT.name);
        let copy = format!("{id}_safety");
        prop_assert!(safe || site.world.get(&copy).is_some(), "{id} is gone without a safety copy");
    }
    Ok(gone)
}

/// What the state said before a run.
struct Known {
    ids: Vec<(Identity, Address)>,
    protected: BTreeSet<Address>,
}

impl Known {
    fn of(site: &Site) -> Self {
        let snapshot = site.store().snapshot().unwrap();
        let kept = |protection: &kompox_state::Protection| {
            protection.adopted || protection.prevent_destroy || protection.orphan || protection.read_only
        };
        let protected = snapshot.records.iter().filter(|record| kept(&record.protection));
        let protected = protected.map(|record| record.address.clone()).collect();
        let recorded = snapshot.records.iter().map(|record| (Identity::of(record), record.address.clone()));
        // What an interrupted run was at is taken into the state before anything else.
        let begun = snapshot.open_intents.iter().filter_map(|intent| {
            let id = intent.physical_id.as_deref()?;
            Some((Identity::new(&intent.provider, id), intent.address.clone()))
        });
        Self { ids: recorded.chain(begun).collect(), protected }
    }

    fn holders(&self, id: &str) -> Vec<Address> {
        let identity = Identity::new(&"test".into(), id);
        self.ids.iter().filter(|(other, _)| *other == identity).map(|(_, address)| address.clone()).collect()
    }
}

async fn live(history: &[Step], counts: &RefCell<Counts>) -> Result<(), TestCaseError> {
    let site = Site::new();
    for place in 0..DATA.len() {
        let name = format!("foreign{place}");
        site.world.put(&format!("/{name}"), json!({"name": name, "size": 1}), None);
    }
    counts.borrow_mut().histories += 1;
    for step in history {
        counts.borrow_mut().steps += 1;
        let asked = match step {
            Step::Meddle(meddling) => {
                meddle(&site, meddling);
                continue;
            }
            Step::Run(asked) => asked,
        };
        if let Some((place, verb, fault)) = asked.fault {
            site.world.fail(&format!("d{place}"), verb, fault);
        }
        let known = Known::of(&site);
        let (before, end) = match &asked.saved {
            Some(between) => run_saved(&site, asked, between).await,
            None => (pieces(&site), run(&site, asked).await),
        };
        site.world.heal();
        let gone = judge(&site, &before, &known, asked)?;
        let now = Known::of(&site);
        let lost =
            |id: &&(Identity, Address)| DATA.iter().any(|(kind, _)| id.1.kind() == kind.name) && !now.ids.contains(id);
        let forgotten = known.ids.iter().filter(lost).count().saturating_sub(gone);
        let mut counts = counts.borrow_mut();
        counts.gone += gone;
        counts.forgotten += forgotten;
        match end {
            End::Done => counts.done += 1,
            End::Partly => counts.partly += 1,
            End::Killed => counts.killed += 1,
            End::Unsettled => counts.unsettled += 1,
            End::Outdated => counts.outdated += 1,
            End::Refused(error) => {
                counts.refused += 1;
                let for_data = |code: ProblemCode| {
                    matches!(code, ProblemCode::DataLoss | ProblemCode::ReplacementRefused | ProblemCode::Protected)
                };
                counts.for_data += usize::from(error.problems.iter().any(|problem| for_data(problem.code)));
            }
        }
    }
    Ok(())
}

fn number(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn no_data_goes_without_its_address_named() {
    let (cases, seed) = (number("KOMPOX_HISTORIES", HISTORIES), number("KOMPOX_HISTORIES_SEED", 12));
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let counts = RefCell::new(Counts::default());
    let result = runner.run(&history(), |history| {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(live(&history, &counts))
    });
    let all = counts.into_inner();
    let Counts { histories, steps, done, partly, killed, refused, for_data, outdated, unsettled, gone, forgotten } =
        all;
    // Past the capture of the test harness.
    let _ = writeln!(
        std::io::stderr(),
        "\nhistories: {histories} from seed {seed}, {steps} steps: {done} runs done, {partly} in part, {killed} killed, {refused} \
         refused ({for_data} for data), {outdated} saved plans refused, {unsettled} unsettled; {gone} pieces of data deleted as named, \
         {forgotten} forgotten and kept, 0 lost",
    );
    result.unwrap();
    // Histories in which nothing happens prove nothing.
    assert!(gone * 4 > histories && for_data * 4 > histories && killed * 8 > histories, "too tame");
}
