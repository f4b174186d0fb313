//! What to do with each object that should exist.

use std::collections::{HashMap, HashSet};

use kompox_state::Record;

use super::decision::{Decided, Decision, Question, Request};
use super::draft::Draft;
use super::problem::{Problem, Refusal, Strayed, Unread};
use super::view::View;
use super::wish::Wish;
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::{NoteCode, ProblemCode};
use crate::engine::graph::Node;
use crate::engine::identity::Identity;
use crate::engine::kind::Holds;
use crate::engine::plan::{Danger, Mode, Precondition, Verb};
use crate::engine::provider::{Observation, Observed, Transition};
use crate::engine::value::{Reference, Value};
use crate::parallel;

mod adopt;
mod compare;
mod elsewhere;
mod origin;
mod replace;

/// What decisions give to those that are made after them.
#[derive(Default)]
struct Given<'v> {
    /// Outputs that stay as they are during the apply.
    outputs: HashMap<&'v Address, serde_json::Value>,
    /// Containers that are being deleted.
    ending: HashSet<&'v Address>,
    /// Data that is refused, and what needs it.
    unsettled: HashSet<&'v Address>,
}

impl<'v> Given<'v> {
    /// As long as nobody knows which data it is to be, nothing is said of a replacement of what leads to it: that is no second
    /// problem, and following its advice would take the data from its app.
    fn settle(&mut self, view: &View<'v>, node: &'v Node, decided: &mut Decided<'v>) {
        let needs = self.needs_unsettled(view, node);
        let is_refused = matches!(decided.decision, Decision::Refuse(_));
        if needs || is_refused && node.kind.holds == Holds::Data {
            self.unsettled.insert(&node.address);
        }
        let is_replacement = |problem: &Problem| problem.code == ProblemCode::ReplacementRefused;
        if needs
            && let Decision::Refuse(Refusal::Problems(problems)) = &decided.decision
            && problems.iter().all(is_replacement)
        {
            decided.decision = Decision::Unchanged;
        }
    }

    fn needs_unsettled(&self, view: &View<'v>, node: &Node) -> bool {
        let any =
            || view.inputs.graph.dependencies(&node.address).into_iter().any(|need| self.unsettled.contains(need));
        !self.unsettled.is_empty() && any()
    }
}

/// The decisions on all objects that the plan is about, in the order of the graph, and the outputs that stay. What an
/// object needs is decided on before it; objects that do not need each other are decided on at once.
pub(super) fn all<'v>(view: &'v View<'v>) -> (Vec<(&'v Node, Decided<'v>)>, HashMap<&'v Address, serde_json::Value>) {
    let mut given = Given::default();
    let mut all: Vec<(usize, &Node, Decided<'_>)> = Vec::with_capacity(view.inputs.graph.len());
    for mut level in view.inputs.graph.levels() {
        level.retain(|(_, node)| view.is_selected(&node.address));
        let decided = parallel::map(&level, |&(_, node)| decide(view, &given, node));
        for ((place, node), mut decided) in level.into_iter().zip(decided) {
            given.outputs.extend(decided.outputs.take().map(|outputs| (&node.address, outputs)));
            given.ending.extend(decided.ends.then_some(&node.address));
            given.settle(view, node, &mut decided);
            all.push((place, node, decided));
        }
    }
    all.sort_unstable_by_key(|(place, ..)| *place);
    (all.into_iter().map(|(_, node, decided)| (node, decided)).collect(), given.outputs)
}

/// What to do with one object, from what is known of it and what those gave that it needs.
fn decide<'v>(view: &'v View<'v>, given: &Given<'_>, node: &'v Node) -> Decided<'v> {
    let lookup = |reference: &Reference| {
        let outputs = given.outputs.get(&reference.address)?;
        outputs.pointer(&reference.output).filter(|value| !value.is_null()).map(Value::from)
    };
    let wish = Wish::new(view, node, &lookup);
    let decided = match view.observations.get(&node.address) {
        Some(Observation::Found(observed)) => found(&wish, given, observed),
        Some(Observation::Failed(_)) if view.is_lost(&node.address, &node.provider) => Decision::Abandoned.into(),
        Some(Observation::Failed(error)) => {
            let (address, origin) = (node.address.clone(), node.origin.clone());
            Decision::Refuse(Refusal::Unread(Unread::new(address, origin, error.clone()))).into()
        }
        Some(Observation::NotYet(reason)) => absent(&wish, Some(reason)),
        Some(Observation::Missing) | None => absent(&wish, None),
    };
    if view.inputs.mode == Mode::Import { imported(node, decided) } else { decided }
}

/// An import makes nothing, changes nothing and only reads nothing: what is no object to adopt is a problem.
fn imported<'v>(node: &Node, decided: Decided<'v>) -> Decided<'v> {
    let decision = match decided.decision {
        Decision::Act(mut draft) if draft.action.action == Verb::Import => {
            draft.restart = None;
            Decision::Act(draft)
        }
        refused @ Decision::Refuse(_) => refused,
        _ => Problem::of(ProblemCode::NotImportable, node, format!("{} cannot be imported", node.address)).into(),
    };
    Decided { decision, ..decided }
}

/// What to do with what is there.
fn found<'v>(wish: &Wish<'v>, given: &Given<'_>, observed: &'v Observed) -> Decided<'v> {
    let Wish { node, record, .. } = *wish;
    if let Some(refusal) = record.and_then(|record| strayed(wish, record, observed)) {
        return Decision::Refuse(refusal).into();
    }
    if !node.read_only && is_ending(wish, given, observed) {
        return after_end(wish, observed);
    }
    let decision: Decision<'_> = match record {
        None if node.read_only => {
            Draft::wished(wish, Verb::Read, "it exists and is only read", Some(observed), None).into()
        }
        Some(record) if node.read_only && record.protection.adopted => Decision::Unchanged,
        Some(_) if node.read_only => {
            Draft::wished(wish, Verb::Refresh, "it is only read from now on", Some(observed), None).into()
        }
        None => return adopt::adopt(wish, observed),
        Some(record) => return compare::compare(wish, record, observed),
    };
    Decided::from(decision).giving(wish.outputs(observed))
}

/// What to do with what is not there. `reason` says why nobody can tell, where what it lives in is not there either.
fn absent<'v>(wish: &Wish<'v>, reason: Option<&String>) -> Decided<'v> {
    let mut decided = Decided::from(made_anew(wish, reason));
    if matches!(decided.decision, Decision::Act(_) | Decision::Ask(..)) {
        elsewhere::check(wish, &mut decided);
    }
    decided
}

/// That it is made, or why it cannot be.
fn made_anew<'v>(wish: &Wish<'v>, reason: Option<&String>) -> Decision<'v> {
    let Wish { node, record, .. } = *wish;
    if node.read_only {
        let message = format!(
            "{} does not exist, and the manifest says that kompox must not make it (existing: true)",
            node.address
        );
        return Problem::of(ProblemCode::ExistingMissing, node, message).into();
    }
    let Some(record) = record else {
        return match (&node.import, reason) {
            (Some(id), None) => {
                let message = format!("{} cannot be imported: there is nothing with the id {id}", node.address);
                Problem::of(ProblemCode::ImportMissing, node, message)
                    .help("check the id, or remove the import to make a new one")
                    .into()
            }
            (Some(_), Some(reason)) => {
                let message = format!("{} cannot be imported without looking at it: {reason}", node.address);
                Problem::of(ProblemCode::ImportMissing, node, message)
                    .help("plan without --offline and --refresh=false")
                    .into()
            }
            (None, reason) => create(wish, "new", reason),
        };
    };
    if node.kind.holds == Holds::Data {
        let id = &record.physical_id;
        let message = format!("{} is gone: the state knows it as {id}, and it holds data", node.address);
        return Problem::of(ProblemCode::DataGone, node, message)
            .help(Advice::run("restore it and adopt it", Command::import(&node.address).open("id")))
            .help(start_empty(node))
            .into();
    }
    let gone = if reason.is_some() { "what it lived in is gone" } else { "it was deleted outside of kompox" };
    create(wish, gone, reason)
}

fn start_empty(node: &Node) -> Advice {
    Advice::run("or start with an empty one", Command::state_rm(&node.address))
}

fn create<'v>(wish: &Wish<'v>, why: &str, unconfirmed: Option<&String>) -> Decision<'v> {
    let draft = Draft::wished(wish, Verb::Create, why, None, unconfirmed.cloned());
    let asks = wish.node.kind.preview && unconfirmed.is_none();
    let Some(request) = asks.then(|| wish.desired.to_request().ok()).flatten() else { return draft.into() };
    let question = Question {
        target: wish.node.target(wish.physical_id()),
        desired: wish.desired.clone(),
        request: Request(request),
        before: None,
        release: None,
        owned: false,
    };
    Decision::Ask(Box::new(draft), Box::new(question))
}

/// Whether an object is being deleted, by itself or with what holds it.
fn is_ending(wish: &Wish<'_>, given: &Given<'_>, observed: &Observed) -> bool {
    let with_container = || {
        let needs = wish.view.inputs.graph.dependencies(&wish.node.address);
        needs.into_iter().any(|need| given.ending.contains(need))
    };
    observed.transition == Some(Transition::Deleting) || !given.ending.is_empty() && with_container()
}

/// What is wanted is being deleted: it is made anew once it is gone.
fn after_end<'v>(wish: &Wish<'v>, observed: &Observed) -> Decided<'v> {
    let node = wish.node;
    if node.kind.holds == Holds::Data {
        let message = format!("{} is being deleted, and it holds data: {}", node.address, observed.physical_id);
        let mut problem =
            Problem::of(ProblemCode::DataEnding, node, message).help("wait until it is gone, and see who deletes it");
        if wish.record.is_some() {
            let restore = Command::import(&node.address).open("id");
            problem = problem.help(Advice::run("then restore it and adopt it", restore)).help(start_empty(node));
        }
        return Decision::from(problem).into();
    }
    let text = format!("is being deleted: {}; it is made anew once it is gone", observed.physical_id);
    let help = vec![
        "as long as something uses it, it does not go; to end that and it:".into(),
        Advice::run("", Command::destroy(&node.address)),
    ];
    let unconfirmed = node.kind.preview.then(|| "what is there now is being deleted".to_owned());
    let reason = "what is there is being deleted; it is made anew once that is gone";
    let mut draft = Draft::wished(wish, Verb::Create, reason, Some(observed), unconfirmed);
    draft.action.ending = true;
    // That it ends in the meantime is what is waited for.
    let record_serial = draft.action.precondition.record_serial;
    draft.action.precondition = Precondition { record_serial, ..Precondition::default() };
    Decided {
        ends: node.kind.holds == Holds::Objects,
        notes: vec![Danger { help, ..Danger::about(NoteCode::Ending, &node.address, text) }],
        ..Decision::from(draft).into()
    }
}

/// What is recorded in one API and wanted in another is no change of it, and nothing that one action could do.
fn strayed(wish: &Wish<'_>, record: &Record, observed: &Observed) -> Option<Refusal> {
    let node = wish.node;
    if node.read_only {
        // What is only read may be another one from now on, but what kompox made is not dropped for it.
        let other = Identity::new(&node.provider, &observed.physical_id) != Identity::of(record);
        return (other && !record.protection.adopted).then(|| {
            let message = format!(
                "{} is {}, which kompox made, and the manifest would read {} instead",
                node.address, record.physical_id, observed.physical_id
            );
            Problem::of(ProblemCode::OtherRead, node, message)
                .help("undo this change, or remove the one that kompox made first:")
                .help(Advice::run("", Command::destroy(&node.address)))
                .into()
        });
    }
    (record.provider.api() != node.provider.api()).then(|| {
        Refusal::Strayed(Strayed {
            address: node.address.clone(),
            origin: node.origin.clone(),
            physical_id: record.physical_id.clone(),
            wanted: wish.view.wished_id(node, &wish.desired),
            apis: (record.provider.described(), node.provider.described()),
        })
    })
}
